"""What the decoders share: reading numbers, and contracts with what was last seen of them.

Exchanges write numbers as text, leave "" where there is no value, and now and then write what is no number at all.
Nothing here lets NaN, an infinity or a negative price through.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Annotated, Any, Generic, TypeVar, cast

import msgspec
import orjson

from feeds.errors import BadPayload, FeedError, UnknownContract, UnknownMessage
from feeds.exchanges.base import Word
from market.models import Instrument, Quote
from native import hot

INF = float("inf")
# For typed decoding, which reads "inf" and "nan" as well: bounds that nothing real comes near, and within which no unit
# makes a number infinite or 0. What lies outside is left to the functions below.
Positive = Annotated[float, msgspec.Meta(gt=1e-100, lt=1e100)]
Quantity = Annotated[float, msgspec.Meta(ge=0.0, lt=1e100)]
Rate = Annotated[float, msgspec.Meta(gt=-1e100, lt=1e100)]
_WRITTEN = frozenset((str, int, float))  # what a number may be written as; a truth value is none
# An update id far below the last one is an old message, unless the exchange's clock has moved on by this much: then
# the exchange has restarted its count, and holding on to the old one would silence the symbol.
RECOUNT_MS = 10_000
# What was overtaken comes together with what overtook it, or soon after it and is not much older.
SET_BACK_S, TOGETHER_S, LONG_AFTER_S = 1.0, 0.05, 1.0


def number(value: Any) -> float | None:
    """A finite number, or None for an absent one ("" or null).

    Raises:
        ValueError: If it is anything else.
    """
    if type(value) in _WRITTEN and value != "":
        result = float(value)
        if -INF < result < INF:
            return result
        raise ValueError(f"not a finite number: {value!r:.40}")
    _require_absent(value)
    return None


def amount(value: Any, factor: float = 1.0) -> float | None:
    """A quantity times `factor`; None if absent. Raises ValueError if it is negative."""
    if type(value) in _WRITTEN and value != "":
        result = float(value) * factor
        if 0.0 <= result < INF:
            return result
        raise ValueError(f"not a quantity: {value!r:.40}")
    _require_absent(value)
    return None


def price(value: Any, multiplier: float = 1.0) -> float | None:
    """A price for one coin, from one for `multiplier` coins; None if absent or 0. Raises ValueError if negative."""
    if type(value) in _WRITTEN and value != "":
        result = float(value) / multiplier
        if 0.0 < result < INF:
            return result
        if result == 0.0:
            return None
        raise ValueError(f"not a price: {value!r:.40}")
    _require_absent(value)
    return None


def _require_absent(value: Any) -> None:
    """Raises ValueError for what is no number, unless it stands for an absent one."""
    if value is not None and value != "":
        raise ValueError(f"not a number: {value!r:.40}")


def seconds(milliseconds: Any) -> float | None:
    """Epoch s from epoch ms; None if absent or 0, which exchanges write for "never"."""
    result = amount(milliseconds)
    return result / 1000 if result else None


def levels(rows: Iterable[Sequence[Any]]) -> list[tuple[float, float]]:
    """Price and size of book levels, as quoted. Raises ValueError if one is no price with a quantity."""
    return [(required(price(row[0]), "price"), amount(row[1]) or 0.0) for row in rows]


def required(value: float | None, what: str) -> float:
    """The value, where a listing makes no sense without it. Raises ValueError."""
    if value is None or value == 0.0:
        raise ValueError(f"no {what}")
    return value


def price_band(*sides: Any) -> float | None:
    """The narrower side of a price band, as a fraction; None if no side is known. Raises ValueError if negative."""
    widths = [width for side in sides if (width := amount(side))]
    return round(min(widths), 9) if widths else None


def clock_set_back(behind_s: float, apart_s: float) -> bool:
    """Whether a message is older than the last one because the exchange's clock was set, not because of its way.

    behind_s: by how much it is older. apart_s: how long after the last one it was received.
    Source: docs/decisions.md, "A clock set back is not an overtaken message".
    """
    return apart_s >= LONG_AFTER_S or (behind_s >= SET_BACK_S and apart_s >= TOGETHER_S)


class Units:
    """What makes a top of book as quoted one in our units.

    multiplier: what a quoted price is divided by. factor: coins (linear) or quote currency (inverse) per unit of size.
    """

    __slots__ = ("exchange", "factor", "inverse", "multiplier", "symbol")

    def __init__(self, exchange: str, symbol: str, multiplier: float, factor: float, inverse: bool) -> None:
        self.exchange = exchange
        self.symbol = symbol
        self.multiplier = multiplier
        self.factor = factor
        self.inverse = inverse


def touch(
    units: Units,
    bid: float,
    bid_size: float,
    ask: float,
    ask_size: float,
    event_time: float | None,
    received_time: float,
) -> Quote | None:
    """A top of book in our units; None if a side is empty or not a price with a size."""
    bid_price, ask_price = bid / units.multiplier, ask / units.multiplier
    bid_size, ask_size = bid_size * units.factor, ask_size * units.factor
    if units.inverse and bid_price > 0.0 and ask_price > 0.0:
        bid_size /= bid_price
        ask_size /= ask_price
    if 0.0 < bid_price < INF and 0.0 < ask_price < INF and 0.0 < bid_size < INF and 0.0 < ask_size < INF:
        return Quote(units.exchange, units.symbol, bid_price, bid_size, ask_price, ask_size, event_time, received_time)
    return None


def ladder(units: Units, numbers: tuple[float, ...]) -> tuple[tuple[float, float], ...] | None:
    """Levels in our units, from prices and sizes in turn; None if one of them is not a price with a size."""
    levels = []
    for at in range(0, len(numbers), 2):
        price, size = numbers[at] / units.multiplier, numbers[at + 1] * units.factor
        if units.inverse and price > 0.0:
            size /= price
        if not (0.0 < price < INF and 0.0 < size < INF):
            return None
        levels.append((price, size))
    return tuple(levels)


def picker(form: Any, start: bytes) -> Callable[[bytes], tuple[Any, ...] | None]:
    """What picks the values of a form out of a frame that begins so (native/pick.c); it answers None to any other."""
    return _pick_nothing if hot is None else hot.Pick(form, start).read


def _pick_nothing(_frame: bytes) -> None:
    """Without the compiled library every frame goes the general way."""


TWINS = (touch, ladder)  # the same in Python, which tests compare
if hot is not None:
    hot.use_units(Units, Quote)
    touch, ladder = hot.touch, hot.ladder


class Contract(Units):
    """One instrument as a decoder needs it, with what was last seen of it.

    last_id, last_ms, last_received: update id, exchange time and receipt of the last top of book, -1 before the first.
    """

    __slots__ = ("exchange_symbol", "instrument", "last_id", "last_ms", "last_received")

    def __init__(self, instrument: Instrument) -> None:
        self.last_id = -1
        self.last_ms = -1
        self.last_received = -1.0
        self.describe(instrument)

    def describe(self, instrument: Instrument) -> None:
        """Take over a new reading of the listing."""
        super().__init__(
            instrument.exchange,
            instrument.symbol,
            instrument.multiplier,
            instrument.contract_multiplier,
            instrument.kind == "inverse",
        )
        self.instrument = instrument
        self.exchange_symbol = instrument.exchange_symbol

    def forget(self) -> None:
        """Start over, as before the first message."""
        self.last_id = -1
        self.last_ms = -1

    def side(self, quoted_price: Any, size: Any) -> tuple[float | None, float | None]:
        """One side of the book in our units; two None where it is empty. Raises ValueError for what is no number."""
        coin_price = price(quoted_price, self.multiplier)
        coins = amount(size, self.factor)
        if not coin_price or not coins:
            return None, None
        if self.inverse:
            coins = amount(coins / coin_price)
        return (coin_price, coins) if coins else (None, None)

    def level(self, quoted_price: float, size: float) -> tuple[float, float] | None:
        """One level of a book in our units; None if it is empty."""
        coin_price, coins = self.side(quoted_price, size)
        return None if coin_price is None or coins is None else (coin_price, coins)

    def quote(
        self, bid: Any, bid_size: Any, ask: Any, ask_size: Any, event_time: float | None, received_time: float
    ) -> Quote:
        """A Quote from numbers as the exchange writes them."""
        return Quote(
            self.exchange,
            self.symbol,
            *self.side(bid, bid_size),
            *self.side(ask, ask_size),
            event_time,
            received_time,
        )


Known = TypeVar("Known", bound=Contract)


class ContractDecoder(Generic[Known]):
    """The part of a decoder that is the same everywhere. Subclasses read frames in `_read` and bodies in `_answer`."""

    notices_loss = True
    contract_type: type[Contract] = Contract  # where it is another one, that of the parameter

    def __init__(self, exchange: str, instruments: Iterable[Instrument], ignored: Collection[str]) -> None:
        self.exchange = exchange
        self.contracts: dict[str, Known] = {}
        self.outdated = 0
        self._ignored = ignored
        self._complained: set[str] = set()
        self._log = logging.getLogger(f"feeds.exchanges.{exchange}")
        self.update(instruments)

    def feed(self, frame: bytes | str, received_time: float) -> Sequence[Word]:
        """Read one frame. Raises FeedError and nothing else; the decoder stays usable."""
        try:
            return self._read(frame.encode() if type(frame) is str else frame, received_time)  # type: ignore[arg-type]
        except FeedError:
            raise
        except Exception as error:  # whatever a frame makes us stumble over is a bad frame
            raise BadPayload(self.exchange, f"{describe(error)} in {frame[:200]!r}") from error

    def feed_response(self, purpose: str, body: bytes, received_time: float) -> Sequence[Word]:
        """Read the body of a polled request. Raises FeedError and nothing else."""
        try:
            return self._answer(purpose, orjson.loads(body), received_time)
        except FeedError:
            raise
        except Exception as error:  # as above
            raise BadPayload(self.exchange, f"{describe(error)} in the answer to {purpose!r}") from error

    def update(self, instruments: Iterable[Instrument]) -> None:
        """Take over a new catalogue without losing what is known of contracts that stay."""
        known, self.contracts = self.contracts, {}
        for instrument in instruments:
            if instrument.exchange != self.exchange:
                continue
            contract = known.get(instrument.exchange_symbol)
            if contract is None:
                contract = cast(Known, self.contract_type(instrument))
            else:
                contract.describe(instrument)
            self.contracts[instrument.exchange_symbol] = contract

    def _read(self, frame: bytes, received_time: float) -> Sequence[Word]:
        raise NotImplementedError

    def _answer(self, purpose: str, body: Any, received_time: float) -> Sequence[Word]:
        raise UnknownMessage(self.exchange, f"no request has the purpose {purpose!r}")

    def _is_foreign(self, exchange_symbol: str) -> bool:
        """Whether an id has a form that no perpetual has."""
        raise NotImplementedError

    def _contract(self, exchange_symbol: str) -> Known | None:
        """The contract of an id; None if it is one that we left out on purpose.

        Raises:
            UnknownContract: If the catalogue knows nothing of it.
        """
        contract = self.contracts.get(exchange_symbol)
        if contract is not None:
            return contract
        if exchange_symbol in self._ignored or self._is_foreign(exchange_symbol):
            return None
        raise UnknownContract(self.exchange, f"no contract {exchange_symbol!r:.60}")

    def _bad_row(self, exchange_symbol: str, error: Exception) -> None:
        """Say once that a row of a many-symbol message was dropped; the message comes every second."""
        if exchange_symbol not in self._complained and len(self._complained) < 1000:
            self._complained.add(exchange_symbol)
            self._log.warning("dropped an unreadable row of %s: %s", exchange_symbol, describe(error))


def describe(error: Exception) -> str:
    """An exception in one short line."""
    return f"{type(error).__name__}: {error}"[:200]
