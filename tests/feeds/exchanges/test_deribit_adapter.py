"""Deribit: amounts, JSON-RPC answers, heartbeats, continuous funding, confirmations, and every recorded frame."""

import json
from math import isfinite
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.errors import (
    BadListing,
    BadPayload,
    FeedError,
    RequestFailed,
    SubscriptionRejected,
    UnknownContract,
    UnknownMessage,
)
from feeds.exchanges import deribit
from feeds.exchanges.base import Ack, CatalogueChanged, Closing, Reply, ServerTime
from market.models import AssetClass, Depth, Funding, Pairing, Quote, Status, Ticker

SAMPLES = Path(__file__).parents[4] / "shared" / "venues" / "samples" / "deribit"


def row(name, base, quote="USDC", **fields):
    return {
        "instrument_name": name,
        "kind": "future",
        "instrument_type": "linear" if quote == "USDC" else "reversed",
        "settlement_period": "perpetual",
        "base_currency": base,
        "counter_currency": quote,
        "quote_currency": quote,
        "settlement_currency": quote if quote == "USDC" else base,
        "contract_size": 0.0001 if quote == "USDC" else 10.0,
        "min_trade_amount": 0.0001 if quote == "USDC" else 10.0,
        "tick_size": 0.5,
        "maker_commission": 0.00015,
        "taker_commission": 0.00035,
        "state": "open",
        "is_active": True,
        "creation_timestamp": 1534242287000,
        **fields,
    }


def listing(*rows):
    return json.dumps({"jsonrpc": "2.0", "result": rows, "usIn": 1, "usOut": 2, "usDiff": 1, "testnet": False}).encode()


LISTING = [
    listing(
        row("BTC_USDC-PERPETUAL", "BTC", underlying_type="crypto"),
        row(
            "1000PEPE_USDC-PERPETUAL",
            "1000PEPE",
            contract_size=10.0,
            min_trade_amount=10.0,
            tick_size=0.00001,
            underlying_type="crypto",
        ),
        row("COIN50_USDC-PERPETUAL", "COIN50", underlying_type="crypto_index"),
        row("NVDA_USDC-PERPETUAL", "NVDA", underlying_type="equity"),
        row("GOLD_USDC-PERPETUAL", "GOLD", underlying_type="commodity"),
        row("OPENAI_USDC-PERPETUAL", "OPENAI", underlying_type="preipo"),
        row("LUNA_USDC-PERPETUAL", "LUNA", state="locked"),
        row("BTC_USDC-26DEC25", "BTC", settlement_period="month"),
    ),
    listing(row("BTC-PERPETUAL", "BTC", "USD"), row("BTC-25DEC26", "BTC", "USD", settlement_period="month")),
    listing(row("ETH-PERPETUAL", "ETH", "USD", contract_size=1.0, min_trade_amount=1.0)),
]


@pytest.fixture
def exchange():
    return deribit.Adapter()


@pytest.fixture
def instruments(exchange):
    return exchange.parse_instruments(LISTING)


@pytest.fixture
def decoder(exchange, instruments):
    return exchange.decoder(instruments)


def push(channel, data):
    message = {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}
    return json.dumps(message, separators=(",", ":"))


def top(bid, bid_amount, ask, ask_amount, name="BTC-PERPETUAL", ts=1_765_541_767_174):
    data = {
        "timestamp": ts,
        "instrument_name": name,
        "best_ask_price": ask,
        "best_bid_price": bid,
        "best_ask_amount": ask_amount,
        "best_bid_amount": bid_amount,
    }
    return push(f"quote.{name}", data)


TICKER = {
    "timestamp": 1790133840887,
    "state": "open",
    "index_price": 86744.11,
    "instrument_name": "BTC_USDC-PERPETUAL",
    "last_price": 86773.6,
    "open_interest": 459.3409,
    "mark_price": 86778.14,
    "current_funding": 1.423e-4,
    "funding_8h": 5.149e-5,
    "best_ask_price": 86778.0,
    "best_bid_price": 86775.9,
    "best_ask_amount": 0.3001,
    "best_bid_amount": 0.0645,
}
BTC_TOP = top(86775.9, 0.0645, 86778.0, 0.3001, "BTC_USDC-PERPETUAL", 1790133840000)


def ticker(**fields):
    data = {**TICKER, **fields}
    return push(f"ticker.{data['instrument_name']}.agg2", data)


def test_listing_in_our_units(instruments):
    by_id = {instrument.exchange_symbol: instrument for instrument in instruments}
    btc, pepe, inverse = (by_id[i] for i in ("BTC_USDC-PERPETUAL", "1000PEPE_USDC-PERPETUAL", "BTC-PERPETUAL"))

    assert (btc.symbol, btc.kind, btc.lot_size, btc.contract_multiplier) == ("BTC-USDC", "linear", 0.0001, 0.0001)
    assert (btc.maker_fee_bps, btc.taker_fee_bps, btc.funding_interval_h) == (1.5, 3.5, 8.0)
    assert (pepe.symbol, pepe.multiplier, pepe.lot_size, pepe.tick_size) == ("PEPE-USDC", 1000.0, 10_000.0, 1e-8)
    assert (inverse.symbol, inverse.kind, inverse.settle) == ("BTC-USD", "inverse", "BTC")
    assert (inverse.contract_multiplier, inverse.lot_size, inverse.min_notional) == (10.0, 10.0, 10.0)
    assert by_id["LUNA_USDC-PERPETUAL"].status is Status.HALTED
    assert not {"BTC_USDC-26DEC25", "BTC-25DEC26"} & set(by_id)


def test_what_is_no_coin_is_told_apart(instruments):
    by_id = {i.exchange_symbol.partition("_")[0]: (i.symbol, i.asset_class, i.pairing) for i in instruments}

    assert by_id["COIN50"] == ("COIN50-USDC", AssetClass.INDEX, Pairing.EXCLUDE)
    assert by_id["NVDA"] == ("NVDA.EQ-USDC", AssetClass.EQUITY, Pairing.OK)
    assert by_id["GOLD"] == ("XAU-USDC", AssetClass.COMMODITY, Pairing.CHECK)
    assert by_id["OPENAI"] == ("OPENAI.PRE-USDC", AssetClass.PREIPO, Pairing.HIDE)


def test_rows_without_fees_or_state_of_former_years(exchange):
    old = row("BTC-PERPETUAL", "BTC", "USD", future_type="reversed")
    for name in ("instrument_type", "maker_commission", "taker_commission", "state"):
        del old[name]
    (btc,) = exchange.parse_instruments([listing(old)])

    assert (btc.kind, btc.status, btc.maker_fee_bps, btc.taker_fee_bps) == ("inverse", Status.TRADING, 1.5, 3.5)


@pytest.mark.parametrize(("state", "active", "status"), [
    ("open", False, Status.HALTED),
    ("settlement", True, Status.HALTED),
    ("archivized", False, Status.CLOSED),
])  # fmt: skip
def test_states(exchange, state, active, status):
    (btc,) = exchange.parse_instruments([listing(row("BTC-PERPETUAL", "BTC", "USD", state=state, is_active=active))])

    assert btc.status is status


def test_an_unreadable_row_loses_only_itself(exchange, caplog):
    kept = exchange.parse_instruments([listing({"kind": "future"}, 7, row("BTC-PERPETUAL", "BTC", "USD")), b""])

    assert [instrument.symbol for instrument in kept] == ["BTC-USD"]
    assert caplog.text.count("left out an unreadable listing") == 2


@pytest.mark.parametrize("bodies", [[b"<html>"], [b'{"error":{"code":11051,"message":"system_maintenance"}}'], [b""]])
def test_a_body_that_is_no_listing(exchange, bodies):
    with pytest.raises(BadListing):
        exchange.parse_instruments(bodies)


def test_linear_amounts_are_coins(decoder):
    """0.3001 BTC at 86,778.0 are 26,042.08 USDC: no contract size comes into it."""
    (quote,) = decoder.feed(BTC_TOP, 7.0)

    assert quote == Quote("deribit", "BTC-USDC", 86775.9, 0.0645, 86778.0, 0.3001, 1790133840.0, 7.0)
    assert quote.ask_price * quote.ask_size == pytest.approx(26042.08, abs=0.005)


def test_inverse_amounts_are_dollars(decoder):
    """750 USD at 92,288.5 are 0.0081267 BTC."""
    (quote,) = decoder.feed(top(92288.0, 92288.0, 92288.5, 750.0), 7.0)

    assert quote.bid_size == 1.0
    assert quote.ask_size == pytest.approx(0.0081267, abs=5e-8)


def test_thousands_become_coins(decoder):
    """200 thousands at 0.0123 are 200,000 coins at 0.0000123."""
    (quote,) = decoder.feed(top(0.0123, 200.0, 0.0124, 5.0, "1000PEPE_USDC-PERPETUAL"), 7.0)

    assert (quote.bid_price, quote.bid_size) == (pytest.approx(1.23e-5), 200_000.0)


@pytest.mark.parametrize(("price", "amount"), [(None, 0.0), (0.0, 0.0), (92000.0, 0.0), (None, None)])
def test_an_empty_side_is_none(decoder, price, amount):
    (quote,) = decoder.feed(top(price, amount, 92288.5, 750.0), 7.0)

    assert (quote.bid_price, quote.bid_size, quote.ask_price) == (None, None, 92288.5)


def test_keys_in_another_order(decoder):
    message = json.loads(BTC_TOP)
    frame = json.dumps({"params": message["params"], "method": "subscription", "jsonrpc": "2.0"})

    assert decoder.feed(frame, 7.0)[0].bid_size == 0.0645


def test_old_and_repeated_quotes_are_dropped_and_counted(decoder):
    decoder.feed(top(100.0, 100.0, 101.0, 101.0, ts=2000), 1.0)

    assert decoder.feed(top(100.0, 100.0, 101.0, 101.0, ts=2000), 1.0) == ()
    assert decoder.feed(top(99.0, 99.0, 101.0, 101.0, ts=1999), 1.0) == ()
    assert decoder.outdated == 2
    assert decoder.feed(top(99.0, 99.0, 101.0, 101.0, ts=2000), 1.0)  # two changes in one millisecond
    decoder.reset(["quote.BTC-PERPETUAL"])
    assert decoder.feed(top(99.0, 99.0, 101.0, 101.0, ts=2000), 1.0)


def test_quotes_of_a_clock_that_was_set_back_are_taken(decoder):
    """What is older only because of its way comes together with what overtook it, or soon after and little older.

    0.1 s older and 0.9 s later may still have been overtaken. A whole second later it was written by a clock that was
    set back by 1.1 s; and 3.9 s older by one that was set back by more.
    """
    decoder.feed(top(100.0, 100.0, 101.0, 101.0, ts=9000), 1.0)

    assert decoder.feed(top(99.0, 99.0, 101.0, 101.0, ts=4000), 1.01) == ()
    assert decoder.feed(top(99.0, 99.0, 101.0, 101.0, ts=8900), 1.9) == ()
    (quote,) = decoder.feed(top(99.0, 99.0, 101.0, 101.0, ts=8900), 2.0)
    assert (quote.bid_price, quote.event_time) == (99.0, 8.9)
    (quote,) = decoder.feed(top(98.0, 98.0, 101.0, 101.0, ts=5000), 2.1)
    assert (quote.bid_price, quote.event_time) == (98.0, 5.0)


def test_maintenance_is_announced(decoder):
    assert decoder.feed(push("platform_state", {"maintenance": True}), 1.0) == [
        Closing("the platform goes into maintenance")
    ]
    assert decoder.feed(push("platform_state", {"locked": False, "price_index": "alt_usdc", "reasons": []}), 1.0) == []


@pytest.mark.parametrize("price", ["nan", "x", -1.0, 1e400, True])
def test_what_is_no_price_never_gets_out(decoder, price):
    with pytest.raises(BadPayload):
        decoder.feed(top(price, 1.0, 92288.5, 1.0), 1.0)
    assert decoder.feed(top(1.0, 1.0, 2.0, 1.0), 1.0)


def test_a_ticker_is_funding_and_market_data(decoder):
    """Funding is for eight hours, and no payment is due at any time."""
    decoder.feed(BTC_TOP, 1.0)

    assert decoder.feed(ticker(stats={"volume": 1183.25, "volume_notional": 1.02642e8}), 7.0) == [
        Funding("deribit", "BTC-USDC", 86778.14, 86744.11, 1.423e-4, 8.0, None, 1790133840.887, 7.0),
        Ticker("deribit", "BTC-USDC", 86773.6, 1183.25, 1.02642e8, 459.3409, 1790133840.887, 7.0),
        Quote("deribit", "BTC-USDC", 86775.9, 0.0645, 86778.0, 0.3001, 1790133840.0, 7.0),
    ]


def test_a_ticker_only_confirms_a_quote(decoder):
    (_, market, quote) = decoder.feed(ticker(), 1.0)
    assert (quote.ask_size, market.volume_24h, market.turnover_24h) == (0.3001, None, None)

    decoder.feed(BTC_TOP, 2.0)
    assert [type(word) for word in decoder.feed(ticker(best_bid_price=86775.0), 3.0)] == [Funding, Ticker]


def test_an_inverse_ticker_counts_open_interest_in_dollars(decoder):
    """1,132,329,370 USD at 92,281.78 are 12,270.35 BTC; the volume is in BTC already."""
    stats = {"volume": 11897.27640428, "volume_usd": 1092371540.0}
    values = {"mark_price": 92281.78, "open_interest": 1132329370.0, "last_price": None, "stats": stats}
    market = decoder.feed(ticker(instrument_name="BTC-PERPETUAL", **values), 7.0)[1]

    assert market.open_interest == pytest.approx(12270.35, abs=0.005)
    assert (market.last_price, market.volume_24h, market.turnover_24h) == (None, 11897.27640428, 1092371540.0)


def test_a_halt_in_a_ticker_is_announced_once(decoder):
    (*_, word) = decoder.feed(ticker(state="locked"), 1.0)

    assert word == CatalogueChanged("BTC_USDC-PERPETUAL is locked")
    assert CatalogueChanged not in {type(word) for word in decoder.feed(ticker(state="locked"), 2.0)}


@pytest.mark.parametrize("odd", [
    {}, {"timestamp": 0}, {"timestamp": -1}, {"timestamp": 1790133840887.0}, {"timestamp": 1790133839999},
    {"state": "locked"}, {"state": ""}, {"state": None}, {"instrument_name": "NEW_USDC-PERPETUAL"},
    {"instrument_name": "BTC_USDC-27NOV26"}, {"instrument_name": "BTC-PERPETUAL"}, {"best_bid_price": None},
    {"best_bid_price": 86775.0}, {"best_ask_amount": 0.0}, {"best_ask_amount": -1.0}, {"mark_price": 0.0},
    {"mark_price": "nan"}, {"mark_price": 1e-320}, {"index_price": -1.0}, {"last_price": None}, {"open_interest": 0},
    {"open_interest": -1}, {"current_funding": -1e-4}, {"current_funding": "inf"}, {"stats": None}, {"stats": {}},
    {"stats": {"volume": None, "volume_usd": None}}, {"stats": {"volume": 2.5, "volume_usd": 9.0}},
    {"stats": {"volume": 2.5, "volume_notional": 8.0, "volume_usd": 9.0}}, {"stats": {"volume": -2.5}},
    {"stats": {"volume": 2.5, "volume_notional": -8.0}},
])  # fmt: skip
def test_tickers_are_the_same_however_they_are_read(exchange, instruments, said, odd):
    """JSON with blanks in it goes the general way."""
    full, other = orjson.loads(ticker(**odd)), orjson.loads(ticker(**odd))
    other["params"]["data"] = dict(reversed(other["params"]["data"].items()))
    without = [orjson.loads(ticker(**odd)) for _ in TICKER]
    for message, key in zip(without, TICKER, strict=True):
        del message["params"]["data"][key]

    def read(write):
        decoder = exchange.decoder(instruments)
        frames = [write(full), BTC_TOP, write(full), write(other), ticker(state="open"), *map(write, without)]
        return [said(decoder, frame) for frame in frames]

    assert read(orjson.dumps) == read(json.dumps)


def test_a_plain_ticker_is_read_at_once(decoder):
    decoder._general = None

    assert len(decoder.feed(ticker(), 7.0)) == 3


def test_states_of_perpetuals_are_announced(decoder):
    def state(name):
        data = {"timestamp": 1, "state": "created", "instrument_name": name}
        return decoder.feed(push("instrument.state.future.any", data), 1.0)

    assert state("NEW_USDC-PERPETUAL") == [CatalogueChanged("NEW_USDC-PERPETUAL is created")]
    assert state("BTC-27NOV26") == []


def depth(change_id, bids, asks):
    data = {"timestamp": 1000, "change_id": change_id, "instrument_name": "BTC-PERPETUAL", "bids": bids, "asks": asks}
    return push("book.BTC-PERPETUAL.none.20.100ms", data)


def test_books_are_whole_in_every_message(decoder):
    assert decoder.feed(depth(5, [[100.0, 50.0], [80.0, 40.0]], [[101.0, 202.0]]), 7.0) == [
        Depth("deribit", "BTC-USD", ((100.0, 0.5), (80.0, 0.5)), ((101.0, 2.0),), 1.0, 7.0)
    ]
    assert decoder.feed(depth(4, [], []), 7.0) == []
    assert decoder.outdated == 1
    with pytest.raises(BadPayload, match="crossed"):
        decoder.feed(depth(6, [[102.0, 1.0]], [[101.0, 1.0]]), 7.0)


def answer(number, **fields):
    return json.dumps({"jsonrpc": "2.0", "id": number, **fields, "usIn": 1, "usOut": 2, "usDiff": 1})


def test_the_first_confirmed_subscription_is_followed_by_a_wish_for_heartbeats(exchange, decoder):
    topics = ["quote.BTC-PERPETUAL", "ticker.BTC-PERPETUAL.agg2"]
    message = json.loads(exchange.subscribe(topics, "3"))
    assert (message["method"], message["params"]) == ("public/subscribe", {"channels": topics})

    ack, reply = decoder.feed(answer(message["id"], result=topics[::-1]), 1.0)
    assert ack == Ack("3", tuple(topics[::-1]))
    assert json.loads(reply.message)["method"] == "public/set_heartbeat"
    assert json.loads(reply.message)["params"] == {"interval": 30}

    gone = json.loads(exchange.unsubscribe(topics, "4"))
    assert decoder.feed(answer(gone["id"], result=[]), 1.0) == [Ack("4", ())]
    assert decoder.feed(answer(json.loads(reply.message)["id"], result="ok"), 1.0) == [Ack()]


def test_channels_that_are_left_out_are_refused(exchange, decoder):
    number = json.loads(exchange.subscribe(["quote.A-PERPETUAL", "quote.BTC-PERPETUAL"], "7"))["id"]

    with pytest.raises(SubscriptionRejected, match="1 of 2") as caught:
        decoder.feed(answer(number, result=["quote.BTC-PERPETUAL"]), 1.0)
    assert (caught.value.request_id, caught.value.live) == ("7", True)
    with pytest.raises(SubscriptionRejected) as caught:
        decoder.feed(answer(number, result=[]), 1.0)
    assert (caught.value.request_id, caught.value.live) == ("7", False)


def test_test_requests_are_answered(decoder):
    (reply,) = decoder.feed('{"params":{"type":"test_request"},"method":"heartbeat","jsonrpc":"2.0"}', 1.0)

    assert isinstance(reply, Reply)
    assert json.loads(reply.message)["method"] == "public/test"
    assert decoder.feed('{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}}', 1.0) == []
    assert decoder.feed(answer(json.loads(reply.message)["id"], result={"version": "1.2.26"}), 1.0) == [Ack()]


def test_errors(decoder):
    with pytest.raises(SubscriptionRejected, match="13778") as caught:
        decoder.feed(answer(5001, error={"code": 13778, "message": "raw_subscriptions_not_available"}), 1.0)
    assert caught.value.request_id == "5"
    with pytest.raises(RequestFailed, match="10028 too_many_requests"):
        decoder.feed(answer(5001, error={"code": 10028, "message": "too_many_requests", "data": None}), 1.0)
    with pytest.raises(SubscriptionRejected, match="invalid json"):
        decoder.feed('{"jsonrpc":"2.0","error":{"code":11050,"data":"invalid json","message":"bad_request"}}', 1.0)


def test_other_channels(decoder):
    assert decoder.feed(push("trades.future.USDC.100ms", []), 1.0) == []
    assert decoder.feed(push("book.BTC-PERPETUAL.100ms", {}), 1.0) == []
    with pytest.raises(UnknownMessage):
        decoder.feed(push("weather.BTC-PERPETUAL", {}), 1.0)


def test_dated_contracts_are_skipped_and_unknown_ones_are_not(decoder):
    for name in ("BTC-25DEC26", "BTC_USDC-3JAN27", "BTC-FS-25DEC26_PERP", "ETH-9APR21-1950-C"):
        assert decoder.feed(top(1.0, 1.0, 2.0, 1.0, name), 1.0) in ((), [])
    with pytest.raises(UnknownContract):
        decoder.feed(top(1.0, 1.0, 2.0, 1.0, "NEW_USDC-PERPETUAL"), 1.0)


SUMMARY = {
    "volume": 1183.25,
    "volume_usd": 102642000.0,
    "volume_notional": 102642000.0,
    "instrument_name": "BTC_USDC-PERPETUAL",
    "bid_price": 86775.9,
    "ask_price": 86778.0,
    "mark_price": 86778.14,
    "last": 86773.6,
    "open_interest": 459.3409,
    "estimated_delivery_price": 86744.11,
    "current_funding": 0.0001423,
    "creation_timestamp": 1790133841402,
}


def summary(*rows):
    return json.dumps({"jsonrpc": "2.0", "result": rows, "usOut": 1}).encode()


def test_the_summary_confirms_quotes_that_are_held(decoder):
    body = summary(SUMMARY, {"instrument_name": "BTC_USDC-26DEC25"}, {"instrument_name": "BTC-PERPETUAL"}, 7)
    words = decoder.feed_response("summary", body, 9.0)
    assert words == [
        Funding("deribit", "BTC-USDC", 86778.14, 86744.11, 0.0001423, 8.0, None, 1790133841.402, 9.0),
        Ticker("deribit", "BTC-USDC", 86773.6, 1183.25, 102642000.0, 459.3409, 1790133841.402, 9.0),
    ]
    decoder.feed(BTC_TOP, 10.0)

    quote = decoder.feed_response("summary", body, 11.0)[-1]
    assert quote == Quote("deribit", "BTC-USDC", 86775.9, 0.0645, 86778.0, 0.3001, 1790133840.0, 11.0)
    for other in ({"bid_price": None}, {"ask_price": 86779.0}, {"creation_timestamp": 1790133839402}):
        words = decoder.feed_response("summary", summary({**SUMMARY, **other}), 12.0)
        assert [type(word) for word in words] == [Funding, Ticker]
    with pytest.raises(BadPayload, match="none of the 2 rows"):
        decoder.feed_response("summary", summary(1, 2), 1.0)


def test_polls(decoder):
    body = b'{"jsonrpc":"2.0","result":1550147385946,"usIn":1,"usOut":1550147385946123,"usDiff":1}'
    assert decoder.feed_response("time", body, 1.0) == [ServerTime(pytest.approx(1550147385.946123))]
    assert decoder.feed_response("time", b'{"result":1550147385946}', 1.0) == [ServerTime(1550147385.946)]
    with pytest.raises(RequestFailed, match="11051"):
        decoder.feed_response("time", b'{"error":{"code":11051,"message":"system_maintenance"}}', 1.0)
    with pytest.raises(UnknownMessage):
        decoder.feed_response("weather", b'{"result":1}', 1.0)


def test_plans(exchange, instruments):
    (plan,) = exchange.connections(instruments)

    assert plan.url == "wss://www.deribit.com/ws/api/v2"
    assert len(plan.topics) == 2 + 2 * 8  # LUNA is locked
    assert plan.topics[:2] == ("instrument.state.future.any", "platform_state")
    assert [(poll.request.purpose, poll.request.params.get("currency")) for poll in plan.polls] == [
        ("time", None),
        ("summary", "USDC"),
        ("summary", "BTC"),
        ("summary", "ETH"),
    ]
    assert exchange.symbols_of(["quote.BTC-PERPETUAL", "ticker.ETH-PERPETUAL.agg2"], instruments) == {"BTC-USD"}
    (deep,) = exchange.connections(instruments, {"depth"})
    assert "book.BTC-PERPETUAL.none.20.100ms" in deep.topics
    assert exchange.connections(instruments, set()) == exchange.connections([]) == []
    with pytest.raises(ValueError, match="endpoints"):
        deribit.Adapter({"telnet": "x"})


def test_all_perpetuals_fit_on_one_connection(exchange):
    rows = [row(f"NAME{n}_USDC-PERPETUAL", f"NAME{n}") for n in range(131)]

    (plan,) = exchange.connections(exchange.parse_instruments([listing(*rows)]))

    assert len(plan.topics) == 264 <= plan.capacity
    assert [len(subscription.topics) for subscription in plan.subscriptions] == [100, 100, 64]


ODD = st.sampled_from([None, "", "nan", "-1", "x", True, -1, 0, 1e308, 10**18, [], [[]], {}, "BTC-PERPETUAL"])
FRAMES = [top(92288.0, 1.0, 92288.5, 750.0), ticker(), depth(5, [[100.0, 50.0]], [[101.0, 202.0]]), answer(1, result=1)]


def leaves(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from leaves(inner, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.data())
def test_no_frame_breaks_the_decoder_or_gets_nonsense_out(data):
    exchange = deribit.Adapter()
    decoder = exchange.decoder(exchange.parse_instruments(LISTING))
    message = orjson.loads(data.draw(st.sampled_from(FRAMES)))
    path = data.draw(st.sampled_from(list(leaves(message))))
    try:
        words = decoder.feed(orjson.dumps(replaced(message, path, data.draw(ODD))), 1.0)
    except FeedError:
        words = []

    for word in words:
        if isinstance(word, Quote):
            sides = (word.bid_price, word.bid_size, word.ask_price, word.ask_size)
            assert all(number is None or (isfinite(number) and number > 0.0) for number in sides)
    assert decoder.feed(top(1.5, 1.0, 2.0, 1.0, "ETH-PERPETUAL", 10**15), 1.0)


@pytest.mark.recordings
def test_every_sample(exchange, recordings):
    instruments = exchange.parse_instruments([(SAMPLES / "instruments.json").read_bytes()])
    assert {i.exchange_symbol: (i.symbol, i.status.value) for i in instruments} == {
        "BTC-PERPETUAL": ("BTC-USD", "trading"),
        "ETH-PERPETUAL": ("ETH-USD", "trading"),
        "BTC_USDC-PERPETUAL": ("BTC-USDC", "trading"),
        "XRP_USDC-PERPETUAL": ("XRP-USDC", "trading"),
        "1000PEPE_USDC-PERPETUAL": ("PEPE-USDC", "trading"),
        "NVDA_USDC-PERPETUAL": ("NVDA.EQ-USDC", "trading"),
        "OPENAI_USDC-PERPETUAL": ("OPENAI.PRE-USDC", "trading"),
        "LUNA_USDC-PERPETUAL": ("LUNA-USDC", "closed"),
    }
    outcomes = {}
    for file, text in recordings.frames("deribit"):
        decoder = exchange.decoder(instruments)  # the lines are of different years
        try:
            words = decoder.feed(text, 1.0)
            kinds = "+".join(type(word).__name__ for word in words) or "nothing"
        except FeedError as error:
            kinds = type(error).__name__
        outcomes.setdefault(file, []).append(kinds)

    assert outcomes == {
        "book_ticker": ["Quote"] * 4,
        "depth": ["Depth", "Depth", "nothing", "nothing", "nothing", "nothing"],
        "errors": [
            "RequestFailed",
            "SubscriptionRejected",
            "SubscriptionRejected",
            "SubscriptionRejected",
            "SubscriptionRejected",
            "SubscriptionRejected",
            "RequestFailed",
        ],
        "mark_funding": ["Funding+Ticker+Quote", "Funding+Ticker+Quote", "nothing", "nothing", "UnknownMessage"],
        "subscribe": outcomes["subscribe"],
        "ticker": ["Funding+Ticker+Quote"] * 3,
        "trades": ["nothing"] * 3,
    }
    assert set(outcomes["subscribe"]) <= {"Ack", "Reply", "nothing"}


@pytest.mark.recordings
def test_every_recorded_frame(exchange, recordings, outcomes):
    instruments = exchange.parse_instruments(recordings.bodies("deribit/instruments.jsonl")[:4])

    counts = outcomes(lambda: exchange.decoder(instruments), recordings.inbound("deribit/ws.jsonl"))

    # Nothing: 595 tickers and books of options, changes of whole books, trades, candles, one perpetual channel.
    assert counts == {
        "nothing": 604,
        "Ack": 3,
        "Quote": 1,
        "Funding+Ticker": 1,  # its quote is older than the one before it
        "Funding+Quote+Ticker": 1,
        "Depth": 3,
        "Reply": 1,
        "SubscriptionRejected": 3,
    }


@pytest.mark.recordings
def test_recorded_summaries(decoder, recordings):
    words = [decoder.feed_response("summary", body, 1.0) for body in recordings.bodies("deribit/tickers.jsonl")]

    assert words[1] == []  # a dated contract
    funding, market = words[0]
    assert (funding.mark_price, funding.index_price, funding.funding_rate) == (29700.53, 29695.49, 0.0)
    assert (market.volume_24h, market.turnover_24h) == (7539.21, 223275080.0)
    assert market.open_interest == pytest.approx(560105870 / 29700.53)


@pytest.mark.parametrize("frame", ["[42]", "42", '"text"', "null"])
def test_what_is_no_object_may_be_the_rest_of_a_known_message(decoder, frame):
    with pytest.raises(BadPayload):
        decoder.feed(frame, 1.0)
