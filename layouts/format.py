"""Numbers as people read them: U+2212 for minus, U+2009 between thousands, the same decimals within a column.

None and NaN are 'not known' and become an empty string: no zero, no dash.
"""

import math
from datetime import UTC, datetime

MINUS = "\u2212"
THIN = "\u2009"


def known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def plain(value: float | None, decimals: int = 0) -> str:
    """'32 100', '1.18155', '−3.1'."""
    if value is None or not math.isfinite(value):
        return ""
    text = f"{abs(value):,.{decimals}f}".replace(",", THIN)
    negative = value < 0 and float(f"{value:.{decimals}f}") != 0.0
    return MINUS + text if negative else text


def signed(value: float | None, decimals: int = 1) -> str:
    """'+21.3', '−21.0', '0.0': always with its sign; zero has none."""
    text = plain(value, decimals)
    if not text or text.startswith(MINUS) or float(text.replace(THIN, "")) == 0.0:
        return text
    return "+" + text


def cost(value: float | None, decimals: int = 1) -> str:
    """A fee as what it is, a cost: '−21.0'."""
    return "" if value is None else signed(-value, decimals)


def money(value: float | None) -> str:
    """Two decimals below 1 000, none above."""
    if value is None or not math.isfinite(value):
        return ""
    return plain(value, 2 if abs(value) < 1_000 else 0)


def coins(value: float | None) -> str:
    """One decimal; more where the number is small, none where it is large."""
    if value is None or not math.isfinite(value):
        return ""
    size = abs(value)
    return plain(value, 0 if size >= 1e5 else 1 if size >= 100 else 2 if size >= 10 else 3 if size >= 1 else 5)


def tick_decimals(*ticks: float | None) -> int | None:
    """Decimals of the finest tick: 0.0005 has four, 0.25 two; None if no tick is known."""
    usable = [tick for tick in ticks if tick is not None and math.isfinite(tick) and tick > 0.0]
    if not usable:
        return None
    return max(len(f"{tick:.12f}".rstrip("0").partition(".")[2]) for tick in usable)


def price(value: float | None, decimals: int | None) -> str:
    """A price by the instrument's tick, or six significant digits where the tick is not known."""
    if value is None or not math.isfinite(value):
        return ""
    if decimals is None:
        decimals = max(0, 5 - math.floor(math.log10(abs(value)))) if value else 2
    return plain(value, min(decimals, 12))


def age(seconds: float | None) -> str:
    """'0.3 s', '94 s', '6 m 02 s', '2 h 04 m', '6 d 04 h'."""
    if seconds is None or not math.isfinite(seconds):
        return ""
    seconds = max(seconds, 0.0)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} m {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3_600} h {whole % 3_600 // 60:02d} m"
    return f"{whole // 86_400} d {whole % 86_400 // 3_600:02d} h"


def seconds(value: float | None) -> str:
    """An age in a column whose header says s: '0.3', '94'."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{max(value, 0.0):.1f}" if value < 9.95 else plain(value)


def pair_ages(long_s: float | None, short_s: float | None) -> str:
    """'0.3 / 0.2', long leg first."""
    return f"{seconds(long_s)} / {seconds(short_s)}" if known(long_s) or known(short_s) else ""


def milliseconds(value_s: float | None) -> str:
    """A latency in a column whose header says ms."""
    return "" if value_s is None else plain(value_s * 1e3)


def clock(epoch_s: float | None) -> str:
    """'14:07:31', UTC."""
    return "" if epoch_s is None else datetime.fromtimestamp(epoch_s, UTC).strftime("%H:%M:%S")


def sign_class(value: float | None, decimals: int = 1) -> str:
    """The class that colours a figure by its shown sign."""
    text = signed(value, decimals)
    return "plus" if text.startswith("+") else "minus" if text.startswith(MINUS) else ""


def rounded_parts(parts: list[float], total: float, absorb: int, decimals: int = 1) -> list[float]:
    """Round parts so that they sum to the rounded total: the residue goes into the part at `absorb`."""
    shown = [round(part, decimals) for part in parts]
    shown[absorb] = round(shown[absorb] + round(total, decimals) - sum(shown), decimals)
    return shown


def ordinary(words: str) -> str:
    """'stale_leg' as people write it."""
    return words.replace("_", " ")
