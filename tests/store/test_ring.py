"""The last half hour in memory: samples on a grid, gaps left empty."""

import numpy as np

from store.ring import QuoteRing
from store.snapshot import Snapshot, SnapshotStore
from tests.store.scripted import NOW, instrument, quote, same, store_of

NAN = np.nan


def take(ring: QuoteRing, snapshot: Snapshot, now: float, usable: object = True) -> None:
    ring.sample(snapshot, np.broadcast_to(np.asarray(usable), snapshot["bid_price"].shape), now)


def moving(store: SnapshotStore, price: float) -> Snapshot:
    store.write([quote("bybit", price, price + 1)])
    return store.snapshot()


def test_a_contract_never_seen_has_an_empty_history():
    history = QuoteRing().history("bybit", "BTC-USDT")
    assert len(history.time) == len(history.bid_price) == len(history.ask_price) == 0


def test_samples_come_back_oldest_first():
    ring, store = QuoteRing(capacity=10), store_of(["bybit"])
    for i in range(3):
        take(ring, moving(store, 100.0 + i), NOW + i)
    history = ring.history("bybit", "BTC-USDT")
    assert history.time.tolist() == [NOW, NOW + 1, NOW + 2]
    assert history.bid_price.tolist() == [100.0, 101.0, 102.0]
    assert history.ask_price.tolist() == [101.0, 102.0, 103.0]
    assert len(ring) == 3


def test_what_was_not_fit_to_be_remembered_is_a_gap():
    ring, store = QuoteRing(capacity=10), store_of(["bybit"])
    for i, usable in enumerate((True, False, True)):
        take(ring, moving(store, 100.0 + i), NOW + i, usable)
    assert same(ring.history("bybit", "BTC-USDT").bid_price, [100.0, NAN, 102.0])


def test_the_oldest_samples_are_overwritten_when_it_is_full():
    ring, store = QuoteRing(capacity=3), store_of(["bybit"])
    for i in range(7):
        take(ring, moving(store, 100.0 + i), NOW + i)
    history = ring.history("bybit", "BTC-USDT")
    assert history.time.tolist() == [NOW + 4, NOW + 5, NOW + 6]
    assert history.bid_price.tolist() == [104.0, 105.0, 106.0]
    assert len(ring) == 3


def test_a_contract_gone_for_a_round_leaves_nothing_of_the_round_before():
    """The slot of a delisted contract has to be emptied, or it would show a price of half an hour ago."""
    ring, store = QuoteRing(capacity=2), store_of(["bybit", "okx"], quote("bybit", 100.0, 101.0))
    for i in range(2):
        take(ring, store.snapshot(), NOW + i)
    store.set_instruments("bybit", [])
    for i in range(2, 4):
        take(ring, store.snapshot(), NOW + i)
    assert same(ring.history("bybit", "BTC-USDT").bid_price, [NAN, NAN])


def test_it_grows_with_new_listings_and_keeps_the_old_rows():
    ring, store = QuoteRing(capacity=4), store_of(["bybit"])
    take(ring, moving(store, 100.0), NOW)
    many = [f"C{i:03}-USDT" for i in range(600)]
    store.set_instruments("bybit", [instrument("bybit", symbol) for symbol in ["BTC-USDT", *many]])
    store.write([quote("bybit", float(i + 1), i + 2.0, symbol) for i, symbol in enumerate(many)])
    take(ring, store.snapshot(), NOW + 1)
    assert ring.history("bybit", "BTC-USDT").bid_price.tolist() == [100.0, 100.0]
    assert same(ring.history("bybit", "C599-USDT").bid_price, [NAN, 600.0])


def test_closes_are_spread_over_the_whole_ring_and_include_both_ends():
    ring, store = QuoteRing(capacity=100), store_of(["bybit"])
    for i in range(11):
        take(ring, moving(store, 100.0 + i), NOW + i)
    closes = ring.closes([("bybit", "BTC-USDT"), ("okx", "BTC-USDT")], points=3)
    assert closes.shape == (2, 3, 2)
    assert closes[0].tolist() == [[100.0, 101.0], [105.0, 106.0], [110.0, 111.0]]
    assert np.isnan(closes[1]).all()


def test_closes_of_a_short_ring_are_all_it_has():
    ring, store = QuoteRing(capacity=100), store_of(["bybit"])
    assert ring.closes([("bybit", "BTC-USDT")], points=60).shape == (1, 0, 2)
    take(ring, moving(store, 100.0), NOW)
    assert ring.closes([("bybit", "BTC-USDT")], points=60).tolist() == [[[100.0, 101.0]]]
    assert ring.closes([], points=60).shape == (0, 1, 2)


def test_closes_are_copies():
    ring, store = QuoteRing(capacity=2), store_of(["bybit"])
    take(ring, moving(store, 100.0), NOW)
    history, closes = ring.history("bybit", "BTC-USDT"), ring.closes([("bybit", "BTC-USDT")], 10)
    for i in range(1, 4):
        take(ring, moving(store, 100.0 + i), NOW + i)
    assert history.bid_price.tolist() == [100.0]
    assert closes[0, 0, 0] == 100.0


def test_an_empty_market_can_be_sampled():
    ring = QuoteRing(capacity=2)
    take(ring, SnapshotStore(["bybit"]).snapshot(), NOW)
    assert len(ring) == 1
