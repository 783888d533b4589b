"""The API over a scripted desk, and how the tests ask it."""

import dataclasses
import time

from fastapi import FastAPI
from fastapi.testclient import TestClient

from analytics.quality import Verdict
from api import models, router
from desk import Desk, Market
from market.models import Status
from store.snapshot import SnapshotStore
from tests.store.scripted import desk_of, funding, instrument, market_of, quote, ticker

EXCHANGES = ("binance", "bybit", "okx")
ROWS = {
    "exchanges": models.ExchangeRow,
    "instruments": models.InstrumentRow,
    "prices": models.PriceRow,
    "prices/BTC-USDT": models.PriceRow,
    "funding": models.FundingRow,
    "arb": models.OpportunityRow,
}


def scripted_market() -> Market:
    """Three exchanges. BTC-USDT: okx 0.5 % above the rest. ETH-USDT: okx has no quote. BTC-USD: bybit only, halted.

    All was said a second ago, so that the gap has been there for long enough.
    """
    now = time.time() - 1.0
    store = SnapshotStore(EXCHANGES)
    for exchange in EXCHANGES:
        listing = [instrument(exchange, symbol) for symbol in ("BTC-USDT", "ETH-USDT")]
        if exchange == "bybit":
            listing.append(instrument(exchange, "BTC-USD", kind="inverse", status=Status.HALTED))
        store.set_instruments(exchange, listing)
    store.write(
        [
            quote("binance", 100.0, 100.1, sizes=(3.0, 4.0), at=now, event=now - 0.05),
            quote("bybit", 100.0, 100.1, sizes=(1.0, 3.0), at=now, event=now - 0.05),
            quote("okx", 100.5, 100.6, sizes=(20.0, 2.0), at=now, event=now - 0.05),
            quote("binance", 10.0, 10.01, "ETH-USDT", at=now),
            quote("bybit", 10.0, 10.01, "ETH-USDT", at=now - 60),
            funding(
                "binance", at=now, mark_price=100.05, index_price=100.0, funding_rate=0.00999, funding_interval_h=4.0
            ),
            *(funding(exchange, at=now, mark_price=100.05, index_price=100.0) for exchange in ("bybit", "okx")),
            *(funding(name, "ETH-USDT", at=now, mark_price=10.0, index_price=10.0) for name in ("binance", "bybit")),
            ticker("binance", at=now, last_price=100.0, volume_24h=5.0, turnover_24h=500.0, open_interest=9.0),
        ]
    )
    market = market_of(store)
    judgement = desk_of(market).view.judgement
    memory = store.snapshot().data.copy()
    memory[:4, 1, :] = [[100.0] * 3, [1.0] * 3, [100.1] * 3, [1.0] * 3]  # an hour ago okx was level with the rest
    past = dataclasses.replace(judgement.snapshot, data=memory)
    for i in range(30):
        market.ring.sample(past, judgement.verdicts == Verdict.OK, now - 40 + i)
    return market


def serve(desk: Desk) -> TestClient:
    server = FastAPI()
    server.include_router(router(desk))
    return TestClient(server, raise_server_exceptions=False)


def rows(client: TestClient, path: str, **parameters: object) -> list[dict[str, object]]:
    answer = client.get(f"/api/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, object]] = answer.json()["rows"]
    return found


def refusal(client: TestClient, path: str, status: int) -> str:
    """The one sentence of a refused request."""
    answer = client.get(f"/api/{path}")
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"detail"}
    assert isinstance(body["detail"], str)
    assert "\n" not in body["detail"]
    return str(body["detail"])
