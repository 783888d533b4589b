"""Both order books of a pair: the asks that the buy leg would take, the bids that the sell leg would hit."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from dash import html

from analytics.depth import cumulative_notional
from desk import View
from layouts import glance
from layouts.components import num, shape, td, th
from layouts.format import age, coins, plain, price
from layouts.opportunities.pair import Opened
from store.depth import Ladder, Side

LEVELS = 10
_SHAPES = {"waiting": "starting", "resyncing": "degraded", "lost": "down", "off": "off"}
_WORDS = {
    "waiting": "waiting for the book",
    "resyncing": "a change was missed: a fresh book is asked for",
    "lost": "the connection is down or silent",
    "off": "not watched: it does not trade, its feed does not run, or too many books are watched",
}


def books(view: View, opened: Opened) -> html.Div:
    """Ten levels of both sides with their sums, marked as far as my size takes them; a book not live says so."""
    row, decimals = opened.row, opened.decimals
    buy, sell = view.ladder(row.buy, row.symbol), view.ladder(row.sell, row.symbol)
    asks, bids = buy.asks[:LEVELS], sell.bids[:LEVELS]
    sums = cumulative_notional(asks), cumulative_notional(bids)
    most = max((side[-1] for side in sums if side), default=0.0)
    quantity = opened.filled.quantity if opened.filled is not None else 0.0
    legs = (
        ("long", _cells(asks, sums[0], most, decimals), buy.state, taken(asks, quantity)),
        ("short", _cells(bids, sums[1], most, decimals), sell.state, taken(bids, quantity)),
    )
    lines = [
        html.Tr(
            [cell for name, cells, state, marked in legs for cell in _leg(cells, i, name, state, marked)], key=str(i)
        )
        for i in range(max(len(asks), len(bids)))
    ]
    heads = [
        head
        for exchange, side in ((row.buy, "ask"), (row.sell, "bid"))
        for head in (
            th(f"{glance.title(view, exchange)} {side}", f"Price of each {side}, best first", True),
            th("Coins", "Coins at that price", True),
            th(f"Sum, {opened.quote}", "What this level and all better ones add up to", True),
        )
    ]
    notes = [note for ladder in (buy, sell) if (note := _note(view, ladder)) is not None]
    table = html.Table([html.Thead(html.Tr(heads)), html.Tbody(lines), *_foot(opened)], className="table-data books")
    return html.Div([*notes, table] if lines else notes)


def taken(levels: Side, quantity: float) -> int:
    """How many levels a quantity takes from, in part or whole; at least the best one while there is any to take."""
    reached = list(accumulate(size for _, size in levels))
    return sum(1 for i in range(len(levels)) if quantity > (reached[i - 1] if i else 0.0))


def _foot(opened: Opened) -> list[html.Tfoot]:
    """What my size would get on average, a digit finer than the tick."""
    filled = opened.filled
    if filled is None:
        return []
    digits = None if opened.decimals is None else opened.decimals + 1
    cells = [
        cell
        for value in (filled.buy, filled.sell)
        for cell in (
            td(
                [html.Span("VWAP ", className="hint"), html.Span(price(value, digits), className="fig")],
                "num",
                colSpan=3,
            ),
        )
    ]
    return [html.Tfoot(html.Tr(cells))]


def sub_title(opened: Opened) -> str:
    """What the marked levels are."""
    if opened.filled is None:
        return "my size is not known"
    only = "; the touch only" if opened.row.touch_only else ""
    return f"marked levels fill {coins(opened.filled.quantity)} {opened.base}{only}"


def _cells(levels: Side, sums: Sequence[float], most: float, decimals: int | None) -> list[tuple[str, str, str, str]]:
    """Price, coins and sum of each level, and how long its bar is."""
    return [
        (price(at, decimals), coins(size), plain(total), f"{100.0 * total / most:.0f}%")
        for (at, size), total in zip(levels, sums, strict=True)
    ]


def _leg(cells: list[tuple[str, str, str, str]], i: int, leg: str, state: str, marked: int) -> list[Any]:
    if i >= len(cells):
        return [num(""), num(""), num("")]
    at, size, total, share = cells[i]
    faded = "" if state == "live" and i < marked else "dim"
    return [
        num(at, f"{f'leg-cell {leg} ' if i < marked else ''}{faded}".strip()),
        num(size, faded),
        num(total, f"depth-bar {faded}".strip(), style={"backgroundSize": f"{share} 100%"}),
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
