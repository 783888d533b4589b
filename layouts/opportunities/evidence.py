"""Figures, inputs and tests in words, the same for the drawer and for what is copied as text."""

from collections.abc import Sequence

from analytics.explain import Check, Input
from analytics.quality import Verdict
from desk import View
from layouts import glance
from layouts.format import age, clock, coins, known, money, ordinary, plain, price, signed
from layouts.opportunities.pair import Opened

# What both legs say, what one says that fails, and the value that is good.
_FLAGS = {
    Verdict.NOT_PAIRED: ("both may be paired", "may not be paired", 1.0),
    Verdict.DERIVED_VENUE: ("neither relays another", "relays another", 0.0),
    Verdict.NOT_TRADING: ("both trade", "does not trade", 1.0),
    Verdict.FEED_LOST: ("both connected", "connection lost", 1.0),
}
_PRESENT = {
    Verdict.NO_QUOTE: ("both quoted", "not quoted"),
    Verdict.ONE_SIDED: ("both sides quoted", "no ask"),
    Verdict.CROSSED: ("bids below asks", "no bid"),
    Verdict.ANCHOR_MISSING: ("both marks known", "mark not known"),
}
# What a test found, in few words; as many values as the test looks at.
_FOUND = {
    Verdict.DIFFERENT_ASSET: "off by {0} and {1}, {2} compared",
    Verdict.FEE_UNKNOWN: "four fills {0}",
    Verdict.IMPLAUSIBLE: "gross {0}",
    Verdict.ANCHOR_MOVING: "{0}",
    Verdict.SKEWED_LEGS: "{0} apart, {1} left",
    Verdict.NO_HISTORY: "{0} samples",
    Verdict.STANDING_BASIS: "fresh\N{NO-BREAK SPACE}{0}, less\N{NO-BREAK SPACE}marks\N{NO-BREAK SPACE}{1}, "
    "less\N{NO-BREAK SPACE}usual\N{NO-BREAK SPACE}{2}",
    Verdict.THIN_BOOK: "{0} gain",
    Verdict.SINGLE_ORDER: "next {0}, spread {1}",
    Verdict.UNCONFIRMED: "stood\N{NO-BREAK SPACE}{0}, silent\N{NO-BREAK SPACE}{1}",
}
_EDGES = ("edge", "exit", "walk", "left", "gap", "over mark")  # of these the sign is part of what is said


def value_words(opened: Opened, item: Input, bare: bool = False) -> str:
    """A value with its unit; 'not known' where it is not. bare: without the unit of what is priced or counted."""
    value, unit = item.value, item.unit
    if value is None or not known(value):
        return "not known"
    if unit.endswith(f" per {opened.base}"):
        return price(value, opened.decimals) + ("" if bare else f" {opened.quote}")
    if unit == opened.base:
        return coins(value) + ("" if bare else f" {opened.base}")
    if unit in ("quote", opened.quote):
        return (money(value) if unit != "quote" else plain(value)) + ("" if bare else f" {opened.quote}")
    match unit:
        case "bps":
            shown = signed(value) if any(word in item.name for word in _EDGES) else plain(value, 1)
            return f"{shown} bps"
        case "s":
            return age(value)
        case "h":
            return f"{plain(value, 0 if value == round(value) else 1)} h"
        case "epoch s":
            return f"{clock(value)} UTC"
        case "fraction per interval":
            return f"{signed(value * 100.0, 4)} %"
        case _:
            return plain(value, 0 if value == round(value) else 4)


def source_words(view: View, item: Input) -> str:
    """Who says so: an exchange by its title, perhaps with more behind it, else the word itself."""
    name, comma, more = item.source.partition(", ")
    return glance.titles(view).get(name, name) + comma + more


def check_name(check: Check, first: bool = True) -> str:
    """The name of a test. first: False for the second of a name, which asks the same of a gap."""
    return ordinary(check.verdict.label) + ("" if first else " in the gap")


def named(checks: Sequence[Check]) -> list[tuple[str, Check]]:
    """The tests with their names, in their order."""
    seen: set[Verdict] = set()
    found = []
    for check in checks:
        found.append((check_name(check, check.verdict not in seen), check))
        seen.add(check.verdict)
    return found


def found_words(view: View, opened: Opened, check: Check) -> str:
    """What a test looked at: '0.3 s and 0.2 s', 'both trade'."""
    found = check.found
    if not found:
        return "no gap to be tested" if check.state == "not asked" else ""
    if check.verdict in _FLAGS:
        good, bad, wanted = _FLAGS[check.verdict]
        failing = [source_words(view, item) for item in found if item.value != wanted]
        return good if not failing else f"{' and '.join(failing)}: {bad}"
    if check.verdict in _PRESENT:
        good, bad = _PRESENT[check.verdict]
        failing = [source_words(view, item) for item in found if not known(item.value)]
        if check.verdict is Verdict.CROSSED and check.state == "refused":
            return "bid not below ask"
        return good if not failing else f"{' and '.join(failing)}: {bad}"
    if len(found) == 1 and check.verdict is Verdict.STALE_LEG:
        return "both spoke since" if found[0].value else "silent since"
    if len(found) == 1 and check.verdict is Verdict.OFF_HOURS_INDEX:
        return "open, or moved since" if found[0].value else "closed, and stands since"
    if check.verdict is Verdict.ANCHOR_SKEWED:
        apart, older = (value_words(opened, item) for item in found[:2])
        return f"{apart} apart, older {older}" + ("" if found[2].value else ", not read since it crept open")
    shape = _FOUND.get(check.verdict)
    if shape is not None and shape.count("{") == len(found):
        words = [value_words(opened, item) for item in found]
        # The limit beside it says the unit; a time has more than one.
        if len({item.unit for item in found}) == 1 < len(found) and found[0].unit != "s":
            words = [word.removesuffix(f" {found[0].unit}") for word in words]
        return shape.format(*map(_unbroken, words))
    if all(item.name.endswith((", long", ", short")) for item in found):
        return " and ".join(value_words(opened, item) for item in found)
    return ", ".join(f"{item.name} {value_words(opened, item)}" for item in found)


def limit_words(opened: Opened, check: Check) -> str:
    """What a test held it against: 'at most 10.0 s'."""
    if check.verdict is Verdict.OFF_HOURS_INDEX:
        return ", ".join(f"{value_words(opened, item)}, if no coin" for item in check.limit)
    names = list(dict.fromkeys(item.name for item in check.limit))
    values = ", ".join(value_words(opened, item) for item in check.limit)
    if len(names) == 1:
        return f"{names[0]} {values}"
    return ", ".join(f"{item.name} {_unbroken(value_words(opened, item))}" for item in check.limit)


def _unbroken(words: str) -> str:
    """A value that no line is broken in."""
    return words.replace(" ", "\N{NO-BREAK SPACE}")
