"""The truth test: python -m benchmarks.truth --seeds 1,2,3. Prints a report and, as its last line, one JSON object.

Seeds 1, 2 and 3 are reported. To look for causes while the detector is worked on, take others (101, 102, 103), so that
nothing is fitted to what is reported.
"""

import argparse
import logging
import sys
from collections.abc import Sequence

import orjson

from benchmarks import detection
from benchmarks.truth.report import report, seeds_of, summary
from benchmarks.truth.run import judge_seeds
from benchmarks.truth.score import Score

LEAST_H = 0.2
LIVE_RATE, LIVE_SECONDS = 15_000.0, 20.0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make truth", description=__doc__)
    parser.add_argument("--seeds", type=seeds_of, default=(1, 2, 3), help="numbers with commas between")
    parser.add_argument("--hours", type=float, default=0.5, help="virtual hours a seed, after the warm-ups")
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
    live = detection.run(LIVE_RATE, LIVE_SECONDS)
    print(
        f"\nfrom change to judgement over sockets, {live['frames_per_s']:.0f} frames/s"
        f"   p50 {live['p50_ms']:.1f} ms, p99 {live['p99_ms']:.1f} ms"
    )
    print(orjson.dumps(summary(total, live["p99_ms"])).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
