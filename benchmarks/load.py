"""`make load`: the whole simulated market at full rate beside the app and a viewer, on one machine.

A rate holds if no frame is lost and none of the 99 % fastest is later than the second after which a quote counts as
late. The highest rate that holds, up to the one that was asked for, is looked for in short runs, and the long run is
made with that. Prints what was tried and, for the long run, a row an exchange and how long detection took from a change
in the store to its judgement (the last 20,000 changes). The last line is one JSON object {"frames_per_s", "lost",
"lag_p50_ms", "lag_p99_ms", "app_cpu", "rss_mb"}. The lag is from the exchange's event to the store, over the floor:
what queues on the way is in it. p50 and p99 are those of the exchange that is worst off; CoinDCX, a relay that is two
seconds late by nature, is left out of them.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence

import orjson

from benchmarks.__main__ import table
from benchmarks.flow import Flow, Rig, rig
from feeds.exchange_feed import LATE_S
from feeds.exchanges import load

WARM_UP_S, PROBE_S = 60.0, 40.0
FIRST, MORE, LESS = 1_000.0, 1.5, 0.8


def lag_ms(flow: Flow, percentile: str) -> float:
    """A percentile of the lag of the exchange that is worst off, relays left out. [ms]"""
    return max(float(row[f"{percentile}_ms"]) for row in flow.rows if load(str(row["exchange"])).relay_of is None)


def holds(flow: Flow) -> bool:
    return flow.lost == 0 and lag_ms(flow, "p99") < LATE_S * 1e3


def _told(flow: Flow, seconds: float) -> dict[str, object]:
    missing = ", ".join(f"{row['lost']} of {row['exchange']}" for row in flow.rows if row["lost"])
    return {
        "asked": f"{flow.rate:,.0f} for {seconds:.0f} s",
        "frames_per_s": flow.frames_per_s,
        "lost": flow.lost,
        "lag_p99_ms": lag_ms(flow, "p99"),
        "detect_p99_ms": flow.detect_p99_ms,
        "app_cpu": flow.app_cpu,
        "market_cpu": flow.market_cpu,
        "idle": flow.idle,
        "": "holds" if holds(flow) else f"does not hold{missing and f': {missing} lost'}",
    }


def find(bench: Rig, rate: float, seconds: float) -> Iterator[tuple[Flow, float]]:
    """What is tried, with its time in seconds; the last is the long run.

    From low rates upwards: what has queued up at a rate that does not hold would be in the next figures, as what was
    late while everything was subscribed would be in the first.
    """
    best, asked = FIRST, min(FIRST, rate)
    bench.measure(asked, min(WARM_UP_S, seconds))
    while True:
        probe = bench.measure(asked, min(PROBE_S, seconds))
        yield probe, min(PROBE_S, seconds)
        if not holds(probe):
            break
        best = asked
        if asked >= rate:
            break
        asked = min(MORE * asked, rate)
    while True:
        long = bench.measure(best, seconds)
        yield long, seconds
        if holds(long) or best < FIRST:
            return
        best *= LESS


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make load", description=__doc__)
    parser.add_argument("--rate", type=float, default=15_000.0, help="best prices that change a second, at most")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long the long run is")
    parser.add_argument("--websockets", action="store_true", help="read all sockets with that library, not picows")
    given = parser.parse_args(arguments)
    tried = []
    with rig(picows=not given.websockets) as bench:
        for flow, seconds in find(bench, given.rate, given.seconds):
            tried.append(_told(flow, seconds))
            print(table(tried[-1:]), file=sys.stderr)  # it takes half an hour: what is known is said at once
    print(table(tried) + "\n")
    print(table(flow.rows))
    print(f"from a change in the store to its judgement: p50 {flow.detect_p50_ms:.1f}, p99 {flow.detect_p99_ms:.1f} ms")
    result = {
        "frames_per_s": flow.frames_per_s,
        "lost": flow.lost,
        "lag_p50_ms": lag_ms(flow, "p50"),
        "lag_p99_ms": lag_ms(flow, "p99"),
        "app_cpu": flow.app_cpu,
        "rss_mb": flow.rss_mb,
    }
    print(orjson.dumps({name: round(value, 2) for name, value in result.items()}).decode())
    return 0 if holds(flow) else 1


if __name__ == "__main__":
    sys.exit(main())
