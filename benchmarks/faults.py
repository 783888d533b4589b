"""The fault suite: what goes wrong at an exchange is noticed, said, survived, and never becomes an opportunity.

The simulated market is told to misbehave, one fault an exchange at a time; the app's own feeds, store and desk watch
it. While a fault lasts, every quote that the desk holds good is compared with the simulator's own books of the last
seconds: a quote that was not true lately is a wrong quote shown.

Prints the table fault x exchange, and as the last line one JSON object {"faults", "recovered", "wrong_quotes"}.
"""

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx
import numpy as np
import orjson
from numpy.typing import NDArray

from analytics.quality import Verdict
from benchmarks.market import Endpoints, simulator
from desk import Desk, Market, Source, View
from feeds.exchanges import load
from feeds.status import ExchangeStatus
from feeds.supervisor import FeedOptions, Supervisor
from settings import read_settings
from store.ring import QuoteRing
from store.snapshot import SnapshotStore

CATALOGUE_EVERY_S = 3.0
START_TIMEOUT_S = 60.0
RECOVER_TIMEOUT_S = 60.0
TICK_S = 0.2
COMPARE_EVERY_S = 0.5
COMPARE_WITHIN_S = 1.0
RELAY_FRESH_S = 10.0
SHARE_BACK = 0.97  # of the quotes that were good before; some go quiet by themselves
GRACE_S = 8.0  # how long a delisting may stay unnoticed where the exchange only tells by its listing


@dataclass(frozen=True)
class Fault:
    """One way to fail. ask: the control request. shown: where it has to appear, 'state' or an event of this kind."""

    name: str
    ask: dict[str, object]
    shown: str = "state"
    lasts_s: float = 8.0
    one_contract: bool = False


FAULTS = (
    Fault("drop", {"fault": "drop"}, lasts_s=1.0),
    Fault("half-open", {"fault": "half_open"}),
    Fault("silence", {"fault": "silence"}),
    Fault("garbage", {"fault": "garbage", "share": 0.1}),
    Fault("slow", {"fault": "slow", "delay_s": 3.0}),
    Fault("duplicate", {"fault": "duplicate"}),
    Fault("out of order", {"fault": "out_of_order", "window": 20}),
    Fault("reject: HTTP 503", {"fault": "reject", "mode": "http503"}),
    Fault("reject: accept and close", {"fault": "reject", "mode": "accept_close"}),
    Fault("reject: subscriptions", {"fault": "reject", "mode": "subscribe"}),
    Fault("halt one", {"fault": "halt"}, "listing", one_contract=True),
    Fault("list one", {"fault": "list"}, "listing"),
    Fault("delist one", {"fault": "delist"}, "listing", one_contract=True),
    Fault("funding interval", {"fault": "funding_interval", "hours": 2}, "funding", 40.0, one_contract=True),
    Fault("clock +5 s", {"fault": "shift_clock", "offset_s": 5.0}, "clock", lasts_s=15.0),
    Fault("clock -5 s", {"fault": "shift_clock", "offset_s": -5.0}, "clock", lasts_s=15.0),
)


@dataclass
class Trial:
    """One fault at one exchange, from its start to its recovery or the end of patience. Times: monotonic s."""

    exchange: str
    fault: Fault
    symbol: str | None
    exchange_symbol: str | None
    good_before: int
    events_before: float
    started: float = 0.0
    ended: float | None = None
    detected_s: float | None = None
    shown: str = ""
    recovered_s: float | None = None
    wrong: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def over(self) -> bool:
        if self.ended is None:
            return False
        return self.recovered_s is not None or time.monotonic() - self.ended > RECOVER_TIMEOUT_S


class Suite:
    """Runs trials against one simulated market."""

    def __init__(self, endpoints: Endpoints, exchanges: Sequence[str]) -> None:
        self.exchanges = tuple(exchanges)
        self.control = httpx.Client(base_url=endpoints["control"]["rest"], timeout=10.0)
        self.store = SnapshotStore(self.exchanges)
        adapters = [load(name, endpoints[name]) for name in self.exchanges]
        self.feed = Supervisor(adapters, self.store, FeedOptions(catalogue_every_s=CATALOGUE_EVERY_S))
        market = Market(Source("demo", "fault suite"), self.store, self.feed, QuoteRing())
        self._gone_at: dict[tuple[str, str], float] = {}
        self.desk = Desk(read_settings(None, judge_every_s=TICK_S), lambda _: market)

    def wait_until_live(self) -> None:
        until = time.monotonic() + START_TIMEOUT_S
        while not all(status.state == "live" for status in self.feed.status()):
            if time.monotonic() > until:
                raise SystemExit(f"not live: {[(s.exchange, s.state, s.reason) for s in self.feed.status()]}")
            time.sleep(0.1)
        time.sleep(6.0)  # quiet contracts are confirmed by polls

    # -- what is seen ------------------------------------------------------------------------------------------

    def status(self, exchange: str) -> ExchangeStatus:
        return next(status for status in self.feed.status() if status.exchange == exchange)

    def good(self, exchange: str) -> int:
        return int(np.sum(self._fit(exchange)))

    def _fit(self, exchange: str) -> NDArray[np.bool_]:
        """Which symbols' quotes are good; of a relay, which is never paired, those that are fed and fresh."""
        judgement = self.desk.view.judgement
        column = judgement.snapshot.grid.exchange_index[exchange]
        if load(exchange).relay_of is None:
            return judgement.verdicts[:, column] == Verdict.OK
        with np.errstate(invalid="ignore"):
            fresh = judgement.age_s[:, column] < RELAY_FRESH_S
        return fresh & (judgement.snapshot["live"][:, column] == 1.0) & judgement.snapshot.grid.trading[:, column]

    def _wait_until_live(self, exchange: str) -> None:
        until = time.monotonic() + START_TIMEOUT_S
        while (status := self.status(exchange)).state != "live":
            if time.monotonic() > until:
                raise SystemExit(f"{exchange} is not live: {status.reason}")
            time.sleep(0.1)

    def begin(self, exchange: str, fault: Fault) -> Trial:
        self._wait_until_live(exchange)
        trial = Trial(exchange, fault, None, None, self.good(exchange), time.time())
        ask = {"exchange": exchange, **fault.ask, "duration_s": fault.lasts_s}
        if fault.one_contract:
            trial.symbol, trial.exchange_symbol = self._some_contract(exchange)
            ask["symbol"] = trial.exchange_symbol
        answer = self.control.post("/faults", json=ask)
        answer.raise_for_status()
        if fault.name == "list one":
            trial.exchange_symbol = answer.json()["symbol"]
        trial.started = time.monotonic()
        return trial

    def _some_contract(self, exchange: str) -> tuple[str, str]:
        """A lively one whose quote is good now, another one each time."""
        grid = self.desk.view.judgement.snapshot.grid
        good = np.flatnonzero(self._fit(exchange))
        symbol = grid.symbols[good[int(time.monotonic() * 7) % len(good)]]
        return symbol, grid.instruments[exchange, symbol].exchange_symbol

    def observe(self, trial: Trial) -> None:
        """Note when the fault is first shown, and when all is well again."""
        now = time.monotonic()
        status = self.status(trial.exchange)
        if trial.ended is None and now - trial.started >= trial.fault.lasts_s:
            trial.ended = now
        shown = self._shown(trial, status) if trial.ended is None or trial.detected_s is None else ""
        if shown:
            trial.shown = shown  # the last reason: a dropped socket is at first just that
            trial.detected_s = now - trial.started if trial.detected_s is None else trial.detected_s
        if (
            trial.ended is not None
            and trial.recovered_s is None
            and trial.detected_s is not None
            and self._well(trial, status)
        ):
            trial.recovered_s = now - trial.ended

    def _shown(self, trial: Trial, status: ExchangeStatus) -> str:
        if trial.fault.shown == "state":
            return status.reason if status.state != "live" else ""
        for event in status.events:  # oldest first
            about = (
                trial.exchange_symbol is None
                or trial.exchange_symbol in event.text
                or (trial.symbol or "") in event.text
            )
            if event.kind == trial.fault.shown and event.time > trial.events_before and about:
                return event.text
        return ""

    def _well(self, trial: Trial, status: ExchangeStatus) -> bool:
        if status.state != "live" or self.good(trial.exchange) < SHARE_BACK * trial.good_before:
            return False
        if trial.fault.shown == "clock":  # it has to be noticed that the clock went back, too
            clocks = [event for event in status.events if event.kind == "clock" and event.time > trial.events_before]
            return len(clocks) >= 2
        grid = self.desk.view.judgement.snapshot.grid
        if trial.symbol is None:
            return True
        return trial.symbol in grid.symbol_index and bool(self._fit(trial.exchange)[grid.symbol_index[trial.symbol]])

    def compare(self, trials: Sequence[Trial]) -> None:
        """Count quotes that the desk holds good and the simulator never had in the last seconds."""
        for trial in trials:
            view = self.desk.view
            truth = self.control.get(f"/truth/{trial.exchange}").json()
            if time.time() - view.judgement.time > COMPARE_WITHIN_S:
                continue  # on a busy machine the truth of then is no longer in the answer
            for symbol, exchange_symbol, bid, ask in _good_quotes(view, trial.exchange):
                tops = truth.get(exchange_symbol)
                if tops is None:
                    gone_at = self._gone_at.setdefault((trial.exchange, symbol), time.monotonic())
                    if time.monotonic() - gone_at < GRACE_S:
                        continue
                if tops is None or not any(_same(bid, top[1]) and _same(ask, top[3]) for top in tops):
                    trial.wrong += 1
                    if len(trial.examples) < 3:
                        trial.examples.append(f"{symbol} {bid:g}/{ask:g}, true {tops[-1][1:4:2] if tops else 'gone'}")


def _good_quotes(view: View, exchange: str) -> list[tuple[str, str, float, float]]:
    """Symbol, their id, bid and ask as they write them, of every quote the desk holds good."""
    snapshot = view.judgement.snapshot
    grid = snapshot.grid
    column = grid.exchange_index[exchange]
    rows = []
    for row in np.flatnonzero(view.judgement.verdicts[:, column] == Verdict.OK):
        instrument = grid.instruments[exchange, grid.symbols[row]]
        bid = float(snapshot["bid_price"][row, column]) * instrument.multiplier
        ask = float(snapshot["ask_price"][row, column]) * instrument.multiplier
        rows.append((instrument.symbol, instrument.exchange_symbol, bid, ask))
    return rows


def _same(ours: float, theirs: float) -> bool:
    return abs(ours - theirs) <= 1e-9 * abs(theirs)


def run(faults: Sequence[Fault], seed: int, say: Callable[[str], None]) -> list[Trial]:
    """Every fault at every exchange; in each round every exchange has another one."""
    done: list[Trial] = []
    with simulator(rate=2_000.0, seed=seed) as (endpoints, _):
        names = [name for name in endpoints if name != "control"]
        suite = Suite(endpoints, names)
        suite.desk.start()
        try:
            suite.wait_until_live()
            for turn in range(len(faults)):
                step = max(1, len(faults) // len(names))
                trials = [suite.begin(name, faults[(turn + i * step) % len(faults)]) for i, name in enumerate(names)]
                next_comparison = time.monotonic()
                while not all(trial.over for trial in trials):
                    time.sleep(TICK_S)
                    for trial in trials:
                        suite.observe(trial)
                    if time.monotonic() >= next_comparison:
                        next_comparison = time.monotonic() + COMPARE_EVERY_S
                        suite.compare(trials)
                done += trials
                say(f"round {turn + 1} of {len(faults)}: " + ", ".join(_brief(trial) for trial in trials))
        finally:
            suite.desk.stop()
    return done


def _brief(trial: Trial) -> str:
    return f"{trial.exchange} {trial.fault.name} {'recovered' if trial.recovered_s is not None else 'NOT RECOVERED'}"


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"


def table(trials: Sequence[Trial]) -> str:
    """The table fault x exchange as text."""
    head = f"{'fault':<25} {'exchange':<12} {'detected in':>11} {'recovered in':>12} {'wrong':>6}  shown as"
    lines = [head, "-" * len(head)]
    order = {fault.name: i for i, fault in enumerate(FAULTS)}
    for trial in sorted(trials, key=lambda trial: (order[trial.fault.name], trial.exchange)):
        lines.append(
            f"{trial.fault.name:<25} {trial.exchange:<12} {_seconds(trial.detected_s):>11} "
            f"{_seconds(trial.recovered_s):>12} {trial.wrong:>6}  {trial.shown[:90]}"
        )
        lines += [f"{'':<25} wrong: {example}" for example in trial.examples]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--only", help="part of a fault's name")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.CRITICAL)
    faults = [fault for fault in FAULTS if given.only is None or given.only in fault.name]
    if not faults:
        print(f"no fault is named like '{given.only}'; there are {', '.join(fault.name for fault in FAULTS)}")
        return 2
    trials = run(faults, given.seed, lambda text: print(text, file=sys.stderr, flush=True))
    print(table(trials))
    recovered = sum(trial.recovered_s is not None and trial.detected_s is not None for trial in trials)
    wrong = sum(trial.wrong for trial in trials)
    print(orjson.dumps({"faults": len(trials), "recovered": recovered, "wrong_quotes": wrong}).decode())
    return 0 if recovered == len(trials) and wrong == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
