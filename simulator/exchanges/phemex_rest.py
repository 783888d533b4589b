"""REST of Phemex: products, tickers, funding and books of both protocols, in their two envelopes."""

import random
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from simulator.book import BOOK_LEVELS
from simulator.exchanges.base import json_response
from simulator.exchanges.phemex_listings import COIN, LINEAR
from simulator.limits import SlidingWindow
from simulator.universe import CLOSED, Listing

if TYPE_CHECKING:
    from simulator.exchanges.phemex import Phemex

PRICE_SCALE, RATIO_SCALE, COIN_SCALE = 4, 8, 8  # exponents of the scaled integers: price, ratio, value in coins
BOOK_DEPTH = 30
DEFAULT_PAGE, LARGEST_PAGE = 20, 200
LARGEST_HISTORY = 100
FIVE_MINUTES_S = 300.0
PACK_FIELDS = (
    *("symbol", "openRp", "highRp", "lowRp", "lastRp", "volumeRq", "turnoverRv", "openInterestRv", "indexRp"),
    *("markRp", "fundingRateRr", "predFundingRateRr", "bidRp", "askRp"),
)
CURRENCIES = (("BTC", 8), ("USD", 4), ("USDT", 8), ("USDC", 8))

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class UnknownSymbol(ValueError):
    """A request that is answered with 6001, invalid argument."""


def index_symbol(listing: Listing) -> str:
    return f".{listing.base}" if listing.host == COIN else f".{listing.exchange_symbol}"


def mark_symbol(listing: Listing) -> str:
    return f".M{index_symbol(listing)[1:]}"


def pack_row(exchange: "Phemex", listing: Listing) -> list[str]:
    """A row of perp_market24h_pack_p, in the order of PACK_FIELDS: real units as decimal strings."""
    market, i = exchange.market, listing.index
    pd, mark = listing.price_decimals, float(market.mark[i])
    volume = market.volume_notional[i]
    rate = f"{market.funding_rate[i]:.8f}"
    return [
        listing.exchange_symbol,
        f"{market.open[i]:.{pd}f}",
        f"{market.high[i]:.{pd}f}",
        f"{market.low[i]:.{pd}f}",
        f"{market.last[i]:.{pd}f}",
        f"{volume / mark:.3f}",
        f"{volume:.4f}",
        f"{market.open_interest_notional[i] / mark:.4f}",
        f"{market.index[i]:.{pd + 3}f}",
        f"{mark:.{pd + 2}f}",
        rate,
        rate,
        f"{market.bid_ticks[i] * listing.tick:.{pd}f}",
        f"{market.ask_ticks[i] * listing.tick:.{pd}f}",
    ]


def coin_row(exchange: "Phemex", listing: Listing) -> dict[str, Any]:
    """What market24h says of a coin-margined contract: scaled integers, volume and interest in dollars."""
    market, i = exchange.market, listing.index
    volume, mark = float(market.volume_notional[i]), float(market.mark[i])

    def scaled(price: float) -> int:
        return round(price * 10**PRICE_SCALE)

    rate = round(float(market.funding_rate[i]) * 10**RATIO_SCALE)
    return {
        "close": scaled(market.last[i]),
        "fundingRate": rate,
        "high": scaled(market.high[i]),
        "indexPrice": scaled(market.index[i]),
        "low": scaled(market.low[i]),
        "markPrice": scaled(mark),
        "open": scaled(market.open[i]),
        "openInterest": int(market.open_interest_notional[i]),
        "predFundingRate": rate,
        "symbol": listing.exchange_symbol,
        "turnover": round(volume / mark * 10**COIN_SCALE),
        "volume": int(volume),
    }


def ticker_24h(row: list[str]) -> dict[str, str]:
    """market24h_p and /md/v2: the pack's row under its older names, and without the touch."""
    fields = dict(zip(PACK_FIELDS, row, strict=True))
    for old, new in (("closeRp", "lastRp"), ("indexPriceRp", "indexRp"), ("markPriceRp", "markRp")):
        fields[old] = fields.pop(new)
    del fields["bidRp"], fields["askRp"]
    return dict(sorted(fields.items()))


class PhemexRest:
    """Handlers of all paths."""

    def __init__(self, exchange: "Phemex") -> None:
        self.exchange = exchange
        self._total = SlidingWindow(exchange.settings["requests_per_5min"], FIVE_MINUTES_S)
        self._groups: dict[str, SlidingWindow] = {}

    def routes(self) -> list[web.RouteDef]:
        plain: dict[str, Callable[[web.Request], object]] = {
            "/public/time": lambda _: {"serverTime": self.exchange.now_ms},
            "/public/products": self.products,
            "/public/products-plus": self.products_plus,
            "/contract-biz/public/real-funding-rates": self.funding_rates,
            "/api-data/public/data/funding-rate-history": self.funding_history,
        }
        data: dict[str, Callable[[web.Request], object]] = {
            "/md/v3/ticker/24hr/all": lambda _: [self._ticker(row) for row in self.exchange.trading(LINEAR)],
            "/md/v3/ticker/24hr": lambda request: self._ticker(self._listing(request, LINEAR)),
            "/md/v2/ticker/24hr/all": lambda _: [self._old_ticker(row) for row in self.exchange.trading(LINEAR)],
            "/md/v2/ticker/24hr": lambda request: self._old_ticker(self._listing(request, LINEAR)),
            "/md/v1/ticker/24hr/all": lambda _: [self._coin_ticker(row) for row in self.exchange.trading(COIN)],
            "/md/v1/ticker/24hr": lambda request: self._coin_ticker(self._listing(request, COIN)),
            "/md/v2/orderbook": lambda request: self._book(request, LINEAR, BOOK_DEPTH),
            "/md/v2/fullbook": lambda request: self._book(request, LINEAR, BOOK_LEVELS),
            "/md/orderbook": lambda request: self._book(request, COIN, BOOK_DEPTH),
            "/md/fullbook": lambda request: self._book(request, COIN, BOOK_LEVELS),
            "/md/v2/trade": lambda request: self.exchange.trades_body(self._listing(request, LINEAR)),
            "/md/trade": lambda request: self.exchange.trades_body(self._listing(request, COIN)),
        }
        return [
            *(web.get(path, self._limited(self._plain(handler))) for path, handler in plain.items()),
            *(web.get(path, self._limited(self._data(handler))) for path, handler in data.items()),
            web.get("/{path:.*}", self._unknown_path),
        ]

    async def _unknown_path(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(status=403)

    def _limited(self, handler: Callable[[web.Request], web.Response]) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            refusal = self.exchange.rest_guard()
            if refusal is not None:
                return refusal
            now, group = time.monotonic(), request.path.split("/")[1]
            settings = self.exchange.settings
            window = self._groups.setdefault(group, SlidingWindow(settings["requests_per_minute"], 60.0))
            window.limit, self._total.limit = settings["requests_per_minute"], settings["requests_per_5min"]
            if not window.allow(now) or not self._total.allow(now):
                body = {"code": "429", "msg": "Too many requests"}
                return json_response(body, 429, {f"x-ratelimit-retry-after-{group}": "60"})
            response = handler(request)
            response.headers[f"x-ratelimit-capacity-{group}"] = f"{window.limit:.0f}"
            return response

        return answer

    def _plain(self, handler: Callable[[web.Request], object]) -> Callable[[web.Request], web.Response]:
        return lambda request: json_response({"code": 0, "msg": "OK", "data": handler(request)})

    def _data(self, handler: Callable[[web.Request], object]) -> Callable[[web.Request], web.Response]:
        def answer(request: web.Request) -> web.Response:
            try:
                return json_response({"error": None, "id": 0, "result": handler(request)})
            except UnknownSymbol:
                error = {"code": 6001, "message": "invalid argument"}
                return json_response({"error": error, "id": None, "result": None}, 500)

        return answer

    def _listing(self, request: web.Request, host: str) -> Listing:
        listing = self.exchange.find(request.query.get("symbol", ""))
        if listing is None or listing.host != host:
            raise UnknownSymbol
        return listing

    # Products.

    def products(self, _request: web.Request) -> dict[str, Any]:
        coin = [self._coin_product(row) for row in self.exchange.visible(COIN)]
        return {
            "currencies": [
                {"currency": name, "code": code, "valueScale": scale, "status": "Listed"}
                for code, (name, scale) in enumerate(CURRENCIES, 1)
            ],
            "products": [*coin, _old_usd_product(), _spot_product()],
            "perpProductsV2": [self._linear_product(row) for row in self.exchange.visible(LINEAR)],
            "perpProductsPilot": None,
            "ratioScale": RATIO_SCALE,
        }

    def products_plus(self, request: web.Request) -> dict[str, Any]:
        body = self.products(request)
        for product in (*body["products"], *body["perpProductsV2"]):
            listed = product.get("listTime", 0)
            product["timeline"] = [listed, listed, 0, listed + 86_400_000 if product["status"] == "Delisted" else 0]
        return body

    def _common(self, listing: Listing) -> dict[str, Any]:
        stem = listing.exchange_symbol
        return {
            "symbol": stem,
            "code": 41_541 + listing.index,
            "displaySymbol": f"{listing.base} / {listing.quote}",
            "indexSymbol": index_symbol(listing),
            "markSymbol": mark_symbol(listing),
            "fundingRateSymbol": f".{stem}FR",
            "fundingRate8hSymbol": f".{stem}FR8H",
            "settleCurrency": listing.settle,
            "quoteCurrency": listing.quote,
            # There is no word for a halt: its book just stands still.
            "status": "Delisted" if listing.status == CLOSED else "Listed",
            "listTime": listing.listed_ms,
            "fundingInterval": listing.funding_interval_h * 3600,
            "maxLeverage": 100,
        }

    def _linear_product(self, listing: Listing) -> dict[str, Any]:
        return self._common(listing) | {
            "perpProductSubType": listing.extra["type"],
            "type": "PerpetualV2",
            "contractUnderlyingAssets": listing.base,
            "baseCurrency": listing.base,
            "tickSize": f"{listing.tick:.{listing.price_decimals}f}",
            "priceScale": 0,
            "ratioScale": 0,
            "pricePrecision": listing.price_decimals,
            "qtyPrecision": listing.size_decimals,
            "qtyStepSize": f"{listing.lot:.{listing.size_decimals}f}",
            "minOrderValueRv": "1",
            "maxOrderQtyRq": "1000000",
        }

    def _coin_product(self, listing: Listing) -> dict[str, Any]:
        return self._common(listing) | {
            "type": "Perpetual",
            "contractUnderlyingAssets": "USD",
            "contractSize": listing.contract,
            "lotSize": int(listing.lot),
            "tickSize": listing.tick,
            "priceScale": PRICE_SCALE,
            "ratioScale": RATIO_SCALE,
            "pricePrecision": listing.price_decimals,
        }

    # Tickers, funding and books.

    def _ticker(self, listing: Listing) -> dict[str, Any]:
        fields = dict(zip(PACK_FIELDS, pack_row(self.exchange, listing), strict=True))
        return dict(sorted(fields.items())) | {"timestamp": self.exchange.now_ns}

    def _old_ticker(self, listing: Listing) -> dict[str, Any]:
        return ticker_24h(pack_row(self.exchange, listing)) | {"timestamp": self.exchange.now_ns}

    def _coin_ticker(self, listing: Listing) -> dict[str, Any]:
        return coin_row(self.exchange, listing) | {"timestamp": self.exchange.now_ns}

    def funding_rates(self, request: web.Request) -> dict[str, Any]:
        """The rates of all contracts, in pages of 20 unless more are asked for."""
        exchange = self.exchange
        symbol = request.query.get("symbol", "ALL")
        rows: Iterable[Listing] = exchange.trading()
        if symbol != "ALL":
            rows = [row for row in rows if row.exchange_symbol == symbol]
        size = min(_integer(request, "pageSize", DEFAULT_PAGE), LARGEST_PAGE)
        start = (max(_integer(request, "pageNum", 1), 1) - 1) * size
        found = list(rows)
        now_ms = exchange.now_ms
        page = []
        for listing in found[start : start + size]:
            next_ms = exchange.next_funding_ms(listing)
            page.append(
                {
                    "symbol": listing.exchange_symbol,
                    "fundingInterval": listing.funding_interval_h * 3600,
                    "toNextfundingInterval": max(0, (next_ms - now_ms) // 1000),
                    "nextfundingTime": next_ms,
                    "fundingRate": f"{exchange.market.funding_rate[listing.index]:.8f}",
                    "interestRate": "0.0001",
                    "fundingRateCap": "0.02",
                    "fundingRateFloor": "-0.02",
                }
            )
        return {"total": len(found), "rows": page}

    def funding_history(self, request: web.Request) -> dict[str, Any]:
        wanted = request.query.get("symbol", "")
        listing = next((row for row in self.exchange.visible() if wanted == f".{row.exchange_symbol}FR8H"), None)
        if listing is None:
            return {"rows": []}
        limit = min(_integer(request, "limit", LARGEST_HISTORY), LARGEST_HISTORY)
        period = listing.funding_interval_h * 3_600_000
        end = min(_integer(request, "end", self.exchange.now_ms), self.exchange.now_ms)
        start = max(_integer(request, "start", 0), end - period * limit)
        rows = []
        for at in range(start // period * period + period, end + 1, period):
            chance = random.Random(f"{self.exchange.seed}:{listing.exchange_symbol}:{at}")
            rate = self.exchange.market.settled_rate[listing.index] + chance.gauss(0, 0.00004)
            row = {"symbol": wanted, "fundingRate": f"{rate:.8f}", "fundingTime": at}
            rows.append(row | {"intervalSeconds": period // 1000})
        return {"rows": rows[:limit]}

    def _book(self, request: web.Request, host: str, depth: int) -> dict[str, Any]:
        listing = self._listing(request, host)
        book = self.exchange.book(listing)
        return self.exchange.book_body(listing, depth, "snapshot", book.bids.top(depth), book.asks.top(depth))


def _integer(request: web.Request, key: str, default: int) -> int:
    text = request.query.get(key, "")
    return int(text) if text.isdigit() else default


def _old_usd_product() -> dict[str, Any]:
    """One of 151 contracts of 2021, linear and paid in dollars: all are delisted."""
    return {
        "symbol": "ETHUSD",
        "type": "Perpetual",
        "displaySymbol": "ETH / USD",
        "indexSymbol": ".ETH",
        "markSymbol": ".METH",
        "contractUnderlyingAssets": "ETH",
        "settleCurrency": "USD",
        "quoteCurrency": "USD",
        "contractSize": 0.005,
        "lotSize": 1,
        "tickSize": 0.05,
        "priceScale": PRICE_SCALE,
        "ratioScale": RATIO_SCALE,
        "status": "Delisted",
    }


def _spot_product() -> dict[str, Any]:
    """The token OL: its id is that of SOLUSDT but for the case of one letter."""
    return {
        "symbol": "sOLUSDT",
        "type": "Spot",
        "displaySymbol": "OL / USDT",
        "quoteCurrency": "USDT",
        "baseCurrency": "OL",
        "priceScale": 8,
        "ratioScale": 8,
        "status": "Listed",
    }
