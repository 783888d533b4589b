"""REST of OKX v5, and the rows that REST and the websocket channels share. All numbers and times are strings."""

import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from simulator.book import Levels
from simulator.exchanges.base import json_response
from simulator.limits import SlidingWindow
from simulator.universe import HALTED, LIVE, PRELAUNCH, Listing

if TYPE_CHECKING:
    from simulator.exchanges.okx import Okx

HOUR_MS = 3_600_000
LARGEST_BOOK = 400
STATES = {LIVE: "live", HALTED: "suspend", PRELAUNCH: "preopen"}
CATEGORIES = {"crypto": "1", "equity": "3", "preipo": "3", "index": "1", "commodity": "4", "fx": "5"}
PREOPEN_BLANK = ("ctVal", "ctMult", "ctValCcy", "lever", "lotSz", "maxLmtSz", "maxMktSz", "minSz", "tickSz")

Row = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class OkxError(Exception):
    """An answer with HTTP 200 and a code other than 0."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


UNKNOWN_INSTRUMENT = ("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")


def trim(value: float, decimals: int) -> str:
    """A number without trailing zeros, as OKX writes them."""
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def level_rows(listing: Listing, levels: Levels) -> list[list[str]]:
    """[price, contracts, "0", orders]; a level that is gone has size and orders 0."""
    tick, lot, pd, sd = listing.tick, listing.lot, listing.price_decimals, listing.size_decimals
    return [
        [trim(price * tick, pd), trim(lots * lot, sd), "0", str(1 + lots % 9 if lots else 0)] for price, lots in levels
    ]


class OkxRest:
    """Handlers of /api/v5."""

    def __init__(self, exchange: "Okx") -> None:
        self.exchange = exchange

    def routes(self) -> list[web.RouteDef]:
        table: dict[str, tuple[Callable[[web.Request], list[Row]], int]] = {
            # path -> handler, requests per 2 s
            "public/time": (self.time, 10),
            "public/instruments": (self.instruments, 20),
            "market/tickers": (self.tickers, 20),
            "public/mark-price": (self.mark_price, 10),
            "market/index-tickers": (self.index_tickers, 20),
            "public/funding-rate": (self.funding_rate, 10),
            "public/funding-rate-history": (self.funding_history, 10),
            "public/open-interest": (self.open_interest, 20),
            "market/books": (self.books, 40),
            "system/status": (lambda _request: [], 1),
        }
        return [web.get(f"/api/v5/{path}", self._enveloped(handler, limit)) for path, (handler, limit) in table.items()]

    def _enveloped(self, handler: Callable[[web.Request], list[Row]], limit: int) -> Handler:
        window = SlidingWindow(limit, 2.0)

        async def answer(request: web.Request) -> web.StreamResponse:
            refusal = self.exchange.rest_guard()
            if refusal is not None:
                return refusal
            if not window.allow(time.monotonic()) and self.exchange.settings["rest_limits"]:
                return json_response({"code": "50011", "data": [], "msg": "Too Many Requests"}, 429)
            try:
                return json_response({"code": "0", "msg": "", "data": handler(request)})
            except OkxError as error:
                return json_response({"code": error.code, "data": [], "msg": str(error)})
            except ValueError:  # a number that is none
                return json_response({"code": "51000", "data": [], "msg": "Parameter error"})

        return answer

    def _type(self, request: web.Request) -> str:
        kind = request.query.get("instType", "")
        if kind not in ("SWAP", "FUTURES"):
            raise OkxError("51000", "Parameter instType error")
        return kind

    def _one(self, request: web.Request) -> Listing:
        listing = self.exchange.find(request.query.get("instId", ""))
        if listing is None:
            raise OkxError(*UNKNOWN_INSTRUMENT)
        return listing

    def _select(self, request: web.Request) -> list[Listing]:
        kind = self._type(request)
        if "instId" in request.query:
            return [self._one(request)]
        return list(self.exchange.trading(kind))

    def _ts(self) -> str:
        return str(self.exchange.now_ms)

    def time(self, _request: web.Request) -> list[Row]:
        return [{"ts": self._ts()}]

    def instruments(self, request: web.Request) -> list[Row]:
        kind = self._type(request)
        wanted = request.query.get("instId")
        rows = [row for row in self.exchange.visible(kind) if wanted in (None, row.exchange_symbol)]
        if wanted is not None and not rows:
            raise OkxError(*UNKNOWN_INSTRUMENT)
        return [self.instrument_row(row) for row in rows]

    def instrument_row(self, listing: Listing) -> Row:
        linear = listing.kind == "linear"
        lot = trim(listing.lot, listing.size_decimals)
        dated = not listing.perpetual
        row: Row = {
            "alias": "this_quarter" if dated else "",
            "auctionEndTime": "",
            "baseCcy": "",
            "category": "1",
            "contTdSwTime": "" if dated else str(listing.listed_ms),
            "ctMult": "1",
            "ctType": listing.kind,
            "ctVal": trim(listing.contract, 8),
            "ctValCcy": listing.base if linear else "USD",
            "expTime": str(listing.delivery_ms) if listing.delivery_ms else "",
            "freq": "",
            "futureSettlement": False,
            "groupId": "4",
            "instCategory": CATEGORIES[listing.asset.asset_class],
            "instFamily": listing.extra["family"],
            "instId": listing.exchange_symbol,
            "instIdCode": 10_400 + listing.index,
            "instType": listing.host,
            "lever": "50",
            "listTime": str(listing.listed_ms),
            "lotSz": lot,
            "maxLmtSz": "100000000",
            "maxMktSz": "35000",
            "minSz": lot,
            "openType": "call_auction",
            "optType": "",
            "preMktSwTime": "",
            "quoteCcy": "",
            "ruleType": "pre_market" if listing.asset.asset_class == "preipo" else "normal",
            "settleCcy": listing.settle,
            "state": STATES.get(listing.status, "live"),
            "stk": "",
            "tickSz": trim(listing.tick, listing.price_decimals),
            "tradeQuoteCcyList": [],
            "uly": listing.extra["uly"],
            "upcChg": [],
        }
        if listing.status == PRELAUNCH:
            row |= dict.fromkeys((*PREOPEN_BLANK, "contTdSwTime"), "")
        return row

    def tickers(self, request: web.Request) -> list[Row]:
        return [self.ticker_row(row) for row in self._select(request)]

    def ticker_row(self, listing: Listing) -> Row:
        market, i = self.exchange.market, listing.index
        pd, sd, tick, lot = listing.price_decimals, listing.size_decimals, listing.tick, listing.lot
        notional, mark = market.volume_notional[i], market.mark[i]
        contracts = notional / listing.contract / (mark if listing.kind == "linear" else 1.0)
        first = trim(market.open[i], pd)
        return {
            "instType": listing.host,
            "instId": listing.exchange_symbol,
            "last": trim(market.last[i], pd),
            "lastSz": trim(max(1, int(market.bid_lots[i]) // 5) * lot, sd),
            "askPx": trim(market.ask_ticks[i] * tick, pd),
            "askSz": trim(market.ask_lots[i] * lot, sd),
            "bidPx": trim(market.bid_ticks[i] * tick, pd),
            "bidSz": trim(market.bid_lots[i] * lot, sd),
            "open24h": first,
            "high24h": trim(market.high[i], pd),
            "low24h": trim(market.low[i], pd),
            "sodUtc0": first,
            "sodUtc8": first,
            "volCcy24h": trim(notional / mark, 4),
            "vol24h": trim(contracts, 2),
            "ts": self._ts(),
        }

    def mark_price(self, request: web.Request) -> list[Row]:
        return [self.mark_row(row) for row in self._select(request)]

    def mark_row(self, listing: Listing) -> Row:
        return {
            "instId": listing.exchange_symbol,
            "instType": listing.host,
            "markPx": trim(self.exchange.market.mark[listing.index], listing.price_decimals),
            "ts": self._ts(),
        }

    def index_tickers(self, request: web.Request) -> list[Row]:
        wanted, quote = request.query.get("instId"), request.query.get("quoteCcy")
        if wanted is None and quote is None:
            raise OkxError("50014", "Either parameter quoteCcy or instId is required")
        rows = [
            listing
            for name, listing in self.exchange.by_index_name.items()
            if listing.visible and (name == wanted if wanted is not None else name.endswith(f"-{quote}"))
        ]
        if wanted is not None and not rows:
            raise OkxError(*UNKNOWN_INSTRUMENT)
        return [self.index_row(row) for row in rows]

    def index_row(self, listing: Listing) -> Row:
        market, i, pd = self.exchange.market, listing.index, listing.price_decimals
        first = trim(market.open[i], pd)
        return {
            "instId": listing.extra["uly"],
            "idxPx": trim(market.index[i], pd),
            "high24h": trim(market.high[i], pd),
            "low24h": trim(market.low[i], pd),
            "open24h": first,
            "sodUtc0": first,
            "sodUtc8": first,
            "ts": self._ts(),
        }

    def funding_rate(self, request: web.Request) -> list[Row]:
        if request.query.get("instId") == "ANY":
            return [self.funding_row(row) for row in self.exchange.trading("SWAP")]
        return [self.funding_row(self._one(request))]

    def funding_row(self, listing: Listing) -> Row:
        market, i = self.exchange.market, listing.index
        next_ms = self.exchange.next_funding_ms(listing)
        period = listing.funding_interval_h * HOUR_MS
        cap = "0.00375" if listing.asset.rank < 12 else "0.015"
        return {
            "formulaType": "withRate",
            "fundingRate": f"{market.funding_rate[i]:.16f}",
            "fundingTime": str(next_ms),
            "impactValue": "20000.0000000000000000",
            "instId": listing.exchange_symbol,
            "instType": listing.host,
            "interestRate": "0.0001000000000000",
            "maxFundingRate": cap,
            "method": "current_period",
            "minFundingRate": f"-{cap}",
            "nextFundingRate": "",
            "nextFundingTime": str(next_ms + period),
            "premium": f"{market.premium_mean[i]:.16f}",
            "prevFundingTime": str(next_ms - period),
            "settFundingRate": f"{market.settled_rate[i]:.16f}",
            "settState": "settled",
            "ts": self._ts(),
        }

    def funding_history(self, request: web.Request) -> list[Row]:
        listing = self._one(request)
        limit = min(400, int(request.query.get("limit", "100")))
        period = listing.funding_interval_h * HOUR_MS
        end = int(request.query.get("after", str(self.exchange.now_ms + 1))) - 1
        begin = max(int(request.query.get("before", "0")), end - period * limit)
        rows: list[Row] = []
        for at in range(end // period * period, begin, -period):
            chance = random.Random(f"{self.exchange.seed}:{listing.exchange_symbol}:{at}")
            rate = self.exchange.market.settled_rate[listing.index] + chance.gauss(0, 0.00004)
            row: Row = {"formulaType": "withRate", "fundingRate": f"{rate:.16f}", "fundingTime": str(at)}
            row |= {"instId": listing.exchange_symbol, "instType": listing.host, "method": "current_period"}
            rows.append(row | {"realizedRate": f"{rate:.16f}"})
        return rows[:limit]

    def open_interest(self, request: web.Request) -> list[Row]:
        return [self.open_interest_row(row) for row in self._select(request)]

    def open_interest_row(self, listing: Listing) -> Row:
        market, i = self.exchange.market, listing.index
        notional, mark = market.open_interest_notional[i], market.mark[i]
        contracts = notional / listing.contract / (mark if listing.kind == "linear" else 1.0)
        return {
            "instId": listing.exchange_symbol,
            "instType": listing.host,
            "oi": trim(contracts, 2),
            "oiCcy": trim(notional / mark, 4),
            "oiUsd": trim(notional, 2),
            "ts": self._ts(),
        }

    def books(self, request: web.Request) -> list[Row]:
        listing = self._one(request)
        text = request.query.get("sz", "1")
        if not text.isdigit() or not 1 <= int(text) <= LARGEST_BOOK:
            raise OkxError("51000", "Parameter sz error")
        book = self.exchange.book(listing)
        return [
            {
                "asks": level_rows(listing, book.asks.top(int(text))),
                "bids": level_rows(listing, book.bids.top(int(text))),
                "ts": str(self.exchange.step_ms),
                "seqId": self.exchange.next_id(),
            }
        ]
