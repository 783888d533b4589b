"""What the adapters share: hosts, listings, and spreading topics over connections."""

import logging
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson

from feeds.errors import BadListing
from feeds.exchanges._fields import describe
from feeds.exchanges.base import ConnectionPlan, Heartbeat, HttpRequest, Poll, Subscription
from market.models import Instrument, Status
from market.symbols import drop_collisions


class AdapterBase:
    """Hosts, the ids left out on purpose, and plans. Subclasses say the rest of the `Exchange` contract."""

    name: str
    endpoints: Mapping[str, str]
    topics_per_message: int
    messages_per_s: float
    heartbeat = Heartbeat()
    lifetime_s: float | None = None
    closed_since: str | None = None
    relay_of: str | None = None
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, endpoints: Mapping[str, str] | None = None) -> None:
        """Use the real hosts, overridden by `endpoints`. Raises ValueError for a name that is none of them."""
        overrides = dict(endpoints or {})
        if unknown := set(overrides) - set(self.endpoints):
            raise ValueError(f"{self.name} has no endpoints {sorted(unknown)}; it has {sorted(self.endpoints)}")
        self._hosts = {key: overrides.get(key, default).rstrip("/") for key, default in self.endpoints.items()}
        self._log = logging.getLogger(f"feeds.exchanges.{self.name}")
        # What a listing holds and we do not follow: dated contracts, test rows, unreadable rows, collisions.
        self._ignored: set[str] = set()

    def next_requests(self, request: HttpRequest, body: bytes) -> list[HttpRequest]:
        """Further pages of a listing; none, unless a subclass knows better."""
        return []

    def dial(self, plan: ConnectionPlan, body: bytes) -> ConnectionPlan:
        """The plan as the handshake's answer completes it; most exchanges have no handshake."""
        return plan

    def subscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that asks for topics."""
        raise NotImplementedError

    def _json(self, body: bytes) -> Any:
        """The JSON of a listing. Raises BadListing."""
        try:
            return orjson.loads(body)
        except ValueError as error:
            raise BadListing(self.name, f"the listing is no JSON: {describe(error)}") from error

    def _read_rows(
        self, rows: Iterable[Any], read: Callable[[Any], Instrument | None], id_field: str
    ) -> list[Instrument]:
        """Read a listing row by row: what `read` answers None to is left out, a bad row loses only itself."""
        instruments: list[Instrument] = []
        for row in rows:
            try:
                instrument = read(row)
                if instrument is None:
                    self._ignored.add(row[id_field])
                else:
                    instruments.append(instrument)
            except Exception as error:  # one row of hundreds
                self._bad_listing_row(row, error)
        return instruments

    def _bad_listing_row(self, row: Any, error: Exception) -> None:
        self._log.warning("left out an unreadable listing: %s in %.200r", describe(error), row)

    def _kept(self, instruments: Iterable[Instrument]) -> list[Instrument]:
        """One instrument a symbol; the others are logged as errors and remembered as left out on purpose.

        The same id twice is one listing seen on two pages, not a collision.
        """
        listed = {instrument.exchange_symbol: instrument for instrument in instruments}
        kept, errors = drop_collisions(listed.values())
        for error in errors:
            self._log.error("%s", error)
        kept_ids = {instrument.exchange_symbol for instrument in kept}
        self._ignored.update(set(listed) - kept_ids)
        self._ignored -= kept_ids
        return kept

    def _trading(self, instruments: Iterable[Instrument]) -> list[Instrument]:
        return [i for i in instruments if i.exchange == self.name and i.status is Status.TRADING]

    def _plan(
        self,
        pool: str,
        shard: int,
        url: str,
        topics: Sequence[str],
        capacity: int,
        polls: Iterable[Poll] = (),
        idle_timeout_s: float | None = None,
    ) -> ConnectionPlan:
        portions = [
            tuple(topics[start : start + self.topics_per_message])
            for start in range(0, len(topics), self.topics_per_message)
        ]
        subscriptions = [
            Subscription(self.subscribe(portion, str(request_id)), portion, str(request_id))
            for request_id, portion in enumerate(portions, 1)
        ]
        return ConnectionPlan(
            name=f"{self.name}-{pool}-{shard}",
            pool=pool,
            url=url,
            topics=tuple(topics),
            subscriptions=tuple(subscriptions),
            capacity=capacity,
            topics_per_message=self.topics_per_message,
            messages_per_s=self.messages_per_s,
            heartbeat=self.heartbeat,
            # Many topics are never quiet at once; a few may be, between heartbeats.
            idle_timeout_s=idle_timeout_s or (10.0 if len(topics) >= 20 else 60.0),
            lifetime_s=self.lifetime_s,
            polls=tuple(polls),
            headers=self.headers,
        )


def shard_of(name: str, shards: int) -> int:
    """Which of `shards` connections a symbol belongs to. A new listing moves no other symbol."""
    return zlib.crc32(name.encode()) % shards


def sharded(names: Iterable[str], per_shard: int) -> list[list[str]]:
    """Symbols spread over as many connections as needed, about `per_shard` on each."""
    ordered = sorted(names)
    spread: list[list[str]] = [[] for _ in range(-(-len(ordered) // per_shard))]
    for name in ordered:
        spread[shard_of(name, len(spread))].append(name)
    return spread


def shard_purpose(what: str, shard: int, shards: int) -> str:
    """The purpose of a poll whose answer covers all symbols, of which one connection's decoder takes its own."""
    return f"{what}:{shard}/{shards}"


def read_shard(purpose: str) -> tuple[str, int, int]:
    """What, shard and shards of a purpose; one without a shard is for all symbols. Raises ValueError."""
    what, _, place = purpose.partition(":")
    shard, _, shards = place.partition("/")
    return (what, int(shard), max(int(shards), 1)) if place else (what, 0, 1)
