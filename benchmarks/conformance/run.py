"""All exchanges, one after another."""

from pathlib import Path

from benchmarks.conformance.coindcx import compare_coindcx
from benchmarks.conformance.compare import Comparer, Outcome
from benchmarks.conformance.sources import SOURCES


def names() -> list[str]:
    """The exchanges that are compared."""
    return [*(source.exchange for source in SOURCES), "coindcx"]


def run(exchange: str, shared: Path) -> Outcome:
    """One exchange's comparison."""
    if exchange == "coindcx":
        return compare_coindcx(shared)
    return Comparer(next(source for source in SOURCES if source.exchange == exchange), shared).run()


def run_all(shared: Path) -> list[Outcome]:
    """Every exchange's comparison."""
    return [run(exchange, shared) for exchange in names()]
