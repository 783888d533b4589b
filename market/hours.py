"""When the market is open from which an index takes its price. Pure: the calendars follow from rules, not from a list.

Shares and share indices: the regular session of the New York Stock Exchange. Source: NYSE Rule 7.2 and the holiday and
early-closing calendar of 2026 to 2028 (NYSE Group, 2025-12-23). Commodities and currencies: CME Globex (CME Group,
trading hours). Contracts before a flotation have no market behind them. Coins trade at all times.

What is left out: the hours of other countries (an index of the shares of Tokyo or Seoul counts as one of New York),
the shortened Globex days around other American holidays, and what an exchange does meanwhile. Outside the session an
index mostly stands still or becomes an average of the contract's own prices (Deribit one hour, Hyperliquid half an
hour); some follow trading at night as well, until Friday evening (Hyperliquid), so a closed market need not be a
standing index (venue notes on symbols, section 8).
"""

from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from market.models import AssetClass

NEW_YORK = ZoneInfo("America/New_York")
OPEN, CLOSE, EARLY_CLOSE = time(9, 30), time(16, 0), time(13, 0)
GLOBEX_OPEN, GLOBEX_CLOSE = time(18, 0), time(17, 0)  # the first on the evening before the session's day

MON, THU, FRI, SAT, SUN = 0, 3, 4, 5, 6
# Closings that no rule foretells: the day of mourning for President Carter.
_EXTRAORDINARY = frozenset({date(2025, 1, 9)})


def is_open(asset_class: AssetClass, when: float) -> bool:
    """Whether the market behind an index of this class is open. when: epoch s."""
    if asset_class is AssetClass.CRYPTO:
        return True
    if asset_class is AssetClass.PREIPO:
        return False
    local = datetime.fromtimestamp(when, NEW_YORK)
    if asset_class in (AssetClass.EQUITY, AssetClass.INDEX):
        return _shares_trade(local)
    return _globex_trades(local, pauses=asset_class is AssetClass.COMMODITY)


def _shares_trade(local: datetime) -> bool:
    day = local.date()
    if day.weekday() >= SAT or day in holidays(day.year):
        return False
    close = EARLY_CLOSE if day in early_closes(day.year) else CLOSE
    return OPEN <= local.time() < close


def _globex_trades(local: datetime, pauses: bool) -> bool:
    """pauses: whether trading rests for an hour between the sessions of two days, too."""
    after_close = GLOBEX_CLOSE <= local.time() < GLOBEX_OPEN
    session = local.date() + timedelta(days=local.time() >= GLOBEX_OPEN)
    if session.weekday() >= SAT or session in _globex_holidays(session.year):
        return False
    return not after_close or (not pauses and session.weekday() != FRI)


@cache
def holidays(year: int) -> frozenset[date]:
    """The weekdays on which the New York Stock Exchange stays closed."""
    fixed = (date(year, 1, 1), date(year, 6, 19), date(year, 7, 4), date(year, 12, 25))
    moving = (
        _weekday_of_month(year, 1, MON, 3),  # Martin Luther King
        _weekday_of_month(year, 2, MON, 3),  # Washington's Birthday
        easter(year) - timedelta(days=2),  # Good Friday
        _last_monday_of_may(year),  # Memorial Day
        _weekday_of_month(year, 9, MON, 1),  # Labor Day
        _thanksgiving(year),
    )
    observed = frozenset(day for day in map(_observed, fixed) if day is not None)
    return observed | frozenset(moving) | {day for day in _EXTRAORDINARY if day.year == year}


@cache
def early_closes(year: int) -> frozenset[date]:
    """The days on which the New York Stock Exchange closes at 13:00: before the Fourth of July and Christmas Day,
    where these are weekdays and no holidays, and after Thanksgiving."""
    days = (date(year, 7, 3), date(year, 12, 24), _thanksgiving(year) + timedelta(days=1))
    return frozenset(day for day in days if day.weekday() < SAT and day not in holidays(year))


@cache
def _globex_holidays(year: int) -> frozenset[date]:
    """The sessions that Globex leaves out altogether."""
    days = (_observed(date(year, 1, 1)), easter(year) - timedelta(days=2), _observed(date(year, 12, 25)))
    return frozenset(day for day in days if day is not None)


def _observed(day: date) -> date | None:
    """When a holiday is kept: on the Friday before a Saturday, the Monday after a Sunday.

    None for a New Year's Day on a Saturday: the Friday before is the end of a year, which is not given up.
    """
    if day.weekday() == SUN:
        return day + timedelta(days=1)
    if day.weekday() == SAT:
        return None if day.month == 1 else day - timedelta(days=1)
    return day


def _weekday_of_month(year: int, month: int, weekday: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))


def _last_monday_of_may(year: int) -> date:
    last = date(year, 5, 31)
    return last - timedelta(days=(last.weekday() - MON) % 7)


def _thanksgiving(year: int) -> date:
    return _weekday_of_month(year, 11, THU, 4)


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar.

    Source: J. Meeus, Astronomical Algorithms, chapter 8; the names are those of the method.
    """
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    l = (32 + 2 * e + 2 * i - h - k) % 7  # noqa: E741
    m = (a + 11 * h + 22 * l) // 451
    month, day = divmod(h + l - 7 * m + 114, 31)
    return date(year, month, day + 1)
