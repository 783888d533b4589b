"""What a curve of survival is drawn with besides its steps: who was watched for how long, and when one was lost.

Same groups and same rules as `analytics.survival`, which see.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.survival import By, Survival, group_of, seen_and_lost, survival
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
    members: dict[str, list[Episode]] = {name: [] for name in sorted(groups, key=lambda name: -groups[name].n)[:most]}
    for episode in every:
        if (name := group_of(episode, by)) in members:
            members[name].append(episode)
    return tuple(_lives(name, groups[name], members[name], now) for name in groups if name in members)


def _lives(name: str, group: Survival, members: list[Episode], now: float) -> Lives:
    seen_s, lost = seen_and_lost(members, now)
    seen = np.array(seen_s)
    return Lives(name, group, np.sort(seen), np.sort(seen[np.array(lost, dtype=np.bool_)]))
