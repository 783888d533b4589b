"""Which quotes may make an opportunity. Each verdict is a test of its own; the first that refuses is the reason.

The order is fixed, so that every refused quote or pair has exactly one first reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from analytics.spreads import row_middles
from store.grid import Matrix
from store.snapshot import Snapshot

Codes = NDArray[np.int8]


class Verdict(IntEnum):
    """Why not. OK refuses nothing; lower codes are tested first.

    Up to DIFFERENT_ASSET a quote is refused by itself and its price is not used at all. Up to OFF_HOURS_INDEX the price
    is good, and yet no pair with it is ranked. What follows is said of a pair whose gap seems to pay.
    """

    OK = 0
    NOT_LISTED = 1
    NOT_PAIRED = 2  # another asset by name, quanto, pre-market
    DERIVED_VENUE = 3
    NOT_TRADING = 4
    NO_QUOTE = 5
    FEED_LOST = 6
    STALE_LEG = 7
    LAGGING = 8
    ONE_SIDED = 9
    CROSSED = 10
    DIFFERENT_ASSET = 11
    FEE_UNKNOWN = 12
    INTERVAL_UNKNOWN = 13
    ANCHOR_MISSING = 14
    PRICE_BAND = 15
    OFF_HOURS_INDEX = 16
    IMPLAUSIBLE = 17
    ANCHOR_SKEWED = 18
    ANCHOR_MOVING = 19
    SKEWED_LEGS = 20
    NO_HISTORY = 21
    STANDING_BASIS = 22
    THIN_BOOK = 23
    SINGLE_ORDER = 24
    UNCONFIRMED = 25

    @property
    def label(self) -> str:
        return self.name.lower()


MEANING: dict[Verdict, str] = {
    Verdict.OK: "both quotes are live, fresh, two-sided and of the same asset",
    Verdict.NOT_LISTED: "the exchange does not list this contract",
    Verdict.NOT_PAIRED: "known by name to be another asset, quanto or pre-market",
    Verdict.DERIVED_VENUE: "the exchange repeats another one's book: a gap to it is the delay of the relay",
    Verdict.NOT_TRADING: "the contract is halted, in an auction or settling",
    Verdict.NO_QUOTE: "no quote has arrived yet",
    Verdict.FEED_LOST: "the connection that brought the quote is down or silent",
    Verdict.STALE_LEG: "the quote was last received or confirmed too long ago, or has not been since the others moved",
    Verdict.LAGGING: "the quote came too late by the exchange's own clock, or all of the exchange's do",
    Verdict.ONE_SIDED: "one side of the book is empty",
    Verdict.CROSSED: "the best bid is not below the best ask",
    Verdict.DIFFERENT_ASSET: "its index or mark price does not agree with the other exchanges, or has not"
    " done so for long enough, or is not there to settle a name in doubt",
    Verdict.FEE_UNKNOWN: "what a fill costs there is not known",
    Verdict.INTERVAL_UNKNOWN: "how often the contract pays funding is not known",
    Verdict.ANCHOR_MISSING: "its mark or its index is not known, so that a standing basis cannot be told from a gap",
    Verdict.PRICE_BAND: "the quote lies outside the band within which the exchange takes orders",
    Verdict.OFF_HOURS_INDEX: "the market behind its index is closed, and the index stands still",
    Verdict.IMPLAUSIBLE: "the edge is above 10 %, which no real one was ever seen to be",
    Verdict.ANCHOR_SKEWED: "the two marks were read too far apart, or one of them too long ago",
    Verdict.ANCHOR_MOVING: "a mark is moving, so that the gap may be the difference of two moments",
    Verdict.SKEWED_LEGS: "the two quotes are of different times, and the price may have moved that far in between",
    Verdict.NO_HISTORY: "too little is known of what closing this pair usually earns",
    Verdict.STANDING_BASIS: "the exchanges' own marks, or what is usual for the pair, explain the gap: it is a basis",
    Verdict.THIN_BOOK: "what could be filled at a gain is worth too little",
    Verdict.SINGLE_ORDER: "one resting order makes the gap, with nothing near behind it",
    Verdict.UNCONFIRMED: "the gap is younger than a reaction to it, or an exchange has just fallen silent",
}
# To hold an array against a member of an enum takes six times as long.
OK, NOT_LISTED = np.int8(Verdict.OK), np.int8(Verdict.NOT_LISTED)
PRICE_TESTS = np.int8(Verdict.DIFFERENT_ASSET)  # the last test of the price itself


def price_is_good(codes: Codes) -> NDArray[np.bool_]:
    """Which quotes may be remembered and compared, any shape: also those that no pair is ranked with."""
    good: NDArray[np.bool_] = (codes == OK) | (codes > PRICE_TESTS)
    return good


def first_reason(tests: Sequence[tuple[Verdict, NDArray[np.bool_]]], shape: tuple[int, ...]) -> Codes:
    """The first test that refuses, in the order of the tests; OK where none does."""
    codes = np.zeros(shape, dtype=np.int8)
    for verdict, refused in reversed(tests):
        codes[refused] = int(verdict)
    return codes


@dataclass(frozen=True, slots=True)
class Limits:
    """What still counts as good.

    Of quotes: stale_after_s, max_lag_s [s]; same_asset_within, implausible_above [fraction]; index_stands_s: how long
    the index of what is no coin may stand still while its market is open [s], and closed_stands_s while it is closed.
    Of marks: anchor_age_s, anchor_apart_s [s]; anchor_move_bps: within analytics.usual.LOOK_S [bps].
    Of pairs: sigmas: how many of them the price may have moved between two quotes; exit_samples: least number behind
    an expected exit; thin_below [quote]; alone_bps: distance from the touch to the next level, and quoted spread of a
    book whose depth is not known [bps]; reaction_s: how long a gap has to last [s].
    """

    stale_after_s: float = 10.0
    max_lag_s: float = 1.0
    same_asset_within: float = 0.01
    implausible_above: float = 0.10
    index_stands_s: float = 60.0
    closed_stands_s: float = 5.0
    anchor_age_s: float = 15.0
    anchor_apart_s: float = 10.0
    anchor_move_bps: float = 20.0
    sigmas: float = 2.0
    exit_samples: int = 30
    thin_below: float = 250.0
    alone_bps: float = 25.0
    reaction_s: float = 0.1


def leg_verdicts(
    snapshot: Snapshot,
    now: float,
    limits: Limits,
    feeds_alive: bool = True,
    held: NDArray[np.bool_] | None = None,
) -> Codes:
    """The first reason against the price of each quote, shape (S, E); Verdict.OK where there is none.

    feeds_alive: False if what writes the quotes has stopped: then none of them can be believed. held: contracts in
    quarantine, same shape.
    """
    grid = snapshot.grid
    bid, ask = snapshot["bid_price"], snapshot["ask_price"]
    received = snapshot["received_time"]
    with np.errstate(invalid="ignore"):
        tests = (
            (Verdict.NOT_LISTED, ~grid.listed),
            (Verdict.NOT_PAIRED, ~grid.pairable & ~grid.relay),
            (Verdict.DERIVED_VENUE, grid.relay),
            (Verdict.NOT_TRADING, ~grid.trading),
            (Verdict.NO_QUOTE, np.isnan(received)),
            (Verdict.FEED_LOST, (snapshot["live"] != 1.0) | (not feeds_alive)),
            (Verdict.STALE_LEG, now - received > limits.stale_after_s),
            (Verdict.LAGGING, snapshot["lag_s"] > limits.max_lag_s),
            (Verdict.ONE_SIDED, np.isnan(bid) | np.isnan(ask)),
            (Verdict.CROSSED, bid >= ask),
        )
    codes = first_reason(tests, bid.shape)
    reference = asset_reference(snapshot["index_price"], snapshot["mark_price"], codes == OK)
    other = different_asset(reference, limits) | (grid.in_doubt & ~compared(reference))
    # Of two there is no majority: their marks have to agree as their indices do.
    known = ~np.isnan(reference)
    of_two = known.sum(axis=1) == 2
    if of_two.any():
        other |= different_asset(np.where(of_two[:, None] & known, snapshot["mark_price"], np.nan), limits)
    if held is not None:
        other |= held
    codes[(codes == OK) & other] = int(Verdict.DIFFERENT_ASSET)
    return codes


def ranking_verdicts(
    snapshot: Snapshot, now: float, limits: Limits, fee_bps: Matrix, index_moved: Matrix, open_now: NDArray[np.bool_]
) -> Codes:
    """The first reason not to rank pairs with a quote whose price is good, shape (S, E); Verdict.OK where none.

    Args:
        snapshot: What is known.
        now: [epoch s]
        limits: What counts as good.
        fee_bps: What the two fills of a leg cost, same shape. [bps] NaN where not known.
        index_moved: When each index last changed, same shape. [epoch s] NaN where it is not known.
        open_now: Whether the market behind each index is open, same shape.
    """
    grid, mark = snapshot.grid, snapshot["mark_price"]
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.maximum(np.abs(snapshot["bid_price"] / mark - 1.0), np.abs(snapshot["ask_price"] / mark - 1.0))
        stands = np.where(open_now, limits.index_stands_s, limits.closed_stands_s)
        tests = (
            (Verdict.FEE_UNKNOWN, np.isnan(fee_bps)),
            (Verdict.INTERVAL_UNKNOWN, ~(snapshot["funding_interval_h"] > 0.0)),
            (Verdict.ANCHOR_MISSING, np.isnan(mark) | np.isnan(snapshot["index_price"])),
            (Verdict.PRICE_BAND, off > grid.price_band),
            (Verdict.OFF_HOURS_INDEX, ~grid.crypto & ~(now - index_moved <= stands)),
        )
    return first_reason(tests, mark.shape)


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
