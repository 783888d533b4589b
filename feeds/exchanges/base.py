"""What every exchange module offers. Modules are pure: bytes in, market words out; no socket, no clock, no sleep.

An exchange says which requests and subscriptions are needed (`ConnectionPlan`) and reads what comes back
(`Decoder`). The one lifecycle in `feeds/connection.py` does the rest for all of them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec

from market.models import Instrument, MarketWord

Channel = Literal["quotes", "funding", "ticker", "depth"]
DEFAULT_CHANNELS: frozenset[Channel] = frozenset({"quotes", "funding", "ticker"})


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request. `purpose` says what its body is and goes back into `parse_instruments` or `feed_response`.

    optional: instruments can be read without its answer (its body is then b"").
    weight: what it costs of the exchange's request budget. json: what is posted, as JSON text; empty for no body.
    """

    method: str
    url: str
    purpose: str
    params: Mapping[str, str] = field(default_factory=dict)
    optional: bool = False
    weight: float = 1.0
    json: bytes = b""


@dataclass(frozen=True, slots=True)
class Poll:
    """A request to repeat while its connection is up, and once as soon as it is. every_s: seconds."""

    request: HttpRequest
    every_s: float


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What keeps a connection open beyond websocket ping frames, which the transport answers by itself.

    message: what to send every `every_s` seconds; None where the exchange wants nothing.
    """

    message: str | None = None
    every_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Subscription:
    """One message that asks for `topics`. request_id: what the exchange calls it in its answer."""

    message: str
    topics: tuple[str, ...]
    request_id: str


@dataclass(frozen=True, slots=True)
class ConnectionPlan:
    """One websocket: where, what to ask for, and the manners the exchange expects.

    pool: connections of one pool carry the same kind of topic; new topics go to the one with room.
    capacity: topics one connection may carry. topics_per_message, messages_per_s: portions and pace of subscribing.
    idle_timeout_s: a socket silent for this long is dead. lifetime_s: the exchange cuts it after this long (None:
    never); it is replaced well before. polls: REST beside the socket, answers go to the same decoder. handshake: a
    request to make before each dial; `Exchange.dial` reads its answer. headers: of the websocket's own request.
    transport: what speaks on the socket.
    """

    name: str
    pool: str
    url: str
    topics: tuple[str, ...]
    subscriptions: tuple[Subscription, ...]
    capacity: int
    topics_per_message: int
    messages_per_s: float
    heartbeat: Heartbeat = Heartbeat()
    idle_timeout_s: float = 30.0
    lifetime_s: float | None = None
    polls: tuple[Poll, ...] = ()
    handshake: HttpRequest | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    transport: Literal["websocket", "socketio"] = "websocket"

    @property
    def messages(self) -> tuple[str, ...]:
        """The messages to send once connected, in order."""
        return tuple(subscription.message for subscription in self.subscriptions)


class Ack(msgspec.Struct, frozen=True):
    """The exchange confirmed a request, or answered a ping. topics: which, where it says so."""

    request_id: str | None = None
    topics: tuple[str, ...] = ()


class Reply(msgspec.Struct, frozen=True):
    """Something to send back now."""

    message: str


class Resync(msgspec.Struct, frozen=True):
    """This topic has lost its thread: unsubscribe and subscribe again.

    missed: whether changes of a book that was known were lost. If not, none has come yet: no gap to tell of.
    """

    topic: str
    reason: str
    missed: bool = True


class Closing(msgspec.Struct, frozen=True):
    """The exchange will cut this connection soon: open the next one first."""

    reason: str


class CatalogueChanged(msgspec.Struct, frozen=True):
    """A listing, delisting or halt was announced: read the instruments again now."""

    reason: str


class ServerTime(msgspec.Struct, frozen=True):
    """The exchange's clock, from its time endpoint. Epoch s."""

    server_time: float


ControlWord = Ack | Reply | Resync | Closing | CatalogueChanged | ServerTime
Word = MarketWord | ControlWord


class Decoder(Protocol):
    """Reads one connection's frames. Keeps what must be merged over frames (one-sided deltas, sequence numbers).

    outdated: frames dropped so far because they came twice or after a newer one.
    notices_loss: whether a frame that never came is noticed at the next one, or changes nothing that is kept. If not,
    what is kept is worth nothing once a frame may have been missed.
    """

    outdated: int
    notices_loss: bool

    def feed(self, frame: bytes | str, received_time: float) -> Sequence[Word]:
        """Read one frame.

        Raises:
            FeedError: On a malformed or unknown frame, and nothing else. The decoder stays usable.
        """
        ...

    def feed_response(self, purpose: str, body: bytes, received_time: float) -> Sequence[Word]:
        """Read the body of a polled request. Raises FeedError as `feed` does."""
        ...

    def update(self, instruments: Iterable[Instrument]) -> None:
        """Take over a new catalogue without losing state."""
        ...

    def reset(self, topics: Collection[str]) -> None:
        """Forget what is known of these topics, because they are being subscribed again."""
        ...


class Exchange(Protocol):
    """One exchange's facts and rules."""

    name: str
    title: str  # as people write it: "Gate.io"
    request_weight_per_s: float  # what we allow ourselves of the REST budget
    closed_since: str | None  # the date an exchange ended its business: off by default live, never paired there

    headers: Mapping[str, str]  # of every request and handshake
    relay_of: str | None  # the exchange whose book it repeats: late by nature, never paired with it

    def instrument_requests(self) -> list[HttpRequest]: ...

    def next_requests(self, request: HttpRequest, body: bytes) -> list[HttpRequest]:
        """Further pages of a listing; empty at its end."""
        ...

    def parse_instruments(self, bodies: Sequence[bytes]) -> list[Instrument]:
        """Read listings, in the order of the requests (further pages directly after the page they continue).

        Every perpetual of the covered kinds, whatever its status. Raises BadListing if a body is not a listing.
        One unreadable row is logged and left out.
        """
        ...

    def connections(
        self, instruments: Sequence[Instrument], channels: Collection[Channel] = DEFAULT_CHANNELS
    ) -> list[ConnectionPlan]:
        """The plans that cover every trading instrument of the list."""
        ...

    def dial(self, plan: ConnectionPlan, body: bytes) -> ConnectionPlan:
        """The plan with the address and manners that the answer to its handshake gave. Raises FeedError."""
        ...

    def subscribe(self, topics: Sequence[str], request_id: str) -> str: ...

    def unsubscribe(self, topics: Sequence[str], request_id: str) -> str: ...

    def symbols_of(self, topics: Iterable[str], instruments: Iterable[Instrument]) -> set[str]:
        """Our symbols whose best bid and ask come over these topics."""
        ...

    def decoder(self, instruments: Iterable[Instrument]) -> Decoder: ...
