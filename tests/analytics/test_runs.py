"""Where the median mid was over the last seconds, by looks at changes. Four exchanges; all figures by hand."""

import numpy as np
import pytest

from analytics.runs import BUCKET_S, Runs
from analytics.usual import LOOK_S
from tests.store.scripted import instrument, store_of

NOW = 1_800_000_000.0
BTC, ETH = np.array([0]), np.array([1])


def grid_of(*symbols: str):
    store = store_of(["binance"])
    store.set_instruments("binance", [instrument("binance", symbol) for symbol in symbols])
    return store.grid


@pytest.fixture
def runs() -> Runs:
    return Runs(grid_of("BTC-USDT", "ETH-USDT"))


def look(runs: Runs, at: float, *mids: float, rows: np.ndarray = BTC) -> set[float]:
    """Look at the mids of one row; gives the medians that were in force in the last three seconds."""
    runs.look(rows, np.array([mids]), NOW + at)
    before = runs.before(rows, NOW + at)
    return set(before[~np.isnan(before)].tolist())


def test_what_was_in_force_before_a_change_is_known_for_three_seconds(runs):
    """The median goes from 100 to 101 at 1 s: until 4 s the change can be seen, not later."""
    assert look(runs, 0.0, 100.0, 100.0, 100.0, 100.0) == set()
    assert look(runs, 1.0, 101.0, 101.0, 101.0, 100.0) == {100.0}
    assert look(runs, 1.0 + LOOK_S - 0.01, 101.0, 101.0, 101.0, 101.0) == {100.0, 101.0}
    assert look(runs, 1.0 + LOOK_S + 0.01, 101.0, 101.0, 101.0, 101.0) == {101.0}


def test_what_stood_for_long_is_in_force_when_it_ends(runs):
    """Nothing is said for a minute, and then all run at once."""
    look(runs, 0.0, 100.0, 100.0, 100.0)
    assert look(runs, 60.0, 102.0, 102.0, 102.0) == {100.0}


def test_of_a_stretch_the_first_is_kept(runs):
    """Within a quarter of a second the median goes 100, 101, 102: 100 was in force when it began."""
    look(runs, 0.0, 100.0, 100.0, 100.0)
    assert look(runs, 1.0, 101.0, 101.0, 101.0) == {100.0}
    assert look(runs, 1.0 + BUCKET_S * 0.5, 102.0, 102.0, 102.0) == {100.0}


def test_two_mids_say_nothing_of_the_market(runs):
    """Of two, either may be the one that jumped. With the third one back, what was said before can be compared."""
    assert look(runs, 0.0, 100.0, 100.0, 100.0) == set()
    assert look(runs, 1.0, 101.0, np.nan, 100.0) == set()
    assert look(runs, 2.0, 101.0, 101.0, 101.0) == {100.0}


def test_symbols_keep_their_medians_when_the_listing_grows(runs):
    look(runs, 0.0, 50.0, 50.0, 50.0, rows=ETH)
    runs.on_grid(grid_of("AAVE-USDT", "BTC-USDT", "ETH-USDT"))
    assert look(runs, 1.0, 51.0, 51.0, 51.0, rows=np.array([2])) == {50.0}
    assert look(runs, 1.0, 51.0, 51.0, 51.0, rows=np.array([0])) == set()
