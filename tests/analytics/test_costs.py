"""The cost of a round trip, with numbers that can be checked by hand."""

import numpy as np
import pytest

from analytics.costs import Costs, cost_parts, round_trip_cost_bps

NAN = np.nan

# One symbol on three exchanges: taker 5, 6, 4.5 and maker 2, -0.5, 1.5 bps.
TAKER = np.array([[5.0, 6.0, 4.5]])
MAKER = np.array([[2.0, -0.5, 1.5]])
ALL_TAKER = Costs()


def test_four_taker_fills_of_5_bps_cost_20():
    """5 in and 5 in, 5 out and 5 out. Half of it, the opening alone, is what flatters every row."""
    five = np.full((1, 2), 5.0)
    assert round_trip_cost_bps(five, five * 0.0, ALL_TAKER)[0, 0, 1] == 20.0


def test_each_leg_pays_its_own_exchange_twice():
    """Long 0, short 1: 2 * 5 + 2 * 6 = 22, and the same the other way round. Long 0, short 2: 2 * 5 + 2 * 4.5 = 19."""
    cost = round_trip_cost_bps(TAKER, MAKER, ALL_TAKER)
    assert cost.shape == (1, 3, 3)
    assert (cost[0, 0, 1], cost[0, 1, 0], cost[0, 0, 2]) == (22.0, 22.0, 19.0)


def test_fills_are_those_of_long_in_short_in_long_out_short_out():
    """Resting to open the long and to close the short: long 0, short 1 is 2 + 6 + 5 - 0.5 = 12.5.

    The other way round, long 1, short 0: -0.5 + 5 + 6 + 2 = 12.5 too, but long 0, short 2: 2 + 4.5 + 5 + 1.5 = 13.
    """
    cost = round_trip_cost_bps(TAKER, MAKER, Costs(("maker", "taker", "taker", "maker")))
    assert (cost[0, 0, 1], cost[0, 1, 0], cost[0, 0, 2]) == (12.5, 12.5, 13.0)


def test_the_legs_are_not_interchangeable_when_one_of_them_rests():
    """The long rests both times. Long 0, short 1: 2 * 2 + 2 * 6 = 16; long 1, short 0: 2 * -0.5 + 2 * 5 = 9."""
    cost = round_trip_cost_bps(TAKER, MAKER, Costs(("maker", "taker", "maker", "taker")))
    assert (cost[0, 0, 1], cost[0, 1, 0]) == (16.0, 9.0)


def test_a_rebate_lowers_the_cost_and_may_turn_it_into_a_gain():
    """Four fills at -0.5: 4 * -0.5 = -2."""
    rebate = np.full((1, 2), -0.5)
    cost = round_trip_cost_bps(np.full((1, 2), 5.0), rebate, Costs(("maker",) * 4))
    assert cost[0, 0, 1] == -2.0


def test_the_reserve_is_held_back_once_for_the_whole_round_trip():
    """22 of fees and 3 of slippage."""
    assert round_trip_cost_bps(TAKER, MAKER, Costs(slippage_bps=3.0))[0, 0, 1] == 25.0


def test_an_unknown_fee_makes_every_pair_that_needs_it_unknown():
    cost = round_trip_cost_bps(np.array([[5.0, NAN, 4.5]]), MAKER, ALL_TAKER)
    assert np.isnan(cost[0]).tolist() == [[False, True, False], [True, True, True], [False, True, False]]


def test_an_unknown_fee_that_no_fill_needs_does_no_harm():
    """Nobody rests: 2 * 5 + 2 * 6 = 22. A long that rests on exchange 1 is unknown, a short that takes there is not."""
    maker = np.array([[2.0, NAN, 1.5]])
    assert round_trip_cost_bps(TAKER, maker, ALL_TAKER)[0, 0, 1] == 22.0
    resting = round_trip_cost_bps(TAKER, maker, Costs(("maker", "taker", "taker", "taker")))
    assert np.isnan(resting[0]).tolist() == [[False] * 3, [True] * 3, [False] * 3]


def test_every_symbol_has_its_own_fees():
    """Symbol 0 at 5 and 6: 22. Symbol 1 at 0 and 6, a promotion: 12."""
    taker = np.array([[5.0, 6.0], [0.0, 6.0]])
    cost = round_trip_cost_bps(taker, taker, ALL_TAKER)
    assert (cost[0, 0, 1], cost[1, 0, 1]) == (22.0, 12.0)


def test_parts_tell_opening_closing_and_reserve_apart():
    """Long 0, short 1, resting to close: in 5 + 6 = 11, out 2 - 0.5 = 1.5. Long 2, short 0: 4.5 + 5, 1.5 + 2."""
    costs = Costs(("taker", "taker", "maker", "maker"), slippage_bps=2.0)
    entry, leaving, reserve = cost_parts(TAKER, MAKER, np.array([0, 0]), np.array([0, 2]), np.array([1, 0]), costs)
    assert entry.tolist() == [11.0, 9.5]
    assert leaving.tolist() == [1.5, 3.5]
    assert reserve.tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    "costs",
    [Costs(), Costs(("maker", "taker", "taker", "maker"), 1.5), Costs(("taker", "maker", "maker", "maker"), 0.25)],
    ids=["taker", "mixed", "resting"],
)
def test_the_parts_of_every_pair_add_up_to_its_round_trip(costs):
    taker = np.array([[5.0, 6.0, 4.5], [5.5, NAN, 8.0]])
    maker = np.array([[2.0, -0.5, 1.5], [NAN, 1.0, 6.0]])
    s, buy, sell = np.indices((2, 3, 3)).reshape(3, -1)
    whole = round_trip_cost_bps(taker, maker, costs)[s, buy, sell]
    assert sum(cost_parts(taker, maker, s, buy, sell, costs)).tolist() == pytest.approx(whole.tolist(), nan_ok=True)


def test_no_pairs_have_no_parts():
    none = np.array([], dtype=np.intp)
    assert [part.shape for part in cost_parts(TAKER, MAKER, none, none, none, ALL_TAKER)] == [(0,)] * 3


def test_assumptions_can_be_a_key():
    """The desk keeps one judgement for each set of assumptions."""
    assert {Costs(): 1}[Costs(("taker",) * 4, 0.0)] == 1
    assert Costs(slippage_bps=1.0) != Costs()
