"""Rows, details and CSV of the Instruments page, on listings made by hand."""

import csv
import io
import time

import pytest
from msgspec.structs import replace
from plotly.io.json import to_json_plotly
from scripted_market import EXCHANGES, instrument, make_desk, status

from desk import View
from feeds.status import IntervalChange
from layouts.instruments import details, rows
from layouts.instruments.callbacks import explain
from layouts.instruments.layout import page
from market.models import Pairing, Status
from market.overrides import apply_overrides, parse_overrides

DENY = """
[[deny]]
exchange = "gate"
exchange_symbol = "KAITOUSDT"
author = "mk"
date = 2026-09-05
reason = "another asset"
"""


@pytest.fixture
def desk():
    """Gate.io: KAITO denied by an override, BTC halted; Bybit lists a bundle of MYRO and an unsure ETH."""
    desk = make_desk(samples=1)
    store = desk.market.store
    listed = {exchange: [instrument(exchange, symbol) for symbol in store.grid.symbols] for exchange in EXCHANGES}
    listed["gate"], _ = apply_overrides(listed["gate"], parse_overrides(DENY, "overrides.toml", EXCHANGES))
    changed = {
        ("gate", "BTC-USDT"): {"status": Status.HALTED},
        ("bybit", "MYRO-USDT"): {"exchange_symbol": "1000MYROUSDT", "multiplier": 1_000.0, "tick_size": 1e-9},
        ("bybit", "ETH-USDC"): {"pairing": Pairing.CHECK, "exchange_symbol": "ETHPERP"},
    }
    for exchange, found in listed.items():
        made = [_with(row, changed.get((exchange, row.symbol), {})) for row in found]
        store.set_instruments(exchange, [row for row in made if (exchange, row.symbol) != ("binance", "MYRO-USDT")])
    desk.view = desk._judge(desk.market)
    return desk


def _with(row, values):
    return replace(row, **values)


def seen_change(view: View) -> View:
    """The view with a funding interval of Bybit's KAITO that went from 8 to 4 hours on 2026-11-22 at 14:07 UTC."""
    change = IntervalChange("KAITO-USDT", 8.0, 4.0, 1_795_356_420.0)
    bybit = status("bybit", interval_changes={"KAITO-USDT": change})
    others = tuple(each for each in view.status if each.exchange != "bybit")
    return View(view.judgement, (*others, bybit), view.market)


def words(component) -> str:
    return to_json_plotly(component)


def test_one_row_a_symbol_with_a_cell_an_exchange(desk):
    columns = rows.listing(desk.view).columns
    at = columns["id"].index("MYRO-USDT")

    assert columns["id"] == ["BTC-USDT", "ETH-USDC", "KAITO-USDT", "MYRO-USDT"]
    assert [columns[exchange][at] for exchange in EXCHANGES] == [None, "MYROUSDT", "1000MYROUSDT"]
    assert columns["count"] == [3, 3, 3, 2]
    assert columns["family"] == ["USDT", "USDC", "USDT", "USDT"]


def test_rows_carry_what_the_filters_ask_for(desk):
    columns = rows.listing(desk.view).columns

    assert columns["status"] == ["trading halted", "trading", "trading", "trading"]
    assert columns["pairing"] == ["ok", "ok check", "ok deny", "ok"]
    assert set(columns["class"]) == {"crypto"}


def test_cells_are_marked_where_no_opportunity_is_made_of_them(desk):
    columns = rows.listing(desk.view).columns

    assert columns["gate_mark"] == [rows.NOT_TRADING, rows.PAIRED, rows.NOT_PAIRED, rows.PAIRED]
    assert columns["bybit_mark"] == [rows.PAIRED, rows.IN_DOUBT, rows.PAIRED, rows.PAIRED]
    assert rows.mark(_with(instrument("gate", "BTC-USDT"), {"kind": "quanto"})) == rows.NOT_PAIRED


def test_rows_are_made_anew_only_when_a_listing_has_changed(desk):
    before = rows.listing(desk.view)
    desk.market.feed.step()
    desk.view = desk._judge(desk.market)
    assert rows.listing(desk.view) is before

    desk.market.store.set_instruments("gate", [instrument("gate", "BTC-USDT")])
    desk.view = desk._judge(desk.market)
    assert rows.listing(desk.view).number > before.number


def test_a_large_listing_is_laid_out_in_time(desk):
    """4,500 contracts are what eleven exchanges list; the pages must not wait for them."""
    names = [f"COIN{i}-USDT" for i in range(1_500)]
    for exchange in EXCHANGES:
        row = instrument(exchange, "BTC-USDT")
        desk.market.store.set_instruments(exchange, [_with(row, {"symbol": name}) for name in names])
    grid = desk.market.store.grid
    began = time.perf_counter()
    assert len(rows.columns(grid)["id"]) == 1_500
    assert time.perf_counter() - began < 1.0  # some 15 ms; a loaded machine is slower


def test_details_show_each_exchange_with_units_and_reasons(desk):
    said = words(details.table(desk.view, "MYRO-USDT"))
    assert "1000MYROUSDT" in said
    assert '"1\u2009000"' in said or "1\\u2009000" in said
    assert "0.000000001" in said
    assert "Contract, coins" in said

    denied = words(details.table(desk.view, "KAITO-USDT"))
    assert "by mk, 2026-09-05: another asset" in denied
    assert denied.count("compared by its name") == 4  # as text and as explanation, of two exchanges
    assert "halted" in words(details.table(desk.view, "BTC-USDT"))
    assert "only while its price agrees" in words(details.table(desk.view, "ETH-USDC"))


def test_details_name_the_last_change_of_the_funding_interval(desk):
    view = seen_change(desk.view)

    assert "2026-11-22 14:07, was 8" in words(details.table(view, "KAITO-USDT"))
    assert details.state(view, "KAITO-USDT") != details.state(desk.view, "KAITO-USDT")
    assert "was 8" not in words(details.table(view, "BTC-USDT"))


def test_details_of_a_symbol_that_is_gone_say_so(desk):
    head, table, href = explain(desk.view, "GONE-USDT")

    assert "No exchange lists it any more" in words(head)
    assert "gone from all listings" in words(table)
    assert href == "/spreads?symbol=GONE-USDT"


def test_the_head_counts_what_can_be_compared(desk):
    assert "crypto; listed on 3, 2 trade and are compared by name" in words(details.head(desk.view, "KAITO-USDT"))


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-8, "0.00000001"), (0.1, "0.1"), (1e7, "10\u2009000\u2009000"), (1.0, "1"), (None, "")],
)
def test_units_are_written_with_all_their_digits(value, text):
    assert details.exact(value) == text


def test_csv_has_a_line_a_listing_with_full_figures(desk):
    found = list(csv.DictReader(io.StringIO(rows.as_csv(seen_change(desk.view), ["KAITO-USDT", "NO-SUCH"]))))

    assert [row["exchange"] for row in found] == list(EXCHANGES)
    assert {row["source"] for row in found} == {"demo"}
    by_exchange = {row["exchange"]: row for row in found}
    assert by_exchange["gate"]["pairing"] == "deny"
    assert by_exchange["gate"]["override"] == "deny by mk, 2026-09-05: another asset"
    assert by_exchange["bybit"]["funding_interval_changed"] == "1795356420"
    assert float(by_exchange["bybit"]["tick_size"]) == 0.00001
    assert len(list(csv.DictReader(io.StringIO(rows.as_csv(desk.view))))) == 11


def test_the_page_offers_every_quote_currency_and_exchange(desk):
    laid_out = words(page(desk, "", None))

    for word in ("USDC", "Gate.io", "preipo", "pre market", "not trading", "CSV"):
        assert word in laid_out
