"""The app as users run it, beside the simulated market and an open browser: what it costs and whether anything is lost.

After the measured time the market is told to send no more; every frame it has sent must then have been read.
"""

import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil

from benchmarks.ports import free_port

MEASURE_S = 30.0
WARM_UP_S = 15.0
SILENCE_S = 8.0  # shorter than any watchdog: the sockets stay as they are
SETTLE_S = 2.0  # the app's counters are published with its views
ROOT = Path(__file__).parent.parent


@contextlib.contextmanager
def _app(rate: float) -> Iterator[tuple[str, str, psutil.Process]]:
    """The app with the simulated market: its address, the market's control address, and its process."""
    port = free_port()
    command = [sys.executable, "app.py", "--source", "demo", "--port", str(port)]
    environment = {"PERPSCOPE_DEMO_RATE": str(rate), "PATH": "/usr/bin:/bin"}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=environment)
        try:
            yield (
                f"http://127.0.0.1:{port}",
                _control(Path(f"/proc/self/fd/{log.fileno()}")),
                psutil.Process(process.pid),
            )
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
def _browser(url: str) -> Iterator[None]:
    """A page of the app, open and ticking."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise RuntimeError("Chromium is not installed")
    folder = tempfile.mkdtemp()
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    flags += ["--remote-debugging-port=0", f"--user-data-dir={folder}", "--disable-component-update", "--disable-sync"]
    process = subprocess.Popen([chromium, *flags, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10.0)
        shutil.rmtree(folder, ignore_errors=True)


def run(rate: float = 3_000.0, seconds: float = MEASURE_S) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """One row an exchange, and what the app used meanwhile: share of a core, memory [MB], delays of detection [ms]."""
    with _app(rate) as (base, control, process), httpx.Client(timeout=10.0) as client, _browser(base):
        time.sleep(WARM_UP_S)
        before = process.cpu_times()
        start, read_before = time.monotonic(), _read(client, base)
        time.sleep(seconds)
        elapsed, after, read_after = time.monotonic() - start, process.cpu_times(), _read(client, base)
        detection = client.get(f"{base}/api/detection").json()
        latency = {row["exchange"]: row for row in client.get(f"{base}/api/exchanges").json()["rows"]}
        for name in read_after:
            silence = {"exchange": name, "fault": "silence", "duration_s": SILENCE_S}
            client.post(f"{control}/faults", json=silence).raise_for_status()
        time.sleep(SETTLE_S)
        lost = _lost(client, base, control)
        cost = {
            "rate": rate,
            "app_cpu": (after.user + after.system - before.user - before.system) / elapsed,
            "rss_mb": process.memory_info().rss / 2**20,
            "detect_p50_ms": detection["delay_p50_ms"],
            "detect_p99_ms": detection["delay_p99_ms"],
        }
    rows: list[dict[str, Any]] = [
        {
            "exchange": name,
            "frames_per_s": (read_after[name] - read_before[name]) / elapsed,
            "lost": lost[name],
            "p50_ms": latency[name]["latency_p50_s"] * 1e3,
            "p99_ms": latency[name]["latency_p99_s"] * 1e3,
        }
        for name in read_after
    ]
    return rows, cost


def _read(client: httpx.Client, base: str) -> dict[str, int]:
    return {row["exchange"]: row["frames"] for row in client.get(f"{base}/api/exchanges").json()["rows"]}


def _lost(client: httpx.Client, base: str, control: str) -> dict[str, int]:
    """Frames sent and not read, while nothing more is being sent."""
    sent = client.get(f"{control}/stats").json()["exchanges"]
    read = _read(client, base)
    return {name: sent[name]["frames_sent"] - read[name] for name in read}
