"""What closing a pair is expected to earn: the median of what it would have earned over the last half hour."""

import numpy as np

from analytics.routes import Array, ExpectedExit, Ints
from analytics.spreads import median_exit_bps
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
    """The same for a few pairs that are asked for again and again, each measured anew every `KEPT_S`."""

    def __init__(self, ring: QuoteRing) -> None:
        self._ring = ring
        self._kept: dict[tuple[str, str, str], tuple[float, float, float]] = {}

    def of(self, snapshot: Snapshot, now: float) -> ExpectedExit:
        """Exits of pairs by their positions on a snapshot. now: [epoch s]"""
        measure = expected_exits(self._ring, snapshot)
        symbols, exchanges = snapshot.symbols, snapshot.exchanges

        def exits(symbol: Ints, buy: Ints, sell: Ints) -> tuple[Array, Array]:
            positions = zip(symbol.tolist(), buy.tolist(), sell.tolist(), strict=True)
            routes = [(symbols[s], exchanges[b], exchanges[e]) for s, b, e in positions]
            asked = [i for i, route in enumerate(routes) if not now - self._kept.get(route, _NEVER)[0] < KEPT_S]
            if asked:
                medians, samples = measure(symbol[asked], buy[asked], sell[asked])
                for i, median, n in zip(asked, medians.tolist(), samples.tolist(), strict=True):
                    self._kept[routes[i]] = (now, median, n)
            found = np.array([self._kept[route][1:] for route in routes]).reshape(-1, 2)
            return found[:, 0], found[:, 1]

        return exits

    def forget_before(self, time: float) -> None:
        """Drop what was not asked for since."""
        self._kept = {route: kept for route, kept in self._kept.items() if kept[0] >= time}


_NEVER = (float("-inf"), float("nan"), 0.0)
