"""The score as text: shares, the confusion of classes and reasons, delays and errors, and what was wrong."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from benchmarks.truth.score import RIGHT, UNSEEN, Episode, Outcome, Score, percentile

LIVES_S = (0.05, 0.12, 0.25, 0.5, 1.0, 5.0, 20.0, 120.1)
MOST_EXAMPLES = 12


def report(total: Score, by_seed: dict[int, Score]) -> str:
    """Everything worth reading, as lines of text."""
    parts = [_shares(total, by_seed), _confusion(total), _by_life(total), _errors(total), _wrong(total)]
    return "\n\n".join(parts)


def _shares(total: Score, by_seed: dict[int, Score]) -> str:
    head = f"{'':<10} {'precision':>9} {'recall':>7} {'worst fake':>10} {'right reason':>12} {'real':>5} {'fake':>5} "
    head += "episodes"
    lines = [head]
    for name, score in [*((f"seed {seed}", score) for seed, score in by_seed.items()), ("all", total)]:
        lines.append(
            f"{name:<10} {score.precision:>9.3f} {score.recall:>7.3f} {worst_pass_rate(score):>10.3f} "
            f"{score.right_reason_rate:>12.3f} {len(score.reals):>5} {len(score.fakes):>5} {len(score.episodes):>8}"
        )
    return "\n".join(lines)


def worst_pass_rate(score: Score) -> float:
    """Of the class of fakes that passes most often, the share that does."""
    return max(score.pass_rates.values(), default=float("nan"))


def _confusion(score: Score) -> str:
    lines = [f"{'planted':<17} {'count':>5} {'passed':>6} {'named':>6}  said for the longest time"]
    rates = score.pass_rates
    for kind, said in sorted(score.confusion.items(), key=lambda row: row[0] != "real"):
        count = said.total()
        candidates = count - said[UNSEEN]
        named = sum(number for reason, number in said.items() if reason in RIGHT.get(kind, ()))
        share = f"{named / candidates:.2f}" if candidates and kind in RIGHT else "-"
        passed = f"{rates[kind]:.2f}" if kind in rates else "-"
        words = ", ".join(f"{reason} {number}" for reason, number in said.most_common())
        lines.append(f"{kind:<17} {count:>5} {passed:>6} {share:>6}  {words}")
    return "\n".join(lines)


def _by_life(score: Score) -> str:
    lines = ["recall by lifetime"]
    for low, high in pairwise(LIVES_S):
        rows = [row for row in score.reals if low <= row.plant.lasts_s + 1e-9 < high]
        found = sum(row.found_at is not None for row in rows)
        lines.append(f"  {low:>6.2f} to {high:>6.2f} s  {found:>3} of {len(rows):>3}")
    return "\n".join(lines)


def _errors(score: Score) -> str:
    found = [row for row in score.reals if row.found_at is not None]
    delays = [row.delay_s * 1e3 for row in found]
    sizes = [row.size_error for row in found]
    later = [row.later_size_error for row in found]
    durations = [row.duration_error_s for row in found]
    return "\n".join(
        [
            "of the real ones that were found",
            f"  delay beyond the reaction time, virtual   p50 {percentile(delays, 50):.0f} ms, "
            f"p90 {percentile(delays, 90):.0f} ms, p99 {percentile(delays, 99):.0f} ms",
            f"  error of the reported size, at once       p50 {percentile(sizes, 50):.1%}, "
            f"p90 {percentile(sizes, 90):.1%}",
            f"  and a second later, when books have come  p50 {percentile(later, 50):.1%}, "
            f"p90 {percentile(later, 90):.1%}",
            f"  error of the reported duration            p50 {percentile(durations, 50):.3f} s, "
            f"p90 {percentile(durations, 90):.3f} s",
        ]
    )


def _wrong(score: Score) -> str:
    false = [episode for episode in score.episodes if not episode.true]
    lines = [f"{len(false)} of {len(score.episodes)} episodes were not true"]
    lines += [f"  {_episode(episode)}" for episode in false[:MOST_EXAMPLES]]
    missed = [row for row in score.reachable if row.found_at is None]
    reasons = Counter(row.said for row in missed)
    lines.append(f"{len(missed)} of {len(score.reachable)} real ones were missed: {dict(reasons.most_common())}")
    lines += [f"  {_missed(row)}" for row in missed[:MOST_EXAMPLES]]
    passed = [row for row in score.fakes if row.found_at is not None]
    lines.append(f"{len(passed)} of {len(score.fakes)} fakes passed")
    lines += [f"  {_missed(row)}" for row in passed[:MOST_EXAMPLES]]
    return "\n".join(lines)


def _episode(episode: Episode) -> str:
    hit = episode.first
    symbol, buy, sell = hit.route
    return (
        f"{hit.time:9.2f} s {symbol:<12} {buy} to {sell}: said {hit.edge_bps:.1f} bps after costs, "
        f"true {hit.true_edge_bps:.1f}"
    )


def _missed(row: Outcome) -> str:
    plant = row.plant
    where = ", ".join(sorted(plant.symbols)[:2])
    return f"{plant.begin:9.2f} s {plant.kind:<16} {plant.exchange:<11} {where:<14} {plant.lasts_s:7.2f} s: {row.said}"


def summary(score: Score, delay_p99_ms: float | None) -> dict[str, float | int | None]:
    """The last line."""
    return {
        "precision": _known(score.precision),
        "recall": _known(score.recall),
        "worst_fake_pass_rate": _known(worst_pass_rate(score)),
        "right_reason_rate": _known(score.right_reason_rate),
        "detection_delay_p99_ms": delay_p99_ms,
        "planted": len(score.reals),
        "fakes": len(score.fakes),
    }


def _known(value: float) -> float | None:
    return round(value, 4) if value == value else None


def seeds_of(text: str) -> Sequence[int]:
    """Seeds with commas between."""
    return [int(part) for part in text.split(",") if part.strip()]
