"""Bybit v5 as its dossier describes it: paging, all-or-nothing batches, snapshots and deltas."""

import asyncio

import pytest
from simulator_harness import apply_levels, closed, collect, receive, running, send, until

LINEAR, INVERSE = "/v5/public/linear", "/v5/public/inverse"


async def subscribe(socket, *topics, req_id="s1"):
    await send(socket, {"req_id": req_id, "op": "subscribe", "args": list(topics)})
    return await until(socket, lambda frame: frame.get("op") == "subscribe")


async def instruments(run, **params):
    rows, cursor, pages = [], "", 0
    while True:
        answer = await run.get(
            "bybit", "/v5/market/instruments-info", **params, **({"cursor": cursor} if cursor else {})
        )
        rows += answer["result"]["list"]
        pages += 1
        cursor = answer["result"]["nextPageCursor"]
        if not cursor:
            return rows, pages


def test_instruments_are_paged_sorted_and_trading_only():
    async def scenario():
        async with running("bybit", instruments=60) as run:
            whole, one = await instruments(run, category="linear")
            paged, many = await instruments(run, category="linear", limit=20)
            inverse, _ = await instruments(run, category="inverse")
            waiting, _ = await instruments(run, category="linear", status="PreLaunch")
            gone, _ = await instruments(run, category="linear", status="Closed")
            return whole, one, paged, many, inverse, waiting, gone

    whole, one, paged, many, inverse, waiting, gone = asyncio.run(scenario())
    assert (one, whole) == (1, paged)
    assert many >= 3
    rows = {row["symbol"]: row for row in whole}
    assert list(rows) == sorted(rows)
    assert {row["status"] for row in whole} == {"Trading"}
    assert (rows["BTCUSDT"]["fundingInterval"], rows["BTCUSDT"]["priceFilter"]["tickSize"]) == (480, "0.10")
    assert (rows["BTCPERP"]["quoteCoin"], rows["BTCPERP"]["settleCoin"]) == ("USDC", "USDC")
    assert rows["XAUUSDT"]["symbolType"] == "commodity"
    assert rows["ONUSDT"]["symbolType"] == "stock"
    assert "LinearFutures" in {row["contractType"] for row in whole}
    assert {row["contractType"] for row in inverse} == {"InversePerpetual", "InverseFutures"}
    assert [row["symbol"] for row in waiting] == ["OPENAIUSDT"]
    assert waiting[0]["isPreListing"] is True
    assert {row["status"] for row in gone} == {"Closed"}


def test_rest_tickers_use_the_units_of_their_category():
    async def scenario():
        async with running("bybit") as run:
            linear = (await run.get("bybit", "/v5/market/tickers", category="linear", symbol="BTCUSDT"))["result"][
                "list"
            ][0]
            inverse = (await run.get("bybit", "/v5/market/tickers", category="inverse", symbol="BTCUSD"))["result"][
                "list"
            ][0]
            book = (await run.get("bybit", "/v5/market/orderbook", category="linear", symbol="BTCUSDT", limit=50))[
                "result"
            ]
            history = await run.get("bybit", "/v5/market/funding/history", category="linear", symbol="BTCUSDT", limit=3)
            clock = (await run.get("bybit", "/v5/market/time"))["result"]
            return linear, inverse, book, history, clock

    linear, inverse, book, history, clock = asyncio.run(scenario())
    mark = float(linear["markPrice"])
    assert float(linear["openInterest"]) * mark == pytest.approx(float(linear["openInterestValue"]), rel=1e-3)
    assert float(linear["volume24h"]) * mark == pytest.approx(float(linear["turnover24h"]), rel=1e-3)
    mark = float(inverse["markPrice"])
    assert float(inverse["openInterestValue"]) * mark == pytest.approx(float(inverse["openInterest"]), rel=1e-3)
    assert float(inverse["turnover24h"]) * mark == pytest.approx(float(inverse["volume24h"]), rel=1e-3)
    assert len(book["b"]) == len(book["a"]) == 50
    assert len(history["result"]["list"]) == 3
    assert clock["timeNano"].startswith(clock["timeSecond"])


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/v5/market/tickers", {"category": "linear", "symbol": "NOPE"}),
        ("/v5/market/tickers", {}),
        ("/v5/market/instruments-info", {"category": "linear", "limit": 2000}),
        ("/v5/market/funding/history", {"category": "linear", "symbol": "BTCUSDT", "startTime": 1}),
    ],
)
def test_wrong_parameters_are_answered_with_10001(path, params):
    async def scenario():
        async with running("bybit") as run:
            answer = await run.http.get(run.url("bybit", path), params=params)
            return answer.status_code, answer.json()["retCode"]

    assert asyncio.run(scenario()) == (200, 10001)


def test_too_many_requests_get_403():
    async def scenario():
        async with running("bybit") as run:
            await run.settings("bybit", requests_per_5s=3)
            answers = [await run.http.get(run.url("bybit", "/v5/market/time")) for _ in range(4)]
            return [answer.status_code for answer in answers], answers[-1].text

    assert asyncio.run(scenario()) == ([200, 200, 200, 403], "access too frequent")


def test_subscribe_answers_with_the_request_id():
    async def scenario():
        async with running("bybit") as run, run.connect("bybit", LINEAR) as socket:
            ack = await subscribe(socket, "tickers.BTCUSDT", req_id="abc")
            await send(socket, {"req_id": "p1", "op": "ping"})
            pong = await until(socket, lambda frame: frame.get("op") == "ping")
            return ack, pong

    ack, pong = asyncio.run(scenario())
    assert (ack["success"], ack["req_id"], ack["op"], ack["ret_msg"]) == (True, "abc", "subscribe", "")
    assert (pong["success"], pong["ret_msg"], pong["req_id"]) == (True, "pong", "p1")


@pytest.mark.parametrize("bad", ["tickers.NOPEUSDT", "orderbook.500.BTCUSDT", "tickers.BTCUSD", "tickers.DARUSDT"])
def test_one_invalid_topic_rejects_the_batch(bad):
    async def scenario():
        async with running("bybit", rate=1500) as run, run.connect("bybit", LINEAR) as socket:
            ack = await subscribe(socket, "tickers.BTCUSDT", bad)
            return ack, await collect(socket, 0.5)

    ack, frames = asyncio.run(scenario())
    assert ack["success"] is False
    assert ack["ret_msg"] == f"error:handler not found,topic:{bad}"
    assert frames == []


def test_a_repeated_topic_rejects_the_batch():
    async def scenario():
        async with running("bybit", rate=0) as run, run.connect("bybit", LINEAR) as socket:
            assert (await subscribe(socket, "publicTrade.BTCUSDT"))["success"]
            ack = await subscribe(socket, "publicTrade.ETHUSDT", "publicTrade.BTCUSDT", req_id="2")
            await send(socket, {"op": "unsubscribe", "args": ["publicTrade.BTCUSDT"]})
            assert (await until(socket, lambda frame: frame.get("op") == "unsubscribe"))["success"]
            again = await subscribe(socket, "publicTrade.BTCUSDT", "publicTrade.ETHUSDT")
            return ack, again

    ack, again = asyncio.run(scenario())
    assert ack["ret_msg"] == "error:already subscribed,topic:publicTrade.BTCUSDT"
    assert again["success"]


def test_topics_of_a_connection_may_not_exceed_21000_characters():
    async def scenario():
        async with running("bybit", rate=0, instruments=330) as run:
            rows, _ = await instruments(run, category="linear")
            names = [row["symbol"] for row in rows]
            topics = [f"{prefix}.{name}" for prefix in ("kline.1", "kline.5", "kline.15", "kline.60") for name in names]
            async with run.connect("bybit", LINEAR) as socket:
                acks, used = [], 0
                for start in range(0, len(topics), 100):
                    batch = topics[start : start + 100]
                    used += sum(map(len, batch))
                    acks.append(((await subscribe(socket, *batch))["success"], used <= 21_000))
                    if used > 21_000:
                        return acks

    acks = asyncio.run(scenario())
    assert acks[-1] == (False, False)
    assert all(ack == (True, True) for ack in acks[:-1])


def test_tickers_start_with_a_snapshot_and_go_on_with_changed_keys_only():
    async def scenario():
        async with running("bybit", rate=1500) as run, run.connect("bybit", LINEAR) as socket:
            await subscribe(socket, "tickers.BTCUSDT")
            frames = await collect(socket, 2.2)
            rest = await run.get("bybit", "/v5/market/tickers", category="linear", symbol="BTCUSDT")
            return frames, rest["result"]["list"][0]

    frames, rest = asyncio.run(scenario())
    kinds = [frame["type"] for frame in frames]
    assert kinds[0] == "snapshot"
    assert set(kinds[1:]) == {"delta"}
    assert {"markPrice", "fundingRate", "nextFundingTime", "fundingIntervalHour", "bid1Price"} <= set(frames[0]["data"])
    state = dict(frames[0]["data"])
    for frame in frames[1:]:
        changed = {key: value for key, value in frame["data"].items() if key != "symbol"}
        assert changed
        assert all(state[key] != value for key, value in changed.items())
        state.update(changed)
    assert any("markPrice" in frame["data"] for frame in frames[1:])
    assert any("markPrice" not in frame["data"] for frame in frames[1:])
    assert state["nextFundingTime"] == rest["nextFundingTime"]
    assert [frame["cs"] for frame in frames] == sorted({frame["cs"] for frame in frames})
    stamps = [frame["ts"] for frame in frames[1:]]
    assert len(stamps) <= 2.2 * 12 + 4  # 100 ms, and the once-a-second fields


def test_orderbook_1_is_snapshots_and_repeats_with_the_same_u():
    async def scenario():
        async with running("bybit", rate=1500) as run, run.connect("bybit", INVERSE) as socket:
            await subscribe(socket, "orderbook.1.BTCUSD")
            moving = await collect(socket, 0.5)
            await run.http.post(run.url("control", "/rate"), json={"rate": 0})
            moving += await collect(socket, 0.2)
            return moving, await asyncio.wait_for(receive(socket), 4.0)

    moving, repeat = asyncio.run(scenario())
    assert {frame["type"] for frame in [*moving, repeat]} == {"snapshot"}
    assert [frame["data"]["u"] for frame in moving] == sorted({frame["data"]["u"] for frame in moving})
    assert float(moving[0]["data"]["b"][0][1]).is_integer()  # USD
    assert (repeat["data"], repeat["cts"]) == (moving[-1]["data"], moving[-1]["cts"])
    assert 2900 <= repeat["ts"] - moving[-1]["ts"] <= 3500


def test_deep_books_chain_by_u_and_rebuild():
    async def scenario():
        async with (
            running("bybit", rate=1500) as run,
            run.connect("bybit", LINEAR) as first,
            run.connect("bybit", LINEAR) as second,
        ):
            await subscribe(first, "orderbook.50.BTCUSDT")
            await collect(first, 0.3)
            await subscribe(second, "orderbook.50.BTCUSDT")
            frames = await collect(second, 1.0)
            truth = await run.get("control", "/truth/bybit", symbols="BTCUSDT")
            return frames, truth["BTCUSDT"]

    frames, truth = asyncio.run(scenario())
    assert frames[0]["type"] == "snapshot"
    assert len(frames[0]["data"]["b"]) == 50
    updates = [frame["data"]["u"] for frame in frames]
    assert updates == list(range(updates[0], updates[0] + len(updates)))
    bids, asks = dict(frames[0]["data"]["b"]), dict(frames[0]["data"]["a"])
    for frame in frames[1:]:
        apply_levels(bids, frame["data"]["b"])
        apply_levels(asks, frame["data"]["a"])
    assert len(bids) == len(asks) == 50
    assert (max(map(float, bids)), min(map(float, asks))) in {(row[1], row[3]) for row in truth}


def test_trades_have_the_taker_side():
    async def scenario():
        async with running("bybit", rate=1500) as run, run.connect("bybit", LINEAR) as socket:
            await subscribe(socket, "publicTrade.BTCUSDT")
            return await receive(socket)

    trade = asyncio.run(scenario())["data"][0]
    assert trade["S"] in ("Buy", "Sell")
    assert trade["s"] == "BTCUSDT"


def test_silent_clients_are_dropped():
    async def scenario():
        async with running("bybit", rate=1500) as run:
            await run.settings("bybit", idle_timeout_s=1)
            socket = await run.connect("bybit", LINEAR)
            await subscribe(socket, "tickers.BTCUSDT")
            return await closed(socket)

    assert asyncio.run(scenario())[0] != 0
