"""Long work in portions, with a pause after each in which what is more urgent gets its turn."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Pause = Callable[[], None]


def no_pause() -> None:
    """Nothing is more urgent."""


def portions(count: int, most: int, pause: Pause) -> Iterator[NDArray[np.intp]]:
    """The positions of `count` things, at most so many at once; one empty portion of none."""
    for start in range(0, max(count, 1), most):
        if start:
            pause()
        yield np.arange(start, min(start + most, count), dtype=np.intp)
