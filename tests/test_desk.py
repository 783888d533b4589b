"""The desk: one view at a time, replaced as a whole, never of two markets."""

import dataclasses
import math
import threading
import time
from collections.abc import Callable

import pytest

from analytics.terms import Terms
from desk import AGAIN, Desk, Market
from market.fees import FeeChoice
from settings import Settings
from store.episodes import Reason
from tests.store.scripted import ScriptedFeed, desk_of, feed_status, funding, market_of, quote, store_of

WAIT_S = 5.0


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.01)


def two_exchanges(kind: str = "demo", gap: float = 1.0) -> Market:
    """Binance asks 100.01 and bybit bids `gap` above it, 1 % more or less; both said so a second ago."""
    at, sizes = time.time() - 1.0, (9.0, 9.0)
    bid = 100.01 + gap
    store = store_of(
        ["binance", "bybit"],
        quote("binance", 100.0, 100.01, sizes=sizes, at=at),
        quote("bybit", bid, bid + 0.02, sizes=sizes, at=at),
    )
    return market_of(store, kind)


@pytest.fixture
def running():
    """Desks that were started, stopped again whatever happens."""
    desks: list[Desk] = []

    def start(desk: Desk) -> Desk:
        desks.append(desk)
        desk.start()
        return desk

    yield start
    for desk in desks:
        desk.stop()


def test_there_is_a_view_before_anything_is_started():
    desk = desk_of(two_exchanges())
    assert desk.view.judgement.snapshot.symbols == ("BTC-USDT",)
    assert desk.view.source.kind == "demo"
    assert [status.exchange for status in desk.view.status] == ["binance", "bybit"]


def test_a_change_in_the_store_makes_a_new_view_and_leaves_the_old_one_alone(running):
    market = two_exchanges()
    desk = running(desk_of(market, judge_every_s=0.01))
    before = desk.view
    market.store.write([quote("bybit", 200.0, 200.1, at=time.time())])
    until(lambda: desk.view.judgement.mid[0, 1] == pytest.approx(200.05))
    assert before.judgement.mid[0, 1] < 102.0
    assert desk.view.judgement.time >= before.judgement.time


def test_the_feed_is_started_and_stopped_with_the_desk():
    market = two_exchanges()
    desk = desk_of(market, judge_every_s=0.01)
    assert market.feed.calls == []
    desk.start()
    desk.stop()
    assert market.feed.calls == ["start", "stop"]


def test_it_outlives_an_exception_in_judging(running, caplog):
    """A status that raises stands for any bug: the old view stays, the next judgement replaces it."""
    market = two_exchanges()
    desk = desk_of(market, judge_every_s=0.01)
    view, fine = desk.view, market.feed.statuses
    market.feed.statuses = None
    running(desk)
    until(lambda: "could not be judged" in caplog.text)
    assert desk.view is view
    market.feed.statuses = fine
    until(lambda: desk.view is not view)


def test_a_source_that_cannot_be_opened_leaves_everything_as_it_was():
    market = two_exchanges()

    def open_market(source: str) -> Market:
        if source != "demo":
            raise FileNotFoundError(source)
        return market

    desk = Desk(Settings(source="demo"), open_market)
    view = desk.view
    with pytest.raises(FileNotFoundError):
        desk.switch("replay:nowhere")
    assert desk.market is market
    assert desk.view is view
    assert market.feed.calls == []


def test_switching_builds_a_new_store_and_closes_the_old_market(running):
    markets = {"demo": two_exchanges(), "live": two_exchanges("live", gap=2.0)}
    desk = running(Desk(Settings(source="demo", judge_every_s=0.01), markets.__getitem__))
    desk.switch("live")
    assert desk.source.kind == "live"
    assert desk.market.store is markets["live"].store
    assert desk.market.ring is not markets["demo"].ring
    assert markets["demo"].feed.calls == ["start", "stop"]
    assert markets["live"].feed.calls == ["start"]
    assert desk.view.judgement.snapshot.version == markets["live"].store.version


def test_a_view_says_itself_where_it_comes_from_while_the_source_is_switched():
    """Closing a market takes seconds; what is shown meanwhile must not be signed with another's name."""
    closing, closed = threading.Event(), threading.Event()

    class SlowFeed(ScriptedFeed):
        def stop(self, timeout_s: float = 5.0) -> None:
            closing.set()
            closed.wait(WAIT_S)

    demo, live = two_exchanges("demo"), two_exchanges("live", gap=2.0)
    demo = dataclasses.replace(demo, feed=SlowFeed(feed_status("binance")))
    desk = Desk(Settings(source="demo"), {"demo": demo, "live": live}.__getitem__)
    shown = desk.view
    switching = threading.Thread(target=desk.switch, args=("live",))
    switching.start()
    assert closing.wait(WAIT_S)
    assert shown.source.kind == "demo"
    assert desk.view.source is desk.source is live.source
    assert desk.view.judgement.snapshot is live.store.snapshot()
    closed.set()
    switching.join(WAIT_S)


def test_usable_quotes_are_sampled_once_a_second(running):
    market = two_exchanges()
    desk = running(desk_of(market, judge_every_s=0.01))
    until(lambda: len(market.ring) >= 2)
    time.sleep(0.3)
    times = market.ring.history("binance", "BTC-USDT").time
    assert (times[1:] - times[:-1]).min() > 0.5
    assert desk.view.judgement.time >= times[-1]


# -- opportunities ---------------------------------------------------------------------------------------------


def with_memory(market: Market, samples: int = 30) -> Desk:
    """A desk that remembers seconds in which bybit bid 100 and asked 100.02."""
    snapshot = desk_of(market).view.judgement.snapshot
    data = snapshot.data.copy()
    data[[0, 2], :, 1] = [[100.0], [100.02]]
    past = dataclasses.replace(snapshot, data=data)
    for i in range(samples):
        market.ring.sample(past, past.grid.listed, time.time() - 60.0 + i)
    return desk_of(market)


def test_an_opportunity_says_in_words_what_the_pair_says_in_codes():
    """Buy binance at 100.01, sell bybit at 101.01; mids 100.005 and 101.02, mean 100.5125.

    gross 1.00 / 100.5125 = 99.4901 bps, exit now 100.00 - 101.03 = -1.03 / 100.5125 = -102.4748. In the past closing
    cost 0.02 / 100.0075 = 1.9999. Four fees of 5: net 99.4901 - 1.9999 - 20 = 77.4902. Both marks are the same: fresh
    1e4 * (101.01 / 100.01 - 1) = 99.9900. 9 coins are 904.6125, and earn 7.0099.
    """
    desk = with_memory(two_exchanges())
    best, other = desk.view.opportunities
    assert best.id == "BTC-USDT:binance:bybit"
    assert (best.buy, best.sell, best.buy_price, best.sell_price) == ("binance", "bybit", 100.01, 101.01)
    wanted = {
        "gross_edge_bps": 99.4901,
        "walk_bps": 0.0,
        "fresh_edge_bps": 99.9900,
        "exit_edge_bps": -102.4748,
        "expected_exit_bps": -1.9999,
        "fees_bps": 20.0,
        "net_edge_bps": 77.4902,
        "size": 9.0,
        "notional": 904.6125,
        "profit": 7.0099,
        "capacity": 904.6125,
        "visible": 904.6125,
    }
    assert {name: getattr(best, name) for name in wanted} == pytest.approx(wanted, abs=1e-4)
    assert (best.expected_exit_samples, best.touch_only) == (30, True)
    assert best.alive_s == best.buy_age_s >= 1.0
    assert (best.verdict, best.actionable) == ("ok", True)
    assert other.gross_edge_bps == best.exit_edge_bps
    assert (other.capacity, other.alive_s, other.actionable) == (None, None, False)


def test_an_opportunity_says_what_holding_it_earns():
    """Over 8 h: binance, bought, pays 0.0001 once, in an hour; bybit, sold, gets 0.0004 in two and in six hours: 7 bps.

    With 77.4902 of net: 84.4902 bps in 8 h, times 1,095 a year 9.2517; both legs at 5 times take 0.4 of it as capital.
    """
    market = two_exchanges()
    now = time.time()
    for exchange, rate, hours, first_h in (("binance", 1e-4, 8.0, 1.0), ("bybit", 4e-4, 4.0, 2.0)):
        said = {"funding_rate": rate, "funding_interval_h": hours, "next_funding_time": now + first_h * 3_600.0}
        market.store.write([funding(exchange, at=now, **said)])
    best = with_memory(market).view.opportunities[0]
    assert best.carry_8h_bps == pytest.approx(7.0)
    assert best.carry_bps == pytest.approx(7.0)
    assert best.break_even_h == 0.0
    assert best.net_apr == pytest.approx(9.2517, abs=1e-4)
    assert best.net_apr_on_capital == pytest.approx(9.2517 / 0.4, abs=1e-3)


def test_actionable_is_ok_and_at_least_the_minimum():
    market = two_exchanges()
    net = with_memory(market).view.opportunities[0].net_edge_bps
    for minimum, actionable in ((net - 0.01, True), (net - 1e-9, True), (net + 0.01, False)):
        assert desk_of(market, min_net_bps=minimum).view.opportunities[0].actionable is actionable


def test_half_a_minute_of_history_is_needed_to_be_actionable():
    """A median of a few seconds says nothing of what closing will earn, however good the edge looks."""
    market = two_exchanges()
    best = with_memory(market, samples=29).view.opportunities[-1]
    assert (best.buy, best.sell) == ("binance", "bybit")
    assert (best.verdict, best.net_edge_bps, best.expected_exit_bps) == ("no_history", None, None)
    assert (best.expected_exit_samples, best.actionable) == (29, False)
    assert with_memory(market, samples=1).view.opportunities[0].actionable


def test_a_gap_that_was_always_there_is_a_basis():
    """Closing has cost 102.47 bps all along."""
    market = two_exchanges()
    snapshot = desk_of(market).view.judgement.snapshot
    for i in range(30):
        market.ring.sample(snapshot, snapshot.grid.listed, time.time() - 60.0 + i)
    best = desk_of(market).view.opportunities[-1]
    assert (best.id, best.verdict, best.actionable) == ("BTC-USDT:binance:bybit", "standing_basis", False)
    assert best.net_edge_bps == pytest.approx(99.4901 - 102.4748 - 20.0, abs=1e-3)


def test_without_samples_no_exit_is_expected_and_nothing_is_actionable():
    best = desk_of(two_exchanges(), min_net_bps=-1_000.0).view.opportunities[0]
    assert best.expected_exit_bps is None
    assert best.net_edge_bps is None
    assert not best.actionable


def test_no_opportunity_carries_nan_or_infinity():
    now = time.time()
    market = two_exchanges()
    market.store.write([quote("bybit", 101.01, 101.5, sizes=(None, None), at=now)])
    for opportunity in with_memory(market).view.opportunities:
        values = [value for value in dataclasses.astuple(opportunity) if isinstance(value, float)]
        assert all(math.isfinite(value) for value in values)
        assert opportunity.carry_8h_bps is None  # nobody said a funding rate


def test_opportunities_are_made_once_per_view():
    view = desk_of(two_exchanges()).view
    assert view.opportunities is view.opportunities


# -- other terms, one pair -------------------------------------------------------------------------------------


def test_a_moment_is_judged_by_other_terms_once_for_all_who_ask():
    """At 10 bps a fill the 99.49 of gross leave 57.49 after 2 of closing. A tenth of the notional fills a tenth."""
    view = with_memory(two_exchanges()).view
    dear = Terms(fees=FeeChoice.of(taker_bps={"binance": 10.0, "bybit": 10.0}), notional=100.0)
    seen = view.by(dear)
    assert seen is view.by(dataclasses.replace(dear))
    best = seen.opportunities[0]
    assert (best.fees_bps, best.net_edge_bps) == (40.0, pytest.approx(57.4902, abs=1e-4))
    assert best.notional == pytest.approx(100.0, abs=0.1)
    assert best.actionable
    assert (seen.terms, seen.judgement.time) == (dear, view.judgement.time)
    assert view.by(view.terms) is view
    assert view.opportunities[0].fees_bps == 20.0
    for notional in range(1, AGAIN + 2):
        view.by(Terms(notional=float(notional)))
    assert view.by(dear) is not seen  # only so many are kept


def test_one_pair_is_the_one_of_the_table():
    view = with_memory(two_exchanges()).view
    for row in view.opportunities:
        assert view.pair(row.symbol, row.buy, row.sell) == row


def test_a_pair_that_is_refused_says_why_and_one_that_is_not_listed_is_none():
    market = two_exchanges(gap=-1.0)  # bybit bids below: no gap either way is worth a look once bybit is lost
    market.store.lose("bybit", ["BTC-USDT"])
    view = with_memory(market).view
    pair = view.pair("BTC-USDT", "binance", "bybit")
    assert pair is not None
    assert (pair.verdict, pair.actionable) == ("feed_lost", False)
    assert "BTC-USDT:binance:bybit" not in {row.id for row in view.opportunities}
    assert view.pair("BTC-USDT", "binance", "binance") is None
    assert view.pair("BTC-USDT", "binance", "okx") is None
    assert view.pair("ETH-USDT", "binance", "bybit") is None


# -- the detector's thread -------------------------------------------------------------------------------------


def test_a_gap_becomes_an_episode_without_anybody_asking(running):
    market = two_exchanges(gap=0.0)
    with_memory(market)
    desk = running(desk_of(market, judge_every_s=0.05))
    assert desk.market.detector.candidates == {}
    for _ in range(30):  # both legs go on speaking
        now = time.time()
        words = (
            quote("binance", 100.0, 100.01, sizes=(9.0, 9.0), at=now),
            quote("bybit", 101.0, 101.02, sizes=(9.0, 9.0), at=now),
        )
        market.store.write(words)
        time.sleep(0.01)
    until(lambda: ("BTC-USDT", "binance", "bybit") in desk.market.detector.episodes.open)
    assert len(market.delays) > 0
    assert all(delay >= 0.0 for delay in market.delays)
    desk.stop()
    (episode,) = desk.market.detector.episodes.closed
    assert episode.reason is Reason.STILL_OPEN


# -- order books -----------------------------------------------------------------------------------------------


def test_a_look_lasts_thirty_seconds_and_is_repeated_to_the_feed(running):
    """A feed that started anew, or a simulator that was not up yet, must hear of the wish as well."""
    market = two_exchanges(gap=0.0)
    desk = desk_of(market, judge_every_s=0.05)
    desk.look("BTC-USDT", ("bybit", "nowhere"))
    assert market.feed.wanted == {"bybit": ("BTC-USDT",)}

    market.feed.wanted = {}
    running(desk)
    until(lambda: market.feed.wanted == {"bybit": ("BTC-USDT",)})
    desk._wishes._ttl_s = 0.0
    until(lambda: market.feed.wanted == {})


def test_books_of_one_market_are_not_wished_for_in_the_next(running):
    markets = [two_exchanges(gap=0.0), two_exchanges(gap=0.0)]
    opened = iter(markets)
    desk = Desk(Settings(source="demo", judge_every_s=0.05), lambda _: next(opened))
    desk.look("BTC-USDT")
    running(desk)
    desk.switch("demo")

    until(lambda: hasattr(markets[1].feed, "wanted"))
    assert markets[1].feed.wanted == {}


def test_books_of_gaps_come_after_those_that_somebody_looks_at():
    at, sizes = time.time() - 1.0, (9.0, 9.0)
    bids = {"AAA-USDT": (100.0, 101.0), "BTC-USDT": (100.0, 100.0)}
    words = [
        quote(exchange, bid, bid + 0.02, symbol, sizes=sizes, at=at)
        for symbol, both in bids.items()
        for exchange, bid in zip(("binance", "bybit"), both, strict=True)
    ]
    market = market_of(store_of(["binance", "bybit"], *words))
    desk = with_memory(market)
    market.detector.step(time.time())
    desk.look("BTC-USDT", ("bybit",))
    assert market.feed.wanted == {"bybit": ("BTC-USDT", "AAA-USDT"), "binance": ("AAA-USDT",)}


def test_a_ladder_is_off_where_its_feed_does_not_run():
    market = two_exchanges()
    desk = desk_of(market)
    assert desk.view.ladder("bybit", "BTC-USDT").state == "waiting"
    assert desk.view.ladder("bybit", "NOWHERE-USDT").state == "off"
    market.feed.statuses = [feed_status("binance"), feed_status("bybit", "off")]
    assert desk_of(market).view.ladder("bybit", "BTC-USDT").state == "off"
