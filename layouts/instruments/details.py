"""One symbol on all exchanges that list it: identity, units, verdicts, funding interval, fees; pure."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from dash import html

from analytics.quality import MEANING, Verdict
from desk import View
from feeds.status import IntervalChange
from layouts import glance
from layouts.components import num, shape, td, th
from layouts.format import THIN, ordinary, plain
from layouts.instruments.rows import (
    IN_DOUBT,
    MARKS,
    NOT_PAIRED,
    NOT_TRADING,
    interval_changes,
    interval_h,
    mark,
)
from market.models import Instrument, Pairing, Status

MEANS = {
    Pairing.OK: "compared by its name",
    Pairing.CHECK: "compared only while its price agrees with the others",
    Pairing.DENY: "known to be another asset",
    Pairing.RELAY: "repeats another exchange's book",
    Pairing.EXCLUDE: "cannot be paired: a quanto contract or a home-made index",
    Pairing.HIDE: "trades before its underlying does",
}
MARK_SHAPES = {NOT_TRADING: "starting", IN_DOUBT: "degraded", NOT_PAIRED: "closed"}


def exact(value: float | None) -> str:
    """A unit with all its digits and no exponent: '0.00000001', '10 000 000'."""
    if value is None:
        return ""
    text = format(Decimal(f"{value:.10g}"), "f")
    whole, point, part = text.partition(".")
    return f"{int(whole):,}".replace(",", THIN) + point + part


def day(epoch_s: float | None) -> str:
    """'2026-11-22', UTC."""
    return "" if epoch_s is None else datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%d")


def listed(view: View, symbol: str) -> list[Instrument]:
    """The listings of a symbol, in the order of the exchanges."""
    grid = view.judgement.snapshot.grid
    found = [grid.instruments.get((exchange, symbol)) for exchange in grid.exchanges]
    return [row for row in found if row is not None]


def verdict(view: View, row: Instrument) -> Verdict:
    """What the judge says of the listing's quote now."""
    grid = view.judgement.snapshot.grid
    return Verdict(int(view.judgement.verdicts[grid.symbol_index[row.symbol], grid.exchange_index[row.exchange]]))


def state(view: View, symbol: str) -> str:
    """What of the details may change while the listing does not: names what a browser has."""
    verdicts = ",".join(verdict(view, row).label for row in listed(view, symbol))
    intervals = ",".join(str(interval_h(view, row)) for row in listed(view, symbol))
    changes = ",".join(f"{change.time:.0f}" for change in interval_changes(view, symbol).values())
    held = ",".join(row.exchange for row in listed(view, symbol) if (row.exchange, symbol) in view.quarantined)
    return f"{verdicts}|{intervals}|{changes}|{held}"


def head(view: View, symbol: str) -> list[Any]:
    """Symbol, class and how many exchanges list it."""
    found = listed(view, symbol)
    if not found:
        return [html.H2(symbol), html.Span("No exchange lists it any more.", className="hint")]
    paired = sum(row.status is Status.TRADING and not mark(row) for row in found)
    classes = ", ".join(dict.fromkeys(row.asset_class.value for row in found))
    words = f"{classes}; listed on {plain(len(found))}, {plain(paired)} trade and are compared by name"
    return [html.H2(symbol), html.Span(words, className="hint")]


def _heads(found: list[Instrument]) -> list[html.Th]:
    kinds = {row.kind for row in found}
    unit = "coins" if kinds == {"linear"} else found[0].quote if kinds == {"inverse"} else ""
    tail = f", {unit}" if unit else ""
    return [
        th("Exchange"),
        th("Its id"),
        th("Kind", "Linear: paid in the quote currency; inverse: paid in the coin; quanto: in a third one"),
        th("Settle", "What profit and loss are paid in"),
        th("Multiplier", "Coins per quoted coin; taken out of every price and size here", True),
        th(f"Contract{tail}", "Linear: coins per contract; inverse: quote currency per contract", True),
        th("Tick", "Smallest step of the price of one coin, quote currency", True),
        th(f"Lot{tail}", "Smallest step of a size: coins, of an inverse contract quote currency", True),
        th("Min. notional", "Of an order, quote currency", True),
        th("Status"),
        th("Pairing", "Whether it may be compared with other exchanges, by its name, and why"),
        th("Quote now", "What the tests say of its quote; quotes of another asset are found by their price"),
        th("Funding, h", "Hours between two funding payments", True),
        th("Last change", "Of the funding interval, UTC, seen since the feed began; empty if none was"),
        th("Taker, bps", "Fee of crossing the book; yours where the settings have one", True),
        th("Maker, bps", "Fee of resting in the book", True),
        th("Listed", "Since when, UTC"),
    ]


def table(view: View, symbol: str) -> Any:
    """One line an exchange that lists the symbol."""
    found = listed(view, symbol)
    if not found:
        return html.Div("It is gone from all listings.", className="hint note")
    changes = interval_changes(view, symbol)
    lines = [_line(view, row, changes.get(row.exchange)) for row in found]
    return html.Table([html.Thead(html.Tr(_heads(found))), html.Tbody(lines)], className="table-data")


def _line(view: View, row: Instrument, change: IntervalChange | None) -> html.Tr:
    now = verdict(view, row)
    grid = view.judgement.snapshot.grid
    taker = float(grid.taker_fee_bps[grid.symbol_index[row.symbol], grid.exchange_index[row.exchange]])
    return html.Tr(
        [
            td(glance.title(view, row.exchange), "name"),
            td(row.exchange_symbol, "mono"),
            td(row.kind, "dim"),
            td(row.settle, "dim"),
            num(exact(row.multiplier), "dim" if row.multiplier == 1.0 else ""),
            num(exact(row.contract_multiplier), "dim"),
            num(exact(row.tick_size), "dim"),
            num(exact(row.lot_size), "dim"),
            num(exact(row.min_notional), "dim"),
            _status(row),
            _pairing(row),
            _quote_now(view, row, now),
            num(exact(interval_h(view, row)), "dim"),
            td(_changed(change), "fig" if change else ""),
            num(plain(taker, 1), "dim"),
            num(plain(row.maker_fee_bps, 1), "dim"),
            td(day(row.listed_time), "fig dim"),
        ],
        key=row.exchange,
    )


def _quote_now(view: View, row: Instrument, now: Verdict) -> html.Td:
    """The verdict on its quote, and where it is in quarantine by how much its price is off and since when."""
    misfit = view.quarantined.get((row.exchange, row.symbol))
    said: list[Any] = [ordinary(now.label)]
    if misfit is not None and misfit.held_since is not None:
        since = datetime.fromtimestamp(misfit.held_since, UTC).strftime("%m-%d %H:%M")
        said.append(html.Span(f" {misfit.ratio:.4g}\u00d7 the others, in quarantine since {since}", className="hint"))
    return td(said, "dim" if now is Verdict.OK else "", title=MEANING.get(now, ""))


def _status(row: Instrument) -> html.Td:
    if row.status is Status.TRADING:
        return td("trading", "dim")
    return td([shape("starting"), ordinary(row.status.value)])


def _pairing(row: Instrument) -> html.Td:
    """Verdict and reason: an override's own words where one decided."""
    override = row.extra.get("override")
    decided = override and any(f"{kind} by " in override for kind in ("allow", "deny"))
    if decided:
        why = str(override).removeprefix(f"{row.pairing.value} ")
    else:
        why = f"{MEANS[row.pairing]}; {override}" if override else MEANS[row.pairing]
    mark_of = {Pairing.OK: None, Pairing.CHECK: "degraded"}.get(row.pairing, "closed")
    said = [shape(mark_of)] if mark_of else []
    return td([*said, row.pairing.value, html.Span(f" {why}", className="hint")], "pairing", title=why)


def _changed(change: IntervalChange | None) -> str:
    if change is None:
        return ""
    when = datetime.fromtimestamp(change.time, UTC).strftime("%Y-%m-%d %H:%M")
    return f"{when}, was {exact(change.before_h)}"


def legend() -> list[Any]:
    """What the marks of the cells mean."""
    return [part for code, word in MARKS.items() for part in (shape(MARK_SHAPES[code]), html.Span(word))]
