"""One exchange's whole feed: its listing, its connections, its counters and its memory. Lives on the feed loop."""

import asyncio
import dataclasses
import logging
import time
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from msgspec.structs import replace

from feeds.catalogue import changes, read_listing
from feeds.connection import Connection
from feeds.depth import DEFAULT_CAP, DepthSink, DepthWatch
from feeds.errors import FeedError, RequestFailed, SubscriptionRejected, UnknownContract, UnknownMessage
from feeds.exchanges.base import DEFAULT_CHANNELS, Channel, ConnectionPlan, Exchange, HttpRequest, Resync
from feeds.failures import retry_delay_s
from feeds.recorder import Recorder
from feeds.rest import Response, RestClient
from feeds.session import QUIET_AT_LEAST_S, Listener, Session
from feeds.stats import FeedLog, FrameRate
from feeds.status import ExchangeStatus, IntervalChange, SocketStatus, State
from feeds.transport import SocketLibrary
from feeds.unheard import Unheard
from market.models import Funding, Instrument, MarketWord, Status
from market.overrides import Change, Note, Overrides, apply_overrides, differences

logger = logging.getLogger(__name__)

REREAD_AFTER_S = 2.0  # announcements come in bursts; the listing is read once for all of them
OBSERVE_EVERY_S = 0.5
LATE_S = 1.0  # quotes this late make an exchange's state 'degraded'
RELAY_LATE_S = 4.0  # a relay is about 2 s behind its source by nature
OUTDATED_FRAMES, OUTDATED_WINDOW_S = 3, 3.0  # so do this many frames that come twice or out of order
SAMPLE_CHARACTERS = 160  # of an unreadable frame, for the log


class Sink(DepthSink, Protocol):
    """Where words go: the snapshot store. Called on the feed thread only."""

    def set_instruments(self, exchange: str, instruments: Sequence[Instrument]) -> None: ...

    def write(self, words: Sequence[MarketWord], polled: bool = False) -> None: ...

    def lose(self, exchange: str, symbols: Iterable[str]) -> None: ...

    def set_server_time(self, exchange: str, server_time: float, sent_time: float, received_time: float) -> bool: ...

    def lateness_s(self, exchange: str) -> float | None: ...

    def unheard(self, exchange: str) -> Sequence[str]: ...

    def beat(self, now: float) -> None: ...


class ExchangeFeed:
    """Runs one exchange; `run` ends only by cancellation. Readers on other threads call `status`."""

    def __init__(
        self,
        exchange: Exchange,
        sink: Sink,
        *,
        catalogue_every_s: float,
        channels: Collection[Channel] = DEFAULT_CHANNELS,
        recorder: Recorder | None = None,
        overrides: Overrides | None = None,
        depth_cap: int = DEFAULT_CAP,
        library: SocketLibrary = "websockets",
    ) -> None:
        self.exchange = exchange
        self.log = FeedLog()
        self.instruments: list[Instrument] = []
        self.malformed = 0
        self.unknown = 0
        self.gaps = 0
        self._sink = sink
        self._catalogue_every_s = catalogue_every_s
        self._channels = channels
        self._recorder = recorder
        self._library = library
        self._rest = RestClient(exchange.name, exchange.request_weight_per_s, exchange.headers)
        self._late_s = LATE_S if exchange.relay_of is None else RELAY_LATE_S
        self._connections: list[Connection] = []
        self._tasks: dict[Connection, asyncio.Task[None]] = {}
        self.depth = DepthWatch(exchange, sink, self.log, depth_cap, self._connections, self._session, self)
        self._unheard = Unheard(exchange, sink, self.log)
        self._reread = asyncio.Event()
        self._rate = FrameRate()
        self._next_listing: float | None = None
        self._listing_error: str | None = None
        self._overrides = overrides or Overrides()
        self._listed: list[Instrument] = []  # before the overrides
        self._decoded: list[Instrument] = []  # what decoders know of: `instruments` and what overrides left out
        self._notes: list[Note] = []
        self._closing = False
        self._intervals_h: dict[str, float] = {}
        self._interval_changes: dict[str, IntervalChange] = {}
        self._malformed_before = 0
        self._outdated: deque[int] = deque([0], maxlen=round(OUTDATED_WINDOW_S / OBSERVE_EVERY_S))
        self._state: State = "starting"
        self._reason = "reading the listing"
        self._since = time.time()

    async def run(self) -> None:
        """Read the listing, keep the connections it asks for, and read it again from time to time."""
        observer = asyncio.create_task(self._observe())
        failures = 0
        try:
            while True:
                self._reread.clear()
                try:
                    await self._refresh()
                    failures, self._listing_error = 0, None
                    wait_s = self._catalogue_every_s
                except FeedError as error:
                    failures += 1
                    wait_s = retry_delay_s(failures)
                    if isinstance(error, RequestFailed) and error.retry_after_s is not None:
                        wait_s = max(wait_s, error.retry_after_s)
                    self._listing_error = error.detail
                    self.log.add("error", "listing", f"{error.detail}; next attempt in {wait_s:.0f} s")
                self._next_listing = time.time() + wait_s
                await self._wait_for_reread(wait_s)
        finally:
            observer.cancel()
            await self._close()

    async def _wait_for_reread(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._reread.wait()
                await asyncio.sleep(REREAD_AFTER_S)
        except TimeoutError:
            return

    async def _close(self) -> None:
        self._closing = True
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=3.0)
        await self.depth.close()
        self._sink.lose(self.exchange.name, [instrument.symbol for instrument in self.instruments])
        await self._rest.close()

    # -- the listing -------------------------------------------------------------------------------------------

    async def _refresh(self) -> None:
        listed = await read_listing(self.exchange, self._rest, self._record_body)
        if self._listed:
            for change in changes(self._listed, listed):
                self.log.add("info", "listing", change.text)
        else:
            trading = sum(instrument.status is Status.TRADING for instrument in listed)
            self.log.add("info", "listing", f"{trading} of {len(listed)} perpetuals are trading")
        self._listed = listed
        self._take_over()

    def _take_over(self) -> None:
        """Use the listing as the overrides want it."""
        instruments, notes = apply_overrides(self._listed, self._overrides)
        for note in notes:
            if note not in self._notes:
                self.log.add("error" if note.error else "warning", "listing", note.text)
                logger.log(logging.ERROR if note.error else logging.WARNING, "overrides: %s", note.text)
        self._notes = notes
        if instruments == self.instruments:
            return
        self.instruments = instruments
        # Frames about a listing that is left out may go on coming: its words must find no symbol.
        used = {row.exchange_symbol for row in instruments}
        left_out = [row for row in self._listed if row.exchange_symbol not in used]
        self._decoded = instruments + [replace(row, symbol=f"{row.exchange_symbol} (not used)") for row in left_out]
        self._sink.set_instruments(self.exchange.name, instruments)
        for connection in self._connections:
            if connection.session is not None:
                connection.session.decoder.update(self._decoded)
        self._reconcile()
        self.depth.update(instruments, self._decoded)

    async def reload(self, overrides: Overrides) -> list[Change]:
        """Apply other overrides to what is listed and have the listing read again; returns what changed."""
        self._overrides = overrides
        before, found = self.instruments, list[Change]()
        if self._listed and not self._closing:
            self._take_over()
            found = differences(before, self.instruments)
            if converted := {change.symbol for change in found if change.what != "pairing"}:
                await self._redial(converted)
        self._reread.set()
        return found

    async def _redial(self, converted: set[str]) -> None:
        """Begin all connections anew: what decoders have merged so far is in units or names of before."""
        stopped = dict(self._tasks)
        for task in stopped.values():
            task.cancel()
        if stopped:
            await asyncio.wait(stopped.values(), timeout=3.0)
        if self._closing:
            return
        # Listed no more and listed again, so that nothing is left of what was known of them.
        unchanged = [row for row in self.instruments if row.symbol not in converted]
        self._sink.set_instruments(self.exchange.name, unchanged)
        self._sink.set_instruments(self.exchange.name, self.instruments)
        self._sink.lose(self.exchange.name, [row.symbol for row in self.instruments])
        self.depth.update(unchanged, self._decoded)
        self.depth.update(self.instruments, self._decoded)
        for connection in stopped:
            self._tasks[connection] = asyncio.create_task(connection.run())

    def _reconcile(self) -> None:
        """Make the connections carry what the listing asks for, touching only what has changed."""
        trading = [instrument for instrument in self.instruments if instrument.status is Status.TRADING]
        plans = self.exchange.connections(trading, self._channels)
        if not self._connections:
            for plan in plans:
                self._connect(plan)
            return
        for pool in {plan.pool: None for plan in plans}:
            wanted = dict.fromkeys(topic for plan in plans if plan.pool == pool for topic in plan.topics)
            carried = [connection for connection in self._connections if connection.plan.pool == pool]
            for connection in carried:
                gone = [topic for topic in connection.topics if topic not in wanted and topic not in self.depth.topics]
                if gone:
                    connection.unsubscribe(gone)
            missing = [topic for topic in wanted if not any(topic in connection.topics for connection in carried)]
            for connection in carried:
                room = connection.plan.capacity - len(connection.topics)
                if missing and room > 0:
                    connection.subscribe(missing[:room])
                    missing = missing[room:]
            if missing:
                model = next(plan for plan in plans if plan.pool == pool)
                for start in range(0, len(missing), model.capacity):
                    name = f"{pool}-{len(self._connections) + 1}"
                    topics = tuple(missing[start : start + model.capacity])
                    self._connect(dataclasses.replace(model, name=name, topics=topics, polls=()))
        active = {instrument.symbol for instrument in trading}
        self._sink.lose(self.exchange.name, [row.symbol for row in self.instruments if row.symbol not in active])

    def _connect(self, plan: ConnectionPlan) -> None:
        connection = Connection(plan, self._open_session, self._on_lost, self.log)
        self._connections.append(connection)
        self._tasks[connection] = asyncio.create_task(connection.run())

    def _open_session(self, plan: ConnectionPlan, topics: Sequence[str]) -> Session:
        return self._session(self.exchange, plan, topics, self)

    def _session(self, exchange: Exchange, plan: ConnectionPlan, topics: Sequence[str], listener: Listener) -> Session:
        decoder = exchange.decoder(self._decoded)
        recording = self._recorder is not None
        return Session(
            exchange, plan, topics, decoder, self._rest, listener, recording=recording, library=self._library
        )

    def _on_lost(self, topics: tuple[str, ...]) -> None:
        self._sink.lose(self.exchange.name, self.exchange.symbols_of(topics, self.instruments))
        self.depth.lose(topics)

    # -- what sessions report ----------------------------------------------------------------------------------

    def on_words(self, words: Sequence[MarketWord], polled: bool = False) -> None:
        for word in words:
            if type(word) is Funding and word.funding_interval_h is not None:
                self._watch_interval(word.symbol, word.funding_interval_h)
        self._sink.write(words, polled)

    def _watch_interval(self, symbol: str, hours: float) -> None:
        before = self._intervals_h.get(symbol)
        if before != hours:
            self._intervals_h[symbol] = hours
            if before is not None:
                change = IntervalChange(symbol, before, hours, time.time())
                self._interval_changes = {**self._interval_changes, symbol: change}  # anew: readers hold the old one
                self.log.add("info", "funding", f"{symbol} funds every {hours:g} h instead of {before:g} h")

    def quoted(self, topics: Sequence[str]) -> set[str]:
        lateness_s = self._sink.lateness_s(self.exchange.name)
        if lateness_s is not None and lateness_s > self._late_s:
            return set()
        return self.exchange.symbols_of(topics, self.instruments)

    def on_server_time(self, server_time: float, sent_time: float, received_time: float) -> None:
        if self._sink.set_server_time(self.exchange.name, server_time, sent_time, received_time):
            offset_s = (sent_time + received_time) / 2.0 - server_time
            self.log.add(
                "warning", "clock", f"the exchange's clock was stepped; it is now {-offset_s:+.1f} s from ours"
            )

    def on_feed_error(self, session: Session, error: FeedError, frame: bytes | str) -> None:
        if isinstance(error, SubscriptionRejected):
            self.log.add("warning", "socket", f"{session.name}: {error.detail}")
            if error.topics and not error.live:
                self._reread.set()
            return
        if isinstance(error, UnknownContract):
            self.unknown += 1
            self.log.add("warning", "message", f"{session.name}: {error.detail}")
            self._reread.set()
        elif isinstance(error, UnknownMessage):
            self.unknown += 1
            self.log.add("warning", "message", f"{session.name}: {error.detail}")
        else:
            self.malformed += 1
            self.log.add("error", "message", f"{session.name}: unreadable frames: {error.detail[:SAMPLE_CHARACTERS]}")
        logger.debug("%s: %r", error, frame[:SAMPLE_CHARACTERS])

    def on_resync(self, session: Session, resync: Resync) -> None:
        self._sink.lose(self.exchange.name, self.exchange.symbols_of((resync.topic,), self.instruments))
        self.depth.on_resync(resync.topic)
        if resync.missed:
            self.gaps += 1
            self.log.add("warning", "gap", f"{session.name}: {resync.topic}: {resync.reason}")

    def on_request_failed(self, session: Session, error: RequestFailed) -> None:
        self.log.add("warning", "request", error.detail)

    def on_catalogue_changed(self, reason: str) -> None:
        self.log.add("info", "listing", reason)
        self._reread.set()

    def on_closing(self, session: Session, reason: str) -> None:
        self.log.add("info", "socket", f"{session.name}: {reason}")

    def on_quiet(self, session: Session, after_s: float) -> None:
        self.log.add("warning", "feed", f"{session.name}: no data for {after_s:.1f} s, its quotes are not used")
        self._on_lost(session.told_topics)

    def on_doubt(self, session: Session) -> None:
        self._on_lost(session.told_topics)

    def on_frame(
        self, session: Session, direction: str, url: str, frame: bytes | str, when: float, purpose: str
    ) -> None:
        if self._recorder is not None:
            self._recorder.take(self.exchange.name, session.name, direction, url, frame, when, purpose)

    def _record_body(self, request: HttpRequest, response: Response) -> None:
        if self._recorder is not None:
            self._recorder.take(
                self.exchange.name, "listing", "in", request.url, response.body, response.received_time, request.purpose
            )

    # -- status ------------------------------------------------------------------------------------------------

    @property
    def frames(self) -> int:
        return sum(connection.frames for connection in self._connections) + self.depth.frames

    async def _observe(self) -> None:
        while True:
            self._rate.observe(self.frames)
            self.depth.tend()
            self._unheard.tend(self._connections, self.instruments)
            self._share_silence()
            state, reason = self._judge()
            if state != self._state:
                self._since = time.time()
                if state == "live":
                    self.log.add("info", "feed", "live")
                elif state == "degraded":
                    self.log.add("warning", "feed", reason)
            self._state, self._reason = state, reason
            await asyncio.sleep(OBSERVE_EVERY_S)

    def _share_silence(self) -> None:
        """Doubt all sockets that are silent once a lively one is: what befell it may have befallen the others."""
        sessions = [connection.session for connection in self._connections if connection.session is not None]
        if any(session.quiet and session.lively for session in sessions):
            for session in sessions:
                if not session.quiet and session.data_frames and session.silent_s >= QUIET_AT_LEAST_S:
                    session.fall_quiet()

    def _judge(self) -> tuple[State, str]:
        if not self._connections:
            if self._listing_error is not None:
                return "down", self._listing_error
            return "starting", "reading the listing"
        down = [connection for connection in self._connections if not connection.up]
        if not down:
            trouble = self._trouble()
            return ("degraded", trouble) if trouble else ("live", "live")
        quiet = [connection for connection in down if connection.session is not None and connection.session.quiet]
        if quiet:
            worst = f"{quiet[0].plan.name} is open but silent"
        elif down[0].last_failure:
            worst = f"{down[0].plan.name}: {down[0].last_failure}"
        else:
            worst = f"{down[0].plan.name} is {down[0].session.state if down[0].session else 'waiting'}"
        if len(down) < len(self._connections):
            return ("starting" if self._never_live() else "degraded"), worst
        return ("starting" if self._never_live() and not down[0].last_failure else "down"), worst

    def _trouble(self) -> str:
        """What is wrong although every socket is up; empty if nothing is."""
        malformed, self._malformed_before = self.malformed - self._malformed_before, self.malformed
        self._outdated.append(sum(connection.outdated for connection in self._connections))
        repeated = self._outdated[-1] - self._outdated[0]
        lateness_s = self._sink.lateness_s(self.exchange.name)
        if malformed:
            return f"{malformed / OBSERVE_EVERY_S:.0f} frames a second cannot be read; quotes wait to be confirmed"
        if lateness_s is not None and lateness_s > self._late_s:
            return f"quotes come {lateness_s:.1f} s late"
        if repeated >= OUTDATED_FRAMES:
            return f"{repeated} frames in {OUTDATED_WINDOW_S:.0f} s came twice or out of order and were dropped"
        if self._listing_error is not None:
            return f"live, but the listing cannot be read again: {self._listing_error}"
        return ""

    def _never_live(self) -> bool:
        return self._state == "starting"

    def status(self) -> ExchangeStatus:
        """Describe this feed. Safe to call from other threads: it only reads."""
        sockets = tuple(self._socket(connection) for connection in list(self._connections))
        trading = sum(instrument.status is Status.TRADING for instrument in self.instruments)
        waits = [
            connection.next_attempt for connection in list(self._connections) if connection.next_attempt is not None
        ]
        if self._listing_error is not None and self._next_listing is not None:
            waits.append(self._next_listing)
        sessions = [connection.session for connection in list(self._connections)]
        times = [session.data_time for session in sessions if session is not None and session.data_time is not None]
        error = self.log.last_error
        return ExchangeStatus(
            exchange=self.exchange.name,
            title=self.exchange.title,
            state=self._state,
            reason=self._reason,
            since=self._since,
            sockets=sockets,
            sockets_up=sum(connection.up for connection in list(self._connections)),
            instruments=trading,
            halted=len(self.instruments) - trading,
            frames=self.frames,
            frames_per_s=self._rate.per_s,
            rates=self._rate.history(),
            last_frame_time=max(times, default=None),
            reconnects=sum(connection.reconnects for connection in list(self._connections)),
            gaps=self.gaps,
            malformed=self.malformed,
            unknown=self.unknown,
            last_error=error.text if error is not None else None,
            last_error_time=error.time if error is not None else None,
            next_attempt_time=min(waits, default=None),
            events=self.log.events(),
            interval_changes=self._interval_changes,
            book_sockets=tuple(self._socket(connection) for connection in self.depth.connections),
        )

    def _socket(self, connection: Connection) -> SocketStatus:
        session = connection.session
        if session is None:
            state = f"waiting: {connection.last_failure}" if connection.last_failure else "waiting"
            return SocketStatus(
                connection.plan.name, state, time.time(), len(connection.topics), connection.frames, None
            )
        age_s = None if session.data_time is None else time.time() - session.data_time
        return SocketStatus(session.name, session.state, session.since, len(session.topics), connection.frames, age_s)
