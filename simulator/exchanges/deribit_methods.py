"""Deribit's public methods: the same by GET and over the socket, JSON-RPC both ways."""

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from simulator.universe import CLOSED, HALTED, LIVE, Listing

if TYPE_CHECKING:
    from simulator.exchanges.deribit import Deribit

STATE_WORDS = {LIVE: "open", HALTED: "halted", CLOSED: "closed"}
UNDERLYING_TYPES = {"index": "crypto_index", "fx": "equity"}
DEPTHS = (1, 5, 10, 20, 50, 100, 1000, 10000)
SUMMARY_PERIOD_MS = 2000  # the summary is made anew this often
HOUR_MS = 3_600_000
CURRENCIES = ("BTC", "ETH", "USDC", "USDT", "EURR")
MAKER, TAKER = 0.00015, 0.00035


class RpcError(Exception):
    """An error as JSON-RPC says it."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.data = data

    @property
    def body(self) -> dict[str, object]:
        body: dict[str, object] = {"code": self.code, "message": self.message}
        return body if self.data is None else body | {"data": self.data}


def invalid(param: str, reason: str) -> RpcError:
    return RpcError(-32602, "Invalid params", {"reason": reason, "param": param})


class DeribitMethods:
    """What may be asked without logging in."""

    def __init__(self, exchange: "Deribit") -> None:
        self.exchange = exchange
        self._summaries: dict[str, tuple[int, list[dict[str, Any]]]] = {}
        self._table: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "public/get_time": lambda _: exchange.now_ms,
            "public/test": lambda _: {"version": "1.2.26"},
            "public/hello": lambda _: {"version": "1.2.26"},
            "public/status": lambda _: {"locked": "false"},
            "public/get_instruments": self.instruments,
            "public/get_instrument": lambda params: self._row(self._named(params)),
            "public/get_book_summary_by_currency": self.summary,
            "public/ticker": lambda params: self.ticker(self._named(params), with_stats=True),
            "public/get_order_book": self.order_book,
            "public/get_funding_rate_history": self.funding_history,
            "public/get_funding_rate_value": lambda params: sum(r["interest_1h"] for r in self.funding_history(params)),
            "public/get_index_price": self.index_price,
        }

    def call(self, method: str, params: Mapping[str, Any]) -> Any:
        """The result of a method. Raises RpcError."""
        function = self._table.get(method)
        if function is None:
            raise RpcError(-32601, "Method not found")
        return function(params)

    def _named(self, params: Mapping[str, Any]) -> Listing:
        listing = self.exchange.find(str(params.get("instrument_name", "")))
        if listing is None or listing.status == CLOSED:
            raise invalid("instrument_name", "instrument not found")
        return listing

    # Listings.

    def instruments(self, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        currency, kind = str(params.get("currency", "any")), str(params.get("kind", "future"))
        if currency != "any" and currency not in CURRENCIES:
            raise invalid("currency", "wrong currency")
        if kind not in ("future", "any"):
            return []
        expired = str(params.get("expired", "false")).lower() == "true"
        return [
            self._row(row)
            for row in self.exchange.visible()
            if (row.status == CLOSED) is expired and currency in ("any", row.settle)
        ]

    def _row(self, listing: Listing) -> dict[str, Any]:
        inverse = listing.kind == "inverse"
        asset_class = listing.asset.asset_class
        step = float(f"{listing.lot:.{listing.size_decimals}f}")
        return {
            "instrument_name": listing.exchange_symbol,
            "kind": "future",
            "instrument_type": "reversed" if inverse else "linear",
            "future_type": "reversed" if inverse else "linear",
            "underlying_type": UNDERLYING_TYPES.get(asset_class, asset_class),
            "settlement_period": "perpetual" if listing.perpetual else "month",
            "base_currency": listing.base,
            "counter_currency": listing.quote,
            "quote_currency": listing.quote,
            "settlement_currency": listing.settle,
            "price_index": index_name(listing),
            "contract_size": step,
            "min_trade_amount": step,
            "lot_size": step,
            "tick_size": float(f"{listing.tick:.{listing.price_decimals}f}"),
            "tick_size_steps": [],
            "maker_commission": MAKER,
            "taker_commission": TAKER,
            "max_leverage": 50,
            "state": STATE_WORDS[listing.status],
            "is_active": listing.status != CLOSED,
            "creation_timestamp": listing.listed_ms,
            "expiration_timestamp": listing.delivery_ms,
            "instrument_id": 210_000 + listing.index,
            "rfq": False,
        }

    # Prices.

    def top(self, listing: Listing) -> dict[str, float]:
        """Best prices and amounts, in the order of the wire."""
        market, i = self.exchange.market, listing.index
        pd, sd = listing.price_decimals, listing.size_decimals
        return {
            "best_ask_price": round(float(market.ask_ticks[i] * listing.tick), pd),
            "best_bid_price": round(float(market.bid_ticks[i] * listing.tick), pd),
            "best_ask_amount": round(float(market.ask_lots[i] * listing.lot), sd),
            "best_bid_amount": round(float(market.bid_lots[i] * listing.lot), sd),
        }

    def interest(self, listing: Listing) -> tuple[float, float]:
        """The funding rate of the moment and the one of the last 8 h, both as fractions per 8 h."""
        market, i = self.exchange.market, listing.index
        per_8h = 8 / float(market.interval_h[i])
        return round(float(market.funding_rate[i]) * per_8h, 8), round(float(market.settled_rate[i]), 8)

    def ticker(self, listing: Listing, *, with_stats: bool) -> dict[str, Any]:
        """The whole state. `stats` is missing from the frames of linear contracts."""
        market, i, pd = self.exchange.market, listing.index, listing.price_decimals
        mark, index = round(float(market.mark[i]), pd + 2), round(float(market.index[i]), pd + 2)
        interest = float(market.open_interest_notional[i])
        inverse = listing.kind == "inverse"
        body: dict[str, Any] = {
            "timestamp": self.exchange.step_ms,
            "state": STATE_WORDS[listing.status],
            "index_price": index,
            "instrument_name": listing.exchange_symbol,
            "last_price": round(float(market.last[i]), pd),
            "settlement_price": round(float(market.open[i]), pd),
            "min_price": round(mark * 0.985, pd),
            "max_price": round(mark * 1.015, pd),
            "open_interest": round(interest) if inverse else round(interest / mark, 4),
            "mark_price": mark,
            "estimated_delivery_price": index,
            **self.top(listing),
        }
        if listing.perpetual:
            current, realised = self.interest(listing)
            body |= {"interest_value": 0.0028, "current_funding": current, "funding_8h": realised}
        if with_stats or inverse:
            body["stats"] = self._stats(listing, mark)
        return body

    def _stats(self, listing: Listing, mark: float) -> dict[str, float]:
        market, i, pd = self.exchange.market, listing.index, listing.price_decimals
        volume = float(market.volume_notional[i])
        return {
            "high": round(float(market.high[i]), pd),
            "low": round(float(market.low[i]), pd),
            "price_change": round((float(market.last[i] / market.open[i]) - 1) * 100, 4),
            "volume": round(volume / mark, 6),
            "volume_usd": round(volume, 2),
            "volume_notional": round(volume, 2),
        }

    def summary(self, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """All of a currency in one answer: without sizes, and up to two seconds old."""
        currency = str(params.get("currency", ""))
        if currency not in CURRENCIES:
            raise invalid("currency", "wrong currency")
        if str(params.get("kind", "future")) != "future":
            return []
        now_ms = self.exchange.now_ms
        made = self._summaries.get(currency)
        if made is None or not 0 <= now_ms - made[0] < SUMMARY_PERIOD_MS:
            rows = [self._summary_row(row, now_ms) for row in self.exchange.trading() if row.settle == currency]
            made = self._summaries[currency] = (now_ms, rows)
        return made[1]

    def _summary_row(self, listing: Listing, now_ms: int) -> dict[str, Any]:
        state = self.ticker(listing, with_stats=True)
        bid, ask, stats = state["best_bid_price"], state["best_ask_price"], state["stats"]
        row = {
            "instrument_name": listing.exchange_symbol,
            "base_currency": listing.base,
            "quote_currency": listing.quote,
            "bid_price": bid,
            "ask_price": ask,
            "mid_price": round((bid + ask) / 2, listing.price_decimals + 1),
            "mark_price": state["mark_price"],
            "last": state["last_price"],
            "high": stats["high"],
            "low": stats["low"],
            "price_change": stats["price_change"],
            "volume": stats["volume"],
            "volume_usd": stats["volume_usd"],
            "volume_notional": stats["volume_notional"],
            "open_interest": state["open_interest"],
            "estimated_delivery_price": state["estimated_delivery_price"],
            "creation_timestamp": now_ms,
        }
        if listing.perpetual:
            row |= {"current_funding": state["current_funding"], "funding_8h": state["funding_8h"]}
        return row

    def order_book(self, params: Mapping[str, Any]) -> dict[str, Any]:
        listing = self._named(params)
        depth = str(params.get("depth", "5"))
        if not depth.isdigit() or int(depth) not in DEPTHS:
            raise invalid("depth", "must be one of the listed depths")
        bids, asks = self.window(listing, int(depth))
        book = {"change_id": self.exchange.next_id(), "bids": bids, "asks": asks}
        return self.ticker(listing, with_stats=True) | book

    def window(self, listing: Listing, depth: int) -> tuple[list[list[float]], list[list[float]]]:
        """The best levels of both sides, [price, amount]."""
        book = self.exchange.book(listing)
        return amounts(listing, book.bids.top(depth)), amounts(listing, book.asks.top(depth))

    def funding_history(self, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        listing = self._named(params)
        if not listing.perpetual:
            raise invalid("instrument_name", "must be a perpetual")
        try:
            start, end = int(params["start_timestamp"]), int(params["end_timestamp"])
        except (KeyError, ValueError):
            raise invalid("start_timestamp", "must be an integer") from None
        rows: list[dict[str, Any]] = []
        price = float(self.exchange.market.index[listing.index])
        for at in range(-(-start // HOUR_MS) * HOUR_MS, min(end, self.exchange.now_ms) + 1, HOUR_MS):
            chance = random.Random(f"{self.exchange.seed}:{listing.exchange_symbol}:{at}")
            rate = self.interest(listing)[1] + chance.gauss(0, 0.00004)
            row = {"timestamp": at, "index_price": price, "prev_index_price": price}
            rows.append(row | {"interest_8h": rate, "interest_1h": rate / 8})
            if len(rows) == 744:  # a month
                break
        return rows

    def index_price(self, params: Mapping[str, Any]) -> dict[str, float]:
        for listing in self.exchange.visible():
            if index_name(listing) == params.get("index_name"):
                price = round(float(self.exchange.market.index[listing.index]), listing.price_decimals + 2)
                return {"estimated_delivery_price": price, "index_price": price}
        raise invalid("index_name", "unknown index")


def index_name(listing: Listing) -> str:
    return f"{listing.base}_{listing.quote}".lower()


def amounts(listing: Listing, levels: list[tuple[int, int]]) -> list[list[float]]:
    tick, lot, pd, sd = listing.tick, listing.lot, listing.price_decimals, listing.size_decimals
    return [[round(price * tick, pd), round(lots * lot, sd)] for price, lots in levels]
