"""The desk: one view at a time, replaced as a whole, never of two markets."""

import dataclasses
import math
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from analytics.exits import expected_exits
from desk import Desk, Market
from settings import Settings
from store.ring import QuoteRing
from tests.store.scripted import ScriptedFeed, desk_of, feed_status, market_of, quote, store_of

WAIT_S = 5.0


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.01)


def two_exchanges(kind: str = "demo", gap: float = 1.0) -> Market:
    """Binance asks 100.01 and bybit bids `gap` above it: 1 % more or less."""
    now = time.time()
    store = store_of(
        ["binance", "bybit"], quote("binance", 100.0, 100.01, at=now), quote("bybit", 100.01 + gap, 101.5, at=now)
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
    """A desk whose ring has seen the present market `samples` times."""
    desk = desk_of(market)
    judgement = desk.view.judgement
    for i in range(samples):
        market.ring.sample(judgement.snapshot, judgement.verdicts == 0, judgement.time + i)
    return desk_of(market)


def test_an_opportunity_says_in_words_what_the_pair_says_in_codes():
    """Buy binance at 100.01, sell bybit at 101.01; mids 100.005 and 101.255, mean 100.63.

    gross 1.00 / 100.63 = 99.3739 bps; exit 100.00 - 101.5 = -1.5 / 100.63 = -149.0609 bps; fees 2 * (5 + 5) = 20.
    """
    desk = with_memory(two_exchanges())
    best, other = desk.view.opportunities
    assert best.id == "BTC-USDT:binance:bybit"
    assert (best.buy, best.sell, best.buy_price, best.sell_price) == ("binance", "bybit", 100.01, 101.01)
    assert best.gross_edge_bps == pytest.approx(99.3739, abs=1e-4)
    assert best.exit_edge_bps == best.expected_exit_bps == pytest.approx(-149.0609, abs=1e-4)
    assert best.expected_exit_samples == 30
    assert best.fees_bps == 20.0
    assert best.net_edge_bps == pytest.approx(99.3739 - 149.0609 - 20.0, abs=1e-3)
    assert best.notional == pytest.approx(100.63)
    assert best.profit == pytest.approx(100.63 * best.net_edge_bps / 1e4)
    assert best.verdict == "ok"
    assert not best.actionable
    assert other.gross_edge_bps == best.exit_edge_bps


def test_actionable_is_ok_and_at_least_the_minimum():
    market = two_exchanges()
    desk = with_memory(market)
    net = desk.view.opportunities[0].net_edge_bps
    for minimum, actionable in ((net - 0.01, True), (net, True), (net + 0.01, False)):
        assert desk_of(market, min_net_bps=minimum).view.opportunities[0].actionable is actionable


def test_half_a_minute_of_history_is_needed_to_be_actionable():
    """A median of a few seconds says nothing of what closing will earn, however good the net edge looks."""
    market = two_exchanges()
    desk = with_memory(market, samples=29)
    best = desk_of(market, min_net_bps=-1_000.0).view.opportunities[0]
    assert best.net_edge_bps is not None
    assert not best.actionable
    market.ring.sample(desk.view.judgement.snapshot, desk.view.judgement.verdicts == 0, desk.view.judgement.time + 30)
    assert desk_of(market, min_net_bps=-1_000.0).view.opportunities[0].actionable


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


def test_expected_exit_of_no_pairs_and_of_an_empty_ring():
    none, one = np.empty(0, np.intp), np.zeros(1, np.intp)
    exits, samples = expected_exit_bps(QuoteRing(), ("BTC-USDT",), ("binance", "bybit"), one, one, one)
    assert np.isnan(exits).all()
    assert samples.tolist() == [0.0]
    assert expected_exit_bps(QuoteRing(), (), (), none, none, none)[0].shape == (0,)


def test_a_look_lasts_thirty_seconds_and_is_repeated_to_the_feed(running):
    """A feed that started anew, or a simulator that was not up yet, must hear of the wish as well."""
    market = two_exchanges()
    desk = desk_of(market, judge_every_s=0.05)
    desk.look("BTC-USDT", ("bybit", "nowhere"))
    assert market.feed.wanted == {"bybit": ("BTC-USDT",)}

    market.feed.wanted = {}
    running(desk)
    until(lambda: market.feed.wanted == {"bybit": ("BTC-USDT",)})
    desk._wishes._ttl_s = 0.0
    until(lambda: market.feed.wanted == {})


def test_books_of_one_market_are_not_wished_for_in_the_next(running):
    markets = [two_exchanges(), two_exchanges()]
    opened = iter(markets)
    desk = Desk(Settings(source="demo", judge_every_s=0.05), lambda _: next(opened))
    desk.look("BTC-USDT")
    running(desk)
    desk.switch("demo")

    until(lambda: hasattr(markets[1].feed, "wanted"))
    assert markets[1].feed.wanted == {}


def test_a_ladder_is_off_where_its_feed_does_not_run():
    market = two_exchanges()
    desk = desk_of(market)
    assert desk.view.ladder("bybit", "BTC-USDT").state == "waiting"
    assert desk.view.ladder("bybit", "NOWHERE-USDT").state == "off"
    market.feed.statuses = [feed_status("binance"), feed_status("bybit", "off")]
    assert desk_of(market).view.ladder("bybit", "BTC-USDT").state == "off"
