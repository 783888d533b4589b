"""Who lists what, as the grid and the CSV file want it; pure.

Made anew only when a listing has changed: 4,500 contracts cost some ten milliseconds and half a megabyte.
"""

import csv
import io
import itertools
import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from desk import View
from feeds.status import IntervalChange
from market.models import Instrument, Pairing, Status
from store.grid import Grid

# What a cell says beside the id.
PAIRED, NOT_TRADING, IN_DOUBT, NOT_PAIRED = range(4)
MARKS = {NOT_TRADING: "not trading", IN_DOUBT: "in doubt", NOT_PAIRED: "not paired"}
REMEMBERED = 3  # listings: those of a source that is being switched, too

CSV_COLUMNS = (
    "symbol",
    "exchange",
    "exchange_symbol",
    "base",
    "quote",
    "settle",
    "kind",
    "asset_class",
    "status",
    "pairing",
    "override",
    "quarantined_since",
    "price_ratio",
    "multiplier",
    "contract_multiplier",
    "tick_size",
    "lot_size",
    "min_notional",
    "funding_interval_h",
    "funding_interval_changed",
    "funding_interval_before_h",
    "listed_time",
    "taker_fee_bps",
    "maker_fee_bps",
)


@dataclass(frozen=True)
class Listing:
    """All symbols of one grid by column. number: grows with each listing, so that a browser knows what it has."""

    number: int
    grid: Grid
    columns: dict[str, list[Any]]


_numbers = itertools.count(1)
_made: list[Listing] = []
_making = threading.Lock()


def listing(view: View) -> Listing:
    """The table of a view's listing; the same object while no exchange has listed or delisted anything."""
    grid = view.judgement.snapshot.grid
    with _making:
        found = next((made for made in _made if made.grid is grid), None)
        if found is None:
            found = Listing(next(_numbers), grid, columns(grid))
            _made[:] = [found, *_made[: REMEMBERED - 1]]
        return found


def number_of(view: View) -> int | None:
    """The number of a view's listing if its table has been made already."""
    grid = view.judgement.snapshot.grid
    return next((made.number for made in list(_made) if made.grid is grid), None)


def columns(grid: Grid) -> dict[str, list[Any]]:
    """One row a symbol: what filters ask for, and a cell an exchange with the exchange's own id and a mark."""
    by_symbol: dict[str, list[Instrument]] = {symbol: [] for symbol in grid.symbols}
    for (_, symbol), instrument in grid.instruments.items():
        by_symbol[symbol].append(instrument)
    rows = [by_symbol[symbol] for symbol in grid.symbols]
    found: dict[str, list[Any]] = {
        "id": list(grid.symbols),
        "family": [family(symbol) for symbol in grid.symbols],
        "class": [_words(row.asset_class.value for row in listed) for listed in rows],
        "kind": [_words(row.kind for row in listed) for listed in rows],
        "status": [_words(row.status.value for row in listed) for listed in rows],
        "pairing": [_words(row.pairing.value for row in listed) for listed in rows],
        "count": [len(listed) for listed in rows],
    }
    for exchange in grid.exchanges:
        cells = [grid.instruments.get((exchange, symbol)) for symbol in grid.symbols]
        found[exchange] = [None if cell is None else cell.exchange_symbol for cell in cells]
        found[f"{exchange}_mark"] = [PAIRED if cell is None else mark(cell) for cell in cells]
    return found


def _words(values: Any) -> str:
    return " ".join(dict.fromkeys(values))


def family(symbol: str) -> str:
    """The quote currency of a symbol, with what keeps a kind apart: 'USDT', 'USD', 'USD_UM'."""
    return symbol.rpartition("-")[2]


def families(grid: Grid) -> list[str]:
    """All quote currencies, the usual ones first."""
    usual = ["USDT", "USDC", "USD"]
    return usual + sorted({family(symbol) for symbol in grid.symbols} - set(usual))


def mark(instrument: Instrument) -> int:
    """Whether a listing can make an opportunity, and if not, the first reason."""
    if instrument.status is not Status.TRADING:
        return NOT_TRADING
    if instrument.pairing is Pairing.CHECK:
        return IN_DOUBT
    return PAIRED if instrument.pairing is Pairing.OK and instrument.kind != "quanto" else NOT_PAIRED


def interval_changes(view: View, symbol: str) -> dict[str, IntervalChange]:
    """The last change of the symbol's funding interval that each exchange's feed has seen."""
    found = {status.exchange: status.interval_changes.get(symbol) for status in view.status}
    return {exchange: change for exchange, change in found.items() if change is not None}


def interval_h(view: View, instrument: Instrument) -> float | None:
    """The funding interval as the feed says it now, else as listed. [h]"""
    snapshot = view.judgement.snapshot
    cell = snapshot.grid.symbol_index[instrument.symbol], snapshot.grid.exchange_index[instrument.exchange]
    now = float(snapshot["funding_interval_h"][cell])
    return instrument.funding_interval_h if now != now else now


def as_csv(view: View, symbols: Collection[str] | None = None) -> str:
    """One line a listing of these symbols, all if None; units as in `market.models`, times epoch s."""
    grid = view.judgement.snapshot.grid
    wanted = grid.symbols if symbols is None else [symbol for symbol in symbols if symbol in grid.symbol_index]
    changed = {status.exchange: status.interval_changes for status in view.status}
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["source", "time", *CSV_COLUMNS])
    for symbol in wanted:
        for exchange in grid.exchanges:
            row = grid.instruments.get((exchange, symbol))
            if row is None:
                continue
            values = {name: getattr(row, name, None) for name in CSV_COLUMNS}
            change = changed.get(exchange, {}).get(symbol)
            misfit = view.quarantined.get((exchange, symbol))
            cell = grid.symbol_index[symbol], grid.exchange_index[exchange]
            values |= {
                "override": row.extra.get("override"),
                "quarantined_since": misfit and misfit.held_since and f"{misfit.held_since:.0f}",
                "price_ratio": misfit and f"{misfit.ratio:.4g}",
                "funding_interval_h": interval_h(view, row),
                "funding_interval_changed": change and f"{change.time:.0f}",
                "funding_interval_before_h": change and change.before_h,
                "taker_fee_bps": float(grid.taker_fee_bps[cell]),
            }
            cells = ["" if value is None else value for value in values.values()]
            writer.writerow([view.source.kind, f"{view.judgement.time:.3f}", *cells])
    return out.getvalue()
