"""Reads what Phemex sends: frames, and answers to polls.

Source: https://phemex-docs.github.io (copy of 2026-01), checked against frames of 2020-03 to 2026-09. A key that ends
in `_p` holds real numbers as text, one without it holds integers scaled by the contract's exponents. `sequence` is
shared by many contracts: it tells what is old, never what is missing, so a book rests on the snapshot that is repeated
every 60 s. `timestamp` is the book's last change, `dts` when the frame was sent; all are ns, beyond what a float holds.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
import orjson

from feeds.errors import BadPayload, RequestFailed, SubscriptionRejected, UnknownMessage
from feeds.exchanges import _fields as fields
from feeds.exchanges._phemex_books import (
    SCALED_BOOK_DEPTH,
    SCALED_START,
    RealFrame,
    ScaledFrame,
    Sides,
    Touch,
    Window,
    decode_real,
    decode_scaled,
    in_turn,
    pick_scaled,
    pick_touch,
)
from feeds.exchanges._phemex_listing import NAME, interval_h
from feeds.exchanges._plans import read_shard, shard_of
from feeds.exchanges.base import Ack, Resync, ServerTime, Word
from market.models import Depth, Funding, Instrument, Quote, Ticker

QUOTE_TOPIC, DEPTH_TOPIC, SCALED_BOOK_TOPIC = "orderbook_p:", "depth_p:", "orderbook:"
DEPTH_LEVELS = 10
REPEAT_S = 10.0  # a snapshot is repeated after 60 s; sooner, it is the same frame twice
RECOUNT_NS = fields.RECOUNT_MS * 1_000_000

_UNUSED_KEYS = (
    *("trades_p", "trades", "kline_p", "kline", "tick_p", "tick", "spot_market24h", "index_market24h", "candle"),
    *("market24h_pack", "accounts_p", "positions_p"),
)
# The columns of the pack until a frame says otherwise; a change may come without them, and before 2024 without the
# last two.
_PACK_FIELDS = (
    *("symbol", "openRp", "highRp", "lowRp", "lastRp", "volumeRq", "turnoverRv", "openInterestRv", "indexRp"),
    *("markRp", "fundingRateRr", "predFundingRateRr", "bidRp", "askRp"),
)


# Of tickers only what can be nothing but a plain number; a frame with anything else is read row by row.
class _PackRow(msgspec.Struct, array_like=True, gc=False):
    symbol: str
    open: Any
    high: Any
    low: Any
    last: fields.Quantity
    volume: fields.Quantity
    turnover: fields.Quantity
    open_interest: fields.Quantity
    index: fields.Quantity
    mark: fields.Quantity
    funding_rate: fields.Rate


class _PackFrame(msgspec.Struct, gc=False):
    data: list[_PackRow]
    method: Literal["perp_market24h_pack_p.update"]
    timestamp: Annotated[int, msgspec.Meta(gt=0)]
    fields: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


class _ScaledTicker(msgspec.Struct, gc=False):
    close: fields.Quantity
    fundingRate: fields.Rate  # noqa: N815 - the field's own name
    indexPrice: fields.Quantity  # noqa: N815
    markPrice: fields.Quantity  # noqa: N815
    openInterest: fields.Quantity  # noqa: N815
    symbol: str
    turnover: fields.Quantity
    volume: fields.Quantity


class _ScaledTickerFrame(msgspec.Struct, gc=False):
    market24h: _ScaledTicker
    timestamp: Annotated[int, msgspec.Meta(gt=0)]


_decode_pack = msgspec.json.Decoder(_PackFrame, strict=False).decode
_decode_scaled_ticker = msgspec.json.Decoder(_ScaledTickerFrame, strict=False).decode


class Decoder(fields.ContractDecoder[fields.Contract]):
    """Reads the frames of one Phemex connection, and the answers to its polls.

    deep: whether scaled books, which come with 30 levels in any case, are also told as Depth.
    """

    notices_loss = False

    def __init__(self, instruments: Iterable[Instrument], ignored: Collection[str] = (), deep: bool = False) -> None:
        self._touches: dict[str, Touch] = {}
        self._windows: dict[str, Window] = {}
        self._units: dict[str, fields.Units] = {}
        self._pack_fields: tuple[str, ...] = _PACK_FIELDS
        self._deep = deep
        super().__init__(NAME, instruments, ignored)

    def update(self, instruments: Iterable[Instrument]) -> None:
        """Take over a new catalogue without losing what is known of contracts that stay."""
        super().update(instruments)
        self._units = {
            exchange_symbol: fields.Units(
                NAME,
                contract.symbol,
                contract.multiplier * 10.0 ** contract.instrument.extra.get("price_scale", 0),
                contract.factor,
                contract.inverse,
            )
            for exchange_symbol, contract in self.contracts.items()
        }
        for held in (self._touches, self._windows):
            for exchange_symbol, touch in held.items():
                touch.units = self._units.get(exchange_symbol, touch.units)
        # The same for a scaled ticker, with what makes its rate and its turnover real, and the funding interval.
        self._scales = {
            exchange_symbol: (
                self._units[exchange_symbol],
                10.0 ** -contract.instrument.extra.get("ratio_scale", 0),
                10.0 ** -contract.instrument.extra.get("value_scale", 0),
                contract.instrument.funding_interval_h,
            )
            for exchange_symbol, contract in self.contracts.items()
        }

    def reset(self, topics: Collection[str]) -> None:
        """Forget the books of these topics: each starts with a snapshot."""
        for topic in topics:
            exchange_symbol = topic.partition(":")[2]
            self._touches.pop(exchange_symbol, None)
            self._windows.pop(exchange_symbol, None)

    def _read(self, frame: bytes, received_time: float) -> Sequence[Word]:
        picked = pick_touch(frame)
        if picked is not None and (words := self._plain_change(picked, received_time)) is not None:
            return words
        if frame.find(b'"orderbook_p":', 0, 128) > 0:
            real = decode_real(frame)
            return self._book(real, real.orderbook_p, received_time)
        if frame.startswith(SCALED_START):
            picked = pick_scaled(frame)
            if picked is not None and (words := self._plain_scaled(picked, received_time)) is not None:
                return words
            scaled = decode_scaled(frame)
            return self._book(scaled, scaled.book, received_time)
        if frame.startswith((b'{"market24h":', b'{"data":')):
            words = self._plain_tickers(frame, received_time)
            if words is not None:
                return words
        message = orjson.loads(frame)
        match message:
            case {"data": list(rows), "method": "perp_market24h_pack_p.update"}:
                return self._pack(rows, message, received_time)
            case {"market24h": dict(row)}:
                return self._scaled_market(row, message, received_time)
            case {"market24h_p": dict(row)}:
                return self._market(row, message["timestamp"], received_time)
            case {"error": dict(error)}:
                reason = f"{error.get('code')} {error.get('message')}"
                raise SubscriptionRejected(NAME, reason, request_id=_id_of(message))
            case {"error": None, "result": "pong" | {"status": "success"}}:
                return [Ack(_id_of(message))]
            case {"orderbook_p": dict()}:  # the same frame with its keys in another order
                real = decode_real(frame)
                return self._book(real, real.orderbook_p, received_time)
            case {"book": dict()}:
                scaled = decode_scaled(frame)
                return self._book(scaled, scaled.book, received_time)
            case dict() if any(key in message for key in _UNUSED_KEYS):
                return []
            case _:
                raise UnknownMessage(NAME, f"{message!r:.200}")

    # -- books -------------------------------------------------------------------------------------------------

    def _plain_change(self, picked: tuple[Any, ...], received_time: float) -> Sequence[Word] | None:
        """Take over the next change of a book of one level; None, and nothing is done, if it is anything else."""
        event_time, asks, bids, sequence, exchange_symbol, timestamp = picked
        touch = self._touches.get(exchange_symbol)
        if touch is None or sequence <= touch.sequence or not touch.known or event_time <= 0.0:
            return None
        touch.merge(bids, asks, 1)
        touch.sequence, touch.timestamp, touch.received = sequence, timestamp, received_time
        best_bid, best_ask = touch.best_bid, touch.best_ask
        if best_bid >= best_ask:
            return self._lost(f"{QUOTE_TOPIC}{exchange_symbol}", touch, "the book is crossed")
        units = touch.units
        quote = fields.touch(units, best_bid, touch.bid_size, best_ask, touch.ask_size, event_time, received_time)
        return (_quote(units, touch, event_time, received_time) if quote is None else quote,)

    def _plain_scaled(self, picked: tuple[Any, ...], received_time: float) -> Sequence[Word] | None:
        """Take over the next change of a whole book, as above."""
        asks, bids, depth, sent_ns, sequence, exchange_symbol, timestamp = picked
        window = self._windows.get(exchange_symbol)
        if window is None or not window.known or sequence <= window.sequence:
            return None
        sent_ns = sent_ns or timestamp
        if sent_ns <= 0 or self._deep or depth != SCALED_BOOK_DEPTH:
            return None
        window.merge(bids, asks, depth)
        window.sequence, window.timestamp, window.received = sequence, timestamp, received_time
        if window.best_bid >= window.best_ask:
            return self._lost(f"{SCALED_BOOK_TOPIC}{exchange_symbol}", window, "the book is crossed")
        return (_quote(window.units, window, sent_ns / 1e9, received_time),)

    def _book(
        self, message: RealFrame | ScaledFrame, sides: Sides, received_time: float, polled: bool = False
    ) -> Sequence[Word]:
        exchange_symbol = message.symbol
        units = self._units.get(exchange_symbol)
        if units is None:
            self._contract(exchange_symbol)  # raises unless it is left out on purpose
            return ()
        depth = message.depth if 0 < message.depth < SCALED_BOOK_DEPTH else SCALED_BOOK_DEPTH
        window: Touch | None
        if depth == 1:
            window = self._touches.get(exchange_symbol)
            if window is None:
                window = self._touches[exchange_symbol] = Touch(units)
        else:
            window = self._windows.get(exchange_symbol)
            if window is None:
                window = self._windows[exchange_symbol] = Window(units)
        kind, sequence, timestamp = message.type, message.sequence, message.timestamp
        sent_ns = message.dts
        if kind == "incremental":
            if not window.known:
                window.missed = max(window.missed, sequence)
                return self._lost(_topic(message), window, "a change came before any snapshot", missed=False)
            if sequence <= window.sequence:
                self.outdated += 1
                if sequence == window.sequence:
                    return ()
                return self._lost(_topic(message), window, "a change came too late to be merged")
            sent_ns = sent_ns or timestamp  # a snapshot may repeat the change of minutes ago
        elif kind == "snapshot":
            if sequence <= window.sequence:
                again = sequence == window.sequence
                if not again and timestamp - window.timestamp <= RECOUNT_NS:
                    self.outdated += not polled
                    return ()
                if again and not polled and received_time - window.received < REPEAT_S:
                    self.outdated += 1
            if sequence < window.missed:
                window.lost = False
                return self._lost(_topic(message), window, "the book is older than a change that came before it")
            window.clear()
            window.known, window.lost = True, False
        else:
            raise UnknownMessage(NAME, f"a book of type {kind!r:.40}")
        window.merge(in_turn(sides.bids), in_turn(sides.asks), depth)
        window.sequence, window.timestamp, window.received = sequence, timestamp, received_time
        if window.best_bid >= window.best_ask:
            return self._lost(_topic(message), window, "the book is crossed")
        event_time = sent_ns / 1e9 if sent_ns > 0 else None
        if not isinstance(window, Window):
            return (_quote(units, window, event_time, received_time),)
        if type(message) is RealFrame:
            return (self._depth(exchange_symbol, window, event_time, received_time),)
        quote = _quote(units, window, event_time, received_time)
        return (quote, self._depth(exchange_symbol, window, event_time, received_time)) if self._deep else (quote,)

    def _lost(self, topic: str, window: Touch, reason: str, missed: bool = True) -> Sequence[Word]:
        """Give the book up until the next snapshot, and ask for one once."""
        asked, window.lost, window.known = window.lost, True, False
        return () if asked else (Resync(topic, reason, missed),)

    def _depth(self, exchange_symbol: str, window: Window, event_time: float | None, received_time: float) -> Depth:
        contract = self.contracts[exchange_symbol]
        bids = [(price, window.bids[price]) for price in reversed(window.bid_prices[-DEPTH_LEVELS:])]
        asks = [(price, window.asks[price]) for price in window.ask_prices[:DEPTH_LEVELS]]
        scale = self._units[exchange_symbol].multiplier / contract.multiplier
        return Depth(
            NAME,
            contract.symbol,
            tuple(level for price, size in bids if (level := contract.level(price / scale, size))),
            tuple(level for price, size in asks if (level := contract.level(price / scale, size))),
            event_time,
            received_time,
        )

    # -- marks, funding and 24 h figures -------------------------------------------------------------------------

    def _plain_tickers(self, frame: bytes, received_time: float) -> Sequence[Word] | None:
        """Read tickers of which every row is whole; None if they must be read in the long way."""
        try:
            if frame.startswith(b'{"market24h":'):
                message = _decode_scaled_ticker(frame)
                return self._plain_scaled_market(message.market24h, message.timestamp / 1e9, received_time)
            pack = _decode_pack(frame)
        except msgspec.MsgspecError:
            return None
        if (self._pack_fields if pack.fields is msgspec.UNSET else pack.fields) != _PACK_FIELDS:
            return None
        self._pack_fields = _PACK_FIELDS
        contracts, event_time = self.contracts, pack.timestamp / 1e9
        words: list[Word] = []
        add = words.append
        for row in pack.data:
            contract = contracts.get(row.symbol)
            if contract is None:
                continue
            symbol, multiplier, factor = contract.symbol, contract.multiplier, contract.factor
            mark, index, last = row.mark / multiplier, row.index / multiplier, row.last / multiplier
            rate, interval_h = row.funding_rate, contract.instrument.funding_interval_h
            add(Funding(NAME, symbol, mark or None, index or None, rate, interval_h, None, event_time, received_time))
            volume, interest = row.volume * factor, row.open_interest * factor
            add(Ticker(NAME, symbol, last or None, volume, row.turnover, interest, event_time, received_time))
        return words

    def _plain_scaled_market(self, row: _ScaledTicker, event_time: float, received_time: float) -> list[Word] | None:
        scales = self._scales.get(row.symbol)
        if scales is None:
            return None
        units, rate_scale, value_scale, interval_h = scales
        symbol, divisor, factor, inverse = units.symbol, units.multiplier, units.factor, units.inverse
        mark, index, last = row.markPrice / divisor, row.indexPrice / divisor, row.close / divisor
        volume, turnover, interest = row.volume * factor, row.turnover * value_scale, row.openInterest * factor
        if inverse:  # volume and interest count dollars, turnover counts coins
            if mark < 1e-100:
                return None
            volume, turnover, interest = turnover, volume, interest / mark
        rate = row.fundingRate * rate_scale
        return [
            Funding(NAME, symbol, mark or None, index or None, rate, interval_h, None, event_time, received_time),
            Ticker(NAME, symbol, last or None, volume, turnover, interest, event_time, received_time),
        ]

    def _pack(self, rows: list[Any], message: dict[str, Any], received_time: float) -> Sequence[Word]:
        """Read the tickers of all real-number contracts; delisted ones are among them."""
        names = message.get("fields")
        if names is not None:
            if not isinstance(names, list) or "symbol" not in names:
                raise BadPayload(NAME, f"columns {names!r:.80}")
            self._pack_fields = tuple(names)
        place = self._pack_fields.index("symbol")
        words: list[Word] = []
        bad = 0
        for row in rows:
            try:
                if row[place] in self.contracts:
                    named = dict(zip(self._pack_fields, row, strict=False))
                    words += self._market(named, message["timestamp"], received_time)
            except Exception as error:  # one row of 300
                bad += 1
                self._bad_row(str(row)[:40], error)
        if bad and bad == len(rows):
            raise BadPayload(NAME, f"none of the {bad} rows of the tickers could be read")
        return words

    def _market(self, row: Mapping[str, Any], timestamp_ns: Any, received_time: float) -> list[Word]:
        """Read a ticker in real numbers, under the names of the pack or those of a single one."""
        contract = self._contract(row["symbol"])
        if contract is None:
            return []
        event_time = _nanoseconds(timestamp_ns)
        multiplier, factor = contract.multiplier, contract.factor
        return [
            Funding(
                NAME,
                contract.symbol,
                fields.price(row.get("markRp") or row.get("markPriceRp"), multiplier),
                fields.price(row.get("indexRp") or row.get("indexPriceRp"), multiplier),
                fields.number(row.get("fundingRateRr")),
                contract.instrument.funding_interval_h,
                None,
                event_time,
                received_time,
            ),
            Ticker(
                NAME,
                contract.symbol,
                fields.price(row.get("lastRp") or row.get("closeRp"), multiplier),
                fields.amount(row.get("volumeRq"), factor),
                fields.amount(row.get("turnoverRv")),
                fields.amount(row.get("openInterestRv"), factor),  # coins, although its name says value
                event_time,
                received_time,
            ),
        ]

    def _scaled_market(self, row: Mapping[str, Any], message: dict[str, Any], received_time: float) -> list[Word]:
        """Read a ticker in scaled integers. Volume and interest count contracts, turnover the settlement currency."""
        contract = self._contract(row["symbol"])
        if contract is None:
            return []
        event_time = _nanoseconds(message["timestamp"])
        units, rate_scale, value_scale, _ = self._scales[contract.exchange_symbol]
        divisor = units.multiplier
        mark_price = fields.price(row.get("markPrice"), divisor)
        last_price = fields.price(row.get("close"), divisor)
        rate = fields.number(row.get("fundingRate"))
        volume = fields.amount(row.get("volume"), contract.factor)
        turnover = fields.amount(row.get("turnover"), value_scale)
        open_interest = fields.amount(row.get("openInterest"), contract.factor)
        if contract.inverse:  # volume and interest count dollars, turnover counts coins
            volume, turnover = turnover, volume
            coin_price = mark_price or last_price
            open_interest = (
                fields.amount(open_interest / coin_price) if open_interest is not None and coin_price else None
            )
        return [
            Funding(
                NAME,
                contract.symbol,
                mark_price,
                fields.price(row.get("indexPrice"), divisor),
                None if rate is None else rate * rate_scale,
                contract.instrument.funding_interval_h,
                None,
                event_time,
                received_time,
            ),
            Ticker(NAME, contract.symbol, last_price, volume, turnover, open_interest, event_time, received_time),
        ]

    def _is_foreign(self, exchange_symbol: str) -> bool:
        return exchange_symbol[:1] in ("s", ".")  # spot, and marks and indices

    # -- polls -----------------------------------------------------------------------------------------------------

    def _answer(self, purpose: str, body: Any, received_time: float) -> Sequence[Word]:
        if isinstance(body, dict) and (body.get("error") or body.get("code", 0) != 0):
            raise RequestFailed(NAME, f"{body.get('error') or body.get('code')} {body.get('msg', '')}".strip())
        what, shard, shards = read_shard(purpose)
        match what:
            case "time":
                return [ServerTime(fields.required(fields.seconds(body["data"]["serverTime"]), "time"))]
            case "book":
                scaled = msgspec.convert(body["result"], ScaledFrame, strict=False)
                return self._book(scaled, scaled.book, received_time, polled=True)
            case "funding":
                rows = body["data"] if isinstance(body, dict) else body  # the documents show a bare list
                rows = rows["rows"] if isinstance(rows, dict) else rows
                return self._rows(what, rows, self._funding, 0, 1, received_time)
            case "tickers":
                return self._rows(what, body["result"], self._standing, shard, shards, received_time)
            case _:
                return super()._answer(purpose, body, received_time)

    def _rows(
        self, what: str, rows: list[Any], reader: Any, shard: int, shards: int, received_time: float
    ) -> list[Word]:
        words: list[Word] = []
        bad = 0
        for row in rows:
            try:
                exchange_symbol = row["symbol"]
                if exchange_symbol in self.contracts and shard_of(exchange_symbol, shards) == shard:
                    words += reader(self.contracts[exchange_symbol], row, received_time)
            except Exception as error:  # one row of 130
                bad += 1
                self._bad_row(str(row.get("symbol") if isinstance(row, dict) else row)[:40], error)
        if bad and bad == len(rows):
            raise BadPayload(NAME, f"none of the {bad} rows of {what} could be read")
        return words

    def _funding(self, contract: fields.Contract, row: Mapping[str, Any], received_time: float) -> list[Word]:
        return [
            Funding(
                NAME,
                contract.symbol,
                None,
                None,
                fields.number(row["fundingRate"]),
                interval_h(row["fundingInterval"]),
                fields.seconds(row["nextfundingTime"]),
                None,
                received_time,
            )
        ]

    def _standing(self, contract: fields.Contract, row: Mapping[str, Any], received_time: float) -> list[Word]:
        """Confirm a touch that the tickers show at the same prices; they say nothing of its sizes."""
        window = self._touches.get(contract.exchange_symbol)
        if window is None or not window.known or not window.bid_size or not window.ask_size:
            return []
        if (fields.number(row["bidRp"]), fields.number(row["askRp"])) != (window.best_bid, window.best_ask):
            return []
        units = self._units[contract.exchange_symbol]
        return [_quote(units, window, _nanoseconds(row["timestamp"]), received_time)]


def _topic(message: RealFrame | ScaledFrame) -> str:
    """What brings a book."""
    if type(message) is ScaledFrame:
        return f"{SCALED_BOOK_TOPIC}{message.symbol}"
    return f"{QUOTE_TOPIC if message.depth == 1 else DEPTH_TOPIC}{message.symbol}"


def _quote(units: fields.Units, touch: Touch, event_time: float | None, received_time: float) -> Quote:
    bid, bid_size, ask, ask_size = touch.best_bid, touch.bid_size, touch.best_ask, touch.ask_size
    if event_time is not None:
        plain = fields.touch(units, bid, bid_size, ask, ask_size, event_time, received_time)
        if plain is not None:
            return plain
    best_bid, best_ask = _side(units, bid, bid_size), _side(units, ask, ask_size)
    return Quote(NAME, units.symbol, *best_bid, *best_ask, event_time, received_time)


def _side(units: fields.Units, quoted: float, size: float) -> tuple[float | None, float | None]:
    """One side in our units; two None where it is empty."""
    price, coins = quoted / units.multiplier, size * units.factor
    if units.inverse:
        coins = coins / price if price > 0.0 else 0.0
    return (price, coins) if 0.0 < price < fields.INF and 0.0 < coins < fields.INF else (None, None)


def _nanoseconds(value: Any) -> float | None:
    """Epoch s from epoch ns; None if absent or 0."""
    time_ns = fields.amount(value)
    return time_ns / 1e9 if time_ns else None


def _id_of(message: Mapping[str, Any]) -> str | None:
    """The request an answer is about; 0 is what heartbeats are sent with."""
    request_id = message.get("id")
    return str(request_id) if request_id else None
