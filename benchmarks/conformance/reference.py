"""The independent side: ccxt, offline, with its values converted to our units. The only place where units meet."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import ccxt
import ccxt.pro

from benchmarks.conformance.sources import Body, Source

_COUNT_IN_NAME = re.compile(r"^(10{2,})(?=[A-Z])|(?<=[A-Z])(10{2,})$")
Values = dict[str, Any]


class NotRecordedError(Exception):
    """ccxt asked for an address that no recording answers."""


@dataclass(slots=True)
class Market:
    """One market of ccxt, in our units."""

    symbol: str
    values: Values
    contract: float
    count: float
    inverse: bool
    amounts: str


def count_in_name(base: str) -> float:
    """How many coins a name stands for: 1000 for 1000PEPE, SHIB1000 and kPEPE, a million for 1MBABYDOGE."""
    if re.match(r"^k[A-Z]{2,}", base):
        return 1000.0
    if found := _COUNT_IN_NAME.search(base):
        return float(found.group(0))
    return 1e6 if re.match(r"^1M[A-Z]{3,}", base) else 1.0


def _amounts(exchange: str, inverse: bool) -> str:
    """What ccxt's amounts count.

    Deribit states sizes and steps in dollars (inverse) and coins (linear), Bitget in coins even where the contract is
    inverse, and ccxt leaves them so although it gives a contractSize.
    """
    if exchange == "deribit":
        return "quote" if inverse else "coins"
    return "coins" if exchange == "bitget" else "contracts"


def _exchange_symbol(exchange: str, row: Mapping[str, Any]) -> str:
    """The exchange's own name. ccxt calls Hyperliquid's coins by their place in the list."""
    return str(row["info"]["name"] if exchange == "hyperliquid" else row["id"])


def market_of(exchange: str, row: Mapping[str, Any]) -> Market:
    """A ccxt market in our units.

    ccxt's contractSize is base units per contract (linear) or quote units (inverse), where the base unit of
    1000PEPE is a thousand coins; precision.price is per base unit and precision.amount in contracts. Ours are all per
    coin, so the count in the name is taken out of prices and put into sizes.
    """
    count = count_in_name(row.get("baseName") or row["base"])
    inverse, linear = bool(row["inverse"]), bool(row["linear"])
    size = float(row["contractSize"] or 0.0)
    contract = size if inverse else size * count
    tick, lot = row["precision"]["price"], row["precision"]["amount"]
    amounts = _amounts(exchange, inverse)
    step = {"contracts": contract, "coins": count, "quote": 1.0}[amounts]
    values = {
        "kind": "quanto" if row.get("quanto") else "inverse" if inverse else "linear" if linear else "quanto",
        "quote": row["quote"],
        "settle": row["settle"],
        "multiplier": count,
        "contract_multiplier": contract,
        "tick_size": None if tick is None else float(tick) / count,
        "lot_size": None if lot is None else float(lot) * step,
    }
    return Market(row["symbol"], values, contract, count, inverse, amounts)


def _coins(market: Market, amount: float, coin_price: float) -> float:
    """An amount of ccxt in coins. It is in contracts, except where ccxt passes the exchange's own unit through."""
    if market.amounts == "coins":
        return amount * market.count
    if market.amounts == "quote":
        return amount / coin_price
    return amount * market.contract / (coin_price if market.inverse else 1.0)


def top_values(market: Market, bid: Any, bid_amount: Any, ask: Any, ask_amount: Any) -> Values:
    """Best bid and ask in our units: prices per coin; amounts, which ccxt leaves in contracts, in coins."""
    values: Values = {}
    for side, price, amount in (("bid", bid, bid_amount), ("ask", ask, ask_amount)):
        coin_price = float(price) / market.count if price else None
        values[f"{side}_price"] = coin_price
        size = None
        if coin_price and amount:
            size = _coins(market, float(amount), coin_price)
        values[f"{side}_size"] = size
    return values


def funding_values(market: Market, row: Mapping[str, Any]) -> Values:
    """Mark, index and funding in our units: prices per coin, times in s instead of ms."""
    values: Values = {}
    for name, key in (("mark_price", "markPrice"), ("index_price", "indexPrice")):
        values[name] = None if row.get(key) is None else float(row[key]) / market.count
    if "fundingRate" in row:
        values["funding_rate"] = row["fundingRate"]
        # ccxt calls the coming payment fundingTimestamp and the one after it nextFundingTimestamp.
        stamp = row.get("fundingTimestamp") or row.get("nextFundingTimestamp")
        values["next_funding_time"] = None if stamp is None else stamp / 1000.0
    return values


def single_rows(body: Body) -> Iterator[Body]:
    """The same listing again and again, each time with one of its rows."""
    message = json.loads(body.text)
    place: Any = message
    while isinstance(place, dict):
        place = next(place[key] for key in ("result", "list", "data", "products", "symbols") if key in place)
    rows = list(place)
    for row in rows:
        place[:] = [row]
        yield replace(body, text=json.dumps(message))


@dataclass(slots=True)
class _Client:
    """Stands in for ccxt's websocket client: keeps what handlers hand out, sends nothing."""

    url: str
    subscriptions: dict[str, Any] = field(default_factory=dict)
    futures: dict[str, Any] = field(default_factory=dict)
    resolved: list[Any] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    keepAlive: int = 0  # noqa: N815 (ccxt's name)
    lastPong: int = 0  # noqa: N815

    def resolve(self, result: Any, _message_hash: Any = None) -> Any:
        self.resolved.append(result)
        return result

    def reject(self, error: Any, _message_hash: Any = None) -> Any:
        self.rejected.append(f"{type(error).__name__}: {error}")
        return error

    def reusable_future(self, _message_hash: Any) -> None:
        return None

    def future(self, _message_hash: Any) -> None:
        return None

    def close(self) -> None:
        return None

    def on_pong(self, _message: Any = None) -> None:
        return None


class _Noted(dict[str, Any]):
    """A cache of ccxt that remembers what was put in during a frame."""

    def __init__(self) -> None:
        super().__init__()
        self.news: list[Any] = []

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self.news.append(value)


class Reference:
    """ccxt for one exchange, answering from recordings."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._bodies: list[Body] = []
        self._rest = self._quiet(getattr(ccxt, source.exchange)())
        self._rest.fetch = self._fetch
        self._stream: Any = None
        self.markets: dict[str, Market] = {}
        self._rows: dict[str, Any] = {}
        self.unreadable: list[str] = []

    def _quiet(self, library: Any) -> Any:
        library.options = library.deep_extend(library.options, dict(self.source.options))
        library.options["adjustForTimeDifference"] = False
        library.has["fetchCurrencies"] = False
        library.enableRateLimit = False
        return library

    def _fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        for known in self._bodies:
            if known.path in url and "cursor=" not in url:  # further pages were not recorded
                return self._rest.parse_json(known.text)
        for path, text in self.source.empties.items():
            if path in url:
                return self._rest.parse_json(text)
        raise NotRecordedError(f"{method} {url}")

    def list_markets(self, bodies: Sequence[Body]) -> dict[str, Market]:
        """The perpetuals that ccxt finds in a listing, by the exchange's name. They are kept for frames."""
        found: dict[str, Market] = {}
        for row in self._listed(bodies):
            if row and row["swap"]:
                exchange_symbol = _exchange_symbol(self.source.exchange, row)
                found[exchange_symbol] = market_of(self.source.exchange, row)
                self._rows[exchange_symbol] = row
        self.markets.update(found)
        return found

    def _listed(self, bodies: Sequence[Body]) -> list[Any]:
        """The markets of a listing. Where one row stops ccxt, the rows are given one at a time and that one counted."""
        self._bodies = list(bodies)
        try:
            return list(self._rest.fetch_markets())
        except (TypeError, AttributeError, KeyError, ccxt.BaseError):
            pass
        rows: list[Any] = []
        for body in bodies:
            for single in single_rows(body):
                self._bodies = [single, *(other for other in bodies if not other.ours)]
                try:
                    rows += self._rest.fetch_markets()
                except (TypeError, AttributeError, KeyError, ccxt.BaseError) as error:
                    self.unreadable.append(f"listing row: {type(error).__name__}: {error}"[:160])
        return rows

    def ask(self, method: str, body: Body, arguments: Mapping[str, Any]) -> dict[str, Values]:
        """One of ccxt's REST methods on a recorded answer: values by the exchange's name."""
        self._rest.set_markets(list(self._rows.values()))
        self._bodies = [body]
        return self._collect(getattr(self._rest, method)(**arguments))

    def start(self) -> None:
        """Begin a new connection: caches empty, catalogue as read so far."""
        if self._stream is None:
            self._stream = self._quiet(getattr(ccxt.pro, self.source.exchange)())
            self._stream.set_markets(list(self._rows.values()))
            self._stream.spawn = lambda *_arguments: None
            self._stream.delay = lambda *_arguments: None
        for cache in ("tickers", "bidsasks", "fundingRates", "orderbooks"):
            setattr(self._stream, cache, _Noted())

    def feed(self, message: Any, url: str) -> dict[str, Values]:
        """What ccxt makes of one websocket message: values by the exchange's name."""
        client = _Client(url or self.source.ws_url)
        stream = self._stream
        caches = [getattr(stream, name) for name in ("bidsasks", "tickers", "fundingRates")]
        for cache in caches:
            cache.news.clear()
        try:
            stream.handle_message(client, message)
        except Exception as error:  # whatever an unknown frame makes it stumble over; counted, not hidden
            self.unreadable.append(f"{type(error).__name__}: {error}"[:160])
        news = [item for cache in caches for item in cache.news]
        books = [item for item in client.resolved if isinstance(item, dict) and "bids" in item and "asks" in item]
        return self._collect([*news, *books])

    def _collect(self, found: Any) -> dict[str, Values]:
        values: dict[str, Values] = {}
        for exchange_symbol, more in self._values(found):
            known = values.setdefault(exchange_symbol, {})
            known.update({key: value for key, value in more.items() if known.get(key) is None})
        return values

    def _values(self, found: Any) -> Iterator[tuple[str, Values]]:
        ids = {market.symbol: exchange_symbol for exchange_symbol, market in self.markets.items()}
        for row in found.values() if isinstance(found, dict) and "symbol" not in found else _listed(found):
            exchange_symbol = ids.get(str(row.get("symbol")))
            if exchange_symbol is None:
                continue
            market = self.markets[exchange_symbol]
            if "bids" in row:
                bid, ask = (row[side][0] if row[side] else (None, None) for side in ("bids", "asks"))
                yield exchange_symbol, top_values(market, bid[0], bid[1], ask[0], ask[1])
                continue
            if row.get("bid") or row.get("ask"):
                sides = (row.get("bid"), row.get("bidVolume"), row.get("ask"), row.get("askVolume"))
                yield exchange_symbol, top_values(market, *sides)
            if any(row.get(key) is not None for key in ("markPrice", "indexPrice", "fundingRate")):
                yield exchange_symbol, funding_values(market, row)


def _listed(found: Any) -> list[Any]:
    return [found] if isinstance(found, dict) else list(found)
