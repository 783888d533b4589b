"""Exchange name -> where its class lives: the class `Name` of the module `name`, for each name of the one registry."""

from market.exchanges import EXCHANGES

REGISTRY: dict[str, str] = {name: f"simulator.exchanges.{name}:{name.capitalize()}" for name in EXCHANGES}


def position(name: str) -> int:
    """Which line of the registry an exchange is."""
    return list(REGISTRY).index(name)
