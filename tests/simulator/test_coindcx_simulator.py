"""CoinDCX as its dossier describes it: Socket.IO, text within JSON, no errors, and Binance's book a while later."""

import asyncio
import json
import time
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from itertools import pairwise

import pytest
import socketio
from simulator_harness import closed, running, send

from simulator.exchanges.coindcx_market import DELAY_S
from simulator.exchanges.registry import REGISTRY

RAW = "/socket.io/?EIO=4&transport=websocket"
API, DATA = "/exchange/v1/derivatives/futures/data", "/market_data/v3"
PRICES = "currentPrices@futures@rt"


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(REGISTRY, "coindcx", "simulator.exchanges.coindcx:Coindcx")


def run(scenario):
    return asyncio.run(scenario())


class Client:
    """A client of the library that the exchange's own users take."""

    def __init__(self):
        self.socket = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        self.events = []
        self.gone = asyncio.Event()
        self.socket.on("*", self._take)
        self.socket.on("disconnect", self._end)

    async def _take(self, event, message):
        self.events.append((event, message))

    async def _end(self, *_reason):
        self.gone.set()

    async def join(self, *channels):
        for channel in channels:
            await self.socket.emit("join", {"channelName": channel})

    def data(self, *names):
        """The data of the events with these names, read twice as the wire has them."""
        return [json.loads(message["data"]) for event, message in self.events if event in names]


@asynccontextmanager
async def client_of(run):
    client = Client()
    await client.socket.connect(run.endpoints["coindcx"]["ws"], transports=["websocket"])
    try:
        yield client
    finally:
        await client.socket.disconnect()


async def raw(run):
    """A socket with its handshake done by hand."""
    socket = await run.connect("coindcx", RAW)
    opened = await asyncio.wait_for(socket.recv(), 5)
    await socket.send("40")
    return socket, opened, await asyncio.wait_for(socket.recv(), 5)


def test_pairs_are_binance_s_under_their_own_names():
    async def scenario():
        async with running("binance", "coindcx", instruments=60) as run:
            pairs = await run.get("coindcx", f"{API}/active_instruments", **{"margin_currency_short_name[]": "USDT"})
            inr = await run.get("coindcx", f"{API}/active_instruments", **{"margin_currency_short_name[]": "INR"})
            none = await run.get("coindcx", f"{API}/active_instruments", **{"margin_currency_short_name[]": "EUR"})
            details = {}
            for pair in ("B-BTC_USDT", "B-1000PEPE_USDT", "B-XAU_USDT", "B-AMB_USDT", "B-NOPE_USDT"):
                body = await run.get("coindcx", f"{API}/instrument", pair=pair, margin_currency_short_name="USDT")
                details[pair] = body["instrument"]
            binance = {row["symbol"] for row in (await run.get("binance", "/fapi/v1/exchangeInfo"))["symbols"]}
            return pairs, inr, none, details, binance

    pairs, inr, none, details, binance = run(scenario)
    assert len(pairs) == 60
    assert (pairs == inr, none) == (True, [])
    relayed = [pair for pair in pairs if pair.removeprefix("B-").replace("_", "") in binance]
    assert len(relayed) >= 25
    btc = details["B-BTC_USDT"]
    assert (btc["pair"], btc["funding_frequency"], btc["maker_fee"], btc["taker_fee"]) == (
        "B-BTC_USDT",
        8,
        0.0236,
        0.059,
    )
    assert details["B-XAU_USDT"]["taker_fee"] == 0.0118
    assert (details["B-AMB_USDT"]["status"], details["B-AMB_USDT"]["exit_only"]) == ("inactive", True)
    assert details["B-NOPE_USDT"]["pair"] == "B-LAB_USDT"  # an unknown pair is answered with another


def test_many_pairs():
    async def scenario():
        async with running("coindcx", rate=0, instruments=330) as run:
            return await run.get("coindcx", f"{API}/active_instruments")

    pairs = run(scenario)
    assert len(pairs) == len(set(pairs)) == 330


def test_current_prices_hold_zombies_too():
    async def scenario():
        async with running("coindcx") as run:
            answer = await run.http.get(run.url("coindcx", f"{DATA}/current_prices/futures/rt"))
            active = await run.get("coindcx", f"{API}/active_instruments")
            return answer, active

    answer, active = run(scenario)
    body = answer.json()
    row = body["prices"]["B-BTC_USDT"]
    assert (row["mkt"], row["mp"]) == ("BTCUSDT", pytest.approx(row["ls"], rel=0.01))
    assert {"ls", "mp", "efr", "fr", "v", "pc", "bmST", "cmRT", "btST", "ctRT"} <= set(row)
    zombies = set(body["prices"]) - set(active)
    assert zombies
    assert all(body["ts"] - body["prices"][pair]["bmST"] > 86_400_000 for pair in zombies)
    assert abs(body["ts"] - row["bmST"]) < 5000
    assert abs(parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()) < 5


def test_books_of_rest_errors_and_limits():
    async def scenario():
        async with running("coindcx") as run:
            book = await run.get("coindcx", f"{DATA}/orderbook/B-BTC_USDT-futures/10")
            empty = [
                await run.get("coindcx", f"{DATA}/orderbook/{path}")
                for path in ("B-NOPE_USDT-futures/10", "B-BTC_USDT-futures/11")
            ]
            unknown = await run.http.get(run.url("coindcx", "/nope"))
            await run.settings("coindcx", requests_per_minute=1)
            refused = await run.http.get(run.url("coindcx", f"{API}/active_instruments"))
            return book, empty, unknown, refused

    book, empty, unknown, refused = run(scenario)
    assert len(book["bids"]) == len(book["asks"]) == 10
    assert max(map(float, book["bids"])) < min(map(float, book["asks"]))
    assert empty == [{"ts": 0, "vs": 0, "asks": {}, "bids": {}}] * 2
    assert (unknown.status_code, unknown.json()["message"]) == (404, "not_found")
    assert refused.status_code == 429
    assert refused.headers["ratelimit-policy"] == "1;w=60"


def test_the_wire_is_engine_io_4():
    async def scenario():
        async with running("coindcx", rate=1500) as run:
            socket, opened, connected = await raw(run)
            await send(socket, '42["join",{"channelName":"B-BTC_USDT@orderbook@10-futures"}]')
            frame = await asyncio.wait_for(socket.recv(), 3)
            await socket.close()
            return opened, connected, frame

    opened, connected, frame = run(scenario)
    shake = json.loads(opened[1:])
    assert opened[0] == "0"
    assert (shake["pingInterval"], shake["pingTimeout"], shake["upgrades"]) == (25000, 20000, [])
    assert connected.startswith('40{"sid":')
    assert frame.startswith('42["depth-snapshot",')
    event, message = json.loads(frame[2:])
    assert (event, message["event"], type(message["data"])) == ("depth-snapshot", "depth-snapshot", str)
    data = json.loads(message["data"])
    assert (data["pr"], data["s"], data["type"]) == ("futures", "BTCUSDT", "depth-snapshot")
    whole = [price.isdigit() for price in data["asks"]]
    assert whole == sorted(whole, reverse=True)  # whole numbers first


def test_books_go_on_by_version_and_rest_fills_the_start():
    """The second client hears no snapshot: its first frame changes the REST book of the same depth."""

    async def scenario():
        async with running("coindcx", rate=3000) as run, client_of(run) as first, client_of(run) as second:
            channel = "B-BTC_USDT@orderbook@10-futures"
            await first.join(channel, channel)
            await asyncio.sleep(1.2)
            await second.join(channel)
            await asyncio.sleep(0.1)
            seed = await run.get("coindcx", f"{DATA}/orderbook/B-BTC_USDT-futures/10")
            await asyncio.sleep(2.5)
            truth = (await run.get("control", "/truth/coindcx", symbols="B-BTC_USDT"))["B-BTC_USDT"]
            return (
                first.data("depth-snapshot", "depth-update"),
                second.data("depth-snapshot", "depth-update"),
                seed,
                truth,
            )

    told, late, seed, truth = run(scenario)
    assert told[0]["type"] == "depth-snapshot"
    assert [frame["vs"] for frame in told] == list(range(told[0]["vs"], told[0]["vs"] + len(told)))
    assert {frame["type"] for frame in late} == {"depth-update"}
    seen = {(row[1], row[3]) for row in truth}
    bids, asks, version = dict(seed["bids"]), dict(seed["asks"]), seed["vs"]
    for frame in [frame for frame in late if frame["vs"] > version]:
        assert frame["vs"] == version + 1
        version = frame["vs"]
        assert frame["ts"] >= frame["E"]
        for side, changes, best in ((bids, frame["bids"], -1), (asks, frame["asks"], 1)):
            side.update(changes)
            levels = sorted(((p, q) for p, q in side.items() if float(q)), key=lambda level: best * float(level[0]))[
                :10
            ]
            side.clear()
            side.update(levels)
        assert (float(next(iter(bids))), float(next(iter(asks)))) in seen
    assert version > seed["vs"]


def test_leaving_and_joining_again_skips_no_version():
    """The exchange numbers a book for all its clients: what REST has before a join, the first change continues."""

    async def scenario():
        async with running("coindcx", rate=3000) as run, client_of(run) as client:
            channel, path = "B-BTC_USDT@orderbook@10-futures", f"{DATA}/orderbook/B-BTC_USDT-futures/10"
            seeds = [await run.get("coindcx", path)]
            await client.join(channel)
            for _ in range(4):
                await asyncio.sleep(0.8)
                seeds.append(await run.get("coindcx", path))
                await client.socket.emit("leave", {"channelName": channel})
                await client.join(channel)
            await asyncio.sleep(0.8)
            return seeds, client.data("depth-snapshot", "depth-update")

    seeds, told = run(scenario)
    versions = sorted({frame["vs"] for frame in told})
    missed = versions[-1] - versions[0] + 1 - len(versions)
    assert len(versions) >= 5
    assert missed <= 1  # the book may just then have changed between one leave and its join
    assert seeds[0]["vs"] + 1 >= versions[0]
    assert [seed["vs"] for seed in seeds] == sorted(seed["vs"] for seed in seeds)


def test_a_book_says_no_more_than_twice_a_second():
    async def scenario():
        async with running("coindcx", rate=3000) as run, client_of(run) as client:
            await client.join("B-BTC_USDT@orderbook@20-futures")
            await asyncio.sleep(3.2)
            count = len(client.data("depth-update"))
            await client.socket.emit("leave", {"channelName": "B-BTC_USDT@orderbook@20-futures"})
            await asyncio.sleep(0.2)
            left = len(client.events)
            await asyncio.sleep(1.0)
            return count, len(client.events) - left

    count, after = run(scenario)
    assert 1 <= count <= 8
    assert after == 0


def test_the_book_is_binance_s_a_while_later():
    async def scenario():
        async with running("binance", "coindcx", rate=1500, instruments=40) as run:
            await asyncio.sleep(DELAY_S + 2.0)
            here = (await run.get("control", "/truth/coindcx", symbols="B-BTC_USDT"))["B-BTC_USDT"]
            there = (await run.get("control", "/truth/binance", symbols="BTCUSDT"))["BTCUSDT"]
            return here, there

    here, there = run(scenario)
    then = {tuple(row[1:]): row[0] for row in there}
    delays = [row[0] - then[tuple(row[1:])] for row in here[1:] if tuple(row[1:]) in then]
    assert len(delays) > 5
    assert all(delay == pytest.approx(DELAY_S, abs=0.1) for delay in delays)


def test_prices_are_changes_between_snapshots():
    async def scenario():
        async with running("coindcx", rate=1500) as run, client_of(run) as client:
            await client.join(PRICES)
            await asyncio.sleep(3.0)
            return client.data("currentPrices@futures#update")

    updates = run(scenario)
    assert 4 <= len(updates) <= 9
    state = {}
    for update in updates:
        assert update["pr"] == "futures"
        for pair, fields in update["prices"].items():
            known = state.setdefault(pair, {})
            assert all(known.get(name) != value for name, value in fields.items())
            known.update(fields)
    assert {"ls", "mp", "efr", "bmST"} <= set(state["B-BTC_USDT"])
    assert any("mp" not in fields for update in updates[1:] for fields in update["prices"].values())


def test_trades_and_last_prices():
    async def scenario():
        async with running("coindcx", rate=3000) as run, client_of(run) as client:
            await client.join("B-BTC_USDT@trades-futures", "B-BTC_USDT@prices-futures")
            await asyncio.sleep(DELAY_S + 1.5)
            rest = await run.get("coindcx", f"{API}/trades", pair="B-BTC_USDT")
            return client.data("new-trade"), client.data("price-change"), rest

    trades, prices, rest = run(scenario)
    assert trades[0]["s"] == "B-BTC_USDT"
    assert (type(trades[0]["p"]), type(trades[0]["RT"]), trades[0]["m"] in (0, 1)) == (str, float, True)
    assert "s" not in prices[0]
    assert rest[0]["price"] == float(trades[0]["p"])


def test_unknown_channels_are_silence():
    async def scenario():
        async with running("coindcx", rate=1500) as run, client_of(run) as client:
            await client.join(
                "B-NOPE_USDT@orderbook@10-futures", "B-BTC_USDT@orderbook@11-futures", "B-AMB_USDT@orderbook@10-futures"
            )
            await client.socket.emit("ping")
            await client.socket.emit("join", ["nonsense"])
            await asyncio.sleep(1.0)
            await client.join("B-ETH_USDT@orderbook@10-futures")
            await asyncio.sleep(0.3)
            return client.events

    assert [event for event, _ in run(scenario)] == ["depth-snapshot"]


def test_clients_must_answer_pings():
    async def scenario():
        async with running("coindcx", rate=0) as run:
            await run.settings("coindcx", ping_interval_s=0.5, ping_timeout_s=0.5)
            await asyncio.sleep(1.1)
            socket, _, _ = await raw(run)
            assert await asyncio.wait_for(socket.recv(), 3) == "2"
            return await closed(socket)

    code, _ = run(scenario)
    assert code in (1000, 1005, 1006)


@pytest.mark.parametrize("fault", ["drop", "half_open", "silence", "garbage", "duplicate"])
def test_faults_of_connections(fault):
    async def scenario():
        async with running("coindcx", rate=3000) as run, client_of(run) as client:
            await client.join("B-BTC_USDT@orderbook@10-futures", "B-ETH_USDT@orderbook@10-futures", PRICES)
            await asyncio.sleep(0.8)
            before = len(client.events)
            await run.fault("coindcx", fault, share=1.0, duration_s=1.5)
            await asyncio.sleep(1.3)
            return before, client.events[before:], client.gone.is_set()

    before, later, gone = run(scenario)
    assert before > 0
    assert gone is (fault == "drop")
    if fault in ("drop", "half_open", "silence"):
        assert len(later) <= 1
    elif fault == "duplicate":
        assert any(one == other for one, other in pairwise(later))
    else:
        assert {type(message["data"]) for _, message in later} == {str}


@pytest.mark.parametrize("mode", ["http503", "accept_close", "subscribe"])
def test_rejection(mode):
    async def scenario():
        async with running("coindcx", rate=3000) as run:
            await run.fault("coindcx", "reject", mode=mode)
            async with client_of(run) as client:
                await client.join("B-BTC_USDT@orderbook@10-futures")
                await asyncio.sleep(0.8)
                return client.events

    if mode == "subscribe":
        assert run(scenario) == []
    else:
        with pytest.raises(socketio.exceptions.ConnectionError):
            run(scenario)


def test_faults_of_the_market():
    async def scenario():
        async with running("coindcx", rate=3000, instruments=20) as run:
            body = {"exchange": "coindcx", "fault": "list"}
            listed = (await run.http.post(run.url("control", "/faults"), json=body)).json()["symbol"]
            await run.fault("coindcx", "delist", symbol="B-ETH_USDT")
            await run.fault("coindcx", "halt", symbol="B-SOL_USDT")
            await run.fault("coindcx", "funding_interval", symbol="B-BTC_USDT", hours=1)
            pairs = await run.get("coindcx", f"{API}/active_instruments")
            details = (await run.get("coindcx", f"{API}/instrument", pair="B-BTC_USDT"))["instrument"]
            return pairs, listed, details

    pairs, listed, details = run(scenario)
    assert listed in pairs
    assert not {"B-ETH_USDT", "B-SOL_USDT"} & set(pairs)
    assert details["funding_frequency"] == 1
