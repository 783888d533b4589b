"""Contracts of several exchanges in one market without bursts, whose prices and books can be bent on purpose.

What is bent lies in plain arrays, one value a contract, that plants write (`simulator/plants/kinds.py`). Left alone, it
is the same market model as the one that is served over sockets, less its random bursts: nothing dislocates unless the
ledger says so.
"""

from collections.abc import Sequence

import numpy as np

from simulator.market import (
    HISTORY_STEPS,
    STEPS_PER_SECOND,
    ExchangeMarket,
    FairPrices,
    Floats,
    Ints,
    TopChange,
    generator,
)
from simulator.universe import Listing

LEVELS = 10  # a side, the touch included
BPS = 1e4

Levels = list[tuple[int, int]]  # (price in ticks, size in lots), best first


class PlantedMarket(ExchangeMarket):
    """See the module docstring. Every array below has one value a contract.

    scale: index, mark and book against the asset's price, a factor. shift: the book against the index, a fraction.
    lift: shape (C, 2), bid and ask of the touch alone against the rest of the book, a fraction. urge: least chance of a
    new quote in a step. frozen: whether the index stands still. touch_notional: what one side of the touch is worth,
    NaN for as usual; behind_notional: the same of a typical level behind it [quote]. level_bps: least distance between
    levels.

    Args:
        listings: Of all exchanges, in array order.
        fair: The prices that they follow.
        seed: Of the whole simulation.
        calm: What is left of the usual premiums, a factor.
    """

    premium_bps = (2.0, 25.0)  # rougher than elsewhere, so that noise has its chance to be taken for a gap

    def __init__(self, listings: Sequence[Listing], fair: FairPrices, seed: int, calm: float = 1.0) -> None:
        count = len(listings)
        self.scale: Floats = np.ones(count)
        self.shift: Floats = np.zeros(count)
        self.lift: Floats = np.zeros((count, 2))
        self.urge: Floats = np.zeros(count)
        self.frozen = np.zeros(count, dtype=bool)
        self.touch_notional: Floats = np.full(count, np.nan)
        self.level_bps: Floats = np.zeros(count)
        self._noise: Floats = np.zeros(count)
        self._now: set[int] = set()
        self._shape_random = generator(seed, "planted:books")
        self._gaps: Floats = self._shape_random.uniform(0.1, 1.9, (count, 2, LEVELS))
        self._sizes_behind: Floats = self._shape_random.lognormal(0.4, 0.9, (count, 2, LEVELS))
        super().__init__("planted", listings, fair, seed)
        self._kick *= calm
        self.premium *= calm
        self.premium_mean *= calm
        exchanges = [listing.exchange for listing in listings]
        lag = {name: int(generator(seed, f"{name}:lag").integers(1, 5)) for name in dict.fromkeys(exchanges)}
        own = generator(seed, "planted:lag").integers(0, 11, count)
        self._lag = np.array([lag[name] for name in exchanges]) + own
        self.usual_behind: Floats = np.exp(self._size_log_mean)
        self.behind_notional: Floats = self.usual_behind.copy()
        self.half_spread_bps: Floats = self._half_spread * BPS

    # What plants ask for.

    def quote_now(self, contract: int) -> None:
        """Have a contract quoted anew in the next step, whatever its pace."""
        self._now.add(contract)

    def follow(self, contract: int, rank: int, scale: float) -> None:
        """Let a contract's index and book follow another asset, times `scale`."""
        self._asset[contract] = rank
        self.scale[contract] = scale

    # What the market model does with it.

    def _mids(self) -> Floats:
        mids: Floats = super()._mids() * self.scale * (1.0 + self.shift)
        return mids

    def _step_bursts(self) -> None:
        """None: they would be dislocations that no ledger knows of."""

    def _remember(self, change: TopChange) -> None:
        """Nobody asks for the tops of before."""

    def _chances(self) -> Floats:
        chances = np.maximum(self._probability, self.urge)
        if self._now:
            chances[list(self._now)] = 1.1
            self._now.clear()
        return chances

    def _sides(self, index: Ints, half: Floats) -> tuple[Floats, Floats]:
        bid, ask = super()._sides(index, half)
        return bid * (1.0 + self.lift[index, 0]), ask * (1.0 + self.lift[index, 1])

    def _sizes(self, index: Ints) -> Ints:
        lots = super()._sizes(index)
        wanted = self.touch_notional[index]
        planted = ~np.isnan(wanted)
        if planted.any():
            worth = wanted[planted] * self._quote_random.uniform(0.85, 1.15, int(planted.sum()))
            lots[planted] = np.maximum(1, np.rint(worth / self._per_lot(index[planted])))
        return lots

    def _indices(self) -> Floats:
        """As in the base, with an index noise for each contract: every exchange makes its own index."""
        draws = self._slow_random.standard_normal(len(self.listings))
        self._noise = np.clip(0.95 * self._noise + 0.25e-4 * draws, -2e-4, 2e-4)
        quote = self.fair.quote_history[self.fair.steps % HISTORY_STEPS][self._quote]
        fresh = self.fair.now[self._asset] * self._unit / quote * self.scale * (1.0 + self._noise)
        indices: Floats = np.where(self.frozen, self.index, fresh)
        return indices

    # The true books.

    def levels(self, contract: int, side: int, count: int = LEVELS) -> Levels:
        """The true book of a contract, best level first. side: 0 for bids, 1 for asks."""
        best = int((self.bid_ticks, self.ask_ticks)[side][contract])
        lots = int((self.bid_lots, self.ask_lots)[side][contract])
        tick, mid = float(self.tick[contract]), float(self.mid[contract])
        sign = 1 if side else -1
        half = float(self._half_spread[contract])
        lifted = bool(self.lift[contract].any())
        spread = 2.0 * half * mid / tick if lifted else float(self.ask_ticks[contract] - self.bid_ticks[contract])
        gap = max(1.0, spread, mid * 0.3e-4 / tick)
        far = max(gap, self.level_bps[contract] / BPS * mid / tick)
        steps = np.maximum(1.0, np.rint(self._gaps[contract, side] * gap + (far if far > gap else 0.0)))
        prices = best + sign * np.cumsum(steps)
        if self.lift[contract, side] * -sign > 0.0:
            # A lone price inside the book: what lies behind it is the book where it was.
            rest = mid * (1.0 + sign * half) / tick
            prices += (np.floor(rest) if side == 0 else np.ceil(rest)) - prices[0]
        per_lot = float(self._per_lot(np.array([contract]))[0])
        behind = np.maximum(1.0, np.rint(self.behind_notional[contract] * self._sizes_behind[contract, side] / per_lot))
        found = [(best, lots)]
        for price, size in zip(prices.tolist(), behind.tolist(), strict=True):
            if len(found) == count or price < 1:
                break
            if (price - found[-1][0]) * sign > 0:
                found.append((int(price), int(size)))
        return found

    def stir(self, contract: int) -> None:
        """Let a few of the orders behind the touch come and go."""
        rows = self._shape_random.integers(0, LEVELS, 2)
        self._sizes_behind[contract, :, rows] = self._shape_random.lognormal(0.4, 0.9, (2, 2))

    @property
    def is_second(self) -> bool:
        """Whether marks, indices and rates have just moved."""
        return self.steps % STEPS_PER_SECOND == 0
