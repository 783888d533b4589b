"""Books of Phemex: the frames they come in, and what is held of a contract from one to the next.

A frame's numbers are as quoted: real, as text, or integers scaled by the contract's exponents.
"""

import sys
from collections.abc import Iterable
from typing import Annotated

import msgspec

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
decode_scaled = msgspec.json.Decoder(ScaledFrame, strict=False).decode


class Touch:
    """The best level of each side of a contract, as quoted. `known` from a snapshot on."""

    __slots__ = (
        *("ask_size", "best_ask", "best_bid", "bid_size", "known", "lost", "missed", "received", "sequence"),
        "timestamp",
    )

    def __init__(self) -> None:
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

    def merge(self, sides: Sides, depth: int) -> None:
        """Take over changes: most often a better level, or the one that follows the best, which is taken away."""
        changes = sides.bids
        if changes:
            level, count = changes[-1], len(changes)
            if level.size > 0.0 and (
                level.price >= self.best_bid
                if count == 1
                else count == 2 and changes[0].size == 0.0 and changes[0].price == self.best_bid
            ):
                self.best_bid, self.bid_size = level.price, level.size
            else:
                held = _changed(self.best_bid, self.bid_size, changes)
                self.best_bid = max(held, default=0.0)
                self.bid_size = held.get(self.best_bid, 0.0)
        changes = sides.asks
        if changes:
            level, count = changes[-1], len(changes)
            if level.size > 0.0 and (
                level.price <= self.best_ask
                if count == 1
                else count == 2 and changes[0].size == 0.0 and changes[0].price == self.best_ask
            ):
                self.best_ask, self.ask_size = level.price, level.size
            else:
                held = _changed(self.best_ask, self.ask_size, changes)
                self.best_ask = min(held, default=fields.INF)
                self.ask_size = held.get(self.best_ask, 0.0)


def _changed(best: float, best_size: float, changes: Iterable[Level]) -> dict[float, float]:
    """What a side that held one level holds after changes, price to size."""
    held = {best: best_size} if best_size > 0.0 else {}
    for level in changes:
        if level.size > 0.0:
            held[level.price] = level.size
        else:
            held.pop(level.price, None)
    return held


class Window(Touch):
    """The best `depth` levels, price to size."""

    __slots__ = ("asks", "bids")

    def clear(self) -> None:
        super().clear()
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}

    def merge(self, sides: Sides, depth: int) -> None:
        """Take over changes. What falls out of the window is forgotten: no change of it would be sent."""
        bids, best_bid = self.bids, self.best_bid
        for level in sides.bids:
            price, size = level.price, level.size
            if size > 0.0:
                bids[price] = size
                if price > best_bid:
                    best_bid = price
            elif bids.pop(price, None) is not None and price == best_bid:
                best_bid = max(bids) if bids else 0.0
        while len(bids) > depth:
            del bids[min(bids)]
        self.best_bid, self.bid_size = best_bid, bids.get(best_bid, 0.0)
        asks, best_ask = self.asks, self.best_ask
        for level in sides.asks:
            price, size = level.price, level.size
            if size > 0.0:
                asks[price] = size
                if price < best_ask:
                    best_ask = price
            elif asks.pop(price, None) is not None and price == best_ask:
                best_ask = min(asks) if asks else fields.INF
        while len(asks) > depth:
            del asks[max(asks)]
        self.best_ask, self.ask_size = best_ask, asks.get(best_ask, 0.0)
