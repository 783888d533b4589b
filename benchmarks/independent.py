"""How clients that know nothing of this project are pointed at the simulator: one line per exchange."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any
from urllib.parse import urlsplit

import ccxt.pro


@dataclass(frozen=True)
class Client:
    """One exchange as ccxt knows it.

    watch: the method that gives the best bid and ask. hosts: where an address goes whose host begins so; other
    addresses go to the endpoints "rest" and "ws" by their scheme. unserved: what to answer in place of the simulator
    where ccxt insists on products that it does not have, by a part of the address. name_of: the exchange's own name of
    one of ccxt's markets.
    """

    watch: str = "watch_bids_asks"
    hosts: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    unserved: Mapping[str, Any] = field(default_factory=dict)
    name_of: Callable[[Mapping[str, Any]], str] = itemgetter("id")


SWAPS = {"fetchMarkets": {"types": ["swap"]}}

CLIENTS: Mapping[str, Client] = {
    "binance": Client(
        hosts={"dapi.": "rest_coinm", "dstream.": "ws_coinm"},
        options={"fetchMarkets": {"types": ["linear", "inverse"]}},
    ),
    "bybit": Client(options={"fetchMarkets": {"types": ["linear", "inverse"]}}),
    "okx": Client(options=SWAPS),
    "kucoin": Client(options=SWAPS),
    "deribit": Client(),
    "bitmex": Client(watch="watch_order_book"),
    "gate": Client(options=SWAPS),
    "mexc": Client(watch="watch_ticker", unserved={"/v3/exchangeInfo": {"symbols": []}}),
    "bitget": Client(options=SWAPS, unserved={"productType=S": {"code": "00000", "data": []}}),
    "hyperliquid": Client(
        watch="watch_order_book",
        options={"fetchMarkets": {"types": ["swap"], "hip3": {"dexes": []}}},
        name_of=itemgetter("baseName"),  # its id is the place in the list
    ),
    "phemex": Client(watch="watch_order_book", unserved={"/exchange/public/products": {"code": 0, "data": []}}),
}
NOT_IN_CCXT = frozenset({"coindcx"})


def moved(urls: Any, endpoints: Mapping[str, str], hosts: Mapping[str, str], hostname: str) -> Any:
    """Every address in ccxt's nested table, with the simulator's scheme, host and port and its own path."""
    if isinstance(urls, Mapping):
        return {key: moved(value, endpoints, hosts, hostname) for key, value in urls.items()}
    if not isinstance(urls, str) or "://" not in urls:
        return urls
    parts = urlsplit(urls.replace("{hostname}", hostname))
    plain = "ws" if parts.scheme.startswith("ws") else "rest"
    name = next((endpoint for host, endpoint in hosts.items() if parts.netloc.startswith(host)), plain)
    return endpoints[name] + parts.path


def ccxt_client(exchange: str, endpoints: Mapping[str, str]) -> Any:
    """ccxt's websocket client of an exchange, speaking to loopback only."""
    facts = CLIENTS[exchange]
    client = getattr(ccxt.pro, exchange)({"enableRateLimit": False, "timeout": 8000})
    client.options = client.deep_extend(client.options, dict(facts.options))
    client.has["fetchCurrencies"] = False
    client.urls["api"] = moved(client.urls["api"], endpoints, facts.hosts, client.hostname or "")
    fetch = client.fetch

    async def fetch_or_nothing(url: str, *arguments: Any, **options: Any) -> Any:
        for part, answer in facts.unserved.items():
            if part in url:
                return answer
        return await fetch(url, *arguments, **options)

    client.fetch = fetch_or_nothing
    return client
