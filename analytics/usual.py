"""What is usual for each contract: its quoted spread, how its marks and its index move, how its price does.

One object a look at the market, replaced as a whole; arrays have shape (S, E) on its grid, NaN where nothing is known
yet. Averages are exponential, with a half-life, so that they need no memory of their own.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from analytics.runs import LOOK_S, Recent
from analytics.spreads import BPS, quoted_spread_bps, row_median
from market.hours import is_open
from market.models import AssetClass
from store.grid import Grid, Matrix
from store.snapshot import Snapshot

HALF_LIFE_S = 60.0
GAP_WEIGHT = 0.2  # of the last distance between two marks in the average of them
ANCHOR_GAPS, ANCHOR_SLACK_S = 2.0, 1.0  # a mark is overdue after so many of its usual distances, and a little
SIGMA_FLOOR_BPS = 0.5  # per root second: no price stands still for ever


class Span(msgspec.Struct, frozen=True):
    """Least and greatest mark, shape (S, E), and median mid, shape (S,), of the last LOOK_S. NaN where not known."""

    low_mark: Matrix
    high_mark: Matrix
    low_middle: Matrix
    high_middle: Matrix

    @classmethod
    def of(cls, marks: Sequence[tuple[float, Matrix, Matrix]], shape: tuple[int, ...]) -> "Span":
        """marks: as in `Usual`."""
        of_marks = np.array([mark for _, mark, _ in marks]).reshape(len(marks), *shape)
        of_middle = np.array([middle for _, _, middle in marks]).reshape(len(marks), shape[0])
        return cls(
            *(
                least.reduce(values, axis=0, initial=np.nan)
                for values in (of_marks, of_middle)
                for least in (np.fmin, np.fmax)
            )
        )

    def rows(self, index: NDArray[np.intp]) -> "Span":
        """The same of some rows only."""
        return Span(*(getattr(self, name).take(index, 0) for name in self.__struct_fields__))


class Usual(msgspec.Struct, frozen=True):
    """What was usual until `time` [epoch s].

    spread_bps: quoted spread, average. index_price: the last; index_moved: when it last changed [epoch s]. open_now:
    whether the market behind the index is open. variance: of the median mid, shape (S,) [bps^2 per s]. middle: that
    median [quote per coin]. anchor_time: when mark and index were last received [epoch s], anchor_gap_s: how far apart
    they usually come. span: how far marks and median mids went in the last LOOK_S, marks: (time, marks, median mids)
    of that time, oldest first, kept of the whole market only. recent: what every look at a change knows of it.
    """

    grid: Grid
    time: float
    spread_bps: Matrix
    index_price: Matrix
    index_moved: Matrix
    open_now: NDArray[np.bool_]
    variance: Matrix
    middle: Matrix
    anchor_time: Matrix
    anchor_gap_s: Matrix
    span: Span
    marks: tuple[tuple[float, Matrix, Matrix], ...] = ()
    recent: Recent | None = None

    @property
    def sigma_bps(self) -> Matrix:
        """Standard deviation of the price over one second, shape (S,). [bps per root second]"""
        return np.fmax(np.sqrt(self.variance), SIGMA_FLOOR_BPS)

    def move_bps(self, mark_price: Matrix, mids: Matrix, middle: Matrix) -> Matrix:
        """The furthest that each mark, or the mids of its symbol, have come from where they were in the last LOOK_S.

        mark_price, mids: shape (S, E), as they are now, mids NaN where they are not good; middle: median of each row's,
        shape (S,). [bps] 0 where nothing is known. The mids tell of a run before the marks do, which come once in a
        while only.
        """
        span = self.span
        with np.errstate(invalid="ignore", divide="ignore"):
            of_marks = np.fmax(mark_price / span.low_mark - 1.0, 1.0 - mark_price / span.high_mark)
            of_middle = np.fmax(middle / span.low_middle - 1.0, 1.0 - middle / span.high_middle)
        move = np.fmax(np.fmax(of_marks, of_middle[:, None]) * BPS, 0.0)
        if self.recent is not None:
            np.fmax(move, self.recent.run_bps(mids)[:, None], out=move)
        return move

    @property
    def anchor_due_s(self) -> Matrix:
        """How old mark and index may be before they are overdue. [s] NaN where it is not known how often they come."""
        due: Matrix = ANCHOR_GAPS * self.anchor_gap_s + ANCHOR_SLACK_S
        return due

    def rows(self, index: NDArray[np.intp], grid: Grid) -> "Usual":
        """The same of some rows only, as `index` orders them; `grid`: the grid cut likewise."""
        cut = {name: getattr(self, name).take(index, 0) for name in _ARRAYS}
        recent = None if self.recent is None else self.recent.rows(index)
        return replace(self, grid=grid, span=self.span.rows(index), marks=(), recent=recent, **cut)


_ARRAYS = ("spread_bps", "index_price", "index_moved", "open_now", "variance", "middle", "anchor_time", "anchor_gap_s")


def nothing_usual(grid: Grid, now: float) -> Usual:
    """Before the first look."""
    shape = grid.listed.shape
    unknown = np.full(shape, np.nan)
    alone = np.full(shape[0], np.nan)
    span = Span.of((), shape)
    return Usual(grid, now, unknown, unknown, unknown, _open_now(grid, now), alone, alone, unknown, unknown, span)


def on_grid(usual: Usual, grid: Grid) -> Usual:
    """What is known of the symbols that stay, on another grid; the exchanges are always the same."""
    if usual.grid is grid:
        return usual
    fresh = nothing_usual(grid, usual.time)
    to, at = grid.kept(usual.grid)

    def moved(new: Matrix, old: Matrix) -> Matrix:
        out: Matrix = new.copy()
        out[to] = old[at]
        return out

    marks = tuple(
        (time, moved(fresh.spread_bps, mark), moved(fresh.middle, middle)) for time, mark, middle in usual.marks
    )
    return Usual(
        grid=grid,
        time=usual.time,
        spread_bps=moved(fresh.spread_bps, usual.spread_bps),
        index_price=moved(fresh.index_price, usual.index_price),
        index_moved=moved(fresh.index_moved, usual.index_moved),
        open_now=fresh.open_now,
        variance=moved(fresh.variance, usual.variance),
        middle=moved(fresh.middle, usual.middle),
        anchor_time=moved(fresh.anchor_time, usual.anchor_time),
        anchor_gap_s=moved(fresh.anchor_gap_s, usual.anchor_gap_s),
        span=Span.of(marks, grid.listed.shape),
        marks=marks,
    )


def observe(usual: Usual, snapshot: Snapshot, usable: NDArray[np.bool_], now: float) -> Usual:
    """Look at the market once more.

    Args:
        usual: What was usual until now, on any grid.
        snapshot: What is known now.
        usable: Quotes whose price is good, shape (S, E).
        now: [epoch s]
    """
    usual = on_grid(usual, snapshot.grid)
    passed_s = max(now - usual.time, 1e-3)
    weight = 1.0 - 0.5 ** (passed_s / HALF_LIFE_S)
    bid, ask = (np.where(usable, snapshot[name], np.nan) for name in ("bid_price", "ask_price"))
    index, mark = snapshot["index_price"], snapshot["mark_price"]
    middle = row_median((bid + ask) / 2.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        squared = ((middle / usual.middle - 1.0) * BPS) ** 2 / passed_s
        changed = np.abs(index - usual.index_price) > 0.0  # not where one of them is not known
    marks = (*(row for row in usual.marks if now - row[0] <= LOOK_S), (now, mark, middle))
    anchored = snapshot["funding_received_time"]
    with np.errstate(invalid="ignore"):
        gap_s = np.where(anchored > usual.anchor_time, anchored - usual.anchor_time, np.nan)
    return Usual(
        grid=snapshot.grid,
        time=now,
        spread_bps=_averaged(usual.spread_bps, quoted_spread_bps(bid, ask), weight),
        index_price=np.where(np.isnan(index), usual.index_price, index),
        index_moved=np.where(changed, now, usual.index_moved),
        open_now=usual.open_now if now // 60.0 == usual.time // 60.0 else _open_now(snapshot.grid, now),
        variance=_averaged(usual.variance, squared, weight),
        middle=np.where(np.isnan(middle), usual.middle, middle),
        anchor_time=np.where(np.isnan(anchored), usual.anchor_time, anchored),
        anchor_gap_s=_averaged(usual.anchor_gap_s, gap_s, GAP_WEIGHT),
        span=Span.of(marks, mark.shape),
        marks=marks,
    )


def _averaged(before: Matrix, now: Matrix, weight: float) -> Matrix:
    """One step of an average that begins with the first known value; what is not known now changes nothing."""
    step = np.where(np.isnan(before), now, before + weight * (now - before))
    return np.where(np.isnan(now), before, step)


def _open_now(grid: Grid, now: float) -> NDArray[np.bool_]:
    by_class = {asset_class: is_open(asset_class, now) for asset_class in AssetClass}
    out = np.ones(grid.listed.shape, dtype=bool)
    for (exchange, symbol), instrument in grid.instruments.items():
        if not by_class[instrument.asset_class]:
            out[grid.symbol_index[symbol], grid.exchange_index[exchange]] = False
    return out
