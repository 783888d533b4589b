"""Phemex: linear perpetuals in USDT and USDC, and coin-margined ones.

Source: https://phemex-docs.github.io (copy of 2026-01), limits measured on 2026-09-22 and 23, checked against frames
of 2020-03 to 2026-09. Ids are case sensitive: `sOLUSDT` is a spot pair of OL, `SOLUSDT` the perpetual. A subscription
takes one symbol; an unsubscription from books drops all books of the socket, so none is ever sent.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import orjson

from feeds.errors import BadListing
from feeds.exchanges._phemex_frames import DEPTH_LEVELS, DEPTH_TOPIC, QUOTE_TOPIC, SCALED_BOOK_TOPIC, Decoder
from feeds.exchanges._phemex_listing import NAME, read_row
from feeds.exchanges._plans import AdapterBase, shard_purpose, sharded
from feeds.exchanges.base import DEFAULT_CHANNELS, Channel, ConnectionPlan, Heartbeat, HttpRequest, Poll
from market.models import Instrument

ENDPOINTS = {"rest": "https://api.phemex.com", "ws": "wss://ws.phemex.com"}
# 101 subscriptions were accepted on a socket, 20 are documented; so are 5 sockets: 134 books and the tickers fill them.
TOPICS_PER_CONNECTION, CAPACITY = 40, 50
MESSAGES_PER_S = 10.0  # of 20
IDLE_TIMEOUT_S = 20.0
MARKET_TOPICS = ("perp_market24h_pack_p", "market24h")  # all symbols at once, real and scaled


class Adapter(AdapterBase):
    """Phemex's facts and rules."""

    name = NAME
    title = "Phemex"
    endpoints = ENDPOINTS
    request_weight_per_s = 1.6  # of 100 a minute in the smaller groups
    topics_per_message = 1
    messages_per_s = MESSAGES_PER_S
    heartbeat = Heartbeat('{"id":0,"method":"server.ping","params":[]}', 10.0)  # closed after 31 s without

    def __init__(self, endpoints: Mapping[str, str] | None = None) -> None:
        super().__init__(endpoints)
        self._deep = False

    def instrument_requests(self) -> list[HttpRequest]:
        """Both families, with spot and everything that was ever delisted, on one page."""
        return [self._request("/public/products", "instruments")]

    def _request(self, path: str, purpose: str, **params: str) -> HttpRequest:
        return HttpRequest("GET", f"{self._hosts['rest']}{path}", purpose, params)

    def parse_instruments(self, bodies: Sequence[bytes]) -> list[Instrument]:
        """Read products answers. Raises BadListing."""
        if not any(bodies):
            raise BadListing(NAME, "no listing among the answers")
        instruments = []
        for body in filter(None, bodies):
            match self._json(body):
                case {"code": 0, "data": {"products": list(products)} as data}:
                    rows = [*products, *(data.get("perpProductsV2") or [])]
                case other:
                    raise BadListing(NAME, f"not a products answer: {other!r:.120}")
            value_scales = {c["currency"]: int(c["valueScale"]) for c in data.get("currencies") or []}
            instruments += self._read_rows(rows, partial(read_row, value_scales=value_scales), "symbol")
            # Hundreds of them, some still streamed: decoders pass them over.
            self._ignored.update(str(row["symbol"]) for row in rows if _is_delisted(row))
        return self._kept(instruments)

    def connections(
        self, instruments: Sequence[Instrument], channels: Collection[Channel] = DEFAULT_CHANNELS
    ) -> list[ConnectionPlan]:
        """Books of one level, or of 30 where scaled, on some sockets, deeper ones on others, the tickers on one."""
        self._deep = "depth" in channels
        trading = self._trading(instruments)
        scaled = {i.exchange_symbol for i in trading if "price_scale" in i.extra}
        real = {i.exchange_symbol for i in trading} - scaled
        plans = self._quote_plans(real, scaled) if "quotes" in channels else []
        if "depth" in channels:
            topics = [f"{DEPTH_TOPIC}{symbol}" for symbol in real]
            if "quotes" not in channels:
                topics += [f"{SCALED_BOOK_TOPIC}{symbol}" for symbol in scaled]
            for shard, part in enumerate(sharded(topics, TOPICS_PER_CONNECTION)):
                plans.append(self._books("depth", shard, part))
        if trading and ("funding" in channels or "ticker" in channels):
            polls = [Poll(self._request("/public/time", "time"), 10.0)]
            if "funding" in channels:
                # The next settlement is nowhere on the socket. 20 rows come unless told otherwise; 134 there are.
                path = "/contract-biz/public/real-funding-rates"
                polls.append(Poll(self._request(path, "funding", symbol="ALL", pageSize="200"), 30.0))
            plans.append(self._plan("market", 0, self._hosts["ws"], MARKET_TOPICS, CAPACITY, polls, IDLE_TIMEOUT_S))
        return plans

    def _quote_plans(self, real: set[str], scaled: set[str]) -> list[ConnectionPlan]:
        shards = sharded(real | scaled, TOPICS_PER_CONNECTION)
        plans = []
        for shard, part in enumerate(shards):
            polls = []
            if not real.isdisjoint(part):
                purpose = shard_purpose("tickers", shard, len(shards))
                polls.append(Poll(self._request("/md/v3/ticker/24hr/all", purpose), 10.0))
            polls += [
                Poll(self._request("/md/orderbook", "book", symbol=symbol), 10.0) for symbol in part if symbol in scaled
            ]
            topics = [f"{SCALED_BOOK_TOPIC if symbol in scaled else QUOTE_TOPIC}{symbol}" for symbol in part]
            plans.append(self._books("quotes", shard, topics, polls))
        return plans

    def _books(self, pool: str, shard: int, topics: list[str], polls: Iterable[Poll] = ()) -> ConnectionPlan:
        idle_timeout_s = IDLE_TIMEOUT_S if len(topics) >= 20 else None
        return self._plan(pool, shard, self._hosts["ws"], topics, CAPACITY, polls, idle_timeout_s)

    def subscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that asks for a topic: there is one."""
        (topic,) = topics
        symbol = topic.partition(":")[2]
        if topic.startswith(QUOTE_TOPIC):
            return _call("orderbook_p.subscribe", [symbol, False, 1], request_id)
        if topic.startswith(DEPTH_TOPIC):
            return _call("orderbook_p.subscribe", [symbol, True, DEPTH_LEVELS], request_id)
        if topic.startswith(SCALED_BOOK_TOPIC):
            return _call("orderbook.subscribe", [symbol], request_id)
        return _call(f"{topic}.subscribe", [], request_id)

    def unsubscribe(self, topics: Sequence[str], request_id: str) -> str:
        """A mere heartbeat for books, whose frames are skipped from now on; a subscription sends a new snapshot."""
        (topic,) = topics
        return _call("server.ping" if ":" in topic else f"{topic}.unsubscribe", [], request_id)

    def symbols_of(self, topics: Iterable[str], instruments: Iterable[Instrument]) -> set[str]:
        """Our symbols whose best bid and ask come over these topics."""
        wanted = {topic.partition(":")[2] for topic in topics if topic.startswith((QUOTE_TOPIC, SCALED_BOOK_TOPIC))}
        return {i.symbol for i in instruments if i.exchange == NAME and i.exchange_symbol in wanted}

    def decoder(self, instruments: Iterable[Instrument]) -> Decoder:
        """A decoder with the state of one new connection."""
        return Decoder(instruments, self._ignored, self._deep)


def _is_delisted(row: Any) -> bool:
    return isinstance(row, Mapping) and row.get("status") == "Delisted" and "symbol" in row


def _call(method: str, params: list[str | bool | int], request_id: str) -> str:
    return orjson.dumps({"id": int(request_id), "method": method, "params": params}).decode()
