"""MEXC futures: linear perpetuals in USDT, USDC and USD1, and inverse ones.

Source: https://www.mexc.com/api-docs/futures (probed 2026-09-15), checked against frames of 2022-03 to 2026-10. No
channel gives the touch with its sizes: the five best levels are the cheapest that has them, one contract to a message.
Mark, index and funding of all contracts come from one REST list, which the exchange renews about once a second.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any

import orjson

from feeds.errors import BadListing
from feeds.exchanges._mexc_frames import DEPTH_TOPIC, QUOTE_LEVELS, QUOTE_TOPIC, Decoder
from feeds.exchanges._mexc_listing import NAME, read_intervals, read_row
from feeds.exchanges._plans import AdapterBase, shard_purpose, sharded
from feeds.exchanges.base import DEFAULT_CHANNELS, Channel, ConnectionPlan, Heartbeat, HttpRequest, Poll
from market.models import Instrument

ENDPOINTS = {"rest": "https://api.mexc.com", "ws": "wss://contract.mexc.com"}
# No limit is published: 150 contracts on a connection and 20 messages a second were accepted (2026-09-15).
TOPICS_PER_CONNECTION, CAPACITY = 110, 150
MESSAGES_PER_S = 15.0
DEPTH_LEVELS = 20
TICKERS_TOPIC, CONTRACT_TOPIC = "tickers", "contract"


class Adapter(AdapterBase):
    """MEXC's facts and rules."""

    name = NAME
    title = "MEXC"
    endpoints = ENDPOINTS
    request_weight_per_s = 5.0  # each endpoint allows 5 to 10 a second
    topics_per_message = 1
    messages_per_s = MESSAGES_PER_S
    heartbeat = Heartbeat('{"method":"ping"}', 15.0)  # without it a socket is closed after 60 s, data or not
    _deep = False  # whether the last plan asked for books

    def instrument_requests(self) -> list[HttpRequest]:
        """The contracts, and the funding list for their intervals."""
        return [self._request("detail", "instruments"), self._request("funding_rate", "funding", optional=True)]

    def _request(self, path: str, purpose: str, optional: bool = False) -> HttpRequest:
        return HttpRequest("GET", f"{self._hosts['rest']}/api/v1/contract/{path}", purpose, optional=optional)

    def parse_instruments(self, bodies: Sequence[bytes]) -> list[Instrument]:
        """Read the list of contracts and, where it came, that of funding rates. Raises BadListing."""
        rows, intervals = self._rows(bodies)
        by_api = any(isinstance(row, dict) and row.get("apiAllowed") for row in rows)
        read = partial(read_row, intervals=intervals, by_api=by_api)
        return self._kept(self._read_rows(rows, read, "symbol"))

    def _rows(self, bodies: Sequence[bytes]) -> tuple[list[Any], dict[str, float]]:
        """Listed rows and funding intervals. The two lists look alike but for their rows."""
        rows: list[Any] = []
        intervals: dict[str, float] = {}
        for body in filter(None, bodies):
            match self._json(body):
                case {"success": True, "code": 0, "data": list(found)}:
                    pass
                case {"success": True, "code": 0, "data": {"symbol": str()} as row}:
                    found = [row]  # the answer about one contract
                case other:
                    raise BadListing(NAME, f"not a list of contracts: {other!r:.120}")
            if any(isinstance(row, dict) and "collectCycle" in row for row in found):
                intervals |= read_intervals(found)
            else:
                rows += found
        if not rows:
            raise BadListing(NAME, "no listing among the answers")
        return rows, intervals

    def connections(
        self, instruments: Sequence[Instrument], channels: Collection[Channel] = DEFAULT_CHANNELS
    ) -> list[ConnectionPlan]:
        """Books on connections of their own; all tickers, the list of contracts and the REST lists on another."""
        trading = self._trading(instruments)
        self._deep = "depth" in channels
        plans = self._book_plans([instrument.exchange_symbol for instrument in trading], channels)
        if trading and ("funding" in channels or "ticker" in channels):
            topics = [TICKERS_TOPIC, CONTRACT_TOPIC]
            polls = self._market_polls(channels)
            # All tickers come every 2 s.
            plans.append(self._plan("market", 0, self._socket(), topics, CAPACITY, polls, idle_timeout_s=15.0))
        return plans

    def _socket(self) -> str:
        return f"{self._hosts['ws']}/edge"

    def _book_plans(self, symbols: list[str], channels: Collection[Channel]) -> list[ConnectionPlan]:
        # A second subscription of a contract would not be a second stream, so the deeper one serves for both.
        prefix = DEPTH_TOPIC if "depth" in channels else QUOTE_TOPIC
        if "depth" not in channels and "quotes" not in channels:
            return []
        plans = []
        shards = sharded(symbols, TOPICS_PER_CONNECTION)
        for shard, members in enumerate(shards):
            topics = [f"{prefix}{symbol}" for symbol in members]
            # An idle book says nothing: the tickers tell whether its touch still stands. Its list is 4 s old at worst.
            poll = Poll(self._request("ticker", shard_purpose("quotes", shard, len(shards))), 8.0)
            polls = [poll] if "quotes" in channels else []
            plans.append(self._plan("books", shard, self._socket(), topics, CAPACITY, polls))
        return plans

    def _market_polls(self, channels: Collection[Channel]) -> list[Poll]:
        polls = [Poll(self._request("ping", "time"), 10.0)]
        if "funding" in channels:
            polls.append(Poll(self._request("funding_rate", "funding"), 1.0))
        if "ticker" in channels:
            polls.append(Poll(self._request("ticker", "market"), 10.0))
        return polls

    def subscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that asks for a topic: one to a message, and answered without a name."""
        return _operation("sub", topics)

    def unsubscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that gives a topic up."""
        return _operation("unsub", topics)

    def symbols_of(self, topics: Iterable[str], instruments: Iterable[Instrument]) -> set[str]:
        """Our symbols whose best bid and ask come over these topics."""
        wanted = {name for topic in topics if (name := topic.partition(":")[2])}
        return {i.symbol for i in instruments if i.exchange == NAME and i.exchange_symbol in wanted}

    def decoder(self, instruments: Iterable[Instrument]) -> Decoder:
        """A decoder with the state of one new connection."""
        return Decoder(instruments, self._ignored, self._deep)


def _operation(operation: str, topics: Sequence[str]) -> str:
    (topic,) = topics
    channel, _, name = topic.partition(":")
    if not name:
        return orjson.dumps({"method": f"{operation}.{channel}", "param": {}}).decode()
    parameters: dict[str, object] = {"symbol": name}
    if operation == "sub":
        parameters["limit"] = DEPTH_LEVELS if topic.startswith(DEPTH_TOPIC) else QUOTE_LEVELS
    return orjson.dumps({"method": f"{operation}.depth.full", "param": parameters}).decode()
