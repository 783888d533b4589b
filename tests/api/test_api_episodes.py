"""Episodes over the API: which are told, in which order, and how long they lived."""

import csv
import dataclasses
import io
import json
from types import SimpleNamespace

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from pydantic import TypeAdapter

from analytics.episodes import EpisodeBook, Look, Rules
from analytics.quality import Verdict
from api import episodes as subject
from api.episodes import add_episodes
from api.filters import PlainErrors
from store.episodes import Reason
from tests.api.serving import refusal, rows, scripted_market
from tests.store.scripted import desk_of
from tests.store.scripted_episodes import ended_episode

LONG_AGO = ended_episode(4.0, opened=1_000.0, symbol="GONE-USDT", buy="bybit", sell="okx", peak_bps=30.0)
SHORT = ended_episode(1.0, opened=2_000.0, buy="okx", sell="binance", notional=20_000.0)
LOST = ended_episode(2.0, opened=3_000.0, buy="okx", sell="binance", reason=Reason.VENUE_LOST, detail="feed_lost")


@pytest.fixture
def desk():
    return desk_of(scripted_market())


@pytest.fixture
def book(desk):
    """Three that ended, and ETH-USDT from bybit to binance, which opened at 4,000 s and has been seen until 4,000.3."""
    book = EpisodeBook(Rules(5.0, 2.0, 0.5), past=(LOST, SHORT, LONG_AGO))
    for time, net in ((4_000.1, 6.0), (4_000.3, 8.0)):
        book.observe(
            Look("ETH-USDT", "bybit", "binance", time, 4_000.0, Verdict.OK, net, float("nan"), 2.0, float("nan"))
        )
    desk.view.market.detector = SimpleNamespace(episodes=book)
    return book


@pytest.fixture
def client(desk, book):
    api = APIRouter(prefix="/api", route_class=PlainErrors)
    add_episodes(api, desk)
    server = FastAPI()
    server.include_router(api)
    with TestClient(server, raise_server_exceptions=False) as client:
        yield client


def opened(client, path="episodes", **parameters):
    return [row["opened"] for row in rows(client, path, **parameters)]


def test_all_episodes_are_told_newest_first_in_the_envelope_of_every_table(client, desk):
    body = client.get("/api/episodes").json()
    assert list(body) == ["source", "simulated", "as_of", "version", "count", "rows"]
    assert (body["source"], body["simulated"], body["as_of"]) == ("demo", True, desk.view.judgement.time)
    assert [row["opened"] for row in body["rows"]] == [4_000.0, 3_000.0, 2_000.0, 1_000.0]
    TypeAdapter(list[subject.EpisodeRow]).validate_json(json.dumps(body["rows"]), strict=True)


def test_an_open_episode_has_no_end_and_what_is_not_known_is_null(client):
    (row,) = rows(client, "episodes", state="open")
    assert row["id"] == "ETH-USDT:bybit:binance:4000000"
    assert (row["state"], row["closed"], row["reason"], row["detail"]) == ("open", None, None, None)
    assert row["duration_s"] == pytest.approx(0.3)
    assert (row["net_bps"], row["peak_bps"], row["size"], row["looks"]) == (8.0, 8.0, 2.0, 2)
    assert row["mean_bps"] == pytest.approx(6.0)  # for the 0.3 s from the opening to the last look
    assert (row["gross_bps"], row["notional"]) == (None, None)
    assert (row["edge_100ms_bps"], row["edge_250ms_bps"], row["edge_500ms_bps"]) == (6.0, 6.0, None)


def test_a_closed_episode_says_why_it_ended(client):
    row = rows(client, "episodes", state="closed")[0]
    assert (row["state"], row["opened"], row["closed"], row["duration_s"]) == ("closed", 3_000.0, 3_002.0, 2.0)
    assert (row["reason"], row["detail"]) == ("venue lost", "feed_lost")


def test_episodes_are_chosen_by_symbol_exchange_peak_and_time(client):
    assert opened(client, symbol="eth-usdt") == [4_000.0]
    assert opened(client, symbol=["ETH-USDT", "BTC-USDT"]) == [4_000.0, 3_000.0, 2_000.0]
    assert opened(client, exchange="Bybit") == [4_000.0, 1_000.0]
    assert opened(client, min_peak_bps=10) == [3_000.0, 2_000.0, 1_000.0]
    assert opened(client, min_peak_bps=10.1) == [1_000.0]
    assert opened(client, since=2_000) == [4_000.0, 3_000.0, 2_000.0]
    assert opened(client, limit=2) == [4_000.0, 3_000.0]
    assert opened(client, exchange="okx", state="closed", since=1_500, limit=1) == [3_000.0]


def test_a_symbol_that_is_no_longer_listed_is_found_by_its_episodes(client):
    assert opened(client, symbol="gone-usdt") == [1_000.0]


def test_the_newly_opened_are_told_whether_they_are_open_still_or_not(client):
    assert opened(client, "episodes/new", limit=2) == [4_000.0, 3_000.0]
    assert opened(client, "episodes/new", symbol="BTC-USDT", limit=1) == [3_000.0]
    assert opened(client, "episodes/new", exchange="bybit") == [4_000.0, 1_000.0]


def test_an_episode_that_ends_changes_its_row(client, book):
    book.observe(Look("ETH-USDT", "bybit", "binance", 4_000.6, 4_000.0, Verdict.NOT_TRADING, 8.0, 9.0, 2.0, 20.0))
    assert rows(client, "episodes", state="open") == []
    newest = rows(client, "episodes", limit=1)[0]
    assert (newest["reason"], newest["detail"], newest["edge_500ms_bps"]) == ("instrument halted", "not_trading", 8.0)


@pytest.mark.parametrize(("path", "name"), [("episodes", "episodes"), ("episodes/new", "episodes-new")])
def test_csv_says_the_same_as_json(client, path, name):
    answer = client.get(f"/api/{path}.csv")
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="perpscope-{name}-demo-')
    found = list(csv.DictReader(io.StringIO(answer.text, newline=""), strict=True))
    wanted = rows(client, path)
    assert len(found) == len(wanted) == 4
    for line, row in zip(found, wanted, strict=True):
        assert line == {"source": "demo"} | {key: "" if value is None else str(value) for key, value in row.items()}


def test_survival_counts_deaths_and_what_was_lost_from_sight(client):
    """Deaths after 1 s and 4 s, lost after 2 s and, as it is open now, after years: 3/4, then half of that."""
    body = client.get("/api/episodes/survival").json()
    assert (body["by"], body["n"], body["first_opened"]) == ("all", 4, 1_000.0)
    (group,) = body["groups"]
    assert (group["key"], group["n"], group["deaths"], group["censored"]) == ("all", 4, 2, 2)
    assert [(step["time_s"], step["survival"], step["at_risk"]) for step in group["steps"]] == [
        (1.0, 0.75, 4),
        (4.0, 0.375, 2),
    ]
    assert [step["censored"] for step in group["steps"]] == [1, 1]
    assert (group["median_s"], group["median_high_s"]) == (4.0, None)
    TypeAdapter(subject.Curves).validate_json(json.dumps(body), strict=True)


def test_survival_is_grouped(client):
    def groups(by):
        return {row["key"]: row["n"] for row in client.get(f"/api/episodes/survival?by={by}").json()["groups"]}

    assert groups("pair") == {"okx:binance": 2, "bybit:okx": 1, "bybit:binance": 1}
    assert groups("symbol") == {"BTC-USDT": 2, "ETH-USDT": 1, "GONE-USDT": 1}
    assert groups("size") == {"<1k": 2, "10k-100k": 1, "unknown": 1}


def test_a_group_in_which_all_have_died_has_no_uncertainty_but_null(client):
    body = client.get("/api/episodes/survival?by=size").json()
    step = next(group for group in body["groups"] if group["key"] == "10k-100k")["steps"][0]
    assert (step["survival"], step["std_error"], step["low"], step["high"]) == (0.0, None, None, None)


def test_before_the_first_episode_there_is_none(desk, client):
    desk.view.market.detector = SimpleNamespace(episodes=EpisodeBook(Rules(5.0, 2.0, 0.5)))
    assert rows(client, "episodes") == []
    assert rows(client, "episodes/new") == []
    body = client.get("/api/episodes/survival").json()
    assert (body["n"], body["first_opened"], body["groups"]) == (0, None, [])


def test_refusals_say_what_is_wrong(client):
    assert "the nearest are BTC-USD" in refusal(client, "episodes?symbol=BTC", 404)
    assert "there is no exchange 'ftx'" in refusal(client, "episodes/new?exchange=ftx", 404)
    assert "'state' is 'ajar'" in refusal(client, "episodes?state=ajar", 422)
    assert "'min_peak_bps' is 'nan'" in refusal(client, "episodes.csv?min_peak_bps=nan", 422)
    assert "'by' is 'mood'" in refusal(client, "episodes/survival?by=mood", 422)
    assert "there is no parameter 'state'" in refusal(client, "episodes/new?state=open", 422)


def test_the_documentation_describes_every_field_and_parameter(client):
    document = client.get("/openapi.json").json()
    for name in ("EpisodeRow", "StepRow", "CurveRow", "Curves"):
        for field, described in document["components"]["schemas"][name]["properties"].items():
            assert described.get("description") or field == "groups", f"{name}.{field}"
    for methods in document["paths"].values():
        for parameter in methods["get"].get("parameters", []):
            assert parameter.get("description"), parameter["name"]
    assert {field.name for field in dataclasses.fields(subject.EpisodeRow)} == set(
        document["components"]["schemas"]["EpisodeRow"]["properties"]
    )
