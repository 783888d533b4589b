"""The Overview's tables and headline, made from a view; pure, and made once per view."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from dash import dcc, html

from analytics.quality import MEANING, Verdict
from desk import Opportunity, View
from feeds.status import ExchangeStatus
from layouts import glance
from layouts.components import arrow, figure, num, shape, sparkline, spreads_href, td
from layouts.format import age, cost, milliseconds, money, ordinary, pair_ages, plain, sign_class, signed
from layouts.format import seconds as whole_seconds
from layouts.overview.figures import COLUMNS, Deviations, row_height
from store.clock import Latency

REASONS = 9
SLOW_P95_S = 0.1
REORDER_EVERY_S = 10.0
HATCHED = (Verdict.FEED_LOST, Verdict.STALE_LEG, Verdict.LAGGING)


def best_ten(view: View, held: Sequence[str] | None = None) -> list[Opportunity]:
    """The ten best that nothing refuses; while `held` (ids) is pointed at, those, in that order, are kept."""
    good = [row for row in view.opportunities[:1_000] if row.verdict == Verdict.OK.label]
    if held:
        by_id = {row.id: row for row in good}
        kept = [by_id[row_id] for row_id in held if row_id in by_id]
        if kept:
            return kept
    return good[:10]


def best_rows(view: View, rows: Sequence[Opportunity]) -> list[html.Tr]:
    """One row each; the bar starts at a common left zero and shows gains only."""
    top = max((row.net_edge_bps or 0.0 for row in rows), default=0.0)
    result = []
    for row in rows:
        width = max(row.net_edge_bps or 0.0, 0.0) / top * 100.0 if top > 0.0 else 0.0
        link = dcc.Link(row.symbol, href=spreads_href(row.symbol, row.buy, row.sell), className="row-link")
        net = [html.Span(className="net-bar", style={"width": f"{width * 0.38:.1f}px"}), _net(row.net_edge_bps)]
        result.append(
            html.Tr(
                [
                    td(link, "name"),
                    td(glance.title(view, row.buy), "buy"),
                    td([html.Span(arrow(), className="phone-only"), glance.title(view, row.sell)], "sell"),
                    num(html.Span(net, className="net-cell"), "net"),
                    num(signed(row.gross_edge_bps), "flash gross"),
                    num(signed(row.expected_exit_bps), "dim wide"),
                    num(cost(row.fees_bps), "dim fees"),
                    num(money(row.profit), "flash profit"),
                    num([html.Span("size ", className="phone-only hint"), plain(row.notional)], "size"),
                    num(signed(row.carry_8h_bps), "dim wide"),
                    num(pair_ages(row.buy_age_s, row.sell_age_s), "dim ages"),
                ],
                key=row.id,
            )
        )
    return result or [html.Tr(td("No fresh, tradable pair yet.", "hint", colSpan=11), key="none")]


def _net(value: float | None) -> html.Span:
    return html.Span(signed(value), className=f"flash {sign_class(value)}")


def headline(view: View) -> tuple[Any, ...]:
    """Net, where, actionable, from where, exchanges, which ones not, dispersion, funnel."""
    ten = best_ten(view)
    best = [row for row in ten[:1] if row.net_edge_bps is not None]  # the others come after
    wanted, running = glance.expected(view), glance.up(view)
    trouble = [status for status in wanted if status.state not in glance.UP]
    spread = view.judgement.dispersion_bps
    usable = spread[~np.isnan(spread)]
    median = float(np.median(usable)) if usable.size else None
    limit = f"net {signed(view.min_net_bps)} bps or more"
    return (
        figure(signed(best[0].net_edge_bps), sign_class(best[0].net_edge_bps), "bps") if best else "",
        _where(view, best[0])
        if best
        else html.Span(f"no {'net edge known' if ten else 'tradable pair'} yet", className="hint"),
        figure(plain(view.judgement.funnel.actionable)),
        html.Span(limit, className="hint"),
        [html.Span(str(len(running)), className="fig"), html.Span(f" of {len(wanted)}", className="of")],
        _apart(view, trouble),
        figure(plain(median, 1), unit="bps"),
        funnel(view),
    )


def _where(view: View, row: Opportunity) -> list[Any]:
    route: list[Any] = [" ", glance.title(view, row.buy), " ", arrow(), " ", glance.title(view, row.sell)]
    return [
        html.Span(row.symbol, className="strong"),
        html.Span(route, className="dim"),
        html.Span([" for ", html.Span(plain(row.notional), className="fig")], className="dim size")
        if row.notional is not None
        else None,
    ]


def _apart(view: View, trouble: Sequence[ExchangeStatus]) -> list[Any]:
    """Who is down and since when, then who is closed or off."""
    parts: list[Any] = [
        html.Span([shape(status.state), f"{status.title} {age(view.judgement.time - status.since)}"], className="apart")
        for status in trouble[:2]
    ]
    if len(trouble) > 2:
        parts.append(html.Span(f"and {len(trouble) - 2} more", className="hint"))
    others = glance.apart(view)
    if others and len(trouble) < 2:
        first = others[0]
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        parts.append(html.Span([shape(first.state), f"{first.title} {first.state}{more}"], className="apart hint"))
    return parts or [html.Span("all that should be", className="hint")]


def funnel(view: View) -> list[html.Div]:
    """Directed pairs that pass each gate, with bars of their share."""
    counts = view.judgement.funnel
    steps = (
        ("seen", counts.seen, "listed on both exchanges"),
        ("fresh", counts.fresh, "both quotes known, live and fresh"),
        ("tradable", counts.tradable, "no test refuses it"),
        ("net > 0", counts.net_positive, "gains after four taker fees"),
        ("actionable", counts.actionable, "gains at least the minimum"),
    )
    return [
        html.Div(
            [
                html.Div(plain(count), className="fig"),
                html.Div(html.Div(style={"width": f"{_share(count, counts.seen):.1f}%"}), className="bar"),
                html.Div(word, className="word"),
            ],
            className="step" + (" last" if word == "actionable" else ""),
            title=meaning,
        )
        for word, count, meaning in steps
    ]


def _share(count: int, whole: int) -> float:
    return count / whole * 100.0 if whole else 0.0


def reason_rows(view: View) -> list[html.Tr]:
    """Refused pairs by their first reason, most frequent first."""
    reasons = sorted(view.judgement.reasons.items(), key=lambda item: -item[1])[:REASONS]
    total = sum(view.judgement.reasons.values())
    rows = [
        html.Tr(
            [
                td([shape("degraded"), ordinary(verdict.label)], "name", title=MEANING[verdict]),
                num(plain(count)),
                td(html.Div(html.Div(style={"width": f"{_share(count, total):.1f}%"}), className="bar"), "bar-cell"),
            ],
            key=verdict.label,
        )
        for verdict, count in reasons
    ]
    return rows or [html.Tr(td("No listed pair is refused.", "hint", colSpan=3), key="none")]


def strip_rows(view: View, latency: dict[str, Latency]) -> list[html.Tr]:
    """One line an exchange, joined with the heatmap's rows."""
    rows = []
    ages = glance.best_quote_age_s(view)
    height = {"height": f"{row_height(len(view.status))}px"}
    for status in view.status:
        if status.state in glance.APART:
            cells = [td(status.reason, "hint", colSpan=4)]
        else:
            p95 = latency[status.exchange].p95_s if status.exchange in latency else None
            known = ages.get(status.exchange, [])
            lost = status.state not in glance.UP
            cells = [
                td(sparkline(status.rates, "spark err" if lost else "spark")),
                num(plain(status.frames_per_s), "err" if lost else ""),
                num("" if lost else milliseconds(p95), "warn" if p95 and p95 > SLOW_P95_S else "dim"),
                num(whole_seconds(known[len(known) // 2]) if known else "", "err" if lost else "dim"),
            ]
        name = dcc.Link(status.title, href=f"/exchanges?exchange={status.exchange}", className="row-link quiet")
        dim = " hint" if status.state in glance.APART else ""
        rows.append(
            html.Tr(
                [td([shape(status.state), name], "name" + dim), *cells],
                key=status.exchange,
                title=status.reason,
                style=height,
            )
        )
    return rows


class SteadyOrder:
    """Which symbols the heatmap shows, chosen anew every few seconds: columns that change places cannot be read."""

    def __init__(self, every_s: float = REORDER_EVERY_S) -> None:
        self._every_s = every_s
        self._chosen: dict[str, tuple[float, object, tuple[str, ...]]] = {}

    def symbols(self, view: View, family: str) -> tuple[str, ...]:
        """The symbols of a family, as last chosen for this market."""
        kept = self._chosen.get(family)
        now, market = view.judgement.time, view.market
        if kept is None or kept[1] is not market or len(kept[2]) < COLUMNS or not 0.0 <= now - kept[0] < self._every_s:
            kept = self._chosen[family] = (now, market, most_dispersed(view, family))
        return kept[2]


def deviations(view: View, family: str, symbols: Sequence[str]) -> Deviations:
    """The heatmap's numbers for some symbols, in the strip's order of exchanges."""
    judgement = view.judgement
    grid = judgement.snapshot.grid
    rows = [grid.symbol_index[symbol] for symbol in symbols if symbol in grid.symbol_index]
    shape_ = (len(view.status), len(rows))
    deviation, ages = np.full(shape_, np.nan), np.full(shape_, np.nan)
    stale = np.zeros(shape_, dtype=bool)
    reasons = [[""] * len(rows) for _ in view.status]
    notes = {}
    for i, status in enumerate(view.status):
        column = grid.exchange_index.get(status.exchange)
        if status.state in glance.APART:
            notes[i] = "not paired"
            continue
        if column is None:
            continue
        verdicts = judgement.verdicts[rows, column]
        deviation[i] = judgement.deviation_bps[rows, column]
        ages[i] = judgement.age_s[rows, column]
        stale[i] = np.isin(verdicts, HATCHED)
        reasons[i] = [ordinary(Verdict(int(code)).label) for code in verdicts]
        if not any(grid.listed[k, column] for k, name in enumerate(grid.symbols) if name.endswith("-" + family)):
            notes[i] = f"lists no {family} perpetuals" if status.instruments else "no contracts known yet"
    return Deviations(
        exchanges=tuple(status.title for status in view.status),
        symbols=tuple(symbol for symbol in symbols if symbol in grid.symbol_index),
        deviation_bps=deviation,
        stale=stale,
        age_s=ages,
        reasons=tuple(tuple(row) for row in reasons),
        notes=notes,
    )


def most_dispersed(view: View, family: str, most: int = COLUMNS) -> tuple[str, ...]:
    """Symbols of a quote family, most dispersed first; those compared on fewer than two exchanges are left out."""
    grid = view.judgement.snapshot.grid
    spread = view.judgement.dispersion_bps
    chosen = [i for i, symbol in enumerate(grid.symbols) if symbol.endswith("-" + family) and not np.isnan(spread[i])]
    chosen.sort(key=lambda i: -spread[i])
    return tuple(grid.symbols[i] for i in chosen[:most])


def phone_table(data: Deviations, statuses: Sequence[ExchangeStatus], most: int = 5) -> html.Table:
    """The five most dispersed symbols, exchanges across, for a narrow screen."""
    shown = [i for i, status in enumerate(statuses) if status.state not in glance.APART and i not in data.notes]
    head = [html.Th("", scope="col")] + [html.Th(data.exchanges[i][:3].upper(), scope="col") for i in shown]
    body = []
    for j, symbol in enumerate(data.symbols[:most]):
        cells = []
        for i in shown:
            value = float(data.deviation_bps[i, j])
            step = 0 if np.isnan(value) else int(np.clip(round(value / 4.0), -5, 5))
            ground = "" if np.isnan(value) else f"heat-{'p' if step > 0 else 'm' if step < 0 else ''}{abs(step)}"
            words = signed(value, 0) if abs(value) >= 10.0 else ""
            cells.append(num(words, f"heat {ground} {'hatch' if data.stale[i, j] else ''}".strip()))
        name = symbol.rpartition("-")[0]
        body.append(html.Tr([html.Th(dcc.Link(name, href=spreads_href(symbol)), scope="row"), *cells], key=symbol))
    return html.Table([html.Thead(html.Tr(head)), html.Tbody(body)], className="heat-table")
