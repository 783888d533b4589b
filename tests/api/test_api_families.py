"""Quote families over the API: what stablecoins are worth, and pairs between families."""

import csv
import dataclasses
import io
import time

import pytest

from store.snapshot import INDEX, SnapshotStore
from tests.api.serving import refusal, rows, serve
from tests.store.scripted import desk_of, funding, instrument, market_of, quote

USDT = 0.999  # dollars


def contract(exchange: str, symbol: str):
    if symbol.endswith("-USD"):
        base = symbol.partition("-")[0]
        return instrument(exchange, symbol, kind="inverse", settle=base, contract_multiplier=100.0)
    return instrument(exchange, symbol)


def anchored(exchange: str, symbol: str, price: float, at: float):
    said = {"mark_price": price, "index_price": price, "funding_rate": 0.0001, "funding_interval_h": 8.0}
    return funding(exchange, symbol, at=at, next_funding_time=at + 3_600, **said)


@pytest.fixture
def market():
    """In dollars okx quotes BTC 99990 / 100010, in both families; bybit in USDT 100490 / 100510, level before."""
    at = time.time() - 0.5
    store = SnapshotStore(("okx", "bybit"))
    store.set_instruments("okx", [contract("okx", f"{b}-{q}") for b in ("BTC", "ETH") for q in ("USD", "USDT")])
    store.set_instruments("bybit", [contract("bybit", "BTC-USDT")])
    store.write(
        [
            anchored("okx", "BTC-USD", 100_000.0, at),
            anchored("okx", "BTC-USDT", 100_000.0 / USDT, at),
            anchored("okx", "ETH-USD", 1_998.0, at),
            anchored("okx", "ETH-USDT", 2_000.0, at),
            anchored("bybit", "BTC-USDT", 100_000.0 / USDT, at),
            quote("okx", 99_990.0, 100_010.0, "BTC-USD", sizes=(2.0, 3.0), at=at),
            quote("okx", 99_990.0 / USDT, 100_010.0 / USDT, "BTC-USDT", sizes=(2.0, 3.0), at=at),
            quote("okx", 1_997.9, 1_998.1, "ETH-USD", at=at),
            quote("okx", 1_999.9, 2_000.1, "ETH-USDT", at=at),
            quote("bybit", 100_490.0 / USDT, 100_510.0 / USDT, sizes=(4.0, 5.0), at=at),
        ]
    )
    market = market_of(store)
    snapshot = store.snapshot()
    past = snapshot.data.copy()
    cell = snapshot.grid.symbol_index["BTC-USDT"], snapshot.grid.exchange_index["bybit"]
    past[INDEX["bid_price"]][cell], past[INDEX["ask_price"]][cell] = 99_990.0 / USDT, 100_010.0 / USDT
    for i in range(40):
        market.ring.sample(dataclasses.replace(snapshot, data=past), snapshot.grid.listed, at - 40 + i)
    return market


@pytest.fixture
def client(market):
    with serve(desk_of(market)) as client:
        yield client


def without_usd_index(market):
    """The coin-margined contracts say nothing of their index any more, long ago."""
    old = time.time() - 60
    market.store.write([anchored("okx", f"{base}-USD", price, old) for base, price in (("BTC", 1e5), ("ETH", 1_998.0))])


def test_rates_come_with_source_age_and_agreement(client):
    """100000 / (100000 / 0.999) and 1998 / 2000 are both 0.999: they agree to the last digit."""
    usdt, usdc = rows(client, "families")
    assert (usdt["currency"], usdt["into"], usdt["n"], usdt["reason"]) == ("USDT", "USD", 2, "")
    assert usdt["value"] == pytest.approx(0.999)
    assert usdt["spread_bps"] == pytest.approx(0.0, abs=1e-6)
    assert 0.5 <= usdt["age_s"] < 15
    assert usdt["source"] == "index in USD over index in USDT: okx BTC ETH"
    assert (usdc["value"], usdc["n"]) == (None, 0)
    assert usdc["reason"] == "no exchange has a fresh index of one coin in USD and in USDC"


def test_a_pair_between_families_is_judged_in_dollars(client):
    """Buy 100010, sell 100490, of the mean mid 100250: 47.880 bps. Closing usually cost 20 / 100000 = 2 bps; four
    fills 20 bps: net 25.880. 10000 USD are 0.09975 coins, in lots 0.099 worth 9924.75; 9924.75 / 100010 = 0.0992376.
    """
    found = {(row["buy"], row["sell"]): row for row in rows(client, "families/arb", include_refused=True)}
    row = found["okx/USD", "bybit/USDT"]
    assert (row["symbol"], row["buy_symbol"], row["sell_symbol"]) == ("BTC-USD*", "BTC-USD", "BTC-USDT")
    assert row["gross_edge_bps"] == pytest.approx(480 / 100_250 * 1e4)
    assert row["expected_exit_bps"] == pytest.approx(-2.0)
    assert (row["expected_exit_samples"], row["fees_bps"]) == (40, 20.0)
    assert row["net_edge_bps"] == pytest.approx(480 / 100_250 * 1e4 - 22.0)
    assert (row["buy_rate"], row["sell_rate"]) == (1.0, pytest.approx(0.999))
    assert row["sell_price"] == pytest.approx(100_490.0)
    assert (row["verdict"], row["actionable"], row["same_exchange"]) == ("ok", True, False)
    assert (row["notional"], row["inverse"]) == (pytest.approx(9_924.75), "buy")
    assert row["hedge"] == (
        "buy leg is inverse: 9925 USD of it are hedged by 0.0992376 coins; its collateral is itself long the coin"
    )


def test_only_pairs_between_families_are_shown_and_those_of_one_exchange_are_marked(client):
    """okx/USDT to bybit/USDT gains as much, and is of one family."""
    found = {(row["buy"], row["sell"]): row for row in rows(client, "families/arb", include_refused=True)}
    assert ("okx/USDT", "bybit/USDT") not in found
    assert found["okx/USD", "okx/USDT"]["same_exchange"] is True


def test_pairs_are_filtered(client):
    assert {row["verdict"] for row in rows(client, "families/arb")} == {"ok"}
    assert [row["actionable"] for row in rows(client, "families/arb", limit=2)] == [True, False]
    assert rows(client, "families/arb", verdict="stale_leg") == []
    assert rows(client, "families/arb", min_net_edge_bps=30) == []
    assert len(rows(client, "families/arb", min_net_edge_bps=25, base="btc", exchange="BYBIT")) == 1
    assert {row["symbol"] for row in rows(client, "families/arb", base="eth")} == {"ETH-USD*"}
    assert "no exchange lists a contract of 'doge'" in refusal(client, "families/arb?base=DOGE", 404)
    assert "there is no exchange 'nowhere'" in refusal(client, "families/arb?exchange=nowhere", 404)
    assert "there is no parameter 'symbol'" in refusal(client, "families/arb?symbol=BTC-USDT", 422)


def test_without_a_rate_nothing_is_compared_and_the_reason_is_said(market):
    without_usd_index(market)
    with serve(desk_of(market)) as client:
        assert rows(client, "families")[0]["value"] is None
        assert rows(client, "families/arb", include_refused=True) == []


def test_both_are_spreadsheets_too(client):
    (row,) = csv.DictReader(io.StringIO(client.get("/api/families/arb.csv?limit=1").text))
    assert (row["source"], row["buy"], row["sell"], row["actionable"]) == ("demo", "okx/USD", "bybit/USDT", "true")
    assert client.get("/api/families.csv").text.count("\r\n") == 3


def test_nothing_is_listed_yet():
    with serve(desk_of(market_of(SnapshotStore(("okx",))))) as client:
        assert [row["n"] for row in rows(client, "families")] == [0, 0]
        assert rows(client, "families/arb", include_refused=True) == []
