"""What a pair is worth at a size: both ladders walked for the same base quantity.

Leg L is bought from its asks, leg S is sold into its bids, the same number of coins on both. Edges are bps of the mean
of the two mids at the touch, as everywhere. Nothing is ever made up beyond the visible book. Source: docs/decisions.md,
'Size'.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, inf, isfinite

from analytics.spreads import BPS

Side = Sequence[tuple[float, float]]  # (price, size in coins), best level first


@dataclass(frozen=True, slots=True)
class Book:
    """What a leg shows: both sides best first, [quote per coin, coins]. touch_only: nothing behind the touch is known.

    lot: coins, None if any quantity will do. min_notional: quote currency.
    """

    bids: Side
    asks: Side
    touch_only: bool = False
    lot: float | None = None
    min_notional: float | None = None


# A stretch of quantity over which both prices stand still: coins from the start to its end, and the marginal prices of
# buying and selling. [quote per coin] Many are made and soon dropped.
Step = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Fill:
    """What a quantity would really get. quantity: coins; buy, sell: average prices; edge_bps: gross, at the averages.

    notional: quantity at the mean mid. [quote]
    """

    quantity: float
    notional: float
    buy: float
    sell: float
    edge_bps: float


def mean_mid(long: Book, short: Book) -> float:
    """Mean of the two mids. [quote per coin] NaN where a side is empty."""
    if not (long.bids and long.asks and short.bids and short.asks):
        return float("nan")
    return (long.bids[0][0] + long.asks[0][0] + short.bids[0][0] + short.asks[0][0]) / 4.0


def merge(asks: Side, bids: Side) -> tuple[Step, ...]:
    """Asks of L and bids of S side by side, as far as both are visible. A level of unknown size (NaN) fills nothing."""
    global _last_merged
    last_asks, last_bids, known = _last_merged
    if last_asks is asks and last_bids is bids:
        return known
    steps = _merged(asks, bids)
    if type(asks) is tuple and type(bids) is tuple:  # what may change is merged anew
        _last_merged = asks, bids, steps
    return steps


_last_merged: tuple[Side, Side, tuple[Step, ...]] = ((), (), ())  # one judgement asks several times in a row


def _merged(asks: Side, bids: Side) -> tuple[Step, ...]:
    steps: list[Step] = []
    i = j = 0
    left_ask = left_bid = taken = 0.0
    while True:
        if not left_ask > 0.0:
            if i == len(asks):
                return tuple(steps)
            ask, left_ask = asks[i]
            i += 1
            continue
        if not left_bid > 0.0:
            if j == len(bids):
                return tuple(steps)
            bid, left_bid = bids[j]
            j += 1
            continue
        size = left_ask if left_ask < left_bid else left_bid
        left_ask -= size
        left_bid -= size
        taken += size
        steps.append((taken, ask, bid))


def fill(long: Book, short: Book, quantity: float) -> Fill | None:
    """What buying and selling `quantity` coins would get; None beyond what is visible, and for nothing."""
    steps = merge(long.asks, short.bids)
    if not steps or not 0.0 < quantity <= steps[-1][0] * (1.0 + 1e-12):
        return None
    paid = got = before = 0.0
    for until, buy, sell in steps:
        size = (until if until < quantity else quantity) - before
        if size <= 0.0:
            break
        paid += size * buy
        got += size * sell
        before = until
    mid = mean_mid(long, short)
    return Fill(quantity, quantity * mid, paid / quantity, got / quantity, (got - paid) / quantity / mid * BPS)


def capacity(long: Book, short: Book, least_bps: float) -> float:
    """The most coins whose average gross edge is still at least `least_bps`; 0 if the touch is already below it.

    The average edge never rises with size, so the first stretch that pulls it below the threshold ends the search.
    Lots are ignored here: `tradable` rounds.
    """
    mid = mean_mid(long, short)
    steps = merge(long.asks, short.bids)
    if not isfinite(mid):
        return 0.0
    least = least_bps / BPS * mid  # quote per coin
    surplus = before = quantity = 0.0
    for until, buy, sell in steps:
        gain = sell - buy - least
        size = until - before
        if surplus + gain * size < 0.0:
            # Within this stretch the average falls to the threshold: surplus + gain * x = 0.
            quantity = before + surplus / -gain
            break
        surplus += gain * size
        before = quantity = until
    return quantity


def gainful(long: Book, short: Book, least_bps: float) -> float:
    """Coins of which each one still gains `least_bps`: where the next one would not, it is better left. [coins]"""
    least = least_bps / BPS * mean_mid(long, short)
    quantity = 0.0
    for until, buy, sell in merge(long.asks, short.bids):
        if not sell - buy >= least:
            break
        quantity = until
    return quantity


def visible(long: Book, short: Book) -> float:
    """Coins up to which both books are visible."""
    steps = merge(long.asks, short.bids)
    return steps[-1][0] if steps else 0.0


def curve(long: Book, short: Book, points: int = 40) -> list[Fill]:
    """Average gross edge against size: at every end of a level, thinned to about `points`, up to the visible end."""
    ends = [until for until, _, _ in merge(long.asks, short.bids)]
    if len(ends) > points:
        ends = [ends[round(k * (len(ends) - 1) / (points - 1))] for k in range(points)]
    found = (fill(long, short, quantity) for quantity in dict.fromkeys(ends))
    return [row for row in found if row is not None]


def tradable(long: Book, short: Book, quantity: float) -> tuple[float, str]:
    """A quantity both exchanges would take: rounded down to the coarser lot; 0 and the reason where there is none."""
    lot = max(long.lot or 0.0, short.lot or 0.0)
    rounded = floor(quantity / lot * (1.0 + 1e-12)) * lot if lot > 0.0 else quantity
    if rounded <= 0.0:
        return 0.0, f"below one lot of {lot:g} coins"
    price = mean_mid(long, short)
    least = max(long.min_notional or 0.0, short.min_notional or 0.0)
    if rounded * price < least:
        return 0.0, f"below the smallest order of {least:g}"
    return rounded, ""


def next_level_gap_bps(side: Side, sells: bool) -> float:
    """How far the second level lies behind the touch, bps of the touch; infinite where there is none.

    sells: whether the side is of asks.
    """
    if len(side) < 2:
        return inf
    distance = side[1][0] - side[0][0] if sells else side[0][0] - side[1][0]
    return distance / side[0][0] * BPS
