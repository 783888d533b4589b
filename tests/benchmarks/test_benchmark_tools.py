"""What the benchmarks are asked for by others: the last line of the fault suite, the names of channels."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from benchmarks.decode import channel
from market.exchanges import EXCHANGES
from tests.app_process import ENVIRONMENT

ROOT = Path(__file__).resolve().parents[2]


def fault_suite(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.faults", *arguments],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_fault_suite_ends_with_its_result_as_json():
    ended = fault_suite("--only", "drop")
    *table, last = ended.stdout.strip().splitlines()
    result = orjson.loads(last)
    assert set(result) == {"faults", "recovered", "wrong_quotes"}
    assert (result["faults"], result["recovered"]) == (len(EXCHANGES), len(EXCHANGES)), ended.stdout
    assert type(result["wrong_quotes"]) is int
    assert result["wrong_quotes"] >= 0
    assert ended.returncode == (0 if result["wrong_quotes"] == 0 else 1)
    assert table[0].split()[:2] == ["fault", "exchange"]
    assert [row.split()[1] for row in table[2:] if row.startswith("drop")] == sorted(EXCHANGES)


def test_a_fault_that_does_not_exist_is_refused_with_those_that_do():
    ended = fault_suite("--only", "earthquake")
    assert ended.returncode == 2
    assert ended.stdout.startswith("no fault is named like 'earthquake'; there are drop, ")


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        (b'{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","s":"BTCUSDT"}}', "bookTicker"),
        (b'{"stream":"btcusdt@markPrice@1s","data":{}}', "markPrice@1s"),
        (b'{"stream":"!markPrice@arr@1s","data":[]}', "!markPrice@arr@1s"),
        (b'{"topic":"orderbook.1.BTCUSDT","type":"snapshot","data":{}}', "orderbook.1"),
        (b'{"topic":"tickers.BTCUSDT","data":{}}', "tickers"),
        (b'{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"},"data":[]}', "bbo-tbt"),
        (b'{"event":"subscribe","arg":{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"}}', ""),
        (b'{"success":true,"op":"subscribe"}', ""),
        (b'{"result":null,"id":1}', ""),
        (b"pong", ""),
    ],
)
def test_a_frame_is_counted_to_its_channel(frame, name):
    assert channel(frame) == name
