"""Reads what MEXC sends: frames, and answers to polls.

Source: https://www.mexc.com/api-docs/futures (probed 2026-09-15), checked against frames of 2022-03 to 2026-10. Every
push of `depth.full` is the whole top of the book; the other sockets carry no sizes. A size is contracts, and what
follows it in a level is the number of orders.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from feeds.errors import BadPayload, RequestFailed, SubscriptionRejected, UnknownMessage
from feeds.exchanges import _fields as fields
from feeds.exchanges._mexc_listing import NAME, read_row
from feeds.exchanges._plans import read_shard, shard_of
from feeds.exchanges.base import Ack, CatalogueChanged, ServerTime, Word
from market.models import Depth, Funding, Instrument, Quote, Ticker

QUOTE_TOPIC, DEPTH_TOPIC = "depth.full:", "depth.full.20:"
QUOTE_LEVELS = 5

_REFUSED = re.compile(r"\[([^\]]+)\]")
_PERPETUAL_ID = re.compile(r"[^_]+_[A-Z0-9]+")
_UNUSED_CHANNELS = frozenset({"push.deal", "push.kline", "push.depth", "push.depth.step", "rs.login"})
_FULL, _TICKERS = b'"push.depth.full"', b'{"channel":"push.tickers","data":['
# What a change of makes us read the catalogue again.
_LISTED = ("status", "contract_multiplier", "tick_size", "lot_size")


class _Level(msgspec.Struct, array_like=True, gc=False):
    price: float
    size: float


class _Full(msgspec.Struct, gc=False):
    version: int
    asks: list[_Level] | None = None  # what an empty side looks like is not settled: [], null or nothing
    bids: list[_Level] | None = None
    cts: int | None = None


class _FullFrame(msgspec.Struct, gc=False):
    symbol: str
    data: _Full
    ts: int


class _TickerRow(msgspec.Struct, gc=False):
    symbol: str
    lastPrice: fields.Quantity  # noqa: N815 - the field's own name
    volume24: fields.Quantity
    amount24: fields.Quantity
    indexPrice: fields.Quantity  # noqa: N815
    fairPrice: fields.Quantity  # noqa: N815
    fundingRate: None = None  # noqa: N815 - only single tickers have this
    holdVol: None = None  # noqa: N815 - and this


class _TickersFrame(msgspec.Struct, gc=False):
    data: list[_TickerRow]
    ts: fields.Positive


_decode_full = msgspec.json.Decoder(_FullFrame).decode
_decode_tickers = msgspec.json.Decoder(_TickersFrame).decode


class Decoder(fields.ContractDecoder[fields.Contract]):
    """Reads the frames of one MEXC connection, and the answers to its polls."""

    def __init__(self, instruments: Iterable[Instrument], ignored: Collection[str] = (), deep: bool = False) -> None:
        """deep: whether this connection was asked for books. Their frames are those of the touch, but longer."""
        super().__init__(NAME, instruments, ignored)
        self._tops: dict[str, tuple[float | None, float | None, Quote]] = {}
        self._deep = deep

    def reset(self, topics: Collection[str]) -> None:
        """Forget the versions of these topics' contracts."""
        for topic in topics:
            exchange_symbol = topic.rpartition(":")[2]
            self._tops.pop(exchange_symbol, None)
            if contract := self.contracts.get(exchange_symbol):
                contract.forget()

    def _read(self, frame: bytes, received_time: float) -> Sequence[Word]:
        # The channel comes after the data since 2025, and came before them in 2022.
        if frame.rfind(_FULL, -64) > 0 or frame.find(_FULL, 0, 64) > 0:
            return self._full(_decode_full(frame), received_time)
        if frame.startswith(_TICKERS):
            try:
                return self._tickers(_decode_tickers(frame), received_time)
            except msgspec.MsgspecError:  # a row with something odd, which must lose only itself
                pass
        message = orjson.loads(frame)
        match message:
            case {"channel": str(channel), "data": data}:
                return self._push(channel, data, message, frame, received_time)
            case _:
                raise UnknownMessage(NAME, f"{message!r:.200}")

    def _push(
        self, channel: str, data: Any, message: Mapping[str, Any], frame: bytes, received_time: float
    ) -> Sequence[Word]:
        if channel == "push.depth.full":
            return self._full(_decode_full(frame), received_time)
        if channel == "pong" or (channel.startswith("rs.") and data == "success"):
            return [Ack()]  # which contract was asked for, no answer says
        if channel == "rs.error":
            topics = [
                f"{prefix}{name}" for name in _REFUSED.findall(str(data)) for prefix in (QUOTE_TOPIC, DEPTH_TOPIC)
            ]
            raise SubscriptionRejected(NAME, str(data), tuple(topics))
        if channel == "push.contract":
            return self._listed(data if isinstance(data, list) else [data])
        if channel in _UNUSED_CHANNELS:
            return []
        event_time = fields.seconds(message.get("ts"))
        if channel == "push.tickers":
            return self._rows(channel, data, lambda contract, row: _market(contract, row, event_time, received_time))
        reader = _SINGLE.get(channel)
        if reader is None:
            raise UnknownMessage(NAME, f"channel {channel!r:.60}")
        contract = self._contract(data["symbol"])
        return [] if contract is None else reader(contract, data, event_time, received_time)

    def _full(self, message: _FullFrame, received_time: float) -> Sequence[Word]:
        contract = self.contracts.get(message.symbol)
        if contract is None:
            contract = self._contract(message.symbol)
            if contract is None:
                return []
        book = message.data
        # The same version pushed again later says that the book still stands.
        repeated = book.version == contract.last_id and message.ts <= contract.last_ms
        if (book.version < contract.last_id or repeated) and message.ts - contract.last_ms <= fields.RECOUNT_MS:
            self.outdated += 1
            return []
        time_ms = book.cts or message.ts
        event_time = time_ms / 1000 if time_ms > 0 else None
        bid = book.bids[0] if book.bids else None
        ask = book.asks[0] if book.asks else None
        quote: Quote | None = None
        if bid is not None and ask is not None and event_time is not None:
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
        words: list[Word] = [quote]
        if self._deep or len(book.bids or ()) > QUOTE_LEVELS or len(book.asks or ()) > QUOTE_LEVELS:
            words.append(_depth(contract, book, event_time, received_time))
        contract.last_id, contract.last_ms = book.version, message.ts
        self._tops[message.symbol] = (
            bid.price if bid is not None else None,
            ask.price if ask is not None else None,
            quote,
        )
        return words

    def _tickers(self, message: _TickersFrame, received_time: float) -> list[Word]:
        """Read the tickers of all contracts, the plain ones here, inverse ones and those with a 0 in `_market`."""
        contracts, event_time = self.contracts, message.ts / 1000
        words: list[Word] = []
        for row in message.data:
            contract = contracts.get(row.symbol)
            if contract is None:
                continue
            symbol, multiplier = contract.symbol, contract.multiplier
            mark, index, last = row.fairPrice / multiplier, row.indexPrice / multiplier, row.lastPrice / multiplier
            if contract.inverse or not (mark > 0.0 and index > 0.0 and last > 0.0):
                words += _market(contract, msgspec.structs.asdict(row), event_time, received_time)
                continue
            volume = row.volume24 * contract.factor
            words += (
                Funding(NAME, symbol, mark, index, None, None, None, event_time, received_time),
                Ticker(NAME, symbol, last, volume, row.amount24, None, event_time, received_time),
            )
        return words

    def _listed(self, rows: list[Any]) -> list[Word]:
        """Announce what differs from the catalogue. A row of another kind, or an unreadable one, changes nothing."""
        for row in rows:
            try:
                exchange_symbol, listed = row["symbol"], read_row(row, {})
            except Exception as error:
                self._bad_row(str(row.get("symbol") if isinstance(row, dict) else row)[:40], error)
                continue
            contract = self.contracts.get(exchange_symbol)
            known = None if contract is None else contract.instrument
            if listed is None or (known is None and exchange_symbol in self._ignored):
                continue
            if known is None or any(getattr(known, name) != getattr(listed, name) for name in _LISTED):
                return [CatalogueChanged(f"{exchange_symbol} is in state {row['state']}, unlike in the catalogue")]
        return []

    def _is_foreign(self, exchange_symbol: str) -> bool:
        return _PERPETUAL_ID.fullmatch(exchange_symbol) is None

    def _answer(self, purpose: str, body: Any, received_time: float) -> Sequence[Word]:
        if body.get("success") is not True or body.get("code") != 0:  # failures come with HTTP 200
            raise RequestFailed(NAME, f"{body.get('code')} {body.get('message')}")
        if purpose == "time":
            return [ServerTime(fields.required(fields.seconds(body["data"]), "time"))]
        what, shard, shards = read_shard(purpose)
        if what == "funding":
            return self._rows(what, body["data"], lambda contract, row: _funding(contract, row, received_time))
        if what == "market":
            return self._rows(what, body["data"], lambda contract, row: _interest(contract, row, received_time))
        if what == "quotes":
            return self._rows(what, body["data"], self._confirmed(received_time), shard, shards)
        return super()._answer(purpose, body, received_time)

    def _rows(
        self,
        what: str,
        rows: list[Any],
        reader: Callable[[fields.Contract, Mapping[str, Any]], list[Word]],
        shard: int = 0,
        shards: int = 1,
    ) -> list[Word]:
        """Read a list of all contracts. Some rows have no contract, and a bad one loses only itself."""
        words: list[Word] = []
        bad = 0
        for row in rows:
            try:
                contract = self.contracts.get(row["symbol"])
                if contract is not None and shard_of(contract.exchange_symbol, shards) == shard:
                    words += reader(contract, row)
            except Exception as error:  # one row of 1200
                bad += 1
                self._bad_row(str(row.get("symbol") if isinstance(row, dict) else row)[:40], error)
        if bad and bad == len(rows):
            raise BadPayload(NAME, f"none of the {bad} rows of {what} could be read")
        return words

    def _confirmed(self, received_time: float) -> Callable[[fields.Contract, Mapping[str, Any]], list[Word]]:
        """A reader of REST tickers: they have no sizes, so all they can say is that the known touch still stands."""

        def read(contract: fields.Contract, row: Mapping[str, Any]) -> list[Word]:
            known = self._tops.get(contract.exchange_symbol)
            if known is None:
                return []
            bid_price, ask_price, quote = known
            if (fields.price(row.get("bid1")), fields.price(row.get("ask1"))) != (bid_price or None, ask_price or None):
                return []  # the list is up to 4 s old
            return [msgspec.structs.replace(quote, received_time=received_time)]

        return read


def _depth(contract: fields.Contract, book: _Full, event_time: float | None, received_time: float) -> Depth:
    return Depth(
        NAME,
        contract.symbol,
        tuple(level for quoted in book.bids or () if (level := contract.level(quoted.price, quoted.size))),
        tuple(level for quoted in book.asks or () if (level := contract.level(quoted.price, quoted.size))),
        event_time,
        received_time,
    )


def _market(
    contract: fields.Contract, row: Mapping[str, Any], event_time: float | None, received_time: float
) -> list[Word]:
    """A row of push.tickers or push.ticker; only the latter has funding and open interest."""
    multiplier, symbol = contract.multiplier, contract.symbol
    mark_price, index_price = (
        fields.price(row.get("fairPrice"), multiplier),
        fields.price(row.get("indexPrice"), multiplier),
    )
    rate = fields.number(row.get("fundingRate"))
    return [
        Funding(NAME, symbol, mark_price, index_price, rate, None, None, event_time, received_time),
        _ticker(contract, row, event_time, received_time),
    ]


def _ticker(
    contract: fields.Contract, row: Mapping[str, Any], event_time: float | None, received_time: float
) -> Ticker:
    last_price = fields.price(row.get("lastPrice"), contract.multiplier)
    volume = fields.amount(row.get("volume24"), contract.factor)
    turnover = fields.amount(row.get("amount24"))
    open_interest = fields.amount(row.get("holdVol"), contract.factor)
    if contract.inverse:
        # Volume and interest count dollars. Whether amount24 is then coins nobody has checked, so it is not used.
        coin_price = fields.price(row.get("fairPrice"), contract.multiplier) or last_price
        turnover, volume = volume, _over(volume, coin_price)
        open_interest = _over(open_interest, coin_price)
    return Ticker(
        NAME, contract.symbol, last_price, volume, turnover, open_interest, event_time, received_time
    )  # fmt: skip


def _over(dollars: float | None, coin_price: float | None) -> float | None:
    return fields.amount(dollars / coin_price) if dollars is not None and coin_price else None


def _funding(contract: fields.Contract, row: Mapping[str, Any], received_time: float) -> list[Word]:
    """A row of the list of funding rates, which is the only place that has everything."""
    return [
        Funding(
            NAME,
            contract.symbol,
            fields.price(row.get("fairPrice"), contract.multiplier),
            fields.price(row.get("idxPrice"), contract.multiplier),
            fields.number(row["fundingRate"]),
            fields.amount(row.get("collectCycle")) or None,
            fields.seconds(row.get("nextSettleTime")),
            fields.seconds(row.get("timestamp")),
            received_time,
        )
    ]


def _interest(contract: fields.Contract, row: Mapping[str, Any], received_time: float) -> list[Word]:
    """A row of REST tickers. Its `timestamp` is that of the last trade, and says nothing of the rest."""
    return [_ticker(contract, row, None, received_time)]


def _fair_price(
    contract: fields.Contract, row: Mapping[str, Any], event_time: float | None, received_time: float
) -> list[Word]:
    mark_price = fields.price(row["price"], contract.multiplier)
    return [Funding(NAME, contract.symbol, mark_price, None, None, None, None, event_time, received_time)]


def _index_price(
    contract: fields.Contract, row: Mapping[str, Any], event_time: float | None, received_time: float
) -> list[Word]:
    index_price = fields.price(row["price"], contract.multiplier)
    return [Funding(NAME, contract.symbol, None, index_price, None, None, None, event_time, received_time)]


def _funding_rate(
    contract: fields.Contract, row: Mapping[str, Any], event_time: float | None, received_time: float
) -> list[Word]:
    rate, settlement = fields.number(row["rate"]), fields.seconds(row.get("nextSettleTime"))
    return [Funding(NAME, contract.symbol, None, None, rate, None, settlement, event_time, received_time)]


_SINGLE = {
    "push.ticker": _market,
    "push.fair.price": _fair_price,
    "push.index.price": _index_price,
    "push.funding.rate": _funding_rate,
}
