"""Who moves first: series whose lag is known by construction."""

import numpy as np
import pytest

from analytics.lead_lag import lead_lag
from store.tape import Events

START = 1_700_000_000.0


def walk(rng, seconds):
    """A log price each millisecond from two seconds before the start on; it moves by 3 bps in a second."""
    return np.cumsum(rng.normal(scale=1e-5, size=(seconds + 4) * 1_000))


def seen(rng, path, seconds, per_s, delay_s=0.0):
    """The walk as an exchange shows it, `delay_s` late, at irregular times."""
    time = np.sort(rng.uniform(0.0, seconds, rng.poisson(per_s * seconds)))
    return Events(START + time, 100.0 * np.exp(path[((time + 2.0 - delay_s) * 1_000).astype(int)]))


def copied(events, delay_s, sign=1.0):
    return Events(events.time + delay_s, 100.0 * (events.mid / 100.0) ** sign)


@pytest.mark.parametrize("seed", range(5))
def test_a_known_delay_is_found_within_its_interval(seed):
    """The second shows what the first showed 140 ms before; ten and five irregular events a second over 5 min."""
    rng = np.random.default_rng(seed)
    path = walk(rng, 300)
    found = lead_lag(seen(rng, path, 300, 10), seen(rng, path, 300, 5, delay_s=0.14))

    assert found.leader == "first"
    assert found.low_ms <= 140.0 <= found.high_ms
    assert found.high_ms - found.low_ms < 150.0
    assert found.correlation > 0.8


def test_the_sign_says_who_leads():
    """Positive: the first leads. The same two the other way round have the same lag with the other sign."""
    rng = np.random.default_rng(1)
    path = walk(rng, 120)
    early, late = seen(rng, path, 120, 10), seen(rng, path, 120, 10, delay_s=0.5)
    there, back = lead_lag(early, late), lead_lag(late, early)

    assert (there.leader, back.leader) == ("first", "second")
    assert there.lag_ms == pytest.approx(500.0, abs=60.0)
    assert back.lag_ms == -there.lag_ms
    assert (there.n_first, there.n_second) == (back.n_second, back.n_first)


def test_an_exact_copy_correlates_fully_at_its_delay():
    """Each return meets itself 140 ms later, and nothing else overlaps it there: correlation 1."""
    rng = np.random.default_rng(2)
    events = seen(rng, walk(rng, 120), 120, 10)
    found = lead_lag(events, copied(events, 0.14))

    assert found.lag_ms == 140.0
    assert found.low_ms <= 135.0  # half a step: the grid tells no more
    assert found.high_ms >= 145.0
    assert found.correlation == pytest.approx(1.0, abs=0.01)  # a little of the window's ends has no counterpart


def test_the_opposite_of_a_copy_leads_by_its_absolute_correlation():
    rng = np.random.default_rng(2)
    events = seen(rng, walk(rng, 120), 120, 10)
    found = lead_lag(events, copied(events, 0.14, sign=-1.0))

    assert (found.leader, found.lag_ms) == ("first", 140.0)
    assert found.correlation == pytest.approx(-1.0, abs=0.01)


def test_no_relation_is_undecided():
    """Of 40 pairs of walks that have nothing to do with each other, 1 % may look significant by chance."""
    rng = np.random.default_rng(3)
    pairs = [(seen(rng, walk(rng, 60), 60, 5), seen(rng, walk(rng, 60), 60, 5)) for _ in range(40)]
    found = [lead_lag(*pair) for pair in pairs]

    assert sum(one.leader != "undecided" for one in found) <= 2
    assert np.median([one.p_value for one in found]) > 0.2


def test_no_delay_is_undecided_however_sure_the_correlation():
    rng = np.random.default_rng(4)
    path = walk(rng, 120)
    found = lead_lag(seen(rng, path, 120, 10), seen(rng, path, 120, 10))

    assert found.leader == "undecided"
    assert found.low_ms < 0.0 < found.high_ms
    assert found.p_value <= 0.01


def test_a_lag_between_the_events_of_a_grid_is_not_decided():
    """Both told each 100 ms: a lag of a fraction of that leaves no trace, and one lag is as good as another."""
    rng = np.random.default_rng(5)
    path, time = walk(rng, 120), np.arange(0.0, 120.0, 0.1)
    events = Events(START + time, 100.0 * np.exp(path[((time + 2.0) * 1_000).round().astype(int)]))
    found = lead_lag(events, copied(events, 0.0))

    assert (found.leader, found.lag_ms) == ("undecided", 0.0)


def test_one_common_move_is_no_evidence():
    """Two walks of 15 bps in 25 s without relation, and one jump of 1 % that the second makes 140 ms later."""
    rng = np.random.default_rng(6)
    one, other = (seen(rng, walk(rng, 120), 120, 10) for _ in range(2))
    one.mid[one.time >= START + 60.0] *= 1.01
    other.mid[other.time >= START + 60.14] *= 1.01
    found = lead_lag(one, other)

    assert found.correlation > 0.5
    assert found.p_value > 0.05
    assert found.leader == "undecided"


def test_a_peak_at_the_end_of_the_grid_is_undecided():
    """The true lag of 3 s lies beyond the 2 s that are tried; what is largest within them may not be a peak."""
    rng = np.random.default_rng(7)
    events = seen(rng, walk(rng, 200), 200, 0.5)

    assert lead_lag(events, copied(events, 3.0)).leader == "undecided"
    assert lead_lag(events, copied(events, 3.0), max_lag_ms=6_000).leader == "first"


def test_order_does_not_matter_and_of_several_at_one_time_the_last_counts():
    """By the exchange's clock messages may come out of order."""
    rng = np.random.default_rng(8)
    events = seen(rng, walk(rng, 60), 60, 10)
    late = copied(events, 0.14)
    twice = Events(np.repeat(late.time, 2), np.repeat(late.mid, 2))
    twice.mid[::2] = 50.0
    backwards = Events(late.time[::-1], late.mid[::-1])

    assert lead_lag(events, twice) == lead_lag(events, backwards) == lead_lag(events, late)


def test_nothing_is_made_of_a_move_over_a_gap():
    """The second is not known for 10 s, in which its price doubles: without the gap that were one jump.

    What is left of it are 110 s of 120, so the correlation is 110 / sqrt(120 * 110) = 0.957.
    """
    rng = np.random.default_rng(9)
    events = seen(rng, walk(rng, 120), 120, 10)
    late = copied(events, 0.14)
    late.mid[late.time >= START + 60.0] *= 2.0
    late.mid[(late.time >= START + 55.0) & (late.time < START + 65.0)] = np.nan
    found = lead_lag(events, late)

    assert (found.leader, found.lag_ms) == ("first", 140.0)
    assert found.correlation == pytest.approx(0.957, abs=0.03)
    assert found.n_second < found.n_first - 80


def test_only_the_time_that_both_span_counts():
    rng = np.random.default_rng(10)
    path = walk(rng, 120)
    whole, part = seen(rng, path, 120, 10), seen(rng, path, 120, 10, delay_s=0.14)
    inside = (part.time >= START + 30.0) & (part.time < START + 90.0)
    found = lead_lag(whole, Events(part.time[inside], part.mid[inside]))

    assert found.window_s == pytest.approx(60.0, abs=1.0)
    assert found.n_first == pytest.approx(600, abs=80)


NOTHING = Events(np.empty(0), np.empty(0))
FEW = Events(START + np.arange(50.0) * 10.0, 100.0 + np.arange(50.0))  # 49 returns
MANY = Events(START + np.arange(0.0, 500.0, 0.5), 100.0 + np.arange(1_000) % 7)
SHORT = Events(START + np.arange(0.0, 39.0, 0.1), 100.0 + np.arange(390) % 7)  # 20 blocks of 2 s are 40 s
STILL = Events(MANY.time, np.full(1_000, 100.0))
UNKNOWN = Events(MANY.time, np.full(1_000, np.nan))
ELSEWHERE = Events(MANY.time + 1e6, MANY.mid)
AROUND = Events(START + np.array([-1.0, 1e6]), np.array([100.0, 101.0]))


@pytest.mark.parametrize(
    "other",
    [NOTHING, FEW, SHORT, STILL, UNKNOWN, ELSEWHERE, AROUND],
    ids=["nothing", "few", "short", "still", "unknown", "elsewhere", "around"],
)
def test_too_little_to_go_by_is_undecided_without_numbers(other):
    for found in (lead_lag(MANY, other), lead_lag(other, MANY)):
        numbers = (found.lag_ms, found.low_ms, found.high_ms, found.correlation, found.p_value)
        assert (found.leader, *numbers) == ("undecided", None, None, None, None, None)
