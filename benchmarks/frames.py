"""Collects raw frames of every channel from the simulated market, to be decoded over and over."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence

import httpx
from websockets.asyncio.client import connect

from feeds.exchanges import EXCHANGES, load
from feeds.exchanges.base import ConnectionPlan, Exchange
from market.models import Instrument, Status

COLLECT_S = 4.0


def listing(exchange: Exchange) -> list[Instrument]:
    """Read the listing the plain way, pages and all."""
    bodies: list[bytes] = []
    with httpx.Client(timeout=10.0) as client:
        for first in exchange.instrument_requests():
            waiting = [first]
            while waiting:
                request = waiting.pop(0)
                body = client.request(
                    request.method, request.url, params=dict(request.params) or None, content=request.json or None
                ).content
                bodies.append(body)
                waiting.extend(exchange.next_requests(request, body))
    return exchange.parse_instruments(bodies)


async def _collect(exchange: Exchange, plan: ConnectionPlan) -> list[bytes]:
    frames: list[bytes] = []
    async with connect(plan.url, compression=None, max_size=None) as socket:
        for message in plan.messages:
            await socket.send(message)
            await asyncio.sleep(1.0 / plan.messages_per_s)
        until = time.monotonic() + COLLECT_S
        while (left := until - time.monotonic()) > 0.0:
            try:
                frames.append(await asyncio.wait_for(socket.recv(decode=False), left))
            except TimeoutError:
                break
    return frames


def collect(endpoints: dict[str, dict[str, str]]) -> dict[str, tuple[list[Instrument], dict[str, list[bytes]]]]:
    """Frames by exchange and pool, with the listing they belong to."""
    found: dict[str, tuple[list[Instrument], dict[str, list[bytes]]]] = {}
    for name in EXCHANGES:
        exchange = load(name, endpoints[name])
        instruments = listing(exchange)
        plans = exchange.connections([row for row in instruments if row.status is Status.TRADING])
        found[name] = instruments, asyncio.run(_collect_all(exchange, plans))
    return found


async def _collect_all(exchange: Exchange, plans: Sequence[ConnectionPlan]) -> dict[str, list[bytes]]:
    pools: dict[str, list[bytes]] = defaultdict(list)
    for plan, frames in zip(plans, await asyncio.gather(*(_collect(exchange, plan) for plan in plans)), strict=True):
        pools[plan.pool] += frames
    return dict(pools)
