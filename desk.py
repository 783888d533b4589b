"""The desk: one market being watched, judged once per tick for all who look at it.

It owns the source (live, demo or replay), its store, its feed and its memory, and the thread that judges. Pages and
API only read `judgement`, which is replaced as a whole; so a viewer costs next to nothing. Switching the source builds
all of it anew: simulated data never mixes with live history.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from analytics.opportunities import Array, Ints, Judgement, judge
from analytics.quality import Limits, Verdict
from analytics.quarantine import Misfit, Quarantine
from analytics.spreads import median_exit_bps
from feeds.exchanges import EXCHANGES
from feeds.status import ExchangeStatus, Feed
from market.overrides import Change
from settings import Settings, read_overrides
from store.depth import Ladder, Wishes
from store.ring import QuoteRing
from store.snapshot import SnapshotStore

logger = logging.getLogger(__name__)

BEAT_WITHIN_S = 1.5  # a feed thread that has not been heard for this long is stuck, and its quotes with it
LOOK_S = 30.0  # an order book is watched for this long after the last look at it
EXIT_POINTS = 60  # samples over the look-back behind an expected exit


@dataclass(frozen=True)
class Source:
    """Where the data come from. simulated: True for everything that is not the live market; detail: for the banner."""

    kind: Literal["live", "demo", "replay"]
    detail: str

    @property
    def simulated(self) -> bool:
        return self.kind != "live"


@dataclass
class Market:
    """One source with everything that belongs to it."""

    source: Source
    store: SnapshotStore
    feed: Feed
    ring: QuoteRing
    quarantine: Quarantine = field(default_factory=Quarantine)


@dataclass(frozen=True)
class Opportunity:
    """One directed pair in words and numbers; units as in `analytics.opportunities.Pairs`. None is 'not known'."""

    id: str
    symbol: str
    buy: str
    sell: str
    net_edge_bps: float | None
    gross_edge_bps: float | None
    exit_edge_bps: float | None
    expected_exit_bps: float | None
    expected_exit_samples: int
    fees_bps: float | None
    buy_price: float | None
    sell_price: float | None
    size: float | None
    notional: float | None
    profit: float | None
    buy_age_s: float | None
    sell_age_s: float | None
    carry_8h_bps: float | None
    verdict: str
    actionable: bool


class View:
    """A judgement with what the readers want of it, each made once and shared."""

    def __init__(
        self, judgement: Judgement, status: tuple[ExchangeStatus, ...], min_net_bps: float, market: Market
    ) -> None:
        self.judgement = judgement
        self.status = status
        self.min_net_bps = min_net_bps
        self.market = market
        self.quarantined = {key: misfit for key, misfit in market.quarantine.misfits.items() if misfit.held_since}

    @property
    def source(self) -> Source:
        """Where these numbers come from, which while the source is switched is not what the desk watches next."""
        return self.market.source

    def ladder(self, exchange: str, symbol: str) -> Ladder:
        """The order book of a contract as it is now: waiting if nothing came yet, off if nothing can come."""
        known = self.market.store.depths.get(exchange, symbol)
        grid = self.judgement.snapshot.grid
        row, column = grid.symbol_index.get(symbol), grid.exchange_index.get(exchange)
        trading = row is not None and column is not None and bool(grid.trading[row, column])
        running = all(status.state not in ("closed", "off") for status in self.status if status.exchange == exchange)
        if not (trading and running):
            return Ladder(exchange, symbol, "off", self.judgement.time)
        return known or Ladder(exchange, symbol, "waiting", self.judgement.time)

    @cached_property
    def opportunities(self) -> tuple[Opportunity, ...]:
        """All measured pairs: actionable first, refused last, best net edge first in each."""
        pairs, grid = self.judgement.pairs, self.judgement.snapshot.grid
        columns = {
            name: _numbers(getattr(pairs, attribute))
            for name, attribute in {
                "net_edge_bps": "net",
                "gross_edge_bps": "entry",
                "exit_edge_bps": "exit_now",
                "expected_exit_bps": "expected_exit",
                "fees_bps": "fees",
                "buy_price": "buy_price",
                "sell_price": "sell_price",
                "size": "size",
                "notional": "notional",
                "profit": "profit",
                "buy_age_s": "buy_age",
                "sell_age_s": "sell_age",
                "carry_8h_bps": "carry_8h",
            }.items()
        }
        rows = []
        for i in range(len(pairs)):
            symbol = grid.symbols[pairs.symbol[i]]
            buy, sell = grid.exchanges[pairs.buy[i]], grid.exchanges[pairs.sell[i]]
            values = {name: column[i] for name, column in columns.items()}
            verdict = Verdict(int(pairs.verdict[i]))
            rows.append(
                Opportunity(
                    id=f"{symbol}:{buy}:{sell}",
                    symbol=symbol,
                    buy=buy,
                    sell=sell,
                    expected_exit_samples=int(pairs.exit_samples[i]),
                    verdict=verdict.label,
                    actionable=bool(pairs.actionable[i]),
                    **values,
                )
            )
        return tuple(rows)


def _numbers(values: Array) -> list[float | None]:
    """Plain numbers for people and JSON; what is not finite is not known."""
    return [value if math.isfinite(value) else None for value in values.tolist()]


class Desk:
    """Runs one market at a time and judges it."""

    def __init__(self, settings: Settings, open_market: Callable[[str], Market]) -> None:
        """open_market: makes the market of a source ('live', 'demo', 'replay:FOLDER'), not yet started.

        Raises ConfigError if the override file of the settings cannot be used.
        """
        self.overrides = read_overrides(settings.overrides, EXCHANGES)
        self.settings = settings
        self._open_market = open_market
        self._switching = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._wishes = Wishes(LOOK_S)
        self._limits = Limits(stale_after_s=settings.stale_after_s, max_lag_s=settings.max_lag_s)
        self.market = self._opened(settings.source)
        self.judge_s = 0.0  # how long the last judgement took
        self.view = self._judge(self.market)

    def start(self) -> None:
        self.market.feed.start()
        self._thread = threading.Thread(target=self._run, name="desk", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)
        self.market.feed.stop()

    def switch(self, source: str) -> None:
        """Close this market and open another. Takes as long as both take: call it off the event loop."""
        with self._switching:
            market = self._opened(source)
            view = self._judge(market)
            old, self.market = self.market, market
            self.view = view
            self._wishes.clear()
            old.feed.stop()
            market.feed.start()
            logger.info("source is now %s", source)

    def look(self, symbol: str, exchanges: Sequence[str] = ()) -> None:
        """Have the order books of a symbol watched for a while, on all exchanges that list it or only on some."""
        grid = self.view.judgement.snapshot.grid
        names = [name for name in exchanges or grid.exchanges if (name, symbol) in grid.instruments]
        if self._wishes.look(symbol, names, time.monotonic()):
            self._ask_for_books(self.market)

    def _ask_for_books(self, market: Market) -> None:
        market.feed.watch_depth(self._wishes.wanted(time.monotonic()))

    def _opened(self, source: str) -> Market:
        market = self._open_market(source)
        if self.overrides.entries:
            market.feed.reload(self.overrides)
        return market

    def reload(self) -> list[Change]:
        """Read the override file again and apply it to what is listed; listings are read again, too.

        Takes as long as connections take to be made anew: call it off the event loop. Returns what changed.

        Raises:
            ConfigError: If the file cannot be used. The overrides of before stay.
            TimeoutError: If the feeds do not answer.
        """
        with self._switching:
            overrides = read_overrides(self.settings.overrides, EXCHANGES)
            changes = self.market.feed.reload(overrides)
            self.overrides = overrides
            # What was remembered under a name that now stands for another contract or unit is of no use.
            for change in changes:
                names = [] if change.what == "pairing" else [change.symbol]
                if change.what == "symbol" and change.before is not None:
                    names.append(str(change.before))
                for name in names:
                    self.market.ring.forget(change.exchange, name)
                    self.market.quarantine.forget(change.exchange, name)
            logger.info("%d overrides are in force; they changed %d listings", len(overrides), len(changes))
            return changes

    @property
    def source(self) -> Source:
        return self.market.source

    def _run(self) -> None:
        next_sample = 0.0
        while not self._stop.is_set():
            started = time.monotonic()
            market = self.market
            try:
                self._ask_for_books(market)  # again and again: wishes run out, and feeds start anew
                view = self._judge(market)
                if started >= next_sample:
                    judgement = view.judgement
                    market.ring.sample(judgement.snapshot, judgement.verdicts == Verdict.OK, judgement.time)
                    next_sample += market.ring.step_s
                    if next_sample <= started:  # at the start and after a pause: no catching up
                        next_sample = started + market.ring.step_s
                if market is self.market:
                    self.view = view
            except Exception:
                # The desk must outlive a bug in one judgement: the old view stays, and its age turns red.
                logger.exception("the market could not be judged")
            self.judge_s = time.monotonic() - started
            self._stop.wait(max(0.05, self.settings.judge_every_s - self.judge_s))

    def _judge(self, market: Market) -> View:
        snapshot = market.store.snapshot()

        def expected_exit(symbol: Ints, buy: Ints, sell: Ints) -> tuple[Array, Array]:
            return expected_exit_bps(market.ring, snapshot.symbols, snapshot.exchanges, symbol, buy, sell)

        now = time.time()
        beat = market.store.beat_time
        alive = beat is None or now - beat <= BEAT_WITHIN_S
        held = market.quarantine.mask(snapshot.grid)
        judgement = judge(
            snapshot, now, expected_exit, self._limits, self.settings.min_net_bps, feeds_alive=alive, held=held
        )
        for misfit in market.quarantine.observe(snapshot, judgement.verdicts, self._limits, now):
            _report(misfit)
        view = View(judgement, tuple(market.feed.status()), self.settings.min_net_bps, market)
        # Made here, on the desk's thread, so that no viewer waits for it.
        _ = view.opportunities
        return view


def _report(misfit: Misfit) -> None:
    if misfit.held_since is None:
        logger.info("%s on %s agrees with the others again and leaves quarantine", misfit.symbol, misfit.exchange)
    else:
        logger.warning(
            "%s on %s is in quarantine: its price is %.4g times that of the others",
            misfit.symbol, misfit.exchange, misfit.ratio,
        )  # fmt: skip


def expected_exit_bps(
    ring: QuoteRing, symbols: tuple[str, ...], exchanges: tuple[str, ...], symbol: Ints, buy: Ints, sell: Ints
) -> tuple[Array, Array]:
    """What closing each pair is expected to earn, by the ring: see `analytics.spreads.median_exit_bps`."""
    count = len(symbol)
    if count == 0 or len(ring) == 0:
        return np.full(count, np.nan), np.zeros(count)
    cells = np.concatenate([symbol * len(exchanges) + buy, symbol * len(exchanges) + sell])
    cells, where = np.unique(cells, return_inverse=True)
    keys = [(exchanges[cell % len(exchanges)], symbols[cell // len(exchanges)]) for cell in cells.tolist()]
    quotes = ring.closes(keys, EXIT_POINTS)
    return median_exit_bps(quotes[where[:count]], quotes[where[count:]])
