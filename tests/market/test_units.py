"""Contract sizes by hand-worked numbers of the venue notes."""

import pytest

from market.units import base_size, price_per_coin, quote_notional


def test_linear_size_is_contracts_times_coins():
    """OKX: 0.03 contracts of 0.01 BTC at 91,467.1 are 0.0003 BTC, 27.44 USDT."""
    assert base_size(0.03, 91467.1, 0.01, "linear") == pytest.approx(0.0003)
    assert quote_notional(0.03, 91467.1, 0.01, "linear") == pytest.approx(27.44, abs=0.005)


def test_inverse_size_is_dollars_over_price():
    """Binance BCHUSD_PERP: 24 contracts of 10 USD at 427.84 are 0.561 BCH."""
    assert base_size(24, 427.84, 10, "inverse") == pytest.approx(0.561, abs=0.0005)
    assert quote_notional(24, 427.84, 10, "inverse") == pytest.approx(240)


def test_bundled_price_is_divided():
    """Bybit 1000000BABYDOGE at 0.0013992; 8,300 bundles are 8.3e9 coins, 11.61 USDT."""
    coin_price = price_per_coin(0.0013992, 1e6)

    assert coin_price == pytest.approx(1.3992e-9)
    assert base_size(8300, coin_price, 1e6, "linear") == pytest.approx(8.3e9)
    assert quote_notional(8300, coin_price, 1e6, "linear") == pytest.approx(11.61, abs=0.005)


def test_a_quanto_contract_has_no_size_in_coins():
    with pytest.raises(ValueError, match="quanto"):
        base_size(1, 2000.0, 1.0, "quanto")
