"""Directed pairs over quote families: the market converted into dollars, and judged as the market itself is.

Columns are called 'okx/USDT', rows 'BTC-USD*' (`analytics.families.converted`). Nobody follows these pairs while nobody
looks: they are judged once for a judgement that is asked for, and a gap is as old as the later of its two quotes when
it is first seen, or as the first look at it. What closing is expected to earn is the median of what both legs' own
quotes would have earned, all converted with the rate of now: how the currencies moved in between is not in it.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

import msgspec
import numpy as np

from analytics.edges import edges
from analytics.exits import POINTS
from analytics.families import Rate, conversion_rates, converted, inverse_hedge_coins, worth
from analytics.gaps import Gaps
from analytics.opportunities import Judgement, judge
from analytics.quality import price_is_good
from analytics.routes import Array, Books, ExpectedExit, Ints, Mask
from analytics.spreads import BPS, median_exit_bps
from analytics.terms import Terms
from analytics.usual import Span, Usual
from store.depth import Ladder, Side
from store.grid import Grid, Matrix
from store.ring import QuoteRing

KEPT = 4  # judgements, and terms whose gaps are remembered


@dataclass(frozen=True)
class Crossed:
    """A judgement with its families side by side.

    rates: by currency, those without a value too. judgement: of the converted market; its grid's instruments are the
    contracts as listed. factor: what each contract's prices were multiplied by, shape (S, E), NaN where none is.
    """

    rates: Mapping[str, Rate]
    judgement: Judgement
    factor: Matrix = field(repr=False)


def exchange_of(column: str) -> str:
    """'okx' of 'okx/USDT'."""
    return column.partition("/")[0]


def family_of(column: str) -> str:
    """'USDT' of 'okx/USDT'."""
    return column.partition("/")[2]


def crosses(buy: str, sell: str) -> bool:
    """Whether two columns are of different families."""
    return family_of(buy) != family_of(sell)


def hedge_note(leg: str, notional: float | None, price: float | None) -> str:
    """What an inverse leg asks for, in words: N dollars of it are hedged by N / P0 coins."""
    collateral = "its collateral is itself long the coin"
    if not notional or not price:
        return f"{leg} leg is inverse: hedge N / P0 coins; {collateral}"
    coins = inverse_hedge_coins(notional, price)
    return f"{leg} leg is inverse: {notional:.0f} USD of it are hedged by {coins:.6g} coins; {collateral}"


def off_par_bps(rate: Rate) -> float | None:
    """How far a currency stands from one dollar. [bps]"""
    return None if rate.value is None else (rate.value - 1.0) * BPS


class Crossings:
    """Judges each judgement's families once, for all who ask, and remembers since when its gaps are open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: list[tuple[Judgement, Crossed]] = []
        self._gaps: dict[Terms, Gaps] = {}

    def of(self, judgement: Judgement, ring: QuoteRing, books: Books) -> Crossed:
        """Takes some tens of milliseconds the first time: call it off the event loop.

        judgement: of the market as listed. ring: its memory. books: the order books that are watched.
        """
        with self._lock:
            made = next((crossed for known, crossed in self._made if known is judgement), None)
            if made is None:
                made = self._cross(judgement, ring, books)
                self._made = [*self._made[1 - KEPT :], (judgement, made)]
            return made

    def _cross(self, judgement: Judgement, ring: QuoteRing, books: Books) -> Crossed:
        snapshot, now = judgement.snapshot, judgement.time
        good = price_is_good(judgement.verdicts)
        rates = conversion_rates(snapshot, now, good)
        cross = converted(snapshot, rates)
        place = _Place.of(snapshot.grid, cross.grid, rates)
        held = None if judgement.held is None else place.flags(judgement.held)
        usual = place.usual(judgement.usual)
        limits, terms, alive = judgement.limits, judgement.terms, judgement.feeds_alive
        found = edges(cross, now, limits, terms.costs, usual, alive, held)
        gaps = self._followed(terms, cross.grid)
        gaps.update(np.arange(len(cross.symbols)), found, cross.told_at(), terms.min_net_bps)
        judged = judge(
            cross,
            now,
            place.exits(ring),
            limits,
            terms,
            feeds_alive=alive,
            held=held,
            usual=usual,
            since=gaps.since.copy(),
            jumped=gaps.jumped.copy(),
            books=place.books(books),
            found=found,
        )
        return Crossed(rates, judged, place.factor)

    def _followed(self, terms: Terms, grid: Grid) -> Gaps:
        gaps = self._gaps.pop(terms, None)
        if gaps is None or gaps.grid.exchanges != grid.exchanges:
            gaps = Gaps(grid)
        gaps.on_grid(grid)
        while len(self._gaps) >= KEPT:
            self._gaps.pop(next(iter(self._gaps)))
        self._gaps[terms] = gaps
        return gaps


_of_market: WeakKeyDictionary[QuoteRing, Crossings] = WeakKeyDictionary()
_opening = threading.Lock()


def crossed(judgement: Judgement, ring: QuoteRing, books: Books) -> Crossed:
    """As `Crossings.of`; each market, named by its ring, has its own."""
    with _opening:
        crossings = _of_market.setdefault(ring, Crossings())
    return crossings.of(judgement, ring, books)


@dataclass(frozen=True)
class _Place:
    """Where each contract went: from (s, e) of the market to (row, column) of the converted one, n of each.

    factor: shape of the converted grid, what prices were multiplied by.
    """

    grid: Grid
    s: Ints
    e: Ints
    row: Ints
    column: Ints
    factor: Matrix

    @classmethod
    def of(cls, old: Grid, grid: Grid, rates: Mapping[str, Rate]) -> "_Place":
        factor = np.full(grid.listed.shape, np.nan)
        cells = []
        for (column, row), instrument in grid.instruments.items():
            at = grid.symbol_index[row], grid.exchange_index[column]
            value = worth(instrument.symbol, rates)
            factor[at] = np.nan if value is None else value
            cells.append((old.symbol_index[instrument.symbol], old.exchange_index[instrument.exchange], *at))
        s, e, row_at, column_at = np.array(cells, dtype=np.intp).reshape(-1, 4).T
        return cls(grid, s, e, row_at, column_at, factor)

    def numbers(self, old: Matrix) -> Matrix:
        """A matrix of the market laid out anew, NaN where nothing is listed."""
        new = np.full(self.grid.listed.shape, np.nan)
        new[self.row, self.column] = old[self.s, self.e]
        return new

    def flags(self, old: Mask) -> Mask:
        new = np.zeros(self.grid.listed.shape, dtype=bool)
        new[self.row, self.column] = old[self.s, self.e]
        return new

    def usual(self, old: Usual) -> Usual:
        """What is usual for each contract. The price of a row moves as much as that of its liveliest family."""
        variance = np.full(len(self.grid.symbols), np.nan)
        np.fmax.at(variance, self.row, old.variance[self.s])
        low, high = (self.numbers(mark) * self.factor for mark in (old.span.low_mark, old.span.high_mark))
        no_middle = np.full(len(self.grid.symbols), np.nan)
        open_now = np.ones(self.grid.listed.shape, dtype=bool)
        open_now[self.row, self.column] = old.open_now[self.s, self.e]
        return msgspec.structs.replace(
            old,
            grid=self.grid,
            spread_bps=self.numbers(old.spread_bps),
            index_price=self.numbers(old.index_price) * self.factor,
            index_moved=self.numbers(old.index_moved),
            open_now=open_now,
            variance=variance,
            middle=no_middle,
            anchor_time=self.numbers(old.anchor_time),
            anchor_gap_s=self.numbers(old.anchor_gap_s),
            span=Span(low, high, no_middle, no_middle),
            marks=(),
            recent=None,
        )

    def exits(self, ring: QuoteRing) -> ExpectedExit:
        """Median exits from the quotes of the contracts as listed, converted with the rates of now."""
        grid = self.grid

        def exits(symbol: Ints, buy: Ints, sell: Ints) -> tuple[Array, Array]:
            count = len(symbol)
            if count == 0 or len(ring) == 0:
                return np.full(count, np.nan), np.zeros(count)
            width = len(grid.exchanges)
            cells = np.concatenate([symbol * width + buy, symbol * width + sell])
            cells, where = np.unique(cells, return_inverse=True)
            listed = [_contract(grid, *divmod(cell, width)) for cell in cells.tolist()]
            quotes = ring.closes(listed, POINTS) * self.factor.ravel()[cells][:, None, None]
            return median_exit_bps(quotes[where[:count]], quotes[where[count:]])

        return exits

    def books(self, books: Books) -> Books:
        """The order books of the contracts as listed, converted."""

        def converted_book(column: str, row: str) -> Ladder | None:
            instrument = self.grid.instruments.get((column, row))
            ladder = None if instrument is None else books(instrument.exchange, instrument.symbol)
            if ladder is None:
                return None
            factor = float(self.factor[self.grid.symbol_index[row], self.grid.exchange_index[column]])
            return replace(ladder, bids=_times(ladder.bids, factor), asks=_times(ladder.asks, factor))

        return converted_book


def _contract(grid: Grid, row: int, column: int) -> tuple[str, str]:
    """Exchange and symbol of a cell's contract, as listed; names that nobody knows for an empty cell."""
    instrument = grid.instruments.get((grid.exchanges[column], grid.symbols[row]))
    return ("", "") if instrument is None else (instrument.exchange, instrument.symbol)


def _times(side: Side, factor: float) -> Side:
    return tuple((price * factor, size) for price, size in side)
