"""The simulated exchanges, loaded by name.

A new exchange is a module with a subclass of `Exchange`, named like it, and a line in `market/exchanges.py`. The
subclass says what is listed (`build_listings`), what its ports serve (`routes`), how it answers clients (`on_message`),
how it writes changed tops (`on_tops`) and what has a cadence of its own (`on_step`). Prices, books, faults and control
come with the base.
"""

from importlib import import_module
from typing import cast

from simulator.exchanges.base import Exchange
from simulator.exchanges.registry import REGISTRY

__all__ = ["REGISTRY", "load"]


def load(name: str) -> type[Exchange]:
    """The class of one exchange.

    Raises:
        KeyError: If there is no such exchange.
    """
    module, _, attribute = REGISTRY[name].partition(":")
    return cast(type[Exchange], getattr(import_module(module), attribute))
