"""The one seam to a websocket library: open, receive bytes, send, close.

`websockets` is what the product needs; `picows`, an optional package with the same programming interface, reads a frame
at about half the cost (`make bench sockets`, `make load`).
"""

import importlib
import importlib.util
import ssl
from collections.abc import Mapping
from typing import Any, Literal, Protocol, get_args

SocketLibrary = Literal["websockets", "picows"]

OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0
PING_EVERY_S = 15.0
MAX_FRAME_BYTES = 16 * 2**20  # all-market frames have a megabyte
_PACKAGES: dict[SocketLibrary, str] = {"websockets": "websockets", "picows": "picows.websockets"}


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
    """An open websocket. `receive` and `send` raise Disconnected when it is gone."""

    async def receive(self) -> bytes: ...

    async def send(self, message: str) -> None: ...

    async def close(self) -> None: ...


class WebsocketTransport:
    """A connection of one of the libraries. Answers ping frames, and sends its own: they find a half-open socket."""

    def __init__(self, connection: Any, closed: type[Exception]) -> None:
        """closed: what the library raises when the socket is gone."""
        self._connection = connection
        self._closed = closed

    async def receive(self) -> bytes:
        try:
            frame: bytes = await self._connection.recv(decode=False)
        except self._closed as error:
            raise _disconnected(error) from None
        return frame

    async def send(self, message: str) -> None:
        try:
            await self._connection.send(message)
        except self._closed as error:
            raise _disconnected(error) from None

    async def close(self) -> None:
        await self._connection.close()


def installed() -> tuple[SocketLibrary, ...]:
    """The libraries that are there."""
    return tuple(name for name in get_args(SocketLibrary) if importlib.util.find_spec(name) is not None)


async def open_transport(
    url: str,
    tls: ssl.SSLContext | None = None,
    headers: Mapping[str, str] | None = None,
    library: SocketLibrary = "websockets",
) -> Transport:
    """Connect. Raises OSError, TimeoutError, ssl.SSLError or HandshakeFailed."""
    package = _PACKAGES[library]
    connect = importlib.import_module(f"{package}.asyncio.client").connect
    failures = importlib.import_module(f"{package}.exceptions")
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
    except failures.InvalidStatus as error:
        status, answer = error.response.status_code, error.response.headers
        raise HandshakeFailed(f"HTTP {status} at the handshake", status, answer.get("Retry-After")) from None
    except (failures.InvalidHandshake, AssertionError) as error:
        # picows (2.3.1) asserts where the other side leaves in the middle of the handshake.
        raise HandshakeFailed(f"no websocket handshake: {error}") from None
    return WebsocketTransport(connection, failures.ConnectionClosed)


def _disconnected(error: Any) -> Disconnected:
    if error.rcvd is not None:
        return Disconnected(int(error.rcvd.code), error.rcvd.reason or "")
    if error.sent is not None:
        return Disconnected(int(error.sent.code), error.sent.reason or "")
    return Disconnected(1006, "no close frame")
