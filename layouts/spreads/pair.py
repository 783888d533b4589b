"""One directed pair now and over the last minutes, for the page and the CSV file."""

import csv
import io
from dataclasses import dataclass

import numpy as np

from analytics import spreads
from analytics.quality import Verdict
from analytics.series import PairSeries, Statistics, net_zero_bps, pair_series, statistics
from desk import View, expected_exit_bps
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
    decimals: int | None


def read_pair(view: View, choice: Choice, window_s: float) -> PairNow | None:
    """Read a pair, None if one of its legs is not listed."""
    snapshot = view.judgement.snapshot
    grid = snapshot.grid
    s = grid.symbol_index.get(choice.symbol)
    buy, sell = grid.exchange_index.get(choice.buy), grid.exchange_index.get(choice.sell)
    if s is None or buy is None or sell is None or not (grid.listed[s, buy] and grid.listed[s, sell]):
        return None
    market = view.market
    both = [buy, sell]
    bid, ask = snapshot["bid_price"][s, both][None, :], snapshot["ask_price"][s, both][None, :]
    carry = spreads.carry_per_hour(
        snapshot["funding_rate"][s, both][None, :], snapshot["funding_interval_h"][s, both][None, :]
    )
    fees = float(spreads.round_trip_fees_bps(grid.taker_fee_bps[s, both][None, :])[0, 0, 1])
    where = np.array([s]), np.array([buy]), np.array([sell])
    exits, samples = expected_exit_bps(market.ring, grid.symbols, grid.exchanges, *where)
    entry, expected = float(spreads.entry_edge_bps(bid, ask)[0, 0, 1]), float(exits[0])
    series = pair_series(
        market.ring.history(choice.buy, choice.symbol),
        market.ring.history(choice.sell, choice.symbol),
        since=view.judgement.time - window_s,
    )
    codes = [Verdict(int(view.judgement.verdicts[s, e])) for e in both]
    refused = [code for code in codes if code is not Verdict.OK]
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
        entry=entry,
        expected_exit=expected,
        exit_samples=int(samples[0]),
        fees=fees,
        net=float(spreads.net_edge_bps(np.array(entry), np.array(expected), np.array(fees))),
        net_zero=net_zero_bps(fees, expected),
        carry_8h=float(carry[0, 0, 1]) * 8.0 * spreads.BPS,
        verdict=min(refused) if refused else Verdict.OK,
        decimals=tick_decimals(*ticks),
    )


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
