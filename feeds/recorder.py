"""Raw frames to disk: one compressed JSON line a frame, written by a thread of its own.

A line is {"t": receive time, "dir": "in" | "out", "exchange", "conn", "url", "raw": the frame as text}; an HTTP body
has "purpose" besides. Files are RECORD_TO/<exchange>/<UTC start>.jsonl.zst, a new one each hour. What was written is
flushed every second, so a crash or a full disk loses nothing older.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import zstandard

from feeds.failures import describe

logger = logging.getLogger(__name__)

FLUSH_EVERY_S = 1.0
FILE_S = 3_600.0
RETRY_S = 30.0
MOST_WAITING = 200_000  # frames; beyond it frames are dropped and counted, never the feed slowed down


def prepare(folder: Path) -> None:
    """Make the folder. Raises OSError if it cannot be made or written to."""
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / ".writable"
    probe.write_bytes(b"")
    probe.unlink()


class Recorder:
    """Takes frames from the feed thread and writes them. on_error: told when the disk fails or cannot keep up."""

    def __init__(self, folder: Path, on_error: Callable[[str], None]) -> None:
        """Raises OSError if the folder cannot be made or written to."""
        prepare(folder)
        self.folder = folder
        self.dropped = 0
        self._on_error = on_error
        self._queue: queue.SimpleQueue[tuple[str, dict[str, object]] | None] = queue.SimpleQueue()
        self._files: dict[str, _File] = {}
        self._failed_until = 0.0
        self._behind_until = 0.0
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def take(
        self,
        exchange: str,
        connection: str,
        direction: str,
        url: str,
        frame: bytes | str,
        when: float,
        purpose: str = "",
    ) -> None:
        """Hand over one frame; returns at once."""
        if self._queue.qsize() > MOST_WAITING:
            self._drop_behind()
            return
        raw = frame.decode("utf-8", "backslashreplace") if isinstance(frame, bytes) else frame
        line: dict[str, object] = {"t": when, "dir": direction, "exchange": exchange, "conn": connection, "url": url}
        if purpose:
            line["purpose"] = purpose
        line["raw"] = raw
        self._queue.put((exchange, line))

    def _drop_behind(self) -> None:
        """Count a frame that there is no room for, and say so at most every RETRY_S."""
        self.dropped += 1
        if time.monotonic() >= self._behind_until:
            self._behind_until = time.monotonic() + RETRY_S
            text = (
                f"the disk of '{self.folder}' takes frames more slowly than they come: {MOST_WAITING} are waiting,"
                f" {self.dropped} have not been recorded so far"
            )
            logger.error(text)
            self._on_error(text)

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what is waiting and close the files."""
        self._queue.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        flushed_at = time.monotonic()
        while True:
            try:
                item = self._queue.get(timeout=FLUSH_EVERY_S)
            except queue.Empty:
                item = ("", {})
            if item is None:
                break
            if item[1]:
                self._guarded(self._write, *item)
            if time.monotonic() - flushed_at >= FLUSH_EVERY_S:
                flushed_at = time.monotonic()
                for file in list(self._files.values()):
                    self._guarded(file.flush)
        for file in list(self._files.values()):
            self._guarded(file.close)

    def _guarded(self, work: Callable[..., None], *args: Any) -> None:
        """Do disk work; after a failure drop frames for a while, then try again in a new file."""
        if time.monotonic() < self._failed_until:
            self.dropped += 1
            return
        try:
            work(*args)
        except OSError as error:
            self._failed_until = time.monotonic() + RETRY_S
            self._files.clear()
            text = f"frames cannot be recorded to '{self.folder}': {describe(error)}; next try in {RETRY_S:.0f} s"
            logger.error(text)
            self._on_error(text)

    def _write(self, exchange: str, line: dict[str, object]) -> None:
        file = self._files.get(exchange)
        if file is None or time.monotonic() - file.opened_at > FILE_S:
            if file is not None:
                file.close()
            file = self._files[exchange] = _File(self.folder / exchange)
        file.write(orjson.dumps(line) + b"\n")


class _File:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        start = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        path = folder / f"{start}.jsonl.zst"
        number = 1
        while path.exists():
            number += 1
            path = folder / f"{start}-{number}.jsonl.zst"
        self.opened_at = time.monotonic()
        self._raw = path.open("wb")
        self._stream = zstandard.ZstdCompressor(level=3).stream_writer(self._raw)

    def write(self, line: bytes) -> None:
        self._stream.write(line)

    def flush(self) -> None:
        self._stream.flush(zstandard.FLUSH_BLOCK)
        self._raw.flush()

    def close(self) -> None:
        self._stream.close()  # type: ignore[no-untyped-call]  # closes the file below it too
