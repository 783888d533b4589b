"""The Overview at every tick."""

import asyncio
from typing import Any

from dash import Dash, Input, Output, State, no_update
from dash.exceptions import PreventUpdate

from desk import Desk, View
from layouts import glance
from layouts.components import plainly
from layouts.format import plain
from layouts.overview import figures, ids, opened, rows
from layouts.shell import ids as shell
from layouts.theme import Figure, Theme, as_theme


def register(app: Dash, desk: Desk) -> None:
    """Connect the Overview to the desk; what all viewers see is made once per view."""
    order = rows.SteadyOrder()

    @glance.per_view
    def tables(view: View) -> tuple[Any, ...]:
        reasons = sum(view.judgement.reasons.values())
        parts = (
            *rows.headline(view),
            rows.reason_rows(view),
            f"{plain(reasons)} directed pairs refused",
            opened.rows(view, view.market.detector.episodes.newly_opened(opened.MOST)),
            rows.strip_rows(view, glance.latencies(view)),
        )
        return tuple(plainly(parts))

    @glance.per_view
    def best(view: View, held: tuple[str, ...]) -> tuple[Any, list[str]]:
        chosen = rows.best_ten(view, held)
        return plainly(rows.best_rows(view, chosen)), [row.id for row in chosen]

    @glance.per_view
    def deviations(view: View, family: str) -> figures.Deviations:
        return rows.deviations(view, family, order.symbols(view, family))

    @glance.per_view
    def heatmap(view: View, family: str, theme: Theme) -> tuple[Figure, dict[str, str], str, Any]:
        data = deviations(view, family)
        drawn = figures.heatmap(data, desk.settings.deviation_limit_bps, theme)
        height = {"height": f"{drawn['layout']['height']}px"}
        return drawn, height, figures.summary(data), plainly(rows.phone_table(data, view.status))

    @app.callback(
        Output(ids.NET, "children"),
        Output(ids.NET_WHERE, "children"),
        Output(ids.ACTIONABLE, "children"),
        Output(ids.ACTIONABLE_WHERE, "children"),
        Output(ids.EXCHANGES, "children"),
        Output(ids.EXCHANGES_WHERE, "children"),
        Output(ids.DISPERSION, "children"),
        Output(ids.FUNNEL, "children"),
        Output(ids.REASONS, "children"),
        Output(ids.REASONS_NOTE, "children"),
        Output(ids.OPENED, "children"),
        Output(ids.STRIP, "children"),
        Output(ids.BEST, "children"),
        Output(ids.BEST_ORDER, "data"),
        Output(ids.HEATMAP, "figure"),
        Output(ids.HEATMAP, "style"),
        Output(ids.HEATMAP_SUMMARY, "children"),
        Output(ids.DISPERSED, "children"),
        Output(ids.SHOWN, "data"),
        Input(shell.TICK, "data"),
        Input(shell.SWITCHED, "data"),
        Input(shell.THEME, "data"),
        Input(ids.FAMILY, "value"),
        State(ids.SHOWN, "data"),
        State(ids.BEST_ORDER, "data"),
        running=[(Output(shell.BUSY_PAGE, "data"), True, False)],
    )
    async def update(
        tick: dict[str, Any], _switched: Any, theme: str, family: str, shown: dict[str, str] | None, ids_shown: Any
    ) -> tuple[Any, ...]:
        view, look = desk.view, as_theme(theme)
        key = {"view": glance.view_key(view), "look": f"{look}:{family}"}
        if shown == key:
            raise PreventUpdate
        # The first viewer of a view pays for all: off the event loop, so that nobody else waits.
        chart = await asyncio.to_thread(heatmap, view, family or "USDT", look)
        if shown and shown["view"] == key["view"]:
            return (*(no_update,) * 14, *chart, key)
        held = tuple(ids_shown or ()) if tick and "best" in tick.get("held", ()) else ()
        return (*await asyncio.to_thread(tables, view), *best(view, held), *chart, key)
