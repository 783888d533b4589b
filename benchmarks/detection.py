"""How long it takes from a change in the store to its judgement, while the whole simulated market runs beside.

Feeds, store and desk are the app's own, in this process; the market is another process. Pages are left out: what they
cost is measured by `make load`, which prints the same figures.
"""

import logging
import sys
import time
from collections.abc import Sequence

import numpy as np
import psutil

from benchmarks.market import simulator
from desk import Desk, Market, Source
from feeds.exchanges import EXCHANGES, load
from feeds.supervisor import FeedOptions, Supervisor
from settings import read_settings
from sources import tune_interpreter
from store.ring import QuoteRing
from store.snapshot import SnapshotStore

WARM_UP_S = 60.0


def run(rate: float = 15_000.0, seconds: float = 60.0) -> dict[str, float]:
    """Percentiles of the delay [ms], changed symbols judged a second, frames read a second, share of a core used."""
    tune_interpreter()
    with simulator(rate=rate, instruments=470) as (endpoints, _):
        settings = read_settings(None, source="demo")
        store = SnapshotStore(EXCHANGES)
        feed = Supervisor([load(name, endpoints[name]) for name in EXCHANGES], store, FeedOptions())
        desk = Desk(settings, lambda _: Market(Source("demo", "benchmark"), store, feed, QuoteRing()))
        desk.start()
        try:
            time.sleep(WARM_UP_S)
            process = psutil.Process()
            delays, market = list[float](), desk.market
            market.delays.clear()
            frames, before, start = _frames(feed), process.cpu_times(), time.monotonic()
            while time.monotonic() - start < seconds:
                time.sleep(0.5)  # what is remembered of the delays is bounded
                delays += [market.delays.popleft() for _ in range(len(market.delays))]
            elapsed, after = time.monotonic() - start, process.cpu_times()
            read = _frames(feed) - frames
        finally:
            desk.stop()
    p50, p99, worst = (float(value) * 1e3 for value in np.percentile(delays, (50, 99, 100)))
    return {
        "p50_ms": p50,
        "p99_ms": p99,
        "worst_ms": worst,
        "judged_per_s": len(delays) / elapsed,
        "frames_per_s": read / elapsed,
        "cpu": (after.user + after.system - before.user - before.system) / elapsed,
    }


def _frames(feed: Supervisor) -> int:
    return sum(status.frames for status in feed.status())


def main(arguments: Sequence[str]) -> int:
    logging.basicConfig(level=logging.ERROR)
    rate, seconds = (float(value) for value in (*arguments, "15000", "60")[:2])
    print(run(rate, seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
