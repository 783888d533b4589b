"""How the highest rate is looked for at which detection keeps its ten milliseconds."""

import pytest

from benchmarks.detection import MARKETS, grown


@pytest.mark.parametrize(
    ("largest", "tried"),
    [(75, [25, 50, 75, 100]), (0, [25]), (MARKETS[-1], list(MARKETS))],
    ids=["up to a size", "none", "all"],
)
def test_markets_grow_until_one_does_not_hold(largest, tried):
    def measure(rate, seconds, exchanges, instruments):
        assert rate == pytest.approx(3.3 * 2 * instruments)
        return {"p99_ms": 10.0 if instruments <= largest else 10.1}

    rows = list(grown(("okx", "gate"), 1.0, measure))
    assert [row["contracts"] for row in rows] == [2 * instruments for instruments in tried]
    assert [row["p99_ms"] <= 10.0 for row in rows[:-1]] == [True] * (len(rows) - 1)
