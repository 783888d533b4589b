"""Socket.IO behind the same seam: each event is a frame `["name", data]`, each message sent is one.

Heartbeats are those of Engine.IO and answered by python-socketio. It has no ping of its own towards a half-open
server, but knows when the server's are due and ends the connection.
"""

import asyncio
from typing import Any, NoReturn

import aiohttp
import orjson
import socketio

from feeds.transport import OPEN_TIMEOUT_S, Disconnected, Take


class _Json:
    """What python-socketio asks of a JSON module, by the one that is used everywhere else."""

    loads = staticmethod(orjson.loads)

    @staticmethod
    def dumps(value: object, **_options: object) -> str:
        return orjson.dumps(value).decode()


class SocketIoTransport:
    """One Socket.IO connection over its websocket transport, without reconnection: `connection.py` redials."""

    def __init__(self) -> None:
        # The resolver of the system, as for every other connection: with aiodns installed aiohttp takes that.
        connector = aiohttp.TCPConnector(resolver=aiohttp.ThreadedResolver())
        self._http = aiohttp.ClientSession(connector=connector)
        self._client = socketio.AsyncClient(
            reconnection=False, handle_sigint=False, http_session=self._http, json=_Json
        )
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._reason = "no reason given"
        self._client.on("*", self._take)
        self._client.on("disconnect", self._end)

    async def open(self, url: str) -> None:
        """Connect. Raises OSError if nobody answers, as a websocket would."""
        try:
            await self._client.connect(url, transports=["websocket"], wait_timeout=OPEN_TIMEOUT_S)
        except socketio.exceptions.ConnectionError as error:
            await self._http.close()
            raise OSError(f"no Socket.IO connection: {error}") from error

    async def _take(self, event: str, *data: Any) -> None:
        self._frames.put_nowait(orjson.dumps([event, *data]))

    async def _end(self, reason: str = "") -> None:
        self._reason = reason or self._reason
        self._frames.put_nowait(None)

    async def read(self, take: Take) -> NoReturn:
        while (frame := await self._frames.get()) is not None:
            take(frame)
        raise Disconnected(1006, self._reason)

    async def send(self, message: str) -> None:
        event, *data = orjson.loads(message)
        try:
            await self._client.emit(event, *data)
        except socketio.exceptions.SocketIOError as error:
            raise Disconnected(1006, str(error)) from error

    async def close(self) -> None:
        await self._client.disconnect()
        await self._http.close()
