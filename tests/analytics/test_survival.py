"""How long episodes live, by numbers worked by hand and by a published example."""

import pytest

from analytics.survival import kaplan_meier, survival
from store.episodes import Episode, Reason
from tests.store.scripted_episodes import ended_episode, open_episode

NOW = 2_000.0

# Deaths after 1, 2, 2 and 4 s, lost from sight after 2, 3 and 5 s; in no order.
DURATION = [5.0, 2.0, 1.0, 2.0, 3.0, 4.0, 2.0]
DIED = [False, True, True, False, False, True, True]


def test_the_curve_of_seven_by_hand():
    """1 s: 7 alive, 1 dies, 6/7. 2 s: 6 alive, 2 die and 1 is lost, 6/7 * 4/6 = 4/7. 3 s: 1 of 3 is lost. 4 s: 2 alive,
    1 dies, 4/7 * 1/2 = 2/7.
    """
    found = kaplan_meier(DURATION, DIED)
    assert (found.n, found.deaths, found.censored, found.observed_s) == (7, 4, 3, 5.0)
    assert [(step.time_s, step.at_risk, step.deaths, step.censored) for step in found.steps] == [
        (1.0, 7, 1, 0),
        (2.0, 6, 2, 2),
        (4.0, 2, 1, 1),
    ]
    assert [step.survival for step in found.steps] == pytest.approx([6 / 7, 4 / 7, 2 / 7])


def test_standard_errors_are_greenwoods():
    """Sums of d / n(n - d): 1/42; 1/42 + 2/24 = 3/28; 3/28 + 1/2 = 17/28. Times S squared, and the root of it."""
    errors = [step.std_error for step in kaplan_meier(DURATION, DIED).steps]
    wanted = [6 / 7 * (1 / 42) ** 0.5, 4 / 7 * (3 / 28) ** 0.5, 2 / 7 * (17 / 28) ** 0.5]
    assert errors == pytest.approx(wanted)
    assert errors == pytest.approx([0.1323, 0.1870, 0.2226], abs=5e-5)


def test_the_interval_is_that_of_log_minus_log():
    """At 2 s: log(4/7) = -0.55962, 1.95996 * sqrt(3/28) / 0.55962 = 1.14641, e to it 3.1469; (4/7)**3.1469 = 0.1719,
    (4/7)**(1/3.1469) = 0.8371.
    """
    step = kaplan_meier(DURATION, DIED).steps[1]
    assert (step.low, step.high) == (pytest.approx(0.1719, abs=5e-5), pytest.approx(0.8371, abs=5e-5))


def test_the_median_is_where_half_have_died_and_its_interval_where_the_bounds_are():
    """4/7 is above one half, 2/7 is not: 4 s. The lower bound is 0.334 after 1 s, the upper one 0.691 at the end."""
    found = kaplan_meier(DURATION, DIED)
    assert (found.median_s, found.median_low_s, found.median_high_s) == (4.0, 1.0, None)


def test_a_median_of_exactly_one_half_counts_in_spite_of_rounding():
    """Of 24 twelve die one by one: 23/24 * ... * 12/13 is 0.5000000000000001 in floating point."""
    found = kaplan_meier([float(n) for n in range(1, 25)], [n < 12 for n in range(24)])
    assert found.steps[-1].survival > 0.5
    assert found.median_s == 12.0


def test_a_published_example():
    """Remission in weeks, 21 patients on 6-mercaptopurine (Freireich 1963), as printed in Kleinbaum and Klein, Survival
    Analysis, table 2.2 and section 2.VI: survival and standard errors; the median is 23.
    """
    died = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    lost = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    found = kaplan_meier([*map(float, died), *map(float, lost)], [True] * 9 + [False] * 12)
    assert [step.at_risk for step in found.steps] == [21, 17, 15, 12, 11, 7, 6]
    assert [round(step.survival, 4) for step in found.steps] == [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    errors = [0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346]
    assert [step.std_error for step in found.steps] == pytest.approx(errors, abs=5e-5)
    assert (found.median_s, found.median_low_s, found.median_high_s) == (23.0, 13.0, None)


def test_where_all_have_died_the_uncertainty_is_not_defined():
    *_, last = kaplan_meier([1.0, 2.0], [True, True]).steps
    assert (last.survival, last.std_error, last.low, last.high) == (0.0, None, None, None)


def test_without_deaths_there_is_no_step_and_no_median():
    found = kaplan_meier([1.0, 2.0], [False, False])
    assert (found.n, found.deaths, found.censored, found.observed_s) == (2, 0, 2, 2.0)
    assert found.steps == ()
    assert (found.median_s, found.median_low_s, found.median_high_s) == (None, None, None)


def test_nothing_has_no_survival():
    found = kaplan_meier([], [])
    assert (found.n, found.observed_s, found.steps) == (0, None, ())


@pytest.mark.parametrize("reason", list(Reason))
def test_lost_exchanges_and_the_end_censor_and_all_else_is_a_death(reason):
    (found,) = survival([ended_episode(2.0, reason=reason)], NOW).values()
    dies = reason not in (Reason.VENUE_LOST, Reason.STILL_OPEN)
    assert (found.deaths, found.censored) == ((1, 0) if dies else (0, 1))


def test_what_is_open_is_censored_now():
    """Opened at 1,000 s; now it is 2,000."""
    (found,) = survival([open_episode()], NOW).values()
    assert (found.deaths, found.censored, found.observed_s) == (0, 1, 1_000.0)


def groups(episodes: list[Episode], by: str) -> dict[str, int]:
    return {name: group.n for name, group in survival(episodes, NOW, by).items()}  # type: ignore[arg-type]


def test_groups_come_by_pair_and_symbol_with_the_largest_first():
    there, back = {"buy": "okx", "sell": "gate"}, {"buy": "gate", "sell": "okx"}
    episodes = [
        ended_episode(1.0, **back),
        ended_episode(2.0, **there),
        ended_episode(3.0, symbol="ETH-USDT", **there),
    ]
    assert list(groups(episodes, "pair").items()) == [("okx:gate", 2), ("gate:okx", 1)]
    assert list(groups(episodes, "symbol").items()) == [("BTC-USDT", 2), ("ETH-USDT", 1)]
    assert groups(episodes, "all") == {"all": 3}


def test_sizes_are_bucketed_by_the_notional_at_the_peak():
    notionals = [None, 100_000.0, 99_999.0, 10_000.0, 9_999.0, 1_000.0, 999.0]
    episodes = [ended_episode(1.0, notional=notional) for notional in notionals]
    assert list(groups(episodes, "size").items()) == [
        ("<1k", 1),
        ("1k-10k", 2),
        ("10k-100k", 2),
        (">=100k", 1),
        ("unknown", 1),
    ]
