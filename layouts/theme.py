"""Colours and fonts of figures. The same tokens as assets/10-tokens.css: Plotly draws on its own and knows no CSS."""

from typing import Any, Literal

Theme = Literal["dark", "light"]
Figure = dict[str, Any]

FONT = '"Inter Variable", Inter, system-ui, sans-serif'

DARK = {
    "bg-0": "#0B0D11",
    "bg-3": "#22262C",
    "line": "#222529",
    "line-2": "#353940",
    "text-1": "#E7EAEE",
    "text-2": "#AEB3BA",
    "text-3": "#8C9199",
    "accent": "#57D6C3",
    "plus": "#71ACF6",
    "minus": "#F49A50",
    "plus-fill": "#5692E1",
    "minus-fill": "#DB8440",
    "leg-long": "#7EE7D9",
    "leg-short": "#C46DBD",
    "hatch": "rgba(255,255,255,0.16)",
    "band": "rgba(255,255,255,0.06)",
}
LIGHT = {
    "bg-0": "#FFFFFF",
    "bg-3": "#FFFFFF",
    "line": "#E1E4E8",
    "line-2": "#C3C7CE",
    "text-1": "#1C1F25",
    "text-2": "#4B5058",
    "text-3": "#666B73",
    "accent": "#007467",
    "plus": "#195FBF",
    "minus": "#A2511A",
    "plus-fill": "#4484DD",
    "minus-fill": "#D3742A",
    "leg-long": "#14938D",
    "leg-short": "#802180",
    "hatch": "rgba(20,28,44,0.22)",
    "band": "rgba(20,28,44,0.06)",
}
# Orange to blue through the ground; both arms equally light, ends saturated so that text-1 stays readable on them.
_DIVERGING = {
    "dark": "#9C5015 #85461A #6E3D1D #56341E #3E2A1E #1F2023 #213046 #233E63 #244B81 #25589E #2566BB",
    "light": "#EFA265 #F2B17F #F4C099 #F6CFB3 #F6E0CF #F1F2F4 #D8E6F9 #C3DAFA #B0CEFA #9DC3F9 #8AB8F8",
}

CONFIG: Any = {
    "displaylogo": False,
    "displayModeBar": False,
    "responsive": True,
    "scrollZoom": False,
    "doubleClick": "autosize",
}


def as_theme(value: str | None) -> Theme:
    """What the browser remembered; dark unless it says light."""
    return "light" if value == "light" else "dark"


def tokens(theme: Theme) -> dict[str, str]:
    return LIGHT if theme == "light" else DARK


def diverging(theme: Theme) -> list[list[Any]]:
    """The colour scale of signed values, -limit to +limit."""
    steps = _DIVERGING[theme].split()
    return [[i / (len(steps) - 1), colour] for i, colour in enumerate(steps)]


def axis(theme: Theme, **more: Any) -> dict[str, Any]:
    """A quiet axis: no ticks, small figures."""
    colours = tokens(theme)
    return {
        "gridcolor": colours["line"],
        "linecolor": colours["line-2"],
        "zerolinecolor": colours["line-2"],
        "tickfont": {"size": 11, "color": colours["text-2"], "family": FONT},
        "ticks": "",
        "ticklabelstandoff": 4,
        "showgrid": False,
        "showline": False,
        "zeroline": False,
        "fixedrange": True,
        "automargin": False,
        "exponentformat": "none",
        **more,
    }


def layout(theme: Theme, **more: Any) -> dict[str, Any]:
    """What every figure shares: transparent, no legend, no mode bar, tooltips on elevation 3.

    Without `transition`, of whatever duration: Plotly reports the end of one as if the user had moved the axes, which
    Dash writes back into the figure, so that old figures are drawn again and a zoom is lost.
    """
    colours = tokens(theme)
    return {
        "font": {"family": FONT, "size": 12, "color": colours["text-2"]},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "separators": ".\u2009",
        "showlegend": False,
        "hoverlabel": {
            "bgcolor": colours["bg-3"],
            "bordercolor": colours["line-2"],
            "font": {"family": FONT, "size": 12, "color": colours["text-1"]},
            "align": "left",
            "namelength": -1,
        },
        **more,
    }


def empty(theme: Theme, height: int | None = None) -> Figure:
    """A figure before there is anything to draw: the pane keeps its size and stays calm."""
    hidden = {"visible": False, "fixedrange": True}
    more = {} if height is None else {"height": height}
    return {"data": [], "layout": layout(theme, xaxis=hidden, yaxis=hidden, margin=dict.fromkeys("lrtb", 0), **more)}
