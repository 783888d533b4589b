"""The app as a user starts it: a process of its own, asked over HTTP."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PERPSCOPE_")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], Any], timeout_s: float = 30.0, every_s: float = 0.1) -> Any:
    """Wait until a condition is true; the generous limit only ends a test that has failed."""
    until = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < until, "it did not come"
        time.sleep(every_s)
    return found


class App:
    """A running app."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process = process
        self.port = port
        self.log: list[str] = []
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10.0)
        assert process.stderr is not None
        self._reader = threading.Thread(target=lambda: self.log.extend(process.stderr or ()), daemon=True)
        self._reader.start()

    def ask(self, path: str, **parameters: object) -> Any:
        answer = self.http.get(f"/api/{path}", params=parameters)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rows(self, path: str, **parameters: object) -> list[dict[str, Any]]:
        return self.ask(path, **parameters)["rows"]  # type: ignore[no-any-return]

    def serves(self) -> bool:
        assert self.process.poll() is None, "".join(self.log)
        with contextlib.suppress(httpx.TransportError):
            return self.http.get("/api/health").status_code in (200, 503)
        return False

    def health(self) -> dict[str, Any]:
        return self.http.get("/api/health").json()  # type: ignore[no-any-return]

    def endpoints(self) -> dict[str, dict[str, str]] | None:
        """Where the simulated exchanges are, by the log."""
        for line in list(self.log):
            if found := re.search(r"simulated market: (\{.*\})", line):
                return orjson.loads(found[1])  # type: ignore[no-any-return]
        return None

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: int = signal.SIGTERM, timeout_s: float = 15.0) -> float:
        """Send a signal and wait for the end; gives the seconds it took."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(timeout_s)
            finally:
                self.process.kill()
        self._reader.join(2.0)
        self.http.close()
        return time.monotonic() - began


@contextlib.contextmanager
def running(*arguments: str, **settings: str) -> Iterator[App]:
    """Start the app on a free port and end it with the block. settings: as environment variables."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port), *arguments],
        cwd=ROOT,
        env=ENVIRONMENT | {f"PERPSCOPE_{name.upper()}": value for name, value in settings.items()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    app = App(process, port)
    try:
        wait_for(app.serves)
        yield app
    finally:
        app.end()


def refused(*arguments: str, timeout_s: float = 30.0, **settings: str) -> tuple[int, str, str]:
    """Start the app in a way that cannot work; gives exit code, output and errors."""
    ended = subprocess.run(
        [sys.executable, "app.py", *arguments],
        cwd=ROOT,
        env=ENVIRONMENT | {f"PERPSCOPE_{name.upper()}": value for name, value in settings.items()},
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    return ended.returncode, ended.stdout, ended.stderr
