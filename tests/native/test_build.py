"""The library is built by make; without a compiler everything goes on in Python, and says so."""

import os
import subprocess
import sys
from pathlib import Path

import native
from native.__main__ import build, main

ROOT = Path(__file__).parents[2]


def test_it_is_named_after_its_source(monkeypatch, tmp_path):
    copy = tmp_path / "words.c"
    copy.write_text("/* another */")
    before = native.built_file()
    monkeypatch.setattr(native, "SOURCES", (copy,))
    assert native.built_file() != before
    assert native.built_file().parent == native.FOLDER


def test_without_a_compiler_it_is_said_what_to_do_and_no_error(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("LDSHARED", "no-such-compiler -shared")
    monkeypatch.setattr("native.__main__.built_file", lambda: tmp_path / "hot.so")
    main()
    said = capsys.readouterr().err
    assert "there is no C compiler (no-such-compiler)" in said
    assert "apt install gcc python3-dev" in said
    assert list(tmp_path.iterdir()) == []


def test_source_that_cannot_be_compiled_is_told_with_its_error(monkeypatch, tmp_path):
    source = tmp_path / "words.c"
    source.write_text("#error this is wrong\n")
    monkeypatch.setattr("native.__main__.SOURCES", (source,))
    reason = build(tmp_path / "hot.so")
    assert reason is not None
    assert "this is wrong" in reason or "no C compiler" in reason


def test_quotes_are_read_without_it():
    check = (
        "import native, feeds.exchanges._fields as f, store.snapshot as s; assert native.hot is None;"
        "assert f.touch is f.TWINS[0] and f.picker({'a': 'text'}, b'')(b'{\"a\":\"x\"}') is None;"
        "assert s.SnapshotStore.write is s.plain_write"
    )
    environment = {**os.environ, "PERPSCOPE_NATIVE": "0"}
    subprocess.run([sys.executable, "-c", check], check=True, cwd=ROOT, env=environment)
