"""What true books would really have filled. Written anew here: a benchmark that shares arithmetic proves nothing."""

from collections.abc import Sequence
from math import nan

Side = Sequence[tuple[float, float]]  # (price, coins), best first


def edge_bps(long: tuple[Side, Side], short: tuple[Side, Side]) -> float:
    """Gap at the touch, bps of the mean of the two mids: the bid of S over the ask of L. Books are (bids, asks)."""
    middle = (long[0][0][0] + long[1][0][0] + short[0][0][0] + short[1][0][0]) / 4.0
    return (short[0][0][0] - long[1][0][0]) / middle * 1e4


def executable(long: tuple[Side, Side], short: tuple[Side, Side], least_bps: float, notional: float) -> float:
    """Coins of `notional` of which each one gains at least `least_bps`; NaN where not one does."""
    middle = (long[0][0][0] + long[1][0][0] + short[0][0][0] + short[1][0][0]) / 4.0
    asks, bids = list(long[1]), list(short[0])
    taken, wanted = 0.0, notional / middle
    while asks and bids and taken < wanted and (bids[0][0] - asks[0][0]) / middle * 1e4 >= least_bps:
        size = min(asks[0][1], bids[0][1], wanted - taken)
        taken += size
        for side in (asks, bids):
            price, left = side[0]
            if left - size > 1e-12 * left:
                side[0] = (price, left - size)
            else:
                side.pop(0)
    return taken if taken > 0.0 else nan
