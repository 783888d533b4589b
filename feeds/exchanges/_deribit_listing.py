"""Deribit's list of futures, row by row.

Source: https://docs.deribit.com, public/get_instruments (copy of 2026-03), recorded rows of 2022-06 to 2026-08.
The quote is `counter_currency`; `quote_currency` is the coin on options. Amounts are coins on
linear contracts and dollars on inverse ones, so `contract_size` converts nothing.
"""

from collections.abc import Mapping
from typing import Any

from feeds.exchanges import _fields as fields
from market.models import AssetClass, Instrument, Kind, Status
from market.symbols import PREIPO_NAMES, asset_class_of, canonical_symbol, normalise, tradfi_class

NAME = "deribit"
# On every perpetual of 2026-09-22. Rows say it themselves; earlier listings have 0 and 5 bps.
MAKER_FEE_BPS, TAKER_FEE_BPS = 1.5, 3.5
# Funding is paid continuously; `current_funding` is what eight hours of it would cost.
FUNDING_INTERVAL_H = 8.0

_KINDS: Mapping[str, Kind] = {"linear": "linear", "reversed": "inverse"}
_STATUS = {
    "open": Status.TRADING,
    **dict.fromkeys(("delivered", "archivized", "closed"), Status.CLOSED),
}  # settlement, inactive, locked, halted and what may come: halted
_CLASS = {
    "crypto": AssetClass.CRYPTO,
    "equity": AssetClass.EQUITY,
    "equity_etf": AssetClass.EQUITY,
    "commodity": AssetClass.COMMODITY,
    "crypto_index": AssetClass.INDEX,
    "preipo": AssetClass.PREIPO,
}


def status_of(row: Mapping[str, Any]) -> Status:
    """What a row says may be done with its contract. `is_active` stays true on locked and closed ones."""
    status = _STATUS.get(row.get("state", "open"), Status.HALTED)
    return Status.HALTED if status is Status.TRADING and not row["is_active"] else status


def read_row(row: Mapping[str, Any]) -> Instrument | None:
    """The instrument of a listed row; None for options, spot, dated futures and combos."""
    if row["kind"] != "future" or row["settlement_period"] != "perpetual":
        return None
    exchange_symbol, base = row["instrument_name"], row["base_currency"]
    # Rows of 2021 lack what tells linear contracts, of which there were none.
    kind = _KINDS[row.get("instrument_type") or row.get("future_type") or "reversed"]
    asset_class = asset_class_of(NAME, exchange_symbol, _class_of(row, base))
    name = normalise(NAME, exchange_symbol, base, asset_class, kind=kind)
    quote, settle = row.get("counter_currency") or row["quote_currency"], row.get("settlement_currency") or base
    factor = name.multiplier if kind == "linear" else 1.0
    smallest = fields.amount(row["min_trade_amount"], factor)
    return Instrument(
        exchange=NAME,
        exchange_symbol=exchange_symbol,
        symbol=canonical_symbol(name.asset, quote, kind, asset_class, settle),
        base=name.asset,
        quote=quote,
        settle=settle,
        kind=kind,
        multiplier=name.multiplier,
        contract_multiplier=fields.required(fields.amount(row["contract_size"], factor), "contract_size"),
        tick_size=fields.price(row["tick_size"], name.multiplier),
        lot_size=smallest,
        min_notional=smallest if kind == "inverse" else None,
        funding_interval_h=FUNDING_INTERVAL_H,
        continuous_funding=True,
        status=status_of(row),
        listed_time=fields.seconds(row.get("creation_timestamp")),
        taker_fee_bps=_bps(row.get("taker_commission"), TAKER_FEE_BPS),
        maker_fee_bps=_bps(row.get("maker_commission"), MAKER_FEE_BPS),
        asset_class=asset_class,
        pairing=name.pairing,
    )


def _class_of(row: Mapping[str, Any], base: str) -> AssetClass:
    listed = row.get("underlying_type")
    if listed is None:  # rows of before 2026
        return AssetClass.PREIPO if base in PREIPO_NAMES else AssetClass.CRYPTO
    return _CLASS[listed] if listed in _CLASS else tradfi_class(base)


def _bps(fraction: Any, usual: float) -> float:
    rate = fields.number(fraction)
    return usual if rate is None else round(rate * 1e4, 6)
