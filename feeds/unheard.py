"""Notices subscriptions that were confirmed and stay silent on a socket that flows, and asks for them again.

Silence by itself proves nothing: a quiet contract says as little. What gives a dead subscription away is that its
quote never came, or that requests have shown other prices since. Lives on the feed loop.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Protocol

from feeds.connection import Connection
from feeds.exchanges.base import Exchange
from feeds.stats import FeedLog
from market.models import Instrument, Status

UNHEARD_S = 25.0  # polls come every 10 s at most: by the second one a quiet contract is confirmed
LONGEST_WAIT_S = 600.0  # between two attempts; the first comes after UNHEARD_S, each later one after twice as long
AT_ONCE = 20  # topics asked for again in one go
CHECK_EVERY_S = 2.0
NAMED = 3  # topics named in one line of the log


class QuoteSink(Protocol):
    """Who knows which quotes are backed by a stream."""

    def unheard(self, exchange: str) -> Sequence[str]: ...


class Unheard:
    """The topics of one exchange that ought to bring quotes and do not."""

    def __init__(self, exchange: Exchange, sink: QuoteSink, log: FeedLog) -> None:
        self._exchange = exchange
        self._sink = sink
        self._log = log
        self._since: dict[str, float] = {}  # by symbol, monotonic s
        self._waits: dict[str, tuple[float, float]] = {}  # by topic: when to ask again, and how long that was
        self._next_check = 0.0

    def tend(self, connections: Iterable[Connection], instruments: Iterable[Instrument]) -> None:
        """Ask again for what stays silent. To be called from time to time."""
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + CHECK_EVERY_S
        self._since = {symbol: self._since.get(symbol, now) for symbol in self._sink.unheard(self._exchange.name)}
        silent = {symbol for symbol, since in self._since.items() if now - since >= UNHEARD_S}
        if not silent:
            if not self._since:
                self._waits.clear()
            return
        trading = [row for row in instruments if row.status is Status.TRADING]
        suspects = [row for row in trading if row.symbol in silent]
        for connection in connections:
            # While a whole socket is silent, it is the socket that is given up.
            if connection.up and connection.session is not None and connection.session.live_for_s >= UNHEARD_S:
                self._ask_again(connection, suspects, trading, silent, now)

    def _ask_again(
        self,
        connection: Connection,
        suspects: list[Instrument],
        trading: list[Instrument],
        silent: set[str],
        now: float,
    ) -> None:
        session = connection.session
        assert session is not None
        dead = []
        for topic in tuple(session.topics):
            due, waited_s = self._waits.get(topic, (0.0, UNHEARD_S / 2))
            if now < due or not self._exchange.symbols_of((topic,), suspects):
                continue
            if not self._exchange.symbols_of((topic,), trading) <= silent:
                continue  # it brings other quotes
            wait_s = min(2 * waited_s, LONGEST_WAIT_S)
            self._waits[topic] = now + wait_s, wait_s
            dead.append(topic)
            if len(dead) == AT_ONCE:
                break
        if dead:
            names = ", ".join(dead[:NAMED]) + (f" and {len(dead) - NAMED} more" if len(dead) > NAMED else "")
            self._log.add("warning", "silent", f"{session.name}: nothing comes of {names}, asked for again")
            session.subscribe_again(dead)
