"""Phemex as of September 2026: decimal strings (`_p`) and scaled integers side by side on one socket.

A silent client is closed after `idle_timeout_s` even while data flow, and only `server.ping` and websocket pings count.
Each subscription names one symbol. Sequence numbers grow and show no gaps; the whole book is sent again every minute.
"""

import time
from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

import orjson
from aiohttp import web

from simulator.book import BOOK_LEVELS, Book, DepthMemory, Levels
from simulator.exchanges.base import Exchange, level_strings
from simulator.exchanges.phemex_listings import COIN, LINEAR, phemex_listings
from simulator.exchanges.phemex_rest import (
    BOOK_DEPTH,
    PACK_FIELDS,
    PRICE_SCALE,
    PhemexRest,
    coin_row,
    index_symbol,
    mark_symbol,
    pack_row,
    ticker_24h,
)
from simulator.limits import SlidingWindow
from simulator.market import STEP_S, FairPrices, TopChange
from simulator.universe import CLOSED, HALTED, LIVE, UNLISTED, Listing
from simulator.wire import Connection

INVALID, TOO_MANY = (6001, "invalid argument"), (6015, "subscription limit exceeded")
DEPTHS = (0, 1, 5, 10, 30)
THROTTLED_STEPS = round(0.12 / STEP_S)
PACK_STEPS = round(1 / STEP_S)
PACK_SHARE = 3  # a symbol's row comes about every 3 s
HISTORY = 5  # trades that a subscription begins with
ALL = -1  # in place of a listing's index: a stream of all contracts


class Key(NamedTuple):
    """A stream. row: of the listings. depth and slow (throttled) are of books only."""

    channel: str
    row: int
    depth: int = 0
    slow: bool = False


class Touch(Book):
    """A book's best levels alone: for streams of depth 1 the ladder below would be made for nothing."""

    def refresh(self) -> None:
        market, index = self._market, self._index
        self.bids.only(int(market.bid_ticks[index]), int(market.bid_lots[index]))
        self.asks.only(int(market.ask_ticks[index]), int(market.ask_lots[index]))


class Phemex(Exchange):
    """See the module docstring."""

    name = "phemex"
    settings_defaults: ClassVar[dict[str, float]] = {
        "idle_timeout_s": 30,
        "subscriptions_per_connection": 101,
        "connects_per_5min": 200,
        "requests_per_5min": 5000,
        "requests_per_minute": 300,
        "snapshot_every_s": 60,
    }
    unknown_frame = b'{"something_new_p":{"symbol":"BTCUSDT","valueRp":"1"},"timestamp":1790133513663487967}'

    def __init__(self, fair: FairPrices, seed: int, instruments: int) -> None:
        super().__init__(fair, seed, instruments)
        self.spares = {row.exchange_symbol for row in self.listings if row.status == UNLISTED}
        self.memories: dict[Key, DepthMemory] = {}
        self.snapshot_due: dict[Key, int] = {}  # step of the next whole book
        self.moved: set[int] = set()  # whose top changed since all of its streams last had their turn
        self.beats: dict[Connection, float] = {}  # last ping of each client, monotonic s
        self.trades: dict[int, list[tuple[int, str, int, int]]] = {}
        self._connects = SlidingWindow(self.settings["connects_per_5min"], 300)
        self.rest = PhemexRest(self)

    @classmethod
    def build_listings(cls, instruments: int, seed: int) -> list[Listing]:
        return phemex_listings(instruments, seed)

    def first_sequence(self) -> int:
        return 68_604_886_383 + self.seed * 1000

    @property
    def now_ns(self) -> int:
        return self.now_ms * 1_000_000 + 485_489

    def delist(self, exchange_symbol: str) -> None:
        super().delist(exchange_symbol)
        if exchange_symbol not in self.spares:
            self.by_symbol[exchange_symbol].status = CLOSED  # its row stays, as Delisted

    def trading(self, *hosts: str) -> Iterable[Listing]:
        """What is `Listed`. A halted contract is, too: it has no other word, and its book stands still."""
        return (row for row in self.visible(*hosts) if row.status in (LIVE, HALTED))

    # Connections.

    def routes(self, port: str) -> list[web.RouteDef]:
        return [web.get("/", self.websocket), web.get("/ws", self.websocket), *self.rest.routes()]

    def refuse_connection(self, request: web.Request) -> web.Response | None:
        self._connects.limit = self.settings["connects_per_5min"]
        return None if self._connects.allow(time.monotonic()) else web.Response(status=429)

    def on_open(self, connection: Connection, request: web.Request) -> None:
        self.beats[connection] = connection.opened

    def on_ping(self, connection: Connection, now: float) -> None:
        self.beats[connection] = now

    def on_second(self, now: float) -> None:
        for connection in tuple(self.connections):
            if not connection.half_open and now - self.beats[connection] > self.settings["idle_timeout_s"]:
                connection.abort()  # clients see 1006
        for gone in self.beats.keys() - self.connections:
            del self.beats[gone]

    def on_message(self, connection: Connection, text: str) -> None:
        try:
            request = orjson.loads(text)
            method, params = request["method"], request.get("params") or []
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            self._answer(connection, None, error=INVALID)
            return
        request_id = request.get("id")
        channel, _, verb = str(method).rpartition(".")
        if method == "server.ping":
            self.beats[connection] = time.monotonic()
            self._answer(connection, request_id, "pong")
        elif verb == "subscribe" and isinstance(params, list):
            self._subscribe(connection, request_id, channel, params)
        elif verb == "unsubscribe" and isinstance(params, list):
            self._unsubscribe(connection, channel, params)
            self._answer(connection, request_id, {"status": "success"})
        else:
            self._answer(connection, request_id, error=INVALID)

    def _answer(
        self, connection: Connection, request_id: object, result: object = None, error: tuple[int, str] | None = None
    ) -> None:
        problem = None if error is None else {"code": error[0], "message": error[1]}
        connection.reply(orjson.dumps({"error": problem, "id": request_id, "result": result}), time.monotonic())

    def _subscribe(self, connection: Connection, request_id: object, channel: str, params: list[Any]) -> None:
        """Further symbols in `params` are other arguments, or ignored: that is no error."""
        key = None if self.faults.reject_mode == "subscribe" else self._key(channel, params)
        if key is None:
            self._answer(connection, request_id, error=INVALID)
            return
        if key not in connection.topics and len(connection.topics) >= self.settings["subscriptions_per_connection"]:
            self._answer(connection, request_id, error=TOO_MANY)
            return
        self._answer(connection, request_id, {"status": "success"})
        if channel.startswith("orderbook"):  # one book of a symbol: another depth replaces it
            for other in [other for other in connection.topics if _same_book(other, key)]:
                self.unsubscribe(connection, other)
        self.subscribe(connection, key, channel)
        self._send_first(connection, key)

    def _key(self, channel: str, params: list[Any]) -> Key | None:
        """What a subscription means; None for an unknown symbol, the other protocol's, or a depth there is not."""
        if channel in ("perp_market24h_pack_p", "market24h"):
            return Key(channel, ALL)
        symbol = params[0] if params and isinstance(params[0], str) else ""
        host = LINEAR if channel.endswith("_p") else COIN
        if channel in ("tick_p", "tick"):
            return next((Key(f"{channel}:{symbol}", row.index) for row in self._ticked(symbol, host)), None)
        listing = self.find(symbol)
        if listing is None or listing.host != host or listing.status == CLOSED:
            return None
        if channel in ("orderbook_p", "orderbook"):
            second = params[1] if len(params) > 1 else False
            if second is True and len(params) == 2:
                return Key(channel, listing.index, BOOK_LEVELS)
            depth = params[2] if len(params) > 2 else BOOK_DEPTH
            if not isinstance(depth, int) or depth not in DEPTHS:
                return None
            return Key(channel, listing.index, depth or BOOK_DEPTH, second is True)
        return Key(channel, listing.index) if channel in ("trade_p", "trade", "market24h_p", "kline_p") else None

    def _ticked(self, symbol: str, host: str) -> list[Listing]:
        return [row for row in self.trading(host) if symbol in (index_symbol(row), mark_symbol(row))]

    def _unsubscribe(self, connection: Connection, channel: str, params: list[Any]) -> None:
        """End one symbol's stream of a channel, or all of them where none is named."""
        for key in [key for key, spelling in connection.topics.items() if spelling == channel]:
            named = isinstance(key, Key) and key.row != ALL and bool(params)
            if not named or (isinstance(key, Key) and self.listings[key.row].exchange_symbol == params[0]):
                self.unsubscribe(connection, key)

    def retry_headers(self, seconds: float) -> dict[str, str]:
        return {"x-ratelimit-retry-after-public": f"{seconds:.0f}"}

    def is_numbered(self, key: object) -> bool:
        return isinstance(key, Key) and key.depth > 1

    def topic_ended(self, key: object) -> None:
        if isinstance(key, Key):
            self.memories.pop(key, None)
            self.snapshot_due.pop(key, None)

    # Data.

    def _send_first(self, connection: Connection, key: Key) -> None:
        if key.channel == "perp_market24h_pack_p":
            rows = [pack_row(self, row) for row in self.visible(LINEAR)]  # the delisted ones are in it
            self.send_data(connection, self._pack_frame(rows, "snapshot"))
        elif key.channel == "market24h":
            for listing in self.trading(COIN):
                self.send_data(connection, self._coin_frame(listing))
        elif key.channel == "market24h_p":
            self.send_data(connection, self._single_frame(self.listings[key.row]))
        elif key.depth:
            listing = self.listings[key.row]
            memory = self.memories.get(key)
            if memory is None:
                memory = self.memories[key] = DepthMemory(key.depth)
                memory.snapshot(self._window(listing, key.depth))
                self.snapshot_due[key] = self.market.steps + self._snapshot_steps
            body = self.book_body(listing, key.depth, "snapshot", *memory.current())
            self.send_data(connection, orjson.dumps(body))
        elif key.channel in ("trade_p", "trade"):
            self.send_data(connection, orjson.dumps(self.trades_body(self.listings[key.row])))

    @property
    def _snapshot_steps(self) -> int:
        return max(1, round(self.settings["snapshot_every_s"] / STEP_S))

    def on_tops(self, change: TopChange) -> None:
        self.moved.update(change.index.tolist())
        fields = (change.index, change.bid_ticks, change.bid_lots, change.ask_ticks, change.ask_lots)
        for index, bid, bid_lots, ask, ask_lots in zip(*(field.tolist() for field in fields), strict=True):
            channel = "trade_p" if self.listings[index].host == LINEAR else "trade"
            if bid_lots % 3 == 0 and Key(channel, index) in self.topics:
                buy = ask_lots % 2 == 0
                self._trade(Key(channel, index), ask if buy else bid, max(1, (ask_lots if buy else bid_lots) // 5), buy)

    def on_step(self, step: int) -> None:
        steps, moved = self.market.steps, self.moved
        for key in [key for key, due in self.snapshot_due.items() if steps >= due]:
            self.snapshot_due[key] = steps + self._snapshot_steps
            self._publish_book(key, self.memories[key], whole=True)
        for key, memory in [row for row in self.memories.items() if row[0].row in moved]:
            if not key.slow or steps % THROTTLED_STEPS == key.row % THROTTLED_STEPS:
                self._publish_book(key, memory, whole=False)
        self.moved = {row for row in moved if steps % THROTTLED_STEPS != row % THROTTLED_STEPS}
        if step % PACK_STEPS == 0:
            self._publish_market(step // PACK_STEPS)

    def _publish_book(self, key: Key, memory: DepthMemory, *, whole: bool) -> None:
        listing = self.listings[key.row]
        if not whole and not self._moved(key, memory):
            return
        book, kind = self._window(listing, key.depth), "snapshot"
        if whole:
            bids, asks = memory.snapshot(book)
        else:
            kind = "incremental"
            bids, asks = memory.changes(book)
            window_bids, window_asks = memory.current()
            bids = _inside(bids, window_bids, key.depth, -1)
            asks = _inside(asks, window_asks, key.depth, 1)
        if whole or bids or asks:
            self.publish(key, orjson.dumps(self.book_body(listing, key.depth, kind, bids, asks)))

    def _window(self, listing: Listing, depth: int) -> Book:
        """The book, or its touch where no more is asked for."""
        if depth > 1:
            return self.book(listing)
        touch = Touch(self.market, listing.index, self.seed)
        touch.refresh()
        return touch

    def _moved(self, key: Key, memory: DepthMemory) -> bool:
        """Whether the top changed since the stream's last frame: deeper levels only move with it."""
        market, index = self.market, key.row
        bids, asks = memory.current()
        top = (
            (int(market.bid_ticks[index]), int(market.bid_lots[index])),
            (int(market.ask_ticks[index]), int(market.ask_lots[index])),
        )
        return not bids or not asks or (bids[0], asks[0]) != top

    def book_body(self, listing: Listing, depth: int, kind: str, bids: Levels, asks: Levels) -> dict[str, Any]:
        """A book frame of either protocol, which REST serves too. `timestamp` is that of the last change, in ns."""
        self.sequence += 17
        changed = self.market.top_time[listing.index] + self.faults.clock_offset_s
        body = {
            "sequence": self.sequence,
            "symbol": listing.exchange_symbol,
            "timestamp": int(changed * 1000) * 1_000_000 + 305_085,
            "type": kind,
        }
        if listing.host == COIN:
            step = round(listing.tick * 10**PRICE_SCALE)
            sides = {
                "asks": [[price * step, lots] for price, lots in asks],
                "bids": [[price * step, lots] for price, lots in bids],
            }
            return {"book": sides, "depth": depth, **body}
        now = self.now_ns
        sides_p = {"asks": level_strings(listing, asks), "bids": level_strings(listing, bids)}
        return {"depth": depth, "dts": now, "mts": now - 120_000, "orderbook_p": sides_p, **body}

    def _publish_market(self, second: int) -> None:
        if Key("perp_market24h_pack_p", ALL) in self.topics:
            rows = [
                pack_row(self, row) for row in self.trading(LINEAR) if row.index % PACK_SHARE == second % PACK_SHARE
            ]
            if rows:
                self.publish(Key("perp_market24h_pack_p", ALL), self._pack_frame(rows, "incremental"))
        if Key("market24h", ALL) in self.topics:
            for listing in self.trading(COIN):
                self.publish(Key("market24h", ALL), self._coin_frame(listing))
        for key in [key for key in self.topics if isinstance(key, Key) and key.row != ALL]:
            listing = self.listings[key.row]
            if key.channel == "market24h_p":
                self.publish(key, self._single_frame(listing))
            elif key.channel.startswith("tick"):
                self.publish(key, self._tick_frame(key, listing))

    def _pack_frame(self, rows: list[list[str]], kind: str) -> bytes:
        body: dict[str, Any] = {"data": rows}
        if kind == "snapshot":  # incremental frames leave the names out
            body["fields"] = PACK_FIELDS
        return orjson.dumps(body | {"method": "perp_market24h_pack_p.update", "timestamp": self.now_ns, "type": kind})

    def _coin_frame(self, listing: Listing) -> bytes:
        return orjson.dumps({"market24h": coin_row(self, listing), "timestamp": self.now_ns})

    def _single_frame(self, listing: Listing) -> bytes:
        return orjson.dumps({"market24h_p": ticker_24h(pack_row(self, listing)), "timestamp": self.now_ns})

    def _tick_frame(self, key: Key, listing: Listing) -> bytes:
        channel, _, symbol = key.channel.partition(":")
        price = float((self.market.mark if symbol == mark_symbol(listing) else self.market.index)[listing.index])
        if channel == "tick_p":
            body: dict[str, Any] = {"last": f"{price:.{listing.price_decimals + 2}f}", "symbol": symbol}
        else:
            body = {"last": round(price * 10**PRICE_SCALE), "scale": PRICE_SCALE, "symbol": symbol}
        return orjson.dumps({channel: body | {"timestamp": self.now_ns}})

    # Trades.

    def _trade(self, key: Key, ticks: int, lots: int, buy: bool) -> None:
        history = self.trades.setdefault(key.row, [])
        history.append((self.step_ms * 1_000_000 + len(history), "Buy" if buy else "Sell", ticks, lots))
        del history[:-HISTORY]
        body = self.trades_body(self.listings[key.row]) | {"type": "incremental"}
        name = "trades_p" if key.channel == "trade_p" else "trades"
        self.publish(key, orjson.dumps(body | {name: body[name][:1]}))

    def trades_body(self, listing: Listing) -> dict[str, Any]:
        """The latest trades, newest first: [ns, taker side, price, size]."""
        self.sequence += 17
        latest = self.trades.get(listing.index, [])[::-1]
        body = {"sequence": self.sequence, "symbol": listing.exchange_symbol}
        if listing.host == COIN:
            step = round(listing.tick * 10**PRICE_SCALE)
            rows = [[at, side, ticks * step, lots] for at, side, ticks, lots in latest]
            return body | {"trades": rows, "type": "snapshot"}
        strings = [[at, side, *level_strings(listing, [(ticks, lots)])[0]] for at, side, ticks, lots in latest]
        return {"dts": self.now_ns, "mts": self.now_ns, **body, "trades_p": strings, "type": "snapshot"}


def _same_book(other: object, key: Key) -> bool:
    return isinstance(other, Key) and other.depth > 0 and (other.channel, other.row) == (key.channel, key.row)


def _inside(levels: Levels, window: Levels, depth: int, sign: int) -> Levels:
    """Changes without the deletions of levels that only left the window: those get no further word."""
    if len(window) < depth:
        return levels
    worst = window[-1][0]
    return [(price, lots) for price, lots in levels if lots or (price - worst) * sign < 0]
