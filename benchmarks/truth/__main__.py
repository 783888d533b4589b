"""The truth test: python -m benchmarks.truth --seeds 1,2,3. Prints a report and, as its last line, one JSON object.

Seeds 1, 2 and 3 are reported. To look for causes while the detector is worked on, take others (101, 102, 103), so that
nothing is fitted to what is reported.
"""

import argparse
import importlib
import logging
import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import orjson

from benchmarks.truth.market import RELAY, run_seed
from benchmarks.truth.report import report, seeds_of, summary
from benchmarks.truth.score import Score, score

SAY_EVERY_S = 600.0  # of virtual time
LIVE_RATE, LIVE_SECONDS = 15_000.0, 20.0


def judge_seed(seed: int, hours: float) -> Score:
    """Run one seed and score it; its progress goes to stderr."""
    started = time.monotonic()

    def say(virtual_s: float) -> None:
        if virtual_s % SAY_EVERY_S < 1e-6:
            spent_s = time.monotonic() - started
            print(f"seed {seed}: {virtual_s / 60:.0f} virtual minutes in {spent_s:.0f} s", file=sys.stderr, flush=True)

    run = run_seed(seed, hours, say)
    return score(run.ledger, run.spans, run.hits, frozenset({RELAY}))


def live_delay_ms() -> tuple[float, float] | None:
    """p50 and p99 from a change in the store to its judgement, over sockets at a busy rate; None if not measured."""
    try:
        detection = importlib.import_module("benchmarks.detection")
    except ModuleNotFoundError:
        return None
    p50, p99 = detection.run(LIVE_RATE, LIVE_SECONDS)
    return float(p50), float(p99)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make truth", description=__doc__)
    parser.add_argument("--seeds", type=seeds_of, default=(1, 2, 3), help="numbers with commas between")
    parser.add_argument("--hours", type=float, default=1.0, help="virtual hours a seed, after the warm-up")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(given.processes, len(given.seeds)), mp_context=context) as pool:
        scores = list(pool.map(judge_seed, given.seeds, [given.hours] * len(given.seeds)))
    total = Score()
    for one in scores:
        total += one
    print(report(total, dict(zip(given.seeds, scores, strict=True))))
    live = live_delay_ms()
    if live is None:
        print("\nthe delay over sockets was not measured")
    else:
        print(f"\nfrom change to judgement at {LIVE_RATE:.0f} frames/s   p50 {live[0]:.1f} ms, p99 {live[1]:.1f} ms")
    print(orjson.dumps(summary(total, None if live is None else live[1])).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
