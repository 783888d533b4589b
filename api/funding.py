"""Funding for analysts: what was paid, how well it had been predicted, and what a pair will pay."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from numpy.typing import NDArray
from pydantic import Field

from analytics import funding
from analytics.spreads import funding_apr, funding_per_hour
from api import filters as ask
from api.answers import REFUSALS, add_table, form_of, json_response, table_body, table_response
from api.models import Bps, Exchange, FlowRow, Seconds, Stamp, Symbol, Time, about
from api.tables import Tables, finite
from desk import Desk, View
from store.funding import HORIZONS_S, FundingLog, IntervalChange, Settlement

ALL = "all"  # in the place of an exchange: over all of them
LONGEST_H = 8_784.0

Rate = Annotated[float | None, Field(description="Fraction of notional per interval: 0.0001 is one basis point.")]
Error = Annotated[float | None, Field(description="Predicted less settled, basis points per interval.")]
Apr = Annotated[
    float | None, Field(description="Simple: rate * 8760 / interval, fraction per year; null if not known.")
]


class RecordFilters(ask.ExchangeFilters):
    """Some records only."""

    symbol: list[str] = Field(
        [], description="Only this canonical symbol, in any case; may be repeated.", examples=[["BTC-USDT"]]
    )
    limit: int = Field(1_000, ge=1, le=ask.LIMIT, description="At most so many rows, the newest.")


class PairFilters(ask.NoFilters):
    """Which pair, and for how long."""

    buy: str = Field(description="The exchange to buy on.", examples=["binance"])
    sell: str = Field(description="The exchange to sell on.", examples=["bybit"])
    holding_h: float | None = Field(
        None, gt=0, le=LONGEST_H, description="How long the position is held. Hours; without it, that of the settings."
    )


@dataclass(frozen=True)
class SettlementRow:
    """One payment. The settled rate is the one that stood last before the stamp."""

    symbol: Symbol
    exchange: Exchange
    time: Annotated[float, about("The stamp it fell due at, UTC seconds since 1970.")]
    funding_interval_h: Annotated[float | None, about("Hours, as of that day; null if not known.")]
    settled_rate: Rate
    settled_apr: Apr
    predicted_1h: Annotated[float | None, about("The rate as it stood an hour before; null if nobody looked.")]
    predicted_10m: Annotated[float | None, about("The same, ten minutes before.")]
    predicted_1m: Annotated[float | None, about("The same, one minute before.")]
    error_1h_bps: Error
    error_10m_bps: Error
    error_1m_bps: Error


@dataclass(frozen=True)
class QualityRow:
    """How well one exchange's rates were predicted, over the settlements in memory."""

    exchange: Annotated[str, about("The exchange's name, or `all`.")]
    horizon_s: Annotated[float, about("How long before the settlement. Seconds.")]
    n: Annotated[int, about("Settlements whose prediction was seen.")]
    sign_hits: Annotated[int, about("Of those, predictions of the settled sign.")]
    sign_hit_rate: Annotated[float | None, about("Fraction; null without settlements.")]
    mean_abs_error_bps: Annotated[
        float | None, about("Mean of |predicted less settled|, basis points per interval of whatever length.")
    ]


@dataclass(frozen=True)
class IntervalRow:
    """One change of a contract's funding interval."""

    symbol: Symbol
    exchange: Exchange
    time: Annotated[float, about("When it was first heard of, UTC seconds since 1970.")]
    before_h: Annotated[float, about("Hours between fundings before.")]
    after_h: Annotated[float, about("Hours between fundings since.")]


@dataclass(frozen=True)
class LegRow:
    """What is known of one leg's funding, and how old it is."""

    exchange: Exchange
    leg: Annotated[str, about("long: bought, pays a positive rate. short: sold, gets it.")]
    funding_rate: Rate
    funding_interval_h: Annotated[float | None, about("Hours between fundings; null if not known.")]
    next_funding_time: Time
    continuous: Annotated[bool, about("Funding accrues without pause; there are no settlements.")]
    funding_rate_hourly: Annotated[float | None, about("Fraction per hour; null if not known.")]
    funding_apr: Apr
    received_time: Time
    age_s: Seconds


class PairFunding(Stamp):
    """What one pair will pay and get, position by position, if it is opened at `as_of`."""

    symbol: Symbol
    buy: Exchange
    sell: Exchange
    holding_h: float = Field(description="Hours.")
    legs: list[LegRow] = Field(description="The bought leg, then the sold one.")
    flows: list[FlowRow] = Field(
        description="Payments inside (as_of, as_of + holding_h], in order of time; `bps` is what the leg gets."
        " predicted: told for that settlement. assumed: a later one at the same rate. continuous: accrued over the"
        " holding time."
    )
    carry_bps: Bps = Field(
        description="What the payments come to, basis points of a leg's notional; null if not known."
    )
    carry_hourly: float | None = Field(description="Average r_S / h_S - r_L / h_L, fraction per hour.")
    not_known: list[str] = Field(description="Why there is no carry: one sentence for each input that is missing.")


class FundingEndpoints:
    """The handlers, and the qualities of the latest log, which many ask for and few settlements change."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._rated: tuple[FundingLog, int, list[QualityRow]] | None = None

    async def settlements(self, request: Request, filters: Annotated[RecordFilters, Query()]) -> Response:
        view = self._desk.view
        log: FundingLog = view.market.funding
        chosen = _chosen(view, log, filters)

        def rows() -> list[SettlementRow]:
            return _settlement_rows(log.settlements(*chosen)[: filters.limit])

        return await _table(request, view, "funding-settlements", SettlementRow, rows)

    async def intervals(self, request: Request, filters: Annotated[RecordFilters, Query()]) -> Response:
        view = self._desk.view
        log: FundingLog = view.market.funding
        chosen = _chosen(view, log, filters)

        def rows() -> list[IntervalRow]:
            return [_interval_row(row) for row in log.interval_changes(*chosen)[: filters.limit]]

        return await _table(request, view, "funding-intervals", IntervalRow, rows)

    async def quality(self, request: Request, _nothing: Annotated[ask.NoFilters, Query()]) -> Response:
        view = self._desk.view
        log: FundingLog = view.market.funding
        return await _table(request, view, "funding-quality", QualityRow, lambda: self._qualities(log))

    def _qualities(self, log: FundingLog) -> list[QualityRow]:
        version, rated = log.version, self._rated
        if rated is None or rated[0] is not log or rated[1] != version:
            rated = self._rated = (log, version, _quality_rows(log.settlements()))
        return rated[2]

    async def pair(
        self,
        symbol: Annotated[str, Path(description="Canonical symbol, in any case.", examples=["BTC-USDT"])],
        filters: Annotated[PairFilters, Query()],
    ) -> Response:
        view = self._desk.view
        grid = view.judgement.snapshot.grid
        found = ask.one_symbol(symbol, grid)
        ask.wanted_exchanges([filters.buy, filters.sell], grid.exchange_index)
        buy, sell = filters.buy.casefold(), filters.sell.casefold()
        for exchange in (buy, sell):
            if (exchange, found) not in grid.instruments:
                raise HTTPException(404, f"{exchange} does not list {found}")
        if buy == sell:
            raise HTTPException(422, f"parameters 'buy' and 'sell' are both '{buy}': a pair is of two exchanges")
        holding_h = filters.holding_h or view.terms.holding_h
        return json_response(await asyncio.to_thread(_pair, view, found, buy, sell, holding_h))


def add_funding(api: APIRouter, desk: Desk) -> None:
    """Add the routes under /funding/ to those of the API."""
    endpoints = FundingEndpoints(desk)
    add_table(
        api,
        "/funding/settlements",
        SettlementRow,
        endpoints.settlements,
        "Funding that was paid",
        "Every payment that was watched as it fell due, newest first, with what had been predicted before it. The"
        " settled rate is the one that stood last before the stamp, annualised with the interval of its own day. Rates"
        " are fractions per interval, errors basis points.",
    )
    add_table(
        api,
        "/funding/quality",
        QualityRow,
        endpoints.quality,
        "How good predictions were",
        "Sign hit rate and mean absolute error of the predicted rates an hour, ten minutes and a minute before their"
        " settlements, over all exchanges and by exchange, of the settlements in memory. Errors are basis points.",
    )
    add_table(
        api,
        "/funding/intervals",
        IntervalRow,
        endpoints.intervals,
        "Funding intervals that changed",
        "Every change of a funding interval that was seen, newest first, in hours.",
    )
    api.add_api_route(
        "/funding/pair/{symbol}",
        endpoints.pair,
        summary="What a pair will pay",
        description="The dated payments of both legs over a holding time, each on its own calendar; later settlements"
        " are assumed at the rate of the next. Rates are fractions, carry basis points of a leg's notional.",
        response_model=PairFunding,
        responses=REFUSALS,
    )


async def _table(
    request: Request, view: View, name: str, row_type: type, rows: Callable[[], Sequence[Any]]
) -> Response:
    form, stamp = form_of(request), Tables(view).stamp
    body = await asyncio.to_thread(lambda: table_body(form, stamp, row_type, rows()))
    return table_response(form, stamp, name, body)


def _chosen(view: View, log: FundingLog, filters: RecordFilters) -> tuple[frozenset[str] | None, frozenset[str] | None]:
    """The exchanges and symbols asked for, None for all. What is no longer listed may still be recorded."""
    grid = view.judgement.snapshot.grid
    exchanges = ask.wanted_exchanges(filters.exchange, grid.exchange_index)
    recorded = {symbol.casefold(): symbol for symbol in log.symbols()} if filters.symbol else {}
    symbols = {recorded.get(name.casefold()) or ask.one_symbol(name, grid) for name in filters.symbol}
    return exchanges, frozenset(symbols) or None


def _settlement_rows(settlements: Sequence[Settlement]) -> list[SettlementRow]:
    rates = np.array([row.settled_rate for row in settlements])
    hours = np.array([row.interval_h for row in settlements], dtype=float)
    aprs = [finite(apr) for apr in funding_apr(rates, hours).tolist()]
    return [
        SettlementRow(
            row.symbol,
            row.exchange,
            row.time,
            row.interval_h,
            row.settled_rate,
            apr,
            *row.predicted,
            *funding.prediction_error_bps(row),
        )
        for row, apr in zip(settlements, aprs, strict=True)
    ]


def _interval_row(change: IntervalChange) -> IntervalRow:
    return IntervalRow(change.symbol, change.exchange, change.time, change.before_h, change.after_h)


def _quality_rows(settlements: Sequence[Settlement]) -> list[QualityRow]:
    by_exchange: dict[str, list[Settlement]] = {}
    for settlement in settlements:
        by_exchange.setdefault(settlement.exchange, []).append(settlement)
    groups = {ALL: settlements, **{name: by_exchange[name] for name in sorted(by_exchange)}}
    return [
        QualityRow(name, horizon, found.n, found.sign_hits, found.sign_hit_rate, found.mean_abs_error_bps)
        for name, group in groups.items()
        for horizon, found in zip(HORIZONS_S, funding.prediction_quality(group), strict=True)
    ]


def _pair(view: View, symbol: str, buy: str, sell: str, holding_h: float) -> dict[str, Any]:
    snapshot, now = view.judgement.snapshot, view.judgement.time
    long, short = (funding.leg_funding(snapshot, exchange, symbol) for exchange in (buy, sell))
    legs = [_leg_row(view, long, "long", symbol), _leg_row(view, short, "short", symbol)]
    flows = funding.cash_flows(long, short, now, holding_h)
    paid, got = (leg.funding_rate_hourly for leg in legs)
    return Tables(view).stamp | {
        "symbol": symbol,
        "buy": buy,
        "sell": sell,
        "holding_h": holding_h,
        "legs": legs,
        "flows": flows or [],
        "carry_bps": None if flows is None else funding.total_bps(flows),
        "carry_hourly": None if paid is None or got is None else got - paid,
        "not_known": [] if flows is not None else [*_missing(long, now), *_missing(short, now)],
    }


def _leg_row(view: View, leg: funding.LegFunding, name: str, symbol: str) -> LegRow:
    snapshot = view.judgement.snapshot
    grid = snapshot.grid
    received = snapshot["funding_received_time"][grid.symbol_index[symbol], grid.exchange_index[leg.exchange]]
    rate, hours = _column(leg.rate), _column(leg.interval_h)
    return LegRow(
        exchange=leg.exchange,
        leg=name,
        funding_rate=leg.rate,
        funding_interval_h=leg.interval_h,
        next_funding_time=leg.next_funding_time,
        continuous=leg.continuous,
        funding_rate_hourly=finite(funding_per_hour(rate, hours).item()),
        funding_apr=finite(funding_apr(rate, hours).item()),
        received_time=finite(float(received)),
        age_s=finite(float(np.maximum(view.judgement.time - received, 0.0))),
    )


def _column(value: float | None) -> NDArray[np.float64]:
    """One number in the form that the analytics take, NaN where not known."""
    return np.array([np.nan if value is None else value])


def _missing(leg: funding.LegFunding, now: float) -> list[str]:
    """What keeps the payments of a leg from being told, in words."""
    missing = []
    if leg.rate is None:
        missing.append(f"{leg.exchange}: no funding rate has arrived")
    if leg.interval_h is None:
        missing.append(f"{leg.exchange}: the funding interval is not known")
    if leg.next_funding_time is None and not leg.continuous:
        missing.append(f"{leg.exchange}: the next funding time is not known")
    if not missing and funding.cash_flows(leg, leg, now, 0.0) is None:
        missing.append(f"{leg.exchange}: its next funding time is long past")
    return missing
