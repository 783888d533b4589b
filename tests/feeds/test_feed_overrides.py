"""Overrides in running feeds: applied to what is listed, taken over again at once, never mixed with old units."""

import asyncio
import time

import orjson
import pytest
from examplex import Decoder, Examplex, Server, Sink, until

from benchmarks.market import simulator
from feeds import replay
from feeds.exchange_feed import ExchangeFeed
from feeds.exchanges import load
from feeds.replay import Replay
from feeds.supervisor import FeedOptions, Supervisor
from market.models import Funding, Pairing
from market.overrides import Change, Overrides, parse_overrides
from store.snapshot import SnapshotStore

WHO = 'author = "mk"\ndate = 2026-09-05\nreason = "seen in prices"\n'


def overrides(kind: str, exchange_symbol: str, more: str = "", exchange: str = "examplex") -> Overrides:
    text = f'[[{kind}]]\nexchange = "{exchange}"\nexchange_symbol = "{exchange_symbol}"\n{more}\n{WHO}'
    return parse_overrides(text, "overrides.toml", (exchange,))


DENY = overrides("deny", "C0")
FACTOR = overrides("factor", "C0", "factor = 10")
CLASH = overrides("rename", "C0", 'new_base = "C1"')


class Feeds:
    """A supervisor of the made-up exchange, which lists three contracts, and what it told its sink."""

    def __init__(self, at_start: Overrides | None = None) -> None:
        self.server = Server()
        self.server.listing = [{"id": f"C{i}"} for i in range(3)]
        self.sink = Sink()
        self.at_start = at_start

    async def __aenter__(self) -> "Feeds":
        self._running = self.server.running()
        await self._running.__aenter__()
        self.supervisor = Supervisor([Examplex(self.server.url, self.server.rest)], self.sink, FeedOptions())
        if self.at_start is not None:
            assert self.supervisor.reload(self.at_start) == []
        self.supervisor.start()
        await until(lambda: self.state == "live")
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.supervisor.stop)
        await self._running.__aexit__(None, None, None)

    @property
    def state(self) -> str:
        return self.supervisor.status()[0].state

    @property
    def texts(self) -> str:
        return "\n".join(event.text for event in self.supervisor.status()[0].events)

    async def reload(self, wanted: Overrides) -> list[Change]:
        return await asyncio.to_thread(self.supervisor.reload, wanted)


def test_overrides_given_before_the_start_hold_from_the_first_listing_on():
    async def scenario():
        async with Feeds(DENY) as feeds:
            assert [row.pairing for row in feeds.sink.listings[0]] == [Pairing.DENY, Pairing.OK, Pairing.OK]

    asyncio.run(scenario())


def test_a_denial_is_taken_over_without_touching_a_socket():
    async def scenario():
        async with Feeds() as feeds:
            sockets = set(feeds.server.sockets)
            assert await feeds.reload(DENY) == [Change("examplex", "C0", "C0-USDT", "pairing", "ok", "deny")]
            assert feeds.sink.listings[-1][0].pairing is Pairing.DENY
            assert set(feeds.server.sockets) == sockets
            assert await feeds.reload(DENY) == []
            assert await feeds.reload(Overrides()) == [Change("examplex", "C0", "C0-USDT", "pairing", "deny", "ok")]

    asyncio.run(scenario())


def test_the_listing_is_read_again():
    async def scenario():
        async with Feeds() as feeds:
            feeds.server.listing.append({"id": "C9"})
            await feeds.reload(DENY)
            await until(lambda: "C9 is listed" in feeds.texts)
            assert [row.pairing for row in feeds.sink.listings[-1]][:2] == [Pairing.DENY, Pairing.OK]

    asyncio.run(scenario())


def test_another_unit_begins_all_connections_anew_and_leaves_nothing_of_before():
    async def scenario():
        async with Feeds() as feeds:
            sockets, frames = set(feeds.server.sockets), feeds.supervisor.status()[0].frames
            assert await feeds.reload(FACTOR) == [Change("examplex", "C0", "C0-USDT", "multiplier", 1.0, 10.0)]
            assert {"C0-USDT", "C1-USDT", "C2-USDT"} in feeds.sink.lost
            # Listed no more, then listed again: the store forgets what it knew of it.
            gone, back = feeds.sink.listings[-2:]
            assert [row.symbol for row in gone] == ["C1-USDT", "C2-USDT"]
            assert [row.multiplier for row in back] == [10.0, 1.0, 1.0]
            await until(lambda: feeds.state == "live" and not sockets & set(feeds.server.sockets))
            assert feeds.supervisor.status()[0].frames >= frames

    asyncio.run(scenario())


def test_listings_that_collide_after_a_rename_are_left_out_with_an_error():
    async def scenario():
        async with Feeds() as feeds:
            changes = await feeds.reload(CLASH)
            assert {(change.exchange_symbol, change.after) for change in changes} == {("C0", None), ("C1", None)}
            assert [row.symbol for row in feeds.sink.listings[-1]] == ["C2-USDT"]
            assert "examplex lists C1-USDT twice, as C0 and C1: none of them is used" in feeds.texts
            assert len(await feeds.reload(Overrides())) == 2
            await until(lambda: feeds.state == "live")
            assert len(feeds.sink.listings[-1]) == 3

    asyncio.run(scenario())


def test_decoders_know_what_is_left_out_under_a_name_that_nobody_lists(monkeypatch):
    """An all-market stream goes on sending it; an unknown contract would have the listing read again and again."""
    known: list[list[str]] = []
    monkeypatch.setattr(Decoder, "update", lambda self, rows: known.append([row.symbol for row in rows]))

    async def scenario():
        async with Feeds() as feeds:
            await feeds.reload(CLASH)
            assert ["C2-USDT", "C0 (not used)", "C1 (not used)"] in known

    asyncio.run(scenario())


def test_a_reload_of_what_does_not_run_is_kept_for_the_start():
    supervisor = Supervisor([Examplex("ws://127.0.0.1:9")], Sink(), FeedOptions())
    assert supervisor.reload(DENY) == []
    supervisor.stop()


def test_the_last_change_of_a_funding_interval_is_remembered():
    feed = ExchangeFeed(Examplex("ws://127.0.0.1:9"), Sink(), catalogue_every_s=60.0)
    for hours in (8.0, 8.0, 4.0):
        feed.on_words([Funding("examplex", "C0-USDT", None, None, None, hours, None, None, time.time())])

    (change,) = feed.status().interval_changes.values()
    assert (change.symbol, change.before_h, change.after_h) == ("C0-USDT", 8.0, 4.0)
    assert change.time == pytest.approx(time.time(), abs=5.0)


@pytest.mark.parametrize("name", ["binance", "bybit", "okx"])
def test_prices_change_their_unit_at_once_and_are_never_mixed(name):
    """Bybit sends one side at a time: a book merged over the change would have a bid of a tenth of its ask."""
    seen: list[float] = []

    async def scenario(endpoints):
        store = SnapshotStore((name,))
        exchange_symbol = {"okx": "BTC-USDT-SWAP"}.get(name, "BTCUSDT")
        wanted = overrides("factor", exchange_symbol, "factor = 10", name)
        supervisor = Supervisor([load(name, endpoints)], store, FeedOptions())
        supervisor.start()

        def quoted() -> tuple[float, float] | None:
            snapshot = store.snapshot()
            if "BTC-USDT" not in snapshot.symbols:
                return None
            at = snapshot.symbols.index("BTC-USDT"), 0
            bid, ask = float(snapshot["bid_price"][at]), float(snapshot["ask_price"][at])
            return (bid, ask) if snapshot["live"][at] == 1.0 and bid > 0 and ask > 0 else None

        try:
            await until(quoted)
            before = sum(quoted() or (0.0, 0.0)) / 2
            assert [change.what for change in await asyncio.to_thread(supervisor.reload, wanted)] == ["multiplier"]

            def converted() -> bool:
                now = quoted()
                if now is None:
                    return False
                seen.extend(value / before for value in now)
                return len(seen) > 200

            await until(converted)
        finally:
            await asyncio.to_thread(supervisor.stop)

    with simulator(rate=300.0, instruments=40, exchanges=name) as (endpoints, _):
        asyncio.run(scenario(endpoints[name]))
    assert {round(share, 2) for share in seen} <= {0.09, 0.1, 0.11}


def test_a_replay_takes_overrides_over_and_begins_again_in_other_units(tmp_path, monkeypatch):
    monkeypatch.setattr(replay, "EXCHANGES", ("examplex",))
    monkeypatch.setattr(replay, "load", lambda name: Examplex("ws://examplex.example/v3"))
    listing = orjson.dumps([{"id": "C0"}, {"id": "C1"}]).decode()
    quote = orjson.dumps({"s": "C0", "b": 1.0, "a": 2.0, "t": 100.0}).decode()
    rows = [
        {"t": 100.0, "dir": "in", "conn": "listing", "url": "http://e.example/listing", "raw": listing},
        *({"t": 100.0 + i, "dir": "in", "conn": "q", "url": "ws://e.example/v3", "raw": quote} for i in range(60)),
    ]
    (tmp_path / "examplex").mkdir()
    (tmp_path / "examplex" / "instruments.jsonl").write_bytes(
        orjson.dumps({"t": 100.0, "dir": "in", "url": "http://e.example/listing", "raw": listing}) + b"\n"
    )
    (tmp_path / "examplex" / "a.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows[1:]))
    sink = Sink()
    played = Replay(tmp_path, sink)
    assert played.reload(DENY) == []
    played.start()
    try:
        asyncio.run(until(lambda: sink.words))
        assert sink.listings[-1][0].pairing is Pairing.DENY
        assert sorted(change.what for change in played.reload(FACTOR)) == ["multiplier", "pairing"]
        asyncio.run(until(lambda: sink.listings[-1] and sink.listings[-1][0].multiplier == 10.0))
        assert [] in sink.listings
        assert [change.what for change in played.reload(Overrides())] == ["multiplier"]
    finally:
        played.stop()
