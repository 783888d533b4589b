"""The formulas, each with numbers that can be checked by hand."""

import numpy as np
import pytest

from analytics import spreads
from tests.store.scripted import same

NAN = np.nan

# Exchange 0 quotes 100.0 / 100.2 (mid 100.1), exchange 1 quotes 101.0 / 101.4 (mid 101.2): mean mid 100.65.
BID = np.array([[100.0, 101.0]])
ASK = np.array([[100.2, 101.4]])


def test_mid_price_is_the_mean_of_both_sides():
    assert spreads.mid_price(BID, ASK)[0].tolist() == pytest.approx([100.1, 101.2])


def test_entry_edge_is_the_sellers_bid_less_the_buyers_ask_over_the_mean_mid():
    """Buy 0 at 100.2, sell 1 at 101.0: 1e4 * 0.8 / 100.65 = 79.4834. The other way: 1e4 * (100.0 - 101.4) / 100.65."""
    entry = spreads.entry_edge_bps(BID, ASK)
    assert entry.shape == (1, 2, 2)
    assert entry[0, 0, 1] == pytest.approx(79.4834, abs=1e-4)
    assert entry[0, 1, 0] == pytest.approx(-139.0959, abs=1e-4)


def test_entering_and_leaving_one_exchange_costs_its_quoted_spread():
    """1e4 * 0.2 / 100.1 = 19.9800 and 1e4 * 0.4 / 101.2 = 39.5257."""
    quoted = spreads.quoted_spread_bps(BID, ASK)
    assert quoted[0].tolist() == pytest.approx([19.9800, 39.5257], abs=1e-4)
    diagonal = np.diagonal(spreads.entry_edge_bps(BID, ASK)[0])
    assert (-diagonal).tolist() == pytest.approx(quoted[0].tolist())


def test_exit_edge_is_the_reversed_entry():
    """Leaving 'bought 0, sold 1' sells 0 at 100.0 and buys 1 at 101.4: 1e4 * -1.4 / 100.65 = -139.0959."""
    entry = spreads.entry_edge_bps(BID, ASK)
    leaving = spreads.exit_edge_bps(entry)
    assert leaving[0, 0, 1] == pytest.approx(1e4 * (100.0 - 101.4) / 100.65)
    assert leaving[0, 0, 1] == entry[0, 1, 0]
    assert same(spreads.exit_edge_bps(leaving), entry)


def test_going_in_and_out_at_todays_quotes_costs_both_quoted_spreads():
    """entry + exit = -(0.2 + 0.4) over the mean mid: 1e4 * -0.6 / 100.65 = -59.6125, whichever way round."""
    entry = spreads.entry_edge_bps(BID, ASK)
    round_trip = entry + spreads.exit_edge_bps(entry)
    assert round_trip[0, 0, 1] == pytest.approx(-59.6125, abs=1e-4)
    assert round_trip[0, 1, 0] == round_trip[0, 0, 1]


def test_an_unknown_side_makes_every_pair_with_that_leg_unknown():
    entry = spreads.entry_edge_bps(np.array([[100.0, NAN]]), ASK)
    assert np.isnan(entry[0]).tolist() == [[False, True], [True, True]]


def test_net_edge_is_entry_plus_expected_exit_less_fees():
    """79.5 in, 30 expected back out at a loss, 20 of fees: 29.5. Without an expectation there is no net edge."""
    net = spreads.net_edge_bps(np.array([79.5, 79.5]), np.array([-30.0, NAN]), np.array([20.0, 20.0]))
    assert same(net, [29.5, NAN])


def test_touch_size_is_what_both_touches_can_fill():
    """An ask of 3 coins against a bid of 2 fills 2; 1 against 5 fills 1; what is not known fills nothing."""
    size = spreads.touch_size(np.array([3.0, 1.0, NAN]), np.array([2.0, 5.0, 5.0]))
    assert same(size, [2.0, 1.0, NAN])


# -- funding ---------------------------------------------------------------------------------------------------


def test_an_annual_rate_is_simple():
    """0.999 % per 4 h: 0.00999 * 8760 / 4 = 21.8781, that is 2187.81 %. 0.01 % per 8 h: 10.95 %."""
    apr = spreads.funding_apr(np.array([0.00999, 0.0001, 0.0001]), np.array([4.0, 8.0, 1.0]))
    assert apr.tolist() == pytest.approx([21.8781, 0.1095, 0.876])


@pytest.mark.parametrize("interval", [NAN, 0.0, -8.0])
@pytest.mark.filterwarnings("error")
def test_a_rate_without_an_interval_has_no_annual_rate(interval):
    rate, interval_h = np.array([[0.0001, 0.0001]]), np.array([[interval, 8.0]])
    assert np.isnan(spreads.funding_apr(rate, interval_h))[0].tolist() == [True, False]
    assert np.isnan(spreads.funding_per_hour(rate, interval_h))[0].tolist() == [True, False]
    assert np.isnan(spreads.carry_per_hour(rate, interval_h)[0, 0, 1])


def test_the_short_leg_receives_what_the_long_leg_pays():
    """Long 0 pays 0.0004 / 8 h = 0.00005, short 1 receives 0.0004 / 4 h = 0.0001: 0.00005 an hour; reversed, minus."""
    carry = spreads.carry_per_hour(np.array([[0.0004, 0.0004]]), np.array([[8.0, 4.0]]))
    assert carry[0, 0, 1] == pytest.approx(0.00005)
    assert carry[0, 1, 0] == pytest.approx(-0.00005)


def test_a_negative_rate_pays_the_long_leg():
    carry = spreads.carry_per_hour(np.array([[-0.0008, 0.0]]), np.array([[8.0, 8.0]]))
    assert carry[0, 0, 1] == pytest.approx(0.0001)


# -- medians ---------------------------------------------------------------------------------------------------


def test_a_median_looks_only_at_what_is_known():
    rows = np.array(
        [
            [3.0, 1.0, 2.0, NAN],  # odd: the middle
            [4.0, 1.0, 2.0, 3.0],  # even: the mean of the two middles
            [NAN, 7.0, NAN, NAN],
            [NAN, 7.0, NAN, 8.0],
            [NAN, NAN, NAN, NAN],
        ]
    )
    assert same(spreads.row_median(rows), [2.0, 2.5, 7.0, 7.5, NAN])


def test_a_median_of_nothing_is_unknown():
    assert same(spreads.row_median(np.empty((2, 0))), [NAN, NAN])
    assert spreads.row_median(np.empty((0, 3))).shape == (0,)


@pytest.mark.filterwarnings("ignore:All-NaN")
def test_medians_agree_with_those_of_numpy():
    rng = np.random.default_rng(7)
    for width in range(1, 8):
        rows = rng.normal(size=(50, width))
        rows[rng.random(rows.shape) < 0.4] = NAN
        assert same(spreads.row_median(rows), np.nanmedian(rows, axis=1))


def test_deviation_is_from_the_median_of_the_row():
    """Mids 100, 101, 103: median 101, so -99.0099, 0 and +198.0198 bps."""
    deviation = spreads.deviation_bps(np.array([[100.0, 101.0, 103.0]]))
    assert deviation[0].tolist() == pytest.approx([-99.0099, 0.0, 198.0198], abs=1e-4)


def test_one_exchange_alone_deviates_from_nothing():
    assert same(spreads.deviation_bps(np.array([[100.0, NAN], [NAN, NAN]])), np.full((2, 2), NAN))


def test_dispersion_is_highest_less_lowest():
    deviation = np.array([[-99.0, 0.0, 198.0, NAN], [5.0, NAN, NAN, NAN], [NAN, NAN, NAN, NAN]])
    assert same(spreads.dispersion_bps(deviation), [297.0, NAN, NAN])


# -- the expected exit -----------------------------------------------------------------------------------------


def test_the_expected_exit_is_the_median_of_past_exits():
    """Long bids 99, 100, 101, short asks 100 each, all mids 100: exits -100, 0, +100 bps; one sample is a gap."""
    long = np.array([[[99.0, 101.0], [100.0, 100.0], [101.0, 99.0], [NAN, NAN]]])
    short = np.array([[[100.0, 100.0]] * 4])
    median, samples = spreads.median_exit_bps(long, short)
    assert median.tolist() == pytest.approx([0.0])
    assert samples.tolist() == [3.0]


def test_a_gap_in_either_leg_is_no_sample():
    long = np.array([[[99.0, 101.0], [NAN, NAN]]])
    short = np.array([[[NAN, NAN], [100.0, 100.0]]])
    median, samples = spreads.median_exit_bps(long, short)
    assert same(median, [NAN])
    assert samples.tolist() == [0.0]


def test_every_past_exit_is_measured_at_its_own_mean_mid():
    """Long 99 / 101, short 49 / 51: 1e4 * (99 - 51) / 75 = 6400 bps."""
    median, _ = spreads.median_exit_bps(np.array([[[99.0, 101.0]]]), np.array([[[49.0, 51.0]]]))
    assert median.tolist() == pytest.approx([6_400.0])


def test_inputs_are_left_as_they_came():
    bid, ask = BID.copy(), ASK.copy()
    spreads.row_median(bid)
    spreads.deviation_bps(spreads.mid_price(bid, ask))
    spreads.entry_edge_bps(bid, ask)
    assert same(bid, BID)
    assert same(ask, ASK)
