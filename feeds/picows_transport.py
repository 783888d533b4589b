"""The websocket seam over picows: each frame is read where it arrives, with no queue and no task in between."""

import asyncio
import contextlib
import platform
import ssl
from collections.abc import Mapping
from importlib.metadata import version
from typing import Final, NoReturn

import picows
from websockets.proxy import get_proxy
from websockets.uri import parse_uri

from feeds import transport as seam
from feeds.transport import Disconnected, HandshakeFailed, Take

NO_CODE: Final = 1005  # of a close frame that names none (RFC 6455, 7.4.1)
USER_AGENT: Final = f"Python/{platform.python_version()} picows/{version('picows')}"
TEXT, BINARY, CONTINUATION, CLOSE = (
    picows.WSMsgType.TEXT, picows.WSMsgType.BINARY, picows.WSMsgType.CONTINUATION, picows.WSMsgType.CLOSE,
)  # fmt: skip


class PicowsTransport(picows.WSListener):
    """One connection. picows answers ping frames, and sends its own: they find a half-open socket."""

    def __init__(self) -> None:
        self._socket: picows.WSTransport | None = None
        self._take: Take | None = None
        self._early: list[bytes] = []  # what came before anybody read
        self._parts: list[bytes] = []  # of a message that comes in several frames
        self._over: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    async def read(self, take: Take) -> NoReturn:
        early, self._early, self._take = self._early, [], take
        try:
            for frame in early:
                take(frame)
            raise await asyncio.shield(self._over)
        finally:
            self._take = _ignore

    async def send(self, message: str) -> None:
        if self._over.done():
            error = self._over.result()
            raise error if isinstance(error, Disconnected) else Disconnected(1006, "the socket is given up")
        assert self._socket is not None
        self._socket.send(TEXT, message.encode())

    async def close(self) -> None:
        socket = self._socket
        if socket is None or socket.is_disconnected:
            return
        if not socket.is_close_frame_sent:
            socket.send_close(picows.WSCloseCode.OK)
        with contextlib.suppress(Exception):  # whatever ended it, it is over
            await asyncio.wait_for(socket.wait_disconnected(), seam.CLOSE_TIMEOUT_S)
        socket.disconnect(graceful=False)

    def give_up(self) -> None:
        """Nobody waits for the handshake any more; should it end well, the socket is closed."""
        self._end(Disconnected(1006, "given up in the handshake"))
        if self._socket is not None:
            self._socket.disconnect(graceful=False)

    # -- what picows calls ---------------------------------------------------------------------------------------

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self._socket = transport
        if self._over.done():
            transport.disconnect(graceful=False)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        kind = frame.msg_type
        if kind is TEXT or kind is BINARY or kind is CONTINUATION:
            payload = frame.get_payload_as_bytes()
            if self._parts or not frame.fin:
                self._parts.append(payload)
                if not frame.fin and sum(map(len, self._parts)) <= seam.MAX_FRAME_BYTES:
                    return
                payload, self._parts = b"".join(self._parts), []
            if len(payload) > seam.MAX_FRAME_BYTES:  # picows refuses a frame that is too big, and goes on to read it
                if not transport.is_close_frame_sent:
                    transport.send_close(picows.WSCloseCode.MESSAGE_TOO_BIG, b"message too big")
                self._end(Disconnected(1009, "message too big"))
                transport.disconnect()
                return
            take = self._take
            if take is None:
                self._early.append(payload)
                return
            try:
                take(payload)
            except Exception as error:  # it ends the reading, and whoever reads closes the socket
                self._end(error)
        elif kind is CLOSE:
            if not transport.is_close_frame_sent:
                transport.send_close(picows.WSCloseCode.OK)
            transport.disconnect()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        handshake = transport.close_handshake
        said = None if handshake is None else handshake.recv or handshake.sent
        if said is None:
            self._end(Disconnected(1006, "no close frame"))
        else:
            code = int(said.code)  # type: ignore[call-overload]  # its stubs call it a plain Enum
            self._end(Disconnected(code or NO_CODE, said.reason or ""))

    def _end(self, error: Exception) -> None:
        self._take = _ignore
        if not self._over.done():
            self._over.set_result(error)


def _ignore(_frame: bytes) -> None:
    """Of a socket that is given up, nothing more is read."""


async def open_picows(
    url: str, tls: ssl.SSLContext | None = None, headers: Mapping[str, str] | None = None
) -> PicowsTransport:
    """Connect. Raises OSError, TimeoutError, ssl.SSLError or HandshakeFailed."""
    transport = PicowsTransport()
    try:
        async with asyncio.timeout(seam.OPEN_TIMEOUT_S):
            _, listener = await picows.ws_connect(
                lambda: transport,
                url,
                ssl_context=tls,
                websocket_handshake_timeout=seam.OPEN_TIMEOUT_S,  # then picows closes what is given up below
                enable_auto_ping=True,
                auto_ping_idle_timeout=seam.PING_EVERY_S,
                auto_ping_reply_timeout=seam.PING_EVERY_S,
                auto_ping_strategy=picows.WSAutoPingStrategy.PING_PERIODICALLY,
                max_frame_size=seam.MAX_FRAME_BYTES,
                extra_headers={"User-Agent": USER_AGENT, **(headers or {})},
                proxy=get_proxy(parse_uri(url)),  # as websockets chooses it
            )
    except picows.WSInvalidStatusError as error:
        answer = error.response
        assert answer is not None
        status = int(answer.status)
        raise HandshakeFailed(f"HTTP {status} at the handshake", status, answer.headers.get("Retry-After")) from None
    except picows.WSError as error:
        raise HandshakeFailed(f"no websocket handshake: {error}") from None
    except BaseException:
        transport.give_up()
        raise
    if listener is not transport:  # so picows (2.3.1) says it
        raise HandshakeFailed("no websocket handshake: the other side left in the middle of it")
    return transport
