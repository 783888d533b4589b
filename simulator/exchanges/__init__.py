"""The simulated exchanges, loaded by name."""

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
