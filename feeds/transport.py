"""The one seam to a websocket library: open, receive bytes, send, close.

`websockets` stands behind it. It reads some ten thousand small frames a second and core, which is the largest cost of
a frame; another library can take its place here without any other change.
"""

import ssl
from collections.abc import Mapping
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0
PING_EVERY_S = 15.0
MAX_FRAME_BYTES = 16 * 2**20  # all-market frames have a megabyte


class Disconnected(Exception):
    """The socket is gone. code and reason are those of the close frame; 1006 where none came."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"closed with code {self.code}" + (f", {self.reason}" if self.reason else ", no reason given")


class Transport(Protocol):
    """An open websocket. `receive` and `send` raise Disconnected when it is gone."""

    async def receive(self) -> bytes: ...

    async def send(self, message: str) -> None: ...

    async def close(self) -> None: ...


class WebsocketsTransport:
    """The websockets library. Answers ping frames, and sends its own so that a half-open socket is noticed."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def receive(self) -> bytes:
        try:
            return await self._connection.recv(decode=False)
        except ConnectionClosed as closed:
            raise _disconnected(closed) from None

    async def send(self, message: str) -> None:
        try:
            await self._connection.send(message)
        except ConnectionClosed as closed:
            raise _disconnected(closed) from None

    async def close(self) -> None:
        await self._connection.close()


async def open_transport(
    url: str, tls: ssl.SSLContext | None = None, headers: Mapping[str, str] | None = None
) -> Transport:
    """Connect. Raises OSError, TimeoutError, ssl.SSLError or websockets' InvalidHandshake."""
    # websockets makes the context itself, but refuses an explicit None for a wss address.
    options: dict[str, Any] = {} if tls is None else {"ssl": tls}
    connection = await connect(
        url,
        compression=None,
        open_timeout=OPEN_TIMEOUT_S,
        close_timeout=CLOSE_TIMEOUT_S,
        ping_interval=PING_EVERY_S,
        ping_timeout=PING_EVERY_S,
        max_size=MAX_FRAME_BYTES,
        max_queue=1_024,
        additional_headers=headers or None,
        **options,
    )
    return WebsocketsTransport(connection)


def _disconnected(closed: ConnectionClosed) -> Disconnected:
    if closed.rcvd is not None:
        return Disconnected(closed.rcvd.code, closed.rcvd.reason)
    if closed.sent is not None:
        return Disconnected(closed.sent.code, closed.sent.reason)
    return Disconnected(1006, "no close frame")
