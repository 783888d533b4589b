"""The app as users run it, beside the simulated market and a viewer: what it costs and whether anything is lost.

The viewer sends what an open page sends with each tick; the browser itself has its own machine. For every measurement
the market is asked for a rate, and in the end to send nothing: every frame that it has sent must then have been read.
"""

import contextlib
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil

from benchmarks.pages import recorded
from benchmarks.ports import free_port

START_RATE = 300.0  # while everything is subscribed
START_S = 90.0
SETTLE_S = 30.0  # from a new rate until it is measured: the lag is of the last 30 to 60 s, without the silence before
SILENCE_S = 8.0  # shorter than any watchdog: the sockets stay as they are
READ_OUT_S = 2.5  # the app's counters are published with its views
READ_AGAIN, READ_AGAIN_S = 5, 0.4
TICK_S = 1.0
PAGE = {"opportunities": "/opportunities"}
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Flow:
    """What was measured at one rate. rows: one an exchange.

    Shares of a core: app_cpu, market_cpu; idle: the part of the whole machine that nobody used.
    """

    rate: float
    rows: list[dict[str, Any]]
    app_cpu: float
    market_cpu: float
    idle: float
    rss_mb: float
    detect_p50_ms: float
    detect_p99_ms: float

    @property
    def frames_per_s(self) -> float:
        return float(sum(row["frames_per_s"] for row in self.rows))

    @property
    def lost(self) -> int:
        return int(sum(row["lost"] for row in self.rows))


class Rig:
    """The running app, its market and a viewer. Gives measurements one after the other."""

    def __init__(self, base: str, control: str, process: psutil.Process) -> None:
        """base: the app's address; control: that of the market's control port."""
        self._app = httpx.Client(base_url=base, timeout=20.0)
        self._control = httpx.Client(base_url=control, timeout=20.0)
        self._process = process
        self._unread: Mapping[str, int] = {}

    def close(self) -> None:
        self._app.close()
        self._control.close()

    def measure(self, rate: float, seconds: float) -> Flow:
        """Ask the market for a rate, let it settle, and measure; what is lost counts from the measurement before."""
        if not self._unread:
            self._unread = self._silenced()
        self._control.post("/rate", json={"rate": rate}).raise_for_status()
        time.sleep(SETTLE_S)
        market_before, app_before = self._market_cpu_s(), self._process.cpu_times()
        start, read_before = time.monotonic(), self._read()
        psutil.cpu_percent()
        time.sleep(seconds)
        elapsed, read = time.monotonic() - start, self._read()
        idle, app, market = 1.0 - psutil.cpu_percent() / 100.0, self._process.cpu_times(), self._market_cpu_s()
        latency = {row["exchange"]: row for row in self._app.get("/api/exchanges").json()["rows"]}
        detection = self._app.get("/api/detection").json()
        before, self._unread = self._unread, self._silenced()
        return Flow(
            rate=rate,
            rows=[
                {
                    "exchange": name,
                    "frames_per_s": (read[name] - read_before[name]) / elapsed,
                    "lost": max(0, self._unread[name] - before[name]),  # one read too late for the time before is none
                    "p50_ms": (latency[name]["latency_p50_s"] or 0.0) * 1e3,
                    "p99_ms": (latency[name]["latency_p99_s"] or 0.0) * 1e3,
                }
                for name in read
            ],
            app_cpu=(app.user + app.system - app_before.user - app_before.system) / elapsed,
            market_cpu=(market - market_before) / elapsed,
            idle=idle,
            rss_mb=self._process.memory_info().rss / 2**20,
            detect_p50_ms=detection["delay_p50_ms"],
            detect_p99_ms=detection["delay_p99_ms"],
        )

    def _market_cpu_s(self) -> float:
        return float(self._control.get("/stats").json()["cpu_s"])

    def _read(self) -> dict[str, int]:
        return {row["exchange"]: row["frames"] for row in self._app.get("/api/exchanges").json()["rows"]}

    def _silenced(self) -> dict[str, int]:
        """Frames sent and not read since the start, while nothing more is being sent."""
        faults = []
        for name in self._read():
            silence = {"exchange": name, "fault": "silence", "duration_s": SILENCE_S}
            answer = self._control.post("/faults", json=silence)
            answer.raise_for_status()
            faults.append(answer.json()["id"])
        time.sleep(READ_OUT_S)
        unread = self._unread_now()
        for _ in range(READ_AGAIN):  # answers to pings and subscriptions are sent on, between two readings
            time.sleep(READ_AGAIN_S)
            unread = {name: min(count, unread[name], key=abs) for name, count in self._unread_now().items()}
        for fault in faults:
            self._control.delete(f"/faults/{fault}")
        return unread

    def _unread_now(self) -> dict[str, int]:
        sent, read = self._control.get("/stats").json()["exchanges"], self._read()
        return {name: sent[name]["frames_sent"] - read[name] for name in read}


@contextlib.contextmanager
def rig(*, picows: bool = True) -> Iterator[Rig]:
    """Start everything, and end it. picows: whether the app reads all sockets with that library."""
    with _app(picows) as (base, control, process), _viewer(base):
        found = Rig(base, control, process)
        try:
            yield found
        finally:
            found.close()


@contextlib.contextmanager
def _app(picows: bool) -> Iterator[tuple[str, str, psutil.Process]]:
    """The app with the simulated market: its address, the market's control address, and its process."""
    port = free_port()
    command = [sys.executable, "app.py", "--source", "demo", "--port", str(port)]
    environment = {"PERPSCOPE_DEMO_RATE": str(START_RATE), "PATH": "/usr/bin:/bin"}
    if not picows:
        environment["PERPSCOPE_PICOWS"] = "[]"
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=environment)
        try:
            control = _control(Path(f"/proc/self/fd/{log.fileno()}"))
            time.sleep(START_S)
            yield f"http://127.0.0.1:{port}", control, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(15.0)


def _control(log: Path) -> str:
    until = time.monotonic() + 30.0
    while time.monotonic() < until:
        if found := re.search(r"simulated market: (\{.*\})", log.read_text()):
            return str(orjson.loads(found[1])["control"]["rest"])
        time.sleep(0.1)
    raise RuntimeError(f"the app did not open the simulated market: {log.read_text()[-500:]}")


@contextlib.contextmanager
def _viewer(base: str) -> Iterator[None]:
    """A page of the app that ticks: its posts as a browser sent them, sent again and again."""
    bodies = recorded(base, PAGE)["opportunities"]
    if not bodies:
        raise RuntimeError("the page has sent nothing in its ticks")
    over = threading.Event()

    def watch() -> None:
        with httpx.Client(base_url=base, timeout=20.0, headers={"Content-Type": "application/json"}) as client:
            while not over.wait(TICK_S):
                for body in bodies:
                    with contextlib.suppress(httpx.TimeoutException):
                        client.post("/_dash-update-component", content=body).raise_for_status()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(25.0)
