"""Opens markets: live, simulated, or replayed. The one place that knows what each source is made of."""

import gc
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path

import orjson

from desk import Market, Source
from feeds.exchanges import EXCHANGES, load
from feeds.failures import describe
from feeds.recorder import prepare
from feeds.replay import Replay
from feeds.status import ExchangeStatus, Feed, State
from feeds.supervisor import FeedOptions, Supervisor
from market.overrides import Change, Overrides
from settings import ConfigError, Settings
from store.ring import QuoteRing
from store.snapshot import SnapshotStore

logger = logging.getLogger(__name__)

DEMO_CATALOGUE_EVERY_S = 30.0  # the simulator lists and delists faster than any exchange
STOP_TIMEOUT_S = 3.0


SWITCH_S = 0.0005  # a thread that wants to run waits for another one no longer than this


def tune_interpreter() -> None:
    """Let threads take turns quickly, and keep the collector away from what lives as long as the process.

    A change is judged within milliseconds only if no page's callback holds the interpreter for five of them, and a full
    collection walks over every listing, which takes tens of milliseconds and frees nothing.
    """
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


class SourceError(Exception):
    """A source that cannot be opened. Its text is one sentence."""


def open_market(settings: Settings, source: str) -> Market:
    """Make the market of a source, not yet started.

    Raises:
        SourceError, ReplayError: If it cannot be; says why.
        ConfigError: If the settings name an exchange or source that does not exist.
    """
    names = _exchange_names(settings)
    if source == "live":
        store = _store(settings, names)
        exchanges = [load(name) for name in names]
        closed = {
            exchange.name: f"closed since {exchange.closed_since}; kept for recordings and the simulator, never paired"
            for exchange in exchanges
            if exchange.closed_since is not None
        }
        feed: Feed = Supervisor(exchanges, store, _options(settings, settings.catalogue_every_s), closed)
        return Market(Source("live", "public market data"), store, feed, QuoteRing())
    if source == "demo":
        store = _store(settings, names)
        _options(settings, DEMO_CATALOGUE_EVERY_S)  # raises now, not when the simulator is up
        detail = f"simulator, seed {settings.demo_seed}"
        return Market(Source("demo", detail), store, SimulatedFeed(settings, names, store), QuoteRing())
    if source.startswith("replay:"):
        if settings.record_to:
            raise SourceError("a replay is a recording already: leave out the setting 'record_to'")
        folder = Path(source.removeprefix("replay:")).expanduser()
        store = _store(settings, names)
        replay = Replay(folder, store, settings.replay_speed, settings.exchanges)
        detail = f"recordings in {folder.name}, {settings.replay_speed:g}\u00d7, repeated"
        return Market(Source("replay", detail), store, replay, QuoteRing())
    raise ConfigError(f"setting 'source' is '{source}': it must be live, demo or replay:FOLDER")


def _exchange_names(settings: Settings) -> tuple[str, ...]:
    named = (settings.exchanges, settings.fee_tier, settings.taker_fee_bps, settings.maker_fee_bps, settings.picows)
    for name in chain.from_iterable(named):
        if name not in EXCHANGES:
            raise ConfigError(f"there is no exchange named '{name}'; known are {', '.join(EXCHANGES)}")
    return tuple(name for name in EXCHANGES if not settings.exchanges or name in settings.exchanges)


def _store(settings: Settings, names: tuple[str, ...]) -> SnapshotStore:
    return SnapshotStore(names, settings.terms().fees)


def _options(settings: Settings, catalogue_every_s: float) -> FeedOptions:
    """Raises SourceError if the recording folder cannot be written to."""
    record_to = Path(settings.record_to).expanduser() if settings.record_to else None
    if record_to is not None:
        try:
            prepare(record_to)
        except OSError as error:
            raise SourceError(f"frames cannot be recorded to '{record_to}': {describe(error)}") from None
    return FeedOptions(catalogue_every_s, record_to, settings.depth_instruments, settings.picows)


class SimulatedFeed:
    """The simulated market: a process of its own that speaks the exchanges' protocols, and the live code reading it."""

    def __init__(self, settings: Settings, names: tuple[str, ...], store: SnapshotStore) -> None:
        self._settings = settings
        self._names = names
        self._store = store
        self._process: subprocess.Popen[str] | None = None
        self._supervisor: Supervisor | None = None
        self._overrides = Overrides()
        self._stopping = threading.Event()
        self._failure = ""
        self._started = time.time()
        self.endpoints: dict[str, dict[str, str]] = {}

    def start(self) -> None:
        """Start the simulator; returns at once, the feeds follow as soon as it listens."""
        arguments = {
            "--exchanges": ",".join(self._names),
            "--base-port": "0",
            "--seed": str(self._settings.demo_seed),
            "--rate": f"{self._settings.demo_rate:g}",
            "--instruments": str(self._settings.demo_instruments),
        }
        command = [sys.executable, "-m", "simulator", *(part for pair in arguments.items() for part in pair)]
        self._process = subprocess.Popen(
            [*command, "--exit-with-parent"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        threading.Thread(target=self._connect, args=(self._process,), name="simulator", daemon=True).start()
        threading.Thread(target=self._relay_log, args=(self._process,), name="simulator-log", daemon=True).start()

    def _connect(self, process: "subprocess.Popen[str]") -> None:
        """Wait until it listens, run the feeds against it, then wait for its end."""
        assert process.stdout is not None
        line = process.stdout.readline()
        if line and not self._stopping.is_set():
            self.endpoints = orjson.loads(line)
            logger.info("simulated market: %s", line.strip())
            exchanges = [load(name, self.endpoints[name]) for name in self._names]
            supervisor = Supervisor(exchanges, self._store, _options(self._settings, DEMO_CATALOGUE_EVERY_S))
            supervisor.reload(self._overrides)
            supervisor.start()
            self._supervisor = supervisor
            if self._stopping.is_set():
                supervisor.stop()
        code = process.wait()
        if not self._stopping.is_set():
            self._failure = f"the simulator ended by itself with code {code}; see the log"
            logger.error(self._failure)

    def _relay_log(self, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None
        for line in process.stderr:
            logger.info("simulator: %s", line.rstrip())

    def stop(self, timeout_s: float = 5.0) -> None:
        self._stopping.set()
        if self._supervisor is not None:
            self._supervisor.stop(timeout_s)
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def status(self) -> tuple[ExchangeStatus, ...]:
        if self._supervisor is not None:
            return self._supervisor.status()
        state: State = "down" if self._failure else "starting"
        reason = self._failure or "the simulator is starting"
        return tuple(ExchangeStatus.idle(name, load(name).title, state, reason, self._started) for name in self._names)

    def _command(self, act: Callable[[Supervisor], None]) -> None:
        if self._supervisor is not None:
            act(self._supervisor)

    def watch_depth(self, wanted: Mapping[str, Sequence[str]]) -> None:
        self._command(lambda supervisor: supervisor.watch_depth(wanted))

    def restart_exchange(self, exchange: str) -> None:
        self._command(lambda supervisor: supervisor.restart_exchange(exchange))

    def stop_exchange(self, exchange: str) -> None:
        self._command(lambda supervisor: supervisor.stop_exchange(exchange))

    def start_exchange(self, exchange: str) -> None:
        self._command(lambda supervisor: supervisor.start_exchange(exchange))

    def reload(self, overrides: Overrides) -> list[Change]:
        self._overrides = overrides
        return [] if self._supervisor is None else self._supervisor.reload(overrides)
