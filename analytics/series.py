"""The history of one directed pair: its executable prices, its spread, and what is usual for it.

Same definitions as `analytics.spreads`, over time instead of over exchanges. Shapes: T samples on the ring's grid,
oldest first; NaN where either leg was not fresh, never filled.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.spreads import BPS
from store.ring import History

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PairSeries:
    """What could have been traded, shape (T,) each.

    time: epoch s. buy_price: ask of the bought leg; sell_price: bid of the sold leg [quote per base coin].
    spread_bps, exit_bps: entry and exit edge, bps of the mean of the two mids.
    """

    time: Array
    buy_price: Array
    sell_price: Array
    spread_bps: Array
    exit_bps: Array


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of the known samples of a series, in its unit; None where there are too few (sigma and z need two).

    sigma: sample standard deviation. z: distance of now from the mean in sigmas. percentile: share of the samples at
    or below now, in percent. gaps: samples that are not known.
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
    return Statistics(
        now=now,
        mean=mean,
        sigma=sigma,
        median=float(np.median(known)),
        low=float(known.min()),
        high=float(known.max()),
        z=None if now is None or not sigma else (now - mean) / sigma,
        percentile=None if now is None else float(np.mean(known <= now) * 100.0),
        n=n,
        gaps=gaps,
    )


def band(stats: Statistics, sigmas: float) -> tuple[float, float] | None:
    """The range `sigmas` around the mean, None while sigma is not known."""
    if stats.mean is None or stats.sigma is None:
        return None
    return stats.mean - sigmas * stats.sigma, stats.mean + sigmas * stats.sigma


def net_zero_bps(fees: float, expected_exit: float) -> float:
    """The entry edge that would leave nothing: what the fees take and the exit does not give back. [bps]"""
    return fees - expected_exit
