"""Funding over the API: payments, predictions, intervals and what a pair will pay."""

import csv
import io
from datetime import UTC, datetime

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from api import filters as ask
from api.funding import add_funding
from store.funding import FundingLog
from store.snapshot import SnapshotStore
from tests.api.serving import refusal, rows
from tests.store.scripted import desk_of, funding, instrument, market_of

EXCHANGES = ("binance", "bybit", "deribit", "okx")


def at(text: str) -> float:
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=UTC).timestamp()


def paid(log: FundingLog, exchange: str, stamp: float, rates: tuple[float, ...], hours: float, symbol="BTC-USDT"):
    """Let a stamp pass: rates an hour, ten minutes and a minute before it, and at the end."""
    store = SnapshotStore((exchange,))
    store.set_instruments(exchange, [instrument(exchange, symbol)])
    looks = [(3_605, 0), (3_595, 0), (605, 1), (595, 1), (65, 2), (55, 2), (5, 3)]
    for before_s, i in looks:
        now = stamp - before_s
        said = {"funding_rate": rates[i], "funding_interval_h": hours, "next_funding_time": stamp}
        store.write([funding(exchange, symbol, at=now, **said)])
        log.observe(store.snapshot(), now)
    store.write([funding(exchange, symbol, at=stamp + 5, next_funding_time=stamp + hours * 3_600)])
    log.observe(store.snapshot(), stamp + 5)


@pytest.fixture
def market():
    """okx paid 4 bps for eight hours and binance minus 2 bps for four, and a delisted coin 1 bp; bybit and deribit
    are listed beside them. okx's next payment is in two hours, bybit's in one."""
    store = SnapshotStore(EXCHANGES)
    for exchange in EXCHANGES:
        store.set_instruments(exchange, [instrument(exchange, funding_interval_h=None)])
    store.set_instruments("okx", [instrument("okx"), instrument("okx", "ETH-USDT")])
    market = market_of(store)
    paid(market.funding, "okx", at("23T16:00"), (0.0001, -0.0002, 0.0003, 0.0004), 8.0)
    paid(market.funding, "binance", at("23T20:00"), (-0.0003, -0.0002, -0.0002, -0.0002), 4.0)
    paid(market.funding, "okx", at("22T16:00"), (0.0001,) * 4, 8.0, "OLD-USDT")
    return market


@pytest.fixture
def desk(market):
    return desk_of(market, holding_h=9.0)


@pytest.fixture
def client(desk):
    api = APIRouter(prefix="/api", route_class=ask.PlainErrors)
    add_funding(api, desk)
    server = FastAPI()
    server.include_router(api)
    with TestClient(server, raise_server_exceptions=False) as client:
        yield client


def test_settlements_come_newest_first_with_their_errors(client):
    """-2 bps every 4 h: -0.0002 x 2190 = -43.8 %. Predicted -3 an hour before: -1 bps off."""
    first, second, third = rows(client, "funding/settlements")
    assert first == {
        "symbol": "BTC-USDT",
        "exchange": "binance",
        "time": at("23T20:00"),
        "funding_interval_h": 4.0,
        "settled_rate": -0.0002,
        "settled_apr": pytest.approx(-0.438),
        "predicted_1h": -0.0003,
        "predicted_10m": -0.0002,
        "predicted_1m": -0.0002,
        "error_1h_bps": pytest.approx(-1.0),
        "error_10m_bps": 0.0,
        "error_1m_bps": 0.0,
    }
    assert (second["exchange"], second["settled_apr"]) == ("okx", pytest.approx(0.0004 * 1_095))
    assert (third["symbol"], third["time"]) == ("OLD-USDT", at("22T16:00"))


def test_settlements_are_filtered(client):
    assert [row["time"] for row in rows(client, "funding/settlements", exchange="OKX", symbol="btc-usdt")] == [
        at("23T16:00")
    ]
    assert [row["exchange"] for row in rows(client, "funding/settlements", limit=1)] == ["binance"]
    assert rows(client, "funding/settlements", symbol="ETH-USDT") == []


def test_what_is_no_longer_listed_can_be_asked_for(client):
    (row,) = rows(client, "funding/settlements", symbol="old-usdt")
    assert row["settled_rate"] == 0.0001


def test_settlements_are_a_spreadsheet_too(client):
    answer = client.get("/api/funding/settlements.csv?limit=1")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "perpscope-funding-settlements-demo-" in answer.headers["content-disposition"]
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["source"], row["exchange"], row["settled_rate"]) == ("demo", "binance", "-0.0002")
    assert client.get("/api/funding/settlements?limit=1", headers={"Accept": "text/csv"}).text == answer.text


def test_answers_say_where_they_come_from(client):
    answer = client.get("/api/funding/settlements").json()
    assert (answer["source"], answer["simulated"], answer["count"]) == ("demo", True, 3)


def test_quality_by_horizon_over_all_and_by_exchange(client):
    """An hour before, of three: signs all hit; errors 3, 1, 0 bps. Ten minutes before okx had the other sign: 6, 0."""
    found = {(row["exchange"], row["horizon_s"]): row for row in rows(client, "funding/quality")}
    assert [key[0] for key in found] == ["all"] * 3 + ["binance"] * 3 + ["okx"] * 3
    hour, ten_minutes = found["all", 3_600.0], found["okx", 600.0]
    assert (hour["n"], hour["sign_hits"], hour["sign_hit_rate"]) == (3, 3, 1.0)
    assert hour["mean_abs_error_bps"] == pytest.approx(4 / 3)
    assert (ten_minutes["n"], ten_minutes["sign_hits"], ten_minutes["sign_hit_rate"]) == (2, 1, 0.5)
    assert ten_minutes["mean_abs_error_bps"] == pytest.approx(3.0)


def test_quality_counts_the_next_settlement_at_once(market, client):
    rows(client, "funding/quality")
    paid(market.funding, "bybit", at("24T00:00"), (0.0001,) * 4, 8.0)
    assert rows(client, "funding/quality")[0]["n"] == 4


def test_before_any_settlement_nothing_is_claimed(desk, market, client):
    market.funding = FundingLog()
    assert rows(client, "funding/settlements") == rows(client, "funding/intervals") == []
    assert [row["sign_hit_rate"] for row in rows(client, "funding/quality")] == [None] * 3
    assert client.get("/api/funding/quality.csv").text.count("\r\n") == 4


def test_intervals_that_changed_are_dated(market, client):
    store = SnapshotStore(("gate",))
    store.set_instruments("gate", [instrument("gate")])
    for minute, hours in ((0, 8.0), (2, 8.0), (5, 4.0), (7, 4.0)):
        now = at("23T12:00") + 60 * minute
        store.write([funding("gate", at=now, funding_interval_h=hours)])
        market.funding.observe(store.snapshot(), now)
    assert rows(client, "funding/intervals") == [
        {"symbol": "BTC-USDT", "exchange": "gate", "time": at("23T12:05"), "before_h": 8.0, "after_h": 4.0}
    ]


# -- pairs -----------------------------------------------------------------------------------------------------


def judged(desk, market, *words):
    """The time of a judgement made after these words."""
    market.store.write(words)
    desk.view = desk._judge(market)
    return desk.view.judgement.time


def test_a_pair_pays_by_its_dates(desk, market, client):
    """okx pays 4 bps in two hours and eight hours later, bybit 1 bp in one hour and every four. Long bybit, short okx,
    nine hours: -1 at 1 h, +4 at 2 h, -1 at 5 h, -1 at 9 h, the end: 1 bps. On average 4/8 - 1/4 = 0.25 bps an hour."""
    start = judged(desk, market)
    now = judged(
        desk, market,
        funding("bybit", at=start, funding_rate=0.0001, funding_interval_h=4.0, next_funding_time=start + 3_600),
        funding("okx", at=start - 7, funding_rate=0.0004, funding_interval_h=8.0, next_funding_time=start + 7_200),
    )  # fmt: skip
    answer = client.get("/api/funding/pair/btc-usdt?buy=BYBIT&sell=okx").json()
    assert (answer["symbol"], answer["buy"], answer["sell"]) == ("BTC-USDT", "bybit", "okx")
    assert (answer["as_of"], answer["holding_h"]) == (now, 9.0)  # that of the settings
    told = [(flow["time"] - start, flow["exchange"], flow["kind"], flow["bps"]) for flow in answer["flows"]]
    assert told == [
        (3_600.0, "bybit", "predicted", pytest.approx(-1.0)),
        (7_200.0, "okx", "predicted", pytest.approx(4.0)),
        (3_600.0 + 4 * 3_600, "bybit", "assumed", pytest.approx(-1.0)),
        (3_600.0 + 8 * 3_600, "bybit", "assumed", pytest.approx(-1.0)),
    ]
    assert answer["carry_bps"] == pytest.approx(1.0)
    assert answer["carry_hourly"] == pytest.approx(0.25e-4)
    long, short = answer["legs"]
    assert (long["leg"], long["funding_apr"]) == ("long", pytest.approx(0.0001 * 2_190))
    assert (short["leg"], short["funding_apr"]) == ("short", pytest.approx(0.0004 * 1_095))
    assert short["received_time"] == start - 7
    assert short["age_s"] == pytest.approx(now - start + 7)
    assert answer["not_known"] == []
    shorter = client.get("/api/funding/pair/BTC-USDT?buy=bybit&sell=okx&holding_h=2.5").json()
    assert (shorter["holding_h"], shorter["carry_bps"]) == (2.5, pytest.approx(3.0))


def test_a_leg_that_funds_continuously_accrues(desk, market, client):
    """8 bps for eight hours, held for two: the short gets 2; okx pays 4 only in three hours."""
    start = judged(desk, market)
    judged(
        desk, market,
        funding("deribit", at=start, funding_rate=0.0008, funding_interval_h=8.0),
        funding("okx", at=start, funding_rate=0.0004, funding_interval_h=8.0, next_funding_time=start + 10_800),
    )  # fmt: skip
    answer = client.get("/api/funding/pair/BTC-USDT?buy=okx&sell=deribit&holding_h=2").json()
    assert [(flow["kind"], flow["bps"]) for flow in answer["flows"]] == [("continuous", pytest.approx(2.0))]
    assert answer["carry_bps"] == pytest.approx(2.0)
    assert [leg["continuous"] for leg in answer["legs"]] == [False, True]


def test_what_is_not_known_is_said_and_nothing_is_made_up(desk, market, client):
    start = judged(desk, market)
    judged(
        desk, market,
        funding("okx", at=start, funding_rate=0.0004, funding_interval_h=8.0, next_funding_time=start - 28_800),
        funding("binance", at=start, funding_rate=0.0001),
    )  # fmt: skip
    answer = client.get("/api/funding/pair/BTC-USDT?buy=okx&sell=binance").json()
    assert answer["not_known"] == [
        "okx: its next funding time is long past",
        "binance: the funding interval is not known",
        "binance: the next funding time is not known",
    ]
    assert (answer["flows"], answer["carry_bps"], answer["carry_hourly"]) == ([], None, None)
    unheard = client.get("/api/funding/pair/BTC-USDT?buy=bybit&sell=okx").json()
    assert unheard["not_known"][0] == "bybit: no funding rate has arrived"
    assert (unheard["legs"][0]["received_time"], unheard["legs"][0]["age_s"]) == (None, None)


def test_refusals_say_what_is_wrong(client):
    assert "there is no parameter 'quote'" in refusal(client, "funding/settlements?quote=USDT", 422)
    assert "there is no exchange 'nowhere'" in refusal(client, "funding/intervals?exchange=nowhere", 404)
    assert "no exchange lists the symbol 'XXX-USDT'" in refusal(client, "funding/settlements?symbol=XXX-USDT", 404)
    assert "there is no parameter 'limit'" in refusal(client, "funding/quality?limit=1", 422)
    pair = "funding/pair/BTC-USDT"
    assert "parameter 'sell'" in refusal(client, f"{pair}?buy=okx", 422)
    assert "'buy' and 'sell' are both 'okx'" in refusal(client, f"{pair}?buy=okx&sell=OKX", 422)
    assert "bybit does not list ETH-USDT" in refusal(client, "funding/pair/ETH-USDT?buy=okx&sell=bybit", 404)
    assert "parameter 'holding_h'" in refusal(client, f"{pair}?buy=okx&sell=bybit&holding_h=0", 422)
    assert "parameter 'holding_h'" in refusal(client, f"{pair}?buy=okx&sell=bybit&holding_h=inf", 422)


def test_the_documentation_names_units(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert "errors basis points" in paths["/api/funding/settlements"]["get"]["description"]
    assert "basis points of a leg's notional" in paths["/api/funding/pair/{symbol}"]["get"]["description"]
