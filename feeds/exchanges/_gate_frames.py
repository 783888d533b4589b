"""Reads what Gate sends: frames, and answers to polls.

Source: https://www.gate.com/docs/developers/futures/ws/en (2025-11), checked against frames of 2022, 2023-05, 2026-08
and 2026-09. Sizes count contracts, as numbers or as text. A stream of a contract that does not exist is confirmed and
stays silent on `futures.obu`; everywhere else one unknown name refuses the whole message.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from feeds.book import Book
from feeds.errors import BadPayload, RequestFailed, SubscriptionRejected, UnknownMessage
from feeds.exchanges import _fields as fields
from feeds.exchanges._gate_listing import NAME, status_of
from feeds.exchanges._plans import read_shard, shard_of
from feeds.exchanges.base import Ack, CatalogueChanged, Closing, Resync, ServerTime, Word
from market.models import Depth, Funding, Instrument, Quote, Ticker

QUOTE_CHANNEL, TICKER_CHANNEL, DEPTH_CHANNEL = "futures.book_ticker", "futures.tickers", "futures.obu"
DEPTH_LEVELS = 20
# The ticker list carries neither a time nor an update id. It may be older than the stream, so it decides only where
# the stream has been silent for longer than the list can be old.
POLL_MAY_BE_OLD_S = 5.0

_DATED = re.compile(r"_\d{8}$")
_REFUSED_NAME = re.compile(r"unknown (?:currency pair|contract):? +(\S+)", re.IGNORECASE)
_LIVE_STREAM = re.compile(r"Alert sub ob\.(\S+)\.\d+$")
_UNUSED_CHANNELS = frozenset(
    {
        *("futures.trades", "futures.order_book", "futures.order_book_update", "futures.candlesticks"),
        *("futures.public_liquidates", "futures.contract_stats", "futures.bbo", "futures.trade"),
    }
)


class _Top(msgspec.Struct, gc=False):
    t: int
    u: int
    s: str
    b: float
    B: float
    a: float
    A: float


class _TopFrame(msgspec.Struct, gc=False):
    result: _Top


# strict=False reads "62914.2" as a float in C. It would also read "inf", so the sides are checked below.
_decode_top = msgspec.json.Decoder(_TopFrame, strict=False).decode


class _TickerRow(msgspec.Struct, gc=False):
    contract: str
    last: fields.Positive
    total_size: fields.Quantity
    volume_24h: fields.Quantity
    volume_24h_quote: fields.Quantity
    mark_price: fields.Positive
    index_price: fields.Positive
    funding_rate: fields.Rate
    funding_interval: fields.Positive
    funding_next_apply: fields.Positive
    t: fields.Positive


class _TickersFrame(msgspec.Struct, gc=False):
    result: list[_TickerRow]
    error: None = None


_decode_tickers = msgspec.json.Decoder(_TickersFrame, strict=False).decode


class _DeepBook:
    """A book of futures.obu, None until it came whole."""

    __slots__ = ("book", "lost", "update_id")

    def __init__(self) -> None:
        self.book: Book | None = None
        self.update_id = -1
        self.lost = False


class Decoder(fields.ContractDecoder[fields.Contract]):
    """Reads the frames of one Gate connection, and the answers to its polls."""

    def __init__(self, instruments: Iterable[Instrument], ignored: Collection[str] = ()) -> None:
        super().__init__(NAME, instruments, ignored)
        self._quotes: dict[str, Quote] = {}
        self._books: dict[str, _DeepBook] = {}
        self._announced: set[tuple[str, str]] = set()

    def reset(self, topics: Collection[str]) -> None:
        """Forget what these topics have said."""
        for topic in topics:
            channel, _, exchange_symbol = topic.partition(":")
            if channel == DEPTH_CHANNEL:
                self._books.pop(exchange_symbol, None)
            elif channel == QUOTE_CHANNEL and (contract := self.contracts.get(exchange_symbol)):
                contract.forget()
                self._quotes.pop(exchange_symbol, None)

    def _read(self, frame: bytes, received_time: float) -> Sequence[Word]:
        if frame.find(b'"futures.book_ticker","event":"update"', 0, 140) < 0:
            if frame.find(b'"futures.tickers","event":"update"', 0, 140) >= 0:
                words = self._plain_tickers(frame, received_time)
                if words is not None:
                    return words
            return self._general(orjson.loads(frame), received_time)
        try:
            top = _decode_top(frame).result
        except msgspec.MsgspecError:  # an empty side is "", which is no float: the slow path reads that
            return self._general(orjson.loads(frame), received_time)
        contract = self.contracts.get(top.s)
        if contract is None:
            contract = self._contract(top.s)
            if contract is None:
                return []
        if top.u <= contract.last_id and top.t - contract.last_ms <= fields.RECOUNT_MS:
            self.outdated += 1
            return []
        quote = None
        if top.t > 0:
            quote = fields.touch(contract, top.b, top.B, top.a, top.A, top.t / 1000, received_time)
        if quote is None:
            quote = contract.quote(top.b, top.B, top.a, top.A, fields.seconds(top.t), received_time)
        contract.last_id, contract.last_ms, contract.last_received = top.u, top.t, received_time
        self._quotes[top.s] = quote
        return (quote,)

    def _general(self, message: Any, received_time: float) -> Sequence[Word]:
        match message:
            case {"channel": str(channel), "error": {"message": reason}}:
                raise _refusal(channel, f"{reason}", message)
            case {"channel": "futures.pong"}:
                return [Ack()]
            case {"channel": "futures.system", "result": {"type": str(kind)}}:
                return [Closing(f"the server announced {kind}")] if kind == "upgrade" else []
            case {"channel": str(), "event": "subscribe" | "unsubscribe"}:
                return [Ack(_id_of(message))]
            case {"channel": str(channel), "event": "update" | "all", "result": result}:
                return self._push(channel, result, message, received_time)
            case _:
                raise UnknownMessage(NAME, f"{message!r:.200}")

    def _push(self, channel: str, result: Any, message: dict[str, Any], received_time: float) -> Sequence[Word]:
        if channel == QUOTE_CHANNEL:
            return self._book_ticker(result, received_time)
        if channel == DEPTH_CHANNEL:
            return self._book(result, received_time)
        if channel == TICKER_CHANNEL:
            return self._tickers(result, message.get("time_ms"), received_time)
        if channel in _UNUSED_CHANNELS:
            return []
        raise UnknownMessage(NAME, f"channel {channel!r:.60}")

    def _book_ticker(self, row: dict[str, Any], received_time: float) -> list[Word]:
        contract = self._contract(row["s"])
        if contract is None:
            return []
        update_id, time_ms = int(row["u"]), int(row["t"])
        if update_id <= contract.last_id and time_ms - contract.last_ms <= fields.RECOUNT_MS:
            self.outdated += 1
            return []
        sides = (row["b"], row["B"], row["a"], row["A"])
        quote = contract.quote(*sides, fields.seconds(time_ms), received_time)
        contract.last_id, contract.last_ms, contract.last_received = update_id, time_ms, received_time
        self._quotes[contract.exchange_symbol] = quote
        return [quote]

    def _plain_tickers(self, frame: bytes, received_time: float) -> Sequence[Word] | None:
        """Read tickers as below if all are of known linear contracts and without an empty field; else None."""
        try:
            rows = _decode_tickers(frame).result
        except msgspec.MsgspecError:
            return None
        words: list[Word] = []
        for row in rows:
            contract = self.contracts.get(row.contract)
            if contract is None or contract.inverse:
                return None
            symbol, multiplier, factor, event_time = contract.symbol, contract.multiplier, contract.factor, row.t / 1000
            words += (
                Funding(
                    NAME,
                    symbol,
                    row.mark_price / multiplier,
                    row.index_price / multiplier,
                    row.funding_rate,
                    row.funding_interval / 3600,
                    row.funding_next_apply,
                    event_time,
                    received_time,
                ),
                Ticker(
                    NAME,
                    symbol,
                    row.last / multiplier,
                    row.volume_24h * factor,
                    row.volume_24h_quote,
                    row.total_size * factor,
                    event_time,
                    received_time,
                ),
            )
        return words

    def _tickers(self, rows: list[Any], pushed_ms: Any, received_time: float) -> Sequence[Word]:
        words: list[Word] = []
        failed: list[Exception] = []
        for row in rows:
            try:
                contract = self._contract(row["contract"])
                if contract is None:
                    continue
                event_time = fields.seconds(row.get("t") or pushed_ms)
                words += [
                    _funding(contract, row, event_time, received_time),
                    _ticker(contract, row, event_time, received_time),
                ]
            except Exception as error:  # one row of several
                failed.append(error)
                self._bad_row(str(row.get("contract") if isinstance(row, dict) else row)[:40], error)
        if failed and not words:
            raise failed[0]
        return words

    def _book(self, result: dict[str, Any], received_time: float) -> Sequence[Word]:
        exchange_symbol = result["s"][3 : result["s"].rfind(".")]  # ob.BTC_USDT.50
        contract = self._contract(exchange_symbol)
        if contract is None:
            return []
        update_id = int(result["u"])
        bids, asks = fields.levels(result.get("b") or ()), fields.levels(result.get("a") or ())
        state = self._books.setdefault(exchange_symbol, _DeepBook())
        if result.get("full"):
            state.book, state.lost = Book(bids, asks), False
        else:
            if state.book is not None and update_id <= state.update_id:
                self.outdated += 1
                return []
            first_id = int(result["U"])
            if state.book is None or first_id != state.update_id + 1:
                return self._lost(exchange_symbol, state, f"change {first_id} after {state.update_id}")
            state.book.apply(bids, asks)
        state.update_id = update_id
        if state.book.crossed:
            return self._lost(exchange_symbol, state, "the book is crossed")
        if not bids and not asks and not result.get("full"):
            return []  # only the count moved
        best_bids, best_asks = state.book.levels(DEPTH_LEVELS)
        return [
            Depth(
                NAME,
                contract.symbol,
                tuple(level for quoted in best_bids if (level := contract.level(*quoted))),
                tuple(level for quoted in best_asks if (level := contract.level(*quoted))),
                fields.seconds(result.get("t")),
                received_time,
            )
        ]

    def _lost(self, exchange_symbol: str, state: _DeepBook, reason: str) -> list[Word]:
        """Give the book up until it comes whole, and ask for that once."""
        asked, missed = state.lost, state.book is not None
        state.lost, state.book = True, None
        return [] if asked else [Resync(f"{DEPTH_CHANNEL}:{exchange_symbol}", reason, missed)]

    def _is_foreign(self, exchange_symbol: str) -> bool:
        return _DATED.search(exchange_symbol) is not None

    # -- polls -------------------------------------------------------------------------------------------------

    def _answer(self, purpose: str, body: Any, received_time: float) -> Sequence[Word]:
        if isinstance(body, dict) and "label" in body:
            raise RequestFailed(NAME, f"{body['label']} {body.get('message', '')}".rstrip())
        if purpose == "time":
            return [ServerTime(fields.required(fields.seconds(body["server_time"]), "time"))]
        what, shard, shards = read_shard(purpose)
        if what not in ("tickers", "contracts"):
            return super()._answer(purpose, body, received_time)
        words: list[Word] = []
        bad = 0
        for row in body:
            try:
                exchange_symbol = row["contract" if what == "tickers" else "name"]
                contract = self.contracts.get(exchange_symbol)
                if contract is None or shard_of(exchange_symbol, shards) != shard:
                    continue
                if what == "tickers":
                    words += self._polled(contract, row, received_time)
                else:
                    words += self._listed(contract, row, received_time)
            except Exception as error:  # one row of 980
                bad += 1
                self._bad_row(str(row.get("contract") if isinstance(row, dict) else row)[:40], error)
        if bad and bad == len(body):
            raise BadPayload(NAME, f"none of the {bad} rows of {what} could be read")
        return words

    def _polled(self, contract: fields.Contract, row: Mapping[str, Any], received_time: float) -> list[Word]:
        """Read a row of the ticker list: it brings the first quote and confirms later ones."""
        words: list[Word] = [
            _funding(contract, row, None, received_time),
            _ticker(contract, row, None, received_time),
        ]
        if "highest_bid" not in row or "highest_size" not in row:
            return words  # as in 2023: prices without sizes
        sides = (row["highest_bid"], row["highest_size"], row["lowest_ask"], row["lowest_size"])
        polled = contract.quote(*sides, None, received_time)
        held = self._quotes.get(contract.exchange_symbol)
        if held is not None and _touch(held) == _touch(polled):
            polled = msgspec.structs.replace(held, received_time=received_time)
        elif held is not None and received_time - contract.last_received < POLL_MAY_BE_OLD_S:
            return words
        else:
            self._quotes[contract.exchange_symbol] = polled
        return [polled, *words]

    def _listed(self, contract: fields.Contract, row: Mapping[str, Any], received_time: float) -> list[Word]:
        """Read a row of the contract list: intervals and payment times also of contracts that nobody trades."""
        words: list[Word] = [_funding(contract, row, None, received_time)]
        status = status_of(row)
        if status is not contract.instrument.status and (contract.exchange_symbol, status) not in self._announced:
            self._announced.add((contract.exchange_symbol, status))  # the catalogue may not show it yet
            words.append(CatalogueChanged(f"{contract.exchange_symbol} is {status}, unlike in the catalogue"))
        elif status is contract.instrument.status:
            self._announced = {seen for seen in self._announced if seen[0] != contract.exchange_symbol}
        return words


def _touch(quote: Quote) -> tuple[float | None, float | None, float | None, float | None]:
    return quote.bid_price, quote.bid_size, quote.ask_price, quote.ask_size


def _funding(
    contract: fields.Contract, row: Mapping[str, Any], event_time: float | None, received_time: float
) -> Funding:
    """Intervals and payment times are seconds here, in the stream and in the contract list; the ticker list has none.

    For a minute after a payment the rate is still the one just paid, beside the time of the next.
    """
    interval_s = fields.amount(row.get("funding_interval"))
    return Funding(
        NAME,
        contract.symbol,
        fields.price(row.get("mark_price"), contract.multiplier),
        fields.price(row.get("index_price"), contract.multiplier),
        fields.number(row.get("funding_rate")),
        interval_s / 3600 if interval_s else None,
        fields.amount(row.get("funding_next_apply")) or None,
        event_time,
        received_time,
    )


def _ticker(
    contract: fields.Contract, row: Mapping[str, Any], event_time: float | None, received_time: float
) -> Ticker:
    last_price = fields.price(row.get("last"), contract.multiplier)
    # Contracts, which are exact: volume_24h_base is cut to whole coins.
    volume = fields.amount(row.get("volume_24h"), contract.factor)
    turnover = fields.amount(row.get("volume_24h_quote"))
    open_interest = fields.amount(row.get("total_size"), contract.factor)
    if contract.inverse:  # contracts of a dollar
        turnover = volume
        volume = fields.amount(volume / last_price) if volume is not None and last_price else None
        coin_price = fields.price(row.get("mark_price"), contract.multiplier) or last_price
        open_interest = fields.amount(open_interest / coin_price) if open_interest is not None and coin_price else None
    return Ticker(NAME, contract.symbol, last_price, volume, turnover, open_interest, event_time, received_time)


def _refusal(channel: str, reason: str, message: Mapping[str, Any]) -> SubscriptionRejected:
    """What a refused request was about. The message is refused whole for the one name that its text gives."""
    request_id = _id_of(message)
    if live := _LIVE_STREAM.search(reason):
        return SubscriptionRejected(NAME, reason, (f"{channel}:{live[1]}",), request_id, live=True)
    topics = tuple(f"{channel}:{name}" for name in _REFUSED_NAME.findall(reason))
    return SubscriptionRejected(NAME, reason, topics, request_id)


def _id_of(message: Mapping[str, Any]) -> str | None:
    request_id = message.get("id")
    return None if request_id is None else str(request_id)
