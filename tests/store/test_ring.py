"""What is remembered of every contract: samples on grids of several steps, gaps left empty."""

import numpy as np
import pytest

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


def test_closes_look_back_half_an_hour_however_much_is_kept():
    """2,000 samples a second apart are kept; the last 1,900 are those at 100 to 1,999, the middle of 3 is 1,049.5."""
    ring, store = QuoteRing(), store_of(["bybit"])
    for i in range(2_000):
        take(ring, moving(store, 1_000.0 + i), NOW + i)
    closes = ring.closes([("bybit", "BTC-USDT")], points=3)
    assert closes[0, [0, 2], 0].tolist() == [1_100.0, 2_999.0]
    assert closes[0, 1, 0] in (2_049.0, 2_050.0)


def test_closes_from_before_a_listing_are_not_known():
    ring, store = QuoteRing(capacity=100), store_of(["bybit"])
    for i in range(65):
        take(ring, moving(store, 100.0 + i), NOW + i)
    store.set_instruments("bybit", [instrument("bybit", symbol) for symbol in ("BTC-USDT", "ETH-USDT")])
    store.write([quote("bybit", 7.0, 8.0, "ETH-USDT")])
    take(ring, store.snapshot(), NOW + 65)
    closes = ring.closes([("bybit", "ETH-USDT")], points=66)
    assert np.isnan(closes[0, :65]).all()
    assert closes[0, 65].tolist() == [7.0, 8.0]


def test_the_oldest_samples_go_one_by_one():
    """Memory is taken and given back in chunks; what is kept is exactly the capacity all the same."""
    ring, store = QuoteRing(capacity=100), store_of(["bybit"])
    for i in range(300):
        take(ring, moving(store, 100.0 + i), NOW + i)
    history = ring.history("bybit", "BTC-USDT")
    assert history.time.tolist() == [NOW + i for i in range(200, 300)]
    assert history.bid_price.tolist() == [300.0 + i for i in range(100)]
    assert len(ring) == 100


MINUTE = 1_700_000_040.0  # a whole minute since the epoch: 28,333,334 of them


def minutely(capacity: int, coarse_capacity: int, samples: int) -> QuoteRing:
    """A sample each second from a whole minute on, its number the bid; a coarse one each minute."""
    ring, store = QuoteRing(capacity, coarser=((60.0, coarse_capacity),)), store_of(["bybit"])
    for i in range(samples):
        take(ring, moving(store, 1.0 + i), MINUTE + i)
    return ring


def test_a_window_that_was_overwritten_is_read_from_the_coarser_grid():
    """Of 200 seconds the finest grid has the last 100; the minutes began at 0, 60, 120 and 180 s."""
    ring = minutely(capacity=100, coarse_capacity=10, samples=200)
    history = ring.history("bybit", "BTC-USDT", window_s=600.0)
    assert history.step_s == 60.0
    assert history.time.tolist() == [MINUTE, MINUTE + 60, MINUTE + 120, MINUTE + 180]
    assert history.bid_price.tolist() == [1.0, 61.0, 121.0, 181.0]
    assert history.ask_price.tolist() == [2.0, 62.0, 122.0, 182.0]


def test_a_window_that_the_finest_grid_holds_is_read_from_it_and_cut():
    ring = minutely(capacity=100, coarse_capacity=10, samples=200)
    history = ring.history("bybit", "BTC-USDT", window_s=30.0)
    assert history.step_s == 1.0
    assert history.time.tolist() == [MINUTE + i for i in range(169, 200)]


def test_a_young_ring_answers_every_window_with_its_finest_grid():
    """While nothing has been overwritten, seconds are all there is to know."""
    history = minutely(capacity=100, coarse_capacity=10, samples=90).history("bybit", "BTC-USDT", 86_400.0)
    assert history.step_s == 1.0
    assert len(history.time) == 90


def test_a_window_longer_than_anything_kept_gives_the_coarsest_grid():
    """Three minutes are kept of five: 120, 180 and 240 s."""
    history = minutely(capacity=100, coarse_capacity=3, samples=300).history("bybit", "BTC-USDT", 86_400.0)
    assert history.time.tolist() == [MINUTE + 120, MINUTE + 180, MINUTE + 240]


def test_it_tells_how_far_it_reaches_back():
    """The last sample is at 299 s; the coarse grid has all from 0 s, or with three samples from 120 s on."""
    assert QuoteRing().reach_s() == 0.0
    assert minutely(capacity=100, coarse_capacity=10, samples=300).reach_s() == 299.0
    assert minutely(capacity=100, coarse_capacity=3, samples=300).reach_s() == 179.0


def test_a_coarse_sample_that_was_not_fresh_is_a_gap():
    """A quote one second older would have been known; it is not taken instead."""
    ring, store = QuoteRing(capacity=2, coarser=((60.0, 10),)), store_of(["bybit"])
    for i in range(121):
        take(ring, moving(store, 1.0 + i), MINUTE + i, usable=i != 60)
    assert same(ring.history("bybit", "BTC-USDT", 600.0).bid_price, [1.0, NAN, 121.0])


def test_the_first_sample_of_a_minute_counts_when_none_falls_on_it():
    ring, store = QuoteRing(capacity=2, coarser=((60.0, 10),)), store_of(["bybit"])
    for i, seconds in enumerate((10.0, 59.9, 60.7, 61.7, 200.0)):
        take(ring, moving(store, 1.0 + i), MINUTE + seconds)
    assert ring.history("bybit", "BTC-USDT", 600.0).bid_price.tolist() == [1.0, 3.0, 5.0]


def test_coarse_prices_are_rounded_and_fine_ones_are_not():
    """64,123.45678 is within 6e-8 of itself as float32."""
    ring, store = QuoteRing(capacity=2, coarser=((60.0, 10),)), store_of(["bybit"])
    for i in range(3):
        take(ring, moving(store, 64_123.45678), MINUTE + i)
    assert ring.history("bybit", "BTC-USDT").bid_price[-1] == 64_123.45678
    coarse = ring.history("bybit", "BTC-USDT", 600.0)
    assert coarse.step_s == 60.0
    assert coarse.bid_price[-1] == pytest.approx(64_123.45678, rel=6e-8)


def test_what_is_forgotten_is_forgotten_on_every_grid():
    ring = minutely(capacity=100, coarse_capacity=10, samples=200)
    ring.forget("bybit", "BTC-USDT")
    ring.forget("okx", "BTC-USDT")  # never seen: nothing to forget
    assert np.isnan(ring.history("bybit", "BTC-USDT").bid_price).all()
    assert np.isnan(ring.history("bybit", "BTC-USDT", 600.0).bid_price).all()


def test_a_clock_set_back_goes_on_being_sampled():
    ring, store = QuoteRing(capacity=2, coarser=((60.0, 10),)), store_of(["bybit"])
    for i, seconds in enumerate((0.0, 60.0, -3_600.0)):
        take(ring, moving(store, 1.0 + i), MINUTE + seconds)
    assert ring.history("bybit", "BTC-USDT", 86_400.0).bid_price.tolist() == [1.0, 2.0, 3.0]
