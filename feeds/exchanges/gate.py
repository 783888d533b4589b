"""Gate futures v4: linear perpetuals in USDT and USD1, and the inverse one in Bitcoin.

Source: https://www.gate.com/docs/developers/futures/ws/en (2025-11) and apiv4 (2026-03), probes of 2026-08 and 2026-09.
Each settlement currency has an address of its own, on which contracts of another are confirmed and stay silent. A
message carries one channel, so channels have connections of their own.
"""

import dataclasses
from collections.abc import Collection, Iterable, Sequence
from types import MappingProxyType
from typing import Any

import orjson

from feeds.errors import BadListing
from feeds.exchanges._gate_frames import DEPTH_CHANNEL, QUOTE_CHANNEL, TICKER_CHANNEL, Decoder
from feeds.exchanges._gate_listing import NAME, read_row
from feeds.exchanges._plans import AdapterBase, shard_purpose, sharded
from feeds.exchanges.base import DEFAULT_CHANNELS, Channel, ConnectionPlan, Heartbeat, HttpRequest, Poll
from market.models import Instrument

ENDPOINTS = {"rest": "https://api.gateio.ws", "ws": "wss://fx-ws.gateio.ws"}
SETTLEMENTS = ("usdt", "btc", "usd1")
TOPICS_PER_MESSAGE = 100  # one unknown name refuses them all
TOPICS_PER_CONNECTION, CAPACITY = 300, 500
BOOKS_PER_CONNECTION = 100
FEW = 20
MESSAGES_PER_S = 5.0
# Every request names its time, which is only looked at where a signature goes with it.
REQUEST_TIME = 1_785_548_245
# Documented as the default length of a page; measured, a list without `limit` is whole. Rows of 2026-09: 983.
PAGE_ROWS, MAX_ROWS = 100, 5_000


class Adapter(AdapterBase):
    """Gate's facts and rules."""

    name = NAME
    title = "Gate.io"
    headers = MappingProxyType({"X-Gate-Size-Decimal": "1"})  # without it, sizes are cut to whole contracts
    endpoints = ENDPOINTS
    request_weight_per_s = 5.0  # of 20 that each endpoint allows
    topics_per_message = TOPICS_PER_MESSAGE
    messages_per_s = MESSAGES_PER_S
    heartbeat = Heartbeat(f'{{"time":{REQUEST_TIME},"channel":"futures.ping"}}', 15.0)  # silent sockets last 30 s

    def instrument_requests(self) -> list[HttpRequest]:
        """The list of each settlement currency. That of USD1 is small and young, and can be done without."""
        return [
            self._request(settlement, "contracts", "instruments", optional=settlement == "usd1")
            for settlement in SETTLEMENTS
        ]

    def _request(self, settlement: str, path: str, purpose: str, optional: bool = False) -> HttpRequest:
        url = f"{self._hosts['rest']}/api/v4/futures/{settlement}/{path}"
        return HttpRequest("GET", url, purpose, optional=optional)

    def next_requests(self, request: HttpRequest, body: bytes) -> list[HttpRequest]:
        """The next page, if this list was cut to a page as the documentation says it is."""
        if not body:
            return []
        rows = self._json(body)
        offset = int(request.params.get("offset", "0")) + PAGE_ROWS
        if not isinstance(rows, list) or len(rows) != PAGE_ROWS or offset > MAX_ROWS:
            return []
        params = {"limit": str(PAGE_ROWS), "offset": str(offset)}
        return [HttpRequest(request.method, request.url, request.purpose, params, request.optional)]

    def parse_instruments(self, bodies: Sequence[bytes]) -> list[Instrument]:
        """Read contract lists. Raises BadListing."""
        if not any(bodies):
            raise BadListing(NAME, "no listing among the answers")
        instruments = []
        for body in filter(None, bodies):
            rows: Any = self._json(body)
            if not isinstance(rows, list):
                raise BadListing(NAME, f"not a list of contracts: {rows!r:.120}")
            for row in rows:
                try:
                    instruments.append(read_row(row))
                except Exception as error:  # one row of 980
                    self._bad_listing_row(row, error)
        return self._kept(instruments)

    def connections(
        self, instruments: Sequence[Instrument], channels: Collection[Channel] = DEFAULT_CHANNELS
    ) -> list[ConnectionPlan]:
        """For each settlement currency: books, tickers and, on request, depth, each on connections of its own."""
        plans: list[ConnectionPlan] = []
        trading = self._trading(instruments)
        for settlement in SETTLEMENTS:
            names = [i.exchange_symbol for i in trading if i.settle.lower() == settlement]
            if "quotes" in channels:
                shards = sharded(names, TOPICS_PER_CONNECTION)
                for shard, part in enumerate(shards):
                    poll = self._request(settlement, "tickers", shard_purpose("tickers", shard, len(shards)))
                    # The few contracts of a small family do not tell by their pace that their socket is dead.
                    polls = [Poll(poll, 3.0 if len(part) < FEW else 10.0)]
                    plans.append(self._channel_plan(settlement, QUOTE_CHANNEL, shard, part, polls))
            if "funding" in channels or "ticker" in channels:
                shards = sharded(names, TOPICS_PER_CONNECTION)
                for shard, part in enumerate(shards):
                    # A megabyte of intervals, payment times and states, of which the stream repeats the first two.
                    poll = self._request(settlement, "contracts", shard_purpose("contracts", 0, 1))
                    polls = [Poll(poll, 30.0)] if shard == 0 else []
                    plans.append(self._channel_plan(settlement, TICKER_CHANNEL, shard, part, polls))
            if "depth" in channels:
                for shard, part in enumerate(sharded(names, BOOKS_PER_CONNECTION)):
                    plans.append(self._channel_plan(settlement, DEPTH_CHANNEL, shard, part, []))
        return [self._with_clock(plan) if number == 0 else plan for number, plan in enumerate(plans)]

    def _channel_plan(
        self, settlement: str, channel: str, shard: int, names: Sequence[str], polls: Iterable[Poll]
    ) -> ConnectionPlan:
        url = f"{self._hosts['ws']}/v4/ws/{settlement}"
        topics = [f"{channel}:{name}" for name in names]
        pool = f"{settlement}-{channel.removeprefix('futures.')}"
        return self._plan(pool, shard, url, topics, CAPACITY, polls)

    def _with_clock(self, plan: ConnectionPlan) -> ConnectionPlan:
        clock = Poll(HttpRequest("GET", f"{self._hosts['rest']}/api/v4/spot/time", "time"), 10.0)
        return dataclasses.replace(plan, polls=(clock, *plan.polls))

    def subscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that asks for these topics, which are of one channel."""
        return _request("subscribe", topics, request_id)

    def unsubscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that gives these topics up."""
        return _request("unsubscribe", topics, request_id)

    def symbols_of(self, topics: Iterable[str], instruments: Iterable[Instrument]) -> set[str]:
        """Our symbols whose best bid and ask come over these topics."""
        wanted = set(topics)
        return {
            i.symbol for i in instruments if i.exchange == NAME and f"{QUOTE_CHANNEL}:{i.exchange_symbol}" in wanted
        }

    def decoder(self, instruments: Iterable[Instrument]) -> Decoder:
        """A decoder with the state of one new connection."""
        return Decoder(instruments, self._ignored)


def _request(operation: str, topics: Sequence[str], request_id: str) -> str:
    channel = topics[0].partition(":")[0] if topics else ""
    payload = [topic.partition(":")[2] for topic in topics]
    if channel == DEPTH_CHANNEL:
        payload = [f"ob.{name}.50" for name in payload]  # 50 levels every 20 ms
    number = int(request_id) if request_id.isdecimal() else 0
    message = {"time": REQUEST_TIME, "id": number, "channel": channel, "event": operation, "payload": payload}
    return orjson.dumps(message).decode()  # names in other scripts as they are, not escaped
