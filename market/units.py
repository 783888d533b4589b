"""Arithmetic of contract sizes, for code that is handed an exchange's own numbers.

The formulas are those of the venue notes on symbol normalisation (section 1, read 2026-10). Adapters inline them where
frames arrive by the thousand; everything else, tests above all, comes here.
"""

from market.models import Kind


def price_per_coin(price: float, multiplier: float) -> float:
    """Price of one coin, from the price of `multiplier` coins. [quote per base coin]"""
    return price / multiplier


def base_size(size: float, coin_price: float, contract_multiplier: float, kind: Kind) -> float:
    """Coins in `size` contracts. [base coins]

    Args:
        size: As the exchange gives it. [contracts]
        coin_price: Price of one coin. [quote per base coin]
        contract_multiplier: Linear: base coins per contract; inverse: quote currency per contract.
        kind: Where a size of an inverse contract is given in coins already, pass "linear" and a multiplier of 1.

    Raises:
        ValueError: For a quanto contract, which stands for no fixed number of coins.
    """
    if kind == "linear":
        return size * contract_multiplier
    if kind == "inverse":
        return size * contract_multiplier / coin_price
    raise ValueError(f"a {kind} contract has no size in coins")


def quote_notional(size: float, coin_price: float, contract_multiplier: float, kind: Kind) -> float:
    """Value of `size` contracts. [quote currency] Arguments and errors as for `base_size`."""
    return base_size(size, coin_price, contract_multiplier, kind) * coin_price
