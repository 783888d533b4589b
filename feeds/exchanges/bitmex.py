"""BitMEX perpetuals: linear in USDT, inverse, and quanto ones, which are listed and never paired.

Source: https://www.bitmex.com/app/wsAPI and /app/restAPI (2026-05), announcement "bitmex-closure" (2026-07-22). The
exchange closed on 2026-09-23 at 04:00 UTC: this serves recordings and the simulated market. Two topics without a
symbol, `quote` and `instrument`, carry everything there is on one connection.
"""

from collections.abc import Collection, Iterable, Sequence

import orjson

from feeds.errors import BadListing
from feeds.exchanges._bitmex_frames import DEPTH_TOPIC, INSTRUMENT_TOPIC, QUOTE_TOPIC, Decoder
from feeds.exchanges._bitmex_listing import NAME, PERPETUAL_TYPES, read_row
from feeds.exchanges._plans import AdapterBase, sharded
from feeds.exchanges.base import DEFAULT_CHANNELS, Channel, ConnectionPlan, Heartbeat, HttpRequest, Poll
from market.models import Instrument

ENDPOINTS = {"rest": "https://www.bitmex.com", "ws": "wss://ws.bitmex.com"}
TOPICS_PER_MESSAGE = 20  # one more, and the message is refused
BOOKS_PER_CONNECTION, CAPACITY = 40, 100
MESSAGES_PER_S = 2.0
# Marks and indices come every 5 s, also of contracts that nobody trades.
IDLE_TIMEOUT_S = 20.0


class Adapter(AdapterBase):
    """BitMEX's facts and rules."""

    name = NAME
    title = "BitMEX"
    endpoints = ENDPOINTS
    closed_since = "2026-09-23"
    request_weight_per_s = 0.4  # 24 of the 30 a minute that are allowed without a key
    topics_per_message = TOPICS_PER_MESSAGE
    messages_per_s = MESSAGES_PER_S
    heartbeat = Heartbeat("ping", 5.0)  # bare text, answered by a bare "pong"

    def instrument_requests(self) -> list[HttpRequest]:
        """All open contracts, on one page."""
        return [self._request("/instrument/active", "instruments")]

    def _request(self, path: str, purpose: str) -> HttpRequest:
        return HttpRequest("GET", f"{self._hosts['rest']}/api/v1{path}", purpose)

    def parse_instruments(self, bodies: Sequence[bytes]) -> list[Instrument]:
        """Read instrument lists. Raises BadListing; an empty list is what a closed exchange answers."""
        if not any(bodies):
            raise BadListing(NAME, "no listing among the answers")
        instruments = []
        for body in filter(None, bodies):
            rows = self._json(body)
            if not isinstance(rows, list):
                raise BadListing(NAME, f"not a list of instruments: {rows!r:.120}")
            for row in rows:
                try:
                    if row["typ"] in PERPETUAL_TYPES:
                        instruments.append(read_row(row))
                    else:
                        self._ignored.add(row["symbol"])
                except Exception as error:  # one row of 100
                    self._bad_listing_row(row, error)
                    if isinstance(row, dict):  # its quotes come all the same
                        self._ignored.add(str(row.get("symbol")))
        return self._kept(instruments)

    def connections(
        self, instruments: Sequence[Instrument], channels: Collection[Channel] = DEFAULT_CHANNELS
    ) -> list[ConnectionPlan]:
        """One connection for the whole exchange; books, on request, on others."""
        trading = self._trading(instruments)
        if not trading:
            return []
        topics = [QUOTE_TOPIC] if "quotes" in channels else []
        # A quanto's size needs the price of Bitcoin, which comes with the instruments.
        if topics or "funding" in channels or "ticker" in channels:
            topics.insert(0, INSTRUMENT_TOPIC)
        url = f"{self._hosts['ws']}/realtime"
        clock = Poll(self._request("", "time"), 10.0)
        plans = []
        if topics:
            polls = [clock]
            if QUOTE_TOPIC in topics:
                polls.append(Poll(self._request("/instrument/active", "active"), 10.0))
            plans.append(self._plan("market", 0, url, topics, CAPACITY, polls, IDLE_TIMEOUT_S))
        if "depth" in channels:
            # Without a price of Bitcoin beside it, a quanto's book has no sizes.
            listed = [i.exchange_symbol for i in trading if i.kind != "quanto"]
            for shard, part in enumerate(sharded(listed, BOOKS_PER_CONNECTION)):
                books = [f"{DEPTH_TOPIC}{exchange_symbol}" for exchange_symbol in part]
                polls = [] if plans else [clock]
                plans.append(self._plan("depth", shard, url, books, CAPACITY, polls, 60.0))
        return plans

    def subscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that asks for these topics. Answers name the topics, so it carries no id."""
        return orjson.dumps({"op": "subscribe", "args": list(topics)}).decode()

    def unsubscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that gives these topics up."""
        return orjson.dumps({"op": "unsubscribe", "args": list(topics)}).decode()

    def symbols_of(self, topics: Iterable[str], instruments: Iterable[Instrument]) -> set[str]:
        """Our symbols whose best bid and ask come over these topics."""
        wanted = set(topics)
        everything = QUOTE_TOPIC in wanted
        return {
            i.symbol
            for i in instruments
            if i.exchange == NAME and (everything or f"{QUOTE_TOPIC}:{i.exchange_symbol}" in wanted)
        }

    def decoder(self, instruments: Iterable[Instrument]) -> Decoder:
        """A decoder with the state of one new connection."""
        return Decoder(instruments, self._ignored)
