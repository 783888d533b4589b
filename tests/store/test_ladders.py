"""Ladders and their states, and how long a wish lasts."""

import dataclasses

import pytest

from market.models import Depth
from store.depth import DepthStore, Wishes
from tests.store.scripted import NOW, store_of

BIDS, ASKS = ((100.0, 1.0), (99.0, 2.0)), ((101.0, 3.0), (102.0, 4.0))


def book(bids=BIDS, asks=ASKS, event=NOW, received=NOW):
    return Depth("bybit", "BTC-USDT", bids, asks, event, received)


@pytest.fixture
def store():
    store = DepthStore()
    store.watch("bybit", ["BTC-USDT"], [], NOW)
    return store


def ladder(store):
    return store.get("bybit", "BTC-USDT")


def test_a_watched_book_waits_until_it_comes_and_knows_its_ages(store):
    assert ladder(store).state == "waiting"
    assert ladder(store).age_s(NOW) is None

    store.write(book(event=NOW - 0.5))

    found = ladder(store)
    assert (found.state, found.bids, found.asks) == ("live", BIDS, ASKS)
    assert found.age_s(NOW + 2.0) == pytest.approx(2.0)
    assert found.exchange_age_s(NOW + 2.0, 0.1) == pytest.approx(2.4)
    assert found.exchange_age_s(NOW, float("nan")) is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.state = "lost"


def test_books_nobody_asked_for_are_not_kept(store):
    store.write(Depth("bybit", "ETH-USDT", BIDS, ASKS, NOW, NOW))
    store.watch("bybit", ["ETH-USDT"], ["SOL-USDT"], NOW)
    store.write(book())

    assert ladder(store) is None
    assert store.get("bybit", "ETH-USDT").state == "waiting"
    assert store.get("bybit", "SOL-USDT").state == "off"
    store.mark("bybit", ["SOL-USDT"], "lost", NOW)
    assert store.get("bybit", "SOL-USDT").state == "off"


@pytest.mark.parametrize(
    ("bids", "asks"),
    [(((101.0, 1.0),), ASKS), (((102.0, 1.0),), ASKS), (((99.0, 1.0), (100.0, 1.0)), ASKS), (BIDS, ASKS[::-1])],
    ids=["touching", "crossed", "bids out of order", "asks out of order"],
)
def test_a_book_that_cannot_be_is_marked_and_never_shown(store, bids, asks):
    store.write(book())
    store.write(book(bids, asks, NOW + 1, NOW + 1))

    assert (ladder(store).state, ladder(store).bids) == ("resyncing", BIDS)
    store.write(book(event=NOW + 2, received=NOW + 2))
    assert (ladder(store).state, ladder(store).since) == ("live", NOW + 2)


def test_an_older_book_never_follows_a_newer_one_but_a_stepped_clock_is_believed(store):
    store.write(book(event=NOW))
    store.write(book(((98.0, 1.0),), event=NOW - 1.0))
    assert ladder(store).bids == BIDS
    store.write(book(((98.0, 1.0),), event=NOW - 3600.0))
    assert ladder(store).bids == ((98.0, 1.0),)


def test_marks_last_until_the_next_good_book(store):
    store.mark("bybit", ["BTC-USDT"], "lost", NOW)
    assert ladder(store).state == "waiting"  # nothing was there to be lost
    assert store.stuck("bybit", NOW + 1) == ("BTC-USDT",)
    store.write(book())
    store.mark("bybit", ["BTC-USDT"], "resyncing", NOW + 1)

    assert store.stuck("bybit", NOW + 1) == ()
    assert store.stuck("bybit", NOW + 2) == ("BTC-USDT",)
    store.write(book(received=NOW + 3))
    assert ladder(store).state == "live"


def test_the_snapshot_store_passes_books_on():
    store = store_of(["bybit"])
    store.watch_depth("bybit", ["BTC-USDT"], [])
    store.write([book()])
    assert store.depths.get("bybit", "BTC-USDT").state == "live"
    store.mark_depth("bybit", ["BTC-USDT"], "lost")
    assert store.depths.get("bybit", "BTC-USDT").state == "lost"
    assert store.stuck_depth("bybit", 0.0) == ()


def test_a_wish_lasts_from_its_last_look():
    wishes = Wishes(ttl_s=30.0)
    assert wishes.look("BTC-USDT", ("bybit", "okx"), now=0.0)
    assert not wishes.look("BTC-USDT", ("bybit",), now=20.0)

    assert wishes.wanted(now=29.0) == {"bybit": ("BTC-USDT",), "okx": ("BTC-USDT",)}
    assert wishes.wanted(now=31.0) == {"bybit": ("BTC-USDT",)}
    assert wishes.wanted(now=50.0) == {}


def test_the_youngest_wish_comes_first_however_often_older_ones_are_renewed():
    """Renewals must not change the order: beyond the cap, books would be dropped and asked for at every tick."""
    wishes = Wishes(ttl_s=30.0)
    for at, symbol in enumerate(("BTC-USDT", "ETH-USDT", "SOL-USDT")):
        wishes.look(symbol, ("okx",), now=float(at))
    wishes.look("BTC-USDT", ("okx",), now=9.0)

    assert wishes.wanted(now=10.0) == {"okx": ("SOL-USDT", "ETH-USDT", "BTC-USDT")}
