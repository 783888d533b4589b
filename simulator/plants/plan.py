"""What is planted into a market on purpose, when, and the secret ledger of it: real dislocations and fakes.

Everything is drawn from the seed before the market opens, by what goes wrong at real exchanges; nothing depends on who
watches. On one asset no two plants overlap. Source of the fakes: finance notes, section 5, 'What looks like an
arbitrage and is not'.
"""

import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from simulator.market import STEP_S, FairPrices, Floats, generator
from simulator.plants.market import BPS, PlantedMarket

BEFORE_S, AFTER_S = 8.0, 10.0  # an asset is left alone for this long around a plant
SETTLES_S = 60.0  # and after a long one for up to this long more: marks go back as slowly as they came
LAST_S = 5.0  # nothing ends later than this before the end of a run
TRIES = 2_000
MOVE_URGE = 0.4  # chance of a new quote in a step of everything that runs
MOVE_TAIL_S = 0.4  # until the last follower has seen the end of a move


@dataclass(slots=True, kw_only=True)
class Plant:
    """A row of the ledger.

    exchange, assets: whose contracts are bent (keys of assets). sells: whether it pays, or seems to, to sell them
    (they look too dear) or to buy them. bps: how far they are off. begin, end: seconds since the start of the run, as
    they came to pass; NaN before.
    """

    kind: str
    real: bool
    exchange: str
    assets: tuple[str, ...]
    sells: bool
    bps: float
    begin: float = math.nan
    end: float = math.nan


@dataclass
class Delivery:
    """How the exchanges' words get to those who listen. Arrays have one value a contract unless said otherwise.

    quotes_lost, marks_lost: nothing of it arrives any more. listed: whether the listing has the contract; halted:
    whether it says that trading is halted. unit: what the coins of a price unit are taken for, over what they are.
    late_s: by exchange, how much later than usual all its messages come. relisted: exchanges whose listing changed.
    """

    quotes_lost: np.ndarray
    marks_lost: np.ndarray
    listed: np.ndarray
    halted: np.ndarray
    unit: Floats
    late_s: dict[str, float]
    relisted: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, contracts: int, exchanges: Sequence[str]) -> "Delivery":
        no, yes = np.zeros(contracts, dtype=bool), np.ones(contracts, dtype=bool)
        return cls(no.copy(), no.copy(), yes, no.copy(), np.ones(contracts), dict.fromkeys(exchanges, 0.0))


@dataclass
class Stage:
    """What plants act upon."""

    market: PlantedMarket
    fair: FairPrices
    delivery: Delivery

    def start_move(self, rank: int, bps: float, over_s: float) -> None:
        """Let an asset run `bps` in the next `over_s` seconds, with everybody quoting along."""
        self.fair.push[rank] = math.log1p(bps / BPS) / steps_of(over_s)
        self.market.urge[self._contracts(rank)] = MOVE_URGE

    def stop_move(self, rank: int) -> None:
        self.fair.push[rank] = 0.0

    def calm(self, rank: int) -> None:
        self.market.urge[self._contracts(rank)] = 0.0

    def _contracts(self, rank: int) -> list[int]:
        return [i for i, listing in enumerate(self.market.listings) if listing.asset.rank == rank]

    def set_trading(self, contract: int, trading: bool) -> None:
        self.market.set_live(contract, trading)

    def tell(self, contract: int, *, listed: bool = True, halted: bool = False) -> None:
        """Let the exchange's listing say something new of a contract."""
        self.delivery.listed[contract], self.delivery.halted[contract] = listed, halted
        self.delivery.relisted.add(self.market.listings[contract].exchange)


Action = Callable[[Stage], None]


@dataclass(kw_only=True)
class Draft:
    """A plant that has no date yet.

    actions: what happens when, in seconds since its begin; the last one ends it. whole_run: it stands from the first
    moment to the last. newcomer: its contract, which is listed for this plant only. exchange_wide: all messages of its
    exchange are concerned. long: it may stand beside one that is exchange-wide.
    """

    plant: Plant
    actions: list[tuple[float, Action]]
    whole_run: bool = False
    newcomer: int | None = None
    owns: int | None = None  # the contract that nobody else may bend
    exchange_wide: bool = False
    long: bool = False

    @property
    def lasts_s(self) -> float:
        return max(at for at, _ in self.actions)


@dataclass(frozen=True)
class Traits:
    """What some contracts are like for the whole run, positions in the market's arrays.

    price_band: fraction of the mark within which orders are taken.
    """

    anchorless: tuple[int, ...]
    interval_unknown: tuple[int, ...]
    fee_unknown: tuple[int, ...]
    price_band: Mapping[int, float]

    def __contains__(self, contract: int) -> bool:
        parts = (self.anchorless, self.interval_unknown, self.fee_unknown, self.price_band)
        return any(contract in part for part in parts)


class Site:
    """What there is to plant into: the contracts, what trading them costs, and who is odd from the start.

    Args:
        market: Of all contracts.
        fees_bps: Taker fee by exchange. [bps]
        relayed: Assets that a relay repeats, by the name of the relay.
        traits: Of contracts.
        skewed: Exchanges whose clock is seconds ahead. [s]
    """

    def __init__(
        self,
        market: PlantedMarket,
        fees_bps: Mapping[str, float],
        relayed: Mapping[str, Sequence[str]],
        traits: Traits,
        skewed: Mapping[str, float],
    ) -> None:
        self.listings = market.listings
        self.half_bps = market.half_spread_bps
        self.fees_bps, self.relayed, self.traits, self.skewed = fees_bps, relayed, traits, skewed
        self.exchanges = tuple(dict.fromkeys(row.exchange for row in self.listings))
        self.owned: set[int] = set()
        self._by_rank: dict[int, list[int]] = {}
        for i, row in enumerate(self.listings):
            self._by_rank.setdefault(row.asset.rank, []).append(i)

    def coins(self) -> list[int]:
        """Ordinary contracts of coins that nothing else is planned for."""
        return [i for i in self._free() if self.listings[i].asset.asset_class == "crypto"]

    def shares(self) -> list[int]:
        return [i for i in self._free() if self.listings[i].asset.asset_class == "equity"]

    def _free(self) -> list[int]:
        return [i for i in range(len(self.listings)) if i not in self.owned and i not in self.traits]

    def costs_bps(self, contract: int) -> float:
        """What a round trip with another exchange of the middling sort costs: four fees, and two half spreads. [bps]"""
        row = self.listings[contract]
        others = [i for i in self._by_rank[row.asset.rank] if i != contract]
        fee = float(np.median([self.fees_bps[self.listings[i].exchange] for i in others]))
        half = float(np.median([self.half_bps[i] for i in others]))
        return 2.0 * (self.fees_bps[row.exchange] + fee) + half + float(self.half_bps[contract])


def steps_of(seconds: float) -> int:
    """Steps of the market that a time takes, at least one."""
    return max(1, math.ceil(seconds / STEP_S - 1e-9))


DrawKind = Callable[[Site, np.random.Generator], Draft]


class Plan:
    """Who bends what, and when.

    Args:
        site: What there is.
        kinds: How many plants of each kind, and how one is drawn; those that last longest first.
        begin_s, end_s: When planting begins, and when the run ends. [s]
        seed: Of the whole simulation.
    """

    def __init__(
        self,
        site: Site,
        kinds: Sequence[tuple[str, int, DrawKind]],
        begin_s: float,
        end_s: float,
        seed: int,
    ) -> None:
        self.drafts: list[tuple[float, Draft]] = []
        self._site, self._begin_s, self._end_s = site, begin_s, end_s
        self._taken: dict[str, list[tuple[float, float]]] = {}
        self._wide: list[tuple[float, float]] = []
        for name, count, draw in kinds:
            chance = generator(seed, f"plants:{name}")
            for _ in range(count):
                self._place(name, draw, chance)
        self.drafts.sort(key=lambda dated: dated[0])

    def _place(self, name: str, draw: DrawKind, chance: np.random.Generator) -> None:
        for _ in range(TRIES):
            draft = draw(self._site, chance)
            latest = self._end_s - LAST_S - draft.lasts_s
            if latest <= self._begin_s and not draft.whole_run:
                continue
            begin = 0.0 if draft.whole_run else float(chance.uniform(self._begin_s, latest))
            span = self._span(draft, begin)
            if self._is_free(draft, span):
                self._take(draft, begin, span)
                return
        raise ValueError(f"there is no room for another {name}")

    def _span(self, draft: Draft, begin: float) -> tuple[float, float]:
        if draft.whole_run:
            return 0.0, math.inf
        return begin - BEFORE_S, begin + draft.lasts_s + AFTER_S + min(SETTLES_S, draft.lasts_s)

    def _is_free(self, draft: Draft, span: tuple[float, float]) -> bool:
        taken = [other for asset in draft.plant.assets for other in self._taken.get(asset, ())]
        if draft.exchange_wide:
            # What lasts a few seconds anywhere would be mixed up with it.
            taken += self._wide
            taken += [other for row in self._taken.values() for other in row if other[1] - other[0] < 120.0]
        elif not draft.long:
            taken += self._wide
        return not any(span[0] < other[1] and other[0] < span[1] for other in taken)

    def _take(self, draft: Draft, begin: float, span: tuple[float, float]) -> None:
        self.drafts.append((begin, draft))
        for asset in draft.plant.assets:
            self._taken.setdefault(asset, []).append(span)
        if draft.exchange_wide:
            self._wide.append(span)
        if draft.owns is not None:
            self._site.owned.add(draft.owns)


class Director:
    """Carries a plan out, step by step, and keeps the ledger."""

    def __init__(self, plan: Plan, stage: Stage) -> None:
        self.ledger = [draft.plant for _, draft in plan.drafts]
        self._stage = stage
        self._due: list[tuple[int, int, bool, Plant, Action]] = []
        for begin, draft in plan.drafts:
            first = round(begin / STEP_S)
            actions = sorted(draft.actions, key=lambda action: action[0])
            for at, action in actions:
                last = not draft.whole_run and action is actions[-1][1]
                number = len(self._due)
                heapq.heappush(self._due, (first + (steps_of(at) if at else 0), number, last, draft.plant, action))
            if draft.newcomer is not None:
                stage.set_trading(draft.newcomer, False)
                stage.delivery.listed[draft.newcomer] = False

    def step(self, step: int) -> None:
        """Do what is due before the market makes this step."""
        while self._due and self._due[0][0] <= step:
            _, _, last, plant, action = heapq.heappop(self._due)
            action(self._stage)
            if math.isnan(plant.begin):
                plant.begin = step * STEP_S
            if last:
                plant.end = step * STEP_S

    def close(self, end_s: float) -> list[Plant]:
        """The ledger at the end of the run: what still stands ends there, what never began is left out."""
        begun = [plant for plant in self.ledger if not math.isnan(plant.begin)]
        for plant in begun:
            if math.isnan(plant.end):
                plant.end = end_s
        return begun
