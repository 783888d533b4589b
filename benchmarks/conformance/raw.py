"""Values read straight from the JSON of a message, for what ccxt's handlers leave out and for CoinDCX.

Only names and units are known here, nothing of our decoders: a price for `count` coins, a size in contracts.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from benchmarks.conformance.reference import Market, top_values

Row = Mapping[str, Any]
Raw = Iterator[tuple[str, dict[str, Any]]]
_PACK_COLUMNS = (
    *("symbol", "openRp", "highRp", "lowRp", "lastRp", "volumeRq", "turnoverRv", "openInterestRv", "indexRp", "markRp"),
    *("fundingRateRr", "predFundingRateRr"),
)


def _number(value: Any) -> float | None:
    return None if value in (None, "") else float(value)


def _funding(rate: Any, next_ms: Any = None) -> dict[str, Any]:
    time = _number(next_ms)
    return {"funding_rate": _number(rate), "next_funding_time": time / 1000.0 if time else None}


def _binance(message: Any) -> Raw:
    for row in message if isinstance(message, list) else [message]:
        if isinstance(row, dict) and row.get("e") == "markPriceUpdate":
            yield row["s"], _funding(row.get("r"), row.get("T"))


def _bybit(message: Any) -> Raw:
    if str(message.get("topic")).startswith("tickers."):
        row = message["data"]
        yield row["symbol"], _funding(row.get("fundingRate"), row.get("nextFundingTime"))


def _gate(message: Any) -> Raw:
    if message.get("channel") == "futures.tickers" and message.get("event") == "update":
        for row in message["result"]:
            yield row["contract"], _funding(row.get("funding_rate"))


def _bitget(message: Any) -> Raw:
    if message.get("arg", {}).get("channel") == "ticker":
        for row in message.get("data", []):
            prices = {"mark_price": _number(row.get("markPrice")), "index_price": _number(row.get("indexPrice"))}
            yield row["instId"], {**prices, **_funding(row.get("fundingRate"), row.get("nextFundingTime"))}


def _mexc(message: Any) -> Raw:
    row = message.get("data")
    if message.get("channel") == "push.ticker":
        prices = {"mark_price": _number(row.get("fairPrice")), "index_price": _number(row.get("indexPrice"))}
        yield message["symbol"], {**prices, **_funding(row.get("fundingRate"))}
    if message.get("channel") == "push.depth.full" and row["bids"] and row["asks"]:
        yield message["symbol"], {"top": (*row["bids"][0][:2], *row["asks"][0][:2])}


def _kucoin(message: Any) -> Raw:
    if str(message.get("topic")).startswith("/contract/instrument:"):
        symbol, row = message["topic"].partition(":")[2], message["data"]
        prices = {"mark_price": _number(row.get("markPrice")), "index_price": _number(row.get("indexPrice"))}
        yield symbol, {**prices, **_funding(row.get("fundingRate"))}


def _deribit(message: Any) -> Raw:
    params = message.get("params", {})
    if str(params.get("channel")).startswith("ticker.") and "current_funding" in params["data"]:
        row = params["data"]
        yield row["instrument_name"], {"funding_rate": _number(row["current_funding"])}


def _bitmex(message: Any) -> Raw:
    for row in message.get("data", []) if message.get("table") in ("quote", "instrument", "funding") else []:
        values: dict[str, Any] = {}
        if message["table"] == "quote":
            values = {"bid_price": row.get("bidPrice"), "ask_price": row.get("askPrice")}
            if row["symbol"] == "XBTUSD":  # one contract is one dollar
                for side in ("bid", "ask"):
                    values[f"{side}_size"] = row[f"{side}Size"] / row[f"{side}Price"]
        elif message["table"] == "instrument" and row.get("fundingRate") is not None:
            values = {"funding_rate": row["fundingRate"], "index_price": row.get("indicativeSettlePrice")}
            if "fundingTimestamp" in row:
                moment = datetime.fromisoformat(row["fundingTimestamp"].replace("Z", "+00:00"))
                values["next_funding_time"] = moment.timestamp()
        yield row["symbol"], values


def _phemex(message: Any) -> Raw:
    if "market24h" in message:  # the scale of rates is 8
        row = message["market24h"]
        yield row["symbol"], {"funding_rate": row["fundingRate"] / 1e8}
    rows = [message["market24h_p"]] if "market24h_p" in message else []
    if str(message.get("method")).startswith("perp_market24h_pack_p"):
        # Messages before 2026 do not name their columns; the first twelve have kept their places.
        rows = [dict(zip(message.get("fields", _PACK_COLUMNS), row, strict=False)) for row in message["data"]]
    for row in rows:
        prices = {
            "mark_price": _number(row.get("markPriceRp") or row.get("markRp")),
            "index_price": _number(row.get("indexPriceRp") or row.get("indexRp")),
        }
        yield row["symbol"], {**prices, **_funding(row.get("fundingRateRr"))}


_READERS: Mapping[str, Callable[[Any], Raw]] = {
    "binance": _binance,
    "bybit": _bybit,
    "gate": _gate,
    "bitget": _bitget,
    "mexc": _mexc,
    "kucoin": _kucoin,
    "deribit": _deribit,
    "bitmex": _bitmex,
    "phemex": _phemex,
}


def raw_values(exchange: str, message: Any, markets: Mapping[str, Market]) -> dict[str, dict[str, Any]]:
    """What a message says by itself, by the exchange's name. markets: what a price and a contract stand for."""
    reader = _READERS.get(exchange)
    if reader is None or not isinstance(message, dict | list) or (isinstance(message, list) and exchange != "binance"):
        return {}
    found: dict[str, dict[str, Any]] = {}
    for symbol, values in reader(message):
        market = markets.get(symbol)
        if market is None:
            continue
        known = found.setdefault(symbol, {})
        for name, value in values.items():
            if name == "top":
                known.update(top_values(market, *value))
            elif value is not None:
                known[name] = value / market.count if name.endswith("_price") else value
    return found
