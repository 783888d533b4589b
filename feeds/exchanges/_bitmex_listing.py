"""BitMEX's list of instruments, row by row.

Source: https://www.bitmex.com/app/apiOverview and support article 16797952159261 on contract sizes (2026-05), checked
against rows of 2021-07, 2023-08 and 2026-05. What an id looks like says nothing: ETHUSD is a quanto and ETHUSD_ETH an
inverse contract, and in 2021 every USDT perpetual was a quanto. Kind and size come from the row's flags and factors.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from feeds.exchanges import _fields as fields
from market.models import AssetClass, Instrument, Kind, Status
from market.symbols import asset_class_of, canonical_symbol, normalise, tradfi_class

NAME = "bitmex"
# Lowest tier, on every perpetual of 2026-05-21: maker, taker. Only for a row without fees of its own.
FEES_BPS = (5.0, 5.0)

# What a perpetual is about: coins, currencies, shares and commodities.
PERPETUAL_TYPES = frozenset({"FFWCSX", "FFWCSF", "FFSCSX"})
STATUS: Mapping[str, Status] = {
    "Open": Status.TRADING,
    "Closed": Status.HALTED,
    "Unlisted": Status.PRE_MARKET,
    "Settled": Status.CLOSED,
    "Delisted": Status.CLOSED,
}
# Money is counted in minor units: coin, and how many of them make one. Case matters, XBt is a satoshi.
SETTLEMENT: Mapping[str, tuple[str, float]] = {
    "XBt": ("BTC", 1e8),
    "USDt": ("USDT", 1e6),
    "Gwei": ("ETH", 1e9),
    "LAMP": ("SOL", 1e9),
    "LAMp": ("SOL", 1e9),
}
_COMMODITIES = frozenset({"BRENT"})  # WTI and the others are in the tables that all exchanges share
_PLACEHOLDER_TIME = 4_102_444_800.0  # 2100: rows without a launch date say the year 2200


@lru_cache  # most rows of a frame share one, and so do most contracts their next payment
def epoch_s(value: Any) -> float | None:
    """Epoch s of an ISO time ("2026-05-21T14:39:07.060Z"); None if absent. Raises ValueError or TypeError."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError(f"not a time: {value!r:.40}")
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"a time without its zone: {value!r:.40}")
    return moment.timestamp()


@lru_cache
def hours(value: Any) -> float | None:
    """Hours of an interval, which is written as a time of day: 2000-01-01T08:00:00.000Z is 8 h."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError(f"not an interval: {value!r:.40}")
    moment = datetime.fromisoformat(value)
    # A whole day cannot be said otherwise than as midnight of the next one.
    return (moment.day - 1) * 24.0 + moment.hour + moment.minute / 60 or None


def read_row(row: Mapping[str, Any]) -> Instrument:
    """The instrument of a perpetual's row. Raises for one whose size cannot be known."""
    exchange_symbol, underlying, quote = row["symbol"], row["underlying"], row["quoteCurrency"]
    quote = "BTC" if quote == "XBT" else quote
    settle, minor_units = SETTLEMENT.get(row["settlCurrency"], (row["settlCurrency"].upper(), 0.0))
    kind = _kind(row)
    asset_class = asset_class_of(NAME, exchange_symbol, _listed_class(row["typ"], underlying))
    name = normalise(NAME, exchange_symbol, underlying, asset_class, kind=kind)
    contract_multiplier = _contract_multiplier(row, kind, minor_units)
    if kind == "linear":
        contract_multiplier *= name.multiplier
    lot = fields.amount(row.get("lotSize"), contract_multiplier)
    maker, taker = fields.number(row.get("makerFee")), fields.number(row.get("takerFee"))
    listed_time = epoch_s(row.get("listing"))
    return Instrument(
        exchange=NAME,
        exchange_symbol=exchange_symbol,
        symbol=canonical_symbol(name.asset, quote, kind, asset_class, settle),
        base=name.asset,
        quote=quote,
        settle=settle,
        kind=kind,
        multiplier=name.multiplier,
        contract_multiplier=contract_multiplier,
        tick_size=fields.price(row["tickSize"], name.multiplier),
        lot_size=None if kind == "quanto" else lot,  # worth another number of coins at every price of Bitcoin
        min_notional=lot if kind == "inverse" else None,
        funding_interval_h=hours(row.get("fundingInterval")),
        status=STATUS.get(row["state"], Status.HALTED),
        listed_time=listed_time if listed_time is not None and listed_time < _PLACEHOLDER_TIME else None,
        taker_fee_bps=FEES_BPS[1] if taker is None else round(taker * 1e4, 9),
        maker_fee_bps=FEES_BPS[0] if maker is None else round(maker * 1e4, 9),
        asset_class=asset_class,
        pairing=name.pairing,
    )


def _listed_class(typ: str, underlying: str) -> AssetClass:
    if typ == "FFWCSF":
        return AssetClass.FX
    if typ == "FFSCSX":
        return AssetClass.COMMODITY if underlying in _COMMODITIES else tradfi_class(underlying)
    return AssetClass.CRYPTO


def _kind(row: Mapping[str, Any]) -> Kind:
    if row["isInverse"]:
        return "inverse"
    if row["isQuanto"]:
        return "quanto"
    if row["settlCurrency"] == "USDt":
        return "linear"
    raise ValueError(f"neither linear, inverse nor quanto: settled in {row['settlCurrency']!r:.20}")


def _contract_multiplier(row: Mapping[str, Any], kind: Kind, minor_units: float) -> float:
    """Linear: the underlying's units a contract; inverse: quote currency a contract; quanto: see below.

    A quanto contract pays a fixed amount of Bitcoin per point of its price: that amount, in BTC, is its factor.
    """
    size = fields.required(fields.number(row["multiplier"]), "multiplier")
    if kind == "inverse":
        # Both count minor units, and both are negative because the contract pays in 1/price.
        factor = size / fields.required(fields.number(row["underlyingToSettleMultiplier"]), "settlement factor")
    elif kind == "linear" and (per_coin := fields.amount(row.get("underlyingToPositionMultiplier"))):
        factor = 1.0 / per_coin
    else:
        factor = size / fields.required(minor_units, "settlement currency")
    return fields.required(fields.amount(factor), "contract size")
