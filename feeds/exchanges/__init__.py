"""The exchanges we can read: a module here for each name of the registry in `market/exchanges.py`.

A module offers a class `Adapter` that keeps the `Exchange` contract of `base.py` and takes the endpoints to use.
"""

from collections.abc import Mapping
from importlib import import_module

from feeds.exchanges.base import Exchange
from market.exchanges import EXCHANGES

__all__ = ["EXCHANGES", "load"]


def load(name: str, endpoints: Mapping[str, str] | None = None) -> Exchange:
    """Return the adapter of an exchange.

    Args:
        name: One of EXCHANGES.
        endpoints: Hosts to use instead of the real ones, such as a simulator's: "rest", "ws" and what else the
            exchange has.

    Raises:
        ValueError: If there is no such exchange or no such endpoint.
    """
    if name not in EXCHANGES:
        raise ValueError(f"no exchange {name!r}; there are {', '.join(EXCHANGES)}")
    adapter: Exchange = import_module(f"feeds.exchanges.{name}").Adapter(endpoints)
    return adapter
