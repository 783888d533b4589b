"""What the API answers on a scripted desk: shapes, numbers, health, filters."""

import dataclasses
import json
import math
import re
import time
from collections.abc import Iterator

import pytest
from pydantic import TypeAdapter

from api import models
from desk import Opportunity
from store.snapshot import SnapshotStore
from tests.api.serving import EXCHANGES, ROWS, rows, scripted_market, serve
from tests.store.scripted import ScriptedFeed, desk_of, feed_status, funding, instrument, market_of, quote

CONTRACTS = ("instruments", "prices", "funding")


def numbers(value: object) -> Iterator[float]:
    """Every number in a JSON value."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from numbers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from numbers(inner)
    elif isinstance(value, float):
        yield value


# -- shapes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ROWS)
def test_tables_come_in_one_envelope_with_rows_as_documented(client, desk, path):
    body = client.get(f"/api/{path}").json()
    assert list(body) == ["source", "simulated", "as_of", "version", "count", "rows"]
    assert (body["source"], body["simulated"]) == ("demo", True)
    assert body["as_of"] == desk.view.judgement.time
    assert body["version"] == desk.view.judgement.snapshot.version
    assert body["count"] == len(body["rows"]) > 0
    names = [field.name for field in dataclasses.fields(ROWS[path])]
    assert all(list(row) == names for row in body["rows"])
    TypeAdapter(list[ROWS[path]]).validate_json(json.dumps(body["rows"]), strict=True)


@pytest.mark.parametrize("path", [*ROWS, "summary", "health", "arb?include_refused=true"])
def test_every_number_is_finite(client, path):
    answer = client.get(f"/api/{path}")
    assert "NaN" not in answer.text
    assert "Infinity" not in answer.text
    assert all(math.isfinite(number) for number in numbers(answer.json()))


def test_prices_carry_what_the_store_knows_and_the_verdict(client):
    found = {(row["symbol"], row["exchange"]): row for row in rows(client, "prices")}
    binance = found["BTC-USDT", "binance"]
    assert (binance["bid_price"], binance["bid_size"], binance["ask_price"], binance["ask_size"]) == (
        100.0,
        3.0,
        100.1,
        4.0,
    )
    assert binance["mid_price"] == pytest.approx(100.05)
    assert binance["quoted_spread_bps"] == pytest.approx(1e4 * 0.1 / 100.05)
    assert (binance["mark_price"], binance["index_price"], binance["last_price"]) == (100.05, 100.0, 100.0)
    assert (binance["volume_24h"], binance["turnover_24h"], binance["open_interest"]) == (5.0, 500.0, 9.0)
    assert binance["verdict"] == "ok"
    assert binance["deviation_bps"] == pytest.approx(0.0)
    okx = found["BTC-USDT", "okx"]
    assert okx["deviation_bps"] == pytest.approx(1e4 * 0.5 / 100.05)
    assert found["ETH-USDT", "okx"]["mark_price"] is None
    assert found["ETH-USDT", "okx"]["verdict"] == "no_quote"
    assert found["ETH-USDT", "okx"]["age_s"] is None
    assert found["ETH-USDT", "okx"]["live"] is False
    assert found["ETH-USDT", "bybit"]["verdict"] == "stale_leg"
    assert found["ETH-USDT", "bybit"]["age_s"] > 59.0
    assert found["BTC-USD", "bybit"]["verdict"] == "not_trading"
    assert len(found) == 7


def test_funding_has_a_simple_annual_rate(client):
    """0.999 % per 4 h: 0.0024975 an hour, 2187.81 % a year."""
    (row,) = rows(client, "funding", symbol="BTC-USDT", exchange="binance")
    assert (row["funding_rate"], row["funding_interval_h"]) == (0.00999, 4.0)
    assert row["funding_rate_hourly"] == pytest.approx(0.0024975)
    assert row["funding_apr"] == pytest.approx(21.8781)


def test_funding_of_unknown_interval_has_no_annual_rate():
    store = SnapshotStore(["bybit"])
    store.set_instruments("bybit", [instrument("bybit", funding_interval_h=None)])
    store.write([funding("bybit", funding_rate=0.0001)])
    with serve(desk_of(market_of(store))) as client:
        (row,) = rows(client, "funding")
    assert row["funding_rate"] == 0.0001
    assert (row["funding_interval_h"], row["funding_rate_hourly"], row["funding_apr"]) == (None, None, None)


def test_instruments_are_what_the_exchanges_list(client):
    found = rows(client, "instruments", exchange="bybit")
    assert [row["symbol"] for row in found] == ["BTC-USD", "BTC-USDT", "ETH-USDT"]
    assert (found[0]["kind"], found[0]["status"], found[0]["taker_fee_bps"]) == ("inverse", "halted", 5.0)


def test_opportunities_are_those_of_the_desk(client, desk):
    found = rows(client, "arb", include_refused=True)
    assert found == [dataclasses.asdict(opportunity) for opportunity in desk.view.opportunities]
    assert [field.name for field in dataclasses.fields(models.OpportunityRow)] == [
        field.name for field in dataclasses.fields(Opportunity)
    ]
    best = found[0]
    assert (best["buy"], best["sell"]) in {("binance", "okx"), ("bybit", "okx")}
    assert best["actionable"]


def test_an_opportunity_comes_with_its_size_and_age(client):
    """Binance offers 4 coins at 100.1, okx bids for 20 at 100.5: 4 at the mean mid of 100.3 are 401.2.

    gross 1e4 * 0.4 / 100.3 = 39.8804; both marks are the same: fresh 1e4 * (100.5 / 100.1 - 1) = 39.9600. Closing cost
    1e4 * 0.1 / 100.05 = 9.9950 in the past, four fills 20: net 9.8854.
    """
    (row,) = (row for row in rows(client, "arb") if (row["buy"], row["sell"]) == ("binance", "okx"))
    wanted = {
        "gross_edge_bps": 39.8804,
        "walk_bps": 0.0,
        "fresh_edge_bps": 39.9600,
        "expected_exit_bps": -9.9950,
        "fees_bps": 20.0,
        "net_edge_bps": 9.8854,
        "size": 4.0,
        "notional": 401.2,
        "capacity": 401.2,
        "visible": 401.2,
        "profit": 401.2 * 9.8854 / 1e4,
    }
    assert {name: row[name] for name in wanted} == pytest.approx(wanted, abs=1e-3)
    assert row["touch_only"] is True
    assert row["alive_s"] == row["buy_age_s"] >= 1.0
    # Okx has told no funding rate: what holding the pair earns is not known.
    assert [row[name] for name in ("carry_bps", "break_even_h", "net_apr", "net_apr_on_capital")] == [
        None, 0.0, None, None,
    ]  # fmt: skip


def test_exchanges_show_their_feeds_and_latencies(client):
    found = {row["exchange"]: row for row in rows(client, "exchanges")}
    assert list(found) == list(EXCHANGES)
    assert found["binance"]["state"] == "live"
    assert found["binance"]["quotes_ok"] == 2
    assert found["okx"]["quotes_ok"] == 1  # of ETH there is no quote
    assert found["binance"]["latency_p50_s"] == 0.0
    assert found["binance"]["clock_floor_s"] == pytest.approx(0.05, abs=1e-3)


def test_the_summary_agrees_with_the_desk(client, desk):
    body = client.get("/api/summary").json()
    models.Summary.model_validate(body)
    funnel = desk.view.judgement.funnel
    assert body["funnel"] == dataclasses.asdict(funnel)
    assert (body["symbols"], body["instruments"], body["quotes_ok"]) == (3, 7, 4)
    assert (body["exchanges_up"], body["exchanges_of"]) == (3, 3)
    assert sum(body["reasons"].values()) + funnel.tradable == funnel.seen
    assert body["best"]["id"] == desk.view.opportunities[0].id


def test_a_new_view_is_served_as_soon_as_it_is_there():
    market = scripted_market()
    desk = desk_of(market)
    with serve(desk) as client:
        before = client.get("/api/prices/BTC-USDT").json()
        market.store.write([quote("okx", 200.0, 201.0, at=time.time())])
        desk.switch("demo")  # judges again
        after = client.get("/api/prices/BTC-USDT").json()
    assert after["version"] > before["version"]
    assert after["rows"][2]["bid_price"] == 200.0


# -- health ----------------------------------------------------------------------------------------------------


def health_of(*statuses, store: SnapshotStore | None = None) -> tuple[int, dict[str, object]]:
    market = scripted_market()
    market = dataclasses.replace(market, feed=ScriptedFeed(*statuses), store=store or market.store)
    with serve(desk_of(market)) as client:
        answer = client.get("/api/health")
    models.Health.model_validate(answer.json())
    return answer.status_code, answer.json()


def test_health_is_ok_while_all_exchanges_give_data():
    status, body = health_of(*(feed_status(exchange) for exchange in EXCHANGES))
    assert (status, body["status"]) == (200, "ok")
    assert (body["exchanges_up"], body["exchanges_of"]) == (3, 3)
    assert body["data_as_of"] == pytest.approx(time.time(), abs=30)


def test_health_is_degraded_while_one_exchange_is_not_well():
    status, body = health_of(*(feed_status(exchange) for exchange in EXCHANGES[:2]), feed_status("okx", "degraded"))
    assert (status, body["status"]) == (200, "degraded")
    assert "okx" in str(body["reason"])


def test_health_is_degraded_while_one_exchange_is_silent():
    market = scripted_market()
    market.store.lose("okx", ["BTC-USDT"])
    status, body = health_of(*(feed_status(exchange) for exchange in EXCHANGES), store=market.store)
    assert (status, body["status"], body["exchanges_up"]) == (200, "degraded", 2)
    assert "okx" in str(body["reason"])


def test_an_exchange_that_is_closed_or_off_is_not_missed():
    statuses = [
        feed_status("binance"),
        feed_status("bybit"),
        feed_status("okx", "off"),
        feed_status("bitmex", "closed"),
    ]
    status, body = health_of(*statuses)
    assert (status, body["status"]) == (200, "ok")
    assert (body["exchanges_up"], body["exchanges_of"]) == (2, 2)
    assert body["exchanges"]["bitmex"] == "closed"


def test_health_is_down_while_no_exchange_gives_data():
    statuses = [feed_status(exchange, "starting") for exchange in EXCHANGES]
    status, body = health_of(*statuses, store=SnapshotStore(EXCHANGES))
    assert (status, body["status"]) == (503, "down")
    assert body["data_as_of"] is None


def test_health_is_degraded_when_the_judging_hangs():
    desk = desk_of(scripted_market())
    desk.view.judgement = dataclasses.replace(desk.view.judgement, time=time.time() - 7)
    with serve(desk) as client:
        body = client.get("/api/health").json()
    assert body["status"] == "degraded"
    assert re.fullmatch(r"the market was last judged \d+ s ago", body["reason"])


# -- filters ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CONTRACTS)
def test_contracts_are_chosen_by_symbol_exchange_and_quote(client, path):
    everything = rows(client, path)
    assert len(everything) == 7
    assert {row["symbol"] for row in rows(client, path, symbol="btc-usdt")} == {"BTC-USDT"}
    assert len(rows(client, path, symbol=["BTC-USDT", "BTC-USD"])) == 4
    assert {row["exchange"] for row in rows(client, path, exchange=["okx", "Bybit"])} == {"okx", "bybit"}
    assert [row["symbol"] for row in rows(client, path, quote="usd")] == ["BTC-USD"]
    assert rows(client, path, quote="USD", symbol="BTC-USDT") == []
    assert rows(client, path, limit=2) == everything[:2]


def test_prices_are_chosen_by_verdict(client):
    assert {row["verdict"] for row in rows(client, "prices", verdict=["no_quote", "stale_leg"])} == {
        "no_quote",
        "stale_leg",
    }


def test_one_symbol_is_found_in_any_case(client):
    found = rows(client, "prices/btc-usdt")
    assert [(row["symbol"], row["exchange"]) for row in found] == [("BTC-USDT", exchange) for exchange in EXCHANGES]
    assert len(rows(client, "prices/BTC-USDT", exchange="okx")) == 1


def test_opportunities_are_chosen_by_either_leg(client):
    pairs = {(row["buy"], row["sell"]) for row in rows(client, "arb", exchange="okx", symbol="BTC-USDT")}
    assert pairs == {("binance", "okx"), ("bybit", "okx"), ("okx", "binance"), ("okx", "bybit")}


def test_opportunities_are_chosen_by_net_edge_and_size(client):
    everything = rows(client, "arb")
    positive = rows(client, "arb", min_net_edge_bps=0)
    assert 0 < len(positive) < len(everything)
    assert all(row["net_edge_bps"] >= 0 for row in positive)
    large = rows(client, "arb", min_size=150, symbol="BTC-USDT")
    assert large
    assert all(row["notional"] >= 150 for row in large)
    assert len(large) < len(rows(client, "arb", symbol="BTC-USDT"))
    assert rows(client, "arb", limit=1) == everything[:1]


def test_refused_pairs_are_shown_only_if_asked_for():
    market = scripted_market()
    market.store.lose("okx", ["BTC-USDT"])
    with serve(desk_of(market)) as client:
        assert "feed_lost" not in {row["verdict"] for row in rows(client, "arb")}
        everything = rows(client, "arb", include_refused=True)
        lost = rows(client, "arb", verdict="feed_lost")
    assert lost == [row for row in everything if row["verdict"] == "feed_lost"]
    assert lost
    assert not any(row["actionable"] for row in lost)
