"""Prints the agreement per exchange and field; the last line is the result as JSON. Exit code 1 if unexplained."""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TextIO

from benchmarks.conformance.compare import Outcome
from benchmarks.conformance.explanations import explain
from benchmarks.conformance.recordings import NoRecordingsError, shared
from benchmarks.conformance.run import run_all

SHOWN = 5  # examples of each unexplained disagreement


def summary(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """The figures of the last line."""
    all_of_them = [found for outcome in outcomes for found in outcome.comparisons]
    different = [found for found in all_of_them if not found.equal]
    explained = sum(explain(found) is not None for found in different)
    return {
        "exchanges": len(outcomes),
        "fields": len({found.field for found in all_of_them}),
        "compared": len(all_of_them),
        "equal": len(all_of_them) - len(different),
        "explained": explained,
        "unexplained": len(different) - explained,
    }


def report(outcomes: Sequence[Outcome], out: TextIO) -> None:
    """The table, the reasons and what cannot be explained."""
    head = f"{'exchange':13}{'field':22}{'compared':>9}{'equal':>8}{'explained':>11}{'unexplained':>13}"
    print(f"{head}{'only ours':>11}{'only theirs':>13}", file=out)
    for outcome in outcomes:
        _exchange(outcome, out)


def _exchange(outcome: Outcome, out: TextIO) -> None:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    reasons: Counter[tuple[str, str]] = Counter()
    unexplained: defaultdict[str, list[str]] = defaultdict(list)
    for found in outcome.comparisons:
        entry = None if found.equal else explain(found)
        verdict = "equal" if found.equal else "explained" if entry else "unexplained"
        counts[found.field][verdict] += 1
        if entry:
            reasons[found.field, f"right: {entry.right}; {entry.why}"] += 1
        elif not found.equal:
            unexplained[found.field].append(f"{found.exchange_symbol}: {found.ours} {found.theirs} ({found.where})")
    for field in dict.fromkeys([*counts, *outcome.only_ours, *outcome.only_theirs]):
        row, only = counts[field], (outcome.only_ours[field], outcome.only_theirs[field])
        line = f"{outcome.exchange:13}{field:22}{row.total():9}{row['equal']:8}{row['explained']:11}"
        print(f"{line}{row['unexplained']:13}{only[0]:11}{only[1]:13}", file=out)
    for (field, why), count in reasons.items():
        print(f"{'':13}{field} x {count}: {why}", file=out)
    if outcome.unreadable:
        print(f"{'':13}{outcome.unreadable.total()} messages or rows the reference stopped at", file=out)
    for field, examples in unexplained.items():
        for example in examples[:SHOWN]:
            print(f"{'':13}UNEXPLAINED {field}: ours, theirs = {example}", file=out)


def main() -> int:
    """Run and print; 1 if anything is unexplained."""
    try:
        outcomes = run_all(shared())
    except NoRecordingsError as error:
        print(f"skipped: {error}")
        outcomes = []
    report(outcomes, sys.stdout)
    figures = summary(outcomes)
    print(json.dumps(figures))
    return 1 if figures["unexplained"] else 0


if __name__ == "__main__":
    sys.exit(main())
