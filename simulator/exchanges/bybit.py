"""Bybit v5 public market data, categories linear and inverse, as of July-August 2026."""

import time
import uuid
from typing import Any, ClassVar

import orjson
from aiohttp import web

from simulator.book import DepthMemory
from simulator.exchanges.base import Exchange, levels_json
from simulator.exchanges.bybit_listings import bybit_listings
from simulator.exchanges.bybit_rest import BybitRest, ticker_fields
from simulator.market import STEP_S, FairPrices, TopChange
from simulator.universe import (
    CLOSED,
    PRELAUNCH,
    UNLISTED,
    Listing,
)
from simulator.wire import Connection

TOPIC_CHARACTERS = 21_000  # of all topics of one connection together
DEPTH_SPEEDS_MS = {50: 20, 200: 100, 1000: 200}
TICKER_PERIOD_STEPS = round(0.1 / STEP_S)
REPEAT_STEPS = round(3 / STEP_S)
REPEAT_CHECK_STEPS = round(0.1 / STEP_S)
SECOND_STEPS = round(1 / STEP_S)


class Bybit(Exchange):
    """See the module docstring."""

    name = "bybit"
    settings_defaults: ClassVar[dict[str, float]] = {"idle_timeout_s": 600, "requests_per_5s": 600}
    unknown_frame = b'{"topic":"somethingNew.BTCUSDT","type":"snapshot","ts":1787590405983,"data":{"symbol":"BTCUSDT"}}'

    def __init__(self, fair: FairPrices, seed: int, instruments: int) -> None:
        super().__init__(fair, seed, instruments)
        count = len(self.listings)
        self.top_ids = [177_400_507 + 1000 * index for index in range(count)]
        self.top_frames: dict[int, tuple[int, int, int]] = {}  # index -> u, seq, cts of the standing orderbook.1
        self.top_sent: dict[int, int] = {}  # index -> step of the last orderbook.1 frame
        self.ticker_state: dict[int, dict[str, str]] = {}  # fields as last sent
        self.ticker_due: set[int] = set()
        self.depths: dict[tuple[str, int, int], tuple[int, DepthMemory]] = {}  # topic key -> period in steps, memory
        self.connection_ids: dict[Connection, str] = {}
        self.trade_id = 0
        self.rest = BybitRest(self)

    @classmethod
    def build_listings(cls, instruments: int, seed: int) -> list[Listing]:
        return bybit_listings(instruments, seed)

    def first_sequence(self) -> int:
        return 66_544_703_342 + self.seed * 1000

    # Connections.

    def routes(self, port: str) -> list[web.RouteDef]:
        return [
            web.get("/v5/public/linear", self.websocket),
            web.get("/v5/public/inverse", self.websocket),
            *self.rest.routes(),
        ]

    def on_open(self, connection: Connection, request: web.Request) -> None:
        connection.group = request.path.rpartition("/")[2]
        self.connection_ids[connection] = str(uuid.UUID(int=(self.seed << 64) + connection.number, version=4))

    def on_second(self, now: float) -> None:
        for connection in tuple(self.connections):
            if not connection.half_open and now - connection.last_message > self.settings["idle_timeout_s"]:
                connection.close(1001, "")
        for gone in self.connection_ids.keys() - self.connections:
            del self.connection_ids[gone]

    def on_message(self, connection: Connection, text: str) -> None:
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError:
            self._answer(connection, {}, False, "error:invalid json")
            return
        if not isinstance(request, dict):
            self._answer(connection, {}, False, "error:invalid request")
            return
        operation = request.get("op")
        if operation == "ping":
            self._answer(connection, request, True, "pong")
        elif operation in ("subscribe", "unsubscribe"):
            arguments = request.get("args")
            if not isinstance(arguments, list) or not all(isinstance(topic, str) for topic in arguments):
                self._answer(connection, request, False, "error:invalid args")
            elif operation == "subscribe":
                self._subscribe_all(connection, request, arguments)
            else:
                self.unsubscribe_spelt(connection, arguments)
                self._answer(connection, request, True, "")
        else:
            self._answer(connection, request, False, "error:invalid op")

    def _answer(self, connection: Connection, request: dict[str, Any], success: bool, message: str) -> None:
        body = {"success": success, "ret_msg": message, "conn_id": self.connection_ids[connection]}
        if "req_id" in request:
            body["req_id"] = request["req_id"]
        body["op"] = request.get("op", "")
        connection.reply(orjson.dumps(body), time.monotonic())

    def _subscribe_all(self, connection: Connection, request: dict[str, Any], topics: list[str]) -> None:
        """All topics of a request or none: one bad or repeated topic rejects the batch."""
        spelt = set(connection.topics.values())
        keys: list[tuple[str, int, int]] = []
        for topic in topics:
            key = self._key(topic, connection.group)
            if key is None or self.faults.reject_mode == "subscribe":
                self._answer(connection, request, False, f"error:handler not found,topic:{topic}")
                return
            if topic in spelt:
                self._answer(connection, request, False, f"error:already subscribed,topic:{topic}")
                return
            spelt.add(topic)
            keys.append(key)
        if sum(map(len, spelt)) > TOPIC_CHARACTERS:
            self._answer(connection, request, False, f"error:args exceed {TOPIC_CHARACTERS} characters")
            return
        self._answer(connection, request, True, "")
        for key, topic in zip(keys, topics, strict=True):
            self.subscribe(connection, key, topic)
            self._send_snapshot(connection, key)

    def _key(self, topic: str, category: str) -> tuple[str, int, int] | None:
        """(channel, listing index, depth), or None for what this socket does not serve."""
        channel, *middle, symbol = topic.split(".")
        listing = self.by_symbol.get(symbol)
        if listing is None or listing.status in (CLOSED, UNLISTED, PRELAUNCH) or listing.host != category:
            return None
        if channel in ("tickers", "publicTrade", "allLiquidation") and not middle:
            return channel, listing.index, 0
        if channel == "kline" and len(middle) == 1:
            return f"kline.{middle[0]}", listing.index, 0
        if channel == "orderbook" and middle in (["1"], ["50"], ["200"], ["1000"]):
            return channel, listing.index, int(middle[0])
        return None

    def is_numbered(self, key: object) -> bool:
        return isinstance(key, tuple) and key[0] == "orderbook" and key[2] > 1

    def topic_ended(self, key: object) -> None:
        if isinstance(key, tuple):
            self.depths.pop(key, None)
            if key[0] == "tickers":
                self.ticker_state.pop(key[1], None)

    # Data.

    def _send_snapshot(self, connection: Connection, key: tuple[str, int, int]) -> None:
        channel, index, depth = key
        listing = self.listings[index]
        if channel == "tickers":
            state = ticker_fields(self, listing)
            self.ticker_state.setdefault(index, dict(state))
            self.send_data(connection, self._ticker_frame(listing, "snapshot", state))
        elif channel == "orderbook" and depth == 1:
            market = self.market
            tops = (market.bid_ticks[index], market.bid_lots[index], market.ask_ticks[index], market.ask_lots[index])
            bid, bid_lots, ask, ask_lots = (int(value) for value in tops)
            self.send_data(connection, self._top_frame(listing, bid, bid_lots, ask, ask_lots, new=False))
        elif channel == "orderbook":
            known = self.depths.get(key)
            if known is None:
                memory = DepthMemory(depth)
                memory.snapshot(self.book(listing))
                memory.last_id = 18_521_288 + self.sequence % 1_000_000
                self.depths[key] = known = (round(DEPTH_SPEEDS_MS[depth] / 1000 / STEP_S), memory)
            memory = known[1]
            self.send_data(connection, self._depth_frame(listing, depth, "snapshot", memory, *memory.current()))

    def on_tops(self, change: TopChange) -> None:
        topics = self.topics
        fields = (change.index, change.bid_ticks, change.bid_lots, change.ask_ticks, change.ask_lots)
        for index, bid, bid_lots, ask, ask_lots in zip(*(field.tolist() for field in fields), strict=True):
            key = ("orderbook", index, 1)
            if key in topics:
                frame = self._top_frame(self.listings[index], bid, bid_lots, ask, ask_lots, new=True)
                self.publish(key, frame)
            else:
                self.top_frames.pop(index, None)
                self.top_ids[index] += 1
            if index in self.ticker_state:
                self.ticker_due.add(index)
            key = ("publicTrade", index, 0)
            if key in topics and bid_lots % 3 == 0:
                buy = ask_lots % 2 == 0
                self._publish_trade(key, self.listings[index], ask if buy else bid, ask_lots if buy else bid_lots, buy)

    def on_step(self, step: int) -> None:
        for listing in self.due(step, SECOND_STEPS):
            if listing.index in self.ticker_state:
                self._publish_ticker(listing.index, whole=True)
        for listing in self.due(step, TICKER_PERIOD_STEPS):
            if listing.index in self.ticker_due:
                self.ticker_due.discard(listing.index)
                if listing.index in self.ticker_state:
                    self._publish_ticker(listing.index, whole=False)
        for key, (period, memory) in tuple(self.depths.items()):
            if step % period == key[1] % period:
                self._publish_depth(key, memory)
        self._repeat_tops(self.market.steps)

    def _repeat_tops(self, step: int) -> None:
        """orderbook.1 of a book that did not change is sent again every 3 s with the same u."""
        if step % REPEAT_CHECK_STEPS:
            return
        market = self.market
        for index in [index for index, sent in self.top_sent.items() if step - sent >= REPEAT_STEPS]:
            key = ("orderbook", index, 1)
            if key not in self.topics:
                del self.top_sent[index]
                continue
            tops = (market.bid_ticks[index], market.bid_lots[index], market.ask_ticks[index], market.ask_lots[index])
            bid, bid_lots, ask, ask_lots = (int(value) for value in tops)
            self.publish(key, self._top_frame(self.listings[index], bid, bid_lots, ask, ask_lots, new=False))

    def _top_frame(self, listing: Listing, bid: int, bid_lots: int, ask: int, ask_lots: int, *, new: bool) -> bytes:
        index = listing.index
        standing = self.top_frames.get(index)
        if new or standing is None:
            if new:
                self.top_ids[index] += 1
            self.sequence += 7
            changed_ms = int((self.market.top_time[index] + self.faults.clock_offset_s) * 1000)
            standing = self.top_frames[index] = (self.top_ids[index], self.sequence, changed_ms)
        self.top_sent[index] = self.market.steps
        update, sequence, changed_ms = standing
        tick, lot, pd, sd = listing.tick, listing.lot, listing.price_decimals, listing.size_decimals
        symbol = listing.exchange_symbol
        return (
            f'{{"topic":"orderbook.1.{symbol}","ts":{max(self.now_ms, changed_ms)},"type":"snapshot",'
            f'"data":{{"s":"{symbol}","b":[["{bid * tick:.{pd}f}","{bid_lots * lot:.{sd}f}"]],'
            f'"a":[["{ask * tick:.{pd}f}","{ask_lots * lot:.{sd}f}"]],"u":{update},"seq":{sequence}}},'
            f'"cts":{changed_ms}}}'
        ).encode()

    def _publish_ticker(self, index: int, *, whole: bool) -> None:
        listing, state = self.listings[index], self.ticker_state[index]
        fields = ticker_fields(self, listing, only_top=not whole)
        changed = {key: value for key, value in fields.items() if state.get(key) != value}
        if changed:
            state.update(changed)
            self.publish(("tickers", index, 0), self._ticker_frame(listing, "delta", changed))

    def _ticker_frame(self, listing: Listing, kind: str, fields: dict[str, str]) -> bytes:
        self.sequence += 5
        symbol = listing.exchange_symbol
        rows = ",".join([f'"symbol":"{symbol}"', *(f'"{key}":"{value}"' for key, value in fields.items())])
        return (
            f'{{"topic":"tickers.{symbol}","type":"{kind}","data":{{{rows}}},"cs":{self.sequence},"ts":{self.now_ms}}}'
        ).encode()

    def _publish_depth(self, key: tuple[str, int, int], memory: DepthMemory) -> None:
        listing = self.listings[key[1]]
        bids, asks = memory.changes(self.book(listing))
        if bids or asks:
            memory.last_id += 1
            self.publish(key, self._depth_frame(listing, key[2], "delta", memory, bids, asks))

    def _depth_frame(
        self,
        listing: Listing,
        depth: int,
        kind: str,
        memory: DepthMemory,
        bids: list[tuple[int, int]],
        asks: list[tuple[int, int]],
    ) -> bytes:
        self.sequence += 7
        symbol = listing.exchange_symbol
        return (
            f'{{"topic":"orderbook.{depth}.{symbol}","type":"{kind}","ts":{max(self.now_ms, self.step_ms)},'
            f'"data":{{"s":"{symbol}","b":{levels_json(listing, bids)},"a":{levels_json(listing, asks)},'
            f'"u":{memory.last_id},"seq":{self.sequence}}},"cts":{self.step_ms}}}'
        ).encode()

    def _publish_trade(self, key: tuple[str, int, int], listing: Listing, price: int, lots: int, buy: bool) -> None:
        self.trade_id += 1
        self.sequence += 7
        size = max(1, lots // 5) * listing.lot
        identity = uuid.UUID(int=(self.seed << 64) + (listing.index << 40) + self.trade_id, version=5)
        self.publish(
            key,
            (
                f'{{"topic":"publicTrade.{listing.exchange_symbol}","type":"snapshot",'
                f'"ts":{max(self.now_ms, self.step_ms)},'
                f'"data":[{{"T":{self.step_ms},"s":"{listing.exchange_symbol}","S":"{"Buy" if buy else "Sell"}",'
                f'"v":"{size:.{listing.size_decimals}f}","p":"{price * listing.tick:.{listing.price_decimals}f}",'
                f'"L":"{"PlusTick" if buy else "MinusTick"}","i":"{identity}","BT":false,"seq":{self.sequence}}}]}}'
            ).encode(),
        )
