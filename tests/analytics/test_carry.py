"""The two exchanges of a symbol that funding parts most, and when payments fall due."""

import numpy as np
import pytest

from analytics.carry import calendar, fresh_rates, widest_pairs
from analytics.quality import Limits, Verdict
from analytics.terms import Terms
from tests.store.scripted import NOW, funding, quote, store_of

EXCHANGES = ("binance", "bybit", "okx", "deribit")
HOUR = 3_600.0


def paying(exchange: str, rate: float, hours: float | None, left_h: float = 1.0, at: float = NOW, symbol="BTC-USDT"):
    said = {"mark_price": 100.0, "index_price": 100.0, "funding_rate": rate, "next_funding_time": NOW + left_h * HOUR}
    return funding(exchange, symbol, at=at, **said, **({} if hours is None else {"funding_interval_h": hours}))


def market(*words):
    """All quote 99.99 / 100.01, two basis points apart; listings say no interval."""
    quotes = [quote(exchange, 99.99, 100.01) for exchange in EXCHANGES]
    return store_of(EXCHANGES, *quotes, *words, funding_interval_h=None).snapshot()


def exits_of(value: float, samples: float = 60.0):
    return lambda s, _buy, _sell: (np.full(len(s), value), np.full(len(s), samples))


def widest(snapshot, exits=None, refused=None, **terms):
    """refused: verdicts on single quotes, by exchange."""
    verdicts = np.array([[(refused or {}).get(exchange, Verdict.OK) for exchange in EXCHANGES]], dtype=np.int8)
    return widest_pairs(snapshot, NOW, verdicts, Terms(**terms), Limits(), exits or exits_of(-2.0))


def test_long_where_an_hour_is_cheapest_and_short_where_it_is_dearest():
    """2 bps in 8 h are 0.25 an hour, -1 bp in 4 h -0.25, 3 bps in 24 h 0.125: apart 0.5 bps an hour, 4 in 8 h.

    A year has 8760 hours: 4380 bps, 43.8 %. Costs 20 less entry -2 and exit -2 leave 24 bps: 48 h.
    In 9 h bybit pays 1 bp at 1 h, 5 h and 9 h, binance 2 bps at 1 h and 9 h: 7 bps. (7 - 24) bps * 8760 / 9 = -1.6547.
    On capital at 5 times both: 1 / 5 + 1 / 5 = 0.4 of the notional: -4.1367.
    """
    snapshot = market(paying("binance", 0.0002, 8.0), paying("bybit", -0.0001, 4.0), paying("okx", 0.0003, 24.0))
    pairs = widest(snapshot, holding_h=9.0)

    assert len(pairs) == 1
    assert (snapshot.exchanges[pairs.long[0]], snapshot.exchanges[pairs.short[0]]) == ("bybit", "binance")
    assert pairs.per_8h_bps[0] == pytest.approx(4.0)
    assert pairs.apr[0] == pytest.approx(0.438)
    assert (pairs.cost_bps[0], pairs.entry_bps[0]) == (20.0, pytest.approx(-2.0))
    assert pairs.break_even_h[0] == pytest.approx(48.0)
    assert pairs.carry_bps[0] == pytest.approx(7.0)
    assert pairs.net_apr[0] == pytest.approx(-17e-4 * 8760 / 9)
    assert pairs.net_apr_on_capital[0] == pytest.approx(-17e-4 * 8760 / 9 / 0.4)


def test_an_unknown_interval_is_never_ranked():
    """okx pays fifty times as much as the others, nobody knows how often."""
    pairs = widest(market(paying("binance", 0.0001, 8.0), paying("bybit", 0.0002, 8.0), paying("okx", 0.01, None)))

    assert pairs.per_8h_bps.tolist() == pytest.approx([1.0])
    assert len(widest(market(paying("binance", 0.0001, 8.0), paying("okx", 0.01, None)))) == 0


def test_what_is_stale_or_of_another_asset_is_not_compared():
    snapshot = market(
        paying("binance", 0.0001, 8.0), paying("bybit", 0.0002, 8.0), paying("okx", 0.01, 8.0, at=NOW - 121)
    )
    assert fresh_rates(snapshot, NOW).tolist() == [[True, True, False, True]]
    assert widest(snapshot).per_8h_bps.tolist() == pytest.approx([1.0])
    assert len(widest(snapshot, refused={"bybit": Verdict.DIFFERENT_ASSET})) == 0


def test_a_late_quote_leaves_the_carry_and_hides_what_depends_on_prices():
    snapshot = market(paying("binance", 0.0001, 8.0), paying("bybit", 0.0002, 8.0))
    pairs = widest(snapshot, refused={"bybit": Verdict.LAGGING})

    assert pairs.per_8h_bps.tolist() == pytest.approx([1.0])
    assert np.isnan([pairs.entry_bps[0], pairs.break_even_h[0], pairs.net_apr[0]]).all()


def test_equal_rates_make_no_pair():
    assert len(widest(market(paying("binance", 0.0001, 8.0), paying("bybit", 0.0001, 8.0)))) == 0


def test_a_few_samples_are_no_expected_exit():
    pairs = widest(market(paying("binance", 0.0001, 8.0), paying("bybit", 0.0002, 8.0)), exits_of(-2.0, 29.0))

    assert np.isnan(pairs.exit_bps[0])
    assert np.isnan(pairs.break_even_h[0])
    assert np.isnan(pairs.net_apr[0])


def test_the_calendar_names_the_next_stamp_of_each_interval():
    """Of two eight-hourly ones one is due in an hour, one in two; deribit accrues; okx does not say when."""
    snapshot = market(
        paying("binance", 0.0001, 8.0, 2.0), paying("bybit", 0.0001, 8.0, 1.0), paying("deribit", 0.0001, 8.0),
        funding("okx", funding_rate=0.0001, funding_interval_h=4.0),
    )  # fmt: skip
    lines = calendar(snapshot, NOW, snapshot.grid.listed)

    assert [(line.interval_h, line.continuous, line.legs) for line in lines] == [
        (8.0, False, 2),
        (4.0, False, 1),
        (8.0, True, 1),
    ]
    assert [(line.next_time, line.due_legs) for line in lines] == [(NOW + HOUR, 1), (None, 0), (None, 0)]


def test_nothing_listed_is_nothing_due():
    snapshot = store_of(EXCHANGES).snapshot()
    assert calendar(snapshot, NOW, snapshot.grid.listed & False) == []
