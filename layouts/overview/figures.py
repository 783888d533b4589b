"""The deviation heatmap: exchanges down, symbols across, one row for each line of the strip at its left."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layouts.format import known, plain, signed
from layouts.theme import FONT, Figure, Theme, axis, diverging, layout, tokens

ROW = 35  # px, as the strip's rows
TALL_ROW = 46  # px, where a few exchanges leave room
HEAD = 86  # px above the first row, as the strip's head
COLUMNS = 40
FIGURE_FROM_BPS = 10.0


@dataclass(frozen=True)
class Deviations:
    """What the heatmap shows. exchanges: titles, top first. symbols: left first. Matrices have shape (E, N).

    deviation_bps: NaN where not known; stale: listed and quoted, but not fit to compare; age_s: seconds.
    notes: for exchanges with nothing to show, the words that stand in their row.
    """

    exchanges: tuple[str, ...]
    symbols: tuple[str, ...]
    deviation_bps: NDArray[np.float64]
    stale: NDArray[np.bool_]
    age_s: NDArray[np.float64]
    reasons: tuple[tuple[str, ...], ...]
    notes: dict[int, str]


def row_height(rows: int) -> int:
    """Height of a row of strip and heatmap. [px]"""
    return TALL_ROW if rows <= 6 else ROW


def heatmap(data: Deviations, limit_bps: float, theme: Theme) -> Figure:
    """Draw it. Limits are fixed: a coin that jumps must not repaint the others."""
    colours = tokens(theme)
    rows, columns = len(data.exchanges), len(data.symbols)
    names = [symbol.rpartition("-")[0] for symbol in data.symbols]
    z = [[round(v, 1) if known(v) else None for v in row] for row in data.deviation_bps.tolist()]
    text = [[signed(v, 0) if v is not None and abs(v) >= FIGURE_FROM_BPS else "" for v in row] for row in z]
    hover = [
        [
            f"<b>{data.symbols[j]}</b> on {data.exchanges[i]}<br>{signed(z[i][j])} bps from the median, "
            f"{plain(data.age_s[i, j], 1)} s old"
            if z[i][j] is not None
            else ""
            for j in range(columns)
        ]
        for i in range(rows)
    ]
    width = max(columns, 24)
    return {
        "data": [
            {
                "type": "heatmap",
                "x": list(range(columns)),
                "y": list(range(rows)),
                "z": z,
                "zmid": 0,
                "zmin": -limit_bps,
                "zmax": limit_bps,
                "colorscale": diverging(theme),
                "showscale": False,
                "xgap": 1,
                "ygap": 1,
                "hoverongaps": False,
                "text": text,
                "texttemplate": "%{text}",
                "textfont": {"size": 11, "color": colours["text-1"], "family": FONT},
                "hovertext": hover,
                "hovertemplate": "%{hovertext}<extra></extra>",
            },
            _hatch(data, colours),
        ],
        "layout": layout(
            theme,
            height=HEAD + rows * row_height(rows),
            margin={"l": 0, "r": 12, "t": HEAD, "b": 0, "pad": 0},
            uirevision="overview",
            hovermode="closest",
            barmode="overlay",
            dragmode=False,
            xaxis=axis(
                theme,
                side="top",
                range=[-0.5, width - 0.5],
                tickmode="array",
                tickvals=list(range(columns)),
                ticktext=names,
                tickangle=-58,
                tickfont={"size": 11, "color": colours["text-1"], "family": FONT},
            ),
            yaxis=axis(theme, range=[rows - 0.5, -0.5], showticklabels=False),
            annotations=[
                {
                    "x": 0.0,
                    "xshift": -6 if i < 0 else 0,
                    "y": i,
                    "text": words,
                    "showarrow": False,
                    "xanchor": "left",
                    "yanchor": "middle",
                    "font": {"size": 12, "color": colours["text-3"], "family": FONT},
                }
                for i, words in data.notes.items()
            ],
        ),
    }


def _hatch(data: Deviations, colours: dict[str, str]) -> dict[str, Any]:
    """Stale cells: a heatmap has no pattern, so bars are laid over it."""
    i, j = np.nonzero(data.stale)
    return {
        "type": "bar",
        "x": j.tolist(),
        "y": [0.94] * len(i),
        "base": (i - 0.47).tolist(),
        "width": 0.96,
        "marker": {
            "color": "rgba(0,0,0,0)",
            "line": {"width": 0},
            "pattern": {
                "shape": "/",
                "size": 6,
                "solidity": 0.22,
                "fgcolor": colours["hatch"],
                "bgcolor": "rgba(0,0,0,0)",
            },
        },
        "hovertext": [
            f"<b>{data.symbols[b]}</b> on {data.exchanges[a]}<br>{data.reasons[a][b]}, last seen "
            f"{plain(data.age_s[a, b], 1)} s ago"
            for a, b in zip(i.tolist(), j.tolist(), strict=True)
        ],
        "hovertemplate": "%{hovertext}<extra></extra>",
    }


def summary(data: Deviations) -> str:
    """The heatmap in a sentence."""
    if data.deviation_bps.size == 0 or not np.any(~np.isnan(data.deviation_bps)):
        return "No deviations are known yet."
    i, j = np.unravel_index(int(np.nanargmax(np.abs(data.deviation_bps))), data.deviation_bps.shape)
    largest = signed(float(data.deviation_bps[i, j]))
    stale = int(data.stale.sum())
    return (
        f"Deviation of mid prices on {len(data.exchanges)} exchanges for {len(data.symbols)} symbols. Largest: "
        f"{data.symbols[j]} on {data.exchanges[i]}, {largest} bps. {stale} quotes are stale."
    )
