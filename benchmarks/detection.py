"""How long it takes from a change in the store to its judgement, while a simulated market runs beside.

Feeds, store and desk are the app's own, in this process; the market is another process. Pages are left out: what they
cost is measured by `make load`, which prints the same figures.
"""

import time
from collections.abc import Callable, Iterator, Sequence

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
WHOLE_MARKET = 470  # contracts an exchange
HOLDS_MS = 10.0
MARKETS = (25, 50, 75, 100, 150, 250, WHOLE_MARKET)
CHANGES_PER_S = 3.3  # of a contract's best prices


def run(
    rate: float = 15_000.0,
    seconds: float = 60.0,
    exchanges: Sequence[str] = EXCHANGES,
    instruments: int = WHOLE_MARKET,
) -> dict[str, float]:
    """Percentiles of the delay [ms], changed symbols judged a second, frames read a second, share of a core used."""
    tune_interpreter()
    with simulator(rate=rate, instruments=instruments, exchanges=",".join(exchanges)) as (endpoints, _):
        settings = read_settings(None, source="demo")
        store = SnapshotStore(exchanges)
        feed = Supervisor([load(name, endpoints[name]) for name in exchanges], store, FeedOptions())
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


def grown(
    exchanges: Sequence[str], seconds: float = 30.0, measure: Callable[..., dict[str, float]] = run
) -> Iterator[dict[str, object]]:
    """Ever larger markets of these exchanges, up to the first in which the 99 % fastest take more than `HOLDS_MS`."""
    for instruments in MARKETS:
        found = measure(CHANGES_PER_S * instruments * len(exchanges), seconds, exchanges, instruments)
        yield {"exchanges": len(exchanges), "contracts": instruments * len(exchanges), **found}
        if found["p99_ms"] > HOLDS_MS:
            return
