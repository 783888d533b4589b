"""What the drawer says about one pair."""

from collections.abc import Sequence
from typing import Any

from dash import html

from analytics.explain import Figure, Input
from analytics.funding import CashFlow
from desk import Opportunity, View
from layouts import glance
from layouts.components import arrow, figure, icon, num, shape, td
from layouts.components import named as named_attribute
from layouts.format import age, clock, money, plain, sign_class, signed
from layouts.opportunities.evidence import found_words, limit_words, named, source_words, value_words
from layouts.opportunities.pair import Opened
from layouts.opportunities.rows import OK, capacity, verdict_words

FLOWS = 6
_STATE_SHAPES = {"refused": "shape shape-degraded", "not asked": "shape shape-off"}


def head(view: View, row: Opportunity) -> list[Any]:
    """Symbol, route and verdict."""
    route: list[Any] = ["Buy ", glance.title(view, row.buy), " ", arrow(), " sell ", glance.title(view, row.sell)]
    return [
        html.H2(row.symbol),
        html.Div(route, className="dim"),
        html.Span([verdict_mark(row), verdict_words(row, view.min_net_bps)], className="verdict"),
    ]


def verdict_mark(row: Opportunity) -> html.Span:
    if row.verdict != OK:
        return shape("degraded")
    return html.Span(icon("check"), className="ok-mark") if row.actionable else html.Span()


# -- six figures, each of which opens


def facts(view: View, opened: Opened) -> list[html.Details]:
    """Six figures; each opens into its formula, its inputs and their ages."""
    row, rank = opened.row, opened.rank
    by_name = {made.name: made for made in opened.explanation.figures}
    least = plain(view.min_net_bps, 1)
    reach = "24 h" if rank.reach_s >= 0.95 * rank.window_s else age(rank.reach_s)
    cells = (
        ("Net edge", signed(row.net_edge_bps), "bps", sign_class(row.net_edge_bps), by_name["net edge"]),
        ("Profit", money(row.profit), opened.quote, "", by_name["profit"]),
        (f"Capacity at {least} bps", plain(capacity(row)), opened.quote, "", by_name["capacity"]),
        ("Carry, APR", signed(_percent(opened.carry_apr)), "%", "", by_name["carry in 8 h"]),
        (f"Pct. of {reach}" if rank.n else "Percentile", plain(rank.percentile, 1), "%", "", _rank_figure(opened)),
        ("Alive", *_apart(age(row.alive_s)), "", _alive_figure(opened)),
    )
    return [
        html.Details(
            [
                html.Summary(
                    [
                        html.Div(label, className="label"),
                        html.Div(
                            figure(value, name, unit) if value else html.Span("not known", className="hint unknown")
                        ),
                    ]
                ),
                html.Div([html.Strong(label), *figure_lines(view, opened, made)], className="panel"),
            ],
            className="fact pop",
            key=str(i),
            **named_attribute("data-opens", f"fact {i}"),
        )
        for i, (label, value, unit, name, made) in enumerate(cells)
    ]


def _percent(value: float | None) -> float | None:
    return None if value is None else value * 100.0


def _apart(words: str) -> tuple[str, str]:
    """'36 s' as figure and unit; '2 h 04 m' stays whole."""
    value, _, unit = words.partition(" ")
    return (words, "") if " " in unit else (value, unit)


def _rank_figure(opened: Opened) -> Figure:
    rank, row = opened.rank, opened.row
    inputs = (
        Input("gross edge now", row.gross_edge_bps, "bps"),
        Input("samples", float(rank.n), "", None, "history"),
        Input("they reach back", rank.reach_s, "s", None, "history"),
        Input("one every", rank.step_s, "s", None, "history"),
    )
    formula = "share of the samples of the pair's own gross edge that are at or below now; at most a day"
    return Figure("percentile", rank.percentile, "%", formula, inputs)


def _alive_figure(opened: Opened) -> Figure:
    since = float(opened.one.pairs.since[0])
    inputs = (
        Input("opened", since if since == since else None, "epoch s"),
        Input("my minimum", opened.one.context.terms.min_net_bps, "bps", None, "yours"),
    )
    formula = "time since the edge at the touch, less the fees, has been at my minimum without a break"
    return Figure("alive", opened.row.alive_s, "s", formula, inputs)


def figure_lines(view: View, opened: Opened, made: Figure) -> list[Any]:
    """Formula and inputs of one figure."""
    lines = [
        html.Tr(
            [
                td(item.name),
                num(value_words(opened, item)),
                num(age(item.age_s), "hint"),
                td(source_words(view, item), "hint"),
            ],
            key=f"{i}",
        )
        for i, item in enumerate(made.inputs)
    ]
    return [html.Div(made.formula, className="mono formula"), html.Table(html.Tbody(lines), className="inputs")]


def all_figures(view: View, opened: Opened) -> list[html.Details]:
    """Every figure of the pair, closed; each opens into its formula and inputs."""
    return [
        html.Details(
            [
                html.Summary(
                    [
                        html.Span(made.name),
                        html.Span(value_words(opened, Input(made.name, made.value, made.unit)), className="fig"),
                    ]
                ),
                *figure_lines(view, opened, made),
            ],
            key=made.name,
            className="figure-row",
            **named_attribute("data-opens", made.name),
        )
        for made in opened.explanation.figures
    ]


# -- funding and tests


def funding(view: View, opened: Opened) -> list[Any]:
    """The payments inside the hold, each with its date, and their sum."""
    flows = opened.flows
    hold = f"{plain(opened.one.context.terms.holding_h, 0)} h"
    if flows is None:
        return [html.Div("The funding of a leg is not known.", className="hint note")]
    if not flows:
        return [html.Div(f"No payment falls due within {hold}.", className="hint note")]
    lines = [
        html.Tr(
            [
                td(clock(flow.time)[:5], "fig dim"),
                td(glance.title(view, flow.exchange)),
                td(flow_words(flow), "dim", title=KINDS[flow.kind]),
                num(signed(flow.bps)),
            ],
            key=f"{flow.time}:{flow.exchange}",
        )
        for flow in flows[:FLOWS]
    ]
    left = len(flows) - FLOWS
    more = f"and {plain(left)} more" if left > 0 else ""
    total = html.Tr(
        [td(more, "hint", colSpan=2), td("sum, bps"), num(signed(opened.carry))], key="sum", className="sum"
    )
    return [html.Table(html.Tbody([*lines, total]), className="table-plain flows")]


KINDS = {
    "predicted": "The exchange tells this rate for this settlement.",
    "assumed": "A later settlement, at the same rate, which nobody has told.",
    "continuous": "Accrues all the time; dated at the end of the hold.",
}


def flow_words(flow: CashFlow) -> str:
    """'short receives', 'long pays'; what nobody has told is said to be assumed."""
    does = "receives" if flow.bps > 0.0 else "pays"
    return f"{flow.leg} {does}" + (", assumed" if flow.kind == "assumed" else "")


def tests(view: View, opened: Opened) -> list[Any]:
    """Every test in its order: what it found, what it held that against, what became of it."""
    checks = named(opened.explanation.checks)
    lines = []
    for i, (name, check) in enumerate(checks):
        mark = (
            html.Span(icon("check"), className="ok-mark")
            if check.state == "passed"
            else html.Span(className=_STATE_SHAPES[check.state])
        )
        asked = check.state != "not asked"
        word = html.Span("passed", className="sr") if check.state == "passed" else html.Strong(check.state)
        lines.append(
            html.Div(
                [
                    mark,
                    html.Span([name, " ", word] if asked else name, className="test-name"),
                    html.Span(found_words(view, opened, check) if asked else "", className="found"),
                    html.Span(limit_words(opened, check) if asked else word, className="limit hint"),
                ],
                className=f"test {check.state.replace(' ', '-')}",
                title=f"{check.state}: refuses where {check.meaning}",
                key=str(i),
            )
        )
    return [html.Div(lines[: (len(lines) + 1) // 2]), html.Div(lines[(len(lines) + 1) // 2 :])]


def tests_title(view: View, opened: Opened) -> tuple[str, str]:
    """'Why it counts as actionable', and how many tests passed."""
    row = opened.row
    words = verdict_words(row, view.min_net_bps)
    title = (
        "Why it counts as actionable"
        if row.actionable
        else f"Why it is {'refused: ' if row.verdict != OK else ''}{words}"
    )
    counts = count_states(opened)
    return title, ", ".join(f"{count} {state}" for state, count in counts.items() if count) + ", in the order they run"


def count_states(opened: Opened) -> dict[str, int]:
    """How many tests passed, refused, and were not asked."""
    states: Sequence[str] = [check.state for check in opened.explanation.checks]
    return {state: states.count(state) for state in ("passed", "refused", "not asked")}
