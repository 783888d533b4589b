"""What the Funding page shows, made from a view; pure, and made once per view."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from dash import dcc, html

from analytics import carry
from analytics.exits import expected_exits
from analytics.funding import PredictionQuality, prediction_quality
from analytics.quality import Verdict
from analytics.spreads import funding_apr, funding_per_hour
from desk import View
from layouts import glance
from layouts.components import num, spreads_href, td
from layouts.format import age, plain, sign_class, signed
from store.funding import HORIZONS_S, Settlement

MOST: Final = 300  # symbols sent to a browser; the rest is one search away
MOST_BEST: Final = 60
LIMIT_APR: Final = 1.0  # where the colours saturate
HORIZON_WORDS: Final = ("1 h", "10 min", "1 min")
SORTS: Final = ("widest", "volume", "symbol")
OK, STALE, UNKNOWN, NO_RATE = "", "s", "u", "n"
CSV_COLUMNS: Final = (
    "symbol", "exchange", "funding_rate", "funding_interval_h", "continuous", "next_funding_time",
    "funding_rate_hourly", "funding_apr", "received_time", "age_s", "stale", "turnover_24h",
)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """What the user asks to see."""

    family: str = "USDT"
    search: str = ""
    sort: str = "widest"

    def admits(self, symbol: str) -> bool:
        base, _, family = symbol.rpartition("-")
        return family == self.family and self.search in base


def choice_of(family: str | None, search: str | None, sort: str | None) -> Choice:
    """The choice as the page's controls hold it."""
    text = (search or "").strip().upper().partition("-")[0]
    return Choice(family or "USDT", text, sort if sort in SORTS else "widest")


@glance.per_view
def widest(view: View) -> carry.WidestPairs:
    """The pair of each symbol that funding pays most for."""
    judgement = view.judgement
    snapshot = judgement.snapshot
    exits = expected_exits(view.market.ring, snapshot)
    terms, limits = judgement.terms, judgement.limits
    return carry.widest_pairs(snapshot, judgement.time, judgement.verdicts, terms, limits, exits)


# -- the table of rates ----------------------------------------------------------------------------------------


@glance.per_view
def chosen(view: View, choice: Choice) -> tuple[int, ...]:
    """Positions of the symbols that pass, in the order asked for; those with no rate at all are left out."""
    snapshot = view.judgement.snapshot
    told = np.any(~np.isnan(snapshot["funding_rate"]), axis=1)
    found = [i for i, symbol in enumerate(snapshot.symbols) if told[i] and choice.admits(symbol)]
    if choice.sort == "symbol":
        return tuple(found)
    values = volumes(view) if choice.sort == "volume" else aprs_apart(view)
    return tuple(sorted(found, key=lambda i: -np.nan_to_num(values[i], nan=-1.0)))


def volumes(view: View) -> Any:
    """Turnover of each symbol in a day over all exchanges, shape (S,). [quote] 0 where none is told."""
    return np.nansum(view.judgement.snapshot["turnover_24h"], axis=1)


def aprs_apart(view: View) -> Any:
    """Widest carry of each symbol, shape (S,). [fraction a year] NaN where nothing can be compared."""
    pairs = widest(view)
    apart = np.full(len(view.judgement.snapshot.symbols), np.nan)
    apart[pairs.symbol] = pairs.apr
    return apart


def rates(view: View, choice: Choice) -> dict[str, Any]:
    """The table for the grid: a column an exchange that lists something of the family, cells as in `_cells`.

    now: of the view [epoch s], to which the browser adds what has passed. heads: of each exchange, when most of these
    contracts settle next and what is wrong with it.
    """
    snapshot = view.judgement.snapshot
    rows = chosen(view, choice)[:MOST]
    at = np.array(rows, dtype=np.intp)
    family = np.array([symbol.endswith(f"-{choice.family}") for symbol in snapshot.symbols], dtype=bool)
    listed = snapshot.grid.listed & family[:, None]
    shown = [e for e in range(len(snapshot.exchanges)) if listed[:, e].any()]
    apart = aprs_apart(view)[at]
    columns: dict[str, list[Any]] = {
        "id": [snapshot.symbols[i] for i in rows],
        "symbol": [snapshot.symbols[i] for i in rows],
        "widest": [None if value != value else round(value * 100.0, 1) for value in apart.tolist()],
        "volume": [round(value) or None for value in volumes(view)[at].tolist()],
    }
    columns |= {snapshot.exchanges[e]: _cells(view, at, e) for e in shown}
    return {
        "key": f"{id(view.market):x}|{choice}",
        "now": view.judgement.time,
        "limit": LIMIT_APR * 100.0,
        "columns": columns,
        "exchanges": [snapshot.exchanges[e] for e in shown],
        "heads": {snapshot.exchanges[e]: _head(view, listed[:, e], e) for e in shown},
        "titles": glance.titles(view),
    }


def _cells(view: View, rows: Any, e: int) -> list[str | None]:
    """Cells as short texts: APR in %, interval in h (c: continuous), next settlement, rate in %, state, age of stale.

    None: not listed. States: see OK, STALE, UNKNOWN (no interval, so no APR) and NO_RATE.
    """
    judgement = view.judgement
    snapshot = judgement.snapshot
    rate, hours = snapshot["funding_rate"][rows, e], snapshot["funding_interval_h"][rows, e]
    apr = funding_apr(rate, hours)
    lost = judgement.verdicts[rows, e] == Verdict.FEED_LOST
    stale = lost | ~carry.fresh_rates(snapshot, judgement.time)[rows, e]
    told = judgement.time - snapshot["funding_received_time"][rows, e]
    grid = snapshot.grid
    listings = (grid.listed[rows, e], grid.continuous[rows, e])
    columns = (*listings, apr, hours, snapshot["next_funding_time"][rows, e], rate, stale, told)
    cells: list[str | None] = []
    for listed, continuous, a, h, next_time, r, old, seconds in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        if not listed:
            cells.append(None)
            continue
        state = NO_RATE if r != r else UNKNOWN if a != a else STALE if old else OK
        parts = (
            f"{a * 100.0:.1f}" if a == a else "",
            "c" if continuous else f"{h:g}" if h == h else "",
            f"{next_time:.0f}" if next_time == next_time and not continuous else "",
            f"{r * 100.0:.4f}" if r == r else "",
            state,
            age(seconds) if state == STALE else "",
        )
        cells.append("|".join(parts).rstrip("|") or "|")
    return cells


def _head(view: View, listed: Any, e: int) -> dict[str, Any]:
    judgement = view.judgement
    snapshot = judgement.snapshot
    name = snapshot.exchanges[e]
    status = next((status for status in view.status if status.exchange == name), None)
    if status is not None and status.state not in glance.UP:
        return {"note": f"{status.state} {age(judgement.time - status.since)}"}
    if listed.any() and snapshot.grid.continuous[listed, e].all():
        return {"note": "continuous"}
    times = snapshot["next_funding_time"][:, e]
    due = np.round(times[listed & (times > judgement.time)])
    if not due.size:
        return {"note": ""}
    stamps, counts = np.unique(due, return_counts=True)
    return {"next": float(stamps[int(np.argmax(counts))])}


def summary(view: View, choice: Choice) -> str:
    """The table in a sentence."""
    rows = chosen(view, choice)
    if not rows:
        return "No funding rate is known yet."
    snapshot = view.judgement.snapshot
    apr = funding_apr(snapshot["funding_rate"], snapshot["funding_interval_h"])[list(rows)]
    if np.isnan(apr).all():
        return f"{plain(len(rows))} symbols; of none the interval is known."
    high, low = (np.unravel_index(int(pick(apr)), apr.shape) for pick in (np.nanargmax, np.nanargmin))
    words = [
        f"{word}: {snapshot.symbols[rows[i]]} on {glance.title(view, snapshot.exchanges[e])}, "
        f"{signed(float(apr[i, e]) * 100.0)} % a year"
        for word, (i, e) in (("Highest", high), ("Lowest", low))
    ]
    return f"Funding rates of {plain(len(rows))} symbols in {choice.family}. {'; '.join(words)}."


def count_words(view: View, choice: Choice) -> str:
    found = len(chosen(view, choice))
    return f"first {plain(MOST)} of {plain(found)}" if found > MOST else f"{plain(found)} symbols"


def empty_state(view: View, choice: Choice) -> tuple[Any, str]:
    """Why there are no rows, and what would change it."""
    if chosen(view, choice):
        return None, "empty hidden"
    if choice.search:
        head, words = (
            f"No symbol in {choice.family} matches {choice.search}",
            "Clear the search, or choose another quote.",
        )
    elif glance.reachability(view) == "ok" and view.judgement.snapshot.symbols:
        head, words = f"No funding rate in {choice.family} yet", "Rates appear as soon as an exchange tells the first."
    else:
        head, words = "Connecting", "Rates appear as soon as an exchange tells the first."
    return [html.H2(head), html.P(words)], "empty"


# -- best pairs ------------------------------------------------------------------------------------------------


def best(view: View, choice: Choice, held: Sequence[str] = ()) -> list[int]:
    """Positions in `widest` of the pairs shown, widest first; while `held` (symbols) is pointed at, in that order."""
    pairs, symbols = widest(view), view.judgement.snapshot.symbols
    found = {symbols[s]: i for i, s in enumerate(pairs.symbol.tolist()) if choice.admits(symbols[s])}
    kept = [found[symbol] for symbol in held if symbol in found]
    return kept or list(found.values())[:MOST_BEST]


def best_rows(view: View, positions: Sequence[int]) -> list[html.Tr]:
    pairs, snapshot = widest(view), view.judgement.snapshot
    rows = []
    for i in positions:
        s, legs = int(pairs.symbol[i]), (int(pairs.long[i]), int(pairs.short[i]))
        symbol, (buy, sell) = snapshot.symbols[s], (snapshot.exchanges[e] for e in legs)
        link = dcc.Link(symbol.rpartition("-")[0], href=spreads_href(symbol, buy, sell), className="row-link")
        per_8h, net, capital = (
            float(column[i]) for column in (pairs.per_8h_bps, pairs.net_apr, pairs.net_apr_on_capital)
        )
        rows.append(
            html.Tr(
                [
                    td(link, "name"),
                    *(
                        td([glance.title(view, snapshot.exchanges[e]), _badge(snapshot, s, e)], "leg-name")
                        for e in legs
                    ),
                    num(
                        signed(per_8h),
                        f"flash {sign_class(per_8h)}",
                        title=f"{signed(float(pairs.apr[i]) * 100.0)} % a year",
                    ),
                    num(_break_even(float(pairs.break_even_h[i])), title=_sum(pairs, i)),
                    num(signed(net * 100.0), sign_class(net * 100.0)),
                    num(signed(capital * 100.0), "dim"),
                ],
                key=symbol,
            )
        )
    return rows or [html.Tr(td("No two comparable rates differ so far.", "hint", colSpan=7), key="none")]


def interval_words(hours: float, continuous: bool = False) -> str:
    """'8 h', 'cont.', or nothing where it is not known."""
    return "cont." if continuous else f"{hours:g} h" if hours == hours else ""


def _badge(snapshot: Any, s: int, e: int) -> html.Span:
    hours = float(snapshot["funding_interval_h"][s, e])
    words = interval_words(hours, bool(snapshot.grid.continuous[s, e]))
    return html.Span(f" {words}", className="hint fig")


def _break_even(hours: float) -> Any:
    """'67', 'at once', or that what closing costs is not known yet."""
    if hours != hours:
        return html.Span("not known", className="hint")
    return "at once" if hours == 0.0 else plain(hours, 1 if hours < 10.0 else 0)


def _sum(pairs: carry.WidestPairs, i: int) -> str:
    """Break-even with this row's numbers."""
    cost, entry, exits = (float(column[i]) for column in (pairs.cost_bps, pairs.entry_bps, pairs.exit_bps))
    if not np.isfinite([cost, entry, exits]).all():
        return "A fee, a fresh quote or the usual exit of the pair is not known"
    return (
        f"({plain(cost, 1)} cost, entry {signed(entry)}, expected exit {signed(exits)}) bps, "
        f"at {signed(float(pairs.per_8h_bps[i]))} bps every 8 h"
    )


def best_note(view: View) -> str:
    held, leverage = plain(view.terms.holding_h), plain(view.terms.leverage)
    return f"net APR held {held} h, at the touch; on capital at {leverage}×"


# -- calendar, predictions, intervals ---------------------------------------------------------------------------


def calendar_rows(view: View, choice: Choice) -> list[html.Tr]:
    """The next settlements by interval."""
    snapshot, now = view.judgement.snapshot, view.judgement.time
    wanted = (
        snapshot.grid.listed & np.array([choice.admits(symbol) for symbol in snapshot.symbols], dtype=bool)[:, None]
    )
    rows = []
    for line in carry.calendar(snapshot, now, wanted):
        if line.continuous:
            cells = [td("accrues without pause", "hint", colSpan=3)]
        elif line.next_time is None:
            cells = [td("next not told", "hint", colSpan=3)]
        else:
            cells = [
                num(plain(line.due_legs)),
                num(when(line.next_time, now)),
                num(age(line.next_time - now), "strong"),
            ]
        words = interval_words(line.interval_h, line.continuous)
        rows.append(
            html.Tr([td(words, "name fig"), num(plain(line.legs), "dim"), *cells], key=f"{words}{line.continuous}")
        )
    return rows or [html.Tr(td("No interval is known yet.", "hint", colSpan=5), key="none")]


def when(time: float, now: float) -> str:
    """'17:00' today, 'Sat 17:00' within a week, else the date; UTC."""
    at, today = datetime.fromtimestamp(time, UTC), datetime.fromtimestamp(now, UTC)
    if at.date() == today.date():
        return at.strftime("%H:%M")
    return at.strftime("%a %H:%M") if abs(time - now) < 6 * 86_400.0 else at.strftime("%Y-%m-%d %H:%M")


def watched_since(view: View) -> str:
    """Since when this market has been watched: 'HH:MM'."""
    return when(view.judgement.time - view.market.ring.reach_s(), view.judgement.time)


def qualities(view: View) -> list[tuple[str, tuple[PredictionQuality, ...]]]:
    """How well rates were predicted: over all exchanges, then by exchange; nothing before the first settlement."""
    settlements = view.market.funding.settlements()
    by_exchange: dict[str, list[Settlement]] = {}
    for settlement in settlements:
        by_exchange.setdefault(settlement.exchange, []).append(settlement)
    groups = [("all", settlements), *((name, by_exchange[name]) for name in glance.titles(view) if name in by_exchange)]
    return [(name, prediction_quality(group)) for name, group in groups if group]


def quality_rows(view: View) -> list[html.Tr]:
    found = qualities(view)
    if not found:
        return [html.Tr(td(_no_settlement(view), "designed", colSpan=1 + 3 * len(HORIZONS_S)), key="none")]
    return [
        html.Tr(
            [
                td("All" if name == "all" else glance.title(view, name), "name"),
                *(
                    num(words, cell)
                    for quality in by_horizon
                    for words, cell in (
                        (plain(quality.n), "dim first"),
                        (_percent(quality.sign_hit_rate), ""),
                        (plain(quality.mean_abs_error_bps, 2), ""),
                    )
                ),
            ],
            key=name,
            className="total" if name == "all" else "",
        )
        for name, by_horizon in found
    ]


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else plain(fraction * 100.0, 1)


def _no_settlement(view: View) -> list[Any]:
    """What is awaited, where there is nothing yet."""
    snapshot, now = view.judgement.snapshot, view.judgement.time
    due = [line for line in carry.calendar(snapshot, now, snapshot.grid.listed) if line.next_time is not None]
    head = html.Strong(f"No settlement seen yet since {watched_since(view)} UTC")
    if not due:
        return [head, html.P("Predictions are kept an hour, ten minutes and a minute before each, and compared then.")]
    next_time = min(line.next_time for line in due if line.next_time is not None)
    legs = sum(line.due_legs for line in due if line.next_time == next_time)
    words = f"The next falls due at {when(next_time, now)}, of {plain(legs)} contracts, in {age(next_time - now)}."
    return [head, html.P(words)]


def quality_note(view: View) -> str:
    count = len(view.market.funding.settlements())
    return f"{plain(count)} settlements in memory" if count else "bps of notional per interval"


def change_rows(view: View, most: int = 100) -> list[html.Tr]:
    """Intervals that changed, newest first."""
    now = view.judgement.time
    rows = [
        html.Tr(
            [
                td(when(change.time, now), "fig dim"),
                td(change.symbol, "name"),
                td(glance.title(view, change.exchange)),
                num(f"{change.before_h:g} h", "dim"),
                num(f"{change.after_h:g} h"),
            ],
            key=f"{change.exchange}{change.symbol}{change.time:.0f}",
        )
        for change in view.market.funding.interval_changes()[:most]
    ]
    if rows:
        return rows
    words = [
        html.Strong(f"No interval has changed since {watched_since(view)} UTC"),
        html.P("A change is listed with its time once it has stood for a minute."),
    ]
    return [html.Tr(td(words, "designed", colSpan=5), key="none")]


# -- file ------------------------------------------------------------------------------------------------------


def as_csv(view: View, choice: Choice) -> str:
    """One line a contract that passes, with full precision; rates fractions, times epoch s, turnover quote currency."""
    judgement = view.judgement
    snapshot = judgement.snapshot
    fresh = carry.fresh_rates(snapshot, judgement.time)
    matrices = {
        "funding_rate": snapshot["funding_rate"],
        "funding_interval_h": snapshot["funding_interval_h"],
        "next_funding_time": snapshot["next_funding_time"],
        "funding_rate_hourly": funding_per_hour(snapshot["funding_rate"], snapshot["funding_interval_h"]),
        "funding_apr": funding_apr(snapshot["funding_rate"], snapshot["funding_interval_h"]),
        "received_time": snapshot["funding_received_time"],
        "age_s": judgement.time - snapshot["funding_received_time"],
        "turnover_24h": snapshot["turnover_24h"],
    }
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["source", "time", *CSV_COLUMNS])
    for s in chosen(view, choice):
        for e in np.flatnonzero(snapshot.grid.listed[s]).tolist():
            values: dict[str, Any] = {name: _known(float(matrix[s, e])) for name, matrix in matrices.items()}
            values |= {
                "symbol": snapshot.symbols[s],
                "exchange": snapshot.exchanges[e],
                "continuous": str(bool(snapshot.grid.continuous[s, e])).lower(),
                "stale": str(not fresh[s, e]).lower(),
            }
            writer.writerow([view.source.kind, f"{judgement.time:.3f}", *(values[name] for name in CSV_COLUMNS)])
    return out.getvalue()


def _known(value: float) -> float | str:
    return value if np.isfinite(value) else ""
