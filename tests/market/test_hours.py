"""Opening hours against the calendars that the exchanges publish, and around the clocks' changes."""

from datetime import UTC, date, datetime

import pytest

from market.hours import NEW_YORK, early_closes, easter, holidays, is_open
from market.models import AssetClass

# NYSE Group: the calendar of 2025 with the day of mourning of 2025-01-09, and that of 2026 to 2028 (2025-12-23).
PUBLISHED = {
    2025: "01-01 01-09 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25",
    2026: "01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25",
    2027: "01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24",
    2028: "01-17 02-21 04-14 05-29 06-19 07-04 09-04 11-23 12-25",
}
PUBLISHED_EARLY = {2025: "07-03 11-28 12-24", 2026: "11-27 12-24", 2027: "11-26", 2028: "07-03 11-24"}


def at(text: str) -> float:
    """Epoch s of a time in New York."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()


def days(year: int, text: str) -> set[date]:
    return {date.fromisoformat(f"{year}-{day}") for day in text.split()}


def opened(asset_class: AssetClass, *times: str) -> list[bool]:
    return [is_open(asset_class, at(text)) for text in times]


@pytest.mark.parametrize("year", PUBLISHED)
def test_the_rules_give_the_published_calendar(year):
    assert holidays(year) == days(year, PUBLISHED[year])
    assert early_closes(year) == days(year, PUBLISHED_EARLY[year])


def test_easter():
    """Known dates: the earliest and the latest that can be, and those of these years."""
    assert [easter(year) for year in (1818, 1943, 2025, 2026, 2027, 2028)] == [
        date(1818, 3, 22),
        date(1943, 4, 25),
        date(2025, 4, 20),
        date(2026, 4, 5),
        date(2027, 3, 28),
        date(2028, 4, 16),
    ]


@pytest.mark.parametrize("asset_class", [AssetClass.EQUITY, AssetClass.INDEX])
def test_shares_trade_from_half_past_nine_to_four(asset_class):
    """2026-11-17 is a Tuesday, the 21st a Saturday."""
    times = ("2026-11-17 09:29:59", "2026-11-17 09:30", "2026-11-17 15:59:59", "2026-11-17 16:00", "2026-11-21 12:00")
    assert opened(asset_class, *times) == [False, True, True, False, False]


def test_shares_stop_at_one_on_early_closes_and_rest_on_holidays():
    times = ("2026-11-27 12:59", "2026-11-27 13:00", "2026-11-26 12:00", "2026-07-03 12:00", "2027-12-31 12:00")
    assert opened(AssetClass.EQUITY, *times) == [True, False, False, False, True]


def test_the_session_follows_the_clock_of_new_york():
    """09:30 there is 14:30 UTC on Friday 2026-03-06 and, the clocks put forward on the 8th, 13:30 UTC on the 9th."""
    opening = [datetime(2026, 3, day, hour, 30, tzinfo=UTC).timestamp() for day, hour in ((6, 14), (9, 13))]
    assert [is_open(AssetClass.EQUITY, when) for when in opening] == [True, True]
    assert [is_open(AssetClass.EQUITY, when - 1.0) for when in opening] == [False, False]


def test_commodities_trade_from_sunday_evening_to_friday_with_an_hour_off_each_day():
    """2026-11-15 is a Sunday."""
    times = {
        "2026-11-15 17:59": False,
        "2026-11-15 18:00": True,
        "2026-11-16 03:00": True,
        "2026-11-16 16:59": True,
        "2026-11-16 17:00": False,
        "2026-11-16 18:00": True,
        "2026-11-20 16:59": True,
        "2026-11-20 17:00": False,
        "2026-11-20 18:30": False,
        "2026-11-21 12:00": False,
    }
    assert opened(AssetClass.COMMODITY, *times) == list(times.values())


def test_currencies_have_no_hour_off():
    times = {
        "2026-11-15 17:59": False,
        "2026-11-15 18:00": True,
        "2026-11-16 17:30": True,
        "2026-11-20 16:59": True,
        "2026-11-20 17:00": False,
        "2026-11-20 17:30": False,
        "2026-11-21 12:00": False,
    }
    assert opened(AssetClass.FX, *times) == list(times.values())


@pytest.mark.parametrize("asset_class", [AssetClass.COMMODITY, AssetClass.FX])
def test_globex_leaves_out_christmas_new_year_and_good_friday_and_nothing_else(asset_class):
    """Each session begins at 18:00 on the evening before. 2026-12-25 is a Friday, 2025-12-25 a Thursday."""
    times = {
        "2025-12-24 16:00": True,
        "2025-12-24 18:30": False,
        "2025-12-25 12:00": False,
        "2025-12-25 18:30": True,
        "2026-01-01 12:00": False,
        "2026-01-01 18:30": True,
        "2026-04-02 16:00": True,
        "2026-04-03 12:00": False,
        "2026-05-25 12:00": True,  # Memorial Day: a shortened day
    }
    assert opened(asset_class, *times) == list(times.values())


def test_coins_never_rest_and_what_is_not_floated_has_no_market():
    """On a Saturday at noon, and on a Tuesday."""
    assert opened(AssetClass.CRYPTO, "2026-11-21 12:00", "2026-11-17 12:00") == [True, True]
    assert opened(AssetClass.PREIPO, "2026-11-21 12:00", "2026-11-17 12:00") == [False, False]
