"""How many directed pairs pass each gate, above the table, and what refused the others."""

from typing import Any

from dash import html

from analytics.funnel import Minute
from analytics.opportunities import Funnel
from analytics.quality import Verdict
from desk import View
from layouts.components import icon
from layouts.format import clock, ordinary, plain

WORDS = {
    "seen": ("Seen", "listed on both exchanges"),
    "fresh": ("Fresh", "both quotes known, live and fresh"),
    "tradable": ("Tradable", "no test of a quote refuses either leg"),
    "net_positive": ("Net > 0", "the gap clears the fees"),
    "actionable": ("Actionable", "every test passed, net at the minimum"),
}


def minutes(view: View, own: bool) -> tuple[Minute | None, Minute | None]:
    """This minute and the full one before, both by the desk's terms; None where there is none.

    own: whether the view is by terms of the viewer's own, to which no minute belongs.
    """
    known = view.market.funnel.minutes
    now = None if own or not known else known[-1]
    before = known[-2] if len(known) > 1 else None
    return now, before


def counts(view: View, own: bool) -> tuple[Funnel, dict[Verdict, int]]:
    """What the line shows: this minute, or by terms of the viewer's own this moment."""
    now, _ = minutes(view, own)
    return (view.judgement.funnel, view.judgement.reasons) if now is None else (now.funnel, now.reasons)


def line(view: View, own: bool) -> list[Any]:
    """The gates; each says on hover what it asks and how many passed it in the minute before."""
    funnel, _ = counts(view, own)
    _, before = minutes(view, own)
    parts: list[Any] = []
    for i, (name, (word, asks)) in enumerate(WORDS.items()):
        if i:
            parts.append(html.Span(icon("chevron-right"), className="hint gate"))
        title = asks
        if before is not None:
            title += f". In the minute from {clock(before.start)} UTC: {plain(getattr(before.funnel, name))}"
            title += ", by the desk's terms" if own else ""
        figure = html.Div(plain(getattr(funnel, name)), className="fig")
        parts.append(html.Div([figure, html.Div(word, className="word")], className="step", title=title))
    return parts


def reasons(view: View, own: bool) -> list[Any]:
    """The three most frequent first reasons, and of which time all this is."""
    now, before = minutes(view, own)
    _, found = counts(view, own)
    of = (
        "this moment, by my terms"
        if own
        else "this moment"
        if now is None
        else f"minute from {clock(now.start)[:5]} UTC"
    )
    title = "" if before is None else f"Minute from {clock(before.start)} UTC: {_largest(before.reasons)}"
    words = _largest(found)
    return [
        html.Div(f"{of}; first reason, largest three", className="hint"),
        html.Div(words or "nothing was refused", className="fig", title=title),
    ]


def _largest(found: dict[Verdict, int]) -> str:
    largest = sorted(found.items(), key=lambda item: -item[1])[:3]
    return ", ".join(f"{ordinary(verdict.label)} {plain(count)}" for verdict, count in largest)
