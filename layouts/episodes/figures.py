"""Curves of survival on a logarithmic time axis, with their bands, censored marks and the numbers at risk below."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from analytics.lives import Lives
from layouts.format import age, plain
from layouts.spreads.figures import packed
from layouts.theme import FONT, Figure, Theme, axis, layout, tokens

MOST = 4  # lines that can be told apart
HEIGHT = 280
POINTS = 500  # of a curve, so that a step is never wider than a pixel or two
MARKS = 150
DASHES = ("solid", "solid", "dash", "dot")
TICKS = (
    (0.1, "0.1 s"), (0.3, "0.3 s"), (1.0, "1 s"), (3.0, "3 s"), (10.0, "10 s"), (60.0, "1 min"), (300.0, "5 min"),
    (1_800.0, "30 min"), (7_200.0, "2 h"), (43_200.0, "12 h"), (259_200.0, "3 d"),
)  # fmt: skip


def survival(shown: Sequence[Lives], names: Sequence[str], theme: Theme) -> Figure:
    """Draw up to MOST groups. Traces keep their order for ever: band, curve, marks of each."""
    colours = tokens(theme)
    inks = (colours["text-1"], colours["text-3"], colours["text-2"], colours["text-2"])
    start, end = _range(shown)
    traces: list[dict[str, Any]] = []
    for i in range(MOST):
        one = shown[i] if i < len(shown) else None
        traces += _group(one, names[i] if one else "", inks[i], DASHES[i], (start, end), colours["band"])
    ticks = [(at, word) for at, word in TICKS if start <= at <= end]
    rows = max(1, len(shown))
    return {
        "data": traces,
        "layout": layout(
            theme,
            height=HEIGHT,
            margin={"l": 132, "r": 116, "t": 14, "b": 34 + 16 * (rows + 1), "pad": 0},
            uirevision="survival",
            hovermode="closest",
            dragmode=False,
            xaxis=axis(
                theme,
                type="log",
                range=[float(np.log10(start)), float(np.log10(end))],
                tickvals=[at for at, _ in ticks],
                ticktext=[word for _, word in ticks],
                showgrid=True,
                showline=True,
                tickangle=0,
            ),
            yaxis=axis(
                theme,
                side="left",
                range=[0.0, 1.02],
                tickvals=[0.0, 0.25, 0.5, 0.75, 1.0],
                ticktext=["0", "25", "50", "75", "100"],
                showgrid=True,
            ),
            shapes=[
                {
                    "type": "line",
                    "xref": "paper",
                    "x0": 0,
                    "x1": 1,
                    "y0": 0.5,
                    "y1": 0.5,
                    "line": {"width": 1, "color": colours["text-3"], "dash": "dash"},
                }
            ],
            annotations=[
                *_names(shown, names, inks, end),
                *_at_risk(shown, names, [at for at, _ in ticks], colours),
            ],
        ),
    }


def _range(shown: Sequence[Lives]) -> tuple[float, float]:
    """From the shortest life that was seen to the longest, with some room. [s]"""
    seen = np.concatenate([one.seen_s for one in shown]) if shown else np.empty(0)
    seen = seen[seen > 0.0]
    if not len(seen):
        return 0.1, 100.0
    return max(0.05, float(seen.min()) * 0.8), max(2.0, float(seen.max()) * 1.15)


def _group(
    one: Lives | None, name: str, ink: str, dash: str, ends: tuple[float, float], ground: str
) -> list[dict[str, Any]]:
    empty: dict[str, Any] = {"type": "scatter", "x": [], "y": [], "mode": "lines", "hoverinfo": "skip"}
    if one is None or not one.survival.n:
        return [empty, empty, empty]
    steps = one.survival.steps
    time = np.array([ends[0], *(step.time_s for step in steps), float(one.seen_s[-1])])
    share = np.array([1.0, *(step.survival for step in steps), steps[-1].survival if steps else 1.0])
    # Where all have died the interval is not defined: the band ends there.
    low = np.array([1.0, *(np.nan if s.low is None else s.low for s in steps), np.nan])
    high = np.array([1.0, *(np.nan if s.high is None else s.high for s in steps), np.nan])
    if steps:
        low[-1], high[-1] = low[-2], high[-2]
    kept = _thinned(time, ends)
    time, share, low, high = time[kept], share[kept], low[kept], high[kept]
    banded = ~np.isnan(low)
    across, lower, upper = (_stairs(time[banded], values[banded]) for values in (time, low, high))
    band = {
        **empty,
        "x": packed(np.concatenate([across[0], across[0][::-1]])),
        "y": packed(np.concatenate([upper[1], lower[1][::-1]])),
        "fill": "toself",
        "fillcolor": ground,
        "line": {"width": 0},
    }
    curve = {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": packed(time),
        "y": packed(share),
        "customdata": [age(t) for t in time.tolist()],
        "line": {"shape": "hv", "width": 2 if dash == "solid" else 1.5, "color": ink, "dash": dash},
        "hovertemplate": f"{name}: %{{y:.1%}} lived longer than %{{customdata}}<extra></extra>",
    }
    lost = one.lost_s[one.lost_s > 0.0]
    lost = lost[np.linspace(0, len(lost) - 1, MARKS).astype(int)] if len(lost) > MARKS else lost
    marks = {
        **empty,
        "mode": "markers",
        "x": packed(lost),
        "y": packed(one.share_at(lost)),
        "marker": {"symbol": "line-ns-open", "size": 8, "color": ink, "line": {"width": 1.2, "color": ink}},
    }
    return [band, curve, marks]


def _stairs(time: Any, values: Any) -> tuple[Any, Any]:
    """A step function as corners, for an area."""
    return np.repeat(time, 2)[1:], np.repeat(values, 2)[:-1]


def _thinned(time: Any, ends: tuple[float, float]) -> Any:
    """Of steps within one POINTS-th of the axis the last one."""
    if len(time) <= POINTS:
        return np.ones(len(time), dtype=bool)
    place = np.log(np.maximum(time, ends[0]) / ends[0]) / np.log(ends[1] / ends[0])
    cell = np.floor(place * POINTS)
    return np.append(cell[1:] != cell[:-1], True) | (np.arange(len(time)) == 0)


def _names(shown: Sequence[Lives], names: Sequence[str], inks: Sequence[str], end: float) -> list[dict[str, Any]]:
    """Each line's name at its end, pushed apart so that all can be read."""
    last = [(one.survival.steps[-1].survival if one.survival.steps else 1.0, i) for i, one in enumerate(shown)]
    notes, floor = [], -1.0
    for level, i in sorted(last):
        floor = max(level, floor + 0.085)
        notes.append(
            {
                "showarrow": False,
                "xref": "paper",
                "x": 1,
                "xshift": 6,
                "xanchor": "left",
                "y": floor,
                "yanchor": "middle",
                "text": names[i],
                "font": {"size": 11, "color": inks[i], "family": FONT},
            }
        )
    return notes


def _at_risk(
    shown: Sequence[Lives], names: Sequence[str], ticks: Sequence[float], colours: dict[str, str]
) -> list[dict[str, Any]]:
    """How many were still watched at each tick, a row for each group, below the axis."""
    base = {"showarrow": False, "yref": "paper", "y": 0, "yanchor": "top"}
    words = {**base, "xref": "paper", "x": 0, "xanchor": "left", "xshift": -124}
    quiet = {"size": 11, "color": colours["text-3"], "family": FONT}
    plainly = {"size": 11, "color": colours["text-2"], "family": FONT}
    notes: list[dict[str, Any]] = [{**words, "yshift": -26, "text": "At risk", "font": quiet}]
    for i, one in enumerate(shown):
        shift = -26 - 16 * (i + 1)
        notes.append({**words, "yshift": shift, "text": names[i], "font": plainly})
        notes += [
            {
                **base,
                "xref": "x",
                "x": float(np.log10(at)),
                "xanchor": "center",
                "yshift": shift,
                "text": plain(one.at_risk(at)),
                "font": plainly,
            }
            for at in ticks
        ]
    return notes


def summary(shown: Sequence[Lives], names: Sequence[str]) -> str:
    """The curves in a sentence each."""
    said = []
    for one, word in zip(shown, names, strict=True):
        group = one.survival
        half = f"half had ended after {age(group.median_s)}" if group.median_s is not None else "half had not ended"
        seen = "" if group.observed_s is None else f"; the longest was watched for {age(group.observed_s)}"
        said.append(f"{word}: {plain(group.n)} episodes, {half}{seen}.")
    return " ".join(said) or "No episode yet."
