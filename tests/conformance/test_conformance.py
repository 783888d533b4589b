"""The same recorded bytes through our adapters and through ccxt: every disagreement has a known reason."""

import dataclasses
import io
import json

import pytest

pytest.importorskip("ccxt", reason="ccxt is in requirements-dev.txt")

from benchmarks.conformance.__main__ import report, summary
from benchmarks.conformance.compare import Comparison, Outcome
from benchmarks.conformance.explanations import EXPLANATIONS, explain
from benchmarks.conformance.recordings import NoRecordingsError, message_text, shared
from benchmarks.conformance.reference import count_in_name, market_of, top_values
from benchmarks.conformance.run import names, run


@pytest.fixture(scope="session")
def outcome_of():
    try:
        folder = shared()
    except NoRecordingsError as error:
        pytest.skip(str(error))
    known = {}

    def outcome(exchange):
        if exchange not in known:
            known[exchange] = run(exchange, folder)
        return known[exchange]

    return outcome


@pytest.mark.recordings
@pytest.mark.parametrize("exchange", names())
def test_both_read_the_recordings_alike(exchange, outcome_of):
    outcome = outcome_of(exchange)

    unexplained = [found for found in outcome.comparisons if not found.equal and explain(found) is None]
    assert unexplained == []
    fields = {found.field for found in outcome.comparisons}
    assert {"contract_multiplier", "tick_size", "bid_price", "ask_size"} <= fields
    assert sum(found.equal for found in outcome.comparisons) > 40


@pytest.mark.recordings
@pytest.mark.parametrize(
    "entry", EXPLANATIONS, ids=lambda entry: f"{entry.exchange}-{entry.fields[0]}-{entry.why[:20]}"
)
def test_every_explanation_is_still_needed(entry, outcome_of):
    different = [found for found in outcome_of(entry.exchange).comparisons if not found.equal]

    assert any(entry.covers(found) for found in different)


@pytest.mark.recordings
@pytest.mark.parametrize("field", ["contract_multiplier", "tick_size", "bid_price", "bid_size"])
def test_a_wrong_value_is_unexplained(field, outcome_of):
    """The comparison would notice: every value of Binance off by a part in a million is a disagreement."""
    found = [found for found in outcome_of("binance").comparisons if found.field == field]
    wrong = [dataclasses.replace(one, ours=one.ours * 1.000001) for one in found]

    figures = summary([Outcome("binance", wrong)])

    assert figures["unexplained"] == figures["compared"] == len(found) > 100


def test_a_value_that_one_side_lacks_is_no_agreement():
    assert not Comparison("binance", "tick_size", "BTCUSDT", None, 0.1, "").equal
    assert Comparison("binance", "tick_size", "BTCUSDT", 0.1 + 1e-17, 0.1, "").equal


def test_the_last_line_is_the_result(capsys):
    outcome = Outcome("okx", [Comparison("okx", "tick_size", "X", 1.0, 2.0, "somewhere")])
    out = io.StringIO()

    report([outcome], out)

    assert "UNEXPLAINED tick_size: ours, theirs = X: 1.0 2.0 (somewhere)" in out.getvalue()
    assert summary([outcome]) == {
        "exchanges": 1,
        "fields": 1,
        "compared": 1,
        "equal": 0,
        "explained": 0,
        "unexplained": 1,
    }


@pytest.mark.parametrize(
    ("name", "coins"),
    [
        ("BTC", 1.0),
        ("1000PEPE", 1e3),
        ("SHIB1000", 1e3),
        ("10000000AIDOGE", 1e7),
        ("1MBABYDOGE", 1e6),
        ("1INCH", 1.0),
        ("1CAT", 1.0),
        ("S10", 1.0),
    ],
)
def test_counts_in_names(name, coins):
    assert count_in_name(name) == coins


def row(**fields):
    return {
        "symbol": "X/USD",
        "base": "X",
        "quote": "USD",
        "settle": "USD",
        "linear": True,
        "inverse": False,
        "contractSize": 10.0,
        "precision": {"price": 0.5, "amount": 1.0},
        **fields,
    }


def test_amounts_in_contracts_become_coins():
    linear = market_of("gate", row(base="1000X"))
    inverse = market_of("okx", row(linear=False, inverse=True))

    assert linear.values["contract_multiplier"] == 10_000.0
    assert linear.values["tick_size"] == 0.0005
    assert top_values(linear, 2000.0, 3.0, None, None) == {
        "bid_price": 2.0,
        "bid_size": 30_000.0,
        "ask_price": None,
        "ask_size": None,
    }
    assert top_values(inverse, 20.0, 3.0, 40.0, 4.0)["ask_size"] == 1.0


def test_amounts_that_are_not_in_contracts():
    """Deribit's are dollars or coins, Bitget's coins, whatever the contract."""
    inverse = {"linear": False, "inverse": True}

    assert top_values(market_of("deribit", row(**inverse)), 20.0, 40.0, 30.0, 60.0)["bid_size"] == 2.0
    assert top_values(market_of("deribit", row()), 20.0, 40.0, 30.0, 60.0)["bid_size"] == 40.0
    assert top_values(market_of("bitget", row(**inverse)), 20.0, 4.0, 30.0, 6.0)["ask_size"] == 6.0


def test_the_text_of_a_message_keeps_its_numbers():
    line = json.dumps({"dir": "in", "msg": 0}).replace("0}", '{"p": 0.10}}')

    assert message_text(line) == '{"p": 0.10}'
    assert message_text('{"dir": "in", "msg": "pong"}') == "pong"
