"""What is judged by event agrees with what a full scan finds, through thousands of random changes.

Held to: (1) a scan finds no gap that the steps have not followed, and none less; opened at the same moment. (2) At any
moment, every gap has the verdict and the numbers that `judge` gives the whole market with the same memory. (3) Of a row
that has just changed, every route that its quotes refuse is refused for the same reason.
"""

import numpy as np
import pytest
from msgspec import structs

from analytics.detector import LOOK_AGAIN_S, Detector
from analytics.edges import edges
from analytics.exits import expected_exits
from analytics.gaps import Gaps
from analytics.opportunities import Judgement, judge
from analytics.quality import Limits, Verdict
from analytics.terms import Terms
from market.models import Depth, Status
from store.grid import Grid
from store.ring import QuoteRing
from store.snapshot import SnapshotStore
from tests.store.scripted import NOW, funding, instrument, quote

EXCHANGES = ["binance", "bybit", "gate", "okx", "mexc"]
SYMBOLS = [f"C{i}-USDT" for i in range(8)]
ROUNDS, WRITES = 12, 40
Route = tuple[str, str, str]


class RandomMarket:
    """Prices walk together; each exchange stands off them for a while, dies, halts, or is listed anew."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.now = NOW
        self.store = SnapshotStore(EXCHANGES)
        self.price = dict.fromkeys(SYMBOLS, 100.0)
        self.off = {(name, symbol): 0.0 for name in EXCHANGES for symbol in SYMBOLS}
        self.listed = {name: list(SYMBOLS) for name in EXCHANGES}
        for name in EXCHANGES:
            self.list(name)
            for symbol in SYMBOLS:
                self.mark(name, symbol)
                self.quote(name, symbol)
        self.held: set[tuple[str, str]] = set()
        self.ring = QuoteRing()
        for k in range(30):
            self.ring.sample(self.store.snapshot(), self.store.grid.listed, NOW - 30.0 + k)
        self.terms = Terms(min_net_bps=2.0, notional=800.0)
        self.detector = Detector(self.store, self.ring, Limits(), self.terms, self.mask)

    def mask(self, grid: Grid) -> np.ndarray:
        mask = np.zeros(grid.listed.shape, dtype=bool)
        for name, symbol in self.held:
            if (name, symbol) in grid.instruments:
                mask[grid.symbol_index[symbol], grid.exchange_index[name]] = True
        return mask

    def list(self, name: str, halted: str = "") -> None:
        self.store.set_instruments(
            name,
            [
                instrument(name, symbol, taker_fee_bps=1.0 + EXCHANGES.index(name) / 2,
                           status=Status.HALTED if symbol == halted else Status.TRADING)
                for symbol in self.listed[name]
            ],
        )  # fmt: skip

    def quote(self, name: str, symbol: str) -> None:
        rng = self.rng
        bid = self.price[symbol] * (1.0 + self.off[name, symbol] + rng.normal() * 1e-5)
        ask = bid * (1.0 + rng.choice([1e-4, 2e-4, 3e-3], p=[0.7, 0.27, 0.03]))
        sizes = float(rng.uniform(0.5, 20.0)), float(rng.uniform(0.5, 20.0))
        if rng.random() < 0.02:
            bid = None
        self.store.write([quote(name, bid, ask, symbol, sizes=sizes, at=self.now)])

    def mark(self, name: str, symbol: str) -> None:
        follows = self.off[name, symbol] if self.rng.random() < 0.3 else 0.0
        price = self.price[symbol]
        self.store.write([funding(name, symbol, mark_price=price * (1.0 + follows), index_price=price, at=self.now)])

    def book(self, name: str, symbol: str) -> None:
        snapshot = self.store.snapshot()
        grid = snapshot.grid
        cell = grid.symbol_index[symbol], grid.exchange_index[name]
        bid, bid_size, ask, ask_size = snapshot.data[:4, *cell].tolist()
        if not bid < ask:
            return
        step = float(self.rng.choice([2e-4, 4e-3], p=[0.8, 0.2]))
        self.store.watch_depth(name, self.listed[name], ())
        bids = ((bid, bid_size), (bid * (1.0 - step), 5.0))
        asks = ((ask, ask_size), (ask * (1.0 + step), 5.0))
        self.store.write([Depth(name, symbol, bids, asks, None, self.now)])

    def change(self) -> str:
        """One random thing happens; returns the symbol whose row it changed, '' for all of them."""
        rng = self.rng
        name = EXCHANGES[rng.integers(len(EXCHANGES))]
        symbol = str(rng.choice(self.listed[name]))
        what = rng.choice(
            ["quote", "move", "part", "mark", "book", "lose", "relist"], p=[0.45, 0.2, 0.15, 0.1, 0.05, 0.03, 0.02]
        )
        if what == "move":  # the market moves, and not everybody says so
            self.price[symbol] *= 1.0 + rng.normal() * 1e-3
            for other in EXCHANGES:
                if symbol in self.listed[other] and rng.random() < 0.8:
                    self.quote(other, symbol)
        elif what == "part":
            self.off[name, symbol] = float(rng.choice([0.0, rng.normal() * 3e-3]))
            self.quote(name, symbol)
        elif what == "mark":
            self.mark(name, symbol)
        elif what == "book":
            self.book(name, symbol)
        elif what == "lose":
            self.store.lose(name, [symbol])
        elif what == "relist":
            gone = str(rng.choice(SYMBOLS))
            self.listed[name] = [other for other in SYMBOLS if other != gone or rng.random() < 0.5]
            self.list(name, halted=str(rng.choice(SYMBOLS)) if rng.random() < 0.5 else "")
            return ""
        else:
            self.quote(name, symbol)
        return symbol

    def all_speak(self) -> None:
        """Else half of a market of so few changes would be too old to be of use."""
        for name in EXCHANGES:
            for symbol in self.listed[name]:
                if self.rng.random() < 0.9:
                    self.quote(name, symbol)
                if self.rng.random() < 0.9:
                    self.mark(name, symbol)

    # -- held against each other -------------------------------------------------------------------------------

    def followed(self) -> dict[Route, float]:
        """The gaps that the detector shows, and when each opened."""
        found = self.detector.candidates
        return {route: row.since for route, row in found.items() if row.since is not None}

    def whole(self, before: Judgement) -> Judgement:
        """The whole market judged now with the memory of an earlier judgement, its gaps followed to now."""
        snapshot, limits = self.store.snapshot(), Limits()
        grid = snapshot.grid
        gaps = Gaps(before.snapshot.grid)
        gaps.since, gaps.jumped, gaps.clean = before.since.copy(), before.jumped.copy(), before.clean.copy()
        gaps._entry = before_entries(before)
        gaps.on_grid(grid)
        every = np.arange(len(grid.symbols))
        usual = structs.replace(self.detector._usual, recent=self.detector._runs.recent(every, self.now))
        held = self.mask(grid)
        found = edges(snapshot, self.now, limits, self.terms.costs, usual, held=held)
        gaps.update(every, found, snapshot.told_at(), self.terms.min_net_bps)
        return judge(
            snapshot, self.now, expected_exits(self.ring, snapshot), limits, self.terms, most=1_000_000, held=held,
            usual=usual, since=gaps.since, jumped=gaps.jumped, clean=gaps.clean, books=self.store.depths.get,
            found=found,
        )  # fmt: skip


def before_entries(before: Judgement) -> np.ndarray:
    """The gross edges of an earlier judgement, NaN where the quotes are refused: what its look at the gaps noted."""
    found = edges(
        before.snapshot, before.time, before.limits, before.terms.costs, before.usual, before.feeds_alive, before.held
    )
    return np.where(found.pair == Verdict.OK, found.entry, np.nan)


def shown(judgement: Judgement) -> dict[Route, tuple[object, ...]]:
    """The gaps of a judgement with what is said of them."""
    pairs, snapshot = judgement.pairs, judgement.snapshot
    columns = (pairs.since, pairs.verdict, pairs.actionable, pairs.net, pairs.entry, pairs.size)
    return {
        (snapshot.symbols[pairs.symbol[i]], snapshot.exchanges[pairs.buy[i]], snapshot.exchanges[pairs.sell[i]]): tuple(
            column[i].item() for column in columns
        )
        for i in np.flatnonzero(pairs.gap)
    }


@pytest.mark.parametrize("seed", range(6))
def test_steps_and_scans_agree(seed):
    market = RandomMarket(seed)
    detector = market.detector
    detector.scan(market.now)
    gaps = passed = 0
    for _ in range(ROUNDS):
        market.all_speak()
        for _ in range(WRITES):
            market.now += float(market.rng.choice([0.002, 0.02, 0.09]))
            market.change()
            detector.step(market.now)
        if market.rng.random() < 0.3:
            market.held = {(EXCHANGES[market.rng.integers(5)], SYMBOLS[market.rng.integers(8)])}
            detector.scan(market.now)  # which takes note of them
        market.now += LOOK_AGAIN_S + 0.001  # all gaps are due
        detector.step(market.now)
        followed = market.followed()
        judgement = detector.scan(market.now)
        assert {route: row[0] for route, row in shown(judgement).items()} == followed

        market.now += LOOK_AGAIN_S + 0.001
        changed = {market.change() for _ in range(5)}
        detector.step(market.now)
        whole = market.whole(judgement)
        wanted = shown(whole)
        found = {
            route: (row.since, row.verdict, row.actionable, row.net_bps, row.gross_bps, row.size)
            for route, row in detector.candidates.items()
            if row.since is not None
        }
        assert found.keys() == wanted.keys()
        for route, row in found.items():
            # Figures of a gap that is refused for the same reason as before are those of when it began to be.
            figures = 6 if row[1] is Verdict.OK or row[1] >= Verdict.THIN_BOOK else 3
            assert row[:figures] == pytest.approx(wanted[route][:figures], nan_ok=True), route
        refused_agree(market, whole, changed)
        gaps += len(wanted)
        passed += whole.funnel.actionable
    assert gaps > 50
    assert passed > 10


def refused_agree(market: RandomMarket, whole: Judgement, changed: set[str]) -> None:
    """Of the rows that changed: a route that would pay and is refused by its quotes is a candidate with the reason."""
    grid = whole.snapshot.grid
    pairs = whole.pairs
    looked_at = set(grid.symbols) if "" in changed else changed & set(grid.symbols)
    worth = pairs.entry - pairs.cost >= market.terms.min_net_bps
    wanted = {
        (grid.symbols[pairs.symbol[i]], grid.exchanges[pairs.buy[i]], grid.exchanges[pairs.sell[i]]): Verdict(
            int(pairs.verdict[i])
        )
        for i in np.flatnonzero(~pairs.gap & worth & (pairs.verdict != Verdict.OK))
        if grid.symbols[pairs.symbol[i]] in looked_at
    }
    found = {
        route: row.verdict
        for route, row in market.detector.candidates.items()
        if row.since is None and route[0] in looked_at
    }
    assert found == wanted
