"""What several pages want to know of the desk at once, made once per view and shared by all viewers."""

import time
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar
from weakref import WeakKeyDictionary

from desk import View
from feeds.status import ExchangeStatus
from store.clock import Latency
from store.snapshot import SnapshotStore

UP = ("live", "degraded")
APART = ("closed", "off")  # not expected to be up, so not counted
LATENCY_EVERY_S = 2.0

Result = TypeVar("Result")


def per_view(function: Callable[..., Result]) -> Callable[..., Result]:
    """Remember the answers for the last few views: all viewers share one computation."""
    return lru_cache(maxsize=12)(function)


def view_key(view: View) -> str:
    """Names a view, so that a page can say which one it shows."""
    return f"{id(view):x}:{view.judgement.time:.3f}"


def expected(view: View) -> list[ExchangeStatus]:
    """The exchanges that should be up."""
    return [status for status in view.status if status.state not in APART]


def up(view: View) -> list[ExchangeStatus]:
    return [status for status in view.status if status.state in UP]


def apart(view: View) -> list[ExchangeStatus]:
    return [status for status in view.status if status.state in APART]


@per_view
def titles(view: View) -> dict[str, str]:
    """How each exchange is written."""
    return {status.exchange: status.title for status in view.status}


def title(view: View, exchange: str) -> str:
    return titles(view).get(exchange, exchange)


def newest_frame(view: View) -> float | None:
    """When the newest frame of any exchange came, at most the time of the judgement. [epoch s]"""
    frames = [status.last_frame_time for status in view.status if status.last_frame_time is not None]
    return min(max(frames), view.judgement.time) if frames else None


def reachability(view: View) -> str:
    """'ok', 'loading' (none has answered yet) or 'unreachable' (none can be reached)."""
    wanted = expected(view)
    if not wanted or any(status.state in UP for status in wanted):
        return "ok"
    return "unreachable" if any(status.state == "down" for status in wanted) else "loading"


@per_view
def best_quote_age_s(view: View) -> dict[str, list[float]]:
    """Ages of the known quotes of each exchange, youngest first. [s]"""
    judgement = view.judgement
    ages: dict[str, list[float]] = {}
    for i, exchange in enumerate(judgement.snapshot.exchanges):
        column = judgement.age_s[:, i]
        ages[exchange] = sorted(column[column == column].tolist())
    return ages


_latencies: WeakKeyDictionary[SnapshotStore, tuple[float, dict[str, Latency]]] = WeakKeyDictionary()


def latencies(view: View) -> dict[str, Latency]:
    """Latency of every exchange, measured again every two seconds: percentiles of thousands of samples are not free."""
    store = view.market.store
    kept = _latencies.get(store)
    now = time.monotonic()
    if kept is None or now - kept[0] >= LATENCY_EVERY_S:
        kept = _latencies[store] = (now, {exchange: store.latency(exchange) for exchange in store.grid.exchanges})
    return kept[1]
