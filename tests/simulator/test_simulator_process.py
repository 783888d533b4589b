"""The command line: one JSON line, clean exits, a clear word when a port is taken."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "simulator", "--seed", "1", "--rate", "100", "--instruments", "20"]


def start(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*COMMAND, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_prints_the_endpoints_and_ends_on_sigterm():
    process = start("--exchanges", "all")
    endpoints = json.loads(process.stdout.readline())
    try:
        assert {"rest", "ws", "rest_coinm", "ws_coinm"} == set(endpoints["binance"])
        assert {"rest", "ws"} == set(endpoints["bybit"]) == set(endpoints["okx"])
        assert set(endpoints["control"]) == {"rest"}
        assert httpx.get(endpoints["binance"]["rest_coinm"] + "/dapi/v1/time").status_code == 200
        assert httpx.get(endpoints["control"]["rest"] + "/stats").json()["rate"] == 100
    finally:
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=5)
    assert process.returncode == 0
    assert time.monotonic() - asked < 2
    assert rest == ""


def test_an_occupied_port_is_one_sentence_and_exit_code_2():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start("--exchanges", "okx", "--base-port", str(taken.getsockname()[1]))
        output, errors = process.communicate(timeout=10)

    assert process.returncode == 2
    assert output == ""
    assert errors.strip().count("\n") == 0
    assert str(taken) != errors
    assert "in use" in errors


def test_ports_follow_the_base_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        base = probe.getsockname()[1]
    process = start("--exchanges", "bybit", "--base-port", str(base))
    try:
        endpoints = json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate(timeout=5)

    assert endpoints["bybit"]["rest"] == f"http://127.0.0.1:{base}"
    assert endpoints["control"]["rest"] == f"http://127.0.0.1:{base + 1}"


def test_an_unknown_exchange_is_refused():
    process = start("--exchanges", "nowhere")
    _, errors = process.communicate(timeout=10)

    assert process.returncode == 2
    assert "unknown exchange nowhere" in errors


def test_ends_with_its_parent_when_asked():
    """A parent that starts the simulator and ends at once leaves nobody behind."""
    code = (
        "import subprocess, sys\n"
        f"p = subprocess.Popen({[*COMMAND, '--exchanges', 'okx', '--exit-with-parent']!r}, stdout=subprocess.PIPE)\n"
        "p.stdout.readline()\n"
        "print(p.pid, flush=True)\n"
    )
    parent = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=15, check=True
    )
    child = int(parent.stdout)
    for _ in range(50):
        if not _alive(child):
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the simulator outlived its parent")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")
