"""Decode, normalise and store: against `orjson.loads` of the same bytes, and against two libraries' parsers."""

import time
from collections.abc import Callable, Sequence

import orjson

from benchmarks.frames import Collected, collect
from benchmarks.market import Endpoints, simulator
from benchmarks.parsers import Parser, parsers
from feeds.errors import FeedError
from feeds.exchanges import EXCHANGES
from market.models import Depth, Funding, Quote, Ticker
from store.snapshot import SnapshotStore

ROUNDS = 15
AT_LEAST = 100  # frames of a kind, else its figure is noise and left out unless they are large
HEAVY_BYTES = 200_000
READ_SHARE = 0.5  # a parser that makes a quote of fewer of the frames does not read this channel
_MARKET = (Quote, Funding, Ticker, Depth)


def best_s(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """CPU time of the shortest of several runs: what the work costs when nothing else is in the way."""
    times = []
    for _ in range(rounds):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return min(times)


def parse(frame: bytes) -> None:
    """Bytes to objects and no more: the floor. CoinDCX writes JSON into a text of its JSON, which makes it two."""
    message = orjson.loads(frame)
    if type(message) is list and type(text := message[1]["data"]) is str:
        orjson.loads(text)


def read_all(collected: Collected, frames: Sequence[tuple[float, bytes]]) -> Callable[[], None]:
    """The whole way from bytes into the store, anew, so that no frame is dropped as already seen.

    Received at the times at which they were: a stream that seems to gain on its clock costs more than a real one.
    """
    store = SnapshotStore(EXCHANGES)
    store.set_instruments(collected.exchange.name, collected.instruments)
    feed, write = collected.decoder().feed, store.write

    def work() -> None:
        for received_time, frame in frames:
            try:
                words = feed(frame, received_time)
            except FeedError:
                continue
            for word in words:
                if type(word) not in _MARKET:
                    break
            else:
                write(words)  # type: ignore[arg-type]

    return work


def measure(
    collected: Collected, frames: Sequence[tuple[float, bytes]], parser: Parser | None = None
) -> tuple[float, float]:
    """Seconds a frame of the other way and of ours; the other way is the parser, or `orjson` alone.

    In alternating rounds: a slow moment of the machine meets both.
    """
    texts = [frame.decode() for _, frame in frames]

    def other() -> None:
        if parser is None:
            for _, frame in frames:
                parse(frame)
        else:
            for text in texts:
                parser.parse(text)

    others, ours = [], []
    for _ in range(ROUNDS):
        others.append(best_s(other, 1))
        ours.append(best_s(read_all(collected, frames), 1))
    return min(others) / len(frames), min(ours) / len(frames)


def compared(collected: Collected, frames: Sequence[tuple[float, bytes]], parser: Parser) -> float | None:
    """How many times as long a library takes for the frames that it makes a quote of; None if they are too few."""
    readable = [row for row in frames if parser.top(row[1].decode()) is not None]
    if len(readable) < max(AT_LEAST, READ_SHARE * len(frames)):
        return None
    theirs_s, ours_s = measure(collected, readable, parser)
    return theirs_s / ours_s


def row_of(collected: Collected, kind: str, endpoints: Endpoints) -> dict[str, object]:
    """One exchange and kind of frame. The last two: how many times as long the library takes, empty if it cannot."""
    name = collected.exchange.name
    frames = list(zip(collected.times[kind], collected.frames[kind], strict=True))
    floor_s, whole_s = measure(collected, frames)
    times: dict[str, object] = {"ccxt": "", "cryptofeed": ""}
    for parser in parsers(collected, endpoints[name]):
        found = compared(collected, frames, parser)
        if found is not None:
            times[parser.package] = found
        parser.close()
    return {
        "exchange": name,
        "kind": kind,
        "frames": len(frames),
        "bytes": round(sum(len(frame) for _, frame in frames) / len(frames)),
        "floor_us": floor_s * 1e6,
        "whole_us": whole_s * 1e6,
        "ratio": whole_s / floor_s,
    } | times


def run() -> list[dict[str, object]]:
    """One row an exchange and kind of frame."""
    rows: list[dict[str, object]] = []
    with simulator() as (endpoints, _):
        for collected in collect(endpoints).values():
            for kind, frames in sorted(collected.frames.items(), reverse=True):
                if len(frames) >= AT_LEAST or sum(map(len, frames)) > HEAVY_BYTES:
                    rows.append(row_of(collected, kind, endpoints))
    return rows
