"""Recordings played through the very same decoders as the live frames.

A folder holds one folder an exchange (a suffix after '-' is allowed: binance-coinm), with .jsonl or .jsonl.zst files
of `feeds/recorder.py`, or of the form {"t", "dir", "url", "source", "msg"} where `msg` is the frame as a JSON value.
Every time of a recording, the exchange's included, is moved by the same amount, so that its first frame is received
now; several recordings in one folder run side by side. At the end all begin again.
"""

import contextlib
import heapq
import io
import itertools
import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import orjson
import zstandard

from feeds.errors import FeedError, SubscriptionRejected, UnknownContract, UnknownMessage
from feeds.exchange_feed import Sink
from feeds.exchanges import EXCHANGES, load
from feeds.exchanges.base import Decoder, Exchange
from feeds.failures import describe
from feeds.stats import FeedLog, FrameRate
from feeds.status import ExchangeStatus, SocketStatus, State
from market.models import Depth, Funding, Instrument, MarketWord, Quote, Status, Ticker
from market.overrides import Change, Overrides, apply_overrides, differences

logger = logging.getLogger(__name__)

UNTIMED_STEP_S = 0.1  # pace of frames that were recorded without a time
PAUSE_S = 1.0  # between the end and the next beginning
_MARKET = (Quote, Funding, Ticker, Depth)


class ReplayError(Exception):
    """A folder that cannot be replayed. Its text is one sentence that names it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One recorded frame or body. offset_s: since its recording began; time: as recorded, epoch s.

    stream: what one decoder reads: a connection with its polls, or an address where no connection is named.
    purpose: what a body was asked for, where the recording says so. listing: a body that lists instruments.
    """

    offset_s: float
    stream: str
    path: str
    purpose: str
    listing: bool
    frame: bytes
    body: bool
    time: float | None


class Recording:
    """All that a folder holds of one exchange."""

    def __init__(self, exchange: Exchange, files: Sequence[Path], log: FeedLog, began: float | None) -> None:
        """began: when our own recorder began, epoch s, the same for all exchanges; None: no file of it is here."""
        self.exchange = exchange
        self.log = log
        self.overrides = Overrides()
        self.listed: list[Instrument] = []  # before the overrides
        self.instruments: list[Instrument] = []
        self.span: tuple[float, float] | None = None
        self._files = [path for path in files if not path.name.startswith("instruments")]
        self._listings = [path for path in files if path.name.startswith("instruments")]
        self._corrupt: set[tuple[Path, int]] = set()
        self._starts: dict[str, float] = {} if began is None else {"": began}

    @property
    def corrupt(self) -> int:
        """Lines left out."""
        return len(self._corrupt)

    def read_instruments(self) -> None:
        """Parse the recorded listings. Raises FeedError if they cannot be read as a whole."""
        found: dict[str, list[bytes]] = {}
        for line in self._listing_lines():
            found.setdefault(line.path, []).append(line.frame)
        bodies: list[bytes] = []
        for request in self.exchange.instrument_requests():
            # Requests of one path are recorded together, in their order: the first takes the answers to all of them.
            bodies += found.pop(urlsplit(request.url).path, [b""])
        if found and not any(bodies):
            # Recorded at an address of then: what it is can only be told by reading it.
            bodies = [body for answers in found.values() for body in answers]
        self.listed = self.exchange.parse_instruments(bodies)
        self.apply(self.overrides)

    def apply(self, overrides: Overrides) -> list[Change]:
        """Use the listings as these overrides want them; returns what changed."""
        before, self.overrides = self.instruments, overrides
        self.instruments, notes = apply_overrides(self.listed, overrides)
        for note in notes:
            self.log.add("error" if note.error else "warning", "listing", note.text)
        return differences(before, self.instruments)

    def _listing_lines(self) -> Sequence[Line]:
        """Recorded listings: files of their own, or what our recorder wrote before the first socket opened."""
        if self._listings:
            return list(self.lines(self._listings))
        for path in self._files:
            listings = list(itertools.takewhile(lambda line: line.listing, self.lines([path])))
            if listings:
                return listings
        return ()

    def play(self) -> Iterator[Line]:
        """Every frame and body, in the order of its offset."""
        return heapq.merge(*(self.lines([path]) for path in self._files), key=lambda line: line.offset_s)

    def lines(self, files: Iterable[Path]) -> Iterator[Line]:
        for path in files:
            untimed = itertools.count()
            parsed = (self._parse(path, number, raw) for number, raw in enumerate(_read(path), start=1))
            lines = (self._line(row, untimed) for row in parsed if row is not None and row["dir"] == "in")
            # Ours are written in the order of time and may be large; collections hold one recording after another.
            yield from lines if path.suffix == ".zst" else sorted(lines, key=lambda line: line.offset_s)

    def _line(self, row: dict[str, Any], untimed: "itertools.count[int]") -> Line:
        when = row["t"]
        recording, connection = str(row.get("source", "")), str(row.get("conn", ""))
        if when is None:
            offset_s = next(untimed) * UNTIMED_STEP_S
        else:
            offset_s = when - self._starts.setdefault(recording, when)
            self.span = (min(self.span[0], when), max(self.span[1], when)) if self.span else (when, when)
        path = row["path"]
        stream = f"{recording}|{connection or path}"
        listing = connection == "listing"
        return Line(offset_s, stream, path, str(row.get("purpose", "")), listing, row["frame"], row["body"], when)

    def _parse(self, path: Path, number: int, raw: bytes) -> dict[str, Any] | None:
        try:
            row = orjson.loads(raw)
            if "raw" in row:
                row["frame"] = row["raw"].encode()
            else:
                # The frame as it was spelled: numbers keep their digits. msg is the last key of the line.
                msg = row["msg"]
                at = raw.index(b'"msg":') + len(b'"msg":')
                row["frame"] = msg.encode() if isinstance(msg, str) else raw[at : raw.rindex(b"}")].strip()
            if row["t"] is not None:
                row["t"] = float(row["t"])
            url = str(row.get("url") or "")
            row["body"], row["path"] = url.startswith("http"), urlsplit(url).path
            row["dir"] = str(row["dir"])
            return row  # type: ignore[no-any-return]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if (path, number) in self._corrupt:
                return None
            self._corrupt.add((path, number))
            self.log.add("error", "recording", f"{path.name} line {number} is corrupt and left out: {error}")
            logger.warning("%s line %d is corrupt and left out: %s", path, number, error)
            return None


def _read(path: Path) -> Iterator[bytes]:
    """The lines of a file; a compressed one that was cut short gives what is whole."""
    if path.suffix != ".zst":
        with path.open("rb") as file:
            yield from (line for line in file if line.strip())
        return
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        try:
            for line in io.BufferedReader(stream):
                if not line.endswith(b"\n"):
                    logger.warning("%s ends in the middle of a line", path)
                elif line.strip():
                    yield line
        except zstandard.ZstdError as error:
            logger.warning("%s ends early: %s", path, error)


def _first_time(path: Path) -> float | None:
    """The time of the first line that can be read, epoch s."""
    for line in _read(path):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return float(orjson.loads(line)["t"])
    return None


def find_recordings(folder: Path, wanted: Sequence[str] = ()) -> list[Recording]:
    """The recordings of every exchange that has an adapter.

    Raises:
        ReplayError: If the folder cannot be read or holds nothing that can be replayed.
    """
    try:
        recordings = _find(folder, wanted)
    except OSError as error:
        what = f", '{error.filename}'," if error.filename and Path(error.filename) != folder else ""
        raise ReplayError(
            f"the replay folder '{folder}'{what} cannot be read: {(error.strerror or str(error)).lower()}"
        ) from None
    if not recordings:
        raise ReplayError(f"the replay folder '{folder}' has no recording of an exchange that is known here")
    return recordings


def _find(folder: Path, wanted: Sequence[str]) -> list[Recording]:
    subfolders = sorted(path for path in folder.iterdir() if path.is_dir())
    files: dict[str, list[Path]] = {}
    for subfolder in subfolders:
        name = subfolder.name.split("-")[0]
        if name not in EXCHANGES or (wanted and name not in wanted):
            continue
        found = [path for path in sorted(subfolder.iterdir()) if path.name.endswith((".jsonl", ".jsonl.zst"))]
        # Retired protocols and listings without their envelope are kept beside the rest, but are not frames of today.
        found = [path for path in found if ".legacy" not in path.name and ".partial" not in path.name]
        files.setdefault(name, []).extend(path for path in found if path.is_file())
    for path in itertools.chain(*files.values()):
        path.open("rb").close()  # what may not be read is said now, not while playing
    ours = [path for paths in files.values() for path in paths if path.suffix == ".zst"]
    began = min((when for path in ours if (when := _first_time(path)) is not None), default=None)
    return [Recording(load(name), files[name], FeedLog(), began) for name in EXCHANGES if files.get(name)]


class Replay:
    """A feed that plays recordings. speed: 2 is twice as fast as they were recorded."""

    def __init__(self, folder: Path, sink: Sink, speed: float = 1.0, wanted: Sequence[str] = ()) -> None:
        self._players = [_Player(recording, sink, speed) for recording in find_recordings(folder, wanted)]

    @property
    def exchanges(self) -> tuple[str, ...]:
        return tuple(player.recording.exchange.name for player in self._players)

    @property
    def span(self) -> tuple[float, float] | None:
        """First and last recorded time, epoch s; None before anything was read or where nothing has a time."""
        spans = [player.recording.span for player in self._players if player.recording.span is not None]
        return (min(first for first, _ in spans), max(last for _, last in spans)) if spans else None

    def start(self) -> None:
        for player in self._players:
            player.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        for player in self._players:
            player.stop(timeout_s)

    def status(self) -> tuple[ExchangeStatus, ...]:
        return tuple(player.status() for player in self._players)

    def _player(self, exchange: str) -> "_Player":
        """Raises KeyError for a name that is not played."""
        return {player.recording.exchange.name: player for player in self._players}[exchange]

    def restart_exchange(self, exchange: str) -> None:
        self._player(exchange).stop(5.0)
        self._player(exchange).start()

    def stop_exchange(self, exchange: str) -> None:
        self._player(exchange).stop(5.0)

    def start_exchange(self, exchange: str) -> None:
        self._player(exchange).start()

    def watch_depth(self, wanted: Mapping[str, Sequence[str]]) -> None:
        for player in self._players:  # a book comes only where it was recorded
            player.sink.watch_depth(name := player.recording.exchange.name, wanted.get(name, ()), ())

    def reload(self, overrides: Overrides) -> list[Change]:
        return [change for player in self._players for change in player.reload(overrides)]


class _Player:
    """Plays one exchange's recording on a thread of its own."""

    def __init__(self, recording: Recording, sink: Sink, speed: float) -> None:
        self.recording = recording
        self.sink = sink
        self._speed = speed
        self._purposes: dict[str, str] = {}
        self._decoders: dict[str, Decoder] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._frames = self._malformed = self._unknown = 0
        self._rate = FrameRate()
        self._state: State = "starting"
        self._reason = "reading the recording"
        self._since = time.time()
        self._last_frame: float | None = None

    def start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._stop.clear()
            self._thread = threading.Thread(
                target=self._run, name=f"replay-{self.recording.exchange.name}", daemon=True
            )
            self._thread.start()

    def stop(self, timeout_s: float) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        self._enter("off", "taken out of service")
        self.sink.lose(self.recording.exchange.name, [row.symbol for row in self.recording.instruments])

    def reload(self, overrides: Overrides) -> list[Change]:
        """Apply other overrides. A name or a unit that changes has the recording begin again."""
        found = self.recording.apply(overrides)
        if not self.recording.listed:
            return []
        if any(change.what != "pairing" for change in found) and self._thread is not None and self._thread.is_alive():
            self.stop(5.0)
            self.sink.set_instruments(self.recording.exchange.name, [])  # nothing of before is left
            self.start()
        elif found:
            self.sink.set_instruments(self.recording.exchange.name, self.recording.instruments)
        return found

    def _enter(self, state: State, reason: str) -> None:
        if state != self._state:
            self._since = time.time()
        self._state, self._reason = state, reason

    def _run(self) -> None:
        try:
            self._play()
        except Exception as error:  # a bug, or the disk: the thread is lost, but nobody must think that it plays
            logger.exception("the recording of %s cannot be played on", self.recording.exchange.name)
            reason = f"the recording cannot be played on: {describe(error)}"
            self.recording.log.add("error", "recording", reason)
            self._enter("down", reason)

    def _play(self) -> None:
        exchange, log = self.recording.exchange, self.recording.log
        try:
            self.recording.read_instruments()
        except FeedError as error:
            log.add("error", "listing", error.detail)
            self._enter("down", f"the recorded listing cannot be used: {error.detail}")
            return
        instruments = self.recording.instruments
        log.add("info", "listing", f"{len(instruments)} recorded perpetuals")
        self.sink.set_instruments(exchange.name, instruments)
        trading = [instrument for instrument in instruments if instrument.status is Status.TRADING]
        plans = exchange.connections(trading)
        asked: dict[str, set[str]] = {}
        for poll in (poll for plan in plans for poll in plan.polls):
            asked.setdefault(urlsplit(poll.request.url).path, set()).add(poll.request.purpose)
        # Where one address answers everything, only a recording of our own says what was asked.
        self._purposes = {path: purposes.pop() for path, purposes in asked.items() if len(purposes) == 1}
        self._enter("live", "replaying")
        while not self._stop.is_set():
            self._play_once()
            log.add("info", "recording", "at its end, beginning again")
            self._stop.wait(PAUSE_S)

    def _play_once(self) -> None:
        self._decoders.clear()
        started, began = time.time(), time.monotonic()
        for line in self.recording.play():
            wait_s = line.offset_s / self._speed - (time.monotonic() - began)
            while wait_s > 0.0:
                self._rate.observe(self._frames)
                if self._stop.wait(min(wait_s, 0.5)):
                    return
                wait_s = line.offset_s / self._speed - (time.monotonic() - began)
            if self._stop.is_set():
                return
            self._feed(line, started + line.offset_s / self._speed)

    def _feed(self, line: Line, now: float) -> None:
        decoder = self._decoders.get(line.stream)
        if decoder is None:
            decoder = self._decoders[line.stream] = self.recording.exchange.decoder(self.recording.instruments)
        received = line.time if line.time is not None else now
        try:
            if line.listing:
                return  # the listing read again while recording
            if line.body:
                purpose = line.purpose or self._purposes.get(line.path)
                words = decoder.feed_response(purpose, line.frame, received) if purpose else ()
            else:
                words = decoder.feed(line.frame, received)
        except FeedError as error:
            self._count(error)
            return
        self._frames += 1
        self._last_frame = now
        self._rate.observe(self._frames) if self._frames % 100 == 0 else None
        market = [_moved(word, now - received, line.time) for word in words if isinstance(word, _MARKET)]
        if market:
            self.sink.write(market, polled=line.body)

    def _count(self, error: FeedError) -> None:
        if isinstance(error, UnknownMessage | UnknownContract):
            self._unknown += 1
        elif not isinstance(error, SubscriptionRejected):  # refusals of then are part of the recording
            self._malformed += 1
        self.recording.log.add("warning", "message", error.detail[:160])

    def status(self) -> ExchangeStatus:
        recording = self.recording
        error = recording.log.last_error
        alive = self._state == "live"
        age_s = None if self._last_frame is None else time.time() - self._last_frame
        trading = sum(instrument.status is Status.TRADING for instrument in recording.instruments)
        socket = SocketStatus("recording", self._reason, self._since, len(recording.instruments), self._frames, age_s)
        return ExchangeStatus(
            exchange=recording.exchange.name,
            title=recording.exchange.title,
            state=self._state,
            reason=self._reason,
            since=self._since,
            sockets=(socket,),
            sockets_up=1 if alive else 0,
            instruments=trading,
            halted=len(recording.instruments) - trading,
            frames=self._frames,
            frames_per_s=self._rate.per_s if alive else 0.0,
            rates=self._rate.history(),
            last_frame_time=self._last_frame,
            reconnects=0,
            gaps=0,
            malformed=self._malformed + recording.corrupt,
            unknown=self._unknown,
            last_error=error.text if error is not None else None,
            last_error_time=error.time if error is not None else None,
            next_attempt_time=None,
            events=recording.log.events(),
        )


def _moved(word: MarketWord, shift_s: float, recorded_time: float | None) -> MarketWord:
    """The word as if it had been received now: all its times move together.

    A frame that was recorded without a time says nothing of delays, so its event time is left out.
    """
    times: dict[str, float | None] = {"received_time": word.received_time + shift_s}
    if recorded_time is None:
        times["event_time"] = None
    elif word.event_time is not None:
        times["event_time"] = word.event_time + shift_s
    if isinstance(word, Funding) and word.next_funding_time is not None and recorded_time is not None:
        times["next_funding_time"] = word.next_funding_time + shift_s
    return msgspec.structs.replace(word, **times)
