"""What is usual: averages worked by hand, marks and indices that move or stand, closed markets."""

import datetime
import math

import numpy as np
import pytest

from analytics.spreads import row_median
from analytics.usual import HALF_LIFE_S, SIGMA_FLOOR_BPS, Usual, nothing_usual, observe, on_grid
from market.models import AssetClass
from store.snapshot import SnapshotStore
from tests.store.scripted import NOW, funding, instrument, quote, same, store_of

EXCHANGES = ["binance", "bybit"]
STANDS = np.array([[100.0, 100.0]])  # the median mid, where it does not move


def looked(store: SnapshotStore, usual: Usual, now: float, usable: object = None) -> Usual:
    snapshot = store.snapshot()
    good = np.ones(snapshot.grid.listed.shape, bool) if usable is None else np.array(usable)
    return observe(usual, snapshot, good, now)


def first_look(store: SnapshotStore, now: float = NOW) -> Usual:
    return looked(store, nothing_usual(store.grid, now), now)


def move_bps(usual: Usual, marks: object, mids: object) -> np.ndarray:
    mids = np.array(mids)
    return usual.move_bps(np.array(marks), mids, row_median(mids))


def quoted(bid: float, ask: float, exchange: str = "binance") -> object:
    return quote(exchange, bid, ask)


def said(exchange: str = "binance", **prices: float) -> object:
    return funding(exchange, **prices)


@pytest.fixture
def store() -> SnapshotStore:
    """Binance quotes 100 bps wide around 100; bybit has said nothing of its book."""
    return store_of(EXCHANGES, quote("binance", 99.5, 100.5))


# -- quoted spread ---------------------------------------------------------------------------------------------


def test_before_the_first_look_nothing_is_usual(store):
    usual = nothing_usual(store.grid, NOW)
    assert np.isnan(usual.spread_bps).all()
    assert np.isnan(usual.index_moved).all()
    assert same(usual.sigma_bps, [SIGMA_FLOOR_BPS])
    assert same(move_bps(usual, store.snapshot()["mark_price"], np.array([[100.0, 100.0]])), [[0.0, 0.0]])


def test_an_average_begins_with_the_first_known_value(store):
    assert same(first_look(store).spread_bps, [[100.0, math.nan]])


def test_after_a_half_life_the_average_has_come_half_way(store):
    """From 100 to 40 bps: 70 after one half-life, 55 after another; 30 s are 1 - 0.5 ** 0.5 of the way."""
    usual = first_look(store)
    store.write([quoted(99.8, 100.2)])
    usual = looked(store, usual, NOW + HALF_LIFE_S)
    assert usual.spread_bps[0, 0] == pytest.approx(70.0)
    again = looked(store, usual, NOW + 2 * HALF_LIFE_S)
    assert again.spread_bps[0, 0] == pytest.approx(55.0)
    part = looked(store, usual, NOW + HALF_LIFE_S + 30.0)
    assert part.spread_bps[0, 0] == pytest.approx(70.0 - 30.0 * (1 - 0.5**0.5))


def test_what_cannot_be_used_now_changes_no_average(store):
    usual = first_look(store)
    store.write([quoted(99.0, 101.0)])
    assert same(looked(store, usual, NOW + 60.0, [[False, True]]).spread_bps, [[100.0, math.nan]])


# -- how the price moves ---------------------------------------------------------------------------------------


def test_sigma_of_a_price_by_hand(store):
    """From 100 to 100.2 in 4 s: 20 bps, 20 ** 2 / 4 = 100 bps^2 per second, sigma 10. The price then stands for a
    half-life: half of the variance, sigma 10 / sqrt(2)."""
    usual = first_look(store)
    assert math.isnan(usual.variance[0])
    store.write([quoted(99.7, 100.7)])
    usual = looked(store, usual, NOW + 4.0)
    assert usual.sigma_bps[0] == pytest.approx(10.0)
    assert looked(store, usual, NOW + 4.0 + HALF_LIFE_S).sigma_bps[0] == pytest.approx(10.0 / math.sqrt(2.0))


def test_no_price_is_taken_to_stand_still_for_ever(store):
    usual = looked(store, first_look(store), NOW + 10.0)
    assert usual.variance[0] == 0.0
    assert usual.sigma_bps[0] == SIGMA_FLOOR_BPS


def test_a_price_that_was_away_is_compared_with_the_last_one(store):
    """Gone for a look, back 20 bps higher: the move of 20 bps lies within the last second of looking."""
    usual = looked(store, first_look(store), NOW + 1.0, [[False, False]])
    assert math.isnan(usual.variance[0])
    store.write([quoted(99.7, 100.7)])
    assert looked(store, usual, NOW + 2.0).variance[0] == pytest.approx(400.0)


# -- marks -----------------------------------------------------------------------------------------------------


def test_the_move_of_a_mark_is_the_furthest_within_three_seconds(store):
    """100 at 0 s, 100.3 at 1 s, 100.1 at 2 s, looked at as 100.2 at 2.5 s: 20 bps from 100; 10 bps from 100.3."""
    usual = nothing_usual(store.grid, NOW)
    for second, mark in enumerate((100.0, 100.3, 100.1)):
        store.write([said(mark_price=mark)])
        usual = looked(store, usual, NOW + second)
    now = np.array([[100.2, 100.0]])
    assert move_bps(usual, now, STANDS)[0, 0] == pytest.approx(20.0)
    assert move_bps(usual, np.array([[100.0, 100.0]]), STANDS)[0, 0] == pytest.approx((1 - 100.0 / 100.3) * 1e4)


def test_a_mark_of_more_than_three_seconds_ago_is_forgotten(store):
    store.write([said(mark_price=100.0)])
    usual = first_look(store)
    store.write([said(mark_price=101.0)])
    assert move_bps(looked(store, usual, NOW + 3.0), np.array([[101.0, 100.0]]), STANDS)[0, 0] == pytest.approx(100.0)
    assert move_bps(looked(store, usual, NOW + 3.1), np.array([[101.0, 100.0]]), STANDS)[0, 0] == 0.0


def test_a_median_mid_that_runs_moves_all_marks_of_its_row(store):
    """The mid goes from 100 to 100.25, 25 bps, while no mark has said anything; three seconds later that is over."""
    usual = first_look(store)
    marks = np.array([[100.0, 100.0]])
    assert move_bps(usual, marks, np.array([[100.25, 100.25]])) == pytest.approx(np.array([[25.0, 25.0]]))
    assert same(move_bps(usual, marks, np.array([[math.nan, math.nan]])), [[0.0, 0.0]])
    store.write([quoted(99.75, 100.75)])
    assert same(move_bps(looked(store, usual, NOW + 3.1), marks, np.array([[100.25, 100.25]])), [[0.0, 0.0]])


def test_a_mark_is_overdue_after_twice_its_usual_distance_and_a_second(store):
    """Marks at 0, 2 and 7 s: 2 s apart, then 2 + 0.2 * (5 - 2) = 2.6. Due after 2 * 2 + 1 = 5 s, then 6.2 s."""
    store.write([funding("binance", mark_price=100.0, at=NOW)])
    usual = first_look(store)
    assert np.isnan(usual.anchor_due_s).all()
    store.write([funding("binance", mark_price=100.0, at=NOW + 2.0)])
    usual = looked(store, usual, NOW + 2.1)
    assert usual.anchor_due_s[0, 0] == pytest.approx(5.0)
    assert math.isnan(usual.anchor_due_s[0, 1])  # bybit has spoken once
    usual = looked(store, usual, NOW + 4.0)
    assert usual.anchor_due_s[0, 0] == pytest.approx(5.0)  # nothing came
    store.write([funding("binance", mark_price=100.0, at=NOW + 7.0)])
    assert looked(store, usual, NOW + 7.0).anchor_due_s[0, 0] == pytest.approx(6.2)


# -- indices ---------------------------------------------------------------------------------------------------


def test_an_index_has_moved_when_it_differs_from_the_last_look(store):
    usual = first_look(store)
    assert np.isnan(usual.index_moved).all()  # nobody knows since when it has stood
    store.write([said(index_price=100.5)])
    usual = looked(store, usual, NOW + 5.0)
    assert usual.index_moved[0, 0] == NOW + 5.0
    assert math.isnan(usual.index_moved[0, 1])
    assert looked(store, usual, NOW + 9.0).index_moved[0, 0] == NOW + 5.0


def test_an_index_that_was_away_and_is_the_same_again_has_stood(store):
    usual = looked(store, first_look(store), NOW + 1.0)
    store.set_instruments("binance", [])
    usual = looked(store, usual, NOW + 2.0)
    assert math.isnan(usual.index_moved[0, 0])
    store.set_instruments("binance", [instrument("binance")])
    store.write([said(index_price=100.0)])
    usual = looked(store, usual, NOW + 3.0)
    assert math.isnan(usual.index_moved[0, 0])
    store.write([said(index_price=100.1)])
    assert looked(store, usual, NOW + 4.0).index_moved[0, 0] == NOW + 4.0


# -- closed markets --------------------------------------------------------------------------------------------


def new_york(hour: int, minute: int, day: int = 5) -> float:
    """Of January 2027, a winter: five hours behind UTC. The 5th is a Tuesday."""
    return datetime.datetime(2027, 1, day, hour + 5, minute, tzinfo=datetime.UTC).timestamp()


def test_shares_are_open_in_the_session_and_coins_at_all_times():
    share, coin = quote("binance", 9.0, 10.0, "TSLA-USDT"), quote("bybit", 9.0, 10.0, "TSLA-USDT")
    store = store_of(EXCHANGES, share, coin)
    store.set_instruments("binance", [instrument("binance", "TSLA-USDT", asset_class=AssetClass.EQUITY)])
    usual = nothing_usual(store.grid, new_york(9, 29))
    assert same(usual.open_now, [[False, True]])
    usual = looked(store, usual, new_york(9, 29) + 59.0)
    assert same(usual.open_now, [[False, True]])
    usual = looked(store, usual, new_york(9, 30))
    assert same(usual.open_now, [[True, True]])
    usual = looked(store, usual, new_york(16, 0))
    assert same(usual.open_now, [[False, True]])


# -- other grids -----------------------------------------------------------------------------------------------


def test_what_is_known_of_a_symbol_goes_with_it_to_another_grid(store):
    """AAA comes before BTC on the axis; what is known of BTC moves down by one row, AAA begins anew."""
    usual = first_look(store)
    store.set_instruments("bybit", [instrument("bybit"), instrument("bybit", "AAA-USDT")])
    moved = on_grid(usual, store.grid)
    assert moved.grid is store.grid
    assert same(moved.spread_bps, [[math.nan, math.nan], [100.0, math.nan]])
    assert same(moved.middle, [math.nan, 100.0])
    assert same(moved.marks[0][1], [[math.nan, math.nan], [100.0, 100.0]])
    assert same(moved.span.low_mark, [[math.nan, math.nan], [100.0, 100.0]])
    assert same(moved.span.high_middle, [math.nan, 100.0])
    assert same(moved.index_price, [[math.nan, math.nan], [100.0, 100.0]])
    assert on_grid(moved, store.grid) is moved


def test_rows_are_cut_in_the_order_asked_for():
    store = store_of(EXCHANGES, quote("binance", 99.5, 100.5, "A-USDT"), quote("binance", 9.9, 10.1, "B-USDT"))
    usual = first_look(store)
    index = np.array([1, 0])
    cut = usual.rows(index, store.grid.rows(index))
    assert same(cut.spread_bps, usual.spread_bps[[1, 0]])
    assert same(cut.sigma_bps, usual.sigma_bps[[1, 0]])
    moves = move_bps(cut, np.array([[11.0, 10.0], [100.0, 100.0]]), np.array([[10.0, 10.0], [100.0, 100.0]]))
    assert moves == pytest.approx(np.array([[1_000.0, 0.0], [0.0, 0.0]]))  # B, whose mark was 10, then A
