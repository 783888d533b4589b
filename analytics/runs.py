"""What each exchange's mid was over the last seconds, and what the others said when it last spoke.

Marks come once in a while and the whole market is looked at once a second; a run of all books begins between. The
memory is told of every look at a change, and coarse: of every `BUCKET_S` it keeps what was in force when the first
change of it came.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.spreads import BPS
from store.grid import Grid, Matrix

Ints = NDArray[np.intp]

LOOK_S = 3.0  # over which a run is looked for
BUCKET_S = 0.25
BUCKETS = round(LOOK_S / BUCKET_S)
RUNNERS = 2  # one that goes its own way is no run


class Recent(msgspec.Struct, frozen=True):
    """Of the last `LOOK_S`, shape (S, E). [quote per coin] NaN where nothing is known.

    low, high: least and greatest mid. spoken: the median of all mids when each quote was last told.
    """

    low: Matrix
    high: Matrix
    spoken: Matrix

    def rows(self, index: Ints) -> "Recent":
        """The same of some rows only."""
        return Recent(self.low.take(index, 0), self.high.take(index, 0), self.spoken.take(index, 0))

    def run_bps(self, mids: Matrix) -> Matrix:
        """How far two exchanges have run the same way, shape (S,). [bps] mids: as of now.

        A median tells later: at the beginning of a run most books still stand.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            up, down = (mids / self.low - 1.0) * BPS, (1.0 - mids / self.high) * BPS
        run: Matrix = np.fmax(_of_many(up), _of_many(down))
        return run


def _of_many(move: Matrix) -> Matrix:
    """The move that `RUNNERS` of the known ones have reached; 0 where fewer are known."""
    if move.shape[1] < RUNNERS:
        return np.zeros(len(move))
    reached: Matrix = np.sort(np.where(np.isnan(move), -np.inf, move), axis=1)[:, -RUNNERS]
    return np.maximum(reached, 0.0)


class Runs:
    """The memory behind `Recent`. One writer; positions are those of `grid`."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        shape = grid.listed.shape
        self._last: Matrix = np.full(shape, np.nan)
        self._mids: Matrix = np.full((BUCKETS, *shape), np.nan)
        self._time: Matrix = np.full((BUCKETS, shape[0]), -np.inf)
        self._told_at: Matrix = np.full(shape, np.nan)
        self._spoken: Matrix = np.full(shape, np.nan)

    def on_grid(self, grid: Grid) -> None:
        """Go over to another grid; what is known of symbols that stay is kept."""
        if grid is self.grid:
            return
        old_grid, old = self.grid, (self._last, self._told_at, self._spoken)
        old_buckets = (self._mids, self._time)
        self.__init__(grid)  # type: ignore[misc]
        to, at = grid.kept(old_grid)
        for mine, before in zip((self._last, self._told_at, self._spoken), old, strict=True):
            mine[to] = before[at]
        for mine, before in zip((self._mids, self._time), old_buckets, strict=True):
            mine[:, to] = before[:, at]

    def look(self, rows: Ints, mids: Matrix, middle: Matrix, told_at: Matrix, now: float) -> None:
        """Take over the good mids of some rows and when each quote was told, shape (D, E); NaN where there is none.

        middle: median of each row's mids, shape (D,). now: [epoch s]
        """
        bucket = int(now / BUCKET_S) % BUCKETS
        first = rows[now - self._time[bucket].take(rows) >= BUCKET_S]
        self._mids[bucket, first] = self._last[first]
        self._time[bucket, first] = now
        self._last[rows] = mids
        anew = ~(told_at == self._told_at.take(rows, 0))
        self._told_at[rows] = told_at
        self._spoken[rows] = np.where(anew, middle[:, None], self._spoken.take(rows, 0))

    def recent(self, rows: Ints, now: float) -> Recent:
        """What is known of some rows. now: [epoch s]"""
        old = now - self._time.take(rows, 1) > LOOK_S
        mids = self._mids.take(rows, 1)
        mids[old] = np.nan
        return Recent(np.fmin.reduce(mids), np.fmax.reduce(mids), self._spoken.take(rows, 0))
