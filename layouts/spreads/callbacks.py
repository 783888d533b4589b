"""The Spreads page: choosing a pair, showing it at every tick, its CSV file."""

import asyncio
from typing import Any
from urllib.parse import urlencode

from dash import ClientsideFunction, Dash, Input, Output, State, ctx, html, no_update
from dash.exceptions import PreventUpdate

from desk import Desk, View
from layouts import glance
from layouts.components import csv_file, plainly
from layouts.format import plain
from layouts.kept import Kept
from layouts.shell import ids as shell
from layouts.spreads import distribution, figures, ids, lead, rows
from layouts.spreads.choice import Choice, complete, read
from layouts.spreads.layout import leg_options
from layouts.spreads.pair import as_csv, read_pair
from layouts.theme import Theme, as_theme

NOTHING = "Choose a symbol that two exchanges list."


def register(app: Dash, desk: Desk) -> None:
    """Connect the page to the desk."""

    @glance.per_view
    def shown_pair(view: View, choice: Choice, window_s: float, theme: Theme) -> tuple[Any, ...]:
        return show(view, choice, window_s, theme)

    @app.callback(
        Output(ids.URL, "search"),
        Output(ids.SYMBOL, "value"),
        Output(ids.BUY, "options"),
        Output(ids.BUY, "value"),
        Output(ids.SELL, "options"),
        Output(ids.SELL, "value"),
        Input(ids.URL, "search"),
        Input(ids.SYMBOL, "value"),
        Input(ids.BUY, "value"),
        Input(ids.SELL, "value"),
        Input(ids.SWAP, "n_clicks"),
        State(ids.URL, "pathname"),
        prevent_initial_call=True,
    )
    def choose(search: str, symbol: str, buy: str, sell: str, _swaps: int, path: str) -> tuple[Any, ...]:
        if path != "/spreads":
            raise PreventUpdate
        choice = complete(desk.view, chosen(ctx.triggered_id, search, symbol, buy, sell))
        if choice.search == search and (choice.symbol, choice.buy, choice.sell) == (symbol, buy, sell):
            raise PreventUpdate
        options = leg_options(desk, choice)
        address = no_update if choice.search == search else choice.search
        return address, choice.symbol, options, choice.buy, options, choice.sell

    @app.callback(
        Output(ids.FACTS, "children"),
        Output(ids.STATISTICS, "children"),
        Output(ids.STATISTICS_NOTE, "children"),
        Output(ids.RANKS, "children"),
        Output(ids.LEGS, "children"),
        Output(ids.ROUTES, "children"),
        Output(ids.EPISODES, "children"),
        Output(ids.EPISODES_NOTE, "children"),
        Output(ids.HISTOGRAM_NOTE, "children"),
        Output(ids.RAIL, "figure"),
        Output(ids.RAIL_SUMMARY, "children"),
        Output(ids.HISTOGRAM, "figure"),
        Output(ids.HISTOGRAM_SUMMARY, "children"),
        Output(ids.SURVIVAL, "href"),
        Output(ids.DRAWN, "data"),
        Output(ids.CHART_SUMMARY, "children"),
        Output(ids.SHOWN, "data"),
        Input(shell.TICK, "data"),
        Input(shell.SWITCHED, "data"),
        Input(shell.THEME, "data"),
        Input(ids.SYMBOL, "value"),
        Input(ids.BUY, "value"),
        Input(ids.SELL, "value"),
        Input(ids.WINDOW, "value"),
        State(ids.SHOWN, "data"),
        running=[(Output(shell.BUSY_PAGE, "data"), True, False)],
    )
    async def update(
        _tick: Any,
        _switched: Any,
        theme: str,
        symbol: str,
        buy: str,
        sell: str,
        minutes: int,
        shown: dict[str, str] | None,
    ) -> tuple[Any, ...]:
        view, choice, look = desk.view, Choice(symbol or "", buy or "", sell or ""), as_theme(theme)
        key = {"view": glance.view_key(view), "chart": f"{choice.id}|{minutes}", "look": look}
        if shown == key:
            raise PreventUpdate
        if choice.symbol:
            legs = [leg for leg in (choice.buy, choice.sell) if leg]
            desk.look(choice.symbol, legs)
            desk.study(choice.symbol, legs)
        # The first viewer of a view pays for all: off the event loop, so that nobody else waits.
        *texts, figure, summary = await asyncio.to_thread(shown_pair, view, choice, 60.0 * (minutes or 15), look)
        return (*texts, {"chart": key["chart"], "figure": figure}, summary, key)

    studies: Kept[lead.Leads] = Kept(lead.EVERY_S)

    @app.callback(
        Output(ids.LEAD, "children"),
        Output(ids.LEAD_CHART, "figure"),
        Output(ids.LEAD_SUMMARY, "children"),
        Output(ids.LEAD_SHOWN, "data"),
        Input(shell.TICK, "data"),
        Input(shell.THEME, "data"),
        Input(ids.SYMBOL, "value"),
        Input(ids.BUY, "value"),
        Input(ids.SELL, "value"),
        State(ids.LEAD_SHOWN, "data"),
    )
    async def study(_tick: Any, theme: str, symbol: str, buy: str, sell: str, shown: str | None) -> tuple[Any, ...]:
        """Apart from the rest, which must not wait for it."""
        view, choice, look = desk.view, Choice(symbol or "", buy or "", sell or ""), as_theme(theme)
        if not (choice.symbol and choice.buy and choice.sell):
            raise PreventUpdate
        asked = (id(view.market), choice)
        leads = await asyncio.to_thread(studies.get, asked, lambda: lead.read_leads(view, choice))
        key = f"{choice.id}|{look}|{id(leads):x}"
        if key == shown:
            raise PreventUpdate
        titles = glance.title(view, choice.buy), glance.title(view, choice.sell)
        panel = plainly(lead.panel(leads, *titles))
        return panel, lead.drawing(leads, *titles, look), lead.summary(leads, *titles), key

    # The zoom is put in by the browser: an answer that was under way while the user dragged must not undo it.
    app.clientside_callback(
        ClientsideFunction("perpscope", "draw"),
        Output(ids.CHART, "figure"),
        Input(ids.DRAWN, "data"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output(ids.DOWNLOAD, "data"),
        Input(ids.CSV, "n_clicks"),
        State(ids.SYMBOL, "value"),
        State(ids.BUY, "value"),
        State(ids.SELL, "value"),
        State(ids.WINDOW, "value"),
        prevent_initial_call=True,
    )
    async def download(clicks: int | None, symbol: str, buy: str, sell: str, minutes: int) -> Any:
        if not clicks:
            raise PreventUpdate
        choice, view = Choice(symbol, buy, sell), desk.view
        pair = await asyncio.to_thread(read_pair, view, choice, 60.0 * minutes)
        if pair is None:
            raise PreventUpdate
        text = await asyncio.to_thread(as_csv, view.source.kind, choice, pair.series)
        return csv_file(text, f"spread-{symbol}-{buy}-{sell}-{view.source.kind}.csv")


def chosen(trigger: str | None, search: str, symbol: str, buy: str, sell: str) -> Choice:
    """What the user has just asked for: an address, another symbol, another leg, or the legs swapped."""
    if trigger == ids.SWAP:
        return Choice(symbol, sell, buy)
    if trigger == ids.SYMBOL:
        return Choice(symbol)
    if trigger == ids.BUY:
        return Choice(symbol, buy, sell if sell != buy else "")
    if trigger == ids.SELL:
        return Choice(symbol, buy if buy != sell else "", sell)
    return read(search or "")


def show(view: View, choice: Choice, window_s: float, theme: Theme) -> tuple[Any, ...]:
    """Everything the page shows of a pair."""
    pair = read_pair(view, choice, window_s)
    if pair is None:
        words = f"{choice.symbol} is listed nowhere. {NOTHING}" if choice.symbol else NOTHING
        nothing = plainly(html.Span(words, className="hint"))
        blank = (distribution.blank_rail(theme), words, distribution.blank_bars(theme), words)
        return nothing, None, "", None, None, None, None, "", "", *blank, "/episodes", figures.blank(theme), words
    buy, sell = glance.title(view, choice.buy), glance.title(view, choice.sell)
    texts = plainly(
        (
            rows.facts(pair, view.min_net_bps),
            rows.statistics(pair),
            rows.statistics_note(pair, window_s),
            rows.ranks(pair),
            rows.legs(view, pair),
            rows.routes(view, pair),
            rows.episodes(pair),
            rows.episodes_note(view, pair),
            f"{plain(pair.stats.n)} samples, bps",
        )
    )
    return (
        *texts,
        distribution.rail(pair, window_s, theme),
        distribution.rail_summary(pair),
        distribution.bars(pair, theme),
        distribution.bars_summary(pair),
        "/episodes?" + urlencode({"symbol": choice.symbol}),
        figures.chart(pair, buy, sell, window_s, theme),
        figures.summary(pair, buy, sell, window_s),
    )
