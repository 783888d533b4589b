"""Both order books of a pair: the asks that the buy leg would take, the bids that the sell leg would hit."""

from typing import Any

from dash import html

from analytics.depth import cumulative_notional
from desk import Opportunity, View
from layouts import glance
from layouts.components import num, shape, th
from layouts.format import age, coins, plain, price, tick_decimals
from store.depth import Ladder, Side

LEVELS = 10
_SHAPES = {"waiting": "starting", "resyncing": "degraded", "lost": "down", "off": "off"}
_WORDS = {
    "waiting": "waiting for the book",
    "resyncing": "a change was missed: a fresh book is asked for",
    "lost": "the connection is down or silent",
    "off": "not watched: it does not trade, its feed does not run, or too many books are watched",
}


def books(view: View, row: Opportunity) -> html.Div:
    """Ten levels of both sides with their sums; a book that is not live says so and stands back."""
    grid = view.judgement.snapshot.grid
    s = grid.symbol_index[row.symbol]
    decimals = tick_decimals(*[float(grid.tick_size[s, grid.exchange_index[name]]) for name in (row.buy, row.sell)])
    buy, sell = view.ladder(row.buy, row.symbol), view.ladder(row.sell, row.symbol)
    asks, bids = buy.asks[:LEVELS], sell.bids[:LEVELS]
    sums = cumulative_notional(asks), cumulative_notional(bids)
    most = max((side[-1] for side in sums if side), default=0.0)
    legs = (
        ("long", _cells(asks, sums[0], most, decimals), buy.state),
        ("short", _cells(bids, sums[1], most, decimals), sell.state),
    )
    lines = [
        html.Tr([cell for name, cells, state in legs for cell in _leg(cells, i, name, state)], key=str(i))
        for i in range(max(len(asks), len(bids)))
    ]
    quote = row.symbol.rpartition("-")[2]
    heads = [
        head
        for exchange, side in ((row.buy, "ask"), (row.sell, "bid"))
        for head in (
            th(f"{glance.title(view, exchange)} {side}", f"Price of each {side}, best first", True),
            th("Coins", "Coins at that price", True),
            th(f"Sum, {quote}", "What this level and all better ones add up to", True),
        )
    ]
    notes = [note for ladder in (buy, sell) if (note := _note(view, ladder)) is not None]
    table = html.Table([html.Thead(html.Tr(heads)), html.Tbody(lines)], className="table-data books")
    return html.Div([*notes, table] if lines else notes)


def _cells(levels: Side, sums: tuple[float, ...], most: float, decimals: int | None) -> list[tuple[str, str, str, str]]:
    """Price, coins and sum of each level, and how long its bar is."""
    return [
        (price(at, decimals), coins(size), plain(total), f"{100.0 * total / most:.0f}%")
        for (at, size), total in zip(levels, sums, strict=True)
    ]


def _leg(cells: list[tuple[str, str, str, str]], i: int, leg: str, state: str) -> list[Any]:
    if i >= len(cells):
        return [num(""), num(""), num("")]
    at, size, total, share = cells[i]
    faded = "" if state == "live" else " dim"
    return [
        num(at, f"leg-cell {leg}{faded}" if i == 0 else faded.strip()),
        num(size, faded.strip()),
        num(total, f"depth-bar{faded}", style={"backgroundSize": f"{share} 100%"}),
    ]


def _note(view: View, ladder: Ladder) -> html.Div | None:
    if ladder.state == "live":
        return None
    old = ladder.age_s(view.judgement.time)
    last = f"; the levels are {age(old)} old" if old is not None else ""
    name = glance.title(view, ladder.exchange)
    return html.Div(
        [shape(_SHAPES[ladder.state]), f"{name}, {ladder.state}: {_WORDS[ladder.state]}{last}."],
        className="notice quiet book-state",
    )
