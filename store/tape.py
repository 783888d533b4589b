"""Every change of mid of the few contracts that somebody studies, by two clocks.

What lead and lag are read from: there a sample a second is too coarse. Times are epoch s, prices quote per base coin.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from store.depth import Wishes

Array = NDArray[np.float64]
Clock = Literal["received", "event"]

TTL_S = 60.0  # a contract is recorded for this long after the last look
CAPACITY = 20_000  # changes kept of one contract: 15 min at 22 a second, 0.5 MB


@dataclass(frozen=True)
class Events:
    """Changes of one contract in order of receipt. time: epoch s, shape (n,). mid: NaN where it ceased to be known.

    By the event clock an event may be older than the one before it.
    """

    time: Array
    mid: Array


class _Record:
    """The last changes of one contract, oldest overwritten first. Columns: received time, event time, mid."""

    def __init__(self, capacity: int) -> None:
        self._rows = np.empty((capacity, 3))  # the system gives the memory as it is written
        self._taken = 0
        self._last_mid: float | None = None

    def add(self, received_time: float, event_time: float, mid: float) -> None:
        if mid == self._last_mid or (mid != mid and self._last_mid is None):
            return
        self._last_mid = mid if mid == mid else None
        self._rows[self._taken % len(self._rows)] = received_time, event_time, mid
        self._taken += 1

    def rows(self) -> Array:
        """A copy, oldest first."""
        if self._taken <= len(self._rows):
            return self._rows[: self._taken].copy()
        return np.roll(self._rows, -(self._taken % len(self._rows)), axis=0)


class Tape:
    """The records of the tracked contracts. One writer; everything else may be called anywhere.

    A contract is tracked until `ttl_s` after the last look; then its record is given up.
    """

    def __init__(self, ttl_s: float = TTL_S, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._wishes = Wishes(ttl_s)
        self._lock = threading.Lock()
        self._records: dict[tuple[str, str], _Record] = {}  # by symbol and exchange

    def track(self, symbol: str, exchanges: Iterable[str], now: float) -> None:
        """Record a symbol on these exchanges from now on, or go on recording it. now: of a clock never set back [s]."""
        self._wishes.look(symbol, exchanges, now)
        self.tracked(now)

    def tracked(self, now: float) -> dict[str, tuple[str, ...]]:
        """The symbols tracked on each exchange, for the writer to ask once a round; the other records are given up."""
        with self._lock:
            wanted = self._wishes.wanted(now)
            keys = [(symbol, exchange) for exchange, symbols in wanted.items() for symbol in symbols]
            self._records = {key: self._records.get(key) or _Record(self._capacity) for key in keys}
        return wanted

    def add(self, symbol: str, exchange: str, *, received_time: float, event_time: float | None, mid: float) -> None:
        """Write a quote of a tracked contract, by the writer only; others and repetitions leave no trace.

        event_time: the exchange's, moved to our clock by its floor (`store.clock`); None if not known. mid: NaN says
        that from here on it is not known, so that no move is made of what happens meanwhile.
        """
        with self._lock:
            record = self._records.get((symbol, exchange))
            if record is not None:
                record.add(received_time, np.nan if event_time is None else event_time, mid)

    def events(self, symbol: str, exchange: str, clock: Clock, since: float = -np.inf) -> Events:
        """What was recorded, by one clock; events without a time of that clock are left out. since: epoch s."""
        with self._lock:
            record = self._records.get((symbol, exchange))
            rows = np.empty((0, 3)) if record is None else record.rows()
        time, mid = rows[:, 0 if clock == "received" else 1], rows[:, 2]
        kept = time >= since  # NaN is not
        return Events(time[kept], mid[kept])

    def forget(self, symbol: str, exchange: str) -> None:
        """Empty the record of one contract, because its name or unit now means another thing."""
        with self._lock:
            if (symbol, exchange) in self._records:
                self._records[symbol, exchange] = _Record(self._capacity)
