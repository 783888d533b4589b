"""The last half hour in memory: best bid and ask of every contract on a one-second grid, gaps left empty."""

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from store.snapshot import Snapshot

Array = NDArray[np.float64]


@dataclass(frozen=True)
class History:
    """Samples of one contract, oldest first. time: epoch s, shape (T,); bid_price, ask_price: NaN where not fresh."""

    time: Array
    bid_price: Array
    ask_price: Array


class QuoteRing:
    """A ring of samples, one row a contract. Written by one thread, read by any.

    capacity: samples kept. step_s: seconds between them, for readers; the writer keeps the pace.
    """

    def __init__(self, capacity: int = 1_900, step_s: float = 1.0) -> None:
        self.capacity = capacity
        self.step_s = step_s
        self._lock = threading.Lock()
        self._rows: dict[tuple[str, str], int] = {}
        self._time = np.full(capacity, np.nan)
        self._quotes = np.full((0, capacity, 2), np.nan)
        self._taken = 0

    def sample(self, snapshot: Snapshot, usable: NDArray[np.bool_], now: float) -> None:
        """Take the best bids and asks of this moment; `usable` (S, E) says which are fit to be remembered."""
        grid = snapshot.grid
        keys = list(grid.instruments)
        with self._lock:
            rows = np.array([self._row(key) for key in keys], dtype=np.intp)
            at = self._taken % self.capacity
            self._time[at] = now
            self._quotes[:, at] = np.nan
            if keys:
                s = np.array([grid.symbol_index[symbol] for _, symbol in keys])
                e = np.array([grid.exchange_index[exchange] for exchange, _ in keys])
                fit = usable[s, e]
                self._quotes[rows[fit], at, 0] = snapshot["bid_price"][s[fit], e[fit]]
                self._quotes[rows[fit], at, 1] = snapshot["ask_price"][s[fit], e[fit]]
            self._taken += 1

    def _row(self, key: tuple[str, str]) -> int:
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = len(self._rows)
            if row >= len(self._quotes):
                more = np.full((max(256, len(self._quotes)), self.capacity, 2), np.nan)
                self._quotes = np.concatenate([self._quotes, more])
        return row

    def forget(self, exchange: str, symbol: str) -> None:
        """Empty the samples of one contract, because its name or unit now means another thing."""
        with self._lock:
            row = self._rows.get((exchange, symbol))
            if row is not None:
                self._quotes[row] = np.nan

    def __len__(self) -> int:
        return min(self._taken, self.capacity)

    def _order(self, last: int) -> NDArray[np.intp]:
        """Positions of the last samples, oldest first."""
        count = min(last, len(self))
        return np.arange(self._taken - count, self._taken, dtype=np.intp) % self.capacity

    def history(self, exchange: str, symbol: str) -> History:
        """All samples of one contract; empty arrays for one never seen."""
        with self._lock:
            order = self._order(self.capacity)
            row = self._rows.get((exchange, symbol))
            if row is None:
                return History(np.empty(0), np.empty(0), np.empty(0))
            quotes = self._quotes[row, order]
            return History(self._time[order], quotes[:, 0].copy(), quotes[:, 1].copy())

    def closes(self, keys: list[tuple[str, str]], points: int) -> Array:
        """Up to `points` samples spread evenly over the whole ring, shape (len(keys), points, 2): bid, ask."""
        with self._lock:
            order = self._order(self.capacity)
            if len(order) > points:
                order = order[np.linspace(0, len(order) - 1, points).round().astype(np.intp)]
            rows = np.array([self._rows.get(key, -1) for key in keys], dtype=np.intp)
            out = np.full((len(keys), len(order), 2), np.nan)
            known = rows >= 0
            out[known] = self._quotes[rows[known][:, None], order[None, :]]
            return out
