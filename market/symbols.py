"""Which asset a listing stands for, in which unit, and whether it may be compared with others.

Wrong identity is the main source of false arbitrage: a coin and a share with one ticker make a spread that never
closes. So everything here is decided from listed fields and from tables, never by slicing an exchange's symbol.

Source: the venue notes on symbol normalisation, sections 3 to 9 (state of 2026-10). The tables are that document's,
so a new entry needs its reason there. The price check of its section 9 comes later, with live prices.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from market.models import AssetClass, Instrument, Kind, Pairing, Status


class Name(msgspec.Struct, frozen=True):
    """What a listing is called here. multiplier: coins per quoted coin; below 1 where a fraction is quoted."""

    asset: str
    multiplier: float
    pairing: Pairing


# Aliases that carry a unit, matched on the raw base before any digit rule.
UNIT_ALIASES: Mapping[str, Mapping[str, tuple[str, float]]] = {
    "bybit": {"SHIB1000": ("SHIB", 1e3)},
    "gate": {"MBABYDOGE": ("BABYDOGE", 1e6)},
    "bitmex": {"1TAIDOGE": ("AIDOGE", 1e12)},
}

_BINANCE_ALIASES = {"RAYSOL": "RAY", "BEAMX": "BEAM", "DODOX": "DODO", "NEIRO": "NEIROCTO"}

# Other spellings of one asset, per exchange. Also tried on what is left once a unit has been taken off.
ALIASES: Mapping[str, Mapping[str, str]] = {
    "binance": _BINANCE_ALIASES,
    "coindcx": _BINANCE_ALIASES,  # it relays Binance's listings under Binance's names
    "bybit": {"RAYDIUM": "RAY", "RONIN": "RON"},
    "okx": {"NEIRO": "NEIROCTO"},
    "kucoin": {
        "ACTSOL": "ACT",
        "REDSTONE": "RED",
        "SOLAYER": "LAYER",
        "TSTBSC": "TST",
        "NEIRO": "NEIROETH",  # KuCoin's NEIRO is the one on Ethereum; the other is NEIROCTO there
    },
    "gate": {"BEAMX": "BEAM", "TSTBSC": "TST", "BROCCOLI": "BROCCOLI714"},
    "mexc": {
        "LUNANEW": "LUNA",
        "BEAMX": "BEAM",
        "BNXNEW": "BNX",
        "BROCCOLI": "BROCCOLI714",
        "FILECOIN": "FIL",
        "TONCOIN": "TON",
        "TRUMPOFFICIAL": "TRUMP",
        "ZKSYNC": "ZK",
        "GM1": "GM",
        "PUMPFUN": "PUMP",
        "NVIDIA": "NVDA",
        "TESLA": "TSLA",
        "COINBASE": "COIN",
    },
    "bitget": {"OMNI1": "OMNI", "TSTBSC": "TST", "BROCCOLI": "BROCCOLI714", "TONCOIN": "TON"},
    "deribit": {"GOLD": "XAU"},
    "phemex": {"NG": "NATGAS"},
    "hyperliquid": {"NEIRO": "NEIROCTO"},
}

# Spellings of Hyperliquid's builder-deployed markets, by their whole id: the same word may be a coin on the main one.
ID_ALIASES: Mapping[tuple[str, str], str] = {
    ("hyperliquid", "xyz:GOLD"): "XAU",
    ("hyperliquid", "xyz:SILVER"): "XAG",
    ("hyperliquid", "xyz:PLATINUM"): "XPT",
    ("hyperliquid", "xyz:PALLADIUM"): "XPD",
    ("hyperliquid", "xyz:BRENTOIL"): "BZ",
    ("hyperliquid", "xyz:SP500"): "SPX500",
    ("hyperliquid", "mkts:US500"): "SPX500",
}

# Renames at 1:1, old name to new, and since when. Both names are accepted for ever: venues change at different dates
# and recordings keep the old one. Swaps at another ratio (MKR to SKY, GAL to G, AGIX to FET) are new assets, and TON
# to GRAM waits until prices show that both are one.
RENAMES: Mapping[str, tuple[str, str]] = {
    "MATIC": ("POL", "2024-09"),
    "RNDR": ("RENDER", "2024-07"),
    "FTM": ("S", "2025-01"),
    "EOS": ("A", "2025-05"),
    "KLAY": ("KAIA", "2024"),
    "BCHABC": ("BCH", "2018-11"),
    "BCHSV": ("BSV", "2018-11"),
}

# True on every exchange, for coins only: as a share, SPX or A is something else.
COIN_ALIASES: Mapping[str, str] = {
    "XBT": "BTC",
    "LUNA2": "LUNA",
    "SPX": "SPX6900",
    **{old: new for old, (new, _) in RENAMES.items()},
}
INDEX_ALIASES: Mapping[str, str] = {"US500": "SPX500"}

# "1M" is a million before these names only; MOG, MEW or a new 1MXYZ may be a name that merely starts so.
MILLION_NAMES = frozenset({"BABYDOGE", "CHEEMS"})

# Units that no name shows. OKX quotes these two before their flotation at a tenth (its index-components answer,
# cnvPx over symPx, 2026-09).
FACTORS: Mapping[tuple[str, str], float] = {("okx", "OPENAI"): 0.1, ("okx", "ANTHROPIC"): 0.1}

# Same ticker, other asset, seen in prices: 7.72 against 0.0096 and 50.5 against 65.1 (2026-09-05).
DENIED = frozenset({("okx", "BB-USDT-SWAP"), ("okx", "QNT-USDT-SWAP")})
# An exchange's own index, which nobody else lists. Only as an index: ALT and DEFI are coins too.
HOME_MADE_INDICES = frozenset(
    {
        ("binance", "BTCDOM"),
        ("binance", "DEFI"),
        ("binance", "ALT"),
        ("bitmex", "ALTMEX"),
        ("bitmex", "DEFIMEX"),
        ("deribit", "COIN50"),
    }
)
# CoinDCX repeats Binance's book 1.6 to 2 s later: any difference between the two is latency.
RELAYS = frozenset({"coindcx"})
# Listings and aliases that rest on a price seen once: compare only where prices agree.
CHECKED_IDS = frozenset({("binance", "CATUSDT")})
CHECKED_ALIASES = frozenset(
    {
        ("kucoin", "SOLAYER"),
        ("deribit", "GOLD"),
        ("hyperliquid", "NEIRO"),
        ("gate", "BROCCOLI"),
        ("mexc", "BROCCOLI"),
        ("bitget", "BROCCOLI"),
    }
)

# What the listing's own fields would not tell, or tell wrongly.
CLASSES: Mapping[tuple[str, str], AssetClass] = {("binance", "CATUSDT"): AssetClass.EQUITY}
PREIPO_NAMES = frozenset({"OPENAI", "ANTHROPIC", "SPACEX", "SHEIN"})
COMMODITY_NAMES = frozenset({"XAU", "XAG", "XPT", "XPD", "GOLD", "SILVER", "CL", "WTI", "BZ", "NATGAS", "NG", "COPPER"})
FX_NAMES = frozenset({"EUR", "GBP", "JPY", "CHF", "AUD", "CAD", "NZD", "EURUSD", "GBPUSD", "USDJPY"})
INDEX_NAMES = frozenset(
    {"SPX500", "US500", "SP500", "NAS100", "US30", "JPN225", "GER40", "HK50", "UK100", "AUS200", "XYZ100"}
)

_ZEROS_PREFIX = re.compile(r"(10{3,7})(?=[^0-9])(.+)", re.DOTALL)
_KILO_PREFIX = re.compile(r"k(?=[A-Z])(.+)", re.DOTALL)
_CASE_MATTERS = frozenset({"hyperliquid", "phemex"})

_CLASS_SUFFIX: Mapping[AssetClass, str] = {AssetClass.EQUITY: ".EQ", AssetClass.PREIPO: ".PRE"}


def asset_class_of(exchange: str, exchange_symbol: str, listed: AssetClass) -> AssetClass:
    """The class of a listing: the table's where it has one, else what the fields said."""
    return CLASSES.get((exchange, exchange_symbol), listed)


def tradfi_class(base: str) -> AssetClass:
    """The class of a base that an exchange only marks as "not a coin"."""
    if base in COMMODITY_NAMES:
        return AssetClass.COMMODITY
    if base in FX_NAMES:
        return AssetClass.FX
    if base in INDEX_NAMES:
        return AssetClass.INDEX
    return AssetClass.EQUITY


def clean_base(exchange: str, base: str) -> str:
    """The base without spaces and, where case means nothing, in capitals; without a Hyperliquid market's prefix."""
    base = "".join(base.split())
    if exchange == "hyperliquid":
        base = base.rpartition(":")[2]
    return base if exchange in _CASE_MATTERS else base.upper()


def _split_unit(exchange: str, base: str) -> tuple[str, float, bool]:
    """Asset, unit, and whether the reading is sure (an unlisted "1M" name is not)."""
    if match := _ZEROS_PREFIX.fullmatch(base):
        return match[2], float(match[1]), True
    if base.startswith("1M") and len(base) > 2:
        return (base[2:], 1e6, True) if base[2:] in MILLION_NAMES else (base, 1.0, False)
    if exchange == "hyperliquid" and (match := _KILO_PREFIX.fullmatch(base)):
        return match[1], 1e3, True
    return base, 1.0, True


def normalise(
    exchange: str,
    exchange_symbol: str,
    base: str,
    asset_class: AssetClass = AssetClass.CRYPTO,
    *,
    kind: Kind = "linear",
    pre_market: bool = False,
) -> Name:
    """Name a listing.

    Args:
        exchange: The exchange, as in the registry.
        exchange_symbol: Its id there, only looked up in tables.
        base: The base as the listing's own field spells it ("1000 PEPE", "kPEPE", "XBT").
        asset_class: What the listing's fields say it is, after `asset_class_of`.
        kind: A quanto contract cannot be paired.
        pre_market: Whether it trades before its underlying does.
    """
    clean = clean_base(exchange, base)
    sure = True
    aliases = ALIASES.get(exchange, {})
    spelled = clean
    if (exchange, exchange_symbol) in ID_ALIASES:
        asset, unit = ID_ALIASES[exchange, exchange_symbol], 1.0
    elif clean in UNIT_ALIASES.get(exchange, {}):
        asset, unit = UNIT_ALIASES[exchange][clean]
    elif clean in aliases:
        asset, unit = aliases[clean], 1.0
    else:
        asset, unit, sure = _split_unit(exchange, clean)
        if unit != 1.0:
            spelled = asset
            asset = aliases.get(asset, asset)
    if (exchange, spelled) in CHECKED_ALIASES:
        sure = False
    if asset_class is AssetClass.CRYPTO:
        asset = COIN_ALIASES.get(asset, asset)
    elif asset_class is AssetClass.INDEX:
        asset = INDEX_ALIASES.get(asset, asset)
    unit *= FACTORS.get((exchange, asset), 1.0)
    unpaired = kind == "quanto" or (asset_class is AssetClass.INDEX and (exchange, asset) in HOME_MADE_INDICES)
    hidden = pre_market or asset_class is AssetClass.PREIPO
    return Name(asset, unit, _pairing(exchange, exchange_symbol, sure, unpaired, hidden))


def _pairing(exchange: str, exchange_symbol: str, sure: bool, unpaired: bool, hidden: bool) -> Pairing:
    if (exchange, exchange_symbol) in DENIED:
        return Pairing.DENY
    if unpaired:
        return Pairing.EXCLUDE
    if exchange in RELAYS:
        return Pairing.RELAY
    if hidden:
        return Pairing.HIDE
    # A market that anybody may open on Hyperliquid shows its class in its prefix, not whether the share is the same.
    builder_market = exchange == "hyperliquid" and ":" in exchange_symbol
    if not sure or builder_market or (exchange, exchange_symbol) in CHECKED_IDS:
        return Pairing.CHECK
    return Pairing.OK


def comparison_quote(exchange: str, exchange_symbol: str, quote: str) -> str:
    """The quote currency whose prices a listing is compared with.

    Hyperliquid's main market pays in USDC on an oracle in USDT: its prices are USDT prices, except for the two coins
    that have a USDC oracle (venue notes on symbols, section 7).
    """
    if exchange == "hyperliquid" and ":" not in exchange_symbol and exchange_symbol not in ("PURR", "HYPE"):
        return "USDT"
    return quote


def canonical_symbol(asset: str, quote: str, kind: Kind, asset_class: AssetClass, settle: str) -> str:
    """Our symbol of a contract: `BTC-USDT`; `BTC-USD` is coin-margined.

    Contracts that must never meet differ here: a share is `ON.EQ-USDT`, a share before its flotation
    `OPENAI.PRE-USDT`, a linear contract quoted and paid in dollars `BTC-USD_UM`, a quanto `ETH-USD_QUANTO`.
    """
    symbol = f"{asset}{_CLASS_SUFFIX.get(asset_class, '')}-{quote}"
    if kind == "quanto":
        return f"{symbol}_QUANTO"
    if kind == "linear" and quote == "USD" and settle == "USD":
        return f"{symbol}_UM"
    return symbol


def drop_collisions(instruments: Iterable[Instrument]) -> tuple[list[Instrument], list[str]]:
    """Leave one listing of one exchange per symbol, or none where two trade.

    A symbol with two prices is worse than a missing one, so of several trading listings none is kept and each such
    symbol gives an error text that names the ids. A listing that trades displaces those that do not; where none
    trades, the one listed last stays.

    Returns:
        The listings to keep, in their order, and the error texts.
    """
    listed = list(instruments)
    by_symbol: dict[tuple[str, str], list[Instrument]] = defaultdict(list)
    for instrument in listed:
        by_symbol[instrument.exchange, instrument.symbol].append(instrument)
    dropped: set[tuple[str, str]] = set()
    errors: list[str] = []
    for (exchange, symbol), rivals in by_symbol.items():
        if len(rivals) == 1:
            continue
        trading = [rival for rival in rivals if rival.status is Status.TRADING]
        keep: Instrument | None = None
        if len(trading) == 1:
            keep = trading[0]
        elif trading:
            ids = " and ".join(rival.exchange_symbol for rival in trading)
            errors.append(f"{exchange} lists {symbol} twice, as {ids}: none of them is used")
        else:
            keep = max(rivals, key=lambda rival: rival.listed_time or 0.0)
        dropped.update((exchange, rival.exchange_symbol) for rival in rivals if rival is not keep)
    return [kept for kept in listed if (kept.exchange, kept.exchange_symbol) not in dropped], errors
