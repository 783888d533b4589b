"""The Spreads page: the chosen pair in the head, the chart, and beside it statistics, legs and other routes."""

import dash_bootstrap_components as dbc
from dash import dcc, html

from desk import Desk
from layouts import glance
from layouts.components import aria, chart, icon, pane_head, segments
from layouts.spreads import ids
from layouts.spreads.choice import Choice, complete, exchanges_of, read
from layouts.spreads.figures import blank
from layouts.theme import as_theme

WINDOWS = ((5, "5 min"), (15, "15 min"), (30, "30 min"))


def leg_options(desk: Desk, choice: Choice) -> list[dict[str, str]]:
    """The exchanges that list the symbol."""
    view = desk.view
    names = exchanges_of(view.judgement.snapshot.grid, choice.symbol)
    return [{"label": glance.title(view, name), "value": name} for name in names]


def page(desk: Desk, search: str, theme: str | None) -> html.Div:
    """The page of '/spreads'."""
    choice = complete(desk.view, read(search))
    options = leg_options(desk, choice)
    head = html.Div(
        [
            html.H1("Spreads", className="sr"),
            html.Label("Symbol", htmlFor=ids.SYMBOL, className="sr"),
            dbc.Input(
                id=ids.SYMBOL,
                value=choice.symbol,
                list="symbols",
                debounce=True,
                autocomplete="off",
                class_name="symbol-input",
            ),
            html.Label(
                [html.Span(className="leg leg-long"), "Buy", dbc.Select(id=ids.BUY, options=options, value=choice.buy)],
                className="leg-pick",
            ),
            html.Button(
                icon("arrow-left-right"),
                id=ids.SWAP,
                className="ctl bare",
                type="button",
                n_clicks=0,
                title="Swap the legs",
                **aria(label="Swap the legs"),
            ),
            html.Label(
                [
                    html.Span(className="leg leg-short"),
                    "Sell",
                    dbc.Select(id=ids.SELL, options=options, value=choice.sell),
                ],
                className="leg-pick",
            ),
            html.Div(id=ids.FACTS, className="pair-facts"),
            html.Div(
                [
                    segments(ids.WINDOW, [(words, minutes) for minutes, words in WINDOWS], 15, "Window"),
                    dbc.Button([icon("download"), "CSV"], id=ids.CSV, class_name="ctl small", n_clicks=0),
                ],
                className="right",
            ),
        ],
        className="pair-head line-b",
    )
    side = html.Aside(
        [
            pane_head("Statistics", "", sub_id=ids.STATISTICS_NOTE),
            html.Div(id=ids.STATISTICS),
            pane_head("Legs", "now, at the touch"),
            html.Div(id=ids.LEGS),
            pane_head("Other routes", "same symbol, net, bps"),
            html.Div(id=ids.ROUTES, className="routes"),
        ],
        className="pair-side",
    )
    return html.Div(
        [
            dcc.Location(id=ids.URL, refresh="callback-nav"),
            dcc.Store(id=ids.SHOWN),
            dcc.Store(id=ids.DRAWN),
            dcc.Store(id=ids.ZOOM),
            dcc.Download(id=ids.DOWNLOAD),
            head,
            html.Div(
                [html.Div(chart(ids.CHART, ids.CHART_SUMMARY, blank(as_theme(theme))), className="pair-chart"), side],
                className="pair-body",
            ),
        ],
        className="page spreads",
    )
