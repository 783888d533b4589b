"""Binance as its dossier describes it: routing, acks that prove nothing, sequence rules, limits."""

import asyncio
import itertools
import json
import time

import pytest
from simulator_harness import apply_levels, closed, collect, receive, running, send, until


async def open_and_subscribe(run, path, *streams, endpoint="ws"):
    socket = await run.connect("binance", path, endpoint)
    await send(socket, {"method": "SUBSCRIBE", "params": list(streams), "id": 1})
    assert await receive(socket) == {"result": None, "id": 1}
    return socket


def test_exchange_info_of_both_hosts():
    async def scenario():
        async with running("binance") as run:
            um = await run.get("binance", "/fapi/v1/exchangeInfo")
            cm = await run.get("binance", "/dapi/v1/exchangeInfo", "rest_coinm")
            return um, cm

    um, cm = asyncio.run(scenario())
    rows = {row["symbol"]: row for row in um["symbols"]}
    filters = {entry["filterType"]: entry for entry in rows["BTCUSDT"]["filters"]}

    assert filters["PRICE_FILTER"]["tickSize"] == "0.10"
    assert filters["LOT_SIZE"]["stepSize"] == "0.001"
    assert rows["BTCUSDT"]["status"] == "TRADING"
    assert "contractSize" not in rows["BTCUSDT"]
    assert rows["XAUUSDT"]["contractType"] == "TRADIFI_PERPETUAL"
    assert rows["XAUUSDT"]["underlyingType"] == "COMMODITY"
    assert {row["status"] for row in um["symbols"]} == {"TRADING", "SETTLING"}
    assert "CURRENT_QUARTER" in {row["contractType"] for row in um["symbols"]}
    inverse = {row["symbol"]: row for row in cm["symbols"]}
    assert inverse["BTCUSD_PERP"]["contractSize"] == 100
    assert inverse["ETHUSD_PERP"]["contractSize"] == 10
    assert inverse["BTCUSD_PERP"]["contractStatus"] == "TRADING"
    assert "status" not in inverse["BTCUSD_PERP"]


def test_rest_rows_and_errors():
    async def scenario():
        async with running("binance") as run:
            premium = {row["symbol"]: row for row in await run.get("binance", "/fapi/v1/premiumIndex")}
            assert "BTCUSD_PERP" in premium  # the merged product answers with both
            assert premium["AMBUSDT"]["nextFundingTime"] == 0
            assert int(premium["BTCUSDT"]["nextFundingTime"]) % (8 * 3_600_000) == 0
            one = await run.get("binance", "/fapi/v1/premiumIndex", symbol="btcusdt")
            assert one["symbol"] == "BTCUSDT"
            info = {row["symbol"]: row for row in await run.get("binance", "/fapi/v1/fundingInfo")}
            assert info["BTCUSDT"]["fundingIntervalHours"] == 8
            assert info["BTCUSDT"]["updateTime"] is None
            history = await run.get("binance", "/fapi/v1/fundingRate", symbol="BTCUSDT", limit=5)
            assert len(history) == 5
            assert history == sorted(history, key=lambda row: row["fundingTime"])
            tickers = {row["symbol"] for row in await run.get("binance", "/fapi/v1/ticker/24hr")}
            assert "AMBUSDT" not in tickers
            cm_row = (await run.get("binance", "/dapi/v1/ticker/24hr", "rest_coinm", symbol="BTCUSD_PERP"))[0]
            coins = float(cm_row["volume"]) * 100 / float(cm_row["weightedAvgPrice"])
            assert float(cm_row["baseVolume"]) == pytest.approx(coins, rel=1e-3)
            interest = await run.get("binance", "/fapi/v1/openInterest", symbol="BTCUSDT")
            assert float(interest["openInterest"]) > 0
            top = await run.get("binance", "/fapi/v1/ticker/bookTicker", symbol="BTCUSDT")
            assert float(top["bidPrice"]) < float(top["askPrice"])
            for path, params, error in (
                ("/fapi/v1/ticker/24hr", {"symbol": "NOPEUSDT"}, {"code": -1121, "msg": "Invalid symbol."}),
                (
                    "/fapi/v1/depth",
                    {"symbol": "BTCUSDT", "limit": 7},
                    {"code": -4021, "msg": "7 is not valid depth limit"},
                ),
            ):
                answer = await run.http.get(run.url("binance", path), params=params)
                assert (answer.status_code, answer.json()) == (400, error)

    asyncio.run(scenario())


def test_request_weight_is_one_pool_for_both_hosts_and_ends_in_a_ban():
    async def scenario():
        async with running("binance") as run:
            first = await run.http.get(run.url("binance", "/fapi/v1/ticker/24hr"))
            second = await run.http.get(run.url("binance", "/dapi/v1/ticker/24hr", "rest_coinm"))
            used = [int(answer.headers["X-MBX-USED-WEIGHT-1M"]) for answer in (first, second)]
            await run.settings("binance", weight_per_minute=used[1])
            refused = [await run.http.get(run.url("binance", "/fapi/v1/time")) for _ in range(25)]
            return used, refused

    used, refused = asyncio.run(scenario())
    assert used[1] - used[0] == 40
    assert refused[0].status_code == 429
    assert 1 <= int(refused[0].headers["Retry-After"]) <= 60
    assert refused[0].json()["code"] == -1003
    assert refused[-1].status_code == 418


def test_book_ticker_is_wrapped_complete_and_pushed_on_change_only():
    async def scenario():
        async with running("binance", rate=1500) as run:
            socket = await open_and_subscribe(run, "/public/stream", "btcusdt@bookTicker", "ethusdt@bookTicker")
            frames = await collect(socket, 1.0)
            await socket.close()
            return frames, time.time() * 1000

    frames, now_ms = asyncio.run(scenario())
    data = [frame["data"] for frame in frames if frame["stream"] == "btcusdt@bookTicker"]
    assert len(data) > 10
    assert set(data[0]) == {"e", "u", "s", "ps", "b", "B", "a", "A", "T", "E", "st"}
    assert [row["u"] for row in data] == sorted({row["u"] for row in data})
    tops = [(row["b"], row["B"], row["a"], row["A"]) for row in data]
    assert all(before != after for before, after in itertools.pairwise(tops))
    assert all(float(row["b"]) < float(row["a"]) and row["T"] <= row["E"] for row in data)
    assert abs(data[-1]["T"] - now_ms) < 1500


def test_raw_mode_takes_streams_from_the_path_and_combined_from_the_query():
    async def scenario():
        async with running("binance", rate=1500) as run:
            raw = await run.connect("binance", "/public/ws/btcusdt@bookTicker/ethusdt@bookTicker")
            assert (await receive(raw))["e"] == "bookTicker"
            combined = await run.connect("binance", "/market/stream?streams=btcusdt@markPrice@1s/!ticker@arr")
            frame = await until(combined, lambda frame: frame["stream"] == "btcusdt@markPrice@1s")
            assert {"p", "ap", "P", "i", "r", "T"} <= set(frame["data"])
            await send(combined, {"method": "LIST_SUBSCRIPTIONS", "id": 3})
            listed = await until(combined, lambda frame: frame.get("id") == 3)
            assert listed["result"] == ["btcusdt@markPrice@1s", "!ticker@arr"]
            await raw.close()
            await combined.close()

    asyncio.run(scenario())


def test_wrong_streams_are_acked_and_stay_silent():
    """Wrong path, unknown symbol, wrong case, wrong speed, the other product's symbol."""
    wrong = [
        ("/market/stream", "btcusdt@bookTicker"),
        ("/public/stream", "btcusdt@markPrice@1s"),
        ("/stream", "btcusdt@markPrice@1s"),
        ("/public/stream", "nopeusdt@bookTicker"),
        ("/public/stream", "BTCUSDT@bookTicker"),
        ("/public/stream", "btcusdt@depth5@250ms"),
        ("/public/stream", "btcusd_perp@bookTicker"),
    ]

    async def scenario():
        async with running("binance", rate=1500) as run:
            sockets = [await open_and_subscribe(run, path, stream) for path, stream in wrong]
            heard = await asyncio.gather(*(collect(socket, 1.2) for socket in sockets))
            for socket in sockets:
                await socket.close()
            return heard

    assert asyncio.run(scenario()) == [[]] * len(wrong)


def test_unrouted_paths_still_deliver_the_public_group():
    async def scenario():
        async with running("binance", rate=1500) as run:
            socket = await open_and_subscribe(run, "/stream", "btcusdt@bookTicker")
            assert (await receive(socket))["data"]["s"] == "BTCUSDT"
            await send(socket, {"method": "UNSUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 4})
            await until(socket, lambda frame: frame.get("id") == 4)
            assert await collect(socket, 0.4) == []
            await socket.close()

    asyncio.run(scenario())


def test_all_market_streams_mix_both_products_on_both_hosts():
    async def scenario():
        async with running("binance", rate=1500, instruments=60) as run:
            um = await open_and_subscribe(run, "/market/stream", "!markPrice@arr@1s", "!ticker@arr")
            cm = await open_and_subscribe(run, "/stream", "!markPrice@arr@1s", endpoint="ws_coinm")
            um_frames, cm_frames = await asyncio.gather(collect(um, 1.4), collect(cm, 1.2))
            await um.close()
            await cm.close()
            return um_frames, cm_frames

    um_frames, cm_frames = asyncio.run(scenario())
    marks = [frame["data"] for frame in um_frames if frame["stream"] == "!markPrice@arr@1s"]
    tradfi = [rows for rows in marks if any(row["s"] == "XAUUSDT" for row in rows)]
    coins = [rows for rows in marks if any(row["s"] == "BTCUSDT" for row in rows)]
    assert tradfi
    assert not any(row["s"] == "BTCUSDT" for row in tradfi[0])
    rows = {row["s"]: row for row in coins[0]}
    assert (rows["BTCUSDT"]["st"], rows["BTCUSD_PERP"]["st"]) == (1, 2)
    assert (rows["AMBUSDT"]["T"], float(rows["AMBUSDT"]["r"])) == (0, 0)
    assert any(row["r"] == "" for symbol, row in rows.items() if symbol.startswith("BTCUSD_2"))
    tickers = [row for frame in um_frames if frame["stream"] == "!ticker@arr" for row in frame["data"]]
    assert {row["st"] for row in tickers} == {1, 2}
    assert {row["st"] for frame in cm_frames for row in frame["data"]} == {1, 2}


def test_depth_diffs_chain_and_straddle_the_rest_book():
    async def scenario():
        async with running("binance", rate=1500) as run:
            socket = await open_and_subscribe(run, "/public/stream", "btcusdt@depth@100ms")
            diffs = [(await receive(socket))["data"]]
            seed = await run.get("binance", "/fapi/v1/depth", symbol="BTCUSDT", limit=1000)
            diffs += [frame["data"] for frame in await collect(socket, 1.0)]
            truth = await run.get("control", "/truth/binance", symbols="BTCUSDT")
            await socket.close()
            return seed, diffs, truth["BTCUSDT"]

    seed, diffs, truth = asyncio.run(scenario())
    assert len(diffs) > 5
    assert all(after["pu"] == before["u"] for before, after in itertools.pairwise(diffs))
    usable = [diff for diff in diffs if diff["u"] >= seed["lastUpdateId"]]
    assert usable[0]["U"] <= seed["lastUpdateId"] <= usable[0]["u"]
    bids, asks = dict(seed["bids"]), dict(seed["asks"])
    for diff in usable:
        apply_levels(bids, diff["b"])
        apply_levels(asks, diff["a"])
    best = (max(map(float, bids)), min(map(float, asks)))
    assert best[0] < best[1]
    assert best in {(row[1], row[3]) for row in truth}


def test_partial_depth_is_a_whole_book_of_n_levels():
    async def scenario():
        async with running("binance", rate=1500) as run:
            socket = await open_and_subscribe(run, "/stream", "btcusd_perp@depth20@100ms", endpoint="ws_coinm")
            frame = (await receive(socket))["data"]
            await socket.close()
            return frame

    frame = asyncio.run(scenario())
    assert (frame["e"], len(frame["b"]), len(frame["a"]), frame["st"]) == ("depthUpdate", 20, 20, 2)
    assert float(frame["b"][0][0]) < float(frame["a"][0][0])
    assert float(frame["b"][0][1]).is_integer()  # contracts


def test_trades_carry_the_taker_side():
    async def scenario():
        async with running("binance", rate=1500) as run:
            socket = await open_and_subscribe(run, "/market/stream", "btcusdt@aggTrade")
            trade = (await receive(socket))["data"]
            await socket.close()
            return trade

    trade = asyncio.run(scenario())
    assert trade["e"] == "aggTrade"
    assert isinstance(trade["m"], bool)
    assert float(trade["q"]) > 0


def test_bad_requests_get_binance_errors():
    async def scenario():
        async with running("binance") as run:
            socket = await run.connect("binance", "/public/ws")
            answers = []
            for message in ('{"nope', '{"id":9}', '{"method":"WHAT","id":8}'):
                await send(socket, message)
                answers.append((await receive(socket))["error"]["code"])
            await socket.close()
            return answers

    assert asyncio.run(scenario()) == [3, 2, 0]


def test_more_than_1024_streams_lose_the_connection():
    async def scenario():
        async with running("binance") as run:
            socket = await run.connect("binance", "/public/stream")
            names = [f"x{number}usdt@bookTicker" for number in range(1025)]
            await send(socket, {"method": "SUBSCRIBE", "params": names[:1024], "id": 1})
            assert (await receive(socket))["result"] is None
            await send(socket, {"method": "SUBSCRIBE", "params": names[1024:], "id": 7})
            error = await receive(socket)
            return error, await closed(socket)

    error, ending = asyncio.run(scenario())
    assert error == {"error": {"code": 4, "msg": "Too many subscriptions"}, "id": 7}
    assert ending == (1008, "Invalid request")


def test_more_than_ten_messages_a_second_lose_the_connection():
    async def scenario():
        async with running("binance") as run:
            socket = await run.connect("binance", "/public/stream")
            for number in range(11):
                await socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
            return await closed(socket)

    assert asyncio.run(scenario()) == (1008, "Too many requests")


def test_client_pings_are_answered_and_counted():
    async def scenario():
        async with running("binance") as run:
            socket = await run.connect("binance", "/public/stream")
            await asyncio.wait_for(await socket.ping(), 2)
            for _ in range(10):
                await socket.ping()
            return await closed(socket)

    assert asyncio.run(scenario()) == (1008, "Too many requests")


def test_server_pings_and_closes_who_does_not_answer():
    async def scenario():
        async with running("binance") as run:
            await run.settings("binance", ping_interval_s=0.5, pong_timeout_s=1)
            answering = await run.connect("binance", "/public/stream")
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", int(run.endpoints["binance"]["ws"].rsplit(":", 1)[1])
            )
            writer.write(
                b"GET /public/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            await reader.readuntil(b"\r\n\r\n")
            received = await asyncio.wait_for(reader.read(), 8)
            answering_open = answering.close_code is None
            await answering.close()
            writer.close()
            return received, answering_open

    received, answering_open = asyncio.run(scenario())
    assert received[0] == 0x89  # a ping frame
    assert b"\x88" in received  # and in the end a close frame
    assert answering_open


def test_connections_end_with_their_lifetime():
    async def scenario():
        async with running("binance") as run:
            await run.settings("binance", lifetime_s=0.5)
            socket = await run.connect("binance", "/public/stream")
            return await closed(socket)

    assert asyncio.run(scenario())[0] == 1001
