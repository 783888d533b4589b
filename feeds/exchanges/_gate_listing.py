"""Gate's list of contracts, row by row.

Source: https://www.gate.com/docs/developers/apiv4 (2026-03) and rows of 2023-05 and 2026-09. Sizes count contracts of
`quanto_multiplier` coins, dollars on the one inverse contract. Prices are per coin, but for MBABYDOGE.
"""

from collections.abc import Mapping
from typing import Any

from feeds.exchanges import _fields as fields
from market.models import AssetClass, Instrument, Kind, Status
from market.symbols import PREIPO_NAMES, asset_class_of, canonical_symbol, normalise, tradfi_class

NAME = "gate"
# VIP 0, fee page of 2026-09-15. The rates in a row are not those that are charged.
MAKER_FEE_BPS, TAKER_FEE_BPS = 2.0, 5.0

_STATUS = {"trading": Status.TRADING, "prelaunch": Status.PRE_MARKET, "delisted": Status.CLOSED}
_KINDS: Mapping[str, Kind] = {"direct": "linear", "inverse": "inverse"}
_CLASSES = {
    "": AssetClass.CRYPTO,
    "stocks": AssetClass.EQUITY,
    "indices": AssetClass.INDEX,
    "metals": AssetClass.COMMODITY,
    "commodities": AssetClass.COMMODITY,
    "forex": AssetClass.FX,
}
# The step of a contract that takes fractions, where the row says 0 because we cannot send the header that asks for it.
_DECIMAL_STEP = 0.1


def read_row(row: Mapping[str, Any]) -> Instrument:
    """The instrument of a row. Raises for a combination of type and currency that has no known size."""
    exchange_symbol = row["name"]
    base, _, quote = exchange_symbol.rpartition("_")  # the id is what names them: there is no field
    kind = _KINDS[row["type"]]
    if not base or (kind == "inverse") is not (quote == "USD"):
        raise ValueError(f"{row['type']!r:.20} contract in {quote!r:.20}")
    pre_market = bool(row.get("is_pre_market"))
    asset_class = asset_class_of(NAME, exchange_symbol, _listed_class(row, base, pre_market))
    name = normalise(NAME, exchange_symbol, base, asset_class, kind=kind, pre_market=pre_market)
    factor = 1.0  # a dollar
    if kind == "linear":
        factor = fields.required(fields.amount(row["quanto_multiplier"]), "quanto_multiplier") * name.multiplier
    lot = fields.amount(lot_of(row), factor)
    interval_s = fields.amount(row.get("funding_interval"))
    return Instrument(
        exchange=NAME,
        exchange_symbol=exchange_symbol,
        symbol=canonical_symbol(name.asset, quote, kind, asset_class, settle_of(base, quote, kind)),
        base=name.asset,
        quote=quote,
        settle=settle_of(base, quote, kind),
        kind=kind,
        multiplier=name.multiplier,
        contract_multiplier=factor,
        tick_size=fields.price(row["order_price_round"], name.multiplier),
        lot_size=lot,
        min_notional=lot if kind == "inverse" else None,
        funding_interval_h=interval_s / 3600 if interval_s else None,
        status=status_of(row),
        listed_time=fields.amount(row.get("launch_time")) or fields.amount(row.get("create_time")) or None,
        taker_fee_bps=TAKER_FEE_BPS,
        maker_fee_bps=MAKER_FEE_BPS,
        asset_class=asset_class,
        pairing=name.pairing,
        price_band=fields.price_band(row.get("order_price_deviate")),
    )


def settle_of(base: str, quote: str, kind: Kind) -> str:
    """What a contract pays in: every list is of one currency, and an inverse contract is in the list of its coin."""
    return base if kind == "inverse" else quote


def lot_of(row: Mapping[str, Any]) -> float:
    """The smallest size and its step, in contracts."""
    return fields.amount(row.get("order_size_min")) or (_DECIMAL_STEP if row.get("enable_decimal") else 1.0)


def status_of(row: Mapping[str, Any]) -> Status:
    """The status of a row. Those of 2023 have none, only the mark that a contract is being delisted."""
    status = _STATUS.get(row.get("status") or "trading", Status.HALTED)  # delisting, circuit_breaker
    if status is Status.TRADING and row.get("in_delisting"):
        return Status.HALTED if fields.amount(row.get("position_size")) else Status.CLOSED
    return status


def _listed_class(row: Mapping[str, Any], base: str, pre_market: bool) -> AssetClass:
    contract_type = row.get("contract_type") or ""
    if pre_market and (contract_type or base in PREIPO_NAMES):
        return AssetClass.PREIPO
    return _CLASSES.get(contract_type) or tradfi_class(base)
