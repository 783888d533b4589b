"""One directed pair now and over the last minutes, for the page and the CSV file."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from analytics.profile import Quantiles, quantiles
from analytics.quality import Verdict
from analytics.series import (
    WINDOWS_S,
    Crossings,
    HalfLife,
    PairSeries,
    Statistics,
    WindowPercentile,
    half_life,
    median_crossings,
    net_zero_bps,
    pair_series,
    statistics,
    window_percentiles,
)
from desk import View
from layouts.format import tick_decimals
from layouts.spreads.choice import Choice
from store.episodes import Episode
from store.ring import QuoteRing


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
    """Everything the page shows of a pair; edges in bps, NaN where not known.

    series, stats, quantiles, half_life, crossings: of the chosen window; rank: of now within it; ranks: within
    WINDOWS_S. episodes: of this route, newest first.
    """

    choice: Choice
    time: float
    series: PairSeries
    stats: Statistics
    quantiles: Quantiles | None
    half_life: HalfLife
    crossings: Crossings
    rank: WindowPercentile
    ranks: tuple[WindowPercentile, ...]
    episodes: tuple[Episode, ...]
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
    now = view.judgement.time
    series = look_back(market.ring, choice, window_s, now)
    stats = statistics(series.spread_bps)
    backs = {back: look_back(market.ring, choice, back, now) for back in WINDOWS_S}
    on_grid = (series.time, series.spread_bps, series.step_s)
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
        time=now,
        series=series,
        stats=stats,
        quantiles=quantiles(series.spread_bps),
        half_life=half_life(*on_grid),
        crossings=median_crossings(*on_grid),
        rank=window_percentiles(stats.now, {window_s: series})[0],
        ranks=window_percentiles(stats.now, backs),
        episodes=of_route(market.detector.episodes.every(), choice),
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


def look_back(ring: QuoteRing, choice: Choice, window_s: float, now: float) -> PairSeries:
    """The pair over a window, of the grid that covers it, ended by the newest second. now: [epoch s]"""

    def joined(back_s: float | None, since: float) -> PairSeries:
        long, short = (ring.history(leg, choice.symbol, back_s) for leg in (choice.buy, choice.sell))
        return pair_series(long, short, since)

    series = joined(window_s, now - window_s)
    if series.step_s <= ring.step_s:
        return series
    finest = joined(None, now - series.step_s)
    newer = finest.time > (series.time[-1] if len(series.time) else -np.inf)
    last = np.flatnonzero(newer)[-1:]  # coarse grids are up to an hour behind; one sample more is no weight
    columns = ("time", "buy_price", "sell_price", "spread_bps", "exit_bps")
    longer = {name: np.append(getattr(series, name), getattr(finest, name)[last]) for name in columns}
    return PairSeries(**longer, step_s=series.step_s)


def window_word(window_s: float) -> str:
    """'15 min', '24 h', '7 d'."""
    minutes = window_s / 60.0
    return (
        f"{minutes:.0f} min"
        if minutes < 60
        else f"{minutes / 60:.0f} h"
        if minutes <= 1_440
        else (f"{minutes / 1_440:.0f} d")
    )


def of_route(episodes: Iterable[Episode], choice: Choice) -> tuple[Episode, ...]:
    """The episodes of a route, newest first."""
    route = choice.symbol, choice.buy, choice.sell
    found = [one for one in episodes if (one.symbol, one.buy, one.sell) == route]
    return tuple(sorted(found, key=attrgetter("opened"), reverse=True))


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
