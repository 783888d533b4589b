"""Order books on demand: a ladder of levels under the top that the market model says, and what a stream must send.

A book exists only once somebody asks for depth of an instrument. It is brought up to date when it is looked at, so
its best levels always equal the true top.
"""

import random
from bisect import bisect_left, bisect_right

from simulator.market import ExchangeMarket

BOOK_LEVELS = 420
IDLE_STEPS = 10
Levels = list[tuple[int, int]]  # (price in ticks, size in lots), best first


class Ladder:
    """One side of a book. `sign` is -1 for bids (prices fall away from the best) and 1 for asks."""

    def __init__(self, sign: int, chance: random.Random) -> None:
        self.sign = sign
        self.sizes: dict[int, int] = {}
        self._keys: list[int] = []  # prices times sign, so that the best comes first on either side
        self._chance = chance

    def only(self, price: int, lots: int) -> None:
        """Be one level and no more. [ticks, lots]"""
        self._keys, self.sizes = [price * self.sign], {price: lots}

    def refresh(self, best: int, lots: int, gap: int, floor: int) -> None:
        """Bring the ladder under a new best level.

        Args:
            best: Best price. [ticks]
            lots: Size there.
            gap: Typical distance between levels. [ticks]
            floor: Lowest price a level may have. [ticks]
        """
        sign, chance, keys, sizes = self.sign, self._chance, self._keys, self.sizes
        beaten = bisect_right(keys, best * sign)
        for key in keys[:beaten]:
            del sizes[key * sign]
        keys[:beaten] = [best * sign]
        sizes[best] = lots
        near = keys[1:40]
        if len(keys) > 1 and keys[1] - keys[0] > 3 * gap:
            self._fill(gap, lots)
        for key in chance.sample(near, k=min(3, len(near))):
            if chance.random() < 0.25:
                del sizes[key * sign]
                del keys[bisect_left(keys, key)]
            else:
                sizes[key * sign] = self._size(lots)
        self._extend(gap, lots, floor)

    def _fill(self, gap: int, lots: int) -> None:
        """Put levels between the best and the next."""
        key, nearest = self._keys[:2]
        filled: list[int] = []
        while (key := key + self._chance.randint(1, 2 * gap)) < nearest:
            filled.append(key)
            self.sizes[key * self.sign] = self._size(lots)
        self._keys[1:1] = filled

    def _extend(self, gap: int, lots: int, floor: int) -> None:
        keys, sizes, sign = self._keys, self.sizes, self.sign
        for key in keys[BOOK_LEVELS + 40 :]:
            del sizes[key * sign]
        del keys[BOOK_LEVELS + 40 :]
        key = keys[-1]
        for _ in range(BOOK_LEVELS - len(keys)):
            key += self._chance.randint(1, 2 * gap)
            if key * sign < floor:
                return
            keys.append(key)
            sizes[key * sign] = self._size(lots)

    def _size(self, lots: int) -> int:
        return max(1, int(lots * self._chance.lognormvariate(0.4, 0.9)))

    def top(self, count: int) -> Levels:
        sizes, sign = self.sizes, self.sign
        return [(key * sign, sizes[key * sign]) for key in self._keys[:count]]


class Book:
    """Both sides of one instrument's book."""

    def __init__(self, market: ExchangeMarket, index: int, seed: int) -> None:
        self._market = market
        self._index = index
        chance = random.Random(f"{seed}:{market.name}:{index}:book")
        self.bids = Ladder(-1, chance)
        self.asks = Ladder(1, chance)
        self.version = 0  # grows with every change
        self._refreshed_step = -1
        self._top: tuple[int, int, int, int] | None = None

    def refresh(self) -> None:
        """Follow the current top; below a top that stands, the levels change every IDLE_STEPS."""
        market, index = self._market, self._index
        if self._refreshed_step == market.steps or (self.bids.sizes and not market.live[index]):
            return  # a halted instrument's book stands still
        bid, bid_lots = int(market.bid_ticks[index]), int(market.bid_lots[index])
        ask, ask_lots = int(market.ask_ticks[index]), int(market.ask_lots[index])
        top = (bid, bid_lots, ask, ask_lots)
        if top == self._top and market.steps < self._refreshed_step + IDLE_STEPS:
            return
        self._refreshed_step, self._top = market.steps, top
        self.version += 1
        gap = max(1, ask - bid, round(bid * 0.3e-4))
        self.bids.refresh(bid, bid_lots, gap, floor=1)
        self.asks.refresh(ask, ask_lots, gap, floor=1)


class DepthMemory:
    """What one depth stream has sent so far, so that the next frame can carry only the difference."""

    def __init__(self, levels: int) -> None:
        self.levels = levels
        self.last_id = 0
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}
        self._seen: tuple[Book | None, int] = (None, 0)

    def snapshot(self, book: Book) -> tuple[Levels, Levels]:
        self._seen = (book, book.version)
        bids, asks = book.bids.top(self.levels), book.asks.top(self.levels)
        self._bids, self._asks = dict(bids), dict(asks)
        return bids, asks

    def current(self) -> tuple[Levels, Levels]:
        """The book as it was last sent: what a new subscriber's snapshot must show."""
        return sorted(self._bids.items(), reverse=True), sorted(self._asks.items())

    def changes(self, book: Book) -> tuple[Levels, Levels]:
        """Levels that differ from what was sent before; size 0 means gone (or out of this stream's depth)."""
        if self._seen == (book, book.version):
            return [], []
        before_bids, before_asks = self._bids, self._asks
        self.snapshot(book)
        return _changes(before_bids, self._bids, reverse=True), _changes(before_asks, self._asks, reverse=False)


def _changes(before: dict[int, int], after: dict[int, int], reverse: bool) -> Levels:
    changed = dict(after.items() - before.items())
    for price in before.keys() - after.keys():
        changed[price] = 0
    return sorted(changed.items(), reverse=reverse)
