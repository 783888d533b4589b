"""Rows that outlive the process: what is read back, what is skipped, and what a disk that fails cannot take away."""

import logging
import math
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from store.journal import Journal

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "folder" / "rows.jsonl"


def keep(path: Path, *numbers: int) -> None:
    journal = Journal(path)
    for number in numbers:
        journal.append({"n": number})
    journal.close()


def numbers(path: Path) -> list[object]:
    return [row["n"] for row in Journal(path).read()]


def test_rows_come_back_in_the_order_they_were_written_over_several_runs(path):
    keep(path, 1, 2)
    keep(path, 3)
    assert numbers(path) == [1, 2, 3]


def test_a_row_is_on_disk_as_soon_as_it_is_appended(path):
    journal = Journal(path)
    journal.append({"n": 1, "name": "币-USDT", "unknown": math.nan})
    assert list(Journal(path).read()) == [{"n": 1, "name": "币-USDT", "unknown": None}]
    journal.close()


def test_no_file_is_no_rows_and_no_file_is_made_by_reading(path, caplog):
    assert numbers(path) == []
    assert not path.parent.exists()
    assert caplog.records == []


def test_a_torn_last_line_is_skipped_and_named(path, caplog):
    keep(path, 1, 2)
    with path.open("ab") as file:
        file.write(b'{"n": 3, "wor')
    assert numbers(path) == [1, 2]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"1 unreadable lines of '{path}' are skipped (3); the last one was torn"


def test_what_is_appended_after_a_torn_line_is_not_torn_with_it(path):
    keep(path, 1)
    with path.open("ab") as file:
        file.write(b'{"n": 2, "wor')
    keep(path, 3, 4)
    assert numbers(path) == [1, 3, 4]


def test_a_last_line_that_only_lacks_its_end_is_read_and_does_not_swallow_the_next(path):
    keep(path, 1)
    path.write_bytes(path.read_bytes().rstrip())
    assert numbers(path) == [1]
    keep(path, 2)
    assert numbers(path) == [1, 2]


@pytest.mark.parametrize("bad", [b"no json", b"[1]", b"7", b"\x00" * 40, b'\xff{"n": 2}'])
def test_a_bad_line_stops_nothing(path, bad, caplog):
    keep(path, 1)
    with path.open("ab") as file:
        file.write(bad + b"\n")
    keep(path, 3)
    assert numbers(path) == [1, 3]
    (record,) = caplog.records
    assert record.getMessage() == f"1 unreadable lines of '{path}' are skipped (2)"


def test_of_many_bad_lines_the_first_are_named(path, caplog):
    path.parent.mkdir(parents=True)
    path.write_bytes(b"bad\n" * 7)
    assert numbers(path) == []
    (record,) = caplog.records
    assert record.getMessage() == f"7 unreadable lines of '{path}' are skipped (1, 2, 3, 4, 5, …)"


def test_a_file_that_cannot_be_opened_is_told_once_and_tried_again(path, caplog):
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.write_text("a file stands where the folder should be")
    journal = Journal(path)
    for number in range(3):
        journal.append({"n": number})
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith(f"rows cannot be kept in '{path}': ")
    assert journal.missed == 3

    path.parent.unlink()
    with caplog.at_level(logging.INFO):
        journal.append({"n": 3})
    journal.close()
    assert caplog.records[-1].getMessage() == f"rows are kept in '{path}' again; 3 were missed"
    assert journal.missed == 0
    assert numbers(path) == [3]


def test_a_file_that_cannot_be_read_is_told_and_stops_nothing(path, caplog):
    path.mkdir(parents=True)
    assert numbers(path) == []
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert str(path) in record.getMessage()


FULL_DISK = """
import sys
from pathlib import Path
from store.journal import Journal

journal = Journal(Path(sys.argv[1]))
for number in range(1000):
    journal.append({"n": number, "text": "x" * 100})
print(journal.missed)
"""


def test_a_full_disk_is_one_message_and_loses_nothing_that_was_stored(path):
    """A limit on the size of files stands in for the full disk: writing fails in the middle of a line."""
    process = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )
    assert process.returncode == 0, process.stderr
    (told,) = process.stderr.strip().splitlines()
    assert told.startswith(f"rows cannot be kept in '{path}': file too large;")
    found = numbers(path)
    assert len(found) == 1000 - int(process.stdout) > 100
    assert found == list(range(len(found)))
    keep(path, 5000)  # room again
    assert numbers(path) == [*found, 5000]
