"""The clock of an exchange: floor, excess, and what its time endpoint allows."""

import pytest

from store.clock import SAMPLES, SLACK_S, WINDOW_S, ExchangeClock, Latency
from tests.store.scripted import NOW


def observe(clock: ExchangeClock, raw_s: float, at: float) -> float:
    """A message received at `at` whose receipt less event time is `raw_s`."""
    return clock.observe(at - raw_s, at)


def test_nothing_is_known_before_the_first_message():
    assert ExchangeClock().latency() == Latency(None, None, None, None, 0)


def test_the_floor_is_the_fastest_message_and_latency_the_excess_over_it():
    """Raw 120, 100, 150 ms: the floor goes to 100 ms, the last one was 50 ms late."""
    clock = ExchangeClock()
    excess = [observe(clock, raw, NOW + i) for i, raw in enumerate((0.120, 0.100, 0.150))]
    assert excess == pytest.approx([0.0, 0.0, 0.05], abs=1e-6)
    assert clock.floor_s == pytest.approx(0.1, abs=1e-6)


def test_a_clock_ahead_of_ours_is_no_negative_latency():
    clock = ExchangeClock()
    assert observe(clock, -2.0, NOW) == 0.0
    assert observe(clock, -1.9, NOW + 1) == pytest.approx(0.1, abs=1e-6)
    assert clock.floor_s == pytest.approx(-2.0, abs=1e-6)


def test_the_floor_remembers_this_window_and_the_one_before():
    """One fast message at the start: still the floor in the next window, forgotten in the third."""
    clock = ExchangeClock()
    observe(clock, 0.05, NOW)
    observe(clock, 0.20, NOW + WINDOW_S)
    assert clock.floor_s == pytest.approx(0.05, abs=1e-6)
    observe(clock, 0.20, NOW + 2 * WINDOW_S)
    assert clock.floor_s == pytest.approx(0.20, abs=1e-6)


def test_percentiles_are_those_of_the_last_messages():
    """Excesses 0, 1, ... 100 ms have the percentiles 50, 95 and 99 ms."""
    clock = ExchangeClock()
    for i in range(101):
        observe(clock, 0.1 + i / 1_000, NOW + i / 100)
    latency = clock.latency()
    assert (latency.p50_s, latency.p95_s, latency.p99_s) == pytest.approx((0.050, 0.095, 0.099), abs=1e-5)
    assert latency.samples == 101


def test_percentiles_forget_what_was_two_windows_ago():
    """Ten messages a window, each window later by 100 ms: percentiles are of the last two, no message counts twice."""
    clock = ExchangeClock()
    seen = []
    for window in range(4):
        for i in range(10):
            observe(clock, 0.1 + window / 10, NOW + window * WINDOW_S + i)
        latency = clock.latency()
        seen.append(latency.samples)
    assert seen == [10, 20, 20, 20]
    assert latency.floor_s == pytest.approx(0.3, abs=1e-6)
    # By their own floors: ten that were the first of a window later than the one before it, by 0 or by 100 ms.
    assert latency.p99_s == pytest.approx(0.1, abs=1e-6)


def test_the_longest_pause_is_of_this_window_and_the_one_before():
    """Pauses of 0.1 s, then one of 2 s, which is forgotten two windows later: it may be how the exchange speaks."""
    clock = ExchangeClock()
    at, seen = 0.0, []
    for window in range(4):
        while at < (window + 1) * WINDOW_S - 1e-6:
            observe(clock, 0.1, NOW + at)
            clock.hear(NOW + at)
            at += 2.0 if round(at, 1) == 5.0 else 0.1
        seen.append(clock.pause_s)
    assert seen[0] != seen[0]  # not known after less than two windows
    assert seen[1:] == pytest.approx([2.0, 0.1, 0.1], abs=1e-3)


def test_what_came_lately_outlives_the_end_of_a_window():
    clock = ExchangeClock()
    for k in range(5):
        clock.observe(NOW + k - (0.0 if k == 0 else 2.0), NOW + k)
    clock.observe(NOW + WINDOW_S - 2.0, NOW + WINDOW_S)
    assert clock.lately_s == pytest.approx(2.0, abs=1e-6)
    assert clock.recent_s() == pytest.approx(2.0, abs=1e-6)


def test_only_the_last_samples_are_kept():
    clock = ExchangeClock()
    for i in range(SAMPLES + 10):
        observe(clock, 0.1, NOW + i / 100)
    assert clock.latency().samples == SAMPLES


def test_a_uniformly_late_stream_cannot_hide_in_its_floor():
    """All messages come 4 s late, but the time endpoint says that the clocks agree within 100 ms + slack."""
    clock = ExchangeClock()
    observe(clock, 4.0, NOW)
    clock.bound(NOW, NOW - 0.05, NOW + 0.05)
    assert clock.floor_s == pytest.approx(0.05 + SLACK_S, abs=1e-6)
    assert observe(clock, 4.0, NOW + 1) == pytest.approx(4.0 - 0.05 - SLACK_S, abs=1e-6)


def test_a_floor_inside_the_bounds_is_left_alone():
    clock = ExchangeClock()
    observe(clock, 0.03, NOW)
    assert not clock.bound(NOW, NOW - 0.05, NOW + 0.05)
    assert clock.floor_s == pytest.approx(0.03, abs=1e-6)


def test_a_clock_stepped_back_is_noticed_and_the_old_minima_are_dropped():
    """The exchange's clock jumps 5 s back: raw delays grow from 0.05 to 5.05 s without being late."""
    clock = ExchangeClock()
    clock.bound(NOW - 10, NOW - 10.05, NOW - 9.95)
    observe(clock, 0.05, NOW)
    assert clock.bound(NOW - 5, NOW - 0.05, NOW + 0.05)
    assert 4.8 <= clock.floor_s <= 5.2
    assert observe(clock, 5.05, NOW + 1) < 0.2
    assert not clock.bound(NOW - 4, NOW + 0.95, NOW + 1.05)


def test_a_clock_stepped_forward_is_noticed():
    """The exchange's clock jumps 5 s ahead: raw delays fall to -4.95 s."""
    clock = ExchangeClock()
    clock.bound(NOW - 10, NOW - 10.05, NOW - 9.95)
    observe(clock, 0.05, NOW)
    assert clock.bound(NOW + 5, NOW - 0.05, NOW + 0.05)
    assert clock.floor_s == pytest.approx(-4.95 + SLACK_S, abs=1e-6)
    assert observe(clock, -4.95, NOW + 1) == pytest.approx(0.0, abs=1e-6)


def test_the_first_answer_of_the_time_endpoint_is_no_step():
    clock = ExchangeClock()
    assert not clock.bound(NOW + 100, NOW, NOW + 0.05)
    assert observe(clock, -99.97, NOW + 1) == pytest.approx(0.0, abs=1e-6)


def test_slow_answers_that_could_both_be_right_are_no_step():
    """A round trip of 20 s allows an offset of -10 to 10 s, which a later quick answer of 5 s does not contradict."""
    clock = ExchangeClock()
    clock.bound(NOW, NOW - 10, NOW + 10)
    assert not clock.bound(NOW + 20, NOW + 24.95, NOW + 25.05)


def test_what_comes_lately_is_late_once_most_of_the_last_five_messages_are():
    clock = ExchangeClock()
    for k, late_s in enumerate((0.0, 0.0, 3.0, 3.0)):
        clock.observe(NOW + k - late_s, NOW + k)
    assert clock.lately_s == 0.0  # too few to say
    clock.observe(NOW + 4 - 2.0, NOW + 4)
    assert clock.lately_s == pytest.approx(2.0, abs=1e-6)  # of 0, 0, 3, 3, 2
    clock.observe(NOW + 5, NOW + 5)
    clock.observe(NOW + 6, NOW + 6)
    clock.observe(NOW + 7, NOW + 7)
    assert clock.lately_s == pytest.approx(0.0, abs=1e-6)


def test_recent_lateness_is_the_median_of_the_last_messages():
    clock = ExchangeClock()
    assert clock.recent_s() is None
    for i, raw in enumerate([0.1] * 60 + [2.1] * 40):
        observe(clock, raw, NOW + i / 100)
    assert clock.recent_s() == pytest.approx(2.0, abs=1e-5)
