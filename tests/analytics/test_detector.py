"""The detector: what changed is judged at once, gaps are followed from their opening to their end."""

import dataclasses

import pytest

from analytics.costs import Costs
from analytics.detector import WANTED_S, Candidate
from analytics.quality import Verdict
from analytics.terms import Terms
from market.fees import FeeChoice
from market.models import Depth, Status
from store.episodes import Reason
from tests.analytics.watched import BTC, EXCHANGES, Watched
from tests.store.scripted import NOW, funding, instrument

ROUTE = BTC, "binance", "okx"


def verdict(found: Candidate | None) -> Verdict | None:
    return None if found is None else found.verdict


@pytest.fixture
def market() -> Watched:
    return Watched()


def opened(market: Watched, at: float = 1.0) -> None:
    """Okx jumps by a percent, and the gaps to it are confirmed."""
    market.bid(at, 101.0, "okx")
    market.step(at)
    market.step(at + 0.11)
    assert [route[1:] for route in market.detector.episodes.open] == [(name, "okx") for name in EXCHANGES[:3]]


def settled(market: Watched, at: float) -> None:
    """Let three seconds pass after a run of the prices: the median mid has stood for that long."""
    market.scan(at)
    market.scan(at + 3.05)


def marked(market: Watched, at: float) -> None:
    """All exchanges say their marks once more."""
    market.store.write([funding(name, mark_price=100.01, at=NOW + at) for name in EXCHANGES])


# -- candidates ------------------------------------------------------------------------------------------------


def test_a_quiet_market_has_no_candidates(market):
    assert market.detector.candidates == {}
    assert market.step(0.1) == 0


def test_a_jump_is_judged_in_the_next_step(market):
    """Okx bids 101 above asks of 100.02: gross 0.98 over 100.51, 97.5027 bps; closing costs 2 and four fills 20."""
    market.bid(1.0, 101.0, "okx")
    assert market.step(1.5) == 1
    found = market.candidate("binance", "okx")
    assert found is not None
    assert (found.symbol, found.buy, found.sell) == ROUTE
    assert (found.since, found.time) == (NOW + 1.0, NOW + 1.5)
    assert (found.verdict, found.actionable) == (Verdict.OK, True)
    assert found.gross_bps == pytest.approx(97.5027, abs=1e-4)
    assert found.net_bps == pytest.approx(97.5027 - 20.0 - 2.0, abs=1e-3)
    assert (found.size, found.notional) == (9.0, pytest.approx(9.0 * 100.51))
    assert set(market.detector.candidates) == {(BTC, name, "okx") for name in EXCHANGES[:3]}


def test_a_gap_is_confirmed_without_another_quote(market):
    """It has to last 0.1 s, and nobody has to say anything for that."""
    market.bid(1.0, 101.0, "okx")
    for at, wanted in ((1.05, Verdict.UNCONFIRMED), (1.099, Verdict.UNCONFIRMED), (1.101, Verdict.OK)):
        market.step(at)
        found = market.candidate("binance", "okx")
        assert verdict(found) is wanted
        assert found is not None
        assert found.actionable is (wanted is Verdict.OK)


def test_no_gap_is_confirmed_once_its_exchange_has_fallen_silent(market):
    """All have spoken every 0.1 s for a minute; 0.25 s without a word are more than one and a half of their pauses."""
    for k in range(620):
        market.repeat(k / 10.0)
    marked(market, 61.9)
    market.bid(62.0, 101.0, "okx")
    market.step(62.0)
    market.repeat(62.2, "binance", "bybit")
    market.step(62.25)
    assert {name: verdict(market.candidate(name, "okx")) for name in EXCHANGES[:2]} == dict.fromkeys(
        EXCHANGES[:2], Verdict.UNCONFIRMED
    )
    market.repeat(62.45)  # it speaks again, and says the same
    market.step(62.45)
    assert verdict(market.candidate("binance", "okx")) is Verdict.OK


def test_an_exchange_that_seldom_speaks_is_not_waited_for(market):
    """All speak every 2 s: nothing for 1.9 s is as usual."""
    for k in range(31):
        market.repeat(2.0 * k)
    marked(market, 61.9)
    market.repeat(62.0, *EXCHANGES[:3])
    market.bid(62.0, 101.0, "okx")
    market.step(62.0)
    market.step(63.9)
    assert verdict(market.candidate("binance", "okx")) is Verdict.OK


def test_a_gap_that_is_gone_before_it_is_confirmed_leaves_nothing(market):
    market.bid(1.0, 101.0, "okx")
    market.step(1.001)
    market.bid(1.05, 100.0, "okx")
    market.step(1.051)
    assert market.detector.candidates == {}
    market.step(1.2)
    assert market.detector.episodes.every() == []


def test_a_gap_that_stands_is_looked_at_four_times_a_second(market):
    market.bid(1.0, 101.0, "okx")
    market.step(1.2)
    for at, judged_at in ((1.4, 1.2), (1.46, 1.46), (1.7, 1.46)):
        assert market.step(at) == 0
        found = market.candidate("binance", "okx")
        assert found is not None
        assert found.time == NOW + judged_at


def test_an_opportunity_is_told_again_when_a_leg_of_it_changes_and_not_when_another_exchange_does(market):
    market.bid(1.0, 101.0, "okx")
    market.step(1.2)
    route = ("BTC-USDT", "binance", "okx")
    looks = market.detector.episodes.open[route].looks
    market.bid(1.25, 100.005, "bybit")
    assert market.step(1.25) == 1
    assert market.candidate("binance", "okx").time == NOW + 1.2
    assert market.detector.episodes.open[route].looks == looks
    market.bid(1.3, 101.1, "okx")
    assert market.step(1.3) == 1
    assert market.candidate("binance", "okx").time == NOW + 1.3
    assert market.detector.episodes.open[route].looks == looks + 1


def test_a_mark_is_looked_at_once_something_hangs_on_it(market):
    """In a market without gaps marks change nothing; of one with a gap they may end it."""
    marked(market, 0.5)
    assert market.step(0.5) == 0
    market.bid(1.0, 101.0, "okx")
    market.step(1.2)
    marked(market, 1.25)
    assert market.step(1.25) == 1
    market.bid(1.3, 100.0, "okx")
    market.step(1.3)
    market.step(1.9)  # the episode is over
    market.bid(2.0, 100.0, "okx")
    market.step(2.0)
    marked(market, 2.1)
    assert market.step(2.1) == 0


def test_a_gap_that_trembles_below_the_least_is_no_candidate_and_no_new_gap(market):
    """Half a bps below, it is not closed: the hysteresis is 1 bps. 20.5 bps of gross at 100.2257, 19.5 at 100.2156."""
    terms_bid, below_bid = 100.2257, 100.2156
    market.bid(1.0, terms_bid, "okx")
    market.step(1.0)
    assert market.candidate("binance", "okx") is not None
    market.bid(2.0, below_bid, "okx")
    market.step(2.0)
    assert market.detector.candidates == {}
    market.bid(3.0, terms_bid, "okx")
    market.step(3.0)
    found = market.candidate("binance", "okx")
    assert found is not None
    assert found.since == NOW + 1.0


def test_a_changed_row_judges_no_other_row():
    market = Watched("AAA-USDT", BTC)
    for symbol in market.symbols:
        market.bid(1.0, 101.0, "okx", symbol=symbol)
    assert market.step(1.2) == 2
    market.bid(1.25, 101.1, "okx", symbol="AAA-USDT")
    assert market.step(1.25) == 1
    times = {route[0]: found.time for route, found in market.detector.candidates.items()}
    assert times == {"AAA-USDT": NOW + 1.25, BTC: NOW + 1.2}


def test_a_book_is_news_of_its_contract_too(market):
    """The bid of okx turns out to be one order: the gap is judged again as soon as its books come."""
    market.bid(1.0, 101.0, "okx")
    market.step(1.2)
    for exchange in EXCHANGES:
        market.store.watch_depth(exchange, [BTC], ())
        bid = 101.0 if exchange == "okx" else 100.0
        asks = ((bid + 0.02, 9.0), (bid + 0.03, 9.0))
        market.store.write([Depth(exchange, BTC, ((bid, 9.0), (bid - 0.9, 9.0)), asks, None, NOW + 1.21)])
    assert market.step(1.21) == 1
    assert verdict(market.candidate("binance", "okx")) is Verdict.SINGLE_ORDER


# -- legs that may have died -----------------------------------------------------------------------------------


def test_a_quote_that_the_others_left_behind_is_stale_until_it_speaks(market):
    """Okx may have died at 100. It says the same once more, at 6.1 s: it stands there indeed. By then the others do."""
    market.bid(2.0, 99.0, "binance", "bybit", "gate")
    market.step(2.0)
    for at in (2.01, 2.5, 2.99):
        market.step(at)
        assert verdict(market.candidate("binance", "okx")) is Verdict.STALE_LEG
    settled(market, 2.99)
    market.repeat(6.05, "binance", "bybit", "gate")
    market.repeat(6.1, "okx")
    market.step(6.1)
    assert verdict(market.candidate("binance", "okx")) is Verdict.UNCONFIRMED  # it is beyond doubt only now
    market.step(6.2)
    found = market.candidate("binance", "okx")
    assert verdict(found) is Verdict.OK
    assert found is not None
    assert found.since == NOW + 2.0


def test_a_quote_that_jumped_itself_is_alive(market):
    """The others have said nothing since; they are not off each other."""
    market.bid(2.0, 101.0, "okx")
    market.step(2.2)
    assert verdict(market.candidate("binance", "okx")) is Verdict.OK


def test_a_quote_that_the_market_left_behind_since_it_spoke_has_to_speak_again(market):
    """Okx jumps to 101 and is alive. Then the others fall by 0.3 of 1.28, which is nothing, and by 0.6 of 1.58."""
    market.bid(1.0, 101.0, "okx")
    market.step(1.2)
    market.bid(1.3, 99.7, "binance", "bybit", "gate")
    market.step(1.3)
    assert verdict(market.candidate("binance", "okx")) is not Verdict.STALE_LEG
    market.bid(1.6, 99.4, "binance", "bybit", "gate")
    market.step(1.6)
    assert verdict(market.candidate("binance", "okx")) is Verdict.STALE_LEG
    market.repeat(1.7, "okx")
    market.step(1.7)
    assert verdict(market.candidate("binance", "okx")) is not Verdict.STALE_LEG


@pytest.mark.parametrize(
    ("stands", "moves", "wanted"),
    [
        # Okx stands at 100.16, 0.15 above the others. Binance falls to ask 99.85, a gap of 0.31, or 99.32, one of 0.84.
        (("okx", 100.16), ("binance", 99.83), Verdict.STALE_LEG),
        (("okx", 100.16), ("binance", 99.30), Verdict.OK),
        # Binance stands with an ask of 99.86, 0.15 below them. Okx rises to bid 100.17, a gap of 0.31, or 100.7, 0.84.
        (("binance", 99.84), ("okx", 100.17), Verdict.STALE_LEG),
        (("binance", 99.84), ("okx", 100.70), Verdict.OK),
    ],
)
def test_a_leg_near_the_others_need_not_speak(market, stands, moves, wanted):
    """Whoever stands off them by less than a third of the gap is not what makes it. Alone, 14 bps are no gap."""
    market.bid(1.0, stands[1], stands[0])
    market.step(1.0)
    assert market.detector.candidates == {}
    market.bid(2.0, moves[1], moves[0])
    market.step(2.2)
    assert verdict(market.candidate("binance", "okx")) is wanted


def test_of_two_that_moved_and_two_that_did_not_both_sides_have_to_speak(market):
    """Bybit and okx rise; binance and gate may be the dead ones. What two others say is half way between."""
    market.bid(2.0, 101.0, "bybit", "okx")
    market.step(2.2)
    assert verdict(market.candidate("binance", "okx")) is Verdict.STALE_LEG
    settled(market, 2.2)
    market.repeat(5.5, "binance", "okx")
    market.step(5.5)
    market.step(5.65)
    assert verdict(market.candidate("binance", "okx")) is Verdict.OK
    assert verdict(market.candidate("gate", "okx")) is Verdict.STALE_LEG


def test_without_two_others_both_legs_have_to_speak(market):
    for exchange in ("gate", "bybit"):
        market.store.lose(exchange, [BTC])
    market.bid(2.0, 101.0, "okx")
    market.step(2.2)
    assert verdict(market.candidate("binance", "okx")) is Verdict.STALE_LEG
    settled(market, 2.2)
    market.repeat(5.5, "binance", "okx")
    market.step(5.5)
    market.step(5.65)
    assert verdict(market.candidate("binance", "okx")) is Verdict.OK


# -- what the quotes themselves refuse -------------------------------------------------------------------------


def test_a_gap_of_quotes_that_are_refused_is_a_candidate_that_says_so(market):
    market.store.set_instruments("okx", [instrument("okx", price_band=0.005)])
    market.bid(1.0, 101.0, "okx")
    market.step(1.0)
    found = market.candidate("binance", "okx")
    assert found is not None
    assert (found.since, found.verdict, found.actionable) == (None, Verdict.PRICE_BAND, False)
    assert found.net_bps == pytest.approx(97.5027 - 20.0, abs=1e-4)
    market.bid(2.0, 100.0, "okx")
    market.step(2.0)
    assert market.detector.candidates == {}


def test_a_refused_candidate_is_there_though_its_episode_is_not_over_yet(market):
    """A refusal ends an episode only after half a second; the candidate says at once what is wrong."""
    opened(market)
    market.store.set_instruments("okx", [instrument("okx", price_band=0.005)])
    market.step(2.0)
    assert ROUTE in market.detector.episodes.open
    assert verdict(market.candidate("binance", "okx")) is Verdict.PRICE_BAND


# -- episodes --------------------------------------------------------------------------------------------------


def test_an_episode_opens_once_its_gap_is_confirmed(market):
    opened(market)
    episode = market.detector.episodes.open[ROUTE]
    assert (episode.opened, episode.confirmed) == (NOW + 1.0, NOW + 1.11)
    assert episode.closed is None
    assert episode.peak_bps == pytest.approx(97.5027 - 22.0, abs=1e-3)


def test_an_edge_that_goes_ends_it_after_the_debounce(market):
    opened(market)
    market.bid(3.0, 100.0, "okx")
    market.step(3.0)
    assert ROUTE in market.detector.episodes.open
    market.step(3.51)
    assert market.detector.episodes.open == {}
    assert {episode.reason for episode in market.detector.episodes.closed} == {Reason.EDGE_GONE}
    assert {episode.closed for episode in market.detector.episodes.closed} == {NOW + 3.0}


def test_an_edge_that_is_back_in_time_is_the_same_episode(market):
    opened(market)
    before = market.detector.episodes.open[ROUTE].id
    market.bid(3.0, 100.0, "okx")
    market.step(3.0)
    market.bid(3.3, 101.0, "okx")
    for at in (3.3, 3.45, 3.6, 4.2):
        market.step(at)
    assert market.detector.episodes.open[ROUTE].id == before


def lose_okx(market: Watched) -> None:
    market.store.lose("okx", [BTC])


def halt_okx(market: Watched) -> None:
    market.store.set_instruments("okx", [instrument("okx", status=Status.HALTED)])


def delist_okx(market: Watched) -> None:
    market.store.set_instruments("okx", [])


def delist_everywhere(market: Watched) -> None:
    market.list_everywhere("AAA-USDT")


@pytest.mark.parametrize(
    ("spoil", "reason", "detail"),
    [
        (lose_okx, Reason.VENUE_LOST, "feed_lost"),
        (halt_okx, Reason.HALTED, "not_trading"),
        (delist_okx, Reason.HALTED, "not_listed"),
        (delist_everywhere, Reason.HALTED, "not_listed"),
    ],
)
def test_what_takes_the_quotes_away_ends_it_at_once(market, spoil, reason, detail):
    opened(market)
    spoil(market)
    market.step(2.0)
    assert market.detector.episodes.open == {}
    (episode,) = (closed for closed in market.detector.episodes.closed if closed.buy == "binance")
    assert (episode.closed, episode.reason, episode.detail) == (NOW + 2.0, reason, detail)
    assert not any(found.actionable for found in market.detector.candidates.values())


def test_quotes_that_grow_old_end_it_though_nothing_changes(market):
    """Binance has said nothing since 0 s; whatever okx says, it is of no use after 10 s."""
    opened(market)
    for at in (4.0, 8.0, 9.95):
        market.repeat(at, "okx", "bybit", "gate")
        market.store.write([funding(name, mark_price=100.01, at=NOW + at) for name in EXCHANGES])
        market.step(at)
    assert ROUTE in market.detector.episodes.open
    market.step(10.21)
    (episode,) = market.detector.episodes.closed
    assert (episode.buy, episode.reason, episode.detail) == ("binance", Reason.QUOTE_STALE, "stale_leg")
    assert len(market.detector.episodes.open) == 2


def test_what_else_refuses_it_has_to_last(market):
    """The bid of okx shrinks to eleven dollars for half a second."""
    opened(market)
    market.bid(2.0, 101.0, "okx", size=0.11)
    market.step(2.0)
    assert verdict(market.candidate("binance", "okx")) is Verdict.THIN_BOOK
    market.step(2.4)
    assert ROUTE in market.detector.episodes.open
    market.step(2.51)
    (episode,) = (closed for closed in market.detector.episodes.closed if closed.buy == "binance")
    assert (episode.closed, episode.reason, episode.detail) == (NOW + 2.0, Reason.REFUSED, "thin_book")


def test_marks_that_follow_a_gap_make_it_a_basis(market):
    """The mark of okx creeps up to its book within seconds: then the gap is no longer fresh, though it was once."""
    opened(market)
    market.store.write([funding("okx", mark_price=100.95, at=NOW + 2.0)])
    market.step(2.0)
    assert verdict(market.candidate("binance", "okx")) is Verdict.ANCHOR_MOVING
    market.scan(2.1)
    market.scan(5.2)  # the mark has stood for three seconds
    market.step(5.2)
    assert verdict(market.candidate("binance", "okx")) is Verdict.STANDING_BASIS


# -- gaps that open without a change ---------------------------------------------------------------------------


def test_a_gap_that_a_quarantine_hid_is_followed_when_it_ends(market):
    market.held.add(("okx", BTC))
    market.scan(0.5)
    market.bid(1.0, 101.0, "okx")
    market.step(1.0)
    assert verdict(market.candidate("binance", "okx")) is Verdict.DIFFERENT_ASSET
    market.held.clear()
    market.scan(2.0)
    assert market.step(2.0) == 0  # nothing changed
    found = market.candidate("binance", "okx")
    assert found is not None
    # Nobody saw it jump: marks have to be read since.
    assert (found.since, found.verdict, found.actionable) == (NOW + 1.0, Verdict.ANCHOR_SKEWED, False)
    marked(market, 2.1)
    market.step(2.1)
    market.step(2.2)
    found = market.candidate("binance", "okx")
    assert found is not None
    assert (found.since, found.verdict, found.actionable) == (NOW + 1.0, Verdict.OK, True)


def test_gaps_of_a_market_whose_feeds_hang_are_lost_and_found_again(market):
    opened(market)
    market.scan(2.0, feeds_alive=False)
    market.step(2.0)
    market.step(2.2)
    assert verdict(market.candidate("binance", "okx")) is Verdict.FEED_LOST
    assert {episode.reason for episode in market.detector.episodes.closed} == {Reason.VENUE_LOST}
    market.scan(3.0)
    market.step(3.0)
    assert verdict(market.candidate("binance", "okx")) is Verdict.ANCHOR_SKEWED  # nobody saw it jump
    marked(market, 3.1)
    market.step(3.1)
    market.step(3.2)
    assert verdict(market.candidate("binance", "okx")) is Verdict.OK


# -- another listing -------------------------------------------------------------------------------------------


def test_a_listing_that_grows_in_the_middle_leaves_a_gap_what_it_was(market):
    """AAA comes before BTC on the axis: rows move, and the episode goes on."""
    opened(market)
    episode = market.detector.episodes.open[ROUTE].id
    market.symbols = ("AAA-USDT", BTC)
    market.list_everywhere(*market.symbols)
    assert market.step(2.0) == 2
    found = market.candidate("binance", "okx")
    assert found is not None
    assert (found.since, found.verdict, found.time) == (NOW + 1.0, Verdict.OK, NOW + 2.0)
    market.bid(2.5, 100.0, *EXCHANGES, symbol="AAA-USDT")
    assert market.step(2.5) == 1
    assert market.detector.episodes.open[ROUTE].id == episode
    judgement = market.scan(2.6)
    assert judgement.since[1, 0, 3] == NOW + 1.0


def test_a_mark_that_runs_is_still_known_to_run_on_another_listing(market):
    """From 100.01 to 100.31 between two scans, 30 bps; then AAA is listed."""
    market.bid(1.0, 101.0, "okx")
    market.store.write([funding("okx", mark_price=100.31, at=NOW + 1.0)])
    market.step(1.2)
    assert verdict(market.candidate("binance", "okx")) is Verdict.ANCHOR_MOVING
    market.list_everywhere("AAA-USDT", BTC)
    market.step(1.3)
    assert verdict(market.candidate("binance", "okx")) is Verdict.ANCHOR_MOVING


def test_a_scan_may_be_the_first_to_see_another_listing(market):
    opened(market)
    market.list_everywhere("AAA-USDT", BTC)
    assert market.scan(2.0).since[1, 0, 3] == NOW + 1.0
    market.step(2.1)
    found = market.candidate("binance", "okx")
    assert found is not None
    assert found.since == NOW + 1.0
    assert ROUTE in market.detector.episodes.open


# -- wishes, other terms, the tape -----------------------------------------------------------------------------


def test_the_books_of_both_legs_are_wished_for_as_long_as_there_is_a_gap_and_a_while(market):
    assert market.detector.wishes() == {}
    market.bid(1.0, 101.0, "okx")
    market.step(1.0)
    everywhere = dict.fromkeys(EXCHANGES, (BTC,))
    assert market.detector.wishes() == everywhere
    market.bid(2.0, 100.0, "okx")
    market.step(2.0)
    market.step(1.0 + WANTED_S - 0.01)
    assert market.detector.wishes() == everywhere
    market.step(1.0 + WANTED_S)
    assert market.detector.wishes() == {}


def test_the_most_promising_gap_is_wished_for_first():
    """Okx bids 101.5 for AAA, 101 for BBB and 102 for CCC; binance asks 99.02 for BBB, all others 100.02.

    CCC: 1.98 / 101.01 is 196 bps; AAA: 1.48 / 100.76 is 147. BBB: 1.98 / 100.01 is 198 from binance to okx, 98 from
    binance to the others and from them to okx. Of a contract in several gaps the best one counts.
    """
    market = Watched("AAA-USDT", "BBB-USDT", "CCC-USDT")
    for symbol, price in (("AAA-USDT", 101.5), ("BBB-USDT", 101.0), ("CCC-USDT", 102.0)):
        market.bid(1.0, price, "okx", symbol=symbol)
    market.bid(1.0, 99.0, "binance", symbol="BBB-USDT")
    market.step(1.0)
    wishes = market.detector.wishes()
    assert wishes["binance"] == wishes["okx"] == ("BBB-USDT", "CCC-USDT", "AAA-USDT")
    assert wishes["bybit"] == wishes["gate"] == ("CCC-USDT", "AAA-USDT", "BBB-USDT")


def test_the_same_moment_may_be_judged_by_other_terms(market):
    """At 10 bps a fill the 97.5 of gross leave 57.5 less 2; a minimum of 60 is then out of reach."""
    opened(market)
    judgement = market.scan(2.0)
    dear = FeeChoice.of(taker_bps=dict.fromkeys(EXCHANGES, 10.0))
    for minimum, actionable in ((50.0, 3), (60.0, 0)):
        again = market.detector.again(judgement, Terms(fees=dear, min_net_bps=minimum, notional=500.0))
        assert again.funnel.actionable == actionable
        assert again.time == judgement.time
    assert again.pairs.cost[0] == pytest.approx(40.0)
    assert market.detector.again(judgement, Terms(costs=Costs(slippage_bps=7.0))).pairs.cost[0] == pytest.approx(27.0)
    small = market.detector.again(judgement, Terms(notional=500.0)).pairs
    assert small.notional[0] == pytest.approx(500.0, abs=0.2)
    same = market.detector.again(judgement, dataclasses.replace(judgement.terms))
    assert same.reasons == judgement.reasons
    assert same.pairs.net.tolist() == pytest.approx(judgement.pairs.net.tolist())


def test_every_mid_of_a_studied_contract_goes_on_the_tape(market):
    market.tape.track(BTC, ["okx"], NOW)
    market.scan(0.5)
    for at, price in ((1.0, 101.0), (1.1, 102.0)):
        market.bid(at, price, "okx")
        market.step(at)
    market.store.lose("okx", [BTC])
    market.step(1.2)
    events = market.tape.events(BTC, "okx", "received")
    assert events.time.tolist()[:2] == [NOW + 1.0, NOW + 1.1]
    assert events.mid.tolist()[:2] == [pytest.approx(101.01), pytest.approx(102.01)]
    assert events.mid[2] != events.mid[2]
