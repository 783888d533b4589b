"""Rows that outlive the process: a file of JSON lines, only ever appended to.

What was written once is never touched again, so neither a crash nor a full disk can lose it. A line that was torn on
the way stays alone on its line and is skipped when the file is read.
"""

import logging
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import orjson

from feeds.failures import describe

logger = logging.getLogger(__name__)

NAMED = 5  # so many line numbers are named in a warning


class Journal:
    """One file of rows. Appended to by one thread; the file and its folder are made with the first row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.missed = 0  # rows that could not be written since it last worked
        self._file: FileIO | None = None

    def append(self, row: dict[str, Any]) -> None:
        """Write one row to the end of the file. NaN and infinity become null.

        A disk that fails is told once in the log, not raised: the row is missed, and the next one is tried again.
        """
        line = orjson.dumps(row) + b"\n"
        try:
            if self._file is None:
                self._file, torn = _opened(self.path)
                line = b"\n" + line if torn else line
            _write(self._file, line)
        except OSError as error:
            self.close()
            if self.missed == 0:
                logger.error(
                    "rows cannot be kept in '%s': %s; what is in it stays, and every new row is tried again",
                    self.path, describe(error),
                )  # fmt: skip
            self.missed += 1
            return
        if self.missed:
            logger.info("rows are kept in '%s' again; %d were missed", self.path, self.missed)
            self.missed = 0

    def read(self) -> Iterator[dict[str, Any]]:
        """Every row of the file, oldest first; nothing if there is no file yet.

        What cannot be read is skipped and named in one warning.
        """
        bad: list[int] = []
        number, line = 0, b"\n"
        try:
            with self.path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    row = _row(line)
                    if row is not None:
                        yield row
                    elif line.strip():
                        bad.append(number)
        except FileNotFoundError:
            return
        except OSError as error:
            logger.error("'%s' cannot be read after line %d: %s", self.path, number, describe(error))
        if bad:
            lines = ", ".join(map(str, bad[:NAMED])) + (", …" if len(bad) > NAMED else "")
            torn = "; the last one was torn" if bad[-1] == number and not line.endswith(b"\n") else ""
            logger.warning("%d unreadable lines of '%s' are skipped (%s)%s", len(bad), self.path, lines, torn)

    def close(self) -> None:
        """Let go of the file. The next row opens it again."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _opened(path: Path) -> tuple[FileIO, bool]:
    """The file, ready to append to, and whether its last line has no end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("ab+", buffering=0)
    if file.seek(0, 2) == 0:
        return file, False
    file.seek(-1, 2)
    return file, file.read(1) != b"\n"


def _write(file: FileIO, line: bytes) -> None:
    """All of a line: a disk that is almost full takes a part of it and fails only at the rest."""
    left = memoryview(line)
    while left:
        left = left[file.write(left) or 0 :]


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return row if isinstance(row, dict) else None
