"""What the API answers: rows and envelopes with their units, read by the OpenAPI page.

Rows are plain dataclasses, because a table of 4,500 is built anew for every view and orjson writes them as they are;
pydantic reads the same classes for the schema. None is 'not known', never 0.
"""

from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, Field

Row = TypeVar("Row")


def about(text: str) -> object:
    return Field(description=text)


# Used by many rows.
Symbol = Annotated[str, Field(description="Canonical symbol, BASE-QUOTE.", examples=["BTC-USDT"])]
Exchange = Annotated[str, Field(description="The exchange's name.", examples=["bybit"])]
Quote = Annotated[str, Field(description="The currency prices are in.", examples=["USDT"])]
Price = Annotated[float | None, Field(description="Quote currency per ONE base coin.")]
Coins = Annotated[float | None, Field(description="Base coins.")]
Notional = Annotated[float | None, Field(description="Quote currency.")]
Bps = Annotated[float | None, Field(description="Basis points.")]
Time = Annotated[float | None, Field(description="UTC seconds since 1970.")]
Seconds = Annotated[float | None, Field(description="Seconds.")]
Verdict = Annotated[str, Field(description="`ok`, or the first reason why nothing is made of it.", examples=["ok"])]


@dataclass(frozen=True)
class ExchangeRow:
    """One exchange's feed and how late its messages are."""

    exchange: Exchange
    title: Annotated[str, about("Its name for people.")]
    state: Annotated[str, about("closed, off, starting, live, degraded or down.")]
    reason: Annotated[str, about("Why, in one sentence.")]
    since: Annotated[float | None, about("When this state began, UTC seconds since 1970.")]
    sockets_up: Annotated[int, about("Websockets that are up.")]
    sockets: Annotated[int, about("Websockets there should be.")]
    instruments: Annotated[int, about("Perpetuals that trade.")]
    halted: Annotated[int, about("Perpetuals listed but not trading.")]
    quotes_ok: Annotated[int, about("Contracts whose quote is good enough to be compared.")]
    frames: Annotated[int, about("Messages received since the start.")]
    frames_per_s: Annotated[float | None, about("Messages per second, lately.")]
    last_frame_time: Time
    reconnects: Annotated[int, about("Reconnects since the start.")]
    gaps: Annotated[int, about("Breaks in sequence numbers.")]
    malformed: Annotated[int, about("Messages that could not be read.")]
    unknown: Annotated[int, about("Messages of no known kind.")]
    overtaken: Annotated[int, about("Quotes dropped because a newer one was already there.")]
    latency_p50_s: Annotated[float | None, about("Median latency over the floor. Seconds.")]
    latency_p95_s: Annotated[float | None, about("95th percentile of the latency over the floor. Seconds.")]
    latency_p99_s: Annotated[float | None, about("99th percentile of the latency over the floor. Seconds.")]
    clock_floor_s: Annotated[
        float | None,
        about("Receipt less event time of the fastest messages: clock offset plus shortest delay. Seconds."),
    ]
    latency_samples: Annotated[int, about("Messages behind the percentiles.")]
    last_error: Annotated[str | None, about("The last error, in one sentence.")]
    last_error_time: Time
    next_attempt_time: Annotated[float | None, about("When a connection is tried again, UTC seconds since 1970.")]


@dataclass(frozen=True)
class InstrumentRow:
    """One perpetual contract as listed; any multiplier (1000PEPE) is already taken out of prices and sizes."""

    symbol: Symbol
    exchange: Exchange
    exchange_symbol: Annotated[str, about("The exchange's own name of the contract.")]
    base: Annotated[str, about("The base coin.")]
    quote: Quote
    settle: Annotated[str, about("What profit and loss are paid in.")]
    kind: Annotated[str, about("linear, inverse or quanto.")]
    asset_class: Annotated[str, about("crypto, equity, commodity, fx, index or preipo.")]
    status: Annotated[str, about("trading, halted, pre_market or closed.")]
    pairing: Annotated[str, about("ok, check, deny, relay, exclude or hide: whether it may be compared, by name.")]
    multiplier: Annotated[float | None, about("Coins per quoted coin: 1000 for 1000PEPE.")]
    contract_multiplier: Annotated[
        float | None, about("Linear: base coins per contract; inverse: quote currency per contract.")
    ]
    tick_size: Price
    lot_size: Annotated[float | None, about("Smallest step of size. Linear: base coins; inverse: quote currency.")]
    min_notional: Notional
    funding_interval_h: Annotated[float | None, about("Hours between fundings, as listed.")]
    listed_time: Time
    taker_fee_bps: Annotated[float | None, about("Cost of crossing the book, basis points of notional.")]
    maker_fee_bps: Annotated[float | None, about("Cost of resting in the book, basis points of notional.")]
    quarantined_since: Annotated[
        float | None, about("Since when its price has not belonged to its symbol, UTC seconds since 1970.")
    ]
    price_ratio: Annotated[float | None, about("In quarantine: its index or mark over the median of its symbol.")]


@dataclass(frozen=True)
class PriceRow:
    """One contract's top of book on one exchange, and whether it may be compared. Ages are those at `as_of`."""

    symbol: Symbol
    exchange: Exchange
    quote: Quote
    bid_price: Price
    bid_size: Coins
    ask_price: Price
    ask_size: Coins
    mid_price: Price
    quoted_spread_bps: Annotated[float | None, about("Best ask less best bid, basis points of the mid.")]
    mark_price: Price
    index_price: Price
    last_price: Price
    deviation_bps: Annotated[
        float | None, about("Mid against the median of all exchanges' good mids, basis points of the median.")
    ]
    age_s: Annotated[float | None, about("Seconds since the quote was received or confirmed.")]
    exchange_age_s: Annotated[
        float | None, about("Seconds since the quote's event, by the exchange's clock less its floor.")
    ]
    lag_s: Annotated[float | None, about("How late the quote came, or the exchange's quotes come now. Seconds.")]
    live: Annotated[bool, about("Whether the connection that brought the quote is up.")]
    event_time: Annotated[float | None, about("The exchange's clock, UTC seconds since 1970.")]
    received_time: Annotated[float | None, about("Our clock, UTC seconds since 1970.")]
    volume_24h: Coins
    turnover_24h: Notional
    open_interest: Annotated[float | None, about("Base coins, one side.")]
    verdict: Verdict


@dataclass(frozen=True)
class FundingRow:
    """One contract's funding as predicted for its next settlement; positive means longs pay shorts."""

    symbol: Symbol
    exchange: Exchange
    quote: Quote
    funding_rate: Annotated[float | None, about("Fraction of notional per interval: 0.0001 is one basis point.")]
    funding_interval_h: Annotated[float | None, about("Hours between fundings; null if not known.")]
    next_funding_time: Time
    funding_rate_hourly: Annotated[float | None, about("Fraction per hour; null if the interval is not known.")]
    funding_apr: Annotated[
        float | None,
        about("Simple, not compounded: rate * 8760 / interval. Fraction per year; null if the interval is not known."),
    ]
    mark_price: Price
    index_price: Price
    received_time: Annotated[float | None, about("When it was received, UTC seconds since 1970.")]
    age_s: Annotated[float | None, about("Seconds since it was received, at `as_of`.")]
    verdict: Annotated[str, about("`ok`, or the first reason against the contract's quote.")]


@dataclass(frozen=True)
class OpportunityRow:
    """One directed pair: buy at the asks of one exchange, sell at the bids of another. `desk.Opportunity`.

    Edges and costs are basis points of the mean of the two mids. net = gross + walk + expected exit - fees.
    """

    id: Annotated[str, about("SYMBOL:BUY:SELL.")]
    symbol: Symbol
    buy: Annotated[str, about("The exchange to buy on.")]
    sell: Annotated[str, about("The exchange to sell on.")]
    net_edge_bps: Annotated[
        float | None,
        about("Expected round trip: gross + walk + expected exit - fees. Null while no exit can be expected."),
    ]
    gross_edge_bps: Annotated[
        float | None, about("Entry edge at the touch, before costs: 1e4 * (bid of sell - ask of buy) / mid.")
    ]
    walk_bps: Annotated[
        float | None,
        about("What the size loses against the touch, zero or less. Basis points; null where nothing can be filled."),
    ]
    fresh_edge_bps: Annotated[
        float | None,
        about("The gap of the two books when each is divided by its own mark. Basis points; null without both marks."),
    ]
    exit_edge_bps: Annotated[float | None, about("What closing would earn at today's quotes.")]
    expected_exit_bps: Annotated[
        float | None, about("What closing is expected to earn: median over the look-back, null below 30 samples.")
    ]
    expected_exit_samples: Annotated[int, about("Samples behind that median.")]
    fees_bps: Annotated[
        float | None, about("Four fills, opening and closing both legs, and the reserve for slippage. Basis points.")
    ]
    buy_price: Price
    sell_price: Price
    size: Annotated[
        float | None,
        about(
            "Base coins of the notional asked for that the touches can fill; of a gap whose books were walked, as many"
            " as still gain the minimum each, in whole lots."
        ),
    ]
    notional: Annotated[float | None, about("That size at the mean mid. Quote currency.")]
    profit: Annotated[float | None, about("Net edge on that notional. Quote currency.")]
    capacity: Annotated[
        float | None,
        about("The largest notional whose average still gains the minimum. Quote currency; null if not walked."),
    ]
    visible: Annotated[
        float | None, about("The notional up to which both books are known. Quote currency; null if not walked.")
    ]
    touch_only: Annotated[bool, about("Whether no more than the best prices are known of either book.")]
    alive_s: Annotated[float | None, about("Age of the gap. Seconds; null where there is none.")]
    buy_age_s: Seconds
    sell_age_s: Seconds
    carry_8h_bps: Annotated[float | None, about("Funding earned in eight hours, basis points; null if not known.")]
    carry_bps: Annotated[
        float | None,
        about("Funding earned over the holding time, payment by payment. Basis points; null if not known."),
    ]
    break_even_h: Annotated[
        float | None,
        about("Hours until funding has paid what the edges lack; 0 if nothing, null if it never does."),
    ]
    net_apr: Annotated[
        float | None,
        about("Net edge and carry over the holding time, as a simple fraction of a leg's notional per year."),
    ]
    net_apr_on_capital: Annotated[
        float | None, about("The same on the capital that both legs take at the leverage set. Fraction per year.")
    ]
    verdict: Verdict
    actionable: Annotated[
        bool,
        about(
            "A gap with verdict ok and a size, whose net edge reaches the minimum with the expected exit and"
            " without it."
        ),
    ]


class FlowRow(BaseModel):
    """One funding payment inside the holding time."""

    time: float = Field(description="UTC seconds since 1970.")
    leg: str = Field(description="long: bought, pays a positive rate. short: sold, gets it.")
    exchange: Exchange
    kind: str = Field(description="predicted, assumed (a later settlement at the same rate) or continuous.")
    rate: float = Field(description="Fraction of notional; positive means longs pay shorts.")
    bps: float = Field(description="What the leg gets, basis points of its notional; negative: it pays.")


class Stamp(BaseModel):
    """Where an answer comes from and of which moment it is."""

    source: str = Field(description="live, demo or replay.")
    simulated: bool = Field(description="True for everything that is not the live market.")
    as_of: float = Field(description="When the market was judged, UTC seconds since 1970.")
    version: int = Field(description="Version of the snapshot; grows with every change.")


class Rows(Stamp, Generic[Row]):
    """A table."""

    count: int = Field(description="How many rows follow.")
    rows: list[Row]


class FunnelCounts(BaseModel):
    """How many directed pairs pass each gate."""

    seen: int = Field(description="Listed on both exchanges.")
    fresh: int = Field(description="Of those, no leg without a quote, lost, stale or late.")
    tradable: int = Field(description="Of those, neither quote keeps the pair from being ranked.")
    net_positive: int = Field(description="Of those, verdict ok and net edge above zero.")
    actionable: int = Field(description="A gap that all tests let through, with a size and the minimum reached.")


class Summary(Stamp):
    """The market in a few numbers."""

    data_as_of: float | None = Field(description="When the newest quote was received, UTC seconds since 1970.")
    symbols: int = Field(description="Different symbols listed.")
    instruments: int = Field(description="Contracts listed on all exchanges.")
    quotes_ok: int = Field(description="Contracts whose quote is good enough to be compared.")
    exchanges_up: int = Field(description="Exchanges that give fresh quotes.")
    exchanges_of: int = Field(description="Exchanges that should: neither closed nor switched off.")
    min_net_bps: float = Field(description="From this net edge on a pair is actionable. Basis points.")
    funnel: FunnelCounts
    reasons: dict[str, int] = Field(description="Refused directed pairs by their first reason.")
    best: OpportunityRow | None = Field(description="The actionable pair of the highest net edge.")


class Health(Stamp):
    """Whether the desk does its work."""

    status: str = Field(description="ok, degraded (some exchange or the judging is behind) or down (no fresh data).")
    reason: str = Field(description="Why, in one sentence.")
    detail: str = Field(description="More about the source.")
    data_as_of: float | None = Field(description="When the newest quote was received, UTC seconds since 1970.")
    judged_s_ago: float = Field(description="Age of the judgement that is shown. Seconds.")
    judge_s: float = Field(description="How long the last judgement took. Seconds.")
    exchanges_up: int = Field(description="Exchanges that give fresh quotes.")
    exchanges_of: int = Field(description="Exchanges that should: neither closed nor switched off.")
    exchanges: dict[str, str] = Field(description="The state of each exchange's feed.")


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str = Field(description="One sentence that names what is wrong.")
