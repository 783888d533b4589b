"""MEXC futures public market data, as of September 2026: sub.* methods, acknowledgements that name no contract."""

import time
from collections import deque
from typing import Any, ClassVar

import orjson
from aiohttp import web

from simulator.book import BOOK_LEVELS, DepthMemory, Levels
from simulator.exchanges.base import Exchange
from simulator.exchanges.mexc_listings import mexc_listings
from simulator.exchanges.mexc_rest import MexcRest, detail_row, level_numbers, ticker_row
from simulator.limits import SlidingWindow
from simulator.market import STEP_S, FairPrices, TopChange
from simulator.universe import CLOSED, UNLISTED, Listing
from simulator.wire import Connection

FULL_PERIOD, DEPTH_PERIOD = round(0.3 / STEP_S), round(0.2 / STEP_S)
SECOND, TICKERS_PERIOD, RATE_PERIOD = round(1 / STEP_S), round(2 / STEP_S), round(10 / STEP_S)
FULL_LIMITS = (5, 10, 20, 50)
LADDER_LEVELS = 5  # depths up to here are made from the top alone: a book for each contract would cost too much
COMMITS = 1000
OF_ONE, OF_ALL = (
    frozenset({"ticker", "deal", "funding.rate", "fair.price", "index.price"}),
    frozenset({"tickers", "contract"}),
)

Key = tuple[str, int, int]  # channel, listing index (-1: all), depth


class Mexc(Exchange):
    """See the module docstring."""

    name = "mexc"
    settings_defaults: ClassVar[dict[str, float]] = {
        "ping_timeout_s": 60,  # without a JSON ping, whatever else is said
        "heavy_requests_per_2s": 10,
        "light_requests_per_2s": 20,
        "connections_limit": 200,
        "messages_per_s": 100,
    }
    unknown_frame = b'{"symbol":"BTC_USDT","data":{"x":1},"channel":"push.something.new","ts":1789498540911}'

    def __init__(self, fair: FairPrices, seed: int, instruments: int) -> None:
        super().__init__(fair, seed, instruments)
        self.versions = [222_542_631 + 1_000_003 * index for index in range(len(self.listings))]
        self.depths: dict[int, DepthMemory] = {}  # of the contracts whose changes somebody follows
        self.commits: dict[int, deque[dict[str, Any]]] = {}
        self.changed: set[int] = set()  # tops that changed since their depth.full was last sent
        self.ticked: set[int] = set()  # since the last push.tickers
        self.messages: dict[Connection, SlidingWindow] = {}
        self.trade_id = 16_435_741_160
        self.rest = MexcRest(self)

    @classmethod
    def build_listings(cls, instruments: int, seed: int) -> list[Listing]:
        return mexc_listings(instruments, seed)

    # Connections.

    def routes(self, port: str) -> list[web.RouteDef]:
        return [web.get("/edge", self.websocket), *self.rest.routes()]

    def refuse_connection(self, request: web.Request) -> web.Response | None:
        if len(self.connections) >= self.settings["connections_limit"]:
            return web.Response(status=429, text="Too Many Requests")
        return None

    def on_open(self, connection: Connection, request: web.Request) -> None:
        self.messages[connection] = SlidingWindow(self.settings["messages_per_s"], 1.0)

    def on_second(self, now: float) -> None:
        for connection in tuple(self.connections):
            if not connection.half_open and now - connection.last_ping > self.settings["ping_timeout_s"]:
                connection.close(1000, "")
        for gone in self.messages.keys() - self.connections:
            del self.messages[gone]

    def on_message(self, connection: Connection, text: str) -> None:
        now = time.monotonic()
        window = self.messages[connection]
        window.limit = self.settings["messages_per_s"]
        if not window.allow(now):
            self._error(connection, "Requests are too frequent, please try again later")
            return
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError:
            return  # what it does not understand is met with silence
        if not isinstance(request, dict):
            return
        method, parameters = request.get("method"), request.get("param") or {}
        if method == "ping":
            connection.last_ping = now
            connection.reply(orjson.dumps({"channel": "pong", "data": self.now_ms, "ts": self.now_ms}), now)
        elif isinstance(method, str) and isinstance(parameters, dict):
            operation, _, channel = method.partition(".")
            if operation == "sub":
                self._sub(connection, channel, parameters)
            elif operation in ("unsub", "usub"):
                self._unsub(connection, operation, channel, parameters)

    def _error(self, connection: Connection, reason: str) -> None:
        body = {"channel": "rs.error", "data": reason, "ts": self.now_ms}
        connection.reply(orjson.dumps(body), time.monotonic())

    def _acknowledge(self, connection: Connection, method: str) -> None:
        body = {"channel": f"rs.{method}", "data": "success", "ts": self.now_ms}
        connection.reply(orjson.dumps(body), time.monotonic())

    def _sub(self, connection: Connection, channel: str, parameters: dict[str, Any]) -> None:
        if channel in OF_ALL:
            key: Key = (channel, -1, 0)
        elif channel in OF_ONE or channel in ("depth", "depth.full"):
            symbol = str(parameters.get("symbol", ""))
            listing = self.by_symbol.get(symbol)
            if listing is None or listing.status in (CLOSED, UNLISTED) or self.faults.reject_mode == "subscribe":
                self._error(connection, f"Contract [{symbol}] not exists")
                return
            depth = parameters.get("limit", 20) if channel == "depth.full" else 0
            if channel == "depth.full" and depth not in FULL_LIMITS:
                self._error(connection, f"Param limit [{depth}] is invalid")
                return
            key = (channel, listing.index, depth)
        else:
            return
        if self.faults.reject_mode == "subscribe":
            self._error(connection, "System internal error!")
            return
        self._acknowledge(connection, f"sub.{channel}")
        if key not in connection.topics:  # a repeated one is confirmed, and not doubled
            self.subscribe(connection, key, "")
            self._begin(connection, key)

    def _unsub(self, connection: Connection, operation: str, channel: str, parameters: dict[str, Any]) -> None:
        listing = self.by_symbol.get(str(parameters.get("symbol", "")))
        index = listing.index if listing is not None else -1
        for key in list(connection.topics):
            if isinstance(key, tuple) and key[:2] == (channel, index):
                self.unsubscribe(connection, key)
        self._acknowledge(connection, f"{operation}.{channel}")

    def is_numbered(self, key: object) -> bool:
        return isinstance(key, tuple) and key[0] == "depth"

    def topic_ended(self, key: object) -> None:
        if isinstance(key, tuple) and key[0] == "depth":
            self.depths.pop(key[1], None)

    # Data.

    def _begin(self, connection: Connection, key: Key) -> None:
        """What a channel says at once; changes of a book begin without any snapshot."""
        channel, index, depth = key
        if channel == "tickers":
            rows = [ticker_row(self, row, whole=False) for row in self.trading()]
            self.send_data(connection, orjson.dumps({"channel": "push.tickers", "data": rows, "ts": self.now_ms}))
        elif channel == "depth.full":
            self.send_data(connection, self._full_frame(self.listings[index], depth))
        elif channel == "depth" and index not in self.depths:
            memory = self.depths[index] = DepthMemory(BOOK_LEVELS)
            memory.snapshot(self.book(self.listings[index]))
            memory.last_id = self.versions[index]
            self.commits[index] = deque(maxlen=COMMITS)
        elif channel in OF_ONE and channel != "deal":
            self.send_data(connection, self._single_frame(channel, self.listings[index]))

    def numbered_book(self, listing: Listing) -> tuple[Levels, Levels, int]:
        """Both sides and their version, which is the socket's as far as somebody follows the changes there."""
        memory = self.depths.get(listing.index)
        if memory is not None:
            return *memory.current(), memory.last_id
        book = self.book(listing)
        return book.bids.top(BOOK_LEVELS), book.asks.top(BOOK_LEVELS), self.versions[listing.index]

    def on_tops(self, change: TopChange) -> None:
        indices = change.index.tolist()
        self.changed.update(indices)
        self.ticked.update(indices)
        topics = self.topics
        for index, bid, bid_lots, ask, ask_lots in zip(
            indices,
            *(field.tolist() for field in (change.bid_ticks, change.bid_lots, change.ask_ticks, change.ask_lots)),
            strict=True,
        ):
            self.versions[index] += 1 + bid_lots % 7
            if ("deal", index, 0) in topics and bid_lots % 3 == 0:
                buy = ask_lots % 2 == 0
                self._publish_deal(self.listings[index], ask if buy else bid, ask_lots if buy else bid_lots, buy)

    def on_step(self, step: int) -> None:
        for listing in self.due(step, FULL_PERIOD):
            if listing.index in self.changed:
                self.changed.discard(listing.index)
                for depth in FULL_LIMITS:
                    key: Key = ("depth.full", listing.index, depth)
                    if key in self.topics:
                        self.publish(key, self._full_frame(listing, depth))
        for listing in self.due(step, DEPTH_PERIOD):
            if ("depth", listing.index, 0) in self.topics:
                self._publish_changes(("depth", listing.index, 0))
        for channel in OF_ONE:
            period = {"ticker": TICKERS_PERIOD, "funding.rate": RATE_PERIOD}.get(channel, SECOND)
            for listing in self.due(step, period):
                key = (channel, listing.index, 0)
                if channel != "deal" and key in self.topics and self.market.live[listing.index]:
                    self.publish(key, self._single_frame(channel, listing))
        if step % TICKERS_PERIOD == 0 and self.ticked:
            key = ("tickers", -1, 0)
            if key in self.topics:
                rows = [ticker_row(self, self.listings[index], whole=False) for index in sorted(self.ticked)]
                self.publish(key, orjson.dumps({"channel": "push.tickers", "data": rows, "ts": self.now_ms}))
            self.ticked.clear()

    def _levels(self, listing: Listing, depth: int) -> tuple[Levels, Levels]:
        if depth > LADDER_LEVELS:
            book = self.book(listing)
            return book.bids.top(depth), book.asks.top(depth)
        market, index = self.market, listing.index
        bid, ask = int(market.bid_ticks[index]), int(market.ask_ticks[index])
        bid_lots, ask_lots = int(market.bid_lots[index]), int(market.ask_lots[index])
        gap = max(1, (ask - bid) // 2)
        bids = [(bid - n * gap, bid_lots + n * (bid_lots // 3 + 1)) for n in range(depth) if bid > n * gap]
        return bids, [(ask + n * gap, ask_lots + n * (ask_lots // 3 + 1)) for n in range(depth)]

    def _full_frame(self, listing: Listing, depth: int) -> bytes:
        bids, asks = self._levels(listing, depth)
        changed_ms = int((float(self.market.top_time[listing.index]) + self.faults.clock_offset_s) * 1000)
        symbol = listing.exchange_symbol
        return (
            f'{{"symbol":"{symbol}","data":{{"cts":{changed_ms},"asks":{_text(listing, asks)},'
            f'"bids":{_text(listing, bids)},"version":{self.versions[listing.index]}}},"channel":"push.depth.full",'
            f'"ts":{max(self.now_ms, changed_ms)}}}'
        ).encode()

    def _publish_changes(self, key: Key) -> None:
        index = key[1]
        listing, memory = self.listings[index], self.depths[index]
        bids, asks = memory.changes(self.book(listing))
        if not bids and not asks:
            return
        begin = memory.last_id + 1
        end = memory.last_id = self.versions[index] = max(self.versions[index], memory.last_id) + len(bids) + len(asks)
        sides = {"asks": level_numbers(listing, asks), "bids": level_numbers(listing, bids)}
        data = {"cts": self.step_ms, **sides, "end": end, "begin": begin, "version": end}
        self.commits[index].append({**sides, "version": end})
        frame = {"symbol": listing.exchange_symbol, "data": data, "channel": "push.depth", "ts": self.now_ms}
        self.publish(key, orjson.dumps(frame))

    def _single_frame(self, channel: str, listing: Listing) -> bytes:
        market, index, symbol = self.market, listing.index, listing.exchange_symbol
        data: dict[str, Any]
        if channel == "ticker":
            data = ticker_row(self, listing, whole=True) | {"zone": "UTC+8"}
        elif channel == "funding.rate":
            rate = round(float(market.funding_rate[index]), 6)
            data = {"symbol": symbol, "rate": rate, "nextSettleTime": self.next_funding_ms(listing)}
        else:
            price = market.mark[index] if channel == "fair.price" else market.index[index]
            data = {"symbol": symbol, "price": round(float(price), listing.price_decimals)}
        return orjson.dumps({"symbol": symbol, "data": data, "channel": f"push.{channel}", "ts": self.now_ms})

    def _publish_deal(self, listing: Listing, price: int, lots: int, buy: bool) -> None:
        self.trade_id += 1
        deal = {
            "p": round(price * listing.tick, listing.price_decimals),
            "v": max(1, lots // 5),
            "T": 1 if buy else 2,
            "O": 3,
            "M": 2,
            "t": self.step_ms,
            "i": str(self.trade_id),
            "cts": str(self.step_ms),
        }
        frame = {"symbol": listing.exchange_symbol, "data": [deal], "channel": "push.deal", "ts": self.now_ms}
        self.publish(("deal", listing.index, 0), orjson.dumps(frame))

    def announce(self, listing: Listing) -> None:
        """Push a changed row of the catalogue; `push.contract` says the same as the list."""
        row = detail_row(listing, self.seed)
        frame = {"symbol": listing.exchange_symbol, "data": row, "channel": "push.contract", "ts": self.now_ms}
        self.publish(("contract", -1, 0), orjson.dumps(frame))


def _text(listing: Listing, levels: Levels) -> str:
    """Levels as numbers with fixed decimals, as the wire has them."""
    tick, pd = listing.tick, listing.price_decimals
    return "[" + ",".join(f"[{price * tick:.{pd}f},{lots},{1 + lots % 9}]" for price, lots in levels) + "]"
