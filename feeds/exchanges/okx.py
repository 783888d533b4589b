"""OKX v5 perpetual swaps: linear in USDT, USDC and USD, and inverse ones.

Source: https://www.okx.com/docs-v5 (copies of 2026-06 to 2026-08), checked against frames of 2022-05, 2025-12 and
2026-09. Sizes are contracts of `ctVal` x `ctMult`, and nothing in an id says whether that is coins or dollars.
`fundingTime` is the next settlement, `nextFundingTime` the one after it. Prices are per coin; there are no prefixes.
"""

from collections.abc import Collection, Iterable, Sequence

import orjson

from feeds.errors import BadListing
from feeds.exchanges._okx_frames import Decoder
from feeds.exchanges._okx_listing import NAME, read_row
from feeds.exchanges._plans import AdapterBase, shard_purpose, sharded
from feeds.exchanges.base import DEFAULT_CHANNELS, Channel, ConnectionPlan, Heartbeat, HttpRequest, Poll
from market.models import Instrument

ENDPOINTS = {"rest": "https://www.okx.com", "ws": "wss://ws.okx.com:8443"}
TOPICS_PER_MESSAGE = 100  # 64 KB are allowed, a topic takes 50 bytes
TOPICS_PER_CONNECTION, CAPACITY = 400, 600
MESSAGES_PER_S = 2.0
INSTRUMENTS_TOPIC = "instruments:SWAP"


class Adapter(AdapterBase):
    """OKX's facts and rules."""

    name = NAME
    title = "OKX"
    endpoints = ENDPOINTS
    request_weight_per_s = 5.0  # each endpoint allows 5 to 10 a second
    topics_per_message = TOPICS_PER_MESSAGE
    messages_per_s = MESSAGES_PER_S
    heartbeat = Heartbeat("ping", 15.0)  # bare text; without it a socket that is quiet for 30 s is closed

    def instrument_requests(self) -> list[HttpRequest]:
        """The swaps, on one page."""
        return [self._request("/api/v5/public/instruments", "instruments", instType="SWAP")]

    def _request(self, path: str, purpose: str, **params: str) -> HttpRequest:
        return HttpRequest("GET", f"{self._hosts['rest']}{path}", purpose, params)

    def parse_instruments(self, bodies: Sequence[bytes]) -> list[Instrument]:
        """Read instruments answers. Raises BadListing."""
        if not any(bodies):
            raise BadListing(NAME, "no listing among the answers")
        instruments = []
        for body in filter(None, bodies):
            match self._json(body):
                case {"code": "0", "data": list(rows)}:
                    pass
                case other:
                    raise BadListing(NAME, f"not an instruments answer: {other!r:.120}")
            instruments += self._read_rows(rows, read_row, "instId")
        return self._kept(instruments)

    def connections(
        self, instruments: Sequence[Instrument], channels: Collection[Channel] = DEFAULT_CHANNELS
    ) -> list[ConnectionPlan]:
        """Books on connections of their own; marks, indices and the list of instruments on others."""
        trading = self._trading(instruments)
        books = ["bbo-tbt"] if "quotes" in channels else []
        if "depth" in channels:
            books.append("books5")
        plans = self._book_plans([instrument.exchange_symbol for instrument in trading], books)
        market: list[str] = []
        if "funding" in channels:
            market = [f"mark-price:{instrument.exchange_symbol}" for instrument in trading]
            market += {f"index-tickers:{index}" for i in trading if (index := i.extra.get("index"))}
        url = f"{self._hosts['ws']}/ws/v5/public"
        for shard, part in enumerate(sharded(market, TOPICS_PER_CONNECTION) or [[]]):
            topics = part if shard else [INSTRUMENTS_TOPIC, *part]
            if trading:
                polls = self._market_polls(channels) if shard == 0 else []
                plans.append(self._plan("market", shard, url, topics, CAPACITY, polls))
        return plans

    def _book_plans(self, symbols: list[str], books: list[str]) -> list[ConnectionPlan]:
        if not books:
            return []
        plans = []
        url = f"{self._hosts['ws']}/ws/v5/public"
        shards = sharded(symbols, TOPICS_PER_CONNECTION // len(books))
        for shard, members in enumerate(shards):
            topics = [f"{channel}:{symbol}" for symbol in members for channel in books]
            # Tickers confirm the touch of quiet swaps, so each connection's decoder reads those of its own.
            polls = [self._tickers_poll(shard_purpose("tickers", shard, len(shards)))] if "bbo-tbt" in books else []
            plans.append(self._plan("books", shard, url, topics, CAPACITY, polls))
        return plans

    def _tickers_poll(self, purpose: str) -> Poll:
        return Poll(self._request("/api/v5/market/tickers", purpose, instType="SWAP"), 5.0)

    def _market_polls(self, channels: Collection[Channel]) -> list[Poll]:
        polls = [Poll(self._request("/api/v5/public/time", "time"), 10.0)]
        if "funding" in channels:
            polls.append(Poll(self._request("/api/v5/public/funding-rate", "funding", instId="ANY"), 30.0))
        if "ticker" in channels:
            polls.append(Poll(self._request("/api/v5/public/open-interest", "open_interest", instType="SWAP"), 15.0))
            if "quotes" not in channels:
                polls.append(self._tickers_poll("tickers"))
        return polls

    def subscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that asks for these topics."""
        return _operation("subscribe", topics, request_id)

    def unsubscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that gives these topics up."""
        return _operation("unsubscribe", topics, request_id)

    def symbols_of(self, topics: Iterable[str], instruments: Iterable[Instrument]) -> set[str]:
        """Our symbols whose best bid and ask come over these topics."""
        wanted = set(topics)
        return {i.symbol for i in instruments if i.exchange == NAME and f"bbo-tbt:{i.exchange_symbol}" in wanted}

    def decoder(self, instruments: Iterable[Instrument]) -> Decoder:
        """A decoder with the state of one new connection."""
        return Decoder(instruments, self._ignored)


def _operation(operation: str, topics: Sequence[str], request_id: str) -> str:
    arguments = [_argument(topic) for topic in topics]
    return orjson.dumps({"id": request_id, "op": operation, "args": arguments}).decode()


def _argument(topic: str) -> dict[str, str]:
    channel, _, name = topic.partition(":")
    return {"channel": channel, "instType" if channel == "instruments" else "instId": name}
