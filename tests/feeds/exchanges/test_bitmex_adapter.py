"""BitMEX: kinds and units, the two tables, quantos, refusals, polls, and every recorded frame."""

import json
from math import isfinite

import msgspec
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
from feeds.exchanges import bitmex
from feeds.exchanges.base import Ack, CatalogueChanged, Resync, ServerTime
from market.models import AssetClass, Depth, Funding, Pairing, Quote, Status, Ticker

LINEAR = {"isInverse": False, "isQuanto": False, "settlCurrency": "USDt", "quoteToSettleMultiplier": 1000000}
INVERSE = {"isInverse": True, "isQuanto": False, "settlCurrency": "XBt", "underlyingToSettleMultiplier": -100000000}
QUANTO = {"isInverse": False, "isQuanto": True, "settlCurrency": "XBt"}


def row(symbol, underlying, quote="USDT", **fields):
    return {
        "symbol": symbol,
        "state": "Open",
        "typ": "FFWCSX",
        "listing": "2021-11-10T04:00:00.000Z",
        "underlying": underlying,
        "quoteCurrency": quote,
        "lotSize": 100,
        "tickSize": 0.1,
        "multiplier": 1,
        "underlyingToPositionMultiplier": 1000000,
        "makerFee": 0.0002,
        "takerFee": 0.00075,
        "fundingInterval": "2000-01-01T08:00:00.000Z",
        **LINEAR,
        **fields,
    }


XBTUSD = row("XBTUSD", "XBT", "USD", multiplier=-100000000, **INVERSE)
ROWS = [
    row("XBTUSDT", "XBT"),
    row("BCHUSDT", "BCH", underlyingToPositionMultiplier=100000, multiplier=10, lotSize=1000, tickSize=0.05),
    row("1TAIDOGEUSDT", "1TAIDOGE", underlyingToPositionMultiplier=100000, multiplier=10, lotSize=1),
    XBTUSD,
    row("XBTETH", "XBT", "ETH", multiplier=-1000000, **INVERSE),
    row("ETHUSD", "ETH", "USD", multiplier=100, **QUANTO),
    row("SPYUSDT", "SPY", typ="FFSCSX"),
    row("BRENTUSDT", "BRENT", typ="FFSCSX", state="Closed"),
    row("XBTZ26", "XBT", "USD", typ="FFCCSX", multiplier=-100000000, **INVERSE),
    row("XBT_USDT", "XBT", typ="IFXXXP"),
]
LISTING = json.dumps(ROWS).encode()
AT = "2026-05-21T14:39:07.060Z"
AT_S = 1779374347.06


@pytest.fixture
def exchange():
    return bitmex.Adapter()


@pytest.fixture
def instruments(exchange):
    return exchange.parse_instruments([LISTING])


@pytest.fixture
def decoder(exchange, instruments):
    return exchange.decoder(instruments)


def table(name, *rows, action="insert"):
    return json.dumps({"table": name, "action": action, "data": rows}, separators=(",", ":"))


def quoted(symbol="XBTUSDT", bid=100.0, bid_size=2000000, ask=101.0, ask_size=3000000, at=AT):
    fields = {"bidSize": bid_size, "bidPrice": bid, "askPrice": ask, "askSize": ask_size}
    return {"timestamp": at, "symbol": symbol, **{key: value for key, value in fields.items() if value is not None}}


def test_the_exchange_is_closed(exchange):
    assert (exchange.name, exchange.title, exchange.closed_since) == ("bitmex", "BitMEX", "2026-09-23")


def test_listing_in_our_units(instruments):
    by_id = {instrument.exchange_symbol: instrument for instrument in instruments}
    btc, doge, usd, eth = (by_id[i] for i in ("XBTUSDT", "1TAIDOGEUSDT", "XBTUSD", "XBTETH"))

    assert (btc.symbol, btc.settle, btc.contract_multiplier) == ("BTC-USDT", "USDT", pytest.approx(1e-6))
    assert (btc.lot_size, btc.tick_size, btc.funding_interval_h) == (pytest.approx(1e-4), 0.1, 8.0)
    assert (btc.maker_fee_bps, btc.taker_fee_bps, btc.listed_time) == (2.0, 7.5, 1636516800.0)
    assert (doge.symbol, doge.multiplier, doge.contract_multiplier) == ("AIDOGE-USDT", 1e12, pytest.approx(1e7))
    assert (usd.symbol, usd.kind, usd.settle, usd.contract_multiplier) == ("BTC-USD", "inverse", "BTC", 1.0)
    assert (usd.lot_size, usd.min_notional) == (100.0, 100.0)
    assert (eth.symbol, eth.contract_multiplier) == ("BTC-ETH", pytest.approx(0.01))
    assert set(by_id) == {r["symbol"] for r in ROWS} - {"XBTZ26", "XBT_USDT"}


def test_kinds_classes_and_states(instruments):
    by_id = {instrument.exchange_symbol: instrument for instrument in instruments}

    assert (by_id["ETHUSD"].symbol, by_id["ETHUSD"].kind) == ("ETH-USD_QUANTO", "quanto")
    assert (by_id["ETHUSD"].pairing, by_id["ETHUSD"].lot_size) == (Pairing.EXCLUDE, None)
    assert (by_id["SPYUSDT"].symbol, by_id["SPYUSDT"].asset_class) == ("SPY.EQ-USDT", AssetClass.EQUITY)
    assert (by_id["BRENTUSDT"].asset_class, by_id["BRENTUSDT"].status) == (AssetClass.COMMODITY, Status.HALTED)


def test_kind_comes_from_the_flags_and_not_from_the_quote(exchange):
    """In 2021 the USDT perpetuals were quantos, and had no size in coins."""
    old = row("UNIUSDT", "UNI", multiplier=1000, **QUANTO)
    del old["underlyingToPositionMultiplier"]
    (uni,) = exchange.parse_instruments([json.dumps([old]).encode()])

    assert (uni.kind, uni.settle, uni.pairing) == ("quanto", "BTC", Pairing.EXCLUDE)


def test_an_unreadable_row_loses_only_itself(exchange, caplog):
    rows = [{"symbol": "ETHUSDT", "typ": "FFWCSX"}, 7, row("ODDUSD", "ODD", settlCurrency="XBt"), ROWS[0]]
    kept = exchange.parse_instruments([json.dumps(rows).encode()])

    assert [instrument.symbol for instrument in kept] == ["BTC-USDT"]
    assert caplog.text.count("left out an unreadable listing") == 3
    assert exchange.decoder(kept).feed(table("quote", quoted("ODDUSD")), 1.0) == []


@pytest.mark.parametrize("bodies", [[b"<html>"], [b'{"error":{"message":"no","name":"HTTPError"}}'], [b""]])
def test_a_body_that_is_no_listing(exchange, bodies):
    with pytest.raises(BadListing):
        exchange.parse_instruments(bodies)


def test_what_a_closed_exchange_lists(exchange):
    """Nothing, which is no error, and nothing is asked for."""
    assert exchange.parse_instruments([b"[]"]) == []
    assert exchange.connections([]) == []


def test_linear_sizes_are_contracts(decoder):
    """103,000 contracts of BCHUSDT at 100,000 a coin are 1.03 BCH."""
    (quote,) = decoder.feed(table("quote", quoted("BCHUSDT", 487.55, 103000, 488.25, 50000)), 7.0)

    assert quote == Quote("bitmex", "BCH-USDT", 487.55, pytest.approx(1.03), 488.25, pytest.approx(0.5), AT_S, 7.0)
    assert quote.bid_price * quote.bid_size == pytest.approx(502.18, abs=0.005)


def test_inverse_sizes_count_the_quote(decoder):
    """100 USD at 98,570.9 are 0.0010145 BTC; 100 contracts of 0.01 ETH at 36.5 ETH are 0.0274 BTC."""
    (usd,) = decoder.feed(table("quote", quoted("XBTUSD", 98570.9, 100, 98571.0, 100)), 7.0)
    (eth,) = decoder.feed(table("quote", quoted("XBTETH", 36.5, 100, 36.6, 100)), 7.0)

    assert usd.bid_size == pytest.approx(0.0010145, abs=5e-8)
    assert eth.bid_size == pytest.approx(1.0 / 36.5)


def test_trillions_become_coins(decoder):
    """1,000 contracts of 1e-5 x 1e12 coins at 152.4 a trillion are 1.524 USDT."""
    (quote,) = decoder.feed(table("quote", quoted("1TAIDOGEUSDT", 152.4, 1000, 152.5, 1)), 7.0)

    assert (quote.bid_price, quote.bid_size) == (pytest.approx(1.524e-10), pytest.approx(1e10))


def test_a_quanto_is_sized_by_what_its_bitcoin_would_buy(decoder):
    """100 contracts at 2,124 are 0.2124 BTC; at 77,000 a Bitcoin that is 7.7 ETH."""
    frame = table("quote", quoted("ETHUSD", 2124.0, 100, 2125.0, 100))
    (unsized,) = decoder.feed(frame, 7.0)
    assert (unsized.bid_price, unsized.bid_size) == (2124.0, None)

    decoder.feed(table("instrument", {**XBTUSD, "markPrice": 77000, "timestamp": AT}, action="partial"), 7.0)
    later = frame.replace("07.060Z", "08.060Z")
    (quote,) = decoder.feed(later, 8.0)
    assert quote.bid_size == pytest.approx(100 * 100e-8 * 2124 * 77000 / 2124)


def test_the_last_row_of_a_contract_is_the_one_that_counts(decoder):
    rows = [quoted(bid_size=1000000), quoted("BCHUSDT"), quoted(bid_size=5000000)]
    words = decoder.feed(table("quote", *rows), 7.0)

    assert [(quote.symbol, quote.bid_size) for quote in words] == [("BTC-USDT", 5.0), ("BCH-USDT", 20.0)]
    assert decoder.outdated == 0


@pytest.mark.parametrize("side", [{"bid": None, "bid_size": 0}, {"bid": None, "bid_size": None}, {"bid_size": 0}])
def test_an_empty_side_is_none(decoder, side):
    (quote,) = decoder.feed(table("quote", quoted(**side)), 7.0)

    assert (quote.bid_price, quote.bid_size, quote.ask_price, quote.ask_size) == (None, None, 101.0, 3.0)


def test_old_and_repeated_quotes_are_dropped(decoder):
    """Several changes may carry one time; the same change twice may not."""
    assert decoder.feed(table("quote", quoted()), 7.0)
    assert decoder.feed(table("quote", quoted()), 7.0) == []
    assert decoder.feed(table("quote", quoted(at="2026-05-21T14:39:06.000Z")), 7.0) == []
    assert decoder.outdated == 2
    assert decoder.feed(table("quote", quoted(bid_size=9)), 7.0)
    decoder.reset(["quote"])
    assert decoder.feed(table("quote", quoted(bid_size=9)), 7.0)


def test_quotes_of_a_clock_that_was_set_back_are_taken(decoder):
    """As on Deribit: 0.1 s older and 0.9 s later may have been overtaken, a whole second later it cannot have been."""
    decoder.feed(table("quote", quoted(at="2026-05-21T14:39:10.000Z")), 7.0)

    assert decoder.feed(table("quote", quoted(at="2026-05-21T14:39:05.000Z", bid_size=9)), 7.01) == []
    assert decoder.feed(table("quote", quoted(at="2026-05-21T14:39:09.900Z", bid_size=9)), 7.9) == []
    assert decoder.feed(table("quote", quoted(at="2026-05-21T14:39:09.900Z", bid_size=9)), 8.0)
    assert decoder.feed(table("quote", quoted(at="2026-05-21T14:39:06.000Z", bid_size=9)), 8.1)


@pytest.mark.parametrize("price", ["nan", "inf", -1, "abc", [], True])
def test_what_is_no_price_never_gets_out(decoder, price):
    with pytest.raises(BadPayload):
        decoder.feed(table("quote", quoted(bid=price)), 7.0)
    (kept,) = decoder.feed(table("quote", quoted(bid=price), quoted("BCHUSDT")), 7.0)
    assert kept.symbol == "BCH-USDT"
    assert decoder.feed(table("quote", quoted()), 7.0)


FULL = {
    "markPrice": 77144.75,
    "indicativeSettlePrice": 77145.16,
    "fundingRate": -0.000008,
    "indicativeFundingRate": 0.000092,
    "fundingTimestamp": "2026-05-21T20:00:00.000Z",
    "lastPrice": 77087.2,
    "homeNotional24h": 158.9732,
    "foreignNotional24h": 12314538.98,
    "openInterest": 188494800,
    "timestamp": AT,
}


def test_a_whole_row_is_funding_and_market_data(decoder):
    """The rate is the one due at fundingTimestamp, not the indicative one. 188,494,800 / 1e6 are 188.4948 BTC."""
    assert decoder.feed(table("instrument", {**ROWS[0], **FULL}, action="partial"), 7.0) == [
        Funding("bitmex", "BTC-USDT", 77144.75, 77145.16, -0.000008, 8.0, 1779393600.0, AT_S, 7.0),
        Ticker("bitmex", "BTC-USDT", 77087.2, 158.9732, 12314538.98, pytest.approx(188.4948), AT_S, 7.0),
    ]


def test_a_sparse_row_keeps_what_it_does_not_name(decoder):
    decoder.feed(table("instrument", {**ROWS[0], **FULL}, action="partial"), 7.0)

    def update(**fields):
        return decoder.feed(table("instrument", {"symbol": "XBTUSDT", "timestamp": AT, **fields}, action="update"), 7.0)

    (funding,) = update(markPrice=77000, indicativeSettlePrice=None)
    assert (funding.mark_price, funding.index_price, funding.funding_rate) == (77000.0, None, -0.000008)
    (market,) = update(lastPrice=77001)
    assert (market.last_price, market.volume_24h) == (77001.0, 158.9732)
    assert update(lastTickDirection="ZeroMinusTick") == []
    with pytest.raises(BadPayload):
        update(markPrice=-5, fundingRate=1)
    (funding,) = update(fundingRate=0.0001)
    assert (funding.mark_price, funding.funding_rate) == (77000.0, 0.0001)


def other_order(frame):
    """The same message, told so that it is read the general way."""
    return json.dumps(dict(reversed(json.loads(frame).items())), separators=(",", ":"))


@pytest.mark.parametrize("told", [str, other_order])
@pytest.mark.parametrize(
    ("changes", "kinds", "read"),
    [
        ({"lastPrice": "77001.5"}, [Ticker], {"last_price": 77001.5}),
        ({"homeNotional24h": None, "foreignNotional24h": 5}, [Ticker], {"volume_24h": None, "turnover_24h": 5.0}),
        ({"openInterest": 0}, [Ticker], {"open_interest": 0.0}),
        ({"homeNotional24h": 160.5, "foreignNotional24h": 0}, [Ticker], {"volume_24h": 160.5, "turnover_24h": 0.0}),
        ({"indicativeSettlePrice": 5}, [Funding], {"index_price": 5.0}),
        ({"fundingInterval": "2000-01-01T04:00:00.000Z"}, [Funding], {"funding_interval_h": 4.0}),
        ({"fundingInterval": None, "fundingTimestamp": None}, [Funding], {"next_funding_time": None}),
        ({"fundingRate": ""}, [Funding], {"funding_rate": None}),
        ({"markPrice": 0, "lastPrice": 77000}, [Funding, Ticker], {"mark_price": None, "last_price": 77000.0}),
        ({"bidPrice": 1, "indicativeFundingRate": 1}, [], {}),
        ({"timestamp": None, "lastPrice": 1}, [Ticker], {"event_time": None, "last_price": 1.0}),
    ],
)
def test_a_change_changes_what_it_names_and_no_more(decoder, told, changes, kinds, read):
    whole = decoder.feed(told(table("instrument", {**ROWS[0], **FULL}, action="partial")), 7.0)
    words = decoder.feed(
        told(table("instrument", {"symbol": "XBTUSDT", "timestamp": AT, **changes}, action="update")), 7.0
    )

    assert [type(word) for word in words] == kinds
    before = {type(word): word for word in whole}
    for word in words:
        named = {field: value for field, value in read.items() if field in word.__struct_fields__}
        assert word == msgspec.structs.replace(before[type(word)], **named)


@pytest.mark.parametrize("told", [str, other_order])
@pytest.mark.parametrize(
    "bad",
    [
        *({"markPrice": wrong} for wrong in ("nan", "inf", -1, True, [])),
        *({"openInterest": wrong} for wrong in ("nan", "inf", -1, {})),
        *({"timestamp": wrong} for wrong in (7, "now", "2026-05-21T14:39:07", [])),
        {"lastPrice": 1, "fundingTimestamp": "x"},
        {"symbol": 7},
        {"symbol": "NEWUSDT", "state": "Open", "typ": "FFWCSX"},
    ],
)
def test_a_bad_row_of_the_instrument_table_loses_only_itself(decoder, told, bad):
    """And changes nothing of what is known."""
    rows = [{**ROWS[0], **FULL}, {**ROWS[1], **FULL}]
    before = decoder.feed(table("instrument", *rows, action="partial"), 7.0)
    bad_row = {"symbol": "XBTUSDT", "timestamp": AT, "markPrice": 5, "lastPrice": 5, **bad}
    with pytest.raises((BadPayload, UnknownContract)):
        decoder.feed(told(table("instrument", bad_row, action="update")), 7.0)
    frame = table("instrument", bad_row, {**ROWS[1], **FULL}, 7, action="update")
    assert decoder.feed(told(frame), 7.0) == before[2:]

    same = {"symbol": "XBTUSDT", "timestamp": AT, "fundingRate": FULL["fundingRate"], "lastPrice": FULL["lastPrice"]}
    assert decoder.feed(table("instrument", same, action="update"), 7.0) == before[:2]


def test_changes_before_the_whole_are_dropped(decoder):
    change = table("instrument", {"symbol": "XBTUSDT", "markPrice": 1, "timestamp": AT}, action="update")
    assert decoder.feed(change, 7.0) == []
    decoder.feed(table("instrument", {**ROWS[0], **FULL}, action="partial"), 7.0)
    assert decoder.feed(change, 7.0)
    decoder.reset(["instrument"])
    assert decoder.feed(change, 7.0) == []


def test_open_interest_of_an_inverse_contract_counts_dollars(decoder):
    """157,964,500 USD at 77,069.62 are 2,049.6 BTC."""
    fields = {"markPrice": 77069.62, "openInterest": 157964500, "timestamp": AT}
    market = decoder.feed(table("instrument", {**XBTUSD, **fields}, action="partial"), 7.0)[1]

    assert market.open_interest == pytest.approx(2049.634, abs=0.001)


def test_a_change_of_state_asks_for_the_listing_once(decoder):
    halted = table("instrument", {"symbol": "XBTUSDT", "state": "Closed", "timestamp": AT}, action="update")

    assert decoder.feed(halted, 7.0) == [CatalogueChanged("XBTUSDT is Closed, unlike in the catalogue")]
    assert decoder.feed(halted, 7.0) == []


def test_other_instruments_are_skipped_and_unknown_ones_are_not(decoder):
    """The tables also hold indices, dated contracts, spreads, spot, and what was settled years ago."""
    settled = {"symbol": "KLAYUSD", "state": "Settled", "typ": "FFWCSX", "timestamp": AT}
    assert decoder.feed(table("instrument", settled, action="partial"), 7.0) == []
    for symbol in ("XBTZ26", "ETHH27", ".BXBT", ".BPENGUT_NEXT", "XBTM26-XBTU26", "ETH_USDT", "KLAYUSD"):
        assert decoder.feed(table("quote", quoted(symbol, -1.0)), 7.0) == []
    with pytest.raises(UnknownContract):
        decoder.feed(table("quote", quoted("NEWUSDT")), 7.0)
    (known,) = decoder.feed(table("quote", quoted("NEWUSDT"), quoted()), 7.0)
    assert known.symbol == "BTC-USDT"
    with pytest.raises(UnknownContract):
        decoder.feed(table("instrument", row("NEWUSDT", "NEW")), 7.0)


def ten_levels(bids, asks, symbol="XBTUSD", at=AT):
    return table("orderBook10", {"symbol": symbol, "bids": bids, "asks": asks, "timestamp": at}, action="update")


def test_small_books_come_whole(decoder):
    assert decoder.feed(ten_levels([[100, 200], [99, 990]], [[101, 202]]), 7.0) == [
        Depth("bitmex", "BTC-USD", ((100.0, 2.0), (99.0, 10.0)), ((101.0, 2.0),), AT_S, 7.0)
    ]
    assert decoder.feed(ten_levels([[100, 200], [99, 990]], [[101, 202]]), 7.0) == []
    assert decoder.feed(ten_levels([[98, 98]], [], at="2026-05-21T14:39:06.000Z"), 7.0) == []
    assert decoder.outdated == 2
    crossed = ten_levels([[101, 1]], [[101, 1]], at="2026-05-21T14:39:08.000Z")
    assert decoder.feed(crossed, 7.0) == [Resync("orderBook10:XBTUSD", "the book is crossed")]


def test_control_messages(decoder):
    assert decoder.feed("pong", 7.0) == [Ack()]
    ack = '{"success":true,"subscribe":"quote","request":{"op":"subscribe","args":["instrument","quote"]}}'
    assert decoder.feed(ack, 7.0) == [Ack(topics=("quote",))]
    assert decoder.feed(table("trade", {"symbol": "XBTUSD"}), 7.0) == []
    assert decoder.feed(table("orderBookL2_25", {"symbol": "XBTUSD"}, action="delete"), 7.0) == []
    for unknown in (table("weather"), table("quote", action="sideways"), '{"hello":1}'):
        with pytest.raises(UnknownMessage):
            decoder.feed(unknown, 7.0)


def test_refusals_name_the_topic_where_they_can(decoder):
    def refused(message):
        with pytest.raises(SubscriptionRejected) as caught:
            decoder.feed(json.dumps({"status": 400, "meta": {}, **message}), 7.0)
        return caught.value.topics

    request = {"op": "subscribe", "args": ["orderBok:XBTUSD", "quote"]}
    assert refused({"error": "Unknown table: orderBok", "request": request}) == ("orderBok:XBTUSD",)
    assert refused({"error": "Rate limit exceeded, retry in 1 seconds.", "request": request}) == tuple(request["args"])
    assert refused({"error": "Rate limit exceeded", "request": {"op": "subscribe", "args": "quote"}}) == ("quote",)
    assert refused({"error": "Rate limit exceeded, retry in 29 seconds."}) == ()


@pytest.mark.parametrize(("operation", "reason", "topics", "live"), [
    ("subscribe", "You are already subscribed to this topic: quote", ("quote",), True),
    ("subscribe", "Unknown table: quote", ("quote",), False),
    ("unsubscribe", "You are not subscribed to this topic: quote", (), True),
    ("unsubscribe", "Rate limit exceeded, retry in 1 seconds.", (), True),
])  # fmt: skip
def test_no_topic_is_given_up_that_is_fed(decoder, operation, reason, topics, live):
    message = {"status": 400, "error": reason, "meta": {}, "request": {"op": operation, "args": ["quote"]}}
    with pytest.raises(SubscriptionRejected) as caught:
        decoder.feed(json.dumps(message), 7.0)
    assert (caught.value.topics, caught.value.live) == (topics, live)


def test_polls(decoder):
    """The listing shows prices without sizes: it confirms a quote, and never brings one."""
    clock = b'{"name":"BitMEX API","version":"2.0.0","timestamp":1758794925419}'
    assert decoder.feed_response("time", clock, 7.0) == [ServerTime(1758794925.419)]
    listed = json.dumps([{**ROWS[0], "bidPrice": 100, "askPrice": 101}, 7, {"symbol": "NEWUSDT"}]).encode()
    assert decoder.feed_response("active", listed, 8.0) == []

    (quote,) = decoder.feed(table("quote", quoted()), 7.0)
    (again,) = decoder.feed_response("active", listed, 17.0)
    assert (again.bid_size, again.event_time, again.received_time) == (quote.bid_size, quote.event_time, 17.0)
    assert decoder.feed_response("active", listed.replace(b'"bidPrice": 100', b'"bidPrice": 99'), 17.0) == []
    assert decoder.feed_response("active", listed.replace(b'"Open"', b'"Closed"'), 17.0) == []
    with pytest.raises(RequestFailed, match="RateLimitError"):
        decoder.feed_response("active", b'{"error":{"message":"x","name":"RateLimitError"}}', 17.0)
    with pytest.raises(BadPayload):
        decoder.feed_response("active", b"[7]", 17.0)


def test_plans(exchange, instruments):
    market, *books = exchange.connections(instruments, {"quotes", "funding", "ticker", "depth"})

    assert market.url == "wss://ws.bitmex.com/realtime"
    assert [json.loads(message) for message in market.messages] == [
        {"op": "subscribe", "args": ["instrument", "quote"]}
    ]
    assert [poll.request.url.partition("/api/v1")[2] for poll in market.polls] == ["", "/instrument/active"]
    assert [len(plan.topics) for plan in books] == [6]  # all that trade, less the quanto
    assert exchange.symbols_of(["quote"], instruments) == {i.symbol for i in instruments}
    assert exchange.symbols_of(["instrument", "orderBook10:XBTUSD"], instruments) == set()
    per_minute = sum(60 / poll.every_s for poll in market.polls)
    assert per_minute <= 60 * exchange.request_weight_per_s < 30


def test_no_message_has_more_than_twenty_topics(exchange):
    names = [f"C{n:03}" for n in range(120)]
    listed = exchange.parse_instruments([json.dumps([row(f"{name}USDT", name) for name in names]).encode()])
    plans = exchange.connections(listed, {"quotes", "depth"})

    assert all(len(subscription.topics) <= 20 for plan in plans for subscription in plan.subscriptions)
    assert sum(len(plan.topics) for plan in plans if plan.pool == "depth") == 120


@pytest.mark.recordings
def test_every_sample(exchange, recordings):
    path = recordings._folder / "venues" / "samples" / "bitmex" / "instruments.json"
    instruments = exchange.parse_instruments([path.read_bytes()])
    decoder = exchange.decoder(instruments)
    outcomes = {}
    for _, text in recordings.frames("bitmex"):
        try:
            words = decoder.feed(text.strip('"'), 1.0)
        except FeedError as error:
            words = [error]
        for word in words:
            outcomes[type(word).__name__] = outcomes.get(type(word).__name__, 0) + 1

    assert {i.exchange_symbol for i in instruments if i.kind == "quanto"} == {"ETHUSD", "KLAYUSD"}
    assert len(instruments) == 9
    # Six frames are of contracts that the sampled listing does not hold; four refusals are REST bodies.
    assert outcomes == {
        "Quote": 1,
        "Depth": 1,
        "Funding": 2,
        "Ticker": 3,
        "Ack": 6,
        "SubscriptionRejected": 8,
        "UnknownContract": 6,
    }


@pytest.mark.recordings
def test_every_recorded_frame(exchange, recordings, outcomes):
    """Recorded in July 2021, of ten instruments: books, which we do not follow, trades, and quotes."""
    instruments = exchange.parse_instruments(recordings.bodies("bitmex/instruments.jsonl"))

    # Unknown: two contracts that were listed later than the list was read.
    assert outcomes(lambda: exchange.decoder(instruments), recordings.inbound("bitmex/ws.jsonl")) == {
        "Quote": 90,
        "Depth": 2,
        "Ack": 30,
        "UnknownContract": 2,
        "nothing": 2016,
    }


@pytest.mark.recordings
def test_recorded_quotes_have_the_recorded_values(exchange, recordings):
    """XBTUSD: 1,299,000 USD at 32,180 are 40.4 BTC."""
    instruments = exchange.parse_instruments(recordings.bodies("bitmex/instruments.jsonl"))
    decoder = exchange.decoder(instruments)
    symbols = {i.exchange_symbol: i.symbol for i in instruments}
    compared = 0
    for _, received_time, text in recordings.inbound("bitmex/ws.jsonl"):
        message = json.loads(text)
        if message.get("table") != "quote":
            continue
        try:
            quotes = {quote.symbol: quote for quote in decoder.feed(text, received_time)}
        except UnknownContract:
            continue
        for quoted_row in message["data"]:
            last = next(r for r in reversed(message["data"]) if r["symbol"] == quoted_row["symbol"])
            quote = quotes.get(symbols.get(quoted_row["symbol"], ""))
            if quote is None:
                continue
            assert (quote.bid_price, quote.ask_price) == (last["bidPrice"], last["askPrice"])
            if quoted_row["symbol"] == "XBTUSD":
                assert quote.bid_size == pytest.approx(last["bidSize"] / last["bidPrice"])
            compared += 1
    assert compared > 300


ODD = st.sampled_from(
    [None, "", "nan", "inf", "-1", "1e308", "x", True, -1, 0, 1e308, 10**18, [], {}, {"a": 1}, "XBTUSD"]
)
GOOD = [
    table("quote", quoted()),
    table("quote", quoted("XBTUSD"), quoted("ETHUSD"), action="partial"),
    table("instrument", {**XBTUSD, **FULL}, action="partial"),
    ten_levels([[100, 1]], [[101, 1]]),
    '{"success":true,"subscribe":"quote","request":{"op":"subscribe","args":["quote"]}}',
    '{"status":400,"error":"Unknown table: x","meta":{},"request":{"op":"subscribe","args":["x"]}}',
]


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


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.data())
def test_no_frame_breaks_a_decoder_or_gets_nonsense_out(data):
    message = orjson.loads(data.draw(st.sampled_from(GOOD)))
    path = data.draw(st.sampled_from(list(leaves(message))))
    exchange = bitmex.Adapter()
    decoder = exchange.decoder(exchange.parse_instruments([LISTING]))
    try:
        words = decoder.feed(orjson.dumps(replaced(message, path, data.draw(ODD))), 1.0)
    except FeedError:
        words = []

    for word in words:
        if isinstance(word, Quote):
            sides = (word.bid_price, word.bid_size, word.ask_price, word.ask_size)
            assert all(number is None or 0.0 < number < float("inf") for number in sides)
        if isinstance(word, Ticker):
            assert word.open_interest is None or (isfinite(word.open_interest) and word.open_interest >= 0.0)
    (quote,) = decoder.feed(table("quote", quoted("BCHUSDT", at="2027-01-01T00:00:00.000Z")), 1.0)
    assert quote.bid_price == 100.0


@pytest.mark.parametrize("frame", ["[42]", "42", '"text"', "null"])
def test_what_is_no_object_may_be_the_rest_of_a_known_message(decoder, frame):
    with pytest.raises(BadPayload):
        decoder.feed(frame, 1.0)
