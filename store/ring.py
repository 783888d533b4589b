"""What is remembered of every contract: best bid and ask on grids from one second to one hour, gaps left empty.

A sample is the quote of its moment, if that was fit to be remembered; the coarser grids hold samples too, no averages.

    step     samples   reaches back   bytes a contract
    1 s        3,700   1 h            59,200 (float64)
    1 min      1,440   24 h           11,520 (float32)
    10 min     1,008   7 d             8,064
    1 h          720   30 d            5,760

Prices of the coarser grids are rounded to float32, by at most 6e-8 of the price, so that a spread is off by at most
0.0012 bps. Memory grows with what has been seen. 4,500 contracts cost 0.26 GB once an hour has passed and 0.38 GB after
30 days.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from store.snapshot import Snapshot

Array = NDArray[np.float64]

COARSER = ((60.0, 1_440), (600.0, 1_008), (3_600.0, 720))  # step in seconds, samples
CLOSES_S = 1_900.0  # closes look back this far
CHUNK = 64  # samples allocated at once


@dataclass(frozen=True)
class History:
    """Samples of one contract, oldest first.

    time: epoch s, shape (T,); bid_price, ask_price: NaN where not fresh. step_s: between samples. Where none was taken,
    because nothing was judged then, a time is missing.
    """

    time: Array
    bid_price: Array
    ask_price: Array
    step_s: float


class _Chunk:
    """Up to CHUNK samples of the first `width` rows; NaN where nothing was written."""

    def __init__(self, width: int, dtype: DTypeLike) -> None:
        self.time = np.full(CHUNK, np.nan)
        self.quotes = np.full((CHUNK, max(1, width), 2), np.nan, dtype)

    def widen(self, width: int) -> None:
        more = np.full((CHUNK, width - self.quotes.shape[1], 2), np.nan, self.quotes.dtype)
        self.quotes = np.concatenate([self.quotes, more], axis=1)


class _Samples:
    """One grid: its last `capacity` samples, in chunks so that neither time nor contracts are paid for in advance.

    Rows of one sample lie side by side: all contracts are written at once, and `closes` reads a few samples of
    thousands of them.
    """

    def __init__(self, step_s: float, capacity: int, dtype: DTypeLike) -> None:
        self.step_s = step_s
        self.capacity = capacity
        self._dtype = dtype
        self._chunks: deque[_Chunk] = deque()
        self._dropped = 0  # chunks
        self._slot: float | None = None
        self.taken = 0

    def __len__(self) -> int:
        return min(self.taken, self.capacity)

    def ends(self) -> tuple[float, float]:
        """Times of the oldest and the newest sample; there must be one."""
        oldest, newest = self.taken - len(self), self.taken - 1
        return self._time(oldest), self._time(newest)

    def _time(self, sample: int) -> float:
        return float(self._chunks[sample // CHUNK - self._dropped].time[sample % CHUNK])

    def covers(self, window_s: float) -> bool:
        """Whether nothing of a window has been overwritten, or ever will be."""
        return self.taken <= self.capacity or self.capacity * self.step_s >= window_s

    def is_due(self, now: float) -> bool:
        """Whether this step has no sample yet. Steps are aligned to the epoch; a clock set back makes another one."""
        return now // self.step_s != self._slot

    def take(self, now: float, width: int, rows: NDArray[np.intp], quotes: Array) -> None:
        """Write a sample: quotes, shape (len(rows), 2), of these rows out of the first `width`."""
        at = self.taken % CHUNK
        if at == 0:
            self._chunks.append(_Chunk(width, self._dtype))
        chunk = self._chunks[-1]
        if chunk.quotes.shape[1] < width:
            chunk.widen(width)
        chunk.time[at] = now
        chunk.quotes[at, rows] = quotes
        self._slot = now // self.step_s
        self.taken += 1
        while (self._dropped + 1) * CHUNK <= self.taken - self.capacity:
            self._chunks.popleft()
            self._dropped += 1

    def forget(self, row: int) -> None:
        for chunk in self._chunks:
            if row < chunk.quotes.shape[1]:
                chunk.quotes[:, row] = np.nan

    def read(self, row: int) -> tuple[Array, Array]:
        """All samples of one row: times, shape (T,), and quotes, shape (T, 2)."""
        times, quotes = [np.empty(0)], [np.empty((0, 2))]
        for chunk in self._chunks:
            times.append(chunk.time)
            known = row < chunk.quotes.shape[1]
            quotes.append(chunk.quotes[:, row] if known else np.full((CHUNK, 2), np.nan))
        first = self.taken - len(self) - self._dropped * CHUNK
        kept = slice(first, first + len(self))
        return np.concatenate(times)[kept], np.concatenate(quotes, dtype=np.float64)[kept]

    def closes(self, rows: NDArray[np.intp], points: int) -> Array:
        """As `QuoteRing.closes`; a row of -1 is not known."""
        count = min(len(self), round(CLOSES_S / self.step_s))
        order = np.arange(self.taken - count, self.taken)
        if count > points:
            order = order[np.linspace(0, count - 1, points).round().astype(np.intp)]
        out = np.empty((len(order), len(rows), 2))
        for values, sample in zip(out, order.tolist(), strict=True):
            quotes = self._chunks[sample // CHUNK - self._dropped].quotes
            quotes[sample % CHUNK].take(rows, axis=0, out=values, mode="clip")
            values[(rows < 0) | (rows >= quotes.shape[1])] = np.nan
        return out.transpose(1, 0, 2)


class QuoteRing:
    """Rings of samples, one row a contract, on several grids. Written by one thread, read by any.

    capacity: samples kept of the finest grid. step_s: seconds between them, for readers; the writer keeps the pace.
    coarser: step [s] and capacity of the other grids, finest first; of each of their steps the first sample is kept.
    """

    def __init__(
        self, capacity: int = 3_700, step_s: float = 1.0, coarser: Sequence[tuple[float, int]] = COARSER
    ) -> None:
        self.capacity = capacity
        self.step_s = step_s
        self._lock = threading.Lock()
        self._rows: dict[tuple[str, str], int] = {}
        self._finest = _Samples(step_s, capacity, np.float64)
        self._coarser = [_Samples(step, samples, np.float32) for step, samples in coarser]

    def sample(self, snapshot: Snapshot, usable: NDArray[np.bool_], now: float) -> None:
        """Take the best bids and asks of this moment; `usable` (S, E) says which are fit to be remembered."""
        grid = snapshot.grid
        keys = list(grid.instruments)
        s = np.array([grid.symbol_index[symbol] for _, symbol in keys], dtype=np.intp)
        e = np.array([grid.exchange_index[exchange] for exchange, _ in keys], dtype=np.intp)
        fit = usable[s, e]
        quotes = np.stack([snapshot[name][s[fit], e[fit]] for name in ("bid_price", "ask_price")], axis=1)
        with self._lock:
            rows = np.array([self._rows.setdefault(key, len(self._rows)) for key in keys], dtype=np.intp)[fit]
            self._finest.take(now, len(self._rows), rows, quotes)
            for samples in self._coarser:
                if samples.is_due(now):
                    samples.take(now, len(self._rows), rows, quotes)

    def forget(self, exchange: str, symbol: str) -> None:
        """Empty the samples of one contract, because its name or unit now means another thing."""
        with self._lock:
            row = self._rows.get((exchange, symbol))
            if row is not None:
                for samples in (self._finest, *self._coarser):
                    samples.forget(row)

    def __len__(self) -> int:
        """Samples of the finest grid."""
        return len(self._finest)

    def history(self, exchange: str, symbol: str, window_s: float | None = None) -> History:
        """The samples of one contract; empty arrays for one never seen.

        window_s: only samples at most this old, as seen from the newest one; of the finest grid that has all that was
        taken in the window, else of the coarsest. None: all samples of the finest grid.
        """
        with self._lock:
            samples = self._finest if window_s is None else self._covering(window_s)
            row = self._rows.get((exchange, symbol))
            if row is None:
                return History(np.empty(0), np.empty(0), np.empty(0), samples.step_s)
            time, quotes = samples.read(row)
            since = -np.inf if window_s is None else self._finest.ends()[1] - window_s
        inside = time >= since
        time, quotes = time[inside], quotes[inside]
        return History(time, quotes[:, 0].copy(), quotes[:, 1].copy(), samples.step_s)

    def reach_s(self) -> float:
        """Seconds from the oldest sample of any grid to the newest one; 0 before any."""
        with self._lock:
            if not len(self):
                return 0.0
            oldest = min(samples.ends()[0] for samples in (self._finest, *self._coarser))
            return self._finest.ends()[1] - oldest

    def _covering(self, window_s: float) -> _Samples:
        every = (self._finest, *self._coarser)
        return next((samples for samples in every if samples.covers(window_s)), every[-1])

    def closes(self, keys: list[tuple[str, str]], points: int) -> Array:
        """Up to `points` samples spread evenly over the last CLOSES_S, shape (len(keys), points, 2): bid, ask."""
        with self._lock:
            rows = np.array([self._rows.get(key, -1) for key in keys], dtype=np.intp)
            return self._finest.closes(rows, points)
