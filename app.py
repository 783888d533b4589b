"""Perpscope: reads the settings, opens the market, mounts API and pages, serves."""

import argparse
import contextlib
import logging
import socket
import sys
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI

from api import router
from desk import Desk
from feeds.replay import ReplayError
from layouts.app import build_app
from native import hot
from settings import ConfigError, Settings, read_settings
from sources import SourceError, open_market, tune_interpreter

logger = logging.getLogger("perpscope")

EXIT_BAD_INPUT = 2


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="app.py", description="Differences of perpetual futures between exchanges.")
    parser.add_argument("--source", help="live (default), demo, or replay:FOLDER")
    parser.add_argument("--config", help="TOML file with settings; see README.md")
    parser.add_argument("--host", help="address to serve on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to serve on (default 8050)")
    parser.add_argument("--record-to", help="folder to record raw frames into")
    return parser.parse_args(arguments)


def build_server(desk: Desk) -> FastAPI:
    """Put API and pages on one server that runs the desk while it is up."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        desk.start()
        try:
            yield
        finally:
            desk.stop()

    server = FastAPI(
        title="Perpscope",
        version="0.1.0",
        lifespan=lifespan,
        description="Perpetual futures compared between exchanges.",
    )
    server.include_router(router(desk))
    server.state.dash = build_app(desk, server)
    return server


def bind(settings: Settings) -> socket.socket:
    """Take the port before anything else is started. Raises ConfigError if it cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen()  # until then another one may bind the same port
    except OSError as error:
        listener.close()
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(
            f"cannot serve on {settings.host}:{settings.port}: {reason}; choose another with --port"
        ) from None
    return listener


def main(arguments: list[str] | None = None) -> int:
    given = vars(parse_arguments(arguments))
    try:
        settings = read_settings(given.pop("config"), **given)
        logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        # One line a request: of interest when something is wrong, noise when pages tick every second.
        logging.getLogger("httpx").setLevel(max(logging.WARNING, logging.getLogger().level))
        listener = bind(settings)
        desk = Desk(settings, lambda source: open_market(settings, source))
    except (ConfigError, SourceError, ReplayError) as error:
        print(f"perpscope: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    tune_interpreter()
    if hot is None:
        logging.getLogger("native").warning(
            "quotes are read by Python alone, at more cost; `make native` compiles them"
        )
    server = uvicorn.Server(uvicorn.Config(build_server(desk), log_level="warning", timeout_graceful_shutdown=2))
    print(f"Perpscope serves http://{settings.host}:{settings.port} (source: {settings.source})", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
