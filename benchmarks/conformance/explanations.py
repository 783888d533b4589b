"""The known disagreements: who is right, and on what evidence. One that matches no entry here is a failure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isclose

from benchmarks.conformance.compare import Comparison

Condition = Callable[[Comparison], bool]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a value differs. right: "ours", "ccxt" or "both" (the same fact in other words)."""

    exchange: str
    fields: tuple[str, ...]
    condition: Condition
    right: str
    why: str
    evidence: str

    def covers(self, comparison: Comparison) -> bool:
        """Whether a disagreement is this one."""
        named = comparison.exchange == self.exchange and comparison.field in self.fields
        return named and self.condition(comparison)


def times(factor: float) -> Condition:
    """Their value is ours times a factor."""

    def condition(found: Comparison) -> bool:
        return bool(found.ours and found.theirs and isclose(found.theirs, found.ours * factor, rel_tol=1e-9))

    return condition


def named(text: str, then: Condition | None = None) -> Condition:
    """The exchange's name begins with a text."""
    return lambda found: found.exchange_symbol.startswith(text) and (then is None or then(found))


def _quanto(found: Comparison) -> bool:
    return found.instrument is not None and found.instrument.kind == "quanto"


def _smallest_unit(found: Comparison) -> bool:
    """The factor between a coin and the unit BitMEX settles in: satoshi, or Gwei for contracts settled in Ether."""
    settled = found.instrument is not None and found.instrument.kind in ("quanto", "inverse")
    return settled and (times(1e8)(found) or times(1e9)(found))


def only(side: str, *names: str) -> Condition:
    """Only one side lists the contract; any contract if no names are given."""
    return lambda found: found.ours is (side == "ours") and (not names or found.exchange_symbol in names)


EXPLANATIONS: Sequence[Explanation] = (
    Explanation(
        "binance",
        ("listed",),
        only("ccxt", "BTCSTUSDT"),
        "both",
        "its contractType is empty and its status PENDING_TRADING: not a perpetual yet, though ccxt takes it for one",
        "row BTCSTUSDT of captures/binance/instruments.jsonl",
    ),
    Explanation(
        "okx",
        ("listed",),
        only("ccxt", "NEWCOIN-USDT-SWAP"),
        "both",
        "preopen without a contract value: its sizes cannot be stated yet",
        "row NEWCOIN-USDT-SWAP of venues/samples/okx/instruments.json",
    ),
    Explanation(
        "phemex",
        ("listed",),
        only("ccxt", "ETHUSD", "GOLDUSD", "LSKUSDT"),
        "both",
        "delisted contracts stay in Phemex's list for good; we leave them out",
        "status Delisted in venues/samples/phemex/instruments.json",
    ),
    Explanation(
        "deribit",
        ("listed",),
        only("ours", "BTC-PERPETUAL", "ETH-PERPETUAL"),
        "ours",
        "rows of 2021 have no counter_currency and no settlement_currency, without which ccxt stops",
        "captures/deribit/instruments.jsonl",
    ),
    Explanation(
        "bitget",
        ("listed",),
        only("ours", "BTCUSDT", "PEPEUSDT"),
        "ours",
        "the fixture's rows are shortened; ccxt stops without supportMarginCoins",
        "captures/bitget/instruments.jsonl",
    ),
    Explanation(
        "bitmex",
        ("contract_multiplier", "lot_size"),
        _smallest_unit,
        "both",
        "ccxt leaves the size of a contract in the smallest unit of its settlement currency (satoshi, Gwei)",
        "venues/bitmex.md, units: an XBTUSD contract is one dollar; `multiplier` in captures/bitmex",
    ),
    Explanation(
        "bitmex",
        ("lot_size",),
        lambda found: _quanto(found) and found.ours is None,
        "ours",
        "a quanto contract has no fixed number of coins, so a lot in coins does not exist; ccxt multiplies satoshi",
        "venues/bitmex.md, units",
    ),
    Explanation(
        "bitmex",
        ("multiplier",),
        named("1TAIDOGE"),
        "ours",
        "1T stands for 10^12 AIDOGE; ccxt takes the name for a coin's",
        "venues/bitmex.md, names: rootSymbol AIDOGE, underlying 1TAIDOGE",
    ),
    Explanation(
        "bitmex",
        ("tick_size",),
        named("1TAIDOGE", times(1e12)),
        "ours",
        "follows from the multiplier",
        "venues/bitmex.md, names",
    ),
    Explanation(
        "bitmex",
        ("contract_multiplier", "lot_size"),
        named("1TAIDOGE", times(1e-12)),
        "ours",
        "follows from the multiplier",
        "venues/bitmex.md, names",
    ),
    Explanation(
        "gate",
        ("multiplier", "contract_multiplier", "lot_size"),
        named("MBABYDOGE", times(1e-6)),
        "ours",
        "M stands for a million coins; ccxt takes the name for a coin's",
        "venues/symbols.md, aliases; price of the row in venues/samples/gate/instruments.json",
    ),
    Explanation(
        "gate",
        ("tick_size", "mark_price", "index_price"),
        named("MBABYDOGE", times(1e6)),
        "ours",
        "follows from the multiplier",
        "venues/symbols.md, aliases",
    ),
    Explanation(
        "gate",
        ("lot_size",),
        times(10.0),
        "ours",
        "contracts with enable_decimal are traded in tenths; ccxt takes one contract for the smallest step",
        "enable_decimal and order_size_min 0.1 in venues/samples/gate/instruments.json",
    ),
    Explanation(
        "phemex",
        ("contract_multiplier", "lot_size", "bid_size", "ask_size"),
        lambda found: found.exchange_symbol.endswith("USDC") and found.theirs == 0.0,
        "ours",
        "the sampled row has no contractSize, which ccxt reads as 0; contracts of V2 are counted in base coins",
        "venues/phemex.md, units; row BTCUSDC of venues/samples/phemex/instruments.json",
    ),
    Explanation(
        "hyperliquid",
        ("next_funding_time",),
        lambda found: found.ours % 3600.0 == 0.0 == found.theirs % 3600.0,
        "both",
        "nobody states it: the next full hour, ours after receipt (not recorded here), ccxt's after its own clock",
        "venues/hyperliquid.md, funding: every hour on the hour",
    ),
)


def explain(comparison: Comparison, table: Sequence[Explanation] = EXPLANATIONS) -> Explanation | None:
    """The first entry that covers a disagreement."""
    return next((entry for entry in table if entry.covers(comparison)), None)
