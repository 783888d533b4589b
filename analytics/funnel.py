"""The funnel of a minute: how far each directed pair came in it, and what refused those that seemed to pay."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.opportunities import Funnel, Judgement
from analytics.quality import Verdict
from store.grid import Grid

MINUTE_S = 60.0
KEPT = 120  # minutes

NONE, SEEN, FRESH, TRADABLE, POSITIVE, CONFIRMED = range(6)
_STAGE_OF = np.full(len(Verdict), TRADABLE, dtype=np.int8)
_STAGE_OF[Verdict.NOT_LISTED] = NONE
for _verdict in Verdict:
    if Verdict.NOT_LISTED < _verdict <= Verdict.IMPLAUSIBLE:
        _STAGE_OF[_verdict] = FRESH
for _verdict in (Verdict.NO_QUOTE, Verdict.FEED_LOST, Verdict.STALE_LEG, Verdict.LAGGING):
    _STAGE_OF[_verdict] = SEEN


@dataclass(frozen=True)
class Minute:
    """start: epoch s. funnel: directed pairs by the furthest gate they passed in this minute. reasons: pairs that
    seemed to pay and never got through, by the reason that stood at the furthest they came.
    """

    start: float
    funnel: Funnel
    reasons: dict[Verdict, int]


class FunnelMinutes:
    """Counts judgements by the minute. One writer; `minutes` is replaced as a whole, the newest (unfinished) last."""

    def __init__(self) -> None:
        self.minutes: tuple[Minute, ...] = ()
        self._done: deque[Minute] = deque(maxlen=KEPT)
        self._start = 0.0
        self._grid: Grid | None = None
        self._stage: NDArray[np.int8] = np.zeros((0, 0, 0), dtype=np.int8)
        self._reason: NDArray[np.int8] = np.zeros((0, 0, 0), dtype=np.int8)

    def observe(self, judgement: Judgement) -> None:
        """Take one judgement of the whole market."""
        start, grid = judgement.time // MINUTE_S * MINUTE_S, judgement.snapshot.grid
        if start != self._start or grid is not self._grid:
            before, stage_before, reason_before = self._grid, self._stage, self._reason
            self._stage = np.zeros(judgement.codes.shape, dtype=np.int8)
            self._reason = np.zeros(judgement.codes.shape, dtype=np.int8)
            if start != self._start:
                self._done.extend(self.minutes[-1:])
            elif before is not None:  # something was listed in the middle of a minute
                here, there = grid.kept(before)
                self._stage[here], self._reason[here] = stage_before[there], reason_before[there]
            self._start, self._grid = start, grid
        pairs = judgement.pairs
        stage = _STAGE_OF[judgement.codes]
        route = pairs.symbol, pairs.buy, pairs.sell
        stage[route] = np.where(pairs.actionable, CONFIRMED, np.where(pairs.gap, POSITIVE, stage[route]))
        further = stage >= self._stage
        np.copyto(self._stage, stage, where=further)
        reason = np.zeros(stage.shape, dtype=np.int8)
        reason[route] = pairs.verdict
        np.copyto(self._reason, reason, where=further & (reason > 0))
        self._reason[self._stage == CONFIRMED] = 0
        self.minutes = (*self._done, Minute(start, self._funnel(), self._reasons()))

    def _funnel(self) -> Funnel:
        counts = np.bincount(self._stage.ravel(), minlength=CONFIRMED + 1)[::-1].cumsum()[::-1].tolist()
        return Funnel(*counts[SEEN:])

    def _reasons(self) -> dict[Verdict, int]:
        counts = np.bincount(self._reason.ravel(), minlength=len(Verdict)).tolist()
        return {verdict: counts[verdict] for verdict in Verdict if verdict > Verdict.NOT_LISTED and counts[verdict]}
