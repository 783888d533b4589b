"""Request and message limits, as small counters that are told the time."""

from collections import deque


class SlidingWindow:
    """At most `limit` events in any `seconds`; counts the refused ones too when told so."""

    def __init__(self, limit: float, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._times: deque[float] = deque()

    def allow(self, now: float) -> bool:
        """Count one event at `now` [s] and say whether it is within the limit."""
        while self._times and self._times[0] <= now - self.seconds:
            self._times.popleft()
        if len(self._times) >= self.limit:
            return False
        self._times.append(now)
        return True


class MinuteWeight:
    """Weight used in the current UTC clock minute, with escalation for clients that carry on after a refusal."""

    BAN_AFTER_REFUSALS = 20
    BAN_S = 120.0

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.used = 0
        self._minute = -1
        self._refused = 0
        self._banned_until = 0.0

    def charge(self, weight: int, now: float) -> tuple[int, float]:
        """Count a request; return the HTTP status (200, 429 or 418) and the seconds to stay away."""
        minute = int(now // 60)
        if minute != self._minute:
            self._minute, self.used, self._refused = minute, 0, 0
        if now < self._banned_until:
            return 418, self._banned_until - now
        self.used += weight
        if self.used <= self.limit:
            return 200, 0.0
        self._refused += 1
        if self._refused > self.BAN_AFTER_REFUSALS:
            self._banned_until = now + self.BAN_S
            return 418, self.BAN_S
        return 429, 60 - now % 60
