"""The Exchanges page: health of all above, one of them below."""

import dash_bootstrap_components as dbc
from dash import dcc, html

from desk import Desk
from layouts.components import aria, chart, icon, pane_head, segments, th
from layouts.exchanges import ids
from layouts.exchanges.figures import HEIGHT
from layouts.theme import as_theme, empty

HEADS = (
    ("Exchange", "", False, ""),
    ("State", "What the feed does now and why", False, ""),
    ("Sockets", "Websockets that are up, of those planned", True, ""),
    ("Contracts", "Perpetuals that trade", True, ""),
    ("Frames/s, 10 min", "Of each ten seconds of the last ten minutes", False, ""),
    ("Now", "Frames per second", True, ""),
    ("p50, ms", "Median latency over the exchange's floor: how much later than its fastest messages", True, ""),
    ("p95, ms", "95th percentile of the latency over the floor", True, ""),
    ("p99, ms", "99th percentile of the latency over the floor", True, ""),
    ("Clock floor, ms", "Receipt less event time of the fastest messages: clock offset plus shortest delay", True, ""),
    ("Age of best quotes", "Share of contracts by the age of their quote", False, "age-head"),
    ("Gaps", "Breaks in the exchange's sequence numbers since start", True, ""),
    ("Reconnects", "Since start", True, ""),
    ("Malformed", "Frames that could not be read since start", True, ""),
    ("Since", "How long the state has lasted", True, ""),
)


def page(desk: Desk, _search: str, theme: str | None) -> html.Div:
    """The page of '/exchanges'."""
    legend = html.Span(
        [
            html.Span("Age of best quotes", className="hint"),
            *[
                part
                for step, word in (("0", "to 0.2 s"), ("1", "1 s"), ("2", "3 s"), ("3", "10 s"), ("old", "older"))
                for part in (html.Span(className=f"swatch age-{step}", **aria(hidden="true")), word)
            ],
        ],
        className="legend wide",
    )
    actions = html.Div(
        [
            dbc.Button(
                [icon("refresh-cw"), "Reconnect now"], id=ids.RECONNECT, class_name="ctl primary small", n_clicks=0
            ),
            dbc.Button([icon("power"), "Stop"], id=ids.STOP, class_name="ctl small", n_clicks=0),
            dbc.Button([icon("play"), "Start"], id=ids.START, class_name="ctl small", n_clicks=0),
        ],
        className="right actions",
    )
    levels = segments(ids.LEVEL, [("Errors", "error"), ("All", "all")], "all", "Which events")
    look = as_theme(theme)
    return html.Div(
        [
            html.H1("Exchanges", className="sr"),
            dcc.Store(id=ids.SHOWN),
            dcc.Store(id=ids.DONE),
            pane_head("Exchanges", "", legend, sub_id=ids.NOTE),
            html.Div(
                html.Table(
                    [html.Thead(html.Tr([th(*head) for head in HEADS])), html.Tbody(id=ids.TABLE)],
                    className="table-data health",
                ),
                className="scroll",
            ),
            html.Div([html.Div(id=ids.HEAD, className="exchange-title"), actions], className="exchange-head"),
            html.Div(
                [
                    html.Section(
                        [
                            pane_head("Sockets", "", sub_id=ids.SOCKETS_NOTE),
                            html.Div(id=ids.SOCKETS, className="scroll"),
                        ],
                        className="pane line-r",
                    ),
                    html.Section(
                        [
                            pane_head("Frames per second", "each 10 s of the last 10 min"),
                            chart(ids.RATES, ids.RATES_SUMMARY, empty(look, HEIGHT), HEIGHT),
                            pane_head("Age of best quotes", "contracts, seconds since receipt"),
                            chart(ids.AGES, ids.AGES_SUMMARY, empty(look, HEIGHT), HEIGHT),
                        ],
                        className="pane line-r",
                    ),
                    html.Section(
                        [pane_head("Log", "newest first, UTC", levels), html.Div(id=ids.LOG, className="log scroll")],
                        className="pane",
                    ),
                ],
                className="exchange-body",
            ),
        ],
        className="page exchanges",
    )
