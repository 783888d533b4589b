"""All pairs of 600 symbols on 11 exchanges, against one pass of NumPy over an array of that size."""

import time

import numpy as np

from analytics.costs import Costs
from analytics.edges import edges
from analytics.opportunities import judge
from analytics.quality import Limits
from analytics.routes import Array, Ints
from analytics.terms import Terms
from analytics.usual import nothing_usual
from benchmarks.decode import best_s
from market.models import Instrument, Quote, Status
from store.snapshot import SnapshotStore

S, E = 600, 11


def _store() -> SnapshotStore:
    """A made-up market: every contract quoted within some bps of its symbol's price."""
    chance = np.random.default_rng(1)
    exchanges = [f"exchange{i}" for i in range(E)]
    store = SnapshotStore(exchanges)
    now = time.time()
    prices = np.exp(chance.normal(0.0, 3.0, S))
    for exchange in exchanges:
        rows = [_instrument(exchange, f"S{i}") for i in range(S)]
        store.set_instruments(exchange, rows)
        mids = prices * (1.0 + chance.normal(0.0, 2e-3, S))
        sizes = chance.lognormal(3.0, 1.0, (S, 2))
        quotes = zip(rows, mids, sizes, strict=True)
        store.write(
            [
                Quote(exchange, row.symbol, mid * 0.9998, size[0], mid * 1.0002, size[1], now, now)
                for row, mid, size in quotes
            ]
        )
    return store


def _instrument(exchange: str, base: str) -> Instrument:
    return Instrument(
        exchange=exchange,
        exchange_symbol=base,
        symbol=f"{base}-USDT",
        base=base,
        quote="USDT",
        settle="USDT",
        kind="linear",
        multiplier=1.0,
        contract_multiplier=1.0,
        tick_size=None,
        lot_size=None,
        min_notional=None,
        funding_interval_h=8.0,
        status=Status.TRADING,
        listed_time=None,
        taker_fee_bps=5.0,
        maker_fee_bps=2.0,
    )


def run() -> dict[str, float]:
    """Milliseconds of a pass over (600, 11, 11), of all edges with quotes' verdicts, of a judgement and a snapshot."""
    store = _store()
    snapshot = store.snapshot()
    bid, ask = snapshot["bid_price"], snapshot["ask_price"]

    def expected_exit(symbol: Ints, _buy: Ints, _sell: Ints) -> tuple[Array, Array]:
        return np.full(len(symbol), -5.0), np.full(len(symbol), 60.0)

    def copied() -> None:
        store.version += 1
        store.snapshot()

    now = time.time()
    usual = nothing_usual(snapshot.grid, now)
    floor_s = best_s(lambda: bid[:, None, :] - ask[:, :, None], 30)
    pairs_s = best_s(lambda: edges(snapshot, now, Limits(), Costs(), usual), 30)
    judge_s = best_s(lambda: judge(snapshot, now, expected_exit, Limits(), Terms(), usual=usual), 30)
    snapshot_s = best_s(copied, 30)
    return {
        "floor_ms": floor_s * 1e3,
        "all_pairs_ms": pairs_s * 1e3,
        "judge_ms": judge_s * 1e3,
        "snapshot_ms": snapshot_s * 1e3,
        "all_pairs_ratio": pairs_s / floor_s,
        "judge_ratio": judge_s / floor_s,
    }
