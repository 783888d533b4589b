"""The background thread and its event loop: starts, stops and restarts the feeds of exchanges."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from feeds.depth import DEFAULT_CAP
from feeds.exchange_feed import ExchangeFeed, Sink
from feeds.exchanges.base import Exchange
from feeds.failures import describe
from feeds.recorder import Recorder
from feeds.status import ExchangeStatus, State
from market.exchanges import EXCHANGES
from market.overrides import Change, Overrides

logger = logging.getLogger(__name__)

STOP_TIMEOUT_S = 5.0
RELOAD_TIMEOUT_S = 15.0
BEAT_EVERY_S = 0.25
REVIVE_AFTER_S = 5.0  # a feed that died of a bug


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """catalogue_every_s: seconds between two readings of a listing. record_to: folder for raw frames, None: do not.

    depth_cap: books watched at a time on one exchange. picows: exchanges whose sockets that library reads; those of
    others are read with `websockets`.
    """

    catalogue_every_s: float = 300.0
    record_to: Path | None = None
    depth_cap: int = DEFAULT_CAP
    picows: Collection[str] = EXCHANGES


class Supervisor:
    """Owns the feed thread. All methods may be called from any thread; commands take effect on the loop."""

    def __init__(
        self, exchanges: Sequence[Exchange], sink: Sink, options: FeedOptions, off: dict[str, str] | None = None
    ) -> None:
        """off: exchanges that are listed but not run, with the reason that is shown.

        Raises OSError if the recording folder cannot be written to.
        """
        self._exchanges = {exchange.name: exchange for exchange in exchanges}
        self._off = dict(off or {})
        self._sink = sink
        self._options = options
        self._recorder = None if options.record_to is None else Recorder(options.record_to, self._on_record_error)
        self._feeds: dict[str, ExchangeFeed] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending: dict[str, list[asyncio.Task[None]]] = {name: [] for name in self._exchanges}
        self._failed: dict[str, str] = {}
        self._overrides = Overrides()
        self._depth_wanted: dict[str, tuple[str, ...]] = {}
        self._stopped_at: dict[str, float] = dict.fromkeys(self._off, time.time())
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._main, name="feeds", daemon=True)

    def start(self) -> None:
        """Start the thread; returns once its loop runs."""
        self._thread.start()
        self._started.wait()

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Close every socket and end the thread, within the time given."""
        if self._loop is None or self._stop is None or not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            logger.warning("the feed thread did not end within %.0f s and is left behind", timeout_s)

    def _main(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        for name in self._exchanges:
            if name not in self._off:
                self._start(name)
        self._started.set()
        beating = asyncio.create_task(self._beat())
        await self._stop.wait()
        beating.cancel()
        for task in self._tasks.values():
            task.cancel()
        tasks = [*self._tasks.values(), *(task for ending in self._ending.values() for task in ending)]
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_TIMEOUT_S - 1.0)
        if self._recorder is not None:
            self._recorder.close()

    async def _beat(self) -> None:
        """Show that the loop turns, also while no exchange says anything."""
        while True:
            self._sink.beat(time.time())
            await asyncio.sleep(BEAT_EVERY_S)

    def _start(self, name: str) -> None:
        feed = self._feeds[name] = ExchangeFeed(
            self._exchanges[name],
            self._sink,
            catalogue_every_s=self._options.catalogue_every_s,
            recorder=self._recorder,
            overrides=self._overrides,
            depth_cap=self._options.depth_cap,
            library="picows" if name in self._options.picows else "websockets",
        )
        self._feeds[name].depth.want(self._depth_wanted.get(name, ()))
        self._failed.pop(name, None)
        self._ending[name] = [task for task in self._ending[name] if not task.done()]
        task = self._tasks[name] = asyncio.create_task(_run_after(self._ending[name], feed), name=name)
        task.add_done_callback(lambda ended: self._on_end(name, ended))

    def _on_end(self, name: str, task: "asyncio.Task[None]") -> None:
        """A feed only ends when told to; anything else is our bug, and must not silence an exchange for good."""
        if task.cancelled() or task.exception() is None or self._tasks.get(name) is not task:
            return
        logger.error("the feed of %s failed and is started again", name, exc_info=task.exception())
        self._failed[name] = f"failed: {describe(task.exception())}; it is started again"  # type: ignore[arg-type]
        self._stopped_at[name] = time.time()
        assert self._loop is not None
        self._loop.call_later(REVIVE_AFTER_S, self._start_again, name, task)

    def _start_again(self, name: str, ended: "asyncio.Task[None]") -> None:
        if self._tasks.get(name) is ended:
            self._start(name)

    # -- commands ----------------------------------------------------------------------------------------------

    def stop_exchange(self, exchange: str) -> None:
        """Take one exchange out of service. Raises KeyError for a name that is not watched."""
        self._command(exchange, self._stop_one)

    def start_exchange(self, exchange: str) -> None:
        """Put it back into service. Raises KeyError for a name that is not watched."""
        self._command(exchange, self._start_one)

    def restart_exchange(self, exchange: str) -> None:
        """Stop and start it, listing and all. Raises KeyError for a name that is not watched."""
        self._command(exchange, self._restart_one)

    def reload(self, overrides: Overrides) -> list[Change]:
        """Use these overrides from now on and read all listings again; returns what changed in what is listed.

        Raises TimeoutError if the feeds do not answer; they use the overrides all the same.
        """
        self._overrides = overrides
        if self._loop is None or not self._thread.is_alive():
            return []
        return asyncio.run_coroutine_threadsafe(self._reload(overrides), self._loop).result(RELOAD_TIMEOUT_S)

    async def _reload(self, overrides: Overrides) -> list[Change]:
        running = [feed for name, feed in self._feeds.items() if name in self._tasks]
        found = await asyncio.gather(*(feed.reload(overrides) for feed in running))
        return [change for changes in found for change in changes]

    def _command(self, exchange: str, act: Callable[[str], None]) -> None:
        if exchange not in self._exchanges:
            raise KeyError(exchange)
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nothing runs that could be commanded
                self._loop.call_soon_threadsafe(act, exchange)

    def watch_depth(self, wanted: Mapping[str, Sequence[str]]) -> None:
        """Watch the books of these symbols of each exchange and no others, until told otherwise.

        The most important come first: what is beyond the cap is left out. Unknown exchanges are passed over.
        """
        if self._loop is not None:
            symbols = {name: tuple(some) for name, some in wanted.items()}
            with contextlib.suppress(RuntimeError):  # as above
                self._loop.call_soon_threadsafe(self._watch_depth, symbols)

    def _watch_depth(self, wanted: dict[str, tuple[str, ...]]) -> None:
        self._depth_wanted = wanted
        for name, feed in self._feeds.items():
            if name in self._tasks:
                feed.depth.want(wanted.get(name, ()))

    def _stop_one(self, name: str) -> None:
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
            self._ending[name].append(task)
            self._off[name] = "taken out of service"
            self._stopped_at[name] = time.time()

    def _start_one(self, name: str) -> None:
        if name not in self._tasks:
            self._start(name)
            self._off.pop(name, None)  # afterwards: until then readers would be told of the feed before

    def _restart_one(self, name: str) -> None:
        self._stop_one(name)
        self._start_one(name)

    # -- status ------------------------------------------------------------------------------------------------

    def status(self) -> tuple[ExchangeStatus, ...]:
        """Describe every exchange, in the order of the registry."""
        return tuple(self._status(name) for name in self._exchanges)

    def _status(self, name: str) -> ExchangeStatus:
        feed = self._feeds.get(name)
        failure = self._failed.get(name)
        if feed is not None and failure is None and name not in self._off:
            return feed.status()
        closed = self._exchanges[name].closed_since is not None
        state: State = "starting"
        if name in self._off:
            state = "closed" if closed else "off"
        elif failure is not None:
            state = "down"
        reason = self._off.get(name) or failure or "not started yet"
        events = feed.log.events() if feed is not None else ()
        since = self._stopped_at.get(name, time.time())
        return ExchangeStatus.idle(name, self._exchanges[name].title, state, reason, since, events)

    def _on_record_error(self, text: str) -> None:
        for feed in list(self._feeds.values()):
            feed.log.add("error", "record", text)


async def _run_after(predecessors: Sequence["asyncio.Task[None]"], feed: ExchangeFeed) -> None:
    """Run a feed once those before it have ended: the last they do is to mark all quotes of the exchange as lost."""
    if predecessors:
        await asyncio.wait(predecessors)
    await feed.run()
