"""The Opportunities page at every tick, its chips, its drawer and its CSV file."""

import asyncio
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from desk import Desk, View
from layouts import glance
from layouts.components import csv_file, icon, plainly, shape, spreads_href
from layouts.format import ordinary, plain, signed
from layouts.opportunities import drawer, figures, ids, rows
from layouts.opportunities.books import books
from layouts.shell import ids as shell
from layouts.theme import Theme, as_theme, empty


def register(app: Dash, desk: Desk) -> None:
    """Connect the page to the desk."""

    @glance.per_view
    def table(view: View, chips: rows.Chips, selected: str | None) -> dict[str, list[Any]]:
        return rows.columns(view, rows.shown(view, chips, selected))

    @glance.per_view
    def heads(view: View, chips: rows.Chips) -> tuple[Any, ...]:
        return tuple(
            plainly((count_words(view, chips), funnel(view), reasons(view), notice(view), *empty_state(view, chips)))
        )

    @glance.per_view
    def explanation(view: View, row_id: str, theme: Theme) -> tuple[Any, ...]:
        return explain(view, row_id, theme)

    @app.callback(
        Output(ids.ROWS, "data"),
        Output(ids.COUNT, "children"),
        Output(ids.FUNNEL, "children"),
        Output(ids.REASONS, "children"),
        Output(ids.NOTICE, "children"),
        Output(ids.EMPTY, "children"),
        Output(ids.EMPTY, "className"),
        Output(ids.DRAWER_HEAD, "children"),
        Output(ids.DRAWER_FACTS, "children"),
        Output(ids.DRAWER_SUM, "children"),
        Output(ids.DRAWER_QUOTES, "children"),
        Output(ids.DRAWER_BOOKS, "children"),
        Output(ids.DRAWER_TESTS, "children"),
        Output(ids.DRAWER_NET, "figure"),
        Output(ids.DRAWER_NET_SUMMARY, "children"),
        Output(ids.DRAWER_LINK, "href"),
        Output(ids.SHOWN, "data"),
        Input(shell.TICK, "data"),
        Input(shell.SWITCHED, "data"),
        Input(shell.THEME, "data"),
        Input(ids.MIN_NET, "value"),
        Input(ids.FAMILY, "value"),
        Input(ids.EXCHANGE, "value"),
        Input(ids.REFUSED, "value"),
        Input(ids.SELECTED, "data"),
        State(ids.SHOWN, "data"),
        running=[(Output(shell.BUSY_PAGE, "data"), True, False)],
    )
    async def update(
        _tick: Any,
        _switched: Any,
        theme: str,
        min_net: float | None,
        family: str | None,
        exchange: str | None,
        refused: bool,
        selected: str | None,
        shown: str | None,
    ) -> tuple[Any, ...]:
        # Grid and drawer come from one view, so that their figures agree.
        view, look = desk.view, as_theme(theme)
        chips = rows.chips_of(min_net, family, exchange, refused)
        key = f"{glance.view_key(view)}|{chips}|{selected}|{look}"
        if shown == key:
            raise PreventUpdate
        # The first viewer of a view pays for all: off the event loop, so that nobody else waits.
        columns = await asyncio.to_thread(table, view, chips, selected)
        data = {"key": f"{id(view.market):x}|{chips}", "columns": columns}
        if selected:
            desk.look(*pair_of(selected))
        drawn = explanation(view, selected, look) if selected else (no_update,) * 9
        return (data, *heads(view, chips), *drawn, key)

    app.clientside_callback(
        ClientsideFunction("perpscopeGrid", "apply"),
        Output(ids.APPLIED, "title"),
        Input(ids.ROWS, "data"),
        State(ids.GRID, "id"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("perpscopeGrid", "select"),
        Output(ids.SELECTED, "data"),
        Output(ids.DRAWER, "className"),
        Input(ids.GRID, "selectedRows"),
        Input(ids.DRAWER_CLOSE, "n_clicks"),
        State(ids.GRID, "id"),
        State(ids.SELECTED, "data"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output(ids.DOWNLOAD, "data"),
        Input(ids.CSV, "n_clicks"),
        State(ids.MIN_NET, "value"),
        State(ids.FAMILY, "value"),
        State(ids.EXCHANGE, "value"),
        State(ids.REFUSED, "value"),
        prevent_initial_call=True,
    )
    async def download(
        clicks: int | None, min_net: float | None, family: str | None, exchange: str | None, refused: bool
    ) -> Any:
        if not clicks:
            raise PreventUpdate
        view = desk.view
        source = view.source.kind
        chips = rows.chips_of(min_net, family, exchange, refused)
        time = view.judgement.time
        text = await asyncio.to_thread(lambda: rows.as_csv(source, time, rows.chosen(view, chips)))
        return csv_file(text, f"opportunities-{source}.csv")


def pair_of(row_id: str) -> tuple[str, tuple[str, ...]]:
    """Symbol and exchanges of a row: 'BTC-USDT:okx:bybit'."""
    symbol, *exchanges = row_id.split(":")
    return symbol, tuple(exchanges[:2])


def explain(view: View, row_id: str, theme: Theme) -> tuple[Any, ...]:
    """Everything in the drawer for one pair."""
    row = rows.find(view, row_id)
    symbol, buy, sell = (*row_id.split(":"), "", "")[:3]
    link = spreads_href(symbol, buy, sell)
    if row is None:
        return (*drawer.lost(row_id), empty(theme, figures.HEIGHT), "", link)
    edges = (row.gross_edge_bps, row.expected_exit_bps, row.fees_bps, row.net_edge_bps)
    texts = plainly(
        (
            drawer.head(view, row),
            drawer.facts(row),
            drawer.formula(row),
            drawer.quotes(view, row),
            books(view, row),
            drawer.tests(view, row),
        )
    )
    return (*texts, figures.waterfall(*edges, theme), figures.summary(*edges), link)


def count_words(view: View, chips: rows.Chips) -> str:
    """'300 of 2 341 rows', or how many there are."""
    passing = len(rows.chosen(view, chips))
    if passing > rows.MOST:
        return f"best {plain(rows.MOST)} of {plain(passing)}"
    return f"{plain(passing)} pairs"


def funnel(view: View) -> list[Any]:
    """The gates in one line."""
    counts = view.judgement.funnel
    steps = (
        ("Seen", counts.seen),
        ("Fresh", counts.fresh),
        ("Tradable", counts.tradable),
        ("Net > 0", counts.net_positive),
        ("Actionable", counts.actionable),
    )
    parts: list[Any] = []
    for i, (word, count) in enumerate(steps):
        if i:
            parts.append(html.Span(icon("chevron-right"), className="hint gate"))
        parts.append(
            html.Div([html.Div(plain(count), className="fig"), html.Div(word, className="word")], className="step")
        )
    return parts


def reasons(view: View) -> list[Any]:
    """The three most frequent first reasons."""
    largest = sorted(view.judgement.reasons.items(), key=lambda item: -item[1])[:3]
    if not largest:
        return []
    words = ", ".join(f"{ordinary(verdict.label)} {plain(count)}" for verdict, count in largest)
    return [html.Div("first reason, largest three", className="hint"), html.Div(words, className="fig")]


def notice(view: View) -> Any:
    """Loading or partial: who is missing and what that takes away."""
    wanted, running = glance.expected(view), glance.up(view)
    missing = [status for status in wanted if status.state not in glance.UP]
    if not missing:
        return None
    if glance.reachability(view) == "loading" or all(status.state == "starting" for status in missing):
        words = f"Connecting, {len(running)} of {len(wanted)} exchanges have answered"
        return html.Div([shape("starting"), words], className="notice quiet")
    names = ", ".join(status.title for status in missing)
    words = f"{len(running)} of {len(wanted)} exchanges. Left out: {names}."
    return html.Div(
        [shape("degraded"), words, dcc.Link("Details", href="/exchanges", className="right")], className="notice"
    )


def empty_state(view: View, chips: rows.Chips) -> tuple[Any, str]:
    """What is nearest when nothing passes, and what would change it."""
    if rows.chosen(view, chips):
        return None, "empty hidden"
    close = rows.nearest(view, chips)
    if chips.min_net_bps is None or not close:
        words = "No pair is measured yet." if not view.judgement.funnel.seen else "No pair passes these filters."
        return html.Div(
            [html.H2(words), html.P("Rows appear as soon as two exchanges quote the same symbol.")]
        ), "empty"
    lines = [html.Li([row.symbol, " ", html.Span(f"{signed(row.net_edge_bps)} bps", className="fig")]) for row in close]
    title = f"No pair clears {plain(chips.min_net_bps, 1)} bps"
    tradable = plain(view.judgement.funnel.tradable)
    said = html.P(f"{tradable} directed pairs are fresh and tradable. The nearest are:")
    return html.Div([html.H2(title), said, html.Ul(lines)]), "empty"
