"""`make load`: the whole simulated market at full rate beside the app and an open browser, on one machine.

Prints a row an exchange and, as the last line, one JSON object {"frames_per_s", "lost", "lag_p50_ms", "lag_p99_ms",
"app_cpu", "rss_mb"}. The lag is from the exchange's event to the store, over the floor: what queues on the way is in
it. p50 and p99 are those of the exchange that is worst off; CoinDCX, a relay that is two seconds late by nature, is
left out of them. The line before the last is how long detection took from a change in the store to its judgement, of
the last 20,000 changes.
"""

import argparse
import sys
from collections.abc import Sequence

import orjson

from benchmarks import flow
from benchmarks.__main__ import table
from feeds.exchanges import load


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make load", description=__doc__)
    parser.add_argument("--rate", type=float, default=15_000.0, help="top-of-book frames/s asked of the market")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long to measure")
    given = parser.parse_args(arguments)
    rows, cost = flow.run(given.rate, given.seconds)
    print(table(rows))
    p50, p99 = (cost[f"detect_{percentile}_ms"] for percentile in ("p50", "p99"))
    print(f"from a change in the store to its judgement: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    prompt = [row for row in rows if load(str(row["exchange"])).relay_of is None]
    result = {
        "frames_per_s": sum(row["frames_per_s"] for row in rows),
        "lost": sum(row["lost"] for row in rows),
        "lag_p50_ms": max(row["p50_ms"] for row in prompt),
        "lag_p99_ms": max(row["p99_ms"] for row in prompt),
        "app_cpu": cost["app_cpu"],
        "rss_mb": cost["rss_mb"],
    }
    print(orjson.dumps({name: round(value, 2) for name, value in result.items()}).decode())
    return 0 if result["lost"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
