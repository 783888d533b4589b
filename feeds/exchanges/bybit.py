"""Bybit v5: linear perpetuals in USDT and USDC, and inverse ones.

Source: https://bybit-exchange.github.io/docs/v5 (2026-07-24), checked against frames of 2023-04, 2024-05 and 2026-08.
One refused topic refuses its whole batch, and so does one that is subscribed already.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import orjson

from feeds.errors import BadListing
from feeds.exchanges._bybit_frames import DEPTH_TOPIC, QUOTE_TOPIC, TICKER_TOPIC, Decoder
from feeds.exchanges._bybit_listing import KINDS, NAME, read_row
from feeds.exchanges._plans import AdapterBase, sharded
from feeds.exchanges.base import DEFAULT_CHANNELS, Channel, ConnectionPlan, Heartbeat, HttpRequest, Poll
from market.models import Instrument

ENDPOINTS = {"rest": "https://api.bybit.com", "ws": "wss://stream.bybit.com"}
TOPICS_PER_MESSAGE = 50
# 21,000 characters of topics are allowed on a connection; the longest topic seen has 32.
TOPICS_PER_CONNECTION, CAPACITY = 400, 600
MESSAGES_PER_S = 5.0


class Adapter(AdapterBase):
    """Bybit's facts and rules."""

    name = NAME
    title = "Bybit"
    endpoints = ENDPOINTS
    request_weight_per_s = 10.0  # of 120; past that the address is shut out for ten minutes
    topics_per_message = TOPICS_PER_MESSAGE
    messages_per_s = MESSAGES_PER_S
    heartbeat = Heartbeat('{"op":"ping"}', 20.0)

    def instrument_requests(self) -> list[HttpRequest]:
        """Both categories, and what is about to be launched, which is only listed when asked for."""
        return [
            self._listing_request({"category": "linear"}),
            self._listing_request({"category": "inverse"}),
            self._listing_request({"category": "linear", "status": "PreLaunch"}, optional=True),
        ]

    def _listing_request(self, params: Mapping[str, str], optional: bool = False) -> HttpRequest:
        url = f"{self._hosts['rest']}/v5/market/instruments-info"
        return HttpRequest("GET", url, "instruments", {**params, "limit": "1000"}, optional)

    def next_requests(self, request: HttpRequest, body: bytes) -> list[HttpRequest]:
        """The next page, if the body names one."""
        match self._json(body):
            case {"result": {"nextPageCursor": str(cursor)}} if cursor and cursor != request.params.get("cursor"):
                params = {**request.params, "cursor": cursor}
                return [HttpRequest(request.method, request.url, request.purpose, params, request.optional)]
            case _:
                return []

    def parse_instruments(self, bodies: Sequence[bytes]) -> list[Instrument]:
        """Read pages of instruments-info. Raises BadListing."""
        if not any(bodies):
            raise BadListing(NAME, "no listing among the answers")
        instruments = []
        for body in filter(None, bodies):
            match self._json(body):
                case {"retCode": 0, "result": {"list": list(rows)}}:
                    pass
                case other:
                    raise BadListing(NAME, f"not an instruments-info: {other!r:.120}")
            instruments += self._read_rows(rows, _read_perpetual, "symbol")
        return self._kept(instruments)

    def connections(
        self, instruments: Sequence[Instrument], channels: Collection[Channel] = DEFAULT_CHANNELS
    ) -> list[ConnectionPlan]:
        """Books and tickers on connections of their own, for each category, which has its own address."""
        books = [QUOTE_TOPIC] if "quotes" in channels else []
        if "depth" in channels:
            books.append(DEPTH_TOPIC)
        tickers = [TICKER_TOPIC] if "funding" in channels or "ticker" in channels else []
        plans: list[ConnectionPlan] = []
        trading = sorted(self._trading(instruments), key=lambda instrument: instrument.kind, reverse=True)
        for kind, members in groupby(trading, key=lambda instrument: instrument.kind):
            symbols = [instrument.exchange_symbol for instrument in members]
            url = f"{self._hosts['ws']}/v5/public/{kind}"
            for pool, prefixes in (("quotes", books), ("tickers", tickers)):
                if not prefixes:
                    continue
                for shard, part in enumerate(sharded(symbols, TOPICS_PER_CONNECTION // len(prefixes))):
                    topics = [f"{prefix}{symbol}" for symbol in part for prefix in prefixes]
                    polls = [] if plans else [self._clock()]
                    plans.append(self._plan(f"{kind}-{pool}", shard, url, topics, CAPACITY, polls))
        return plans

    def _clock(self) -> Poll:
        return Poll(HttpRequest("GET", f"{self._hosts['rest']}/v5/market/time", "time"), 10.0)

    def subscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that asks for these topics."""
        return _request("subscribe", topics, request_id)

    def unsubscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that gives these topics up."""
        return _request("unsubscribe", topics, request_id)

    def symbols_of(self, topics: Iterable[str], instruments: Iterable[Instrument]) -> set[str]:
        """Our symbols whose best bid and ask come over these topics."""
        wanted = set(topics)
        return {i.symbol for i in instruments if i.exchange == NAME and f"{QUOTE_TOPIC}{i.exchange_symbol}" in wanted}

    def decoder(self, instruments: Iterable[Instrument]) -> Decoder:
        """A decoder with the state of one new connection."""
        return Decoder(instruments, self._ignored)


def _read_perpetual(row: Any) -> Instrument | None:
    return read_row(row) if row["contractType"] in KINDS else None


def _request(operation: str, topics: Sequence[str], request_id: str) -> str:
    return orjson.dumps({"req_id": request_id, "op": operation, "args": list(topics)}).decode()
