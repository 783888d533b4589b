"""The desk: one market being watched, judged once per tick for all who look at it.

It owns the source (live, demo or replay), its store, its feed and its memory, and the thread that judges. Pages and
API only read `judgement`, which is replaced as a whole; so a viewer costs next to nothing. Switching the source builds
all of it anew: simulated data never mixes with live history.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from analytics import funding
from analytics.detector import Detector, episode_rules
from analytics.episodes import EpisodeBook
from analytics.exits import expected_exits
from analytics.funnel import FunnelMinutes
from analytics.opportunities import Judgement, One, judge_one
from analytics.portions import Pause, no_pause, portions
from analytics.quality import Verdict, price_is_good
from analytics.quarantine import Misfit, Quarantine
from analytics.routes import Array, Pairs
from analytics.terms import Terms
from feeds.exchanges import EXCHANGES
from feeds.status import ExchangeStatus, Feed
from market.overrides import Change
from settings import Settings, read_overrides
from store.depth import Ladder, Wishes
from store.episodes import EpisodeFile
from store.funding import FundingLog
from store.ring import QuoteRing
from store.snapshot import SnapshotStore
from store.tape import Tape

logger = logging.getLogger(__name__)

BEAT_WITHIN_S = 1.5  # a feed thread that has not been heard for this long is stuck, and its quotes with it
LOOK_S = 30.0  # an order book is watched for this long after the last look at it
DETECT_EVERY_S, DETECT_WITHIN_S = 0.001, 0.02
PAUSE_S = 0.02  # the longest that a portion of the look at everything waits for what has changed
DELAYS = 20_000  # detection delays that are remembered
PAIRS_AT_ONCE = 60  # put into words and numbers
AGAIN = 8  # judgements of one view by other terms that are kept


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
    """One source with everything that belongs to it. detector: made by the desk that opens the market.

    delays: seconds from a change in the store to its judgement, of the last changes.
    """

    source: Source
    store: SnapshotStore
    feed: Feed
    ring: QuoteRing
    quarantine: Quarantine = field(default_factory=Quarantine)
    funding: FundingLog = field(default_factory=FundingLog)
    funnel: FunnelMinutes = field(default_factory=FunnelMinutes)
    tape: Tape = field(default_factory=Tape)
    detector: Detector = field(init=False)
    episode_file: EpisodeFile = field(init=False)
    delays: deque[float] = field(default_factory=lambda: deque(maxlen=DELAYS))

    def end(self) -> None:
        """Close what is open, on the thread that detects, once nothing of this market is judged any more."""
        self.detector.episodes.end(time.time())
        self.episode_file.close()

    def forget(self, exchange: str, symbol: str) -> None:
        """Drop what is remembered of a contract, because its name or unit now means another thing."""
        for memory in (self.ring, self.quarantine, self.funding):
            memory.forget(exchange, symbol)
        self.tape.forget(symbol, exchange)


@dataclass(slots=True)  # not frozen: to make one would take twelve times as long
class Opportunity:
    """One directed pair in words and numbers; units as in `analytics.opportunities.Pairs`. None is 'not known'.

    fees_bps: four fills and the reserve. alive_s: age of the gap. carry_bps: funding over the holding time, dated.
    break_even_h: until carry has paid what is missing. net_apr, net_apr_on_capital: fractions a year, carry included.
    """

    id: str
    symbol: str
    buy: str
    sell: str
    net_edge_bps: float | None
    gross_edge_bps: float | None
    walk_bps: float | None
    fresh_edge_bps: float | None
    exit_edge_bps: float | None
    expected_exit_bps: float | None
    expected_exit_samples: int
    fees_bps: float | None
    buy_price: float | None
    sell_price: float | None
    size: float | None
    notional: float | None
    profit: float | None
    capacity: float | None
    visible: float | None
    touch_only: bool
    alive_s: float | None
    buy_age_s: float | None
    sell_age_s: float | None
    carry_8h_bps: float | None
    carry_bps: float | None
    break_even_h: float | None
    net_apr: float | None
    net_apr_on_capital: float | None
    verdict: str
    actionable: bool


class View:
    """A judgement with what the readers want of it, each made once and shared."""

    def __init__(
        self, judgement: Judgement, status: tuple[ExchangeStatus, ...], market: Market, pause: Pause = no_pause
    ) -> None:
        """pause: called between portions of what is made of all pairs."""
        self.judgement = judgement
        self._pause = pause
        self.status = status
        self.market = market
        self._again: dict[Terms, View] = {}
        self._keeping = threading.Lock()
        self.quarantined = {key: misfit for key, misfit in market.quarantine.misfits.items() if misfit.held_since}

    @property
    def source(self) -> Source:
        """Where these numbers come from, which while the source is switched is not what the desk watches next."""
        return self.market.source

    @property
    def terms(self) -> Terms:
        return self.judgement.terms

    @property
    def min_net_bps(self) -> float:
        return self.terms.min_net_bps

    def by(self, terms: Terms) -> "View":
        """This moment judged by somebody else's terms. Takes some milliseconds the first time."""
        if terms == self.terms:
            return self
        found = self._again.get(terms)
        if found is None:
            judgement = self.market.detector.again(self.judgement, terms)
            found = View(judgement, self.status, self.market)
            with self._keeping:  # viewers ask from threads of their own
                while len(self._again) >= AGAIN:
                    self._again.pop(next(iter(self._again)))
                self._again[terms] = found
        return found

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

    def one(self, symbol: str, buy: str, sell: str) -> One | None:
        """One directed pair with all it was judged by, on the books as they are now; None if a leg is not listed."""
        grid = self.judgement.snapshot.grid
        if buy == sell or (buy, symbol) not in grid.instruments or (sell, symbol) not in grid.instruments:
            return None
        if symbol not in grid.symbol_index:
            return None
        route = grid.symbol_index[symbol], grid.exchange_index[buy], grid.exchange_index[sell]
        exits = expected_exits(self.market.ring, self.judgement.snapshot)
        return judge_one(self.judgement, route, exits, self.market.store.depths.get)

    def pair(self, symbol: str, buy: str, sell: str) -> Opportunity | None:
        """One directed pair, whether or not it is among the opportunities; None if a leg is not listed."""
        one = self.one(symbol, buy, sell)
        return None if one is None else self.told(one)

    def told(self, one: One) -> Opportunity:
        """One directed pair in words and numbers."""
        return _opportunities(self.judgement, one.pairs, one.snapshot.symbols)[0]

    @cached_property
    def opportunities(self) -> tuple[Opportunity, ...]:
        """All measured pairs: actionable first, refused last, best net edge first in each."""
        pairs, symbols = self.judgement.pairs, self.judgement.snapshot.symbols
        parts = portions(len(pairs), PAIRS_AT_ONCE, self._pause)
        return tuple(row for at in parts for row in _opportunities(self.judgement, pairs.ordered(at), symbols))


def _opportunities(judgement: Judgement, pairs: Pairs, symbols: tuple[str, ...]) -> tuple[Opportunity, ...]:
    """Pairs in words and numbers. symbols: what `pairs.symbol` counts."""
    grid = judgement.snapshot.grid
    numbers = {name: getattr(pairs, attribute) for name, attribute in _COLUMNS.items()}
    numbers["alive_s"] = judgement.time - pairs.since
    numbers |= _carried(judgement, pairs, symbols)
    # A column at a time: a row of its own dict each would cost several times as much.
    columns = dict[str, list[Any]](zip(numbers, _numbers(np.array([*numbers.values()])), strict=True))
    columns["symbol"] = [symbols[s] for s in pairs.symbol.tolist()]
    columns["buy"], columns["sell"] = ([grid.exchanges[e] for e in legs.tolist()] for legs in (pairs.buy, pairs.sell))
    columns["id"] = [":".join(route) for route in zip(columns["symbol"], columns["buy"], columns["sell"], strict=True)]
    columns["expected_exit_samples"] = pairs.exit_samples.astype(int).tolist()
    columns["touch_only"], columns["actionable"] = pairs.touch_only.tolist(), pairs.actionable.tolist()
    columns["verdict"] = [_LABELS[code] for code in pairs.verdict.tolist()]
    in_order = (columns[field.name] for field in fields(Opportunity))
    return tuple(Opportunity(*row) for row in zip(*in_order, strict=True))


_LABELS = {int(verdict): verdict.label for verdict in Verdict}
_COLUMNS = {
    "net_edge_bps": "net",
    "gross_edge_bps": "entry",
    "walk_bps": "walk",
    "fresh_edge_bps": "fresh",
    "exit_edge_bps": "exit_now",
    "expected_exit_bps": "expected_exit",
    "fees_bps": "cost",
    "buy_price": "buy_price",
    "sell_price": "sell_price",
    "size": "size",
    "notional": "notional",
    "profit": "profit",
    "capacity": "capacity",
    "visible": "visible",
    "buy_age_s": "buy_age",
    "sell_age_s": "sell_age",
    "carry_8h_bps": "carry_8h",
}


def _carried(judgement: Judgement, pairs: Pairs, symbols: tuple[str, ...]) -> dict[str, Array]:
    """What funding makes of each pair, held as long as the terms say."""
    terms, snapshot = judgement.terms, judgement.snapshot
    rows = pairs.symbol
    if symbols is not snapshot.symbols:
        rows = np.array([snapshot.grid.symbol_index[symbols[i]] for i in rows.tolist()], dtype=np.intp)
    long, short = (funding.leg_columns(snapshot, rows, leg) for leg in (pairs.buy, pairs.sell))
    carry = funding.carry_bps(long, short, judgement.time, terms.holding_h)
    entry = pairs.entry + pairs.walk
    hourly = funding.pair_carry_per_hour(long, short)
    apr = funding.net_apr(carry, pairs.cost, entry, pairs.expected_exit, terms.holding_h)
    return {
        "carry_bps": carry,
        "break_even_h": funding.break_even_hours(pairs.cost, entry, pairs.expected_exit, hourly),
        "net_apr": apr,
        "net_apr_on_capital": funding.on_capital(apr, terms.leverage, terms.leverage),
    }


def _numbers(columns: Array) -> list[list[float | None]]:
    """Plain numbers for people and JSON, shape (columns, n); what is not finite is not known."""
    numbers: list[list[float | None]] = columns.tolist()
    for row, unknown in zip(numbers, ~np.isfinite(columns), strict=True):
        for i in np.flatnonzero(unknown).tolist():
            row[i] = None
    return numbers


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
        self._threads: tuple[threading.Thread, ...] = ()
        self._wishes = Wishes(LOOK_S)
        self._limits = settings.limits()
        self._terms = settings.terms()
        self.market = self._opened(settings.source)
        self.judge_s = 0.0  # how long the last judgement took
        self.view = self._judge(self.market)

    def start(self) -> None:
        self.market.feed.start()
        self._threads = tuple(
            threading.Thread(target=target, name=name, daemon=True)
            for name, target in (("desk", self._run), ("detector", self._detect))
        )
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=2.0)
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

    def study(self, symbol: str, exchanges: Sequence[str]) -> None:
        """Record every change of mid of a symbol on these exchanges for a while: lead and lag need them."""
        grid = self.view.judgement.snapshot.grid
        self.market.tape.track(symbol, [name for name in exchanges if (name, symbol) in grid.instruments], time.time())

    def _ask_for_books(self, market: Market) -> None:
        """What somebody looks at comes first, then what would help to judge the gaps; the feeds have a cap."""
        looked = self._wishes.wanted(time.monotonic())
        gaps = market.detector.wishes()
        market.feed.watch_depth(
            {name: tuple(dict.fromkeys((*looked.get(name, ()), *gaps.get(name, ())))) for name in {**looked, **gaps}}
        )

    def _opened(self, source: str) -> Market:
        market = self._open_market(source)
        keep = self.settings.keep_in if not market.source.simulated else ""
        kept = Path(keep).expanduser() if keep else None
        if kept is not None:
            market.funding = FundingLog(kept / "funding.jsonl")
        market.episode_file = EpisodeFile(None if kept is None else kept / "episodes.jsonl")
        market.detector = Detector(
            market.store,
            market.ring,
            self._limits,
            self._terms,
            market.quarantine.mask,
            market.tape,
            EpisodeBook(episode_rules(self._terms), market.episode_file.append, market.episode_file.read()),
        )
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
                    self.market.forget(change.exchange, name)
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
                    market.ring.sample(judgement.snapshot, price_is_good(judgement.verdicts), judgement.time)
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

    def _detect(self) -> None:
        """Judge what changes as soon as it does."""
        market = self.market
        while not self._stop.is_set():
            if market is not self.market:
                market.end()
                market = self.market
            began = time.thread_time()
            try:
                told = market.detector.step(time.time())
                market.delays.extend((time.perf_counter() - told).tolist())
            except Exception:
                logger.exception("what changed could not be judged")  # as above: the next change is judged again
                self._stop.wait(self.settings.judge_every_s)
            # A rest of half its work, so that a machine that is slow gathers more changes and keeps up. What it had to
            # wait for the interpreter while others worked is not made longer by a rest.
            self._stop.wait(min(max((time.thread_time() - began) / 2.0, DETECT_EVERY_S), DETECT_WITHIN_S))
        market.end()

    def _judge(self, market: Market) -> View:
        now = time.time()
        beat = market.store.beat_time

        def pause() -> None:
            market.detector.at_rest.wait(PAUSE_S)

        judgement = market.detector.scan(now, beat is None or now - beat <= BEAT_WITHIN_S, pause)
        pause()
        for misfit in market.quarantine.observe(judgement.snapshot, judgement.verdicts, self._limits, now):
            _report(misfit)
        market.funding.observe(judgement.snapshot, now)
        market.funnel.observe(judgement)
        view = View(judgement, tuple(market.feed.status()), market, pause)
        pause()
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
