"""A page tick's callbacks against a trivial callback on the same server, and the memory of it all.

The requests are those that a browser really sends: headless Chromium opens each page of the running app, its posts are
recorded, and then sent again one after the other.
"""

import contextlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping

import httpx
import psutil
import uvicorn
from dash import Dash, Input, Output
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from app import bind, build_server
from benchmarks.ports import free_port
from desk import Desk
from settings import read_settings
from sources import open_market

PAGES = {"overview": "/", "opportunities": "/opportunities", "spreads": "/spreads", "exchanges": "/exchanges"}
WATCH_S = 6.0
REPEATS = 40
WARM_UP_S = 15.0
TRIVIAL = {
    "output": "bench.children",
    "outputs": {"id": "bench", "property": "children"},
    "inputs": [{"id": "bench-in", "property": "value", "value": "x"}],
    "changedPropIds": ["bench-in.value"],
    "state": [],
}


@contextlib.contextmanager
def _app() -> Iterator[str]:
    """The app with the simulated market and one callback more, which does nothing."""
    port = free_port()
    settings = read_settings(None, source="demo", port=port)
    desk = Desk(settings, lambda source: open_market(settings, source))
    server_app = build_server(desk)
    dash_app: Dash = server_app.state.dash
    dash_app.callback(Output("bench", "children"), Input("bench-in", "value"))(lambda value: value)
    server = uvicorn.Server(uvicorn.Config(server_app, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bind(settings)]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10.0)


def recorded(base: str, paths: Mapping[str, str] = PAGES) -> dict[str, list[bytes]]:
    """The bodies that each page posts in its ticks, one of each callback. paths: by a page's name."""
    folder = tempfile.mkdtemp()
    options = Options()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"):
        options.add_argument(flag)
    for flag in ("--disable-background-networking", "--disable-component-update", "--disable-sync"):
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={folder}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    driver = webdriver.Chrome(service=Service(shutil.which("chromedriver") or "chromedriver"), options=options)
    found: dict[str, list[bytes]] = {}
    try:
        for name, path in paths.items():
            driver.get(base + path)
            time.sleep(WATCH_S)
            _log(driver)  # what opened the page is no tick
            time.sleep(WATCH_S)
            posts: dict[str, bytes] = {}
            for entry in _log(driver):
                message = json.loads(entry["message"])["message"]
                if message["method"] != "Network.requestWillBeSent":
                    continue
                request = message["params"]["request"]
                if "_dash-update-component" in request["url"] and "postData" in request:
                    posts[json.loads(request["postData"])["output"]] = request["postData"].encode()
            found[name] = list(posts.values())
    finally:
        driver.quit()
        shutil.rmtree(folder, ignore_errors=True)
    return found


def _log(driver: webdriver.Chrome) -> list[dict[str, str]]:
    entries: list[dict[str, str]] = driver.get_log("performance")
    return entries


def _request_s(client: httpx.Client, body: bytes) -> tuple[float, int]:
    """Median time of one request, with a new view between requests as in a tick; and the bytes of the answer."""
    times, size = [], 0
    for _ in range(REPEATS):
        start = time.perf_counter()
        answer = client.post("/_dash-update-component", content=body, headers={"Content-Type": "application/json"})
        times.append(time.perf_counter() - start)
        if answer.status_code not in (200, 204):
            raise RuntimeError(f"a callback answered {answer.status_code}: {answer.text[:200]}")
        size = max(size, len(answer.content))
        time.sleep(0.02)
    return sorted(times)[len(times) // 2], size


def run() -> tuple[list[dict[str, object]], dict[str, float]]:
    """One row a page, and the resident memory of app and simulator after it. [MB]"""
    rows: list[dict[str, object]] = []
    with _app() as base:
        time.sleep(WARM_UP_S)
        pages = recorded(base)
        with httpx.Client(base_url=base, timeout=10.0) as client:
            trivial_s, _ = _request_s(client, json.dumps(TRIVIAL).encode())
            for name, bodies in pages.items():
                measured = [_request_s(client, body) for body in bodies]
                rows.append(
                    {
                        "page": name,
                        "callbacks": len(bodies),
                        "tick_ms": sum(seconds for seconds, _ in measured) * 1e3,
                        "bytes": sum(size for _, size in measured),
                        "trivial_ms": trivial_s * 1e3,
                        "ratio": sum(seconds for seconds, _ in measured) / trivial_s if measured else None,
                        "ratio_per_callback": (
                            sum(seconds for seconds, _ in measured) / len(measured) / trivial_s if measured else None
                        ),
                    }
                )
        here = psutil.Process(os.getpid())
        children = [child for child in here.children() if "simulator" in " ".join(child.cmdline())]
        memory = {
            "app_mb": here.memory_info().rss / 2**20,
            "simulator_mb": sum(child.memory_info().rss for child in children) / 2**20,
        }
    return rows, memory
