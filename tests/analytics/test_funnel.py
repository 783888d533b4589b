"""The funnel of a minute: the furthest gate of each pair, and the reason that stood there."""

import numpy as np
import pytest

from analytics.funnel import KEPT, FunnelMinutes
from analytics.opportunities import Funnel, judge
from analytics.quality import Limits, Verdict
from analytics.terms import Terms
from analytics.usual import nothing_usual
from market.models import Pairing
from tests.store.scripted import NOW, instrument, quote, store_of

assert NOW % 60.0 == 0.0  # the tests count their minutes from it

EXCHANGES = ["binance", "bybit", "okx"]
SIZES = (9.0, 9.0)


class Market:
    """Three exchanges at 100; okx goes where a test wants it."""

    def __init__(self) -> None:
        self.store = store_of(EXCHANGES, *(quote(name, 100.0, 100.01, sizes=SIZES) for name in EXCHANGES))
        self.funnel = FunnelMinutes()

    def okx(self, bid: float | None, at: float, sizes: tuple[float, float] = SIZES, since: float = -np.inf) -> Funnel:
        """Look at the market at `NOW + at`, okx bidding `bid` and asking 0.01 more; returns the funnel so far."""
        now = NOW + at
        self.store.write([quote(name, 100.0, 100.01, sizes=SIZES, at=now) for name in EXCHANGES[:2]])
        if bid is not None:
            self.store.write([quote("okx", bid, bid + 0.01, sizes=sizes, at=now)])
        return self.look(now, since)

    def look(self, now: float, since: float = -np.inf) -> Funnel:
        def exits(symbol, buy, sell):
            return np.full(len(symbol), -1.0), np.full(len(symbol), 30.0)

        snapshot = self.store.snapshot()
        shape = (len(snapshot.symbols), 3, 3)
        limits = Limits(anchor_age_s=1e9)  # nobody says a mark again here
        self.funnel.observe(
            judge(snapshot, now, exits, limits, Terms(), usual=nothing_usual(snapshot.grid, now),
                  since=np.full(shape, since))
        )  # fmt: skip
        return self.funnel.minutes[-1].funnel

    @property
    def reasons(self) -> dict[Verdict, int]:
        return self.funnel.minutes[-1].reasons


@pytest.fixture
def market() -> Market:
    return Market()


def test_a_quiet_market_of_three_has_six_pairs_that_are_ranked_and_promise_nothing(market):
    assert market.okx(100.0, 1.0) == Funnel(seen=6, fresh=6, tradable=6, net_positive=0, actionable=0)
    assert market.reasons == {}


def test_a_gap_that_gets_through_is_confirmed_on_both_routes(market):
    """Okx bids 1 % above binance and bybit."""
    assert market.okx(101.0, 1.0) == Funnel(6, 6, 6, 2, 2)
    assert market.reasons == {}


def test_each_pair_counts_at_the_furthest_it_came_in_the_minute(market):
    market.okx(101.0, 1.0)
    assert market.okx(100.0, 2.0) == Funnel(6, 6, 6, 2, 2)
    assert market.okx(101.0, 3.0, sizes=(0.1, 9.0)) == Funnel(6, 6, 6, 2, 2)
    assert market.reasons == {}  # it got through once


def test_what_never_got_through_shows_the_reason_at_its_furthest(market):
    """A thin book among the gaps comes further than a dead feed."""
    assert market.okx(101.0, 1.0, sizes=(0.1, 9.0)) == Funnel(6, 6, 6, 2, 0)
    assert market.reasons == {Verdict.THIN_BOOK: 2}
    market.store.lose("okx", ["BTC-USDT"])
    assert market.look(NOW + 2.0) == Funnel(6, 6, 6, 2, 0)
    assert market.reasons == {Verdict.THIN_BOOK: 2}


def test_of_two_reasons_at_one_gate_the_later_one_stands(market):
    market.okx(101.0, 1.0, sizes=(0.1, 9.0))
    market.okx(101.0, 2.0, since=NOW + 2.0)
    assert market.reasons == {Verdict.UNCONFIRMED: 2}


def test_only_reasons_of_what_seemed_to_pay_are_counted(market):
    """Okx is not paired by name: its four pairs are seen and fresh; two of them would pay."""
    market.store.set_instruments("okx", [instrument("okx", pairing=Pairing.DENY)])
    assert market.okx(101.0, 1.0) == Funnel(seen=6, fresh=6, tradable=2, net_positive=0, actionable=0)
    assert market.reasons == {Verdict.NOT_PAIRED: 2}


def test_a_pair_without_a_live_quote_is_seen_and_no_more(market):
    market.store.lose("okx", ["BTC-USDT"])
    assert market.okx(None, 1.0) == Funnel(seen=6, fresh=2, tradable=2, net_positive=0, actionable=0)


def test_minutes_begin_at_full_ones_and_anew(market):
    market.okx(101.0, 59.0)
    market.okx(100.0, 61.0)
    market.okx(101.0, 121.0, sizes=(0.1, 9.0))
    first, second, third = market.funnel.minutes
    assert [minute.start - NOW for minute in (first, second, third)] == [0.0, 60.0, 120.0]
    assert [minute.funnel.actionable for minute in (first, second, third)] == [2, 0, 0]
    assert (second.reasons, third.reasons) == ({}, {Verdict.THIN_BOOK: 2})


def test_two_hours_are_kept(market):
    for minute in range(KEPT + 5):
        market.okx(100.0, 60.0 * minute)
    minutes = market.funnel.minutes
    assert len(minutes) == KEPT + 1  # and the one that is not over yet
    assert minutes[-1].start == NOW + 60.0 * (KEPT + 4)
    assert minutes[0].start == NOW + 60.0 * 4


def test_a_listing_in_the_middle_of_a_minute_loses_no_count(market):
    """Binance lists ETH, too, which comes after BTC; AAVE comes before it."""
    market.okx(101.0, 1.0)
    listed = [instrument("binance"), instrument("binance", "AAVE-USDT"), instrument("binance", "ETH-USDT")]
    market.store.set_instruments("binance", listed)
    assert market.okx(100.0, 2.0) == Funnel(6, 6, 6, 2, 2)
