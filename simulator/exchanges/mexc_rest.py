"""REST of MEXC futures: /api/v1/contract, whose errors come with HTTP 200, and the rows that the socket shares."""

import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from simulator.book import Levels
from simulator.exchanges.base import json_response
from simulator.limits import SlidingWindow
from simulator.universe import CLOSED, HALTED, LIVE, UNLISTED, Listing

if TYPE_CHECKING:
    from simulator.exchanges.mexc import Mexc

HOUR_MS = 3_600_000
WINDOW_S = 2.0
DEFAULT_DEPTH = 1500
STATES = {LIVE: 0, HALTED: 4}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class MexcError(Exception):
    """An error of the envelope: code and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def level_numbers(listing: Listing, levels: Levels) -> list[list[float]]:
    """[[84062.5, 34991, 8], ...]: price, contracts, orders; a level that is gone is [price, 0, 0]."""
    return [
        [round(price * listing.tick, listing.price_decimals), lots, 1 + lots % 9 if lots else 0]
        for price, lots in levels
    ]


def ticker_row(exchange: "Mexc", listing: Listing, *, whole: bool) -> dict[str, Any]:
    """A ticker; `whole` adds best prices, open interest and funding, which `push.tickers` lacks."""
    market, i = exchange.market, listing.index
    pd, mark, volume = listing.price_decimals, float(market.mark[i]), float(market.volume_notional[i])
    last, opened = float(market.last[i]), float(market.open[i])
    linear = listing.kind == "linear"
    contracts = volume / mark / listing.contract if linear else volume / listing.contract
    row: dict[str, Any] = {
        "symbol": listing.exchange_symbol,
        "lastPrice": round(last, pd),
        "volume24": round(contracts),
        "amount24": round(volume if linear else volume / mark, 4),
        "lower24Price": round(float(market.low[i]), pd),
        "high24Price": round(float(market.high[i]), pd),
        "riseFallRate": round(last / opened - 1, 4),
        "indexPrice": round(float(market.index[i]), pd),
        "fairPrice": round(mark, pd),
        "maxBidPrice": round(mark * 1.1, pd),
        "minAskPrice": round(mark * 0.9, pd),
        "timestamp": int((float(market.top_time[i]) + exchange.faults.clock_offset_s) * 1000),
    }
    if not whole:
        return row | {"contractId": listing.index + 10}
    interest = float(market.open_interest_notional[i])
    held = interest / mark / listing.contract if linear else interest / listing.contract
    return row | {
        "bid1": round(int(market.bid_ticks[i]) * listing.tick, pd),
        "ask1": round(int(market.ask_ticks[i]) * listing.tick, pd),
        "holdVol": round(held),
        "riseFallValue": round(last - opened, pd),
        "fundingRate": round(float(market.funding_rate[i]), 6),
    }


def detail_row(listing: Listing, seed: int) -> dict[str, Any]:
    """A row of the catalogue."""
    rank = listing.asset.rank
    innovation = rank > 300 and rank % 11 == 0  # may not be traded over the API
    promoted = random.Random(f"{seed}:{listing.exchange_symbol}:fees").random() < 0.1
    return {
        "symbol": listing.exchange_symbol,
        "displayName": f"{listing.exchange_symbol}永续",
        "displayNameEn": f"{listing.exchange_symbol} PERPETUAL",
        "positionOpenType": 3,
        "baseCoin": listing.base,
        "quoteCoin": listing.quote,
        "baseCoinName": listing.extra["name"],
        "quoteCoinName": listing.quote,
        "futureType": 1,
        "settleCoin": listing.settle,
        "contractSize": int(listing.contract) if listing.contract >= 1 else listing.contract,
        "minLeverage": 1,
        "maxLeverage": 200 if rank < 12 else 50,
        "priceScale": listing.price_decimals,
        "volScale": 0,
        "amountScale": 4,
        "priceUnit": round(listing.tick, listing.price_decimals),
        "volUnit": 1,
        "minVol": 1,
        "maxVol": 5_000_000 if rank < 12 else 90_000,
        "bidLimitPriceRate": 0.2,
        "askLimitPriceRate": 0.2,
        "takerFeeRate": 0 if promoted else 0.001 if innovation else 0.0002,
        "makerFeeRate": 0.0004 if innovation and not promoted else 0,
        "maintenanceMarginRate": 0.01,
        "initialMarginRate": 0.02,
        "priceCoefficientVariation": 0.004 if rank < 12 else 0.4,
        "indexOrigin": ["BITGET", "BYBIT", "BINANCE", "MEXC", "KUCOIN"] if rank < 300 else ["MEXC_FUTURE"],
        "state": STATES.get(listing.status, 3),
        "isNew": False,
        "isHot": rank < 5,
        "isHidden": False,
        "conceptPlate": [],
        "riskLimitType": "BY_VOLUME",
        "maxNumOrders": [200, 50],
        "triggerProtect": 0.1,
        "openingTime": listing.listed_ms,
        "liquidationFeeRate": 0.0002,
        "apiAllowed": not innovation,
        "type": listing.extra["type"],
    }


class MexcRest:
    """Handlers of /api/v1/contract."""

    def __init__(self, exchange: "Mexc") -> None:
        self.exchange = exchange
        self._windows: dict[str, SlidingWindow] = {}

    def routes(self) -> list[web.RouteDef]:
        table: dict[str, tuple[Callable[[web.Request], Any], str]] = {
            "detail": (self.detail, "heavy"),
            "detail/country": (self.detail, "heavy"),
            "ticker": (self.ticker, "heavy"),
            "depth/{symbol}": (self.depth, "heavy"),
            "depth_commits/{symbol}/{count}": (self.depth_commits, "light"),
            "deals/{symbol}": (self.deals, "light"),
            "funding_rate": (self.funding_rates, "light"),
            "funding_rate/history": (self.funding_history, "light"),
            "funding_rate/{symbol}": (self.funding_rate, "light"),
            "index_price/{symbol}": (self.index_price, "light"),
            "fair_price/{symbol}": (self.fair_price, "light"),
            "ping": (self.ping, "light"),
        }
        return [
            web.get(f"/api/v1/contract/{path}", self._enveloped(path, handler, limit))
            for path, (handler, limit) in table.items()
        ]

    def _enveloped(self, path: str, handler: Callable[[web.Request], Any], limit: str) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            refusal = self.exchange.rest_guard()
            if refusal is not None:
                return refusal
            window = self._windows.setdefault(path, SlidingWindow(0, WINDOW_S))
            window.limit = self.exchange.settings[f"{limit}_requests_per_2s"]
            try:
                if not window.allow(time.monotonic()):
                    raise MexcError(510, "Requests are too frequent, please try again later")
                return json_response({"success": True, "code": 0, "data": handler(request)})
            except MexcError as error:
                return json_response({"success": False, "code": error.code, "message": str(error)})
            except ValueError:
                return json_response({"success": False, "code": 600, "message": "Parameter error"})

        return answer

    def _listed(self) -> list[Listing]:
        """A contract that is delisted just leaves the list."""
        return [row for row in self.exchange.listings if row.status not in (UNLISTED, CLOSED)]

    def _find(self, symbol: str) -> Listing:
        listing = self.exchange.by_symbol.get(symbol.upper())
        if listing is None or listing.status == UNLISTED:
            raise MexcError(1001, "Contract does not exist")
        return listing

    def detail(self, request: web.Request) -> Any:
        seed = self.exchange.seed
        if "symbol" in request.query:
            return detail_row(self._find(request.query["symbol"]), seed)
        return [detail_row(row, seed) for row in self._listed()]

    def ticker(self, request: web.Request) -> Any:
        if "symbol" in request.query:
            return ticker_row(self.exchange, self._find(request.query["symbol"]), whole=True)
        return [ticker_row(self.exchange, row, whole=True) for row in self._listed()]

    def depth(self, request: web.Request) -> dict[str, Any]:
        listing = self._find(request.match_info["symbol"])
        limit = int(request.query.get("limit", DEFAULT_DEPTH))
        if limit < 1:
            raise ValueError("limit")
        now_ms = self.exchange.now_ms
        if listing.status == CLOSED:  # gone: success, an empty book, a time that stands
            return {"cts": None, "asks": [], "bids": [], "version": 222_542_631, "timestamp": 1_789_455_601_090}
        bids, asks, version = self.exchange.numbered_book(listing)
        return {
            "asks": level_numbers(listing, asks[:limit]),
            "bids": level_numbers(listing, bids[:limit]),
            "version": version,
            "timestamp": now_ms,
            "cts": None,
        }

    def depth_commits(self, request: web.Request) -> list[dict[str, Any]]:
        commits = self.exchange.commits.get(self._find(request.match_info["symbol"]).index, ())
        return list(commits)[::-1][: int(request.match_info["count"])]

    def deals(self, request: web.Request) -> list[dict[str, Any]]:
        listing = self._find(request.match_info["symbol"])
        price = round(float(self.exchange.market.last[listing.index]), listing.price_decimals)
        lots = int(self.exchange.market.bid_lots[listing.index]) // 5 + 1
        now_ms = self.exchange.now_ms
        count = min(int(request.query.get("limit", 100)), 100)
        return [
            {"p": price, "v": lots + n, "T": 1 + n % 2, "O": 3, "M": 2, "t": now_ms - 250 * n} for n in range(count)
        ]

    def _funding_row(self, listing: Listing) -> dict[str, Any]:
        exchange, i = self.exchange, listing.index
        cap = 0.0018 if listing.asset.rank < 12 else 0.02
        gone = listing.status == CLOSED
        return {
            "symbol": listing.exchange_symbol,
            "fundingRate": 0 if gone else round(float(exchange.market.funding_rate[i]), 6),
            "maxFundingRate": cap,
            "minFundingRate": -cap,
            "collectCycle": listing.funding_interval_h,
            "nextSettleTime": exchange.next_funding_ms(listing),
            "timestamp": exchange.now_ms,
            "idxPrice": 0 if gone else round(float(exchange.market.index[i]), listing.price_decimals),
            "fairPrice": 0 if gone else round(float(exchange.market.mark[i]), listing.price_decimals),
        }

    def funding_rates(self, request: web.Request) -> Any:
        if "symbol" in request.query:
            return self._funding_row(self._find(request.query["symbol"]))
        return [self._funding_row(row) for row in self.exchange.listings if row.status != UNLISTED]

    def funding_rate(self, request: web.Request) -> dict[str, Any]:
        return self._funding_row(self._find(request.match_info["symbol"]))

    def funding_history(self, request: web.Request) -> dict[str, Any]:
        listing = self._find(request.query.get("symbol", ""))
        page, size = int(request.query.get("page_num", 1)), int(request.query.get("page_size", 20))
        if page < 1 or not 1 <= size <= 1000:
            raise ValueError("page")
        total = 300
        period = listing.funding_interval_h * HOUR_MS
        newest = self.exchange.now_ms // period * period
        rows = []
        for number in range((page - 1) * size, min(page * size, total)):
            at = newest - number * period
            chance = random.Random(f"{self.exchange.seed}:{listing.exchange_symbol}:{at}")
            rate = float(self.exchange.market.settled_rate[listing.index]) + chance.gauss(0, 0.00004)
            rows.append({"symbol": listing.exchange_symbol, "fundingRate": round(rate, 6), "settleTime": at})
        return {
            "pageSize": size,
            "totalCount": total,
            "totalPage": -(-total // size),
            "currentPage": page,
            "resultList": rows,
        }

    def _one_price(self, request: web.Request, key: str, values: Any) -> dict[str, Any]:
        listing = self._find(request.match_info["symbol"])
        price = round(float(values[listing.index]), listing.price_decimals)
        return {"symbol": listing.exchange_symbol, key: price, "timestamp": self.exchange.now_ms}

    def index_price(self, request: web.Request) -> dict[str, Any]:
        return self._one_price(request, "indexPrice", self.exchange.market.index)

    def fair_price(self, request: web.Request) -> dict[str, Any]:
        return self._one_price(request, "fairPrice", self.exchange.market.mark)

    def ping(self, _request: web.Request) -> int:
        return self.exchange.now_ms
