"""Failures in words: real ones, provoked on loopback."""

import asyncio
import contextlib
import datetime
import functools
import ipaddress
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import get_args

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.server import serve
from websockets.utils import accept_key

from feeds import transport
from feeds.errors import BadPayload, RequestFailed
from feeds.failures import (
    MAX_DOUBLINGS,
    Silent,
    describe,
    parse_retry_after,
    retry_after_s,
    retry_delay_s,
)
from feeds.picows_transport import NO_CODE
from feeds.transport import Disconnected, SocketLibrary, open_transport

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A plain server; gives its port."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read what comes, say nothing."""
    await reader.read()
    writer.close()


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stream.examplex.example")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


async def failure_over_http(url: str) -> BaseException:
    async with httpx.AsyncClient(timeout=0.3) as client:
        with pytest.raises(httpx.HTTPError) as caught:
            await client.get(url)
    return caught.value


async def failure_over_websocket(url: str, library: SocketLibrary = "websockets") -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is, it must be described
        await open_transport(url, library=library)
    return caught.value


LIBRARIES = pytest.mark.parametrize("library", get_args(SocketLibrary))
TRANSPORTS = pytest.mark.parametrize(
    ("scheme", "failure"),
    [
        ("http", failure_over_http),
        ("ws", failure_over_websocket),
        ("ws", functools.partial(failure_over_websocket, library="picows")),
    ],
    ids=["http", "websockets", "picows"],
)


@TRANSPORTS
def test_a_name_that_does_not_exist(scheme, failure):
    # .invalid never resolves (RFC 2606), with or without a network.
    error = asyncio.run(failure(f"{scheme}://stream.examplex.invalid/v3"))
    assert describe(error) == "name not resolved"
    assert describe(error, "https://stream.examplex.example/v3") == "the name stream.examplex.example is not resolved"


@TRANSPORTS
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_refused_connection(scheme, failure, host):
    """localhost may be two addresses, whose refusals asyncio joins into one error."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = asyncio.run(failure(f"{scheme}://{host}:{taken.getsockname()[1]}"))
    assert describe(error) == "connection refused"


@TRANSPORTS
def test_a_certificate_nobody_vouches_for(scheme, failure, tmp_path):
    async def scenario():
        async with listening(silence, self_signed(tmp_path)) as port:
            return await failure(f"{scheme}s://127.0.0.1:{port}")

    assert describe(asyncio.run(scenario())) == "certificate refused: self-signed certificate"


@TRANSPORTS
def test_a_server_that_never_answers(scheme, failure, monkeypatch):
    monkeypatch.setattr(transport, "OPEN_TIMEOUT_S", 0.3)

    async def scenario():
        async with listening(silence) as port:
            return await failure(f"{scheme}://127.0.0.1:{port}")

    assert describe(asyncio.run(scenario())) == "timed out"


@LIBRARIES
@pytest.mark.parametrize("status", [403, 429, 503])
def test_a_handshake_that_is_refused(status, library):
    async def scenario():
        def refuse(connection, _request):
            answer = connection.respond(status, "no")
            answer.headers["Retry-After"] = "12"
            return answer

        async with serve(lambda _socket: asyncio.sleep(0), "127.0.0.1", 0, process_request=refuse) as server:
            return await failure_over_websocket(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", library)

    error = asyncio.run(scenario())
    assert describe(error) == f"HTTP {status} at the handshake"
    assert retry_after_s(error) == 12.0


@LIBRARIES
def test_a_server_that_speaks_no_websocket(library):
    async def scenario():
        async def smtp(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.examplex.example ESMTP\r\n")
            await writer.drain()
            writer.close()

        async with listening(smtp) as port:
            return await failure_over_websocket(f"ws://127.0.0.1:{port}", library)

    assert describe(asyncio.run(scenario())).startswith("no websocket handshake")


EMPTY_CLOSE_FRAME = bytes((0x88, 0))


def unexpected(frame: bytes) -> None:
    raise AssertionError(f"nothing was sent, and {frame!r} came")


@LIBRARIES
@pytest.mark.parametrize(("code", "reason"), [(1012, "service restart"), (4001, "token expired"), (NO_CODE, "")])
def test_a_socket_that_is_closed_says_with_what(library, code, reason):
    async def scenario():
        async def close(socket):
            if code == NO_CODE:
                socket.transport.write(EMPTY_CLOSE_FRAME)
                await socket.wait_closed()
            else:
                await socket.close(code, reason)

        async with serve(close, "127.0.0.1", 0) as server:
            connection = await open_transport(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", library=library)
            with pytest.raises(Disconnected) as caught:
                await connection.read(unexpected)
            return caught.value

    error = asyncio.run(scenario())
    assert (error.code, error.reason) == (code, reason)
    assert describe(error) == f"closed with code {code}, {reason or 'no reason given'}"


@LIBRARIES
def test_a_half_open_socket_is_found_by_pings(library, monkeypatch):
    monkeypatch.setattr(transport, "PING_EVERY_S", 0.2)
    monkeypatch.setattr(transport, "CLOSE_TIMEOUT_S", 0.1)

    async def scenario():
        async def upgrade_then_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            key = re.search(rb"Sec-WebSocket-Key: (\S+)", await reader.readuntil(b"\r\n\r\n"), re.IGNORECASE)[1]
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept_key(key.decode()).encode() + b"\r\n\r\n"
            )
            await reader.read()
            writer.close()

        async with listening(upgrade_then_nothing) as port:
            connection = await open_transport(f"ws://127.0.0.1:{port}", library=library)
            with pytest.raises(Disconnected) as caught:
                await asyncio.wait_for(connection.read(unexpected), 10.0)
            await connection.close()
            return caught.value

    assert asyncio.run(scenario()).code in (1001, 1006, 1011)  # as the library tells it to the other side


@LIBRARIES
def test_frames_come_whole_and_in_order_up_to_the_limit(library, monkeypatch):
    monkeypatch.setattr(transport, "MAX_FRAME_BYTES", 2**20)
    sent = [b"1", "\u00e9".encode(), b"x" * 2**20, b"last"]

    async def scenario():
        async def send(socket):
            assert await socket.recv() == "subscribe"
            for frame in sent:
                await socket.send(frame, text=True)
            await socket.send(b"y" * (2**20 + 1), text=True)
            await socket.wait_closed()

        async with serve(send, "127.0.0.1", 0) as server:
            connection = await open_transport(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", library=library)
            await connection.send("subscribe")
            received = []
            with pytest.raises(Disconnected) as caught:
                await connection.read(received.append)
            assert received == sent
            return caught.value

    assert asyncio.run(scenario()).code == 1009


@LIBRARIES
def test_a_message_in_several_frames_is_one(library, monkeypatch):
    monkeypatch.setattr(transport, "MAX_FRAME_BYTES", 1_000)

    async def scenario():
        async def send(socket):
            await socket.send([b"one ", b"and ", b"two"], text=True)
            await socket.send(b"three", text=True)
            await socket.send([b"x" * 600, b"x" * 600], text=True)
            await socket.wait_closed()

        async with serve(send, "127.0.0.1", 0) as server:
            connection = await open_transport(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", library=library)
            received = []
            with pytest.raises(Disconnected) as caught:
                await connection.read(received.append)
            await connection.close()
            return received, caught.value

    received, error = asyncio.run(scenario())
    assert received == [b"one and two", b"three"]
    assert error.code == 1009


@LIBRARIES
def test_what_reading_stumbles_over_ends_it(library):
    async def scenario():
        async def send(socket):
            await socket.send(b"good", text=True)
            await socket.send(b"bad", text=True)
            await socket.send(b"never read", text=True)
            await socket.wait_closed()

        received = []

        def take(frame: bytes) -> None:
            received.append(frame)
            if frame == b"bad":
                raise ValueError("bad")

        async with serve(send, "127.0.0.1", 0) as server:
            connection = await open_transport(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", library=library)
            await asyncio.sleep(0.1)  # frames that came before anybody read are not lost
            with pytest.raises(ValueError, match="bad"):
                await connection.read(take)
            await connection.close()
        return received

    assert asyncio.run(scenario()) == [b"good", b"bad"]


@LIBRARIES
def test_a_handshake_that_nobody_waits_for_any_more_leaves_no_socket_behind(library):
    async def scenario():
        async def answer_late(_connection, _request):
            await asyncio.sleep(0.3)

        async def handle(socket):
            await socket.wait_closed()

        async with serve(handle, "127.0.0.1", 0, process_request=answer_late) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            opening = asyncio.create_task(open_transport(url, library=library))
            await asyncio.sleep(0.1)
            opening.cancel()
            await asyncio.wait((opening,))
            await asyncio.sleep(0.5)
            return server.connections

    assert not asyncio.run(scenario())


@LIBRARIES
def test_a_closed_socket_takes_no_more_messages(library):
    async def scenario():
        async with serve(lambda socket: socket.wait_closed(), "127.0.0.1", 0) as server:
            connection = await open_transport(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", library=library)
            await connection.close()
            await connection.close()
            with pytest.raises(Disconnected):
                await connection.send("subscribe")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Disconnected(1006, ""), "closed with code 1006, no reason given"),
        (Silent(31.2), "no data for 31 s on an open socket"),
        (BadPayload("examplex", "no price"), "no price"),
        (ConnectionResetError(104, "Connection reset by peer"), "connection reset by peer"),
        (TimeoutError(), "timed out"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 111] Connect call failed"),
         "connection refused"),
        (ValueError(), "ValueError"),
        (ValueError("odd"), "odd"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)  # fmt: skip
def test_what_else_can_end_a_connection(error, words):
    assert describe(error) == words


def test_delays_double_from_a_second_or_two_up_to_half_a_minute():
    for failures in range(MAX_DOUBLINGS + 1):
        delays = [retry_delay_s(failures) for _ in range(300)]
        assert 2.0**failures / 2 <= min(delays)
        assert max(delays) <= 2.0**failures
        assert max(delays) - min(delays) > 0.25 * 2.0**failures  # spread, so that sockets do not dial in step


@pytest.mark.parametrize("failures", [MAX_DOUBLINGS, 1_000, 10**9])
def test_delays_stop_growing(failures):
    assert 16.0 <= retry_delay_s(failures) <= 32.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("30", 30.0),
        (" 2.5 ", 2.5),
        ("86400", 86_400.0),
        ("86401", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("", None),
        ("soon", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_nothing(header, seconds):
    assert parse_retry_after(header) == seconds


def test_only_refusals_carry_a_time_to_stay_away():
    assert retry_after_s(RequestFailed("examplex", "no", 429, 4.0)) == 4.0
    assert retry_after_s(RequestFailed("examplex", "no")) is None
    assert retry_after_s(Disconnected(1006, "")) is None


def test_an_error_that_is_its_own_context_is_described_all_the_same():
    """As when a task group raises what a task raised before."""
    first, second = Disconnected(1006, "no close frame"), OSError("gone")
    first.__context__, second.__context__ = second, first
    assert describe(first) == "closed with code 1006, no close frame"
