"""From the loopback socket into the store, against the bare socket: the same frames, sent as fast as they are taken.

For each websocket library. What a frame costs when frames come one by one is another matter, because
waking up is most of it: `make load`.
"""

import asyncio
import dataclasses
import multiprocessing
import time
from multiprocessing.connection import Connection as Pipe
from typing import get_args

from websockets.asyncio.server import ServerConnection, serve

from benchmarks.frames import QUOTES, Collected
from feeds.session import Session
from feeds.transport import SocketLibrary, open_transport
from store.snapshot import SnapshotStore

FRAMES = 30_000


def _blast(pipe: Pipe, frames: list[bytes]) -> None:
    """The server process: sends the frames round and round to each client that says 'go'."""

    async def handle(socket: ServerConnection) -> None:
        await socket.recv()
        for i in range(FRAMES):
            await socket.send(frames[i % len(frames)], text=True)
        await socket.wait_closed()

    async def main() -> None:
        async with serve(handle, "127.0.0.1", 0, compression=None, ping_interval=None, max_queue=64) as server:
            pipe.send(server.sockets[0].getsockname()[1])
            await asyncio.get_running_loop().run_in_executor(None, pipe.recv)

    asyncio.run(main())


async def _bare(url: str, library: SocketLibrary) -> float:
    socket = await open_transport(url, library=library)
    await socket.send("go")
    count, whole = 0, asyncio.Event()

    def take(_frame: bytes) -> None:
        nonlocal count
        count += 1
        if count == FRAMES:
            whole.set()

    start = time.perf_counter()
    reading = asyncio.create_task(socket.read(take))
    await whole.wait()
    elapsed = time.perf_counter() - start
    reading.cancel()
    await asyncio.wait((reading,))
    await socket.close()
    return elapsed


class _Listener:
    """What a session reports to, with nothing behind it but the store."""

    def __init__(self, store: SnapshotStore) -> None:
        self.on_words = store.write

    def __getattr__(self, name: str) -> object:
        return lambda *_, **__: None


async def _through(url: str, collected: Collected, store: SnapshotStore, library: SocketLibrary) -> float:
    exchange = collected.exchange
    plan = exchange.connections(collected.instruments)[0]
    plan = dataclasses.replace(plan, url=url, polls=(), handshake=None, transport="websocket")
    listener = _Listener(store)
    decoder = collected.decoder()
    session = Session(exchange, plan, plan.topics[:1], decoder, None, listener, library=library)  # type: ignore[arg-type]
    start = time.perf_counter()
    task = asyncio.create_task(session.run())
    while session.frames < FRAMES and not task.done():  # noqa: ASYNC110 - the session has no event for a count
        await asyncio.sleep(0.001)
    elapsed = time.perf_counter() - start
    task.cancel()
    await asyncio.wait((task,))
    return elapsed


def run(collected: Collected) -> list[dict[str, object]]:
    """Frames per second with nothing behind the socket, and with decoder and store; a row a library."""
    rows: list[dict[str, object]] = []
    exchange, frames = collected.exchange, collected.frames[QUOTES]
    name = exchange.name
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_blast, args=(there, frames), daemon=True)
    process.start()
    try:
        url = f"ws://127.0.0.1:{here.recv()}"
        store = SnapshotStore((name,))
        store.set_instruments(name, collected.instruments)
        for library in get_args(SocketLibrary):
            bare_s = min(asyncio.run(_bare(url, library)) for _ in range(2))
            through_s = min(asyncio.run(_through(url, collected, store, library)) for _ in range(2))
            rows.append(
                {
                    "exchange": name,
                    "library": library,
                    "frames": FRAMES,
                    "bare_per_s": FRAMES / bare_s,
                    "through_per_s": FRAMES / through_s,
                    "ratio": through_s / bare_s,
                }
            )
    finally:
        here.send("end")
        process.join(5.0)
        if process.is_alive():
            process.terminate()
    return rows
