"""Two small charts of one exchange: how much it says, and how old its quotes are."""

from collections.abc import Sequence

from layouts.format import plain
from layouts.theme import FONT, Figure, Theme, axis, empty, layout, tokens

HEIGHT = 150
RATE_STEP_S = 10
EDGES_S = (0.2, 1.0, 3.0, 10.0)  # of the age classes; the last class is older
CLASSES = ("to 0.2", "to 1", "to 3", "to 10", "older")


def rates(values: Sequence[float], theme: Theme) -> Figure:
    """Frames per second as steps, from zero up, now at the right."""
    if len(values) < 2:
        return empty(theme, HEIGHT)
    colours = tokens(theme)
    minutes = [-(len(values) - 1 - i) * RATE_STEP_S / 60.0 for i in range(len(values))]
    top = max(*values, 1.0)
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "lines",
                "x": minutes,
                "y": [round(value, 1) for value in values],
                "line": {"shape": "hv", "width": 1.3, "color": colours["text-1"]},
                "fill": "tozeroy",
                "fillcolor": colours["band"],
                "hovertemplate": "%{y:,.0f} frames/s<extra></extra>",
            }
        ],
        "layout": layout(
            theme,
            height=HEIGHT,
            margin={"l": 30, "r": 52, "t": 6, "b": 22, "pad": 0},
            uirevision="rates",
            hovermode="x",
            dragmode=False,
            xaxis=axis(
                theme,
                range=[-10.0, 0.0],
                tickvals=[-10, -5, 0],
                ticktext=["\u221210 min", "\u22125 min", "now"],
                hoverformat=".1f",
            ),
            yaxis=axis(theme, side="right", range=[0.0, top * 1.15], nticks=4, showgrid=True, tickformat=",.0f"),
        ),
    }


def age_classes(ages_s: Sequence[float]) -> list[int]:
    """How many ages fall into each class; sorted input is not needed."""
    counts = [0] * len(CLASSES)
    for value in ages_s:
        counts[next((i for i, edge in enumerate(EDGES_S) if value <= edge), len(EDGES_S))] += 1
    return counts


def ages(ages_s: Sequence[float], theme: Theme) -> Figure:
    """Contracts by the age of their best quote."""
    if not ages_s:
        return empty(theme, HEIGHT)
    colours = tokens(theme)
    counts = age_classes(ages_s)
    return {
        "data": [
            {
                "type": "bar",
                "x": list(CLASSES),
                "y": counts,
                "width": 0.7,
                "text": [plain(count) for count in counts],
                "textposition": "outside",
                "constraintext": "none",
                "cliponaxis": False,
                "textfont": {"size": 11, "color": colours["text-1"], "family": FONT},
                "marker": {"color": colours["text-3"], "line": {"width": 0}},
                "hoverinfo": "skip",
            }
        ],
        "layout": layout(
            theme,
            height=HEIGHT,
            margin={"l": 12, "r": 12, "t": 6, "b": 22, "pad": 0},
            uirevision="ages",
            dragmode=False,
            xaxis=axis(theme, type="category"),
            yaxis=axis(theme, showticklabels=False, range=[0, max(counts) * 1.25]),
        ),
    }


def rates_summary(title: str, values: Sequence[float]) -> str:
    """The rates in a sentence."""
    if not values:
        return f"{title} has sent nothing yet."
    return (
        f"{title} sends {plain(values[-1])} frames per second now; in the last ten minutes from {plain(min(values))} "
        f"to {plain(max(values))}."
    )


def ages_summary(title: str, ages_s: Sequence[float]) -> str:
    """The ages in a sentence."""
    if not ages_s:
        return f"No quotes of {title} are known."
    said = ", ".join(f"{name} s: {plain(count)}" for name, count in zip(CLASSES, age_classes(ages_s), strict=True))
    return f"Best quotes of {title} by age; {said}."
