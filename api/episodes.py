"""Episodes: opportunities from their opening to their end, and how long they live."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from analytics.episodes import EpisodeBook
from analytics.survival import By, Survival, survival
from api import filters as ask
from api.answers import REFUSALS, add_table, form_of, json_response, table_body, table_response
from api.models import Stamp, Symbol, Time, about
from api.tables import Tables
from desk import Desk, View
from store.episodes import Episode

Edge = Annotated[
    float | None,
    about(
        "The net edge that stood so long after the opening, basis points; null if the episode had ended or was refused"
        " by then, or is younger."
    ),
]
Bound = Annotated[float | None, about("Of the 95 % interval, log-log; null where all have died.")]
MedianBound = Annotated[float | None, about("Of the median's 95 % interval; null if not reached. Seconds.")]


class NewFilters(ask.ExchangeFilters):
    """Some routes only. `exchange` keeps the pairs with a leg there."""

    symbol: list[str] = Field(
        [], description="Only this canonical symbol, in any case; may be repeated.", examples=[["BTC-USDT"]]
    )
    limit: int = Field(50, ge=1, le=ask.LIMIT, description="At most so many rows, the newest.")


class EpisodeFilters(NewFilters):
    """Some episodes only."""

    state: Literal["open", "closed"] | None = Field(None, description="Only those that are open still, or are not.")
    min_peak_bps: float | None = Field(
        None, allow_inf_nan=False, description="Only those whose net edge rose so high. Basis points."
    )
    since: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="Only those opened then or later, UTC seconds since 1970."
    )
    limit: int = Field(1_000, ge=1, le=ask.LIMIT, description="At most so many rows, the newest.")


class SurvivalFilters(ask.NoFilters):
    """How episodes are grouped."""

    by: By = Field(
        "all",
        description="pair: the two exchanges, BUY:SELL. size: buckets of the notional at the peak, quote currency.",
    )


@dataclass(frozen=True)
class EpisodeRow:
    """One episode. Edges are net ones unless said otherwise, basis points of the mean of the two mids."""

    id: Annotated[str, about("SYMBOL:BUY:SELL:MILLISECONDS of the opening; an episode keeps it.")]
    symbol: Symbol
    buy: Annotated[str, about("The exchange to buy on.")]
    sell: Annotated[str, about("The exchange to sell on.")]
    state: Annotated[str, about("open or closed.")]
    opened: Annotated[float, about("When the gap opened, UTC seconds since 1970.")]
    confirmed: Annotated[float, about("When it had lasted as long as it takes to react, UTC seconds since 1970.")]
    closed: Annotated[float | None, about("When it ended, UTC seconds since 1970; null while it is open.")]
    duration_s: Annotated[float, about("Seconds from its opening to its end, or to the last look while it is open.")]
    reason: Annotated[
        str | None,
        about(
            "Why it ended: edge gone, quote went stale, venue lost, instrument halted, refused, or still open at the"
            " end. Null while it is open."
        ),
    ]
    detail: Annotated[str | None, about("The verdict that ended it, if one did.")]
    net_bps: Annotated[float | None, about("Net edge at the last look. Basis points.")]
    peak_bps: Annotated[float, about("The highest net edge. Basis points.")]
    peak_time: Time
    gross_bps: Annotated[float | None, about("Entry edge before fees at the peak. Basis points.")]
    mean_bps: Annotated[float, about("Net edge over time. Basis points.")]
    size: Annotated[float | None, about("At the peak. Base coins.")]
    notional: Annotated[float | None, about("At the peak. Quote currency.")]
    edge_100ms_bps: Edge
    edge_250ms_bps: Edge
    edge_500ms_bps: Edge
    looks: Annotated[int, about("How often the route was looked at.")]


@dataclass(frozen=True)
class StepRow:
    """One step of a curve, which is 1 at 0 s and level between steps. `analytics.survival.Step`."""

    time_s: Annotated[float, about("How long these had lived when they died. Seconds.")]
    survival: Annotated[float, about("Fraction that lived longer, after Kaplan and Meier.")]
    std_error: Annotated[float | None, about("Of that fraction, after Greenwood; null where all have died.")]
    low: Bound
    high: Bound
    at_risk: Annotated[int, about("Episodes that were alive just before.")]
    deaths: Annotated[int, about("Episodes that died then.")]
    censored: Annotated[int, about("Episodes lost from sight then or before the next step.")]


@dataclass(frozen=True)
class CurveRow:
    """How long the episodes of one group live."""

    key: Annotated[str, about("BUY:SELL, a symbol, a bucket of notional, or `all`.")]
    n: Annotated[int, about("Episodes.")]
    deaths: Annotated[int, about("Those that ended because the edge, a quote or the trading went, or by refusal.")]
    censored: Annotated[int, about("Those whose end was not seen: still open, or an exchange was lost.")]
    observed_s: Annotated[float | None, about("The longest life that was seen. Seconds.")]
    median_s: Annotated[float | None, about("When half of them had died; null if not reached. Seconds.")]
    median_low_s: MedianBound
    median_high_s: MedianBound
    steps: Annotated[list[StepRow], about("The curve; empty without deaths.")]


class Curves(Stamp):
    """Curves of survival, and what they rest on."""

    by: str = Field(description="How episodes are grouped.")
    first_opened: float | None = Field(
        description="When the oldest of these episodes opened, UTC seconds since 1970: the look-back ends there."
    )
    n: int = Field(description="Episodes of all groups.")
    groups: list[CurveRow] = Field(description="One curve for each.")


class EpisodeEndpoints:
    """The handlers."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def episodes(self, request: Request, filters: Annotated[EpisodeFilters, Query()]) -> Response:
        view = self._desk.view
        book = view.market.detector.episodes
        passes = _test(view, book, filters)

        def rows() -> list[EpisodeRow]:
            found = [
                episode
                for episode in book.every()
                if passes(episode)
                and (filters.state is None or (episode.closed is None) == (filters.state == "open"))
                and (filters.min_peak_bps is None or episode.peak_bps >= filters.min_peak_bps)
                and (filters.since is None or episode.opened >= filters.since)
            ]
            found.sort(key=attrgetter("opened"), reverse=True)
            return [_row(episode) for episode in found[: filters.limit]]

        return await _table(request, view, "episodes", rows)

    async def newly_opened(self, request: Request, filters: Annotated[NewFilters, Query()]) -> Response:
        view = self._desk.view
        book = view.market.detector.episodes
        passes = _test(view, book, filters)

        def rows() -> list[EpisodeRow]:
            newest = book.newly_opened(len(book.open) + len(book.closed))
            return [_row(episode) for episode in newest if passes(episode)][: filters.limit]

        return await _table(request, view, "episodes-new", rows)

    async def survival(self, filters: Annotated[SurvivalFilters, Query()]) -> Response:
        view = self._desk.view
        episodes = view.market.detector.episodes.every()
        now = view.judgement.time
        groups = await asyncio.to_thread(survival, episodes, now, filters.by)
        return json_response(
            Tables(view).stamp
            | {
                "by": filters.by,
                "first_opened": min((episode.opened for episode in episodes), default=None),
                "n": len(episodes),
                "groups": [_curve(name, group) for name, group in groups.items()],
            }
        )


def add_episodes(api: APIRouter, desk: Desk) -> None:
    """Add the routes under /episodes to those of the API."""
    endpoints = EpisodeEndpoints(desk)
    add_table(
        api,
        "/episodes/new",
        EpisodeRow,
        endpoints.newly_opened,
        "Opportunities that opened last",
        "The episodes that were confirmed last, newest first, whether they are open still or not. Edges are basis"
        " points, sizes base coins, notionals quote currency, times UTC seconds since 1970.",
    )
    api.add_api_route(
        "/episodes/survival",
        endpoints.survival,
        summary="How long opportunities live",
        description="Kaplan-Meier curves of the episodes in memory, times in seconds. An edge that went, a quote that"
        " went stale, a halt and a refusal are deaths; an exchange that was lost, and an episode that is open or was so"
        " when the watching ended, are censored: they lived at least so long. Only confirmed episodes are counted, so"
        " nothing is said of lives below the reaction time.",
        response_model=Curves,
        responses={422: REFUSALS[422]},
    )
    add_table(
        api,
        "/episodes",
        EpisodeRow,
        endpoints.episodes,
        "Opportunities from opening to end",
        "Open episodes and the last ended ones, newest first. Edges are basis points, sizes base coins, notionals quote"
        " currency, times UTC seconds since 1970, durations seconds.",
    )


async def _table(request: Request, view: View, name: str, rows: Callable[[], list[EpisodeRow]]) -> Response:
    form, stamp = form_of(request), Tables(view).stamp
    body = await asyncio.to_thread(lambda: table_body(form, stamp, EpisodeRow, rows()))
    return table_response(form, stamp, name, body)


def _test(view: View, book: EpisodeBook, filters: NewFilters) -> Callable[[Episode], bool]:
    """Whether an episode is of what was asked for. What is no longer listed may still have episodes."""
    grid = view.judgement.snapshot.grid
    exchanges = ask.wanted_exchanges(filters.exchange, grid.exchange_index)
    known = {episode.symbol.casefold(): episode.symbol for episode in book.every()} if filters.symbol else {}
    symbols = {known.get(name.casefold()) or ask.one_symbol(name, grid) for name in filters.symbol}

    def passes(episode: Episode) -> bool:
        of_exchange = exchanges is None or episode.buy in exchanges or episode.sell in exchanges
        return of_exchange and (not symbols or episode.symbol in symbols)

    return passes


def _row(episode: Episode) -> EpisodeRow:
    closed = episode.closed
    return EpisodeRow(
        id=episode.id,
        symbol=episode.symbol,
        buy=episode.buy,
        sell=episode.sell,
        state="open" if closed is None else "closed",
        opened=episode.opened,
        confirmed=episode.confirmed,
        closed=closed,
        duration_s=(episode.seen if closed is None else closed) - episode.opened,
        reason=None if episode.reason is None else episode.reason.value,
        detail=episode.detail,
        net_bps=episode.net_bps,
        peak_bps=episode.peak_bps,
        peak_time=episode.peak_time,
        gross_bps=episode.gross_bps,
        mean_bps=episode.mean_bps,
        size=episode.size,
        notional=episode.notional,
        edge_100ms_bps=episode.edge_100ms_bps,
        edge_250ms_bps=episode.edge_250ms_bps,
        edge_500ms_bps=episode.edge_500ms_bps,
        looks=episode.looks,
    )


def _curve(key: str, group: Survival) -> CurveRow:
    return CurveRow(
        key=key,
        n=group.n,
        deaths=group.deaths,
        censored=group.censored,
        observed_s=group.observed_s,
        median_s=group.median_s,
        median_low_s=group.median_low_s,
        median_high_s=group.median_high_s,
        steps=[
            StepRow(
                step.time_s,
                step.survival,
                step.std_error,
                step.low,
                step.high,
                step.at_risk,
                step.deaths,
                step.censored,
            )
            for step in group.steps
        ],
    )
