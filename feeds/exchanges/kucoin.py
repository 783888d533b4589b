"""KuCoin futures: linear perpetuals in USDT and USDC, and inverse ones.

Source: https://www.kucoin.com/docs-new (pages of 2025-11 to 2026-10) and probes of 2026-09-22. A socket is opened
with a token that is good for a day, and must be pinged by the client at the pace that the token's answer names; ping
frames of the protocol count for nothing. Unknown symbols are confirmed and then stay silent.
"""

import dataclasses
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

import orjson

from feeds.errors import BadListing, BadPayload, RequestFailed
from feeds.exchanges._kucoin_frames import DEPTH_TOPIC, MARK_TOPIC, OK, QUOTE_TOPIC, Decoder
from feeds.exchanges._kucoin_listing import NAME, read_row
from feeds.exchanges._plans import AdapterBase, shard_purpose, sharded
from feeds.exchanges.base import DEFAULT_CHANNELS, Channel, ConnectionPlan, Heartbeat, HttpRequest, Poll
from market.models import Instrument

ENDPOINTS = {"rest": "https://api-futures.kucoin.com", "ws": "wss://ws-api-futures.kucoin.com"}
TOPICS_PER_MESSAGE = 100
TOPICS_PER_CONNECTION, CAPACITY = 240, 300  # the server refuses the 301st ("509 exceed max subscription count")
MESSAGES_PER_S = 5.0  # 100 in 10 s are allowed, pings included
PING = '{"id":"ping","type":"ping"}'
PING_SHARE = 0.8  # of the interval after which the server wants the next ping
TOKEN_LIFETIME_S = 86_400.0
CONFIRM_EVERY_S = 5.0
MARKET_EVERY_S = 2.0


class Adapter(AdapterBase):
    """KuCoin's facts and rules."""

    name = NAME
    title = "KuCoin"
    endpoints = ENDPOINTS
    request_weight_per_s = 30.0  # half of the 2000 per 30 s and address
    topics_per_message = TOPICS_PER_MESSAGE
    messages_per_s = MESSAGES_PER_S
    heartbeat = Heartbeat(PING, 15.0)  # until the token's answer says it exactly
    lifetime_s = TOKEN_LIFETIME_S

    def instrument_requests(self) -> list[HttpRequest]:
        """Every open contract, on one page."""
        return [self._request("/api/v1/contracts/active", "instruments", 3.0)]

    def _request(self, path: str, purpose: str, weight: float, method: str = "GET") -> HttpRequest:
        return HttpRequest(method, f"{self._hosts['rest']}{path}", purpose, weight=weight)

    def parse_instruments(self, bodies: Sequence[bytes]) -> list[Instrument]:
        """Read contracts/active answers. Raises BadListing."""
        if not any(bodies):
            raise BadListing(NAME, "no listing among the answers")
        instruments = []
        for body in filter(None, bodies):
            match self._json(body):
                case {"code": code, "data": list(rows)} if code == OK:
                    pass
                case other:
                    raise BadListing(NAME, f"not a list of contracts: {other!r:.120}")
            instruments += self._read_rows(rows, read_row, "symbol")
        return self._kept(instruments)

    def connections(
        self, instruments: Sequence[Instrument], channels: Collection[Channel] = DEFAULT_CHANNELS
    ) -> list[ConnectionPlan]:
        """Quotes on sockets; marks, funding and the rest come with one request for all contracts.

        A message asks for one channel's symbols, so each channel has connections of its own. Marks have a channel,
        too, but it would take as many sockets again: it is only used where no quotes are wanted.
        """
        symbols = [instrument.exchange_symbol for instrument in self._trading(instruments)]
        pools = [("quotes", QUOTE_TOPIC)] if "quotes" in channels else []
        if "depth" in channels:
            pools.append(("depth", DEPTH_TOPIC))
        wants_market = "funding" in channels or "ticker" in channels
        if not pools and wants_market:
            pools.append(("marks", MARK_TOPIC))
        plans: list[ConnectionPlan] = []
        for pool, channel in pools:
            shards = sharded(symbols, TOPICS_PER_CONNECTION)
            for shard, members in enumerate(shards):
                polls = [] if plans else self._common_polls(wants_market)
                if pool == "quotes":
                    polls.append(self._confirmation(shard, len(shards)))
                topics = [f"{channel}:{symbol}" for symbol in members]
                plan = self._plan(pool, shard, self._hosts["ws"] + "/", topics, CAPACITY, polls)
                plans.append(dataclasses.replace(plan, handshake=self._token_request()))
        return plans

    def _token_request(self) -> HttpRequest:
        return self._request("/api/v1/bullet-public", "token", 10.0, "POST")

    def _common_polls(self, wants_market: bool) -> list[Poll]:
        polls = [Poll(self._request("/api/v1/timestamp", "time", 2.0), 10.0)]
        if wants_market:
            polls.append(Poll(self._request("/api/v1/contracts/active", "market", 3.0), MARKET_EVERY_S))
        return polls

    def _confirmation(self, shard: int, shards: int) -> Poll:
        """Quotes are only sent when they change, so each connection's decoder looks its own up in the whole list."""
        return Poll(self._request("/api/v1/allTickers", shard_purpose("quotes", shard, shards), 5.0), CONFIRM_EVERY_S)

    def dial(self, plan: ConnectionPlan, body: bytes) -> ConnectionPlan:
        """The plan with the address, token and ping interval of a bullet-public answer.

        Raises:
            RequestFailed: If the exchange refused a token.
            BadPayload: If the answer names no server.
        """
        try:
            answer: Any = orjson.loads(body)
        except ValueError as error:
            raise BadPayload(NAME, "the answer about a token is no JSON") from error
        match answer:
            case {
                "code": code,
                "data": {
                    "token": str(token),
                    "instanceServers": [{"endpoint": str(endpoint), "pingInterval": int(interval_ms)}, *_],
                },
            } if code == OK and endpoint.startswith(("ws://", "wss://")) and interval_ms > 0:
                query = urlencode({"token": token, "connectId": plan.name})
                heartbeat = Heartbeat(PING, PING_SHARE * interval_ms / 1000)
                url = f"{endpoint.partition('?')[0]}?{query}"
                return dataclasses.replace(plan, url=url, heartbeat=heartbeat)
            case {"code": code, **rest} if code != OK:
                raise RequestFailed(NAME, f"no token: {code} {rest.get('msg')}"[:200])
            case _:
                raise BadPayload(NAME, f"no server in the answer about a token: {answer!r:.120}")

    def subscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that asks for these topics, which are all of one channel."""
        return _request("subscribe", topics, request_id)

    def unsubscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that gives these topics up, which are all of one channel."""
        return _request("unsubscribe", topics, request_id)

    def symbols_of(self, topics: Iterable[str], instruments: Iterable[Instrument]) -> set[str]:
        """Our symbols whose best bid and ask come over these topics."""
        wanted = set(topics)
        return {i.symbol for i in instruments if i.exchange == NAME and f"{QUOTE_TOPIC}:{i.exchange_symbol}" in wanted}

    def decoder(self, instruments: Iterable[Instrument]) -> Decoder:
        """A decoder with the state of one new connection."""
        return Decoder(instruments, self._ignored)


def _request(operation: str, topics: Sequence[str], request_id: str) -> str:
    channel = topics[0].partition(":")[0] if topics else QUOTE_TOPIC
    symbols = ",".join(topic.partition(":")[2] for topic in topics)
    message = {"id": request_id, "type": operation, "topic": f"{channel}:{symbols}", "response": True}
    return orjson.dumps(message).decode()
