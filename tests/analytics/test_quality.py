"""Which quotes may make an opportunity: every verdict, its limit, and the order of the tests."""

import numpy as np
import pytest

from analytics.quality import (
    MEANING,
    PRICE_TESTS,
    Limits,
    Verdict,
    asset_reference,
    different_asset,
    leg_verdicts,
    ranking_verdicts,
)
from market.models import AssetClass, Pairing, Status
from store.snapshot import SnapshotStore
from tests.store.scripted import NOW, funding, instrument, quote, same, store_of

LIMITS = Limits(stale_after_s=10.0, max_lag_s=1.0)
NAN = np.nan


def verdicts(store: SnapshotStore, now: float = NOW) -> list[Verdict]:
    """Of the only symbol, by exchange."""
    (row,) = leg_verdicts(store.snapshot(), now, LIMITS).tolist()
    return [Verdict(code) for code in row]


def test_a_fresh_two_sided_quote_is_ok():
    assert verdicts(store_of(["bybit"], quote("bybit", 100.0, 100.1))) == [Verdict.OK]


def test_not_listed_here_but_elsewhere():
    store = store_of(["bybit", "okx"], quote("bybit", 100.0, 100.1))
    store.set_instruments("okx", [])
    assert verdicts(store) == [Verdict.OK, Verdict.NOT_LISTED]


@pytest.mark.parametrize("pairing", [Pairing.DENY, Pairing.EXCLUDE, Pairing.HIDE])
def test_not_paired_by_name(pairing):
    store = store_of(["bybit"], quote("bybit", 100.0, 100.1), pairing=pairing)
    assert verdicts(store) == [Verdict.NOT_PAIRED]


def test_a_relay_is_a_venue_derived_from_another():
    store = store_of(["coindcx"], quote("coindcx", 100.0, 100.1), pairing=Pairing.RELAY)
    assert verdicts(store) == [Verdict.DERIVED_VENUE]


def test_quanto_contracts_are_not_paired():
    store = store_of(["bybit"], quote("bybit", 100.0, 100.1), kind="quanto")
    assert verdicts(store) == [Verdict.NOT_PAIRED]


@pytest.mark.parametrize("status", [Status.HALTED, Status.PRE_MARKET, Status.CLOSED])
def test_not_trading(status):
    assert verdicts(store_of(["bybit"], quote("bybit", 100.0, 100.1), status=status)) == [Verdict.NOT_TRADING]


def test_no_quote_yet():
    assert verdicts(store_of(["bybit"])) == [Verdict.NO_QUOTE]


def test_feed_lost_until_the_next_quote():
    store = store_of(["bybit"], quote("bybit", 100.0, 100.1))
    store.lose("bybit", ["BTC-USDT"])
    assert verdicts(store) == [Verdict.FEED_LOST]
    store.write([quote("bybit", 100.0, 100.1)])
    assert verdicts(store) == [Verdict.OK]


def test_stale_from_just_after_the_limit():
    store = store_of(["bybit"], quote("bybit", 100.0, 100.1))
    assert verdicts(store, NOW + 10.0) == [Verdict.OK]
    assert verdicts(store, NOW + 10.1) == [Verdict.STALE_LEG]


def test_confirming_a_quote_makes_it_fresh_again():
    store = store_of(["bybit"], quote("bybit", 100.0, 100.1, event=NOW))
    store.write([quote("bybit", 100.0, 100.1, event=NOW, at=NOW + 30)])
    assert verdicts(store, NOW + 31) == [Verdict.OK]


def test_lagging_by_the_clock_of_the_exchange():
    """The floor is 50 ms; a change that comes 1.1 s later than that is too late, one that comes 0.9 s later is not."""
    store = store_of(["bybit"], quote("bybit", 100.0, 100.1, event=NOW - 0.05))
    store.write([quote("bybit", 100.5, 100.6, event=NOW + 1, at=NOW + 2.15)])
    assert verdicts(store, NOW + 2.15) == [Verdict.LAGGING]
    store.write([quote("bybit", 100.7, 100.8, event=NOW + 2, at=NOW + 2.95)])
    assert verdicts(store, NOW + 2.95) == [Verdict.OK]


def test_a_quote_that_stands_is_as_late_as_what_its_exchange_says_now():
    """Once three of the last five came late, what was on time may have changed meanwhile; and back again."""
    store = SnapshotStore(["bybit"])
    store.set_instruments("bybit", [instrument("bybit"), instrument("bybit", symbol="ETH-USDT")])
    store.write([quote("bybit", 100.0, 100.1, event=NOW, at=NOW)])

    def say(at: float, late_s: float) -> None:
        store.write([quote("bybit", 10.0, 10.1, symbol="ETH-USDT", event=at - late_s, at=at)])

    def verdict() -> Verdict:
        snapshot = store.snapshot()
        codes = leg_verdicts(snapshot, NOW + 5.0, LIMITS)[snapshot.symbols.index("BTC-USDT"), 0]
        assert codes == leg_verdicts(store.take_changed((0, 1)).snapshot, NOW + 5.0, LIMITS)[0, 0]
        return Verdict(int(codes))

    for at in (1.0, 1.1):
        say(NOW + at, 0.0)
    for at in (3.2, 3.3):
        say(NOW + at, 2.0)
    assert verdict() is Verdict.OK  # two of five were held up
    say(NOW + 3.4, 2.0)
    assert verdict() is Verdict.LAGGING
    for at in (3.5, 3.6, 3.7):
        say(NOW + at, 0.0)
    assert verdict() is Verdict.OK


@pytest.mark.parametrize(("bid", "ask"), [(None, 100.1), (100.0, None), (None, None)])
def test_one_sided(bid, ask):
    assert verdicts(store_of(["bybit"], quote("bybit", bid, ask))) == [Verdict.ONE_SIDED]


@pytest.mark.parametrize("bid", [100.2, 100.1], ids=["crossed", "locked"])
def test_crossed(bid):
    assert verdicts(store_of(["bybit"], quote("bybit", bid, 100.1))) == [Verdict.CROSSED]


def test_the_first_test_that_refuses_is_the_reason():
    """All is wrong with this quote; one cure after the other brings up the next reason, in the order of the codes."""
    limits = Limits(stale_after_s=10.0, max_lag_s=1.0)
    store = SnapshotStore(["bybit", "okx", "gate"])
    bad = {"pairing": Pairing.DENY, "status": Status.HALTED}
    references = [funding(exchange, index_price=100.0) for exchange in ("okx", "gate")]
    for exchange in ("okx", "gate"):
        store.set_instruments(exchange, [instrument(exchange)])
    store.write([*references, *(quote(exchange, 100.0, 100.1, at=NOW + 100) for exchange in ("okx", "gate"))])
    seen = []

    def look() -> None:
        seen.append(Verdict(int(leg_verdicts(store.snapshot(), NOW + 100, limits)[0, 0])))

    look()
    store.set_instruments("bybit", [instrument("bybit", **bad)])
    look()
    store.set_instruments("bybit", [instrument("bybit", pairing=Pairing.RELAY, status=Status.HALTED)])
    look()
    store.set_instruments("bybit", [instrument("bybit", status=Status.HALTED)])
    look()
    store.set_instruments("bybit", [instrument("bybit")])
    store.write([funding("bybit", index_price=110.0)])
    look()
    store.write([quote("bybit", 99.0, 100.0, event=NOW - 60, at=NOW - 60)])
    store.write([quote("bybit", None, 100.0, event=NOW - 50, at=NOW - 40)])  # 10 s late, old, one-sided
    store.lose("bybit", ["BTC-USDT"])
    look()
    store.write([quote("bybit", None, 100.0, event=NOW - 49, at=NOW - 40)])
    look()
    store.write([quote("bybit", None, 101.0, event=NOW + 88, at=NOW + 98)])
    look()
    for at in (NOW + 98.8, NOW + 98.9, NOW + 99):  # the exchange is on time again
        store.write([quote("bybit", None, 101.0, event=at, at=at)])
    look()
    store.write([quote("bybit", 102.0, 101.0, event=NOW + 99.5, at=NOW + 99.5)])
    look()
    store.write([quote("bybit", 100.0, 101.0, event=NOW + 99.6, at=NOW + 99.6)])
    look()
    store.write([funding("bybit", index_price=100.1)])
    look()
    assert seen == [*(verdict for verdict in Verdict if 0 < verdict <= PRICE_TESTS), Verdict.OK]


def test_every_verdict_has_a_meaning_and_a_label():
    assert set(MEANING) == set(Verdict)
    assert len({verdict.label for verdict in Verdict}) == len(Verdict)


# -- different assets ------------------------------------------------------------------------------------------


def off(*references: float) -> list[bool]:
    """Which of one row's references do not belong to the same asset."""
    (row,) = different_asset(np.array([references]), LIMITS).tolist()
    return row


def test_of_two_that_disagree_neither_can_be_trusted():
    assert off(100.0, 104.0) == [True, True]
    assert off(104.0, 100.0) == [True, True]


def test_two_may_differ_by_one_percent():
    assert off(100.0, 100.99) == [False, False]
    assert off(100.0, 101.01) == [True, True]


def test_the_indices_of_two_may_agree_and_their_marks_not():
    """There is no third one to say which mark is wrong."""
    store = store_of(["bybit", "okx"], quote("bybit", 100.0, 100.1), quote("okx", 100.0, 100.1))
    assert verdicts(store) == [Verdict.OK, Verdict.OK]
    store.write([funding("okx", mark_price=101.2)])
    assert verdicts(store) == [Verdict.DIFFERENT_ASSET, Verdict.DIFFERENT_ASSET]


def test_of_three_the_odd_one_out_is_refused():
    assert off(100.0, 100.5, 104.0) == [False, False, True]
    assert off(96.0, 100.0, 100.5) == [True, False, False]


def test_of_two_against_two_nobody_can_be_trusted():
    """Their median lies half way between the assets, so that a look at the median alone would miss 5 %."""
    assert off(100.0, 100.1, 105.0, 105.1) == [True] * 4


def test_of_four_the_odd_one_out_is_refused():
    assert off(100.0, 100.1, 105.0, 100.2) == [False, False, True, False]


def test_of_six_in_three_camps_only_the_middle_one_stands():
    assert off(90.0, 90.1, 100.0, 100.1, 110.0, 110.1) == [True, True, False, False, True, True]


def test_the_mark_stands_in_where_there_is_no_index():
    index, mark = np.array([[100.0, NAN, NAN]]), np.array([[50.0, 104.0, NAN]])
    assert same(asset_reference(index, mark, np.ones((1, 3), bool)), [[100.0, 104.0, NAN]])


def test_without_a_second_reference_there_is_nothing_to_compare():
    assert off(100.0, NAN, NAN) == [False, False, False]
    assert off(NAN, NAN) == [False, False]


def test_quotes_that_are_refused_anyway_have_no_say():
    """Two dead quotes of another asset must not outvote two that are alive."""
    exchanges = ["bybit", "gate", "kucoin", "okx"]
    store = store_of(exchanges, *(quote(exchange, 100.0, 100.1) for exchange in exchanges))
    store.write(
        [
            funding(exchange, index_price=price)
            for exchange, price in zip(exchanges, (9.0, 9.0, 100.0, 100.0), strict=True)
        ]
    )
    store.lose("bybit", ["BTC-USDT"])
    store.lose("gate", ["BTC-USDT"])
    assert verdicts(store) == [Verdict.FEED_LOST, Verdict.FEED_LOST, Verdict.OK, Verdict.OK]


def test_a_different_asset_shows_in_the_verdicts():
    words = [quote(exchange, 100.0, 100.1) for exchange in ("bybit", "gate", "okx")]
    references = [funding("bybit", index_price=100.0), funding("gate", index_price=100.0)]
    store = store_of(["bybit", "gate", "okx"], *words, *references, funding("okx", index_price=104.0))
    assert verdicts(store) == [Verdict.OK, Verdict.OK, Verdict.DIFFERENT_ASSET]


def test_a_name_in_doubt_is_refused_until_its_price_agrees():
    """`Pairing.CHECK` may be compared only once its price agrees: not before there is one to compare with."""
    store = SnapshotStore(["bybit", "okx"])
    store.set_instruments("bybit", [instrument("bybit")])
    store.set_instruments("okx", [instrument("okx", pairing=Pairing.CHECK)])
    store.write([quote("bybit", 100.0, 100.1), quote("okx", 100.0, 100.1)])
    assert verdicts(store) == [Verdict.OK, Verdict.DIFFERENT_ASSET]
    store.write([funding("okx", index_price=100.0)])
    assert verdicts(store) == [Verdict.OK, Verdict.DIFFERENT_ASSET]
    store.write([funding("bybit", index_price=100.5)])
    assert verdicts(store) == [Verdict.OK, Verdict.OK]


def test_quotes_of_a_feed_that_has_stopped_are_lost():
    """A feed thread that hangs leaves quotes that look fresh until they are too old: nothing may be made of them."""
    store = store_of(["binance", "bybit"], quote("binance", 100.0, 100.1), quote("bybit", 101.0, 101.1))
    snapshot = store.snapshot()
    assert (leg_verdicts(snapshot, NOW, Limits()) == Verdict.OK).all()
    assert (leg_verdicts(snapshot, NOW, Limits(), feeds_alive=False) == Verdict.FEED_LOST).all()


def test_what_is_held_is_refused_however_well_it_agrees():
    store = store_of(["bybit", "okx"], quote("bybit", 100.0, 100.1), quote("okx", 100.0, 100.1))
    codes = leg_verdicts(store.snapshot(), NOW, LIMITS, held=np.array([[False, True]]))
    assert codes.tolist() == [[Verdict.OK, Verdict.DIFFERENT_ASSET]]


# -- quotes that no pair is ranked with ------------------------------------------------------------------------


def ranking(
    store: SnapshotStore, *, fee_bps: float = 5.0, moved: float = NOW, open_now: bool = True, now: float = NOW
) -> Verdict:
    """Of the only contract."""
    (row,) = ranking_verdicts(
        store.snapshot(), now, LIMITS, np.array([[fee_bps]]), np.array([[moved]]), np.array([[open_now]])
    ).tolist()
    (code,) = row
    return Verdict(code)


def one(**changed: object) -> SnapshotStore:
    """Mark and index are 100."""
    return store_of(["bybit"], quote("bybit", 99.9, 100.1), **changed)


def test_a_quote_that_is_known_all_round_is_ranked():
    assert ranking(one()) is Verdict.OK


def test_an_unknown_fee_is_not_zero():
    assert ranking(one(), fee_bps=NAN) is Verdict.FEE_UNKNOWN


@pytest.mark.parametrize(("hours", "verdict"), [(None, Verdict.INTERVAL_UNKNOWN), (0.0, Verdict.INTERVAL_UNKNOWN),
                                                (1.0, Verdict.OK)])  # fmt: skip
def test_an_unknown_interval_is_none(hours, verdict):
    assert ranking(one(funding_interval_h=hours)) is verdict


@pytest.mark.parametrize("known", [{"mark_price": 100.0}, {"index_price": 100.0}, {}], ids=["mark", "index", "none"])
def test_mark_and_index_have_to_be_known(known):
    store = SnapshotStore(["bybit"])
    store.set_instruments("bybit", [instrument("bybit")])
    store.write([quote("bybit", 99.9, 100.1), funding("bybit", **known)])
    assert ranking(store) is Verdict.ANCHOR_MISSING


@pytest.mark.parametrize(("bid", "ask"), [(99.4, 99.5), (100.5, 100.6)], ids=["below", "above"])
def test_a_quote_outside_the_band_could_not_have_been_placed(bid, ask):
    """Half a percent is the distance of the nearer side from the mark of 100, 0.6 % that of the further one."""
    for band, verdict in ((0.0061, Verdict.OK), (0.0059, Verdict.PRICE_BAND), (None, Verdict.OK)):
        store = store_of(["bybit"], quote("bybit", bid, ask), funding("bybit", mark_price=100.0), price_band=band)
        assert ranking(store) is verdict


@pytest.mark.parametrize(("open_now", "stands_s"), [(True, 60.0), (False, 5.0)], ids=["open", "closed"])
def test_the_index_of_what_is_no_coin_has_to_move(open_now, stands_s):
    store = one(asset_class=AssetClass.EQUITY)
    assert ranking(store, moved=NOW - stands_s, open_now=open_now) is Verdict.OK
    assert ranking(store, moved=NOW - stands_s - 0.1, open_now=open_now) is Verdict.OFF_HOURS_INDEX
    assert ranking(store, moved=NAN, open_now=open_now) is Verdict.OFF_HOURS_INDEX


def test_the_index_of_a_coin_may_stand():
    assert ranking(one(), moved=NAN, open_now=False) is Verdict.OK


def test_the_first_test_that_keeps_a_quote_from_being_ranked_is_the_reason():
    store = SnapshotStore(["bybit"])
    listing = {"asset_class": AssetClass.EQUITY, "price_band": 0.001}
    store.set_instruments("bybit", [instrument("bybit", funding_interval_h=None, **listing)])
    store.write([quote("bybit", 99.0, 99.1)])
    seen = [ranking(store, fee_bps=NAN, moved=NAN), ranking(store, moved=NAN)]
    store.write([funding("bybit", funding_interval_h=8.0)])
    seen.append(ranking(store, moved=NAN))
    store.write([funding("bybit", mark_price=100.0, index_price=100.0)])
    seen.append(ranking(store, moved=NAN))
    store.write([quote("bybit", 99.95, 100.05)])
    seen += [ranking(store, moved=NAN), ranking(store)]
    assert seen == [*(verdict for verdict in Verdict if PRICE_TESTS < verdict < Verdict.IMPLAUSIBLE), Verdict.OK]
