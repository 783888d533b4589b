"""The settings: which of four places wins, and one sentence for whatever is wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest

from analytics.costs import Costs
from analytics.quality import Limits
from analytics.terms import Terms
from market.fees import FeeChoice
from settings import ConfigError, Settings, read_settings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have settings of their own."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"PERPSCOPE_{name.upper()}", raising=False)


@pytest.fixture
def config(tmp_path: Path) -> Callable[[str], str]:
    """Write a configuration file and return its path."""

    def write(text: str) -> str:
        path = tmp_path / "perpscope.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_defaults_watch_the_live_market_on_the_loopback():
    settings = read_settings(None)
    assert (settings.source, settings.host, settings.port) == ("live", "127.0.0.1", 8050)
    assert settings.exchanges == ()


def test_the_file_wins_over_the_defaults(config):
    settings = read_settings(config('port = 9000\nexchanges = ["bybit", "okx"]\n[taker_fee_bps]\nbybit = 1.5\n'))
    assert settings.port == 9_000
    assert settings.exchanges == ("bybit", "okx")
    assert settings.taker_fee_bps == {"bybit": 1.5}


def test_the_environment_wins_over_the_file(config, monkeypatch):
    monkeypatch.setenv("PERPSCOPE_PORT", "9001")
    settings = read_settings(config("port = 9000\nrefresh_ms = 500"))
    assert settings.port == 9_001
    assert settings.refresh_ms == 500


def test_the_command_line_wins_over_all_and_none_means_not_given(config, monkeypatch):
    monkeypatch.setenv("PERPSCOPE_PORT", "9001")
    monkeypatch.setenv("PERPSCOPE_SOURCE", "demo")
    settings = read_settings(config("port = 9000"), port=9_002, source=None)
    assert settings.port == 9_002
    assert settings.source == "demo"


def test_lists_in_the_environment_are_json(monkeypatch):
    monkeypatch.setenv("PERPSCOPE_EXCHANGES", '["bybit"]')
    assert read_settings(None).exchanges == ("bybit",)


def test_a_file_is_forgotten_once_it_is_read(config):
    assert read_settings(config("port = 9000")).port == 9_000
    assert read_settings(None).port == 8_050
    read_settings(config("port = 9000"))
    assert Settings().port == 8_050


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        read_settings(None).port = 1


WRONG = {
    "port = 0": "'port'",
    "port = 65536": "'port'",
    'port = "http"': "'port'",
    "stale_after_s = 0": "'stale_after_s'",
    "stale_after_s = -1": "'stale_after_s'",
    "judge_every_s = nan": "'judge_every_s'",
    "min_net_bps = nan": "'min_net_bps'",
    "min_net_bps = inf": "'min_net_bps'",
    "refresh_ms = 1": "'refresh_ms'",
    "demo_instruments = 1.5": "'demo_instruments'",
    'log_level = "LOUD"': "'log_level'",
    'exchanges = "bybit"': "'exchanges'",
    "exchanges = [1]": "'exchanges.0'",
    '[taker_fee_bps]\nbybit = "free"': "'taker_fee_bps.bybit'",
    "[taker_fee_bps]\nbybit = nan": "'taker_fee_bps.bybit'",
    "slippage_bps = -0.1": "'slippage_bps'",
    "notional = 0": "'notional'",
    "notional = inf": "'notional'",
    "holding_h = 0": "'holding_h'",
    "leverage = 0": "'leverage'",
    "reaction_s = -0.1": "'reaction_s'",
    "thin_below = -1": "'thin_below'",
    'fills = ["taker", "maker", "taker"]': "'fills.3'",
    'fills = ["taker", "maker", "taker", "free"]': "'fills.3'",
    "[fee_tier]\nbybit = 1": "'fee_tier.bybit'",
    "prot = 8050": "'prot'",
    "port = = 1": "perpscope.toml",
    "port = 1\nport = 2": "perpscope.toml",
}


@pytest.mark.parametrize(("text", "named"), WRONG.items())
def test_what_is_wrong_is_named_in_one_sentence(config, text, named):
    with pytest.raises(ConfigError) as caught:
        read_settings(config(text))
    sentence = str(caught.value)
    assert named in sentence
    assert "\n" not in sentence
    assert len(sentence) < 300


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    missing = str(tmp_path / "nowhere.toml")
    with pytest.raises(ConfigError, match=r"'.*nowhere\.toml' cannot be read: no such file"):
        read_settings(missing)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_settings(str(tmp_path))
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"binary\.toml"):
        read_settings(str(binary))


@pytest.mark.parametrize(
    ("name", "value"), [("PERPSCOPE_PORT", "none"), ("PERPSCOPE_EXCHANGES", "bybit"), ("PERPSCOPE_TAKER_FEE_BPS", "5")]
)
def test_a_wrong_value_in_the_environment_is_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        read_settings(None)
    assert name.removeprefix("PERPSCOPE_").lower() in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_misspelt_variable_is_named(monkeypatch):
    monkeypatch.setenv("PERPSCOPE_PROT", "9000")
    with pytest.raises(ConfigError, match="'PERPSCOPE_PROT'"):
        read_settings(None)


def test_a_wrong_value_on_the_command_line_is_named():
    with pytest.raises(ConfigError, match="'port' is 70000"):
        read_settings(None, port=70_000)


# -- what is judged by -----------------------------------------------------------------------------------------


def test_by_default_four_takers_trade_ten_thousand_for_eight_hours():
    assert read_settings(None).terms() == Terms(
        costs=Costs(("taker",) * 4, 0.0),
        fees=FeeChoice(),
        notional=10_000.0,
        min_net_bps=0.0,
        holding_h=8.0,
        leverage=5.0,
    )
    assert read_settings(None).limits() == Limits()


def test_the_terms_are_those_of_the_settings(config):
    text = """
        fills = ["maker", "taker", "taker", "maker"]
        slippage_bps = 1.5
        notional = 500
        min_net_bps = -2
        holding_h = 24
        leverage = 3
        [fee_tier]
        bybit = "VIP 2"
        [taker_fee_bps]
        okx = 1.5
        [maker_fee_bps]
        okx = -0.5
    """
    assert read_settings(config(text)).terms() == Terms(
        costs=Costs(("maker", "taker", "taker", "maker"), 1.5),
        fees=FeeChoice((("bybit", "VIP 2"),), (("okx", 1.5),), (("okx", -0.5),)),
        notional=500.0,
        min_net_bps=-2.0,
        holding_h=24.0,
        leverage=3.0,
    )


def test_the_limits_are_those_of_the_settings(config):
    limits = read_settings(config("stale_after_s = 3\nmax_lag_s = 0.5\nreaction_s = 0\nthin_below = 0")).limits()
    assert limits == Limits(stale_after_s=3.0, max_lag_s=0.5, reaction_s=0.0, thin_below=0.0)


@pytest.mark.parametrize("exchange", ["bybit", "nowhere"])
def test_a_tier_that_an_exchange_does_not_have_is_named(config, exchange):
    settings = read_settings(config(f'[fee_tier]\n{exchange} = "VIP 99"'))
    with pytest.raises(ConfigError) as caught:
        settings.terms()
    sentence = str(caught.value)
    assert "'fee_tier'" in sentence
    assert f"{exchange} has no fee tier 'VIP 99'" in sentence
    assert "\n" not in sentence


def test_nested_settings_in_the_environment_are_json(monkeypatch):
    monkeypatch.setenv("PERPSCOPE_FEE_TIER", '{"bybit": "VIP 1"}')
    monkeypatch.setenv("PERPSCOPE_FILLS", '["maker", "maker", "taker", "taker"]')
    terms = read_settings(None).terms()
    assert terms.fees.tiers == (("bybit", "VIP 1"),)
    assert terms.costs.fills == ("maker", "maker", "taker", "taker")
