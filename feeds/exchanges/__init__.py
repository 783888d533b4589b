"""The exchanges we can read. Adding one is a module here and a line in `_MODULES`.

A module offers a class `Adapter` that keeps the `Exchange` contract of `base.py` and takes the endpoints to use.
"""

from collections.abc import Mapping
from importlib import import_module

from feeds.exchanges.base import Exchange

_MODULES: Mapping[str, str] = {
    "binance": "feeds.exchanges.binance",
    "bybit": "feeds.exchanges.bybit",
    "okx": "feeds.exchanges.okx",
}
EXCHANGES: tuple[str, ...] = tuple(_MODULES)


def load(name: str, endpoints: Mapping[str, str] | None = None) -> Exchange:
    """Return the adapter of an exchange.

    Args:
        name: One of EXCHANGES.
        endpoints: Hosts to use instead of the real ones, such as a simulator's: "rest", "ws" and what else the
            exchange has.

    Raises:
        ValueError: If there is no such exchange or no such endpoint.
    """
    if name not in _MODULES:
        raise ValueError(f"no exchange {name!r}; there are {', '.join(EXCHANGES)}")
    adapter: Exchange = import_module(_MODULES[name]).Adapter(endpoints)
    return adapter
