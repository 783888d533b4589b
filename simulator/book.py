"""Order books on demand: a ladder of levels under the top that the market model says, and what a stream must send.

A book exists only once somebody asks for depth of an instrument. It is brought up to date when it is looked at, so
its best levels always equal the true top.
"""

import random

from simulator.market import ExchangeMarket

BOOK_LEVELS = 420
Levels = list[tuple[int, int]]  # (price in ticks, size in lots), best first


class Ladder:
    """One side of a book. `sign` is -1 for bids (prices fall away from the best) and 1 for asks."""

    def __init__(self, sign: int, chance: random.Random) -> None:
        self.sign = sign
        self.sizes: dict[int, int] = {}
        self._chance = chance

    def refresh(self, best: int, lots: int, gap: int, floor: int) -> None:
        """Bring the ladder under a new best level.

        Args:
            best: Best price. [ticks]
            lots: Size there.
            gap: Typical distance between levels. [ticks]
            floor: Lowest price a level may have. [ticks]
        """
        sign, chance = self.sign, self._chance
        better = [price for price in self.sizes if (price - best) * sign <= 0]
        for price in better:
            del self.sizes[price]
        self.sizes[best] = lots
        ordered = self.ordered()
        if len(ordered) > 1 and abs(ordered[1] - best) > 3 * gap:
            self._fill(best, ordered[1], gap, lots)
        for price in chance.sample(ordered[1:40], k=min(3, max(0, len(ordered) - 1), len(ordered[1:40]))):
            if chance.random() < 0.25:
                del self.sizes[price]
            else:
                self.sizes[price] = self._size(lots)
        self._extend(gap, lots, floor)

    def _fill(self, best: int, nearest: int, gap: int, lots: int) -> None:
        price = best
        while True:
            price += self.sign * self._chance.randint(1, 2 * gap)
            if (nearest - price) * self.sign <= 0:
                return
            self.sizes[price] = self._size(lots)

    def _extend(self, gap: int, lots: int, floor: int) -> None:
        ordered = self.ordered()
        for price in ordered[BOOK_LEVELS + 40 :]:
            del self.sizes[price]
        price = ordered[-1]
        for _ in range(BOOK_LEVELS - len(ordered)):
            price += self.sign * self._chance.randint(1, 2 * gap)
            if price < floor:
                return
            self.sizes[price] = self._size(lots)

    def _size(self, lots: int) -> int:
        return max(1, int(lots * self._chance.lognormvariate(0.4, 0.9)))

    def ordered(self) -> list[int]:
        """Prices, best first. [ticks]"""
        return sorted(self.sizes, reverse=self.sign < 0)

    def top(self, count: int) -> Levels:
        sizes = self.sizes
        return [(price, sizes[price]) for price in self.ordered()[:count]]


class Book:
    """Both sides of one instrument's book."""

    def __init__(self, market: ExchangeMarket, index: int, seed: int) -> None:
        self._market = market
        self._index = index
        chance = random.Random(f"{seed}:{market.name}:{index}:book")
        self.bids = Ladder(-1, chance)
        self.asks = Ladder(1, chance)
        self._refreshed_step = -1

    def refresh(self) -> None:
        """Follow the current top; at most once per step of the market."""
        market, index = self._market, self._index
        if self._refreshed_step == market.steps:
            return
        self._refreshed_step = market.steps
        if self.bids.sizes and not market.live[index]:
            return  # a halted instrument's book stands still
        bid, ask = int(market.bid_ticks[index]), int(market.ask_ticks[index])
        gap = max(1, ask - bid, round(bid * 0.3e-4))
        self.bids.refresh(bid, int(market.bid_lots[index]), gap, floor=1)
        self.asks.refresh(ask, int(market.ask_lots[index]), gap, floor=1)


class DepthMemory:
    """What one depth stream has sent so far, so that the next frame can carry only the difference."""

    def __init__(self, levels: int) -> None:
        self.levels = levels
        self.last_id = 0
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}

    def snapshot(self, book: Book) -> tuple[Levels, Levels]:
        bids, asks = book.bids.top(self.levels), book.asks.top(self.levels)
        self._bids, self._asks = dict(bids), dict(asks)
        return bids, asks

    def current(self) -> tuple[Levels, Levels]:
        """The book as it was last sent: what a new subscriber's snapshot must show."""
        return sorted(self._bids.items(), reverse=True), sorted(self._asks.items())

    def changes(self, book: Book) -> tuple[Levels, Levels]:
        """Levels that differ from what was sent before; size 0 means gone (or out of this stream's depth)."""
        before_bids, before_asks = self._bids, self._asks
        self.snapshot(book)
        return _changes(before_bids, self._bids, reverse=True), _changes(before_asks, self._asks, reverse=False)


def _changes(before: dict[int, int], after: dict[int, int], reverse: bool) -> Levels:
    changed = dict(after.items() - before.items())
    for price in before.keys() - after.keys():
        changed[price] = 0
    return sorted(changed.items(), reverse=reverse)
