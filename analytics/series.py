"""The history of one directed pair: its executable prices, its spread, and what is usual for it.

Same definitions as `analytics.spreads`, over time instead of over exchanges. Shapes: T samples on the ring's grid,
oldest first; NaN where either leg was not fresh, never filled. Two samples are consecutive where both are known and
their times are one step apart. Beside every statistic stand the samples behind it and how far they reach back: of many
pairs that are looked at, some look unusual by chance.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.spreads import BPS
from store.ring import History

Array = NDArray[np.float64]

WINDOWS_S = (3_600.0, 86_400.0, 604_800.0, 2_592_000.0)  # 1 h, 24 h, 7 d, 30 d
MAD_SIGMAS = 1.4826  # the sigma of a normal distribution is so many median absolute deviations
ROUNDING_BPS = 0.0012  # what the float32 prices of the coarser grids can move a spread by
MIN_PAIRS = 30  # consecutive samples behind a slope


@dataclass(frozen=True)
class PairSeries:
    """What could have been traded, shape (T,) each.

    time: epoch s. buy_price: ask of the bought leg; sell_price: bid of the sold leg [quote per base coin].
    spread_bps, exit_bps: entry and exit edge, bps of the mean of the two mids. step_s: between samples.
    """

    time: Array
    buy_price: Array
    sell_price: Array
    spread_bps: Array
    exit_bps: Array
    step_s: float


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of the known samples of a series, in its unit; None where there are too few (sigma and z need two).

    sigma: sample standard deviation. z: distance of now from the mean in sigmas. percentile: share of the samples at
    or below now, in percent. gaps: samples that are not known. mad: median distance from the median. robust_z: distance
    of now from the median in 1.4826 mad, which outliers hardly move.
    """

    now: float | None
    mean: float | None
    sigma: float | None
    median: float | None
    low: float | None
    high: float | None
    z: float | None
    percentile: float | None
    n: int
    gaps: int
    mad: float | None = None
    robust_z: float | None = None


def pair_series(long_leg: History, short_leg: History, since: float = -np.inf) -> PairSeries:
    """Join the histories of two legs on their common times.

    Args:
        long_leg: Of the leg that is bought. [quote per base coin]
        short_leg: Of the leg that is sold.
        since: Earlier samples are left out. [epoch s]
    """
    time, at_long, at_short = np.intersect1d(long_leg.time, short_leg.time, assume_unique=True, return_indices=True)
    first = int(np.searchsorted(time, since))
    time, at_long, at_short = time[first:], at_long[first:], at_short[first:]
    long_bid, long_ask = long_leg.bid_price[at_long], long_leg.ask_price[at_long]
    short_bid, short_ask = short_leg.bid_price[at_short], short_leg.ask_price[at_short]
    mean_mid = (long_bid + long_ask + short_bid + short_ask) / 4.0
    return PairSeries(
        time=time,
        buy_price=long_ask,
        sell_price=short_bid,
        spread_bps=(short_bid - long_ask) / mean_mid * BPS,
        exit_bps=(long_bid - short_ask) / mean_mid * BPS,
        step_s=max(long_leg.step_s, short_leg.step_s),
    )


def statistics(values: Array) -> Statistics:
    """Describe a series, shape (T,): now is its last sample, None if that one is not known."""
    known = values[~np.isnan(values)]
    n = len(known)
    gaps = len(values) - n
    if n == 0:
        return Statistics(None, None, None, None, None, None, None, None, 0, gaps)
    now = None if np.isnan(values[-1]) else float(values[-1])
    mean = float(known.mean())
    sigma = float(known.std(ddof=1)) if n > 1 else None
    median = float(np.median(known))
    mad = float(np.median(np.abs(known - median)))
    return Statistics(
        now=now,
        mean=mean,
        sigma=sigma,
        median=median,
        low=float(known.min()),
        high=float(known.max()),
        z=None if now is None or not sigma else (now - mean) / sigma,
        percentile=None if now is None else float(np.mean(known <= now) * 100.0),
        n=n,
        gaps=gaps,
        mad=mad,
        robust_z=None if now is None or not mad else (now - median) / (MAD_SIGMAS * mad),
    )


def band(stats: Statistics, sigmas: float) -> tuple[float, float] | None:
    """The range `sigmas` around the mean, None while sigma is not known."""
    if stats.mean is None or stats.sigma is None:
        return None
    return stats.mean - sigmas * stats.sigma, stats.mean + sigmas * stats.sigma


def net_zero_bps(fees: float, expected_exit: float) -> float:
    """The entry edge that would leave nothing: what the fees take and the exit does not give back. [bps]"""
    return fees - expected_exit


@dataclass(frozen=True, slots=True)
class WindowPercentile:
    """Where now lies among the samples of one look-back.

    percentile: share of the samples at or below now, in percent; None without samples or without a now. n: known
    samples. reach_s: from the oldest known sample to the end of the series. gap_share: of the steps over that reach,
    those without a known sample; None without samples. step_s: between samples.
    """

    window_s: float
    percentile: float | None
    n: int
    reach_s: float
    gap_share: float | None
    step_s: float


def window_percentiles(now_bps: float | None, series: Mapping[float, PairSeries]) -> tuple[WindowPercentile, ...]:
    """Compare the spread of now with that of several look-backs.

    Args:
        now_bps: The spread now; None or NaN if it is not known. [bps]
        series: The pair's history by look-back [s], each of the grid that covers it.
    """
    now = math.nan if now_bps is None else now_bps
    return tuple(_percentile(now, window_s, pair) for window_s, pair in series.items())


def _percentile(now: float, window_s: float, pair: PairSeries) -> WindowPercentile:
    known = pair.spread_bps[~np.isnan(pair.spread_bps)]
    n = len(known)
    reach_s = _reach_s(pair.time, pair.spread_bps)
    steps = max(n, round(reach_s / pair.step_s) + 1)
    return WindowPercentile(
        window_s=window_s,
        # A spread that has not moved must not come to lie above or below itself by rounding.
        percentile=None if n == 0 or math.isnan(now) else float(np.mean(known <= now + ROUNDING_BPS) * 100.0),
        n=n,
        reach_s=reach_s,
        gap_share=None if n == 0 else 1.0 - n / steps,
        step_s=pair.step_s,
    )


@dataclass(frozen=True, slots=True)
class HalfLife:
    """How fast a series returns to its mean, by the slope b of an AR(1) regression.

    half_life_s: None if a return to the mean cannot be told from chance. slope, slope_low, slope_high: b and its 95 %
    interval; None with fewer than MIN_PAIRS pairs or a constant series. n: pairs of consecutive samples. reach_s: from
    the oldest known sample to the end.
    """

    half_life_s: float | None
    slope: float | None
    slope_low: float | None
    slope_high: float | None
    n: int
    reach_s: float


def half_life(time: Array, values: Array, step_s: float) -> HalfLife:
    """Regress each sample on the one before: x[t+1] = a + b x[t] + e; the half-life is -ln 2 / ln b steps.

    There is none if b is 0 or less (the series jumps back and forth, as between bid and ask) or if the interval of b
    contains 1 (a random walk). Near 1 the estimate lies too low and is not normally distributed, so the upper end of
    the interval is b plus the Dickey-Fuller critical value (with constant, 5 %) times its standard error; the lower end
    is b less 1.96 standard errors.

    Args:
        time: Times of the samples, shape (T,). [epoch s]
        values: The series, same shape; NaN where not known.
        step_s: Time between consecutive samples.

    Sources: E. P. Chan, Algorithmic Trading (2013), chapter 2; J. G. MacKinnon, Critical values for cointegration tests
    (2010), table 2.
    """
    joined = _joined(time, values, step_s)
    before, after = values[:-1][joined], values[1:][joined]
    n, reach_s = len(before), _reach_s(time, values)
    if n < MIN_PAIRS or np.ptp(before) == 0.0:
        return HalfLife(None, None, None, None, n, reach_s)
    x, y = before - before.mean(), after - after.mean()
    slope = float(x @ y / (x @ x))
    error = math.sqrt(float(np.sum((y - slope * x) ** 2) / (n - 2) / (x @ x)))
    low, high = slope - 1.96 * error, slope + (2.8615 + 2.8903 / n) * error
    returns = slope > 0.0 and high < 1.0
    return HalfLife(-math.log(2.0) / math.log(slope) * step_s if returns else None, slope, low, high, n, reach_s)


@dataclass(frozen=True, slots=True)
class Crossings:
    """How often a series crossed its median.

    per_hour: of the time between consecutive samples; None without any. n: pairs of consecutive samples. reach_s: from
    the oldest known sample to the end.
    """

    count: int
    per_hour: float | None
    n: int
    reach_s: float


def median_crossings(time: Array, values: Array, step_s: float) -> Crossings:
    """Count the changes of side, arguments as of `half_life`.

    A sample on the median is on no side; from one side to the other over a gap is not counted, as nobody saw it.
    """
    joined = _joined(time, values, step_s)
    n = int(joined.sum())
    known = ~np.isnan(values)
    side = np.sign(values - np.median(values[known])) if known.any() else values
    run = np.concatenate([np.zeros(min(1, len(values)), dtype=np.intp), np.cumsum(~joined)])
    sided = known & (side != 0.0)
    side, run = side[sided], run[sided]
    count = int(np.sum((side[1:] != side[:-1]) & (run[1:] == run[:-1])))
    return Crossings(count, count / (n * step_s / 3_600.0) if n else None, n, _reach_s(time, values))


def _joined(time: Array, values: Array, step_s: float) -> NDArray[np.bool_]:
    """Which samples are consecutive with the next, shape (T - 1,)."""
    known = ~np.isnan(values)
    return known[:-1] & known[1:] & (np.abs(np.diff(time) - step_s) < step_s / 2.0)


def _reach_s(time: Array, values: Array) -> float:
    known = np.flatnonzero(~np.isnan(values))
    return float(time[-1] - time[known[0]]) if len(known) else 0.0
