"""A market that a detector follows: four exchanges at 100, thirty seconds remembered, moved by a test."""

import numpy as np

from analytics.detector import Candidate, Detector
from analytics.opportunities import Judgement
from analytics.quality import Limits
from analytics.terms import Terms
from store.grid import Grid
from store.ring import QuoteRing
from store.snapshot import SnapshotStore
from store.tape import Tape
from tests.store.scripted import NOW, instrument, quote, store_of

EXCHANGES = ["binance", "bybit", "gate", "okx"]
SIZES = (9.0, 9.0)
BTC = "BTC-USDT"


class Watched:
    """All times are seconds since `NOW`. Closing is expected to cost the spread, 2 bps; four fills cost 20."""

    def __init__(self, *symbols: str, limits: Limits | None = None, terms: Terms | None = None) -> None:
        self.symbols = symbols or (BTC,)
        words = [quote(name, 100.0, 100.02, symbol, sizes=SIZES) for symbol in self.symbols for name in EXCHANGES]
        self.store: SnapshotStore = store_of(EXCHANGES, *words)
        self.ring = QuoteRing()
        self.tape = Tape()
        self.held: set[tuple[str, str]] = set()
        for k in range(30):
            self.ring.sample(self.store.snapshot(), self.store.grid.listed, NOW - 30.0 + k)
        self.detector = Detector(self.store, self.ring, limits or Limits(), terms or Terms(), self._held, self.tape)
        self.scan(0.0)
        self.step(0.0)

    def _held(self, grid: Grid) -> np.ndarray:
        mask = np.zeros(grid.listed.shape, dtype=bool)
        for exchange, symbol in self.held:
            mask[grid.symbol_index[symbol], grid.exchange_index[exchange]] = True
        return mask

    def bid(self, at: float, price: float, *exchanges: str, symbol: str = BTC, size: float = 9.0) -> None:
        """Have exchanges bid a price and ask 0.02 more."""
        words = [quote(name, price, price + 0.02, symbol, sizes=(size, size), at=NOW + at) for name in exchanges]
        self.store.write(words)

    def repeat(self, at: float, *exchanges: str) -> None:
        """Have exchanges (by default all) say once more what they said of every symbol."""
        snapshot = self.store.snapshot()
        for exchange in exchanges or EXCHANGES:
            for symbol in self.symbols:
                if (exchange, symbol) not in snapshot.grid.instruments:
                    continue
                cell = snapshot.grid.symbol_index[symbol], snapshot.grid.exchange_index[exchange]
                bid, bid_size, ask, ask_size = snapshot.data[:4, *cell].tolist()
                self.store.write([quote(exchange, bid, ask, symbol, sizes=(bid_size, ask_size), at=NOW + at)])

    def list_everywhere(self, *symbols: str, **changed: object) -> None:
        for exchange in EXCHANGES:
            self.store.set_instruments(exchange, [instrument(exchange, symbol, **changed) for symbol in symbols])

    def step(self, at: float) -> int:
        """How many changed rows were judged."""
        return len(self.detector.step(NOW + at))

    def scan(self, at: float, feeds_alive: bool = True) -> Judgement:
        return self.detector.scan(NOW + at, feeds_alive)

    def candidate(self, buy: str, sell: str, symbol: str = BTC) -> Candidate | None:
        return self.detector.candidates.get((symbol, buy, sell))
