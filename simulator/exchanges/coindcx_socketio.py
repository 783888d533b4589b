"""A real Socket.IO server (Engine.IO 4) under the simulated exchange, and connections whose frames are its events.

Handshakes, pings and packets of clients are the library's work. Events to clients are written straight to the socket,
as elsewhere in the simulator. Data are encoded twice: `42["name",{"event":"name","data":"<JSON text>"}]`.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

import orjson
import socketio
from aiohttp import web

from simulator.faults import FaultState
from simulator.wire import Connection

PING_INTERVAL_S, PING_TIMEOUT_S = 25, 20
LARGEST_PACKET = 1_000_000
SPOILT_EVENT = "depth-update"


class Event(bytes):
    """The data of an event, as JSON text. A fault that spoils it leaves plain bytes."""

    name: str
    _packet: bytes | None = None

    def __new__(cls, name: str, data: object) -> "Event":
        event = super().__new__(cls, orjson.dumps(data))
        event.name = name
        return event

    def again(self, data: object) -> "Event":
        """An event of the same name with other data."""
        return Event(self.name, data)

    @property
    def packet(self) -> bytes:
        """The whole frame, encoded once for all its receivers."""
        if self._packet is None:
            self._packet = encode(self.name, self)
        return self._packet


def encode(name: str, data: bytes) -> bytes:
    """An event as a frame."""
    text = data.decode("utf-8", "replace")
    return b"42" + orjson.dumps([name, {"event": name, "data": text}])


class SocketIoConnection(Connection):
    """A client of the Socket.IO server. sid: the server's name for it."""

    def __init__(self, sid: str, request: web.Request, faults: FaultState, now: float, unknown: str) -> None:
        # The socket itself belongs to the library; this one is only ever cut, never closed politely.
        super().__init__(cast(web.WebSocketResponse, None), request, faults, now)
        self.sid = sid
        self._unknown = unknown

    def _transmit(self, payloads: list[bytes], now: float) -> None:
        super()._transmit([self._packet(payload) for payload in payloads], now)

    def _packet(self, payload: bytes) -> bytes:
        if isinstance(payload, Event):
            return payload.packet
        return encode(self._unknown if payload == self.faults.unknown_frame else SPOILT_EVENT, payload)


class Host(Protocol):
    """The exchange as its server sees it."""

    def client_came(self, sid: str, request: web.Request) -> bool: ...
    def client_said(self, sid: str, event: str, data: object) -> None: ...
    def client_left(self, sid: str) -> None: ...


class Server:
    """Socket.IO for one exchange."""

    def __init__(self, host: Host) -> None:
        self._host = host
        quiet = logging.getLogger(f"{__name__}.engine")
        quiet.setLevel(logging.CRITICAL)  # a client's bad packet is its own affair
        self._server = socketio.AsyncServer(
            async_mode="aiohttp",
            transports=["websocket"],
            async_handlers=False,  # joins and leaves are worked off in their order
            cors_allowed_origins="*",
            ping_interval=PING_INTERVAL_S,
            ping_timeout=PING_TIMEOUT_S,
            max_http_buffer_size=LARGEST_PACKET,
            monitor_clients=False,  # the read time-out finds silent clients, too
            logger=quiet,
            engineio_logger=quiet,
        )
        self._server.on("connect", self._connect)
        self._server.on("disconnect", self._disconnect)
        self._server.on("*", self._event)

    @property
    def handle(self) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """What to serve at /socket.io/."""
        return cast(Callable[[web.Request], Awaitable[web.StreamResponse]], self._server.handle_request)

    def set_times(self, ping_interval_s: float, ping_timeout_s: float) -> None:
        """Change the heartbeat of connections to come, and of open ones from their next ping."""
        self._server.eio.ping_interval = ping_interval_s
        self._server.eio.ping_timeout = ping_timeout_s

    def mute(self, sid: str) -> None:
        """Say nothing more to a client, not even pings."""
        socket = self._server.eio.sockets.get(self._server.manager.eio_sid_from_sid(sid, "/"))
        if socket is not None:
            socket.send = _nothing

    async def _connect(self, sid: str, environ: dict[str, Any], _auth: object = None) -> bool:
        return self._host.client_came(sid, environ["aiohttp.request"])

    async def _disconnect(self, sid: str, *_reason: str) -> None:
        self._host.client_left(sid)

    async def _event(self, event: str, sid: str, *data: object) -> None:
        self._host.client_said(sid, event, data[0] if data else None)


async def _nothing(_packet: object) -> None:
    return None
