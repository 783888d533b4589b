"""What the feeds say about themselves: plain data, made for readers on other threads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from market.overrides import Change, Overrides

State = Literal["closed", "off", "starting", "live", "degraded", "down"]
Level = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """Something that happened to a feed. kind: a short word (connect, socket, listing, message, clock, request)."""

    time: float
    level: Level
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class SocketStatus:
    """One websocket. state: what it does now, in a word; since: epoch s; age_s: seconds since its last frame."""

    name: str
    state: str
    since: float
    topics: int
    frames: int
    age_s: float | None


@dataclass(frozen=True, slots=True)
class IntervalChange:
    """The last change of a contract's funding interval that was seen. before_h, after_h: hours; time: epoch s."""

    symbol: str
    before_h: float
    after_h: float
    time: float


@dataclass(frozen=True, slots=True)
class ExchangeStatus:
    """One exchange's feed.

    reason: one sentence for people. since: when `state` began, epoch s. instruments: trading perpetuals; halted:
    listed but not trading. book_sockets: those that carry only order books; they are not counted among the others.
    rates: frames/s of each ten seconds of the last ten minutes, oldest first.
    gaps: sequence breaks; malformed: frames that could not be read; unknown: messages of no known kind.
    interval_changes: by symbol, the last one seen since the feed began.
    """

    exchange: str
    title: str
    state: State
    reason: str
    since: float
    sockets: tuple[SocketStatus, ...]
    sockets_up: int
    instruments: int
    halted: int
    frames: int
    frames_per_s: float
    rates: tuple[float, ...]
    last_frame_time: float | None
    reconnects: int
    gaps: int
    malformed: int
    unknown: int
    last_error: str | None
    last_error_time: float | None
    next_attempt_time: float | None
    events: tuple[FeedEvent, ...]
    interval_changes: Mapping[str, IntervalChange] = field(default_factory=dict)
    book_sockets: tuple[SocketStatus, ...] = ()

    @classmethod
    def idle(
        cls, exchange: str, title: str, state: State, reason: str, since: float, events: tuple[FeedEvent, ...] = ()
    ) -> "ExchangeStatus":
        """The status of a feed that does not run."""
        return cls(
            exchange=exchange,
            title=title,
            state=state,
            reason=reason,
            since=since,
            sockets=(),
            sockets_up=0,
            instruments=0,
            halted=0,
            frames=0,
            frames_per_s=0.0,
            rates=(),
            last_frame_time=None,
            reconnects=0,
            gaps=0,
            malformed=0,
            unknown=0,
            last_error=None,
            last_error_time=None,
            next_attempt_time=None,
            events=events,
        )


class Feed(Protocol):
    """Where market words come from: live exchanges, the simulator through the same code, or a recording."""

    def start(self) -> None: ...

    def stop(self, timeout_s: float = 5.0) -> None: ...

    def status(self) -> Sequence[ExchangeStatus]: ...

    def restart_exchange(self, exchange: str) -> None: ...

    def stop_exchange(self, exchange: str) -> None: ...

    def start_exchange(self, exchange: str) -> None: ...

    def watch_depth(self, wanted: Mapping[str, Sequence[str]]) -> None:
        """Watch the order books of these symbols of each exchange, the most important first, and no others."""
        ...

    def reload(self, overrides: Overrides) -> list[Change]:
        """Use these overrides from now on, before or after the start, and read the listings again.

        Returns what changed in what was listed already. Takes seconds where connections must be made anew.
        """
        ...
