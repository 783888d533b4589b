"""Rows, headline, curves and CSV of the Episodes page, and the Overview's list of what has just opened."""

import base64
import csv
import io
import re

import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.io.json import to_json_plotly
from scripted_market import make_desk

from analytics.lives import lives
from analytics.survival import survival
from layouts.app import ASSETS
from layouts.episodes import callbacks, figures, rows
from layouts.episodes.layout import grid, page
from layouts.kept import Kept
from layouts.overview import opened
from store.episodes import Episode, Reason

NOW = 10_000.0


def episode(number=1, **given):
    """Opened at 9 000 s, for 4 s, peak +12 bps for 2 000 of quote currency."""
    made = {
        "id": f"KAITO-USDT:gate:bybit:{number}",
        "symbol": "KAITO-USDT",
        "buy": "gate",
        "sell": "bybit",
        "opened": 9_000.0,
        "confirmed": 9_000.1,
        "seen": 9_004.0,
        "closed": 9_004.0,
        "reason": Reason.EDGE_GONE,
        "net_bps": 1.0,
        "peak_bps": 12.0,
        "peak_time": 9_001.0,
        "gross_bps": 40.0,
        "mean_bps": 8.0,
        "size": 1_700.0,
        "notional": 2_000.0,
        "edge_100ms_bps": 7.0,
        "edge_250ms_bps": 6.0,
        "edge_500ms_bps": None,
        "looks": 9,
    }
    return Episode(**{**made, **given})


STILL = episode(2, opened=9_990.0, closed=None, reason=None)
LOST = episode(3, opened=9_100.0, closed=9_102.0, reason=Reason.VENUE_LOST, symbol="BTC-USDT", buy="binance")
REFUSED = episode(4, opened=9_200.0, closed=9_206.0, reason=Reason.REFUSED, detail="thin_book", peak_bps=3.0)
ALL = [episode(), STILL, LOST, REFUSED]


@pytest.fixture(scope="module")
def view():
    return make_desk().view


def words(component):
    return to_json_plotly(component)


def test_open_episodes_stand_on_top_newest_first():
    assert [one.id[-1] for one in rows.passing(ALL, rows.Filters())] == ["2", "4", "3", "1"]


@pytest.mark.parametrize(
    ("filters", "passed"),
    [
        (rows.Filters(symbol="btc"), "3"),
        (rows.Filters(exchange="gate"), "241"),
        (rows.Filters(state="open"), "2"),
        (rows.Filters(state="closed"), "431"),
        (rows.Filters(peak_bps=12.0), "231"),
    ],
    ids=["symbol", "exchange", "open", "closed", "peak"],
)
def test_filters_admit_what_they_say(filters, passed):
    assert "".join(one.id[-1] for one in rows.passing(ALL, filters)) == passed


def test_a_row_says_what_ended_it_and_leads_to_its_pair(view):
    columns = rows.columns(view, ALL)

    assert columns["reason"] == ["edge gone", "open", "venue lost", "refused: thin book"]
    assert columns["group"] == [1, 0, 1, 1]
    assert columns["buy"] == ["Gate.io", "Gate.io", "Binance", "Gate.io"]
    assert columns["href"][0] == "/spreads?symbol=KAITO-USDT&buy=gate&sell=bybit"
    assert columns["after500"] == [None] * 4
    assert len({len(values) for values in columns.values()}) == 1


def test_headline_counts_what_is_open_and_what_closed_in_the_last_hour():
    """Lives: 4 s and 6 s ended; 2 s lost, 10 s open. At 4 s 1 of 3, at 6 s 1 of 2: 2/3, then 1/3: the median is 6 s."""
    old = episode(5, opened=5_000.0, closed=6_000.0)
    said = words(rows.headline([*ALL, old], NOW, survival(ALL, NOW)["all"]))

    assert '"children":"1"' in said
    assert '"children":"3"' in said
    assert '"6.0 s"' in said
    assert "the first opened 83 m 20 s ago" not in said
    assert "the first opened 1 h 23 m ago" in said


def test_a_median_that_was_not_reached_says_how_long_was_looked():
    group = survival([STILL], NOW)["all"]

    assert rows.lifetime(group.median_s, group) == "over 10 s"
    assert rows.interval(group) == "95 % interval not reached, 1 episodes"


@pytest.mark.parametrize("by", ["all", "size", "pair", "symbol"])
def test_lives_agree_with_the_survival_they_are_drawn_beside(by):
    sizes = [episode(i, notional=10.0 ** (i % 6), opened=9_000.0 + i, buy=("gate", "okx")[i % 2]) for i in range(30)]
    shown = lives([*ALL, *sizes], NOW, by, most=4)
    groups = survival([*ALL, *sizes], NOW, by)

    assert 1 <= len(shown) <= 4
    for one in shown:
        assert one.survival == groups[one.name]
        assert len(one.seen_s) == one.survival.n
        assert len(one.lost_s) == one.survival.censored
        for step in one.survival.steps:
            assert one.at_risk(step.time_s) == step.at_risk
            assert one.share_at(np.array([step.time_s]))[0] == step.survival


def test_the_largest_four_groups_are_drawn():
    many = [episode(100 * i + j, symbol=f"{name}-USDT") for i, name in enumerate("ABCDEF") for j in range(i + 1)]

    assert [one.name for one in lives(many, NOW, "symbol", 4)] == ["F-USDT", "E-USDT", "D-USDT", "C-USDT"]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("episodes", [ALL, [], [STILL]], ids=["some", "none", "only open"])
def test_plotly_accepts_the_curves(view, episodes, theme):
    shown = lives(episodes, NOW, "symbol", figures.MOST)
    figure, summary, note, _ = callbacks.drawing(view, shown, "symbol", theme)

    assert len(go.Figure(figure).data) == 3 * figures.MOST
    assert "lost from sight" in note
    assert ("No episode yet." in summary) == (not episodes)


def test_numbers_at_risk_stand_below_the_axis(view):
    """Lives of 2, 4, 6 and 10 s: before 1 s all four, before 3 s three, before 10 s one."""
    shown = lives(ALL, NOW, "all", figures.MOST)
    notes = figures.survival(shown, ["All"], "dark")["layout"]["annotations"]
    at_risk = {round(10.0 ** note["x"], 3): note["text"] for note in notes if note.get("xref") == "x"}

    assert at_risk[3.0] == "3"
    assert at_risk[10.0] == "1"


def test_a_long_curve_is_thinned_and_keeps_its_ends(view):
    many = [episode(i, closed=9_000.0 + 0.1 + i * 0.01) for i in range(3_000)]
    (one,) = lives(many, NOW, "all", 4)
    drawn = figures.survival([one], ["All"], "dark")["data"][1]["y"]
    shares = np.frombuffer(base64.b64decode(drawn["bdata"]), dtype=drawn["dtype"])

    assert 100 < len(shares) <= figures.POINTS + 1
    assert (shares[0], shares[-1]) == (1.0, one.survival.steps[-1].survival)


def test_closed_rows_are_named_so_that_they_are_sent_once(view):
    first = callbacks.show(view, ALL, rows.Filters())
    again = callbacks.show(view, [episode(6, closed=None, reason=None), *ALL], rows.Filters())
    more = callbacks.show(view, [episode(7), *ALL], rows.Filters())

    assert first[2] == again[2] != more[2]
    assert first[3] == "4 of 4 episodes, 1 open"


def test_the_page_without_episodes_says_what_would_open_one(view):
    said, name = rows.nothing(view, [], rows.Filters())
    assert name == "empty"
    assert "No gap has opened yet" in words(said)
    assert "Nearest now" in words(said)

    said, name = rows.nothing(view, ALL, rows.Filters(symbol="NOPE"))
    assert "No episode passes these filters" in words(said)
    assert rows.nothing(view, ALL, rows.Filters())[1] == "empty hidden"


def test_csv_has_source_and_empty_fields_for_what_is_not_known():
    lines = list(csv.DictReader(io.StringIO(rows.as_csv("demo", [episode(), STILL]))))

    assert [line["source"] for line in lines] == ["demo", "demo"]
    assert float(lines[0]["duration_s"]) == 4.0
    assert lines[0]["reason"] == "edge gone"
    assert (lines[1]["closed"], lines[1]["duration_s"], lines[1]["edge_500ms_bps"]) == ("", "", "")


def test_the_address_names_a_symbol(view):
    assert "BTC-USDT" in words(page(make_desk(samples=1), "?symbol=BTC-USDT", "dark"))


def test_every_function_that_the_grid_names_is_in_the_assets():
    """AG Grid says nothing of one that is missing: it shows raw numbers."""
    named = set(re.findall(r'"function": ?"(\w+)\(', words(grid())))
    scripts = "".join(path.read_text(encoding="utf-8") for path in ASSETS.glob("*.js"))

    assert {"episodeCoins", "episodesOpenFirst", "bps"} <= named
    assert [name for name in sorted(named) if not re.search(rf"\b{name}\b[:,]", scripts)] == []


def test_newly_opened_shows_net_while_open_and_the_length_of_what_ended(view):
    lines = opened.rows(view, [STILL, episode()])
    still, ended = (words(line) for line in lines)

    assert '"+1.0"' in still
    assert "shape-live" in still
    assert '"4.0 s"' in ended
    assert "ended: edge gone" in ended
    assert "GAT" in ended
    assert '"+1.0"' not in ended


def test_newly_opened_says_what_would_open_one(view):
    (line,) = opened.rows(view, [])
    assert "No gap has opened yet" in words(line)
    assert "Nearest: KAITO-USDT" in words(line)


def test_results_are_kept_and_others_wait_for_nobody():
    kept, made = Kept(every_s=60.0), []

    def make():
        made.append(1)
        assert kept.get("other", make) is None  # another one is being made
        return len(made)

    assert [kept.get("one", make), kept.get("one", make)] == [1, 1]
    assert made == [1]
