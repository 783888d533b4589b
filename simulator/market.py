"""The coherent market model: one fair price per asset, and each exchange's late, biased and ticking view of it.

Everything advances in fixed steps of STEP_S, from seeded generators, so that the same seed gives the same prices as
a function of simulated time. Each exchange draws from generators of its own: which other exchanges run changes
nothing. Which quotes tick also depends on the requested event rate; fair prices and premiums do not.
"""

import math
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.assets import ASSETS
from simulator.universe import LIVE, Listing

STEP_S = 0.02
HISTORY_STEPS = 16  # 320 ms of fair prices: the longest lag of a follower
TRUTH_WINDOW_S = 3.0
YEAR_S = 365.25 * 86_400
STEPS_PER_SECOND = round(1 / STEP_S)
INTEREST_8H = 0.0001  # the usual interest part of a funding rate, fraction per 8 h
QUOTES = ("USDT", "USDC", "USD")

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def generator(seed: int, name: str) -> np.random.Generator:
    """An independent random stream for one purpose."""
    return np.random.default_rng([seed & 0x7FFFFFFF, zlib.crc32(name.encode())])


class FairPrices:
    """Correlated random walk of all assets, with enough history for followers to be late.

    Args:
        seed: Of the whole simulation.
    """

    def __init__(self, seed: int) -> None:
        self._random = generator(seed, "fair")
        count = len(ASSETS)
        rank = np.array([asset.rank for asset in ASSETS], dtype=np.float64)
        yearly = 0.45 + 0.9 * np.minimum(rank, 300) / 300
        classes = [asset.asset_class for asset in ASSETS]
        yearly = np.where(np.array([name not in ("crypto",) for name in classes]), 0.25, yearly)
        yearly[[index for index, asset in enumerate(ASSETS) if asset.key == "USDC"]] = 0.002
        self._step_vol = yearly * math.sqrt(STEP_S / YEAR_S)
        self._beta = np.where(np.array([name == "crypto" for name in classes]), 0.6, 0.1)
        self._own = np.sqrt(1 - self._beta**2)
        self._log = np.log(np.array([asset.price for asset in ASSETS]))
        self.start: Floats = np.exp(self._log)
        self._usdc = [asset.key for asset in ASSETS].index("USDC")
        self.history: Floats = np.tile(self.start, (HISTORY_STEPS, 1))
        self.quote_history: Floats = np.tile(self._quotes(self.start), (HISTORY_STEPS, 1))
        self.push: Floats = np.zeros(count)  # added to the log prices in every step: a move that somebody ordered
        self.steps = 0
        self._count = count

    def _quotes(self, prices: Floats) -> Floats:
        """USDT per unit of each quote currency; USD stands a steady 5 bps above USDT."""
        return np.array([1.0, prices[self._usdc], 1.0005])

    def step(self) -> None:
        draws = self._random.standard_normal(self._count + 1)
        self._log += self._step_vol * (self._beta * draws[0] + self._own * draws[1:]) + self.push
        # USDC is pegged: pull it back to 3 bps above par with a half-life of a few minutes.
        self._log[self._usdc] += (0.0003 - self._log[self._usdc]) * STEP_S / 300
        self.steps += 1
        row = self.steps % HISTORY_STEPS
        np.exp(self._log, out=self.history[row])
        self.quote_history[row] = self._quotes(self.history[row])

    @property
    def now(self) -> Floats:
        row: Floats = self.history[self.steps % HISTORY_STEPS]
        return row


@dataclass(slots=True)
class TopChange:
    """The tops that changed in one step of one exchange, all arrays of the same length."""

    time: float  # unix s
    index: Ints
    bid_ticks: Ints
    bid_lots: Ints
    ask_ticks: Ints
    ask_lots: Ints


class ExchangeMarket:
    """One exchange's prices: tops in integer ticks and lots, mark, index, funding and statistics as arrays.

    Args:
        name: Of the exchange; part of the seed.
        listings: In array order.
        fair: Shared by all exchanges.
        seed: Of the whole simulation.
    """

    burst_every_s = 24.0  # on the average
    # Standard deviation of a contract's premium: the largest coin's, and that of the smallest. Twice as much, and
    # thousands of pairs would stand beyond their fees for no reason but noise.
    premium_bps = (0.6, 4.5)

    def __init__(self, name: str, listings: Sequence[Listing], fair: FairPrices, seed: int) -> None:
        self.name = name
        self.listings = list(listings)
        self.fair = fair
        count = len(self.listings)
        self._path_random = generator(seed, f"{name}:path")
        self._event_random = generator(seed, f"{name}:events")
        self._quote_random = generator(seed, f"{name}:quotes")
        self._slow_random = generator(seed, f"{name}:slow")
        setup = generator(seed, f"{name}:setup")
        self._asset = np.array([listing.asset.rank for listing in self.listings])
        rank = self._asset.astype(np.float64)
        tail = np.clip(rank / 250, 0, 1)
        self._quote = np.array([QUOTES.index(listing.quote) for listing in self.listings])
        self._unit = np.array([listing.unit for listing in self.listings])
        self.tick: Floats = np.array([listing.tick for listing in self.listings])
        self.lot: Floats = np.array([listing.lot for listing in self.listings])
        self.contract: Floats = np.array([listing.contract for listing in self.listings])
        self.linear = np.array([listing.kind == "linear" for listing in self.listings])
        self._lag = setup.integers(1, 5) + setup.integers(0, 11, count)
        least_bps, most_bps = self.premium_bps
        self._premium_sd = (least_bps + (most_bps - least_bps) * tail**1.2) * 1e-4
        half_life_s = setup.uniform(20, 240, count)
        self._pull = 1 - 0.5 ** (STEP_S / half_life_s)
        self._kick = self._premium_sd * np.sqrt(2 * self._pull)
        self.premium: Floats = self._premium_sd * setup.standard_normal(count)
        self.burst: Floats = np.zeros(count)
        self._burst_target: Floats = np.zeros(count)
        self._burst_ends: list[tuple[int, int]] = []
        spread_bps = np.where(rank < 15, 0.0, np.minimum(7.0, 0.3 + 6 * tail * setup.lognormal(0, 0.5, count)))
        self._half_spread = spread_bps / 2 * 1e-4
        self._size_log_mean = np.log(60_000 * np.exp(-3.2 * tail))
        self.live = np.array([listing.status == LIVE for listing in self.listings])
        self._activity = np.array([listing.activity for listing in self.listings])
        self._probability: Floats = np.zeros(count)
        self.rate = 0.0
        self.steps = 0
        self._init_slow(setup, rank)
        self.mid: Floats = self._mids()
        self._init_tops()
        self.changes: deque[TopChange] = deque()

    def _init_slow(self, setup: np.random.Generator, rank: Floats) -> None:
        count = len(self.listings)
        self.index_noise: Floats = np.zeros(len(ASSETS))
        self.premium_mean: Floats = self.premium * 0.6
        self.index: Floats = np.zeros(count)
        self.mark: Floats = np.zeros(count)
        self.funding_rate: Floats = np.zeros(count)
        self.settled_rate: Floats = np.clip(setup.normal(0.00005, 0.0001, count), -0.003, 0.003)
        self.interval_h: Floats = np.array([listing.funding_interval_h for listing in self.listings], dtype=np.float64)
        share = setup.uniform(0.2, 1.0, count) * np.where(self._quote == 0, 1.0, 0.15)
        self.volume_notional: Floats = 9e9 / (rank + 1) ** 1.05 * share + 50_000
        self.open_interest_notional: Floats = self.volume_notional * setup.uniform(0.15, 0.8, count)
        self.open_ratio: Floats = 1 + setup.normal(0, 0.035, count)  # price 24 h ago over the start price
        self.trade_count: Ints = setup.integers(20_000, 4_000_000, count)

    def _init_tops(self) -> None:
        count = len(self.listings)
        self.bid_ticks: Ints = np.floor(self.mid * (1 - self._half_spread) / self.tick).astype(np.int64)
        self.ask_ticks: Ints = np.maximum(
            np.ceil(self.mid * (1 + self._half_spread) / self.tick).astype(np.int64), self.bid_ticks + 1
        )
        every = np.arange(count)
        self.bid_lots: Ints = self._sizes(every)
        self.ask_lots: Ints = self._sizes(every)
        self.top_time: Floats = np.zeros(count)
        self.last: Floats = self.bid_ticks * self.tick
        self.high: Floats = np.maximum(self.last, self.last * self.open_ratio) * 1.012
        self.low: Floats = np.minimum(self.last, self.last * self.open_ratio) * 0.988
        self.open: Floats = self.last * self.open_ratio
        # What /truth answers for the time before its window of recent changes.
        self.base_time = self.top_time.copy()
        self.base = [a.copy() for a in (self.bid_ticks, self.bid_lots, self.ask_ticks, self.ask_lots)]
        self.slow_step()

    def set_rate(self, rate: float) -> None:
        """Top-of-book changes per second over all live listings; one listing changes at most once a step."""
        self.rate = rate
        wanted = np.where(self.live, self._activity, 0.0)
        total = wanted.sum()
        per_step = rate * STEP_S
        chance = wanted / total * per_step if total > 0 else wanted
        for _ in range(8):  # what a capped major cannot take goes to the others
            excess = np.maximum(chance - 1, 0).sum()
            if excess < 1e-6:
                break
            chance = np.minimum(chance, 1.0)
            open_share = np.where(chance < 1, wanted, 0.0)
            if open_share.sum() <= 0:
                break
            chance = chance + open_share / open_share.sum() * excess
        self._probability = np.minimum(chance, 1.0)

    def set_live(self, index: int, live: bool) -> None:
        self.live[index] = live
        self.set_rate(self.rate)

    def _mids(self) -> Floats:
        row = (self.fair.steps - self._lag) % HISTORY_STEPS
        lagged = self.fair.history[row, self._asset] / self.fair.quote_history[row, self._quote]
        mids: Floats = lagged * self._unit * (1 + self.premium + self.burst)
        return mids

    def _sizes(self, index: Ints) -> Ints:
        notional = np.clip(
            np.exp(self._size_log_mean[index] + 1.1 * self._quote_random.standard_normal(len(index))), 500, 200_000
        )
        lots: Ints = np.maximum(1, np.rint(notional / self._per_lot(index))).astype(np.int64)
        return lots

    def _per_lot(self, index: Ints) -> Floats:
        """What one lot is worth. [quote]"""
        worth: Floats = self.lot[index] * self.contract[index] * np.where(self.linear[index], self.mid[index], 1.0)
        return worth

    def _chances(self) -> Floats:
        """How likely each listing quotes anew in this step."""
        return self._probability

    def _sides(self, index: Ints, half: Floats) -> tuple[Floats, Floats]:
        """Where these listings want to bid and ask, `half` a spread away from their mids (fraction)."""
        mid = self.mid[index]
        return mid * (1 - half), mid * (1 + half)

    def step(self, time: float) -> TopChange:
        """Advance by STEP_S after the fair prices did; return what changed.

        Args:
            time: Unix time the step stands for. [s]
        """
        self.steps += 1
        draws = self._path_random.standard_normal(len(self.listings))
        self.premium += self._kick * draws - self._pull * self.premium
        self._step_bursts()
        self.mid = self._mids()
        hit = self._event_random.random(len(self.listings)) < self._chances()
        change = self._requote(np.flatnonzero(hit & self.live), time)
        if self.steps % STEPS_PER_SECOND == 0:
            self.slow_step()
        return change

    def _step_bursts(self) -> None:
        """Now and then some listing starts to run 50-100 bps away from its fair price for 5-60 s."""
        if self._path_random.random() < STEP_S / self.burst_every_s:
            index = int(self._path_random.integers(0, len(self.listings)))
            size = self._path_random.uniform(50, 100) * 1e-4 * (1 if self._path_random.random() < 0.5 else -1)
            self._burst_target[index] = size
            self._burst_ends.append((self.steps + int(self._path_random.uniform(5, 60) / STEP_S), index))
        if self._burst_ends and self.steps % 25 == 0:
            for end, index in [pair for pair in self._burst_ends if pair[0] <= self.steps]:
                self._burst_target[index] = 0.0
                self._burst_ends.remove((end, index))
        self.burst += (self._burst_target - self.burst) * 0.04

    def _requote(self, index: Ints, time: float) -> TopChange:
        mid, tick = self.mid[index], self.tick[index]
        random = self._quote_random.random((3, len(index)))
        half = self._half_spread[index] * (0.6 + 0.8 * random[0])
        bid, ask = self._sides(index, half)
        new_bid = np.floor(bid / tick).astype(np.int64)
        new_ask = np.maximum(np.ceil(ask / tick).astype(np.int64), new_bid + 1)
        old_bid, old_ask = self.bid_ticks[index], self.ask_ticks[index]
        # Prices stick while the mid stays well inside the standing quote; then only a size changes.
        inside = (mid > old_bid * tick) & (mid < old_ask * tick) & (old_ask - old_bid <= 2 * (new_ask - new_bid))
        keep = inside & (random[1] < 0.6)
        new_bid, new_ask = np.where(keep, old_bid, new_bid), np.where(keep, old_ask, new_ask)
        resize_bid = (new_bid != old_bid) | (random[2] < 0.5)
        resize_ask = (new_ask != old_ask) | (random[2] >= 0.5)
        old_bid_lots, old_ask_lots = self.bid_lots[index], self.ask_lots[index]
        bid_lots = np.where(resize_bid, self._sizes(index), old_bid_lots)
        ask_lots = np.where(resize_ask, self._sizes(index), old_ask_lots)
        same = (new_bid == old_bid) & (new_ask == old_ask) & (bid_lots == old_bid_lots) & (ask_lots == old_ask_lots)
        bid_lots = bid_lots + same
        self.bid_ticks[index], self.ask_ticks[index] = new_bid, new_ask
        self.bid_lots[index], self.ask_lots[index] = bid_lots, ask_lots
        self.top_time[index] = time
        self.last[index] = np.where(random[2] < 0.5, new_bid, new_ask) * tick
        change = TopChange(time, index, new_bid, bid_lots, new_ask, ask_lots)
        self._remember(change)
        return change

    def _remember(self, change: TopChange) -> None:
        if len(change.index):
            self.changes.append(change)
        while self.changes and self.changes[0].time < change.time - TRUTH_WINDOW_S:
            old = self.changes.popleft()
            self.base_time[old.index] = old.time
            fields = (old.bid_ticks, old.bid_lots, old.ask_ticks, old.ask_lots)
            for base, values in zip(self.base, fields, strict=True):
                base[old.index] = values

    def reset_clock(self, time: float) -> None:
        """Say when the standing tops came into force; called once before the first step."""
        self.top_time[:] = time
        self.base_time[:] = time

    def slow_step(self) -> None:
        """What moves once a second: index, mark, funding estimate, 24 h statistics."""
        self.index = self._indices()
        gap = (self.bid_ticks + self.ask_ticks) * self.tick / 2 / self.index - 1
        self.premium_mean += (np.clip(gap, -0.02, 0.02) - self.premium_mean) / 60
        self.mark = self.index * (1 + self.premium_mean)
        hours = self.interval_h / 8
        rate = self.premium_mean + np.clip(INTEREST_8H - self.premium_mean, -0.0005, 0.0005)
        cap = np.where(self._asset < 12, 0.003, 0.02)
        self.funding_rate = np.clip(rate, -cap, cap) * hours
        np.maximum(self.high, self.last, out=self.high)
        np.minimum(self.low, self.last, out=self.low)
        drift = self._slow_random.standard_normal((2, len(self.listings)))
        self.volume_notional *= 1 + np.where(self.live, 2e-5 * drift[0], 0)
        self.open_interest_notional *= 1 + np.where(self.live, 5e-5 * drift[1], 0)
        self.trade_count += self.live

    def _indices(self) -> Floats:
        noise = self._slow_random.standard_normal(len(ASSETS))
        self.index_noise = np.clip(0.95 * self.index_noise + 0.25e-4 * noise, -2e-4, 2e-4)
        quote = self.fair.quote_history[self.fair.steps % HISTORY_STEPS][self._quote]
        indices: Floats = self.fair.now[self._asset] * self._unit / quote * (1 + self.index_noise[self._asset])
        return indices

    def next_funding_s(self, index: int, time: float) -> float:
        """The next settlement on the true UTC grid of the listing's interval. [unix s]"""
        period = float(self.interval_h[index]) * 3600
        return (math.floor(time / period) + 1) * period
