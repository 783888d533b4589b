"""What each mid was over the last seconds, by looks at changes. All figures by hand."""

import numpy as np
import pytest

from analytics.runs import BUCKET_S, LOOK_S, Recent, Runs
from analytics.spreads import row_median
from store.grid import Grid
from tests.store.scripted import instrument, store_of

NOW = 1_800_000_000.0
EXCHANGES = ["binance", "bybit", "okx"]
BTC, ETH = np.array([0]), np.array([1])
NAN = float("nan")


def grid_of(*symbols: str) -> Grid:
    store = store_of(EXCHANGES)
    for name in EXCHANGES:
        store.set_instruments(name, [instrument(name, symbol) for symbol in symbols])
    return store.grid


@pytest.fixture
def runs() -> Runs:
    return Runs(grid_of("BTC-USDT", "ETH-USDT"))


def look(runs: Runs, at: float, *mids: float, rows: np.ndarray = BTC, told: float = 0.0) -> Recent:
    """Look at the mids of one row, all told at one time."""
    runs.look(rows, np.array([mids]), row_median(np.array([mids])), np.full((1, 3), NOW + told), NOW + at)
    return runs.recent(rows, NOW + at)


def test_what_was_in_force_before_a_change_is_known_for_three_seconds(runs):
    """Binance goes from 100 to 101 at 1 s: until 4 s that can be seen, not later."""
    assert np.isnan(look(runs, 0.0, 100.0, 100.0, 100.0).low[0]).all()
    assert look(runs, 1.0, 101.0, 100.0, 100.0).low.tolist() == [[100.0, 100.0, 100.0]]
    last = look(runs, 1.0 + LOOK_S - 0.01, 101.0, 100.0, 100.0)
    assert (last.low[0, 0], last.high[0, 0]) == (100.0, 101.0)
    assert look(runs, 1.0 + LOOK_S + 0.01, 101.0, 100.0, 100.0).low[0, 0] == 101.0


def test_what_stood_for_long_is_in_force_when_it_ends(runs):
    """Nothing is said for a minute, and then all run at once."""
    look(runs, 0.0, 100.0, 100.0, 100.0)
    assert look(runs, 60.0, 102.0, 102.0, 102.0).low.tolist() == [[100.0, 100.0, 100.0]]


def test_of_a_stretch_the_first_is_kept(runs):
    """Within a quarter of a second the mid goes 100, 101, 102: 100 was in force when it began."""
    look(runs, 0.0, 100.0, 100.0, 100.0)
    look(runs, 1.0, 101.0, 100.0, 100.0)
    assert look(runs, 1.0 + BUCKET_S * 0.5, 102.0, 100.0, 100.0).high[0, 0] == 100.0


def test_what_the_market_was_when_a_quote_was_last_told_stays(runs):
    """Told at 0 s, when the median was 100; told again at 2 s, at 103."""
    look(runs, 0.0, 100.0, 100.0, 100.0, told=0.0)
    assert look(runs, 1.0, 100.0, 103.0, 103.0, told=0.0).spoken.tolist() == [[100.0, 100.0, 100.0]]
    assert look(runs, 2.0, 100.0, 103.0, 103.0, told=2.0).spoken.tolist() == [[103.0, 103.0, 103.0]]


def test_symbols_keep_what_is_known_when_the_listing_grows(runs):
    look(runs, 0.0, 50.0, 50.0, 50.0, rows=ETH)
    runs.on_grid(grid_of("AAVE-USDT", "BTC-USDT", "ETH-USDT"))
    assert look(runs, 1.0, 51.0, 51.0, 51.0, rows=np.array([2])).low.tolist() == [[50.0, 50.0, 50.0]]
    assert np.isnan(look(runs, 1.0, 51.0, 51.0, 51.0, rows=np.array([0])).low).all()


@pytest.mark.parametrize(
    ("mids", "run"),
    [
        ((100.5, 100.0, 100.0, 100.0), 0.0),  # one alone goes its own way
        ((100.5, 100.3, 100.0, 100.0), 30.0),  # two of four
        ((99.5, 99.7, 99.9, 100.0), 30.0),
        ((100.5, 99.5, 100.0, 100.0), 0.0),  # not the same way
        ((100.5, NAN, NAN, NAN), 0.0),
        ((100.5, 100.3, 100.2, 100.1, 100.0, 100.0, 100.0), 30.0),  # the others may be about to follow
        ((NAN, 99.8, 99.7, 100.0), 20.0),
    ],
)
def test_two_exchanges_make_a_run(mids, run):
    stood = np.full((1, len(mids)), 100.0)
    assert Recent(stood, stood, stood).run_bps(np.array([mids])) == pytest.approx(np.array([run]))
