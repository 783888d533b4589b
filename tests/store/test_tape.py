"""The record of the contracts that somebody studies: what is kept, for how long, and by which clock."""

import numpy as np
import pytest

from store.tape import Tape
from tests.store.scripted import same

NAN = np.nan


def write(tape, *events, exchange="okx"):
    """Events of BTC-USDT: received time and mid; the event was 0.1 s earlier."""
    for received_time, mid in events:
        tape.add("BTC-USDT", exchange, received_time=received_time, event_time=received_time - 0.1, mid=mid)


def tracking(capacity=100, ttl_s=60.0):
    tape = Tape(ttl_s=ttl_s, capacity=capacity)
    tape.track("BTC-USDT", ["okx"], now=0.0)
    return tape


def received(tape, exchange="okx", since=-np.inf):
    events = tape.events("BTC-USDT", exchange, "received", since)
    return list(zip(events.time.tolist(), events.mid.tolist(), strict=True))


def test_changes_of_a_tracked_contract_come_back_in_order():
    tape = tracking()
    write(tape, (10.0, 100.0), (10.5, 101.0))
    assert received(tape) == [(10.0, 100.0), (10.5, 101.0)]


def test_what_nobody_tracks_leaves_no_trace():
    tape = tracking()
    write(tape, (10.0, 100.0), exchange="bybit")
    assert received(tape, "bybit") == []


def test_a_repeated_mid_is_no_event():
    tape = tracking()
    write(tape, (10.0, 100.0), (10.5, 100.0), (11.0, 101.0), (11.5, 100.0))
    assert received(tape) == [(10.0, 100.0), (11.0, 101.0), (11.5, 100.0)]


def test_a_mid_that_ceases_to_be_known_is_one_event():
    """Back at the old price, it is an event again: what it did meanwhile is not known."""
    tape = tracking()
    write(tape, (9.0, NAN), (10.0, 100.0), (11.0, NAN), (12.0, NAN), (13.0, 100.0))
    events = tape.events("BTC-USDT", "okx", "received")
    assert events.time.tolist() == [10.0, 11.0, 13.0]
    assert same(events.mid, [100.0, NAN, 100.0])


def test_events_by_the_clock_of_the_exchange():
    """In order of receipt; what has no event time is left out."""
    tape = tracking()
    tape.add("BTC-USDT", "okx", received_time=10.0, event_time=9.8, mid=100.0)
    tape.add("BTC-USDT", "okx", received_time=10.1, event_time=None, mid=101.0)
    tape.add("BTC-USDT", "okx", received_time=10.2, event_time=9.7, mid=102.0)
    events = tape.events("BTC-USDT", "okx", "event")
    assert events.time.tolist() == [9.8, 9.7]
    assert events.mid.tolist() == [100.0, 102.0]


def test_events_since_a_time():
    tape = tracking()
    write(tape, (10.0, 100.0), (11.0, 101.0), (12.0, 102.0))
    assert received(tape, since=11.0) == [(11.0, 101.0), (12.0, 102.0)]


@pytest.mark.parametrize("count", [3, 4, 5, 8, 9])
def test_the_oldest_changes_are_overwritten_when_it_is_full(count):
    tape = tracking(capacity=4)
    write(tape, *((float(i), 100.0 + i) for i in range(count)))
    assert received(tape) == [(float(i), 100.0 + i) for i in range(max(0, count - 4), count)]


def test_a_record_is_given_up_when_nobody_looks_any_more():
    tape = tracking(ttl_s=60.0)
    write(tape, (10.0, 100.0))
    assert tape.tracked(now=59.0) == {"okx": ("BTC-USDT",)}
    assert received(tape) == [(10.0, 100.0)]
    assert tape.tracked(now=60.0) == {}
    write(tape, (61.0, 101.0))
    assert received(tape) == []


def test_another_look_goes_on_with_the_record():
    tape = tracking(ttl_s=60.0)
    write(tape, (10.0, 100.0))
    tape.track("BTC-USDT", ["okx", "bybit"], now=50.0)
    assert tape.tracked(now=100.0) == {"okx": ("BTC-USDT",), "bybit": ("BTC-USDT",)}
    assert received(tape) == [(10.0, 100.0)]


def test_what_is_forgotten_begins_anew():
    """The same mid again is an event: it is of another contract."""
    tape = tracking()
    write(tape, (10.0, 100.0))
    tape.forget("BTC-USDT", "okx")
    tape.forget("ETH-USDT", "okx")  # not tracked: nothing to forget
    assert received(tape) == []
    write(tape, (11.0, 100.0))
    assert received(tape) == [(11.0, 100.0)]


def test_events_are_copies():
    tape = tracking(capacity=1)
    write(tape, (10.0, 100.0))
    events = tape.events("BTC-USDT", "okx", "received")
    write(tape, (11.0, 101.0))
    assert events.mid.tolist() == [100.0]
