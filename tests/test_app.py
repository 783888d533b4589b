"""The command line as a user meets it."""

import signal
import socket
from pathlib import Path

import psutil
import pytest

from app import bind
from settings import ConfigError, Settings
from tests.app_process import ROOT, free_port, refused, running, wait_for

CAPTURES = ROOT.parent / "shared" / "captures"
needs_captures = pytest.mark.skipif(
    not CAPTURES.is_dir(), reason="the recorded frames of ../shared/captures are not there"
)


def sentence(*arguments: str, **settings: str) -> str:
    """The one sentence with which the app refuses to start."""
    code, output, errors = refused(*arguments, **settings)
    assert code == 2, errors
    assert output == ""
    assert errors.startswith("perpscope: ")
    assert errors.count("\n") == 1, errors
    return errors.removeprefix("perpscope: ").strip()


def config(folder: Path, text: str) -> str:
    path = folder / "perpscope.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stale_after_s = -1", "setting 'stale_after_s' is -1: input should be greater than 0"),
        ("refresh_ms = 'fast'", "setting 'refresh_ms' is 'fast'"),
        ("port = 70000", "setting 'port' is 70000"),
        ("colour = 'red'", "there is no setting named 'colour'"),
        ("exchanges = 'binance'", "setting 'exchanges' is 'binance'"),
        ("[taker_fee_bps]\nbinance = 'free'", "setting 'taker_fee_bps.binance' is 'free'"),
    ],
)
def test_a_wrong_setting_in_the_file_is_named(tmp_path, text, words):
    assert sentence("--config", config(tmp_path, text)).startswith(words)


def test_a_file_that_is_no_toml_is_named(tmp_path):
    path = config(tmp_path, "port = = 8050")
    assert sentence("--config", path).startswith(f"the configuration file '{path}' is not valid TOML: ")


def test_a_missing_file_is_named(tmp_path):
    path = str(tmp_path / "none.toml")
    assert sentence("--config", path) == f"the configuration file '{path}' cannot be read: no such file or directory"


@pytest.mark.parametrize("exchanges", ['["kraken"]', '["binance", "kraken"]'])
def test_an_unknown_exchange_is_named_with_those_there_are(exchanges):
    words = sentence(exchanges=exchanges)
    assert words.startswith("there is no exchange named 'kraken'; known are binance, ")


@pytest.mark.parametrize("source", ["dmeo", "", "replay", "live:now"])
def test_an_unknown_source_is_named(source):
    words = sentence("--source", source)
    assert words == f"setting 'source' is '{source}': it must be live, demo or replay:FOLDER"


def test_a_replay_folder_that_cannot_be_read_is_named(tmp_path):
    folder = tmp_path / "none"
    words = sentence("--source", f"replay:{folder}")
    assert words == f"the replay folder '{folder}' cannot be read: no such file or directory"


def test_a_replay_folder_without_recordings_is_named(tmp_path):
    words = sentence("--source", f"replay:{tmp_path}")
    assert words == f"the replay folder '{tmp_path}' has no recording of an exchange that is known here"


def test_an_occupied_port_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        words = sentence("--source", "live", "--port", str(port))
    assert words == f"cannot serve on 127.0.0.1:{port}: address already in use; choose another with --port"


def test_two_apps_that_start_together_do_not_get_the_same_port():
    """Binding alone does not take a port whose owner may be replaced, listening does."""
    settings = Settings(port=free_port())
    with bind(settings), pytest.raises(ConfigError, match="address already in use"):
        bind(settings)


def test_an_address_that_is_not_ours_is_named():
    assert sentence("--host", "192.0.2.1", "--port", str(free_port())).startswith("cannot serve on 192.0.2.1:")


@pytest.mark.parametrize("port", ["0", "65536", "-1"])
def test_a_port_out_of_range_is_named(port):
    assert sentence("--port", port).startswith(f"setting 'port' is {port}: input should be ")


def test_a_port_that_is_no_number_is_a_usage_error():
    code, _, errors = refused("--port", "http")
    assert code == 2
    assert errors.strip().endswith("app.py: error: argument --port: invalid int value: 'http'")
    assert "Traceback" not in errors


@pytest.mark.parametrize("source", ["live", "demo"])
def test_a_recording_folder_that_cannot_be_made_is_named(tmp_path, source):
    taken = tmp_path / "file"
    taken.write_text("I am no folder")
    words = sentence("--source", source, "--record-to", str(taken), "--port", str(free_port()))
    assert words == f"frames cannot be recorded to '{taken}': file exists"


@pytest.mark.recordings
@needs_captures
def test_recordings_are_served_and_give_prices():
    with running("--source", f"replay:{CAPTURES}") as app:
        wait_for(lambda: app.health()["status"] in ("ok", "degraded"))
        health = app.health()
        assert (health["source"], health["simulated"]) == ("replay", True)
        assert "captures" in health["detail"]
        for exchange in ("binance", "okx"):
            rows = wait_for(
                lambda exchange=exchange: [r for r in app.rows("prices", exchange=exchange) if r["bid_price"]]
            )
            assert all(row["bid_price"] < row["ask_price"] for row in rows if row["ask_price"])
        assert {row["malformed"] for row in app.rows("exchanges")} == {0}
        assert app.http.get("/").status_code == 200
        assert app.end() < 5.0
        assert "Traceback" not in "".join(app.log)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_the_app_and_the_simulator_it_started(number):
    with running("--source", "demo", demo_instruments="20") as app:
        wait_for(app.endpoints)
        children = app.children()
        assert any("simulator" in child.cmdline() for child in children)
        wait_for(lambda: app.health()["status"] == "ok")
        assert app.end(number) < 6.0
        assert "Traceback" not in "".join(app.log)
        _, left = psutil.wait_procs(children, timeout=0.5)
        assert left == []


def test_the_simulator_ends_with_an_app_that_is_killed():
    with running("--source", "demo", demo_instruments="20") as app:
        wait_for(app.endpoints)
        children = app.children()
        assert children
        app.end(signal.SIGKILL)
        _, left = psutil.wait_procs(children, timeout=5.0)
        assert left == []
