"""Taking the override file over again while everything runs: the one thing that can be asked of the API to do."""

import asyncio
import time
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, HTTPException, Query, Response
from pydantic import BaseModel

from api.filters import NoFilters
from api.models import Exchange, Problem, Symbol, about
from desk import Desk
from settings import ConfigError

SUMMARY = "Read the override file again"
DESCRIPTION = (
    "Reads the file of the setting `overrides`, applies it to what is listed now, and has every listing read again."
    " A file with a mistake changes nothing. Where names or units change, the connections of the exchange begin anew."
)
REFUSALS: dict[int | str, dict[str, Any]] = {
    422: {"model": Problem, "description": "The file cannot be used; the overrides of before stay."},
    503: {"model": Problem, "description": "The feeds did not answer in time."},
}


@dataclass(frozen=True)
class ChangeRow:
    """One thing that the overrides changed in a listing that was known already."""

    exchange: Exchange
    exchange_symbol: Annotated[str, about("The exchange's own id.")]
    symbol: Symbol
    what: Annotated[str, about("`symbol`, `pairing` or `multiplier`.")]
    before: Annotated[str | float | None, about("What it was; null: the listing was not used.")]
    after: Annotated[str | float | None, about("What it is now; null: the listing is not used.")]


class Reloaded(BaseModel):
    """What reading the override file again has brought."""

    source: Annotated[str, about("live, demo or replay.")]
    simulated: Annotated[bool, about("True for everything that is not the live market.")]
    as_of: Annotated[float, about("When it was done, UTC seconds since 1970.")]
    overrides: Annotated[int, about("Entries now in force.")]
    count: Annotated[int, about("Changes.")]
    changes: Annotated[list[ChangeRow], about("One row a listing and thing changed.")]


def add_reload(api: APIRouter, desk: Desk) -> None:
    """Add POST /reload to the routes of the API."""

    async def reload(_nothing: Annotated[NoFilters, Query()]) -> Response:
        try:
            changes = await asyncio.to_thread(desk.reload)
        except ConfigError as error:
            raise HTTPException(422, str(error)) from None
        except TimeoutError:
            raise HTTPException(
                503, "the feeds do not answer; the overrides are taken over as soon as they do"
            ) from None
        source = desk.source
        body = {
            "source": source.kind,
            "simulated": source.simulated,
            "as_of": time.time(),
            "overrides": len(desk.overrides),
            "count": len(changes),
            "changes": changes,
        }
        return Response(orjson.dumps(body), headers={"Cache-Control": "no-store"}, media_type="application/json")

    api.add_api_route(
        "/reload",
        reload,
        methods=["POST"],
        summary=SUMMARY,
        description=DESCRIPTION,
        response_model=Reloaded,
        responses=REFUSALS,
    )
