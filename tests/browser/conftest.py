"""Chromium against a server on a loopback port, with a market made by hand behind it."""

import contextlib
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "layouts"))

from scripted_market import make_desk

from layouts.app import build_app

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1600,1000",
)


class Served:
    """A desk and its pages, served by a thread until closed."""

    def __init__(self, desk):
        self.desk = desk
        server = FastAPI()
        build_app(desk, server)
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(server, log_level="warning", timeout_graceful_shutdown=1))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]}, daemon=True)
        desk.start()
        self._thread.start()
        deadline = time.monotonic() + 20.0
        while not self._server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.02)

    def close_server(self):
        self._server.should_exit = True
        self._thread.join(timeout=10.0)
        self._listener.close()

    def close(self):
        self.close_server()
        self.desk.stop()


@pytest.fixture
def serve():
    """Serve a desk made with the given settings; closed after the test."""
    with contextlib.ExitStack() as stack:

        def start(**given):
            served = Served(make_desk(**given))
            stack.callback(served.close)
            return served

        yield start


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """One browser for all tests: to start it takes longer than most of them."""
    options = Options()
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium, tmp_path):
    """A tab as when new: each test's server has an origin, and so a storage, of its own."""
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    before = chromium.window_handles
    chromium.switch_to.new_window("tab")
    chromium.set_window_size(1600, 1000)
    for handle in before:
        chromium.switch_to.window(handle)
        chromium.close()
    chromium.switch_to.window(chromium.window_handles[0])
    chromium.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)})
    chromium.get_log("browser")
    chromium.downloads = downloads
    yield chromium
    chromium.get("about:blank")  # nothing goes on asking a server that is gone
