# Everything a fresh machine needs: Python 3.11 or newer and make. Each target installs what it uses.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8050
ARGS ?=
SEEDS ?= 1,2,3

.PHONY: run demo test bench load faults truth conformance lint format native browser clean

run: $(VENV)/.run native
	$(BIN)/python app.py --source live --port $(PORT) $(ARGS)

demo: $(VENV)/.run native
	$(BIN)/python app.py --source demo --port $(PORT) $(ARGS)

# Most tests wait more than they work, so several run at a time; a page or the whole app needs the machine for itself.
APART := tests/browser tests/end_to_end

test: $(VENV)/.dev native browser
ifeq ($(strip $(ARGS)),)
	$(BIN)/python -m pytest -n 4 --dist loadscope $(addprefix --ignore=,$(APART))
	$(BIN)/python -m pytest $(APART)
else
	$(BIN)/python -m pytest $(ARGS)
endif

bench: $(VENV)/.dev native browser
	$(BIN)/python -m benchmarks $(ARGS)

load: $(VENV)/.dev native browser
	$(BIN)/python -m benchmarks.load $(ARGS)

faults: $(VENV)/.dev native
	$(BIN)/python -m benchmarks.faults $(ARGS)

truth: $(VENV)/.dev native
	$(BIN)/python -m benchmarks.truth --seeds $(SEEDS) $(ARGS)

conformance: $(VENV)/.dev native
	$(BIN)/python -m benchmarks.conformance

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Perpscope needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/.run

# What every quote goes through, in C. Without a compiler this says so, and all goes on in Python.
native: | $(VENV)/bin/python
	@$(BIN)/python -m native

# The browser tests need Chromium and a ChromeDriver of the same version.
browser:
	@if command -v chromedriver >/dev/null && { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null; then :; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver >/dev/null; \
	elif command -v apt-get >/dev/null && sudo -n true 2>/dev/null; then \
		sudo apt-get update -qq && sudo DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver >/dev/null; \
	else \
		echo "The browser tests need Chromium and ChromeDriver (Debian: apt install chromium chromium-driver;" \
			"Fedora: dnf install chromium chromedriver; macOS: brew install --cask chromium chromedriver)."; exit 1; \
	fi

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis
