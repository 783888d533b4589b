"""Episodes by hand: when they open and close and why, and what is kept of them.

Opens at 5 bps, closes below 2 bps for half a second.
"""

import itertools
import math
import random

import pytest

from analytics.episodes import EpisodeBook, Look, Rules
from analytics.quality import Verdict
from store.episodes import Episode, Reason

RULES = Rules(open_bps=5.0, close_bps=2.0, debounce_s=0.5)
T = 1_000.0
ROUTE = ("BTC-USDT", "okx", "gate")


class Market:
    """One book and one route that is looked at; times count from T."""

    def __init__(self, rules: Rules = RULES, **options: object) -> None:
        self.told: list[Episode] = []
        self.book = EpisodeBook(rules, on_close=self.told.append, **options)  # type: ignore[arg-type]

    def look(
        self,
        at: float,
        net: float,
        verdict: Verdict = Verdict.OK,
        *,
        since: float = 0.0,
        size: float = 1.0,
        route: tuple[str, str, str] = ROUTE,
    ) -> None:
        self.book.observe(Look(*route, T + at, T + since, verdict, net, net + 20.0, size, size * 100.0))

    def tick(self, at: float) -> None:
        self.book.tick(T + at)

    @property
    def open(self) -> Episode:
        (episode,) = self.book.open.values()
        return episode

    @property
    def closed(self) -> Episode:
        (episode,) = self.book.closed
        return episode


@pytest.fixture
def market() -> Market:
    return Market()


def edges(episode: Episode) -> tuple[float | None, ...]:
    return episode.edge_100ms_bps, episode.edge_250ms_bps, episode.edge_500ms_bps


# -- opening ---------------------------------------------------------------------------------------------------


def test_an_episode_opens_with_a_confirmed_gap_and_dates_from_when_the_gap_opened(market):
    market.look(0.12, 6.0, since=0.0)
    assert list(market.book.open) == [ROUTE]
    assert market.open.id == "BTC-USDT:okx:gate:1000000"
    assert (market.open.opened, market.open.confirmed) == (T, T + 0.12)
    assert (market.open.net_bps, market.open.gross_bps) == (6.0, 26.0)
    assert (market.open.size, market.open.notional) == (1.0, 100.0)
    assert (market.open.closed, market.open.reason, market.open.duration_s) == (None, None, None)


@pytest.mark.parametrize(
    ("net", "verdict"),
    [
        (4.99, Verdict.OK),
        (math.nan, Verdict.OK),
        (math.inf, Verdict.OK),
        (6.0, Verdict.UNCONFIRMED),
        (6.0, Verdict.STALE_LEG),
    ],
)
def test_none_opens_without_enough_edge_or_with_a_verdict_against_it(market, net, verdict):
    market.look(0.1, net, verdict)
    market.tick(10.0)
    assert market.book.open == {}
    assert market.book.closed == ()
    assert market.book.version == 0


def test_a_net_edge_of_exactly_the_threshold_opens(market):
    market.look(0.1, 5.0)
    assert market.book.open


def test_an_id_survives_a_url_whatever_the_symbol(market):
    market.look(0.1, 6.0, route=("币/A-USDT", "okx", "gate"))
    assert market.open.id == "~E5~B8~81~2FA-USDT:okx:gate:1000000"


def test_a_route_opens_no_second_episode_before_the_first_has_ended(market):
    """The detector says that the gap is there since 0 s, and yet an episode of the route ended at 3 s."""
    market.look(0.1, 6.0, since=0.0)
    market.look(3.0, math.nan, Verdict.STALE_LEG)
    market.look(4.0, 6.0, since=0.0)
    assert market.open.opened == T + 3.0
    assert market.open.id != market.closed.id


def test_ids_differ_even_within_a_millisecond():
    market = Market()
    for _ in range(3):
        market.look(0.0, 6.0)
        market.look(0.0, math.nan, Verdict.STALE_LEG)
    assert len({episode.id for episode in market.book.closed}) == 3


# -- closing ---------------------------------------------------------------------------------------------------


def test_an_edge_that_stays_below_ends_it_as_of_when_it_fell(market):
    market.look(0.1, 6.0)
    market.look(1.0, 1.9)
    market.tick(1.49)
    assert market.open.net_bps == 1.9
    market.tick(1.5)
    assert market.book.open == {}
    assert (market.closed.closed, market.closed.reason, market.closed.detail) == (T + 1.0, Reason.EDGE_GONE, None)
    assert market.closed.duration_s == 1.0


def test_an_edge_between_the_two_thresholds_stays_open(market):
    market.look(0.1, 6.0)
    market.look(1.0, 2.0)
    market.tick(100.0)
    assert market.open.net_bps == 2.0


def test_an_edge_that_comes_back_in_time_stays_open(market):
    market.look(0.1, 6.0)
    market.look(1.0, 1.0)
    market.look(1.4, 2.5)
    market.look(1.8, 1.0)  # begins anew
    market.tick(2.2)
    assert market.open
    market.tick(2.3)
    assert market.closed.closed == T + 1.8


def test_a_look_after_the_time_is_up_ends_it_as_a_tick_would(market):
    market.look(0.1, 6.0)
    market.look(1.0, 1.0)
    market.look(9.0, 1.0)
    assert market.closed.closed == T + 1.0


def test_an_unknown_edge_cannot_be_said_to_stand(market):
    market.look(0.1, 6.0)
    market.look(1.0, math.nan)
    assert market.open.net_bps is None
    market.tick(1.5)
    assert (market.closed.closed, market.closed.reason) == (T + 1.0, Reason.EDGE_GONE)


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (Verdict.STALE_LEG, Reason.QUOTE_STALE),
        (Verdict.LAGGING, Reason.QUOTE_STALE),
        (Verdict.NO_QUOTE, Reason.QUOTE_STALE),
        (Verdict.ONE_SIDED, Reason.QUOTE_STALE),
        (Verdict.CROSSED, Reason.QUOTE_STALE),
        (Verdict.FEED_LOST, Reason.VENUE_LOST),
        (Verdict.NOT_TRADING, Reason.HALTED),
        (Verdict.NOT_LISTED, Reason.HALTED),
    ],
)
def test_quotes_that_are_gone_end_it_at_once(market, verdict, reason):
    market.look(0.1, 6.0)
    market.look(1.0, 6.0, verdict)
    assert market.book.open == {}
    assert (market.closed.closed, market.closed.reason) == (T + 1.0, reason)
    assert market.closed.detail == verdict.label


def test_every_other_verdict_ends_it_only_if_it_lasts():
    at_once = {"not_listed", "not_trading", "no_quote", "feed_lost", "stale_leg", "lagging", "one_sided", "crossed"}
    for verdict in Verdict:
        if verdict is Verdict.OK or verdict.label in at_once:
            continue
        market = Market()
        market.look(0.1, 6.0)
        market.look(1.0, 6.0, verdict)
        market.tick(1.4)
        assert market.open, verdict
        market.tick(1.5)
        assert (market.closed.closed, market.closed.reason) == (T + 1.0, Reason.REFUSED)
        assert market.closed.detail == verdict.label


def test_a_refusal_that_passes_leaves_it_open_and_one_that_changes_its_name_does_not(market):
    market.look(0.1, 6.0)
    market.look(1.0, 6.0, Verdict.THIN_BOOK)
    market.look(1.4, 6.0)
    market.look(1.6, 6.0, Verdict.THIN_BOOK)
    market.look(1.9, 6.0, Verdict.SINGLE_ORDER)
    market.tick(2.05)
    assert market.open
    market.tick(2.1)
    assert (market.closed.closed, market.closed.detail) == (T + 1.6, "thin_book")


def test_of_an_edge_that_fell_and_a_refusal_the_first_is_the_reason(market):
    market.look(0.1, 6.0)
    market.look(1.0, 6.0, Verdict.THIN_BOOK)
    market.look(1.2, 1.0, Verdict.THIN_BOOK)
    market.tick(5.0)
    assert (market.closed.closed, market.closed.reason) == (T + 1.0, Reason.REFUSED)


def test_the_end_closes_what_is_open(market):
    market.look(0.1, 6.0)
    market.look(1.0, 1.0)
    market.look(0.1, 9.0, route=("ETH-USDT", "okx", "gate"))
    market.book.end(T + 3.0)
    assert market.book.open == {}
    eth, btc = market.book.closed
    assert (btc.closed, btc.reason) == (T + 1.0, Reason.EDGE_GONE)
    assert (eth.closed, eth.reason) == (T + 3.0, Reason.STILL_OPEN)
    assert eth.mean_bps == 9.0


# -- coming back -----------------------------------------------------------------------------------------------


def test_a_gap_that_comes_back_soon_after_its_end_continues_the_episode(market):
    """Below from 1.0 s, said to be over at 1.6 s; the gap was back at 1.45 s, which is within half a second."""
    market.look(0.1, 6.0)
    market.look(1.0, 1.0)
    market.tick(1.6)
    first = market.closed
    market.look(1.6, 7.0, since=1.45)
    assert market.book.closed == ()
    assert (market.open.id, market.open.opened, market.open.confirmed) == (first.id, T, T + 0.1)
    market.look(2.0, math.nan, Verdict.STALE_LEG)
    assert market.closed.id == first.id
    assert market.closed.duration_s == 2.0
    assert [episode.id for episode in market.told] == [first.id, first.id]


def test_its_mean_counts_the_time_in_between(market):
    """6 bps for 1 s, 1 bps for 0.5 s, 7 bps for 0.5 s: (6 + 0.5 + 3.5) / 2 = 5 bps; the gap was seen again at 1.5 s."""
    market.look(0.1, 6.0)
    market.look(1.0, 1.0)
    market.tick(1.5)
    market.look(1.5, 7.0, Verdict.UNCONFIRMED, since=1.5)
    market.look(1.6, 7.0, since=1.5)
    market.look(2.0, math.nan, Verdict.FEED_LOST)
    assert market.closed.mean_bps == pytest.approx(5.0)
    assert market.closed.looks == 5


def test_a_gap_that_comes_back_later_is_another_episode(market):
    market.look(0.1, 6.0)
    market.look(1.0, 1.0)
    market.tick(1.6)
    market.look(1.7, 7.0, since=1.51)
    assert market.closed.closed == T + 1.0
    assert market.open.opened == T + 1.51


def test_a_gap_cannot_be_older_than_the_look_that_missed_it(market):
    """The detector says since 0 s, but at 1.0 s and 1.4 s there was no edge: it came back with the look at 2 s."""
    market.look(0.1, 6.0)
    market.look(1.0, 1.0)
    market.tick(1.5)
    market.look(1.6, 1.0)
    market.look(2.0, 7.0, since=0.0)
    assert market.closed.closed == T + 1.0
    assert market.open.id != market.closed.id


@pytest.mark.parametrize("verdict", [Verdict.STALE_LEG, Verdict.FEED_LOST, Verdict.NOT_TRADING])
def test_only_an_edge_that_went_can_come_back(market, verdict):
    market.look(0.1, 6.0)
    market.look(1.0, 6.0, verdict)
    market.look(1.1, 6.0, since=1.0)
    assert market.open.id != market.closed.id
    assert market.open.opened == T + 1.0


# -- what is kept ----------------------------------------------------------------------------------------------


def test_peak_size_and_notional_are_those_of_the_best_look(market):
    market.look(0.1, 6.0, size=1.0)
    market.look(0.2, 9.0, size=3.0)
    market.look(0.3, 8.0, size=7.0)
    assert (market.open.peak_bps, market.open.peak_time) == (9.0, T + 0.2)
    assert (market.open.size, market.open.notional, market.open.gross_bps) == (3.0, 300.0, 29.0)
    assert market.open.looks == 3


def test_a_refused_look_makes_no_peak_no_mean_and_no_edge(market):
    """6 bps for 0.2 s, refused for 0.2 s, 9 bps for 0.2 s."""
    market.look(0.1, 6.0)
    market.look(0.2, 60.0, Verdict.SKEWED_LEGS)
    market.look(0.4, 9.0)
    market.look(0.6, math.nan, Verdict.STALE_LEG)
    assert market.closed.peak_bps == 9.0
    assert market.closed.mean_bps == pytest.approx(7.5)
    assert edges(market.closed) == (6.0, None, 9.0)


def test_a_refusal_that_ended_it_leaves_the_peak_before_it(market):
    market.look(0.1, 6.0)
    market.look(1.0, 60.0, Verdict.UNCONFIRMED, since=1.0)
    market.tick(1.5)
    assert (market.closed.peak_bps, market.closed.peak_time, market.closed.mean_bps) == (6.0, T + 0.1, 6.0)


def test_the_mean_weighs_each_net_with_the_time_it_stood(market):
    """6 bps from the opening to 0.4 s, 10 bps to 1 s, unknown to 3 s, 3 bps to 4 s: (2.4 + 6 + 3) / 2 = 5.7 bps."""
    market = Market(Rules(5.0, 2.0, 10.0))
    market.look(0.1, 6.0)
    market.look(0.4, 10.0)
    market.look(1.0, math.nan)
    market.look(3.0, 3.0)
    market.look(4.0, math.nan, Verdict.STALE_LEG)
    assert market.closed.mean_bps == pytest.approx(5.7)


def test_what_came_after_the_close_is_not_in_the_mean(market):
    market.look(0.1, 6.0)
    market.look(1.0, -50.0)
    market.tick(1.5)
    assert market.closed.mean_bps == pytest.approx(6.0)


def test_an_episode_of_no_length_has_its_peak_for_a_mean(market):
    market.look(0.1, 6.0, since=0.1)
    market.look(0.1, math.nan, Verdict.STALE_LEG)
    assert (market.closed.duration_s, market.closed.mean_bps) == (0.0, 6.0)


def test_the_edge_is_measured_again_with_the_last_look_at_or_before(market):
    """100 ms: the look at 0.1 s itself. 250 ms: that of 0.2 s. 500 ms: that of 0.3 s, told by the tick."""
    market.look(0.05, 9.0, Verdict.UNCONFIRMED)
    market.look(0.1, 8.0)
    market.look(0.2, 7.0)
    market.look(0.3, 6.0)
    assert edges(market.open) == (8.0, 7.0, None)
    market.tick(0.51)
    assert edges(market.open) == (8.0, 7.0, 6.0)


def test_looks_before_the_confirmation_count_from_the_opening_on(market):
    """Seen from 0 s on and confirmed at 0.3 s: 9 bps at 100 ms, 12 bps at 250 ms; 9 * 0.2 + 12 * 0.1 over 0.3 s."""
    market.look(0.0, 9.0, Verdict.UNCONFIRMED, size=2.0)
    market.look(0.2, 12.0, Verdict.UNCONFIRMED, size=4.0)
    market.look(0.3, 6.0)
    assert edges(market.open) == (9.0, 12.0, None)
    assert market.open.mean_bps == pytest.approx(10.0)
    assert (market.open.peak_bps, market.open.size, market.open.looks) == (12.0, 4.0, 3)


def test_a_gap_that_opened_anew_leaves_the_looks_at_the_old_one_behind(market):
    market.look(0.0, 50.0, Verdict.UNCONFIRMED, since=0.0)
    market.look(0.05, 1.0)
    market.look(0.1, 9.0, Verdict.UNCONFIRMED, since=0.1)
    market.look(0.2, 40.0, Verdict.UNCONFIRMED, since=0.2)  # the detector says so, though no look missed it
    market.look(0.3, 6.0, since=0.2)
    assert (market.open.opened, market.open.peak_bps, market.open.looks) == (T + 0.2, 40.0, 2)


def test_an_edge_that_is_gone_by_then_is_none(market):
    """Ended at 250 ms: the edge of 100 ms stood, those of 250 and 500 ms did not."""
    market.look(0.1, 6.0)
    market.look(0.25, 1.0)
    market.tick(0.75)
    assert market.closed.duration_s == 0.25
    assert edges(market.closed) == (6.0, None, None)


def test_an_unknown_edge_is_none_when_it_is_measured(market):
    market.look(0.1, 6.0)
    market.look(0.2, math.nan)
    market.look(0.3, 7.0)
    market.tick(0.6)
    assert edges(market.open) == (6.0, None, 7.0)


def test_what_is_not_known_is_none_and_never_nan(market):
    market.book.observe(Look(*ROUTE, T + 0.1, math.nan, Verdict.OK, 6.0, math.nan, math.nan, math.nan))
    assert market.open.opened == T + 0.1
    assert (market.open.gross_bps, market.open.size, market.open.notional) == (None, None, None)


# -- readers ---------------------------------------------------------------------------------------------------


def test_a_reader_keeps_the_routes_it_took_while_others_open_and_close(market):
    market.look(0.1, 6.0)
    taken = market.book.open
    market.look(0.2, 6.0, route=("ETH-USDT", "okx", "gate"))
    market.look(0.3, 6.0, Verdict.STALE_LEG)
    assert list(taken) == [ROUTE]
    assert [symbol for symbol, _, _ in market.book.open] == ["ETH-USDT"]


def test_a_reader_may_go_through_the_routes_while_the_writer_goes_on(market):
    routes = [(f"C{number}-USDT", "okx", "gate") for number in range(4)]
    for route in routes:
        market.look(0.1, 6.0, route=route)
    seen = []
    for route, episode in market.book.open.items():
        seen.append((route, episode.net_bps))
        market.look(0.2, 7.0, route=routes[-1])
        if len(seen) == 2:
            market.look(0.3, 7.0, Verdict.STALE_LEG, route=routes[0])
            market.look(0.3, 6.0, route=ROUTE)
    assert seen == [(routes[0], 6.0), (routes[1], 6.0), (routes[2], 6.0), (routes[3], 7.0)]


def test_the_version_grows_with_every_change(market):
    versions = [market.book.version]
    market.look(0.1, 6.0)
    versions.append(market.book.version)
    market.look(0.2, 7.0)
    versions.append(market.book.version)
    market.look(0.3, 7.0, Verdict.STALE_LEG)
    versions.append(market.book.version)
    assert versions == sorted(set(versions))
    market.tick(50.0)
    assert market.book.version == versions[-1]


def test_the_newest_are_told_first_open_or_not(market):
    for number, verdict in enumerate([Verdict.OK, Verdict.STALE_LEG, Verdict.OK]):
        route = (f"C{number}-USDT", "okx", "gate")
        market.look(number, 6.0, since=number, route=route)
        market.look(number + 0.5, 6.0, verdict, route=route)
    assert [episode.symbol for episode in market.book.newly_opened(2)] == ["C2-USDT", "C1-USDT"]
    assert len(market.book.newly_opened(9)) == 3


def test_only_so_many_ended_ones_are_held_the_last_first():
    market = Market(keep=2)
    for number in range(4):
        market.look(number, 6.0, since=number)
        market.look(number + 0.5, 6.0, Verdict.STALE_LEG)
    assert [episode.opened for episode in market.book.closed] == [T + 3.0, T + 2.0]
    assert len(market.told) == 4


def test_a_book_goes_on_from_what_was_kept():
    before = Market()
    before.look(0.1, 6.0)
    before.look(1.0, 6.0, Verdict.STALE_LEG)
    market = Market(past=before.book.closed)
    assert market.book.closed == before.book.closed
    market.look(2.0, 6.0, since=0.0)
    assert market.open.opened == T + 1.0


def test_gaps_that_were_never_confirmed_are_forgotten(market):
    for number in range(100):
        market.look(0.0, 6.0, Verdict.UNCONFIRMED, route=(f"C{number}-USDT", "okx", "gate"))
    market.tick(0.0)
    assert len(market.book._before) == 100
    market.tick(61.0)
    assert market.book._before == {}


@pytest.mark.parametrize("thresholds", [(5.0, 5.0, 0.5), (5.0, 6.0, 0.5), (5.0, math.nan, 0.5), (5.0, 2.0, -1.0)])
def test_rules_that_contradict_themselves_are_refused(thresholds):
    with pytest.raises(ValueError, match=r"must close below|cannot be"):
        Rules(*thresholds)


def test_thousands_of_random_looks_keep_every_record_in_order():
    """Whatever is told, an episode begins before it ends, peaks in between, and shares no time with the next."""
    chance = random.Random(7)
    market = Market()
    now = since = 0.0
    for _ in range(20_000):
        now += chance.choice((0.0, 0.01, 0.1, 0.4, 0.7))
        since = now if chance.random() < 0.3 else since
        verdict = chance.choice([Verdict.OK] * 12 + list(Verdict))
        market.look(now, chance.choice((8.0, 6.0, 3.0, 1.0, -5.0, math.nan)), verdict, since=since)
        if chance.random() < 0.3:
            market.tick(now)
    market.book.end(T + now)
    episodes = list(reversed(market.book.closed))
    assert len(episodes) > 500
    assert {episode.reason for episode in episodes} >= set(Reason) - {Reason.STILL_OPEN}
    assert len({episode.id for episode in episodes}) == len(episodes)
    for episode in episodes:
        assert episode.closed is not None
        assert episode.opened <= episode.confirmed <= episode.closed
        assert episode.opened <= episode.peak_time <= episode.closed
        assert -5.0 <= episode.mean_bps <= episode.peak_bps
    for earlier, later in itertools.pairwise(episodes):
        assert earlier.closed is not None
        assert earlier.closed <= later.opened
