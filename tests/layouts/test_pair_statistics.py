"""The pair's look-backs, statistics, rail, histogram, episodes and lead-lag panel."""

import base64
import math
from dataclasses import replace as with_

import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.io.json import to_json_plotly
from scripted_market import make_desk
from test_episodes_page import episode

from analytics.lead_lag import LeadLag
from analytics.profile import histogram, quantiles, round_step
from analytics.series import HalfLife
from layouts.spreads import distribution, figures, lead, rows
from layouts.spreads.callbacks import show
from layouts.spreads.choice import Choice
from layouts.spreads.pair import look_back, of_route, read_pair, window_word
from store.ring import QuoteRing

PAIR = Choice("KAITO-USDT", "gate", "bybit")
DAY_S = 86_400.0


@pytest.fixture(scope="module")
def view():
    return make_desk().view


@pytest.fixture(scope="module")
def pair(view):
    return read_pair(view, PAIR, 900.0)


def words(component):
    return to_json_plotly(component)


def unpacked(values):
    return np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"])


def test_a_long_look_back_ends_with_the_newest_second(view):
    """Seconds reach 1 000 s back: the day has the 121 minutes from 0 to 7 200 s, and the second 7 210."""
    ring = QuoteRing(capacity=1_000)
    snapshot, fit = view.judgement.snapshot, view.judgement.verdicts == 0
    for t in [*np.arange(0.0, 3_600.0, 60.0), *np.arange(3_600.0, 7_211.0, 1.0)]:
        ring.sample(snapshot, fit, float(t))
    series = look_back(ring, PAIR, DAY_S, 7_210.0)

    assert (series.step_s, series.time[-1]) == (60.0, 7_210.0)
    assert len(series.time) == 122
    assert len(series.spread_bps) == len(series.exit_bps) == 122
    assert look_back(ring, PAIR, 900.0, 7_210.0).step_s == 1.0


def test_now_is_ranked_within_every_look_back_and_each_says_how_far_it_reaches(pair):
    said = words(rows.ranks(pair))

    assert [one.window_s for one in pair.ranks] == [3_600.0, DAY_S, 7 * DAY_S, 30 * DAY_S]
    assert all(one.n == pair.ranks[0].n for one in pair.ranks)  # five minutes are all there is
    assert said.count("Less than half of the look-back is remembered yet") == 4
    assert pair.rank.percentile == pytest.approx(pair.stats.percentile, abs=2.0)


def test_statistics_name_a_half_life_or_say_that_there_is_none(pair):
    walk = HalfLife(None, 0.99, 0.97, 1.004, 250, 299.0)
    said = words(rows.statistics(with_(pair, half_life=walk)))
    assert '"none"' in said
    assert "0.970 to 1.004" in said
    assert "250 pairs of consecutive samples, reaching back 4 m 59 s" in said

    assert '"69 s"' in words(rows.statistics(with_(pair, half_life=HalfLife(69.0, 0.99, 0.985, 0.994, 250, 299.0))))
    few = HalfLife(None, None, None, None, 12, 12.0)
    assert "not enough samples" in words(rows.statistics(with_(pair, half_life=few)))
    assert rows.statistics_note(pair, 900.0).startswith("15 min, n 300, reaching 4 m 59 s")


@pytest.mark.parametrize(
    ("window_s", "word"),
    [(300.0, "5 min"), (3_600.0, "1 h"), (DAY_S, "24 h"), (7 * DAY_S, "7 d"), (30 * DAY_S, "30 d")],
)
def test_windows_are_named_as_their_chips(window_s, word):
    assert window_word(window_s) == word


def test_the_rail_shares_the_axis_of_the_chart(pair):
    chart = figures.chart(pair, "Gate.io", "Bybit", 900.0, "dark")["layout"]
    rail = distribution.rail(pair, 900.0, "dark")["layout"]

    assert rail["yaxis"]["range"] == chart["yaxis2"]["range"]
    assert rail["yaxis"]["domain"] == chart["yaxis2"]["domain"]
    assert (rail["margin"]["t"], rail["margin"]["b"]) == (chart["margin"]["t"], chart["margin"]["b"])


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_plotly_accepts_every_figure(view, pair, theme):
    for window_s in (300.0, DAY_S, 30 * DAY_S):
        shown = show(view, PAIR, window_s, theme)
        for figure in (part for part in shown if isinstance(part, dict) and "layout" in part):
            go.Figure(figure)
    for figure in (distribution.blank_rail(theme), distribution.blank_bars(theme)):
        go.Figure(figure)


def test_what_is_listed_nowhere_has_as_many_parts_as_a_pair(view):
    assert len(show(view, Choice("NOPE"), 900.0, "dark")) == len(show(view, PAIR, 900.0, "dark"))


def test_episodes_of_the_route_are_marked_and_listed_newest_first(view, pair):
    time = float(pair.series.time[-1])
    ours = [episode(i, opened=time - 10.0 * i, closed=time - 10.0 * i + 5.0) for i in (2, 1)]
    other = episode(9, buy="binance")
    found = of_route([*ours, other], PAIR)
    assert [one.id[-1] for one in found] == ["1", "2"]

    marked = with_(pair, episodes=(*found, episode(3, opened=0.0, closed=1.0)))
    shapes = figures.chart(marked, "A", "B", 900.0, "dark")["layout"]["shapes"]
    assert len([shape for shape in shapes if shape["type"] == "rect" and shape["xref"] == "x"]) == 2
    assert "5.0 s, peak +12.0 net" in words(figures.chart(marked, "A", "B", 900.0, "dark")["layout"]["annotations"])
    assert "edge gone" in words(rows.episodes(marked))
    assert "No episode of this pair is in memory" in words(rows.episodes(with_(pair, episodes=())))


def test_quantiles_leave_out_what_is_not_known():
    """0 to 100: p1 is 1, p25 25, p99 99."""
    values = np.append(np.arange(101.0), np.nan)
    found = quantiles(values)

    assert (found.p1, found.p25, found.p50, found.p99) == (1.0, 25.0, 50.0, 99.0)
    assert quantiles(np.array([np.nan])) is None


def test_histogram_bins_are_round_and_count_each_sample_once():
    """-3.0 to 6.9 in at most 10 bins: 9.9 / 10 rounds up to 1 wide, from -3 to 7."""
    found = histogram(np.append(np.arange(-3.0, 7.0, 0.1), np.nan), bins=10)

    assert found.width == 1.0
    assert found.left.tolist() == list(range(-3, 7))
    assert found.counts.tolist() == [10] * 10
    assert histogram(np.array([np.nan])) is None
    assert histogram(np.array([1.0, 1.0])).counts.tolist() == [2]


@pytest.mark.parametrize(("rough", "step"), [(0.3, 0.5), (1.0, 1.0), (2.1, 2.5), (26.0, 50.0)])
def test_steps_are_round(rough, step):
    assert round_step(rough) == pytest.approx(step)


def test_bars_that_would_leave_something_are_blue(pair):
    bars = distribution.bars(pair, "dark")["data"][0]
    centres = unpacked(bars["x"])
    blue = distribution.tokens("dark")["plus-fill"]

    assert [colour == blue for colour in bars["marker"]["color"]] == (centres >= pair.net_zero).tolist()


SECOND = LeadLag("second", -200.0, -215.0, -185.0, 0.67, 0.001, 900, 700, 120.0)


def test_the_leader_is_named_with_its_lag_and_interval():
    assert lead.verdict(SECOND, "Gate.io", "Bybit") == "Bybit first by 200 ms"
    assert lead.why(SECOND) == "95 % −215 to −185 ms, correlation 0.67, n 900 and 700 in 2 m 00 s"


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (LeadLag("undecided", None, None, None, None, None, 12, 80, 100.0), "needs 50 moves of each"),
        (LeadLag("undecided", None, None, None, None, None, 80, 80, 20.0), "needs 40 s that both span"),
        (LeadLag("undecided", 10.0, -5.0, 25.0, 0.5, 0.001, 80, 80, 90.0), "the interval contains 0"),
        (LeadLag("undecided", 500.0, 400.0, 600.0, 0.1, 0.2, 80, 80, 90.0), "as high a peak in 20.0 % of draws"),
        (LeadLag("undecided", 1_990.0, 1_900.0, 2_005.0, 0.5, 0.001, 80, 80, 90.0), "end of the tried lags"),
    ],
    ids=["few moves", "short", "zero", "chance", "end"],
)
def test_undecided_says_why(found, reason):
    assert lead.verdict(found, "A", "B") == "undecided"
    assert reason in lead.why(found)


def test_both_clocks_are_told_with_what_both_contain(view):
    leads = lead.Leads(SECOND, SECOND)
    said = words(lead.panel(leads, "Gate.io", "Bybit"))

    for wanted in ("By our receipt", "By the exchanges' clocks", "two shortest network paths"):
        assert wanted in said
    for theme in ("dark", "light"):
        drawn = go.Figure(lead.drawing(leads, "Gate.io", "Bybit", theme))
        assert list(drawn.data[1].x) == [-200.0, -200.0]
        go.Figure(lead.drawing(None, "", "", theme))
    assert lead.read_leads(view, PAIR).received.leader == "undecided"  # nothing was recorded


def test_nothing_is_shown_that_is_not_a_number(view):
    for window_s in (300.0, 30 * DAY_S):
        *texts, _, _ = show(view, Choice("MYRO-USDT", "gate", "bybit"), window_s, "dark")
        assert "nan" not in words(texts).lower().replace("binance", "")
        assert not any(isinstance(part, float) and math.isnan(part) for part in texts)
