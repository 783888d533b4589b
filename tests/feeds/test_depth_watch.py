"""Books on demand, against the made-up exchange: subscribed, dropped, capped, and never shown when in doubt."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
from examplex import Examplex, Server, until
from msgspec import structs

from feeds.exchange_feed import ExchangeFeed
from feeds.supervisor import FeedOptions, Supervisor
from store.depth import Ladder
from store.snapshot import SnapshotStore


@contextlib.asynccontextmanager
async def running(
    server: Server,
    *,
    cap: int = 20,
    pool: str = "quotes",
    exclusive: bool = False,
    books_come: bool = False,
    every_s: float = 60.0,
    **plan,
) -> AsyncIterator[tuple[ExchangeFeed, SnapshotStore]]:
    """A live feed of the made-up exchange with a real store."""
    store = SnapshotStore(["examplex"])
    exchange = Examplex(server.url, server.rest, **plan)
    exchange.depth_pool, exchange.exclusive, exchange.books_come = pool, exclusive, books_come
    feed = ExchangeFeed(exchange, store, catalogue_every_s=every_s, depth_cap=cap)
    task = asyncio.create_task(feed.run())
    try:
        await until(lambda: feed.status().state == "live")
        yield feed, store
    finally:
        task.cancel()
        await asyncio.wait((task,))


def ladder(store: SnapshotStore, name: str) -> Ladder | None:
    return store.depths.get("examplex", f"{name}-USDT")


def state(store: SnapshotStore, name: str) -> str:
    found = ladder(store, name)
    return "" if found is None else found.state


def topics(server: Server) -> list[set[str]]:
    return sorted(server.sockets.values(), key=len, reverse=True)


def texts(feed: ExchangeFeed) -> str:
    return "\n".join(event.text for event in feed.log.events())


def test_a_book_comes_while_it_is_wanted_and_the_quotes_are_left_alone():
    async def scenario():
        server = Server()
        async with server.running(), running(server) as (feed, store):
            feed.depth.want(["BTC-USDT"])
            assert state(store, "BTC") == "waiting"
            await until(lambda: state(store, "BTC") == "live")
            found = ladder(store, "BTC")
            assert found.bids[0][0] + 1.0 == found.asks[0][0]
            assert topics(server) == [{"BTC", "ETH", "depth:BTC"}]
            feed.depth.want([])
            await until(lambda: topics(server) == [{"BTC", "ETH"}])
            assert ladder(store, "BTC") is None
            asked = [topic for _, message in server.requests for topic in message["topics"]]
            assert asked.count("BTC") == asked.count("ETH") == 1
            assert len(server.dialled) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(("pool", "exclusive"), [("depth", False), ("quotes", True)], ids=["own pool", "exclusive"])
def test_books_that_do_not_go_with_quotes_get_a_socket_of_their_own(pool, exclusive):
    async def scenario():
        server = Server()
        async with server.running(), running(server, pool=pool, exclusive=exclusive) as (feed, store):
            feed.depth.want(["BTC-USDT", "ETH-USDT"])
            await until(lambda: state(store, "BTC") == state(store, "ETH") == "live")
            assert sorted(map(sorted, server.sockets.values())) == [["BTC", "ETH"], ["depth:BTC", "depth:ETH"]]
            await until(lambda: [(row.state, row.topics) for row in feed.status().book_sockets] == [("live", 2)])
            assert feed.status().sockets_up == len(feed.status().sockets) == 1
            feed.depth.want([])
            await until(lambda: topics(server) == [{"BTC", "ETH"}])
            assert feed.status().state == "live"
            assert feed.status().book_sockets == ()

    asyncio.run(scenario())


def test_frames_of_books_count_and_go_on_counting_when_their_socket_is_gone():
    async def scenario():
        server = Server()
        async with server.running(), running(server, pool="depth") as (feed, store):
            feed.depth.want(["BTC-USDT"])
            await until(lambda: state(store, "BTC") == "live")
            quotes = sum(socket.frames for socket in feed.status().sockets)
            read = feed.depth.frames
            assert read > 0
            assert feed.frames >= quotes + read
            feed.depth.want([])
            assert len(topics(server)) == 2  # what is on its way is still read
            await until(lambda: topics(server) == [{"BTC", "ETH"}])
            await until(lambda: len(feed.depth._leaving) == 0)
            assert feed.depth.frames >= read

    asyncio.run(scenario())


def test_a_socket_is_not_left_before_what_it_gives_up_was_said(monkeypatch):
    """Else what the exchange sends meanwhile, and its answer, are read by nobody."""
    monkeypatch.setattr("feeds.depth.LEAVE_S", 0.05)

    async def scenario():
        server = Server()
        async with server.running(), running(server, pool="depth", messages_per_s=1.0) as (feed, store):
            feed.depth.want(["BTC-USDT"])
            await until(lambda: state(store, "BTC") == "live")
            server.mute = True  # no frame shows that the socket is still of use
            feed.depth.want([])
            await until(lambda: len(feed.depth._leaving) == 0)
            return [row["topics"] for _, row in server.requests if row["op"] == "unsub"]

    assert asyncio.run(scenario()) == [["depth:BTC"]]


def test_a_socket_that_has_just_been_given_up_is_closed_with_the_feed():
    async def scenario():
        server = Server()
        async with server.running(), running(server, pool="depth") as (feed, store):
            feed.depth.want(["BTC-USDT"])
            await until(lambda: state(store, "BTC") == "live")
            feed.depth.want([])
            await feed.depth.close()  # in the same turn of the loop
            await until(lambda: topics(server) == [{"BTC", "ETH"}], 3.0)

    asyncio.run(scenario())


def test_a_full_connection_gets_a_sister_in_its_pool():
    async def scenario():
        server = Server()
        async with server.running(), running(server, capacity=3) as (feed, store):
            feed.depth.want(["BTC-USDT", "ETH-USDT"])
            await until(lambda: state(store, "BTC") == state(store, "ETH") == "live")
            assert topics(server) == [{"BTC", "ETH", "depth:BTC"}, {"depth:ETH"}]

    asyncio.run(scenario())


def test_beyond_the_cap_the_last_in_line_lose_and_it_is_logged():
    async def scenario():
        server = Server()
        server.listing = [{"id": f"C{i}"} for i in range(4)]
        async with server.running(), running(server, cap=2) as (feed, store):
            feed.depth.want(["C0-USDT", "C1-USDT"])
            await until(lambda: state(store, "C0") == state(store, "C1") == "live")
            feed.depth.want(["C2-USDT", "C0-USDT", "C1-USDT"])
            await until(lambda: state(store, "C2") == "live")
            assert (state(store, "C0"), state(store, "C1")) == ("live", "off")
            await until(lambda: "depth:C1" not in topics(server)[0])
            assert "more than 2 books are wished for; left out: C1-USDT" in texts(feed)

    asyncio.run(scenario())


def test_books_come_back_after_a_cut_and_are_marked_meanwhile():
    async def scenario():
        server = Server()
        async with server.running(), running(server) as (feed, store):
            feed.depth.want(["BTC-USDT"])
            await until(lambda: state(store, "BTC") == "live")
            for socket in list(server.sockets):
                await socket.close(1012, "service restart")
            await until(lambda: state(store, "BTC") == "lost")
            assert ladder(store, "BTC").bids
            await until(lambda: state(store, "BTC") == "live")

    asyncio.run(scenario())


def test_what_is_wanted_while_a_socket_is_replaced_reaches_the_next_one():
    async def scenario():
        server = Server()
        async with server.running(), running(server) as (feed, store):
            (socket,) = server.sockets
            await socket.send('{"bye": "service upgrade"}')
            await until(lambda: len(server.sockets) == 2)
            await asyncio.sleep(0.3)
            feed.depth.want(["BTC-USDT"])
            await until(lambda: "no data lost" in texts(feed))
            await until(lambda: topics(server) == [{"BTC", "ETH", "depth:BTC"}])
            await until(lambda: state(store, "BTC") == "live")

    asyncio.run(scenario())


def test_a_gap_is_marked_until_the_book_was_asked_for_again():
    async def scenario():
        server = Server()
        async with server.running(), running(server) as (feed, store):
            states = []
            feed.depth.want(["BTC-USDT"])
            await until(lambda: state(store, "BTC") == "live")
            mark = store.depths.mark

            def noted(exchange, symbols, state, now):
                states.append((list(symbols), state))
                mark(exchange, symbols, state, now)

            store.depths.mark = noted
            server.skipped += 1
            await until(lambda: states == [(["BTC-USDT"], "resyncing")])
            await until(lambda: state(store, "BTC") == "live")
            assert feed.gaps == 1
            assert len(server.dialled) == 1

    asyncio.run(scenario())


def test_a_book_that_has_not_begun_is_asked_for_again_and_is_no_gap():
    async def scenario():
        server = Server()
        server.changes_only = True
        async with server.running(), running(server) as (feed, store):
            feed.depth.want(["BTC-USDT"])
            joins = {"op": "sub", "topics": ["depth:BTC"]}
            await until(lambda: [joins.items() <= asked.items() for _, asked in server.requests].count(True) == 2)
            assert state(store, "BTC") == "waiting"
            server.changes_only = False
            await until(lambda: state(store, "BTC") == "live")
            assert feed.gaps == 0
            assert "no whole book" not in texts(feed)

    asyncio.run(scenario())


def test_a_crossed_book_is_marked_and_its_levels_are_not_shown():
    async def scenario():
        server = Server()
        async with server.running(), running(server) as (feed, store):
            feed.depth.want(["BTC-USDT"])
            await until(lambda: state(store, "BTC") == "live")
            server.crossed = True
            await until(lambda: state(store, "BTC") == "resyncing")
            found = ladder(store, "BTC")
            assert found.bids[0][0] < found.asks[0][0]
            server.crossed = False
            await until(lambda: state(store, "BTC") == "live")

    asyncio.run(scenario())


def test_a_silent_socket_and_an_unreadable_frame_put_books_in_doubt():
    async def scenario():
        server = Server()
        async with server.running(), running(server) as (feed, store):
            feed.depth.want(["BTC-USDT"])
            await until(lambda: state(store, "BTC") == "live")
            server.mute = True
            await until(lambda: state(store, "BTC") == "lost")
            server.mute = False
            await until(lambda: state(store, "BTC") == "live")

    asyncio.run(scenario())


def test_halted_and_delisted_contracts_are_dropped_and_come_back():
    async def scenario():
        server = Server()
        async with server.running(), running(server, every_s=0.3) as (feed, store):
            feed.depth.want(["BTC-USDT", "ETH-USDT", "NOWHERE-USDT"])
            await until(lambda: state(store, "BTC") == state(store, "ETH") == "live")
            assert state(store, "NOWHERE") == "off"
            server.listing = [{"id": "BTC"}, {"id": "ETH", "status": "halted"}]
            await until(lambda: state(store, "ETH") == "off" and topics(server) == [{"BTC", "depth:BTC"}])
            server.listing = [{"id": "ETH"}]
            await until(lambda: state(store, "BTC") == "off" and state(store, "ETH") == "live")
            assert topics(server) == [{"ETH", "depth:ETH"}]

    asyncio.run(scenario())


def test_a_new_listing_leaves_the_books_alone():
    async def scenario():
        server = Server()
        async with server.running(), running(server, every_s=0.3) as (feed, store):
            feed.depth.want(["BTC-USDT"])
            await until(lambda: state(store, "BTC") == "live")
            server.listing = [*server.listing, {"id": "SOL"}]
            await until(lambda: topics(server) == [{"BTC", "ETH", "SOL", "depth:BTC"}])
            asked = [message for _, message in server.requests if "depth:BTC" in message["topics"]]
            assert len(asked) == 1

    asyncio.run(scenario())


def test_the_supervisor_takes_wishes_from_any_thread_and_keeps_them_over_a_restart():
    async def scenario():
        server = Server()
        async with server.running():
            store = SnapshotStore(["examplex"])
            supervisor = Supervisor([Examplex(server.url, server.rest)], store, FeedOptions(depth_cap=1))
            supervisor.start()
            try:
                supervisor.watch_depth({"examplex": ["BTC-USDT", "ETH-USDT"], "nowhere": ["BTC-USDT"]})
                await until(lambda: state(store, "BTC") == "live")
                assert state(store, "ETH") == "off"
                supervisor.restart_exchange("examplex")
                await until(lambda: state(store, "BTC") == "lost")
                began = time.time()
                await until(lambda: state(store, "BTC") == "live" and ladder(store, "BTC").received_time > began)
            finally:
                await asyncio.to_thread(supervisor.stop)
            assert state(store, "BTC") == "lost"
            supervisor.watch_depth({})  # the loop is gone

    asyncio.run(scenario())


def test_a_book_in_the_units_of_another_contract_is_forgotten():
    async def scenario():
        server = Server()
        async with server.running(), running(server) as (feed, store):
            feed.depth.want(["BTC-USDT"])
            await until(lambda: state(store, "BTC") == "live")
            server.mute = True
            rows = [structs.replace(row, multiplier=1000.0) for row in feed.instruments]
            feed.depth.update(rows, rows)
            assert (state(store, "BTC"), ladder(store, "BTC").bids) == ("waiting", ())
            server.mute = False
            await until(lambda: state(store, "BTC") == "live")

    asyncio.run(scenario())


def asked(server: Server) -> list[float]:
    """When the book of BTC was asked for."""
    return [when for when, row in server.requests if row["op"] == "sub" and "depth:BTC" in row["topics"]]


def test_a_book_that_stays_out_of_step_is_asked_for_again(monkeypatch):
    """A session asks again every five seconds at most: a second gap within them would never be mended."""
    monkeypatch.setattr("feeds.depth.STUCK_S", 0.5)

    async def scenario():
        server = Server()
        async with server.running(), running(server) as (feed, store):
            feed.depth.want(["BTC-USDT"])
            for gap in (1, 2):
                await until(lambda: state(store, "BTC") == "live")
                server.skipped += 1
                await until(lambda gap=gap: feed.gaps == gap)
            assert state(store, "BTC") == "resyncing"
            times = len(asked(server))
            await until(lambda: len(asked(server)) > times)

    asyncio.run(scenario())


class Forgetful(Server):
    """Confirms a book and does not bring it."""

    remembers = False

    def _answer(self, message: dict[str, object], topics: set[str]) -> dict[str, object]:
        answer = super()._answer(message, topics)
        if not self.remembers:
            topics.discard("depth:BTC")
        return answer


def test_a_book_is_not_asked_for_the_more_seldom_while_its_socket_is_down(monkeypatch):
    """What could not be asked costs no patience: it is asked as soon as there is a socket."""
    monkeypatch.setattr("feeds.depth.STUCK_S", 3.0)

    async def scenario():
        server = Forgetful()
        async with server.running(), running(server) as (feed, _):
            feed.depth.want(["BTC-USDT"])
            await until(lambda: len(asked(server)) == 1)
            (carrier,) = set(feed.depth._carriers.values())
            session, carrier.session = carrier.session, None
            await asyncio.sleep(3.2)
            feed.depth.tend()
            carrier.session = session
            feed.depth.tend()
            await until(lambda: len(asked(server)) == 2, timeout_s=4.0)

    asyncio.run(scenario())


def test_a_book_that_comes_with_the_quotes_is_asked_for_again_if_it_does_not(monkeypatch):
    """No quote is missing by which the dead subscription could be noticed."""
    monkeypatch.setattr("feeds.depth.STUCK_S", 0.5)

    async def scenario():
        server = Forgetful()
        async with server.running(), running(server, books_come=True) as (feed, store):
            feed.depth.want(["BTC-USDT", "ETH-USDT"])
            await until(lambda: state(store, "ETH") == "live")
            await until(lambda: len(asked(server)) == 2)
            assert state(store, "BTC") == "waiting"
            server.remembers = True
            await until(lambda: state(store, "BTC") == "live")
            assert not any("depth:ETH" in row["topics"] for _, row in server.requests if row["op"] == "unsub")

    asyncio.run(scenario())


def test_a_book_that_never_came_is_asked_for_again_ever_more_seldom(monkeypatch):
    """Quotes flow on the same socket all the while."""
    monkeypatch.setattr("feeds.depth.STUCK_S", 0.5)

    async def scenario():
        server = Forgetful()
        async with server.running(), running(server) as (feed, store):
            feed.depth.want(["BTC-USDT"])
            await until(lambda: len(asked(server)) == 4)
            assert state(store, "BTC") == "waiting"
            _, second, third, fourth = asked(server)
            assert fourth - third > 1.2 * (third - second)
            server.remembers = True
            await until(lambda: state(store, "BTC") == "live")

    asyncio.run(scenario())
