"""The Funding page: rates of all contracts, what pairs earn by them, how well they were predicted."""

from dash import html

from desk import Desk


def page(_desk: Desk, _search: str, _theme: str | None) -> html.Div:
    """The page of '/funding'."""
    return html.Div(html.H1("Funding", className="sr"), className="page funding")
