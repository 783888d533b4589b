"""Binance's lists of contracts, row by row: exchangeInfo of both products, and fundingInfo.

Source: https://developers.binance.com/docs/derivatives, exchange information and funding info (copy of 2026-05-28),
recorded rows of 2021-07 and 2026-10. USD-M rows say `status`, COIN-M rows `contractStatus` and `contractSize`.
"""

import logging
from collections.abc import Mapping
from typing import Any

from feeds.exchanges import _fields as fields
from market.models import AssetClass, Instrument, Kind, Status
from market.symbols import asset_class_of, canonical_symbol, normalise, tradfi_class

NAME = "binance"
PERPETUAL_TYPES = frozenset({"PERPETUAL", "TRADIFI_PERPETUAL"})
DEFAULT_INTERVAL_H = 8.0  # fundingInfo lists only the contracts that differ from it or once did
# VIP 0, 2026-07. USDC-margined and coin-margined contracts may be cheaper; never assume less than is charged.
MAKER_FEE_BPS, TAKER_FEE_BPS = 2.0, 5.0

_STATUS = {
    "TRADING": Status.TRADING,
    "PENDING_TRADING": Status.PRE_MARKET,
    "DELIVERED": Status.CLOSED,
    "CLOSE": Status.CLOSED,
}
_CLASS = {
    "COIN": AssetClass.CRYPTO,
    "INDEX": AssetClass.INDEX,
    "COMMODITY": AssetClass.COMMODITY,
    "FX": AssetClass.FX,
    "PREMARKET": AssetClass.PREIPO,
}

log = logging.getLogger(__name__)


def status_of(listed: str) -> Status:
    """Our word for a status; what is delivering, settling or new to us is halted."""
    return _STATUS.get(listed, Status.HALTED)


def read_intervals(infos: list[Any]) -> dict[str, float]:
    """Funding interval by symbol. [h]"""
    intervals = {}
    for info in infos:
        try:
            intervals[str(info["symbol"])] = fields.required(fields.amount(info["fundingIntervalHours"]), "interval")
        except Exception as error:  # the interval of one contract
            log.warning("left out an unreadable funding interval: %s", fields.describe(error))
    return intervals


def _asset_class(row: Mapping[str, Any]) -> AssetClass:
    underlying = row.get("underlyingType", "COIN")
    if underlying in _CLASS:
        listed = _CLASS[underlying]
    elif str(underlying).endswith("EQUITY"):
        listed = AssetClass.EQUITY
    else:  # the list of types grows: whatever is new is no coin
        listed = tradfi_class(row["baseAsset"])
    if listed is AssetClass.CRYPTO and row["contractType"] == "TRADIFI_PERPETUAL":
        listed = tradfi_class(row["baseAsset"])
    return asset_class_of(NAME, row["symbol"], listed)


def read_row(row: Mapping[str, Any], intervals: Mapping[str, float] | None) -> Instrument:
    """The instrument of a perpetual's row. Intervals are None where they could not be read. [h]"""
    exchange_symbol, quote, settle = row["symbol"], row["quoteAsset"], row["marginAsset"]
    # Only COIN-M rows have a contract size, and only COIN-M is inverse; BTCUSD_PERP looks linear by its name.
    kind: Kind = "inverse" if "contractSize" in row else "linear"
    asset_class = _asset_class(row)
    name = normalise(NAME, exchange_symbol, row["baseAsset"], asset_class)
    filters = {entry["filterType"]: entry for entry in row["filters"]}
    step = filters.get("LOT_SIZE", {})
    if kind == "inverse":
        factor = fields.required(fields.amount(row["contractSize"]), "contract size")
        min_notional = fields.amount(step.get("minQty"), factor)
    else:
        factor = name.multiplier
        min_notional = fields.amount(filters.get("MIN_NOTIONAL", {}).get("notional"))
    interval_h = None if intervals is None else intervals.get(exchange_symbol, DEFAULT_INTERVAL_H)
    return Instrument(
        exchange=NAME,
        exchange_symbol=exchange_symbol,
        symbol=canonical_symbol(name.asset, quote, kind, asset_class, settle),
        base=name.asset,
        quote=quote,
        settle=settle,
        kind=kind,
        multiplier=name.multiplier,
        contract_multiplier=factor,
        tick_size=fields.price(filters.get("PRICE_FILTER", {}).get("tickSize"), name.multiplier),
        lot_size=fields.amount(step.get("stepSize"), factor),
        min_notional=min_notional,
        funding_interval_h=interval_h,
        status=status_of(row.get("status") or row["contractStatus"]),
        listed_time=fields.seconds(row.get("onboardDate")),
        taker_fee_bps=TAKER_FEE_BPS,
        maker_fee_bps=MAKER_FEE_BPS,
        asset_class=asset_class,
        pairing=name.pairing,
        price_band=_price_band(filters.get("PERCENT_PRICE", {})),
    )


def _price_band(limits: Mapping[str, Any]) -> float | None:
    """Buys are rejected above the mark times one factor, sells below the mark times the other."""
    up, down = fields.number(limits.get("multiplierUp")), fields.number(limits.get("multiplierDown"))
    return fields.price_band(up and up - 1.0, down and 1.0 - down)
