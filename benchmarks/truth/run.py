"""Runs the seeds, some at a time, and scores them."""

import math
import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from benchmarks.truth.market import RELAY, run_sitting
from benchmarks.truth.score import Score, score

SAY_EVERY_S = 600.0  # of virtual time
SITTING_H = 0.5  # a seed is run in stretches of this length, which are shared out to the processes


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
