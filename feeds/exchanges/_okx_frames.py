"""Reads what OKX sends: frames, and answers to polls.

Source: https://www.okx.com/docs-v5 (copies of 2026-06 to 2026-08), checked against frames of 2022-05, 2025-12 and
2026-09. `fundingTime` is the next settlement, `nextFundingTime` the one after it. Checksums are constant 0 or absent
since 2026-06-23, so books are held together by their sequence numbers alone.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from feeds.book import Book, Level
from feeds.errors import BadPayload, RequestFailed, SubscriptionRejected, UnknownMessage
from feeds.exchanges import _fields as fields
from feeds.exchanges._okx_listing import NAME, read_row
from feeds.exchanges._plans import read_shard, shard_of
from feeds.exchanges.base import Ack, CatalogueChanged, Closing, Resync, ServerTime, Word
from market.models import Depth, Funding, Instrument, Quote, Ticker

CLOSING_CODE = "64008"
IDLE_REPEAT_S = 10.0  # an idle book is said again after about 60 s; sooner, it is the same frame twice

_REFUSED_TOPIC = re.compile(r"channel:\s*([\w-]+),\s*inst(?:Id|Type|Family):\s*([^\s,]+)")
_BOOK_CHANNELS = frozenset({"books", "books50-l2-tbt", "books-l2-tbt"})
_UNUSED_CHANNELS = frozenset(
    {
        *("trades", "trades-all", "estimated-price", "price-limit", "opt-summary", "status", "liquidation-orders"),
        *("adl-warning", "option-trades", "books-elp", "books-rpi", "index-candle", "mark-price-candle"),
    }
)


class _Level(msgspec.Struct, array_like=True, gc=False):
    price: float
    size: float


class _Top(msgspec.Struct, gc=False):
    asks: list[_Level]
    bids: list[_Level]
    ts: int
    seqId: int = -1  # noqa: N815 - the field's own name


class _Arg(msgspec.Struct, gc=False):
    instId: str  # noqa: N815


class _TopFrame(msgspec.Struct, gc=False):
    arg: _Arg
    data: list[_Top]


class _Mark(msgspec.Struct, gc=False):
    instId: str  # noqa: N815
    markPx: fields.Positive  # noqa: N815
    ts: fields.Positive


class _MarkFrame(msgspec.Struct, gc=False):
    data: tuple[_Mark]


class _Index(msgspec.Struct, gc=False):
    instId: str  # noqa: N815
    idxPx: fields.Positive  # noqa: N815
    ts: fields.Positive


class _IndexFrame(msgspec.Struct, gc=False):
    data: tuple[_Index]


# strict=False reads "111.06" as a float in C. It would also read "inf", so the sides of a top are checked below.
_decode_top = msgspec.json.Decoder(_TopFrame, strict=False).decode
_TOP_START = b'{"arg":{"channel":"bbo-tbt"'
_pick_top = fields.picker(
    {
        "arg": {"instId": "text"},
        "data": [
            {
                "asks": [("quantity", "quantity")],
                "bids": [("quantity", "quantity")],
                "ts": "integer",
                "seqId": "integer",
            }
        ],
    },
    _TOP_START,
)
_decode_mark = msgspec.json.Decoder(_MarkFrame, strict=False).decode
_decode_index = msgspec.json.Decoder(_IndexFrame, strict=False).decode


class _OpenBook:
    """A book of one topic: None until a snapshot, and again once a change was missed."""

    __slots__ = ("book", "lost", "sequence", "top")

    def __init__(self) -> None:
        self.book: Book | None = None
        self.sequence: int | None = None
        self.top: tuple[Level | None, Level | None] | None = None
        self.lost = False


class Decoder(fields.ContractDecoder[fields.Contract]):
    """Reads the frames of one OKX connection, and the answers to its polls."""

    def __init__(self, instruments: Iterable[Instrument], ignored: Collection[str] = ()) -> None:
        self._by_index: dict[str, list[fields.Contract]] = {}
        self._books: dict[str, _OpenBook] = {}
        self._readers = {
            "tickers": self._tickers,
            "mark-price": self._mark_price,
            "index-tickers": self._index,
            "funding-rate": self._funding,
            "open-interest": self._open_interest,
        }
        super().__init__(NAME, instruments, ignored)

    def update(self, instruments: Iterable[Instrument]) -> None:
        """Take over a new catalogue without losing what is known of contracts that stay."""
        super().update(instruments)
        by_index: dict[str, list[fields.Contract]] = defaultdict(list)
        for contract in self.contracts.values():
            by_index[contract.instrument.extra.get("index", "")].append(contract)
        self._by_index = dict(by_index)

    def reset(self, topics: Collection[str]) -> None:
        """Forget the sequence numbers and books of these topics."""
        for topic in topics:
            channel, _, exchange_symbol = topic.partition(":")
            contract = self.contracts.get(exchange_symbol)
            if contract is not None and (channel == "bbo-tbt" or channel.startswith("books")):
                contract.forget()
            self._books.pop(topic, None)

    def _read(self, frame: bytes, received_time: float) -> Sequence[Word]:
        picked = _pick_top(frame)
        if picked is not None:
            exchange_symbol, ask, ask_size, bid, bid_size, time_ms, sequence = picked
            contract = self.contracts.get(exchange_symbol)
            if contract is not None and sequence > contract.last_id:
                plain = fields.touch(contract, bid, bid_size, ask, ask_size, time_ms / 1000, received_time)
                if plain is not None:
                    contract.last_id, contract.last_ms, contract.last_received = sequence, time_ms, received_time
                    return [plain]
        if frame.startswith(_TOP_START):
            try:
                message = _decode_top(frame)
            except msgspec.MsgspecError:  # numbers that are ""
                return self._general(orjson.loads(frame), received_time)
            exchange_symbol, tops = message.arg.instId, message.data
            if len(tops) == 1:
                return self._top(exchange_symbol, tops[0], received_time)
            words: list[Word] = []
            for top in tops:
                words += self._top(exchange_symbol, top, received_time)
            return words
        try:
            if frame.startswith(b'{"arg":{"channel":"mark-price"'):
                (mark,) = _decode_mark(frame).data
                return self._plain_mark(mark, received_time)
            if frame.startswith(b'{"arg":{"channel":"index-tickers"'):
                (index,) = _decode_index(frame).data
                return self._plain_index(index, received_time)
        except msgspec.MsgspecError:  # more rows than one, or something odd in it
            pass
        if frame == b"pong":
            return [Ack()]
        message = orjson.loads(frame)
        if frame.startswith(b'{"arg":{"channel":') and type(rows := message.get("data")) is list:
            arg = message["arg"]
            return self._push(arg["channel"], arg, rows, message, received_time)
        return self._general(message, received_time)

    def _top(self, exchange_symbol: str, top: _Top, received_time: float) -> Sequence[Word]:
        contract = self.contracts.get(exchange_symbol)
        if contract is None:
            contract = self._contract(exchange_symbol)
            if contract is None:
                return []
        sequence = top.seqId
        if sequence <= contract.last_id:
            if _is_old(contract, sequence, top.ts):
                self.outdated += 1
                return []
            if sequence == contract.last_id and received_time - contract.last_received < IDLE_REPEAT_S:
                self.outdated += 1
        contract.last_received = received_time
        time_ms, bids, asks = top.ts, top.bids, top.asks
        if sequence < 0 and time_ms < contract.last_ms:
            return []
        if bids and asks:
            bid, ask = bids[0], asks[0]
            plain = fields.touch(contract, bid.price, bid.size, ask.price, ask.size, time_ms / 1000, received_time)
            if plain is not None:
                contract.last_id, contract.last_ms = sequence, time_ms
                return [plain]
        best_bids = [(level.price, level.size) for level in bids[:1]]
        best_asks = [(level.price, level.size) for level in asks[:1]]
        quote = _quote(contract, best_bids, best_asks, time_ms, received_time)
        contract.last_id, contract.last_ms = sequence, time_ms
        return [quote]

    def _plain_mark(self, row: _Mark, received_time: float) -> Sequence[Word]:
        contract = self.contracts.get(row.instId) or self._contract(row.instId)
        if contract is None:
            return []
        mark_price = row.markPx / contract.multiplier
        return [Funding(NAME, contract.symbol, mark_price, None, None, None, None, row.ts / 1000, received_time)]

    def _plain_index(self, row: _Index, received_time: float) -> Sequence[Word]:
        event_time = row.ts / 1000
        words = []
        for contract in self._by_index.get(row.instId, ()):
            index_price = row.idxPx / contract.multiplier
            words.append(Funding(NAME, contract.symbol, None, index_price, None, None, None, event_time, received_time))
        return words

    def _general(self, message: Any, received_time: float) -> Sequence[Word]:
        match message:
            case {"arg": {"channel": str(channel), **arg}, "data": list(rows)}:
                return self._push(channel, arg, rows, message, received_time)
            case {"event": "subscribe" | "unsubscribe"}:
                return [Ack(_id_of(message), (_topic(message["arg"]),))]
            case {"event": "error" | "channel-conn-count-error", **rest}:
                reason = f"{rest.get('code')} {rest.get('msg')}"
                topics = tuple(f"{channel}:{name}" for channel, name in _REFUSED_TOPIC.findall(reason))
                if not topics and isinstance(message.get("arg"), dict):
                    topics = (_topic(message["arg"]),)
                raise SubscriptionRejected(NAME, reason, topics, _id_of(message))
            case {"event": "notice", "code": code, "msg": str(reason)}:
                return [Closing(reason)] if str(code) == CLOSING_CODE else []
            case {"event": "channel-conn-count" | "login"}:
                return []
            case {"code": code, "msg": reason} if str(code) not in ("", "0"):
                raise SubscriptionRejected(NAME, f"{code} {reason}", request_id=_id_of(message))
            case _:
                raise UnknownMessage(NAME, f"{message!r:.200}")

    def _push(
        self, channel: str, arg: Mapping[Any, Any], rows: list[Any], message: dict[str, Any], received_time: float
    ) -> Sequence[Word]:
        words: list[Word] = []
        if reader := self._readers.get(channel):
            for row in rows:
                words += reader(row if "instId" in row else {**arg, **row}, received_time)
            return words
        if channel in _BOOK_CHANNELS:
            return self._book(f"{channel}:{arg['instId']}", str(arg["instId"]), rows, message["action"], received_time)
        if channel in ("bbo-tbt", "books5"):
            for row in rows:
                words += self._snapshot({**arg, **row, "channel": channel}, received_time)
            return words
        if channel == "instruments":
            return self._instruments(rows)
        if channel in _UNUSED_CHANNELS or channel.partition("candle")[1]:
            return []
        raise UnknownMessage(NAME, f"channel {channel!r:.60}")

    def _snapshot(self, row: Mapping[str, Any], received_time: float) -> list[Word]:
        """Read a whole small book: bbo-tbt and books5."""
        contract = self._contract(row["instId"])
        if contract is None:
            return []
        sequence, time_ms = int(row.get("seqId", -1)), int(row["ts"])
        words: list[Word] = []
        if not _is_old(contract, sequence, time_ms):
            words.append(_quote(contract, row["bids"], row["asks"], time_ms, received_time))
            contract.last_id, contract.last_ms = sequence, time_ms
        if row["channel"] == "books5":  # slower than bbo-tbt, so that a busy swap's touch is often ahead of it
            bids = tuple(level for quoted in row["bids"] if (level := contract.level(quoted[0], quoted[1])))
            asks = tuple(level for quoted in row["asks"] if (level := contract.level(quoted[0], quoted[1])))
            words.append(Depth(NAME, contract.symbol, bids, asks, time_ms / 1000, received_time))
        return words

    def _book(
        self, topic: str, exchange_symbol: str, rows: list[Any], action: str, received_time: float
    ) -> Sequence[Word]:
        contract = self._contract(exchange_symbol)
        if contract is None:
            return []
        state = self._books.setdefault(topic, _OpenBook())
        words: list[Word] = []
        for row in rows:
            bids, asks = fields.levels(row["bids"]), fields.levels(row["asks"])
            sequence = None if row.get("seqId") is None else int(row["seqId"])
            time_ms = int(row["ts"])
            if action == "snapshot":
                state.book, state.lost, state.top = Book(bids, asks), False, None
            elif state.book is None:
                return words + self._lost(topic, state, "a change came before any snapshot")
            else:
                if state.sequence is not None and not _follows(row, state.sequence):
                    reason = f"sequence {row['prevSeqId']} to {row['seqId']} after {state.sequence}"
                    return words + self._lost(topic, state, reason)
                state.book.apply(bids, asks)
            if state.book.crossed:
                return words + self._lost(topic, state, "the book is crossed")
            state.sequence = sequence
            top = state.book.top
            if top != state.top and not _is_old(contract, -1 if sequence is None else sequence, time_ms):
                words.append(
                    _quote(contract, [top[0]] if top[0] else [], [top[1]] if top[1] else [], time_ms, received_time)
                )
                contract.last_id, contract.last_ms = -1 if sequence is None else sequence, time_ms
            state.top = top
        return words

    def _lost(self, topic: str, state: _OpenBook, reason: str) -> list[Word]:
        """Give the book up until the next snapshot, and ask for that once."""
        asked, missed = state.lost, state.book is not None
        state.lost, state.book = True, None
        return [] if asked else [Resync(topic, reason, missed)]

    def _instruments(self, rows: list[Any]) -> list[Word]:
        """Announce what differs from the catalogue: whether the channel starts with a full list is not settled."""
        for row in rows:
            try:
                exchange_symbol, listed = row["instId"], read_row(row)
            except Exception as error:  # one row of 300
                self._bad_row(str(row.get("instId") if isinstance(row, dict) else row)[:40], error)
                continue
            contract = self.contracts.get(exchange_symbol)
            if contract is None and listed is None:
                continue  # another product, or announced without its sizes
            known = None if contract is None else contract.instrument
            if known is None or any(getattr(known, name) != getattr(listed, name, None) for name in _LISTED):
                return [CatalogueChanged(f"{exchange_symbol} is {row['state']}, unlike in the catalogue")]
        return []

    def _tickers(self, row: Mapping[str, Any], received_time: float) -> list[Word]:
        """Read a ticker; its touch counts unless the stream has shown a newer one."""
        contract = self._contract(row["instId"])
        if contract is None:
            return []
        time_ms = int(row["ts"])
        event_time = time_ms / 1000
        words: list[Word] = []
        if time_ms >= contract.last_ms and "bidPx" in row:
            sides = (row["bidPx"], row["bidSz"], row["askPx"], row["askSz"])
            words.append(contract.quote(*sides, event_time, received_time))
        last_price = fields.price(row["last"], contract.multiplier)
        volume = fields.amount(row["volCcy24h"], contract.multiplier)  # coins; vol24h counts contracts
        if contract.inverse:
            turnover = fields.amount(row["vol24h"], contract.factor)
        else:
            turnover = fields.amount(volume, last_price) if volume is not None and last_price else None
        words.append(Ticker(NAME, contract.symbol, last_price, volume, turnover, None, event_time, received_time))
        return words

    def _mark_price(self, row: Mapping[str, Any], received_time: float) -> list[Word]:
        contract = self._contract(row["instId"])
        if contract is None:
            return []
        mark_price = fields.price(row["markPx"], contract.multiplier)
        event_time = fields.seconds(row["ts"])
        return [Funding(NAME, contract.symbol, mark_price, None, None, None, None, event_time, received_time)]

    def _index(self, row: Mapping[str, Any], received_time: float) -> list[Word]:
        """Read an index, which serves every swap on it; one that serves none belongs to something else."""
        event_time = fields.seconds(row["ts"])
        words: list[Word] = []
        for contract in self._by_index.get(row["instId"], ()):
            index_price = fields.price(row["idxPx"], contract.multiplier)
            words.append(Funding(NAME, contract.symbol, None, index_price, None, None, None, event_time, received_time))
        return words

    def _funding(self, row: Mapping[str, Any], received_time: float) -> list[Word]:
        contract = self._contract(row["instId"])
        if contract is None:
            return []
        settlement = fields.seconds(row["fundingTime"])
        after, before = fields.seconds(row.get("nextFundingTime")), fields.seconds(row.get("prevFundingTime"))
        interval_h = None
        if settlement is not None and (after is not None or before is not None):
            span_s = after - settlement if after is not None else settlement - (before or 0.0)
            interval_h = span_s / 3600 if span_s > 0.0 else None
        rate = fields.number(row["fundingRate"])
        event_time = fields.seconds(row.get("ts"))
        return [Funding(NAME, contract.symbol, None, None, rate, interval_h, settlement, event_time, received_time)]

    def _open_interest(self, row: Mapping[str, Any], received_time: float) -> list[Word]:
        contract = self._contract(row["instId"])
        if contract is None:
            return []
        coins = fields.amount(row["oiCcy"], contract.multiplier)
        return [Ticker(NAME, contract.symbol, None, None, None, coins, fields.seconds(row["ts"]), received_time)]

    def _is_foreign(self, exchange_symbol: str) -> bool:
        return not exchange_symbol.endswith("-SWAP")

    def _answer(self, purpose: str, body: Any, received_time: float) -> Sequence[Word]:
        if body["code"] != "0":
            raise RequestFailed(NAME, f"{body['code']} {body.get('msg')}")
        rows = body["data"]
        if purpose == "time":
            return [ServerTime(fields.required(fields.seconds(rows[0]["ts"]), "time"))]
        what, shard, shards = read_shard(purpose)
        reader = {
            "tickers": self._tickers,
            "funding": self._funding,
            "open_interest": self._open_interest,
        }.get(what)
        if reader is None:
            return super()._answer(purpose, body, received_time)
        words: list[Word] = []
        bad = 0
        for row in rows:
            try:
                exchange_symbol = row["instId"]
                if exchange_symbol in self.contracts and shard_of(exchange_symbol, shards) == shard:
                    words += reader(row, received_time)
            except Exception as error:  # one row of 300
                bad += 1
                self._bad_row(str(row.get("instId") if isinstance(row, dict) else row)[:40], error)
        if bad and bad == len(rows):
            raise BadPayload(NAME, f"none of the {bad} rows of {what} could be read")
        return words


# What a change of makes us read the catalogue again.
_LISTED = ("status", "contract_multiplier", "tick_size", "lot_size")


def _is_old(contract: fields.Contract, sequence: int, time_ms: int) -> bool:
    """Whether a newer top of book was seen. Without a sequence number (before 2023) the time decides."""
    if sequence < 0:
        return time_ms < contract.last_ms
    return sequence < contract.last_id and time_ms - contract.last_ms <= fields.RECOUNT_MS


def _follows(row: Mapping[str, Any], sequence: int) -> bool:
    """Whether a change continues a book. One from before 2023, without numbers, has to be believed."""
    previous, own = row.get("prevSeqId"), row.get("seqId")
    if previous is None or own is None:
        return True
    # An idle book repeats its number. What a restarted count (below the previous) leaves of a book is not documented.
    return int(previous) == sequence and int(own) >= int(previous)


def _quote(
    contract: fields.Contract,
    bids: Sequence[Sequence[Any]],
    asks: Sequence[Sequence[Any]],
    time_ms: int,
    received_time: float,
) -> Quote:
    bid = bids[0] if bids else (None, None)
    ask = asks[0] if asks else (None, None)
    return contract.quote(bid[0], bid[1], ask[0], ask[1], time_ms / 1000, received_time)


def _id_of(message: Mapping[str, Any]) -> str | None:
    request_id = message.get("id")
    return str(request_id) if request_id else None


def _topic(arg: Mapping[str, Any]) -> str:
    """Our name of a channel's argument: channel and what it is about."""
    name = arg.get("instId") or arg.get("instFamily") or arg.get("instType") or ""
    return f"{arg['channel']}:{name}"
