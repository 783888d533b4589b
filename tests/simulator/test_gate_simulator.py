"""Gate.io futures v4 as its dossier describes it: families, atomic subscriptions, chained books, whole contracts."""

import asyncio
import json

import pytest
from simulator_harness import apply_levels, closed, collect, receive, running, send, until

from simulator.exchanges.gate import Gate
from simulator.exchanges.registry import REGISTRY

USDT, BTC_FAMILY = "/v4/ws/usdt", "/v4/ws/btc"
FUTURES = "/api/v4/futures"
DECIMALS = {"X-Gate-Size-Decimal": "1"}


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(REGISTRY, "gate", "simulator.exchanges.gate:Gate")


async def subscribe(socket, channel, *payload, event="subscribe", **more):
    """Send one request and return its answer."""
    await send(socket, {"time": 1789456334, "channel": channel, "event": event, "payload": list(payload), **more})
    return await until(socket, lambda frame: frame.get("event") == event and frame.get("channel") == channel)


def results(frames, channel):
    return [frame["result"] for frame in frames if (frame["channel"], frame["event"]) == (channel, "update")]


def test_contracts_have_the_real_fields():
    async def scenario():
        async with running("gate", instruments=60) as run:
            usdt = await run.get("gate", f"{FUTURES}/usdt/contracts")
            btc = await run.get("gate", f"{FUTURES}/btc/contracts")
            none = await run.get("gate", f"{FUTURES}/usd1/contracts")
            usdc = await run.http.get(run.url("gate", f"{FUTURES}/usdc/contracts"))
            page = await run.get("gate", f"{FUTURES}/usdt/contracts", limit=10, offset=10)
            one = await run.get("gate", f"{FUTURES}/usdt/contracts/BTC_USDT")
            return usdt, btc, none, usdc, page, one

    usdt, (inverse,), none, usdc, page, one = asyncio.run(scenario())
    rows = {row["name"]: row for row in usdt}
    btc = rows["BTC_USDT"]
    assert (btc["type"], btc["quanto_multiplier"], btc["order_price_round"]) == ("direct", "0.0001", "0.1")
    assert (btc["order_size_min"], btc["funding_interval"], btc["status"]) == (1, 28800, "trading")
    assert (btc["contract_type"], btc["in_delisting"], btc["is_pre_market"]) == ("", False, False)
    assert btc["funding_next_apply"] % 28800 == 0
    assert (inverse["name"], inverse["type"], inverse["quanto_multiplier"]) == ("BTC_USD", "inverse", "0")
    assert (rows["XAU_USDT"]["contract_type"], rows["TSLA_USDT"]["contract_type"]) == ("metals", "stocks")
    assert (rows["OPENAI_USDT"]["is_pre_market"], rows["OPENAI_USDT"]["contract_type"]) == (True, "stocks")
    assert rows["PEPE_USDT"]["quanto_multiplier"] == "10000000"
    assert (rows["ETH_USDT"]["enable_decimal"], rows["ETH_USDT"]["order_size_min"]) == (True, 0)
    assert {row["status"] for row in usdt} == {"trading", "circuit_breaker", "delisted", "prelaunch"}
    gone = next(row for row in usdt if row["status"] == "delisted")
    assert (gone["in_delisting"], gone["position_size"]) == (True, 0)
    assert none == []
    assert (usdc.status_code, usdc.json()["label"]) == (400, "MISSING_REQUIRED_HEADER")
    assert [row["name"] for row in page] == [row["name"] for row in usdt][10:20]
    assert one["name"] == "BTC_USDT"


def test_a_whole_universe_is_as_large_as_asked_for():
    rows = Gate.build_listings(330, 1)

    assert sum(row.status == "live" for row in rows) == 330
    babydoge = next(row for row in rows if row.asset.key == "BABYDOGE")
    assert (babydoge.exchange_symbol, babydoge.unit) == ("MBABYDOGE_USDT", 1e6)
    assert not [row for row in rows if row.exchange_symbol.startswith("1000")]


def test_tickers_agree_with_contracts_and_the_book():
    async def scenario():
        async with running("gate", rate=1) as run:
            tickers = {row["contract"]: row for row in await run.get("gate", f"{FUTURES}/usdt/tickers")}
            (inverse,) = await run.get("gate", f"{FUTURES}/btc/tickers")
            params = {"contract": "BTC_USDT", "limit": 20, "with_id": "true"}
            book = await run.get("gate", f"{FUTURES}/usdt/order_book", **params)
            history = await run.get("gate", f"{FUTURES}/usdt/funding_rate", contract="BTC_USDT", limit=4)
            clock = await run.get("gate", "/api/v4/spot/time")
            return tickers, inverse, book, history, clock

    tickers, inverse, book, history, clock = asyncio.run(scenario())
    btc = tickers["BTC_USDT"]
    assert "funding_interval" not in btc
    coins = float(btc["volume_24h"]) * 0.0001
    assert coins == pytest.approx(float(btc["volume_24h_base"]), rel=1e-3)
    assert coins * float(btc["mark_price"]) == pytest.approx(float(btc["volume_24h_quote"]), rel=1e-3)
    assert float(inverse["volume_24h"]) == pytest.approx(float(inverse["volume_24h_quote"]), rel=1e-6)
    assert len(book["asks"]) == len(book["bids"]) == 20
    assert set(book["asks"][0]) == {"p", "s"}
    assert float(book["asks"][0]["p"]) > float(book["bids"][0]["p"])
    assert book["id"] > 0
    assert [row["t"] % 28800 for row in history] == [0] * 4
    assert clock["server_time"] > 1.6e12


@pytest.mark.parametrize(
    ("path", "params", "label"),
    [
        ("order_book", {"contract": "NOPE_USDT"}, "CONTRACT_NOT_FOUND"),
        ("order_book", {"contract": "BTC_USD"}, "CONTRACT_NOT_FOUND"),
        ("order_book", {}, "MISSING_REQUIRED_PARAM"),
        ("order_book", {"contract": "BTC_USDT", "limit": 301}, "TOO_BIG"),
        ("order_book", {"contract": "BTC_USDT", "limit": "x"}, "INVALID_PARAM_VALUE"),
        ("contracts/NOPE_USDT", {}, "CONTRACT_NOT_FOUND"),
    ],
)
def test_errors_are_labels_with_http_400(path, params, label):
    async def scenario():
        async with running("gate") as run:
            answer = await run.http.get(run.url("gate", f"{FUTURES}/usdt/{path}"), params=params)
            return answer.status_code, answer.json()["label"]

    assert asyncio.run(scenario()) == (400, label)


def test_too_many_requests_get_429():
    async def scenario():
        async with running("gate") as run:
            answers = [await run.http.get(run.url("gate", "/api/v4/spot/time")) for _ in range(201)]
            return answers[199].status_code, answers[200]

    status, refused = asyncio.run(scenario())
    assert (status, refused.status_code, refused.json()["label"]) == (200, 429, "TOO_MANY_REQUESTS")
    assert refused.headers["x-gate-ratelimit-requests-remain"] == "0"


def test_one_unknown_contract_fails_the_whole_payload():
    async def scenario():
        async with running("gate", rate=2000) as run, run.connect("gate", USDT) as socket:
            failed = await subscribe(socket, "futures.book_ticker", "BTC_USDT", "NOPE_USDT", id=7)
            foreign = await subscribe(socket, "futures.book_ticker", "BTC_USD")
            silence = await collect(socket, 0.5)
            good = await subscribe(socket, "futures.book_ticker", "BTC_USDT", "ETH_USDT", id=8)
            return failed, foreign, silence, good

    failed, foreign, silence, good = asyncio.run(scenario())
    assert failed["id"] == 7
    assert failed["error"] == {"code": 2, "message": "unknown currency pair: NOPE_USDT"}
    assert failed["result"] == {"status": "fail"}
    assert foreign["error"]["code"] == 2
    assert silence == []
    assert (good["id"], good["result"], good["payload"]) == (8, {"status": "success"}, ["BTC_USDT", "ETH_USDT"])
    assert "error" not in good


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ("hello", 1),
        ("[1]", 1),
        ('{"channel":"futures.nope","event":"subscribe","payload":["BTC_USDT"]}', 2),
        ('{"channel":"futures.tickers","event":"subscribe","payload":"BTC_USDT"}', 1),
        ('{"channel":"futures.tickers","event":"dance","payload":["BTC_USDT"]}', 1),
        ('{"channel":"futures.order_book_update","event":"subscribe","payload":["BTC_USDT","100ms","30"]}', 2),
        ('{"channel":"futures.order_book_update","event":"subscribe","payload":["BTC_USDT","20ms","50"]}', 2),
    ],
)
def test_bad_requests_are_answered_with_a_code(request_, code):
    async def scenario():
        async with running("gate") as run, run.connect("gate", USDT) as socket:
            await send(socket, request_)
            return await receive(socket)

    assert asyncio.run(scenario())["error"]["code"] == code


def test_pings_are_messages():
    async def scenario():
        async with running("gate") as run, run.connect("gate", USDT) as socket:
            await send(socket, {"time": 1789456354, "channel": "futures.ping"})
            return await receive(socket)

    pong = asyncio.run(scenario())
    assert (pong["channel"], pong["event"], pong["result"]) == ("futures.pong", "", None)


def test_tops_are_what_the_truth_says_and_come_without_a_first_frame():
    async def scenario():
        async with running("gate", rate=2000) as run, run.connect("gate", USDT) as socket:
            await subscribe(socket, "futures.book_ticker", "BTC_USDT")
            frames = await collect(socket, 1.0)
            truth = (await run.get("control", "/truth/gate", symbols="BTC_USDT"))["BTC_USDT"]
            return frames, truth

    frames, truth = asyncio.run(scenario())
    tops = results(frames, "futures.book_ticker")
    assert len(tops) > 10
    ids = [top["u"] for top in tops]
    assert ids == sorted(set(ids))
    known = {tuple(row[1:]) for row in truth}
    assert {(float(top["b"]), top["B"], float(top["a"]), top["A"]) for top in tops} <= known
    assert isinstance(tops[0]["B"], int)


def test_sizes_have_decimals_only_on_request():
    """ETH_USDT is traded in tenths of a contract; without the header they are cut off."""

    async def scenario(headers):
        async with running("gate", rate=3000, instruments=10) as run:
            async with run.connect("gate", USDT, additional_headers=headers) as socket:
                await subscribe(socket, "futures.book_ticker", "ETH_USDT")
                frames = await collect(socket, 0.7)
            answer = await run.http.get(run.url("gate", f"{FUTURES}/usdt/contracts/ETH_USDT"), headers=headers)
            return results(frames, "futures.book_ticker"), answer.json()["order_size_min"]

    plain, plain_min = asyncio.run(scenario({}))
    exact, exact_min = asyncio.run(scenario(DECIMALS))
    assert all(isinstance(top["B"], int) for top in plain)
    assert all(isinstance(top["B"], str) for top in exact)
    assert any("." in top["B"] + top["A"] for top in exact)
    assert (plain_min, exact_min) == (0, "0.1")


def test_the_inverse_family_has_a_socket_of_its_own():
    async def scenario():
        async with running("gate", rate=3000, instruments=12) as run, run.connect("gate", BTC_FAMILY) as socket:
            await subscribe(socket, "futures.book_ticker", "BTC_USD")
            return await until(socket, lambda frame: frame["event"] == "update")

    assert asyncio.run(scenario())["result"]["s"] == "BTC_USD"


def test_tickers_carry_interval_and_next_payment():
    async def scenario():
        async with running("gate", rate=2000) as run, run.connect("gate", USDT) as socket:
            await subscribe(socket, "futures.tickers", "BTC_USDT")
            return await collect(socket, 2.2)

    tickers = [rows[0] for rows in results(asyncio.run(scenario()), "futures.tickers")]
    assert 1 <= len(tickers) <= 3
    assert (tickers[0]["contract"], tickers[0]["funding_interval"]) == ("BTC_USDT", 28800)
    assert tickers[0]["funding_next_apply"] % 28800 == 0
    assert "highest_bid" not in tickers[0]


def test_trades_sign_their_size():
    async def scenario():
        async with running("gate", rate=3000, instruments=10) as run, run.connect("gate", USDT) as socket:
            await subscribe(socket, "futures.trades", "BTC_USDT")
            return await collect(socket, 1.5)

    trades = [row for rows in results(asyncio.run(scenario()), "futures.trades") for row in rows]
    assert trades
    assert all(trade["size"] != 0 and trade["contract"] == "BTC_USDT" for trade in trades)


def test_books_chain_by_id_and_rebuild():
    async def scenario():
        async with running("gate", rate=3000, instruments=10) as run, run.connect("gate", USDT) as socket:
            await subscribe(socket, "futures.obu", "ob.BTC_USDT.50", "ob.NOPE_USDT.50", "ob.ETH_USDT.20")
            frames = await collect(socket, 1.5)
            again = await subscribe(socket, "futures.obu", "ob.BTC_USDT.50")
            return results(frames, "futures.obu"), again

    frames, again = asyncio.run(scenario())
    assert {frame["s"] for frame in frames} == {"ob.BTC_USDT.50"}
    first, *changes = frames
    assert first["full"] is True
    assert len(first["b"]) == len(first["a"]) == 50
    sides = {"b": dict(first["b"]), "a": dict(first["a"])}
    last = first["u"]
    for change in changes:
        assert change["U"] == last + 1
        last = change["u"]
        for side, levels in sides.items():
            apply_levels(levels, change.get(side, []))
    assert len(changes) > 5
    assert max(map(float, sides["b"])) < min(map(float, sides["a"]))
    assert again["error"]["message"] == "Alert sub ob.BTC_USDT.50"


def test_changes_of_books_follow_a_seed_from_rest():
    async def scenario():
        async with running("gate", rate=3000, instruments=10) as run, run.connect("gate", USDT) as socket:
            await subscribe(socket, "futures.order_book_update", "BTC_USDT", "100ms", "100")
            params = {"contract": "BTC_USDT", "limit": 100, "with_id": "true"}
            await collect(socket, 0.3)
            seed = await run.get("gate", f"{FUTURES}/usdt/order_book", **params)
            return seed, results(await collect(socket, 1.0), "futures.order_book_update")

    seed, changes = asyncio.run(scenario())
    follows = [change for change in changes if change["U"] <= seed["id"] + 1 <= change["u"]]
    assert len(follows) == 1
    assert set(changes[0]["a"][0] if changes[0]["a"] else changes[0]["b"][0]) == {"p", "s"}


def test_unsubscribing_ends_the_stream():
    async def scenario():
        async with running("gate", rate=3000, instruments=10) as run, run.connect("gate", USDT) as socket:
            await subscribe(socket, "futures.book_ticker", "BTC_USDT")
            answer = await subscribe(socket, "futures.book_ticker", "BTC_USDT", event="unsubscribe")
            return answer, await collect(socket, 0.5)

    answer, silence = asyncio.run(scenario())
    assert answer["result"] == {"status": "success"}
    assert silence == []


def test_a_socket_without_subscriptions_is_cut():
    async def scenario():
        async with running("gate") as run:
            await run.settings("gate", idle_timeout_s=0.5)
            async with run.connect("gate", USDT) as socket:
                return await closed(socket)

    assert asyncio.run(scenario())[0] == 1006


def test_too_many_connections_are_refused():
    async def scenario():
        async with running("gate") as run:
            await run.settings("gate", max_connections=1)
            async with run.connect("gate", USDT):
                try:
                    async with run.connect("gate", USDT):
                        return 101
                except Exception as error:
                    return error.response.status_code

    assert asyncio.run(scenario()) == 429


def test_listings_halts_and_intervals_show_in_the_list():
    async def scenario():
        async with running("gate") as run:

            async def rows():
                return {row["name"]: row for row in await run.get("gate", f"{FUTURES}/usdt/contracts")}

            before = await rows()
            await run.fault("gate", "halt", symbol="ETH_USDT")
            await run.fault("gate", "funding_interval", symbol="BTC_USDT", hours=1)
            await run.fault("gate", "list")
            await run.fault("gate", "delist", symbol="SOL_USDT")
            return before, await rows()

    before, after = asyncio.run(scenario())
    assert (before["ETH_USDT"]["status"], after["ETH_USDT"]["status"]) == ("trading", "circuit_breaker")
    assert after["BTC_USDT"]["funding_interval"] == 3600
    assert "SOL_USDT" not in after
    assert len(after.keys() - before.keys()) == 1


def test_subscriptions_can_be_refused():
    async def scenario():
        async with running("gate") as run:
            await run.fault("gate", "reject", mode="subscribe")
            async with run.connect("gate", USDT) as socket:
                return await subscribe(socket, "futures.book_ticker", "BTC_USDT")

    assert asyncio.run(scenario())["error"] == {"code": 3, "message": "service error"}


def test_the_clock_can_be_wrong():
    async def scenario():
        async with running("gate") as run:
            right = (await run.get("gate", "/api/v4/spot/time"))["server_time"]
            await run.fault("gate", "shift_clock", offset_s=60)
            return (await run.get("gate", "/api/v4/spot/time"))["server_time"] - right

    assert asyncio.run(scenario()) == pytest.approx(60_000, abs=2_000)


def test_unknown_frames_are_json():
    assert json.loads(Gate.unknown_frame)["channel"] == "futures.something_new"
