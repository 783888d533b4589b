"""REST of Binance futures: /fapi/v1 and /dapi/v1, one pool of request weight for both."""

import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from simulator.exchanges.base import json_response, level_strings
from simulator.limits import MinuteWeight, SlidingWindow
from simulator.universe import CLOSED, HALTED, LIVE, Listing

if TYPE_CHECKING:
    from simulator.exchanges.binance import Binance

DEPTH_WEIGHTS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
DAY_MS = 86_400_000
UNDERLYING = {
    "crypto": "COIN",
    "commodity": "COMMODITY",
    "equity": "EQUITY",
    "fx": "FX",
    "index": "INDEX",
    "preipo": "PREMARKET",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Answer = tuple[object, int]  # body and HTTP status


@dataclass(slots=True)
class Day:
    """24 h statistics, formatted for the wire."""

    change: str
    percent: str
    average: str
    last: str
    last_size: str
    open: str
    high: str
    low: str
    volume: str
    turnover: str
    open_ms: int
    close_ms: int
    first_id: int
    last_id: int
    count: int


class BinanceRest:
    """Handlers of both REST hosts."""

    def __init__(self, exchange: "Binance") -> None:
        self.exchange = exchange
        self._weight = MinuteWeight(exchange.settings["weight_per_minute"])
        self._funding_requests = SlidingWindow(500, 300)

    def routes(self, host: str) -> list[web.RouteDef]:
        prefix = "/fapi/v1" if host == "um" else "/dapi/v1"
        table: dict[str, tuple[Callable[[str, web.Request], Answer], int, int]] = {
            # path -> handler, weight with symbol, weight without
            "time": (self.time, 1, 1),
            "exchangeInfo": (self.exchange_info, 1, 1),
            "premiumIndex": (self.premium_index, 1 if host == "um" else 10, 10),
            "fundingInfo": (self.funding_info, 0, 0),
            "fundingRate": (self.funding_rate, 0 if host == "um" else 1, 0 if host == "um" else 1),
            "ticker/24hr": (self.ticker_24h, 1, 40),
            "ticker/bookTicker": (self.book_ticker, 2, 5),
            "depth": (self.depth, 0, 0),
            "openInterest": (self.open_interest, 1, 1),
        }
        return [
            web.get(f"{prefix}/{path}", self._charged(host, handler, with_symbol, without))
            for path, (handler, with_symbol, without) in table.items()
        ]

    def _charged(
        self, host: str, handler: Callable[[str, web.Request], Answer], with_symbol: int, without: int
    ) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            refusal = self.exchange.rest_guard()
            if refusal is not None:
                return refusal
            weight = with_symbol if "symbol" in request.query else without
            if request.path.endswith("/depth"):
                limit = request.query.get("limit", "500")
                weight = DEPTH_WEIGHTS.get(int(limit), 2) if limit.isdigit() else 2
            now = time.time()
            if "/funding" in request.path and not self._funding_requests.allow(now):
                return json_response({"code": -1003, "msg": "Too many requests"}, 429, {"Retry-After": "60"})
            self._weight.limit = self.exchange.settings["weight_per_minute"]
            status, wait_s = self._weight.charge(weight, now)
            headers = {"X-MBX-USED-WEIGHT-1M": str(self._weight.used)}
            if status != 200:
                headers["Retry-After"] = str(math.ceil(wait_s))
                text = "Too many requests; current limit is 2400 request weight per minute."
                if status == 418:
                    text = f"Way too many requests; IP banned until {int((now + wait_s) * 1000)}."
                return json_response({"code": -1003, "msg": text}, status, headers)
            try:
                body, code = handler(host, request)
            except ValueError:  # a number that is none
                body, code = {"code": -1100, "msg": "Illegal characters found in a parameter."}, 400
            return json_response(body, code, headers)

        return answer

    def _select(self, host: str, request: web.Request, listings: list[Listing]) -> list[Listing] | None:
        """Listings asked for, all if no symbol is given, None for an unknown symbol."""
        symbol = request.query.get("symbol")
        if symbol is None:
            return listings
        listing = self.exchange.find(symbol.upper())
        return [listing] if listing is not None and listing.host == host else None

    def time(self, _host: str, _request: web.Request) -> Answer:
        return {"serverTime": self.exchange.now_ms}, 200

    def exchange_info(self, host: str, _request: web.Request) -> Answer:
        limits = [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
        ]
        body: dict[str, object] = {"timezone": "UTC", "serverTime": self.exchange.now_ms, "rateLimits": limits}
        body["exchangeFilters"] = []
        if host == "um":
            body["futuresType"] = "U_MARGINED"
            body["assets"] = [
                {"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"} for asset in ("USDT", "USDC")
            ]
        body["symbols"] = [self._symbol_row(listing) for listing in self.exchange.visible(host)]
        return body, 200

    def _symbol_row(self, listing: Listing) -> dict[str, object]:
        pd, sd = listing.price_decimals, listing.size_decimals
        step = f"{listing.lot:.{sd}f}"
        filters: list[dict[str, object]] = [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": f"{listing.tick:.{pd}f}",
                "maxPrice": f"{listing.start_price * 50:.{pd}f}",
                "tickSize": f"{listing.tick:.{pd}f}",
            },
            {"filterType": "LOT_SIZE", "stepSize": step, "minQty": step, "maxQty": "1000000"},
            {"stepSize": step, "filterType": "MARKET_LOT_SIZE", "maxQty": "120000", "minQty": step},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": "1.1500",
                "multiplierDown": "0.8500",
                "multiplierDecimal": "4",
            },
        ]
        if listing.host == "um":
            filters.append({"filterType": "MIN_NOTIONAL", "notional": "50" if listing.asset.key == "BTC" else "5"})
        tradfi = contract_type(listing) == "TRADIFI_PERPETUAL"
        row: dict[str, object] = {
            "symbol": listing.exchange_symbol,
            "pair": listing.extra["pair"],
            "contractType": contract_type(listing),
            "deliveryDate": listing.delivery_ms,
            "onboardDate": listing.listed_ms,
            "maintMarginPercent": "2.5000",
            "requiredMarginPercent": "5.0000",
            "baseAsset": listing.base,
            "quoteAsset": listing.quote,
            "marginAsset": listing.settle,
            "pricePrecision": pd,
            "quantityPrecision": sd,
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "underlyingType": UNDERLYING[listing.asset.asset_class],
            "underlyingSubType": ["TradFi"] if tradfi else [],
            "triggerProtect": "0.0500",
            "liquidationFee": "0.012000",
            "marketTakeBound": "0.30",
            "filters": filters,
            "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
            "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        }
        if listing.host == "cm":
            row["contractStatus"] = status_word(listing)
            row["contractSize"] = int(listing.contract)
            row["equalQtyPrecision"] = 4
        else:
            row["status"] = status_word(listing)
        return row

    def premium_index(self, host: str, request: web.Request) -> Answer:
        exchange = self.exchange
        # Without a symbol the merged product answers with rows of both hosts.
        listings = self._select(host, request, list(exchange.visible()))
        if listings is None:
            return _invalid_symbol()
        rows = [self._premium_row(listing) for listing in listings]
        return (rows[0] if "symbol" in request.query and host == "um" else rows), 200

    def _premium_row(self, listing: Listing) -> dict[str, object]:
        exchange, i = self.exchange, listing.index
        funded = listing.perpetual and listing.status == LIVE
        row: dict[str, object] = {
            "symbol": listing.exchange_symbol,
            "markPrice": f"{exchange.market.mark[i]:.8f}",
            "indexPrice": f"{exchange.market.index[i]:.8f}",
            "estimatedSettlePrice": f"{exchange.market.index[i] * 1.0002:.8f}",
            "lastFundingRate": f"{exchange.market.funding_rate[i]:.8f}" if listing.perpetual else "",
            "interestRate": "0.00010000" if listing.perpetual else "",
            "nextFundingTime": exchange.next_funding_ms(listing) if funded else 0,
            "time": exchange.now_ms,
        }
        if listing.host == "cm":
            row["pair"] = listing.extra["pair"]
        return row

    def funding_info(self, _host: str, _request: web.Request) -> Answer:
        rows = [
            {
                "symbol": listing.exchange_symbol,
                "adjustedFundingRateCap": "0.00300" if listing.asset.rank < 12 else "0.02000000",
                "adjustedFundingRateFloor": "-0.00300" if listing.asset.rank < 12 else "-0.02000000",
                "fundingIntervalHours": listing.funding_interval_h,
                "disclaimer": listing.asset.rank < 12,
                "updateTime": None if listing.asset.rank < 12 else listing.listed_ms + 345_000,
            }
            for listing in self.exchange.trading()
            if listing.perpetual and (listing.funding_interval_h != 8 or listing.asset.rank < 12)
        ]
        return rows, 200

    def funding_rate(self, host: str, request: web.Request) -> Answer:
        exchange = self.exchange
        listings = self._select(host, request, list(exchange.trading(host)))
        if listings is None:
            return _invalid_symbol()
        if host == "cm" and "symbol" not in request.query:
            return {
                "code": -1102,
                "msg": "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.",
            }, 400
        end = int(request.query.get("endTime", exchange.now_ms))
        start = int(request.query.get("startTime", 0))
        limit = min(1000, int(request.query.get("limit", 100)))
        rows: list[dict[str, Any]] = []
        for listing in listings:
            if not listing.perpetual:
                continue
            period = listing.funding_interval_h * 3_600_000
            first = max(start, end - period * limit, listing.listed_ms)
            for at in range(-(-first // period) * period, end + 1, period):
                chance = random.Random(f"{exchange.seed}:{listing.exchange_symbol}:{at}")
                rate = exchange.market.settled_rate[listing.index] + chance.gauss(0, 0.00004)
                row = {
                    "symbol": listing.exchange_symbol,
                    "fundingTime": at + chance.randint(0, 9),
                    "fundingRate": f"{rate:.8f}",
                    "markPrice": f"{listing.start_price * (1 + chance.gauss(0, 0.01)):.8f}",
                    "rateType": "Regular",
                }
                rows.append(row)
        rows.sort(key=lambda row: row["fundingTime"])
        return (rows[:limit] if start else rows[-limit:]), 200

    def day(self, listing: Listing) -> Day:
        """24 h statistics of a listing; CM volume is in contracts and its turnover in coins."""
        market, i = self.exchange.market, listing.index
        pd, sd = listing.price_decimals, listing.size_decimals
        last, first = market.last[i], market.open[i]
        notional = market.volume_notional[i]
        average = (last + first) / 2
        if listing.kind == "linear":
            volume, turnover = f"{notional / average:.{sd}f}", f"{notional:.2f}"
        else:
            volume, turnover = f"{notional / listing.contract:.0f}", f"{notional / average:.8f}"
        now_ms = self.exchange.now_ms
        count = int(market.trade_count[i])
        last_id = 1_000_000_000 + count
        return Day(
            change=f"{last - first:.{pd}f}",
            percent=f"{(last / first - 1) * 100:.3f}",
            average=f"{average:.{pd}f}",
            last=f"{last:.{pd}f}",
            last_size=f"{max(1, int(market.bid_lots[i]) // 5) * listing.lot:.{sd}f}",
            open=f"{first:.{pd}f}",
            high=f"{market.high[i]:.{pd}f}",
            low=f"{market.low[i]:.{pd}f}",
            volume=volume,
            turnover=turnover,
            open_ms=(now_ms - DAY_MS) // 60_000 * 60_000,
            close_ms=now_ms,
            first_id=last_id - count,
            last_id=last_id,
            count=count,
        )

    def ticker_24h(self, host: str, request: web.Request) -> Answer:
        listings = self._select(host, request, list(self.exchange.trading(host)))
        if listings is None:
            return _invalid_symbol()
        rows = [self._ticker_row(listing) for listing in listings]
        return (rows[0] if "symbol" in request.query and host == "um" else rows), 200

    def _ticker_row(self, listing: Listing) -> dict[str, object]:
        day = self.day(listing)
        row: dict[str, object] = {
            "symbol": listing.exchange_symbol,
            "priceChange": day.change,
            "priceChangePercent": day.percent,
            "weightedAvgPrice": day.average,
            "lastPrice": day.last,
            "lastQty": day.last_size,
            "openPrice": day.open,
            "highPrice": day.high,
            "lowPrice": day.low,
            "volume": day.volume,
            "quoteVolume" if listing.kind == "linear" else "baseVolume": day.turnover,
            "openTime": day.open_ms,
            "closeTime": day.close_ms,
            "firstId": day.first_id,
            "lastId": day.last_id,
            "count": day.count,
        }
        if listing.host == "cm":
            row["pair"] = listing.extra["pair"]
        return row

    def book_ticker(self, host: str, request: web.Request) -> Answer:
        market = self.exchange.market
        listings = self._select(host, request, list(self.exchange.trading(host)))
        if listings is None:
            return _invalid_symbol()
        rows: list[dict[str, object]] = []
        for listing in listings:
            i, pd, sd = listing.index, listing.price_decimals, listing.size_decimals
            row: dict[str, object] = {
                "symbol": listing.exchange_symbol,
                "bidPrice": f"{market.bid_ticks[i] * listing.tick:.{pd}f}",
                "bidQty": f"{market.bid_lots[i] * listing.lot:.{sd}f}",
                "askPrice": f"{market.ask_ticks[i] * listing.tick:.{pd}f}",
                "askQty": f"{market.ask_lots[i] * listing.lot:.{sd}f}",
                "time": int((market.top_time[i] + self.exchange.faults.clock_offset_s) * 1000),
                "lastUpdateId": self.exchange.sequence,
            }
            if host == "cm":
                row["pair"] = listing.extra["pair"]
            rows.append(row)
        return (rows[0] if "symbol" in request.query and host == "um" else rows), 200

    def depth(self, host: str, request: web.Request) -> Answer:
        listings = self._select(host, request, [])
        if listings is None:
            return _invalid_symbol()
        if not listings:
            return {
                "code": -1102,
                "msg": "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.",
            }, 400
        text = request.query.get("limit", "500")
        if not text.isdigit() or int(text) not in DEPTH_WEIGHTS:
            return {"code": -4021, "msg": f"{text} is not valid depth limit"}, 400
        listing, exchange = listings[0], self.exchange
        book = exchange.book(listing)
        body: dict[str, object] = {
            "lastUpdateId": exchange.next_id(),
            "E": exchange.now_ms,
            "T": exchange.step_ms,
            "bids": level_strings(listing, book.bids.top(int(text))),
            "asks": level_strings(listing, book.asks.top(int(text))),
        }
        if host == "cm":
            body |= {"symbol": listing.exchange_symbol, "pair": listing.extra["pair"]}
        return body, 200

    def open_interest(self, host: str, request: web.Request) -> Answer:
        listings = self._select(host, request, [])
        if not listings:
            return _invalid_symbol()
        listing, market = listings[0], self.exchange.market
        notional = market.open_interest_notional[listing.index]
        if host == "um":
            amount = f"{notional / market.mark[listing.index]:.{listing.size_decimals}f}"
        else:
            amount = f"{notional / listing.contract:.0f}"
        body: dict[str, object] = {
            "symbol": listing.exchange_symbol,
            "openInterest": amount,
            "time": self.exchange.now_ms,
        }
        if host == "cm":
            body |= {"pair": listing.extra["pair"], "contractType": "PERPETUAL"}
        return body, 200


def _invalid_symbol() -> Answer:
    return {"code": -1121, "msg": "Invalid symbol."}, 400


def contract_type(listing: Listing) -> str:
    if not listing.perpetual:
        return "CURRENT_QUARTER"
    return "TRADIFI_PERPETUAL" if listing.asset.asset_class in ("commodity", "equity", "fx") else "PERPETUAL"


def status_word(listing: Listing) -> str:
    return {LIVE: "TRADING", HALTED: "SETTLING", CLOSED: "CLOSE"}.get(listing.status, "PENDING_TRADING")
