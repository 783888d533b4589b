"""Listings: pages, failures, and what changed between two of them."""

import asyncio
from collections.abc import Sequence

import orjson
import pytest
from aiohttp import web
from answering import AnsweringServer
from examplex import Examplex, instrument

from feeds.catalogue import MOST_PAGES, Change, changes, read_listing
from feeds.errors import BadListing, RequestFailed
from feeds.exchanges.base import HttpRequest
from feeds.rest import RestClient
from market.models import Instrument, Status


class Paged(Examplex):
    """Two requests of which the second is optional; pages of three ids, each naming the next."""

    def instrument_requests(self) -> list[HttpRequest]:
        return [
            HttpRequest("GET", f"{self.rest}/listing", "listing"),
            HttpRequest("GET", f"{self.rest}/extras", "extras", optional=True),
        ]

    def next_requests(self, request: HttpRequest, body: bytes) -> list[HttpRequest]:
        cursor = orjson.loads(body).get("next")
        return [HttpRequest("GET", request.url, request.purpose, {"cursor": cursor})] if cursor else []

    def parse_instruments(self, bodies: Sequence[bytes]) -> list[Instrument]:
        self.bodies = list(bodies)
        return [instrument(row) for body in bodies if body for row in orjson.loads(body)["rows"]]


async def read(server: AnsweringServer) -> tuple[Paged, list[Instrument], list[str]]:
    exchange = Paged("ws://127.0.0.1:9", server.url)
    client = RestClient("examplex", 10_000.0)
    seen: list[str] = []
    try:
        found = await read_listing(exchange, client, lambda request, _: seen.append(request.purpose))
    finally:
        await client.close()
    return exchange, found, seen


def pages(**by_path: dict[str, object] | None):
    """Answers by path and cursor; None is a failure."""

    async def answer(request: web.Request) -> web.StreamResponse:
        key = request.path.strip("/") + request.query.get("cursor", "")
        body = by_path[key]
        return web.Response(status=500, text="oops") if body is None else web.json_response(body)

    return answer


def test_pages_are_read_to_the_end_in_order():
    async def scenario():
        async with AnsweringServer().running() as server:
            server.answer = pages(
                listing={"rows": ["A", "B"], "next": "2"},
                listing2={"rows": ["C"], "next": "3"},
                listing3={"rows": ["D"]},
                extras={"rows": ["E"]},
            )
            _, found, seen = await read(server)
            assert [row.exchange_symbol for row in found] == ["A", "B", "C", "D", "E"]
            assert seen == ["listing", "listing", "listing", "extras"]

    asyncio.run(scenario())


def test_an_optional_answer_that_does_not_come_leaves_its_place_empty():
    async def scenario():
        async with AnsweringServer().running() as server:
            server.answer = pages(listing={"rows": ["A"]}, extras=None)
            exchange, found, seen = await read(server)
            assert [row.exchange_symbol for row in found] == ["A"]
            assert exchange.bodies[1] == b""
            assert seen == ["listing"]

    asyncio.run(scenario())


def test_a_needed_page_that_does_not_come_spoils_the_listing():
    """Half a listing would look like a wave of delistings."""

    async def scenario():
        async with AnsweringServer().running() as server:
            server.answer = pages(listing={"rows": ["A"], "next": "2"}, listing2=None, extras={"rows": []})
            with pytest.raises(RequestFailed, match="listing: HTTP 500, oops"):
                await read(server)

    asyncio.run(scenario())


def test_paging_that_never_ends_is_given_up():
    async def scenario():
        async def endless(_: web.Request) -> web.StreamResponse:
            return web.json_response({"rows": ["A"], "next": str(len(server.asked))})

        async with AnsweringServer().running() as server:
            server.answer = endless
            with pytest.raises(BadListing, match=f"listing has more than {MOST_PAGES} pages"):
                await read(server)
            assert len(server.asked) <= MOST_PAGES + 1

    asyncio.run(scenario())


def test_a_listing_without_a_perpetual_is_no_listing():
    async def scenario():
        async with AnsweringServer().running() as server:
            server.answer = pages(listing={"rows": []}, extras={"rows": []})
            with pytest.raises(BadListing, match="has no perpetual in it"):
                await read(server)

    asyncio.run(scenario())


def test_changes_are_told_as_sentences():
    old = [instrument("BTC"), instrument("ETH"), instrument("SOL", Status.HALTED), instrument("XRP")]
    new = [instrument("BTC"), instrument("ETH", Status.HALTED), instrument("SOL"), instrument("DOGE")]
    assert changes(old, new) == [
        Change("listed", "DOGE-USDT", "DOGE is listed"),
        Change("delisted", "XRP-USDT", "XRP is listed no more"),
        Change("halted", "ETH-USDT", "ETH went from trading to halted"),
        Change("resumed", "SOL-USDT", "SOL went from halted to trading"),
    ]


@pytest.mark.parametrize("status", [Status.HALTED, Status.PRE_MARKET, Status.CLOSED])
def test_leaving_trading_is_a_halt_whatever_it_is_called(status):
    (change,) = changes([instrument("BTC")], [instrument("BTC", status)])
    assert change.kind == "halted"


def test_the_same_listing_in_another_order_is_no_change():
    rows = [instrument("BTC"), instrument("ETH")]
    assert changes(rows, rows[::-1]) == []
