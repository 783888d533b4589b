"""Which directed pairs stand apart by more than they cost, since when, and whether they jumped apart.

A gap opens when the edge at the touch clears costs and the least gain that is asked for, and closes when it falls
`HYSTERESIS_BPS` below that, so that a price that trembles on the line is one gap and not a hundred. It jumped if one
change brought most of it; else it crept open, as when a book follows an index of its own.
"""

import numpy as np
from numpy.typing import NDArray

from analytics.edges import Edges
from analytics.quality import OK
from store.grid import Grid, Matrix

Array = NDArray[np.float64]
Ints = NDArray[np.intp]
Mask = NDArray[np.bool_]

HYSTERESIS_BPS = 1.0
JUMP_SHARE = 0.5  # of the gross edge, from one look to the next


class Gaps:
    """The gaps of a market, all of shape (S, E, E). since: epoch s, NaN where there is none. jumped: which of them came
    at once. clean: since when nothing but its youth spoke against a gap, epoch s; infinite while something does.
    One writer; positions are those of `grid`.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        width = len(grid.exchanges)
        self.since: Array = np.full((len(grid.symbols), width, width), np.nan)
        self.jumped: Mask = np.zeros(self.since.shape, dtype=bool)
        self.clean: Array = np.full(self.since.shape, np.nan)
        self._entry: Array = np.full(self.since.shape, np.nan)  # gross edges at the last look

    def on_grid(self, grid: Grid) -> None:
        """Go over to another grid; the gaps of symbols that stay are kept."""
        if grid is self.grid:
            return
        old_grid, memories = self.grid, (self.since, self.jumped, self.clean, self._entry)
        self.__init__(grid)  # type: ignore[misc]
        to, at = grid.kept(old_grid)
        for mine, old in zip((self.since, self.jumped, self.clean, self._entry), memories, strict=True):
            mine[to] = old[at]

    def update(self, rows: Ints, edges: Edges, told_at: Matrix, least_bps: float) -> None:
        """Look at some rows again: `edges` and `told_at` (D, E) are of these rows only.

        A gap begins when the later one of its two quotes was told.
        """
        with np.errstate(invalid="ignore"):
            apart = edges.promise >= least_bps
            still = edges.promise >= least_bps - HYSTERESIS_BPS
        good = edges.pair == OK
        before = self.since.take(rows, 0)
        later = np.fmax(told_at[:, :, None], told_at[:, None, :])
        stays = good & still & ~np.isnan(before)
        with np.errstate(invalid="ignore"):
            jump = edges.entry - self._entry.take(rows, 0) >= JUMP_SHARE * edges.entry
        self._entry[rows] = np.where(good, edges.entry, np.nan)
        self.jumped[rows] = np.where(stays, self.jumped.take(rows, 0), jump)
        since = np.where(stays, before, np.where(good & apart, later, np.nan))
        self.since[rows] = since
        self.clean[rows] = np.where(stays, self.clean.take(rows, 0), since)

    def judged(self, rows: Ints, buy: Ints, sell: Ints, refused: Mask, now: float) -> None:
        """Remember of some gaps, shape (n,), whether something but their youth spoke against them. now: [epoch s]"""
        clean = self.clean[rows, buy, sell]
        self.clean[rows, buy, sell] = np.where(refused, np.inf, np.where(clean == np.inf, now, clean))
