"""Decode, normalise and store, against `orjson.loads` of the same bytes."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

import orjson

from benchmarks.frames import collect
from benchmarks.market import simulator
from feeds.errors import FeedError
from feeds.exchanges import EXCHANGES, load
from market.models import Depth, Funding, Instrument, Quote, Ticker
from store.snapshot import SnapshotStore

ROUNDS = 7
AT_LEAST = 200  # frames of a channel, else its figure is noise and left out unless repeated
TOP_OF_BOOK = ("bookTicker", "orderbook.1", "bbo-tbt")
_MARKET = (Quote, Funding, Ticker, Depth)


def channel(frame: bytes) -> str:
    """What the exchange calls the channel of a frame, without the contract; empty for control messages."""
    if frame[:1] != b"{":
        return ""
    message = orjson.loads(frame)
    if "arg" in message and "data" in message:
        return str(message["arg"]["channel"])
    if "topic" in message:
        return str(message["topic"]).rpartition(".")[0]
    if "stream" in message:
        stream = str(message["stream"])
        return stream if stream.startswith("!") else stream.partition("@")[2]
    return ""


def best_s(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The shortest of several runs: what the work costs when nothing else is in the way."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(exchange: str, instruments: Sequence[Instrument], frames: list[bytes]) -> tuple[float, float]:
    """Seconds a frame for the floor, and for the whole way from bytes into the store.

    Every round gets a fresh decoder, so that no frame is dropped as already seen.
    """

    def floor() -> None:
        for frame in frames:
            orjson.loads(frame)

    def whole() -> None:
        decoder = adapter.decoder(instruments)
        feed, write, now = decoder.feed, store.write, time.time()
        for frame in frames:
            try:
                words = feed(frame, now)
            except FeedError:
                continue
            if words and isinstance(words[0], _MARKET):
                write(words)  # type: ignore[arg-type]

    adapter = load(exchange)
    store = SnapshotStore(EXCHANGES)
    store.set_instruments(exchange, instruments)
    # Alternating rounds: a slow moment of the machine meets both.
    floors, wholes = [], []
    for _ in range(ROUNDS):
        floors.append(best_s(floor, 1))
        wholes.append(best_s(whole, 1))
    return min(floors) / len(frames), min(wholes) / len(frames)


def run() -> list[dict[str, object]]:
    """One row an exchange and channel."""
    rows: list[dict[str, object]] = []
    with simulator() as (endpoints, _):
        collected = collect(endpoints)
    for exchange, (instruments, pools) in collected.items():
        channels: dict[str, list[bytes]] = defaultdict(list)
        for frames in pools.values():
            for frame in frames:
                if name := channel(frame):
                    channels[name].append(frame)
        for name, frames in sorted(channels.items()):
            heavy = sum(len(frame) for frame in frames) > 200_000
            if len(frames) < AT_LEAST and not heavy:
                continue
            floor_s, whole_s = measure(exchange, instruments, frames)
            rows.append(
                {
                    "exchange": exchange,
                    "channel": name,
                    "frames": len(frames),
                    "bytes": round(sum(len(frame) for frame in frames) / len(frames)),
                    "floor_us": floor_s * 1e6,
                    "whole_us": whole_s * 1e6,
                    "ratio": whole_s / floor_s,
                }
            )
    return rows
