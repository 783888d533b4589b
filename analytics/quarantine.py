"""Contracts whose price does not belong to their symbol: a new name, another coin, a redenomination, a delisting.

`different_asset` refuses such a quote at once, and forgets it at once. What stays off for minutes is held here until
it has agreed for minutes, so that a price that merely passes by makes no opportunity. Source of the times: the venue
notes on symbol normalisation, section 9 (read 2026-10). They begin at 10 % off, where this begins as soon as the price
is not believed: the price of another coin that is 2 % off passes by soonest.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analytics.quality import OK, PRICE_TESTS, Codes, Limits, asset_reference
from analytics.spreads import row_middles
from store.grid import Grid
from store.snapshot import Snapshot

HELD_AFTER_S = 300.0
RELEASED_AFTER_S = 600.0


@dataclass(frozen=True, slots=True)
class Misfit:
    """A contract whose reference price is off. ratio: over the median of its symbol; of two, over the other one.

    since: when it was first off. held_since: when it was put into quarantine, None if it is not. agrees_since:
    since when a held one has agreed with the others, None if it does not. Epoch s.
    """

    exchange: str
    symbol: str
    ratio: float
    since: float
    held_since: float | None = None
    agrees_since: float | None = None


class Quarantine:
    """Follows what is off. One writer; `misfits` is replaced as a whole."""

    def __init__(self) -> None:
        self.misfits: dict[tuple[str, str], Misfit] = {}

    def mask(self, grid: Grid) -> NDArray[np.bool_]:
        """Which contracts are held, shape (S, E)."""
        held = np.zeros(grid.listed.shape, dtype=bool)
        for (exchange, symbol), misfit in self.misfits.items():
            if misfit.held_since is not None and (exchange, symbol) in grid.instruments:
                held[grid.symbol_index[symbol], grid.exchange_index[exchange]] = True
        return held

    def observe(self, snapshot: Snapshot, verdicts: Codes, limits: Limits, now: float) -> list[Misfit]:
        """Look at all prices once. Returns those that have just been put into quarantine or let out of it."""
        usable = (verdicts == OK) | (verdicts >= PRICE_TESTS)
        reference = asset_reference(snapshot["index_price"], snapshot["mark_price"], usable)
        ratio = _ratio(reference)
        with np.errstate(invalid="ignore"):
            off = np.maximum(ratio, 1.0 / ratio) - 1.0
        grid, before = snapshot.grid, self.misfits
        after = {key: misfit for key, misfit in before.items() if key in grid.instruments}
        for s, e in zip(*np.nonzero(off > limits.same_asset_within), strict=True):
            key = grid.exchanges[e], grid.symbols[s]
            after.setdefault(key, Misfit(*key, float(ratio[s, e]), now))
        changed = []
        for key, misfit in list(after.items()):
            cell = grid.symbol_index[key[1]], grid.exchange_index[key[0]]
            if np.isnan(off[cell]):
                after[key] = replace(misfit, agrees_since=None)  # nothing to compare with: what is held stays held
                continue
            moved = _moved(replace(misfit, ratio=float(ratio[cell])), float(off[cell]), limits.same_asset_within, now)
            if moved is None:
                del after[key]
            else:
                after[key] = moved
            if misfit.held_since is not None and moved is None:
                changed.append(replace(misfit, ratio=float(ratio[cell]), held_since=None))
            elif moved is not None and moved.held_since is not None and misfit.held_since is None:
                changed.append(moved)
        self.misfits = after
        return changed

    def forget(self, exchange: str, symbol: str) -> None:
        """Drop what is known of a contract, because its name or unit now means another thing."""
        self.misfits = {key: misfit for key, misfit in self.misfits.items() if key != (exchange, symbol)}

    def __iter__(self) -> Iterator[Misfit]:
        return iter(self.misfits.values())


def _moved(misfit: Misfit, off: float, agrees_within: float, now: float) -> Misfit | None:
    """The misfit after one more look; None once there is nothing against it any more."""
    if misfit.held_since is None:
        if off <= agrees_within:
            return None
        return replace(misfit, held_since=now) if now - misfit.since >= HELD_AFTER_S else misfit
    if off > agrees_within:
        return replace(misfit, agrees_since=None)
    since = now if misfit.agrees_since is None else misfit.agrees_since
    return None if now - since >= RELEASED_AFTER_S else replace(misfit, agrees_since=since)


def _ratio(reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each reference over the median of its row, or where that is itself in doubt (of two) over the other one."""
    low, high = row_middles(reference)
    with np.errstate(invalid="ignore", divide="ignore"):
        over_low, over_high = reference / low[:, None], reference / high[:, None]
        further: NDArray[np.bool_] = np.abs(np.log(over_low)) > np.abs(np.log(over_high))
    ratio: NDArray[np.float64] = np.where(further, over_low, over_high)
    return ratio
