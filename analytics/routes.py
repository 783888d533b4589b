"""Some directed pairs, measured and judged: what each would earn, at which size, and the first reason against it.

Everything that judges pairs (the scan of the whole market, the detector, the explanation of one) goes through
`judge_routes`. Positions (s, buy, sell) have shape (n,) and are those of the snapshot, which may be a cut one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from analytics import spreads
from analytics.edges import Edges
from analytics.fills import Fillable, KeptBooks, fillable
from analytics.fresh_edge import fresh_edge_bps
from analytics.quality import OK, Codes, Limits
from analytics.size import Book
from analytics.terms import Terms
from analytics.usual import Usual
from analytics.verdicts import TESTS_BEFORE_BOOKS, TESTS_WITH_BOOKS, Routes, first_reasons
from store.depth import Ladder
from store.snapshot import Snapshot

Array = NDArray[np.float64]
Ints = NDArray[np.intp]
Mask = NDArray[np.bool_]

TOLD_S = 0.03  # two quotes that come this close together are of one moment
OFF_SHARE = 1.0 / 3.0  # of a gap, from which on a leg counts as off the others
PAUSES = 1.5  # an exchange that is silent for so many of its longest pauses is overdue,
SILENCE_S = 0.2  # but not before
LEAST_OTHERS = 2  # that make up what the others say

# (symbol, buy, sell) index arrays of n pairs -> expected exit edge (n,) [bps] and samples behind it (n,)
ExpectedExit = Callable[[Ints, Ints, Ints], tuple[Array, Array]]
Books = Callable[[str, str], Ladder | None]  # exchange, symbol -> the order book as it is now


# Most gaps are looked at again before their books change: by symbol, buy and sell, what a walk was made of and gave.
_walks: dict[tuple[str, str, str], tuple[Book, Book, float, float, Fillable]] = {}
_books = KeptBooks()
KEPT_WALKS = 8_192


def no_books(_exchange: str, _symbol: str) -> Ladder | None:
    """Nothing is watched."""
    return None


class Pairs(msgspec.Struct, frozen=True):
    """Directed pairs, best net edge first, actionable ones before refused ones. All arrays have shape (n,).

    symbol, buy, sell: positions on the snapshot's axes. Edges and costs are bps of the mean mid. entry: gross entry
    edge at the touch; walk: what the size loses against it, 0 or less; exit_now: at today's quotes; expected_exit:
    median over the look-back, of exit_samples samples, NaN while they are too few; cost: four fills and reserve; net:
    entry + walk + expected_exit - cost. fresh: gap of the books over their own marks. mean_mid: of the two mids [quote
    per coin]. size: coins of the user's notional at the touch, and where the books were walked, as many as each gain
    the least that is asked; notional: size at the mean mid; profit: net on that notional. capacity: largest notional
    whose average clears the least, gainful: notional of which each coin does, visible: to which both books are known
    [quote], behind: from the touch to the next level [bps]; NaN where the books were not walked. touch_only: whether no
    more than the touch is known. buy_price, sell_price [quote per coin]. buy_age, sell_age: seconds since receipt.
    since: when the gap opened [epoch s], NaN without one. carry_8h: bps of funding earned in eight hours, NaN if
    unknown. verdict: `Verdict` codes. gap: whether the touch clears the costs. actionable: a gap, verdict OK, a size.
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
    mean_mid: Array
    size: Array
    notional: Array
    profit: Array
    capacity: Array
    gainful: Array
    visible: Array
    behind: Array
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
        return Pairs(**{name: getattr(self, name)[order] for name in self.__struct_fields__})

    @classmethod
    def joined(cls, parts: Sequence["Pairs"]) -> "Pairs":
        """The pairs of all parts, in their order."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__struct_fields__))


@dataclass(frozen=True)
class Context:
    """What a judgement rests on besides the quotes, all of the same rows as the snapshot.

    usual: what is usual for each contract. since, jumped, clean: of the gaps, shape (S, E, E). expected_exit: what
    closing is expected to earn. books: the order books that are watched.
    """

    terms: Terms
    limits: Limits
    usual: Usual
    since: Array
    jumped: Mask
    clean: Array
    expected_exit: ExpectedExit
    books: Books = no_books


def judge_routes(
    snapshot: Snapshot, now: float, found: Edges, context: Context, s: Ints, buy: Ints, sell: Ints
) -> Pairs:
    """Measure n directed pairs and say the first reason against each. now: [epoch s]. found: edges of the snapshot.

    To walk two books takes longer than all else, so it is done for gaps that nothing else speaks against.
    """
    pairs = _at_the_touch(snapshot, now, found, context, s, buy, sell)
    limits, verdict = context.limits, pairs.verdict.copy()
    at = np.flatnonzero(pairs.gap)
    if at.size:
        gaps = pairs if at.size == len(pairs) else pairs.ordered(at)
        routes = routes_of(snapshot, now, found, context, gaps)
        verdict[at] = reasons = first_reasons(routes, limits, TESTS_BEFORE_BOOKS)
        left = reasons == OK
        if left.any():
            pairs = _walked(snapshot, context, pairs, at[left])
            routes = replace(routes, gainful=pairs.gainful[at], behind=pairs.behind[at])
            verdict[at] = np.where(left, first_reasons(routes, limits, TESTS_WITH_BOOKS), reasons)
    with np.errstate(invalid="ignore"):
        worth = (pairs.size > 0.0) & (pairs.net >= context.terms.min_net_bps)
    return replace(pairs, verdict=verdict, actionable=pairs.gap & (verdict == OK) & worth)


def _walked(snapshot: Snapshot, context: Context, pairs: Pairs, at: Ints) -> Pairs:
    """The pairs with size, walk and capacity of those `at` these positions by the books that are known of them."""
    terms = context.terms
    names = ("size", "walk", "capacity", "gainful", "visible", "behind", "touch_only")
    size, walk, capacity, gainful, visible, behind, touch_only = (getattr(pairs, name).copy() for name in names)
    least = terms.min_net_bps + pairs.cost[at] + np.fmax(-pairs.expected_exit[at], 0.0)
    routes = zip(*(column[at].tolist() for column in (pairs.symbol, pairs.buy, pairs.sell)), strict=True)
    books = dict[tuple[int, int], Book]()  # most are of several pairs
    for i, (s, buy, sell), least_bps in zip(at.tolist(), routes, least.tolist(), strict=True):
        long = books.get((s, buy)) or books.setdefault((s, buy), _book(snapshot, context, s, buy))
        short = books.get((s, sell)) or books.setdefault((s, sell), _book(snapshot, context, s, sell))
        route = snapshot.symbols[s], snapshot.exchanges[buy], snapshot.exchanges[sell]
        fill = _fill(route, long, short, terms.notional, least_bps)
        size[i], walk[i], capacity[i], gainful[i] = fill.size, fill.walk_bps, fill.capacity, fill.gainful
        visible[i], behind[i], touch_only[i] = fill.visible, fill.behind_bps, fill.touch_only
    net = spreads.net_edge_bps(pairs.entry + walk, pairs.expected_exit, pairs.cost)
    notional = size * pairs.mean_mid
    profit = notional * net / spreads.BPS
    columns = dict(zip(names, (size, walk, capacity, gainful, visible, behind, touch_only), strict=True))
    return replace(pairs, net=net, notional=notional, profit=profit, **columns)


def _at_the_touch(
    snapshot: Snapshot, now: float, found: Edges, context: Context, s: Ints, buy: Ints, sell: Ints
) -> Pairs:
    """The pairs with the figures of the touch, and with what their quotes alone say against them."""
    terms = context.terms
    long, short = snapshot.cells(s, buy), snapshot.cells(s, sell)
    gross, cost, verdict = found.entry[s, buy, sell], found.cost[s, buy, sell], found.pair[s, buy, sell]
    expected, samples = context.expected_exit(s, buy, sell)
    expected = np.where(samples >= context.limits.exit_samples, expected, np.nan)  # a few say nothing
    since = context.since[s, buy, sell]
    with np.errstate(invalid="ignore"):
        gap = (verdict == OK) & ~np.isnan(since) & (gross - cost >= terms.min_net_bps)
    ask, bid = long["ask_price"], short["bid_price"]
    mean_mid = (long["bid_price"] + ask + bid + short["ask_price"]) / 4.0
    touch = spreads.touch_size(long["ask_size"], short["bid_size"])
    size = np.fmin(touch, terms.notional / mean_mid) + 0.0 * touch  # an unknown touch stays unknown
    net = spreads.net_edge_bps(gross, expected, cost)
    unknown = np.full(len(s), np.nan)
    paid, got = (spreads.funding_per_hour(leg["funding_rate"], leg["funding_interval_h"]) for leg in (long, short))
    return Pairs(
        symbol=s,
        buy=buy,
        sell=sell,
        buy_price=ask,
        sell_price=bid,
        entry=gross,
        walk=np.zeros(len(s)),
        exit_now=found.entry[s, sell, buy],
        expected_exit=expected,
        exit_samples=samples,
        cost=cost,
        net=net,
        fresh=fresh_edge_bps(ask, bid, long["mark_price"], short["mark_price"]),
        mean_mid=mean_mid,
        size=size,
        notional=size * mean_mid,
        profit=size * mean_mid * net / spreads.BPS,
        capacity=unknown,
        gainful=unknown,
        visible=unknown,
        behind=unknown,
        touch_only=np.ones(len(s), dtype=bool),
        buy_age=now - long["received_time"],
        sell_age=now - short["received_time"],
        since=np.where(gap, since, np.nan),
        carry_8h=(got - paid) * 8.0 * spreads.BPS,
        verdict=verdict,
        gap=gap,
        actionable=np.zeros(len(s), dtype=bool),
    )


def books_of(snapshot: Snapshot, context: Context, s: int, buy: int, sell: int) -> tuple[Book, Book]:
    """What is known of the books of both legs of a pair."""
    return _book(snapshot, context, s, buy), _book(snapshot, context, s, sell)


def _book(snapshot: Snapshot, context: Context, s: int, e: int) -> Book:
    grid = snapshot.grid
    exchange, symbol = grid.exchanges[e], grid.symbols[s]
    lot, min_notional = grid.lot_size.item(s, e), grid.min_notional.item(s, e)
    return _books.of(
        (exchange, symbol),
        context.books(exchange, symbol),
        tuple(snapshot.data[:4, s, e].tolist()),
        lot if lot == lot else None,
        min_notional if min_notional == min_notional else None,
    )


def _fill(route: tuple[str, str, str], long: Book, short: Book, notional: float, least_bps: float) -> Fillable:
    """What of a notional a pair would fill; what was made of the same books is not made again."""
    known = _walks.get(route)
    if known is not None:
        known_long, known_short, known_notional, known_least, fill = known
        if long is known_long and short is known_short and (notional, least_bps) == (known_notional, known_least):
            return fill
    fill = fillable(long, short, notional, least_bps)
    if len(_walks) >= KEPT_WALKS:
        _walks.clear()
    _walks[route] = long, short, notional, least_bps, fill
    return fill


def routes_of(snapshot: Snapshot, now: float, found: Edges, context: Context, pairs: Pairs) -> Routes:
    """What the tests of pairs look at, of pairs with a gap."""
    usual, s, buy, sell = context.usual, pairs.symbol, pairs.buy, pairs.sell
    long, short = snapshot.cells(s, buy), snapshot.cells(s, sell)
    anchored, other = long["funding_received_time"], short["funding_received_time"]
    due = np.fmin(usual.anchor_due_s, context.limits.anchor_age_s)
    long_due, short_due = due[s, buy], due[s, sell]
    worse = now - anchored - long_due >= now - other - short_due
    move = usual.move_bps(snapshot["mark_price"], found.mids, found.middle)
    silence, silence_due = now - snapshot.heard_at, np.fmax(PAUSES * snapshot.pause_s, SILENCE_S)
    silence_due[np.isnan(snapshot.pause_s)] = np.nan
    quieter = np.where((silence - silence_due)[buy] >= (silence - silence_due)[sell], buy, sell)
    spread = np.fmax(usual.spread_bps, spreads.quoted_spread_bps(snapshot["bid_price"], snapshot["ask_price"]))
    return Routes(
        least=context.terms.min_net_bps,
        gross=pairs.entry,
        cost=pairs.cost,
        usual_exit=pairs.expected_exit,
        exit_samples=pairs.exit_samples,
        fresh=pairs.fresh,
        basis=(short["mark_price"] / long["mark_price"] - 1.0) * spreads.BPS,
        anchor_age=now - np.where(worse, anchored, other),
        anchor_due=np.where(worse, long_due, short_due),
        anchor_apart=np.abs(anchored - other),
        anchor_move=np.fmax(move[s, buy], move[s, sell]),
        anchored=context.jumped[s, buy, sell] | (np.minimum(anchored, other) >= pairs.since),
        apart=np.abs(long["received_time"] - long["lag_s"] - (short["received_time"] - short["lag_s"])),
        sigma=usual.sigma_bps[s],
        told=_told(snapshot, found, usual, pairs),
        index_told=_index_told(snapshot, usual, s, buy, sell, pairs.since),
        gainful=pairs.gainful,
        behind=pairs.behind,
        spread=np.fmax(spread[s, buy], spread[s, sell]),
        age=now - np.fmin(context.clean[s, buy, sell], now),
        silence=silence[quieter],
        silence_due=silence_due[quieter],
    )


def _told(snapshot: Snapshot, found: Edges, usual: Usual, pairs: Pairs) -> Mask:
    """Whether each leg that stands off the others has said so since the gap opened, shape (n,).

    What the others say is the median of their good mids; without two of them, either leg may be the one that died. A
    leg that has spoken since, and that the market then left behind by a good part of the gap, has to speak again.
    """
    s, buy, sell, ask, bid = pairs.symbol, pairs.buy, pairs.sell, pairs.buy_price, pairs.sell_price
    told_at = snapshot.told_at()
    beside = found.mids[s]
    n = np.arange(len(s))
    beside[n, buy] = beside[n, sell] = np.nan
    others = spreads.row_median(beside)
    few = (beside == beside).sum(axis=1) < LEAST_OTHERS
    with np.errstate(invalid="ignore"):
        least = OFF_SHARE * (bid - ask)
        long_since, short_since = (told_at[s, leg] >= pairs.since - TOLD_S for leg in (buy, sell))
        long_told, short_told = long_since | (others - ask <= least), short_since | (bid - others <= least)
        told: Mask = np.where(few, long_since & short_since, long_told & short_told)
        if usual.recent is not None:
            moved = found.middle[:, None] - usual.recent.spoken
            told &= few | ~((moved[s, buy] > least) | (-moved[s, sell] > least))
    return told


def _index_told(snapshot: Snapshot, usual: Usual, s: Ints, buy: Ints, sell: Ints, since: Array) -> Mask:
    """Whether both indices whose market is closed have moved since the gap opened, shape (n,)."""
    at_work = snapshot.grid.crypto | usual.open_now
    moved = usual.index_moved
    with np.errstate(invalid="ignore"):
        told: Mask = (at_work[s, buy] | (moved[s, buy] >= since)) & (at_work[s, sell] | (moved[s, sell] >= since))
    return told
