"""Every directed pair of a snapshot, or of some of its rows: the edge at the touch, its costs, and what the two quotes
by themselves say against it.

Arrays of quotes have shape (S, E), of directed pairs (S, E, E): [symbol, buy, sell].
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics import spreads
from analytics.costs import Costs, round_trip_cost_bps
from analytics.quality import NOT_LISTED, OK, Codes, Limits, Verdict, leg_verdicts, price_is_good, ranking_verdicts
from analytics.usual import Usual
from store.snapshot import Snapshot

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Ints = NDArray[np.intp]


class Edges(msgspec.Struct, frozen=True):
    """legs: the first reason against each quote; pair: against each directed pair, by its legs. entry: gross edge,
    cost: of the four fills, promise: what is left of the one after the other; bps. mids: of the quotes whose price is
    good, NaN elsewhere, middle: their median, shape (S,). [quote per coin]
    """

    legs: Codes
    pair: Codes
    entry: Array
    cost: Array
    promise: Array
    mids: Array
    middle: Array

    def rows(self, index: NDArray[np.intp]) -> "Edges":
        """The same of some rows only."""
        return Edges(*(getattr(self, name).take(index, 0) for name in self.__struct_fields__))

    @classmethod
    def joined(cls, parts: Sequence["Edges"]) -> "Edges":
        """The same of all rows, of which the parts are some each, in their order."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__struct_fields__))

    @property
    def good(self) -> Mask:
        """Quotes whose price is good, whether or not pairs with them are ranked."""
        return price_is_good(self.legs)


def edges(
    snapshot: Snapshot,
    now: float,
    limits: Limits,
    costs: Costs,
    usual: Usual,
    feeds_alive: bool = True,
    held: Mask | None = None,
) -> Edges:
    """Compare every exchange with every other one.

    Args:
        snapshot: What is known, of all rows or of some.
        now: [epoch s]
        limits: Which quotes are good.
        costs: Of the four fills.
        usual: Of the same rows.
        feeds_alive: False if what writes the quotes has stopped.
        held: Contracts in quarantine, shape (S, E).
    """
    grid = snapshot.grid
    legs = leg_verdicts(snapshot, now, limits, feeds_alive, held)
    cost = round_trip_cost_bps(grid.taker_fee_bps, grid.maker_fee_bps, costs)
    fee_bps = np.diagonal(cost, axis1=1, axis2=2)  # known where both kinds of fill that are made have a price
    ranking = ranking_verdicts(snapshot, now, limits, fee_bps, usual.index_moved, usual.open_now)
    legs = np.where(legs == OK, ranking, legs)
    entry = spreads.entry_edge_bps(snapshot["bid_price"], snapshot["ask_price"])
    pair = pair_verdicts(legs, entry, limits)
    mids = np.where(price_is_good(legs), spreads.mid_price(snapshot["bid_price"], snapshot["ask_price"]), np.nan)
    promise = entry - np.where(np.isnan(cost), 0.0, cost)
    return Edges(legs, pair, entry, cost, promise, mids, spreads.row_median(mids))


def pair_verdicts(legs: Codes, entry: Array, limits: Limits) -> Codes:
    """First reason against each directed pair, shape (S, E, E): of both legs, the test that comes first."""
    after = (legs - 1).view(np.uint8)  # OK comes last
    pair: Codes = np.minimum(after[:, :, None], after[:, None, :]).view(np.int8) + np.int8(1)
    diagonal = np.arange(entry.shape[1])
    pair[:, diagonal, diagonal] = NOT_LISTED  # an exchange is no pair with itself
    with np.errstate(invalid="ignore"):
        pair[(pair == OK) & (entry > limits.implausible_above * spreads.BPS)] = int(Verdict.IMPLAUSIBLE)
    return pair
