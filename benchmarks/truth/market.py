"""One run: the simulated market in virtual time, its words in a real store, and the detector that judges blindly.

There are no sockets and no wire formats here; those are proven elsewhere (`make faults`, `make conformance`).
"""

import calendar
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from analytics.detector import Detector
from analytics.quality import Limits, price_is_good
from analytics.quarantine import Quarantine
from analytics.terms import Terms
from benchmarks.truth.books import edge_bps, executable
from benchmarks.truth.score import Hit, Planted, Route, Span
from benchmarks.truth.watcher import Offer, Watcher
from benchmarks.truth.wire import Contracts, Line, Wire
from market.models import AssetClass, Instrument, Pairing, Status
from settings import Settings
from simulator.assets import ASSET_BY_KEY
from simulator.exchanges import load
from simulator.market import STEP_S, FairPrices, generator
from simulator.plants.kinds import kinds
from simulator.plants.market import BPS, PlantedMarket
from simulator.plants.parts import log_uniform
from simulator.plants.plan import Delivery, Director, Plan, Site, Stage, Traits
from simulator.universe import LIVE, Listing
from store.ring import QuoteRing
from store.snapshot import SnapshotStore

# Taker fees as published for the lowest tier. [bps]
FEES_BPS = {
    "binance": 5.0,
    "bybit": 5.5,
    "okx": 5.0,
    "kucoin": 6.0,
    "gate": 5.0,
    "mexc": 8.0,
    "bitget": 6.0,
    "phemex": 6.0,
    "hyperliquid": 4.5,
    "coindcx": 5.9,
}
RELAY, SOURCE = "coindcx", "binance"
COINS, LIQUID, LIQUID_RANK, LAST_RANK = 60, 24, 40, 240
SHARES = 8
LISTED_BY, SHARE_LISTED_BY = 6, 4  # exchanges at least
QUOTES_PER_S = 300.0
PREMIUMS = 0.6  # of what the model has: less of the tail stands apart for no reason but noise
ODD = 5  # contracts of each odd trait
ORIGIN = float(calendar.timegm((2026, 11, 14, 0, 0, 0)))  # a Saturday: no stock exchange is open
WARM_UP_S = 150.0
REALS_PER_H, FAKES_PER_H = 88, 11
SCAN_STEPS = round(Settings.model_fields["judge_every_s"].default / STEP_S)  # as often as the app does
WISH_STEPS, SAMPLE_STEPS = round(0.1 / STEP_S), round(1.0 / STEP_S)


@dataclass
class Run:
    """What a run leaves. Times are seconds since its start. quotes: changes of tops."""

    ledger: list[Planted]
    spans: list[Span]
    hits: list[Hit]
    seconds: float
    quotes: int


def symbol_of(listing: Listing) -> str:
    return f"{listing.asset.ticker}{'.EQ' if listing.asset.asset_class == 'equity' else ''}-{listing.quote}"


def choose_listings(seed: int) -> tuple[list[Listing], list[str]]:
    """Contracts of some assets at all exchanges but the relay, and the symbols that the relay repeats."""
    chance = generator(seed, "truth:universe")
    rows: dict[str, list[Listing]] = {}
    for name in FEES_BPS:
        rows[name] = [
            row
            for row in load(name).build_listings(330, seed)
            if row.perpetual and row.status == LIVE and row.quote == "USDT" and row.kind == "linear"
        ]
    listers: dict[str, int] = {}
    for name in rows.keys() - {RELAY}:
        for row in rows[name]:
            listers[row.asset.key] = listers.get(row.asset.key, 0) + 1
    coins = sorted(
        (ASSET_BY_KEY[key] for key, count in listers.items() if count >= LISTED_BY), key=lambda asset: asset.rank
    )
    coins = [asset for asset in coins if asset.asset_class == "crypto" and asset.key != "USDC"]
    liquid = [asset.key for asset in coins if asset.rank < LIQUID_RANK]
    others = [asset.key for asset in coins if LIQUID_RANK <= asset.rank < LAST_RANK]
    chosen = {str(key) for key in chance.choice(liquid, LIQUID, replace=False)}
    chosen |= {str(key) for key in chance.choice(others, COINS - LIQUID, replace=False)}
    shares = sorted(
        key for key, count in listers.items() if count >= SHARE_LISTED_BY and ASSET_BY_KEY[key].asset_class == "equity"
    )
    chosen |= set(shares[:SHARES])
    listings = [row for name in rows if name != RELAY for row in rows[name] if row.asset.key in chosen]
    at_source = {row.asset.key for row in rows[SOURCE]}
    relayed = [row.asset.key for row in rows[RELAY] if row.asset.key in chosen & at_source]
    return listings, relayed


def draw_traits(listings: Sequence[Listing], seed: int) -> Traits:
    """Which coins' contracts are odd for the whole run, no two of one asset."""
    chance = generator(seed, "truth:traits")
    contracts = np.array([i for i, row in enumerate(listings) if row.asset.asset_class == "crypto"])
    seen: set[str] = set()
    odd: list[int] = []
    for i in chance.permutation(contracts).tolist():
        if listings[i].asset.key not in seen:
            seen.add(listings[i].asset.key)
            odd.append(i)
    groups = [tuple(odd[k * ODD : (k + 1) * ODD]) for k in range(4)]
    return Traits(groups[0], groups[1], groups[2], {i: float(chance.uniform(0.02, 0.04)) for i in groups[3]})


def draw_lines(seed: int) -> dict[str, Line]:
    """Delays and clocks; two exchanges' clocks are seconds ahead."""
    chance = generator(seed, "truth:lines")
    ahead = {str(name) for name in chance.choice([name for name in FEES_BPS if name != RELAY], 2, replace=False)}
    lines = {}
    for name in FEES_BPS:
        sign = 1.0 if chance.random() < 0.5 else -1.0
        clock_s = float(chance.uniform(2, 6)) if name in ahead else sign * log_uniform(chance, 0.002, 0.8)
        relay_of = SOURCE if name == RELAY else None
        lines[name] = Line(name, float(chance.uniform(0.005, 0.04)), clock_s, float(chance.uniform(5, 10)), relay_of)
    return lines


class World:
    """Market, delivery, store and detector of one seed."""

    def __init__(self, seed: int, hours: float, reals: int, fakes: int) -> None:
        self.listings, relayed = choose_listings(seed)
        self.symbols = tuple(symbol_of(row) for row in self.listings)
        self.traits = draw_traits(self.listings, seed)
        self.fair = FairPrices(seed)
        self.market = PlantedMarket(self.listings, self.fair, seed, PREMIUMS)
        self.market.set_rate(QUOTES_PER_S)
        self.market.reset_clock(ORIGIN)
        lines = draw_lines(seed)
        self.delivery = Delivery.of(len(self.listings), list(FEES_BPS))
        self.seconds = WARM_UP_S + hours * 3600.0
        skewed = {name: line.clock_s for name, line in lines.items() if line.clock_s > 1.0}
        site = Site(self.market, FEES_BPS, {RELAY: relayed}, self.traits, skewed)
        plan = Plan(site, kinds(reals, fakes), WARM_UP_S, self.seconds, seed)
        self.director = Director(plan, Stage(self.market, self.fair, self.delivery))
        self.relayed = frozenset(f"{ASSET_BY_KEY[key].ticker}-USDT" for key in relayed)
        self.store = SnapshotStore(tuple(FEES_BPS))
        contracts = Contracts(
            tuple(row.exchange for row in self.listings),
            self.symbols,
            [i not in self.traits.interval_unknown for i in range(len(self.listings))],
            [i not in self.traits.anchorless for i in range(len(self.listings))],
        )
        self.wire = Wire(self.store, self.market, self.delivery, contracts, lines, seed)
        self.wire.relay(RELAY, SOURCE, self.relayed)
        self._index = {key: i for i, key in enumerate(zip(contracts.exchange, self.symbols, strict=True))}
        self._limits, self._terms = Limits(), Terms()
        self._ring, self._quarantine = QuoteRing(), Quarantine()
        self.detector = Detector(self.store, self._ring, self._limits, self._terms, held=self._quarantine.mask)
        self._watcher = Watcher(self.truth, ORIGIN)

    # -- listings ----------------------------------------------------------------------------------------------

    def list_all(self, exchanges: Sequence[str]) -> None:
        self.wire.rescale()
        for name in exchanges:
            rows = [i for i, row in enumerate(self.listings) if row.exchange == name and self.delivery.listed[i]]
            self.store.set_instruments(name, [self.instrument(i, name) for i in rows])
        if SOURCE in exchanges:
            rows = [i for i, row in enumerate(self.listings) if row.exchange == SOURCE and self.delivery.listed[i]]
            repeated = [self.instrument(i, RELAY) for i in rows if self.symbols[i] in self.relayed]
            self.store.set_instruments(RELAY, repeated)

    def instrument(self, contract: int, exchange: str) -> Instrument:
        """A contract as this exchange lists it."""
        row = self.listings[contract]
        unit = row.unit * float(self.delivery.unit[contract])
        own = exchange == row.exchange
        fee_unknown = own and contract in self.traits.fee_unknown
        return Instrument(
            exchange=exchange,
            exchange_symbol=row.exchange_symbol,
            symbol=self.symbols[contract],
            base=row.asset.ticker,
            quote=row.quote,
            settle=row.settle,
            kind="linear",
            multiplier=unit,
            contract_multiplier=row.contract * unit,
            tick_size=row.tick / unit,
            lot_size=row.lot * row.contract * unit,
            min_notional=5.0,
            funding_interval_h=None
            if own and contract in self.traits.interval_unknown
            else float(row.funding_interval_h),
            status=Status.HALTED if own and self.delivery.halted[contract] else Status.TRADING,
            listed_time=row.listed_ms / 1000,
            taker_fee_bps=float("nan") if fee_unknown else FEES_BPS[exchange],
            maker_fee_bps=2.0,
            asset_class=AssetClass.EQUITY if row.asset.asset_class == "equity" else AssetClass.CRYPTO,
            pairing=Pairing.RELAY if exchange == RELAY else Pairing.OK,
            price_band=self.traits.price_band.get(contract) if own else None,
        )

    # -- running -----------------------------------------------------------------------------------------------

    def run(self, say: Callable[[float], None]) -> Run:
        """Run to the end. say: told the virtual time once a virtual minute. [s]"""
        quotes = 0
        steps = round(self.seconds / STEP_S)
        self.director.step(0)
        self.list_all([name for name in FEES_BPS if name != RELAY])
        for step in range(1, steps + 1):
            elapsed = step * STEP_S
            quotes += self.step(step, ORIGIN + elapsed)
            self._watcher.look(self.detector.candidates, elapsed)
            if step % (60 * SAMPLE_STEPS) == 0:
                say(elapsed)
        self._watcher.close(self.seconds)
        ledger = [
            Planted(
                kind=plant.kind,
                real=plant.real,
                exchange=plant.exchange,
                symbols=frozenset(self._symbol(key) for key in plant.assets),
                sells=plant.sells,
                begin=plant.begin,
                end=plant.end,
            )
            for plant in self.director.close(self.seconds)
        ]
        return Run(ledger, self._watcher.spans, self._watcher.hits, self.seconds, quotes)

    def _symbol(self, key: str) -> str:
        return next(symbol for symbol, row in zip(self.symbols, self.listings, strict=True) if row.asset.key == key)

    def step(self, step: int, now: float) -> int:
        """Advance all by STEP_S; return how many tops changed."""
        self.director.step(step)
        self.fair.step()
        change = self.market.step(now)
        if self.delivery.relisted:
            self.list_all(sorted(self.delivery.relisted))
            self.delivery.relisted.clear()
        self.wire.send_tops(change, step)
        if self.market.is_second:
            self.wire.send_marks(step, now)
        self.wire.send_first_books(step, now)
        self.wire.poll(step, now)
        self.wire.deliver(step, now)
        self.detector.step(now)
        if step % WISH_STEPS == 0:
            self.wire.watch(self.detector.wishes(), now)
        if step % SCAN_STEPS == 0:
            self._scan(step, now)
        return len(change.index)

    def _scan(self, step: int, now: float) -> None:
        """Look at everything and remember it, as the desk does."""
        judgement = self.detector.scan(now)
        self._quarantine.observe(judgement.snapshot, judgement.verdicts, self._limits, now)
        if step % SAMPLE_STEPS == 0:
            good = price_is_good(judgement.verdicts)
            self._ring.sample(judgement.snapshot, good, now)

    # -- the truth ---------------------------------------------------------------------------------------------

    def truth(self, route: Route) -> Offer:
        """What the true books of a route offer now, for the user's notional."""
        symbol, buy, sell = route
        costs = 2.0 * (FEES_BPS[buy] + FEES_BPS[sell])
        legs = [self._index.get((exchange, symbol)) for exchange in (buy, sell)]
        if legs[0] is None or legs[1] is None:  # a relay has no book of its own
            return Offer(costs, float("-inf"), 0.0, float("nan"))
        long, short = self.wire.book(legs[0]), self.wire.book(legs[1])
        marks = [float(self.market.mark[leg]) / self.listings[leg].unit for leg in legs if leg is not None]
        basis = (marks[1] / marks[0] - 1.0) * BPS
        size = executable(long, short, costs + self._terms.min_net_bps, self._terms.notional)
        return Offer(costs, edge_bps(long, short) - costs, basis, size)


def run_sitting(seed: int, sitting: int, hours: float, say: Callable[[float], None]) -> Run:
    """Plant, run and observe one stretch of a seed: each has a market of its own. hours: after the warm-up."""
    reals, fakes = round(REALS_PER_H * hours), max(1, math.ceil(FAKES_PER_H * hours))
    return World(seed * 1000 + sitting, hours, reals, fakes).run(say)
