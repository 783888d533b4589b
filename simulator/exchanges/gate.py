"""Gate.io futures v4 as of September 2026: public websocket and REST of the usdt and btc families. Sizes are contracts.

A subscription is answered as a whole: one contract that is unknown fails the payload. `futures.obu` confirms anything
and stays silent about what does not exist. There is no first frame of `futures.book_ticker` and `futures.tickers`.
"""

import time
from typing import Any, ClassVar

import orjson
from aiohttp import web

from simulator.book import DepthMemory, Levels
from simulator.exchanges.base import Exchange
from simulator.exchanges.gate_listings import gate_listings
from simulator.exchanges.gate_rest import SETTLES, GateRest, Row, count, level_objects, trim, wants_decimals
from simulator.market import STEP_S, FairPrices, TopChange
from simulator.universe import CLOSED, LIVE, UNLISTED, Listing
from simulator.wire import Connection

LISTED = ("futures.book_ticker", "futures.tickers", "futures.trades")  # payload: contracts
SILENT = ("futures.candlesticks", "futures.order_book", "futures.public_liquidates", "futures.contract_stats")
OBU, CHANGES = "futures.obu", "futures.order_book_update"
OBU_LEVELS, CHANGE_LEVELS = ("50", "400"), ("20", "50", "100")
FAST_STEPS = round(0.1 / STEP_S)
SECOND_STEPS = round(1 / STEP_S)
QUIET_STEPS = round(30 / STEP_S)

Key = tuple[str, ...]  # channel, contract, whether sizes have decimals, and what else the channel asks for


class SubscriptionError(Exception):
    """A payload that is refused, with the code of the answer."""

    def __init__(self, message: str, code: int = 2) -> None:
        super().__init__(message)
        self.code = code


class Gate(Exchange):
    """See the module docstring."""

    name = "gate"
    settings_defaults: ClassVar[dict[str, float]] = {
        "idle_timeout_s": 30.5,  # of a socket without subscriptions
        "max_connections": 300,
        "rest_limits": 1,
    }
    unknown_frame = b'{"time":1789456999,"channel":"futures.something_new","event":"update","result":{"t":1}}'

    def __init__(self, fair: FairPrices, seed: int, instruments: int) -> None:
        super().__init__(fair, seed, instruments)
        self.depths: dict[Key, DepthMemory] = {}
        self.ticker_due: set[int] = set()
        self.trade_id = 202_356_208
        self.rest = GateRest(self)

    @classmethod
    def build_listings(cls, instruments: int, seed: int) -> list[Listing]:
        return gate_listings(instruments, seed)

    def first_sequence(self) -> int:
        return 125_033_675_975 + self.seed * 1000

    # Connections.

    def routes(self, port: str) -> list[web.RouteDef]:
        return [web.get("/v4/ws/{settle}", self._socket), *self.rest.routes()]

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        settle = request.match_info["settle"]
        if settle not in SETTLES:
            return web.Response(status=404, text="404 page not found")
        # The base's `wrapped` says which of two forms payloads take: here, whether sizes have decimals.
        return await self.websocket(request, group=settle, wrapped=wants_decimals(request))

    def refuse_connection(self, request: web.Request) -> web.Response | None:
        if len(self.connections) >= self.settings["max_connections"]:
            return web.Response(status=429, text="Too Many Requests")
        return None

    def on_second(self, now: float) -> None:
        for connection in tuple(self.connections):
            idle_s = now - max(connection.last_message, connection.opened)
            if not connection.topics and not connection.half_open and idle_s > self.settings["idle_timeout_s"]:
                connection.abort()

    def on_message(self, connection: Connection, text: str) -> None:
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError:
            request = None
        if not isinstance(request, dict) or not isinstance(request.get("channel"), str):
            error = {"code": 1, "message": "request message need json scheme"}
            self._answer(connection, {"channel": "", "event": "", "error": error, "result": None})
            return
        channel, event = request["channel"], request.get("event", "")
        if channel == "futures.ping":
            self._answer(connection, {"channel": "futures.pong", "event": "", "result": None})
            return
        body: Row = {"id": request["id"]} if "id" in request else {}
        body |= {"channel": channel, "event": event, "payload": request.get("payload")}
        try:
            if event not in ("subscribe", "unsubscribe"):
                raise SubscriptionError(f"unknown event {event}", 1)
            keys = self._keys(connection, channel, event, request.get("payload"))
        except SubscriptionError as error:
            failure = {"error": {"code": error.code, "message": str(error)}, "result": {"status": "fail"}}
            self._answer(connection, body | failure)
            return
        for key in keys if event == "unsubscribe" else ():
            self.unsubscribe(connection, key)
        fresh = [key for key in keys if key not in connection.topics] if event == "subscribe" else []
        for key in fresh:
            self.subscribe(connection, key, " ".join(key))
        self._answer(connection, body | {"result": {"status": "success"}})
        for key in fresh:
            if key[0] == OBU:
                self._send_book(connection, key)
            elif key[0] == CHANGES:
                self._memory(key, int(key[3]))

    def is_numbered(self, key: object) -> bool:
        return isinstance(key, tuple) and key[0] in (OBU, CHANGES)

    def announce_maintenance(self) -> None:
        message = "The connection will soon be closed, please reconnect"
        for connection in self.connections:
            result = {"type": "upgrade", "msg": message}
            self._answer(connection, {"channel": "futures.system", "event": "update", "result": result})

    def _answer(self, connection: Connection, body: Row) -> None:
        now_ms = self.now_ms
        head = {"time": now_ms // 1000, "time_ms": now_ms, "conn_id": f"{0xC59A69FD3702AA1D + connection.number:016x}"}
        connection.reply(orjson.dumps(head | body), time.monotonic())

    def _keys(self, connection: Connection, channel: str, event: str, payload: object) -> list[Key]:
        """The topics of a payload.

        Raises:
            SubscriptionError: If any of it is refused, and with it all of it.
        """
        if self.faults.reject_mode == "subscribe" and event == "subscribe":
            raise SubscriptionError("service error", 3)
        if channel not in (*LISTED, *SILENT, OBU, CHANGES):
            raise SubscriptionError(f"Unknown channel {channel}")
        if not isinstance(payload, list) or not payload or not all(isinstance(part, str) for part in payload):
            raise SubscriptionError("invalid argument struct", 1)
        decimal = "decimal" if connection.wrapped else ""
        if channel == CHANGES:
            return [self._change_key(connection, payload, decimal)]
        if channel == OBU:
            return self._book_keys(connection, payload, subscribing=event == "subscribe")
        if channel in SILENT:
            return []
        return [(channel, self._known(connection, name), decimal) for name in payload]

    def _known(self, connection: Connection, name: str) -> str:
        listing = self.find(name)
        if listing is None or listing.status == CLOSED or listing.host != connection.group:
            raise SubscriptionError(f"unknown currency pair: {name}")
        return name

    def _change_key(self, connection: Connection, payload: list[str], decimal: str) -> Key:
        name = self._known(connection, payload[0])
        frequency = payload[1] if len(payload) > 1 else ""
        level = payload[2] if len(payload) > 2 else "20" if frequency == "20ms" else "100"
        if frequency not in ("20ms", "100ms") or level not in CHANGE_LEVELS or (frequency == "20ms" and level != "20"):
            raise SubscriptionError(f"provided level not supported: {level}")
        return (CHANGES, name, decimal, level, frequency)

    def _book_keys(self, connection: Connection, payload: list[str], *, subscribing: bool) -> list[Key]:
        """Topics of whole books; what is unknown is confirmed and stays silent."""
        keys: list[Key] = []
        for stream in payload:
            name, _, level = stream.removeprefix("ob.").rpartition(".")
            key = (OBU, name, "decimal", level)
            if subscribing and key in connection.topics:
                raise SubscriptionError(f"Alert sub {stream}")
            listing = self.find(name)
            usable = listing is not None and listing.host == connection.group and listing.status != CLOSED
            if stream.startswith("ob.") and usable and level in OBU_LEVELS:
                keys.append(key)
        return keys

    def topic_ended(self, key: object) -> None:
        if isinstance(key, tuple):
            self.depths.pop(key, None)

    # Data.

    def on_tops(self, change: TopChange) -> None:
        topics, ts = self.topics, self.step_ms
        fields = (change.index, change.bid_ticks, change.bid_lots, change.ask_ticks, change.ask_lots)
        for index, bid, bid_lots, ask, ask_lots in zip(*(field.tolist() for field in fields), strict=True):
            listing = self.listings[index]
            self.sequence += 3
            self.ticker_due.add(index)
            for decimal in ("", "decimal"):
                key = ("futures.book_ticker", listing.exchange_symbol, decimal)
                if key in topics:
                    self.publish(key, self._top(listing, bid, bid_lots, ask, ask_lots, ts, decimal))
                key = ("futures.trades", listing.exchange_symbol, decimal)
                if key in topics and bid_lots % 3 == 0:
                    row = self.trade_row(listing, bool(decimal)) | {"create_time": ts // 1000, "create_time_ms": ts}
                    self.publish(key, self._update("futures.trades", [row]))

    def _top(self, listing: Listing, bid: int, bid_lots: int, ask: int, ask_lots: int, ts: int, decimal: str) -> bytes:
        tick, pd = listing.tick, listing.price_decimals
        bid_size, ask_size = count(listing, bid_lots, bool(decimal)), count(listing, ask_lots, bool(decimal))
        quote = '"' if decimal else ""
        return (
            f'{{"time":{ts // 1000},"time_ms":{ts},"channel":"futures.book_ticker","event":"update",'
            f'"result":{{"t":{ts},"u":{self.sequence},"s":"{listing.exchange_symbol}",'
            f'"b":"{trim(bid * tick, pd)}","B":{quote}{bid_size}{quote},'
            f'"a":"{trim(ask * tick, pd)}","A":{quote}{ask_size}{quote}}}}}'
        ).encode()

    def trade_row(self, listing: Listing, decimal: bool) -> Row:
        """One trade at the touch, negative where the taker sold."""
        market, i = self.market, listing.index
        self.trade_id += 1
        bought = market.ask_lots[i] % 2
        size = count(listing, max(10.0, float((market.ask_lots if bought else market.bid_lots)[i]) // 5), decimal)
        price = (market.ask_ticks if bought else market.bid_ticks)[i] * listing.tick
        signed: Any = size if bought else f"-{size}" if isinstance(size, str) else -size
        return {
            "size": signed,
            "id": self.trade_id,
            "price": trim(price, listing.price_decimals),
            "contract": listing.exchange_symbol,
        }

    def _update(self, channel: str, result: object) -> bytes:
        ts = self.step_ms
        head = {"time": ts // 1000, "time_ms": ts, "channel": channel, "event": "update"}
        return orjson.dumps(head | {"result": result})

    def on_step(self, step: int) -> None:
        for listing in self.due(step, SECOND_STEPS):
            if listing.status == LIVE:
                quiet_turn = step % QUIET_STEPS == step % SECOND_STEPS + SECOND_STEPS * (listing.index * 7 % 30)
                if listing.index in self.ticker_due or quiet_turn:
                    self.ticker_due.discard(listing.index)
                    self._publish_ticker(listing)
        for key, memory in tuple(self.depths.items()):
            listing = self.by_symbol[key[1]]
            if step % FAST_STEPS == listing.index % FAST_STEPS and listing.status not in (CLOSED, UNLISTED):
                self._publish_book(key, listing, memory, step)

    def _publish_ticker(self, listing: Listing) -> None:
        for decimal in ("", "decimal"):
            key = ("futures.tickers", listing.exchange_symbol, decimal)
            if key in self.topics:
                funding = {
                    "funding_interval": listing.funding_interval_h * 3600,
                    "funding_offset": 0,
                    "funding_next_apply": self.next_funding_ms(listing) // 1000,
                    "price_type": "last",
                    "t": self.step_ms,
                }
                self.publish(key, self._update("futures.tickers", [self.rest.ticker_row(listing) | funding]))

    def _memory(self, key: Key, levels: int) -> DepthMemory:
        """What a depth stream has sent so far; made with its first subscriber."""
        memory = self.depths.get(key)
        if memory is None:
            memory = self.depths[key] = DepthMemory(levels)
            memory.snapshot(self.book(self.by_symbol[key[1]]))
            memory.last_id = self.next_id()
        return memory

    def _send_book(self, connection: Connection, key: Key) -> None:
        memory, listing = self._memory(key, int(key[3])), self.by_symbol[key[1]]
        bids, asks = memory.current()
        result = {
            "t": self.step_ms,
            "full": True,
            "s": f"ob.{key[1]}.{key[3]}",
            "u": memory.last_id,
            "b": level_pairs(listing, bids),
            "a": level_pairs(listing, asks),
        }
        self.send_data(connection, self._update(OBU, result))

    def _publish_book(self, key: Key, listing: Listing, memory: DepthMemory, step: int) -> None:
        bids, asks = memory.changes(self.book(listing))
        if not bids and not asks and step % SECOND_STEPS != listing.index % SECOND_STEPS:
            return  # otherwise: a change of the id alone, which is common
        first, memory.last_id = memory.last_id + 1, max(self.next_id(), memory.last_id + 1)
        result: Row = {"t": self.step_ms, "U": first, "u": memory.last_id}
        if key[0] == OBU:
            result["s"] = f"ob.{key[1]}.{key[3]}"
            if bids:
                result["b"] = level_pairs(listing, bids)
            if asks:
                result["a"] = level_pairs(listing, asks)
        elif bids or asks:
            decimal = bool(key[2])
            result |= {"s": key[1], "l": key[3]}
            result |= {"a": level_objects(listing, asks, decimal), "b": level_objects(listing, bids, decimal)}
        else:
            memory.last_id = first - 1
            return
        self.publish(key, self._update(key[0], result))


def level_pairs(listing: Listing, levels: Levels) -> list[list[str]]:
    """[["77235", "50"], ...]; a level that is gone has size "0"."""
    tick, pd = listing.tick, listing.price_decimals
    return [[trim(price * tick, pd), str(count(listing, lots, True))] for price, lots in levels]
