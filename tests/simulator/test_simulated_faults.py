"""Each fault does to a client what its name says, ends on time, and leaves the rest alone."""

import asyncio
import json
import time

import pytest
import websockets
from simulator_harness import closed, collect, receive, running, send, until

from simulator import faults

STREAM = "/public/stream?streams=btcusdt@bookTicker/ethusdt@bookTicker"
RATE = 1500


async def open_stream(run):
    socket = await run.connect("binance", STREAM)
    await receive(socket)
    return socket


def is_valid(frame):
    return isinstance(frame, dict) and isinstance(frame.get("data"), dict) and frame["data"].get("e") == "bookTicker"


def test_drop_cuts_existing_sockets_without_a_closing_handshake():
    async def scenario():
        async with running("binance", rate=RATE) as run:
            socket = await open_stream(run)
            await run.fault("binance", "drop")
            code, _ = await closed(socket)
            again = await open_stream(run)
            await again.close()
            return code

    assert asyncio.run(scenario()) == 1006


def test_half_open_sockets_neither_send_nor_answer_and_new_ones_work():
    async def scenario():
        async with running("binance", rate=RATE) as run:
            socket = await open_stream(run)
            await run.fault("binance", "half_open", duration_s=1.2)
            await collect(socket, 0.1)
            frames = await collect(socket, 0.3)
            pong = await socket.ping()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(pong, 0.3)
            open_still = socket.close_code is None
            fresh = await open_stream(run)
            await fresh.close()
            code, _ = await closed(socket)
            return frames, open_still, code

    assert asyncio.run(scenario()) == ([], True, 1006)


def test_silence_stops_data_on_old_and_new_sockets_but_not_pongs():
    async def scenario():
        async with running("binance", rate=RATE) as run:
            socket = await open_stream(run)
            fault = await run.fault("binance", "silence", duration_s=0)
            await collect(socket, 0.2)
            old = await collect(socket, 0.5)
            await asyncio.wait_for(await socket.ping(), 1)
            fresh = await run.connect("binance", STREAM)
            new = await collect(fresh, 0.5)
            await run.http.delete(run.url("control", f"/faults/{fault}"))
            resumed = await receive(socket), await receive(fresh)
            await socket.close()
            await fresh.close()
            return old, new, resumed

    old, new, resumed = asyncio.run(scenario())
    assert (old, new) == ([], [])
    assert all(is_valid(frame) for frame in resumed)


@pytest.mark.parametrize("kind", ["undecodable", "truncated", "wrong_type", "unknown_channel"])
def test_garbage_spoils_a_share_of_the_frames(kind):
    async def scenario():
        async with running("binance", rate=RATE) as run:
            socket = await open_stream(run)
            await run.fault("binance", "garbage", share=0.5, kind=kind)
            await collect(socket, 0.1)
            frames = await collect(socket, 0.8)
            await socket.close()
            return frames

    frames = asyncio.run(scenario())
    texts = [frame for frame in frames if isinstance(frame, str)]
    if kind in ("undecodable", "truncated"):
        bad = texts
    elif kind == "unknown_channel":
        bad = [frame for frame in frames if frame["data"]["e"] == "somethingNew"]
    else:
        bad = [frame for frame in frames if any(isinstance(value, dict) for value in frame["data"].values())]
    assert len(frames) > 20
    assert 0.25 < len(bad) / len(frames) < 0.75


def test_slow_delays_every_frame():
    async def scenario():
        async with running("binance", rate=RATE) as run:
            socket = await open_stream(run)
            await run.fault("binance", "slow", delay_s=0.8)
            await collect(socket, 1.0)
            frame = await receive(socket)
            late_ms = time.time() * 1000 - frame["data"]["E"]
            await socket.close()
            return late_ms

    assert 750 < asyncio.run(scenario()) < 1300


def test_duplicate_sends_each_frame_twice():
    async def scenario():
        async with running("binance", rate=RATE) as run:
            socket = await open_stream(run)
            await run.fault("binance", "duplicate")
            await collect(socket, 0.1)
            frames = await collect(socket, 0.6)
            await socket.close()
            return [frame["data"]["u"] for frame in frames]

    updates = asyncio.run(scenario())
    assert len(updates) > 10
    assert len(updates) - len(set(updates)) >= len(updates) // 2 - 2


def test_out_of_order_shuffles_and_loses_nothing():
    async def scenario():
        async with running("binance", rate=RATE) as run:
            socket = await open_stream(run)
            fault = await run.fault("binance", "out_of_order", window=10)
            frames = await collect(socket, 1.0)
            await run.http.delete(run.url("control", f"/faults/{fault}"))
            frames += await collect(socket, 0.3)
            await socket.close()
            return [(frame["data"]["s"], frame["data"]["u"]) for frame in frames]

    updates = asyncio.run(scenario())
    assert updates != sorted(updates, key=lambda pair: pair[1])
    assert len(set(updates)) == len(updates)


def test_reject_with_503_drops_and_refuses():
    async def scenario():
        async with running("binance", rate=RATE) as run:
            socket = await open_stream(run)
            fault = await run.fault("binance", "reject", mode="http503")
            code, _ = await closed(socket)
            with pytest.raises(websockets.InvalidStatus) as refusal:
                await run.connect("binance", STREAM)
            rest = (await run.http.get(run.url("binance", "/fapi/v1/time"))).status_code
            await run.http.delete(run.url("control", f"/faults/{fault}"))
            await (await open_stream(run)).close()
            return code, refusal.value.response.status_code, rest

    assert asyncio.run(scenario()) == (1006, 503, 200)


def test_reject_by_closing_at_once():
    async def scenario():
        async with running("binance", rate=RATE) as run:
            await run.fault("binance", "reject", mode="accept_close")
            return await closed(await run.connect("binance", STREAM))

    assert asyncio.run(scenario())[0] == 1001


@pytest.mark.parametrize(
    ("exchange", "path", "message", "is_error"),
    [
        (
            "binance",
            "/public/ws",
            {"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 1},
            lambda f: "error" in f,
        ),
        (
            "bybit",
            "/v5/public/linear",
            {"op": "subscribe", "args": ["tickers.BTCUSDT"]},
            lambda f: f["success"] is False,
        ),
        (
            "okx",
            "/ws/v5/public",
            {"op": "subscribe", "args": [{"channel": "bbo-tbt", "instId": "BTC-USDT-SWAP"}]},
            lambda f: f["event"] == "error",
        ),
    ],
)
def test_reject_subscriptions_with_the_exchanges_own_error(exchange, path, message, is_error):
    async def scenario():
        async with running(exchange, rate=RATE) as run:
            await run.fault(exchange, "reject", mode="subscribe")
            async with run.connect(exchange, path) as socket:
                await send(socket, message)
                answer = await receive(socket)
                return answer, await collect(socket, 0.4)

    answer, frames = asyncio.run(scenario())
    assert is_error(answer)
    assert frames == []


def test_halt_freezes_one_instrument_and_says_so():
    async def scenario():
        async with running("binance", rate=RATE) as run:
            socket = await open_stream(run)
            info = await run.connect("binance", "/market/stream?streams=!contractInfo")
            await run.fault("binance", "halt", symbol="ETHUSDT", duration_s=1.5)
            push = (await receive(info))["data"]
            await collect(socket, 0.1)
            during = await collect(socket, 0.6)
            rows = (await run.get("binance", "/fapi/v1/exchangeInfo"))["symbols"]
            status = {row["symbol"]: row["status"] for row in rows}
            back = (await receive(info))["data"]
            await until(socket, lambda frame: frame["data"]["s"] == "ETHUSDT")
            await socket.close()
            await info.close()
            return push, during, status, back

    push, during, status, back = asyncio.run(scenario())
    assert (push["s"], push["cs"], back["cs"]) == ("ETHUSDT", "SETTLING", "TRADING")
    assert {frame["data"]["s"] for frame in during} == {"BTCUSDT"}
    assert (status["ETHUSDT"], status["BTCUSDT"]) == ("SETTLING", "TRADING")


def test_halt_at_okx_is_pushed_and_at_bybit_it_leaves_the_list():
    async def scenario():
        async with running("bybit", "okx", rate=RATE) as run:
            async with run.connect("okx", "/ws/v5/public") as socket:
                await send(socket, {"op": "subscribe", "args": [{"channel": "instruments", "instType": "SWAP"}]})
                await run.fault("okx", "halt", symbol="ETH-USDT-SWAP")
                push = await until(socket, lambda frame: "data" in frame)
            await run.fault("bybit", "halt", symbol="ETHUSDT")
            answer = await run.get("bybit", "/v5/market/instruments-info", category="linear")
            return push["data"], {row["symbol"] for row in answer["result"]["list"]}

    rows, symbols = asyncio.run(scenario())
    assert [(row["instId"], row["state"]) for row in rows] == [("ETH-USDT-SWAP", "suspend")]
    assert "ETHUSDT" not in symbols
    assert "BTCUSDT" in symbols


def test_list_and_delist_change_the_instruments():
    async def scenario():
        async with running("okx", rate=RATE) as run:

            async def names():
                rows = (await run.get("okx", "/api/v5/public/instruments", instType="SWAP"))["data"]
                return {row["instId"] for row in rows}

            before = await names()
            answer = await run.http.post(run.url("control", "/faults"), json={"exchange": "okx", "fault": "list"})
            new = answer.json()["symbol"]
            async with run.connect("okx", "/ws/v5/public") as socket:
                await send(socket, {"op": "subscribe", "args": [{"channel": "bbo-tbt", "instId": new}]})
                await until(socket, lambda frame: "data" in frame)
            listed = await names()
            await run.http.delete(run.url("control", f"/faults/{answer.json()['id']}"))
            gone_again = await names()
            await run.fault("okx", "delist", symbol="ETH-USDT-SWAP")
            return before, new, listed, gone_again, await names()

    before, new, listed, gone_again, delisted = asyncio.run(scenario())
    assert listed - before == {new}
    assert gone_again == before
    assert before - delisted == {"ETH-USDT-SWAP"}


def test_shift_clock_moves_every_timestamp():
    async def scenario():
        async with running("binance", "bybit", "okx", rate=RATE) as run:
            for exchange in ("binance", "bybit", "okx"):
                await run.fault(exchange, "shift_clock", offset_s=100)
            socket = await open_stream(run)
            await collect(socket, 0.1)
            frame = (await receive(socket))["data"]
            await socket.close()
            times = [
                frame["T"],
                frame["E"],
                (await run.get("binance", "/fapi/v1/time"))["serverTime"],
                (await run.get("bybit", "/v5/market/time"))["time"],
                int((await run.get("okx", "/api/v5/public/time"))["data"][0]["ts"]),
            ]
            return [at / 1000 - time.time() for at in times]

    assert all(98.5 < offset < 100.5 for offset in asyncio.run(scenario()))


def test_funding_interval_changes_for_one_instrument():
    async def scenario():
        async with running("binance", "okx", rate=RATE) as run:
            await run.fault("binance", "funding_interval", symbol="BTCUSDT", hours=1)
            await run.fault("okx", "funding_interval", symbol="BTC-USDT-SWAP", hours=4)
            info = {row["symbol"]: row for row in await run.get("binance", "/fapi/v1/fundingInfo")}
            row = (await run.get("okx", "/api/v5/public/funding-rate", instId="BTC-USDT-SWAP"))["data"][0]
            return info["BTCUSDT"]["fundingIntervalHours"], int(row["nextFundingTime"]) - int(row["fundingTime"])

    assert asyncio.run(scenario()) == (1, 4 * 3_600_000)


def test_faults_are_listed_and_expire():
    async def scenario():
        async with running("binance", rate=RATE) as run:
            number = await run.fault("binance", "silence", duration_s=0.5)
            active = (await run.http.get(run.url("control", "/faults"))).json()
            await asyncio.sleep(0.7)
            later = (await run.http.get(run.url("control", "/faults"))).json()
            socket = await open_stream(run)
            await socket.close()
            return number, active, later

    number, active, later = asyncio.run(scenario())
    assert [(row["id"], row["fault"], row["exchange"]) for row in active] == [(number, "silence", "binance")]
    assert later == []


@pytest.mark.parametrize(
    "body",
    [
        {"exchange": "nowhere", "fault": "drop"},
        {"exchange": "binance", "fault": "nothing"},
        {"exchange": "binance", "fault": "halt"},
        {"exchange": "binance", "fault": "halt", "symbol": "NOPE"},
        {"exchange": "binance", "fault": "slow", "delay_s": "long"},
        {"exchange": "binance", "fault": "reject", "mode": "rudely"},
        {"exchange": "binance", "fault": "funding_interval", "symbol": "BTCUSDT", "hours": 5},
        {"exchange": "binance", "fault": "list", "symbol": "BTCUSDT"},
        {"exchange": "binance", "fault": "expire_tokens"},
        {"exchange": "binance", "fault": "http_status", "status": 200},
        {"exchange": "binance", "fault": "odd_numbers", "kind": "roman"},
        {"exchange": "binance", "fault": "deaf", "symbol": "NOPE"},
        [],
    ],
)
def test_senseless_faults_are_refused_with_a_reason(body):
    async def scenario():
        async with running("binance") as run:
            answer = await run.http.post(run.url("control", "/faults"), json=body)
            return (
                answer.status_code,
                answer.json()["error"],
                (await run.http.get(run.url("control", "/faults"))).json(),
            )

    status, reason, active = asyncio.run(scenario())
    assert status == 400
    assert reason
    assert active == []


def test_truth_market_stats_and_rate():
    async def scenario():
        async with running("binance", "okx", rate=RATE) as run:
            socket = await open_stream(run)
            await collect(socket, 0.5)
            truth = (
                await run.http.get(run.url("control", "/truth/binance"), params={"symbols": "BTCUSDT,ETHUSDT"})
            ).json()
            market = (await run.http.get(run.url("control", "/market/okx"))).json()
            stats = (await run.http.get(run.url("control", "/stats"))).json()
            await run.http.post(run.url("control", "/rate"), json={"rate": 0})
            await collect(socket, 0.2)
            quiet = await collect(socket, 0.5)
            missing = (await run.http.get(run.url("control", "/truth/nowhere"))).status_code
            await socket.close()
            return truth, market, stats, quiet, missing

    truth, market, stats, quiet, missing = asyncio.run(scenario())
    assert set(truth) == {"BTCUSDT", "ETHUSDT"}
    rows = truth["BTCUSDT"]
    assert len(rows) > 5
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert all(row[1] < row[3] for row in rows)
    assert abs(rows[-1][0] - time.time()) < 5
    assert {"exchange_symbol", "asset", "unit", "status"} <= set(market[0])
    assert stats["exchanges"]["binance"]["frames_sent"] > 0
    assert stats["exchanges"]["binance"]["connections"] == 1
    assert quiet == []
    assert missing == 404


KUCOIN_TOPIC = {"id": "1", "type": "subscribe", "topic": "/contractMarket/tickerV2:XBTUSDTM", "response": True}


async def kucoin_token(run):
    answer = await run.http.post(run.url("kucoin", "/api/v1/bullet-public"))
    return answer.json()["data"]["token"]


def test_a_deaf_socket_confirms_and_stays_silent_for_good():
    async def scenario():
        async with running("kucoin", rate=RATE) as run:
            old = await run.connect("kucoin", f"/?token={await kucoin_token(run)}")
            await send(old, KUCOIN_TOPIC)
            await until(old, lambda frame: frame.get("subject") == "tickerV2")
            fault = await run.fault("kucoin", "deaf", duration_s=0)
            code, _ = await closed(old)
            deaf = await run.connect("kucoin", f"/?token={await kucoin_token(run)}")
            await send(deaf, KUCOIN_TOPIC)
            during = await collect(deaf, 0.5)
            await run.http.delete(run.url("control", f"/faults/{fault}"))
            after = await collect(deaf, 0.5)
            fresh = await run.connect("kucoin", f"/?token={await kucoin_token(run)}")
            await send(fresh, KUCOIN_TOPIC)
            await until(fresh, lambda frame: frame.get("subject") == "tickerV2")
            await deaf.close()
            await fresh.close()
            return code, [frame["type"] for frame in during], after

    assert asyncio.run(scenario()) == (1006, ["welcome", "ack"], [])


@pytest.mark.parametrize("again", [False, True], ids=["as it is", "asked for again"])
def test_a_deaf_subscription_is_healed_only_by_another_one(again):
    async def scenario():
        async with running("okx", rate=RATE) as run:
            fault = await run.fault("okx", "deaf", symbol="ETH-USDT-SWAP", duration_s=0)
            names = ("BTC-USDT-SWAP", "ETH-USDT-SWAP")
            args = [{"channel": "bbo-tbt", "instId": name} for name in names]
            async with run.connect("okx", "/ws/v5/public") as socket:
                await send(socket, {"op": "subscribe", "args": args})
                during = await collect(socket, 0.6)
                await run.http.delete(run.url("control", f"/faults/{fault}"))
                if again:
                    await send(socket, {"op": "unsubscribe", "args": args[1:]})
                    await send(socket, {"op": "subscribe", "args": args[1:]})
                return during, await collect(socket, 0.6)

    def fed(frames):
        return {frame["arg"]["instId"] for frame in frames if "data" in frame}

    during, after = asyncio.run(scenario())
    assert [frame["event"] for frame in during if "event" in frame] == ["subscribe", "subscribe"]
    assert fed(during) == {"BTC-USDT-SWAP"}
    assert fed(after) == ({"BTC-USDT-SWAP", "ETH-USDT-SWAP"} if again else {"BTC-USDT-SWAP"})


@pytest.mark.parametrize(
    ("exchange", "header"), [("binance", "Retry-After"), ("phemex", "x-ratelimit-retry-after-public")]
)
def test_requests_are_refused_with_a_status_and_a_time(exchange, header):
    async def scenario():
        async with running(exchange) as run:
            url = run.url(exchange, "/fapi/v1/time" if exchange == "binance" else "/public/time")
            fault = await run.fault(exchange, "http_status", status=418, retry_after_s=7)
            refused = await run.http.get(url)
            stats = (await run.http.get(run.url("control", "/stats"))).json()["exchanges"][exchange]
            await run.http.delete(run.url("control", f"/faults/{fault}"))
            await run.fault(exchange, "http_status", status=429)
            bare = await run.http.get(url)
            return (
                refused.status_code,
                refused.headers[header],
                stats["refused"],
                bare.status_code,
                header in bare.headers,
            )

    assert asyncio.run(scenario()) == (418, "7", 1, 429, False)


NOTICES = {
    "binance": ("/public/stream?streams=btcusdt@bookTicker", None, lambda f: f["event"]["e"] == "serverShutdown"),
    "okx": ("/ws/v5/public", None, lambda f: f["code"] == "64008"),
    "gate": ("/v4/ws/usdt", None, lambda f: f["result"]["type"] == "upgrade"),
    "deribit": (
        "/ws/api/v2",
        {"id": 1, "method": "public/subscribe", "params": {"channels": ["platform_state"]}},
        lambda f: f["params"]["data"]["maintenance"],
    ),
}


@pytest.mark.parametrize("exchange", NOTICES)
def test_maintenance_is_announced_in_the_exchanges_own_words_and_then_ends_everything(exchange, monkeypatch):
    monkeypatch.setattr(faults, "NOTICE_S", 0.5)
    path, subscription, is_notice = NOTICES[exchange]

    def noticed(frame):
        try:
            return bool(is_notice(frame))
        except (KeyError, TypeError):
            return False

    async def scenario():
        async with running(exchange, rate=RATE) as run:
            socket = await run.connect(exchange, path)
            if subscription is not None:
                await send(socket, subscription)
                await receive(socket)
            fault = await run.fault(exchange, "maintenance", duration_s=0)
            await until(socket, noticed)
            code, _ = await closed(socket)
            with pytest.raises(websockets.InvalidStatus):
                await run.connect(exchange, path)
            await run.http.delete(run.url("control", f"/faults/{fault}"))
            await (await run.connect(exchange, path)).close()
            return code

    assert asyncio.run(scenario()) == 1012


def test_expired_tokens_end_sockets_and_open_none():
    async def scenario():
        async with running("kucoin") as run:
            token = await kucoin_token(run)
            socket = await run.connect("kucoin", f"/?token={token}")
            fault = await run.fault("kucoin", "expire_tokens", duration_s=0)
            said = await until(socket, lambda frame: frame["type"] == "error")
            await closed(socket)
            refused = await run.connect("kucoin", f"/?token={await kucoin_token(run)}")
            said_again = await receive(refused)
            await run.http.delete(run.url("control", f"/faults/{fault}"))
            old = await receive(await run.connect("kucoin", f"/?token={token}"))
            fresh = await receive(await run.connect("kucoin", f"/?token={await kucoin_token(run)}"))
            return [(frame["type"], frame.get("code")) for frame in (said, said_again, old, fresh)]

    assert asyncio.run(scenario()) == [("error", 401), ("error", 401), ("error", 401), ("welcome", None)]


def test_gaps_are_only_in_numbered_books():
    async def scenario():
        async with running("bybit", rate=RATE) as run, run.connect("bybit", "/v5/public/linear") as socket:
            await send(socket, {"op": "subscribe", "args": ["orderbook.50.BTCUSDT", "orderbook.1.ETHUSDT"]})
            await run.fault("bybit", "gap", share=0.5)
            return await collect(socket, 1.5)

    frames = asyncio.run(scenario())
    numbers = [frame["data"]["u"] for frame in frames if frame.get("topic") == "orderbook.50.BTCUSDT"]
    tops = [frame["data"]["u"] for frame in frames if frame.get("topic") == "orderbook.1.ETHUSDT"]
    assert len(numbers) > 5
    assert numbers != list(range(numbers[0], numbers[0] + len(numbers)))
    assert sorted(set(tops)) == list(range(min(tops), max(tops) + 1))


def test_a_huge_frame_is_whole_and_of_no_known_kind():
    async def scenario():
        async with running("binance", rate=RATE) as run:
            socket = await open_stream(run)
            await run.fault("binance", "huge")
            frame = await until(socket, lambda frame: "something_new" in frame)
            assert is_valid(await receive(socket))
            await socket.close()
            return frame

    assert 4.9e6 < len(json.dumps(asyncio.run(scenario()))) < 5.1e6


@pytest.mark.parametrize("kind", ["other_spelling", "null", "empty"])
def test_odd_numbers(kind):
    async def scenario():
        async with running("binance", rate=RATE) as run:
            socket = await open_stream(run)
            await run.fault("binance", "odd_numbers", share=0.5, kind=kind)
            await collect(socket, 0.1)
            frames = await collect(socket, 0.8)
            await socket.close()
            return [frame["data"] for frame in frames]

    rows = asyncio.run(scenario())
    odd = [row for row in rows if type(row["b"]) is not str or type(row["u"]) is not int or "" in row.values()]
    assert 0.2 < len(odd) / len(rows) < 0.7
    values = [row[field] for row in odd for field in ("b", "u")]
    wanted = {"other_spelling": (float, str), "null": (type(None),), "empty": (str,)}[kind]
    assert any(isinstance(value, wanted) for value in values)
    assert all(row["s"] in ("BTCUSDT", "ETHUSDT") for row in odd)  # what is no number stays as it is


def test_a_contract_that_phemex_halts_looks_like_a_quiet_one():
    """There is no word for it: the row is Listed, the tickers still have it, and the book stands still."""

    async def scenario():
        async with running("phemex", rate=RATE) as run:
            await run.fault("phemex", "halt", symbol="ETHUSDT")
            rows = (await run.get("phemex", "/public/products"))["data"]["perpProductsV2"]
            tickers = (await run.get("phemex", "/md/v3/ticker/24hr/all"))["result"]
            async with run.connect("phemex", "/ws") as socket:
                params = ["ETHUSDT", False, 1]
                await send(socket, {"id": 1, "method": "orderbook_p.subscribe", "params": params})
                frames = await collect(socket, 0.6)
            return {row["symbol"]: row["status"] for row in rows}, {row["symbol"] for row in tickers}, frames

    statuses, quoted, frames = asyncio.run(scenario())
    assert statuses["ETHUSDT"] == "Listed"
    assert "ETHUSDT" in quoted
    assert [frame["type"] for frame in frames if "orderbook_p" in frame] == ["snapshot"]
