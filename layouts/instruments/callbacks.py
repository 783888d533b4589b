"""The Instruments page: rows when a listing has changed, details of the selected symbol, the CSV file."""

import asyncio
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, no_update
from dash.exceptions import PreventUpdate

from desk import Desk, View
from layouts.components import csv_file, plainly, spreads_href
from layouts.instruments import details, ids, rows
from layouts.shell import ids as shell


def register(app: Dash, desk: Desk) -> None:
    """Connect the page to the desk."""

    @app.callback(
        Output(ids.ROWS, "data"),
        Output(ids.HELD, "data"),
        Output(ids.HEAD, "children"),
        Output(ids.DETAILS, "children"),
        Output(ids.LINK, "href"),
        Output(ids.SHOWN, "data"),
        Input(shell.TICK, "data"),
        Input(shell.SWITCHED, "data"),
        Input(ids.SELECTED, "data"),
        State(ids.SHOWN, "data"),
        running=[(Output(shell.BUSY_PAGE, "data"), True, False)],
    )
    async def update(_tick: Any, _switched: Any, selected: str | None, shown: dict[str, Any] | None) -> tuple[Any, ...]:
        view, shown = desk.view, shown or {}
        # The first viewer of a listing pays for all: off the event loop, so that nobody else waits.
        made = await asyncio.to_thread(rows.listing, view)
        key = f"{made.number}|{selected}|{details.state(view, selected)}" if selected else ""
        held = sorted({symbol for _, symbol in view.quarantined})
        now = {"rows": made.number, "details": key, "held": held}
        if shown == now:
            raise PreventUpdate
        data = no_update if shown.get("rows") == made.number else {"key": made.number, "columns": made.columns}
        drawn = explain(view, selected) if selected and shown.get("details") != key else (no_update,) * 3
        return (data, no_update if shown.get("held") == held else held, *drawn, now)

    app.clientside_callback(
        ClientsideFunction("perpscopeInstruments", "filter"),
        Output(ids.GRID, "rowData"),
        Output(ids.PASSING, "data"),
        Output(ids.COUNT, "children"),
        Output(ids.EMPTY, "children"),
        Output(ids.EMPTY, "className"),
        Input(ids.ROWS, "data"),
        Input(ids.HELD, "data"),
        Input(ids.SEARCH, "value"),
        Input(ids.FAMILY, "value"),
        Input(ids.CLASS, "value"),
        Input(ids.PAIRING, "value"),
        Input(ids.STATUS, "value"),
        Input(ids.LEAST, "value"),
        State(ids.GRID, "id"),
    )
    app.clientside_callback(
        ClientsideFunction("perpscopeInstruments", "select"),
        Output(ids.SELECTED, "data"),
        Output(ids.PANE, "className"),
        Input(ids.GRID, "selectedRows"),
        Input(ids.CLOSE, "n_clicks"),
        State(ids.GRID, "id"),
        State(ids.SELECTED, "data"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output(ids.DOWNLOAD, "data"),
        Input(ids.CSV, "n_clicks"),
        State(ids.PASSING, "data"),
        prevent_initial_call=True,
    )
    async def download(clicks: int | None, passing: list[str] | None) -> Any:
        if not clicks:
            raise PreventUpdate
        view = desk.view
        text = await asyncio.to_thread(rows.as_csv, view, passing)
        return csv_file(text, f"instruments-{view.source.kind}.csv")


def explain(view: View, symbol: str) -> tuple[Any, ...]:
    """Everything in the pane for one symbol."""
    return (*plainly((details.head(view, symbol), details.table(view, symbol))), spreads_href(symbol))
