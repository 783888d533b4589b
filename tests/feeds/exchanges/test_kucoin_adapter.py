"""KuCoin: lots and coins, the token, whole quotes, polled marks, confirmations, and every recorded frame."""

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
from feeds.exchanges import kucoin
from feeds.exchanges.base import Ack, CatalogueChanged, Closing, Heartbeat, ServerTime
from market.models import AssetClass, Depth, Funding, Pairing, Quote, Status, Ticker

SAMPLES = Path(__file__).parents[4] / "shared" / "venues" / "samples" / "kucoin"


def row(symbol, base, quote="USDT", **fields):
    return {
        "symbol": symbol,
        "type": "FFWCSX",
        "firstOpenDate": 1585555200000,
        "baseCurrency": base,
        "quoteCurrency": quote,
        "settleCurrency": quote,
        "lotSize": 1,
        "tickSize": 0.1,
        "multiplier": 0.001,
        "makerFeeRate": 2.0e-4,
        "takerFeeRate": 6.0e-4,
        "isQuanto": True,
        "isInverse": False,
        "status": "Open",
        "fundingFeeRate": 5.1e-5,
        "fundingRateGranularity": 28800000,
        "openInterest": "5940782",
        "turnoverOf24h": 6.353834194265137e8,
        "volumeOf24h": 5735.963,
        "markPrice": 110205.37,
        "indexPrice": 110207.22,
        "lastTradePrice": 110196,
        "nextFundingRateTime": 28149691,
        "nextFundingRateDateTime": 1756224000000,
        **fields,
    }


def body(data):
    return json.dumps({"code": "200000", "data": data}).encode()


INVERSE = {"settleCurrency": "XBT", "multiplier": -1.0, "isInverse": True, "isQuanto": False}
ROWS = [
    row("XBTUSDTM", "XBT"),
    row("XBTUSDCM", "XBT", "USDC", multiplier=0.0001),
    row("XBTUSDM", "XBT", "USD", **INVERSE),
    row("1000BONKUSDTM", "1000BONK", multiplier=1000, tickSize=0.00001, fundingRateGranularity=14400000),
    row("NIULAIUSDTM", "NIULAI", displayBaseCurrency="牛来"),
    row("NVDAUSDTM", "NVDA", assetClass="STOCK"),
    row("OPENAIUSDTM", "OPENAI", assetClass="STOCK", marketStage="PRE_MARKET"),
    row("PAUSEDUSDTM", "PAUSED", status="Paused"),
    row("XBTMZ26", "XBT", "USD", type="FFICSX", **INVERSE),
]
LISTING = body(ROWS)


@pytest.fixture
def exchange():
    return kucoin.Adapter()


@pytest.fixture
def instruments(exchange):
    return exchange.parse_instruments([LISTING])


@pytest.fixture
def decoder(exchange, instruments):
    return exchange.decoder(instruments)


def message(topic, data, subject="tickerV2"):
    return json.dumps({"topic": topic, "type": "message", "subject": subject, "data": data}, separators=(",", ":"))


def top(bid, bid_lots, ask, ask_lots, symbol="XBTUSDTM", sequence=10, ts=1756199639879000000):
    data = {
        "symbol": symbol,
        "sequence": sequence,
        "bestBidSize": bid_lots,
        "bestBidPrice": bid,
        "bestAskPrice": ask,
        "bestAskSize": ask_lots,
        "ts": ts,
    }
    return message(f"/contractMarket/tickerV2:{symbol}", data)


def test_listing_in_our_units(instruments):
    by_id = {instrument.exchange_symbol: instrument for instrument in instruments}
    btc, usdc, inverse, bonk = (by_id[i] for i in ("XBTUSDTM", "XBTUSDCM", "XBTUSDM", "1000BONKUSDTM"))

    assert (btc.symbol, btc.kind, btc.contract_multiplier, btc.lot_size) == ("BTC-USDT", "linear", 0.001, 0.001)
    assert (btc.tick_size, btc.maker_fee_bps, btc.taker_fee_bps, btc.funding_interval_h) == (0.1, 2.0, 6.0, 8.0)
    assert (btc.listed_time, btc.pairing) == (1585555200.0, Pairing.OK)  # isQuanto means nothing
    assert (usdc.symbol, usdc.settle) == ("BTC-USDC", "USDC")
    assert (inverse.symbol, inverse.kind, inverse.settle) == ("BTC-USD", "inverse", "BTC")
    assert (inverse.contract_multiplier, inverse.lot_size, inverse.min_notional) == (1.0, 1.0, 1.0)
    assert (bonk.symbol, bonk.multiplier, bonk.contract_multiplier) == ("BONK-USDT", 1000.0, 1e6)
    assert (bonk.tick_size, bonk.funding_interval_h) == (1e-8, 4.0)
    assert by_id["PAUSEDUSDTM"].status is Status.HALTED
    assert "XBTMZ26" not in by_id


def test_names_and_classes(instruments):
    by_id = {i.exchange_symbol: (i.symbol, i.asset_class, i.pairing) for i in instruments}

    assert by_id["NIULAIUSDTM"] == ("牛来-USDT", AssetClass.CRYPTO, Pairing.OK)
    assert by_id["NVDAUSDTM"] == ("NVDA.EQ-USDT", AssetClass.EQUITY, Pairing.OK)
    assert by_id["OPENAIUSDTM"] == ("OPENAI.PRE-USDT", AssetClass.PREIPO, Pairing.HIDE)


@pytest.mark.parametrize(("name", "status"), [
    ("Open", Status.TRADING),
    ("Init", Status.PRE_MARKET),
    ("CancelOnly", Status.HALTED),
    ("BeingSettled", Status.HALTED),
    ("Settled", Status.CLOSED),
    ("Closed", Status.CLOSED),
])  # fmt: skip
def test_statuses(exchange, name, status):
    (btc,) = exchange.parse_instruments([body([row("XBTUSDTM", "XBT", status=name)])])

    assert btc.status is status


def test_an_unreadable_row_loses_only_itself(exchange, caplog):
    bad = [{"type": "FFWCSX"}, 7, row("ETHUSDTM", "ETH", multiplier=0), row("XBTUSDTM", "XBT")]
    kept = exchange.parse_instruments([body(bad), b""])

    assert [instrument.symbol for instrument in kept] == ["BTC-USDT"]
    assert caplog.text.count("left out an unreadable listing") == 3


@pytest.mark.parametrize("answer", [b"<html>", b'{"code":"429000","msg":"Too Many Requests"}', b""])
def test_a_body_that_is_no_listing(exchange, answer):
    with pytest.raises(BadListing):
        exchange.parse_instruments([answer])


def test_linear_lots_become_coins(decoder):
    """166 lots of 0.001 BTC at 86,198 are 0.166 BTC and 14,308.87 USDT."""
    (quote,) = decoder.feed(top("86198", 166, "86198.1", 1), 7.0)

    assert quote == Quote(
        "kucoin", "BTC-USDT", 86198.0, pytest.approx(0.166), 86198.1, pytest.approx(0.001), 1756199639.879, 7.0
    )
    assert quote.bid_price * quote.bid_size == pytest.approx(14308.87, abs=0.005)


def test_inverse_lots_are_dollars(decoder):
    """32,345 lots at 67,169.6 are 0.481542 BTC."""
    (quote,) = decoder.feed(top("67169.6", 32345, "67169.7", 7251, "XBTUSDM"), 7.0)

    assert quote.bid_size == pytest.approx(0.481542, abs=5e-7)


def test_bundles_become_coins(decoder):
    """Two lots of 1,000 bundles of 1,000 coins are 2,000,000 coins."""
    (quote,) = decoder.feed(top("0.025", 2, "0.026", 3, "1000BONKUSDTM"), 7.0)

    assert (quote.bid_price, quote.bid_size, quote.ask_size) == (pytest.approx(2.5e-5), 2e6, 3e6)


@pytest.mark.parametrize(("price", "lots"), [("", 0), (None, None), ("0", 0), ("86000", 0)])
def test_an_empty_side_is_none(decoder, price, lots):
    (quote,) = decoder.feed(top(price, lots, "86198.1", 1), 7.0)

    assert (quote.bid_price, quote.bid_size, quote.ask_price) == (None, None, 86198.1)


def test_keys_in_another_order(decoder):
    frame = json.loads(top("86198", 166, "86198.1", 1))

    assert decoder.feed(json.dumps(dict(reversed(frame.items()))), 7.0)[0].bid_size == pytest.approx(0.166)


def test_old_and_repeated_quotes_are_dropped_and_restarted_counts_are_not(decoder):
    decoder.feed(top("100", 1, "101", 1, sequence=10), 1.0)

    assert not decoder.feed(top("100", 1, "101", 1, sequence=10), 1.0)
    assert not decoder.feed(top("99", 1, "", 0, sequence=9), 1.0)
    assert decoder.outdated == 2
    assert decoder.feed(top("99", 1, "101", 1, sequence=1, ts=1756199650000000000), 1.0)
    decoder.reset(["/contractMarket/tickerV2:XBTUSDTM"])
    assert decoder.feed(top("99", 1, "101", 1, sequence=1), 1.0)


@pytest.mark.parametrize("price", ["nan", "inf", "-1", "abc", True])
def test_what_is_no_price_never_gets_out(decoder, price):
    with pytest.raises(BadPayload):
        decoder.feed(top(price, 1, "86198.1", 1), 1.0)
    assert decoder.feed(top("1", 1, "2", 1), 1.0)


def test_marks_and_the_running_estimate(decoder):
    """A funding rate whose granularity is an interval has been paid already."""
    topic = "/contract/instrument:XBTUSDTM"
    marks = {"markPrice": 86201.79, "indexPrice": 86248.81, "granularity": 1000, "timestamp": 1790113097000}
    rate = {"granularity": 60000, "fundingRate": -0.000076, "timestamp": 1790114460000}

    assert decoder.feed(message(topic, marks, "mark.index.price"), 7.0) == [
        Funding("kucoin", "BTC-USDT", 86201.79, 86248.81, None, None, None, 1790113097.0, 7.0)
    ]
    assert decoder.feed(message(topic, rate, "funding.rate"), 7.0) == [
        Funding("kucoin", "BTC-USDT", None, None, -0.000076, None, None, 1790114460.0, 7.0)
    ]
    assert decoder.feed(message(topic, {**rate, "granularity": 28800000}, "funding.rate"), 7.0) == []
    with pytest.raises(UnknownMessage):
        decoder.feed(message(topic, {"timestamp": 1}, "weather"), 7.0)


def depth(sequence, bids, asks):
    data = {"sequence": sequence, "bids": bids, "asks": asks, "ts": 1000, "timestamp": 1000}
    return message("/contractMarket/level2Depth50:XBTUSDTM", data, "level2")


def test_books_are_whole_in_every_message(decoder):
    (word,) = decoder.feed(depth(5, [["100", 2], ["99", 3000]], [["101", 1]] * 1 + [["102", 1]] * 30), 7.0)
    assert isinstance(word, Depth)
    assert word.bids == ((100.0, pytest.approx(0.002)), (99.0, pytest.approx(3.0)))
    assert (len(word.asks), word.event_time) == (20, 1.0)

    assert decoder.feed(depth(5, [["100", 2]], []), 7.0)  # books are repeated while nothing happens
    assert decoder.feed(depth(4, [], []), 7.0) == []
    assert decoder.outdated == 1
    with pytest.raises(BadPayload, match="crossed"):
        decoder.feed(depth(6, [["102", 1]], [["101", 1]]), 7.0)


def test_control_messages(decoder):
    assert decoder.feed('{"id":"2","type":"ack"}', 1.0) == [Ack("2")]
    assert decoder.feed('{"id":"ping","type":"pong","timestamp":1790113097236506}', 1.0) == [Ack()]
    assert decoder.feed('{"id":"probebook","type":"welcome"}', 1.0) == []
    assert decoder.feed('{"type":"error","code":400,"data":"ping timeout"}', 1.0) == [Closing("400 ping timeout")]
    assert decoder.feed(message("/contractMarket/execution:XBTUSDTM", {"size": 1}, "match"), 1.0) == []
    with pytest.raises(SubscriptionRejected, match="404 topic does not exist") as caught:
        decoder.feed('{"id":"3","type":"error","code":404,"data":"topic does not exist"}', 1.0)
    assert (caught.value.request_id, caught.value.live) == ("3", False)
    with pytest.raises(UnknownMessage):
        decoder.feed(message("/contractMarket/weather:XBTUSDTM", {}), 1.0)
    with pytest.raises(UnknownMessage):
        decoder.feed('{"type":"sermon"}', 1.0)


def test_dated_contracts_are_skipped_and_unknown_ones_are_not(decoder):
    for symbol in ("XBTMZ26", "XBTMH21"):
        assert not decoder.feed(top("1", 1, "2", 1, symbol), 1.0)
    with pytest.raises(UnknownContract):
        decoder.feed(top("1", 1, "2", 1, "NEWUSDTM"), 1.0)


TICKERS_ROW = {
    "sequence": 11,
    "symbol": "XBTUSDTM",
    "price": "1",
    "bestBidPrice": "100",
    "bestBidSize": 1,
    "bestAskPrice": "101",
    "bestAskSize": 1,
    "ts": 1729163001780000000,
}


def test_polled_quotes_confirm_and_never_override_a_newer_stream(decoder):
    def polled(**fields):
        return decoder.feed_response("quotes:0/1", body([{**TICKERS_ROW, **fields}, {"symbol": "XBTMZ26"}]), 9.0)

    (seed,) = polled()
    assert (seed.bid_price, seed.event_time, seed.received_time) == (100.0, None, 9.0)
    decoder.feed(top("100", 1, "101", 1, sequence=10, ts=2_000_000_000), 1.0)
    (same,) = polled(sequence=1)
    assert (same.bid_price, same.event_time, same.received_time) == (100.0, 2.0, 9.0)
    assert polled(sequence=10, bestBidPrice="99") == []
    (newer,) = polled(sequence=12, bestBidPrice="99")
    assert (newer.bid_price, newer.event_time) == (99.0, None)


def test_each_connection_reads_its_own_part_of_the_list(exchange, instruments):
    rows = body([{**TICKERS_ROW, "symbol": instrument.exchange_symbol} for instrument in instruments])

    parts = [exchange.decoder(instruments).feed_response(f"quotes:{shard}/3", rows, 1.0) for shard in range(3)]

    symbols = [quote.symbol for part in parts for quote in part]
    assert sorted(symbols) == sorted(instrument.symbol for instrument in instruments)


def test_the_list_of_contracts_brings_marks_and_market_data(decoder):
    words = decoder.feed_response("market", LISTING, 7.0)

    assert words[:2] == [
        Funding("kucoin", "BTC-USDT", 110205.37, 110207.22, 5.1e-5, 8.0, 1756224000.0, None, 7.0),
        Ticker("kucoin", "BTC-USDT", 110196.0, 5735.963, 6.353834194265137e8, pytest.approx(5940.782), None, 7.0),
    ]


def test_an_inverse_row_counts_dollars_and_turns_over_coins(decoder):
    """1,124,530 USD of volume are 68.02 BTC; an interest of 16,532 lots is 1 BTC at 16,532."""
    values = {"volumeOf24h": 1124530, "turnoverOf24h": 68.02, "openInterest": "16532", "markPrice": 16532.0}
    market = decoder.feed_response("market", body([row("XBTUSDM", "XBT", "USD", **INVERSE, **values)]), 7.0)[-1]

    assert (market.volume_24h, market.turnover_24h, market.open_interest) == (68.02, 1124530.0, 1.0)


def test_what_the_list_says_unlike_the_catalogue_is_announced_once(decoder):
    def announced(rows):
        return [word for word in decoder.feed_response("market", body(rows), 1.0) if isinstance(word, CatalogueChanged)]

    assert announced(ROWS) == []
    paused = [row("XBTUSDTM", "XBT", status="Paused"), *ROWS[1:]]
    assert announced(paused) == [CatalogueChanged("XBTUSDTM is halted, unlike in the catalogue")]
    assert announced(paused) == []
    assert announced(ROWS) == []
    assert announced(ROWS[1:]) == [CatalogueChanged("XBTUSDTM is gone, unlike in the catalogue")]
    assert announced([*ROWS, row("NEWUSDTM", "NEW")]) == [
        CatalogueChanged("NEWUSDTM is trading, unlike in the catalogue")
    ]
    assert announced([]) == []


def test_one_bad_row_loses_only_itself(decoder):
    rows = [row("XBTUSDTM", "XBT", markPrice="nan"), 7, row("XBTUSDCM", "XBT", "USDC")]

    assert {word.symbol for word in decoder.feed_response("market", body(rows), 1.0) if type(word) is Funding} == {
        "BTC-USDC"
    }
    with pytest.raises(BadPayload, match="none of the 2 rows"):
        decoder.feed_response("market", body([7, 8]), 1.0)


def test_other_polls(decoder):
    assert decoder.feed_response("time", body(1729260030774), 1.0) == [ServerTime(1729260030.774)]
    with pytest.raises(RequestFailed, match="200003"):
        decoder.feed_response("time", b'{"msg":"Invalid symbol.","code":"200003"}', 1.0)
    with pytest.raises(UnknownMessage):
        decoder.feed_response("weather", body([]), 1.0)


def test_plans(exchange, instruments):
    (plan,) = exchange.connections(instruments)

    assert plan.handshake.method == "POST"
    assert plan.handshake.url == "https://api-futures.kucoin.com/api/v1/bullet-public"
    assert [poll.request.purpose for poll in plan.polls] == ["time", "market", "quotes:0/1"]
    assert len(plan.topics) == 7  # one is paused
    two = json.loads(exchange.subscribe(["/contractMarket/tickerV2:XBTUSDTM", "/contractMarket/tickerV2:XBTUSDM"], "1"))
    assert two == {
        "id": "1",
        "type": "subscribe",
        "topic": "/contractMarket/tickerV2:XBTUSDTM,XBTUSDM",
        "response": True,
    }
    assert json.loads(exchange.unsubscribe(plan.topics[:1], "2"))["type"] == "unsubscribe"
    assert exchange.symbols_of(["/contractMarket/tickerV2:XBTUSDM"], instruments) == {"BTC-USD"}
    assert exchange.connections([]) == exchange.connections(instruments, set()) == []


def test_each_channel_has_connections_of_its_own(exchange, instruments):
    plans = exchange.connections(instruments, {"quotes", "depth", "funding"})
    assert [plan.pool for plan in plans] == ["quotes", "depth"]
    assert all(topic.startswith("/contractMarket/level2Depth50:") for topic in plans[1].topics)

    (marks,) = exchange.connections(instruments, {"funding"})
    assert (marks.pool, marks.topics[0].partition(":")[0]) == ("marks", "/contract/instrument")


def test_topics_stay_below_what_a_connection_takes(exchange):
    listed = exchange.parse_instruments([body([row(f"NAME{n}USDTM", f"NAME{n}") for n in range(682)])])

    plans = exchange.connections(listed)

    assert len(plans) == 3
    assert max(len(plan.topics) for plan in plans) <= 300
    assert max(len(subscription.topics) for plan in plans for subscription in plan.subscriptions) <= 100


def test_the_token_completes_the_plan(exchange, instruments):
    (plan,) = exchange.connections(instruments)
    server = {"endpoint": "wss://elsewhere.example/", "protocol": "websocket", "pingInterval": 18000}

    dialled = exchange.dial(plan, body({"token": "2neA+iu/=", "instanceServers": [server]}))

    assert dialled.url == "wss://elsewhere.example/?token=2neA%2Biu%2F%3D&connectId=kucoin-quotes-0"
    assert dialled.heartbeat == Heartbeat('{"id":"ping","type":"ping"}', pytest.approx(14.4))
    assert dialled.topics == plan.topics


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"<html>", BadPayload),
        (b"7", BadPayload),
        (b'{"code":"429000","msg":"Too Many Requests"}', RequestFailed),
        (body({"token": "x", "instanceServers": []}), BadPayload),
        (body({"token": "x", "instanceServers": [{"endpoint": "http://x", "pingInterval": 1}]}), BadPayload),
        (body({"token": "x", "instanceServers": [{"endpoint": "ws://x", "pingInterval": 0}]}), BadPayload),
    ],
)
def test_an_answer_without_a_token(exchange, instruments, answer, error):
    with pytest.raises(error):
        exchange.dial(exchange.connections(instruments)[0], answer)


ODD = st.sampled_from([None, "", "nan", "inf", "-1", "x", True, -1, 0, 1e308, 10**18, [], [[]], {}, "XBTUSDTM"])
FRAMES = [
    top("86198", 166, "86198.1", 1),
    top("", 0, "86198.1", 1),
    depth(5, [["100", 2]], [["101", 1]]),
    '{"id":"3","type":"error","code":404,"data":"topic does not exist"}',
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


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.data())
def test_no_frame_breaks_the_decoder_or_gets_nonsense_out(data):
    exchange = kucoin.Adapter()
    decoder = exchange.decoder(exchange.parse_instruments([LISTING]))
    frame = orjson.loads(data.draw(st.sampled_from(FRAMES)))
    path = data.draw(st.sampled_from(list(leaves(frame))))
    try:
        words = decoder.feed(orjson.dumps(replaced(frame, path, data.draw(ODD))), 1.0)
    except FeedError:
        words = []

    for word in words:
        if isinstance(word, Quote):
            sides = (word.bid_price, word.bid_size, word.ask_price, word.ask_size)
            assert all(number is None or (isfinite(number) and number > 0.0) for number in sides)
    assert decoder.feed(top("1.5", 1, "2", 1, "XBTUSDCM"), 1.0)


def test_the_price_band_is_half_of_what_lies_between_the_limits(exchange):
    """(115717.5 - 104696.8) / (115717.5 + 104696.8) = 11020.7 / 220414.3 = 0.0500."""
    listing = body([row("XBTUSDTM", "XBT", buyLimit=115717.5, sellLimit=104696.8), row("ETHUSDTM", "ETH")])

    assert [i.price_band for i in exchange.parse_instruments([listing])] == [0.05, None]


@pytest.mark.recordings
def test_the_price_band_of_recorded_rows(exchange, recordings):
    """5 % on the large ones; ZRX 0.0474 / 0.4750 = 0.0998: 10 %, on prices of four digits. Inverse rows have none."""
    listed = exchange.parse_instruments([(SAMPLES / "instruments.json").read_bytes()])
    bands = {i.exchange_symbol: i.price_band for i in listed}

    assert (bands["XBTUSDTM"], bands["ETHUSDTM"], bands["ZRXUSDTM"], bands["XBTUSDM"]) == (0.05, 0.05, 0.1, None)


@pytest.mark.recordings
def test_every_sample(exchange, recordings):
    instruments = exchange.parse_instruments([(SAMPLES / "instruments.json").read_bytes()])
    assert {i.exchange_symbol: i.symbol for i in instruments} == {
        "XBTUSDTM": "BTC-USDT",
        "ETHUSDTM": "ETH-USDT",
        "ZRXUSDTM": "ZRX-USDT",
        "XBTUSDM": "BTC-USD",
        "XBTUSDCM": "BTC-USDC",
        "1000BONKUSDTM": "BONK-USDT",
        "PEPEUSDTM": "PEPE-USDT",
        "1INCHUSDTM": "1INCH-USDT",
        "OPENAIUSDTM": "OPENAI.PRE-USDT",
        "EXAMPLEUSDTM": "EXAMPLE-USDT",
        "PAUSEDUSDTM": "PAUSED-USDT",
        "NIULAIUSDTM": "牛来-USDT",
    }
    outcomes = {}
    for file, text in recordings.frames("kucoin"):
        try:
            words = exchange.decoder(instruments).feed(text, 1.0)
            kinds = "+".join(type(word).__name__ for word in words) or "nothing"
        except FeedError as error:
            kinds = type(error).__name__
        outcomes.setdefault(file, {}).setdefault(kinds, 0)
        outcomes[file][kinds] += 1

    # Nothing: frames of the socket without a token, trades, changes of whole books, market data that is polled.
    assert outcomes == {
        "book_ticker": {"nothing": 2, "Quote": 2},
        "depth": {"nothing": 7, "Depth": 2},
        "errors": {"nothing": 3, "SubscriptionRejected": 4, "Closing": 1},
        "mark_funding": {"nothing": 4, "Funding": 3},
        "subscribe": {"nothing": 9, "Ack": 5},
        "ticker": {"nothing": 4},
        "trades": {"nothing": 3},
    }


@pytest.mark.recordings
def test_every_recorded_frame(exchange, recordings, outcomes):
    instruments = exchange.parse_instruments([recordings.bodies("kucoin/instruments.jsonl")[0], LISTING])

    counts = outcomes(lambda: exchange.decoder(instruments), recordings.inbound("kucoin/ws.jsonl"))

    assert counts == {
        "nothing": 24,
        "Quote": 3,
        "Depth": 3,
        "Funding": 3,
        "Ack": 1,
        "SubscriptionRejected": 1,
        "UnknownContract": 1,  # a book of ETHUSDTM, which neither listing holds
    }


@pytest.mark.recordings
def test_the_recorded_listing_of_2023(exchange, recordings):
    (rows,) = [json.loads(answer) for answer in recordings.bodies("kucoin/instruments.partial.jsonl")]
    by_id = {i.exchange_symbol: i for i in exchange.parse_instruments([body(rows)])}

    assert (len(rows), len(by_id)) == (201, 200)  # one is dated
    assert (by_id["XBTUSDTM"].symbol, by_id["XBTUSDTM"].contract_multiplier) == ("BTC-USDT", 0.001)
    assert (by_id["XBTUSDM"].kind, by_id["XBTUSDM"].contract_multiplier) == ("inverse", 1.0)
