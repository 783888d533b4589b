"""The published fee schedules, with their sources: which tiers can be chosen and what each costs."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api import filters as ask
from api.answers import add_table, form_of, table_body, table_response
from api.models import Exchange, about
from api.tables import Tables
from desk import Desk
from market.fees import SCHEDULES


@dataclass(frozen=True)
class FeeRow:
    """One tier of one exchange's contracts of one family."""

    exchange: Exchange
    family: Annotated[str, about("Which contracts: by quote currency and kind.")]
    tier: Annotated[str, about("As the exchange writes it; the first of a family is the base tier.")]
    taker_fee_bps: Annotated[float, about("Of a fill that takes, basis points of notional.")]
    maker_fee_bps: Annotated[float, about("Of a fill that rests; negative where the exchange pays for it.")]
    as_of: Annotated[str, about("Day of publication, or of reading where the page bears no date.")]
    published_at: Annotated[str, about("Where it was published.")]
    note: Annotated[str, about("What has to be known of it.")]


ROWS = tuple(
    FeeRow(
        schedule.exchange,
        schedule.family,
        tier.name,
        tier.taker_bps,
        tier.maker_bps,
        schedule.as_of.isoformat(),
        schedule.source,
        schedule.note,
    )
    for schedule in SCHEDULES
    for tier in schedule.tiers
)


def add_fees(api: APIRouter, desk: Desk) -> None:
    """Add GET /fees to the routes of the API."""

    async def fees(request: Request, filters: Annotated[ask.ExchangeFilters, Query()]) -> Response:
        tables = Tables(desk.view)
        wanted = ask.wanted_exchanges(filters.exchange, tables.status)
        rows = [row for row in ROWS if wanted is None or row.exchange in wanted][: filters.limit]
        form = form_of(request)
        return table_response(form, tables.stamp, "fees", table_body(form, tables.stamp, FeeRow, rows))

    add_table(
        api,
        "/fees",
        FeeRow,
        fees,
        "Fee schedules",
        "Every published tier of every exchange, with its source and date. Own rates and tiers are settings, or"
        " parameters of `/api/arb`.",
    )
