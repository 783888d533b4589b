"""What all simulated exchanges share: connections, topics, the websocket loop, market faults and REST plumbing."""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable
from typing import Any, ClassVar

import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from simulator.book import Book, Levels
from simulator.faults import FaultError, FaultState
from simulator.market import ExchangeMarket, FairPrices, TopChange
from simulator.universe import CLOSED, HALTED, LIVE, UNLISTED, Listing
from simulator.wire import Connection

logger = logging.getLogger(__name__)


def json_response(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, headers=headers, content_type="application/json")


def level_strings(listing: Listing, levels: Levels) -> list[list[str]]:
    """[["83091.60", "4.215"], ...] with fixed decimals; size 0 is spelt "0"."""
    tick, lot, pd, sd = listing.tick, listing.lot, listing.price_decimals, listing.size_decimals
    return [[f"{price * tick:.{pd}f}", f"{lots * lot:.{sd}f}" if lots else "0"] for price, lots in levels]


def levels_json(listing: Listing, levels: Levels) -> str:
    """`level_strings` as JSON text."""
    return orjson.dumps(level_strings(listing, levels)).decode()


class Exchange(ABC):
    """One exchange: its listings, its market, its clients and its wire protocol.

    Args:
        fair: The fair prices that all exchanges follow.
        seed: Of the simulation.
        instruments: How many live perpetuals it offers.
    """

    name: ClassVar[str]
    ports: ClassVar[tuple[str, ...]] = ("",)  # one port per entry; the entry is the suffix of its endpoint names
    settings_defaults: ClassVar[dict[str, float]] = {}
    unknown_frame: ClassVar[bytes] = b'{"unknown":true}'
    max_message_bytes: ClassVar[int] = 1 << 20

    def __init__(self, fair: FairPrices, seed: int, instruments: int) -> None:
        self.seed = seed
        self.listings = self.build_listings(instruments, seed)
        self.market = ExchangeMarket(self.name, self.listings, fair, seed)
        self.by_symbol = {listing.exchange_symbol: listing for listing in self.listings}
        self.faults = FaultState(unknown_frame=self.unknown_frame)
        self.settings = dict(self.settings_defaults)
        self.connections: set[Connection] = set()
        self.topics: dict[Hashable, set[Connection]] = {}
        self.books: dict[int, Book] = {}
        self.connection_count = 0
        self.closed_frames = 0  # frames sent on connections that are gone
        self.sequence = self.first_sequence()
        self.time = time.time()  # of the step being worked on, unix s

    # What an exchange module says.

    @classmethod
    @abstractmethod
    def build_listings(cls, instruments: int, seed: int) -> list[Listing]:
        """All listings in array order; `instruments` live perpetuals among them."""

    @abstractmethod
    def routes(self, port: str) -> list[web.RouteDef]:
        """What one of the exchange's ports serves."""

    @abstractmethod
    def on_message(self, connection: Connection, text: str) -> None:
        """A text message of a client."""

    @abstractmethod
    def on_tops(self, change: TopChange) -> None:
        """Send the tops that changed in this step to their subscribers."""

    def on_step(self, step: int) -> None:  # noqa: B027 (an optional hook)
        """Send what has a cadence of its own. Called every STEP_S."""

    def on_second(self, now: float) -> None:  # noqa: B027 (an optional hook)
        """Check time limits of connections. `now` is monotonic. [s]"""

    def on_open(self, connection: Connection, request: web.Request) -> None:  # noqa: B027 (an optional hook)
        """A client connected."""

    def announce(self, listing: Listing) -> None:  # noqa: B027 (an optional hook)
        """Push a listing's new state, where the exchange has a channel for it."""

    def first_sequence(self) -> int:
        return 10_000_000_000 + self.seed * 1000

    # Time and sequence.

    @property
    def now_ms(self) -> int:
        """The exchange's clock. [ms]"""
        return int((time.time() + self.faults.clock_offset_s) * 1000)

    @property
    def step_ms(self) -> int:
        """The time of the current step on the exchange's clock. [ms]"""
        return int((self.time + self.faults.clock_offset_s) * 1000)

    def next_id(self) -> int:
        self.sequence += 3
        return self.sequence

    def next_funding_ms(self, listing: Listing) -> int:
        return int(self.market.next_funding_s(listing.index, self.time + self.faults.clock_offset_s) * 1000)

    def due(self, step: int, period: int) -> list[Listing]:
        """The listings whose turn it is, where each has one in `period` steps."""
        return self.listings[step % period :: period]

    # Topics.

    def subscribe(self, connection: Connection, key: Hashable, spelling: str) -> None:
        connection.topics.pop(("deaf", key), None)
        deaf_symbol = self.faults.deaf_symbol
        if deaf_symbol is not None and self.is_about(key, self.by_symbol[deaf_symbol]):
            connection.topics["deaf", key] = spelling  # known to the connection, and fed by nothing
            return
        connection.topics[key] = spelling
        self.topics.setdefault(key, set()).add(connection)

    def unsubscribe(self, connection: Connection, key: Hashable) -> None:
        connection.topics.pop(("deaf", key), None)
        connection.topics.pop(key, None)
        subscribers = self.topics.get(key)
        if subscribers is not None:
            subscribers.discard(connection)
            if not subscribers:
                del self.topics[key]
                self.topic_ended(key)

    def unsubscribe_spelt(self, connection: Connection, names: Iterable[str]) -> None:
        """End subscriptions by the names the client gave; unknown ones are ignored."""
        keys = {spelling: key for key, spelling in connection.topics.items()}
        for name in names:
            if name in keys:
                self.unsubscribe(connection, keys[name])

    def topic_ended(self, key: Hashable) -> None:  # noqa: B027 (an optional hook)
        """The last subscriber of a topic is gone."""

    def is_about(self, key: Hashable, listing: Listing) -> bool:
        """Whether a topic brings the quotes of a listing: by its second part, an index or a symbol."""
        return isinstance(key, tuple) and len(key) > 1 and key[1] in (listing.index, listing.exchange_symbol)

    def frame_mark(self, listing: Listing) -> bytes:
        """What the frames of `is_about` topics have in them, and few others."""
        return f'"{listing.exchange_symbol}"'.encode()

    def is_numbered(self, key: Hashable) -> bool:
        """Whether a topic tells a book by changes that each build on the one before."""
        return False

    def publish(self, key: Hashable, payload: bytes) -> None:
        """Queue one frame for every subscriber of a topic."""
        if self.faults.silent or self.loses(key):
            return
        for connection in self.topics.get(key, ()):
            connection.outbox.append(payload)

    def loses(self, key: Hashable) -> bool:
        """Whether a frame of a topic goes missing now."""
        share = self.faults.gap_share
        return share > 0 and self.is_numbered(key) and self.faults.chance.random() < share

    def send_data(self, connection: Connection, payload: bytes) -> None:
        """Queue one data frame for one client, such as the snapshot after a subscription."""
        deaf_symbol = self.faults.deaf_symbol
        if deaf_symbol is not None and self.frame_mark(self.by_symbol[deaf_symbol]) in payload:
            return
        if not self.faults.silent:
            connection.outbox.append(payload)

    def book(self, listing: Listing) -> Book:
        """The up-to-date book of a listing."""
        book = self.books.get(listing.index)
        if book is None:
            book = self.books[listing.index] = Book(self.market, listing.index, self.seed)
        book.refresh()
        return book

    # Listings.

    def visible(self, *hosts: str) -> Iterable[Listing]:
        return (row for row in self.listings if row.visible and (not hosts or row.host in hosts))

    def trading(self, *hosts: str) -> Iterable[Listing]:
        return (row for row in self.visible(*hosts) if row.status == LIVE)

    def find(self, exchange_symbol: str) -> Listing | None:
        listing = self.by_symbol.get(exchange_symbol)
        return listing if listing is not None and listing.visible else None

    def _require(self, exchange_symbol: str) -> Listing:
        listing = self.by_symbol.get(exchange_symbol)
        if listing is None:
            raise FaultError(f"{self.name} has no instrument {exchange_symbol!r}")
        return listing

    def _set_status(self, listing: Listing, status: str) -> None:
        listing.status = status
        self.market.set_live(listing.index, status == LIVE)
        self.announce(listing)

    # Faults.

    def drop_connections(self) -> None:
        for connection in list(self.connections):
            connection.abort()

    def freeze_connections(self) -> None:
        for connection in self.connections:
            connection.half_open = True

    def abandon_frozen(self) -> None:
        for connection in list(self.connections):
            if connection.half_open:
                connection.abort()

    def deafen(self, exchange_symbol: str | None) -> None:
        """Cut the sockets that carry a contract, or the one that carries most, and be deaf to what comes next."""
        if exchange_symbol is not None:
            listing = self._require(exchange_symbol)
            self.faults.deaf_symbol = exchange_symbol
            cut = [row for row in self.connections if any(self.is_about(key, listing) for key in row.topics)]
        else:
            self.faults.deaf_sockets = True
            cut = sorted(self.connections, key=lambda row: len(row.topics))[-1:]
        for connection in cut:
            connection.abort()

    def announce_maintenance(self) -> None:  # noqa: B027 (an optional hook)
        """Say in the exchange's own words that it will soon be away; most have none."""

    def say_to_all(self, payload: bytes) -> None:
        """Send one frame to every client, whatever it subscribed to."""
        for connection in self.connections:
            connection.reply(payload, time.monotonic())

    def expire_tokens(self) -> None:
        raise FaultError(f"{self.name} has no tokens")

    def send_huge(self, size: int) -> None:
        """Send every client a frame of no known kind, about `size` bytes long."""
        padding = b"a" * (size // 10)
        payload = b'{"something_new":[%b]}' % b",".join([b'"%b"' % padding] * 10)
        for connection in self.connections:
            connection.outbox.append(payload)

    def in_maintenance(self, now: float) -> bool:
        """Whether an announced maintenance has begun. `now` is monotonic. [s]"""
        begins = self.faults.maintenance_at
        return begins is not None and now >= begins

    def end_connections(self) -> None:
        """Close all sockets as a service that restarts does."""
        for connection in list(self.connections):
            connection.close(WSCloseCode.SERVICE_RESTART, "maintenance")

    def halt(self, exchange_symbol: str) -> None:
        listing = self._require(exchange_symbol)
        if listing.status != LIVE:
            raise FaultError(f"{exchange_symbol} is not trading")
        self._set_status(listing, HALTED)

    def resume(self, exchange_symbol: str) -> None:
        self._set_status(self._require(exchange_symbol), LIVE)

    def list_new(self, exchange_symbol: str | None) -> str:
        hidden = [row for row in self.listings if row.status == UNLISTED]
        chosen = [row for row in hidden if exchange_symbol in (None, row.exchange_symbol)]
        if not chosen:
            raise FaultError(f"can list one of {', '.join(row.exchange_symbol for row in hidden) or 'none'}")
        listing = chosen[0]
        listing.listed_ms = self.now_ms
        self._set_status(listing, LIVE)
        return listing.exchange_symbol

    def delist(self, exchange_symbol: str) -> None:
        listing = self._require(exchange_symbol)
        listing.status = CLOSED
        self.market.set_live(listing.index, False)
        self.announce(listing)
        listing.status = UNLISTED

    def relist(self, exchange_symbol: str) -> None:
        self._set_status(self._require(exchange_symbol), LIVE)

    def change_interval(self, exchange_symbol: str, hours: int) -> int:
        if hours not in (1, 2, 4, 6, 8):
            raise FaultError(f"hours must be 1, 2, 4, 6 or 8, not {hours}")
        listing = self._require(exchange_symbol)
        before, listing.funding_interval_h = listing.funding_interval_h, hours
        self.market.interval_h[listing.index] = hours
        return before

    # Sockets.

    async def websocket(self, request: web.Request, *, group: str = "", wrapped: bool = False) -> web.StreamResponse:
        """Serve one client until it or the exchange ends the connection.

        Args:
            request: The handshake.
            group: What of the exchange this path serves, in the exchange module's own words.
            wrapped: Whether payloads go out in an envelope on this path.
        """
        if self.faults.reject_mode == "http503":
            return web.Response(status=503, text="Service Unavailable")
        if self.in_maintenance(time.monotonic()):
            return self.maintenance_answer()
        refusal = self.refuse_connection(request)
        if refusal is not None:
            return refusal
        socket = web.WebSocketResponse(
            autoping=False, compress=False, max_msg_size=self.max_message_bytes, timeout=1.0, autoclose=False
        )
        await socket.prepare(request)
        if self.faults.reject_mode == "accept_close":
            await socket.close(code=WSCloseCode.GOING_AWAY)
            return socket
        connection = Connection(socket, request, self.faults, time.monotonic())
        connection.group, connection.wrapped = group, wrapped
        self.connection_count += 1
        connection.number = self.connection_count
        self.connections.add(connection)
        try:
            self.on_open(connection, request)
            await self._receive(connection)
        finally:
            self.connections.discard(connection)
            self.closed_frames += connection.frames_sent
            for key in list(connection.topics):
                self.unsubscribe(connection, key)
        return socket

    def refuse_connection(self, request: web.Request) -> web.Response | None:
        """An answer for a handshake that breaks a limit, or None."""
        return None

    async def _receive(self, connection: Connection) -> None:
        socket = connection.socket
        while True:
            message = await socket.receive()
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                await self._farewell(connection)
                return
            if connection.half_open or connection.closing:
                continue
            now = time.monotonic()
            if message.type == WSMsgType.PING:
                self.on_ping(connection, now)
                if not connection.closing:
                    await socket.pong(message.data)
            elif message.type == WSMsgType.PONG:
                connection.last_pong = now
            elif message.type == WSMsgType.TEXT:
                connection.last_message = now
                self.on_message(connection, message.data)
                connection.flush(now)

    async def _farewell(self, connection: Connection) -> None:
        """Answer a closing handshake; a half-open socket stays open and dumb until somebody cuts it."""
        transport = connection.transport
        while connection.half_open and transport is not None and not transport.is_closing():  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # the transport has no event for its end
        if not connection.closing:
            await connection.socket.close()

    def on_ping(self, connection: Connection, now: float) -> None:  # noqa: B027 (an optional hook)
        """A websocket ping frame of a client; it is answered by the caller."""

    def ping(self, connection: Connection, now: float) -> None:
        """Send a websocket ping frame."""
        connection.last_ping = now
        if not connection.half_open and not connection.closing:
            task = asyncio.get_running_loop().create_task(_quiet_ping(connection.socket, str(self.now_ms).encode()))
            self._pings.add(task)
            task.add_done_callback(self._pings.discard)

    _pings: ClassVar[set[asyncio.Task[None]]] = set()

    @property
    def frames_sent(self) -> int:
        return self.closed_frames + sum(connection.frames_sent for connection in self.connections)

    # REST.

    def rest_guard(self) -> web.Response | None:
        """The answer to every request while a fault covers REST."""
        faults = self.faults
        if faults.rest_status is not None:
            faults.refused += 1
            headers = {} if faults.rest_retry_after_s is None else self.retry_headers(faults.rest_retry_after_s)
            return web.Response(status=faults.rest_status, text="Too many requests", headers=headers)
        if self.in_maintenance(time.monotonic()):
            return self.maintenance_answer()
        return web.Response(status=503, text="Service Unavailable") if faults.reject_rest else None

    def retry_headers(self, seconds: float) -> dict[str, str]:
        """How the exchange says for how long to stay away."""
        return {"Retry-After": f"{seconds:.0f}"}

    def maintenance_answer(self) -> web.Response:
        """What requests and handshakes are answered with during a maintenance."""
        return web.Response(status=503, text="<html><h1>System maintenance</h1></html>", content_type="text/html")

    def truth_row(self, index: int, row: tuple[float, int, int, int, int]) -> list[float]:
        """[time, bid, bid size, ask, ask size] in the exchange's own units."""
        listing = self.listings[index]
        unix, bid, bid_lots, ask, ask_lots = row
        return [
            unix,
            round(bid * listing.tick, listing.price_decimals),
            round(bid_lots * listing.lot, listing.size_decimals),
            round(ask * listing.tick, listing.price_decimals),
            round(ask_lots * listing.lot, listing.size_decimals),
        ]

    def describe(self, listing: Listing) -> dict[str, Any]:
        """A row of the control endpoint's instrument list."""
        return {
            "exchange_symbol": listing.exchange_symbol,
            "asset": listing.asset.key,
            "asset_class": listing.asset.asset_class,
            "base": listing.base,
            "quote": listing.quote,
            "settle": listing.settle,
            "kind": listing.kind,
            "unit": listing.unit,
            "contract": listing.contract,
            "perpetual": listing.perpetual,
            "status": listing.status,
            "host": listing.host,
            "tick_size": listing.tick,
            "lot_size": listing.lot,
            "funding_interval_h": listing.funding_interval_h,
        }


async def _quiet_ping(socket: web.WebSocketResponse, payload: bytes) -> None:
    try:
        await socket.ping(payload)
    except (ConnectionError, RuntimeError):
        logger.debug("a client was gone before its ping")
