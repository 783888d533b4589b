"""The fault suite: what goes wrong at an exchange is noticed, said, survived, and never becomes an opportunity.

The simulated market is told to misbehave, one fault an exchange at a time; the app's own feeds, store and desk watch
it. While a fault lasts, every quote that the desk holds good is compared with the simulator's own books of the last
seconds: a quote that was not true lately is a wrong quote shown. So are the best levels of the order books that are
watched, where an exchange's numbers tell what is missing.

Prints the table fault x exchange, and as the last line one JSON object {"faults", "recovered", "wrong_quotes"}.
"""

import argparse
import logging
import multiprocessing
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import orjson
from numpy.typing import NDArray

from analytics.quality import Verdict
from benchmarks.fault_catalogue import FAULTS, TELLS_NOTHING, Fault
from benchmarks.fault_network import Network, network
from benchmarks.market import Endpoints, simulator
from desk import Desk, Market, Source, View
from feeds.exchanges import load
from feeds.status import ExchangeStatus
from feeds.supervisor import FeedOptions, Supervisor
from market.exchanges import EXCHANGES
from settings import read_settings
from store.ring import QuoteRing
from store.snapshot import SnapshotStore

CATALOGUE_EVERY_S = 3.0
START_TIMEOUT_S = 60.0
SETTLE_S = 25.0  # quiet contracts are confirmed by two polls
RECOVER_TIMEOUT_S = 60.0
PAUSE_S = 3.0  # between two faults of an exchange
TOGETHER = 4
TICK_S = 0.2
JUDGE_EVERY_S = 0.5
COMPARE_EVERY_S = 0.5
COMPARE_WITHIN_S = 1.0
RELAY_FRESH_S = 10.0
SHARE_BACK = 0.97  # of the quotes that are usually good; some go quiet by themselves
GRACE_S = 8.0  # how long a delisting may stay unnoticed where the exchange only tells by its listing
BOOKS = 3  # watched while a fault is about books
MOST_REQUESTS = 12  # that may still come while an exchange answers all of them with a refusal


@dataclass
class Trial:
    """One fault at one exchange, from its start to its recovery or the end of patience. Times: monotonic s.

    lacks: what was not as before when it was last looked at, empty once all was.
    """

    exchange: str
    fault: Fault
    symbol: str | None = None
    exchange_symbol: str | None = None
    good_before: int = 0
    events_before: float = field(default_factory=time.time)
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    detected_s: float | None = None
    shown: str = ""
    recovered_s: float | None = None
    lacks: str = ""
    wrong: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def over(self) -> bool:
        if self.ended is None:
            return False
        return self.recovered_s is not None or time.monotonic() - self.ended > RECOVER_TIMEOUT_S

    @property
    def passed(self) -> bool:
        return self.detected_s is not None and self.recovered_s is not None


@dataclass
class Lane:
    """What an exchange still has before it. usual: how many of its quotes are good when all is well."""

    exchange: str
    waiting: deque[Fault]
    usual: int = 0
    trial: Trial | None = None
    free_at: float = 0.0  # monotonic s


class Suite:
    """Runs trials against one simulated market."""

    def __init__(
        self, endpoints: Endpoints, exchanges: Sequence[str], control: str, between: Network | None = None
    ) -> None:
        """control: where the simulator is told what to do. between: what stands between it and the app, if anything."""
        self.exchanges = tuple(exchanges)
        self.control = httpx.Client(base_url=control, timeout=10.0)
        self.network = between
        self.store = SnapshotStore(self.exchanges)
        adapters = [load(name, endpoints[name]) for name in self.exchanges]
        self.feed = Supervisor(adapters, self.store, FeedOptions(catalogue_every_s=CATALOGUE_EVERY_S))
        market = Market(Source("demo", "fault suite"), self.store, self.feed, QuoteRing())
        self._gone_at: dict[tuple[str, str], float] = {}
        self._books: dict[str, tuple[str, ...]] = {}
        self.desk = Desk(read_settings(None, judge_every_s=JUDGE_EVERY_S), lambda _: market)

    def run(self, faults: Sequence[Fault], say: Callable[[str], None]) -> list[Trial]:
        """Every fault at every exchange; exchanges go on independently, each begins with another fault."""
        self.desk.start()
        try:
            self._wait_until_live()
            lanes = []
            for i, name in enumerate(self.exchanges):
                waiting = deque(fault for fault in faults if fault.befalls(name))
                waiting.rotate(-i * max(1, len(faults) // len(self.exchanges)))
                lanes.append(Lane(name, waiting, self.good(name)))
            return self._run(lanes, say)
        finally:
            self.desk.stop()
            self.control.close()

    def _run(self, lanes: list[Lane], say: Callable[[str], None]) -> list[Trial]:
        done: list[Trial] = []
        next_comparison = 0.0
        while any(lane.waiting or lane.trial for lane in lanes):
            time.sleep(TICK_S)
            for lane in lanes:
                if lane.trial is None:
                    self._advance(lane)
                    continue
                self.observe(lane.trial)
                if lane.trial.over:
                    self._end(lane.trial)
                    say(f"{lane.exchange} {lane.trial.fault.name}: {_outcome(lane.trial)}")
                    done.append(lane.trial)
                    lane.trial, lane.free_at = None, time.monotonic() + PAUSE_S
            if time.monotonic() >= next_comparison:
                next_comparison = time.monotonic() + COMPARE_EVERY_S
                self.compare([lane.trial for lane in lanes if lane.trial is not None])
        return done

    def _wait_until_live(self) -> None:
        until = time.monotonic() + START_TIMEOUT_S
        while not all(status.state == "live" for status in self.feed.status()):
            if time.monotonic() > until:
                raise SystemExit(f"not live: {[(s.exchange, s.state, s.reason) for s in self.feed.status()]}")
            time.sleep(0.1)
        time.sleep(SETTLE_S)

    def _advance(self, lane: Lane) -> None:
        """Begin the next fault once the exchange is well, or has had its time to become so."""
        late_s = time.monotonic() - lane.free_at
        if not lane.waiting or late_s < 0.0:
            return
        if self.status(lane.exchange).state == "live" or late_s > START_TIMEOUT_S:
            lane.trial = self.begin(lane.exchange, lane.waiting.popleft(), lane.usual)

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

    def begin(self, exchange: str, fault: Fault, usual: int) -> Trial:
        trial = Trial(exchange, fault, good_before=usual)
        if fault.books:
            self._books[exchange] = tuple(self._liveliest(exchange)[:BOOKS])
        if fault.one_contract:
            trial.symbol, trial.exchange_symbol = self._some_contract(exchange, fault)
        if fault.network:
            assert self.network is not None
            self.network.begin(fault.network, exchange)
        else:
            ask = {"exchange": exchange, **fault.ask, "duration_s": fault.lasts_s}
            if fault.one_contract:
                ask["symbol"] = trial.exchange_symbol
            answer = self.control.post("/faults", json=ask)
            answer.raise_for_status()
            if fault.name == "list one":
                trial.exchange_symbol = answer.json()["symbol"]
        if exchange in fault.untold:
            trial.detected_s, trial.shown = 0.0, fault.untold[exchange]
        return trial

    def _end(self, trial: Trial) -> None:
        self._books.pop(trial.exchange, None)
        if "status" in trial.fault.ask:
            refused = self._stats(trial.exchange)["refused"]
            if refused > MOST_REQUESTS:
                trial.recovered_s, trial.shown = None, f"{refused} requests were sent in spite of refusals"

    def _stats(self, exchange: str) -> dict[str, Any]:
        stats: dict[str, Any] = self.control.get("/stats").json()["exchanges"][exchange]
        return stats

    def _some_contract(self, exchange: str, fault: Fault) -> tuple[str, str]:
        """One whose quote is good now, another one each time unless it has to be the liveliest."""
        grid = self.desk.view.judgement.snapshot.grid
        if fault.liveliest:
            symbol = self._liveliest(exchange)[0]
        else:
            good = np.flatnonzero(self._fit(exchange))
            symbol = grid.symbols[good[int(time.monotonic() * 7) % len(good)]]
        return symbol, grid.instruments[exchange, symbol].exchange_symbol

    def _liveliest(self, exchange: str) -> list[str]:
        """Contracts with good quotes, those that changed most often in the last seconds first."""
        grid = self.desk.view.judgement.snapshot.grid
        truth = self.control.get(f"/truth/{exchange}").json()
        good = [grid.symbols[row] for row in np.flatnonzero(self._fit(exchange))]
        return sorted(good, key=lambda symbol: -len(truth.get(grid.instruments[exchange, symbol].exchange_symbol, ())))

    def observe(self, trial: Trial) -> None:
        """Note when the fault is first shown, and when all is well again."""
        now = time.monotonic()
        for symbol in self._books.get(trial.exchange, ()):
            self.desk.look(symbol, (trial.exchange,))
        status = self.status(trial.exchange)
        if trial.ended is None and now - trial.started >= trial.fault.lasts_s:
            trial.ended = now
            if self.network is not None:
                self.network.end(trial.exchange)
        told = trial.exchange not in trial.fault.untold
        shown = self._shown(trial, status) if told and (trial.ended is None or trial.detected_s is None) else ""
        if shown:
            trial.shown = shown  # the last reason: a dropped socket is at first just that
            trial.detected_s = now - trial.started if trial.detected_s is None else trial.detected_s
        if trial.ended is not None and trial.recovered_s is None and trial.detected_s is not None:
            trial.lacks = self._lacks(trial, status)
            if not trial.lacks:
                trial.recovered_s = now - trial.ended

    def _shown(self, trial: Trial, status: ExchangeStatus) -> str:
        fault = trial.fault
        if "state" in fault.shown and status.state != "live" and fault.says in status.reason:
            return status.reason
        for event in status.events:  # oldest first
            about = (
                trial.exchange_symbol is None
                or fault.liveliest
                or trial.exchange_symbol in event.text
                or (trial.symbol or "") in event.text
            )
            if event.kind in fault.shown and event.time > trial.events_before and about:
                return event.text
        return ""

    def _lacks(self, trial: Trial, status: ExchangeStatus) -> str:
        """What is not yet as before; empty if all is well."""
        if status.state != "live":
            return f"{status.state}: {status.reason}"
        if (good := self.good(trial.exchange)) < SHARE_BACK * trial.good_before:
            return f"{good} good quotes instead of {trial.good_before}"
        if "clock" in trial.fault.shown and trial.exchange not in trial.fault.untold:
            # It has to be noticed that the clock went back, too.
            clocks = [event for event in status.events if event.kind == "clock" and event.time > trial.events_before]
            return "" if len(clocks) >= 2 else "the clock's way back was not noticed"
        for symbol in self._books.get(trial.exchange, ()):
            if (state := self.desk.view.ladder(trial.exchange, symbol).state) != "live":
                return f"the book of {symbol} is {state}"
        grid = self.desk.view.judgement.snapshot.grid
        if trial.symbol is None:
            return ""
        fit = trial.symbol in grid.symbol_index and self._fit(trial.exchange)[grid.symbol_index[trial.symbol]]
        return "" if fit else f"{trial.symbol} has no good quote"

    def compare(self, trials: Sequence[Trial]) -> None:
        """Count what is held good, of quotes and of books, and was never so at the exchange in the last seconds."""
        for trial in trials:
            view = self.desk.view
            shown = _good_quotes(view, trial.exchange)
            if trial.fault.untold.get(trial.exchange) == TELLS_NOTHING:
                # Coin-margined contracts are quoted from books whose losses nobody can know of: docs/decisions.md.
                kinds = view.judgement.snapshot.grid.instruments
                shown = [row for row in shown if kinds[trial.exchange, row[0]].kind != "inverse"]
            shown += self._good_books(view, trial)
            truth = self.control.get(f"/truth/{trial.exchange}").json()
            if time.time() - view.judgement.time > COMPARE_WITHIN_S:
                continue  # on a busy machine the truth of then is no longer in the answer
            for symbol, exchange_symbol, bid, ask in shown:
                tops = truth.get(exchange_symbol)
                if tops is None:
                    gone_at = self._gone_at.setdefault((trial.exchange, symbol), time.monotonic())
                    if time.monotonic() - gone_at < GRACE_S:
                        continue
                if tops is None or not any(_same(bid, top[1]) and _same(ask, top[3]) for top in tops):
                    trial.wrong += 1
                    if len(trial.examples) < 3:
                        trial.examples.append(
                            f"{symbol} {bid:g}/{ask:g}, true {tops[-1][1:4:2] if tops else 'gone'}, "
                            f"{time.monotonic() - trial.started:.1f} s after the start"
                        )

    def _good_books(self, view: View, trial: Trial) -> list[tuple[str, str, float, float]]:
        """The best levels of the watched books that are live."""
        if trial.fault.untold.get(trial.exchange) == TELLS_NOTHING:
            return []
        grid = view.judgement.snapshot.grid
        rows = []
        for symbol in self._books.get(trial.exchange, ()):
            ladder = view.ladder(trial.exchange, symbol)
            if ladder.state == "live" and ladder.bids and ladder.asks:
                instrument = grid.instruments[trial.exchange, symbol]
                bid, ask = (side[0][0] * instrument.multiplier for side in (ladder.bids, ladder.asks))
                rows.append((f"book of {symbol}", instrument.exchange_symbol, bid, ask))
        return rows


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


def run(faults: Sequence[Fault], exchanges: Sequence[str], seed: int) -> list[Trial]:
    """Every fault at every exchange, so many exchanges at a time as a small machine can simulate and watch.

    Each portion has a process of its own: certificates that are trusted for one stay unknown to the next.
    """
    done: list[Trial] = []
    for first in range(0, len(exchanges), TOGETHER):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            done += pool.submit(_run_portion, faults, exchanges[first : first + TOGETHER], seed).result()
    return done


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _run_portion(faults: Sequence[Fault], exchanges: Sequence[str], seed: int) -> list[Trial]:
    """Those of the network first and by themselves."""
    logging.basicConfig(level=logging.CRITICAL)
    done: list[Trial] = []
    near = [fault for fault in faults if not fault.network]
    far = [fault for fault in faults if fault.network]
    with simulator(rate=1_000.0, seed=seed, instruments=200, exchanges=",".join(exchanges)) as (endpoints, _):
        control = endpoints["control"]["rest"]
        if far:
            # Before all else: aiohttp reads the trusted certificates when it is first imported.
            with network(endpoints, exchanges) as between:
                done += Suite(between.endpoints, exchanges, control, between).run(far, _say)
        if near:
            done += Suite(endpoints, exchanges, control).run(near, _say)
    return done


def _outcome(trial: Trial) -> str:
    return ("recovered" if trial.passed else "NOT RECOVERED") + (f", {trial.wrong} WRONG" if trial.wrong else "")


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
        if trial.lacks:
            lines.append(f"{'':<25} lacks: {trial.lacks}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--only", help="part of a fault's name, or several parts with commas between")
    parser.add_argument("--exchanges", help="names with commas between; all by default")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    parts = (given.only or "").split(",")
    faults = [fault for fault in FAULTS if any(part in fault.name for part in parts)]
    if not faults:
        print(f"no fault is named like '{given.only}'; there are {', '.join(fault.name for fault in FAULTS)}")
        return 2
    exchanges = given.exchanges.split(",") if given.exchanges else EXCHANGES
    if unknown := set(exchanges) - set(EXCHANGES):
        print(f"no exchange is named {', '.join(sorted(unknown))}; there are {', '.join(EXCHANGES)}")
        return 2
    trials = run(faults, exchanges, given.seed)
    print(table(trials))
    recovered = sum(trial.passed for trial in trials)
    wrong = sum(trial.wrong for trial in trials)
    print(orjson.dumps({"faults": len(trials), "recovered": recovered, "wrong_quotes": wrong}).decode())
    return 0 if recovered == len(trials) and wrong == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
