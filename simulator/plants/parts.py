"""What the kinds of plants are made of: draws, ledger rows and fast moves."""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from simulator.market import STEP_S
from simulator.plants.market import BPS
from simulator.plants.plan import MOVE_TAIL_S, Action, Plant, Site, Stage, steps_of

Chance = np.random.Generator
Actions = list[tuple[float, Action]]

BEYOND_BPS = (35.0, 150.0)  # of a gap beyond what a round trip costs
MOVE_BPS = (40.0, 120.0)  # of a fast move


def log_uniform(chance: Chance, low: float, high: float) -> float:
    return math.exp(chance.uniform(math.log(low), math.log(high)))


def signed(sells: bool, bps: float) -> float:
    """A fraction: above the others if it is to be sold."""
    return (bps if sells else -bps) / BPS


def pick(chance: Chance, contracts: Sequence[int]) -> int:
    return contracts[int(chance.integers(0, len(contracts)))]


def plant_of(site: Site, kind: str, contract: int, sells: bool, bps: float, real: bool = False) -> Plant:
    row = site.listings[contract]
    return Plant(kind=kind, real=real, exchange=row.exchange, assets=(row.asset.key,), sells=sells, bps=bps)


def moves(ranks: Sequence[int], bps: Sequence[float], over_s: float, at: float) -> Actions:
    """A fast move of some assets at once."""
    actions: Actions = []
    for rank, move in zip(ranks, bps, strict=True):
        actions.append((at, partial(Stage.start_move, rank=rank, bps=move, over_s=over_s)))
        # As many steps after the start as the move was shared out to.
        end = (steps_of(at) + steps_of(over_s)) * STEP_S if at else steps_of(over_s) * STEP_S
        actions.append((end, partial(Stage.stop_move, rank=rank)))
        actions.append((end + MOVE_TAIL_S, partial(Stage.calm, rank=rank)))
    return actions


def nothing(_stage: Stage) -> None:
    """The last of the backlog arrives."""
