"""Which pair the Spreads page shows: read from its address, completed from what is listed."""

from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode

from desk import View
from store.grid import Grid


@dataclass(frozen=True)
class Choice:
    """A symbol and two exchanges. Empty where nothing fits."""

    symbol: str = ""
    buy: str = ""
    sell: str = ""

    @property
    def search(self) -> str:
        return "?" + urlencode({name: value for name, value in vars(self).items() if value})

    @property
    def id(self) -> str:
        return f"{self.symbol}:{self.buy}:{self.sell}"


def exchanges_of(grid: Grid, symbol: str) -> list[str]:
    """Who lists a symbol, in the grid's order."""
    row = grid.symbol_index.get(symbol)
    return [] if row is None else [name for i, name in enumerate(grid.exchanges) if grid.listed[row, i]]


def resolve_symbol(grid: Grid, typed: str) -> str:
    """'btc' becomes BTC-USDT if that is listed; what is not known is kept, to be said so."""
    wanted = typed.strip().upper()
    if wanted in grid.symbol_index or not wanted:
        return wanted
    candidates = [f"{wanted}-{family}" for family in ("USDT", "USDC", "USD")]
    if wanted.endswith(("USDT", "USDC", "USD")) and "-" not in wanted:
        family = next(name for name in ("USDT", "USDC", "USD") if wanted.endswith(name))
        candidates.insert(0, f"{wanted.removesuffix(family)}-{family}")
    return next((name for name in candidates if name in grid.symbol_index), wanted)


def read(search: str) -> Choice:
    """What an address asks for."""
    query = parse_qs(search.lstrip("?"))
    return Choice(*[query.get(name, [""])[0] for name in ("symbol", "buy", "sell")])


def complete(view: View, wanted: Choice) -> Choice:
    """Fill in what was not chosen: the best pair of the symbol, or of all symbols."""
    grid = view.judgement.snapshot.grid
    symbol = resolve_symbol(grid, wanted.symbol)
    if not symbol:
        best = view.opportunities[0] if view.opportunities else None
        if best is not None:
            return Choice(best.symbol, best.buy, best.sell)
        symbol = "BTC-USDT" if "BTC-USDT" in grid.symbol_index else next(iter(grid.symbols), "")
    listed = exchanges_of(grid, symbol)
    buy = wanted.buy if wanted.buy in listed else ""
    sell = wanted.sell if wanted.sell in listed and wanted.sell != buy else ""
    if not (buy and sell):
        for row in view.opportunities:
            if row.symbol == symbol and buy in ("", row.buy) and sell in ("", row.sell):
                return Choice(symbol, row.buy, row.sell)
    buy = buy or next((name for name in listed if name != sell), "")
    sell = sell or next((name for name in listed if name != buy), "")
    return Choice(symbol, buy, sell)
