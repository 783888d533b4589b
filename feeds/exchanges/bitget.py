"""Bitget futures: linear perpetuals in USDT and USDC, and coin-margined ones.

Source: https://www.bitget.com/docs/classic, mix API v2 (probed 2026-09-15), checked against frames of 2024-10 to
2026-09. One `ticker` push has everything but the funding interval. A contract asked for under another family's name is
confirmed and then silent, so the family always comes from the listing. Heartbeats are bare text, and vital.
"""

from collections.abc import Collection, Iterable, Sequence

import orjson

from feeds.errors import BadListing
from feeds.exchanges._bitget_frames import Decoder
from feeds.exchanges._bitget_listing import FAMILIES, NAME, read_row
from feeds.exchanges._plans import AdapterBase, shard_purpose, sharded
from feeds.exchanges.base import DEFAULT_CHANNELS, Channel, ConnectionPlan, Heartbeat, HttpRequest, Poll
from market.models import Instrument

ENDPOINTS = {"rest": "https://api.bitget.com", "ws": "wss://ws.bitget.com"}
TOPICS_PER_MESSAGE = 40  # 4096 bytes are allowed, an argument takes about 80
# 1000 topics are allowed on a connection, fewer than 50 recommended, and 150 worked (2026-09-15).
TOPICS_PER_CONNECTION, CAPACITY = 110, 150
MESSAGES_PER_S = 5.0  # 10 are allowed, pings included
TICKER_CHANNEL, DEPTH_CHANNEL = "ticker", "books15"


class Adapter(AdapterBase):
    """Bitget's facts and rules."""

    name = NAME
    title = "Bitget"
    endpoints = ENDPOINTS
    request_weight_per_s = 10.0  # each endpoint allows 20 a second
    topics_per_message = TOPICS_PER_MESSAGE
    messages_per_s = MESSAGES_PER_S
    heartbeat = Heartbeat("ping", 25.0)  # without it a socket is closed after two minutes, data or not

    def instrument_requests(self) -> list[HttpRequest]:
        """The contracts of each family."""
        return [self._request("mix/market/contracts", "instruments", family) for family in FAMILIES.values()]

    def _request(self, path: str, purpose: str, family: str = "") -> HttpRequest:
        params = {"productType": family} if family else {}
        return HttpRequest("GET", f"{self._hosts['rest']}/api/v2/{path}", purpose, params)

    def parse_instruments(self, bodies: Sequence[bytes]) -> list[Instrument]:
        """Read lists of contracts. Raises BadListing."""
        if not any(bodies):
            raise BadListing(NAME, "no listing among the answers")
        instruments = []
        for body in filter(None, bodies):
            match self._json(body):
                case {"code": "00000", "data": list(rows)}:
                    pass
                case other:
                    raise BadListing(NAME, f"not a list of contracts: {other!r:.120}")
            instruments += self._read_rows(rows, read_row, "symbol")
        return self._kept(instruments)

    def connections(
        self, instruments: Sequence[Instrument], channels: Collection[Channel] = DEFAULT_CHANNELS
    ) -> list[ConnectionPlan]:
        """Connections of one family each, so that a family's REST lists serve whole connections."""
        names = [TICKER_CHANNEL] if DEFAULT_CHANNELS.intersection(channels) else []
        if "depth" in channels:
            names.append(DEPTH_CHANNEL)
        if not names:
            return []
        url = f"{self._hosts['ws']}/v2/ws/public"
        trading = self._trading(instruments)
        plans: list[ConnectionPlan] = []
        for family in FAMILIES.values():
            symbols = [i.exchange_symbol for i in trading if i.extra.get("family") == family]
            shards = sharded(symbols, TOPICS_PER_CONNECTION // len(names))
            for shard, members in enumerate(shards):
                topics = [f"{name}:{family}:{symbol}" for symbol in members for name in names]
                polls = self._polls(family, shard, len(shards), channels)
                if not plans:
                    polls.append(Poll(self._request("public/time", "time"), 10.0))
                pool = family.partition("-")[0].lower()
                plans.append(self._plan(pool, shard, url, topics, CAPACITY, polls))
        return plans

    def _polls(self, family: str, shard: int, shards: int, channels: Collection[Channel]) -> list[Poll]:
        """Tickers confirm the touch of quiet contracts, and funding has the intervals."""
        polls = []
        if "quotes" in channels:
            purpose = shard_purpose("tickers", shard, shards)
            polls.append(Poll(self._request("mix/market/tickers", purpose, family), 6.0))
        if "funding" in channels and shard == 0:
            polls.append(Poll(self._request("mix/market/current-fund-rate", "funding", family), 60.0))
        return polls

    def subscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that asks for these topics; there are no request ids."""
        return _operation("subscribe", topics)

    def unsubscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that gives these topics up."""
        return _operation("unsubscribe", topics)

    def symbols_of(self, topics: Iterable[str], instruments: Iterable[Instrument]) -> set[str]:
        """Our symbols whose best bid and ask come over these topics."""
        wanted = {topic.rpartition(":")[2] for topic in topics if topic.startswith(f"{TICKER_CHANNEL}:")}
        return {i.symbol for i in instruments if i.exchange == NAME and i.exchange_symbol in wanted}

    def decoder(self, instruments: Iterable[Instrument]) -> Decoder:
        """A decoder with the state of one new connection."""
        return Decoder(instruments, self._ignored)


def _operation(operation: str, topics: Sequence[str]) -> str:
    arguments = []
    for topic in topics:
        channel, family, name = topic.split(":", 2)
        arguments.append({"instType": family, "channel": channel, "instId": name})
    return orjson.dumps({"op": operation, "args": arguments}).decode()
