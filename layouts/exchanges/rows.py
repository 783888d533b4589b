"""The health table and the parts of one exchange's pane; pure."""

from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from desk import View
from feeds.status import ExchangeStatus
from layouts import glance
from layouts.components import aria, num, shape, sparkline, td, th
from layouts.exchanges.figures import age_classes
from layouts.format import age, clock, milliseconds, plain, seconds, signed
from store.clock import Latency

SLOW_P95_S = 0.1
LOG_LINES = 80
LEVEL_SHAPE = {"info": "live", "warning": "degraded", "error": "down"}
SOCKET_UP = ("live", "up", "open", "connected", "streaming")


def selected(view: View, wanted: str | None) -> ExchangeStatus | None:
    """The exchange that was asked for, or the one that deserves attention first."""
    for status in view.status:
        if status.exchange == wanted:
            return status
    for state in ("down", "degraded", "starting", "live"):
        for status in view.status:
            if status.state == state:
                return status
    return view.status[0] if view.status else None


def note(view: View) -> str:
    """'9 of 10 up, 1 closed'; what latency means."""
    words = f"{len(glance.up(view))} of {len(glance.expected(view))} up"
    others = glance.apart(view)
    if others:
        words += ", " + ", ".join(f"{status.title} {status.state}" for status in others)
    return words + "; latency is the excess over each exchange's floor"


def table_rows(view: View, latency: dict[str, Latency], chosen: str) -> list[html.Tr]:
    """One line an exchange; closed and off ones say so in one cell."""
    ages = glance.best_quote_age_s(view)
    rows = []
    for status in view.status:
        name = dcc.Link(status.title, href=f"/exchanges?exchange={status.exchange}", className="row-link quiet")
        first = td([shape(status.state), name], "name" + (" hint" if status.state in glance.APART else ""))
        more = (
            [td(_state_words(status), "hint", colSpan=13), num(status.state, "hint")]
            if status.state in glance.APART
            else _cells(view, status, latency.get(status.exchange), ages.get(status.exchange, []))
        )
        here = status.exchange == chosen
        attributes = aria(selected="true") if here else {}
        rows.append(html.Tr([first, *more], key=status.exchange, className="selected" if here else "", **attributes))
    return rows


def _state_words(status: ExchangeStatus) -> str:
    if status.state == "live" and not status.reason:
        return "live"
    reason = status.reason.rstrip(".")
    return reason if reason.startswith(status.state) else f"{status.state}: {reason}" if reason else status.state


def _cells(view: View, status: ExchangeStatus, latency: Latency | None, ages: Sequence[float]) -> list[html.Td]:
    lost = status.state not in glance.UP
    tone = {"down": "err", "degraded": "warn"}.get(status.state, "dim")
    down = status.sockets_up < len(status.sockets)
    sockets = f"{status.sockets_up} of {len(status.sockets)}" if down else plain(status.sockets_up)
    p50, p95, p99, floor = (
        (latency.p50_s, latency.p95_s, latency.p99_s, latency.floor_s) if latency else (None, None, None, None)
    )
    slow = "warn" if p95 is not None and p95 > SLOW_P95_S else "dim"
    return [
        td(_state_words(status), f"state {tone}", title=status.reason),
        num(sockets, "err" if down and lost else "warn" if down else ""),
        num(plain(status.instruments), "dim"),
        td(sparkline(status.rates, "spark long err" if lost else "spark long")),
        num(plain(status.frames_per_s), "err" if lost else "flash"),
        num("" if lost else milliseconds(p50), "dim"),
        num("" if lost else milliseconds(p95), slow),
        num("" if lost else milliseconds(p99), "dim"),
        num("" if floor is None else signed(floor * 1e3), "dim"),
        td(age_bar(ages), "age-cell"),
        num(plain(status.gaps), "warn" if status.gaps else "dim"),
        num(plain(status.reconnects), "dim"),
        num(plain(status.malformed), "warn" if status.malformed else "dim"),
        num(age(view.judgement.time - status.since), "err" if status.state == "down" else "dim"),
    ]


def age_bar(ages: Sequence[float]) -> html.Div:
    """Shares of the age classes side by side."""
    counts = age_classes(ages)
    total = sum(counts)
    parts = [
        html.Span(className=f"age-{name}", style={"width": f"{count / total * 100:.1f}%"})
        for name, count in zip(("0", "1", "2", "3", "old"), counts, strict=True)
        if total and count
    ]
    return html.Div(parts, className="age-bar")


def head(view: View, status: ExchangeStatus) -> list[Any]:
    """Name, state with its age, reason, and the next attempt."""
    tone = {"down": "err", "degraded": "warn"}.get(status.state, "dim")
    lasting = age(view.judgement.time - status.since)
    parts: list[Any] = [
        shape(status.state),
        html.H2(status.title),
        html.Span(f"{status.state} for {lasting}", className=tone),
    ]
    if status.reason and status.reason != status.state:
        parts.append(html.Span(status.reason, className="hint reason", title=status.reason))
    if status.next_attempt_time is not None and status.state not in glance.UP:
        wait = max(0.0, status.next_attempt_time - view.judgement.time)
        parts.append(html.Span(f"next attempt in {wait:.0f} s", className="hint fig"))
    if status.last_error:
        when = f" at {clock(status.last_error_time)}" if status.last_error_time else ""
        parts.append(
            html.Span(f"last error{when}: {status.last_error}", className="hint reason", title=status.last_error)
        )
    return parts


def sockets(view: View, status: ExchangeStatus) -> Any:
    """Each websocket: its state, topics, frames and silence. Those with nothing but books come last."""
    every = (*status.sockets, *status.book_sockets)
    if not every:
        return html.Div("No sockets: nothing is subscribed.", className="hint note")
    heads = [
        th("Socket"),
        th("State"),
        th("Topics", "Subscribed channels", True),
        th("Frames", "Since it was opened", True),
        th("Silent, s", "Seconds since its last frame", True),
        th("Since", "How long the state has lasted", True),
    ]
    rows = [
        html.Tr(
            [
                td([shape(_socket_shape(socket.state)), socket.name], "name"),
                td(socket.state, "dim"),
                num(plain(socket.topics), "dim"),
                num(plain(socket.frames)),
                num(seconds(socket.age_s), "dim"),
                num(age(view.judgement.time - socket.since), "dim"),
            ],
            key=socket.name,
        )
        for socket in every
    ]
    return html.Table([html.Thead(html.Tr(heads)), html.Tbody(rows)], className="table-data")


def _socket_shape(state: str) -> str:
    if state in SOCKET_UP:
        return "live"
    return "down" if state in ("down", "failed", "closed", "lost") else "starting"


def log(status: ExchangeStatus, level: str) -> list[html.Div]:
    """Events newest first."""
    events = [event for event in status.events if level == "all" or event.level == "error"]
    events = sorted(events, key=lambda event: -event.time)[:LOG_LINES]
    lines = [
        html.Div(
            [
                html.Span(clock(event.time), className="when"),
                html.Span([shape(LEVEL_SHAPE[event.level]), html.Span(event.level, className="sr")]),
                html.Span(event.kind, className="kind"),
                html.Span(event.text, className="text"),
            ],
            className="event",
            key=f"{event.time}:{i}",
        )
        for i, event in enumerate(events)
    ]
    return lines or [html.Div("No errors." if level != "all" else "Nothing has happened yet.", className="hint note")]
