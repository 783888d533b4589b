"""Two executable prices as steps, and below them the spread they make, on one time axis."""

import base64
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.profile import round_step
from analytics.series import band
from layouts.format import age, known, plain, price, signed
from layouts.spreads.pair import PairNow
from layouts.theme import FONT, Figure, Theme, axis, layout, tokens
from store.episodes import Episode

SPLIT = (0.56, 0.47)  # the prices begin above the first, the spread ends below the second
SIGMAS = 2.0
DAY_S = 86_400.0
MARKS = 60  # episodes that are marked, the newest
MARGIN = {"l": 0, "r": 64, "t": 30, "b": 26, "pad": 0}


def packed(values: NDArray[np.float64]) -> dict[str, str]:
    """An array as Plotly's typed-array notation: a fifth of the bytes of written numbers, and no parsing."""
    return {"dtype": "f8", "bdata": base64.b64encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode()}


def chart(pair: PairNow, buy_title: str, sell_title: str, window_s: float, theme: Theme) -> Figure:
    """Draw a pair over the window, or over what is remembered while that is less. The mouse zooms in time only."""
    colours = tokens(theme)
    series = pair.series
    time = packed(series.time * 1e3)
    span = float(series.time[-1] - series.time[0]) if len(series.time) else 0.0
    buy = f"Buy {buy_title} ask"
    sell = f"Sell {sell_title} bid"
    return {
        "data": [
            _steps(time, series.buy_price, buy, colours["leg-long"], "solid", "y", pair.decimals),
            _steps(time, series.sell_price, sell, colours["leg-short"], "dot", "y", pair.decimals),
            _steps(time, series.spread_bps, "Spread", colours["text-1"], "solid", "y2", 1),
        ],
        "layout": layout(
            theme,
            margin=MARGIN,
            uirevision=f"{pair.choice.id}:{window_s:.0f}",
            hovermode="x unified",
            dragmode="zoom",
            xaxis=axis(
                theme,
                type="date",
                fixedrange=False,
                anchor="y2",
                tickformat=time_format(span),
                hoverformat="%H:%M:%S" if span <= DAY_S else "%d %b %H:%M",
                nticks=6,
                tickangle=0,  # narrow pages drop labels; they never turn them
                showgrid=True,
                showspikes=True,
                spikemode="across",
                spikethickness=1,
                spikedash="solid",
                spikecolor=colours["text-3"],
            ),
            yaxis=axis(
                theme,
                side="right",
                domain=[SPLIT[0], 1.0],
                showgrid=True,
                nticks=6,
                tickformat=f",.{min(pair.decimals, 12)}f" if pair.decimals is not None else "",
            ),
            yaxis2=axis(
                theme,
                side="right",
                domain=[0.0, SPLIT[1]],
                showgrid=True,
                nticks=6,
                **spread_axis(pair),
            ),
            shapes=[*_shapes(pair, colours), *_marks(pair, colours)],
            annotations=[*_annotations(pair, colours), *_highest(pair, colours)],
        ),
    }


def blank(theme: Theme) -> Figure:
    """The same axes with nothing on them: Plotly cannot turn a figure with one panel into one with two."""
    hidden = {"showticklabels": False}
    return {
        "data": [{"type": "scatter", "x": [], "y": [], "yaxis": name} for name in ("y", "y", "y2")],
        "layout": layout(
            theme,
            margin=MARGIN,
            xaxis=axis(theme, type="date", anchor="y2", **hidden),
            yaxis=axis(theme, side="right", domain=[SPLIT[0], 1.0], **hidden),
            yaxis2=axis(theme, side="right", domain=[0.0, SPLIT[1]], **hidden),
        ),
    }


def _steps(
    time: dict[str, str], values: NDArray[np.float64], name: str, colour: str, dash: str, y: str, decimals: int | None
) -> dict[str, Any]:
    shown = "" if decimals is None else f":.{min(decimals, 12)}f" if y == "y" else f":+.{decimals}f"
    return {
        "type": "scatter",
        "mode": "lines",
        "x": time,
        "y": packed(values),
        "yaxis": y,
        "name": name,
        "connectgaps": False,
        "line": {"shape": "hv", "width": 1.5, "color": colour, "dash": dash},
        "hovertemplate": f"{name} %{{y{shown}}}<extra></extra>",
    }


def spread_axis(pair: PairNow) -> dict[str, Any]:
    """A range that holds the series, its band and the line of no gain, with signed ticks."""
    stats = pair.stats
    marks = [value for value in (stats.low, stats.high, pair.net_zero) if value is not None and known(value)]
    if stats.n and (limits := band(stats, SIGMAS)):
        marks += limits
    if not marks:
        return {"range": [-10.0, 10.0]}
    low, high = min(marks), max(marks)
    room = max(high - low, 1.0) * 0.12
    step = round_step((high - low + 2 * room) / 5.0)
    first = np.ceil((low - room) / step) * step
    ticks = [round(float(first + i * step), 6) for i in range(8) if first + i * step <= high + room]
    decimals = 0 if step >= 1.0 else 1
    return {
        "range": [low - room, high + room],
        "tickvals": ticks,
        "ticktext": [signed(tick, decimals) for tick in ticks],
    }


def _shapes(pair: PairNow, colours: dict[str, str]) -> list[dict[str, Any]]:
    """Mean and band, the line of no gain, and the hairline between the two panels."""
    across = {"type": "line", "xref": "paper", "x0": 0, "x1": 1}
    middle = (SPLIT[0] + SPLIT[1]) / 2.0
    shapes: list[dict[str, Any]] = [
        {**across, "yref": "paper", "y0": middle, "y1": middle, "line": {"width": 1, "color": colours["line"]}}
    ]
    limits = band(pair.stats, SIGMAS)
    if limits is not None:
        ground = {"type": "rect", "xref": "paper", "x0": 0, "x1": 1, "layer": "below", "line": {"width": 0}}
        shapes.append({**ground, "yref": "y2", "y0": limits[0], "y1": limits[1], "fillcolor": colours["band"]})
    if pair.stats.mean is not None:
        line = {"width": 1, "color": colours["text-3"]}
        shapes.append({**across, "yref": "y2", "y0": pair.stats.mean, "y1": pair.stats.mean, "line": line})
    if known(pair.net_zero):
        line = {"width": 1, "color": colours["text-2"], "dash": "dash"}
        shapes.append({**across, "yref": "y2", "y0": pair.net_zero, "y1": pair.net_zero, "line": line})
    return shapes


def time_format(span_s: float) -> str:
    """Of the ticks: seconds, minutes, or days where there are several."""
    return "%H:%M:%S" if span_s <= 300.0 else "%H:%M" if span_s <= 1.1 * DAY_S else "%d %b"


def _stamp(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _drawn(pair: PairNow) -> list[tuple[Episode, float, float]]:
    """Episodes inside the drawn time, newest first, with their beginning and end there."""
    if not len(pair.series.time):
        return []
    start, end = float(pair.series.time[0]), float(pair.series.time[-1])
    ends = [(one, end if one.closed is None else one.closed) for one in pair.episodes]
    return [(one, max(one.opened, start), until) for one, until in ends if until > start][:MARKS]


def _marks(pair: PairNow, colours: dict[str, str]) -> list[dict[str, Any]]:
    """Episodes as bands over both panels; short ones are at least a line."""
    return [
        {
            "type": "rect",
            "xref": "x",
            "x0": _stamp(start),
            "x1": _stamp(max(end, start)),
            "yref": "paper",
            "y0": 0,
            "y1": 1,
            "layer": "below",
            "fillcolor": colours["plus-fill"],
            "opacity": 0.16,
            "line": {"width": 1, "color": colours["plus-fill"]},
        }
        for one, start, end in _drawn(pair)
    ]


def _highest(pair: PairNow, colours: dict[str, str]) -> list[dict[str, Any]]:
    """Words at the highest of the marked episodes."""
    drawn = _drawn(pair)
    if not drawn:
        return []
    one, start, _ = max(drawn, key=lambda mark: mark[0].peak_bps)
    lasted = (pair.time if one.closed is None else one.closed) - one.opened
    late = start > (float(pair.series.time[0]) + float(pair.series.time[-1])) / 2.0
    return [
        {
            "showarrow": False,
            "xref": "x",
            "x": _stamp(start),
            "xanchor": "right" if late else "left",
            "xshift": -4 if late else 4,
            "yref": "paper",
            "y": SPLIT[1],
            "yanchor": "top",
            "yshift": -6,
            "text": f"{age(lasted)}, peak {signed(one.peak_bps)} net",
            "font": {"size": 11, "color": colours["text-2"], "family": FONT},
            "bgcolor": colours["bg-0"],
        }
    ]


def _annotations(pair: PairNow, colours: dict[str, str]) -> list[dict[str, Any]]:
    """What the panels are, and the names of the lines in them."""
    base = {"showarrow": False, "xref": "paper", "font": {"size": 12, "color": colours["text-1"], "family": FONT}}
    small = {"size": 11, "color": colours["text-2"], "family": FONT}
    head = {**base, "x": 0, "xanchor": "left", "xshift": 12, "yref": "paper", "yanchor": "bottom"}
    quote = pair.choice.symbol.rpartition("-")[2]
    notes: list[dict[str, Any]] = [
        {**head, "y": 1.0, "yshift": 8, "text": f"Executable prices, {quote}"},
        {**head, "y": SPLIT[1], "yshift": 2, "text": "Executable spread, bps, bid of sell less ask of buy"},
    ]
    inside = {**base, "x": 0, "xanchor": "left", "xshift": 12, "yref": "y2", "font": small}
    # Of two lines that lie close together, each carries its words on its outer side.
    mean_above = pair.stats.mean is not None and known(pair.net_zero) and pair.stats.mean >= pair.net_zero
    if known(pair.net_zero):
        anchor = "top" if mean_above else "bottom"
        notes.append({**inside, "y": pair.net_zero, "yanchor": anchor, "text": f"net 0 at {signed(pair.net_zero)}"})
    if pair.stats.mean is not None:
        anchor = "bottom" if mean_above or not known(pair.net_zero) else "top"
        notes.append({**inside, "y": pair.stats.mean, "yanchor": anchor, "text": f"mean {signed(pair.stats.mean)}"})
    notes += _price_labels(pair, base, colours)
    if pair.stats.now is not None:
        font = {"size": 11, "color": colours["text-1"], "family": FONT}
        edge = {**base, "x": 1, "xanchor": "left", "xshift": 3, "yref": "y2", "yanchor": "middle"}
        now = {"y": pair.stats.now, "text": signed(pair.stats.now), "font": font, "bgcolor": colours["bg-0"]}
        notes.append({**edge, **now})
    return notes


def _price_labels(pair: PairNow, base: dict[str, Any], colours: dict[str, str]) -> list[dict[str, Any]]:
    """Both prices at the right edge, in the colours of their lines; pushed apart so that both can be read."""
    legs = [(pair.long_leg.price, colours["leg-long"]), (pair.short_leg.price, colours["leg-short"])]
    shown = sorted(((value, colour) for value, colour in legs if known(value) and pair.stats.n), reverse=True)
    return [
        {
            **base,
            "x": 1,
            "xanchor": "left",
            "xshift": 3,
            "yref": "y",
            "y": value,
            "yanchor": "middle" if len(shown) < 2 else "bottom" if i == 0 else "top",
            "text": price(value, pair.decimals),
            "font": {"size": 11, "color": colour, "family": FONT},
            "bgcolor": colours["bg-0"],
        }
        for i, (value, colour) in enumerate(shown)
    ]


def summary(pair: PairNow, buy_title: str, sell_title: str, window_s: float) -> str:
    """The chart in a sentence."""
    stats = pair.stats
    route = f"{pair.choice.symbol}, bought on {buy_title}, sold on {sell_title}"
    if stats.n == 0:
        return f"{route}: no samples in the last {age(window_s)}."
    now = f"now {signed(stats.now)} bps" if stats.now is not None else "not known now"
    zero = f"; {signed(pair.net_zero)} bps would leave nothing" if known(pair.net_zero) else ""
    return (
        f"{route}: the executable spread is {now}, mean {signed(stats.mean)}, from {signed(stats.low)} to "
        f"{signed(stats.high)} in {plain(stats.n)} samples{zero}."
    )
