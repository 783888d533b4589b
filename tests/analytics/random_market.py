"""A small random market in which everything that can be wrong is, somewhere, and what is remembered of it."""

from dataclasses import dataclass

import numpy as np

from analytics.routes import Ints
from analytics.spreads import row_median
from analytics.usual import Span, Usual
from market.models import AssetClass, Depth, Pairing, Status
from store.snapshot import SnapshotStore
from tests.analytics.plain import Memory
from tests.store.scripted import NOW, funding, instrument, quote

EXCHANGES = ["binance", "bybit", "gate", "okx", "mexc"]
SYMBOLS = [f"C{i}-USDT" for i in range(6)]
PAIRINGS = [Pairing.OK] * 25 + [Pairing.CHECK, Pairing.DENY, Pairing.RELAY]


def some_exit(symbol: Ints, buy: Ints, sell: Ints) -> tuple[np.ndarray, np.ndarray]:
    """A different expectation for each pair, some of them unknown, some of too few samples."""
    exits = -1.0 * ((symbol * 7 + buy * 3 + sell) % 11)
    samples = np.where(exits == -7.0, 29.0, 60.0)
    return np.where(exits == -4.0, np.nan, exits), np.where(exits == -4.0, 0.0, samples)


def random_store(seed: int) -> SnapshotStore:
    rng = np.random.default_rng(seed)
    store = SnapshotStore(EXCHANGES)
    for exchange in EXCHANGES:
        listed = [symbol for symbol in SYMBOLS if rng.random() < 0.9]
        store.set_instruments(
            exchange,
            [
                instrument(
                    exchange,
                    symbol,
                    taker_fee_bps=float(rng.choice([1.0, 2.0, 4.5])) if rng.random() < 0.97 else float("nan"),
                    status=Status.HALTED if rng.random() < 0.03 else Status.TRADING,
                    pairing=PAIRINGS[rng.integers(len(PAIRINGS))],
                    asset_class=AssetClass.EQUITY if symbol == SYMBOLS[-1] else AssetClass.CRYPTO,
                    funding_interval_h=float(rng.choice([1.0, 4.0, 8.0])) if rng.random() < 0.97 else None,
                    lot_size=float(rng.choice([0.001, 0.1, 1.0])),
                    price_band=0.002 if rng.random() < 0.1 else None,
                )
                for symbol in listed
            ],
        )
        for symbol in listed:
            _write(store, rng, exchange, symbol)
    return store


def _write(store: SnapshotStore, rng: np.random.Generator, exchange: str, symbol: str) -> None:
    """A quote, funding and perhaps a book of one contract. One in three stands off the others by up to a percent."""
    bid = 100.0 * (1.0 + rng.normal() * 0.0003)
    if rng.random() < 0.35:
        bid *= 1.0 + rng.choice([-1.0, 1.0]) * rng.uniform(0.002, 0.01)
    if rng.random() < 0.02:
        bid *= 1.2
    ask = bid * (1.0 + rng.choice([-0.0001, 0.0001, 0.0003, 0.0005, 0.004], p=[0.02, 0.5, 0.3, 0.1, 0.08]))
    sizes = float(rng.uniform(0.5, 25.0)), float(rng.uniform(0.5, 25.0))
    at = NOW - float(rng.choice([0.05, 0.1, 1.0, 5.0, 11.0], p=[0.35, 0.35, 0.2, 0.07, 0.03]))
    if rng.random() < 0.97:
        sides = (None, ask) if rng.random() < 0.03 else (bid, ask)
        store.write([quote(exchange, *sides, symbol, sizes=sizes, at=at, event=at - 0.1)])
    if rng.random() < 0.015:  # late
        store.write([quote(exchange, bid, ask, symbol, sizes=sizes, at=at + 3, event=at + 0.5)])
    if rng.random() < 0.03:
        store.lose(exchange, [symbol])
    index = 100.0 * float(rng.choice([1.0, 1.0005, 1.06], p=[0.6, 0.37, 0.03]))
    mark = bid if rng.random() < 0.2 else index * (1.0 + rng.normal() * 0.0002)
    said = {"mark_price": mark, "index_price": index, "funding_rate": float(rng.normal() * 1e-4)}
    said = {name: value for name, value in said.items() if rng.random() < 0.97}
    at = NOW - float(rng.choice([0.5, 2.0, 12.0, 16.0], p=[0.5, 0.42, 0.04, 0.04]))
    store.write([funding(exchange, symbol, at=at, **said)])
    if rng.random() < 0.6:
        _write_book(store, rng, exchange, symbol, bid * float(rng.choice([1.0, 1.00015, 1.0003])), ask, sizes)


def _write_book(
    store: SnapshotStore,
    rng: np.random.Generator,
    exchange: str,
    symbol: str,
    bid: float,
    ask: float,
    sizes: tuple[float, float],
) -> None:
    watched = [known for known in SYMBOLS if store.depths.get(exchange, known) is not None]
    store.watch_depth(exchange, [*watched, symbol], ())
    levels = int(rng.integers(0, 6))
    steps = np.cumsum(rng.choice([0.0001, 0.0005, 0.003], size=levels, p=[0.5, 0.4, 0.1]))
    more = rng.uniform(0.5, 40.0, size=levels)
    bids = ((bid, sizes[0]), *zip((bid * (1.0 - steps)).tolist(), more.tolist(), strict=True))
    asks = ((ask, sizes[1]), *zip((ask * (1.0 + steps)).tolist(), more.tolist(), strict=True))
    store.write([Depth(exchange, symbol, tuple(bids), tuple(asks), None, NOW)])
    if rng.random() < 0.1:
        store.mark_depth(exchange, [symbol], "resyncing")


@dataclass
class Remembered:
    """The same memory twice: in the product's arrays and in plain words."""

    usual: Usual
    since: np.ndarray
    jumped: np.ndarray
    plain: Memory


def random_memory(store: SnapshotStore, seed: int) -> Remembered:
    """Most gaps have stood for a while and most books are narrow, so that much is left for the later tests."""
    rng = np.random.default_rng(1_000 + seed)
    snapshot = store.snapshot()
    grid, shape = snapshot.grid, snapshot.grid.listed.shape
    cube = (*shape, shape[1])
    mark = snapshot["mark_price"]
    mids = np.where(np.abs(snapshot["bid_price"] / 100.0 - 1.0) < 0.05, snapshot["bid_price"], np.nan)
    middle = row_median(mids)
    marks = tuple(
        (NOW - age, mark * rng.choice([1.0, 0.9981, 0.9979], size=shape, p=[0.94, 0.03, 0.03]), middle * wander)
        for age, wander in (
            (2.0, rng.choice([1.0, 0.9981, 0.9979], size=shape[0], p=[0.9, 0.05, 0.05])),
            (0.5, 1.0),
        )
    )
    usual = Usual(
        grid=grid,
        time=NOW,
        spread_bps=rng.choice([np.nan, 2.0, 24.0, 26.0], size=shape, p=[0.3, 0.5, 0.15, 0.05]),
        index_price=snapshot["index_price"],
        index_moved=rng.choice([np.nan, NOW - 5.0, NOW - 30.0, NOW - 90.0], size=shape),
        open_now=rng.random(shape) < 0.5,
        variance=rng.choice([np.nan, 0.01, 4.0, 400.0], size=shape[0]),
        middle=np.full(shape[0], 100.0),
        anchor_time=snapshot["funding_received_time"],
        anchor_gap_s=rng.choice([np.nan, 0.2, 0.6, 3.0, 8.0], size=shape, p=[0.3, 0.02, 0.28, 0.2, 0.2]),
        span=Span.of(marks, shape),
        marks=marks,
    )
    since = rng.choice(
        [np.nan, NOW - 0.02, NOW - 0.15, NOW - 3.0, NOW - 20.0], size=cube, p=[0.05, 0.2, 0.15, 0.2, 0.4]
    )
    jumped = rng.random(cube) < 0.85
    plain = Memory()
    for s, symbol in enumerate(grid.symbols):
        if not np.isnan(usual.variance[s]):
            plain.variance[symbol] = float(usual.variance[s])
        for e, exchange in enumerate(grid.exchanges):
            key = exchange, symbol
            plain.open_now[key] = bool(usual.open_now[s, e])
            if not np.isnan(usual.spread_bps[s, e]):
                plain.spread_bps[key] = float(usual.spread_bps[s, e])
            if not np.isnan(usual.index_moved[s, e]):
                plain.index_moved[key] = float(usual.index_moved[s, e])
            if not np.isnan(usual.anchor_gap_s[s, e]):
                plain.anchor_gap_s[key] = float(usual.anchor_gap_s[s, e])
            ladder = store.depths.get(exchange, symbol)
            if ladder is not None:
                plain.ladders[key] = ladder
            for x, sold in enumerate(grid.exchanges):
                if not np.isnan(since[s, e, x]):
                    plain.since[symbol, exchange, sold] = float(since[s, e, x])
                if jumped[s, e, x]:
                    plain.jumped.add((symbol, exchange, sold))
    plain.marks = [
        {(exchange, symbol): float(row[s, e]) for s, symbol in enumerate(grid.symbols)
         for e, exchange in enumerate(grid.exchanges)}
        for _, row, _ in usual.marks
    ]  # fmt: skip
    plain.middles = [{symbol: float(row[s]) for s, symbol in enumerate(grid.symbols)} for _, _, row in usual.marks]
    return Remembered(usual, since, jumped, plain)
