"""BitMEX as its dossier describes it: tables, partials, sparse rows, contracts in three kinds, bare pings."""

import asyncio
import json

import pytest
from simulator_harness import collect, receive, running, send, until

from simulator.exchanges.bitmex import Bitmex
from simulator.exchanges.registry import REGISTRY

REALTIME = "/realtime"
API = "/api/v1"


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(REGISTRY, "bitmex", "simulator.exchanges.bitmex:Bitmex")


async def subscribe(socket, *topics, op="subscribe"):
    """Send one request and return its answers, one per topic."""
    await send(socket, {"op": op, "args": list(topics)})
    return [await until(socket, lambda frame: "request" in frame) for _ in topics]


def rows_of(frames, table, action):
    return [
        row for frame in frames if frame.get("table") == table and frame["action"] == action for row in frame["data"]
    ]


def test_instruments_have_the_real_fields():
    async def scenario():
        async with running("bitmex", instruments=60) as run:
            active = await run.get("bitmex", f"{API}/instrument/active")
            everything = await run.get("bitmex", f"{API}/instrument", count=500)
            chosen = await run.get("bitmex", f"{API}/instrument", filter='{"typ":"FFCCSX"}')
            one = await run.get("bitmex", f"{API}/instrument", symbol="XBTUSDT")
            indices = await run.get("bitmex", f"{API}/instrument/indices")
            return active, everything, chosen, one, indices

    active, everything, chosen, one, indices = asyncio.run(scenario())
    rows = {row["symbol"]: row for row in active}
    linear, inverse, eth, quanto = (rows[name] for name in ("XBTUSDT", "XBTUSD", "ETHUSD_ETH", "ETHUSD"))
    assert (linear["underlying"], linear["settlCurrency"], linear["lotSize"]) == ("XBT", "USDt", 100)
    assert (linear["multiplier"], linear["underlyingToPositionMultiplier"]) == (1, 1_000_000)
    assert (linear["isInverse"], linear["isQuanto"], linear["state"], linear["typ"]) == (False, False, "Open", "FFWCSX")
    assert (linear["makerFee"], linear["takerFee"], linear["fundingInterval"]) == (
        0.0005,
        0.0005,
        "2000-01-01T08:00:00.000Z",
    )
    assert linear["fundingTimestamp"][11:13] in ("04", "12", "20")
    assert (inverse["multiplier"], inverse["underlyingToSettleMultiplier"]) == (-100_000_000, -100_000_000)
    assert (inverse["isInverse"], inverse["settlCurrency"], inverse["lotSize"]) == (True, "XBt", 100)
    assert (eth["settlCurrency"], eth["multiplier"], eth["isInverse"]) == ("Gwei", -1_000_000_000, True)
    assert (quanto["isQuanto"], quanto["multiplier"], quanto["settlCurrency"]) == (True, 100, "XBt")
    assert rows["SPYUSDT"]["typ"] == "FFSCSX"
    assert {row["state"] for row in active} == {"Open", "Closed", "Unlisted"}
    assert {row["state"] for row in everything} == {"Open", "Closed", "Unlisted", "Delisted"}
    (dated,) = chosen
    assert dated["expiry"] is not None
    assert "fundingRate" not in dated
    assert one[0]["symbol"] == "XBTUSDT"
    assert all(row["symbol"].startswith(".B") and row["typ"] == "MRCXXX" for row in indices)


def test_a_whole_universe_is_as_large_as_the_exchange_was():
    rows = Bitmex.build_listings(300, 1)

    assert sum(row.status == "live" and row.perpetual for row in rows) == 130
    by_id = {row.exchange_symbol: row for row in rows}
    assert (by_id["1TAIDOGEUSDT"].unit, by_id["1000000MOGUSDT"].unit) == (1e12, 1e6)


def test_sizes_follow_the_rules_of_each_kind():
    """Open interest times the multiplier is its value in minor units, at the mark or through it."""

    async def scenario():
        async with running("bitmex", rate=1) as run:
            return {row["symbol"]: row for row in await run.get("bitmex", f"{API}/instrument/active")}

    rows = asyncio.run(scenario())
    linear, inverse, quanto = rows["ETHUSDT"], rows["XBTUSD"], rows["ETHUSD"]
    coins = linear["openInterest"] / linear["underlyingToPositionMultiplier"]
    assert linear["openValue"] / 1e6 == pytest.approx(coins * linear["markPrice"], rel=1e-6)
    assert inverse["openValue"] / 1e8 == pytest.approx(inverse["openInterest"] / inverse["markPrice"], rel=1e-6)
    assert quanto["openValue"] == pytest.approx(quanto["openInterest"] * 100 * quanto["markPrice"], rel=1e-6)
    for row in (linear, inverse):
        assert row["homeNotional24h"] * row["markPrice"] == pytest.approx(row["foreignNotional24h"], rel=1e-4)
        assert row["volume24h"] % row["lotSize"] == 0


def test_other_answers_of_rest():
    async def scenario():
        async with running("bitmex") as run:
            clock = await run.get("bitmex", f"{API}/")
            book = await run.get("bitmex", f"{API}/orderBook/L2", symbol="XBTUSD", depth=5)
            funding = await run.get("bitmex", f"{API}/funding", symbol="XBTUSD", count=3, reverse="true")
            quote = await run.get("bitmex", f"{API}/quote", symbol="XBTUSD")
            both = await run.get("bitmex", f"{API}/instrument/activeAndIndices")
            return clock, book, funding, quote, both

    clock, book, funding, (quote,), both = asyncio.run(scenario())
    assert clock["name"] == "BitMEX API"
    assert clock["timestamp"] > 1.6e12
    assert [row["side"] for row in book] == ["Sell"] * 5 + ["Buy"] * 5
    prices = [row["price"] for row in book]
    assert prices == sorted(prices, reverse=True)
    assert [row["timestamp"] for row in funding] == sorted((row["timestamp"] for row in funding), reverse=True)
    assert funding[0]["fundingInterval"] == "2000-01-01T08:00:00.000Z"
    assert 0 < quote["bidPrice"] < quote["askPrice"]
    assert {row["typ"] for row in both} >= {"FFWCSX", "MRCXXX"}


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/orderBook/L2", {"symbol": "NOPE"}),
        ("/funding", {"symbol": "XBTUSD", "count": 501}),
        ("/instrument", {"count": 501}),
        ("/instrument", {"filter": "{"}),
        ("/instrument", {"filter": "[]"}),
    ],
)
def test_errors_are_objects(path, params):
    async def scenario():
        async with running("bitmex") as run:
            answer = await run.http.get(run.url("bitmex", API + path), params=params)
            return answer.status_code, answer.json()["error"]["name"]

    assert asyncio.run(scenario()) == (400, "HTTPError")


def test_thirty_requests_a_minute():
    async def scenario():
        async with running("bitmex") as run:
            answers = [await run.http.get(run.url("bitmex", f"{API}/")) for _ in range(31)]
            return answers[29].status_code, answers[30]

    status, refused = asyncio.run(scenario())
    assert (status, refused.status_code) == (200, 429)
    assert refused.json()["error"]["name"] == "RateLimitError"
    assert refused.headers["retry-after"] == "2"


def test_the_welcome_and_a_subscription_in_the_address():
    async def scenario():
        async with running("bitmex") as run, run.connect("bitmex", f"{REALTIME}?subscribe=quote:XBTUSD,nope") as socket:
            return [await receive(socket) for _ in range(4)]

    welcome, ack, partial, refusal = asyncio.run(scenario())
    assert welcome["info"] == "Welcome to the BitMEX Realtime API."
    assert welcome["limit"]["remaining"] == 719
    assert (ack["success"], ack["subscribe"]) == (True, "quote:XBTUSD")
    assert (partial["table"], partial["action"], partial["filter"]) == ("quote", "partial", {"symbol": "XBTUSD"})
    assert (refusal["status"], refusal["error"]) == (400, "Unknown table: nope")


def test_pings_are_bare_text():
    async def scenario():
        async with running("bitmex") as run, run.connect("bitmex", REALTIME) as socket:
            await receive(socket)
            await send(socket, "ping")
            return await receive(socket)

    assert asyncio.run(scenario()) == "pong"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("hello", 400),
        ('{"op":"dance","args":["quote"]}', 400),
        ('{"op":"subscribe","args":[]}', 400),
        ('{"op":"subscribe","args":["quote:NOPE"]}', 400),
        ('{"op":"subscribe","args":["orderBookL2"]}', 400),
        ('{"op":"unsubscribe","args":["quote"]}', 400),
        (json.dumps({"op": "subscribe", "args": ["quote"] * 21}), 400),
    ],
)
def test_bad_requests_are_answered(request_, status):
    async def scenario():
        async with running("bitmex") as run, run.connect("bitmex", REALTIME) as socket:
            await receive(socket)
            await send(socket, request_)
            return await until(socket, lambda frame: "status" in frame)

    assert asyncio.run(scenario())["status"] == status


def test_a_topic_twice_and_too_many_messages():
    async def scenario():
        async with running("bitmex") as run, run.connect("bitmex", REALTIME) as socket:
            await subscribe(socket, "funding:XBTUSD")
            (twice,) = await subscribe(socket, "funding:XBTUSD")
            await run.settings("bitmex", messages_per_s=1)
            for _ in range(3):
                await send(socket, {"op": "unsubscribe", "args": ["funding:XBTUSD"]})
            return twice, await until(socket, lambda frame: frame.get("status") == 429)

    twice, limited = asyncio.run(scenario())
    assert twice["error"].startswith("You are already subscribed to this topic")
    assert limited["meta"] == {"retryAfter": 1}


def test_two_topics_bring_the_whole_venue():
    async def scenario():
        async with running("bitmex", rate=2000) as run, run.connect("bitmex", REALTIME) as socket:
            answers = await subscribe(socket, "instrument", "quote")
            frames = await collect(socket, 1.5)
            truth = await run.get("control", "/truth/bitmex")
            return answers, frames, truth

    answers, frames, truth = asyncio.run(scenario())
    assert [answer.get("subscribe") for answer in answers] == ["instrument", "quote"]
    inserted = rows_of(frames, "quote", "insert")
    assert len({row["symbol"] for row in inserted}) > 20
    sides = ("bidPrice", "bidSize", "askPrice", "askSize")
    wrong = [
        row
        for row in inserted
        if row["symbol"] in truth  # a dated contract is no perpetual
        and tuple(row[name] for name in sides) not in {tuple(top[1:]) for top in truth[row["symbol"]]}
    ]
    assert wrong == []
    changed = rows_of(frames, "instrument", "update")
    assert changed
    assert all("symbol" in row and "timestamp" in row and "tickSize" not in row for row in changed)


def test_an_image_comes_first_and_sparse_rows_merge_to_the_current_one():
    async def scenario():
        async with running("bitmex", rate=2000) as run, run.connect("bitmex", REALTIME) as socket:
            await run.settings("bitmex", mark_period_s=1)
            await send(socket, {"op": "subscribe", "args": "instrument"})
            frames = await collect(socket, 2.6)
            current = await run.get("bitmex", f"{API}/instrument/active")
            return frames, {row["symbol"]: row for row in current}

    frames, current = asyncio.run(scenario())
    tables = [frame for frame in frames if frame.get("table") == "instrument"]
    assert [frame["action"] for frame in tables].count("partial") == 1
    assert (tables[0]["action"], tables[0]["keys"]) == ("partial", ["symbol"])
    merged = {row["symbol"]: dict(row) for row in tables[0]["data"]}
    assert any(symbol.startswith(".") for symbol in merged)
    for row in rows_of(tables, "instrument", "update"):
        merged[row["symbol"]] |= row
    for symbol in ("XBTUSDT", "ETHUSD"):
        assert merged[symbol]["markPrice"] == pytest.approx(current[symbol]["markPrice"], rel=1e-3)
        assert merged[symbol]["fundingTimestamp"] == current[symbol]["fundingTimestamp"]


def test_books_by_id_rebuild_to_the_book():
    async def scenario():
        async with running("bitmex", rate=3000, instruments=10) as run, run.connect("bitmex", REALTIME) as socket:
            await send(socket, {"op": "subscribe", "args": ["orderBookL2_25:XBTUSD"]})
            return await collect(socket, 1.5)

    frames = [frame for frame in asyncio.run(scenario()) if frame.get("table") == "orderBookL2_25"]
    assert (frames[0]["action"], frames[0]["keys"]) == ("partial", ["symbol", "id", "side"])
    book = {(row["id"], row["side"]): row["price"] for row in frames[0]["data"]}
    assert len(book) == 50
    for frame in frames[1:]:
        for row in frame["data"]:
            key = (row["id"], row["side"])
            if frame["action"] == "delete":
                assert set(row) == {"symbol", "id", "side"}
                del book[key]
            else:
                assert (key in book) == (frame["action"] == "update")
                book[key] = row["price"]
    assert {frame["action"] for frame in frames} == {"partial", "update", "insert", "delete"}
    bids = [price for (_, side), price in book.items() if side == "Buy"]
    asks = [price for (_, side), price in book.items() if side == "Sell"]
    assert (len(bids), len(asks)) == (25, 25)
    assert max(bids) < min(asks)


def test_ten_levels_come_whole():
    async def scenario():
        async with running("bitmex", rate=3000, instruments=10) as run, run.connect("bitmex", REALTIME) as socket:
            await send(socket, {"op": "subscribe", "args": ["orderBook10:XBTUSD"]})
            return await collect(socket, 0.8)

    frames = [frame for frame in asyncio.run(scenario()) if frame.get("table") == "orderBook10"]
    assert [frame["action"] for frame in frames][:2] == ["partial", "update"]
    assert all(len(frame["data"][0]["bids"]) == len(frame["data"][0]["asks"]) == 10 for frame in frames)


def test_trades_and_funding_are_tables_too():
    async def scenario():
        async with running("bitmex", rate=3000, instruments=10) as run, run.connect("bitmex", REALTIME) as socket:
            await send(socket, {"op": "subscribe", "args": ["trade:XBTUSD", "funding:XBTUSD"]})
            return await collect(socket, 1.0)

    frames = asyncio.run(scenario())
    (trade, *_) = rows_of(frames, "trade", "insert")
    assert (trade["trdType"], trade["size"] % 100) == ("Regular", 0)
    assert trade["homeNotional"] == pytest.approx(trade["size"] / trade["price"], rel=1e-4)
    (paid,) = rows_of(frames, "funding", "partial")
    assert paid["timestamp"][11:13] in ("04", "12", "20")


def test_halts_listings_and_delistings_are_pushed():
    async def scenario():
        async with running("bitmex") as run, run.connect("bitmex", REALTIME) as socket:
            await send(socket, {"op": "subscribe", "args": ["instrument"]})
            await until(socket, lambda frame: frame.get("action") == "partial")
            await run.fault("bitmex", "halt", symbol="ETHUSDT")
            await run.fault("bitmex", "list")
            await run.fault("bitmex", "delist", symbol="SOLUSDT")
            await run.fault("bitmex", "funding_interval", symbol="XBTUSD", hours=4)
            frames = await collect(socket, 0.5)
            listed = {row["symbol"]: row for row in await run.get("bitmex", f"{API}/instrument/active")}
            return frames, listed

    frames, listed = asyncio.run(scenario())
    states = {row["symbol"]: row["state"] for row in rows_of(frames, "instrument", "update") if "state" in row}
    assert states == {"ETHUSDT": "Closed", "SOLUSDT": "Delisted"}
    (new,) = rows_of(frames, "instrument", "insert")
    assert new["state"] == "Open"
    assert new["symbol"] in listed
    assert "SOLUSDT" not in listed
    assert (listed["ETHUSDT"]["state"], listed["XBTUSD"]["fundingInterval"]) == ("Closed", "2000-01-01T04:00:00.000Z")


def test_subscriptions_can_be_refused():
    async def scenario():
        async with running("bitmex") as run:
            await run.fault("bitmex", "reject", mode="subscribe")
            async with run.connect("bitmex", REALTIME) as socket:
                return await subscribe(socket, "quote")

    (refusal,) = asyncio.run(scenario())
    assert (refusal["status"], refusal["request"]["args"]) == (503, ["quote"])


def test_unsubscribing_ends_the_stream_and_clocks_can_be_wrong():
    async def scenario():
        async with running("bitmex", rate=3000, instruments=10) as run, run.connect("bitmex", REALTIME) as socket:
            await subscribe(socket, "quote")
            (answer,) = await subscribe(socket, "quote", op="unsubscribe")
            silence = await collect(socket, 0.4)
            right = (await run.get("bitmex", f"{API}/"))["timestamp"]
            await run.fault("bitmex", "shift_clock", offset_s=60)
            return answer, silence, (await run.get("bitmex", f"{API}/"))["timestamp"] - right

    answer, silence, shifted_ms = asyncio.run(scenario())
    assert (answer["success"], answer["unsubscribe"]) == (True, "quote")
    assert silence == []
    assert shifted_ms == pytest.approx(60_000, abs=2_000)


def test_connections_are_counted_by_the_hour():
    async def scenario():
        async with running("bitmex") as run:
            await run.settings("bitmex", connects_per_hour=1)
            async with run.connect("bitmex", REALTIME):
                try:
                    async with run.connect("bitmex", REALTIME):
                        return 101
                except Exception as error:
                    return error.response.status_code

    assert asyncio.run(scenario()) == 429
