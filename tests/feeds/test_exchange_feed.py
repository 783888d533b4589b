"""The one connection lifecycle, against a server that misbehaves on request."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import get_args

import pytest
from examplex import Decoder, Examplex, Server, Sink, until
from websockets.asyncio.server import ServerConnection

from feeds import session
from feeds.exchange_feed import ExchangeFeed
from feeds.exchanges.base import HttpRequest, Poll
from feeds.rest import Response
from feeds.transport import SocketLibrary
from market.models import Quote


@contextlib.asynccontextmanager
async def running(
    server: Server, catalogue_every_s: float = 60.0, library: SocketLibrary = "websockets", **plan: object
) -> AsyncIterator[tuple[ExchangeFeed, Sink]]:
    """A feed of the made-up exchange against a server, until the block ends."""
    sink = Sink()
    exchange = Examplex(server.url, server.rest, **plan)
    feed = ExchangeFeed(exchange, sink, catalogue_every_s=catalogue_every_s, library=library)
    task = asyncio.create_task(feed.run())
    try:
        yield feed, sink
    finally:
        task.cancel()
        await asyncio.wait((task,))


def texts(feed: ExchangeFeed) -> str:
    return "\n".join(event.text for event in feed.log.events())


def listing(count: int) -> list[dict[str, str]]:
    return [{"id": f"C{i}"} for i in range(count)]


def test_topics_are_asked_for_in_portions_and_at_the_pace_allowed():
    async def scenario():
        server = Server()
        server.listing = listing(23)
        async with server.running(), running(server, messages_per_s=20.0) as (_, sink):
            await until(lambda: len(sink.symbols) == 23)
        sizes = [len(message["topics"]) for _, message in server.requests]
        gaps = [b - a for (a, _), (b, _) in pairwise(server.requests)]
        assert sizes == [5, 5, 5, 5, 3]
        assert min(gaps) > 0.03  # 20 messages a second are 0.05 s apart, less the jitter of a loaded machine

    asyncio.run(scenario())


@pytest.mark.parametrize("library", get_args(SocketLibrary))
def test_either_socket_library_is_cut_redialled_and_cancelled(library):
    async def scenario():
        server = Server()
        server.listing = listing(7)
        async with server.running(), running(server, library=library) as (feed, sink):
            await until(lambda: len(sink.symbols) == 7 and feed.status().state == "live")
            await asyncio.gather(*(socket.close(1012, "restart") for socket in server.sockets))
            await until(lambda: "closed with code 1012, restart" in texts(feed))
            await until(lambda: len(server.dialled) == 2 and feed.status().state == "live")

    asyncio.run(scenario())


def test_heartbeats_go_out_and_the_time_endpoint_is_polled():
    async def scenario():
        server = Server()
        async with server.running(), running(server) as (_, sink):
            await until(lambda: server.beats >= 2 and len(sink.server_times) >= 2)

    asyncio.run(scenario())


def test_a_server_that_accepts_and_closes_is_not_redialled_in_a_loop():
    """websockets' own reconnecting iterator dialled such a server hundreds of times a second."""

    async def scenario():
        server = Server()

        async def close_at_once(socket: ServerConnection) -> None:
            await socket.close(1013, "try again later")

        server.handler = close_at_once
        async with server.running(), running(server) as (feed, _):
            await until(lambda: len(server.dialled) >= 3)
            gaps = [b - a for a, b in pairwise(server.dialled)]
            assert min(gaps) >= 0.5
            assert gaps[1] > 0.9  # the second wait is longer: nothing has flowed yet
            assert "closed with code 1013, try again later" in texts(feed)
            assert feed.status().state in ("starting", "down")

    asyncio.run(scenario())


def test_failures_are_forgotten_once_data_flow():
    async def scenario():
        server = Server()
        server.status = 503
        async with server.running(), running(server) as (feed, sink):
            await until(lambda: "HTTP 503" in texts(feed))
            server.status = None
            await until(lambda: sink.words)
            (connection,) = feed._connections
            for socket in list(server.sockets):
                await socket.close(1012, "service restart")
            await until(lambda: "1012" in texts(feed))
            assert connection.failures == 1
            before = len(sink.words)
            await until(lambda: len(sink.words) > before and feed.status().state == "live")
            assert feed.status().reconnects == 2

    asyncio.run(scenario())


def test_a_refusal_with_retry_after_is_obeyed():
    async def scenario():
        server = Server()
        server.status, server.retry_after = 429, "3"
        async with server.running(), running(server) as (feed, _):
            await until(lambda: len(server.dialled) >= 2)
            assert server.dialled[1] - server.dialled[0] >= 3.0
            assert "HTTP 429 at the handshake" in texts(feed)

    asyncio.run(scenario())


def test_a_silent_socket_is_doubted_at_once_and_replaced_later():
    async def scenario():
        server = Server()
        async with server.running(), running(server, idle_timeout_s=3.0) as (feed, sink):
            await until(lambda: feed.status().state == "live")
            server.mute = True
            await until(lambda: feed.status().sockets[0].state == "quiet")
            assert {"BTC-USDT", "ETH-USDT"} in sink.lost
            await until(lambda: feed.status().reason == "quotes-1 is open but silent")
            await until(lambda: "no data for 3 s on an open socket" in texts(feed))
            server.mute = False
            await until(lambda: feed.status().state == "live")
            assert len(server.dialled) == 2

    asyncio.run(scenario())


def test_a_new_socket_that_falls_silent_is_known_by_the_pace_of_the_one_before():
    async def scenario():
        server = Server()
        async with server.running(), running(server) as (feed, _):
            await until(lambda: feed.frames > 100)
            server.first_only = True
            for socket in list(server.sockets):
                await socket.close(1012, "restart")
            await until(lambda: len(server.dialled) == 2)
            await until(lambda: feed.status().sockets[0].state == "quiet", 5.0)
            assert feed._connections[0].session.data_frames <= 2

    asyncio.run(scenario())


def test_what_silences_a_lively_socket_is_feared_for_the_slow_ones_too():
    async def scenario():
        server = Server()
        server.slow, server.listing = {"ETH"}, [{"id": "BTC"}]
        async with server.running(), running(server, 0.3, capacity=1) as (feed, sink):
            await until(lambda: feed.frames > 50)
            server.listing = [{"id": "BTC"}, {"id": "ETH"}]  # goes onto a socket of its own
            await until(lambda: "ETH-USDT" in sink.symbols and feed.status().state == "live")
            assert not any(sink.lost)
            server.mute = True
            await until(lambda: {"BTC-USDT"} in sink.lost and {"ETH-USDT"} in sink.lost, 4.0)
            server.mute = False
            await until(lambda: feed.status().state == "live")

    asyncio.run(scenario())


def test_a_short_silence_needs_no_new_socket():
    async def scenario():
        server = Server()
        async with server.running(), running(server) as (feed, _):
            await until(lambda: feed.status().state == "live")
            server.mute = True
            await until(lambda: feed.status().state == "down")
            server.mute = False
            await until(lambda: feed.status().state == "live")
            assert len(server.dialled) == 1

    asyncio.run(scenario())


def test_a_planned_reconnect_leaves_no_hole():
    """The next socket flows before the old one is closed, so nothing is ever marked as lost."""

    async def scenario():
        server = Server()
        async with server.running(), running(server, lifetime_s=2.0) as (feed, sink):
            await until(lambda: texts(feed).count("no data lost") >= 1 or sink.lost)
            seen = sorted({int(word.bid_price) for word in sink.words})
            assert sink.lost == []
            assert seen == list(range(seen[0], seen[-1] + 1))
            assert feed.status().reconnects == 0

    asyncio.run(scenario())


def test_an_announced_cut_opens_the_next_socket_first():
    async def scenario():
        server = Server()
        async with server.running(), running(server) as (feed, sink):
            await until(lambda: feed.status().state == "live")
            (socket,) = server.sockets
            await socket.send('{"bye": "service upgrade"}')
            await until(lambda: "no data lost" in texts(feed))
            assert "quotes-1: service upgrade" in texts(feed)
            assert sink.lost == []
            assert len(server.dialled) == 2

    asyncio.run(scenario())


def test_what_an_exchange_said_before_a_cut_is_part_of_the_reason():
    async def scenario():
        server = Server()

        async def refuse(socket: ServerConnection) -> None:
            await socket.send('{"bye": "token is expired"}')
            await socket.close(1000)

        server.handler = refuse
        async with server.running(), running(server) as (feed, _):
            await until(
                lambda: feed.status().reason.endswith("closed with code 1000, no reason given (token is expired)")
            )

    asyncio.run(scenario())


@pytest.mark.parametrize("named", [True, False], ids=["named", "unnamed"])
def test_a_refused_topic_does_not_take_its_company_with_it(named):
    async def scenario():
        server = Server()
        server.listing = listing(12)
        server.refuse, server.name_refused = {"C2", "C7"}, named
        async with server.running(), running(server) as (feed, sink):
            await until(lambda: len(sink.symbols) == 10)
            assert "C2-USDT" not in sink.symbols
            assert "refused a subscription: no such topic" in texts(feed)

    asyncio.run(scenario())


def test_a_refused_topic_is_asked_for_again_soon_and_then_ever_more_seldom(monkeypatch):
    monkeypatch.setattr(session, "REFUSED_RETRY_S", (0.3, 60.0))

    async def scenario():
        server = Server()
        server.listing = listing(12)
        server.refuse = {"C2"}
        async with server.running(), running(server) as (_, sink):
            await until(lambda: sum("C2" in message["topics"] for _, message in server.requests) == 3)
            first, second, third = [when for when, message in server.requests if "C2" in message["topics"]]
            assert third - second > second - first
            server.refuse = set()
            await until(lambda: "C2-USDT" in sink.symbols)

    asyncio.run(scenario())


def test_a_topic_that_is_refused_and_fed_is_doubted_like_the_others():
    async def scenario():
        server = Server()
        async with server.running(), running(server) as (feed, sink):
            await until(lambda: feed.status().state == "live")
            (socket,) = server.sockets
            await socket.send('{"refused":99,"topics":["BTC"]}')
            await socket.send("{")
            await until(lambda: {"BTC-USDT", "ETH-USDT"} in sink.lost)

    asyncio.run(scenario())


def test_what_cannot_notice_a_loss_is_begun_anew_after_an_unreadable_frame(monkeypatch):
    monkeypatch.setattr(Decoder, "notices_loss", False)

    async def scenario():
        server = Server()
        async with server.running(), running(server) as (feed, sink):
            await until(lambda: feed.status().state == "live")
            (socket,) = server.sockets
            await socket.send("{")
            await until(lambda: [message["op"] for _, message in server.requests] == ["sub", "unsub", "sub"])
            assert {"BTC-USDT", "ETH-USDT"} in sink.lost
            assert len(server.dialled) == 1

    asyncio.run(scenario())


def test_what_already_waits_to_be_begun_anew_is_not_queued_once_more(monkeypatch):
    """One topic a message at a slow pace: each new doubt would otherwise double what is still to be sent."""
    monkeypatch.setattr(Decoder, "notices_loss", False)
    monkeypatch.setattr(session, "RESYNC_EVERY_S", 0.05)

    async def scenario():
        server = Server()
        server.listing = listing(4)
        plan = {"topics_per_message": 1, "messages_per_s": 4.0}

        def asked(topic: str) -> list[object]:
            return [message["op"] for _, message in server.requests if topic in message["topics"]]

        async with server.running(), running(server, **plan) as (feed, _):
            await until(lambda: feed.status().state == "live")
            (socket,) = server.sockets
            await socket.send("{")
            await until(lambda: asked("C0") == ["sub", "unsub", "sub"])
            await socket.send("{")
            await until(lambda: asked("C0") == ["sub", "unsub", "sub", "unsub", "sub"])
            assert asked("C3") == ["sub", "unsub", "sub"]

    asyncio.run(scenario())


def answering(monkeypatch) -> tuple[Poll, Quote]:
    """A poll and the quote that every answer to it brings."""
    polled = Quote("examplex", "BTC-USDT", 55.0, 1.0, 56.0, 1.0, None, 0.0)
    monkeypatch.setattr(Decoder, "feed_response", lambda _, purpose, *__: [polled] if purpose == "quotes" else [])
    return Poll(HttpRequest("GET", "http://127.0.0.1:9/quotes", "quotes"), 1.0), polled


def test_an_answer_asked_for_before_a_frame_was_unreadable_confirms_nothing(monkeypatch):
    """It may have been written before the change that could not be read."""
    poll, polled = answering(monkeypatch)

    async def scenario():
        server = Server()
        async with server.running(), running(server) as (feed, sink):
            await until(lambda: feed.status().state == "live")
            session = feed._connections[0].session
            asked_before = time.time()
            for socket in server.sockets:
                await socket.send("{")
            await until(lambda: feed.malformed == 1)
            session._take_response(poll, Response(b"", asked_before, time.time()))
            assert polled not in sink.words
            session._take_response(poll, Response(b"", time.time(), time.time()))
            assert polled in sink.words

    asyncio.run(scenario())


def test_an_answer_asked_for_while_a_socket_was_silent_confirms_nothing(monkeypatch):
    poll, polled = answering(monkeypatch)

    async def scenario():
        server = Server()
        async with server.running(), running(server) as (feed, sink):
            await until(lambda: feed.status().state == "live")
            session = feed._connections[0].session
            session.fall_quiet()
            asked_before = time.time()
            await until(lambda: not session.quiet)
            session._take_response(poll, Response(b"", asked_before, time.time()))
            assert polled not in sink.words
            session._take_response(poll, Response(b"", time.time(), time.time()))
            assert polled in sink.words

    asyncio.run(scenario())


def test_garbage_is_counted_and_the_next_frame_is_read():
    async def scenario():
        server = Server()
        async with server.running(), running(server) as (feed, sink):
            await until(lambda: feed.status().state == "live")
            (socket,) = server.sockets
            for garbage in ("{", "[]", '{"s": 1}', "\x00"):
                await socket.send(garbage)
            await until(lambda: feed.malformed == 4)
            before = len(sink.words)
            await until(lambda: len(sink.words) > before)
            assert len(server.dialled) == 1
            assert feed.status().last_error.startswith("quotes-1: unreadable frames")

    asyncio.run(scenario())


def test_listings_halts_and_delistings_are_picked_up_while_running():
    async def scenario():
        server = Server()
        async with server.running(), running(server, catalogue_every_s=0.3) as (feed, sink):
            await until(lambda: sink.symbols == {"BTC-USDT", "ETH-USDT"})
            server.listing = [{"id": "BTC"}, {"id": "ETH", "status": "halted"}, {"id": "SOL"}]
            await until(lambda: "SOL-USDT" in sink.symbols)
            await until(lambda: all("ETH" not in topics for topics in server.sockets.values()))
            assert "ETH went from trading to halted" in texts(feed)
            assert {"ETH-USDT"} in sink.lost
            server.listing = [{"id": "BTC"}]
            await until(lambda: all(topics == {"BTC"} for topics in server.sockets.values()))
            assert "SOL is listed no more" in texts(feed)
            assert len(server.dialled) == 1

    asyncio.run(scenario())


def test_an_announced_listing_is_read_without_waiting_for_the_timer():
    async def scenario():
        server = Server()
        async with server.running(), running(server) as (feed, sink):
            await until(lambda: feed.status().state == "live")
            server.listing = [*server.listing, {"id": "SOL"}]
            (socket,) = server.sockets
            await socket.send('{"listing": "SOL is announced"}')
            await until(lambda: "SOL-USDT" in sink.symbols)

    asyncio.run(scenario())


def test_a_listing_that_cannot_be_read_keeps_the_last_good_one():
    async def scenario():
        server = Server()
        async with server.running(), running(server, catalogue_every_s=0.3) as (feed, sink):
            await until(lambda: feed.status().state == "live")
            server.listing = []
            await until(lambda: feed.status().state == "degraded")
            assert "the listing has no perpetual in it" in feed.status().reason
            assert feed.status().instruments == 2
            before = len(sink.words)
            await until(lambda: len(sink.words) > before)

    asyncio.run(scenario())


def test_nothing_reachable_is_said_in_words():
    async def scenario():
        sink = Sink()
        feed = ExchangeFeed(Examplex("ws://127.0.0.1:9", "http://127.0.0.1:9"), sink, catalogue_every_s=60.0)
        task = asyncio.create_task(feed.run())
        await until(lambda: feed.status().state == "down")
        status = feed.status()
        task.cancel()
        await asyncio.wait((task,))
        assert status.reason == "listing: connection refused"
        assert status.next_attempt_time > time.time() - 60.0

    asyncio.run(scenario())
