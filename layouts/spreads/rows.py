"""The Spreads page's figures and tables, made from a pair; pure."""

from typing import Any

from dash import dcc, html

from analytics.quality import MEANING, Verdict
from analytics.series import WindowPercentile
from desk import View
from layouts import glance
from layouts.components import arrow, figure, icon, num, shape, spreads_href, td, th
from layouts.format import age, clock, coins, cost, known, ordinary, plain, price, seconds, sign_class, signed
from layouts.spreads.pair import Leg, PairNow, window_word

ROUTES = 8
EPISODES = 40


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
    """What is usual for the spread in the window, and how unusual now is."""
    stats, half, crossed = pair.stats, pair.half_life, pair.crossings
    behind = f"{plain(half.n)} pairs of consecutive samples, reaching back {age(half.reach_s)}"
    lines: tuple[tuple[str, Any, str], ...] = (
        ("Mean, sigma", _two(signed(stats.mean), plain(stats.sigma, 1)), "Of the known samples of the window"),
        ("Median, MAD", _two(signed(stats.median), plain(stats.mad, 1)), "Middle, and median distance from it"),
        (
            "z, robust z",
            _two(signed(stats.z), signed(stats.robust_z)),
            "(now − mean) / sigma, and (now − median) / (1.4826 MAD)",
        ),
        ("Lowest, highest", _two(signed(stats.low), signed(stats.high)), "Of the known samples"),
        (
            "Half-life",
            _half_life(pair),
            f"Of the distance from the mean, by an AR(1) slope; none if its interval contains 1. {behind}",
        ),
        ("Slope, 95 %", _slope(pair), f"AR(1) slope of the spread; a return to the mean needs less than 1. {behind}"),
        (
            "Crossings an hour",
            plain(crossed.per_hour, 1),
            f"Of the median, {plain(crossed.count)} in all. {behind}",
        ),
        ("Expected exit", signed(pair.expected_exit), f"Median of {pair.exit_samples} samples of closing both legs"),
        ("Fees", cost(pair.fees), "Four taker fills"),
        ("Net 0 at", signed(pair.net_zero), "Fees less expected exit: the spread that would leave nothing"),
        ("Gaps", _share(stats.gaps, stats.n), "Samples where a leg was not fresh, and their share"),
    )
    rows = [
        html.Tr([html.Th(label, scope="row", title=meaning), num(value)], key=label) for label, value, meaning in lines
    ]
    return html.Table(html.Tbody(rows), className="table-facts")


def _two(first: str, second: str) -> str:
    return f"{first}, {second}" if first and second else first or second


def _share(gaps: int, n: int) -> list[Any]:
    share = f" {plain(gaps / (gaps + n) * 100.0, 1)} %" if gaps + n else ""
    return [plain(gaps), html.Span(share, className="hint")]


def _half_life(pair: PairNow) -> Any:
    half = pair.half_life
    if half.slope is None:
        return html.Span("not enough samples", className="hint")
    return "none" if half.half_life_s is None else age(half.half_life_s)


def _slope(pair: PairNow) -> str:
    half = pair.half_life
    if half.slope_low is None or half.slope_high is None:
        return ""
    return f"{plain(half.slope_low, 3)} to {plain(half.slope_high, 3)}"


def statistics_note(pair: PairNow, window_s: float) -> str:
    reach = f", reaching {age(pair.rank.reach_s)}" if pair.stats.n else ""
    return f"{window_word(window_s)}, n {plain(pair.stats.n)}{reach}, bps"


def ranks(pair: PairNow) -> html.Table:
    """Where now lies within each look-back, of how many samples, and how far they reach."""
    heads = [
        th("Look-back"),
        th("Percentile", "Share of the samples at or below now, %", True),
        th("n", "Known samples; one a second up to an hour, then coarser", True),
        th("Reaches", "From the oldest sample to now", True),
        th("Gaps, %", "Of the steps over that reach, those without a sample", True),
    ]
    lines = [
        html.Tr(
            [
                td(window_word(one.window_s)),
                num(plain(one.percentile, 1), "strong"),
                num(plain(one.n), "dim"),
                num(age(one.reach_s) if one.n else "", _young(one), title=_young_words(one)),
                num("" if one.gap_share is None else plain(one.gap_share * 100.0, 1), "dim"),
            ],
            key=str(one.window_s),
        )
        for one in pair.ranks
    ]
    return html.Table([html.Thead(html.Tr(heads)), html.Tbody(lines)], className="table-data")


def _young(one: WindowPercentile) -> str:
    """Samples that do not fill half of their look-back say so."""
    return "warn" if one.n and one.reach_s < one.window_s / 2.0 else "dim"


def _young_words(one: WindowPercentile) -> str:
    return "Less than half of the look-back is remembered yet" if _young(one) == "warn" else ""


def episodes(pair: PairNow) -> Any:
    """The newest episodes of this route."""
    if not pair.episodes:
        return html.Div("No episode of this pair is in memory.", className="hint note")
    heads = [
        th("Opened"),
        th("Lasted", "From its opening to its end, or to now", True),
        th("Peak", "The highest net edge, bps", True),
        th("Mean", "Net edge over time, bps", True),
        th("+250 ms", "Net edge that stood so long after the opening, bps", True),
        th("Ended by"),
    ]
    lines = [
        html.Tr(
            [
                td(clock(one.opened), "fig"),
                num(age((pair.time if one.closed is None else one.closed) - one.opened)),
                num(signed(one.peak_bps), sign_class(one.peak_bps)),
                num(signed(one.mean_bps)),
                num(signed(one.edge_250ms_bps), "dim"),
                td([shape("live"), "still open"] if one.reason is None else one.reason.value, "dim"),
            ],
            key=one.id,
        )
        for one in pair.episodes[:EPISODES]
    ]
    return html.Table([html.Thead(html.Tr(heads)), html.Tbody(lines)], className="table-data")


def episodes_note(view: View, pair: PairNow) -> str:
    rules = view.market.detector.episodes.rules
    count = f"{plain(len(pair.episodes))}, " if pair.episodes else ""
    return f"{count}net from {signed(rules.open_bps)}, ended below {signed(rules.close_bps)} bps"


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
