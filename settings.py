"""What a user may tune: one frozen object, read once in app.py and handed down.

Values come from the command line, then environment variables (PERPSCOPE_PORT=8060), then the TOML file given with
--config, then the defaults below.
"""

import os
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from analytics.costs import Costs, Fill
from analytics.quality import Limits
from analytics.terms import Terms
from market.exchanges import EXCHANGES
from market.fees import FeeChoice, UnknownTier
from market.overrides import BadOverride, Overrides, parse_overrides

PREFIX = "PERPSCOPE_"
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[Finite, Field(gt=0)]


class ConfigError(Exception):
    """The configuration cannot be used. Its text is one sentence that names the setting or file."""


class Settings(BaseSettings):
    """Every setting, its unit and its default."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    source: str = "live"  # live, demo, or replay:FOLDER
    host: str = "127.0.0.1"
    port: int = Field(8050, ge=1, le=65535)
    exchanges: tuple[str, ...] = ()  # empty: all of them
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    refresh_ms: int = Field(1_000, ge=200, le=60_000)  # how often pages ask for news
    judge_every_s: Positive = 1.0  # how often all pairs are judged
    stale_after_s: Positive = 10.0  # an older quote makes no opportunity
    max_lag_s: Positive = 1.0  # nor does one that came this late by the exchange's clock
    min_net_bps: Finite = 0.0  # from this net edge on a pair counts as actionable
    deviation_limit_bps: Positive = 20.0  # where the heatmap's colours saturate
    depth_instruments: int = Field(20, ge=0, le=200)  # order books watched at a time on one exchange

    fee_tier: dict[str, str] = {}  # per exchange, as it writes it; the published base tier otherwise
    taker_fee_bps: dict[str, Finite] = {}  # per exchange, instead of the published ones
    maker_fee_bps: dict[str, Finite] = {}  # likewise; negative where the exchange pays for it
    fills: tuple[Fill, Fill, Fill, Fill] = ("taker",) * 4  # long in, short in, long out, short out
    slippage_bps: Annotated[Finite, Field(ge=0)] = 0.0  # held back for the whole round trip
    notional: Positive = 10_000.0  # of a leg, in quote currency
    holding_h: Positive = 8.0  # how long a position is held
    leverage: Positive = 5.0  # of a leg
    reaction_s: Annotated[Finite, Field(ge=0)] = 0.1  # a younger gap is not confirmed
    thin_below: Annotated[Finite, Field(ge=0)] = (
        250.0  # what can be filled at a gain is worth too little, quote currency
    )

    catalogue_every_s: Positive = 300.0  # how often listings are read again
    picows: tuple[str, ...] = EXCHANGES  # exchanges whose sockets are read with picows, others with websockets
    record_to: str = ""  # folder for raw frames; empty: do not record
    keep_in: str = ""  # folder for episodes and funding payments of the live market; empty: kept in memory only
    overrides: str = ""  # file of overrides of names, units and pairings; empty: none

    replay_speed: Positive = 1.0
    demo_rate: Positive = 1_500.0  # simulated changes of best prices a second over all exchanges
    demo_instruments: int = Field(470, ge=10, le=1_000)  # simulated perpetuals per exchange
    demo_seed: int = 1

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _TomlFile(settings_cls)

    def terms(self) -> Terms:
        """What the user asks for. Raises ConfigError for a tier that an exchange does not have."""
        try:
            fees = FeeChoice.of(self.fee_tier, self.taker_fee_bps, self.maker_fee_bps)
        except UnknownTier as error:
            raise ConfigError(f"setting 'fee_tier': {error}") from None
        costs = Costs(self.fills, self.slippage_bps)
        return Terms(costs, fees, self.notional, self.min_net_bps, self.holding_h, self.leverage)

    def limits(self) -> Limits:
        """What still counts as good."""
        return Limits(
            stale_after_s=self.stale_after_s,
            max_lag_s=self.max_lag_s,
            reaction_s=self.reaction_s,
            thin_below=self.thin_below,
        )


class _TomlFile(PydanticBaseSettingsSource):
    """The values of the --config file, below the environment."""

    values: ClassVar[dict[str, Any]] = {}

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return self.values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return dict(self.values)


def read_settings(config: str | None, **given: Any) -> Settings:
    """Read the settings; `given` are those of the command line, None where not given.

    Raises:
        ConfigError: If the file cannot be read or a value is wrong; says which.
    """
    for variable in os.environ:
        if variable.startswith(PREFIX) and variable.removeprefix(PREFIX).lower() not in Settings.model_fields:
            raise ConfigError(f"there is no setting for the environment variable '{variable}'")
    _TomlFile.values = _read_file(config) if config else {}
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"there is no setting named '{name}'") from None
        raise ConfigError(f"setting '{name}' is {first['input']!r}: {first['msg'].lower()}") from None
    except Exception as error:  # a value of the environment that is no JSON where a list is needed
        raise ConfigError(f"the settings cannot be read: {error}") from None
    finally:
        _TomlFile.values = {}


def read_overrides(path: str, exchanges: Collection[str]) -> Overrides:
    """Read the file of the setting 'overrides'; no entries where it is empty.

    Raises:
        ConfigError: If the file cannot be read or an entry is wrong; names file, entry and field.
    """
    if not path:
        return Overrides()
    try:
        return parse_overrides(Path(path).expanduser().read_text(encoding="utf-8"), path, exchanges)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(f"the override file '{path}' cannot be read: {reason}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"the override file '{path}' is not valid TOML: {error}") from None
    except BadOverride as error:
        raise ConfigError(str(error)) from None


def _read_file(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"the configuration file '{path}' cannot be read: {(error.strerror or str(error)).lower()}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the configuration file '{path}' is not valid TOML: {error}") from None
