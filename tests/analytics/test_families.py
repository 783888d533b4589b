"""What a stablecoin is worth, and families compared only after conversion."""

from dataclasses import fields

import numpy as np
import pytest

from analytics import spreads
from analytics.families import conversion_rates, converted, inverse, inverse_hedge_coins, worth
from analytics.quality import Limits, Verdict, leg_verdicts
from market.models import Instrument, Quote
from store.snapshot import Snapshot, SnapshotStore
from tests.store.scripted import NOW, funding, instrument, quote, same, ticker


def contract(exchange: str, symbol: str, **changed: object) -> Instrument:
    """A listed contract; what is quoted in plain dollars is coin-margined."""
    base, _, family = symbol.rpartition("-")
    if family == "USD":
        changed = {"kind": "inverse", "settle": base, "contract_multiplier": 100.0, "lot_size": 100.0} | changed
    if family == "USD_QUANTO":
        changed = {"kind": "quanto", "settle": "BTC"} | changed
    return instrument(exchange, symbol, **changed)


def market(listed: dict[str, str], **changed: object) -> SnapshotStore:
    """A store of exchanges with their symbols: {'okx': 'BTC-USDT BTC-USD'}."""
    store = SnapshotStore(list(listed))
    for exchange, symbols in listed.items():
        store.set_instruments(exchange, [contract(exchange, symbol, **changed) for symbol in symbols.split()])
    return store


def indices(exchange: str, at: float = NOW, **prices: float):
    """Index prices by symbol, the dash written as two underscores."""
    return [funding(exchange, name.replace("__", "-"), at=at, index_price=price) for name, price in prices.items()]


def rates_of(store: SnapshotStore, now: float = NOW):
    snapshot = store.snapshot()
    return conversion_rates(snapshot, now, snapshot.grid.listed)


def column(snapshot: Snapshot, name: str) -> int:
    return snapshot.grid.exchange_index[name]


# -- what a stablecoin is worth ----------------------------------------------------------------------------------


def test_a_rate_is_the_median_ratio_of_indices():
    """100000 / 100100 = 0.9990010, 2500 / 2502 = 0.9992006, 100010 / 100100 = 0.9991009: the middle one is of okx BTC.

    Highest less lowest: 0.0001996 / 0.9991009 = 2.00 bps. The oldest index is 4 s old.
    """
    store = market({"binance": "BTC-USD BTC-USDT ETH-USD ETH-USDT", "okx": "BTC-USD BTC-USDT"})
    store.write(indices("binance", NOW - 1, BTC__USD=100000, BTC__USDT=100100, ETH__USD=2500, ETH__USDT=2502))
    store.write(indices("okx", NOW - 4, BTC__USD=100010))
    store.write(indices("okx", NOW - 2, BTC__USDT=100100))
    rate = rates_of(store)["USDT"]

    assert (rate.currency, rate.into, rate.n, rate.reason) == ("USDT", "USD", 3, "")
    assert rate.value == pytest.approx(0.9991009, abs=1e-7)
    assert rate.age_s == pytest.approx(4.0)
    assert rate.spread_bps == pytest.approx(2.00, abs=0.005)
    assert rate.source == "index in USD over index in USDT: binance BTC ETH, okx BTC"


def test_a_contract_of_usdc_in_usdt_speaks_for_usdc_too():
    """USDT is worth 0.999; a USDC costs 1.0015 USDT, 1.0004985 dollars. The indices say 100000 / 99950 = 1.0005003.

    Of two the median is their mean: 1.0004994.
    """
    store = market({"okx": "BTC-USD BTC-USDT ETH-USD ETH-USDT BTC-USDC", "bybit": "USDC-USDT"})
    store.write(indices("okx", BTC__USD=99900, BTC__USDT=100000, ETH__USD=1998, ETH__USDT=2000, BTC__USDC=99850.049975))
    store.write([quote("bybit", 1.0014, 1.0016, "USDC-USDT", at=NOW - 3)])
    rate = rates_of(store)["USDC"]

    assert rate.value == pytest.approx(1.0004994, abs=1e-6)
    assert (rate.n, rate.age_s) == (2, 3.0)
    assert rate.source == "index in USD over index in USDC: okx BTC; mid of USDC-USDT: bybit"


def test_a_ratio_that_nothing_confirms_is_no_rate():
    store = market({"okx": "BTC-USD BTC-USDT"})
    store.write(indices("okx", BTC__USD=99900, BTC__USDT=100000))
    rate = rates_of(store)["USDT"]

    assert (rate.value, rate.n, rate.reason) == (None, 1, "nothing confirms okx BTC (0.99900)")


def test_ratios_that_disagree_are_no_rate():
    """0.9990 and 1.0005 are 15 bps apart."""
    store = market({"okx": "BTC-USD BTC-USDT", "bybit": "BTC-USD BTC-USDT"})
    store.write(indices("okx", BTC__USD=99900, BTC__USDT=100000) + indices("bybit", BTC__USD=100050, BTC__USDT=100000))
    rate = rates_of(store)["USDT"]

    assert rate.value is None
    assert rate.reason == "okx BTC (0.99900) and bybit BTC (1.00050) are 15.0 bps apart"
    assert rate.spread_bps == pytest.approx(15.0, abs=0.01)


@pytest.mark.parametrize(
    ("first", "second"),
    [(NOW - 16, NOW - 16), (NOW - 6, NOW)],
    ids=["too old", "of two moments"],
)
def test_indices_that_are_old_or_of_two_moments_are_left_out(first, second):
    store = market({"okx": "BTC-USD BTC-USDT ETH-USD ETH-USDT"})
    store.write(
        indices("okx", first, BTC__USD=99900, ETH__USD=1998) + indices("okx", second, BTC__USDT=1e5, ETH__USDT=2e3)
    )
    rate = rates_of(store)["USDT"]

    assert (rate.value, rate.n, rate.age_s, rate.spread_bps) == (None, 0, None, None)
    assert rate.reason == "no exchange has a fresh index of one coin in USD and in USDT"


def test_one_index_for_both_families_says_nothing_of_the_stablecoin():
    """Bybit's are equal to the last digit; the two of okx alone make the rate."""
    store = market({"okx": "BTC-USD BTC-USDT ETH-USD ETH-USDT", "bybit": "BTC-USD BTC-USDT ETH-USD ETH-USDT"})
    store.write(indices("okx", BTC__USD=99950, BTC__USDT=100000, ETH__USD=1999, ETH__USDT=2000))
    store.write(indices("bybit", BTC__USD=100000, BTC__USDT=100000, ETH__USD=2000, ETH__USDT=2000))
    rate = rates_of(store)["USDT"]

    assert (rate.value, rate.n) == (pytest.approx(0.9995), 2)


def test_quotes_that_are_not_good_make_no_rate():
    store = market({"okx": "BTC-USD BTC-USDT ETH-USD ETH-USDT"})
    store.write(indices("okx", BTC__USD=99900, BTC__USDT=100000, ETH__USD=1998, ETH__USDT=2000))
    snapshot = store.snapshot()
    usable = snapshot.grid.listed.copy()
    assert conversion_rates(snapshot, NOW, usable)["USDT"].n == 2
    usable[snapshot.grid.symbol_index["ETH-USDT"]] = False

    assert conversion_rates(snapshot, NOW, usable)["USDT"].n == 1


# -- families side by side ---------------------------------------------------------------------------------------


def two_families() -> SnapshotStore:
    """A USDT is worth 0.9990 dollars: everything in USDT is 10 bps dearer. Both quote 10 bps either side of 100000 USD.

    In USDT: 99990 / 0.999 = 100090.09 and 100010 / 0.999 = 100110.11, index 100000 / 0.999 = 100100.10.
    """
    store = market({"okx": "BTC-USD ETH-USD ETH-USDT", "bybit": "BTC-USDT BTC-USD ETH-USDT"})
    store.write(indices("okx", BTC__USD=100000, ETH__USD=1998, ETH__USDT=2000))
    store.write(indices("bybit", BTC__USD=100000, BTC__USDT=100000 / 0.999))
    store.write(
        [
            quote("okx", 99990.0, 100010.0, "BTC-USD", sizes=(2.0, 3.0), at=NOW - 1, event=NOW - 1.1),
            quote("bybit", 99990 / 0.999, 100010 / 0.999, "BTC-USDT", sizes=(4.0, 5.0), at=NOW - 2),
            ticker("bybit", last_price=100100.1, volume_24h=10.0, turnover_24h=1001001.0),
            funding("bybit", mark_price=100100.1, funding_rate=0.0001, funding_interval_h=8.0),
        ]
    )
    return store


def test_a_stablecoin_move_makes_no_edge_after_conversion():
    """As quoted, buying in dollars and selling in USDT would gain 100090.09 - 100010 = 80.09 of 100050: 8.00 bps.

    In dollars both bid 99990 and ask 100010: crossing costs the quoted spread, 20 of 100000, both ways.
    """
    snapshot = two_families().snapshot()
    s, e = snapshot.grid.symbol_index, snapshot.grid.exchange_index
    bid = snapshot["bid_price"][s["BTC-USDT"], e["bybit"]]
    ask = snapshot["ask_price"][s["BTC-USD"], e["okx"]]
    assert (bid - ask) / 100050.0 * 1e4 == pytest.approx(8.00, abs=0.01)

    seen = converted(snapshot, rates_of(two_families()))
    edges = spreads.entry_edge_bps(seen["bid_price"], seen["ask_price"])[seen.grid.symbol_index["BTC-USD*"]]
    dollars, tether = column(seen, "okx/USD"), column(seen, "bybit/USDT")
    assert edges[dollars, tether] == pytest.approx(-2.0)
    assert edges[tether, dollars] == pytest.approx(-2.0)
    verdicts = leg_verdicts(seen, NOW, Limits())[seen.grid.symbol_index["BTC-USD*"]]
    assert (verdicts[dollars], verdicts[tether]) == (Verdict.OK, Verdict.OK)


def test_prices_are_converted_and_coins_times_and_fees_are_not():
    """In dollars: 100100.1 * 0.999 = 99999.9999, turnover 1001001 * 0.999 = 999999.999, tick 0.1 * 0.999."""
    store = two_families()
    seen = converted(store.snapshot(), rates_of(store))
    cell = seen.grid.symbol_index["BTC-USD*"], column(seen, "bybit/USDT")

    money = {"bid_price": 99990.0, "ask_price": 100010.0, "index_price": 100000.0, "mark_price": 99999.9999}
    money |= {"last_price": 99999.9999, "turnover_24h": 999999.999}
    assert {name: seen[name][cell] for name in money} == pytest.approx(money)
    kept = {"bid_size": 4.0, "ask_size": 5.0, "received_time": NOW - 2, "volume_24h": 10.0, "funding_rate": 0.0001}
    assert {name: seen[name][cell] for name in kept} == kept
    assert seen.grid.tick_size[cell] == pytest.approx(0.0999)
    assert (seen.grid.taker_fee_bps[cell], seen.grid.lot_size[cell]) == (5.0, 0.001)


def test_columns_are_the_families_that_an_exchange_has():
    """BTC of okx is quoted in dollars only, of bybit in both; a column holds what its exchange quotes in its family."""
    store = two_families()
    seen = converted(store.snapshot(), rates_of(store))

    assert seen.symbols == ("BTC-USD*", "ETH-USD*")
    assert seen.exchanges == ("okx/USD", "okx/USDT", "bybit/USD", "bybit/USDT")
    assert seen.grid.listed.tolist() == [[True, False, True, True], [True, True, False, True]]
    assert seen.grid.instruments["bybit/USDT", "BTC-USD*"].symbol == "BTC-USDT"
    assert seen.floor_s.shape == (4,)
    assert np.isnan(seen["bid_price"][0, 1])
    assert seen["live"].tolist() == [[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]]


def test_every_matrix_of_the_grid_is_carried_along():
    """Whatever the grid says of a contract stands where the contract has gone; money aside, unchanged."""
    store = two_families()
    snapshot = store.snapshot()
    seen = converted(snapshot, rates_of(store))
    was = snapshot.grid.symbol_index["BTC-USD"], snapshot.grid.exchange_index["okx"]  # in dollars: the rate is 1
    now = seen.grid.symbol_index["BTC-USD*"], column(seen, "okx/USD")
    names = [f.name for f in fields(snapshot.grid) if isinstance(getattr(snapshot.grid, f.name), np.ndarray)]

    assert {"listed", "trading", "pairable", "in_doubt", "taker_fee_bps", "tick_size", "lot_size"} <= set(names)
    for name in names:
        before, after = getattr(snapshot.grid, name), getattr(seen.grid, name)
        assert (after.shape, after.dtype, after.flags.writeable) == ((2, 4), before.dtype, False)
        assert same(after[now], before[was])


def test_the_snapshot_stays_as_it_was():
    store = two_families()
    snapshot = store.snapshot()
    data, tick = snapshot.data.copy(), snapshot.grid.tick_size.copy()
    converted(snapshot, rates_of(store))

    assert same(snapshot.data, data)
    assert same(snapshot.grid.tick_size, tick)
    assert store.snapshot() is snapshot


def test_without_a_rate_a_family_is_left_out():
    """Nothing says what a USD1 is worth, and with no rate for USDT only dollars are left: one family, no row."""
    store = market({"gate": "BTC-USD BTC-USDT BTC-USD1"})
    store.write(indices("gate", BTC__USD=99900, BTC__USDT=100000))
    rates = rates_of(store)
    assert rates["USDT"].value is None

    seen = converted(store.snapshot(), rates)
    assert (seen.symbols, seen.exchanges, seen["bid_price"].shape) == ((), (), (0, 0))
    assert seen.grid.listed.shape == (0, 0)


def test_what_is_not_listed_in_two_families_has_no_row():
    store = market({"okx": "BTC-USD BTC-USDT ETH-USD ETH-USDT DOGE-USDT", "bybit": "DOGE-USDT"})
    store.write(indices("okx", BTC__USD=99900, BTC__USDT=100000, ETH__USD=1998, ETH__USDT=2000))

    assert converted(store.snapshot(), rates_of(store)).symbols == ("BTC-USD*", "ETH-USD*")


def test_linear_and_inverse_contracts_in_dollars_are_two_families():
    store = market({"okx": "BTC-USD_UM BTC-USD"})
    store.write([quote("okx", 99990.0, 100010.0, "BTC-USD"), quote("okx", 100000.0, 100020.0, "BTC-USD_UM")])
    seen = converted(store.snapshot(), {})

    assert seen.exchanges == ("okx/USD", "okx/USD_UM")
    assert seen["bid_price"].tolist() == [[99990.0, 100000.0]]
    assert inverse(seen.grid).tolist() == [[True, False]]


def test_quanto_contracts_are_shown_and_never_paired():
    store = market({"bitmex": "ETH-USD_QUANTO ETH-USD"})
    store.write([Quote("bitmex", "ETH-USD_QUANTO", 1999.0, 1.0, 2001.0, 1.0, None, NOW)])
    seen = converted(store.snapshot(), {})

    assert seen.exchanges == ("bitmex/USD", "bitmex/USD_QUANTO")
    assert seen.grid.pairable.tolist() == [[True, False]]
    assert seen["ask_price"][0, 1] == 2001.0


def test_shares_and_coins_of_one_ticker_stay_apart():
    store = market({"okx": "ON.EQ-USDT BTC-USD BTC-USDT ETH-USD ETH-USDT", "bybit": "ON-USDT ON.EQ-USDC ON-USDC"})
    store.write(indices("okx", BTC__USD=99900, BTC__USDT=100000, ETH__USD=1998, ETH__USDT=2000))
    usdt = rates_of(store)["USDT"]
    seen = converted(store.snapshot(), {"USDT": usdt, "USDC": usdt})

    assert set(seen.symbols) == {"BTC-USD*", "ETH-USD*", "ON-USD*", "ON.EQ-USD*"}
    shares = seen.grid.symbol_index["ON.EQ-USD*"]
    assert [name for e, name in enumerate(seen.exchanges) if seen.grid.listed[shares, e]] == ["okx/USDT", "bybit/USDC"]


def test_into_another_currency():
    """A USDT is worth 0.999 dollars: 99990 dollars are 100090.09 USDT, and what is in USDT stays."""
    store = two_families()
    rates = rates_of(store)
    seen = converted(store.snapshot(), rates, "USDT")
    row = seen.grid.symbol_index["BTC-USDT*"]

    assert seen["bid_price"][row, column(seen, "okx/USD")] == pytest.approx(100090.09, abs=0.01)
    assert seen["bid_price"][row, column(seen, "bybit/USDT")] == pytest.approx(99990 / 0.999)
    assert worth("BTC-USD_UM", rates, "USDT") == pytest.approx(1.0010010)
    assert worth("BTC-USDC", rates) is None


def test_an_inverse_contract_is_hedged_at_the_price_of_its_opening():
    """10000 dollars of contracts at 100000 are 0.1 coins."""
    assert inverse_hedge_coins(10_000.0, 100_000.0) == pytest.approx(0.1)
