"""Socket.IO behind the same seam, over a websocket of any library: each event is a frame `["name", data]`, each message
sent is one.

Source: the protocols Engine.IO 4 and Socket.IO 5 (https://socket.io/docs/v4/engine-io-protocol/,
https://socket.io/docs/v4/socket-io-protocol/). python-socketio, whose server the tests hold it against, costs
several times as much an event: two tasks each, and JSON read and written anew.
"""

import asyncio
import contextlib
from typing import Any, Final, NoReturn

import orjson

from feeds.transport import (
    OPEN_TIMEOUT_S,
    Disconnected,
    HandshakeFailed,
    SocketLibrary,
    Take,
    Transport,
    open_transport,
)

PATH: Final = "/socket.io/?EIO=4&transport=websocket"
ENDED: Final = 1006  # the code of a socket that was given up without one
# Packets by their first characters: of Engine.IO, and after its 4 of Socket.IO.
_OPEN, _CLOSE, _NOOP = b"0", b"1", b"6"
_PINGS: Final = {b"2": "3", b"2probe": "3probe"}  # and what answers them
_CONNECT, _CONNECTED, _DISCONNECT, _EVENT, _REFUSED = "40", b"40", b"41", b"42", b"44"


class SocketIoTransport:
    """One connection to the default namespace. Answers the server's heartbeats."""

    def __init__(self, socket: Transport) -> None:
        """socket: just opened, nothing read from it."""
        self._socket = socket
        self._take: Take | None = None
        self._early: list[bytes] = []  # what came before anybody read
        self._joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answers = set[asyncio.Task[None]]()
        self._reading: asyncio.Task[NoReturn] = asyncio.create_task(socket.read(self._receive))

    async def join(self) -> None:
        """Wait until messages can be sent. Raises TimeoutError, HandshakeFailed or Disconnected."""
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            await asyncio.wait((self._joined, self._reading), return_when=asyncio.FIRST_COMPLETED)
        if not self._joined.done():
            await self._reading  # raises what ended it

    async def read(self, take: Take) -> NoReturn:
        early, self._early, self._take = self._early, [], take
        for frame in early:
            take(frame)
        await asyncio.shield(self._reading)

    async def send(self, message: str) -> None:
        await self._socket.send(f"42{message}")

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.wait((self._reading,))
        if not self._reading.cancelled():
            self._reading.exception()  # looked at: it ended before, and who read was told
        await self._socket.close()

    def _receive(self, packet: bytes) -> None:
        if packet[:3] == b"42[":
            frame = packet[2:]
        elif packet[:2] == _EVENT and b"[" in packet:  # of another namespace, or one that wants an answer
            frame = packet[packet.index(b"[") :]
        elif packet in _PINGS:
            self._answer(_PINGS[packet])
            return
        elif packet[:1] == _OPEN and not self._joined.done():  # who joins twice is thrown out
            self._answer(_CONNECT)
            return
        elif packet[:2] == _CONNECTED:
            if not self._joined.done():
                self._joined.set_result(None)
            return
        elif packet[:2] == _REFUSED:
            raise HandshakeFailed(f"no Socket.IO connection: {_reason(packet[2:])}")
        elif packet[:2] == _DISCONNECT or packet == _CLOSE:
            raise Disconnected(ENDED, "the server ended the Socket.IO session")
        elif packet == _NOOP:
            return
        else:
            frame = packet  # whoever reads says that it is unknown
        if self._take is None:
            self._early.append(frame)
        else:
            self._take(frame)

    def _answer(self, packet: str) -> None:
        async def send() -> None:
            with contextlib.suppress(Disconnected):  # who reads is told
                await self._socket.send(packet)

        task = asyncio.create_task(send())
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)


def _reason(body: bytes) -> str:
    """Why a server refuses: {"message": "..."}, or what it says instead."""
    with contextlib.suppress(orjson.JSONDecodeError):
        match orjson.loads(body):
            case {"message": str(message)}:
                return message
    return body[:100].decode(errors="replace") or "refused"


async def open_socketio(url: str, library: SocketLibrary = "websockets", **options: Any) -> SocketIoTransport:
    """Connect to a Socket.IO server, its handshake done. url, options: as for `open_transport`. Raises as that does."""
    transport = SocketIoTransport(await open_transport(f"{url}{PATH}", library=library, **options))
    try:
        await transport.join()
    except BaseException as error:
        await transport.close()
        if isinstance(error, Disconnected):
            raise HandshakeFailed(f"no Socket.IO connection: {error}") from None
        raise
    return transport
