"""Exchange name -> where its class lives. A new exchange is one module and one line here."""

# The position of a line decides which of the less common assets an exchange lists: append, never reorder.
REGISTRY: dict[str, str] = {
    "binance": "simulator.exchanges.binance:Binance",
    "bybit": "simulator.exchanges.bybit:Bybit",
    "okx": "simulator.exchanges.okx:Okx",
}


def position(name: str) -> int:
    """Which line of the registry an exchange is."""
    return list(REGISTRY).index(name)
