"""Keeps one websocket's worth of topics flowing: redials with backoff, replaces a socket before it is cut."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence

from feeds.exchanges.base import ConnectionPlan
from feeds.failures import describe, is_expected, retry_after_s, retry_delay_s
from feeds.session import Session
from feeds.stats import FeedLog

logger = logging.getLogger(__name__)

LIFETIME_SHARE = 0.95  # a socket is replaced after this share of its lifetime, less a spread
SPREAD_SHARE = 0.05
TAKEOVER_S = 1.0  # both sockets flow this long together before the old one is closed
TAKEOVER_TIMEOUT_S = 30.0


class Connection:
    """One planned connection. `open_session` makes a fresh session for the topics; `on_lost` hears of each loss.

    failures: sessions that ended since data last flowed. reconnects: unplanned ones. next_attempt: epoch s.
    """

    def __init__(
        self,
        plan: ConnectionPlan,
        open_session: Callable[[ConnectionPlan, Sequence[str]], Session],
        on_lost: Callable[[tuple[str, ...]], None],
        log: FeedLog,
    ) -> None:
        self.plan = plan
        self.topics: dict[str, None] = dict.fromkeys(plan.topics)
        self.session: Session | None = None
        self.failures = 0
        self.reconnects = 0
        self.last_failure = ""
        self.next_attempt: float | None = None
        self._open_session = open_session
        self._on_lost = on_lost
        self._log = log
        self._pace_s: float | None = None
        self._frames_before = 0
        self._outdated_before = 0

    @property
    def up(self) -> bool:
        return self.session is not None and self.session.ready.is_set() and not self.session.quiet

    @property
    def asking(self) -> bool:
        """Whether something that was asked for, or no longer, has not been sent yet."""
        return self.session is not None and self.session.asking

    @property
    def frames(self) -> int:
        return self._frames_before + (self.session.frames if self.session is not None else 0)

    @property
    def outdated(self) -> int:
        """Frames that came twice or after a newer one, so far."""
        return self._outdated_before + (self.session.decoder.outdated if self.session is not None else 0)

    def subscribe(self, topics: Sequence[str]) -> None:
        self.topics.update(dict.fromkeys(topics))
        if self.session is not None:
            self.session.subscribe(topics)

    def unsubscribe(self, topics: Sequence[str]) -> None:
        for topic in topics:
            self.topics.pop(topic, None)
        if self.session is not None:
            self.session.unsubscribe(topics)

    async def run(self) -> None:
        """Run until cancelled; may then be run again."""
        try:
            await self._run()
        finally:
            self._retire()

    async def _run(self) -> None:
        while True:
            session = self._open(tuple(self.topics))
            error = await self._live(session)
            flowed = self.session is not None and self.session.data_frames > 0
            self._retire()
            self.failures = 1 if flowed else self.failures + 1
            self.reconnects += 1
            self.last_failure = describe(error, session.plan.url)
            if session.farewell:
                self.last_failure += f" ({session.farewell})"
            if not is_expected(error):
                logger.error("%s: the session ended by a bug of ours", self.plan.name, exc_info=error)
            self._on_lost(tuple(self.topics))
            # The first redial after data flowed is quick: most cuts are one-off.
            delay_s = max(retry_delay_s(self.failures - 1), retry_after_s(error) or 0.0)
            self._log.add("error", "socket", f"{self.plan.name}: {self.last_failure}; next attempt in {delay_s:.1f} s")
            self.next_attempt = time.time() + delay_s
            await asyncio.sleep(delay_s)
            self.next_attempt = None

    def _open(self, topics: tuple[str, ...]) -> Session:
        session = self._open_session(self.plan, topics)
        session.pace_s = self._pace_s
        return session

    async def _live(self, session: Session) -> BaseException:
        """Run a session and its planned successors; return what ended the last of them."""
        task = asyncio.create_task(session.run())
        self.session = session
        try:
            while True:
                due = asyncio.create_task(self._replacement_due(session))
                try:
                    await asyncio.wait((task, due), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    due.cancel()
                if task.done():
                    return _failure(task)
                successor = await self._replace(session, task)
                if successor is not None:
                    session, task = successor
        finally:
            task.cancel()
            await asyncio.wait((task,), timeout=2.0)

    async def _replacement_due(self, session: Session) -> None:
        await session.ready.wait()  # a socket that is refused before it flows is no reconnect to be planned
        announced = asyncio.create_task(session.closing.wait())
        lifetime_s = self.plan.lifetime_s
        timeout_s = None if lifetime_s is None else lifetime_s * (LIFETIME_SHARE - SPREAD_SHARE * random.random())
        try:
            await asyncio.wait((announced,), timeout=timeout_s)
        finally:
            announced.cancel()

    async def _replace(
        self, old: Session, old_task: "asyncio.Task[None]"
    ) -> tuple[Session, "asyncio.Task[None]"] | None:
        """Open the next session beside the old one and close that once data flow on both."""
        asked = tuple(self.topics)
        new = self._open(asked)
        task = asyncio.create_task(new.run())
        ready = asyncio.create_task(new.ready.wait())
        try:
            await asyncio.wait((task, ready, old_task), timeout=TAKEOVER_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if not new.ready.is_set() and not old_task.done():
            reason = describe(_failure(task)) if task.done() else "no data in time"
            task.cancel()
            self._log.add("warning", "socket", f"{self.plan.name}: planned reconnect failed: {reason}; trying again")
            await asyncio.sleep(retry_delay_s(1))
            return None
        gapless = not old_task.done()
        if gapless:
            await asyncio.sleep(TAKEOVER_S)
        else:
            self._on_lost(tuple(self.topics))
        self._retire()
        self.session = new
        # What was asked for or given up meanwhile reached the old session only.
        new.subscribe([topic for topic in self.topics if topic not in asked])
        new.unsubscribe([topic for topic in asked if topic not in self.topics])
        old_task.cancel()
        await asyncio.wait((old_task,), timeout=2.0)
        outcome = "no data lost" if gapless else "the old socket was cut too early"
        self._log.add("info", "socket", f"{self.plan.name}: planned reconnect, {outcome}")
        return new, task

    def _retire(self) -> None:
        if self.session is not None:
            self._pace_s = self.session.usual_gap_s
            self._frames_before += self.session.frames
            self._outdated_before += self.session.decoder.outdated
            self.session = None


def _failure(task: "asyncio.Task[None]") -> BaseException:
    if task.cancelled():
        return asyncio.CancelledError()
    return task.exception() or ConnectionError("ended without a reason")
