"""The opportunities as the grid, the drawer and the CSV file want them; pure."""

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from typing import Any

import numpy as np

from analytics.quality import Verdict
from desk import Opportunity, View
from layouts import glance
from layouts.format import known, ordinary, tick_decimals

MOST = 300  # rows sent to a browser; the rest is one filter away
OK = Verdict.OK.label
ANY = "any"


@dataclass(frozen=True)
class Chips:
    """The quick filters above the grid. None: any."""

    min_net_bps: float | None = None
    family: str | None = None
    exchange: str | None = None
    refused: bool = True

    def admit(self, row: Opportunity) -> bool:
        """Whether a row passes; refused ones are not measured against the minimum."""
        if row.verdict != OK:
            if not self.refused:
                return False
        elif self.min_net_bps is not None and (row.net_edge_bps is None or row.net_edge_bps < self.min_net_bps):
            return False
        if self.family and not row.symbol.endswith("-" + self.family):
            return False
        return not self.exchange or self.exchange in (row.buy, row.sell)


def chips_of(min_net_bps: float | None, family: str | None, exchange: str | None, refused: bool | None) -> Chips:
    """The chips as the page's controls hold them."""
    return Chips(
        min_net_bps=min_net_bps,
        family=None if family in (None, ANY) else family,
        exchange=None if exchange in (None, ANY) else exchange,
        refused=bool(refused),
    )


@glance.per_view
def chosen(view: View, chips: Chips) -> tuple[Opportunity, ...]:
    """All rows that pass the chips, best first, refused ones last."""
    return tuple(row for row in view.opportunities if chips.admit(row))


def shown(view: View, chips: Chips, selected: str | None) -> list[Opportunity]:
    """The rows sent to the browser: the best, a share of the refused, and always the selected one."""
    rows = chosen(view, chips)
    good = [row for row in rows if row.verdict == OK]
    refused = [row for row in rows if row.verdict != OK]
    kept_refused = refused[: max(MOST // 3, MOST - len(good))]
    kept = good[: MOST - len(kept_refused)] + kept_refused
    if selected and all(row.id != selected for row in kept):
        kept += [row for row in view.opportunities if row.id == selected]
    return kept


def _rounded(value: float | None, decimals: int) -> float | None:
    return None if value is None else round(value, decimals)


def columns(view: View, rows: Iterable[Opportunity]) -> dict[str, list[Any]]:
    """The rows by column, rounded to what is shown: a quarter of the bytes of one object a row.

    group: 0 for rows that may be traded, 1 for refused ones; decimals: of the two prices.
    """
    rows = list(rows)
    grid = view.judgement.snapshot.grid
    names = glance.titles(view)
    decimals = []
    for row in rows:
        s = grid.symbol_index[row.symbol]
        legs = [grid.tick_size[s, grid.exchange_index[exchange]] for exchange in (row.buy, row.sell)]
        decimals.append(tick_decimals(*[float(tick) for tick in legs if not np.isnan(tick)]))
    return {
        "id": [row.id for row in rows],
        "symbol": [row.symbol for row in rows],
        "buy": [names.get(row.buy, row.buy) for row in rows],
        "sell": [names.get(row.sell, row.sell) for row in rows],
        "group": [0 if row.verdict == OK else 1 for row in rows],
        "actionable": [int(row.actionable) for row in rows],
        "verdict": [verdict_words(row, view.min_net_bps) for row in rows],
        "net": [_rounded(row.net_edge_bps, 1) for row in rows],
        "gross": [_rounded(row.gross_edge_bps, 1) for row in rows],
        "exit": [_rounded(row.expected_exit_bps, 1) for row in rows],
        "fees": [None if row.fees_bps is None else -round(row.fees_bps, 1) for row in rows],
        "profit": [_rounded(row.profit, 2) for row in rows],
        "size": [_significant(row.size) for row in rows],
        "notional": [_rounded(row.notional, 0) for row in rows],
        "carry": [_rounded(row.carry_8h_bps, 1) for row in rows],
        "buyPrice": [row.buy_price for row in rows],
        "sellPrice": [row.sell_price for row in rows],
        "age": [_rounded(_older(row), 1) for row in rows],
        "buyAge": [_rounded(row.buy_age_s, 1) for row in rows],
        "sellAge": [_rounded(row.sell_age_s, 1) for row in rows],
        "decimals": decimals,
    }


def _older(row: Opportunity) -> float | None:
    """The age the column is sorted by."""
    return max((age for age in (row.buy_age_s, row.sell_age_s) if age is not None), default=None)


def _significant(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def verdict_words(row: Opportunity, min_net_bps: float) -> str:
    """'actionable', why it is not yet, or the reason of the refusal."""
    if row.verdict != OK:
        return ordinary(row.verdict)
    if row.actionable:
        return "actionable"
    if row.net_edge_bps is not None and row.net_edge_bps < min_net_bps:
        return "below minimum"
    if row.net_edge_bps is None and row.size != 0.0:
        return "too new"
    if row.gross_edge_bps is not None and row.fees_bps is not None and row.gross_edge_bps - row.fees_bps < min_net_bps:
        return "by its exit only"
    return "size not known"


def find(view: View, row_id: str | None) -> Opportunity | None:
    """The row of an id, None if the pair is no longer measured."""
    if not row_id:
        return None
    return _by_id(view).get(row_id)


@glance.per_view
def _by_id(view: View) -> dict[str, Opportunity]:
    return {row.id: row for row in view.opportunities}


def nearest(view: View, chips: Chips, most: int = 3) -> list[Opportunity]:
    """The best rows that only the minimum keeps out."""
    wider = Chips(None, chips.family, chips.exchange, refused=False)
    return [row for row in chosen(view, wider) if known(row.net_edge_bps)][:most]


def as_csv(source: str, time: float, rows: Iterable[Opportunity]) -> str:
    """The rows with full precision: one line each, units in the names, where they come from in the first columns."""
    out = io.StringIO()
    names = [field.name for field in fields(Opportunity)]
    writer = csv.writer(out)
    writer.writerow(["source", "time", *names])
    for row in rows:
        writer.writerow([source, f"{time:.3f}", *("" if value is None else value for value in astuple(row))])
    return out.getvalue()
