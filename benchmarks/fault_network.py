"""What goes wrong between us and an exchange: names that are not resolved, certificates that cannot be trusted.

Exchanges get names under a domain that only this process resolves, and a forwarder each that speaks TLS to the app and
plain TCP to the simulator. Only the resolver and the trusted certificates of this process are changed.
"""

import asyncio
import contextlib
import datetime
import os
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks.market import Endpoints

DOMAIN = "simulated.test"  # RFC 6761: nobody ever answers for it
CHUNK_BYTES = 1 << 16
_resolve = socket.getaddrinfo


class Network:
    """Names, certificates and forwarders of some exchanges. `endpoints`: theirs, by name and with TLS."""

    def __init__(self, endpoints: Endpoints, folder: Path) -> None:
        self.unresolved: set[str] = set()
        self._impostors: set[str] = set()
        self._writers: dict[str, set[asyncio.StreamWriter]] = {}
        self._loop = asyncio.new_event_loop()
        self._good = _certificate(folder / "good.pem")
        self._bad = _certificate(folder / "bad.pem")
        self.trusted = folder / "good.pem"
        thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        thread.start()
        self._thread = thread
        self.endpoints: Endpoints = asyncio.run_coroutine_threadsafe(self._serve(endpoints), self._loop).result(10.0)

    async def _serve(self, endpoints: Endpoints) -> Endpoints:
        named: Endpoints = {}
        for exchange, hosts in endpoints.items():
            if exchange == "control":
                continue
            named[exchange] = {}
            self._writers[exchange] = set()
            ports: dict[int, int] = {}
            for endpoint, url in hosts.items():
                target = urlsplit(url).port
                assert target is not None
                if target not in ports:
                    ports[target] = await self._forward(exchange, target)
                scheme = "wss" if url.startswith("ws") else "https"
                named[exchange][endpoint] = f"{scheme}://{exchange}.{DOMAIN}:{ports[target]}"
        return named

    async def _forward(self, exchange: str, target: int) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                there = await asyncio.open_connection("127.0.0.1", target)
            except OSError:
                writer.close()
                return
            self._writers[exchange].update((writer, there[1]))
            try:
                await asyncio.wait(
                    [asyncio.create_task(_pump(reader, there[1])), asyncio.create_task(_pump(there[0], writer))],
                    return_when=asyncio.FIRST_COMPLETED,
                )
            finally:
                self._writers[exchange] -= {writer, there[1]}
                for end in (writer, there[1]):
                    end.transport.abort()

        # Which certificate is shown is decided anew for each connection.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._good)

        def choose(tls: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            if exchange in self._impostors:
                tls.context = self._bad_context

        context.sni_callback = choose
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        port: int = server.sockets[0].getsockname()[1]
        return port

    @property
    def _bad_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._bad)
        return context

    def begin(self, fault: str, exchange: str) -> None:
        """Cut an exchange's connections; until `end`, new ones fail."""
        (self.unresolved if fault == "dns" else self._impostors).add(exchange)
        self._loop.call_soon_threadsafe(self._cut, exchange)

    def _cut(self, exchange: str) -> None:
        for writer in list(self._writers[exchange]):
            writer.transport.abort()

    def end(self, exchange: str) -> None:
        self.unresolved.discard(exchange)
        self._impostors.discard(exchange)

    def resolve(self, host: Any, *arguments: Any, **options: Any) -> Any:
        """Stand in for socket.getaddrinfo."""
        name = host.decode() if isinstance(host, bytes) else host
        if isinstance(name, str) and name.endswith(f".{DOMAIN}"):
            if name.removesuffix(f".{DOMAIN}") in self.unresolved:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            host = "127.0.0.1"
        return _resolve(host, *arguments, **options)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while chunk := await reader.read(CHUNK_BYTES):
            if chunk.startswith((b"GET ", b"POST ")):  # as proxies do: some answers name addresses of their server
                chunk = chunk.replace(b"\r\n", b"\r\nX-Forwarded-Proto: https\r\n", 1)
            writer.write(chunk)
            await writer.drain()


def _certificate(path: Path) -> Path:
    """A key and a certificate that it signed itself, for all names of the domain."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, path.stem)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(f"*.{DOMAIN}")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@contextlib.contextmanager
def network(endpoints: Endpoints, exchanges: Sequence[str]) -> Iterator[Network]:
    """Put names and TLS between this process and the simulator."""
    before = os.environ.get("SSL_CERT_FILE")
    with tempfile.TemporaryDirectory() as folder:
        between = Network({name: endpoints[name] for name in exchanges}, Path(folder))
        os.environ["SSL_CERT_FILE"] = str(between.trusted)
        socket.getaddrinfo = between.resolve
        try:
            yield between
        finally:
            socket.getaddrinfo = _resolve
            os.environ.pop("SSL_CERT_FILE")
            if before is not None:
                os.environ["SSL_CERT_FILE"] = before
            between.close()
