"""The history of a pair, by numbers one can check by hand."""

import math

import numpy as np
import pytest

from analytics.series import (
    PairSeries,
    band,
    half_life,
    median_crossings,
    net_zero_bps,
    pair_series,
    statistics,
    window_percentiles,
)
from store.ring import History


def history(time, bid, ask, step_s=1.0):
    return History(np.array(time, float), np.array(bid, float), np.array(ask, float), step_s)


def spreads(values, step_s=1.0, time=None):
    """A pair of which only the spread matters."""
    values = np.array(values, float)
    time = np.arange(len(values)) * step_s if time is None else np.array(time, float)
    return PairSeries(time, values, values, values, values, step_s)


def regular(values, step_s=1.0):
    return np.arange(len(values)) * step_s, np.array(values, float), step_s


def test_spread_is_bid_of_the_short_less_ask_of_the_long_over_the_mean_mid():
    """Long 99/101, short 103/105: mids 100 and 104, mean 102; entry (103-101)/102, exit (99-105)/102."""
    series = pair_series(history([1], [99], [101]), history([1], [103], [105]))

    assert series.spread_bps == pytest.approx([2 / 102 * 1e4])
    assert series.exit_bps == pytest.approx([-6 / 102 * 1e4])
    assert series.buy_price.tolist() == [101.0]
    assert series.sell_price.tolist() == [103.0]


def test_series_joins_only_common_times():
    """The ring may take a sample between the two reads: a sample of one leg alone is no spread."""
    series = pair_series(history([1, 2, 3], [9, 9, 9], [10, 10, 10]), history([2, 3, 4], [9, 9, 9], [10, 10, 10]))

    assert series.time.tolist() == [2.0, 3.0]


def test_series_starts_at_since_and_keeps_gaps_empty():
    long_leg = history([1, 2, 3], [9, np.nan, 9], [10, np.nan, 10])
    series = pair_series(long_leg, history([1, 2, 3], [9, 9, 9], [10, 10, 10]), since=2.0)

    assert series.time.tolist() == [2.0, 3.0]
    assert np.isnan(series.spread_bps[0])
    assert not np.isnan(series.spread_bps[1])


def test_series_of_a_contract_never_seen_is_empty():
    series = pair_series(history([], [], []), history([1], [9], [10]))

    assert len(series.time) == 0
    assert statistics(series.spread_bps).n == 0


def test_statistics_of_known_samples():
    """1, 2, 3, 6: mean 3, squares of deviations 4+1+0+9 = 14 over 3; now is the highest."""
    stats = statistics(np.array([1.0, 2.0, np.nan, 3.0, 6.0]))

    assert (stats.now, stats.mean, stats.median, stats.low, stats.high) == (6.0, 3.0, 2.5, 1.0, 6.0)
    assert stats.sigma == pytest.approx((14 / 3) ** 0.5)
    assert stats.z == pytest.approx(3 / (14 / 3) ** 0.5)
    assert stats.percentile == 100.0
    assert (stats.n, stats.gaps) == (4, 1)


def test_statistics_do_not_take_an_older_sample_for_now():
    stats = statistics(np.array([1.0, 2.0, np.nan]))

    assert stats.now is None
    assert stats.z is None
    assert stats.percentile is None


def test_a_single_sample_has_no_sigma():
    stats = statistics(np.array([4.0]))

    assert stats.sigma is None
    assert band(stats, 2.0) is None


def test_constant_series_has_no_z():
    """Sigma is zero: there is nothing to measure the distance in."""
    assert statistics(np.array([4.0, 4.0])).z is None


def test_band_lies_sigmas_around_the_mean():
    """1 and 3: mean 2, sigma sqrt(2)."""
    assert band(statistics(np.array([1.0, 3.0])), 2.0) == pytest.approx((2 - 2 * 2**0.5, 2 + 2 * 2**0.5))


def test_net_zero_is_what_fees_take_and_exit_does_not_give_back():
    """Net = entry + exit - fees: with fees 21 and an exit of -5.2 the entry must be 26.2."""
    assert net_zero_bps(21.0, -5.2) == pytest.approx(26.2)


def test_series_of_two_grids_has_the_step_of_the_coarser_one():
    """Between the two reads the finer grid may have begun to overwrite what the window needs."""
    long_leg = history([0, 1, 60, 61], [9] * 4, [10] * 4, step_s=1.0)
    series = pair_series(long_leg, history([0, 60], [9] * 2, [10] * 2, step_s=60.0))

    assert series.time.tolist() == [0.0, 60.0]
    assert series.step_s == 60.0


def test_robust_z_hardly_sees_an_outlier():
    """1, 2, 3, 4, 100, 5: median 3.5, distances 2.5 1.5 .5 .5 96.5 1.5, their median 1.5; now is 5, 1.5 above."""
    stats = statistics(np.array([1.0, 2.0, 3.0, 4.0, 100.0, 5.0]))

    assert stats.median == 3.5
    assert stats.mad == 1.5
    assert stats.robust_z == pytest.approx(1.5 / (1.4826 * 1.5))
    assert stats.z == pytest.approx(-0.358, abs=0.001)  # the mean is 19.17, sigma 39.6


def test_robust_z_needs_a_now_and_a_spread():
    assert statistics(np.array([1.0, 2.0, np.nan])).robust_z is None
    assert statistics(np.array([4.0, 4.0, 5.0])).robust_z is None  # more than half of them are the median


def test_percentile_of_now_within_each_look_back():
    """3 of 4 samples of the hour are at or below 3.5, 1 of 2 of the day."""
    hour, day = window_percentiles(3.5, {3_600.0: spreads([1, 2, 3, 4]), 86_400.0: spreads([9, 2], step_s=60.0)})

    assert (hour.window_s, hour.percentile, hour.n, hour.step_s) == (3_600.0, 75.0, 4, 1.0)
    assert (day.window_s, day.percentile, day.n, day.step_s) == (86_400.0, 50.0, 2, 60.0)


def test_percentile_tells_how_far_the_data_reach_and_what_is_missing():
    """Known at 60, 180 and 300 s of a series that ends at 300 s: 240 s, over which 5 minutes could have been known.

    The sample at 120 s is empty, that at 240 s was never taken; what was before the first known one is no gap.
    """
    pair = spreads([np.nan, 1, np.nan, 2, 3], step_s=60.0, time=[0, 60, 120, 180, 300])
    (found,) = window_percentiles(1.0, {86_400.0: pair})

    assert found.n == 3
    assert found.reach_s == 240.0
    assert found.gap_share == pytest.approx(2 / 5)


@pytest.mark.parametrize("now", [None, math.nan])
def test_no_now_has_no_percentile(now):
    (found,) = window_percentiles(now, {3_600.0: spreads([1, 2])})

    assert found.percentile is None
    assert found.n == 2


def test_no_samples_have_no_percentile():
    empty, unknown = window_percentiles(1.0, {3_600.0: spreads([]), 86_400.0: spreads([np.nan, np.nan])})

    for found in (empty, unknown):
        assert (found.percentile, found.n, found.reach_s, found.gap_share) == (None, 0, 0.0, None)


def test_a_spread_that_stands_still_is_not_moved_by_rounding():
    """100.1 over 100.3 as float32 gives another spread than as float64, by some thousandths of a bp at most."""
    exact = pair_series(history([0], [100.0], [100.1]), history([0], [100.3], [100.4])).spread_bps[0]
    rounded = [float(np.float32(price)) for price in (100.0, 100.1, 100.3, 100.4)]
    coarse = pair_series(history([0], rounded[:1], rounded[1:2]), history([0], rounded[2:3], rounded[3:]))
    (found,) = window_percentiles(exact, {86_400.0: coarse})

    assert coarse.spread_bps[0] > exact  # or there would be nothing to see here
    assert found.percentile == 100.0


def test_half_life_of_a_series_that_halves_is_one_step():
    """1, 1/2, 1/4, ...: b is 1/2 without any error, and -ln 2 / ln 1/2 = 1 step of 60 s."""
    found = half_life(*regular([0.5**i for i in range(31)], step_s=60.0))

    assert found.half_life_s == pytest.approx(60.0)
    assert found.slope == pytest.approx(0.5)
    assert found.n == 30
    assert found.reach_s == 1_800.0


def pairs_apart(*pairs):
    """Pairs of consecutive samples with a gap behind each, ten times over."""
    return [value for pair in pairs for value in (*pair, np.nan)] * 10


def test_the_interval_of_the_slope():
    """(-1,-1) (-1,0) (1,0) (1,1), ten times: Sxx = 40, Sxy = 20, b = 0.5; residuals all 0.5, 40 of them.

    s^2 = 40 * 0.25 / 38, se = sqrt(s^2 / 40) = 0.08111; low 0.5 - 1.96 se = 0.3410; the critical value at n = 40 is
    2.8615 + 2.8903 / 40 = 2.9338, so high = 0.5 + 0.2380 = 0.7380.
    """
    found = half_life(*regular(pairs_apart((-1, -1), (-1, 0), (1, 0), (1, 1))))

    assert found.n == 40
    assert found.slope == pytest.approx(0.5)
    assert found.slope_low == pytest.approx(0.3410, abs=1e-4)
    assert found.slope_high == pytest.approx(0.7380, abs=1e-4)
    assert found.half_life_s == pytest.approx(1.0)


def test_half_life_joins_nothing_over_a_gap_or_a_missing_sample():
    """31 samples of 1 s, one not known and, further on, 10 s in which none was taken: 30 - 2 - 1 pairs."""
    values = np.array([0.5**i for i in range(31)])
    values[10] = np.nan
    time = np.arange(31.0)
    time[20:] += 10.0

    assert half_life(time, values, 1.0).n == 27


def test_a_jittering_clock_breaks_no_pair():
    time = np.arange(31.0)
    time[1::2] += 0.2

    assert half_life(time, np.array([0.5**i for i in range(31)]), 1.0).n == 30


def test_bounce_has_no_half_life():
    """1, -1, 1, ...: b is -1."""
    found = half_life(*regular([(-1.0) ** i for i in range(40)]))

    assert found.slope == pytest.approx(-1.0)
    assert found.half_life_s is None


def test_too_few_or_constant_samples_have_no_slope():
    few, constant = half_life(*regular([0.5**i for i in range(30)])), half_life(*regular([7.1] * 100))

    assert (few.half_life_s, few.slope, few.slope_low, few.slope_high, few.n) == (None, None, None, None, 29)
    assert (constant.slope, constant.n) == (None, 99)


def ar1(slope, n, seed):
    """x[t+1] = b x[t] + e, with normal e of sigma 1, from its mean on."""
    values, shocks = np.zeros(n), np.random.default_rng(seed).normal(size=n)
    for i in range(1, n):
        values[i] = slope * values[i - 1] + shocks[i]
    return values


def test_half_life_of_a_simulated_series():
    """b = 0.98: -ln 2 / ln 0.98 = 34.31 steps; the standard error of b is sqrt((1 - b^2) / n) = 0.001 at 40,000.

    Two of those are a tenth of 1 - b, and move the half-life by a tenth.
    """
    found = half_life(*regular(ar1(0.98, 40_000, seed=3)))

    assert found.half_life_s == pytest.approx(34.31, rel=0.1)
    assert found.slope_low < 0.98 < found.slope_high < 1.0


def test_random_walks_seldom_have_a_half_life():
    """By a normal interval 58 of these 200 would have one; with the Dickey-Fuller value 5 % should, 10 of them."""
    found = [half_life(*regular(ar1(1.0, 300, seed))) for seed in range(200)]

    assert 3 <= sum(one.half_life_s is not None for one in found) <= 15


def test_crossings_of_the_median():
    """Around 3, the first is below and on it in turn; the second is below, above, on it, below and above."""
    assert median_crossings(*regular([1, 3, 1, 3, 3])).count == 0
    found = median_crossings(*regular([1, 5, 3, 1, 5], step_s=60.0))

    assert found.count == 3
    assert found.n == 4
    assert found.per_hour == pytest.approx(45.0)  # 3 in 4 minutes
    assert found.reach_s == 240.0


def test_crossings_over_a_gap_are_not_counted():
    """1, 5, gap, 1, 5: up, nobody knows, up; two pairs of a second each were seen."""
    found = median_crossings(*regular([1, 5, np.nan, 1, 5]))

    assert found.count == 2
    assert found.n == 2
    assert found.per_hour == pytest.approx(3_600.0)


def test_crossings_of_nothing():
    empty, unknown = median_crossings(*regular([])), median_crossings(*regular([np.nan] * 3))

    for found in (empty, unknown):
        assert (found.count, found.per_hour, found.n, found.reach_s) == (0, None, 0, 0.0)
