"""A market that does what the test says: instruments and quotes in a few words, a feed that only reports."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from desk import Desk, Market, Source
from feeds.status import ExchangeStatus, SocketStatus, State
from market.models import Funding, Instrument, Quote, Status, Ticker
from market.overrides import Change, Overrides
from settings import Settings
from store.ring import QuoteRing
from store.snapshot import SnapshotStore

NOW = 1_800_000_000.0


def instrument(exchange: str, symbol: str = "BTC-USDT", **changed: object) -> Instrument:
    base, quote = symbol.split("-")
    values: dict[str, object] = {
        "exchange": exchange,
        "exchange_symbol": base + quote,
        "symbol": symbol,
        "base": base,
        "quote": quote,
        "settle": quote,
        "kind": "linear",
        "multiplier": 1.0,
        "contract_multiplier": 0.001,
        "tick_size": 0.1,
        "lot_size": 0.001,
        "min_notional": 5.0,
        "funding_interval_h": 8.0,
        "status": Status.TRADING,
        "listed_time": 1_600_000_000.0,
        "continuous_funding": exchange == "deribit",
        "taker_fee_bps": 5.0,
        "maker_fee_bps": 2.0,
    }
    return Instrument(**(values | changed))  # type: ignore[arg-type]


def quote(
    exchange: str,
    bid: float | None,
    ask: float | None,
    symbol: str = "BTC-USDT",
    *,
    sizes: tuple[float | None, float | None] = (1.0, 1.0),
    at: float = NOW,
    event: float | None = None,
) -> Quote:
    return Quote(exchange, symbol, bid, sizes[0], ask, sizes[1], event, at)


def funding(exchange: str, symbol: str = "BTC-USDT", *, at: float = NOW, **said: float) -> Funding:
    names = ("mark_price", "index_price", "funding_rate", "funding_interval_h", "next_funding_time", "event_time")
    return Funding(exchange, symbol, received_time=at, **{name: said.get(name) for name in names})


def ticker(exchange: str, symbol: str = "BTC-USDT", *, at: float = NOW, **said: float) -> Ticker:
    names = ("last_price", "volume_24h", "turnover_24h", "open_interest", "event_time")
    return Ticker(exchange, symbol, received_time=at, **{name: said.get(name) for name in names})


def store_of(exchanges: Sequence[str], *words: Quote | Funding | Ticker, **changed: object) -> SnapshotStore:
    """A store in which every exchange lists the symbols that the words are about.

    All exchanges agree on index and mark of a symbol, the first mid of the words, unless the words say otherwise.
    """
    store = SnapshotStore(exchanges)
    symbols = sorted({word.symbol for word in words}) or ["BTC-USDT"]
    for exchange in exchanges:
        store.set_instruments(exchange, [instrument(exchange, symbol, **changed) for symbol in symbols])
    anchors: dict[str, tuple[float, float]] = {}
    for word in words:
        if isinstance(word, Quote) and word.bid_price and word.ask_price:
            anchors.setdefault(word.symbol, ((word.bid_price + word.ask_price) / 2.0, word.received_time))
    for symbol, (price, at) in anchors.items():
        store.write([funding(name, symbol, at=at, mark_price=price, index_price=price) for name in exchanges])
    store.write(words)
    return store


def same(found: object, wanted: object) -> bool:
    """Equal arrays, NaN equal to NaN."""
    return bool(np.array_equal(np.asarray(found), np.asarray(wanted), equal_nan=True))


def feed_status(exchange: str, state: State = "live", **changed: object) -> ExchangeStatus:
    status = ExchangeStatus.idle(exchange, exchange.title(), state, f"{exchange} is {state}", NOW)
    up = 1 if state in ("live", "degraded") else 0
    socket = SocketStatus("quotes-1", "open" if up else "closed", NOW, 1, 10, 0.1)
    return dataclasses.replace(status, **({"sockets": (socket,), "sockets_up": up, "frames": 10} | changed))


class ScriptedFeed:
    """A feed that says what the test wrote down and counts what was asked of it."""

    def __init__(self, *statuses: ExchangeStatus) -> None:
        self.statuses = list(statuses)
        self.calls: list[str] = []

    def start(self) -> None:
        self.calls.append("start")

    def stop(self, timeout_s: float = 5.0) -> None:
        self.calls.append("stop")

    def status(self) -> Sequence[ExchangeStatus]:
        return self.statuses

    def watch_depth(self, wanted: Mapping[str, Sequence[str]]) -> None:
        self.wanted = {exchange: tuple(symbols) for exchange, symbols in wanted.items()}

    def restart_exchange(self, exchange: str) -> None:
        self.calls.append(f"restart {exchange}")

    def stop_exchange(self, exchange: str) -> None:
        self.calls.append(f"stop {exchange}")

    def start_exchange(self, exchange: str) -> None:
        self.calls.append(f"start {exchange}")

    def reload(self, overrides: Overrides) -> list[Change]:
        self.calls.append(f"reload {len(overrides)}")
        return []


def market_of(store: SnapshotStore, kind: str = "demo", feed: ScriptedFeed | None = None) -> Market:
    feed = feed or ScriptedFeed(*(feed_status(exchange) for exchange in store.grid.exchanges))
    return Market(Source(kind, f"scripted {kind}"), store, feed, QuoteRing(capacity=100))  # type: ignore[arg-type]


def desk_of(market: Market, **settings: object) -> Desk:
    return Desk(Settings(**({"source": "demo"} | settings)), lambda _: market)  # type: ignore[arg-type]
