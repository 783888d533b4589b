"""Plants in what exchanges say a contract is worth and is: indices, marks, names and units."""

import math
from functools import partial

from simulator.market import STEP_S
from simulator.plants.market import BPS
from simulator.plants.parts import BEYOND_BPS, Actions, Chance, log_uniform, moves, pick, plant_of, signed
from simulator.plants.plan import Action, Draft, Plant, Site, Stage, steps_of

# Indices and marks.


def _ramp(array: str, contract: int, start: float, stop: float, at: float, over_s: float) -> Actions:
    """A straight line of one of the market's arrays, a point a step."""
    count = steps_of(over_s)
    return [
        (
            at + (k + 1) * STEP_S,
            partial(_set, array=array, contract=contract, value=start + (stop - start) * (k + 1) / count),
        )
        for k in range(count)
    ]


def _set(stage: Stage, array: str, contract: int, value: float) -> None:
    getattr(stage.market, array)[contract] = value


def _quote(stage: Stage, contract: int) -> None:
    stage.market.quote_now(contract)


def standing_basis(site: Site, chance: Chance) -> Draft:
    """An exchange's index is off the others', and its mark and book with it: from its listing on, or for a while."""
    contract, sells = pick(chance, site.coins()), bool(chance.random() < 0.5)
    bps = chance.uniform(40, 90)
    plant, off = plant_of(site, "standing_basis", contract, sells, bps), 1.0 + signed(sells, bps)
    if chance.random() < 0.35:
        start = (0.0, partial(_set, array="scale", contract=contract, value=off))
        return Draft(plant=plant, actions=[start], whole_run=True, owns=contract, long=True)
    over_s, stays_s = chance.uniform(3, 30), chance.uniform(300, 900)
    actions = _ramp("scale", contract, 1.0, off, 0.0, over_s)
    actions += _ramp("scale", contract, off, 1.0, over_s + stays_s, over_s)
    return Draft(plant=plant, actions=actions, long=True)


def off_hours_index(site: Site, chance: Chance) -> Draft:
    """The stock exchange is closed and a venue's index stands still; some time later its book drifts."""
    contract, sells = pick(chance, site.shares()), bool(chance.random() < 0.5)
    bps = site.costs_bps(contract) + chance.uniform(*BEYOND_BPS)
    at, over_s, lasts_s = chance.uniform(30, 180), chance.uniform(5, 30), chance.uniform(60, 240)

    def thaw(stage: Stage) -> None:
        stage.market.frozen[contract], stage.market.shift[contract] = False, 0.0
        stage.market.quote_now(contract)

    actions: Actions = [(0.0, partial(_set, array="frozen", contract=contract, value=True))]
    actions += _ramp("shift", contract, 0.0, signed(sells, bps), at, over_s)
    plant = plant_of(site, "off_hours_index", contract, sells, bps)
    return Draft(plant=plant, actions=[*actions, (at + lasts_s, thaw)], long=True)


def anchor_moving(site: Site, chance: Chance) -> Draft:
    """The price runs, and one exchange's index, with its book, takes seconds longer than the others'."""
    contract, falls = pick(chance, site.coins()), bool(chance.random() < 0.5)
    rank, bps = site.listings[contract].asset.rank, chance.uniform(60, 150)
    over_s = chance.uniform(0.3, 1)
    slow_s = over_s + chance.uniform(1.5, 3)
    move = math.log1p((-bps if falls else bps) / BPS)
    actions = moves([rank], [-bps if falls else bps], over_s, 0.0)
    for k in range(1, steps_of(slow_s) + 1):
        behind = move * (min(1.0, k / steps_of(slow_s)) - min(1.0, k / steps_of(over_s)))
        actions.append((k * STEP_S, partial(_set, array="scale", contract=contract, value=math.exp(behind))))
    actions.append((slow_s + 0.1, partial(_quote, contract=contract)))
    return Draft(plant=plant_of(site, "anchor_moving", contract, falls, bps), actions=actions)


def anchor_skewed(site: Site, chance: Chance) -> Draft:
    """A channel of marks falls silent; then the price runs, and the index that nobody sees goes a way of its own."""
    contract, sells = pick(chance, site.coins()), bool(chance.random() < 0.5)
    rank = site.listings[contract].asset.rank
    bps = site.costs_bps(contract) + chance.uniform(30, 90)
    at, over_s, stays_s = chance.uniform(3, 15), chance.uniform(0.5, 3), chance.uniform(10, 60)
    move = float(chance.uniform(20, 80)) * (1 if chance.random() < 0.5 else -1)

    def lose(stage: Stage, lost: bool) -> None:
        stage.delivery.marks_lost[contract] = lost
        if not lost:
            stage.market.scale[contract] = 1.0
            stage.market.quote_now(contract)

    actions: Actions = [(0.0, partial(lose, lost=True)), *moves([rank], [move], over_s, at)]
    actions += _ramp("scale", contract, 1.0, 1.0 + signed(sells, bps), at, over_s)
    actions.append((at + over_s + stays_s, partial(lose, lost=False)))
    return Draft(plant=plant_of(site, "anchor_skewed", contract, sells, bps), actions=actions)


# Other things under the same name.


def _listed_for(site: Site, chance: Chance, plant: Plant, contract: int, start: Action, stop: Action) -> Draft:
    """A listing that is wrong from the first moment of the run, or one that comes and goes."""
    if chance.random() < 0.4:
        return Draft(plant=plant, actions=[(0.0, start)], whole_run=True, owns=contract, long=True)

    def open_it(stage: Stage) -> None:
        stage.tell(contract)
        stage.set_trading(contract, True)
        start(stage)
        stage.market.quote_now(contract)

    def close_it(stage: Stage) -> None:
        stage.tell(contract, listed=False)
        stage.set_trading(contract, False)
        stop(stage)

    actions: Actions = [(0.0, open_it), (chance.uniform(120, 600), close_it)]
    return Draft(plant=plant, actions=actions, newcomer=contract, owns=contract, long=True)


def same_ticker(site: Site, chance: Chance) -> Draft:
    """Another coin under a name that the others use too, sometimes by chance at nearly the same price."""
    contract, sells = pick(chance, site.coins()), bool(chance.random() < 0.5)
    rank = site.listings[contract].asset.rank
    others = [row.asset.rank for row in site.listings if row.asset.asset_class == "crypto" and row.asset.rank != rank]
    other = int(chance.choice(others))
    ratio = 1.0 + chance.uniform(0.012, 0.05) if chance.random() < 0.5 else log_uniform(chance, 1.25, 5.0)
    ratio = ratio if sells else 1.0 / ratio

    def follow(stage: Stage) -> None:
        now = stage.fair.now
        stage.market.follow(contract, other, float(now[rank] / now[other]) * ratio)

    def go_back(stage: Stage) -> None:
        stage.market.follow(contract, rank, 1.0)

    plant = plant_of(site, "same_ticker", contract, sells, abs(ratio - 1.0) * BPS)
    return _listed_for(site, chance, plant, contract, follow, go_back)


def wrong_multiplier(site: Site, chance: Chance) -> Draft:
    """A bundle is taken for a coin, or a coin for a bundle."""
    contract, sells = pick(chance, site.coins()), bool(chance.random() < 0.5)
    unit = 10.0 ** float(chance.choice([1, 1, 2, 3, 3, 6])) * 1.0
    unit = 1.0 / unit if sells else unit

    def misread(stage: Stage) -> None:
        stage.delivery.unit[contract] = unit
        stage.tell(contract)

    def reread(stage: Stage) -> None:
        stage.delivery.unit[contract] = 1.0

    plant = plant_of(site, "wrong_multiplier", contract, sells, abs(1.0 / unit - 1.0) * BPS)
    return _listed_for(site, chance, plant, contract, misread, reread)
