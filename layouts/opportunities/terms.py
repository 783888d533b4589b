"""My terms: what is typed into the page, read without ever failing, and said back in the chips."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analytics.costs import Costs, Fill
from analytics.terms import Terms
from layouts.format import THIN, plain
from market.fees import FeeChoice, tier_names

FILLS = ("long in", "short in", "long out", "short out")
LISTED = "listed"  # the rate that is listed, whatever tier it belongs to


@dataclass(frozen=True)
class Number:
    """A field with one number: what it is called, and from where to where it makes sense."""

    label: str
    low: float
    high: float
    above: bool = False  # low itself is too low


NUMBERS = {
    "notional": Number("Size", 0.0, 1e9, above=True),
    "min_net_bps": Number("Net over", -1_000.0, 10_000.0),
    "holding_h": Number("Hold", 0.0, 8_760.0, above=True),
    "slippage_bps": Number("Slippage reserve", 0.0, 1_000.0),
}
FEE = Number("", -50.0, 200.0)


@dataclass(frozen=True)
class Asked:
    """terms: with the desk's own where nothing usable was typed. wrong: why a field could not be used, by field.

    changed: the groups that differ from the desk's: a name of `NUMBERS`, 'fills' or 'fees'.
    """

    terms: Terms
    wrong: dict[str, str]
    changed: frozenset[str]


class _Unusable(ValueError):
    """What was typed is no number of this field. Its text says why."""


def read(values: Any, default: Terms) -> Asked:
    """Read what was typed.

    Args:
        values: Texts by name of `NUMBERS`; 'fills': four words in the order of `FILLS`; 'fees': [tier, taker, maker]
            by exchange. What is missing or empty is the desk's. Anything else, as an old session may hold, is left out.
        default: The desk's terms.
    """
    given = values if isinstance(values, Mapping) else {}
    wrong: dict[str, str] = {}
    own = {name: getattr(default, name) for name in ("notional", "min_net_bps", "holding_h")}
    own["slippage_bps"] = default.costs.slippage_bps
    numbers = dict(own)
    for name, field in NUMBERS.items():
        try:
            found = number(given.get(name), field)
        except _Unusable as error:
            wrong[name] = f"{field.label}: {error}; {plain_number(own[name])} is used"
        else:
            numbers[name] = own[name] if found is None else found
    fills = _fills(given.get("fills"), default.costs.fills)
    fees = _fees(given.get("fees"), default.fees, wrong)
    terms = Terms(
        costs=Costs(fills, numbers["slippage_bps"]),
        fees=fees,
        notional=numbers["notional"],
        min_net_bps=numbers["min_net_bps"],
        holding_h=numbers["holding_h"],
        leverage=default.leverage,
    )
    changed = {name for name in NUMBERS if numbers[name] != own[name]}
    changed |= {"fills"} if fills != default.costs.fills else set()
    changed |= {"fees"} if fees != default.fees else set()
    return Asked(terms, wrong, frozenset(changed))


def number(text: Any, field: Number) -> float | None:
    """The number that was typed, None for nothing. Blanks between thousands and both minus signs are understood."""
    words = "" if text is None else str(text).strip()
    if not words:
        return None
    bare = "".join(words.replace(THIN, "").replace("\u2212", "-").split())
    try:
        value = float(bare)
    except ValueError:
        raise _Unusable(f"'{words[:24]}' is not a number") from None
    if not math.isfinite(value):
        raise _Unusable(f"'{words[:24]}' is not a number")
    if value > field.high or value < field.low or (field.above and value <= field.low):
        low = f"above {plain_number(field.low)}" if field.above else f"from {plain_number(field.low)}"
        raise _Unusable(f"{words[:24]} is not {low} to {plain_number(field.high)}")
    return value


def plain_number(value: float) -> str:
    """As one would type it: no decimals that say nothing."""
    return plain(value, 0) if value == round(value) else plain(value, len(f"{value:.6g}".partition(".")[2]))


def _fills(given: Any, default: tuple[Fill, Fill, Fill, Fill]) -> tuple[Fill, Fill, Fill, Fill]:
    if not isinstance(given, list | tuple) or len(given) != len(FILLS):
        return default
    of: list[Fill] = ["maker" if word == "maker" else "taker" for word in given]
    return of[0], of[1], of[2], of[3]


def _fees(given: Any, default: FeeChoice, wrong: dict[str, str]) -> FeeChoice:
    if not isinstance(given, Mapping):
        return default
    tiers, takers, makers = dict(default.tiers), dict(default.taker_bps), dict(default.maker_bps)
    for exchange, three in given.items():
        if not isinstance(three, list | tuple) or len(three) != 3:
            continue
        tier, *rates = three
        tiers.pop(exchange, None)
        if tier and tier in tier_names(exchange):
            tiers[exchange] = tier
        for kept, text, word in zip((takers, makers), rates, ("taker", "maker"), strict=True):
            try:
                rate = number(text, FEE)
            except _Unusable as error:
                wrong[f"{word} {exchange}"] = f"{exchange} {word} fee: {error}; it is left out"
                rate = None
            kept.pop(exchange, None)
            if rate is not None:
                kept[exchange] = rate
    return FeeChoice.of(tiers, takers, makers)


def costs_words(terms: Terms) -> str:
    """'4 taker', or '3 taker, 1 maker, reserve 2.0'."""
    makers = terms.costs.fills.count("maker")
    words = [f"{len(FILLS) - makers} taker"] if makers < len(FILLS) else []
    words += [f"{makers} maker"] if makers else []
    words += [f"reserve {plain(terms.costs.slippage_bps, 1)}"] if terms.costs.slippage_bps else []
    return ", ".join(words)


def fees_words(terms: Terms) -> str:
    """'as listed', or at how many exchanges they are the user's."""
    fees = terms.fees
    own = {exchange for pairs in (fees.tiers, fees.taker_bps, fees.maker_bps) for exchange, _ in pairs}
    return f"mine at {len(own)}" if own else "as listed"
