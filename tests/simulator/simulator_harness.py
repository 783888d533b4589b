"""Runs a small simulator inside a test, with clients that know nothing of the product's own feeds."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import websockets

from simulator.server import Simulator

PATIENCE_S = 7.0


class Running:
    """A simulator that serves, and what a test needs to talk to it."""

    def __init__(self, simulator: Simulator, endpoints: dict[str, dict[str, str]], http: httpx.AsyncClient) -> None:
        self.simulator = simulator
        self.endpoints = endpoints
        self.http = http

    def url(self, exchange: str, path: str, endpoint: str = "rest") -> str:
        return self.endpoints[exchange][endpoint] + path

    async def get(self, exchange: str, path: str, endpoint: str = "rest", **params: Any) -> Any:
        return (await self.http.get(self.url(exchange, path, endpoint), params=params)).json()

    async def fault(self, exchange: str, fault: str, **params: Any) -> int:
        body = {"exchange": exchange, "fault": fault, **params}
        answer = await self.http.post(self.url("control", "/faults"), json=body)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["id"])

    async def settings(self, exchange: str, **values: float) -> None:
        answer = await self.http.post(self.url("control", "/settings"), json={"exchange": exchange, **values})
        assert answer.status_code == 200, answer.text

    def connect(self, exchange: str, path: str, endpoint: str = "ws", **options: Any) -> websockets.connect:
        # Unlimited queues: a client that stopped reading could not see the answer to its closing handshake.
        limits = {"max_size": None, "max_queue": None, "compression": None, "ping_interval": None, "close_timeout": 2}
        return websockets.connect(self.url(exchange, path, endpoint), **(limits | options))


@asynccontextmanager
async def running(*exchanges: str, seed: int = 1, rate: float = 400, instruments: int = 30) -> AsyncIterator[Running]:
    simulator = Simulator(exchanges, seed=seed, rate=rate, instruments=instruments)
    endpoints = await simulator.listen(0)
    clock = asyncio.create_task(simulator.run())
    try:
        async with httpx.AsyncClient() as http:
            yield Running(simulator, endpoints, http)
    finally:
        clock.cancel()
        await simulator.close()


async def receive(socket: websockets.ClientConnection) -> Any:
    """The next frame, decoded if it is JSON."""
    frame = await asyncio.wait_for(socket.recv(), PATIENCE_S)
    return json.loads(frame) if frame[:1] in ("{", "[") else frame


async def until(socket: websockets.ClientConnection, wanted: Callable[[Any], bool]) -> Any:
    """The first frame that is wanted; the others are passed over."""

    async def search() -> Any:
        while True:
            frame = await receive(socket)
            if wanted(frame):
                return frame

    return await asyncio.wait_for(search(), PATIENCE_S)


async def collect(socket: websockets.ClientConnection, seconds: float) -> list[Any]:
    """All frames of some seconds, decoded where possible."""
    frames: list[Any] = []
    with_deadline = asyncio.get_running_loop().time() + seconds
    while (left := with_deadline - asyncio.get_running_loop().time()) > 0:
        try:
            frame = await asyncio.wait_for(socket.recv(), left)
        except TimeoutError:
            break
        try:
            frames.append(json.loads(frame))
        except ValueError:
            frames.append(frame)
    return frames


async def closed(socket: websockets.ClientConnection, patience_s: float = PATIENCE_S) -> tuple[int, str]:
    """Wait for the end of a connection; return close code and reason."""

    async def drain() -> None:
        async for _ in socket:
            pass

    with suppress(websockets.ConnectionClosedError):
        await asyncio.wait_for(drain(), patience_s)
    return socket.close_code or 0, socket.close_reason or ""


async def send(socket: websockets.ClientConnection, message: object) -> None:
    await socket.send(message if isinstance(message, str) else json.dumps(message))


def apply_levels(side: dict[str, str], levels: list[list[str]]) -> None:
    """Absolute quantities; "0" deletes."""
    for price, size, *_ in levels:
        if float(size) == 0:
            side.pop(price, None)
        else:
            side[price] = size
