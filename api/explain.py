"""One pair opened up: every figure with its formula and inputs, every test with its limit, size and cash flows."""

import asyncio
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, HTTPException, Path, Query, Response
from pydantic import BaseModel, Field

from analytics import funding
from analytics.explain import Check, Figure, Input, explain
from api import filters as ask
from api.models import Exchange, FlowRow, OpportunityRow, Problem, Stamp, Symbol, about
from api.terms import TermsQuery, terms_of
from desk import Desk, View

REFUSALS: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "There is no such pair."},
    422: {"model": Problem, "description": "The id is not SYMBOL:BUY:SELL."},
}
Number = float | None


class InputRow(BaseModel):
    """What goes into a figure or a test."""

    name: str = Field(description="What it is.")
    value: Number = Field(description="Null if not known.")
    unit: str = Field(description="Empty for counts and shares.")
    age_s: Number = Field(description="Seconds since it was received; null for what has no age.")
    source: str = Field(description="The exchange, `yours`, `listing` or `history`.")


class FigureRow(BaseModel):
    """A figure with its formula and inputs."""

    name: str = Field(description="As in /api/arb.")
    value: Number = Field(description="Null if not known.")
    unit: str = Field(description="Empty for counts and shares.")
    formula: str = Field(description="How it comes of its inputs, by their names.")
    inputs: list[InputRow] = Field(description="What goes into it.")


class CheckRow(BaseModel):
    """A test, in the order in which they run."""

    verdict: str = Field(description="What is said of a pair that fails it.")
    meaning: str = Field(description="The same in a sentence.")
    state: str = Field(description="passed, refused, or `not asked` where an earlier one refused or there is no gap.")
    found: list[InputRow] = Field(description="What it looked at.")
    limit: list[InputRow] = Field(description="What it allows.")


class SizePoint(BaseModel):
    """The edge at a size."""

    notional: float = Field(description="Quote currency.")
    gross_bps: float = Field(description="Average gross edge, basis points.")
    net_bps: Number = Field(description="After costs and expected exit, basis points.")


class ExplainedPair(Stamp):
    """One directed pair opened up."""

    symbol: Symbol
    buy: Exchange
    sell: Exchange
    row: OpportunityRow
    figures: list[FigureRow] = Field(description="Every figure of the row.")
    checks: list[CheckRow] = Field(description="Every test, in order.")
    size_curve: Annotated[list[SizePoint], about("To where both books are known; one point if only the touch is.")]
    cash_flows: Annotated[list[FlowRow] | None, about("Inside the holding time; null if a rate or time is not known.")]
    holding_h: float = Field(description="Hours.")


def add_explain(api: APIRouter, desk: Desk) -> None:
    """Add GET /arb/{id}/explain to the routes of the API."""

    async def explained(
        id: Annotated[str, Path(description="SYMBOL:BUY:SELL.", examples=["BTC-USDT:okx:bybit"])],
        query: Annotated[TermsQuery, Query()],
    ) -> Response:
        view = desk.view
        terms = terms_of(query, view.terms)
        parts = id.split(":")
        if len(parts) != 3:
            raise HTTPException(422, f"'{id[:80]}' is no pair: it must be SYMBOL:BUY:SELL")
        symbol = ask.one_symbol(parts[0], view.judgement.snapshot.grid)
        body = await asyncio.to_thread(lambda: body_of(view.by(terms), symbol, parts[1].lower(), parts[2].lower()))
        if body is None:
            raise HTTPException(404, f"'{id[:80]}' is no pair: both exchanges must list {symbol}")
        return Response(orjson.dumps(body), headers={"Cache-Control": "no-store"}, media_type="application/json")

    api.add_api_route(
        "/arb/{id}/explain",
        explained,
        summary="One pair opened up",
        description="Every figure of a directed pair with its formula, inputs and their ages, and every test with what"
        " it looked at. Ask `/api/depth/{symbol}` first to have both books watched.",
        response_model=ExplainedPair,
        responses=REFUSALS,
    )


def body_of(view: View, symbol: str, buy: str, sell: str) -> dict[str, Any] | None:
    """The answer; None if a leg is not listed."""
    one = view.one(symbol, buy, sell)
    if one is None:
        return None
    explanation = explain(one)
    judgement = view.judgement
    flows = funding.cash_flows(
        funding.leg_funding(judgement.snapshot, buy, symbol),
        funding.leg_funding(judgement.snapshot, sell, symbol),
        judgement.time,
        view.terms.holding_h,
    )
    return {
        "source": view.source.kind,
        "simulated": view.source.simulated,
        "as_of": judgement.time,
        "version": judgement.snapshot.version,
        "symbol": symbol,
        "buy": buy,
        "sell": sell,
        "row": view.told(one),
        "figures": [_figure(figure) for figure in explanation.figures],
        "checks": [_check(check) for check in explanation.checks],
        "size_curve": [
            {"notional": point.notional, "gross_bps": point.gross_bps, "net_bps": point.net_bps}
            for point in explanation.curve
        ],
        "cash_flows": None
        if flows is None
        else [
            {name: getattr(flow, name) for name in ("time", "leg", "exchange", "kind", "rate", "bps")} for flow in flows
        ],
        "holding_h": view.terms.holding_h,
    }


def _input(item: Input) -> dict[str, Any]:
    return {"name": item.name, "value": item.value, "unit": item.unit, "age_s": item.age_s, "source": item.source}


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "value": figure.value,
        "unit": figure.unit,
        "formula": figure.formula,
        "inputs": [_input(item) for item in figure.inputs],
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "verdict": check.verdict.label,
        "meaning": check.meaning,
        "state": check.state,
        "found": [_input(item) for item in check.found],
        "limit": [_input(item) for item in check.limit],
    }
