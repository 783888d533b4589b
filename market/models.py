"""The vocabulary: what an exchange lists and what it says about it.

Units, once and for all: prices are quote currency per ONE base coin, sizes are base coins, notionals are quote
currency, rates are plain fractions, spreads and fees are bps, times are UTC seconds since 1970. An absent value is
None. The adapters convert; nothing downstream does.

The words are msgspec structs because they are made many thousand times a second: a frozen dataclass costs several
times as much to build.
"""

from enum import StrEnum
from typing import Any, Literal

import msgspec

Kind = Literal["linear", "inverse", "quanto"]


class Status(StrEnum):
    """What may be done with a contract. Only TRADING ever makes an opportunity."""

    TRADING = "trading"
    HALTED = "halted"  # suspended, post-only, in an auction, settling
    PRE_MARKET = "pre_market"
    CLOSED = "closed"  # delisted


class AssetClass(StrEnum):
    """What the ticker stands for: ON the coin and ON the share are different assets."""

    CRYPTO = "crypto"
    EQUITY = "equity"
    COMMODITY = "commodity"
    FX = "fx"
    INDEX = "index"
    PREIPO = "preipo"


class Pairing(StrEnum):
    """Whether a listing may be compared with others, decided by name (the price check comes later).

    OK: yes. CHECK: only once its price agrees. DENY: known to be another asset. RELAY: repeats another exchange's
    book. EXCLUDE: cannot be paired (quanto, home-made index). HIDE: pre-market, shown on request.
    """

    OK = "ok"
    CHECK = "check"
    DENY = "deny"
    RELAY = "relay"
    EXCLUDE = "exclude"
    HIDE = "hide"


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One perpetual contract as listed by one exchange, in the product's units.

    multiplier: coins per quoted coin (1000 for 1000PEPE); already taken out of every price, size, tick and lot.
    contract_multiplier: linear: base coins per contract; inverse: quote currency per contract.
    tick_size: quote currency per one coin. lot_size: coins (linear) or quote currency (inverse).
    min_notional: quote currency. funding_interval_h: hours, None if not known. continuous_funding: paid without pause,
    the rate being that of one interval. listed_time: epoch s.
    price_band: how far above the mark an order may buy, or below it sell, as a fraction; the narrower of the two where
    they differ. None where the listing does not say. On KuCoin and MEXC it is counted from the index.
    extra: what only the adapter needs to know of the row.
    """

    exchange: str
    exchange_symbol: str
    symbol: str
    base: str
    quote: str
    settle: str
    kind: Kind
    multiplier: float
    contract_multiplier: float
    tick_size: float | None
    lot_size: float | None
    min_notional: float | None
    funding_interval_h: float | None
    status: Status
    listed_time: float | None
    taker_fee_bps: float
    maker_fee_bps: float
    asset_class: AssetClass = AssetClass.CRYPTO
    pairing: Pairing = Pairing.OK
    price_band: float | None = None
    continuous_funding: bool = False
    extra: dict[str, Any] = {}


class Quote(msgspec.Struct, frozen=True, gc=False):
    """The whole current top of book; an empty side is None. Sizes in base coins."""

    exchange: str
    symbol: str
    bid_price: float | None
    bid_size: float | None
    ask_price: float | None
    ask_size: float | None
    event_time: float | None
    received_time: float


class Funding(msgspec.Struct, frozen=True, gc=False):
    """Mark, index and funding; a field that this message did not carry is None and changes nothing.

    funding_rate: fraction per interval, predicted for next_funding_time; positive = longs pay shorts.
    """

    exchange: str
    symbol: str
    mark_price: float | None
    index_price: float | None
    funding_rate: float | None
    funding_interval_h: float | None
    next_funding_time: float | None
    event_time: float | None
    received_time: float


class Ticker(msgspec.Struct, frozen=True, gc=False):
    """Last trade and 24 h figures; a field that this message did not carry is None and changes nothing.

    volume_24h: base coins. turnover_24h: quote currency. open_interest: base coins, one side.
    """

    exchange: str
    symbol: str
    last_price: float | None
    volume_24h: float | None
    turnover_24h: float | None
    open_interest: float | None
    event_time: float | None
    received_time: float


class Depth(msgspec.Struct, frozen=True):
    """A small order book, best level first: tuples of (price, size in base coins)."""

    exchange: str
    symbol: str
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]
    event_time: float | None
    received_time: float


MarketWord = Quote | Funding | Ticker | Depth
