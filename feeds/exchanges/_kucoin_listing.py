"""KuCoin's list of futures, row by row.

Source: https://www.kucoin.com/docs-new, contracts/active (read 2026-10), recorded rows of 2023-07 and 2025-08. Sizes
are lots of `multiplier` coins; on inverse contracts `multiplier` is -1 and a lot is one dollar. `isQuanto` is true on
ordinary contracts and says nothing.
"""

from collections.abc import Mapping
from typing import Any

from feeds.exchanges import _fields as fields
from market.models import AssetClass, Instrument, Kind, Status
from market.symbols import COIN_ALIASES, PREIPO_NAMES, asset_class_of, canonical_symbol, normalise, tradfi_class

NAME = "kucoin"
PERPETUAL = "FFWCSX"
# VIP 0, page of 2026-05-07; every row of 2026-09-22 says the same.
MAKER_FEE_BPS, TAKER_FEE_BPS = 2.0, 6.0
MS_PER_HOUR = 3_600_000

_STATUS = {
    "Open": Status.TRADING,
    "Init": Status.PRE_MARKET,
    "Settled": Status.CLOSED,
    "Closed": Status.CLOSED,
}  # BeingSettled, Paused, CancelOnly and what may come: halted
_CLASS = {
    "CRYPTO": AssetClass.CRYPTO,
    "STOCK": AssetClass.EQUITY,
    "METAL": AssetClass.COMMODITY,
    "COMMODITY": AssetClass.COMMODITY,
}


def status_of(row: Mapping[str, Any]) -> Status:
    """What a row says may be done with its contract."""
    return _STATUS.get(row["status"], Status.HALTED)


def read_row(row: Mapping[str, Any]) -> Instrument | None:
    """The instrument of a listed row; None for a dated contract."""
    if row["type"] != PERPETUAL:
        return None
    exchange_symbol = row["symbol"]
    pre_market = row.get("marketStage") == "PRE_MARKET"
    base = _base(row)
    asset_class = asset_class_of(NAME, exchange_symbol, _class_of(row, base, pre_market))
    kind: Kind = "inverse" if row["isInverse"] else "linear"
    name = normalise(NAME, exchange_symbol, base, asset_class, kind=kind, pre_market=pre_market)
    factor = abs(fields.required(fields.number(row["multiplier"]), "multiplier"))
    if kind == "linear":
        factor *= name.multiplier
    quote, settle = row["quoteCurrency"], row["settleCurrency"]
    settle = COIN_ALIASES.get(settle, settle)
    interval_ms = fields.amount(row.get("fundingRateGranularity"))
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
        tick_size=fields.price(row["tickSize"], name.multiplier),
        lot_size=fields.amount(row["lotSize"], factor),
        min_notional=fields.amount(row["lotSize"], factor) if kind == "inverse" else None,
        funding_interval_h=interval_ms / MS_PER_HOUR if interval_ms else None,
        status=status_of(row),
        listed_time=fields.seconds(row.get("firstOpenDate")),
        taker_fee_bps=_bps(row.get("takerFeeRate"), TAKER_FEE_BPS),
        maker_fee_bps=_bps(row.get("makerFeeRate"), MAKER_FEE_BPS),
        asset_class=asset_class,
        pairing=name.pairing,
        price_band=_price_band(row),
    )


def _price_band(row: Mapping[str, Any]) -> float | None:
    """Half of what lies between the highest buy and the lowest sell, of their middle.

    The row gives prices, not fractions. Their middle is the index they were made from (recorded rows: within 0.01 %);
    the row's own index and mark are of another moment. To a tenth of a percent, because the prices are cut to ticks.
    """
    highest_buy, lowest_sell = fields.price(row.get("buyLimit")), fields.price(row.get("sellLimit"))
    if highest_buy is None or lowest_sell is None:
        return None
    return fields.price_band(round((highest_buy - lowest_sell) / (highest_buy + lowest_sell), 3))


def _base(row: Mapping[str, Any]) -> str:
    """The base's name. Chinese names are written in pinyin, with the real one to be displayed."""
    displayed = row.get("displayBaseCurrency")
    if isinstance(displayed, str) and displayed and not displayed.isascii():
        return displayed
    return str(row["baseCurrency"])


def _class_of(row: Mapping[str, Any], base: str, pre_market: bool) -> AssetClass:
    listed = row.get("assetClass") or "CRYPTO"
    asset_class = _CLASS[listed] if listed in _CLASS else tradfi_class(base)
    if pre_market and (base in PREIPO_NAMES or asset_class is AssetClass.EQUITY):
        return AssetClass.PREIPO
    return asset_class


def _bps(rate: Any, usual: float) -> float:
    fraction = fields.number(rate)
    return usual if fraction is None else round(fraction * 1e4, 6)
