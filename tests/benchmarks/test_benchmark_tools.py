"""What the benchmarks are asked for by others: the last line of the fault suite, the names of channels."""

import socketserver
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import orjson
import pytest

from benchmarks.decode import channel
from benchmarks.fault_catalogue import FAULTS
from benchmarks.fault_network import network
from feeds.failures import describe
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


def test_every_fault_befalls_every_exchange_but_the_token_that_only_kucoin_has():
    missing = {(fault.name, name) for fault in FAULTS for name in EXCHANGES if not fault.befalls(name)}
    assert missing == {("token expiry", name) for name in EXCHANGES if name != "kucoin"}
    assert all(reason.startswith("nothing: ") for fault in FAULTS for reason in fault.untold.values())


def test_names_and_certificates_fail_on_request_and_only_for_one_exchange():
    answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
    with socketserver.TCPServer(("127.0.0.1", 0), _Answering) as server:
        _Answering.answer = answer
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        endpoints = {"okx": {"rest": url}, "gate": {"rest": url}}
        with network(endpoints, ["okx", "gate"]) as between:

            def outcome(name):
                try:
                    return httpx.get(f"{between.endpoints[name]['rest']}/").status_code
                except httpx.ConnectError as error:
                    return describe(error, between.endpoints[name]["rest"])

            outcomes = [(outcome("okx"), outcome("gate"))]
            for fault in ("dns", "certificate"):
                between.begin(fault, "okx")
                outcomes.append((outcome("okx"), outcome("gate")))
                between.end("okx")
            outcomes.append((outcome("okx"), outcome("gate")))
        server.shutdown()
    assert outcomes == [
        (204, 204),
        ("the name okx.simulated.test is not resolved", 204),
        ("certificate of okx.simulated.test refused: self-signed certificate", 204),
        (204, 204),
    ]


class _Answering(socketserver.BaseRequestHandler):
    answer = b""

    def handle(self):
        self.request.recv(65536)
        self.request.sendall(self.answer)


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
