"""OKX v5 as its dossier describes it: text pings, acks per argument, contracts, chained books."""

import asyncio
import itertools
import json

import pytest
from simulator_harness import apply_levels, closed, collect, receive, running, send, until

PUBLIC = "/ws/v5/public"
BTC = "BTC-USDT-SWAP"


async def subscribe(socket, *args, op="subscribe", request_id="1512"):
    """Send one request and return its answers, one per argument."""
    await send(socket, {"id": request_id, "op": op, "args": list(args)})
    answers = []
    while len(answers) < len(args):
        frame = await receive(socket)
        if "event" in frame:
            answers.append(frame)
    return answers


def arg(channel, instrument=BTC):
    return {"channel": channel, "instId": instrument}


def test_instruments_have_the_real_fields():
    async def scenario():
        async with running("okx", instruments=60) as run:
            swaps = await run.get("okx", "/api/v5/public/instruments", instType="SWAP")
            futures = await run.get("okx", "/api/v5/public/instruments", instType="FUTURES")
            wrong = await run.get("okx", "/api/v5/public/instruments")
            return swaps, futures, wrong

    swaps, futures, wrong = asyncio.run(scenario())
    rows = {row["instId"]: row for row in swaps["data"]}
    assert swaps["code"] == "0"
    btc = rows[BTC]
    assert (btc["ctVal"], btc["ctMult"], btc["ctValCcy"], btc["lotSz"], btc["tickSz"]) == (
        "0.01",
        "1",
        "BTC",
        "0.01",
        "0.1",
    )
    assert (btc["baseCcy"], btc["quoteCcy"], btc["uly"], btc["settleCcy"]) == ("", "", "BTC-USDT", "USDT")
    inverse = rows["BTC-USD-SWAP"]
    assert (inverse["ctType"], inverse["ctVal"], inverse["ctValCcy"], inverse["settleCcy"]) == (
        "inverse",
        "100",
        "USD",
        "BTC",
    )
    usd = rows["BTC-USD_UM-SWAP"]
    assert (usd["ctType"], usd["uly"], usd["instFamily"], usd["settleCcy"]) == (
        "linear",
        "BTC-USD",
        "BTC-USD_UM",
        "USD",
    )
    assert rows["XAU-USDT-SWAP"]["instCategory"] == "4"
    assert rows["ON-USDT-SWAP"]["instCategory"] == "3"
    assert rows["OPENAI-USDT-SWAP"]["ruleType"] == "pre_market"
    assert {row["state"] for row in rows.values()} == {"live", "suspend", "preopen"}
    waiting = next(row for row in rows.values() if row["state"] == "preopen")
    assert waiting["ctVal"] == waiting["tickSz"] == ""
    assert all(row["expTime"] for row in futures["data"])
    assert wrong["code"] == "51000"


def test_rest_rows_agree_with_each_other():
    async def scenario():
        async with running("okx") as run:
            answers = {}
            for name, path, params in (
                ("tickers", "/api/v5/market/tickers", {"instType": "SWAP"}),
                ("mark", "/api/v5/public/mark-price", {"instType": "SWAP"}),
                ("funding", "/api/v5/public/funding-rate", {"instId": "ANY"}),
                ("interest", "/api/v5/public/open-interest", {"instType": "SWAP"}),
            ):
                answers[name] = {row["instId"]: row for row in (await run.get("okx", path, **params))["data"]}
            index = (await run.get("okx", "/api/v5/market/index-tickers", quoteCcy="USDT"))["data"]
            book = (await run.get("okx", "/api/v5/market/books", instId=BTC, sz=25))["data"][0]
            history = (await run.get("okx", "/api/v5/public/funding-rate-history", instId=BTC, limit=4))["data"]
            return answers, index, book, history

    answers, index, book, history = asyncio.run(scenario())
    assert set(answers["tickers"]) == set(answers["mark"]) == set(answers["funding"])
    funding = answers["funding"][BTC]
    steps = [int(funding[key]) for key in ("prevFundingTime", "fundingTime", "nextFundingTime")]
    assert steps[1] - steps[0] == steps[2] - steps[1] == 28_800_000
    mark, interest = float(answers["mark"][BTC]["markPx"]), answers["interest"][BTC]
    assert float(interest["oi"]) * 0.01 == pytest.approx(float(interest["oiCcy"]), rel=1e-3)
    assert float(interest["oiCcy"]) * mark == pytest.approx(float(interest["oiUsd"]), rel=1e-3)
    inverse = answers["interest"]["BTC-USD-SWAP"]
    assert float(inverse["oi"]) * 100 == pytest.approx(float(inverse["oiUsd"]), rel=1e-3)
    assert "BTC-USDT" in {row["instId"] for row in index}
    assert len(book["asks"]) == 25
    assert len(history) == 4


def test_unknown_instruments_are_refused_with_http_200():
    async def scenario():
        async with running("okx") as run:
            answer = await run.http.get(run.url("okx", "/api/v5/market/books"), params={"instId": "NOPE-USDT-SWAP"})
            return answer.status_code, answer.json()["code"]

    assert asyncio.run(scenario()) == (200, "51001")


def test_too_many_requests_get_429():
    async def scenario():
        async with running("okx") as run:
            answers = [await run.http.get(run.url("okx", "/api/v5/public/time")) for _ in range(11)]
            return answers[9].status_code, answers[10].status_code, answers[10].json()["code"]

    assert asyncio.run(scenario()) == (200, 429, "50011")


def test_every_argument_is_answered_on_its_own():
    async def scenario():
        async with running("okx") as run, run.connect("okx", PUBLIC) as socket:
            answers = await subscribe(socket, arg("bbo-tbt"), arg("bbo-tbt", "NOPE-USDT-SWAP"), arg("mark-price"))
            await send(socket, '{"op":"subscribe","argss":[]}')
            broken = await until(socket, lambda frame: frame.get("code") == "60012")
            return answers, broken

    answers, broken = asyncio.run(scenario())
    assert [answer["event"] for answer in answers] == ["subscribe", "error", "subscribe"]
    assert answers[0]["arg"] == arg("bbo-tbt")
    assert (answers[0]["id"], answers[1]["id"]) == ("1512", "1512")
    assert answers[1]["code"] == "60018"
    assert "NOPE-USDT-SWAP doesn't exist" in answers[1]["msg"]
    assert broken["msg"].startswith("Invalid request: ")


def test_an_index_is_asked_for_by_its_own_name():
    async def scenario():
        async with running("okx") as run, run.connect("okx", PUBLIC) as socket:
            answers = await subscribe(socket, arg("index-tickers", BTC), arg("index-tickers", "BTC-USDT"))
            push = await until(socket, lambda frame: "data" in frame)
            return answers, push

    answers, push = asyncio.run(scenario())
    assert [answer["event"] for answer in answers] == ["error", "subscribe"]
    assert push["data"][0]["instId"] == "BTC-USDT"
    assert float(push["data"][0]["idxPx"]) > 0


def test_text_ping_gets_text_pong():
    async def scenario():
        async with running("okx") as run, run.connect("okx", PUBLIC) as socket:
            await send(socket, "ping")
            return await receive(socket)

    assert asyncio.run(scenario()) == "pong"


def test_bbo_is_a_full_level_in_contracts_as_the_truth_says():
    async def scenario():
        async with running("okx", rate=1500) as run, run.connect("okx", PUBLIC) as socket:
            await subscribe(socket, arg("bbo-tbt"))
            frames = await collect(socket, 1.0)
            truth = (await run.get("control", "/truth/okx", symbols=BTC))[BTC]
            return frames, truth

    frames, truth = asyncio.run(scenario())
    data = [frame["data"][0] for frame in frames]
    assert len(data) > 10
    assert [row["seqId"] for row in data] == sorted(row["seqId"] for row in data)
    assert len(data[0]["asks"][0]) == 4
    known = {tuple(row[1:]) for row in truth}
    seen = {(*map(float, row["bids"][0][:2]), *map(float, row["asks"][0][:2])) for row in data}
    assert seen <= known


def test_slow_channels_push_at_once_and_mark_price_when_it_moves():
    async def scenario():
        async with running("okx", rate=1500) as run, run.connect("okx", PUBLIC) as socket:
            names = ("funding-rate", "open-interest", "tickers", "mark-price")
            await send(socket, {"op": "subscribe", "args": [arg(name) for name in names]})
            return await collect(socket, 2.5)

    frames = asyncio.run(scenario())
    by_channel = {}
    for frame in (frame for frame in frames if "data" in frame):
        by_channel.setdefault(frame["arg"]["channel"], []).append(frame["data"][0])
    assert set(by_channel) == {"funding-rate", "open-interest", "tickers", "mark-price"}
    assert by_channel["funding-rate"][0]["nextFundingRate"] == ""
    marks = [row["markPx"] for row in by_channel["mark-price"]]
    assert len(marks) >= 2
    assert all(before != after for before, after in itertools.pairwise(marks))
    assert len(by_channel["tickers"]) > 5


def test_books_chain_by_sequence_and_rebuild():
    async def scenario():
        async with running("okx", rate=1500) as run, run.connect("okx", PUBLIC) as socket:
            await subscribe(socket, arg("books"))
            frames = await collect(socket, 1.0)
            truth = (await run.get("control", "/truth/okx", symbols=BTC))[BTC]
            return frames, truth

    frames, truth = asyncio.run(scenario())
    assert [frame["action"] for frame in frames] == ["snapshot"] + ["update"] * (len(frames) - 1)
    data = [frame["data"][0] for frame in frames]
    assert (data[0]["prevSeqId"], len(data[0]["bids"])) == (-1, 400)
    assert all(after["prevSeqId"] == before["seqId"] for before, after in itertools.pairwise(data))
    bids, asks = {}, {}
    for row in data:
        apply_levels(bids, row["bids"])
        apply_levels(asks, row["asks"])
    assert (max(map(float, bids)), min(map(float, asks))) in {(row[1], row[3]) for row in truth}


def test_books5_and_trades():
    async def scenario():
        async with running("okx", rate=1500) as run, run.connect("okx", PUBLIC) as socket:
            await subscribe(socket, arg("books5"), arg("trades", "ETH-USDT-SWAP"))
            book = await until(socket, lambda frame: frame.get("arg", {}).get("channel") == "books5")
            trade = await until(socket, lambda frame: frame.get("arg", {}).get("channel") == "trades")
            return book["data"][0], trade["data"][0]

    book, trade = asyncio.run(scenario())
    assert len(book["asks"]) == len(book["bids"]) == 5
    assert trade["side"] in ("buy", "sell")


def test_idle_connections_are_closed_with_4004_unless_they_ping():
    async def scenario():
        async with running("okx") as run:
            await run.settings("okx", idle_timeout_s=1)
            idle, pinging = await run.connect("okx", PUBLIC), await run.connect("okx", PUBLIC)
            waiting = asyncio.create_task(closed(idle))
            for _ in range(7):
                await send(pinging, "ping")
                await asyncio.sleep(0.4)
            still_open = pinging.close_code is None
            await pinging.close()
            return await waiting, still_open

    ending, still_open = asyncio.run(scenario())
    assert ending == (4004, "No data received in 30s.")
    assert still_open


def test_subscribe_requests_are_counted_per_connection():
    async def scenario():
        async with running("okx") as run:
            await run.settings("okx", subscribes_per_hour=2)
            async with run.connect("okx", PUBLIC) as socket:
                answers = [(await subscribe(socket, arg("trades")))[0] for _ in range(3)]
                return [answer["event"] for answer in answers], answers[-1]["code"]

    assert asyncio.run(scenario()) == (["subscribe", "subscribe", "error"], "60014")


def test_frames_over_64_kb_close_the_connection():
    async def scenario():
        async with running("okx") as run:
            socket = await run.connect("okx", PUBLIC)
            args = [arg("trades", f"X{number}-USDT-SWAP") for number in range(1500)]
            await socket.send(json.dumps({"op": "subscribe", "args": args}))
            return await closed(socket)

    assert asyncio.run(scenario())[0] == 1009
