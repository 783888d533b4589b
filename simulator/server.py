"""Runs the exchanges: one clock that steps all markets, one port per host of an exchange, one control port."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from aiohttp import web

from simulator.control import control_routes
from simulator.exchanges import load
from simulator.exchanges.base import Exchange
from simulator.faults import FaultBoard
from simulator.market import STEP_S, FairPrices

logger = logging.getLogger(__name__)

LONGEST_CATCH_UP_S = 5.0  # after a longer pause of the process simulated time stands still instead of racing
SHUTDOWN_S = 0.5


class Simulator:
    """All exchanges of one run.

    Args:
        exchanges: Names, in the order of their ports.
        seed: Same seed, same universe and prices.
        rate: Top-of-book changes per second over all exchanges together.
        instruments: Live perpetuals per exchange.
        host: Address to listen on.
    """

    def __init__(
        self, exchanges: Sequence[str], *, seed: int, rate: float, instruments: int, host: str = "127.0.0.1"
    ) -> None:
        self.host = host
        self.seed = seed
        self.fair = FairPrices(seed)
        self.exchanges: dict[str, Exchange] = {name: load(name)(self.fair, seed, instruments) for name in exchanges}
        for name, exchange in self.exchanges.items():
            live = sum(1 for row in exchange.trading() if row.perpetual)
            if live < instruments:
                logger.warning("%s offers %d instruments, its names do not reach further", name, live)
        self.board = FaultBoard(dict(self.exchanges))
        self.rate = rate
        self.steps = 0
        self.set_rate(rate)
        self._runners: list[web.AppRunner] = []
        self._unix_origin = time.time()
        self._origin = time.monotonic()

    def set_rate(self, rate: float) -> None:
        """Share the total rate by the number of listings."""
        self.rate = rate
        total = sum(len(exchange.listings) for exchange in self.exchanges.values())
        for exchange in self.exchanges.values():
            exchange.market.set_rate(rate * len(exchange.listings) / total)

    async def listen(self, base_port: int) -> dict[str, dict[str, str]]:
        """Open all ports; return the endpoints by exchange.

        Args:
            base_port: First of the consecutive ports; 0 lets the system choose each.

        Raises:
            OSError: If a port is taken.
        """
        endpoints: dict[str, dict[str, str]] = {}
        port = base_port
        for name, exchange in self.exchanges.items():
            endpoints[name] = {}
            for suffix in exchange.ports:
                bound = await self._serve(exchange.routes(suffix), port)
                port += 1 if base_port else 0
                endpoints[name][f"rest{suffix}"] = f"http://{self.host}:{bound}"
                endpoints[name][f"ws{suffix}"] = f"ws://{self.host}:{bound}"
        bound = await self._serve(control_routes(self), port)
        endpoints["control"] = {"rest": f"http://{self.host}:{bound}"}
        return endpoints

    async def _serve(self, routes: Sequence[web.RouteDef], port: int) -> int:
        app = web.Application()
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, self.host, port).start()
        return int(runner.addresses[0][1])

    async def run(self) -> None:
        """Step the markets along real time until cancelled."""
        self._unix_origin, self._origin = time.time(), time.monotonic()
        for exchange in self.exchanges.values():
            exchange.market.reset_clock(self._unix_origin)
        next_second = self._origin + 1
        first_step = self.steps
        while True:
            now = time.monotonic()
            due = first_step + int((now - self._origin) / STEP_S)
            if (due - self.steps) * STEP_S > LONGEST_CATCH_UP_S:
                logger.warning(
                    "the process stood still for %.1f s, time goes on from here", (due - self.steps) * STEP_S
                )
                self._unix_origin, self._origin = time.time(), now
                first_step = due = self.steps
            while self.steps < due:
                self.step(self._unix_origin + (self.steps + 1 - first_step) * STEP_S)
            self.flush(now)
            self.board.expire(now)
            if now >= next_second:
                next_second = now + 1
                for exchange in self.exchanges.values():
                    if exchange.in_maintenance(now):
                        exchange.end_connections()
                    exchange.on_second(now)
            await asyncio.sleep(max(0.001, self._origin + (due - first_step + 1) * STEP_S - time.monotonic()))

    def step(self, unix: float) -> None:
        """Advance every market by STEP_S.

        Args:
            unix: What the step's time is called. [unix s]
        """
        self.steps += 1
        self.fair.step()
        for exchange in self.exchanges.values():
            exchange.time = unix
            change = exchange.market.step(unix)
            if exchange.topics:
                exchange.on_tops(change)
                exchange.on_step(self.steps)

    def flush(self, now: float) -> None:
        for exchange in self.exchanges.values():
            for connection in tuple(exchange.connections):
                connection.flush(now)

    async def close(self) -> None:
        """Cut all clients and give the ports back."""
        for exchange in self.exchanges.values():
            exchange.drop_connections()
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))


async def serve(
    simulator: Simulator,
    base_port: int,
    *,
    announce: Callable[[dict[str, dict[str, str]]], None],
    exit_with_parent: bool = False,
) -> None:
    """Listen, announce the endpoints and run until SIGTERM, SIGINT or (on request) the end of the parent process.

    Raises:
        OSError: If a port is taken.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    parent = os.getppid()
    try:
        announce(await simulator.listen(base_port))
        running = asyncio.create_task(simulator.run())
        running.add_done_callback(lambda _task: stop.set())
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.5)
            if exit_with_parent and os.getppid() != parent:
                logger.info("the parent process ended, so do we")
                break
        if running.done():
            running.result()  # an error in the market clock is a bug: show it
        running.cancel()
    finally:
        with suppress(TimeoutError):
            await asyncio.wait_for(simulator.close(), 1.5)
