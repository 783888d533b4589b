"""Episodes: when an opportunity opened, how high it rose, how long it lived, and what ended it.

A detector looks at routes and tells what it saw; the book makes episodes of it. A look holds until the next one: what
stood in between is the last net that was seen. Source: docs/decisions.md, 'Episodes'.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from heapq import nlargest
from itertools import chain
from math import inf, nan
from operator import attrgetter
from urllib.parse import quote

import msgspec

from analytics.quality import Verdict
from store.episodes import KEPT, Episode, Reason

Route = tuple[str, str, str]  # symbol, buy, sell

AFTER_S = (0.1, 0.25, 0.5)  # when the edge is measured again, from the opening on
FORGET_S = 60.0  # a gap that was seen and never confirmed, and an end that may yet be continued

# Verdicts that say that the quotes are gone.
_AT_ONCE: Mapping[Verdict, Reason] = {
    Verdict.FEED_LOST: Reason.VENUE_LOST,
    Verdict.NOT_LISTED: Reason.HALTED,
    Verdict.NOT_TRADING: Reason.HALTED,
    Verdict.NO_QUOTE: Reason.QUOTE_STALE,
    Verdict.STALE_LEG: Reason.QUOTE_STALE,
    Verdict.LAGGING: Reason.QUOTE_STALE,
    Verdict.ONE_SIDED: Reason.QUOTE_STALE,
    Verdict.CROSSED: Reason.QUOTE_STALE,
}
_ENDS = tuple(_AT_ONCE.get(verdict) for verdict in Verdict)  # by code: to hash an enum would take longer than the rest


class Look(msgspec.Struct, frozen=True, gc=False):
    """A route as the detector sees it at a moment. Times are UTC epoch seconds.

    since: when the gap that is there now opened. net_bps, gross_bps: NaN where not known. size: base coins; notional:
    quote currency; both NaN where not known.
    """

    symbol: str
    buy: str
    sell: str
    time: float
    since: float
    verdict: Verdict
    net_bps: float
    gross_bps: float
    size: float
    notional: float


@dataclass(frozen=True, slots=True)
class Rules:
    """When an episode opens and closes. Net edges in bps; debounce_s: how long it may be below before it is over.

    Raises:
        ValueError: If it would close as soon as it opens.
    """

    open_bps: float
    close_bps: float
    debounce_s: float

    def __post_init__(self) -> None:
        if not self.close_bps < self.open_bps:
            raise ValueError(f"episodes must close below where they open: {self.close_bps} and {self.open_bps} bps")
        if not self.debounce_s >= 0.0:
            raise ValueError(f"a debounce cannot be {self.debounce_s} s")


class EpisodeBook:
    """All episodes. One thread calls observe, tick and end; any thread reads the rest.

    open: by route. Another mapping when one opens or closes; in between, a route's newer record takes the place of the
    older one. closed: the one that ended last first, `keep` of them. version: grows with every change.
    """

    def __init__(
        self,
        rules: Rules,
        on_close: Callable[[Episode], object] | None = None,
        past: Iterable[Episode] = (),
        keep: int = KEPT,
    ) -> None:
        """on_close: told every episode that ends, and again one that was continued. past: ended ones, newest first."""
        self.rules = rules
        self.closed = tuple(past)[:keep]
        self.version = 0
        self._on_close = on_close
        self._keep = keep
        self._open: dict[Route, Episode] = {}
        self._running: dict[Route, _Life] = {}
        self._before: dict[Route, _Life] = {}  # not yet confirmed, or over and perhaps continued
        self._ending: set[Route] = set()  # those with a debounce that runs
        self._young: set[Route] = set()  # those with an edge still to be measured
        # When each route's last episode ended, and the milliseconds in its id: the next begins after it.
        self._ended: dict[Route, tuple[float, int]] = {}
        for episode in reversed(self.closed):
            route = (episode.symbol, episode.buy, episode.sell)
            self._ended[route] = (episode.closed or episode.seen, round(episode.opened * 1e3))
        self._swept = -inf

    @property
    def open(self) -> Mapping[Route, Episode]:
        return self._open

    def observe(self, look: Look) -> None:
        """Take one look at a route. Times of a route must not go back."""
        route = (look.symbol, look.buy, look.sell)
        life = self._running.get(route)
        if life is not None and not self._ran_out(route, life, look.time):
            self._follow(route, life, look)
            return
        verdict, net = look.verdict, look.net_bps
        if (verdict is Verdict.OK or verdict is Verdict.UNCONFIRMED) and self.rules.open_bps <= net < inf:
            self._approach(route, look)
            return
        life = self._before.get(route)
        if life is not None and life.closed is None:
            del self._before[route]
        elif life is not None:
            life.take(look)
            life.back = nan

    def tick(self, time: float) -> None:
        """End the debounces that have run out, and measure the edges that are due."""
        for route in tuple(self._ending):
            self._ran_out(route, self._running[route], time)
        for route in tuple(self._young):
            life = self._running[route]
            if life.measure(time):
                self._show(route, life)
            if life.measured == len(AFTER_S):
                self._young.discard(route)
        if time - self._swept >= FORGET_S:
            self._swept = time
            for route in [route for route, life in self._before.items() if time - life.seen > FORGET_S]:
                del self._before[route]

    def end(self, time: float) -> None:
        """Close what is open: nobody looks any more. Such episodes are 'still open at the end'."""
        self.tick(time)
        for route, life in tuple(self._running.items()):
            life.advance(time)
            self._close(route, life, life.moment(life.best), Reason.STILL_OPEN, None)
        self._before.clear()

    def every(self) -> list[Episode]:
        """All that are open or held, each once though one may close while they are read."""
        return list({episode.id: episode for episode in chain(self._open.values(), self.closed)}.values())

    def newly_opened(self, n: int) -> tuple[Episode, ...]:
        """The last `n` that were confirmed, newest first, whether they are open still or not."""
        return tuple(nlargest(n, self.every(), key=attrgetter("confirmed")))

    # -- the detector's thread ---------------------------------------------------------------------------------

    def _approach(self, route: Route, look: Look) -> None:
        """A gap that stands: the beginning of an episode, or of one that is continued, once it is confirmed."""
        life = self._before.get(route)
        if life is None or not life.goes_on(look, self.rules.debounce_s):
            ended, _ = self._ended.get(route, (-inf, 0))
            life = self._before[route] = _Life(look, ended)
        life.take(look)
        if look.verdict is not Verdict.OK:
            return
        del self._before[route]
        if life.closed is None:
            _, last_ms = self._ended.get(route, (-inf, -1))
            life.begin(look.time, max(round(life.opened * 1e3), last_ms + 1))
        else:
            life.resume()
            self.closed = tuple(episode for episode in self.closed if episode.id != life.id)
        self._running[route] = life
        if life.measured < len(AFTER_S):
            self._young.add(route)
        self._open = {**self._open, route: life.episode()}
        self.version += 1

    def _follow(self, route: Route, life: "_Life", look: Look) -> None:
        verdict, best = look.verdict, life.best
        life.take(look)
        reason = _ENDS[verdict]
        if reason is not None:
            self._close(route, life, life.moment(best), reason, verdict.label)
            return
        if life.net >= self.rules.close_bps:
            life.below = None
        elif life.below is None:  # what is not known cannot be said to stand
            life.below = life.moment(best)
        if verdict is Verdict.OK:
            life.refused = None
        elif life.refused is None:
            life.refused, life.refusal = life.moment(best), verdict.label
        if life.below is None and life.refused is None:
            self._ending.discard(route)
        else:
            self._ending.add(route)
        self._show(route, life)

    def _show(self, route: Route, life: "_Life") -> None:
        self._open[route] = life.episode()
        self.version += 1

    def _ran_out(self, route: Route, life: "_Life", time: float) -> bool:
        """Close an episode that has been below or refused for too long; of both, by what began first."""
        due = time - self.rules.debounce_s
        below, refused = life.below, life.refused
        if below is not None and below.time <= due and (refused is None or below.time <= refused.time):
            self._close(route, life, below, Reason.EDGE_GONE, None)
        elif refused is not None and refused.time <= due:
            self._close(route, life, refused, Reason.REFUSED, life.refusal)
        else:
            return False
        return True

    def _close(self, route: Route, life: "_Life", at: "_Moment", reason: Reason, detail: str | None) -> None:
        life.closed = at.time
        episode = life.episode(at, reason, detail)
        del self._running[route]
        self._ending.discard(route)
        self._young.discard(route)
        self._ended[route] = (at.time, life.ms)
        if reason is Reason.EDGE_GONE:
            self._before[route] = life
        self.closed = (episode, *self.closed[: self._keep - 1])
        left = dict(self._open)
        del left[route]
        self._open = left
        self.version += 1
        if self._on_close is not None:
            self._on_close(episode)


@dataclass(frozen=True, slots=True)
class _Moment:
    """What was known at a time. area: net times seconds, over span seconds for which it was known; best: the peak."""

    time: float
    area: float
    span: float
    best: Look


class _Life:
    """What is known of one gap, from its opening on. Only the detector's thread touches it."""

    __slots__ = (
        "area", "back", "below", "best", "closed", "confirmed", "edges", "held", "id", "looks", "measured", "ms", "net",
        "opened", "refusal", "refused", "route", "seen", "since", "span",
    )  # fmt: skip

    def __init__(self, look: Look, not_before: float) -> None:
        """What stood before the first look that was told is what this look says: its gap was there since it opened."""
        self.route: Route = (look.symbol, look.buy, look.sell)
        self.since = look.since
        opened = look.since if look.since <= look.time else look.time
        self.opened = self.seen = max(opened, not_before)
        self.best = look
        self.net = self.held = look.net_bps  # held: NaN where a verdict refuses the net
        self.area = self.span = 0.0
        self.edges: list[float | None] = [None] * len(AFTER_S)
        self.measured = 0
        self.looks = 0
        self.id, self.ms, self.confirmed = "", 0, nan
        self.below: _Moment | None = None  # where the net last fell below
        self.refused: _Moment | None = None  # where a verdict began to refuse it
        self.refusal = ""
        self.closed: float | None = None
        self.back = nan  # when the gap came back after the close

    def goes_on(self, look: Look, debounce_s: float) -> bool:
        """Whether a gap is the one that was seen before, or came back soon enough after its end."""
        if self.closed is None:
            return self.since == look.since
        if self.back != self.back:
            # A gap that is said to be older than the last look without it came back with this look.
            self.back = look.since if self.seen < look.since <= look.time else look.time
        return self.back - self.closed <= debounce_s

    def begin(self, time: float, ms: int) -> None:
        symbol, buy, sell = self.route
        self.confirmed, self.ms = time, ms
        # A percent sign would not survive a URL.
        self.id = f"{quote(symbol, safe='').replace('%', '~')}:{buy}:{sell}:{ms}"

    def resume(self) -> None:
        self.closed = self.below = self.refused = None
        self.back = nan

    def advance(self, time: float) -> None:
        """Let the last net stand until `time`."""
        passed = time - self.seen
        if passed > 0.0:
            if self.held == self.held:
                self.area += self.held * passed
                self.span += passed
            if self.measured < len(AFTER_S) and self.opened + AFTER_S[self.measured] < time:
                self._measure_before(time)
            self.seen = time

    def _measure_before(self, time: float) -> None:
        while self.measured < len(AFTER_S) and self.opened + AFTER_S[self.measured] < time:
            self.edges[self.measured] = self.held if self.held == self.held else None
            self.measured += 1

    def measure(self, time: float) -> bool:
        """Measure the edges that are due at `time`; whether there were any."""
        before = self.measured
        self._measure_before(time)
        return self.measured > before

    def take(self, look: Look) -> None:
        self.advance(look.time)
        net, verdict = look.net_bps, look.verdict
        self.net = net = net if -inf < net < inf else nan
        self.held = held = net if verdict is Verdict.OK or verdict is Verdict.UNCONFIRMED else nan
        self.looks += 1
        if held > self.best.net_bps:
            self.best = look

    def moment(self, best: Look) -> _Moment:
        """best: the peak before the look that was just taken, for that one no longer belongs to the episode."""
        return _Moment(self.seen, self.area, self.span, best)

    def episode(self, at: _Moment | None = None, reason: Reason | None = None, detail: str | None = None) -> Episode:
        """The record of now, or of its end at `at`."""
        edges = self.edges
        if at is None:
            area, span, best, closed = self.area, self.span, self.best, None
        else:
            area, span, best, closed = at.area, at.span, at.best, at.time
            edges = [edge if self.opened + s < at.time else None for edge, s in zip(edges, AFTER_S, strict=True)]
        symbol, buy, sell = self.route
        return Episode(
            id=self.id,
            symbol=symbol,
            buy=buy,
            sell=sell,
            opened=self.opened,
            confirmed=self.confirmed,
            seen=self.seen,
            closed=closed,
            reason=reason,
            detail=detail,
            net_bps=_known(self.net),
            peak_bps=best.net_bps,
            peak_time=best.time,
            gross_bps=_known(best.gross_bps),
            mean_bps=area / span if span > 0.0 else best.net_bps,
            size=_known(best.size),
            notional=_known(best.notional),
            edge_100ms_bps=edges[0],
            edge_250ms_bps=edges[1],
            edge_500ms_bps=edges[2],
            looks=self.looks,
        )


def _known(value: float) -> float | None:
    return value if -inf < value < inf else None
