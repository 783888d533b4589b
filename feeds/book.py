"""An order book kept from snapshots and changes, for channels that send no whole top of book.

Sizes are absolute, and 0 deletes. Prices and sizes are the exchange's own: a book only compares them.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from heapq import nlargest, nsmallest

Level = tuple[float, float]


def merge(side: dict[float, float], prices: list[float], changes: Iterable[Level], most: int, worst: int) -> None:
    """Take over changes of one side of a window; what falls out of it is forgotten.

    side: price to size. prices: its keys, ascending. most: how many levels the window has. worst: 0 for bids, -1 for
    asks.
    """
    for price, size in changes:
        if size > 0.0:
            if price not in side:
                insort(prices, price)
            side[price] = size
        elif price in side:
            del side[price], prices[bisect_left(prices, price)]
    while len(prices) > most:
        del side[prices.pop(worst)]


class Book:
    """Both sides, price to size, with the best price of each at hand."""

    __slots__ = ("_asks", "_best_ask", "_best_bid", "_bids")

    def __init__(self, bids: Iterable[Level] = (), asks: Iterable[Level] = ()) -> None:
        self._bids = {price: size for price, size in bids if size > 0.0}
        self._asks = {price: size for price, size in asks if size > 0.0}
        self._best_bid = max(self._bids, default=None)
        self._best_ask = min(self._asks, default=None)

    def apply(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Take over changed levels. Deleting a level that is not there is normal."""
        best = self._best_bid
        for price, size in bids:
            if size > 0.0:
                self._bids[price] = size
                if best is None or price > best:
                    best = price
            elif self._bids.pop(price, None) is not None and price == best:
                best = max(self._bids, default=None)
        self._best_bid = best
        best = self._best_ask
        for price, size in asks:
            if size > 0.0:
                self._asks[price] = size
                if best is None or price < best:
                    best = price
            elif self._asks.pop(price, None) is not None and price == best:
                best = min(self._asks, default=None)
        self._best_ask = best

    @property
    def best_bid(self) -> Level | None:
        """The highest bid and its size; None if there is none."""
        return None if self._best_bid is None else (self._best_bid, self._bids[self._best_bid])

    @property
    def best_ask(self) -> Level | None:
        """The lowest ask and its size; None if there is none."""
        return None if self._best_ask is None else (self._best_ask, self._asks[self._best_ask])

    @property
    def top(self) -> tuple[Level | None, Level | None]:
        """Best bid and best ask."""
        return self.best_bid, self.best_ask

    @property
    def crossed(self) -> bool:
        """Whether the best bid is at or above the best ask, which tells that a change was missed."""
        return self._best_bid is not None and self._best_ask is not None and self._best_bid >= self._best_ask

    def levels(self, depth: int) -> tuple[list[Level], list[Level]]:
        """The best `depth` bids and asks, best first."""
        return nlargest(depth, self._bids.items()), nsmallest(depth, self._asks.items())
