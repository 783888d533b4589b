"""The Spreads page: the chosen pair in the head, the chart, and beside it statistics, legs and other routes."""

import dash_bootstrap_components as dbc
from dash import dcc, html

from desk import Desk
from layouts import glance
from layouts.components import aria, chart, icon, pane_head, segments
from layouts.spreads import ids, lead
from layouts.spreads.choice import Choice, complete, exchanges_of, read
from layouts.spreads.distribution import HISTOGRAM_HEIGHT, blank_bars, blank_rail
from layouts.spreads.figures import blank
from layouts.theme import Theme, as_theme

WINDOWS = (
    (5, "5 min"),
    (15, "15 min"),
    (30, "30 min"),
    (60, "1 h"),
    (1_440, "24 h"),
    (10_080, "7 d"),
    (43_200, "30 d"),
)


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
    look = as_theme(theme)
    return html.Div(
        [
            dcc.Location(id=ids.URL, refresh="callback-nav"),
            dcc.Store(id=ids.SHOWN),
            dcc.Store(id=ids.DRAWN),
            dcc.Store(id=ids.LEAD_SHOWN),
            dcc.Download(id=ids.DOWNLOAD),
            head,
            html.Div(
                [html.Div([_above(look), _below(look)], className="pair-main"), _side(look)], className="pair-body"
            ),
        ],
        className="page spreads",
    )


def _above(look: Theme) -> html.Div:
    """The chart, and beside it the rail on the same axis."""
    return html.Div(
        [
            html.Div(chart(ids.CHART, ids.CHART_SUMMARY, blank(look)), className="pair-chart"),
            html.Div(chart(ids.RAIL, ids.RAIL_SUMMARY, blank_rail(look)), className="pair-chart pair-rail"),
        ],
        className="pair-above",
    )


def _below(look: Theme) -> html.Div:
    """Histogram, statistics, episodes."""
    survival = dcc.Link("Survival", id=ids.SURVIVAL, href="/episodes")
    return html.Div(
        [
            html.Section(
                [
                    pane_head("Where the spread lives", "", sub_id=ids.HISTOGRAM_NOTE),
                    chart(ids.HISTOGRAM, ids.HISTOGRAM_SUMMARY, blank_bars(look), HISTOGRAM_HEIGHT),
                ],
                className="pane",
            ),
            html.Section(
                [
                    pane_head("Statistics", "", sub_id=ids.STATISTICS_NOTE),
                    html.Div(id=ids.STATISTICS, className="scroll"),
                ],
                className="pane",
            ),
            html.Section(
                [
                    pane_head("Episodes", "", survival, sub_id=ids.EPISODES_NOTE),
                    html.Div(id=ids.EPISODES, className="scroll"),
                ],
                className="pane",
            ),
        ],
        className="pair-below",
    )


def _side(look: Theme) -> html.Aside:
    return html.Aside(
        [
            pane_head("Rank of now", "within its own history"),
            html.Div(id=ids.RANKS),
            pane_head("Legs", "now, at the touch"),
            html.Div(id=ids.LEGS),
            pane_head("Lead and lag", "of the two mids"),
            chart(ids.LEAD_CHART, ids.LEAD_SUMMARY, lead.drawing(None, "", "", look), lead.HEIGHT),
            html.Div(id=ids.LEAD, className="lead"),
            pane_head("Other routes", "same symbol, net, bps"),
            html.Div(id=ids.ROUTES, className="routes"),
        ],
        className="pair-side",
    )
