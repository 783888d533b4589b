"""Binance futures: USD-M perpetuals (fapi, TradFi ones included) and COIN-M inverse perpetuals (dapi).

Source: https://developers.binance.com/docs/derivatives (copy of 2026-05-28) and the notice on the CM/UM integration of
2026-06-10, checked against frames of 2026-10-07. USD-M streams are routed since 2026-04-23: bookTicker and depth on
/public, everything else on /market; a stream asked for on the wrong path is confirmed and then silent. All-market
streams carry the rows of both products since 2026-06-30.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec
import orjson

from feeds.errors import BadListing, BadPayload, RequestFailed, SubscriptionRejected, UnknownMessage
from feeds.exchanges import _fields as fields
from feeds.exchanges._binance_listing import NAME, PERPETUAL_TYPES, read_intervals, read_row, status_of
from feeds.exchanges._plans import AdapterBase, read_shard, shard_of, shard_purpose, sharded
from feeds.exchanges.base import (
    DEFAULT_CHANNELS,
    Ack,
    CatalogueChanged,
    Channel,
    Closing,
    ConnectionPlan,
    HttpRequest,
    Poll,
    ServerTime,
    Word,
)
from market.models import Depth, Funding, Instrument, Ticker

ENDPOINTS = {
    "rest": "https://fapi.binance.com",
    "ws": "wss://fstream.binance.com",
    "rest_coinm": "https://dapi.binance.com",
    "ws_coinm": "wss://dstream.binance.com",
}
TOPICS_PER_MESSAGE = 200
TOPICS_PER_CONNECTION = 400  # 1024 are allowed on fstream, and one too many closes the connection
CAPACITY, CAPACITY_COINM = 1000, 200
MESSAGES_PER_S = 4.0  # 10 are allowed, pings included
LIFETIME_S = 24 * 3600.0
MARKET_TOPICS = {"funding": "!markPrice@arr@1s", "ticker": "!ticker@arr"}
CONTRACT_TOPIC = "!contractInfo"
DEPTH_SUFFIX = "@depth10@500ms"
_DATED = re.compile(r"_\d{6}$")
# Documented events that nobody here asks for.
_UNUSED_EVENTS = frozenset(
    {
        *("aggTrade", "trade", "kline", "continuous_kline", "24hrMiniTicker", "forceOrder", "tradingSession"),
        *("compositeIndex", "assetIndexUpdate", "indexPriceUpdate", "indexPrice_kline", "markPrice_kline"),
    }
)


class _BookTicker(msgspec.Struct, gc=False):
    s: str
    u: int
    b: float
    B: float
    a: float
    A: float
    T: int


class _BookTickerFrame(msgspec.Struct, gc=False):
    data: _BookTicker


class _Mark(msgspec.Struct, gc=False):
    e: Literal["markPriceUpdate"]
    E: float
    s: str
    p: float
    i: float
    r: str  # "" for dated contracts and delisted ones, of which there are always some
    T: float


class _Marks(msgspec.Struct, gc=False):
    data: list[_Mark]


class _Ticker(msgspec.Struct, gc=False):
    e: Literal["24hrTicker"]
    E: float
    s: str
    c: float
    v: float
    q: float


class _Tickers(msgspec.Struct, gc=False):
    data: list[_Ticker]


# strict=False reads "83091.60" as a float in C. It would also read "inf", so the numbers are checked below.
_decode_book_ticker = msgspec.json.Decoder(_BookTickerFrame, strict=False).decode
_decode_marks = msgspec.json.Decoder(_Marks, strict=False).decode
_decode_tickers = msgspec.json.Decoder(_Tickers, strict=False).decode


class Decoder(fields.ContractDecoder[fields.Contract]):
    """Reads the frames of one Binance connection, and the answers to its polls."""

    def __init__(self, instruments: Iterable[Instrument], ignored: Collection[str] = ()) -> None:
        super().__init__(NAME, instruments, ignored)

    def reset(self, topics: Collection[str]) -> None:
        """Forget the update ids of these topics' symbols."""
        quoted = {stream_name(contract.exchange_symbol): contract for contract in self.contracts.values()}
        for topic in topics:
            if contract := quoted.get(topic.partition("@")[0]):
                contract.forget()

    def _read(self, frame: bytes, received_time: float) -> Sequence[Word]:
        if frame.find(b'@bookTicker"', 11, 96) > 0:
            try:
                row = _decode_book_ticker(frame).data
            except msgspec.MsgspecError:  # an empty side is "", which is no float: the slow path reads that
                return self._general(orjson.loads(frame), received_time)
            contract = self.contracts.get(row.s)
            if contract is None:
                contract = self._contract(row.s)
                if contract is None:
                    return []
            if row.u <= contract.last_id and row.T - contract.last_ms <= fields.RECOUNT_MS:
                self.outdated += 1
                return []
            plain = fields.touch(contract, row.b, row.B, row.a, row.A, row.T / 1000, received_time)
            if plain is not None:
                contract.last_id, contract.last_ms = row.u, row.T
                return [plain]
            return self._book_ticker(msgspec.structs.asdict(row), received_time)
        try:
            if frame.startswith(b'{"stream":"!markPrice@arr'):
                return self._marks(_decode_marks(frame).data, received_time)
            if frame.startswith(b'{"stream":"!ticker@arr"'):
                return self._tickers(_decode_tickers(frame).data, received_time)
        except (msgspec.MsgspecError, ValueError):  # a bad row, which must lose only itself
            pass
        return self._general(orjson.loads(frame), received_time)

    def _marks(self, rows: list[_Mark], received_time: float) -> list[Word]:
        """Read the marks of all contracts, the plain ones here and all others in `_mark_price`. Raises ValueError."""
        words: list[Word] = []
        contracts, inf = self.contracts, fields.INF
        for row in rows:
            contract = contracts.get(row.s)
            if contract is None:
                continue
            multiplier = contract.multiplier
            mark_price, index_price, next_time, event_ms = row.p / multiplier, row.i / multiplier, row.T, row.E
            if 0.0 < mark_price < inf and 0.0 < index_price < inf and 0.0 < next_time < inf and 0.0 < event_ms < inf:
                rate, interval_h = fields.number(row.r), contract.instrument.funding_interval_h
                words.append(
                    Funding(
                        NAME, contract.symbol, mark_price, index_price, rate, interval_h,
                        next_time / 1000, event_ms / 1000, received_time,
                    )
                )  # fmt: skip
            else:
                words += self._mark_price(msgspec.structs.asdict(row), received_time)
        return words

    def _tickers(self, rows: list[_Ticker], received_time: float) -> list[Word]:
        """Read the tickers of all contracts, as above."""
        words: list[Word] = []
        contracts, inf = self.contracts, fields.INF
        for row in rows:
            contract = contracts.get(row.s)
            if contract is None:
                continue
            multiplier = contract.multiplier
            last_price, event_ms = row.c / multiplier, row.E
            volume, turnover = row.v * contract.factor, row.q
            if contract.inverse:
                volume, turnover = turnover * multiplier, volume
            if 0.0 < last_price < inf and 0.0 <= volume < inf and 0.0 <= turnover < inf and 0.0 < event_ms < inf:
                words.append(
                    Ticker(NAME, contract.symbol, last_price, volume, turnover, None, event_ms / 1000, received_time)
                )
            else:
                words += self._ticker(msgspec.structs.asdict(row), received_time)
        return words

    def _general(self, message: Any, received_time: float) -> Sequence[Word]:
        match message:
            case {"stream": str(stream), "data": list(rows)}:
                return self._rows(rows, stream, received_time)
            case {"stream": str(stream), "data": dict(event)}:
                return self._event(event, stream, received_time)
            case {"event": {"e": "serverShutdown"}}:
                return [Closing("the server announced its shutdown")]
            case {"e": str()}:  # raw /ws mode has no envelope
                return self._event(message, "", received_time)
            case [{"e": str()}, *_]:
                return self._rows(message, "", received_time)
            case {"error": {"code": code, "msg": reason}, **rest}:
                raise SubscriptionRejected(NAME, f"{code} {reason}", request_id=_id_of(rest))
            case {"code": code, "msg": reason, **rest}:
                raise SubscriptionRejected(NAME, f"{code} {reason}", request_id=_id_of(rest))
            case {"result": None | list(), **rest}:
                return [Ack(_id_of(rest))]
            case _:
                raise UnknownMessage(NAME, f"{message!r:.200}")

    def _rows(self, rows: list[Any], stream: str, received_time: float) -> list[Word]:
        """Read an all-market message. Rows of other products are skipped; a bad row loses only itself."""
        words: list[Word] = []
        bad = 0
        for row in rows:
            try:
                exchange_symbol = row["s"]
                if exchange_symbol in self.contracts:
                    words.extend(self._event(row, stream, received_time))
            except Exception as error:  # one row of 700
                bad += 1
                self._bad_row(str(row.get("s") if isinstance(row, dict) else row)[:40], error)
        if bad and bad == len(rows):
            raise BadPayload(NAME, f"none of the {bad} rows of {stream or 'a list'} could be read")
        return words

    def _event(self, event: dict[str, Any], stream: str, received_time: float) -> Sequence[Word]:
        kind = event.get("e")
        if kind == "bookTicker" or (kind is None and stream.endswith("@bookTicker")):
            return self._book_ticker(event, received_time)
        if kind == "markPriceUpdate":
            return self._mark_price(event, received_time)
        if kind == "24hrTicker":
            return self._ticker(event, received_time)
        if kind == "depthUpdate":
            return self._depth(event, stream, received_time)
        if kind == "contractInfo":
            return self._contract_info(event)
        if kind == "serverShutdown":
            return [Closing("the server announced its shutdown")]
        if kind in _UNUSED_EVENTS:
            return []
        raise UnknownMessage(NAME, f"event {kind!r:.60} on {stream!r:.60}")

    def _book_ticker(self, row: dict[str, Any], received_time: float) -> list[Word]:
        contract = self._contract(row["s"])
        if contract is None:
            return []
        update_id, transaction_ms = int(row["u"]), int(row.get("T") or row["E"])
        if update_id <= contract.last_id and transaction_ms - contract.last_ms <= fields.RECOUNT_MS:
            self.outdated += 1
            return []
        quote = contract.quote(row["b"], row["B"], row["a"], row["A"], transaction_ms / 1000, received_time)
        contract.last_id, contract.last_ms = update_id, transaction_ms
        return [quote]

    def _mark_price(self, row: dict[str, Any], received_time: float) -> list[Word]:
        contract = self._contract(row["s"])
        if contract is None:
            return []
        multiplier = contract.multiplier
        # T is the next funding here, not the time of the message; 0 where there is none, as for delisted contracts.
        next_funding_time = fields.seconds(row.get("T"))
        funded = next_funding_time is not None
        return [
            Funding(
                NAME,
                contract.symbol,
                fields.price(row["p"], multiplier),
                fields.price(row.get("i"), multiplier),
                fields.number(row.get("r")) if funded else None,
                contract.instrument.funding_interval_h if funded else None,
                next_funding_time,
                fields.seconds(row["E"]),
                received_time,
            )
        ]

    def _ticker(self, row: dict[str, Any], received_time: float) -> list[Word]:
        contract = self._contract(row["s"])
        if contract is None:
            return []
        volume, turnover = fields.amount(row["v"], contract.factor), fields.amount(row["q"])
        if contract.inverse:  # v counts contracts of `factor` dollars and q coins
            volume, turnover = fields.amount(row["q"], contract.multiplier), volume
        last_price = fields.price(row["c"], contract.multiplier)
        event_time = fields.seconds(row["E"])
        return [Ticker(NAME, contract.symbol, last_price, volume, turnover, None, event_time, received_time)]

    def _depth(self, row: dict[str, Any], stream: str, received_time: float) -> list[Word]:
        """Read a partial book. Diffs have the same event name and are told apart by their stream; we use none."""
        contract = self._contract(row["s"])
        if contract is None or not re.search(r"@depth(5|10|20)(@|$)", stream):
            return []
        bids = tuple(level for p, q in row["b"] if (level := contract.level(p, q)))
        asks = tuple(level for p, q in row["a"] if (level := contract.level(p, q)))
        return [Depth(NAME, contract.symbol, bids, asks, fields.seconds(row["T"]), received_time)]

    def _contract_info(self, row: dict[str, Any]) -> list[Word]:
        """Announce a listing or a change of status; changes of the margin tiers come the same way."""
        if row.get("ct") not in PERPETUAL_TYPES:
            return []
        contract = self.contracts.get(row["s"])
        if contract is not None and contract.instrument.status is status_of(row["cs"]):
            return []
        return [CatalogueChanged(f"{row['s']} is {row['cs']}")]

    def _is_foreign(self, exchange_symbol: str) -> bool:
        return _DATED.search(exchange_symbol) is not None

    def _answer(self, purpose: str, body: Any, received_time: float) -> Sequence[Word]:
        if isinstance(body, dict) and "code" in body and "msg" in body:
            raise RequestFailed(NAME, f"{body['code']} {body['msg']}")
        if purpose == "time":
            return [ServerTime(fields.required(fields.seconds(body["serverTime"]), "time"))]
        what, shard, shards = read_shard(purpose)
        if what not in ("quotes", "quotes_coinm"):
            return super()._answer(purpose, body, received_time)
        words: list[Word] = []
        for row in body:
            try:
                contract = self.contracts.get(row["symbol"])
                if contract is None or contract.inverse is not (what == "quotes_coinm"):
                    continue
                if shard_of(contract.exchange_symbol, shards) != shard:
                    continue
                words.extend(self._polled(contract, row, received_time))
            except Exception as error:  # one row of 800
                self._bad_row(str(row.get("symbol") if isinstance(row, dict) else row)[:40], error)
        return words

    def _polled(self, contract: fields.Contract, row: dict[str, Any], received_time: float) -> list[Word]:
        """Read one row of ticker/bookTicker: it confirms a quiet symbol, and never overrides a newer stream."""
        time_ms = int(row["time"])
        update_id = row.get("lastUpdateId")
        older = int(update_id) < contract.last_id if update_id is not None else time_ms < contract.last_ms
        if older and time_ms - contract.last_ms <= fields.RECOUNT_MS:
            return []
        sides = (row["bidPrice"], row["bidQty"], row["askPrice"], row["askQty"])
        return [contract.quote(*sides, fields.seconds(time_ms), received_time)]


def stream_name(exchange_symbol: str) -> str:
    """The symbol as streams want it: lower case where ASCII, everything else as it is."""
    return exchange_symbol.encode().lower().decode()


def _id_of(message: Mapping[Any, Any]) -> str | None:
    request_id = message.get("id")
    return None if request_id is None else str(request_id)


class Adapter(AdapterBase):
    """Binance's facts and rules."""

    name = NAME
    title = "Binance"
    endpoints = ENDPOINTS
    request_weight_per_s = 20.0  # half of the 2400 a minute that fapi and dapi share
    topics_per_message = TOPICS_PER_MESSAGE
    messages_per_s = MESSAGES_PER_S
    lifetime_s = LIFETIME_S

    def instrument_requests(self) -> list[HttpRequest]:
        """exchangeInfo of both products, and the funding intervals, which also cover both."""
        rest, coinm = self._hosts["rest"], self._hosts["rest_coinm"]
        return [
            HttpRequest("GET", f"{rest}/fapi/v1/exchangeInfo", "instruments"),
            HttpRequest("GET", f"{coinm}/dapi/v1/exchangeInfo", "instruments"),
            HttpRequest("GET", f"{rest}/fapi/v1/fundingInfo", "funding_info", optional=True),
        ]

    def parse_instruments(self, bodies: Sequence[bytes]) -> list[Instrument]:
        """Read exchangeInfo bodies and, where it came, fundingInfo. Raises BadListing."""
        rows: list[Any] = []
        intervals: dict[str, float] | None = None
        for body in bodies:
            if not body:
                continue
            match self._json(body):
                case {"symbols": list(symbols)}:
                    rows.extend(symbols)
                case list(infos):
                    intervals = {**(intervals or {}), **read_intervals(infos)}
                case other:
                    raise BadListing(NAME, f"not an exchangeInfo: {other!r:.120}")
        if not rows:
            raise BadListing(NAME, "no exchangeInfo among the answers")

        def read(row: Any) -> Instrument | None:
            return read_row(row, intervals) if row["contractType"] in PERPETUAL_TYPES else None

        return self._kept(self._read_rows(rows, read, "symbol"))

    def connections(
        self, instruments: Sequence[Instrument], channels: Collection[Channel] = DEFAULT_CHANNELS
    ) -> list[ConnectionPlan]:
        """One market connection for both products, and top-of-book connections for each."""
        trading = self._trading(instruments)
        linear = [i.exchange_symbol for i in trading if i.kind == "linear"]
        inverse = [i.exchange_symbol for i in trading if i.kind == "inverse"]
        plans = self._book_plans("public", linear, channels)
        plans += self._book_plans("coinm", inverse, channels)
        market = [topic for channel, topic in MARKET_TOPICS.items() if channel in channels]
        if trading and market:  # announcements alone would leave the socket silent for hours
            url = f"{self._hosts['ws']}/market/stream"
            plans.append(self._plan("market", 0, url, [*market, CONTRACT_TOPIC], CAPACITY, idle_timeout_s=10.0))
        return plans

    def _book_plans(self, pool: str, symbols: list[str], channels: Collection[Channel]) -> list[ConnectionPlan]:
        suffixes = ["@bookTicker"] if "quotes" in channels else []
        if "depth" in channels:
            suffixes.append(DEPTH_SUFFIX)
        if not suffixes or not symbols:
            return []
        coinm = pool == "coinm"
        url = f"{self._hosts['ws_coinm']}/stream" if coinm else f"{self._hosts['ws']}/public/stream"
        capacity = CAPACITY_COINM if coinm else CAPACITY
        per_connection = (capacity // 2 if coinm else TOPICS_PER_CONNECTION) // len(suffixes)
        shards = sharded(symbols, per_connection)
        plans = []
        for shard, members in enumerate(shards):
            topics = [f"{stream_name(symbol)}{suffix}" for symbol in members for suffix in suffixes]
            polls = self._polls(coinm, shard, len(shards)) if "quotes" in channels else ()
            plans.append(self._plan(pool, shard, url, topics, capacity, polls))
        return plans

    def _polls(self, coinm: bool, shard: int, shards: int) -> tuple[Poll, ...]:
        """A quiet symbol sends nothing: REST primes it and confirms it. The clock is the same for both products."""
        if coinm:
            url, what = f"{self._hosts['rest_coinm']}/dapi/v1/ticker/bookTicker", "quotes_coinm"
        else:
            url, what = f"{self._hosts['rest']}/fapi/v1/ticker/bookTicker", "quotes"
        polls = [Poll(HttpRequest("GET", url, shard_purpose(what, shard, shards), weight=5.0), 5.0)]
        if shard == 0 and not coinm:
            polls.append(Poll(HttpRequest("GET", f"{self._hosts['rest']}/fapi/v1/time", "time"), 10.0))
        return tuple(polls)

    def subscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that asks for these streams."""
        return _request("SUBSCRIBE", topics, request_id)

    def unsubscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that gives these streams up."""
        return _request("UNSUBSCRIBE", topics, request_id)

    def symbols_of(self, topics: Iterable[str], instruments: Iterable[Instrument]) -> set[str]:
        """Our symbols whose best bid and ask come over these topics."""
        wanted = set(topics)
        return {
            i.symbol
            for i in instruments
            if i.exchange == NAME and f"{stream_name(i.exchange_symbol)}@bookTicker" in wanted
        }

    def decoder(self, instruments: Iterable[Instrument]) -> Decoder:
        """A decoder with the state of one new connection."""
        return Decoder(instruments, self._ignored)


def _request(method: str, topics: Sequence[str], request_id: str) -> str:
    # Documented as an integer; the answer repeats it, and `_id_of` turns it back into text.
    number = int(request_id) if request_id.isdecimal() else request_id
    return orjson.dumps({"method": method, "params": list(topics), "id": number}).decode()
