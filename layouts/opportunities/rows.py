"""The opportunities as the grid, the cards and the CSV file want them; pure."""

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from typing import Any

from analytics.quality import Verdict
from desk import Opportunity, View
from layouts import glance
from layouts.format import known, ordinary, plain

MOST = 300  # rows sent to a browser; the rest is one filter away
OK = Verdict.OK.label
ANY = "any"
ACTIONABLE, IDLE, REFUSED = range(3)  # groups, in their order
TABS = {"actionable": "Actionable", "quarantined": "Quarantined", "all": "All pairs"}
HEADINGS = {
    IDLE: "Not actionable: no test refuses them, my terms do",
    REFUSED: "Quarantined: seems to gain, refused by a test",
}


@dataclass(frozen=True)
class Chips:
    """The tab and the quick filters above the grid. None: any."""

    tab: str = "all"
    family: str | None = None
    buy: str | None = None
    sell: str | None = None

    def admit(self, row: Opportunity) -> bool:
        """Whether a row passes the filters, whatever the tab."""
        if self.family and not row.symbol.endswith("-" + self.family):
            return False
        return (not self.buy or self.buy == row.buy) and (not self.sell or self.sell == row.sell)

    @property
    def groups(self) -> tuple[int, ...]:
        """What the tab shows; beside what may be traded always stands what was refused."""
        return {"actionable": (ACTIONABLE, REFUSED), "quarantined": (REFUSED,)}.get(
            self.tab, (ACTIONABLE, IDLE, REFUSED)
        )


def chips_of(tab: str | None, family: str | None, buy: str | None, sell: str | None) -> Chips:
    """The chips as the page's controls hold them."""
    chosen_tab = tab if tab in TABS else "all"
    return Chips(chosen_tab, *(None if value in (None, ANY) else value for value in (family, buy, sell)))


def group(row: Opportunity) -> int:
    """To which group a row belongs."""
    return REFUSED if row.verdict != OK else ACTIONABLE if row.actionable else IDLE


@glance.per_view
def grouped(view: View, chips: Chips) -> tuple[tuple[Opportunity, ...], ...]:
    """The rows that pass the filters by group, best net first in each."""
    found: tuple[list[Opportunity], ...] = ([], [], [])
    for row in view.opportunities:
        if chips.admit(row):
            found[group(row)].append(row)
    return tuple(tuple(rows) for rows in found)


def chosen(view: View, chips: Chips) -> tuple[Opportunity, ...]:
    """All rows of the tab that pass the filters, group by group."""
    found = grouped(view, chips)
    return tuple(row for i in chips.groups for row in found[i])


def counts(view: View, chips: Chips) -> dict[str, int]:
    """How many rows stand under each tab, the quarantined ones below the actionable not counted."""
    actionable, idle, refused = (len(rows) for rows in grouped(view, chips))
    return {"actionable": actionable, "quarantined": refused, "all": actionable + idle + refused}


def shown(view: View, chips: Chips, opened: Opportunity | None = None) -> list[Opportunity]:
    """The rows sent to the browser: the best, a share of the refused, and always the opened one as in the drawer."""
    found = grouped(view, chips)
    good = [row for i in chips.groups if i != REFUSED for row in found[i]]
    refused = list(found[REFUSED])[: max(MOST // 3, MOST - len(good))]
    kept = good[: MOST - len(refused)] + refused
    if opened is None:
        return kept
    at = next((i for i, row in enumerate(kept) if row.id == opened.id), None)
    if at is None:
        return [*kept, opened]
    return [*kept[:at], opened, *kept[at + 1 :]]


def _rounded(value: float | None, decimals: int) -> float | None:
    return None if value is None else round(value, decimals)


def columns(view: View, chips: Chips, rows: Iterable[Opportunity]) -> dict[str, list[Any]]:
    """The rows by column, rounded to what is shown: a quarter of the bytes of one object a row.

    group: 0 actionable, 1 not actionable, 2 refused. touch: 1 where no more than the best level is known. Before each
    group but the first stands a row with a heading and nothing else.
    """
    rows = list(rows)
    names = glance.titles(view)
    made: dict[str, list[Any]] = {
        "id": [row.id for row in rows],
        "symbol": [row.symbol for row in rows],
        "buy": [names.get(row.buy, row.buy) for row in rows],
        "sell": [names.get(row.sell, row.sell) for row in rows],
        "group": [group(row) for row in rows],
        "verdict": [verdict_words(row, view.min_net_bps) for row in rows],
        "net": [_rounded(row.net_edge_bps, 1) for row in rows],
        "gross": [_rounded(row.gross_edge_bps, 1) for row in rows],
        "fees": [None if row.fees_bps is None else -round(row.fees_bps, 1) for row in rows],
        "capacity": [None if row.verdict != OK else _rounded(capacity(row), 0) for row in rows],
        "notional": [_rounded(row.notional, 0) for row in rows],
        "profit": [_rounded(row.profit, 2) for row in rows],
        "touch": [int(row.touch_only) for row in rows],
        "carry": [_rounded(row.carry_bps, 1) for row in rows],
        "breakEven": [_rounded(row.break_even_h, 1) for row in rows],
        "never": [int(never_breaks_even(row)) for row in rows],
        "alive": [_rounded(row.alive_s, 1) for row in rows],
        "age": [_rounded(_older(row), 1) for row in rows],
        "buyAge": [_rounded(row.buy_age_s, 1) for row in rows],
        "sellAge": [_rounded(row.sell_age_s, 1) for row in rows],
        "heading": [None] * len(rows),
    }
    sizes = [len(found) for found in grouped(view, chips)]
    for i in (IDLE, REFUSED):
        if i in chips.groups and i in made["group"] and len(chips.groups) > 1:
            heading = {"id": f"heading:{i}", "group": i, "heading": HEADINGS[i], "verdict": plain(sizes[i])}
            for name, values in made.items():
                values.append(heading.get(name))
    return made


def never_breaks_even(row: Opportunity) -> bool:
    """Whether nothing that is earned ever pays the costs, though all that matters is known."""
    return row.break_even_h is None and known(row.net_edge_bps) and known(row.carry_8h_bps)


def _older(row: Opportunity) -> float | None:
    """The age the column is sorted by."""
    return max((age for age in (row.buy_age_s, row.sell_age_s) if age is not None), default=None)


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
    return "size not known" if row.size is None else "below one lot"


def capacity(row: Opportunity) -> float | None:
    """Capacity rounded down to a hundred, as it is shown; what is less than that stays."""
    value = row.capacity
    return value if value is None or value < 100.0 else value // 100.0 * 100.0


def nearest(view: View, chips: Chips, most: int = 3) -> list[Opportunity]:
    """The best rows that only my terms keep out."""
    return [row for row in grouped(view, chips)[IDLE] if known(row.net_edge_bps)][:most]


def as_csv(source: str, time: float, rows: Iterable[Opportunity]) -> str:
    """The rows with full precision: one line each, units in the names, where they come from in the first columns."""
    out = io.StringIO()
    names = [field.name for field in fields(Opportunity)]
    writer = csv.writer(out)
    writer.writerow(["source", "time", *names])
    for row in rows:
        writer.writerow([source, f"{time:.3f}", *("" if value is None else value for value in astuple(row))])
    return out.getvalue()
