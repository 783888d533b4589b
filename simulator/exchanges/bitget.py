"""Bitget v2 public market data of futures, as of August-September 2026: one socket for all product types."""

import time
from typing import Any, ClassVar

import orjson
from aiohttp import web

from simulator.book import DepthMemory
from simulator.exchanges.base import Exchange, levels_json
from simulator.exchanges.bitget_listings import ENDING_ASSETS, FAMILIES, bitget_listings
from simulator.exchanges.bitget_rest import BitgetRest, ticker_row
from simulator.limits import SlidingWindow
from simulator.market import STEP_S, FairPrices, TopChange
from simulator.universe import CLOSED, PRELAUNCH, UNLISTED, Listing
from simulator.wire import Connection

PATH = "/v2/ws/public"
FRAME_BYTES = 4096  # of arguments in one message
DEPTH_LEVELS = 400
PERIOD, SECOND = round(0.1 / STEP_S), round(1 / STEP_S)
SMALL_BOOKS = {"books5": 5, "books15": 15}
CHANNELS = frozenset({"ticker", "books1", "books", "trade", *SMALL_BOOKS})
NOT_FOUND, ILLEGAL, TOO_MANY, OVER_LIMIT, PARAMETER = 30001, 30002, 30006, 30007, 30016

Key = tuple[str, int]  # channel, listing index


class Bitget(Exchange):
    """See the module docstring."""

    name = "bitget"
    settings_defaults: ClassVar[dict[str, float]] = {
        "ping_timeout_s": 130,  # without the text "ping", whatever else is said or streamed
        "channels_per_connection": 1000,
        "subscribes_per_hour": 240,
        "messages_per_s": 10,
        "connections_limit": 100,
        "connects_per_5min": 300,
        "requests_per_s": 20,
        "requests_per_minute": 6000,
    }
    unknown_frame = (
        b'{"action":"snapshot","arg":{"instType":"USDT-FUTURES","channel":"something-new","instId":"BTCUSDT"},'
        b'"data":[{"x":"1"}],"ts":1789456276888}'
    )

    def __init__(self, fair: FairPrices, seed: int, instruments: int) -> None:
        super().__init__(fair, seed, instruments)
        self.ending = {f"{key}USDT" for key in ENDING_ASSETS.split()}
        # Above 2**53 on the coin-margined family, as on the wire.
        self.sequences = [
            1_352_182_127_898_370_048 + 1_000_003 * row.index
            if row.host == FAMILIES[2]
            else 427_583_461_144 + row.index
            for row in self.listings
        ]
        self.depths: dict[int, DepthMemory] = {}
        self.tickers_due: set[int] = set()  # tops that changed since their ticker was last sent
        self.books_due: set[int] = set()
        self.messages: dict[Connection, SlidingWindow] = {}
        self.subscribes: dict[Connection, SlidingWindow] = {}
        self.pings: dict[Connection, float] = {}
        self.connects = SlidingWindow(0, 300.0)
        self.trade_id = 1_344_084_387_322_626_071
        self.rest = BitgetRest(self)

    @classmethod
    def build_listings(cls, instruments: int, seed: int) -> list[Listing]:
        return bitget_listings(instruments, seed)

    # Connections.

    def routes(self, port: str) -> list[web.RouteDef]:
        return [web.get(PATH, self.websocket), *self.rest.routes()]

    def refuse_connection(self, request: web.Request) -> web.Response | None:
        self.connects.limit = self.settings["connects_per_5min"]
        if len(self.connections) >= self.settings["connections_limit"] or not self.connects.allow(time.monotonic()):
            return web.Response(status=429, text="Too Many Requests")
        return None

    def on_open(self, connection: Connection, request: web.Request) -> None:
        self.messages[connection] = SlidingWindow(0, 1.0)
        self.subscribes[connection] = SlidingWindow(0, 3600.0)
        self.pings[connection] = connection.opened

    def on_second(self, now: float) -> None:
        for connection in tuple(self.connections):
            if not connection.half_open and now - self.pings[connection] > self.settings["ping_timeout_s"]:
                connection.abort()  # seen as 1006 by the client
        for gone in self.pings.keys() - self.connections:
            del self.messages[gone], self.subscribes[gone], self.pings[gone]

    def on_message(self, connection: Connection, text: str) -> None:
        now = time.monotonic()
        window = self.messages[connection]
        window.limit = self.settings["messages_per_s"]
        if not window.allow(now):
            self._error(connection, TOO_MANY, "Request too frequent", None)
            return
        if text == "ping":
            self.pings[connection] = now
            connection.reply(b"pong", now)
            return
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError:
            request = None
        if not isinstance(request, dict) or request.get("op") not in ("subscribe", "unsubscribe"):
            self._error(connection, ILLEGAL, "Illegal request", None)
            return
        arguments = request.get("args")
        if not isinstance(arguments, list) or len(text) > FRAME_BYTES:
            self._error(connection, ILLEGAL, "Illegal request", None)
        elif request["op"] == "subscribe":
            hourly = self.subscribes[connection]
            hourly.limit = self.settings["subscribes_per_hour"]
            if not hourly.allow(now):
                self._error(connection, TOO_MANY, "Request too frequent", None)
                return
            for argument in arguments:
                self._subscribe(connection, argument)
        else:
            for argument in arguments:
                self.unsubscribe_spelt(connection, [_spelling(argument)])
                self._event(connection, "unsubscribe", argument)

    def _event(self, connection: Connection, event: str, argument: object) -> None:
        connection.reply(orjson.dumps({"event": event, "arg": argument}), time.monotonic())

    def _error(self, connection: Connection, code: int, message: str, argument: object) -> None:
        body: dict[str, Any] = {"event": "error"}
        if argument is not None:
            body["arg"] = argument
        body |= {"code": code, "msg": message, "op": "subscribe"}
        connection.reply(orjson.dumps(body), time.monotonic())

    def _subscribe(self, connection: Connection, argument: Any) -> None:
        """One argument: a bad one fails alone, a real symbol in a wrong family is confirmed and then silent."""
        if not isinstance(argument, dict):
            self._error(connection, PARAMETER, "Param error", argument)
            return
        family, channel, symbol = (argument.get(key) for key in ("instType", "channel", "instId"))
        if family not in FAMILIES or channel not in CHANNELS:
            self._error(connection, PARAMETER, "Param error", argument)
            return
        listing = self.by_symbol.get(str(symbol))
        unknown = listing is None or listing.status in (CLOSED, PRELAUNCH, UNLISTED)
        if listing is None or unknown or self.faults.reject_mode == "subscribe":
            reason = f"instType:{family},channel:{channel},instId:{symbol},precision:null doesn't exist"
            self._error(connection, NOT_FOUND, reason, argument)
            return
        if len(connection.topics) >= self.settings["channels_per_connection"]:
            self._error(connection, OVER_LIMIT, "Channel subscription limit exceeded", argument)
            return
        self._event(connection, "subscribe", argument)
        key: Key = (str(channel), listing.index)
        if listing.host != family:
            connection.topics[("silent", family, *key)] = _spelling(argument)
            return
        self.subscribe(connection, key, _spelling(argument))
        self._begin(connection, key)

    def is_numbered(self, key: object) -> bool:
        return isinstance(key, tuple) and key[0] == "books"

    def topic_ended(self, key: object) -> None:
        if isinstance(key, tuple) and key[0] == "books":
            self.depths.pop(key[1], None)

    # Data.

    def _begin(self, connection: Connection, key: Key) -> None:
        channel, index = key
        listing = self.listings[index]
        if channel == "ticker":
            self.send_data(connection, self._ticker_frame(listing))
        elif channel == "books1":
            market = self.market
            tops = (market.bid_ticks[index], market.bid_lots[index], market.ask_ticks[index], market.ask_lots[index])
            self.send_data(connection, self._top_frame(listing, *(int(value) for value in tops)))
        elif channel in SMALL_BOOKS:
            self.send_data(connection, self._small_frame(listing, channel))
        elif channel == "books":
            memory = self.depths.get(index)
            if memory is None:
                memory = self.depths[index] = DepthMemory(DEPTH_LEVELS)
                memory.snapshot(self.book(listing))
                memory.last_id = self._next(index)
            bids, asks = memory.current()
            self.send_data(connection, self._book_frame(listing, "snapshot", bids, asks, memory.last_id, 0))
        elif channel == "trade":
            trade = self._trade(listing, int(self.market.bid_ticks[index]), int(self.market.bid_lots[index]), buy=False)
            self.send_data(connection, self._frame("snapshot", listing, "trade", trade))

    def _next(self, index: int) -> int:
        self.sequences[index] += 2
        return self.sequences[index]

    def on_tops(self, change: TopChange) -> None:
        topics = self.topics
        indices = change.index.tolist()
        self.tickers_due.update(indices)
        self.books_due.update(indices)
        sides = (change.bid_ticks, change.bid_lots, change.ask_ticks, change.ask_lots)
        for index, bid, bid_lots, ask, ask_lots in zip(indices, *(side.tolist() for side in sides), strict=True):
            key = ("books1", index)
            if key in topics:
                self.publish(key, self._top_frame(self.listings[index], bid, bid_lots, ask, ask_lots))
            key = ("trade", index)
            if key in topics and bid_lots % 3 == 0:
                buy = ask_lots % 2 == 0
                listing = self.listings[index]
                trade = self._trade(listing, ask if buy else bid, ask_lots if buy else bid_lots, buy=buy)
                self.publish(key, self._frame("update", listing, "trade", trade))

    def on_step(self, step: int) -> None:
        """Tickers and small books of what has changed each 100 ms; each second tickers tell mark and index anew."""
        live, topics = self.market.live, self.topics
        for listing in self.due(step, PERIOD):
            index = listing.index
            whole = step % SECOND == index % SECOND and live[index]
            if ("ticker", index) in topics and (whole or index in self.tickers_due):
                self.tickers_due.discard(index)
                self.publish(("ticker", index), self._ticker_frame(listing))
            small = [channel for channel in SMALL_BOOKS if (channel, index) in topics]
            if small and index in self.books_due:
                self.books_due.discard(index)
                for channel in small:
                    self.publish((channel, index), self._small_frame(listing, channel))
            if ("books", index) in topics:
                self._publish_changes(("books", index))

    def _frame(self, action: str, listing: Listing, channel: str, row: str) -> bytes:
        return (
            f'{{"action":"{action}","arg":{{"instType":"{listing.host}","channel":"{channel}",'
            f'"instId":"{listing.exchange_symbol}"}},"data":[{row}],"ts":{max(self.now_ms, self.step_ms)}}}'
        ).encode()

    def _ticker_frame(self, listing: Listing) -> bytes:
        fields = {"instId": listing.exchange_symbol, **ticker_row(self, listing)}
        if listing.perpetual:
            fields["nextFundingTime"] = str(self.next_funding_ms(listing))
        fields |= {"symbolType": "1" if listing.perpetual else "2", "deliveryPrice": "0"}
        fields["ts"] = str(self.step_ms)
        return self._frame("snapshot", listing, "ticker", orjson.dumps(fields).decode())

    def _top_frame(self, listing: Listing, bid: int, bid_lots: int, ask: int, ask_lots: int) -> bytes:
        changed_ms = int((float(self.market.top_time[listing.index]) + self.faults.clock_offset_s) * 1000)
        sides = f'"asks":{levels_json(listing, [(ask, ask_lots)])},"bids":{levels_json(listing, [(bid, bid_lots)])}'
        row = f'{{{sides},"ts":"{changed_ms}","seq":{self._next(listing.index)}}}'
        return self._frame("snapshot", listing, "books1", row)

    def _small_frame(self, listing: Listing, channel: str) -> bytes:
        book, depth = self.book(listing), SMALL_BOOKS[channel]
        sides = (
            f'"asks":{levels_json(listing, book.asks.top(depth))},"bids":{levels_json(listing, book.bids.top(depth))}'
        )
        row = f'{{{sides},"ts":"{self.step_ms}","seq":{self._next(listing.index)}}}'
        return self._frame("snapshot", listing, channel, row)

    def _publish_changes(self, key: Key) -> None:
        index = key[1]
        listing, memory = self.listings[index], self.depths[index]
        bids, asks = memory.changes(self.book(listing))
        if bids or asks:
            before, memory.last_id = memory.last_id, self._next(index)
            self.publish(key, self._book_frame(listing, "update", bids, asks, memory.last_id, before))

    def _book_frame(
        self,
        listing: Listing,
        action: str,
        bids: list[tuple[int, int]],
        asks: list[tuple[int, int]],
        sequence: int,
        before: int,
    ) -> bytes:
        sides = f'"asks":{levels_json(listing, asks)},"bids":{levels_json(listing, bids)}'
        row = f'{{{sides},"ts":"{self.step_ms}","seq":{sequence},"pseq":{before}}}'
        return self._frame(action, listing, "books", row)

    def _trade(self, listing: Listing, price: int, lots: int, *, buy: bool) -> str:
        self.trade_id += 1
        return (
            f'{{"ts":"{self.step_ms}","price":"{price * listing.tick:.{listing.price_decimals}f}",'
            f'"size":"{max(1, lots // 5) * listing.lot:.{listing.size_decimals}f}",'
            f'"side":"{"buy" if buy else "sell"}","tradeId":"{self.trade_id}"}}'
        )


def _spelling(argument: Any) -> str:
    """An argument as text, to find it again when it is given up."""
    if not isinstance(argument, dict):
        return ""
    return f"{argument.get('instType')}:{argument.get('channel')}:{argument.get('instId')}"
