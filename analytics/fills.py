"""What of the user's notional a pair would really fill, on the books that are known of it."""

from dataclasses import dataclass

from analytics import size as sizes
from analytics.spreads import BPS
from store.depth import Ladder

NAN = float("nan")
SAME_TOUCH_BPS = 2.0
KEPT_BOOKS = 4_096


Top = tuple[float, float, float, float]  # bid, bid size, ask, ask size


@dataclass(frozen=True, slots=True)
class Fillable:
    """What could be had of a pair.

    size: coins, as much of the user's notional as each coin gains the least that is asked, rounded to lots; 0 where an
    exchange would not take so little. walk_bps: what the size loses against the touch (0 or less). notional: of size.
    gainful: notional of all coins that gain enough, my size or not. capacity: the largest notional whose average still
    gains enough. behind_bps: from the touch to the next level, of the leg where that is further; NaN at the touch only.
    visible: notional to which both books are known; where that is nothing, all else is NaN. touch_only: whether no more
    than the touch is known.
    """

    size: float
    walk_bps: float
    notional: float
    gainful: float
    capacity: float
    behind_bps: float
    visible: float
    touch_only: bool


NOTHING = Fillable(NAN, NAN, NAN, NAN, NAN, NAN, 0.0, True)


def book_of(ladder: Ladder | None, top: Top, lot: float | None, min_notional: float | None) -> sizes.Book:
    """The book of a leg: its ladder while that is live and shows the same touch, else the touch alone.

    Args:
        ladder: As known, if it is watched.
        top: Bid, bid size, ask, ask size of the snapshot.
        lot: [coins] None where any quantity will do.
        min_notional: [quote] None where there is none.
    """
    if ladder is not None and _shows(ladder, top):
        return sizes.Book(ladder.bids, ladder.asks, False, lot, min_notional)
    bid, bid_size, ask, ask_size = top
    return sizes.Book(((bid, bid_size),), ((ask, ask_size),), True, lot, min_notional)


def _shows(ladder: Ladder, top: Top) -> bool:
    """Whether a book is live and has this touch. Books come by another channel than quotes: they may lag."""
    if ladder.state != "live" or not (ladder.bids and ladder.asks):
        return False
    apart = max(abs(ladder.bids[0][0] / top[0] - 1.0), abs(ladder.asks[0][0] / top[2] - 1.0))
    return apart * BPS <= SAME_TOUCH_BPS


class KeptBooks:
    """The books of legs that are asked for again and again: the same object while it would be the same book."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[Ladder | None, Top, sizes.Book]] = {}

    def of(
        self, key: tuple[str, str], ladder: Ladder | None, top: Top, lot: float | None, min_notional: float | None
    ) -> sizes.Book:
        """As `book_of`. key: exchange and symbol."""
        known = self._kept.get(key)
        if known is not None:
            known_ladder, known_top, book = known
            if ladder is known_ladder and (book.lot, book.min_notional) == (lot, min_notional):
                shown = ladder is not None and not book.touch_only and _shows(ladder, top)
                if shown or top == known_top:
                    return book
        book = book_of(ladder, top, lot, min_notional)
        if len(self._kept) >= KEPT_BOOKS:
            self._kept.clear()
        self._kept[key] = ladder, top, book
        return book


def fillable(long: sizes.Book, short: sizes.Book, notional: float, least_bps: float) -> Fillable:
    """What of `notional` could be filled so that each coin gains `least_bps` gross. [quote, bps]

    Where one leg's book is known and the other's is not, the other's touch ends what is visible.
    """
    mid = sizes.mean_mid(long, short)
    seen = sizes.visible(long, short)
    if not (mid == mid and seen > 0.0):
        return NOTHING
    gainful = sizes.gainful(long, short, least_bps)
    capacity = sizes.capacity(long, short, least_bps)
    wanted = min(notional / mid, gainful if gainful > 0.0 else seen)
    quantity, _ = sizes.tradable(long, short, wanted)
    filled = sizes.fill(long, short, quantity)
    touch = (short.bids[0][0] - long.asks[0][0]) / mid * BPS
    touch_only = long.touch_only or short.touch_only
    return Fillable(
        size=quantity,
        walk_bps=NAN if filled is None else filled.edge_bps - touch,
        notional=quantity * mid,
        gainful=gainful * mid,
        capacity=capacity * mid,
        behind_bps=NAN
        if touch_only
        else max(sizes.next_level_gap_bps(long.asks, True), sizes.next_level_gap_bps(short.bids, False)),
        visible=seen * mid,
        touch_only=touch_only,
    )
