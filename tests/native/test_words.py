"""Quotes into our units and into the store: the compiled way must do what the Python beside it does."""

import math
import sys
import threading
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.exchanges import _fields as fields
from market.models import Depth, Funding, MarketWord, Quote, Ticker
from store.snapshot import FIELDS, SnapshotStore, plain_write
from tests.native_library import required
from tests.store.scripted import NOW, instrument

hot = required()

touch, ladder = fields.TWINS
NUMBERS = st.sampled_from([0.0, 1.0, -1.0, 1e-320, 1e308, math.inf, -math.inf, math.nan]) | st.floats(1e-9, 1e9)
UNITS = st.builds(
    fields.Units,
    st.just("okx"),
    st.just("BTC-USDT"),
    st.sampled_from([1.0, 1000.0, 1e4]),
    st.sampled_from([1.0, 0.01, 1000.0]),
    st.booleans(),
)


@settings(max_examples=500)
@given(UNITS, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_a_touch_in_our_units(units, bid, bid_size, ask, ask_size):
    numbers = bid, bid_size, ask, ask_size, 5.0, 6.0
    assert hot.touch(units, *numbers) == touch(units, *numbers)


def test_a_touch_by_hand():
    """1000PEPE at 0.02 and 0.04: 0.00002 and 0.00004 a coin; 3 contracts of 1000 are 3000 coins."""
    units = fields.Units("bybit", "PEPE-USDT", 1000.0, 1000.0, False)
    assert hot.touch(units, 0.02, 3, 0.04, 1.5, 5.0, 6.0) == Quote(
        "bybit", "PEPE-USDT", 0.00002, 3000.0, 0.00004, 1500.0, 5.0, 6.0
    )
    inverse = fields.Units("deribit", "BTC-USD", 1.0, 10.0, True)  # 10 contracts of 10 dollars at 50 are 2 coins
    assert hot.touch(inverse, 50.0, 10.0, 100.0, 10.0, None, 6.0) == Quote(
        "deribit", "BTC-USD", 50.0, 2.0, 100.0, 1.0, None, 6.0
    )


@settings(max_examples=500)
@given(UNITS, st.lists(st.tuples(NUMBERS, NUMBERS), max_size=4))
def test_a_ladder_in_our_units(units, levels):
    numbers = tuple(number for level in levels for number in level)
    assert hot.ladder(units, numbers) == ladder(units, numbers)


def test_wrong_arguments_are_refused():
    units = fields.Units("okx", "BTC-USDT", 1.0, 1.0, False)
    for call, arguments in [
        (hot.touch, (units, 1.0)),
        (hot.touch, (None, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)),
        (hot.touch, (units, "1", 1.0, 1.0, 1.0, 1.0, 1.0)),
        (hot.ladder, (units, (1.0,))),
        (hot.ladder, (units, [1.0, 2.0])),
        (hot.ladder, (units, ("1", "2"))),
        (SnapshotStore.write, (None, ())),
        (store().write, ([], False, 1, 2)),
    ]:
        with pytest.raises(TypeError):
            call(*arguments)


# -- into the store ------------------------------------------------------------------------------------------------

MAYBE = st.none() | st.sampled_from([1.0, 2.0]) | st.just(3)
EXCHANGE, SYMBOL = st.sampled_from(["binance", "okx"]), st.sampled_from(["BTC-USDT", "ETH-USDT", "NOT-LISTED"])
# Times close to each other: old, repeated and late ones, and a jump over the clock's windows.
TIME = st.sampled_from([0.0, 0.1, 0.2, 0.7, 1.4, 3.0, 40.0]).map(lambda after: NOW + after)
PRICE, SIZE = st.sampled_from([100.0, 101.0]), st.sampled_from([1.0, 2.0])
QUOTES = st.builds(Quote, EXCHANGE, SYMBOL, PRICE, SIZE, PRICE, SIZE, TIME, TIME)
ODD_QUOTES = st.builds(Quote, EXCHANGE, SYMBOL, MAYBE, MAYBE, MAYBE, MAYBE, st.none() | TIME, TIME)
FUNDINGS = st.builds(Funding, EXCHANGE, SYMBOL, MAYBE, MAYBE, MAYBE, MAYBE, MAYBE, st.none() | TIME, TIME)
TICKERS = st.builds(Ticker, EXCHANGE, SYMBOL, MAYBE, MAYBE, MAYBE, MAYBE, st.none() | TIME, TIME)
BOOK = ((100.0, 1.0),), ((101.0, 1.0),)
DEPTHS = st.builds(Depth, EXCHANGE, SYMBOL, st.just(BOOK[0]), st.just(BOOK[1]), st.none() | TIME, TIME)
WORDS = st.lists(QUOTES | ODD_QUOTES | FUNDINGS | TICKERS | DEPTHS, min_size=1, max_size=4)


def store() -> SnapshotStore:
    new = SnapshotStore(["binance", "okx"])
    for exchange in ("binance", "okx"):
        new.set_instruments(exchange, [instrument(exchange, symbol) for symbol in ("BTC-USDT", "ETH-USDT")])
    new.depths.watch("okx", ["BTC-USDT"], (), NOW)
    new.take_changed()
    return new


def described(kept: SnapshotStore) -> list[object]:
    """All that a write leaves behind, as text: NaN equals itself."""
    cells = [
        (exchange, symbol, cell.event_time, cell.received_time)
        for exchange, of in kept._cells.of.items()
        for symbol, cell in of.items()
    ]
    clocks = [
        (name, {slot: getattr(clock, slot) for slot in sorted(clock.__slots__)}) for name, clock in kept._clocks.items()
    ]
    ladder_of = [kept.depths.get("okx", "BTC-USDT"), kept.depths.get("binance", "BTC-USDT")]
    changed = sorted(kept._changed), sorted(kept._anchored), kept.overtaken
    return [repr(part) for part in (kept._cells.data.tobytes().hex(), cells, clocks, ladder_of, changed)]


@settings(max_examples=600, deadline=None)
@given(st.lists(st.tuples(WORDS, st.booleans(), st.booleans()), min_size=1, max_size=8))
def test_a_store_written_by_either_is_the_same(messages):
    compiled, plain = store(), store()
    for words, polled, lost in messages:
        if lost:
            compiled.lose("okx", ["BTC-USDT"])
            plain.lose("okx", ["BTC-USDT"])
        compiled.write(words, polled)
        plain_write(plain, words, polled)
        assert described(compiled) == described(plain)


def plain_words(at: float) -> list[MarketWord]:
    return [
        Quote("okx", "BTC-USDT", 100.0, 1.0, 101.0, 1.0, at, at + 0.01),
        Funding("okx", "BTC-USDT", 100.0, None, 0.0001, None, None, at, at + 0.01),
        Ticker("okx", "BTC-USDT", 100.0, 5.0, None, None, at, at + 0.01),
        Depth("binance", "BTC-USDT", *BOOK, at, at + 0.01),
    ]


@pytest.fixture
def left():
    """What the library has left to Python, in messages."""
    messages: list[list[MarketWord]] = []

    def note(kept: SnapshotStore, words: Iterable[MarketWord], polled: bool = False) -> None:
        messages.append(list(words))

    yield messages, lambda: hot.write_method(note)
    hot.write_method(plain_write)


def test_words_as_usual_are_all_written_by_the_library_and_the_first_that_is_not_ends_it(left):
    messages, listen = left
    kept = store()
    for after in range(3):  # until the clock's windows run
        kept.write(plain_words(NOW + after))
    listen()
    version = kept.version
    kept.write(plain_words(NOW + 3))
    assert (messages, kept.version) == ([], version + 1)
    odd = Quote("okx", "BTC-USDT", None, None, 101.0, 1.0, NOW + 5, NOW + 5.01)
    kept.write([*plain_words(NOW + 4), odd, *plain_words(NOW + 6)])
    watched = Depth("okx", "BTC-USDT", *BOOK, NOW, NOW)
    kept.write((watched,))
    kept.write(iter(plain_words(NOW + 7)))
    kept.write(plain_words(NOW + 8), polled=True)
    assert messages == [[odd, *plain_words(NOW + 6)], [watched], plain_words(NOW + 7), plain_words(NOW + 8)]


def test_while_somebody_reads_nothing_is_written_beside_the_lock():
    kept = store()
    for after in range(3):
        kept.write(plain_words(NOW + after))
    kept._lock.acquire()
    writer = threading.Thread(target=kept.write, args=(plain_words(NOW + 4),))
    writer.start()
    writer.join(0.05)
    assert writer.is_alive()  # it waits
    assert kept._cells.data[0, 1, FIELDS.index("event_time")] == NOW + 2
    kept._lock.release()
    writer.join()
    assert kept.snapshot()["event_time"][0, 1] == NOW + 4


def test_nothing_is_kept_that_is_not_needed():
    kept = store()
    read = hot.Pick({"a": "text", "b": [..., ("number",)], "c?": "integer"}, b"").read
    units = fields.Units("okx", "BTC-USDT", 1.0, 1.0, False)

    def work(begin: int, times: int) -> None:
        for after in range(begin, begin + times):
            at = NOW + after / 100
            kept.write(plain_words(at))
            hot.touch(units, 100.0 + after, 1.0, 101.0 + after, 1.0, at, at)
            hot.touch(units, 0.0, 1.0, 101.0, 1.0, at, at)
            hot.ladder(units, (1.0 + after, 2.0))
            hot.ladder(units, (0.0, 2.0))
            read(b'{"a":"xyz%d","b":[[1.5],[2.5]],"c":%d}' % (after, after))
            read(b'{"a":"xyz","b":[[1.5],[2.5]],"c":x}')

    work(0, 6000)  # the clock keeps the lateness of so many
    before = sys.getallocatedblocks()
    work(6000, 6000)
    assert sys.getallocatedblocks() - before < 2000
