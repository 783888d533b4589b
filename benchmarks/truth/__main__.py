"""The truth test: python -m benchmarks.truth --seeds 1,2,3. Prints a report and, as its last line, one JSON object.

Seeds 1, 2 and 3 are reported. To look for causes while the detector is worked on, take others (101, 102, 103), so that
nothing is fitted to what is reported.
"""

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

import orjson

from benchmarks.truth.report import report, seeds_of, summary
from benchmarks.truth.run import judge_seeds
from benchmarks.truth.score import Score

LEAST_H = 0.2
LIVE_RATE, LIVE_SECONDS = 15_000.0, 20.0


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
    if given.hours < LEAST_H:
        parser.error(f"one plant of each kind takes {LEAST_H} hours")
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
