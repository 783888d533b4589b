"""REST of BitMEX v1, and the table rows that REST and the websocket share.

Bare arrays, no envelope. `turnover24h` and `openValue` count minor units of the settlement currency: `XBt` is 1e-8 BTC,
`USDt` 1e-6 USDT, `Gwei` 1e-9 ETH.
"""

import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from simulator.exchanges.base import json_response
from simulator.exchanges.bitmex_listings import MINOR_UNITS
from simulator.limits import SlidingWindow
from simulator.universe import CLOSED, HALTED, LIVE, PRELAUNCH, UNLISTED, Listing

if TYPE_CHECKING:
    from simulator.exchanges.bitmex import Bitmex

STATES = {LIVE: "Open", HALTED: "Closed", CLOSED: "Delisted", UNLISTED: "Delisted", PRELAUNCH: "Unlisted"}
FUNDING_SHIFT_S = 4 * 3600  # payments are at 04:00, 12:00 and 20:00 UTC
LARGEST_PAGE = 500

Row = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BitmexError(Exception):
    """An answer with an error object."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def error_body(message: str, name: str = "HTTPError") -> Row:
    return {"error": {"message": message, "name": name}}


def iso(milliseconds: int) -> str:
    """2026-05-21T14:39:07.060Z"""
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"


class BitmexRest:
    """Handlers of /api/v1."""

    def __init__(self, exchange: "Bitmex") -> None:
        self.exchange = exchange
        self.window = SlidingWindow(0, 60.0)  # all requests share it; the limit is a setting

    def routes(self) -> list[web.RouteDef]:
        table: dict[str, Callable[[web.Request], object]] = {
            "": self.root,
            "/": self.root,
            "/instrument/active": lambda _request: [self.instrument_row(row) for row in self.active()],
            "/instrument/activeAndIndices": self.active_and_indices,
            "/instrument/indices": lambda _request: self.index_rows(),
            "/instrument": self.instrument,
            "/orderBook/L2": self.order_book,
            "/quote": self.quote,
            "/funding": self.funding,
        }
        return [web.get(f"/api/v1{path}", self._guarded(handler)) for path, handler in table.items()]

    def _guarded(self, handler: Callable[[web.Request], object]) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            refusal = self.exchange.rest_guard()
            if refusal is not None:
                return refusal
            self.window.limit = limit = self.exchange.settings["requests_per_minute"]
            allowed = not limit or self.window.allow(time.monotonic())
            headers = {
                "x-ratelimit-limit": str(int(limit)),
                "x-ratelimit-reset": str(self.exchange.now_ms // 1000 + 60),
            }
            if not allowed:
                body = error_body("Rate limit exceeded, retry in 2 seconds.", "RateLimitError")
                return json_response(body, 429, headers | {"retry-after": "2"})
            try:
                return json_response(handler(request), 200, headers)
            except BitmexError as error:
                return json_response(error_body(str(error)), error.status, headers)
            except ValueError:  # a number or a filter that is none
                return json_response(error_body("Invalid parameter."), 400, headers)

        return answer

    # Rows.

    def active(self) -> list[Listing]:
        """What `instrument/active` lists: open and paused ones, and those about to be listed."""
        return [row for row in self.exchange.visible() if row.status != CLOSED]

    def next_funding_ms(self, listing: Listing) -> int:
        """The next payment on BitMEX's grid. [ms]"""
        period = listing.funding_interval_h * 3600
        now_s = self.exchange.time + self.exchange.faults.clock_offset_s
        return int((int(now_s - FUNDING_SHIFT_S) // period + 1) * period + FUNDING_SHIFT_S) * 1000

    def prices_row(self, listing: Listing) -> Row:
        """The fields of an instrument that change by themselves."""
        market, i, pd = self.exchange.market, listing.index, listing.price_decimals
        mark = round(float(market.mark[i]), pd + 1)
        bid, ask = market.bid_ticks[i] * listing.tick, market.ask_ticks[i] * listing.tick
        interest = self.contracts(listing, float(market.open_interest_notional[i]))
        row: Row = {
            "lastPrice": round(float(market.last[i]), pd),
            "bidPrice": round(float(bid), pd),
            "midPrice": round(float(bid + ask) / 2, pd + 1),
            "askPrice": round(float(ask), pd),
            "fairPrice": mark,
            "markPrice": mark,
            "indicativeSettlePrice": round(float(market.index[i]), pd + 1),
            "openInterest": interest,
            "openValue": self.minor_units(listing, interest, mark),
        }
        if listing.perpetual:
            rate = float(market.funding_rate[i])
            row |= {
                "fundingRate": round(float(market.settled_rate[i]), 6),
                "indicativeFundingRate": round(rate, 6),
                "fundingTimestamp": iso(self.next_funding_ms(listing)),
            }
        return row

    def contracts(self, listing: Listing, notional: float) -> int:
        """Contracts worth a notional at the mark price, in whole lots."""
        price = float(self.exchange.market.mark[listing.index]) if listing.kind == "linear" else 1.0
        return int(notional / (listing.contract * price * listing.lot)) * int(listing.lot)

    def minor_units(self, listing: Listing, contracts: int, price: float) -> int:
        """What contracts are worth in minor units of the settlement currency."""
        multiplier = abs(self._multiplier(listing))
        return int(contracts * multiplier / price if listing.kind == "inverse" else contracts * multiplier * price)

    def _multiplier(self, listing: Listing) -> int:
        minor = MINOR_UNITS[listing.settle][1]
        if listing.kind == "inverse":
            return -int(minor)
        if listing.kind == "quanto":
            return 100
        return max(1, round(minor * listing.contract))

    def instrument_row(self, listing: Listing) -> Row:
        market, i = self.exchange.market, listing.index
        linear, inverse = listing.kind == "linear", listing.kind == "inverse"
        currency, minor = MINOR_UNITS[listing.settle]
        listed = iso(listing.listed_ms)
        volume = self.contracts(listing, float(market.volume_notional[i]))
        mark = float(market.mark[i])
        notional = volume * listing.contract * (mark if linear else 1.0)
        row: Row = {
            "symbol": listing.exchange_symbol,
            "rootSymbol": listing.extra["root"],
            "instrumentID": 2776 + i,
            "state": STATES[listing.status],
            "typ": listing.host,
            "listing": listed,
            "front": listed,
            "expiry": iso(listing.delivery_ms) if listing.delivery_ms else None,
            "settle": iso(listing.delivery_ms) if listing.delivery_ms else None,
            "positionCurrency": listing.base if linear else "USD",
            "underlying": listing.base,
            "quoteCurrency": listing.quote,
            "underlyingSymbol": f"{listing.base}{'T' if linear else ''}=",
            "reference": "BMEX",
            "referenceSymbol": index_symbol(listing),
            "maxOrderQty": 1_000_000_000,
            "maxPrice": 1_000_000,
            "lotSize": int(listing.lot),
            "tickSize": listing.tick,
            "multiplier": self._multiplier(listing),
            "settlCurrency": currency,
            "isQuanto": listing.kind == "quanto",
            "isInverse": inverse,
            "makerFee": 0.0005,
            "takerFee": 0.0005,
            "volume24h": volume,
            "turnover24h": self.minor_units(listing, volume, mark),
            "homeNotional24h": round(notional / mark, 8),
            "foreignNotional24h": round(notional, 6),
            "prevPrice24h": round(float(market.open[i]), listing.price_decimals),
            "highPrice": round(float(market.high[i]), listing.price_decimals),
            "lowPrice": round(float(market.low[i]), listing.price_decimals),
            "hasLiquidity": listing.status == LIVE,
            "markMethod": "FairPrice",
            "timestamp": iso(self.exchange.now_ms),
        }
        if linear:
            row |= {
                "underlyingToPositionMultiplier": int(float(str(listing.extra["per_coin"]))),
                "quoteToSettleMultiplier": int(minor),
            }
        if inverse:
            row["underlyingToSettleMultiplier"] = -int(minor)
        if listing.perpetual:
            row["fundingInterval"] = interval_text(listing)
        if listing.status in (LIVE, HALTED):
            row |= self.prices_row(listing)
        return row

    def index_rows(self) -> list[Row]:
        """One row an index, among them of coins that were listed long ago."""
        market = self.exchange.market
        rows: dict[str, Row] = {}
        for listing in self.active():
            name = index_symbol(listing)
            price = round(float(market.index[listing.index]), listing.price_decimals)
            rows.setdefault(
                name,
                {
                    "symbol": name,
                    "rootSymbol": listing.extra["root"],
                    "state": "Unlisted",
                    "typ": "MRCXXX",
                    "underlying": listing.base,
                    "quoteCurrency": listing.quote,
                    "reference": "BMI",
                    "referenceSymbol": name,
                    "tickSize": listing.tick,
                    "isQuanto": False,
                    "isInverse": False,
                    "markMethod": "LastPrice",
                    "lastPrice": price,
                    "markPrice": price,
                    "timestamp": iso(self.exchange.now_ms),
                },
            )
        return list(rows.values())

    def quote_row(self, listing: Listing) -> Row:
        market, i = self.exchange.market, listing.index
        at = int((market.top_time[i] + self.exchange.faults.clock_offset_s) * 1000)
        tops = (market.bid_ticks[i], market.bid_lots[i], market.ask_ticks[i], market.ask_lots[i])
        bid, bid_lots, ask, ask_lots = (int(value) for value in tops)
        return {
            "timestamp": iso(at),
            "symbol": listing.exchange_symbol,
            "bidSize": bid_lots * int(listing.lot),
            "bidPrice": round(bid * listing.tick, listing.price_decimals),
            "askPrice": round(ask * listing.tick, listing.price_decimals),
            "askSize": ask_lots * int(listing.lot),
        }

    def funding_row(self, listing: Listing, at_ms: int) -> Row:
        chance = random.Random(f"{self.exchange.seed}:{listing.exchange_symbol}:{at_ms}")
        rate = round(float(self.exchange.market.settled_rate[listing.index]) + chance.gauss(0, 0.00004), 6)
        return {
            "timestamp": iso(at_ms),
            "symbol": listing.exchange_symbol,
            "fundingInterval": interval_text(listing),
            "fundingRate": rate,
            "fundingRateDaily": round(rate * 24 / listing.funding_interval_h, 6),
        }

    # Handlers.

    def root(self, _request: web.Request) -> Row:
        return {"name": "BitMEX API", "version": "2.0.0", "timestamp": self.exchange.now_ms}

    def active_and_indices(self, _request: web.Request) -> list[Row]:
        return [*(self.instrument_row(row) for row in self.active()), *self.index_rows()]

    def instrument(self, request: web.Request) -> list[Row]:
        """Everything ever listed, by pages of a hundred unless asked otherwise."""
        wanted = orjson.loads(request.query.get("filter", "{}"))
        if not isinstance(wanted, dict):
            raise BitmexError("Invalid filter.")
        if "symbol" in request.query:
            wanted["symbol"] = request.query["symbol"]
        rows = [self.instrument_row(listing) for listing in self.exchange.visible()]
        return self._page(request, [row for row in rows if all(row.get(key) == wanted[key] for key in wanted)])

    def _page(self, request: web.Request, rows: list[Row]) -> list[Row]:
        start, count = int(request.query.get("start", "0")), int(request.query.get("count", "100"))
        if count > LARGEST_PAGE:
            raise BitmexError(f"'count' must be less than or equal to {LARGEST_PAGE}")
        return rows[start : start + count]

    def _one(self, request: web.Request) -> Listing:
        listing = self.exchange.find(request.query.get("symbol", ""))
        if listing is None:
            raise BitmexError("'symbol' is a required arg.")
        return listing

    def order_book(self, request: web.Request) -> list[Row]:
        listing = self._one(request)
        depth = int(request.query.get("depth", "25")) or 420
        book = self.exchange.book(listing)
        rows = [("Sell", level) for level in reversed(book.asks.top(depth))]
        rows += [("Buy", level) for level in book.bids.top(depth)]
        at = iso(self.exchange.step_ms)
        return [self.exchange.level_row(listing, side, *level) | {"timestamp": at} for side, level in rows]

    def quote(self, request: web.Request) -> list[Row]:
        return [self.quote_row(self._one(request))]

    def funding(self, request: web.Request) -> list[Row]:
        listing = self._one(request)
        count = int(request.query.get("count", "100"))
        if count > LARGEST_PAGE:
            raise BitmexError(f"'count' must be less than or equal to {LARGEST_PAGE}")
        period = listing.funding_interval_h * 3_600_000
        last = self.next_funding_ms(listing) - period
        rows = [self.funding_row(listing, last - period * number) for number in range(count)]
        return rows if request.query.get("reverse") == "true" else rows[::-1]


def index_symbol(listing: Listing) -> str:
    """.BXBT for dollars, .BXBTT for USDT"""
    return f".B{listing.base}{'T' if listing.quote == 'USDT' else ''}"


def interval_text(listing: Listing) -> str:
    """Hours as a time of day."""
    return f"2000-01-01T{listing.funding_interval_h:02}:00:00.000Z"
