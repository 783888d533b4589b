"""MEXC: contracts and dollars, five levels for a touch, sizeless tickers as confirmation, and every recorded frame."""

import json
from math import isfinite

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
from feeds.exchanges import mexc
from feeds.exchanges.base import Ack, CatalogueChanged, ServerTime
from market.models import AssetClass, Depth, Funding, Pairing, Quote, Status, Ticker


def row(symbol, size=0.0001, settle="USDT", **fields):
    base, _, quote = symbol.partition("_")
    return {
        "symbol": symbol,
        "baseCoin": base,
        "baseCoinName": base,
        "quoteCoin": quote,
        "settleCoin": settle,
        "futureType": 1,
        "contractSize": size,
        "priceUnit": 0.1,
        "volUnit": 1,
        "minVol": 1,
        "state": 0,
        "apiAllowed": True,
        "openingTime": 1760440200000,
        "type": 1,
        **fields,
    }


ROWS = [
    row("BTC_USDT"),
    row("ETH_USDT", 0.01),
    row("BTC_USD", 100, "BTC"),
    row("BTC_USD1", settle="USD1"),
    row("1000BONK_USDT", 10000, priceUnit=0.000001),
    row("PEPE_USDT", 10_000_000),
    row("FILECOIN_USDT", 0.01, baseCoinName="FIL"),
    row("NVIDIA_USDT", 0.01, baseCoinName="NVDA", type=2),
    row("SKHYNIXSTOCK_USDT", 0.01, type=2),
    row("INNOVATION_USDT", 1, apiAllowed=False),
    row("PAUSED_USDT", 1, state=4),
    row("OFFLINE_USDT", 1, state=3),
    row("EARLY_USDT", 1, preMarket=True),
    row("ETH_USDC", 1, "BTC"),
    row("LATER_USDT", 1, futureType=2),
]
FUNDING = {
    "symbol": "BTC_USDT",
    "fundingRate": 0.000067,
    "collectCycle": 8,
    "nextSettleTime": 1789459200000,
    "timestamp": 1789455551670,
    "idxPrice": 77271.6,
    "fairPrice": 77240.4,
}


def answer(data):
    return json.dumps({"success": True, "code": 0, "data": data}).encode()


@pytest.fixture
def exchange():
    return mexc.Adapter()


@pytest.fixture
def instruments(exchange):
    return exchange.parse_instruments([answer(ROWS), answer([FUNDING, {"symbol": "X", "collectCycle": "?"}])])


@pytest.fixture
def decoder(exchange, instruments):
    return exchange.decoder(instruments)


def full(bids, asks, symbol="BTC_USDT", version=5, cts=1790870038457, ts=1790870038460, **fields):
    data = {"cts": cts, "asks": asks, "bids": bids, "version": version, **fields}
    return json.dumps({"symbol": symbol, "data": data, "channel": "push.depth.full", "ts": ts})


BIDS, ASKS = [[84062.5, 34991, 8], [84062.4, 61, 1]], [[84062.6, 60366, 1]]


def test_listing_in_our_units(instruments):
    by_id = {instrument.exchange_symbol: instrument for instrument in instruments}
    btc, inverse, bonk = by_id["BTC_USDT"], by_id["BTC_USD"], by_id["1000BONK_USDT"]

    assert (btc.symbol, btc.contract_multiplier, btc.lot_size, btc.tick_size) == ("BTC-USDT", 0.0001, 0.0001, 0.1)
    assert (btc.funding_interval_h, btc.listed_time) == (8.0, 1760440200.0)
    assert (btc.maker_fee_bps, btc.taker_fee_bps) == (6.0, 8.0)
    assert (inverse.symbol, inverse.kind, inverse.contract_multiplier) == ("BTC-USD", "inverse", 100.0)
    assert (inverse.min_notional, inverse.lot_size) == (100.0, 100.0)
    assert (by_id["BTC_USD1"].symbol, by_id["BTC_USD1"].kind) == ("BTC-USD1", "linear")
    # 10,000 x 1000 BONK in one contract; a price is for 1000.
    assert (bonk.symbol, bonk.multiplier, bonk.contract_multiplier) == ("BONK-USDT", 1000.0, 1e7)
    assert bonk.tick_size == pytest.approx(1e-9)
    assert (by_id["PEPE_USDT"].multiplier, by_id["PEPE_USDT"].contract_multiplier) == (1.0, 1e7)
    assert by_id["FILECOIN_USDT"].symbol == "FIL-USDT"
    assert (by_id["NVIDIA_USDT"].symbol, by_id["NVIDIA_USDT"].asset_class) == ("NVDA.EQ-USDT", AssetClass.EQUITY)
    hynix = by_id["SKHYNIXSTOCK_USDT"]
    assert (hynix.symbol, hynix.pairing) == ("SKHYNIX.EQ-USDT", Pairing.CHECK)
    assert by_id["INNOVATION_USDT"].pairing is Pairing.EXCLUDE  # closed to programs
    assert (by_id["EARLY_USDT"].status, by_id["EARLY_USDT"].pairing) == (Status.PRE_MARKET, Pairing.HIDE)
    assert (by_id["ETH_USDC"].kind, by_id["ETH_USDC"].pairing) == ("quanto", Pairing.EXCLUDE)
    assert (by_id["PAUSED_USDT"].status, by_id["OFFLINE_USDT"].status) == (Status.HALTED, Status.CLOSED)
    assert "LATER_USDT" not in by_id


def test_old_listings_that_allow_nobody_are_not_excluded(exchange):
    """Before 2026-03-31 the flag was false on every row."""
    (btc,) = exchange.parse_instruments([answer([row("BTC_USDT", apiAllowed=False)])])

    assert btc.pairing is Pairing.OK


def test_rows_that_cannot_be_read(exchange, caplog):
    kept = exchange.parse_instruments([answer([row("A_USDT", None), 3, ROWS[0]]), b""])

    assert [instrument.symbol for instrument in kept] == ["BTC-USDT"]
    assert caplog.text.count("left out an unreadable listing") == 2
    refused = b'{"success":false,"code":510,"message":"Requests are too frequent, please try again later"}'
    for bodies in ([b"<html>"], [refused], [b""], [answer([FUNDING])], []):
        with pytest.raises(BadListing):
            exchange.parse_instruments(bodies)


def test_linear_contracts_become_coins(decoder):
    """34,991 contracts of 0.0001 BTC are 3.4991 BTC."""
    assert decoder.feed(full(BIDS, ASKS), 7.0) == [
        Quote("mexc", "BTC-USDT", 84062.5, pytest.approx(3.4991), 84062.6, pytest.approx(6.0366), 1790870038.457, 7.0)
    ]


def test_inverse_contracts_become_coins(decoder):
    """50 contracts of 100 USD at 77,200 are 0.064767 BTC."""
    (quote,) = decoder.feed(full([[77200, 50, 1]], [[77201, 1, 1]], "BTC_USD"), 7.0)

    assert quote.bid_size == pytest.approx(0.0647668, rel=1e-5)


def test_bundles_count_twice(decoder):
    (quote,) = decoder.feed(full([[0.018523, 1, 1]], [[0.018524, 2, 1]], "1000BONK_USDT"), 7.0)

    assert (quote.bid_price, quote.bid_size) == (pytest.approx(1.8523e-5), pytest.approx(1e7))


@pytest.mark.parametrize("bids", [[], None, [[84062.5, 0, 0]], [[0, 5, 1]]])
def test_an_empty_side_is_none(decoder, bids):
    (quote,) = decoder.feed(full(bids, ASKS), 7.0)

    assert (quote.bid_price, quote.bid_size, quote.ask_price) == (None, None, 84062.6)


def test_a_missing_side_is_empty(decoder):
    frame = '{"channel":"push.depth.full","data":{"asks":[[2,1,1]],"version":1},"symbol":"BTC_USDT","ts":1000}'
    (quote,) = decoder.feed(frame, 7.0)

    assert (quote.bid_price, quote.ask_price, quote.event_time) == (None, 2.0, 1.0)


def test_the_highest_version_stands(decoder):
    assert decoder.feed(full(BIDS, ASKS, version=5), 1.0)
    assert decoder.feed(full(BIDS, ASKS, version=4), 1.0) == []
    assert decoder.feed(full(BIDS, ASKS, version=5), 1.0) == []
    assert decoder.outdated == 2
    assert decoder.feed(full(BIDS, ASKS, version=6), 1.0)  # the same book again, later
    assert decoder.feed(full(BIDS, ASKS, version=6, ts=1790870038800), 1.0)  # and the same frame, said again
    assert decoder.outdated == 2
    assert decoder.feed(full(BIDS, ASKS, version=1, ts=1790870050000), 1.0)  # the count was restarted
    decoder.reset(["depth.full:BTC_USDT"])
    assert decoder.feed(full(BIDS, ASKS, version=1), 1.0)


@pytest.mark.parametrize("price", ["-1", "1e999", "NaN", '"x"', "true"])
def test_what_is_no_price_never_gets_out(decoder, price):
    with pytest.raises(BadPayload):
        decoder.feed(full(BIDS, ASKS).replace("84062.5", price), 1.0)
    assert decoder.feed(full(BIDS, ASKS), 1.0)


def test_more_than_five_levels_are_depth_too(decoder):
    bids = [[100.0 - number, 10, 1] for number in range(7)]
    quote, depth = decoder.feed(full(bids, [[101, 20, 2]]), 7.0)

    assert (quote.bid_price, quote.ask_price) == (100.0, 101.0)
    assert isinstance(depth, Depth)
    assert (depth.bids[6], depth.asks) == ((94.0, pytest.approx(0.001)), ((101.0, pytest.approx(0.002)),))


def test_a_connection_for_books_gives_thin_ones_too(exchange, instruments):
    (plan,) = exchange.connections(instruments, {"depth"})
    quote, depth = exchange.decoder(instruments).feed(full(BIDS, []), 7.0)

    assert plan.polls == ()
    assert quote.ask_price is None
    assert depth.bids == ((84062.5, pytest.approx(3.4991)), (84062.4, pytest.approx(0.0061)))
    exchange.connections(instruments)
    assert len(exchange.decoder(instruments).feed(full(BIDS, ASKS), 7.0)) == 1


def test_rest_tickers_confirm_what_stands(decoder):
    """They have no sizes: only an unchanged touch is worth anything."""
    (quote,) = decoder.feed(full(BIDS, ASKS), 7.0)
    rows = [{"symbol": "BTC_USDT", "bid1": 84062.5, "ask1": 84062.6}, {"symbol": "ETH_USDT", "bid1": 1, "ask1": 2}]

    (again,) = decoder.feed_response("quotes:0/1", answer(rows), 12.0)
    assert again == Quote(
        "mexc", "BTC-USDT", quote.bid_price, quote.bid_size, quote.ask_price, quote.ask_size, quote.event_time, 12.0
    )
    moved = [{"symbol": "BTC_USDT", "bid1": 84062.4, "ask1": 84062.6}]
    assert decoder.feed_response("quotes:0/1", answer(moved), 12.0) == []
    one, other = (decoder.feed_response(f"quotes:{shard}/2", answer(rows), 12.0) for shard in (0, 1))
    assert len(one) + len(other) == 1


def test_funding_of_all_contracts(decoder):
    rows = [FUNDING, {"symbol": "GONE_USDT"}, {**FUNDING, "symbol": "ETH_USDT", "fundingRate": "x"}]

    assert decoder.feed_response("funding", answer(rows), 7.0) == [
        Funding("mexc", "BTC-USDT", 77240.4, 77271.6, 0.000067, 8.0, 1789459200.0, 1789455551.67, 7.0)
    ]
    with pytest.raises(BadPayload):
        decoder.feed_response("funding", answer([{"symbol": "BTC_USDT"}]), 7.0)


def test_tickers(decoder):
    """311,051,901 contracts of 0.0001 BTC; the inverse ones count 100 USD."""
    values = {"lastPrice": 84055, "fairPrice": 84063.8, "indexPrice": 84104, "volume24": 311051901}
    rows = [{"symbol": "BTC_USDT", **values, "amount24": 2606920596.04}, {"symbol": "DEAD_USDT", "lastPrice": 0}]
    frame = json.dumps({"channel": "push.tickers", "data": rows, "ts": 1790870034312})

    funding, ticker = decoder.feed(frame, 7.0)

    assert funding == Funding("mexc", "BTC-USDT", 84063.8, 84104.0, None, None, None, 1790870034.312, 7.0)
    assert ticker.volume_24h == pytest.approx(31105.1901)
    assert (ticker.last_price, ticker.turnover_24h, ticker.open_interest) == (84055.0, 2606920596.04, None)
    inverse = [{"symbol": "BTC_USD", "lastPrice": 80000, "fairPrice": 80000, "volume24": 800, "holdVol": 1600}]
    (word,) = decoder.feed_response("market", answer(inverse), 7.0)
    assert (word.turnover_24h, word.volume_24h, word.open_interest) == (80000.0, 1.0, 2.0)
    assert word.event_time is None  # the row's time is that of the last trade


PLAIN = {
    "symbol": "BTC_USDT",
    "lastPrice": 84055,
    "fairPrice": 84063.8,
    "indexPrice": 84104,
    "volume24": 311051901,
    "amount24": 2606920596.04,
}


@pytest.mark.parametrize("odd", [
    {"lastPrice": 0}, {"lastPrice": "84055"}, {"lastPrice": None}, {"lastPrice": -1}, {"lastPrice": True},
    {"fairPrice": 0}, {"fairPrice": 1e101}, {"fairPrice": ""}, {"indexPrice": 0.0}, {"indexPrice": "nan"},
    {"volume24": 0}, {"volume24": -1}, {"volume24": None}, {"amount24": None}, {"amount24": "inf"},
    {"symbol": "BTC_USD"}, {"symbol": "BTC_USD", "lastPrice": 0}, {"symbol": "DEAD_USDT"}, {"symbol": None},
    {"holdVol": 5}, {"fundingRate": 0.001}, {"fundingRate": "x"},
])  # fmt: skip
def test_tickers_are_the_same_however_they_are_read(exchange, instruments, said, odd):
    """JSON with blanks in it goes the general way; what is plain never does."""
    row = {**PLAIN, **odd}
    lists = [[PLAIN, row], [row, PLAIN], [row], [], *([{k: v for k, v in row.items() if k != key}] for key in PLAIN)]

    def read(separators):
        decoder = exchange.decoder(instruments)
        return [
            said(decoder, json.dumps({"channel": "push.tickers", "data": rows, "ts": ts}, separators=separators))
            for rows in (*lists, [PLAIN, "x"], PLAIN)
            for ts in (1790870034312, 0, None)
        ]

    assert read((",", ":")) == read(None)
    decoder = exchange.decoder(instruments)
    decoder._push = None
    frame = json.dumps({"channel": "push.tickers", "data": [PLAIN, {**PLAIN, "symbol": "BTC_USD"}], "ts": 1})
    assert len(decoder.feed(frame.replace(" ", ""), 7.0)) == 4


def test_channels_of_one_contract(decoder):
    def push(channel, **data):
        message = {"symbol": "BTC_USDT", "data": {"symbol": "BTC_USDT", **data}, "channel": channel, "ts": 1000}
        return decoder.feed(json.dumps(message), 7.0)

    assert push("push.fair.price", price=5) == [Funding("mexc", "BTC-USDT", 5.0, None, None, None, None, 1.0, 7.0)]
    assert push("push.index.price", price=5) == [Funding("mexc", "BTC-USDT", None, 5.0, None, None, None, 1.0, 7.0)]
    assert push("push.funding.rate", rate=-0.1, nextSettleTime=2000) == [
        Funding("mexc", "BTC-USDT", None, None, -0.1, None, 2.0, 1.0, 7.0)
    ]
    assert push("push.deal", p=1) == []
    with pytest.raises(UnknownMessage):
        push("push.weather")


def test_control_messages(decoder):
    assert decoder.feed('{"channel":"rs.sub.depth.full","data":"success","ts":1}', 1.0) == [Ack()]
    assert decoder.feed('{"channel":"pong","data":1789498336785,"ts":1789498336785}', 1.0) == [Ack()]
    with pytest.raises(SubscriptionRejected) as caught:
        decoder.feed('{"channel":"rs.error","data":"Contract [NOPE_USDT] not exists","ts":1}', 1.0)
    assert "depth.full:NOPE_USDT" in caught.value.topics
    for other in ("[]", "7", '{"event":"x"}'):
        with pytest.raises(UnknownMessage):
            decoder.feed(other, 1.0)


def test_pushed_contracts_are_compared_with_the_catalogue(decoder):
    def pushed(data):
        return decoder.feed(json.dumps({"channel": "push.contract", "data": data, "ts": 1}), 1.0)

    assert pushed(ROWS) == []
    assert pushed([ROWS[0], 7]) == []
    for change in ({**ROWS[0], "state": 4}, row("NEW_USDT"), {**ROWS[0], "contractSize": 1}):
        (word,) = pushed(change)
        assert isinstance(word, CatalogueChanged)


def test_unknown_contracts(decoder):
    assert decoder.feed(full(BIDS, ASKS, "LATER_USDT"), 1.0) == []
    with pytest.raises(UnknownContract):
        decoder.feed(full(BIDS, ASKS, "LTC_USDT"), 1.0)


def test_polls(decoder):
    assert decoder.feed_response("time", answer(1789498336785), 1.0) == [ServerTime(1789498336.785)]
    with pytest.raises(RequestFailed, match="510"):
        decoder.feed_response("funding", b'{"success":false,"code":510,"message":"too frequent"}', 1.0)
    with pytest.raises(UnknownMessage):
        decoder.feed_response("weather", answer([]), 1.0)
    with pytest.raises(BadPayload):
        decoder.feed_response("time", b"[]", 1.0)


def test_plans(exchange, instruments):
    books, market = exchange.connections(instruments)

    assert json.loads(books.messages[0]) == {
        "method": "sub.depth.full",
        "param": {"symbol": books.topics[0].partition(":")[2], "limit": 5},
    }
    assert all(len(subscription.topics) == 1 for subscription in books.subscriptions)
    assert "depth.full:PAUSED_USDT" not in books.topics
    assert market.messages == ('{"method":"sub.tickers","param":{}}', '{"method":"sub.contract","param":{}}')
    assert [(poll.request.purpose, poll.every_s) for poll in market.polls] == [
        ("time", 10.0),
        ("funding", 1.0),
        ("market", 10.0),
    ]
    assert books.heartbeat.message == '{"method":"ping"}'
    assert exchange.symbols_of(["depth.full:BTC_USD", "tickers"], instruments) == {"BTC-USD"}
    deep = exchange.connections(instruments, {"quotes", "depth"})[0]
    assert json.loads(deep.messages[0])["param"]["limit"] == 20
    assert json.loads(exchange.unsubscribe(["depth.full.20:BTC_USDT"], "1")) == {
        "method": "unsub.depth.full",
        "param": {"symbol": "BTC_USDT"},
    }
    many = exchange.parse_instruments([answer([row(f"C{number}_USDT") for number in range(1100)])])
    assert max(len(plan.topics) for plan in exchange.connections(many)) <= mexc.CAPACITY
    assert exchange.connections([]) == []


FRAMES = [
    full(BIDS, ASKS),
    json.dumps({"channel": "push.tickers", "data": [{"symbol": "BTC_USDT", "lastPrice": 1, "volume24": 2}], "ts": 1}),
    '{"symbol":"BTC_USDT","data":{"symbol":"BTC_USDT","rate":0.1,"nextSettleTime":1},"channel":"push.funding.rate"}',
    json.dumps({"channel": "push.contract", "data": ROWS[0], "ts": 1}),
    '{"channel":"rs.error","data":"Contract [A_USDT] not exists","ts":1}',
]
ODD = st.sampled_from([None, "", "nan", -1, 0, 1e308, 10**30, True, [], {}, [[]], "BTC_USDT", [[1]], "1e999"])


def spoil(value, chooser, odd):
    """The message with one value in it replaced."""
    if isinstance(value, dict) and value:
        key = chooser.draw(st.sampled_from(sorted(value)))
        return odd if chooser.draw(st.booleans()) else {**value, key: spoil(value[key], chooser, odd)}
    if isinstance(value, list) and value:
        place = chooser.draw(st.integers(0, len(value) - 1))
        return [*value[:place], spoil(value[place], chooser, odd), *value[place + 1 :]]
    return odd


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.data(), st.sampled_from(FRAMES), ODD, st.booleans())
def test_no_frame_breaks_the_decoder(chooser, frame, odd, cut):
    exchange = mexc.Adapter()
    decoder = exchange.decoder(exchange.parse_instruments([answer(ROWS)]))
    text = (
        frame[: chooser.draw(st.integers(0, len(frame)))] if cut else json.dumps(spoil(json.loads(frame), chooser, odd))
    )
    try:
        words = decoder.feed(text, 1.0)
    except FeedError:
        words = []
    for word in words:
        if isinstance(word, (Quote, Ticker)):
            assert all(
                not isinstance(v, float) or (isfinite(v) and v >= 0.0)
                for v in (getattr(word, n) for n in word.__struct_fields__)
            )
    assert decoder.feed(full(BIDS, ASKS, "ETH_USDT"), 1.0)


@pytest.mark.recordings
def test_every_sample(exchange, recordings):
    listing = json.loads((recordings._folder / "venues/samples/mexc/instruments.json").read_text(encoding="utf-8"))
    instruments = exchange.parse_instruments([json.dumps(listing).encode(), answer([FUNDING])])
    decoder = exchange.decoder(instruments)
    outcomes = {}
    for _, text in recordings.frames("mexc"):
        try:
            words = decoder.feed(text, 1.0) or ["nothing"]
        except (UnknownContract, SubscriptionRejected) as error:
            words = [error]
        for word in words:
            name = word if isinstance(word, str) else type(word).__name__
            outcomes[name] = outcomes.get(name, 0) + 1

    # Of the two books one is of RIF, which the samples' listing does not have, and comes twice.
    assert outcomes == {
        "Quote": 1,
        "Funding": 4,
        "Ticker": 1,
        "Ack": 6,
        "nothing": 8,
        "SubscriptionRejected": 1,
        "UnknownContract": 2,
    }


@pytest.mark.recordings
def test_every_recorded_frame(exchange, recordings, outcomes):
    rows = [row for body in recordings.bodies("mexc/instruments.partial.jsonl") for row in json.loads(body)]
    instruments = exchange.parse_instruments([answer(rows)])
    by_id = {instrument.exchange_symbol: instrument for instrument in instruments}

    assert len(instruments) == 375
    assert {i.pairing for i in instruments} <= {Pairing.OK, Pairing.CHECK}
    assert by_id["100000AIDOGE_USDT"].contract_multiplier == 1e10
    bands = {row["symbol"]: min(row["bidLimitPriceRate"], row["askLimitPriceRate"]) for row in rows}
    assert {i.exchange_symbol: i.price_band for i in instruments} == bands
    assert by_id["100000AIDOGE_USDT"].price_band == 0.2
    counts = outcomes(lambda: exchange.decoder(instruments), recordings.inbound("mexc/ws.jsonl"))
    assert counts == {
        "Quote": 2,
        "Funding+Ticker": 1,
        "Funding": 3,
        "Ack": 2,
        "SubscriptionRejected": 1,
        "nothing": 10,  # trades, candles, changes of books, and the ticker of a contract listed later
    }
