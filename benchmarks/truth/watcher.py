"""What the detector says, step by step, as spans of the same verdict, and the moments at which routes open."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from benchmarks.truth.score import LATER_S, Hit, Route, Span


class Label(Protocol):
    @property
    def label(self) -> str: ...


class Candidate(Protocol):
    """What of a candidate is looked at. Edges in bps; times of the virtual clock."""

    @property
    def since(self) -> float | None: ...
    @property
    def verdict(self) -> Label: ...
    @property
    def actionable(self) -> bool: ...
    @property
    def gross_bps(self) -> float: ...
    @property
    def size(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Offer:
    """What the true books of a route offer. costs_bps: four fees; edge_bps: what they leave of the gap at the touch;
    basis_bps: how much of it the true marks explain; size: what could be filled. [coins]
    """

    costs_bps: float
    edge_bps: float
    basis_bps: float
    size: float


class Watcher:
    """Follows the candidates of a detector."""

    def __init__(self, truth: Callable[[Route], Offer], origin: float) -> None:
        """truth: what a route really offers now. origin: what the detector calls the start of the run. [epoch s]"""
        self.spans: list[Span] = []
        self.hits: list[Hit] = []
        self._truth, self._origin = truth, origin
        self._later: list[tuple[float, int]] = []  # when to look at which hit again, in order
        self._now: dict[Route, tuple[float, object, str, bool]] = {}  # since when which candidate says what

    def look(self, candidates: Mapping[Route, Candidate], time: float) -> None:
        """Take over what is said now. time: since the start of the run. [s]"""
        now = self._now
        for route, candidate in candidates.items():
            before = now.get(route)
            if before is not None and before[1] is candidate:
                continue
            reason, actionable = candidate.verdict.label, candidate.actionable
            if before is not None and before[2:] == (reason, actionable):
                now[route] = (before[0], candidate, reason, actionable)
                continue
            if before is not None:
                self._end(route, before, time)
            now[route] = (time, candidate, reason, actionable)
            if actionable:
                self._hit(route, candidate, time)
        if len(now) > len(candidates):
            for route in now.keys() - candidates.keys():
                self._end(route, now.pop(route), time)
        while self._later and self._later[0][0] <= time:
            self._look_again(self._later.pop(0)[1], candidates)

    def _look_again(self, number: int, candidates: Mapping[Route, Candidate]) -> None:
        """Compare sizes once more, where the stretch goes on."""
        hit = self.hits[number]
        candidate, said = candidates.get(hit.route), self._now.get(hit.route)
        if candidate is not None and said is not None and said[0] == hit.time:
            true_size = self._truth(hit.route).size
            self.hits[number] = replace(hit, later_size=candidate.size, later_true_size=true_size)

    def close(self, time: float) -> None:
        """The end of the run."""
        for route, said in self._now.items():
            self._end(route, said, time)
        self._now = {}

    def _end(self, route: Route, said: tuple[float, object, str, bool], time: float) -> None:
        begin, _, reason, actionable = said
        self.spans.append(Span(route, begin, time, reason, actionable))

    def _hit(self, route: Route, candidate: Candidate, time: float) -> None:
        true = self._truth(route)
        self._later.append((time + LATER_S, len(self.hits)))
        self.hits.append(
            Hit(
                route=route,
                time=time,
                since=time if candidate.since is None else candidate.since - self._origin,
                edge_bps=candidate.gross_bps - true.costs_bps,
                true_edge_bps=true.edge_bps,
                basis_bps=true.basis_bps,
                size=candidate.size,
                true_size=true.size,
            )
        )
