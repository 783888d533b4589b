"""Where a net edge comes from, as a waterfall."""

from layouts.format import rounded_parts, signed
from layouts.theme import FONT, Figure, Theme, axis, empty, layout, tokens

HEIGHT = 220


def parts(gross: float, expected_exit: float, fees: float, net: float) -> list[tuple[str, float]]:
    """Gross, exit and both halves of the fees, rounded so that what is shown sums to the net that is shown.

    Any residue, a tenth at most, goes into the exit: it is the estimate among them.
    """
    values = rounded_parts([gross, expected_exit, -fees / 2.0, -fees / 2.0], net, absorb=1)
    return list(zip(("Gross", "Exit (median)", "Fees in", "Fees out"), values, strict=True))


def waterfall(gross: float | None, exit_: float | None, fees: float | None, net: float | None, theme: Theme) -> Figure:
    """Bars that start where the one before ended; empty while a part is not known."""
    if gross is None or exit_ is None or fees is None or net is None:
        return empty(theme, HEIGHT)
    colours = tokens(theme)
    steps = parts(gross, exit_, fees, net)
    total = round(net, 1)
    bases, running = [], 0.0
    for _, value in steps:
        bases.append(round(running, 1))
        running += value
    names = [name for name, _ in steps] + ["Net"]
    values = [value for _, value in steps] + [total]
    bases.append(0.0)
    ends = [base + value for base, value in zip(bases, values, strict=True)]
    low, high = min(0.0, *ends, *bases), max(0.0, *ends, *bases)
    room = max(high - low, 1.0) * 0.16
    return {
        "data": [
            {
                "type": "bar",
                "x": names,
                "y": values,
                "base": bases,
                "width": 0.6,
                "text": [signed(value) for value in values],
                "textposition": "outside",
                "constraintext": "none",
                "cliponaxis": False,
                "textfont": {"size": 11, "color": colours["text-1"], "family": FONT},
                "marker": {
                    "color": [colours["plus-fill" if v >= 0 else "minus-fill"] for v in values],
                    "line": {"width": 0},
                },
                "hoverinfo": "skip",
            }
        ],
        "layout": layout(
            theme,
            height=HEIGHT,
            margin={"l": 16, "r": 16, "t": 12, "b": 30, "pad": 0},
            uirevision="net",
            xaxis=axis(theme, type="category", range=[-0.6, len(names) - 0.4]),
            yaxis=axis(theme, showticklabels=False, zeroline=True, range=[low - room, high + room]),
            dragmode=False,
        ),
    }


def summary(gross: float | None, exit_: float | None, fees: float | None, net: float | None) -> str:
    """The waterfall in a sentence."""
    if gross is None or exit_ is None or fees is None or net is None:
        return "The net edge is not known: the pair has no history of exits yet."
    shown = ", ".join(f"{name.lower()} {signed(value)}" for name, value in parts(gross, exit_, fees, net))
    return f"Net edge {signed(net)} bps: {shown}."
