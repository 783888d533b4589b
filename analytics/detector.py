"""The detector: re-judges the symbols whose quotes changed, and follows each gap from its opening to its end.

`step` looks at what changed in the store since the last step and at the gaps that are due; `scan` looks at everything.
Both judge by the same functions and share the same memory of gaps, so that they agree. It keeps no clock: time is an
argument. `step` belongs to one thread, `scan` to another; what readers see is replaced as a whole.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.edges import Edges, Mask, edges
from analytics.episodes import EpisodeBook, Look, Rules
from analytics.exits import KeptExits, expected_exits
from analytics.gaps import Gaps
from analytics.opportunities import Judgement, judge
from analytics.portions import Pause, no_pause, portions
from analytics.quality import NOT_LISTED, OK, Codes, Limits, Verdict
from analytics.routes import Context, Pairs, judge_routes
from analytics.runs import Runs
from analytics.terms import Terms
from analytics.usual import Usual, nothing_usual, observe, on_grid
from analytics.verdicts import TESTS_WITH_BOOKS
from store.grid import Grid, with_fees
from store.ring import QuoteRing
from store.snapshot import Changed, Snapshot, SnapshotStore
from store.tape import Tape

Route = tuple[str, str, str]  # symbol, buy, sell
Ints = NDArray[np.intp]

NO_CANDIDATE = np.int8(-1)
NO_TIMES = np.empty(0)
LOOK_AGAIN_S = 0.25  # at a gap that has not changed: quotes age, books come
ROUNDED_S = 1e-6  # more than an epoch time is rounded by
LOOKS_AT_ONCE = 16  # at gaps that have not changed: what has changed waits for them
ROWS_AT_ONCE = 200  # of the whole market
WANTED_S = 15.0  # a book is watched for this long after the last gap
UNFOLLOWED_S = 1.0
CLOSE_BELOW_BPS = 2.0  # an episode closes this far below where it opens
DEBOUNCE_S = 0.5


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A directed pair whose touch clears the costs, as judged when that was last news.

    since: when the gap opened, None where the quotes themselves are refused. time, since: epoch s. size: coins,
    notional: quote. What is not known is NaN.
    """

    symbol: str
    buy: str
    sell: str
    since: float | None
    time: float
    verdict: Verdict
    actionable: bool
    net_bps: float
    gross_bps: float
    size: float
    notional: float


def never_held(grid: Grid) -> Mask:
    """No contract is in quarantine."""
    return np.zeros(grid.listed.shape, dtype=bool)


_VERDICTS = tuple(Verdict)  # by code
UNCONFIRMED, ANCHOR_SKEWED, WITH_BOOKS = (
    np.int8(verdict) for verdict in (Verdict.UNCONFIRMED, Verdict.ANCHOR_SKEWED, TESTS_WITH_BOOKS[0][0])
)
_FOLLOWED = (
    "symbol", "buy", "sell", "since", "verdict", "gap", "actionable", "net", "entry", "size", "notional", "cost",
)  # fmt: skip


def _positions(mask: Mask) -> tuple[Ints, ...]:
    """As `np.nonzero` of a mask of three axes, which takes ten times as long where few of many are set."""
    return np.unravel_index(np.flatnonzero(mask), mask.shape)


def episode_rules(terms: Terms) -> Rules:
    """When the episodes of a detector open and close."""
    return Rules(terms.min_net_bps, terms.min_net_bps - CLOSE_BELOW_BPS, DEBOUNCE_S)


class Detector:
    """Gaps, candidates and episodes of one market.

    candidates: by route. episodes: what became of those that were actionable. at_rest: unset while a step judges.
    """

    def __init__(
        self,
        store: SnapshotStore,
        ring: QuoteRing,
        limits: Limits,
        terms: Terms,
        held: Callable[[Grid], Mask] = never_held,
        tape: Tape | None = None,
        episodes: EpisodeBook | None = None,
    ) -> None:
        """held: which contracts are in quarantine, shape (S, E). tape: where mids of studied contracts go.
        episodes: the book to keep, by `episode_rules`; a new one by default.
        """
        self.limits = limits
        self.terms = terms
        self.candidates: dict[Route, Candidate] = {}
        self.episodes = episodes or EpisodeBook(episode_rules(terms))
        self._store = store
        self._ring = ring
        self._held_now = held
        self._tape = tape
        self._studied: dict[str, tuple[str, ...]] = {}  # by exchange
        self.at_rest = threading.Event()
        self.at_rest.set()
        self._lock = threading.Lock()
        self._alive = True
        self._due: dict[int, float] = {}  # row -> when to look at it again
        self._anchored: set[int] = set()  # rows to be looked at as soon as a mark of them changes
        self._wanted: dict[tuple[str, str], tuple[float, float]] = {}  # contract -> last gap, its promise
        self._time = 0.0
        self._steps = 0
        self._take_grid(store.grid, self._time)

    def _take_grid(self, grid: Grid, now: float) -> None:
        if not hasattr(self, "_gaps"):
            self._gaps, self._runs, self._usual = Gaps(grid), Runs(grid), nothing_usual(grid, now)
            self._exits = KeptExits(self._ring, grid)
        self._gaps.on_grid(grid)
        self._runs.on_grid(grid)
        self._exits.on_grid(grid)
        self._usual = on_grid(self._usual, grid)
        width = len(grid.exchanges)
        self._codes: Codes = np.full((len(grid.symbols), width, width), NO_CANDIDATE)
        self._stepped = np.zeros(len(grid.symbols), dtype=np.int64)  # the step in which each row was last judged
        self._held = self._held_now(grid)
        self._due, self._anchored = {}, set()
        self.candidates = {}

    def _on(self, grid: Grid, now: float) -> None:
        if self._gaps.grid is not grid:
            self._take_grid(grid, now)

    # -- everything --------------------------------------------------------------------------------------------

    def scan(self, now: float, feeds_alive: bool = True, pause: Pause = no_pause) -> Judgement:
        """Judge the whole market.

        Args:
            now: [epoch s]
            feeds_alive: False if what writes the quotes has stopped.
            pause: Called between portions of the work, with nothing locked.
        """
        with self._lock:
            self._alive = feeds_alive
            self._studied = {} if self._tape is None else self._tape.tracked(now)
            snapshot = self._store.snapshot()
            self._on(snapshot.grid, now)
            self._held = held = self._held_now(snapshot.grid)
            usual, begun = self._usual, self._steps
            recent = self._runs.recent(np.arange(len(snapshot.symbols), dtype=np.intp), now)
        # What is judged on the occasion of a change must not wait for the whole market.
        found = self._edges(snapshot, now, usual, feeds_alive, held, pause)
        pause()
        usual = observe(usual, snapshot, found.good, now)
        with self._lock:
            if self._gaps.grid is snapshot.grid:
                self._usual, gaps = usual, self._gaps
                rows = np.flatnonzero(self._stepped <= begun)  # of the others something newer is known
                gaps.update(rows, found.rows(rows), snapshot.told_at()[rows], self.terms.min_net_bps)
                # A gap may open without a change: a quarantine ends, an index moves, the feeds are back.
                for row in np.flatnonzero((~np.isnan(gaps.since)).any(axis=(1, 2))).tolist():
                    self._due.setdefault(row, now)
            else:  # something was listed meanwhile; the next scan is a second away
                gaps = Gaps(snapshot.grid)
            since, jumped, clean = gaps.since.copy(), gaps.jumped.copy(), gaps.clean.copy()
        pause()
        return judge(
            snapshot,
            now,
            expected_exits(self._ring, snapshot),
            self.limits,
            self.terms,
            feeds_alive=feeds_alive,
            held=held,
            usual=msgspec.structs.replace(usual, recent=recent),
            since=since,
            jumped=jumped,
            clean=clean,
            books=self._store.depths.get,
            found=found,
            pause=pause,
        )

    def _edges(
        self, snapshot: Snapshot, now: float, usual: Usual, feeds_alive: bool, held: Mask, pause: Pause
    ) -> Edges:
        parts = list[Edges]()
        for rows in portions(len(snapshot.symbols), ROWS_AT_ONCE, pause):
            cut = snapshot.rows(rows)
            known = usual.rows(rows, cut.grid)
            parts.append(edges(cut, now, self.limits, self.terms.costs, known, feeds_alive, held[rows]))
        return Edges.joined(parts)

    def again(self, judgement: Judgement, terms: Terms) -> Judgement:
        """The same moment judged by other terms.

        Of a gap that is not followed, nobody knows when it opened: it counts as `UNFOLLOWED_S` old, so that a leg that
        stands off the others must have spoken within that time of the other one.
        """
        snapshot = judgement.snapshot
        told_at = snapshot.told_at()
        unfollowed = np.isnan(judgement.since)
        opened = np.fmax(told_at[:, :, None], told_at[:, None, :]) - UNFOLLOWED_S
        if terms.fees != judgement.terms.fees:
            snapshot = replace(snapshot, grid=with_fees(snapshot.grid, terms.fees))
        return judge(
            snapshot,
            judgement.time,
            expected_exits(self._ring, judgement.snapshot),
            judgement.limits,
            terms,
            feeds_alive=judgement.feeds_alive,
            held=judgement.held,
            usual=msgspec.structs.replace(judgement.usual, grid=snapshot.grid),
            since=np.where(unfollowed, opened, judgement.since),
            jumped=judgement.jumped | unfollowed,
            clean=np.where(unfollowed, opened, judgement.clean),
            books=self._store.depths.get,
        )

    # -- what changed ------------------------------------------------------------------------------------------

    def step(self, now: float) -> NDArray[np.float64]:
        """Judge what changed since the last step, and gaps that are due. now: [epoch s]

        Changed marks are taken at once where a verdict hangs on them, else with the next quote or look at the row.

        Returns when each changed row was first told, by `time.perf_counter`. [s]
        """
        self._time = now
        told = NO_TIMES
        with self._lock:  # taken under it, lest a scan that has seen more is followed by this
            due = sorted((at, row) for row, at in self._due.items() if at <= now)[:LOOKS_AT_ONCE]
            if due or self._store.is_changed(self._anchored):
                self.at_rest.clear()
                try:
                    told = self._judge_changed([row for _, row in due], now)
                finally:
                    self.at_rest.set()
            self._end_unlisted(now)
        self.episodes.tick(now)
        return told

    def _judge_changed(self, due: Sequence[int], now: float) -> NDArray[np.float64]:
        changed = self._store.take_changed(due, self._anchored)
        if len(changed.rows):
            self._on(changed.grid, now)
            self._judge_rows(changed, now)
        told: NDArray[np.float64] = changed.told[~np.isnan(changed.told)]
        return told

    def _judge_rows(self, changed: Changed, now: float) -> None:
        rows, snapshot = changed.rows, changed.snapshot
        self._steps += 1
        self._stepped[rows] = self._steps
        usual = self._usual.rows(rows, snapshot.grid)
        found = edges(snapshot, now, self.limits, self.terms.costs, usual, self._alive, self._held.take(rows, 0))
        told_at = snapshot.told_at()
        self._runs.look(rows, found.mids, found.middle, told_at, now)
        self._gaps.update(rows, found, told_at, self.terms.min_net_bps)
        since = self._gaps.since.take(rows, 0)
        codes = np.full(found.pair.shape, NO_CANDIDATE)
        with np.errstate(invalid="ignore"):
            refused = (found.pair > NOT_LISTED) & (found.promise >= self.terms.min_net_bps)
        codes[refused] = found.pair[refused]
        followed = ~np.isnan(since)
        opened = self._open_on(snapshot)
        for position in opened:
            followed[position] = True
        s, buy, sell = _positions(followed)
        for row in rows.tolist():
            self._due.pop(row, None)
        self._anchored.difference_update(rows.tolist())
        if len(s):
            usual = msgspec.structs.replace(usual, recent=self._runs.recent(rows, now))
            context = Context(
                self.terms, self.limits, usual, since, self._gaps.jumped.take(rows, 0), self._gaps.clean.take(rows, 0),
                self._exits.of(snapshot, rows, now), self._store.depths.get,
            )  # fmt: skip
            pairs = judge_routes(snapshot, now, found, context, s, buy, sell)
            codes[s, buy, sell] = np.where(pairs.gap, pairs.verdict, codes[s, buy, sell])
            refused = (pairs.verdict != OK) & (pairs.verdict != UNCONFIRMED)
            self._gaps.judged(
                rows[pairs.symbol[pairs.gap]], pairs.buy[pairs.gap], pairs.sell[pairs.gap], refused[pairs.gap], now
            )
            self._follow(snapshot, rows, pairs, now)
            self._anchored.update(int(rows[row]) for row, _, _ in opened)
        self._note_refused(snapshot, rows, codes, found, now)
        self._codes[rows] = codes
        if self._studied:
            self._record(snapshot, found)

    def _record(self, snapshot: Snapshot, found: Edges) -> None:
        """Write the mids of studied contracts on the tape."""
        at = {symbol: row for row, symbol in enumerate(snapshot.symbols)}
        fields = ("received_time", "event_time")
        for exchange, symbols in self._studied.items():
            e = snapshot.grid.exchange_index[exchange]
            for symbol in symbols:
                row = at.get(symbol)
                if row is None:
                    continue
                received, event = (float(snapshot[name][row, e]) for name in fields)
                self._tape.add(  # type: ignore[union-attr]
                    symbol,
                    exchange,
                    received_time=received,
                    event_time=event + float(snapshot.floor_s[e]),
                    mid=float(found.mids[row, e]),
                )

    def _end_unlisted(self, now: float) -> None:
        """End the episodes of symbols that nobody lists any more: no row will ever tell of them."""
        listed, nan = self._gaps.grid.symbol_index, float("nan")
        for symbol, buy, sell in [route for route in self.episodes.open if route[0] not in listed]:
            self.episodes.observe(Look(symbol, buy, sell, now, nan, Verdict.NOT_LISTED, nan, nan, nan, nan))

    def _open_on(self, snapshot: Snapshot) -> list[tuple[int, int, int]]:
        """Positions on a cut snapshot of the routes whose episode is open."""
        opened = self.episodes.open
        if not opened:
            return []
        at = {symbol: row for row, symbol in enumerate(snapshot.symbols)}
        column = snapshot.grid.exchange_index
        return [(at[symbol], column[buy], column[sell]) for symbol, buy, sell in list(opened) if symbol in at]

    def _follow(self, snapshot: Snapshot, rows: Ints, pairs: Pairs, now: float) -> None:
        """Tell the episodes of gaps, keep their candidates, and note when to look again.

        Of a gap that is refused for the same reason as before there is nothing new to be told.
        """
        symbols, exchanges, episodes = snapshot.symbols, snapshot.exchanges, self.episodes
        for row in rows[np.unique(pairs.symbol)].tolist():
            self._due[row] = now + LOOK_AGAIN_S
        before = self._codes[rows[pairs.symbol], pairs.buy, pairs.sell]
        hopeful = (pairs.verdict == OK) | (pairs.verdict >= WITH_BOOKS)
        by_mark = (hopeful | (pairs.verdict == ANCHOR_SKEWED)) & pairs.gap
        self._anchored.update(rows[pairs.symbol[by_mark]].tolist())
        news = hopeful | (pairs.gap & (pairs.verdict != before))
        if episodes.open:
            news |= ~pairs.gap | np.array(
                [
                    (symbols[s], exchanges[b], exchanges[e]) in episodes.open
                    for s, b, e in zip(pairs.symbol.tolist(), pairs.buy.tolist(), pairs.sell.tolist(), strict=True)
                ]
            )
        columns = zip(*(getattr(pairs, name)[news].tolist() for name in _FOLLOWED), hopeful[news].tolist(), strict=True)
        for s, b, e, since, code, gap, actionable, net, gross, size, notional, cost, hope in columns:
            symbol, buy, sell = route = symbols[s], exchanges[b], exchanges[e]
            verdict = _VERDICTS[code]
            if gap and hope:
                for contract in ((buy, symbol), (sell, symbol)):
                    last, most = self._wanted.get(contract, (now, -np.inf))
                    self._wanted[contract] = now, max(gross - cost, most) if last == now else gross - cost
            if (
                gap
                and verdict is Verdict.OK
                and route in episodes.open
                and self._just_said(route, (since, net, gross, size), now)
            ):
                continue  # it is another exchange that has changed
            if gap:
                self.candidates[route] = Candidate(
                    symbol, buy, sell, since, now, verdict, actionable, net, gross, size, notional
                )
                if verdict is Verdict.UNCONFIRMED:
                    row = int(rows[s])
                    due = self._gaps.clean[row, b, e] + self.limits.reaction_s
                    if due > now - ROUNDED_S:  # else it is its exchange that is waited for
                        self._due[row] = min(due, self._due[row])
            if route in episodes.open or (gap and verdict in (Verdict.OK, Verdict.UNCONFIRMED)):
                if not gap:  # what its exit is expected to earn does not keep open what the touch has lost
                    net = min(net, gross - cost)
                episodes.observe(Look(symbol, buy, sell, now, since, verdict, net, gross, size, notional))

    def _just_said(self, route: Route, figures: tuple[float, float, float, float], now: float) -> bool:
        """Whether all that there is to be said of an opportunity has just been said."""
        told = self.candidates.get(route)
        return (
            told is not None
            and told.verdict is Verdict.OK
            and now - told.time < LOOK_AGAIN_S
            and (told.since, told.net_bps, told.gross_bps, told.size) == figures
        )

    def _note_refused(self, snapshot: Snapshot, rows: Ints, codes: Codes, found: Edges, now: float) -> None:
        """Keep the candidates that their quotes refuse, where the reason is new, and drop those that are none."""
        symbols, exchanges = snapshot.symbols, snapshot.exchanges
        changed = _positions(codes != self._codes.take(rows, 0))
        for s, b, e in zip(*(axis.tolist() for axis in changed), strict=True):
            route = symbols[s], exchanges[b], exchanges[e]
            if codes[s, b, e] == NO_CANDIDATE:
                self.candidates.pop(route, None)
            elif codes[s, b, e] == found.pair[s, b, e] != OK:
                gross = float(found.entry[s, b, e])
                nan = float("nan")
                self.candidates[route] = Candidate(
                    *route,
                    None,
                    now,
                    _VERDICTS[codes[s, b, e]],
                    False,
                    float(found.promise[s, b, e]),
                    gross,
                    nan,
                    nan,
                )

    # -- what follows ------------------------------------------------------------------------------------------

    def wishes(self) -> Mapping[str, tuple[str, ...]]:
        """The order books that would help to judge the gaps, by exchange, the most promising first."""
        with self._lock:
            self._wanted = {key: last for key, last in self._wanted.items() if self._time - last[0] < WANTED_S}
            ordered = sorted(self._wanted.items(), key=lambda item: -item[1][1])
        found: dict[str, list[str]] = {}
        for (exchange, symbol), _ in ordered:
            found.setdefault(exchange, []).append(symbol)
        return {exchange: tuple(symbols) for exchange, symbols in found.items()}
