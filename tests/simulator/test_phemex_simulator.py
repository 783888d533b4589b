"""Phemex as its dossier describes it: two number systems, one symbol a subscription, books without a gap rule."""

import asyncio
import itertools
import time

import pytest
from simulator_harness import apply_levels, closed, collect, receive, running, send, until

from simulator.exchanges.registry import REGISTRY

IDS = itertools.count(1)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(REGISTRY, "phemex", "simulator.exchanges.phemex:Phemex")


async def ask(socket, method, *params):
    """Send a request; return its answer."""
    request_id = next(IDS)
    await send(socket, {"id": request_id, "method": method, "params": list(params)})
    return await until(socket, lambda frame: frame.get("id") == request_id)


def run(scenario):
    return asyncio.run(scenario())


async def products(run):
    return (await run.get("phemex", "/public/products"))["data"]


def test_products_of_both_protocols():
    async def scenario():
        async with running("phemex", instruments=134) as run:
            return await products(run), await run.get("phemex", "/public/products-plus")

    listed, plus = run(scenario)
    linear = {row["symbol"]: row for row in listed["perpProductsV2"]}
    coin = {row["symbol"]: row for row in listed["products"]}
    trading = [row for row in linear.values() if row["status"] == "Listed"]
    inverse = [row for row in coin.values() if row["type"] == "Perpetual" and row["status"] == "Listed"]
    assert len(trading) + len(inverse) == 134
    assert len(inverse) == 8
    assert len(linear) - len(trading) >= 50
    pepe, bitcoin = linear["u1000PEPEUSDT"], linear["BTCUSDT"]
    assert (pepe["baseCurrency"], pepe["displaySymbol"]) == ("1000 PEPE", "1000 PEPE / USDT")
    assert (bitcoin["priceScale"], bitcoin["fundingInterval"], type(bitcoin["tickSize"])) == (0, 28800, str)
    assert linear["BTCUSDC"]["settleCurrency"] == "USDC"
    assert linear["NGUSDT"]["perpProductSubType"] == "TradFi"
    assert linear["OPENAIUSDT"]["perpProductSubType"] == "PreMarket"
    assert (coin["BTCUSD"]["markSymbol"], coin["BTCUSD"]["priceScale"], coin["BTCUSD"]["ratioScale"]) == (".MBTC", 4, 8)
    assert (coin["cETHUSD"]["settleCurrency"], coin["cETHUSD"]["contractSize"]) == ("ETH", 1.0)
    assert coin["ETHUSD"]["status"] == "Delisted"
    assert coin["sOLUSDT"]["type"] == "Spot"
    assert len(plus["data"]["perpProductsV2"][0]["timeline"]) == 4


def test_rest_tickers_and_funding():
    async def scenario():
        async with running("phemex", instruments=40) as run:
            tickers = (await run.get("phemex", "/md/v3/ticker/24hr/all"))["result"]
            old = (await run.get("phemex", "/md/v2/ticker/24hr", symbol="BTCUSDT"))["result"]
            coin = (await run.get("phemex", "/md/v1/ticker/24hr/all"))["result"]
            few = (await run.get("phemex", "/contract-biz/public/real-funding-rates", symbol="ALL"))["data"]
            rates = await run.get("phemex", "/contract-biz/public/real-funding-rates", symbol="ALL", pageSize=200)
            history = await run.get(
                "phemex", "/api-data/public/data/funding-rate-history", symbol=".BTCUSDTFR8H", limit=3
            )
            clock = (await run.get("phemex", "/public/time"))["data"]["serverTime"]
            return tickers, old, coin, few, rates["data"], history["data"]["rows"], clock

    tickers, old, coin, few, rates, history, clock = run(scenario)
    ticker = {row["symbol"]: row for row in tickers}["BTCUSDT"]
    mark = float(ticker["markRp"])
    assert float(ticker["bidRp"]) < float(ticker["askRp"])
    assert float(ticker["volumeRq"]) * mark == pytest.approx(float(ticker["turnoverRv"]), rel=1e-3)
    assert "bidRp" not in old
    assert float(old["markPriceRp"]) == pytest.approx(mark, rel=1e-3)
    bitcoin = {row["symbol"]: row for row in coin}["BTCUSD"]
    assert bitcoin["markPrice"] / 1e4 == pytest.approx(mark, rel=0.01)
    assert bitcoin["turnover"] / 1e8 * bitcoin["markPrice"] / 1e4 == pytest.approx(bitcoin["volume"], rel=1e-3)
    assert (len(few["rows"]), few["total"], len(rates["rows"])) == (20, 40, 40)
    row = {row["symbol"]: row for row in rates["rows"]}["BTCUSD"]
    assert row["fundingInterval"] == 28800
    assert row["nextfundingTime"] % 28_800_000 == 0
    assert 0 <= row["nextfundingTime"] - clock - 1000 * row["toNextfundingInterval"] < 2000
    assert [type(row["fundingRate"]) for row in history] == [str] * 3
    assert history[0]["fundingTime"] < history[1]["fundingTime"]
    assert ticker["timestamp"] > 10**18


def test_rest_books_errors_and_limits():
    async def scenario():
        async with running("phemex") as run:
            strings = (await run.get("phemex", "/md/v2/orderbook", symbol="BTCUSDT"))["result"]
            whole = (await run.get("phemex", "/md/v2/fullbook", symbol="BTCUSDT"))["result"]
            scaled = (await run.get("phemex", "/md/orderbook", symbol="BTCUSD"))["result"]
            wrong = [
                await run.http.get(run.url("phemex", path))
                for path in ("/md/v2/orderbook?symbol=NOPE", "/md/orderbook?symbol=BTCUSDT", "/nope")
            ]
            await run.settings("phemex", requests_per_minute=0)
            refused = await run.http.get(run.url("phemex", "/public/time"))
            return strings, whole, scaled, wrong, refused

    strings, whole, scaled, wrong, refused = run(scenario)
    assert len(strings["orderbook_p"]["bids"]) == 30
    assert len(whole["orderbook_p"]["asks"]) > 100
    assert all(isinstance(value, int) for level in scaled["book"]["bids"] for value in level)
    assert scaled["book"]["bids"][0][0] > scaled["book"]["bids"][1][0]
    assert [answer.status_code for answer in wrong] == [500, 500, 403]
    assert (wrong[0].json()["error"]["code"], wrong[2].content) == (6001, b"")
    assert refused.status_code == 429
    assert refused.headers["x-ratelimit-retry-after-public"] == "60"


def test_requests_are_answered_by_their_id():
    async def scenario():
        async with running("phemex") as run, run.connect("phemex", "") as socket:
            answers = [
                await ask(socket, "server.ping"),
                await ask(socket, "trade_p.subscribe", "BTCUSDT", "ETHUSDT"),  # the second is ignored
                await ask(socket, "orderbook_p.subscribe", "NOPEUSDT"),
                await ask(socket, "orderbook_p.subscribe", "BTCUSD"),
                await ask(socket, "orderbook.subscribe", "BTCUSDT"),
                await ask(socket, "orderbook_p.subscribe", "BTCUSDT", False, 20),
                await ask(socket, "orderbook_p.unsubscribe"),
            ]
            await socket.send("nonsense")
            return answers, await until(socket, lambda frame: frame.get("id", 0) is None)

    answers, nonsense = run(scenario)
    assert [answer["result"] for answer in answers] == [
        "pong",
        {"status": "success"},
        None,
        None,
        None,
        None,
        {"status": "success"},
    ]
    assert answers[2]["error"] == nonsense["error"] == {"code": 6001, "message": "invalid argument"}


def test_a_connection_has_a_limit_of_subscriptions():
    async def scenario():
        async with running("phemex", rate=0) as run, run.connect("phemex", "") as socket:
            await run.settings("phemex", subscriptions_per_connection=2)
            return [
                await ask(socket, "trade_p.subscribe", name) for name in ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BTCUSDT")
            ]

    errors = [answer["error"] and answer["error"]["code"] for answer in run(scenario)]
    assert errors == [None, None, 6015, None]


@pytest.mark.parametrize(("depth", "count"), [(1, 1), (5, 5), (0, 30), (30, 30)])
def test_books_of_strings_rebuild(depth, count):
    """Levels that leave the window are not deleted by word: a client sorts and cuts."""

    async def scenario():
        async with running("phemex", rate=1500) as run, run.connect("phemex", "") as socket:
            await ask(socket, "orderbook_p.subscribe", "BTCUSDT", False, depth)
            frames = await collect(socket, 1.0)
            truth = await run.get("control", "/truth/phemex", symbols="BTCUSDT")
            return frames, truth["BTCUSDT"]

    frames, truth = run(scenario)
    first = frames[0]
    assert (first["type"], first["depth"], first["symbol"]) == ("snapshot", count, "BTCUSDT")
    assert len(first["orderbook_p"]["bids"]) == count
    assert {frame["type"] for frame in frames[1:]} == {"incremental"}
    sequences = [frame["sequence"] for frame in frames]
    assert sequences == sorted(set(sequences))
    bids, asks = dict(first["orderbook_p"]["bids"]), dict(first["orderbook_p"]["asks"])
    seen = {(row[1], row[3]) for row in truth}
    for frame in frames[1:]:
        apply_levels(bids, frame["orderbook_p"]["bids"])
        apply_levels(asks, frame["orderbook_p"]["asks"])
        bids = dict(sorted(bids.items(), key=lambda level: -float(level[0]))[:count])
        asks = dict(sorted(asks.items(), key=lambda level: float(level[0]))[:count])
        assert (float(next(iter(bids))), float(next(iter(asks)))) in seen


def test_books_of_integers_are_scaled():
    async def scenario():
        async with running("phemex", rate=1500) as run, run.connect("phemex", "") as socket:
            await ask(socket, "orderbook.subscribe", "cSOLUSD")
            frame = await receive(socket)
            truth = await run.get("control", "/truth/phemex", symbols="cSOLUSD")
            return frame, truth["cSOLUSD"]

    frame, truth = run(scenario)
    bid, ask_ = frame["book"]["bids"][0], frame["book"]["asks"][0]
    assert (bid[0] / 1e4, bid[1], ask_[0] / 1e4, ask_[1]) in {tuple(row[1:]) for row in truth}
    assert "dts" not in frame


def test_an_unchanged_book_is_sent_again_with_its_old_time():
    async def scenario():
        async with running("phemex", rate=0) as run, run.connect("phemex", "") as socket:
            await run.settings("phemex", snapshot_every_s=0.5)
            await ask(socket, "orderbook_p.subscribe", "BTCUSDT", False, 1)
            return await collect(socket, 1.3)

    frames = run(scenario)
    assert len(frames) == 3
    assert {frame["type"] for frame in frames} == {"snapshot"}
    assert len({frame["timestamp"] for frame in frames}) == 1
    assert frames[2]["dts"] - frames[1]["dts"] > 4e8


def test_the_pack_begins_whole_and_goes_on_without_names():
    async def scenario():
        async with running("phemex", rate=1500, instruments=40) as run, run.connect("phemex", "") as socket:
            await ask(socket, "perp_market24h_pack_p.subscribe")
            return await collect(socket, 3.3), await products(run)

    frames, listed = run(scenario)
    first, *others = frames
    assert first["type"] == "snapshot"
    assert (first["fields"][0], len(first["fields"])) == ("symbol", 14)
    names = {row["symbol"] for row in listed["perpProductsV2"]}
    trading = {row["symbol"] for row in listed["perpProductsV2"] if row["status"] == "Listed"}
    assert {row[0] for row in first["data"]} == names
    assert {frame["type"] for frame in others} == {"incremental"}
    assert not any("fields" in frame for frame in others)
    assert {row[0] for frame in others for row in frame["data"]} == trading


def test_coin_margined_market_and_ticks():
    async def scenario():
        async with running("phemex", rate=1500) as run, run.connect("phemex", "") as socket:
            await ask(socket, "market24h.subscribe")
            await ask(socket, "tick_p.subscribe", ".MBTCUSDT")
            await ask(socket, "tick.subscribe", ".BTC")
            frames = await collect(socket, 1.5)
            await ask(socket, "market24h.unsubscribe")
            await collect(socket, 0.3)
            return frames, await collect(socket, 1.2)

    frames, later = run(scenario)
    market = next(
        frame["market24h"] for frame in frames if "market24h" in frame and frame["market24h"]["symbol"] == "BTCUSD"
    )
    assert all(isinstance(value, int) for key, value in market.items() if key != "symbol")
    tick = next(frame["tick_p"] for frame in frames if "tick_p" in frame)
    scaled = next(frame["tick"] for frame in frames if "tick" in frame)
    assert tick["symbol"] == ".MBTCUSDT"
    assert scaled["last"] / 10 ** scaled["scale"] == pytest.approx(float(tick["last"]), rel=0.01)
    assert not any("market24h" in frame for frame in later)


def test_trades_begin_with_history():
    async def scenario():
        async with running("phemex", rate=1500) as run, run.connect("phemex", "") as socket:
            await ask(socket, "trade_p.subscribe", "BTCUSDT")
            return await collect(socket, 1.0)

    first, *others = run(scenario)
    assert first["type"] == "snapshot"
    assert {frame["type"] for frame in others} == {"incremental"}
    stamp, side, price, size = others[0]["trades_p"][0]
    assert stamp > 10**18
    assert side in ("Buy", "Sell")
    assert float(price) * float(size) > 0


def test_only_pings_keep_a_client():
    async def scenario():
        async with running("phemex", rate=1500) as run:
            await run.settings("phemex", idle_timeout_s=1)
            silent = await run.connect("phemex", "")
            await ask(silent, "orderbook_p.subscribe", "BTCUSDT")
            async with run.connect("phemex", "") as alive:
                before = time.monotonic()
                ended = asyncio.create_task(closed(silent))
                while not ended.done():
                    assert (await ask(alive, "server.ping"))["result"] == "pong"
                    await asyncio.sleep(0.3)
                return (await ended)[0], time.monotonic() - before, (await ask(alive, "server.ping"))["result"]

    code, lasted, answer = run(scenario)
    assert code in (0, 1006)
    assert 0.9 < lasted < 4
    assert answer == "pong"


def test_faults_of_the_market():
    async def scenario():
        async with running("phemex", rate=1500, instruments=20) as run, run.connect("phemex", "") as socket:
            await run.fault("phemex", "delist", symbol="ETHUSDT")
            fault = {"exchange": "phemex", "fault": "list"}
            listed = (await run.http.post(run.url("control", "/faults"), json=fault)).json()["symbol"]
            await run.fault("phemex", "halt", symbol="BTCUSDT")
            await run.fault("phemex", "funding_interval", symbol="SOLUSDT", hours=1)
            rows = {row["symbol"]: row for row in (await products(run))["perpProductsV2"]}
            await ask(socket, "orderbook_p.subscribe", "BTCUSDT", False, 1)
            frames = await collect(socket, 0.5)
            await run.fault("phemex", "reject", mode="subscribe")
            async with run.connect("phemex", "") as second:
                refused = await ask(second, "orderbook_p.subscribe", "SOLUSDT")
            return rows, listed, frames, refused

    rows, listed, frames, refused = run(scenario)
    assert rows["ETHUSDT"]["status"] == "Delisted"
    assert rows[listed]["status"] == "Listed"
    assert rows["BTCUSDT"]["status"] == "Listed"  # there is no word for a halt
    assert rows["SOLUSDT"]["fundingInterval"] == 3600
    assert [frame["type"] for frame in frames] == ["snapshot"]
    assert refused["error"]["code"] == 6001
