"""What of a gap is an arbitrage, and what is only two exchanges that measure differently.

Each perpetual is tied to its own exchange's index; nothing ties the two to each other. So a gap splits into three
factors: the indices differ, the premiums (mark over index) differ, and what is left is how far each book stands off its
own mark. Only that last one is fresh: the others are a basis that may stand for ever.

    1 + gap = (1 + index gap) * (1 + premium gap) * (1 + fresh edge)

Source: docs/decisions.md, 'Fresh edge'. Arrays in, arrays out; NaN is 'not known'.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.spreads import BPS, row_median

Array = NDArray[np.float64]

AGREE_WITHIN, WARN_WITHIN = 0.0025, 0.01  # of the median index, fractions
LEAST_VENUES = 3  # with fewer there is no majority
INSUFFICIENT, AGREE, WARN, DIVERGE = range(4)
AGREEMENT = ("insufficient", "agree", "warn", "diverge")


@dataclass(frozen=True)
class Split:
    """The three factors less one, fractions, any shape. gap: bid of S over ask of L less one."""

    gap: Array
    index_gap: Array
    premium_gap: Array
    fresh_edge: Array


def split_gap(
    long_ask: Array, short_bid: Array, long_mark: Array, short_mark: Array, long_index: Array, short_index: Array
) -> Split:
    """Split gaps into their factors. All prices in quote currency per coin, the same shape."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return Split(
            gap=short_bid / long_ask - 1.0,
            index_gap=short_index / long_index - 1.0,
            premium_gap=(short_mark / short_index) / (long_mark / long_index) - 1.0,
            fresh_edge=(short_bid / short_mark) / (long_ask / long_mark) - 1.0,
        )


def fresh_edge_bps(long_ask: Array, short_bid: Array, long_mark: Array, short_mark: Array) -> Array:
    """How far apart the two books are when each is divided by its own mark. [bps]"""
    with np.errstate(invalid="ignore", divide="ignore"):
        edge: Array = ((short_bid / short_mark) / (long_ask / long_mark) - 1.0) * BPS
    return edge


def index_agreement(index_price: Array) -> NDArray[np.int8]:
    """Whether the exchanges' indices speak of one asset: the worst of each symbol, shape (S, E) -> (S,) codes.

    Codes stand for `AGREEMENT`: the largest distance from the median, insufficient below three exchanges.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.abs(index_price / row_median(index_price)[:, None] - 1.0)
    known = ~np.isnan(off)
    worst = np.max(np.where(known, off, 0.0), axis=1, initial=0.0)
    codes = np.where(worst < AGREE_WITHIN, AGREE, np.where(worst < WARN_WITHIN, WARN, DIVERGE))
    return np.where(known.sum(axis=1) < LEAST_VENUES, INSUFFICIENT, codes).astype(np.int8)
