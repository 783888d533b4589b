"""Recordings played back: the same words as when they were live, whatever state the files are in."""

import asyncio
import io
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import orjson
import pytest
import zstandard
from examplex import Decoder, Examplex, Server, Sink, until

from benchmarks.market import simulator
from feeds import recorder, replay, session
from feeds.exchanges import EXCHANGES, load
from feeds.exchanges.base import Word
from feeds.replay import Replay, ReplayError, find_recordings
from feeds.supervisor import FeedOptions, Supervisor
from market.models import Instrument, MarketWord

CAPTURES = Path(__file__).parents[3] / "shared" / "captures"
BEGAN = 1_700_000_000.0
Row = dict[str, object]


class Heard(Sink):
    """Words by exchange, pushed and polled apart, and listings by exchange."""

    def __init__(self) -> None:
        super().__init__()
        self.pushed: dict[str, list[MarketWord]] = {}
        self.polled: dict[str, list[MarketWord]] = {}
        self.instruments: dict[str, list[Instrument]] = {}

    def set_instruments(self, exchange: str, instruments: Iterable[Instrument]) -> None:
        self.instruments[exchange] = list(instruments)

    def write(self, words: Iterable[Word], polled: bool = False) -> None:
        for word in words:
            (self.polled if polled else self.pushed).setdefault(word.exchange, []).append(word)  # type: ignore[union-attr, arg-type]


@pytest.fixture
def made_up(monkeypatch) -> None:
    """The made-up exchange is the only one there is."""
    monkeypatch.setattr(replay, "EXCHANGES", ("examplex",))
    monkeypatch.setattr(replay, "load", lambda name: Examplex("ws://examplex.example/v3"))


def wait_for(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


def listing(*ids: str, t: float = BEGAN) -> Row:
    raw = orjson.dumps([{"id": name} for name in ids]).decode()
    return {"t": t, "dir": "in", "conn": "listing", "url": "http://examplex.example/listing", "purpose": "listing",
            "raw": raw}  # fmt: skip


def quote(bid: float, at_s: float, symbol: str = "BTC") -> Row:
    raw = orjson.dumps({"s": symbol, "b": bid, "a": bid + 1, "t": BEGAN + at_s - 0.05}).decode()
    return {"t": BEGAN + at_s, "dir": "in", "conn": "quotes-1", "url": "ws://examplex.example/v3", "raw": raw}


def write(path: Path, *rows: Row | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = b"".join((row if isinstance(row, bytes) else orjson.dumps(row)) + b"\n" for row in rows)
    path.write_bytes(zstandard.compress(lines) if path.suffix == ".zst" else lines)
    return path


class Playing:
    """A replay that runs until the test ends."""

    def __init__(self) -> None:
        self.running: list[Replay] = []

    def __call__(self, folder: Path, speed: float = 1_000.0) -> tuple[Replay, Heard]:
        sink = Heard()
        played = Replay(folder, sink, speed)
        self.running.append(played)
        played.start()
        return played, sink


@pytest.fixture
def play() -> Iterator[Playing]:
    playing = Playing()
    yield playing
    for played in playing.running:
        played.stop()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("replay-")]


def bids(sink: Heard) -> list[float]:
    return [word.bid_price for word in sink.pushed.get("examplex", [])]  # type: ignore[union-attr]


def timeless(word: MarketWord) -> MarketWord:
    changed: dict[str, float | None] = {"received_time": 0.0, "event_time": None}
    if hasattr(word, "next_funding_time"):
        changed["next_funding_time"] = None
    return msgspec.structs.replace(word, **changed)


def assert_moved(live: list[MarketWord], played: list[MarketWord]) -> None:
    """The same words, all their times later by one amount."""
    played = played[: len(live)]
    assert [timeless(word) for word in played] == [timeless(word) for word in live]
    shift_s = played[0].received_time - live[0].received_time
    assert shift_s > 0.0
    for was, now in zip(live, played, strict=True):
        assert now.received_time - was.received_time == pytest.approx(shift_s, abs=1e-5)
        if was.event_time is not None:
            assert now.event_time - was.event_time == pytest.approx(shift_s, abs=1e-5)


# -- there and back --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file_s", [3_600.0, -1.0], ids=["one file", "many files"])
def test_a_recorded_session_says_the_same_words_again(made_up, play, tmp_path, monkeypatch, file_s):
    if file_s < 0:
        opened = iter(range(1_000))
        # A new file for every hundred frames, as after an hour.
        monkeypatch.setattr(recorder, "FILE_S", 3_600.0)
        monkeypatch.setattr(recorder, "time", HastyClock(opened))

    async def record() -> Heard:
        server, sink = Server(), Heard()
        server.listing = [{"id": "BTC"}, {"id": "ETH"}, {"id": "SOL", "status": "halted"}]
        async with server.running():
            supervisor = Supervisor([Examplex(server.url, server.rest)], sink, FeedOptions(record_to=tmp_path))
            supervisor.start()
            await until(lambda: len(sink.pushed.get("examplex", [])) > 100)
            await asyncio.to_thread(supervisor.stop)
        return sink

    live = asyncio.run(record())
    files = len(list((tmp_path / "examplex").iterdir()))
    assert files == 1 if file_s > 0 else files > 3
    _, played = play(tmp_path, speed=1.0)
    wait_for(lambda: len(played.pushed.get("examplex", [])) >= len(live.pushed["examplex"]))
    assert played.instruments == live.instruments
    assert_moved(live.pushed["examplex"], played.pushed["examplex"])


class HastyClock:
    """The recorder's time module, in which a minute passes with every look at the clock."""

    def __init__(self, looks: Iterator[int]) -> None:
        self._looks = looks
        self._now = 0.0
        self.time, self.gmtime = time.time, time.gmtime

    def monotonic(self) -> float:
        self._now += 60.0
        return self._now

    def strftime(self, form: str, _when: object) -> str:
        return time.strftime(form, time.gmtime(1_700_000_000.0 + self._now))


def polled(sink: Heard, name: str) -> set[object]:
    """What the answers to polls said, whenever it was."""
    return {timeless(word) for word in list(sink.polled.get(name, []))}


def test_a_simulated_market_says_the_same_words_again(play, tmp_path, monkeypatch):
    """All adapters: listings of several pages and categories, sharded polls, merged books.

    Of CoinDCX only the first reading of its listing is played; the details that came in turn after it are not. Nor is
    that a machine stood still for a second, after which Phemex would be begun anew.
    """
    monkeypatch.setattr(session, "QUIET_AT_LEAST_S", 60.0)
    live = Heard()
    with simulator(rate=600.0, instruments=150) as (endpoints, _):
        exchanges = [load(name, endpoints[name]) for name in EXCHANGES]
        supervisor = Supervisor(exchanges, live, FeedOptions(record_to=tmp_path))
        supervisor.start()
        try:
            wait_for(lambda: all(row.state == "live" for row in supervisor.status()))
            wait_for(lambda: all(len(live.polled.get(name, [])) > 0 for name in ("binance", "okx")))
        finally:
            supervisor.stop()

    _, played = play(tmp_path, speed=1.0)
    for name in (name for name in EXCHANGES if name != "coindcx"):
        wait_for(lambda name=name: len(played.pushed.get(name, [])) >= len(live.pushed[name]))
        assert played.instruments[name] == live.instruments[name]
        assert_moved(live.pushed[name], played.pushed[name])
        # Live, polled quotes are used only where a stream confirms them, so a replay may have more of them.
        wait_for(lambda name=name: polled(live, name) <= polled(played, name))


def test_an_answer_is_read_for_the_purpose_it_was_asked_for(made_up, play, tmp_path, monkeypatch):
    """Several polls may share one path: each takes its own part of the answer."""
    asked: list[str] = []
    monkeypatch.setattr(Decoder, "feed_response", lambda self, purpose, body, when: asked.append(purpose) or [])
    answer = {"t": BEGAN + 1, "dir": "in", "conn": "quotes-1", "url": "http://examplex.example/time", "raw": "1"}
    write(
        tmp_path / "examplex" / "a.jsonl.zst",
        listing("BTC"),
        quote(1.0, 0.5),
        answer | {"purpose": "tickers:0/2"},
        answer | {"purpose": "tickers:1/2"},
        answer,  # an older recording: only the path tells
        listing("BTC", t=BEGAN + 2),  # read again while running: not an answer to a poll
        quote(2.0, 3.0),
    )
    _, sink = play(tmp_path)
    wait_for(lambda: 2.0 in bids(sink))
    assert asked[:3] == ["tickers:0/2", "tickers:1/2", "time"]
    assert "listing" not in asked


def test_an_answer_goes_to_the_decoder_of_its_socket(made_up, play, tmp_path, monkeypatch):
    fed: dict[str, int] = {}
    original = Decoder.feed
    monkeypatch.setattr(Decoder, "feed", lambda self, *args: fed.update(frame=id(self)) or original(self, *args))
    monkeypatch.setattr(Decoder, "feed_response", lambda self, *args: fed.update(answer=id(self)) or [])
    answer = {"t": BEGAN + 1, "dir": "in", "conn": "quotes-1", "url": "http://examplex.example/time",
              "purpose": "time", "raw": "1"}  # fmt: skip
    write(tmp_path / "examplex" / "a.jsonl.zst", listing("BTC"), quote(1.0, 0.5), answer)
    play(tmp_path)
    wait_for(lambda: len(fed) == 2)
    assert fed["frame"] == fed["answer"]


# -- time ------------------------------------------------------------------------------------------------------


def test_several_files_play_on_one_clock(made_up, play, tmp_path):
    folder = tmp_path / "examplex"
    write(folder / "20231114T221320.jsonl.zst", listing("BTC"), quote(1.0, 0.1), quote(2.0, 0.5))
    write(folder / "20231114T231320.jsonl.zst", quote(3.0, 0.6), quote(4.0, 0.7))
    _, sink = play(tmp_path, speed=1.0)
    wait_for(lambda: len(bids(sink)) >= 4)
    assert bids(sink)[:4] == [1.0, 2.0, 3.0, 4.0]
    times = [word.received_time for word in sink.pushed["examplex"][:4]]
    assert [when - times[0] for when in times] == pytest.approx([0.0, 0.4, 0.5, 0.6], abs=1e-5)


def test_collections_of_recordings_begin_together(made_up, play, tmp_path):
    """A file may hold recordings of different years, one after another: each begins now."""
    rows = [
        {"t": start + i, "dir": "in", "url": "ws://x/v3", "source": source, "msg": {"s": "BTC", "b": b, "a": b + 1}}
        for source, start, b in (("one", 1_600_000_000.0, 1.0), ("two", 1_700_000_000.0, 2.0))
        for i in range(2)
    ]  # fmt: skip
    write(tmp_path / "examplex" / "ws.jsonl", *rows)
    write(
        tmp_path / "examplex" / "instruments.jsonl",
        {"t": None, "dir": "in", "url": "http://x/listing", "msg": [{"id": "BTC"}]},
    )
    _, sink = play(tmp_path, speed=10.0)
    wait_for(lambda: len(bids(sink)) >= 4)
    assert bids(sink)[:4] == [1.0, 2.0, 1.0, 2.0]


@pytest.mark.parametrize("speed", [1.0, 4.0])
def test_speed_divides_the_waiting(made_up, play, tmp_path, speed):
    write(tmp_path / "examplex" / "a.jsonl.zst", listing("BTC"), quote(1.0, 0.0), quote(2.0, 1.2))
    began = time.monotonic()
    _, sink = play(tmp_path, speed=speed)
    wait_for(lambda: len(bids(sink)) >= 2)
    assert time.monotonic() - began >= 1.2 / speed
    first, second = sink.pushed["examplex"][:2]
    assert second.received_time - first.received_time == pytest.approx(1.2 / speed, abs=1e-5)


def test_at_the_end_it_begins_again_with_later_times(made_up, play, tmp_path, monkeypatch):
    monkeypatch.setattr(replay, "PAUSE_S", 0.05)
    write(tmp_path / "examplex" / "a.jsonl.zst", listing("BTC"), quote(1.0, 0.1), quote(2.0, 0.2))
    played, sink = play(tmp_path)
    wait_for(lambda: len(bids(sink)) >= 6)
    assert bids(sink)[:6] == [1.0, 2.0] * 3
    times = [word.received_time for word in sink.pushed["examplex"]]
    assert times == sorted(times)
    (row,) = played.status()
    assert any("at its end, beginning again" in event.text for event in row.events)
    assert row.state == "live"


def test_a_recording_without_times_plays_at_a_steady_pace_and_says_nothing_of_delays(made_up, play, tmp_path):
    rows = [
        {"t": None, "dir": "in", "url": "ws://x/v3", "msg": {"s": "BTC", "b": b, "a": b + 1, "t": 5.0}}
        for b in (1.0, 2.0)
    ]
    write(tmp_path / "examplex" / "ws.jsonl", *rows)
    write(
        tmp_path / "examplex" / "instruments.jsonl",
        {"t": None, "dir": "in", "url": "http://x/listing", "msg": [{"id": "BTC"}]},
    )
    played, sink = play(tmp_path, speed=1.0)
    wait_for(lambda: len(bids(sink)) >= 2)
    first, second = sink.pushed["examplex"][:2]
    assert first.event_time is None
    assert second.received_time - first.received_time == pytest.approx(replay.UNTIMED_STEP_S, abs=1e-5)
    assert played.span is None


# -- files in every state --------------------------------------------------------------------------------------


def test_a_file_that_was_cut_short_gives_what_is_whole(made_up, play, tmp_path):
    path = tmp_path / "examplex" / "a.jsonl.zst"
    path.parent.mkdir()
    with path.open("wb") as file:
        stream = zstandard.ZstdCompressor().stream_writer(file, closefd=False)
        for row in (listing("BTC"), *(quote(float(i), i / 1_000) for i in range(500))):
            stream.write(orjson.dumps(row) + b"\n")
            stream.flush(zstandard.FLUSH_BLOCK)
    path.write_bytes(path.read_bytes()[:-500])  # as after a crash
    whole = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(path.read_bytes())).read().count(b"\n") - 1
    assert 100 < whole < 500

    played, sink = play(tmp_path)
    wait_for(lambda: len(bids(sink)) >= whole)
    wait_for(lambda: any("beginning again" in event.text for event in played.status()[0].events))
    assert bids(sink)[:whole] == [float(i) for i in range(whole)]
    assert played.status()[0].malformed == 0


def test_bytes_damaged_in_the_middle_keep_what_came_before(made_up, play, tmp_path):
    path = write(tmp_path / "examplex" / "a.jsonl.zst", listing("BTC"), quote(1.0, 0.1))
    good = path.read_bytes()
    path.write_bytes(good)
    write(tmp_path / "examplex" / "b.jsonl.zst", quote(2.0, 0.2)).write_bytes(b"this is no zstandard")
    write(tmp_path / "examplex" / "c.jsonl.zst", quote(3.0, 0.3))
    _, sink = play(tmp_path)
    wait_for(lambda: len(bids(sink)) >= 2)
    assert bids(sink)[:2] == [1.0, 3.0]


CORRUPT = {
    "no JSON": b'{"t":1.0,"dir":"in","raw":"{',
    "no object": b"[1,2]",
    "no frame": b'{"t":1.0,"dir":"in"}',
    "no direction": b'{"t":1.0,"raw":"{}"}',
    "time is text": b'{"t":"noon","dir":"in","conn":"quotes-1","url":"ws://x/v3","raw":"{}"}',
    "frame is a number": b'{"t":1.0,"dir":"in","raw":5}',
    "address is nonsense": b'{"t":1.0,"dir":"in","url":"http://[","raw":"{}"}',
    "binary": bytes(range(128, 160)),
}


@pytest.mark.parametrize("line", CORRUPT.values(), ids=CORRUPT.keys())
def test_a_corrupt_line_is_counted_named_and_left_out(made_up, play, tmp_path, monkeypatch, line):
    monkeypatch.setattr(replay, "PAUSE_S", 0.01)
    write(tmp_path / "examplex" / "a.jsonl.zst", listing("BTC"), quote(1.0, 0.1), line, quote(2.0, 0.2))
    played, sink = play(tmp_path)
    wait_for(lambda: len(bids(sink)) >= 4)  # it plays on, and again
    assert bids(sink)[:4] == [1.0, 2.0, 1.0, 2.0]
    (row,) = played.status()
    assert row.malformed == 1
    assert "a.jsonl.zst line 3 is corrupt and left out" in row.last_error
    assert row.state == "live"


def test_a_corrupt_line_among_the_listings_is_counted_once(made_up, play, tmp_path):
    write(tmp_path / "examplex" / "a.jsonl.zst", b"{", listing("BTC"), quote(1.0, 0.1))
    played, sink = play(tmp_path)
    wait_for(lambda: bids(sink))
    assert played.status()[0].malformed == 1


def test_a_frame_that_was_malformed_when_recorded_is_malformed_again(made_up, play, tmp_path):
    bad = quote(1.0, 0.1) | {"raw": '{"s": 1}'}
    write(tmp_path / "examplex" / "a.jsonl.zst", listing("BTC"), bad, quote(2.0, 0.2))
    played, sink = play(tmp_path)
    wait_for(lambda: bids(sink))
    assert played.status()[0].malformed == 1


def test_an_empty_first_file_does_not_hide_the_listing(made_up, play, tmp_path):
    """The disk was full when the first run began."""
    (tmp_path / "examplex").mkdir()
    (tmp_path / "examplex" / "20231114T221320.jsonl.zst").write_bytes(b"")
    write(tmp_path / "examplex" / "20231114T231320.jsonl.zst", listing("BTC"), quote(1.0, 0.1))
    _, sink = play(tmp_path)
    wait_for(lambda: bids(sink))


def test_a_recording_without_a_listing_says_so(made_up, play, tmp_path):
    write(tmp_path / "examplex" / "a.jsonl.zst", quote(1.0, 0.1))
    played, _ = play(tmp_path)
    wait_for(lambda: played.status()[0].state == "down")
    assert "the recorded listing cannot be used" in played.status()[0].reason


def test_a_file_that_vanishes_is_said_in_the_status(made_up, play, tmp_path, monkeypatch):
    monkeypatch.setattr(replay, "PAUSE_S", 0.01)
    path = write(tmp_path / "examplex" / "a.jsonl.zst", listing("BTC"), quote(1.0, 0.1))
    played, sink = play(tmp_path)
    wait_for(lambda: bids(sink))
    path.unlink()
    wait_for(lambda: played.status()[0].state == "down")
    assert "no such file" in played.status()[0].reason


# -- folders ---------------------------------------------------------------------------------------------------


def test_folders_of_retired_protocols_and_stripped_listings_are_left_out(made_up, tmp_path):
    for name in ("ws.jsonl", "ws.legacy.jsonl", "instruments.jsonl", "instruments.partial.jsonl", "notes.txt"):
        write(tmp_path / "examplex" / name, listing("BTC"))
    (recording,) = find_recordings(tmp_path)
    assert [path.name for path in recording._files] == ["ws.jsonl"]
    assert [path.name for path in recording._listings] == ["instruments.jsonl"]


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: None,
        lambda folder: folder.write_text("a file"),
        lambda folder: folder.mkdir(),
        lambda folder: (folder / "mtgox").mkdir(parents=True),
        lambda folder: (folder / "binance").mkdir(parents=True),
        lambda folder: (folder / "binance" / "a.jsonl.zst").mkdir(parents=True),
        lambda folder: write(folder / "binance" / "notes.txt"),
    ],
    ids=["missing", "a file", "empty", "unknown exchange", "no file", "a folder as file", "other files"],
)
def test_a_folder_that_holds_nothing_to_replay_is_refused_by_name(tmp_path, make):
    folder = tmp_path / "recordings"
    make(folder)
    with pytest.raises(ReplayError, match=str(folder)) as caught:
        Replay(folder, Sink())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", ["recordings", "recordings/binance", "recordings/binance/a.jsonl.zst"])
def test_what_may_not_be_read_is_refused_by_name(tmp_path, what):
    write(tmp_path / "recordings" / "binance" / "a.jsonl.zst", listing("BTC"))
    for folder in [tmp_path, *tmp_path.parents]:
        if "pytest-of-" in str(folder):
            folder.chmod(0o755)
    (tmp_path / what).chmod(0o000)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)  # root may read everything
    try:
        with pytest.raises(ReplayError, match=f"{what}.* cannot be read: permission denied"):
            find_recordings(tmp_path / "recordings")
    finally:
        os.seteuid(user)
        (tmp_path / what).chmod(0o755)


def test_only_the_exchanges_asked_for_are_played(tmp_path):
    for name in ("binance", "okx", "okx-old"):
        write(tmp_path / name / "a.jsonl.zst", listing("BTC"))
    assert Replay(tmp_path, Sink()).exchanges == ("binance", "okx")
    assert Replay(tmp_path, Sink(), wanted=("okx",)).exchanges == ("okx",)


# -- commands --------------------------------------------------------------------------------------------------


def test_a_replayed_exchange_can_be_stopped_and_started(made_up, play, tmp_path, monkeypatch):
    monkeypatch.setattr(replay, "PAUSE_S", 0.01)
    write(tmp_path / "examplex" / "a.jsonl.zst", listing("BTC"), quote(1.0, 0.1))
    played, sink = play(tmp_path)
    wait_for(lambda: len(bids(sink)) > 3)
    played.stop_exchange("examplex")
    (row,) = played.status()
    assert (row.state, row.reason, row.frames_per_s) == ("off", "taken out of service", 0.0)
    assert sink.lost == [{"BTC-USDT"}]  # what it said last must not be taken for the market
    count = len(bids(sink))
    played.start_exchange("examplex")
    wait_for(lambda: len(bids(sink)) > count and played.status()[0].state == "live")
    played.restart_exchange("examplex")
    wait_for(lambda: played.status()[0].state == "live")


@pytest.mark.parametrize("command", ["start_exchange", "stop_exchange", "restart_exchange"])
def test_an_unknown_exchange_is_a_key_error(made_up, tmp_path, command):
    write(tmp_path / "examplex" / "a.jsonl.zst", listing("BTC"))
    with pytest.raises(KeyError, match="nowhere"):
        getattr(Replay(tmp_path, Sink()), command)("nowhere")


def test_it_stops_at_once_in_the_middle_of_a_long_wait(made_up, tmp_path):
    write(tmp_path / "examplex" / "a.jsonl.zst", listing("BTC"), quote(1.0, 0.0), quote(2.0, 3_600.0))
    sink = Heard()
    played = Replay(tmp_path, sink, 1.0)
    played.start()
    wait_for(lambda: bids(sink))
    began = time.monotonic()
    played.stop()
    assert time.monotonic() - began < 2.0
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("replay-")]


# -- the shared recordings -------------------------------------------------------------------------------------


@pytest.mark.recordings
@pytest.mark.skipif(not CAPTURES.is_dir(), reason="the recorded frames of ../shared/captures are not there")
def test_the_shared_recordings_give_prices_and_no_malformed_frame(play):
    """MEXC's listing was recorded without its envelope, so nothing of it can be played, and that is said."""
    played, sink = play(CAPTURES, speed=20.0)
    wait_for(
        lambda: all("beginning again" in str(row.events) for row in played.status() if row.state != "down"),
        timeout_s=60.0,
    )
    assert [row.exchange for row in played.status() if row.state == "down"] == ["mexc"]
    for row in played.status():
        assert row.malformed == 0, row.last_error
        assert row.frames > 0 or "listing cannot be used" in row.reason
    for name in ("binance", "okx"):
        quotes = [word for word in sink.pushed[name] if hasattr(word, "bid_price")]
        assert len(quotes) > 100
        assert all(word.bid_price < word.ask_price for word in quotes if word.bid_price and word.ask_price)
        assert len({word.symbol for word in quotes}) >= 3
