"""The endpoints: take the view that is shown now, filter its rows, write them as JSON or CSV.

Handlers share the event loop with the pages, so tables are built and written on a worker thread; what nobody
filtered is written once per view.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response

from analytics.quality import price_is_good
from api import filters as ask
from api.answers import REFUSALS, Format, add_table, form_of, json_response, table_body, table_response
from api.depth import add_depth
from api.detection import add_detection
from api.episodes import add_episodes
from api.explain import add_explain
from api.families import add_families
from api.fees import add_fees
from api.funding import add_funding
from api.models import (
    ExchangeRow,
    FundingRow,
    Health,
    InstrumentRow,
    OpportunityRow,
    PriceRow,
    Summary,
)
from api.reload import add_reload
from api.tables import Tables
from api.terms import TermsQuery, terms_of
from desk import Desk

Keep = Callable[[Any], bool]

JUDGED_LATE_S = 5.0  # a judgement older than this means that the desk hangs


class ArbQuery(ask.OpportunityFilters, TermsQuery):
    """Which directed pairs, judged by whose terms."""


class Endpoints:
    """The handlers and the tables of the latest view."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tables = Tables(desk.view)

    def _latest(self) -> Tables:
        view = self._desk.view
        if self._tables.view is not view:
            self._tables = Tables(view)
        return self._tables

    async def exchanges(self, request: Request, filters: Annotated[ask.ExchangeFilters, Query()]) -> Response:
        tables = self._latest()
        exchanges = ask.wanted_exchanges(filters.exchange, tables.status)
        keep = [lambda row: row.exchange in exchanges] if exchanges else []
        return await _answer(request, tables, "exchanges", ExchangeRow, keep, filters.limit)

    async def instruments(self, request: Request, filters: Annotated[ask.ContractFilters, Query()]) -> Response:
        tables = self._latest()
        return await _answer(request, tables, "instruments", InstrumentRow, _contracts(tables, filters), filters.limit)

    async def prices(self, request: Request, filters: Annotated[ask.PriceFilters, Query()]) -> Response:
        tables = self._latest()
        keep = [*_contracts(tables, filters), *_verdicts(filters)]
        return await _answer(request, tables, "prices", PriceRow, keep, filters.limit)

    async def prices_of_symbol(
        self,
        request: Request,
        symbol: Annotated[str, Path(description="Canonical symbol, in any case.", examples=["BTC-USDT"])],
        filters: Annotated[ask.SymbolPriceFilters, Query()],
    ) -> Response:
        tables = self._latest()
        found = ask.one_symbol(symbol, tables.grid)
        exchanges = ask.wanted_exchanges(filters.exchange, tables.status)
        keep: list[Keep] = [lambda row: row.symbol == found, *_verdicts(filters)]
        if exchanges:
            keep.append(lambda row: row.exchange in exchanges)
        return await _answer(request, tables, "prices", PriceRow, keep, filters.limit)

    async def funding(self, request: Request, filters: Annotated[ask.ContractFilters, Query()]) -> Response:
        tables = self._latest()
        return await _answer(request, tables, "funding", FundingRow, _contracts(tables, filters), filters.limit)

    async def arb(self, request: Request, filters: Annotated[ArbQuery, Query()]) -> Response:
        tables = self._latest()
        terms = terms_of(filters, tables.view.terms)
        if terms != tables.view.terms:
            tables = Tables(await asyncio.to_thread(tables.view.by, terms))
        keep = _pairs(tables, filters)
        return await _answer(request, tables, "opportunities", OpportunityRow, keep, filters.limit)

    async def summary(self, _nothing: Annotated[ask.NoFilters, Query()]) -> Response:
        tables = self._latest()
        opportunities = await asyncio.to_thread(tables.warm, "opportunities")
        judgement, grid = tables.view.judgement, tables.grid
        best = opportunities[0] if opportunities and opportunities[0].actionable else None
        return json_response(
            tables.stamp
            | {
                "data_as_of": tables.data_as_of,
                "symbols": len(grid.symbols),
                "instruments": len(grid.instruments),
                "quotes_ok": int(price_is_good(judgement.verdicts).sum()),
                "exchanges_up": len(tables.up(self._desk.settings.stale_after_s)),
                "exchanges_of": len(tables.expected),
                "min_net_bps": tables.view.min_net_bps,
                "funnel": judgement.funnel,
                "reasons": {verdict.label: count for verdict, count in judgement.reasons.items()},
                "best": best,
            }
        )

    async def health(self, _nothing: Annotated[ask.NoFilters, Query()]) -> Response:
        tables = self._latest()
        judged_s_ago = max(0.0, time.time() - tables.view.judgement.time)
        up = tables.up(self._desk.settings.stale_after_s)
        status, reason = _health(tables, up, judged_s_ago)
        content = tables.stamp | {
            "status": status,
            "reason": reason,
            "detail": tables.view.source.detail,
            "data_as_of": tables.data_as_of,
            "judged_s_ago": judged_s_ago,
            "judge_s": self._desk.judge_s,
            "exchanges_up": len(up),
            "exchanges_of": len(tables.expected),
            "exchanges": {name: status.state if status else "off" for name, status in tables.status.items()},
        }
        return json_response(content, 503 if status == "down" else 200)


async def _nowhere(request: Request) -> Response:
    raise HTTPException(404, f"there is no {request.url.path[:60]}; /docs lists what there is")


def _health(tables: Tables, up: Sequence[str], judged_s_ago: float) -> tuple[str, str]:
    """The status and its reason in one sentence."""
    if not up:
        return "down", "no exchange gives fresh quotes"
    if judged_s_ago > JUDGED_LATE_S:
        return "degraded", f"the market was last judged {judged_s_ago:.0f} s ago"
    silent = [name for name in tables.expected if name not in up]
    if silent:
        return "degraded", f"no fresh quotes from {', '.join(silent)}"
    limping = [name for name in up if (status := tables.status[name]) is not None and status.state != "live"]
    if limping:
        return "degraded", f"not all is well with {', '.join(limping)}"
    return "ok", "all exchanges give fresh quotes"


# -- filters ---------------------------------------------------------------------------------------------------


def _contracts(tables: Tables, filters: ask.ContractFilters) -> list[Keep]:
    symbols = ask.wanted_symbols(filters.symbol, filters.quote, tables.grid)
    exchanges = ask.wanted_exchanges(filters.exchange, tables.status)
    keep: list[Keep] = []
    if symbols is not None:
        keep.append(lambda row: row.symbol in symbols)
    if exchanges is not None:
        keep.append(lambda row: row.exchange in exchanges)
    return keep


def _verdicts(filters: ask.VerdictFilters) -> list[Keep]:
    wanted = frozenset(filters.verdict)
    return [lambda row: row.verdict in wanted] if wanted else []


def _pairs(tables: Tables, filters: ask.OpportunityFilters) -> list[Keep]:
    symbols = ask.wanted_symbols(filters.symbol, filters.quote, tables.grid)
    exchanges = ask.wanted_exchanges(filters.exchange, tables.status)
    least_net, least_size = filters.min_net_edge_bps, filters.min_size
    keep = _verdicts(filters)
    if not filters.verdict and not filters.include_refused:
        keep.append(lambda row: row.verdict == "ok")
    if symbols is not None:
        keep.append(lambda row: row.symbol in symbols)
    if exchanges is not None:
        keep.append(lambda row: row.buy in exchanges or row.sell in exchanges)
    if least_net is not None:
        keep.append(lambda row: row.net_edge_bps is not None and row.net_edge_bps >= least_net)
    if least_size is not None:
        keep.append(lambda row: row.notional is not None and row.notional >= least_size)
    return keep


# -- answers ---------------------------------------------------------------------------------------------------


async def _answer(
    request: Request, tables: Tables, name: str, row_type: type, keep: Iterable[Keep], limit: int | None
) -> Response:
    """The rows of a table that pass, in the form asked for."""
    form = form_of(request)
    body = await asyncio.to_thread(_body, tables, name, row_type, tuple(keep), limit, form)
    return table_response(form, tables.stamp, name, body)


def _body(tables: Tables, name: str, row_type: type, keep: tuple[Keep, ...], limit: int | None, form: Format) -> bytes:
    whole = not keep and limit is None
    if whole and (made := tables.bodies.get((name, form))) is not None:
        return made
    rows = tables.warm(name)
    if keep:
        rows = [row for row in rows if all(passes(row) for passes in keep)]
    rows = rows[:limit]
    body = table_body(form, tables.stamp, row_type, rows)
    if whole:
        tables.bodies[name, form] = body
    return body


# -- the router ------------------------------------------------------------------------------------------------


def build(desk: Desk) -> APIRouter:
    """The routes over a desk."""
    endpoints = Endpoints(desk)
    api = APIRouter(prefix="/api", tags=["market"], route_class=ask.PlainErrors)

    api.add_api_route(
        "/health",
        endpoints.health,
        summary="Whether data flow",
        description="200 while at least one exchange gives fresh quotes, 503 while none does.",
        response_model=Health,
        responses={422: REFUSALS[422], 503: {"model": Health, "description": "No exchange gives fresh quotes."}},
    )
    api.add_api_route(
        "/summary",
        endpoints.summary,
        summary="The market in a few numbers",
        response_model=Summary,
        responses={422: REFUSALS[422]},
    )
    add_table(
        api,
        "/exchanges",
        ExchangeRow,
        endpoints.exchanges,
        "Feeds and latencies",
        "Each exchange's feed. Times are UTC seconds since 1970, latencies seconds over the exchange's floor.",
    )
    add_table(
        api,
        "/instruments",
        InstrumentRow,
        endpoints.instruments,
        "Listed contracts",
        "Every perpetual listed. Prices are quote currency per one base coin, sizes base coins, fees basis points.",
    )
    add_table(
        api,
        "/prices/{symbol}",
        PriceRow,
        endpoints.prices_of_symbol,
        "One symbol on all exchanges",
        "The rows of `/api/prices` of one symbol.",
    )
    add_table(
        api,
        "/prices",
        PriceRow,
        endpoints.prices,
        "Best bids and asks",
        "Prices are quote currency per one base coin, sizes base coins, ages seconds, deviations basis points.",
    )
    add_table(
        api,
        "/funding",
        FundingRow,
        endpoints.funding,
        "Funding rates",
        "Rates are fractions per interval, hourly ones fractions per hour, APR a simple fraction per year."
        " Where the interval is not known, neither are the last two.",
    )
    add_table(
        api,
        "/arb",
        OpportunityRow,
        endpoints.arb,
        "Opportunities",
        "Directed pairs, best net edge first. Edges and fees are bps of the mean mid, sizes base coins, notional"
        " and profit quote currency. Pairs with a reason against them only if asked for. Judged by the terms of the"
        " settings, or by yours where you say them.",
    )
    add_depth(api, desk)
    add_explain(api, desk)
    add_funding(api, desk)
    add_families(api, desk)
    add_episodes(api, desk)
    add_detection(api, desk)
    add_fees(api, desk)
    add_reload(api, desk)
    # Last, or it would answer for all others: without it a mistyped path is answered with the pages.
    api.add_api_route("/{path:path}", _nowhere, include_in_schema=False)
    return api
