"""From the simulated market to the store: changed tops, marks, books and polls as market words, late as on a network.

Each exchange has a delay, a little jitter and a clock of its own; what one exchange streams arrives in order, over one
socket. Where that says nothing for as long as the feeds allow, its quotes are lost, as the feeds would have it. Units
are converted as `simulator/universe.py` says. What the plants do to the delivery is read from `Delivery`.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from feeds.session import QUIET_AT_LEAST_S, WATCH_EVERY_S
from market.models import Depth, Funding, MarketWord, Quote
from simulator.market import STEP_S, TopChange, generator
from simulator.plants.market import PlantedMarket
from simulator.plants.plan import Delivery
from store.snapshot import SnapshotStore

JITTER_S = 0.003
RELAY_BEHIND_S = (1.6, 2.0)  # how late a relay repeats its source
SERVER_TIME_EVERY_S = 10.0
BOOKS_CAP = 20  # watched at a time on one exchange
BOOK_COMES_S = (0.15, 0.4)  # from asking for a book to its first frame
POLL_TAKES_S = (0.05, 0.25)
WATCH_STEPS = round(WATCH_EVERY_S / STEP_S)
BLOCK = 4096  # random numbers drawn at once


@dataclass(frozen=True)
class Line:
    """The way from one exchange to here. delay_s: of its fastest messages; clock_s: its clock less the true one.

    poll_s: between two requests for all its best quotes. relay_of: the exchange whose quotes it repeats.
    """

    exchange: str
    delay_s: float
    clock_s: float
    poll_s: float
    relay_of: str | None = None


@dataclass(frozen=True)
class Contracts:
    """What the words say of each contract, one entry each, in the market's order.

    interval_known, anchored: whether the exchange says the funding interval, and mark and index.
    """

    exchange: tuple[str, ...]
    symbol: tuple[str, ...]
    interval_known: Sequence[bool]
    anchored: Sequence[bool]


class Wire:
    """Writes into the store what has arrived. One step of the market at a time."""

    def __init__(
        self,
        store: SnapshotStore,
        market: PlantedMarket,
        delivery: Delivery,
        contracts: Contracts,
        lines: Mapping[str, Line],
        seed: int,
    ) -> None:
        self._store, self._market, self._delivery = store, market, delivery
        self._contracts, self._lines = contracts, lines
        self._chance = generator(seed, "wire")
        self._jitter: list[float] = []
        self._due: dict[int, list[MarketWord]] = defaultdict(list)
        self._polled: dict[int, list[MarketWord]] = defaultdict(list)
        self._last: dict[str, float] = dict.fromkeys(lines, -math.inf)
        self._books: dict[int, float] = {}  # watched contracts, and from when on their books come
        self._shown: set[int] = set()
        self._watched: dict[str, tuple[str, ...]] = {}
        self._index = {key: i for i, key in enumerate(zip(contracts.exchange, contracts.symbol, strict=True))}
        phases = self._chance.uniform(0.0, 1.0, len(lines))
        self._next_poll = {name: phase * lines[name].poll_s for name, phase in zip(lines, phases, strict=True)}
        self._next_time = dict.fromkeys(lines, 0.0)
        self._heard: dict[str, float] = {}  # when each exchange last streamed something, while its socket is not quiet
        self._relays: dict[str, list[tuple[str, frozenset[str]]]] = defaultdict(list)
        self.rescale()

    def relay(self, name: str, source: str, symbols: Collection[str]) -> None:
        """Let an exchange repeat another one's quotes."""
        self._relays[source].append((name, frozenset(symbols)))

    def rescale(self) -> None:
        """Take over the units, after they changed."""
        market, coins = self._market, self._delivery.unit
        unit = np.array([listing.unit for listing in market.listings]) * coins
        self._per_tick = market.tick / unit
        self._per_price = 1.0 / unit
        self._per_lot = market.lot * market.contract * unit

    def price_of(self, contract: int) -> float:
        """What a tick is worth. [quote per coin]"""
        return float(self._per_tick[contract])

    def coins_of(self, contract: int) -> float:
        """What a lot holds. [coins]"""
        return float(self._per_lot[contract])

    # -- sending -----------------------------------------------------------------------------------------------

    def _arrival(self, exchange: str, now: float) -> float:
        """When what an exchange streams now is received."""
        line = self._lines[exchange]
        if not self._jitter:
            self._jitter = self._chance.exponential(JITTER_S, BLOCK).tolist()
        at = now + line.delay_s + self._delivery.late_s[exchange] + self._jitter.pop()
        if line.relay_of is not None:
            at += float(self._chance.uniform(*RELAY_BEHIND_S))
        at = self._last[exchange] = max(self._last[exchange], at)
        return at

    def send_tops(self, change: TopChange, step: int) -> None:
        """Stream the tops that changed in this step."""
        delivery, now = self._delivery, change.time
        index = change.index[~delivery.quotes_lost[change.index] & delivery.listed[change.index]]
        if not len(index):
            return
        market, names, symbols = self._market, self._contracts.exchange, self._contracts.symbol
        per_tick, per_lot = self._per_tick[index], self._per_lot[index]
        columns = (
            index,
            market.bid_ticks[index] * per_tick,
            market.bid_lots[index] * per_lot,
            market.ask_ticks[index] * per_tick,
            market.ask_lots[index] * per_lot,
        )
        arrivals: dict[str, float] = {}
        for i, bid, bid_size, ask, ask_size in zip(*(column.tolist() for column in columns), strict=True):
            exchange, symbol = names[i], symbols[i]
            at = arrivals.get(exchange)
            if at is None:
                at = arrivals[exchange] = self._arrival(exchange, now)
            event_time = now + self._lines[exchange].clock_s
            self._put(step, now, Quote(exchange, symbol, bid, bid_size, ask, ask_size, event_time, at))
            if i in self._books:
                self._send_book(i, now, at, step)
            for relay, relayed in self._relays.get(exchange, ()):
                if symbol in relayed:
                    later = arrivals.get(relay)
                    if later is None:
                        later = arrivals[relay] = self._arrival(relay, now)
                    event_time = now + self._lines[relay].clock_s
                    self._put(step, now, Quote(relay, symbol, bid, bid_size, ask, ask_size, event_time, later))

    def _put(self, step: int, now: float, word: MarketWord) -> None:
        self._due[step + math.ceil((word.received_time - now) / STEP_S - 1e-9)].append(word)

    def send_marks(self, step: int, now: float) -> None:
        """Stream mark, index and funding of every contract; called once a second."""
        market, delivery = self._market, self._delivery
        period = market.interval_h * 3600.0
        columns = (
            market.mark * self._per_price,
            market.index * self._per_price,
            market.funding_rate,
            market.interval_h,
            (np.floor(now / period) + 1.0) * period,
        )
        told = (delivery.listed & ~delivery.marks_lost).tolist()
        arrivals = {exchange: self._arrival(exchange, now) for exchange in self._lines}
        contracts = self._contracts
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for i, (mark, index, rate, interval_h, next_time) in enumerate(rows):
            if not told[i]:
                continue
            exchange, symbol = contracts.exchange[i], contracts.symbol[i]
            relays = (name for name, relayed in self._relays.get(exchange, ()) if symbol in relayed)
            for name in (exchange, *relays):
                word = Funding(
                    name,
                    symbol,
                    mark if contracts.anchored[i] else None,
                    index if contracts.anchored[i] else None,
                    rate,
                    interval_h if contracts.interval_known[i] else None,
                    next_time,
                    now + self._lines[name].clock_s,
                    arrivals[name],
                )
                self._put(step, now, word)

    def _send_book(self, contract: int, now: float, at: float, step: int) -> None:
        if now < self._books[contract]:
            return
        self._shown.add(contract)
        self._market.stir(contract)
        bids, asks = self.book(contract)
        exchange = self._contracts.exchange[contract]
        symbol = self._contracts.symbol[contract]
        event_time = now + self._lines[exchange].clock_s
        self._put(step, now, Depth(exchange, symbol, bids, asks, event_time, at))

    def book(self, contract: int) -> tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]]:
        """The true book of a contract now: bids and asks, (price, coins), best first."""
        price, coins = self.price_of(contract), self.coins_of(contract)
        bids, asks = (
            tuple((ticks * price, lots * coins) for ticks, lots in self._market.levels(contract, side))
            for side in (0, 1)
        )
        return bids, asks

    def poll(self, step: int, now: float) -> None:
        """Ask for best quotes and clocks as the feeds do; an exchange in trouble does not answer."""
        for name, line in self._lines.items():
            if now >= self._next_time[name] and line.relay_of is None:
                self._next_time[name] = now + SERVER_TIME_EVERY_S
                takes = 2.0 * line.delay_s + 0.002
                self._store.set_server_time(name, now - takes / 2.0 + line.clock_s, now - takes, now)
            if now < self._next_poll[name] or line.relay_of is not None:
                continue
            self._next_poll[name] = now + line.poll_s
            if self._delivery.late_s[name] == 0.0:
                self._poll_quotes(name, step, now)

    def _poll_quotes(self, name: str, step: int, now: float) -> None:
        market = self._market
        at = now + float(self._chance.uniform(*POLL_TAKES_S))
        due = self._polled[step + math.ceil((at - now) / STEP_S)]
        for i, exchange in enumerate(self._contracts.exchange):
            if exchange != name or not self._delivery.listed[i]:
                continue
            price, coins = self.price_of(i), self.coins_of(i)
            word = Quote(
                name,
                self._contracts.symbol[i],
                float(market.bid_ticks[i]) * price,
                float(market.bid_lots[i]) * coins,
                float(market.ask_ticks[i]) * price,
                float(market.ask_lots[i]) * coins,
                now + self._lines[name].clock_s,
                at,
            )
            due.append(word)

    # -- books on demand ---------------------------------------------------------------------------------------

    def _watch_silence(self, now: float) -> None:
        """Give up the quotes of sockets that are quiet; each comes back with its next word or confirmation."""
        for name in [name for name, heard in self._heard.items() if now - heard >= QUIET_AT_LEAST_S]:
            del self._heard[name]
            self._store.lose(name, self._contracts.symbol)

    def watch(self, wishes: Mapping[str, Sequence[str]], now: float) -> None:
        """Watch the books that are wished for, as many as an exchange allows."""
        for exchange in self._lines:
            wanted = tuple(wishes.get(exchange, ()))
            if wanted == self._watched.get(exchange, ()):
                continue
            self._watched[exchange] = wanted
            kept = wanted[:BOOKS_CAP]
            self._store.depths.watch(exchange, kept, wanted[BOOKS_CAP:], now)
            chosen = {self._index[exchange, symbol] for symbol in kept if (exchange, symbol) in self._index}
            for i in [i for i in self._books if self._contracts.exchange[i] == exchange and i not in chosen]:
                del self._books[i]
                self._shown.discard(i)
            for i in chosen - self._books.keys():
                self._books[i] = now + float(self._chance.uniform(*BOOK_COMES_S))

    def send_first_books(self, step: int, now: float) -> None:
        """Send the whole book of those whose time has come and whose top has not changed since."""
        for i, begins in self._books.items():
            if i not in self._shown and now >= begins and not self._delivery.quotes_lost[i]:
                self._send_book(i, now, self._arrival(self._contracts.exchange[i], now), step)

    # -- arriving ----------------------------------------------------------------------------------------------

    def deliver(self, step: int, now: float) -> None:
        """Write what has been received by now."""
        words = self._due.pop(step, None)
        if words:
            self._store.write(words)
            self._heard.update(dict.fromkeys({word.exchange for word in words}, now))
        if step % WATCH_STEPS == 0:
            self._watch_silence(now)
        polled = self._polled.pop(step, None)
        if polled:
            self._store.write(polled, polled=True)
        self._store.beat(now)
