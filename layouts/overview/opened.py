"""The gaps that opened last, whether they are open still or not; pure."""

from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from desk import View
from layouts import glance
from layouts.components import arrow, num, shape, spreads_href, td
from layouts.format import age, clock, sign_class, signed
from store.episodes import Episode

MOST = 10
COLUMNS = 6


def rows(view: View, newest: Sequence[Episode]) -> list[html.Tr]:
    """One line an episode, newest first; what stands there before the first one has as much room."""
    return [_row(view, one) for one in newest] or [html.Tr(td(_nothing(view), "nothing", colSpan=COLUMNS), key="none")]


def _row(view: View, one: Episode) -> html.Tr:
    titles = [glance.title(view, leg) for leg in (one.buy, one.sell)]
    link = dcc.Link(
        one.symbol.rpartition("-")[0],
        href=spreads_href(one.symbol, one.buy, one.sell),
        className="row-link",
        title=f"{one.symbol}, {titles[0]} to {titles[1]}",
    )
    still = one.closed is None
    lasted = age((view.judgement.time if one.closed is None else one.closed) - one.opened)
    ended = "" if one.reason is None else f"ended: {one.reason.value}"
    word = html.Span("" if still else "ended after ", className="sr")
    state: list[Any] = [shape("live" if still else "closed"), word, lasted]
    return html.Tr(
        [
            td(clock(one.opened), "fig dim small"),
            td(link, "name"),
            td([short(titles[0]), " ", arrow(), " ", short(titles[1])], "dim small"),
            num(signed(one.net_bps) if still else "", sign_class(one.net_bps)),
            num(signed(one.peak_bps)),
            num(state, title=ended),
        ],
        key=one.id,
        className="" if still else "ended",
    )


def short(title: str) -> str:
    """An exchange in three letters, as on the phone's heatmap."""
    return title[:3].upper()


def _nothing(view: View) -> list[Any]:
    """Why there is none, what would make one, and what is nearest."""
    rules = view.market.detector.episodes.rules
    said: list[Any] = [
        html.Strong("No gap has opened yet"),
        html.P(f"One opens at a net edge of {signed(rules.open_bps)} bps that stands as long as it takes to react."),
    ]
    best = next((row for row in view.opportunities if row.verdict == "ok"), None)
    if best is not None:
        route = f"{glance.title(view, best.buy)} to {glance.title(view, best.sell)}"
        said.append(html.P(f"Nearest: {best.symbol}, {route}, {signed(best.net_edge_bps)} bps."))
    return said
