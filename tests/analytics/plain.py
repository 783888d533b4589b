"""The market judged in plain Python, one contract and one pair at a time: what `judge` is held against.

Written from docs/decisions.md ('Net edge', 'Size', 'What looks like an arbitrage and is not', 'What a good quote is').
Of the product it uses the store's numbers, the names of verdicts and the limits, and none of its arithmetic.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from analytics.quality import Limits, Verdict
from market.models import AssetClass, Instrument, Pairing, Status
from store.depth import Ladder
from store.snapshot import Snapshot

Side = Sequence[tuple[float, float]]
BEFORE_BOOKS = (
    Verdict.STALE_LEG, Verdict.OFF_HOURS_INDEX, Verdict.ANCHOR_SKEWED, Verdict.ANCHOR_MOVING, Verdict.SKEWED_LEGS,
    Verdict.NO_HISTORY, Verdict.STANDING_BASIS,
)  # fmt: skip


@dataclass
class Memory:
    """What is remembered beside the snapshot, by exchange and symbol, or by symbol, buy and sell."""

    spread_bps: dict[tuple[str, str], float] = field(default_factory=dict)
    index_moved: dict[tuple[str, str], float] = field(default_factory=dict)
    open_now: dict[tuple[str, str], bool] = field(default_factory=dict)
    marks: list[dict[tuple[str, str], float]] = field(default_factory=list)
    middles: list[dict[str, float]] = field(default_factory=list)
    anchor_gap_s: dict[tuple[str, str], float] = field(default_factory=dict)
    variance: dict[str, float] = field(default_factory=dict)
    since: dict[tuple[str, str, str], float] = field(default_factory=dict)
    jumped: set[tuple[str, str, str]] = field(default_factory=set)
    ladders: dict[tuple[str, str], Ladder] = field(default_factory=dict)


@dataclass
class Pair:
    """One directed pair. Where the books are not walked, size and walk are those of the touch."""

    verdict: Verdict
    entry: float
    cost: float
    gap: bool = False
    size: float = math.nan
    walk: float = 0.0
    net: float = math.nan
    mean_mid: float = math.nan
    gainful: float = math.nan
    actionable: bool = False


class Leg:
    """One contract on one exchange, in plain numbers."""

    def __init__(self, snapshot: Snapshot, s: int, e: int) -> None:
        self.key = snapshot.exchanges[e], snapshot.symbols[s]
        self.listed: Instrument | None = snapshot.grid.instruments.get(self.key)
        names = "bid_price ask_price bid_size ask_size received_time event_time lag_s live mark_price index_price"
        for name in f"{names} funding_interval_h funding_received_time".split():
            setattr(self, name, float(snapshot[name][s, e]))
        floor = float(snapshot.floor_s[e])
        said = self.event_time + floor
        self.told_at = self.received_time if math.isnan(said) else min(said, self.received_time)
        self.mid = (self.bid_price + self.ask_price) / 2
        self.spread_bps = (self.ask_price - self.bid_price) / self.mid * 1e4 if self.mid else math.nan

    bid_price: float
    ask_price: float
    bid_size: float
    ask_size: float
    received_time: float
    event_time: float
    lag_s: float
    live: float
    mark_price: float
    index_price: float
    funding_interval_h: float
    funding_received_time: float

    @property
    def reference(self) -> float:
        return self.mark_price if math.isnan(self.index_price) else self.index_price


class PlainJudge:
    """Judges rows of one snapshot. expect: (symbol, buy, sell) positions -> expected exit and samples."""

    def __init__(
        self,
        snapshot: Snapshot,
        now: float,
        limits: Limits,
        memory: Memory,
        expect: Callable[[int, int, int], tuple[float, float]],
        least_bps: float,
        notional: float,
    ) -> None:
        self.snapshot, self.now, self.limits, self.memory = snapshot, now, limits, memory
        self.expect, self.least_bps, self.notional = expect, least_bps, notional
        self.rows = [
            [Leg(snapshot, s, e) for e in range(len(snapshot.exchanges))] for s in range(len(snapshot.symbols))
        ]

    # -- quotes ------------------------------------------------------------------------------------------------

    def price_reasons(self, s: int) -> list[Verdict]:
        """The first reason against the price of each quote of a row."""
        legs = self.rows[s]
        reasons = [self._alone(leg) for leg in legs]
        usable = [leg for leg, reason in zip(legs, reasons, strict=True) if reason is Verdict.OK]
        references = [leg.reference for leg in usable if not math.isnan(leg.reference)]
        marks = [leg.mark_price for leg in usable if not math.isnan(leg.reference)]
        for e, leg in enumerate(legs):
            if reasons[e] is not Verdict.OK:
                continue
            known = not math.isnan(leg.reference)
            doubted = leg.listed is not None and leg.listed.pairing is Pairing.CHECK
            other = doubted and (not known or len(references) < 2)
            other = other or (known and self._off(leg.reference, references))
            if known and len(references) == 2 and not math.isnan(leg.mark_price):
                other = other or self._off(leg.mark_price, [mark for mark in marks if not math.isnan(mark)])
            if other:
                reasons[e] = Verdict.DIFFERENT_ASSET
        return reasons

    def _alone(self, leg: Leg) -> Verdict:
        if leg.listed is None:
            return Verdict.NOT_LISTED
        if leg.listed.pairing is Pairing.RELAY:
            return Verdict.DERIVED_VENUE
        if leg.listed.pairing not in (Pairing.OK, Pairing.CHECK) or leg.listed.kind == "quanto":
            return Verdict.NOT_PAIRED
        if leg.listed.status is not Status.TRADING:
            return Verdict.NOT_TRADING
        if math.isnan(leg.received_time):
            return Verdict.NO_QUOTE
        if leg.live != 1.0:
            return Verdict.FEED_LOST
        if self.now - leg.received_time > self.limits.stale_after_s:
            return Verdict.STALE_LEG
        if leg.lag_s > self.limits.max_lag_s:
            return Verdict.LAGGING
        if math.isnan(leg.bid_price) or math.isnan(leg.ask_price):
            return Verdict.ONE_SIDED
        return Verdict.CROSSED if leg.bid_price >= leg.ask_price else Verdict.OK

    def _off(self, price: float, all_prices: list[float]) -> bool:
        """Off either middle value of all."""
        within = 1.0 + self.limits.same_asset_within
        low, high = statistics.median_low(all_prices), statistics.median_high(all_prices)
        return price / low > within or high / price > within

    def leg_reasons(self, s: int) -> list[Verdict]:
        """The same, and where the price is good, the first reason not to rank it."""
        return [
            self._unranked(leg) if reason is Verdict.OK else reason
            for leg, reason in zip(self.rows[s], self.price_reasons(s), strict=True)
        ]

    def _unranked(self, leg: Leg) -> Verdict:
        listed = leg.listed
        assert listed is not None
        if math.isnan(listed.taker_fee_bps):
            return Verdict.FEE_UNKNOWN
        if not leg.funding_interval_h > 0.0:
            return Verdict.INTERVAL_UNKNOWN
        if math.isnan(leg.mark_price) or math.isnan(leg.index_price):
            return Verdict.ANCHOR_MISSING
        if listed.price_band is not None:
            furthest = max(abs(leg.bid_price / leg.mark_price - 1), abs(leg.ask_price / leg.mark_price - 1))
            if furthest > listed.price_band:
                return Verdict.PRICE_BAND
        if listed.asset_class is not AssetClass.CRYPTO:
            open_now = self.memory.open_now.get(leg.key, True)
            stands = self.limits.index_stands_s if open_now else self.limits.closed_stands_s
            moved = self.memory.index_moved.get(leg.key)
            if moved is None or self.now - moved > stands:
                return Verdict.OFF_HOURS_INDEX
        return Verdict.OK

    # -- pairs -------------------------------------------------------------------------------------------------

    def pair(self, s: int, buy: int, sell: int) -> Pair:
        """One directed pair, judged as far as its quotes let it."""
        long, short = self.rows[s][buy], self.rows[s][sell]
        reasons = self.leg_reasons(s)
        mean_mid = (long.mid + short.mid) / 2
        entry = (short.bid_price - long.ask_price) / mean_mid * 1e4
        fees = [leg.listed.taker_fee_bps if leg.listed else math.nan for leg in (long, short)]
        found = Pair(Verdict.OK, entry, 2 * sum(fees), mean_mid=mean_mid)
        against = [reason for reason in (reasons[buy], reasons[sell]) if reason is not Verdict.OK]
        if against:
            found.verdict = min(against)
        elif entry > self.limits.implausible_above * 1e4:
            found.verdict = Verdict.IMPLAUSIBLE
        expected, samples = self.expect(s, buy, sell)
        if samples < self.limits.exit_samples:
            expected = math.nan
        found.size = min(long.ask_size, short.bid_size, self.notional / mean_mid)
        route = self.snapshot.symbols[s], self.snapshot.exchanges[buy], self.snapshot.exchanges[sell]
        since = self.memory.since.get(route)
        found.gap = found.verdict is Verdict.OK and since is not None and entry - found.cost >= self.least_bps
        if found.gap:
            assert since is not None
            touch = found.size
            behind = self._fill(found, long, short, expected)
            found.verdict = self._gap_reason(found, route, (s, buy, sell), since, expected, samples, behind)
            if found.verdict in BEFORE_BOOKS:  # the books of these are not walked
                found.size, found.walk, found.gainful = touch, 0.0, math.nan
        found.net = entry + found.walk + expected - found.cost
        found.actionable = (
            found.gap and found.verdict is Verdict.OK and found.size > 0.0 and found.net >= self.least_bps
        )
        return found

    def _book(self, leg: Leg) -> tuple[Side, Side, bool]:
        """Bids, asks, and whether they are more than the touch."""
        ladder = self.memory.ladders.get(leg.key)
        if ladder is not None and ladder.state == "live" and ladder.bids and ladder.asks:
            bid, ask = ladder.bids[0][0], ladder.asks[0][0]
            if abs(bid / leg.bid_price - 1) <= 2e-4 and abs(ask / leg.ask_price - 1) <= 2e-4:
                return ladder.bids, ladder.asks, True
        return [(leg.bid_price, leg.bid_size)], [(leg.ask_price, leg.ask_size)], False

    def _fill(self, found: Pair, long: Leg, short: Leg, expected: float) -> float:
        """Size, walk and what is gainful, coin by coin; returns the distance to the next level, NaN at the touch."""
        long_bids, asks, long_deep = self._book(long)
        bids, short_asks, short_deep = self._book(short)
        mid = (long_bids[0][0] + asks[0][0] + bids[0][0] + short_asks[0][0]) / 4
        cost = found.cost + (0.0 if math.isnan(expected) else max(0.0, -expected))
        margin = (self.least_bps + cost) / 1e4 * mid
        seen = min(sum(size for _, size in asks), sum(size for _, size in bids))
        # Up to the k-th ask: as many coins as bids that lie the margin above it, no more than the asks so far.
        gainful = max(
            min(sum(size for _, size in asks[: k + 1]), sum(size for bid, size in bids if bid - ask >= margin))
            for k, (ask, _) in enumerate(asks)
        )
        wanted = min(self.notional / mid, gainful if gainful > 0.0 else seen)
        limits = [leg.listed for leg in (long, short) if leg.listed is not None]
        lot = max((row.lot_size or 0.0 for row in limits if row.kind == "linear"), default=0.0)
        quantity = math.floor(wanted / lot + 1e-9) * lot if lot else wanted
        if quantity * mid < max(row.min_notional or 0.0 for row in limits):
            quantity = 0.0
        found.size, found.gainful, found.walk = quantity, gainful * mid, math.nan
        if quantity > 0.0:
            edge = (_walked(bids, quantity) - _walked(asks, quantity)) / quantity / mid * 1e4
            found.walk = edge - (bids[0][0] - asks[0][0]) / mid * 1e4
        if not (long_deep and short_deep):
            return math.nan
        return max(_behind(asks), _behind(bids))

    def _gap_reason(
        self,
        found: Pair,
        route: tuple[str, str, str],
        at: tuple[int, int, int],
        since: float,
        expected: float,
        samples: float,
        behind: float,
    ) -> Verdict:
        """The first thing wrong with a gap."""
        s, buy, sell = at
        limits, memory = self.limits, self.memory
        long, short = self.rows[s][buy], self.rows[s][sell]
        left = found.entry - found.cost
        if not self._told(at, since):
            return Verdict.STALE_LEG
        for leg in (long, short):
            closed = leg.listed is not None and leg.listed.asset_class is not AssetClass.CRYPTO
            if closed and not memory.open_now.get(leg.key, True) and memory.index_moved[leg.key] < since:
                return Verdict.OFF_HOURS_INDEX
        heard = [leg.funding_received_time for leg in (long, short)]
        if max(heard) - min(heard) > limits.anchor_apart_s or self.now - min(heard) > limits.anchor_age_s:
            return Verdict.ANCHOR_SKEWED
        for leg in (long, short):
            due = 2.0 * memory.anchor_gap_s.get(leg.key, math.inf) + 1.0
            if self.now - leg.funding_received_time > due:
                return Verdict.ANCHOR_SKEWED
        if route not in memory.jumped and min(heard) < since:
            return Verdict.ANCHOR_SKEWED
        good = [reason is Verdict.OK for reason in self.price_reasons(s)]
        middle = statistics.median(leg.mid for leg, fine in zip(self.rows[s], good, strict=True) if fine)
        for middles in memory.middles:
            if abs(middle / middles[route[0]] - 1) * 1e4 > limits.anchor_move_bps:
                return Verdict.ANCHOR_MOVING
        for leg in (long, short):
            for marks in memory.marks:
                if abs(leg.mark_price / marks[leg.key] - 1) * 1e4 > limits.anchor_move_bps:
                    return Verdict.ANCHOR_MOVING
        apart = abs((long.received_time - long.lag_s) - (short.received_time - short.lag_s))
        sigma = max(0.5, math.sqrt(memory.variance.get(route[0], 0.0)))
        if left < limits.sigmas * sigma * math.sqrt(apart):
            return Verdict.SKEWED_LEGS
        if samples < limits.exit_samples:
            return Verdict.NO_HISTORY
        fresh = ((short.bid_price / short.mark_price) / (long.ask_price / long.mark_price) - 1) * 1e4
        if fresh - found.cost < self.least_bps:
            return Verdict.STANDING_BASIS
        if left - (short.mark_price / long.mark_price - 1) * 1e4 < self.least_bps:
            return Verdict.STANDING_BASIS
        if left + expected < self.least_bps:
            return Verdict.STANDING_BASIS
        if found.gainful < limits.thin_below:
            return Verdict.THIN_BOOK
        widest = max(*(leg.spread_bps for leg in (long, short)),
                     *(memory.spread_bps.get(leg.key, 0.0) for leg in (long, short)))  # fmt: skip
        if (widest if math.isnan(behind) else behind) > limits.alone_bps:
            return Verdict.SINGLE_ORDER
        return Verdict.UNCONFIRMED if self.now - since < limits.reaction_s else Verdict.OK

    def _told(self, at: tuple[int, int, int], since: float) -> bool:
        s, buy, sell = at
        good = [reason is Verdict.OK for reason in self.price_reasons(s)]
        others = [leg.mid for e, leg in enumerate(self.rows[s]) if good[e] and e not in (buy, sell)]
        long, short = self.rows[s][buy], self.rows[s][sell]
        long_spoke, short_spoke = (leg.told_at >= since - 0.03 for leg in (long, short))
        if len(others) < 2:
            return long_spoke and short_spoke
        third = (short.bid_price - long.ask_price) / 3
        middle = statistics.median(others)
        long_is_off, short_is_off = middle - long.ask_price > third, short.bid_price - middle > third
        return (long_spoke or not long_is_off) and (short_spoke or not short_is_off)


def _walked(side: Side, quantity: float) -> float:
    total, left = 0.0, quantity
    for price, size in side:
        taken = min(size, left)
        total += price * taken
        left -= taken
    return total


def _behind(side: Side) -> float:
    return abs(side[1][0] - side[0][0]) / side[0][0] * 1e4 if len(side) > 1 else math.inf
