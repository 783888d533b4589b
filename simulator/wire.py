"""One websocket connection: frames are encoded once, queued per connection and written in one piece per step.

The data path writes unmasked text frames straight to the transport, because the socket library's own send costs more
than everything else together. Handshake, control frames and closing stay with the library.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Hashable

from aiohttp import web

from simulator.faults import FaultState

logger = logging.getLogger(__name__)

SLOW_CONSUMER_BYTES = 32 * 1024 * 1024  # unsent data after which an exchange drops the client

_headers: dict[int, bytes] = {}


def text_header(length: int) -> bytes:
    """Header of an unmasked, final text frame with a payload of `length` bytes (RFC 6455, section 5.2)."""
    header = _headers.get(length)
    if header is None:
        if length < 126:
            header = bytes((0x81, length))
        elif length < 65536:
            header = b"\x81\x7e" + length.to_bytes(2, "big")
        else:
            header = b"\x81\x7f" + length.to_bytes(8, "big")
        _headers[length] = header
    return header


class Connection:
    """What an exchange keeps per client socket."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, faults: FaultState, now: float) -> None:
        self.socket = socket
        self.transport = request.transport
        self.faults = faults
        self.number = 0
        self.path = request.path
        self.wrapped = False
        self.group = ""
        self.topics: dict[Hashable, str] = {}  # key in the exchange's topic table -> name as the client spelt it
        self.outbox: list[bytes] = []
        self.delayed: deque[tuple[float, bytes]] = deque()
        self.held: list[bytes] = []  # frames waiting to be shuffled
        self.opened = now
        self.last_message = now  # from the client, monotonic s
        self.last_sent = now
        self.last_ping = now
        self.last_pong = now
        self.half_open = False
        self.deaf = faults.deaf_sockets  # subscriptions are confirmed and never fed
        self.closing = False
        self.frames_sent = 0
        self._tasks: set[asyncio.Task[bool]] = set()

    def reply(self, payload: bytes, now: float) -> None:
        """Send an answer (ack, error, pong) at once, behind whatever data is queued already."""
        self.flush(now)
        self._write([payload], now)

    def flush(self, now: float) -> None:
        """Write queued data, shaped by the faults that are active."""
        if self.outbox:
            payloads, self.outbox = self.outbox, []
            if self.deaf:
                payloads = []
            if self.faults.shaping:
                payloads = self.faults.shape(payloads, self.held)
            self._write(payloads, now)
        elif self.held and not self.faults.shaping:
            payloads, self.held = self.held, []
            self._write(payloads, now)
        if self.delayed:
            ready: list[bytes] = []
            while self.delayed and (self.delayed[0][0] <= now or not self.faults.delay_s):
                ready.append(self.delayed.popleft()[1])
            self._transmit(ready, now)

    def _write(self, payloads: list[bytes], now: float) -> None:
        if self.faults.delay_s or self.delayed:
            due = now + self.faults.delay_s
            self.delayed.extend((due, payload) for payload in payloads)
            return
        self._transmit(payloads, now)

    def _transmit(self, payloads: list[bytes], now: float) -> None:
        transport = self.transport
        if not payloads or self.half_open or self.closing or transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > SLOW_CONSUMER_BYTES:
            logger.warning("dropping a client that does not read: %s", self.path)
            self.abort()
            return
        parts: list[bytes] = []
        for payload in payloads:
            parts.append(text_header(len(payload)))
            parts.append(payload)
        transport.write(b"".join(parts))
        self.frames_sent += len(payloads)
        self.last_sent = now

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake with this code; data queued so far goes first."""
        if self.closing:
            return
        self.flush(self.last_sent)
        self.closing = True
        task = asyncio.get_running_loop().create_task(self.socket.close(code=code, message=reason.encode()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def abort(self) -> None:
        """Cut the TCP connection without any closing handshake."""
        self.closing = True
        if self.transport is not None:
            self.transport.abort()
