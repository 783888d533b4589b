"""The exchanges, by name: the one registry.

A name stands for `feeds/exchanges/NAME.py` (its adapter) and `simulator/exchanges/NAME.py` (its simulation). The order
is that of pages and tables, and decides which of the less common assets a simulated exchange lists: append, never
reorder.
"""

EXCHANGES: tuple[str, ...] = (
    "binance",
    "bybit",
    "okx",
    "kucoin",
    "deribit",
    "bitmex",
    "gate",
    "mexc",
    "bitget",
    "phemex",
    "coindcx",
    "hyperliquid",
)
