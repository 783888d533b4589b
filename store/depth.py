"""Small order books of the contracts that somebody looks at, and who looks at what.

Prices are quote currency per base coin, sizes base coins, times UTC seconds since 1970. Readers get immutable objects.
"""

import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from market.models import Depth

LadderState = Literal["waiting", "live", "resyncing", "lost", "off"]
Side = tuple[tuple[float, float], ...]

REORDER_S = 10.0  # a book older than its predecessor by up to this came out of order; by more, it is another clock


@dataclass(frozen=True, slots=True)
class Ladder:
    """The last good book of one contract, best level first: (price, size in base coins).

    state: waiting (asked for, nothing came yet), live, resyncing (a change was missed or the book was crossed; a fresh
    one is on its way), lost (its socket is down or silent), off (not asked for: the contract does not trade, the
    exchange offers no books, or too many are watched). Whatever is not live shows what was last known, if anything.
    since: when the state began, epoch s.
    """

    exchange: str
    symbol: str
    state: LadderState
    since: float
    bids: Side = ()
    asks: Side = ()
    event_time: float | None = None
    received_time: float | None = None

    def age_s(self, now: float) -> float | None:
        """Seconds since the book was received; None before any."""
        return None if self.received_time is None else max(0.0, now - self.received_time)

    def exchange_age_s(self, now: float, floor_s: float) -> float | None:
        """Seconds since the book's event, by the exchange's clock less its floor; None if that is not known."""
        if self.event_time is None or floor_s != floor_s:
            return None
        return max(0.0, now - self.event_time - floor_s)


class Watched:
    """The ladders by exchange and symbol, in a slot, where compiled code sees whether anybody watches a book."""

    __slots__ = ("_ladders",)


class DepthStore(Watched):
    """The ladders of the watched contracts. One writer (the feed thread), many readers on any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ladders: dict[str, dict[str, Ladder]] = {}

    def watch(self, exchange: str, watched: Collection[str], left_out: Collection[str], now: float) -> None:
        """Keep exactly these symbols of an exchange: new ones wait, others are forgotten, those left out are off."""
        with self._lock:
            before = self._ladders.get(exchange, {})
            kept: dict[str, Ladder] = {}
            for symbol in left_out:
                known = before.get(symbol)
                if known is None or known.state != "off":
                    known = Ladder(exchange, symbol, "off", now)
                kept[symbol] = known
            for symbol in watched:
                known = before.get(symbol)
                if known is None or known.state == "off":
                    known = Ladder(exchange, symbol, "waiting", now)
                kept[symbol] = known
            self._ladders[exchange] = kept

    def write(self, depth: Depth) -> bool:
        """Take over a book, unless nobody watches it or a newer one is there; a crossed one is never shown.

        Returns:
            Whether anything is other than it was.
        """
        with self._lock:
            known = self.get(depth.exchange, depth.symbol)
            if known is None or known.state == "off" or _overtaken(known, depth):
                return False
            if not is_good(depth):
                self._mark(known, "resyncing", depth.received_time)
                return True
            since = known.since if known.state == "live" else depth.received_time
            self._ladders[depth.exchange][depth.symbol] = Ladder(
                depth.exchange,
                depth.symbol,
                "live",
                since,
                depth.bids,
                depth.asks,
                depth.event_time,
                depth.received_time,
            )
            return True

    def mark(self, exchange: str, symbols: Iterable[str], state: Literal["resyncing", "lost"], now: float) -> None:
        """Say that these books are not to be relied on until the next good one."""
        with self._lock:
            for symbol in symbols:
                known = self.get(exchange, symbol)
                # A book that never came is waited for all the same.
                if known is not None and known.state not in ("off", "waiting"):
                    self._mark(known, state, now)

    def _mark(self, known: Ladder, state: LadderState, now: float) -> None:
        if known.state != state:
            self._ladders[known.exchange][known.symbol] = replace(known, state=state, since=now)

    def get(self, exchange: str, symbol: str) -> Ladder | None:
        """One contract's ladder; None if nobody has asked for it yet."""
        return self._ladders.get(exchange, {}).get(symbol)

    def stuck(self, exchange: str, before: float) -> tuple[str, ...]:
        """The symbols of an exchange whose books have been waited for, out of step or lost since before a time."""
        with self._lock:
            return tuple(
                ladder.symbol
                for ladder in self._ladders.get(exchange, {}).values()
                if ladder.state in ("waiting", "resyncing", "lost") and ladder.since < before
            )


def _overtaken(known: Ladder, depth: Depth) -> bool:
    if known.event_time is None or depth.event_time is None or known.received_time is None:
        return False
    just_now = depth.received_time - known.received_time < REORDER_S
    return just_now and 0.0 < known.event_time - depth.event_time < REORDER_S


def is_good(depth: Depth) -> bool:
    """Whether the sides are ordered, best level first, and do not touch each other."""
    if depth.bids and depth.asks and depth.bids[0][0] >= depth.asks[0][0]:
        return False
    falling = all(better[0] > worse[0] for better, worse in pairwise(depth.bids))
    return falling and all(better[0] < worse[0] for better, worse in pairwise(depth.asks))


class Wishes:
    """Whose books somebody looks at. A wish ends `ttl_s` after the last look. Every method may be called anywhere.

    Times are of any clock that never goes back, in seconds.
    """

    def __init__(self, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self._lock = threading.Lock()
        self._looks: dict[tuple[str, str], tuple[float, float]] = {}  # first and last look

    def look(self, symbol: str, exchanges: Iterable[str], now: float) -> bool:
        """Make or renew the wish for a symbol on some exchanges; True if any of it is new."""
        fresh = False
        with self._lock:
            for exchange in exchanges:
                first, last = self._looks.get((exchange, symbol), (now, now))
                if now - last >= self._ttl_s:
                    first = now
                fresh = fresh or first == now
                self._looks[exchange, symbol] = first, now
        return fresh

    def wanted(self, now: float) -> dict[str, tuple[str, ...]]:
        """The symbols wished for on each exchange, the youngest wish first."""
        with self._lock:
            self._looks = {key: look for key, look in self._looks.items() if now - look[1] < self._ttl_s}
            ordered = sorted(self._looks.items(), key=lambda item: (-item[1][0], item[0]))
        found: dict[str, list[str]] = {}
        for (exchange, symbol), _ in ordered:
            found.setdefault(exchange, []).append(symbol)
        return {exchange: tuple(symbols) for exchange, symbols in found.items()}

    def clear(self) -> None:
        """Forget every wish."""
        with self._lock:
            self._looks = {}
