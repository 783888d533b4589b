"""Every pair by its quotes alone: the edge, its cost, and the first reason of either leg."""

import numpy as np
import pytest

from analytics.costs import Costs
from analytics.edges import Edges, edges, pair_verdicts
from analytics.quality import Limits, Verdict
from analytics.usual import nothing_usual
from market.models import AssetClass, Pairing, Status
from store.snapshot import SnapshotStore
from tests.analytics.random_market import random_memory, random_store
from tests.store.scripted import NOW, instrument, quote, same, store_of

NAN = np.nan
LIMITS = Limits()
OK = Verdict.OK


def found_of(store: SnapshotStore, costs: Costs | None = None) -> Edges:
    return edges(store.snapshot(), NOW, LIMITS, costs or Costs(), nothing_usual(store.grid, NOW))


def test_what_a_gap_promises_is_left_after_four_fills():
    """Sell at 101.0, buy at 100.2, mean mid 100.65: 79.4834 less 20. Back: 100.0 - 101.4, -139.0959 less 20."""
    found = found_of(store_of(["binance", "bybit"], quote("binance", 100.0, 100.2), quote("bybit", 101.0, 101.4)))
    assert found.entry[0, 0, 1] == pytest.approx(79.4834, abs=1e-4)
    assert found.entry[0, 1, 0] == pytest.approx(-139.0959, abs=1e-4)
    assert found.cost[0].tolist() == [[20.0, 20.0], [20.0, 20.0]]
    assert found.promise == pytest.approx(found.entry - 20.0)
    assert found.pair[0].tolist() == [[Verdict.NOT_LISTED, OK], [OK, Verdict.NOT_LISTED]]


def test_a_fee_that_is_not_known_refuses_the_pair():
    """What it promises is then the edge before costs: a refused pair is shown where it might pay."""
    store = store_of(["binance", "bybit"], quote("binance", 100.0, 100.2), quote("bybit", 101.0, 101.4))
    store.set_instruments("bybit", [instrument("bybit", taker_fee_bps=NAN)])
    found = found_of(store)
    assert found.legs[0].tolist() == [OK, Verdict.FEE_UNKNOWN]
    assert found.pair[0, 0, 1] == Verdict.FEE_UNKNOWN
    assert np.isnan(found.cost[0, 0, 1])
    assert found.promise[0, 0, 1] == found.entry[0, 0, 1]


@pytest.mark.parametrize(
    ("fills", "verdict"), [(("taker",) * 4, OK), (("maker", *("taker",) * 3), Verdict.FEE_UNKNOWN)]
)
def test_only_fees_that_are_paid_have_to_be_known(fills, verdict):
    store = store_of(["binance", "bybit"], quote("binance", 100.0, 100.2), quote("bybit", 101.0, 101.4))
    store.set_instruments("bybit", [instrument("bybit", maker_fee_bps=NAN)])
    assert found_of(store, Costs(fills)).legs[0, 1] == verdict


def test_of_both_legs_the_first_test_is_the_reason():
    """A stale one against a lost one, a halted one and a good one."""
    codes = np.array([[Verdict.STALE_LEG, Verdict.FEED_LOST, Verdict.NOT_TRADING, OK, Verdict.PRICE_BAND]], np.int8)
    pair = pair_verdicts(codes, np.zeros((1, 5, 5)), LIMITS)[0]
    assert pair[0, 1:].tolist() == [Verdict.FEED_LOST, Verdict.NOT_TRADING, Verdict.STALE_LEG, Verdict.STALE_LEG]
    assert pair[3].tolist() == [Verdict.STALE_LEG, Verdict.FEED_LOST, Verdict.NOT_TRADING, 1, Verdict.PRICE_BAND]
    assert same(pair, pair.T)


@pytest.mark.parametrize(("entry", "verdict"), [(1_000.0, OK), (1_000.01, Verdict.IMPLAUSIBLE), (NAN, OK), (-2e3, OK)])
def test_above_ten_percent_is_implausible(entry, verdict):
    codes = np.zeros((1, 2), np.int8)
    assert pair_verdicts(codes, np.full((1, 2, 2), entry), LIMITS)[0, 0, 1] == verdict


def test_what_a_leg_says_comes_before_an_implausible_edge():
    codes = np.array([[OK, Verdict.OFF_HOURS_INDEX]], np.int8)
    assert pair_verdicts(codes, np.full((1, 2, 2), 5_000.0), LIMITS)[0, 0, 1] == Verdict.OFF_HOURS_INDEX


def test_a_good_price_is_good_though_no_pair_is_ranked_with_it():
    exchanges = ["binance", "bybit", "gate"]
    store = store_of(exchanges, *(quote(exchange, 100.0, 100.1) for exchange in exchanges))
    store.set_instruments("bybit", [instrument("bybit", asset_class=AssetClass.EQUITY)])
    store.set_instruments("gate", [instrument("gate", status=Status.HALTED)])
    found = found_of(store)
    assert found.legs[0].tolist() == [OK, Verdict.OFF_HOURS_INDEX, Verdict.NOT_TRADING]
    assert found.good[0].tolist() == [True, True, False]


def test_a_bad_price_is_not_asked_for_more():
    """Neither fee nor interval are known, and it is another asset by name: the name is the reason."""
    store = store_of(["bybit"], quote("bybit", 100.0, 100.1))
    store.set_instruments("bybit", [instrument("bybit", pairing=Pairing.DENY, taker_fee_bps=NAN)])
    assert found_of(store).legs.tolist() == [[Verdict.NOT_PAIRED]]


@pytest.mark.parametrize("seed", range(10))
def test_some_rows_are_judged_as_in_the_whole_market(seed):
    """The detector looks at rows, the scan at all of them: no row may depend on another one."""
    store = random_store(seed)
    usual = random_memory(store, seed).usual
    snapshot = store.snapshot()
    whole = edges(snapshot, NOW, LIMITS, Costs(), usual)
    rows = np.array([4, 1])
    cut = snapshot.rows(rows)
    some = edges(cut, NOW, LIMITS, Costs(), usual.rows(rows, cut.grid))
    for name in ("legs", "pair", "entry", "cost", "promise", "mids", "middle"):
        assert same(getattr(some, name), getattr(whole, name)[rows])
