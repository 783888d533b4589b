"""How the values of a spread are spread: quantiles and a histogram with round bins."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SHARES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of the known values of a series, in its unit."""

    p1: float
    p5: float
    p25: float
    p50: float
    p75: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Histogram:
    """Known values by bins of equal width. left: lower edges, shape (B,), multiples of width; counts: same shape."""

    left: Array
    width: float
    counts: NDArray[np.intp]


def round_step(rough: float) -> float:
    """The next of 1, 2, 2.5, 5, 10 times a power of ten that is at least `rough`, which must be above 0."""
    power = 10.0 ** np.floor(np.log10(rough))
    return float(next(step * power for step in (1.0, 2.0, 2.5, 5.0, 10.0) if step * power >= rough * (1.0 - 1e-9)))


def quantiles(values: Array) -> Quantiles | None:
    """Quantiles of a series, shape (T,), NaN left out; linear between samples. None if nothing is known."""
    known = values[~np.isnan(values)]
    return Quantiles(*np.quantile(known, SHARES).tolist()) if len(known) else None


def histogram(values: Array, bins: int = 40) -> Histogram | None:
    """Count a series in at most `bins` + 1 round bins. None if nothing is known."""
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    low, high = float(known.min()), float(known.max())
    width = round_step(max((high - low) / bins, 0.1))
    at = np.floor(known / width + 1e-9).astype(np.intp)
    first = int(at.min())
    counts = np.bincount(at - first)
    return Histogram(
        left=np.asarray((first + np.arange(len(counts))) * width, dtype=np.float64), width=width, counts=counts
    )
