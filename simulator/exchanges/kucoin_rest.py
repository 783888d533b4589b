"""REST of KuCoin futures: contracts, tickers, books, funding, the clock, and tokens for the socket.

Every answer but "not found" is HTTP 200 with a code of its own inside. Sizes are lots.
"""

import random
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from simulator.exchanges.base import json_response
from simulator.universe import CLOSED, HALTED, LIVE, PRELAUNCH, Listing

if TYPE_CHECKING:
    from simulator.exchanges.kucoin import Kucoin

WINDOW_S = 30.0
STATUS_WORDS = {LIVE: "Open", HALTED: "Paused", CLOSED: "Closed", PRELAUNCH: "Init"}
ASSET_CLASSES = {"crypto": "CRYPTO", "equity": "STOCK", "preipo": "STOCK", "commodity": "COMMODITY"}
METALS = frozenset({"XAU", "XAG", "XPT"})
HISTORY_ROWS = 100

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ApiError(Exception):
    """A request that KuCoin refuses with a code of its own, in an answer of HTTP 200."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


class KucoinRest:
    """Handlers of /api/v1, with the weights that the public pool of one address is charged."""

    def __init__(self, exchange: "Kucoin") -> None:
        self.exchange = exchange
        self.tokens: dict[str, float] = {}  # token -> until when it opens a socket, monotonic s
        self._charges: deque[tuple[float, int]] = deque()

    def routes(self) -> list[web.RouteDef]:
        table: list[tuple[str, int, Callable[[web.Request], Any]]] = [
            ("/api/v1/contracts/active", 3, self.contracts),
            ("/api/v1/contracts/{symbol}", 3, self.contract),
            ("/api/v1/allTickers", 5, self.all_tickers),
            ("/api/v1/ticker", 2, self.ticker),
            ("/api/v1/level2/depth20", 5, lambda request: self.book(request, 20)),
            ("/api/v1/level2/depth100", 10, lambda request: self.book(request, 100)),
            ("/api/v1/level2/snapshot", 3, lambda request: self.book(request, None)),
            ("/api/v1/mark-price/{symbol}/current", 3, self.mark_price),
            ("/api/v1/funding-rate/{symbol}/current", 2, self.funding_rate),
            ("/api/v1/contract/funding-rates", 5, self.funding_history),
            ("/api/ua/v2/market/funding-rate", 5, self.all_funding),
            ("/api/v1/timestamp", 2, lambda _: self.exchange.now_ms),
            ("/api/v1/status", 4, lambda _: {"status": "open", "msg": ""}),
        ]
        routes = [web.get(path, self._enveloped(weight, handler)) for path, weight, handler in table]
        routes.append(web.post("/api/v1/bullet-public", self._enveloped(10, self.bullet)))
        routes.append(web.get("/api/{rest:.*}", self._not_found))
        return routes

    def _enveloped(self, weight: int, handler: Callable[[web.Request], Any]) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            refusal = self.exchange.rest_guard()
            if refusal is not None:
                return refusal
            headers = self._charge(weight)
            if int(headers["gw-ratelimit-remaining"]) < 0:
                headers["gw-ratelimit-remaining"] = "0"
                return json_response({"code": "429000", "msg": "Too Many Requests"}, 429, headers)
            try:
                return json_response({"code": "200000", "data": handler(request)}, headers=headers)
            except ApiError as error:
                return json_response({"msg": error.text, "code": error.code}, headers=headers)

        return answer

    def _charge(self, weight: int) -> dict[str, str]:
        """Count a request; the headers say what is left, less than nothing if it is too much."""
        now = time.monotonic()
        while self._charges and self._charges[0][0] <= now - WINDOW_S:
            self._charges.popleft()
        limit = int(self.exchange.settings["weight_per_30s"])
        left = limit - sum(charged for _, charged in self._charges) - weight
        if left >= 0:
            self._charges.append((now, weight))
        reset_s = WINDOW_S - (now - self._charges[0][0]) if self._charges else WINDOW_S
        return {
            "gw-ratelimit-limit": str(limit),
            "gw-ratelimit-remaining": str(left),
            "gw-ratelimit-reset": str(int(reset_s * 1000)),
        }

    async def _not_found(self, _request: web.Request) -> web.StreamResponse:
        return json_response({"code": "404", "msg": "Not Found", "retry": False, "success": False}, 404)

    def _listing(self, symbol: str) -> Listing:
        listing = self.exchange.find(symbol)
        if listing is None or listing.status == CLOSED:
            raise ApiError("200003", "Invalid symbol.")
        return listing

    # Handlers.

    def bullet(self, request: web.Request) -> dict[str, Any]:
        """A token, and where to take it: the address this was asked at."""
        now = time.monotonic()
        self.tokens = {token: until for token, until in self.tokens.items() if until > now - WINDOW_S}
        token = secrets.token_urlsafe(48)
        expired = self.exchange.faults.tokens_expire
        self.tokens[token] = 0.0 if expired else now + self.exchange.settings["token_ttl_s"]
        scheme = "wss" if request.headers.get("X-Forwarded-Proto") == "https" else "ws"
        server = {
            "endpoint": f"{scheme}://{request.host}/",
            "encrypt": True,
            "protocol": "websocket",
            "pingInterval": int(self.exchange.settings["ping_interval_ms"]),
            "pingTimeout": 10000,
        }
        return {"token": token, "instanceServers": [server]}

    def contracts(self, _request: web.Request) -> list[dict[str, Any]]:
        """What is open or halted; a delisted contract is not there any more."""
        return [self.contract_row(row) for row in self.exchange.visible() if row.status != CLOSED]

    def contract(self, request: web.Request) -> dict[str, Any]:
        listing = self.exchange.find(request.match_info["symbol"])
        if listing is None:
            raise ApiError("404000", "The contract information you requested does not exist.")
        return self.contract_row(listing)

    def contract_row(self, listing: Listing) -> dict[str, Any]:
        exchange, market, i = self.exchange, self.exchange.market, listing.index
        inverse = listing.kind == "inverse"
        mark, last = float(market.mark[i]), float(market.last[i])
        volume = float(market.volume_notional[i])
        interest = float(market.open_interest_notional[i]) / (listing.contract if inverse else listing.contract * mark)
        next_ms = exchange.next_funding_ms(listing) if listing.perpetual else None
        asset_class = listing.asset.asset_class
        cap = 0.003 if listing.asset.rank < 12 else 0.02
        metal = listing.asset.key in METALS
        return {
            "symbol": listing.exchange_symbol,
            "rootSymbol": listing.base if inverse else listing.quote,
            "type": "FFWCSX" if listing.perpetual else "FFICSX",
            "firstOpenDate": listing.listed_ms,
            "expireDate": None if listing.perpetual else listing.delivery_ms,
            "settleDate": None if listing.perpetual else listing.delivery_ms,
            "baseCurrency": listing.base,
            "displayBaseCurrency": "BTC" if listing.base == "XBT" else _display_name(listing),
            "quoteCurrency": listing.quote,
            "settleCurrency": listing.settle,
            "maxOrderQty": 1_000_000,
            "maxPrice": round(listing.start_price * 50, listing.price_decimals),
            "lotSize": 1,
            "tickSize": float(f"{listing.tick:.{listing.price_decimals}f}"),
            "indexPriceTickSize": 0.01,
            "multiplier": -1.0 if inverse else float(f"{listing.contract:.9g}"),
            "makerFeeRate": 2.0e-4,
            "takerFeeRate": 6.0e-4,
            "isDeleverage": True,
            "isQuanto": listing.asset.rank < 13 and not inverse,  # as on the wire, where it means nothing
            "isInverse": inverse,
            "markMethod": "FairPrice",
            "indexSymbol": f".K{listing.base}{listing.quote}",
            "status": STATUS_WORDS[listing.status],
            "fundingFeeRate": round(float(market.funding_rate[i]), 6) if listing.perpetual else None,
            "predictedFundingFeeRate": None,
            "lastTimeFundingRate": round(float(market.settled_rate[i]), 6) if listing.perpetual else None,
            "fundingRateGranularity": listing.funding_interval_h * 3_600_000 if listing.perpetual else None,
            "fundingRateCap": cap if listing.perpetual else None,
            "fundingRateFloor": -cap if listing.perpetual else None,
            "openInterest": f"{interest:.0f}",
            "turnoverOf24h": volume / mark if inverse else volume,
            "volumeOf24h": round(volume) if inverse else volume / mark,
            "markPrice": round(mark, listing.price_decimals + 1),
            "indexPrice": round(float(market.index[i]), listing.price_decimals + 1),
            "lastTradePrice": round(last, listing.price_decimals),
            "buyLimit": None if inverse else round(float(market.index[i]) * 1.05, listing.price_decimals),
            "sellLimit": None if inverse else round(float(market.index[i]) * 0.95, listing.price_decimals),
            "highPrice": round(float(market.high[i]), listing.price_decimals),
            "lowPrice": round(float(market.low[i]), listing.price_decimals),
            "priceChgPct": round(last / float(market.open[i]) - 1, 4),
            "nextFundingRateTime": None if next_ms is None else next_ms - exchange.now_ms,  # a countdown
            "nextFundingRateDateTime": next_ms,
            "sourceExchanges": ["okex", "binance", "kucoin"],
            "assetClass": "METAL" if metal else ASSET_CLASSES.get(asset_class, "CRYPTO"),
            "marketType": "NASDAQ" if asset_class == "equity" else None,
            "marketStage": listing.extra.get("stage", "NORMAL"),
        }

    def all_tickers(self, _request: web.Request) -> list[dict[str, Any]]:
        return [self._ticker_row(row) for row in self.exchange.trading()]

    def ticker(self, request: web.Request) -> dict[str, Any]:
        return self._ticker_row(self._listing(request.query.get("symbol", "")))

    def _ticker_row(self, listing: Listing) -> dict[str, Any]:
        market, i = self.exchange.market, listing.index
        tick, pd = listing.tick, listing.price_decimals
        sequence = self.exchange.top_ids[i]
        return {
            "sequence": sequence,
            "symbol": listing.exchange_symbol,
            "side": "buy" if market.last[i] > market.bid_ticks[i] * tick else "sell",
            "size": max(1, int(market.bid_lots[i]) // 5),
            "tradeId": str(sequence),
            "price": f"{market.last[i]:.{pd}f}",
            "bestBidPrice": f"{market.bid_ticks[i] * tick:.{pd}f}",
            "bestBidSize": int(market.bid_lots[i]),
            "bestAskPrice": f"{market.ask_ticks[i] * tick:.{pd}f}",
            "bestAskSize": int(market.ask_lots[i]),
            "ts": self.exchange.top_ns(i),
        }

    def book(self, request: web.Request, depth: int | None) -> dict[str, Any]:
        """A book; the whole one continues in the changes of `level2`."""
        listing = self._listing(request.query.get("symbol", ""))
        sequence, bids, asks = self.exchange.whole_book(listing)
        tick, pd = listing.tick, listing.price_decimals
        return {
            "sequence": sequence,
            "symbol": listing.exchange_symbol,
            "bids": [[round(price * tick, pd), lots] for price, lots in bids[:depth]],
            "asks": [[round(price * tick, pd), lots] for price, lots in asks[:depth]],
            "ts": self.exchange.step_ms * 1_000_000,
        }

    def mark_price(self, request: web.Request) -> dict[str, Any]:
        listing = self._listing(request.match_info["symbol"])
        market, i = self.exchange.market, listing.index
        return {
            "symbol": listing.exchange_symbol,
            "granularity": 1000,
            "timePoint": self.exchange.now_ms // 1000 * 1000,
            "value": round(float(market.mark[i]), listing.price_decimals + 1),
            "indexPrice": round(float(market.index[i]), listing.price_decimals + 1),
        }

    def _perpetual(self, symbol: str) -> Listing:
        listing = self._listing(symbol)
        if not listing.perpetual:
            raise ApiError("200003", "Invalid symbol.")
        return listing

    def funding_rate(self, request: web.Request) -> dict[str, Any]:
        listing = self._perpetual(request.match_info["symbol"])
        market, i = self.exchange.market, listing.index
        next_ms, period_ms = self.exchange.next_funding_ms(listing), listing.funding_interval_h * 3_600_000
        cap = 0.003 if listing.asset.rank < 12 else 0.02
        return {
            "symbol": f".{listing.exchange_symbol}FPI{listing.funding_interval_h}H",
            "granularity": period_ms,
            "timePoint": next_ms - period_ms,
            "value": round(float(market.funding_rate[i]), 6),
            "fundingRateCap": cap,
            "fundingRateFloor": -cap,
            "period": 1,
            "fundingTime": next_ms,
            "dailyInterestRate": 0.0003,
            "lastTimeFundingRate": round(float(market.settled_rate[i]), 6),
        }

    def all_funding(self, _request: web.Request) -> list[dict[str, Any]]:
        rows = []
        for listing in self.exchange.visible():
            if listing.perpetual and listing.status != CLOSED:
                rate = round(float(self.exchange.market.funding_rate[listing.index]), 6)
                rows.append(
                    {
                        "symbol": listing.exchange_symbol,
                        "nextFundingRate": rate,
                        "currentGranularity": listing.funding_interval_h * 3_600_000,
                        "fundingTime": self.exchange.next_funding_ms(listing),
                    }
                )
        return rows

    def funding_history(self, request: web.Request) -> list[dict[str, Any]]:
        listing = self._perpetual(request.query.get("symbol", ""))
        try:
            start, end = int(request.query.get("from", "")), int(request.query.get("to", ""))
        except ValueError:
            raise ApiError("400100", "from and to are required.") from None
        period_ms = listing.funding_interval_h * 3_600_000
        rows: list[dict[str, Any]] = []
        at = min(end, self.exchange.now_ms) // period_ms * period_ms
        while at >= start and len(rows) < HISTORY_ROWS:
            chance = random.Random(f"{self.exchange.seed}:{listing.exchange_symbol}:{at}")
            rate = float(self.exchange.market.settled_rate[listing.index]) + chance.gauss(0, 0.00004)
            rows.append({"symbol": listing.exchange_symbol, "fundingRate": round(rate, 6), "timepoint": at})
            at -= period_ms
        return rows


def _display_name(listing: Listing) -> str:
    return listing.base if listing.asset.key.isascii() else listing.asset.key
