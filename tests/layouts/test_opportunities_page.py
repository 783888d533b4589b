"""The Opportunities page: my terms, groups, funnel, drawer, text and CSV, on a market made by hand."""

import csv
import io
from dataclasses import replace

import plotly.graph_objects as go
import pytest
from plotly.io.json import to_json_plotly
from scripted_market import make_desk, status

from analytics.terms import Terms
from desk import View
from layouts.opportunities import callbacks, drawer, figures, funnel, layout, rows, terms, text
from layouts.opportunities.books import books, taken
from layouts.opportunities.pair import open_pair
from market.models import Depth

KAITO = "KAITO-USDT:gate:bybit"
MYRO = "MYRO-USDT:bybit:gate"  # Gate.io's MYRO is another asset
ALL = rows.Chips()


@pytest.fixture(scope="module")
def view():
    return make_desk(reaction_s=0.0).view


def words(component) -> str:
    return to_json_plotly(component)


# -- my terms


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("10000", 10_000.0),
        ("10 000", 10_000.0),
        ("10\u2009000", 10_000.0),
        ("2.5e4", 25_000.0),
        ("", None),
        (None, None),
    ],
)
def test_numbers_are_read_as_people_type_them(typed, value):
    assert terms.number(typed, terms.NUMBERS["notional"]) == value
    assert terms.number("\u22123.5", terms.NUMBERS["min_net_bps"]) == -3.5


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("notional", "ten", "'ten' is not a number; 10\u2009000 is used"),
        ("notional", "nan", "'nan' is not a number"),
        ("notional", "0", "0 is not above 0 to 1\u2009000\u2009000\u2009000"),
        ("holding_h", "1e9", "1e9 is not above 0 to 8\u2009760"),
        ("slippage_bps", "-1", "-1 is not from 0 to 1\u2009000"),
    ],
)
def test_what_cannot_be_used_is_said_and_the_desks_own_is_kept(field, typed, said):
    asked = terms.read({field: typed}, Terms())

    assert said in asked.wrong[field]
    assert asked.terms == Terms()
    assert "wrong" in words(callbacks.said_back(asked))


@pytest.mark.parametrize("old", [None, [], "x", {"fees": 3}, {"fees": {"gate": ["VIP99", "", ""]}}, {"fills": ["a"]}])
def test_whatever_a_session_holds_is_read(old):
    assert terms.read(old, Terms()).terms == Terms()


def test_fees_and_fills_of_my_own_are_terms_of_my_own():
    fees = {"gate": ["VIP3", "", ""], "bybit": ["listed", "3.2", "x"]}
    asked = terms.read({"fills": ["maker", "taker", "maker", "taker"], "fees": fees}, Terms())

    assert asked.terms.costs.fills == ("maker", "taker", "maker", "taker")
    assert asked.terms.fees.tiers == (("gate", "VIP3"),)
    assert asked.terms.fees.taker_bps == (("bybit", 3.2),)
    assert list(asked.wrong) == ["maker bybit"]
    assert asked.changed == {"fills", "fees"}
    assert terms.costs_words(asked.terms) == "2 taker, 2 maker"
    assert terms.fees_words(asked.terms) == "mine at 2"


def test_the_page_starts_with_the_desks_terms():
    own = Terms(notional=25_000.0, holding_h=72.0)

    assert terms.read(layout.defaults(own), own).terms == own


def test_the_same_moment_is_judged_by_my_terms(view):
    """KAITO pays 5 + 5.5 bps twice as taker, 21 bps, and 2 bps four times as maker, 8 bps: 13 bps more are left."""
    asked = terms.read({"fills": ["maker"] * 4}, view.terms).terms
    taker, maker = open_pair(view, KAITO).row, open_pair(view.by(asked), KAITO).row

    assert taker.fees_bps == pytest.approx(21.0)
    assert maker.fees_bps == pytest.approx(8.0)
    assert maker.net_edge_bps - taker.net_edge_bps == pytest.approx(13.0)


# -- groups, filters, funnel


def test_actionable_stand_first_then_what_terms_refuse_then_what_tests_refuse(view):
    columns = rows.columns(view, ALL, rows.shown(view, ALL))
    groups = [group for group, heading in zip(columns["group"], columns["heading"], strict=True) if not heading]

    assert groups == sorted(groups)
    assert set(groups) == {0, 1, 2}
    assert columns["verdict"][0] == "actionable"
    assert columns["id"][-2:] == ["heading:1", "heading:2"]
    assert len({len(values) for values in columns.values()}) == 1


def test_refused_rows_have_no_capacity(view):
    columns = rows.columns(view, ALL, rows.shown(view, ALL))

    by_group = {group: columns["capacity"][columns["group"].index(group)] for group in (0, 2)}
    assert by_group[0] >= 100.0
    assert by_group[2] is None


@pytest.mark.parametrize(("tab", "groups"), [("actionable", {0, 2}), ("quarantined", {2}), ("all", {0, 1, 2})])
def test_each_view_shows_its_groups(view, tab, groups):
    chips = rows.chips_of(tab, "any", None, "any")

    assert {rows.group(row) for row in rows.chosen(view, chips)} == groups


@pytest.mark.parametrize(
    ("chips", "holds"),
    [
        (rows.Chips(family="USDC"), lambda row: row.symbol.endswith("-USDC")),
        (rows.Chips(buy="gate"), lambda row: row.buy == "gate"),
        (rows.Chips(buy="gate", sell="bybit"), lambda row: (row.buy, row.sell) == ("gate", "bybit")),
    ],
    ids=["family", "buy", "both"],
)
def test_chips_admit_what_they_say(view, chips, holds):
    chosen = rows.chosen(view, chips)

    assert chosen
    assert all(holds(row) for row in chosen)


def test_opened_row_is_sent_as_the_drawer_has_it_even_when_filtered_out(view):
    opened = open_pair(view, KAITO).row

    assert rows.shown(view, rows.Chips(family="USD"), opened) == [opened]
    assert [row for row in rows.shown(view, ALL, opened) if row.id == KAITO] == [opened]


def test_counts_of_the_views_add_up(view):
    counts = rows.counts(view, ALL)

    assert counts["all"] == len(view.opportunities)
    assert counts["actionable"] == sum(row.actionable for row in view.opportunities)


def test_empty_state_names_what_is_nearest(view):
    mine = view.by(replace(view.terms, min_net_bps=500.0))
    content, name = callbacks.empty_state(mine, rows.Chips("actionable"))

    assert name == "empty"
    assert "No pair clears 500.0 bps at 10\u2009000" in words(content)
    assert "KAITO-USDT" in words(content)
    assert callbacks.empty_state(mine, ALL) == (None, "empty hidden")


def test_partial_state_names_who_is_missing(view):
    lost = status("gate", "down", "close 1006")
    partial = View(view.judgement, (status("binance"), lost, status("bybit")), view.market)

    assert "2 of 3 exchanges. Left out: Gate.io." in words(callbacks.notice(partial))
    assert callbacks.notice(view) is None


def test_funnel_is_of_the_minute_or_of_this_moment_by_terms_of_my_own(view):
    minute = view.market.funnel.minutes[-1]
    mine = view.by(replace(view.terms, min_net_bps=500.0))

    assert funnel.counts(view, own=False) == (minute.funnel, minute.reasons)
    assert funnel.counts(mine, own=True) == (mine.judgement.funnel, mine.judgement.reasons)
    assert "this moment, by my terms" in words(funnel.reasons(mine, own=True))


def test_a_pair_that_never_breaks_even_is_told_from_one_that_is_not_known(view):
    row = replace(view.opportunities[0], break_even_h=None, carry_8h_bps=0.0)

    assert rows.never_breaks_even(row)
    assert not rows.never_breaks_even(replace(row, carry_8h_bps=None))
    assert not rows.never_breaks_even(replace(row, break_even_h=0.0))


def test_csv_has_source_and_full_precision(view):
    lines = list(csv.DictReader(io.StringIO(rows.as_csv("demo", 12.5, view.opportunities))))

    assert len(lines) == len(view.opportunities)
    assert {line["source"] for line in lines} == {"demo"}
    assert float(lines[0]["net_edge_bps"]) == view.opportunities[0].net_edge_bps


# -- the drawer


@pytest.mark.parametrize("row_id", [KAITO, MYRO, "BTC-USDT:gate:binance"])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_plotly_accepts_the_charts_of_any_pair(view, row_id, theme):
    opened = open_pair(view, row_id)

    for chart in (figures.waterfall, figures.curve, figures.spread):
        go.Figure(chart(opened, theme))
        go.Figure(chart(None, theme))


def test_waterfall_sums_to_the_net_that_is_shown(view):
    opened = open_pair(view, KAITO)
    steps = figures.parts(opened)
    bars = figures.waterfall(opened, "dark")["data"][0]

    assert [name for name, _ in steps] == ["Touch", "Book walk", "Exit (median)", "Fees in", "Fees out"]
    assert sum(value for _, value in steps) == pytest.approx(round(opened.row.net_edge_bps, 1))
    ends = [base + value for base, value in zip(bars["base"], bars["y"], strict=True)]
    assert bars["base"][1:5] == pytest.approx(ends[:4], abs=1e-6), "each begins where the one before ended"
    assert bars["x"][-3:] == ["Net", "Carry<br>8 h", "With<br>carry"]


def test_payments_inside_the_hold_are_dated_and_summed(view):
    """Both legs settle in 1 h and then every 8 h: three times in 24 h each. Long pays 1 bp, short gets 1 bp: 0."""
    mine = view.by(replace(view.terms, holding_h=24.0))
    opened = open_pair(mine, KAITO)
    said = words(drawer.funding(mine, opened))

    assert [flow.kind for flow in opened.flows] == ["predicted"] * 2 + ["assumed"] * 4
    assert opened.carry == pytest.approx(0.0)
    assert said.count("long pays, assumed") == 2
    assert said.count("short receives, assumed") == 2


def test_six_figures_and_all_others_open_into_formula_and_inputs(view):
    opened = open_pair(view, KAITO)
    facts, every = words(drawer.facts(view, opened)), words(drawer.all_figures(view, opened))

    assert facts.count('"fact pop"') == 6
    assert "gross edge + book walk + expected exit" in facts
    assert "my minimum" in facts
    assert every.count("figure-row") == len(opened.explanation.figures)
    assert "ask of the long leg" in every
    assert "Gate.io" in every


def test_every_test_says_what_became_of_it(view):
    passed, refused = open_pair(view, KAITO), open_pair(view, MYRO)

    assert drawer.count_states(passed)["refused"] == 0
    assert drawer.tests_title(view, passed)[0] == "Why it counts as actionable"
    assert drawer.count_states(refused)["refused"] == 1
    assert drawer.tests_title(view, refused)[0] == "Why it is refused: different asset"
    said = words(drawer.tests(view, refused))
    assert "does not agree with the other exchanges" in said
    assert '"not asked"' in said


def test_charts_are_said_in_a_sentence(view):
    opened = open_pair(view, KAITO)

    assert figures.waterfall_summary(opened).startswith("Net edge +")
    assert "Only the touch is known." in figures.curve_summary(opened)
    assert "would leave nothing at my size" in figures.spread_summary(opened)


def test_text_holds_verdict_terms_tests_and_figures(view):
    said = text.explanation(view, open_pair(view, KAITO))

    for wanted in (
        "KAITO-USDT: buy Gate.io, sell Bybit",
        "source DEMO, not real: scripted",
        "Verdict: actionable",
        "10 000 USDT a leg",
        "passed    thin book",
        "net edge +",
        "Gate.io",
    ):
        assert wanted in said


def test_drawer_of_a_pair_that_is_gone_says_so(view):
    gone = callbacks.explain(view, "GONE-USDT:gate:bybit", "dark")
    found = callbacks.explain(view, KAITO, "dark")

    assert "no longer listed" in words(gone)
    assert len(gone) == len(found) == callbacks.DRAWER
    assert found[-2] == "/spreads?symbol=KAITO-USDT&buy=gate&sell=bybit"


def test_the_drawer_asks_for_the_books_of_both_legs():
    assert callbacks.pair_of("BTC-USDT:okx:bybit") == ("BTC-USDT", ("okx", "bybit"))


@pytest.mark.parametrize(("quantity", "levels"), [(0.0, 0), (50.0, 1), (100.0, 1), (100.1, 2), (900.0, 3)])
def test_levels_are_marked_as_far_as_a_size_takes_them(quantity, levels):
    assert taken(((1.0, 100.0), (1.1, 100.0), (1.2, 100.0)), quantity) == levels


def books_shown(view, buy=(), sell=()):
    """The drawer's books of KAITO after each leg's book has come."""
    depths = view.market.store.depths
    for exchange, asks, bids in (("gate", buy, ()), ("bybit", (), sell)):
        depths.watch(exchange, ["KAITO-USDT"], [], 0.0)
        if asks or bids:
            depths.write(Depth(exchange, "KAITO-USDT", bids, asks, None, view.judgement.time - 2.0))
    open_pair.cache_clear()
    return words(books(view, open_pair(view, KAITO)))


def test_both_books_are_shown_with_sums_and_bars():
    asks = tuple((1.25 + i / 100, 1_000.0) for i in range(12))
    said = books_shown(make_desk().view, buy=asks, sell=((1.2, 2_000.0), (1.1, 1_000.0)))

    for wanted in (
        "Gate.io ask",
        "Bybit bid",
        "Sum, USDT",
        "1.25000",
        "1.34000",
        "1.20000",
        "2\u2009400",
        "3\u2009500",
    ):
        assert wanted in said
    assert "1.35000" not in said  # ten levels
    assert '"backgroundSize":"100% 100%"' in said.replace(": ", ":")
    assert '"backgroundSize":"19% 100%"' in said.replace(": ", ":")  # 2 400 of the 12 950 that ten asks add up to
    assert "book-state" not in said


def test_a_book_that_is_not_live_says_so():
    view = make_desk().view
    said = books_shown(view, sell=((1.2, 2_000.0),))
    assert "Gate.io, waiting: waiting for the book." in said
    assert "Bybit, " not in said

    view.market.store.mark_depth("bybit", ["KAITO-USDT"], "resyncing")
    said = words(books(view, open_pair(view, KAITO)))
    assert "Bybit, resyncing: a change was missed: a fresh book is asked for; the levels are 2.0 s old." in said
    assert "depth-bar dim" in said
