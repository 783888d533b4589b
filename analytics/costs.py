"""What a round trip of two legs costs: four fills and a reserve for slippage. [bps] NaN is 'not known' and stays NaN.

Shapes: S symbols, E exchanges; a directed pair is (symbol, buy, sell), as in `analytics/spreads.py`. Source:
docs/decisions.md, 'Net edge': cost = f_L,in + f_S,in + f_L,out + f_S,out + slippage.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.spreads import Array

Ints = NDArray[np.intp]
Fill = Literal["taker", "maker"]


@dataclass(frozen=True, slots=True)
class Costs:
    """How a round trip is filled.

    fills: of long in, short in, long out, short out. slippage_bps: held back for the whole round trip, once.
    """

    fills: tuple[Fill, Fill, Fill, Fill] = ("taker", "taker", "taker", "taker")
    slippage_bps: float = 0.0


class CostParts(NamedTuple):
    """The cost of n pairs in its parts, shape (n,) each; their sum is the round trip. [bps]"""

    entry: Array
    exit: Array
    reserve: Array


def round_trip_cost_bps(taker: Array, maker: Array, costs: Costs) -> Array:
    """What opening and closing both legs costs, for every symbol and ordered pair.

    Args:
        taker: Fee of a fill that takes, shape (S, E). [bps]
        maker: Fee of a fill that rests, same shape, negative where the exchange pays for it. [bps]
        costs: How the four fills are made.

    Returns:
        Shape (S, E, E): [symbol, buy, sell]. [bps] NaN where a fee that is needed is unknown.
    """
    long_in, short_in, long_out, short_out = (_fee(taker, maker, fill) for fill in costs.fills)
    long = long_in + long_out + costs.slippage_bps
    return long[:, :, None] + (short_in + short_out)[:, None, :]


def cost_parts(taker: Array, maker: Array, s: Ints, buy: Ints, sell: Ints, costs: Costs) -> CostParts:
    """The same cost of chosen pairs, apart: what opening costs, what closing costs, what is held back.

    taker, maker: as in `round_trip_cost_bps`. s, buy, sell: positions of n pairs on the axes, shape (n,) each.
    """
    long_in, short_in, long_out, short_out = (_fee(taker, maker, fill) for fill in costs.fills)
    return CostParts(
        entry=long_in[s, buy] + short_in[s, sell],
        exit=long_out[s, buy] + short_out[s, sell],
        reserve=np.full(s.shape, costs.slippage_bps),
    )


def _fee(taker: Array, maker: Array, fill: Fill) -> Array:
    return taker if fill == "taker" else maker
