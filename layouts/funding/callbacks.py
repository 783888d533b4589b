"""The Funding page at every tick, its filters and its CSV file."""

import asyncio
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State
from dash.exceptions import PreventUpdate

from desk import Desk, View
from layouts import glance
from layouts.components import csv_file, plainly
from layouts.funding import ids, rows
from layouts.shell import ids as shell

EVERY_S = 2.0  # funding moves slowly


def register(app: Dash, desk: Desk) -> None:
    """Connect the page to the desk."""

    @glance.per_view
    def table(view: View, choice: rows.Choice) -> dict[str, Any]:
        return rows.rates(view, choice)

    @glance.per_view
    def best(view: View, choice: rows.Choice, held: tuple[str, ...]) -> tuple[Any, list[str]]:
        positions = rows.best(view, choice, held)
        symbols = view.judgement.snapshot.symbols
        return plainly(rows.best_rows(view, positions)), [symbols[rows.widest(view).symbol[i]] for i in positions]

    @glance.per_view
    def panes(view: View, choice: rows.Choice) -> tuple[Any, ...]:
        return show(view, choice)

    @app.callback(
        Output(ids.ROWS, "data"),
        Output(ids.BEST, "children"),
        Output(ids.BEST_ORDER, "data"),
        Output(ids.BEST_NOTE, "children"),
        Output(ids.CALENDAR, "children"),
        Output(ids.QUALITY, "children"),
        Output(ids.QUALITY_NOTE, "children"),
        Output(ids.CHANGES, "children"),
        Output(ids.COUNT, "children"),
        Output(ids.SUMMARY, "children"),
        Output(ids.EMPTY, "children"),
        Output(ids.EMPTY, "className"),
        Output(ids.SHOWN, "data"),
        Input(shell.TICK, "data"),
        Input(shell.SWITCHED, "data"),
        Input(ids.FAMILY, "value"),
        Input(ids.SEARCH, "value"),
        Input(ids.SORT, "value"),
        State(ids.SHOWN, "data"),
        State(ids.BEST_ORDER, "data"),
        running=[(Output(shell.BUSY_PAGE, "data"), True, False)],
    )
    async def update(
        tick: dict[str, Any] | None,
        _switched: Any,
        family: str | None,
        search: str | None,
        sort: str | None,
        shown: str | None,
        order: list[str] | None,
    ) -> tuple[Any, ...]:
        view, choice = desk.view, rows.choice_of(family, search, sort)
        key = f"{id(view.market):x}|{view.judgement.time // EVERY_S:.0f}|{choice}"
        if shown == key:
            raise PreventUpdate
        held = tuple(order or ()) if tick and ids.BEST in tick.get("held", ()) else ()
        # The first viewer of a view pays for all: off the event loop, so that nobody else waits.
        data = await asyncio.to_thread(table, view, choice)
        drawn = await asyncio.to_thread(best, view, choice, held)
        return (data, *drawn, *await asyncio.to_thread(panes, view, choice), key)

    app.clientside_callback(
        ClientsideFunction("perpscopeFunding", "apply"),
        Output(ids.APPLIED, "title"),
        Input(ids.ROWS, "data"),
        Input(ids.SORT, "value"),
        State(ids.GRID, "id"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output(ids.DOWNLOAD, "data"),
        Input(ids.CSV, "n_clicks"),
        State(ids.FAMILY, "value"),
        State(ids.SEARCH, "value"),
        State(ids.SORT, "value"),
        prevent_initial_call=True,
    )
    async def download(clicks: int | None, family: str | None, search: str | None, sort: str | None) -> Any:
        if not clicks:
            raise PreventUpdate
        view = desk.view
        text = await asyncio.to_thread(rows.as_csv, view, rows.choice_of(family, search, sort))
        return csv_file(text, f"funding-{view.source.kind}.csv")


def show(view: View, choice: rows.Choice) -> tuple[Any, ...]:
    """Everything beside the table and the best pairs."""
    return tuple(
        plainly(
            (
                rows.best_note(view),
                rows.calendar_rows(view, choice),
                rows.quality_rows(view),
                rows.quality_note(view),
                rows.change_rows(view),
                rows.count_words(view, choice),
                rows.summary(view, choice),
                *rows.empty_state(view, choice),
            )
        )
    )
