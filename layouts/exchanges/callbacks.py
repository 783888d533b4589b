"""The Exchanges page at every tick, and the actions on one exchange."""

import asyncio
from typing import Any
from urllib.parse import parse_qs

from dash import Dash, Input, Output, State, ctx
from dash.exceptions import PreventUpdate

from desk import Desk, View
from layouts import glance
from layouts.components import plainly
from layouts.exchanges import figures, ids, rows
from layouts.shell import ids as shell
from layouts.theme import Theme, as_theme, empty


def register(app: Dash, desk: Desk) -> None:
    """Connect the page to the desk."""

    @glance.per_view
    def shown_exchange(view: View, wanted: str, level: str, theme: Theme) -> tuple[Any, ...]:
        return show(view, wanted, level, theme)

    @app.callback(
        Output(ids.NOTE, "children"),
        Output(ids.TABLE, "children"),
        Output(ids.HEAD, "children"),
        Output(ids.SOCKETS_NOTE, "children"),
        Output(ids.SOCKETS, "children"),
        Output(ids.LOG, "children"),
        Output(ids.RATES, "figure"),
        Output(ids.RATES_SUMMARY, "children"),
        Output(ids.AGES, "figure"),
        Output(ids.AGES_SUMMARY, "children"),
        Output(ids.RECONNECT, "disabled"),
        Output(ids.STOP, "disabled"),
        Output(ids.START, "disabled"),
        Output(ids.SHOWN, "data"),
        Input(shell.TICK, "data"),
        Input(shell.SWITCHED, "data"),
        Input(shell.URL, "search"),
        Input(shell.THEME, "data"),
        Input(ids.LEVEL, "value"),
        Input(ids.DONE, "data"),
        State(ids.SHOWN, "data"),
        running=[(Output(shell.BUSY_PAGE, "data"), True, False)],
    )
    async def update(
        _tick: Any, _switched: Any, search: str | None, theme: str, level: str, _done: Any, shown: str | None
    ) -> tuple[Any, ...]:
        view, look, wanted = desk.view, as_theme(theme), wanted_exchange(search)
        key = f"{glance.view_key(view)}|{wanted}|{level}|{look}"
        if shown == key:
            raise PreventUpdate
        # The first viewer of a view pays for all: off the event loop, so that nobody else waits.
        return (*await asyncio.to_thread(shown_exchange, view, wanted, level or "all", look), key)

    @app.callback(
        Output(ids.DONE, "data"),
        Input(ids.RECONNECT, "n_clicks"),
        Input(ids.STOP, "n_clicks"),
        Input(ids.START, "n_clicks"),
        State(shell.URL, "search"),
        prevent_initial_call=True,
    )
    async def act(reconnect: int, stop: int, start: int, search: str | None) -> Any:
        status = rows.selected(desk.view, wanted_exchange(search))
        if not (reconnect or stop or start) or status is None:
            raise PreventUpdate
        feed = desk.market.feed
        action = {ids.RECONNECT: feed.restart_exchange, ids.STOP: feed.stop_exchange, ids.START: feed.start_exchange}
        await asyncio.to_thread(action[str(ctx.triggered_id)], status.exchange)
        return f"{ctx.triggered_id}:{status.exchange}:{reconnect + stop + start}"


def wanted_exchange(search: str | None) -> str:
    """The exchange an address asks for, empty if none."""
    return parse_qs((search or "").lstrip("?")).get("exchange", [""])[0]


def show(view: View, wanted: str, level: str, theme: Theme) -> tuple[Any, ...]:
    """The whole page for one selected exchange, and which actions make sense on it."""
    status = rows.selected(view, wanted)
    if status is None:
        nothing = empty(theme, figures.HEIGHT)
        return "no exchanges are set up", [], [], "", [], [], nothing, "", nothing, "", True, True, True
    known = glance.best_quote_age_s(view).get(status.exchange, [])
    texts = plainly(
        (
            rows.note(view),
            rows.table_rows(view, glance.latencies(view), status.exchange),
            rows.head(view, status),
            f"{status.sockets_up} of {len(status.sockets)} up",
            rows.sockets(view, status),
            rows.log(status, level),
        )
    )
    running = status.state not in glance.APART
    return (
        *texts,
        figures.rates(status.rates, theme),
        figures.rates_summary(status.title, status.rates),
        figures.ages(known, theme),
        figures.ages_summary(status.title, known),
        not running,
        not running,
        status.state != "off",
    )
