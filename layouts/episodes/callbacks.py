"""The Episodes page: rows and figures at every tick, curves every few seconds, the CSV file."""

import asyncio
from typing import Any, cast

from dash import ClientsideFunction, Dash, Input, Output, State, no_update
from dash.exceptions import PreventUpdate

from analytics.lives import Lives, lives
from analytics.survival import By, Survival, survival
from desk import Desk, View
from layouts import glance
from layouts.components import csv_file, plainly
from layouts.episodes import figures, ids, rows
from layouts.episodes.rows import ANY
from layouts.format import plain
from layouts.kept import Kept
from layouts.shell import ids as shell
from layouts.theme import as_theme
from store.episodes import Episode

CURVES_EVERY_S = 3.0


def register(app: Dash, desk: Desk) -> None:
    """Connect the page to the desk; what several viewers ask for is made once."""
    curves: Kept[tuple[Lives, ...]] = Kept(CURVES_EVERY_S)
    medians: Kept[Survival] = Kept(CURVES_EVERY_S)

    @glance.per_view
    def every(view: View) -> list[Episode]:
        return view.market.detector.episodes.every()

    @glance.per_view
    def shown_rows(view: View, filters: rows.Filters) -> tuple[Any, ...]:
        return show(view, every(view), filters)

    @glance.per_view
    def figures_of(view: View) -> Any:
        episodes, now = every(view), view.judgement.time
        whole = medians.get(id(view.market), lambda: survival(episodes, now).get("all", NOBODY))
        return plainly(rows.headline(episodes, now, whole or NOBODY))

    @app.callback(
        Output(ids.OPEN, "data"),
        Output(ids.CLOSED, "data"),
        Output(ids.HEADLINE, "children"),
        Output(ids.COUNT, "children"),
        Output(ids.EMPTY, "children"),
        Output(ids.EMPTY, "className"),
        Output(ids.SHOWN, "data"),
        Input(shell.TICK, "data"),
        Input(shell.SWITCHED, "data"),
        Input(ids.SYMBOL, "value"),
        Input(ids.EXCHANGE, "value"),
        Input(ids.STATE, "value"),
        Input(ids.PEAK, "value"),
        State(ids.SHOWN, "data"),
        running=[(Output(shell.BUSY_PAGE, "data"), True, False)],
    )
    async def update(
        _tick: Any, _switched: Any, symbol: str, exchange: str, state: str, peak: float | None, shown: Any
    ) -> tuple[Any, ...]:
        view, filters = desk.view, asked(symbol, exchange, state, peak)
        now = {"view": glance.view_key(view), "filters": str(filters)}
        shown = shown or {}
        if all(shown.get(name) == value for name, value in now.items()):
            raise PreventUpdate
        # The first viewer of a view pays for all: off the event loop, so that nobody else waits.
        still, ended, closed_key, count, empty, empty_class = await asyncio.to_thread(shown_rows, view, filters)
        head = await asyncio.to_thread(figures_of, view)
        ended = no_update if shown.get("closed") == closed_key else ended
        return still, ended, head, count, empty, empty_class, {**now, "closed": closed_key}

    @app.callback(
        Output(ids.CURVE, "figure"),
        Output(ids.CURVE_SUMMARY, "children"),
        Output(ids.CURVE_NOTE, "children"),
        Output(ids.GROUPS, "children"),
        Output(ids.DRAWN, "data"),
        Input(shell.TICK, "data"),
        Input(shell.SWITCHED, "data"),
        Input(shell.THEME, "data"),
        Input(ids.BY, "value"),
        Input(ids.SYMBOL, "value"),
        Input(ids.EXCHANGE, "value"),
        Input(ids.PEAK, "value"),
        State(ids.DRAWN, "data"),
    )
    async def draw(
        _tick: Any,
        _switched: Any,
        theme: str,
        by: str,
        symbol: str,
        exchange: str,
        peak: float | None,
        drawn: Any,
    ) -> tuple[Any, ...]:
        view, look, filters = desk.view, as_theme(theme), asked(symbol, exchange, ANY, peak)
        grouped = cast(By, by or "all")

        def make() -> tuple[Lives, ...]:
            found = [one for one in every(view) if filters.admits(one)]
            return lives(found, view.judgement.time, grouped, figures.MOST)

        shown = await asyncio.to_thread(curves.get, (id(view.market), grouped, filters), make)
        if shown is None:
            raise PreventUpdate  # another one is being made; the next tick asks again
        key = f"{look}|{grouped}|{filters}|{id(shown):x}"
        if drawn == key:
            raise PreventUpdate
        return (*await asyncio.to_thread(drawing, view, shown, grouped, look), key)

    app.clientside_callback(
        ClientsideFunction("perpscopeEpisodes", "put"),
        Output(ids.GRID, "rowData"),
        Input(ids.OPEN, "data"),
        Input(ids.CLOSED, "data"),
        State(ids.GRID, "id"),
    )

    @app.callback(
        Output(ids.DOWNLOAD, "data"),
        Input(ids.CSV, "n_clicks"),
        State(ids.SYMBOL, "value"),
        State(ids.EXCHANGE, "value"),
        State(ids.STATE, "value"),
        State(ids.PEAK, "value"),
        prevent_initial_call=True,
    )
    async def download(clicks: int | None, symbol: str, exchange: str, state: str, peak: float | None) -> Any:
        if not clicks:
            raise PreventUpdate
        view, filters = desk.view, asked(symbol, exchange, state, peak)
        found = rows.passing(every(view), filters)
        text = await asyncio.to_thread(rows.as_csv, view.source.kind, found)
        return csv_file(text, f"episodes-{view.source.kind}.csv")


NOBODY = Survival(0, 0, 0, None, None, None, None, ())


def asked(symbol: str | None, exchange: str | None, state: str | None, peak: float | None) -> rows.Filters:
    """The filters as the controls say them."""
    return rows.Filters(symbol or "", exchange or ANY, state or ANY, peak)


def show(view: View, episodes: list[Episode], filters: rows.Filters) -> tuple[Any, ...]:
    """Open rows, closed rows, a key of the closed ones, the count, and what stands there if there are none."""
    found = rows.passing(episodes, filters)
    still = [one for one in found if one.closed is None]
    ended = found[len(still) : len(still) + rows.MOST]
    closed_key = f"{id(view.market):x}|{hash(tuple((one.id, one.closed) for one in ended))}|{filters}"
    cut = f", the newest {plain(rows.MOST)} shown" if len(found) - len(still) > rows.MOST else ""
    count = f"{plain(len(found))} of {plain(len(episodes))} episodes, {plain(len(still))} open{cut}"
    opened = {"now": view.judgement.time, "key": str(filters), "columns": rows.columns(view, still)}
    closed = {"columns": rows.columns(view, ended)}
    return opened, closed, closed_key, count, *plainly(rows.nothing(view, episodes, filters))


def drawing(view: View, shown: tuple[Lives, ...], by: By, theme: Any) -> tuple[Any, ...]:
    """Figure, sentence, note and table of the curves."""
    names = [rows.name(view, one.name, by) for one in shown]
    note = "share still alive, %, with 95 % bands; strokes: lost from sight"
    figure = figures.survival(shown, names, theme)
    return figure, figures.summary(shown, names), note, plainly(rows.groups(view, shown, by))
