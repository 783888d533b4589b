"""HTTP to an exchange, against a server that answers what it is told."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from aiohttp import web
from answering import AnsweringServer

from feeds import rest
from feeds.errors import RequestFailed
from feeds.exchanges.base import HttpRequest
from feeds.rest import RestClient


@contextlib.asynccontextmanager
async def client_of(weight_per_s: float = 1_000.0) -> AsyncIterator[RestClient]:
    client = RestClient("examplex", weight_per_s)
    try:
        yield client
    finally:
        await client.close()


def ask(url: str, weight: float = 1.0, **params: str) -> HttpRequest:
    return HttpRequest("GET", f"{url}/listing", "listing", params, weight=weight)


async def failure_of(client: RestClient, request: HttpRequest) -> RequestFailed:
    with pytest.raises(RequestFailed) as caught:
        await client.fetch(request)
    return caught.value


def test_an_answer_has_its_body_and_the_times_around_it():
    async def scenario():
        async with AnsweringServer().running() as server, client_of() as client:
            before = time.time()
            response = await client.fetch(ask(server.url, category="linear"))
            assert response.body == b"fine"
            assert before <= response.sent_time <= response.received_time <= time.time()
            assert server.asked[0][1] == "/listing?category=linear"

    asyncio.run(scenario())


def test_what_is_posted_is_json_and_says_so():
    async def scenario():
        async with AnsweringServer().running() as server, client_of() as client:

            async def echo(request: web.Request) -> web.Response:
                return web.json_response([request.method, request.content_type, await request.json()])

            server.answer = echo
            response = await client.fetch(HttpRequest("POST", f"{server.url}/info", "listing", json=b'{"type":"meta"}'))
            assert json.loads(response.body) == ["POST", "application/json", {"type": "meta"}]

    asyncio.run(scenario())


def test_requests_are_paced_by_their_weight_once_the_saved_budget_is_used():
    """Ten a second: ten seconds' budget goes out at once, then 4 of weight take 0.4 s each."""

    async def scenario():
        async with AnsweringServer().running() as server, client_of(weight_per_s=10.0) as client:
            await client.fetch(ask(server.url, weight=10.0 * rest.BURST_S))
            for _ in range(3):
                await client.fetch(ask(server.url, weight=4.0))
            gaps = [b - a for a, b in pairwise(server.times)]
            assert min(gaps) > 0.35

    asyncio.run(scenario())


def test_concurrent_requests_share_one_budget():
    async def scenario():
        async with AnsweringServer().running() as server, client_of(weight_per_s=20.0) as client:
            await client.fetch(ask(server.url, weight=20.0 * rest.BURST_S))
            await asyncio.gather(*(client.fetch(ask(server.url)) for _ in range(10)))
            assert server.times[-1] - server.times[0] > 0.45  # ten at twenty a second

    asyncio.run(scenario())


def test_a_request_heavier_than_all_that_can_be_saved_is_sent_and_paid_for_later():
    async def scenario():
        async with AnsweringServer().running() as server, client_of(weight_per_s=100.0) as client:
            await client.fetch(ask(server.url, weight=100.0 * rest.BURST_S + 50.0))
            await client.fetch(ask(server.url))
            assert server.times[1] - server.times[0] > 0.45

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [429, 418, 403])
def test_after_a_refusal_nothing_is_sent_until_the_time_named_is_over(status):
    async def scenario():
        async with AnsweringServer().running() as server, client_of() as client:
            server.always(status, "too many requests", Retry_After="0.5")
            error = await failure_of(client, ask(server.url))
            assert (error.status, error.retry_after_s) == (status, 0.5)
            assert str(error) == f"examplex: listing: HTTP {status}, too many requests"

            server.always(200, "fine")
            held_back = await failure_of(client, ask(server.url))
            assert "stay away" in held_back.detail
            assert 0.0 < held_back.retry_after_s <= 0.5
            assert len(server.asked) == 1

            await asyncio.sleep(held_back.retry_after_s)
            assert (await client.fetch(ask(server.url))).body == b"fine"

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [429, 418, 403])
def test_a_refusal_without_a_time_means_half_a_minute(status):
    async def scenario():
        async with AnsweringServer().running() as server, client_of() as client:
            server.always(status)
            error = await failure_of(client, ask(server.url))
            assert error.retry_after_s == rest.STAY_AWAY_S
            assert error.detail == f"listing: HTTP {status}"
            held_back = await failure_of(client, ask(server.url))
            assert held_back.detail == f"HTTP {status}: asked to stay away for 30 s more"
            assert len(server.asked) == 1

    asyncio.run(scenario())


def test_a_time_under_another_header_is_obeyed():
    """Phemex names a group of requests in it."""

    async def scenario():
        async with AnsweringServer().running() as server, client_of() as client:
            server.always(429, **{"x-ratelimit-retry-after-public": "7"})
            assert (await failure_of(client, ask(server.url))).retry_after_s == 7.0

    asyncio.run(scenario())


def test_requests_that_wait_for_their_share_are_held_back_by_a_refusal_too():
    """A queue that goes on after the refusal is what turns a 429 into a ban."""

    async def scenario():
        async with AnsweringServer().running() as server, client_of(weight_per_s=10.0) as client:
            server.always(429, Retry_After="20")
            first = asyncio.create_task(failure_of(client, ask(server.url, weight=10.0 * rest.BURST_S)))
            await asyncio.sleep(0)
            waiting = [asyncio.create_task(failure_of(client, ask(server.url, weight=5.0))) for _ in range(2)]
            errors = [await first, *[await task for task in waiting]]
            assert len(server.asked) == 1
            assert [error.status for error in errors] == [429, None, None]
            assert all("stay away" in error.detail for error in errors[1:])

    asyncio.run(scenario())


def test_a_server_error_is_no_reason_to_stay_away():
    async def scenario():
        async with AnsweringServer().running() as server, client_of() as client:
            server.always(503, "<html>\n  down for\tmaintenance\n</html>", Retry_After="7")
            error = await failure_of(client, ask(server.url))
            assert (error.status, error.retry_after_s) == (503, 7.0)
            assert error.detail == "listing: HTTP 503, <html> down for maintenance </html>"
            await failure_of(client, ask(server.url))
            assert len(server.asked) == 2

    asyncio.run(scenario())


def test_a_long_error_page_is_cut():
    async def scenario():
        async with AnsweringServer().running() as server, client_of() as client:
            server.always(500, "x" * 10_000)
            assert len((await failure_of(client, ask(server.url))).detail) < 200

    asyncio.run(scenario())


def test_a_redirect_is_not_followed():
    async def scenario():
        async with AnsweringServer().running() as server, client_of() as client:
            server.always(302, Location=f"{server.url}/elsewhere")
            assert (await failure_of(client, ask(server.url))).status == 302
            assert len(server.asked) == 1

    asyncio.run(scenario())


def test_a_server_that_never_answers_times_out(monkeypatch):
    monkeypatch.setattr(rest, "TIMEOUT_S", 0.3)

    async def scenario():
        async def never(_: web.Request) -> web.StreamResponse:
            await asyncio.sleep(60)
            raise AssertionError

        async with AnsweringServer().running() as server, client_of() as client:
            server.answer = never
            error = await failure_of(client, ask(server.url))
            assert str(error) == "examplex: listing: timed out"
            assert (error.status, error.retry_after_s) == (None, None)

    asyncio.run(scenario())


def test_an_answer_that_drips_for_ever_times_out(monkeypatch):
    """Every byte renews a timeout that counts from the last one."""
    monkeypatch.setattr(rest, "TIMEOUT_S", 0.5)
    monkeypatch.setattr(rest, "ANSWER_TIMEOUT_S", 1.0, raising=False)

    async def scenario():
        async def drip(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            with contextlib.suppress(ConnectionError):
                while True:
                    await response.write(b" ")
                    await asyncio.sleep(0.1)
            return response

        async with AnsweringServer().running() as server, client_of() as client:
            server.answer = drip
            async with asyncio.timeout(10):
                assert (await failure_of(client, ask(server.url))).detail == "listing: timed out"

    asyncio.run(scenario())


def test_a_refused_connection_says_so():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody else gets it

        async def scenario():
            async with client_of() as client:
                error = await failure_of(client, ask(f"http://127.0.0.1:{taken.getsockname()[1]}"))
                assert error.detail == "listing: connection refused"

        asyncio.run(scenario())


def test_a_server_that_hangs_up_is_a_failed_request():
    async def scenario():
        async def hang_up(request: web.Request) -> web.StreamResponse:
            request.transport.close()
            return web.Response()

        async with AnsweringServer().running() as server, client_of() as client:
            server.answer = hang_up
            assert (await failure_of(client, ask(server.url))).detail.startswith("listing: ")

    asyncio.run(scenario())
