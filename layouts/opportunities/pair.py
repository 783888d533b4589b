"""One pair opened up: everything the drawer and its text show, read once per view."""

from dataclasses import dataclass

import numpy as np

from analytics.costs import CostParts, cost_parts
from analytics.explain import Explanation, explain
from analytics.funding import CashFlow, cash_flows, leg_funding, total_bps
from analytics.opportunities import One
from analytics.routes import books_of
from analytics.series import PairSeries, WindowPercentile, net_zero_bps, pair_series, window_percentiles
from analytics.size import Fill, fill
from analytics.spreads import funding_apr
from desk import Opportunity, View
from layouts import glance
from layouts.format import tick_decimals

HOUR_S = 3_600.0
RANK_S = 86_400.0
POINTS = 360  # of the hour that are drawn


@dataclass(frozen=True)
class Opened:
    """cost: of opening, of closing, and the reserve [bps, (1,) each]. filled: what my size would get, None where it is
    not known. flows: None where a leg's funding is not known. hour: the last hour, thinned. rank: of the touch in a
    day. carry_apr: simple, on the notional of a leg [fraction]. net_zero: edge at the touch that leaves nothing [bps].
    """

    row: Opportunity
    one: One
    explanation: Explanation
    cost: CostParts
    filled: Fill | None
    flows: list[CashFlow] | None
    hour: PairSeries
    rank: WindowPercentile
    carry_apr: float | None
    net_zero: float | None
    decimals: int | None

    @property
    def carry(self) -> float | None:
        """Sum of the dated payments. [bps]"""
        return None if self.flows is None else total_bps(self.flows)

    @property
    def quote(self) -> str:
        return self.row.symbol.rpartition("-")[2]

    @property
    def base(self) -> str:
        return self.row.symbol.rpartition("-")[0]


@glance.per_view
def open_pair(view: View, row_id: str) -> Opened | None:
    """Open a row by its id; None if a leg is no longer listed."""
    symbol, buy, sell = (*row_id.split(":"), "", "")[:3]
    one = view.one(symbol, buy, sell)
    if one is None:
        return None
    row = view.told(one)
    grid, pairs, terms = one.snapshot.grid, one.pairs, one.context.terms
    b, e = int(pairs.buy[0]), int(pairs.sell[0])
    legs = [leg_funding(view.judgement.snapshot, exchange, symbol) for exchange in (buy, sell)]
    apr = funding_apr(one.snapshot["funding_rate"][0], one.snapshot["funding_interval_h"][0])
    ring = view.market.ring
    day, hour = (
        pair_series(ring.history(buy, symbol, window), ring.history(sell, symbol, window))
        for window in (RANK_S, HOUR_S)
    )
    fees, exit_, walk = row.fees_bps, row.expected_exit_bps, row.walk_bps
    return Opened(
        row=row,
        one=one,
        explanation=explain(one),
        cost=cost_parts(grid.taker_fee_bps, grid.maker_fee_bps, pairs.symbol, pairs.buy, pairs.sell, terms.costs),
        filled=fill(*books_of(one.snapshot, one.context, 0, b, e), row.size) if row.size else None,
        flows=cash_flows(legs[0], legs[1], one.time, terms.holding_h),
        hour=_thinned(hour),
        rank=window_percentiles(row.gross_edge_bps, {RANK_S: day})[0],
        carry_apr=_known(float(apr[e] - apr[b])),
        net_zero=None if fees is None or exit_ is None or walk is None else net_zero_bps(fees, exit_ + walk),
        decimals=tick_decimals(float(grid.tick_size[0, b]), float(grid.tick_size[0, e])),
    )


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _thinned(series: PairSeries) -> PairSeries:
    """Every k-th sample by the clock, so that the same ones are kept from tick to tick, and the newest."""
    every = max(1, round(HOUR_S / series.step_s / POINTS))
    kept = np.rint(series.time / series.step_s).astype(np.int64) % every == 0
    kept[-1:] = True
    return PairSeries(
        time=series.time[kept],
        buy_price=series.buy_price[kept],
        sell_price=series.sell_price[kept],
        spread_bps=series.spread_bps[kept],
        exit_bps=series.exit_bps[kept],
        step_s=series.step_s * every,
    )
