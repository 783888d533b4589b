"""POST /info of Hyperliquid, and the rows that it shares with the websocket. Every number is a string."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from simulator.exchanges.base import json_response
from simulator.limits import SlidingWindow
from simulator.universe import CLOSED, LIVE, Listing

if TYPE_CHECKING:
    from simulator.exchanges.hyperliquid import Hyperliquid

WEIGHT_PER_MINUTE = 1_200
WEIGHTS = {"allMids": 2, "l2Book": 2, "exchangeStatus": 2}  # the others: 20
HOUR_MS = 3_600_000
HISTORY_ROWS = 500

Row = dict[str, Any]


class NoSuchName(Exception):
    """HTTP 500 with the body `null`."""


class HyperliquidRest:
    """The handler of /info."""

    def __init__(self, exchange: "Hyperliquid") -> None:
        self.exchange = exchange
        self._window = SlidingWindow(WEIGHT_PER_MINUTE, 60.0)
        self._types: dict[str, Callable[[Row], object]] = {
            "meta": self.meta,
            "metaAndAssetCtxs": lambda ask: [self.meta(ask), [self.context(row) for row in self._universe()]],
            "perpDexs": lambda _: [None],
            "exchangeStatus": lambda _: {"specialStatuses": None, "time": self.exchange.now_ms},
            "allMids": lambda _: self.mids(),
            "l2Book": self.l2_book,
            "predictedFundings": lambda _: self.predicted(),
            "fundingHistory": self.history,
            # What clients of everything ask for besides; nothing of it is simulated.
            "spotMeta": lambda _: {"universe": [], "tokens": [{"name": "USDC", "index": 0, "szDecimals": 8}]},
            "spotMetaAndAssetCtxs": lambda _: [{"universe": [], "tokens": []}, []],
        }

    async def info(self, request: web.Request) -> web.StreamResponse:
        refusal = self.exchange.rest_guard()
        if refusal is not None:
            return refusal
        if request.content_type != "application/json":
            return web.Response(status=415, text="Expected request with `Content-Type: application/json`")
        try:
            ask = orjson.loads(await request.read())
        except ValueError:
            return web.Response(status=400, text="Failed to parse the request body as JSON")
        kind = ask.get("type") if isinstance(ask, dict) else None
        if kind not in self._types:
            return web.Response(status=422, text="Failed to deserialize the JSON body into the target type")
        now = time.monotonic()
        within = [self._window.allow(now) for _ in range(WEIGHTS.get(kind, 20))]
        if not all(within) and self.exchange.settings["rest_limits"]:
            return web.Response(status=429)
        try:
            if ask.get("dex"):
                raise NoSuchName  # only the main market is simulated
            return json_response(self._types[kind](ask))
        except KeyError:
            return web.Response(status=422, text="Failed to deserialize the JSON body into the target type")
        except NoSuchName:
            return json_response(None, 500)

    def _universe(self) -> list[Listing]:
        """All rows there ever were, in the order that joins them to their contexts."""
        gone = self.exchange.delisted
        return [row for row in self.exchange.listings if row.visible or row.index in gone]

    def meta(self, _ask: Row) -> Row:
        return {"universe": [self._row(row) for row in self._universe()], "marginTables": [], "collateralToken": 0}

    def _row(self, listing: Listing) -> Row:
        row: Row = {
            "szDecimals": listing.size_decimals,
            "name": listing.exchange_symbol,
            "maxLeverage": 10,
            "marginTableId": 10,
        }
        return row | ({"isDelisted": True} if self.is_dead(listing) else {})

    def is_dead(self, listing: Listing) -> bool:
        return listing.status == CLOSED or listing.index in self.exchange.delisted

    def context(self, listing: Listing) -> Row:
        """Prices, funding and statistics; of a delisted coin they stand still and some are null."""
        market, i = self.exchange.market, listing.index
        dead = self.is_dead(listing)
        mark = float(market.mark[i])
        volume = float(market.volume_notional[i])
        mid = (market.bid_ticks[i] + market.ask_ticks[i]) * listing.tick / 2
        return {
            "funding": "0.0" if dead else f"{market.funding_rate[i]:.10f}",
            "openInterest": "0.0" if dead else text(market.open_interest_notional[i] / mark, listing.size_decimals),
            "prevDayPx": price_text(listing, float(market.open[i])),
            "dayNtlVlm": "0.0" if dead else f"{volume:.10f}",
            "premium": None if dead else f"{mid / market.index[i] - 1:.10f}",
            "oraclePx": price_text(listing, float(market.index[i])),
            "markPx": price_text(listing, mark),
            "midPx": None if dead else price_text(listing, mid),
            "impactPxs": None
            if dead
            else [price_text(listing, ticks * listing.tick) for ticks in (market.bid_ticks[i], market.ask_ticks[i])],
            "dayBaseVlm": "0.0" if dead else text(volume / mark, 5),
        }

    def mids(self) -> Row:
        market = self.exchange.market
        return {
            row.exchange_symbol: price_text(
                row, (market.bid_ticks[row.index] + market.ask_ticks[row.index]) * row.tick / 2
            )
            for row in self._universe()
        }

    def l2_book(self, ask: Row) -> Row | None:
        listing = self.exchange.by_symbol.get(ask["coin"])
        if listing is None or not (listing.visible or listing.index in self.exchange.delisted):
            return None
        return self.book(listing, 20)

    def book(self, listing: Listing, levels: int) -> Row:
        """A whole book; of a coin that does not trade it is empty."""
        exchange = self.exchange
        sides: list[list[Row]] = [[], []]
        if listing.status == LIVE:
            book = exchange.book(listing)
            sides = [
                [
                    {"px": price_text(listing, ticks * listing.tick), "sz": size_text(listing, lots), "n": 1 + lots % 9}
                    for ticks, lots in side.top(levels)
                ]
                for side in (book.bids, book.asks)
            ]
        return {"coin": listing.exchange_symbol, "time": exchange.step_ms, "levels": sides}

    def predicted(self) -> list[Any]:
        """Of ours only; `nextFundingTime` is the payment that already happened, as it really is."""
        market, passed = self.exchange.market, self.exchange.now_ms // HOUR_MS * HOUR_MS
        return [
            [
                row.exchange_symbol,
                [
                    [
                        "HlPerp",
                        {
                            "fundingRate": f"{market.funding_rate[row.index]:.10f}",
                            "nextFundingTime": passed,
                            "fundingIntervalHours": 1,
                        },
                    ]
                ],
            ]
            for row in self.exchange.trading()
        ]

    def history(self, ask: Row) -> list[Row]:
        listing = self.exchange.find(ask["coin"])
        if listing is None:
            raise NoSuchName
        market, i = self.exchange.market, listing.index
        end = min(int(ask.get("endTime", self.exchange.now_ms)), self.exchange.now_ms)
        first = -(-int(ask["startTime"]) // HOUR_MS) * HOUR_MS
        return [
            {
                "coin": listing.exchange_symbol,
                "fundingRate": f"{market.settled_rate[i]:.10f}",
                "premium": f"{market.premium_mean[i]:.10f}",
                "time": settled + 31,
            }
            for settled in range(first, end, HOUR_MS)[:HISTORY_ROWS]
        ]


def text(value: float, decimals: int) -> str:
    """A number without needless zeros, but with one decimal: "84143.0"."""
    written = f"{value:.{decimals}f}".rstrip("0") if decimals else f"{value:.0f}."
    return written + "0" if written.endswith(".") else written


def price_text(listing: Listing, price: float) -> str:
    return text(price, 6 - listing.size_decimals)


def size_text(listing: Listing, lots: int) -> str:
    return text(lots * listing.lot, listing.size_decimals)
