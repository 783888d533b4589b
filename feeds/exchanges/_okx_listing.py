"""OKX's list of swaps, row by row.

Source: https://www.okx.com/docs-v5, public instruments (copies of 2026-06 to 2026-08), recorded rows of 2022-05 and
2026-09. Sizes are contracts of `ctVal` x `ctMult`, and nothing in an id says whether that is coins or dollars.
"""

from collections.abc import Mapping
from typing import Any

from feeds.exchanges import _fields as fields
from market.models import AssetClass, Instrument, Kind, Status
from market.symbols import PREIPO_NAMES, asset_class_of, canonical_symbol, normalise

NAME = "okx"
# VIP 0, swaps, table of 2026-07-19.
MAKER_FEE_BPS, TAKER_FEE_BPS = 2.0, 5.0

_STATUS = {"live": Status.TRADING, "preopen": Status.PRE_MARKET}
_KINDS: Mapping[str, Kind] = {"linear": "linear", "inverse": "inverse"}
_CLASS = {"1": AssetClass.CRYPTO, "3": AssetClass.EQUITY, "4": AssetClass.COMMODITY, "5": AssetClass.FX}


def read_row(row: Mapping[str, Any]) -> Instrument | None:
    """The instrument of a listed row; None for what is no swap, is a test, or has no size yet (`preopen`)."""
    exchange_symbol, state = row["instId"], row["state"]
    if row["instType"] != "SWAP" or state == "test" or (state == "preopen" and not row["ctVal"]):
        return None
    index = row["uly"]
    base, _, quote = index.partition("-")  # baseCcy and quoteCcy are empty on swaps
    settle = row["settleCcy"]
    kind = _KINDS[row["ctType"]]
    pre_market = row.get("ruleType") == "pre_market"
    listed = _CLASS.get(row.get("instCategory") or "1", AssetClass.EQUITY)  # bonds, and what else may come: no coin
    if pre_market and (base in PREIPO_NAMES or listed is AssetClass.EQUITY):
        listed = AssetClass.PREIPO
    asset_class = asset_class_of(NAME, exchange_symbol, listed)
    name = normalise(NAME, exchange_symbol, base, asset_class, kind=kind, pre_market=pre_market)
    contract_value = fields.required(fields.amount(row["ctVal"]), "ctVal")
    factor = contract_value * (fields.amount(row.get("ctMult")) or 1.0)
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
        tick_size=fields.price(row["tickSz"], name.multiplier),
        lot_size=fields.amount(row["lotSz"], factor),
        min_notional=fields.amount(row["minSz"], factor) if kind == "inverse" else None,
        funding_interval_h=None,
        status=_STATUS.get(state, Status.HALTED),
        listed_time=fields.seconds(row.get("listTime")),
        taker_fee_bps=TAKER_FEE_BPS,
        maker_fee_bps=MAKER_FEE_BPS,
        asset_class=asset_class,
        pairing=name.pairing,
        extra={"index": index},
    )
