"""What the drawer says about one pair."""

from typing import Any

from dash import html

from analytics.quality import MEANING, Verdict
from desk import Opportunity, View
from layouts import glance
from layouts.components import arrow, figure, icon, num, shape, td, th
from layouts.format import coins, money, ordinary, plain, price, seconds, sign_class, signed, tick_decimals
from layouts.opportunities.figures import parts
from layouts.opportunities.rows import OK, verdict_words


def head(view: View, row: Opportunity) -> list[Any]:
    """Symbol, route and verdict."""
    return [
        html.H2(row.symbol),
        html.Div(
            ["Buy ", glance.title(view, row.buy), " ", arrow(), " sell ", glance.title(view, row.sell)], className="dim"
        ),
        html.Span([verdict_mark(row), verdict_words(row, view.min_net_bps)], className="verdict"),
    ]


def verdict_mark(row: Opportunity) -> html.Span:
    if row.verdict != OK:
        return shape("degraded")
    return html.Span(icon("check"), className="ok-mark") if row.actionable else html.Span()


def facts(row: Opportunity) -> list[html.Div]:
    """Six figures."""
    cells = (
        ("Net edge", signed(row.net_edge_bps), "bps", sign_class(row.net_edge_bps)),
        ("Profit", money(row.profit), row.symbol.rpartition("-")[2], ""),
        ("Size at the touch", coins(row.size), row.symbol.rpartition("-")[0], ""),
        ("Notional", plain(row.notional), row.symbol.rpartition("-")[2], ""),
        ("Carry 8 h", signed(row.carry_8h_bps), "bps", ""),
        ("Exit samples", plain(row.expected_exit_samples), "", ""),
    )
    return [
        html.Div([html.Div(label, className="label"), html.Div(figure(value, name, unit))], className="fact")
        for label, value, unit, name in cells
    ]


def formula(row: Opportunity) -> list[Any]:
    """Net with this row's numbers, in figures that add up."""
    gross, exit_, fees, net = row.gross_edge_bps, row.expected_exit_bps, row.fees_bps, row.net_edge_bps
    if gross is None or exit_ is None or fees is None or net is None:
        return [html.Span("No expected exit yet: the pair needs samples of its own history.", className="hint")]
    (_, entry), (_, out), (_, fee_in), (_, fee_out) = parts(gross, exit_, fees, net)
    fee = abs(fee_in + fee_out)
    sign = "+" if out >= 0 else "\u2212"
    return [
        html.Div("net = gross + expected exit \u2212 four taker fees", className="dim"),
        html.Div(
            [
                f"{signed(entry)} {sign} {plain(abs(out), 1)} \u2212 {plain(fee, 1)} = ",
                html.Span(signed(net), className=sign_class(net)),
            ],
            className="mono fig",
        ),
    ]


def quotes(view: View, row: Opportunity) -> html.Table:
    """Best bid and ask of both legs; the two that would be traded are marked."""
    snapshot = view.judgement.snapshot
    grid = snapshot.grid
    s = grid.symbol_index[row.symbol]
    columns = [grid.exchange_index[exchange] for exchange in (row.buy, row.sell)]
    decimals = tick_decimals(*[float(grid.tick_size[s, e]) for e in columns])
    lines = []
    for name, e, leg in (("long", columns[0], "buy"), ("short", columns[1], "sell")):
        values = [float(snapshot[field][s, e]) for field in ("bid_size", "bid_price", "ask_price", "ask_size")]
        cells = [coins(values[0]), price(values[1], decimals), price(values[2], decimals), coins(values[3])]
        marked = 2 if leg == "buy" else 1
        lines.append(
            html.Tr(
                [
                    td([html.Span(className=f"leg leg-{name}"), glance.title(view, grid.exchanges[e])], "name"),
                    *[num(text, f"leg-cell {name}" if i == marked else "dim") for i, text in enumerate(cells)],
                    num(seconds(float(view.judgement.age_s[s, e])), "dim"),
                    num(plain(float(grid.taker_fee_bps[s, e]), 1), "dim"),
                ],
                key=leg,
            )
        )
    heads = [
        th("Exchange"),
        th("Bid coins", "Coins at the best bid", True),
        th("Bid", "Best bid", True),
        th("Ask", "Best ask", True),
        th("Ask coins", "Coins at the best ask", True),
        th("Age, s", "Seconds since receipt", True),
        th("Fee, bps", "Taker fee of one fill", True),
    ]
    return html.Table([html.Thead(html.Tr(heads)), html.Tbody(lines)], className="table-data")


def tests(view: View, row: Opportunity) -> list[html.Div]:
    """What the verdict means, and for a good pair, which tests it has passed."""
    verdict = Verdict[row.verdict.upper()]
    if verdict is not Verdict.OK:
        said: list[Any] = [html.Strong(ordinary(verdict.label)), ": ", MEANING[verdict], "."]
        return [
            html.Div([shape("degraded"), html.Span(said)], className="test"),
            html.Div("Refused pairs are shown, never counted as actionable.", className="hint note"),
        ]
    passed = [test for test in Verdict if test not in (Verdict.OK, Verdict.NOT_LISTED)]
    lines = [
        html.Div([icon("check"), html.Span(ordinary(test.label)), html.Span(MEANING[test], className="hint")])
        for test in passed
    ]
    if not row.actionable:
        words = {
            "below minimum": f"Its net edge is below the minimum of {plain(view.min_net_bps, 1)} bps.",
            "too new": "Nothing is known yet of what closing it usually earns.",
            "by its exit only": "It gains only by its expected exit: the entry alone does not pay the four fills.",
            "size not known": "How much can be traded at the touch is not known.",
        }[verdict_words(row, view.min_net_bps)]
        return [html.Div(words, className="note dim"), *lines]
    return lines


def closed() -> tuple[Any, ...]:
    """An empty drawer."""
    return (None, None, None, None, None, None)


def lost(row_id: str) -> tuple[Any, ...]:
    """The pair that was open is no longer measured: neither promising nor refused with a gain."""
    symbol = row_id.partition(":")[0]
    words = html.Div("This pair is no longer among those that are measured closely.", className="hint note")
    return ([html.H2(symbol)], [], [words], None, None, None)
