"""OKX: contracts and dollars, books by sequence, next settlements, and every recorded frame."""

import json

import pytest

from feeds.errors import (
    BadListing,
    BadPayload,
    RequestFailed,
    SubscriptionRejected,
    UnknownContract,
    UnknownMessage,
)
from feeds.exchanges import load
from feeds.exchanges.base import Ack, CatalogueChanged, Closing, Resync, ServerTime
from market.models import AssetClass, Depth, Funding, Pairing, Quote, Status, Ticker


def row(inst_id, uly, settle="USDT", ct_type="linear", ct_val="0.01", **fields):
    return {
        "instId": inst_id,
        "instType": "SWAP",
        "uly": uly,
        "baseCcy": "",
        "quoteCcy": "",
        "settleCcy": settle,
        "ctType": ct_type,
        "ctVal": ct_val,
        "ctMult": "1",
        "tickSz": "0.1",
        "lotSz": "0.01",
        "minSz": "0.01",
        "listTime": "1573557408000",
        "state": "live",
        "ruleType": "normal",
        "instCategory": "1",
        **fields,
    }


ROWS = [
    row("BTC-USDT-SWAP", "BTC-USDT"),
    row("BTC-USD-SWAP", "BTC-USD", "BTC", "inverse", "100"),
    row("BTC-USD_UM-SWAP", "BTC-USD", "USD", ct_val="1"),
    row("UNI-USD-SWAP", "UNI-USD", "UNI", "inverse", "10"),
    row("SHIB-USDT-SWAP", "SHIB-USDT", ct_val="1000000"),
    row("OPENAI-USDT-SWAP", "OPENAI-USDT", ct_val="1", ruleType="pre_market"),
    row("BB-USDT-SWAP", "BB-USDT", ct_val="1"),
    row("ON-USDT-SWAP", "ON-USDT", ct_val="1", instCategory="3"),
    row("OLD-USDT-SWAP", "OLD-USDT", state="suspend"),
    row("NEWCOIN-USDT-SWAP", "NEWCOIN-USDT", ct_val="", ctMult="", tickSz="", lotSz="", state="preopen"),
]


def answer(rows):
    return json.dumps({"code": "0", "msg": "", "data": rows}).encode()


@pytest.fixture
def exchange():
    return load("okx")


@pytest.fixture
def instruments(exchange):
    return exchange.parse_instruments([answer(ROWS)])


@pytest.fixture
def decoder(exchange, instruments):
    return exchange.decoder(instruments)


def push(channel, inst_id="BTC-USDT-SWAP", action=None, **data):
    message = {"arg": {"channel": channel, "instId": inst_id}, "data": [data]}
    if action:
        message["action"] = action
    return json.dumps(message, separators=(",", ":"))


def bbo(bids, asks, inst_id="BTC-USDT-SWAP", ts="1789147120123", **fields):
    return push("bbo-tbt", inst_id, asks=asks, bids=bids, ts=ts, **fields)


BID, ASK = [["77766.7", "504.48", "0", "27"]], [["77766.8", "1.2", "0", "3"]]


def test_listing_in_our_units(instruments):
    by_id = {instrument.exchange_symbol: instrument for instrument in instruments}
    btc, inverse, shib = by_id["BTC-USDT-SWAP"], by_id["BTC-USD-SWAP"], by_id["SHIB-USDT-SWAP"]

    assert (btc.symbol, btc.contract_multiplier, btc.lot_size) == ("BTC-USDT", 0.01, pytest.approx(0.0001))
    assert (btc.maker_fee_bps, btc.taker_fee_bps, btc.listed_time) == (2.0, 5.0, 1573557408.0)
    assert (inverse.symbol, inverse.kind, inverse.contract_multiplier) == ("BTC-USD", "inverse", 100.0)
    assert by_id["BTC-USD_UM-SWAP"].symbol == "BTC-USD_UM"  # linear although it says USD
    assert (shib.multiplier, shib.contract_multiplier) == (1.0, 1e6)
    assert by_id["BB-USDT-SWAP"].pairing is Pairing.DENY
    assert by_id["ON-USDT-SWAP"].symbol == "ON.EQ-USDT"
    assert by_id["OLD-USDT-SWAP"].status is Status.HALTED
    assert "NEWCOIN-USDT-SWAP" not in by_id  # it has no size yet


def test_a_share_before_its_flotation_is_quoted_at_a_tenth(instruments, decoder):
    (openai,) = [i for i in instruments if i.base == "OPENAI"]
    assert (openai.multiplier, openai.contract_multiplier) == (0.1, 0.1)
    assert (openai.asset_class, openai.pairing) == (AssetClass.PREIPO, Pairing.HIDE)

    (quote,) = decoder.feed(bbo([["143.26", "1", "0", "1"]], [], "OPENAI-USDT-SWAP"), 7.0)
    assert (quote.symbol, quote.bid_price, quote.bid_size) == ("OPENAI.PRE-USDT", pytest.approx(1432.6), 0.1)


def test_rows_that_cannot_be_read(exchange, caplog):
    kept = exchange.parse_instruments([answer([row("A-USDT-SWAP", "A-USDT", ct_val=""), 3, ROWS[0]])])

    assert [instrument.symbol for instrument in kept] == ["BTC-USDT"]
    assert caplog.text.count("left out an unreadable listing") == 2
    for body in (b"<html>", b'{"code":"50011","data":[],"msg":"Too Many Requests"}', b""):
        with pytest.raises(BadListing):
            exchange.parse_instruments([body])


def test_linear_contracts_become_coins(decoder):
    """504.48 contracts of 0.01 BTC are 5.0448 BTC."""
    assert decoder.feed(bbo(BID, ASK, seqId=5), 7.0) == [
        Quote("okx", "BTC-USDT", 77766.7, pytest.approx(5.0448), 77766.8, pytest.approx(0.012), 1789147120.123, 7.0)
    ]


def test_inverse_contracts_become_coins(decoder):
    """96 contracts of 10 USD at 5.134 are 187 UNI."""
    (quote,) = decoder.feed(bbo([["5.134", "96", "0", "1"]], [["5.142", "25", "0", "1"]], "UNI-USD-SWAP"), 7.0)

    assert quote.bid_size == pytest.approx(960 / 5.134)


@pytest.mark.parametrize("bids", [[], [["0", "1", "0", "1"]], [["77766.7", "0", "0", "0"]], [["", "", "0", "0"]]])
def test_an_empty_side_is_none(decoder, bids):
    (quote,) = decoder.feed(bbo(bids, ASK, seqId=5), 7.0)

    assert (quote.bid_price, quote.bid_size, quote.ask_price) == (None, None, 77766.8)


def test_order_is_by_sequence_and_a_repeat_stands(decoder):
    assert decoder.feed(bbo(BID, ASK, seqId=5), 1.0)
    assert decoder.feed(bbo(BID, ASK, seqId=4), 1.0) == []
    assert decoder.feed(bbo(BID, ASK, seqId=5, ts="1789147180123"), 1.0)
    assert decoder.feed(bbo(BID, ASK, seqId=1, ts="1789147200123"), 1.0)  # the count was restarted


def test_without_sequence_numbers_time_decides(decoder):
    """Recordings from before 2023 have none."""
    assert decoder.feed(bbo(BID, ASK, ts="2000"), 1.0)
    assert decoder.feed(bbo(BID, ASK, ts="1999"), 1.0) == []
    assert decoder.feed(bbo(BID, ASK, ts="2000"), 1.0)


@pytest.mark.parametrize("price", ["nan", "inf", "-1", "abc"])
def test_what_is_no_price_never_gets_out(decoder, price):
    with pytest.raises(BadPayload):
        decoder.feed(bbo([[price, "1", "0", "1"]], ASK, seqId=1), 1.0)
    assert decoder.feed(bbo(BID, ASK, seqId=1), 1.0)


def test_a_ticker_is_market_data_and_a_touch(decoder):
    """289,425 contracts of 10 USD; 96 of them at the bid."""
    values = {"last": "5.123", "askPx": "5.142", "askSz": "25", "bidPx": "5.134", "bidSz": "96", "ts": "1652459223143"}
    frame = push("tickers", "UNI-USD-SWAP", **values, volCcy24h="577730.7823", vol24h="289425")

    quote, market = decoder.feed(frame, 7.0)

    assert quote.bid_size == pytest.approx(960 / 5.134)
    assert market == Ticker("okx", "UNI-USD", 5.123, 577730.7823, 2894250.0, None, 1652459223.143, 7.0)


def test_a_ticker_does_not_override_a_newer_stream(decoder):
    decoder.feed(bbo(BID, ASK, seqId=5, ts="2000"), 1.0)
    values = {"instId": "BTC-USDT-SWAP", "last": "1", "askPx": "3", "askSz": "1", "bidPx": "2", "bidSz": "1"}

    def polled(ts):
        body = answer([{**values, "volCcy24h": "7", "vol24h": "700", "ts": ts}, {"instId": "LTC-USDT-SWAP"}])
        return [type(word) for word in decoder.feed_response("tickers:0/1", body, 5.0)]

    assert polled("1999") == [Ticker]
    assert polled("2000") == [Quote, Ticker]
    assert decoder.feed(bbo(BID, ASK, seqId=6, ts="2000"), 1.0)


def test_the_next_settlement_is_funding_time(decoder):
    rates = {"fundingRate": "0.0000263", "fundingTime": "1790380800000", "nextFundingTime": "1790409600000"}
    frame = push("funding-rate", **rates, nextFundingRate="", instId="BTC-USDT-SWAP", ts="1790358563915")

    assert decoder.feed(frame, 7.0) == [
        Funding("okx", "BTC-USDT", None, None, 0.0000263, 8.0, 1790380800.0, 1790358563.915, 7.0)
    ]
    body = answer([{**rates, "instId": "BTC-USDT-SWAP", "ts": "1790358563915"}, {"instId": "BTC-USD_UM-261030"}])
    assert decoder.feed_response("funding", body, 7.0) == decoder.feed(frame, 7.0)


def test_mark_index_and_open_interest(decoder):
    """One index serves all swaps on it; open interest is given in coins."""
    (mark,) = decoder.feed(push("mark-price", markPx="83679.8", ts="1000"), 7.0)
    indices = decoder.feed(push("index-tickers", "BTC-USD", idxPx="83700.1", ts="1000"), 7.0)
    body = answer([{"instId": "BTC-USDT-SWAP", "oi": "2216113.01", "oiCcy": "22161.1301", "ts": "1000"}])

    assert mark == Funding("okx", "BTC-USDT", 83679.8, None, None, None, None, 1.0, 7.0)
    assert {(word.symbol, word.index_price) for word in indices} == {("BTC-USD", 83700.1), ("BTC-USD_UM", 83700.1)}
    assert decoder.feed_response("open_interest", body, 7.0) == [
        Ticker("okx", "BTC-USDT", None, None, None, 22161.1301, 1.0, 7.0)
    ]


@pytest.mark.parametrize("odd", [
    {}, {"ts": ""}, {"ts": "0"}, {"ts": "-1"}, {"ts": None}, {"px": ""}, {"px": "0"}, {"px": "-1"}, {"px": "nan"},
    {"px": "inf"}, {"px": "1e400"}, {"px": "1e-320"}, {"px": "1_0"}, {"px": True}, {"instId": "NEW-USDT-SWAP"},
    {"instId": "BTC-USDT-261225"}, {"instId": 5},
])  # fmt: skip
@pytest.mark.parametrize(("channel", "name", "key"), [
    ("mark-price", "BTC-USD-SWAP", "markPx"), ("index-tickers", "BTC-USD", "idxPx"),
])  # fmt: skip
def test_marks_and_indices_are_the_same_however_they_are_read(decoder, said, channel, name, key, odd):
    """JSON with blanks in it goes the general way."""
    plain = {"instId": name, "px": "83679.8", "ts": "1000"}
    rows = [
        {key if field == "px" else field: value for field, value in row.items()} for row in (plain, {**plain, **odd})
    ]

    def read(rows, separators):
        frame = json.dumps({"arg": {"channel": channel, "instId": name}, "data": rows}, separators=separators)
        return said(decoder, frame)

    for data in ([], rows[:1], rows[1:], rows, [{**rows[0], key: None}], [{"instId": name}], [{"ts": "1"}], ["x"]):
        assert read(data, (",", ":")) == read(data, None)
    decoder._general = decoder._push = None  # what is plain needs neither
    (words, _) = read(rows[:1], (",", ":"))
    assert words[0].event_time == 1.0


def books(decoder, action, bids, asks, own=None, previous=None, channel="books"):
    numbers = {} if own is None else {"seqId": own, "prevSeqId": previous}
    words = decoder.feed(push(channel, action=action, bids=bids, asks=asks, ts="1000", **numbers), 1.0)
    return [(w.bid_price, w.bid_size, w.ask_price) if isinstance(w, Quote) else w for w in words]


@pytest.mark.parametrize("channel", ["books", "books-l2-tbt", "books50-l2-tbt"])
def test_a_book_gives_a_quote_when_its_top_changes(decoder, channel):
    def feed(*arguments):
        return books(decoder, *arguments, channel=channel)

    assert feed("snapshot", [["100", "1"], ["99", "2"]], [["101", "3"]], 10, -1) == [(100.0, 0.01, 101.0)]
    assert feed("update", [["99", "5"]], [], 12, 10) == []
    assert feed("update", [["100", "0"]], [], 15, 12) == [(99.0, 0.05, 101.0)]
    assert feed("update", [], [], 15, 15) == []  # idle for a minute


@pytest.mark.parametrize(("own", "previous"), [(20, 13), (5, 10)], ids=["a gap", "a restarted count"])
def test_a_broken_chain_is_resynced_once(decoder, own, previous):
    books(decoder, "snapshot", [["100", "1"]], [["101", "3"]], 10, -1)

    (word,) = books(decoder, "update", [["100", "0"]], [], own, previous)
    assert isinstance(word, Resync)
    assert word.topic == "books:BTC-USDT-SWAP"
    assert books(decoder, "update", [["100", "2"]], [], 21, 20) == []
    decoder.reset(["books:BTC-USDT-SWAP"])
    assert books(decoder, "snapshot", [["98", "1"]], [["101", "3"]], 3, -1) == [(98.0, 0.01, 101.0)]


def test_a_crossed_book_never_makes_a_quote(decoder):
    books(decoder, "snapshot", [["100", "1"]], [["101", "3"]])

    assert books(decoder, "update", [["102", "1"]], []) == [Resync("books:BTC-USDT-SWAP", "the book is crossed")]


def test_books5_is_a_quote_and_depth(decoder):
    quote, small = decoder.feed(push("books5", bids=BID, asks=ASK, ts="1000", seqId=3), 7.0)

    assert (quote.bid_price, quote.ask_price) == (77766.7, 77766.8)
    assert small == Depth("okx", "BTC-USDT", ((77766.7, pytest.approx(5.0448)),), ((77766.8, 0.012),), 1.0, 7.0)


def test_control_messages(decoder):
    ack = '{"id":"1512","event":"subscribe","arg":{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"},"connId":"a4"}'

    assert decoder.feed("pong", 1.0) == [Ack()]
    assert decoder.feed(ack, 1.0) == [Ack("1512", ("bbo-tbt:BTC-USDT-SWAP",))]
    assert decoder.feed('{"event":"notice","code":"64008","msg":"soon"}', 1.0) == [Closing("soon")]
    assert decoder.feed('{"event":"notice","code":"1","msg":"hello"}', 1.0) == []
    assert decoder.feed(push("trades", px="1"), 1.0) == []
    assert decoder.feed(push("candle1m"), 1.0) == []
    with pytest.raises(UnknownMessage):
        decoder.feed(push("weather"), 1.0)


def test_refusals_name_the_topic(decoder):
    reason = "Wrong URL or channel:index-tickers, instId:NEAR-USDT-SWAP doesn't exist. Please use the correct URL"
    with pytest.raises(SubscriptionRejected) as caught:
        decoder.feed(json.dumps({"event": "error", "msg": reason, "code": "60018", "connId": "94"}), 1.0)

    assert caught.value.topics == ("index-tickers:NEAR-USDT-SWAP",)
    with pytest.raises(SubscriptionRejected) as caught:
        decoder.feed('{"id":"7","event":"error","code":"60012","msg":"Invalid request"}', 1.0)
    assert (caught.value.topics, caught.value.request_id) == ((), "7")


def test_pushed_instruments_are_compared_with_the_catalogue(decoder):
    """The channel may start with the whole list, which changes nothing."""

    def pushed(*rows):
        return decoder.feed(json.dumps({"arg": {"channel": "instruments", "instType": "SWAP"}, "data": rows}), 1.0)

    def announced(exchange_symbol, state):
        return [CatalogueChanged(f"{exchange_symbol} is {state}, unlike in the catalogue")]

    assert pushed(*ROWS, {"instId": "BTC-USD_UM-261030"}, 7) == []
    assert pushed({**ROWS[0], "state": "suspend"}) == announced("BTC-USDT-SWAP", "suspend")
    assert pushed({**ROWS[0], "ctVal": "0.1"}) == announced("BTC-USDT-SWAP", "live")
    assert pushed(row("LTC-USDT-SWAP", "LTC-USDT")) == announced("LTC-USDT-SWAP", "live")
    assert pushed(row("NEWCOIN-USDT-SWAP", "NEWCOIN-USDT")) == announced("NEWCOIN-USDT-SWAP", "live")


def test_other_products_are_skipped_and_unknown_swaps_are_not(decoder):
    for other in ("BTC-USDT", "BTC-USD-220527", "BTC-USD-210924-42000-P", "NEWCOIN-USDT-SWAP"):
        assert decoder.feed(bbo(BID, ASK, other), 1.0) == []
    with pytest.raises(UnknownContract):
        decoder.feed(bbo(BID, ASK, "LTC-USDT-SWAP"), 1.0)


def test_polls(decoder):
    assert decoder.feed_response("time", answer([{"ts": "1597026383085"}]), 1.0) == [ServerTime(1597026383.085)]
    with pytest.raises(RequestFailed, match="50011"):
        decoder.feed_response("time", b'{"code":"50011","data":[],"msg":"Too Many Requests"}', 1.0)
    with pytest.raises(UnknownMessage):
        decoder.feed_response("weather", answer([]), 1.0)
    with pytest.raises(BadPayload):
        decoder.feed_response("funding", answer([{"instId": "BTC-USDT-SWAP"}]), 1.0)


def test_plans(exchange, instruments):
    quotes, market = exchange.connections(instruments)

    assert "bbo-tbt:BTC-USD_UM-SWAP" in quotes.topics
    assert "bbo-tbt:OLD-USDT-SWAP" not in quotes.topics
    assert (market.topics[0], market.topics.count("index-tickers:BTC-USD")) == ("instruments:SWAP", 1)
    assert json.loads(market.messages[0])["args"][:1] == [{"channel": "instruments", "instType": "SWAP"}]
    assert [poll.every_s for plan in (quotes, market) for poll in plan.polls] == [5.0, 10.0, 30.0, 15.0]
    assert (quotes.heartbeat.message, quotes.heartbeat.every_s) == ("ping", 15.0)
    assert exchange.symbols_of(["bbo-tbt:BTC-USD-SWAP", "mark-price:BTC-USDT-SWAP"], instruments) == {"BTC-USD"}


@pytest.mark.recordings
def test_every_sample(exchange, recordings):
    decoder = exchange.decoder(exchange.parse_instruments(recordings.listings("okx")))
    outcomes = {}
    for _, text in recordings.frames("okx"):
        try:
            words = decoder.feed(text, 1.0)
        except (UnknownContract, SubscriptionRejected) as error:
            words = [error]
        for word in words:
            outcomes[type(word).__name__] = outcomes.get(type(word).__name__, 0) + 1

    # BCH and LTC are not in the samples' listing, NEWCOIN has no size, and UNI's ticker is older than its book.
    assert outcomes == {
        "Quote": 4,
        "Ticker": 2,
        "Funding": 3,
        "Ack": 6,
        "Closing": 1,
        "SubscriptionRejected": 2,
        "UnknownContract": 2,
    }


@pytest.mark.recordings
def test_every_recorded_frame(exchange, recordings, outcomes):
    rows = [row for body in recordings.bodies("okx/instruments.partial.jsonl") for row in json.loads(body)]
    instruments = exchange.parse_instruments([*recordings.bodies("okx/instruments.jsonl"), answer(rows)])

    current = outcomes(lambda: exchange.decoder(instruments), recordings.inbound("okx/ws.jsonl"))
    legacy = outcomes(lambda: exchange.decoder(instruments), recordings.inbound("okx/ws.legacy.jsonl"))

    # No book lost its thread in the recordings, and none was ever crossed.
    assert current == {
        "Quote": 123,
        "Quote+Ticker": 8,
        "Depth+Quote": 1,
        "Ticker": 3,
        "Funding": 2,
        "Ack": 48,
        "nothing": 1857,
    }
    assert set(legacy) == {"UnknownMessage", "BadPayload"}  # a protocol that was switched off
