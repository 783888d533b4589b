"""Prices compared between exchanges. Arrays in, arrays out; NaN is 'not known' and stays NaN.

Shapes: S symbols, E exchanges. A directed pair is (symbol, buy, sell): leg L is bought at its ask, leg S sold at its
bid, and later both are closed at the opposite sides. All spreads are bps of the mean of the two mids, so that A to B
and B to A are symmetric. Formulas: docs/decisions.md, 'Net edge'.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
BPS = 1e4


def mid_price(bid_price: Array, ask_price: Array) -> Array:
    """Mean of best bid and best ask, any shape. [quote per base coin]"""
    return (bid_price + ask_price) / 2.0


def row_middles(values: Array) -> tuple[Array, Array]:
    """The two middle values of each row over what is known, shape (S, E) -> (S,) each; the same one of an odd count.

    NaN where nothing is known.
    """
    if values.shape[1] == 0:
        return np.full(len(values), np.nan), np.full(len(values), np.nan)
    ordered = values.copy()
    ordered.sort(axis=1)  # NaN sorts last
    count = (values == values).sum(axis=1)
    rows = np.arange(len(values))
    return ordered[rows, (count - 1) // 2], ordered[rows, count // 2]  # of none: the last one, which is NaN


def row_median(values: Array) -> Array:
    """Median of each row over what is known, shape (S, E) -> (S,); NaN where nothing is."""
    low, high = row_middles(values)
    return (low + high) / 2.0


def deviation_bps(mid: Array) -> Array:
    """Each exchange's mid against the cross-exchange median, shape (S, E). [bps of the median]

    NaN where the mid is unknown, and in rows with fewer than two known mids.
    """
    median = row_median(mid)
    known = np.sum(~np.isnan(mid), axis=1)
    median = np.where(known >= 2, median, np.nan)
    return (mid / median[:, None] - 1.0) * BPS


def dispersion_bps(deviation: Array) -> Array:
    """Highest less lowest deviation of each symbol, shape (S, E) -> (S,). [bps] NaN below two exchanges."""
    known = ~np.isnan(deviation)
    high = np.max(np.where(known, deviation, -np.inf), axis=1, initial=-np.inf)
    low = np.min(np.where(known, deviation, np.inf), axis=1, initial=np.inf)
    return np.where(known.sum(axis=1) >= 2, high - low, np.nan)


def quoted_spread_bps(bid_price: Array, ask_price: Array) -> Array:
    """Best ask less best bid, any shape. [bps of the mid]"""
    return (ask_price - bid_price) / mid_price(bid_price, ask_price) * BPS


def entry_edge_bps(bid_price: Array, ask_price: Array) -> Array:
    """Gain of buying at L's ask and selling at S's bid, before fees: 1e4 * (b_S - a_L) / m.

    Args:
        bid_price: Best bids, shape (S, E). [quote per base coin]
        ask_price: Best asks, same shape.

    Returns:
        Shape (S, E, E): [symbol, buy, sell]. [bps of the mean of the two mids] The diagonal is minus the quoted spread.
    """
    mid = mid_price(bid_price, ask_price)
    mean_mid = (mid[:, :, None] + mid[:, None, :]) / 2.0
    return (bid_price[:, None, :] - ask_price[:, :, None]) / mean_mid * BPS


def exit_edge_bps(entry_edge: Array) -> Array:
    """Gain of closing at today's quotes: 1e4 * (b_L - a_S) / m, shape (S, E, E). [bps]

    Selling L at its bid and buying S back at its ask is entering the reverse pair.
    """
    return np.swapaxes(entry_edge, 1, 2)


def median_exit_bps(long_quotes: Array, short_quotes: Array) -> tuple[Array, Array]:
    """Median over time of what closing would have earned: 1e4 * (b_L - a_S) / m. [bps]

    Args:
        long_quotes: Bid and ask of the bought legs, shape (n, T, 2), NaN where not fresh. [quote per base coin]
        short_quotes: The same of the sold legs.

    Returns:
        The medians, shape (n,), NaN where there is no sample, and the number of samples behind each.
    """
    long_mid, short_mid = (mid_price(quotes[..., 0], quotes[..., 1]) for quotes in (long_quotes, short_quotes))
    mean_mid = (long_mid + short_mid) / 2.0
    exits = (long_quotes[..., 0] - short_quotes[..., 1]) / mean_mid * BPS
    return row_median(exits), np.sum(~np.isnan(exits), axis=1).astype(float)


def net_edge_bps(entry: Array, expected_exit: Array, cost: Array) -> Array:
    """Expected round trip: entry + expected exit - cost, any shape. [bps]

    expected_exit is an assumption, never zero by habit: the pair's own median over the look-back.
    """
    return entry + expected_exit - cost


def touch_size(long_ask_size: Array, short_bid_size: Array) -> Array:
    """Coins that both touches can fill, any shape: min(ask size of L, bid size of S). NaN where one is unknown."""
    return np.minimum(long_ask_size, short_bid_size)


def funding_per_hour(funding_rate: Array, funding_interval_h: Array) -> Array:
    """Rate per hour r / h, any shape. [fraction per hour] NaN where the interval is unknown or no interval."""
    return funding_rate / np.where(funding_interval_h > 0.0, funding_interval_h, np.nan)


def carry_per_hour(funding_rate: Array, funding_interval_h: Array) -> Array:
    """Funding earned per hour by a pair: r_S / h_S - r_L / h_L, shape (S, E) -> (S, E, E). [fraction per hour]

    The short receives a positive rate, the long pays it. NaN where a rate or its interval is unknown.
    """
    hourly = funding_per_hour(funding_rate, funding_interval_h)
    return hourly[:, None, :] - hourly[:, :, None]


def funding_apr(funding_rate: Array, funding_interval_h: Array) -> Array:
    """Simple annual rate r * 8760 / h, any shape. [fraction per year] NaN where the interval is unknown."""
    return funding_per_hour(funding_rate, funding_interval_h) * 8_760.0
