"""Every kind of plant: one that is real, and the fakes that look like it."""

from simulator.plants.anchors import (
    anchor_moving,
    anchor_skewed,
    off_hours_index,
    same_ticker,
    standing_basis,
    wrong_multiplier,
)
from simulator.plants.books import (
    anchor_missing,
    dead_quote,
    fee_unknown,
    flicker,
    halted,
    implausible,
    interval_unknown,
    lagging,
    price_band,
    real,
    relay,
    single_order,
    skewed_clock,
    thin_book,
)
from simulator.plants.plan import DrawKind

# In the order in which they are given their time: the longest first.
LONG: dict[str, DrawKind] = {
    "same_ticker": same_ticker,
    "wrong_multiplier": wrong_multiplier,
    "standing_basis": standing_basis,
    "off_hours_index": off_hours_index,
}
EXCHANGE_WIDE: dict[str, DrawKind] = {"lagging": lagging, "skewed_clock": skewed_clock}
SHORT: dict[str, DrawKind] = {
    "dead_quote": dead_quote,
    "halted": halted,
    "relay": relay,
    "thin_book": thin_book,
    "single_order": single_order,
    "flicker": flicker,
    "anchor_missing": anchor_missing,
    "anchor_moving": anchor_moving,
    "anchor_skewed": anchor_skewed,
    "implausible": implausible,
    "price_band": price_band,
    "interval_unknown": interval_unknown,
    "fee_unknown": fee_unknown,
}
FAKES: tuple[str, ...] = (*LONG, *EXCHANGE_WIDE, *SHORT)


def kinds(reals: int, fakes: int) -> list[tuple[str, int, DrawKind]]:
    """How many to plant of each kind."""
    rows = [(name, fakes, draw) for group in (LONG, EXCHANGE_WIDE, SHORT) for name, draw in group.items()]
    return [*rows, ("real", reals, real)]
