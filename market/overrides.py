"""What people know better than the tables: listings to deny, allow, rename or rescale, as data with a reason.

An override file is TOML. Each entry names one exchange, one listing (`exchange_symbol`) or all of a base (`base`, as
shown before any renaming), and who wrote it, when and why:

    [[deny]]
    exchange = "okx"
    exchange_symbol = "BB-USDT-SWAP"
    author = "mk"
    date = 2026-09-05
    reason = "BlackBerry, not BounceBit: 7.72 against 0.0096"

`allow` and `deny` decide the pairing, `rename` gives a `new_base` or a `new_symbol`, `factor` multiplies the listing's
multiplier (coins per quoted coin; 0.1 where a tenth is quoted) and with it every figure that was converted by it.
An entry for a listing goes before one for its base.
"""

import datetime
import math
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from msgspec.structs import replace

from market.models import Instrument, Pairing
from market.symbols import canonical_symbol, comparison_quote, drop_collisions

KINDS = ("allow", "deny", "rename", "factor")
Kind = Literal["allow", "deny", "rename", "factor"]
What = Literal["symbol", "pairing", "multiplier"]

# Two entries of one group for the same listing contradict each other.
_GROUP: Mapping[str, str] = {"allow": "pairing", "deny": "pairing", "rename": "name", "factor": "multiplier"}
_TARGETS, _NAMES = ("exchange_symbol", "base"), ("new_base", "new_symbol")
_COMMON = ("exchange", *_TARGETS, "author", "date", "reason")
_OWN: Mapping[str, tuple[str, ...]] = {"allow": (), "deny": (), "rename": _NAMES, "factor": ("factor",)}
# Separators of ids and addresses; a symbol has the quote currency after its last hyphen.
_BASE = re.compile(r"[^\s:/?&#,-]+")
_SYMBOL = re.compile(r"[^\s:/?&#,-]+-[A-Z0-9]+(_[A-Z]+)?")
_MOST_CHARACTERS = 200


class BadOverride(Exception):
    """An override file that cannot be used. Its text is one sentence that names the file, the entry and the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One entry. exchange_symbol or base is set; new_base or new_symbol for a rename, factor for a factor.

    number: its place among the entries of its kind, from 1. date: ISO, of the decision.
    """

    kind: Kind
    number: int
    exchange: str
    author: str
    date: str
    reason: str
    exchange_symbol: str | None = None
    base: str | None = None
    new_base: str | None = None
    new_symbol: str | None = None
    factor: float | None = None

    @property
    def title(self) -> str:
        """How messages name it: '[[deny]] entry 2'."""
        return f"[[{self.kind}]] entry {self.number}"

    @property
    def said(self) -> str:
        """Who decided it, when and why, for people."""
        return f"{self.kind} by {self.author}, {self.date}: {self.reason}"


class Overrides:
    """The entries of one file, and which of them a listing falls under."""

    def __init__(self, entries: Iterable[Override] = ()) -> None:
        self.entries = tuple(entries)
        self._found: dict[tuple[str, str, str, str], Override] = {_key(entry): entry for entry in self.entries}

    def __len__(self) -> int:
        return len(self.entries)

    def of(self, instrument: Instrument, group: str) -> Override | None:
        """The entry that decides a listing's 'pairing', 'name' or 'multiplier'."""
        by_id = (group, instrument.exchange, "exchange_symbol", instrument.exchange_symbol)
        return self._found.get(by_id) or self._found.get((group, instrument.exchange, "base", instrument.base))


@dataclass(frozen=True, slots=True)
class Note:
    """What applying brought that somebody should know. error: a listing is not used because of it."""

    exchange: str
    text: str
    error: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One difference that other overrides made to a listing. symbol: what it is called now.

    Of a symbol, None is 'not used'.
    """

    exchange: str
    exchange_symbol: str
    symbol: str
    what: What
    before: str | float | None
    after: str | float | None


# -- reading -------------------------------------------------------------------------------------------------------


def parse_overrides(text: str, file: str, exchanges: Collection[str]) -> Overrides:
    """Read an override file.

    Args:
        text: What is in it.
        file: Its name, for messages.
        exchanges: Those that there are.

    Raises:
        BadOverride: If anything in it is wrong; the first thing that is.
    """
    where = f"the override file '{file}'"
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadOverride(f"{where} is not valid TOML: {error}") from None
    entries: list[Override] = []
    for kind, rows in found.items():
        if kind not in KINDS:
            raise BadOverride(f"{where} has entries named '{_short(kind)}'; there are {', '.join(KINDS)}")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise BadOverride(f"{where}: entries of '{kind}' are written as tables, each under [[{kind}]]")
        for number, row in enumerate(rows, 1):
            try:
                entries.append(_read(kind, number, row, exchanges))
            except ValueError as error:
                raise BadOverride(f"{where}, [[{kind}]] entry {number}: {error}") from None
    seen: dict[tuple[str, str, str, str], Override] = {}
    for entry in entries:
        rival = seen.setdefault(_key(entry), entry)
        if rival is not entry:
            field = _target(entry)[0]
            raise BadOverride(
                f"{where}, {entry.title}: field '{field}' names the same listing as {rival.title}; only one can hold"
            )
    return Overrides(entries)


def _target(entry: Override) -> tuple[str, str]:
    if entry.exchange_symbol is not None:
        return "exchange_symbol", entry.exchange_symbol
    return "base", str(entry.base)


def _key(entry: Override) -> tuple[str, str, str, str]:
    return (_GROUP[entry.kind], entry.exchange, *_target(entry))


def _read(kind: Any, number: int, row: Mapping[str, Any], exchanges: Collection[str]) -> Override:
    """One entry. Raises ValueError with a sentence that names the field."""
    fields = (*_COMMON, *_OWN[kind])
    for name in row:
        if name not in fields:
            raise ValueError(f"there is no field '{_short(name)}'; there are {', '.join(fields)}")
    exchange = _text(row, "exchange")
    if exchange not in exchanges:
        raise ValueError(f"field 'exchange' is '{_short(exchange)}'; there are {', '.join(exchanges)}")
    target = _one_of(row, _TARGETS)
    given: dict[str, Any] = {target: _text(row, target)}
    if kind == "rename":
        name = _one_of(row, _NAMES)
        given[name] = _text(row, name)
        form, example = (_BASE, "SPX6900") if name == "new_base" else (_SYMBOL, "SPX6900-USDT")
        if form.fullmatch(given[name]) is None:
            raise ValueError(f"field '{name}' is '{given[name]}', which cannot be one; an example is {example}")
    elif kind == "factor":
        given["factor"] = _factor(row)
    return Override(
        kind=kind,
        number=number,
        exchange=exchange,
        author=_text(row, "author"),
        date=_date(row),
        reason=_text(row, "reason"),
        **given,
    )


def _one_of(row: Mapping[str, Any], names: tuple[str, str]) -> str:
    given = [name for name in names if name in row]
    if len(given) != 1:
        raise ValueError(f"fields '{names[0]}' and '{names[1]}': one of them is needed, {len(given)} are given")
    return given[0]


def _text(row: Mapping[str, Any], name: str) -> str:
    value = _given(row, name)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"field '{name}' is {_short(repr(value))}; it must be a text that is not empty")
    if len(value) > _MOST_CHARACTERS or not value.isprintable():
        raise ValueError(f"field '{name}' must be one line of at most {_MOST_CHARACTERS} characters")
    return value.strip()


def _date(row: Mapping[str, Any]) -> str:
    value = _given(row, "date")
    if isinstance(value, datetime.datetime):
        value = value.date()
    try:
        return (value if isinstance(value, datetime.date) else datetime.date.fromisoformat(value)).isoformat()
    except (TypeError, ValueError):
        raise ValueError(f"field 'date' is {_short(repr(value))}; it must be a date such as 2026-09-05") from None


def _factor(row: Mapping[str, Any]) -> float:
    value = _given(row, "factor")
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    if not usable:
        raise ValueError(f"field 'factor' is {_short(repr(value))}; it must be a number above 0")
    return float(value)


def _given(row: Mapping[str, Any], name: str) -> Any:
    if name not in row:
        raise ValueError(f"field '{name}' is missing")
    return row[name]


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


# -- applying ------------------------------------------------------------------------------------------------------


def apply_overrides(instruments: Iterable[Instrument], overrides: Overrides) -> tuple[list[Instrument], list[Note]]:
    """The listings as the overrides want them; what an entry decided stands in `extra["override"]`.

    Two trading listings of one exchange that a rename gave one symbol collide: neither is used, and an error says so.

    Returns:
        The listings to use, in their order, and notes: collisions, entries that match no listing of an exchange that
        is here, pairings that cannot be allowed.
    """
    listed = list(instruments)
    if not overrides.entries:
        return listed, []
    notes: list[Note] = []
    used: set[Override] = set()
    applied: list[Instrument] = []
    for instrument in listed:
        changed, reasons = instrument, []
        for group, change in _CHANGES.items():
            entry = overrides.of(instrument, group)
            if entry is None:
                continue
            used.add(entry)
            if entry.kind == "allow" and instrument.kind == "quanto":
                text = f"{entry.title}: {instrument.exchange_symbol} is a quanto contract and cannot be paired"
                notes.append(Note(instrument.exchange, text))
                continue
            changed = change(changed, entry)
            reasons.append(entry.said)
        if reasons:
            changed = replace(changed, extra={**changed.extra, "override": "; ".join(reasons)})
        applied.append(changed)
    kept, collisions = drop_collisions(applied)
    exchanges = {instrument.exchange for instrument in listed}
    notes += [Note(text.partition(" ")[0], text, error=True) for text in collisions]
    notes += [
        Note(entry.exchange, f"{entry.title} matches no listing: {_target(entry)[0]} is '{_target(entry)[1]}'")
        for entry in overrides.entries
        if entry not in used and entry.exchange in exchanges
    ]
    return kept, notes


def _paired(instrument: Instrument, entry: Override) -> Instrument:
    return replace(instrument, pairing=Pairing.DENY if entry.kind == "deny" else Pairing.OK)


def _renamed(instrument: Instrument, entry: Override) -> Instrument:
    if entry.new_symbol is not None:
        base = entry.new_symbol.rpartition("-")[0].removesuffix(".EQ").removesuffix(".PRE")
        return replace(instrument, symbol=entry.new_symbol, base=base)
    base = str(entry.new_base)
    quote = comparison_quote(instrument.exchange, instrument.exchange_symbol, instrument.quote)
    symbol = canonical_symbol(base, quote, instrument.kind, instrument.asset_class, instrument.settle)
    return replace(instrument, symbol=symbol, base=base)


def _rescaled(instrument: Instrument, entry: Override) -> Instrument:
    """Multiply the coins of a quoted coin: prices fall, coins grow, and notionals stay what they are."""
    factor = float(entry.factor or 1.0)
    tick_size = None if instrument.tick_size is None else instrument.tick_size / factor
    scaled = replace(instrument, multiplier=instrument.multiplier * factor, tick_size=tick_size)
    if instrument.kind == "inverse":  # contract and lot are quote currency
        return scaled
    lot_size = None if instrument.lot_size is None else instrument.lot_size * factor
    return replace(scaled, contract_multiplier=instrument.contract_multiplier * factor, lot_size=lot_size)


_CHANGES: Mapping[str, Callable[[Instrument, Override], Instrument]] = {
    "name": _renamed,
    "multiplier": _rescaled,
    "pairing": _paired,
}


def differences(before: Iterable[Instrument], after: Iterable[Instrument]) -> list[Change]:
    """What changed in symbol, pairing and multiplier between two readings of the same listings."""
    old = {(row.exchange, row.exchange_symbol): row for row in before}
    new = {(row.exchange, row.exchange_symbol): row for row in after}
    found: list[Change] = []
    for key in dict.fromkeys((*old, *new)):
        was, now = old.get(key), new.get(key)
        if now is None:
            gone = old[key].symbol
            found.append(Change(*key, gone, "symbol", gone, None))
        elif was is None:
            found.append(Change(*key, now.symbol, "symbol", None, now.symbol))
        else:
            if was.symbol != now.symbol:
                found.append(Change(*key, now.symbol, "symbol", was.symbol, now.symbol))
            if was.pairing is not now.pairing:
                found.append(Change(*key, now.symbol, "pairing", was.pairing.value, now.pairing.value))
            if was.multiplier != now.multiplier:
                found.append(Change(*key, now.symbol, "multiplier", was.multiplier, now.multiplier))
    return found
