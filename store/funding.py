"""What funding was paid, with what had been predicted, and how its intervals changed.

Exchanges tell the rate of the next settlement until its stamp, so what stood last before the stamp is about what was
settled; no exchange's own word on the settled rate is heard yet. What funds continuously has no stamps and no record.
"""

import threading
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from store.funding_file import HORIZONS_S, Forgotten, FundingFile, IntervalChange, Record, Settlement
from store.grid import Grid
from store.snapshot import Snapshot

__all__ = ["HORIZONS_S", "FundingLog", "IntervalChange", "Settlement"]

Key = tuple[str, str]  # exchange, symbol
Kept = TypeVar("Kept", Settlement, IntervalChange)
NAN: Final = float("nan")

KEEP = 42  # settlements of a contract in memory: two weeks of eight-hourly ones
KEEP_CHANGES = 20  # interval changes likewise
JITTER_S = 60.0  # a funding time that moves by less is the same one
FRESH_S = 120.0  # a rate that was not heard within this is not what stood; the slowest is polled every 60 s
STANDS_S = 60.0  # an interval must stand for this long: a listing that is read again may contradict the stream
FORGET_AFTER_S = 7 * 86_400.0  # after a contract has vanished
SWEEP_EVERY_S = 3_600.0

# What is watched of each contract, one (S, E) plane each. The first ones are about the stamp that is awaited:
# the stamp; seconds left at the last look; rate, receipt and interval as they stood last before it; predictions.
STAMP, LEFT, RATE, TOLD, HOURS, PREDICTED = range(6)
# About the interval: the last one heard, since when, and the one that has stood.
HEARD, SINCE, STOOD = range(PREDICTED + len(HORIZONS_S), PREDICTED + len(HORIZONS_S) + 3)
PLANES = STOOD + 1


class FundingLog:
    """Watches snapshots and remembers payments and interval changes. Written by one thread, read by any.

    path: where they are kept over restarts; None for memory only. Only live history belongs into a file. The file is
    read here, the latest 32 MB of it; what cannot be read or written is logged and stops nothing.
    version: grows with each change.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.version = 0
        self._writing = threading.Lock()  # taken first: the file's lines are in the order of what happened
        self._lock = threading.Lock()
        self._now = 0.0  # of the last look
        self._settlements: dict[Key, deque[Settlement]] = {}
        self._changes: dict[Key, deque[IntervalChange]] = {}
        self._gone: dict[Key, float] = {}  # contracts no longer listed, since when
        self._sweep_time = 0.0
        self._grid: Grid | None = None
        self._planes = np.full((PLANES, 0, 0), NAN)
        self._file = None if path is None else FundingFile(path)
        for record in self._file.read() if self._file is not None else ():
            self._take(record)

    # -- writing -----------------------------------------------------------------------------------------------

    def observe(self, snapshot: Snapshot, now: float) -> None:
        """Take note of a snapshot as of `now`, epoch s. Meant to be called about once a second with whole snapshots.

        A settlement is recorded when the next funding time moves on after its stamp; one that moves by less than a
        minute, backwards or before its time is none. What was not watched when it fell due is not recorded.
        """
        with self._writing:
            self._now = now
            with self._lock:
                if snapshot.grid is not self._grid:
                    self._lay_out(snapshot.grid, now)
                with np.errstate(invalid="ignore"):
                    found: list[Record] = [*self._settle(snapshot, now), *self._change_intervals(snapshot, now)]
                records = [record for record in found if self._take(record)]
                self._sweep(now)
            self._save(records)

    def forget(self, exchange: str, symbol: str) -> None:
        """Drop all that is known of a contract, because its name or unit now means another thing."""
        with self._writing:
            word = Forgotten(exchange, symbol)
            with self._lock:
                grid = self._grid
                if grid is not None and (exchange, symbol) in grid.instruments:
                    self._planes[:, grid.symbol_index[symbol], grid.exchange_index[exchange]] = NAN
                self._take(word)
            self._save([word])

    def _save(self, records: Sequence[Record]) -> None:
        if self._file is not None:
            self._file.append(records, self._now)

    def _take(self, record: Record) -> bool:
        """Remember a record; False if it is of a time that is already known."""
        key = record.exchange, record.symbol
        if isinstance(record, Settlement):
            taken = _add(self._settlements, key, record, KEEP)
        elif isinstance(record, IntervalChange):
            taken = _add(self._changes, key, record, KEEP_CHANGES)
        else:
            self._drop(key)
            taken = True
        self.version += taken
        return taken

    def _drop(self, key: Key) -> None:
        self._settlements.pop(key, None)
        self._changes.pop(key, None)

    def _lay_out(self, grid: Grid, now: float) -> None:
        """Take over the axes of a new listing; what is watched of contracts that stay is kept."""
        planes = np.full((PLANES, len(grid.symbols), len(grid.exchanges)), NAN)
        if self._grid is not None:
            kept = [key for key in grid.instruments if key in self._grid.instruments]
            (s, e), (old_s, old_e) = _cells(grid, kept), _cells(self._grid, kept)
            planes[:, s, e] = self._planes[:, old_s, old_e]
        self._grid, self._planes = grid, planes
        known = self._settlements.keys() | self._changes.keys()
        self._gone = {key: self._gone.get(key, now) for key in known if key not in grid.instruments}

    def _sweep(self, now: float) -> None:
        if now >= self._sweep_time:
            self._sweep_time = now + SWEEP_EVERY_S
            for key in [key for key, since in self._gone.items() if now - since > FORGET_AFTER_S]:
                del self._gone[key]
                self._drop(key)
                self.version += 1

    def _settle(self, snapshot: Snapshot, now: float) -> list[Settlement]:
        """The stamps that have passed since the last look."""
        planes = self._planes
        stamp, rate, told = planes[STAMP], planes[RATE], planes[TOLD]
        next_time = snapshot["next_funding_time"]
        here = now - np.nan_to_num(snapshot.floor_s)[None, :]  # by each exchange's own clock
        moved = np.abs(next_time - stamp) >= JITTER_S
        settled: list[Settlement] = []
        if moved.any():
            passed = moved & (next_time > stamp) & (here >= stamp - JITTER_S)
            passed &= ~np.isnan(rate) & (stamp - told <= FRESH_S)
            settled = [self._settlement(snapshot.grid, *cell) for cell in np.argwhere(passed).tolist()]
            planes[:HEARD, moved] = NAN
        np.copyto(stamp, next_time, where=~np.isnan(next_time))
        left = stamp - here
        for plane, horizon in enumerate(HORIZONS_S, PREDICTED):
            crossed = (planes[LEFT] > horizon) & (left <= horizon)
            if crossed.any():
                stood = crossed & (stamp - horizon - told <= FRESH_S)
                planes[plane, stood] = rate[stood]
        planes[LEFT] = left
        # After the stamp a new rate may come before the new time does: it is of the next settlement.
        ahead = left > 0.0
        np.copyto(rate, snapshot["funding_rate"], where=ahead)
        np.copyto(told, snapshot["funding_received_time"], where=ahead)
        np.copyto(planes[HOURS], snapshot["funding_interval_h"], where=ahead)
        return settled

    def _settlement(self, grid: Grid, s: int, e: int) -> Settlement:
        stamp, _, rate, _, hours, *predicted = self._planes[:HEARD, s, e].tolist()
        first, second, third = (None if value != value else value for value in predicted)
        interval_h = hours if hours > 0.0 else None
        return Settlement(grid.exchanges[e], grid.symbols[s], stamp, interval_h, rate, (first, second, third))

    def _change_intervals(self, snapshot: Snapshot, now: float) -> list[IntervalChange]:
        """The intervals that differ from what they were, and have done so for a while."""
        hours = snapshot["funding_interval_h"]
        heard, since, stood = self._planes[HEARD], self._planes[SINCE], self._planes[STOOD]
        new = (hours != heard) & ~np.isnan(hours)
        if new.any():
            heard[new] = hours[new]
            since[new] = now
        other = (heard != stood) & (now - since >= STANDS_S)
        if not other.any():
            return []
        symbols, exchanges = snapshot.symbols, snapshot.exchanges
        changes = [
            IntervalChange(exchanges[e], symbols[s], float(since[s, e]), float(stood[s, e]), float(heard[s, e]))
            for s, e in np.argwhere(other & ~np.isnan(stood)).tolist()
        ]
        stood[other] = heard[other]
        return changes

    # -- reading -----------------------------------------------------------------------------------------------

    def symbols(self) -> frozenset[str]:
        """The symbols of which something is recorded, listed or not."""
        with self._lock:
            return frozenset(symbol for _, symbol in self._settlements.keys() | self._changes.keys())

    def settlements(
        self, exchanges: Collection[str] | None = None, symbols: Collection[str] | None = None
    ) -> list[Settlement]:
        """The payments in memory, of these exchanges and symbols only (None: of all), newest first."""
        with self._lock:
            return _newest(self._settlements, exchanges, symbols)

    def interval_changes(
        self, exchanges: Collection[str] | None = None, symbols: Collection[str] | None = None
    ) -> list[IntervalChange]:
        """The interval changes in memory, likewise."""
        with self._lock:
            return _newest(self._changes, exchanges, symbols)


def _cells(grid: Grid, keys: Iterable[Key]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    cells = np.array([(grid.symbol_index[symbol], grid.exchange_index[exchange]) for exchange, symbol in keys], np.intp)
    pairs = cells.reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _add(kept: dict[Key, deque[Kept]], key: Key, record: Kept, most: int) -> bool:
    past = kept.get(key)
    if past is None:
        past = kept[key] = deque(maxlen=most)
    if past and record.time < past[-1].time + JITTER_S:
        return False  # a funding time that went back and forth would settle twice, as would a file with overlaps
    past.append(record)
    return True


def _newest(
    kept: Mapping[Key, deque[Kept]], exchanges: Collection[str] | None, symbols: Collection[str] | None
) -> list[Kept]:
    found = [
        record
        for (exchange, symbol), past in kept.items()
        if (exchanges is None or exchange in exchanges) and (symbols is None or symbol in symbols)
        for record in past
    ]
    return sorted(found, key=attrgetter("time"), reverse=True)
