"""The market model: repeatable, coherent between exchanges, and with the traps that real listings have."""

import numpy as np
import pytest

from simulator.book import Book, DepthMemory
from simulator.market import STEP_S
from simulator.server import Simulator

ALL = ("binance", "bybit", "okx")


def stepped(*exchanges: str, seed: int = 7, steps: int = 500, instruments: int = 60, rate: float = 900) -> Simulator:
    simulator = Simulator(exchanges or ALL, seed=seed, rate=rate, instruments=instruments)
    for step in range(steps):
        simulator.step(1_000_000 + step * STEP_S)
    return simulator


def tops(simulator: Simulator, exchange: str) -> np.ndarray:
    market = simulator.exchanges[exchange].market
    return np.stack([market.bid_ticks, market.bid_lots, market.ask_ticks, market.ask_lots])


def test_same_seed_gives_the_same_universe_and_quotes():
    first, second = stepped(), stepped()

    for name in ALL:
        assert [row.exchange_symbol for row in first.exchanges[name].listings] == [
            row.exchange_symbol for row in second.exchanges[name].listings
        ]
        assert np.array_equal(tops(first, name), tops(second, name))
        assert np.array_equal(first.exchanges[name].market.funding_rate, second.exchanges[name].market.funding_rate)


def test_another_seed_gives_other_prices():
    assert not np.array_equal(stepped().fair.now, stepped(seed=8).fair.now)


def test_an_exchange_quotes_the_same_whatever_else_runs():
    alone, together = stepped("okx", rate=300), stepped(rate=900)

    assert np.array_equal(alone.exchanges["okx"].market.mid, together.exchanges["okx"].market.mid)


def test_the_rate_does_not_move_prices():
    calm, busy = stepped(rate=100), stepped(rate=2000)

    assert np.array_equal(calm.exchanges["bybit"].market.mid, busy.exchanges["bybit"].market.mid)


def test_the_rate_is_the_number_of_changes_per_second():
    simulator = Simulator(ALL, seed=1, rate=3000, instruments=330)
    count = 0
    for step in range(250):
        simulator.step(1_000_000 + step * STEP_S)
        now = 1_000_000 + step * STEP_S
        count += sum(
            len(e.market.changes[-1].index) for e in simulator.exchanges.values() if e.market.changes[-1].time == now
        )

    assert count / 5 == pytest.approx(3000, rel=0.06)


def test_quotes_are_never_crossed_and_stay_near_the_fair_price():
    simulator = stepped(steps=1500, instruments=330, rate=3000)
    for exchange in simulator.exchanges.values():
        market = exchange.market
        assert (market.ask_ticks > market.bid_ticks).all()
        assert (market.bid_ticks > 0).all()
        assert (np.minimum(market.bid_lots, market.ask_lots) >= 1).all()
        spread_bps = (market.ask_ticks - market.bid_ticks) * market.tick / market.mid * 1e4
        tick_bps = market.tick / market.mid * 1e4
        assert (spread_bps <= 10 + 2 * tick_bps).all()
        live = market.live
        middle = (market.bid_ticks + market.ask_ticks) * market.tick / 2
        assert (np.abs(middle / market.mid - 1)[live] < 0.01).all()
        assert np.abs(market.index_noise).max() <= 2e-4


def test_every_change_is_a_change():
    simulator = Simulator(("binance",), seed=3, rate=2000, instruments=40)
    market = simulator.exchanges["binance"].market
    last: dict[int, tuple[int, ...]] = {}
    for step in range(300):
        simulator.step(1_000_000 + step * STEP_S)
    for change in market.changes:
        fields = (change.index, change.bid_ticks, change.bid_lots, change.ask_ticks, change.ask_lots)
        for index, *top in zip(*(field.tolist() for field in fields), strict=True):
            assert last.get(index) != tuple(top)
            last[index] = tuple(top)


def test_opportunities_beyond_fees_come_and_go():
    """Bursts push one exchange 50-100 bps away, far beyond the 21 bps that two taker fees cost."""
    simulator = Simulator(ALL, seed=2, rate=500, instruments=100)
    seen: set[tuple[str, int]] = set()
    for step in range(round(90 / STEP_S)):
        simulator.step(1_000_000 + step * STEP_S)
        for name, exchange in simulator.exchanges.items():
            seen |= {(name, int(index)) for index in np.flatnonzero(np.abs(exchange.market.burst) > 45e-4)}
    over = [name for name, index in seen if abs(simulator.exchanges[name].market.burst[index]) < 5e-4]

    assert len(seen) >= 5
    assert over  # at least one is over again


def test_universe_at_full_size():
    simulator = Simulator(ALL, seed=1, rate=3000, instruments=330)
    listed = {
        name: {row.asset.key for row in exchange.trading() if row.perpetual}
        for name, exchange in simulator.exchanges.items()
    }
    everything = set.union(*listed.values())

    for exchange in simulator.exchanges.values():
        assert sum(row.perpetual for row in exchange.trading()) == 330
    assert sum(sum(asset in keys for keys in listed.values()) >= 2 for asset in everything) >= 300
    assert len(set.intersection(*listed.values())) >= 245


@pytest.mark.parametrize(
    ("exchange", "symbol", "unit", "contract", "kind", "quote"),
    [
        ("binance", "1000PEPEUSDT", 1e3, 1, "linear", "USDT"),
        ("binance", "1MBABYDOGEUSDT", 1e6, 1, "linear", "USDT"),
        ("binance", "1000000MOGUSDT", 1e6, 1, "linear", "USDT"),
        ("binance", "NEIROUSDT", 1, 1, "linear", "USDT"),
        ("binance", "BTCUSDC", 1, 1, "linear", "USDC"),
        ("binance", "BTCUSD_PERP", 1, 100, "inverse", "USD"),
        ("binance", "ETHUSD_PERP", 1, 10, "inverse", "USD"),
        ("bybit", "SHIB1000USDT", 1e3, 1, "linear", "USDT"),
        ("bybit", "10000SATSUSDT", 1e4, 1, "linear", "USDT"),
        ("bybit", "1000000BABYDOGEUSDT", 1e6, 1, "linear", "USDT"),
        ("bybit", "1000NEIROCTOUSDT", 1e3, 1, "linear", "USDT"),
        ("bybit", "RAYDIUMUSDT", 1, 1, "linear", "USDT"),
        ("bybit", "BTCPERP", 1, 1, "linear", "USDC"),
        ("bybit", "BTCUSD", 1, 1, "inverse", "USD"),
        ("okx", "BTC-USDT-SWAP", 1, 0.01, "linear", "USDT"),
        ("okx", "BTC-USD-SWAP", 1, 100, "inverse", "USD"),
        ("okx", "BTC-USD_UM-SWAP", 1, 0.01, "linear", "USD"),
        ("okx", "OPENAI-USDT-SWAP", 0.1, 0.01, "linear", "USDT"),
    ],
)
def test_units_and_names_are_the_exchanges_own(exchange, symbol, unit, contract, kind, quote):
    listing = Simulator((exchange,), seed=1, rate=1, instruments=330).exchanges[exchange].by_symbol[symbol]

    assert (listing.unit, listing.contract, listing.kind, listing.quote) == (unit, contract, kind, quote)


def test_same_ticker_can_be_another_asset():
    """ON is a coin at Binance and a share at Bybit and OKX, hundreds of times dearer."""
    simulator = stepped(instruments=330, steps=2)
    price = {}
    for name, symbol in (("binance", "ONUSDT"), ("bybit", "ONUSDT"), ("okx", "ON-USDT-SWAP")):
        exchange = simulator.exchanges[name]
        price[name] = exchange.market.mid[exchange.by_symbol[symbol].index]

    assert price["bybit"] == pytest.approx(price["okx"], rel=0.02)
    assert price["bybit"] / price["binance"] > 300


def test_funding_settles_on_the_utc_grid_of_the_interval():
    market = stepped("bybit").exchanges["bybit"].market
    for index, hours in enumerate(market.interval_h):
        at = market.next_funding_s(index, 1_700_000_123.0)
        assert at % (hours * 3600) == 0
        assert 0 < at - 1_700_000_123.0 <= hours * 3600
    assert set(market.interval_h) == {1.0, 4.0, 8.0}


def test_book_is_deep_ordered_and_starts_at_the_true_top():
    simulator = stepped("binance", instruments=20)
    market = simulator.exchanges["binance"].market
    book = Book(market, 0, seed=1)
    for step in range(200):
        simulator.step(2_000_000 + step * STEP_S)
        book.refresh()
        bids, asks = book.bids.top(30), book.asks.top(30)
        assert len(bids) == len(asks) == 30
        assert bids[0] == (market.bid_ticks[0], market.bid_lots[0])
        assert asks[0] == (market.ask_ticks[0], market.ask_lots[0])
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)


@pytest.mark.parametrize("levels", [50, 400])
def test_depth_changes_rebuild_the_book(levels):
    simulator = stepped("okx", instruments=20)
    book = Book(simulator.exchanges["okx"].market, 1, seed=1)
    book.refresh()
    memory = DepthMemory(levels)
    bids, asks = (dict(side) for side in memory.snapshot(book))
    for step in range(100):
        simulator.step(2_000_000 + step * STEP_S)
        book.refresh()
        for side, changes in zip((bids, asks), memory.changes(book), strict=True):
            for price, lots in changes:
                if lots:
                    side[price] = lots
                else:
                    del side[price]
    assert bids == dict(book.bids.top(levels))
    assert asks == dict(book.asks.top(levels))
