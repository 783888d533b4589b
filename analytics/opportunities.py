"""Every directed pair judged at once: what it would earn at the touch, and why it may not.

`judge` is the one place where a snapshot becomes opportunities; pages and API show its result.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics import spreads
from analytics.quality import Codes, Limits, Verdict, leg_verdicts
from store.snapshot import Matrix, Snapshot

Array = NDArray[np.float64]
Ints = NDArray[np.intp]

MIN_EXIT_SAMPLES = 30  # half a minute of history: a median of fewer says nothing of what closing will earn

# (symbol, buy, sell) index arrays of n pairs -> expected exit edge (n,) [bps] and samples behind it (n,)
ExpectedExit = Callable[[Ints, Ints, Ints], tuple[Array, Array]]


@dataclass(frozen=True)
class Pairs:
    """Directed pairs, best net edge first, actionable ones before refused ones. All arrays have shape (n,).

    symbol, buy, sell: positions on the snapshot's axes. Edges and fees are bps of the mean mid. entry: gross entry
    edge; exit_now: at today's quotes; expected_exit: median over the look-back, of exit_samples samples; fees: four
    taker fills; net: entry + expected_exit - fees. size: coins at both touches; notional: size at the mean mid
    [quote]; profit: net on that notional [quote]. buy_price, sell_price [quote per coin]. buy_age, sell_age: seconds
    since receipt. carry_8h: bps of funding earned in eight hours, NaN if unknown. verdict: `Verdict` codes.
    actionable: verdict OK, net at or above the minimum with the expected exit and without it, a known size, and enough
    samples behind the expected exit.
    """

    symbol: Ints
    buy: Ints
    sell: Ints
    buy_price: Array
    sell_price: Array
    entry: Array
    exit_now: Array
    expected_exit: Array
    exit_samples: Array
    fees: Array
    net: Array
    size: Array
    notional: Array
    profit: Array
    buy_age: Array
    sell_age: Array
    carry_8h: Array
    verdict: Codes
    actionable: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.symbol)


@dataclass(frozen=True)
class Funnel:
    """How many directed pairs pass each gate: listed on both sides, fresh, the same asset, net above zero."""

    seen: int
    fresh: int
    tradable: int
    net_positive: int
    actionable: int


@dataclass(frozen=True)
class Judgement:
    """Everything the pages and the API say about one snapshot. Matrices have shape (S, E).

    time: when it was judged. age_s: since receipt. deviation_bps: of usable mids only. dispersion_bps: (S,).
    reasons: refused pairs by first reason.
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


_FRESHNESS = (Verdict.NO_QUOTE, Verdict.FEED_LOST, Verdict.STALE_LEG, Verdict.LAGGING)


def all_pairs(snapshot: Snapshot) -> tuple[Array, Array]:
    """Entry edge and round-trip fees of every symbol and ordered pair, both of shape (S, E, E). [bps]"""
    entry = spreads.entry_edge_bps(snapshot["bid_price"], snapshot["ask_price"])
    return entry, spreads.round_trip_fees_bps(snapshot.grid.taker_fee_bps)


def judge(
    snapshot: Snapshot,
    now: float,
    expected_exit: ExpectedExit,
    limits: Limits,
    min_net_bps: float,
    most: int = 2_000,
    feeds_alive: bool = True,
    held: NDArray[np.bool_] | None = None,
) -> Judgement:
    """Judge every directed pair of a snapshot.

    Args:
        snapshot: What is known.
        now: The time to judge at. [epoch s]
        expected_exit: What closing is expected to earn; asked for the `most` most promising pairs only.
        limits: Which quotes are good.
        min_net_bps: From which net edge on a pair can be actionable. [bps]
        most: How many pairs to look at closely, of the promising and of the refused ones each.
        feeds_alive: False if what writes the quotes has stopped.
        held: Contracts in quarantine, shape (S, E).
    """
    verdicts = leg_verdicts(snapshot, now, limits, feeds_alive, held)
    usable = verdicts == Verdict.OK
    mid = spreads.mid_price(snapshot["bid_price"], snapshot["ask_price"])
    deviation = spreads.deviation_bps(np.where(usable, mid, np.nan))
    age_s = snapshot.age_s(now)
    entry, fees = all_pairs(snapshot)
    pair_verdict = _pair_verdicts(verdicts, entry, limits)
    promise = entry - fees
    good = _best(promise, pair_verdict == Verdict.OK, most)
    refused = _best(promise, (pair_verdict > Verdict.NOT_LISTED) & (promise > 0.0), most // 4)
    chosen = np.concatenate([good, refused])
    pairs = _measure(snapshot, chosen, entry, fees, pair_verdict, age_s, expected_exit, min_net_bps)
    counts = np.bincount(pair_verdict.ravel(), minlength=len(Verdict))
    seen = int(counts.sum() - counts[Verdict.NOT_LISTED])
    stale = int(sum(counts[verdict] for verdict in _FRESHNESS))
    positive = int(np.sum((pairs.verdict == Verdict.OK) & (pairs.net > 0.0)))
    return Judgement(
        snapshot=snapshot,
        time=now,
        verdicts=verdicts,
        mid=mid,
        deviation_bps=deviation,
        dispersion_bps=spreads.dispersion_bps(deviation),
        age_s=age_s,
        pairs=pairs,
        funnel=Funnel(seen, seen - stale, int(counts[Verdict.OK]), positive, int(pairs.actionable.sum())),
        reasons={
            verdict: int(counts[verdict]) for verdict in Verdict if verdict > Verdict.NOT_LISTED and counts[verdict]
        },
    )


def _pair_verdicts(verdicts: Codes, entry: Array, limits: Limits) -> Codes:
    """First reason against each directed pair, shape (S, E, E): of both legs, the test that comes first."""
    last = np.int8(len(Verdict))
    codes = np.where(verdicts == Verdict.OK, last, verdicts)
    pair = np.minimum(codes[:, :, None], codes[:, None, :])
    pair = np.where(pair == last, np.int8(Verdict.OK), pair)
    diagonal = np.arange(entry.shape[1])
    pair[:, diagonal, diagonal] = Verdict.NOT_LISTED  # an exchange is no pair with itself
    with np.errstate(invalid="ignore"):
        pair[(pair == Verdict.OK) & (entry > limits.implausible_above * spreads.BPS)] = Verdict.IMPLAUSIBLE
    result: Codes = pair
    return result


def _best(promise: Array, allowed: NDArray[np.bool_], most: int) -> Ints:
    """Flat positions of the `most` largest promises among the allowed, in no particular order."""
    flat = np.flatnonzero(allowed & ~np.isnan(promise))
    if len(flat) > most:
        flat = flat[np.argpartition(promise.ravel()[flat], -most)[-most:]]
    return flat


def _measure(
    snapshot: Snapshot,
    chosen: Ints,
    entry: Array,
    fees: Array,
    pair_verdict: Codes,
    age_s: Matrix,
    expected_exit: ExpectedExit,
    min_net_bps: float,
) -> Pairs:
    S, E, _ = entry.shape
    s, buy, sell = np.unravel_index(chosen, (S, E, E)) if chosen.size else (np.empty(0, np.intp),) * 3
    bid, ask = snapshot["bid_price"], snapshot["ask_price"]
    expected, samples = expected_exit(s, buy, sell)
    gross, cost = entry[s, buy, sell], fees[s, buy, sell]
    net = spreads.net_edge_bps(gross, expected, cost)
    size = spreads.touch_size(snapshot["ask_size"][s, buy], snapshot["bid_size"][s, sell])
    mean_mid = (bid[s, buy] + ask[s, buy] + bid[s, sell] + ask[s, sell]) / 4.0
    hourly = spreads.funding_per_hour(snapshot["funding_rate"], snapshot["funding_interval_h"])
    verdict = pair_verdict[s, buy, sell]
    with np.errstate(invalid="ignore"):
        # An exit that is expected to earn may improve a row, but what can be had now must pay for itself.
        worth = (verdict == Verdict.OK) & (np.minimum(net, gross - cost) >= min_net_bps) & (size > 0.0)
    actionable = worth & (samples >= MIN_EXIT_SAMPLES)
    order = np.lexsort((-np.nan_to_num(net, nan=-np.inf), ~actionable, verdict != Verdict.OK))
    columns = Pairs(
        symbol=s,
        buy=buy,
        sell=sell,
        buy_price=ask[s, buy],
        sell_price=bid[s, sell],
        entry=gross,
        exit_now=spreads.exit_edge_bps(entry)[s, buy, sell],
        expected_exit=expected,
        exit_samples=samples,
        fees=cost,
        net=net,
        size=size,
        notional=size * mean_mid,
        profit=size * mean_mid * net / spreads.BPS,
        buy_age=age_s[s, buy],
        sell_age=age_s[s, sell],
        carry_8h=(hourly[s, sell] - hourly[s, buy]) * 8.0 * spreads.BPS,
        verdict=verdict,
        actionable=actionable,
    )
    return Pairs(**{name: getattr(columns, name)[order] for name in columns.__dataclass_fields__})
