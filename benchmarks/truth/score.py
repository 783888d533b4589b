"""What was planted, held against what was said of it. Pure: a ledger and observations in, a score out.

Times are seconds of the virtual market. A route is (symbol, buy, sell): bought at one exchange, sold at another.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, nan

import numpy as np

REACTION_S, STEP_S = 0.1, 0.02
ROUNDING_S = 1e-6  # 620.48 less 620.36 is a little more than 0.12
IN_FLIGHT_S = 0.25  # what is said of a plant is still said this long after its end: messages are on their way
LATER_S = 1.0  # sizes are compared at the opening and once more
TOGETHER_S = 0.5  # stretches of one route closer than this are one episode

Route = tuple[str, str, str]

# What names each fake right. A quote that died is told by its age, or by a poll that contradicts it, which the product
# shows as a lost feed; a stream that falls behind says nothing for as long, which is one, too.
RIGHT: Mapping[str, frozenset[str]] = {
    name: frozenset(reasons.split())
    for name, reasons in {
        "dead_quote": "stale_leg feed_lost",
        "lagging": "lagging stale_leg feed_lost",
        "skewed_clock": "lagging stale_leg feed_lost skewed_legs",
        "standing_basis": "standing_basis",
        "thin_book": "thin_book",
        "single_order": "single_order thin_book",
        "flicker": "unconfirmed",
        "same_ticker": "different_asset implausible",
        "wrong_multiplier": "different_asset implausible",
        "halted": "not_trading stale_leg",
        "relay": "derived_venue",
        "off_hours_index": "off_hours_index",
        "anchor_missing": "anchor_missing",
        "anchor_moving": "anchor_moving anchor_skewed standing_basis",
        "anchor_skewed": "anchor_skewed anchor_moving",
        "implausible": "implausible price_band different_asset",
        "price_band": "price_band",
        "interval_unknown": "interval_unknown",
        "fee_unknown": "fee_unknown",
    }.items()
}
# What stands beside an ordinary price: what it leaves of a gap may well be had.
BESIDE = frozenset({"standing_basis"})
ACTIONABLE, UNSEEN = "actionable", "no candidate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A row of the ledger. sells: whether it is the leg that seems worth selling."""

    kind: str
    real: bool
    exchange: str
    symbols: frozenset[str]
    sells: bool
    begin: float
    end: float

    @property
    def lasts_s(self) -> float:
        return self.end - self.begin

    def is_exploited_by(self, route: Route) -> bool:
        symbol, buy, sell = route
        return symbol in self.symbols and self.exchange == (sell if self.sells else buy)

    def has_leg_of(self, route: Route) -> bool:
        symbol, buy, sell = route
        return symbol in self.symbols and self.exchange in (buy, sell)

    def explains(self, hit: "Hit") -> bool:
        """Whether there would be nothing to be had without the plant: what it leaves of the true gap does not pay."""
        return self.kind not in BESIDE or hit.true_edge_bps < hit.basis_bps


@dataclass(frozen=True, slots=True)
class Span:
    """For how long the same was said of a candidate. reason: its verdict's label."""

    route: Route
    begin: float
    end: float
    reason: str
    actionable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A route became actionable at `time`. since: when its gap opened, as reported.

    edge_bps: what was said to be left of the gap at the touch after costs; true_edge_bps: what the true books offered
    then. size: coins as reported; true_size: what the true books would have filled. NaN where there is no true book.
    basis_bps: what the true marks explain of the gap. later_size, later_true_size: the sizes LATER_S later,
    when books have come; NaN if it was over by then.
    """

    route: Route
    time: float
    since: float
    edge_bps: float
    true_edge_bps: float
    size: float
    true_size: float
    basis_bps: float = 0.0
    later_size: float = nan
    later_true_size: float = nan


@dataclass(frozen=True, slots=True)
class Episode:
    """Stretches of being actionable of one route, close to each other. first: how it began."""

    first: Hit
    end: float
    true: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a plant.

    found_at: when a route that exploits it was first actionable while it was there, None if none was. said: the reason
    given for the longest time, UNSEEN if it never was a candidate. size_error, later_size_error, duration_error_s: of a
    real one that was found; NaN where unknown.
    """

    plant: Planted
    found_at: float | None
    said: str
    size_error: float = nan
    later_size_error: float = nan
    duration_error_s: float = nan

    @property
    def named(self) -> bool:
        return self.said in RIGHT.get(self.plant.kind, ())

    @property
    def delay_s(self) -> float:
        """From the opening to being actionable, less the reaction that is waited for on purpose."""
        return nan if self.found_at is None else self.found_at - self.plant.begin - REACTION_S


@dataclass
class Score:
    """Of one or more runs."""

    outcomes: list[Outcome] = field(default_factory=list)
    episodes: list[Episode] = field(default_factory=list)

    def __iadd__(self, other: "Score") -> "Score":
        self.outcomes += other.outcomes
        self.episodes += other.episodes
        return self

    @property
    def reals(self) -> list[Outcome]:
        return [row for row in self.outcomes if row.plant.real]

    @property
    def reachable(self) -> list[Outcome]:
        """The real ones that live longer than the reaction and a step of the market."""
        return [row for row in self.reals if row.plant.lasts_s > REACTION_S + STEP_S + ROUNDING_S]

    @property
    def fakes(self) -> list[Outcome]:
        return [row for row in self.outcomes if not row.plant.real]

    @property
    def precision(self) -> float:
        return _share(episode.true for episode in self.episodes)

    @property
    def recall(self) -> float:
        return _share(row.found_at is not None for row in self.reachable)

    @property
    def pass_rates(self) -> dict[str, float]:
        """By class of fakes, the share of which some route was actionable."""
        kinds = dict.fromkeys(row.plant.kind for row in self.fakes)
        return {
            kind: _share(row.found_at is not None for row in self.fakes if row.plant.kind == kind) for kind in kinds
        }

    @property
    def right_reason_rate(self) -> float:
        return _share(row.named for row in self.fakes if row.said != UNSEEN)

    @property
    def confusion(self) -> dict[str, Counter[str]]:
        """By class, how many were given each reason."""
        table: dict[str, Counter[str]] = {}
        for row in self.outcomes:
            said = ACTIONABLE if row.plant.real and row.found_at is not None else row.said
            table.setdefault(row.plant.kind, Counter())[said] += 1
        return table


def _share(values: Iterable[bool]) -> float:
    known = list(values)
    return sum(known) / len(known) if known else nan


Openings = Mapping[tuple[Route, float], Hit]  # by route and time


def score(ledger: Sequence[Planted], spans: Sequence[Span], hits: Sequence[Hit], relays: frozenset[str]) -> Score:
    """Hold what was said against the ledger.

    Args:
        ledger: All plants of a run.
        spans: Everything that was said of candidates.
        hits: One for each beginning of a stretch of being actionable, the same times as the spans that begin it.
        relays: Exchanges that repeat another one's book: nothing with them is ever true.
    """
    by_symbol: dict[str, list[Span]] = {}
    for span in spans:
        by_symbol.setdefault(span.route[0], []).append(span)
    first = {(hit.route, hit.time): hit for hit in hits}
    episodes = find_episodes(ledger, spans, first, relays)
    return Score([outcome(plant, by_symbol, first, episodes) for plant in ledger], episodes)


def find_episodes(
    ledger: Sequence[Planted], spans: Sequence[Span], first: Openings, relays: frozenset[str]
) -> list[Episode]:
    """The episodes of all routes, each judged true or false by its first moment."""
    stretches: dict[Route, list[tuple[Hit, float]]] = {}
    for span in sorted((span for span in spans if span.actionable), key=lambda span: span.begin):
        row = stretches.setdefault(span.route, [])
        if row and span.begin - row[-1][1] <= TOGETHER_S:
            row[-1] = row[-1][0], max(row[-1][1], span.end)
        elif (span.route, span.begin) in first:
            row.append((first[span.route, span.begin], span.end))
    fakes = [plant for plant in ledger if not plant.real]
    return [Episode(hit, end, _is_true(hit, fakes, relays)) for row in stretches.values() for hit, end in row]


def _is_true(hit: Hit, fakes: Sequence[Planted], relays: frozenset[str]) -> bool:
    """Whether who acted on it could have had it: at least half of the edge that was shown, at true books."""
    if relays & set(hit.route[1:]):
        return False
    there = [plant for plant in fakes if plant.begin <= hit.time <= plant.end and plant.has_leg_of(hit.route)]
    if any(plant.explains(hit) for plant in there):
        return False
    return hit.true_edge_bps >= max(0.0, hit.edge_bps / 2.0)


def outcome(
    plant: Planted, by_symbol: Mapping[str, Sequence[Span]], first: Openings, episodes: Sequence[Episode]
) -> Outcome:
    """What became of one plant."""
    time_of: dict[str, float] = {}
    found_at = inf
    for symbol in plant.symbols:
        for span in by_symbol.get(symbol, ()):
            begin, end = max(span.begin, plant.begin), min(span.end, plant.end + IN_FLIGHT_S)
            if end > begin and plant.is_exploited_by(span.route):
                time_of[span.reason] = time_of.get(span.reason, 0.0) + end - begin
                if span.actionable and _counts(plant, span, first):
                    found_at = min(found_at, span.begin)
    said = max(time_of, key=lambda reason: time_of[reason]) if time_of else UNSEEN
    if found_at == inf:
        return Outcome(plant, None, said)
    if not plant.real:
        return Outcome(plant, found_at, said)
    found = [e for e in episodes if plant.is_exploited_by(e.first.route) and plant.begin <= e.first.time < plant.end]
    if not found:
        return Outcome(plant, found_at, said)
    episode = min(found, key=lambda episode: episode.first.time)
    hit = episode.first
    return Outcome(
        plant,
        found_at,
        said,
        _off(hit.size, hit.true_size),
        _off(hit.later_size, hit.later_true_size),
        abs(episode.end - hit.since - plant.lasts_s),
    )


def _counts(plant: Planted, span: Span, first: Openings) -> bool:
    """Whether an actionable stretch finds a real plant, or lets a fake pass. One from before says nothing of it.

    At the end of a real one its book is back already; what a fake told is still on its way then.
    """
    hit = first.get((span.route, span.begin))
    if plant.real:
        return plant.begin <= span.begin < plant.end
    return plant.begin <= span.begin <= plant.end + IN_FLIGHT_S and (hit is None or plant.explains(hit))


def _off(said: float, true: float) -> float:
    return abs(said / true - 1.0) if true > 0.0 else nan


def percentile(values: Iterable[float], share: float) -> float:
    """Of what is known; NaN where nothing is."""
    known = np.array([value for value in values if value == value])
    return float(np.percentile(known, share)) if known.size else nan
