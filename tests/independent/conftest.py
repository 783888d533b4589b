import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def simulated() -> Iterator[dict[str, dict[str, str]]]:
    """The endpoints of `python -m simulator` with every exchange, at a pace that two cores serve with ease."""
    command = [sys.executable, "-m", "simulator", "--exchanges", "all", "--instruments", "12", "--rate", "400"]
    process = subprocess.Popen([*command, "--exit-with-parent"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)
