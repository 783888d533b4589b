"""Deribit as its dossier describes it: JSON-RPC both ways, heartbeats, silent refusals, chained books."""

import asyncio
import itertools
import time

import pytest
from simulator_harness import closed, collect, receive, running, send, until

from simulator.exchanges.registry import REGISTRY

PATH = "/ws/api/v2"
BTC, LINEAR = "BTC-PERPETUAL", "BTC_USDC-PERPETUAL"
ids = itertools.count(1)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(REGISTRY, "deribit", "simulator.exchanges.deribit:Deribit")


def run_with(scenario, **options):
    async def whole():
        async with running("deribit", **options) as run:
            return await scenario(run)

    return asyncio.run(whole())


async def call(socket, method, **params):
    identity = next(ids)
    await send(socket, {"jsonrpc": "2.0", "id": identity, "method": f"public/{method}", "params": params})
    return await until(socket, lambda frame: frame.get("id") == identity)


async def subscribe(socket, *channels):
    return await call(socket, "subscribe", channels=list(channels))


async def rest(run, method, **params):
    return (await run.get("deribit", f"/api/v2/public/{method}", **params))["result"]


def data_of(frames, channel):
    subscriptions = [frame["params"] for frame in frames if frame.get("method") == "subscription"]
    return [params["data"] for params in subscriptions if params["channel"] == channel]


def test_the_list_has_the_exchanges_spellings_and_units():
    async def scenario(run):
        return (
            await rest(run, "get_instruments", currency="any", kind="future"),
            await rest(run, "get_instruments", currency="BTC", kind="future"),
            await rest(run, "get_instruments", currency="USDC", kind="future", expired="true"),
            await rest(run, "get_instruments", currency="USDT", kind="future"),
        )

    whole, bitcoin, expired, tether = run_with(scenario, instruments=330)
    rows = {row["instrument_name"]: row for row in whole}
    perpetuals = [row for row in whole if row["settlement_period"] == "perpetual"]
    assert 100 <= len(perpetuals) <= 131
    assert [row["instrument_name"] for row in perpetuals if row["instrument_type"] == "reversed"] == [
        BTC,
        "ETH-PERPETUAL",
    ]
    assert all(row["expiration_timestamp"] == 32503708800000 for row in perpetuals)
    btc, linear = rows[BTC], rows[LINEAR]
    assert (btc["counter_currency"], btc["settlement_currency"], btc["contract_size"]) == ("USD", "BTC", 10.0)
    assert (linear["counter_currency"], linear["settlement_currency"]) == ("USDC", "USDC")
    assert (linear["min_trade_amount"], linear["taker_commission"]) == (0.0001, 0.00035)
    assert {"1000PEPE_USDC-PERPETUAL", "1000BONK_USDC-PERPETUAL", "GOLD_USDC-PERPETUAL"} <= rows.keys()
    assert rows["NVDA_USDC-PERPETUAL"]["underlying_type"] == "equity"
    assert {row["settlement_currency"] for row in bitcoin} == {"BTC"}
    assert any(row["settlement_period"] == "month" for row in bitcoin)
    assert [row["state"] for row in expired] == ["closed"]
    assert tether == []


def test_rest_units_of_both_kinds():
    async def scenario(run):
        summary = await rest(run, "get_book_summary_by_currency", currency="USDC", kind="future")
        inverse = await rest(run, "ticker", instrument_name=BTC)
        book = await rest(run, "get_order_book", instrument_name=LINEAR, depth=20)
        index = await rest(run, "get_index_price", index_name="btc_usdc")
        span = {"start_timestamp": 0, "end_timestamp": 7_200_000}
        history = await rest(run, "get_funding_rate_history", instrument_name=BTC, **span)
        return summary, inverse, book, index, history, await rest(run, "get_time")

    summary, inverse, book, index, history, now_ms = run_with(scenario)
    row = next(row for row in summary if row["instrument_name"] == LINEAR)
    assert "best_bid_amount" not in row
    assert row["volume"] * row["mark_price"] == pytest.approx(row["volume_usd"], rel=1e-3)
    assert inverse["open_interest"] == int(inverse["open_interest"])  # dollars
    assert inverse["stats"]["volume"] * inverse["mark_price"] == pytest.approx(inverse["stats"]["volume_usd"], rel=1e-3)
    assert len(book["bids"]) == len(book["asks"]) == 20
    assert index["index_price"] == pytest.approx(row["mark_price"], rel=0.01)
    assert len(history) == 3
    assert history[0]["interest_8h"] == pytest.approx(8 * history[0]["interest_1h"])
    assert now_ms / 1000 == pytest.approx(time.time(), abs=60)


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("ticker", {"instrument_name": "NOPE"}, -32602),
        ("get_book_summary_by_currency", {"currency": "any"}, -32602),
        ("get_order_book", {"instrument_name": BTC, "depth": 7}, -32602),
        ("no_such_method", {}, -32601),
    ],
)
def test_errors_of_rest(method, params, code):
    async def scenario(run):
        answer = await run.http.get(run.url("deribit", f"/api/v2/public/{method}"), params=params)
        return answer.status_code, answer.json()["error"]["code"]

    assert run_with(scenario) == (400, code)


def test_credits_run_out():
    async def scenario(run):
        await run.settings("deribit", credits_per_s=0)
        path = run.url("deribit", "/api/v2/public/get_time")
        answers = [(await run.http.get(path)).status_code for _ in range(101)]
        listing = await run.http.get(run.url("deribit", "/api/v2/public/get_instruments"))
        async with run.connect("deribit", PATH) as socket:
            calls = [await subscribe(socket, "quote.NOPE") for _ in range(11)]
            return answers, listing.status_code, calls, await closed(socket)

    answers, listing, calls, (code, _) = run_with(scenario)
    assert answers == [200] * 100 + [400]
    assert listing == 200  # a pool of its own
    assert [call.get("result") for call in calls[:10]] == [[]] * 10
    assert (calls[10]["error"]["code"], code) == (10028, 1000)


def test_only_so_many_connections():
    async def scenario(run):
        await run.settings("deribit", connections=1)
        async with run.connect("deribit", PATH):
            answer = await run.http.get(run.url("deribit", PATH))
            return answer.status_code

    assert run_with(scenario) == 429


def test_unknown_channels_are_left_out_and_raw_ones_refused():
    async def scenario(run):
        async with run.connect("deribit", PATH) as socket:
            mixed = await subscribe(socket, f"quote.{BTC}", "quote.NOSUCH-PERPETUAL", f"ticker.{LINEAR}.100ms")
            return mixed, await subscribe(socket, "quote.NOSUCH"), await subscribe(socket, f"ticker.{BTC}.raw")

    mixed, nothing, raw = run_with(scenario)
    assert set(mixed["result"]) == {f"quote.{BTC}", f"ticker.{LINEAR}.100ms"}
    assert nothing["result"] == []
    assert raw["error"]["code"] == 13778


def test_a_second_subscription_brings_no_second_snapshot():
    async def scenario(run):
        async with run.connect("deribit", PATH) as socket:
            await subscribe(socket, f"quote.{BTC}", f"book.{BTC}.100ms")
            first = await collect(socket, 0.3)
            again = await subscribe(socket, f"quote.{BTC}", f"book.{BTC}.100ms")
            second = await collect(socket, 0.3)
            await call(socket, "unsubscribe", channels=[f"quote.{BTC}"])
            await subscribe(socket, f"quote.{BTC}")
            return first, again, second, await collect(socket, 0.3)

    first, again, second, third = run_with(scenario, rate=0)
    assert len(data_of(first, f"quote.{BTC}")) == 1
    assert data_of(first, f"book.{BTC}.100ms")[0]["type"] == "snapshot"
    assert len(again["result"]) == 2
    assert data_of(second, f"quote.{BTC}") == []
    assert len(data_of(third, f"quote.{BTC}")) == 1


def test_quotes_follow_the_market():
    async def scenario(run):
        async with run.connect("deribit", PATH) as socket:
            await subscribe(socket, f"quote.{BTC}", f"quote.{LINEAR}")
            frames = await collect(socket, 1.0)
            return frames, await run.get("control", "/truth/deribit", symbols=f"{BTC},{LINEAR}")

    frames, truth = run_with(scenario, rate=1500)
    for name in (BTC, LINEAR):
        quotes = data_of(frames, f"quote.{name}")
        assert len(quotes) > 3
        last = quotes[-1]
        shown = tuple(last[key] for key in ("best_bid_price", "best_bid_amount", "best_ask_price", "best_ask_amount"))
        assert shown in {tuple(row[1:]) for row in truth[name]}
    assert all(quote["best_bid_amount"] % 10 == 0 for quote in data_of(frames, f"quote.{BTC}"))


def test_tickers_carry_continuous_funding_and_no_next_time():
    async def scenario(run):
        async with run.connect("deribit", PATH) as socket:
            await subscribe(socket, f"ticker.{BTC}.100ms", f"ticker.{LINEAR}.agg2", f"perpetual.{BTC}.100ms")
            return await collect(socket, 1.3)

    frames = run_with(scenario, rate=1500)
    inverse, linear = data_of(frames, f"ticker.{BTC}.100ms"), data_of(frames, f"ticker.{LINEAR}.agg2")
    assert 4 <= len(inverse) <= 16
    assert 2 <= len(linear) <= 3
    assert {"current_funding", "funding_8h", "mark_price", "index_price", "state"} <= inverse[0].keys()
    assert ("stats" in inverse[0], "stats" in linear[0]) == (True, False)
    assert data_of(frames, f"perpetual.{BTC}.100ms")[0]["interest"] == pytest.approx(
        inverse[0]["current_funding"], abs=1e-3
    )


def test_full_books_chain_by_the_id_before():
    async def scenario(run):
        async with run.connect("deribit", PATH) as socket:
            await subscribe(socket, f"book.{LINEAR}.100ms")
            frames = await collect(socket, 1.2)
            return frames, await run.get("control", "/truth/deribit", symbols=LINEAR)

    frames, truth = run_with(scenario, rate=1500)
    snapshot, *changes = data_of(frames, f"book.{LINEAR}.100ms")
    assert snapshot["type"] == "snapshot"
    assert "prev_change_id" not in snapshot
    sides = {side: {price: size for _, price, size in snapshot[side]} for side in ("bids", "asks")}
    last = snapshot["change_id"]
    assert len(changes) > 3
    for change in changes:
        assert (change["type"], change["prev_change_id"]) == ("change", last)
        last = change["change_id"]
        for side, levels in sides.items():
            for action, price, size in change[side]:
                assert (action == "new") is (price not in levels)
                levels.pop(price, None)
                if action != "delete":
                    levels[price] = size
                assert (action == "delete") is (size == 0.0)
    assert (max(sides["bids"]), min(sides["asks"])) in {(row[1], row[3]) for row in truth[LINEAR]}


def test_small_books_come_whole():
    async def scenario(run):
        async with run.connect("deribit", PATH) as socket:
            await subscribe(socket, f"book.{BTC}.none.10.100ms", f"book.{BTC}.1.20.100ms")
            return await collect(socket, 0.6)

    frames = run_with(scenario)
    books = data_of(frames, f"book.{BTC}.none.10.100ms")
    assert len(books) >= 4
    assert all(len(book["bids"]) == len(book["asks"]) == 10 for book in books)
    assert books[0]["bids"][0][0] < books[0]["asks"][0][0]


def test_trades_of_a_whole_currency():
    async def scenario(run):
        async with run.connect("deribit", PATH) as socket:
            await subscribe(socket, "trades.future.USDC.100ms")
            return await collect(socket, 0.8)

    rows = [row for data in data_of(run_with(scenario, rate=1500), "trades.future.USDC.100ms") for row in data]
    assert rows
    assert {row["direction"] for row in rows} <= {"buy", "sell"}
    assert all("_USDC-" in row["instrument_name"] for row in rows)


def test_an_unanswered_test_request_ends_the_socket():
    async def scenario(run):
        await run.settings("deribit", heartbeat_scale=0.05, answer_timeout_s=1)
        async with run.connect("deribit", PATH) as socket:
            refused = await call(socket, "set_heartbeat", interval=5)
            accepted = await call(socket, "set_heartbeat", interval=10)
            asked = await until(socket, lambda frame: frame.get("params") == {"type": "test_request"})
            answered = await call(socket, "test")
            again = await until(socket, lambda frame: frame.get("params") == {"type": "test_request"})
            return refused, accepted, asked, answered, again, await closed(socket)

    refused, accepted, asked, answered, _, (code, reason) = run_with(scenario)
    assert refused["error"]["code"] == -32602
    assert (accepted["result"], answered["result"]) == ("ok", {"version": "1.2.26"})
    assert asked == {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}}
    assert (code, reason) == (4000, "heartbeat close")


def test_a_socket_without_heartbeat_and_subscription_is_cut():
    async def scenario(run):
        await run.settings("deribit", idle_timeout_s=1)
        socket = await run.connect("deribit", PATH)
        subscribed = await run.connect("deribit", PATH)
        await subscribe(subscribed, f"quote.{BTC}")
        end = await closed(socket)
        await call(subscribed, "test")
        return end[0]

    assert run_with(scenario) == 1006


@pytest.mark.parametrize(("text", "code"), [("{", 11050), ("[]", 11050), ('{"method":"public/nope","id":1}', -32601)])
def test_messages_that_make_no_sense(text, code):
    async def scenario(run):
        async with run.connect("deribit", PATH) as socket:
            await send(socket, text)
            return await receive(socket)

    assert run_with(scenario)["error"]["code"] == code


def test_faults_show_on_the_wire():
    async def scenario(run):
        async with run.connect("deribit", PATH) as socket:
            await subscribe(
                socket, "instrument.state.future.any", f"ticker.{BTC}.100ms", "ticker.SOL_USDC-PERPETUAL.agg2"
            )
            await run.fault("deribit", "list")
            await run.fault("deribit", "halt", symbol=BTC)
            await run.fault("deribit", "delist", symbol="SOL_USDC-PERPETUAL")
            await run.fault("deribit", "shift_clock", offset_s=100)
            frames = await collect(socket, 1.3)
            rows = await rest(run, "get_instruments", currency="any", kind="future")
            return frames, {row["instrument_name"]: row["state"] for row in rows}, await rest(run, "get_time")

    frames, states, now_ms = run_with(scenario)
    events = data_of(frames, "instrument.state.future.any")
    assert [event["state"] for event in events] == ["started", "terminated"]
    assert data_of(frames, f"ticker.{BTC}.100ms")[-1]["state"] == "halted"
    assert states[BTC] == "halted"
    assert "SOL_USDC-PERPETUAL" not in states
    assert states[events[0]["instrument_name"]] == "open"
    assert now_ms / 1000 - time.time() == pytest.approx(100, abs=5)


def test_a_rejecting_exchange_refuses_in_its_own_words():
    async def scenario(run):
        await run.fault("deribit", "reject", mode="subscribe")
        async with run.connect("deribit", PATH) as socket:
            return await subscribe(socket, f"quote.{BTC}")

    assert run_with(scenario)["error"] == {"code": 11051, "message": "system_maintenance"}
