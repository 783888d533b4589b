"""The frame around all pages: band, top bar, rail, the page, and what to do when nothing can be reached."""

import dash_bootstrap_components as dbc
from dash import dcc, html

from layouts.components import aria, icon, th
from layouts.shell import ids

PAGES = (  # path, word, icon, key after g
    ("/", "Overview", "layout-dashboard", "o"),
    ("/opportunities", "Opportunities", "arrow-left-right", "p"),
    ("/spreads", "Spreads", "git-compare", "s"),
    ("/funding", "Funding", "percent", "f"),
    ("/episodes", "Episodes", "history", "d"),
    ("/instruments", "Instruments", "list", "i"),
    ("/exchanges", "Exchanges", "server", "e"),
)
COUNTS = {"/opportunities": ids.RAIL_OPPORTUNITIES, "/exchanges": ids.RAIL_EXCHANGES}


def frame(refresh_ms: int, stale_after_s: float) -> html.Div:
    """Everything that stays when the page changes."""
    return html.Div(
        [
            html.A("Skip to the page", href="#content", className="skip"),
            _band(),
            _topbar(),
            _rail(),
            html.Main([html.Div(id=ids.PAGE), _unreachable()], id="content", className="content", tabIndex="-1"),
            _help(),
            dcc.Location(id=ids.URL, refresh="callback-nav"),
            dcc.Interval(id=ids.INTERVAL, interval=refresh_ms),
            dcc.Store(id=ids.TICK, data={"n": 0, "held": []}),
            dcc.Store(id=ids.ANSWER, data={"stale_after_s": stale_after_s}),
            dcc.Store(id=ids.BUSY_SHELL, data=False),
            dcc.Store(id=ids.BUSY_PAGE, data=False),
            dcc.Store(id=ids.THEME, storage_type="local", data="dark"),
            dcc.Store(id=ids.PAUSED, data=False),
            dcc.Store(id=ids.STATE),
            dcc.Store(id=ids.SWITCHED),
            dcc.Store(id=ids.SYMBOLS_KEY),
        ],
        id=ids.APP,
        className="app",
    )


def _band() -> html.Div:
    return html.Div(
        [
            html.Strong(id=ids.BAND_WORD),
            html.Span(id=ids.BAND_TEXT),
            html.Button("Switch to live", id=ids.BAND_LIVE, type="button"),
        ],
        id=ids.BAND,
        className="band hidden",
        role="note",
        **aria(label="Source of the data"),
    )


def _topbar() -> html.Header:
    facts = html.Div(
        [
            html.Span(html.Span(id=ids.BADGE)),
            html.Span(id=ids.UP, className="fact-up"),
            html.Span(id=ids.RATE, className="fact-rate"),
            html.Span(
                [
                    html.Span(className="shape shape-degraded mark", **aria(hidden="true")),
                    html.Span("Data as of ", className="hint words"),
                    html.Span(id="clock-time", className="fig"),
                    html.Span(" UTC ", className="hint words"),
                    html.Span(id="clock-age", className="fig hint late"),
                ],
                id=ids.CLOCK,
                className="clock",
            ),
        ],
        className="facts",
    )
    search = html.Div(
        [
            icon("search"),
            html.Label("Symbol; Enter opens its spreads", htmlFor=ids.SEARCH, className="sr"),
            dbc.Input(id=ids.SEARCH, placeholder="Symbol", list=ids.SYMBOLS, autocomplete="off", n_submit=0),
            html.Kbd("/", className="kbd"),
            html.Datalist(id=ids.SYMBOLS),
        ],
        className="search",
        role="search",
    )
    tools = html.Div(
        [
            search,
            _tool(ids.THEME_BUTTON, "sun", "Theme (t)"),
            html.Button(
                [icon("pause"), html.Span("Pause", id="pause-word", className="word"), html.Kbd("p", className="kbd")],
                id=ids.PAUSE_BUTTON,
                className="ctl bare",
                type="button",
                n_clicks=0,
                **aria(pressed="false"),
            ),
            html.Button(
                html.Kbd("?", className="kbd"),
                id=ids.HELP_BUTTON,
                className="ctl bare",
                type="button",
                n_clicks=0,
                title="Keys (?)",
                **aria(label="Keys"),
            ),
        ],
        className="tools",
    )
    brand = dcc.Link([icon("activity"), html.Span("Perpscope", className="name")], href="/", className="brand")
    return html.Header([brand, facts, tools], className="topbar")


def _tool(button_id: str, drawing: str, label: str) -> html.Button:
    return html.Button(
        icon(drawing),
        id=button_id,
        className="ctl bare",
        type="button",
        n_clicks=0,
        title=label,
        **aria(label=label),
    )


def _rail() -> html.Nav:
    links = [
        dbc.NavLink(
            [
                icon(drawing),
                html.Span(word, className="label"),
                html.Span(id=COUNTS[path], className="count fig") if path in COUNTS else None,
            ],
            href=path,
            active="exact" if path == "/" else "partial",
            id=f"nav-{key}",
            class_name="",
        )
        for path, word, drawing, key in PAGES
    ]
    fold = html.Button(
        [icon("panel-left-close"), html.Span("Collapse", className="label"), html.Kbd("[", className="kbd")],
        id=ids.RAIL_FOLD,
        type="button",
        n_clicks=0,
        title="Fold the rail ([)",
        **aria(pressed="false"),
    )
    return html.Nav([*links, fold], className="rail", **aria(label="Pages"))


def _unreachable() -> html.Section:
    return html.Section(
        [
            html.H2(id=ids.UNREACHABLE_HEAD),
            html.P(id=ids.UNREACHABLE_TEXT),
            html.Table(
                [
                    html.Thead(html.Tr([th("Exchange"), th("Reason"), th("Next attempt", numeric=True)])),
                    html.Tbody(id=ids.UNREACHABLE_LIST),
                ],
                className="table-plain",
            ),
            html.Div(
                [
                    dbc.Button(
                        [icon("play"), "Open the simulated market"],
                        id=ids.OPEN_DEMO,
                        class_name="ctl primary",
                        n_clicks=0,
                    ),
                    html.Span("Nothing in it is real, and every page says so.", className="hint"),
                ],
                className="actions",
            ),
        ],
        className="unreachable",
        **aria(live="polite"),
    )


def _help() -> dbc.Modal:
    keys = [
        ("/", "search a symbol; Enter opens its spreads"),
        *((f"g {key}", f"go to {word}") for _, word, _, key in PAGES),
        ("p", "pause and go on"),
        ("t", "dark or light"),
        ("[", "fold the rail"),
        ("arrows, Enter", "walk through a table, open a row"),
        ("Esc", "close what is open"),
        ("?", "this list"),
    ]
    rows = [part for key, does in keys for part in (html.Dt(html.Kbd(key, className="kbd")), html.Dd(does))]
    return dbc.Modal(
        [
            dbc.ModalHeader(dbc.ModalTitle("Keys"), close_button=False),
            dbc.ModalBody(html.Dl(rows, className="keys")),
            dbc.ModalFooter(dbc.Button("Close", id=ids.HELP_CLOSE, class_name="ctl small", n_clicks=0)),
        ],
        id=ids.HELP,
        is_open=False,
        fade=False,
        size="md",
    )
