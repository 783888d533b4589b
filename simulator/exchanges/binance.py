"""Binance USD-M (fapi, fstream) and COIN-M (dapi, dstream) futures as of October 2026.

First port: fapi and fstream with the /public and /market split of 2026-04-23. Second port: dapi and dstream. All-market
streams of both ports carry both products' rows, marked `st` 1 (USD-M) or 2 (COIN-M), as since 2026-06-30.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import orjson
from aiohttp import web

from simulator.book import DepthMemory
from simulator.exchanges.base import Exchange, levels_json
from simulator.exchanges.binance_listings import binance_listings
from simulator.exchanges.binance_rest import BinanceRest, contract_type, status_word
from simulator.limits import SlidingWindow
from simulator.market import STEP_S, FairPrices, TopChange
from simulator.universe import (
    LIVE,
    Listing,
)
from simulator.wire import Connection

STREAM_LIMIT = 1024
MESSAGE_WINDOW_S = 1.0
PUBLIC_CHANNELS = ("bookTicker", "depth", "rpiDepth")
DEPTH_SPEEDS_MS = {"": 250, "100ms": 100, "500ms": 500}
PARTIAL_LEVELS = ("5", "10", "20")
Job = Callable[[], None]


class Binance(Exchange):
    """See the module docstring."""

    name = "binance"
    ports = ("", "_coinm")
    settings_defaults: ClassVar[dict[str, float]] = {
        "weight_per_minute": 2400,
        "messages_per_s": 10,
        "ping_interval_s": 180,
        "pong_timeout_s": 600,
        "lifetime_s": 86_400,
    }
    unknown_frame = b'{"stream":"btcusdt@somethingNew","data":{"e":"somethingNew","E":1791382994658,"s":"BTCUSDT"}}'

    def __init__(self, fair: FairPrices, seed: int, instruments: int) -> None:
        super().__init__(fair, seed, instruments)
        self.by_stream = {str(row.extra["stream"]): row for row in self.listings}
        self.jobs: dict[str, tuple[int, int, Job]] = {}  # stream -> period and phase in steps, what to do
        self.windows: dict[Connection, SlidingWindow] = {}
        self.rest = BinanceRest(self)
        self.trade_id = 3_477_868_433

    @classmethod
    def build_listings(cls, instruments: int, seed: int) -> list[Listing]:
        return binance_listings(instruments, seed)

    def first_sequence(self) -> int:
        return 11_757_092_630_476 + self.seed * 1000

    # Connections.

    def routes(self, port: str) -> list[web.RouteDef]:
        groups = {"/public": "public", "/market": "market", "": "legacy"} if port == "" else {"": "cm"}
        routes: list[web.RouteDef] = []
        for prefix, group in groups.items():
            bare = partial(self.websocket, group=group)
            routes.append(web.get(f"{prefix}/stream", partial(self.websocket, group=group, wrapped=True)))
            routes.append(web.get(f"{prefix}/ws", bare))
            routes.append(web.get(f"{prefix}/ws/{{streams:.+}}", bare))
        return routes + self.rest.routes("um" if port == "" else "cm")

    def on_open(self, connection: Connection, request: web.Request) -> None:
        self.windows[connection] = SlidingWindow(self.settings["messages_per_s"], MESSAGE_WINDOW_S)
        names = request.match_info.get("streams") or request.query.get("streams") or ""
        self._subscribe_all(connection, [name for name in names.split("/") if name])

    def on_second(self, now: float) -> None:
        settings = self.settings
        for connection in tuple(self.connections):
            if connection.half_open:
                continue
            if now - connection.opened > settings["lifetime_s"]:
                connection.close(1001, "Going away")
            elif now - connection.last_pong > settings["ping_interval_s"] + settings["pong_timeout_s"]:
                connection.close(1008, "Pong timeout")
            elif now - connection.last_ping >= settings["ping_interval_s"]:
                self.ping(connection, now)
        for gone in self.windows.keys() - self.connections:
            del self.windows[gone]

    def _count_message(self, connection: Connection) -> bool:
        window = self.windows[connection]
        window.limit = self.settings["messages_per_s"]
        if window.allow(time.monotonic()):
            return True
        connection.close(1008, "Too many requests")
        return False

    def on_ping(self, connection: Connection, now: float) -> None:
        self._count_message(connection)

    def on_message(self, connection: Connection, text: str) -> None:
        if not self._count_message(connection):
            return
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError:
            self._answer(connection, {"error": {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}})
            return
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            message = f"Invalid request: missing field `method` at line 1 column {len(text)}"
            number = request.get("id") if isinstance(request, dict) else None
            self._answer(connection, {"error": {"code": 2, "msg": message}, "id": number})
            return
        self._handle(connection, request)

    def _handle(self, connection: Connection, request: dict[str, object]) -> None:
        method, number = request["method"], request.get("id")
        params = request.get("params", [])
        names = [name for name in params if isinstance(name, str)] if isinstance(params, list) else []
        if method == "LIST_SUBSCRIPTIONS":
            self._answer(connection, {"result": list(connection.topics.values()), "id": number})
        elif method == "SUBSCRIBE":
            if self.faults.reject_mode == "subscribe":
                self._answer(
                    connection, {"error": {"code": 2, "msg": "Invalid request: service unavailable"}, "id": number}
                )
                return
            new = set(names).difference(connection.topics.values())
            if len(connection.topics) + len(new) > STREAM_LIMIT:
                self._answer(connection, {"error": {"code": 4, "msg": "Too many subscriptions"}, "id": number})
                connection.close(1008, "Invalid request")
                return
            self._answer(connection, {"result": None, "id": number})
            self._subscribe_all(connection, names)
        elif method == "UNSUBSCRIBE":
            self.unsubscribe_spelt(connection, names)
            self._answer(connection, {"result": None, "id": number})
        else:
            self._answer(connection, {"error": {"code": 0, "msg": "Unknown property"}, "id": number})

    def _answer(self, connection: Connection, body: dict[str, object]) -> None:
        connection.reply(orjson.dumps(body), time.monotonic())

    # Streams. The key of a live stream is its name; what would stay silent at Binance is remembered but never fed.

    def _subscribe_all(self, connection: Connection, names: list[str]) -> None:
        for name in names:
            if self._routed(name, connection.group) and self._start_job(name):
                self.subscribe(connection, name, name)
            else:
                self.subscribe(connection, ("silent", name), name)

    def _routed(self, name: str, group: str) -> bool:
        """Whether this path delivers this stream at all."""
        symbol, _, channel = name.partition("@")
        if name.startswith("!"):
            symbol, channel = "", name[1:]
        elif symbol not in self.by_stream:
            return False
        else:
            host = self.by_stream[symbol].host
            if host != ("cm" if group == "cm" else "um"):
                return False
        public = channel.startswith(PUBLIC_CHANNELS)
        return group == "cm" or (group == "market") != public

    def _start_job(self, name: str) -> bool:
        """Prepare what feeds a stream; False if the name means nothing."""
        if name in self.jobs or name in ("!contractInfo", "!bookTicker"):
            if name == "!bookTicker" and name not in self.jobs:
                self.jobs[name] = (round(5 / STEP_S), 0, self._all_book_tickers)
            return True
        if name.startswith("!"):
            return self._start_market_job(name)
        symbol, _, channel = name.partition("@")
        listing = self.by_stream[symbol]
        kind, _, speed = channel.partition("@")
        phase = listing.index
        if channel in ("bookTicker", "aggTrade"):
            return True
        if kind == "markPrice" and speed in ("", "1s"):
            period = round((1 if speed else 3) / STEP_S)
            self.jobs[name] = (period, phase % period, lambda: self._push(name, self._mark_row(listing).encode()))
            return True
        if channel == "ticker":
            period = round(2 / STEP_S)
            self.jobs[name] = (period, phase % period, lambda: self._push(name, self._ticker_row(listing).encode()))
            return True
        if (kind == "depth" and speed in DEPTH_SPEEDS_MS) or (kind[5:] in PARTIAL_LEVELS and kind.startswith("depth")):
            if speed not in DEPTH_SPEEDS_MS:
                return False
            period = max(1, round(DEPTH_SPEEDS_MS[speed] / 1000 / STEP_S))
            levels = int(kind[5:] or 0)
            memory = DepthMemory(levels or 100_000)
            memory.snapshot(self.book(listing))
            memory.last_id = self.sequence
            self.jobs[name] = (period, phase % period, partial(self._push_depth, name, listing, memory, levels > 0))
            return True
        return False

    def _start_market_job(self, name: str) -> bool:
        second = round(1 / STEP_S)
        if name in ("!markPrice@arr", "!markPrice@arr@1s"):
            self.jobs[name] = (second if name.endswith("1s") else 3 * second, 7, partial(self._push_marks, name))
        elif name == "!ticker@arr":
            self.jobs[name] = (second, 23, self._push_tickers)
        else:
            return False
        return True

    def is_about(self, key: object, listing: Listing) -> bool:
        return isinstance(key, str) and key.startswith(f"{listing.extra['stream']}@")

    def is_numbered(self, key: object) -> bool:
        return isinstance(key, str) and key.partition("@")[2].partition("@")[0] == "depth"

    def announce_maintenance(self) -> None:
        self.say_to_all(orjson.dumps({"event": {"e": "serverShutdown", "E": self.now_ms}}))

    def topic_ended(self, key: object) -> None:
        if isinstance(key, str):
            self.jobs.pop(key, None)

    def _push(self, name: str, raw: bytes) -> None:
        """Queue one payload for all subscribers of a stream, bare or wrapped as their path wants it."""
        subscribers = self.topics.get(name)
        if not subscribers or self.faults.silent or self.loses(name):
            return
        wrapped = b""
        for connection in subscribers:
            if connection.wrapped:
                wrapped = wrapped or b'{"stream":"%b","data":%b}' % (name.encode(), raw)
                connection.outbox.append(wrapped)
            else:
                connection.outbox.append(raw)

    def on_step(self, step: int) -> None:
        for period, phase, job in tuple(self.jobs.values()):
            if step % period == phase % period:
                job()

    def on_tops(self, change: TopChange) -> None:
        topics, now_ms, step_ms = self.topics, self.now_ms, self.step_ms
        fields = (change.index, change.bid_ticks, change.bid_lots, change.ask_ticks, change.ask_lots)
        for index, bid, bid_lots, ask, ask_lots in zip(*(field.tolist() for field in fields), strict=True):
            listing = self.listings[index]
            stream = listing.extra["stream"]
            self.sequence += 3
            name = f"{stream}@bookTicker"
            if name in topics:
                self._push(name, self._book_ticker(listing, bid, bid_lots, ask, ask_lots, step_ms, now_ms))
            name = f"{stream}@aggTrade"
            if name in topics and bid_lots % 3 == 0:
                self._push_trade(name, listing, *((bid, bid_lots, True) if ask_lots % 2 else (ask, ask_lots, False)))

    def _book_ticker(
        self, listing: Listing, bid: int, bid_lots: int, ask: int, ask_lots: int, step_ms: int, now_ms: int
    ) -> bytes:
        tick, lot, pd, sd = listing.tick, listing.lot, listing.price_decimals, listing.size_decimals
        extra = listing.extra
        return (
            f'{{"e":"bookTicker","u":{self.sequence},"s":"{listing.exchange_symbol}","ps":"{extra["pair"]}",'
            f'"b":"{bid * tick:.{pd}f}","B":"{bid_lots * lot:.{sd}f}",'
            f'"a":"{ask * tick:.{pd}f}","A":"{ask_lots * lot:.{sd}f}",'
            f'"T":{step_ms},"E":{max(now_ms, step_ms)},"st":{extra["st"]}}}'
        ).encode()

    def _all_book_tickers(self) -> None:
        market = self.market
        since, now_ms = self.time - 5.0, self.now_ms
        for listing in self.trading():
            i = listing.index
            if market.top_time[i] >= since:
                top = (market.bid_ticks[i], market.bid_lots[i], market.ask_ticks[i], market.ask_lots[i])
                bid, bid_lots, ask, ask_lots = (int(value) for value in top)
                time_ms = int((market.top_time[i] + self.faults.clock_offset_s) * 1000)
                raw = self._book_ticker(listing, bid, bid_lots, ask, ask_lots, time_ms, now_ms)
                self._push("!bookTicker", raw)

    def _push_trade(self, name: str, listing: Listing, price: int, lots: int, maker_bought: bool) -> None:
        self.trade_id += 1
        size = max(1, lots // 5) * listing.lot
        quantity = f"{size:.{listing.size_decimals}f}"
        self._push(
            name,
            (
                f'{{"e":"aggTrade","E":{self.now_ms},"a":{self.trade_id},"s":"{listing.exchange_symbol}",'
                f'"p":"{price * listing.tick:.{listing.price_decimals}f}","q":"{quantity}","nq":"{quantity}",'
                f'"f":{self.trade_id * 2},"l":{self.trade_id * 2 + 1},"T":{self.step_ms},'
                f'"m":{"true" if maker_bought else "false"},"st":{listing.extra["st"]}}}'
            ).encode(),
        )

    def _push_depth(self, name: str, listing: Listing, memory: DepthMemory, whole: bool) -> None:
        book = self.book(listing)
        bids, asks = memory.changes(book)
        if not bids and not asks:
            return
        if whole:
            bids, asks = memory.snapshot(book)
        previous, memory.last_id = memory.last_id, self.next_id()
        self._push(
            name,
            (
                f'{{"e":"depthUpdate","E":{max(self.now_ms, self.step_ms)},"T":{self.step_ms},'
                f'"s":"{listing.exchange_symbol}","ps":"{listing.extra["pair"]}",'
                f'"U":{previous + 1},"u":{memory.last_id},"pu":{previous},'
                f'"b":{levels_json(listing, bids)},"a":{levels_json(listing, asks)},"st":{listing.extra["st"]}}}'
            ).encode(),
        )

    def _mark_row(self, listing: Listing) -> str:
        market, i = self.market, listing.index
        if not listing.perpetual:
            rate, next_ms = "", 0
        elif listing.status != LIVE:
            rate, next_ms = "0.00000000", 0
        else:
            rate, next_ms = f"{market.funding_rate[i]:.8f}", self.next_funding_ms(listing)
        mark = f"{market.mark[i]:.8f}"
        return (
            f'{{"e":"markPriceUpdate","E":{self.now_ms},"s":"{listing.exchange_symbol}","p":"{mark}","ap":"{mark}",'
            f'"P":"{market.index[i] * 1.0002:.8f}","i":"{market.index[i]:.8f}","r":"{rate}","T":{next_ms},'
            f'"st":{listing.extra["st"]}}}'
        )

    def _push_marks(self, name: str) -> None:
        """Two frames: coins of both products, then TradFi."""
        groups: tuple[list[str], list[str]] = ([], [])
        for listing in self.visible():
            tradfi = contract_type(listing) == "TRADIFI_PERPETUAL"
            if listing.perpetual or listing.host == "cm":
                groups[tradfi].append(self._mark_row(listing))
        for rows in groups:
            if rows:
                self._push(name, f"[{','.join(rows)}]".encode())

    def _ticker_row(self, listing: Listing) -> str:
        day = self.rest.day(listing)
        return (
            f'{{"e":"24hrTicker","E":{self.now_ms},"s":"{listing.exchange_symbol}","ps":"{listing.extra["pair"]}",'
            f'"p":"{day.change}","P":"{day.percent}","w":"{day.average}","c":"{day.last}","Q":"{day.last_size}",'
            f'"o":"{day.open}","h":"{day.high}","l":"{day.low}","v":"{day.volume}","q":"{day.turnover}",'
            f'"O":{day.open_ms},"C":{day.close_ms},"F":{day.first_id},"L":{day.last_id},"n":{day.count},'
            f'"st":{listing.extra["st"]}}}'
        )

    def _push_tickers(self) -> None:
        since = self.time - 1.0
        changed = self.market.top_time
        rows = [self._ticker_row(row) for row in self.trading() if changed[row.index] >= since]
        if rows:
            self._push("!ticker@arr", f"[{','.join(rows)}]".encode())

    def announce(self, listing: Listing) -> None:
        body = {
            "e": "contractInfo",
            "E": self.now_ms,
            "s": listing.exchange_symbol,
            "ps": listing.extra["pair"],
            "ct": contract_type(listing),
            "dt": listing.delivery_ms,
            "ot": listing.listed_ms,
            "cs": status_word(listing),
            "st": listing.extra["st"],
        }
        self._push("!contractInfo", orjson.dumps(body))
