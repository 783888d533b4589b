"""Which directed pairs stand apart by more than they cost, and since when.

A gap opens when the edge at the touch clears costs and the least gain that is asked for, and closes when it falls
`HYSTERESIS_BPS` below that, so that a price that trembles on the line is one gap and not a hundred.
"""

import numpy as np
from numpy.typing import NDArray

from analytics.edges import Edges
from analytics.quality import Verdict
from store.snapshot import Grid, Matrix

Array = NDArray[np.float64]
Ints = NDArray[np.intp]
Mask = NDArray[np.bool_]

HYSTERESIS_BPS = 1.0


class Gaps:
    """The gaps of a market. since: shape (S, E, E), epoch s, NaN where there is none. opened: which of them have
    passed every test. One writer; positions are those of `grid`.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        width = len(grid.exchanges)
        self.since: Array = np.full((len(grid.symbols), width, width), np.nan)
        self.opened: Mask = np.zeros(self.since.shape, dtype=bool)

    def on_grid(self, grid: Grid) -> None:
        """Go over to another grid; the gaps of symbols that stay are kept."""
        if grid is self.grid:
            return
        old_grid, since, opened = self.grid, self.since, self.opened
        self.__init__(grid)  # type: ignore[misc]
        kept = [symbol for symbol in grid.symbols if symbol in old_grid.symbol_index]
        to = np.array([grid.symbol_index[symbol] for symbol in kept], dtype=np.intp)
        at = np.array([old_grid.symbol_index[symbol] for symbol in kept], dtype=np.intp)
        self.since[to], self.opened[to] = since[at], opened[at]

    def update(self, rows: Ints, edges: Edges, received_time: Matrix, least_bps: float) -> None:
        """Look at some rows again: `edges` and `received_time` (D, E) are of these rows only.

        A gap begins when the later one of its two quotes was received.
        """
        with np.errstate(invalid="ignore"):
            apart = edges.promise >= least_bps
            still = edges.promise >= least_bps - HYSTERESIS_BPS
        good = edges.pair == Verdict.OK
        before = self.since[rows]
        later = np.fmax(received_time[:, :, None], received_time[:, None, :])
        self.since[rows] = np.where(good & still & ~np.isnan(before), before, np.where(good & apart, later, np.nan))
        self.opened[rows] &= ~np.isnan(self.since[rows])
