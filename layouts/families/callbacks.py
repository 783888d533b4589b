"""The quote currencies at every tick, the filters and the CSV file."""

import asyncio
from typing import Any

from dash import Dash, Input, Output, State
from dash.exceptions import PreventUpdate

from desk import Desk, View
from layouts import glance
from layouts.components import csv_file, plainly
from layouts.families import ids, rows
from layouts.shell import ids as shell

EVERY_S = 2.0  # converting and judging the whole market again takes its time


def register(app: Dash, desk: Desk) -> None:
    """Connect the page to the desk."""

    @glance.per_view
    def drawn(view: View, choice: rows.Choice, held: tuple[str, ...]) -> tuple[Any, ...]:
        return show(view, choice, held)

    @app.callback(
        Output(ids.RATES, "children"),
        Output(ids.RATES_NOTE, "children"),
        Output(ids.PAIRS, "children"),
        Output(ids.ORDER, "data"),
        Output(ids.COUNT, "children"),
        Output(ids.SHOWN, "data"),
        Input(shell.TICK, "data"),
        Input(shell.SWITCHED, "data"),
        Input(ids.SEARCH, "value"),
        Input(ids.REFUSED, "value"),
        State(ids.SHOWN, "data"),
        State(ids.ORDER, "data"),
        running=[(Output(shell.BUSY_PAGE, "data"), True, False)],
    )
    async def update(
        tick: dict[str, Any] | None,
        _switched: Any,
        search: str | None,
        refused: bool | None,
        shown: str | None,
        order: list[str] | None,
    ) -> tuple[Any, ...]:
        view, choice = desk.view, rows.choice_of(search, refused)
        key = f"{id(view.market):x}|{view.judgement.time // EVERY_S:.0f}|{choice}"
        if shown == key:
            raise PreventUpdate
        held = tuple(order or ()) if tick and ids.PAIRS in tick.get("held", ()) else ()
        # The first viewer of a view pays for all: off the event loop, so that nobody else waits.
        return (*await asyncio.to_thread(drawn, view, choice, held), key)

    @app.callback(
        Output(ids.DOWNLOAD, "data"),
        Input(ids.CSV, "n_clicks"),
        State(ids.SEARCH, "value"),
        State(ids.REFUSED, "value"),
        prevent_initial_call=True,
    )
    async def download(clicks: int | None, search: str | None, refused: bool | None) -> Any:
        if not clicks:
            raise PreventUpdate
        view = desk.view
        text = await asyncio.to_thread(rows.as_csv, view, rows.choice_of(search, refused))
        return csv_file(text, f"quote-currencies-{view.source.kind}.csv")


def show(view: View, choice: rows.Choice, held: tuple[str, ...] = ()) -> tuple[Any, ...]:
    """Rates, their note, pairs, their order and count."""
    found = rows.shown(view, choice, held)
    table = rows.pair_rows(view, found) if found else rows.nothing(view, choice)
    rates, note, body, count = plainly(
        (rows.rate_rows(view), rows.rates_note(view), table, rows.count_words(view, choice))
    )
    return rates, note, body, [row.id for row in found], count
