"""Reads what KuCoin's futures send: frames of the socket with a token, and answers to polls.

Source: https://www.kucoin.com/docs-new (pages of 2025-11 to 2026-10), checked against frames of 2022-05, 2024-11,
2025-08 and 2026-09. Prices are text, sizes are whole lots, `ts` counts nanoseconds except in books. Messages about an
instrument do not name it: the topic does. `funding.rate` carries the running estimate if its granularity is a minute
and the settled rate if it is an interval.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from feeds.errors import BadPayload, RequestFailed, SubscriptionRejected, UnknownMessage
from feeds.exchanges import _fields as fields
from feeds.exchanges._kucoin_listing import MS_PER_HOUR, NAME, PERPETUAL, status_of
from feeds.exchanges._plans import read_shard, shard_of
from feeds.exchanges.base import Ack, CatalogueChanged, Closing, ServerTime, Word
from market.models import Depth, Funding, Instrument, Quote, Status, Ticker

QUOTE_TOPIC, MARK_TOPIC = "/contractMarket/tickerV2", "/contract/instrument"
DEPTH_TOPIC = "/contractMarket/level2Depth50"
DEPTH_LEVELS = 20
OK = "200000"
ESTIMATE_GRANULARITY_MS = 60_000
NS_PER_MS, NS_PER_S = 1_000_000, 1e9

_DATED = re.compile(r"M[FGHJKMNQUVXZ]\d{2}$")
_BOOK_TOPICS = frozenset({"/contractMarket/level2Depth5", DEPTH_TOPIC})
_UNUSED_TOPICS = frozenset(
    {
        *("/contractMarket/ticker", "/contractMarket/level2", "/contractMarket/execution", "/contractMarket/snapshot"),
        *("/contractMarket/candle", "/contractMarket/limitCandle", "/contract/announcement"),
    }
)
# What says that the connection itself is over: the ping came too late, the token is more than a day old.
_CONNECTION_CODES = frozenset({400, 401})


class _Top(msgspec.Struct, gc=False):
    symbol: str
    sequence: int
    bestBidSize: float  # noqa: N815 - the fields' own names
    bestBidPrice: float  # noqa: N815
    bestAskPrice: float  # noqa: N815
    bestAskSize: float  # noqa: N815
    ts: int


class _TopFrame(msgspec.Struct, gc=False):
    data: _Top


# strict=False reads "110212.1" as a float in C. It would also read "inf", so the sides are checked below.
_decode_top = msgspec.json.Decoder(_TopFrame, strict=False).decode


class Decoder(fields.ContractDecoder[fields.Contract]):
    """Reads the frames of one KuCoin connection, and the answers to its polls."""

    def __init__(self, instruments: Iterable[Instrument], ignored: Collection[str] = ()) -> None:
        super().__init__(NAME, instruments, ignored)
        self._held: dict[str, Quote] = {}  # the last streamed quote of each id
        self._book_sequences: dict[str, int] = {}
        self._announced: set[tuple[str, Status | None]] = set()

    def reset(self, topics: Collection[str]) -> None:
        """Forget the quotes and sequence numbers of these topics."""
        for topic in topics:
            channel, _, exchange_symbol = topic.partition(":")
            self._book_sequences.pop(topic, None)
            if channel == QUOTE_TOPIC:
                self._held.pop(exchange_symbol, None)
                if contract := self.contracts.get(exchange_symbol):
                    contract.forget()

    def _read(self, frame: bytes, received_time: float) -> Sequence[Word]:
        if frame.startswith(b'{"topic":"/contractMarket/tickerV2:'):
            try:
                return self._top(_decode_top(frame).data, received_time)
            except msgspec.MsgspecError:  # an empty side
                pass
        return self._general(orjson.loads(frame), received_time)

    def _top(self, top: _Top, received_time: float) -> Sequence[Word]:
        contract = self.contracts.get(top.symbol)
        if contract is None:
            contract = self._contract(top.symbol)
            if contract is None:
                return ()
        time_ms = top.ts // NS_PER_MS
        if self._is_old(contract, top.sequence, time_ms):
            return ()
        bid, bid_size, ask, ask_size = top.bestBidPrice, top.bestBidSize, top.bestAskPrice, top.bestAskSize
        event_time = top.ts / NS_PER_S
        quote = fields.touch(contract, bid, bid_size, ask, ask_size, event_time, received_time)
        if quote is None:
            quote = contract.quote(bid, bid_size, ask, ask_size, event_time, received_time)
        return self._hold(contract, quote, top.sequence, time_ms)

    def _is_old(self, contract: fields.Contract, sequence: int, time_ms: int) -> bool:
        """Whether this or a newer top of book was seen; counts it if so."""
        if sequence > contract.last_id or time_ms - contract.last_ms > fields.RECOUNT_MS:
            return False
        self.outdated += 1
        return True

    def _hold(self, contract: fields.Contract, quote: Quote, sequence: int, time_ms: int) -> Sequence[Word]:
        contract.last_id, contract.last_ms = sequence, time_ms
        self._held[contract.exchange_symbol] = quote
        return (quote,)

    def _general(self, message: Any, received_time: float) -> Sequence[Word]:
        match message:
            case {"topic": str(topic), "data": dict(data)}:
                return self._topic(topic, message.get("subject"), data, received_time)
            case {"type": "ack"}:
                return [Ack(_id_of(message))]
            case {"type": "pong"}:
                return [Ack()]
            case {"type": "welcome"}:
                return []
            case {"type": "error", "code": code, "data": reason}:
                if code in _CONNECTION_CODES:
                    return [Closing(f"{code} {reason}"[:200])]
                raise SubscriptionRejected(NAME, f"{code} {reason}"[:200], request_id=_id_of(message))
            case {"T": str()} | {"message": "welcome"} | {"id": _, "result": _}:
                return []  # of the socket without a token, which is not used
            case _:
                raise UnknownMessage(NAME, f"{message!r:.200}")

    def _topic(self, topic: str, subject: Any, data: dict[str, Any], received_time: float) -> Sequence[Word]:
        channel, _, exchange_symbol = topic.partition(":")
        if channel in _UNUSED_TOPICS:
            return []
        if channel != QUOTE_TOPIC and channel != MARK_TOPIC and channel not in _BOOK_TOPICS:
            raise UnknownMessage(NAME, f"topic {topic!r:.80}")
        contract = self._contract(exchange_symbol)
        if contract is None:
            return []
        if channel == QUOTE_TOPIC:
            return self._general_top(contract, data, received_time)
        if channel == MARK_TOPIC:
            return self._mark(contract, subject, data, received_time)
        return self._depth(topic, contract, data, received_time)

    def _general_top(self, contract: fields.Contract, data: dict[str, Any], received_time: float) -> Sequence[Word]:
        """Read a top of book with an empty side, or with its keys in another order."""
        sequence, time_ns = int(data["sequence"]), int(data["ts"])
        quote = _quote(contract, data, time_ns / NS_PER_S, received_time)
        if self._is_old(contract, sequence, time_ns // NS_PER_MS):
            return []
        return self._hold(contract, quote, sequence, time_ns // NS_PER_MS)

    def _mark(
        self, contract: fields.Contract, subject: Any, data: dict[str, Any], received_time: float
    ) -> Sequence[Word]:
        event_time = fields.seconds(data["timestamp"])
        mark_price = index_price = rate = None
        if subject == "mark.index.price":
            mark_price = fields.price(data["markPrice"], contract.multiplier)
            index_price = fields.price(data["indexPrice"], contract.multiplier)
        elif subject == "funding.rate":
            if data["granularity"] != ESTIMATE_GRANULARITY_MS:
                return []  # what was paid last
            rate = fields.number(data["fundingRate"])
        else:
            raise UnknownMessage(NAME, f"subject {subject!r:.80}")
        return [
            Funding(NAME, contract.symbol, mark_price, index_price, rate, None, None, event_time, received_time),
        ]

    def _depth(
        self, topic: str, contract: fields.Contract, data: dict[str, Any], received_time: float
    ) -> Sequence[Word]:
        """Read a whole book, which comes every 100 ms, changed or not."""
        sequence = int(data["sequence"])
        bids = _levels(contract, data["bids"])
        asks = _levels(contract, data["asks"])
        if sequence < self._book_sequences.get(topic, -1):
            self.outdated += 1
            return []
        if bids and asks and bids[0][0] >= asks[0][0]:
            raise BadPayload(NAME, f"the book of {contract.exchange_symbol} is crossed")
        self._book_sequences[topic] = sequence
        return [Depth(NAME, contract.symbol, bids, asks, fields.seconds(data["ts"]), received_time)]

    def _is_foreign(self, exchange_symbol: str) -> bool:
        return _DATED.search(exchange_symbol) is not None

    def _answer(self, purpose: str, body: Any, received_time: float) -> Sequence[Word]:
        if body["code"] != OK:
            raise RequestFailed(NAME, f"{body['code']} {body.get('msg')}")
        data = body["data"]
        if purpose == "time":
            return [ServerTime(fields.required(fields.seconds(data), "time"))]
        what, shard, shards = read_shard(purpose)
        if what not in ("quotes", "market"):
            return super()._answer(purpose, body, received_time)
        words: list[Word] = self._changes(data) if what == "market" else []
        bad = 0
        for row in data:
            try:
                contract = self.contracts.get(row["symbol"])
                if contract is None or shard_of(contract.exchange_symbol, shards) != shard:
                    continue
                if what == "quotes":
                    words += self._polled_top(contract, row, received_time)
                else:
                    words += _market(contract, row, received_time)
            except Exception as error:  # one row of 700
                bad += 1
                self._bad_row(str(row.get("symbol") if isinstance(row, dict) else row)[:40], error)
        if bad and bad == len(data):
            raise BadPayload(NAME, f"none of the {bad} rows of {what} could be read")
        return words

    def _polled_top(self, contract: fields.Contract, row: Mapping[str, Any], received_time: float) -> list[Word]:
        """Read one row of allTickers: it confirms a quiet contract, and never overrides a newer stream.

        The time of a row is that of the last trade, so it says nothing about the quote.
        """
        held = self._held.get(contract.exchange_symbol)
        quote = _quote(contract, row, None if held is None else held.event_time, received_time)
        if held is None or _sides(quote) == _sides(held):
            return [quote]
        if int(row["sequence"]) <= contract.last_id:
            return []
        return [_quote(contract, row, None, received_time)]

    def _changes(self, rows: Iterable[Any]) -> list[Word]:
        """Announce once what a listing has that differs from the catalogue: new ids, halts, ids that are gone."""
        listed: dict[str, Status] = {}
        for row in rows:
            if isinstance(row, dict) and row.get("type") == PERPETUAL and isinstance(row.get("status"), str):
                listed[str(row.get("symbol"))] = status_of(row)
        if not listed:
            return []
        differing: set[tuple[str, Status | None]] = set()
        for exchange_symbol, status in listed.items():
            contract = self.contracts.get(exchange_symbol)
            if contract is None:
                if exchange_symbol not in self._ignored:
                    differing.add((exchange_symbol, status))
            elif contract.instrument.status is not status:
                differing.add((exchange_symbol, status))
        for exchange_symbol, contract in self.contracts.items():
            if contract.instrument.status is Status.TRADING and exchange_symbol not in listed:
                differing.add((exchange_symbol, None))
        fresh, self._announced = differing - self._announced, differing
        if not fresh:
            return []
        exchange_symbol, now = min(fresh, key=lambda change: change[0])
        return [CatalogueChanged(f"{exchange_symbol} is {now or 'gone'}, unlike in the catalogue")]


def _quote(contract: fields.Contract, row: Mapping[str, Any], event_time: float | None, received_time: float) -> Quote:
    sides = (row["bestBidPrice"], row["bestBidSize"], row["bestAskPrice"], row["bestAskSize"])
    return contract.quote(*sides, event_time, received_time)


def _sides(quote: Quote) -> tuple[float | None, ...]:
    return quote.bid_price, quote.bid_size, quote.ask_price, quote.ask_size


def _levels(contract: fields.Contract, rows: list[Any]) -> tuple[tuple[float, float], ...]:
    return tuple(level for quoted in fields.levels(rows[:DEPTH_LEVELS]) if (level := contract.level(*quoted)))


def _market(contract: fields.Contract, row: Mapping[str, Any], received_time: float) -> list[Word]:
    """Read one row of contracts/active, which carries no time of its own."""
    mark_price = fields.price(row.get("markPrice"), contract.multiplier)
    interval_ms = fields.amount(row.get("fundingRateGranularity"))
    funding = Funding(
        NAME,
        contract.symbol,
        mark_price,
        fields.price(row.get("indexPrice"), contract.multiplier),
        fields.number(row.get("fundingFeeRate")),
        interval_ms / MS_PER_HOUR if interval_ms else None,
        fields.seconds(row.get("nextFundingRateDateTime")),  # nextFundingRateTime counts down
        None,
        received_time,
    )
    last_price = fields.price(row.get("lastTradePrice"), contract.multiplier)
    volume = fields.amount(row.get("volumeOf24h"))
    turnover = fields.amount(row.get("turnoverOf24h"))
    open_interest = fields.amount(row.get("openInterest"), contract.factor)
    if contract.inverse:  # volume and interest count dollars, turnover counts coins
        volume, turnover = turnover, volume
        coin_price = mark_price or last_price
        open_interest = open_interest / coin_price if open_interest is not None and coin_price else None
    volume = fields.amount(volume, contract.multiplier)
    open_interest = fields.amount(open_interest)
    ticker = Ticker(NAME, contract.symbol, last_price, volume, turnover, open_interest, None, received_time)
    return [funding, ticker]


def _id_of(message: Mapping[str, Any]) -> str | None:
    request_id = message.get("id")
    return str(request_id) if request_id else None
