"""The Opportunities page: chips, funnel, grid, and the drawer that explains a row."""

from typing import Any

import dash_ag_grid as dag
import dash_bootstrap_components as dbc
from dash import dcc, html

from desk import Desk
from layouts import glance
from layouts.components import aria, chart, icon, pane_head
from layouts.format import plain
from layouts.opportunities import ids
from layouts.opportunities.figures import HEIGHT
from layouts.opportunities.rows import ANY
from layouts.theme import as_theme, empty

FORMULAS = {
    "symbol": "Base and quote of the perpetual.",
    "buy": "Long leg: bought at this exchange's best ask.",
    "sell": "Short leg: sold at this exchange's best bid.",
    "net": "Net = gross + expected exit − fees, bps of the mean of the two mids, at the touch.",
    "gross": "Gross = (best bid of sell − best ask of buy) / mean mid × 10 000.",
    "exit": "Expected exit = median over the look-back of (best bid of buy − best ask of sell) / mean mid × 10 000.",
    "fees": "Fees = 2 × (taker fee of buy + taker fee of sell): four fills, shown as a cost.",
    "profit": "Profit = net × notional / 10 000, quote currency.",
    "size": "Size = smaller of the two touches, base coins.",
    "notional": "Notional = size × mean mid, quote currency.",
    "carry": "Carry = (funding rate of sell / its interval − funding rate of buy / its interval) × 8 h, bps.",
    "ages": "Seconds since each quote was received: long / short.",
    "verdict": "The first test that refuses the pair, or actionable.",
}


def _column(field: str, head: str, width: int, formatter: str | None = None, **more: Any) -> dict[str, Any]:
    column: dict[str, Any] = {
        "field": field,
        "colId": field,
        "headerName": head,
        "headerTooltip": FORMULAS.get(field, ""),
        "minWidth": width,
        "initialWidth": width,
        **more,
    }
    if formatter is not None:
        column |= {
            "valueFormatter": {"function": formatter},
            "filter": "agNumberColumnFilter",
            "headerClass": "ag-right-aligned-header",
            "cellClass": "ag-right-aligned-cell num " + more.get("cellClass", ""),
            "comparator": {"function": "numberOrder(valueA, valueB, nodeA, nodeB, isDescending)"},
        }
    return column


def _flash(field: str, head: str, width: int, formatter: str, **more: Any) -> dict[str, Any]:
    """A column whose changes flash once, blue up, orange down."""
    return _column(
        field,
        head,
        width,
        formatter,
        enableCellChangeFlash=True,
        cellClassRules={"fell": f"fell(params, '{field}')"},
        **more,
    )


def columns() -> list[dict[str, Any]]:
    """The grid's columns."""
    text = {"filter": "agTextColumnFilter"}
    return [
        _column("symbol", "Symbol", 130, pinned="left", cellClass="name", **text),
        _column("buy", "Buy", 78, **text),
        _column("sell", "Sell", 78, **text),
        _flash(
            "net",
            "Net, bps",
            94,
            "bps(params.value)",
            cellStyle={"function": "signColour(params.value)"},
            initialSort="desc",
        ),
        _flash("gross", "Gross, bps", 84, "bps(params.value)"),
        _column("exit", "Exit, bps", 78, "bps(params.value)", cellClass="second"),
        _column("fees", "Fees, bps", 78, "bps(params.value)", cellClass="second"),
        _flash("profit", "Profit, quote", 94, "money(params.value)"),
        _column("size", "Size, coins", 98, "coins(params.value)", cellClass="second"),
        _column("notional", "Notional, quote", 108, "whole(params.value)"),
        _column("carry", "Carry 8 h, bps", 108, "bps(params.value)", cellClass="second"),
        _column("buyPrice", "Ask of buy", 103, "price(params)", headerTooltip="Best ask of the long leg"),
        _column("sellPrice", "Bid of sell", 102, "price(params)", headerTooltip="Best bid of the short leg"),
        _column("age", "Ages, s", 84, "ages(params.data)", cellClass="second", headerTooltip=FORMULAS["ages"]),
        _column("verdict", "Verdict", 124, cellRenderer="Verdict", flex=1, **text),
    ]


def grid() -> dag.AgGrid:
    """The grid; its rows are put in by assets/70-grid.js, which keeps what the user has set up."""
    return dag.AgGrid(
        id=ids.GRID,
        columnDefs=columns(),
        rowData=[],
        getRowId="params.data.id",
        className="grid",
        defaultColDef={
            "sortable": True,
            "resizable": True,
            "suppressHeaderMenuButton": True,
            "floatingFilter": False,
            "wrapHeaderText": False,
        },
        columnSize=None,
        dashGridOptions={
            "theme": {"function": "perpscopeTheme(themeQuartz)"},
            "rowHeight": 28,
            "headerHeight": 30,
            "animateRows": False,
            "cellFlashDuration": 300,
            "cellFadeDuration": 0,
            "tooltipShowDelay": 300,
            "rowSelection": {"mode": "singleRow", "checkboxes": False, "enableClickSelection": True},
            "suppressModelUpdateAfterUpdateTransaction": True,
            "suppressScrollOnNewData": True,
            "postSortRows": {"function": "refusedLast(params)"},
            "rowClassRules": {"refused": "params.data.group === 1", "gone": "params.data.gone"},
            "suppressNoRowsOverlay": True,
            "suppressCellFocus": False,
        },
        style={"height": "100%", "width": "100%"},
    )


def _chips(desk: Desk) -> html.Div:
    exchanges = [{"label": status.title, "value": status.exchange} for status in glance.expected(desk.view)]
    kept = {"persistence": True, "persistence_type": "session"}
    return html.Div(
        [
            html.Label(
                [
                    "Net at least",
                    dbc.Input(
                        id=ids.MIN_NET,
                        type="number",
                        placeholder="any",
                        step=0.5,
                        debounce=True,
                        class_name="small",
                        **kept,
                    ),
                    html.Span("bps", className="hint"),
                ],
                className="chip",
            ),
            html.Label(
                [
                    "Quote",
                    dbc.Select(
                        id=ids.FAMILY,
                        options=[
                            {"label": "any", "value": ANY},
                            *({"label": f, "value": f} for f in ("USDT", "USDC", "USD")),
                        ],
                        value=ANY,
                        class_name="small",
                        **kept,
                    ),
                ],
                className="chip",
            ),
            html.Label(
                [
                    "Exchange",
                    dbc.Select(
                        id=ids.EXCHANGE,
                        options=[{"label": "any", "value": ANY}, *exchanges],
                        value=ANY,
                        class_name="small",
                        **kept,
                    ),
                ],
                className="chip",
            ),
            dbc.Switch(id=ids.REFUSED, label="Show refused", value=True, class_name="chip-switch", **kept),
            html.Span(id=ids.COUNT, className="hint count", role="status"),
            dbc.Button(
                [icon("download"), "CSV"], id=ids.CSV, class_name="ctl small", n_clicks=0, title="All rows that pass"
            ),
        ],
        className="chips line-b",
    )


def page(desk: Desk, _search: str, theme: str | None) -> html.Div:
    """The page of '/opportunities'."""
    main = html.Div(
        [
            html.H1("Opportunities", className="sr"),
            html.Div(id=ids.NOTICE),
            _chips(desk),
            html.Div(
                [
                    html.Div(id=ids.FUNNEL, className="funnel-line"),
                    html.Div(id=ids.REASONS, className="funnel-reasons"),
                ],
                className="funnel-bar line-b",
            ),
            html.Div(
                [
                    html.Div(grid(), className="grid-box"),
                    html.Div(id=ids.CARDS, className="card-list"),
                    html.Div(id=ids.EMPTY, className="empty hidden"),
                ],
                className="grid-area",
            ),
        ],
        className="opportunities-main",
    )
    return html.Div(
        [
            dcc.Store(id=ids.SHOWN),
            dcc.Store(id=ids.ROWS),
            dcc.Store(id=ids.SELECTED),
            dcc.Download(id=ids.DOWNLOAD),
            html.Span(id=ids.APPLIED, className="hidden"),
            main,
            _drawer(theme, desk.settings.min_net_bps),
        ],
        className="page opportunities",
    )


def _drawer(theme: str | None, min_net_bps: float) -> html.Aside:
    return html.Aside(
        [
            html.Div(
                [
                    html.Div(id=ids.DRAWER_HEAD, className="drawer-title"),
                    dcc.Link(
                        [icon("git-compare"), "Spreads"], id=ids.DRAWER_LINK, href="/spreads", className="ctl small"
                    ),
                    html.Button(
                        icon("x"),
                        id=ids.DRAWER_CLOSE,
                        className="ctl bare",
                        type="button",
                        n_clicks=0,
                        title="Close (Esc)",
                        **aria(label="Close"),
                    ),
                ],
                className="drawer-head",
            ),
            html.Div(id=ids.DRAWER_FACTS, className="drawer-facts"),
            pane_head("Where the net comes from", "at the touch, bps of the mean mid"),
            chart(ids.DRAWER_NET, ids.DRAWER_NET_SUMMARY, empty(as_theme(theme), HEIGHT), HEIGHT),
            html.Div(id=ids.DRAWER_SUM, className="drawer-sum"),
            pane_head("Both quotes", "best bid and ask now"),
            html.Div(id=ids.DRAWER_QUOTES),
            pane_head("Both books", "what each leg would take, level by level"),
            html.Div(id=ids.DRAWER_BOOKS),
            pane_head(
                "Verdict", f"a test refuses where its sentence is true; actionable from {plain(min_net_bps, 1)} bps on"
            ),
            html.Div(id=ids.DRAWER_TESTS, className="drawer-tests"),
        ],
        id=ids.DRAWER,
        className="drawer",
        **aria(label="Explanation of the selected pair"),
    )
