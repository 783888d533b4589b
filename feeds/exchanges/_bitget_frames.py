"""Reads what Bitget sends: frames, and answers to polls.

Source: https://www.bitget.com/docs/classic, mix API v2 (probed 2026-09-15), checked against frames of 2024-10 to
2026-09. Each push of `ticker`, `books1`, `books5` and `books15` is complete. Sizes are coins in every family: dividing
a coin-margined size by its price, as other exchanges need it, would be wrong by a factor of 100,000.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from feeds.errors import BadPayload, RequestFailed, SubscriptionRejected, UnknownMessage
from feeds.exchanges import _fields as fields
from feeds.exchanges._bitget_listing import NAME
from feeds.exchanges._plans import read_shard, shard_of
from feeds.exchanges.base import Ack, ServerTime, Word
from market.models import Depth, Funding, Instrument, Quote, Ticker

_TICKER = b'"channel":"ticker"'
# Documented, and not asked for: the deep book and trades of v2, and the twins of all channels in v3.
_UNUSED_CHANNELS = frozenset({"books", "trade", "auction", "index-price"})
_UNUSED_TOPICS = frozenset({"ticker", "books", "books1", "books5", "books50", "publicTrade", "kline", "liquidation"})
_FOREIGN_ID = re.compile(r"[FGHJKMNQUVXZ]\d{2}$|^S[A-Z0-9]*(SUSDT|SPERP|SUSD)$|_")


class _Arg(msgspec.Struct, gc=False):
    instId: str  # noqa: N815 - the field's own name


class _Row(msgspec.Struct, gc=False):
    """A ticker. Text is read as numbers in C; an empty side is "", which only the slow path reads."""

    lastPr: float  # noqa: N815
    bidPr: float  # noqa: N815
    askPr: float  # noqa: N815
    bidSz: float  # noqa: N815
    askSz: float  # noqa: N815
    fundingRate: float  # noqa: N815
    nextFundingTime: int  # noqa: N815
    markPrice: float  # noqa: N815
    indexPrice: float  # noqa: N815
    holdingAmount: float  # noqa: N815
    baseVolume: float  # noqa: N815
    quoteVolume: float  # noqa: N815
    ts: int


class _TickerFrame(msgspec.Struct, gc=False):
    arg: _Arg
    data: list[_Row]
    ts: int


_decode_ticker = msgspec.json.Decoder(_TickerFrame, strict=False).decode


class Decoder(fields.ContractDecoder[fields.Contract]):
    """Reads the frames of one Bitget connection, and the answers to its polls."""

    def __init__(self, instruments: Iterable[Instrument], ignored: Collection[str] = ()) -> None:
        super().__init__(NAME, instruments, ignored)

    def update(self, instruments: Iterable[Instrument]) -> None:
        """Take over a new catalogue without losing what is known of contracts that stay."""
        super().update(instruments)
        for contract in self.contracts.values():
            contract.inverse = False  # also coin-margined sizes count coins

    def reset(self, topics: Collection[str]) -> None:
        """Forget the times of these topics' contracts."""
        for topic in topics:
            if contract := self.contracts.get(topic.rpartition(":")[2]):
                contract.forget()

    def _read(self, frame: bytes, received_time: float) -> Sequence[Word]:
        if frame.find(_TICKER, 0, 128) > 0:
            try:
                message = _decode_ticker(frame)
            except msgspec.MsgspecError:  # a value is "", or no ticker's
                return self._general(orjson.loads(frame), received_time)
            if len(message.data) == 1:
                return self._ticker(message, message.data[0], received_time)
            return self._general(orjson.loads(frame), received_time)
        if frame == b"pong":
            return [Ack()]
        return self._general(orjson.loads(frame), received_time)

    def _general(self, message: Any, received_time: float) -> Sequence[Word]:
        match message:
            case {"action": "snapshot" | "update", "arg": {"channel": str(channel)} as arg, "data": list(rows)}:
                return self._push(channel, arg, rows, message, received_time)
            case {"action": "snapshot" | "update", "arg": {"topic": str(topic)}} if topic in _UNUSED_TOPICS:
                return []
            case {"event": "subscribe" | "unsubscribe", "arg": dict(arg)}:
                return [Ack(topics=(_topic(arg),))]
            case {"event": "error", "msg": reason, **rest}:
                arg = rest.get("arg")
                topics = (_topic(arg),) if isinstance(arg, dict) else ()
                raise SubscriptionRejected(NAME, f"{rest.get('code')} {reason}", topics)
            case _:
                raise UnknownMessage(NAME, f"{message!r:.200}")

    def _push(
        self, channel: str, arg: Mapping[str, Any], rows: list[Any], message: Mapping[str, Any], received_time: float
    ) -> Sequence[Word]:
        if channel in _UNUSED_CHANNELS or channel.startswith("candle"):
            return []
        if channel not in ("ticker", "books1", "books5", "books15"):
            raise UnknownMessage(NAME, f"channel {channel!r:.60}")
        contract = self._contract(arg["instId"])
        if contract is None:
            return []
        words: list[Word] = []
        for row in rows:
            if channel == "ticker":
                if self._is_old(contract, int(row["ts"]), int(message["ts"]), received_time):
                    continue
                words += _words(contract, row, received_time)
                contract.last_ms, contract.last_id = int(row["ts"]), int(message["ts"])
                contract.last_received = received_time
            else:
                words += self._book(contract, channel, row, received_time)
        return words

    def _ticker(self, message: _TickerFrame, row: _Row, received_time: float) -> Sequence[Word]:
        contract = self.contracts.get(message.arg.instId)
        if contract is None:
            contract = self._contract(message.arg.instId)
            if contract is None:
                return []
        if self._is_old(contract, row.ts, message.ts, received_time):
            return []
        unit, inf = contract.multiplier, fields.INF
        last, mark, index = row.lastPr / unit, row.markPrice / unit, row.indexPrice / unit
        bid, ask = row.bidPr / unit, row.askPr / unit
        bid_size, ask_size = row.bidSz * contract.factor, row.askSz * contract.factor
        volume, interest = row.baseVolume * contract.factor, row.holdingAmount * contract.factor
        if (
            0.0 < bid < inf and 0.0 < ask < inf and 0.0 < bid_size < inf and 0.0 < ask_size < inf
            and 0.0 < last < inf and 0.0 < mark < inf and 0.0 < index < inf and -inf < row.fundingRate < inf
            and 0.0 <= volume < inf and 0.0 <= interest < inf and 0.0 <= row.quoteVolume < inf
            and row.nextFundingTime > 0 and row.ts > 0
        ):  # fmt: skip
            contract.last_ms, contract.last_id, contract.last_received = row.ts, message.ts, received_time
            symbol, time_s = contract.symbol, row.ts / 1000
            next_s, hours = row.nextFundingTime / 1000, None
            return [
                Quote(NAME, symbol, bid, bid_size, ask, ask_size, time_s, received_time),
                Funding(NAME, symbol, mark, index, row.fundingRate, hours, next_s, time_s, received_time),
                Ticker(NAME, symbol, last, volume, row.quoteVolume, interest, time_s, received_time),
            ]
        words = _words(contract, msgspec.structs.asdict(row), received_time)
        contract.last_ms, contract.last_id, contract.last_received = row.ts, message.ts, received_time
        return words

    def _is_old(self, contract: fields.Contract, row_ms: int, push_ms: int, received_time: float) -> bool:
        """Whether a newer ticker was seen, or this very push. One made at the same time and pushed later stands."""
        if row_ms > contract.last_ms or (row_ms == contract.last_ms and push_ms > contract.last_id):
            return False
        behind_s = (contract.last_id - push_ms) / 1000
        if behind_s > 0.0 and fields.clock_set_back(behind_s, received_time - contract.last_received):
            return False
        self.outdated += 1
        return True

    def _book(
        self, contract: fields.Contract, channel: str, row: Mapping[str, Any], received_time: float
    ) -> list[Word]:
        """Read a whole small book. Only books1 is a touch; the others come beside the ticker, which has one."""
        event_time = fields.seconds(row["ts"])
        if channel == "books1":
            bid, ask = (row[side][0] if row[side] else (None, None) for side in ("bids", "asks"))
            return [contract.quote(bid[0], bid[1], ask[0], ask[1], event_time, received_time)]
        bids = tuple(level for quoted in row["bids"] if (level := contract.level(quoted[0], quoted[1])))
        asks = tuple(level for quoted in row["asks"] if (level := contract.level(quoted[0], quoted[1])))
        if bids and asks and bids[0][0] >= asks[0][0]:
            raise BadPayload(NAME, f"the book of {contract.exchange_symbol} is crossed")
        return [Depth(NAME, contract.symbol, bids, asks, event_time, received_time)]

    def _is_foreign(self, exchange_symbol: str) -> bool:
        return _FOREIGN_ID.search(exchange_symbol) is not None

    def _answer(self, purpose: str, body: Any, received_time: float) -> Sequence[Word]:
        if body["code"] != "00000":
            raise RequestFailed(NAME, f"{body['code']} {body.get('msg')}")
        if purpose == "time":
            return [ServerTime(fields.required(fields.seconds(body["data"]["serverTime"]), "time"))]
        what, shard, shards = read_shard(purpose)
        if what == "funding":
            reader = _funding
        elif what == "tickers":
            reader = _polled
        else:
            return super()._answer(purpose, body, received_time)
        return self._rows(what, body["data"], reader, shard, shards, received_time)

    def _rows(
        self,
        what: str,
        rows: list[Any],
        reader: Callable[[fields.Contract, Mapping[str, Any], float], list[Word]],
        shard: int,
        shards: int,
        received_time: float,
    ) -> list[Word]:
        """Read a list of a family's contracts. Some rows are tests or dated, and a bad one loses only itself."""
        words: list[Word] = []
        bad = 0
        for row in rows:
            try:
                contract = self.contracts.get(row["symbol"])
                if contract is not None and shard_of(contract.exchange_symbol, shards) == shard:
                    words += reader(contract, row, received_time)
            except Exception as error:  # one row of 800
                bad += 1
                self._bad_row(str(row.get("symbol") if isinstance(row, dict) else row)[:40], error)
        if bad and bad == len(rows):
            raise BadPayload(NAME, f"none of the {bad} rows of {what} could be read")
        return words


def _words(contract: fields.Contract, row: Mapping[str, Any], received_time: float) -> list[Word]:
    """Everything a ticker says. The interval of funding is not in it."""
    event_time = fields.seconds(row["ts"])
    unit, symbol = contract.multiplier, contract.symbol
    return [
        contract.quote(
            row.get("bidPr"), row.get("bidSz"), row.get("askPr"), row.get("askSz"), event_time, received_time
        ),
        Funding(
            NAME,
            symbol,
            fields.price(row.get("markPrice"), unit),
            fields.price(row.get("indexPrice"), unit),
            fields.number(row.get("fundingRate")),
            None,
            fields.seconds(row.get("nextFundingTime")),
            event_time,
            received_time,
        ),
        Ticker(
            NAME,
            symbol,
            fields.price(row.get("lastPr"), unit),
            fields.amount(row.get("baseVolume"), contract.factor),
            fields.amount(row.get("quoteVolume")),
            fields.amount(row.get("holdingAmount"), contract.factor),
            event_time,
            received_time,
        ),
    ]


def _polled(contract: fields.Contract, row: Mapping[str, Any], received_time: float) -> list[Word]:
    """A row of the REST tickers: it confirms a quiet contract, and never overrides a newer push."""
    if int(row["ts"]) < contract.last_ms:
        return []
    words = _words(contract, row, received_time)
    if "bidSz" not in row or "askSz" not in row:
        return words[1:]  # without sizes it is no touch
    return words


def _funding(contract: fields.Contract, row: Mapping[str, Any], received_time: float) -> list[Word]:
    """A row of current-fund-rate, which is the only place that has the interval."""
    rate, interval_h = fields.number(row["fundingRate"]), fields.amount(row.get("fundingRateInterval")) or None
    next_funding_time = fields.seconds(row.get("nextUpdate"))
    return [
        Funding(NAME, contract.symbol, None, None, rate, interval_h, next_funding_time, None, received_time)
    ]  # fmt: skip


def _topic(arg: Mapping[str, Any]) -> str:
    """Our name of a channel's argument: channel, family and contract."""
    channel, name = arg.get("channel") or arg.get("topic"), arg.get("instId") or arg.get("symbol")
    return f"{channel}:{arg.get('instType')}:{name}"
