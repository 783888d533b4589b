"""What closing a pair is expected to earn: the median of what it would have earned over the last half hour."""

import numpy as np

from analytics.routes import Array, ExpectedExit, Ints
from analytics.spreads import median_exit_bps
from store.grid import Grid
from store.ring import QuoteRing
from store.snapshot import Snapshot

POINTS = 60  # samples over the look-back behind an expected exit
KEPT_S, KEPT_YOUNG_S = 10.0, 2.0  # a median of half an hour does not change within; one of fewer samples sooner


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
    """The same of the pairs of one grid that are asked for again and again, each measured anew every `KEPT_S`.

    May be asked from several threads: two that find the same pair due measure the same.
    """

    def __init__(self, ring: QuoteRing, grid: Grid) -> None:
        shape = (len(grid.symbols), len(grid.exchanges), len(grid.exchanges))
        self._ring = ring
        self._due = np.full(shape, -np.inf)  # when to measure again, epoch s
        self._median = np.full(shape, np.nan)
        self._samples = np.zeros(shape)

    def of(self, snapshot: Snapshot, now: float, rows: Ints | None = None) -> ExpectedExit:
        """Exits of pairs by their positions on a snapshot.

        Args:
            snapshot: Of the grid, or of some of its rows.
            now: [epoch s]
            rows: The positions of these rows on the grid, all by default.
        """
        measure = expected_exits(self._ring, snapshot)

        def exits(symbol: Ints, buy: Ints, sell: Ints) -> tuple[Array, Array]:
            s = symbol if rows is None else rows[symbol]
            asked = np.flatnonzero(self._due[s, buy, sell] <= now)
            if asked.size:
                median, samples = measure(symbol[asked], buy[asked], sell[asked])
                at = s[asked], buy[asked], sell[asked]
                self._median[at], self._samples[at] = median, samples
                self._due[at] = now + np.where(samples < POINTS, KEPT_YOUNG_S, KEPT_S)
            return self._median[s, buy, sell], self._samples[s, buy, sell]

        return exits
