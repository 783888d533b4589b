"""Reads what Bybit sends: frames, and answers to polls.

Top of book comes from `orderbook.1`; `tickers` mixes prices and sizes of different moments and is only read for the
rest.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import orjson
from msgspec import UNSET, UnsetType

from feeds.book import Book
from feeds.errors import RequestFailed, SubscriptionRejected, UnknownMessage
from feeds.exchanges import _fields as fields
from feeds.exchanges._bybit_listing import NAME
from feeds.exchanges.base import Ack, Resync, ServerTime, Word
from market.models import Depth, Funding, Instrument, Quote, Ticker

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


class _Change(msgspec.Struct, rename="camel", gc=False):
    """What is read of a ticker, as quoted. In a change, a field that is as before is absent."""

    mark_price: fields.Positive | UnsetType = UNSET
    index_price: fields.Positive | UnsetType = UNSET
    funding_rate: fields.Rate | UnsetType = UNSET
    next_funding_time: fields.Positive | UnsetType = UNSET
    funding_interval_hour: fields.Positive | UnsetType = UNSET
    last_price: fields.Positive | UnsetType = UNSET
    volume24h: fields.Quantity | UnsetType = UNSET
    turnover24h: fields.Quantity | UnsetType = UNSET
    open_interest: fields.Quantity | UnsetType = UNSET
    single_open_interest: fields.Quantity | UnsetType = UNSET


class _Whole(msgspec.Struct, rename="camel", gc=False):
    """The same fields in the same order, all of them known."""

    mark_price: float
    index_price: float
    funding_rate: float
    next_funding_time: float
    funding_interval_hour: float
    last_price: float
    volume24h: float
    turnover24h: float
    open_interest: float
    single_open_interest: float


class _TickerFrame(msgspec.Struct, gc=False):
    topic: str
    type: str
    ts: fields.Positive
    data: _Change


_decode_ticker = msgspec.json.Decoder(_TickerFrame, strict=False).decode


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


class Decoder(fields.ContractDecoder[fields.Contract]):
    """Reads the frames of one Bybit connection, and the answers to its polls."""

    def __init__(self, instruments: Iterable[Instrument], ignored: Collection[str] = ()) -> None:
        super().__init__(NAME, instruments, ignored)
        self._touches: dict[str, _Touch] = {}
        self._books: dict[str, _DeepBook] = {}
        self._tickers: dict[str, dict[str, Any]] = {}
        self._plain: dict[str, _Whole] = {}  # whole ones, which stand instead of the above

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
                self._plain.pop(exchange_symbol, None)
            self._books.pop(topic, None)

    def _read(self, frame: bytes, received_time: float) -> Sequence[Word]:
        if frame.startswith(b'{"topic":"orderbook.1.'):
            return self._top(_decode_top(frame), received_time)
        is_ticker = frame.startswith(b'{"topic":"tickers.')
        if is_ticker and (words := self._plain_ticker(frame, received_time)) is not None:
            return words
        message = orjson.loads(frame)
        if is_ticker:
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
        quote: Quote | None = None
        if bid is not None and ask is not None:
            quote = fields.touch(contract, bid.price, bid.size, ask.price, ask.size, event_time, received_time)
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

    def _plain_ticker(self, frame: bytes, received_time: float) -> Sequence[Word] | None:
        """Merge a ticker as below if it is of a known contract and nothing in it or before it is empty; else None."""
        try:
            message = _decode_ticker(frame)
        except msgspec.MsgspecError:
            return None
        exchange_symbol, change = message.topic[len(TICKER_TOPIC) :], message.data
        contract = self.contracts.get(exchange_symbol)
        if contract is None:
            return None
        if message.type == "snapshot":
            values = msgspec.structs.astuple(change)
            if UNSET in values:
                return None
            known = self._plain[exchange_symbol] = _Whole(*values)
            has_funding = has_market = True
        else:
            held = self._plain.get(exchange_symbol)
            if held is None:
                return None
            known = held
            has_funding, has_market = _merge(known, change)
        event_time, symbol, multiplier = message.ts / 1000, contract.symbol, contract.multiplier
        words: list[Word] = []
        if has_funding:
            words.append(
                Funding(
                    NAME,
                    symbol,
                    known.mark_price / multiplier,
                    known.index_price / multiplier,
                    known.funding_rate,
                    known.funding_interval_hour,
                    known.next_funding_time / 1000,
                    event_time,
                    received_time,
                )
            )
        if has_market:
            last_price = known.last_price / multiplier
            volume, turnover = known.volume24h * contract.factor, known.turnover24h
            open_interest = known.single_open_interest * contract.factor
            if contract.inverse:  # as in `_market`
                volume, turnover = turnover * multiplier, volume
                open_interest /= known.mark_price / multiplier
            words.append(Ticker(NAME, symbol, last_price, volume, turnover, open_interest, event_time, received_time))
        return words

    def _ticker(
        self, exchange_symbol: str, data: dict[str, Any], message: dict[str, Any], received_time: float
    ) -> Sequence[Word]:
        """Merge a ticker: an absent field is unchanged, "" is no value, a snapshot replaces everything."""
        contract = self._contract(exchange_symbol)
        if contract is None:
            return []
        known: Mapping[str, Any] = {}
        if message["type"] != "snapshot":
            plain = self._plain.get(exchange_symbol)
            known = self._tickers.get(exchange_symbol, {}) if plain is None else msgspec.to_builtins(plain)
        changed = data.keys()
        merged = {**known, **{key: data[key] for key in changed if key in _FUNDING_FIELDS or key in _TICKER_FIELDS}}
        event_time = fields.seconds(message["ts"])
        words: list[Word] = []
        if not _FUNDING_FIELDS.isdisjoint(changed):
            words.append(_funding(contract, merged, event_time, received_time))
        if not _TICKER_FIELDS.isdisjoint(changed):
            words.append(_market(contract, merged, event_time, received_time))
        self._tickers[exchange_symbol] = merged  # only now: an unreadable message changes nothing
        self._plain.pop(exchange_symbol, None)
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


def _merge(known: _Whole, change: _Change) -> tuple[bool, bool]:
    """Take a change over. Returns whether it is one of funding, and whether it is one of the market."""
    # Field by field, because a loop over them makes the whole way of a frame a seventh longer.
    has_funding = has_market = False
    if (value := change.mark_price) is not UNSET:
        known.mark_price = value
        has_funding = True
    if (value := change.index_price) is not UNSET:
        known.index_price = value
        has_funding = True
    if (value := change.funding_rate) is not UNSET:
        known.funding_rate = value
        has_funding = True
    if (value := change.next_funding_time) is not UNSET:
        known.next_funding_time = value
        has_funding = True
    if (value := change.funding_interval_hour) is not UNSET:
        known.funding_interval_hour = value
        has_funding = True
    if (value := change.last_price) is not UNSET:
        known.last_price = value
        has_market = True
    if (value := change.volume24h) is not UNSET:
        known.volume24h = value
        has_market = True
    if (value := change.turnover24h) is not UNSET:
        known.turnover24h = value
        has_market = True
    if (value := change.open_interest) is not UNSET:
        known.open_interest = value
        has_market = True
    if (value := change.single_open_interest) is not UNSET:
        known.single_open_interest = value
        has_market = True
    return has_funding, has_market


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
