"""Order books on demand over the simulated market: every exchange, the truth, and what faults do to them.

All exchanges run at once in one scenario; each test looks at what was seen of one of them.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from feeds.depth import depth_of
from feeds.exchange_feed import ExchangeFeed
from feeds.exchanges import EXCHANGES, load
from market.models import Instrument, Status
from store.depth import Ladder, is_good
from store.snapshot import SnapshotStore
from tests.simulator.simulator_harness import Running, running

PATIENCE_S = 20.0
WATCHED_S = 10.0
EXACT = 1e-9


@dataclass
class Seen:
    """What was seen of one exchange. states: in each phase, by symbol, in order and without repetitions."""

    symbols: list[str] = field(default_factory=list)
    equal: set[str] = field(default_factory=set)
    crossed: int = 0
    backwards: int = 0
    books: int = 0
    states: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    quote_topics_changed: int = 0
    recovered: bool = False
    dropped: bool = False
    gaps: int = 0
    own_sockets: int = 0


class Watcher:
    """One exchange's feed against the simulator, and what its books do."""

    def __init__(self, run: Running, name: str, store: SnapshotStore) -> None:
        self.run, self.name, self.store, self.seen = run, name, store, Seen()
        self.feed = ExchangeFeed(load(name, run.endpoints[name]), store, catalogue_every_s=60.0)
        self.simulated = run.simulator.exchanges[name]
        self._last: dict[str, Ladder] = {}

    def choose(self) -> None:
        """One contract of each kind."""
        by_kind: dict[str, Instrument] = {}
        for row in self.feed.instruments:
            if row.status is Status.TRADING and depth_of(self.feed.exchange, row):
                by_kind.setdefault(row.kind, row)
        self.feed.exchange.connections(self.feed.instruments)  # some adapters remember their last plan
        self.seen.symbols = [row.symbol for row in by_kind.values()]
        self.feed.depth.want(self.seen.symbols)

    def ladder(self, symbol: str) -> Ladder | None:
        return self.store.depths.get(self.name, symbol)

    def live(self) -> bool:
        found = [self.ladder(symbol) for symbol in self.seen.symbols]
        return all(ladder is not None and ladder.state == "live" for ladder in found)

    def was(self, state: str, phase: str) -> bool:
        return all(state in states for states in self.seen.states.get(phase, {"": []}).values())

    def look(self, phase: str) -> None:
        for symbol in self.seen.symbols:
            ladder = self.ladder(symbol)
            if ladder is None:
                continue
            states = self.seen.states.setdefault(phase, {}).setdefault(symbol, [])
            if not states or states[-1] != ladder.state:
                states.append(ladder.state)
            before = self._last.get(symbol)
            if ladder.state == "live" and ladder is not before:
                self.seen.books += 1
                self.seen.crossed += not is_good(ladder)  # type: ignore[arg-type]
                if before is not None and None not in (before.event_time, ladder.event_time):
                    self.seen.backwards += ladder.event_time < before.event_time  # type: ignore[operator]
                self._last[symbol] = ladder
                if self._equals_the_truth(symbol, ladder):
                    self.seen.equal.add(symbol)

    def _equals_the_truth(self, symbol: str, ladder: Ladder) -> bool:
        """Whether all levels are those of the simulator's book, which its REST side answers with."""
        instrument = next(row for row in self.feed.instruments if row.symbol == symbol)
        listing = next(row for row in self.simulated.listings if row.exchange_symbol == instrument.exchange_symbol)
        book = self.simulated.books.get(listing.index)
        if book is None or len(ladder.bids) < 5 or len(ladder.asks) < 5:
            return False
        coins_a_lot, value_a_lot = [], []
        for side, ours in ((book.bids, ladder.bids), (book.asks, ladder.asks)):
            for (price, size), (ticks, lots) in zip(ours, side.top(len(ours)), strict=False):
                true_price = ticks * listing.tick / instrument.multiplier
                if abs(price - true_price) > EXACT * true_price:
                    return False
                coins_a_lot.append(size / lots)
                value_a_lot.append(size / lots * price)
        # A lot is so many coins or, of an inverse contract, so many dollars: the same at all levels.
        return is_flat(coins_a_lot) or (instrument.kind == "inverse" and is_flat(value_a_lot))


def is_flat(values: list[float]) -> bool:
    return max(values) - min(values) <= 1e-6 * max(values)


async def until(condition: Callable[[], bool], watchers: list[Watcher], phase: str) -> bool:
    ends = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > ends:
            return False
        for watcher in watchers:
            watcher.look(phase)
        await asyncio.sleep(0.01)
    for watcher in watchers:
        watcher.look(phase)
    return True


async def for_a_while(seconds: float, watchers: list[Watcher], phase: str) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for watcher in watchers:
            watcher.look(phase)
        await asyncio.sleep(0.005)


async def scenario() -> dict[str, Seen]:
    store = SnapshotStore(EXCHANGES)
    async with running(*EXCHANGES, rate=1_200) as run:
        watchers = [Watcher(run, name, store) for name in EXCHANGES]
        tasks = [asyncio.create_task(watcher.feed.run()) for watcher in watchers]
        try:
            await until(lambda: all(watcher.feed.status().state == "live" for watcher in watchers), [], "")
            carried = {watcher.name: quote_topics(watcher) for watcher in watchers}
            for watcher in watchers:
                watcher.choose()
            await until(lambda: all(watcher.live() for watcher in watchers), watchers, "start")
            await for_a_while(WATCHED_S, watchers, "calm")
            for watcher in watchers:
                watcher.seen.own_sockets = len(watcher.feed.depth._own)
                watcher.seen.quote_topics_changed = len(carried[watcher.name] ^ quote_topics(watcher))
            await faults(run, watchers, "out_of_order", duration_s=3.0)
            await for_a_while(4.0, watchers, "out_of_order")
            await until(lambda: all(watcher.live() for watcher in watchers), watchers, "out_of_order")
            for watcher in watchers:
                watcher.seen.gaps = watcher.feed.gaps
            await faults(run, watchers, "drop")
            await until(lambda: all(watcher.was("lost", "drop") for watcher in watchers), watchers, "drop")
            await until(lambda: all(watcher.live() for watcher in watchers), watchers, "drop")
            for watcher in watchers:
                watcher.seen.recovered = watcher.live()
                watcher.feed.depth.want(())
            await for_a_while(1.0, [], "")
            for watcher in watchers:
                watcher.seen.dropped = not watcher.feed.depth.topics and not watcher.feed.depth._own
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
    return {watcher.name: watcher.seen for watcher in watchers}


def quote_topics(watcher: Watcher) -> set[str]:
    shared = watcher.feed._connections
    carried = {topic for connection in watcher.feed._connections for topic in connection.topics}
    return carried - {topic for topic, carrier in watcher.feed.depth._carriers.items() if carrier in shared}


async def faults(run: Running, watchers: list[Watcher], name: str, **parameters: float) -> None:
    starting: list[Awaitable[int]] = [run.fault(watcher.name, name, **parameters) for watcher in watchers]
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*starting)


@pytest.fixture(scope="module")
def seen() -> dict[str, Seen]:
    return asyncio.run(scenario())


@pytest.mark.parametrize("name", EXCHANGES)
def test_books_equal_the_simulators(seen, name):
    found = seen[name]
    assert found.symbols
    assert found.equal == set(found.symbols)
    assert all(states[-1] == "live" for states in found.states["start"].values())


@pytest.mark.parametrize("name", EXCHANGES)
def test_books_stay_live_and_are_never_crossed(seen, name):
    found = seen[name]
    assert found.books > 10
    assert found.crossed == found.backwards == 0
    assert all("resyncing" not in states and states[-1] == "live" for states in found.states["calm"].values())
    assert found.quote_topics_changed == 0


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_cut_marks_books_until_they_come_again(seen, name):
    found = seen[name]
    assert all("lost" in states for states in found.states["drop"].values())
    assert found.recovered


@pytest.mark.parametrize("name", EXCHANGES)
def test_what_came_out_of_order_is_passed_over_or_marked(seen, name):
    """Whole books that are overtaken are dropped; a chain of changes that breaks is marked and begun anew."""
    found = seen[name]
    assert all(states[-1] == "live" for states in found.states["out_of_order"].values())
    assert not any("off" in states for states in found.states["out_of_order"].values())


def test_a_broken_chain_of_changes_is_marked(seen):
    assert seen["bybit"].gaps > 0
    assert any("resyncing" in states for states in seen["bybit"].states["out_of_order"].values())


@pytest.mark.parametrize("name", EXCHANGES)
def test_books_nobody_looks_at_are_given_up(seen, name):
    assert seen[name].dropped
