"""How the load test looks for the highest rate that holds."""

import pytest

from benchmarks.flow import Flow
from benchmarks.load import _told, find, holds, lag_ms


def flow(rate: float, *, lost: int = 0, p99_ms: float = 20.0) -> Flow:
    """What a measurement says; CoinDCX, a relay, is seconds late in any case."""
    rows = [
        {"exchange": name, "frames_per_s": rate / 2, "lost": missed, "p50_ms": 1.0, "p99_ms": late}
        for name, missed, late in (("okx", lost, p99_ms), ("coindcx", 0, 9_000.0))
    ]
    return Flow(rate, rows, 0.5, 0.5, 0.1, 300.0, 5.0, 9.0)


class Bench:
    """A machine that copes with so much for some seconds, and with so much for longer."""

    def __init__(self, briefly: float, lasting: float) -> None:
        self.briefly, self.lasting = briefly, lasting

    def measure(self, rate: float, seconds: float) -> Flow:
        return flow(rate, lost=int(rate > (self.briefly if seconds <= 40.0 else self.lasting)))


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [(flow(100.0), True), (flow(100.0, lost=1), False), (flow(100.0, p99_ms=1_000.0), False)],
)
def test_a_rate_holds_if_nothing_is_lost_or_late(measured, verdict):
    assert holds(measured) is verdict


def test_a_relay_is_late_by_nature():
    assert lag_ms(flow(100.0, p99_ms=30.0), "p99") == 30.0


@pytest.mark.parametrize(
    ("briefly", "lasting", "tried"),
    [
        # 1000 and half as much again each time, until what was asked for is reached.
        (9_000.0, 9_000.0, [1_000.0, 1_500.0, 2_000.0, 2_000.0]),
        # Too much at 1500: the long run is at 1000.
        (1_400.0, 9_000.0, [1_000.0, 1_500.0, 1_000.0]),
        # The long run does not hold what a short one did: a fifth less.
        (1_800.0, 1_300.0, [1_000.0, 1_500.0, 2_000.0, 1_500.0, 1_200.0]),
        # Nothing holds: said once more below the lowest rate, and over.
        (0.0, 0.0, [1_000.0, 1_000.0, 800.0]),
    ],
    ids=["all", "less", "shorter", "none"],
)
def test_rates_are_tried_from_below(briefly, lasting, tried):
    assert [row.rate for row, _ in find(Bench(briefly, lasting), 2_000.0, 300.0)] == tried


def test_what_does_not_hold_names_who_lost_frames():
    assert _told(flow(100.0, lost=3), 40.0)[""] == "does not hold: 3 of okx lost"
    assert _told(flow(100.0, p99_ms=1_000.0), 40.0)[""] == "does not hold"
