"""Phemex's list of products, row by row.

Source: https://phemex-docs.github.io (copy of 2026-01), rows recorded in 2021-07 and 2025-12. One answer holds two
families: V2 rows (USDT and USDC margined) in real numbers, V1 rows (coin-margined) with scales that are exponents:
what the frames carry is a number times 10**priceScale. Of its 891 rows of 2026-09-23, 765 were delisted. There is no
word for a halt: a contract that cannot be traded for a while is `Listed` all the same.
"""

import re
from collections.abc import Mapping
from typing import Any

from feeds.exchanges import _fields as fields
from market.models import AssetClass, Instrument, Kind, Status
from market.symbols import PREIPO_NAMES, asset_class_of, canonical_symbol, normalise, tradfi_class

NAME = "phemex"
# VIP 0, fee page of 2026-09-22; the products carry no usable fee.
MAKER_FEE_BPS, TAKER_FEE_BPS = 1.0, 6.0

COIN_SCALE = 8  # of amounts in a coin that the list of currencies leaves out
_TYPES = frozenset({"Perpetual", "PerpetualV2"})
_AMOUNT = re.compile(r"([\d,]*\.?\d+)(?:\s+(\S+))?")


def read_row(row: Mapping[str, Any], value_scales: Mapping[str, int]) -> Instrument | None:
    """The instrument of a product; None for spot, what is delisted, and pilot contracts.

    value_scales: exponent of amounts in each currency.
    """
    if row["status"] == "Delisted" or row["type"] not in _TYPES:
        return None
    status = Status.TRADING if row["status"] == "Listed" else Status.HALTED
    real = row["type"] == "PerpetualV2"  # in real numbers, not scaled
    exchange_symbol, quote, settle = row["symbol"], row["quoteCurrency"], row["settleCurrency"]
    base = row["baseCurrency"] if real else row["displaySymbol"].partition(" / ")[0].strip()
    base = "".join(base.split())  # "1000 PEPE"
    kind: Kind = "inverse" if settle == base else "linear"
    zone = row.get("perpProductSubType") or "Normal"
    pre_market = zone == "PreMarket"
    listed = tradfi_class(base) if zone == "TradFi" else AssetClass.CRYPTO
    if pre_market and base in PREIPO_NAMES:
        listed = AssetClass.PREIPO
    asset_class = asset_class_of(NAME, exchange_symbol, listed)
    name = normalise(NAME, exchange_symbol, base, asset_class, kind=kind, pre_market=pre_market)
    factor = 1.0 if real else _contract_size(row)
    if kind == "linear":
        factor *= name.multiplier
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
        tick_size=fields.price(row.get("tickSize"), name.multiplier),
        lot_size=fields.amount(row.get("qtyStepSize") if real else row.get("lotSize"), factor),
        min_notional=fields.amount(row.get("minOrderValueRv")),
        funding_interval_h=interval_h(row.get("fundingInterval")),
        status=status,
        listed_time=fields.seconds(row.get("listTime")),
        taker_fee_bps=TAKER_FEE_BPS,
        maker_fee_bps=MAKER_FEE_BPS,
        asset_class=asset_class,
        pairing=name.pairing,
        extra={}
        if real
        else {
            "price_scale": int(row["priceScale"]),
            "ratio_scale": int(row["ratioScale"]),
            "value_scale": value_scales.get(settle, COIN_SCALE),
        },
    )


def interval_h(value: Any) -> float | None:
    """Hours between settlements, from seconds, or from hours in older answers; None if absent."""
    interval = fields.amount(value)
    if not interval:
        return None
    return interval if interval < 1000.0 else interval / 3600


def _contract_size(row: Mapping[str, Any]) -> float:
    """Dollars or coins of one contract: a number, or text with its unit in older answers."""
    size = row["contractSize"]
    if isinstance(size, str):
        match = _AMOUNT.fullmatch(size.strip())
        if match is None or match[2] not in (None, row["contractUnderlyingAssets"]):
            raise ValueError(f"not a contract size: {size!r:.40}")
        size = match[1].replace(",", "")
    return fields.required(fields.amount(size), "contractSize")
