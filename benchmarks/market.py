"""The simulated market as a child process, for measurements and the fault suite. Loopback only, ended by its owner."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson

Endpoints = dict[str, dict[str, str]]


@contextlib.contextmanager
def simulator(
    rate: float = 3_000.0, seed: int = 1, instruments: int = 330, exchanges: str = "all"
) -> Iterator[tuple[Endpoints, int]]:
    """Run the simulator; gives its endpoints and process id."""
    command = [sys.executable, "-m", "simulator", "--exchanges", exchanges, "--base-port", "0", "--seed", str(seed)]
    command += ["--rate", f"{rate:g}", "--instruments", str(instruments), "--exit-with-parent"]
    root = Path(__file__).parent.parent
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=root)
    try:
        assert process.stdout is not None
        yield orjson.loads(process.stdout.readline()), process.pid
    finally:
        process.terminate()
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
