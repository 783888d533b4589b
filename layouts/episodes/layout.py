"""The Episodes page: figures and survival above, every episode below."""

from typing import Any
from urllib.parse import parse_qs

import dash_ag_grid as dag
import dash_bootstrap_components as dbc
from dash import dcc, html

from desk import Desk
from layouts import glance
from layouts.components import chart, icon, pane_head, segments
from layouts.episodes import figures, ids
from layouts.episodes.rows import ANY
from layouts.theme import as_theme

BY = (("All", "all"), ("Size", "size"), ("Pair", "pair"), ("Symbol", "symbol"))
KEPT: dict[str, Any] = {"persistence": True, "persistence_type": "session"}


def _text(field: str, head: str, width: int, meaning: str, **more: Any) -> dict[str, Any]:
    return {"field": field, "headerName": head, "width": width, "headerTooltip": meaning, **more}


def _figure(field: str, head: str, width: int, formatter: str, meaning: str, **more: Any) -> dict[str, Any]:
    number = {
        "valueFormatter": {"function": formatter},
        "headerClass": "ag-right-aligned-header",
        "cellClass": "ag-right-aligned-cell num " + more.pop("name", ""),
        "comparator": {"function": "numberOrder(valueA, valueB, nodeA, nodeB, isDescending)"},
    }
    return _text(field, head, width, meaning, **number, **more)


def _edge(field: str, head: str, meaning: str, **more: Any) -> dict[str, Any]:
    return _figure(field, head, 74, "bps(params.value)", meaning, **more)


def columns() -> list[dict[str, Any]]:
    """The grid's columns; units of a group stand in its head."""
    stood = "Net edge that stood so long after the opening; empty if it had ended, was refused or is younger"
    return [
        _text("symbol", "Symbol", 132, "Opens the pair", pinned="left", cellClass="name", cellRenderer="EpisodeSymbol"),
        _text("buy", "Buy", 86, "Exchange that is bought on"),
        _text("sell", "Sell", 86, "Exchange that is sold on"),
        _figure("opened", "Opened, UTC", 104, "episodeTime(params.value)", "When the gap opened", name="second"),
        {**_figure("opened", "Ago", 86, "episodeAgo(params.value)", "Since it opened", name="second"), "colId": "ago"},
        {
            **_figure("closed", "Lasted", 86, "episodeLasted(params.data)", "From its opening to its end, or to now"),
            "colId": "lasted",
            "valueGetter": {"function": "episodeSeconds(params.data)"},
        },
        {
            "headerName": "Net edge, bps",
            "children": [
                _edge("peak", "Peak", "The highest", cellStyle={"function": "signColour(params.value)"}),
                _edge("mean", "Mean", "Over time, each look holding until the next"),
                _edge("after100", "100 ms", stood, name="second"),
                _edge("after250", "250 ms", stood, name="second"),
                _edge("after500", "500 ms", stood, name="second"),
            ],
        },
        {
            "headerName": "At the peak",
            "children": [
                _figure("size", "Size, coins", 104, "episodeCoins(params.value)", "Base coins", name="second"),
                _figure("notional", "Notional, quote", 118, "whole(params.value)", "Quote currency"),
            ],
        },
        _text("reason", "Ended by", 150, "What ended it", flex=1, minWidth=150, cellRenderer="EpisodeEnd"),
    ]


def grid() -> dag.AgGrid:
    """The grid; assets/76-episodes.js puts in the rows and keeps them still under the pointer."""
    return dag.AgGrid(
        id=ids.GRID,
        columnDefs=columns(),
        rowData=[],
        getRowId="params.data.id",
        className="grid",
        defaultColDef={"sortable": True, "resizable": True, "suppressHeaderMenuButton": True},
        columnSize=None,
        dashGridOptions={
            "theme": {"function": "perpscopeTheme(themeQuartz)"},
            "rowHeight": 28,
            "headerHeight": 30,
            "groupHeaderHeight": 24,
            "animateRows": False,
            "tooltipShowDelay": 300,
            "suppressScrollOnNewData": True,
            "suppressNoRowsOverlay": True,
            "postSortRows": {"function": "episodesOpenFirst(params)"},
        },
        style={"height": "100%", "width": "100%"},
    )


def _select(label: str, control_id: str, options: list[tuple[str, str]]) -> html.Label:
    choices = [{"label": "any", "value": ANY}, *({"label": word, "value": value} for word, value in options)]
    return html.Label(
        [label, dbc.Select(id=control_id, options=choices, value=ANY, class_name="small", **KEPT)], className="chip"
    )


def _chips(desk: Desk, symbol: str) -> html.Div:
    exchanges = [(status.title, status.exchange) for status in glance.expected(desk.view)]
    kept = {} if symbol else KEPT  # what the address asks for comes before what was typed last
    return html.Div(
        [
            html.Label(
                [
                    html.Span("Symbol", className="sr"),
                    icon("search"),
                    dbc.Input(
                        id=ids.SYMBOL,
                        value=symbol,
                        placeholder="Symbol",
                        autocomplete="off",
                        debounce=0.25,
                        class_name="small",
                        **kept,
                    ),
                ],
                className="chip find",
            ),
            _select("Exchange", ids.EXCHANGE, exchanges),
            _select("State", ids.STATE, [("open", "open"), ("closed", "closed")]),
            html.Label(
                [
                    "Peak at least",
                    dbc.Input(
                        id=ids.PEAK,
                        type="number",
                        placeholder="any",
                        step=0.5,
                        debounce=True,
                        class_name="small",
                        **KEPT,
                    ),
                    html.Span("bps", className="hint"),
                ],
                className="chip",
            ),
            html.Span(id=ids.COUNT, className="hint count", role="status"),
            dbc.Button(
                [icon("download"), "CSV"], id=ids.CSV, class_name="ctl small", n_clicks=0, title="All that pass"
            ),
        ],
        className="chips line-b",
    )


def page(desk: Desk, search: str, theme: str | None) -> html.Div:
    """The page of '/episodes'."""
    symbol = parse_qs(search.lstrip("?")).get("symbol", [""])[0]
    look = as_theme(theme)
    above = html.Div(
        [
            html.Div(id=ids.HEADLINE, className="episode-figures headline-cells"),
            html.Section(
                [
                    pane_head(
                        "How long they live",
                        "",
                        segments(ids.BY, list(BY), "all", "Grouped by"),
                        sub_id=ids.CURVE_NOTE,
                    ),
                    chart(ids.CURVE, ids.CURVE_SUMMARY, figures.survival((), (), look), figures.HEIGHT),
                ],
                className="pane survival",
            ),
            html.Section(
                [pane_head("Groups", "largest four"), html.Div(id=ids.GROUPS, className="scroll")],
                className="pane episode-groups",
            ),
        ],
        className="episode-above line-b",
    )
    area = html.Div(
        [
            html.Div(grid(), className="grid-box"),
            html.Div(id=ids.CARDS, className="card-list"),
            html.Div(id=ids.EMPTY, className="empty hidden"),
        ],
        className="grid-area",
    )
    return html.Div(
        [
            html.H1("Episodes", className="sr"),
            dcc.Store(id=ids.SHOWN),
            dcc.Store(id=ids.DRAWN),
            dcc.Store(id=ids.OPEN),
            dcc.Store(id=ids.CLOSED),
            dcc.Download(id=ids.DOWNLOAD),
            above,
            _chips(desk, symbol),
            area,
        ],
        className="page episodes",
    )
