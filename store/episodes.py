"""An opportunity's whole life as one record, and those that have ended kept on disk.

The file is optional and grows by one line with each end. An episode that was continued after its end gets another line
with the same id: the last one counts.
"""

import logging
import queue
import threading
from enum import StrEnum
from pathlib import Path

import msgspec

from store.journal import Journal

logger = logging.getLogger(__name__)

KEPT = 5_000  # ended episodes held in memory


class Reason(StrEnum):
    """Why an episode ended."""

    EDGE_GONE = "edge gone"
    QUOTE_STALE = "quote went stale"
    VENUE_LOST = "venue lost"
    HALTED = "instrument halted"
    REFUSED = "refused"
    STILL_OPEN = "still open at the end"


class Episode(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One episode as it is known now. Times are UTC epoch seconds, edges bps; None is 'not known'.

    id: symbol, exchanges and the ms of opening; fit for a URL. opened: when the gap opened; confirmed: when it had
    lasted as long as it takes to react. seen: the last look. closed, reason: None while it is open. detail: the verdict
    that ended it. net_bps: at the last look. peak_bps: highest net; gross_bps, size (base coins) and notional (quote
    currency) are those of that moment. mean_bps: net over time, each look holding until the next; what a verdict
    refused is in neither.
    edge_100ms_bps and so on: the net that stood so long after the opening; None if it had ended by then, was refused,
    or if the episode is younger than that.
    """

    id: str
    symbol: str
    buy: str
    sell: str
    opened: float
    confirmed: float
    seen: float
    closed: float | None = None
    reason: Reason | None = None
    detail: str | None = None
    net_bps: float | None
    peak_bps: float
    peak_time: float
    gross_bps: float | None
    mean_bps: float
    size: float | None
    notional: float | None
    edge_100ms_bps: float | None
    edge_250ms_bps: float | None
    edge_500ms_bps: float | None
    looks: int

    @property
    def duration_s(self) -> float | None:
        """Seconds from opening to close; None while it is open."""
        return None if self.closed is None else self.closed - self.opened


class EpisodeFile:
    """Ended episodes on disk; does nothing without a path. Written by a thread of its own: nobody waits for the disk.

    A disk that fails is told once in the log and tried again with every episode.
    """

    def __init__(self, path: Path | None) -> None:
        self._journal = None if path is None else Journal(path)
        self._queue: queue.SimpleQueue[Episode | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def append(self, episode: Episode) -> None:
        """Hand over an episode that has ended; returns at once. Called by one thread."""
        if self._journal is None:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, args=(self._journal,), name="episodes", daemon=True)
            self._thread.start()
        self._queue.put(episode)

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what is waiting. The file is opened again if more comes."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join(timeout_s)

    def _write(self, journal: Journal) -> None:
        while (episode := self._queue.get()) is not None:
            journal.append(msgspec.to_builtins(episode))
        journal.close()

    def read(self, most: int = KEPT) -> list[Episode]:
        """The latest `most` episodes, the one that ended last first. What is no episode is skipped and told once."""
        if self._journal is None:
            return []
        found: dict[str, Episode] = {}
        strange, why = 0, ""
        for row in self._journal.read():
            try:
                episode = msgspec.convert(row, Episode)
            except msgspec.ValidationError as error:
                strange, why = strange + 1, str(error)
                continue
            found.pop(episode.id, None)
            found[episode.id] = episode
            if len(found) > most:
                del found[next(iter(found))]
        if strange:
            logger.warning("%d rows of '%s' are no episodes and are skipped: %s", strange, self._journal.path, why)
        return list(reversed(found.values()))
