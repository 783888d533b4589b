"""KuCoin futures public market data: REST, and the classic socket that a token opens, as of September 2026."""

import time
from typing import Any, ClassVar

import orjson
from aiohttp import web

from simulator.book import BOOK_LEVELS, DepthMemory, Levels
from simulator.exchanges.base import Exchange
from simulator.exchanges.kucoin_listings import kucoin_listings
from simulator.exchanges.kucoin_rest import KucoinRest
from simulator.limits import SlidingWindow
from simulator.market import STEP_S, FairPrices, TopChange
from simulator.universe import CLOSED, UNLISTED, Listing
from simulator.wire import Connection

SECOND_STEPS = round(1 / STEP_S)
DEPTH_STEPS = round(0.1 / STEP_S)
SNAPSHOT_STEPS = round(5 / STEP_S)
FUNDING_STEPS = round(60 / STEP_S)
DEPTHS = {"level2Depth5": 5, "level2Depth50": 50}
CONTRACT_CHANNELS = frozenset({"tickerV2", "ticker", "snapshot", "execution", "level2", *DEPTHS})
SYMBOLS_PER_MESSAGE = 100

Key = tuple[str, int]


class Kucoin(Exchange):
    """See the module docstring."""

    name = "kucoin"
    settings_defaults: ClassVar[dict[str, float]] = {
        "token_ttl_s": 86_400,
        "ping_interval_ms": 18_000,
        "ping_timeout_s": 60,
        "topics_per_session": 300,
        "messages_per_10s": 100,
        "weight_per_30s": 2000,
    }
    unknown_frame = (
        b'{"topic":"/contractMarket/somethingNew:XBTUSDTM","type":"message","subject":"somethingNew",'
        b'"data":{"symbol":"XBTUSDTM"}}'
    )

    def __init__(self, fair: FairPrices, seed: int, instruments: int) -> None:
        super().__init__(fair, seed, instruments)
        count = len(self.listings)
        self.top_ids = [self.sequence + 1000 * index for index in range(count)]
        self.book_ids = [self.sequence * 10 + 1000 * index for index in range(count)]
        self.whole_books: dict[int, DepthMemory] = {}  # index -> what level2 has said so far
        self.last_pings: dict[Connection, float] = {}
        self.windows: dict[Connection, SlidingWindow] = {}
        self.rest = KucoinRest(self)

    @classmethod
    def build_listings(cls, instruments: int, seed: int) -> list[Listing]:
        return kucoin_listings(instruments, seed)

    def first_sequence(self) -> int:
        return 1_736_604_716_203 + self.seed * 1000

    def top_ns(self, index: int) -> int:
        """When the standing top came into force, on the exchange's clock. [ns]"""
        return int((float(self.market.top_time[index]) + self.faults.clock_offset_s) * 1000) * 1_000_000

    # Connections.

    def routes(self, port: str) -> list[web.RouteDef]:
        return [web.get("/", self.websocket), *self.rest.routes()]

    def on_open(self, connection: Connection, request: web.Request) -> None:
        now = time.monotonic()
        self.last_pings[connection] = now
        self.windows[connection] = SlidingWindow(self.settings["messages_per_10s"], 10)
        identity = request.query.get("connectId", str(connection.number))
        until = self.rest.tokens.get(request.query.get("token", ""))
        if until is None or until < now:
            reason = "token is invalid" if until is None else "token is expired"
            self._refuse(connection, identity, 401, reason)
            connection.close(1000, "")
            return
        connection.reply(orjson.dumps({"id": identity, "type": "welcome"}), now)

    def on_second(self, now: float) -> None:
        for connection in tuple(self.connections):
            silent_s = now - self.last_pings.get(connection, now)
            if not connection.half_open and silent_s > self.settings["ping_timeout_s"]:
                self._refuse(connection, None, 400, "ping timeout")
                connection.close(1000, "Bye")
        for gone in self.last_pings.keys() - self.connections:
            del self.last_pings[gone]
            self.windows.pop(gone, None)

    def _refuse(self, connection: Connection, identity: object, code: int, reason: str) -> None:
        body: dict[str, object] = {} if identity is None else {"id": identity}
        connection.reply(orjson.dumps(body | {"type": "error", "code": code, "data": reason}), time.monotonic())

    def on_message(self, connection: Connection, text: str) -> None:
        now = time.monotonic()
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError:
            request = None
        if not isinstance(request, dict):
            self._refuse(connection, None, 400, "invalid message")
            return
        identity, kind = request.get("id"), request.get("type")
        if not self.windows[connection].allow(now):
            self._refuse(connection, identity, 509, "exceed max permits per second")
        elif kind == "ping":
            self.last_pings[connection] = now
            pong = {"id": identity, "type": "pong", "timestamp": self.now_ms * 1000}
            connection.reply(orjson.dumps(pong), now)
        elif kind in ("subscribe", "unsubscribe"):
            self._change_topics(connection, request, identity, kind == "subscribe")
        else:
            self._refuse(connection, identity, 415, "type is not supported")

    def _change_topics(self, connection: Connection, request: dict[str, Any], identity: object, wanted: bool) -> None:
        topic = request.get("topic")
        path, _, names = topic.partition(":") if isinstance(topic, str) else ("", "", "")
        channel = _channel(path)
        if channel is None or (channel != "announcement") is not bool(names) or self.faults.reject_mode == "subscribe":
            self._refuse(connection, identity, 404, "topic does not exist")
            return
        symbols = names.split(",") if names else [""]
        limit = int(self.settings["topics_per_session"])
        if len(symbols) > SYMBOLS_PER_MESSAGE:
            reason = f"exceed max subscription count limitation of {SYMBOLS_PER_MESSAGE} per time"
            self._refuse(connection, identity, 509, reason)
            return
        # A name that does not exist counts, is confirmed and stays silent.
        keys = [self._key(channel, symbol) for symbol in symbols]
        spelt = dict(zip(keys, (f"{path}:{symbol}" if symbol else path for symbol in symbols), strict=True))
        if wanted and len(connection.topics.keys() | spelt.keys()) > limit:
            reason = f"exceed max subscription count limitation of {limit} per session"
            self._refuse(connection, identity, 509, reason)
            return
        if request.get("response", False):
            connection.reply(orjson.dumps({"id": identity, "type": "ack"}), time.monotonic())
        for key, spelling in spelt.items():
            if wanted:
                self.subscribe(connection, key, spelling)
            else:
                self.unsubscribe(connection, key)

    def _key(self, channel: str, symbol: str) -> tuple[str, int] | tuple[str, str]:
        listing = self.by_symbol.get(symbol)
        if channel == "announcement":
            return channel, -1
        if listing is None or listing.status in (CLOSED, UNLISTED):
            return channel, symbol
        return channel, listing.index

    def is_numbered(self, key: object) -> bool:
        return isinstance(key, tuple) and key[0] == "level2"

    def expire_tokens(self) -> None:
        """End all tokens, and the sockets that were opened with them."""
        self.rest.tokens = dict.fromkeys(self.rest.tokens, 0.0)
        for connection in list(self.connections):
            self._refuse(connection, None, 401, "token is expired")
            connection.close(1000, "")

    def topic_ended(self, key: object) -> None:
        if isinstance(key, tuple) and key[0] == "level2":
            self.whole_books.pop(key[1], None)

    # Data.

    def on_tops(self, change: TopChange) -> None:
        topics = self.topics
        fields = (change.index, change.bid_ticks, change.bid_lots, change.ask_ticks, change.ask_lots)
        for index, bid, bid_lots, ask, ask_lots in zip(*(field.tolist() for field in fields), strict=True):
            self.top_ids[index] += 1 + bid_lots % 3
            key: Key = ("tickerV2", index)
            if key in topics:
                self.publish(key, self._top_frame(self.listings[index], bid, bid_lots, ask, ask_lots))
            if bid_lots % 3:
                continue
            # One change in three is a trade.
            buy = ask_lots % 2 == 0
            price, lots = (ask, ask_lots) if buy else (bid, bid_lots)
            for channel in ("ticker", "execution"):
                if (channel, index) in topics:
                    self._publish_trade(channel, self.listings[index], price, max(1, lots // 5), buy)

    def on_step(self, step: int) -> None:
        for listing in self._followed("level2", step, DEPTH_STEPS):
            self._publish_changes(listing)
        for channel in DEPTHS:
            for listing in self._followed(channel, step, DEPTH_STEPS):
                self._publish_depth(channel, listing)
        if step % SECOND_STEPS == 0:
            for listing in self._followed("instrument", step, 1):
                self._publish_mark(listing)
        for listing in self._followed("instrument", step, FUNDING_STEPS):
            self._publish_funding(listing)
        for listing in self._followed("snapshot", step, SNAPSHOT_STEPS):
            self._publish_snapshot(listing)

    def _followed(self, channel: str, step: int, period: int) -> list[Listing]:
        """Those whose turn it is and whose channel somebody follows; delisted ones go quiet."""
        topics = self.topics
        return [row for row in self.due(step, period) if (channel, row.index) in topics and row.visible]

    def _message(self, channel: str, listing: Listing, subject: str, data: dict[str, Any], **fields: Any) -> None:
        root = "contract" if channel == "instrument" else "contractMarket"
        topic = f"/{root}/{channel}:{listing.exchange_symbol}"
        message = {"topic": topic, "type": "message", "subject": subject, **fields, "data": data}
        self.publish((channel, listing.index), orjson.dumps(message))

    def _top_frame(self, listing: Listing, bid: int, bid_lots: int, ask: int, ask_lots: int) -> bytes:
        symbol, pd, tick = listing.exchange_symbol, listing.price_decimals, listing.tick
        sequence = self.top_ids[listing.index]
        return (
            f'{{"topic":"/contractMarket/tickerV2:{symbol}","type":"message","subject":"tickerV2","sn":{sequence},'
            f'"data":{{"symbol":"{symbol}","sequence":{sequence},"bestBidSize":{bid_lots},'
            f'"bestBidPrice":"{bid * tick:.{pd}f}","bestAskPrice":"{ask * tick:.{pd}f}","bestAskSize":{ask_lots},'
            f'"ts":{self.step_ms * 1_000_000}}}}}'
        ).encode()

    def _publish_trade(self, channel: str, listing: Listing, price: int, lots: int, buy: bool) -> None:
        i, pd, tick = listing.index, listing.price_decimals, listing.tick
        sequence = self.top_ids[i]
        data: dict[str, Any] = {
            "symbol": listing.exchange_symbol,
            "sequence": sequence,
            "side": "buy" if buy else "sell",
            "size": lots,
            "price": f"{price * tick:.{pd}f}",
            "tradeId": str(sequence),
            "ts": self.step_ms * 1_000_000,
        }
        if channel == "execution":
            self._message(channel, listing, "match", data, sn=sequence)
            return
        market = self.market
        data |= {
            "bestBidSize": int(market.bid_lots[i]),
            "bestBidPrice": f"{market.bid_ticks[i] * tick:.{pd}f}",
            "bestAskPrice": f"{market.ask_ticks[i] * tick:.{pd}f}",
            "bestAskSize": int(market.ask_lots[i]),
        }
        self._message(channel, listing, "ticker", data, sn=sequence)

    def _publish_depth(self, channel: str, listing: Listing) -> None:
        """A whole small book every 100 ms, changed or not."""
        book, depth = self.book(listing), DEPTHS[channel]
        pd, tick = listing.price_decimals, listing.tick
        bids, asks = book.bids.top(depth), book.asks.top(depth)
        data = {
            "bids": [[f"{price * tick:.{pd}f}", lots] for price, lots in bids],
            "sequence": self.top_ids[listing.index],
            "timestamp": self.step_ms,
            "ts": self.step_ms,
            "asks": [[f"{price * tick:.{pd}f}", lots] for price, lots in asks],
        }
        self._message(channel, listing, "level2", data, sn=self.step_ms)

    def _publish_changes(self, listing: Listing) -> None:
        """One frame a changed level; their numbers have no gaps and continue those of a whole book asked by REST."""
        memory = self._memory(listing)
        pd, tick = listing.price_decimals, listing.tick
        bids, asks = memory.changes(self.book(listing))
        for side, levels in (("buy", bids), ("sell", asks)):
            for price, lots in levels:
                self.book_ids[listing.index] += 1
                sequence = self.book_ids[listing.index]
                change = f"{price * tick:.{pd}f},{side},{lots}"
                data = {"sequence": sequence, "change": change, "timestamp": self.step_ms}
                self._message("level2", listing, "level2", data, sn=sequence)

    def _memory(self, listing: Listing) -> DepthMemory:
        memory = self.whole_books.get(listing.index)
        if memory is None:
            memory = self.whole_books[listing.index] = DepthMemory(BOOK_LEVELS)
            memory.snapshot(self.book(listing))
        return memory

    def whole_book(self, listing: Listing) -> tuple[int, Levels, Levels]:
        """Number and levels of a book as `level2` has told it so far, or as it is if nobody listens."""
        if ("level2", listing.index) in self.topics:
            return self.book_ids[listing.index], *self._memory(listing).current()
        book = self.book(listing)
        return self.book_ids[listing.index], book.bids.top(BOOK_LEVELS), book.asks.top(BOOK_LEVELS)

    def _publish_mark(self, listing: Listing) -> None:
        market, i, pd = self.market, listing.index, listing.price_decimals
        data = {
            "markPrice": round(float(market.mark[i]), pd + 1),
            "indexPrice": round(float(market.index[i]), pd + 1),
            "granularity": 1000,
            "timestamp": self.step_ms // 1000 * 1000,
        }
        self._message("instrument", listing, "mark.index.price", data)

    def _publish_funding(self, listing: Listing) -> None:
        if listing.perpetual:
            rate = round(float(self.market.funding_rate[listing.index]), 6)
            data = {"period": 1, "granularity": 60000, "fundingRate": rate, "timestamp": self.step_ms}
            self._message("instrument", listing, "funding.rate", data)

    def _publish_snapshot(self, listing: Listing) -> None:
        row = self.rest.contract_row(listing)
        opened = float(self.market.open[listing.index])
        data = {
            "highPrice": row["highPrice"],
            "lastPrice": row["lastTradePrice"],
            "lowPrice": row["lowPrice"],
            "price24HoursBefore": round(opened, listing.price_decimals),
            "priceChg": round(row["lastTradePrice"] - opened, listing.price_decimals),
            "priceChgPct": row["priceChgPct"],
            "symbol": listing.exchange_symbol,
            "ts": self.step_ms * 1_000_000,
            "turnover": row["turnoverOf24h"],
            "volume": row["volumeOf24h"],
        }
        self._message("snapshot", listing, "snapshot.24h", data)


def _channel(path: str) -> str | None:
    """The channel of a topic without its symbols; None if there is none of that name."""
    if path == "/contract/announcement":
        return "announcement"
    if path == "/contract/instrument":
        return "instrument"
    channel = path.removeprefix("/contractMarket/")
    return channel if channel != path and channel in CONTRACT_CHANNELS else None
