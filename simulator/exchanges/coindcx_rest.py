"""REST of CoinDCX: pairs, their details, current prices, books and trades; no server time but the Date header."""

import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from aiohttp import web

from simulator.exchanges.base import json_response
from simulator.limits import SlidingWindow
from simulator.universe import CLOSED, LIVE, Listing

if TYPE_CHECKING:
    from simulator.exchanges.coindcx import Coindcx

API, DATA = "/exchange/v1/derivatives/futures/data", "/market_data/v3"
DEPTHS = (10, 20, 50)
CURRENCIES = ("USDT", "INR")
CURRENCY_KEY, ONE_CURRENCY_KEY = "margin_currency_short_name[]", "margin_currency_short_name"
ANOTHER_PAIR = "B-LAB_USDT"  # what an unknown pair is answered with
FEES = (0.0236, 0.059)  # percent, goods and services tax included
LOW_FEES = (0.0118, 0.0118)
NO_BOOK: dict[str, Any] = {"ts": 0, "vs": 0, "asks": {}, "bids": {}}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class CoinDcxRest:
    """Handlers of both REST hosts."""

    def __init__(self, exchange: "Coindcx") -> None:
        self.exchange = exchange
        self._window = SlidingWindow(exchange.settings["requests_per_minute"], 60)

    def routes(self) -> list[web.RouteDef]:
        table: dict[str, Callable[[web.Request], object]] = {
            f"{API}/active_instruments": self.active,
            f"{API}/instrument": self.instrument,
            f"{API}/trades": self.trades,
            f"{DATA}/current_prices/futures/rt": lambda _: self.exchange.prices_body(),
            f"{DATA}/orderbook/{{pair}}-futures/{{depth}}": self.orderbook,
        }
        return [
            *(web.get(path, self._limited(handler)) for path, handler in table.items()),
            web.get("/{path:.*}", self._limited(None)),
        ]

    def _limited(self, handler: Callable[[web.Request], object] | None) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            refusal = self.exchange.rest_guard()
            if refusal is not None:
                return refusal
            limit = self._window.limit = self.exchange.settings["requests_per_minute"]
            headers = {"ratelimit-policy": f"{limit:.0f};w=60"}
            headers["Date"] = formatdate(self.exchange.now_ms / 1000, usegmt=True)
            if not self._window.allow(time.monotonic()):
                body = {"status": "error", "message": "Too many requests", "code": 429}
                return json_response(body, 429, headers)
            if handler is None:
                return json_response({"status": "error", "message": "not_found", "code": 404}, 404, headers)
            return json_response(handler(request), headers=headers)

        return answer

    def active(self, request: web.Request) -> list[str]:
        if request.query.get(CURRENCY_KEY, CURRENCIES[0]) not in CURRENCIES:
            return []
        return [row.exchange_symbol for row in self.exchange.trading()]

    def instrument(self, request: web.Request) -> dict[str, Any]:
        currency = request.query.get(ONE_CURRENCY_KEY, CURRENCIES[0])
        listing = self.exchange.find(request.query.get("pair", ""))
        if listing is None or currency not in CURRENCIES:
            other = next(iter(self.exchange.trading()))
            return {"instrument": self._details(other, CURRENCIES[0]) | {"pair": ANOTHER_PAIR}}
        return {"instrument": self._details(listing, currency)}

    def _details(self, listing: Listing, currency: str) -> dict[str, Any]:
        low = listing.asset.asset_class == "commodity" or listing.asset.key == "PAXG"
        maker_fee, taker_fee = LOW_FEES if low else FEES
        base = listing.base
        return {
            "settle_currency_short_name": "USDT",
            "quote_currency_short_name": "USDT",
            "position_currency_short_name": base,
            "underlying_currency_short_name": base,
            "status": "active" if listing.status == LIVE else "inactive",
            "pair": listing.exchange_symbol,
            "kind": "perpetual",
            "settlement": "never",
            "unit_contract_value": 1.0,
            "price_increment": round(listing.tick, listing.price_decimals),
            "quantity_increment": round(listing.lot, listing.size_decimals),
            "min_trade_size": round(listing.lot, listing.size_decimals),
            "min_quantity": round(listing.lot, listing.size_decimals),
            "max_quantity": 950.0,
            "min_notional": 60.0 if base == "BTC" else 6.0,
            "maker_fee": maker_fee,
            "taker_fee": taker_fee,
            "is_inverse": False,
            "is_quanto": False,
            "funding_frequency": listing.funding_interval_h,
            "expiry_time": 2_548_143_000_000,
            "exit_only": listing.status == CLOSED,
            "max_leverage_long": 20.0,
            "margin_currency_short_name": currency,
        }

    def trades(self, request: web.Request) -> list[dict[str, Any]]:
        listing = self.exchange.find(request.query.get("pair", ""))
        return [] if listing is None else list(self.exchange.recent_trades(listing))

    def orderbook(self, request: web.Request) -> dict[str, Any]:
        """A book; what is unknown of pair and depth gives an empty one with time 0."""
        listing = self.exchange.find(request.match_info["pair"])
        depth = request.match_info["depth"]
        if listing is None or listing.status != LIVE or depth not in map(str, DEPTHS):
            return NO_BOOK
        return self.exchange.book_body(listing, int(depth))
