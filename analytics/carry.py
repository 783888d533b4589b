"""Which two exchanges of each symbol are furthest apart in funding, and what it takes to earn that.

Of each symbol one directed pair: long where funding per hour is lowest, short where it is highest. Rates are fractions,
edges and costs bps of the mean of the two mids, at the touch. Source of the formulas: docs/decisions.md, 'Funding'.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics import funding
from analytics.costs import cost_parts
from analytics.quality import Codes, Limits, Verdict, price_is_good
from analytics.routes import Array, ExpectedExit, Ints, Mask
from analytics.spreads import BPS, entry_edge_bps, funding_per_hour
from analytics.terms import Terms
from store.funding import FRESH_S
from store.grid import Matrix
from store.snapshot import Snapshot

NOT_COMPARED: Final = (
    Verdict.NOT_LISTED,
    Verdict.NOT_PAIRED,
    Verdict.DERIVED_VENUE,
    Verdict.NOT_TRADING,
    Verdict.NO_QUOTE,
    Verdict.FEED_LOST,
    Verdict.DIFFERENT_ASSET,
)


@dataclass(frozen=True)
class WidestPairs:
    """One directed pair of each symbol with two rates that can be compared, widest carry first, shape (n,).

    symbol, long, short: positions on the snapshot. per_8h_bps: average carry in eight hours [bps]; apr: the same in a
    year, simple [fraction]. carry_bps: dated payments inside the holding time [bps]. cost_bps: four fills and reserve,
    entry_bps: at the touch, exit_bps: expected [bps]. break_even_h: until carry has paid what the rest lacks; 0 at
    once. net_apr: of a leg's notional, net_apr_on_capital: of the capital that both legs
    take [fraction a year]. NaN where an input is not known.
    """

    symbol: Ints
    long: Ints
    short: Ints
    per_8h_bps: Array
    apr: Array
    carry_bps: Array
    cost_bps: Array
    entry_bps: Array
    exit_bps: Array
    break_even_h: Array
    net_apr: Array
    net_apr_on_capital: Array

    def __len__(self) -> int:
        return len(self.symbol)


def fresh_rates(snapshot: Snapshot, now: float) -> Mask:
    """Which funding rates were heard lately enough to stand, shape (S, E). now: [epoch s]"""
    with np.errstate(invalid="ignore"):
        fresh: Mask = now - snapshot["funding_received_time"] <= FRESH_S
    return fresh


def widest_pairs(
    snapshot: Snapshot, now: float, verdicts: Codes, terms: Terms, limits: Limits, expected_exit: ExpectedExit
) -> WidestPairs:
    """The pair of each symbol that funding pays most for.

    Args:
        snapshot: What is known.
        now: When the position would be opened. [epoch s]
        verdicts: First reason against each quote, shape (S, E). What is of another asset, relayed, halted or lost is
            not compared; a quote that only came late leaves the carry as it is, and the rest not known.
        terms: Costs, holding time and leverage.
        limits: How many samples an expected exit needs.
        expected_exit: What closing is expected to earn.

    Returns:
        Symbols with fewer than two such contracts of known rate and interval are left out: an unknown interval is
        never ranked.
    """
    hourly = funding_per_hour(snapshot["funding_rate"], snapshot["funding_interval_h"])
    comparable = ~np.isin(verdicts, NOT_COMPARED) & fresh_rates(snapshot, now)
    hourly = np.where(comparable, hourly, np.nan)
    known = ~np.isnan(hourly)
    rows = np.flatnonzero(known.sum(axis=1) >= 2)
    long = _where_least(hourly[rows], np.inf)
    short = _where_least(-hourly[rows], np.inf)
    apart = hourly[rows, short] - hourly[rows, long]
    order = np.argsort(-apart, kind="stable")
    order = order[apart[order] > 0.0]
    s, long, short = rows[order], long[order], short[order]

    legs = funding.leg_columns(snapshot, s, long), funding.leg_columns(snapshot, s, short)
    per_hour = funding.pair_carry_per_hour(*legs)
    carry = funding.carry_bps(*legs, now, terms.holding_h)
    grid = snapshot.grid
    parts = cost_parts(grid.taker_fee_bps, grid.maker_fee_bps, s, long, short, terms.costs)
    cost = parts.entry + parts.exit + parts.reserve
    good = price_is_good(verdicts)
    entry = np.where(good[s, long] & good[s, short], _entry(snapshot, s, long, short), np.nan)
    exits, samples = expected_exit(s, long, short)
    exits = np.where(samples >= limits.exit_samples, exits, np.nan)
    apr = funding.net_apr(carry, cost, entry, exits, terms.holding_h)
    return WidestPairs(
        symbol=s,
        long=long,
        short=short,
        per_8h_bps=per_hour * 8.0 * BPS,
        apr=per_hour * funding.YEAR_H,
        carry_bps=carry,
        cost_bps=cost,
        entry_bps=entry,
        exit_bps=exits,
        break_even_h=funding.break_even_hours(cost, entry, exits, per_hour),
        net_apr=apr,
        net_apr_on_capital=funding.on_capital(apr, terms.leverage, terms.leverage),
    )


def _where_least(values: Matrix, unknown: float) -> Ints:
    """Position of the least known value of each row, shape (n, E) -> (n,)."""
    found: NDArray[np.intp] = np.argmin(np.where(np.isnan(values), unknown, values), axis=1)
    return found


def _entry(snapshot: Snapshot, s: Ints, long: Ints, short: Ints) -> Array:
    """Gross entry edge of chosen pairs at the touch, shape (n,). [bps]"""
    legs = np.stack([long, short], axis=1)
    bid, ask = (snapshot[name][s[:, None], legs] for name in ("bid_price", "ask_price"))
    edge: Array = entry_edge_bps(bid, ask)[:, 0, 1]
    return edge


@dataclass(frozen=True, slots=True)
class Calendar:
    """The next settlements of the contracts of one interval. continuous: they have none, funding accrues.

    legs: contracts of that interval. next_time: the earliest next stamp, of due_legs of them; None if none is told.
    """

    interval_h: float
    continuous: bool
    legs: int
    next_time: float | None
    due_legs: int


def calendar(snapshot: Snapshot, now: float, wanted: Mask) -> list[Calendar]:
    """The next settlements by interval, shortest last. wanted: which contracts, shape (S, E). now: [epoch s]"""
    hours, times = snapshot["funding_interval_h"], snapshot["next_funding_time"]
    accruing = snapshot.grid.continuous
    found = []
    for kind, of_kind in ((False, ~accruing), (True, accruing)):
        here = wanted & of_kind & (hours > 0.0)
        for interval_h in sorted(set(hours[here].tolist()), reverse=True):
            legs = here & (hours == interval_h)
            due = legs & (times > now)
            first = float(times[due].min()) if due.any() and not kind else None
            count = int(np.sum(np.abs(times[due] - first) < 1.0)) if first is not None else 0
            found.append(Calendar(interval_h, kind, int(legs.sum()), first, count))
    return found
