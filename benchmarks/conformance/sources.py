"""What each exchange is compared on: listings, frames and answers, and where ccxt asks for them.

A listing round is what one reading of the catalogue returned: our adapter gets the bodies in order, ccxt gets the same
bodies under the paths it asks for. Recordings that lost their envelope get it back here.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.conformance.recordings import captured


@dataclass(frozen=True, slots=True)
class Body:
    """One answer. path: a part of the address that ccxt asks for; ours: whether our adapter reads it, too."""

    path: str
    text: str
    ours: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """A polled answer. our_path: of the poll in our plans, and its purpose where one path answers everything; method:
    of ccxt, with `arguments`.
    """

    our_path: str
    body: Body
    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """One exchange. empties: what to answer ccxt where it asks for a product that we do not cover."""

    exchange: str
    listings: Callable[[Path], Sequence[Sequence[Body]]]
    captures: Sequence[str]
    ws_url: str
    options: Mapping[str, Any] = field(default_factory=dict)
    empties: Mapping[str, str] = field(default_factory=dict)
    answers: Callable[[Path], Sequence[Answer]] = lambda _shared: ()


def _texts(shared: Path, path: str) -> list[str]:
    return [frame.text for frame in captured(shared / "captures" / path)]


def _sample(shared: Path, path: str) -> Any:
    return json.loads((shared / "venues" / "samples" / path).read_text(encoding="utf-8"))


def _wrapped(text: str, **envelope: Any) -> str:
    """Rows back in their envelope, untouched."""
    head = json.dumps(envelope)[:-1]
    return f'{head}{", " if envelope else ""}"data": {text}}}'


def _binance(shared: Path) -> list[list[Body]]:
    um, cm = "/fapi/v1/exchangeInfo", "/dapi/v1/exchangeInfo"
    sample = _sample(shared, "binance/instruments.json")
    return [
        [
            Body(um, _texts(shared, "binance/instruments.jsonl")[0]),
            Body(cm, _texts(shared, "binance-coinm/instruments.jsonl")[0]),
        ],
        [Body(um, json.dumps(sample[f"GET fapi {um}"])), Body(cm, json.dumps(sample[f"GET dapi {cm}"]))],
    ]


def _bybit(shared: Path) -> list[list[Body]]:
    sample = _sample(shared, "bybit/instruments.json")
    return [
        [Body("category=linear", _texts(shared, "bybit/instruments.jsonl")[0])],
        [
            Body(f"category={kind}", json.dumps(next(v for k, v in sample.items() if kind in k)))
            for kind in ("linear", "inverse")
        ],
    ]


def _okx(shared: Path) -> list[list[Body]]:
    swap = "instType=SWAP"
    sample = _sample(shared, "okx/instruments.json")
    bodies = [
        *(_wrapped(text, code="0", msg="") for text in _texts(shared, "okx/instruments.partial.jsonl")),
        *_texts(shared, "okx/instruments.jsonl"),
        json.dumps(next(v for k, v in sample.items() if "SWAP" in k)),
    ]
    return [[Body(swap, body)] for body in bodies]


def _kucoin(shared: Path) -> list[list[Body]]:
    partial = []
    for text in _texts(shared, "kucoin/instruments.partial.jsonl"):
        # The recorder deleted what changes; ccxt tells perpetuals by the presence of the next funding time.
        rows = [{"nextFundingRateTime": 0, **row} if row["type"] == "FFWCSX" else row for row in json.loads(text)]
        partial.append(json.dumps({"code": "200000", "data": rows}))
    whole = _texts(shared, "kucoin/instruments.jsonl")[:1]
    sample = json.dumps(_sample(shared, "kucoin/instruments.json"))
    return [[Body("contracts/active", body)] for body in (*partial, *whole, sample)]


def _deribit(shared: Path) -> list[list[Body]]:
    bodies = [*_texts(shared, "deribit/instruments.jsonl")[:4], json.dumps(_sample(shared, "deribit/instruments.json"))]
    return [[Body("get_instruments", body)] for body in bodies]


def _bitmex(shared: Path) -> list[list[Body]]:
    bodies = [*_texts(shared, "bitmex/instruments.jsonl"), json.dumps(_sample(shared, "bitmex/instruments.json"))]
    return [[Body("instrument/active", body)] for body in bodies]


def _gate(shared: Path) -> list[list[Body]]:
    sample = _sample(shared, "gate/instruments.json")
    recorded = [*_texts(shared, "gate/instruments.partial.jsonl"), *_texts(shared, "gate/instruments.jsonl")]
    usdt = [[Body("futures/usdt/contracts", body)] for body in recorded]
    parts = {"usdt": [row for row in sample if row["name"].endswith("_USDT")]}
    parts["btc"] = [row for row in sample if row not in parts["usdt"]]
    return [*usdt, [Body(f"futures/{settle}/contracts", json.dumps(rows)) for settle, rows in parts.items()]]


def _mexc(shared: Path) -> list[list[Body]]:
    partial = [_wrapped(text, success=True, code=0) for text in _texts(shared, "mexc/instruments.partial.jsonl")]
    return [
        [Body("contract/detail", body)] for body in (*partial, json.dumps(_sample(shared, "mexc/instruments.json")))
    ]


def _bitget(shared: Path) -> list[list[Body]]:
    sample = _sample(shared, "bitget/instruments.json")
    families = ("USDT-FUTURES", "USDC-FUTURES", "COIN-FUTURES")
    bodies = {
        family: json.dumps(next(v for k, v in sample.items() if "v2" in k and family in k)) for family in families
    }
    return [
        [Body("productType=USDT-FUTURES", _texts(shared, "bitget/instruments.jsonl")[0])],
        [Body(f"productType={family}", body) for family, body in bodies.items()],
    ]


def _phemex(shared: Path) -> list[list[Body]]:
    old = _texts(shared, "phemex/instruments.jsonl")[0]
    new = json.dumps(_sample(shared, "phemex/instruments.json"))
    return [[Body("phemex.com/public/products", body)] for body in (old, new)]


def _binance_answers(shared: Path) -> list[Answer]:
    kinds = {"/fapi": ("linear", "binance/tickers.jsonl"), "/dapi": ("inverse", "binance-coinm/tickers.jsonl")}
    answers = []
    for api, (kind, path) in kinds.items():
        place = f"{api}/v1/ticker/bookTicker"
        arguments = {"params": {"type": "swap", "subType": kind}}
        answers.append(Answer(place, Body(place, _texts(shared, path)[1]), "fetch_bids_asks", arguments))
    return answers


def _kucoin_answers(shared: Path) -> list[Answer]:
    active = Body("contracts/active", json.dumps(_sample(shared, "kucoin/instruments.json")))
    tickers = Body("allTickers", json.dumps(_sample(shared, "kucoin/rest_all_tickers.json")))
    every = {"params": {"type": "swap", "method": "futuresPublicGetAllTickers"}}
    return [
        Answer("/api/v1/contracts/active", active, "fetch_tickers", {"params": {"type": "swap"}}),
        Answer("/api/v1/allTickers", tickers, "fetch_tickers", every),
    ]


def _deribit_answers(shared: Path) -> list[Answer]:
    place, arguments = "get_book_summary_by_currency", {"params": {"code": "BTC"}}
    return [Answer(place, Body(place, t), "fetch_tickers", arguments) for t in _texts(shared, "deribit/tickers.jsonl")]


def _bitmex_answers(shared: Path) -> list[Answer]:
    methods = ("fetch_tickers", "fetch_funding_rates")
    return [Answer("/instrument/active", body, method) for (body,) in _bitmex(shared) for method in methods]


def _gate_answers(shared: Path) -> list[Answer]:
    place, swap = "/futures/usdt/tickers", {"params": {"type": "swap"}}
    tickers = [json.dumps(_sample(shared, "gate/rest_tickers.json")), *_texts(shared, "gate/tickers.jsonl")]
    contracts = Body("/futures/usdt/contracts", _texts(shared, "gate/instruments.jsonl")[0])
    return [
        Answer("/futures/usdt/contracts", contracts, "fetch_funding_rates"),
        *(Answer(place, Body(place, text), "fetch_tickers", swap) for text in tickers),
    ]


def _mexc_answers(shared: Path) -> list[Answer]:
    body = Body("contract/ticker", json.dumps(_sample(shared, "mexc/rest_ticker_all.json")))
    return [Answer("/contract/ticker", body, "fetch_tickers", {"params": {"type": "swap"}})]


def _bitget_answers(shared: Path) -> list[Answer]:
    body = Body("mix/market/tickers", _texts(shared, "bitget/tickers.jsonl")[0])
    return [
        Answer(
            "/mix/market/tickers", body, "fetch_tickers", {"params": {"type": "swap", "productType": "USDT-FUTURES"}}
        )
    ]


def _hyperliquid(shared: Path) -> list[list[Body]]:
    contexts = json.dumps(_sample(shared, "hyperliquid/instruments.json"))
    return [[Body("/info", _texts(shared, "hyperliquid/tickers.jsonl")[0])], [Body("/info", contexts)]]


def _hyperliquid_answers(shared: Path) -> list[Answer]:
    return [Answer("/info", body, "fetch_funding_rates", purpose="contexts") for (body,) in _hyperliquid(shared)]


EMPTY_DATA = '{"code": "00000", "data": []}'
SWAPS = {"fetchMarkets": {"types": ["swap"]}}
LINEAR_AND_INVERSE = {"fetchMarkets": {"types": ["linear", "inverse"]}}

SOURCES: tuple[Source, ...] = (
    Source(
        "binance",
        _binance,
        ("binance/ws.jsonl", "binance-coinm/ws.jsonl"),
        "wss://fstream.binance.com/ws",
        options=LINEAR_AND_INVERSE,
        answers=_binance_answers,
    ),
    Source(
        "bybit",
        _bybit,
        ("bybit/ws.jsonl",),
        "wss://stream.bybit.com/v5/public/linear",
        options=LINEAR_AND_INVERSE,
        empties={"category=": '{"retCode": 0, "result": {"list": []}}'},
    ),
    Source("okx", _okx, ("okx/ws.jsonl",), "wss://ws.okx.com:8443/ws/v5/public", options=SWAPS),
    Source(
        "kucoin",
        _kucoin,
        ("kucoin/ws.jsonl",),
        "wss://ws-api-futures.kucoin.com",
        options=SWAPS,
        answers=_kucoin_answers,
    ),
    Source("deribit", _deribit, ("deribit/ws.jsonl",), "wss://www.deribit.com/ws/api/v2", answers=_deribit_answers),
    Source("bitmex", _bitmex, ("bitmex/ws.jsonl",), "wss://ws.bitmex.com/realtime", answers=_bitmex_answers),
    Source(
        "gate",
        _gate,
        ("gate/ws.jsonl",),
        "wss://fx-ws.gateio.ws/v4/ws/usdt",
        options=SWAPS,
        empties={"futures/btc": "[]"},
        answers=_gate_answers,
    ),
    Source(
        "mexc",
        _mexc,
        ("mexc/ws.jsonl",),
        "wss://contract.mexc.com/edge",
        empties={"/v3/exchangeInfo": '{"symbols": []}'},
        answers=_mexc_answers,
    ),
    Source(
        "bitget",
        _bitget,
        ("bitget/ws.jsonl",),
        "wss://ws.bitget.com/v2/ws/public",
        options=SWAPS,
        empties={"productType=": EMPTY_DATA},
        answers=_bitget_answers,
    ),
    Source(
        "phemex",
        _phemex,
        ("phemex/ws.jsonl",),
        "wss://ws.phemex.com",
        # The older list adds only fees and limits.
        empties={"exchange/public/products": '{"code": 0, "data": []}'},
    ),
    Source(
        "hyperliquid",
        _hyperliquid,
        ("hyperliquid/ws.jsonl",),
        "wss://api.hyperliquid.xyz/ws",
        options=SWAPS,
        answers=_hyperliquid_answers,
    ),
)
