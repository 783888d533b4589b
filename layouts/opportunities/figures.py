"""The drawer's three charts: where the net comes from, how it shrinks with size, the spread of the last hour."""

from typing import Any

import numpy as np

from layouts.format import known, plain, rounded_parts, signed
from layouts.opportunities.pair import Opened
from layouts.opportunities.rows import capacity
from layouts.spreads.figures import packed
from layouts.theme import FONT, Figure, Theme, axis, empty, layout, tokens

HEIGHT = 226
SPREAD_HEIGHT = 128
BESIDE = 5.0  # the curve ends at so many times my size or capacity, if the books reach further


def parts(opened: Opened) -> list[tuple[str, float]]:
    """What the net is made of, rounded so that it sums to the net that is shown; empty while a part is not known.

    Any residue, a tenth at most, goes into the book walk, or into the exit where nothing is walked.
    """
    row, cost = opened.row, opened.cost
    gross, walk, exit_, net = row.gross_edge_bps, row.walk_bps, row.expected_exit_bps, row.net_edge_bps
    if gross is None or walk is None or exit_ is None or net is None:
        return []
    fees = [-float(part[0]) for part in (cost.entry, cost.exit)]
    names = ["Touch", "Book walk", "Exit (median)", "Fees in", "Fees out", "Reserve"]
    values = rounded_parts([gross, walk, exit_, *fees, -float(cost.reserve[0])], net, absorb=1 if walk else 2)
    found = list(zip(names, values, strict=True))
    return found if found[-1][1] else found[:-1]


def waterfall(opened: Opened | None, theme: Theme) -> Figure:
    """Bars that start where the one before ended, up to the net; funding over the hold stands behind it."""
    steps = parts(opened) if opened is not None else []
    if opened is None or not steps:
        return empty(theme, HEIGHT)
    colours = tokens(theme)
    bars: list[tuple[str, float, float]] = []  # name, value, where it starts
    running = 0.0
    for name, value in steps:
        bars.append((name, value, running))
        running = round(running + value, 1)
    bars.append(("Net", running, 0.0))
    if opened.carry is not None:
        carry = round(opened.carry, 1)
        hours = plain(opened.one.context.terms.holding_h, 0)
        bars += [(f"Carry {hours} h", carry, running), ("With carry", round(running + carry, 1), 0.0)]
    ends = [0.0, *(base for _, _, base in bars), *(base + value for _, value, base in bars)]
    low, high = min(ends), max(ends)
    room = max(high - low, 1.0) * 0.16
    return {
        "data": [
            {
                "type": "bar",
                "x": [name.replace(" ", "<br>", 1) for name, _, _ in bars],
                "y": [value for _, value, _ in bars],
                "base": [base for _, _, base in bars],
                "width": 0.62,
                "text": [signed(value) for _, value, _ in bars],
                "textposition": "outside",
                "constraintext": "none",
                "cliponaxis": False,
                "textfont": {"size": 11, "color": colours["text-1"], "family": FONT},
                "marker": {
                    "color": [colours["plus-fill" if value >= 0 else "minus-fill"] for _, value, _ in bars],
                    "opacity": [0.55 if name in ("With carry",) else 1.0 for name, _, _ in bars],
                    "line": {"width": 0},
                },
                "hoverinfo": "skip",
            }
        ],
        "layout": layout(
            theme,
            height=HEIGHT,
            margin={"l": 8, "r": 8, "t": 8, "b": 38, "pad": 0},
            uirevision="net",
            xaxis=axis(theme, type="category", range=[-0.6, len(bars) - 0.4], tickangle=0),
            yaxis=axis(theme, showticklabels=False, zeroline=True, range=[low - room, high + room]),
            dragmode=False,
        ),
    }


def waterfall_summary(opened: Opened | None) -> str:
    """The waterfall in a sentence."""
    steps = parts(opened) if opened is not None else []
    if opened is None or not steps:
        return "The net edge is not known: the pair has no history of exits yet."
    shown = ", ".join(f"{name.lower()} {signed(value)}" for name, value in steps)
    carry = f"; funding adds {signed(opened.carry)}" if opened.carry is not None else ""
    return f"Net edge {signed(opened.row.net_edge_bps)} bps: {shown}{carry}."


# -- the edge against the size


def curve(opened: Opened | None, theme: Theme) -> Figure:
    """Gross and net of the average fill, with my size, my minimum, the capacity, and where the visible books end."""
    points = opened.explanation.curve if opened is not None else ()
    if opened is None or not points:
        return empty(theme, HEIGHT)
    colours, row = tokens(theme), opened.row
    least, end = opened.one.context.terms.min_net_bps, points[-1].notional
    beside = [value for value in (row.notional, row.capacity) if value is not None and value > 0.0]
    right = min(end, BESIDE * max(beside)) if beside else end
    x, gross, net = _averages(opened)
    inside = [value for at, pair in zip(x, zip(gross, net, strict=True), strict=True) if at <= right for value in pair]
    levels = [value for value in (*inside, least, 0.0) if value is not None]
    room = max(max(levels) - min(levels), 1.0) * 0.16
    span = [min(levels) - room, max(levels) + room * 1.4]
    ticks = _ticks(0.0, right, 4)
    return {
        "data": [
            _line(x, gross, colours["text-2"], 1.2),
            _line(x, net, colours["plus"], 1.8),
            _mark(row.notional, row.net_edge_bps, "circle", colours["bg-0"], colours["plus"]),
            _mark(capacity(row) or None, least, "diamond", colours["text-1"], colours["text-1"]),
        ],
        "layout": layout(
            theme,
            height=HEIGHT,
            margin={"l": 16, "r": 44, "t": 8, "b": 26, "pad": 0},
            uirevision="curve",
            xaxis=axis(
                theme, range=[0.0, right * 1.06], tickvals=ticks, ticktext=[plain(tick) for tick in ticks], tickangle=0
            ),
            yaxis=axis(theme, side="right", range=span, showgrid=True, **_signed_ticks(span[0], span[1])),
            shapes=_curve_shapes(colours, least, end, right),
            annotations=_curve_notes(opened, colours, end, right, gross[0]),
            dragmode=False,
        ),
    }


def _averages(opened: Opened) -> tuple[list[float], list[float], list[float | None]]:
    """Notional, gross and net of the curve, from the touch on and through my size."""
    points = opened.explanation.curve
    found = [(0.0, points[0].gross_bps, points[0].net_bps), *((p.notional, p.gross_bps, p.net_bps) for p in points)]
    if (filled := opened.filled) is not None:
        found.append((filled.notional, filled.edge_bps, opened.row.net_edge_bps))
    found.sort(key=lambda point: point[0])
    return [at for at, _, _ in found], [gross for _, gross, _ in found], [net for _, _, net in found]


def _line(x: list[float], y: list[float | None] | list[float], colour: str, width: float) -> dict[str, Any]:
    line = {"width": width, "color": colour}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": line, "hoverinfo": "skip"}


def _mark(x: float | None, y: float | None, symbol: str, fill: str, colour: str) -> dict[str, Any]:
    both = x is not None and y is not None
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [x] if both else [],
        "y": [y] if both else [],
        "marker": {"symbol": symbol, "size": 9, "color": fill, "line": {"width": 2, "color": colour}},
        "cliponaxis": False,
        "hoverinfo": "skip",
    }


def _curve_shapes(colours: dict[str, str], least: float, end: float, right: float) -> list[dict[str, Any]]:
    dash = {"width": 1, "color": colours["text-3"], "dash": "dot"}
    shapes: list[dict[str, Any]] = [
        {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": least, "y1": least, "line": dash},
    ]
    if end <= right:
        tall = {"yref": "paper", "y0": 0, "y1": 1}
        shapes += [
            {"type": "line", **tall, "x0": end, "x1": end, "line": {"width": 1, "color": colours["text-3"]}},
            {"type": "rect", **tall, "x0": end, "x1": right * 1.06, "line": {"width": 0}, "fillcolor": colours["band"]},
        ]
    return shapes


def _curve_notes(
    opened: Opened, colours: dict[str, str], end: float, right: float, first: float
) -> list[dict[str, Any]]:
    row, least = opened.row, opened.one.context.terms.min_net_bps
    font = {"size": 11, "color": colours["text-2"], "family": FONT}
    base = {"showarrow": False, "font": font}
    strong = {"showarrow": False, "font": {**font, "color": colours["text-1"]}}
    # The books' end is said at the top, over the lines; the name of the gross line begins under its start.
    only = "the touch only, " if row.touch_only else ""
    top = {"xref": "paper", "x": 1, "xanchor": "right", "yref": "paper", "y": 1, "yanchor": "top", "xshift": -14}
    left = {"xanchor": "left", "x": 0}
    notes: list[dict[str, Any]] = [
        {**base, **top, "text": f"{only}visible depth ends at {plain(end)}"},
        {**base, **left, "y": first, "yanchor": "top", "text": "gross"},
        {
            **base,
            **left,
            "y": least,
            "yanchor": "top" if least <= 0.0 else "bottom",
            "text": f"my minimum {plain(least, 1)}",
        },
    ]
    if row.notional is not None and known(row.net_edge_bps):
        side = "left" if row.notional < right * 0.6 else "right"
        notes.append(
            {
                **strong,
                "x": row.notional,
                "y": row.net_edge_bps,
                "xanchor": side,
                "xshift": 8 if side == "left" else -8,
                "yanchor": "bottom",
                "text": f"size {plain(row.notional)}: {signed(row.net_edge_bps)}",
            }
        )
    if (most := capacity(row)) and most <= right:
        notes.append(
            {
                **strong,
                "x": most,
                "y": least,
                "xanchor": "right",
                "xshift": -6,
                "yanchor": "top",
                "text": f"capacity {plain(most)}",
            }
        )
    return notes


def curve_summary(opened: Opened | None) -> str:
    """The curve in a sentence."""
    points = opened.explanation.curve if opened is not None else ()
    if opened is None or not points:
        return "Neither book is known, so there is no edge against size."
    first, last = points[0], points[-1]
    of = "Net" if first.net_bps is not None else "Gross"
    from_, to = (point.net_bps if of == "Net" else point.gross_bps for point in (first, last))
    only = " Only the touch is known." if opened.row.touch_only else ""
    return (
        f"{of} edge falls from {signed(from_)} bps at the touch to {signed(to)} at {plain(last.notional)} "
        f"{opened.quote}, where the visible depth ends.{only}"
    )


# -- the last hour


def spread(opened: Opened | None, theme: Theme) -> Figure:
    """The executable spread at the touch, and the edge there that would leave nothing at my size."""
    if opened is None or not np.isfinite(opened.hour.spread_bps).any():
        return empty(theme, SPREAD_HEIGHT)
    colours, hour, zero = tokens(theme), opened.hour, opened.net_zero
    values = hour.spread_bps[np.isfinite(hour.spread_bps)]
    marks = [float(values.min()), float(values.max()), *([zero] if zero is not None else [])]
    room = max(max(marks) - min(marks), 1.0) * 0.12
    span = [min(marks) - room, max(marks) + room]
    end = float(hour.time[-1])
    shapes, notes = [], []
    if zero is not None:
        line = {"width": 1, "color": colours["text-2"], "dash": "dot"}
        shapes.append({"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": zero, "y1": zero, "line": line})
        font = {"size": 11, "color": colours["text-2"], "family": FONT}
        edge = {"xref": "paper", "x": 1, "xanchor": "left", "xshift": 3, "yanchor": "middle", "showarrow": False}
        notes.append({**edge, "y": zero, "text": "net 0", "font": font, "bgcolor": colours["bg-0"]})
    now = float(hour.spread_bps[-1])
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "lines",
                "x": packed(hour.time * 1e3),
                "y": packed(hour.spread_bps),
                "connectgaps": False,
                "line": {"shape": "hv", "width": 1.3, "color": colours["text-1"]},
                "hoverinfo": "skip",
            },
            _mark(end * 1e3 if np.isfinite(now) else None, now, "circle", colours["plus"], colours["plus"]),
        ],
        "layout": layout(
            theme,
            height=SPREAD_HEIGHT,
            margin={"l": 16, "r": 44, "t": 6, "b": 22, "pad": 0},
            uirevision="hour",
            xaxis=axis(
                theme,
                type="date",
                range=[(end - 3_600.0) * 1e3, (end + 60.0) * 1e3],
                tickformat="%H:%M",
                nticks=5,
                tickangle=0,
            ),
            yaxis=axis(theme, side="right", range=span, showgrid=True, **_signed_ticks(span[0], span[1], 3)),
            shapes=shapes,
            annotations=notes,
            dragmode=False,
        ),
    }


def spread_summary(opened: Opened | None) -> str:
    """The chart in a sentence."""
    if opened is None or not np.isfinite(opened.hour.spread_bps).any():
        return "No samples of the last hour yet."
    values = opened.hour.spread_bps[np.isfinite(opened.hour.spread_bps)]
    zero = f"; {signed(opened.net_zero)} would leave nothing at my size" if opened.net_zero is not None else ""
    return (
        f"In the last hour the executable spread was between {signed(float(values.min()))} and "
        f"{signed(float(values.max()))} bps, now {signed(opened.row.gross_edge_bps)}{zero}."
    )


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round figures between two ends, `most` of them at most."""
    rough = max(high - low, 1e-9) / most
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough * 0.999)
    first = int(np.ceil(low / step))
    return [round(float(k * step), 9) for k in range(first, int(np.floor(high / step)) + 1)]


def _signed_ticks(low: float, high: float, most: int = 5) -> dict[str, Any]:
    ticks = _ticks(low, high, most)
    decimals = 0 if all(tick == round(tick) for tick in ticks) else 1
    return {"tickvals": ticks, "ticktext": [signed(tick, decimals) for tick in ticks]}
