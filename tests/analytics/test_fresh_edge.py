"""The split of a gap by hand, its identity, and what indices say of an asset."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.fresh_edge import AGREEMENT, fresh_edge_bps, index_agreement, split_gap

ratios = st.floats(0.5, 2.0)


def test_a_gap_of_indices_is_no_fresh_edge():
    """S: index 101, mark 101, bid 101. L: index, mark and ask 100. All of the 1 % is the indices'."""
    split = split_gap(*(np.array([x]) for x in (100.0, 101.0, 100.0, 101.0, 100.0, 101.0)))
    assert split.gap == pytest.approx([0.01])
    assert split.index_gap == pytest.approx([0.01])
    assert split.premium_gap == pytest.approx([0.0])
    assert split.fresh_edge == pytest.approx([0.0])


def test_a_gap_of_premiums_is_no_fresh_edge():
    """Both indices 100, S's mark and bid 102: a premium of 2 % over L's."""
    split = split_gap(*(np.array([x]) for x in (100.0, 102.0, 100.0, 102.0, 100.0, 100.0)))
    assert (split.index_gap[0], split.premium_gap[0]) == (pytest.approx(0.0), pytest.approx(0.02))
    assert split.fresh_edge == pytest.approx([0.0])


def test_a_book_off_its_own_mark_is_a_fresh_edge():
    """Marks and indices 100; L offers at 99.8, S bids 100.3: 100.3 / 99.8 - 1 = 50.1 bps."""
    split = split_gap(*(np.array([x]) for x in (99.8, 100.3, 100.0, 100.0, 100.0, 100.0)))
    assert split.fresh_edge == pytest.approx([100.3 / 99.8 - 1])
    assert fresh_edge_bps(*(np.array([x]) for x in (99.8, 100.3, 100.0, 100.0))) == pytest.approx([50.1002004])


@given(st.floats(1e-8, 1e6), st.tuples(ratios, ratios, ratios, ratios, ratios, ratios))
def test_the_factors_multiply_to_the_gap(price, six):
    split = split_gap(*(np.array([price * ratio]) for ratio in six))
    product = (1 + split.index_gap) * (1 + split.premium_gap) * (1 + split.fresh_edge)
    assert product == pytest.approx(1 + split.gap, rel=1e-12)


def test_an_unknown_reference_leaves_the_split_unknown():
    assert np.isnan(fresh_edge_bps(*(np.array([x]) for x in (99.8, 100.3, np.nan, 100.0))))


def test_indices_agree_warn_diverge_or_are_too_few():
    """Medians 100: 100.2 is 0.2 %, 100.5 is 0.5 %, 102 is 2 %; two exchanges are no majority."""
    rows = np.array([[100, 100, 100.2], [100, 100, 100.5], [100, 100, 102.0], [100, 100, np.nan]])
    assert [AGREEMENT[code] for code in index_agreement(rows)] == ["agree", "warn", "diverge", "insufficient"]
