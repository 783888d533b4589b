"""Rows, choices and states of the pages, on a market made by hand."""

import csv
import io
from dataclasses import replace

import pytest
from plotly.io.json import to_json_plotly
from scripted_market import make_desk, open_market, status

from analytics.quality import Verdict
from desk import View
from feeds.status import ExchangeStatus, SocketStatus
from layouts import glance
from layouts.exchanges import callbacks as exchanges_page
from layouts.exchanges import rows as exchange_rows
from layouts.overview import rows as overview_rows
from layouts.pages import PAGES, not_found, page_of
from layouts.shell import callbacks as shell
from layouts.spreads.callbacks import chosen, show
from layouts.spreads.choice import Choice, complete, read
from layouts.spreads.pair import as_csv, read_pair


@pytest.fixture(scope="module")
def desk():
    return make_desk()


@pytest.fixture(scope="module")
def view(desk):
    return desk.view


def view_with(view: View, statuses: tuple[ExchangeStatus, ...]) -> View:
    return View(view.judgement, statuses, view.market)


def words(component) -> str:
    return to_json_plotly(component)


def test_every_page_can_be_laid_out(desk):
    for path in PAGES:
        assert '"page' in words(page_of(path)(desk, "", "light"))


def test_an_unknown_address_says_so(desk):
    assert page_of("/nowhere") is not_found
    assert "No such page" in words(not_found(desk, "", None))


# -- what all pages share


def test_sockets_that_carry_only_books_are_listed_last_and_not_counted(view):
    books = SocketStatus("depth-1", "live", view.judgement.time - 5.0, 7, 300, 0.2)
    shown = replace(status("bybit"), book_sockets=(books,))
    page = exchanges_page.show(view_with(view, (shown,)), "bybit", "all", "light")
    assert "1 of 1 up" in page
    table = words(page)
    assert table.index("public-0") < table.index("depth-1")


def test_closed_exchanges_are_not_counted_as_down(view):
    assert len(glance.expected(view)) == 3
    assert [status.title for status in glance.apart(view)] == ["BitMEX"]
    assert "3 of 3" in words(shell.exchanges_up(view))
    assert "BitMEX closed" in words(shell.exchanges_up(view))


def test_reachability_tells_loading_from_unreachable(view):
    def with_states(*states):
        statuses = tuple(status("binance", state) for state in states)
        return view_with(view, statuses)

    assert glance.reachability(with_states("live", "down")) == "ok"
    assert glance.reachability(with_states("starting", "starting")) == "loading"
    assert glance.reachability(with_states("starting", "down")) == "unreachable"
    assert glance.reachability(with_states("closed")) == "ok"


def test_unreachable_names_each_exchange_its_reason_and_next_attempt():
    view = make_desk(source="live", reachable=False).view
    head, text, rows = shell.unreachable(view)

    assert glance.reachability(view) == "unreachable"
    assert head == "None of 3 exchanges can be reached"
    assert "nothing is made up" in text
    assert words(rows).count("name not resolved") == 3
    assert "again in 9 s" in words(rows)
    assert "BitMEX" not in words(rows)


@pytest.mark.parametrize(
    ("kind", "word", "button"), [("demo", "SIMULATED MARKET", "Switch to live"), ("replay", "REPLAY", "Back to live")]
)
def test_band_names_the_source(kind, word, button):
    shown = shell.band(kind, "seed 7")

    assert shown[0] == word
    assert "seed 7" in shown[1]
    assert shown[2] == button


def test_clock_counts_from_the_newest_frame(view):
    answer = shell.answer(view, 10.0)

    assert answer["newest"] <= answer["judged"]
    assert answer["stale_after_s"] == 10.0


# -- overview


def test_best_ten_are_good_pairs_best_first(view):
    best = overview_rows.best_ten(view)

    assert len(best) == 10
    assert (best[0].symbol, best[0].buy, best[0].sell) == ("KAITO-USDT", "gate", "bybit")
    assert all(row.verdict == "ok" for row in best)
    nets = [row.net_edge_bps for row in best]
    assert nets == sorted(nets, reverse=True)


def test_best_ten_keep_their_places_while_pointed_at(view):
    order = [row.id for row in overview_rows.best_ten(view)][::-1]

    assert [row.id for row in overview_rows.best_ten(view, order)] == order


def test_the_best_net_edge_is_one_that_is_known():
    """Before there are samples nothing is known of what closing will earn: pairs have a gross edge and no net."""
    young, old = make_desk(samples=0).view, make_desk().view
    assert [row.net_edge_bps for row in young.opportunities] == [None] * len(young.opportunities) != []
    net, where, *_ = overview_rows.headline(young)
    assert (net, "no net edge known yet" in words(where)) == ("", True)
    net, where, *_ = overview_rows.headline(old)
    assert (net != "", overview_rows.best_ten(old)[0].symbol in words(where)) == (True, True)


def test_reasons_are_those_of_the_judgement(view):
    assert view.judgement.reasons[Verdict.DIFFERENT_ASSET] > 0
    assert "different asset" in words(overview_rows.reason_rows(view))


def test_exchange_without_the_quote_family_says_so(view):
    data = overview_rows.deviations(view, "USD", ())

    assert data.notes[0] == "lists no USD perpetuals"
    assert data.notes[3] == "not paired"


def test_columns_of_the_heatmap_stay_for_a_while(desk, view, monkeypatch):
    monkeypatch.setattr(overview_rows, "COLUMNS", 2)
    order = overview_rows.SteadyOrder(every_s=10.0)
    first = order.symbols(view, "USDT")
    monkeypatch.setattr(overview_rows, "most_dispersed", lambda *_: ("OTHER-USDT",))
    elsewhere = View(view.judgement, view.status, open_market("demo"))

    assert order.symbols(view, "USDT") == first
    assert order.symbols(elsewhere, "USDT") == ("OTHER-USDT",), "another market begins anew"


# -- spreads


def test_address_names_a_pair():
    assert read("?symbol=BTC-USDT&buy=gate&sell=bybit") == Choice("BTC-USDT", "gate", "bybit")
    assert Choice("BTC-USDT", "gate").search == "?symbol=BTC-USDT&buy=gate"


@pytest.mark.parametrize("typed", ["kaito", "KAITO-USDT", "kaitousdt", " Kaito "])
def test_a_typed_symbol_is_understood(view, typed):
    assert complete(view, Choice(typed)) == Choice("KAITO-USDT", "gate", "bybit")


def test_what_is_not_chosen_is_the_best_pair(view):
    assert complete(view, Choice()) == Choice("KAITO-USDT", "gate", "bybit")
    assert complete(view, Choice("KAITO-USDT", "bybit")).buy == "bybit"
    assert complete(view, Choice("KAITO-USDT", "bybit")).sell in ("gate", "binance")


def test_an_unknown_symbol_is_kept_and_said_so(desk, view):
    choice = complete(view, Choice("NOPE"))

    assert choice == Choice("NOPE", "", "")
    assert "NOPE is listed nowhere" in words(show(view, choice, 900.0, "dark")[0])


def test_swapping_exchanges_the_legs():
    assert chosen("spreads-swap", "", "BTC-USDT", "gate", "bybit") == Choice("BTC-USDT", "bybit", "gate")


def test_choosing_the_other_leg_frees_it():
    assert chosen("spreads-buy", "", "BTC-USDT", "bybit", "bybit") == Choice("BTC-USDT", "bybit", "")


def test_pair_agrees_with_the_opportunity(desk, view):
    """Two ways to the same number: the table's and the page's."""
    row = view.opportunities[0]
    pair = read_pair(view, Choice(row.symbol, row.buy, row.sell), 900.0)

    assert pair.entry == pytest.approx(row.gross_edge_bps)
    assert pair.fees == pytest.approx(row.fees_bps)
    assert pair.net == pytest.approx(row.net_edge_bps, abs=0.01)
    assert pair.net_zero == pytest.approx(pair.fees - pair.expected_exit)
    assert pair.stats.n > 0


def test_csv_of_a_series_leaves_gaps_empty(desk, view):
    choice = Choice("MYRO-USDT", "gate", "bybit")  # refused as another asset: never fit to be remembered
    pair = read_pair(view, choice, 900.0)
    lines = list(csv.DictReader(io.StringIO(as_csv("demo", choice, pair.series))))

    assert lines
    assert {line["spread_bps"] for line in lines} == {""}
    assert {line["source"] for line in lines} == {"demo"}


# -- exchanges


def test_exchange_in_trouble_is_selected_first(view):
    down = view_with(view, (status("binance"), status("gate", "down", "close 1006")))

    assert exchange_rows.selected(down, None).exchange == "gate"
    assert exchange_rows.selected(down, "binance").exchange == "binance"


def test_closed_exchange_says_since_when(desk, view):
    rows = words(exchange_rows.table_rows(view, glance.latencies(view), "binance"))

    assert "closed since 2026-09-23" in rows


def test_log_is_newest_first_and_can_be_narrowed_to_errors():
    everything = words(exchange_rows.log(status("gate"), "all"))

    assert everything.index("closed 1006") < everything.index("opened")
    assert "opened" not in words(exchange_rows.log(status("gate"), "error"))
