"""Gate: units, sizes as numbers and text, merged polls, chained books, refusals, and every recorded frame."""

import json

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
from feeds.exchanges import gate
from feeds.exchanges.base import Ack, CatalogueChanged, Closing, Resync, ServerTime
from market.models import AssetClass, Depth, Funding, Pairing, Quote, Status, Ticker


def row(name, size="1", **fields):
    return {
        "name": name,
        "type": "direct",
        "quanto_multiplier": size,
        "order_price_round": "0.1",
        "order_size_min": 1,
        "funding_interval": 28800,
        "funding_rate": "0.0001",
        "funding_next_apply": 1789459200,
        "mark_price": "100",
        "index_price": "101",
        "maker_fee_rate": "-0.000152",
        "taker_fee_rate": "0.00075",
        "status": "trading",
        "in_delisting": False,
        "is_pre_market": False,
        "enable_decimal": False,
        "contract_type": "",
        "position_size": 5,
        "launch_time": 0,
        "create_time": 1681909147,
        **fields,
    }


INVERSE = {"type": "inverse", "order_size_min": 1}
ROWS = [
    row("BTC_USDT", "0.0001"),
    row("ETH_USDT", "0.01", enable_decimal=True, order_size_min=0, order_price_round="0.01"),
    row("MBABYDOGE_USDT", "100", funding_interval=14400, order_price_round="0.0000001"),
    row("BTC_USD", "0", **INVERSE),
    row("BTC_USD1", "0.0001"),
    row("币安人生_USDT", "10"),
]
LISTING = json.dumps(ROWS).encode()


@pytest.fixture
def exchange():
    return gate.Adapter()


@pytest.fixture
def instruments(exchange):
    return exchange.parse_instruments([LISTING, b"[]", b""])


@pytest.fixture
def decoder(exchange, instruments):
    return exchange.decoder(instruments)


def frame(channel, result, event="update", **fields):
    message = {"time": 1, "time_ms": 2000, "channel": channel, "event": event, "result": result, **fields}
    return orjson.dumps(message).decode()


def top(bid="100", bid_size=20, ask="101", ask_size=30, name="BTC_USDT", u=5, t=1_785_548_245_214):
    result = {"t": t, "u": u, "s": name, "b": bid, "B": bid_size, "a": ask, "A": ask_size}
    return frame("futures.book_ticker", result)


def test_listing_in_our_units(instruments):
    by_id = {instrument.exchange_symbol: instrument for instrument in instruments}
    btc, eth, doge, usd, usd1 = (
        by_id[f"{i}"] for i in ("BTC_USDT", "ETH_USDT", "MBABYDOGE_USDT", "BTC_USD", "BTC_USD1")
    )

    assert (btc.symbol, btc.contract_multiplier, btc.lot_size, btc.tick_size) == ("BTC-USDT", 0.0001, 0.0001, 0.1)
    assert (btc.maker_fee_bps, btc.taker_fee_bps, btc.listed_time) == (2.0, 5.0, 1681909147.0)
    assert eth.lot_size == pytest.approx(0.001)  # a tenth of a contract of 0.01
    assert (doge.symbol, doge.multiplier, doge.contract_multiplier) == ("BABYDOGE-USDT", 1e6, 1e8)
    assert (doge.funding_interval_h, doge.tick_size) == (4.0, pytest.approx(1e-13))
    assert (usd.symbol, usd.kind, usd.settle, usd.contract_multiplier) == ("BTC-USD", "inverse", "BTC", 1.0)
    assert (usd1.symbol, usd1.settle) == ("BTC-USD1", "USD1")
    assert by_id["币安人生_USDT"].symbol == "币安人生-USDT"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"status": "prelaunch"}, Status.PRE_MARKET),
        ({"status": "delisting"}, Status.HALTED),
        ({"status": "circuit_breaker"}, Status.HALTED),
        ({"status": "delisted"}, Status.CLOSED),
        ({"in_delisting": True}, Status.HALTED),
        ({"status": None, "in_delisting": True, "position_size": 0}, Status.CLOSED),
        ({"status": None}, Status.TRADING),
    ],
)
def test_states(exchange, fields, status):
    (instrument,) = exchange.parse_instruments([json.dumps([row("BTC_USDT", **fields)]).encode()])

    assert instrument.status is status


def test_classes_and_aliases(exchange):
    rows = [
        row("AAPL_USDT", contract_type="stocks"),
        row("OPENAI_USDT", contract_type="stocks", is_pre_market=True),
        row("XAU_USDT", contract_type="metals"),
        row("US500_USDT", contract_type="indices"),
        row("BEAMX_USDT"),
        row("BROCCOLI_USDT"),
        row("NEW_USDT", is_pre_market=True),
    ]
    listed = exchange.parse_instruments([json.dumps(rows).encode()])

    assert [(i.symbol, i.asset_class, i.pairing) for i in listed] == [
        ("AAPL.EQ-USDT", AssetClass.EQUITY, Pairing.OK),
        ("OPENAI.PRE-USDT", AssetClass.PREIPO, Pairing.HIDE),
        ("XAU-USDT", AssetClass.COMMODITY, Pairing.OK),
        ("SPX500-USDT", AssetClass.INDEX, Pairing.OK),
        ("BEAM-USDT", AssetClass.CRYPTO, Pairing.OK),
        ("BROCCOLI714-USDT", AssetClass.CRYPTO, Pairing.CHECK),
        ("NEW-USDT", AssetClass.CRYPTO, Pairing.HIDE),
    ]


def test_an_unreadable_row_loses_only_itself(exchange, caplog):
    rows = [{"name": "ETH_USDT"}, 7, row("ETH_USD", "0.000001"), row("BTC_USDT")]
    kept = exchange.parse_instruments([json.dumps(rows).encode()])

    assert [instrument.symbol for instrument in kept] == ["BTC-USDT"]
    assert caplog.text.count("left out an unreadable listing") == 3


@pytest.mark.parametrize("bodies", [[b"<html>"], [b'{"label":"MISSING_REQUIRED_HEADER"}'], [b"", b"", b""]])
def test_a_body_that_is_no_listing(exchange, bodies):
    with pytest.raises(BadListing):
        exchange.parse_instruments(bodies)


def test_a_list_cut_to_a_page_is_followed(exchange):
    first = exchange.instrument_requests()[0]
    page = json.dumps([row(f"C{n}_USDT") for n in range(100)]).encode()
    (second,) = exchange.next_requests(first, page)

    assert second.params == {"limit": "100", "offset": "100"}
    assert exchange.next_requests(second, page)[0].params["offset"] == "200"
    assert exchange.next_requests(first, LISTING) == []
    assert exchange.next_requests(first, b"") == []


def test_linear_sizes_are_contracts(decoder):
    """2,781.6 contracts of 0.01 ETH at 2,480.27 are 27.816 ETH and 68,991.19 USDT; sizes may come as text."""
    (quote,) = decoder.feed(top("2480.27", "2781.6", "2480.28", "8292", "ETH_USDT"), 7.0)

    assert quote == Quote(
        "gate", "ETH-USDT", 2480.27, pytest.approx(27.816), 2480.28, pytest.approx(82.92), 1785548245.214, 7.0
    )
    assert quote.bid_price * quote.bid_size == pytest.approx(68991.19, abs=0.005)


def test_inverse_sizes_count_dollars(decoder):
    """6,613 USD at 77,250 are 0.085605 BTC."""
    (quote,) = decoder.feed(top("77250", 6613, "77251", 1, "BTC_USD"), 7.0)

    assert quote.bid_size == pytest.approx(0.085605, abs=5e-7)


def test_millions_become_coins(decoder):
    """10 contracts of 100 million coins at 0.0013506 a million are 1.3506 USDT."""
    (quote,) = decoder.feed(top("0.0013506", 10, "0.0013507", 1, "MBABYDOGE_USDT"), 7.0)

    assert (quote.bid_price, quote.bid_size) == (pytest.approx(1.3506e-9), pytest.approx(1e9))


@pytest.mark.parametrize(("bid", "size"), [("", 0), ("", "0"), (None, None), ("0", 0)])
def test_an_empty_side_is_none(decoder, bid, size):
    (quote,) = decoder.feed(top(bid, size), 7.0)

    assert (quote.bid_price, quote.bid_size, quote.ask_price) == (None, None, 101.0)


def test_old_and_repeated_quotes_are_dropped(decoder):
    """The same values under a new number are no repetition; a number far below is a new count if the clock went on."""
    assert decoder.feed(top(u=5), 7.0)
    assert decoder.feed(top(u=5), 7.0) == []
    assert decoder.feed(top(u=4), 7.0) == []
    assert decoder.outdated == 2
    assert decoder.feed(top(u=6), 7.0)
    assert decoder.feed(top(u=1, t=1_785_548_265_214), 7.0)
    decoder.reset(["futures.book_ticker:BTC_USDT"])
    assert decoder.feed(top(u=1), 7.0)


@pytest.mark.parametrize("price", ["nan", "inf", "-1", "abc", [], True])
def test_what_is_no_price_never_gets_out(decoder, price):
    with pytest.raises(BadPayload):
        decoder.feed(top(price), 7.0)
    assert decoder.feed(top(), 7.0)


TICKER = {
    "contract": "BTC_USDT",
    "last": "77175.1",
    "total_size": "651185722",
    "volume_24h": "518068345",
    "volume_24h_base": "51806",
    "volume_24h_quote": "3998197000",
    "mark_price": "77183.5",
    "index_price": "77221.8",
    "funding_rate": "0.000072",
    "funding_interval": 28800,
    "funding_next_apply": 1789459200,
    "t": 1789456337802,
}


def test_a_ticker_is_funding_and_market_data(decoder):
    """518,068,345 contracts of 0.0001 BTC are 51,806.8 BTC; intervals and payment times are seconds."""
    assert decoder.feed(frame("futures.tickers", [TICKER]), 7.0) == [
        Funding("gate", "BTC-USDT", 77183.5, 77221.8, 0.000072, 8.0, 1789459200.0, 1789456337.802, 7.0),
        Ticker(
            "gate",
            "BTC-USDT",
            77175.1,
            pytest.approx(51806.8345),
            3998197000.0,
            pytest.approx(65118.5722),
            1789456337.802,
            7.0,
        ),
    ]


def test_an_inverse_ticker_counts_dollars(decoder):
    """1,000,000 contracts at 50,000 are 20 BTC, and 4,000,000 of interest at a mark of 40,000 are 100."""
    fields = {"contract": "BTC_USD", "volume_24h": 1000000, "last": "50000", "total_size": 4000000}
    market = decoder.feed(frame("futures.tickers", [{**fields, "mark_price": "40000"}]), 7.0)[1]

    assert (market.volume_24h, market.turnover_24h, market.open_interest) == (20.0, 1e6, 100.0)


def test_a_ticker_without_values_says_nothing(decoder):
    funding, market = decoder.feed(frame("futures.tickers", [{"contract": "BTC_USDT", "mark_price": ""}, 7]), 7.0)

    assert (funding.mark_price, funding.funding_rate, funding.event_time) == (None, None, 2.0)
    assert (market.last_price, market.volume_24h, market.open_interest) == (None, None, None)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"volume_24h": 518068345, "funding_rate": "-0.0001", "total_size": "0"},
        {"t": 0},
        {"contract": "NEW_USDT"},
        {"contract": "BTC_USDT_20251231"},
        {"contract": "BTC_USD"},
        {"contract": "MBABYDOGE_USDT"},
        *(
            {name: bad}
            for name in ("mark_price", "funding_rate", "total_size", "funding_next_apply")
            for bad in ("", None, "0", "nan", "inf", "1e400", "-1", True)
        ),
    ],
)
def test_plain_tickers_are_read_as_others_are(exchange, instruments, said, fields):
    """A frame whose event comes first is read the general way. A bad row loses itself only, wherever it stands."""
    changed, eth = {**TICKER, **fields}, {**TICKER, "contract": "ETH_USDT"}
    for rows in ([changed], [changed, eth], [eth, changed]):
        plain, general = exchange.decoder(instruments), exchange.decoder(instruments)
        usual = frame("futures.tickers", rows)
        other = orjson.dumps({"event": "update", **orjson.loads(usual)}).decode()
        assert said(plain, usual) == said(general, other)


def test_an_error_beside_tickers_is_a_refusal(decoder):
    with pytest.raises(SubscriptionRejected):
        decoder.feed(frame("futures.tickers", [TICKER], error={"message": "unknown contract X_USDT"}), 7.0)


def book(u, bids=None, asks=None, first=None, full=False, name="BTC_USDT"):
    result = {"t": 1000, "s": f"ob.{name}.50", "u": u, "full": full, "U": first, "b": bids, "a": asks}
    return frame("futures.obu", {key: value for key, value in result.items() if value is not None})


def test_a_deep_book_is_a_chain(decoder):
    lost = "futures.obu:BTC_USDT"
    whole = book(10, [["100", "10000"], ["99", "20000"]], [["101", "30000"]], full=True)
    assert decoder.feed(whole, 7.0) == [
        Depth("gate", "BTC-USDT", ((100.0, 1.0), (99.0, 2.0)), ((101.0, 3.0),), 1.0, 7.0)
    ]
    assert decoder.feed(book(12, first=11), 7.0) == []  # only the count
    (depth,) = decoder.feed(book(13, [["99", "0"], ["98", "5000.5"]], first=13), 7.0)
    assert depth.bids == ((100.0, 1.0), (98.0, 0.50005))
    assert decoder.feed(book(13, [["100", "0"]], first=13), 7.0) == []
    assert decoder.outdated == 1
    assert decoder.feed(book(17, first=15), 7.0) == [Resync(lost, "change 15 after 13")]
    assert decoder.feed(book(19, first=18), 7.0) == []  # asked for already
    assert decoder.feed(whole, 7.0)
    assert decoder.feed(book(11, [["101", "1"]], first=11), 7.0) == [Resync(lost, "the book is crossed")]
    decoder.reset([lost])
    assert decoder.feed(book(11, first=11), 7.0) == [Resync(lost, "change 11 after -1", missed=False)]


LISTED = {"contract": "BTC_USDT", "highest_bid": "100", "highest_size": "20", "lowest_ask": "101", "lowest_size": "30"}


def polled(decoder, when, **fields):
    words = decoder.feed_response("tickers:0/1", json.dumps([{**LISTED, **fields}]).encode(), when)
    return [word for word in words if isinstance(word, Quote)]


def test_a_poll_brings_the_first_quote_and_confirms_later_ones(decoder):
    (seed,) = polled(decoder, 1.0)
    assert (seed.bid_price, seed.bid_size, seed.ask_size, seed.event_time) == (100.0, 0.002, 0.003, None)

    (streamed,) = decoder.feed(top(bid_size=50), 2.0)
    assert polled(decoder, 3.0) == []  # perhaps older than the stream
    (confirmed,) = polled(decoder, 4.0, highest_size=50)
    assert (confirmed.event_time, confirmed.received_time) == (streamed.event_time, 4.0)
    (moved,) = polled(decoder, 30.0, highest_bid="99")
    assert (moved.bid_price, moved.event_time) == (99.0, None)


def test_a_poll_of_tickers_without_sizes_has_no_quote(decoder):
    """As the list was in 2023."""
    body = b'[{"contract":"BTC_USDT","last":"5","highest_bid":"4","lowest_ask":"6"},{"contract":"NEW_USDT"},7]'

    funding, market = decoder.feed_response("tickers:0/1", body, 1.0)
    assert (funding.mark_price, market.last_price) == (None, 5.0)


def test_the_list_of_contracts_carries_funding_and_states(decoder):
    rows = [*ROWS[:2], row("NEW_USDT")]
    words = decoder.feed_response("contracts:0/1", json.dumps(rows).encode(), 7.0)
    assert words[0] == Funding("gate", "BTC-USDT", 100.0, 101.0, 0.0001, 8.0, 1789459200.0, None, 7.0)
    assert len(words) == 2

    rows[0] = {**ROWS[0], "status": "delisting"}
    changed = CatalogueChanged("BTC_USDT is halted, unlike in the catalogue")
    assert changed in decoder.feed_response("contracts:0/1", json.dumps(rows).encode(), 8.0)
    assert changed not in decoder.feed_response("contracts:0/1", json.dumps(rows).encode(), 9.0)


def test_other_answers(decoder):
    assert decoder.feed_response("time", b'{"server_time":1789456337123}', 7.0) == [ServerTime(1789456337.123)]
    with pytest.raises(RequestFailed, match="TOO_MANY_REQUESTS"):
        decoder.feed_response("tickers:0/1", b'{"label":"TOO_MANY_REQUESTS","message":"slow down"}', 7.0)
    with pytest.raises(BadPayload):
        decoder.feed_response("tickers:0/1", b"[7]", 7.0)


def test_control_messages(decoder):
    ok = {"status": "success"}
    assert decoder.feed(frame("futures.tickers", ok, "subscribe", id=4), 7.0) == [Ack("4")]
    assert decoder.feed(frame("futures.tickers", ok, "unsubscribe"), 7.0) == [Ack()]
    assert decoder.feed(frame("futures.pong", None, ""), 7.0) == [Ack()]
    assert decoder.feed(frame("futures.system", {"type": "upgrade"}), 7.0) == [Closing("the server announced upgrade")]
    assert decoder.feed(frame("futures.trades", []), 7.0) == []
    for unknown in (frame("futures.weather", []), '{"hello":1}', "[]"):
        with pytest.raises(UnknownMessage):
            decoder.feed(unknown, 7.0)


def test_refusals_name_the_contract(decoder):
    def refused(channel, text, **fields):
        error = {"code": 2, "message": text}
        with pytest.raises(SubscriptionRejected) as caught:
            decoder.feed(frame(channel, {"status": "fail"}, "subscribe", error=error, **fields), 7.0)
        return caught.value.topics, caught.value.request_id, caught.value.live

    tickers, ticker = "futures.tickers", "futures.book_ticker"
    assert refused(tickers, "unknown currency pair: NOPE_USDT", id=3) == ((f"{tickers}:NOPE_USDT",), "3", False)
    assert refused(ticker, "unknown currency pair 币安人生_USDT") == ((f"{ticker}:币安人生_USDT",), None, False)
    assert refused("futures.obu", "Alert sub ob.BTC_USDT.50") == (("futures.obu:BTC_USDT",), None, True)
    assert refused("futures.nope", "Unknown channel futures.nope", id=9) == ((), "9", False)


def test_dated_contracts_are_skipped_and_unknown_ones_are_not(decoder):
    assert decoder.feed(top(name="BTC_USDT_20260327"), 7.0) == []
    with pytest.raises(UnknownContract):
        decoder.feed(top(name="NEW_USDT"), 7.0)
    with pytest.raises(UnknownContract):
        decoder.feed(frame("futures.tickers", [{"contract": "NEW_USDT"}]), 7.0)


def test_plans(exchange, instruments):
    plans = {plan.name: plan for plan in exchange.connections(instruments, {"quotes", "funding", "ticker", "depth"})}

    assert list(plans) == [
        f"gate-{s}-{c}-0" for s in ("usdt", "btc", "usd1") for c in ("book_ticker", "tickers", "obu")
    ]
    books = plans["gate-btc-book_ticker-0"]
    assert books.url == "wss://fx-ws.gateio.ws/v4/ws/btc"
    (message,) = map(json.loads, plans["gate-btc-obu-0"].messages)
    assert (message["channel"], message["event"], message["id"]) == ("futures.obu", "subscribe", 1)
    assert (message["payload"], message["time"] > 0) == (["ob.BTC_USD.50"], True)
    polls = {name: [poll.request.url.rpartition("/")[2] for poll in plan.polls] for name, plan in plans.items()}
    assert polls["gate-usdt-book_ticker-0"] == ["time", "tickers"]
    assert polls["gate-usd1-tickers-0"] == ["contracts"]
    assert "币安人生" in plans["gate-usdt-tickers-0"].messages[0]
    assert exchange.symbols_of(["futures.book_ticker:BTC_USD", "futures.tickers:BTC_USDT"], instruments) == {"BTC-USD"}


def test_a_message_has_topics_of_one_channel_only(exchange):
    listed = exchange.parse_instruments([json.dumps([row(f"C{n}_USDT") for n in range(983)]).encode()])
    plans = exchange.connections(listed, {"quotes", "ticker", "depth"})

    for plan in plans:
        assert len({topic.partition(":")[0] for topic in plan.topics}) == 1
        assert len(plan.topics) <= plan.capacity
        assert all(len(subscription.topics) <= 100 for subscription in plan.subscriptions)
    assert sum(len(plan.topics) for plan in plans) == 3 * 983


def listing_of(recordings):
    """Contracts of the recorded lists and the samples, and two that only frames know."""
    path = recordings._folder / "venues" / "samples" / "gate" / "instruments.json"
    known = {row["name"]: row for row in json.loads(path.read_text(encoding="utf-8"))}
    extra = {name: row(name, "10") for name in ("RDNT_USDT", "CHR_USDT")}
    recorded = {r["name"]: r for body in recordings.bodies("gate/instruments.jsonl") for r in json.loads(body)}
    return json.dumps(list({**extra, **recorded, **known}.values())).encode()


@pytest.mark.recordings
def test_every_sample(exchange, recordings):
    decoder = exchange.decoder(exchange.parse_instruments([listing_of(recordings)]))
    outcomes = {}
    for _, text in recordings.frames("gate"):
        try:
            words = decoder.feed(text, 1.0)
        except FeedError as error:
            words = [error]
        for word in words:
            outcomes[type(word).__name__] = outcomes.get(type(word).__name__, 0) + 1

    # Two books come whole; the changes of a third have no beginning, which is asked for once.
    assert outcomes == {
        "Quote": 6,
        "Funding": 3,
        "Ticker": 3,
        "Depth": 2,
        "Resync": 1,
        "Ack": 5,
        "Closing": 1,
        "SubscriptionRejected": 6,
    }


@pytest.mark.recordings
def test_every_recorded_frame(exchange, recordings, outcomes):
    instruments = exchange.parse_instruments([listing_of(recordings)])

    # Nothing: 157 changes of the older book channel, which we do not follow, trades, candles, and dated contracts.
    assert outcomes(lambda: exchange.decoder(instruments), recordings.inbound("gate/ws.jsonl")) == {
        "Quote": 55,
        "Funding+Ticker": 1,
        "Depth": 2,
        "Resync": 1,
        "Ack": 17,
        "SubscriptionRejected": 1,
        "nothing": 168,
    }


@pytest.mark.recordings
def test_recorded_quotes_have_the_recorded_values(exchange, recordings):
    instruments = exchange.parse_instruments([listing_of(recordings)])
    by_id = {instrument.exchange_symbol: instrument for instrument in instruments}
    decoder = exchange.decoder(instruments)
    compared = 0
    for source, received_time, text in recordings.inbound("gate/ws.jsonl"):
        message = json.loads(text)
        if "cryptofeed" not in source or message["channel"] != "futures.book_ticker" or message["event"] != "update":
            continue
        result = message["result"]
        (quote,) = decoder.feed(text, received_time)
        size = by_id[result["s"]].contract_multiplier
        assert (quote.bid_price, quote.ask_price) == (float(result["b"]), float(result["a"]))
        assert (quote.bid_size, quote.ask_size) == (result["B"] * size, result["A"] * size)
        assert 0.0 < received_time - quote.event_time < 3.0
        compared += 1
    assert compared > 40


@pytest.mark.recordings
def test_every_recorded_listing_and_ticker(exchange, recordings):
    for path in ("gate/instruments.jsonl", "gate/instruments.partial.jsonl"):
        for body in recordings.bodies(path):
            rows = json.loads(body)
            listed = exchange.parse_instruments([body])
            assert len(listed) == len(rows)
            deviations = {r["name"]: float(r["order_price_deviate"]) for r in rows}
            assert {i.exchange_symbol: i.price_band for i in listed} == deviations
            assert set(deviations.values()) <= {0.1, 0.2, 0.3, 0.5}
    decoder = exchange.decoder(listed)
    for body in recordings.bodies("gate/tickers.jsonl"):
        assert [type(word) for word in decoder.feed_response("tickers:0/1", body, 1.0)] == [Funding, Ticker]


ODD = st.sampled_from([None, "", "nan", "inf", "-1", "1e308", "x", True, -1, 0, 1e308, 10**18, [], [[]], {}, {"a": 1}])
GOOD = [
    top(),
    frame("futures.tickers", [TICKER]),
    book(10, [["100", "1"]], [["101", "2"]], full=True),
    frame("futures.tickers", {"status": "fail"}, "subscribe", error={"code": 2, "message": "unknown currency pair X"}),
    frame("futures.system", {"type": "upgrade"}),
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
    exchange = gate.Adapter()
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
            numbers = (word.last_price, word.volume_24h, word.turnover_24h, word.open_interest)
            assert all(number is None or 0.0 <= number < float("inf") for number in numbers)
    (quote,) = decoder.feed(top(name="ETH_USDT"), 1.0)
    assert quote.bid_price == 100.0
