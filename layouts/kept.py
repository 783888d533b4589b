"""What costs too much to be made at every tick: kept for some seconds, made by one thread at a time."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Kept(Generic[Result]):
    """The last results, by key."""

    def __init__(self, every_s: float, most: int = 32) -> None:
        self._every_s = every_s
        self._most = most
        self._making = threading.Lock()
        self._results: OrderedDict[Hashable, tuple[float, Result]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Result]) -> Result | None:
        """The result of `key`, made anew if it is old. While another one is being made: the old one, or None."""
        kept = self._results.get(key)
        if kept is not None and time.monotonic() - kept[0] < self._every_s:
            return kept[1]
        if not self._making.acquire(blocking=False):
            return None if kept is None else kept[1]
        try:
            result = make()
            self._results[key] = (time.monotonic(), result)
            self._results.move_to_end(key)
            while len(self._results) > self._most:
                self._results.popitem(last=False)
            return result
        finally:
            self._making.release()
