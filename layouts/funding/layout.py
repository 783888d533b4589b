"""The Funding page: rates of all contracts, what pairs earn by them, how well they were predicted."""

from typing import Any

import dash_ag_grid as dag
import dash_bootstrap_components as dbc
from dash import dcc, html

from desk import Desk
from layouts import glance
from layouts.components import aria, icon, named, pane_head, segments, th
from layouts.format import MINUS, plain
from layouts.funding import ids
from layouts.funding.rows import HORIZON_WORDS, LIMIT_APR
from layouts.instruments.rows import families

KEPT: dict[str, Any] = {"persistence": True, "persistence_type": "session"}
TABS = (("/funding", "Funding rates"), ("/funding/families", "Across quote currencies"))
NET = (
    "Net APR: (dated payments in the holding time − four fills + entry + expected exit) × 8760 / holding time,"
    " simple, of a leg's notional"
)
BEST_HEADS = (
    ("Symbol", "Base of the perpetual; opens the pair", False, ""),
    ("Long", "Where funding per hour is lowest, with the interval", False, ""),
    ("Short", "Where funding per hour is highest, with the interval", False, ""),
    ("8 h, bps", "Average carry in eight hours: (rate / interval of short − rate / interval of long) × 8 h", True, ""),
    ("Even, h", "Break-even: (four fills − entry − expected exit) / carry per hour, at the touch", True, ""),
    ("Net, %", NET, True, ""),
    ("Capital, %", "Net / (1 / leverage of long + 1 / leverage of short)", True, ""),
)


def tabs() -> html.Nav:
    """The two views of the area."""
    links = [dbc.NavLink(word, href=href, active="exact", class_name="") for href, word in TABS]
    return html.Nav(links, className="page-tabs line-b", **aria(label="Funding"))


def columns(desk: Desk) -> list[dict[str, Any]]:
    """Symbol, widest carry, volume, then a column an exchange."""
    right = {
        "headerClass": "ag-right-aligned-header",
        "comparator": {"function": "numberOrder(valueA, valueB, nodeA, nodeB, isDescending)"},
    }
    first: list[dict[str, Any]] = [
        {
            "field": "symbol",
            "headerName": "Symbol",
            "pinned": "left",
            "width": 104,
            "cellClass": "name",
            "cellRenderer": "FundingSymbol",
            "headerTooltip": "Opens the symbol's spreads",
        },
        {
            "field": "widest",
            "hide": True,
            "headerName": "Apart, %",
            "width": 90,
            "sort": "desc",
            **right,
            "headerTooltip": "Highest less lowest APR of the contracts that can be compared",
            "valueFormatter": {"function": "bps(params.value)"},
            "cellClass": "ag-right-aligned-cell num second",
        },
    ]
    exchanges = [
        {
            "field": exchange,
            "headerName": glance.title(desk.view, exchange),
            "headerTooltip": "Simple APR, %: rate × 8760 / interval; positive: longs pay. At the left its interval",
            "minWidth": 72,
            "flex": 1,
            "cellRenderer": "FundingCell",
            "cellClass": "fund-cell",
            "tooltipValueGetter": {"function": "fundingTip(params)"},
            "comparator": {"function": "fundingOrder(valueA, valueB, isDescending)"},
            "headerClass": "ag-right-aligned-header",
        }
        for exchange in desk.view.judgement.snapshot.exchanges
    ]
    volume = {
        "field": "volume",
        "hide": True,
        "headerName": "24 h, quote",
        "width": 104,
        **right,
        "cellClass": "ag-right-aligned-cell num second",
        "headerTooltip": "Turnover of all exchanges in 24 hours, quote currency",
        "valueFormatter": {"function": "whole(params.value)"},
    }
    return [*first, *exchanges, volume]


def grid(desk: Desk) -> dag.AgGrid:
    return dag.AgGrid(
        id=ids.GRID,
        columnDefs=columns(desk),
        rowData=[],
        getRowId="params.data.id",
        className="grid",
        defaultColDef={
            "sortable": True,
            "resizable": True,
            "suppressHeaderMenuButton": True,
            "sortingOrder": ["desc", "asc"],
        },
        columnSize=None,
        dashGridOptions={
            "theme": {"function": "perpscopeTheme(themeQuartz)"},
            "rowHeight": 28,
            "headerHeight": 30,
            "animateRows": False,
            "tooltipShowDelay": 300,
            "suppressModelUpdateAfterUpdateTransaction": True,
            "suppressScrollOnNewData": True,
            "suppressNoRowsOverlay": True,
        },
        style={"height": "100%", "width": "100%"},
    )


def _chips(desk: Desk) -> html.Div:
    limit = plain(LIMIT_APR * 100.0)
    search = html.Label(
        [
            html.Span("Symbol", className="sr"),
            icon("search"),
            dbc.Input(id=ids.SEARCH, placeholder="Symbol", autocomplete="off", class_name="small", **KEPT),
        ],
        className="chip find",
    )
    quotes = [(name, name) for name in families(desk.view.judgement.snapshot.grid) if name != "USDT"]
    legend = html.Span(
        [
            html.Span(f"{MINUS}{limit}", className="fig"),
            html.Span(className="scale", **aria(hidden="true")),
            html.Span(f"+{limit} % a year, simple; above 0 longs pay", className="fig"),
            html.Span(className="swatch hatch", **aria(hidden="true")),
            "stale",
        ],
        className="legend wide",
        title="Positive: longs pay shorts. Larger rates saturate and show their figure. Blank: not listed",
    )
    return html.Div(
        [
            search,
            html.Span(
                ["Quote", segments(ids.FAMILY, [("USDT", "USDT"), *quotes], "USDT", "Quote currency")], className="chip"
            ),
            html.Span(
                [
                    "Sort",
                    segments(
                        ids.SORT,
                        [("widest carry", "widest"), ("volume", "volume"), ("name", "symbol")],
                        "widest",
                        "Sort by",
                    ),
                ],
                className="chip",
            ),
            legend,
            html.Span(id=ids.COUNT, className="hint count", role="status"),
            dbc.Button(
                [icon("download"), "CSV"],
                id=ids.CSV,
                class_name="ctl small",
                n_clicks=0,
                title="All contracts that pass",
            ),
        ],
        className="chips line-b",
    )


def page(desk: Desk, _search: str, _theme: str | None) -> html.Div:
    """The page of '/funding'."""
    rates = html.Section(
        [
            html.Div(grid(desk), className="grid-box"),
            html.Div(id=ids.EMPTY, className="empty hidden"),
            html.P(id=ids.SUMMARY, className="sr"),
        ],
        className="grid-area fund-rates",
        **aria(label="Funding rates by symbol and exchange"),
    )
    best = html.Section(
        [
            pane_head("Best long and short per symbol", "", sub_id=ids.BEST_NOTE),
            table(html.Tr([th(*head) for head in BEST_HEADS]), ids.BEST, **named("data-hold", ids.BEST)),
            pane_head("Next settlements", "by interval, UTC"),
            table(
                html.Tr(
                    [
                        th("Interval", "Hours between two payments"),
                        th("Contracts", "Listed contracts of this interval", True),
                        th("Due then", "Of those, at the earliest stamp", True),
                        th("Next", "The earliest stamp, UTC", True),
                        th("In", "Time left", True),
                    ]
                ),
                ids.CALENDAR,
                "calendar",
            ),
        ],
        className="pane fund-side",
    )
    return html.Div(
        [
            html.H1("Funding", className="sr"),
            dcc.Store(id=ids.SHOWN),
            dcc.Store(id=ids.ROWS),
            dcc.Store(id=ids.BEST_ORDER),
            dcc.Download(id=ids.DOWNLOAD),
            html.Span(id=ids.APPLIED, className="hidden"),
            tabs(),
            _chips(desk),
            html.Div([rates, best, _quality(), _changes()], className="fund-body"),
        ],
        className="page funding",
    )


def table(head: Any, body_id: str, name: str = "", **more: Any) -> html.Div:
    """A table that scrolls inside its pane."""
    heads = head if isinstance(head, list) else [head]
    rows = html.Table([html.Thead(heads), html.Tbody(id=body_id, **more)], className="table-data")
    return html.Div(rows, className=f"scroll {name}".strip())


def _quality() -> html.Section:
    groups = html.Tr(
        [
            html.Th("", className="first-head"),
            *(
                html.Th(f"{words} before the stamp", colSpan=3, className="group", scope="colgroup")
                for words in HORIZON_WORDS
            ),
        ],
        className="groups",
    )
    heads = (
        th("n", "Settlements whose prediction was seen", True, "first"),
        th("Sign, %", "Predictions of the sign that was settled, zero being a sign of its own", True),
        th("Error, bps", "Mean of |predicted − settled|, of notional per interval", True),
    )
    return html.Section(
        [
            pane_head("Settled against predicted", "", sub_id=ids.QUALITY_NOTE),
            table([groups, html.Tr([th("Exchange"), *(head for _ in HORIZON_WORDS for head in heads)])], ids.QUALITY),
        ],
        className="pane fund-quality",
    )


def _changes() -> html.Section:
    return html.Section(
        [
            pane_head("Interval changes", "dated when first heard of, UTC"),
            table(
                html.Tr([th("When"), th("Contract"), th("Exchange"), th("From", "", True), th("To", "", True)]),
                ids.CHANGES,
            ),
        ],
        className="pane fund-changes",
    )
