"""Phemex: two number systems on one socket, windows of levels, tickers by column, and every recorded frame."""

import json
from math import isfinite

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
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
from feeds.exchanges import phemex
from feeds.exchanges._fields import Units
from feeds.exchanges._phemex_books import Touch, Window
from feeds.exchanges.base import Ack, Resync, ServerTime
from market.models import AssetClass, Depth, Funding, Pairing, Quote, Status, Ticker

NS = 1_790_133_513_685_489_850


def real(symbol, base, quote="USDT", **row):
    return {
        "symbol": symbol,
        "type": "PerpetualV2",
        "displaySymbol": f"{base} / {quote}",
        "settleCurrency": quote,
        "quoteCurrency": quote,
        "baseCurrency": base,
        "tickSize": "0.1",
        "qtyStepSize": "0.001",
        "minOrderValueRv": "1",
        "priceScale": 0,
        "ratioScale": 0,
        "status": "Listed",
        "listTime": 1668225600000,
        "fundingInterval": 28800,
        **row,
    }


def scaled(symbol, base, settle, **row):
    return {
        "symbol": symbol,
        "type": "Perpetual",
        "displaySymbol": f"{base} / USD",
        "contractUnderlyingAssets": "USD",
        "settleCurrency": settle,
        "quoteCurrency": "USD",
        "contractSize": 1.0,
        "lotSize": 1,
        "tickSize": 0.1,
        "priceScale": 4,
        "ratioScale": 8,
        "status": "Listed",
        "fundingInterval": 28800,
        **row,
    }


SPOT = {"symbol": "sOLUSDT", "type": "Spot", "status": "Listed"}
PRODUCTS = [scaled("BTCUSD", "BTC", "BTC"), scaled("cETHUSD", "ETH", "ETH"), SPOT]
REAL = [
    real("BTCUSDT", "BTC"),
    real("SOLUSDT", "SOL"),
    real("ETHUSDT", "ETH"),
    real("BTCUSDC", "BTC", "USDC", fundingInterval=14400),
    real("u1000PEPEUSDT", "1000 PEPE", tickSize="0.0000001", qtyStepSize="1"),
    real("NGUSDT", "NG", perpProductSubType="TradFi"),
    real("TSLAUSDT", "TSLA", perpProductSubType="TradFi"),
    real("OPENAIUSDT", "OPENAI", perpProductSubType="PreMarket"),
    real("LSKUSDT", "LSK", status="Delisted"),
]


def listing(products=PRODUCTS, reals=REAL):
    currencies = [{"currency": "BTC", "valueScale": 8}, {"currency": "USD", "valueScale": 4}]
    return json.dumps(
        {"code": 0, "data": {"currencies": currencies, "products": products, "perpProductsV2": reals}}
    ).encode()


@pytest.fixture
def exchange():
    return phemex.Adapter()


@pytest.fixture
def instruments(exchange):
    return exchange.parse_instruments([listing()])


@pytest.fixture
def decoder(exchange, instruments):
    return exchange.decoder(instruments)


def book(bids, asks, kind="snapshot", symbol="BTCUSDT", sequence=10, depth=1, dts=NS, timestamp=NS, key="orderbook_p"):
    times = {"dts": dts, "mts": dts} if dts else {}
    sides = {key: {"asks": asks, "bids": bids}}
    rest = {"sequence": sequence, "symbol": symbol, "timestamp": timestamp, "type": kind}
    return (
        orjson.dumps({"depth": depth, **times, **sides, **rest})
        if dts
        else orjson.dumps({**sides, "depth": depth, **rest})
    )


BID, ASK = [["86510.7", "2.36"]], [["86540.3", "2.316"]]


def tops(words):
    return [(w.bid_price, w.bid_size, w.ask_price, w.ask_size) if isinstance(w, Quote) else w for w in words]


def test_listing_in_our_units(instruments):
    by_id = {instrument.exchange_symbol: instrument for instrument in instruments}
    btc, pepe, inverse = by_id["BTCUSDT"], by_id["u1000PEPEUSDT"], by_id["BTCUSD"]

    assert (btc.symbol, btc.tick_size, btc.lot_size, btc.min_notional) == ("BTC-USDT", 0.1, 0.001, 1.0)
    assert (btc.maker_fee_bps, btc.taker_fee_bps, btc.funding_interval_h) == (1.0, 6.0, 8.0)
    assert by_id["BTCUSDC"].funding_interval_h == 4.0
    assert (pepe.symbol, pepe.multiplier, pepe.lot_size) == ("PEPE-USDT", 1000.0, 1000.0)
    assert pepe.tick_size == pytest.approx(1e-10)
    assert (inverse.symbol, inverse.kind, inverse.contract_multiplier, inverse.settle) == (
        "BTC-USD",
        "inverse",
        1,
        "BTC",
    )
    assert by_id["cETHUSD"].symbol == "ETH-USD"
    assert (by_id["NGUSDT"].symbol, by_id["NGUSDT"].asset_class) == ("NATGAS-USDT", AssetClass.COMMODITY)
    assert by_id["TSLAUSDT"].symbol == "TSLA.EQ-USDT"
    assert (by_id["OPENAIUSDT"].symbol, by_id["OPENAIUSDT"].pairing) == ("OPENAI.PRE-USDT", Pairing.HIDE)
    assert {"sOLUSDT", "LSKUSDT"}.isdisjoint(by_id)
    assert btc.status is Status.TRADING


def test_older_listings_write_sizes_and_hours_in_words(exchange):
    rows = [
        scaled("BTCUSD", "BTC", "BTC", contractSize="1 USD", fundingInterval=8),
        scaled("ETHUSD", "ETH", "USD", contractSize="0.005 ETH", contractUnderlyingAssets="ETH"),
        scaled("XRPUSD", "XRP", "USD", contractSize="5 ETH", contractUnderlyingAssets="XRP"),
    ]
    inverse, linear = exchange.parse_instruments([listing(rows, [])])

    assert inverse.funding_interval_h == 8.0
    assert (linear.symbol, linear.kind, linear.contract_multiplier) == ("ETH-USD_UM", "linear", 0.005)


def test_delisted_contracts_are_left_out_and_passed_over(exchange, caplog):
    """Of 891 rows 765 are delisted, some in forms of years ago. A state that is not documented is not tradable."""
    rows = [
        real("BTCUSDT", "BTC"),
        real("LSKUSDT", "LSK", status="Delisted"),
        real("NEWUSDT", "NEW", status="Suspended"),
        {"symbol": "OLDUSD", "type": "Perpetual", "status": "Delisted"},
    ]
    found = exchange.parse_instruments([listing([], rows)])

    assert [row.status for row in found] == [Status.TRADING, Status.HALTED]
    assert caplog.text == ""
    (plan, *_) = exchange.connections(found)
    assert plan.topics == ("orderbook_p:BTCUSDT",)
    # A delisted contract may go on being streamed: that is neither a quote nor an unknown contract.
    assert exchange.decoder(found).feed(book(BID, ASK, symbol="LSKUSDT"), 7.0) == ()


def test_what_is_no_listing_and_what_is_no_row(exchange, caplog):
    kept = exchange.parse_instruments([listing([], [7, {"type": "PerpetualV2", "status": "Listed"}, REAL[0]])])

    assert [instrument.symbol for instrument in kept] == ["BTC-USDT"]
    assert caplog.text.count("left out an unreadable listing") == 2
    for body in (b"", b"<html>", b'{"code":"429","msg":"Too many requests"}'):
        with pytest.raises(BadListing):
            exchange.parse_instruments([body])


def test_real_numbers_are_coins(decoder):
    assert decoder.feed(book(BID, ASK), 7.0) == (
        Quote("phemex", "BTC-USDT", 86510.7, 2.36, 86540.3, 2.316, NS / 1e9, 7.0),
    )


def test_bundles_are_divided(decoder):
    """5,000 units of 1,000 PEPE at 0.0040731 are 5 million at 0.0000040731."""
    (quote,) = decoder.feed(book([["0.0040731", "5000"]], [], symbol="u1000PEPEUSDT"), 7.0)

    assert (quote.bid_price, quote.bid_size) == (pytest.approx(4.0731e-6), 5e6)
    assert (quote.ask_price, quote.ask_size) == (None, None)


def test_scaled_integers_are_dollars(decoder):
    """94,638 contracts of 1 USD at 86,607.7 are 1.09272 BTC. Such frames have no time of sending."""
    frame = book([[866076000, 1200]], [[866077000, 94638]], symbol="BTCUSD", dts=0, key="book", depth=30)
    (quote,) = decoder.feed(frame, 7.0)

    assert (quote.bid_price, quote.ask_price, quote.event_time) == (86607.6, 86607.7, None)
    assert quote.ask_size == pytest.approx(1.09272, abs=1e-5)


def test_changes_are_merged_into_the_window(decoder):
    def change(bids, asks, sequence):
        return tops(decoder.feed(book(bids, asks, "incremental", sequence=sequence), 7.0))

    decoder.feed(book(BID, ASK), 7.0)
    assert change([], [["86540.3", "0"], ["86541.4", "1.1"]], 11) == [(86510.7, 2.36, 86541.4, 1.1)]
    assert change([["86511", "1"]], [], 12) == [(86511.0, 1.0, 86541.4, 1.1)]
    # The bid that was left behind has fallen out of a window of one.
    assert change([["86511", "0"]], [], 13) == [(None, None, 86541.4, 1.1)]
    assert change([["86500", "3"]], [["86541.4", 0]], 14) == [(86500.0, 3.0, None, None)]


SIDE = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2)), max_size=3)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(SIDE, SIDE), max_size=6))
def test_one_level_is_held_as_a_window_of_one_would(changes):
    units = Units("phemex", "BTC-USDT", 1.0, 1.0, False)
    touch, window = Touch(units), Window(units)
    for bids, asks in changes:
        bids = [number for level in bids for number in level]
        asks = [number for price, size in asks for number in (price + 2, size)]
        touch.merge(bids, asks, 1)
        window.merge(bids, asks, 1)

        assert (touch.best_bid, touch.bid_size) == (window.best_bid, window.bid_size)
        assert (touch.best_ask, touch.ask_size) == (window.best_ask, window.ask_size)


def test_order_is_by_sequence(decoder):
    decoder.feed(book(BID, ASK, sequence=10), 7.0)

    assert decoder.feed(book([], [["86530", "1"]], "incremental", sequence=10), 7.0) == ()
    assert decoder.feed(book(BID, ASK, sequence=9), 7.0) == ()
    assert decoder.outdated == 2
    assert decoder.feed(book(BID, ASK, sequence=10), 8.0)  # the same twice
    assert decoder.outdated == 3
    assert decoder.feed(book(BID, ASK, sequence=10), 68.0)  # the repetition after a minute
    assert decoder.outdated == 3
    assert decoder.feed(book(BID, ASK, sequence=2, timestamp=NS + 11_000_000_000), 69.0)  # counted anew


def test_a_change_that_comes_too_late_ends_the_book(decoder):
    """What it changed is lost, and nothing but a new book can tell what that was."""
    decoder.feed(book(BID, ASK, sequence=10), 7.0)

    late = book([], [["86530", "1"]], "incremental", sequence=8)
    assert decoder.feed(late, 7.0) == (Resync("orderbook_p:BTCUSDT", "a change came too late to be merged"),)
    assert decoder.feed(book(BID, [], "incremental", sequence=11), 7.0) == ()
    assert not decoder.notices_loss


def test_a_change_without_a_book_asks_for_one_once(decoder):
    change = book(BID, [], "incremental")

    assert decoder.feed(change, 7.0) == (
        Resync("orderbook_p:BTCUSDT", "a change came before any snapshot", missed=False),
    )
    assert decoder.feed(change, 7.0) == ()
    assert decoder.feed(book(BID, ASK), 7.0)


def test_a_crossed_book_is_never_told(decoder):
    decoder.feed(book(BID, ASK), 7.0)

    crossed = book([["86541", "1"]], [], "incremental", sequence=11)
    assert decoder.feed(crossed, 7.0) == (Resync("orderbook_p:BTCUSDT", "the book is crossed"),)
    decoder.reset(["orderbook_p:BTCUSDT"])
    assert decoder.feed(book(BID, ASK, sequence=5), 7.0)


@pytest.mark.parametrize(
    "level", [["nan", "1"], ["1", "nan"], ["inf", "1"], ["-1", "1"], ["1", "-1"], ["", "1"], [], 7]
)
def test_what_is_no_level_changes_nothing(decoder, level):
    decoder.feed(book(BID, ASK), 7.0)

    with pytest.raises(BadPayload):
        decoder.feed(book([["86500", "1"], level], [], "incremental", sequence=11), 7.0)
    assert tops(decoder.feed(book([], [["86540.3", "3"]], "incremental", sequence=12), 7.0)) == [
        (86510.7, 2.36, 86540.3, 3.0)
    ]


def test_deep_books_are_depth(exchange, instruments):
    exchange.connections(instruments, {"quotes", "depth"})
    decoder = exchange.decoder(instruments)
    bids = [[f"{100 - n}", "1"] for n in range(12)]

    (deep,) = decoder.feed(book(bids, [["101", "2"]], depth=10), 7.0)
    words = decoder.feed(book([[1000000, 5]], [[1010000, 6]], symbol="BTCUSD", dts=0, key="book", depth=30), 7.0)

    assert isinstance(deep, Depth)
    assert (len(deep.bids), deep.bids[0], deep.asks) == (10, (100.0, 1.0), ((101.0, 2.0),))
    assert [type(word) for word in words] == [Quote, Depth]
    assert words[1].bids == ((100.0, 0.05),)


PACK = [
    *("symbol", "openRp", "highRp", "lowRp", "lastRp", "volumeRq", "turnoverRv", "openInterestRv", "indexRp"),
    *("markRp", "fundingRateRr", "predFundingRateRr", "bidRp", "askRp"),
]
ROW = [
    "BTCUSDT",
    "1",
    "1",
    "1",
    "62799.9",
    "3331.699",
    "210947547.97",
    "1268.8391",
    "62831.8",
    "62806.9",
    "0.0001",
    "0",
]


def pack(rows, **rest):
    return orjson.dumps({"data": rows, "method": "perp_market24h_pack_p.update", "timestamp": NS, **rest})


def test_tickers_of_all_contracts_by_column(decoder):
    """Older rows are shorter, a change may come without its columns, and delisted contracts are among them."""
    wanted = [
        Funding("phemex", "BTC-USDT", 62806.9, 62831.8, 0.0001, 8.0, None, NS / 1e9, 7.0),
        Ticker("phemex", "BTC-USDT", 62799.9, 3331.699, 210947547.97, 1268.8391, NS / 1e9, 7.0),
    ]

    assert decoder.feed(pack([ROW, ["GONEUSDT"], ["LSKUSDT"]], type="incremental"), 7.0) == wanted
    turned = [[*reversed([*ROW, "1", "2"])]]
    assert decoder.feed(pack(turned, fields=PACK[::-1]), 7.0) == wanted
    assert decoder.feed(pack(turned), 7.0) == wanted
    bad = ["SOLUSDT", *(["x"] * 13)]
    assert len(decoder.feed(pack([ROW, bad], fields=PACK), 7.0)) == 2
    with pytest.raises(BadPayload):
        decoder.feed(pack([bad]), 7.0)


@pytest.mark.parametrize("bad", ["nan", "inf", "1e400", "-1", "x", [1], True])
@pytest.mark.parametrize("column", ["lastRp", "volumeRq", "turnoverRv", "openInterestRv", "indexRp", "markRp"])
def test_a_bad_number_loses_its_row_only(decoder, column, bad):
    row = [*ROW]
    row[PACK.index(column)] = bad
    other = ["SOLUSDT", *ROW[1:]]

    assert [word.symbol for word in decoder.feed(pack([row, other], fields=PACK), 7.0)] == ["SOL-USDT", "SOL-USDT"]


@pytest.mark.parametrize("absent", ["", None, 0, "0"])
def test_absent_marks_are_none(decoder, absent):
    row = [*ROW]
    row[PACK.index("markRp")] = row[PACK.index("lastRp")] = absent
    funding, market = decoder.feed(pack([row]), 7.0)

    assert (funding.mark_price, funding.index_price, market.last_price) == (None, 62831.8, None)
    assert market.volume_24h == 3331.699


@pytest.mark.parametrize("columns", [[], ["openRp"], "null", 7])
def test_columns_without_a_symbol_are_refused(decoder, columns):
    with pytest.raises(BadPayload):
        decoder.feed(pack([ROW], fields=columns), 7.0)
    assert len(decoder.feed(pack([ROW]), 7.0)) == 2


def test_scaled_tickers(decoder):
    """2,521,160,395 USD of interest at 109,438.9; 1,181.57 BTC were turned over."""
    row = {
        "close": 1094389000,
        "fundingRate": -2481,
        "indexPrice": 1095022905,
        "markPrice": 1094389000,
        "openInterest": 2521160395,
        "symbol": "BTCUSD",
        "turnover": 118157120811,
        "volume": 129318979,
    }
    funding, market = decoder.feed(orjson.dumps({"market24h": row, "timestamp": NS}), 7.0)

    assert (funding.mark_price, funding.index_price) == (109438.9, 109502.2905)
    assert funding.funding_rate == pytest.approx(-0.00002481)
    assert (market.volume_24h, market.turnover_24h) == (pytest.approx(1181.57120811), 129318979.0)
    assert market.open_interest == pytest.approx(23037.150364)
    assert decoder.feed(orjson.dumps({"timestamp": NS, "market24h": row}), 7.0) == [funding, market]
    assert decoder.feed(orjson.dumps({"market24h": {**row, "symbol": "sBTCUSDT"}, "timestamp": NS}), 7.0) == []
    unmarked = {**row, "markPrice": 0, "indexPrice": ""}
    less, same = decoder.feed(orjson.dumps({"market24h": unmarked, "timestamp": NS}), 7.0)
    assert (less.mark_price, less.index_price, same) == (None, None, market)  # the last price is that of the mark
    for wrong in ({"close": "nan"}, {"volume": -1}, {"turnover": "1e400"}):
        with pytest.raises(BadPayload):
            decoder.feed(orjson.dumps({"market24h": {**row, **wrong}, "timestamp": NS}), 7.0)
    with pytest.raises(UnknownContract):
        decoder.feed(orjson.dumps({"market24h": {**row, "symbol": "cNEWUSD"}, "timestamp": NS}), 7.0)


def test_control_messages(decoder):
    assert decoder.feed('{"error":null,"id":0,"result":"pong"}', 1.0) == [Ack()]
    assert decoder.feed('{"error":null,"id":4,"result":{"status":"success"}}', 1.0) == [Ack("4")]
    assert decoder.feed('{"tick_p":{"last":"1","symbol":".MBTCUSDT","timestamp":1}}', 1.0) == []
    with pytest.raises(SubscriptionRejected) as caught:
        decoder.feed('{"error":{"code":6001,"message":"invalid argument"},"id":106,"result":null}', 1.0)
    assert (caught.value.request_id, caught.value.topics) == ("106", ())
    with pytest.raises(UnknownMessage):
        decoder.feed('{"weather":"fine"}', 1.0)
    with pytest.raises(UnknownMessage):
        decoder.feed(book(BID, ASK, "partial"), 1.0)
    with pytest.raises(UnknownContract):
        decoder.feed(book(BID, ASK, symbol="NEWUSDT"), 1.0)
    assert decoder.feed(book(BID, ASK, symbol="LSKUSDT"), 1.0) == ()


def test_polled_times_and_funding(decoder):
    row = {"symbol": "BTCUSDT", "fundingInterval": 14400, "nextfundingTime": 1742457600000, "fundingRate": "0.00001369"}
    wanted = [Funding("phemex", "BTC-USDT", None, None, 0.00001369, 4.0, 1742457600.0, None, 7.0)]

    def polled(purpose, body):
        return decoder.feed_response(purpose, orjson.dumps(body), 7.0)

    assert polled("time", {"code": 0, "data": {"serverTime": 1790133513000}}) == [ServerTime(1790133513.0)]
    assert polled("funding", {"code": 0, "data": {"total": 2, "rows": [row, {"symbol": "NEWUSDT"}]}}) == wanted
    assert polled("funding", [row, {"symbol": "SOLUSDT"}]) == wanted
    for body in ({"code": "429", "msg": "Too many requests"}, {"error": {"code": 6001, "message": "no"}, "id": None}):
        with pytest.raises(RequestFailed):
            polled("funding", body)
    with pytest.raises(BadPayload):
        polled("funding", [{"symbol": "SOLUSDT"}])
    with pytest.raises(UnknownMessage):
        polled("weather", {"code": 0})


def test_tickers_confirm_a_standing_touch(decoder):
    def polled(bid, ask):
        row = {"symbol": "BTCUSDT", "bidRp": bid, "askRp": ask, "timestamp": NS}
        return decoder.feed_response("tickers:0/1", orjson.dumps({"error": None, "result": [row]}), 9.0)

    assert polled("86510.7", "86540.3") == []
    decoder.feed(book(BID, ASK), 7.0)
    assert tops(polled("86510.7", "86540.3")) == [(86510.7, 2.36, 86540.3, 2.316)]
    assert polled("86510.6", "86540.3") == []


def test_polled_scaled_books_never_go_back(decoder):
    def polled(sequence, ask=1010000):
        sides = {"asks": [[ask, 6]], "bids": [[1000000, 5]]}
        result = {
            "book": sides,
            "depth": 30,
            "sequence": sequence,
            "symbol": "BTCUSD",
            "timestamp": 5,
            "type": "snapshot",
        }
        return tops(decoder.feed_response("book", orjson.dumps({"error": None, "id": 0, "result": result}), 9.0))

    decoder.feed(book([[1000000, 5]], [[1020000, 6]], symbol="BTCUSD", key="book", dts=0, depth=30, timestamp=5), 7.0)

    assert polled(9) == []
    assert polled(11) == [(100.0, 0.05, 101.0, pytest.approx(6 / 101))]
    assert polled(11) == [(100.0, 0.05, 101.0, pytest.approx(6 / 101))]
    assert decoder.outdated == 0


def test_plans(exchange, instruments):
    quotes, market = exchange.connections(instruments)

    assert {"orderbook_p:BTCUSDT", "orderbook_p:u1000PEPEUSDT", "orderbook:cETHUSD"} <= set(quotes.topics)
    calls = {json.loads(s.message)["method"] + str(json.loads(s.message)["params"]) for s in quotes.subscriptions}
    assert {"orderbook_p.subscribe['BTCUSDT', False, 1]", "orderbook.subscribe['BTCUSD']"} <= calls
    assert market.topics == ("perp_market24h_pack_p", "market24h")
    assert market.messages[1] == '{"id":2,"method":"market24h.subscribe","params":[]}'
    assert sorted(poll.request.purpose for poll in quotes.polls) == ["book", "book", "tickers:0/1"]
    assert [(poll.request.purpose, poll.every_s) for poll in market.polls] == [("time", 10.0), ("funding", 30.0)]
    assert (quotes.heartbeat.every_s, quotes.capacity, quotes.topics_per_message) == (10.0, 50, 1)
    assert exchange.symbols_of(["orderbook:BTCUSD", "depth_p:BTCUSDT", "market24h"], instruments) == {"BTC-USD"}
    assert exchange.connections([]) == []
    # It would drop the books of all other symbols, too.
    assert "orderbook" not in exchange.unsubscribe(["orderbook_p:BTCUSDT"], "3")
    assert "market24h.unsubscribe" in exchange.unsubscribe(["market24h"], "3")


def test_depth_is_subscribed_on_sockets_of_its_own(exchange, instruments):
    plans = {plan.pool: plan for plan in exchange.connections(instruments, {"quotes", "depth"})}

    assert set(plans) == {"quotes", "depth"}
    assert "depth_p:BTCUSDT" in plans["depth"].topics
    assert not any(topic.partition(":")[2] == "BTCUSD" for topic in plans["depth"].topics)
    assert json.loads(exchange.subscribe(["depth_p:BTCUSDT"], "1"))["params"] == ["BTCUSDT", True, 10]


FRAMES = [
    book(BID, ASK),
    book(BID, ASK, "incremental", depth=30),
    book([[1000000, 5]], [[1010000, 6]], symbol="BTCUSD", key="book", dts=0),
    pack([ROW], fields=PACK),
    orjson.dumps({"market24h": {"symbol": "BTCUSD", "close": 1, "markPrice": 1, "openInterest": 1}, "timestamp": NS}),
    b'{"error":{"code":6001,"message":"invalid argument"},"id":106,"result":null}',
]
ODD = st.sampled_from([None, "", "nan", "inf", "-1", "1e308", "1e-320", True, -1, 0, 10**18, [], [[]], {}, "BTCUSD"])


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.data())
def test_no_frame_breaks_the_decoder(data):
    decoder = phemex.Adapter().decoder(phemex.Adapter().parse_instruments([listing()]))
    message = orjson.loads(data.draw(st.sampled_from(FRAMES)))
    frame = orjson.dumps(replaced(message, data.draw(st.sampled_from(list(places(message)))), data.draw(ODD)))
    try:
        words = decoder.feed(frame, 1.0)
    except FeedError:
        words = ()

    for word in words:
        if isinstance(word, Quote):
            assert all(n is None or (isfinite(n) and n > 0.0) for n in tops([word])[0])
    assert tops(decoder.feed(book([["1", "2"]], [["3", "4"]], symbol="ETHUSDT", sequence=10**18 + 1), 1.0))


@pytest.mark.recordings
def test_every_sample(exchange, recordings):
    path = recordings._folder / "venues" / "samples" / "phemex" / "instruments.json"
    decoder = exchange.decoder(exchange.parse_instruments([path.read_bytes()]))
    outcomes = {}
    for _, text in recordings.frames("phemex"):
        if text.startswith('{"_rest"'):
            continue
        try:
            words = decoder.feed(text, 1.0)
        except FeedError as error:
            words = [error]
        for word in words:
            outcomes[type(word).__name__] = outcomes.get(type(word).__name__, 0) + 1

    # The samples' listing is without ETHUSDT (three frames) and XTZUSD.
    assert outcomes == {
        "Quote": 2,
        "Depth": 1,
        "Funding": 9,
        "Ticker": 9,
        "Resync": 1,
        "Ack": 9,
        "UnknownContract": 4,
        "SubscriptionRejected": 2,
    }


@pytest.mark.recordings
def test_every_recorded_frame(exchange, recordings, outcomes):
    path = recordings._folder / "venues" / "samples" / "phemex" / "instruments.json"
    today = exchange.parse_instruments([path.read_bytes()])
    recorded = exchange.parse_instruments(recordings.bodies("phemex/instruments.jsonl"))

    counts = outcomes(lambda: exchange.decoder([*today, *recorded]), recordings.inbound("phemex/ws.jsonl"))

    # 369 books of scaled integers in a row, none of them ever crossed. The rest are single frames: changes without a
    # snapshot before them, and ETHUSDT, which no listing has.
    assert counts == {
        "Quote": 369,
        "Ack": 8,
        "SubscriptionRejected": 2,
        "Funding+Ticker": 2,
        "Resync": 2,
        "nothing": 18,
        "UnknownContract": 1,
    }


@pytest.mark.recordings
def test_recorded_values(exchange, recordings):
    """YFIUSD: contracts of 0.0001 YFI, 5,488 of them at 32,936.0."""
    decoder = exchange.decoder(exchange.parse_instruments(recordings.bodies("phemex/instruments.jsonl")))
    first = next(text for _, _, text in recordings.inbound("phemex/ws.jsonl") if text.startswith('{"book"'))

    assert tops(decoder.feed(first, 1.0)) == [(32936.0, pytest.approx(0.5488), 32991.5, pytest.approx(0.1559))]
