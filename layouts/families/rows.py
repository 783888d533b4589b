"""What a stablecoin is worth, and the pairs between quote families; made from a view when somebody looks."""

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any, Final

from dash import html

from analytics import crossing
from analytics.crossing import Crossed
from analytics.families import Rate
from analytics.quality import MEANING, Verdict
from desk import Opportunity, View
from layouts import glance
from layouts.components import num, shape, td
from layouts.format import age, cost, ordinary, pair_ages, plain, sign_class, signed

MOST: Final = 80
OK: Final = Verdict.OK.label
COLUMNS: Final = 11
_MEANING: Final = {verdict.label: words for verdict, words in MEANING.items()}


@dataclass(frozen=True)
class Choice:
    """What the user asks to see."""

    search: str = ""
    refused: bool = True

    def admits(self, row: Opportunity) -> bool:
        return self.search in row.symbol.rpartition("-")[0] and (self.refused or row.verdict == OK)


def choice_of(search: str | None, refused: bool | None) -> Choice:
    """The choice as the page's controls hold it."""
    return Choice((search or "").strip().upper().partition("-")[0], bool(refused))


def crossed(view: View) -> Crossed:
    """The families of a view side by side, made once for all who ask."""
    return crossing.crossed(view.judgement, view.market.ring, view.market.store.depths.get)


@glance.per_view
def pairs(view: View) -> tuple[Opportunity, ...]:
    """All measured pairs between families: actionable first, refused last."""
    found = View(crossed(view).judgement, view.status, view.market).opportunities
    return tuple(row for row in found if crossing.crosses(row.buy, row.sell))


def chosen(view: View, choice: Choice) -> list[Opportunity]:
    return [row for row in pairs(view) if choice.admits(row)]


def shown(view: View, choice: Choice, held: Sequence[str] = ()) -> list[Opportunity]:
    """The rows of the page; while `held` (ids) is pointed at, those, in that order."""
    found = chosen(view, choice)
    by_id = {row.id: row for row in found} if held else {}
    return [by_id[row_id] for row_id in held if row_id in by_id] or found[:MOST]


# -- rates -----------------------------------------------------------------------------------------------------


def rate_rows(view: View) -> list[html.Tr]:
    return [_rate_row(rate) for rate in crossed(view).rates.values()]


def _rate_row(rate: Rate) -> html.Tr:
    if rate.value is None:
        said = [shape("degraded"), f"no rate: {rate.reason}"]
        return html.Tr([td(rate.currency, "name"), td(said, "rate-why warn", colSpan=6)], key=rate.currency)
    off_par = crossing.off_par_bps(rate)
    return html.Tr(
        [
            td(rate.currency, "name"),
            num(plain(rate.value, 5), "flash"),
            num(signed(off_par), sign_class(off_par)),
            num(plain(rate.n), "dim"),
            num(plain(rate.spread_bps, 1), "dim"),
            num(age(rate.age_s), "dim"),
            td(rate.source, "rate-source dim"),
        ],
        key=rate.currency,
    )


# -- pairs -----------------------------------------------------------------------------------------------------


def pair_rows(view: View, found: Sequence[Opportunity]) -> list[html.Tr]:
    return [_pair_row(view, row) for row in found]


def _pair_row(view: View, row: Opportunity) -> html.Tr:
    refused = row.verdict != OK
    return html.Tr(
        [
            td(row.symbol.rpartition("-")[0], "name"),
            td(_leg(view, row.buy), "leg-name"),
            td(_leg(view, row.sell), "leg-name"),
            num(signed(row.net_edge_bps), f"flash {'' if refused else sign_class(row.net_edge_bps)}"),
            num(signed(row.gross_edge_bps), "flash"),
            num(signed(row.expected_exit_bps), "dim"),
            num(cost(row.fees_bps), "dim"),
            num(plain(row.notional), ""),
            num(signed(row.carry_8h_bps), "dim"),
            num(pair_ages(row.buy_age_s, row.sell_age_s), "dim"),
            td([_verdict(row), *_marks(view, row)], "verdict-words", title=_MEANING.get(row.verdict, "")),
        ],
        key=row.id,
        className="refused" if refused else "",
    )


def _leg(view: View, column: str) -> list[Any]:
    exchange = glance.title(view, crossing.exchange_of(column))
    return [exchange, html.Span(f" {crossing.family_of(column)}", className="hint")]


def _verdict(row: Opportunity) -> html.Span:
    if row.actionable:
        return html.Span("actionable", className="ok-word")
    if row.verdict != OK:
        return html.Span([shape("degraded"), ordinary(row.verdict)])
    return html.Span("too new" if row.net_edge_bps is None else "below the minimum", className="dim")


def _marks(view: View, row: Opportunity) -> list[html.Span]:
    """'one exchange' and 'inverse', where they are true, with what they ask for on hover."""
    marks = []
    if crossing.exchange_of(row.buy) == crossing.exchange_of(row.sell):
        marks.append(("one exchange", "Both legs are on one exchange: no transfer, one counterparty"))
    grid = crossed(view).judgement.snapshot.grid
    legs = (("buy", row.buy, row.buy_price), ("sell", row.sell, row.sell_price))
    for name, column, price in legs:
        if grid.instruments[column, row.symbol].kind == "inverse":
            marks.append((f"inverse {name}", crossing.hedge_note(name, row.notional, price)))
    return [html.Span(words, className="mark-chip", title=why) for words, why in marks]


def nothing(view: View, choice: Choice) -> list[html.Tr]:
    """Why there is no pair, and what would change it."""
    rates = crossed(view).rates.values()
    missing = [rate for rate in rates if rate.value is None]
    if choice.search and pairs(view):
        head, said = f"No pair of {choice.search}", "Clear the search."
    elif pairs(view):
        head, said = "No pair passes", f"{plain(len(pairs(view)))} pairs are refused: show them to see why."
    elif missing:
        head = "Nothing can be compared across quote currencies now"
        said = "; ".join(f"{rate.currency}: {rate.reason}" for rate in missing) + "."
    else:
        head, said = "No coin is quoted in two currencies yet", "Pairs appear as soon as two families quote one coin."
    return [html.Tr(td([html.Strong(head), html.P(said)], "designed", colSpan=COLUMNS), key="none")]


def count_words(view: View, choice: Choice) -> str:
    found = len(chosen(view, choice))
    return f"best {plain(MOST)} of {plain(found)}" if found > MOST else f"{plain(found)} pairs"


def rates_note(view: View) -> str:
    known = sum(rate.value is not None for rate in crossed(view).rates.values())
    return f"{known} of {len(crossed(view).rates)} known; one USD is one USD, coin-margined or not"


def as_csv(view: View, choice: Choice) -> str:
    """The pairs with full precision, prices and notionals in dollars; the rates of now in each line."""
    made = crossed(view)
    grid = made.judgement.snapshot.grid
    out = io.StringIO()
    writer = csv.writer(out)
    names = [field.name for field in fields(Opportunity)]
    writer.writerow(["source", "time", "buy_symbol", "sell_symbol", "buy_rate", "sell_rate", "same_exchange", *names])
    for row in chosen(view, choice):
        legs = [grid.instruments[column, row.symbol] for column in (row.buy, row.sell)]
        s = grid.symbol_index[row.symbol]
        factors = [float(made.factor[s, grid.exchange_index[column]]) for column in (row.buy, row.sell)]
        same = str(legs[0].exchange == legs[1].exchange).lower()
        first = [view.source.kind, f"{view.judgement.time:.3f}", legs[0].symbol, legs[1].symbol, *factors, same]
        writer.writerow([*first, *("" if value is None else value for value in astuple(row))])
    return out.getvalue()
