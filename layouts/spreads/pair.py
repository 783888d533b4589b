"""One directed pair now and over the last minutes, for the page and the CSV file."""

import csv
import io
from dataclasses import dataclass

from analytics.quality import Verdict
from analytics.series import PairSeries, Statistics, net_zero_bps, pair_series, statistics
from desk import View
from layouts.format import tick_decimals
from layouts.spreads.choice import Choice


@dataclass(frozen=True)
class Leg:
    """The long or the short leg now. price: what would be paid or got; fee_bps: of one fill; carry in the pair."""

    exchange: str
    verdict: Verdict
    price: float
    size: float
    age_s: float
    fee_bps: float
    funding_rate: float
    funding_interval_h: float


@dataclass(frozen=True)
class PairNow:
    """Everything the page shows of a pair; edges in bps, NaN where not known."""

    choice: Choice
    series: PairSeries
    stats: Statistics
    long_leg: Leg
    short_leg: Leg
    entry: float
    expected_exit: float
    exit_samples: int
    fees: float
    net: float
    net_zero: float
    carry_8h: float
    verdict: Verdict
    actionable: bool
    decimals: int | None


def read_pair(view: View, choice: Choice, window_s: float) -> PairNow | None:
    """Read a pair, None if one of its legs is not listed."""
    pair = view.pair(choice.symbol, choice.buy, choice.sell)
    if pair is None:
        return None
    snapshot = view.judgement.snapshot
    grid = snapshot.grid
    s = grid.symbol_index[choice.symbol]
    both = buy, sell = grid.exchange_index[choice.buy], grid.exchange_index[choice.sell]
    market = view.market
    fees, expected = _number(pair.fees_bps), _number(pair.expected_exit_bps)
    series = pair_series(
        market.ring.history(choice.buy, choice.symbol),
        market.ring.history(choice.sell, choice.symbol),
        since=view.judgement.time - window_s,
    )
    codes = [Verdict(int(view.judgement.verdicts[s, e])) for e in both]
    ticks = [float(grid.tick_size[s, e]) for e in both]

    def leg(e: int, prices: str, sizes: str, verdict: Verdict) -> Leg:
        return Leg(
            exchange=grid.exchanges[e],
            verdict=verdict,
            price=float(snapshot[prices][s, e]),
            size=float(snapshot[sizes][s, e]),
            age_s=float(view.judgement.age_s[s, e]),
            fee_bps=float(grid.taker_fee_bps[s, e]),
            funding_rate=float(snapshot["funding_rate"][s, e]),
            funding_interval_h=float(snapshot["funding_interval_h"][s, e]),
        )

    return PairNow(
        choice=choice,
        series=series,
        stats=statistics(series.spread_bps),
        long_leg=leg(buy, "ask_price", "ask_size", codes[0]),
        short_leg=leg(sell, "bid_price", "bid_size", codes[1]),
        entry=_number(pair.gross_edge_bps),
        expected_exit=expected,
        exit_samples=pair.expected_exit_samples,
        fees=fees,
        net=_number(pair.net_edge_bps),
        net_zero=net_zero_bps(fees, expected),
        carry_8h=_number(pair.carry_8h_bps),
        verdict=Verdict[pair.verdict.upper()],
        actionable=pair.actionable,
        decimals=tick_decimals(*ticks),
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def as_csv(source: str, choice: Choice, series: PairSeries) -> str:
    """The series with full precision; a gap is an empty field."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["source", "symbol", "buy", "sell", "time", "buy_price", "sell_price", "spread_bps", "exit_bps"])
    columns = (series.time, series.buy_price, series.sell_price, series.spread_bps, series.exit_bps)
    for values in zip(*(column.tolist() for column in columns), strict=True):
        numbers = ["" if value != value else value for value in values]
        writer.writerow([source, choice.symbol, choice.buy, choice.sell, *numbers])
    return out.getvalue()
