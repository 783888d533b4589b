"""The one seam to a websocket library: open, read frames, send, close.

`picows` reads a frame at a fraction of the cost of `websockets` (`make bench`, `make load`), which is the one to fall
back on.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Literal, NoReturn, Protocol, TypeAlias

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

SocketLibrary = Literal["websockets", "picows"]
Take: TypeAlias = Callable[[bytes], None]

OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0
PING_EVERY_S = 15.0
MAX_FRAME_BYTES = 16 * 2**20  # all-market frames have a megabyte
YIELD_EVERY = 200  # frames between two looks at the rest of the loop, when the socket never runs dry


class Disconnected(Exception):
    """The socket is gone. code and reason are those of the close frame; 1006 where none came."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"closed with code {self.code}" + (f", {self.reason}" if self.reason else ", no reason given")


class HandshakeFailed(Exception):
    """The other side did not become a websocket. status: of its HTTP answer, None if it gave no such answer.

    retry_after: the header of that name, as it came.
    """

    def __init__(self, detail: str, status: int | None = None, retry_after: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.retry_after = retry_after


class Transport(Protocol):
    """An open websocket. `read` and `send` raise Disconnected when it is gone."""

    async def read(self, take: Take) -> NoReturn:
        """Call `take` with each frame as it comes. Raises what that raises, too; then no more is read."""
        ...

    async def send(self, message: str) -> None: ...

    async def close(self) -> None: ...


class WebsocketTransport:
    """A connection of `websockets`. Answers ping frames, and sends its own: they find a half-open socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def read(self, take: Take) -> NoReturn:
        receive = self._connection.recv
        while True:
            for _ in range(YIELD_EVERY):
                try:
                    frame = await receive(decode=False)
                except ConnectionClosed as error:
                    raise _disconnected(error) from None
                take(frame)
            await asyncio.sleep(0)

    async def send(self, message: str) -> None:
        try:
            await self._connection.send(message)
        except ConnectionClosed as error:
            raise _disconnected(error) from None

    async def close(self) -> None:
        await self._connection.close()


async def open_transport(
    url: str,
    tls: ssl.SSLContext | None = None,
    headers: Mapping[str, str] | None = None,
    library: SocketLibrary = "websockets",
) -> Transport:
    """Connect. Raises OSError, TimeoutError, ssl.SSLError or HandshakeFailed."""
    if library == "picows":
        from feeds.picows_transport import open_picows  # which needs what stands above

        return await open_picows(url, tls, headers)
    # websockets makes the context itself, but refuses an explicit None for a wss address.
    options: dict[str, Any] = {} if tls is None else {"ssl": tls}
    try:
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
    except InvalidStatus as error:
        status, answer = error.response.status_code, error.response.headers
        raise HandshakeFailed(f"HTTP {status} at the handshake", status, answer.get("Retry-After")) from None
    except InvalidHandshake as error:
        raise HandshakeFailed(f"no websocket handshake: {error}") from None
    return WebsocketTransport(connection)


def _disconnected(error: ConnectionClosed) -> Disconnected:
    if error.rcvd is not None:
        return Disconnected(int(error.rcvd.code), error.rcvd.reason or "")
    if error.sent is not None:
        return Disconnected(int(error.sent.code), error.sent.reason or "")
    return Disconnected(1006, "no close frame")
