"""Why a gap that seems to pay is not an arbitrage: the tests of pairs, each a function of its own.

A test says of n routes at once which of them it refuses. They run in the order of `PAIR_TESTS`, so that every route has
exactly one first reason; books are walked only for those that the tests before have let through. The tests of single
quotes (`analytics.quality`) come first. Source of the classes: docs/decisions.md, 'What looks like an arbitrage and is
not'.
"""

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.quality import Codes, Limits, Verdict, first_reason

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Routes(msgspec.Struct, frozen=True):
    """What the tests look at, of n directed pairs whose quotes are good; every array has shape (n,).

    least: net edge that is asked for [bps]. gross: entry edge at the touch, cost: of the four fills [bps]. usual_exit:
    median of what closing earned [bps], of exit_samples samples. fresh: how far the books are apart when each is
    divided by its own mark, basis: how far the marks are [bps]. anchor_age: of the mark that is more overdue,
    anchor_due: when it is that, anchor_apart: between the two [s]. anchored: whether the gap jumped open, or both marks
    were read since. anchor_move: the largest of the two marks' and the median mid's latest moves [bps]. apart: between
    the times of which the two quotes are known to be true [s]. sigma: of the price [bps per root second]. told: whether
    each leg that is off the others has said so since the gap opened. index_told: whether the index of what is no coin
    has moved since, while its market is closed. gainful: notional that can be filled at a gain [quote]. behind: from
    the touch to the next level [bps], NaN where depth is not known. spread: the wider of the quoted spreads, now or
    usually [bps]. age: of the gap [s]. silence: of the exchange that is more overdue, about all its contracts,
    silence_due: when it is that [s]; NaN where it is not known.
    """

    least: float
    gross: Array
    cost: Array
    usual_exit: Array
    exit_samples: Array
    fresh: Array
    basis: Array
    anchor_age: Array
    anchor_due: Array
    anchor_apart: Array
    anchored: Mask
    anchor_move: Array
    apart: Array
    sigma: Array
    told: Mask
    index_told: Mask
    gainful: Array
    behind: Array
    spread: Array
    age: Array
    silence: Array
    silence_due: Array

    def __len__(self) -> int:
        return len(self.gross)


def stale_leg(routes: Routes, _limits: Limits) -> Mask:
    """The others moved away from a quote that has said nothing since: it may have died."""
    return ~routes.told


def anchor_skewed(routes: Routes, limits: Limits) -> Mask:
    """The marks were read seconds apart, or one of them too long ago, or before the gap crept open.

    A price that jumps is ahead of its mark; one that creeps is followed by it, and the mark has to be heard first.
    """
    late = ~(routes.anchor_age <= np.fmin(routes.anchor_due, limits.anchor_age_s))
    return ~(routes.anchor_apart <= limits.anchor_apart_s) | late | ~routes.anchored


def anchor_moving(routes: Routes, limits: Limits) -> Mask:
    """A mark runs, or what all books say does: how far the books are from their marks is then a matter of moments."""
    return ~(routes.anchor_move <= limits.anchor_move_bps)


def off_hours_index(routes: Routes, _limits: Limits) -> Mask:
    """The market behind an index is closed, and the index has not moved since the gap opened."""
    return ~routes.index_told


def drift_bps(routes: Routes, limits: Limits) -> Array:
    """How far the price may have moved between the times of the two quotes: sigmas * sigma * sqrt(dt). [bps]"""
    moved: Array = limits.sigmas * routes.sigma * np.sqrt(np.maximum(routes.apart, 0.0))
    return moved


def skewed_legs(routes: Routes, limits: Limits) -> Mask:
    """What the gap leaves after costs is no more than what the price may have moved between the two quotes."""
    return ~(routes.gross - routes.cost >= drift_bps(routes, limits))


def no_history(routes: Routes, limits: Limits) -> Mask:
    """A median of a few samples says nothing of what closing will earn."""
    return routes.exit_samples < limits.exit_samples


def standing_basis(routes: Routes, _limits: Limits) -> Mask:
    """The gap less what the marks explain, or less what closing usually costs, does not pay.

    What the marks explain is taken off as a factor and as a difference: the two part by some tenths of a basis point
    where a basis is large, and it has to pay by both.
    """
    left = np.minimum(routes.fresh, routes.gross - routes.basis)
    lasting = np.minimum(left, routes.gross + routes.usual_exit)
    return ~(lasting - routes.cost >= routes.least)


def thin_book(routes: Routes, limits: Limits) -> Mask:
    """A genuine price, for eleven dollars."""
    return ~(routes.gainful >= limits.thin_below)


def single_order(routes: Routes, limits: Limits) -> Mask:
    """Nothing near behind the touch; where depth is not known, a wide book is taken for one of single orders."""
    unknown = np.isnan(routes.behind)
    return np.where(unknown, ~(routes.spread <= limits.alone_bps), routes.behind > limits.alone_bps)


def unconfirmed(routes: Routes, limits: Limits) -> Mask:
    """The gap is younger than anybody's reaction to it, or the exchange of a leg has just fallen silent altogether."""
    return ~(routes.age >= limits.reaction_s) | (routes.silence > routes.silence_due)


Tests = tuple[tuple[Verdict, Callable[[Routes, Limits], Mask]], ...]

TESTS_BEFORE_BOOKS: Tests = (
    (Verdict.STALE_LEG, stale_leg),
    (Verdict.OFF_HOURS_INDEX, off_hours_index),
    (Verdict.ANCHOR_SKEWED, anchor_skewed),
    (Verdict.ANCHOR_MOVING, anchor_moving),
    (Verdict.SKEWED_LEGS, skewed_legs),
    (Verdict.NO_HISTORY, no_history),
    (Verdict.STANDING_BASIS, standing_basis),
)
TESTS_WITH_BOOKS: Tests = (
    (Verdict.THIN_BOOK, thin_book),
    (Verdict.SINGLE_ORDER, single_order),
    (Verdict.UNCONFIRMED, unconfirmed),
)


PAIR_TESTS: Tests = TESTS_BEFORE_BOOKS + TESTS_WITH_BOOKS


def first_reasons(routes: Routes, limits: Limits, tests: Tests = PAIR_TESTS) -> Codes:
    """The first test that refuses each route, shape (n,); Verdict.OK where none does."""
    return first_reason([(verdict, test(routes, limits)) for verdict, test in tests], (len(routes),))
