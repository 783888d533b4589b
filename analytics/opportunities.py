"""Every directed pair judged at once: what it would earn, at which size, and why it may not.

`judge` is the one place where a snapshot becomes opportunities; pages and API show its result. `judge_routes` judges
some pairs only, for the detector, by the same functions.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analytics import spreads
from analytics.edges import Edges, edges
from analytics.fills import Fillable, book_of, fillable
from analytics.fresh_edge import fresh_edge_bps
from analytics.quality import Codes, Limits, Verdict
from analytics.terms import Terms
from analytics.usual import Usual, nothing_usual, on_grid
from analytics.verdicts import Routes, first_reasons
from store.depth import Ladder
from store.snapshot import Matrix, Snapshot

Array = NDArray[np.float64]
Ints = NDArray[np.intp]
Mask = NDArray[np.bool_]

TOLD_S = 0.03  # two quotes that come this close together are of one moment
OFF_SHARE = 1.0 / 3.0  # of a gap, from which on a leg counts as off the others
LEAST_OTHERS = 2  # that make up what the others say

# (symbol, buy, sell) index arrays of n pairs -> expected exit edge (n,) [bps] and samples behind it (n,)
ExpectedExit = Callable[[Ints, Ints, Ints], tuple[Array, Array]]
Books = Callable[[str, str], Ladder | None]  # exchange, symbol -> the order book as it is now


def no_books(_exchange: str, _symbol: str) -> Ladder | None:
    """Nothing is watched."""
    return None


@dataclass(frozen=True)
class Pairs:
    """Directed pairs, best net edge first, actionable ones before refused ones. All arrays have shape (n,).

    symbol, buy, sell: positions on the snapshot's axes. Edges and costs are bps of the mean mid. entry: gross entry
    edge at the touch; walk: what the size loses against it, 0 or less; exit_now: at today's quotes; expected_exit:
    median over the look-back, of exit_samples samples; cost: four fills and reserve; net: entry + walk + expected_exit
    - cost. fresh: gap of the books over their own marks. size: coins of the user's notional that each gain the least
    that is asked, of a pair without a gap the touch; notional: size at the mean mid [quote]; profit: net on that
    notional [quote]. capacity: largest notional whose average clears the least, visible: to which both books are known
    [quote], NaN where no gap is. touch_only: whether no more than the touch is known. buy_price, sell_price [quote per
    coin]. buy_age, sell_age: seconds since receipt. since: when the gap opened [epoch s], NaN without one. carry_8h:
    bps of funding earned in eight hours, NaN if unknown. verdict: `Verdict` codes. gap: whether the touch clears the
    costs. actionable: a gap, verdict OK and a size.
    """

    symbol: Ints
    buy: Ints
    sell: Ints
    buy_price: Array
    sell_price: Array
    entry: Array
    walk: Array
    exit_now: Array
    expected_exit: Array
    exit_samples: Array
    cost: Array
    net: Array
    fresh: Array
    size: Array
    notional: Array
    profit: Array
    capacity: Array
    visible: Array
    touch_only: Mask
    buy_age: Array
    sell_age: Array
    since: Array
    carry_8h: Array
    verdict: Codes
    gap: Mask
    actionable: Mask

    def __len__(self) -> int:
        return len(self.symbol)

    def ordered(self, order: Ints) -> "Pairs":
        """The same pairs in another order, or some of them."""
        return Pairs(**{name: getattr(self, name)[order] for name in self.__dataclass_fields__})


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
    opened: Mask = field(repr=False)
    held: Mask | None = field(repr=False)
    feeds_alive: bool


_FRESHNESS = (Verdict.NO_QUOTE, Verdict.FEED_LOST, Verdict.STALE_LEG, Verdict.LAGGING)


@dataclass(frozen=True)
class Context:
    """What a judgement rests on besides the quotes, all of the same rows as the snapshot.

    usual: what is usual for each contract. since, opened: of the gaps, shape (S, E, E). expected_exit: what closing is
    expected to earn. books: the order books that are watched.
    """

    terms: Terms
    limits: Limits
    usual: Usual
    since: Array
    opened: Mask
    expected_exit: ExpectedExit
    books: Books = no_books


def judge(
    snapshot: Snapshot,
    now: float,
    expected_exit: ExpectedExit,
    limits: Limits,
    terms: Terms,
    *,
    most: int = 2_000,
    feeds_alive: bool = True,
    held: Mask | None = None,
    usual: Usual | None = None,
    since: Array | None = None,
    opened: Mask | None = None,
    books: Books = no_books,
    found: Edges | None = None,
) -> Judgement:
    """Judge every directed pair of a snapshot.

    Args:
        snapshot: What is known.
        now: The time to judge at. [epoch s]
        expected_exit: What closing is expected to earn; asked for the `most` most promising pairs only.
        limits: Which quotes are good.
        terms: What the user asks for.
        most: How many pairs to look at closely, of the promising and of the refused ones each.
        feeds_alive: False if what writes the quotes has stopped.
        held: Contracts in quarantine, shape (S, E).
        usual: What is usual for each contract; by default nothing is known of it.
        since: When each gap opened, shape (S, E, E) [epoch s]; by default long ago.
        opened: Which gaps have passed all tests before, same shape; by default none.
        books: The order books that are watched.
        found: The edges of this snapshot by the same terms, where they are known already.
    """
    grid = snapshot.grid
    shape = (len(grid.symbols), len(grid.exchanges), len(grid.exchanges))
    context = Context(
        terms=terms,
        limits=limits,
        usual=nothing_usual(grid, now) if usual is None else on_grid(usual, grid),
        since=np.full(shape, -np.inf) if since is None else since,
        opened=np.zeros(shape, dtype=bool) if opened is None else opened,
        expected_exit=expected_exit,
        books=books,
    )
    if found is None:
        found = edges(snapshot, now, limits, terms.costs, context.usual, feeds_alive, held)
    mid = spreads.mid_price(snapshot["bid_price"], snapshot["ask_price"])
    deviation = spreads.deviation_bps(np.where(found.good, mid, np.nan))
    good = _best(found.promise, found.pair == Verdict.OK, most)
    refused = _best(found.promise, (found.pair > Verdict.NOT_LISTED) & (found.promise > 0.0), most // 4)
    chosen = np.concatenate([good, refused])
    s, buy, sell = np.unravel_index(chosen, shape) if chosen.size else (np.empty(0, np.intp),) * 3
    pairs = judge_routes(snapshot, now, found, context, s, buy, sell)
    codes = found.pair.copy()
    codes[s, buy, sell] = pairs.verdict
    order = np.lexsort((-np.nan_to_num(pairs.net, nan=-np.inf), ~pairs.actionable, pairs.verdict != Verdict.OK))
    pairs = pairs.ordered(order)
    counts = np.bincount(codes.ravel(), minlength=len(Verdict))
    legs = np.bincount(found.pair.ravel(), minlength=len(Verdict))
    seen = int(legs.sum() - legs[Verdict.NOT_LISTED])
    stale = int(sum(legs[verdict] for verdict in _FRESHNESS))
    positive = int(np.sum((pairs.verdict == Verdict.OK) & (pairs.net > 0.0)))
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
        opened=context.opened,
        held=held,
        feeds_alive=feeds_alive,
    )


def judge_one(judgement: Judgement, route: tuple[int, int, int], exits: ExpectedExit, books: Books) -> Pairs:
    """One directed pair as of a judgement, whether or not it was looked at closely.

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

    context = Context(terms, limits, usual, judgement.since[index], judgement.opened[index], of_row, books)
    return judge_routes(cut, judgement.time, found, context, np.array([0]), np.array([buy]), np.array([sell]))


def _best(promise: Array, allowed: Mask, most: int) -> Ints:
    """Flat positions of the `most` largest promises among the allowed, in no particular order."""
    flat = np.flatnonzero(allowed & ~np.isnan(promise))
    if len(flat) > most:
        flat = flat[np.argpartition(promise.ravel()[flat], -most)[-most:]]
    return flat


def judge_routes(
    snapshot: Snapshot, now: float, found: Edges, context: Context, s: Ints, buy: Ints, sell: Ints
) -> Pairs:
    """Measure n directed pairs and say the first reason against each. s, buy, sell: positions, shape (n,)."""
    terms = context.terms
    bid, ask = snapshot["bid_price"], snapshot["ask_price"]
    gross, cost, verdict = found.entry[s, buy, sell], found.cost[s, buy, sell], found.pair[s, buy, sell]
    expected, samples = context.expected_exit(s, buy, sell)
    with np.errstate(invalid="ignore"):
        gap = (verdict == Verdict.OK) & ~np.isnan(context.since[s, buy, sell]) & (gross - cost >= terms.min_net_bps)
    mean_mid = (bid[s, buy] + ask[s, buy] + bid[s, sell] + ask[s, sell]) / 4.0
    touch = spreads.touch_size(snapshot["ask_size"][s, buy], snapshot["bid_size"][s, sell])
    size = np.fmin(touch, terms.notional / mean_mid) + 0.0 * touch  # an unknown touch stays unknown
    walk = np.zeros(len(s))
    capacity, visible, gainful, behind = (np.full(len(s), np.nan) for _ in range(4))
    touch_only = np.ones(len(s), dtype=bool)
    for i in np.flatnonzero(gap).tolist():
        least = terms.min_net_bps + cost[i] + np.fmax(-expected[i], 0.0)
        fill = _fillable(snapshot, context, int(s[i]), int(buy[i]), int(sell[i]), float(least))
        size[i], walk[i], capacity[i], visible[i] = fill.size, fill.walk_bps, fill.capacity, fill.visible
        gainful[i], behind[i], touch_only[i] = fill.gainful, fill.behind_bps, fill.touch_only
    fresh = fresh_edge_bps(ask[s, buy], bid[s, sell], snapshot["mark_price"][s, buy], snapshot["mark_price"][s, sell])
    at = np.flatnonzero(gap)
    if at.size:
        routes = _routes(snapshot, now, found, context, s[at], buy[at], sell[at], {
            "gross": gross[at], "cost": cost[at], "usual_exit": expected[at], "exit_samples": samples[at],
            "fresh": fresh[at], "gainful": gainful[at], "behind": behind[at],
        })  # fmt: skip
        verdict[at] = first_reasons(routes, context.limits)
    net = spreads.net_edge_bps(gross + walk, expected, cost)
    hourly = spreads.funding_per_hour(snapshot["funding_rate"], snapshot["funding_interval_h"])
    age_s = snapshot.age_s(now)
    with np.errstate(invalid="ignore"):
        actionable = gap & (verdict == Verdict.OK) & (size > 0.0) & (net >= terms.min_net_bps)
    return Pairs(
        symbol=s,
        buy=buy,
        sell=sell,
        buy_price=ask[s, buy],
        sell_price=bid[s, sell],
        entry=gross,
        walk=walk,
        exit_now=found.entry[s, sell, buy],
        expected_exit=expected,
        exit_samples=samples,
        cost=cost,
        net=net,
        fresh=fresh,
        size=size,
        notional=size * mean_mid,
        profit=size * mean_mid * net / spreads.BPS,
        capacity=capacity,
        visible=visible,
        touch_only=touch_only,
        buy_age=age_s[s, buy],
        sell_age=age_s[s, sell],
        since=np.where(gap, context.since[s, buy, sell], np.nan),
        carry_8h=(hourly[s, sell] - hourly[s, buy]) * 8.0 * spreads.BPS,
        verdict=verdict,
        gap=gap,
        actionable=actionable,
    )


def _fillable(snapshot: Snapshot, context: Context, s: int, buy: int, sell: int, least_bps: float) -> Fillable:
    grid = snapshot.grid
    symbol = grid.symbols[s]
    long, short = (
        book_of(
            context.books(grid.exchanges[e], symbol),
            tuple(snapshot.data[:4, s, e].tolist()),
            float(grid.lot_size[s, e]),
            float(grid.min_notional[s, e]),
        )
        for e in (buy, sell)
    )
    return fillable(long, short, context.terms.notional, least_bps)


def _routes(
    snapshot: Snapshot,
    now: float,
    found: Edges,
    context: Context,
    s: Ints,
    buy: Ints,
    sell: Ints,
    measured: dict[str, Array],
) -> Routes:
    """What the tests of pairs look at, of pairs with a gap."""
    usual = context.usual
    received, anchored = snapshot["received_time"], snapshot["funding_received_time"]
    true_at = received - snapshot["lag_s"]
    move = usual.mark_move_bps(snapshot["mark_price"])
    spread = np.fmax(usual.spread_bps, spreads.quoted_spread_bps(snapshot["bid_price"], snapshot["ask_price"]))
    since = context.since[s, buy, sell]
    return Routes(
        least=context.terms.min_net_bps,
        anchor_age=now - np.minimum(anchored[s, buy], anchored[s, sell]),
        anchor_apart=np.abs(anchored[s, buy] - anchored[s, sell]),
        anchor_move=np.fmax(move[s, buy], move[s, sell]),
        apart=np.abs(true_at[s, buy] - true_at[s, sell]),
        sigma=usual.sigma_bps[s],
        told=_told(snapshot, found, s, buy, sell, since),
        opened=context.opened[s, buy, sell],
        spread=np.fmax(spread[s, buy], spread[s, sell]),
        age=now - since,
        **measured,
    )


def _told(snapshot: Snapshot, found: Edges, s: Ints, buy: Ints, sell: Ints, since: Array) -> Mask:
    """Whether each leg that stands off the others has said so since the gap opened, shape (n,).

    What the others say is the median of their good mids; without two of them, either leg may be the one that died.
    """
    bid, ask, received = snapshot["bid_price"], snapshot["ask_price"], snapshot["received_time"]
    mids = np.where(found.good, (bid + ask) / 2.0, np.nan)[s]
    n = np.arange(len(s))
    mids[n, buy] = mids[n, sell] = np.nan
    others = spreads.row_median(mids)
    few = np.sum(~np.isnan(mids), axis=1) < LEAST_OTHERS
    with np.errstate(invalid="ignore"):
        least = OFF_SHARE * (bid[s, sell] - ask[s, buy])
        long_told = (received[s, buy] >= since - TOLD_S) | (others - ask[s, buy] <= least)
        short_told = (received[s, sell] >= since - TOLD_S) | (bid[s, sell] - others <= least)
        both = np.minimum(received[s, buy], received[s, sell]) >= since - TOLD_S
    told: Mask = np.where(few, both, long_told & short_told)
    return told
