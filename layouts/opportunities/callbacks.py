"""The Opportunities page at every tick, my terms, its drawer and its CSV file."""

import asyncio
from typing import Any

from dash import ALL, ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from analytics.terms import Terms
from desk import Desk, View
from layouts import glance
from layouts.components import arrow, csv_file, num, pane_head, plainly, shape, spreads_href, td, th
from layouts.format import pair_ages, plain, sign_class, signed
from layouts.opportunities import books, drawer, figures, funnel, ids, layout, rows, terms, text
from layouts.opportunities.pair import open_pair
from layouts.shell import ids as shell
from layouts.theme import Theme, as_theme

DRAWER = 15  # outputs of the drawer


def register(app: Dash, desk: Desk) -> None:
    """Connect the page to the desk."""

    @glance.per_view
    def heads(view: View, chips: rows.Chips, own: bool) -> tuple[Any, ...]:
        said = (tabs(view, chips), count_words(view, chips), funnel.line(view, own), funnel.reasons(view, own))
        return tuple(plainly((*said, notice(view), *empty_state(view, chips))))

    @glance.per_view
    def table(view: View, chips: rows.Chips, selected: str | None) -> dict[str, list[Any]]:
        opened = open_pair(view, selected) if selected else None
        return rows.columns(view, chips, rows.shown(view, chips, opened.row if opened else None))

    @glance.per_view
    def explanation(view: View, row_id: str, theme: Theme) -> tuple[Any, ...]:
        return explain(view, row_id, theme)

    def everything(
        view: View, asked: Terms, chips: rows.Chips, selected: str | None, look: Theme
    ) -> tuple[dict[str, list[Any]], tuple[Any, ...], tuple[Any, ...]]:
        mine = view.by(asked)
        drawn = explanation(mine, selected, look) if selected else closed()
        return table(mine, chips, selected), heads(mine, chips, mine is not view), drawn

    @app.callback(
        Output(ids.ROWS, "data"),
        Output(ids.TAB, "options"),
        Output(ids.COUNT, "children"),
        Output(ids.FUNNEL, "children"),
        Output(ids.REASONS, "children"),
        Output(ids.NOTICE, "children"),
        Output(ids.EMPTY, "children"),
        Output(ids.EMPTY, "className"),
        Output(ids.DRAWER_HEAD, "children"),
        Output(ids.DRAWER_FACTS, "children"),
        Output(ids.DRAWER_NET_HEAD, "children"),
        Output(ids.DRAWER_NET, "figure"),
        Output(ids.DRAWER_NET_SUMMARY, "children"),
        Output(ids.DRAWER_CURVE, "figure"),
        Output(ids.DRAWER_CURVE_SUMMARY, "children"),
        Output(ids.DRAWER_BOOKS, "children"),
        Output(ids.DRAWER_SPREAD, "figure"),
        Output(ids.DRAWER_SPREAD_SUMMARY, "children"),
        Output(ids.DRAWER_FUNDING, "children"),
        Output(ids.DRAWER_TESTS, "children"),
        Output(ids.DRAWER_FIGURES, "children"),
        Output(ids.DRAWER_LINK, "href"),
        Output(ids.DRAWER_TEXT, "data"),
        Output(ids.SHOWN, "data"),
        Input(shell.TICK, "data"),
        Input(shell.SWITCHED, "data"),
        Input(shell.THEME, "data"),
        Input(ids.TERMS, "data"),
        Input(ids.TAB, "value"),
        Input(ids.FAMILY, "value"),
        Input(ids.BUY, "value"),
        Input(ids.SELL, "value"),
        Input(ids.SELECTED, "data"),
        State(ids.SHOWN, "data"),
        running=[(Output(shell.BUSY_PAGE, "data"), True, False)],
    )
    async def update(
        _tick: Any,
        _switched: Any,
        theme: str,
        given: Any,
        tab: str | None,
        family: str | None,
        buy: str | None,
        sell: str | None,
        selected: str | None,
        shown: str | None,
    ) -> tuple[Any, ...]:
        # Grid and drawer come from one view by the same terms, so that their figures agree.
        view, look = desk.view, as_theme(theme)
        asked = terms.read(given, view.terms).terms
        chips = rows.chips_of(tab, family, buy, sell)
        key = f"{glance.view_key(view)}|{asked}|{chips}|{selected}|{look}"
        if shown == key:
            raise PreventUpdate
        if selected:
            desk.look(*pair_of(selected))
        # The first viewer of a view pays for all: off the event loop, so that nobody else waits.
        columns, said, drawn = await asyncio.to_thread(everything, view, asked, chips, selected, look)
        data = {"key": f"{id(view.market):x}|{asked}|{chips}", "columns": columns}
        return (data, *said, *drawn, key)

    _register_terms(app, desk)
    _register_browser_side(app)

    @app.callback(
        Output(ids.DOWNLOAD, "data"),
        Input(ids.CSV, "n_clicks"),
        State(ids.TERMS, "data"),
        State(ids.TAB, "value"),
        State(ids.FAMILY, "value"),
        State(ids.BUY, "value"),
        State(ids.SELL, "value"),
        prevent_initial_call=True,
    )
    async def download(clicks: int | None, given: Any, tab: str, family: str, buy: str, sell: str) -> Any:
        if not clicks:
            raise PreventUpdate
        view = desk.view
        asked, chips = terms.read(given, view.terms).terms, rows.chips_of(tab, family, buy, sell)

        def made() -> str:
            mine = view.by(asked)
            return rows.as_csv(view.source.kind, view.judgement.time, rows.chosen(mine, chips))

        return csv_file(await asyncio.to_thread(made), f"opportunities-{view.source.kind}.csv")


NUMBER_IDS = tuple(field_id for field_id, _, _ in layout.FIELDS.values())
_FILLS = {"type": ids.FILL, "fill": ALL}
_TIERS, _TAKERS, _MAKERS = ({"type": kind, "exchange": ALL} for kind in (ids.TIER, ids.TAKER, ids.MAKER))


def _register_terms(app: Dash, desk: Desk) -> None:
    """What is typed goes to the session's store; what cannot be used is said."""

    @app.callback(
        Output(ids.TERMS, "data"),
        Output(ids.WRONG, "children"),
        Output(ids.COSTS, "children"),
        Output(ids.FEES, "children"),
        *(Output(f"{name}-chip", "className") for name in (*NUMBER_IDS, ids.COSTS, ids.FEES)),
        *(Input(name, "value") for name in NUMBER_IDS),
        Input(_FILLS, "value"),
        Input(_TIERS, "value"),
        Input(_TAKERS, "value"),
        Input(_MAKERS, "value"),
        State(_TIERS, "id"),
    )
    def type_in(*given: Any) -> tuple[Any, ...]:
        *numbers, fills, tiers, takers, makers, exchanges = given
        names = [found["exchange"] for found in exchanges]
        values = {
            **dict(zip(layout.FIELDS, numbers, strict=True)),
            "fills": fills,
            "fees": {name: list(three) for name, *three in zip(names, tiers, takers, makers, strict=True)},
        }
        return (values, *said_back(terms.read(values, desk.view.terms)))

    @app.callback(
        *(Output(name, "value") for name in NUMBER_IDS),
        Output(_FILLS, "value"),
        Output(_TIERS, "value"),
        Output(_TAKERS, "value"),
        Output(_MAKERS, "value"),
        Input(ids.RESET, "n_clicks"),
        State(_TIERS, "id"),
        prevent_initial_call=True,
    )
    def reset(clicks: int | None, exchanges: list[dict[str, str]]) -> tuple[Any, ...]:
        if not clicks:
            raise PreventUpdate
        own = desk.view.terms
        fees = [layout.fee_defaults(own, found["exchange"]) for found in exchanges]
        columns = ([three[i] for three in fees] for i in range(3))
        return (*layout.defaults(own).values(), list(own.costs.fills), *columns)


def said_back(asked: terms.Asked) -> tuple[Any, ...]:
    """What is wrong, costs and fees in words, and how each chip looks: changed, or not usable."""

    def look(name: str, base: str, *fields: str) -> str:
        wrong = any(field in asked.wrong for field in (name, *fields))
        changed = any(field in asked.changed for field in (name, *fields))
        return base + (" wrong" if wrong else "") + (" changed" if changed else "")

    wrong = [html.Span(words) for words in asked.wrong.values()]
    fees_wrong = tuple(field for field in asked.wrong if " " in field)
    return (
        html.Div([shape("degraded"), *wrong], className="notice wrong") if wrong else None,
        terms.costs_words(asked.terms),
        terms.fees_words(asked.terms),
        *(look(name, "chip field") for name in layout.FIELDS),
        look("fills", "chip pop menu", "slippage_bps"),
        look("fees", "chip pop menu", *fees_wrong),
    )


def _register_browser_side(app: Dash) -> None:
    """The parts that need no server: assets/70-grid.js."""
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
    app.clientside_callback(
        ClientsideFunction("perpscopeGrid", "copy"),
        Output(ids.DRAWER_COPIED, "children"),
        Input(ids.DRAWER_COPY, "n_clicks"),
        State(ids.DRAWER_TEXT, "data"),
        State(ids.DRAWER_COPIED, "id"),
        prevent_initial_call=True,
    )


def pair_of(row_id: str) -> tuple[str, tuple[str, ...]]:
    """Symbol and exchanges of a row: 'BTC-USDT:okx:bybit'."""
    symbol, *exchanges = row_id.split(":")
    return symbol, tuple(exchanges[:2])


def closed() -> tuple[Any, ...]:
    """While the drawer is closed nothing in it changes."""
    return (no_update,) * DRAWER


def explain(view: View, row_id: str, theme: Theme) -> tuple[Any, ...]:
    """Everything in the drawer for one pair."""
    opened = open_pair(view, row_id)
    symbol, buy, sell = (*row_id.split(":"), "", "")[:3]
    charts = (figures.waterfall(opened, theme), figures.curve(opened, theme), figures.spread(opened, theme))
    said = (figures.waterfall_summary(opened), figures.curve_summary(opened), figures.spread_summary(opened))
    link = spreads_href(symbol, buy, sell)
    if opened is None:
        gone = html.Div("A leg of this pair is no longer listed.", className="hint note")
        texts: Any = ([html.H2(symbol)], [], pane_head("Where the net comes from"), gone, None, None, None)
        words = f"{symbol}: a leg of this pair is no longer listed."
    else:
        hold = f"{plain(view.terms.holding_h, 0)} h"
        net = signed(opened.row.net_edge_bps)
        come = f"Where {net} bps comes from" if net else "Where the net comes from"
        why, counts = drawer.tests_title(view, opened)
        texts = (
            drawer.head(view, opened.row),
            drawer.facts(view, opened),
            pane_head(come, f"{plain(opened.row.notional)} {opened.quote}, bps of the mean mid"),
            [pane_head("Both books, to my size", books.sub_title(opened)), books.books(view, opened)],
            [pane_head(f"Funding inside {hold}", "UTC, bps"), *drawer.funding(view, opened)],
            [pane_head(why, counts), html.Div(drawer.tests(view, opened), className="drawer-tests")],
            drawer.all_figures(view, opened),
        )
        words = text.explanation(view, opened)
    head, facts, net_head, both, flows, tested, every = plainly(texts)
    return (
        head, facts, net_head, charts[0], said[0], charts[1], said[1], both, charts[2], said[2], flows, tested, every,
        link, words,
    )  # fmt: skip


def tabs(view: View, chips: rows.Chips) -> list[dict[str, Any]]:
    """The named views with how many rows each has."""
    found = rows.counts(view, chips)
    return [
        {"label": html.Span([word, html.Span(plain(found[name]), className="fig")]), "value": name}
        for name, word in rows.TABS.items()
    ]


def count_words(view: View, chips: rows.Chips) -> str:
    """'best 300 of 2 341', or how many there are."""
    passing = len(rows.chosen(view, chips))
    if passing > rows.MOST:
        return f"best {plain(rows.MOST)} of {plain(passing)}"
    return f"{plain(passing)} pairs"


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
    actionable, _, _ = rows.grouped(view, chips)
    if actionable if chips.tab == "actionable" else rows.chosen(view, chips):
        return None, "empty hidden"
    close = rows.nearest(view, chips)
    if chips.tab != "actionable" or not close:
        words = "No pair is measured yet." if not view.judgement.funnel.seen else "No pair passes these filters."
        about = "Rows appear as soon as two exchanges quote the same symbol." if not view.judgement.funnel.seen else ""
        return html.Div([html.H2(words), html.P(about)]), "empty"
    size = f"{plain(view.terms.notional)} {chips.family or 'of quote currency'}"
    title = f"No pair clears {plain(view.min_net_bps, 1)} bps at {size}"
    tradable = plain(view.judgement.funnel.tradable)
    heads = [th("Symbol"), th("Buy, sell"), th("Net, bps", numeric=True), th("Ages, s", numeric=True), th("Why not")]
    lines = [
        html.Tr(
            [
                td(row.symbol, "name"),
                td([glance.title(view, row.buy), " ", arrow(), " ", glance.title(view, row.sell)], "dim"),
                num(signed(row.net_edge_bps), sign_class(row.net_edge_bps)),
                num(pair_ages(row.buy_age_s, row.sell_age_s), "dim"),
                td(rows.verdict_words(row, view.min_net_bps), "dim"),
            ],
            key=row.id,
        )
        for row in close
    ]
    said = html.P(f"{tradable} directed pairs are fresh and tradable. The nearest are:")
    table = html.Table([html.Thead(html.Tr(heads)), html.Tbody(lines)], className="table-data nearest")
    refused = rows.counts(view, chips)["quarantined"]
    more = html.P(f"{plain(refused)} that seem to gain are quarantined: see that view for the reason of each.")
    return html.Div([html.H2(title), said, table, more if refused else None]), "empty"
