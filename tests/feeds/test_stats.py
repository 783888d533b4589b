"""The memory of a feed: events and rates, with a clock that the test moves."""

from types import SimpleNamespace

import pytest

from feeds import stats
from feeds.stats import BUCKETS, FeedLog, FrameRate


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def read(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stats, "time", SimpleNamespace(time=clock.read, monotonic=clock.read))
    return clock


def test_events_are_kept_in_order_and_only_so_many(clock):
    log = FeedLog(most=3)
    for i in range(5):
        log.add("info", "socket", f"event {i}")
    assert [event.text for event in log.events()] == ["event 2", "event 3", "event 4"]


def test_a_repeated_event_only_moves_its_time(clock):
    log = FeedLog()
    log.add("error", "socket", "connection refused")
    clock.now += 5
    log.add("error", "socket", "connection refused")
    (event,) = log.events()
    assert event.time == 1_005.0


def test_an_event_that_comes_back_after_another_is_a_new_one(clock):
    log = FeedLog()
    for text in ("a", "b", "a"):
        log.add("info", "socket", text)
    assert len(log.events()) == 3


def test_the_last_error_outlives_later_news(clock):
    log = FeedLog(most=2)
    log.add("warning", "message", "unknown channel")
    for i in range(5):
        log.add("info", "socket", f"{i}")
    assert log.last_error.text == "unknown channel"


def test_what_readers_were_given_does_not_change(clock):
    log = FeedLog()
    log.add("info", "socket", "a")
    events = log.events()
    log.add("info", "socket", "b")
    assert len(events) == 1


def observe_for(rate: FrameRate, clock: Clock, seconds: float, per_s: float, total: float = 0.0) -> float:
    for _ in range(round(seconds / 0.5)):
        clock.now += 0.5
        total += 0.5 * per_s
        rate.observe(round(total))
    return total


def test_a_rate_is_not_known_from_one_look(clock):
    rate = FrameRate()
    assert rate.per_s == 0.0
    rate.observe(1_000)
    assert rate.per_s == 0.0


def test_the_rate_now_follows_the_last_seconds(clock):
    rate = FrameRate()
    total = observe_for(rate, clock, 60.0, per_s=100.0)
    assert rate.per_s == pytest.approx(100.0)
    observe_for(rate, clock, 10.0, per_s=0.0, total=total)
    assert rate.per_s == 0.0


def test_history_has_a_figure_for_each_ten_seconds_oldest_first(clock):
    rate = FrameRate()
    total = observe_for(rate, clock, 20.0, per_s=10.0)
    observe_for(rate, clock, 10.0, per_s=50.0, total=total)
    assert rate.history() == pytest.approx((10.0, 10.0, 50.0))


def test_history_ends_after_ten_minutes(clock):
    rate = FrameRate()
    observe_for(rate, clock, 700.0, per_s=4.0)
    assert rate.history() == pytest.approx((4.0,) * BUCKETS)
