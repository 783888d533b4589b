"""Funding by dates and numbers worked by hand, and columns against a walk over every hour."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import spreads
from analytics.funding import (
    LegColumns,
    LegFunding,
    PredictionQuality,
    break_even_hours,
    carry_bps,
    cash_flows,
    leg_columns,
    leg_funding,
    net_apr,
    on_capital,
    pair_carry_per_hour,
    prediction_error_bps,
    prediction_quality,
    total_bps,
)
from store.funding import Settlement
from tests.store.scripted import NOW, funding, store_of

NAN = np.nan
HOUR = 3_600.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def one(*values: float) -> np.ndarray:
    return np.array(values)


# Long on an exchange that pays at 00, 08, 16 h, short on one that pays every four hours.
LONG = LegFunding("binance", 0.0001, 8.0, at("2026-11-23T16:00"))
SHORT = LegFunding("bybit", 0.0003, 4.0, at("2026-11-23T12:00"))


def told(flows):
    return [(datetime.fromtimestamp(flow.time, UTC).strftime("%dT%H:%M"), flow.leg, flow.bps) for flow in flows]


# -- cash flows ------------------------------------------------------------------------------------------------


def test_each_leg_pays_on_its_own_calendar():
    """From 11:00 for 13 hours, to midnight: the short gets 3 bps at 12, 16, 20 and 00, the long pays 1 at 16 and 00.
    4 x 3 - 2 x 1 = 10 bps, where the average of 3/4 - 1/8 = 0.625 bps an hour would have told 8.125."""
    flows = cash_flows(LONG, SHORT, at("2026-11-23T11:00"), 13.0)
    assert told(flows) == [
        ("23T12:00", "short", pytest.approx(3.0)),
        ("23T16:00", "long", pytest.approx(-1.0)),
        ("23T16:00", "short", pytest.approx(3.0)),
        ("23T20:00", "short", pytest.approx(3.0)),
        ("24T00:00", "long", pytest.approx(-1.0)),
        ("24T00:00", "short", pytest.approx(3.0)),
    ]
    assert total_bps(flows) == pytest.approx(10.0)


def test_only_the_next_payment_is_predicted_and_later_ones_are_assumed():
    flows = cash_flows(LONG, SHORT, at("2026-11-23T11:00"), 9.0)
    assert [(flow.exchange, flow.kind) for flow in flows] == [
        ("bybit", "predicted"),
        ("binance", "predicted"),
        ("bybit", "assumed"),
        ("bybit", "assumed"),
    ]


def test_a_position_of_one_second_over_the_stamp_gets_the_whole_rate():
    flows = cash_flows(LONG, SHORT, at("2026-11-23T11:59:59.500"), 1 / HOUR)
    assert told(flows) == [("23T12:00", "short", pytest.approx(3.0))]


def test_a_stamp_at_the_end_is_inside_and_one_at_the_start_is_not():
    """(12:00, 16:00]: at 12:00 the position is not yet open."""
    flows = cash_flows(LONG, SHORT, at("2026-11-23T12:00"), 4.0)
    assert told(flows) == [("23T16:00", "long", pytest.approx(-1.0)), ("23T16:00", "short", pytest.approx(3.0))]
    assert flows[1].kind == "assumed"  # the exchange has told the rate of 12:00
    assert cash_flows(LONG, SHORT, at("2026-11-23T12:00"), 3.99) == []


def test_a_negative_rate_is_paid_by_the_short():
    flows = cash_flows(LONG, LegFunding("okx", -0.0002, 8.0, LONG.next_funding_time), at("2026-11-23T15:00"), 1.0)
    assert [flow.bps for flow in flows] == pytest.approx([-1.0, -2.0])


def test_what_funds_continuously_accrues_by_the_hour():
    """8 bps for eight hours, held for three: 3 bps, dated at the end."""
    flows = cash_flows(LegFunding("deribit", 0.0008, 8.0, None, continuous=True), SHORT, at("2026-11-23T12:30"), 3.0)
    assert told(flows) == [("23T15:30", "long", pytest.approx(-3.0))]
    assert (flows[0].kind, flows[0].rate) == ("continuous", pytest.approx(0.0003))


@pytest.mark.parametrize(
    "leg",
    [
        LegFunding("okx", None, 8.0, LONG.next_funding_time),
        LegFunding("okx", 0.0001, None, LONG.next_funding_time),
        LegFunding("okx", 0.0001, 0.0, LONG.next_funding_time),
        LegFunding("okx", 0.0001, 8.0, None),
        LegFunding("okx", 0.0001, 8.0, at("2026-11-23T03:00")),  # a whole interval ago: nobody tells it any more
        LegFunding("deribit", None, 8.0, None, continuous=True),
    ],
    ids=["no rate", "no interval", "interval of nothing", "no next time", "long past", "continuous without rate"],
)
def test_what_is_not_known_makes_no_cash_flows(leg):
    start = at("2026-11-23T11:00")
    assert cash_flows(LONG, leg, start, 24.0) is None
    assert cash_flows(leg, SHORT, start, 24.0) is None
    assert np.isnan(carry_bps(columns(LONG, leg), columns(leg, SHORT), start, 24.0)).all()


def columns(*legs: LegFunding) -> LegColumns:
    rows = [(leg.rate, leg.interval_h, leg.next_funding_time) for leg in legs]
    rate, interval_h, next_time = np.array(rows, dtype=float).T
    return LegColumns(rate, interval_h, next_time, np.array([leg.continuous for leg in legs]))


legs = st.builds(
    LegFunding,
    exchange=st.just("okx"),
    rate=st.none() | st.floats(-0.01, 0.01),
    interval_h=st.none() | st.sampled_from([1.0, 2.0, 4.0, 8.0]),
    next_funding_time=st.none() | st.integers(-9 * 3_600, 9 * 3_600).map(lambda s: NOW + s),
    continuous=st.booleans(),
)


@given(pairs=st.lists(st.tuples(legs, legs), min_size=1, max_size=8), holding_s=st.integers(0, 100 * 3_600))
def test_columns_tell_the_sums_of_the_cash_flows(pairs, holding_s):
    longs, shorts = zip(*pairs, strict=True)
    found = carry_bps(columns(*longs), columns(*shorts), NOW, holding_s / HOUR)
    flows = [cash_flows(long, short, NOW, holding_s / HOUR) for long, short in pairs]
    wanted = [NAN if flow is None else total_bps(flow) for flow in flows]
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


@given(
    ahead_s=st.integers(-3_600 * 8 + 1, 3_600 * 8), interval_h=st.sampled_from([1, 4, 8]), held_s=st.integers(0, 10**6)
)
def test_payments_are_those_that_a_walk_over_the_calendar_finds(ahead_s, interval_h, held_s):
    if ahead_s <= -interval_h * 3_600:
        ahead_s = -interval_h * 3_600 + 1
    walked, stamp = 0, ahead_s
    while stamp <= held_s:
        walked += stamp > 0
        stamp += interval_h * 3_600
    leg = LegFunding("okx", 0.001, float(interval_h), NOW + ahead_s)
    flows = cash_flows(leg, leg, NOW, held_s / HOUR)
    assert len(flows) == 2 * walked


def test_legs_are_read_from_a_snapshot():
    words = (
        funding("binance", funding_rate=0.0001, funding_interval_h=4.0, next_funding_time=NOW + 60),
        funding("deribit", funding_rate=0.0008, funding_interval_h=8.0),
        funding("okx", mark_price=100.0),
    )
    snapshot = store_of(["binance", "deribit", "okx"], *words).snapshot()
    read = [leg_funding(snapshot, exchange, "BTC-USDT") for exchange in snapshot.exchanges]
    assert read == [
        LegFunding("binance", 0.0001, 4.0, NOW + 60),
        LegFunding("deribit", 0.0008, 8.0, None, continuous=True),
        LegFunding("okx", None, 8.0, None),
    ]
    found = leg_columns(snapshot, np.zeros(3, np.intp), np.arange(3))
    wanted = columns(*read)
    for name in ("rate", "interval_h", "next_funding_time", "continuous"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))


# -- what it is worth ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "hours", "apr"),
    [(0.00999, 4.0, 21.8781), (0.0001, 8.0, 0.1095), (0.0001, 4.0, 0.219), (0.0001, 1.0, 0.876)],
)
def test_simple_yearly_rates_are_those_of_the_interval(rate, hours, apr):
    """0.999 % per 4 h: x 2190 = 2187.81 %. 8 h: x 1095, 4 h: x 2190, 1 h: x 8760."""
    assert spreads.funding_apr(one(rate), one(hours)).item() == pytest.approx(apr)


def test_average_carry_is_the_shorts_rate_per_hour_less_the_longs():
    """3 bps / 4 h - 1 bp / 8 h = 0.75 - 0.125 = 0.625 bps an hour; as the table of all pairs says."""
    found = pair_carry_per_hour(columns(LONG), columns(SHORT)).item()
    assert found == pytest.approx(0.625e-4)
    table = spreads.carry_per_hour(np.array([[0.0001, 0.0003]]), np.array([[8.0, 4.0]]))
    assert found == pytest.approx(table[0, 0, 1])


@pytest.mark.parametrize(("bps_per_8h", "hours"), [(1.0, 160.0), (2.0, 80.0), (5.0, 32.0), (10.0, 16.0)])
def test_break_even_of_twenty_bps_cost_at_flat_prices(bps_per_8h, hours):
    carry = one(bps_per_8h / 1e4 / 8.0)
    assert break_even_hours(one(20.0), one(0.0), one(0.0), carry).item() == pytest.approx(hours)


def test_break_even_counts_the_edges():
    """20 - 15 - (-3) = 8 bps left to earn, 0.625 bps an hour: 12.8 hours."""
    assert break_even_hours(one(20.0), one(15.0), one(-3.0), one(0.625e-4)).item() == pytest.approx(12.8)


def test_break_even_is_never_where_funding_does_not_pay_and_at_once_where_edges_do():
    cost, entry, leaving = one(20.0, 20.0, 20.0, 20.0), one(0.0, 0.0, 25.0, 20.0), one(0.0, 0.0, -5.0, 5.0)
    found = break_even_hours(cost, entry, leaving, one(0.0, -1e-4, -1e-4, NAN))
    np.testing.assert_array_equal(found, [NAN, NAN, 0.0, 0.0])
    assert math.isnan(break_even_hours(one(20.0), one(NAN), one(0.0), one(1e-4)).item())


@pytest.mark.parametrize(("hours", "apr"), [(24.0, 0.73), (168.0, 0.104286), (730.0, 0.024)])
def test_twenty_bps_of_cost_alone_in_a_year(hours, apr):
    """0.002 x 8760 / T: 73 % held one day, 10.4 % a week, 2.4 % a month of 730 hours."""
    assert net_apr(one(0.0), one(20.0), one(0.0), one(0.0), hours).item() == pytest.approx(-apr, rel=1e-5)


def test_net_yearly_rate_of_a_round_trip():
    """10 bps carry - 20 cost + 15 entry - 3 exit = 2 bps in 13 hours: 0.0002 x 8760 / 13 = 0.134769."""
    found = net_apr(one(10.0), one(20.0), one(15.0), one(-3.0), 13.0)
    assert found.item() == pytest.approx(0.134769, abs=1e-6)


def test_on_capital_of_both_legs():
    """1/5 + 1/10 of the notional as margin and 0.1 beside them: 0.4, so 12 % of notional are 30 % of capital."""
    assert on_capital(one(0.12), 5.0, 10.0, 0.1).item() == pytest.approx(0.3)
    assert on_capital(one(0.12), 1.0, 1.0).item() == pytest.approx(0.06)


# -- predictions -----------------------------------------------------------------------------------------------


def settlement(settled: float, *predicted: float | None) -> Settlement:
    first, second, third = predicted
    return Settlement("okx", "BTC-USDT", NOW, 8.0, settled, (first, second, third))


def test_prediction_quality_by_horizon():
    """An hour before: hit, miss and not seen; errors 1, 3 bps. Ten minutes: hit, hit, miss (zero is no plus); errors
    0, 1, 2. A minute before nobody looked."""
    past = [
        settlement(0.0001, 0.0002, 0.0001, None),
        settlement(-0.0002, 0.0001, -0.0003, None),
        settlement(0.0002, None, 0.0, None),
    ]
    assert prediction_error_bps(past[1]) == (pytest.approx(3.0), pytest.approx(-1.0), None)
    hour, ten_minutes, minute = prediction_quality(past)
    assert hour == PredictionQuality(2, 1, 0.5, pytest.approx(2.0))
    assert ten_minutes == PredictionQuality(3, 2, pytest.approx(2 / 3), pytest.approx(1.0))
    assert minute == PredictionQuality(0, 0, None, None)


def test_no_settlements_have_no_quality():
    assert prediction_quality([]) == (PredictionQuality(0, 0, None, None),) * 3
