"""KuCoin futures as its dossier describes it: tokens, welcome and pings, topics of many symbols, sizes in lots."""

import asyncio
import time

import pytest
from simulator_harness import closed, collect, receive, running, send, until

from simulator.exchanges.registry import REGISTRY

TICKER = "/contractMarket/tickerV2:"


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(REGISTRY, "kucoin", "simulator.exchanges.kucoin:Kucoin")


async def token(run):
    answer = await run.http.post(run.url("kucoin", "/api/v1/bullet-public"))
    data = answer.json()["data"]
    return data["token"], data["instanceServers"][0]


async def welcomed(run, **options):
    """A socket that has been welcomed."""
    opened, _ = await token(run)
    socket = await run.connect("kucoin", f"/?token={opened}&connectId=me", **options)
    assert await receive(socket) == {"id": "me", "type": "welcome"}
    return socket


async def subscribe(socket, topic, identity="1"):
    await send(socket, {"id": identity, "type": "subscribe", "topic": topic, "response": True})
    return await until(socket, lambda frame: frame.get("id") == identity)


def run_with(scenario, **options):
    async def whole():
        async with running("kucoin", **options) as run:
            return await scenario(run)

    return asyncio.run(whole())


async def contracts(run):
    answer = await run.get("kucoin", "/api/v1/contracts/active")
    assert answer["code"] == "200000"
    return {row["symbol"]: row for row in answer["data"]}


def test_the_list_has_the_exchanges_spellings_and_units():
    rows = run_with(contracts, instruments=330)

    perpetuals = [row for row in rows.values() if row["type"] == "FFWCSX"]
    assert len(perpetuals) >= 300
    btc, inverse, usdc = rows["XBTUSDTM"], rows["XBTUSDM"], rows["XBTUSDCM"]
    assert (btc["baseCurrency"], btc["multiplier"], btc["lotSize"]) == ("XBT", 0.001, 1)
    assert (btc["isInverse"], btc["isQuanto"]) == (False, True)  # which means nothing
    assert (inverse["isInverse"], inverse["multiplier"], inverse["settleCurrency"]) == (True, -1.0, "XBT")
    assert (usdc["quoteCurrency"], usdc["settleCurrency"], usdc["multiplier"]) == ("USDC", "USDC", 0.0001)
    assert {"1000BONKUSDTM", "10000SATSUSDTM", "1MBABYDOGEUSDTM", "PEPEUSDTM"} <= rows.keys()
    assert rows["BIANRENSHENGUSDTM"]["displayBaseCurrency"] == "币安人生"
    assert rows["OPENAIUSDTM"]["marketStage"] == "PRE_MARKET"
    assert (rows["XAUUSDTM"]["assetClass"], rows["TSLAUSDTM"]["assetClass"]) == ("METAL", "STOCK")
    dated = [row for row in rows.values() if row["type"] == "FFICSX"]
    assert dated
    assert all(row["expireDate"] and row["nextFundingRateDateTime"] is None for row in dated)
    assert "DARUSDTM" not in rows


def test_funding_times_are_a_time_and_a_countdown():
    row = run_with(contracts)["XBTUSDTM"]

    now_ms = time.time() * 1000
    assert row["nextFundingRateDateTime"] - now_ms == pytest.approx(row["nextFundingRateTime"], abs=3000)
    assert row["nextFundingRateDateTime"] % row["fundingRateGranularity"] == 0
    assert row["predictedFundingFeeRate"] is None


def test_open_interest_and_turnover_are_in_the_units_of_their_kind():
    rows = run_with(contracts)

    linear, inverse = rows["XBTUSDTM"], rows["XBTUSDM"]
    assert linear["volumeOf24h"] * linear["markPrice"] == pytest.approx(linear["turnoverOf24h"], rel=1e-3)
    assert inverse["volumeOf24h"] / inverse["markPrice"] == pytest.approx(inverse["turnoverOf24h"], rel=1e-3)
    assert isinstance(linear["openInterest"], str)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/ticker?symbol=NOPE", 200, "200003"),
        ("/api/v1/contracts/NOPE", 200, "404000"),
        ("/api/v1/contract/funding-rates?symbol=XBTUSDTM", 200, "400100"),
        ("/api/v1/nothing", 404, "404"),
    ],
)
def test_errors_come_in_answers_of_200(path, status, code):
    async def scenario(run):
        answer = await run.http.get(run.url("kucoin", path))
        return answer.status_code, answer.json()["code"]

    assert run_with(scenario) == (status, code)


def test_requests_are_charged_by_weight():
    async def scenario(run):
        await run.settings("kucoin", weight_per_30s=7)
        answers = [await run.http.get(run.url("kucoin", "/api/v1/contracts/active")) for _ in range(3)]
        return [(a.status_code, a.headers["gw-ratelimit-remaining"]) for a in answers], answers[-1].json()["code"]

    assert run_with(scenario) == ([(200, "4"), (200, "1"), (429, "0")], "429000")


def test_a_token_opens_the_socket_at_the_address_that_came_with_it():
    async def scenario(run):
        opened, server = await token(run)
        socket = await run.connect("kucoin", f"/?token={opened}&connectId=abc")
        return await receive(socket), server, run.endpoints["kucoin"]["ws"]

    welcome, server, address = run_with(scenario)
    assert welcome == {"id": "abc", "type": "welcome"}
    assert (server["endpoint"], server["pingInterval"]) == (f"{address}/", 18000)


@pytest.mark.parametrize(("ttl_s", "reason"), [(0.01, "token is expired"), (None, "token is invalid")])
def test_without_a_good_token_the_socket_is_closed(ttl_s, reason):
    async def scenario(run):
        opened = "made-up"
        if ttl_s is not None:
            await run.settings("kucoin", token_ttl_s=ttl_s)
            opened, _ = await token(run)
            await asyncio.sleep(0.05)
        socket = await run.connect("kucoin", f"/?token={opened}")
        return await receive(socket), await closed(socket)

    error, (code, _) = run_with(scenario)
    assert (error["type"], error["code"], error["data"], code) == ("error", 401, reason, 1000)


def test_pings_are_answered_and_their_absence_ends_the_socket():
    async def scenario(run):
        await run.settings("kucoin", ping_timeout_s=2)
        socket = await welcomed(run)
        await send(socket, {"id": "9", "type": "ping"})
        pong = await receive(socket)
        await subscribe(socket, f"{TICKER}XBTUSDTM")  # data do not keep it open
        frame = await until(socket, lambda frame: frame.get("type") == "error")
        return pong, frame, await closed(socket)

    pong, error, (code, reason) = run_with(scenario)
    assert (pong["id"], pong["type"]) == ("9", "pong")
    assert pong["timestamp"] / 1e6 == pytest.approx(time.time(), abs=60)
    assert error == {"type": "error", "code": 400, "data": "ping timeout"}
    assert (code, reason) == (1000, "Bye")


def test_one_message_asks_for_many_symbols_and_unknown_ones_stay_silent():
    async def scenario(run):
        socket = await welcomed(run)
        ack = await subscribe(socket, f"{TICKER}XBTUSDTM,XBTUSDM,NOPEUSDTM", "7")
        frames = await collect(socket, 0.7)
        await send(socket, {"id": "8", "type": "unsubscribe", "topic": f"{TICKER}XBTUSDM", "response": True})
        await until(socket, lambda frame: frame.get("id") == "8")
        return ack, frames, await collect(socket, 0.5), await run.get("control", "/truth/kucoin", symbols="XBTUSDTM")

    ack, frames, after, truth = run_with(scenario, rate=1500)
    assert ack == {"id": "7", "type": "ack"}
    assert {frame["topic"] for frame in frames} == {f"{TICKER}XBTUSDTM", f"{TICKER}XBTUSDM"}
    assert {frame["topic"] for frame in after} == {f"{TICKER}XBTUSDTM"}
    numbers = [frame["sn"] for frame in frames if frame["topic"].endswith("XBTUSDTM")]
    assert numbers == sorted(set(numbers))
    data = after[-1]["data"]
    assert after[-1]["subject"] == "tickerV2"
    assert isinstance(data["bestBidSize"], int)
    assert data["ts"] / 1e9 == pytest.approx(time.time(), abs=60)
    shown = (float(data["bestBidPrice"]), data["bestBidSize"], float(data["bestAskPrice"]), data["bestAskSize"])
    assert shown in {tuple(row[1:]) for row in truth["XBTUSDTM"]}


@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        ({"type": "subscribe", "topic": "/contractMarket/weather:XBTUSDTM"}, 404, "topic does not exist"),
        ({"type": "subscribe", "topic": "/contractMarket/tickerV2"}, 404, "topic does not exist"),
        ({"type": "shout"}, 415, "type is not supported"),
        (
            {"type": "subscribe", "topic": TICKER + ",".join(f"C{n}USDTM" for n in range(101))},
            509,
            "exceed max subscription count limitation of 100 per time",
        ),
    ],
)
def test_refusals(message, code, reason):
    async def scenario(run):
        socket = await welcomed(run)
        await send(socket, {"id": "5", **message})
        return await receive(socket)

    assert run_with(scenario) == {"id": "5", "type": "error", "code": code, "data": reason}


def test_a_session_holds_so_many_topics_and_messages():
    async def scenario(run):
        await run.settings("kucoin", topics_per_session=3, messages_per_10s=4)
        socket = await welcomed(run)
        full = await subscribe(socket, f"{TICKER}XBTUSDTM,ETHUSDTM,SOLUSDTM", "1")
        over = await subscribe(socket, f"{TICKER}XRPUSDTM", "2")
        again = await subscribe(socket, f"{TICKER}XBTUSDTM", "3")
        await subscribe(socket, f"{TICKER}XBTUSDTM", "4")
        return full, over, again, await subscribe(socket, f"{TICKER}XBTUSDTM", "5")

    full, over, again, fast = run_with(scenario)
    assert (full["type"], again["type"]) == ("ack", "ack")
    assert over["data"] == "exceed max subscription count limitation of 3 per session"
    assert (fast["code"], fast["data"]) == (509, "exceed max permits per second")


def test_marks_come_every_second_without_a_symbol():
    async def scenario(run):
        socket = await welcomed(run)
        await subscribe(socket, "/contract/instrument:XBTUSDTM,XBTUSDM")
        return await collect(socket, 2.2)

    frames = [frame for frame in run_with(scenario) if frame["subject"] == "mark.index.price"]
    assert {frame["topic"] for frame in frames} == {"/contract/instrument:XBTUSDTM", "/contract/instrument:XBTUSDM"}
    assert 2 <= len(frames) <= 6
    assert all("symbol" not in frame["data"] and frame["data"]["granularity"] == 1000 for frame in frames)


def test_small_books_come_whole_every_100_ms():
    async def scenario(run):
        socket = await welcomed(run)
        await subscribe(socket, "/contractMarket/level2Depth50:XBTUSDTM")
        return await collect(socket, 1.05)

    frames = run_with(scenario, rate=0)
    assert 8 <= len(frames) <= 12  # although nothing changes
    book = frames[0]["data"]
    assert len(book["bids"]) == len(book["asks"]) == 50
    assert float(book["bids"][0][0]) < float(book["asks"][0][0])


def test_changes_of_a_whole_book_continue_what_rest_shows():
    async def scenario(run):
        socket = await welcomed(run)
        await subscribe(socket, "/contractMarket/level2:XBTUSDTM")
        await collect(socket, 0.5)
        whole = (await run.get("kucoin", "/api/v1/level2/snapshot", symbol="XBTUSDTM"))["data"]
        frames = await collect(socket, 1.0)
        later = (await run.get("kucoin", "/api/v1/level2/snapshot", symbol="XBTUSDTM"))["data"]
        return whole, frames + await collect(socket, 0.3), later

    whole, frames, later = run_with(scenario, rate=1500)
    sides = {"buy": dict(whole["bids"]), "sell": dict(whole["asks"])}
    sequence = whole["sequence"]
    for frame in frames:
        data = frame["data"]
        if not sequence < data["sequence"] <= later["sequence"]:
            continue
        assert data["sequence"] == sequence + 1
        sequence += 1
        price, side, lots = data["change"].split(",")
        sides[side].pop(float(price), None)
        if lots != "0":
            sides[side][float(price)] = int(lots)
    assert sequence == later["sequence"]
    assert sorted(sides["buy"].items(), reverse=True) == [tuple(level) for level in later["bids"]]


def test_halts_and_delistings_show_in_the_list():
    async def scenario(run):
        before = await contracts(run)
        await run.fault("kucoin", "list")
        listed = (await contracts(run)).keys() - before.keys()
        await run.fault("kucoin", "halt", symbol="ETHUSDTM")
        await run.fault("kucoin", "delist", symbol="SOLUSDTM")
        await run.fault("kucoin", "funding_interval", symbol="XBTUSDTM", hours=1)
        await run.fault("kucoin", "shift_clock", offset_s=100)
        return listed, await contracts(run), (await run.get("kucoin", "/api/v1/timestamp"))["data"]

    listed, rows, now_ms = run_with(scenario)
    assert len(listed) == 1
    assert rows["ETHUSDTM"]["status"] == "Paused"
    assert "SOLUSDTM" not in rows
    assert rows["XBTUSDTM"]["fundingRateGranularity"] == 3_600_000
    assert now_ms / 1000 - time.time() == pytest.approx(100, abs=5)


def test_a_rejecting_exchange_refuses_in_its_own_words():
    async def scenario(run):
        await run.fault("kucoin", "reject", mode="subscribe")
        socket = await welcomed(run)
        return await subscribe(socket, f"{TICKER}XBTUSDTM")

    assert run_with(scenario)["data"] == "topic does not exist"
