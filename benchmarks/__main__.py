"""`make bench`: every figure beside its floor, both measured in this run. Prints tables, writes build/bench.json.

Times differ from machine to machine and from minute to minute; the ratios are what can be compared.
"""

import argparse
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import orjson

from benchmarks import analytics, decode, detection, flow, pages, sockets
from benchmarks.frames import collect
from benchmarks.market import simulator
from feeds.exchanges import EXCHANGES

PARTS = ("decode", "sockets", "analytics", "detection", "pages", "flow")
OUTPUT = Path(__file__).parent.parent / "build" / "bench.json"


def table(rows: Sequence[dict[str, object]]) -> str:
    """Rows of like dicts as aligned text."""
    if not rows:
        return "(nothing measured)"
    names = list(rows[0])
    cells = [[_cell(row[name]) for name in names] for row in rows]
    widths = [max(len(name), *(len(row[i]) for row in cells)) for i, name in enumerate(names)]
    left = [isinstance(rows[0][name], str) for name in names]
    lines = [names, *cells]
    return "\n".join(
        "  ".join(
            text.ljust(width) if is_left else text.rjust(width)
            for text, width, is_left in zip(line, widths, left, strict=True)
        )
        for line in lines
    )


def _cell(value: object) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def _sockets() -> list[dict[str, object]]:
    with simulator() as (endpoints, _):
        found = collect(endpoints)
    rows: list[dict[str, object]] = []
    for collected in found.values():
        rows += sockets.run(collected)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="only these parts")
    parts = parser.parse_args(arguments).parts or PARTS
    figures: dict[str, object] = {
        "time": time.time(),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    if "decode" in parts:
        rows = decode.run()
        figures["decode"] = rows
        print(
            "Bytes to store against orjson.loads of the same bytes, us a frame; other libraries: times as long as we\n"
            + table(rows)
            + "\n"
        )
    if "sockets" in parts:
        rows = _sockets()
        figures["sockets"] = rows
        print("Loopback socket to store against the bare socket, frames/s\n" + table(rows) + "\n")
    if "analytics" in parts:
        row = analytics.run()
        figures["analytics"] = row
        print("All pairs of 600 x 11, ms\n" + table([dict(row)]) + "\n")
    if "detection" in parts:
        rows = [row for exchanges in (EXCHANGES[:3], EXCHANGES) for row in detection.grown(exchanges)]
        figures["detection"] = rows
        print(
            "From a change in the store to its judgement, up to the first market above 10 ms at p99\n"
            + table(rows)
            + "\n"
        )
    if "pages" in parts:
        rows, memory = pages.run()
        figures["pages"], figures["memory"] = rows, memory
        print("A page tick against a trivial callback\n" + table(rows) + "\n")
        print("Resident memory, MB\n" + table([dict(memory)]) + "\n")
    if "flow" in parts:
        with flow.rig() as bench:
            measured = bench.measure(3_000.0, 30.0)
        cost = {name: value for name, value in asdict(measured).items() if name != "rows"}
        figures["flow"], figures["cost"] = measured.rows, cost
        print("The app beside the simulated market and a viewer\n" + table(measured.rows))
        print(table([cost]) + "\n")
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))
    print(f"figures are in {OUTPUT.relative_to(OUTPUT.parent.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
