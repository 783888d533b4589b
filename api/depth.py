"""The order books of one symbol. To ask is to have them watched: they come a moment after the first time.

Books are read as they are now, not as of the last judgement: each carries its own times.
"""

import time
from dataclasses import dataclass
from typing import Annotated

import orjson
from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from analytics.depth import cumulative_notional
from api import filters as ask
from api.answers import REFUSALS
from api.models import Exchange, Notional, Quote, Stamp, Symbol, Time, about
from desk import LOOK_S, Desk, View

DESCRIPTION = (
    "Each exchange's last order book of a symbol: 5 to 20 levels a side, as the exchange offers. Prices are quote"
    " currency per one base coin, sizes base coins, times UTC seconds since 1970, ages seconds. Books are watched while"
    f" somebody looks: the first answer says `waiting`, and {LOOK_S:.0f} s after the last one they are given up."
)
Levels = Annotated[
    tuple[tuple[float, float], ...],
    about("[price, size] of each level, best first. Quote currency per ONE base coin, and base coins."),
]


class DepthFilters(ask.NoFilters):
    """Some exchanges only."""

    exchange: list[str] = Field([], description="Only this exchange; may be repeated.", examples=[["bybit"]])


@dataclass(frozen=True)
class LadderRow:
    """The order book of one contract. What is not live shows what was last known, if anything."""

    exchange: Exchange
    state: Annotated[
        str,
        about(
            "waiting: asked for, nothing came yet. live. resyncing: a change was missed, a fresh book is on its way."
            " lost: its connection is down or silent. off: not watched, because the contract does not trade, the feed"
            " does not run, the exchange offers no books, or too many are watched."
        ),
    ]
    since: Annotated[float, about("When this state began, UTC seconds since 1970.")]
    bids: Levels
    asks: Levels
    bids_notional: Annotated[Notional, about("What all these bids add up to. Quote currency.")]
    asks_notional: Annotated[Notional, about("What all these asks add up to. Quote currency.")]
    event_time: Annotated[float | None, about("The exchange's clock, UTC seconds since 1970.")]
    received_time: Time
    age_s: Annotated[float | None, about("Seconds since the book was received, at `as_of`.")]
    exchange_age_s: Annotated[
        float | None, about("Seconds since the book's event, by the exchange's clock less its floor, at `as_of`.")
    ]


class Books(Stamp):
    """One symbol's order books on the exchanges that list it."""

    as_of: float = Field(description="When the books were read, UTC seconds since 1970.")
    symbol: Symbol
    quote: Quote
    count: int = Field(description="How many rows follow.")
    rows: list[LadderRow]


def add_depth(api: APIRouter, desk: Desk) -> None:
    """Add GET /depth/{symbol} to the routes of the API."""

    async def depth(
        symbol: Annotated[str, Path(description="Canonical symbol, in any case.", examples=["BTC-USDT"])],
        filters: Annotated[DepthFilters, Query()],
    ) -> Response:
        view = desk.view
        grid = view.judgement.snapshot.grid
        found = ask.one_symbol(symbol, grid)
        chosen = ask.wanted_exchanges(filters.exchange, grid.exchange_index)
        listing = [name for name in grid.exchanges if (name, found) in grid.instruments]
        exchanges = [name for name in listing if chosen is None or name in chosen]
        if exchanges:
            desk.look(found, exchanges)
        now = time.time()
        body = {
            "source": view.source.kind,
            "simulated": view.source.simulated,
            "as_of": now,
            "version": view.judgement.snapshot.version,
            "symbol": found,
            "quote": grid.instruments[listing[0], found].quote,
            "count": len(exchanges),
            "rows": [_row(view, exchange, found, now) for exchange in exchanges],
        }
        return Response(orjson.dumps(body), headers={"Cache-Control": "no-store"}, media_type="application/json")

    api.add_api_route(
        "/depth/{symbol}",
        depth,
        summary="One symbol's order books",
        description=DESCRIPTION,
        response_model=Books,
        responses=REFUSALS,
    )


def _row(view: View, exchange: str, symbol: str, now: float) -> LadderRow:
    snapshot = view.judgement.snapshot
    ladder = view.ladder(exchange, symbol)
    floor_s = float(snapshot.floor_s[snapshot.grid.exchange_index[exchange]])
    bids, asks = cumulative_notional(ladder.bids), cumulative_notional(ladder.asks)
    return LadderRow(
        exchange=exchange,
        state=ladder.state,
        since=ladder.since,
        bids=ladder.bids,
        asks=ladder.asks,
        bids_notional=bids[-1] if bids else None,
        asks_notional=asks[-1] if asks else None,
        event_time=ladder.event_time,
        received_time=ladder.received_time,
        age_s=ladder.age_s(now),
        exchange_age_s=ladder.exchange_age_s(now, floor_s),
    )
