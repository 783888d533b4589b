"""The tests of pairs: each just within, at and beyond its limit, their order, and every verdict from a real store."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from msgspec.structs import replace

from analytics.opportunities import Judgement, judge
from analytics.quality import Limits, Verdict
from analytics.terms import Terms
from analytics.usual import Usual, nothing_usual, observe
from analytics.verdicts import PAIR_TESTS, Routes, drift_bps, first_reasons
from market.models import AssetClass, Depth, Pairing, Status
from store.snapshot import SnapshotStore
from tests.store.scripted import NOW, funding, instrument, quote, store_of

LIMITS = Limits()
NAN, INF = np.nan, np.inf

# A gap that nothing speaks against: 50 bps for a cost of 20, fresh, of a moment, deep, known, and a second old.
GOOD: dict[str, float | bool] = {
    "gross": 50.0,
    "cost": 20.0,
    "usual_exit": -10.0,
    "exit_samples": 30.0,
    "fresh": 50.0,
    "basis": 0.0,
    "anchor_age": 1.0,
    "anchor_due": 3.0,
    "anchor_apart": 1.0,
    "anchored": True,
    "anchor_move": 1.0,
    "apart": 0.0,
    "sigma": 1.0,
    "told": True,
    "index_told": True,
    "gainful": 1_000.0,
    "behind": 5.0,
    "spread": 5.0,
    "age": 1.0,
    "silence": 0.1,
    "silence_due": 0.3,
}


def routes(*changes: dict[str, float | bool], least: float = 5.0) -> Routes:
    """One route for each change to the good one."""
    columns = {
        name: np.array([change.get(name, value) for change in changes], dtype=type(value))
        for name, value in GOOD.items()
    }
    return Routes(least=least, **columns)


def reason(least: float = 5.0, **changed: float | bool) -> Verdict:
    (code,) = first_reasons(routes(changed, least=least), LIMITS).tolist()
    return Verdict(code)


def test_nothing_speaks_against_a_good_gap():
    assert reason() is Verdict.OK


# -- one test at a time ----------------------------------------------------------------------------------------


def test_a_leg_that_has_not_spoken_is_stale():
    assert reason(told=False) is Verdict.STALE_LEG


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({"anchor_apart": 10.0}, Verdict.OK),
        ({"anchor_apart": 10.001}, Verdict.ANCHOR_SKEWED),
        # Nobody knows how often they come, or seldom: 15 s at most.
        ({"anchor_age": 15.0, "anchor_due": NAN}, Verdict.OK),
        ({"anchor_age": 15.001, "anchor_due": NAN}, Verdict.ANCHOR_SKEWED),
        ({"anchor_age": 15.0, "anchor_due": 41.0}, Verdict.OK),
        ({"anchor_age": 15.001, "anchor_due": 41.0}, Verdict.ANCHOR_SKEWED),
        # Once a second: due after 2 * 1 + 1 = 3 s.
        ({"anchor_age": 2.999, "anchor_due": 3.0}, Verdict.OK),
        ({"anchor_age": 3.0, "anchor_due": 3.0}, Verdict.OK),
        ({"anchor_age": 3.001, "anchor_due": 3.0}, Verdict.ANCHOR_SKEWED),
        ({"anchored": False}, Verdict.ANCHOR_SKEWED),
        ({"anchor_age": NAN}, Verdict.ANCHOR_SKEWED),
        ({"anchor_apart": NAN}, Verdict.ANCHOR_SKEWED),
        ({"anchor_move": 20.0}, Verdict.OK),
        ({"anchor_move": 20.001}, Verdict.ANCHOR_MOVING),
    ],
)
def test_marks_have_to_be_of_a_moment_and_to_stand(changed, verdict):
    assert reason(**changed) is verdict


def test_an_index_of_a_closed_market_has_to_move_once_more():
    assert reason(index_told=False) is Verdict.OFF_HOURS_INDEX


def test_the_price_drifts_with_the_root_of_time():
    """Two sigmas of 3 bps per root second over 4 s: 2 * 3 * 2 = 12. Of no time apart: nothing."""
    assert drift_bps(routes({"sigma": 3.0, "apart": 4.0}, {"sigma": 3.0}), LIMITS).tolist() == [12.0, 0.0]


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        # 50 - 20 = 30 bps are left. 2 * 7.5 * sqrt(4) = 30; 2 * 5 * sqrt(9) = 30.
        ({"sigma": 7.5, "apart": 4.0}, Verdict.OK),
        ({"sigma": 7.501, "apart": 4.0}, Verdict.SKEWED_LEGS),
        ({"sigma": 5.0, "apart": 9.0}, Verdict.OK),
        ({"sigma": 5.0, "apart": 9.01}, Verdict.SKEWED_LEGS),
        ({"sigma": 7.5, "apart": 4.0, "cost": 20.1}, Verdict.SKEWED_LEGS),
        ({"apart": NAN}, Verdict.SKEWED_LEGS),
    ],
)
def test_what_is_left_has_to_exceed_what_the_price_may_have_moved(changed, verdict):
    assert reason(**changed) is verdict


@pytest.mark.parametrize(("samples", "verdict"), [(30.0, Verdict.OK), (29.0, Verdict.NO_HISTORY)])
def test_a_few_samples_are_no_history(samples, verdict):
    assert reason(exit_samples=samples) is verdict


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        # At least 5 bps are asked for after 20 of costs: 25 of fresh edge, 25 of gross and usual exit.
        ({"fresh": 25.0}, Verdict.OK),
        ({"fresh": 24.999}, Verdict.STANDING_BASIS),
        ({"fresh": NAN}, Verdict.STANDING_BASIS),
        ({"basis": 25.0}, Verdict.OK),  # 50 of gap less 25 of the marks
        ({"basis": 25.001}, Verdict.STANDING_BASIS),
        ({"usual_exit": -25.0}, Verdict.OK),
        ({"usual_exit": -25.001}, Verdict.STANDING_BASIS),
        ({"usual_exit": NAN}, Verdict.STANDING_BASIS),
        # What closing usually earns is no excuse for marks that explain the gap.
        ({"fresh": 24.999, "usual_exit": 40.0}, Verdict.STANDING_BASIS),
        # Marks have followed a gap that was let through; the usual exit still counts.
    ],
)
def test_a_gap_that_marks_or_habit_explain_is_a_basis(changed, verdict):
    assert reason(**changed) is verdict


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({"gainful": 250.0}, Verdict.OK),
        ({"gainful": 249.99}, Verdict.THIN_BOOK),
        ({"gainful": NAN}, Verdict.THIN_BOOK),
        ({"behind": 25.0}, Verdict.OK),
        ({"behind": 25.001}, Verdict.SINGLE_ORDER),
        ({"behind": INF}, Verdict.SINGLE_ORDER),
        # Depth that is known decides, however wide the quote; else the quote has to be narrow.
        ({"behind": 5.0, "spread": 90.0}, Verdict.OK),
        ({"behind": NAN, "spread": 25.0}, Verdict.OK),
        ({"behind": NAN, "spread": 25.001}, Verdict.SINGLE_ORDER),
        ({"behind": NAN, "spread": NAN}, Verdict.SINGLE_ORDER),
    ],
)
def test_a_book_of_little_or_of_one_order_is_no_opportunity(changed, verdict):
    assert reason(**changed) is verdict


@pytest.mark.parametrize(
    ("age", "verdict"),
    [(0.1, Verdict.OK), (0.0999, Verdict.UNCONFIRMED), (-0.001, Verdict.UNCONFIRMED), (INF, Verdict.OK)],
)
def test_a_gap_has_to_last_as_long_as_it_takes_to_react(age, verdict):
    assert reason(age=age) is verdict


@pytest.mark.parametrize(
    ("silence", "due", "verdict"),
    [
        (0.3, 0.3, Verdict.OK),
        (0.301, 0.3, Verdict.UNCONFIRMED),
        (9.0, NAN, Verdict.OK),  # nobody knows how long it usually is silent
        (NAN, 0.3, Verdict.OK),
    ],
)
def test_no_gap_is_confirmed_while_an_exchange_is_silent_for_longer_than_it_ever_is(silence, due, verdict):
    assert reason(silence=silence, silence_due=due) is verdict


# -- all together ----------------------------------------------------------------------------------------------

# Each spoils the good route for one test alone.
SPOILT: dict[Verdict, dict[str, float | bool]] = {
    Verdict.STALE_LEG: {"told": False},
    Verdict.OFF_HOURS_INDEX: {"index_told": False},
    Verdict.ANCHOR_SKEWED: {"anchor_age": 60.0},
    Verdict.ANCHOR_MOVING: {"anchor_move": 60.0},
    Verdict.SKEWED_LEGS: {"apart": 900.0},
    Verdict.NO_HISTORY: {"exit_samples": 3.0},
    Verdict.STANDING_BASIS: {"fresh": 1.0},
    Verdict.THIN_BOOK: {"gainful": 11.0},
    Verdict.SINGLE_ORDER: {"behind": 90.0},
    Verdict.UNCONFIRMED: {"age": 0.01},
}


def test_of_several_reasons_the_first_one_stands():
    """All is wrong with a gap; one cure after the other brings up the next reason."""
    order = [verdict for verdict, _ in PAIR_TESTS]
    assert order == list(SPOILT)
    for k, verdict in enumerate(order):
        rest = {name: value for later in order[k:] for name, value in SPOILT[later].items()}
        assert reason(**rest) is verdict


def test_each_route_has_a_reason_of_its_own():
    codes = first_reasons(routes({}, *SPOILT.values()), LIMITS)
    assert codes.tolist() == [Verdict.OK, *SPOILT]


def test_no_routes_have_no_reasons():
    assert first_reasons(routes(), LIMITS).shape == (0,)


# -- from a store to a verdict ---------------------------------------------------------------------------------

ROUTE = 0, 0, 3  # buy binance, sell okx
EXCHANGES = ["binance", "bybit", "gate", "okx"]
SIZES = (9.0, 9.0)


@dataclass
class Case:
    """A market in which okx bids a percent above the others, and what is remembered of it."""

    store: SnapshotStore
    usual: Usual
    since: float = NOW - 1.0
    samples: float = 30.0
    exits_bps: float = -10.0

    def judged(self) -> Judgement:
        def exits(symbol, buy, sell):
            return np.full(len(symbol), self.exits_bps), np.full(len(symbol), self.samples)

        snapshot = self.store.snapshot()
        since = np.full((len(snapshot.symbols), 4, 4), self.since)
        return judge(snapshot, NOW, exits, LIMITS, Terms(), usual=self.usual, since=since, books=self.store.depths.get)


def case(**listing: object) -> Case:
    """Three agree on 100, okx has just jumped; all said so now, marks and indices are 100 everywhere."""
    words = [quote(exchange, 100.0, 100.02, sizes=SIZES, at=NOW - 1.0, event=NOW - 1.05) for exchange in EXCHANGES[:3]]
    store = store_of(EXCHANGES, *words)
    if listing:
        store.set_instruments("okx", [instrument("okx", **listing)])
    store.write([quote("okx", 101.0, 101.02, sizes=SIZES, at=NOW - 1.0, event=NOW - 1.05)])
    return Case(store, nothing_usual(store.grid, NOW))


def write_okx(found: Case, *words: object) -> None:
    found.store.write(words)


def nothing(_: Case) -> None:
    """The control: without a fault this is an opportunity."""


def unlisted(found: Case) -> None:
    found.store.set_instruments("okx", [])


def listed_as(**changed: object) -> Callable[[Case], None]:
    def change(found: Case) -> None:
        found.store.set_instruments("okx", [instrument("okx", **changed)])

    return change


def no_quote(found: Case) -> None:
    found.store.set_instruments("okx", [])
    found.store.set_instruments("okx", [instrument("okx")])


def lost(found: Case) -> None:
    found.store.lose("okx", ["BTC-USDT"])


def stale(found: Case) -> None:
    write_okx(found, quote("okx", 101.0, 101.02, at=NOW - 11))


def died(found: Case) -> None:
    """Okx stood there before; the gap opened when the others fell."""
    write_okx(found, quote("okx", 101.0, 101.02, at=NOW - 2.0))
    found.store.write([quote(exchange, 100.0, 100.02, sizes=SIZES, at=NOW - 1.0) for exchange in EXCHANGES[:3]])


def late(found: Case) -> None:
    write_okx(found, quote("okx", 101.01, 101.03, event=NOW - 2.0, at=NOW - 0.1))


def one_sided(found: Case) -> None:
    write_okx(found, quote("okx", 101.0, None))


def crossed(found: Case) -> None:
    write_okx(found, quote("okx", 101.2, 101.1))


def another_asset(found: Case) -> None:
    write_okx(found, funding("okx", index_price=102.0))


def no_interval(found: Case) -> None:
    found.store.set_instruments("okx", [])
    found.store.set_instruments("okx", [instrument("okx", funding_interval_h=None)])
    write_okx(found, quote("okx", 101.0, 101.02, sizes=SIZES), funding("okx", mark_price=100.0, index_price=100.0))


def no_mark(found: Case) -> None:
    found.store.set_instruments("okx", [])
    found.store.set_instruments("okx", [instrument("okx")])
    write_okx(found, quote("okx", 101.0, 101.02, sizes=SIZES), funding("okx", index_price=100.0))


def far_off(found: Case) -> None:
    write_okx(found, quote("okx", 111.0, 111.02, sizes=SIZES))


def old_mark(found: Case) -> None:
    write_okx(found, funding("okx", mark_price=100.0, at=NOW - 12))


def running_mark(found: Case) -> None:
    """From 99.7 to the 100 of now, within three seconds: 30 bps."""
    good = np.ones((1, 4), bool)
    write_okx(found, funding("okx", mark_price=99.7))
    found.usual = observe(found.usual, found.store.snapshot(), good, NOW - 1.0)
    write_okx(found, funding("okx", mark_price=100.0))


def wild_price(found: Case) -> None:
    """About 97 bps less 20 are left. A sigma of 100 bps per root second, okx a fifth of a second later:
    2 * 100 * sqrt(0.2) = 89."""
    found.usual = replace(found.usual, variance=np.array([1e4]))
    write_okx(found, quote("okx", 101.0, 101.02, sizes=SIZES, at=NOW - 0.8, event=NOW - 0.85))


def young(found: Case) -> None:
    found.samples = 29.0


def premium(found: Case) -> None:
    """Okx marks its contract at 100.95: the book is 5 bps off it."""
    write_okx(found, funding("okx", mark_price=100.95))


def habit(found: Case) -> None:
    """Closing usually costs 95 bps: the gap is always there."""
    found.exits_bps = -95.0


def eleven_dollars(found: Case) -> None:
    write_okx(found, quote("okx", 101.0, 101.02, sizes=(0.11, 9.0)))


def lone_bid(found: Case) -> None:
    """All books are watched; behind the bid of okx comes nothing for 40 bps."""
    books = dict.fromkeys(EXCHANGES[:3], ((100.0, 9.0), (99.99, 9.0))) | {"okx": ((101.0, 9.0), (100.6, 9.0))}
    for exchange, bids in books.items():
        found.store.watch_depth(exchange, ["BTC-USDT"], ())
        asks = tuple((bids[0][0] + 0.02 + 0.01 * k, 9.0) for k in range(3))
        found.store.write([Depth(exchange, "BTC-USDT", bids, asks, None, NOW)])


def wide_book(found: Case) -> None:
    """Nothing is known but a quote 30 bps wide."""
    write_okx(found, quote("okx", 101.0, 101.303, sizes=SIZES))


def just_now(found: Case) -> None:
    write_okx(found, quote("okx", 101.0, 101.02, sizes=SIZES, at=NOW - 0.05, event=NOW - 0.1))
    found.since = NOW - 0.05


CASES: list[tuple[Verdict, Callable[[Case], None]]] = [
    (Verdict.OK, nothing),
    (Verdict.NOT_LISTED, unlisted),
    (Verdict.NOT_PAIRED, listed_as(pairing=Pairing.DENY)),
    (Verdict.DERIVED_VENUE, listed_as(pairing=Pairing.RELAY)),
    (Verdict.NOT_TRADING, listed_as(status=Status.HALTED)),
    (Verdict.NO_QUOTE, no_quote),
    (Verdict.FEED_LOST, lost),
    (Verdict.STALE_LEG, stale),
    (Verdict.STALE_LEG, died),
    (Verdict.LAGGING, late),
    (Verdict.ONE_SIDED, one_sided),
    (Verdict.CROSSED, crossed),
    (Verdict.DIFFERENT_ASSET, another_asset),
    (Verdict.FEE_UNKNOWN, listed_as(taker_fee_bps=NAN)),
    (Verdict.INTERVAL_UNKNOWN, no_interval),
    (Verdict.ANCHOR_MISSING, no_mark),
    (Verdict.PRICE_BAND, listed_as(price_band=0.01)),
    (Verdict.OFF_HOURS_INDEX, listed_as(asset_class=AssetClass.EQUITY)),
    (Verdict.IMPLAUSIBLE, far_off),
    (Verdict.ANCHOR_SKEWED, old_mark),
    (Verdict.ANCHOR_MOVING, running_mark),
    (Verdict.SKEWED_LEGS, wild_price),
    (Verdict.NO_HISTORY, young),
    (Verdict.STANDING_BASIS, premium),
    (Verdict.STANDING_BASIS, habit),
    (Verdict.THIN_BOOK, eleven_dollars),
    (Verdict.SINGLE_ORDER, lone_bid),
    (Verdict.SINGLE_ORDER, wide_book),
    (Verdict.UNCONFIRMED, just_now),
]


@pytest.mark.parametrize(("verdict", "spoil"), CASES, ids=lambda value: getattr(value, "__name__", None))
def test_a_market_with_one_fault_shows_that_verdict(verdict, spoil):
    found = case()
    spoil(found)
    judgement = found.judged()
    assert Verdict(int(judgement.codes[ROUTE])) is verdict
    assert judgement.funnel.actionable == (3 if verdict is Verdict.OK else 0)
    if verdict > Verdict.NOT_LISTED:
        assert judgement.reasons[verdict] >= 3  # of three exchanges bought, okx sold


def test_every_verdict_of_the_catalogue_is_reached():
    assert {verdict for verdict, _ in CASES} == set(Verdict)
