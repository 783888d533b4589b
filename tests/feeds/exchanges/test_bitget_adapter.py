"""Bitget: coins in every family, whole tickers, text heartbeats, and every recorded frame."""

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
from feeds.exchanges import bitget
from feeds.exchanges.base import Ack, ServerTime
from market.models import AssetClass, Depth, Funding, Pairing, Quote, Status, Ticker


def row(symbol, base, quote="USDT", **fields):
    return {
        "symbol": symbol,
        "baseCoin": base,
        "quoteCoin": quote,
        "makerFeeRate": "0.0002",
        "takerFeeRate": "0.0006",
        "minTradeNum": "0.0001",
        "priceEndStep": "1",
        "pricePlace": "1",
        "sizeMultiplier": "0.0001",
        "symbolType": "perpetual",
        "minTradeUSDT": "5",
        "symbolStatus": "normal",
        "launchTime": "",
        "fundInterval": "8",
        "isRwa": "NO",
        **fields,
    }


ROWS = [
    row("BTCUSDT", "BTC"),
    row("ETHUSDT", "ETH"),
    row("BTCPERP", "BTC", "USDC"),
    row("BTCUSD", "BTC", "USD", launchTime="1600000000000"),
    row("1MBABYDOGEUSDT", "1MBABYDOGE", pricePlace="7", sizeMultiplier="1", fundInterval="4"),
    row("XAUUSDT", "XAU", isRwa="YES"),
    row("AAPLUSDT", "AAPL", isRwa="YES", takerFeeRate="0.0008"),
    row("STEPUSDT", "STEP", priceEndStep="5", pricePlace="4"),
    row("龙虾USDT", "龙虾"),
    row("OLDUSDT", "OLD", symbolStatus="off", launchTime="-1"),
    row("CLOSINGUSDT", "CLOSING", symbolStatus="limit_open"),
    row("SOONUSDT", "SOON", symbolStatus="listed"),
    row("SUSDT", "S"),
    row("BTCUSDU26", "BTC", "USD", symbolType="delivery", fundInterval=""),
    row("SBTCSUSDT", "SBTC", "SUSDT"),
]


def answer(data):
    return json.dumps({"code": "00000", "msg": "success", "requestTime": 1, "data": data}).encode()


TICKER = {
    "instId": "BTCUSD",
    "lastPr": "109822.5",
    "bidPr": "109815.8",
    "askPr": "109815.9",
    "bidSz": "2.469",
    "askSz": "3.321",
    "fundingRate": "0.0001",
    "nextFundingTime": "1756195200000",
    "markPrice": "109822.7",
    "indexPrice": "109867.6857822380165048",
    "holdingAmount": "21425.2578",
    "baseVolume": "4075.2916",
    "quoteVolume": "451366093.334",
    "ts": "1756180111636",
}


def push(channel, rows, inst_id="BTCUSDT", family="USDT-FUTURES", ts=1756180111642, action="snapshot"):
    arg = {"instType": family, "channel": channel, "instId": inst_id}
    return json.dumps({"action": action, "arg": arg, "data": rows, "ts": ts}, separators=(",", ":"))


def ticker(inst_id="BTCUSDT", push_ts=1756180111642, **fields):
    return push("ticker", [{**TICKER, "instId": inst_id, **fields}], inst_id, ts=push_ts)


@pytest.fixture
def exchange():
    return bitget.Adapter()


@pytest.fixture
def instruments(exchange):
    return exchange.parse_instruments([answer(ROWS)])


@pytest.fixture
def decoder(exchange, instruments):
    return exchange.decoder(instruments)


def test_listing_in_our_units(instruments):
    by_id = {instrument.exchange_symbol: instrument for instrument in instruments}
    btc, inverse, doge = by_id["BTCUSDT"], by_id["BTCUSD"], by_id["1MBABYDOGEUSDT"]

    assert (btc.symbol, btc.contract_multiplier, btc.lot_size) == ("BTC-USDT", 1.0, 0.0001)
    assert (btc.tick_size, btc.min_notional, btc.funding_interval_h) == (pytest.approx(0.1), 5.0, 8.0)
    assert (btc.maker_fee_bps, btc.taker_fee_bps, btc.listed_time) == (2.0, 6.0, None)
    assert (by_id["BTCPERP"].symbol, by_id["BTCPERP"].settle) == ("BTC-USDC", "USDC")
    assert (inverse.symbol, inverse.kind, inverse.settle) == ("BTC-USD", "inverse", "BTC")
    assert (inverse.contract_multiplier, inverse.listed_time) == (1.0, 1600000000.0)  # coins, not dollars
    assert (doge.symbol, doge.multiplier, doge.lot_size) == ("BABYDOGE-USDT", 1e6, 1e6)
    assert doge.tick_size == pytest.approx(1e-13)
    assert by_id["STEPUSDT"].tick_size == pytest.approx(0.0005)
    assert by_id["XAUUSDT"].asset_class is AssetClass.COMMODITY
    assert (by_id["AAPLUSDT"].symbol, by_id["AAPLUSDT"].taker_fee_bps) == ("AAPL.EQ-USDT", 8.0)
    assert (by_id["SUSDT"].symbol, by_id["SUSDT"].pairing) == ("S-USDT", Pairing.OK)  # Sonic, no simulated coin
    statuses = [by_id[name].status for name in ("OLDUSDT", "CLOSINGUSDT", "SOONUSDT")]
    assert statuses == [Status.CLOSED, Status.HALTED, Status.PRE_MARKET]
    assert not {"BTCUSDU26", "SBTCSUSDT"} & set(by_id)


def test_rows_that_cannot_be_read(exchange, caplog):
    kept = exchange.parse_instruments([answer([row("A", "A", pricePlace="x"), 3]), answer([ROWS[0]])])

    assert [instrument.symbol for instrument in kept] == ["BTC-USDT"]
    assert caplog.text.count("left out an unreadable listing") == 2
    for body in (b"<html>", b'{"code":"40019","msg":"cannot be empty","data":null}', b""):
        with pytest.raises(BadListing):
            exchange.parse_instruments([body])


def test_coin_margined_sizes_are_coins(decoder):
    """2.469 BTC at 109,815.8 are 271,135 USD: nothing is divided by the price."""
    quote, funding, market = decoder.feed(ticker("BTCUSD"), 7.0)

    assert quote == Quote("bitget", "BTC-USD", 109815.8, 2.469, 109815.9, 3.321, 1756180111.636, 7.0)
    assert quote.bid_size * quote.bid_price == pytest.approx(271_135, abs=1)
    assert funding == Funding(
        "bitget", "BTC-USD", 109822.7, pytest.approx(109867.685782), 0.0001, None, 1756195200.0, 1756180111.636, 7.0
    )
    assert market == Ticker("bitget", "BTC-USD", 109822.5, 4075.2916, 451366093.334, 21425.2578, 1756180111.636, 7.0)
    assert market.turnover_24h / market.volume_24h == pytest.approx(110_757, abs=1)


def test_bundles_become_coins(decoder):
    """A price for a million coins, and sizes in millions."""
    frame = ticker("1MBABYDOGEUSDT", bidPr="0.0012", bidSz="30", askPr="0.0013", askSz="1", holdingAmount="7")
    quote, _, market = decoder.feed(frame, 7.0)

    assert (quote.bid_price, quote.bid_size) == (pytest.approx(1.2e-9), 3e7)
    assert (market.open_interest, market.turnover_24h) == (7e6, 451366093.334)


@pytest.mark.parametrize(
    "bid", [{"bidPr": "", "bidSz": ""}, {"bidPr": "0", "bidSz": "0"}, {"bidSz": "0"}, {"bidPr": None, "bidSz": None}]
)
def test_an_empty_side_is_none(decoder, bid):
    quote, funding, _ = decoder.feed(ticker(**bid), 7.0)

    assert (quote.bid_price, quote.bid_size, quote.ask_price) == (None, None, 109815.9)
    assert funding.mark_price == 109822.7


def test_absent_values_are_none(decoder):
    absent = dict.fromkeys(("markPrice", "indexPrice", "fundingRate", "nextFundingTime", "holdingAmount", "lastPr"), "")
    quote, funding, market = decoder.feed(ticker(**absent), 7.0)

    assert quote.bid_price == 109815.8
    assert (funding.mark_price, funding.index_price, funding.funding_rate, funding.next_funding_time) == (None,) * 4
    assert (market.last_price, market.open_interest) == (None, None)


def test_old_and_repeated_tickers_are_dropped(decoder):
    assert decoder.feed(ticker(ts="2000", push_ts=2005), 1.0)
    assert decoder.feed(ticker(ts="1999", push_ts=2006), 1.0) == []
    assert decoder.feed(ticker(ts="2000", push_ts=2005), 1.0) == []
    assert decoder.outdated == 2
    assert decoder.feed(ticker(ts="2000", push_ts=2105), 1.0)  # said again later: it stands
    assert decoder.feed(ticker(ts="2000", bidPr="", bidSz="", push_ts=2105), 1.0) == []
    assert decoder.feed(ticker(ts="2001", push_ts=2110), 1.0)
    decoder.reset(["ticker:USDT-FUTURES:BTCUSDT"])
    assert decoder.feed(ticker(ts="1", push_ts=1), 1.0)


def test_a_clock_set_back_silences_nobody(decoder):
    assert decoder.feed(ticker(ts="100000", push_ts=100000), 100.0)
    assert decoder.feed(ticker(ts="97000", push_ts=97000), 100.01) == []  # both on their way at once
    assert decoder.feed(ticker(ts="95100", push_ts=95100), 100.1)
    assert decoder.feed(ticker(ts="95050", push_ts=95050), 100.2) == []
    assert decoder.outdated == 2


def test_a_ticker_of_another_shape_is_dropped_by_the_same_times(decoder):
    assert decoder.feed(ticker(ts="100000", push_ts=100000), 100.0)
    assert decoder.feed(ticker(ts="95100", push_ts=95100, bidPr="", bidSz=""), 100.1)
    assert decoder.feed(ticker(ts="95050", push_ts=95050), 100.12) == []


@pytest.mark.parametrize("price", ["nan", "inf", "-1", "abc", True, []])
@pytest.mark.parametrize("name", ["bidPr", "markPrice", "baseVolume"])
def test_what_is_no_number_never_gets_out(decoder, name, price):
    with pytest.raises(BadPayload):
        decoder.feed(ticker(**{name: price}), 1.0)
    assert decoder.feed(ticker(), 1.0)


def test_books(decoder):
    book = {"asks": [["77202.1", "4.2193"], ["77203", "0"]], "bids": [["77202", "6.1042"]], "ts": "1789456276886"}

    assert decoder.feed(push("books15", [book]), 7.0) == [
        Depth("bitget", "BTC-USDT", ((77202.0, 6.1042),), ((77202.1, 4.2193),), 1789456276.886, 7.0)
    ]
    assert decoder.feed(push("books1", [{**book, "bids": []}]), 7.0) == [
        Quote("bitget", "BTC-USDT", None, None, 77202.1, 4.2193, 1789456276.886, 7.0)
    ]
    with pytest.raises(BadPayload, match="crossed"):
        decoder.feed(push("books15", [{**book, "bids": [["77202.1", "1"]]}]), 7.0)


def test_control_messages(decoder):
    arg = {"instType": "COIN-FUTURES", "channel": "ticker", "instId": "BTCUSD"}

    assert decoder.feed("pong", 1.0) == [Ack()]
    assert decoder.feed(json.dumps({"event": "subscribe", "arg": arg}), 1.0) == [
        Ack(topics=("ticker:COIN-FUTURES:BTCUSD",))
    ]
    with pytest.raises(SubscriptionRejected) as caught:
        decoder.feed(json.dumps({"event": "error", "arg": arg, "code": 30001, "msg": "doesn't exist"}), 1.0)
    assert caught.value.topics == ("ticker:COIN-FUTURES:BTCUSD",)
    with pytest.raises(SubscriptionRejected) as caught:
        decoder.feed('{"event":"error","code":30006,"msg":"request too many"}', 1.0)
    assert caught.value.topics == ()
    assert decoder.feed(push("trade", [{"price": "1"}]), 1.0) == []
    assert decoder.feed(push("candle1m", [["1"]]), 1.0) == []
    for other in (push("weather", []), '{"event":"x"}', "[]"):
        with pytest.raises(UnknownMessage):
            decoder.feed(other, 1.0)


def test_other_products_are_skipped_and_unknown_contracts_are_not(decoder):
    for other in ("BTCUSDU26", "ETHUSDZ26", "SBTCSUSDT", "BTCUSD_CM"):
        assert decoder.feed(ticker(other), 1.0) == []
    with pytest.raises(UnknownContract):
        decoder.feed(ticker("LTCUSDT"), 1.0)


def test_rest_tickers_confirm_and_never_override(decoder):
    rows = [{**TICKER, "symbol": "BTCUSDT", "ts": ts} for ts in ("1999", "2000")]
    decoder.feed(ticker(ts="2000"), 1.0)

    words = decoder.feed_response("tickers:0/1", answer([*rows, {"symbol": "TESTUSDT"}, 5]), 9.0)
    assert [(type(word), word.received_time) for word in words] == [(Quote, 9.0), (Funding, 9.0), (Ticker, 9.0)]
    sizeless = {"symbol": "BTCUSDT", "askPr": "2", "bidPr": "1", "ts": "3000", "markPrice": "1"}
    assert [type(word) for word in decoder.feed_response("tickers", answer([sizeless]), 9.0)] == [Funding, Ticker]
    one, other = (decoder.feed_response(f"tickers:{shard}/2", answer(rows), 9.0) for shard in (0, 1))
    assert len(one) + len(other) == 3


def test_the_interval_comes_from_rest(decoder):
    rates = {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingRateInterval": "4", "nextUpdate": "1789459200000"}
    test_row = {"symbol": "TESTUSDT", "fundingRate": None, "maxFundingRate": None}

    assert decoder.feed_response("funding", answer([rates, test_row]), 7.0) == [
        Funding("bitget", "BTC-USDT", None, None, 0.0001, 4.0, 1789459200.0, None, 7.0)
    ]


def test_polls(decoder):
    assert decoder.feed_response("time", answer({"serverTime": "1789456276880"}), 1.0) == [ServerTime(1789456276.88)]
    with pytest.raises(RequestFailed, match="40034"):
        decoder.feed_response("funding", b'{"code":"40034","msg":"does not exist","data":null}', 1.0)
    with pytest.raises(UnknownMessage):
        decoder.feed_response("weather", answer([]), 1.0)
    for body in (answer([{"symbol": "BTCUSDT"}]), b"<html>", b"[]"):
        with pytest.raises(BadPayload):
            decoder.feed_response("funding", body, 1.0)


def test_plans(exchange, instruments):
    usdt, usdc, coin = exchange.connections(instruments)

    assert usdc.topics == ("ticker:USDC-FUTURES:BTCPERP",)
    assert json.loads(coin.messages[0]) == {
        "op": "subscribe",
        "args": [{"instType": "COIN-FUTURES", "channel": "ticker", "instId": "BTCUSD"}],
    }
    assert "ticker:USDT-FUTURES:OLDUSDT" not in usdt.topics
    assert [poll.request.purpose for poll in usdt.polls] == ["tickers:0/1", "funding", "time"]
    assert [poll.request.params["productType"] for poll in coin.polls] == ["COIN-FUTURES", "COIN-FUTURES"]
    assert (usdt.heartbeat.message, usdt.heartbeat.every_s) == ("ping", 25.0)
    assert exchange.symbols_of(["ticker:USDC-FUTURES:BTCPERP", "books15:USDT-FUTURES:ETHUSDT"], instruments) == {
        "BTC-USDC"
    }
    deep = exchange.connections(instruments, {"depth"})[1]
    assert deep.topics == ("books15:USDC-FUTURES:BTCPERP",)
    many = exchange.parse_instruments([answer([row(f"LONGNAME{n}USDT", f"LONGNAME{n}") for n in range(1000)])])
    plans = exchange.connections(many)
    assert max(len(plan.topics) for plan in plans) <= bitget.CAPACITY
    assert max(len(message.encode()) for plan in plans for message in plan.messages) < 4096
    assert exchange.connections([]) == []


FRAMES = [
    ticker(),
    push("books15", [{"asks": [["2", "1"]], "bids": [["1", "1"]], "ts": "5"}]),
    push("books1", [{"asks": [["2", "1"]], "bids": [["1", "1"]], "ts": "5"}]),
    '{"event":"error","arg":{"instType":"a","channel":"b","instId":"c"},"code":30001,"msg":"x"}',
    '{"event":"subscribe","arg":{"instType":"a","channel":"b","instId":"c"}}',
]
ODD = st.sampled_from([None, "", "nan", "inf", "-1", "1e308", -1, 0, 10**30, True, [], {}, [[]], "BTCUSDT", [{"a": 1}]])


def spoil(value, chooser, odd):
    """The message with one value in it replaced."""
    if isinstance(value, dict) and value:
        key = chooser.draw(st.sampled_from(sorted(value)))
        return odd if chooser.draw(st.booleans()) else {**value, key: spoil(value[key], chooser, odd)}
    if isinstance(value, list) and value:
        place = chooser.draw(st.integers(0, len(value) - 1))
        return [*value[:place], spoil(value[place], chooser, odd), *value[place + 1 :]]
    return odd


def figures(word):
    values = [getattr(word, name) for name in word.__struct_fields__ if name != "funding_rate"]
    if isinstance(word, Depth):
        values += [number for level in (*word.bids, *word.asks) for number in level]
    return [value for value in values if isinstance(value, float)]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.data(), st.sampled_from(FRAMES), ODD, st.booleans())
def test_no_frame_breaks_the_decoder(chooser, frame, odd, cut):
    exchange = bitget.Adapter()
    decoder = exchange.decoder(exchange.parse_instruments([answer(ROWS)]))
    spoilt = (
        frame[: chooser.draw(st.integers(0, len(frame)))] if cut else json.dumps(spoil(json.loads(frame), chooser, odd))
    )
    try:
        words = decoder.feed(spoilt, 1.0)
    except FeedError:
        words = []
    for word in words:
        if not isinstance(word, Ack):
            assert all(isfinite(value) and value >= 0.0 for value in figures(word))
    assert decoder.feed(ticker("ETHUSDT"), 1.0)


def test_the_price_band_is_the_narrower_ratio(exchange):
    limits = {"buyLimitPriceRatio": "0.05", "sellLimitPriceRatio": "0.01"}
    listing = answer([row("BTCUSDT", "BTC", **limits), row("ETHUSDT", "ETH")])

    assert [i.price_band for i in exchange.parse_instruments([listing])] == [0.01, None]


@pytest.mark.recordings
def test_recorded_rows_have_a_price_band(exchange, recordings):
    listings = [body for body in recordings.listings("bitget") if b"LimitPriceRatio" in body]
    instruments = exchange.parse_instruments(listings)

    assert {i.quote for i in instruments} == {"USDT", "USDC", "USD"}
    assert {i.price_band for i in instruments} == {0.01}


@pytest.mark.recordings
def test_every_sample(exchange, recordings):
    listings = [body for body in recordings.listings("bitget") if b"symbolType" in body]  # the last one is v3
    decoder = exchange.decoder(exchange.parse_instruments(listings))
    outcomes = {}
    for _, text in recordings.frames("bitget"):
        if '"requestTime"' in text:
            continue  # REST answers
        try:
            words = decoder.feed(text, 1.0) or ["nothing"]
        except (UnknownContract, SubscriptionRejected) as error:
            words = [error]
        for word in words:
            key = word if isinstance(word, str) else type(word).__name__
            outcomes[key] = outcomes.get(key, 0) + 1

    # The same recorded ticker is in three files.
    assert outcomes == {
        "Quote": 4,
        "Funding": 2,
        "Ticker": 2,
        "Depth": 1,
        "Ack": 6,
        "nothing": 8,
        "SubscriptionRejected": 3,
    }


@pytest.mark.recordings
def test_every_recorded_frame(exchange, recordings, outcomes):
    current = exchange.parse_instruments(recordings.bodies("bitget/instruments.jsonl"))
    assert [(i.symbol, i.lot_size, i.tick_size) for i in current] == [
        ("BTC-USDT", 0.0001, pytest.approx(0.1)),
        ("PEPE-USDT", 1000.0, pytest.approx(1e-10)),
    ]
    rows = [row(f"{base}USDT", base) for base in ("ADA", "STORJ", "YGG", "MAV", "LTC")]
    instruments = [*current, *exchange.parse_instruments([answer(rows)])]

    counts = outcomes(lambda: exchange.decoder(instruments), recordings.inbound("bitget/ws.jsonl"))
    legacy = outcomes(lambda: exchange.decoder(instruments), recordings.inbound("bitget/ws.legacy.jsonl"))

    assert counts == {
        "Funding+Quote+Ticker": 1,
        "Quote": 1,
        "Depth": 1,
        "Ack": 3,
        "SubscriptionRejected": 3,
        "nothing": 7,
    }
    # A protocol that was switched off: only its small books and acknowledgements look like today's.
    assert not any("Quote" in name for name in legacy)


@pytest.mark.recordings
def test_recorded_tickers(decoder, recordings):
    (body,) = recordings.bodies("bitget/tickers.jsonl")
    quote, funding, market = decoder.feed_response("tickers:0/1", body, 7.0)

    assert quote == Quote("bitget", "BTC-USDT", 77153.6, 0.751, 77153.7, 8.7528, 1789235622.181, 7.0)
    assert (funding.mark_price, funding.funding_rate) == (77153.7, 0.000069)
    assert market.open_interest == pytest.approx(35194.2194)
