"""Bitget as its dossier describes it: arguments that fail alone, text heartbeats, coins in every family."""

import asyncio

import pytest
from simulator_harness import apply_levels, closed, collect, receive, running, send, until

from simulator.exchanges.registry import REGISTRY

PATH = "/v2/ws/public"
CONTRACTS, TICKERS = "/api/v2/mix/market/contracts", "/api/v2/mix/market/tickers"
USDT, USDC, COIN = "USDT-FUTURES", "USDC-FUTURES", "COIN-FUTURES"


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """The registry's position decides what is listed in the tail."""
    if "bitget" not in REGISTRY:
        monkeypatch.setitem(REGISTRY, "bitget", "simulator.exchanges.bitget:Bitget")


def arg(channel, symbol, family=USDT):
    return {"instType": family, "channel": channel, "instId": symbol}


async def subscribe(socket, *arguments):
    await send(socket, {"op": "subscribe", "args": list(arguments)})
    return [await until(socket, lambda frame: "event" in frame) for _ in arguments]


async def contracts(run, family=USDT):
    return {row["symbol"]: row for row in (await run.get("bitget", CONTRACTS, productType=family))["data"]}


def test_contracts_of_three_families():
    async def scenario():
        async with running("bitget", instruments=320) as run:
            return [await contracts(run, family) for family in (USDT, USDC, COIN)]

    usdt, usdc, coin = asyncio.run(scenario())
    normal = [row for rows in (usdt, usdc, coin) for row in rows.values() if row["symbolStatus"] == "normal"]
    assert len([row for row in normal if row["symbolType"] == "perpetual"]) == 320
    btc = usdt["BTCUSDT"]
    assert (btc["symbolStatus"], btc["fundInterval"], btc["quoteCoin"], btc["isRwa"]) == ("normal", "8", "USDT", "NO")
    assert btc["sizeMultiplier"] == btc["minTradeNum"]
    assert usdt["1000BONKUSDT"]["baseCoin"] == "1000BONK"
    assert usdt["XAUUSDT"]["isRwa"] == "YES"
    assert (usdc["BTCPERP"]["baseCoin"], usdc["BTCPERP"]["quoteCoin"]) == ("BTC", "USDC")
    assert coin["BTCUSD"]["symbolType"] == "perpetual"
    assert sum(row["symbolType"] == "delivery" for row in coin.values()) == 2
    assert [usdt[f"{key}USDT"]["symbolStatus"] for key in ("AKRO", "SYN", "VIC")] == ["limit_open", "off", "listed"]
    assert usdt["AKROUSDT"]["limitOpenTime"] != "-1"


def test_sizes_are_coins_in_every_family():
    async def scenario():
        async with running("bitget") as run:
            answers = [await run.get("bitget", TICKERS, productType=family) for family in (USDT, COIN)]
            rows = {row["symbol"]: row for answer in answers for row in answer["data"]}
            book = await run.get(
                "bitget", "/api/v2/mix/market/merge-depth", symbol="BTCUSD", productType=COIN, limit=50
            )
            return rows, book["data"]

    rows, book = asyncio.run(scenario())
    for symbol in ("BTCUSDT", "BTCUSD"):
        row = rows[symbol]
        mark = float(row["markPrice"])
        assert float(row["baseVolume"]) * mark == pytest.approx(float(row["quoteVolume"]), rel=1e-3)
        assert 100 < float(row["bidSz"]) * mark < 1_000_000  # dollars
        assert float(row["bidPr"]) < float(row["askPr"])
    assert len(book["asks"]) == 50
    assert isinstance(book["asks"][0][1], float)


def test_funding_rows_and_history():
    async def scenario():
        async with running("bitget") as run:
            base = "/api/v2/mix/market"
            rates = await run.get("bitget", f"{base}/current-fund-rate", productType=USDT)
            one = await run.get("bitget", f"{base}/funding-time", productType=USDT, symbol="BTCUSDT")
            history = await run.get(
                "bitget", f"{base}/history-fund-rate", productType=USDT, symbol="BTCUSDT", pageSize=4
            )
            clock = await run.get("bitget", "/api/v2/public/time")
            return {row["symbol"]: row for row in rates["data"]}, one["data"][0], history["data"], clock

    rates, one, history, clock = asyncio.run(scenario())
    btc = rates["BTCUSDT"]
    assert (btc["fundingRateInterval"], int(btc["nextUpdate"]) % 28_800_000) == ("8", 0)
    assert (one["nextFundingTime"], one["ratePeriod"]) == (btc["nextUpdate"], "8")
    assert rates["TESTAUSDT"]["maxFundingRate"] is None
    assert [int(row["fundingTime"]) for row in history] == sorted(
        (int(r["fundingTime"]) for r in history), reverse=True
    )
    assert abs(int(clock["data"]["serverTime"]) - clock["requestTime"]) < 1000


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("tickers", {"productType": "NOPE-FUTURES"}, "40019"),
        ("tickers", {}, "40019"),
        ("merge-depth", {"productType": USDT, "symbol": "NOPEUSDT"}, "40034"),
        ("merge-depth", {"productType": USDT, "symbol": "BTCUSDT", "limit": "7"}, "40020"),
        ("history-fund-rate", {"productType": USDT, "symbol": "BTCUSDT", "pageSize": "101"}, "40020"),
    ],
)
def test_errors_come_with_http_400(path, params, code):
    async def scenario():
        async with running("bitget") as run:
            answer = await run.http.get(run.url("bitget", f"/api/v2/mix/market/{path}"), params=params)
            return answer.status_code, answer.json()["code"]

    assert asyncio.run(scenario()) == (400, code)


def test_too_many_requests_get_429():
    async def scenario():
        async with running("bitget") as run:
            await run.settings("bitget", requests_per_s=2)
            return [(await run.http.get(run.url("bitget", "/api/v2/public/time"))).status_code for _ in range(3)]

    assert asyncio.run(scenario()) == [200, 200, 429]


def test_arguments_are_answered_one_by_one_and_fail_alone():
    async def scenario():
        async with running("bitget", rate=0) as run, run.connect("bitget", PATH) as socket:
            good, again = arg("ticker", "BTCUSDT"), arg("ticker", "BTCUSD", COIN)
            await send(
                socket, {"op": "subscribe", "args": [good, arg("books", "NOPEUSDT"), arg("books50", "BTCUSDT"), again]}
            )
            answers = [frame for frame in await collect(socket, 0.4) if "event" in frame]
            await send(socket, "not json")
            illegal = await until(socket, lambda frame: frame.get("code"))
            await send(socket, {"op": "unsubscribe", "args": [good]})
            return answers, illegal, await until(socket, lambda frame: frame.get("event") == "unsubscribe")

    answers, illegal, ended = asyncio.run(scenario())
    assert [answer["event"] for answer in answers] == ["subscribe", "error", "error", "subscribe"]
    assert answers[1]["code"] == 30001
    assert answers[1]["msg"] == "instType:USDT-FUTURES,channel:books,instId:NOPEUSDT,precision:null doesn't exist"
    assert (answers[2]["code"], answers[2]["msg"], answers[2]["arg"]["channel"]) == (30016, "Param error", "books50")
    assert illegal["code"] == 30002
    assert ended == {"event": "unsubscribe", "arg": arg("ticker", "BTCUSDT")}


def test_a_wrong_family_is_confirmed_and_silent():
    async def scenario():
        async with running("bitget", rate=1500) as run, run.connect("bitget", PATH) as socket:
            (ack,) = await subscribe(socket, arg("ticker", "BTCPERP", USDT))
            return ack, await collect(socket, 0.6)

    ack, frames = asyncio.run(scenario())
    assert (ack["event"], frames) == ("subscribe", [])


def test_limits_of_a_connection():
    async def scenario():
        async with running("bitget", rate=0) as run, run.connect("bitget", PATH) as socket:
            await run.settings("bitget", channels_per_connection=2, messages_per_s=4, subscribes_per_hour=2)
            three = await subscribe(socket, *(arg("trade", symbol) for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT")))
            await send(socket, {"op": "subscribe", "args": [arg("trade", "BTCUSDT" + "X" * 4096)]})
            long = await until(socket, lambda frame: frame.get("code"))
            await subscribe(socket, arg("trade", "XRPUSDT"))
            await send(socket, {"op": "subscribe", "args": []})
            hourly = await until(socket, lambda frame: frame.get("code"))
            await send(socket, "ping")
            return three, long, hourly, await until(socket, lambda frame: frame == "pong" or frame.get("code"))

    three, long, hourly, fast = asyncio.run(scenario())
    assert [answer.get("code") for answer in three] == [None, None, 30007]
    assert (long["code"], hourly["code"], fast["code"]) == (30002, 30006, 30006)


def test_only_text_pings_keep_the_socket_open():
    async def scenario():
        async with running("bitget", rate=1500) as run:
            await run.settings("bitget", ping_timeout_s=1)
            async with run.connect("bitget", PATH) as kept, run.connect("bitget", PATH) as lost:
                await subscribe(lost, arg("ticker", "BTCUSDT"))
                pongs = []
                for _ in range(6):
                    await send(kept, "ping")
                    pongs.append(await receive(kept))
                    await asyncio.sleep(0.5)
                return pongs, await closed(lost), kept.close_code

    pongs, (code, _), kept = asyncio.run(scenario())
    assert set(pongs) == {"pong"}
    assert (code, kept) == (1006, None)


def test_tickers_are_whole_and_books1_is_one_level():
    async def scenario():
        async with running("bitget", rate=1500) as run, run.connect("bitget", PATH) as socket:
            await subscribe(socket, arg("ticker", "BTCUSD", COIN), arg("books1", "BTCUSDT"))
            return await collect(socket, 1.3)

    frames = asyncio.run(scenario())
    tickers = [frame for frame in frames if frame["arg"]["channel"] == "ticker"]
    tops = [frame["data"][0] for frame in frames if frame["arg"]["channel"] == "books1"]
    assert 4 <= len(tickers) <= 17
    assert {frame["action"] for frame in frames} == {"snapshot"}
    row = tickers[-1]["data"][0]
    assert (row["symbolType"], row["instId"], int(row["nextFundingTime"]) % 28_800_000) == ("1", "BTCUSD", 0)
    assert {"bidSz", "markPrice", "indexPrice", "fundingRate", "holdingAmount", "quoteVolume"} <= set(row)
    assert isinstance(tickers[0]["ts"], int)
    assert [top["seq"] for top in tops] == sorted({top["seq"] for top in tops})
    assert {(len(top["bids"]), len(top["asks"])) for top in tops} == {(1, 1)}


def test_the_ticker_is_the_true_top():
    async def scenario():
        async with running("bitget", rate=400) as run, run.connect("bitget", PATH) as socket:
            await subscribe(socket, arg("ticker", "ETHUSDT"))
            await collect(socket, 0.5)
            await run.http.post(run.url("control", "/rate"), json={"rate": 0})
            row = (await collect(socket, 1.3))[-1]["data"][0]
            exchange = run.simulator.exchanges["bitget"]
            listing, market = exchange.by_symbol["ETHUSDT"], exchange.market
            return row, market.bid_ticks[listing.index] * listing.tick, market.ask_lots[listing.index] * listing.lot

    row, bid, ask_size = asyncio.run(scenario())
    assert (float(row["bidPr"]), float(row["askSz"])) == (pytest.approx(bid), pytest.approx(ask_size))


def test_books_follow_by_sequence():
    async def scenario():
        async with running("bitget", rate=1500) as run, run.connect("bitget", PATH) as socket:
            await send(socket, {"op": "subscribe", "args": [arg("books", "BTCUSD", COIN), arg("books5", "BTCUSDT")]})
            return [frame for frame in await collect(socket, 1.2) if "event" not in frame]

    frames = asyncio.run(scenario())
    books = [frame for frame in frames if frame["arg"]["channel"] == "books"]
    assert books[0]["action"] == "snapshot"
    assert {frame["action"] for frame in books[1:]} == {"update"}
    bids, asks = {}, {}
    before = 0
    for row in (frame["data"][0] for frame in books):
        assert row["pseq"] == before
        before = row["seq"]
        apply_levels(bids, row["bids"])
        apply_levels(asks, row["asks"])
        assert max(map(float, bids)) < min(map(float, asks))
    assert before > 2**53
    small = [frame["data"][0] for frame in frames if frame["arg"]["channel"] == "books5"]
    assert {len(row["asks"]) for row in small} == {5}


def test_market_faults_show_in_the_contracts():
    async def scenario():
        async with running("bitget", rate=1500) as run:
            await run.fault("bitget", "halt", symbol="ETHUSDT")
            shown = await run.fault("bitget", "list")
            await run.fault("bitget", "delist", symbol="XRPUSDT")
            await run.fault("bitget", "funding_interval", symbol="BTCUSDT", hours=1)
            rows = await contracts(run)
            await run.http.delete(run.url("control", f"/faults/{shown}"))
            return rows, await contracts(run)

    rows, later = asyncio.run(scenario())
    assert (rows["ETHUSDT"]["symbolStatus"], rows["BTCUSDT"]["fundInterval"]) == ("maintain", "1")
    assert "XRPUSDT" not in rows
    assert len(later) == len(rows) - 1


def test_subscriptions_are_refused_on_request():
    async def scenario():
        async with running("bitget") as run:
            await run.fault("bitget", "reject", mode="subscribe")
            async with run.connect("bitget", PATH) as socket:
                return await subscribe(socket, arg("ticker", "BTCUSDT"))

    (answer,) = asyncio.run(scenario())
    assert (answer["event"], answer["code"], answer["arg"]["instId"]) == (
        "error",
        30001,
        "BTCUSDT",
    )
