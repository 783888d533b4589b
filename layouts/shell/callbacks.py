"""What the frame shows at every tick, which page is open, and switching the source."""

import asyncio
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, ctx, html, no_update
from dash.exceptions import PreventUpdate

from desk import Desk, View
from layouts import glance
from layouts.components import num, shape, td
from layouts.format import age, clock, plain
from layouts.pages import page_of
from layouts.shell import ids


def register(app: Dash, desk: Desk) -> None:
    """Connect the frame to the desk."""
    _register_browser_side(app)

    @app.callback(
        Output(ids.PAGE, "children"),
        Input(ids.URL, "pathname"),
        State(ids.URL, "search"),
        State(ids.THEME, "data"),
    )
    def open_page(path: str | None, search: str | None, theme: str | None) -> Any:
        return page_of(path or "/")(desk, search or "", theme)

    @app.callback(
        Output(ids.ANSWER, "data"),
        Output(ids.STATE, "data"),
        Output(ids.BAND, "className"),
        Output(ids.BAND_WORD, "children"),
        Output(ids.BAND_TEXT, "children"),
        Output(ids.BAND_LIVE, "children"),
        Output(ids.BADGE, "children"),
        Output(ids.BADGE, "className"),
        Output(ids.UP, "children"),
        Output(ids.RATE, "children"),
        Output(ids.RAIL_OPPORTUNITIES, "children"),
        Output(ids.RAIL_EXCHANGES, "children"),
        Output(ids.UNREACHABLE_HEAD, "children"),
        Output(ids.UNREACHABLE_TEXT, "children"),
        Output(ids.UNREACHABLE_LIST, "children"),
        Input(ids.TICK, "data"),
        Input(ids.SWITCHED, "data"),
        running=[(Output(ids.BUSY_SHELL, "data"), True, False)],
    )
    def tick(_tick: Any, _switched: Any) -> tuple[Any, ...]:
        view = desk.view
        source = view.source
        state = glance.reachability(view)
        word, text, button = band(source.kind, source.detail)
        reached = state == "ok" or not glance.expected(view)
        return (
            answer(view, desk.settings.stale_after_s),
            state if source.kind == "live" else "ok",
            "band" if source.simulated else "band hidden",
            word,
            text,
            button,
            source.kind.upper(),
            "badge-source " + ("badge-sim" if source.simulated else "badge-live" if reached else "badge-down"),
            exchanges_up(view),
            frames_per_s(view),
            plain(view.judgement.funnel.actionable),
            rail_trouble(view),
            *(unreachable(view) if state == "unreachable" else (no_update, no_update, no_update)),
        )

    @app.callback(
        Output(ids.SYMBOLS, "children"),
        Output(ids.SYMBOLS_KEY, "data"),
        Input(ids.STATE, "data"),
        Input(ids.SWITCHED, "data"),
        Input(ids.SEARCH, "value"),
        State(ids.SYMBOLS_KEY, "data"),
    )
    def symbols(_state: Any, _switched: Any, _value: Any, key: Any) -> tuple[Any, Any]:
        view = desk.view
        listed = view.judgement.snapshot.symbols
        now = f"{view.source.kind}:{len(listed)}:{hash(listed)}"
        if key == now:
            raise PreventUpdate
        return [html.Option(value=symbol) for symbol in listed], now

    @app.callback(
        Output(ids.SWITCHED, "data"),
        Input(ids.BAND_LIVE, "n_clicks"),
        Input(ids.OPEN_DEMO, "n_clicks"),
        running=[(Output(ids.BAND_LIVE, "disabled"), True, False), (Output(ids.OPEN_DEMO, "disabled"), True, False)],
        prevent_initial_call=True,
    )
    async def switch(live: int | None, demo: int | None) -> Any:
        if not (live or demo):
            raise PreventUpdate
        source = "demo" if ctx.triggered_id == ids.OPEN_DEMO else "live"
        await asyncio.to_thread(desk.switch, source)
        return source


def _register_browser_side(app: Dash) -> None:
    """The parts that need no server: assets/60-shell.js."""

    def browser(name: str, *connections: Any, **more: Any) -> None:
        app.clientside_callback(ClientsideFunction("perpscope", name), *connections, **more)

    browser(
        "tick",
        Output(ids.TICK, "data"),
        Input(ids.INTERVAL, "n_intervals"),
        State(ids.PAUSED, "data"),
        State(ids.BUSY_SHELL, "data"),
        State(ids.BUSY_PAGE, "data"),
        prevent_initial_call=True,
    )
    browser("answered", Output(ids.CLOCK, "data-answered"), Input(ids.ANSWER, "data"))
    browser("state", Output(ids.APP, "data-state"), Input(ids.STATE, "data"))
    browser("page", Output(ids.APP, "data-page"), Input(ids.URL, "pathname"))
    browser("theme", Output(ids.APP, "data-theme-now"), Input(ids.THEME, "data"))
    browser(
        "toggleTheme",
        Output(ids.THEME, "data"),
        Input(ids.THEME_BUTTON, "n_clicks"),
        State(ids.THEME, "data"),
        prevent_initial_call=True,
    )
    browser(
        "togglePause",
        Output(ids.PAUSED, "data"),
        Output(ids.PAUSE_BUTTON, "aria-pressed"),
        Output("pause-word", "children"),
        Input(ids.PAUSE_BUTTON, "n_clicks"),
        prevent_initial_call=True,
    )
    browser("foldRail", Output(ids.RAIL_FOLD, "aria-pressed"), Input(ids.RAIL_FOLD, "n_clicks"))
    browser(
        "toggleHelp",
        Output(ids.HELP, "is_open"),
        Input(ids.HELP_BUTTON, "n_clicks"),
        Input(ids.HELP_CLOSE, "n_clicks"),
        State(ids.HELP, "is_open"),
        prevent_initial_call=True,
    )
    browser(
        "search",
        Output(ids.URL, "href"),
        Output(ids.SEARCH, "value"),
        Input(ids.SEARCH, "n_submit"),
        State(ids.SEARCH, "value"),
        prevent_initial_call=True,
    )


def answer(view: View, stale_after_s: float) -> dict[str, Any]:
    """What the browser's clock counts from. Times are the server's; the browser adds only what has passed since."""
    return {
        "judged": view.judgement.time,
        "newest": glance.newest_frame(view),
        "stale_after_s": stale_after_s,
        "running": bool(glance.up(view)),
    }


def band(kind: str, detail: str) -> tuple[str, str, str]:
    """Word, sentence and button of the yellow band."""
    if kind == "replay":
        return "REPLAY", detail, "Back to live"
    sentence = f"No price, book or funding rate on this page is real. Source: {detail}"
    return "SIMULATED MARKET", sentence, "Switch to live"


def exchanges_up(view: View) -> list[Any]:
    """'9 of 10 exchanges up', with the shape of the worst; closed and off ones are named apart."""
    wanted, running = glance.expected(view), glance.up(view)
    worst = worst_state(view)
    parts: list[Any] = [
        shape(worst),
        html.Span(f"{len(running)} of {len(wanted)}", className="fig"),
        html.Span(" exchanges up", className="hint words"),
    ]
    others = glance.apart(view)
    if others:
        named = ", ".join(f"{status.title} {status.state}" for status in others)
        parts.append(html.Span(f" ({named})" if len(others) == 1 else "", className="hint words", title=named))
    return parts


def worst_state(view: View) -> str:
    """The state that deserves attention first, of the exchanges that should be up."""
    states = {status.state for status in glance.expected(view)}
    return next((state for state in ("down", "degraded", "starting") if state in states), "live")


def frames_per_s(view: View) -> list[Any]:
    total = sum(status.frames_per_s for status in view.status)
    return [html.Span(plain(total), className="fig"), html.Span(" frames/s", className="hint words")]


def rail_trouble(view: View) -> Any:
    """The rail carries a shape only when an exchange is in trouble."""
    worst = worst_state(view)
    return shape(worst) if worst in ("down", "degraded") else None


def unreachable(view: View) -> tuple[Any, Any, Any]:
    """What the page says when no exchange can be reached: who, why, and when it is tried again."""
    wanted = glance.expected(view)
    since = min(status.since for status in wanted)
    rows = [
        html.Tr(
            [
                td([shape(status.state), status.title]),
                td(status.reason, "dim"),
                num(_next_attempt(view, status.next_attempt_time), "dim"),
            ],
            key=status.exchange,
        )
        for status in wanted
    ]
    return (
        f"None of {len(wanted)} exchanges can be reached",
        f"Since {clock(since)} UTC. Live stays live and empty until one answers; nothing is made up.",
        rows,
    )


def _next_attempt(view: View, at: float | None) -> str:
    if at is None:
        return ""
    wait = at - view.judgement.time
    return "now" if wait < 0.5 else f"again in {age(round(wait)) if wait >= 10 else f'{wait:.0f} s'}"
