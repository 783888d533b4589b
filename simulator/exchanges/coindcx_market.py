"""CoinDCX's market: Binance's own tops, repeated a while later.

A second copy of Binance's market runs along. Same seed, same listings and same rate per listing make it tick for tick
the market that the simulated Binance shows, whether that runs or not. Pairs that Binance does not list in this
simulation, and those that begin to trade later, have a market of their own.
"""

from collections import deque
from collections.abc import Sequence

import numpy as np

from simulator.exchanges.binance_listings import binance_listings
from simulator.market import STEP_S, ExchangeMarket, FairPrices, Floats, Ints, TopChange
from simulator.universe import LIVE, Listing

DELAY_S = 1.8  # measured as 1.6 to 2 s behind Binance
DELAY_STEPS = round(DELAY_S / STEP_S)
SLOW_DELAY = 2  # marks and rates move once a second


class RelayMarket(ExchangeMarket):
    """See the module docstring.

    Args:
        listings: Of CoinDCX.
        fair: Shared by all exchanges.
        seed: Of the whole simulation.
        instruments: How many live perpetuals each exchange was asked for: Binance's list depends on it.
    """

    def __init__(self, listings: Sequence[Listing], fair: FairPrices, seed: int, instruments: int) -> None:
        source = ExchangeMarket("binance", binance_listings(instruments, seed), fair, seed)
        places = {row.exchange_symbol: place for place, row in enumerate(source.listings) if row.status == LIVE}
        own = [(place, places.get(str(row.extra["mkt"]), -1)) for place, row in enumerate(listings)]
        relayed = [(place, theirs) for place, theirs in own if theirs >= 0 and listings[place].status == LIVE]
        self._own: Ints = np.array([place for place, _ in relayed], dtype=np.int64)
        self._theirs: Ints = np.array([theirs for _, theirs in relayed], dtype=np.int64)
        self._place: Ints = np.full(len(source.listings), -1, dtype=np.int64)
        self._place[self._theirs] = self._own
        self._source = source
        self._waiting: deque[TopChange] = deque()
        self._slow: deque[tuple[Floats, Floats, Floats]] = deque()
        super().__init__("coindcx", listings, fair, seed)
        self.source_time: Floats = np.zeros(len(listings))  # when Binance's top changed, unix s
        tops = (self.bid_ticks, self.bid_lots, self.ask_ticks, self.ask_lots)
        theirs_now = (source.bid_ticks, source.bid_lots, source.ask_ticks, source.ask_lots)
        for base, values, standing in zip(self.base, tops, theirs_now, strict=True):
            values[self._own] = standing[self._theirs]
            base[:] = values

    def set_rate(self, rate: float) -> None:
        """As everywhere, for the pairs with a market of their own; the others tick when Binance did."""
        super().set_rate(rate)
        self._probability[self._own] = 0.0
        self._source.set_rate(rate * len(self._source.listings) / len(self.listings))

    def reset_clock(self, time: float) -> None:
        super().reset_clock(time)
        self._source.reset_clock(time)
        self.source_time[:] = time

    def step(self, time: float) -> TopChange:
        """Advance by STEP_S; return what changed here.

        Args:
            time: Unix time the step stands for. [s]
        """
        self._waiting.append(self._source.step(time))
        own = super().step(time)
        self.source_time[own.index] = time
        if len(self._waiting) <= DELAY_STEPS:
            return own
        return _joined(own, self._repeat(self._waiting.popleft(), time))

    def _repeat(self, theirs: TopChange, time: float) -> TopChange:
        """Take over an old change of Binance's for the pairs that trade here."""
        places = self._place[theirs.index]
        kept = (places >= 0) & self.live[places]
        index = places[kept]
        fields = (theirs.bid_ticks, theirs.bid_lots, theirs.ask_ticks, theirs.ask_lots)
        bid, bid_lots, ask, ask_lots = (field[kept] for field in fields)
        self.bid_ticks[index], self.bid_lots[index] = bid, bid_lots
        self.ask_ticks[index], self.ask_lots[index] = ask, ask_lots
        self.top_time[index], self.source_time[index] = time, theirs.time
        self.last[index] = np.where(bid_lots % 2 == 0, bid, ask) * self.tick[index]
        change = TopChange(time, index, bid, bid_lots, ask, ask_lots)
        self._remember(change)
        return change

    def slow_step(self) -> None:
        """Marks, indices and rates are Binance's too, as late as its tops."""
        super().slow_step()
        source = self._source
        self._slow.append((source.mark.copy(), source.index.copy(), source.funding_rate.copy()))
        mark, index, rate = self._slow[0]
        if len(self._slow) > SLOW_DELAY:
            self._slow.popleft()
        self.mark[self._own] = mark[self._theirs]
        self.index[self._own] = index[self._theirs]
        self.funding_rate[self._own] = rate[self._theirs]
        self.settled_rate[self._own] = source.settled_rate[self._theirs]


def _joined(one: TopChange, other: TopChange) -> TopChange:
    if not len(one.index):
        return other
    return TopChange(
        one.time,
        np.concatenate((one.index, other.index)),
        np.concatenate((one.bid_ticks, other.bid_ticks)),
        np.concatenate((one.bid_lots, other.bid_lots)),
        np.concatenate((one.ask_ticks, other.ask_ticks)),
        np.concatenate((one.ask_lots, other.ask_lots)),
    )
