"""What of the user's notional could be filled: by numbers worked by hand, and never on a book that is not there."""

import math

import pytest

from analytics.fills import NOTHING, KeptBooks, book_of, fillable
from analytics.size import Book
from store.depth import Ladder

NAN = math.nan
NOW = 1_800_000_000.0

# Mids 100 and 102, mean 101. Asks of L: 2 at 100.5, 3 at 101, 5 at 103. Bids of S: 1 at 101.5, 4 at 101.25, 2 at 100.
LONG = Book(bids=[(99.5, 9.0)], asks=[(100.5, 2.0), (101.0, 3.0), (103.0, 5.0)])
SHORT = Book(bids=[(101.5, 1.0), (101.25, 4.0), (100.0, 2.0)], asks=[(102.5, 9.0)])
TOUCH = 1.0 / 101 * 1e4  # of the two bests, 99.0099 bps


def bps(gain: float) -> float:
    """Of a gain per coin."""
    return gain / 101 * 1e4


# -- which book ------------------------------------------------------------------------------------------------


def ladder(bid: float = 99.5, ask: float = 100.5, state: str = "live") -> Ladder:
    return Ladder("bybit", "BTC-USDT", state, NOW, ((bid, 1.0), (99.0, 2.0)), ((ask, 3.0), (101.0, 4.0)))


TOP = (99.5, 7.0, 100.5, 8.0)


def test_a_live_ladder_of_the_same_touch_is_the_book():
    book = book_of(ladder(), TOP, 0.1, 5.0)
    assert (book.bids, book.asks) == (ladder().bids, ladder().asks)
    assert (book.touch_only, book.lot, book.min_notional) == (False, 0.1, 5.0)


def test_of_what_is_not_known_there_is_no_limit():
    book = book_of(ladder(), TOP, None, None)
    assert (book.lot, book.min_notional) == (None, None)


@pytest.mark.parametrize("state", ["waiting", "resyncing", "lost", "off"])
def test_a_ladder_that_is_not_live_is_not_believed(state):
    book = book_of(ladder(state=state), TOP, None, None)
    assert (book.bids, book.asks, book.touch_only) == (((99.5, 7.0),), ((100.5, 8.0),), True)


@pytest.mark.parametrize("known", [None, Ladder("bybit", "BTC-USDT", "live", NOW)], ids=["unwatched", "empty"])
def test_without_a_ladder_the_touch_is_the_book(known):
    assert book_of(known, TOP, None, None) == Book(((99.5, 7.0),), ((100.5, 8.0),), True)


@pytest.mark.parametrize(
    ("bid", "ask", "touch_only"),
    [
        (99.5 * 1.00019, 100.5, False),
        (99.5 * 1.00021, 100.5, True),
        (99.5, 100.5 * 0.99981, False),
        (99.5, 100.5 * 0.99979, True),
    ],
)
def test_a_ladder_that_shows_another_touch_is_of_another_moment(bid, ask, touch_only):
    """Two bps apart is the limit, on either side."""
    assert book_of(ladder(bid, ask), TOP, None, None).touch_only is touch_only


KEY = ("bybit", "BTC-USDT")
LIVE = ladder()
NEAR, FAR = (99.51, 7.0, 100.5, 8.0), (99.6, 7.0, 100.5, 8.0)  # 1.005 and 10.05 bps above the bid of the ladder
OF_A_LADDER, OF_A_TOUCH = (LIVE, TOP, 0.1, 5.0), (LIVE, FAR, 0.1, 5.0)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (OF_A_LADDER, OF_A_LADDER),
        (OF_A_LADDER, (LIVE, NEAR, 0.1, 5.0)),  # the ladder still shows it
        (OF_A_TOUCH, OF_A_TOUCH),
        ((None, TOP, None, None), (None, TOP, None, None)),
    ],
)
def test_what_would_be_the_same_book_is_the_same_object(first, then):
    kept = KeptBooks()
    assert kept.of(KEY, *then) is kept.of(KEY, *then)
    assert kept.of(KEY, *first) is kept.of(KEY, *then)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (OF_A_LADDER, (ladder(ask=100.51), TOP, 0.1, 5.0)),
        (OF_A_LADDER, (ladder(state="lost"), TOP, 0.1, 5.0)),
        (OF_A_LADDER, OF_A_TOUCH),
        (OF_A_TOUCH, OF_A_LADDER),
        (OF_A_TOUCH, (LIVE, (*FAR[:3], 9.0), 0.1, 5.0)),
        (OF_A_LADDER, (LIVE, TOP, 0.2, 5.0)),
        (OF_A_LADDER, (LIVE, TOP, 0.1, None)),
        ((None, TOP, None, None), (None, NEAR, None, None)),
        ((None, TOP, None, None), (LIVE, TOP, None, None)),
    ],
)
def test_another_book_is_not_the_one_that_was_kept(first, then):
    kept = KeptBooks()
    kept.of(KEY, *first)
    assert kept.of(KEY, *then) == book_of(*then) != book_of(*first)


def test_each_contract_has_a_book_of_its_own():
    kept = KeptBooks()
    kept.of(KEY, *OF_A_LADDER)
    assert kept.of(("okx", "BTC-USDT"), None, FAR, None, None) == book_of(None, FAR, None, None)


# -- what fills ------------------------------------------------------------------------------------------------


def test_my_notional_is_filled_where_the_book_is_deep_enough():
    """303 of notional are 3 coins: bought for 302, sold for 304, so 2/3 a coin; the touch gave 1."""
    found = fillable(LONG, SHORT, 303.0, 0.0)
    assert found.size == pytest.approx(3.0)
    assert found.notional == pytest.approx(303.0)
    assert found.walk_bps == pytest.approx(bps(2 / 3) - TOUCH)


def test_not_a_coin_more_than_gains():
    """Of 1e6 of notional only the 5 coins that each gain a quarter or more: 2.5 won, 0.5 a coin. Capacity goes on until
    the average is down at a quarter: 5 + 5 / 13 coins."""
    found = fillable(LONG, SHORT, 1e6, bps(0.2499999999))
    assert found.size == 5.0
    assert found.gainful == pytest.approx(5 * 101.0)
    assert found.walk_bps == pytest.approx(bps(0.5) - TOUCH)
    assert found.capacity == pytest.approx((5 + 5 / 13) * 101.0)
    assert found.visible == pytest.approx(7 * 101.0)
    assert found.touch_only is False


def test_a_gap_that_gains_nothing_is_still_measured():
    """Nothing gains two a coin; what my notional would get is shown all the same."""
    found = fillable(LONG, SHORT, 303.0, bps(2.0))
    assert found.gainful == found.capacity == 0.0
    assert found.size == pytest.approx(3.0)
    assert found.walk_bps == pytest.approx(bps(2 / 3) - TOUCH)


def test_what_is_filled_is_whole_lots():
    """3.5 coins in lots of 0.25 and of 1 coin are 3."""
    long, short = Book(LONG.bids, LONG.asks, lot=0.25), Book(SHORT.bids, SHORT.asks, lot=1.0)
    assert fillable(long, short, 353.5, 0.0).size == 3.0


@pytest.mark.parametrize("limit", [{"lot": 5.5}, {"min_notional": 304.0}], ids=["lot", "minimum"])
def test_what_an_exchange_would_not_take_has_no_size(limit):
    """303 of notional are 3 coins: less than one lot of 5.5, less than an order of 304."""
    found = fillable(LONG, Book(SHORT.bids, SHORT.asks, **limit), 303.0, 0.0)
    assert (found.size, found.notional) == (0.0, 0.0)
    assert math.isnan(found.walk_bps)
    assert found.gainful == pytest.approx(505.0)  # the book is there; my notional is too small


def test_the_shorter_book_ends_what_is_visible():
    """Of S only the touch is known: 1 coin, though L shows ten."""
    short = Book(SHORT.bids[:1], SHORT.asks, touch_only=True)
    found = fillable(LONG, short, 1e6, 0.0)
    assert (found.size, found.touch_only) == (1.0, True)
    assert found.visible == pytest.approx(101.0)
    assert math.isnan(found.behind_bps)


def test_behind_is_the_further_of_the_two_next_levels():
    """L: 101 after 100.5, 49.75 bps; S: 101.25 after 101.5, 24.63 bps."""
    assert fillable(LONG, SHORT, 303.0, 0.0).behind_bps == pytest.approx(0.5 / 100.5 * 1e4)
    alone = Book(SHORT.bids[:1], SHORT.asks)
    assert fillable(LONG, alone, 303.0, 0.0).behind_bps == math.inf


@pytest.mark.parametrize(
    "short",
    [Book((), ()), Book(((101.5, NAN),), ((102.5, 9.0),), True), Book(((101.5, 0.0),), ((102.5, 9.0),), True)],
    ids=["empty", "unknown size", "no size"],
)
def test_of_nothing_visible_nothing_is_known(short):
    assert fillable(LONG, short, 303.0, 0.0) is NOTHING
    assert NOTHING.visible == 0.0
    assert math.isnan(NOTHING.gainful)  # which no limit lets through
