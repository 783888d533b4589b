"""Collects raw frames of every connection from the simulated market, to be decoded over and over."""

import asyncio
import contextlib
import itertools
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.market import Endpoints
from feeds.catalogue import read_listing
from feeds.errors import FeedError
from feeds.exchanges import EXCHANGES, load
from feeds.exchanges.base import ConnectionPlan, Decoder, Exchange
from feeds.rest import RestClient
from feeds.session import dial
from market.models import Funding, Instrument, Quote, Ticker

COLLECT_S = 4.0
SETTLE_S = 0.5  # from the last subscription on, until a socket has said everything once
QUOTES, OTHERS, BOTH = "quotes", "mark, funding, ticker", "both"


@dataclass(frozen=True)
class Collected:
    """An exchange's listing, the answers to its polls, and its data frames in the order they came, by kind.

    answers: purpose and body. prelude: receive time and bytes of what came while a socket was being subscribed, mostly
    snapshots, and before its first quotes: BitMEX tells the price of Bitcoin there, on which the sizes of its quantos
    hang. frames: what came after it, of kind QUOTES what brought a best bid and ask, of kind OTHERS what brought mark,
    index, funding or ticker; what brings both is of kind QUOTES unless quotes have a channel of their own. times: when
    each was received, epoch s.
    """

    exchange: Exchange
    instruments: list[Instrument]
    answers: list[tuple[str, bytes]] = field(default_factory=list)
    prelude: list[tuple[float, bytes]] = field(default_factory=list)
    frames: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def decoder(self) -> Decoder:
        """A fresh decoder that has read what came before: answers to the polls, and the prelude."""
        decoder = self.exchange.decoder(self.instruments)
        for purpose, body in self.answers:
            try:
                decoder.feed_response(purpose, body, time.time())
            except FeedError:
                continue  # a refused poll is no matter here
        for received_time, frame in self.prelude:
            decoder.feed(frame, received_time)
        return decoder


async def _collect(rest: RestClient, into: Collected, plan: ConnectionPlan) -> list[tuple[float, str, bytes]]:
    """Receive time, kind and bytes of the data frames of one connection."""
    if plan.handshake is not None:
        plan = into.exchange.dial(plan, (await rest.fetch(plan.handshake)).body)
    transport = await dial(plan)
    raw: list[tuple[float, bytes]] = []

    async def ask() -> float:
        for message in plan.messages:
            await transport.send(message)
            await asyncio.sleep(1.0 / plan.messages_per_s)
        return time.time() + SETTLE_S

    for poll in plan.polls:  # before the frames, which an answer from after them would make old
        into.answers.append((poll.request.purpose, (await rest.fetch(poll.request)).body))
    reading = asyncio.create_task(transport.read(lambda frame: raw.append((time.time(), frame))))
    settled = await ask()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(reading, SETTLE_S + COLLECT_S)
    await transport.close()
    decoder = into.decoder()
    found = []
    for received_time, frame in raw:
        try:
            kinds = {type(word) for word in decoder.feed(frame, received_time)}
        except FeedError:
            continue
        market = kinds & {Funding, Ticker}
        if Quote in kinds:
            found.append((received_time, BOTH if market else QUOTES, frame))
        elif market:
            found.append((received_time, OTHERS, frame))
    first = next((i for i, (when, kind, _) in enumerate(found) if kind != OTHERS and when >= settled), 0)
    into.prelude.extend((received_time, frame) for received_time, _, frame in found[:first])
    return found[first:]


async def collect_exchange(exchange: Exchange) -> Collected:
    """Frames of one exchange."""
    rest = RestClient(exchange.name, 1_000.0, exchange.headers)
    try:
        into = Collected(exchange, await read_listing(exchange, rest, lambda _request, _response: None))
        plans: Sequence[ConnectionPlan] = exchange.connections(into.instruments)
        parts = await asyncio.gather(*(_collect(rest, into, plan) for plan in plans))
    finally:
        await rest.close()
    found = sorted(itertools.chain(*parts))
    both = OTHERS if any(kind == QUOTES for _, kind, _ in found) else QUOTES
    for received_time, told, frame in found:
        kind = both if told == BOTH else told
        into.frames[kind].append(frame)
        into.times[kind].append(received_time)
    return into


def collect(endpoints: Endpoints) -> dict[str, Collected]:
    """Frames of all exchanges, one exchange after the other."""
    return {name: asyncio.run(collect_exchange(load(name, endpoints[name]))) for name in EXCHANGES}
