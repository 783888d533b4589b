"""The Instruments page: who lists what under which id, and one symbol in detail below."""

from typing import Any

import dash_ag_grid as dag
import dash_bootstrap_components as dbc
from dash import dcc, html

from desk import Desk
from layouts import glance
from layouts.components import aria, icon
from layouts.format import ordinary
from layouts.instruments import ids
from layouts.instruments.details import MEANS, legend
from layouts.instruments.rows import families
from market.models import AssetClass, Status

ANY = "any"
KEPT: dict[str, Any] = {"persistence": True, "persistence_type": "session"}


def columns(desk: Desk) -> list[dict[str, Any]]:
    """Symbol, count and class, then a column an exchange."""
    text = {"filter": "agTextColumnFilter"}
    count = {
        "headerClass": "ag-right-aligned-header",
        "cellClass": "ag-right-aligned-cell num second",
        "headerTooltip": "Exchanges that list it",
    }
    first: list[dict[str, Any]] = [
        {"field": "id", "headerName": "Symbol", "pinned": "left", "width": 136, "cellClass": "name", **text},
        {"field": "count", "headerName": "Listed on", "width": 84, **count},
        {"field": "class", "headerName": "Class", "width": 84, "cellClass": "second"},
    ]
    exchanges = [
        {
            "field": exchange,
            "headerName": glance.title(desk.view, exchange),
            "headerTooltip": "The exchange's own id, with a mark where no opportunity is made of it",
            "minWidth": 100,
            "flex": 1,
            "cellRenderer": "Listing",
            **text,
        }
        for exchange in desk.view.judgement.snapshot.exchanges
    ]
    return first + exchanges


def grid(desk: Desk) -> dag.AgGrid:
    """The grid; assets/75-instruments.js puts in the rows that pass."""
    return dag.AgGrid(
        id=ids.GRID,
        columnDefs=columns(desk),
        rowData=[],
        getRowId="params.data.id",
        className="grid",
        defaultColDef={"sortable": True, "resizable": True, "suppressHeaderMenuButton": True},
        columnSize=None,
        dashGridOptions={
            "theme": {"function": "perpscopeTheme(themeQuartz)"},
            "rowHeight": 28,
            "headerHeight": 30,
            "animateRows": False,
            "tooltipShowDelay": 300,
            "rowSelection": {"mode": "singleRow", "checkboxes": False, "enableClickSelection": True},
            "suppressScrollOnNewData": True,
            "suppressNoRowsOverlay": True,
        },
        style={"height": "100%", "width": "100%"},
    )


def _choice(label: str, control_id: str, values: list[str]) -> html.Label:
    options = [{"label": "any", "value": ANY}, *({"label": ordinary(value), "value": value} for value in values)]
    return html.Label(
        [label, dbc.Select(id=control_id, options=options, value=ANY, class_name="small", **KEPT)], className="chip"
    )


def _chips(desk: Desk) -> html.Div:
    found = families(desk.view.judgement.snapshot.grid)
    search = html.Label(
        [
            html.Span("Symbol or id", className="sr"),
            icon("search"),
            dbc.Input(id=ids.SEARCH, placeholder="Symbol or id", autocomplete="off", class_name="small", **KEPT),
        ],
        className="chip find",
    )
    least = html.Label(
        [
            "Exchanges at least",
            dbc.Input(id=ids.LEAST, type="number", min=1, max=12, step=1, value=1, class_name="small", **KEPT),
        ],
        className="chip least",
    )
    return html.Div(
        [
            search,
            _choice("Quote", ids.FAMILY, found),
            _choice("Class", ids.CLASS, [value.value for value in AssetClass]),
            _choice("Pairing", ids.PAIRING, [*(value.value for value in MEANS), "quarantine"]),
            _choice("Status", ids.STATUS, [value.value for value in Status]),
            least,
            html.Span(legend(), className="legend wide marks"),
            html.Span(id=ids.COUNT, className="hint count", role="status"),
            dbc.Button(
                [icon("download"), "CSV"], id=ids.CSV, class_name="ctl small", n_clicks=0, title="All that pass"
            ),
        ],
        className="chips line-b",
    )


def page(desk: Desk, _search: str, _theme: str | None) -> html.Div:
    """The page of '/instruments'."""
    area = html.Div(
        [
            html.Div(grid(desk), className="grid-box"),
            html.Div(id=ids.CARDS, className="card-list"),
            html.Div(id=ids.EMPTY, className="empty hidden"),
        ],
        className="grid-area",
    )
    close = html.Button(
        icon("x"),
        id=ids.CLOSE,
        className="ctl bare",
        type="button",
        n_clicks=0,
        title="Close (Esc)",
        **aria(label="Close"),
    )
    link = dcc.Link([icon("git-compare"), "Spreads"], id=ids.LINK, href="/spreads", className="ctl small")
    pane = html.Section(
        [
            html.Div(
                [html.Div(id=ids.HEAD, className="exchange-title"), link, close], className="exchange-head pane-title"
            ),
            html.Div(id=ids.DETAILS, className="scroll"),
        ],
        id=ids.PANE,
        className="instrument-pane",
        **aria(label="The selected symbol on all exchanges"),
    )
    return html.Div(
        [
            html.H1("Instruments", className="sr"),
            dcc.Store(id=ids.SHOWN),
            dcc.Store(id=ids.ROWS),
            dcc.Store(id=ids.HELD),
            dcc.Store(id=ids.PASSING),
            dcc.Store(id=ids.SELECTED),
            dcc.Download(id=ids.DOWNLOAD),
            _chips(desk),
            area,
            pane,
        ],
        className="page instruments",
    )
