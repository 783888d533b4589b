"""Quote families side by side: contracts in USDT, USDC and dollars, linear and inverse, once they are in one currency.

A stablecoin that moves by 10 bps makes a gap of 10 bps between two families that nobody can earn, so they are compared
only after conversion with a live rate whose source and age are shown. The rates come from what is there already: an
exchange publishes an index of one coin in dollars and one in USDT, from mostly the same spot markets, and the one over
the other is what a USDT is worth. A family is what follows the dash of a symbol: USDT, USDC, USD (coin-margined),
USD_UM (docs/decisions.md, 'Names').

An inverse contract is paid in its coin: N dollars of it are hedged by N / P0 coins, and what is posted as collateral
is itself long the coin. Quanto contracts are shown and never paired.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from statistics import median
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from analytics.spreads import BPS, mid_price
from store.grid import Grid
from store.snapshot import INDEX, Snapshot

Mask = NDArray[np.bool_]
Ints = NDArray[np.intp]

BASES: Final = ("BTC", "ETH", "SOL", "XRP")  # whose indices have the most markets behind them
CROSS: Final = "USDC-USDT"
MAX_AGE_S: Final = 15.0  # of an index or quote behind a rate
APART_S: Final = 5.0  # between the two indices of a ratio: the coin moves meanwhile
AGREE_WITHIN_BPS: Final = 10.0
LEAST_RATIOS: Final = 2  # a ratio that nothing confirms is no rate

_IN_QUOTE: Final = ("bid_price", "ask_price", "mark_price", "index_price", "last_price", "turnover_24h")
_GRID_IN_QUOTE: Final = frozenset({"tick_size", "min_notional"})


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit of a currency is worth in another.

    value: None if it cannot be said, then `reason` says why. source: in words. n: ratios behind it. age_s: of the
    oldest index or quote behind it, None without any. spread_bps: highest less lowest ratio, None without any.
    """

    currency: str
    into: str
    value: float | None
    source: str
    n: int
    age_s: float | None
    spread_bps: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Ratio:
    """What an exchange says a currency is worth. of: the base of the two indices, or `CROSS`."""

    exchange: str
    of: str
    value: float
    age_s: float

    def __str__(self) -> str:
        return f"{self.exchange} {self.of} ({self.value:.5f})"


def conversion_rates(snapshot: Snapshot, now: float, usable: Mask) -> dict[str, Rate]:
    """Dollars per USDT and per USDC, each the median of what several exchanges and bases say.

    Args:
        snapshot: What is known.
        now: [epoch s]
        usable: Quotes whose price is good, shape (S, E).

    Returns:
        A rate for both currencies. One without a value must not be used: too few ratios came in time, or they do not
        agree.
    """
    usdt = _rate("USDT", _index_ratios(snapshot, now, usable, "USDT"))
    crossed = _crossed_ratios(snapshot, now, usable, usdt)
    return {"USDT": usdt, "USDC": _rate("USDC", [*_index_ratios(snapshot, now, usable, "USDC"), *crossed])}


def _index_ratios(snapshot: Snapshot, now: float, usable: Mask, currency: str) -> list[_Ratio]:
    """Index in dollars over index in the currency, of each exchange and base that has both."""
    row = {symbol: i for i, symbol in enumerate(snapshot.symbols)}
    index, told = snapshot["index_price"], snapshot["funding_received_time"]
    ratios = []
    for e, exchange in enumerate(snapshot.exchanges):
        found = []
        for base in BASES:
            dollars, other = row.get(f"{base}-USD"), row.get(f"{base}-{currency}")
            if dollars is None or other is None or not (usable[dollars, e] and usable[other, e]):
                continue
            value = float(index[dollars, e] / index[other, e])
            age_s = now - float(min(told[dollars, e], told[other, e]))
            apart_s = abs(float(told[dollars, e] - told[other, e]))
            if value > 0.0 and age_s <= MAX_AGE_S and apart_s <= APART_S:
                found.append(_Ratio(exchange, base, value, age_s))
        if any(ratio.value != 1.0 for ratio in found):  # else one index serves both families, and says nothing
            ratios += found
    return ratios


def _crossed_ratios(snapshot: Snapshot, now: float, usable: Mask, usdt: Rate) -> list[_Ratio]:
    """What the contracts of USDC in USDT say of USDC, once USDT is known in dollars."""
    if usdt.value is None or usdt.age_s is None or CROSS not in snapshot.symbols:
        return []
    s = snapshot.symbols.index(CROSS)
    values = mid_price(snapshot["bid_price"][s], snapshot["ask_price"][s]) * usdt.value
    ages = snapshot.age_s(now)[s]
    return [
        _Ratio(exchange, CROSS, float(values[e]), max(float(ages[e]), usdt.age_s))
        for e, exchange in enumerate(snapshot.exchanges)
        if usable[s, e] and values[e] > 0.0 and ages[e] <= MAX_AGE_S
    ]


def _rate(currency: str, ratios: Sequence[_Ratio]) -> Rate:
    if not ratios:
        reason = f"no exchange has a fresh index of one coin in USD and in {currency}"
        return Rate(currency, "USD", None, "", 0, None, None, reason)
    value = median(ratio.value for ratio in ratios)
    low, high = (choose(ratios, key=lambda ratio: ratio.value) for choose in (min, max))
    spread_bps = (high.value - low.value) / value * BPS
    reason = ""
    if len(ratios) < LEAST_RATIOS:
        reason = f"nothing confirms {low}"
    elif spread_bps > AGREE_WITHIN_BPS:
        reason = f"{low} and {high} are {spread_bps:.1f} bps apart"
    return Rate(
        currency=currency,
        into="USD",
        value=None if reason else value,
        source=_source(currency, ratios),
        n=len(ratios),
        age_s=max(ratio.age_s for ratio in ratios),
        spread_bps=spread_bps,
        reason=reason,
    )


def _source(currency: str, ratios: Iterable[_Ratio]) -> str:
    """'index in USD over index in USDC: okx BTC ETH; mid of USDC-USDT: bybit'."""
    bases: dict[str, list[str]] = {}
    crossed = []
    for ratio in ratios:
        if ratio.of == CROSS:
            crossed.append(ratio.exchange)
        else:
            bases.setdefault(ratio.exchange, []).append(ratio.of)
    parts = []
    if bases:
        named = ", ".join(f"{exchange} {' '.join(of)}" for exchange, of in bases.items())
        parts.append(f"index in USD over index in {currency}: {named}")
    if crossed:
        parts.append(f"mid of {CROSS}: {', '.join(crossed)}")
    return "; ".join(parts)


def worth(symbol: str, rates: Mapping[str, Rate], into: str = "USD") -> float | None:
    """What one unit of a symbol's quote currency is worth in another one; None if a rate is missing."""
    dollars = {"USD": 1.0} | {currency: rate.value for currency, rate in rates.items()}
    have, want = dollars.get(_family(symbol).partition("_")[0]), dollars.get(into)
    return None if have is None or want is None else have / want


def converted(snapshot: Snapshot, rates: Mapping[str, Rate], into: str = "USD") -> Snapshot:
    """The same market with a row for each base and a column for each family of an exchange, in one currency.

    Rows are called 'BTC-USD*' (the star: converted), columns 'okx/USDT'. A row has at least two families: what has only
    one is compared as it is. Families whose currency has no rate are left out. Prices, turnovers, ticks and smallest
    orders are multiplied by the rate, sizes are coins as they were. The grid's instruments are the contracts as listed,
    in their own names and units. Shares meet only shares, as their base says so ('ON.EQ').
    """
    old, place = snapshot.grid, _placed(snapshot.grid, rates, into)
    at, was = (place.row, place.column), (place.s, place.e)
    data = np.full((len(snapshot.data), len(place.rows), len(place.columns)), np.nan)
    data[INDEX["live"]] = 0.0
    data[:, *at] = snapshot.data[:, *was]
    for name in _IN_QUOTE:
        data[INDEX[name]][at] *= place.factor
    data.flags.writeable = False
    times = {name: getattr(snapshot, name)[place.column_exchange] for name in ("floor_s", "heard_at", "pause_s")}
    keys = zip(place.column.tolist(), place.row.tolist(), place.e.tolist(), place.s.tolist(), strict=True)
    grid = replace(
        old,
        symbols=place.rows,
        exchanges=place.columns,
        instruments={
            (place.columns[column], place.rows[row]): old.instruments[old.exchanges[e], old.symbols[s]]
            for column, row, e, s in keys
        },
        symbol_index={name: i for i, name in enumerate(place.rows)},
        exchange_index={name: i for i, name in enumerate(place.columns)},
        **_matrices(old, place),
    )
    return replace(snapshot, grid=grid, data=data, **times)


def inverse(grid: Grid) -> Mask:
    """Which contracts are inverse, shape (S, E): paid in their coin, and with collateral that is long it."""
    flags = np.zeros((len(grid.symbols), len(grid.exchanges)), dtype=bool)
    for s, e in np.argwhere(grid.listed).tolist():
        flags[s, e] = grid.instruments[grid.exchanges[e], grid.symbols[s]].kind == "inverse"
    return flags


def inverse_hedge_coins(notional_usd: float, price: float) -> float:
    """Coins that hedge an inverse position: N / P0.

    notional_usd: its contracts' dollars. price: at which it was opened. [USD per coin] The coins posted as collateral
    are a long position of their own, on top of it.
    """
    return notional_usd / price


@dataclass(frozen=True, slots=True)
class _Placed:
    """Where the contracts go: each from (s, e) to (row, column), its prices times a factor; all of one length.

    column_exchange: the exchange of each column.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    column_exchange: Ints
    s: Ints
    e: Ints
    row: Ints
    column: Ints
    factor: NDArray[np.float64]


def _placed(grid: Grid, rates: Mapping[str, Rate], into: str) -> _Placed:
    """The contracts of all bases that are quoted in at least two families with a rate."""
    of_base: dict[str, list[int]] = {}
    factor = np.full(len(grid.symbols), np.nan)
    for i, symbol in enumerate(grid.symbols):
        if (value := worth(symbol, rates, into)) is not None:
            factor[i] = value
            of_base.setdefault(_base(symbol), []).append(i)
    bases = sorted(base for base, members in of_base.items() if len(members) > 1)
    families = sorted({_family(grid.symbols[i]) for base in bases for i in of_base[base]})
    row_of, family_of = np.full((2, len(grid.symbols)), -1)
    for row, base in enumerate(bases):
        for i in of_base[base]:
            row_of[i], family_of[i] = row, families.index(_family(grid.symbols[i]))

    s, e = np.nonzero(grid.listed & (row_of >= 0)[:, None])
    found, column = np.unique(e * len(families) + family_of[s], return_inverse=True)
    exchange, family = np.divmod(found, max(len(families), 1))
    names = zip(exchange.tolist(), family.tolist(), strict=True)
    return _Placed(
        rows=tuple(f"{base}-{into}*" for base in bases),
        columns=tuple(f"{grid.exchanges[x]}/{families[f]}" for x, f in names),
        column_exchange=exchange,
        s=s,
        e=e,
        row=row_of[s],
        column=column,
        factor=factor[s],
    )


def _matrices(grid: Grid, place: _Placed) -> dict[str, Any]:
    """Every matrix of a grid, whichever it has, laid out anew: False or NaN where nothing is listed."""
    shape = (len(place.rows), len(place.columns))
    laid: dict[str, Any] = {}
    for field in fields(grid):
        old = getattr(grid, field.name)
        if not isinstance(old, np.ndarray) or old.shape != grid.listed.shape:
            continue
        values = old[place.s, place.e]
        new = np.full(shape, False if old.dtype == bool else np.nan, dtype=old.dtype)
        new[place.row, place.column] = values * place.factor if field.name in _GRID_IN_QUOTE else values
        new.flags.writeable = False
        laid[field.name] = new
    return laid


def _base(symbol: str) -> str:
    return symbol.rpartition("-")[0]


def _family(symbol: str) -> str:
    return symbol.rpartition("-")[2]
