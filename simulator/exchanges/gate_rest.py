"""REST of Gate.io futures v4, and the rows that REST and the websocket channels share. Prices are strings.

Counts of contracts are whole numbers, cut off if need be, unless the client sends `X-Gate-Size-Decimal: 1`: then they
are strings with their decimals.
"""

import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from simulator.book import Levels
from simulator.exchanges.base import json_response
from simulator.limits import SlidingWindow
from simulator.universe import CLOSED, HALTED, LIVE, PRELAUNCH, Listing

if TYPE_CHECKING:
    from simulator.exchanges.gate import Gate

DECIMAL_HEADER = "X-Gate-Size-Decimal"
SETTLES = ("usdt", "btc", "usd1")  # nothing is listed in the last
LARGEST_BOOK = 300
REQUESTS, WINDOW_S = 200, 10.0
STATUSES = {LIVE: "trading", HALTED: "circuit_breaker", CLOSED: "delisted", PRELAUNCH: "prelaunch"}

Row = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class GateError(Exception):
    """An answer with HTTP 400 and a label."""

    def __init__(self, label: str, message: str = "") -> None:
        super().__init__(message)
        self.label = label

    @property
    def body(self) -> Row:
        return {"label": self.label} | ({"message": str(self)} if str(self) else {})


def wants_decimals(request: web.Request) -> bool:
    """Whether a client asks for sizes with decimals."""
    return request.headers.get(DECIMAL_HEADER) == "1"


def trim(value: float, decimals: int) -> str:
    """A number without trailing zeros, as Gate.io writes them."""
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def count(listing: Listing, lots: float, decimal: bool) -> str | int:
    """A number of contracts, as the client asked for it."""
    contracts = lots * listing.lot
    return trim(contracts, listing.size_decimals) if decimal else int(contracts + 1e-9)


class GateRest:
    """Handlers of /api/v4."""

    def __init__(self, exchange: "Gate") -> None:
        self.exchange = exchange

    def routes(self) -> list[web.RouteDef]:
        base = "/api/v4/futures/{settle}"
        table: dict[str, Callable[[web.Request], object]] = {
            f"{base}/contracts": self.contracts,
            f"{base}/contracts/{{contract}}": self.contract,
            f"{base}/tickers": self.tickers,
            f"{base}/order_book": self.order_book,
            f"{base}/trades": self.trades,
            f"{base}/funding_rate": self.funding_history,
            "/api/v4/spot/time": lambda _request: {"server_time": self.exchange.now_ms},
        }
        return [web.get(path, self._guarded(handler)) for path, handler in table.items()]

    def _guarded(self, handler: Callable[[web.Request], object]) -> Handler:
        window = SlidingWindow(REQUESTS, WINDOW_S)

        async def answer(request: web.Request) -> web.StreamResponse:
            refusal = self.exchange.rest_guard()
            if refusal is not None:
                return refusal
            if not window.allow(time.monotonic()) and self.exchange.settings["rest_limits"]:
                headers = {
                    "x-gate-ratelimit-limit": str(REQUESTS),
                    "x-gate-ratelimit-requests-remain": "0",
                    "x-gate-ratelimit-reset-timestamp": str(int(self.exchange.now_ms / 1000 + WINDOW_S)),
                }
                body = {"label": "TOO_MANY_REQUESTS", "message": "Request Rate Limit Exceeded"}
                return json_response(body, 429, headers)
            try:
                return json_response(handler(request))
            except GateError as error:
                return json_response(error.body, 400)
            except ValueError:  # a number that is none
                return json_response({"label": "INVALID_PARAM_VALUE", "message": "Invalid request parameter"}, 400)

        return answer

    def _settle(self, request: web.Request) -> str:
        settle = request.match_info["settle"]
        if settle not in SETTLES:
            raise GateError("MISSING_REQUIRED_HEADER", "Missing required header: Timestamp")
        return settle

    def _one(self, request: web.Request, name: str | None) -> Listing:
        if not name:
            raise GateError("MISSING_REQUIRED_PARAM", "Missing required parameter: contract")
        listing = self.exchange.find(name)
        if listing is None or listing.host != self._settle(request):
            raise GateError("CONTRACT_NOT_FOUND")
        return listing

    def contracts(self, request: web.Request) -> list[Row]:
        """All contracts on one page, unless the client asks for pages."""
        rows = list(self.exchange.visible(self._settle(request)))
        start = int(request.query.get("offset", "0"))
        rows = rows[start : start + int(request.query["limit"])] if "limit" in request.query else rows[start:]
        return [self.contract_row(row, wants_decimals(request)) for row in rows]

    def contract(self, request: web.Request) -> Row:
        return self.contract_row(self._one(request, request.match_info["contract"]), wants_decimals(request))

    def contract_row(self, listing: Listing, decimal: bool) -> Row:
        market, i, pd = self.exchange.market, listing.index, listing.price_decimals
        inverse, gone = listing.kind == "inverse", listing.status == CLOSED
        rate = f"{market.funding_rate[i]:.6f}"
        listed_s = listing.listed_ms // 1000
        smallest = listing.lot if decimal or not listing.extra["decimal"] else 0.0
        return {
            "name": listing.exchange_symbol,
            "type": "inverse" if inverse else "direct",
            "quanto_multiplier": "0" if inverse else trim(listing.contract, 8),
            "order_price_round": trim(listing.tick, pd),
            "order_price_deviate": "0.5",
            "mark_price_round": trim(listing.tick, pd),
            "order_size_min": trim(smallest, 1) if decimal else int(smallest),
            "order_size_max": "1000000" if decimal else 1_000_000,
            "last_price": trim(market.last[i], pd),
            "mark_price": trim(market.mark[i], pd),
            "index_price": trim(market.index[i], pd),
            "mark_type": "index",
            "funding_rate": rate,
            "funding_rate_indicative": rate,
            "funding_interval": listing.funding_interval_h * 3600,
            "funding_offset": 0,
            "funding_next_apply": self.exchange.next_funding_ms(listing) // 1000,
            "funding_rate_limit": "0.003",
            "in_delisting": gone,
            "create_time": listed_s,
            "launch_time": listed_s,
            "delisting_time": 0,
            "delisted_time": 0,
            "config_change_time": 1_682_318_841,
            "trade_size": int(market.trade_count[i]) * 500,
            "position_size": 0 if gone else int(self._interest(listing)),
            "maker_fee_rate": "-0.000152",
            "taker_fee_rate": "0.00075",
            "leverage_min": "1",
            "leverage_max": "100",
            "interest_rate": "0.0003",
            "status": STATUSES[listing.status],
            "enable_decimal": listing.extra["decimal"],
            "is_pre_market": listing.extra["pre_market"],
            "contract_type": listing.extra["contract_type"],
        }

    def _contracts_of(self, listing: Listing, notional: float) -> float:
        """Contracts worth a notional at the mark price."""
        price = 1.0 if listing.kind == "inverse" else float(self.exchange.market.mark[listing.index])
        return notional / (listing.contract * price)

    def _interest(self, listing: Listing) -> float:
        return self._contracts_of(listing, float(self.exchange.market.open_interest_notional[listing.index]))

    def tickers(self, request: web.Request) -> list[Row]:
        settle = self._settle(request)
        if "contract" in request.query:
            rows = [self._one(request, request.query["contract"])]
        else:
            rows = list(self.exchange.trading(settle))
        return [self.rest_ticker(row, wants_decimals(request)) for row in rows]

    def rest_ticker(self, listing: Listing, decimal: bool) -> Row:
        """A ticker with the touch, but without interval and next payment."""
        market, i, pd = self.exchange.market, listing.index, listing.price_decimals
        return {
            **self.ticker_row(listing),
            "lowest_ask": trim(market.ask_ticks[i] * listing.tick, pd),
            "lowest_size": str(count(listing, float(market.ask_lots[i]), decimal)),
            "highest_bid": trim(market.bid_ticks[i] * listing.tick, pd),
            "highest_size": str(count(listing, float(market.bid_lots[i]), decimal)),
        }

    def ticker_row(self, listing: Listing) -> Row:
        """What REST and the socket's ticker have in common."""
        market, i, pd = self.exchange.market, listing.index, listing.price_decimals
        notional, mark = float(market.volume_notional[i]), float(market.mark[i])
        rate = f"{market.funding_rate[i]:.6f}"
        inverse = listing.kind == "inverse"
        coins = f"{notional / mark:.4f}" if inverse else str(int(notional / mark))
        return {
            "contract": listing.exchange_symbol,
            "last": trim(market.last[i], pd),
            "change_percentage": f"{(market.last[i] / market.open[i] - 1) * 100:.4f}",
            "total_size": str(int(self._interest(listing))),
            "volume_24h": str(int(self._contracts_of(listing, notional))),
            "volume_24h_base": coins,
            "volume_24h_quote": str(int(notional)),
            "volume_24h_settle": coins if inverse else str(int(notional)),
            "low_24h": trim(market.low[i], pd),
            "high_24h": trim(market.high[i], pd),
            "mark_price": trim(mark, pd),
            "index_price": trim(market.index[i], pd),
            "funding_rate": rate,
            "funding_rate_indicative": rate,
            "quanto_base_rate": "",
        }

    def order_book(self, request: web.Request) -> Row:
        listing = self._one(request, request.query.get("contract"))
        limit = int(request.query.get("limit", "10"))
        if limit > LARGEST_BOOK:
            raise GateError("TOO_BIG", f"limit {LARGEST_BOOK}")
        book, decimal = self.exchange.book(listing), wants_decimals(request)
        body: Row = {"id": self.exchange.next_id()} if request.query.get("with_id") == "true" else {}
        return body | {
            "current": self.exchange.now_ms / 1000,
            "update": self.exchange.step_ms / 1000,
            "asks": level_objects(listing, book.asks.top(limit), decimal),
            "bids": level_objects(listing, book.bids.top(limit), decimal),
        }

    def trades(self, request: web.Request) -> list[Row]:
        listing = self._one(request, request.query.get("contract"))
        at = float(self.exchange.market.top_time[listing.index]) + self.exchange.faults.clock_offset_s
        row = self.exchange.trade_row(listing, wants_decimals(request))
        return [row | {"create_time": int(at), "create_time_ms": round(at, 3)}]

    def funding_history(self, request: web.Request) -> list[Row]:
        listing = self._one(request, request.query.get("contract"))
        limit = min(1000, int(request.query.get("limit", "100")))
        period = listing.funding_interval_h * 3600
        end = int(request.query.get("to", str(self.exchange.now_ms // 1000)))
        begin = max(int(request.query.get("from", "0")), end - period * limit)
        rows: list[Row] = []
        for at in range(end // period * period, begin, -period):
            chance = random.Random(f"{self.exchange.seed}:{listing.exchange_symbol}:{at}")
            rate = self.exchange.market.settled_rate[listing.index] + chance.gauss(0, 0.00004)
            rows.append({"r": f"{rate:.6f}", "t": at})
        return rows[:limit]


def level_objects(listing: Listing, levels: Levels, decimal: bool) -> list[Row]:
    """[{"p": price, "s": contracts}, ...]"""
    return [
        {"p": trim(price * listing.tick, listing.price_decimals), "s": count(listing, lots, decimal)}
        for price, lots in levels
    ]
