"""The live snapshot: what is written is what is read, whole and of one moment."""

import math
import threading

import numpy as np
import pytest

from market.fees import FeeChoice
from market.models import Depth, Pairing, Quote, Status
from store.snapshot import FIELDS, LIVELY_S, LOST, ONCE, UNTOLD, SnapshotStore
from tests.store.scripted import NOW, funding, instrument, quote, same, store_of, ticker

CELL = (0, 0)  # of a store with one symbol and one exchange first


def cell(store: SnapshotStore, field: str, symbol: str = "BTC-USDT", exchange: str = "bybit") -> float:
    grid = store.grid
    return float(store.snapshot()[field][grid.symbol_index[symbol], grid.exchange_index[exchange]])


# -- values ----------------------------------------------------------------------------------------------------


def test_numbers_come_out_as_they_went_in():
    """The adapters convert; the store must not touch a unit."""
    store = store_of(
        ["bybit"],
        Quote("bybit", "BTC-USDT", 64_000.1, 0.012, 64_000.2, 3.5, NOW - 0.05, NOW),
        funding("bybit", mark_price=64_000.15, index_price=63_990.0, funding_rate=0.0001, next_funding_time=NOW + 60),
        ticker("bybit", last_price=64_000.0, volume_24h=5e4, turnover_24h=3.2e9, open_interest=1e5),
    )
    wanted = {
        "bid_price": 64_000.1,
        "bid_size": 0.012,
        "ask_price": 64_000.2,
        "ask_size": 3.5,
        "event_time": NOW - 0.05,
        "received_time": NOW,
        "live": 1.0,
        "mark_price": 64_000.15,
        "index_price": 63_990.0,
        "funding_rate": 0.0001,
        "funding_interval_h": 8.0,
        "next_funding_time": NOW + 60,
        "funding_received_time": NOW,
        "last_price": 64_000.0,
        "volume_24h": 5e4,
        "turnover_24h": 3.2e9,
        "open_interest": 1e5,
    }
    assert {name: cell(store, name) for name in wanted} == wanted


def test_what_was_never_said_is_nan():
    store = store_of(["bybit"])
    unknown = {name for name in FIELDS if math.isnan(cell(store, name))}
    assert unknown == set(FIELDS) - {"live", "funding_interval_h"}  # the listing knows the interval
    assert cell(store, "live") == 0.0


def test_an_empty_side_replaces_the_one_before():
    store = store_of(["bybit"], quote("bybit", 100.0, 101.0))
    store.write([quote("bybit", None, 101.0, sizes=(None, 2.0), at=NOW + 1)])
    assert math.isnan(cell(store, "bid_price"))
    assert math.isnan(cell(store, "bid_size"))
    assert cell(store, "ask_size") == 2.0


@pytest.mark.parametrize("sizes", [(None, 2.0), (2.0, None), (None, None)])
def test_a_price_without_a_size_is_kept_without_one(sizes):
    store = store_of(["bybit"], quote("bybit", 100.0, 101.0))
    store.write([quote("bybit", 100.5, 101.5, sizes=sizes, at=NOW + 1)])
    assert (cell(store, "bid_price"), cell(store, "ask_price")) == (100.5, 101.5)
    found = [cell(store, "bid_size"), cell(store, "ask_size")]
    assert same(found, [math.nan if size is None else size for size in sizes])


def test_fields_absent_in_funding_and_ticker_change_nothing():
    store = store_of(
        ["bybit"],
        funding("bybit", mark_price=100.0, funding_rate=0.0001, funding_interval_h=4.0),
        ticker("bybit", last_price=100.0, volume_24h=7.0),
    )
    store.write([funding("bybit", mark_price=101.0, at=NOW + 1), ticker("bybit", volume_24h=8.0)])
    assert cell(store, "mark_price") == 101.0
    assert cell(store, "funding_rate") == 0.0001
    assert cell(store, "funding_interval_h") == 4.0
    assert cell(store, "funding_received_time") == NOW + 1
    assert cell(store, "last_price") == 100.0
    assert cell(store, "volume_24h") == 8.0


def test_a_rate_of_zero_is_a_rate():
    store = store_of(["bybit"], funding("bybit", funding_rate=0.0001))
    store.write([funding("bybit", funding_rate=0.0)])
    assert cell(store, "funding_rate") == 0.0


def test_words_about_contracts_that_are_not_listed_are_ignored():
    store = store_of(["bybit"], quote("bybit", 100.0, 101.0))
    store.write([quote("bybit", 1.0, 2.0, "ETH-USDT"), Depth("bybit", "BTC-USDT", ((1.0, 1.0),), (), None, NOW)])
    assert store.snapshot().symbols == ("BTC-USDT",)
    assert cell(store, "bid_price") == 100.0


def test_one_contract_does_not_spill_into_its_neighbours():
    exchanges, symbols = ["binance", "bybit", "okx"], ["AAVE-USDT", "BTC-USDT", "ETH-USDT"]
    store = SnapshotStore(exchanges)
    for exchange in exchanges:
        store.set_instruments(exchange, [instrument(exchange, symbol) for symbol in symbols])
    for i, exchange in enumerate(exchanges):
        for j, symbol in enumerate(symbols):
            store.write([quote(exchange, 10.0 * i + j, 100.0 + 10.0 * i + j, symbol)])
    assert same(store.snapshot()["bid_price"], [[0, 10, 20], [1, 11, 21], [2, 12, 22]])
    assert same(store.snapshot()["ask_price"], [[100, 110, 120], [101, 111, 121], [102, 112, 122]])


# -- versions and copies ---------------------------------------------------------------------------------------


def test_version_grows_with_every_change():
    store = SnapshotStore(["bybit"])
    versions = [store.snapshot().version]
    for change in (
        lambda: store.set_instruments("bybit", [instrument("bybit")]),
        lambda: store.write([quote("bybit", 100.0, 101.0)]),
        lambda: store.write([funding("bybit", funding_rate=0.0001)]),
        lambda: store.lose("bybit", ["BTC-USDT"]),
    ):
        change()
        versions.append(store.snapshot().version)
    assert versions == sorted(set(versions))


def test_the_same_snapshot_is_handed_out_while_nothing_changes():
    store = store_of(["bybit"], quote("bybit", 100.0, 101.0))
    first = store.snapshot()
    assert store.snapshot() is first
    store.write([quote("bybit", 100.0, 101.0, at=NOW + 1)])
    assert store.snapshot() is not first


@pytest.mark.parametrize("exchanges", [["bybit"], ["bybit", "okx"]], ids=["one cell", "two cells"])
def test_a_snapshot_stays_as_it_was_when_the_store_is_written(exchanges):
    """A single cell lies in memory as its own transpose, so that a careless copy is none."""
    store = store_of(exchanges, quote("bybit", 100.0, 101.0))
    before = store.snapshot()
    store.write([quote("bybit", 200.0, 201.0, at=NOW + 1)])
    assert before["bid_price"][CELL] == 100.0
    assert store.snapshot()["bid_price"][CELL] == 200.0


def test_a_snapshot_cannot_be_written_to():
    snapshot = store_of(["bybit"], quote("bybit", 100.0, 101.0)).snapshot()
    grid = snapshot.grid
    for array in (snapshot.data, snapshot["bid_price"], snapshot.floor_s, grid.listed, grid.taker_fee_bps):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_readers_never_see_half_a_quote_while_one_thread_writes():
    """Every number of quote n is derived from n, so a mixture of two quotes shows."""
    symbols = [f"C{i}-USDT" for i in range(20)]
    store = SnapshotStore(["bybit", "okx"])
    for exchange in ("bybit", "okx"):
        store.set_instruments(exchange, [instrument(exchange, symbol) for symbol in symbols])
    done, mixed, seen = threading.Event(), [], []

    def write() -> None:
        for n in range(1, 3_001):
            x = float(n)
            # One call writes all symbols: a snapshot has to show all of it or nothing.
            store.write(
                [Quote("bybit", symbol, x, x + 0.25, x + 0.5, x + 0.75, NOW + x, NOW + x) for symbol in symbols]
            )
            if n % 500 == 0:
                store.set_instruments("okx", [instrument("okx", symbol) for symbol in symbols[: n % 20 + 1]])
        done.set()

    def read() -> None:
        last = -1
        while not done.is_set():
            snapshot = store.snapshot()
            bid = snapshot["bid_price"][:, 0]
            if snapshot.version < last:
                mixed.append("version went back")
            last = snapshot.version
            if np.isnan(bid[0]):
                continue
            seen.append(bid[0])
            for name, plus in (("bid_size", 0.25), ("ask_price", 0.5), ("ask_size", 0.75), ("received_time", NOW)):
                if not np.array_equal(snapshot[name][:, 0], np.full(20, bid[0] + plus)):
                    mixed.append(name)

    threads = [threading.Thread(target=read) for _ in range(3)] + [threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60.0)
    assert done.is_set()
    assert not mixed
    assert len(set(seen)) > 5  # the readers did watch it change


# -- listings --------------------------------------------------------------------------------------------------


def test_a_new_listing_keeps_what_is_known_of_those_that_stay():
    store = store_of(["bybit", "okx"], quote("bybit", 100.0, 101.0), quote("okx", 102.0, 103.0))
    before = store.snapshot()
    store.set_instruments("bybit", [instrument("bybit", "AAVE-USDT"), instrument("bybit")])
    assert store.snapshot().symbols == ("AAVE-USDT", "BTC-USDT")
    for exchange in ("bybit", "okx"):
        column = before.grid.exchange_index[exchange]
        assert same(store.snapshot().data[:, 1, column], before.data[:, 0, column])
    assert math.isnan(cell(store, "bid_price", "AAVE-USDT"))
    assert not store.grid.listed[0, store.grid.exchange_index["okx"]]


def test_a_delisted_contract_is_forgotten_and_comes_back_empty():
    store = store_of(["bybit", "okx"], quote("bybit", 100.0, 101.0), quote("okx", 102.0, 103.0))
    store.set_instruments("bybit", [])
    assert not store.grid.listed[CELL]
    assert math.isnan(cell(store, "bid_price"))
    assert cell(store, "live") == 0.0
    assert cell(store, "bid_price", exchange="okx") == 102.0
    store.set_instruments("bybit", [instrument("bybit")])
    assert math.isnan(cell(store, "bid_price"))


def test_an_exchange_may_list_nothing_at_all():
    store = SnapshotStore(["bybit"])
    assert store.snapshot()["bid_price"].shape == (0, 1)
    store.lose("bybit", ["BTC-USDT"])
    store.write([quote("bybit", 100.0, 101.0)])
    assert store.snapshot().symbols == ()


def test_the_grid_says_what_may_be_compared():
    store = SnapshotStore(["bybit"])
    pairings = {"A-USDT": Pairing.OK, "B-USDT": Pairing.CHECK, "C-USDT": Pairing.DENY, "D-USDT": Pairing.RELAY}
    listing = [instrument("bybit", symbol, pairing=pairing) for symbol, pairing in pairings.items()]
    listing.append(instrument("bybit", "E-USDT", kind="quanto"))
    listing.append(instrument("bybit", "F-USDT", status=Status.HALTED, tick_size=None))
    store.set_instruments("bybit", listing)
    grid = store.grid
    assert grid.pairable[:, 0].tolist() == [True, True, False, False, False, True]
    assert grid.trading[:, 0].tolist() == [True] * 5 + [False]
    assert math.isnan(grid.tick_size[5, 0])


def test_own_fees_replace_the_published_ones():
    store = SnapshotStore(["bybit", "okx"], FeeChoice.of(taker_bps={"okx": 1.5}))
    for exchange in ("bybit", "okx"):
        store.set_instruments(exchange, [instrument(exchange)])
    assert store.grid.taker_fee_bps.tolist() == [[5.0, 1.5]]
    assert store.grid.maker_fee_bps.tolist() == [[2.0, 2.0]]


# -- connections and clocks ------------------------------------------------------------------------------------


def test_losing_a_connection_keeps_the_values_and_clears_live():
    store = store_of(["bybit"], quote("bybit", 100.0, 101.0))
    before = store.snapshot()
    store.lose("bybit", ["BTC-USDT", "UNKNOWN-USDT"])
    after = store.snapshot()
    changed = [name for name in FIELDS if not same(before[name], after[name])]
    assert changed == ["live"]
    assert cell(store, "live") != 1.0
    store.write([quote("bybit", 100.0, 101.0, at=NOW + 1)])
    assert cell(store, "live") == 1.0


def lost(silent_s: float) -> SnapshotStore:
    """A contract that had said nothing for so long, by the exchange's other streams, when its connection was lost."""
    store = store_of(["bybit"], quote("bybit", 100.0, 101.0, at=NOW), quote("bybit", 9.0, 9.1, "ETH-USDT", at=NOW))
    store.write([quote("bybit", 9.0, 9.1, "ETH-USDT", at=NOW + silent_s)])
    store.lose("bybit", ["BTC-USDT"])
    return store


def poll(store: SnapshotStore, bid: float, at: float) -> None:
    store.write([quote("bybit", bid, bid + 1.0, at=at)], polled=True)


def test_a_quiet_contract_that_was_lost_is_used_again_once_it_is_confirmed():
    store = lost(LIVELY_S + 0.1)
    assert cell(store, "live") == LOST
    poll(store, 100.0, NOW + 5)
    assert cell(store, "live") == 1.0


def test_a_lively_contract_that_was_lost_is_used_again_once_its_stream_speaks():
    """It would not stand still: a request that finds the price of before finds it by chance."""
    store = lost(LIVELY_S - 0.1)
    for n in range(1, 4):
        poll(store, 100.0, NOW + 5 * n)
        assert (cell(store, "live"), store.unheard("bybit")) == (UNTOLD, ["BTC-USDT"])
    store.lose("bybit", ["BTC-USDT"])  # once more, long after
    store.set_instruments("bybit", store.grid.instruments.values())  # type: ignore[arg-type]
    poll(store, 100.0, NOW + 20)
    assert cell(store, "live") == UNTOLD
    store.write([quote("bybit", 100.0, 101.0, at=NOW + 21)])
    assert cell(store, "live") == 1.0


def test_when_a_contract_last_spoke_is_known_on_another_listing_and_not_what_requests_found():
    store = store_of(["bybit"], quote("bybit", 100.0, 101.0, at=NOW), quote("bybit", 9.0, 9.1, "ETH-USDT", at=NOW))
    store.write([quote("bybit", 9.0, 9.1, "ETH-USDT", at=NOW + 10)])
    poll(store, 100.0, NOW + 10)
    store.set_instruments("bybit", store.grid.instruments.values())  # type: ignore[arg-type]
    store.lose("bybit", ["BTC-USDT", "ETH-USDT"])
    assert cell(store, "live") == LOST
    assert store.snapshot()["live"].tolist() == [[LOST], [UNTOLD]]


def test_an_overtaken_quote_is_dropped_and_counted():
    store = store_of(["bybit"], quote("bybit", 100.0, 101.0, event=NOW, at=NOW + 0.1))
    store.write([quote("bybit", 99.0, 100.0, event=NOW - 0.02, at=NOW + 0.2)])
    assert cell(store, "bid_price") == 100.0
    assert cell(store, "received_time") == NOW + 0.1
    assert store.overtaken == {"bybit": 1}


def test_quotes_of_one_millisecond_follow_each_other():
    store = store_of(["bybit"], quote("bybit", 100.0, 101.0, event=NOW))
    store.write([quote("bybit", 100.5, 101.0, event=NOW)])
    assert cell(store, "bid_price") == 100.5


def test_a_quote_from_long_ago_means_a_stepped_clock_and_is_taken():
    store = store_of(["bybit"], quote("bybit", 100.0, 101.0, event=NOW))
    store.write([quote("bybit", 99.0, 100.0, event=NOW - 3_600, at=NOW + 1)])
    assert cell(store, "bid_price") == 99.0


def test_a_new_connection_may_say_again_what_the_lost_one_knew_better():
    """After a reconnect the book starts anew, perhaps from a replica a moment behind: it is live all the same."""
    store = store_of(["bybit"], quote("bybit", 100.0, 101.0, event=NOW))
    store.lose("bybit", ["BTC-USDT"])
    store.write([quote("bybit", 100.0, 101.0, event=NOW - 0.02, at=NOW + 5)])
    assert cell(store, "live") == 1.0
    assert store.overtaken == {"bybit": 0}


def test_a_late_repetition_is_not_lag_but_a_late_change_is():
    store = store_of(["bybit"], quote("bybit", 100.0, 101.0, event=NOW - 0.05))
    store.write([quote("bybit", 100.0, 101.0, event=NOW - 0.05, at=NOW + 60)])
    assert cell(store, "lag_s") == 0.0
    assert cell(store, "received_time") == NOW + 60  # confirmed just now
    assert store.latency("bybit").samples == 1  # and no sample of latency
    store.write([quote("bybit", 100.5, 101.0, event=NOW + 58, at=NOW + 60.05)])
    assert cell(store, "lag_s") == pytest.approx(2.0)


def test_a_late_repetition_of_a_one_sided_book_is_not_lag_either():
    one_sided = {"sizes": (None, 1.0), "event": NOW - 0.05}
    store = store_of(["bybit"], quote("bybit", None, 101.0, **one_sided))
    store.write([quote("bybit", None, 101.0, at=NOW + 60, **one_sided)])
    assert cell(store, "lag_s") == 0.0


def test_a_quote_without_event_time_has_no_lag_and_no_event_time():
    store = store_of(["bybit"], quote("bybit", 100.0, 101.0))
    assert cell(store, "lag_s") == 0.0
    assert math.isnan(cell(store, "event_time"))


def test_ages_are_counted_from_receipt_and_by_the_clock_of_the_exchange():
    """The exchange's clock is 3 s behind ours: an event of NOW - 3.05 by it was 50 ms before receipt."""
    store = store_of(["bybit", "okx"], quote("bybit", 100.0, 101.0, event=NOW - 3.05))
    snapshot = store.snapshot()
    assert same(snapshot.floor_s, [NOW - (NOW - 3.05), math.nan])
    assert same(snapshot.age_s(NOW + 2), [[2.0, math.nan]])
    assert snapshot.exchange_age_s(NOW + 2)[CELL] == pytest.approx(2.0)


def test_a_stepped_clock_makes_stored_event_times_void():
    store = store_of(["bybit"], quote("bybit", 100.0, 101.0, event=NOW))
    version = store.version
    assert not store.set_server_time("bybit", NOW, NOW, NOW + 0.05)
    assert store.version == version
    assert store.set_server_time("bybit", NOW + 5, NOW, NOW + 0.05)
    assert math.isnan(cell(store, "event_time"))
    assert store.version > version


def test_a_poll_that_only_confirms_leaves_the_event_time_alone():
    """The book changed when the stream said so; a later stream update must not look older than its confirmation."""
    store = store_of(["bybit"], quote("bybit", 100.0, 101.0, event=NOW, at=NOW))
    store.write([quote("bybit", 100.0, 101.0, event=NOW + 5.0, at=NOW + 5.0)], polled=True)
    store.write([quote("bybit", 100.5, 101.0, event=NOW + 4.9, at=NOW + 5.1)])
    snapshot = store.snapshot()
    assert snapshot["bid_price"][0, 0] == 100.5
    assert snapshot["received_time"][0, 0] == NOW + 5.1
    assert store.overtaken["bybit"] == 0


def test_a_polled_quote_is_true_as_of_now_and_no_sample_of_latency():
    store = store_of(["bybit"], quote("bybit", 100.0, 101.0, event=NOW - 0.05))
    store.write([quote("bybit", 102.0, 103.0, event=NOW + 10, at=NOW + 60)], polled=True)
    assert cell(store, "bid_price") == 102.0
    assert cell(store, "lag_s") == 0.0
    assert store.latency("bybit").samples == 1


def test_a_price_that_no_stream_told_is_used_once_it_was_polled_twice():
    """If the stream says nothing of this change, it may say nothing of the next one either."""
    store = store_of(["bybit"], quote("bybit", 100.0, 101.0, at=NOW))
    assert store.unheard("bybit") == []
    poll(store, 102.0, NOW + 5)
    assert (cell(store, "live"), store.unheard("bybit")) == (ONCE, ["BTC-USDT"])
    poll(store, 102.0, NOW + 10)
    assert (cell(store, "live"), store.unheard("bybit")) == (1.0, [])


def test_after_two_changes_that_no_stream_told_it_has_to_speak():
    """However often a price is then repeated: the subscription is dead, and the price moves."""
    store = store_of(["bybit"], quote("bybit", 100.0, 101.0, at=NOW))
    for n, bid in enumerate((102.0, 102.5, 102.5, 102.5), start=1):
        poll(store, bid, NOW + 5 * n)
    assert (cell(store, "bid_price"), cell(store, "live")) == (102.5, UNTOLD)
    store.write([quote("bybit", 102.5, 103.5, at=NOW + 25)])
    assert cell(store, "live") == 1.0


def test_a_polled_price_yields_to_what_the_stream_has_just_told():
    store = store_of(["bybit"], quote("bybit", 100.0, 101.0, at=NOW))
    store.write([quote("bybit", 99.0, 100.0, at=NOW + 1)], polled=True)
    assert (cell(store, "bid_price"), cell(store, "live")) == (100.0, 1.0)
    store.write([quote("bybit", 99.0, 100.0, at=NOW + 5)], polled=True)
    store.write([quote("bybit", 99.0, 100.0, at=NOW + 5.1)])
    assert cell(store, "live") == 1.0


def test_a_repetition_proves_no_more_than_its_stream():
    """While changes come 3 s late, so does the news that there was none."""
    store = store_of(["bybit"], quote("bybit", 100.0, 101.0, event=NOW, at=NOW + 0.05))
    store.write([quote("bybit", 100.0 + n, 102.0 + n, event=NOW + n, at=NOW + n + 3.05) for n in range(1, 9)])
    assert cell(store, "lag_s") == pytest.approx(3.0)
    store.write([quote("bybit", 108.0, 110.0, event=NOW + 8, at=NOW + 20)])
    assert cell(store, "lag_s") == pytest.approx(3.0)


# -- what changed ----------------------------------------------------------------------------------------------


def taken(store: SnapshotStore, **more: object) -> list[str]:
    return list(store.take_changed(**more).snapshot.symbols)  # type: ignore[arg-type]


def test_a_poll_that_repeats_a_quote_has_changed_nothing():
    store = store_of(("bybit",), quote("bybit", 100.0, 101.0, at=NOW, event=NOW))
    assert taken(store) == ["BTC-USDT"]
    store.write([quote("bybit", 100.0, 101.0, at=NOW + 3.0)], polled=True)
    assert taken(store) == []
    store.write([quote("bybit", 100.5, 101.0, at=NOW + 6.0)], polled=True)  # the stream has missed something
    assert taken(store) == ["BTC-USDT"]
    store.write([quote("bybit", 100.5, 101.0, at=NOW + 9.0)], polled=True)  # and now it is believed
    assert taken(store) == ["BTC-USDT"]


def test_marks_are_taken_only_of_the_rows_that_are_asked_for():
    store = store_of(("bybit",), quote("bybit", 100.0, 101.0), quote("bybit", 9.0, 9.1, "ETH-USDT"))
    taken(store)
    store.write([funding("bybit", mark_price=100.0), funding("bybit", "ETH-USDT", mark_price=9.0)])
    assert taken(store, anchored={1}) == ["ETH-USDT"]
    assert taken(store, anchored={0, 1}) == []  # what is not asked for is not kept
    store.write([funding("bybit", mark_price=100.0)])
    assert taken(store, also=[1], anchored={0}) == ["BTC-USDT", "ETH-USDT"]
