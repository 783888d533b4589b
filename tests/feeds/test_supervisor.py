"""The feed thread: starting, stopping and restarting exchanges, whatever their servers do."""

import asyncio
import base64
import contextlib
import hashlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Iterable, Sequence

import orjson
import pytest
from examplex import Examplex, Server, Sink, until

from feeds import supervisor as supervisor_module
from feeds.exchanges.base import ConnectionPlan, Word
from feeds.status import ExchangeStatus
from feeds.supervisor import STOP_TIMEOUT_S, FeedOptions, Supervisor
from market.models import Instrument


class Diary(Sink):
    """Remembers words and losses in the order in which they came: a quote's bid price, or "lost"."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[float | str] = []

    def write(self, words: Iterable[Word], polled: bool = False) -> None:
        self.entries += [word.bid_price for word in words]  # type: ignore[union-attr]

    def lose(self, exchange: str, symbols: Iterable[str]) -> None:
        if list(symbols):
            self.entries.append("lost")


class DeafServer:
    """Completes handshakes and sends quotes whose bid is the number of the socket; never reads, never closes."""

    def __init__(self, talks: bool = True) -> None:
        self.url = ""
        self.talks = talks
        self.dialled = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.dialled += 1
        number = self.dialled
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if not self.talks:
                await asyncio.sleep(3_600)
            key = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key"))
            accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
            writer.write(b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
            while True:
                quote = orjson.dumps({"s": "BTC", "b": number, "a": number + 1})
                writer.write(bytes([0x81, len(quote)]) + quote)
                await writer.drain()
                await asyncio.sleep(0.02)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["DeafServer"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}"
        try:
            yield self
        finally:
            server.close()


class Broken(Examplex):
    """Its plans fail as often as told: a bug in an adapter."""

    bugs = 1

    def connections(self, instruments: Sequence[Instrument], channels: object = ()) -> list[ConnectionPlan]:
        if self.bugs > 0:
            self.bugs -= 1
            raise RuntimeError("a bug in the plans")
        return super().connections(instruments)


def named(name: str, exchange: Examplex) -> Examplex:
    exchange.name = name
    return exchange


@contextlib.asynccontextmanager
async def watching(
    *exchanges: Examplex, sink: Sink | None = None, off: dict[str, str] | None = None
) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(exchanges, sink or Sink(), FeedOptions(), off)
    supervisor.start()
    try:
        yield supervisor
    finally:
        await asyncio.to_thread(supervisor.stop)


def status(supervisor: Supervisor, name: str = "examplex") -> ExchangeStatus:
    return next(status for status in supervisor.status() if status.exchange == name)


def feed_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "feeds"]


async def stops_in_time(supervisor: Supervisor) -> None:
    """It must give up waiting before its callers do."""
    began = time.monotonic()
    await asyncio.to_thread(supervisor.stop)
    assert time.monotonic() - began < STOP_TIMEOUT_S
    assert feed_threads() == []


def test_it_stops_at_once_where_all_is_well():
    async def scenario():
        server = Server()
        async with server.running(), watching(Examplex(server.url, server.rest)) as supervisor:
            await until(lambda: status(supervisor).state == "live")
            await stops_in_time(supervisor)
            await until(lambda: not server.sockets)

    asyncio.run(scenario())


def test_it_stops_in_time_though_the_listing_is_never_answered():
    async def scenario():
        async with (
            DeafServer(talks=False).running() as server,
            watching(Examplex(server.url, f"http://127.0.0.1:{server.port}")) as supervisor,
        ):
            await until(lambda: server.dialled)
            assert status(supervisor).state == "starting"
            await stops_in_time(supervisor)

    asyncio.run(scenario())


def test_it_stops_in_time_though_the_handshake_is_never_answered():
    async def scenario():
        rest = Server()
        async with (
            rest.running(),
            DeafServer(talks=False).running() as server,
            watching(Examplex(server.url, rest.rest)) as supervisor,
        ):
            await until(lambda: server.dialled)
            await stops_in_time(supervisor)

    asyncio.run(scenario())


def test_it_stops_in_time_though_the_sockets_are_never_closed():
    async def scenario():
        rest = Server()
        async with rest.running(), DeafServer().running() as server:
            plan = {"capacity": 1}
            exchanges = [named(name, Examplex(server.url, rest.rest, **plan)) for name in ("one", "two", "three")]
            async with watching(*exchanges) as supervisor:
                await until(lambda: all(row.frames > 5 for row in supervisor.status()))
                await stops_in_time(supervisor)

    asyncio.run(scenario())


def test_it_stops_in_time_while_it_waits_to_dial_again():
    async def scenario():
        async with watching(Examplex("ws://127.0.0.1:9", "http://127.0.0.1:9")) as supervisor:
            await until(lambda: status(supervisor).state == "down")
            assert status(supervisor).next_attempt_time is not None
            await stops_in_time(supervisor)

    asyncio.run(scenario())


def test_stopping_twice_or_before_the_start_does_nothing():
    supervisor = Supervisor([Examplex("ws://127.0.0.1:9")], Sink(), FeedOptions())
    supervisor.stop()
    supervisor.start()
    supervisor.stop()
    supervisor.stop()
    assert feed_threads() == []


def test_commands_to_a_stopped_supervisor_do_nothing():
    """A button may be pressed while the source is being switched."""
    supervisor = Supervisor([Examplex("ws://127.0.0.1:9")], Sink(), FeedOptions())
    supervisor.start()
    supervisor.stop()
    supervisor.restart_exchange("examplex")
    supervisor.stop_exchange("examplex")
    supervisor.start_exchange("examplex")
    assert feed_threads() == []


def test_one_exchange_is_stopped_and_started_and_the_other_is_left_alone():
    async def scenario():
        one, two, sink = Server(), Server(), Sink()
        async with one.running(), two.running():
            exchanges = named("one", Examplex(one.url, one.rest)), named("two", Examplex(two.url, two.rest))
            async with watching(*exchanges, sink=sink) as supervisor:
                await until(lambda: all(row.state == "live" for row in supervisor.status()))

                supervisor.stop_exchange("one")
                await until(lambda: not one.sockets)
                off = status(supervisor, "one")
                assert (off.state, off.reason) == ("off", "taken out of service")
                assert (off.sockets, off.instruments, off.frames_per_s) == ((), 0, 0.0)
                assert any(event.text == "live" for event in off.events)
                await until(lambda: {"BTC-USDT", "ETH-USDT"} in sink.lost)

                supervisor.start_exchange("one")
                await until(lambda: status(supervisor, "one").state == "live")
                supervisor.restart_exchange("one")
                await until(lambda: len(one.dialled) == 3 and status(supervisor, "one").state == "live")

                assert status(supervisor, "two").state == "live"
                assert status(supervisor, "two").reconnects == 0
                assert len(two.dialled) == 1

    asyncio.run(scenario())


def test_starting_what_runs_and_stopping_what_is_off_changes_nothing():
    async def scenario():
        server = Server()
        async with server.running(), watching(Examplex(server.url, server.rest)) as supervisor:
            await until(lambda: status(supervisor).state == "live")
            supervisor.start_exchange("examplex")
            supervisor.stop_exchange("examplex")
            await until(lambda: status(supervisor).state == "off" and not server.sockets)
            supervisor.stop_exchange("examplex")
            supervisor.start_exchange("examplex")
            await until(lambda: status(supervisor).state == "live")
            assert len(server.dialled) == 2

    asyncio.run(scenario())


def test_what_a_restarted_exchange_says_is_not_undone_by_the_end_of_its_predecessor():
    """A socket that is never closed takes a second to give up; then the old feed marks its quotes as lost."""

    async def scenario():
        rest, diary = Server(), Diary()
        async with (
            rest.running(),
            DeafServer().running() as server,
            watching(Examplex(server.url, rest.rest), sink=diary) as supervisor,
        ):
            await until(lambda: diary.entries.count(1) > 5)
            supervisor.restart_exchange("examplex")
            await until(lambda: diary.entries.count(2) > 5 and "lost" in diary.entries)
            assert "lost" not in diary.entries[diary.entries.index(2) :]

    asyncio.run(scenario())


def test_hasty_commands_leave_one_feed_running():
    async def scenario():
        rest, diary = Server(), Diary()
        async with (
            rest.running(),
            DeafServer().running() as server,
            watching(Examplex(server.url, rest.rest), sink=diary) as supervisor,
        ):
            await until(lambda: diary.entries.count(1) > 5)
            for _ in range(3):
                supervisor.restart_exchange("examplex")
            await until(lambda: diary.entries.count(2) > 5)
            assert status(supervisor).state in ("starting", "live")
            await stops_in_time(supervisor)
            assert server.dialled == 2

    asyncio.run(scenario())


def test_a_feed_that_dies_of_a_bug_is_logged_and_started_again(monkeypatch, caplog):
    monkeypatch.setattr(supervisor_module, "REVIVE_AFTER_S", 0.3)

    async def scenario():
        server, other = Server(), Server()
        async with server.running(), other.running():
            broken = Broken(server.url, server.rest)
            async with watching(broken, named("other", Examplex(other.url, other.rest))) as supervisor:
                await until(lambda: status(supervisor).state == "down")
                assert "a bug in the plans" in status(supervisor).reason
                await until(lambda: status(supervisor).state == "live")
                await until(lambda: status(supervisor, "other").state == "live")
                assert len(other.dialled) == 1

    with caplog.at_level(logging.ERROR):
        asyncio.run(scenario())
    (record,) = [record for record in caplog.records if record.name == "feeds.supervisor"]
    assert record.levelno == logging.ERROR
    assert "examplex" in record.getMessage()
    assert record.exc_info is not None


def test_a_feed_that_died_of_a_bug_can_be_stopped_for_good(monkeypatch):
    monkeypatch.setattr(supervisor_module, "REVIVE_AFTER_S", 0.3)

    async def scenario():
        server = Server()
        async with server.running():
            broken = Broken(server.url, server.rest)
            broken.bugs = 1_000
            async with watching(broken) as supervisor:
                await until(lambda: broken.bugs < 999)  # it was revived and died again
                supervisor.stop_exchange("examplex")
                await until(lambda: status(supervisor).state == "off")
                bugs = broken.bugs
                await asyncio.sleep(0.6)  # twice the time after which it would have been revived
                assert broken.bugs == bugs
                assert status(supervisor).state == "off"

    asyncio.run(scenario())


def test_exchanges_that_are_off_are_listed_with_their_reason_and_not_dialled():
    async def scenario():
        server = Server()
        off = {"closed": "closed since 2026-09-23"}
        async with server.running():
            exchanges = (
                Examplex(server.url, server.rest),
                named("closed", Examplex("ws://127.0.0.1:9", "http://127.0.0.1:9")),
            )
            async with watching(*exchanges, off=off) as supervisor:
                await until(lambda: status(supervisor).state == "live")
                assert [row.exchange for row in supervisor.status()] == ["examplex", "closed"]
                row = status(supervisor, "closed")
                assert (row.state, row.reason) == ("off", "closed since 2026-09-23")
                assert (row.frames, row.events, row.last_error) == (0, (), None)

    asyncio.run(scenario())


def test_before_the_start_every_exchange_is_said_to_be_starting():
    supervisor = Supervisor([Examplex("ws://127.0.0.1:9")], Sink(), FeedOptions())
    (row,) = supervisor.status()
    assert (row.state, row.reason) == ("starting", "not started yet")


@pytest.mark.parametrize("command", ["start_exchange", "stop_exchange", "restart_exchange"])
def test_an_unknown_exchange_is_a_key_error(command):
    supervisor = Supervisor([Examplex("ws://127.0.0.1:9")], Sink(), FeedOptions())
    with pytest.raises(KeyError, match="nowhere"):
        getattr(supervisor, command)("nowhere")
