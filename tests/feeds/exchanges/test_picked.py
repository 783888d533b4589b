"""Frames read by what is picked out of them: the same words, in the same order, as the general way would tell."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.errors import FeedError
from feeds.exchanges import _deribit_frames, _okx_frames, _phemex_frames, hyperliquid, load
from tests.native_library import required
from tests.store.scripted import instrument

required()

PRICE = st.sampled_from([*["100", "100.5", "101", "101.25"] * 5, "0.0001", "0", "-1", "1e2", ""])
SIZE = st.sampled_from([*["1", "2.50", "10000", "0"] * 4, "-3"])
TIME = st.integers(1_790_000_000_000, 1_790_000_000_004)
NUMBER = st.integers(5, 9)
MOST = settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def side(form: str, most: int) -> st.SearchStrategy[str]:
    level = st.builds(form.format, PRICE, SIZE)
    return st.lists(level, max_size=most).map(",".join)


OKX = st.builds(
    '{{"arg":{{"channel":"bbo-tbt","instId":"{}"}},"data":[{{"asks":[{}],"bids":[{}],"ts":"{}"{}}}]}}'.format,
    st.sampled_from(["BTC-USDT-SWAP", "BTC-USD-SWAP", "X-USDT-SWAP"]),
    side('["{}","{}","0","2"]', 2),
    side('["{}","{}","0","2"]', 1),
    TIME,
    NUMBER.map(',"seqId":{}'.format) | st.just(""),
)
LEVEL = st.builds('{{"px":"{}","sz":"{}","n":3}}'.format, PRICE, SIZE) | st.just("null")
HYPERLIQUID = st.builds(
    '{{"channel":"bbo","data":{{"coin":"{}","time":{},"bbo":[{},{}]}}}}'.format,
    st.sampled_from(["BTC", "kPEPE", "X"]),
    TIME,
    LEVEL,
    LEVEL,
) | st.builds(
    '{{"channel":"l2Book","data":{{"coin":"{}","time":{},"levels":[[{}],[{}]],"fast":true}}}}'.format,
    st.sampled_from(["BTC", "kPEPE", "X"]),
    TIME,
    side('{{"px":"{}","sz":"{}","n":3}}', 3),
    side('{{"px":"{}","sz":"{}","n":3}}', 3),
)
PLAIN = st.sampled_from([*(f"10{n}.5" for n in range(8)), "100.0", "101.0", "0.0", "null", "1e2", "7.0E-5"])
DERIBIT = st.builds(
    '{{"jsonrpc":"2.0","method":"subscription","params":{{"channel":"quote.{0}","data":{{"timestamp":{1},'
    '"instrument_name":"{0}","best_bid_price":{2},"best_bid_amount":{3},"best_ask_price":{4},"best_ask_amount":{5}'
    "}}}}}}".format,
    st.sampled_from(["BTC-PERPETUAL", "BTC_USDC-PERPETUAL", "X-PERPETUAL"]),
    TIME,
    *([PLAIN] * 4),
) | st.builds(
    '{{"jsonrpc":"2.0","method":"subscription","params":{{"channel":"ticker.{0}.agg2","data":{{"timestamp":{1},'
    '"state":"{2}","index_price":{3},"instrument_name":"{0}","last_price":{4},"open_interest":{5},"mark_price":{6},'
    '"best_ask_price":{7},"best_bid_price":{8},"best_ask_amount":1.5,"best_bid_amount":2,"current_funding":{9}{10}'
    "}}}}}}".format,
    st.sampled_from(["BTC-PERPETUAL", "BTC_USDC-PERPETUAL", "X-PERPETUAL"]),
    TIME,
    st.sampled_from(["open", "open", "open", "closed"]),
    *([PLAIN] * 7),
    st.sampled_from(
        [
            "",
            ',"stats":{"volume":3.5,"volume_usd":7}',
            ',"stats":{"volume":null}',
            ',"stats":{"volume_usd":7}',
            ',"stats":{}',
        ]
    ),
)
PHEMEX = st.builds(
    '{{"depth":{},"dts":{},"orderbook_p":{{"asks":[{}],"bids":[{}]}},"sequence":{},"symbol":"{}","timestamp":{},'
    '"type":"{}"}}'.format,
    st.sampled_from([1, 1, 1, 30]),
    st.sampled_from([0, 1_790_000_000_000_000_001]),
    side('["{}","{}"]', 2),
    side('["{}","{}"]', 2),
    NUMBER,
    st.sampled_from(["BTCUSDT", "XUSDT"]),
    st.sampled_from([0, 1_790_000_000_000_000_000]),
    st.sampled_from(["snapshot", "incremental", "incremental", "other"]),
) | st.builds(
    '{{"book":{{"asks":[{}],"bids":[{}]}},"depth":30,"sequence":{},"symbol":"BTCUSD","timestamp":{},"type":"{}"}}'.format,
    side("[{},{}]", 3),
    side("[{},{}]", 3),
    NUMBER,
    st.sampled_from([0, 1_790_000_000_000_000_000]),
    st.sampled_from(["snapshot", "incremental", "incremental"]),
)
LINEAR = {"kind": "linear", "multiplier": 1.0, "contract_multiplier": 0.01}
INVERSE = {"kind": "inverse", "multiplier": 1.0, "contract_multiplier": 10.0}
SCALED = {**INVERSE, "extra": {"price_scale": 4, "ratio_scale": 8, "value_scale": 8}}
# By exchange: the contracts that its frames are about, those frames, and what picks.
CASES = {
    "okx": (
        {"BTC-USDT-SWAP": LINEAR, "BTC-USD-SWAP": INVERSE},
        OKX,
        [(_okx_frames, "_pick_top")],
    ),
    "hyperliquid": (
        {"BTC": LINEAR, "kPEPE": {**LINEAR, "multiplier": 1000.0}},
        HYPERLIQUID,
        [(hyperliquid, "_pick_touch"), (hyperliquid, "_pick_book")],
    ),
    "deribit": (
        {"BTC_USDC-PERPETUAL": LINEAR, "BTC-PERPETUAL": INVERSE},
        DERIBIT,
        [(_deribit_frames, "_pick_top"), (_deribit_frames, "_pick_full")],
    ),
    "phemex": (
        {"BTCUSDT": LINEAR, "BTCUSD": SCALED},
        PHEMEX,
        [(_phemex_frames, "pick_touch"), (_phemex_frames, "pick_scaled")],
    ),
}


def told(decoder, frame, received_time):
    try:
        return sorted(decoder.feed(frame, received_time), key=repr)
    except FeedError as error:
        return type(error)


@pytest.mark.parametrize("name", CASES)
def test_what_is_picked_tells_what_the_general_way_tells(name):
    contracts, frames, pickers = CASES[name]
    instruments = [
        instrument(name, f"X{i}-USD", exchange_symbol=exchange_symbol, **row)
        for i, (exchange_symbol, row) in enumerate(contracts.items())
    ]
    picked = Counter()

    @MOST
    @given(st.lists(st.tuples(frames, st.sampled_from([0.0, 0.02, 2.0, 70.0])), min_size=1, max_size=12))
    def check(messages):
        one, other = (load(name).decoder(instruments) for _ in range(2))
        received_time = 1_790_000_001.0
        for frame, after in messages:
            received_time += after
            data = frame.encode()
            said = told(one, data, received_time)
            picked.update(read(data) is not None for read in (getattr(*picker) for picker in pickers))
            with pytest.MonkeyPatch.context() as patch:
                for module, attribute in pickers:
                    patch.setattr(module, attribute, lambda _frame: None)
                assert said == told(other, data, received_time)
            assert one.outdated == other.outdated

    check()
    assert picked[True] > 30, picked
