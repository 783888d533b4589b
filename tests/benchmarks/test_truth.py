"""The truth test's own arithmetic: a score by hand on small ledgers, true books, and a short run from end to end."""

from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from benchmarks.truth.books import edge_bps, executable
from benchmarks.truth.market import SOURCE, World
from benchmarks.truth.report import summary
from benchmarks.truth.score import Hit, Planted, Score, Span, score
from benchmarks.truth.watcher import Offer, Watcher

NO_RELAYS: frozenset[str] = frozenset()
ROUTE = ("BTC-USDT", "okx", "gate")


def planted(kind: str = "real", begin: float = 10.0, end: float = 20.0, **facts) -> Planted:
    facts = {"exchange": "gate", "symbols": frozenset({"BTC-USDT"}), "sells": True} | facts
    return Planted(kind=kind, real=kind == "real", begin=begin, end=end, **facts)


def hit(time: float, true_edge_bps: float = 40.0, route=ROUTE, **facts) -> Hit:
    facts = {"since": time - 0.1, "edge_bps": 40.0, "size": 2.0, "true_size": 2.0} | facts
    return Hit(route=route, time=time, true_edge_bps=true_edge_bps, **facts)


def stretch(begin: float, end: float, reason: str = "ok", route=ROUTE) -> Span:
    return Span(route, begin, end, reason, reason == "ok")


def test_a_real_one_is_found_where_a_route_in_its_direction_became_actionable_while_it_was_there():
    """Found at 10.15 of an opening at 10.0: 50 ms beyond the reaction of 100 ms. It lived 10 s, and was said to have
    lived from 10.05 to 19.95."""
    result = score([planted()], [stretch(10.15, 19.95)], [hit(10.15)], NO_RELAYS)

    (found,) = result.outcomes
    assert (result.recall, result.precision) == (1.0, 1.0)
    assert found.delay_s == pytest.approx(0.05)
    assert found.size_error == pytest.approx(0.0)
    assert found.duration_error_s == pytest.approx(0.1)


@pytest.mark.parametrize(
    "route",
    [("BTC-USDT", "gate", "okx"), ("ETH-USDT", "okx", "gate"), ("BTC-USDT", "okx", "mexc")],
    ids=["bought instead of sold", "another symbol", "another exchange"],
)
def test_a_route_that_does_not_exploit_a_plant_finds_nothing(route):
    result = score([planted()], [stretch(10.15, 19.0, route=route)], [hit(10.15, route=route)], NO_RELAYS)

    assert result.recall == 0.0


def test_what_became_actionable_before_or_after_does_not_count_as_found():
    before = score([planted()], [stretch(9.9, 19.0)], [hit(9.9)], NO_RELAYS)
    after = score([planted()], [stretch(20.0, 20.1)], [hit(20.0)], NO_RELAYS)

    assert (before.recall, after.recall) == (0.0, 0.0)


def test_recall_leaves_out_what_nobody_can_react_to():
    """0.12 s is the reaction and one step of the market; only the two that live longer count, of which one is found."""
    too_short = [planted(end=10.12), planted(begin=620.36, end=620.48)]
    ledger = [*too_short, planted(begin=30.0, end=30.2), planted(begin=40.0, end=41.0)]

    result = score(ledger, [stretch(40.2, 41.0)], [hit(40.2)], NO_RELAYS)

    assert len(result.reachable) == 2
    assert result.recall == 0.5


def test_an_episode_is_true_only_if_the_true_books_offered_at_least_half_of_what_was_said():
    """Said 40 bps after costs each time; the books offered 20, 19.9 and -5."""
    spans = [stretch(10.0, 11.0), stretch(30.0, 31.0), stretch(50.0, 51.0)]
    hits = [hit(10.0, 20.0), hit(30.0, 19.9), hit(50.0, -5.0)]

    assert score([], spans, hits, NO_RELAYS).precision == pytest.approx(1 / 3)


def test_nothing_with_a_leg_under_a_fake_or_at_a_relay_is_true():
    """A leg under a fake counts in both directions, outside of its life in none."""
    fake = planted("implausible", begin=10.0, end=20.0)
    reverse, relayed = ("BTC-USDT", "gate", "okx"), ("BTC-USDT", "okx", "coindcx")
    spans = [stretch(12.0, 13.0), stretch(12.0, 13.0, route=reverse), stretch(25.0, 26.0)]
    spans.append(stretch(25.0, 26.0, route=relayed))
    hits = [hit(12.0), hit(12.0, route=reverse), hit(25.0), hit(25.0, route=relayed)]

    episodes = score([fake], spans, hits, frozenset({"coindcx"})).episodes

    assert [(e.first.route, e.first.time) for e in episodes if e.true] == [(ROUTE, 25.0)]


def test_what_a_standing_basis_leaves_of_a_gap_may_be_had():
    """60 bps of basis: of 70 true ones after costs, 10 would be there without it; of 55, none."""
    basis = planted("standing_basis", begin=0.0, end=100.0)
    spans = [stretch(12.0, 13.0), stretch(32.0, 33.0)]
    first, second = hit(12.0, 70.0, basis_bps=60.0), hit(32.0, 55.0, basis_bps=60.0)

    fresh = score([basis], spans[:1], [first], NO_RELAYS)
    mixed = score([basis], spans, [first, second], NO_RELAYS)

    assert (fresh.precision, fresh.pass_rates["standing_basis"]) == (1.0, 0.0)
    assert (mixed.precision, mixed.pass_rates["standing_basis"]) == (0.5, 1.0)


def test_stretches_close_to_each_other_are_one_episode_judged_by_its_first_moment():
    """Gaps of 0.4 s and 0.6 s: the first is within one episode, the second begins another."""
    spans = [stretch(10.0, 11.0), stretch(11.4, 12.0), stretch(12.6, 13.0)]
    hits = [hit(10.0, -5.0), hit(11.4, 40.0), hit(12.6, 40.0)]

    episodes = score([], spans, hits, NO_RELAYS).episodes

    assert [(e.first.time, e.end, e.true) for e in episodes] == [(10.0, 12.0, False), (12.6, 13.0, True)]


def test_a_fake_is_named_by_the_reason_that_was_given_for_the_longest_time():
    """Over both routes that exploit it: 4 s stale_leg, 3 s lagging, and 1 s during which it passed."""
    fake = planted("dead_quote")
    other = ("BTC-USDT", "mexc", "gate")
    spans = [stretch(10.0, 12.0, "stale_leg"), stretch(12.0, 13.0), stretch(13.0, 16.0, "lagging")]
    spans.append(stretch(10.0, 12.0, "stale_leg", route=other))

    (row,) = score([fake], spans, [hit(12.0)], NO_RELAYS).outcomes

    assert (row.said, row.named, row.found_at) == ("stale_leg", True, 12.0)


def test_the_worst_class_decides_and_what_never_was_a_candidate_is_not_named():
    """Two flickers of which one passes, two dead quotes of which none does; three were candidates, two named right."""
    ledger = [planted("flicker", 10, 10.06), planted("flicker", 20, 20.06)]
    ledger += [planted("dead_quote", 30, 40), planted("dead_quote", 50, 60)]
    spans = [
        stretch(10.1, 10.2),
        stretch(20.02, 20.06, "unconfirmed"),
        stretch(31.0, 39.0, "stale_leg"),
    ]

    result = score(ledger, spans, [hit(10.1, -20.0)], NO_RELAYS)

    assert result.pass_rates == {"flicker": 0.5, "dead_quote": 0.0}
    assert result.right_reason_rate == pytest.approx(2 / 3)
    assert result.confusion["dead_quote"] == Counter({"stale_leg": 1, "no candidate": 1})
    assert summary(result, None) == {
        "precision": 0.0,
        "recall": None,
        "worst_fake_pass_rate": 0.5,
        "right_reason_rate": 0.6667,
        "detection_delay_p99_ms": None,
        "planted": 0,
        "fakes": 4,
    }


def test_scores_of_several_runs_add_up():
    total = Score()
    total += score([planted()], [stretch(10.2, 19.0)], [hit(10.2)], NO_RELAYS)
    total += score([planted()], [], [], NO_RELAYS)

    assert (total.recall, len(total.episodes)) == (0.5, 1)


LONG = (((99.9, 1.0),), ((100.0, 2.0), (100.1, 3.0), (100.5, 9.0)))
SHORT = (((100.6, 4.0), (100.3, 4.0)), ((100.7, 1.0),))


def test_the_edge_is_of_the_mean_of_the_two_mids():
    """Mids 99.95 and 100.65, mean 100.3; (100.6 - 100) / 100.3 is 59.82 bps."""
    assert edge_bps(LONG, SHORT) == pytest.approx(59.82, abs=0.01)


def test_what_can_be_filled_ends_where_the_next_coin_gains_too_little_or_the_notional_is_reached():
    """At least 25 bps, 0.25 a coin: 2 coins gain 0.6 and 2 gain 0.5, the next would gain 0.2. Two coins are 200.6."""
    assert executable(LONG, SHORT, 25.0, 10_000.0) == pytest.approx(4.0)
    assert executable(LONG, SHORT, 25.0, 200.6) == pytest.approx(2.0)
    assert executable(LONG, SHORT, 70.0, 10_000.0) != executable(LONG, SHORT, 70.0, 10_000.0)


@dataclass
class Said:
    reason: str
    actionable: bool
    since: float = 1_000.0
    gross_bps: float = 60.0
    size: float = 3.0

    @property
    def verdict(self):
        return SimpleNamespace(label=self.reason)


def test_the_watcher_joins_what_is_said_again_and_notes_each_opening():
    watcher = Watcher(lambda route: Offer(20.0, 35.0, 0.0, 2.5), origin=1_000.0)
    watcher.look({ROUTE: Said("unconfirmed", False)}, 1.0)
    watcher.look({ROUTE: Said("unconfirmed", False)}, 1.1)
    watcher.look({ROUTE: Said("ok", True)}, 1.2)
    watcher.look({ROUTE: Said("ok", True, size=2.4)}, 2.2)
    watcher.look({}, 2.4)
    watcher.close(3.0)

    assert watcher.spans == [Span(ROUTE, 1.0, 1.2, "unconfirmed", False), Span(ROUTE, 1.2, 2.4, "ok", True)]
    (noted,) = watcher.hits
    assert (noted.time, noted.since, noted.edge_bps, noted.true_edge_bps) == (1.2, 0.0, 40.0, 35.0)
    assert (noted.size, noted.later_size, noted.later_true_size) == (3.0, 2.4, 2.5)


@pytest.fixture(scope="module")
def world():
    """Twelve virtual seconds of a market without plants."""
    world = World(seed=101, hours=0.02, reals=0, fakes=0)
    world.seconds = 12.0
    world.run(lambda _: None)
    return world


def test_what_is_delivered_is_what_the_market_quotes_in_our_units(world):
    """Every quote in the store was true at its exchange not long ago; most still are."""
    snapshot = world.store.snapshot()
    same = []
    for contract, (listing, symbol) in enumerate(zip(world.listings, world.symbols, strict=True)):
        cell = snapshot.grid.symbol_index[symbol], snapshot.grid.exchange_index[listing.exchange]
        (true_bid, true_size), (true_ask, _) = (side[0] for side in world.wire.book(contract))
        per_coin = world.market.bid_ticks[contract] * listing.tick / listing.unit
        assert true_bid == pytest.approx(per_coin)
        assert true_size * true_bid == pytest.approx(
            world.market.bid_lots[contract] * listing.lot * listing.contract * listing.unit * per_coin
        )
        assert snapshot["bid_price"][cell] == pytest.approx(true_bid, rel=0.01)
        same.append((snapshot["bid_price"][cell], snapshot["ask_price"][cell]) == (true_bid, true_ask))
    assert sum(same) > 0.9 * len(same)


def test_clocks_are_off_as_the_lines_say_and_the_relay_comes_late(world):
    snapshot = world.store.snapshot()
    e = {name: snapshot.grid.exchange_index[name] for name in snapshot.exchanges}
    lines = world.wire._lines
    for name in (SOURCE, "okx", "phemex"):
        assert snapshot.floor_s[e[name]] == pytest.approx(lines[name].delay_s - lines[name].clock_s, abs=0.02)
    assert snapshot.floor_s[e["coindcx"]] >= 1.6 - lines["coindcx"].clock_s


def test_books_come_some_time_after_they_were_wished_for_and_begin_with_the_touch(world):
    symbol = world.symbols[world.listings.index(next(row for row in world.listings if row.exchange == "okx"))]
    now = world.market.top_time.max()
    world.wire.watch({"okx": [symbol]}, now)
    assert world.store.depths.get("okx", symbol).state == "waiting"

    for step in range(700, 740):
        world.step(step, now + (step - 699) * 0.02)
        world.wire.watch({"okx": [symbol]}, now)

    ladder = world.store.depths.get("okx", symbol)
    contract = world.wire._index["okx", symbol]
    assert ladder.state == "live"
    assert len(ladder.bids) > 5
    assert ladder.bids[0][0] == pytest.approx(world.wire.book(contract)[0][0][0], rel=1e-3)


def test_an_exchange_that_falls_behind_says_nothing_at_first_and_loses_its_quotes(world):
    column = world.store.snapshot().grid.exchange_index["okx"]

    def live():
        snapshot = world.store.snapshot()
        return set(snapshot["live"][snapshot.grid.listed[:, column], column].tolist())

    begin = world.market.top_time.max()
    assert live() == {1.0}
    world.delivery.late_s["okx"] = 3.0
    seen = {}
    for step in range(740, 920):
        world.step(step, begin + (step - 739) * 0.02)
        seen[step] = live()
    world.delivery.late_s["okx"] = 0.0
    assert seen[740 + 40] == {1.0}  # 0.8 s: not yet
    assert 1.0 not in seen[740 + 80]  # 1.6 s: noticed
    assert 1.0 in seen[919]  # 3.6 s: what comes late is fed again, and is seen to be late
    snapshot = world.store.snapshot()
    assert float(snapshot["lag_s"][snapshot.grid.listed[:, column], column].min()) > 2.5
