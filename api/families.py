"""Quote families side by side: what a stablecoin is worth, and the pairs between families once all is in dollars."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import Field

from analytics import crossing
from analytics.crossing import Crossed
from analytics.families import Rate
from api import filters as ask
from api.answers import add_table, form_of, table_body, table_response
from api.models import Bps, Coins, Seconds, Symbol, Verdict, about
from api.tables import Tables
from desk import Desk, Opportunity, View

Leg = Annotated[str, Field(description="Exchange and quote family.", examples=["okx/USDT"])]
Dollars = Annotated[float | None, Field(description="US dollars per ONE base coin.")]


class FamilyFilters(ask.ExchangeFilters, ask.VerdictFilters):
    """Which pairs. `exchange` keeps the pairs with a leg there."""

    base: list[str] = Field([], description="Only this base coin, in any case; may be repeated.", examples=[["BTC"]])
    min_net_edge_bps: float | None = Field(
        None, allow_inf_nan=False, description="Only pairs of at least this net edge. Basis points."
    )
    include_refused: bool = Field(
        False, description="Also pairs with a reason against them; implied where a verdict is asked for."
    )


@dataclass(frozen=True)
class RateRow:
    """What one unit of a currency is worth, or why that cannot be said."""

    currency: Annotated[str, about("What is converted.")]
    into: Annotated[str, about("Into what.")]
    value: Annotated[float | None, about("Units of `into` per unit of `currency`; null where there is none to trust.")]
    source: Annotated[str, about("Which exchanges' indices or contracts it comes from.")]
    n: Annotated[int, about("Ratios behind it; the value is their median.")]
    age_s: Annotated[float | None, about("Seconds since the oldest index or quote behind it was received.")]
    spread_bps: Annotated[float | None, about("Highest less lowest of the ratios, basis points.")]
    reason: Annotated[str, about("Why there is no value; empty where there is one.")]


@dataclass(frozen=True)
class FamilyPairRow:
    """One directed pair between two quote families, judged in dollars; units as in /api/arb."""

    id: Annotated[str, about("ROW:BUY:SELL.")]
    symbol: Annotated[str, about("Base and 'USD*'; the star says that it was converted.")]
    buy: Leg
    sell: Leg
    buy_symbol: Symbol
    sell_symbol: Symbol
    same_exchange: Annotated[bool, about("Both legs are on one exchange: no transfer, and one counterparty.")]
    buy_rate: Annotated[float | None, about("What the bought leg's prices were multiplied by.")]
    sell_rate: Annotated[float | None, about("What the sold leg's prices were multiplied by.")]
    net_edge_bps: Bps
    gross_edge_bps: Bps
    expected_exit_bps: Annotated[
        float | None,
        about("Median over the look-back of what closing would have earned, both legs' quotes converted at the rate"
              " of now: how the currencies moved in between is not in it."),
    ]  # fmt: skip
    expected_exit_samples: Annotated[int, about("Samples behind that median.")]
    fees_bps: Annotated[float | None, about("Four fills and the reserve.")]
    buy_price: Dollars
    sell_price: Dollars
    size: Coins
    notional: Annotated[float | None, about("US dollars.")]
    profit: Annotated[float | None, about("US dollars.")]
    buy_age_s: Seconds
    sell_age_s: Seconds
    alive_s: Annotated[float | None, about("Age of the gap. Nobody follows these pairs while nobody asks for them.")]
    carry_8h_bps: Annotated[float | None, about("Funding earned in eight hours; null if not known.")]
    inverse: Annotated[str, about("buy, sell or both: legs that are paid in their coin; else empty.")]
    hedge: Annotated[str, about("What an inverse leg asks for: coins that hedge it, and what its collateral is.")]
    verdict: Verdict
    actionable: Annotated[bool, about("As in /api/arb, converted.")]


class FamilyEndpoints:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def rates(self, request: Request, _nothing: Annotated[ask.NoFilters, Query()]) -> Response:
        view = self._desk.view
        return await _table(request, view, "families", RateRow, lambda: rate_rows(crossed(view)))

    async def pairs(self, request: Request, filters: Annotated[FamilyFilters, Query()]) -> Response:
        view = self._desk.view
        keep = _kept(view, filters)

        def rows() -> list[FamilyPairRow]:
            return [row for row in pair_rows(view) if all(passes(row) for passes in keep)][: filters.limit]

        return await _table(request, view, "families-arb", FamilyPairRow, rows)


def add_families(api: APIRouter, desk: Desk) -> None:
    """Add the routes under /families to those of the API."""
    endpoints = FamilyEndpoints(desk)
    add_table(
        api,
        "/families",
        RateRow,
        endpoints.rates,
        "What stablecoins are worth",
        "The live rates by which quote families are compared, with their source, age and agreement. A rate without a"
        " value is not used, and says why. Ages are seconds, spreads basis points.",
    )
    add_table(
        api,
        "/families/arb",
        FamilyPairRow,
        endpoints.pairs,
        "Opportunities between quote families",
        "Directed pairs whose legs are in different quote families, judged in dollars by the same tests as /api/arb,"
        " best net edge first. Families without a rate are left out: see /api/families. Prices are dollars per base"
        " coin, edges and fees basis points. Pairs with a reason against them only if asked for.",
    )


async def _table(
    request: Request, view: View, name: str, row_type: type, rows: Callable[[], Sequence[Any]]
) -> Response:
    form, stamp = form_of(request), Tables(view).stamp
    body = await asyncio.to_thread(lambda: table_body(form, stamp, row_type, rows()))
    return table_response(form, stamp, name, body)


def crossed(view: View) -> Crossed:
    """The families of a view side by side, made once for all who ask."""
    market = view.market
    return crossing.crossed(view.judgement, market.ring, market.store.depths.get)


def _kept(view: View, filters: FamilyFilters) -> list[Callable[[FamilyPairRow], bool]]:
    grid = view.judgement.snapshot.grid
    exchanges = ask.wanted_exchanges(filters.exchange, grid.exchange_index)
    bases = frozenset(base.casefold() for base in filters.base)
    if bases:
        known = {symbol.rpartition("-")[0].casefold() for symbol in grid.symbols}
        for base in sorted(bases - known):
            raise HTTPException(404, f"no exchange lists a contract of '{base[:60]}'")
    wanted, least = frozenset(filters.verdict), filters.min_net_edge_bps
    keep: list[Callable[[FamilyPairRow], bool]] = []
    if wanted:
        keep.append(lambda row: row.verdict in wanted)
    elif not filters.include_refused:
        keep.append(lambda row: row.verdict == "ok")
    if bases:
        keep.append(lambda row: row.symbol.rpartition("-")[0].casefold() in bases)
    if exchanges is not None:
        keep.append(lambda row: not exchanges.isdisjoint(map(crossing.exchange_of, (row.buy, row.sell))))
    if least is not None:
        keep.append(lambda row: row.net_edge_bps is not None and row.net_edge_bps >= least)
    return keep


# -- rows ------------------------------------------------------------------------------------------------------


def rate_rows(made: Crossed) -> list[RateRow]:
    return [_rate_row(rate) for rate in made.rates.values()]


def _rate_row(rate: Rate) -> RateRow:
    return RateRow(rate.currency, rate.into, rate.value, rate.source, rate.n, rate.age_s, rate.spread_bps, rate.reason)


def pair_rows(view: View) -> list[FamilyPairRow]:
    """The measured pairs between families, actionable first, refused last, best net edge first in each."""
    made = crossed(view)
    found = View(made.judgement, view.status, view.market).opportunities
    return [_pair_row(made, row) for row in found if crossing.crosses(row.buy, row.sell)]


def _pair_row(made: Crossed, row: Opportunity) -> FamilyPairRow:
    grid = made.judgement.snapshot.grid
    buy, sell = (grid.instruments[column, row.symbol] for column in (row.buy, row.sell))
    s = grid.symbol_index[row.symbol]
    buy_rate, sell_rate = (float(made.factor[s, grid.exchange_index[column]]) for column in (row.buy, row.sell))
    legs = (("buy", buy, row.buy_price), ("sell", sell, row.sell_price))
    inverse = [(name, price) for name, leg, price in legs if leg.kind == "inverse"]
    return FamilyPairRow(
        id=row.id,
        symbol=row.symbol,
        buy=row.buy,
        sell=row.sell,
        buy_symbol=buy.symbol,
        sell_symbol=sell.symbol,
        same_exchange=buy.exchange == sell.exchange,
        buy_rate=buy_rate,
        sell_rate=sell_rate,
        net_edge_bps=row.net_edge_bps,
        gross_edge_bps=row.gross_edge_bps,
        expected_exit_bps=row.expected_exit_bps,
        expected_exit_samples=row.expected_exit_samples,
        fees_bps=row.fees_bps,
        buy_price=row.buy_price,
        sell_price=row.sell_price,
        size=row.size,
        notional=row.notional,
        profit=row.profit,
        buy_age_s=row.buy_age_s,
        sell_age_s=row.sell_age_s,
        alive_s=row.alive_s,
        carry_8h_bps=row.carry_8h_bps,
        inverse="both" if len(inverse) == 2 else inverse[0][0] if inverse else "",
        hedge="; ".join(crossing.hedge_note(name, row.notional, price) for name, price in inverse),
        verdict=row.verdict,
        actionable=row.actionable,
    )
