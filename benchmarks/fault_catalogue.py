"""What can go wrong at an exchange, as the fault suite asks for it, and where it has to be seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

WHOLE_BOOKS = "nothing: each frame is a whole book, a lost one is made up for by the next"
EMPTY = "nothing: a halt empties the book, and an empty book is no quote"
NO_WORD = "nothing: there is no word for a halt, its book is shown as it stands"
TELLS_NOTHING = "nothing: its numbers only grow, which of them are missing cannot be known"


@dataclass(frozen=True)
class Fault:
    """One way to fail.

    ask: the control request. network: what happens on the way instead. shown: where it has to appear, 'state' or an
    event of one of these kinds; says: with this in its text. lasts_s: seconds. one_contract: it befalls one; liveliest:
    the one that changes most. only: the exchanges that know this fault, all if empty; never: those that do not.
    untold: exchanges that give no sign of it, with the reason; there nothing has to be noticed. books: order books are
    watched meanwhile.
    """

    name: str
    ask: Mapping[str, object] = field(default_factory=dict)
    shown: tuple[str, ...] = ("state",)
    says: str = ""
    lasts_s: float = 8.0
    one_contract: bool = False
    liveliest: bool = False
    only: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    untold: Mapping[str, str] = field(default_factory=dict)
    books: bool = False
    network: Literal["", "dns", "certificate"] = ""

    def befalls(self, exchange: str) -> bool:
        return exchange not in self.never and (not self.only or exchange in self.only)


def _http(status: int, retry_after_s: float | None) -> Fault:
    name = f"HTTP {status}" if retry_after_s is None else f"HTTP {status}, wait {retry_after_s:.0f} s"
    ask: dict[str, object] = {"fault": "http_status", "status": status}
    if retry_after_s is not None:
        ask["retry_after_s"] = retry_after_s
    return Fault(name, ask, says=f"HTTP {status}")


FAULTS = (
    Fault("drop", {"fault": "drop"}, lasts_s=1.0),
    Fault("half-open", {"fault": "half_open"}),
    Fault("silence", {"fault": "silence"}),
    Fault("deaf socket", {"fault": "deaf"}, ("state", "socket")),  # one that carries only books changes no state
    Fault("deaf subscription", {"fault": "deaf"}, ("silent", "gap"), one_contract=True, liveliest=True),
    Fault("garbage", {"fault": "garbage", "share": 0.1}),
    Fault("odd numbers", {"fault": "odd_numbers", "share": 0.2}),
    Fault("frame of 5 MB", {"fault": "huge", "bytes": 5e6}, ("message", "socket"), lasts_s=1.0),
    Fault(
        "sequence gap",
        {"fault": "gap", "share": 0.2},
        ("gap",),
        books=True,
        untold={
            **dict.fromkeys(
                ("binance", "okx", "kucoin", "deribit", "bitmex", "mexc", "bitget", "hyperliquid"), WHOLE_BOOKS
            ),
            "phemex": TELLS_NOTHING,
        },
    ),
    Fault("slow", {"fault": "slow", "delay_s": 3.0}),
    Fault("duplicate", {"fault": "duplicate"}),
    Fault("out of order", {"fault": "out_of_order", "window": 50}),
    Fault("reject: HTTP 503", {"fault": "reject", "mode": "http503"}),
    Fault("reject: accept and close", {"fault": "reject", "mode": "accept_close"}),
    Fault("reject: subscriptions", {"fault": "reject", "mode": "subscribe"}),
    Fault("maintenance", {"fault": "maintenance"}, lasts_s=12.0),
    Fault("token expiry", {"fault": "expire_tokens"}, says="token is expired", only=("kucoin",)),
    _http(429, None),
    _http(429, 5.0),
    _http(418, None),
    _http(418, 5.0),
    Fault(
        "halt one", {"fault": "halt"}, ("listing",), one_contract=True, untold={"phemex": NO_WORD, "hyperliquid": EMPTY}
    ),
    Fault("list one", {"fault": "list"}, ("listing",)),
    Fault("delist one", {"fault": "delist"}, ("listing",), one_contract=True),
    Fault(
        "funding interval",
        {"fault": "funding_interval", "hours": 2},
        ("funding",),
        lasts_s=65.0,  # some exchanges are asked for it once a minute
        one_contract=True,
        never=("hyperliquid",),  # every contract pays every hour
        untold={"deribit": "nothing: it funds without pause, there is no interval"},
    ),
    *(
        Fault(
            f"clock {offset_s:+.0f} s",
            {"fault": "shift_clock", "offset_s": offset_s},
            ("clock",),
            lasts_s=15.0,
            untold={"coindcx": "nothing: there is no time to ask for; a relay's quotes are never paired"},
        )
        for offset_s in (5.0, -5.0)
    ),
    Fault("name not resolved", says="is not resolved", network="dns"),
    Fault("certificate refused", says="certificate", network="certificate"),
)
