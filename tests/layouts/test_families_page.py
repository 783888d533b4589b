"""Rates and pairs between quote currencies, on contracts of one coin in dollars and in USDT."""

import csv
import io
import time

import pytest
from plotly.io.json import to_json_plotly

from layouts.families import rows
from layouts.families.callbacks import show
from layouts.families.layout import page
from store.snapshot import SnapshotStore
from tests.store.scripted import desk_of, funding, instrument, market_of, quote

USDT = 0.999  # dollars
EVERYTHING = rows.Choice()


def anchored(symbol: str, price: float, at: float):
    said = {"mark_price": price, "index_price": price, "funding_rate": 0.0001, "funding_interval_h": 8.0}
    return funding("okx", symbol, at=at, next_funding_time=at + 3_600, **said)


@pytest.fixture
def desk():
    """okx alone: BTC and ETH coin-margined in dollars and linear in USDT, all level in dollars."""
    at = time.time() - 0.5
    store = SnapshotStore(("okx",))
    inverse = {"kind": "inverse", "settle": "BTC", "contract_multiplier": 100.0}
    listed = [instrument("okx", f"{base}-{q}", **(inverse if q == "USD" else {})) for base in ("BTC", "ETH")
              for q in ("USD", "USDT")]  # fmt: skip
    store.set_instruments("okx", listed)
    for base, price in (("BTC", 100_000.0), ("ETH", 2_000.0)):
        for symbol, value in ((f"{base}-USD", price), (f"{base}-USDT", price / USDT)):
            store.write([anchored(symbol, value, at), quote("okx", value * 0.9999, value * 1.0001, symbol, at=at)])
    return desk_of(market_of(store))


def words(component) -> str:
    return to_json_plotly(component)


def test_rates_show_value_distance_from_par_and_source(desk):
    """0.999 is 10 bps below a dollar."""
    said = words(rows.rate_rows(desk.view))

    assert '"0.99900"' in said
    assert "\u221210.0" in said or "\\u221210.0" in said
    assert "okx BTC ETH" in said


def test_a_currency_without_a_rate_says_why(desk):
    said = words(rows.rate_rows(desk.view))

    assert "no rate" in said
    assert "no exchange has a fresh index of one coin in USD and in USDC" in said
    assert rows.rates_note(desk.view).startswith("1 of 2 known")


def test_pairs_are_marked_where_they_are_of_one_exchange_or_inverse(desk):
    found = rows.shown(desk.view, EVERYTHING)
    said = words(rows.pair_rows(desk.view, found))

    assert {row.symbol for row in found} == {"BTC-USD*", "ETH-USD*"}
    assert "one exchange" in said
    assert "inverse buy" in said
    assert "its collateral is itself long the coin" in said
    assert "too new" in said  # nothing is remembered yet


def test_rows_are_searched_and_keep_their_order_while_pointed_at(desk):
    assert {row.symbol for row in rows.shown(desk.view, rows.choice_of("eth", True))} == {"ETH-USD*"}

    order = [row.id for row in rows.shown(desk.view, EVERYTHING)]
    turned = tuple(reversed(order))
    assert [row.id for row in rows.shown(desk.view, EVERYTHING, turned)] == list(turned)
    assert [row.id for row in rows.shown(desk.view, EVERYTHING, ("GONE",))] == order


def test_without_any_rate_the_reasons_stand_in_place_of_pairs():
    """BTC is listed in USDT and USDC, and nobody says what a USDT is worth."""
    store = SnapshotStore(("okx",))
    store.set_instruments("okx", [instrument("okx", "BTC-USDT"), instrument("okx", "BTC-USDC")])
    view = desk_of(market_of(store)).view
    _, _, table, order, count = show(view, EVERYTHING)

    assert "Nothing can be compared across quote currencies now" in words(table)
    assert "USDT: no exchange has a fresh index" in words(table)
    assert (order, count) == ([], "0 pairs")


def test_a_search_without_a_match_says_so(desk):
    assert "No pair of DOGE" in words(rows.nothing(desk.view, rows.choice_of("doge", True)))


def test_the_csv_names_contracts_and_rates(desk):
    lines = list(csv.DictReader(io.StringIO(rows.as_csv(desk.view, rows.choice_of("btc", True)))))

    assert {(line["buy_symbol"], line["sell_symbol"]) for line in lines} == {
        ("BTC-USD", "BTC-USDT"),
        ("BTC-USDT", "BTC-USD"),
    }
    assert {line["same_exchange"] for line in lines} == {"true"}
    assert sorted(float(line["buy_rate"]) for line in lines) == pytest.approx([0.999, 1.0])


def test_the_page_states_what_the_expected_exit_leaves_out(desk):
    said = words(page(desk, "", None))

    assert "what the currencies themselves did meanwhile is not in it" in said
    assert "Across quote currencies" in said
