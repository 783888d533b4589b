"""The Spreads page's figures and tables, made from a pair; pure."""

from typing import Any

from dash import dcc, html

from analytics.quality import MEANING, Verdict
from desk import View
from layouts import glance
from layouts.components import arrow, figure, icon, num, shape, spreads_href, td, th
from layouts.format import age, coins, cost, known, ordinary, plain, price, seconds, sign_class, signed
from layouts.spreads.pair import Leg, PairNow

ROUTES = 8


def facts(pair: PairNow, min_net_bps: float) -> list[Any]:
    """Verdict, net, spread and carry, in the page's head."""
    if pair.verdict is not Verdict.OK:
        verdict = html.Span(
            [shape("degraded"), ordinary(pair.verdict.label)], className="verdict", title=MEANING[pair.verdict]
        )
    elif pair.actionable:
        verdict = html.Span([html.Span(icon("check"), className="ok-mark"), "actionable"], className="verdict")
    elif known(pair.net) and pair.net < min_net_bps:
        verdict = html.Span("below minimum", className="verdict")
    else:
        verdict = html.Span("by its exit only" if known(pair.net) else "too new", className="verdict")
    return [
        verdict,
        _fact("Net", signed(pair.net), sign_class(pair.net), "gross + expected exit − four taker fees, at the touch"),
        _fact("Spread now", signed(pair.entry), "", "bid of sell less ask of buy"),
        _fact("Carry 8 h", signed(pair.carry_8h), "", "funding received less funding paid in eight hours"),
    ]


def _fact(label: str, value: str, name: str, meaning: str) -> html.Span:
    return html.Span(
        [html.Span(f"{label} ", className="dim"), figure(value, name, "bps")], className="fact", title=meaning
    )


def statistics(pair: PairNow) -> html.Table:
    """Now, mean, sigma, median, range, counts."""
    stats = pair.stats
    lines = (
        ("Now", signed(stats.now), "The last sample"),
        ("Mean", signed(stats.mean), "Of the known samples in the window"),
        ("Sigma", plain(stats.sigma, 1), "Sample standard deviation"),
        ("z", signed(stats.z), "(now − mean) / sigma"),
        ("Median", signed(stats.median), "Middle of the known samples"),
        ("Min", signed(stats.low), "Lowest sample"),
        ("Max", signed(stats.high), "Highest sample"),
        ("Percentile of now", plain(stats.percentile, 1), "Share of the samples at or below now, %"),
        ("Expected exit", signed(pair.expected_exit), f"Median of {pair.exit_samples} samples of closing both legs"),
        ("Fees", cost(pair.fees), "Four taker fills"),
        ("Net 0 at", signed(pair.net_zero), "Fees less expected exit: the spread that would leave nothing"),
        ("Gaps", plain(stats.gaps), "Samples where a leg was not fresh"),
    )
    rows = [
        html.Tr([html.Th(label, scope="row", title=meaning), num(value)], key=label) for label, value, meaning in lines
    ]
    return html.Table(html.Tbody(rows), className="table-facts")


def statistics_note(pair: PairNow, window_s: float) -> str:
    return f"{age(window_s) if window_s < 120 else f'{window_s / 60:.0f} min'}, n {plain(pair.stats.n)}, bps"


def legs(view: View, pair: PairNow) -> html.Table:
    """Both legs as they are now."""
    heads = [
        th("Leg"),
        th("Price", "Ask of the long leg, bid of the short leg", True),
        th("Coins", "At that price", True),
        th("Age, s", "Since receipt", True),
        th("Funding, %", "Predicted rate of one interval", True),
    ]
    lines = [_leg(view, pair, pair.long_leg, "long"), _leg(view, pair, pair.short_leg, "short")]
    return html.Table([html.Thead(html.Tr(heads)), html.Tbody(lines)], className="table-data")


def _leg(view: View, pair: PairNow, leg: Leg, side: str) -> html.Tr:
    funding: list[Any] = [signed(leg.funding_rate * 100.0, 4)] if known(leg.funding_rate) else []
    if funding and known(leg.funding_interval_h):
        funding.append(html.Span(f" {leg.funding_interval_h:.0f} h", className="hint"))
    refused = leg.verdict is not Verdict.OK
    return html.Tr(
        [
            td([html.Span(className=f"leg leg-{side}"), glance.title(view, leg.exchange)], "name"),
            num(price(leg.price, pair.decimals)),
            num(coins(leg.size), "dim"),
            num(seconds(leg.age_s), "warn" if refused else "dim", title=MEANING[leg.verdict] if refused else ""),
            num(funding, "dim"),
        ],
        key=side,
    )


def routes(view: View, pair: PairNow) -> Any:
    """The best other measured routes of the symbol, each a link."""
    others = [row for row in view.opportunities if row.symbol == pair.choice.symbol and row.id != pair.choice.id]
    lines = [
        html.Tr(
            [
                td(
                    dcc.Link(
                        [glance.title(view, row.buy), " ", arrow(), " ", glance.title(view, row.sell)],
                        href=spreads_href(row.symbol, row.buy, row.sell),
                        className="row-link",
                    )
                ),
                td("" if row.verdict == "ok" else ordinary(row.verdict), "hint"),
                num(signed(row.net_edge_bps), sign_class(row.net_edge_bps)),
            ],
            key=row.id,
        )
        for row in others[:ROUTES]
    ]
    if not lines:
        return html.Div("No other route is measured.", className="hint note")
    return html.Table(html.Tbody(lines), className="table-data")
