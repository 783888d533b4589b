"""The Opportunities page: views, my terms, funnel, grid, and the drawer that explains a row."""

from typing import Any

import dash_bootstrap_components as dbc
from dash import dcc, html

from analytics.terms import Terms
from desk import Desk
from layouts import glance
from layouts.components import aria, chart, icon, pane_head
from layouts.opportunities import ids
from layouts.opportunities.figures import HEIGHT, SPREAD_HEIGHT
from layouts.opportunities.grid import grid
from layouts.opportunities.rows import ANY, TABS
from layouts.opportunities.terms import FILLS, LISTED, NUMBERS, plain_number
from layouts.theme import as_theme, empty
from market.fees import tier_names

KEPT: dict[str, Any] = {"persistence": True, "persistence_type": "session"}
FIELDS = {  # name of a number: id, unit, what it is
    "notional": (ids.SIZE, "quote", "Notional of each leg, in the quote currency of the pair"),
    "min_net_bps": (ids.MIN_NET, "bps", "From this net edge on a pair is actionable"),
    "holding_h": (ids.HOLD, "h", "How long the position is held: which funding payments fall due"),
    "slippage_bps": (ids.RESERVE, "bps", "Held back for the whole round trip, once"),
}


def defaults(terms: Terms) -> dict[str, str]:
    """What the number fields hold before anything is typed."""
    own = {
        "notional": terms.notional,
        "min_net_bps": terms.min_net_bps,
        "holding_h": terms.holding_h,
        "slippage_bps": terms.costs.slippage_bps,
    }
    return {name: plain_number(value) for name, value in own.items()}


def fee_defaults(terms: Terms, exchange: str) -> tuple[str, str, str]:
    """Tier, taker and maker rate of an exchange before anything is chosen."""
    fees = terms.fees
    rates = (dict(rates).get(exchange) for rates in (fees.taker_bps, fees.maker_bps))
    taker, maker = ("" if rate is None else plain_number(rate) for rate in rates)
    return dict(fees.tiers).get(exchange, LISTED), taker, maker


def _field(name: str, label: str, value: str, **more: Any) -> html.Label:
    field_id, unit, explanation = FIELDS[name]
    box = dbc.Input(
        id=field_id, type="text", inputmode="decimal", value=value, debounce=True, autocomplete="off", **KEPT, **more
    )
    return html.Label(
        [html.Span(label), box, html.Span(unit, className="hint")],
        className="chip field",
        id=f"{field_id}-chip",
        title=explanation,
    )


def _choice(label: str, control_id: str, options: list[dict[str, str]]) -> html.Label:
    box = dbc.Select(id=control_id, options=[{"label": "any", "value": ANY}, *options], value=ANY, **KEPT)
    return html.Label([html.Span(label), box], className="chip field")


def _menu(label: str, words_id: str, panel: list[Any]) -> html.Details:
    """A chip that opens a panel below itself."""
    return html.Details(
        [
            html.Summary([html.Span(label), html.Span(id=words_id, className="value"), icon("chevron-right")]),
            html.Div(panel, className="panel"),
        ],
        className="chip pop menu",
        id=f"{words_id}-chip",
    )


def _costs(terms: Terms) -> html.Details:
    lines = [
        html.Label(
            [
                html.Span(word.capitalize()),
                dbc.Select(
                    id={"type": ids.FILL, "fill": i},
                    options=[{"label": kind, "value": kind} for kind in ("taker", "maker")],
                    value=terms.costs.fills[i],
                    class_name="small",
                    **KEPT,
                ),
            ],
            className="line",
        )
        for i, word in enumerate(FILLS)
    ]
    reserve = _field("slippage_bps", NUMBERS["slippage_bps"].label, defaults(terms)["slippage_bps"])
    note = html.P(
        "Taker crosses the book, maker rests in it. The tests and edges stay those of crossing.", className="hint"
    )
    return _menu("Costs", ids.COSTS, [html.Strong("How the four fills are made"), *lines, reserve, note])


def _fees(desk: Desk) -> html.Details:
    terms = desk.view.terms
    rows = []
    for status in glance.expected(desk.view):
        exchange = status.exchange
        tier, taker, maker = fee_defaults(terms, exchange)
        options = [{"label": "as listed", "value": LISTED}]
        options += [{"label": name, "value": name} for name in tier_names(exchange)]
        rate = {
            "type": "text",
            "inputmode": "decimal",
            "debounce": True,
            "placeholder": "as tier",
            "autocomplete": "off",
        }
        rows.append(
            html.Tr(
                [
                    html.Th(status.title, scope="row"),
                    html.Td(
                        dbc.Select(
                            id={"type": ids.TIER, "exchange": exchange},
                            options=options,
                            value=tier,
                            class_name="small",
                            **KEPT,
                        )
                    ),
                    *(
                        html.Td(
                            dbc.Input(
                                id={"type": kind, "exchange": exchange}, value=value, class_name="small", **rate, **KEPT
                            )
                        )
                        for kind, value in ((ids.TAKER, taker), (ids.MAKER, maker))
                    ),
                ]
            )
        )
    heads = [html.Th(word, scope="col") for word in ("Exchange", "Tier", "Taker, bps", "Maker, bps")]
    table = html.Table([html.Thead(html.Tr(heads)), html.Tbody(rows)], className="fee-table")
    note = html.P("A rate of my own goes before the tier; empty: as the tier says.", className="hint")
    return _menu("Fees", ids.FEES, [html.Strong("What a fill costs me"), table, note])


def _bar(desk: Desk) -> html.Div:
    """My terms, then the filters."""
    terms, view = desk.view.terms, desk.view
    start = defaults(terms)
    exchanges = [{"label": status.title, "value": status.exchange} for status in glance.expected(view)]
    families = [{"label": family, "value": family} for family in ("USDT", "USDC", "USD")]
    return html.Div(
        [
            *(_field(name, NUMBERS[name].label, start[name]) for name in ("notional", "min_net_bps", "holding_h")),
            _costs(terms),
            _fees(desk),
            html.Button(
                "Reset",
                id=ids.RESET,
                className="ctl bare small",
                type="button",
                n_clicks=0,
                title="My terms as the desk has them",
            ),
            html.Span(className="chip-gap"),
            _choice("Buy on", ids.BUY, exchanges),
            _choice("Sell on", ids.SELL, exchanges),
            _choice("Quote", ids.FAMILY, families),
            html.Span(id=ids.COUNT, className="hint count", role="status"),
        ],
        className="chips terms line-b",
    )


def _tabs() -> html.Div:
    return html.Div(
        [
            html.Div(
                dbc.RadioItems(
                    id=ids.TAB,
                    options=[{"label": word, "value": name} for name, word in TABS.items()],
                    value="all",
                    className="tabs",
                    inputClassName="btn-check",
                    labelClassName="",
                    **KEPT,
                ),
                role="group",
                **aria(label="View"),
            ),
            dbc.Button(
                [icon("download"), "CSV"],
                id=ids.CSV,
                class_name="ctl bare small",
                n_clicks=0,
                title="All rows of this view",
            ),
        ],
        className="tab-bar line-b",
    )


def page(desk: Desk, _search: str, theme: str | None) -> html.Div:
    """The page of '/opportunities'."""
    main = html.Div(
        [
            html.H1("Opportunities", className="sr"),
            _tabs(),
            _bar(desk),
            html.Div(id=ids.WRONG, role="alert"),
            html.Div(id=ids.NOTICE),
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
            dcc.Store(id=ids.TERMS, storage_type="session"),
            dcc.Store(id=ids.DRAWER_TEXT),
            dcc.Download(id=ids.DOWNLOAD),
            html.Span(id=ids.APPLIED, className="hidden"),
            main,
            _drawer(theme),
        ],
        className="page opportunities",
    )


def _drawer(theme: str | None) -> html.Aside:
    look = as_theme(theme)
    copy = html.Button(
        [icon("copy"), html.Span("Copy as text", id=ids.DRAWER_COPIED)],
        id=ids.DRAWER_COPY,
        className="ctl small",
        type="button",
        n_clicks=0,
    )
    close = html.Button(
        icon("x"),
        id=ids.DRAWER_CLOSE,
        className="ctl bare",
        type="button",
        n_clicks=0,
        title="Close (Esc)",
        **aria(label="Close"),
    )
    link = dcc.Link([icon("git-compare"), "Pair"], id=ids.DRAWER_LINK, href="/spreads", className="ctl small")
    charts = html.Div(
        [
            html.Section(
                [
                    html.Div(id=ids.DRAWER_NET_HEAD),
                    chart(ids.DRAWER_NET, ids.DRAWER_NET_SUMMARY, empty(look, HEIGHT), HEIGHT),
                ]
            ),
            html.Section(
                [
                    pane_head("Edge against size", "both books merged level by level"),
                    chart(ids.DRAWER_CURVE, ids.DRAWER_CURVE_SUMMARY, empty(look, HEIGHT), HEIGHT),
                ]
            ),
        ],
        className="drawer-split even",
    )
    details = html.Div(
        [
            html.Section(html.Div(id=ids.DRAWER_BOOKS)),
            html.Div(
                [
                    html.Section(
                        [
                            pane_head("Executable spread, last hour", "bps at the touch"),
                            chart(
                                ids.DRAWER_SPREAD, ids.DRAWER_SPREAD_SUMMARY, empty(look, SPREAD_HEIGHT), SPREAD_HEIGHT
                            ),
                        ]
                    ),
                    html.Section(html.Div(id=ids.DRAWER_FUNDING), className="line-t"),
                ]
            ),
        ],
        className="drawer-split",
    )
    return html.Aside(
        [
            html.Div(
                [
                    html.Div(id=ids.DRAWER_HEAD, className="drawer-title"),
                    html.Div([link, copy, close], className="drawer-actions"),
                ],
                className="drawer-head",
            ),
            html.Div(id=ids.DRAWER_FACTS, className="drawer-facts"),
            charts,
            details,
            html.Div(id=ids.DRAWER_TESTS),
            pane_head("Every figure", "opens into its formula, its inputs and their ages"),
            html.Div(id=ids.DRAWER_FIGURES, className="drawer-figures"),
        ],
        id=ids.DRAWER,
        className="drawer",
        **aria(label="Explanation of the selected pair"),
    )
