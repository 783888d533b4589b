"""How far an exchange's clock is from ours, and how late its messages are.

Receipt less event time is offset plus delay. Its slowly followed minimum is the floor (offset plus the shortest
delay); the excess over the floor is the latency that is shown (../docs/decisions.md, finance notes on clocks). The
exchange's time endpoint bounds the floor, so that neither a stepped clock nor a uniformly late stream can hide in it.
"""

from collections import deque
from dataclasses import dataclass
from itertools import islice

import numpy as np

WINDOW_S = 30.0  # the floor is the minimum of this window and the one before
SLACK_S = 0.1  # how far the floor may lie outside what the time endpoint allows
STEP_S = 0.5  # a clock that the time endpoint finds moved by more than this was stepped
SAMPLES = 4096
RECENT = 50
LATELY = 5  # messages that say how late the next one will be; one that was held up says nothing


@dataclass(frozen=True, slots=True)
class Latency:
    """Latency over the floor and the floor itself, in seconds; None while nothing was measured."""

    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    floor_s: float | None
    samples: int


class ExchangeClock:
    """Follows one exchange's clock. Written by the feed thread only.

    floor_s: receipt less event time of the fastest messages. lowest_s: the same of the window that runs, which ends at
    rotates_at. excess: lateness of the messages of that window, and of a few before. heard_at: when a stream of it last
    told a quote, longest_s: between two of them, in the window of pauses that ends at pauses_end_at. Epoch s and s. The
    store reads these, and writes heard_at where `hear` would do no more, where asking costs more than the answer.
    """

    __slots__ = (
        "_before", "_bounds", "_carried", "_pause_before", "_previous", "excess", "floor_s", "heard_at", "longest_s",
        "lowest_s", "pauses_end_at", "rotates_at",
    )  # fmt: skip

    def __init__(self) -> None:
        self.floor_s = float("inf")
        self.lowest_s = float("inf")
        self._previous = float("inf")
        self.rotates_at = float("-inf")
        self._bounds: tuple[float, float] | None = None
        self.excess: deque[float] = deque(maxlen=SAMPLES)
        self._before: list[float] = []  # of the window before
        self._carried = 0  # how many of excess are from before this window
        self.heard_at = float("nan")
        self.longest_s = 0.0
        self._pause_before = float("nan")  # of the window before
        self.pauses_end_at = float("-inf")

    def observe(self, event_time: float, received_time: float) -> float:
        """Take one message's times; return how late it was over the floor, in seconds."""
        raw = received_time - event_time
        if received_time >= self.rotates_at:
            self.rotates_at = received_time + WINDOW_S
            self._previous, self.lowest_s = self.lowest_s, raw
            self._before = list(self.excess)[self._carried :]
            self.excess = deque(list(self.excess)[-RECENT:], maxlen=SAMPLES)
            self._carried = len(self.excess)
            self._refloor()
        elif raw < self.lowest_s:
            self.lowest_s = raw
            self._refloor()
        excess = raw - self.floor_s
        if excess < 0.0:
            excess = 0.0
        self.excess.append(excess)
        return excess

    def hear(self, received_time: float) -> None:
        """Note that a stream told a quote."""
        pause = received_time - self.heard_at
        self.heard_at = received_time
        if pause > self.longest_s:
            self.longest_s = pause
        if received_time >= self.pauses_end_at:
            first = self.pauses_end_at == float("-inf")
            self._pause_before = float("nan") if first else self.longest_s
            self.longest_s, self.pauses_end_at = 0.0, received_time + WINDOW_S

    @property
    def pause_s(self) -> float:
        """The longest pause between two quotes, of this window and the one before; NaN while there is none before."""
        before, lately = self._pause_before, self.longest_s
        return lately if lately > before else before

    def bound(self, server_time: float, sent_time: float, received_time: float) -> bool:
        """Take an answer of the time endpoint; return True if the exchange's clock was stepped.

        The answer was written between sending and receipt, so the offset is known within half the round trip.
        """
        before = self._bounds
        self._bounds = (sent_time - server_time - SLACK_S, received_time - server_time + SLACK_S)
        if self.lowest_s < self._bounds[0] or self._previous < self._bounds[0]:
            # Minima from before a step backwards are of another clock.
            self.lowest_s = max(self.lowest_s, self._bounds[0])
            self._previous = self.lowest_s
        self._refloor()
        # Stepped for certain only where the two answers cannot both be right.
        return before is not None and (self._bounds[0] > before[1] + STEP_S or self._bounds[1] < before[0] - STEP_S)

    def _refloor(self) -> None:
        floor = min(self.lowest_s, self._previous)
        if self._bounds is not None:
            floor = min(max(floor, self._bounds[0]), self._bounds[1])
        self.floor_s = floor

    @property
    def last_s(self) -> float | None:
        """Lateness of the last message; None before any."""
        return self.excess[-1] if self.excess else None

    @property
    def lately_s(self) -> float:
        """Median lateness of the last messages; 0 before there are as many as it takes."""
        excess = self.excess
        if len(excess) < LATELY:
            return 0.0
        return sorted(islice(reversed(excess), LATELY))[LATELY // 2]

    def recent_s(self) -> float | None:
        """Median lateness of the last few messages; None before any."""
        recent = sorted(self.excess[i] for i in range(-min(RECENT, len(self.excess)), 0))
        return recent[len(recent) // 2] if recent else None

    def latency(self) -> Latency:
        """Percentiles of the messages of this window and the one before, of the last SAMPLES where there were more."""
        before, carried = self._before, self._carried
        excess = np.array([*before, *list(self.excess)[carried:]][-SAMPLES:])  # copied whole under the interpreter lock
        floor = None if self.floor_s == float("inf") else self.floor_s
        if excess.size == 0:
            return Latency(None, None, None, floor, 0)
        p50, p95, p99 = (float(value) for value in np.percentile(excess, (50, 95, 99)))
        return Latency(p50, p95, p99, floor, int(excess.size))
