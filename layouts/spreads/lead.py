"""Which of the two exchanges moves first: both clocks, in words, numbers and a small drawing."""

from dataclasses import dataclass
from typing import Any

from dash import html

from analytics.lead_lag import MIN_RETURNS, SIGNIFICANT, LeadLag, lead_lag
from desk import View
from layouts.format import age, plain, signed
from layouts.spreads.choice import Choice
from layouts.theme import FONT, Figure, Theme, axis, layout, tokens

EVERY_S = 5.0
HEIGHT = 84
MAX_LAG_MS = 2_000
CLOCKS = ("By our receipt", "By the exchanges' clocks")
REACHES = (100.0, 250.0, 500.0, 1_000.0, 2_000.0)  # ms, of the drawing to either side
SAME_WAY = "Both contain the difference of the two shortest network paths to here."


@dataclass(frozen=True)
class Leads:
    """The same pair by both clocks; the first exchange is the one that is bought on."""

    received: LeadLag
    event: LeadLag

    @property
    def both(self) -> tuple[LeadLag, LeadLag]:
        return self.received, self.event


def read_leads(view: View, choice: Choice) -> Leads:
    """Estimate both lags from what is recorded. Takes up to a second."""
    tape = view.market.tape

    def by(clock: Any) -> LeadLag:
        first, second = (tape.events(choice.symbol, leg, clock) for leg in (choice.buy, choice.sell))
        return lead_lag(first, second, max_lag_ms=MAX_LAG_MS)

    return Leads(by("received"), by("event"))


def verdict(found: LeadLag, buy: str, sell: str) -> str:
    """'Bybit first by 200 ms', or 'undecided'."""
    if found.leader == "undecided" or found.lag_ms is None:
        return "undecided"
    return f"{buy if found.leader == 'first' else sell} first by {plain(abs(found.lag_ms))} ms"


def why(found: LeadLag) -> str:
    """What is known besides: the numbers behind a leader, or why there is none."""
    counts = f"n {plain(found.n_first)} and {plain(found.n_second)} in {age(found.window_s)}"
    if found.lag_ms is None or found.low_ms is None or found.high_ms is None or found.p_value is None:
        fewest = min(found.n_first, found.n_second)
        need = f"needs {MIN_RETURNS} moves of each" if fewest < MIN_RETURNS else "needs 40 s that both span"
        return f"{need}; {counts}"
    interval = f"95 % {signed(found.low_ms, 0)} to {signed(found.high_ms, 0)} ms"
    numbers = f"{interval}, correlation {plain(found.correlation, 2)}, {counts}"
    if found.leader != "undecided":
        return numbers
    if found.p_value > SIGNIFICANT:
        return f"chance makes as high a peak in {plain(found.p_value * 100.0, 1)} % of draws; {numbers}"
    if found.low_ms * found.high_ms <= 0.0:
        return f"the interval contains 0; {numbers}"
    return f"the peak lies at the end of the tried lags; {numbers}"


def panel(leads: Leads | None, buy: str, sell: str) -> list[Any]:
    """Both clocks, one under the other."""
    if leads is None:
        return [html.Div("Being computed.", className="hint")]
    lines: list[Any] = [
        html.Div(
            [
                html.Div([html.Span(clock, className="dim"), html.Strong(verdict(found, buy, sell))], className="said"),
                html.Div(why(found), className="hint"),
            ],
            className="clock-line",
        )
        for clock, found in zip(CLOCKS, leads.both, strict=True)
    ]
    return [*lines, html.Div(SAME_WAY, className="hint")]


def drawing(leads: Leads | None, buy: str, sell: str, theme: Theme) -> Figure:
    """Lag and interval of each clock around zero: to the right the bought exchange leads, to the left the sold one."""
    colours = tokens(theme)
    found = leads.both if leads else ()
    ends = [abs(v) for one in found for v in (one.low_ms, one.high_ms) if v is not None]
    reach = next((r for r in REACHES if r >= max(ends, default=0.0) * 1.1), REACHES[-1])
    points = [(one, 1 - i) for i, one in enumerate(found) if one.lag_ms is not None]
    spans_x: list[float | None] = []
    spans_y: list[float | None] = []
    for one, y in points:
        spans_x += [one.low_ms, one.high_ms, None]
        spans_y += [y, y, None]
    small = {"size": 11, "color": colours["text-3"], "family": FONT}
    side = {"showarrow": False, "xref": "paper", "yref": "paper", "y": 1, "yanchor": "bottom", "font": small}
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "lines",
                "x": spans_x,
                "y": spans_y,
                "line": {"width": 3, "color": colours["text-3"]},
                "hoverinfo": "skip",
            },
            {
                "type": "scatter",
                "mode": "markers",
                "x": [one.lag_ms for one, _ in points],
                "y": [y for _, y in points],
                "marker": {
                    "size": 9,
                    "symbol": ["circle-open" if one.leader == "undecided" else "circle" for one, _ in points],
                    "color": colours["text-1"],
                    "line": {"width": 1.5, "color": colours["text-1"]},
                },
                "text": [CLOCKS[1 - y] for _, y in points],
                "hovertemplate": "%{text}: %{x:+.0f} ms<extra></extra>",
            },
        ],
        "layout": layout(
            theme,
            height=HEIGHT,
            margin={"l": 62, "r": 34, "t": 20, "b": 22, "pad": 0},
            uirevision="lead",
            hovermode="closest",
            dragmode=False,
            xaxis=axis(
                theme,
                range=[-reach, reach],
                tickvals=[-reach, -reach / 2.0, 0.0, reach / 2.0, reach],
                ticktext=[signed(v, 0) + (" ms" if v == reach else "") for v in
                          (-reach, -reach / 2.0, 0.0, reach / 2.0, reach)],
                showgrid=True,
                tickangle=0,
            ),
            yaxis=axis(theme, range=[-0.6, 1.6], tickvals=[1, 0], ticktext=["receipt", "event"]),
            shapes=[
                {"type": "line", "x0": 0, "x1": 0, "yref": "paper", "y0": 0, "y1": 1,
                 "line": {"width": 1, "color": colours["line-2"]}}
            ],
            annotations=[
                {**side, "x": 0, "xanchor": "left", "text": f"{sell} first" if sell else ""},
                {**side, "x": 1, "xanchor": "right", "text": f"{buy} first" if buy else ""},
            ],
        ),
    }  # fmt: skip


def summary(leads: Leads | None, buy: str, sell: str) -> str:
    """The drawing in words."""
    if leads is None:
        return "Lead and lag are being computed."
    said = [f"{clock}: {verdict(found, buy, sell)}." for clock, found in zip(CLOCKS, leads.both, strict=True)]
    return " ".join([*said, SAME_WAY])
