"""Funding over a holding time: which payments fall due, what a pair earns by them, and when it has paid its costs.

Rates are plain fractions of notional per interval, positive where longs pay shorts, predicted for the next settlement;
times UTC epoch seconds. Both legs are of the same notional, and bps are of that. Funding by the hour and by the year is
in `analytics.spreads`. Source of the formulas: docs/decisions.md, 'Funding'.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from analytics.spreads import BPS, funding_per_hour
from store.funding import HORIZONS_S, Settlement
from store.snapshot import Snapshot

Array = NDArray[np.float64]
Leg = Literal["long", "short"]

YEAR_H: Final = 8_760.0
HOUR_S: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class LegFunding:
    """What is known of one leg's funding; None is 'not known'.

    next_funding_time: of the next settlement, to which the rate belongs. continuous: there are no settlements, the
    rate accrues evenly over each interval.
    """

    exchange: str
    rate: float | None
    interval_h: float | None
    next_funding_time: float | None
    continuous: bool = False


@dataclass(frozen=True, slots=True)
class CashFlow:
    """One payment of one leg. rate: positive = longs pay. bps: what the leg gets of its notional; negative = it pays.

    kind: predicted: by the rate that the exchange tells for this settlement. assumed: a later settlement, at the same
    rate, which nobody has told. continuous: what has accrued over the whole holding time, dated at its end, by the
    rate of now.
    """

    time: float
    exchange: str
    leg: Leg
    kind: Literal["predicted", "assumed", "continuous"]
    rate: float
    bps: float


@dataclass(frozen=True)
class LegColumns:
    """The funding of n legs, as in `LegFunding`; NaN is 'not known'. All of shape (n,)."""

    rate: Array
    interval_h: Array
    next_funding_time: Array
    continuous: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PredictionQuality:
    """How well rates were predicted over n settlements.

    sign_hits: predictions of the sign that was settled, zero being a sign of its own; sign_hit_rate: their part.
    mean_abs_error_bps: of notional per interval, whatever its length. None where n is 0.
    """

    n: int
    sign_hits: int
    sign_hit_rate: float | None
    mean_abs_error_bps: float | None


def leg_funding(snapshot: Snapshot, exchange: str, symbol: str) -> LegFunding:
    """What a snapshot knows of the funding of one listed contract."""
    cell = snapshot.grid.symbol_index[symbol], snapshot.grid.exchange_index[exchange]
    return LegFunding(
        exchange,
        _known(snapshot["funding_rate"][cell]),
        _known(snapshot["funding_interval_h"][cell]),
        _known(snapshot["next_funding_time"][cell]),
        bool(snapshot.grid.continuous[cell]),
    )


def leg_columns(snapshot: Snapshot, symbol: NDArray[np.intp], exchange: NDArray[np.intp]) -> LegColumns:
    """What a snapshot knows of the funding of n contracts, given by their positions on its axes, shape (n,)."""
    return LegColumns(
        snapshot["funding_rate"][symbol, exchange],
        snapshot["funding_interval_h"][symbol, exchange],
        snapshot["next_funding_time"][symbol, exchange],
        snapshot.grid.continuous[symbol, exchange],
    )


def _known(value: float) -> float | None:
    return None if value != value else float(value)


# -- cash flows ------------------------------------------------------------------------------------------------


def cash_flows(long: LegFunding, short: LegFunding, start: float, holding_h: float) -> list[CashFlow] | None:
    """The payments of both legs inside (start, start + holding_h], each on its own calendar, in order of time.

    A position that is open at a stamp pays or gets the whole rate, however short it is held. The first settlement is
    at the leg's next funding time, the others follow every interval at the same rate, which is an assumption.

    Args:
        long: The bought leg, which pays a positive rate.
        short: The sold leg, which gets it.
        start: When the position is opened. [epoch s]
        holding_h: For how long, not negative. [hours]

    Returns:
        None where a leg's funding is not known: no rate, no interval, or a next funding time that is missing or an
        interval or more in the past.
    """
    flows: list[CashFlow] = []
    legs: tuple[tuple[LegFunding, Leg, float], ...] = ((long, "long", -BPS), (short, "short", BPS))
    for leg, name, bps in legs:
        rate, interval_h = leg.rate, leg.interval_h
        if rate is None or interval_h is None or not interval_h > 0.0:
            return None
        if leg.continuous:
            end, accrued = start + holding_h * HOUR_S, rate * holding_h / interval_h
            flows.append(CashFlow(end, leg.exchange, name, "continuous", accrued, bps * accrued))
            continue
        if leg.next_funding_time is None:
            return None
        column = np.array([leg.next_funding_time])
        (first,), (count,) = _settlements(column, np.array([interval_h]), start, holding_h)
        if count != count:
            return None
        for k in range(int(count)):
            time = float(first) + k * interval_h * HOUR_S
            told = time == leg.next_funding_time
            flows.append(CashFlow(time, leg.exchange, name, "predicted" if told else "assumed", rate, bps * rate))
    return sorted(flows, key=lambda flow: flow.time)


def total_bps(flows: Iterable[CashFlow]) -> float:
    """What all payments come to: the carry of the pair. [bps of the notional of a leg]"""
    return sum((flow.bps for flow in flows), 0.0)


def carry_bps(long: LegColumns, short: LegColumns, start: float, holding_h: float) -> Array:
    """The carry of n pairs over a holding time: the sum of their `cash_flows`, shape (n,). [bps]

    NaN where `cash_flows` is None.
    """
    return (_due(short, start, holding_h) - _due(long, start, holding_h)) * BPS


def _due(legs: LegColumns, start: float, holding_h: float) -> Array:
    """The sum of the rates that fall due, shape (n,). [fraction of notional, positive = longs pay]"""
    _, count = _settlements(legs.next_funding_time, legs.interval_h, start, holding_h)
    accrued = funding_per_hour(legs.rate, legs.interval_h) * holding_h
    return np.where(legs.continuous, accrued, legs.rate * count)


def _settlements(next_funding_time: Array, interval_h: Array, start: float, holding_h: float) -> tuple[Array, Array]:
    """The first settlement after `start`, and how many fall due up to the end; NaN where that cannot be told.

    A funding time that has just passed stands for the next on its calendar; the exchange has not told it yet.
    """
    with np.errstate(invalid="ignore"):
        step = np.where(interval_h > 0.0, interval_h, np.nan) * HOUR_S
        past = start - next_funding_time
        first = np.where(past < 0.0, next_funding_time, next_funding_time + step)
        first = np.where(past < step, first, np.nan)
        end = start + holding_h * HOUR_S
        count = np.maximum(np.floor((end - first) / step) + 1.0, 0.0)
    return first, count


# -- what it is worth ------------------------------------------------------------------------------------------


def pair_carry_per_hour(long: LegColumns, short: LegColumns) -> Array:
    """Average funding of n pairs, r_S / h_S - r_L / h_L, shape (n,). [fraction per hour] NaN where not known."""
    return funding_per_hour(short.rate, short.interval_h) - funding_per_hour(long.rate, long.interval_h)


def break_even_hours(cost_bps: Array, entry_bps: Array, expected_exit_bps: Array, carry_per_hour: Array) -> Array:
    """Hours until funding has paid what the round trip lacks: (cost - g_in - g_out) / (1e4 * c), any shape.

    Args:
        cost_bps: Four fills. [bps]
        entry_bps: Gross entry edge. [bps]
        expected_exit_bps: What closing is expected to earn. [bps]
        carry_per_hour: Average funding of the pair. [fraction per hour]

    Returns:
        0 where the edges alone pay. NaN where nothing that is earned ever pays, and where an input is not known.
    """
    lack = cost_bps - entry_bps - expected_exit_bps
    earning = np.where(carry_per_hour > 0.0, carry_per_hour, np.nan)
    return np.where(lack <= 0.0, 0.0, lack / (BPS * earning))


def net_apr(carry: Array, cost_bps: Array, entry_bps: Array, expected_exit_bps: Array, holding_h: float) -> Array:
    """What a round trip earns in a year of its like, simple: (carry - cost + g_in + g_out) / 1e4 * 8760 / T, any shape.

    carry: over the holding time [bps], by dated payments or 1e4 * c * T. holding_h: T, above zero.
    Returns fractions of a leg's notional per year; NaN where an input is not known.
    """
    return (carry - cost_bps + entry_bps + expected_exit_bps) / BPS * (YEAR_H / holding_h)


def on_capital(apr_on_notional: Array, long_leverage: float, short_leverage: float, buffers: float = 0.0) -> Array:
    """A yearly rate on the capital that both legs take: divided by 1 / lev_L + 1 / lev_S + buffers, any shape.

    buffers: margin kept beside the positions, as a fraction of a leg's notional.
    """
    return apr_on_notional / (1.0 / long_leverage + 1.0 / short_leverage + buffers)


# -- predictions -----------------------------------------------------------------------------------------------


def prediction_error_bps(settlement: Settlement) -> tuple[float | None, ...]:
    """Predicted less settled rate at each of `HORIZONS_S`. [bps of notional per interval] None where not seen."""
    settled = settlement.settled_rate
    return tuple(None if rate is None else (rate - settled) * BPS for rate in settlement.predicted)


def prediction_quality(settlements: Sequence[Settlement]) -> tuple[PredictionQuality, ...]:
    """How good the predictions were, one answer for each of `HORIZONS_S`; what nobody saw does not count."""
    settled = np.array([settlement.settled_rate for settlement in settlements])
    rates = [np.nan if rate is None else rate for settlement in settlements for rate in settlement.predicted]
    columns = np.array(rates, dtype=float).reshape(-1, len(HORIZONS_S)).T
    return tuple(_quality(column, settled) for column in columns)


def _quality(predicted: Array, settled: Array) -> PredictionQuality:
    seen = ~np.isnan(predicted)
    predicted, settled = predicted[seen], settled[seen]
    n = len(predicted)
    if n == 0:
        return PredictionQuality(0, 0, None, None)
    hits = int(np.sum(np.sign(predicted) == np.sign(settled)))
    return PredictionQuality(n, hits, hits / n, float(np.mean(np.abs(predicted - settled))) * BPS)
