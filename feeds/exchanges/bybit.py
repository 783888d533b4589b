"""Bybit v5: linear perpetuals in USDT and USDC, and inverse ones.

Source: https://bybit-exchange.github.io/docs/v5 (2026-07-24), checked against frames of 2023-04, 2024-05 and 2026-08.
One refused topic refuses its whole batch, and so does one that is subscribed already. Top of book comes from
`orderbook.1`; `tickers` mixes prices and sizes of different moments and is only read for the rest.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec
import orjson

from feeds.book import Book
from feeds.errors import BadListing, RequestFailed, SubscriptionRejected, UnknownMessage
from feeds.exchanges import _fields as fields
from feeds.exchanges._bybit_listing import KINDS, NAME, read_row
from feeds.exchanges._plans import AdapterBase, sharded
from feeds.exchanges.base import (
    DEFAULT_CHANNELS,
    Ack,
    Channel,
    ConnectionPlan,
    Heartbeat,
    HttpRequest,
    Poll,
    Resync,
    ServerTime,
    Word,
)
from market.models import Depth, Funding, Instrument, Quote, Ticker

ENDPOINTS = {"rest": "https://api.bybit.com", "ws": "wss://stream.bybit.com"}
TOPICS_PER_MESSAGE = 50
# 21,000 characters of topics are allowed on a connection; the longest topic seen has 32.
TOPICS_PER_CONNECTION, CAPACITY = 400, 600
MESSAGES_PER_S = 5.0
QUOTE_TOPIC, TICKER_TOPIC, DEPTH_TOPIC = "orderbook.1.", "tickers.", "orderbook.50."
DEPTH_LEVELS = 10
RESYNC_EVERY_S = 30.0  # that update ids never skip is measured, not promised: do not resubscribe in circles

_DATED = re.compile(r"-\d{1,2}[A-Z]{3}\d{2}$|[FGHJKMNQUVXZ]\d{2}$")
_REFUSED_TOPIC = re.compile(r"topic:([^\s,]+)")
_UNUSED_TOPICS = frozenset(
    {"publicTrade", "kline", "liquidation", "allLiquidation", "priceLimit", "insurance", "adlAlert", "status"}
)
_FUNDING_FIELDS = frozenset({"markPrice", "indexPrice", "fundingRate", "nextFundingTime", "fundingIntervalHour"})
_TICKER_FIELDS = frozenset({"lastPrice", "volume24h", "turnover24h", "openInterest", "singleOpenInterest"})


class _Level(msgspec.Struct, array_like=True, gc=False):
    price: float
    size: float


class _Top(msgspec.Struct, gc=False):
    s: str
    b: list[_Level]
    a: list[_Level]
    u: int
    seq: int = 0


class _TopFrame(msgspec.Struct, gc=False):
    type: str
    ts: int
    data: _Top


# strict=False reads "30247.20" as a float in C. It would also read "inf", so the sides are checked below.
_decode_top = msgspec.json.Decoder(_TopFrame, strict=False).decode


class _Touch:
    """The one level a side of orderbook.1 holds, as quoted. `known` from the first snapshot on."""

    __slots__ = ("ask", "bid", "known", "lost", "seq")

    def __init__(self) -> None:
        self.bid: _Level | None = None
        self.ask: _Level | None = None
        self.seq = 0
        self.known = False
        self.lost = False


class _DeepBook:
    """A book of orderbook.50 and deeper, None until its snapshot."""

    __slots__ = ("book", "resynced_time", "update_id")

    def __init__(self) -> None:
        self.book: Book | None = None
        self.update_id = -1
        self.resynced_time = -RESYNC_EVERY_S


class Decoder(fields.ContractDecoder):
    """Reads the frames of one Bybit connection, and the answers to its polls."""

    def __init__(self, instruments: Iterable[Instrument], ignored: Collection[str] = ()) -> None:
        super().__init__(NAME, instruments, ignored)
        self._touches: dict[str, _Touch] = {}
        self._books: dict[str, _DeepBook] = {}
        self._tickers: dict[str, dict[str, Any]] = {}

    def reset(self, topics: Collection[str]) -> None:
        """Forget the state of these topics: the next message of each is a snapshot."""
        for topic in topics:
            channel, _, exchange_symbol = topic.rpartition(".")
            if channel == "orderbook.1":
                self._touches.pop(exchange_symbol, None)
                if contract := self.contracts.get(exchange_symbol):
                    contract.forget()
            elif channel == "tickers":
                self._tickers.pop(exchange_symbol, None)
            self._books.pop(topic, None)

    def _read(self, frame: bytes, received_time: float) -> Sequence[Word]:
        if frame.startswith(b'{"topic":"orderbook.1.'):
            return self._top(_decode_top(frame), received_time)
        message = orjson.loads(frame)
        if frame.startswith(b'{"topic":"tickers.'):
            return self._ticker(message["topic"][len(TICKER_TOPIC) :], message["data"], message, received_time)
        match message:
            case {"topic": str(topic), "data": data}:
                return self._topic(topic, data, message, frame, received_time)
            case {"op": "pong"} | {"op": "ping", "ret_msg": "pong"} | {"ret_msg": "pong"}:
                return [Ack()]
            case {"success": True, "op": "subscribe" | "unsubscribe"}:
                return [Ack(_id_of(message))]
            case {"success": False, "ret_msg": str(reason)}:
                topics = tuple(_REFUSED_TOPIC.findall(reason))
                live = "already subscribed" in reason
                raise SubscriptionRejected(NAME, reason, topics, _id_of(message), live)
            case _:
                raise UnknownMessage(NAME, f"{message!r:.200}")

    def _topic(
        self, topic: str, data: Any, message: dict[str, Any], frame: bytes, received_time: float
    ) -> Sequence[Word]:
        channel, _, exchange_symbol = topic.rpartition(".")
        if channel == "tickers":
            return self._ticker(exchange_symbol, data, message, received_time)
        if channel == "orderbook.1":  # the same frame with its keys in another order
            return self._top(_decode_top(frame), received_time)
        if channel in ("orderbook.50", "orderbook.200", "orderbook.500", "orderbook.1000"):
            return self._depth(topic, exchange_symbol, data, message, received_time)
        if topic.partition(".")[0] in _UNUSED_TOPICS or channel == "orderbook.rpi":
            return []
        raise UnknownMessage(NAME, f"topic {topic!r:.60}")

    def _top(self, message: _TopFrame, received_time: float) -> Sequence[Word]:
        top, time_ms = message.data, message.ts
        exchange_symbol, update_id, bids, asks = top.s, top.u, top.b, top.a
        contract = self.contracts.get(exchange_symbol)
        if contract is None:
            contract = self._contract(exchange_symbol)
            if contract is None:
                return []
        touch = self._touches.get(exchange_symbol)
        if touch is None:
            touch = self._touches[exchange_symbol] = _Touch()
        if message.type == "snapshot":
            # The snapshot is repeated every 3 s with its update id: it says that the quote still stands. A count that
            # starts again comes with a newer sequence number, and from 1.
            if update_id <= contract.last_id:
                if update_id < contract.last_id and top.seq <= touch.seq and update_id != 1:
                    self.outdated += 1
                    return []
                if update_id == contract.last_id and time_ms == contract.last_ms:  # a repetition has its own time
                    self.outdated += 1
            bid = bids[0] if bids else None
            ask = asks[0] if asks else None
        elif message.type != "delta":
            raise UnknownMessage(NAME, f"orderbook.1 of type {message.type!r:.40}")
        elif not touch.known:
            if touch.lost:
                return []
            touch.lost = True
            return [Resync(f"{QUOTE_TOPIC}{exchange_symbol}", "a change came before any snapshot", missed=False)]
        elif update_id <= contract.last_id:
            self.outdated += 1
            return []
        else:
            bid = _changed(touch.bid, bids, best=max)
            ask = _changed(touch.ask, asks, best=min)
        event_time = time_ms / 1000
        multiplier, factor, inf = contract.multiplier, contract.factor, fields.INF
        quote: Quote | None = None
        if bid is not None and ask is not None:
            bid_price, bid_size = bid.price / multiplier, bid.size * factor
            ask_price, ask_size = ask.price / multiplier, ask.size * factor
            if contract.inverse and bid_price > 0.0 and ask_price > 0.0:
                bid_size /= bid_price
                ask_size /= ask_price
            if 0.0 < bid_price < inf and 0.0 < ask_price < inf and 0.0 < bid_size < inf and 0.0 < ask_size < inf:
                quote = Quote(
                    NAME, contract.symbol, bid_price, bid_size, ask_price, ask_size, event_time, received_time
                )
        if quote is None:
            quote = Quote(
                NAME,
                contract.symbol,
                *(contract.side(bid.price, bid.size) if bid is not None else (None, None)),
                *(contract.side(ask.price, ask.size) if ask is not None else (None, None)),
                event_time,
                received_time,
            )
        touch.bid, touch.ask, touch.known, touch.lost, touch.seq = bid, ask, True, False, top.seq
        contract.last_id, contract.last_ms = update_id, time_ms
        return [quote]

    def _ticker(
        self, exchange_symbol: str, data: dict[str, Any], message: dict[str, Any], received_time: float
    ) -> Sequence[Word]:
        """Merge a ticker: an absent field is unchanged, "" is no value, a snapshot replaces everything."""
        contract = self._contract(exchange_symbol)
        if contract is None:
            return []
        known = {} if message["type"] == "snapshot" else self._tickers.get(exchange_symbol, {})
        changed = data.keys()
        merged = {**known, **{key: data[key] for key in changed if key in _FUNDING_FIELDS or key in _TICKER_FIELDS}}
        event_time = fields.seconds(message["ts"])
        words: list[Word] = []
        if not _FUNDING_FIELDS.isdisjoint(changed):
            words.append(_funding(contract, merged, event_time, received_time))
        if not _TICKER_FIELDS.isdisjoint(changed):
            words.append(_market(contract, merged, event_time, received_time))
        self._tickers[exchange_symbol] = merged  # only now: an unreadable message changes nothing
        return words

    def _depth(
        self, topic: str, exchange_symbol: str, data: dict[str, Any], message: dict[str, Any], received_time: float
    ) -> Sequence[Word]:
        contract = self._contract(exchange_symbol)
        if contract is None:
            return []
        update_id = int(data["u"])
        bids, asks = fields.levels(data["b"]), fields.levels(data["a"])
        state = self._books.setdefault(topic, _DeepBook())
        if message["type"] == "snapshot":
            state.book = Book(bids, asks)
        else:
            may_resync = received_time - state.resynced_time >= RESYNC_EVERY_S
            if state.book is not None and update_id <= state.update_id:
                return []
            if state.book is None or update_id != state.update_id + 1:
                return self._lost(topic, state, may_resync, "a change was missed", received_time)
            state.book.apply(bids, asks)
            if state.book.crossed:
                return self._lost(topic, state, may_resync, "the book is crossed", received_time)
        state.update_id = update_id
        best_bids, best_asks = state.book.levels(DEPTH_LEVELS)
        return [
            Depth(
                NAME,
                contract.symbol,
                tuple(level for quoted in best_bids if (level := contract.level(*quoted))),
                tuple(level for quoted in best_asks if (level := contract.level(*quoted))),
                fields.seconds(message["ts"]),
                received_time,
            )
        ]

    def _lost(self, topic: str, state: _DeepBook, may_resync: bool, reason: str, received_time: float) -> list[Word]:
        """Give the book up until the next snapshot, and say so once; after that ask for one now and then."""
        known, state.book = state.book is not None, None
        if not known and not may_resync:
            return []
        state.resynced_time = received_time
        return [Resync(topic, reason, missed=known)]

    def _is_foreign(self, exchange_symbol: str) -> bool:
        return _DATED.search(exchange_symbol) is not None

    def _answer(self, purpose: str, body: Any, received_time: float) -> Sequence[Word]:
        if body["retCode"] != 0:
            raise RequestFailed(NAME, f"{body['retCode']} {body.get('retMsg')}")
        if purpose == "time":
            nanoseconds = fields.required(fields.amount(body["result"]["timeNano"]), "time")
            return [ServerTime(nanoseconds / 1e9)]
        return super()._answer(purpose, body, received_time)


def _changed(held: _Level | None, changes: list[_Level], best: Any) -> _Level | None:
    """The side after a change. It holds one level, so a new one takes its place even if no deletion was sent."""
    offered = [level for level in changes if level.size != 0.0]
    if offered:
        return offered[0] if len(offered) == 1 else best(offered, key=lambda level: level.price)
    if held is not None and any(level.price == held.price for level in changes):
        return None
    return held


def _funding(
    contract: fields.Contract, merged: Mapping[str, Any], event_time: float | None, received_time: float
) -> Funding:
    next_funding_time = fields.seconds(merged.get("nextFundingTime"))
    interval_h = fields.amount(merged.get("fundingIntervalHour")) or contract.instrument.funding_interval_h
    return Funding(
        NAME,
        contract.symbol,
        fields.price(merged.get("markPrice"), contract.multiplier),
        fields.price(merged.get("indexPrice"), contract.multiplier),
        fields.number(merged.get("fundingRate")),
        interval_h,
        next_funding_time,
        event_time,
        received_time,
    )


def _market(
    contract: fields.Contract, merged: Mapping[str, Any], event_time: float | None, received_time: float
) -> Ticker:
    last_price = fields.price(merged.get("lastPrice"), contract.multiplier)
    volume = fields.amount(merged.get("volume24h"), contract.factor)
    turnover = fields.amount(merged.get("turnover24h"))
    # openInterest counts longs and shorts; since 2026-06-11 one side is given as well.
    open_interest = fields.amount(merged.get("singleOpenInterest"), contract.factor)
    if open_interest is None:
        open_interest = fields.amount(merged.get("openInterest"), contract.factor / 2)
    if contract.inverse:  # volume and interest count dollars, turnover counts coins
        volume, turnover = fields.amount(turnover, contract.multiplier), volume
        coin_price = fields.price(merged.get("markPrice"), contract.multiplier) or last_price
        open_interest = open_interest / coin_price if open_interest is not None and coin_price else None
    return Ticker(NAME, contract.symbol, last_price, volume, turnover, open_interest, event_time, received_time)


def _id_of(message: Mapping[str, Any]) -> str | None:
    request_id = message.get("req_id")
    return str(request_id) if request_id else None


class Adapter(AdapterBase):
    """Bybit's facts and rules."""

    name = NAME
    title = "Bybit"
    endpoints = ENDPOINTS
    request_weight_per_s = 10.0  # of 120; past that the address is shut out for ten minutes
    topics_per_message = TOPICS_PER_MESSAGE
    messages_per_s = MESSAGES_PER_S
    heartbeat = Heartbeat('{"op":"ping"}', 20.0)

    def instrument_requests(self) -> list[HttpRequest]:
        """Both categories, and what is about to be launched, which is only listed when asked for."""
        return [
            self._listing_request({"category": "linear"}),
            self._listing_request({"category": "inverse"}),
            self._listing_request({"category": "linear", "status": "PreLaunch"}, optional=True),
        ]

    def _listing_request(self, params: Mapping[str, str], optional: bool = False) -> HttpRequest:
        url = f"{self._hosts['rest']}/v5/market/instruments-info"
        return HttpRequest("GET", url, "instruments", {**params, "limit": "1000"}, optional)

    def next_requests(self, request: HttpRequest, body: bytes) -> list[HttpRequest]:
        """The next page, if the body names one."""
        match self._json(body):
            case {"result": {"nextPageCursor": str(cursor)}} if cursor and cursor != request.params.get("cursor"):
                params = {**request.params, "cursor": cursor}
                return [HttpRequest(request.method, request.url, request.purpose, params, request.optional)]
            case _:
                return []

    def parse_instruments(self, bodies: Sequence[bytes]) -> list[Instrument]:
        """Read pages of instruments-info. Raises BadListing."""
        if not any(bodies):
            raise BadListing(NAME, "no listing among the answers")
        instruments = []
        for body in filter(None, bodies):
            match self._json(body):
                case {"retCode": 0, "result": {"list": list(rows)}}:
                    pass
                case other:
                    raise BadListing(NAME, f"not an instruments-info: {other!r:.120}")
            instruments += self._read_rows(rows, _read_perpetual, "symbol")
        return self._kept(instruments)

    def connections(
        self, instruments: Sequence[Instrument], channels: Collection[Channel] = DEFAULT_CHANNELS
    ) -> list[ConnectionPlan]:
        """Books and tickers on connections of their own, for each category, which has its own address."""
        books = [QUOTE_TOPIC] if "quotes" in channels else []
        if "depth" in channels:
            books.append(DEPTH_TOPIC)
        tickers = [TICKER_TOPIC] if "funding" in channels or "ticker" in channels else []
        plans: list[ConnectionPlan] = []
        trading = sorted(self._trading(instruments), key=lambda instrument: instrument.kind, reverse=True)
        for kind, members in groupby(trading, key=lambda instrument: instrument.kind):
            symbols = [instrument.exchange_symbol for instrument in members]
            url = f"{self._hosts['ws']}/v5/public/{kind}"
            for pool, prefixes in (("quotes", books), ("tickers", tickers)):
                if not prefixes:
                    continue
                for shard, part in enumerate(sharded(symbols, TOPICS_PER_CONNECTION // len(prefixes))):
                    topics = [f"{prefix}{symbol}" for symbol in part for prefix in prefixes]
                    polls = [] if plans else [self._clock()]
                    plans.append(self._plan(f"{kind}-{pool}", shard, url, topics, CAPACITY, polls))
        return plans

    def _clock(self) -> Poll:
        return Poll(HttpRequest("GET", f"{self._hosts['rest']}/v5/market/time", "time"), 10.0)

    def subscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that asks for these topics."""
        return _request("subscribe", topics, request_id)

    def unsubscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that gives these topics up."""
        return _request("unsubscribe", topics, request_id)

    def symbols_of(self, topics: Iterable[str], instruments: Iterable[Instrument]) -> set[str]:
        """Our symbols whose best bid and ask come over these topics."""
        wanted = set(topics)
        return {i.symbol for i in instruments if i.exchange == NAME and f"{QUOTE_TOPIC}{i.exchange_symbol}" in wanted}

    def decoder(self, instruments: Iterable[Instrument]) -> Decoder:
        """A decoder with the state of one new connection."""
        return Decoder(instruments, self._ignored)


def _read_perpetual(row: Any) -> Instrument | None:
    return read_row(row) if row["contractType"] in KINDS else None


def _request(operation: str, topics: Sequence[str], request_id: str) -> str:
    return orjson.dumps({"req_id": request_id, "op": operation, "args": list(topics)}).decode()
