"""Pairs judged: by hand, and never an actionable one that may not be. Against plain loops: test_plain_judgement."""

import numpy as np
import pytest

from analytics import spreads
from analytics.opportunities import Judgement, judge
from analytics.quality import Limits, Verdict, leg_verdicts
from analytics.terms import Terms
from market.models import Pairing, Status
from store.snapshot import SnapshotStore
from tests.analytics.random_market import random_store, some_exit
from tests.store.scripted import NOW, funding, instrument, quote, same, store_of

LIMITS = Limits(alone_bps=1e9)  # how wide a book may be is tested in test_verdicts


def no_exit(symbol, buy, sell):
    """Every pair is expected to close at its mids."""
    return np.zeros(len(symbol)), np.full(len(symbol), 30.0)


def unknown_exit(symbol, buy, sell):
    return np.full(len(symbol), np.nan), np.zeros(len(symbol))


def judged(store: SnapshotStore, exits=no_exit, minimum: float = 0.0, most: int = 2_000) -> Judgement:
    return judge(store.snapshot(), NOW, exits, LIMITS, Terms(min_net_bps=minimum, notional=1e9), most=most)


def rows(judgement: Judgement) -> dict[tuple[str, str, str], int]:
    """Position of each pair by symbol, bought and sold exchange."""
    pairs, snapshot = judgement.pairs, judgement.snapshot
    return {
        (snapshot.symbols[s], snapshot.exchanges[b], snapshot.exchanges[x]): i
        for i, (s, b, x) in enumerate(zip(pairs.symbol, pairs.buy, pairs.sell, strict=True))
    }


# -- one pair by hand ------------------------------------------------------------------------------------------


def test_every_number_of_a_pair():
    """Buy binance at 100.2, sell bybit at 101.0; mids 100.1 and 101.2, mean 100.65.

    gross 1e4 * 0.8 / 100.65 = 79.4834, exit now 1e4 * (100.0 - 101.4) / 100.65 = -139.0959, four fees of 5: 20,
    net 79.4834 - 20 = 59.4834. Size min(30, 20) = 20 coins, notional 2,013, profit 2,013 * 59.4834 / 1e4 = 11.974.
    Both marks are the same, so that the fresh edge is 1e4 * (101.0 / 100.2 - 1) = 79.8403.
    Carry over 8 h: short receives 0.0004 / 4 h, long pays 0.0001 / 8 h: 8 * (0.0001 - 0.0000125) = 7 bps.
    """
    store = store_of(
        ["binance", "bybit"],
        quote("binance", 100.0, 100.2, sizes=(10.0, 30.0), at=NOW - 1),
        quote("bybit", 101.0, 101.4, sizes=(20.0, 50.0), at=NOW - 2),
        funding("binance", funding_rate=0.0001, funding_interval_h=8.0),
        funding("bybit", funding_rate=0.0004, funding_interval_h=4.0),
    )
    judgement = judged(store)
    pairs = judgement.pairs
    i = rows(judgement)["BTC-USDT", "binance", "bybit"]
    assert i == 0
    wanted = {
        "buy_price": 100.2,
        "sell_price": 101.0,
        "entry": 79.4834,
        "walk": 0.0,
        "exit_now": -139.0959,
        "expected_exit": 0.0,
        "exit_samples": 30.0,
        "cost": 20.0,
        "net": 59.4834,
        "fresh": 79.8403,
        "size": 20.0,
        "notional": 2_013.0,
        "profit": 11.9740,
        "capacity": 2_013.0,
        "gainful": 2_013.0,
        "visible": 2_013.0,
        "buy_age": 1.0,
        "sell_age": 2.0,
        "carry_8h": 7.0,
    }
    found = {name: float(getattr(pairs, name)[i]) for name in wanted}
    assert found == pytest.approx(wanted, abs=1e-4)
    assert (pairs.verdict[i], pairs.gap[i], pairs.actionable[i], pairs.touch_only[i]) == (Verdict.OK, True, True, True)
    assert np.isnan(pairs.behind[i])
    back = rows(judgement)["BTC-USDT", "bybit", "binance"]
    assert pairs.entry[back] == pairs.exit_now[i]
    assert pairs.carry_8h[back] == pytest.approx(-7.0)
    assert not pairs.gap[back]


def test_an_unknown_interval_leaves_the_carry_unknown():
    store = SnapshotStore(["binance", "bybit"])
    for exchange in ("binance", "bybit"):
        store.set_instruments(exchange, [instrument(exchange, funding_interval_h=None)])
        store.write([quote(exchange, 100.0, 100.1), funding(exchange, funding_rate=0.0001)])
    store.write([quote("bybit", 100.5, 100.6)])  # an edge, so that the pair is shown
    pairs = judged(store).pairs
    assert len(pairs) > 0
    assert np.isnan(pairs.carry_8h).all()


def test_without_an_expected_exit_nothing_is_actionable():
    store = store_of(["binance", "bybit"], quote("binance", 100.0, 100.1), quote("bybit", 103.0, 103.1))
    judgement = judged(store, unknown_exit)
    assert np.isnan(judgement.pairs.net).all()
    assert judgement.funnel.net_positive == judgement.funnel.actionable == 0


def test_a_size_that_is_not_known_is_no_size():
    """An exchange that tells no size of its ask: what could be filled, and what it would earn, is not known."""
    store = store_of(
        ["binance", "bybit"], quote("binance", 100.0, 100.1, sizes=(None, None)), quote("bybit", 101.0, 101.1)
    )
    judgement = judged(store)
    i = rows(judgement)["BTC-USDT", "binance", "bybit"]
    pairs = judgement.pairs
    assert pairs.gap[i]
    assert pairs.verdict[i] == Verdict.THIN_BOOK
    assert np.isnan([pairs.size[i], pairs.notional[i], pairs.net[i], pairs.capacity[i]]).all()


# -- random markets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(25))
def test_the_funnel_adds_up_and_every_refused_pair_has_one_reason(seed):
    judgement = judged(random_store(seed), some_exit)
    funnel, reasons, pairs = judgement.funnel, judgement.reasons, judgement.pairs
    passed = int((judgement.codes == Verdict.OK).sum())
    assert funnel.seen == passed + sum(reasons.values())
    # What is said of a gap, and not of its quotes, is said of a pair that came as far as being ranked.
    refused = pairs.verdict[pairs.gap & (pairs.verdict != Verdict.OK)]
    assert funnel.tradable == passed + len(refused)
    unfresh = (Verdict.NO_QUOTE, Verdict.FEED_LOST, Verdict.STALE_LEG, Verdict.LAGGING)
    by_quotes = sum(reasons.get(verdict, 0) for verdict in unfresh) - int((refused == Verdict.STALE_LEG).sum())
    assert funnel.fresh == funnel.seen - by_quotes
    assert funnel.seen >= funnel.fresh >= funnel.tradable >= funnel.net_positive >= funnel.actionable
    assert Verdict.OK not in reasons


@pytest.mark.parametrize("seed", range(25))
def test_pairs_come_in_order_actionable_ones_first(seed):
    pairs = judged(random_store(seed), some_exit).pairs
    refused = pairs.verdict != Verdict.OK
    assert same(refused, np.sort(refused))
    for part in (pairs.net[~refused], pairs.net[refused]):
        known = part[~np.isnan(part)]
        assert same(known, np.sort(known)[::-1])
        assert np.isnan(part[len(known) :]).all()


# -- what may never be actionable ------------------------------------------------------------------------------


def gap_store(exchanges: tuple[str, ...] = ("binance", "bybit"), **changed: object) -> SnapshotStore:
    """The last exchange bids 1 % above the asks of the others: an opportunity, if nothing is wrong with it."""
    sizes = (9.0, 9.0)
    words = [quote(exchange, 100.0, 100.1, event=NOW - 0.05, sizes=sizes) for exchange in exchanges[:-1]]
    store = store_of(list(exchanges), *words, quote(exchanges[-1], 101.1, 101.2, event=NOW - 0.05, sizes=sizes))
    if changed:
        store.set_instruments(exchanges[-1], [instrument(exchanges[-1], **changed)])
    return store


def spoil_nothing(store: SnapshotStore) -> None:
    """The control: without a fault this is an opportunity."""


def spoil_stale(store: SnapshotStore) -> None:
    store.write([quote("bybit", 101.1, 101.2, at=NOW - 11)])


def spoil_lost(store: SnapshotStore) -> None:
    store.lose("bybit", ["BTC-USDT"])


def spoil_side(store: SnapshotStore) -> None:
    store.write([quote("bybit", 101.1, None)])


def spoil_crossed(store: SnapshotStore) -> None:
    store.write([quote("bybit", 101.3, 101.2)])


def spoil_halted(store: SnapshotStore) -> None:
    store.set_instruments("bybit", [instrument("bybit", status=Status.HALTED)])


def spoil_lag(store: SnapshotStore) -> None:
    store.write([quote("bybit", 101.2, 101.3, event=NOW - 0.01, at=NOW + 2)])


def spoil_name(store: SnapshotStore) -> None:
    store.set_instruments("bybit", [instrument("bybit", pairing=Pairing.DENY)])


def spoil_asset(store: SnapshotStore) -> None:
    store.write([funding("binance", index_price=100.0), funding("bybit", index_price=104.0)])


def spoil_price(store: SnapshotStore) -> None:
    store.write([quote("bybit", 111.0, 111.1)])


SPOILT = {
    Verdict.OK: spoil_nothing,
    Verdict.STALE_LEG: spoil_stale,
    Verdict.FEED_LOST: spoil_lost,
    Verdict.ONE_SIDED: spoil_side,
    Verdict.CROSSED: spoil_crossed,
    Verdict.NOT_TRADING: spoil_halted,
    Verdict.LAGGING: spoil_lag,
    Verdict.NOT_PAIRED: spoil_name,
    Verdict.DIFFERENT_ASSET: spoil_asset,
    Verdict.IMPLAUSIBLE: spoil_price,
}


@pytest.mark.parametrize(("verdict", "spoil"), SPOILT.items(), ids=lambda value: getattr(value, "label", ""))
def test_a_spoilt_leg_is_never_actionable_and_the_reason_is_said(verdict, spoil):
    store = gap_store()
    spoil(store)
    judgement = judged(store)
    at = rows(judgement).get(("BTC-USDT", "binance", "bybit"))
    if verdict is Verdict.OK:
        assert judgement.funnel.actionable == 1
        assert judgement.reasons == {}
        return
    assert judgement.funnel.actionable == judgement.funnel.net_positive == 0
    assert judgement.reasons[verdict] >= 1
    if at is not None:  # a pair without an edge to be computed is counted, not shown
        assert judgement.pairs.verdict[at] == verdict
        assert judgement.pairs.net[at] > 0.0  # shown as what it is: an edge that may not be taken


def test_one_spoilt_leg_of_three_leaves_the_other_pair_alone():
    store = gap_store(("binance", "gate", "bybit"))
    store.write([funding(exchange, index_price=price) for exchange, price in (("binance", 100.0), ("gate", 100.1))])
    store.write([funding("bybit", index_price=104.0)])
    judgement = judged(store)
    assert judgement.reasons == {Verdict.DIFFERENT_ASSET: 4}
    assert judgement.funnel.tradable == 2


def test_the_worse_leg_does_not_hide_the_first_reason():
    """A halted contract with a dead feed, against a stale one: the first test that refuses either leg is the reason."""
    store = gap_store()
    store.write([quote("binance", 100.0, 100.1, at=NOW - 11)])
    store.lose("bybit", ["BTC-USDT"])
    assert judged(store).reasons == {Verdict.FEED_LOST: 2}


def test_ten_percent_is_still_plausible():
    """Bids 110 against an ask of 100, mids of 100 and 110 but for a hair: 1e4 * 10 / 105 = 952 bps."""
    sizes = (9.0, 9.0)
    store = store_of(
        ["binance", "bybit"], quote("binance", 99.999, 100.0, sizes=sizes), quote("bybit", 110.0, 110.001, sizes=sizes)
    )
    assert judged(store).funnel.actionable == 1
    store.write([quote("bybit", 110.6, 110.601)])
    assert judged(store).reasons == {Verdict.IMPLAUSIBLE: 1}


# -- bounds ----------------------------------------------------------------------------------------------------


def test_only_the_most_promising_pairs_are_measured():
    store = random_store(3)
    whole, some = judged(store), judged(store, most=4)
    good = whole.pairs.verdict == Verdict.OK
    assert same(some.pairs.net[:4], whole.pairs.net[good][:4])
    assert len(some.pairs) <= 6  # four, one of those that do not pay, and one refused
    assert some.funnel.tradable == whole.funnel.tradable


@pytest.mark.parametrize("exchanges", [[], ["bybit"], ["bybit", "okx"]], ids=len)
@pytest.mark.filterwarnings("error")
def test_an_empty_market_has_no_pairs(exchanges):
    judgement = judged(SnapshotStore(exchanges))
    assert len(judgement.pairs) == 0
    assert judgement.reasons == {}
    assert judgement.funnel.seen == 0


def test_one_exchange_is_no_pair():
    judgement = judged(store_of(["bybit"], quote("bybit", 100.0, 100.1)))
    assert len(judgement.pairs) == 0
    assert judgement.funnel.seen == 0


def test_judging_leaves_the_snapshot_as_it_was():
    snapshot = random_store(5).snapshot()
    before = snapshot.data.copy()
    judge(snapshot, NOW, some_exit, LIMITS, Terms())
    assert same(snapshot.data, before)
    assert same(leg_verdicts(snapshot, NOW, LIMITS), leg_verdicts(snapshot, NOW, LIMITS))
    assert same(
        spreads.mid_price(snapshot["bid_price"], snapshot["ask_price"]),
        judge(snapshot, NOW, some_exit, LIMITS, Terms()).mid,
    )


def test_a_pair_that_gains_only_by_its_exit_is_not_actionable():
    """Entry 103 - 103.1 loses; an exit of +100 bps makes the net positive, but nothing can be had now."""
    store = store_of(["binance", "bybit"], quote("binance", 103.0, 103.1), quote("bybit", 103.0, 103.1))

    def generous_exit(symbol, buy, sell):
        return np.full(len(symbol), 100.0), np.full(len(symbol), 60.0)

    pairs = judge(store.snapshot(), NOW, generous_exit, Limits(alone_bps=1e9), Terms()).pairs
    assert (pairs.net > 0.0).all()
    assert (pairs.verdict == Verdict.OK).all()
    assert not pairs.actionable.any()
