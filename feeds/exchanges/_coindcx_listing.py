"""CoinDCX's futures: the list of what is active, and the details of one contract at a time.

Source: https://docs.coindcx.com (copies of 2025-12 and 2026-05), answers recorded in 2026-08 and measured on
2026-09-22. A size counts what stands between `B-` and `_`, bundles included. Details may be missing: they take a
request each, so the list is used before all of them are read.
"""

from collections.abc import Mapping
from typing import Any

from feeds.exchanges import _fields as fields
from market.models import AssetClass, Instrument, Status
from market.symbols import asset_class_of, canonical_symbol, normalise

NAME = "coindcx"
# What 495 of 504 contracts cost on 2026-09-22, taxes included; the details say it for each.
MAKER_FEE_BPS, TAKER_FEE_BPS = 2.36, 5.9
BPS_PER_PERCENT = 100.0

COMMODITIES = frozenset({"XAU", "XAG", "CL", "BZ", "NATGAS", "COPPER"})


def read_contract(exchange_symbol: str, details: Mapping[str, Any] | None, active: bool) -> Instrument | None:
    """The instrument of an id; None for what is no linear perpetual.

    details: the contract's own answer, None if it is not known yet. active: whether the list has it.
    """
    base, _, quote = exchange_symbol.removeprefix("B-").rpartition("_")
    if not base or not quote or not exchange_symbol.startswith("B-"):
        raise ValueError(f"not an id of a contract: {exchange_symbol!r:.40}")
    row = details or {}
    if row.get("kind", "perpetual") != "perpetual" or row.get("is_inverse") or row.get("is_quanto"):
        return None
    listed = AssetClass.COMMODITY if base in COMMODITIES else AssetClass.CRYPTO
    asset_class = asset_class_of(NAME, exchange_symbol, listed)
    name = normalise(NAME, exchange_symbol, base, asset_class)
    settle = row.get("settle_currency_short_name") or quote
    factor = (fields.amount(row.get("unit_contract_value")) or 1.0) * name.multiplier
    maker_fee, taker_fee = fields.number(row.get("maker_fee")), fields.number(row.get("taker_fee"))
    return Instrument(
        exchange=NAME,
        exchange_symbol=exchange_symbol,
        symbol=canonical_symbol(name.asset, quote, "linear", asset_class, settle),
        base=name.asset,
        quote=quote,
        settle=settle,
        kind="linear",
        multiplier=name.multiplier,
        contract_multiplier=factor,
        tick_size=fields.price(row.get("price_increment"), name.multiplier),
        lot_size=fields.amount(row.get("quantity_increment"), factor),
        min_notional=fields.amount(row.get("min_notional")),
        funding_interval_h=fields.amount(row.get("funding_frequency")),
        status=_status(row, active),
        listed_time=None,
        taker_fee_bps=TAKER_FEE_BPS if taker_fee is None else taker_fee * BPS_PER_PERCENT,
        maker_fee_bps=MAKER_FEE_BPS if maker_fee is None else maker_fee * BPS_PER_PERCENT,
        asset_class=asset_class,
        pairing=name.pairing,
    )


def _status(row: Mapping[str, Any], active: bool) -> Status:
    if not active or row.get("status", "active") != "active":
        return Status.CLOSED
    return Status.HALTED if row.get("exit_only") else Status.TRADING  # positions may only be closed
