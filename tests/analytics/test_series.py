"""The history of a pair, by numbers one can check by hand."""

import numpy as np
import pytest

from analytics.series import band, net_zero_bps, pair_series, statistics
from store.ring import History


def history(time, bid, ask, step_s=1.0):
    return History(np.array(time, float), np.array(bid, float), np.array(ask, float), step_s)


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
