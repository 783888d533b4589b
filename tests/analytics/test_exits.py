"""What closing is expected to earn: medians of what is remembered, and measured anew only so often."""

from dataclasses import replace

import numpy as np
import pytest

from analytics.exits import KEPT_S, POINTS, KeptExits, expected_exits
from store.ring import QuoteRing
from store.snapshot import Snapshot
from tests.store.scripted import NOW, quote, store_of

EXCHANGES = ["binance", "bybit"]
NONE = np.empty(0, np.intp)
LONG, SHORT, ROW = np.array([0]), np.array([1]), np.array([0])


def market(bid: float, symbols: tuple[str, ...] = ("BTC-USDT",)) -> Snapshot:
    """Binance quotes 100 to 100.02; bybit bids, and asks 0.02 more."""
    words = [quote(name, price, price + 0.02, symbol) for symbol in symbols
             for name, price in (("binance", 100.0), ("bybit", bid))]  # fmt: skip
    return store_of(EXCHANGES, *words).snapshot()


def remember(ring: QuoteRing, snapshot: Snapshot, at: float, usable: object = True) -> None:
    ring.sample(snapshot, np.broadcast_to(np.array(usable), snapshot.grid.listed.shape), at)


def exit_bps(bid: float) -> float:
    """Of selling binance at 100 and buying bybit back at its ask, over the mean of 100.01 and bid + 0.01."""
    return (100.0 - (bid + 0.02)) / ((100.01 + bid + 0.01) / 2) * 1e4


def test_it_is_the_median_of_what_closing_would_have_earned():
    ring = QuoteRing()
    for k, bid in enumerate((100.0, 103.0, 101.0)):
        remember(ring, market(bid), NOW + k)
    found, samples = expected_exits(ring, market(100.0))(ROW, LONG, SHORT)
    assert found == pytest.approx([exit_bps(101.0)])
    assert samples.tolist() == [3.0]
    back, _ = expected_exits(ring, market(100.0))(ROW, SHORT, LONG)
    assert back == pytest.approx([(101.0 - 100.02) / 100.51 * 1e4])


def test_what_could_not_be_used_is_no_sample():
    ring = QuoteRing()
    remember(ring, market(100.0), NOW)
    remember(ring, market(109.0), NOW + 1, [[True, False]])
    found, samples = expected_exits(ring, market(100.0))(ROW, LONG, SHORT)
    assert (found.tolist(), samples.tolist()) == ([pytest.approx(exit_bps(100.0))], [1.0])


def test_pairs_of_many_symbols_are_told_apart():
    ring = QuoteRing()
    snapshot = market(101.0, ("A-USDT", "B-USDT"))
    data = snapshot.data.copy()
    data[0, 1, 1], data[2, 1, 1] = 102.0, 102.02
    remember(ring, replace(snapshot, data=data), NOW)
    found, _ = expected_exits(ring, snapshot)(np.array([1, 0, 1]), np.array([0, 0, 1]), np.array([1, 1, 0]))
    assert found == pytest.approx([exit_bps(102.0), exit_bps(101.0), (102.0 - 100.02) / 101.01 * 1e4])


def test_positions_may_be_those_of_some_rows_only():
    ring = QuoteRing()
    snapshot = market(101.0, ("A-USDT", "B-USDT"))
    data = snapshot.data.copy()
    data[0, 1, 1], data[2, 1, 1] = 102.0, 102.02
    remember(ring, replace(snapshot, data=data), NOW)
    found, _ = expected_exits(ring, snapshot.rows(np.array([1])))(ROW, LONG, SHORT)
    assert found == pytest.approx([exit_bps(102.0)])


def test_of_no_pairs_and_of_an_empty_ring_nothing_is_expected():
    found, samples = expected_exits(QuoteRing(), market(100.0))(ROW, LONG, SHORT)
    assert np.isnan(found).all()
    assert samples.tolist() == [0.0]
    assert expected_exits(QuoteRing(), market(100.0))(NONE, NONE, NONE)[0].shape == (0,)


def test_sixty_samples_are_spread_over_all_that_is_remembered():
    """90 samples at 101, then 110 at 103: evenly taken, more than half of the sixty are of the later price."""
    ring = QuoteRing()
    early, late = market(101.0), market(103.0)
    for k in range(200):
        remember(ring, early if k < 90 else late, NOW + k)
    found, samples = expected_exits(ring, early)(ROW, LONG, SHORT)
    assert samples.tolist() == [POINTS]
    assert found == pytest.approx([exit_bps(103.0)])


# -- kept for a while ------------------------------------------------------------------------------------------


def test_a_median_is_kept_for_two_seconds():
    ring = QuoteRing()
    snapshot = market(101.0)
    kept = KeptExits(ring, snapshot.grid)
    remember(ring, snapshot, NOW)
    assert kept.of(snapshot, ROW, NOW)(ROW, LONG, SHORT)[0] == pytest.approx([exit_bps(101.0)])
    for k in range(3):
        remember(ring, market(103.0), NOW + 1 + k)
    assert kept.of(snapshot, ROW, NOW + KEPT_S - 0.01)(ROW, LONG, SHORT)[0] == pytest.approx([exit_bps(101.0)])
    found, samples = kept.of(snapshot, ROW, NOW + KEPT_S)(ROW, LONG, SHORT)
    assert (found.tolist(), samples.tolist()) == ([pytest.approx(exit_bps(103.0))], [4.0])


def test_each_route_is_kept_by_itself():
    ring = QuoteRing()
    snapshot = market(101.0)
    kept = KeptExits(ring, snapshot.grid)
    remember(ring, snapshot, NOW)
    kept.of(snapshot, ROW, NOW)(ROW, LONG, SHORT)
    found, _ = kept.of(snapshot, ROW, NOW)(np.array([0, 0]), np.array([0, 1]), np.array([1, 0]))
    assert found == pytest.approx([exit_bps(101.0), (101.0 - 100.02) / 100.51 * 1e4])
    assert kept.of(snapshot, ROW, NOW)(NONE, NONE, NONE)[0].shape == (0,)


def test_of_some_rows_what_is_kept_is_that_of_the_same_symbol():
    """Of the second symbol alone: its row on the whole grid is 1, its position on the cut snapshot 0."""
    ring = QuoteRing()
    snapshot = market(101.0, ("A-USDT", "B-USDT"))
    data = snapshot.data.copy()
    data[0, 1, 1], data[2, 1, 1] = 102.0, 102.02
    remember(ring, replace(snapshot, data=data), NOW)
    kept = KeptExits(ring, snapshot.grid)
    second = np.array([1])
    for _ in range(2):  # measured, and kept
        assert kept.of(snapshot.rows(second), second, NOW)(ROW, LONG, SHORT)[0] == pytest.approx([exit_bps(102.0)])
    assert kept.of(snapshot.rows(ROW), ROW, NOW)(ROW, LONG, SHORT)[0] == pytest.approx([exit_bps(101.0)])


def test_on_another_grid_what_is_known_of_a_symbol_that_stays_is_kept():
    """B stays, and moves from the second row to the first; C is new."""
    ring = QuoteRing()
    before, after = market(101.0, ("A-USDT", "B-USDT")), market(103.0, ("B-USDT", "C-USDT"))
    kept = KeptExits(ring, before.grid)
    remember(ring, before, NOW)
    second = np.array([1])
    kept.of(before.rows(second), second, NOW)(ROW, LONG, SHORT)
    for k in range(2):
        remember(ring, after, NOW + k)
    kept.on_grid(after.grid)
    found, _ = kept.of(after, np.arange(2), NOW + 1)(np.arange(2), np.array([0, 0]), np.array([1, 1]))
    assert found == pytest.approx([exit_bps(101.0), exit_bps(103.0)])
