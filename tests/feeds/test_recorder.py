"""Raw frames to disk: what lands there, and what happens when the disk does not take them."""

import io
import logging
import resource
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest
import zstandard

from feeds import recorder
from feeds.recorder import Recorder

ROOT = Path(__file__).parents[2]


def read(path: Path) -> list[dict[str, object]]:
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        return [orjson.loads(line) for line in io.BufferedReader(stream)]


def take(recorder: Recorder, number: int, exchange: str = "examplex") -> None:
    recorder.take(exchange, "quotes-1", "in", "wss://examplex.example", f'{{"n":{number}}}', 1_000.0 + number)


def complain(text: str) -> None:
    raise AssertionError(text)


def test_every_frame_becomes_a_line(tmp_path):
    recorder = Recorder(tmp_path / "new" / "folder", complain)
    recorder.take("examplex", "listing", "in", "https://examplex.example/listing", b"[]", 999.0, "listing")
    recorder.take("examplex", "quotes-1", "out", "wss://examplex.example", "ping", 1_000.0)
    recorder.take(
        "examplex", "quotes-1", "in", "wss://examplex.example", b'{"b": 64000.10, "s": "\xe5\xb8\x81"}', 1_000.5
    )
    recorder.take("other", "quotes-1", "in", "wss://other.example", "{}", 1_001.0)
    recorder.close()

    (path,) = (tmp_path / "new" / "folder" / "examplex").iterdir()
    assert path.name.endswith(".jsonl.zst")
    assert read(path) == [
        {"t": 999.0, "dir": "in", "exchange": "examplex", "conn": "listing",
         "url": "https://examplex.example/listing", "purpose": "listing", "raw": "[]"},
        {"t": 1_000.0, "dir": "out", "exchange": "examplex", "conn": "quotes-1",
         "url": "wss://examplex.example", "raw": "ping"},
        {"t": 1_000.5, "dir": "in", "exchange": "examplex", "conn": "quotes-1",
         "url": "wss://examplex.example", "raw": '{"b": 64000.10, "s": "币"}'},
    ]  # fmt: skip
    (path,) = (tmp_path / "new" / "folder" / "other").iterdir()
    assert len(read(path)) == 1


def test_bytes_that_are_no_text_are_kept_readable(tmp_path):
    recorder = Recorder(tmp_path, complain)
    recorder.take("examplex", "quotes-1", "in", "wss://examplex.example", b"\xff\x00{", 1.0)
    recorder.close()
    (path,) = (tmp_path / "examplex").iterdir()
    assert read(path)[0]["raw"] == "\\xff\x00{"


def test_a_new_file_is_begun_every_hour_and_none_is_overwritten(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "FILE_S", -1.0)  # every frame finds its file too old
    one = Recorder(tmp_path, complain)
    for number in range(4):
        take(one, number)
    one.close()
    paths = list((tmp_path / "examplex").iterdir())
    assert len(paths) == 4
    assert sorted(row["raw"] for path in paths for row in read(path)) == [f'{{"n":{n}}}' for n in range(4)]


def test_a_second_run_in_the_same_folder_leaves_the_first_ones_files_alone(tmp_path):
    for number in range(2):
        run = Recorder(tmp_path, complain)
        take(run, number)
        run.close()
    assert len(list((tmp_path / "examplex").iterdir())) == 2


def test_frames_are_dropped_counted_and_said_rather_than_piled_up(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "MOST_WAITING", -1)
    told: list[str] = []
    full = Recorder(tmp_path, told.append)
    take(full, 1)
    take(full, 2)
    full.close()
    assert full.dropped == 2
    (text,) = told
    assert str(tmp_path) in text
    assert "1 have not been recorded" in text
    assert not (tmp_path / "examplex").exists()


@pytest.mark.parametrize("taken", [".", "below"], ids=["the folder itself", "its parent"])
def test_a_folder_that_cannot_be_made_is_refused_at_the_start(tmp_path, taken):
    file = tmp_path / "file"
    file.write_text("I am no folder")
    with pytest.raises(OSError, match="file"):
        Recorder(file / taken, complain)


def test_a_disk_that_fails_while_recording_is_told_once_and_tried_again(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(recorder, "RETRY_S", 0.2)
    told: list[str] = []
    subject = Recorder(tmp_path, told.append)
    (tmp_path / "examplex").write_text("a file stands where the folder should be")
    with caplog.at_level(logging.ERROR):
        for number in range(50):
            take(subject, number)
        wait_for(lambda: told)
        (tmp_path / "examplex").unlink()
        wait_for(lambda: subject._queue.empty())
        wait_for(lambda: take(subject, 99) or (tmp_path / "examplex").is_dir())
        subject.close()
    (text,) = told
    assert text.startswith(f"frames cannot be recorded to '{tmp_path}': file exists; next try in ")
    assert len(caplog.records) == 1
    assert subject.dropped >= 49
    (path,) = (tmp_path / "examplex").iterdir()
    assert read(path)[0]["raw"] == '{"n":99}'


def wait_for(condition, timeout_s: float = 10.0) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.01)


FULL_DISK = """
import os, sys, time
from pathlib import Path
from feeds.recorder import Recorder

told = []
recorder = Recorder(Path(sys.argv[1]), told.append)
taken = 0
until = time.monotonic() + 20
while not told and time.monotonic() < until:
    for _ in range(50):
        recorder.take("examplex", "quotes-1", "in", "wss://examplex.example", os.urandom(200).hex(), float(taken))
        taken += 1
    time.sleep(0.01)
for _ in range(100):
    recorder.take("examplex", "quotes-1", "in", "wss://examplex.example", "after", 1e6)
recorder.close()
print(len(told), told[0] if told else "never told", sep="|")
print(recorder.dropped)
"""


def test_a_full_disk_is_one_message_and_what_was_written_before_can_be_read(tmp_path):
    """A limit on the size of files stands in for the full disk: writing fails in the middle of a file."""
    process = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)),
    )
    assert process.returncode == 0, process.stderr
    told, dropped = process.stdout.splitlines()
    assert told == f"1|frames cannot be recorded to '{tmp_path}': file too large; next try in 30 s"
    assert int(dropped) >= 100
    assert process.stderr.strip().splitlines() == [told.partition("|")[2]]

    (path,) = (tmp_path / "examplex").iterdir()
    whole = b""
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        while chunk := stream.read(65_536):
            whole += chunk
    rows = [orjson.loads(line) for line in whole.splitlines()[:-1]]
    assert len(rows) > 100
    assert [row["t"] for row in rows] == [float(n) for n in range(len(rows))]
