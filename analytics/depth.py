"""What a small order book adds up to."""

from collections.abc import Sequence
from itertools import accumulate


def cumulative_notional(levels: Sequence[tuple[float, float]]) -> tuple[float, ...]:
    """What taking each level and all better ones costs.

    Args:
        levels: (price, size) of one side, best level first. [quote per base coin, base coins]

    Returns:
        One sum for each level, same order. [quote currency]
    """
    return tuple(accumulate(price * size for price, size in levels))
