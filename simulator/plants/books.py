"""Plants in books and on their way here: real dislocations, and fakes whose books lie or whose quotes are too old.

Each fake is one class of the finance notes, section 5, made the way it comes about at an exchange.
"""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from simulator.assets import ASSET_BY_KEY, ASSETS
from simulator.market import STEP_S
from simulator.plants.market import BPS
from simulator.plants.parts import (
    BEYOND_BPS,
    MOVE_BPS,
    Actions,
    Chance,
    log_uniform,
    moves,
    nothing,
    pick,
    plant_of,
    signed,
)
from simulator.plants.plan import MOVE_TAIL_S, Draft, Plant, Site, Stage

RELAY_S = 2.5  # until a relay has caught up with a move
THIN_RANK = 60  # from here on books are quoted by few


# Gaps that the books do offer.


def _bend(stage: Stage, contract: int, shift: float, touch: float, behind: float | None, quotes_per_s: float) -> None:
    market = stage.market
    market.shift[contract] = shift
    market.touch_notional[contract] = touch
    market.behind_notional[contract] = market.usual_behind[contract] if behind is None else behind
    market.urge[contract] = quotes_per_s * STEP_S
    market.quote_now(contract)


def _unbend(stage: Stage, contract: int) -> None:
    _bend(stage, contract, 0.0, math.nan, None, 0.0)


def dislocation(contract: int, shift: float, lasts_s: float, chance: Chance) -> Actions:
    """The whole book of a contract shifts, is quoted actively, and comes back."""
    touch = log_uniform(chance, 300, 50_000)
    behind = touch * log_uniform(chance, 0.2, 5.0)
    quotes_per_s = log_uniform(chance, 0.3, 20.0)
    bend = partial(_bend, contract=contract, shift=shift, touch=touch, behind=behind, quotes_per_s=quotes_per_s)
    return [(0.0, bend), (lasts_s, partial(_unbend, contract=contract))]


def _shifted(site: Site, chance: Chance, kind: str, contracts: Sequence[int], lasts_s: float, real: bool) -> Draft:
    contract, sells = pick(chance, contracts), bool(chance.random() < 0.5)
    bps = site.costs_bps(contract) + chance.uniform(*BEYOND_BPS)
    plant = plant_of(site, kind, contract, sells, bps, real)
    return Draft(plant=plant, actions=dislocation(contract, signed(sells, bps), lasts_s, chance))


def real(site: Site, chance: Chance) -> Draft:
    return _shifted(site, chance, "real", site.coins(), log_uniform(chance, 0.05, 120.0), True)


def flicker(site: Site, chance: Chance) -> Draft:
    """Gone before anybody outside the building can be there."""
    return _shifted(site, chance, "flicker", site.coins(), chance.uniform(0.01, 0.08), False)


def anchor_missing(site: Site, chance: Chance) -> Draft:
    """On a contract whose mark and index nobody publishes."""
    return _shifted(site, chance, "anchor_missing", site.traits.anchorless, log_uniform(chance, 0.5, 120.0), False)


def interval_unknown(site: Site, chance: Chance) -> Draft:
    lasts_s = log_uniform(chance, 0.5, 120.0)
    return _shifted(site, chance, "interval_unknown", site.traits.interval_unknown, lasts_s, False)


def fee_unknown(site: Site, chance: Chance) -> Draft:
    return _shifted(site, chance, "fee_unknown", site.traits.fee_unknown, log_uniform(chance, 0.5, 120.0), False)


def implausible(site: Site, chance: Chance) -> Draft:
    """A wrong price in the book alone."""
    contract, sells = pick(chance, site.coins()), bool(chance.random() < 0.5)
    bps = chance.uniform(1_200, 6_000)
    actions = dislocation(contract, signed(sells, bps), log_uniform(chance, 0.5, 60.0), chance)
    return Draft(plant=plant_of(site, "implausible", contract, sells, bps), actions=actions)


def price_band(site: Site, chance: Chance) -> Draft:
    """The book stands outside the band within which the exchange takes orders."""
    contract, sells = pick(chance, tuple(site.traits.price_band)), bool(chance.random() < 0.5)
    bps = site.traits.price_band[contract] * chance.uniform(1.4, 2.0) * BPS
    actions = dislocation(contract, signed(sells, bps), log_uniform(chance, 0.5, 10.0), chance)
    return Draft(plant=plant_of(site, "price_band", contract, sells, bps), actions=actions)


# Prices that nobody can have any more.


def dead_quote(site: Site, chance: Chance) -> Draft:
    """A contract's updates are lost; some time later its price runs away. The REST of the exchange goes on."""
    contract = pick(chance, site.coins())
    rank, falls = site.listings[contract].asset.rank, bool(chance.random() < 0.5)
    bps, at, over_s = chance.uniform(*MOVE_BPS), chance.uniform(0.5, 20), chance.uniform(0.2, 3)
    marks_too = bool(chance.random() < 0.5)  # its whole socket is dead, or only the channel of quotes

    def lose(stage: Stage, lost: bool) -> None:
        stage.delivery.quotes_lost[contract] = lost
        stage.delivery.marks_lost[contract] = lost and marks_too
        if not lost:
            stage.market.quote_now(contract)

    actions: Actions = [(0.0, partial(lose, lost=True)), *moves([rank], [-bps if falls else bps], over_s, at)]
    actions.append((at + over_s + MOVE_TAIL_S + chance.uniform(2, 30), partial(lose, lost=False)))
    return Draft(plant=plant_of(site, "dead_quote", contract, falls, bps), actions=actions)


def halted(site: Site, chance: Chance) -> Draft:
    """A contract stops trading with its last book standing; the listing says so some time later."""
    contract = pick(chance, site.coins())
    rank, falls = site.listings[contract].asset.rank, bool(chance.random() < 0.5)
    bps, at, over_s = chance.uniform(*MOVE_BPS), chance.uniform(0.1, 5), chance.uniform(0.5, 5)
    told = chance.uniform(2, 30)

    def stop(stage: Stage) -> None:
        stage.set_trading(contract, False)

    def resume(stage: Stage) -> None:
        stage.set_trading(contract, True)
        stage.market.quote_now(contract)

    actions: Actions = [(0.0, stop), (told, partial(Stage.tell, contract=contract, halted=True))]
    actions += moves([rank], [-bps if falls else bps], over_s, at)
    resumes = max(told, at + over_s) + MOVE_TAIL_S + chance.uniform(5, 60)
    # A listing is never read before the first quotes come.
    actions += [(resumes, resume), (resumes + chance.uniform(1, 10), partial(Stage.tell, contract=contract))]
    return Draft(plant=plant_of(site, "halted", contract, falls, bps), actions=actions)


def _late(site: Site, chance: Chance, kind: str, exchange: str, late_s: float) -> Draft:
    """All that an exchange says comes late, with honest event times, while many coins run."""
    own = [row.asset.rank for row in site.listings if row.exchange == exchange and row.asset.asset_class == "crypto"]
    ranks = [int(rank) for rank in chance.choice(own, size=int(chance.integers(6, 16)), replace=False)]
    falls = bool(chance.random() < 0.5)
    runs = [float(chance.uniform(*MOVE_BPS)) * (-1 if falls else 1) for _ in ranks]
    at, over_s = chance.uniform(0.1, 3), chance.uniform(0.3, 2.5)

    def delay(stage: Stage, seconds: float) -> None:
        stage.delivery.late_s[exchange] = seconds

    relieved = at + over_s + MOVE_TAIL_S + chance.uniform(1, 5)
    actions: Actions = [(0.0, partial(delay, seconds=late_s)), *moves(ranks, runs, over_s, at)]
    actions += [(relieved, partial(delay, seconds=0.0)), (relieved + late_s, nothing)]
    plant = Plant(
        kind=kind,
        real=False,
        exchange=exchange,
        assets=tuple(ASSETS[rank].key for rank in ranks),
        sells=falls,
        bps=float(np.mean(np.abs(runs))),
    )
    return Draft(plant=plant, actions=actions, exchange_wide=True)


def lagging(site: Site, chance: Chance) -> Draft:
    steady = [exchange for exchange in site.exchanges if exchange not in site.skewed]
    return _late(site, chance, "lagging", steady[int(chance.integers(0, len(steady)))], chance.uniform(1.2, 4))


def skewed_clock(site: Site, chance: Chance) -> Draft:
    """As late as the exchange's clock is ahead, so that its quotes look on time by their own stamps."""
    exchange = sorted(site.skewed)[int(chance.integers(0, len(site.skewed)))]
    return _late(site, chance, "skewed_clock", exchange, site.skewed[exchange] * chance.uniform(0.9, 1.1))


def relay(site: Site, chance: Chance) -> Draft:
    """A relay repeats its source late; the source runs."""
    name = sorted(site.relayed)[0]
    assets = site.relayed[name]
    key, falls = assets[int(chance.integers(0, len(assets)))], bool(chance.random() < 0.5)
    bps, over_s = chance.uniform(*MOVE_BPS), chance.uniform(0.2, 2)
    plant = Plant(kind="relay", real=False, exchange=name, assets=(key,), sells=falls, bps=bps)
    actions = moves([ASSET_BY_KEY[key].rank], [-bps if falls else bps], over_s, 0.0)
    return Draft(plant=plant, actions=[*actions, (over_s + RELAY_S, nothing)])


# Books with nothing behind them.


def _lone_price(stage: Stage, contract: int, lift: tuple[float, float], touch: float, level_bps: float) -> None:
    market = stage.market
    market.lift[contract] = lift
    market.touch_notional[contract], market.level_bps[contract] = touch, level_bps
    market.urge[contract] = 0.0 if math.isnan(touch) else 0.5 * STEP_S
    market.quote_now(contract)


def _lone(
    site: Site, chance: Chance, kind: str, touch: float, wider_bps: float, level_bps: float, lasts_s: float
) -> Draft:
    quoted_by_few = [i for i in site.coins() if site.listings[i].asset.rank >= THIN_RANK]
    contract, sells = pick(chance, quoted_by_few), bool(chance.random() < 0.5)
    bps = max(site.costs_bps(contract) + chance.uniform(*BEYOND_BPS), level_bps)
    near, far = bps / BPS, (bps + wider_bps) / BPS
    lift = (near, far) if sells else (-far, -near)
    actions: Actions = [
        (0.0, partial(_lone_price, contract=contract, lift=lift, touch=touch, level_bps=level_bps)),
        (lasts_s, partial(_lone_price, contract=contract, lift=(0.0, 0.0), touch=math.nan, level_bps=0.0)),
    ]
    return Draft(plant=plant_of(site, kind, contract, sells, bps), actions=actions)


def thin_book(site: Site, chance: Chance) -> Draft:
    """A tempting price for a few dollars, and the book where it was."""
    lasts_s = log_uniform(chance, 0.5, 60)
    return _lone(site, chance, "thin_book", chance.uniform(5, 80), chance.uniform(20, 80), 0.0, lasts_s)


def single_order(site: Site, chance: Chance) -> Draft:
    """One order of good size on a wide book of one maker, and nothing near behind it."""
    touch, level_bps = log_uniform(chance, 1_000, 30_000), chance.uniform(60, 200)
    return _lone(site, chance, "single_order", touch, chance.uniform(60, 250), level_bps, log_uniform(chance, 2, 120))
