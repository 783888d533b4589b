"""Deribit: linear perpetuals in USDC, and inverse ones on BTC and ETH.

Source: https://docs.deribit.com (copy of 2026-03) and probes of 2026-09-22. JSON-RPC over one socket. No channel covers
all contracts; unknown channels are left out of an answer without a word; the first message of a channel is its state,
and subscribing again sends none. The client asks for heartbeats and must answer each test request.
"""

from collections.abc import Collection, Iterable, Sequence

import orjson

from feeds.errors import BadListing
from feeds.exchanges._deribit_frames import (
    DEPTH_TOPIC,
    ID_STEP,
    PLATFORM_TOPIC,
    QUOTE_TOPIC,
    STATE_TOPIC,
    TICKER_TOPIC,
    Decoder,
)
from feeds.exchanges._deribit_listing import NAME, read_row
from feeds.exchanges._plans import AdapterBase, sharded
from feeds.exchanges.base import DEFAULT_CHANNELS, Channel, ConnectionPlan, HttpRequest, Poll
from market.models import Instrument

ENDPOINTS = {"rest": "https://www.deribit.com", "ws": "wss://www.deribit.com"}
CURRENCIES = ("USDC", "BTC", "ETH")
TOPICS_PER_MESSAGE = 100  # up to 500 are advised
TOPICS_PER_CONNECTION, CAPACITY = 400, 600
MESSAGES_PER_S = 2.0  # a subscription costs 3,000 credits, of which 10,000 come back each second
SUMMARY_EVERY_S = 5.0


class Adapter(AdapterBase):
    """Deribit's facts and rules."""

    name = NAME
    title = "Deribit"
    endpoints = ENDPOINTS
    request_weight_per_s = 5.0  # of 20; past that the session is closed
    topics_per_message = TOPICS_PER_MESSAGE
    messages_per_s = MESSAGES_PER_S

    def instrument_requests(self) -> list[HttpRequest]:
        """The futures of each currency that perpetuals are paid in; one such request a second is allowed."""
        return [
            self._request("get_instruments", "instruments", weight=5.0, currency=currency, kind="future")
            for currency in CURRENCIES
        ]

    def _request(self, method: str, purpose: str, weight: float = 1.0, **params: str) -> HttpRequest:
        url = f"{self._hosts['rest']}/api/v2/public/{method}"
        return HttpRequest("GET", url, purpose, params, weight=weight)

    def parse_instruments(self, bodies: Sequence[bytes]) -> list[Instrument]:
        """Read get_instruments answers. Raises BadListing."""
        if not any(bodies):
            raise BadListing(NAME, "no listing among the answers")
        instruments = []
        for body in filter(None, bodies):
            match self._json(body):
                case {"result": list(rows)}:
                    pass
                case other:
                    raise BadListing(NAME, f"not a list of instruments: {other!r:.120}")
            instruments += self._read_rows(rows, read_row, "instrument_name")
        return self._kept(instruments)

    def connections(
        self, instruments: Sequence[Instrument], channels: Collection[Channel] = DEFAULT_CHANNELS
    ) -> list[ConnectionPlan]:
        """One socket, as long as all fits: quotes as they change, tickers each second or two."""
        patterns = [QUOTE_TOPIC] if "quotes" in channels else []
        if "funding" in channels or "ticker" in channels:
            patterns.append(TICKER_TOPIC)
        if "depth" in channels:
            patterns.append(DEPTH_TOPIC)
        trading = self._trading(instruments)
        if not patterns or not trading:
            return []
        plans = []
        symbols = [instrument.exchange_symbol for instrument in trading]
        for shard, members in enumerate(sharded(symbols, TOPICS_PER_CONNECTION // len(patterns))):
            topics = [pattern.format(symbol) for symbol in members for pattern in patterns]
            polls = [] if shard else [Poll(self._request("get_time", "time"), 10.0)]
            if shard == 0:
                topics[:0] = [STATE_TOPIC, PLATFORM_TOPIC]
            # What changes neither its quote nor its mark is confirmed by the summary. Each connection's decoder only
            # confirms what it holds.
            polls += [
                Poll(
                    self._request("get_book_summary_by_currency", "summary", currency=currency, kind="future"),
                    SUMMARY_EVERY_S,
                )
                for currency in CURRENCIES
                if any(instrument.settle == currency for instrument in trading)
            ]
            plans.append(self._plan("market", shard, f"{self._hosts['ws']}/ws/api/v2", topics, CAPACITY, polls))
        return plans

    def subscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that asks for these topics. Its id says how many there are, see `Decoder`."""
        return _call("public/subscribe", topics, int(request_id) * ID_STEP + len(topics))

    def unsubscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that gives these topics up; its answer need not name them all."""
        return _call("public/unsubscribe", topics, int(request_id) * ID_STEP)

    def symbols_of(self, topics: Iterable[str], instruments: Iterable[Instrument]) -> set[str]:
        """Our symbols whose best bid and ask come over these topics."""
        wanted = set(topics)
        return {i.symbol for i in instruments if i.exchange == NAME and QUOTE_TOPIC.format(i.exchange_symbol) in wanted}

    def decoder(self, instruments: Iterable[Instrument]) -> Decoder:
        """A decoder with the state of one new connection."""
        return Decoder(instruments, self._ignored)


def _call(method: str, topics: Sequence[str], number: int) -> str:
    return orjson.dumps(
        {"jsonrpc": "2.0", "id": number, "method": method, "params": {"channels": list(topics)}}
    ).decode()
