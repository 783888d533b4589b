"""REST of Bitget v2: /api/v2/public and /api/v2/mix/market, and the ticker rows that the socket shares."""

import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from simulator.book import BOOK_LEVELS
from simulator.exchanges.base import json_response
from simulator.exchanges.bitget_listings import COIN, FAMILIES, USDT
from simulator.limits import SlidingWindow
from simulator.universe import CLOSED, HALTED, LIVE, PRELAUNCH, Listing

if TYPE_CHECKING:
    from simulator.exchanges.bitget import Bitget

HOUR_MS = 3_600_000
STATUS_WORDS = {LIVE: "normal", HALTED: "maintain", CLOSED: "off", PRELAUNCH: "listed"}
DEPTH_LIMITS = {"1": 1, "5": 5, "15": 15, "50": 50, "100": 100, "max": 100}
TEST_SYMBOLS = ("TESTAUSDT", "TESTBUSDT")  # stand among the funding rates of the first family, without any caps

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BitgetError(Exception):
    """An error of the envelope, answered with HTTP 400."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def ticker_row(exchange: "Bitget", listing: Listing) -> dict[str, str]:
    """A ticker as the socket and REST say it, less what only one of them has. Sizes are coins in every family."""
    market, i = exchange.market, listing.index
    pd, sd, tick, lot = listing.price_decimals, listing.size_decimals, listing.tick, listing.lot
    mark, last, opened = float(market.mark[i]), float(market.last[i]), float(market.open[i])
    volume, interest = float(market.volume_notional[i]), float(market.open_interest_notional[i])
    changed_ms = int((float(market.top_time[i]) + exchange.faults.clock_offset_s) * 1000)
    perpetual = listing.perpetual
    return {
        "lastPr": f"{last:.{pd}f}",
        "bidPr": f"{market.bid_ticks[i] * tick:.{pd}f}",
        "askPr": f"{market.ask_ticks[i] * tick:.{pd}f}",
        "bidSz": f"{market.bid_lots[i] * lot:.{sd}f}",
        "askSz": f"{market.ask_lots[i] * lot:.{sd}f}",
        "open24h": f"{opened:.{pd}f}",
        "high24h": f"{market.high[i]:.{pd}f}",
        "low24h": f"{market.low[i]:.{pd}f}",
        "change24h": f"{last / opened - 1:.5f}",
        "fundingRate": f"{market.funding_rate[i]:.6f}" if perpetual else "",
        "markPrice": f"{mark:.{pd}f}",
        "indexPrice": f"{market.index[i]:.{pd + 4}f}",
        "holdingAmount": f"{interest / mark:.4f}",
        "baseVolume": f"{volume / mark:.4f}",
        "quoteVolume": f"{volume:.4f}",
        "openUtc": f"{opened * 0.3 + last * 0.7:.{pd}f}",
        "symbol": listing.exchange_symbol,
        "ts": str(changed_ms),
    }


class BitgetRest:
    """Handlers of /api/v2."""

    def __init__(self, exchange: "Bitget") -> None:
        self.exchange = exchange
        self._windows: dict[str, SlidingWindow] = {}
        self._all = SlidingWindow(0, 60.0)

    def routes(self) -> list[web.RouteDef]:
        table: dict[str, Callable[[web.Request], Any]] = {
            "public/time": self.time,
            "mix/market/contracts": self.contracts,
            "mix/market/tickers": self.tickers,
            "mix/market/ticker": self.ticker,
            "mix/market/current-fund-rate": self.fund_rates,
            "mix/market/history-fund-rate": self.fund_history,
            "mix/market/funding-time": self.funding_time,
            "mix/market/open-interest": self.open_interest,
            "mix/market/merge-depth": self.merge_depth,
            "mix/market/fills": self.fills,
        }
        return [web.get(f"/api/v2/{path}", self._enveloped(path, handler)) for path, handler in table.items()]

    def _enveloped(self, path: str, handler: Callable[[web.Request], Any]) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            refusal = self.exchange.rest_guard()
            if refusal is not None:
                return refusal
            settings, now = self.exchange.settings, time.monotonic()
            window = self._windows.setdefault(path, SlidingWindow(0, 1.0))
            window.limit, self._all.limit = settings["requests_per_s"], settings["requests_per_minute"]
            envelope = {"requestTime": self.exchange.now_ms}
            if not window.allow(now) or not self._all.allow(now):
                body = {"code": "429", "msg": "Too Many Requests", **envelope, "data": None}
                return json_response(body, 429)
            try:
                data = handler(request)
            except BitgetError as error:
                return json_response({"code": error.code, "msg": str(error), **envelope, "data": None}, 400)
            return json_response({"code": "00000", "msg": "success", **envelope, "data": data})

        return answer

    def _family(self, request: web.Request) -> str:
        family = request.query.get("productType", "").upper()
        if family not in FAMILIES:
            raise BitgetError("40019", f"Parameter {request.query.get('productType', 'productType')} cannot be empty")
        return family

    def _listed(self, request: web.Request) -> list[Listing]:
        """What a family lists; one of it, if the request names it. A wrong family may still be answered."""
        family = self._family(request)
        symbol = request.query.get("symbol", "").upper()
        if not symbol:
            return list(self.exchange.visible(family))
        return [self._find(symbol)]

    def _find(self, symbol: str) -> Listing:
        listing = self.exchange.find(symbol)
        if listing is None:
            raise BitgetError("40034", f"Parameter {symbol} does not exist")
        return listing

    def _one(self, request: web.Request) -> Listing:
        self._family(request)
        return self._find(request.query.get("symbol", "").upper())

    def time(self, _request: web.Request) -> dict[str, str]:
        return {"serverTime": str(self.exchange.now_ms)}

    def contracts(self, request: web.Request) -> list[dict[str, Any]]:
        return [self._contract(row) for row in self._listed(request)]

    def _contract(self, listing: Listing) -> dict[str, Any]:
        step = f"{listing.lot:.{listing.size_decimals}f}"
        collateral = ["BTC", "ETH", "USDC", "XRP", "BGB"] if listing.host == COIN else [listing.quote]
        ending = listing.status in (HALTED, CLOSED) and listing.exchange_symbol in self.exchange.ending
        return {
            "symbol": listing.exchange_symbol,
            "baseCoin": listing.base,
            "quoteCoin": listing.quote,
            "buyLimitPriceRatio": "0.01",
            "sellLimitPriceRatio": "0.01",
            "feeRateUpRatio": "0.005",
            "makerFeeRate": "0.0002",
            "takerFeeRate": "0.0006",
            "openCostUpRatio": "0.01",
            "supportMarginCoins": collateral,
            "minTradeNum": step,
            "priceEndStep": "1",
            "volumePlace": str(listing.size_decimals),
            "pricePlace": str(listing.price_decimals),
            "sizeMultiplier": step,
            "symbolType": "perpetual" if listing.perpetual else "delivery",
            "minTradeUSDT": "5",
            "maxSymbolOrderNum": "200",
            "maxProductOrderNum": "400",
            "maxPositionNum": "150",
            "symbolStatus": "limit_open" if ending and listing.status == HALTED else STATUS_WORDS[listing.status],
            "offTime": str(listing.listed_ms + 1000 * HOUR_MS) if listing.status == CLOSED else "-1",
            "limitOpenTime": str(self.exchange.now_ms // HOUR_MS * HOUR_MS) if ending else "-1",
            "deliveryTime": str(listing.delivery_ms) if listing.delivery_ms else "",
            "deliveryStartTime": "" if listing.perpetual else str(listing.listed_ms),
            "deliveryPeriod": "" if listing.perpetual else "this_quarter",
            "launchTime": str(listing.listed_ms) if listing.asset.rank > 100 else "",
            "fundInterval": str(listing.funding_interval_h) if listing.perpetual else "",
            "minLever": "1",
            "maxLever": "125" if listing.asset.rank < 12 else "50",
            "posLimit": "0.05",
            "maintainTime": "",
            "openTime": "",
            "maxMarketOrderQty": "220",
            "maxOrderQty": "1200",
            "isRwa": "YES" if listing.extra["rwa"] else "NO",
        }

    def _ticker(self, listing: Listing) -> dict[str, Any]:
        row: dict[str, Any] = {**ticker_row(self.exchange, listing), "usdtVolume": ""}
        row["usdtVolume"] = row["quoteVolume"]
        row["deliveryStartTime"] = None
        row["deliveryTime"] = str(listing.delivery_ms) if listing.delivery_ms else None
        row["deliveryStatus"] = "" if listing.perpetual else "delivery_normal"
        return row

    def tickers(self, request: web.Request) -> list[dict[str, Any]]:
        return [self._ticker(row) for row in self.exchange.trading(self._family(request))]

    def ticker(self, request: web.Request) -> list[dict[str, Any]]:
        return [self._ticker(self._one(request))]

    def fund_rates(self, request: web.Request) -> list[dict[str, Any]]:
        exchange = self.exchange
        rows: list[dict[str, Any]] = []
        for listing in self._listed(request):
            if listing.perpetual and listing.status != PRELAUNCH:
                cap = "0.003" if listing.asset.rank < 12 else "0.02"
                rows.append(
                    {
                        "symbol": listing.exchange_symbol,
                        "fundingRate": f"{exchange.market.funding_rate[listing.index]:.6f}",
                        "fundingRateInterval": str(listing.funding_interval_h),
                        "nextUpdate": str(exchange.next_funding_ms(listing)),
                        "minFundingRate": f"-{cap}",
                        "maxFundingRate": cap,
                    }
                )
        if self._family(request) == USDT and "symbol" not in request.query:
            empty = {"minFundingRate": None, "maxFundingRate": None}
            nothing = {"fundingRate": "0", "fundingRateInterval": "8", "nextUpdate": "0"}
            rows += [{"symbol": symbol, **nothing, **empty} for symbol in TEST_SYMBOLS]
        return rows

    def fund_history(self, request: web.Request) -> list[dict[str, str]]:
        listing = self._one(request)
        size, page = request.query.get("pageSize", "20"), request.query.get("pageNo", "1")
        if not size.isdigit() or not page.isdigit() or not 1 <= int(size) <= 100 or int(page) < 1:
            raise BitgetError("40020", "Parameter pageSize error")
        period = listing.funding_interval_h * HOUR_MS
        newest = self.exchange.now_ms // period * period
        rows = []
        for number in range((int(page) - 1) * int(size), int(page) * int(size)):
            at = newest - number * period
            chance = random.Random(f"{self.exchange.seed}:{listing.exchange_symbol}:{at}")
            rate = float(self.exchange.market.settled_rate[listing.index]) + chance.gauss(0, 0.00004)
            rows.append({"symbol": listing.exchange_symbol, "fundingRate": f"{rate:.6f}", "fundingTime": str(at)})
        return rows

    def funding_time(self, request: web.Request) -> list[dict[str, str]]:
        listing = self._one(request)
        return [
            {
                "symbol": listing.exchange_symbol,
                "nextFundingTime": str(self.exchange.next_funding_ms(listing)),
                "ratePeriod": str(listing.funding_interval_h),
            }
        ]

    def open_interest(self, request: web.Request) -> dict[str, Any]:
        listing = self._one(request)
        size = ticker_row(self.exchange, listing)["holdingAmount"]
        rows = [{"symbol": listing.exchange_symbol, "size": size}]
        return {"openInterestList": rows, "ts": str(self.exchange.now_ms)}

    def merge_depth(self, request: web.Request) -> dict[str, Any]:
        listing = self._one(request)
        limit = DEPTH_LIMITS.get(request.query.get("limit", "100"))
        if limit is None:
            raise BitgetError("40020", "Parameter limit error")
        book = self.exchange.book(listing)
        tick, lot, pd, sd = listing.tick, listing.lot, listing.price_decimals, listing.size_decimals

        def numbers(levels: list[tuple[int, int]]) -> list[list[float]]:
            return [[round(price * tick, pd), round(lots * lot, sd)] for price, lots in levels]

        return {
            "asks": numbers(book.asks.top(min(limit, BOOK_LEVELS))),
            "bids": numbers(book.bids.top(min(limit, BOOK_LEVELS))),
            "ts": str(self.exchange.now_ms),
            "scale": str(round(tick, pd)),
            "precision": "scale0",
            "isMaxPrecision": "YES" if limit == DEPTH_LIMITS["max"] else "NO",
        }

    def fills(self, request: web.Request) -> list[dict[str, str]]:
        listing = self._one(request)
        price = f"{self.exchange.market.last[listing.index]:.{listing.price_decimals}f}"
        now_ms = self.exchange.now_ms
        return [
            {
                "tradeId": str(1_344_084_387_322_626_071 - number),
                "price": price,
                "size": f"{listing.lot * (number + 1):.{listing.size_decimals}f}",
                "side": "Buy" if number % 2 else "Sell",
                "ts": str(now_ms - 250 * number),
                "symbol": listing.exchange_symbol,
            }
            for number in range(100)
        ]
