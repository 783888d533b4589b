"""How each figure of a pair comes about: its formula, its inputs and their ages, and every test with its limit.

Pure: what is said is what the pair was judged by. Source of the formulas: docs/decisions.md.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analytics.costs import CostParts, cost_parts
from analytics.fresh_edge import AGREEMENT, index_agreement, split_gap
from analytics.opportunities import One
from analytics.quality import MEANING, Limits, Verdict
from analytics.routes import books_of, routes_of
from analytics.size import curve
from analytics.spreads import BPS, row_median
from analytics.verdicts import PAIR_TESTS, Routes, drift_bps
from market.fees import fees_of

Number = float | None


@dataclass(frozen=True, slots=True)
class Input:
    """What goes into a figure. unit: '' for a count or a share. age_s: since it was received, None for what has no age.
    source: the exchange, 'yours', 'listing' or 'history'.
    """

    name: str
    value: Number
    unit: str
    age_s: Number = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure with the formula that gives it from its inputs. value None: not known."""

    name: str
    value: Number
    unit: str
    formula: str
    inputs: tuple[Input, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One test. state: passed, refused, or 'not asked' where an earlier one refused or there is no gap to be tested.

    found: what was looked at. limit: what it was held against.
    """

    verdict: Verdict
    meaning: str
    state: str
    found: tuple[Input, ...]
    limit: tuple[Input, ...] = ()


@dataclass(frozen=True, slots=True)
class SizePoint:
    """The average edge at a size. notional: quote currency; net_bps: None where the expected exit is not known."""

    notional: float
    gross_bps: float
    net_bps: Number


@dataclass(frozen=True, slots=True)
class Explanation:
    """A pair opened up. checks: in the order in which they run. curve: to where both books are known."""

    figures: tuple[Figure, ...]
    checks: tuple[Check, ...]
    curve: tuple[SizePoint, ...]


def explain(one: One) -> Explanation:
    """Open up one directed pair."""
    return Explanation(_figures(one), _checks(one), _curve(one))


def _curve(one: One) -> tuple[SizePoint, ...]:
    long, short = books_of(one.snapshot, one.context, 0, int(one.pairs.buy[0]), int(one.pairs.sell[0]))
    less = float(one.pairs.expected_exit[0] - one.pairs.cost[0])
    return tuple(
        SizePoint(fill.notional, fill.edge_bps, _known(fill.edge_bps + less))
        for fill in curve(long, short)
        if fill.notional == fill.notional
    )


def _known(value: float) -> Number:
    return float(value) if value == value and abs(value) != float("inf") else None


class _Legs:
    """Reads fields of both legs, with their ages."""

    def __init__(self, one: One) -> None:
        self.one = one
        self.grid = one.snapshot.grid
        self.columns = (int(one.pairs.buy[0]), int(one.pairs.sell[0]))
        self.names = tuple(self.grid.exchanges[e] for e in self.columns)

    def at(self, field: str, leg: int) -> float:
        return float(self.one.snapshot[field][0, self.columns[leg]])

    def input(self, name: str, field: str, leg: int, unit: str) -> Input:
        received = "funding_received_time" if field in _ANCHORED else "received_time"
        age = _known(self.one.time - self.at(received, leg))
        return Input(name, _known(self.at(field, leg)), unit, age, self.names[leg])

    @property
    def quote(self) -> str:
        return self.grid.instruments[self.names[0], self.grid.symbols[0]].quote

    @property
    def base(self) -> str:
        return self.grid.instruments[self.names[0], self.grid.symbols[0]].base


_ANCHORED = ("mark_price", "index_price", "funding_rate", "funding_interval_h", "next_funding_time")


def _figures(one: One) -> tuple[Figure, ...]:
    legs, pairs, terms = _Legs(one), one.pairs, one.context.terms
    price = f"{legs.quote} per {legs.base}"
    numbers = {name: float(getattr(pairs, name)[0]) for name in _NUMBERS}
    quotes = (
        legs.input("ask of the long leg", "ask_price", 0, price),
        legs.input("bid of the short leg", "bid_price", 1, price),
        legs.input("bid of the long leg", "bid_price", 0, price),
        legs.input("ask of the short leg", "ask_price", 1, price),
    )
    gross = Figure(
        "gross edge",
        _known(numbers["entry"]),
        "bps",
        "1e4 × (bid of short − ask of long) / mean of the two mids",
        quotes,
    )
    samples = Input("samples", _known(numbers["exit_samples"]), "", None, "history")
    exit_ = Figure(
        "expected exit",
        _known(numbers["expected_exit"]),
        "bps",
        "median over the last half hour of 1e4 × (bid of long − ask of short) / mean of the two mids",
        (samples,),
    )
    cost = _cost(one, legs)
    walk = Figure(
        "book walk",
        _known(numbers["walk"]),
        "bps",
        "edge of the average prices at the size less the edge at the touch",
        (
            Input("size", _known(numbers["size"]), legs.base),
            Input("visible depth ends at", _known(numbers["visible"]), legs.quote, None, _books(pairs.touch_only[0])),
        ),
    )
    net = Figure(
        "net edge",
        _known(numbers["net"]),
        "bps",
        "gross edge + book walk + expected exit − cost",
        tuple(Input(figure.name, figure.value, "bps") for figure in (gross, walk, exit_, cost)),
    )
    size = Figure(
        "size",
        _known(numbers["size"]),
        legs.base,
        "coins of my notional that each gain at least the minimum, rounded down to the coarser lot",
        (
            Input("my notional", terms.notional, legs.quote, None, "yours"),
            Input("minimum net edge", terms.min_net_bps, "bps", None, "yours"),
            legs.input("coins at the long leg's ask", "ask_size", 0, legs.base),
            legs.input("coins at the short leg's bid", "bid_size", 1, legs.base),
        ),
    )
    profit = Figure(
        "profit",
        _known(numbers["profit"]),
        legs.quote,
        "size × mean of the two mids × net edge / 1e4",
        (Input("notional", _known(numbers["notional"]), legs.quote), Input("net edge", _known(numbers["net"]), "bps")),
    )
    capacity = Figure(
        "capacity",
        _known(numbers["capacity"]),
        legs.quote,
        "largest notional whose average net edge is still at the minimum, both books merged level by level",
        (Input("visible depth ends at", _known(numbers["visible"]), legs.quote, None, _books(pairs.touch_only[0])),),
    )
    return net, gross, walk, exit_, cost, _fresh(one, legs, price), size, profit, capacity, _carry(one, legs)


_NUMBERS = (
    "entry", "walk", "expected_exit", "exit_samples", "net", "size", "notional", "profit", "capacity", "visible",
    "carry_8h",
)  # fmt: skip


def _books(touch_only: bool) -> str:
    return "touch only" if touch_only else "both books"


def _cost(one: One, legs: _Legs) -> Figure:
    grid, pairs, costs = legs.grid, one.pairs, one.context.terms.costs
    parts: CostParts = cost_parts(grid.taker_fee_bps, grid.maker_fee_bps, pairs.symbol, pairs.buy, pairs.sell, costs)
    fees = []
    for fill, leg, word in zip(
        costs.fills, (0, 1, 0, 1), ("long in", "short in", "long out", "short out"), strict=True
    ):
        matrix = grid.taker_fee_bps if fill == "taker" else grid.maker_fee_bps
        instrument = grid.instruments[legs.names[leg], grid.symbols[0]]
        source = f"{legs.names[leg]}, {fees_of(instrument, one.context.terms.fees).source}"
        fees.append(Input(f"{fill} fee, {word}", _known(matrix[0, legs.columns[leg]]), "bps", None, source))
    reserve = Input("slippage reserve", _known(parts.reserve[0]), "bps", None, "yours")
    return Figure("cost", _known(pairs.cost[0]), "bps", "four fills + reserve", (*fees, reserve))


def _fresh(one: One, legs: _Legs, price: str) -> Figure:
    names = (
        ("ask_price", 0),
        ("bid_price", 1),
        ("mark_price", 0),
        ("mark_price", 1),
        ("index_price", 0),
        ("index_price", 1),
    )
    split = split_gap(*(one.snapshot[field][:, legs.columns[leg]] for field, leg in names))
    shares = (("index gap", split.index_gap), ("premium gap", split.premium_gap), ("whole gap", split.gap))
    return Figure(
        "fresh edge",
        _known(split.fresh_edge[0] * BPS),
        "bps",
        "1 + gap = (1 + index gap) × (1 + premium gap) × (1 + fresh edge)",
        (
            legs.input("mark of the long leg", "mark_price", 0, price),
            legs.input("mark of the short leg", "mark_price", 1, price),
            legs.input("index of the long leg", "index_price", 0, price),
            legs.input("index of the short leg", "index_price", 1, price),
            *(Input(name, _known(value[0] * BPS), "bps") for name, value in shares),
        ),
    )


def _carry(one: One, legs: _Legs) -> Figure:
    inputs = []
    for leg, word in enumerate(("long", "short")):
        inputs += [
            legs.input(f"funding rate, {word}", "funding_rate", leg, "fraction per interval"),
            legs.input(f"interval, {word}", "funding_interval_h", leg, "h"),
            legs.input(f"next settlement, {word}", "next_funding_time", leg, "epoch s"),
        ]
    formula = "8 × 1e4 × (rate / interval of short − rate / interval of long)"
    return Figure("carry in 8 h", _known(one.pairs.carry_8h[0]), "bps", formula, tuple(inputs))


# -- tests -----------------------------------------------------------------------------------------------------


def _checks(one: One) -> tuple[Check, ...]:
    legs, limits = _Legs(one), one.context.limits
    verdict = Verdict(int(one.pairs.verdict[0]))
    gap = bool(one.pairs.gap[0])  # only of what the quotes themselves let through
    of_legs = Verdict.OK if gap else verdict
    checks = [_check(test, found(legs), limit(limits), of_legs, _LEG_ORDER) for test, found, limit in _LEG_CHECKS]
    order = [test for test, _ in PAIR_TESTS]
    routes = routes_of(one.snapshot, one.time, one.found, one.context, one.pairs) if gap else None
    for test in order:
        found, limit = _pair_evidence(test, routes, limits) if routes is not None else ((), ())
        if routes is None:
            checks.append(Check(test, MEANING[test], "not asked", found, limit))
        else:
            checks.append(_check(test, found, limit, verdict, order))
    return tuple(checks)


def _check(
    test: Verdict, found: tuple[Input, ...], limit: tuple[Input, ...], verdict: Verdict, order: list[Verdict]
) -> Check:
    """What became of a test, given the one verdict: what stands before it in its order was passed."""
    if verdict is test:
        state = "refused"
    elif verdict in order and order.index(verdict) < order.index(test):
        state = "not asked"
    else:
        state = "passed"
    return Check(test, MEANING[test], state, found, limit)


def _both(name: str, field: str, unit: str) -> Callable[[_Legs], tuple[Input, ...]]:
    return lambda legs: tuple(legs.input(f"{name}, {word}", field, i, unit) for i, word in enumerate(("long", "short")))


def _ages(legs: _Legs) -> tuple[Input, ...]:
    return tuple(
        Input(f"age, {word}", _known(legs.one.time - legs.at("received_time", i)), "s", None, legs.names[i])
        for i, word in enumerate(("long", "short"))
    )


def _flag(name: str, attribute: str) -> Callable[[_Legs], tuple[Input, ...]]:
    return lambda legs: tuple(
        Input(f"{name}, {word}", float(getattr(legs.grid, attribute)[0, legs.columns[i]]), "", None, legs.names[i])
        for i, word in enumerate(("long", "short"))
    )


def _off_mark(legs: _Legs) -> tuple[Input, ...]:
    found = []
    for i, (word, field) in enumerate((("long", "ask_price"), ("short", "bid_price"))):
        off = legs.at(field, i) / legs.at("mark_price", i) - 1.0
        found.append(Input(f"quote over mark, {word}", _known(off * BPS), "bps", None, legs.names[i]))
    return tuple(found)


def _fees(legs: _Legs) -> tuple[Input, ...]:
    return (Input("cost of four fills", _known(legs.one.pairs.cost[0]), "bps", None, "yours"),)


def _index_age(legs: _Legs) -> tuple[Input, ...]:
    moved = legs.one.context.usual.index_moved
    return tuple(
        Input(f"index stands for, {word}", _known(legs.one.time - moved[0, legs.columns[i]]), "s", None, legs.names[i])
        for i, word in enumerate(("long", "short"))
    )


def _entry(legs: _Legs) -> tuple[Input, ...]:
    return (Input("gross edge", _known(legs.one.pairs.entry[0]), "bps"),)


def _indices(legs: _Legs) -> tuple[Input, ...]:
    index = legs.one.snapshot["index_price"]
    median = float(row_median(index)[0])
    off = tuple(
        Input(f"index off the median, {word}", _known((legs.at("index_price", i) / median - 1.0) * BPS), "bps",
              _known(legs.one.time - legs.at("funding_received_time", i)), legs.names[i])
        for i, word in enumerate(("long", "short"))
    )  # fmt: skip
    known = float(np.sum(~np.isnan(index)))
    return *off, Input(f"indices compared: {AGREEMENT[int(index_agreement(index)[0])]}", known, "")


def _nothing(_limits: Limits) -> tuple[Input, ...]:
    return ()


_LEG_CHECKS: tuple[tuple[Verdict, Callable[[_Legs], tuple[Input, ...]], Callable[[Limits], tuple[Input, ...]]], ...] = (
    (Verdict.NOT_PAIRED, _flag("may be paired", "pairable"), _nothing),
    (Verdict.DERIVED_VENUE, _flag("repeats another exchange", "relay"), _nothing),
    (Verdict.NOT_TRADING, _flag("trades", "trading"), _nothing),
    (Verdict.NO_QUOTE, _both("bid", "bid_price", ""), _nothing),
    (Verdict.FEED_LOST, _both("fed", "live", ""), _nothing),
    (Verdict.STALE_LEG, _ages, lambda limits: (Input("at most", limits.stale_after_s, "s"),)),
    (Verdict.LAGGING, _both("late by", "lag_s", "s"), lambda limits: (Input("at most", limits.max_lag_s, "s"),)),
    (Verdict.ONE_SIDED, _both("ask", "ask_price", ""), _nothing),
    (Verdict.CROSSED, _both("bid", "bid_price", ""), _nothing),
    (
        Verdict.DIFFERENT_ASSET,
        _indices,
        lambda limits: (Input("within", limits.same_asset_within * BPS, "bps"),),
    ),
    (Verdict.FEE_UNKNOWN, _fees, _nothing),
    (Verdict.INTERVAL_UNKNOWN, _both("interval", "funding_interval_h", "h"), _nothing),
    (Verdict.ANCHOR_MISSING, _both("mark", "mark_price", ""), _nothing),
    (Verdict.PRICE_BAND, _off_mark, _nothing),
    (
        Verdict.OFF_HOURS_INDEX,
        _index_age,
        lambda limits: (Input("of what is no coin, at most", limits.index_stands_s, "s"),),
    ),
    (Verdict.IMPLAUSIBLE, _entry, lambda limits: (Input("under", limits.implausible_above * BPS, "bps"),)),
)
_LEG_ORDER = [test for test, _, _ in _LEG_CHECKS]


def _pair_evidence(test: Verdict, routes: Routes, limits: Limits) -> tuple[tuple[Input, ...], tuple[Input, ...]]:
    """What a test of pairs looked at and held it against."""

    def of(name: str, column: str, unit: str) -> Input:
        return Input(name, _known(float(getattr(routes, column)[0])), unit)

    found: tuple[Input, ...]
    left = _known(float(routes.gross[0] - routes.cost[0]))
    match test:
        case Verdict.STALE_LEG:
            return (of("spoke since the gap opened", "told", ""),), ()
        case Verdict.ANCHOR_SKEWED:
            found = (
                of("marks read apart", "anchor_apart", "s"),
                of("older mark", "anchor_age", "s"),
                of("jumped, or marks read since", "anchored", ""),
            )
            due = float(np.fmin(routes.anchor_due[0], limits.anchor_age_s))
            return found, (Input("at most", limits.anchor_apart_s, "s"), Input("at most", due, "s"))
        case Verdict.OFF_HOURS_INDEX:
            return (of("indices of closed markets moved since the gap opened", "index_told", ""),), ()
        case Verdict.ANCHOR_MOVING:
            return (of("marks or prices moved", "anchor_move", "bps"),), (
                Input("at most", limits.anchor_move_bps, "bps"),
            )
        case Verdict.SKEWED_LEGS:
            drift = _known(float(drift_bps(routes, limits)[0]))
            return (of("quotes apart", "apart", "s"), Input("left after costs", left, "bps")), (
                Input("over", drift, "bps"),
            )
        case Verdict.NO_HISTORY:
            return (of("samples", "exit_samples", ""),), (Input("at least", float(limits.exit_samples), ""),)
        case Verdict.STANDING_BASIS:
            usual = _known(float(routes.gross[0] + routes.usual_exit[0]))
            least = _known(float(routes.cost[0] + routes.least))
            basis = _known(float(routes.gross[0] - routes.basis[0]))
            found = (
                of("fresh edge", "fresh", "bps"),
                Input("less the marks' gap", basis, "bps"),
                Input("less the usual exit", usual, "bps"),
            )
            return found, (Input("over", least, "bps"),)
        case Verdict.THIN_BOOK:
            return (of("fills at a gain", "gainful", "quote"),), (Input("at least", limits.thin_below, "quote"),)
        case Verdict.SINGLE_ORDER:
            found = (of("next level", "behind", "bps"), of("quoted spread", "spread", "bps"))
            return found, (Input("within", limits.alone_bps, "bps"),)
        case _:
            found = of("nothing else against it for", "age", "s"), of("its exchange silent for", "silence", "s")
            react, silent = Input("at least", limits.reaction_s, "s"), _known(float(routes.silence_due[0]))
            return found, (react,) if silent is None else (react, Input("at most", silent, "s"))
