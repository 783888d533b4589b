"""Faults on request: what can go wrong at one exchange, how long, and how frames are spoilt on the way out."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from simulator.spoil import GARBAGE_KINDS, ODD_KINDS, Spoiler

CONNECTION_FAULTS = ("drop", "half_open", "silence", "reject", "deaf", "maintenance", "expire_tokens")
REST_FAULTS = ("http_status",)
FRAME_FAULTS = ("garbage", "odd_numbers", "huge", "gap", "slow", "duplicate", "out_of_order")
MARKET_FAULTS = ("halt", "list", "delist", "funding_interval")
FAULTS = (*CONNECTION_FAULTS, *REST_FAULTS, *FRAME_FAULTS, *MARKET_FAULTS, "shift_clock")
REJECT_MODES = ("http503", "accept_close", "subscribe")
NOTICE_S = 3.0  # from the announcement of a maintenance to its beginning; real ones take a minute
DEFAULT_DURATION_S = 10.0


class FaultError(ValueError):
    """The request for a fault makes no sense; the text says why."""


class Target(Protocol):
    """What a fault may do to an exchange."""

    faults: "FaultState"

    def drop_connections(self) -> None: ...
    def freeze_connections(self) -> None: ...
    def abandon_frozen(self) -> None: ...
    def deafen(self, exchange_symbol: str | None) -> None: ...
    def announce_maintenance(self) -> None: ...
    def expire_tokens(self) -> None: ...
    def send_huge(self, size: int) -> None: ...
    def halt(self, exchange_symbol: str) -> None: ...
    def resume(self, exchange_symbol: str) -> None: ...
    def list_new(self, exchange_symbol: str | None) -> str: ...
    def delist(self, exchange_symbol: str) -> None: ...
    def relist(self, exchange_symbol: str) -> None: ...
    def change_interval(self, exchange_symbol: str, hours: int) -> int: ...


@dataclass(slots=True)
class FaultState:
    """The faults of one exchange as its connections and clocks see them.

    deaf_sockets: connections opened now are answered, and fed nothing as long as they live. deaf_symbol: so are
    subscriptions to this one contract. rest_status: what every request is answered with.
    """

    unknown_frame: bytes = b'{"unknown":true}'
    chance: Random = field(default_factory=lambda: Random(0))
    spoiler: Spoiler = field(default_factory=Spoiler)
    silent: bool = False
    deaf_sockets: bool = False
    deaf_symbol: str | None = None
    reject_mode: str | None = None
    reject_rest: bool = False
    maintenance_at: float | None = None  # monotonic s
    rest_status: int | None = None
    rest_retry_after_s: float | None = None
    refused: int = 0  # requests answered so
    tokens_expire: bool = False
    delay_s: float = 0.0
    duplicate: bool = False
    shuffle_window: int = 0
    gap_share: float = 0.0
    clock_offset_s: float = 0.0

    @property
    def shaping(self) -> bool:
        return self.duplicate or self.shuffle_window > 0 or self.spoiler.active

    def shape(self, payloads: list[bytes], held: list[bytes]) -> list[bytes]:
        """Spoil, repeat and shuffle data frames; `held` keeps those that wait for their window to fill."""
        if self.spoiler.active:
            spoil = self.spoiler.spoil
            payloads = [frame for payload in payloads for frame in spoil(payload, self.unknown_frame, self.chance)]
        if self.duplicate:
            payloads = [copy for payload in payloads for copy in (payload, payload)]
        if self.shuffle_window > 0:
            held.extend(payloads)
            payloads = []
            while len(held) >= self.shuffle_window:
                window = held[: self.shuffle_window]
                del held[: self.shuffle_window]
                self.chance.shuffle(window)
                payloads.extend(window)
        return payloads


@dataclass(slots=True)
class Fault:
    """One active fault."""

    id: int
    exchange: str
    name: str
    started: float  # unix s
    ends: float | None  # monotonic s; None = until deleted
    params: dict[str, object]
    undo: Callable[[], None]

    def describe(self) -> dict[str, object]:
        return {
            "id": self.id,
            "exchange": self.exchange,
            "fault": self.name,
            "started": self.started,
            "params": self.params,
        }


class FaultBoard:
    """All active faults; starts, ends and expires them."""

    def __init__(self, targets: dict[str, Target]) -> None:
        self._targets = targets
        self._next_id = 1
        self.active: dict[int, Fault] = {}

    def start(self, request: dict[str, object], unix: float, now: float) -> Fault:
        """Start what a control request asks for.

        Raises:
            FaultError: If exchange, name or parameters are wrong.
        """
        target = self._targets.get(str(request.get("exchange")))
        if target is None:
            raise FaultError(f"unknown exchange {request.get('exchange')!r}; there are {', '.join(self._targets)}")
        name = str(request.get("fault"))
        if name not in FAULTS:
            raise FaultError(f"unknown fault {name!r}; there are {', '.join(FAULTS)}")
        params = {key: value for key, value in request.items() if key not in ("exchange", "fault", "duration_s")}
        duration_s = number(request, "duration_s", DEFAULT_DURATION_S)
        undo = _start(target, name, params)
        fault = Fault(
            id=self._next_id,
            exchange=str(request["exchange"]),
            name=name,
            started=unix,
            ends=now + duration_s if duration_s > 0 else None,
            params=params,
            undo=undo,
        )
        self._next_id += 1
        self.active[fault.id] = fault
        return fault

    def stop(self, fault_id: int) -> bool:
        """End a fault early; False if it is not active."""
        fault = self.active.pop(fault_id, None)
        if fault is None:
            return False
        fault.undo()
        return True

    def expire(self, now: float) -> None:
        for fault in [fault for fault in self.active.values() if fault.ends is not None and fault.ends <= now]:
            self.stop(fault.id)


def number(request: dict[str, object], key: str, default: float) -> float:
    value = request.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FaultError(f"{key} must be a number, not {value!r}")
    return float(value)


def _symbol(params: dict[str, object]) -> str:
    symbol = params.get("symbol")
    if not isinstance(symbol, str) or not symbol:
        raise FaultError("this fault needs a symbol, as the exchange spells it")
    return symbol


def _setting(state: FaultState | Spoiler, attribute: str, value: object) -> Callable[[], None]:
    """Set one attribute of the state and return what puts the neutral value back."""
    neutral = getattr(type(state)(), attribute)
    setattr(state, attribute, value)
    return lambda: setattr(state, attribute, neutral)


def _start(target: Target, name: str, params: dict[str, object]) -> Callable[[], None]:
    state = target.faults
    match name:
        case "drop":
            target.drop_connections()
            return lambda: None
        case "half_open":
            target.freeze_connections()
            return target.abandon_frozen
        case "silence":
            return _setting(state, "silent", True)
        case "slow":
            return _setting(state, "delay_s", number(params, "delay_s", 3.0))
        case "duplicate":
            return _setting(state, "duplicate", True)
        case "out_of_order":
            return _setting(state, "shuffle_window", max(2, int(number(params, "window", 20))))
        case "garbage":
            state.spoiler.garbage_kinds = _kinds(params, GARBAGE_KINDS)
            return _setting(state.spoiler, "garbage_share", number(params, "share", 0.1))
        case "odd_numbers":
            state.spoiler.odd_kinds = _kinds(params, ODD_KINDS)
            return _setting(state.spoiler, "odd_share", number(params, "share", 0.2))
        case "gap":
            return _setting(state, "gap_share", number(params, "share", 0.2))
        case "huge":
            target.send_huge(int(number(params, "bytes", 5e6)))
            return lambda: None
        case "reject":
            return _start_reject(target, params)
        case "http_status":
            return _start_http_status(state, params)
        case "deaf":
            return _start_deaf(target, params)
        case "maintenance":
            state.maintenance_at = time.monotonic() + NOTICE_S
            target.announce_maintenance()
            return lambda: setattr(state, "maintenance_at", None)
        case "expire_tokens":
            undo = _setting(state, "tokens_expire", True)
            target.expire_tokens()
            return undo
        case "shift_clock":
            return _setting(state, "clock_offset_s", number(params, "offset_s", 5.0))
        case _:
            return _start_market_fault(target, name, params)


def _kinds(params: dict[str, object], known: tuple[str, ...]) -> tuple[str, ...]:
    kind = params.get("kind")
    if kind is not None and kind not in known:
        raise FaultError(f"unknown kind {kind!r}; there are {', '.join(known)}")
    return known if kind is None else (str(kind),)


def _start_http_status(state: FaultState, params: dict[str, object]) -> Callable[[], None]:
    status = int(number(params, "status", 429))
    if not 400 <= status <= 599:
        raise FaultError(f"status must be one of a failure, not {status}")
    state.rest_retry_after_s = number(params, "retry_after_s", 0.0) if "retry_after_s" in params else None
    state.refused = 0
    return _setting(state, "rest_status", status)


def _start_deaf(target: Target, params: dict[str, object]) -> Callable[[], None]:
    """Cut one socket, or those of one contract: what is subscribed anew is confirmed and stays silent for good."""
    symbol = _symbol(params) if "symbol" in params else None
    target.deafen(symbol)

    def undo() -> None:
        target.faults.deaf_sockets, target.faults.deaf_symbol = False, None

    return undo


def _start_reject(target: Target, params: dict[str, object]) -> Callable[[], None]:
    mode = params.get("mode", "http503")
    if mode not in REJECT_MODES:
        raise FaultError(f"unknown mode {mode!r}; there are {', '.join(REJECT_MODES)}")
    state = target.faults
    state.reject_mode, state.reject_rest = str(mode), bool(params.get("rest", False))
    target.drop_connections()

    def undo() -> None:
        state.reject_mode, state.reject_rest = None, False

    return undo


def _start_market_fault(target: Target, name: str, params: dict[str, object]) -> Callable[[], None]:
    if name == "list":
        wanted = params.get("symbol")
        symbol = target.list_new(wanted if isinstance(wanted, str) else None)
        params["symbol"] = symbol
        return lambda: target.delist(symbol)
    symbol = _symbol(params)
    if name == "halt":
        target.halt(symbol)
        return lambda: target.resume(symbol)
    if name == "delist":
        target.delist(symbol)
        return lambda: target.relist(symbol)
    before = target.change_interval(symbol, int(number(params, "hours", 1)))

    def restore() -> None:
        target.change_interval(symbol, before)

    return restore
