"""Binance: units, order, one-sided books, listings, and every recorded frame."""

import json
import logging

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
from feeds.exchanges.base import Ack, CatalogueChanged, Closing, ServerTime
from market.models import AssetClass, Depth, Funding, Pairing, Quote, Status, Ticker


def row(symbol, base, quote="USDT", **fields):
    return {
        "symbol": symbol,
        "contractType": "PERPETUAL",
        "onboardDate": 1567965300000,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": quote,
        "marginAsset": quote,
        "underlyingType": "COIN",
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": "0.10"},
            {"filterType": "LOT_SIZE", "stepSize": "0.001", "minQty": "0.001"},
            {"filterType": "MIN_NOTIONAL", "notional": "50"},
        ],
        **fields,
    }


def coinm_row(symbol, base, size):
    fields = row(symbol, base, "USD", contractStatus="TRADING", contractSize=size, marginAsset=base)
    fields["filters"][1] = {"filterType": "LOT_SIZE", "stepSize": "1", "minQty": "1"}
    del fields["status"]
    return fields


def exchange_info(*rows):
    return json.dumps({"symbols": rows}).encode()


UM = exchange_info(
    row("BTCUSDT", "BTC"),
    row("1000PEPEUSDT", "1000PEPE"),
    row("XAUUSDT", "XAU", contractType="TRADIFI_PERPETUAL", underlyingType="COMMODITY"),
    row("OMGUSDT", "OMG", status="SETTLING"),
    row("BTCUSDT_261225", "BTC", contractType="CURRENT_QUARTER"),
    row("币安人生USDT", "币安人生"),
)
CM = exchange_info(coinm_row("BTCUSD_PERP", "BTC", 100), coinm_row("BCHUSD_PERP", "BCH", 10))
FUNDING_INFO = b'[{"symbol":"1000PEPEUSDT","fundingIntervalHours":4,"updateTime":null}]'


@pytest.fixture
def exchange():
    return load("binance")


@pytest.fixture
def instruments(exchange):
    return exchange.parse_instruments([UM, CM, FUNDING_INFO])


@pytest.fixture
def decoder(exchange, instruments):
    return exchange.decoder(instruments)


def book_ticker(symbol="BTCUSDT", u=10, bid="83091.60", bid_size="4.215", ask="83091.70", ask_size="3.763", T=1000):
    data = {"e": "bookTicker", "u": u, "s": symbol, "b": bid, "B": bid_size, "a": ask, "A": ask_size, "T": T, "E": T}
    return json.dumps({"stream": f"{symbol.lower()}@bookTicker", "data": data}, separators=(",", ":"))


def test_listing_in_our_units(instruments):
    by_id = {instrument.exchange_symbol: instrument for instrument in instruments}
    btc, pepe, coinm = by_id["BTCUSDT"], by_id["1000PEPEUSDT"], by_id["BTCUSD_PERP"]

    assert (btc.symbol, btc.tick_size, btc.lot_size, btc.min_notional) == ("BTC-USDT", 0.1, 0.001, 50.0)
    assert (btc.funding_interval_h, pepe.funding_interval_h) == (8.0, 4.0)  # absent from fundingInfo is 8 h
    assert (pepe.symbol, pepe.multiplier, pepe.contract_multiplier) == ("PEPE-USDT", 1000.0, 1000.0)
    assert (pepe.tick_size, pepe.lot_size) == (pytest.approx(0.0001), pytest.approx(1.0))
    assert (coinm.symbol, coinm.kind, coinm.settle) == ("BTC-USD", "inverse", "BTC")
    assert (coinm.contract_multiplier, coinm.lot_size, coinm.min_notional) == (100.0, 100.0, 100.0)
    assert by_id["XAUUSDT"].asset_class is AssetClass.COMMODITY
    assert by_id["OMGUSDT"].status is Status.HALTED
    assert "BTCUSDT_261225" not in by_id
    assert (btc.maker_fee_bps, btc.taker_fee_bps, btc.listed_time) == (2.0, 5.0, 1567965300.0)


def test_without_the_funding_intervals_they_are_not_guessed(exchange):
    assert {i.funding_interval_h for i in exchange.parse_instruments([UM, CM, b""])} == {None}


def test_a_share_and_an_unknown_type_are_no_coins(exchange):
    rows = [row("ONUSDT", "ON", underlyingType="EQUITY"), row("TSLAUSDT", "TSLA", underlyingType="MOON_EQUITY2")]
    share, unknown = exchange.parse_instruments([exchange_info(*rows)])

    assert (share.symbol, unknown.symbol) == ("ON.EQ-USDT", "TSLA.EQ-USDT")


def test_the_price_band_is_the_narrower_side_of_the_filter(exchange):
    """Up to 1.15 times the mark is 15 % off, down to 0.90 times is 10 %."""
    limits = {"filterType": "PERCENT_PRICE", "multiplierUp": "1.1500", "multiplierDown": "0.9000"}
    limited, free = row("BTCUSDT", "BTC"), row("ETHUSDT", "ETH")
    limited["filters"].append(limits)
    bands = {i.symbol: i.price_band for i in exchange.parse_instruments([exchange_info(limited, free)])}

    assert bands == {"BTC-USDT": pytest.approx(0.10), "ETH-USDT": None}


def test_an_unreadable_row_loses_only_itself(exchange, caplog):
    broken = row("ETHUSDT", "ETH")
    del broken["filters"]
    kept = exchange.parse_instruments([exchange_info(broken, "nonsense", row("BTCUSDT", "BTC"))])

    assert [instrument.symbol for instrument in kept] == ["BTC-USDT"]
    assert caplog.text.count("left out an unreadable listing") == 2


def test_two_trading_listings_of_one_symbol_are_an_error_and_neither_is_used(exchange, caplog):
    info = exchange_info(row("CATUSDT", "CAT2"), row("1000CATUSDT", "1000CAT2"), row("BTCUSDT", "BTC"))
    with caplog.at_level(logging.ERROR):
        kept = exchange.parse_instruments([info])

    # CATUSDT itself is known to be the share, so only the table's entry keeps these two apart.
    assert [instrument.symbol for instrument in kept] == ["CAT2.EQ-USDT", "CAT2-USDT", "BTC-USDT"]

    with caplog.at_level(logging.ERROR):
        kept = exchange.parse_instruments([exchange_info(row("DOGUSDT", "DOG"), row("1000DOGUSDT", "1000DOG"))])
    assert kept == []
    assert "DOGUSDT and 1000DOGUSDT" in caplog.text
    assert exchange.decoder(kept).feed(book_ticker("DOGUSDT"), 1.0) == []


@pytest.mark.parametrize("bodies", [[b"not json"], [b'{"code":-1003,"msg":"banned"}'], [b""], []])
def test_a_body_that_is_no_listing(exchange, bodies):
    with pytest.raises(BadListing):
        exchange.parse_instruments(bodies)


def test_linear_top_of_book(decoder):
    """4.215 BTC bid at 83,091.60 and nothing to convert."""
    assert decoder.feed(book_ticker(T=1791382994657), 7.0) == [
        Quote("binance", "BTC-USDT", 83091.6, 4.215, 83091.7, 3.763, 1791382994.657, 7.0)
    ]


def test_bundled_top_of_book(decoder):
    (quote,) = decoder.feed(book_ticker("1000PEPEUSDT", bid="0.0040731", bid_size="5000", ask="0.0040732"), 7.0)

    assert quote.symbol == "PEPE-USDT"
    assert quote.bid_price == pytest.approx(4.0731e-6)
    assert quote.bid_size == pytest.approx(5e6)
    assert quote.bid_price * quote.bid_size == pytest.approx(20.3655)


def test_coin_margined_contracts_become_coins(decoder):
    """24 contracts of 10 USD at 427.84 are 0.561 BCH."""
    (quote,) = decoder.feed(book_ticker("BCHUSD_PERP", bid="427.84", bid_size="24", ask="427.90", ask_size="669"), 7.0)

    assert quote.bid_size == pytest.approx(240 / 427.84)
    assert quote.ask_size == pytest.approx(6690 / 427.90)


def test_non_ascii_symbols(decoder):
    (quote,) = decoder.feed(book_ticker("币安人生USDT").encode(), 7.0)

    assert quote.symbol == "币安人生-USDT"


@pytest.mark.parametrize(("price", "size"), [("0", "1"), ("", ""), ("83091.60", "0.000")])
def test_an_empty_side_is_none(decoder, price, size):
    (quote,) = decoder.feed(book_ticker(bid=price, bid_size=size), 7.0)

    assert (quote.bid_price, quote.bid_size) == (None, None)
    assert (quote.ask_price, quote.ask_size) == (83091.7, 3.763)


@pytest.mark.parametrize("price", ["nan", "inf", "-1", "1e999", "abc"])
def test_what_is_no_price_never_gets_out(decoder, price):
    with pytest.raises(BadPayload):
        decoder.feed(book_ticker(bid=price), 7.0)
    assert decoder.feed(book_ticker(), 7.0)


def test_a_crossed_quote_is_passed_on(decoder):
    (quote,) = decoder.feed(book_ticker(bid="83092.00", ask="83091.70"), 7.0)

    assert quote.bid_price > quote.ask_price


def test_old_updates_are_dropped(decoder):
    assert decoder.feed(book_ticker(u=10), 1.0)
    assert decoder.feed(book_ticker(u=10), 1.0) == []
    assert decoder.feed(book_ticker(u=9), 1.0) == []
    assert decoder.feed(book_ticker(u=11), 1.0)


def test_a_restarted_count_does_not_silence_a_symbol(decoder):
    decoder.feed(book_ticker(u=1000, T=1_000), 1.0)

    assert decoder.feed(book_ticker(u=1, T=12_000), 1.0)


def test_after_a_reset_any_update_counts(decoder):
    decoder.feed(book_ticker(u=10), 1.0)
    decoder.reset(["btcusdt@bookTicker"])

    assert decoder.feed(book_ticker(u=3), 1.0)


def test_an_updated_catalogue_keeps_the_order(exchange, instruments, decoder):
    decoder.feed(book_ticker(u=10), 1.0)
    decoder.update(instruments)

    assert decoder.feed(book_ticker(u=9), 1.0) == []


def test_dated_contracts_are_skipped_and_unknown_ones_are_not(decoder):
    assert decoder.feed(book_ticker("BTCUSDT_261225"), 1.0) == []
    assert decoder.feed(book_ticker("ETHUSD_210924"), 1.0) == []
    with pytest.raises(UnknownContract):
        decoder.feed(book_ticker("NEWUSDT"), 1.0)


def test_raw_mode_has_no_envelope(decoder):
    raw = json.dumps(json.loads(book_ticker())["data"])

    assert isinstance(decoder.feed(raw, 1.0)[0], Quote)


def polled(u=None, time=2000, **fields):
    values = {"symbol": "BTCUSDT", "bidPrice": "1", "bidQty": "2", "askPrice": "3", "askQty": "4", "time": time}
    return json.dumps([{**values, **({} if u is None else {"lastUpdateId": u}), **fields}, {"symbol": "NO"}]).encode()


def test_rest_primes_and_confirms_but_never_overrides(decoder):
    assert decoder.feed_response("quotes:0/1", polled(time=500), 1.0)
    decoder.feed(book_ticker(u=10, T=1000), 1.0)

    assert decoder.feed_response("quotes:0/1", polled(time=999), 1.0) == []
    assert decoder.feed_response("quotes:0/1", polled(u=9, time=1001), 1.0) == []
    (quote,) = decoder.feed_response("quotes:0/1", polled(u=10, time=1000), 5.0)
    assert (quote.bid_price, quote.event_time, quote.received_time) == (1.0, 1.0, 5.0)


def test_each_connection_takes_its_own_part_of_a_poll(decoder):
    parts = [decoder.feed_response(f"quotes:{shard}/2", polled(), 1.0) for shard in (0, 1)]

    assert sorted(len(part) for part in parts) == [0, 1]
    assert decoder.feed_response("quotes_coinm:0/1", polled(), 1.0) == []


def test_polled_errors_and_the_clock(decoder):
    assert decoder.feed_response("time", b'{"serverTime":1791362591474}', 1.0) == [ServerTime(1791362591.474)]
    with pytest.raises(RequestFailed, match="-1121"):
        decoder.feed_response("time", b'{"code":-1121,"msg":"Invalid symbol."}', 1.0)
    with pytest.raises(UnknownMessage):
        decoder.feed_response("weather", b"{}", 1.0)
    with pytest.raises(BadPayload):
        decoder.feed_response("time", b"<html>", 1.0)


def mark(symbol="BTCUSDT", **fields):
    values = {"e": "markPriceUpdate", "E": 1791382993000, "s": symbol, "p": "83084.3", "i": "83123.6", "r": "0.0001"}
    return {**values, "T": 1791388800000, **fields}


def test_mark_index_and_funding(decoder):
    frame = json.dumps({"stream": "!markPrice@arr@1s", "data": [mark(), mark("1000PEPEUSDT", p="2", i="")]})

    assert decoder.feed(frame, 7.0) == [
        Funding("binance", "BTC-USDT", 83084.3, 83123.6, 0.0001, 8.0, 1791388800.0, 1791382993.0, 7.0),
        Funding("binance", "PEPE-USDT", 0.002, None, 0.0001, 4.0, 1791388800.0, 1791382993.0, 7.0),
    ]


def test_a_delisted_contract_has_no_funding(decoder):
    (funding,) = decoder.feed(json.dumps(mark(T=0, r="0.00000000")), 7.0)

    assert (funding.mark_price, funding.funding_rate, funding.next_funding_time) == (83084.3, None, None)


def test_rows_of_an_array_stand_alone(decoder):
    """Unknown and dated rows are normal there; a bad one is logged once and loses nothing else."""
    rows = [mark("BTCUSD_261225", r=""), mark("NEWUSDT"), mark(p="garbage"), "nonsense", mark("XAUUSDT")]

    (funding,) = decoder.feed(json.dumps({"stream": "!markPrice@arr@1s", "data": rows}), 7.0)

    assert funding.symbol == "XAU-USDT"
    with pytest.raises(BadPayload):
        decoder.feed(json.dumps({"stream": "!markPrice@arr@1s", "data": ["nonsense"]}), 7.0)


def test_volume_is_coins_and_turnover_is_quote_currency(decoder):
    """Coin-margined: 9,776,718 contracts of 100 USD, 11,573.7 BTC; linear: coins and dollars as they are."""
    values = {"e": "24hrTicker", "E": 1000, "c": "83050.5", "v": "9776718", "q": "11573.7"}
    rows = [{**values, "s": "BTCUSD_PERP"}, {**values, "s": "BTCUSDT", "v": "170340.583", "q": "14374214019.71"}]

    assert decoder.feed(json.dumps({"stream": "!ticker@arr", "data": rows}), 7.0) == [
        Ticker("binance", "BTC-USD", 83050.5, 11573.7, 977671800.0, None, 1.0, 7.0),
        Ticker("binance", "BTC-USDT", 83050.5, 170340.583, 14374214019.71, None, 1.0, 7.0),
    ]


TICKER = {"e": "24hrTicker", "E": 1000, "s": "BTCUSDT", "c": "83050.5", "v": "170340.583", "q": "14374214019.71"}


@pytest.mark.parametrize(("stream", "plain", "odd"), [
    *[("!markPrice@arr@1s", mark("BTCUSD_PERP"), odd) for odd in (
        {"r": ""}, {"T": 0, "r": ""}, {"T": -1}, {"T": "x"}, {"E": 0}, {"E": None}, {"i": ""}, {"i": "0"}, {"i": "-1"},
        {"p": "0"}, {"p": "nan"}, {"p": "inf"}, {"p": "1e400"}, {"p": True}, {"r": "nan"}, {"r": 0.5}, {"s": "NEWUSDT"},
        {"s": "BTCUSD_261225"}, {"s": None}, {"e": "24hrTicker"}, {"e": "new"}, {"e": None},
    )],
    *[("!ticker@arr", TICKER, odd) for odd in (
        {"c": "0"}, {"c": ""}, {"c": "nan"}, {"c": "-1"}, {"v": "0"}, {"v": ""}, {"v": "inf"}, {"q": "-1"}, {"q": None},
        {"E": 0}, {"E": -1}, {"s": "BTCUSD_PERP"}, {"s": "NEWUSDT"}, {"e": "markPriceUpdate"},
    )],
])  # fmt: skip
def test_arrays_are_the_same_however_they_are_read(exchange, instruments, said, stream, plain, odd):
    """JSON with blanks in it goes the general way; what is plain never does."""
    row = {**plain, **odd}
    lists = [
        [plain, plain],
        [plain, row],
        [row],
        *([{k: v for k, v in row.items() if k != key}, plain] for key in plain),
    ]

    def read(separators):
        decoder = exchange.decoder(instruments)
        return [
            said(decoder, json.dumps({"stream": stream, "data": rows}, separators=separators))
            for rows in (*lists, [], [plain, "x"], plain)
        ]

    assert read((",", ":")) == read(None)
    decoder = exchange.decoder(instruments)
    decoder._general = None
    frame = json.dumps({"stream": stream, "data": [plain, {**plain, "s": "NEWUSDT"}]}, separators=(",", ":"))
    assert len(decoder.feed(frame, 7.0)) == 1


def test_a_partial_book_is_depth_and_a_diff_is_nothing(decoder):
    data = {"e": "depthUpdate", "E": 2, "T": 1000, "s": "BTCUSD_PERP", "b": [["50000", "5"]], "a": [["50001", "0"]]}

    (depth,) = decoder.feed(json.dumps({"stream": "btcusd_perp@depth10@500ms", "data": data}), 7.0)
    assert depth == Depth("binance", "BTC-USD", ((50000.0, 0.01),), (), 1.0, 7.0)
    assert decoder.feed(json.dumps({"stream": "btcusd_perp@depth@100ms", "data": data}), 7.0) == []
    assert decoder.feed(json.dumps(data), 7.0) == []


def test_control_messages(decoder):
    assert decoder.feed('{"result":null,"id":3}', 1.0) == [Ack("3")]
    assert decoder.feed('{"result":["btcusdt@bookTicker"],"id":3}', 1.0) == [Ack("3")]
    assert isinstance(decoder.feed('{"event":{"e":"serverShutdown","E":1}}', 1.0)[0], Closing)
    assert decoder.feed('{"e":"kline","s":"BTCUSDT","k":{}}', 1.0) == []
    with pytest.raises(SubscriptionRejected) as caught:
        decoder.feed('{"error":{"code":4,"msg":"Too many subscriptions"},"id":7}', 1.0)
    assert (caught.value.request_id, caught.value.topics) == ("7", ())
    with pytest.raises(UnknownMessage):
        decoder.feed('{"e":"newThing"}', 1.0)


def test_announcements_of_what_the_catalogue_does_not_know(decoder):
    def announced(symbol, status, contract_type="PERPETUAL"):
        return decoder.feed(json.dumps({"e": "contractInfo", "s": symbol, "ct": contract_type, "cs": status}), 1.0)

    assert announced("BTCUSDT", "TRADING") == []  # only its margin tiers changed
    assert announced("BTCUSDT", "SETTLING") == [CatalogueChanged("BTCUSDT is SETTLING")]
    assert announced("NEWUSDT", "PENDING_TRADING") == [CatalogueChanged("NEWUSDT is PENDING_TRADING")]
    assert announced("BTCUSDT_261225", "TRADING", "CURRENT_QUARTER") == []


def test_plans(exchange, instruments):
    plans = {plan.pool: plan for plan in exchange.connections(instruments)}

    assert plans["public"].url == "wss://fstream.binance.com/public/stream"
    assert plans["coinm"].url == "wss://dstream.binance.com/stream"
    assert plans["market"].topics == ("!markPrice@arr@1s", "!ticker@arr", "!contractInfo")
    assert "omgusdt@bookTicker" not in plans["public"].topics  # it does not trade
    assert [poll.every_s for poll in plans["public"].polls] == [5.0, 10.0]
    assert json.loads(plans["coinm"].messages[0]) == {
        "method": "SUBSCRIBE",
        "params": ["bchusd_perp@bookTicker", "btcusd_perp@bookTicker"],
        "id": 1,
    }
    assert exchange.symbols_of(["btcusdt@bookTicker", "!ticker@arr"], instruments) == {"BTC-USDT"}


def test_depth_on_request(exchange, instruments):
    (plan,) = [p for p in exchange.connections(instruments, {"depth"}) if p.pool == "coinm"]

    assert plan.topics == ("bchusd_perp@depth10@500ms", "btcusd_perp@depth10@500ms")
    assert plan.polls == ()


@pytest.mark.recordings
def test_every_sample(exchange, recordings):
    decoder = exchange.decoder(exchange.parse_instruments(recordings.listings("binance")))
    outcomes = {}
    for _, text in recordings.frames("binance"):
        try:
            words = decoder.feed(text, 1.0)
        except (UnknownMessage, UnknownContract, SubscriptionRejected) as error:
            words = [error]
        for word in words:
            outcomes[type(word).__name__] = outcomes.get(type(word).__name__, 0) + 1

    # REST answers, of which there are five, are no frames; XRP and ETC are not in the samples' listing.
    assert outcomes == {
        "Quote": 3,
        "Funding": 3,
        "Ticker": 2,
        "Depth": 1,
        "Ack": 4,
        "CatalogueChanged": 1,
        "SubscriptionRejected": 4,
        "UnknownContract": 2,
        "UnknownMessage": 5,
    }


@pytest.mark.recordings
def test_every_recorded_frame(exchange, recordings, outcomes):
    bodies = recordings.bodies("binance/instruments.jsonl") + recordings.bodies("binance-coinm/instruments.jsonl")
    instruments = exchange.parse_instruments(bodies)

    linear = outcomes(lambda: exchange.decoder(instruments), recordings.inbound("binance/ws.jsonl"))
    inverse = outcomes(lambda: exchange.decoder(instruments), recordings.inbound("binance-coinm/ws.jsonl"))

    assert linear == {"Quote": 2539, "nothing": 1530, "Funding": 3, "Ticker": 2, "Depth": 1, "Ack": 1}
    # RUNE was listed after the recorded catalogue.
    assert inverse == {
        "Quote": 1554,
        "nothing": 2129,
        "Funding": 2,
        "Ticker": 1,
        "Depth": 1,
        "UnknownContract": 1,
    }


@pytest.mark.recordings
def test_recorded_listing(exchange, recordings):
    bodies = recordings.bodies("binance/instruments.jsonl") + recordings.bodies("binance-coinm/instruments.jsonl")
    instruments = exchange.parse_instruments([*bodies, *recordings.bodies("binance/funding.jsonl")[:1]])

    assert len(instruments) == 137
    by_symbol = {instrument.symbol: instrument for instrument in instruments}
    assert by_symbol["BTCDOM-USDT"].pairing is Pairing.EXCLUDE
    assert by_symbol["SHIB-USDT"].multiplier == 1000.0
    assert by_symbol["BTC-USD"].contract_multiplier == 100.0
    # "multiplierDown":"0.8500","multiplierUp":"1.1500", or 0.95 and 1.05, or 0.90 and 1.10, both products.
    assert by_symbol["BTC-USDT"].price_band == by_symbol["BTC-USD"].price_band == pytest.approx(0.15)
    assert {i.price_band for i in instruments} == {0.05, 0.1, 0.15}
