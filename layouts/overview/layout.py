"""The Overview before its first figures: every pane at its place and size."""

from typing import Any

from dash import dcc, html

from desk import Desk
from layouts.components import aria, chart, named, pane_head, segments, th
from layouts.format import plain
from layouts.overview import ids
from layouts.theme import as_theme, empty

BEST_HEADS = (
    ("Symbol", "Base and quote of the perpetual", False, ""),
    ("Buy", "Exchange whose best ask is bought (long leg)", False, ""),
    ("Sell", "Exchange whose best bid is sold (short leg)", False, ""),
    ("Net, bps", "Gross + expected exit − four taker fees, bps of the mean of the two mids", True, ""),
    ("Gross, bps", "(best bid of sell − best ask of buy) / mean mid, in bps", True, ""),
    ("Exit, bps", "Median over the look-back of what closing would have earned", True, "wide"),
    ("Fees, bps", "Four taker fills: 2 × (fee of buy + fee of sell)", True, ""),
    ("Profit", "Net edge on the notional that both touches can fill, quote currency", True, ""),
    ("Size", "Notional that both touches can fill, quote currency", True, ""),
    (
        "Carry 8 h, bps",
        "Funding received on the short leg less funding paid on the long leg in eight hours",
        True,
        "wide",
    ),
    ("Ages, s", "Seconds since each leg's quote was received: long / short", True, ""),
)


def page(desk: Desk, _search: str, theme: str | None) -> html.Div:
    """The page of '/'."""
    return html.Div(
        [
            html.H1("Overview", className="sr"),
            dcc.Store(id=ids.SHOWN),
            dcc.Store(id=ids.BEST_ORDER),
            _headline(desk.settings.min_net_bps),
            html.Div([_best(), _side()], className="overview-middle"),
            _heatmap(desk.settings.deviation_limit_bps, theme),
            _dispersed(),
        ],
        className="page overview",
    )


def _cell(label: str, figure: Any, where: Any, name: str = "") -> html.Div:
    return html.Div([html.Div(label, className="label"), figure, where], className=f"cell {name}".strip())


def _headline(min_net_bps: float) -> html.Div:
    return html.Div(
        [
            _cell(
                "Best net edge now",
                html.Div(id=ids.NET, className="big"),
                html.Div(id=ids.NET_WHERE, className="where"),
            ),
            _cell(
                "Actionable opportunities",
                html.Div(id=ids.ACTIONABLE, className="big"),
                html.Div(id=ids.ACTIONABLE_WHERE, className="where"),
            ),
            _cell(
                "Exchanges up",
                html.Div(id=ids.EXCHANGES, className="big"),
                html.Div(id=ids.EXCHANGES_WHERE, className="where"),
                "wide",
            ),
            _cell(
                "Median dispersion, all symbols",
                html.Div(id=ids.DISPERSION, className="big"),
                html.Div("highest less lowest fresh mid", className="where"),
                "wide",
            ),
            _cell("From seen to actionable, directed pairs", html.Div(id=ids.FUNNEL, className="funnel"), None, "wide"),
        ],
        className="headline",
    )


def _best() -> html.Section:
    return html.Section(
        [
            pane_head(
                "Ten best opportunities",
                "taker in and out, at the touch, exit at the pair's own median",
                dcc.Link("All", href="/opportunities"),
                sub_id=ids.BEST_NOTE,
            ),
            html.Div(
                html.Table(
                    [
                        html.Thead(html.Tr([th(*head) for head in BEST_HEADS])),
                        html.Tbody(id=ids.BEST, **named("data-hold", "best")),
                    ],
                    className="table-data cards",
                ),
                className="scroll",
            ),
        ],
        className="pane best",
    )


def _side() -> html.Section:
    """What has just opened, or why the rest is refused: one place, and one switch."""
    switch = segments(ids.SIDE, [("Newly opened", "opened"), ("Why refused", "refused")], "opened", "Side pane")
    more = dcc.Link("All", href="/episodes")
    return html.Section(
        [html.Div([switch, html.Div(more, className="right")], className="pane-head"), _opened(), _reasons()],
        className="pane reasons side-pane",
    )


def _opened() -> html.Div:
    return html.Div(
        [
            html.Table(
                [
                    html.Thead(
                        html.Tr(
                            [
                                th("Opened", "When the gap opened, UTC"),
                                th("Symbol"),
                                th("Buy, sell", "Exchanges by their first letters"),
                                th("Net, bps", "At the last look, while it is open", True),
                                th("Peak", "The highest net edge, bps", True),
                                th("Alive", "Since it opened; of one that has ended, how long it lasted", True),
                            ]
                        )
                    ),
                    html.Tbody(id=ids.OPENED),
                ],
                className="table-data opened",
            )
        ],
        className="side-opened",
    )


def _reasons() -> html.Div:
    return html.Div(
        [
            html.P(id=ids.REASONS_NOTE, className="sr"),
            html.Table(
                [
                    html.Thead(
                        html.Tr(
                            [
                                th("First reason", "The test that refused the pair first; each pair has exactly one"),
                                th("Pairs", "Directed pairs", True),
                                th("", "Share of all refused pairs", False, "bar-head"),
                            ]
                        )
                    ),
                    html.Tbody(id=ids.REASONS),
                ],
                className="table-data",
            ),
        ],
        className="side-refused",
    )


def _heatmap(limit_bps: float, theme: str | None) -> html.Section:
    limit = plain(limit_bps)
    legend = html.Span(
        [
            html.Span(f"\u2212{limit}", className="fig"),
            html.Span(className="scale", **aria(hidden="true")),
            html.Span(f"+{limit}", className="fig"),
            html.Span(className="swatch hatch", **aria(hidden="true")),
            "stale",
            html.Span("blank: not listed", className="hint"),
        ],
        className="legend wide",
    )
    families = segments(ids.FAMILY, [(name, name) for name in ("USDT", "USDC", "USD")], "USDT", "Quote family")
    return html.Section(
        [
            pane_head(
                "Exchanges and the 40 most dispersed symbols",
                "deviation of each mid from the median of all fresh exchanges, bps; figures where 10 or more",
                [families, legend],
            ),
            html.Div(
                [
                    html.Table(
                        [
                            html.Thead(
                                html.Tr(
                                    [
                                        th("Exchange"),
                                        th("Frames/s", "Of each ten seconds of the last ten minutes, and now"),
                                        th("", "", True),
                                        th("p95, ms", "Latency over the exchange's floor, 95th percentile", True),
                                        th("Age, s", "Median age of its best quotes", True),
                                    ]
                                )
                            ),
                            html.Tbody(id=ids.STRIP),
                        ],
                        className="strip",
                    ),
                    html.Div(chart(ids.HEATMAP, ids.HEATMAP_SUMMARY, empty(as_theme(theme))), className="joined"),
                ],
                className="strip-and-map",
            ),
        ],
        className="pane dispersion",
    )


def _dispersed() -> html.Section:
    """The phone's heatmap: five rows instead of forty columns."""
    return html.Section(
        [pane_head("Most dispersed", "bps from the median"), html.Div(id=ids.DISPERSED)],
        className="pane dispersed-phone",
    )
