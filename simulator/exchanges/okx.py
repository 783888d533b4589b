"""OKX v5 perpetual swaps as of July-September 2026: public websocket and REST. Sizes are contracts."""

import time
from typing import Any, ClassVar

import orjson
from aiohttp import web

from simulator.book import DepthMemory, Levels
from simulator.exchanges.base import Exchange
from simulator.exchanges.okx_listings import okx_listings
from simulator.exchanges.okx_rest import OkxRest, level_rows, trim
from simulator.limits import SlidingWindow
from simulator.market import STEP_S, FairPrices, TopChange
from simulator.universe import (
    CLOSED,
    PRELAUNCH,
    UNLISTED,
    Listing,
)
from simulator.wire import Connection

FRAME_LIMIT_BYTES = 64 * 1024
INSTRUMENT_CHANNELS = ("bbo-tbt", "tickers", "mark-price", "funding-rate", "open-interest", "books5", "books", "trades")
SECOND_STEPS = round(1 / STEP_S)
FAST_STEPS = round(0.1 / STEP_S)  # tickers, books5 and books
IDLE_BOOK_STEPS = round(60 / STEP_S)
IDLE_MARK_STEPS = round(10 / STEP_S)
FUNDING_STEPS = round(60 / STEP_S)
OPEN_INTEREST_STEPS = round(3 / STEP_S)


class Okx(Exchange):
    """See the module docstring."""

    name = "okx"
    max_message_bytes = FRAME_LIMIT_BYTES
    settings_defaults: ClassVar[dict[str, float]] = {
        "idle_timeout_s": 30,
        "subscribes_per_hour": 480,
        "mark_period_s": 1.0,  # the real 200 ms would cost as much as all quotes
        "connects_per_s": 0,  # 0 = not enforced: independent clients share one loopback address
        "rest_limits": 1,
    }
    unknown_frame = b'{"arg":{"channel":"something-new","instId":"BTC-USDT-SWAP"},"data":[{"ts":"1790358817778"}]}'

    def __init__(self, fair: FairPrices, seed: int, instruments: int) -> None:
        super().__init__(fair, seed, instruments)
        self.by_index_name: dict[str, Listing] = {}
        for listing in self.listings:
            self.by_index_name.setdefault(str(listing.extra["uly"]), listing)
        self.ticker_due: set[int] = set()
        self.last_sent: dict[tuple[str, str], tuple[str, int]] = {}  # (channel, id) -> value, step of the last push
        self.depths: dict[tuple[str, str], DepthMemory] = {}
        self.subscribes: dict[Connection, SlidingWindow] = {}
        self.connects = SlidingWindow(3, 1.0)
        self.trade_id = 2_005_639_579
        self.rest = OkxRest(self)

    @classmethod
    def build_listings(cls, instruments: int, seed: int) -> list[Listing]:
        return okx_listings(instruments, seed)

    def first_sequence(self) -> int:
        return 279_183_506_666 + self.seed * 1000

    # Connections.

    def routes(self, port: str) -> list[web.RouteDef]:
        return [
            web.get("/ws/v5/public", self.websocket),
            web.get("/ws/v5/business", self.websocket),
            *self.rest.routes(),
        ]

    def refuse_connection(self, request: web.Request) -> web.Response | None:
        self.connects.limit = self.settings["connects_per_s"]
        if self.connects.limit > 0 and not self.connects.allow(time.monotonic()):
            return web.Response(status=429, text="Too Many Requests")
        return None

    def on_open(self, connection: Connection, request: web.Request) -> None:
        self.subscribes[connection] = SlidingWindow(self.settings["subscribes_per_hour"], 3600)

    def on_second(self, now: float) -> None:
        limit = self.settings["idle_timeout_s"]
        for connection in tuple(self.connections):
            if not connection.half_open and now - max(connection.last_message, connection.last_sent) > limit:
                connection.close(4004, "No data received in 30s.")
        for gone in self.subscribes.keys() - self.connections:
            del self.subscribes[gone]

    def on_message(self, connection: Connection, text: str) -> None:
        if text == "ping":
            connection.reply(b"pong", time.monotonic())
            return
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError:
            request = None
        arguments = request.get("args") if isinstance(request, dict) else None
        operation = request.get("op") if isinstance(request, dict) else None
        if operation not in ("subscribe", "unsubscribe") or not isinstance(arguments, list) or not arguments:
            self._error(connection, request, "60012", f"Invalid request: {text}")
            return
        window = self.subscribes[connection]
        window.limit = self.settings["subscribes_per_hour"]
        if not window.allow(time.monotonic()):
            self._error(connection, request, "60014", "Requests too frequent")
            return
        for argument in arguments:
            self._handle(connection, request, operation, argument)

    def _handle(self, connection: Connection, request: dict[str, Any], operation: str, argument: object) -> None:
        """One argument: it fails alone, the others of its request go through."""
        key = self._key(argument) if isinstance(argument, dict) else None
        if key is None or (operation == "subscribe" and self.faults.reject_mode == "subscribe"):
            shown = argument if isinstance(argument, dict) else {}
            what = f"channel:{shown.get('channel')}, instId:{shown.get('instId')}"
            tail = "doesn't exist. Please use the correct URL, channel and parameters referring to API document."
            self._error(connection, request, "60018", f"Wrong URL or {what} {tail}")
            return
        body: dict[str, object] = {"id": request["id"]} if "id" in request else {}
        body |= {"event": operation, "arg": argument, "connId": self._connection_id(connection)}
        connection.reply(orjson.dumps(body), time.monotonic())
        if operation == "unsubscribe":
            self.unsubscribe(connection, key)
        elif key not in connection.topics:
            self.subscribe(connection, key, key[1])
            self._send_snapshot(connection, key)

    def _connection_id(self, connection: Connection) -> str:
        return f"{0xA4D3AE55 + connection.number:08x}"

    def _error(self, connection: Connection, request: object, code: str, message: str) -> None:
        body: dict[str, object] = {"id": request["id"]} if isinstance(request, dict) and "id" in request else {}
        body |= {"event": "error", "code": code, "msg": message, "connId": self._connection_id(connection)}
        connection.reply(orjson.dumps(body), time.monotonic())

    def _key(self, argument: dict[str, Any]) -> tuple[str, str] | None:
        channel, instrument = argument.get("channel"), argument.get("instId")
        if channel == "instruments" and argument.get("instType") in ("SWAP", "FUTURES"):
            return "instruments", str(argument["instType"])
        if channel == "status":
            return "status", ""
        if channel == "index-tickers" and instrument in self.by_index_name:
            return "index-tickers", str(instrument)
        listing = self.by_symbol.get(str(instrument))
        if channel in INSTRUMENT_CHANNELS and listing is not None and listing.status not in (CLOSED, UNLISTED):
            return str(channel), listing.exchange_symbol
        return None

    def is_numbered(self, key: object) -> bool:
        return isinstance(key, tuple) and key[0] == "books"

    def announce_maintenance(self) -> None:
        message = "The connection will soon be closed for a service upgrade. Please reconnect."
        for connection in self.connections:
            body = {"event": "notice", "code": "64008", "msg": message, "connId": self._connection_id(connection)}
            connection.reply(orjson.dumps(body), time.monotonic())

    def topic_ended(self, key: object) -> None:
        if isinstance(key, tuple):
            self.depths.pop(key, None)
            self.last_sent.pop(key, None)

    # Data.

    def _send_snapshot(self, connection: Connection, key: tuple[str, str]) -> None:
        channel, name = key
        if channel in ("instruments", "status"):
            return
        listing = self.by_index_name[name] if channel == "index-tickers" else self.by_symbol[name]
        if channel == "trades" or listing.status == PRELAUNCH:
            return
        if channel == "bbo-tbt":
            self.send_data(connection, self._standing_bbo(listing))
        elif channel == "books5":
            self.send_data(connection, self._books5(listing))
        elif channel == "books":
            memory = self.depths.get(key)
            if memory is None:
                memory = self.depths[key] = DepthMemory(400)
                memory.snapshot(self.book(listing))
                memory.last_id = self.next_id()
            self.send_data(connection, self._books(listing, "snapshot", memory.last_id, -1, *memory.current()))
        else:
            value, frame = self._slow_frame(channel, name, listing)
            self.last_sent.setdefault(key, (value, self.market.steps))
            self.send_data(connection, frame)

    def on_tops(self, change: TopChange) -> None:
        topics, ts = self.topics, self.step_ms
        fields = (change.index, change.bid_ticks, change.bid_lots, change.ask_ticks, change.ask_lots)
        for index, bid, bid_lots, ask, ask_lots in zip(*(field.tolist() for field in fields), strict=True):
            listing = self.listings[index]
            symbol = listing.exchange_symbol
            self.sequence += 3
            key = ("bbo-tbt", symbol)
            if key in topics:
                self.publish(key, self._bbo(listing, bid, bid_lots, ask, ask_lots, ts))
            if ("tickers", symbol) in topics:
                self.ticker_due.add(index)
            key = ("trades", symbol)
            if key in topics and bid_lots % 3 == 0:
                self._publish_trade(
                    key, listing, *((ask, ask_lots, "buy") if ask_lots % 2 else (bid, bid_lots, "sell"))
                )

    def on_step(self, step: int) -> None:
        for listing in self.due(step, FAST_STEPS):
            if listing.index in self.ticker_due:
                self.ticker_due.discard(listing.index)
                self.publish(("tickers", listing.exchange_symbol), self._ticker(listing))
        for listing in self.due(step, max(1, round(self.settings["mark_period_s"] / STEP_S))):
            self._publish_slow("mark-price", listing.exchange_symbol, listing, IDLE_MARK_STEPS)
        for listing in self.due(step, SECOND_STEPS):
            self._publish_other(step, listing)
        for key, memory in tuple(self.depths.items()):
            listing = self.by_symbol[key[1]]
            if step % FAST_STEPS == listing.index % FAST_STEPS:
                self._publish_books(key, listing, memory, step)
        for listing in self.due(step, FAST_STEPS):
            key = ("books5", listing.exchange_symbol)
            if key in self.topics and self.market.top_time[listing.index] > self.time - 0.1:
                self.publish(key, self._books5(listing))

    def _publish_other(self, step: int, listing: Listing) -> None:
        """What a listing may have to send once a second or less often."""
        symbol, uly = listing.exchange_symbol, str(listing.extra["uly"])
        if self.by_index_name[uly] is listing:
            self._publish_slow("index-tickers", uly, listing, IDLE_MARK_STEPS)
        for channel, period in (("funding-rate", FUNDING_STEPS), ("open-interest", OPEN_INTEREST_STEPS)):
            if step % period == _phase(listing.index, period):
                self._publish_slow(channel, symbol, listing, 0)
        quiet = self.market.top_time[listing.index] < self.time - 60
        if (
            quiet
            and step % IDLE_BOOK_STEPS == _phase(listing.index, IDLE_BOOK_STEPS)
            and ("bbo-tbt", symbol) in self.topics
        ):
            self.publish(("bbo-tbt", symbol), self._standing_bbo(listing))

    def _publish_slow(self, channel: str, name: str, listing: Listing, idle_steps: int) -> None:
        """Push when the value moved, or when it stood still for `idle_steps`."""
        key = (channel, name)
        if key not in self.topics:
            return
        value, frame = self._slow_frame(channel, name, listing)
        before, step = self.last_sent.get(key, ("", 0))
        if value != before or self.market.steps - step >= idle_steps:
            self.last_sent[key] = (value, self.market.steps)
            self.publish(key, frame)

    def _slow_frame(self, channel: str, name: str, listing: Listing) -> tuple[str, bytes]:
        """The value that decides whether there is something new, and the whole frame."""
        rows = {
            "tickers": self.rest.ticker_row,
            "mark-price": self.rest.mark_row,
            "index-tickers": self.rest.index_row,
            "funding-rate": self.rest.funding_row,
            "open-interest": self.rest.open_interest_row,
        }
        row = rows[channel](listing)
        value = row.get("markPx") or row.get("idxPx") or row["ts"]
        head = f'{{"arg":{{"channel":"{channel}","instId":"{name}"}},"data":['
        return value, head.encode() + orjson.dumps(row) + b"]}"

    def _ticker(self, listing: Listing) -> bytes:
        return self._slow_frame("tickers", listing.exchange_symbol, listing)[1]

    def _standing_bbo(self, listing: Listing) -> bytes:
        market, i = self.market, listing.index
        tops = (market.bid_ticks[i], market.bid_lots[i], market.ask_ticks[i], market.ask_lots[i])
        bid, bid_lots, ask, ask_lots = (int(value) for value in tops)
        ts = int((market.top_time[i] + self.faults.clock_offset_s) * 1000)
        return self._bbo(listing, bid, bid_lots, ask, ask_lots, ts)

    def _bbo(self, listing: Listing, bid: int, bid_lots: int, ask: int, ask_lots: int, ts: int) -> bytes:
        tick, lot, pd, sd = listing.tick, listing.lot, listing.price_decimals, listing.size_decimals
        return (
            f'{{"arg":{{"channel":"bbo-tbt","instId":"{listing.exchange_symbol}"}},'
            f'"data":[{{"asks":[["{trim(ask * tick, pd)}","{trim(ask_lots * lot, sd)}","0","{1 + ask_lots % 9}"]],'
            f'"bids":[["{trim(bid * tick, pd)}","{trim(bid_lots * lot, sd)}","0","{1 + bid_lots % 9}"]],'
            f'"ts":"{ts}","seqId":{self.sequence}}}]}}'
        ).encode()

    def _books5(self, listing: Listing) -> bytes:
        book = self.book(listing)
        data = {
            "asks": level_rows(listing, book.asks.top(5)),
            "bids": level_rows(listing, book.bids.top(5)),
            "instId": listing.exchange_symbol,
            "ts": str(self.step_ms),
            "seqId": self.next_id(),
        }
        return orjson.dumps({"arg": {"channel": "books5", "instId": listing.exchange_symbol}, "data": [data]})

    def _publish_books(self, key: tuple[str, str], listing: Listing, memory: DepthMemory, step: int) -> None:
        bids, asks = memory.changes(self.book(listing))
        previous = memory.last_id
        if bids or asks:
            memory.last_id = self.next_id()
        elif step % IDLE_BOOK_STEPS != listing.index % IDLE_BOOK_STEPS:
            return  # otherwise: the idle frame, empty and with prevSeqId == seqId
        self.publish(key, self._books(listing, "update", memory.last_id, previous, bids, asks))

    def _books(self, listing: Listing, action: str, sequence: int, previous: int, bids: Levels, asks: Levels) -> bytes:
        data = {
            "asks": level_rows(listing, asks),
            "bids": level_rows(listing, bids),
            "ts": str(self.step_ms),
            "checksum": 0,
            "seqId": sequence,
            "prevSeqId": previous,
        }
        arg = {"channel": "books", "instId": listing.exchange_symbol}
        return orjson.dumps({"arg": arg, "action": action, "data": [data]})

    def _publish_trade(self, key: tuple[str, str], listing: Listing, price: int, lots: int, side: str) -> None:
        self.trade_id += 1
        size = trim(max(1, lots // 5) * listing.lot, listing.size_decimals)
        self.publish(
            key,
            (
                f'{{"arg":{{"channel":"trades","instId":"{listing.exchange_symbol}"}},'
                f'"data":[{{"instId":"{listing.exchange_symbol}","tradeId":"{self.trade_id}",'
                f'"px":"{trim(price * listing.tick, listing.price_decimals)}","sz":"{size}","side":"{side}",'
                f'"ts":"{self.step_ms}","count":"1","source":"0","seqId":{self.sequence}}}]}}'
            ).encode(),
        )

    def announce(self, listing: Listing) -> None:
        """Push the row on listing and state change. A delisted instrument simply vanishes from REST."""
        if listing.status != CLOSED:
            arg = {"channel": "instruments", "instType": listing.host}
            frame = orjson.dumps({"arg": arg, "data": [self.rest.instrument_row(listing)]})
            self.publish(("instruments", listing.host), frame)


def _phase(index: int, period: int) -> int:
    """When in its period a listing's turn comes: its own step of a second, in seconds that differ between listings."""
    return index % SECOND_STEPS + SECOND_STEPS * (index * 7 % (period // SECOND_STEPS))
