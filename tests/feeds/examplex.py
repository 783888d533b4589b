"""A made-up exchange and its server: a tiny protocol in which every failure can be staged.

Protocol: {"op": "sub" | "unsub", "id", "topics"} is answered by {"ack": id} or {"refused": id, "topics": [...]};
quotes are {"s": id, "b": bid, "a": ask, "t": event time}. Books are asked for as "depth:" and the id; they are
{"d": id, "n": number, "b": bid, "a": ask}, and a number left out is a gap. The listing is a JSON list of ids over HTTP.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from typing import ClassVar

import orjson
from aiohttp import web
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from feeds.errors import BadListing, BadPayload, SubscriptionRejected
from feeds.exchanges.base import (
    Ack,
    CatalogueChanged,
    Closing,
    ConnectionPlan,
    Heartbeat,
    HttpRequest,
    Poll,
    Resync,
    ServerTime,
    Subscription,
    Word,
)
from market.models import Depth, Instrument, Quote, Status


class Examplex:
    """Five topics a message, a hundred messages a second, silent after `idle_timeout_s`."""

    depth_pool = "quotes"
    exclusive = False  # whether a book takes the quote's place on a socket
    books_come = False  # whether books come with the quotes, wished for or not

    title = "Examplex"
    closed_since = None
    relay_of = None
    headers: ClassVar[dict[str, str]] = {}
    request_weight_per_s = 100.0

    def __init__(self, ws: str, rest: str = "http://127.0.0.1:9", **plan: object) -> None:
        self.name = "examplex"
        self.ws = ws
        self.rest = rest
        self.plan = {"idle_timeout_s": 30.0, "messages_per_s": 100.0, "capacity": 100, "topics_per_message": 5} | plan

    def instrument_requests(self) -> list[HttpRequest]:
        return [HttpRequest("GET", f"{self.rest}/listing", "listing")]

    def next_requests(self, request: HttpRequest, body: bytes) -> list[HttpRequest]:
        return []

    def parse_instruments(self, bodies: Sequence[bytes]) -> list[Instrument]:
        try:
            rows = orjson.loads(bodies[0])
            return [instrument(row["id"], Status(row.get("status", "trading"))) for row in rows]
        except (ValueError, TypeError, KeyError):
            raise BadListing(self.name, "no listing") from None

    def connections(self, instruments: Sequence[Instrument], channels: Collection[str] = ()) -> list[ConnectionPlan]:
        trading = [row.exchange_symbol for row in instruments if row.status is Status.TRADING]
        deep = "depth" in channels
        pools: dict[str, list[str]] = {}
        if (channels or trading) and not (deep and (self.exclusive or set(channels) == {"depth"})):
            pools["quotes"] = list(trading)
        if deep or (self.books_come and channels):
            pools.setdefault(self.depth_pool, []).extend(f"depth:{name}" for name in trading)
        return [self._plan(pool, tuple(topics)) for pool, topics in pools.items()]

    def _plan(self, pool: str, topics: tuple[str, ...]) -> ConnectionPlan:
        return ConnectionPlan(
            f"{pool}-1",
            pool,
            self.ws,
            topics,
            (Subscription(self.subscribe(topics, "1"), topics, "1"),),
            heartbeat=Heartbeat("beat", 0.1),
            polls=(Poll(HttpRequest("GET", f"{self.rest}/time", "time"), 0.2),),
            **self.plan,  # type: ignore[arg-type]
        )

    def subscribe(self, topics: Sequence[str], request_id: str) -> str:
        return orjson.dumps({"op": "sub", "id": request_id, "topics": list(topics)}).decode()

    def unsubscribe(self, topics: Sequence[str], request_id: str) -> str:
        return orjson.dumps({"op": "unsub", "id": request_id, "topics": list(topics)}).decode()

    def symbols_of(self, topics: Iterable[str], instruments: Iterable[Instrument]) -> set[str]:
        return {f"{topic}-USDT" for topic in topics if ":" not in topic}

    def decoder(self, instruments: Iterable[Instrument]) -> "Decoder":
        return Decoder()


class Decoder:
    outdated = 0
    notices_loss = True

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def feed(self, frame: bytes | str, received_time: float) -> list[Word]:
        try:
            message = orjson.loads(frame)
        except ValueError as error:
            raise BadPayload("examplex", str(error)) from None
        match message:
            case {"ack": request_id}:
                return [Ack(request_id)]
            case {"refused": request_id, "topics": topics}:
                raise SubscriptionRejected("examplex", "no such topic", tuple(topics), request_id)
            case {"bye": reason}:
                return [Closing(reason)]
            case {"listing": reason}:
                return [CatalogueChanged(reason)]
            case {"s": exchange_symbol, "b": bid, "a": ask}:
                symbol = f"{exchange_symbol}-USDT"
                return [Quote("examplex", symbol, bid, 1.0, ask, 1.0, message.get("t"), received_time)]
            case {"d": name, "change": _}:
                return [Resync(f"depth:{name}", "no whole book has come", missed=False)]
            case {"d": name, "n": number, "b": bid, "a": ask}:
                last = self.numbers.get(name, number - 1)
                if last < 0:
                    return []  # asked for anew already
                self.numbers[name] = number if number == last + 1 else -1
                if number != last + 1:
                    return [Resync(f"depth:{name}", "a number was left out")]
                levels = ((bid, 2.0), (bid - 1.0, 3.0)), ((ask, 1.0), (ask + 1.0, 4.0))
                return [Depth("examplex", f"{name}-USDT", *levels, None, received_time)]
        raise BadPayload("examplex", "unknown")

    def feed_response(self, purpose: str, body: bytes, received_time: float) -> list[Word]:
        return [ServerTime(float(body))]

    def update(self, instruments: Iterable[Instrument]) -> None: ...

    def reset(self, topics: Collection[str]) -> None:
        for topic in topics:
            self.numbers.pop(topic.partition(":")[2], None)


def instrument(exchange_symbol: str, status: Status = Status.TRADING) -> Instrument:
    return Instrument(
        exchange="examplex",
        exchange_symbol=exchange_symbol,
        symbol=f"{exchange_symbol}-USDT",
        base=exchange_symbol,
        quote="USDT",
        settle="USDT",
        kind="linear",
        multiplier=1.0,
        contract_multiplier=1.0,
        tick_size=0.1,
        lot_size=1.0,
        min_notional=None,
        funding_interval_h=8.0,
        status=status,
        listed_time=None,
        taker_fee_bps=5.0,
        maker_fee_bps=2.0,
    )


class Sink:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.words: list[Word] = []
        self.lost: list[set[str]] = []
        self.listings: list[list[Instrument]] = []
        self.server_times: list[float] = []
        self.watched: list[tuple[list[str], list[str]]] = []
        self.marks: list[tuple[str, str]] = []
        self.silent: list[str] = []

    def set_instruments(self, exchange: str, instruments: Sequence[Instrument]) -> None:
        self.listings.append(list(instruments))

    def write(self, words: Iterable[Word], polled: bool = False) -> None:
        self.words.extend(words)

    def lose(self, exchange: str, symbols: Iterable[str]) -> None:
        self.lost.append(set(symbols))

    def set_server_time(self, exchange: str, server_time: float, sent_time: float, received_time: float) -> bool:
        self.server_times.append(server_time)
        return False

    def lateness_s(self, exchange: str) -> float | None:
        return None

    def watch_depth(self, exchange: str, watched: Collection[str], left_out: Collection[str]) -> None:
        self.watched.append((sorted(watched), sorted(left_out)))

    def mark_depth(self, exchange: str, symbols: Iterable[str], state: str) -> None:
        self.marks += [(symbol, state) for symbol in symbols]

    def unheard(self, exchange: str) -> Sequence[str]:
        return self.silent

    def stuck_depth(self, exchange: str, before: float) -> Sequence[str]:
        return ()

    def beat(self, now: float) -> None: ...

    @property
    def symbols(self) -> set[str]:
        return {word.symbol for word in self.words}  # type: ignore[union-attr]


class Server:
    """The exchange's side. `handler` replaces the whole behaviour of a socket.

    refuse: topics it does not know. slow: those that have news only now and then. first_only: whether a socket gets no
    more than the first news of each topic.
    """

    def __init__(self) -> None:
        self.url = ""
        self.rest = ""
        self.dialled: list[float] = []
        self.requests: list[tuple[float, dict[str, object]]] = []
        self.beats = 0
        self.sockets: dict[ServerConnection, set[str]] = {}
        self.refuse: set[str] = set()
        self.name_refused = True
        self.mute = False
        self.slow: set[str] = set()
        self.first_only = False
        self.told: set[tuple[ServerConnection, str]] = set()
        self.status: int | None = None
        self.retry_after: str | None = None
        self.listing: list[dict[str, str]] = [{"id": "BTC"}, {"id": "ETH"}]
        self.handler: Callable[[ServerConnection], Awaitable[None]] = self._serve
        self.sent = 0
        self.skipped = 0  # numbers of books left out so far
        self.crossed = False
        self.changes_only = False  # whether books begin with a change

    async def _serve(self, socket: ServerConnection) -> None:
        topics = self.sockets[socket] = set()
        try:
            async for text in socket:
                if text == "beat":
                    self.beats += 1
                    continue
                message = orjson.loads(text)
                self.requests.append((time.monotonic(), message))
                await socket.send(orjson.dumps(self._answer(message, topics)).decode())
        finally:
            del self.sockets[socket]

    def _answer(self, message: dict[str, object], topics: set[str]) -> dict[str, object]:
        asked = set(message["topics"])  # type: ignore[arg-type]
        if message["op"] == "unsub":
            topics -= asked
        elif asked & self.refuse:
            # Like Bybit: one unknown topic refuses the whole message.
            named = sorted(asked & self.refuse)[:1] if self.name_refused else []
            return {"refused": message["id"], "topics": named}
        else:
            topics |= asked
        return {"ack": message["id"]}

    async def _push(self) -> None:
        """Send the same numbered quote to every socket, so that a hole shows as a missing number."""
        while True:
            await asyncio.sleep(0.01)
            if self.mute:
                continue
            self.sent += 1
            for socket, topics in list(self.sockets.items()):
                for topic in sorted(topics):
                    if (topic in self.slow and self.sent % 40) or (self.first_only and (socket, topic) in self.told):
                        continue
                    self.told.add((socket, topic))
                    with contextlib.suppress(ConnectionClosed):
                        await socket.send(orjson.dumps(self._news(topic)).decode())

    def _news(self, topic: str) -> dict[str, object]:
        kind, _, name = topic.rpartition(":")
        if not kind:
            return {"s": topic, "b": self.sent, "a": self.sent + 1}
        if self.changes_only:
            return {"d": name, "change": self.sent}
        ask = self.sent - 1 if self.crossed else self.sent + 1
        return {"d": name, "n": self.sent + self.skipped, "b": self.sent, "a": ask}

    def _handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        self.dialled.append(time.monotonic())
        if self.status is None:
            return None
        answer = connection.respond(self.status, "maintenance")  # type: ignore[arg-type]
        if self.retry_after is not None:
            answer.headers["Retry-After"] = self.retry_after
        return answer

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Server"]:
        async def listing(_: web.Request) -> web.Response:
            return web.json_response(self.listing)

        async def clock(_: web.Request) -> web.Response:
            return web.Response(text=str(time.time()))

        app = web.Application()
        app.add_routes([web.get("/listing", listing), web.get("/time", clock)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.rest = f"http://127.0.0.1:{runner.addresses[0][1]}"

        async def handle(socket: ServerConnection) -> None:
            await self.handler(socket)

        async with serve(handle, "127.0.0.1", 0, process_request=self._handshake, close_timeout=0.2) as server:
            self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            pushing = asyncio.create_task(self._push())
            try:
                yield self
            finally:
                pushing.cancel()
                await runner.cleanup()


async def until(condition: Callable[[], object], timeout_s: float = 15.0) -> None:
    """Wait for a condition; the generous limit only ends a test that has failed."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what is awaited is state of code that knows no events
            await asyncio.sleep(0.01)
