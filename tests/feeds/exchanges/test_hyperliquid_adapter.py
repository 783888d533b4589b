"""Hyperliquid: units, ticks, contexts by place, touches and books of one clock, refusals, and every recorded frame."""

import json
from collections import Counter

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.depth import depth_of
from feeds.errors import BadListing, BadPayload, FeedError, SubscriptionRejected, UnknownContract, UnknownMessage
from feeds.exchanges import hyperliquid
from feeds.exchanges.base import Ack, CatalogueChanged, ServerTime
from feeds.exchanges.hyperliquid import tick_size
from market.models import Depth, Funding, Pairing, Quote, Status, Ticker

CONTEXT = {
    "funding": "0.0000125",
    "openInterest": "10.5",
    "prevDayPx": "100.0",
    "dayNtlVlm": "2000.5",
    "premium": None,
    "oraclePx": "84198.0",
    "markPx": "84148.0",
    "midPx": None,
    "impactPxs": None,
    "dayBaseVlm": "20.25",
}
UNIVERSE = [
    {"szDecimals": 5, "name": "BTC"},
    {"szDecimals": 1, "name": "MATIC", "isDelisted": True},
    {"szDecimals": 0, "name": "kPEPE"},
    {"szDecimals": 2, "name": "HYPE"},
]
CONTEXTS = [CONTEXT, {**CONTEXT, "markPx": "0.37621"}, {**CONTEXT, "markPx": "0.004412", "oraclePx": "0.0044"}, CONTEXT]
LISTING = json.dumps([{"universe": UNIVERSE, "marginTables": []}, CONTEXTS]).encode()


def bbo(coin="BTC", time=1_790_232_237_145, bid=("84143.0", "10.25923"), ask=("84144.0", "50.66422")):
    sides = [None if side is None else {"px": side[0], "sz": side[1], "n": 3} for side in (bid, ask)]
    return json.dumps({"channel": "bbo", "data": {"coin": coin, "time": time, "bbo": sides}}, separators=(",", ":"))


def book(coin="BTC", time=1_790_232_237_145, bids=(("84143.0", "10.25923"),), asks=(("84144.0", "50.66422"),)):
    levels = [[{"px": price, "sz": size, "n": 1} for price, size in side] for side in (bids, asks)]
    return json.dumps({"channel": "l2Book", "data": {"coin": coin, "time": time, "levels": levels, "fast": True}})


@pytest.fixture
def exchange():
    return hyperliquid.Adapter()


@pytest.fixture
def instruments(exchange):
    return exchange.parse_instruments([LISTING])


@pytest.fixture
def decoder(exchange, instruments):
    return exchange.decoder(instruments)


# -- listing ---------------------------------------------------------------------------------------------------


def test_a_row_in_our_units(instruments):
    """BTC at 84,148: five figures are whole dollars; kPEPE at 0.004412 steps by 0.000001 per 1000 coins."""
    found = {row.exchange_symbol: row for row in instruments}
    btc, pepe = found["BTC"], found["kPEPE"]
    assert (btc.symbol, btc.base, btc.quote, btc.settle, btc.kind) == ("BTC-USDT", "BTC", "USDC", "USDC", "linear")
    assert (btc.multiplier, btc.contract_multiplier, btc.tick_size, btc.lot_size) == (
        1.0,
        1.0,
        1.0,
        pytest.approx(1e-5),
    )
    assert (btc.min_notional, btc.funding_interval_h) == (10.0, 1.0)
    assert (btc.taker_fee_bps, btc.maker_fee_bps) == (4.5, 1.5)
    assert (pepe.symbol, pepe.multiplier, pepe.contract_multiplier) == ("PEPE-USDT", 1000.0, 1000.0)
    assert pepe.tick_size == pytest.approx(1e-9)
    assert pepe.lot_size == 1000.0
    assert found["HYPE"].symbol == "HYPE-USDC"  # one of two with an oracle in USDC
    assert found["MATIC"].status is Status.CLOSED
    assert {row.pairing for row in instruments} == {Pairing.OK}


@pytest.mark.parametrize(
    ("price", "decimals", "tick"),
    [(84_143.0, 5, 1.0), (123.0, 2, 0.01), (0.004411, 0, 1e-6), (1_500_000.0, 5, 1.0), (2.5, 1, 1e-4), (2.5, 3, 1e-3)],
)
def test_the_tick_depends_on_the_price(price, decimals, tick):
    assert tick_size(price, decimals) == pytest.approx(tick)


def test_without_prices_the_tick_is_not_known(exchange):
    listed = exchange.parse_instruments([json.dumps({"universe": UNIVERSE}).encode()])
    assert [row.tick_size for row in listed] == [None] * 4


@pytest.mark.parametrize(
    "body",
    [b"null", b"[]", b"{}", b"no", b'[{"universe":[{"name":"BTC","szDecimals":1}]},[{},{}]]', b'[{"universe":1},[]]'],
)
def test_what_is_no_listing_is_refused(exchange, body):
    with pytest.raises(BadListing):
        exchange.parse_instruments([body])


def test_a_bad_row_loses_only_itself(exchange, caplog):
    universe = [{"name": "BTC", "szDecimals": 5}, {"name": "ETH"}, "?"]
    body = json.dumps([{"universe": universe}, [CONTEXT, CONTEXT, CONTEXT]]).encode()
    assert [row.symbol for row in exchange.parse_instruments([body])] == ["BTC-USDT"]
    assert len(caplog.records) == 2


# -- plans -----------------------------------------------------------------------------------------------------


def test_touch_and_book_of_each_trading_coin_on_one_socket(exchange, instruments):
    (plan,) = exchange.connections(instruments)
    assert plan.topics == tuple(
        f"{channel}:{coin}" for coin in ("BTC", "HYPE", "kPEPE") for channel in ("bbo", "l2Book")
    )
    assert json.loads(plan.messages[0]) == {"method": "subscribe", "subscription": {"type": "bbo", "coin": "BTC"}}
    assert json.loads(plan.messages[1])["subscription"] == {"type": "l2Book", "coin": "BTC", "fast": True}
    assert [(poll.request.method, json.loads(poll.request.json)["type"]) for poll in plan.polls] == [
        ("POST", "exchangeStatus"),
        ("POST", "metaAndAssetCtxs"),
    ]
    assert exchange.symbols_of(plan.topics, instruments) == {"BTC-USDT", "PEPE-USDT", "HYPE-USDC"}
    assert exchange.symbols_of(["l2Book:BTC"], instruments) == set()


def test_all_coins_keep_within_the_subscriptions_of_one_address(exchange):
    universe = [{"name": f"C{i}", "szDecimals": 2} for i in range(240)]
    listed = exchange.parse_instruments([json.dumps({"universe": universe}).encode()])
    plans = exchange.connections(listed)
    assert sum(len(plan.topics) for plan in plans) == 480
    polled_weight_per_min = sum(60 / poll.every_s * poll.request.weight for plan in plans for poll in plan.polls)
    assert polled_weight_per_min < 600  # of 1,200


def test_depth_comes_with_the_quotes_and_costs_no_topic(exchange, instruments):
    """The same socket and topics: watching a book asks for nothing more."""
    (plan,) = exchange.connections(instruments, {"depth"})
    assert (plan.pool, plan.topics) == ("market", ("l2Book:BTC", "l2Book:HYPE", "l2Book:kPEPE"))
    assert set(plan.topics) < set(exchange.connections(instruments)[0].topics)
    assert exchange.connections(instruments, {"quotes", "depth"}) == exchange.connections(instruments)
    assert exchange.connections(instruments, ()) == exchange.connections([]) == []
    for asked in depth_of(exchange, instruments[0]):
        assert asked.shared


def test_what_was_subscribed_is_given_up_in_the_same_words(exchange):
    """Without `fast` it would be another subscription."""
    assert json.loads(exchange.unsubscribe(["l2Book:BTC"], "1")) == {
        "method": "unsubscribe",
        "subscription": {"type": "l2Book", "coin": "BTC", "fast": True},
    }
    assert json.loads(exchange.unsubscribe(["bbo:kPEPE"], "2"))["subscription"] == {"type": "bbo", "coin": "kPEPE"}


def test_a_delisted_coin_is_never_asked_for(exchange, instruments):
    """It would be silent; one that the listing does not have at all would close the socket."""
    asked = " ".join(plan.messages[0] for plan in exchange.connections(instruments, {"quotes", "depth"}))
    assert "MATIC" not in asked
    assert exchange.connections([row for row in instruments if row.exchange_symbol == "MATIC"]) == []


def test_endpoints_replace_the_real_hosts():
    exchange = hyperliquid.Adapter({"rest": "http://127.0.0.1:1/", "ws": "ws://127.0.0.1:2"})
    (request,) = exchange.instrument_requests()
    assert (request.method, request.url) == ("POST", "http://127.0.0.1:1/info")
    assert json.loads(request.json) == {"type": "metaAndAssetCtxs"}
    (plan,) = exchange.connections(exchange.parse_instruments([LISTING]))
    assert plan.url == "ws://127.0.0.1:2/ws"
    assert {poll.request.url for poll in plan.polls} == {"http://127.0.0.1:1/info"}


# -- quotes and books ------------------------------------------------------------------------------------------


def test_a_touch_in_our_units(decoder):
    """BTC bid 10.25923 at 84,143.0 is 863,242.39 USDC; kPEPE 2,058,973 at 0.004411 is 9,082.13."""
    (quote,) = decoder.feed(bbo(), 5.0)
    assert quote == Quote("hyperliquid", "BTC-USDT", 84_143.0, 10.25923, 84_144.0, 50.66422, 1_790_232_237.145, 5.0)
    assert quote.bid_price * quote.bid_size == pytest.approx(863_242.39, abs=0.01)
    (pepe,) = decoder.feed(bbo("kPEPE", bid=("0.004411", "2058973.0"), ask=("0.004413", "5803647.0")), 5.0)
    assert pepe.bid_price == pytest.approx(0.000004411)
    assert pepe.bid_size == 2_058_973_000.0
    assert pepe.bid_price * pepe.bid_size == pytest.approx(9_082.13, abs=0.01)


def test_an_empty_side(decoder):
    (quote,) = decoder.feed(bbo(bid=None), 5.0)
    assert (quote.bid_price, quote.bid_size, quote.ask_price) == (None, None, 84_144.0)


def test_a_book_is_depth_and_confirms_the_touch(decoder):
    quote, depth = decoder.feed(book(bids=(("84143.0", "1.0"), ("84142.0", "2.0")), asks=()), 6.0)
    assert (quote.bid_price, quote.bid_size, quote.ask_price) == (84_143.0, 1.0, None)
    assert isinstance(depth, Depth)
    assert (depth.bids, depth.asks) == (((84_143.0, 1.0), (84_142.0, 2.0)), ())
    assert depth.event_time == 1_790_232_237.145


def test_an_old_or_repeated_touch_is_dropped_and_counted(decoder):
    assert decoder.feed(bbo(time=2_000), 5.0)
    assert decoder.feed(bbo(time=2_000), 5.0) == []
    assert decoder.feed(bbo(time=1_930, bid=("1.0", "1.0")), 5.0) == []
    assert decoder.outdated == 2
    assert decoder.feed(bbo(time=2_070), 5.1)


def test_a_quiet_touch_is_confirmed_at_the_block_of_the_book(decoder):
    decoder.feed(bbo(time=2_000), 5.0)
    quote, _ = decoder.feed(book(time=2_540), 5.6)
    assert (quote.bid_price, quote.bid_size, quote.event_time, quote.received_time) == (84_143.0, 10.25923, 2.54, 5.6)


def test_a_book_of_an_older_block_confirms_nothing(decoder):
    """Books come some 50 ms later than touches: that is no disorder, and no wrong quote either."""
    decoder.feed(bbo(time=2_000, bid=("84143.5", "1.0")), 5.0)
    for time in (1_930, 2_000):
        assert [type(word) for word in decoder.feed(book(time=time), 5.0)] == [Depth]
    assert decoder.outdated == 0


def test_a_touch_that_a_book_overtook_is_dropped_but_in_order(decoder):
    assert len(decoder.feed(book(time=2_000), 5.0)) == 2
    assert decoder.feed(bbo(time=1_930, bid=("84100.0", "1.0")), 5.0) == []
    assert decoder.outdated == 0
    assert decoder.feed(bbo(time=2_000), 5.0)  # of the same block


def test_old_books_are_counted_and_repeated_ones_are_not(decoder):
    """After subscribing, the first book comes twice; a book that stands still confirms nothing."""
    assert len(decoder.feed(book(time=2_000), 5.0)) == 2
    assert decoder.feed(book(time=2_000), 5.6) == []
    assert decoder.outdated == 0
    assert decoder.feed(book(time=1_460), 5.7) == []
    assert decoder.outdated == 1


@pytest.mark.parametrize("first", [bbo, book])
def test_a_time_far_ahead_silences_a_coin_for_ten_seconds_at_most(decoder, first):
    assert decoder.feed(first(time=9_000_000), 5.0)
    assert decoder.feed(bbo(time=10_000), 10.0) == []
    assert decoder.feed(bbo(time=15_000), 15.0) == []
    assert decoder.feed(bbo(time=15_100), 15.1)
    assert decoder.feed(bbo(time=15_170), 15.2)


@pytest.mark.parametrize("first", [bbo, book])
def test_so_do_books(decoder, first):
    decoder.feed(first(time=9_000_000), 5.0)
    words = [decoder.feed(book(time=round(when * 1000)), when) for when in (10.0, 15.0, 15.1, 15.7)]
    assert [Quote in {type(word) for word in found} for found in words] == [False, False, True, True]


def test_a_crossed_book_is_refused(decoder):
    with pytest.raises(BadPayload, match="crossed"):
        decoder.feed(book(time=2_000, bids=(("84144.0", "1"),), asks=(("84144.0", "1"),)), 5.0)
    assert len(decoder.feed(book(time=2_000), 5.0)) == 2


def test_levels_without_a_quantity_are_left_out(decoder):
    quote, depth = decoder.feed(book(bids=(("84143.0", "0.0"), ("84142.0", "2.0"))), 6.0)
    assert (quote.bid_price, depth.bids) == (84_142.0, ((84_142.0, 2.0),))


def test_thousands_in_a_book_become_coins(decoder):
    """2,058,973 thousands at 0.004411 are 2,058,973,000 PEPE at 0.000004411."""
    sides = {"bids": (("0.004411", "2058973.0"),), "asks": (("0.004413", "5803647.0"),)}
    quote, depth = decoder.feed(book("kPEPE", **sides), 6.0)
    assert (quote.bid_price, quote.bid_size) == (pytest.approx(0.000004411), 2_058_973_000.0)
    assert depth.asks == ((pytest.approx(0.000004413), 5_803_647_000.0),)


def test_a_coin_without_orders(decoder):
    quote, depth = decoder.feed(book(bids=(), asks=()), 6.0)
    assert (quote.bid_price, quote.ask_size, depth.bids) == (None, None, ())
    (quote,) = decoder.feed(bbo(time=1_790_232_238_000, bid=None, ask=None), 6.0)
    assert (quote.bid_price, quote.ask_price) == (None, None)


def test_keys_in_another_order(decoder):
    """As a recorder wrote them that sorted keys."""
    for frame, words in ((bbo(time=2_000), 1), (book(time=2_070), 2)):
        message = json.loads(frame)
        swapped = json.dumps({"data": message["data"], "channel": message["channel"]}, indent=1)
        assert len(decoder.feed(swapped, 5.0)) == words


def test_after_a_reset_the_first_message_counts_whatever_its_time(decoder):
    decoder.feed(bbo(time=2_000), 5.0)
    decoder.reset(["bbo:BTC"])
    assert decoder.feed(bbo(time=1_900), 5.0)


@pytest.mark.parametrize("side", [("inf", "1"), ("nan", "1"), ("-1", "1"), ("1", "-1"), ("1", "inf"), ("x", "1")])
def test_what_is_no_number_is_refused_and_the_next_frame_is_read(decoder, side):
    with pytest.raises(BadPayload):
        decoder.feed(bbo(bid=side), 5.0)
    assert decoder.feed(bbo(), 5.0)


def test_other_markets_are_left_out_and_unknown_coins_said(decoder):
    for coin in ("xyz:SP500", "@107", "PURR/USDC", "#12090"):
        assert decoder.feed(bbo(coin), 5.0) == []
    with pytest.raises(UnknownContract, match="NEW"):
        decoder.feed(bbo("NEW"), 5.0)


# -- contexts --------------------------------------------------------------------------------------------------


def test_contexts_belong_to_the_universe_by_their_place(decoder):
    words = decoder.feed_response("contexts", LISTING, 7_000.5)
    fundings = {word.symbol: word for word in words if isinstance(word, Funding)}
    tickers = {word.symbol: word for word in words if isinstance(word, Ticker)}
    assert set(fundings) == set(tickers) == {"BTC-USDT", "PEPE-USDT", "HYPE-USDC"}  # not the delisted one in between
    btc, pepe = fundings["BTC-USDT"], fundings["PEPE-USDT"]
    assert (btc.mark_price, btc.index_price) == (84_148.0, 84_198.0)
    assert (btc.funding_rate, btc.funding_interval_h, btc.next_funding_time) == (0.0000125, 1.0, 7_200.0)
    assert pepe.mark_price == pytest.approx(0.000004412)
    assert tickers["PEPE-USDT"].open_interest == 10_500.0
    assert tickers["BTC-USDT"].volume_24h == 20.25
    assert tickers["BTC-USDT"].turnover_24h == 2_000.5
    assert tickers["BTC-USDT"].last_price is None


def test_on_the_hour_the_next_payment_is_an_hour_away(decoder):
    words = decoder.feed_response("contexts", LISTING, 7_200.0)
    assert words[0].next_funding_time == 10_800.0


def test_a_new_or_delisted_coin_is_noticed(decoder):
    assert not any(isinstance(word, CatalogueChanged) for word in decoder.feed_response("contexts", LISTING, 1.0))
    changed = [*UNIVERSE[:2], {**UNIVERSE[2], "isDelisted": True}, UNIVERSE[3]]
    body = json.dumps([{"universe": changed}, CONTEXTS]).encode()
    assert decoder.feed_response("contexts", body, 2.0)[-1] == CatalogueChanged("listed or delisted: kPEPE")
    assert not any(isinstance(word, CatalogueChanged) for word in decoder.feed_response("contexts", body, 3.0))


def test_a_listing_older_than_the_contexts_is_noticed_at_the_first_look(decoder):
    body = json.dumps([{"universe": [*UNIVERSE, {"name": "NEW", "szDecimals": 1}]}, [*CONTEXTS, CONTEXT]]).encode()
    assert decoder.feed_response("contexts", body, 2.0)[-1] == CatalogueChanged("listed or delisted: NEW")


def test_an_unreadable_context_loses_only_itself(decoder, caplog):
    spoilt = [{**CONTEXT, "markPx": "x"}, *CONTEXTS[1:]]
    body = json.dumps([{"universe": UNIVERSE}, spoilt]).encode()
    words = [*decoder.feed_response("contexts", body, 1.0), *decoder.feed_response("contexts", body, 4.0)]
    assert {word.symbol for word in words} == {"PEPE-USDT", "HYPE-USDC"}
    assert len(caplog.records) == 1
    with pytest.raises(BadPayload, match="none of the 4"):
        decoder.feed_response("contexts", json.dumps([{"universe": [7] * 4}, CONTEXTS]).encode(), 5.0)


def test_absent_values_are_none(decoder):
    nothing = dict.fromkeys(CONTEXT)
    funding, ticker = decoder.feed_response(
        "contexts", json.dumps([{"universe": UNIVERSE[:1]}, [nothing]]).encode(), 1.0
    )[:2]
    assert (funding.mark_price, funding.index_price, funding.funding_rate) == (None, None, None)
    assert (ticker.volume_24h, ticker.turnover_24h, ticker.open_interest) == (None, None, None)


@pytest.mark.parametrize(
    ("purpose", "body"), [("contexts", b"null"), ("time", b"{}"), ("time", b"null"), ("l2", b"{}")]
)
def test_other_answers_are_refused(decoder, purpose, body):
    """`null` with status 500 is what a wrong name gets."""
    with pytest.raises(FeedError):
        decoder.feed_response(purpose, body, 1.0)


def test_contexts_of_another_length_are_refused(decoder):
    with pytest.raises(BadPayload, match="4 contracts with 1"):
        decoder.feed_response("contexts", json.dumps([{"universe": UNIVERSE}, [CONTEXT]]).encode(), 1.0)


def test_the_clock_is_that_of_the_blocks(decoder):
    body = b'{"specialStatuses":null,"time":1790231397199}'
    assert decoder.feed_response("time", body, 1.0) == [ServerTime(1_790_231_397.199)]


# -- control ---------------------------------------------------------------------------------------------------


def test_answers_pings_and_greetings(decoder):
    ack = '{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":"bbo","coin":"BTC"}}}'
    assert decoder.feed(ack, 1.0) == [Ack(topics=("bbo:BTC",))]
    assert decoder.feed('{"channel":"pong"}', 1.0) == [Ack()]
    assert decoder.feed("Websocket connection established.", 1.0) == []
    assert decoder.feed('{"channel":"trades","data":[]}', 1.0) == []


@pytest.mark.parametrize(
    ("text", "topics", "live"),
    [
        ('Already subscribed: {"type":"l2Book","coin":"SOL","nSigFigs":null}', ("l2Book:SOL",), True),
        (
            'Error parsing JSON into valid websocket request: {"method":"subscribe","subscription":'
            '{"type":"bbo","coin":"BTC"}}',
            ("bbo:BTC",),
            False,
        ),
        ('Error parsing JSON into valid websocket request: {"subscription":{"coin":["BTC"]}}', (), False),
        ("Error parsing JSON into valid websocket request: {", (), False),
    ],
)
def test_refusals_name_what_they_are_about(decoder, text, topics, live):
    with pytest.raises(SubscriptionRejected) as caught:
        decoder.feed(json.dumps({"channel": "error", "data": text}), 1.0)
    assert (caught.value.topics, caught.value.live) == (topics, live)


def test_giving_up_twice_is_no_error(decoder):
    assert decoder.feed('{"channel":"error","data":"Already unsubscribed: {}"}', 1.0) == [Ack()]


@pytest.mark.parametrize("frame", ["{}", "[]", '{"channel":"novelty","data":{}}', '"text"', "1"])
def test_a_new_kind_of_message_is_said(decoder, frame):
    with pytest.raises(UnknownMessage):
        decoder.feed(frame, 1.0)


# -- recordings ------------------------------------------------------------------------------------------------


@pytest.mark.recordings
def test_the_sample_listing(recordings, exchange):
    (meta, *_rest) = json.loads((recordings._folder / "venues/samples/hyperliquid/instruments.json").read_text())
    assert {row["name"] for row in meta["universe"]} >= {"BTC", "kPEPE", "HYPE"}
    body = (recordings._folder / "venues/samples/hyperliquid/instruments.json").read_bytes()
    found = {row.exchange_symbol: row for row in exchange.parse_instruments([body])}
    assert found["kPEPE"].multiplier == 1000.0
    assert found["BTC"].lot_size == pytest.approx(1e-5)
    assert found["HPOS"].status is Status.CLOSED


def listed_for(exchange, *coins):
    return exchange.parse_instruments(
        [json.dumps({"universe": [{"name": c, "szDecimals": 2} for c in coins]}).encode()]
    )


@pytest.mark.recordings
def test_every_sample(recordings, exchange):
    """A new decoder for each line: they are of different years."""
    instruments = listed_for(exchange, "BTC", "kPEPE", "MATIC", "NOT")
    found: Counter[str] = Counter()
    for name, text in recordings.frames("hyperliquid"):
        try:
            words = exchange.decoder(instruments).feed(text, 1.0)
        except FeedError as error:
            words = [error]
        found[f"{name}: {'+'.join(type(word).__name__ for word in words) or 'nothing'}"] += 1

    # Nothing: markets opened by others, and channels that are not followed. Unknown: HTTP answers among the errors.
    assert found == {
        "book_ticker: Quote": 4,
        "book_ticker: nothing": 1,
        "depth: Quote+Depth": 4,
        "depth: nothing": 1,
        "errors: SubscriptionRejected": 2,
        "errors: nothing": 1,
        "errors: UnknownMessage": 4,
        "mark_funding: nothing": 3,
        "subscribe: Ack": 5,
        "ticker: nothing": 5,
        "trades: nothing": 2,
    }


@pytest.mark.recordings
def test_every_recorded_frame(recordings, exchange, outcomes):
    instruments = listed_for(exchange, "BTC", "kPEPE", "MATIC")

    # Nothing: trades, contexts, a candle, a post, mids, a book of another market, and the first book, which came twice.
    assert outcomes(lambda: exchange.decoder(instruments), recordings.inbound("hyperliquid/ws.jsonl")) == {
        "Depth+Quote": 31,
        "Quote": 1,
        "Ack": 3,
        "SubscriptionRejected": 2,
        "nothing": 12,
    }


@pytest.mark.recordings
def test_recorded_books_have_the_recorded_values(recordings, exchange):
    decoder = exchange.decoder(listed_for(exchange, "BTC"))
    compared = 0
    for source, received_time, text in recordings.inbound("hyperliquid/ws.jsonl"):
        message = json.loads(text)
        if "hftbacktest" not in source or message["channel"] != "l2Book":
            continue
        words = decoder.feed(text, received_time)
        if words:
            quote, depth = words
            bids, asks = ([(float(row["px"]), float(row["sz"])) for row in side] for side in message["data"]["levels"])
            assert (list(depth.bids), list(depth.asks)) == (bids, asks)
            assert (quote.bid_price, quote.bid_size, quote.ask_price, quote.ask_size) == (*bids[0], *asks[0])
            assert 0.0 < received_time - quote.event_time < 1.0
            compared += 1
    assert compared > 20
    assert decoder.outdated == 0


@pytest.mark.recordings
def test_every_recorded_listing(recordings, exchange):
    """One of 2023 without prices, and one of 2026 cut to four coins."""
    for path, count in (("instruments.jsonl", 28), ("tickers.jsonl", 4)):
        bodies = [body for body in recordings.bodies(f"hyperliquid/{path}") if b"universe" in body]
        (listed,) = [exchange.parse_instruments([body]) for body in bodies]
        assert len(listed) == count
        assert {row.multiplier for row in listed if row.exchange_symbol.startswith("k")} <= {1000.0}


@pytest.mark.recordings
def test_recorded_answers_are_read(recordings, exchange):
    bodies = [orjson.loads(text) for _, _, text in recordings.inbound("hyperliquid/tickers.jsonl")]
    (contexts,) = [body for body in bodies if isinstance(body, list)]
    decoder = exchange.decoder(exchange.parse_instruments([orjson.dumps(contexts)]))
    words = decoder.feed_response("contexts", orjson.dumps(contexts), 1_790_524_000.0)
    assert len(words) == 2 * sum(not row.get("isDelisted") for row in contexts[0]["universe"])
    for row, context in zip(*(contexts[0]["universe"], contexts[1]), strict=True):
        found = [word for word in words if isinstance(word, Funding) and word.symbol.startswith(f"{row['name']}-")]
        assert [(word.mark_price, word.funding_rate) for word in found] == [
            (float(context["markPx"]), float(context["funding"]))
        ]


# -- anything at all -------------------------------------------------------------------------------------------

ODD = st.sampled_from([None, "", "nan", "inf", "-1", "1e308", "x", True, -1, 0, 1e308, 10**18, [], [[]], {}, {"a": 1}])
GOOD = [
    (None, bbo()),
    (None, book()),
    (None, json.dumps({"channel": "error", "data": 'Already subscribed: {"type":"bbo","coin":"BTC"}'})),
    (None, json.dumps({"channel": "subscriptionResponse", "data": {"subscription": {"type": "bbo", "coin": "BTC"}}})),
    ("contexts", LISTING.decode()),
    ("time", '{"specialStatuses":null,"time":1790231397199}'),
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


def numbers(word):
    if isinstance(word, Quote):
        return [word.bid_price, word.bid_size, word.ask_price, word.ask_size]
    if isinstance(word, Depth):
        return [number for level in (*word.bids, *word.asks) for number in level]
    if isinstance(word, Funding):
        return [word.mark_price, word.index_price]
    return []


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.data())
def test_nothing_breaks_a_decoder_or_gets_nonsense_out(data):
    purpose, text = data.draw(st.sampled_from(GOOD))
    message = orjson.loads(text)
    spoilt = orjson.dumps(
        replaced(message, data.draw(st.sampled_from(list(leaves(message)))), data.draw(ODD)),
        option=orjson.OPT_SORT_KEYS,
    )
    spoilt = spoilt[: data.draw(st.sampled_from([None, None, len(spoilt) // 2]))]
    exchange = hyperliquid.Adapter()
    decoder = exchange.decoder(exchange.parse_instruments([LISTING]))
    try:
        words = decoder.feed(spoilt, 1.0) if purpose is None else decoder.feed_response(purpose, spoilt, 1.0)
    except FeedError:
        words = []

    for word in words:
        assert all(number is None or 0.0 < number < float("inf") for number in numbers(word))
    (quote,) = decoder.feed(bbo("HYPE"), 20.0)
    assert (quote.symbol, quote.bid_price) == ("HYPE-USDC", 84_143.0)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.data())
def test_no_listing_raises_anything_but_a_bad_listing(data):
    message = orjson.loads(LISTING)
    spoilt = replaced(message, data.draw(st.sampled_from(list(leaves(message)))), data.draw(ODD))
    try:
        listed = hyperliquid.Adapter().parse_instruments([orjson.dumps(spoilt)])
    except BadListing:
        return
    for row in listed:
        assert row.multiplier in (1.0, 1000.0)
        assert row.tick_size is None or 0.0 < row.tick_size < float("inf")
