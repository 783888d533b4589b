"""How fast and how much is detected: delays from a change to its judgement, and the funnel minute by minute."""

import asyncio
from typing import Annotated, Any

import numpy as np
import orjson
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from api import filters as ask
from api.answers import REFUSALS
from api.models import FunnelCounts, Stamp
from desk import Desk


class Minute(BaseModel):
    """One minute's funnel: different directed pairs by the furthest gate they passed in it."""

    start: float = Field(description="UTC seconds since 1970.")
    funnel: FunnelCounts
    reasons: dict[str, int] = Field(description="Pairs that seemed to pay and never got through, by first reason.")


class Detection(Stamp):
    """The detector's work."""

    delay_p50_ms: float | None = Field(description="Median delay from a change in the store to its judgement.")
    delay_p99_ms: float | None = Field(description="99th percentile of it.")
    delays: int = Field(description="Changes behind the percentiles, the last ones.")
    candidates: int = Field(description="Directed pairs whose touch clears the costs now, refused ones included.")
    episodes_open: int = Field(description="Opportunities that are open now.")
    minutes: list[Minute] = Field(description="The last minutes, oldest first; the last one is not over.")


class DetectionFilters(ask.NoFilters):
    """How many minutes."""

    minutes: int = Field(10, ge=1, le=120, description="At most so many of the last minutes.")


def add_detection(api: APIRouter, desk: Desk) -> None:
    """Add GET /detection to the routes of the API."""

    async def detection(filters: Annotated[DetectionFilters, Query()]) -> Response:
        body = await asyncio.to_thread(_body, desk, filters.minutes)
        return Response(orjson.dumps(body), headers={"Cache-Control": "no-store"}, media_type="application/json")

    api.add_api_route(
        "/detection",
        detection,
        summary="Delays and the funnel by the minute",
        response_model=Detection,
        responses={422: REFUSALS[422]},
    )


def _body(desk: Desk, minutes: int) -> dict[str, Any]:
    view = desk.view
    market, judgement = view.market, view.judgement
    delays = np.array(market.delays.copy())
    p50, p99 = (float(ms) for ms in np.percentile(delays, (50, 99)) * 1e3) if len(delays) else (None, None)
    return {
        "source": view.source.kind,
        "simulated": view.source.simulated,
        "as_of": judgement.time,
        "version": judgement.snapshot.version,
        "delay_p50_ms": p50,
        "delay_p99_ms": p99,
        "delays": len(delays),
        "candidates": len(market.detector.candidates),
        "episodes_open": len(market.detector.episodes.open),
        "minutes": [
            {
                "start": minute.start,
                "funnel": minute.funnel,
                "reasons": {verdict.label: count for verdict, count in minute.reasons.items()},
            }
            for minute in market.funnel.minutes[-minutes:]
        ],
    }
