"""BitMEX realtime v2 and REST v1 as they were in 2026, until the exchange closed on 2026-09-23. Sizes are contracts.

Everything is a table: a `partial` first, then rows that are inserted, updated and deleted. A topic without a symbol is
about all symbols. There are no sequence numbers and no checksums. Rows of `instrument` only carry what has changed.
"""

import time
from collections.abc import Iterable
from typing import Any, ClassVar

import orjson
from aiohttp import web

from simulator.book import DepthMemory, Levels
from simulator.exchanges.base import Exchange, json_response
from simulator.exchanges.bitmex_listings import bitmex_listings
from simulator.exchanges.bitmex_rest import STATES, BitmexRest, Row, interval_text, iso
from simulator.limits import SlidingWindow
from simulator.market import STEP_S, FairPrices, TopChange
from simulator.universe import CLOSED, LIVE, UNLISTED, Listing
from simulator.wire import Connection

ARGS_PER_MESSAGE = 20
BOOK10, BOOKS = "orderBook10", {"orderBookL2": 420, "orderBookL2_25": 25}
WHOLE = ("instrument", "quote", "trade", "funding")  # may be asked for without a symbol
KEYS: dict[str, list[str]] = {
    "instrument": ["symbol"],
    "funding": ["timestamp", "symbol"],
    BOOK10: ["symbol"],
    **{table: ["symbol", "id", "side"] for table in BOOKS},
}
SLOW_FIELDS = ("fairPrice", "markPrice", "indicativeSettlePrice", "openInterest", "openValue")
FAST_STEPS = round(0.1 / STEP_S)
SECOND_STEPS = round(1 / STEP_S)
PING_EVERY_S = 20.0

Key = tuple[str, str]  # table, and symbol or ""


class TopicError(Exception):
    """A topic that is refused."""


class Bitmex(Exchange):
    """See the module docstring."""

    name = "bitmex"
    settings_defaults: ClassVar[dict[str, float]] = {
        "requests_per_minute": 30,  # 0 = not enforced
        "connects_per_hour": 720,
        "messages_per_s": 20,
        "mark_period_s": 5.0,
    }
    unknown_frame = b'{"table":"somethingNew","action":"insert","data":[{"symbol":"XBTUSD"}]}'

    def __init__(self, fair: FairPrices, seed: int, instruments: int) -> None:
        super().__init__(fair, seed, instruments)
        self.sent: dict[int, Row] = {}  # what subscribers of `instrument` know of the fields that change
        self.depths: dict[Key, DepthMemory] = {}
        self.payments: dict[int, int] = {}  # the next payment of each listing, ms
        self.announced = {row.exchange_symbol for row in self.listings if row.visible}
        self.messages: dict[Connection, SlidingWindow] = {}
        self.connects = SlidingWindow(0, 3600.0)
        self.connects_left = 0
        self.trade_id = 0
        self.rest = BitmexRest(self)

    @classmethod
    def build_listings(cls, instruments: int, seed: int) -> list[Listing]:
        return bitmex_listings(instruments, seed)

    # Connections.

    def routes(self, port: str) -> list[web.RouteDef]:
        return [web.get("/realtime", self.websocket), *self.rest.routes()]

    def refuse_connection(self, request: web.Request) -> web.Response | None:
        self.connects.limit = limit = self.settings["connects_per_hour"]
        if limit and not self.connects.allow(time.monotonic()):
            return web.Response(
                status=429,
                text='{"error":"Rate limit exceeded, retry in 29 seconds."}',
                headers={"retry-after": "29"},
                content_type="application/json",
            )
        return None

    def on_open(self, connection: Connection, request: web.Request) -> None:
        self.messages[connection] = SlidingWindow(0, 1.0)
        self.connects_left = max(0, int(self.settings["connects_per_hour"]) - connection.number)
        welcome = {
            "info": "Welcome to the BitMEX Realtime API.",
            "version": "2.0.0",
            "timestamp": iso(self.now_ms),
            "docs": "https://www.bitmex.com/app/wsAPI",
            "heartbeatEnabled": False,
            "limit": {"remaining": self.connects_left},
            "appName": "ws-feedhandler-simulated",
        }
        connection.reply(orjson.dumps(welcome), time.monotonic())
        if wanted := request.query.get("subscribe"):
            topics = wanted.split(",")
            self._operate(connection, {"op": "subscribe", "args": topics}, topics)
            connection.flush(time.monotonic())

    def on_second(self, now: float) -> None:
        for connection in tuple(self.connections):
            if now - connection.last_ping > PING_EVERY_S:
                self.ping(connection, now)
        for gone in self.messages.keys() - self.connections:
            del self.messages[gone]

    def on_message(self, connection: Connection, text: str) -> None:
        if text == "ping":
            connection.reply(b"pong", time.monotonic())
            return
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError:
            request = None
        if not isinstance(request, dict):
            self._refuse(connection, 400, f"Unrecognized request: {text[:80]}", {})
            return
        window = self.messages[connection]
        window.limit = self.settings["messages_per_s"]
        if window.limit and not window.allow(time.monotonic()):
            self._refuse(connection, 429, "Rate limit exceeded, retry in 1 seconds.", request, {"retryAfter": 1})
            return
        arguments = request.get("args")
        topics = [arguments] if isinstance(arguments, str) else arguments
        if request.get("op") not in ("subscribe", "unsubscribe"):
            self._refuse(connection, 400, f"Unknown operation: {request.get('op')}", request)
        elif not isinstance(topics, list) or not topics or not all(isinstance(topic, str) for topic in topics):
            self._refuse(connection, 400, "Args must be a string or a list of strings.", request)
        elif len(topics) > ARGS_PER_MESSAGE:
            self._refuse(connection, 400, f"Too many args sent. Max length is {ARGS_PER_MESSAGE}.", request)
        else:
            self._operate(connection, request, topics)

    def _operate(self, connection: Connection, request: Row, topics: Iterable[str]) -> None:
        """Answer each topic on its own."""
        operation = request["op"]
        for topic in topics:
            try:
                key = self._key(topic)
                if operation == "subscribe":
                    if self.faults.reject_mode == "subscribe":
                        raise TopicError("The system is currently overloaded. Please try again later.")
                    if key in connection.topics:
                        raise TopicError(f"You are already subscribed to this topic: {topic}")
                elif key not in connection.topics:
                    raise TopicError(f"You are not subscribed to this topic: {topic}")
            except TopicError as error:
                status = 503 if "overloaded" in str(error) else 400
                self._refuse(connection, status, str(error), request)
                continue
            connection.reply(orjson.dumps({"success": True, operation: topic, "request": request}), time.monotonic())
            if operation == "unsubscribe":
                self.unsubscribe(connection, key)
            else:
                self.subscribe(connection, key, topic)
                self._send_partial(connection, key)

    def _refuse(self, connection: Connection, status: int, error: str, request: Row, meta: Row | None = None) -> None:
        body = {"status": status, "error": error, "meta": meta or {}, "request": request}
        connection.reply(orjson.dumps(body), time.monotonic())

    def _key(self, topic: str) -> Key:
        """Table and symbol of a topic. Raises TopicError."""
        table, colon, symbol = topic.partition(":")
        if table not in WHOLE and table != BOOK10 and table not in BOOKS:
            raise TopicError(f"Unknown table: {table}")
        if not colon:
            if table not in WHOLE:
                raise TopicError(f"Table {table} needs a symbol.")
            return table, ""
        listing = self.find(symbol)
        if listing is None or listing.status == CLOSED:
            raise TopicError(f"Unknown or expired symbol: {symbol}")
        return table, symbol

    def is_about(self, key: object, listing: Listing) -> bool:
        return key == ("quote", "")  # the quotes of all contracts are one subscription

    def frame_mark(self, listing: Listing) -> bytes:
        return b'{"table":"quote"'

    def is_numbered(self, key: object) -> bool:
        return isinstance(key, tuple) and key[0] in BOOKS

    def change_interval(self, exchange_symbol: str, hours: int) -> int:
        """Any column that changes is sent."""
        before = super().change_interval(exchange_symbol, hours)
        listing = self.by_symbol[exchange_symbol]
        row = {"symbol": exchange_symbol, "fundingInterval": interval_text(listing), "timestamp": iso(self.now_ms)}
        for name in ("", exchange_symbol):
            self.publish(("instrument", name), self._frame("instrument", "update", [row]))
        return before

    def maintenance_answer(self) -> web.Response:
        message = "The system is currently overloaded. Please try again later."
        return json_response({"error": {"message": message, "name": "HTTPError"}}, 503)

    def topic_ended(self, key: object) -> None:
        if isinstance(key, tuple):
            self.depths.pop(key, None)

    # Tables.

    def _frame(self, table: str, action: str, rows: list[Row]) -> bytes:
        return orjson.dumps({"table": table, "action": action, "data": rows})

    def _send_partial(self, connection: Connection, key: Key) -> None:
        """The image of a table, with the filter that was asked for."""
        table, symbol = key
        body = {
            "table": table,
            "action": "partial",
            "keys": KEYS.get(table, []),
            "types": {},
            "filter": {"symbol": symbol} if symbol else {},
            "data": self._image(key),
        }
        self.send_data(connection, orjson.dumps(body))

    def _image(self, key: Key) -> list[Row]:
        table, symbol = key
        chosen = [self.by_symbol[symbol]] if symbol else self.rest.active()
        if table == "instrument":
            rows = [self.rest.instrument_row(row) | self.sent.get(row.index, {}) for row in chosen]
            return rows if symbol else rows + self.rest.index_rows()
        if table == "quote":
            return [self.rest.quote_row(row) for row in chosen]
        if table == "funding":
            perpetuals = [row for row in chosen if row.perpetual]
            return [self.rest.funding_row(row, self._payment(row) - 8 * 3_600_000) for row in perpetuals]
        if table == "trade":
            return [self._trade(row) for row in chosen if symbol and row.status == LIVE]
        if table == BOOK10:
            return [self._book10(chosen[0])]
        memory = self.depths.get(key)
        if memory is None:
            memory = self.depths[key] = DepthMemory(BOOKS[table])
            memory.snapshot(self.book(chosen[0]))
        bids, asks = memory.current()
        return self._levels(chosen[0], "Sell", asks[::-1]) + self._levels(chosen[0], "Buy", bids)

    def level_row(self, listing: Listing, side: str, price: int, lots: int) -> Row:
        """A level of a whole book; its id stands for its price."""
        return {
            "symbol": listing.exchange_symbol,
            "id": (listing.index + 1) * 10_000_000_000 - price,
            "side": side,
            "size": lots * int(listing.lot),
            "price": round(price * listing.tick, listing.price_decimals),
        }

    def _levels(self, listing: Listing, side: str, levels: Levels) -> list[Row]:
        at = iso(self.step_ms)
        return [self.level_row(listing, side, *level) | {"timestamp": at} for level in levels]

    def _book10(self, listing: Listing) -> Row:
        book, lot = self.book(listing), int(listing.lot)

        def pairs(levels: Levels) -> list[list[float]]:
            return [[round(price * listing.tick, listing.price_decimals), lots * lot] for price, lots in levels]

        return {
            "symbol": listing.exchange_symbol,
            "bids": pairs(book.bids.top(10)),
            "asks": pairs(book.asks.top(10)),
            "timestamp": iso(self.step_ms),
        }

    def _trade(self, listing: Listing) -> Row:
        market, i = self.market, listing.index
        self.trade_id += 1
        bought = bool(market.ask_lots[i] % 2)
        size = max(1, int((market.ask_lots if bought else market.bid_lots)[i]) // 5) * int(listing.lot)
        price = round(
            float((market.ask_ticks if bought else market.bid_ticks)[i]) * listing.tick, listing.price_decimals
        )
        notional = size * listing.contract * (price if listing.kind == "linear" else 1.0)
        return {
            "timestamp": iso(self.step_ms),
            "symbol": listing.exchange_symbol,
            "side": "Buy" if bought else "Sell",
            "size": size,
            "price": price,
            "tickDirection": "ZeroPlusTick" if bought else "ZeroMinusTick",
            "trdMatchID": f"00000000-006d-1000-0000-{self.trade_id:012x}",
            "grossValue": self.rest.minor_units(listing, size, price),
            "homeNotional": round(notional / price, 8),
            "foreignNotional": round(notional, 6),
            "trdType": "Regular",
        }

    # Data.

    def on_tops(self, change: TopChange) -> None:
        topics, at = self.topics, iso(self.step_ms)
        everything, traded = ("quote", "") in topics, ("trade", "") in topics
        fields = (change.index, change.bid_ticks, change.bid_lots, change.ask_ticks, change.ask_lots)
        rows: list[Row] = []
        trades: list[Row] = []
        for index, bid, bid_lots, ask, ask_lots in zip(*(field.tolist() for field in fields), strict=True):
            listing = self.listings[index]
            key = ("quote", listing.exchange_symbol)
            if everything or key in topics:
                lot, tick, decimals = int(listing.lot), listing.tick, listing.price_decimals
                row: Row = {
                    "timestamp": at,
                    "symbol": listing.exchange_symbol,
                    "bidSize": bid_lots * lot,
                    "bidPrice": round(bid * tick, decimals),
                    "askPrice": round(ask * tick, decimals),
                    "askSize": ask_lots * lot,
                }
                rows.append(row)
                if key in topics:
                    self.publish(key, self._frame("quote", "insert", [row]))
            key = ("trade", listing.exchange_symbol)
            if bid_lots % 3 == 0 and (traded or key in topics):
                trades.append(self._trade(listing))
                self.publish(key, self._frame("trade", "insert", trades[-1:]))
        if rows and everything:
            self.publish(("quote", ""), self._frame("quote", "insert", rows))
        if trades:
            self.publish(("trade", ""), self._frame("trade", "insert", trades))

    def on_step(self, step: int) -> None:
        due = [row for row in self.due(step, SECOND_STEPS) if row.status == LIVE]
        slow_steps = max(1, round(self.settings["mark_period_s"])) * SECOND_STEPS
        self._publish_instruments(due, slow=step % slow_steps < SECOND_STEPS)
        self._publish_payments(due)
        for key, memory in tuple(self.depths.items()):
            listing = self.by_symbol[key[1]]
            if step % FAST_STEPS == listing.index % FAST_STEPS and listing.status not in (CLOSED, UNLISTED):
                self._publish_book(key, listing, memory)
        for listing in self.due(step, FAST_STEPS):
            key = (BOOK10, listing.exchange_symbol)
            if key in self.topics and self.market.top_time[listing.index] > self.time - 0.1:
                self.publish(key, self._frame(BOOK10, "update", [self._book10(listing)]))

    def _publish_instruments(self, listings: list[Listing], *, slow: bool) -> None:
        """Send of each row what has changed; marks, indices and open interest take their turn."""
        rows: list[Row] = []
        at = iso(self.step_ms)
        for listing in listings:
            now = self.rest.prices_row(listing)
            known = self.sent.get(listing.index)
            if known is None:
                known = self.sent[listing.index] = {}
            elif not slow:
                now = {name: value for name, value in now.items() if name not in SLOW_FIELDS}
            changed = {name: value for name, value in now.items() if name not in known or known[name] != value}
            if changed:
                known |= changed
                rows.append({"symbol": listing.exchange_symbol, **changed, "timestamp": at})
                key = ("instrument", listing.exchange_symbol)
                if key in self.topics:
                    self.publish(key, self._frame("instrument", "update", rows[-1:]))
        if rows:
            self.publish(("instrument", ""), self._frame("instrument", "update", rows))

    def _payment(self, listing: Listing) -> int:
        """When funding is paid next. [ms]"""
        return self.payments.setdefault(listing.index, self.rest.next_funding_ms(listing))

    def _publish_payments(self, listings: list[Listing]) -> None:
        for listing in listings:
            if not listing.perpetual:
                continue
            before, after = self._payment(listing), self.rest.next_funding_ms(listing)
            if after != before:
                self.payments[listing.index] = after
            if before <= self.step_ms:
                frame = self._frame("funding", "insert", [self.rest.funding_row(listing, before)])
                for symbol in ("", listing.exchange_symbol):
                    self.publish(("funding", symbol), frame)

    def _publish_book(self, key: Key, listing: Listing, memory: DepthMemory) -> None:
        """Send gone levels, then resized ones, then new ones."""
        known = [dict(levels) for levels in memory.current()]
        changes: dict[str, list[Row]] = {"delete": [], "update": [], "insert": []}
        at = iso(self.step_ms)
        for side, before, levels in zip(("Buy", "Sell"), known, memory.changes(self.book(listing)), strict=True):
            for price, lots in levels:
                row = self.level_row(listing, side, price, lots) | {"timestamp": at}
                if not lots:
                    changes["delete"].append({name: row[name] for name in ("symbol", "id", "side")})
                elif price in before:
                    changes["update"].append(row)
                else:
                    changes["insert"].append(row)
        for action, rows in changes.items():
            if rows:
                self.publish(key, self._frame(key[0], action, rows))

    def announce(self, listing: Listing) -> None:
        """Push a new row, or the new state of one that is known."""
        at, symbol = iso(self.now_ms), listing.exchange_symbol
        action: str
        row: dict[str, Any]
        if symbol in self.announced:
            action, row = "update", {"symbol": symbol, "state": STATES[listing.status], "timestamp": at}
        else:
            action, row = "insert", self.rest.instrument_row(listing)
            self.announced.add(symbol)
        for name in ("", symbol):
            self.publish(("instrument", name), self._frame("instrument", action, [row]))
