"""Rows, cells and CSV of the Funding page, on a market made by hand."""

import csv
import io
import time
from dataclasses import replace

import pytest
from plotly.io.json import to_json_plotly
from scripted_market import EXCHANGES, make_desk

from desk import View
from layouts.funding import rows
from layouts.funding.callbacks import show
from layouts.funding.layout import page
from market.models import Funding
from store.funding import IntervalChange, Settlement
from store.snapshot import INDEX


@pytest.fixture(scope="module")
def market():
    """KAITO: Binance 1 bp in 8 h, Gate.io -2 in 4 h, Bybit 3 of an interval that it does not tell. Others 1 in 8 h."""
    desk = make_desk(samples=40)
    now = time.time()

    def says(exchange, symbol, rate, hours, left_s, price):
        return Funding(exchange, symbol, price, price, rate, hours, now + left_s, now, now)

    desk.market.store.write(
        [
            says("binance", "KAITO-USDT", 0.0001, 8.0, 7_200.0, 1.18),
            says("gate", "KAITO-USDT", -0.0002, 4.0, 3_600.0, 1.18),
        ]
    )
    judgement = desk._judge(desk.market).judgement
    snapshot = judgement.snapshot
    cell = snapshot.grid.symbol_index["KAITO-USDT"], snapshot.grid.exchange_index["bybit"]
    data = snapshot.data.copy()
    data[INDEX["funding_rate"]][cell], data[INDEX["funding_interval_h"]][cell] = 0.0003, float("nan")
    judgement = replace(judgement, snapshot=replace(snapshot, data=data))
    desk.view = View(judgement, desk.view.status, desk.market)
    return desk


@pytest.fixture
def view(market):
    return market.view


USDT = rows.Choice()


def words(component) -> str:
    return to_json_plotly(component)


def test_cells_carry_rate_interval_and_next_settlement(view):
    """1 bp in 8 h: 0.01 % x 1095 = 10.95 %; -2 in 4 h: -0.02 % x 2190 = -43.8 %. Apart 54.75 %."""
    table = rows.rates(view, USDT)
    at = table["columns"]["id"].index("KAITO-USDT")
    binance, gate = (table["columns"][exchange][at].split("|") for exchange in ("binance", "gate"))

    assert binance[0] in ("10.9", "11.0")
    assert (binance[1], binance[3]) == ("8", "0.0100")
    assert gate[:2] == ["-43.8", "4"]
    assert float(binance[2]) - view.judgement.time == pytest.approx(7_200, abs=60)
    assert table["columns"]["widest"][at] == pytest.approx(54.8, abs=0.1)
    assert table["exchanges"] == list(EXCHANGES)


def test_an_unknown_interval_is_said_and_never_annualised(view):
    table = rows.rates(view, USDT)
    at = table["columns"]["id"].index("KAITO-USDT")

    apr, hours, _, rate, state = table["columns"]["bybit"][at].split("|")
    assert (apr, hours, rate, state) == ("", "", "0.0300", rows.UNKNOWN)


def test_rows_come_in_the_order_asked_for_and_only_of_the_family(view):
    names = rows.rates(view, rows.choice_of("USDT", "", "symbol"))["columns"]["id"]

    assert names == ["BTC-USDT", "KAITO-USDT", "MYRO-USDT"]
    assert rows.rates(view, USDT)["columns"]["id"][0] == "KAITO-USDT"
    assert rows.rates(view, rows.choice_of("USDC", None, None))["columns"]["id"] == ["ETH-USDC"]
    assert rows.rates(view, rows.choice_of(None, " kai", None))["columns"]["id"] == ["KAITO-USDT"]
    assert rows.choice_of(None, "kaito-usdt", "nonsense") == rows.Choice("USDT", "KAITO", "widest")


def test_each_exchange_says_when_most_of_its_contracts_settle(view):
    heads = rows.rates(view, USDT)["heads"]

    assert heads["binance"]["next"] - view.judgement.time == pytest.approx(3_600, abs=60)


def test_the_best_pair_is_long_where_funding_is_lowest(view):
    """Per hour 0.125 + 0.5 = 0.625 bps: 5 in 8 h, 54.75 % a year."""
    (position,) = rows.best(view, USDT)
    said = words(rows.best_rows(view, [position]))

    assert said.index("Gate.io") < said.index("Binance")
    assert "+5.0" in said
    assert "symbol=KAITO-USDT&buy=gate&sell=binance" in said
    assert " 4 h" in said


def test_rows_keep_their_order_while_pointed_at(view):
    assert rows.best(view, USDT, ("GONE-USDT", "KAITO-USDT")) == rows.best(view, USDT)


def test_without_a_settlement_the_pane_says_since_when_and_what_is_awaited(view):
    said = words(rows.quality_rows(view))

    assert "No settlement seen yet since" in said
    assert "The next falls due at" in said


def test_predictions_are_counted_over_all_and_by_exchange(market, view, monkeypatch):
    """Of two, one sign hit; errors 1 and 3 bps: 50 %, 2.00 bps."""
    paid = [
        Settlement("gate", "KAITO-USDT", 1_000.0, 8.0, 0.0001, (0.0002, None, None)),
        Settlement("gate", "BTC-USDT", 1_000.0, 8.0, -0.0001, (0.0002, None, None)),
    ]
    monkeypatch.setattr(market.market.funding, "settlements", lambda: paid)
    found = rows.qualities(view)

    assert [name for name, _ in found] == ["all", "gate"]
    assert [(quality.n, quality.sign_hit_rate) for quality in found[1][1]] == [(2, 0.5), (0, None), (0, None)]
    said = words(rows.quality_rows(view))
    assert '"50.0"' in said
    assert '"2.00"' in said


def test_interval_changes_are_dated(market, view, monkeypatch):
    assert "No interval has changed since" in words(rows.change_rows(view))

    change = IntervalChange("gate", "KAITO-USDT", view.judgement.time, 8.0, 4.0)
    monkeypatch.setattr(market.market.funding, "interval_changes", lambda: [change])
    said = words(rows.change_rows(view))
    assert '"8 h"' in said
    assert '"4 h"' in said
    assert rows.when(view.judgement.time, view.judgement.time) in said


def test_times_are_as_short_as_they_can_be():
    """2026-11-27 is a Friday; 12:00 UTC is 1795780800."""
    noon = 1_795_780_800.0
    assert rows.when(noon + 3_600, noon) == "13:00"
    assert rows.when(noon + 86_400, noon) == "Sat 12:00"
    assert rows.when(noon - 10 * 86_400, noon) == "2026-11-17 12:00"


def test_the_csv_has_every_contract_that_passes(view):
    lines = list(csv.DictReader(io.StringIO(rows.as_csv(view, rows.choice_of("USDT", "KAITO", None)))))

    assert [line["exchange"] for line in lines] == list(EXCHANGES)
    assert lines[1]["funding_rate"] == "-0.0002"
    assert float(lines[1]["funding_apr"]) == pytest.approx(-0.438)
    assert (lines[2]["funding_interval_h"], lines[2]["funding_apr"]) == ("", "")
    assert {line["source"] for line in lines} == {"demo"}


def test_what_matches_nothing_says_what_would(view):
    _, name = rows.empty_state(view, USDT)
    assert name == "empty hidden"
    said, name = rows.empty_state(view, rows.choice_of("USDT", "zzz", None))
    assert name == "empty"
    assert "matches ZZZ" in words(said)


def test_the_page_has_its_panes_and_says_its_limits(market, view):
    said = words(page(market, "", None))

    for word in ("\u2212100", "+100 % a year, simple", "Best long and short", "Settled against predicted", "CSV"):
        assert word in said, word
    assert "Highest: " in words(show(view, USDT))
