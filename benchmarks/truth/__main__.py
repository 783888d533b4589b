"""The truth test: python -m benchmarks.truth --seeds 1,2,3. Prints a report and, as its last line, one JSON object.

Seeds 1, 2 and 3 are reported. To look for causes while the detector is worked on, take others (101, 102, 103), so that
nothing is fitted to what is reported.
"""

import argparse
import importlib
import logging
import math
import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import orjson

from benchmarks.truth.market import RELAY, run_sitting
from benchmarks.truth.report import report, seeds_of, summary
from benchmarks.truth.score import Score, score

SAY_EVERY_S = 600.0  # of virtual time
SITTING_H = 0.5  # a seed is run in stretches of this length, which are shared out to the processes
LIVE_RATE, LIVE_SECONDS = 15_000.0, 20.0


def judge_sitting(seed: int, sitting: int, hours: float) -> Score:
    """Run one stretch of a seed and score it; its progress goes to stderr."""
    started = time.monotonic()

    def say(virtual_s: float) -> None:
        if virtual_s % SAY_EVERY_S < 1e-6:
            spent_s = time.monotonic() - started
            print(
                f"seed {seed}.{sitting}: {virtual_s / 60:.0f} virtual minutes in {spent_s:.0f} s",
                file=sys.stderr, flush=True,
            )  # fmt: skip

    run = run_sitting(seed, sitting, hours, say)
    return score(run.ledger, run.spans, run.hits, frozenset({RELAY}))


def judge_seeds(seeds: Sequence[int], hours: float, processes: int) -> dict[int, Score]:
    """Run all seeds, some at a time."""
    sittings = math.ceil(hours / SITTING_H - 1e-9)
    jobs = [(seed, sitting) for seed in seeds for sitting in range(sittings)]
    context = multiprocessing.get_context("spawn")
    scores = {seed: Score() for seed in seeds}
    with ProcessPoolExecutor(min(processes, len(jobs)), mp_context=context) as pool:
        asked = [pool.submit(judge_sitting, seed, sitting, hours / sittings) for seed, sitting in jobs]
        for (seed, _), future in zip(jobs, asked, strict=True):
            scores[seed] += future.result()
    return scores


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
    parser.add_argument("--hours", type=float, default=1.0, help="virtual hours a seed, after the warm-ups")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING)
    scores = judge_seeds(given.seeds, given.hours, given.processes)
    total = Score()
    for one in scores.values():
        total += one
    print(report(total, scores))
    live = live_delay_ms()
    if live is None:
        print("\nthe delay over sockets was not measured")
    else:
        print(f"\nfrom change to judgement at {LIVE_RATE:.0f} frames/s   p50 {live[0]:.1f} ms, p99 {live[1]:.1f} ms")
    print(orjson.dumps(summary(total, None if live is None else live[1])).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
