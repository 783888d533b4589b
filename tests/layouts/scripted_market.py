"""A market made by hand: three exchanges, a few symbols, quotes that move when told to. No sockets, no randomness."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from desk import Desk, Market, Source
from feeds.status import ExchangeStatus, FeedEvent, SocketStatus
from market.models import Funding, Instrument, Quote, Status
from market.overrides import Change, Overrides
from settings import Settings
from store.ring import QuoteRing
from store.snapshot import SnapshotStore

EXCHANGES = ("binance", "gate", "bybit")
TITLES = {"binance": "Binance", "gate": "Gate.io", "bybit": "Bybit", "bitmex": "BitMEX"}
FEES = {"binance": 5.0, "gate": 5.0, "bybit": 5.5}
MIDS = {"KAITO-USDT": 1.18, "MYRO-USDT": 0.05, "BTC-USDT": 64_000.0, "ETH-USDC": 3_000.0}
TICKS = {"KAITO-USDT": 0.00001, "MYRO-USDT": 0.000001, "BTC-USDT": 0.1, "ETH-USDC": 0.01}


def instrument(exchange: str, symbol: str) -> Instrument:
    base, _, quote = symbol.partition("-")
    return Instrument(
        exchange=exchange,
        exchange_symbol=base + quote,
        symbol=symbol,
        base=base,
        quote=quote,
        settle=quote,
        kind="linear",
        multiplier=1.0,
        contract_multiplier=1.0,
        tick_size=TICKS[symbol],
        lot_size=0.1,
        min_notional=5.0,
        funding_interval_h=8.0,
        status=Status.TRADING,
        listed_time=None,
        taker_fee_bps=FEES[exchange],
        maker_fee_bps=2.0,
    )


def status(exchange: str, state: str = "live", reason: str = "", **more: object) -> ExchangeStatus:
    now = time.time()
    up = state in ("live", "degraded")
    made = ExchangeStatus(
        exchange=exchange,
        title=TITLES[exchange],
        state=state,  # type: ignore[arg-type]
        reason=reason or state,
        since=now - 60.0,
        sockets=(SocketStatus("public-0", "live" if up else "down", now - 60.0, 4, 100, 0.1 if up else None),),
        sockets_up=int(up),
        instruments=len(MIDS),
        halted=0,
        frames=1_000,
        frames_per_s=120.0 if up else 0.0,
        rates=(100.0, 110.0, 120.0),
        last_frame_time=now if up else None,
        reconnects=1,
        gaps=0,
        malformed=0,
        unknown=0,
        last_error=None if up else reason,
        last_error_time=None if up else now - 5.0,
        next_attempt_time=None if up else now + 9.0,
        events=(
            FeedEvent(now - 60.0, "info", "connect", "opened"),
            FeedEvent(now - 5.0, "error", "socket", "closed 1006"),
        ),
    )
    return replace(made, **more)  # type: ignore[arg-type]


class ScriptedFeed:
    """Writes quotes whose spread swings: KAITO from Gate.io to Bybit gains, MYRO on Gate.io is another asset."""

    def __init__(self, store: SnapshotStore, reachable: bool = True, every_s: float = 0.2) -> None:
        self.store = store
        self.reachable = reachable
        self.every_s = every_s
        self.silent = False
        self.actions: list[tuple[str, str]] = []
        self.off: set[str] = set()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._last_frame = time.time()
        self.steps = 0
        self.gap = False  # whether KAITO has just parted between Gate.io and Bybit
        if reachable:
            for exchange in EXCHANGES:
                store.set_instruments(exchange, [instrument(exchange, symbol) for symbol in MIDS])
            self.step()

    def step(self) -> None:
        """Move every quote by one step."""
        self.steps += 1
        now = self._last_frame = time.time()
        swing = (self.steps % 7) * 0.4  # bps
        for exchange in EXCHANGES:
            words = []
            for i, (symbol, mid) in enumerate(MIDS.items()):
                shift = (swing + i) * (1.0 if exchange == "bybit" else -1.0)
                if symbol == "KAITO-USDT" and self.gap:
                    shift += {"gate": -20.0, "binance": 0.0, "bybit": 26.0}[exchange]
                if symbol == "MYRO-USDT" and exchange == "gate":
                    shift += 300.0
                middle = mid * (1.0 + shift / 1e4)
                half = mid * 0.5 / 1e4
                index = mid * (1.5 if symbol == "MYRO-USDT" and exchange == "gate" else 1.0)
                words.append(
                    Quote(exchange, symbol, middle - half, 5_000.0, middle + half, 1_000.0 + self.steps, now, now)
                )
                words.append(Funding(exchange, symbol, index, index, 0.0001, 8.0, now + 3_600.0, now, now))
            self.store.write(words)

    def start(self) -> None:
        if not self.reachable:
            return
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self.every_s):
            if not self.silent:
                self.step()

    def stop(self, timeout_s: float = 5.0) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def status(self) -> Sequence[ExchangeStatus]:
        closed = replace(status("bitmex", "closed", "closed since 2026-09-23"), sockets=(), sockets_up=0)
        if not self.reachable:
            return [*(status(exchange, "down", "name not resolved") for exchange in EXCHANGES), closed]
        live = [
            status(exchange, "off", "stopped by hand") if exchange in self.off
            else status(exchange, last_frame_time=self._last_frame)
            for exchange in EXCHANGES
        ]  # fmt: skip
        return [*live, closed]

    def watch_depth(self, wanted: Mapping[str, Sequence[str]]) -> None:
        self.wanted = {exchange: tuple(symbols) for exchange, symbols in wanted.items()}

    def restart_exchange(self, exchange: str) -> None:
        self.actions.append(("restart", exchange))

    def stop_exchange(self, exchange: str) -> None:
        self.actions.append(("stop", exchange))
        self.off.add(exchange)

    def start_exchange(self, exchange: str) -> None:
        self.actions.append(("start", exchange))
        self.off.discard(exchange)

    def reload(self, overrides: Overrides) -> list[Change]:
        self.actions.append(("reload", str(len(overrides))))
        return []


def open_market(source: str, reachable: bool = True) -> Market:
    """A scripted market; live can be made unreachable, demo never is."""
    store = SnapshotStore(EXCHANGES)
    kind = "demo" if source == "demo" else "replay" if source.startswith("replay") else "live"
    detail = {"demo": "scripted", "replay": "2026-11-18 09:12:40 UTC", "live": "live"}[kind]
    feed = ScriptedFeed(store, reachable=reachable or kind != "live")
    ring = QuoteRing(capacity=400)
    return Market(source=Source(kind, detail), store=store, feed=feed, ring=ring)


def make_desk(source: str = "demo", reachable: bool = True, samples: int = 300, **settings: object) -> Desk:
    """A desk that is not started, whose ring already remembers some samples."""
    given = {"refresh_ms": 300, "judge_every_s": 0.2, "stale_after_s": 5.0, **settings}
    desk = Desk(Settings(source=source, **given), lambda name: open_market(name, reachable))  # type: ignore[arg-type]
    if desk.view.judgement.snapshot.symbols:
        now = time.time()
        for i in range(samples):
            desk.market.feed.step()  # type: ignore[attr-defined]
            view = desk._judge(desk.market)
            desk.market.ring.sample(view.judgement.snapshot, view.judgement.verdicts == 0, now - samples + i)
        desk.market.feed.gap = True  # type: ignore[attr-defined]
        desk.market.feed.step()  # type: ignore[attr-defined]
        desk._judge(desk.market)
        time.sleep(desk.settings.reaction_s + 0.01)  # which it takes to confirm the gap
        desk.market.feed.step()  # type: ignore[attr-defined]
        desk.view = desk._judge(desk.market)
    return desk
