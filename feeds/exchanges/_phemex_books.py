"""Books of Phemex: the frames they come in, and what is held of a contract from one to the next.

A frame's numbers are as quoted: real, as text, or integers scaled by the contract's exponents.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec

from feeds.book import merge
from feeds.exchanges import _fields as fields

SCALED_BOOK_DEPTH = 30


class Level(msgspec.Struct, array_like=True, gc=False):
    # Bounded: strict=False below reads "2763.86" as a float in C, and "nan" and "inf" just as well.
    price: Annotated[float, msgspec.Meta(gt=0.0, le=sys.float_info.max)]
    size: Annotated[float, msgspec.Meta(ge=0.0, le=sys.float_info.max)]


class Sides(msgspec.Struct, gc=False):
    asks: list[Level]
    bids: list[Level]


class RealFrame(msgspec.Struct, gc=False):
    orderbook_p: Sides
    sequence: int
    symbol: str
    type: str
    timestamp: int = 0
    depth: int = SCALED_BOOK_DEPTH
    dts: int = 0


class ScaledFrame(msgspec.Struct, gc=False):
    book: Sides
    sequence: int
    symbol: str
    type: str
    timestamp: int = 0
    depth: int = SCALED_BOOK_DEPTH
    dts: int = 0


decode_real = msgspec.json.Decoder(RealFrame, strict=False).decode
_SIDES_FORM = {"asks": [..., ("positive", "quantity")], "bids": [..., ("positive", "quantity")]}
_STAMP_FORM = {"sequence": "integer", "symbol": "text", "timestamp": "integer", "type": b'"incremental"'}
TOUCH_START, SCALED_START = b'{"depth":1,', b'{"book":'
pick_touch = fields.picker({"dts": "nanoseconds", "orderbook_p": _SIDES_FORM, **_STAMP_FORM}, TOUCH_START)
pick_scaled = fields.picker({"book": _SIDES_FORM, "depth": "integer", "dts?": "integer", **_STAMP_FORM}, SCALED_START)
decode_scaled = msgspec.json.Decoder(ScaledFrame, strict=False).decode


class Touch:
    """The best level of each side of a contract, as quoted. `known` from a snapshot on."""

    __slots__ = (
        *("ask_size", "best_ask", "best_bid", "bid_size", "known", "lost", "missed", "received", "sequence"),
        *("timestamp", "units"),
    )

    def __init__(self, units: fields.Units) -> None:
        self.units = units
        self.sequence = -1
        self.missed = -1  # the last change that came before a book
        self.timestamp = 0
        self.received = 0.0
        self.known = False
        self.lost = False
        self.clear()

    def clear(self) -> None:
        self.best_bid, self.bid_size = 0.0, 0.0
        self.best_ask, self.ask_size = fields.INF, 0.0

    def merge(self, bids: Sequence[float], asks: Sequence[float], depth: int) -> None:
        """Take over changes, prices and sizes in turn.

        Most often they are a better level, or the one that follows the best, which is taken away.
        """
        if bids:
            count = len(bids)
            if count == 2 and bids[0] >= self.best_bid and bids[1] > 0.0:
                self.best_bid, self.bid_size = bids
            elif count == 4 and bids[0] == self.best_bid and bids[1] == 0.0 and bids[3] > 0.0:
                _, _, self.best_bid, self.bid_size = bids
            else:
                held = _changed(self.best_bid, self.bid_size, bids)
                self.best_bid = max(held, default=0.0)
                self.bid_size = held.get(self.best_bid, 0.0)
        if asks:
            count = len(asks)
            if count == 2 and asks[0] <= self.best_ask and asks[1] > 0.0:
                self.best_ask, self.ask_size = asks
            elif count == 4 and asks[0] == self.best_ask and asks[1] == 0.0 and asks[3] > 0.0:
                _, _, self.best_ask, self.ask_size = asks
            else:
                held = _changed(self.best_ask, self.ask_size, asks)
                self.best_ask = min(held, default=fields.INF)
                self.ask_size = held.get(self.best_ask, 0.0)


def in_turn(levels: Iterable[Level]) -> list[float]:
    """Prices and sizes, one behind the other."""
    return [number for level in levels for number in (level.price, level.size)]


def _levels(numbers: Sequence[float]) -> Iterable[tuple[float, float]]:
    return zip(numbers[::2], numbers[1::2], strict=True)


def _changed(best: float, best_size: float, changes: Sequence[float]) -> dict[float, float]:
    """What a side that held one level holds after changes, price to size."""
    held = {best: best_size} if best_size > 0.0 else {}
    for price, size in _levels(changes):
        if size > 0.0:
            held[price] = size
        else:
            held.pop(price, None)
    return held


class Window(Touch):
    """The best `depth` levels, price to size, with the prices of each side in ascending order."""

    __slots__ = ("ask_prices", "asks", "bid_prices", "bids")

    def clear(self) -> None:
        super().clear()
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}
        self.bid_prices: list[float] = []
        self.ask_prices: list[float] = []

    def merge(self, bids: Sequence[float], asks: Sequence[float], depth: int) -> None:
        """Take over changes. What falls out of the window is forgotten: no change of it would be sent."""
        merge(self.bids, self.bid_prices, _levels(bids), depth, 0)
        self.best_bid = self.bid_prices[-1] if self.bid_prices else 0.0
        self.bid_size = self.bids.get(self.best_bid, 0.0)
        merge(self.asks, self.ask_prices, _levels(asks), depth, -1)
        self.best_ask = self.ask_prices[0] if self.ask_prices else fields.INF
        self.ask_size = self.asks.get(self.best_ask, 0.0)
