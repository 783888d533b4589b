"""Across quote currencies: what the stablecoins are worth, and the pairs between families."""

from typing import Any

import dash_bootstrap_components as dbc
from dash import dcc, html

from desk import Desk
from layouts.components import icon, named, pane_head, th
from layouts.families import ids
from layouts.funding.layout import KEPT, table, tabs

RATE_HEADS = (
    ("Currency", "", False, ""),
    ("Worth, USD", "Median of the ratios; pairs are converted with it", True, ""),
    ("Off par, bps", "Worth less one dollar", True, ""),
    ("Ratios", "How many ratios there are; one alone is no rate", True, ""),
    ("Apart, bps", "Highest less lowest ratio; above 10 there is no rate", True, ""),
    ("Age", "Of the oldest index or quote behind it", True, ""),
    ("Source", "Index of one coin in USD over its index in the currency, where an exchange has both", False, ""),
)
PAIR_HEADS = (
    ("Coin", "Base of both contracts", False, ""),
    ("Buy", "Long leg, with its quote currency", False, ""),
    ("Sell", "Short leg, with its quote currency", False, ""),
    ("Net, bps", "Gross at my size + expected exit − four fills and reserve, in dollars", True, ""),
    ("Gross, bps", "(best bid of sell − best ask of buy) / mean mid, both in dollars", True, ""),
    ("Exit, bps", "Median over the look-back of both legs' own quotes, converted at the rate of now", True, ""),
    ("Costs, bps", "Four fills and the reserve", True, ""),
    ("Size, USD", "Notional that can be filled, of mine", True, ""),
    ("8 h, bps", "Average funding of the pair in eight hours", True, ""),
    ("Ages, s", "Seconds since each leg's quote was received: long / short", True, ""),
    ("Verdict", "The first test that refuses the pair; marks: one exchange, inverse legs", False, ""),
)
EXIT_NOTE = (
    "The expected exit is the median over the look-back of what both legs' own quotes would have earned, converted at"
    " the rate of now: what the currencies themselves did meanwhile is not in it. A gap between families is followed"
    " only while somebody looks."
)


def page(_desk: Desk, _search: str, _theme: str | None) -> html.Div:
    """The page of '/funding/families'."""
    search = html.Label(
        [
            html.Span("Coin", className="sr"),
            icon("search"),
            dbc.Input(id=ids.SEARCH, placeholder="Coin", autocomplete="off", class_name="small", **KEPT),
        ],
        className="chip find",
    )
    csv_button: Any = dbc.Button(
        [icon("download"), "CSV"], id=ids.CSV, class_name="ctl small", n_clicks=0, title="All pairs that pass"
    )
    chips = html.Div(
        [
            search,
            dbc.Switch(id=ids.REFUSED, label="Show refused", value=True, class_name="chip-switch", **KEPT),
            html.Span(id=ids.COUNT, className="hint count", role="status"),
            csv_button,
        ],
        className="chips line-b",
    )
    return html.Div(
        [
            html.H1("Across quote currencies", className="sr"),
            dcc.Store(id=ids.SHOWN),
            dcc.Store(id=ids.ORDER),
            dcc.Download(id=ids.DOWNLOAD),
            tabs(),
            html.Section(
                [
                    pane_head("What they are worth", "", sub_id=ids.RATES_NOTE),
                    table(html.Tr([th(*head) for head in RATE_HEADS]), ids.RATES, "rates"),
                ],
                className="pane line-b",
            ),
            html.Section(
                [
                    pane_head("Best pairs across quote currencies", "both legs in dollars", sub_id=ids.PAIRS_NOTE),
                    chips,
                    table(
                        html.Tr([th(*head) for head in PAIR_HEADS]),
                        ids.PAIRS,
                        "pairs",
                        **named("data-hold", ids.PAIRS),
                    ),
                    html.P(EXIT_NOTE, className="hint family-note"),
                ],
                className="pane family-pairs",
            ),
        ],
        className="page funding families",
    )
