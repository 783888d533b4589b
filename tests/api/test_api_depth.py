"""Order books over the API: the first look asks for them, later ones show them, none shows what it should not."""

import time

import pytest

from market.models import Depth
from tests.api.serving import refusal, scripted_market, serve
from tests.store.scripted import desk_of


@pytest.fixture
def market():
    return scripted_market()


@pytest.fixture
def client(market):
    with serve(desk_of(market)) as client:
        yield client


def by_exchange(client, path="depth/BTC-USDT"):
    answer = client.get(f"/api/{path}")
    assert answer.status_code == 200, answer.text
    return {row["exchange"]: row for row in answer.json()["rows"]}


def test_the_first_look_waits_and_asks_for_the_books(market, client):
    answer = client.get("/api/depth/btc-usdt").json()

    assert (answer["symbol"], answer["quote"], answer["count"]) == ("BTC-USDT", "USDT", 3)
    assert (answer["source"], answer["simulated"]) == ("demo", True)
    assert {row["state"] for row in answer["rows"]} == {"waiting"}
    assert all(row["bids"] == [] and row["age_s"] is None for row in answer["rows"])
    assert market.feed.wanted == dict.fromkeys(("binance", "bybit", "okx"), ("BTC-USDT",))


def test_later_looks_show_the_books_with_their_ages(market, client):
    by_exchange(client)
    now = time.time()
    market.store.watch_depth("bybit", ["BTC-USDT"], [])
    bids, asks = ((100.0, 1.0), (99.0, 2.0)), ((100.5, 3.0),)
    market.store.write([Depth("bybit", "BTC-USDT", bids, asks, now - 1.5, now - 1.0)])
    row = by_exchange(client)["bybit"]

    assert row["state"] == "live"
    assert row["bids"] == [[100.0, 1.0], [99.0, 2.0]]
    assert (row["bids_notional"], row["asks_notional"]) == (298.0, 301.5)
    assert (row["event_time"], row["received_time"]) == (now - 1.5, now - 1.0)
    assert 1.0 <= row["age_s"] < 3.0
    market.store.mark_depth("bybit", ["BTC-USDT"], "lost")
    assert by_exchange(client)["bybit"]["state"] == "lost"
    assert by_exchange(client)["bybit"]["bids"] == row["bids"]


def test_some_exchanges_only(market, client):
    assert set(by_exchange(client, "depth/BTC-USDT?exchange=OKX")) == {"okx"}
    assert market.feed.wanted == {"okx": ("BTC-USDT",)}
    assert by_exchange(client, "depth/BTC-USD?exchange=okx") == {}  # listed on bybit only


def test_what_does_not_trade_is_off(client):
    assert by_exchange(client, "depth/BTC-USD")["bybit"]["state"] == "off"


def test_refusals_say_what_is_wrong(client):
    assert "the nearest are BTC-USD" in refusal(client, "depth/BTC", 404)
    assert "there is no exchange 'nowhere'" in refusal(client, "depth/BTC-USDT?exchange=nowhere", 404)
    assert "there is no parameter 'limit'" in refusal(client, "depth/BTC-USDT?limit=1", 422)


def test_the_documentation_names_units(client):
    operation = client.get("/openapi.json").json()["paths"]["/api/depth/{symbol}"]["get"]
    assert "quote currency per one base coin" in operation["description"]
    assert "waiting" in operation["description"]
