"""What funding was paid, and the file it is kept in: one JSON object a line, only ever added to.

Rates are plain fractions of notional per interval, positive where longs pay shorts; times UTC epoch seconds.
"""

import contextlib
import logging
import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

logger = logging.getLogger(__name__)

HORIZONS_S: Final = (3_600.0, 600.0, 60.0)  # how long before a settlement its predictions are looked at
READ_BYTES = 32 * 2**20  # what a start reads of the file's end, in a second or two: more than a week of all exchanges
RETRY_S = 30.0
UNSAVED = 50_000  # records kept for a file that cannot be written: about two days of all exchanges


class Settlement(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="settlement"):
    """One payment of one contract.

    time: the stamp it fell due at. interval_h: of that day; None if not known. settled_rate: the rate that stood last
    before the stamp. predicted: the rates that stood `HORIZONS_S` before it, None where nobody looked.
    """

    exchange: str
    symbol: str
    time: float
    interval_h: float | None
    settled_rate: float
    predicted: tuple[float | None, float | None, float | None]


class IntervalChange(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="interval"):
    """One change of a contract's funding interval. [hours] time: when it was first heard of.

    A feed's status has the last change since its start; these are all that were seen, over restarts.
    """

    exchange: str
    symbol: str
    time: float
    before_h: float
    after_h: float


class Forgotten(msgspec.Struct, frozen=True, tag_field="kind", tag="forgotten"):
    """What stands before this line of this name was of another contract or unit."""

    exchange: str
    symbol: str


Record = Settlement | IntervalChange | Forgotten


class FundingFile:
    """Records on disk. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unsaved: deque[bytes] = deque(maxlen=UNSAVED)
        self._failing = False
        self._retry_time = 0.0

    def read(self) -> list[Record]:
        """The latest records, oldest first. Lines that cannot be read are left out and named in a warning."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                start = file.seek(max(0, size - READ_BYTES))
                body = file.read(size - start)
        except FileNotFoundError:
            return []
        except OSError as error:
            logger.error("past fundings cannot be read from %s: %s", self.path, error)
            return []
        if start:
            begun = body.find(b"\n") + 1
            start, body = start + begun, body[begun:]
        return self._decoded(body, start)

    def _decoded(self, body: bytes, start: int) -> list[Record]:
        decoder = msgspec.json.Decoder(Record)
        records: list[Record] = []
        bad: list[tuple[int, bytes]] = []
        for line in body.split(b"\n"):
            if line:
                try:
                    records.append(decoder.decode(line))
                except (msgspec.DecodeError, UnicodeDecodeError):
                    bad.append((start, line))
            start += len(line) + 1
        if bad:
            logger.warning(
                "%s: %d lines of %d cannot be read and are left out, the first at byte %d: %r",
                self.path, len(bad), len(bad) + len(records), bad[0][0], bad[0][1][:80],
            )  # fmt: skip
        return records

    def append(self, records: Sequence[Record], now: float) -> None:
        """Add records to the file. Where that fails they are kept and tried again; the file stays as it was."""
        encoder = msgspec.json.Encoder()
        self._unsaved.extend(encoder.encode(record) for record in records)
        if not self._unsaved or now < self._retry_time:
            return
        try:
            self._write(b"\n".join(self._unsaved) + b"\n")
        except OSError as error:
            if not self._failing:
                logger.error("fundings cannot be written to %s and are kept in memory: %s", self.path, error)
            self._failing, self._retry_time = True, now + RETRY_S
            return
        if self._failing:
            logger.info("fundings are written to %s again", self.path)
        self._failing, self._retry_time = False, 0.0
        self._unsaved.clear()

    def _write(self, lines: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                if file.read(1) != b"\n":
                    lines = b"\n" + lines  # what a crash has torn must not spoil the next line
            left = memoryview(lines)
            try:
                while left:
                    left = left[file.write(left) :]
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(size)
                raise
