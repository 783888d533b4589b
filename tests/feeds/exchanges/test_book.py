"""The order book: best prices under changes, checked against a plain recount."""

from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.book import Book

levels = st.lists(st.tuples(st.integers(1, 9).map(float), st.integers(0, 3).map(float)), max_size=6)


def test_the_best_price_follows_deletions():
    book = Book([(100.0, 1.0), (99.0, 2.0)], [(101.0, 3.0), (102.0, 4.0)])
    assert book.top == ((100.0, 1.0), (101.0, 3.0))

    book.apply([(100.0, 0.0), (50.0, 0.0)], [(101.0, 5.0)])
    assert book.top == ((99.0, 2.0), (101.0, 5.0))

    book.apply([(99.0, 0.0)], [])
    assert book.best_bid is None
    assert not book.crossed


def test_a_bid_at_or_above_the_ask_is_crossed():
    book = Book([(100.0, 1.0)], [(101.0, 1.0)])
    assert not book.crossed
    book.apply([(101.0, 1.0)], [])
    assert book.crossed


def test_levels_are_best_first():
    book = Book([(99.0, 1.0), (100.0, 1.0), (98.0, 1.0)], [(103.0, 1.0), (101.0, 1.0)])

    assert book.levels(2) == ([(100.0, 1.0), (99.0, 1.0)], [(101.0, 1.0), (103.0, 1.0)])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(levels, levels), max_size=8))
def test_the_kept_best_is_the_recounted_best(changes):
    book, bids, asks = Book(), {}, {}
    for bid_changes, ask_changes in changes:
        book.apply(bid_changes, ask_changes)
        for side, side_changes in ((bids, bid_changes), (asks, ask_changes)):
            for price, size in side_changes:
                side.pop(price, None)
                if size:
                    side[price] = size
        assert book.best_bid == (max(bids.items()) if bids else None)
        assert book.best_ask == (min(asks.items()) if asks else None)
