"""Order books on demand: subscribes and drops the depth topics of one exchange while its feed runs.

What to ask for comes from the exchange's own plan for the channel "depth" of a single instrument. Where that plan
belongs to a pool that carries quotes and both kinds of topic get along on one socket, the topics go onto a connection
with room; otherwise onto connections of their own. Lives on the feed loop.
"""

import asyncio
import copy
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Literal, Protocol

from feeds.connection import Connection
from feeds.errors import FeedError, RequestFailed
from feeds.exchanges.base import DEFAULT_CHANNELS, ConnectionPlan, Exchange, Resync
from feeds.session import Listener, Session
from feeds.stats import FeedLog
from market.models import Depth, Instrument, MarketWord, Status

DEFAULT_CAP = 20  # books watched at a time on one exchange
LEAVE_S, LEAVE_WITHIN_S = 2.0, 10.0  # a socket whose last topic was given up is closed once it says nothing for a while
STUCK_S = 6.0  # a book that is not there for this long is asked for once more, and again after twice as long each time
LONGEST_STUCK_S = 600.0
NAMED = 5  # symbols named in one line of the log

OpenSession = Callable[[Exchange, ConnectionPlan, Sequence[str], Listener], Session]


class DepthSink(Protocol):
    """Where books and their states go. Called on the feed thread only."""

    def watch_depth(self, exchange: str, watched: Collection[str], left_out: Collection[str]) -> None:
        """Keep the books of exactly these symbols; those left out were wished for and cannot be had."""
        ...

    def mark_depth(self, exchange: str, symbols: Iterable[str], state: Literal["resyncing", "lost"]) -> None:
        """Do not rely on these books until the next good one."""
        ...

    def stuck_depth(self, exchange: str, before: float) -> Sequence[str]:
        """The symbols whose books have been waited for, resyncing or lost since before a time, epoch s."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What brings one instrument's book. shared: whether the topics may join the quotes of their pool."""

    plan: ConnectionPlan
    topics: tuple[str, ...]
    shared: bool


def depth_of(exchange: Exchange, instrument: Instrument) -> list[Asked]:
    """What to ask an exchange for to get one instrument's book; nothing where it offers none."""

    def topics(channels: Collection[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for plan in exchange.connections([instrument], channels):  # type: ignore[arg-type]
            found.setdefault(plan.pool, []).extend(plan.topics)
        return found

    always = {topic for some in topics(()).values() for topic in some}  # such as announcements
    usual, both = topics(DEFAULT_CHANNELS), topics({*DEFAULT_CHANNELS, "depth"})
    asked = []
    for plan in exchange.connections([instrument], {"depth"}):
        special = tuple(topic for topic in plan.topics if topic not in always)
        # What comes with the quotes of the same pool is only of interest where it is all that brings the book.
        wanted = tuple(topic for topic in special if topic not in usual.get(plan.pool, ())) or special
        if wanted:
            # Where depth takes the quotes' place on a socket, it must not be asked for on theirs.
            shared = plan.pool in usual and set(usual[plan.pool]) <= set(both.get(plan.pool, ()))
            asked.append(Asked(plan, wanted, shared))
    return asked


def _identity(instrument: Instrument) -> tuple[object, ...]:
    """What must stay as it is for a book to go on: which contract it is, and the units of its levels."""
    return instrument.exchange_symbol, instrument.kind, instrument.multiplier, instrument.contract_multiplier


class DepthWatch:
    """The books watched on one exchange.

    topics: all that were subscribed for books; a reconciliation of the quotes must leave them alone.
    """

    def __init__(
        self,
        exchange: Exchange,
        sink: DepthSink,
        log: FeedLog,
        cap: int,
        quotes: Sequence[Connection],
        open_session: OpenSession,
        listener: Listener,
    ) -> None:
        """quotes: the feed's connections, as they come. listener: who hears of what is not about books."""
        self.topics: dict[str, str] = {}  # topic -> symbol
        self._exchange = exchange
        self._planner = exchange
        self._sink = sink
        self._log = log
        self._cap = cap
        self._quotes = quotes
        self._open_session = open_session
        self._listener = _DepthOnly(self, listener)
        self._wanted: tuple[str, ...] = ()
        self._instruments: dict[str, Instrument] = {}
        self._watched: dict[str, Instrument] = {}
        self._carriers: dict[str, Connection] = {}  # by topic; none for what comes with the quotes anyway
        self._own: dict[Connection, asyncio.Task[None]] = {}
        self._leaving: dict[Connection, asyncio.Task[None]] = {}  # still read, and closed by one of the next
        self._closing: set[asyncio.Task[None]] = set()
        self._frames_before = 0
        self._numbers = count(1)
        self._beyond: tuple[str, ...] = ()
        self._asked_again: dict[str, tuple[float, float]] = {}  # when, epoch s, and how long to wait for the next time

    @property
    def connections(self) -> list[Connection]:
        """The sockets that carry only books. Safe to ask for from other threads."""
        return list(self._own)

    @property
    def frames(self) -> int:
        """Frames read so far on the sockets that carry only books."""
        return self._frames_before + sum(connection.frames for connection in [*self._own, *self._leaving])

    def want(self, symbols: Sequence[str]) -> None:
        """Watch these books and no others, the first ones if there are more than the cap."""
        if tuple(symbols) != self._wanted:
            self._wanted = tuple(symbols)
            self._follow()

    def update(self, instruments: Iterable[Instrument], decoded: Sequence[Instrument]) -> None:
        """Take over a new listing: books of contracts that do not trade any more are dropped.

        decoded: what decoders are to know of, which may be more than is used.
        """
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        for connection in self._own:
            if connection.session is not None:
                connection.session.decoder.update(decoded)
        # Some adapters remember the channels of their last plan: those of the quotes must not learn of ours.
        self._planner = copy.copy(self._exchange)
        self._follow()

    def _follow(self) -> None:
        if not self._instruments:
            return  # before the first listing, everything waits
        trading = [symbol for symbol in self._wanted if self._trades(symbol)]
        chosen, beyond = trading[: self._cap], tuple(trading[self._cap :])
        kept = {symbol for symbol in chosen if symbol in self._watched}
        other = {symbol for symbol in kept if _identity(self._instruments[symbol]) != _identity(self._watched[symbol])}
        for symbol in [symbol for symbol in self._watched if symbol not in kept or symbol in other]:
            self._drop(symbol)
        if other:  # what is known is about another contract, or in other units: it is forgotten
            self._sink.watch_depth(self._exchange.name, kept - other, ())
        for symbol in chosen:
            if symbol not in self._watched:
                self._add(self._instruments[symbol])
        carried = set(self.topics.values())
        watched = [symbol for symbol in chosen if symbol in carried]
        self._sink.watch_depth(self._exchange.name, watched, [row for row in self._wanted if row not in carried])
        if beyond and beyond != self._beyond:
            names = ", ".join(beyond[:NAMED]) + (" and more" if len(beyond) > NAMED else "")
            self._log.add("warning", "depth", f"more than {self._cap} books are wished for; left out: {names}")
        self._beyond = beyond

    def _trades(self, symbol: str) -> bool:
        instrument = self._instruments.get(symbol)
        return instrument is not None and instrument.status is Status.TRADING

    def _add(self, instrument: Instrument) -> None:
        self._watched[instrument.symbol] = instrument
        for asked in depth_of(self._planner, instrument):
            self.topics.update(dict.fromkeys(asked.topics, instrument.symbol))
            quotes = [row for row in self._quotes if row.plan.pool == asked.plan.pool] if asked.shared else []
            fresh = tuple(topic for topic in asked.topics if not any(topic in row.topics for row in quotes))
            if fresh:
                carrier = self._with_room([*quotes, *self._own], asked.plan, len(fresh))
                if carrier is None:
                    carrier = self._open(replace(asked.plan, topics=fresh, polls=()))
                else:
                    carrier.subscribe(fresh)
                self._carriers.update(dict.fromkeys(fresh, carrier))

    def _with_room(self, among: Iterable[Connection], plan: ConnectionPlan, topics: int) -> Connection | None:
        for connection in among:
            alike = connection.plan.pool == plan.pool and connection.plan.url == plan.url
            if alike and len(connection.topics) + topics <= connection.plan.capacity:
                return connection
        return None

    def _open(self, plan: ConnectionPlan) -> Connection:
        plan = replace(plan, name=f"{plan.pool}-depth-{next(self._numbers)}")

        def open_session(plan: ConnectionPlan, topics: Sequence[str]) -> Session:
            return self._open_session(self._planner, plan, topics, self._listener)

        connection = Connection(plan, open_session, self.lose, self._log)
        self._own[connection] = asyncio.create_task(connection.run())
        return connection

    def _drop(self, symbol: str) -> None:
        del self._watched[symbol]
        for topic in [topic for topic, owner in self.topics.items() if owner == symbol]:
            del self.topics[topic]
            carrier = self._carriers.pop(topic, None)
            if carrier is None:
                continue
            carrier.unsubscribe((topic,))
            if carrier in self._own and not carrier.topics:
                self._leave(carrier)  # a socket without topics would only be found silent

    def _leave(self, connection: Connection) -> None:
        running = self._leaving[connection] = self._own.pop(connection)

        async def leave() -> None:
            try:
                until, read = time.monotonic() + LEAVE_WITHIN_S, -1
                while (connection.frames != read or connection.asking) and time.monotonic() < until:
                    read = connection.frames
                    await asyncio.sleep(LEAVE_S)
            finally:
                running.cancel()
                await asyncio.wait((running,), timeout=3.0)
                del self._leaving[connection]
                self._frames_before += connection.frames

        task = asyncio.create_task(leave())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close the sockets that carry only books."""
        tasks = [*self._own.values(), *self._leaving.values(), *self._closing]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=3.0)
        self._sink.mark_depth(self._exchange.name, set(self.topics.values()), "lost")

    # -- what happens to topics --------------------------------------------------------------------------------

    def lose(self, topics: Iterable[str]) -> None:
        """The sockets of these topics are down, silent or not understood."""
        self._mark(topics, "lost")

    def on_resync(self, topic: str) -> None:
        """A topic has lost its thread; its session asks for it again."""
        self._mark((topic,), "resyncing")

    def _mark(self, topics: Iterable[str], state: Literal["resyncing", "lost"]) -> None:
        symbols = {self.topics[topic] for topic in topics if topic in self.topics}
        if symbols:
            self._sink.mark_depth(self._exchange.name, symbols, state)

    def tend(self) -> None:
        """Ask once more for books that do not come or stay out of step. To be called from time to time."""
        if not self.topics:
            return
        now = time.time()
        stuck = self._sink.stuck_depth(self._exchange.name, now - STUCK_S)
        self._asked_again = {symbol: asked for symbol, asked in self._asked_again.items() if symbol in stuck}
        for symbol in stuck:
            asked, wait_s = self._asked_again.get(symbol, (0.0, STUCK_S))
            if now - asked < wait_s:
                continue
            for topic in [topic for topic, owner in self.topics.items() if owner == symbol]:
                carrier = self._carriers.get(topic) or self._companion(topic)
                if carrier is not None and carrier.session is not None:
                    self._asked_again[symbol] = now, min(2 * wait_s, LONGEST_STUCK_S)
                    # The decoder is not reset: it waits for a whole book already, and passes over changes till then.
                    carrier.unsubscribe((topic,))
                    carrier.subscribe((topic,))

    def _companion(self, topic: str) -> Connection | None:
        """The connection of quotes that a book comes with; None where it is the quote, too, which others watch for."""
        if self._exchange.symbols_of((topic,), self._watched.values()):
            return None
        return next((connection for connection in self._quotes if topic in connection.topics), None)


class _DepthOnly:
    """Listens to a socket that carries only books: whatever it says of quotes, their own sockets say it as well."""

    def __init__(self, watch: DepthWatch, feed: Listener) -> None:
        self._watch = watch
        self._feed = feed

    def on_words(self, words: Sequence[MarketWord], polled: bool = False) -> None:
        books = [word for word in words if type(word) is Depth]
        if books:
            self._feed.on_words(books, polled)

    def quoted(self, topics: Sequence[str]) -> set[str]:
        return set()

    def on_server_time(self, server_time: float, sent_time: float, received_time: float) -> None: ...

    def on_feed_error(self, session: Session, error: FeedError, frame: bytes | str) -> None:
        self._feed.on_feed_error(session, error, frame)

    def on_resync(self, session: Session, resync: Resync) -> None:
        self._feed.on_resync(session, resync)

    def on_request_failed(self, session: Session, error: RequestFailed) -> None:
        self._feed.on_request_failed(session, error)

    def on_catalogue_changed(self, reason: str) -> None:
        self._feed.on_catalogue_changed(reason)

    def on_closing(self, session: Session, reason: str) -> None:
        self._feed.on_closing(session, reason)

    def on_quiet(self, session: Session, after_s: float) -> None:
        self._watch.lose(session.told_topics)

    def on_doubt(self, session: Session) -> None:
        self._watch.lose(session.told_topics)

    def on_frame(
        self, session: Session, direction: str, url: str, frame: bytes | str, when: float, purpose: str
    ) -> None:
        self._feed.on_frame(session, direction, url, frame, when, purpose)
