"""Reads what Deribit sends: JSON-RPC frames, and answers to polls.

Source: https://docs.deribit.com (copy of 2026-03), checked against frames of 2019, 2021, 2022-05, 2025-12 and 2026-09.
Amounts are coins on linear contracts and dollars on inverse ones; no contract size comes into it. Funding accrues every
millisecond: `current_funding` is the rate for eight hours, `funding_8h` looks back, and there is no next payment.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, NoReturn, TypeVar

import msgspec
import orjson

from feeds.errors import BadPayload, RequestFailed, SubscriptionRejected, UnknownMessage
from feeds.exchanges import _fields as fields
from feeds.exchanges._deribit_listing import FUNDING_INTERVAL_H, NAME
from feeds.exchanges.base import Ack, CatalogueChanged, Closing, Reply, ServerTime, Word
from market.models import Depth, Funding, Instrument, Quote, Ticker

QUOTE_TOPIC, TICKER_TOPIC = "quote.{}", "ticker.{}.agg2"
DEPTH_LEVELS = 20
DEPTH_TOPIC = f"book.{{}}.none.{DEPTH_LEVELS}.100ms"
STATE_TOPIC, PLATFORM_TOPIC = "instrument.state.future.any", "platform_state"
PERPETUAL_SUFFIX = "-PERPETUAL"

# An answer only carries the id of its request, so the id says how many channels were asked for: unknown ones are left
# out of the answer without a word. Ids below ID_STEP are those of the messages below.
ID_STEP = 1000
HEARTBEAT_ID, TEST_ID = 1, 2
HEARTBEAT_INTERVAL_S = 30
SET_HEARTBEAT = orjson.dumps(
    {
        "jsonrpc": "2.0",
        "id": HEARTBEAT_ID,
        "method": "public/set_heartbeat",
        "params": {"interval": HEARTBEAT_INTERVAL_S},
    }
).decode()
TEST = orjson.dumps({"jsonrpc": "2.0", "id": TEST_ID, "method": "public/test", "params": {}}).decode()

_WINDOW = re.compile(r"book\.([^.]+)\.none\.\d+\.\w+")
_UNUSED_TOPICS = frozenset(
    {
        *("book", "trades", "perpetual", "deribit_price_index", "deribit_price_ranking", "deribit_price_statistics"),
        *("deribit_volatility_index", "estimated_expiration_price", "chart", "incremental_ticker", "instrument"),
        *("markprice", "platform_state", "rfq", "block_trade_confirmations", "block_rfq"),
    }
)
_TOO_MANY_REQUESTS = 10028
_MAINTENANCE = 11051


_Data = TypeVar("_Data")


class _Top(msgspec.Struct, gc=False):
    timestamp: int
    instrument_name: str
    best_bid_price: float
    best_bid_amount: float
    best_ask_price: float
    best_ask_amount: float


class _Stats(msgspec.Struct, gc=False):
    volume: fields.Quantity
    volume_notional: fields.Quantity | None = None
    volume_usd: fields.Quantity | None = None


class _Full(msgspec.Struct, gc=False):
    """A ticker with all its values, in the order in which they come, which is read faster; few have `stats`."""

    timestamp: Annotated[int, msgspec.Meta(gt=0)]
    state: Literal["open"]
    index_price: fields.Positive
    instrument_name: str
    last_price: fields.Positive
    open_interest: fields.Quantity
    mark_price: fields.Positive
    best_ask_price: fields.Positive
    best_bid_price: fields.Positive
    best_ask_amount: fields.Positive
    best_bid_amount: fields.Positive
    current_funding: float
    stats: _Stats | None = None


class _Params(msgspec.Struct, Generic[_Data], gc=False):
    data: _Data


class _Frame(msgspec.Struct, Generic[_Data], gc=False):
    params: _Params[_Data]


_START = b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"'
_QUOTE_START, _TICKER_START = _START + b"quote.", _START + b"ticker."
_decode_top = msgspec.json.Decoder(_Frame[_Top]).decode
_pick_top = fields.picker(
    {
        "params": {
            "data": {
                "timestamp": "integer",
                "instrument_name": "text",
                "best_ask_price": "positive",
                "best_bid_price": "positive",
                "best_ask_amount": "positive",
                "best_bid_amount": "positive",
            }
        }
    },
    _QUOTE_START,
)
_pick_full = fields.picker(
    {
        "params": {
            "data": {
                "timestamp": "integer",
                "state": b'"open"',
                "index_price": "positive",
                "instrument_name": "text",
                "last_price": "positive",
                "open_interest": "quantity",
                "mark_price": "positive",
                "best_ask_price": "positive",
                "best_bid_price": "positive",
                "best_ask_amount": "positive",
                "best_bid_amount": "positive",
                "current_funding": "number",
                "stats?": {"volume": "quantity", "volume_notional?": "quantity", "volume_usd?": "quantity"},
            }
        }
    },
    _TICKER_START,
)
_decode_full = msgspec.json.Decoder(_Frame[_Full]).decode


class _Contract(fields.Contract):
    """A contract with its last quote and what is known of its state. Amounts are coins already, or dollars."""

    __slots__ = ("held", "state")

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.held: Quote | None = None
        self.state = "open"

    def forget(self) -> None:
        """Start over, as before the first message."""
        super().forget()
        self.held = None

    def describe(self, instrument: Instrument) -> None:
        """Take over a new reading of the listing."""
        super().describe(instrument)
        self.factor = 1.0 if self.inverse else self.multiplier


class Decoder(fields.ContractDecoder[_Contract]):
    """Reads the frames of one Deribit connection, and the answers to its polls."""

    contract_type = _Contract

    def __init__(self, instruments: Iterable[Instrument], ignored: Collection[str] = ()) -> None:
        super().__init__(NAME, instruments, ignored)
        self._change_ids: dict[str, int] = {}
        self._beating = False

    def reset(self, topics: Collection[str]) -> None:
        """Forget the quotes and change numbers of these topics."""
        for topic in topics:
            kind, _, rest = topic.partition(".")
            exchange_symbol = rest.partition(".")[0]
            self._change_ids.pop(topic, None)
            if kind == "quote" and (contract := self.contracts.get(exchange_symbol)):
                contract.forget()

    def _read(self, frame: bytes, received_time: float) -> Sequence[Word]:
        picked = _pick_top(frame)
        if picked is not None and (words := self._plain_top(picked, received_time)):
            return words
        picked = _pick_full(frame)
        if picked is not None and (words := self._full(picked, received_time)):
            return words
        try:
            if frame.startswith(_QUOTE_START):
                return self._top(_decode_top(frame).params.data, received_time)
            if frame.startswith(_TICKER_START) and (
                words := self._full(_whole(_decode_full(frame).params.data), received_time)
            ):
                return words
        except msgspec.MsgspecError:  # an empty side
            pass
        return self._general(orjson.loads(frame), received_time)

    def _plain_top(self, picked: tuple[Any, ...], received_time: float) -> Sequence[Word] | None:
        """Read a top of book as below if it is two-sided and newer than all before; else None."""
        time_ms, exchange_symbol, ask, bid, ask_size, bid_size = picked
        contract = self.contracts.get(exchange_symbol)
        if contract is None or time_ms <= contract.last_ms:
            return None
        quote = fields.touch(contract, bid, bid_size, ask, ask_size, time_ms / 1000, received_time)
        if quote is None:
            return None
        contract.last_ms, contract.last_received = time_ms, received_time
        contract.held = quote
        return (quote,)

    def _top(self, top: _Top, received_time: float) -> Sequence[Word]:
        contract = self.contracts.get(top.instrument_name)
        if contract is None:
            contract = self._contract(top.instrument_name)
            if contract is None:
                return ()
        sides = (top.best_bid_price, top.best_bid_amount, top.best_ask_price, top.best_ask_amount)
        quote = fields.touch(contract, *sides, top.timestamp / 1000, received_time)
        if quote is None:
            quote = _quote(contract, *sides, top.timestamp, received_time)
        return self._hold(contract, quote, top.timestamp, received_time)

    def _hold(self, contract: _Contract, quote: Quote, time_ms: int, received_time: float) -> Sequence[Word]:
        """Take over a streamed quote, unless it came before: there is no sequence number, only the time."""
        if time_ms <= contract.last_ms and not fields.clock_set_back(
            (contract.last_ms - time_ms) / 1000, received_time - contract.last_received
        ):
            held = contract.held
            if time_ms < contract.last_ms or (held is not None and _sides(held) == _sides(quote)):
                self.outdated += 1
                return ()
        contract.last_ms, contract.last_received = time_ms, received_time
        contract.held = quote
        return (quote,)

    def _general(self, message: Any, received_time: float) -> Sequence[Word]:
        match message:
            case {"method": "subscription", "params": {"channel": str(channel), "data": data}}:
                return self._topic(channel, data, received_time)
            case {"method": "heartbeat", "params": {"type": "test_request"}}:
                return [Reply(TEST)]
            case {"method": "heartbeat"}:
                return []
            case {"id": int(number), "result": list(topics)} if number >= ID_STEP:
                return self._confirmed(number, topics)
            case {"error": {"code": int(code), **error}}:
                self._refused(message, code, error)
            case {"id": _, "result": []}:
                raise SubscriptionRejected(NAME, "none of the channels was subscribed")
            case {"id": _, "result": _}:
                return [Ack()]
            case dict():
                raise UnknownMessage(NAME, f"{message!r:.200}")
            case _:  # every message is an object: this may be what is left of one that we know
                raise BadPayload(NAME, f"{message!r:.200}")

    def _confirmed(self, number: int, topics: list[Any]) -> list[Word]:
        """Read the answer to a subscription.

        Raises:
            SubscriptionRejected: If channels are missing from it. It is `live` unless all are.
        """
        request_id, asked = str(number // ID_STEP), number % ID_STEP
        if len(topics) < asked:
            reason = f"{asked - len(topics)} of {asked} channels are left out"
            raise SubscriptionRejected(NAME, reason, request_id=request_id, live=bool(topics))
        words: list[Word] = [Ack(request_id, tuple(str(topic) for topic in topics))]
        if not self._beating:
            self._beating = True
            words.append(Reply(SET_HEARTBEAT))
        return words

    def _refused(self, message: Mapping[Any, Any], code: int, error: Mapping[Any, Any]) -> NoReturn:
        reason = f"{code} {error.get('message')} {error.get('data') or ''}".rstrip()[:200]
        if code in (_TOO_MANY_REQUESTS, _MAINTENANCE):
            # Asking again makes it worse, and the exchange closes the session anyway.
            raise RequestFailed(NAME, reason)
        number = message.get("id")
        request_id = str(number // ID_STEP) if isinstance(number, int) and number >= ID_STEP else None
        raise SubscriptionRejected(NAME, reason, request_id=request_id)

    def _topic(self, channel: str, data: Any, received_time: float) -> Sequence[Word]:
        kind = channel.partition(".")[0]
        if kind == "quote":
            return self._general_top(data, received_time)
        if kind == "ticker":
            return self._ticker(data, received_time)
        if channel.startswith("instrument.state."):
            return self._state(data)
        if channel == PLATFORM_TOPIC:
            return [Closing("the platform goes into maintenance")] if data.get("maintenance") else []
        if match := _WINDOW.fullmatch(channel):
            return self._depth(channel, match[1], data, received_time)
        if kind in _UNUSED_TOPICS:
            return []
        raise UnknownMessage(NAME, f"channel {channel!r:.80}")

    def _general_top(self, data: Mapping[str, Any], received_time: float) -> Sequence[Word]:
        """Read a top of book with an empty side, or with its keys in another order."""
        contract = self._contract(data["instrument_name"])
        if contract is None:
            return []
        time_ms = int(data["timestamp"])
        return self._hold(contract, _quote_of(contract, data, received_time), time_ms, received_time)

    def _ticker(self, data: Mapping[str, Any], received_time: float) -> Sequence[Word]:
        """Read a ticker. Its touch confirms a quiet quote; which of two differing ones is newer, it does not tell."""
        contract = self._contract(data["instrument_name"])
        if contract is None:
            return []
        time_ms = int(data["timestamp"])
        words = [*_market(contract, data, data["last_price"], data.get("stats") or {}, time_ms, received_time)]
        quote = _quote_of(contract, data, received_time)
        held = contract.held
        if held is None:
            words.append(quote)
        elif time_ms >= contract.last_ms and _sides(held) == (sides := _sides(quote)):
            words.append(Quote(NAME, contract.symbol, *sides, held.event_time, received_time))
        state = data.get("state")
        if isinstance(state, str) and state != contract.state:
            words.append(CatalogueChanged(f"{contract.exchange_symbol} is {state}"))
        contract.state = str(state or "open")
        return words

    def _full(self, whole: tuple[Any, ...], received_time: float) -> Sequence[Word] | None:
        """Read a ticker in which nothing is missing or odd; None, and nothing is done, if there is more to it."""
        (
            time_ms, index, exchange_symbol, last, interest, mark, ask, bid, ask_size, bid_size, rate,
            volume, turnover, dollars,
        ) = whole  # fmt: skip
        contract = self.contracts.get(exchange_symbol)
        if contract is None or contract.state != "open" or time_ms <= 0:
            return None
        symbol, multiplier = contract.symbol, contract.multiplier
        index, last, mark = index / multiplier, last / multiplier, mark / multiplier
        if contract.inverse:
            interest /= mark
        else:
            interest *= multiplier
        if volume is not None:
            volume *= multiplier
        turnover = dollars if turnover is None else turnover
        event_time = time_ms / 1000
        held = contract.held
        quote = fields.touch(
            contract,
            bid,
            bid_size,
            ask,
            ask_size,
            event_time if held is None else held.event_time,
            received_time,
        )
        if quote is None:
            return None
        funding = Funding(NAME, symbol, mark, index, rate, FUNDING_INTERVAL_H, None, event_time, received_time)
        ticker = Ticker(NAME, symbol, last, volume, turnover, interest, event_time, received_time)
        if held is not None and (
            time_ms < contract.last_ms
            or held.bid_price != quote.bid_price
            or held.bid_size != quote.bid_size
            or held.ask_price != quote.ask_price
            or held.ask_size != quote.ask_size
        ):
            return [funding, ticker]
        return [funding, ticker, quote]

    def _state(self, data: Mapping[str, Any]) -> list[Word]:
        exchange_symbol, state = data["instrument_name"], data["state"]
        if not str(exchange_symbol).endswith(PERPETUAL_SUFFIX):
            return []  # dated contracts come and go every day
        return [CatalogueChanged(f"{exchange_symbol} is {state}"[:100])]

    def _depth(
        self, channel: str, exchange_symbol: str, data: Mapping[str, Any], received_time: float
    ) -> Sequence[Word]:
        """Read a whole book of a few levels."""
        contract = self._contract(exchange_symbol)
        if contract is None:
            return []
        change_id = int(data["change_id"])
        bids, asks = _levels(contract, data["bids"]), _levels(contract, data["asks"])
        event_time = fields.seconds(data["timestamp"])
        if change_id < self._change_ids.get(channel, -1):
            self.outdated += 1
            return []
        if bids and asks and bids[0][0] >= asks[0][0]:
            raise BadPayload(NAME, f"the book of {exchange_symbol} is crossed")
        self._change_ids[channel] = change_id
        return [Depth(NAME, contract.symbol, bids, asks, event_time, received_time)]

    def _is_foreign(self, exchange_symbol: str) -> bool:
        return not exchange_symbol.endswith(PERPETUAL_SUFFIX)

    def _answer(self, purpose: str, body: Any, received_time: float) -> Sequence[Word]:
        if error := body.get("error"):
            raise RequestFailed(NAME, f"{error.get('code')} {error.get('message')}")
        result = body["result"]
        if purpose == "time":
            microseconds = fields.amount(body.get("usOut"))
            server_time = microseconds / 1e6 if microseconds else fields.seconds(result)
            return [ServerTime(fields.required(server_time, "time"))]
        if purpose != "summary":
            return super()._answer(purpose, body, received_time)
        words: list[Word] = []
        bad = 0
        for row in result:
            try:
                contract = self.contracts.get(row["instrument_name"])
                if contract is not None:
                    words += self._summary(contract, row, received_time)
            except Exception as error:  # one row of 170
                bad += 1
                self._bad_row(str(row.get("instrument_name") if isinstance(row, dict) else row)[:40], error)
        if bad and bad == len(result):
            raise BadPayload(NAME, f"none of the {bad} rows of the summary could be read")
        return words

    def _summary(self, contract: _Contract, row: Mapping[str, Any], received_time: float) -> list[Word]:
        """Read one row of the book summary. It has prices without sizes, which confirm a quote that is held."""
        time_ms = int(row["creation_timestamp"])
        funding = {**row, "index_price": row.get("estimated_delivery_price")}
        words: list[Word] = [*_market(contract, funding, row.get("last"), row, time_ms, received_time)]
        held = contract.held
        if held is None or time_ms < contract.last_ms:
            return words
        bid_price = fields.price(row.get("bid_price"), contract.multiplier)
        ask_price = fields.price(row.get("ask_price"), contract.multiplier)
        if (bid_price, ask_price) == (held.bid_price, held.ask_price):
            words.append(Quote(NAME, contract.symbol, *_sides(held), held.event_time, received_time))
        return words


def _sides(quote: Quote) -> tuple[float | None, float | None, float | None, float | None]:
    return quote.bid_price, quote.bid_size, quote.ask_price, quote.ask_size


def _quote_of(contract: fields.Contract, data: Mapping[str, Any], received_time: float) -> Quote:
    bid, ask = (data["best_bid_price"], data["best_bid_amount"]), (data["best_ask_price"], data["best_ask_amount"])
    return _quote(contract, *bid, *ask, data["timestamp"], received_time)


def _whole(row: _Full) -> tuple[Any, ...]:
    """What `_pick_full` picks."""
    stats = row.stats
    return (
        row.timestamp, row.index_price, row.instrument_name, row.last_price, row.open_interest,
        row.mark_price, row.best_ask_price, row.best_bid_price, row.best_ask_amount, row.best_bid_amount,
        row.current_funding,
        *((None, None, None) if stats is None else (stats.volume, stats.volume_notional, stats.volume_usd)),
    )  # fmt: skip


def _quote(
    contract: fields.Contract, bid: Any, bid_amount: Any, ask: Any, ask_amount: Any, time_ms: Any, received_time: float
) -> Quote:
    """A quote from amounts: coins of the listed unit, or dollars."""
    bid_side = _side(contract, bid, bid_amount)
    ask_side = _side(contract, ask, ask_amount)
    return Quote(NAME, contract.symbol, *bid_side, *ask_side, fields.seconds(time_ms), received_time)


def _side(contract: fields.Contract, quoted_price: Any, quoted_amount: Any) -> tuple[float | None, float | None]:
    price = fields.price(quoted_price, contract.multiplier)
    coins = _coins(contract, quoted_amount, price)
    return (price, coins) if price and coins else (None, None)


def _coins(contract: fields.Contract, quoted_amount: Any, price: float | None) -> float | None:
    """Coins of an amount; None where it is dollars and no price is known."""
    if not contract.inverse:
        return fields.amount(quoted_amount, contract.multiplier)
    dollars = fields.amount(quoted_amount)
    return None if dollars is None or not price else fields.amount(dollars / price)


def _levels(contract: fields.Contract, rows: Iterable[Sequence[Any]]) -> tuple[tuple[float, float], ...]:
    levels: list[tuple[float, float]] = []
    for row in rows:
        price, coins = _side(contract, row[0], row[1])
        if price is not None and coins is not None:
            levels.append((price, coins))
    return tuple(levels[:DEPTH_LEVELS])


def _market(
    contract: fields.Contract,
    data: Mapping[str, Any],
    last: Any,
    stats: Mapping[str, Any],
    time_ms: int,
    received_time: float,
) -> list[Word]:
    """What tickers and summaries have in common. Volumes are coins, and dollars beside them."""
    event_time = fields.seconds(time_ms)
    mark_price = fields.price(data["mark_price"], contract.multiplier)
    funding = Funding(
        NAME,
        contract.symbol,
        mark_price,
        fields.price(data.get("index_price"), contract.multiplier),
        fields.number(data.get("current_funding")),
        FUNDING_INTERVAL_H,
        None,
        event_time,
        received_time,
    )
    last_price = fields.price(last, contract.multiplier)
    volume = fields.amount(stats.get("volume"), contract.multiplier)
    turnover = fields.amount(stats.get("volume_notional"))
    if turnover is None:
        turnover = fields.amount(stats.get("volume_usd"))
    open_interest = _coins(contract, data.get("open_interest"), mark_price or last_price)
    ticker = Ticker(NAME, contract.symbol, last_price, volume, turnover, open_interest, event_time, received_time)
    return [funding, ticker]
