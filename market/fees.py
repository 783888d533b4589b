"""What a fill costs: the exchanges' published fee schedules, and which of their rates this user pays.

Rates are bps of the notional; a negative maker fee is a rebate. Only what an exchange publishes is here: where a table
could not be read there is the base tier alone. Staking, token and referral discounts and market maker programmes are
left out, `FeeChoice` takes what a user really pays. Where an exchange sorts contracts into groups that its listing does
not tell, the dearer rate of the groups stands. Sources were read in 2026, each on the day its schedule names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import isclose, isfinite

from market.models import AssetClass, Instrument

# Product families. Only the first four are told by an instrument's currencies and class; the others by its base rates.
USDT, USDC, INVERSE, TRADFI = "usdt", "usdc", "inverse", "tradfi"
ANY, INNOVATION, PRE_MARKET = "any", "innovation", "pre_market"
_OTHER = "other"  # of these no schedule speaks by name, but ANY covers them
_OF_EVERY_CONTRACT = (ANY, INNOVATION, PRE_MARKET)

_ASSUMED = "assumed, these contracts' own table is not public"


class UnknownTier(ValueError):
    """A fee tier that the exchange does not have. Its text names the exchange, the tier and the known ones."""

    def __init__(self, exchange: str, name: str, known: tuple[str, ...]) -> None:
        self.exchange = exchange
        self.name = name
        self.known = known

    def __str__(self) -> str:
        return f"{self.exchange} has no fee tier '{self.name}'; known are {', '.join(self.known) or 'none'}"


@dataclass(frozen=True, slots=True)
class Tier:
    """One line of a schedule, named as the exchange writes it. [bps]"""

    name: str
    taker_bps: float
    maker_bps: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """The tiers of one exchange for one family of contracts, the base tier first, each ladder from its low end.

    as_of: the day it was published, or read where it bears no date. note: what a reader has to know of it.
    """

    exchange: str
    family: str
    tiers: tuple[Tier, ...]
    source: str
    as_of: date
    note: str = ""

    @property
    def base(self) -> Tier:
        return self.tiers[0]

    def tier(self, name: str) -> Tier | None:
        return next((tier for tier in self.tiers if tier.name == name), None)

    def cited(self, tier: Tier) -> str:
        """'VIP 1, as of 2026-07-23'."""
        return f"{tier.name}, as of {self.as_of.isoformat()}" + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True, slots=True)
class FeeChoice:
    """What the user says about fees, as (exchange, value) pairs so that it can be hashed; `of` takes mappings.

    tiers: names as in the schedules. taker_bps, maker_bps: the user's own rates, which go before everything else.

    Raises:
        UnknownTier: If an exchange has no tier of that name in any of its schedules.
    """

    tiers: tuple[tuple[str, str], ...] = ()
    taker_bps: tuple[tuple[str, float], ...] = ()
    maker_bps: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        for exchange, name in self.tiers:
            if name not in (known := tier_names(exchange)):
                raise UnknownTier(exchange, name, known)

    @classmethod
    def of(
        cls,
        tiers: Mapping[str, str] | None = None,
        taker_bps: Mapping[str, float] | None = None,
        maker_bps: Mapping[str, float] | None = None,
    ) -> "FeeChoice":
        """The choice of these mappings by exchange, in whatever order they are."""
        return cls(
            tuple(sorted((tiers or {}).items())),
            tuple(sorted((taker_bps or {}).items())),
            tuple(sorted((maker_bps or {}).items())),
        )


@dataclass(frozen=True, slots=True)
class Fees:
    """What one fill costs. [bps] None is not known, never free. source: where the two rates come from, for people."""

    taker_bps: float | None
    maker_bps: float | None
    source: str


def tier_names(exchange: str) -> tuple[str, ...]:
    """The tiers that can be chosen at an exchange, over all its schedules, the base tier first."""
    schedules = _BY_EXCHANGE.get(exchange, ())
    return tuple(dict.fromkeys(tier.name for schedule in schedules for tier in schedule.tiers))


def schedule_of(instrument: Instrument) -> Schedule | None:
    """The schedule a contract is charged by: the one of its family whose base tier its listing states.

    None if its listing states anything else, as in a promotion, or an old recording: no tier is known to apply to it.
    """
    families = (_family(instrument), *_OF_EVERY_CONTRACT)
    for schedule in _BY_EXCHANGE.get(instrument.exchange, ()):
        if schedule.family in families and _states(instrument, schedule.base):
            return schedule
    return None


def fees_of(instrument: Instrument, choice: FeeChoice) -> Fees:
    """What a fill of this contract costs this user.

    The user's own rate; else that of the chosen tier, unless the listing states a rate of this contract's own; else
    the listed one.
    """
    published = _published(instrument, dict(choice.tiers).get(instrument.exchange))
    taker = dict(choice.taker_bps).get(instrument.exchange)
    maker = dict(choice.maker_bps).get(instrument.exchange)
    if taker is None and maker is None:
        return published
    if taker is not None and maker is not None:
        return Fees(taker, maker, "yours")
    if taker is not None:
        return Fees(taker, published.maker_bps, f"taker yours; maker {published.source}")
    return Fees(published.taker_bps, maker, f"maker yours; taker {published.source}")


def _published(instrument: Instrument, chosen: str | None) -> Fees:
    schedule = schedule_of(instrument)
    if schedule is None:
        listed = _known(instrument.taker_fee_bps), _known(instrument.maker_fee_bps)
        return Fees(*listed, "listed by the exchange for this contract")
    if chosen is None:
        return _charged(schedule, schedule.base)
    tier = schedule.tier(chosen)
    if tier is None:  # the exchange has it, but of these contracts only the base rate is known
        return _charged(schedule, schedule.base, f"; no {chosen} rate is known for these contracts")
    return _charged(schedule, tier)


def _charged(schedule: Schedule, tier: Tier, but: str = "") -> Fees:
    return Fees(tier.taker_bps, tier.maker_bps, schedule.cited(tier) + but)


def _family(instrument: Instrument) -> str:
    if instrument.kind == "inverse":
        return INVERSE
    if instrument.settle == "USDC":
        return USDC
    if instrument.settle != "USDT":
        return _OTHER
    return USDT if instrument.asset_class is AssetClass.CRYPTO else TRADFI


def _states(instrument: Instrument, tier: Tier) -> bool:
    """Listed rates are products of decimals, and so a last digit off."""
    return isclose(instrument.taker_fee_bps, tier.taker_bps, abs_tol=1e-6) and isclose(
        instrument.maker_fee_bps, tier.maker_bps, abs_tol=1e-6
    )


def _known(fee_bps: float) -> float | None:
    return fee_bps if isfinite(fee_bps) else None


def _tier(name: str, taker_bps: float, maker_bps: float) -> tuple[Tier, ...]:
    return (Tier(name, taker_bps, maker_bps),)


def _ladder(prefix: str, first: int, takers: Sequence[float], makers: Sequence[float]) -> tuple[Tier, ...]:
    """Numbered tiers from the first on. [bps]"""
    rates = zip(takers, makers, strict=True)
    return tuple(Tier(f"{prefix}{number}", *pair) for number, pair in enumerate(rates, first))


_BYBIT = "https://www.bybit.com/en/help-center/article/Trading-Fee-Structure", date(2026, 7, 23)
_BYBIT_VIP = (
    *_ladder("VIP ", 0, (5.5, 4.0, 3.75, 3.5, 3.2, 3.2), (2.0, 1.8, 1.6, 1.4, 1.2, 1.0)),
    Tier("Supreme VIP", 3.0, 0.0),
)
_BYBIT_PRO_MAKERS = (1.0, 0.5, 0.0, 0.0, 0.0, 0.0)

SCHEDULES: tuple[Schedule, ...] = (
    Schedule(
        "binance",
        USDT,
        _tier("Regular User", 5.0, 2.0)
        + _ladder(
            "VIP ",
            1,
            (4.0, 3.5, 3.2, 3.0, 2.7, 2.5, 2.2, 2.0, 1.7),
            (1.6, 1.4, 1.2, 1.0, 0.8, 0.6, 0.4, 0.2, 0.0),
        ),
        "https://www.binance.com/en/fee/futureFee, the numbers from ccxt 4.5.64",
        date(2026, 7, 26),
        "by ccxt 4.5.64",
    ),
    Schedule(
        "binance",
        ANY,
        _tier("Regular User", 5.0, 2.0),
        "https://www.binance.com/en/fee/deliveryFee, https://www.binance.com/en/fee/tradFiFee",
        date(2026, 7, 26),
        _ASSUMED,
    ),
    Schedule(
        "bybit",
        INVERSE,
        _BYBIT_VIP + _ladder("Pro ", 1, (3.2, 3.2, 2.75, 2.4, 2.1, 1.8), _BYBIT_PRO_MAKERS),
        *_BYBIT,
    ),
    Schedule(  # Pro 3 and above: the rate of all but the 72 USDT contracts that are charged as inverse ones are
        "bybit",
        ANY,
        _BYBIT_VIP + _ladder("Pro ", 1, (3.2, 3.2, 3.2, 2.8, 2.8, 2.8), _BYBIT_PRO_MAKERS),
        *_BYBIT,
    ),
    Schedule(
        "bybit",
        INNOVATION,
        _ladder("VIP ", 0, (11.0, 8.0, 6.9, 6.4, 4.8, 4.8), (4.0, 3.3, 3.0, 2.6, 1.8, 1.5))
        + _tier("Supreme VIP", 4.5, 0.0),
        *_BYBIT,
    ),
    Schedule(
        "bybit",
        PRE_MARKET,
        _ladder("VIP ", 0, (10.0, 8.0, 7.0, 6.0, 5.0, 5.0), (4.0, 3.6, 3.2, 2.8, 2.4, 2.0))
        + _tier("Supreme VIP", 4.5, 0.0),
        *_BYBIT,
    ),
    Schedule(  # from VIP7 on group 1 pays less as taker, group 2 as maker
        "okx",
        ANY,
        _tier("Regular", 5.0, 2.0)
        + _ladder(
            "VIP",
            1,
            (4.0, 3.5, 2.8, 2.7, 2.6, 2.5, 2.5, 2.5, 2.0),
            (1.8, 1.3, 1.0, 0.8, 0.5, 0.0, -0.2, -0.5, -0.5),
        ),
        "https://www.okx.com/en-gb/help/updates-to-global-fee-framework",
        date(2026, 7, 19),
    ),
    Schedule(
        "kucoin",
        ANY,
        _ladder(
            "VIP ",
            0,
            (6.0, 6.0, 6.0, 6.0, 6.0, 4.8, 4.3, 3.9, 3.6, 3.3, 3.0, 2.8, 2.5),
            (2.0, 1.8, 1.5, 1.0, 0.8, 0.6, 0.4, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0),
        ),
        "https://www.kucoin.com/support/48142946141635 and, of VIP 4,"
        " https://www.kucoin.com/announcement/en-kucoin-futures-vip4-fee-adjustment-announcement",
        date(2026, 5, 18),
    ),
    Schedule(  # the article calls the table upcoming and gives no day; listings state its base tier already
        "deribit",
        ANY,
        _tier("Standard", 3.5, 1.5)
        + _ladder("VIP", 1, (3.0, 2.5, 2.0, 1.85, 1.75, 1.7, 1.7), (0.0, 0.0, 0.0, -0.2, -0.3, -0.4, -0.4)),
        "https://support.deribit.com/hc/en-us/articles/25944746248989-Fees",
        date(2026, 9, 22),
    ),
    # Rows give rates and no name. The volume tiers of its last year were not found.
    Schedule("bitmex", ANY, _tier("Base", 5.0, 5.0), "https://www.bitmex.com/api/v1/instrument", date(2026, 5, 21)),
    Schedule(  # VIP15 and VIP16: group C
        "gate",
        USDT,
        _ladder(
            "VIP",
            0,
            (5.0, 5.0, 5.0, 4.8, 4.8, 4.5, 4.2, 3.75, 3.5, 3.2, 3.0, 2.8, 2.6, 2.4, 2.2, 2.2, 2.0),
            (2.0, 2.0, 2.0, 1.8, 1.8, 1.8, 1.5, 1.5, 1.5, 1.5, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        ),
        "https://www.gate.com/announcements/article/50390 and, of makers,"
        " https://www.gate.com/announcements/article/36485",
        date(2026, 4, 9),
        "maker as of 2024-05-20",
    ),
    Schedule(
        "gate",
        TRADFI,
        _ladder(
            "VIP",
            0,
            (5.0, 5.0, 5.0, 4.8, 4.8, 4.5, 4.2, 3.75, 3.5, 3.2, 2.5, 2.3, 2.1, 1.9, 1.8, 1.5, 1.2),
            (2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.8, 1.6, 1.4, 1.2, 0.8, 0.6, 0.4, 0.2, 0.0, 0.0, 0.0),
        ),
        "https://www.gate.com/announcements/article/101365",
        date(2026, 9, 1),
    ),
    Schedule("gate", ANY, _tier("VIP0", 5.0, 2.0), "https://www.gate.com/fee", date(2026, 9, 15), _ASSUMED),
    Schedule(  # one rate for every order of a program; what the listing says is for orders by hand
        "mexc",
        ANY,
        _tier("API orders", 8.0, 6.0),
        "https://www.mexc.com/announcements/article/updates-to-api-futures-trading-fees-jun-1-2026-17827791535742",
        date(2026, 6, 1),
    ),
    Schedule(
        "bitget",
        ANY,
        _ladder("VIP", 0, (6.0, 6.0, 4.0, 3.75, 3.5, 3.2, 3.0, 2.0), (2.0, 1.9, 1.6, 1.4, 1.2, 1.0, 0.8, 0.0)),
        "https://www.bitget.com/support/articles/12560603830277",
        date(2026, 9, 15),
    ),
    Schedule(
        "phemex",
        ANY,
        _tier("Standard", 6.0, 1.0)
        + _ladder("VIP ", 1, (5.5, 5.0, 4.5, 3.75, 3.5), (0.8, 0.6, 0.4, 0.2, 0.1))
        + _tier("Star VIP", 3.0, 0.0)
        + _ladder("Pro ", 1, (4.75, 4.5, 3.5, 3.25), (0.0, 0.0, 0.0, 0.0)),
        "https://phemex.com/fees-conditions",
        date(2026, 9, 22),
    ),
    Schedule(  # 5 and 2 bps and 18 % tax; the page of the other tiers could not be read
        "coindcx",
        ANY,
        _tier("Standard", 5.9, 2.36),
        "https://api.coindcx.com/exchange/v1/derivatives/futures/data/instrument",
        date(2026, 9, 22),
    ),
    Schedule(
        "hyperliquid",
        ANY,
        _ladder("Tier ", 0, (4.5, 4.0, 3.5, 3.0, 2.8, 2.6, 2.4), (1.5, 1.2, 0.8, 0.4, 0.0, 0.0, 0.0)),
        "https://hyperliquid.gitbook.io/hyperliquid-docs/trading/fees",
        date(2026, 9, 23),
    ),
)

_BY_EXCHANGE: Mapping[str, tuple[Schedule, ...]] = {
    exchange: tuple(schedule for schedule in SCHEDULES if schedule.exchange == exchange)
    for exchange in {schedule.exchange for schedule in SCHEDULES}
}
