"""Which quotes may make an opportunity. Each verdict is a test of its own; the first that refuses is the reason.

The order is fixed, so that every refused quote or pair has exactly one first reason.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from analytics.spreads import row_middles
from store.snapshot import Matrix, Snapshot

Codes = NDArray[np.int8]


class Verdict(IntEnum):
    """Why not. OK refuses nothing; lower codes are tested first."""

    OK = 0
    NOT_LISTED = 1
    NOT_PAIRED = 2  # another asset by name, a relay, quanto, pre-market
    NOT_TRADING = 3
    NO_QUOTE = 4
    FEED_LOST = 5
    STALE_LEG = 6
    LAGGING = 7
    ONE_SIDED = 8
    CROSSED = 9
    DIFFERENT_ASSET = 10
    IMPLAUSIBLE = 11

    @property
    def label(self) -> str:
        return self.name.lower()


MEANING: dict[Verdict, str] = {
    Verdict.OK: "both quotes are live, fresh, two-sided and of the same asset",
    Verdict.NOT_LISTED: "the exchange does not list this contract",
    Verdict.NOT_PAIRED: "known by name to be another asset, a relay of another exchange, quanto or pre-market",
    Verdict.NOT_TRADING: "the contract is halted, in an auction or settling",
    Verdict.NO_QUOTE: "no quote has arrived yet",
    Verdict.FEED_LOST: "the connection that brought the quote is down or silent",
    Verdict.STALE_LEG: "the quote was last received or confirmed too long ago",
    Verdict.LAGGING: "the quote came too late by the exchange's own clock",
    Verdict.ONE_SIDED: "one side of the book is empty",
    Verdict.CROSSED: "the best bid is not below the best ask",
    Verdict.DIFFERENT_ASSET: "its index or mark price does not agree with the other exchanges within 3 %, or has not"
    " done so for long enough, or is not there to settle a name in doubt",
    Verdict.IMPLAUSIBLE: "the edge is above 10 %, which no real one was ever seen to be",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What still counts as good. stale_after_s, max_lag_s: seconds. The last two are fractions."""

    stale_after_s: float = 10.0
    max_lag_s: float = 1.0
    same_asset_within: float = 0.03
    implausible_above: float = 0.10


def leg_verdicts(
    snapshot: Snapshot,
    now: float,
    limits: Limits,
    feeds_alive: bool = True,
    held: NDArray[np.bool_] | None = None,
) -> Codes:
    """The first reason against each quote, shape (S, E); Verdict.OK where there is none.

    feeds_alive: False if what writes the quotes has stopped: then none of them can be believed. held: contracts in
    quarantine, same shape.
    """
    grid = snapshot.grid
    bid, ask = snapshot["bid_price"], snapshot["ask_price"]
    received = snapshot["received_time"]
    with np.errstate(invalid="ignore"):
        tests = (
            (Verdict.NOT_LISTED, ~grid.listed),
            (Verdict.NOT_PAIRED, ~grid.pairable),
            (Verdict.NOT_TRADING, ~grid.trading),
            (Verdict.NO_QUOTE, np.isnan(received)),
            (Verdict.FEED_LOST, (snapshot["live"] != 1.0) | (not feeds_alive)),
            (Verdict.STALE_LEG, now - received > limits.stale_after_s),
            (Verdict.LAGGING, snapshot["lag_s"] > limits.max_lag_s),
            (Verdict.ONE_SIDED, np.isnan(bid) | np.isnan(ask)),
            (Verdict.CROSSED, bid >= ask),
        )
    codes = np.full(bid.shape, Verdict.OK, dtype=np.int8)
    for verdict, refused in reversed(tests):
        codes[refused] = verdict
    reference = asset_reference(snapshot["index_price"], snapshot["mark_price"], codes == Verdict.OK)
    other = different_asset(reference, limits) | (grid.in_doubt & ~compared(reference))
    # Of two there is no majority: their marks have to agree as their indices do.
    of_two = (np.sum(~np.isnan(reference), axis=1) == 2)[:, None] & ~np.isnan(reference)
    other |= different_asset(np.where(of_two, snapshot["mark_price"], np.nan), limits)
    if held is not None:
        other |= held
    codes[(codes == Verdict.OK) & other] = Verdict.DIFFERENT_ASSET
    return codes


def asset_reference(index_price: Matrix, mark_price: Matrix, usable: NDArray[np.bool_]) -> Matrix:
    """What an exchange says the asset is worth: its index, or its mark where it publishes none. [quote per coin]

    Any shape; NaN where neither is known, and for quotes that are not usable.
    """
    return np.where(usable, np.where(np.isnan(index_price), mark_price, index_price), np.nan)


def compared(reference: Matrix) -> NDArray[np.bool_]:
    """Which references have another one beside them to be compared with, shape (S, E)."""
    known = ~np.isnan(reference)
    beside: NDArray[np.bool_] = known & (known.sum(axis=1) >= 2)[:, None]
    return beside


def different_asset(reference: Matrix, limits: Limits) -> NDArray[np.bool_]:
    """Which quotes do not belong to the same asset as the rest of their row, shape (S, E).

    Each reference is held against both middle values of its row. Of an odd number that is the median; of two, or of
    two against two, each side is held against the other, and as neither can be trusted both are refused. A leg
    without a reference cannot be judged here.
    """
    low, high = row_middles(reference)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.maximum(reference / low[:, None], high[:, None] / reference)
        off: NDArray[np.bool_] = ratio > 1.0 + limits.same_asset_within
    return off
