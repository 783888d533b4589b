"""Counters and the memory of one exchange's feed, kept by the feed thread and copied for readers."""

import time
from collections import deque

from feeds.status import FeedEvent, Level

BUCKET_S = 10.0
BUCKETS = 60


class FeedLog:
    """The last events of one feed, newest last."""

    def __init__(self, most: int = 200) -> None:
        self._events: deque[FeedEvent] = deque(maxlen=most)
        self.last_error: FeedEvent | None = None

    def add(self, level: Level, kind: str, text: str) -> None:
        """Remember an event. A repetition of the last one only moves its time, so that a storm stays readable."""
        event = FeedEvent(time.time(), level, kind, text)
        if self._events and (self._events[-1].kind, self._events[-1].text) == (kind, text):
            self._events.pop()
        self._events.append(event)
        if level != "info":
            self.last_error = event

    def events(self) -> tuple[FeedEvent, ...]:
        return tuple(self._events)


class FrameRate:
    """Frames per second, now and over the last ten minutes."""

    def __init__(self) -> None:
        self._buckets: deque[float] = deque(maxlen=BUCKETS)
        self._bucket_start = time.monotonic()
        self._bucket_frames = 0
        self._recent: deque[tuple[float, int]] = deque(maxlen=12)  # (time, total) about twice a second

    def observe(self, total_frames: int) -> None:
        """Take the total so far; call about twice a second."""
        now = time.monotonic()
        self._recent.append((now, total_frames))
        while now - self._bucket_start >= BUCKET_S:
            self._buckets.append((total_frames - self._bucket_frames) / (now - self._bucket_start))
            self._bucket_start = now
            self._bucket_frames = total_frames

    @property
    def per_s(self) -> float:
        if len(self._recent) < 2:
            return 0.0
        (t0, n0), (t1, n1) = self._recent[0], self._recent[-1]
        return (n1 - n0) / (t1 - t0) if t1 > t0 else 0.0

    def history(self) -> tuple[float, ...]:
        return tuple(self._buckets)
