"""Every directed pair judged at once: what it would earn, at which size, and why it may not.

`judge` is the one place where a snapshot becomes opportunities; pages and API show its result.
"""

from dataclasses import dataclass, field

import numpy as np

from analytics import spreads
from analytics.edges import Edges, edges
from analytics.portions import Pause, no_pause, portions
from analytics.quality import NOT_LISTED, OK, Codes, Limits, Verdict
from analytics.routes import Array, Books, Context, ExpectedExit, Ints, Mask, Pairs, judge_routes, no_books
from analytics.terms import Terms
from analytics.usual import Usual, nothing_usual, on_grid
from store.grid import Matrix
from store.snapshot import Snapshot


@dataclass(frozen=True)
class Funnel:
    """How many directed pairs pass each gate: listed on both sides, fresh, ranked, net above zero, confirmed."""

    seen: int
    fresh: int
    tradable: int
    net_positive: int
    actionable: int


@dataclass(frozen=True)
class Judgement:
    """Everything the pages and the API say about one snapshot. Matrices have shape (S, E).

    time: when it was judged. verdicts: first reason against the price of each quote. age_s: since receipt.
    deviation_bps: of good mids only. dispersion_bps: (S,). reasons: refused pairs by first reason. codes: of every
    directed pair, shape (S, E, E). The rest is what it was judged by: see `judge`.
    """

    snapshot: Snapshot
    time: float
    verdicts: Codes
    mid: Matrix
    deviation_bps: Matrix
    dispersion_bps: Array
    age_s: Matrix
    pairs: Pairs
    funnel: Funnel
    reasons: dict[Verdict, int]
    codes: Codes = field(repr=False)
    terms: Terms
    limits: Limits
    usual: Usual = field(repr=False)
    since: Array = field(repr=False)
    jumped: Mask = field(repr=False)
    clean: Array = field(repr=False)
    held: Mask | None = field(repr=False)
    feeds_alive: bool


ROUTES_AT_ONCE = 200
_FRESHNESS = (Verdict.NO_QUOTE, Verdict.FEED_LOST, Verdict.STALE_LEG, Verdict.LAGGING)


def judge(
    snapshot: Snapshot,
    now: float,
    expected_exit: ExpectedExit,
    limits: Limits,
    terms: Terms,
    *,
    most: int = 1_500,
    feeds_alive: bool = True,
    held: Mask | None = None,
    usual: Usual | None = None,
    since: Array | None = None,
    jumped: Mask | None = None,
    clean: Array | None = None,
    books: Books = no_books,
    found: Edges | None = None,
    pause: Pause = no_pause,
) -> Judgement:
    """Judge every directed pair of a snapshot.

    Args:
        snapshot: What is known.
        now: The time to judge at. [epoch s]
        expected_exit: What closing is expected to earn; asked for the `most` most promising pairs only.
        limits: Which quotes are good.
        terms: What the user asks for.
        most: How many of the promising pairs to look at closely; of those that their quotes refuse, a quarter as many.
        feeds_alive: False if what writes the quotes has stopped.
        held: Contracts in quarantine, shape (S, E).
        usual: What is usual for each contract; by default nothing is known of it.
        since: When each gap opened, shape (S, E, E) [epoch s]; by default long ago.
        jumped: Which gaps came at once, same shape; by default all.
        clean: Since when nothing but its youth spoke against each gap, same shape; by default since it opened.
        books: The order books that are watched.
        found: The edges of this snapshot by the same terms, where they are known already.
        pause: Called now and then.
    """
    grid = snapshot.grid
    shape = (len(grid.symbols), len(grid.exchanges), len(grid.exchanges))
    since = np.full(shape, -np.inf) if since is None else since
    context = Context(
        terms=terms,
        limits=limits,
        usual=nothing_usual(grid, now) if usual is None else on_grid(usual, grid),
        since=since,
        jumped=np.ones(shape, dtype=bool) if jumped is None else jumped,
        clean=since if clean is None else clean,
        expected_exit=expected_exit,
        books=books,
    )
    if found is None:
        found = edges(snapshot, now, limits, terms.costs, context.usual, feeds_alive, held)
    mid = spreads.mid_price(snapshot["bid_price"], snapshot["ask_price"])
    deviation = spreads.deviation_bps(found.mids)
    fit = found.pair == OK
    with np.errstate(invalid="ignore"):
        pays = found.promise >= terms.min_net_bps
    gaps = _best(found.promise, fit & pays, most)
    # However many gaps there are, the nearest of those that do not pay are among what is looked at.
    good = np.concatenate([gaps, _best(found.promise, fit & ~pays, max(most - len(gaps), most // 4))])
    refused = _best(found.promise, (found.pair > NOT_LISTED) & (found.promise > 0.0), most // 4)
    chosen = np.concatenate([good, refused])
    s, buy, sell = np.unravel_index(chosen, shape) if chosen.size else (np.empty(0, np.intp),) * 3
    parts = portions(len(s), ROUTES_AT_ONCE, pause)
    pairs = Pairs.joined([judge_routes(snapshot, now, found, context, s[at], buy[at], sell[at]) for at in parts])
    codes = found.pair.copy()
    codes[s, buy, sell] = pairs.verdict
    order = np.lexsort((-np.nan_to_num(pairs.net, nan=-np.inf), ~pairs.actionable, pairs.verdict != OK))
    pairs = pairs.ordered(order)
    counts = np.bincount(codes.ravel(), minlength=len(Verdict))
    legs = np.bincount(found.pair.ravel(), minlength=len(Verdict))
    seen = int(legs.sum() - legs[Verdict.NOT_LISTED])
    stale = int(sum(legs[verdict] for verdict in _FRESHNESS))
    positive = int(np.sum((pairs.verdict == OK) & (pairs.net > 0.0)))
    return Judgement(
        snapshot=snapshot,
        time=now,
        verdicts=found.legs,
        mid=mid,
        deviation_bps=deviation,
        dispersion_bps=spreads.dispersion_bps(deviation),
        age_s=snapshot.age_s(now),
        pairs=pairs,
        funnel=Funnel(seen, seen - stale, int(legs[Verdict.OK]), positive, int(pairs.actionable.sum())),
        reasons={
            verdict: int(counts[verdict]) for verdict in Verdict if verdict > Verdict.NOT_LISTED and counts[verdict]
        },
        codes=codes,
        terms=terms,
        limits=limits,
        usual=context.usual,
        since=context.since,
        jumped=context.jumped,
        clean=context.clean,
        held=held,
        feeds_alive=feeds_alive,
    )


@dataclass(frozen=True)
class One:
    """One directed pair as of a judgement, with the row of the market that it was judged on; arrays have one row."""

    snapshot: Snapshot
    time: float
    found: Edges
    context: Context
    pairs: Pairs


def judge_one(judgement: Judgement, route: tuple[int, int, int], exits: ExpectedExit, books: Books) -> One:
    """Judge one directed pair as of a judgement, whether or not it was looked at closely then.

    route: symbol, buy, sell as positions on the snapshot. exits: what closing is expected to earn, by positions on the
    whole snapshot. books: as they are now.
    """
    row, buy, sell = route
    index = np.array([row])
    cut = judgement.snapshot.rows(index)
    usual = judgement.usual.rows(index, cut.grid)
    limits, terms = judgement.limits, judgement.terms
    held = None if judgement.held is None else judgement.held[index]
    found = edges(cut, judgement.time, limits, terms.costs, usual, judgement.feeds_alive, held)

    def of_row(_symbol: Ints, b: Ints, e: Ints) -> tuple[Array, Array]:
        return exits(index, b, e)

    since, jumped, clean = (memory[index] for memory in (judgement.since, judgement.jumped, judgement.clean))
    context = Context(terms, limits, usual, since, jumped, clean, of_row, books)
    pairs = judge_routes(cut, judgement.time, found, context, np.array([0]), np.array([buy]), np.array([sell]))
    return One(cut, judgement.time, found, context, pairs)


def _best(promise: Array, allowed: Mask, most: int) -> Ints:
    """Flat positions of the `most` largest promises among the allowed, in no particular order."""
    flat = np.flatnonzero(allowed & ~np.isnan(promise))
    if len(flat) > most:
        flat = flat[np.argpartition(promise.ravel()[flat], -most)[-most:]]
    return flat
