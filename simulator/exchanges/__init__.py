"""The registry: exchange name -> where its class lives. A new exchange is one module and one line here."""

from importlib import import_module
from typing import cast

from simulator.exchanges.base import Exchange

# The position of a line decides which of the less common assets an exchange lists: append, never reorder.
REGISTRY: dict[str, str] = {
    "binance": "simulator.exchanges.binance:Binance",
    "bybit": "simulator.exchanges.bybit:Bybit",
    "okx": "simulator.exchanges.okx:Okx",
}


def load(name: str) -> type[Exchange]:
    """The class of one exchange.

    Raises:
        KeyError: If there is no such exchange.
    """
    module, _, attribute = REGISTRY[name].partition(":")
    return cast(type[Exchange], getattr(import_module(module), attribute))


def position(name: str) -> int:
    return list(REGISTRY).index(name)
