"""The whole app over the simulated market, compared with what the simulator knows to be true."""

import csv
import io
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from feeds.exchanges import load
from market.exchanges import EXCHANGES as ALL
from tests.app_process import App, running, wait_for

EXCHANGES = ("binance", "bybit", "okx")
# Perpetuals that each simulated exchange offers at least; the small ones are small in reality, too.
LISTED = dict.fromkeys(ALL, 400) | {"deribit": 100, "bitmex": 120, "phemex": 120, "hyperliquid": 150}


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    with running("--source", "demo") as app:
        wait_for(app.endpoints)
        wait_for(lambda: app.health()["status"] == "ok", timeout_s=60.0)
        yield app
        assert "Traceback" not in "".join(app.log)


@pytest.fixture(scope="module")
def control(app: App) -> Iterator[httpx.Client]:
    """The simulator's own side: the truth, and faults."""
    with httpx.Client(base_url=app.endpoints()["control"]["rest"], timeout=10.0) as client:
        yield client


def exchange_row(app: App, exchange: str) -> dict[str, Any]:
    (row,) = app.rows("exchanges", exchange=exchange)
    return row


def fault(control: httpx.Client, exchange: str, name: str, **parameters: object) -> int:
    answer = control.post("/faults", json={"exchange": exchange, "fault": name, **parameters})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


def close(ours: float, theirs: float) -> bool:
    return abs(ours - theirs) <= 1e-9 * abs(theirs)


@pytest.mark.parametrize("exchange", ALL)
def test_every_exchange_is_live_with_hundreds_of_contracts(app, exchange):
    wait_for(lambda: exchange_row(app, exchange)["state"] == "live")
    row = exchange_row(app, exchange)
    assert row["instruments"] >= LISTED[exchange]
    assert row["sockets_up"] == row["sockets"] > 0
    assert row["malformed"] == row["unknown"] == row["gaps"] == 0
    assert row["frames_per_s"] > 0
    if load(exchange).relay_of is None:  # what a relay says is shown, and never counts as a quote to pair
        wait_for(lambda: exchange_row(app, exchange)["quotes_ok"] >= 0.9 * row["instruments"])


def test_every_answer_says_that_the_market_is_simulated(app):
    for path in ("health", "exchanges", "instruments", "prices", "funding", "arb", "summary"):
        answer = app.ask(path)
        assert (answer["source"], answer["simulated"]) == ("demo", True)


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_good_prices_were_true_within_the_last_seconds(app, control, exchange):
    """A quote may be overtaken while we ask, but it must have been the market's top a moment ago."""
    contracts = {row["symbol"]: row for row in app.rows("instruments", exchange=exchange)}
    wait_for(lambda: exchange_row(app, exchange)["quotes_ok"] >= 300)
    prices = app.rows("prices", exchange=exchange, verdict="ok")
    truth = control.get(f"/truth/{exchange}").json()
    assert len(prices) >= 250
    wrong = []
    for row in prices:
        contract = contracts[row["symbol"]]
        bid, ask = row["bid_price"] * contract["multiplier"], row["ask_price"] * contract["multiplier"]
        tops = truth[contract["exchange_symbol"]]
        if not any(close(bid, top[1]) and close(ask, top[3]) for top in tops):
            wrong.append((row["symbol"], bid, ask, tops[-1]))
    assert wrong == []


def test_listings_say_what_the_simulator_lists(app, control):
    for exchange in EXCHANGES:
        listed = {row["exchange_symbol"]: row for row in control.get(f"/market/{exchange}").json() if row["perpetual"]}
        for row in app.rows("instruments", exchange=exchange):
            theirs = listed[row["exchange_symbol"]]
            assert close(row["tick_size"] * row["multiplier"], theirs["tick_size"])
            assert row["settle"] == theirs["settle"]


def test_opportunities_are_judged_between_different_exchanges(app):
    rows = app.rows("arb", include_refused=True)
    assert len(rows) > 1_000
    for row in wait_for(lambda: app.rows("arb")):  # gaps come and go: there may be none at a glance
        assert row["buy"] != row["sell"]
        assert row["gross_edge_bps"] == pytest.approx(
            1e4 * (row["sell_price"] - row["buy_price"]) / ((row["sell_price"] + row["buy_price"]) / 2), abs=1.0
        )


def test_the_csv_tables_hold_what_the_json_holds(app):
    for path in ("exchanges", "instruments", "prices", "funding", "arb"):
        answer = app.http.get(f"/api/{path}.csv")
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        columns = set(app.rows(path, limit=1)[0])
        assert rows
        assert set(rows[0]) == columns | {"source"}
        assert {row["source"] for row in rows} == {"demo"}
        assert all(None not in row and None not in row.values() for row in rows)  # no row longer or shorter


def test_the_pages_are_served(app):
    for path in ("/", "/docs", "/openapi.json", "/_dash-layout"):
        assert app.http.get(path, follow_redirects=True).status_code == 200


def test_a_halted_contract_makes_no_opportunity(app, control):
    row = wait_for(lambda: app.rows("arb", exchange="okx"), 60.0)[0]  # gaps come and go: there may be none at a glance
    symbol, other = row["symbol"], row["sell"] if row["buy"] == "okx" else row["buy"]
    (contract,) = app.rows("instruments", symbol=symbol, exchange="okx")
    halt = fault(control, "okx", "halt", symbol=contract["exchange_symbol"], duration_s=0)
    try:
        wait_for(lambda: app.rows("instruments", symbol=symbol, exchange="okx")[0]["status"] == "halted", 45.0)
        wait_for(lambda: app.rows("prices", symbol=symbol, exchange="okx")[0]["verdict"] == "not_trading")
        assert app.rows("arb", symbol=symbol, exchange="okx") == []
        # Only the widest of the refused pairs are listed, so there may be none of these.
        legs = app.rows("arb", symbol=symbol, exchange="okx", include_refused=True)
        assert not any(leg["actionable"] or leg["verdict"] == "ok" for leg in legs)
        wait_for(lambda: app.rows("prices", symbol=symbol, exchange=other)[0]["verdict"] == "ok")
    finally:
        control.delete(f"/faults/{halt}")
    wait_for(lambda: app.rows("prices", symbol=symbol, exchange="okx")[0]["verdict"] == "ok", 45.0)


def test_an_exchange_that_drops_its_sockets_is_shown_and_comes_back(app, control):
    before, began = exchange_row(app, "bybit"), time.time()
    fault(control, "bybit", "drop")
    wait_for(lambda: exchange_row(app, "bybit")["state"] != "live", every_s=0.05)
    wait_for(lambda: exchange_row(app, "bybit")["reconnects"] > before["reconnects"])
    wait_for(lambda: exchange_row(app, "bybit")["state"] == "live")
    row = exchange_row(app, "bybit")
    assert row["last_error_time"] >= began
    assert "closed with code" in row["last_error"]
    wait_for(lambda: exchange_row(app, "bybit")["quotes_ok"] >= 0.95 * before["quotes_ok"])
    assert exchange_row(app, "okx")["reconnects"] == 0


def test_an_exchange_that_refuses_everybody_gives_no_opportunity(app, control):
    refusal = fault(control, "binance", "reject", mode="http503", duration_s=0)
    try:
        wait_for(lambda: exchange_row(app, "binance")["state"] == "down")
        assert "HTTP 503 at the handshake" in wait_for(
            lambda: reason if "503" in (reason := exchange_row(app, "binance")["reason"]) else ""
        )
        wait_for(lambda: exchange_row(app, "binance")["quotes_ok"] == 0)
        assert app.rows("arb", exchange="binance") == []
        assert app.rows("prices", exchange="binance", verdict="ok") == []
        health = app.health()
        assert (health["status"], health["exchanges"]["binance"]) == ("degraded", "down")
        assert "binance" in health["reason"]
    finally:
        control.delete(f"/faults/{refusal}")
    wait_for(lambda: exchange_row(app, "binance")["state"] == "live", timeout_s=60.0)
