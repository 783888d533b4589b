"""What holds for all exchanges: the registry, the shape of plans, and that no frame can break a decoder."""

import contextlib
import json
from math import isfinite

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.errors import BadPayload, FeedError
from feeds.exchanges import EXCHANGES, load
from market.models import Depth, Funding, Quote, Ticker

BINANCE = {
    "symbols": [
        {
            "symbol": symbol,
            "contractType": "PERPETUAL",
            "status": "TRADING",
            "baseAsset": symbol.removesuffix("USDT"),
            "quoteAsset": "USDT",
            "marginAsset": "USDT",
            "filters": [],
        }
        for symbol in ("BTCUSDT", "ETHUSDT")
    ]
}
BYBIT = {
    "retCode": 0,
    "result": {
        "list": [
            {
                "symbol": symbol,
                "contractType": "LinearPerpetual",
                "status": "Trading",
                "baseCoin": symbol.removesuffix("USDT"),
                "quoteCoin": "USDT",
                "settleCoin": "USDT",
                "priceFilter": {"tickSize": "0.1"},
                "lotSizeFilter": {"qtyStep": "0.1"},
            }
            for symbol in ("BTCUSDT", "ETHUSDT")
        ]
    },
}
OKX = {
    "code": "0",
    "data": [
        {
            "instId": f"{base}-USDT-SWAP",
            "instType": "SWAP",
            "uly": f"{base}-USDT",
            "settleCcy": "USDT",
            "ctType": "linear",
            "ctVal": "0.01",
            "ctMult": "1",
            "tickSz": "0.1",
            "lotSz": "1",
            "minSz": "1",
            "state": "live",
        }
        for base in ("BTC", "ETH")
    ],
}
LISTINGS = {"binance": BINANCE, "bybit": BYBIT, "okx": OKX}

# One good frame of each kind about BTC; the first is a top of book.
FRAMES = {
    "binance": [
        '{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":5,"s":"BTCUSDT","b":"1.5","B":"2","a":"1.6","A":"3",'
        '"T":1000,"E":1000}}',
        '{"stream":"!markPrice@arr@1s","data":[{"e":"markPriceUpdate","E":1,"s":"BTCUSDT","p":"1","i":"1","r":"0","T":1}]}',
        '{"stream":"!ticker@arr","data":[{"e":"24hrTicker","E":1,"s":"BTCUSDT","c":"1","v":"1","q":"1"}]}',
        '{"stream":"btcusdt@depth5","data":{"e":"depthUpdate","T":1,"s":"BTCUSDT","b":[["1","2"]],"a":[["2","2"]]}}',
        '{"e":"contractInfo","s":"BTCUSDT","ct":"PERPETUAL","cs":"CLOSE"}',
        '{"result":null,"id":1}',
        '{"error":{"code":2,"msg":"no"},"id":9}',
    ],
    "bybit": [
        '{"topic":"orderbook.1.BTCUSDT","ts":1000,"type":"snapshot","data":{"s":"BTCUSDT","b":[["1.5","2"]],'
        '"a":[["1.6","3"]],"u":5,"seq":6},"cts":1000}',
        '{"topic":"orderbook.1.BTCUSDT","ts":1001,"type":"delta","data":{"s":"BTCUSDT","b":[["1.5","0"]],"a":[],"u":6}}',
        '{"topic":"tickers.BTCUSDT","type":"snapshot","data":{"symbol":"BTCUSDT","markPrice":"1","lastPrice":"1",'
        '"openInterest":"1","fundingRate":"0.1","nextFundingTime":"1","volume24h":"1"},"cs":1,"ts":1}',
        '{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":1,"data":{"b":[["1","1"]],"a":[["2","1"]],"u":1}}',
        '{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1,"data":{"b":[["1","0"]],"a":[["2","1"]],"u":2}}',
        '{"success":false,"ret_msg":"error:handler not found,topic:a.b","req_id":"2","op":"subscribe"}',
    ],
    "okx": [
        '{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"},"data":[{"asks":[["1.6","3","0","1"]],'
        '"bids":[["1.5","2","0","1"]],"ts":"1000","seqId":5}]}',
        '{"arg":{"channel":"books","instId":"BTC-USDT-SWAP"},"action":"snapshot","data":[{"asks":[["2","1","0","1"]],'
        '"bids":[["1","1","0","1"]],"ts":"1","seqId":1,"prevSeqId":-1}]}',
        '{"arg":{"channel":"tickers","instId":"BTC-USDT-SWAP"},"data":[{"last":"1","bidPx":"1","bidSz":"1","askPx":"2",'
        '"askSz":"1","volCcy24h":"1","vol24h":"1","ts":"2000"}]}',
        '{"arg":{"channel":"funding-rate","instId":"BTC-USDT-SWAP"},"data":[{"fundingRate":"0.1","fundingTime":"1000",'
        '"nextFundingTime":"2000","ts":"1"}]}',
        '{"arg":{"channel":"instruments","instType":"SWAP"},"data":[{"instId":"BTC-USDT-SWAP","state":"live"}]}',
        '{"event":"error","code":"60018","msg":"channel:a, instId:b"}',
    ],
}
OTHER = {  # a good top of book about ETH
    name: frames[0].replace("BTC", "ETH").replace("btc", "eth") for name, frames in FRAMES.items()
}

every_exchange = pytest.mark.parametrize("name", LISTINGS)


def decoder_of(name):
    exchange = load(name)
    return exchange.decoder(exchange.parse_instruments([json.dumps(LISTINGS[name]).encode()]))


def test_the_registry():
    assert EXCHANGES[:3] == ("binance", "bybit", "okx")
    for name in EXCHANGES:
        assert load(name).name == name
    with pytest.raises(ValueError, match="there are binance, bybit, okx"):
        load("mtgox")


@every_exchange
def test_endpoints_replace_the_real_hosts(name):
    exchange = load(name, {"rest": "http://127.0.0.1:9000/", "ws": "ws://127.0.0.1:9001"})
    instruments = exchange.parse_instruments([json.dumps(LISTINGS[name]).encode()])

    assert exchange.instrument_requests()[0].url.startswith("http://127.0.0.1:9000/")
    for plan in exchange.connections(instruments):
        assert plan.url.startswith("ws://127.0.0.1:9001/")
        for poll in plan.polls:
            assert poll.request.url.startswith("http://127.0.0.1:9000/")
    with pytest.raises(ValueError, match="endpoints"):
        load(name, {"telnet": "localhost"})


@every_exchange
def test_a_plan_asks_for_each_of_its_topics_once(name):
    exchange = load(name)
    instruments = exchange.parse_instruments([json.dumps(LISTINGS[name]).encode()])

    plans = exchange.connections(instruments, {"quotes", "funding", "ticker", "depth"})

    assert plans == exchange.connections(instruments, {"quotes", "funding", "ticker", "depth"})
    topics = [topic for plan in plans for topic in plan.topics]
    assert len(topics) == len(set(topics))
    assert len({plan.name for plan in plans}) == len(plans)
    for plan in plans:
        assert tuple(topic for subscription in plan.subscriptions for topic in subscription.topics) == plan.topics
        assert plan.messages == tuple(exchange.subscribe(s.topics, s.request_id) for s in plan.subscriptions)
    assert exchange.symbols_of(topics, instruments) == {"BTC-USDT", "ETH-USDT"}
    assert exchange.connections([]) == []


@every_exchange
def test_text_and_bytes_are_read_alike(name):
    frame = FRAMES[name][0]

    assert decoder_of(name).feed(frame, 1.0) == decoder_of(name).feed(frame.encode(), 1.0)
    assert isinstance(decoder_of(name).feed(frame, 1.0)[0], Quote)


@every_exchange
def test_a_frame_that_comes_twice_is_counted(name):
    decoder = decoder_of(name)
    decoder.feed(FRAMES[name][0], 1.0)
    assert decoder.outdated == 0

    decoder.feed(FRAMES[name][0], 1.0)
    assert decoder.outdated == 1


@every_exchange
@pytest.mark.parametrize("frame", [b"", b"\xff\xfe", b"{", b"[]", b"null", b"7", b'"x"', b"[" * 100_000, "\ud800"])
def test_what_is_no_message_is_a_feed_error(name, frame):
    decoder = decoder_of(name)
    with pytest.raises(FeedError):
        decoder.feed(frame, 1.0)
    with pytest.raises(FeedError):
        decoder.feed_response("time", frame if isinstance(frame, bytes) else b"", 1.0)
    assert decoder.feed(FRAMES[name][0], 1.0)


@every_exchange
def test_bad_payloads_say_what_was_wrong(name):
    with pytest.raises(BadPayload, match=f"^{name}: "):
        decoder_of(name).feed(b'{"broken": ', 1.0)


ODD_VALUES = st.sampled_from(
    [
        None,
        "",
        "nan",
        "inf",
        "-1",
        "1e308",
        "1e-320",
        "x",
        True,
        -1,
        0,
        1e308,
        10**18,
        [],
        [[]],
        {},
        {"a": 1},
        "BTCUSDT",
    ]
)


def leaves(value, path=()):
    """Paths to everything inside a message."""
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


@st.composite
def spoilt_frames(draw):
    """An exchange and a message of it: with a value replaced, cut short, or with other bytes in it."""
    name = draw(st.sampled_from(sorted(LISTINGS)))
    frame = draw(st.sampled_from(FRAMES[name])).encode()
    how = draw(st.sampled_from(["value", "value", "value", "cut", "bytes"]))
    if how == "value":
        message = orjson.loads(frame)
        path = draw(st.sampled_from(list(leaves(message))))
        return name, orjson.dumps(replaced(message, path, draw(ODD_VALUES)))
    place = draw(st.integers(0, len(frame)))
    if how == "cut":
        return name, frame[:place]
    return name, frame[:place] + draw(st.binary(max_size=8)) + frame[place:]


def numbers(word):
    if isinstance(word, Quote):
        return [word.bid_price, word.bid_size, word.ask_price, word.ask_size]
    if isinstance(word, Funding):
        return [word.mark_price, word.index_price, word.funding_interval_h]
    if isinstance(word, Ticker):
        return [word.last_price, word.volume_24h, word.turnover_24h, word.open_interest]
    if isinstance(word, Depth):
        return [number for level in (*word.bids, *word.asks) for number in level]
    return []


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(spoilt_frames())
def test_no_frame_breaks_a_decoder_or_gets_nonsense_out(spoilt):
    name, frame = spoilt
    decoder = decoder_of(name)
    try:
        words = decoder.feed(frame, 1.0)
    except FeedError:
        words = []

    for word in words:
        assert all(number is None or (isfinite(number) and number >= 0.0) for number in numbers(word))
        if isinstance(word, Quote):
            assert all(number is None or number > 0.0 for number in numbers(word))
    (quote,) = decoder.feed(OTHER[name], 1.0)
    assert (quote.symbol, quote.bid_price) == ("ETH-USDT", 1.5)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("name", EXCHANGES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frame=st.one_of(st.binary(max_size=200), st.text(max_size=200), JSON.map(json.dumps)))
def test_no_frame_raises_anything_but_a_feed_error(name, frame):
    decoder = load(name).decoder([])
    with contextlib.suppress(FeedError):
        decoder.feed(frame, 1.0)
    with contextlib.suppress(FeedError):
        decoder.feed_response("time", frame if isinstance(frame, bytes) else frame.encode("utf-8", "replace"), 1.0)
