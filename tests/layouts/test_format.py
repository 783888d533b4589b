"""Numbers as the pages show them, by hand."""

import math

import pytest

from layouts import format as f


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (21.34, 1, "+21.3"),
        (-21.0, 1, "−21.0"),
        (0.04, 1, "0.0"),
        (-0.04, 1, "0.0"),
        (0.0, 1, "0.0"),
        (-46.4, 0, "−46"),
        (-1234.56, 1, "−1\u2009234.6"),
        (1234.56, 1, "+1\u2009234.6"),
        (None, 1, ""),
        (math.nan, 1, ""),
        (math.inf, 1, ""),
    ],
)
def test_signed_always_shows_its_sign_but_for_zero(value, decimals, text):
    assert f.signed(value, decimals) == text


def test_thousands_are_parted_by_thin_spaces():
    assert f.plain(32100) == "32\u2009100"
    assert f.plain(1_234_567.891, 2) == "1\u2009234\u2009567.89"


def test_a_fee_is_shown_as_a_cost():
    assert f.cost(21.0) == "−21.0"
    assert f.cost(None) == ""


@pytest.mark.parametrize(
    ("value", "text"), [(21.3, "21.30"), (999.994, "999.99"), (1_000.0, "1\u2009000"), (-3.2, "−3.20")]
)
def test_money_has_cents_below_a_thousand(value, text):
    assert f.money(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.34, "0.3 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (94.2, "94 s"),
        (362.0, "6 m 02 s"),
        (7_440.0, "2 h 04 m"),
        (533_000.0, "6 d 04 h"),
        (-0.2, "0.0 s"),
        (None, ""),
    ],
)
def test_age_has_one_decimal_below_ten_seconds(seconds, text):
    assert f.age(seconds) == text


@pytest.mark.parametrize(
    ("ticks", "decimals"), [((0.0005,), 4), ((0.25,), 2), ((0.1, 0.00001), 5), ((1.0,), 0), ((None,), None)]
)
def test_both_legs_are_shown_at_the_finer_tick(ticks, decimals):
    assert f.tick_decimals(*ticks) == decimals


def test_price_without_a_tick_has_six_significant_digits():
    assert f.price(1.18155, None) == "1.18155"
    assert f.price(0.0000123456, None) == "0.0000123456"
    assert f.price(64000.5, 1) == "64\u2009000.5"


def test_ages_of_a_pair_stand_long_leg_first():
    assert f.pair_ages(0.34, 0.16) == "0.3 / 0.2"
    assert f.pair_ages(None, None) == ""


def test_rounded_parts_sum_to_the_rounded_total():
    """0.04 + 0.04 + 0.04 = 0.12: the parts show 0.0 each, so one of them takes the tenth."""
    parts = f.rounded_parts([0.04, 0.04, 0.04], 0.12, absorb=1)

    assert parts == [0.0, 0.1, 0.0]
    assert sum(parts) == pytest.approx(0.1)


def test_sign_class_follows_what_is_shown():
    assert f.sign_class(0.01) == ""
    assert f.sign_class(0.06) == "plus"
    assert f.sign_class(-3.0) == "minus"


def test_clock_is_utc():
    assert f.clock(0.0) == "00:00:00"
