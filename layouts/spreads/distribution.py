"""Where the spread lives: the rail beside the chart, on the chart's own axis, and the histogram below it."""

from typing import Any

import numpy as np

from analytics.profile import histogram, round_step
from layouts.format import known, plain, signed
from layouts.spreads.figures import MARGIN, SPLIT, packed, spread_axis
from layouts.spreads.pair import PairNow, window_word
from layouts.theme import FONT, Figure, Theme, axis, layout, tokens

HISTOGRAM_HEIGHT = 260
LEFT, RIGHT = 0.18, 0.42  # of the rail
COUNTS = (1, 10, 100, 1_000, 10_000)


def rail(pair: PairNow, window_s: float, theme: Theme) -> Figure:
    """p1 to p99, p5 to p95, the middle half, the median, and now as a diamond. As high as the chart beside it."""
    colours = tokens(theme)
    now = pair.stats.now
    shown = now is not None and pair.rank.percentile is not None
    marker = {
        "type": "scatter",
        "mode": "markers",
        "x": [(LEFT + RIGHT) / 2.0] if shown else [],
        "y": [now] if shown else [],
        "marker": {
            "symbol": "diamond",
            "size": 11,
            "color": colours["minus-fill" if (now or 0.0) < 0.0 else "plus-fill"],
            "line": {"width": 1, "color": colours["bg-0"]},
        },
        "hovertemplate": "now %{y:+.1f} bps<extra></extra>",
    }
    return {
        "data": [marker],
        "layout": layout(
            theme,
            margin={**MARGIN, "r": 0},
            uirevision="rail",
            hovermode="closest",
            dragmode=False,
            xaxis=axis(theme, range=[0.0, 1.0], showticklabels=False),
            yaxis=axis(
                theme,
                domain=[0.0, SPLIT[1]],
                range=spread_axis(pair)["range"],
                showticklabels=False,
            ),
            shapes=_bands(pair, colours),
            annotations=[*_labels(pair, colours), _head(window_s, colours)],
        ),
    }


def _head(window_s: float, colours: dict[str, str]) -> dict[str, Any]:
    return {
        "showarrow": False,
        "xref": "paper",
        "x": 0.5,
        "yref": "paper",
        "y": SPLIT[1],
        "yanchor": "bottom",
        "yshift": 2,
        "text": f"{window_word(window_s)} rank",
        "font": {"size": 12, "color": colours["text-1"], "family": FONT},
    }


def blank_rail(theme: Theme) -> Figure:
    """The rail before there is a pair."""
    hidden = {"showticklabels": False}
    return {
        "data": [{"type": "scatter", "x": [], "y": []}],
        "layout": layout(
            theme,
            margin={**MARGIN, "r": 0},
            xaxis=axis(theme, range=[0.0, 1.0], **hidden),
            yaxis=axis(theme, domain=[0.0, SPLIT[1]], range=[-10.0, 10.0], **hidden),
        ),
    }


def _bands(pair: PairNow, colours: dict[str, str]) -> list[dict[str, Any]]:
    q = pair.quantiles
    if q is None:
        return []
    base = {"type": "rect", "xref": "x", "yref": "y", "x0": LEFT, "x1": RIGHT, "line": {"width": 0}}
    bands = [
        {**base, "y0": low, "y1": high, "fillcolor": colours[fill]}
        for low, high, fill in ((q.p1, q.p99, "band"), (q.p5, q.p95, "hatch"), (q.p25, q.p75, "hatch"))
    ]
    line = {"type": "line", "xref": "x", "yref": "y", "x0": LEFT - 0.07, "x1": RIGHT + 0.07, "y0": q.p50, "y1": q.p50}
    return [*bands, {**line, "line": {"width": 2, "color": colours["text-1"]}}]


def _labels(pair: PairNow, colours: dict[str, str]) -> list[dict[str, Any]]:
    """Names of the quantiles; those that would lie over others are left out, the median never."""
    q = pair.quantiles
    if q is None:
        return []
    low, high = spread_axis(pair)["range"]
    apart = (high - low) * 0.05
    placed: list[float] = []
    notes: list[dict[str, Any]] = []
    if pair.stats.now is not None:
        notes.append(
            {
                "showarrow": False,
                "xref": "x",
                "x": (LEFT + RIGHT) / 2.0,
                "yref": "y",
                "y": pair.stats.now,
                "yanchor": "bottom",
                "yshift": 6,
                "text": f"p{plain(pair.rank.percentile, 1)}",
                "font": {"size": 12, "color": colours["text-1"], "family": FONT},
            }
        )
    for level, word in ((q.p50, "p50"), (q.p99, "p99"), (q.p1, "p1"), (q.p95, "p95"), (q.p5, "p5")):
        if any(abs(level - other) < apart for other in placed):
            continue
        placed.append(level)
        notes.append(
            {
                "showarrow": False,
                "xref": "x",
                "x": RIGHT + 0.14,
                "xanchor": "left",
                "yref": "y",
                "y": level,
                "yanchor": "middle",
                "text": word,
                "font": {"size": 11, "color": colours["text-3"], "family": FONT},
            }
        )
    return notes


def rail_summary(pair: PairNow) -> str:
    """The rail in a sentence."""
    q = pair.quantiles
    if q is None:
        return "Nothing is remembered of this pair in the window."
    rank = "not known" if pair.rank.percentile is None else f"percentile {plain(pair.rank.percentile, 1)}"
    return (
        f"Now is {rank}; 98 % of the samples lie between {signed(q.p1)} and {signed(q.p99)} bps, half between "
        f"{signed(q.p25)} and {signed(q.p75)}."
    )


def bars(pair: PairNow, theme: Theme) -> Figure:
    """Samples by bins, counts on a logarithmic axis; blue where something would be left."""
    colours = tokens(theme)
    found = histogram(pair.series.spread_bps)
    zero = pair.net_zero
    if found is None:
        left, counts, width = np.empty(0), np.empty(0), 1.0
    else:
        left, counts, width = found.left, found.counts.astype(float), found.width
    gains = left + width / 2.0 >= zero if known(zero) else np.zeros(len(left), dtype=bool)
    marks = [value for value in (pair.stats.now, zero) if value is not None and known(value)]
    low = min([*left.tolist(), *marks], default=-10.0)
    high = max([*(left + width).tolist(), *marks], default=10.0)
    room = max((high - low) * 0.04, 0.5)
    step = round_step((high - low + 2 * room) / 5.0)
    ticks = [round(float(np.ceil((low - room) / step) * step + i * step), 6) for i in range(8)]
    ticks = [tick for tick in ticks if tick <= high + room]
    top = max(10.0, float(counts.max(initial=1.0)) * 2.5)
    return {
        "data": [
            {
                "type": "bar",
                "x": packed(left + width / 2.0),
                "y": packed(np.where(counts > 0, counts, np.nan)),
                "width": width * 0.9,
                "marker": {
                    "color": [colours["plus-fill"] if gain else colours["text-3"] for gain in gains.tolist()],
                    "line": {"width": 0},
                },
                "customdata": [
                    f"{signed(a, 2 if width < 1.0 else 1)} to {signed(a + width, 2 if width < 1.0 else 1)} bps"
                    for a in left.tolist()
                ],
                "hovertemplate": "%{customdata}: %{y:.0f} samples<extra></extra>",
            }
        ],
        "layout": layout(
            theme,
            height=HISTOGRAM_HEIGHT,
            margin={"l": 12, "r": 44, "t": 24, "b": 24, "pad": 0},
            uirevision="histogram",
            dragmode=False,
            xaxis=axis(
                theme,
                range=[low - room, high + room],
                tickvals=ticks,
                ticktext=[signed(tick, 0 if step >= 1.0 else 1) for tick in ticks],
                showline=True,
                tickangle=0,
            ),
            yaxis=axis(
                theme,
                type="log",
                side="right",
                range=[float(np.log10(0.6)), float(np.log10(top))],
                tickvals=[count for count in COUNTS if count <= top],
                ticktext=[plain(count) for count in COUNTS if count <= top],
                showgrid=True,
            ),
            **_lines(pair, colours),
        ),
    }


def blank_bars(theme: Theme) -> Figure:
    """The histogram before there is a pair: the same kinds of axes, as Plotly cannot turn one into the other."""
    hidden = {"showticklabels": False}
    return {
        "data": [{"type": "bar", "x": [], "y": []}],
        "layout": layout(
            theme,
            height=HISTOGRAM_HEIGHT,
            margin={"l": 12, "r": 44, "t": 24, "b": 24, "pad": 0},
            xaxis=axis(theme, range=[-10.0, 10.0], **hidden),
            yaxis=axis(theme, type="log", side="right", range=[0.0, 1.0], **hidden),
        ),
    }


def _lines(pair: PairNow, colours: dict[str, str]) -> dict[str, Any]:
    """Net 0 and now, across the histogram."""
    shapes, notes = [], []
    sign = "minus" if (pair.stats.now or 0.0) < 0.0 else "plus"
    for value, word, ink, dash in (
        (pair.net_zero, "net 0", colours["text-2"], "dash"),
        (pair.stats.now, "now", colours[sign], "solid"),
    ):
        if value is None or not known(value):
            continue
        line = {"width": 1, "color": ink, "dash": dash}
        shapes.append({"type": "line", "xref": "x", "x0": value, "x1": value, "yref": "paper", "y0": 0, "y1": 1}
                      | {"line": line})  # fmt: skip
        notes.append(
            {
                "showarrow": False,
                "xref": "x",
                "x": value,
                "xanchor": "center",
                "yref": "paper",
                "y": 1,
                "yanchor": "bottom",
                "yshift": 10 if word == "net 0" else 0,
                "text": word,
                "font": {"size": 11, "color": ink, "family": FONT},
            }
        )
    return {"shapes": shapes, "annotations": notes}


def bars_summary(pair: PairNow) -> str:
    """The histogram in a sentence."""
    stats = pair.stats
    if not stats.n:
        return "No samples in the window."
    return (
        f"{plain(stats.n)} samples from {signed(stats.low)} to {signed(stats.high)} bps, median {signed(stats.median)}."
    )
