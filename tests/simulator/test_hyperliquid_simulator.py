"""Hyperliquid as its dossier describes it: one address for everything, whole frames, sockets cut without a word."""

import asyncio

import pytest
from simulator_harness import closed, collect, receive, running, send, until

from simulator.exchanges.registry import REGISTRY

NAME = "hyperliquid"


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(REGISTRY, NAME, "simulator.exchanges.hyperliquid:Hyperliquid")


async def ask(run, kind, **more):
    """Post one question and return its answer, decoded."""
    answer = await run.http.post(run.url(NAME, "/info"), json={"type": kind, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def subscribe(socket, kind, coin, method="subscribe", **more):
    """Send one request and return its answer."""
    await send(socket, {"method": method, "subscription": {"type": kind, "coin": coin, **more}})
    return await until(socket, lambda frame: frame["channel"] in ("subscriptionResponse", "error"))


def of(frames, channel):
    return [frame["data"] for frame in frames if frame["channel"] == channel]


def test_contexts_belong_to_the_universe_by_their_place():
    async def scenario():
        async with running(NAME, instruments=60) as run:
            meta, contexts = await ask(run, "metaAndAssetCtxs")
            return meta, contexts, await ask(run, "meta"), await ask(run, "allMids"), await ask(run, "perpDexs")

    meta, contexts, alone, mids, dexes = asyncio.run(scenario())
    universe = meta["universe"]
    assert len(universe) == len(contexts) == 62
    assert alone["universe"] == universe
    assert dexes == [None]
    rows = {row["name"]: (row, context) for row, context in zip(universe, contexts, strict=True)}
    btc, context = rows["BTC"]
    assert "isDelisted" not in btc
    assert all(isinstance(context[name], str) for name in ("funding", "openInterest", "oraclePx", "markPx", "midPx"))
    assert abs(float(context["markPx"]) / float(context["oraclePx"]) - 1) < 0.01
    assert float(mids["BTC"]) == pytest.approx(float(context["midPx"]), rel=1e-3)
    assert float(rows["kPEPE"][1]["markPx"]) == pytest.approx(0.0040731, rel=0.05)  # per 1000 coins
    gone = [(row, context) for row, context in rows.values() if row.get("isDelisted")]
    assert {row["name"] for row, _ in gone} == {"MKR", "LOOM"}
    assert {context["midPx"] for _, context in gone} == {None}


def test_questions_that_are_refused():
    async def scenario():
        async with running(NAME) as run:
            url = run.url(NAME, "/info")
            answers = [
                await run.http.post(url, json={"type": "nope"}),
                await run.http.post(url, json={"type": "l2Book"}),
                await run.http.post(url, content=b"{", headers={"Content-Type": "application/json"}),
                await run.http.post(url, content=b"{}", headers={"Content-Type": "text/plain"}),
                await run.http.post(url, json={"type": "meta", "dex": "nope"}),
                await run.http.post(url, json={"type": "l2Book", "coin": "NOPE"}),
                await run.http.get(url),
            ]
            weights = [(await run.http.post(url, json={"type": "meta"})).status_code for _ in range(60)]
            return [(answer.status_code, answer.text) for answer in answers], weights

    answers, weights = asyncio.run(scenario())
    assert [status for status, _ in answers] == [422, 422, 400, 415, 500, 200, 405]
    assert answers[4][1] == answers[5][1] == "null"
    assert set(weights) == {200, 429}  # 1,200 a minute


def test_the_touch_comes_at_once_and_with_every_change():
    async def scenario():
        async with running(NAME, rate=400) as run, run.connect(NAME, "/ws") as socket:
            ack = await subscribe(socket, "bbo", "BTC")
            first = await receive(socket)
            frames = await collect(socket, 1.5)
            truth = (await run.get("control", f"/truth/{NAME}", symbols="BTC"))["BTC"]
            return ack, first, frames, truth

    ack, first, frames, truth = asyncio.run(scenario())
    assert ack["data"] == {"method": "subscribe", "subscription": {"type": "bbo", "coin": "BTC"}}
    touches = [first["data"], *of(frames, "bbo")]
    assert len(touches) > 3
    times = [touch["time"] for touch in touches]
    assert times == sorted(times)
    for touch in touches:
        bid, ask_side = touch["bbo"]
        assert float(bid["px"]) < float(ask_side["px"])
        assert {len(bid["px"].replace(".", "").rstrip("0")) <= 5} == {True}
    sides = [float(side[field]) for side in touches[-1]["bbo"] for field in ("px", "sz")]
    assert sides in [row[1:] for row in truth]


def test_books_come_whole_at_their_pace():
    async def scenario():
        async with running(NAME) as run, run.connect(NAME, "/ws") as socket:
            ack = await subscribe(socket, "l2Book", "BTC", fast=True)
            return ack, of(await collect(socket, 2.0), "l2Book"), await ask(run, "l2Book", coin="BTC")

    ack, books, rest = asyncio.run(scenario())
    filled = {"type": "l2Book", "coin": "BTC", "nSigFigs": None, "mantissa": None, "fast": True}
    assert ack["data"]["subscription"] == filled
    assert 3 <= len(books) <= 6
    for book in books:
        bids, asks = ([float(level["px"]) for level in side] for side in book["levels"])
        assert (len(bids), len(asks), book["fast"]) == (5, 5, True)
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        assert bids[0] < asks[0]
    assert [len(side) for side in rest["levels"]] == [20, 20]


def test_contexts_trades_and_mids():
    async def scenario():
        async with running(NAME) as run, run.connect(NAME, "/ws") as socket:
            await subscribe(socket, "activeAssetCtx", "ETH")
            await subscribe(socket, "trades", "ETH")
            return await collect(socket, 2.5)

    frames = asyncio.run(scenario())
    contexts = of(frames, "activeAssetCtx")
    assert len(contexts) >= 2
    assert contexts[0]["coin"] == "ETH"
    past = of(frames, "trades")[0]
    assert len(past) == 30


@pytest.mark.parametrize("coin", ["btc", "NOPE", "xyz:SP500"])
def test_a_name_that_does_not_exist_cuts_the_socket_without_a_word(coin):
    async def scenario():
        async with running(NAME) as run, run.connect(NAME, "/ws") as socket:
            await send(socket, {"method": "subscribe", "subscription": {"type": "bbo", "coin": coin}})
            return await closed(socket)

    assert asyncio.run(scenario())[0] in (0, 1006)


def test_errors_leave_the_socket_open():
    async def scenario():
        async with running(NAME) as run, run.connect(NAME, "/ws") as socket:
            await subscribe(socket, "bbo", "BTC")
            twice = await subscribe(socket, "bbo", "BTC")
            never = await subscribe(socket, "bbo", "ETH", method="unsubscribe")
            many = await subscribe(socket, "bbo", ["BTC", "ETH"])
            await send(socket, "{")
            broken = await until(socket, lambda frame: frame["channel"] == "error")
            await send(socket, {"method": "ping"})
            pong = await until(socket, lambda frame: frame["channel"] == "pong")
            return [frame["data"] for frame in (twice, never, many, broken)], pong

    texts, pong = asyncio.run(scenario())
    assert [text.partition(":")[0] for text in texts] == [
        "Already subscribed",
        "Already unsubscribed",
        "Error parsing JSON into valid websocket request",
        "Error parsing JSON into valid websocket request",
    ]
    assert pong == {"channel": "pong"}


def test_a_socket_with_nothing_to_say_is_cut_unless_it_is_pinged():
    async def scenario():
        async with running(NAME) as run:
            await run.settings(NAME, silence_timeout_s=1.0)
            async with run.connect(NAME, "/ws") as silent, run.connect(NAME, "/ws") as pinging:
                for _ in range(8):
                    await send(pinging, {"method": "ping"})
                    await asyncio.sleep(0.4)
                await send(pinging, {"method": "ping"})
                return await closed(silent), await receive(pinging)

    ended, pong = asyncio.run(scenario())
    assert ended[0] in (0, 1006)
    assert pong == {"channel": "pong"}


def test_limits_of_one_address():
    async def scenario():
        async with running(NAME) as run:
            await run.settings(NAME, max_connections=1, max_subscriptions=2)
            async with run.connect(NAME, "/ws") as socket:
                answers = [await subscribe(socket, "bbo", coin) for coin in ("BTC", "ETH", "SOL")]
                refused = await run.http.get(
                    run.url(NAME, "/ws"),
                    headers={"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                             "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="},
                )  # fmt: skip
                return [answer["channel"] for answer in answers], refused.status_code

    assert asyncio.run(scenario()) == (["subscriptionResponse", "subscriptionResponse", "error"], 429)


def test_a_halted_coin_has_an_empty_book_and_a_delisted_one_keeps_its_row():
    async def scenario():
        async with running(NAME) as run, run.connect(NAME, "/ws") as socket:
            await subscribe(socket, "bbo", "ETH")
            await subscribe(socket, "l2Book", "ETH", fast=True)
            await run.fault(NAME, "halt", symbol="ETH", duration_s=1.5)
            halted = await until(socket, lambda frame: frame["channel"] == "bbo" and frame["data"]["bbo"][0] is None)
            empty = await until(socket, lambda f: f["channel"] == "l2Book" and f["data"]["levels"] == [[], []])
            back = await until(socket, lambda frame: frame["channel"] == "bbo" and frame["data"]["bbo"][0] is not None)
            await run.fault(NAME, "delist", symbol="SOL", duration_s=20)
            delisted = [row["name"] for row in (await ask(run, "meta"))["universe"] if row.get("isDelisted")]
            interval = await run.http.post(
                run.url("control", "/faults"),
                json={"exchange": NAME, "fault": "funding_interval", "symbol": "BTC", "hours": 2},
            )
            return halted, empty, back, delisted, interval

    halted, empty, back, delisted, interval = asyncio.run(scenario())
    assert halted
    assert empty
    assert back
    assert set(delisted) == {"MKR", "LOOM", "SOL"}
    assert interval.status_code == 400
    assert "every hour" in interval.text


def test_refused_subscriptions_are_refused_in_its_own_words():
    async def scenario():
        async with running(NAME) as run:
            await run.fault(NAME, "reject", mode="subscribe")
            async with run.connect(NAME, "/ws") as socket:
                return await subscribe(socket, "bbo", "BTC")

    answer = asyncio.run(scenario())
    assert answer["channel"] == "error"
    assert answer["data"].startswith('Error parsing JSON into valid websocket request: {"method"')


def test_funding_is_hourly():
    async def scenario():
        async with running(NAME) as run:
            predicted = dict(await ask(run, "predictedFundings"))
            start = 1_790_000_000_000
            return predicted["BTC"], await ask(run, "fundingHistory", coin="BTC", startTime=start, endTime=start + 9e6)

    ((name, row),), history = asyncio.run(scenario())
    assert (name, row["fundingIntervalHours"], row["nextFundingTime"] % 3_600_000) == ("HlPerp", 1, 0)
    assert [round(row["time"] / 3_600_000) for row in history] == [497_223, 497_224]
