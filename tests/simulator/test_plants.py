"""Plants: what a market looks like while something is planted in it, and a plan without overlaps."""

import math
from itertools import pairwise

import numpy as np
import pytest

from simulator.exchanges import load
from simulator.market import STEP_S, FairPrices
from simulator.plants.anchors import anchor_moving, off_hours_index, same_ticker, standing_basis
from simulator.plants.books import (
    dead_quote,
    flicker,
    halted,
    lagging,
    price_band,
    real,
    single_order,
    skewed_clock,
    thin_book,
)
from simulator.plants.kinds import FAKES, kinds
from simulator.plants.market import PlantedMarket
from simulator.plants.plan import Delivery, Director, Draft, Plan, Site, Stage, Traits

EXCHANGES = ("binance", "bybit", "okx", "gate")
FEES_BPS = dict.fromkeys(EXCHANGES, 5.0)


class Bench:
    """A market of four exchanges, a stage, and a clock that steps both."""

    def __init__(self, seed: int = 5) -> None:
        rows = [
            row
            for name in EXCHANGES
            for row in load(name).build_listings(330, seed)
            if row.perpetual and row.status == "live" and row.quote == "USDT" and row.kind == "linear"
        ]
        keys = [row.asset.key for row in rows]
        common = {key for key in keys if keys.count(key) == len(EXCHANGES)}
        in_use = [row for row in rows if row.asset.key in common]
        self.listings = [row for row in in_use if row.asset.rank < 110 or row.asset.asset_class == "equity"]
        self.fair = FairPrices(seed)
        self.fair._step_vol[:] = 0.0  # nothing moves but what is planted
        self.market = PlantedMarket(self.listings, self.fair, seed)
        self.market.set_rate(400.0)
        self.delivery = Delivery.of(len(self.listings), EXCHANGES)
        self.stage = Stage(self.market, self.fair, self.delivery)
        traits = Traits((1,), (2,), (3,), {4: 0.03})
        self.site = Site(self.market, FEES_BPS, {"coindcx": ["BTC"]}, traits, {"gate": 3.0})
        self.steps = 0

    def draw(self, kind, seed: int = 0) -> Draft:
        return kind(self.site, np.random.default_rng(seed))

    def contract(self, draft: Draft) -> int:
        plant = draft.plant
        return next(
            i
            for i, row in enumerate(self.listings)
            if row.exchange == plant.exchange and row.asset.key == plant.assets[0]
        )

    def play(self, draft: Draft) -> Director:
        plan = Plan.__new__(Plan)
        plan.drafts = [((self.steps + 1) * STEP_S, draft)]
        return Director(plan, self.stage)

    def step(self, director: Director | None, seconds: float) -> None:
        for _ in range(max(1, round(seconds / STEP_S))):
            self.steps += 1
            if director is not None:
                director.step(self.steps)
            self.fair.step()
            self.market.step(self.steps * STEP_S)

    def gap_bps(self, contract: int) -> float:
        """The contract's mid over the median of the others of its asset."""
        row = self.listings[contract]
        middle = (self.market.bid_ticks + self.market.ask_ticks) * self.market.tick / 2
        price = middle / np.array([listing.unit for listing in self.listings])
        others = [i for i, other in enumerate(self.listings) if other.asset is row.asset and i != contract]
        return float(price[contract] / np.median(price[others]) - 1.0) * 1e4


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.step(None, 20.0)
    return bench


def test_a_market_without_plants_has_no_bursts(bench):
    """The widest premium of the model has a deviation of 25 bps; a burst would be 50 to 100."""
    bench.step(None, 60.0)

    assert np.all(bench.market.burst == 0.0)


def test_a_real_one_shifts_the_whole_book_from_its_first_step_to_its_last(bench):
    draft = bench.draw(real, seed=3)
    contract, plant = bench.contract(draft), draft.plant
    before = bench.gap_bps(contract)
    director = bench.play(draft)

    bench.step(director, STEP_S)
    during = bench.gap_bps(contract)
    levels = bench.market.levels(contract, 0)
    bench.step(director, draft.lasts_s)
    (row,) = director.close(1e9)

    sign = 1 if plant.sells else -1
    assert sign * (during - before) == pytest.approx(plant.bps, abs=8.0)
    assert plant.bps >= bench.site.costs_bps(contract) + 35.0
    assert (levels[0][0] - levels[-1][0]) * bench.market.tick[contract] < bench.market.mid[contract] * 0.02
    assert row.end - row.begin == pytest.approx(math.ceil(draft.lasts_s / STEP_S) * STEP_S)
    assert abs(bench.gap_bps(contract) - before) < 12.0
    assert math.isnan(bench.market.touch_notional[contract])


def test_a_flicker_is_gone_after_80_ms(bench):
    assert all(0.01 <= bench.draw(flicker, seed).lasts_s <= 0.08 for seed in range(20))


def test_a_dead_quote_is_lost_on_the_way_while_its_market_runs(bench):
    draft = bench.draw(dead_quote, seed=1)
    contract, director = bench.contract(draft), bench.play(draft)
    start = bench.fair.now[bench.listings[contract].asset.rank]

    bench.step(director, draft.lasts_s - 0.1)
    moved = (bench.fair.now[bench.listings[contract].asset.rank] / start - 1.0) * 1e4
    lost = bool(bench.delivery.quotes_lost[contract])
    bench.step(director, 0.2)

    assert lost
    assert not bench.delivery.quotes_lost[contract]
    assert moved == pytest.approx(-draft.plant.bps if draft.plant.sells else draft.plant.bps, abs=1.0)
    assert abs(bench.gap_bps(contract)) < 70.0  # at the exchange itself it never stood still


def test_a_halted_book_stands_still_and_the_listing_says_so_later(bench):
    draft = bench.draw(halted, seed=2)
    contract, director = bench.contract(draft), bench.play(draft)
    bench.step(director, STEP_S)
    top = bench.market.bid_ticks[contract]

    bench.step(director, 1.9)
    told_early = bool(bench.delivery.halted[contract])
    bench.step(director, 30.0)

    assert not told_early
    assert bench.delivery.halted[contract]
    assert bench.market.bid_ticks[contract] == top
    assert bench.listings[contract].exchange in bench.delivery.relisted


def test_a_late_exchange_says_everything_later_while_many_coins_run(bench):
    draft = bench.draw(lagging, seed=4)
    exchange, director = draft.plant.exchange, bench.play(draft)
    bench.step(director, STEP_S)
    late_s = bench.delivery.late_s[exchange]
    bench.step(director, draft.lasts_s)

    assert 1.2 <= late_s <= 4.0
    assert bench.delivery.late_s[exchange] == 0.0
    assert len(draft.plant.assets) >= 6
    assert np.all(bench.fair.push == 0.0)


def test_a_skewed_clock_is_as_late_as_it_is_ahead(bench):
    """The exchange's clock is 3 s ahead."""
    draft = bench.draw(skewed_clock)
    bench.step(bench.play(draft), STEP_S)

    assert draft.plant.exchange == "gate"
    assert bench.delivery.late_s["gate"] == pytest.approx(3.0, rel=0.1)


def test_a_thin_book_is_a_few_dollars_at_a_tempting_price_before_the_book_where_it_was(bench):
    draft = bench.draw(thin_book, seed=5)
    contract, side = bench.contract(draft), 0 if draft.plant.sells else 1
    usual = bench.market.levels(contract, side)[0]
    bench.step(bench.play(draft), STEP_S)
    tick, mid = bench.market.tick[contract], bench.market.mid[contract]

    (touch, lots), (second, _) = bench.market.levels(contract, side)[:2]
    row = bench.listings[contract]

    assert lots * row.lot * row.contract * touch * tick < 80 * 1.2 + 10
    assert abs(touch - second) * tick / mid * 1e4 == pytest.approx(draft.plant.bps, abs=8.0)
    assert second == pytest.approx(usual[0], rel=0.001)
    assert bench.market.ask_ticks[contract] > bench.market.bid_ticks[contract]


def test_a_single_order_has_nothing_within_60_bps_behind_it(bench):
    draft = bench.draw(single_order, seed=6)
    contract = bench.contract(draft)
    bench.step(bench.play(draft), STEP_S)
    tick, mid = bench.market.tick[contract], bench.market.mid[contract]

    for side in (0, 1):
        prices = [price for price, _ in bench.market.levels(contract, side)]
        assert abs(prices[1] - prices[0]) * tick / mid * 1e4 >= 58.0
        assert sorted(set(prices), reverse=side == 0) == prices


def test_a_standing_basis_moves_index_mark_and_book_together(bench):
    draft = next(d for d in (bench.draw(standing_basis, seed) for seed in range(9)) if not d.whole_run)
    contract = bench.contract(draft)
    index = bench.market.index[contract] / bench.fair.now[bench.listings[contract].asset.rank]
    bench.step(bench.play(draft), 35.0)
    moved = bench.market.index[contract] / bench.fair.now[bench.listings[contract].asset.rank] / index - 1.0

    sign = 1 if draft.plant.sells else -1
    assert sign * moved * 1e4 == pytest.approx(draft.plant.bps, abs=4.0)
    assert bench.market.mark[contract] / bench.market.index[contract] == pytest.approx(1.0, abs=0.003)


def test_an_index_out_of_hours_stands_still_while_its_book_drifts(bench):
    draft = bench.draw(off_hours_index, seed=1)
    contract, director = bench.contract(draft), bench.play(draft)
    bench.step(director, 2.0)
    index = bench.market.index[contract]
    bench.step(director, 27.0)
    before = bench.market.shift[contract]
    bench.step(director, draft.lasts_s - 40.0)

    assert bench.listings[contract].asset.asset_class == "equity"
    assert before == 0.0  # its index has stood for half a minute at least
    assert bench.market.index[contract] == index
    assert abs(bench.market.shift[contract]) * 1e4 == pytest.approx(draft.plant.bps)


def test_a_moving_anchor_comes_seconds_later_and_arrives(bench):
    draft = bench.draw(anchor_moving, seed=2)
    contract, director = bench.contract(draft), bench.play(draft)
    bench.step(director, 1.0)
    behind = abs(bench.market.scale[contract] - 1.0) * 1e4
    bench.step(director, 5.0)

    assert behind > 0.3 * draft.plant.bps
    assert bench.market.scale[contract] == pytest.approx(1.0)


def test_the_same_ticker_follows_another_coin(bench):
    draft = next(d for d in (bench.draw(same_ticker, seed) for seed in range(20)) if d.newcomer is not None)
    contract, director = bench.contract(draft), bench.play(draft)
    assert not bench.delivery.listed[contract]
    bench.step(director, 1.1)

    assert bench.delivery.listed[contract]
    ratio = bench.market.index[contract] / bench.fair.now[bench.listings[contract].asset.rank]
    ratio /= bench.listings[contract].unit
    assert abs(ratio - 1.0) * 1e4 == pytest.approx(draft.plant.bps, rel=0.1)
    bench.step(director, draft.lasts_s)
    assert not bench.delivery.listed[contract]


def test_a_price_outside_the_band_stands_on_a_contract_that_has_one(bench):
    draft = bench.draw(price_band)

    assert bench.contract(draft) == 4
    assert draft.plant.bps >= 1.4 * 300


def test_a_plan_never_bends_one_asset_twice_at_a_time_and_comes_again_from_its_seed():
    plans = []
    for _ in range(2):
        bench = Bench()
        plans.append(Plan(bench.site, kinds(20, 1), 60.0, 1_500.0, seed=9))
    first, second = plans

    spans: dict[str, list[tuple[float, float]]] = {}
    for begin, draft in first.drafts:
        for asset in draft.plant.assets:
            spans.setdefault(asset, []).append((begin, math.inf if draft.whole_run else begin + draft.lasts_s))
    for row in spans.values():
        row.sort()
        assert all(earlier[1] < later[0] for earlier, later in pairwise(row))
    assert {draft.plant.kind for _, draft in first.drafts} == {*FAKES, "real"}
    assert all(begin >= 60.0 for begin, draft in first.drafts if not draft.whole_run)
    assert [draft.plant for _, draft in first.drafts] == [draft.plant for _, draft in second.drafts]
