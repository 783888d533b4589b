"""What the benchmarks are asked for by others: the last line of the fault suite, what others make of our frames."""

import asyncio
import socketserver
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import httpx
import orjson
import pytest

from benchmarks.decode import compared
from benchmarks.fault_catalogue import FAULTS
from benchmarks.fault_network import network
from benchmarks.frames import QUOTES, collect_exchange
from benchmarks.independent import CLIENTS
from benchmarks.market import simulator
from benchmarks.parsers import CRYPTOFEED, parsers
from feeds.exchanges import load
from feeds.failures import describe
from market.exchanges import EXCHANGES
from market.models import Quote
from tests.app_process import ENVIRONMENT

ROOT = Path(__file__).resolve().parents[2]


def fault_suite(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.faults", *arguments],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_fault_suite_ends_with_its_result_as_json():
    exchanges = ["hyperliquid", "okx"]
    ended = fault_suite("--only", "drop", "--exchanges", ",".join(exchanges))
    *table, last = ended.stdout.strip().splitlines()
    result = orjson.loads(last)
    assert set(result) == {"faults", "recovered", "wrong_quotes"}
    assert (result["faults"], result["recovered"]) == (len(exchanges), len(exchanges)), ended.stdout
    assert type(result["wrong_quotes"]) is int
    assert result["wrong_quotes"] >= 0
    assert ended.returncode == (0 if result["wrong_quotes"] == 0 else 1)
    assert table[0].split()[:2] == ["fault", "exchange"]
    assert [row.split()[1] for row in table[2:] if row.startswith("drop")] == exchanges


def test_a_fault_that_does_not_exist_is_refused_with_those_that_do():
    ended = fault_suite("--only", "earthquake")
    assert ended.returncode == 2
    assert ended.stdout.startswith("no fault is named like 'earthquake'; there are drop, ")


def test_every_fault_befalls_every_exchange_that_can_know_it():
    """Only KuCoin has tokens, and Hyperliquid's contracts pay every hour."""
    missing = {(fault.name, name) for fault in FAULTS for name in EXCHANGES if not fault.befalls(name)}
    tokens = {("token expiry", name) for name in EXCHANGES if name != "kucoin"}
    assert missing == {*tokens, ("funding interval", "hyperliquid")}
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


@pytest.fixture(scope="module")
def simulated():
    with simulator(rate=1_500.0, instruments=60) as (endpoints, _):
        yield endpoints


@pytest.mark.parametrize("name", sorted({*CLIENTS, *CRYPTOFEED} - {"mexc"}))
def test_other_libraries_make_the_same_quotes_of_the_same_frames(name, simulated):
    """Else the benchmark would compare apples with pears. ccxt reads no channel of BitMEX and MEXC that we do.

    Of Phemex only the first quote of a contract has to agree: ccxt keeps levels that have been removed.
    """
    collected = asyncio.run(collect_exchange(load(name, simulated[name])))
    listed = {row.symbol: row for row in collected.instruments}
    frames = collected.frames[QUOTES]
    assert len(frames) > 100
    told = [frame for _, frame in collected.prelude] + frames
    collected = replace(collected, prelude=[])
    libraries = []
    for parser in parsers(collected, simulated[name]):
        decoder = collected.decoder()
        matches: dict[str, list[bool]] = {}
        for frame in told:
            quotes = [word for word in decoder.feed(frame, 1.0) if isinstance(word, Quote)]
            ours = {listed[word.symbol].exchange_symbol: word for word in quotes}
            theirs = parser.top(frame.decode())
            if theirs is not None and theirs[0] in ours:
                exchange_symbol, bid, ask = theirs
                quote, unit = ours[exchange_symbol], listed[ours[exchange_symbol].symbol].multiplier
                same = (quote.bid_price * unit, quote.ask_price * unit) == (pytest.approx(bid), pytest.approx(ask))
                matches.setdefault(exchange_symbol, []).append(same)
        parser.close()
        if matches:
            libraries.append(parser.package)
            assert sum(map(len, matches.values())) > 0.3 * len(frames)
            for exchange_symbol, found in matches.items():
                assert all(found[:1] if name == "phemex" else found), (parser.package, exchange_symbol)
    assert libraries == [*(["ccxt"] if name != "bitmex" else []), *(["cryptofeed"] if name in CRYPTOFEED else [])]


def test_a_parser_that_reads_too_little_is_not_compared(simulated):
    collected = asyncio.run(collect_exchange(load("mexc", simulated["mexc"])))
    (ccxt,) = parsers(collected, simulated["mexc"])
    frames = list(zip(collected.times[QUOTES], collected.frames[QUOTES], strict=True))
    assert compared(collected, frames, ccxt) is None
    ccxt.close()
