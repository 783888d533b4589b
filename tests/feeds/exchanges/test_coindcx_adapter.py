"""CoinDCX: JSON twice over, numbered windows that may begin with a change, prices of all, details by turns."""

import json
from math import isfinite

import msgspec
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.errors import BadListing, BadPayload, FeedError, RequestFailed, UnknownContract, UnknownMessage
from feeds.exchanges import coindcx
from feeds.exchanges.base import Ack, CatalogueChanged, Closing, Resync
from market.models import AssetClass, Depth, Funding, Pairing, Quote, Status, Ticker

MS = 1_790_134_884_511
IDS = ["B-BTC_USDT", "B-ETH_USDT", "B-1000PEPE_USDT", "B-1MBABYDOGE_USDT", "B-XAU_USDT", "B-STG_USDT"]


def details(pair="B-BTC_USDT", **row):
    return json.dumps(
        {
            "instrument": {
                "pair": pair,
                "status": "active",
                "kind": "perpetual",
                "settle_currency_short_name": "USDT",
                "unit_contract_value": 1.0,
                "price_increment": 0.1,
                "quantity_increment": 0.001,
                "min_notional": 60.0,
                "maker_fee": 0.0236,
                "taker_fee": 0.059,
                "is_inverse": False,
                "is_quanto": False,
                "funding_frequency": 8,
                "exit_only": False,
                **row,
            }
        }
    ).encode()


DETAILS = [
    details(),
    details("B-1000PEPE_USDT", price_increment=1e-07, quantity_increment=1.0, funding_frequency=4),
    details("B-XAU_USDT", maker_fee=0.0118, taker_fee=0.0118),
    details("B-STG_USDT", exit_only=True),
    details("B-OLD_USDT", status="inactive"),
]


@pytest.fixture
def exchange():
    return coindcx.Adapter()


@pytest.fixture
def instruments(exchange):
    return exchange.parse_instruments([json.dumps(IDS).encode(), *DETAILS])


@pytest.fixture
def decoder(exchange, instruments):
    return exchange.decoder(instruments)


def event(name, data, twice=True):
    return orjson.dumps([name, {"event": name, "data": orjson.dumps(data).decode() if twice else data}])


def book(kind, bids, asks, vs, symbol="ETHUSDT", ts=MS, twice=True, **data):
    data = {
        "ts": ts,
        "vs": vs,
        "asks": asks,
        "bids": bids,
        "type": kind,
        "pts": ts,
        "pr": "futures",
        "s": symbol,
        **data,
    }
    return event(kind, data, twice)


def snapshot(vs=10, bids=None, asks=None, **data):
    bids, asks = bids or {"2776.9": "89.848", "2776.89": "0.76"}, asks or {"2777": "0.548", "2776.91": "12.065"}
    return book("depth-snapshot", bids, asks, vs, **data)


def change(vs, bids, asks, **data):
    return book("depth-update", bids, asks, vs, E=MS + vs, **data)


def tops(words):
    return [(w.bid_price, w.bid_size, w.ask_price, w.ask_size) if isinstance(w, Quote) else w for w in words]


def test_listing_in_our_units(instruments):
    by_id = {instrument.exchange_symbol: instrument for instrument in instruments}
    btc, pepe, doge = by_id["B-BTC_USDT"], by_id["B-1000PEPE_USDT"], by_id["B-1MBABYDOGE_USDT"]

    assert (btc.symbol, btc.tick_size, btc.lot_size, btc.min_notional) == ("BTC-USDT", 0.1, 0.001, 60.0)
    assert (btc.maker_fee_bps, btc.taker_fee_bps) == (pytest.approx(2.36), pytest.approx(5.9))  # from percent
    assert (btc.funding_interval_h, btc.pairing) == (8.0, Pairing.RELAY)
    assert (pepe.symbol, pepe.multiplier, pepe.lot_size) == ("PEPE-USDT", 1000.0, 1000.0)
    assert pepe.tick_size == pytest.approx(1e-10)
    assert (doge.multiplier, doge.tick_size, doge.funding_interval_h, doge.taker_fee_bps) == (1e6, None, None, 5.9)
    assert (by_id["B-XAU_USDT"].asset_class, by_id["B-XAU_USDT"].maker_fee_bps) == (AssetClass.COMMODITY, 1.18)
    assert by_id["B-STG_USDT"].status is Status.HALTED
    assert by_id["B-OLD_USDT"].status is Status.CLOSED  # its details remain, the list is without it


def test_details_are_read_by_turns(exchange):
    """One request a contract: some with each reading of the list, and then again those read longest ago."""
    ids = [f"B-C{n}_USDT" for n in range(50)]
    (first,) = exchange.instrument_requests()
    body = json.dumps(ids).encode()

    turns = [[request.params["pair"] for request in exchange.next_requests(first, body)] for _ in range(4)]

    assert [len(turn) for turn in turns] == [40, 10, 20, 20]
    assert turns[0] + turns[1] == ids
    assert turns[2] + turns[3] == ids[:40]
    requests = exchange.next_requests(first, json.dumps([*ids, "B-NEW_USDT"]).encode())
    assert [(request.params["pair"], request.optional) for request in requests] == [("B-NEW_USDT", True)]
    assert exchange.next_requests(requests[0], details()) == []
    assert exchange.next_requests(first, b'{"status":"error"}') == []


def test_what_is_still_to_be_read_is_asked_for(exchange):
    """A snapshot of prices comes every 15 s."""
    body = json.dumps([f"B-C{n}_USDT" for n in range(50)]).encode()
    decoder = exchange.decoder(exchange.parse_instruments([body]))
    prices = event("currentPrices@futures#snapshot", {"ts": MS, "vs": 1, "prices": {}, "pr": "futures"})

    assert decoder.feed(prices, 1.0) == [CatalogueChanged("the details of 50 contracts are still to be read")]
    exchange.next_requests(exchange.instrument_requests()[0], body)
    assert decoder.feed(prices, 1.0) == [CatalogueChanged("the details of 10 contracts are still to be read")]
    exchange.next_requests(exchange.instrument_requests()[0], body)
    assert decoder.feed(prices, 1.0) == []


def test_an_unknown_contract_is_answered_with_another(exchange):
    kept = exchange.parse_instruments([b'["B-BTC_USDT","B-LAB_USDT"]', details("B-LAB_USDT", funding_frequency=1)])

    assert [i.funding_interval_h for i in kept] == [None, 1.0]


def test_what_is_no_listing_and_what_is_no_row(exchange, caplog):
    bodies = [b'["B-BTC_USDT",7,"BTCUSDT","B-QTO_USDT"]', b'{"instrument":{}}', b'{"status":"error"}']
    kept = exchange.parse_instruments([*bodies, details("B-QTO_USDT", is_quanto=True)])

    assert [instrument.symbol for instrument in kept] == ["BTC-USDT"]
    assert caplog.text.count("left out an unreadable listing") == 4
    for body in (b"", b"<html>", b'{"status":"error","message":"not_found","code":404}'):
        with pytest.raises(BadListing):
            coindcx.Adapter().parse_instruments([body])


@pytest.mark.parametrize("twice", [True, False], ids=["data as text", "data as an object"])
def test_a_book_begins_with_a_snapshot(decoder, twice):
    """Integer prices stand first in the object, whatever their order."""
    assert decoder.feed(snapshot(twice=twice), 7.0) == (
        Quote("coindcx", "ETH-USDT", 2776.9, 89.848, 2776.91, 12.065, MS / 1000, 7.0),
    )


def test_raw_packets_of_recordings_are_read(decoder):
    assert decoder.feed(b"42" + snapshot(), 7.0)
    assert decoder.feed("2", 7.0) == [Ack()]
    assert decoder.feed('0{"sid":"cJ","pingInterval":25000}', 7.0) == []
    assert decoder.feed('40{"sid":"tw"}', 7.0) == []
    assert [type(word) for word in decoder.feed("41", 7.0)] == [Closing]
    for packet in ("7", "", "44{}", "42nope", "[]", '["join"]'):
        with pytest.raises(FeedError):
            decoder.feed(packet, 7.0)


def test_changes_continue_the_book(decoder):
    decoder.feed(snapshot(10), 7.0)

    words = decoder.feed(change(11, {"2776.9": "80.1"}, {"2776.91": "0", "2776.92": "3.1"}), 7.0)
    assert tops(words) == [(2776.9, 80.1, 2776.92, 3.1)]
    assert words[0].event_time == (MS + 11) / 1000  # Binance's time
    assert tops(decoder.feed(change(12, {"2776.9": "0", "2776.89": "0.0"}, {}), 7.0)) == [(None, None, 2776.92, 3.1)]
    assert decoder.feed(change(12, {"2776.9": "1"}, {}), 7.0) == ()
    assert decoder.feed(snapshot(12), 7.0) == ()
    assert decoder.outdated == 2


def test_bundles_are_divided(decoder):
    (quote,) = decoder.feed(snapshot(5, {"0.0040731": "5000"}, {"0.0040732": "1"}, symbol="1000PEPEUSDT"), 7.0)

    assert (quote.bid_price, quote.bid_size) == (pytest.approx(4.0731e-6), 5e6)


def test_levels_outside_the_window_are_forgotten(decoder):
    bids = {str(2700 - n): "1" for n in range(10)}
    decoder.feed(snapshot(1, bids), 7.0)
    decoder.feed(change(2, {"2701": "1"}, {}), 7.0)  # 2691 falls out
    words = decoder.feed(change(3, dict.fromkeys([*bids, "2701"], "0") | {"2691": "1"}, {}), 7.0)
    assert tops(words)[0][0] == 2691.0
    decoder.feed(change(4, {str(2700 - n): "1" for n in range(12)}, {}), 7.0)
    words = decoder.feed(change(5, {str(2700 - n): "0" for n in range(10)}, {}), 7.0)
    assert tops(words)[0][:2] == (None, None)


def test_a_gap_is_joined_anew_and_bridged_over_rest(decoder):
    decoder.feed(snapshot(10), 7.0)

    assert decoder.feed(change(12, {"2776.9": "1"}, {}), 7.0) == (
        Resync("B-ETH_USDT@orderbook@10-futures", "12 came after 10"),
    )
    assert decoder.feed(change(13, {"2776.9": "2"}, {}), 7.0) == ()
    body = {"ts": MS, "vs": 11, "asks": {"2777": "5"}, "bids": {"2776.9": "9"}}
    words = decoder.feed_response("book:B-ETH_USDT", orjson.dumps(body), 8.0)
    assert tops(words) == [(2776.9, 2.0, 2777.0, 5.0)]
    assert tops(decoder.feed(change(14, {"2776.9": "3"}, {}), 8.0)) == [(2776.9, 3.0, 2777.0, 5.0)]


def test_a_join_that_begins_with_a_change_waits_for_the_book(decoder):
    def polled(vs, ts=MS):
        body = {"ts": ts, "vs": vs, "asks": {"2777": "5"}, "bids": {"2776.9": "9"}}
        return tops(decoder.feed_response("book:B-ETH_USDT", orjson.dumps(body), 8.0))

    assert decoder.feed(change(12, {"2776.9": "1"}, {}), 7.0) == ()
    assert polled(10) == []  # from before what is known: a cached answer
    assert polled(11) == [(2776.9, 1.0, 2777.0, 5.0)]
    assert polled(12) == [(2776.9, 1.0, 2777.0, 5.0)]  # confirmed
    assert polled(11) == []
    assert polled(13) == []  # the stream is about to say the same
    with pytest.raises(RequestFailed):
        polled(0, ts=0)


def test_a_join_that_brings_only_changes_is_made_again(decoder):
    """Every second join begins with the book; asking for it over REST has its turn only every two minutes.

    Nothing was missed: it is no gap.
    """
    again = (Resync("B-ETH_USDT@orderbook@10-futures", "no whole book has come", missed=False),)

    assert [decoder.feed(change(n, {"2776.9": "1"}, {}), float(n)) for n in (12, 14, 17)] == [(), (), ()]
    assert decoder.feed(change(18, {"2776.9": "1"}, {}), 18.5) == again
    assert decoder.feed(change(19, {"2776.9": "1"}, {}), 19.0) == ()
    assert decoder.feed(snapshot(20), 20.0)


def test_a_stream_that_has_stopped_yields_to_rest(decoder):
    decoder.feed(snapshot(10), 7.0)
    body = {"ts": MS, "vs": 15, "asks": {"2777": "5"}, "bids": {"2776": "9"}}

    assert tops(decoder.feed_response("book:B-ETH_USDT", orjson.dumps(body), 13.0)) == [(2776.0, 9.0, 2777.0, 5.0)]


def test_a_crossed_book_is_never_told(decoder):
    decoder.feed(snapshot(10), 7.0)

    (word,) = decoder.feed(change(11, {"2777.5": "1"}, {}), 7.0)
    assert isinstance(word, Resync)
    decoder.reset([word.topic])
    assert tops(decoder.feed(snapshot(3), 7.0)) == [(2776.9, 89.848, 2776.91, 12.065)]


def test_a_whole_book_replaces_what_stood(decoder):
    decoder.feed(snapshot(10), 7.0)

    assert tops(decoder.feed(snapshot(11, {"2776": "1"}, {"2778": "2"}), 7.0)) == [(2776.0, 1.0, 2778.0, 2.0)]


def test_a_count_that_starts_again_is_taken(decoder):
    decoder.feed(snapshot(10), 7.0)

    assert decoder.feed(snapshot(3, ts=MS + 10_001), 18.0)


@pytest.mark.parametrize("level", [("nan", "1"), ("1", "nan"), ("inf", "1"), ("-1", "1"), ("1", "-1"), ("x", "1")])
def test_what_is_no_level_changes_nothing(decoder, level):
    decoder.feed(snapshot(10), 7.0)

    with pytest.raises(BadPayload):
        decoder.feed(change(11, {"2776": "1", level[0]: level[1]}, {}), 7.0)
    assert decoder.feed(change(11, {}, {"2776.91": "1"}), 7.0)


def test_depth_on_request(exchange, instruments):
    plans = exchange.connections(instruments, {"quotes", "depth"})
    decoder = exchange.decoder(instruments)

    quote, deep = decoder.feed(snapshot(), 7.0)

    assert "B-ETH_USDT@orderbook@20-futures" in plans[0].topics
    assert (quote.bid_price, type(deep)) == (2776.9, Depth)
    assert deep.bids == ((2776.9, 89.848), (2776.89, 0.76))
    assert deep.asks == ((2776.91, 12.065), (2777.0, 0.548))


def prices(kind="update", ts=MS, **rows):
    named = {f"B-{base}_USDT": row for base, row in rows.items()}
    return event(f"currentPrices@futures#{kind}", {"vs": 1, "ts": ts, "pr": "futures", "pST": ts, "prices": named})


def test_prices_of_what_has_changed(decoder):
    """9,120,031,233.2 USDT at 86,857.7 are 105,000 BTC. The next settlement is on the grid of 8 hours."""
    row = {
        "ls": 86857.7,
        "v": 9120031233.2,
        "mp": 86855.2,
        "efr": -9e-05,
        "fr": 1.0,
        "bmST": MS - 400,
        "btST": MS - 300,
    }
    settlement = (MS // 28_800_000 + 1) * 28_800

    assert decoder.feed(prices(BTC=row, GONE={"mp": 1.0}), 7.0) == [
        Funding("coindcx", "BTC-USDT", 86855.2, None, -9e-05, 8.0, settlement, (MS - 400) / 1000, 7.0),
        Ticker("coindcx", "BTC-USDT", 86857.7, pytest.approx(104999.686), row["v"], None, (MS - 300) / 1000, 7.0),
    ]
    (mark,) = decoder.feed(prices(ETH={"mp": 2776.0}), 7.0)
    assert (mark.funding_rate, mark.funding_interval_h, mark.next_funding_time) == (None, None, None)


def test_a_frozen_mark_is_left_out(decoder):
    row = {"ls": 1.0, "mp": 2776.0, "bmST": MS - 60_000}

    assert [type(word) for word in decoder.feed(prices(ETH=row), 7.0)] == [Ticker]
    body = orjson.dumps({"ts": MS, "vs": 1, "prices": {"B-ETH_USDT": {"mp": 2776.0, "bmST": MS}}})
    assert [type(word) for word in decoder.feed_response("prices", body, 7.0)] == [Funding]


def test_one_bad_price_loses_only_itself(decoder):
    assert len(decoder.feed(prices(BTC={"mp": "x"}, ETH={"mp": 1.0}), 7.0)) == 1
    with pytest.raises(BadPayload):
        decoder.feed(prices(BTC={"mp": -1}), 7.0)


PLAIN = {"ls": 2.0, "v": 8.0, "mp": 4.0, "efr": 0.1, "bmST": MS - 400, "btST": MS - 300}
PLAIN_WORDS = [
    Funding("coindcx", "ETH-USDT", 4.0, None, 0.1, None, None, (MS - 400) / 1000, 7.0),
    Ticker("coindcx", "ETH-USDT", 2.0, 4.0, 8.0, None, (MS - 300) / 1000, 7.0),
]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, 4),
        ({"mp": "4", "efr": "0.1", "ls": "2", "v": "8", "btST": str(MS)}, 4),
        (dict.fromkeys(PLAIN), 2),
        (dict.fromkeys(PLAIN, ""), 2),
        ({"mp": 0, "ls": 0, "v": None}, 3),
        ({"mp": 5e-324, "efr": None}, 3),  # 0 for one coin
        ({"mp": 5e-324, "efr": None, "ls": 5e-324, "v": None}, 2),
        ({"bmST": 0}, 3),
        ({"bmST": None, "btST": 0}, 4),
        ({"ls": 1e-300, "v": 1e99}, 2),  # more coins than there are numbers
        *(({key: value}, 2) for key in ("mp", "ls", "v", "bmST") for value in (-1, "nan", True, [])),
        *(({"efr": value}, 2) for value in ("inf", True, {})),
        ({"ls": None, "v": None, "btST": "x"}, 3),  # a time that nothing hangs on
    ],
)
def test_prices_read_at_once_are_those_read_one_by_one(exchange, instruments, changed, words):
    """A number that is unusual sends the whole message the general way, as a poll is read: no other row changes."""
    frame = prices(**{"1000PEPE": PLAIN | changed}, ETH=PLAIN)
    body = orjson.loads(frame)[1]["data"].encode()

    read = exchange.decoder(instruments).feed(frame, 7.0)

    assert read == exchange.decoder(instruments).feed_response("prices", body, 7.0)
    assert (len(read), read[-2:]) == (words, PLAIN_WORDS)


def test_a_price_is_finite_whatever_it_is_divided_by(exchange, instruments):
    fractions = [msgspec.structs.replace(instrument, multiplier=0.001) for instrument in instruments]
    decoder = exchange.decoder(fractions)

    assert decoder.feed(prices(BTC={"mp": 1e307}, ETH={"mp": 4.0}), 7.0)[0].mark_price == 4000.0
    assert tops(decoder.feed(snapshot(1, {"1": "2"}, {"1e307": "4"}), 7.0)) == [(1000.0, 2.0, None, None)]


@pytest.mark.parametrize(
    "written",
    [
        lambda frame: frame,
        lambda frame: b"42" + frame,
        lambda frame: frame.replace(b'","data"', b'", "data"'),
        lambda frame: frame[:-2] + b',"more":1}]',
        lambda frame: frame[:-2] + b"} ]",
        lambda frame: event("depth-update", orjson.loads(orjson.loads(frame)[1]["data"]), twice=False),
        lambda frame: frame.replace(b"ETH", b"\\\\u0045TH"),
    ],
)
def test_a_change_may_be_written_otherwise(decoder, written):
    decoder.feed(snapshot(10), 7.0)

    assert tops(decoder.feed(written(change(11, {"2776.9": "80.1"}, {})), 7.0)) == [(2776.9, 80.1, 2776.91, 12.065)]


def test_a_change_that_is_cut_off_is_not_read(decoder):
    decoder.feed(snapshot(10), 7.0)
    frame = change(11, {"2776.9": "80.1"}, {})

    for cut in (frame[:-1], frame[:-2] + b"]]", frame[:-4] + frame[-3:]):
        with pytest.raises(BadPayload):
            decoder.feed(cut, 7.0)
    assert decoder.feed(change(11, {"2776.9": "0"}, {}, pr="spot"), 7.0) == ()
    assert tops(decoder.feed(frame, 7.0)) == [(2776.9, 80.1, 2776.91, 12.065)]


def test_other_events(decoder):
    assert decoder.feed(event("new-trade", {"T": MS, "p": "1", "s": "B-BTC_USDT", "pr": "f"}), 7.0) == []
    assert decoder.feed(event("depth-snapshot", {"ts": 1, "pr": "spot", "s": "B-BTC_USDT"}), 7.0) == []
    assert decoder.feed(snapshot(pr="spot"), 7.0) == ()
    for nameless in (event("depth-update", {"something_new": ["a"]}), snapshot(pr="")):
        with pytest.raises(BadPayload):  # it may have been a change of a book of ours
            decoder.feed(nameless, 7.0)
    with pytest.raises(UnknownMessage):
        decoder.feed(event("weather", {}), 7.0)
    with pytest.raises(UnknownContract):
        decoder.feed(snapshot(symbol="CHRUSDT"), 7.0)
    with pytest.raises(UnknownMessage):
        decoder.feed_response("weather", b"{}", 7.0)
    with pytest.raises(RequestFailed):
        decoder.feed_response("prices", b'{"status":"error","message":"not_found","code":404}', 7.0)
    with pytest.raises(UnknownContract):
        decoder.feed_response("book:B-CHR_USDT", b'{"ts":1,"vs":1,"asks":{},"bids":{}}', 7.0)


def test_plans(exchange, instruments):
    books, market = exchange.connections(instruments)

    assert (books.transport, books.topics_per_message, market.topics) == (
        "socketio",
        1,
        ("currentPrices@futures@rt",),
    )
    assert "B-STG_USDT@orderbook@10-futures" not in books.topics
    assert books.messages[0] == f'["join",{{"channelName":"{books.topics[0]}"}}]'
    assert exchange.unsubscribe(["x"], "1") == '["leave",{"channelName":"x"}]'
    assert {poll.request.purpose for poll in books.polls} >= {"book:B-BTC_USDT", "book:B-1000PEPE_USDT"}
    assert all(poll.every_s == 120.0 for poll in books.polls)
    urls = {poll.request.url for poll in (*books.polls, *market.polls)}
    assert "https://public.coindcx.com/market_data/v3/orderbook/B-BTC_USDT-futures/10" in urls
    assert exchange.symbols_of([*books.topics[:1], *market.topics], instruments) < {i.symbol for i in instruments}
    assert exchange.connections([]) == []


FRAMES = [
    snapshot(),
    change(11, {"2776.9": "80.1"}, {}),
    snapshot(twice=False),
    prices("snapshot", BTC={"ls": 1.0, "v": 1.0, "mp": 1.0, "efr": 0.1, "bmST": MS}),
    event("new-trade", {"p": "1"}),
]
ODD = st.sampled_from([None, "", "nan", "inf", "-1", "1e308", "1e-320", True, -1, 0, 10**18, [], [[]], {}, "ETHUSDT"])


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
    exchange = coindcx.Adapter()
    decoder = exchange.decoder(exchange.parse_instruments([json.dumps(IDS).encode()]))
    message = orjson.loads(data.draw(st.sampled_from(FRAMES)))
    if isinstance(message[1]["data"], str) and data.draw(st.booleans()):
        inner = orjson.loads(message[1]["data"])
        inner = replaced(inner, data.draw(st.sampled_from(list(places(inner)))), data.draw(ODD))
        message[1]["data"] = orjson.dumps(inner).decode()
    else:
        message = replaced(message, data.draw(st.sampled_from(list(places(message)))), data.draw(ODD))
    try:
        words = decoder.feed(orjson.dumps(message), 1.0)
    except FeedError:
        words = ()

    for word in words:
        if isinstance(word, Quote):
            assert all(n is None or (isfinite(n) and n > 0.0) for n in tops([word])[0])
    assert tops(decoder.feed(snapshot(1, {"1": "2"}, {"3": "4"}, symbol="BTCUSDT"), 1.0))


@pytest.mark.recordings
def test_every_sample(exchange, recordings):
    instruments = exchange.parse_instruments(recordings.listings("coindcx"))
    decoder = exchange.decoder(instruments)
    outcomes = {}
    for _, text in recordings.frames("coindcx"):
        if text.startswith("{"):
            text = json.loads(text).get("frame")
        if text is None:
            continue
        try:
            words = decoder.feed(text, 1.0) or [None]
        except UnknownContract as error:
            words = [error]
        for word in words:
            outcomes[type(word).__name__] = outcomes.get(type(word).__name__, 0) + 1

    # The two frames of ETHUSDT stand in two files. CHR, NTRN, CL and LDO are not in the samples' listing.
    assert outcomes == {
        "Quote": 2,
        "Funding": 3,
        "Ticker": 3,
        "CatalogueChanged": 2,
        "Ack": 1,
        "UnknownContract": 1,
        "NoneType": 9,
    }


@pytest.mark.recordings
def test_every_recorded_frame(exchange, recordings, outcomes):
    ids = ["B-ETH_USDT", "B-CHR_USDT", "B-CL_USDT", "B-NATGAS_USDT", "B-1000SHIB_USDT"]
    bodies = [json.dumps(ids).encode(), *recordings.bodies("coindcx/instruments.jsonl")]
    instruments = exchange.parse_instruments(bodies)
    names = iter(["depth-snapshot", "depth-update", "currentPrices@futures#update", "new-trade", "price-change"])
    payloads = recordings.inbound("coindcx/ws.payload.jsonl")
    packed = [(place, when, event(next(names), json.loads(text)).decode()) for place, when, text in payloads]

    assert instruments[-1].symbol == "AAVE-USDT"
    assert outcomes(lambda: exchange.decoder(instruments), recordings.inbound("coindcx/ws.jsonl")) == {"nothing": 2}
    assert outcomes(lambda: exchange.decoder(instruments), iter(packed)) == {"Quote": 1, "nothing": 3, "Funding": 1}
    decoder = exchange.decoder(instruments)
    (body,) = recordings.bodies("coindcx/tickers.jsonl")
    assert [type(word) for word in decoder.feed_response("prices", body, 1.0)] == [Funding, Ticker]
    (body,) = recordings.bodies("coindcx/depth.jsonl")
    assert tops(decoder.feed_response("book:B-ETH_USDT", body, 1.0)) == [(1996.0, 1.55, 2001.0, 2.145)]


def test_one_host_may_stand_in_for_both():
    exchange = coindcx.Adapter({"rest": "http://127.0.0.1:9000/", "ws": "ws://127.0.0.1:9001"})
    instruments = exchange.parse_instruments([json.dumps(IDS).encode()])

    plans = exchange.connections(instruments)
    assert {plan.url for plan in plans} == {"ws://127.0.0.1:9001"}
    assert all(poll.request.url.startswith("http://127.0.0.1:9000/") for plan in plans for poll in plan.polls)
