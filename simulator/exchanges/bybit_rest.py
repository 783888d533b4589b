"""REST of Bybit v5: /v5/market for linear and inverse, and the fields that REST tickers and `tickers.*` share."""

import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from aiohttp import web

from simulator.exchanges.base import json_response, level_strings
from simulator.limits import SlidingWindow
from simulator.universe import CLOSED, HALTED, LIVE, PRELAUNCH, Listing

if TYPE_CHECKING:
    from simulator.exchanges.bybit import Bybit

CATEGORIES = ("linear", "inverse")
DEFAULT_PAGE, LARGEST_PAGE = 500, 1000
DEFAULT_DEPTH, LARGEST_DEPTH = 25, 1000
HOUR_MS = 3_600_000
STATUS_WORDS = {LIVE: "Trading", HALTED: "Closed", CLOSED: "Closed", PRELAUNCH: "PreLaunch"}
SYMBOL_TYPES = {"commodity": "commodity", "equity": "stock", "fx": "forex"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ParamsError(ValueError):
    """A request that Bybit answers with retCode 10001."""


def ticker_fields(exchange: "Bybit", listing: Listing, *, only_top: bool = False) -> dict[str, str]:
    """The fields of a ticker in their order on the wire; `only_top` gives just what changes many times a second."""
    market, i = exchange.market, listing.index
    pd, sd, tick, lot = listing.price_decimals, listing.size_decimals, listing.tick, listing.lot
    top = {
        "lastPrice": f"{market.last[i]:.{pd}f}",
        "bid1Price": f"{market.bid_ticks[i] * tick:.{pd}f}",
        "bid1Size": f"{market.bid_lots[i] * lot:.{sd}f}",
        "ask1Price": f"{market.ask_ticks[i] * tick:.{pd}f}",
        "ask1Size": f"{market.ask_lots[i] * lot:.{sd}f}",
    }
    if only_top:
        return top
    mark, volume, interest = market.mark[i], market.volume_notional[i], market.open_interest_notional[i]
    linear = listing.kind == "linear"
    # Inverse is the other way round: volume and open interest in USD, turnover and value in coins.
    fields = {
        "tickDirection": "PlusTick" if market.last[i] >= market.open[i] else "MinusTick",
        "price24hPcnt": f"{market.last[i] / market.open[i] - 1:.6f}",
        "lastPrice": top["lastPrice"],
        "prevPrice24h": f"{market.open[i]:.{pd}f}",
        "highPrice24h": f"{market.high[i]:.{pd}f}",
        "lowPrice24h": f"{market.low[i]:.{pd}f}",
        "prevPrice1h": f"{market.open[i] * 0.4 + market.last[i] * 0.6:.{pd}f}",
        "markPrice": f"{mark:.{pd}f}",
        "indexPrice": f"{market.index[i]:.{pd}f}",
        "openInterest": f"{interest / mark:.{sd}f}" if linear else f"{interest:.0f}",
        "openInterestValue": f"{interest:.2f}" if linear else f"{interest / mark:.2f}",
        "turnover24h": f"{volume:.4f}" if linear else f"{volume / mark:.4f}",
        "volume24h": f"{volume / mark:.4f}" if linear else f"{volume:.4f}",
        "fundingIntervalHour": str(listing.funding_interval_h) if listing.perpetual else "",
        "fundingCap": "0.005" if listing.asset.rank < 12 else "0.02",
        "nextFundingTime": str(exchange.next_funding_ms(listing)) if listing.perpetual else "",
        "fundingRate": f"{market.funding_rate[i]:.8f}" if listing.perpetual else "",
        **{key: top[key] for key in ("bid1Price", "bid1Size", "ask1Price", "ask1Size")},
        "preOpenPrice": "",
        "preQty": "",
        "curPreListingPhase": "",
        "singleOpenInterest": f"{interest / mark / 2:.{sd}f}" if linear else f"{interest / 2:.0f}",
    }
    if not listing.perpetual:
        fields["deliveryTime"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(listing.delivery_ms / 1000))
        fields["basisRate"] = f"{mark / market.index[i] - 1:.8f}"
    return fields


class BybitRest:
    """Handlers of /v5/market."""

    def __init__(self, exchange: "Bybit") -> None:
        self.exchange = exchange
        self._window = SlidingWindow(exchange.settings["requests_per_5s"], 5)

    def routes(self) -> list[web.RouteDef]:
        table: dict[str, Callable[[web.Request], dict[str, Any]]] = {
            "time": self.time,
            "instruments-info": self.instruments,
            "tickers": self.tickers,
            "orderbook": self.orderbook,
            "funding/history": self.funding_history,
            "open-interest": self.open_interest,
        }
        return [web.get(f"/v5/market/{path}", self._enveloped(handler)) for path, handler in table.items()]

    def _enveloped(self, handler: Callable[[web.Request], dict[str, Any]]) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            refusal = self.exchange.rest_guard()
            if refusal is not None:
                return refusal
            self._window.limit = self.exchange.settings["requests_per_5s"]
            if not self._window.allow(time.monotonic()) or request.can_read_body:
                return web.Response(status=403, text="access too frequent")
            try:
                code, message, result = 0, "OK", handler(request)
            except ValueError as error:
                code, message, result = 10001, f"params error: {error}", {}
            envelope = {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}}
            return json_response(envelope | {"time": self.exchange.now_ms})

        return answer

    def _category(self, request: web.Request) -> str:
        category = request.query.get("category", "")
        if category not in CATEGORIES:
            raise ParamsError("Category is invalid")
        return category

    def _symbol(self, request: web.Request) -> Listing:
        listing = self.exchange.find(request.query.get("symbol", ""))
        if listing is None or listing.host != self._category(request):
            raise ParamsError("Symbol Invalid")
        return listing

    def _number(self, request: web.Request, key: str, default: int, largest: int) -> int:
        text = request.query.get(key, str(default))
        if not text.isdigit() or not 1 <= int(text) <= largest:
            raise ParamsError(f"{key} is invalid")
        return int(text)

    def time(self, _request: web.Request) -> dict[str, Any]:
        now_ms = self.exchange.now_ms
        return {"timeSecond": str(now_ms // 1000), "timeNano": str(now_ms * 1_000_000)}

    def instruments(self, request: web.Request) -> dict[str, Any]:
        category = self._category(request)
        if "symbol" in request.query:
            return {"category": category, "list": [self._instrument_row(self._symbol(request))], "nextPageCursor": ""}
        status = request.query.get("status", "Trading")
        limit = self._number(request, "limit", DEFAULT_PAGE, LARGEST_PAGE)
        base = request.query.get("baseCoin")
        rows = sorted(
            (row for row in self.exchange.visible(category) if STATUS_WORDS.get(row.status) == status),
            key=lambda row: row.exchange_symbol,
        )
        rows = [row for row in rows if base in (None, row.base)]
        cursor = unquote(request.query.get("cursor", ""))
        if cursor:
            after = dict(part.split("=", 1) for part in cursor.split("&") if "=" in part).get("last")
            if after is None:
                raise ParamsError("cursor is invalid")
            rows = [row for row in rows if row.exchange_symbol > after]
        page = rows[:limit]
        next_cursor = ""
        if len(rows) > limit:
            next_cursor = quote(f"first={page[0].exchange_symbol}&last={page[-1].exchange_symbol}", safe="")
        listed = [self._instrument_row(row) for row in page]
        return {"category": category, "list": listed, "nextPageCursor": next_cursor}

    def _instrument_row(self, listing: Listing) -> dict[str, Any]:
        pd, step = listing.price_decimals, f"{listing.lot:.{listing.size_decimals}f}"
        tick = f"{listing.tick:.{pd}f}"
        inverse = listing.kind == "inverse"
        if listing.perpetual:
            contract_type = "InversePerpetual" if inverse else "LinearPerpetual"
        else:
            contract_type = "InverseFutures" if inverse else "LinearFutures"
        prelaunch = listing.status == PRELAUNCH
        lots = {"maxOrderQty": "1190000", "minOrderQty": step, "qtyStep": step, "postOnlyMaxOrderQty": "1190000"}
        if not inverse:
            lots |= {"maxMktOrderQty": "500000", "minNotionalValue": "5"}
        rank = listing.asset.rank
        innovation = listing.asset.asset_class == "crypto" and rank > 300 and rank % 4 == 0
        cap = "0.00375" if rank < 12 else "0.02"
        return {
            "symbol": listing.exchange_symbol,
            "symbolId": listing.index + 5,
            "contractType": contract_type,
            "status": STATUS_WORDS[listing.status],
            "baseCoin": listing.base,
            "quoteCoin": listing.quote,
            "launchTime": str(listing.listed_ms),
            "deliveryTime": str(listing.delivery_ms),
            "deliveryFeeRate": "" if listing.perpetual else "0.0005",
            "priceScale": str(pd),
            "leverageFilter": {"minLeverage": "1", "maxLeverage": "50.00", "leverageStep": "0.01"},
            "priceFilter": {"minPrice": tick, "maxPrice": f"{listing.start_price * 50:.{pd}f}", "tickSize": tick},
            "lotSizeFilter": lots,
            "unifiedMarginTrade": True,
            "fundingInterval": listing.funding_interval_h * 60 if listing.perpetual else 0,
            "settleCoin": listing.settle,
            "copyTrading": "none",
            "upperFundingRate": cap if listing.perpetual else "",
            "lowerFundingRate": f"-{cap}" if listing.perpetual else "",
            "isPreListing": prelaunch,
            "preListingInfo": _prelisting(listing) if prelaunch else None,
            "riskParameters": {"priceLimitRatioX": "0.05", "priceLimitRatioY": "0.1"},
            "symbolType": "innovation" if innovation else SYMBOL_TYPES.get(listing.asset.asset_class, ""),
        }

    def tickers(self, request: web.Request) -> dict[str, Any]:
        category = self._category(request)
        if "symbol" in request.query:
            listings = [self._symbol(request)]
        else:
            listings = sorted(self.exchange.trading(category), key=lambda row: row.exchange_symbol)
        rows = []
        for listing in listings:
            row = {"symbol": listing.exchange_symbol} | ticker_fields(self.exchange, listing)
            row["deliveryTime"] = str(listing.delivery_ms)
            row |= {"predictedDeliveryPrice": "", "basisRate": row.get("basisRate", ""), "basis": ""}
            row |= {"deliveryFeeRate": "", "basisRateYear": ""}
            rows.append(row)
        return {"category": category, "list": rows}

    def orderbook(self, request: web.Request) -> dict[str, Any]:
        listing = self._symbol(request)
        limit = self._number(request, "limit", DEFAULT_DEPTH, LARGEST_DEPTH)
        exchange = self.exchange
        book = exchange.book(listing)
        return {
            "s": listing.exchange_symbol,
            "b": level_strings(listing, book.bids.top(limit)),
            "a": level_strings(listing, book.asks.top(limit)),
            "ts": exchange.now_ms,
            "u": exchange.sequence % 10_000_000,
            "seq": exchange.next_id(),
            "cts": exchange.step_ms,
        }

    def funding_history(self, request: web.Request) -> dict[str, Any]:
        listing = self._symbol(request)
        limit = self._number(request, "limit", 200, 200)
        if "startTime" in request.query and "endTime" not in request.query:
            raise ParamsError("startTime without endTime")
        end = int(request.query.get("endTime", self.exchange.now_ms))
        period = listing.funding_interval_h * HOUR_MS
        start = max(int(request.query.get("startTime", 0)), end - period * limit)
        rows = []
        for at in range(end // period * period, start, -period):
            chance = random.Random(f"{self.exchange.seed}:{listing.exchange_symbol}:{at}")
            rate = self.exchange.market.settled_rate[listing.index] + chance.gauss(0, 0.00004)
            rows.append(
                {"symbol": listing.exchange_symbol, "fundingRate": f"{rate:.8f}", "fundingRateTimestamp": str(at)}
            )
        return {"category": listing.host, "list": rows[:limit]}

    def open_interest(self, request: web.Request) -> dict[str, Any]:
        listing = self._symbol(request)
        now_ms = self.exchange.now_ms // HOUR_MS * HOUR_MS
        value = ticker_fields(self.exchange, listing)["openInterest"]
        rows = [{"openInterest": value, "timestamp": str(now_ms - hour * HOUR_MS)} for hour in range(50)]
        return {
            "symbol": listing.exchange_symbol,
            "category": listing.host,
            "list": rows,
            "nextPageCursor": "",
        }


def _prelisting(listing: Listing) -> dict[str, Any]:
    start = listing.listed_ms
    phases = ("CallAuction", "CallAuctionNoCancel", "CrossMatching", "ContinuousTrading")
    return {
        "curAuctionPhase": "ContinuousTrading",
        "phases": [
            {
                "phase": phase,
                "startTime": str(start + number * HOUR_MS),
                "endTime": "" if number == 3 else str(start + (number + 1) * HOUR_MS),
            }
            for number, phase in enumerate(phases)
        ],
        "auctionFeeInfo": {"auctionFeeRate": "0", "takerFeeRate": "0.001", "makerFeeRate": "0.0004"},
    }
