"""How long opportunities live: the share of episodes still alive so long after they opened.

Kaplan-Meier's product-limit estimate, S(t) = prod over deaths at t_i <= t of (1 - d_i / n_i), where n_i episodes were
alive just before t_i; what is censored at t_i still counts among them. Standard errors after Greenwood, intervals from
log(-log S), which keeps them within 0 and 1.

A death is an edge that went, a quote that went stale, a halt or a refusal. An episode whose exchange was lost, or that
was open when one stopped looking, is censored: it lived at least so long, and nobody knows how much longer.

Only confirmed episodes are there to be counted, so no curve says anything of lives below the reaction time. Source:
docs/decisions.md, 'Episodes'.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from store.episodes import Episode, Reason

Array = NDArray[np.float64]
Counts = NDArray[np.intp]
By = Literal["all", "pair", "symbol", "size"]

CENSORED = frozenset({Reason.VENUE_LOST, Reason.STILL_OPEN})
Z_95 = 1.959963984540054  # of the normal distribution
HALF = 0.5 + 1e-12  # a product of fractions that is one half may come out just above it
# Notional at the peak, quote currency: each bucket reaches up to its bound.
BUCKETS = ((1e3, "<1k"), (1e4, "1k-10k"), (1e5, "10k-100k"), (float("inf"), ">=100k"))
UNKNOWN_SIZE = "unknown"


@dataclass(frozen=True, slots=True)
class Step:
    """One time at which episodes died. survival: the share that lived longer.

    std_error, low, high: of the survival, 95 %; None where all have died, for then they are not defined. at_risk: those
    alive just before. censored: those lost from sight at this time or later, before the next step.
    """

    time_s: float
    survival: float
    std_error: float | None
    low: float | None
    high: float | None
    at_risk: int
    deaths: int
    censored: int


@dataclass(frozen=True, slots=True)
class Survival:
    """The survival of n episodes: 1 at first, then falling with each step. observed_s: the longest time looked at.

    median_s: when half of them had died, with its 95 % interval; None if that was not reached.
    """

    n: int
    deaths: int
    censored: int
    observed_s: float | None
    median_s: float | None
    median_low_s: float | None
    median_high_s: float | None
    steps: tuple[Step, ...]


def kaplan_meier(duration_s: Sequence[float], died: Sequence[bool]) -> Survival:
    """The survival of episodes that were seen for so long, and then died or were lost from sight.

    Source: Kaplan and Meier 1958; Greenwood 1926; Kalbfleisch and Prentice 2002, section 1.4; for the interval of the
    median Brookmeyer and Crowley 1982, with the same transformation.
    """
    duration = np.asarray(duration_s, dtype=np.float64)
    dead = np.asarray(died, dtype=np.bool_)
    n = len(duration)
    if n == 0:
        return Survival(0, 0, 0, None, None, None, None, ())
    ordered = np.sort(duration)
    times, deaths = np.unique(duration[dead], return_counts=True)
    at_risk = n - np.searchsorted(ordered, times, side="left")
    alive: Array = np.cumprod(1.0 - deaths / at_risk, dtype=np.float64)
    std_error, low, high = _uncertainty(alive, deaths, at_risk)
    lost = np.sort(duration[~dead])
    seen = np.searchsorted(lost, np.append(times, np.inf), side="left")
    counts = zip(at_risk.tolist(), deaths.tolist(), np.diff(seen).tolist(), strict=True)
    bounds = np.column_stack([std_error, low, high]).tolist()
    return Survival(
        n=n,
        deaths=int(dead.sum()),
        censored=len(lost),
        observed_s=float(ordered[-1]),
        median_s=_first(times, alive),
        median_low_s=_first(times, low),
        median_high_s=_first(times, high),
        steps=tuple(
            Step(time, share, _defined(error), _defined(least), _defined(most), *count)
            for time, share, (error, least, most), count in zip(
                times.tolist(), alive.tolist(), bounds, counts, strict=True
            )
        ),
    )


def _uncertainty(alive: Array, deaths: Counts, at_risk: Counts) -> tuple[Array, Array, Array]:
    """Standard error and 95 % interval of each survival; NaN where all have died."""
    with np.errstate(divide="ignore", invalid="ignore"):
        summed = np.sqrt(np.cumsum(deaths / (at_risk * (at_risk - deaths))))
        width = np.exp(-Z_95 * summed / np.log(alive))  # of log(-log S); the logarithm is negative
        return alive * summed, alive**width, alive ** (1.0 / width)


def _defined(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _first(times: Array, curve: Array) -> float | None:
    """When a falling curve first is at one half or below; None if never."""
    with np.errstate(invalid="ignore"):
        reached = np.flatnonzero(curve <= HALF)
    return float(times[reached[0]]) if len(reached) else None


def survival(episodes: Iterable[Episode], now: float, by: By = "all") -> dict[str, Survival]:
    """The survival of each group, the largest group first, sizes in their order.

    Those open now are censored at `now`. [epoch s] pair: the two exchanges as `buy:sell`; size: a bucket of the
    notional at the peak.
    """
    groups: dict[str, list[Episode]] = {}
    for episode in episodes:
        groups.setdefault(group_of(episode, by), []).append(episode)
    if by == "size":
        names = [name for name in (*(name for _, name in BUCKETS), UNKNOWN_SIZE) if name in groups]
    else:
        names = sorted(groups, key=lambda name: (-len(groups[name]), name))
    return {name: _of_group(groups[name], now) for name in names}


def _of_group(episodes: Sequence[Episode], now: float) -> Survival:
    seen_s, lost = seen_and_lost(episodes, now)
    return kaplan_meier(seen_s, [not one for one in lost])


def seen_and_lost(episodes: Sequence[Episode], now: float) -> tuple[list[float], list[bool]]:
    """How long each episode was seen [s], and whether it lived on when it was last seen. now: [epoch s]"""
    seen_s = [max(0.0, (now if episode.closed is None else episode.closed) - episode.opened) for episode in episodes]
    return seen_s, [episode.reason is None or episode.reason in CENSORED for episode in episodes]


def group_of(episode: Episode, by: By) -> str:
    """The name of the group that an episode belongs to."""
    match by:
        case "pair":
            return f"{episode.buy}:{episode.sell}"
        case "symbol":
            return episode.symbol
        case "size":
            notional = episode.notional
            return UNKNOWN_SIZE if notional is None else next(name for bound, name in BUCKETS if notional < bound)
        case "all":
            return "all"
