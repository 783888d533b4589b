"""Runs both sides over the same bytes and notes every value that both have."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.conformance.raw import raw_values
from benchmarks.conformance.recordings import Frame, captured, sampled
from benchmarks.conformance.reference import Reference, Values
from benchmarks.conformance.sources import Answer, Body, Source
from feeds.errors import FeedError
from feeds.exchanges.base import Exchange, Word
from market.models import Depth, Funding, Instrument, Quote

TOLERANCE = 1e-9  # relative; both sides compute in float64
LISTING_FIELDS = ("kind", "quote", "settle", "multiplier", "contract_multiplier", "tick_size", "lot_size")
TOP_FIELDS = ("bid_price", "bid_size", "ask_price", "ask_size")
FUNDING_FIELDS = ("mark_price", "index_price", "funding_rate", "next_funding_time")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One value that both sides gave. where: recording; instrument: as we read it."""

    exchange: str
    field: str
    exchange_symbol: str
    ours: Any
    theirs: Any
    where: str
    instrument: Instrument | None = None

    @property
    def equal(self) -> bool:
        if isinstance(self.ours, float | int) and isinstance(self.theirs, float | int):
            return abs(self.ours - self.theirs) <= TOLERANCE * max(abs(self.ours), abs(self.theirs))
        return bool(self.ours == self.theirs)


@dataclass(slots=True)
class Outcome:
    """All comparisons of one exchange, and what only one side said."""

    exchange: str
    comparisons: list[Comparison] = field(default_factory=list)
    only_ours: Counter[str] = field(default_factory=Counter)
    only_theirs: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)  # errors of the reference


def adapter(name: str) -> Exchange:
    """Our adapter, by module: the registry need not have it yet."""
    exchange: Exchange = import_module(f"feeds.exchanges.{name}").Adapter(None)
    return exchange


def ours_of(words: Iterable[Word], names: Mapping[str, str]) -> dict[str, Values]:
    """Our words as values by the exchange's name. A whole quote goes before the top of a book."""
    found: dict[str, Values] = {}
    for word in words:
        if not isinstance(word, Quote | Funding | Depth):
            continue
        values = found.setdefault(names[word.symbol], {})
        if isinstance(word, Depth):
            bid, ask = (side[0] if side else (None, None) for side in (word.bids, word.asks))
            top = dict(zip(TOP_FIELDS, (*bid, *ask), strict=True))
            values.update({key: value for key, value in top.items() if key not in values})
        else:
            fields = TOP_FIELDS if isinstance(word, Quote) else FUNDING_FIELDS
            values.update({key: getattr(word, key) for key in fields})
    return found


class Comparer:
    """One exchange's run."""

    def __init__(self, source: Source, shared: Path) -> None:
        self.source, self.shared = source, shared
        self.outcome = Outcome(source.exchange)
        self.exchange = adapter(source.exchange)
        self.reference = Reference(source)
        self.instruments: dict[str, Instrument] = {}

    def run(self) -> Outcome:
        """Compare listings, then frames, then polled answers."""
        for number, bodies in enumerate(self.source.listings(self.shared)):
            self._listing(bodies, f"listing {number + 1}")
        self._frames(self._recorded())
        for answer in self.source.answers(self.shared):
            self._answer(answer)
        self.outcome.unreadable.update(self.reference.unreadable)
        return self.outcome

    def _listing(self, bodies: Sequence[Body], where: str) -> None:
        ours = {
            i.exchange_symbol: i for i in self.exchange.parse_instruments([b.text.encode() for b in bodies if b.ours])
        }
        theirs = self.reference.list_markets(bodies)
        self.instruments.update(ours)
        for exchange_symbol in ours.keys() | theirs.keys():
            self._note("listed", exchange_symbol, exchange_symbol in ours, exchange_symbol in theirs, where)
        for exchange_symbol in ours.keys() & theirs.keys():
            instrument = ours[exchange_symbol]
            for name in LISTING_FIELDS:
                left, right = getattr(instrument, name), theirs[exchange_symbol].values[name]
                if left is not None or right is not None:
                    self._note(name, exchange_symbol, left, right, where)

    def _recorded(self) -> Iterator[Frame]:
        for path in self.source.captures:
            yield from captured(self.shared / "captures" / path)
        yield from sampled(self.shared / "venues" / "samples" / self.source.exchange)

    def _frames(self, frames: Iterable[Frame]) -> None:
        decoders: dict[str, Any] = {}
        place = None
        names = {i.symbol: i.exchange_symbol for i in self.instruments.values()}
        for frame in frames:
            if frame.place != place:
                place = frame.place
                self.reference.start()
            decoder = decoders.setdefault(frame.place, None) or self.exchange.decoder(self.instruments.values())
            decoders[frame.place] = decoder
            try:
                ours = ours_of(decoder.feed(frame.text, frame.received_time), names)
            except FeedError:
                ours = {}
            theirs: dict[str, Values] = {}
            for message in messages_of(frame.text):
                for exchange_symbol, values in self.reference.feed(message, frame.url).items():
                    theirs.setdefault(exchange_symbol, {}).update(values)
                for exchange_symbol, values in raw_values(
                    self.source.exchange, message, self.reference.markets
                ).items():
                    known = theirs.setdefault(exchange_symbol, {})
                    known.update({key: value for key, value in values.items() if known.get(key) is None})
            self._values(ours, theirs, frame.place)

    def _answer(self, answer: Answer) -> None:
        decoder = self.exchange.decoder(self.instruments.values())
        names = {i.symbol: i.exchange_symbol for i in self.instruments.values()}
        plans = self.exchange.connections(list(self.instruments.values()), {"quotes", "funding", "ticker"})
        ours: dict[str, Values] = {}
        polls = {poll.request.purpose for plan in plans for poll in plan.polls if answer.our_path in poll.request.url}
        for purpose in [answer.purpose] if answer.purpose else sorted(polls):
            words = decoder.feed_response(purpose, answer.body.text.encode(), 0.0)
            for exchange_symbol, values in ours_of(words, names).items():
                ours.setdefault(exchange_symbol, {}).update(values)
        theirs = self.reference.ask(answer.method, answer.body, answer.arguments)
        self._values(ours, theirs, f"answer {answer.our_path}")

    def _values(self, ours: Mapping[str, Values], theirs: Mapping[str, Values], where: str) -> None:
        for exchange_symbol in ours.keys() | theirs.keys():
            left, right = ours.get(exchange_symbol, {}), theirs.get(exchange_symbol, {})
            for name in (*TOP_FIELDS, *FUNDING_FIELDS):
                if left.get(name) is not None and right.get(name) is not None:
                    self._note(name, exchange_symbol, left[name], right[name], where)
                elif left.get(name) is not None:
                    self.outcome.only_ours[name] += 1
                elif right.get(name) is not None:
                    self.outcome.only_theirs[name] += 1

    def _note(self, name: str, exchange_symbol: str, ours: Any, theirs: Any, where: str) -> None:
        instrument = self.instruments.get(exchange_symbol)
        self.outcome.comparisons.append(
            Comparison(self.source.exchange, name, exchange_symbol, ours, theirs, where, instrument)
        )


def messages_of(text: str) -> list[Any]:
    """A frame as ccxt's own sockets would have it: Binance's envelope of combined streams taken off."""
    try:
        message = json.loads(text)
    except ValueError:
        return [text]
    if isinstance(message, dict) and "stream" in message and "data" in message:
        return [message["data"]]
    return [message]
