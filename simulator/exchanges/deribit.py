"""Deribit v2 public market data: JSON-RPC by GET and over one socket, as of September 2026."""

import time
from collections.abc import Mapping
from typing import Any, ClassVar

import orjson
from aiohttp import web

from simulator.book import BOOK_LEVELS, DepthMemory
from simulator.exchanges.base import Exchange, json_response
from simulator.exchanges.deribit_listings import deribit_listings
from simulator.exchanges.deribit_methods import DeribitMethods, RpcError, amounts, index_name, invalid
from simulator.market import STEP_S, FairPrices, TopChange
from simulator.universe import CLOSED, HALTED, LIVE, UNLISTED, Listing
from simulator.wire import Connection

SECOND_STEPS = round(1 / STEP_S)
FAST_STEPS = round(0.1 / STEP_S)
WINDOWS = ("1", "10", "20")
SHORTEST_HEARTBEAT_S = 10
COSTS = {"public/get_instruments": 10_000, "public/subscribe": 3_000}
POOLS = {"public/get_instruments": 500_000.0, "public/subscribe": 30_000.0}
DEFAULT_COST, DEFAULT_POOL = 500, 50_000.0
TOO_MANY = RpcError(10028, "too_many_requests")

Key = tuple[str, int]


class Credits:
    """Pools of credits that fill up again all the time; each costly method has one of its own."""

    def __init__(self) -> None:
        self._pools: dict[str, tuple[float, float]] = {}

    def take(self, method: str, now: float, per_s: float) -> bool:
        """Pay for one call at `now` [s]; False if there is not enough left."""
        pool = method if method in POOLS else ""
        largest = POOLS.get(method, DEFAULT_POOL)
        left, since = self._pools.get(pool, (largest, now))
        left = min(largest, left + (now - since) * per_s) - COSTS.get(method, DEFAULT_COST)
        self._pools[pool] = (max(left, 0.0), now)
        return left >= 0


class Session:
    """What is kept of a client beyond its topics."""

    def __init__(self, now: float) -> None:
        self.credits = Credits()
        self.heartbeat_s: float | None = None
        self.next_beat = now
        self.asked_at: float | None = None  # an unanswered test_request


class Deribit(Exchange):
    """See the module docstring."""

    name = "deribit"
    settings_defaults: ClassVar[dict[str, float]] = {
        "credits_per_s": 10_000,
        "connections": 32,
        "idle_timeout_s": 60,  # without heartbeat and without subscription
        "heartbeat_scale": 1,  # shortens what clients ask for
        "answer_timeout_s": 10,
    }
    unknown_frame = b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"weather.BTC-PERPETUAL","data":{}}}'

    def __init__(self, fair: FairPrices, seed: int, instruments: int) -> None:
        super().__init__(fair, seed, instruments)
        self.sessions: dict[Connection, Session] = {}
        self.tickers_due: set[int] = set()
        self.full_books: dict[int, DepthMemory] = {}
        self.told: dict[int, dict[str, Any]] = {}  # index -> the fields incremental_ticker has sent last
        self.trade_id = 403_691_825
        self.trade_numbers = [271_252_855 + index for index in range(len(self.listings))]
        self.methods = DeribitMethods(self)
        self._rest_credits = Credits()

    @classmethod
    def build_listings(cls, instruments: int, seed: int) -> list[Listing]:
        return deribit_listings(instruments, seed)

    def first_sequence(self) -> int:
        return 193_809_616_666 + self.seed * 1000

    # Requests.

    def routes(self, port: str) -> list[web.RouteDef]:
        return [web.get("/ws/api/v2", self.websocket), web.get("/api/v2/{method:.*}", self._rest)]

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        refusal = self.rest_guard()
        if refusal is not None:
            return refusal
        status, body = 200, {}
        method = request.match_info["method"]
        try:
            if not self._rest_credits.take(method, time.monotonic(), self.settings["credits_per_s"]):
                raise TOO_MANY
            body = {"result": self.methods.call(method, request.query)}
        except RpcError as error:
            status, body = 400, {"error": error.body}
        return json_response({"jsonrpc": "2.0", **body, **self._times()}, status)

    def _times(self) -> dict[str, object]:
        now_us = self.now_ms * 1000
        return {"usIn": now_us, "usOut": now_us + 60, "usDiff": 60, "testnet": False}

    def refuse_connection(self, request: web.Request) -> web.Response | None:
        if len(self.connections) >= self.settings["connections"]:
            return web.Response(status=429, text="Too Many Requests")
        return None

    def on_open(self, connection: Connection, request: web.Request) -> None:
        self.sessions[connection] = Session(time.monotonic())

    def on_message(self, connection: Connection, text: str) -> None:
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError:
            request = None
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            self._reply(connection, {}, {"error": RpcError(11050, "bad_request", "invalid json").body})
            return
        session, method = self.sessions[connection], request["method"]
        if not session.credits.take(method, time.monotonic(), self.settings["credits_per_s"]):
            self._reply(connection, request, {"error": TOO_MANY.body})
            connection.close(1000, "")
            return
        params = request.get("params") or {}
        fresh: list[Key] = []
        result: Any
        try:
            if not isinstance(params, dict):
                raise invalid("params", "must be an object")
            match method:
                case "public/subscribe":
                    result, fresh = self._subscribe_all(connection, params)
                case "public/unsubscribe":
                    result = self._unsubscribe_all(connection, _channels(params))
                case "public/unsubscribe_all":
                    self._unsubscribe_all(connection, list(connection.topics.values()))
                    result = "ok"
                case "public/set_heartbeat":
                    result = self._set_heartbeat(session, params)
                case "public/disable_heartbeat":
                    session.heartbeat_s, session.asked_at, result = None, None, "ok"
                case _:
                    if method == "public/test":
                        session.asked_at = None
                    result = self.methods.call(method, params)
        except RpcError as error:
            self._reply(connection, request, {"error": error.body})
            return
        self._reply(connection, request, {"result": result})
        for key in fresh:
            self._send_first(connection, key)

    def _reply(self, connection: Connection, request: Mapping[str, Any], outcome: dict[str, Any]) -> None:
        identity = {"id": request["id"]} if "id" in request else {}
        body = {"jsonrpc": "2.0", **identity, **outcome, **self._times()}
        connection.reply(orjson.dumps(body), time.monotonic())

    def _set_heartbeat(self, session: Session, params: Mapping[str, Any]) -> str:
        interval = params.get("interval")
        if not isinstance(interval, int) or interval < SHORTEST_HEARTBEAT_S:
            raise invalid("interval", f"must be at least {SHORTEST_HEARTBEAT_S}")
        session.heartbeat_s = interval * self.settings["heartbeat_scale"]
        session.next_beat = time.monotonic() + session.heartbeat_s
        session.asked_at = None
        return "ok"

    def on_second(self, now: float) -> None:
        for gone in self.sessions.keys() - self.connections:
            del self.sessions[gone]
        for connection, session in tuple(self.sessions.items()):
            if connection.half_open:
                continue
            if session.heartbeat_s is None:
                if not connection.topics and now - connection.last_message > self.settings["idle_timeout_s"]:
                    connection.abort()
                continue
            if session.asked_at is not None and now - session.asked_at > self.settings["answer_timeout_s"]:
                connection.close(4000, "heartbeat close")
            elif now >= session.next_beat:
                session.next_beat = now + session.heartbeat_s
                self._beat(connection, "heartbeat", now)
                if session.asked_at is None:
                    session.asked_at = now
                    self._beat(connection, "test_request", now)

    def _beat(self, connection: Connection, kind: str, now: float) -> None:
        beat = {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": kind}}
        if not self.faults.silent:
            connection.reply(orjson.dumps(beat), now)

    # Topics.

    def _subscribe_all(self, connection: Connection, params: Mapping[str, Any]) -> tuple[list[str], list[Key]]:
        """What was understood, in no particular order, and what of it is new; the rest is passed over in silence."""
        channels = _channels(params)
        if self.faults.reject_mode == "subscribe":
            raise RpcError(11051, "system_maintenance")
        if any(channel.endswith(".raw") for channel in channels):
            raise RpcError(13778, "raw_subscriptions_not_available_for_unauthorized")
        known: dict[str, Key] = {}
        for channel in channels:
            if (key := self._key(channel)) is not None:
                known[channel] = key
        fresh = [key for key in known.values() if key not in connection.topics]
        for channel, key in known.items():
            self.subscribe(connection, key, channel)
        return sorted(known, reverse=True), fresh

    def _unsubscribe_all(self, connection: Connection, channels: list[str]) -> list[str]:
        held = [channel for channel in channels if channel in connection.topics.values()]
        self.unsubscribe_spelt(connection, channels)
        return held

    def _key(self, channel: str) -> Key | None:
        """(channel without its instrument, listing index), index -1 where it is about no single one."""
        kind, _, rest = channel.partition(".")
        if channel in ("platform_state", "platform_state.public_methods_state", "instrument.state.future.any"):
            return channel, -1
        if kind == "trades" and rest in tuple(f"future.{currency}.100ms" for currency in ("USDC", "BTC", "ETH")):
            return channel, -1
        if kind == "deribit_price_index":
            found = [row for row in self.visible() if index_name(row) == rest]
            return (kind, found[0].index) if found else None
        name, _, speed = rest.partition(".")
        listing = self.by_symbol.get(name)
        if listing is None or listing.status in (CLOSED, UNLISTED):
            return None
        allowed = {
            "quote": ("",),
            "incremental_ticker": ("",),
            "ticker": ("100ms", "agg2"),
            "perpetual": ("100ms", "agg2") if listing.perpetual else (),
            "trades": ("100ms", "agg2"),
            "book": ("100ms", "agg2", *(f"none.{window}.100ms" for window in WINDOWS)),
        }.get(kind, ())
        return (f"{kind}.{speed}" if speed else kind, listing.index) if speed in allowed else None

    def is_numbered(self, key: object) -> bool:
        return isinstance(key, tuple) and key[0] == "book.100ms"

    def announce_maintenance(self) -> None:
        self.publish(("platform_state", -1), self._frame("platform_state", {"maintenance": True}))

    def maintenance_answer(self) -> web.Response:
        error = RpcError(11051, "system_maintenance").body
        return json_response({"jsonrpc": "2.0", "error": error, **self._times()}, 400)

    def topic_ended(self, key: object) -> None:
        if isinstance(key, tuple) and key[0] == "book.100ms":
            self.full_books.pop(key[1], None)
        if isinstance(key, tuple) and key[0] == "incremental_ticker":
            self.told.pop(key[1], None)

    # Data.

    def _frame(self, channel: str, data: object) -> bytes:
        params = {"channel": channel, "data": data}
        return orjson.dumps({"jsonrpc": "2.0", "method": "subscription", "params": params})

    def _channel(self, key: Key) -> str:
        kind, _, speed = key[0].partition(".")
        if kind == "deribit_price_index":
            return f"{kind}.{index_name(self.listings[key[1]])}"
        name = self.listings[key[1]].exchange_symbol
        return f"{kind}.{name}.{speed}" if speed else f"{kind}.{name}"

    def _push(self, key: Key, data: object) -> None:
        self.publish(key, self._frame(self._channel(key), data))

    def _send_first(self, connection: Connection, key: Key) -> None:
        """The state that a new subscription starts with."""
        kind, index = key
        if index < 0:
            if kind == "platform_state.public_methods_state":
                self.send_data(connection, self._frame(kind, {"allow_unauthenticated_public_requests": True}))
            return
        listing = self.listings[index]
        if kind == "book.100ms":
            memory = self.full_books.get(index)
            if memory is None:
                memory = self.full_books[index] = DepthMemory(BOOK_LEVELS)
                memory.snapshot(self.book(listing))
                memory.last_id = self.next_id()
            self.send_data(connection, self._frame(self._channel(key), self._whole_book(listing, memory)))
        elif (data := self._state(kind, listing)) is not None:
            self.send_data(connection, self._frame(self._channel(key), data))

    def _state(self, kind: str, listing: Listing) -> dict[str, Any] | None:
        """What a channel says as a whole; None for one that only tells of events."""
        name = listing.exchange_symbol
        if kind == "quote":
            changed_ms = int((float(self.market.top_time[listing.index]) + self.faults.clock_offset_s) * 1000)
            return {"timestamp": changed_ms, "instrument_name": name, **self.methods.top(listing)}
        if kind.startswith(("ticker", "incremental_ticker")):
            return self.methods.ticker(listing, with_stats=False)
        if kind.startswith("perpetual"):
            index = round(float(self.market.index[listing.index]), listing.price_decimals + 2)
            return {"index_price": index, "interest": self.methods.interest(listing)[0], "timestamp": self.step_ms}
        if kind == "deribit_price_index":
            price = round(float(self.market.index[listing.index]), listing.price_decimals + 2)
            return {"timestamp": self.step_ms, "price": price, "index_name": index_name(listing)}
        if kind.startswith("book.none"):
            bids, asks = self.methods.window(listing, int(kind.split(".")[2]))
            stamp = {"timestamp": self.step_ms, "change_id": self.next_id(), "instrument_name": name}
            return stamp | {"bids": bids, "asks": asks}
        return None

    def on_tops(self, change: TopChange) -> None:
        topics = self.topics
        for index, bid_lots, ask_lots in zip(
            change.index.tolist(), change.bid_lots.tolist(), change.ask_lots.tolist(), strict=True
        ):
            key: Key = ("quote", index)
            if key in topics:
                self._push(key, self._state("quote", self.listings[index]))
            self.tickers_due.add(index)
            if bid_lots % 3 == 0:
                self._publish_trade(self.listings[index], bid_lots, ask_lots)

    def on_step(self, step: int) -> None:
        phase = step % FAST_STEPS  # no channel comes more often
        for key in [key for key in self.topics if isinstance(key, tuple) and key[1] % FAST_STEPS == phase]:
            kind, index = key
            listing = self.listings[index]
            if index < 0 or not listing.visible:
                continue  # delisted: its channels go quiet
            slow = step % SECOND_STEPS == index % SECOND_STEPS
            if kind == "ticker.100ms":
                if slow or index in self.tickers_due:
                    self.tickers_due.discard(index)
                    self._push(key, self._state(kind, listing))
            elif kind == "book.100ms":
                self._publish_changes(key, listing)
            elif kind.startswith("book.none"):
                if listing.status == LIVE:
                    self._push(key, self._state(kind, listing))
            elif kind == "incremental_ticker":
                if slow:
                    self._publish_changed_fields(key, listing)
            elif slow and (data := self._state(kind, listing)) is not None and kind != "quote":
                self._push(key, data)

    def _publish_changed_fields(self, key: Key, listing: Listing) -> None:
        """Only what differs from the second before; who has just subscribed was told everything."""
        state = self.methods.ticker(listing, with_stats=False)
        before, self.told[listing.index] = self.told.get(listing.index, {}), state
        always = {"timestamp": state["timestamp"], "instrument_name": state["instrument_name"]}
        changed = {field: value for field, value in state.items() if before.get(field) != value}
        self._push(key, changed | always)

    def _whole_book(self, listing: Listing, memory: DepthMemory) -> dict[str, Any]:
        bids, asks = memory.current()
        return {
            "timestamp": self.step_ms,
            "type": "snapshot",
            "change_id": memory.last_id,
            "instrument_name": listing.exchange_symbol,
            "bids": [["new", *level] for level in amounts(listing, bids)],
            "asks": [["new", *level] for level in amounts(listing, asks)],
        }

    def _publish_changes(self, key: Key, listing: Listing) -> None:
        """Changed levels; the id of the change before it holds the chain together."""
        memory = self.full_books.get(listing.index)
        if memory is None:
            return
        before = [dict(side) for side in memory.current()]
        changed = memory.changes(self.book(listing))
        if not any(changed):
            return
        previous, memory.last_id = memory.last_id, self.next_id()
        sides: list[list[list[object]]] = []
        for held, levels in zip(before, changed, strict=True):
            rows: list[list[object]] = []
            for (price, lots), level in zip(levels, amounts(listing, levels), strict=True):
                rows.append(["delete" if not lots else "change" if price in held else "new", *level])
            sides.append(rows)
        data = {
            "timestamp": self.step_ms,
            "type": "change",
            "change_id": memory.last_id,
            "instrument_name": listing.exchange_symbol,
            "bids": sides[0],
            "asks": sides[1],
            "prev_change_id": previous,
        }
        self._push(key, data)

    def _publish_trade(self, listing: Listing, bid_lots: int, ask_lots: int) -> None:
        everyone: Key = (f"trades.future.{listing.settle}.100ms", -1)
        keys: list[Key] = [("trades.100ms", listing.index), ("trades.agg2", listing.index)]
        if everyone not in self.topics and not any(key in self.topics for key in keys):
            return
        top, buy = self.methods.top(listing), ask_lots % 2 == 0
        lots = max(1, (ask_lots if buy else bid_lots) // 5)
        self.trade_id += 1
        self.trade_numbers[listing.index] += 1
        trade = {
            "timestamp": self.step_ms,
            "price": top["best_ask_price" if buy else "best_bid_price"],
            "amount": round(lots * listing.lot, listing.size_decimals),
            "direction": "buy" if buy else "sell",
            "index_price": round(float(self.market.index[listing.index]), listing.price_decimals + 2),
            "instrument_name": listing.exchange_symbol,
            "trade_seq": self.trade_numbers[listing.index],
            "mark_price": round(float(self.market.mark[listing.index]), listing.price_decimals + 2),
            "tick_direction": 0 if buy else 2,
            "contracts": float(lots),
            "trade_id": str(self.trade_id),
        }
        for key in keys:
            self._push(key, [trade])
        self.publish(everyone, self._frame(everyone[0], [trade]))

    def announce(self, listing: Listing) -> None:
        """Tell of a listing's beginning and end; a halt shows in its ticker."""
        key: Key = ("instrument.state.future.any", -1)
        if listing.status == HALTED:
            for kind in ("ticker.100ms", "ticker.agg2"):
                self._push((kind, listing.index), self._state(kind, listing))
            return
        state = "started" if listing.status == LIVE else "terminated"
        data = {"timestamp": self.now_ms, "state": state, "instrument_name": listing.exchange_symbol}
        self.publish(key, self._frame(key[0], data))


def _channels(params: Mapping[str, Any]) -> list[str]:
    channels = params.get("channels")
    if not isinstance(channels, list) or not all(isinstance(channel, str) for channel in channels):
        raise invalid("channels", "must be a list of strings")
    return channels
