"""Figures are plain dicts; Plotly must accept each, in both themes, full and empty."""

import numpy as np
import plotly.graph_objects as go
import pytest
from scripted_market import make_desk

from layouts.exchanges import figures as exchange_figures
from layouts.overview import figures as heat_figures
from layouts.overview import rows as overview_rows
from layouts.spreads import figures as pair_figures
from layouts.spreads.choice import Choice
from layouts.spreads.pair import read_pair
from layouts.theme import empty

PAIR = Choice("KAITO-USDT", "gate", "bybit")


@pytest.fixture(scope="module")
def desk():
    return make_desk()


@pytest.fixture(params=["dark", "light"])
def theme(request):
    return request.param


def figures(desk, theme):
    view = desk.view
    symbols = overview_rows.most_dispersed(view, "USDT")
    pair = read_pair(view, PAIR, 900.0)
    yield heat_figures.heatmap(overview_rows.deviations(view, "USDT", symbols), 20.0, theme)
    yield heat_figures.heatmap(overview_rows.deviations(view, "USD", ()), 20.0, theme)
    yield pair_figures.chart(pair, "Gate.io", "Bybit", 900.0, theme)
    yield pair_figures.blank(theme)
    yield exchange_figures.rates((100.0, 0.0, 120.0), theme)
    yield exchange_figures.rates((), theme)
    yield exchange_figures.ages([0.1, 0.5, 2.0, 7.0, 40.0], theme)
    yield exchange_figures.ages([], theme)
    yield empty(theme)


def test_plotly_accepts_every_figure(desk, theme):
    for figure in figures(desk, theme):
        go.Figure(figure)


def test_heatmap_limits_are_fixed_whatever_the_data(desk):
    view = desk.view
    data = overview_rows.deviations(view, "USDT", overview_rows.most_dispersed(view, "USDT"))
    trace = heat_figures.heatmap(data, 20.0, "dark")["data"][0]

    assert (trace["zmin"], trace["zmid"], trace["zmax"]) == (-20.0, 0, 20.0)


def test_heatmap_writes_figures_from_ten_bps_on():
    data = heat_figures.Deviations(
        exchanges=("Binance",),
        symbols=("A-USDT", "B-USDT", "C-USDT"),
        deviation_bps=np.array([[9.9, -10.0, np.nan]]),
        stale=np.array([[False, False, True]]),
        age_s=np.array([[0.1, 0.2, 47.0]]),
        reasons=(("", "", "stale leg"),),
        notes={},
    )
    heat, hatch = heat_figures.heatmap(data, 20.0, "dark")["data"]

    assert heat["text"] == [["", "−10", ""]]
    assert heat["z"] == [[9.9, -10.0, None]]
    assert hatch["x"] == [2]
    assert "stale leg" in hatch["hovertext"][0]
    assert "1 quotes are stale" in heat_figures.summary(data)


def test_zoom_belongs_to_pair_and_window(desk):
    pair = read_pair(desk.view, PAIR, 900.0)
    layouts = [pair_figures.chart(pair, "A", "B", window, "dark")["layout"] for window in (300.0, 900.0, 900.0)]

    assert layouts[1]["uirevision"] == layouts[2]["uirevision"]
    assert layouts[0]["uirevision"] != layouts[1]["uirevision"]


def test_age_classes_count_each_quote_once():
    assert exchange_figures.age_classes([0.2, 0.21, 1.0, 3.0, 9.9, 10.1, 99.0]) == [1, 2, 1, 1, 2]
