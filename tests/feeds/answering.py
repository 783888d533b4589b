"""An HTTP server on loopback that answers as it is told, and remembers when it was asked for what."""

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web


class AnsweringServer:
    """answer: called with each request; by default 200 and the body "fine"."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[float, str]] = []
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]] = self._fine

    async def _fine(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="fine")

    def always(self, status: int, text: str = "", **headers: str) -> None:
        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})

        self.answer = answer

    @property
    def times(self) -> list[float]:
        return [when for when, _ in self.asked]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["AnsweringServer"]:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.asked.append((time.monotonic(), str(request.rel_url)))
            return await self.answer(request)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()
