"""Hyperliquid's main market as of October 2026: one websocket path, and POST /info.

A subscription of a coin that does not exist cuts the socket without a word; so does a minute in which the server had
nothing to say. A coin that is halted, for which there is no word, has an empty book.
"""

import time
from typing import Any, ClassVar

import orjson
from aiohttp import web

from simulator.exchanges.base import Exchange
from simulator.exchanges.hyperliquid_listings import hyperliquid_listings
from simulator.exchanges.hyperliquid_rest import HyperliquidRest, price_text, size_text
from simulator.faults import FaultError
from simulator.limits import SlidingWindow
from simulator.market import STEP_S, FairPrices, TopChange
from simulator.universe import LIVE, Listing
from simulator.wire import Connection

COINS = ("bbo", "l2Book", "activeAssetCtx", "trades", "candle")  # channels of one coin
FAST_STEPS, BOOK_STEPS, SECOND_STEPS = round(0.54 / STEP_S), round(5.4 / STEP_S), round(1 / STEP_S)
FAST_LEVELS, BOOK_LEVELS = 5, 20
MESSAGES_PER_MINUTE = 2_000

Key = tuple[str, str, bool]  # channel, coin, fast


class Hyperliquid(Exchange):
    """See the module docstring."""

    name = "hyperliquid"
    settings_defaults: ClassVar[dict[str, float]] = {
        "silence_timeout_s": 60.0,  # without anything sent to the client
        "max_connections": 10,
        "max_subscriptions": 1_000,  # over all connections
        "rest_limits": 1,
    }
    unknown_frame = b'{"channel":"somethingNew","data":{"coin":"BTC"}}'

    def __init__(self, fair: FairPrices, seed: int, instruments: int) -> None:
        super().__init__(fair, seed, instruments)
        self.delisted: set[int] = set()  # by the fault; their rows stay
        self.messages = SlidingWindow(MESSAGES_PER_MINUTE, 60.0)
        self.trade_id = 1_045_359_869_404_765
        self.rest = HyperliquidRest(self)

    @classmethod
    def build_listings(cls, instruments: int, seed: int) -> list[Listing]:
        return hyperliquid_listings(instruments)

    # Connections.

    def routes(self, port: str) -> list[web.RouteDef]:
        return [web.get("/ws", self.websocket), web.post("/info", self.rest.info)]

    def refuse_connection(self, request: web.Request) -> web.Response | None:
        if len(self.connections) >= self.settings["max_connections"]:
            return web.Response(status=429)
        return None

    def on_second(self, now: float) -> None:
        for connection in tuple(self.connections):
            silent_s = now - max(connection.last_sent, connection.opened)
            if not connection.half_open and silent_s > self.settings["silence_timeout_s"]:
                connection.abort()

    def on_message(self, connection: Connection, text: str) -> None:
        if not self.messages.allow(time.monotonic()):
            connection.abort()
            return
        try:
            request: Any = orjson.loads(text)
        except ValueError:
            request = None
        match request:
            case {"method": "ping"}:
                self._say(connection, "pong")
            case {"method": "subscribe" | "unsubscribe" as method, "subscription": {"type": str(kind)} as asked}:
                coin = asked.get("coin")
                if self.faults.reject_mode == "subscribe" and method == "subscribe":
                    self._unreadable(connection, text)
                elif kind in COINS and isinstance(coin, str):
                    self._subscription(connection, method, (kind, coin, bool(asked.get("fast"))), asked)
                elif kind == "allMids":
                    self._subscription(connection, method, (kind, "", False), asked)
                else:
                    self._unreadable(connection, text)
            case _:
                self._unreadable(connection, text)

    def _say(self, connection: Connection, channel: str, **body: object) -> None:
        connection.reply(orjson.dumps({"channel": channel, **body}), time.monotonic())

    def _unreadable(self, connection: Connection, text: str) -> None:
        self._say(connection, "error", data=f"Error parsing JSON into valid websocket request: {text}")

    def _subscription(self, connection: Connection, method: str, key: Key, asked: dict[str, Any]) -> None:
        kind, coin, fast = key
        listing = self.by_symbol.get(coin)
        if coin and (listing is None or not (listing.visible or listing.index in self.delisted)):
            connection.abort()
            return
        filled: dict[str, Any] = {"type": kind} | ({"coin": coin} if coin else {})
        if kind == "l2Book":
            filled |= {"nSigFigs": asked.get("nSigFigs"), "mantissa": asked.get("mantissa"), "fast": fast}
        subscribing = method == "subscribe"
        if subscribing == (key in connection.topics):
            said = "Already subscribed" if subscribing else "Already unsubscribed"
            self._say(connection, "error", data=f"{said}: {orjson.dumps(filled).decode()}")
            return
        if not subscribing:
            self.unsubscribe(connection, key)
        elif sum(len(other.topics) for other in self.connections) >= self.settings["max_subscriptions"]:
            self._say(connection, "error", data="Cannot track more than 1000 total subscriptions")
            return
        else:
            self.subscribe(connection, key, f"{kind}:{coin}")
        self._say(connection, "subscriptionResponse", data={"method": method, "subscription": filled})
        if subscribing and listing is not None:
            self._first(connection, kind, listing, fast)

    def _first(self, connection: Connection, kind: str, listing: Listing, fast: bool) -> None:
        """The state as it is, right after the confirmation; a delisted coin has none."""
        if kind == "l2Book":
            self.send_data(connection, self._book(listing, fast))
        elif listing.status != LIVE:
            return
        elif kind == "bbo":
            market, i = self.market, listing.index
            tops = (
                int(market.bid_ticks[i]),
                int(market.bid_lots[i]),
                int(market.ask_ticks[i]),
                int(market.ask_lots[i]),
            )
            self.send_data(connection, self._touch(listing, *tops))
        elif kind == "activeAssetCtx":
            self.send_data(connection, self._context(listing))
        elif kind == "trades":
            self.send_data(connection, self._trades(listing, 30))

    # Data.

    def on_tops(self, change: TopChange) -> None:
        topics = self.topics
        fields = (change.index, change.bid_ticks, change.bid_lots, change.ask_ticks, change.ask_lots)
        for index, bid, bid_lots, ask, ask_lots in zip(*(field.tolist() for field in fields), strict=True):
            listing = self.listings[index]
            key = ("bbo", listing.exchange_symbol, False)
            if key in topics:
                self.publish(key, self._touch(listing, bid, bid_lots, ask, ask_lots))
            key = ("trades", listing.exchange_symbol, False)
            if key in topics and bid_lots % 3 == 0:
                self.publish(key, self._trades(listing, 1))

    def _touch(self, listing: Listing, bid: int, bid_lots: int, ask: int, ask_lots: int) -> bytes:
        sides = ",".join(
            f'{{"px":"{price_text(listing, price)}","sz":"{size_text(listing, lots)}","n":{lots % 9 + 1}}}'
            for price, lots in ((bid * listing.tick, bid_lots), (ask * listing.tick, ask_lots))
        )
        head = f'{{"channel":"bbo","data":{{"coin":"{listing.exchange_symbol}","time":{self.step_ms},"bbo":['
        return f"{head}{sides}]}}}}".encode()

    def _book(self, listing: Listing, fast: bool) -> bytes:
        book = self.rest.book(listing, FAST_LEVELS if fast else BOOK_LEVELS) | ({"fast": True} if fast else {})
        return orjson.dumps({"channel": "l2Book", "data": book})

    def _context(self, listing: Listing) -> bytes:
        data = {"coin": listing.exchange_symbol, "ctx": self.rest.context(listing)}
        return orjson.dumps({"channel": "activeAssetCtx", "data": data})

    def _trades(self, listing: Listing, count: int) -> bytes:
        market, i = self.market, listing.index
        rows = []
        for age in reversed(range(count)):
            self.trade_id += 1
            bought = market.ask_lots[i] % 2
            price = (market.ask_ticks if bought else market.bid_ticks)[i] * listing.tick
            rows.append(
                {
                    "coin": listing.exchange_symbol,
                    "side": "B" if bought else "A",
                    "px": price_text(listing, price),
                    "sz": size_text(listing, 1 + int(market.bid_lots[i]) // 5),
                    "time": self.step_ms - 2_000 * age,
                    "hash": f"0x{0:064x}",
                    "tid": self.trade_id,
                    "users": [f"0x{1:040x}", f"0x{2:040x}"],
                }
            )
        return orjson.dumps({"channel": "trades", "data": rows})

    def on_step(self, step: int) -> None:
        for steps, fast in ((FAST_STEPS, True), (BOOK_STEPS, False)):
            if step % steps == 0:  # all coins on one clock
                for listing in self.listings:
                    key = ("l2Book", listing.exchange_symbol, fast)
                    if key in self.topics:
                        self.publish(key, self._book(listing, fast))
        if step % BOOK_STEPS == 0 and ("allMids", "", False) in self.topics:
            self.publish(
                ("allMids", "", False), orjson.dumps({"channel": "allMids", "data": {"mids": self.rest.mids()}})
            )
        for listing in self.due(step, SECOND_STEPS):
            key = ("activeAssetCtx", listing.exchange_symbol, False)
            if key in self.topics:
                self.publish(key, self._context(listing))

    # Faults.

    def announce(self, listing: Listing) -> None:
        """There is no word for a halt or a delisting; the touch goes, and comes back with the next change."""
        if listing.status != LIVE:
            touch = {"coin": listing.exchange_symbol, "time": self.now_ms, "bbo": [None, None]}
            key = ("bbo", listing.exchange_symbol, False)
            self.publish(key, orjson.dumps({"channel": "bbo", "data": touch}))

    def delist(self, exchange_symbol: str) -> None:
        super().delist(exchange_symbol)
        self.delisted.add(self.by_symbol[exchange_symbol].index)

    def relist(self, exchange_symbol: str) -> None:
        self.delisted.discard(self._require(exchange_symbol).index)
        super().relist(exchange_symbol)

    def change_interval(self, exchange_symbol: str, hours: int) -> int:
        raise FaultError("hyperliquid pays every hour and publishes no interval that could change")
