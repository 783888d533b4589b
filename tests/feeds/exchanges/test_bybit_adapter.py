"""Bybit: units, snapshots and changes, merged tickers, paging, refusals, and every recorded frame."""

import json

import pytest

from feeds.errors import BadListing, BadPayload, RequestFailed, SubscriptionRejected, UnknownContract, UnknownMessage
from feeds.exchanges import load
from feeds.exchanges.base import Ack, Resync, ServerTime
from market.models import AssetClass, Depth, Funding, Pairing, Quote, Status, Ticker


def row(symbol, base, quote="USDT", **fields):
    return {
        "symbol": symbol,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": base,
        "quoteCoin": quote,
        "settleCoin": quote,
        "launchTime": "1585526400000",
        "priceFilter": {"tickSize": "0.10"},
        "lotSizeFilter": {"minOrderQty": "0.001", "qtyStep": "0.001", "minNotionalValue": "5"},
        "fundingInterval": 480,
        "isPreListing": False,
        "symbolType": "",
        **fields,
    }


def page(*rows, cursor=""):
    return json.dumps({"retCode": 0, "result": {"list": rows, "nextPageCursor": cursor}}).encode()


INVERSE = {
    "contractType": "InversePerpetual",
    "settleCoin": "BTC",
    "lotSizeFilter": {"minOrderQty": "1", "qtyStep": "1"},
}
LISTING = page(
    row("BTCUSDT", "BTC"),
    row("BTCPERP", "BTC", "USDC"),
    row("SHIB1000USDT", "SHIB1000"),
    row("1000000BABYDOGEUSDT", "1000000BABYDOGE", fundingInterval=240, symbolType="innovation"),
    row("BTCUSDT-26DEC25", "BTC", contractType="LinearFutures"),
)
INVERSE_LISTING = page(row("BTCUSD", "BTC", "USD", **INVERSE))


@pytest.fixture
def exchange():
    return load("bybit")


@pytest.fixture
def instruments(exchange):
    return exchange.parse_instruments([LISTING, INVERSE_LISTING, b""])


@pytest.fixture
def decoder(exchange, instruments):
    return exchange.decoder(instruments)


def top(bids, asks, symbol="BTCUSDT", u=10, seq=100, ts=1_687_940_967_466, kind="snapshot"):
    data = {"s": symbol, "b": bids, "a": asks, "u": u, "seq": seq}
    return json.dumps(
        {"topic": f"orderbook.1.{symbol}", "ts": ts, "type": kind, "data": data, "cts": ts}, separators=(",", ":")
    )


def ticker(kind, symbol="BTCUSDT", ts=1000, **data):
    message = {"topic": f"tickers.{symbol}", "type": kind, "data": {"symbol": symbol, **data}, "ts": ts}
    return json.dumps(message, separators=(",", ":"))


BID, ASK = [["30247.20", "30.028"]], [["30249.30", "0.892"]]


def test_listing_in_our_units(instruments):
    by_id = {instrument.exchange_symbol: instrument for instrument in instruments}
    btc, usdc, doge, inverse = (by_id[i] for i in ("BTCUSDT", "BTCPERP", "1000000BABYDOGEUSDT", "BTCUSD"))

    assert (btc.symbol, btc.tick_size, btc.lot_size, btc.min_notional) == ("BTC-USDT", 0.1, 0.001, 5.0)
    assert (btc.maker_fee_bps, btc.taker_fee_bps, btc.funding_interval_h) == (2.0, 5.5, 8.0)
    assert (usdc.symbol, usdc.settle) == ("BTC-USDC", "USDC")
    assert (doge.symbol, doge.contract_multiplier, doge.funding_interval_h) == ("BABYDOGE-USDT", 1e6, 4.0)
    assert (doge.maker_fee_bps, doge.taker_fee_bps) == (4.0, 11.0)  # innovation zone
    assert (inverse.symbol, inverse.kind, inverse.contract_multiplier) == ("BTC-USD", "inverse", 1.0)
    assert (inverse.lot_size, inverse.min_notional) == (1.0, 1.0)
    assert by_id["SHIB1000USDT"].multiplier == 1000.0
    assert "BTCUSDT-26DEC25" not in by_id


def test_what_has_not_been_launched_is_hidden(exchange):
    rows = [row(f"{base}USDT", base, status="PreLaunch", isPreListing=True) for base in ("BIO", "OPENAI")]
    coin, share = exchange.parse_instruments([page(*rows)])

    assert (coin.status, coin.pairing, coin.symbol) == (Status.PRE_MARKET, Pairing.HIDE, "BIO-USDT")
    assert (share.asset_class, share.symbol) == (AssetClass.PREIPO, "OPENAI.PRE-USDT")
    assert (share.maker_fee_bps, share.taker_fee_bps) == (4.0, 10.0)
    assert exchange.connections([coin, share]) == []


def test_pages_are_followed_to_the_end(exchange):
    first = exchange.instrument_requests()[0]
    (second,) = exchange.next_requests(first, page(row("BTCUSDT", "BTC"), cursor="first%3DA"))

    assert second.params == {"category": "linear", "limit": "1000", "cursor": "first%3DA"}
    assert exchange.next_requests(second, page(cursor="first%3DA")) == []  # a page that names itself
    assert exchange.next_requests(second, page()) == []


def test_a_contract_on_two_pages_is_one_contract(exchange):
    kept = exchange.parse_instruments([page(row("BTCUSDT", "BTC")), page(row("BTCUSDT", "BTC"))])

    assert [instrument.symbol for instrument in kept] == ["BTC-USDT"]


def test_an_unreadable_row_loses_only_itself(exchange, caplog):
    kept = exchange.parse_instruments([page({"symbol": "ETHUSDT"}, 7, row("BTCUSDT", "BTC"))])

    assert [instrument.symbol for instrument in kept] == ["BTC-USDT"]
    assert caplog.text.count("left out an unreadable listing") == 2


@pytest.mark.parametrize("bodies", [[b"<html>"], [b'{"retCode":10001,"retMsg":"params error"}'], [b""]])
def test_a_body_that_is_no_listing(exchange, bodies):
    with pytest.raises(BadListing):
        exchange.parse_instruments(bodies)


def test_linear_top_of_book(decoder):
    assert decoder.feed(top(BID, ASK), 7.0) == [
        Quote("bybit", "BTC-USDT", 30247.2, 30.028, 30249.3, 0.892, 1687940967.466, 7.0)
    ]


def test_inverse_size_counts_dollars(decoder):
    """1,063 USD at 103,401.00 are 0.01028 BTC."""
    (quote,) = decoder.feed(top([["103401.00", "1063"]], [["103402.00", "9854"]], "BTCUSD"), 7.0)

    assert quote.bid_size == pytest.approx(0.01028, abs=5e-6)


def test_bundles_become_coins(decoder):
    """8,300 bundles of a million at 0.0013992 are 8.3e9 coins and 11.61 USDT."""
    (quote,) = decoder.feed(top([["0.0013992", "8300"]], [["0.0013993", "1"]], "1000000BABYDOGEUSDT"), 7.0)

    assert quote.bid_price == pytest.approx(1.3992e-9)
    assert quote.bid_size == pytest.approx(8.3e9)
    assert quote.bid_price * quote.bid_size == pytest.approx(11.61, abs=0.005)


def test_an_empty_side_is_none(decoder):
    (quote,) = decoder.feed(top(BID, []), 7.0)

    assert (quote.bid_price, quote.ask_price, quote.ask_size) == (30247.2, None, None)


def test_the_repeated_snapshot_says_the_quote_still_stands(decoder):
    decoder.feed(top(BID, ASK, ts=1_000), 1.0)
    (again,) = decoder.feed(top(BID, ASK, ts=4_000), 4.0)

    assert (again.event_time, again.received_time) == (4.0, 4.0)


def test_old_snapshots_are_dropped_and_restarted_counts_are_not(decoder):
    decoder.feed(top(BID, ASK, u=10, seq=100), 1.0)

    assert decoder.feed(top(BID, ASK, u=9, seq=99), 1.0) == []
    assert decoder.feed(top(BID, ASK, u=1, seq=101), 1.0)
    assert decoder.feed(top(BID, ASK, u=2, seq=102), 1.0)


def change(decoder, bids, asks, u):
    words = decoder.feed(top(bids, asks, u=u, kind="delta"), 1.0)
    return [(quote.bid_price, quote.bid_size, quote.ask_price, quote.ask_size) for quote in words]


def test_changes_are_merged_into_a_whole_top_of_book(decoder):
    """As the topic was sent in 2023: an empty list leaves a side as it is."""
    decoder.feed(top([["100", "1"]], [["101", "2"]], u=10), 1.0)

    assert change(decoder, [["100", "5"]], [], 11) == [(100.0, 5.0, 101.0, 2.0)]
    assert change(decoder, [["100", "0"], ["99", "3"]], [["100.5", "4"], ["101", "0"]], 12) == [(99.0, 3.0, 100.5, 4.0)]
    assert change(decoder, [], [["100.4", "1"]], 13) == [(99.0, 3.0, 100.4, 1.0)]  # a better one needs no deletion
    assert change(decoder, [["98", "0"]], [], 14) == [(99.0, 3.0, 100.4, 1.0)]
    assert change(decoder, [["99", "0"]], [], 15) == [(None, None, 100.4, 1.0)]
    assert change(decoder, [["99", "1"]], [], 15) == []


def test_a_change_without_a_snapshot_asks_for_one_once(decoder):
    frame = top(BID, [], kind="delta")

    assert decoder.feed(frame, 1.0) == [
        Resync("orderbook.1.BTCUSDT", "a change came before any snapshot", missed=False)
    ]
    assert decoder.feed(frame, 1.0) == []
    decoder.reset(["orderbook.1.BTCUSDT"])
    assert decoder.feed(top(BID, ASK, u=1), 1.0)


@pytest.mark.parametrize("price", ["nan", "inf", "-1", "abc", ""])
def test_what_is_no_price_never_gets_out(decoder, price):
    with pytest.raises(BadPayload):
        decoder.feed(top([[price, "1"]], ASK), 1.0)
    (quote,) = decoder.feed(top(BID, ASK), 1.0)
    assert quote.bid_price == 30247.2


SNAPSHOT = {
    "lastPrice": "27339.40",
    "markPrice": "27342.30",
    "indexPrice": "27349.74",
    "openInterest": "92578.634",
    "turnover24h": "3391168773.5801",
    "volume24h": "123331.4080",
    "nextFundingTime": "1682179200000",
    "fundingRate": "0.0001",
    "fundingIntervalHour": "4",
    "bid1Price": "27300.00",
}


def test_a_ticker_snapshot_is_funding_and_market_data_and_no_quote(decoder):
    """Open interest counts both sides: one side is half."""
    assert decoder.feed(ticker("snapshot", **SNAPSHOT), 7.0) == [
        Funding("bybit", "BTC-USDT", 27342.3, 27349.74, 0.0001, 4.0, 1682179200.0, 1.0, 7.0),
        Ticker("bybit", "BTC-USDT", 27339.4, 123331.408, 3391168773.5801, 46289.317, 1.0, 7.0),
    ]


def test_a_ticker_change_leaves_absent_fields_and_empties_empty_ones(decoder):
    decoder.feed(ticker("snapshot", **SNAPSHOT), 1.0)

    assert decoder.feed(ticker("delta", bid1Price="27301.00", bid1Size="2"), 1.0) == []
    (funding,) = decoder.feed(ticker("delta", markPrice="27343", indexPrice=""), 1.0)
    assert (funding.mark_price, funding.index_price, funding.funding_rate) == (27343.0, None, 0.0001)
    (market,) = decoder.feed(ticker("delta", singleOpenInterest="46000"), 1.0)
    assert (market.open_interest, market.last_price) == (46000.0, 27339.4)


def test_an_unreadable_ticker_change_changes_nothing(decoder):
    decoder.feed(ticker("snapshot", **SNAPSHOT), 1.0)
    with pytest.raises(BadPayload):
        decoder.feed(ticker("delta", markPrice="-5", indexPrice="1"), 1.0)

    (funding,) = decoder.feed(ticker("delta", fundingRate="-0.0002"), 1.0)
    assert (funding.mark_price, funding.index_price, funding.funding_rate) == (27342.3, 27349.74, -0.0002)


def test_an_inverse_ticker_counts_dollars_and_turns_over_coins(decoder):
    """240,113,967 USD on both sides at 114,898.43 are 1,044.9 BTC on one."""
    values = {"markPrice": "114898.43", "lastPrice": "120635.50", "openInterest": "240113967"}
    frame = ticker("snapshot", "BTCUSD", **values, volume24h="13713832", turnover24h="115.6907")

    market = decoder.feed(frame, 7.0)[1]

    assert (market.volume_24h, market.turnover_24h) == (115.6907, 13713832.0)
    assert market.open_interest == pytest.approx(2089.79 / 2, rel=1e-4)


WHOLE = {**SNAPSHOT, "singleOpenInterest": "46289.317"}
BETWEEN = [
    {},
    {"markPrice": "27343.00", "openInterest": "92579", "singleOpenInterest": "46289.5"},
    {"fundingRate": "-0.0002"},
    {"lastPrice": "27339.50", "bid1Price": "27301.00"},
    {"turnover24h": "0", "volume24h": "0"},
    {"markPrice": ""},
    {"singleOpenInterest": "46290"},
    {"indexPrice": "0"},
    {"nextFundingTime": "0"},
    {"fundingIntervalHour": ""},
    {"markPrice": "5", "lastPrice": None},
    {"singleOpenInterest": "", "openInterest": "8"},
    *({name: bad} for name in ("markPrice", "volume24h", "fundingRate") for bad in ("nan", "inf", "1e400", "-1", True)),
]


@pytest.mark.parametrize("symbol", ["BTCUSDT", "SHIB1000USDT", "SHIB1000USD"])
@pytest.mark.parametrize("between", BETWEEN)
def test_whole_tickers_are_read_as_others_are(exchange, said, symbol, between):
    """A frame whose type comes first is read the general way."""
    bundles = page(row("SHIB1000USD", "SHIB1000", "USD", **INVERSE))
    instruments = exchange.parse_instruments([LISTING, bundles])
    plain, general = exchange.decoder(instruments), exchange.decoder(instruments)
    frames = [("snapshot", WHOLE), ("delta", between), ("delta", {"markPrice": "27345", "volume24h": "5"})]
    for kind, values in [*frames, *frames]:
        usual = ticker(kind, symbol, **values)
        other = json.dumps({"type": kind, **json.loads(usual)})
        assert said(plain, usual) == said(general, other)


def test_a_whole_ticker_is_forgotten_with_its_topic(decoder):
    decoder.feed(ticker("snapshot", **WHOLE), 1.0)
    decoder.reset(["tickers.BTCUSDT"])

    (funding,) = decoder.feed(ticker("delta", markPrice="5"), 1.0)
    assert (funding.mark_price, funding.index_price) == (5.0, None)


def test_a_whole_ticker_of_no_known_contract(decoder):
    assert decoder.feed(ticker("snapshot", "BTCUSDT-26DEC25", **WHOLE), 1.0) == []
    with pytest.raises(UnknownContract):
        decoder.feed(ticker("snapshot", "NEWUSDT", **WHOLE), 1.0)


def depth(kind, bids, asks, u):
    data = {"s": "BTCUSDT", "b": bids, "a": asks, "u": u, "seq": u}
    return json.dumps({"topic": "orderbook.50.BTCUSDT", "type": kind, "ts": 1000, "data": data})


def test_a_deep_book_is_kept_and_resynced(decoder):
    decoder.feed(depth("snapshot", [["100", "1"], ["99", "2"]], [["101", "3"]], 5), 0.0)

    assert decoder.feed(depth("delta", [["99", "0"], ["98", "4"]], [], 6), 0.0) == [
        Depth("bybit", "BTC-USDT", ((100.0, 1.0), (98.0, 4.0)), ((101.0, 3.0),), 1.0, 0.0)
    ]
    assert decoder.feed(depth("delta", [], [], 6), 0.0) == []
    assert decoder.feed(depth("delta", [], [], 9), 40.0) == [Resync("orderbook.50.BTCUSDT", "a change was missed")]
    assert decoder.feed(depth("delta", [], [], 10), 41.0) == []  # asked for already
    decoder.feed(depth("snapshot", [["100", "1"]], [["101", "3"]], 20), 42.0)
    assert decoder.feed(depth("delta", [["102", "1"]], [], 21), 80.0) == [
        Resync("orderbook.50.BTCUSDT", "the book is crossed")
    ]


def test_refusals_name_the_topic_and_whether_it_is_live(decoder):
    def refused(reason):
        with pytest.raises(SubscriptionRejected) as caught:
            decoder.feed(json.dumps({"success": False, "ret_msg": reason, "req_id": "s2", "op": "subscribe"}), 1.0)
        return caught.value.topics, caught.value.request_id, caught.value.live

    assert refused("error:handler not found,topic:orderbook.1.OLDUSDT") == (("orderbook.1.OLDUSDT",), "s2", False)
    assert refused("error:already subscribed,topic:tickers.BTCUSDT") == (("tickers.BTCUSDT",), "s2", True)
    assert refused("Too many visits") == ((), "s2", False)


def test_control_messages(decoder):
    assert decoder.feed('{"success":true,"ret_msg":"","conn_id":"c","req_id":"4","op":"subscribe"}', 1.0) == [Ack("4")]
    assert decoder.feed('{"success":true,"ret_msg":"pong","conn_id":"c","req_id":"","op":"ping"}', 1.0) == [Ack()]
    assert decoder.feed('{"op":"pong","args":["1"]}', 1.0) == [Ack()]
    assert decoder.feed('{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1,"data":[]}', 1.0) == []
    with pytest.raises(UnknownMessage):
        decoder.feed('{"topic":"weather.BTCUSDT","type":"snapshot","ts":1,"data":[]}', 1.0)


def test_dated_contracts_are_skipped_and_unknown_ones_are_not(decoder):
    for symbol in ("BTCUSDT-26DEC25", "BTC-6MAR26", "BTCUSDM23"):
        assert decoder.feed(top(BID, ASK, symbol), 1.0) == []
    with pytest.raises(UnknownContract):
        decoder.feed(top(BID, ASK, "NEWUSDT"), 1.0)


def test_polls(decoder):
    body = b'{"retCode":0,"result":{"timeSecond":"1688639403","timeNano":"1688639403423213947"}}'

    assert decoder.feed_response("time", body, 1.0) == [ServerTime(pytest.approx(1688639403.4232))]
    with pytest.raises(RequestFailed, match="10006"):
        decoder.feed_response("time", b'{"retCode":10006,"retMsg":"Too many visits!","result":{}}', 1.0)


def test_plans(exchange, instruments):
    plans = {plan.pool: plan for plan in exchange.connections(instruments)}

    assert list(plans) == ["linear-quotes", "linear-tickers", "inverse-quotes", "inverse-tickers"]
    assert plans["inverse-quotes"].url == "wss://stream.bybit.com/v5/public/inverse"
    assert [len(plan.polls) for plan in plans.values()] == [1, 0, 0, 0]
    assert json.loads(plans["inverse-tickers"].messages[0]) == {
        "req_id": "1",
        "op": "subscribe",
        "args": ["tickers.BTCUSD"],
    }
    assert exchange.symbols_of(["orderbook.1.BTCUSD", "tickers.BTCUSDT"], instruments) == {"BTC-USD"}


def test_topics_stay_below_what_a_connection_takes(exchange):
    """21,000 characters a connection; 1,000 contracts with the longest name there is."""
    instruments = exchange.parse_instruments([page(*(row(f"1000000NAME{n:04}USDT", f"NAME{n}") for n in range(1000)))])

    plans = exchange.connections(instruments)

    for plan in plans:
        assert sum(len(topic) for topic in plan.topics) < 21_000
        assert len(plan.topics) <= plan.capacity
    assert max(len(subscription.topics) for plan in plans for subscription in plan.subscriptions) <= 50


@pytest.mark.recordings
def test_the_price_band_of_recorded_rows_is_the_ratio_about_the_mark(exchange, recordings):
    """X 0.01 and Y 0.02 are 1 % off the mark; some rows are cut and have neither."""
    bands = {i.exchange_symbol: i.price_band for i in exchange.parse_instruments(recordings.listings("bybit"))}

    assert (bands["BTCUSDT"], bands["BIOUSDT"], bands["10000NFTUSDT"]) == (0.01, 0.05, None)


@pytest.mark.recordings
def test_every_sample(exchange, recordings):
    decoder = exchange.decoder(exchange.parse_instruments([*recordings.listings("bybit"), INVERSE_LISTING]))
    outcomes = {}
    for _, text in recordings.frames("bybit"):
        try:
            words = decoder.feed(text, 1.0)
        except (UnknownMessage, SubscriptionRejected) as error:
            words = [error]
        for word in words:
            outcomes[type(word).__name__] = outcomes.get(type(word).__name__, 0) + 1

    # Two REST answers are no frames. Two of the book frames are of 2023 and follow one of 2026 with a higher count.
    assert outcomes == {
        "Quote": 3,
        "Funding": 3,
        "Ticker": 2,
        "Depth": 1,
        "Resync": 1,
        "Ack": 3,
        "SubscriptionRejected": 2,
        "UnknownMessage": 2,
    }


@pytest.mark.recordings
def test_every_recorded_frame(exchange, recordings, outcomes):
    instruments = exchange.parse_instruments([*recordings.listings("bybit"), INVERSE_LISTING])

    current = outcomes(lambda: exchange.decoder(instruments), recordings.inbound("bybit/ws.jsonl"))
    legacy = outcomes(lambda: exchange.decoder(instruments), recordings.inbound("bybit/ws.legacy.jsonl"))

    # Nothing: five trades and liquidations, two dated contracts, a change older than its predecessor, and one of
    # a touch that tickers are not read for.
    assert current == {"Quote": 2, "Depth": 2, "Funding+Ticker": 6, "Funding": 1, "nothing": 9}
    assert set(legacy) == {"UnknownMessage"}  # a protocol that was switched off
