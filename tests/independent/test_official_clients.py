"""Bybit's and OKX's own clients read the simulated exchanges. Only addresses, and TLS on loopback, are changed."""

import asyncio
import json
import queue

import httpx
import pytest

pytest.importorskip("pybit", reason="pybit is in requirements-dev.txt")
pytest.importorskip("okx", reason="python-okx is in requirements-dev.txt")

import websockets
from okx.PublicData import PublicAPI
from okx.websocket.WebSocketFactory import WebSocketFactory
from okx.websocket.WsPublicAsync import WsPublicAsync
from pybit import unified_trading

PATIENCE_S = 10.0
NEAR = 0.02


def truth_of(simulated, exchange, exchange_symbol):
    answer = httpx.get(f"{simulated['control']['rest']}/truth/{exchange}", params={"symbols": exchange_symbol})
    _, bid, bid_size, ask, ask_size = answer.json()[exchange_symbol][-1]
    assert bid_size > 0
    assert ask_size > 0
    return bid, ask


def assert_true(top, truth):
    bid, ask = top
    assert bid < ask
    assert top == pytest.approx(truth, rel=NEAR)


def pybit_tops(category, exchange_symbol):
    """Three tops of book. pybit keeps the book: every message it hands on is the whole book after a change.

    It notes a request only after sending it, and gives up if the answer was faster, as it can be on loopback: then a
    new socket is tried.
    """
    for _ in range(5):
        messages = queue.Queue()
        socket = unified_trading.WebSocket(channel_type=category, testnet=False, retries=5, trace_logging=False)
        try:
            socket.orderbook_stream(50, exchange_symbol, messages.put)
            books = [messages.get(timeout=3.0)["data"] for _ in range(3)]
            return [(max(float(p) for p, _ in book["b"]), min(float(p) for p, _ in book["a"])) for book in books]
        except queue.Empty:
            continue
        finally:
            socket.exit()
    raise AssertionError("pybit received no books")


@pytest.mark.parametrize(("category", "exchange_symbol"), [("linear", "BTCUSDT"), ("inverse", "BTCUSD")])
def test_pybit_lists_and_watches_bybit(category, exchange_symbol, simulated, monkeypatch):
    endpoints = simulated["bybit"]
    session = unified_trading.HTTP()
    session.endpoint = endpoints["rest"]
    listed = session.get_instruments_info(category=category)["result"]["list"]
    assert exchange_symbol in {row["symbol"] for row in listed}
    (ticker,) = session.get_tickers(category=category, symbol=exchange_symbol)["result"]["list"]
    truth = truth_of(simulated, "bybit", exchange_symbol)
    assert_true((float(ticker["bid1Price"]), float(ticker["ask1Price"])), truth)

    monkeypatch.setattr(unified_trading, "PUBLIC_WSS", f"{endpoints['ws']}/v5/public/{{CHANNEL_TYPE}}")
    for top in pybit_tops(category, exchange_symbol):
        assert_true(top, truth)


@pytest.mark.parametrize("exchange_symbol", ["BTC-USDT-SWAP", "BTC-USD-SWAP"])
def test_python_okx_lists_and_watches_okx(exchange_symbol, simulated, monkeypatch):
    endpoints = simulated["okx"]
    listed = PublicAPI(domain=endpoints["rest"], debug=False).get_instruments(instType="SWAP")["data"]
    assert exchange_symbol in {row["instId"] for row in listed}

    async def connect(factory):
        factory.websocket = await websockets.connect(factory.url)  # as theirs, without TLS
        return factory.websocket

    monkeypatch.setattr(WebSocketFactory, "connect", connect)

    async def tops():
        messages = asyncio.Queue()
        client = WsPublicAsync(url=f"{endpoints['ws']}/ws/v5/public")
        reader = await client.start()
        found = []
        try:
            await client.subscribe([{"channel": "bbo-tbt", "instId": exchange_symbol}], messages.put_nowait)
            while len(found) < 3:
                message = json.loads(await asyncio.wait_for(messages.get(), PATIENCE_S))
                assert message.get("event") != "error", message
                found += [(float(row["bids"][0][0]), float(row["asks"][0][0])) for row in message.get("data", [])]
        finally:
            await client.stop()
            reader.cancel()
        return found

    for top in asyncio.run(tops()):
        assert_true(top, truth_of(simulated, "okx", exchange_symbol))
