"""Sizes by numbers worked by hand, and capacity against brute force."""

import itertools
import math
import random

import pytest

from analytics.size import (
    Book,
    capacity,
    curve,
    fill,
    gainful,
    mean_mid,
    merge,
    next_level_gap_bps,
    tradable,
    visible,
)

# Mids 100 and 102, mean 101. Asks of L: 2 at 100.5, 3 at 101, 5 at 103. Bids of S: 1 at 101.5, 4 at 101.25, 2 at 100.
LONG = Book(bids=[(99.5, 9.0)], asks=[(100.5, 2.0), (101.0, 3.0), (103.0, 5.0)])
SHORT = Book(bids=[(101.5, 1.0), (101.25, 4.0), (100.0, 2.0)], asks=[(102.5, 9.0)])


def test_both_ladders_are_walked_for_the_same_coins():
    """Ends at 1 (S), 2 (L), 5 (both), 7 (S ends): prices stand still in between."""
    assert list(merge(LONG.asks, SHORT.bids)) == [
        (1.0, 100.5, 101.5),
        (2.0, 100.5, 101.25),
        (5.0, 101.0, 101.25),
        (7.0, 103.0, 100.0),
    ]
    assert mean_mid(LONG, SHORT) == 101.0
    assert visible(LONG, SHORT) == 7.0


def test_a_fill_has_average_prices():
    """3 coins: pays 2 x 100.5 + 101 = 302, gets 101.5 + 2 x 101.25 = 304; 2/3 of 101 are 66.007 bps."""
    found = fill(LONG, SHORT, 3.0)
    assert found is not None
    assert (found.buy, found.sell) == (pytest.approx(302 / 3), pytest.approx(304 / 3))
    assert found.edge_bps == pytest.approx(2 / 3 / 101 * 1e4)
    assert found.notional == 303.0


def test_nothing_is_made_up_beyond_the_visible_book():
    assert fill(LONG, SHORT, 7.0) is not None
    assert fill(LONG, SHORT, 7.1) is None
    assert fill(LONG, SHORT, 0.0) is None
    assert fill(Book([], []), SHORT, 1.0) is None


def test_capacity_ends_where_the_average_meets_the_threshold():
    """Gains per coin: 1, 0.75, 0.25, -3. After 5 coins 2.5 are won; 0.25 per coin on average is met at x coins of the
    last stretch: (2.5 - 3x) / (5 + x) = 0.25, x = 5/13."""
    found = fill(LONG, SHORT, capacity(LONG, SHORT, 0.25 / 101 * 1e4))
    assert found is not None
    assert found.quantity == pytest.approx(5 + 5 / 13)
    assert found.edge_bps == pytest.approx(0.25 / 101 * 1e4)


def test_capacity_of_a_touch_below_the_threshold_is_none_and_of_an_ample_book_all_of_it():
    assert capacity(LONG, SHORT, 1.01 / 101 * 1e4) == 0.0
    assert capacity(LONG, SHORT, -1e4) == 7.0


def test_capacity_of_the_touch_exactly_at_the_threshold_is_its_stretch():
    assert capacity(LONG, SHORT, 1.0 / 101 * 1e4 * (1 - 1e-12)) == pytest.approx(1.0)


def random_book(chance: random.Random, price: float) -> Book:
    def side(sign: int) -> list[tuple[float, float]]:
        levels, at = [], price + sign * chance.uniform(0.01, 0.3)
        for _ in range(chance.randint(1, 12)):
            levels.append((at, chance.choice((1.0, 2.5, 10.0)) * chance.random() + 0.01))
            at += sign * chance.uniform(0.01, 0.5)
        return levels

    return Book(side(-1), side(1))


def walked(side: list[tuple[float, float]], quantity: float) -> float:
    """What a quantity costs or brings on one side, level by level."""
    total, left = 0.0, quantity
    for price, size in side:
        taken = min(size, left)
        total += price * taken
        left -= taken
    return total


def brute_force(long: Book, short: Book, least_bps: float) -> float:
    """The largest quantity whose average edge is at least the threshold: each side walked by itself for 300 quantities,
    and the last stretch halved forty times. Not a line of `analytics.size` is used."""
    middle = (long.bids[0][0] + long.asks[0][0] + short.bids[0][0] + short.asks[0][0]) / 4
    end = min(sum(size for _, size in long.asks), sum(size for _, size in short.bids))

    def enough(quantity: float) -> bool:
        return (walked(short.bids, quantity) - walked(long.asks, quantity)) / quantity / middle * 1e4 >= least_bps

    good = max((k for k in range(1, 301) if enough(end * k / 300)), default=0)
    if good == 300:
        return end
    low, high = end * good / 300, end * (good + 1) / 300
    for _ in range(40):
        half = (low + high) / 2
        low, high = (half, high) if enough(half) else (low, half)
    return low


@pytest.mark.parametrize("seed", range(10))
def test_capacity_equals_brute_force_on_random_ladders(seed):
    """1,000 pairs of ladders over all seeds, many of them with a capacity between nothing and all that is visible."""
    chance = random.Random(seed)
    inside = 0
    for _ in range(100):
        long, short = random_book(chance, 100.0), random_book(chance, 100.0 + chance.uniform(-0.5, 2.5))
        least = chance.uniform(-20.0, 120.0)
        quantity = capacity(long, short, least)
        wanted = brute_force(long, short, least)
        assert quantity == pytest.approx(wanted, rel=1e-6, abs=1e-9)
        inside += 0.0 < wanted < visible(long, short)
        if found := fill(long, short, quantity):
            assert found.edge_bps >= least - 1e-6
    assert inside > 15


@pytest.mark.parametrize("seed", range(10))
def test_coins_that_gain_are_those_of_the_levels_that_do(seed):
    """Coin by coin: as many as can be bought below what they sell for less the least gain, over both sorted sides."""
    chance = random.Random(200 + seed)
    for _ in range(100):
        long, short = random_book(chance, 100.0), random_book(chance, 100.0 + chance.uniform(-0.5, 2.5))
        least = chance.uniform(-20.0, 120.0)
        margin = least / 1e4 * (long.bids[0][0] + long.asks[0][0] + short.bids[0][0] + short.asks[0][0]) / 4
        # Up to the k-th ask, as many coins as bids that lie the margin above it, and no more than the asks so far.
        wanted = 0.0
        for k, (ask, _) in enumerate(long.asks):
            bought = sum(size for _, size in long.asks[: k + 1])
            sold = sum(size for bid, size in short.bids if bid - ask >= margin)
            wanted = max(wanted, min(bought, sold))
        assert gainful(long, short, least) == pytest.approx(wanted)


@pytest.mark.parametrize("seed", range(20))
def test_the_edge_never_rises_with_size(seed):
    chance = random.Random(100 + seed)
    edges = [row.edge_bps for row in curve(random_book(chance, 100.0), random_book(chance, 101.0))]
    assert edges
    assert all(later <= earlier + 1e-9 for earlier, later in itertools.pairwise(edges))


def test_the_curve_is_thinned_and_keeps_both_ends():
    ladder = Book([(99.0 - k, 1.0) for k in range(100)], [(100.0 + k, 1.0) for k in range(100)])
    found = curve(ladder, ladder, points=10)
    assert len(found) == 10
    assert (found[0].quantity, found[-1].quantity) == (1.0, 100.0)


def test_quantities_are_rounded_down_to_the_coarser_lot():
    long = Book(LONG.bids, LONG.asks, lot=0.01)
    short = Book(SHORT.bids, SHORT.asks, lot=0.25, min_notional=50.0)
    assert tradable(long, short, 1.9) == (1.75, "")
    assert tradable(long, short, 0.2) == (0.0, "below one lot of 0.25 coins")
    assert tradable(long, Book(SHORT.bids, SHORT.asks, min_notional=200.0), 1.0) == (
        0.0,
        "below the smallest order of 200",
    )
    assert tradable(LONG, SHORT, 1.9) == (1.9, "")


def test_a_multiple_of_the_lot_is_not_rounded_away():
    """0.3 / 0.1 is 2.9999999999999996 in floating point."""
    assert tradable(Book(LONG.bids, LONG.asks, lot=0.1), SHORT, 0.3)[0] == pytest.approx(0.3)


def test_coins_that_no_longer_gain_enough_are_left():
    """Gains per coin: 1 up to 1 coin, 0.75 up to 2, 0.25 up to 5, then -3."""
    each = {1.01: 0.0, 0.76: 1.0, 0.26: 2.0, 0.2: 5.0, -2.99: 5.0, -3.01: 7.0}
    assert {gain: gainful(LONG, SHORT, gain / 101 * 1e4) for gain in each} == each
    assert gainful(Book([], []), SHORT, 0.0) == 0.0


@pytest.mark.parametrize("spoilt", [0, 1], ids=["bought", "sold"])
def test_a_level_of_unknown_size_fills_nothing(spoilt):
    """A touch whose size the exchange does not tell is no endless supply."""
    unknown = Book(bids=[(101.5, math.nan)], asks=[(100.5, math.nan)])
    legs = (unknown, SHORT) if spoilt == 0 else (LONG, unknown)
    assert merge(legs[0].asks, legs[1].bids) == ()
    assert visible(*legs) == gainful(*legs, 0.0) == 0.0
    assert capacity(*legs, 0.0) == 0.0


def test_the_gap_behind_the_touch():
    """101 after 100.5 is 49.75 bps; one order alone has nothing behind it."""
    assert next_level_gap_bps(LONG.asks, sells=True) == pytest.approx(0.5 / 100.5 * 1e4)
    assert next_level_gap_bps(SHORT.bids, sells=False) == pytest.approx(0.25 / 101.5 * 1e4)
    assert next_level_gap_bps([(100.0, 1.0)], sells=True) == math.inf
