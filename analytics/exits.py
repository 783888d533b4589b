"""What closing a pair is expected to earn: the median of what it would have earned over the last half hour."""

import numpy as np

from analytics.routes import Array, ExpectedExit, Ints
from analytics.spreads import median_exit_bps
from store.grid import Grid
from store.ring import QuoteRing
from store.snapshot import Snapshot

POINTS = 60  # samples over the look-back behind an expected exit
KEPT_S = 2.0  # a median of half an hour does not change within


def expected_exits(ring: QuoteRing, snapshot: Snapshot) -> ExpectedExit:
    """Exits of pairs by their positions on a snapshot, of all rows or of some: see `median_exit_bps`."""
    symbols, exchanges = snapshot.symbols, snapshot.exchanges

    def exits(symbol: Ints, buy: Ints, sell: Ints) -> tuple[Array, Array]:
        count = len(symbol)
        if count == 0 or len(ring) == 0:
            return np.full(count, np.nan), np.zeros(count)
        cells = np.concatenate([symbol * len(exchanges) + buy, symbol * len(exchanges) + sell])
        cells, where = np.unique(cells, return_inverse=True)
        keys = [(exchanges[cell % len(exchanges)], symbols[cell // len(exchanges)]) for cell in cells.tolist()]
        quotes = ring.closes(keys, POINTS)
        return median_exit_bps(quotes[where[:count]], quotes[where[count:]])

    return exits


class KeptExits:
    """The same for the few pairs of a market that are asked for again and again, each measured anew every `KEPT_S`.

    One user; positions are those of `grid`.
    """

    def __init__(self, ring: QuoteRing, grid: Grid) -> None:
        self.grid = grid
        self._ring = ring
        shape = (len(grid.symbols), len(grid.exchanges), len(grid.exchanges))
        self._measured: Array = np.full(shape, -np.inf)  # [epoch s]
        self._median: Array = np.full(shape, np.nan)
        self._samples: Array = np.zeros(shape)

    def on_grid(self, grid: Grid) -> None:
        """Go over to another grid; what is known of symbols that stay is kept."""
        if grid is self.grid:
            return
        old_grid, memories = self.grid, (self._measured, self._median, self._samples)
        self.__init__(self._ring, grid)  # type: ignore[misc]
        to, at = grid.kept(old_grid)
        for mine, old in zip((self._measured, self._median, self._samples), memories, strict=True):
            mine[to] = old[at]

    def of(self, snapshot: Snapshot, rows: Ints, now: float) -> ExpectedExit:
        """Exits of pairs by their positions on a snapshot of some rows of the grid. now: [epoch s]"""
        measure = expected_exits(self._ring, snapshot)

        def exits(symbol: Ints, buy: Ints, sell: Ints) -> tuple[Array, Array]:
            at = rows[symbol], buy, sell
            asked = np.flatnonzero(~(now - self._measured[at] < KEPT_S))
            if asked.size:
                anew = tuple(axis[asked] for axis in at)
                self._median[anew], self._samples[anew] = measure(symbol[asked], buy[asked], sell[asked])
                self._measured[anew] = now
            return self._median[at], self._samples[at]

        return exits
