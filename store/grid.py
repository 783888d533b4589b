"""The axes of the live snapshot, and what the listings say of each contract on them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.fees import FeeChoice, fees_of
from market.models import AssetClass, Instrument, Pairing, Status

Matrix = NDArray[np.float64]
NAN: Final = float("nan")


@dataclass(frozen=True)
class Grid:
    """Who lists what: the axes of a snapshot and what the listings say, all of one moment.

    symbols, exchanges: the axes. instruments: by (exchange, symbol). Matrices have shape (S, E):
    listed, trading, pairable: booleans. relay: repeats another exchange's book. in_doubt: pairable, but only once its
    price agrees. crypto: the asset's market never closes. continuous: funding is paid without pause. taker_fee_bps,
    maker_fee_bps [bps], tick_size [quote per coin], lot_size [coins], min_notional [quote], price_band [fraction of the
    mark]: NaN where not listed or not known.
    """

    symbols: tuple[str, ...]
    exchanges: tuple[str, ...]
    instruments: Mapping[tuple[str, str], Instrument]
    listed: NDArray[np.bool_]
    trading: NDArray[np.bool_]
    pairable: NDArray[np.bool_]
    relay: NDArray[np.bool_]
    in_doubt: NDArray[np.bool_]
    crypto: NDArray[np.bool_]
    continuous: NDArray[np.bool_]
    taker_fee_bps: Matrix
    maker_fee_bps: Matrix
    tick_size: Matrix
    lot_size: Matrix
    min_notional: Matrix
    price_band: Matrix
    symbol_index: Mapping[str, int]
    exchange_index: Mapping[str, int]

    def kept(self, old: "Grid") -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Where the symbols that an older grid has, too, stand on this one and on that one, shape (K,) each."""
        symbols = [symbol for symbol in self.symbols if symbol in old.symbol_index]
        here = np.array([self.symbol_index[symbol] for symbol in symbols], dtype=np.intp)
        return here, np.array([old.symbol_index[symbol] for symbol in symbols], dtype=np.intp)

    def rows(self, index: NDArray[np.intp]) -> "Grid":
        """The grid of some rows only, as `index` orders them; `symbol_index` stays that of the whole grid."""
        cut = {name: getattr(self, name).take(index, 0) for name in _MATRICES}  # a third of what [index] takes
        return replace(self, symbols=tuple(self.symbols[i] for i in index.tolist()), **cut)


_FLAGS: Final = ("listed", "trading", "pairable", "relay", "in_doubt", "crypto", "continuous")
_NUMBERS: Final = ("taker_fee_bps", "maker_fee_bps", "tick_size", "lot_size", "min_notional", "price_band")
_MATRICES: Final = _FLAGS + _NUMBERS


def build_grid(exchanges: Sequence[str], instruments: Iterable[Instrument], choice: FeeChoice | None = None) -> Grid:
    """Lay out the axes: symbols in alphabetical order, exchanges as given.

    choice: what the user says about fees; by default the published ones.
    """
    choice = choice or FeeChoice()
    by_key = {(instrument.exchange, instrument.symbol): instrument for instrument in instruments}
    symbols = tuple(sorted({symbol for _, symbol in by_key}))
    symbol_index = {symbol: i for i, symbol in enumerate(symbols)}
    exchange_index = {exchange: i for i, exchange in enumerate(exchanges)}
    shape = (len(symbols), len(exchanges))
    grid = Grid(
        symbols=symbols,
        exchanges=tuple(exchanges),
        instruments=by_key,
        symbol_index=symbol_index,
        exchange_index=exchange_index,
        **{name: np.zeros(shape, dtype=bool) for name in _FLAGS},
        **{name: np.full(shape, NAN) for name in _NUMBERS},
    )
    for (exchange, symbol), instrument in by_key.items():
        cell = symbol_index[symbol], exchange_index[exchange]
        grid.listed[cell] = True
        grid.trading[cell] = instrument.status is Status.TRADING
        grid.pairable[cell] = instrument.pairing in (Pairing.OK, Pairing.CHECK) and instrument.kind != "quanto"
        grid.relay[cell] = instrument.pairing is Pairing.RELAY
        grid.in_doubt[cell] = instrument.pairing is Pairing.CHECK
        grid.continuous[cell] = instrument.continuous_funding
        grid.crypto[cell] = instrument.asset_class is AssetClass.CRYPTO
        fees = fees_of(instrument, choice)
        grid.taker_fee_bps[cell], grid.maker_fee_bps[cell] = _number(fees.taker_bps), _number(fees.maker_bps)
        grid.tick_size[cell] = _number(instrument.tick_size)
        grid.min_notional[cell] = _number(instrument.min_notional)
        grid.price_band[cell] = _number(instrument.price_band)
        if instrument.kind == "linear":
            grid.lot_size[cell] = _number(instrument.lot_size)
    for name in _MATRICES:
        getattr(grid, name).flags.writeable = False  # shared by every reader
    return grid


def with_fees(grid: Grid, choice: FeeChoice) -> Grid:
    """The same grid as it costs another user."""
    taker, maker = np.full(grid.listed.shape, NAN), np.full(grid.listed.shape, NAN)
    for (exchange, symbol), instrument in grid.instruments.items():
        if symbol in grid.symbol_index:
            fees = fees_of(instrument, choice)
            cell = grid.symbol_index[symbol], grid.exchange_index[exchange]
            taker[cell], maker[cell] = _number(fees.taker_bps), _number(fees.maker_bps)
    taker.flags.writeable = maker.flags.writeable = False
    return replace(grid, taker_fee_bps=taker, maker_fee_bps=maker)


def _number(value: float | None) -> float:
    return NAN if value is None else value
