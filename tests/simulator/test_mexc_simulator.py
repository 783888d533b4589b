"""MEXC as its dossier describes it: one contract a message, nameless acknowledgements, errors with HTTP 200."""

import asyncio
import time

import pytest
from simulator_harness import closed, collect, receive, running, send, until

from simulator.exchanges.registry import REGISTRY


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """The registry's position decides what is listed in the tail."""
    if "mexc" not in REGISTRY:
        monkeypatch.setitem(REGISTRY, "mexc", "simulator.exchanges.mexc:Mexc")


async def subscribe(socket, method, **parameters):
    await send(socket, {"method": f"sub.{method}", "param": parameters})
    return await until(socket, lambda frame: frame["channel"].startswith("rs."))


async def listing(run):
    return {row["symbol"]: row for row in (await run.get("mexc", "/api/v1/contract/detail"))["data"]}


def test_details_say_kind_bundle_and_common_name():
    async def scenario():
        async with running("mexc", instruments=340) as run:
            return await listing(run), await run.get("mexc", "/api/v1/contract/detail", symbol="btc_usdt")

    rows, one = asyncio.run(scenario())
    assert len(rows) == 340
    btc, inverse, bonk = rows["BTC_USDT"], rows["BTC_USD"], rows["1000BONK_USDT"]
    assert one["data"] == btc
    assert (btc["contractSize"], btc["settleCoin"], btc["state"], btc["futureType"]) == (0.0001, "USDT", 0, 1)
    assert (inverse["contractSize"], inverse["quoteCoin"], inverse["settleCoin"]) == (100, "USD", "BTC")
    assert (rows["ETH_USD"]["contractSize"], rows["PEPE_USDT"]["contractSize"]) == (10, 10_000_000)
    assert (bonk["baseCoin"], bonk["contractSize"]) == ("1000BONK", 10_000)
    assert (rows["FILECOIN_USDT"]["baseCoinName"], rows["TESLA_USDT"]["type"]) == ("FIL", 2)
    assert rows["BTC_USDC"]["settleCoin"] == "USDC"
    assert "AKRO_USDT" not in rows
    assert {row["apiAllowed"] for row in rows.values()} == {True, False}


def test_rest_rows_agree_with_each_other():
    async def scenario():
        async with running("mexc") as run:
            tickers = {row["symbol"]: row for row in (await run.get("mexc", "/api/v1/contract/ticker"))["data"]}
            funding = {row["symbol"]: row for row in (await run.get("mexc", "/api/v1/contract/funding_rate"))["data"]}
            history = await run.get("mexc", "/api/v1/contract/funding_rate/history", symbol="BTC_USDT", page_size=3)
            book = (await run.get("mexc", "/api/v1/contract/depth/BTC_USDT", limit=30))["data"]
            gone = (await run.get("mexc", "/api/v1/contract/depth/AKRO_USDT"))["data"]
            index = (await run.get("mexc", "/api/v1/contract/index_price/BTC_USDT"))["data"]
            clock = (await run.get("mexc", "/api/v1/contract/ping"))["data"]
            return tickers, funding, history["data"], book, gone, index, clock

    tickers, funding, history, book, gone, index, clock = asyncio.run(scenario())
    btc = tickers["BTC_USDT"]
    assert btc["volume24"] * 0.0001 * btc["fairPrice"] == pytest.approx(btc["amount24"], rel=1e-3)
    coin = tickers["BTC_USD"]
    assert coin["amount24"] * coin["fairPrice"] == pytest.approx(coin["volume24"] * 100, rel=1e-3)
    assert btc["bid1"] < btc["ask1"]
    row = funding["BTC_USDT"]
    assert (row["collectCycle"], row["nextSettleTime"] % 28_800_000) == (8, 0)
    assert row["fairPrice"] == pytest.approx(btc["fairPrice"], rel=1e-3)
    assert (funding["AKRO_USDT"]["fairPrice"], "AKRO_USDT" in tickers) == (0, False)
    assert len(history["resultList"]) == 3
    assert (len(book["asks"]), book["cts"], gone["asks"]) == (30, None, [])
    assert book["asks"] == sorted(book["asks"])
    assert index["indexPrice"] == pytest.approx(row["idxPrice"], rel=1e-3)
    assert abs(clock - time.time() * 1000) < 2000


@pytest.mark.parametrize(
    ("path", "code"),
    [("ticker?symbol=BTCUSDT", 1001), ("depth/NOPE_USDT", 1001), ("depth/BTC_USDT?limit=x", 600)],
)
def test_errors_come_with_http_200(path, code):
    async def scenario():
        async with running("mexc") as run:
            answer = await run.http.get(run.url("mexc", f"/api/v1/contract/{path}"))
            return answer.status_code, answer.json()

    status, body = asyncio.run(scenario())
    assert (status, body["success"], body["code"]) == (200, False, code)


def test_too_many_requests_get_510():
    async def scenario():
        async with running("mexc") as run:
            await run.settings("mexc", heavy_requests_per_2s=2)
            answers = [await run.get("mexc", "/api/v1/contract/ticker", symbol="BTC_USDT") for _ in range(3)]
            return [answer["code"] for answer in answers], (await run.get("mexc", "/api/v1/contract/ping"))["code"]

    assert asyncio.run(scenario()) == ([0, 0, 510], 0)


def test_acknowledgements_name_no_contract_and_errors_do():
    async def scenario():
        async with running("mexc", rate=0) as run, run.connect("mexc", "/edge") as socket:
            ack = await subscribe(socket, "depth.full", symbol="BTC_USDT", limit=5)
            again = await subscribe(socket, "depth.full", symbol="BTC_USDT", limit=5)
            error = await subscribe(socket, "depth.full", symbol="NOPE_USDT", limit=5)
            wrong = await subscribe(socket, "depth.full", symbol="BTC_USDT", limit=7)
            await send(socket, {"method": "sub.weather", "param": {}})
            await send(socket, "no json")
            await send(socket, {"method": "unsub.depth.full", "param": {"symbol": "BTC_USDT"}})
            return ack, again, error, wrong, await until(socket, lambda frame: frame["channel"].startswith("rs."))

    ack, again, error, wrong, ended = asyncio.run(scenario())
    assert (ack["channel"], ack["data"], set(ack)) == ("rs.sub.depth.full", "success", {"channel", "data", "ts"})
    assert again["data"] == "success"
    assert (error["channel"], error["data"]) == ("rs.error", "Contract [NOPE_USDT] not exists")
    assert wrong["channel"] == "rs.error"
    assert ended["channel"] == "rs.unsub.depth.full"


def test_full_depth_is_the_true_top_with_growing_versions():
    async def scenario():
        async with running("mexc", rate=1500) as run, run.connect("mexc", "/edge") as socket:
            await subscribe(socket, "depth.full", symbol="BTC_USDT", limit=5)
            frames = await collect(socket, 1.5)
            exchange = run.simulator.exchanges["mexc"]
            listing = exchange.by_symbol["BTC_USDT"]
            history = [
                (round(bid * listing.tick, 6), int(lots))
                for change in exchange.market.changes
                for index, bid, lots in zip(change.index, change.bid_ticks, change.bid_lots, strict=True)
                if index == listing.index
            ]
            return frames, history

    frames, history = asyncio.run(scenario())
    assert 4 <= len(frames) <= 8  # one at once, then every 300 ms
    versions = [frame["data"]["version"] for frame in frames]
    assert versions == sorted(set(versions))
    for frame in frames:
        bids, asks = frame["data"]["bids"], frame["data"]["asks"]
        assert (len(bids), len(asks), len(bids[0])) == (5, 5, 3)
        assert (bids, asks) == (sorted(bids, reverse=True), sorted(asks))
        assert bids[0][0] < asks[0][0]
    for frame in frames[1:]:
        assert (round(frame["data"]["bids"][0][0], 6), frame["data"]["bids"][0][1]) in history


def test_changes_continue_the_book_that_rest_gives():
    async def scenario():
        async with running("mexc", rate=1500) as run, run.connect("mexc", "/edge") as socket:
            await subscribe(socket, "depth", symbol="ETH_USDT")
            first = await receive(socket)
            seed = (await run.get("mexc", "/api/v1/contract/depth/ETH_USDT"))["data"]
            frames = [first, *(await collect(socket, 1.2))]
            last = (await run.get("mexc", "/api/v1/contract/depth/ETH_USDT"))["data"]
            frames += await collect(socket, 0.1)
            commits = await run.get("mexc", "/api/v1/contract/depth_commits/ETH_USDT/2")
            return frames, seed, last, commits["data"]

    frames, seed, last, commits = asyncio.run(scenario())
    assert {frame["channel"] for frame in frames} == {"push.depth"}
    book = {"bids": {row[0]: row[1] for row in seed["bids"]}, "asks": {row[0]: row[1] for row in seed["asks"]}}
    at = seed["version"]
    for data in (frame["data"] for frame in frames):
        if data["end"] <= at or data["end"] > last["version"]:
            continue
        assert data["begin"] == at + 1
        at = data["end"]
        for side in ("bids", "asks"):
            for price, lots, _ in data[side]:
                book[side][price] = lots
    assert at == last["version"]
    for side in ("bids", "asks"):
        assert {price: lots for price, lots in book[side].items() if lots} == {row[0]: row[1] for row in last[side]}
    assert len(commits) == 2


def test_tickers_begin_with_all_and_go_on_with_what_changed():
    async def scenario():
        async with running("mexc", rate=100) as run, run.connect("mexc", "/edge") as socket:
            await subscribe(socket, "tickers")
            return await receive(socket), await receive(socket), await listing(run)

    whole, change, rows = asyncio.run(scenario())
    assert {row["symbol"] for row in whole["data"]} == set(rows)
    assert 0 < len(change["data"]) < len(whole["data"]) or len(rows) < 35
    assert "bid1" not in whole["data"][0]


def test_single_channels():
    async def scenario():
        async with running("mexc", rate=1500) as run, run.connect("mexc", "/edge") as socket:
            for channel in ("ticker", "fair.price", "index.price", "funding.rate", "deal"):
                await subscribe(socket, channel, symbol="BTC_USDT")
            return {frame["channel"]: frame["data"] for frame in await collect(socket, 1.5)}

    frames = asyncio.run(scenario())
    assert set(frames) >= {"push.fair.price", "push.index.price", "push.deal"}
    assert isinstance(frames["push.deal"], list)


def test_json_pings_keep_the_socket_open():
    async def scenario():
        async with running("mexc", rate=1500) as run:
            await run.settings("mexc", ping_timeout_s=1)
            async with run.connect("mexc", "/edge") as kept, run.connect("mexc", "/edge") as lost:
                await subscribe(lost, "depth.full", symbol="BTC_USDT", limit=5)
                pongs = []
                for _ in range(6):
                    await send(kept, {"method": "ping"})
                    pongs.append(await until(kept, lambda frame: frame["channel"] == "pong"))
                    await asyncio.sleep(0.5)
                return pongs, await closed(lost), kept.close_code

    pongs, (code, _), kept = asyncio.run(scenario())
    assert isinstance(pongs[0]["data"], int)
    assert (code, kept) == (1000, None)


def test_market_faults_show_in_list_and_channel():
    async def scenario():
        async with running("mexc", rate=1500) as run, run.connect("mexc", "/edge") as socket:
            await subscribe(socket, "contract")
            halt = await run.fault("mexc", "halt", symbol="ETH_USDT")
            pushed = await until(socket, lambda frame: frame["channel"] == "push.contract")
            halted = (await listing(run))["ETH_USDT"]["state"]
            await run.http.delete(run.url("control", f"/faults/{halt}"))
            await run.fault("mexc", "list")
            await run.fault("mexc", "delist", symbol="XRP_USDT")
            await run.fault("mexc", "funding_interval", symbol="BTC_USDT", hours=1)
            rate = (await run.get("mexc", "/api/v1/contract/funding_rate/BTC_USDT"))["data"]
            return pushed, halted, await listing(run), rate

    pushed, halted, rows, rate = asyncio.run(scenario())
    assert (pushed["data"]["symbol"], pushed["data"]["state"], halted) == ("ETH_USDT", 4, 4)
    assert (rows["ETH_USDT"]["state"], "XRP_USDT" in rows, len(rows)) == (0, False, 30)
    assert rate["collectCycle"] == 1


def test_subscriptions_are_refused_on_request():
    async def scenario():
        async with running("mexc") as run:
            await run.fault("mexc", "reject", mode="subscribe")
            async with run.connect("mexc", "/edge") as socket:
                return [
                    await subscribe(socket, "depth.full", symbol="BTC_USDT", limit=5),
                    await subscribe(socket, "tickers"),
                ]

    assert [answer["channel"] for answer in asyncio.run(scenario())] == ["rs.error", "rs.error"]
