"""One websocket from handshake to close: subscribe, keep alive, read, notice silence.

A session ends by raising: Disconnected, Silent, or what the handshake raised. It never redials; `connection.py` does.
"""

import asyncio
import itertools
import time
from collections.abc import Sequence
from typing import Protocol

from feeds.errors import BadPayload, FeedError, RequestFailed, SubscriptionRejected, UnknownMessage
from feeds.exchanges.base import (
    Ack,
    CatalogueChanged,
    Closing,
    ConnectionPlan,
    Decoder,
    Exchange,
    Poll,
    Reply,
    Resync,
    ServerTime,
    Word,
)
from feeds.failures import Silent
from feeds.rest import Response, RestClient
from feeds.socketio_transport import open_socketio
from feeds.transport import SocketLibrary, Transport, open_transport
from market.models import MarketWord, Quote

WATCH_EVERY_S = 0.25
QUIET_MEANS = 6.0  # silent for this many usual gaps between frames is suspicious
QUIET_AT_LEAST_S = 1.0
KNOWN_FRAMES = 20  # what it takes to know the pace of a socket
IN_FLIGHT_S = 1.0  # for so long after a topic was asked for again, changes of before may still come
RESYNC_EVERY_S = 5.0  # a topic that loses its thread again and again is not asked for again and again
REFUSALS_IN_A_ROW = 3  # with none confirmed between them, and half of the topics refused: it is the socket, not a topic
REFUSED_RETRY_S = (5.0, 60.0)  # what the catalogue still holds to be trading is asked for again, at first soon
GARBLED_S = 5.0  # after an unreadable frame, an unknown one is doubted too
SETTLE_S = 0.5  # from the last subscription sent until polled quotes can be joined to the stream

_WAITING = float("inf")
_CONTROL = frozenset({Ack, Reply, Resync, Closing, CatalogueChanged, ServerTime})


class Listener(Protocol):
    """Who a session reports to: its exchange's feed."""

    def on_words(self, words: Sequence[MarketWord], polled: bool = False) -> None: ...

    def quoted(self, topics: Sequence[str]) -> set[str]:
        """The symbols whose quotes these topics bring, none if quotes come too late to be joined with polled ones."""
        ...

    def on_server_time(self, server_time: float, sent_time: float, received_time: float) -> None: ...

    def on_feed_error(self, session: "Session", error: FeedError, frame: bytes | str) -> None: ...

    def on_resync(self, session: "Session", resync: Resync) -> None: ...

    def on_request_failed(self, session: "Session", error: RequestFailed) -> None: ...

    def on_catalogue_changed(self, reason: str) -> None: ...

    def on_closing(self, session: "Session", reason: str) -> None: ...

    def on_quiet(self, session: "Session", after_s: float) -> None: ...

    def on_doubt(self, session: "Session") -> None: ...

    def on_frame(
        self, session: "Session", direction: str, url: str, frame: bytes | str, when: float, purpose: str
    ) -> None: ...


async def dial(plan: ConnectionPlan, library: SocketLibrary = "websockets") -> Transport:
    """Connect as a plan says, its handshake done."""
    opened = open_socketio if plan.transport == "socketio" else open_transport
    return await opened(plan.url, headers=plan.headers, library=library)


class Session:
    """One life of one websocket.

    topics: what it asks for; refused ones leave it. data_time: when a frame last brought market words, epoch s.
    pace_s: usual gap between frames with market words, of the session before; what this one's is takes some frames.
    ready: set once everything was asked for and data flow. closing: set when the exchange announced the cut.
    farewell: what it said then.
    """

    def __init__(
        self, exchange: Exchange, plan: ConnectionPlan, topics: Sequence[str], decoder: Decoder, rest: RestClient,
        listener: Listener, *, recording: bool = False, library: SocketLibrary = "websockets",
    ) -> None:  # fmt: skip
        self.exchange = exchange
        self.plan = plan
        self.topics: dict[str, None] = dict.fromkeys(topics)  # a set that keeps its order
        self.decoder = decoder
        self.state = "connecting"
        self.since = time.time()
        self.frames = 0
        self.data_frames = 0
        self.data_time: float | None = None
        self.quiet = False
        self.pace_s: float | None = None
        self.ready = asyncio.Event()
        self.closing = asyncio.Event()
        self.farewell = ""
        self._rest = rest
        self._listener = listener
        self._recording = recording
        self._library = library
        self._asked = False
        self._ids = itertools.count(1)
        self._pending: dict[str, tuple[str, ...]] = {}
        self._outbox: asyncio.Queue[tuple[tuple[str, ...], bool]] = asyncio.Queue()
        self._replies: asyncio.Queue[str] = asyncio.Queue()
        self._asked_again: dict[str, float] = {}  # by topic, monotonic s; infinity until it is sent
        self._to_resync: set[str] = set()
        self._doubt = False
        self._anew_at = 0.0  # the earliest time to begin anew once more, monotonic s
        self._anew_due = False
        self._unreadable_at = float("-inf")
        self._missed_time = float("-inf")  # when something may last have been missed, epoch s
        self._refused: dict[str, float] = {}  # when to ask again, monotonic s
        self._refused_wait_s: dict[str, float] = {}
        self._refusals = 0
        self._refused_in_a_row = 0
        self._opened_at = 0.0

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def live_for_s(self) -> float:
        """For how long everything has been asked for and data have flowed. Seconds."""
        return time.time() - self.since if self.state == "live" else 0.0

    @property
    def asking(self) -> bool:
        """Whether something that was asked for, or no longer, has not been sent yet."""
        return not self._asked or not self._outbox.empty()

    @property
    def silent_s(self) -> float:
        """Seconds since the last market words, or since this state began where none have come."""
        return time.time() - (self.data_time if self.data_time is not None else self.since)

    @property
    def usual_gap_s(self) -> float | None:
        """Usual gap between frames with market words; None while it is not known."""
        if self.data_frames < KNOWN_FRAMES:
            return self.pace_s
        return (time.monotonic() - self._opened_at) / self.data_frames

    @property
    def lively(self) -> bool:
        """Whether a second of silence says that something is wrong."""
        gap_s = self.usual_gap_s
        return gap_s is not None and QUIET_MEANS * gap_s <= QUIET_AT_LEAST_S

    def fall_quiet(self) -> None:
        """Take its quotes out of use until it speaks again."""
        self.quiet = True
        self._enter("quiet")
        self._listener.on_quiet(self, self.silent_s)

    def _enter(self, state: str) -> None:
        self.state = state
        self.since = time.time()

    async def run(self) -> None:
        """Live until something ends it; raises what did."""
        if self.plan.handshake is not None:
            answer = await self._rest.fetch(self.plan.handshake)
            self.plan = self.exchange.dial(self.plan, answer.body)
        transport = await dial(self.plan, self._library)
        try:
            self._enter("subscribing")
            self._opened_at = time.monotonic()
            self._ask(tuple(self.topics), True)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(transport))
                group.create_task(self._send_requests(transport))
                group.create_task(self._send_replies(transport))
                group.create_task(self._watch())
                if self.plan.heartbeat.message is not None:
                    group.create_task(self._beat(transport, self.plan.heartbeat.message))
                for poll in self.plan.polls:
                    group.create_task(self._poll(poll))
        except BaseExceptionGroup as errors:
            # The first task to fail is the reason; the group has cancelled the others.
            raise errors.exceptions[0] from None
        finally:
            self._enter("closed")
            await transport.close()

    # -- asking ------------------------------------------------------------------------------------------------

    def subscribe(self, topics: Sequence[str]) -> None:
        """Ask for more topics on the open socket."""
        fresh = tuple(topic for topic in topics if topic not in self.topics)
        self.topics.update(dict.fromkeys(fresh))
        if fresh and self.state != "connecting":
            self._ask(fresh, True)

    def unsubscribe(self, topics: Sequence[str]) -> None:
        """Ask for topics no longer."""
        for topic in topics:
            self._refused.pop(topic, None)
        gone = tuple(topic for topic in topics if topic in self.topics)
        for topic in gone:
            del self.topics[topic]
        if gone and self.state != "connecting":
            self._ask(gone, False)

    def subscribe_again(self, topics: Sequence[str]) -> None:
        """Give up what is known of some topics, and begin them anew on the open socket."""
        waiting = {topic for topic, when in self._asked_again.items() if when == _WAITING}
        again = tuple(topic for topic in topics if topic in self.topics and topic not in waiting)
        self._asked_again.update(dict.fromkeys(again, _WAITING))
        self.decoder.reset(again)
        for portion in self._portions(again):  # each without a long pause: some exchanges take one topic a message
            self._outbox.put_nowait((portion, False))
            self._outbox.put_nowait((portion, True))

    def _ask(self, topics: tuple[str, ...], subscribe: bool) -> None:
        for portion in self._portions(topics):
            self._outbox.put_nowait((portion, subscribe))

    def _portions(self, topics: tuple[str, ...]) -> list[tuple[str, ...]]:
        size = self.plan.topics_per_message
        return [topics[start : start + size] for start in range(0, len(topics), size)]

    async def _send_requests(self, transport: Transport) -> None:
        """Send what was asked for, in the portions and at the pace the exchange allows."""
        while True:
            self._asked = self._outbox.empty()
            topics, subscribe = await self._outbox.get()
            request_id = str(next(self._ids))
            if subscribe:
                self._pending[request_id] = topics
                now = time.monotonic()
                self._asked_again.update((topic, now) for topic in topics if topic in self._asked_again)
                message = self.exchange.subscribe(topics, request_id)
            else:
                message = self.exchange.unsubscribe(topics, request_id)
            await self._send(transport, message)
            await asyncio.sleep(1.0 / self.plan.messages_per_s)

    async def _send_replies(self, transport: Transport) -> None:
        """Answer what the exchange asks, at once: it would close the socket."""
        while True:
            await self._send(transport, await self._replies.get())

    async def _send(self, transport: Transport, message: str) -> None:
        if self._recording:
            self._listener.on_frame(self, "out", self.plan.url, message, time.time(), "")
        await transport.send(message)

    async def _beat(self, transport: Transport, message: str) -> None:
        while True:
            await asyncio.sleep(self.plan.heartbeat.every_s)
            await self._send(transport, message)

    # -- reading -----------------------------------------------------------------------------------------------

    async def _read(self, transport: Transport) -> None:
        feed, listener, clock, recording = self.decoder.feed, self._listener, time.time, self._recording

        def take(frame: bytes) -> None:
            now = clock()
            self.frames += 1
            if recording:
                listener.on_frame(self, "in", self.plan.url, frame, now, "")
            try:
                words = feed(frame, now)
            except FeedError as error:
                self._take_error(error, frame)
                return
            if words:
                self._take(words, now)

        await transport.read(take)

    def _take(self, words: Sequence[Word], now: float) -> None:
        for word in words:
            if type(word) in _CONTROL:
                break
        else:
            self.data_frames += 1
            self.data_time = now
            if self.quiet or not self.ready.is_set():
                missed = self.quiet and not self.decoder.notices_loss
                self._flowing()
                if missed:
                    self._begin_anew()  # what has just been read builds on what may have changed meanwhile
                    return
            self._listener.on_words(words)  # type: ignore[arg-type]
            return
        market = [word for word in words if type(word) not in _CONTROL]
        for word in words:
            self._obey(word)
        if market:
            self._take(market, now)

    def _flowing(self) -> None:
        if self.quiet:
            self.quiet = False
            self._missed_time = time.time()
            self._enter("live")
        if self._asked and not self.ready.is_set():
            self._enter("live")
            self.ready.set()

    def _obey(self, word: Word) -> None:
        match word:
            case Ack(request_id=request_id) if request_id is not None:
                self._refusals = self._refused_in_a_row = 0
                self._pending.pop(request_id, None)
            case Reply(message=message):
                self._replies.put_nowait(message)
            case Resync():
                self._resync(word)
            case Closing(reason=reason):
                self.farewell = reason
                self._listener.on_closing(self, reason)
                self.closing.set()
            case CatalogueChanged(reason=reason):
                self._listener.on_catalogue_changed(reason)

    @property
    def told_topics(self) -> tuple[str, ...]:
        """The topics that may bring data: also those that were refused, for some of them are fed all the same."""
        return (*self.topics, *self._refused)

    def _begin_anew(self) -> None:
        """Ask for everything again: changes may have been missed, and this decoder could not tell which."""
        self.decoder.reset(self.told_topics)
        self._listener.on_doubt(self)
        now = time.monotonic()
        if now >= self._anew_at:
            self._anew_at = now + RESYNC_EVERY_S
            self._anew_due = False
            self.subscribe_again(tuple(self.topics))
        else:
            self._anew_due = True

    def _resync(self, word: Resync) -> None:
        self._listener.on_resync(self, word)
        if time.monotonic() - self._asked_again.get(word.topic, -IN_FLIGHT_S) >= IN_FLIGHT_S:
            self._to_resync.add(word.topic)
            self._resync_due()
        # Else its new beginning is on the way. If none comes, those who watch for quotes and books ask again.

    def _resync_due(self) -> None:
        """Ask again for the topics that lost their thread, each only every few seconds."""
        before = time.monotonic() - RESYNC_EVERY_S
        due = [topic for topic in self._to_resync if self._asked_again.get(topic, before) <= before]
        self._to_resync.difference_update(due)
        if due:
            self.subscribe_again(due)

    def _take_error(self, error: FeedError, frame: bytes | str) -> None:
        self._listener.on_feed_error(self, error, frame)
        if isinstance(error, BadPayload):
            self._doubt, self._unreadable_at = True, time.monotonic()
        elif isinstance(error, UnknownMessage) and time.monotonic() - self._unreadable_at < GARBLED_S:
            self._doubt = True  # by itself a new kind of message; among garbage, what is left of a known one
        if self._doubt:
            self._missed_time = time.time()
        if isinstance(error, SubscriptionRejected):
            self._retry_rejected(error)

    def _retry_rejected(self, error: SubscriptionRejected) -> None:
        """Ask again for what was refused only because of its company in the same message.

        Raises the error itself where everything is refused: that ends the session.
        """
        batch = self._pending.pop(error.request_id, ()) if error.request_id is not None else ()
        if error.live:
            self._refusals = self._refused_in_a_row = 0
        else:
            self._refusals += 1
            self._refused_in_a_row += len(batch or error.topics)
            if self._refusals >= REFUSALS_IN_A_ROW and 2 * self._refused_in_a_row >= len(self.topics):
                raise error
            self._give_up(error.topics)
        rest = tuple(topic for topic in batch if topic not in error.topics and topic in self.topics)
        if not rest:
            return
        if error.topics:
            self._ask(rest, True)
        elif len(rest) > 1:  # not told which one is bad: halve until it is alone
            self._ask(rest[: len(rest) // 2], True)
            self._ask(rest[len(rest) // 2 :], True)
        else:
            self._give_up(rest)

    def _give_up(self, topics: Sequence[str]) -> None:
        soon_s, late_s = REFUSED_RETRY_S
        for topic in topics:
            if self.topics.pop(topic, "") is None:
                wait_s = self._refused_wait_s[topic] = min(2 * self._refused_wait_s.get(topic, soon_s / 2), late_s)
                self._refused[topic] = time.monotonic() + wait_s

    def _ask_refused_again(self) -> None:
        due = [topic for topic, when in self._refused.items() if time.monotonic() >= when]
        for topic in due:
            del self._refused[topic]
        self.subscribe(due)

    # -- silence and polls -------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Notice a socket that says nothing: at first doubt its quotes, later give it up."""
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            self._ask_refused_again()
            if self._doubt:
                # What could not be read may have been any contract's change.
                self._doubt = False
                if self.decoder.notices_loss:
                    self._listener.on_doubt(self)
                else:
                    self._begin_anew()
            if self._to_resync:
                self._resync_due()
            if self._anew_due and time.monotonic() >= self._anew_at:
                self._begin_anew()
            silent_s = self.silent_s
            if silent_s > self.plan.idle_timeout_s:
                raise Silent(silent_s)
            gap_s = self.usual_gap_s
            if self.data_frames == 0 or self.quiet or gap_s is None:
                continue
            if silent_s > max(QUIET_AT_LEAST_S, QUIET_MEANS * gap_s):
                self.fall_quiet()

    async def _poll(self, poll: Poll) -> None:
        if poll.request.purpose != "time":
            # A quote polled before its stream flows would miss the changes between the two.
            await self.ready.wait()
            await asyncio.sleep(SETTLE_S)
        while True:
            try:
                response = await self._rest.fetch(poll.request)
                self._take_response(poll, response)
            except RequestFailed as error:
                self._listener.on_request_failed(self, error)
            except FeedError as error:
                self._listener.on_feed_error(self, error, f"answer to {poll.request.purpose}")
            await asyncio.sleep(poll.every_s)

    def _take_response(self, poll: Poll, response: Response) -> None:
        request, now = poll.request, response.received_time
        if self._recording:
            self._listener.on_frame(self, "in", request.url, response.body, now, request.purpose)
        words = self.decoder.feed_response(request.purpose, response.body, now)
        for word in words:
            if type(word) is ServerTime:
                self._listener.on_server_time(word.server_time, response.sent_time, now)
        market: list[MarketWord] = [word for word in words if type(word) not in _CONTROL]  # type: ignore[misc]
        if any(type(word) is Quote for word in market):
            # A polled quote looks alive until the next poll: only a stream that flows tells when it changes. What was
            # asked for before something was missed may be from before that, too.
            flows = not self.quiet and response.sent_time > self._missed_time
            fed = self._listener.quoted(tuple(self.topics)) if flows else set()
            market = [word for word in market if type(word) is not Quote or word.symbol in fed]
        if market:
            self._listener.on_words(market, polled=True)
