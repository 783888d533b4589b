"""When a gap opens and closes, and that it is one and the same until it does."""

import numpy as np
import pytest
from msgspec.structs import replace

from analytics.costs import Costs
from analytics.edges import edges
from analytics.gaps import HYSTERESIS_BPS, Gaps
from analytics.quality import Limits
from analytics.usual import nothing_usual
from store.snapshot import SnapshotStore
from tests.store.scripted import NOW, instrument, quote, same, store_of

LEAST_BPS = 5.0
ROUTE = 0, 0, 1  # buy binance, sell bybit


class Market:
    """Binance asks 100; bybit bids whatever leaves the promise that a test wants."""

    def __init__(self) -> None:
        self.store = store_of(["binance", "bybit"], quote("binance", 99.99, 100.0), quote("bybit", 99.99, 100.0))
        self.gaps = Gaps(self.store.grid)

    def quotes(self, promise_bps: float, at: float) -> float:
        """Have bybit promise so much after 20 bps of fees; returns the gap's opening, NaN where there is none.

        With a bid b and an ask b + 0.01 the mean mid is (99.995 + b + 0.005) / 2 = (100 + b) / 2.
        """
        edge = (promise_bps + 20.0) / 1e4
        bid = 100.0 * (1.0 + edge / 2.0) / (1.0 - edge / 2.0)
        self.store.write([quote("bybit", bid, bid + 0.01, at=at)])
        return self.look(at)

    def look(self, now: float) -> float:
        snapshot = self.store.snapshot()
        self.gaps.on_grid(snapshot.grid)
        found = edges(snapshot, now, Limits(), Costs(), nothing_usual(snapshot.grid, now))
        self.promise = float(found.promise[ROUTE])
        every = np.arange(len(snapshot.symbols))
        self.gaps.update(every, found, snapshot.told_at(), LEAST_BPS)
        return float(self.gaps.since[ROUTE])


@pytest.fixture
def market() -> Market:
    return Market()


def test_a_gap_opens_when_the_later_of_its_quotes_was_received(market):
    assert market.quotes(6.0, NOW + 0.4) == NOW + 0.4
    assert market.promise == pytest.approx(6.0)
    assert np.isnan(market.gaps.since[0, 1, 0])


def test_the_later_quote_may_be_that_of_the_other_leg(market):
    """Bybit has stood there since 0.2 s; binance falls to it at 0.9 s. Whoever looks later finds the same opening."""
    assert np.isnan(market.quotes(4.0, NOW + 0.2))
    market.store.write([quote("binance", 99.79, 99.8, at=NOW + 0.9)])
    assert market.look(NOW + 1.7) == NOW + 0.9


def test_it_opens_at_the_least_that_is_asked_for(market):
    assert np.isnan(market.quotes(LEAST_BPS - 1e-6, NOW + 0.1))
    assert market.quotes(LEAST_BPS + 1e-6, NOW + 0.2) == NOW + 0.2


def test_a_gap_that_trembles_is_one_gap(market):
    """It stays one until it has fallen the hysteresis below; it opens anew only at the full least."""
    opened = market.quotes(LEAST_BPS + 0.1, NOW + 0.1)
    for k, promise in enumerate((LEAST_BPS - 0.9, LEAST_BPS + 30.0, LEAST_BPS - HYSTERESIS_BPS + 1e-6)):
        assert market.quotes(promise, NOW + 0.2 + k / 10) == opened
    assert np.isnan(market.quotes(LEAST_BPS - HYSTERESIS_BPS - 1e-6, NOW + 0.6))
    assert np.isnan(market.quotes(LEAST_BPS - 0.1, NOW + 0.7))
    assert market.quotes(LEAST_BPS + 0.1, NOW + 0.8) == NOW + 0.8


def test_new_quotes_do_not_make_a_gap_younger(market):
    opened = market.quotes(9.0, NOW + 0.1)
    assert market.quotes(9.5, NOW + 2.0) == opened


def test_a_quote_that_is_refused_ends_the_gap(market):
    opened = market.quotes(9.0, NOW + 0.1)
    assert market.look(NOW + 9.9) == opened
    assert np.isnan(market.look(NOW + 10.1))  # binance has said nothing for more than 10 s
    market.store.write([quote("binance", 99.99, 100.0, at=NOW + 10.1)])
    market.store.lose("bybit", ["BTC-USDT"])
    assert np.isnan(market.look(NOW + 10.2))


def test_a_gap_that_one_change_brings_has_jumped(market):
    """Gross from 5 to 30 bps, 25 of 30 at once; smaller steps within the gap change nothing of that."""
    market.quotes(-15.0, NOW + 0.1)
    market.quotes(10.0, NOW + 0.2)
    assert market.gaps.jumped[ROUTE]
    market.quotes(10.5, NOW + 0.3)
    assert market.gaps.jumped[ROUTE]


@pytest.mark.parametrize(("before", "jumped"), [(-4.99, False), (-5.0 - 1e-6, True), (-5.01, True)])
def test_half_of_the_gross_edge_at_once_is_a_jump(market, before, jumped):
    """The gap opens with 10 + 20 = 30 bps of gross; half of it is 15, so that the look before shows 15, 5 short."""
    market.quotes(before, NOW + 0.1)
    market.quotes(10.0, NOW + 0.2)
    assert market.gaps.jumped[ROUTE] == jumped


def test_a_gap_that_opens_in_small_steps_has_crept(market):
    """Gross 21, 24, 27: never half of it at once, and what follows does not make it a jump."""
    for k, promise in enumerate((1.0, 4.0, 7.0)):
        market.quotes(promise, NOW + k / 10)
    assert not market.gaps.jumped[ROUTE]
    market.quotes(90.0, NOW + 0.9)
    assert not market.gaps.jumped[ROUTE]


def test_a_gap_of_the_first_look_has_crept(market):
    """Nobody knows what was before."""
    market.quotes(9.0, NOW + 0.1)
    assert not np.isnan(market.gaps.since[ROUTE])
    assert not market.gaps.jumped[ROUTE]


def test_rows_that_are_not_looked_at_keep_their_gaps():
    words = [quote(exchange, price, price + 0.01, symbol) for symbol in ("A-USDT", "B-USDT")
             for exchange, price in (("binance", 100.0), ("bybit", 101.0))]  # fmt: skip
    store = store_of(["binance", "bybit"], *words)
    gaps = Gaps(store.grid)
    for rows in (np.array([0, 1]), np.array([1])):
        cut = store.snapshot().rows(rows)
        found = edges(cut, NOW, Limits(), Costs(), nothing_usual(store.grid, NOW).rows(rows, cut.grid))
        gaps.update(rows, found, cut.told_at(), LEAST_BPS)
        assert gaps.since[:, 0, 1].tolist()[: len(rows)] == [NOW] * len(rows)
        closed = replace(found, promise=np.full_like(found.promise, -100.0))
    gaps.update(np.array([1]), closed, cut.told_at(), LEAST_BPS)
    assert same(gaps.since[:, 0, 1], [NOW, np.nan])


def test_another_grid_keeps_the_gaps_of_symbols_that_stay(market):
    """AAA comes before BTC: the gap moves with its symbol. A symbol that goes takes its gap along."""
    market.quotes(-20.0, NOW)
    opened = market.quotes(9.0, NOW + 0.1)
    both: SnapshotStore = market.store
    both.set_instruments("bybit", [instrument("bybit"), instrument("bybit", "AAA-USDT")])
    market.gaps.on_grid(both.grid)
    assert market.gaps.grid is both.grid
    assert market.gaps.since[1, 0, 1] == opened
    assert np.argwhere(~np.isnan(market.gaps.since)).tolist() == [[1, 0, 1]]
    assert market.gaps.jumped[1, 0, 1]

    for exchange in ("binance", "bybit"):
        both.set_instruments(exchange, [instrument(exchange, "AAA-USDT")])
    market.gaps.on_grid(both.grid)
    assert np.isnan(market.gaps.since).all()


def test_the_same_grid_changes_nothing(market):
    opened = market.quotes(9.0, NOW + 0.1)
    before = market.gaps.since
    market.gaps.on_grid(market.store.grid)
    assert market.gaps.since is before
    assert market.gaps.since[ROUTE] == opened


def test_a_gap_is_clean_from_its_opening_or_from_when_the_last_reason_went(market):
    """Refused at 1.2 s, free at 1.5 s, refused again at 1.6 s: only from 1.9 s on nothing speaks against it."""
    market.quotes(6.0, NOW + 1.0)
    row, buy, sell = np.array([0]), np.array([0]), np.array([1])

    def judged(refused: bool, at: float) -> float:
        market.gaps.judged(row, buy, sell, np.array([refused]), NOW + at)
        return float(market.gaps.clean[ROUTE])

    assert market.gaps.clean[ROUTE] == NOW + 1.0
    assert judged(False, 1.1) == NOW + 1.0
    assert judged(True, 1.2) == np.inf
    assert judged(False, 1.5) == judged(False, 1.55) == NOW + 1.5
    assert judged(True, 1.6) == np.inf
    assert judged(False, 1.9) == NOW + 1.9
    market.quotes(7.0, NOW + 2.0)
    assert market.gaps.clean[ROUTE] == NOW + 1.9
    market.quotes(0.0, NOW + 3.0)
    assert np.isnan(market.gaps.clean[ROUTE])
    market.quotes(6.0, NOW + 4.0)
    assert market.gaps.clean[ROUTE] == NOW + 4.0
