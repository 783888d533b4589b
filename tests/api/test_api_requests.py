"""How the API is asked: CSV, what it refuses and in which words, and what its documentation says."""

import csv
import dataclasses
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store.snapshot import SnapshotStore
from tests.api.serving import EXCHANGES, ROWS, refusal, rows, scripted_market, serve
from tests.store.scripted import ScriptedFeed, desk_of, feed_status, market_of

# -- CSV -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ROWS)
def test_csv_says_the_same_as_json(client, path):
    answer = client.get(f"/api/{path}.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    name = path.split("/")[0].replace("arb", "opportunities")
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith(f'attachment; filename="perpscope-{name}-demo-')
    assert disposition.endswith('Z.csv"')
    assert answer.text.endswith("\r\n")
    assert answer.text.count("\n") == answer.text.count("\r\n")
    found = list(csv.DictReader(io.StringIO(answer.text, newline=""), strict=True))
    wanted = rows(client, path)
    assert list(found[0]) == ["source", *wanted[0]]
    as_text = {None: "", True: "true", False: "false"}
    for line, row in zip(found, wanted, strict=True):
        assert line.pop("source") == "demo"
        assert line == {
            name: as_text[value] if value is None or isinstance(value, bool) else str(value)
            for name, value in row.items()
        }


def test_csv_is_also_had_by_asking_for_it(client):
    for accept, kind in {
        "text/csv": "text/csv",
        "text/csv, application/json;q=0.5": "text/csv",
        "application/json, text/csv;q=0.5": "application/json",
        "text/csv;q=0": "application/json",
        "text/csv;q=oops": "application/json",
        "text/html,*/*;q=0.8": "application/json",
        "": "application/json",
    }.items():
        answer = client.get("/api/prices", headers={"Accept": accept})
        assert answer.headers["content-type"].startswith(kind), accept
        assert answer.headers["vary"] == "Accept"


def test_csv_takes_the_same_filters(client):
    assert client.get("/api/prices.csv?exchange=okx&limit=1").text.count("\r\n") == 2
    assert client.get("/api/prices.csv?symbol=BTC-USD&verdict=ok").text.count("\r\n") == 1  # the header alone


def test_text_from_outside_is_quoted_and_is_no_formula():
    market = scripted_market()
    nasty = feed_status("okx", reason='down, "again"\nand again', last_error="=HYPERLINK(1)")
    market = dataclasses.replace(market, feed=ScriptedFeed(nasty))
    with serve(desk_of(market)) as client:
        (line,) = csv.DictReader(io.StringIO(client.get("/api/exchanges.csv").text, newline=""), strict=True)
    assert line["reason"] == 'down, "again"\nand again'
    assert line["last_error"] == "'=HYPERLINK(1)"


# -- refusals --------------------------------------------------------------------------------------------------


def test_an_unknown_symbol_is_named_with_the_nearest_ones(client):
    for path in ("prices/BTC-USDX", "prices/btc-usdx.csv", "prices?symbol=BTC-USDX", "arb?symbol=BTC-USDX"):
        sentence = refusal(client, path, 404)
        assert "usdx'" in sentence.lower()
        assert "BTC-USDT" in sentence


def test_a_coin_alone_is_answered_with_its_symbols(client):
    assert refusal(client, "prices/btc", 404).endswith("the nearest are BTC-USD, BTC-USDT")


@pytest.mark.parametrize("path", ["price", "prices/BTC-USDT/now", "", "prices.xml"])
def test_a_path_that_there_is_not_is_named(client, path):
    assert f"/api/{path}" in refusal(client, path, 404)


def test_an_unknown_exchange_is_named(client):
    for path in ("exchanges", "prices", "funding.csv", "arb", "prices/BTC-USDT"):
        assert "'ftx'" in refusal(client, f"{path}?exchange=okx&exchange=ftx", 404)


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("prices?limit=0", "'limit' is '0'"),
        ("prices?limit=many", "'limit' is 'many'"),
        ("prices?limit=1000000000000000000000", "'limit'"),
        ("prices?quote=GBP", "'quote' is 'GBP'"),
        ("prices?verdict=fine", "'verdict' is 'fine'"),
        ("arb?min_net_edge_bps=nan", "'min_net_edge_bps'"),
        ("arb?min_net_edge_bps=inf", "'min_net_edge_bps'"),
        ("arb?min_size=-1", "'min_size' is '-1'"),
        ("arb?include_refused=maybe", "'include_refused' is 'maybe'"),
        ("prices?simbol=BTC-USDT", "'simbol'"),
        ("prices/BTC-USDT?symbol=BTC-USDT", "'symbol'"),
        ("health?verbose=1", "'verbose'"),
        ("summary?limit=1", "'limit'"),
    ],
)
def test_a_wrong_parameter_is_named(client, path, named):
    assert named in refusal(client, path, 422)


def test_long_nonsense_is_not_repeated_in_full(client):
    assert len(refusal(client, "prices/" + "X" * 5_000, 404)) < 300


def test_before_any_listing_has_arrived():
    with serve(desk_of(market_of(SnapshotStore(EXCHANGES)))) as client:
        for path in ("prices", "instruments", "funding", "arb", "prices?quote=USDT", "exchanges?exchange=okx"):
            assert client.get(f"/api/{path}").status_code == 200
        assert "no exchange has given its listing yet" in refusal(client, "prices/BTC-USDT", 404)
        assert client.get("/api/prices.csv").text.startswith("source,symbol,")
        assert client.get("/api/summary").json()["best"] is None


VALUES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["BTC-USDT", "btc-usd", "okx", "USDT", "ok", "stale_leg", "nan", "-inf", "1e400", "0", "5", "\x00"]
    ),
    st.integers().map(str),
    st.floats().map(str),
)
NAMES = st.one_of(
    st.sampled_from(
        ["symbol", "exchange", "quote", "verdict", "limit", "min_net_edge_bps", "min_size", "include_refused"]
    ),
    st.text(max_size=8),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from([f"{name}{form}" for name in ROWS for form in ("", ".csv")] + ["health", "summary"]),
    parameters=st.lists(st.tuples(NAMES, VALUES), max_size=4),
    accept=st.one_of(st.just("text/csv"), st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)),
)
def test_no_query_is_answered_with_a_server_error(client, path, parameters, accept):
    answer = client.get(f"/api/{path}", params=parameters, headers={"Accept": accept})
    assert answer.status_code in (200, 404, 422)
    if answer.status_code != 200:
        assert isinstance(answer.json()["detail"], str)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.binary(max_size=40))
def test_no_raw_query_is_answered_with_a_server_error(client, query):
    answer = client.get("/api/prices?" + "".join(f"%{byte:02x}" if byte not in b"=&;" else chr(byte) for byte in query))
    assert answer.status_code in (200, 404, 422)


# -- documentation ---------------------------------------------------------------------------------------------


def test_openapi_lists_every_path_with_its_answer(client):
    document = client.get("/openapi.json").json()
    tables = ["exchanges", "instruments", "prices", "prices/{symbol}", "funding", "arb", "episodes", "episodes/new"]
    tables += ["families", "families/arb", "fees", "funding/intervals", "funding/quality", "funding/settlements"]
    others = ["health", "summary", "depth/{symbol}", "reload", "arb/{id}/explain", "detection", "episodes/survival"]
    others += ["funding/pair/{symbol}"]
    wanted = [f"/api/{name}{form}" for name in tables for form in ("", ".csv")] + [f"/api/{name}" for name in others]
    assert sorted(document["paths"]) == sorted(wanted)
    for path in wanted:
        (operation,) = document["paths"][path].values()  # each path has one method
        assert operation["summary"]
        content = operation["responses"]["200"]["content"]
        assert "text/csv" in content if path.endswith(".csv") else "$ref" in content["application/json"]["schema"]
        refused = operation["responses"]["422"]["content"]["application/json"]["schema"]
        assert refused == {"$ref": "#/components/schemas/Problem"}
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(wanted)


def test_openapi_describes_every_field_and_parameter(client):
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        for field, described in schema.get("properties", {}).items():
            assert described.get("description") or "$ref" in described or field == "rows", f"{name}.{field}"
    for path, methods in document["paths"].items():
        (operation,) = methods.values()
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), f"{path}: {parameter['name']}"
