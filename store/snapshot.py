"""The live snapshot: symbols by exchanges, one number per field, one writer and many readers.

A cell is one contract. Its fields lie side by side, so that a quote is written by one call; a reader gets a copy with
one matrix per field. NaN is 'not known'. `version` grows with each change.
"""

import logging
import struct
import threading
import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from market.fees import FeeChoice
from market.models import Depth, Funding, Instrument, MarketWord, Quote, Ticker
from native import hot
from store.clock import ExchangeClock, Latency
from store.depth import DepthStore, Watched
from store.grid import NAN, Grid, Matrix, build_grid

logger = logging.getLogger(__name__)

FIELDS: Final = (
    # written by a Quote, in this order and together
    "bid_price",
    "bid_size",
    "ask_price",
    "ask_size",
    "event_time",
    "received_time",
    "lag_s",  # how late the quote came, or how late the exchange's quotes come now, over its floor
    "live",  # 1 while the quote may be used; else what it takes to be that again: see LOST, ONCE, UNTOLD
    # written by a Funding
    "mark_price",
    "index_price",
    "funding_rate",
    "funding_interval_h",
    "next_funding_time",
    "funding_received_time",
    # written by a Ticker
    "last_price",
    "volume_24h",
    "turnover_24h",
    "open_interest",
)
F: Final = len(FIELDS)
INDEX: Final[Mapping[str, int]] = {name: i for i, name in enumerate(FIELDS)}
_Numbers: TypeAlias = "memoryview[float]"
_QUOTE = struct.Struct("8d")
_BOOK = struct.Struct("4d")
_PRICES = struct.Struct("2d")
_EVENT, _RECEIVED, _LAG, _LIVE = (INDEX[name] for name in ("event_time", "received_time", "lag_s", "live"))

# Of `live`, besides 1. The next streamed quote is used in any case; a polled one
LOST: Final = 0.0  # if it repeats the prices that are known
ONCE: Final = 0.5  # likewise: one answer has told of prices that no stream has
UNTOLD: Final = -1.0  # never: the stream is silent and should not be

LATE_S: Final = 0.5  # a quote later than this that changes nothing is a repetition, not a late change
UNTOLD_S: Final = 2.0  # a stream that has said nothing for this long should agree with what is polled
REORDER_S: Final = 1.0  # what comes just after a quote that is newer by up to this was overtaken by it
TOGETHER_S: Final = 0.25  # just after
LIVELY_S: Final = 3.0  # a contract that spoke so shortly before it was lost will soon speak again


@dataclass(frozen=True)
class Snapshot:
    """A consistent copy of everything known at one version. Read-only.

    `snapshot["bid_price"]` is the (S, E) matrix of a field; fields and units are those of `FIELDS`.
    floor_s: shape (E,), receipt less event time of the fastest messages of each exchange. [s] NaN if unknown.
    heard_at: shape (E,), when a stream of each exchange last told a quote, of any contract. [epoch s] NaN before.
    pause_s: shape (E,), how long it has been silent at most lately. [s] NaN if unknown.
    """

    version: int
    grid: Grid
    data: NDArray[np.float64] = field(repr=False)  # (F, S, E)
    floor_s: NDArray[np.float64]
    heard_at: NDArray[np.float64]
    pause_s: NDArray[np.float64]

    def __getitem__(self, name: str) -> Matrix:
        matrix: Matrix = self.data[INDEX[name]]
        return matrix

    @property
    def symbols(self) -> tuple[str, ...]:
        return self.grid.symbols

    @property
    def exchanges(self) -> tuple[str, ...]:
        return self.grid.exchanges

    def rows(self, index: NDArray[np.intp]) -> "Snapshot":
        """Some rows only, as `index` orders them; the grid is cut likewise."""
        return replace(self, grid=self.grid.rows(index), data=self.data[:, index])

    def cells(self, s: NDArray[np.intp], e: NDArray[np.intp]) -> Mapping[str, NDArray[np.float64]]:
        """Every field of n contracts, by their positions, shape (n,) each."""
        return dict(zip(FIELDS, self.data[:, s, e], strict=True))

    def age_s(self, now: float) -> Matrix:
        """Seconds since each quote was received or confirmed, shape (S, E)."""
        return now - self["received_time"]

    def told_at(self) -> Matrix:
        """When each exchange said what is quoted, on our clock: event time plus floor, else receipt, shape (S, E).

        What only confirms a quote does not make it younger. [epoch s]
        """
        return np.fmin(self["event_time"] + self.floor_s[None, :], self["received_time"])

    def exchange_age_s(self, now: float) -> Matrix:
        """Seconds since each quote's event, by the exchange's own clock less its floor, shape (S, E)."""
        return now - self["event_time"] - self.floor_s[None, :]


@dataclass(frozen=True)
class Changed:
    """The rows in which something changed since they were last taken, as they are now.

    rows: their positions on the whole grid, ascending. told: when each first changed, by `time.perf_counter`. [s]
    snapshot: those rows only, in that order; its grid is cut likewise. grid: the whole one.
    """

    rows: NDArray[np.intp]
    told: NDArray[np.float64]
    snapshot: Snapshot
    grid: Grid


class _Cell:
    """Where one contract's fields begin in the buffer, its exchange's clock, and the times of its last quote.

    first: counted in numbers, offset: in bytes. received_time: of the last one that a stream brought.
    """

    __slots__ = ("clock", "event_time", "first", "offset", "received_time", "row")

    def __init__(self, row: int, first: int, clock: ExchangeClock, event_time: float, received_time: float) -> None:
        self.row = row
        self.first = first
        self.offset = 8 * first
        self.clock = clock
        self.event_time = event_time  # NaN where not known, as in the buffer
        self.received_time = received_time


class _Cells:
    """The buffer behind one grid, and by exchange and symbol what is kept beside it."""

    __slots__ = ("buffer", "data", "grid", "of")

    def __init__(
        self, grid: Grid, data: Matrix, clocks: Mapping[str, ExchangeClock], before: "_Cells | None" = None
    ) -> None:
        """data: shape (S, E, F); it is taken over. before: the cells of the grid that this one follows."""
        self.grid = grid
        self.data = data
        self.buffer = cast(_Numbers, data.reshape(-1).data)
        width = len(grid.exchanges)
        self.of: dict[str, dict[str, _Cell]] = {exchange: {} for exchange in grid.exchanges}
        events = data[:, :, _EVENT].tolist()
        for exchange, symbol in grid.instruments:
            s, e = grid.symbol_index[symbol], grid.exchange_index[exchange]
            known = None if before is None else before.of[exchange].get(symbol)
            received_time = NAN if known is None else known.received_time
            self.of[exchange][symbol] = _Cell(s, (s * width + e) * F, clocks[exchange], events[s][e], received_time)


def _empty(grid: Grid) -> Matrix:
    data = np.full((len(grid.symbols), len(grid.exchanges), F), NAN)
    data[:, :, _LIVE] = LOST
    return data


class _Written:
    """What a quote is written into, in slots, where compiled code finds it."""

    __slots__ = ("_anchored", "_cells", "_changed", "_lock", "depths", "version")


class SnapshotStore(_Written):
    """One writer (the feed thread), many readers. Every method may be called from any thread."""

    def __init__(self, exchanges: Sequence[str], choice: FeeChoice | None = None) -> None:
        """choice: what the user says about fees; by default the published ones."""
        self._fee_choice = choice or FeeChoice()
        self._lock = threading.Lock()
        self._listings: dict[str, tuple[Instrument, ...]] = dict.fromkeys(exchanges, ())
        self._clocks = {exchange: ExchangeClock() for exchange in exchanges}
        grid = build_grid(tuple(exchanges), ())
        self._cells = _Cells(grid, _empty(grid), self._clocks)
        self._snapshot: Snapshot | None = None
        self._changed: dict[int, float] = {}  # row -> when a quote of it first changed since it was last taken
        self._anchored: dict[int, float] = {}  # the same of marks and funding
        self.depths = DepthStore()
        self.version = 0
        self.beat_time: float | None = None
        self.overtaken = dict.fromkeys(exchanges, 0)  # quotes dropped because a newer one was already there

    # -- writing -----------------------------------------------------------------------------------------------

    def set_instruments(self, exchange: str, instruments: Sequence[Instrument]) -> None:
        """Take over an exchange's listing; what is known of contracts that stay is kept."""
        with self._lock:
            self._listings[exchange] = tuple(instruments)
            grid = build_grid(
                tuple(self._listings), (row for rows in self._listings.values() for row in rows), self._fee_choice
            )
            old, data = self._cells, _empty(grid)
            kept = [symbol for symbol in grid.symbols if symbol in old.grid.symbol_index]
            if kept:
                to = [grid.symbol_index[symbol] for symbol in kept]
                data[to] = old.data[[old.grid.symbol_index[symbol] for symbol in kept]]
            data[~grid.listed] = NAN
            data[~grid.listed, _LIVE] = LOST
            for instrument in instruments:
                if instrument.funding_interval_h is not None:
                    row = data[grid.symbol_index[instrument.symbol], grid.exchange_index[exchange]]
                    row[INDEX["funding_interval_h"]] = instrument.funding_interval_h
            self._cells = _Cells(grid, data, self._clocks, old)
            self._changed, self._anchored = dict.fromkeys(range(len(grid.symbols)), time.perf_counter()), {}
            self.version += 1

    def write(self, words: Sequence[MarketWord], polled: bool = False) -> None:
        """Take over what one message said. Words about contracts that are not listed are ignored.

        polled: the words answer a request. They are true as of now, however long ago the book last changed, so their
        event times say nothing about delays. They confirm what a stream said; a price that no stream told is not used
        until it is polled once more, because the next change would not be told either. If that is another price, or if
        the contract had spoken just before it was lost, its stream has to speak.
        """
        self._lock.acquire()  # `with` costs twice as much
        try:
            cells, changed = self._cells, self._changed
            of, buffer = cells.of, cells.buffer
            for word in words:
                cell = of[word.exchange].get(word.symbol)
                if cell is None:
                    continue
                kind = type(word)
                if kind is Quote:
                    if not polled and cell.row not in changed:
                        changed[cell.row] = time.perf_counter()
                    self._write_quote(buffer, cell, word, polled)  # type: ignore[arg-type]
                elif kind is Funding:
                    if cell.row not in self._anchored:
                        self._anchored[cell.row] = time.perf_counter()
                    _write_funding(buffer, cell.first, word)  # type: ignore[arg-type]
                elif kind is Ticker:
                    _write_ticker(buffer, cell.first, word)  # type: ignore[arg-type]
                elif kind is Depth and self.depths.write(word) and cell.row not in changed:  # type: ignore[arg-type]
                    changed[cell.row] = time.perf_counter()
            self.version += 1
        finally:
            self._lock.release()

    def _write_quote(self, buffer: _Numbers, cell: _Cell, quote: Quote, polled: bool) -> None:
        """Most quotes come from a stream, two-sided, timed and in order: others go the long way."""
        event_time, received_time = quote.event_time, quote.received_time
        bid_price, bid_size, ask_price, ask_size = quote.bid_price, quote.bid_size, quote.ask_price, quote.ask_size
        one_sided = bid_price is None or ask_price is None or bid_size is None or ask_size is None
        if one_sided or polled or event_time is None or event_time < cell.event_time:
            self._write_any_quote(buffer, cell, quote, polled)
            return
        clock = cell.clock
        raw = received_time - event_time
        lag = raw - clock.floor_s
        if (
            lag > LATE_S
            and event_time == cell.event_time
            and _BOOK.unpack_from(buffer, cell.offset) == (bid_price, bid_size, ask_price, ask_size)
        ):
            # An idle book repeated is no later than it was, as far as its stream tells changes in time.
            lag = max(buffer[cell.first + _LAG], clock.last_s or 0.0)
        elif raw < clock.lowest_s or received_time >= clock.rotates_at:
            lag = clock.observe(event_time, received_time)
        else:
            if lag < 0.0:
                lag = 0.0
            clock.excess.append(lag)
        if received_time - clock.heard_at > clock.longest_s or received_time >= clock.pauses_end_at:
            clock.hear(received_time)
        else:
            clock.heard_at = received_time
        cell.event_time, cell.received_time = event_time, received_time
        _QUOTE.pack_into(
            buffer, cell.offset,
            bid_price, bid_size, ask_price, ask_size, event_time, received_time, lag, 1.0,
        )  # fmt: skip

    def _write_any_quote(self, buffer: _Numbers, cell: _Cell, quote: Quote, polled: bool) -> None:
        book = (
            NAN if quote.bid_price is None else quote.bid_price,
            NAN if quote.bid_size is None else quote.bid_size,
            NAN if quote.ask_price is None else quote.ask_price,
            NAN if quote.ask_size is None else quote.ask_size,
        )
        event_time, lag, live = NAN, 0.0, 1.0
        first = cell.first
        before = buffer[first + _LIVE]
        was_live = before == live
        if polled and not _same_prices(buffer, first, book):
            if was_live and quote.received_time - cell.received_time < UNTOLD_S:
                return  # the stream has just spoken, perhaps after the answer was written
            live = ONCE if was_live or before == LOST else UNTOLD
        elif polled and before == UNTOLD:
            live = UNTOLD
        if quote.event_time is not None:
            event_time = quote.event_time
            # Overtaken: both came just now. A long way back is another clock, and a lost quote yields to any other.
            older_s, apart_s = cell.event_time - event_time, quote.received_time - cell.received_time
            if was_live and 0.0 < older_s < REORDER_S and apart_s < TOGETHER_S:
                self.overtaken[quote.exchange] += 1
                return
            clock = cell.clock
            late_s = quote.received_time - event_time - clock.floor_s
            if polled:
                if _same_book(buffer, first, book):
                    event_time = cell.event_time  # only confirmed: the book changed when the stream said so
                if clock.last_s is not None and clock.last_s > LATE_S:
                    lag = clock.last_s  # the next change will be told as late as the last one
            elif late_s > LATE_S and event_time == cell.event_time and _same_book(buffer, first, book):
                lag = max(buffer[first + _LAG], clock.last_s or 0.0)
            else:
                lag = clock.observe(event_time, quote.received_time)
        if not polled:
            cell.clock.hear(quote.received_time)
        if polled and not (live == before and _same_book(buffer, first, book)):  # else it is only confirmed
            self._changed.setdefault(cell.row, time.perf_counter())
        cell.event_time = event_time
        if not polled:
            cell.received_time = quote.received_time
        _QUOTE.pack_into(buffer, cell.offset, *book, event_time, quote.received_time, lag, live)

    def lose(self, exchange: str, symbols: Iterable[str]) -> None:
        """Mark quotes as no longer fed: values stay to be shown as old, but nothing is made of them."""
        with self._lock:
            cells = self._cells
            known = cells.of[exchange]
            for symbol in symbols:
                cell = known.get(symbol)
                if cell is not None:
                    at = cell.first + _LIVE
                    lively = cell.clock.heard_at - cell.received_time <= LIVELY_S
                    cells.buffer[at] = UNTOLD if lively or cells.buffer[at] == UNTOLD else LOST
                    self._changed.setdefault(cell.row, time.perf_counter())
            self.version += 1

    def set_server_time(self, exchange: str, server_time: float, sent_time: float, received_time: float) -> bool:
        """Take an answer of the exchange's time endpoint; True if its clock was stepped."""
        with self._lock:
            stepped = self._clocks[exchange].bound(server_time, sent_time, received_time)
            if stepped:
                # Event times from before the step cannot be compared with those after it.
                self._cells.data[:, self._cells.grid.exchange_index[exchange], _EVENT] = NAN
                for cell in self._cells.of[exchange].values():
                    cell.event_time = NAN
                self.version += 1
            return stepped

    def beat(self, now: float) -> None:
        """Note that the writer is alive, which a market without news does not show. Epoch s."""
        self.beat_time = now

    def lateness_s(self, exchange: str) -> float | None:
        """How late the exchange's last quotes came, over its floor; None before any."""
        with self._lock:
            return self._clocks[exchange].recent_s()

    def unheard(self, exchange: str) -> Sequence[str]:
        """The trading contracts of an exchange that have no quote which a stream told or a second answer confirmed."""
        with self._lock:
            grid = self._cells.grid
            column = grid.exchange_index[exchange]
            rows = np.flatnonzero(grid.trading[:, column] & (self._cells.data[:, column, _LIVE] != 1.0))
            return [grid.symbols[row] for row in rows]

    def watch_depth(self, exchange: str, watched: Collection[str], left_out: Collection[str]) -> None:
        """Keep the books of exactly these symbols of an exchange; those left out cannot be had."""
        self.depths.watch(exchange, watched, left_out, time.time())

    def mark_depth(self, exchange: str, symbols: Iterable[str], state: Literal["resyncing", "lost"]) -> None:
        """Say that these books are not to be relied on until the next good one."""
        self.depths.mark(exchange, symbols, state, time.time())

    def stuck_depth(self, exchange: str, before: float) -> Sequence[str]:
        """The symbols whose books have been waited for, resyncing or lost since before a time, epoch s."""
        return self.depths.stuck(exchange, before)

    # -- reading -----------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Return a consistent copy; the same object while nothing has changed."""
        with self._lock:
            if self._snapshot is None or self._snapshot.version != self.version:
                cells = self._cells
                data = np.array(cells.data.transpose(2, 0, 1), order="C")  # always a copy, of a single cell too
                np.maximum(data[_LAG], self._lately(cells.grid), out=data[_LAG])
                data.flags.writeable = False
                self._snapshot = Snapshot(self.version, cells.grid, data, *self._times(cells.grid))
            return self._snapshot

    def is_changed(self, anchored: Collection[int] = ()) -> bool:
        """Whether `take_changed` would tell of any change. Costs next to nothing."""
        with self._lock:
            return bool(self._changed) or not self._anchored.keys().isdisjoint(anchored)

    def take_changed(self, also: Iterable[int] = (), anchored: Collection[int] = ()) -> Changed:
        """The rows whose quotes or books changed since the last call. For one reader only: what is taken is gone.

        Args:
            also: These as well.
            anchored: Of these, those whose marks or funding changed, too.

        Returns:
            Rows that the grid does not have are left out; what did not change is told at no time (NaN).
        """
        with self._lock:
            changed, self._changed = self._changed, {}
            marked, self._anchored = self._anchored, {}
            cells = self._cells
            count = len(cells.grid.symbols)
            for row in marked.keys() & anchored:
                changed[row] = min(changed.get(row, marked[row]), marked[row])
            wanted = sorted(changed.keys() | {row for row in also if row < count})
            rows = np.array(wanted, dtype=np.intp)
            data = cells.data.take(rows, 0)
            np.maximum(data[:, :, _LAG], self._lately(cells.grid), out=data[:, :, _LAG])
            times = self._times(cells.grid)
        told = np.array([changed.get(row, NAN) for row in wanted])
        cut = Snapshot(self.version, cells.grid.rows(rows), data.transpose(2, 0, 1), *times)
        return Changed(rows, told, cut, cells.grid)

    def _lately(self, grid: Grid) -> NDArray[np.float64]:
        """How late each exchange's quotes come now, shape (E,): one that stands may have changed that long ago. [s]"""
        return np.array([self._clocks[exchange].lately_s for exchange in grid.exchanges])

    def _times(self, grid: Grid) -> NDArray[np.float64]:
        """`floor_s`, `heard_at` and `pause_s` of a snapshot, shape (3, E). Read-only."""
        clocks = [self._clocks[exchange] for exchange in grid.exchanges]
        times = np.array([(clock.floor_s, clock.heard_at, clock.pause_s) for clock in clocks]).reshape(-1, 3).T.copy()
        times[0][times[0] == np.inf] = NAN
        times.flags.writeable = False
        return times

    @property
    def grid(self) -> Grid:
        return self._cells.grid

    def latency(self, exchange: str) -> Latency:
        """How late the exchange's quotes come, over its floor."""
        with self._lock:
            return self._clocks[exchange].latency()


plain_write = SnapshotStore.write  # which tests compare
if hot is not None:
    hot.use_store(
        (Quote, Funding, Ticker, Depth),
        (_Cell, ExchangeClock, _Cells, Watched, _Written),
        (time.perf_counter, deque.append, type(threading.Lock()).locked),
        (INDEX["mark_price"], INDEX["last_price"], F),
        LATE_S,
    )
    SnapshotStore.write = hot.write_method(plain_write)  # type: ignore[method-assign]


# Compared as bytes: an empty side is NaN, which equals nothing.


def _same_book(buffer: _Numbers, first: int, book: tuple[float, float, float, float]) -> bool:
    return buffer[first : first + len(book)].tobytes() == _BOOK.pack(*book)


def _same_prices(buffer: _Numbers, first: int, book: tuple[float, float, float, float]) -> bool:
    return _PRICES.pack(buffer[first], buffer[first + 2]) == _PRICES.pack(book[0], book[2])


_MARK, _LAST = INDEX["mark_price"], INDEX["last_price"]


def _write_funding(buffer: _Numbers, first: int, word: Funding) -> None:
    """Take over what is known; what is None changes nothing."""
    at = first + _MARK
    if (mark := word.mark_price) is not None:
        buffer[at] = mark
    if (index := word.index_price) is not None:
        buffer[at + 1] = index
    if (rate := word.funding_rate) is not None:
        buffer[at + 2] = rate
    if (interval_h := word.funding_interval_h) is not None:
        buffer[at + 3] = interval_h
    if (next_time := word.next_funding_time) is not None:
        buffer[at + 4] = next_time
    buffer[at + 5] = word.received_time


def _write_ticker(buffer: _Numbers, first: int, word: Ticker) -> None:
    """As above."""
    at = first + _LAST
    if (last := word.last_price) is not None:
        buffer[at] = last
    if (volume := word.volume_24h) is not None:
        buffer[at + 1] = volume
    if (turnover := word.turnover_24h) is not None:
        buffer[at + 2] = turnover
    if (interest := word.open_interest) is not None:
        buffer[at + 3] = interest
