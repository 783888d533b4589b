"""Where the median mid of each symbol was over the last seconds, as told by every look at a change.

Marks come once in a while and the whole market is looked at once a second; a run of all books begins between. The
memory is coarse: of every `BUCKET_S` it keeps the median that was in force when the first change of it came.
"""

import numpy as np
from numpy.typing import NDArray

from analytics.spreads import row_median
from analytics.usual import LOOK_S
from store.snapshot import Grid, Matrix

Ints = NDArray[np.intp]

BUCKET_S = 0.25
BUCKETS = round(LOOK_S / BUCKET_S)
LEAST_MIDS = 3  # of two, either may be the one that jumps


class Runs:
    """Medians of a market by time. One writer; positions are those of `grid`."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        count = len(grid.symbols)
        self._last: Matrix = np.full(count, np.nan)
        self._middle: Matrix = np.full((BUCKETS, count), np.nan)
        self._time: Matrix = np.full((BUCKETS, count), -np.inf)

    def on_grid(self, grid: Grid) -> None:
        """Go over to another grid; what is known of symbols that stay is kept."""
        if grid is self.grid:
            return
        old_grid, memories = self.grid, (self._last, self._middle, self._time)
        self.__init__(grid)  # type: ignore[misc]
        kept = [symbol for symbol in grid.symbols if symbol in old_grid.symbol_index]
        to = np.array([grid.symbol_index[symbol] for symbol in kept], dtype=np.intp)
        at = np.array([old_grid.symbol_index[symbol] for symbol in kept], dtype=np.intp)
        for mine, old in zip((self._last, self._middle, self._time), memories, strict=True):
            mine[..., to] = old[..., at]

    def look(self, rows: Ints, mids: Matrix, now: float) -> None:
        """Take over the good mids of some rows, shape (D, E), NaN where there is none. now: [epoch s]"""
        known = np.sum(~np.isnan(mids), axis=1) >= LEAST_MIDS
        middle = np.where(known, row_median(mids), np.nan)
        bucket = int(now / BUCKET_S) % BUCKETS
        first = rows[now - self._time[bucket, rows] >= BUCKET_S]
        self._middle[bucket, first] = self._last[first]
        self._time[bucket, first] = now
        self._last[rows] = middle

    def before(self, rows: Ints, now: float) -> Matrix:
        """Medians of the last `LOOK_S`, shape (B, D), NaN where none is known, then or now. [quote per coin]

        now: [epoch s]
        """
        recent = (now - self._time[:, rows] <= LOOK_S) & ~np.isnan(self._last[rows])
        middle: Matrix = np.where(recent, self._middle[:, rows], np.nan)
        return middle
