"""What the pages share: icons, status shapes, sparklines, pane heads, cells, charts with their sentence."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

import dash_bootstrap_components as dbc
import orjson
from dash import dcc, html
from dash.development.base_component import Component
from plotly.io.json import to_json_plotly

from layouts.theme import CONFIG, Figure

STATE_WORDS = {
    "closed": "closed",
    "off": "off",
    "starting": "starting",
    "live": "live",
    "degraded": "degraded",
    "down": "down",
}


def plainly(children: Any) -> Any:
    """Components as plain JSON values: done once for all viewers instead of once for each answer."""
    return orjson.loads(to_json_plotly(children))


def aria(**states: str) -> dict[str, Any]:
    """Attributes for screen readers: aria(label="Close")."""
    return {f"aria-{name}": value for name, value in states.items()}


def named(name: str, value: str) -> dict[str, Any]:
    """An attribute whose name is no Python word: named("data-hold", "best")."""
    return {name: value}


def icon(name: str) -> html.Span:
    """One of the drawings in assets/icons; always beside a word or inside a labelled button."""
    return html.Span(className=f"icon icon-{name}", **aria(hidden="true"))


def arrow() -> html.Span:
    """The arrow between two legs: Inter has none."""
    return html.Span([icon("arrow-right"), html.Span(" to ", className="sr")], className="hint")


def shape(state: str) -> html.Span:
    """The shape of a feed's state; the word stands beside it or is read aloud."""
    return html.Span(className=f"shape shape-{state}", title=STATE_WORDS[state], **aria(hidden="true"))


def sparkline(values: Sequence[float], name: str = "spark") -> html.Span:
    """Values as a small line from zero up. A mask, so that it takes the theme's colour without being drawn again."""
    top = max(values, default=0.0)
    if len(values) < 2 or top <= 0.0:
        return html.Span(className=f"{name} hidden")
    width, height = 100.0, 18.0
    step = width / (len(values) - 1)
    points = " ".join(f"{i * step:.1f},{height - 1.5 - v / top * (height - 4):.1f}" for i, v in enumerate(values))
    drawing = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' preserveAspectRatio='none'>"
        f"<polyline points='{points}' fill='none' stroke='#000' stroke-width='1.2' vector-effect='non-scaling-stroke'/>"
        "</svg>"
    )
    mask = f'url("data:image/svg+xml,{quote(drawing, safe=" =:/,.")}")'
    return html.Span(className=name, style={"maskImage": mask, "WebkitMaskImage": mask}, **aria(hidden="true"))


def pane_head(title: str, sub: Any = None, right: Any = None, sub_id: str | None = None) -> html.Div:
    """A pane's heading, what it is about, and its controls."""
    more: dict[str, Any] = {"id": sub_id} if sub_id else {}
    return html.Div(
        [
            html.H2(title),
            html.Span(sub, className="sub", **more),
            html.Div(right, className="right") if right is not None else None,
        ],
        className="pane-head",
    )


def th(label: str, explanation: str = "", numeric: bool = False, name: str = "") -> html.Th:
    """A column head that explains itself."""
    classes = " ".join(part for part in ("num-head" if numeric else "", name) if part)
    return html.Th(label, title=explanation, className=classes, scope="col")


def td(content: Any, name: str = "", **more: Any) -> html.Td:
    return html.Td(content, className=name, **more)


def num(content: Any, name: str = "", **more: Any) -> html.Td:
    """A cell with a figure."""
    return html.Td(content, className=f"num {name}".strip(), **more)


def chart(figure_id: str, summary_id: str, figure: Figure, height: int | None = None) -> html.Figure:
    """A chart, as it is before its first data, with a sentence that says the same to those who cannot see it."""
    size = {"height": "100%" if height is None else f"{height}px"}
    return html.Figure(
        [
            dcc.Graph(id=figure_id, figure=figure, config=CONFIG, responsive=True, style=size),
            html.Figcaption(id=summary_id, className="sr"),
        ],
        className="chart",
    )


def segments(control_id: str, options: Sequence[tuple[str, Any]], value: Any, label: str) -> html.Div:
    """A few exclusive choices side by side."""
    return html.Div(
        dbc.RadioItems(
            id=control_id,
            options=[{"label": word, "value": choice} for word, choice in options],
            value=value,
            className="seg",
            inputClassName="btn-check",
            labelClassName="",
            persistence=True,
            persistence_type="session",
        ),
        role="group",
        **aria(label=label),
    )


def spreads_href(symbol: str, buy: str = "", sell: str = "") -> str:
    """The address of the Spreads page for a pair."""
    wanted = {"symbol": symbol, "buy": buy, "sell": sell}
    return "/spreads?" + urlencode({name: value for name, value in wanted.items() if value})


def figure(content: str, name: str = "", unit: str = "") -> Component:
    """A figure with its unit small and grey after it."""
    parts: list[Any] = [html.Span(content, className=f"fig {name}".strip())]
    if unit and content:
        parts.append(html.Span(f" {unit}", className="unit"))
    return html.Span(parts)


def csv_file(text: str, name: str) -> dict[str, Any]:
    """What dcc.Download wants for a CSV file."""
    return {"content": text, "filename": name, "type": "text/csv", "base64": False}
