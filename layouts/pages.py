"""Which layout belongs to which address."""

from collections.abc import Callable
from typing import Any

from dash import html

from desk import Desk
from layouts.components import pane_head
from layouts.episodes import layout as episodes
from layouts.exchanges import layout as exchanges
from layouts.families import layout as families
from layouts.funding import layout as funding
from layouts.instruments import layout as instruments
from layouts.opportunities import layout as opportunities
from layouts.overview import layout as overview
from layouts.spreads import layout as spreads

Page = Callable[[Desk, str, str | None], Any]


def not_found(_desk: Desk, _search: str, _theme: str | None) -> html.Div:
    return html.Div(pane_head("No such page", "the rail at the left has all there are"), className="page")


PAGES: dict[str, Page] = {
    "/": overview.page,
    "/opportunities": opportunities.page,
    "/spreads": spreads.page,
    "/funding": funding.page,
    "/funding/families": families.page,
    "/episodes": episodes.page,
    "/instruments": instruments.page,
    "/exchanges": exchanges.page,
}


def page_of(path: str) -> Page:
    """The layout function of an address."""
    return PAGES.get(path.rstrip("/") or "/", not_found)
