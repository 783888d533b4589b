"""A pair opened up over the API, by the desk's terms and by the caller's."""

import time
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from analytics.quality import Verdict, price_is_good
from market.models import Depth
from tests.api.serving import refusal, serve
from tests.store.scripted import desk_of, funding, market_of, quote, store_of

PAIR = "BTC-USDT:binance:okx"
EXCHANGES = ("binance", "bybit", "okx")


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """Binance asks 100.01, okx bids 100.61: 1e4 * 0.6 / 100.31 = 59.8146 bps, four fees of 5 bps.

    Half a minute ago all three stood at 100.00 / 100.01, so closing usually costs 1 bp of 100.005: 0.99995 bps.
    """
    now = time.time()
    store = store_of(EXCHANGES, *(quote(name, 100.0, 100.01, sizes=(500.0, 500.0), at=now) for name in EXCHANGES))
    rates = {"funding_rate": 0.0001, "funding_interval_h": 8.0, "next_funding_time": now + 3_600.0}
    store.write([funding(name, at=now, **rates) for name in EXCHANGES])
    market = market_of(store)
    desk = desk_of(market, notional=10_000.0)
    judgement = desk.view.judgement
    for i in range(40):
        market.ring.sample(judgement.snapshot, price_is_good(judgement.verdicts), now - 40 + i)
    store.write([quote("okx", 100.61, 100.62, sizes=(500.0, 500.0), at=now)])
    store.watch_depth("binance", ["BTC-USDT"], [])
    store.watch_depth("okx", ["BTC-USDT"], [])
    levels = [(100.0 - i * 0.01, 60.0) for i in range(10)], [(100.01 + i * 0.01, 60.0) for i in range(10)]
    store.write([Depth("binance", "BTC-USDT", tuple(levels[0]), tuple(levels[1]), now, now)])
    shifted = [tuple((price + 0.61, size) for price, size in side) for side in levels]
    store.write([Depth("okx", "BTC-USDT", *shifted, now, now)])
    desk.view = desk._judge(market)
    time.sleep(0.15)  # a gap is confirmed once it has lasted for the reaction time
    desk.view = desk._judge(market)
    with serve(desk) as client:
        yield client


def explained(client: TestClient, **terms: object) -> dict[str, object]:
    answer = client.get(f"/api/arb/{PAIR}/explain", params=terms)
    assert answer.status_code == 200, answer.text
    return answer.json()


def figure(body, name):
    return next(row for row in body["figures"] if row["name"] == name)


def test_every_figure_comes_with_formula_inputs_and_ages(client):
    body = explained(client)
    gross = figure(body, "gross edge")
    assert gross["value"] == pytest.approx(59.8146, abs=1e-3)
    assert "bid of short" in gross["formula"]
    assert [row["value"] for row in gross["inputs"]] == [100.01, 100.61, 100.0, 100.62]
    assert all(0.0 <= row["age_s"] < 60.0 for row in gross["inputs"])
    assert {row["source"] for row in gross["inputs"]} == {"binance", "okx"}
    for row in body["figures"]:
        assert row["formula"]
        assert row["inputs"]


def test_the_net_is_the_sum_of_its_inputs(client):
    net = figure(explained(client), "net edge")
    assert net["value"] == pytest.approx(sum(row["value"] for row in net["inputs"][:3]) - net["inputs"][3]["value"])


def test_costs_name_each_fill_and_where_its_rate_is_from(client):
    cost = figure(explained(client), "cost")
    assert cost["value"] == 20.0
    assert [row["value"] for row in cost["inputs"]] == [5.0, 5.0, 5.0, 5.0, 0.0]
    assert all("as of 20" in row["source"] for row in cost["inputs"][:4])


def test_every_test_is_there_in_its_order_and_passed(client):
    body = explained(client)
    assert body["row"]["actionable"], body["row"]
    verdicts = [row["verdict"] for row in body["checks"]]
    wanted = {verdict.label for verdict in Verdict if verdict > Verdict.NOT_LISTED}
    assert set(verdicts) == wanted
    assert {row["state"] for row in body["checks"]} == {"passed"}
    standing = next(row for row in body["checks"] if row["verdict"] == "standing_basis")
    assert standing["found"][0]["value"] > standing["limit"][0]["value"]


def test_the_size_curve_falls_and_ends_where_the_books_do(client):
    """Ten levels of 60 coins on both sides: 600 coins at the mean mid of 100.31."""
    curve = explained(client)["size_curve"]
    gross = [point["gross_bps"] for point in curve]
    assert gross == sorted(gross, reverse=True)
    assert curve[-1]["notional"] == pytest.approx(600.0 * 100.31)
    assert figure(explained(client), "book walk")["value"] < 0.0


def test_cash_flows_are_dated(client):
    """Both legs pay once within 8 h: the short receives 1 bp, the long pays 1 bp."""
    flows = explained(client)["cash_flows"]
    assert sorted(row["bps"] for row in flows) == [-1.0, 1.0]
    assert len({row["time"] for row in flows}) == 1


def test_own_terms_change_costs_size_and_verdict(client):
    """Two makers of 2 bps instead of takers of 5: 14 bps. Two bps of reserve: 16."""
    body = explained(client, fills="taker,taker,maker,maker", slippage_bps=2.0, notional=1_000.0)
    assert figure(body, "cost")["value"] == 16.0
    assert body["row"]["notional"] == pytest.approx(1_000.0, rel=1e-3)
    dear = explained(client, taker_fee_bps="binance:40")
    assert figure(dear, "cost")["value"] == 90.0
    assert not dear["row"]["actionable"]


def test_the_table_is_judged_by_own_terms_too(client):
    mine = client.get("/api/arb", params={"taker_fee_bps": "binance:40"}).json()["rows"]
    usual = client.get("/api/arb").json()["rows"]
    assert next(row for row in usual if row["id"] == PAIR)["actionable"]
    assert not any(row["actionable"] for row in mine if row["id"] == PAIR)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("arb/BTC-USDT/explain", 422, "SYMBOL:BUY:SELL"),
        ("arb/BTC-USDT:okx:nowhere/explain", 404, "both exchanges must list"),
        ("arb/BTC-USDX:okx:bybit/explain", 404, "BTC-USDX"),
        (f"arb/{PAIR}/explain?fills=taker", 422, "'fills'"),
        (f"arb/{PAIR}/explain?tier=binance:VIP%2099", 422, "VIP 99"),
        (f"arb/{PAIR}/explain?maker_fee_bps=okx:free", 422, "must be a number"),
        ("arb?taker_fee_bps=5", 422, "EXCHANGE:VALUE"),
        ("arb?notional=0", 422, "'notional'"),
        ("arb?taker_fee_bps=nowhere:5", 422, "names 'nowhere'"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_a_sentence(client, path, status, said):
    assert said in refusal(client, path, status)


def test_fee_schedules_have_sources_and_dates(client):
    rows = client.get("/api/fees", params={"exchange": "okx"}).json()["rows"]
    assert {row["exchange"] for row in rows} == {"okx"}
    assert all(row["published_at"].startswith("http") and row["as_of"] for row in rows)
    assert client.get("/api/fees.csv").text.count("\n") > 50


def test_detection_tells_delays_and_the_funnel_of_each_minute(client):
    body = client.get("/api/detection").json()
    assert body["minutes"][-1]["funnel"]["actionable"] >= 1
    assert body["delays"] == 0  # nothing runs here: nothing was measured
    assert body["delay_p99_ms"] is None
