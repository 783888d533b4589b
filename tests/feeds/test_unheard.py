"""A subscription that was confirmed and stays silent is asked for again, and only that one."""

import asyncio

import pytest
from examplex import Server, until
from test_exchange_feed import running, texts

from feeds import unheard


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(unheard, "UNHEARD_S", 0.3)
    monkeypatch.setattr(unheard, "CHECK_EVERY_S", 0.05)


def asked(server, topic):
    return [message["op"] for _, message in server.requests if topic in message["topics"]]


def test_a_silent_topic_is_asked_for_again_and_said():
    async def scenario():
        server = Server()
        async with server.running(), running(server) as (feed, sink):
            await until(lambda: feed.status().state == "live")
            sink.silent = ["ETH-USDT"]
            await until(lambda: asked(server, "ETH") == ["sub", "unsub", "sub"])
            assert asked(server, "BTC") == ["sub"]
            assert "quotes-1: nothing comes of ETH, asked for again" in texts(feed)
            assert len(server.dialled) == 1

    asyncio.run(scenario())


def test_the_waits_between_attempts_grow():
    async def scenario():
        server = Server()
        async with server.running(), running(server) as (feed, sink):
            await until(lambda: feed.status().state == "live")
            sink.silent = ["ETH-USDT"]
            await until(lambda: asked(server, "ETH").count("sub") == 4)
            times = [when for when, message in server.requests if message["op"] == "sub" and "ETH" in message["topics"]]
            assert times[3] - times[2] > times[2] - times[1]

    asyncio.run(scenario())


def test_a_topic_that_brings_other_quotes_is_left_alone():
    """Where all contracts come over one subscription, one that says nothing is just quiet."""

    async def scenario():
        server = Server()
        async with server.running(), running(server) as (feed, sink):
            feed.exchange.symbols_of = lambda topics, instruments: {"BTC-USDT", "ETH-USDT"}
            await until(lambda: feed.status().state == "live")
            sink.silent = ["ETH-USDT"]
            await asyncio.sleep(1.0)
            assert [message["op"] for _, message in server.requests] == ["sub"]
            sink.silent = ["BTC-USDT", "ETH-USDT"]
            await until(lambda: len(server.requests) >= 3)

    asyncio.run(scenario())
