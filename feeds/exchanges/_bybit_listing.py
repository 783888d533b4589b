"""Bybit's lists of contracts, row by row.

Source: https://bybit-exchange.github.io/docs/v5/market/instrument (2026-07-24). No field gives a contract's size: a
linear size counts what `baseCoin` names, bundles included, an inverse one dollars.
"""

from collections.abc import Mapping
from typing import Any

from feeds.exchanges import _fields as fields
from market.models import AssetClass, Instrument, Kind, Status
from market.symbols import PREIPO_NAMES, asset_class_of, canonical_symbol, normalise, tradfi_class

NAME = "bybit"
# VIP 0, fee page of 2026-07-23: maker, taker.
FEES_BPS = {"standard": (2.0, 5.5), "innovation": (4.0, 11.0), "pre_market": (4.0, 10.0)}

KINDS: Mapping[str, Kind] = {"LinearPerpetual": "linear", "InversePerpetual": "inverse"}
_STATUS = {"Trading": Status.TRADING, "PreLaunch": Status.PRE_MARKET, "Closed": Status.CLOSED}
_CLASSES = {"stock": AssetClass.EQUITY, "commodity": AssetClass.COMMODITY, "forex": AssetClass.FX}


def read_row(row: Mapping[str, Any]) -> Instrument:
    """The instrument of a perpetual's row."""
    exchange_symbol, base, quote, settle = row["symbol"], row["baseCoin"], row["quoteCoin"], row["settleCoin"]
    kind = KINDS[row["contractType"]]
    zone = row.get("symbolType") or ""
    pre_market = bool(row.get("isPreListing")) or row["status"] == "PreLaunch"
    listed = AssetClass.CRYPTO
    if pre_market and (base in PREIPO_NAMES or zone == "stock"):
        listed = AssetClass.PREIPO
    elif zone not in ("", "innovation"):
        listed = _CLASSES.get(zone) or tradfi_class(base)
    asset_class = asset_class_of(NAME, exchange_symbol, listed)
    name = normalise(NAME, exchange_symbol, base, asset_class, kind=kind, pre_market=pre_market)
    factor = name.multiplier if kind == "linear" else 1.0  # a size counts bundles, or dollars
    lots = row["lotSizeFilter"]
    min_notional = fields.amount(lots.get("minNotionalValue"))
    if min_notional is None and kind == "inverse":
        min_notional = fields.amount(lots.get("minOrderQty"))
    interval_min = fields.amount(row.get("fundingInterval"))
    maker_fee_bps, taker_fee_bps = FEES_BPS[_fee_zone(zone, pre_market)]
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
        tick_size=fields.price(row["priceFilter"]["tickSize"], name.multiplier),
        lot_size=fields.amount(lots["qtyStep"], factor),
        min_notional=min_notional,
        funding_interval_h=interval_min / 60 if interval_min else None,
        status=_STATUS.get(row["status"], Status.HALTED),
        listed_time=fields.seconds(row.get("launchTime")),
        taker_fee_bps=taker_fee_bps,
        maker_fee_bps=maker_fee_bps,
        asset_class=asset_class,
        pairing=name.pairing,
        price_band=_price_band(row.get("riskParameters") or {}),
    )


def _price_band(limits: Mapping[str, Any]) -> float | None:
    """The limit is X off the mark, and up to Y where the index lies further out than X.

    Source: docs/v5/account/set-price-limit. By default an order beyond it is moved to it instead of refused.
    """
    return fields.price_band(limits.get("priceLimitRatioX"), limits.get("priceLimitRatioY"))


def _fee_zone(zone: str, pre_market: bool) -> str:
    """The fee zone. That these flags are the zones is inferred, so the dearer one wins."""
    if zone == "innovation":
        return "innovation"
    return "pre_market" if pre_market else "standard"
