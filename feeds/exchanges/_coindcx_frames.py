"""Reads what CoinDCX sends: Socket.IO events, and answers to polls.

Source: https://docs.coindcx.com (copies of 2025-12 and 2026-05), the wire as measured on 2026-09-22 and 23. An event
is `["name", {"event": ..., "data": "<JSON as text>"}]`: JSON twice over. Books are windows of the best levels, which
`vs` numbers without a gap; about half of all joins begin with a change, and then the book is had over REST.
"""

import sys
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from math import ceil
from typing import Annotated, Any

import msgspec
import orjson

from feeds import book
from feeds.errors import BadPayload, RequestFailed, UnknownMessage
from feeds.exchanges import _fields as fields
from feeds.exchanges._coindcx_listing import NAME
from feeds.exchanges.base import Ack, CatalogueChanged, Closing, Resync, Word
from market.models import Depth, Funding, Instrument, Quote, Ticker

QUOTE_LEVELS, DEPTH_LEVELS = 10, 20
HELD_CHANGES = 240  # two minutes of changes, which wait for their book
WHOLE_WITHIN_S = 6.0  # a join that has brought only changes for so long is made again: half of them bring no book
MARK_AGE_MS = 10_000  # 37 contracts that are gone keep a frozen mark in the list of prices
SILENT_S = 5.0  # a book that came over REST and is ahead of a stream this quiet replaces it

_UNUSED_EVENTS = frozenset({"new-trade", "price-change", "candlestick"})
# What stands around the text of a change. Whatever is written otherwise goes the general way.
_CHANGE_BEGINS, _CHANGE_ENDS = b'["depth-update",{"event":"depth-update","data":', b'"}]'
_CHANGE_TEXT = slice(len(_CHANGE_BEGINS), 1 - len(_CHANGE_ENDS))


# Bounded: strict=False below reads "89.848" as a float in C, and "nan" and "inf" just as well.
_Levels = dict[
    Annotated[float, msgspec.Meta(gt=0.0, le=sys.float_info.max)],
    Annotated[float, msgspec.Meta(ge=0.0, le=sys.float_info.max)],
]


class _BookData(msgspec.Struct, gc=False):
    ts: int
    vs: int
    asks: _Levels
    bids: _Levels
    type: str
    s: str
    E: int = 0
    pr: str = ""


class _PolledBook(msgspec.Struct, gc=False):
    ts: int
    vs: int
    asks: _Levels
    bids: _Levels


class _PriceRow(msgspec.Struct, gc=False):
    """What has changed of a contract. Where absent and 0 mean the same, it is 0."""

    mp: fields.Quantity = 0.0
    efr: float | None = None
    bmST: fields.Quantity | None = None  # noqa: N815 - the field's own name
    ls: fields.Quantity = 0.0
    v: fields.Quantity | None = None
    btST: fields.Quantity = 0.0  # noqa: N815


class _PricesData(msgspec.Struct, gc=False):
    ts: fields.Quantity
    prices: dict[str, _PriceRow]


_decode_prices = msgspec.json.Decoder(_PricesData).decode
_decode_book = msgspec.json.Decoder(_BookData, strict=False).decode


class _Window:
    """The best levels of a contract, price to size as quoted. `known` once it was had whole.

    bid_prices, ask_prices: the keys of bids and asks, ascending. waiting: numbers, times and changes that came before
    the book did.
    """

    __slots__ = (
        *("ask_prices", "asks", "bid_prices", "bids"),
        *("known", "last", "last_ms", "lost", "received", "waiting", "waiting_since"),
    )

    def __init__(self) -> None:
        self.clear()
        self.known = False
        self.lost = False
        self.last = -1
        self.last_ms = 0
        self.received = 0.0
        self.waiting_since = 0.0
        self.waiting: deque[tuple[int, int, dict[float, float], dict[float, float]]] = deque(maxlen=HELD_CHANGES)

    def clear(self) -> None:
        """Forget all levels."""
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}
        self.bid_prices: list[float] = []
        self.ask_prices: list[float] = []

    def merge(self, bids: dict[float, float], asks: dict[float, float], levels: int) -> None:
        """Take over changes; sizes of 0 delete. What falls out of the window is forgotten."""
        if bids:
            book.merge(self.bids, self.bid_prices, bids.items(), levels, 0)
        if asks:
            book.merge(self.asks, self.ask_prices, asks.items(), levels, -1)


class Decoder(fields.ContractDecoder[fields.Contract]):
    """Reads the events of one CoinDCX connection, and the answers to its polls.

    deep: whether books are joined with 20 levels and told as Depth, too. undetailed: how many contracts' details are
    still to be asked for.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        ignored: Collection[str] = (),
        deep: bool = False,
        undetailed: Callable[[], int] = int,
    ) -> None:
        self._windows: dict[str, _Window] = {}
        self._by_market: dict[str, fields.Contract] = {}
        self._deep = deep
        self._levels = DEPTH_LEVELS if deep else QUOTE_LEVELS
        self._undetailed = undetailed
        super().__init__(NAME, instruments, ignored)

    def update(self, instruments: Iterable[Instrument]) -> None:
        """Take over a new catalogue without losing what is known of contracts that stay."""
        super().update(instruments)
        # Books name a contract as Binance does: BTCUSDT for B-BTC_USDT.
        self._by_market = {
            "".join(exchange_symbol.removeprefix("B-").rsplit("_", 1)): contract
            for exchange_symbol, contract in self.contracts.items()
        }

    def reset(self, topics: Collection[str]) -> None:
        """Forget the books of these topics."""
        for topic in topics:
            self._windows.pop(topic.partition("@")[0], None)

    def _read(self, frame: bytes, received_time: float) -> Sequence[Word]:
        if frame.startswith(_CHANGE_BEGINS) and frame.endswith(_CHANGE_ENDS):
            try:
                message = _decode_book(orjson.loads(frame[_CHANGE_TEXT]))
            except (orjson.JSONDecodeError, msgspec.MsgspecError):
                return self._general(frame, received_time)
            return self._book(message, False, received_time)
        return self._general(frame, received_time)

    def _general(self, frame: bytes, received_time: float) -> Sequence[Word]:
        if not frame.startswith(b"["):
            packet = self._packet(frame)
            if not isinstance(packet, bytes):
                return packet
            frame = packet
        event, envelope = orjson.loads(frame)
        data = envelope["data"]
        if type(data) is not str:
            data = orjson.dumps(data)
        if event == "depth-update" or event == "depth-snapshot":
            try:
                message = _decode_book(data)
            except msgspec.MsgspecError:
                product = orjson.loads(data).get("pr")
                if isinstance(product, str) and product != "futures":  # the same event carries spot
                    return []
                raise
            return self._book(message, event == "depth-snapshot", received_time)
        if event in ("currentPrices@futures#update", "currentPrices@futures#snapshot"):
            words = self._typed_prices(data, received_time)
            if event.endswith("#snapshot") and (undetailed := self._undetailed()):
                words.append(CatalogueChanged(f"the details of {undetailed} contracts are still to be read"))
            return words
        if event in _UNUSED_EVENTS:
            return []
        if type(event) is not str:
            raise BadPayload(NAME, f"no event {event!r:.60}")
        raise UnknownMessage(NAME, f"event {event!r:.60}")

    def _packet(self, frame: bytes) -> bytes | list[Word]:
        """The event of a raw Engine.IO packet, as recordings hold them; or what another packet means."""
        if frame.startswith(b"42["):
            return frame[2:]
        if frame in (b"2", b"3"):  # heartbeats
            return [Ack()]
        if frame.startswith((b"0{", b"40{")) or frame == b"40":
            orjson.loads(frame.lstrip(b"04") or b"{}")
            return []
        if frame in (b"1", b"41"):
            return [Closing("the exchange ends the connection")]
        raise UnknownMessage(NAME, f"{frame!r:.200}")

    # -- books -------------------------------------------------------------------------------------------------

    def _book(self, message: _BookData, snapshot: bool, received_time: float) -> Sequence[Word]:
        if message.pr != "futures":
            if not message.pr:
                raise BadPayload(NAME, f"a book of {message.s!r:.40} names no product")
            return ()
        contract = self._by_market.get(message.s)
        if contract is None:
            market = message.s
            contract = self._contract(f"B-{market.removesuffix('USDT')}_USDT" if market.endswith("USDT") else market)
            if contract is None:
                return ()
        bids, asks = message.bids, message.asks
        window = self._windows.get(contract.exchange_symbol)
        if window is None:
            window = self._windows[contract.exchange_symbol] = _Window()
        time_ms = message.E or message.ts
        number = message.vs
        if not snapshot and window.known and number == window.last + 1:
            window.merge(message.bids, message.asks, self._levels)
            window.last, window.last_ms, window.received = number, message.ts, received_time
            return self._told(contract, window, time_ms / 1000, received_time)
        recounted = snapshot and message.ts - window.last_ms > fields.RECOUNT_MS
        if window.known and message.vs <= window.last and not recounted:
            self.outdated += 1
            return ()
        if snapshot:
            return self._whole(contract, window, message.vs, message.ts, bids, asks, received_time, time_ms)
        window.received = received_time
        if not window.known:
            window.waiting.append((message.vs, message.ts, bids, asks))
            window.waiting_since = window.waiting_since or received_time
            if received_time - window.waiting_since < WHOLE_WITHIN_S:
                return ()
            window.waiting_since = received_time
            return (Resync(book_topic(contract.exchange_symbol, self._deep), "no whole book has come", missed=False),)
        return self._lost(contract, window, f"{message.vs} came after {window.last}", (message, bids, asks))

    def _whole(
        self,
        contract: fields.Contract,
        window: _Window,
        number: int,
        stamp_ms: int,
        bids: dict[float, float],
        asks: dict[float, float],
        received_time: float,
        time_ms: int,
    ) -> Sequence[Word]:
        """Take over a whole book, and the changes that waited for it."""
        window.clear()
        window.merge(bids, asks, self._levels)
        window.known, window.lost, window.waiting_since = True, False, 0.0
        window.last, window.last_ms, window.received = number, stamp_ms, received_time
        waiting = list(window.waiting)
        window.waiting.clear()
        for change_number, change_ms, changed_bids, changed_asks in waiting:
            if change_number <= window.last:
                continue
            if change_number != window.last + 1:
                return self._lost(contract, window, f"{change_number} came after {window.last}")
            window.merge(changed_bids, changed_asks, self._levels)
            window.last, window.last_ms, time_ms = change_number, change_ms, change_ms
        return self._told(contract, window, time_ms / 1000, received_time)

    def _lost(
        self,
        contract: fields.Contract,
        window: _Window,
        reason: str,
        change: tuple[_BookData, dict[float, float], dict[float, float]] | None = None,
    ) -> Sequence[Word]:
        """Give the book up until it is had whole again, and join anew, once."""
        asked, window.lost, window.known = window.lost, True, False
        window.waiting.clear()
        if change is not None:
            message, bids, asks = change
            window.waiting.append((message.vs, message.ts, bids, asks))
        return () if asked else (Resync(book_topic(contract.exchange_symbol, self._deep), reason),)

    def _told(
        self, contract: fields.Contract, window: _Window, event_time: float, received_time: float
    ) -> Sequence[Word]:
        """What the book says, unless it is crossed: then it is given up."""
        bids, asks = window.bids, window.asks
        multiplier, factor, inf = contract.multiplier, contract.factor, fields.INF
        bid_price: float | None = None
        bid_size: float | None = None
        ask_price: float | None = None
        ask_size: float | None = None
        if bids:
            best_bid = window.bid_prices[-1]
            bid_price, bid_size = best_bid / multiplier, bids[best_bid] * factor
            if not (0.0 < bid_price < inf and 0.0 < bid_size < inf):
                bid_price = bid_size = None
        if asks:
            best_ask = window.ask_prices[0]
            ask_price, ask_size = best_ask / multiplier, asks[best_ask] * factor
            if bids and best_bid >= best_ask:
                return self._lost(contract, window, "the book is crossed")
            if not (0.0 < ask_price < inf and 0.0 < ask_size < inf):
                ask_price = ask_size = None
        quote = Quote(NAME, contract.symbol, bid_price, bid_size, ask_price, ask_size, event_time, received_time)
        if not self._deep:
            return (quote,)
        depth = Depth(
            NAME,
            contract.symbol,
            tuple(level for price in reversed(window.bid_prices) if (level := contract.level(price, bids[price]))),
            tuple(level for price in window.ask_prices if (level := contract.level(price, asks[price]))),
            event_time,
            received_time,
        )
        return quote, depth

    # -- prices ------------------------------------------------------------------------------------------------

    def _typed_prices(self, data: str | bytes, received_time: float) -> list[Word]:
        """Read prices at once; if a single number among them is unusual, all are read one by one."""
        try:
            message = _decode_prices(data)
        except msgspec.MsgspecError:
            return self._prices(orjson.loads(data), received_time)
        built_ms = message.ts
        built_time = built_ms / 1000 or None
        settlements: dict[float | None, float | None] = {}
        contract_of, inf = self.contracts.get, fields.INF
        words: list[Word] = []
        for exchange_symbol, row in message.prices.items():
            contract = contract_of(exchange_symbol)
            if contract is None:
                continue
            multiplier, rate, turnover, marked_ms = contract.multiplier, row.efr, row.v, row.bmST
            mark_price, last_price = row.mp / multiplier or None, row.ls / multiplier or None
            current = marked_ms is None or built_ms - marked_ms <= MARK_AGE_MS
            if current and (mark_price is not None or rate is not None):
                interval_h = contract.instrument.funding_interval_h
                if interval_h not in settlements:
                    settlements[interval_h] = _next_settlement(built_ms / 1000, interval_h)
                words.append(
                    Funding(
                        NAME,
                        contract.symbol,
                        mark_price,
                        None,
                        rate,
                        interval_h,
                        settlements[interval_h],
                        built_time if marked_ms is None else marked_ms / 1000 or None,
                        received_time,
                    )
                )
            if last_price is not None or turnover is not None:
                volume = None
                if turnover is not None and last_price is not None:
                    volume = turnover / last_price
                    if volume == inf:
                        return self._prices(orjson.loads(data), received_time)
                event_time = row.btST / 1000 or built_time
                words.append(
                    Ticker(NAME, contract.symbol, last_price, volume, turnover, None, event_time, received_time)
                )
        return words

    def _prices(self, message: Mapping[str, Any], received_time: float) -> list[Word]:
        """Read what has changed of marks, estimated rates, last prices and turnovers."""
        rows, built_ms = message["prices"], fields.number(message["ts"]) or 0.0
        words: list[Word] = []
        bad = 0
        for exchange_symbol, row in rows.items():
            contract = self.contracts.get(exchange_symbol)
            if contract is None:
                continue  # what is no longer active stays in the list
            try:
                words += self._price(contract, row, built_ms, received_time)
            except Exception as error:  # one row of 500
                bad += 1
                self._bad_row(exchange_symbol[:40], error)
        if bad and bad == len(rows):
            raise BadPayload(NAME, f"none of the {bad} prices could be read")
        return words

    def _price(
        self, contract: fields.Contract, row: Mapping[str, Any], built_ms: float, received_time: float
    ) -> list[Word]:
        marked_ms = fields.amount(row.get("bmST"))
        words: list[Word] = []
        mark_price = fields.price(row.get("mp"), contract.multiplier)
        rate = fields.number(row.get("efr"))  # of the next settlement; "fr" is of the last
        current = marked_ms is None or built_ms - marked_ms <= MARK_AGE_MS
        if current and (mark_price is not None or rate is not None):
            interval_h = contract.instrument.funding_interval_h
            words.append(
                Funding(
                    NAME,
                    contract.symbol,
                    mark_price,
                    None,
                    rate,
                    interval_h,
                    _next_settlement(built_ms / 1000, interval_h),
                    fields.seconds(marked_ms if marked_ms is not None else built_ms),
                    received_time,
                )
            )
        last_price = fields.price(row.get("ls"), contract.multiplier)
        turnover = fields.amount(row.get("v"))  # USDT, although its name says volume
        if last_price is not None or turnover is not None:
            volume = fields.amount(turnover / last_price) if turnover is not None and last_price else None
            event_time = fields.seconds(row.get("btST")) or fields.seconds(built_ms)
            words.append(Ticker(NAME, contract.symbol, last_price, volume, turnover, None, event_time, received_time))
        return words

    def _is_foreign(self, exchange_symbol: str) -> bool:
        return not exchange_symbol.startswith("B-")

    # -- polls -------------------------------------------------------------------------------------------------

    def _answer(self, purpose: str, body: Any, received_time: float) -> Sequence[Word]:
        if isinstance(body, dict) and body.get("status") == "error":
            raise RequestFailed(NAME, f"{body.get('code')} {body.get('message')}")
        if purpose == "prices":
            return self._prices(body, received_time)
        what, _, exchange_symbol = purpose.partition(":")
        if what == "book":
            return self._polled_book(exchange_symbol, body, received_time)
        return super()._answer(purpose, body, received_time)

    def _polled_book(self, exchange_symbol: str, body: Any, received_time: float) -> Sequence[Word]:
        """Begin a book with what REST has, or confirm it, if both have the same number."""
        contract = self._contract(exchange_symbol)
        if contract is None:
            return ()
        polled = msgspec.convert(body, _PolledBook, strict=False)
        if polled.ts == 0:
            raise RequestFailed(NAME, f"no book of {exchange_symbol!r:.40}")
        window = self._windows.get(exchange_symbol)
        if window is None:
            window = self._windows[exchange_symbol] = _Window()
        if window.known:
            if polled.vs == window.last:
                return self._told(contract, window, window.last_ms / 1000, received_time)
            if polled.vs < window.last or received_time - window.received < SILENT_S:
                return ()
        elif window.waiting and polled.vs + 1 < window.waiting[0][0]:
            return ()  # older than the first change: it cannot be continued
        return self._whole(contract, window, polled.vs, polled.ts, polled.bids, polled.asks, received_time, polled.ts)


def book_topic(exchange_symbol: str, deep: bool) -> str:
    """The channel of a book. Two depths of one contract cannot be told apart, so only one is ever joined."""
    return f"{exchange_symbol}@orderbook@{DEPTH_LEVELS if deep else QUOTE_LEVELS}-futures"


def _next_settlement(now: float, interval_h: float | None) -> float | None:
    """The next settlement on the grid that starts at 00:00 UTC: nothing on the wire says it. Epoch s."""
    if not interval_h or now <= 0.0:
        return None
    interval_s = interval_h * 3600
    return ceil(now / interval_s) * interval_s
