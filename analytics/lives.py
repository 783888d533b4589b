"""What a curve of survival is drawn with besides its steps: who was watched for how long, and when one was lost.

Same groups and same rules as `analytics.survival`, which see.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.survival import BUCKETS, CENSORED, UNKNOWN_SIZE, By, Survival, survival
from store.episodes import Episode

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Lives:
    """The episodes of one group. seen_s: how long each was seen, ascending; lost_s: of those, the censored. [s]"""

    name: str
    survival: Survival
    seen_s: Array
    lost_s: Array

    def at_risk(self, time_s: float) -> int:
        """Episodes that were alive and in sight just before `time_s`."""
        return len(self.seen_s) - int(np.searchsorted(self.seen_s, time_s, side="left"))

    def share_at(self, time_s: Array) -> Array:
        """Kaplan-Meier's share that lived longer than each time, same shape."""
        steps = self.survival.steps
        levels = np.array([1.0, *(step.survival for step in steps)])
        return levels[np.searchsorted([step.time_s for step in steps], time_s, side="right")]


def lives(episodes: Iterable[Episode], now: float, by: By, most: int) -> tuple[Lives, ...]:
    """The `most` largest groups in the order of `survival`. now: [epoch s]"""
    every = list(episodes)
    groups = survival(every, now, by)
    chosen = set(sorted(groups, key=lambda name: -groups[name].n)[:most])
    return tuple(_lives(name, groups[name], every, now, by) for name in groups if name in chosen)


def _lives(name: str, group: Survival, episodes: list[Episode], now: float, by: By) -> Lives:
    members = [episode for episode in episodes if _belongs(episode, name, by)]
    seen = np.array([max(0.0, (now if one.closed is None else one.closed) - one.opened) for one in members])
    lost = np.array([one.reason is None or one.reason in CENSORED for one in members], dtype=np.bool_)
    return Lives(name, group, np.sort(seen), np.sort(seen[lost]))


def _belongs(episode: Episode, name: str, by: By) -> bool:
    match by:
        case "pair":
            return name == f"{episode.buy}:{episode.sell}"
        case "symbol":
            return name == episode.symbol
        case "size":
            notional = episode.notional
            bucket = UNKNOWN_SIZE if notional is None else next(word for bound, word in BUCKETS if notional < bound)
            return name == bucket
        case "all":
            return True
