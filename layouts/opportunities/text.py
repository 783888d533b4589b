"""The explanation of a pair as plain text, for the clipboard."""

from datetime import UTC, datetime

from analytics.explain import Input
from desk import View
from layouts import glance
from layouts.format import age, coins, money, plain, price, signed
from layouts.opportunities import evidence
from layouts.opportunities.drawer import KINDS, flow_words
from layouts.opportunities.figures import parts
from layouts.opportunities.pair import Opened
from layouts.opportunities.rows import capacity, verdict_words
from layouts.opportunities.terms import FILLS


def explanation(view: View, opened: Opened) -> str:
    """Everything the drawer says, line by line."""
    row, terms = opened.row, opened.one.context.terms
    when = datetime.fromtimestamp(opened.one.time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    buy, sell = glance.title(view, row.buy), glance.title(view, row.sell)
    origin = "LIVE" if not view.source.simulated else f"{view.source.kind.upper()}, not real: {view.source.detail}"
    fills = ", ".join(f"{word} {fill}" for word, fill in zip(FILLS, terms.costs.fills, strict=True))
    lines = [
        f"{row.symbol}: buy {buy}, sell {sell}",
        f"{when}, source {origin}",
        f"Verdict: {verdict_words(row, view.min_net_bps)}",
        f"My terms: {plain(terms.notional)} {opened.quote} a leg, net from {plain(terms.min_net_bps, 1)} bps, held "
        f"{plain(terms.holding_h, 1)} h; {fills}; reserve {plain(terms.costs.slippage_bps, 1)} bps",
        "",
        f"Net edge {signed(row.net_edge_bps) or 'not known'} bps"
        + "".join(f"\n  {name:<14} {signed(value):>8}" for name, value in parts(opened)),
        f"Profit {money(row.profit) or 'not known'} {opened.quote} on {plain(row.notional)} {opened.quote}",
        f"Capacity {plain(capacity(row)) or 'not known'} {opened.quote}"
        + (", the touch only" if row.touch_only else f"; visible depth ends at {plain(row.visible)}"),
        f"Alive {age(row.alive_s) or 'not known'}",
    ]
    if opened.filled is not None:
        digits = None if opened.decimals is None else opened.decimals + 1
        lines.append(
            f"Fills {coins(opened.filled.quantity)} {opened.base}: average buy {price(opened.filled.buy, digits)}, "
            f"average sell {price(opened.filled.sell, digits)}"
        )
    lines += ["", *_funding(view, opened), "", "Tests"]
    for name, check in evidence.named(opened.explanation.checks):
        found, limit = evidence.found_words(view, opened, check), evidence.limit_words(opened, check)
        said = "; ".join(word for word in (found, limit) if word)
        lines.append(f"  {check.state:<9} {name}" + (f": {said}" if said else ""))
    lines += ["", "Figures"]
    for made in opened.explanation.figures:
        value = evidence.value_words(opened, Input(made.name, made.value, made.unit))
        lines.append(f"  {made.name} {value} = {made.formula}")
        for item in made.inputs:
            about = [word for word in (evidence.source_words(view, item), age(item.age_s)) if word]
            tail = f" ({', '.join(about)})" if about else ""
            lines.append(f"    {item.name} {evidence.value_words(opened, item)}{tail}")
    return "\n".join(lines).replace("\u2009", " ")


def _funding(view: View, opened: Opened) -> list[str]:
    if opened.flows is None:
        return ["Funding: not known"]
    hold = plain(opened.one.context.terms.holding_h, 1)
    lines = [f"Funding inside {hold} h: {signed(opened.carry)} bps"]
    for flow in opened.flows:
        at = datetime.fromtimestamp(flow.time, UTC).strftime("%m-%d %H:%M")
        name = glance.title(view, flow.exchange)
        lines.append(f"  {at} {name} {flow_words(flow)} {signed(flow.bps)} ({KINDS[flow.kind].rstrip('.').lower()})")
    return lines
