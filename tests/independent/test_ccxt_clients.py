"""ccxt's websocket clients read every simulated exchange, and see the prices that the simulator knows to be true."""

import asyncio
import time

import httpx
import pytest

pytest.importorskip("ccxt.pro", reason="ccxt is in requirements-dev.txt")

from benchmarks.independent import CLIENTS, NOT_IN_CCXT, ccxt_client
from simulator.exchanges.registry import REGISTRY

PATIENCE_S = 18.0
MARKETS = 3  # of each kind
NEAR = 0.02  # the market moves between a quote and the look at the truth

in_ccxt = pytest.mark.parametrize("exchange", [name for name in REGISTRY if name not in NOT_IN_CCXT])


def chosen(markets):
    """The first linear and inverse perpetuals; quanto ones have no book of their own kind to expect."""
    swaps = [row for row in markets.values() if row["swap"] and row["active"] is not False]
    linear = [row for row in swaps if row["linear"] and not row.get("quanto")]
    return linear[:MARKETS] + [row for row in swaps if row["inverse"]][:MARKETS]


async def top_of_book(client, watch, market):
    """Best bid and ask with sizes, from a book or from a channel of quotes; waits until both sides are there."""
    symbol = market["symbol"]
    while True:
        if watch == "watch_order_book":
            book = await client.watch_order_book(symbol)
            if book["bids"] and book["asks"]:
                return (*book["bids"][0][:2], *book["asks"][0][:2])
        else:
            found = await getattr(client, watch)(*([symbol] if watch == "watch_ticker" else [[symbol]]))
            row = found if "bid" in found else found[symbol]
            if row["bid"] and row["ask"]:
                return row["bid"], row["bidVolume"], row["ask"], row["askVolume"]


async def quotes_of(exchange, endpoints, watch):
    client = ccxt_client(exchange, endpoints)
    try:
        async with asyncio.timeout(PATIENCE_S):
            markets = chosen(await client.load_markets())
            tops = await asyncio.gather(*(top_of_book(client, watch, market) for market in markets))
            return {CLIENTS[exchange].name_of(market): top for market, top in zip(markets, tops, strict=True)}
    finally:
        await client.close()


def assert_true(exchange, quotes, simulated):
    truth = httpx.get(f"{simulated['control']['rest']}/truth/{exchange}", params={"symbols": ",".join(quotes)}).json()
    for exchange_symbol, (bid, bid_size, ask, ask_size) in quotes.items():
        assert bid < ask, exchange_symbol
        _, true_bid, _, true_ask, _ = truth[exchange_symbol][-1]
        assert bid == pytest.approx(true_bid, rel=NEAR), exchange_symbol
        assert ask == pytest.approx(true_ask, rel=NEAR), exchange_symbol
        for size in (bid_size, ask_size):  # a ticker may come without sizes
            assert size is None or size > 0, exchange_symbol


@in_ccxt
def test_ccxt_sees_the_true_prices(exchange, simulated):
    assert exchange in CLIENTS, (
        f"{exchange} is simulated, but benchmarks.independent.CLIENTS has no line that points ccxt at it; "
        "if ccxt does not have the exchange, add it to NOT_IN_CCXT"
    )
    quotes = asyncio.run(quotes_of(exchange, simulated[exchange], CLIENTS[exchange].watch))

    assert len(quotes) >= MARKETS
    assert_true(exchange, quotes, simulated)


@in_ccxt
def test_ccxt_follows_whole_books(exchange, simulated):
    """Snapshots, changes and sequence numbers fit together as ccxt expects of the exchange."""
    assert exchange in CLIENTS
    if exchange == "mexc":
        pytest.skip("ccxt waits for 25 changes of a book before it reads the first whole one")

    assert_true(exchange, asyncio.run(quotes_of(exchange, simulated[exchange], "watch_order_book")), simulated)


@in_ccxt
def test_ccxt_reads_the_funding(exchange, simulated):
    assert exchange in CLIENTS

    async def rate():
        client = ccxt_client(exchange, simulated[exchange])
        try:
            async with asyncio.timeout(PATIENCE_S):
                swaps = [row for row in (await client.load_markets()).values() if row["swap"]]
                market = next(row for row in swaps if row["base"] == "BTC" and row["settle"] in ("USDT", "USDC"))
                return await client.fetch_funding_rate(market["symbol"])
        finally:
            await client.close()

    funding = asyncio.run(rate())

    assert abs(funding["fundingRate"]) < 0.01
    stamp = funding["fundingTimestamp"]
    assert stamp is None or 0 < stamp / 1000 - time.time() <= 8 * 3600
