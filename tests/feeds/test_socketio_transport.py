"""Our Socket.IO against python-socketio's server, and against packets that it does not send."""

import asyncio
import contextlib
from typing import get_args

import orjson
import pytest
import socketio
from aiohttp import web
from websockets.asyncio.server import serve

from feeds import socketio_transport
from feeds.exchanges import load
from feeds.exchanges._coindcx_listing import read_contract
from feeds.failures import describe
from feeds.session import dial
from feeds.socketio_transport import open_socketio
from feeds.transport import Disconnected, HandshakeFailed, SocketLibrary

LIBRARIES = pytest.mark.parametrize("library", get_args(SocketLibrary))
OPENED = b'0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}'


@contextlib.asynccontextmanager
async def stock_server(**options):
    """python-socketio's server: joins are answered with two events. Gives its address and itself."""
    server = socketio.AsyncServer(async_mode="aiohttp", transports=["websocket"], **options)
    server.joined = []

    @server.on("join")
    async def join(sid, data):
        server.joined.append(data)
        await server.emit("depth-snapshot", {"event": "depth-snapshot", "data": '{"ts":1,"s":"é"}'}, to=sid)
        await server.emit("two words", (1, "x"), to=sid)

    app = web.Application()
    server.attach(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"ws://127.0.0.1:{site._server.sockets[0].getsockname()[1]}", server
    finally:
        await runner.cleanup()


async def until(condition):
    async with asyncio.timeout(5.0):
        while not condition():  # noqa: ASYNC110 - the other side has no event for it
            await asyncio.sleep(0.01)


async def frames_of(packets, library: SocketLibrary = "websockets"):
    """What a server that sends these packets, whatever they are, makes us read, and what ends it."""
    answers = []

    async def handle(socket):
        await socket.send(OPENED, text=True)
        assert await socket.recv() == "40"
        await socket.send('40{"sid":"b"}')
        for packet in packets:
            await socket.send(packet)
        answers.extend([answer async for answer in socket])

    frames = []
    async with serve(handle, "127.0.0.1", 0) as server:
        transport = await open_socketio(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", library)
        reading = asyncio.create_task(transport.read(frames.append))
        done, _ = await asyncio.wait((reading,), timeout=0.3)
        reading.cancel()
        await transport.close()
        return frames, answers, reading.exception() if done else None


@LIBRARIES
def test_events_of_the_stock_server(library):
    async def scenario():
        frames = []
        async with stock_server() as (url, server):
            transport = await open_socketio(url, library)
            await transport.send('["join",{"channelName":"B-BTC_USDT@orderbook@10-futures"}]')
            await until(lambda: server.joined)
            await asyncio.sleep(0.1)  # frames that came before anybody read are not lost
            reading = asyncio.create_task(transport.read(frames.append))
            await until(lambda: len(frames) == 2)
            reading.cancel()
            await transport.close()
            return server.joined, [orjson.loads(frame) for frame in frames]

    joined, events = asyncio.run(scenario())
    assert joined == [{"channelName": "B-BTC_USDT@orderbook@10-futures"}]
    assert events == [
        ["depth-snapshot", {"event": "depth-snapshot", "data": '{"ts":1,"s":"é"}'}],
        ["two words", 1, "x"],
    ]


@LIBRARIES
def test_heartbeats_keep_the_stock_server_connected(library):
    async def scenario():
        async with stock_server(ping_interval=0.2, ping_timeout=0.2) as (url, _):
            transport = await open_socketio(url, library)
            reading = asyncio.create_task(transport.read(lambda _: None))
            await asyncio.sleep(1.5)
            alive = not reading.done()
            reading.cancel()
            await transport.close()
            return alive

    assert asyncio.run(scenario())


@LIBRARIES
def test_a_session_that_the_server_ends(library):
    async def scenario():
        async with stock_server() as (url, server):
            ends = asyncio.Event()
            server.on("connect", lambda *_: ends.set())
            transport = await open_socketio(url, library)
            await ends.wait()
            for sid in list(server.manager.rooms["/"][None]):
                await server.disconnect(sid)
            with pytest.raises(Disconnected) as caught:
                await asyncio.wait_for(transport.read(lambda _: None), 5.0)
            await transport.close()
            with pytest.raises(Disconnected):
                await transport.send('["join"]')
            return caught.value

    assert describe(asyncio.run(scenario())) == "closed with code 1006, the server ended the Socket.IO session"


@LIBRARIES
def test_a_server_that_refuses_says_why(library):
    async def scenario():
        async with stock_server() as (url, server):

            @server.event
            async def connect(*_):
                raise socketio.exceptions.ConnectionRefusedError("too many sessions")

            with pytest.raises(HandshakeFailed) as caught:
                await open_socketio(url, library)
            return caught.value

    assert describe(asyncio.run(scenario())) == "no Socket.IO connection: too many sessions"


def test_a_socket_that_is_closed_in_the_handshake():
    async def scenario():
        async def handle(socket):
            await socket.close(1013, "try again later")

        async with serve(handle, "127.0.0.1", 0) as server:
            with pytest.raises(HandshakeFailed) as caught:
                await open_socketio(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            return caught.value

    expected = "no Socket.IO connection: closed with code 1013, try again later"
    assert describe(asyncio.run(scenario())) == expected


def test_a_websocket_that_is_no_socket_io(monkeypatch):
    monkeypatch.setattr(socketio_transport, "OPEN_TIMEOUT_S", 0.2)

    async def scenario():
        async with serve(lambda socket: socket.wait_closed(), "127.0.0.1", 0) as server:
            with pytest.raises(TimeoutError):
                await open_socketio(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    asyncio.run(scenario())


def test_the_request_is_that_of_a_client_of_version_4():
    paths = []

    async def scenario():
        def note(_connection, request):
            paths.append(request.path)

        async with serve(lambda socket: socket.wait_closed(), "127.0.0.1", 0, process_request=note) as server:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await open_socketio(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    asyncio.run(scenario())
    assert paths == ["/socket.io/?EIO=4&transport=websocket"]


@LIBRARIES
def test_packets_by_their_kind(library):
    packets = [
        '42["a",1]',
        "6",  # nothing
        "2probe",
        '4212["wants an answer"]',
        '42/other,["of another namespace"]',
        "43[]",
        "garbage",
        b"\x00binary",
        b"2\xff",  # what begins like a heartbeat, or like the handshake
        b"0\xff",
    ]
    frames, answers, ended = asyncio.run(frames_of(packets, library))
    assert frames == [
        b'["a",1]',
        b'["wants an answer"]',
        b'["of another namespace"]',
        b"43[]",
        b"garbage",
        b"\x00binary",
        b"2\xff",
        b"0\xff",
    ]
    assert answers == ["3probe"]
    assert ended is None


@pytest.mark.parametrize("packet", ["1", "41", "41/"])
def test_packets_that_end_it(packet):
    frames, _, ended = asyncio.run(frames_of([packet, '42["too late"]']))
    assert frames == []
    assert isinstance(ended, Disconnected)


def test_a_plan_says_that_it_is_socket_io():
    async def scenario():
        async with stock_server() as (url, _):
            exchange = load("coindcx", {"ws": url})
            contract = read_contract("B-BTC_USDT", None, True)
            plans = exchange.connections([contract])
            transport = await dial(plans[0])
            await transport.close()
            return type(transport)

    assert asyncio.run(scenario()) is socketio_transport.SocketIoTransport
