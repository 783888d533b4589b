"""What the benchmarks are asked for by others: the last line of the fault suite, what others make of our frames."""

import asyncio
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from benchmarks.decode import compared
from benchmarks.frames import QUOTES, collect_exchange
from benchmarks.independent import CLIENTS
from benchmarks.market import simulator
from benchmarks.parsers import CRYPTOFEED, parsers
from feeds.exchanges import load
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
    libraries = []
    for parser in parsers(collected, simulated[name]):
        decoder = collected.decoder()
        matches: dict[str, list[bool]] = {}
        for frame in frames:
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
            libraries.append(parser.library)
            assert sum(map(len, matches.values())) > 0.3 * len(frames)
            for exchange_symbol, found in matches.items():
                assert all(found[:1] if name == "phemex" else found), (parser.library, exchange_symbol)
    assert libraries == [*(["ccxt"] if name != "bitmex" else []), *(["cryptofeed"] if name in CRYPTOFEED else [])]


def test_a_parser_that_reads_too_little_is_not_compared(simulated):
    collected = asyncio.run(collect_exchange(load("mexc", simulated["mexc"])))
    (ccxt,) = parsers(collected, simulated["mexc"])
    frames = list(zip(collected.times[QUOTES], collected.frames[QUOTES], strict=True))
    assert compared(collected, frames, ccxt) is None
    ccxt.close()
