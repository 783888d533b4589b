"""Listings: how one exchange offers the assets of the pool, with spelling, units, tick and lot.

Prices and sizes of a listing are in the exchange's own units; `unit` and `contract` say how they relate to coins:

    price per coin          = price / unit
    coins, linear           = size * contract * unit
    notional, linear        = size * contract * price      [quote currency]
    notional, inverse       = size * contract              [USD]
"""

import calendar
import math
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from simulator.assets import ASSET_BY_KEY, ASSETS, Asset

CORE_ASSETS = 262  # the first crypto assets of the pool are listed by every exchange
LISTED_MS_BASE = 1_569_398_400_000  # 2019-09-25, the oldest listing
SPARE_LISTINGS = 6  # kept back for the `list` fault

LIVE, HALTED, CLOSED, PRELAUNCH, UNLISTED = "live", "halted", "closed", "prelaunch", "unlisted"


@dataclass(slots=True, kw_only=True)
class Listing:
    """One instrument of one exchange. Mutable, because faults change status and funding interval."""

    exchange: str
    exchange_symbol: str
    asset: Asset
    base: str  # the exchange's spelling, multiplier included
    quote: str
    settle: str
    kind: str  # linear or inverse
    unit: float  # coins per price unit
    contract: float  # see the module docstring
    tick: float
    price_decimals: int
    lot: float
    size_decimals: int
    funding_interval_h: int
    host: str  # which product group of the exchange, e.g. "um", "cm", "linear"
    status: str = LIVE
    perpetual: bool = True
    listed_ms: int = LISTED_MS_BASE
    delivery_ms: int = 0
    expiry: str = ""  # dated contracts only
    activity: float = 1.0  # relative to the first asset's weight
    index: int = -1  # position in the exchange's arrays
    extra: dict[str, object] = field(default_factory=dict)

    @property
    def start_price(self) -> float:
        return self.asset.price * self.unit

    @property
    def visible(self) -> bool:
        """Whether the exchange's instrument list knows it at all."""
        return self.status != UNLISTED


def tick_for(price: float, rank: int) -> tuple[float, int]:
    """Plausible tick and its number of decimals: 0.01-0.1 bps for majors, 0.1-2 bps in the tail."""
    exponent = math.floor(math.log10(price))
    power = exponent - (5 if rank < 15 else 4)
    if rank > 60 and price / 10**exponent > 5:
        power += 1
    return 10.0**power, max(0, -power)


def lot_for(price: float, smallest: float, largest: float) -> tuple[float, int]:
    """Plausible size step, worth roughly 2-20 USDT, within what the exchange uses."""
    power = math.floor(math.log10(20 / price))
    lot = min(max(10.0**power, smallest), largest)
    return lot, max(0, -round(math.log10(lot)))


def decimals_of(value: float) -> int:
    """Number of decimals of a power of ten (or a plain multiple of one)."""
    return max(0, -math.floor(math.log10(value) + 1e-9))


def split_multiplier(base: str, asset: Asset) -> float:
    """The multiplier that an exchange wrote into a base name, for names this simulator made itself."""
    if asset.ticker == base:
        return 1.0
    for prefix, unit in _PREFIXES:
        if base == f"{prefix}{asset.ticker}" or base == f"{asset.ticker}{prefix}":
            return unit
    return 1.0  # an alias such as BEAMX


_PREFIXES = (
    ("10000000", 1e7),
    ("1000000", 1e6),
    ("10000", 1e4),
    ("1000", 1e3),
    ("1M", 1e6),
)


def listed_assets(exchange_index: int, names: Mapping[str, str | None]) -> Iterator[Asset]:
    """The coins an exchange lists against USDT, in order of rank: the common core, then two of three, then few."""
    for asset in ASSETS:
        if asset.asset_class != "crypto" or names.get(asset.key, "") is None:
            continue
        if asset.rank < CORE_ASSETS or asset.key == "USDC" or (asset.rank + exchange_index) % 3 != 0:
            yield asset


def assets(keys: str) -> list[Asset]:
    """Assets by key, keys separated by blanks."""
    return [ASSET_BY_KEY[key] for key in keys.split()]


def spellings(*, prefixed: Mapping[str, str], renamed: str, absent: str) -> dict[str, str | None]:
    """How an exchange writes its coins where it does not just use the ticker.

    Args:
        prefixed: Multiplier prefix -> keys it stands before.
        renamed: "KEY:NAME" pairs.
        absent: Keys it does not list as ordinary coins.
    """
    names: dict[str, str | None] = {key: f"{prefix}{key}" for prefix, keys in prefixed.items() for key in keys.split()}
    for pair in renamed.split():
        key, _, name = pair.partition(":")
        names[key] = name
    return names | dict.fromkeys(absent.split())


def interleave(*groups: Sequence[Listing]) -> list[Listing]:
    """First of each group, second of each group, and so on."""
    return [group[i] for i in range(max(map(len, groups))) for group in groups if i < len(group)]


def funding_interval_h(exchange: str, asset: Asset, seed: int) -> int:
    """8 h for majors, a mixture of 8, 4 and 1 h for the rest; it may differ between exchanges."""
    if asset.rank < 12:
        return 8
    common = random.Random(f"{seed}:{asset.key}:interval").random()
    own = random.Random(f"{seed}:{exchange}:{asset.key}:interval").random()
    draw = own if own < 0.25 else common
    return 8 if draw < 0.45 else 4 if draw < 0.9 else 1


def quarter_end(quarters_ahead: int = 0) -> time.struct_time:
    """Last Friday of a quarter from now on, 08:00 UTC: when dated contracts are delivered."""
    now = time.gmtime(time.time() + 7 * 86_400)
    month_index = now.tm_year * 12 + (now.tm_mon - 1) // 3 * 3 + 3 + 3 * quarters_ahead
    first_of_next = calendar.timegm((month_index // 12, month_index % 12 + 1, 1, 8, 0, 0))
    day = time.gmtime(first_of_next - 86_400)
    return time.gmtime(first_of_next - 86_400 - (day.tm_wday - 4) % 7 * 86_400)


def arrange(regular: Sequence[Listing], special: Sequence[Listing], count: int) -> list[Listing]:
    """The `count` live perpetuals of an exchange, plus spares.

    Specials are mixed in early, so that a small universe has some too. Spares are the next regular listings, hidden
    until the `list` fault shows them.
    """
    ranked = [(float(position), listing) for position, listing in enumerate(regular)]
    ranked += [(8.5 + 2 * position, listing) for position, listing in enumerate(special)]
    ranked.sort(key=lambda pair: pair[0])
    chosen = [listing for _, listing in ranked[:count]]
    regular_ids = {id(listing) for listing in regular}
    spares = [listing for _, listing in ranked[count:] if id(listing) in regular_ids][:SPARE_LISTINGS]
    for spare in spares:
        spare.status = UNLISTED
    return chosen + spares


def finish(listings: Iterable[Listing]) -> list[Listing]:
    """Number the listings, give them activity and listing dates, and check that names are unique."""
    done = list(listings)
    seen: set[str] = set()
    for index, listing in enumerate(done):
        if listing.exchange_symbol in seen:
            raise ValueError(f"{listing.exchange} would list {listing.exchange_symbol} twice")
        seen.add(listing.exchange_symbol)
        listing.index = index
        listing.activity = (listing.asset.rank + 6) ** -0.7
        if listing.quote != "USDT" or not listing.perpetual:
            listing.activity *= 0.4
        if listing.listed_ms == LISTED_MS_BASE:
            listing.listed_ms += min(listing.asset.rank, 430) * 86_400_000 * 5
    return done
