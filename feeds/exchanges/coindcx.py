"""CoinDCX: linear perpetuals in USDT, which are Binance's, passed on.

Source: https://docs.coindcx.com (copies of 2025-12 and 2026-05), the wire as measured on 2026-09-22 and 23. All 504
contracts repeat Binance's book, mark and funding, so they are listed as relays. Socket.IO over Engine.IO 4; nothing
confirms or refuses a join. There is no clock to ask, no open interest, no index and no next settlement.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence

import orjson

from feeds.errors import BadListing
from feeds.exchanges._coindcx_frames import DEPTH_LEVELS, QUOTE_LEVELS, Decoder, book_topic
from feeds.exchanges._coindcx_listing import NAME, read_contract
from feeds.exchanges._plans import AdapterBase, sharded
from feeds.exchanges.base import DEFAULT_CHANNELS, Channel, ConnectionPlan, HttpRequest, Poll
from market.models import Instrument

ENDPOINTS = {
    "rest": "https://api.coindcx.com",
    "rest_public": "https://public.coindcx.com",
    "ws": "wss://stream.coindcx.com",
}
TOPICS_PER_CONNECTION, CAPACITY = 300, 600  # 504 joins on one socket were measured; no limit is published
MESSAGES_PER_S = 100.0  # 504 joins in a burst were accepted
PRICES_TOPIC = "currentPrices@futures@rt"
DETAILS_AT_ONCE, DETAILS_AGAIN = 40, 20  # of the 500 requests for details, in one reading of the list
BOOK_EVERY_S = 120.0  # 504 books: 4.2 requests a second of the 16 that are allowed


class Adapter(AdapterBase):
    """CoinDCX's facts and rules."""

    name = NAME
    title = "CoinDCX"
    relay_of = "binance"
    endpoints = ENDPOINTS
    request_weight_per_s = 12.0  # of 16
    topics_per_message = 1
    messages_per_s = MESSAGES_PER_S

    def __init__(self, endpoints: Mapping[str, str] | None = None) -> None:
        if endpoints and "rest" in endpoints:  # one host in place of the real ones serves what both do
            endpoints = {"rest_public": endpoints["rest"], **endpoints}
        super().__init__(endpoints)
        self._deep = False
        self._details: dict[str, dict[str, object]] = {}
        self._asked: dict[str, None] = {}  # whose details were asked for, the longest ago first
        self._active: list[str] = []

    def instrument_requests(self) -> list[HttpRequest]:
        """The ids of what is active."""
        return [self._data_request("active_instruments", "instruments", {"margin_currency_short_name[]": "USDT"})]

    def _data_request(self, what: str, purpose: str, params: dict[str, str], optional: bool = False) -> HttpRequest:
        url = f"{self._hosts['rest']}/exchange/v1/derivatives/futures/data/{what}"
        return HttpRequest("GET", url, purpose, params, optional)

    def next_requests(self, request: HttpRequest, body: bytes) -> list[HttpRequest]:
        """The details of some contracts: of those not asked for yet, and then of those asked for longest ago."""
        if not request.url.endswith("/active_instruments"):
            return []
        match self._json(body):
            case list(ids):
                active = [exchange_symbol for exchange_symbol in ids if isinstance(exchange_symbol, str)]
            case _:
                return []
        listed = set(active)
        self._asked = {exchange_symbol: None for exchange_symbol in self._asked if exchange_symbol in listed}
        wanted = [exchange_symbol for exchange_symbol in active if exchange_symbol not in self._asked]
        wanted = wanted[:DETAILS_AT_ONCE] or list(self._asked)[:DETAILS_AGAIN]
        for exchange_symbol in wanted:
            self._asked.pop(exchange_symbol, None)
            self._asked[exchange_symbol] = None
        return [
            self._data_request(
                "instrument",
                "instruments",
                {"pair": exchange_symbol, "margin_currency_short_name": "USDT"},
                optional=True,
            )
            for exchange_symbol in wanted
        ]

    def parse_instruments(self, bodies: Sequence[bytes]) -> list[Instrument]:
        """Read the list of what is active, and details, which are remembered. Raises BadListing."""
        if not any(bodies):
            raise BadListing(NAME, "no listing among the answers")
        active: list[str] | None = None
        for body in filter(None, bodies):
            match self._json(body):
                case {"instrument": dict(row)}:
                    self._remember(row)
                case [{"instrument": _}, *_] as answers:
                    for answer in answers:
                        self._remember(answer["instrument"])
                case list(ids):
                    active = [*(active or ()), *(i for i in ids if isinstance(i, str))]
                    for row in ids:
                        if not isinstance(row, str):
                            self._bad_listing_row(row, TypeError("not an id"))
                case other if active is None:
                    raise BadListing(NAME, f"not a list of instruments: {other!r:.120}")
                case other:  # the answer to one of many requests for details
                    self._bad_listing_row(other, TypeError("no details"))
        listed = list(dict.fromkeys([*(active or ()), *self._details]))
        self._active = listed if active is None else active
        trading = set(self._active)
        instruments = []
        for exchange_symbol in listed:
            try:
                details = self._details.get(exchange_symbol)
                instrument = read_contract(exchange_symbol, details, exchange_symbol in trading)
                if instrument is None:
                    self._ignored.add(exchange_symbol)
                else:
                    instruments.append(instrument)
            except Exception as error:  # one contract of 500
                self._bad_listing_row(exchange_symbol, error)
        return self._kept(instruments)

    def _remember(self, row: dict[str, object]) -> None:
        """Keep details under the id they name: of an unknown contract, another one's are sent."""
        exchange_symbol = row.get("pair")
        if isinstance(exchange_symbol, str) and exchange_symbol:
            self._details[exchange_symbol] = row
        else:
            self._bad_listing_row(row, KeyError("pair"))

    def connections(
        self, instruments: Sequence[Instrument], channels: Collection[Channel] = DEFAULT_CHANNELS
    ) -> list[ConnectionPlan]:
        """Books on connections of their own, the prices of all contracts on another."""
        self._deep = "depth" in channels
        symbols = [instrument.exchange_symbol for instrument in self._trading(instruments)]
        plans: list[ConnectionPlan] = []
        if "quotes" in channels or "depth" in channels:
            for shard, part in enumerate(sharded(symbols, TOPICS_PER_CONNECTION)):
                topics = [book_topic(symbol, self._deep) for symbol in part]
                plans.append(self._socket("books", shard, topics, [self._book_poll(symbol) for symbol in part]))
        if symbols and ("funding" in channels or "ticker" in channels):
            url = f"{self._hosts['rest_public']}/market_data/v3/current_prices/futures/rt"
            plans.append(self._socket("prices", 0, [PRICES_TOPIC], [Poll(HttpRequest("GET", url, "prices"), 60.0)]))
        return plans

    def _book_poll(self, exchange_symbol: str) -> Poll:
        levels = DEPTH_LEVELS if self._deep else QUOTE_LEVELS
        path = f"/market_data/v3/orderbook/{exchange_symbol}-futures/{levels}"
        return Poll(HttpRequest("GET", f"{self._hosts['rest_public']}{path}", f"book:{exchange_symbol}"), BOOK_EVERY_S)

    def _socket(self, pool: str, shard: int, topics: Sequence[str], polls: Iterable[Poll]) -> ConnectionPlan:
        plan = self._plan(pool, shard, self._hosts["ws"], topics, CAPACITY, polls)
        return dataclasses.replace(plan, transport="socketio")

    def subscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The event that joins a channel: there is one, and nothing answers it."""
        (topic,) = topics
        return _event("join", topic)

    def unsubscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The event that leaves a channel."""
        (topic,) = topics
        return _event("leave", topic)

    def symbols_of(self, topics: Iterable[str], instruments: Iterable[Instrument]) -> set[str]:
        """Our symbols whose best bid and ask come over these topics."""
        wanted = {topic.partition("@")[0] for topic in topics if "@orderbook@" in topic}
        return {i.symbol for i in instruments if i.exchange == NAME and i.exchange_symbol in wanted}

    def decoder(self, instruments: Iterable[Instrument]) -> Decoder:
        """A decoder with the state of one new connection."""
        return Decoder(instruments, self._ignored, self._deep, self._undetailed)

    def _undetailed(self) -> int:
        return sum(exchange_symbol not in self._asked for exchange_symbol in self._active)


def _event(name: str, topic: str) -> str:
    return orjson.dumps([name, {"channelName": topic}]).decode()
