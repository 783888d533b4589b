"""Bitget's lists of contracts, row by row.

Source: https://www.bitget.com/docs/classic, mix API v2 (probed 2026-09-15). Every contract is one base coin, bundles
included: `sizeMultiplier` is the step of an order. Sizes count coins in all families, the coin-margined one included.
"""

from collections.abc import Mapping
from typing import Any

from feeds.exchanges import _fields as fields
from market.models import AssetClass, Instrument, Kind, Status
from market.symbols import asset_class_of, canonical_symbol, normalise, tradfi_class

NAME = "bitget"
# VIP 0, announcement of 2026-08-20; the listing repeats it for each contract.
MAKER_FEE_BPS, TAKER_FEE_BPS = 2.0, 6.0

# Family by quote coin. Simulated families are quoted in coins of their own (SUSDT) and left out.
FAMILIES = {"USDT": "USDT-FUTURES", "USDC": "USDC-FUTURES", "USD": "COIN-FUTURES"}
_STATUS = {"normal": Status.TRADING, "listed": Status.PRE_MARKET, "off": Status.CLOSED}


def read_row(row: Mapping[str, Any]) -> Instrument | None:
    """The instrument of a listed row; None for what is no perpetual or is simulated."""
    exchange_symbol, base, quote = row["symbol"], row["baseCoin"], row["quoteCoin"]
    if row["symbolType"] != "perpetual" or quote not in FAMILIES:
        return None
    kind: Kind = "inverse" if quote == "USD" else "linear"
    settle = base if kind == "inverse" else quote  # supportMarginCoins is collateral
    listed = tradfi_class(base) if row.get("isRwa") == "YES" else AssetClass.CRYPTO
    asset_class = asset_class_of(NAME, exchange_symbol, listed)
    name = normalise(NAME, exchange_symbol, base, asset_class, kind=kind)
    places = fields.number(row["pricePlace"])
    end_step = fields.amount(row.get("priceEndStep"))
    tick_size = None if places is None or end_step is None else end_step * 10.0**-places
    min_notional = fields.amount(row.get("minTradeUSDT"))
    return Instrument(
        exchange=NAME,
        exchange_symbol=exchange_symbol,
        symbol=canonical_symbol(name.asset, quote, kind, asset_class, settle),
        base=name.asset,
        quote=quote,
        settle=settle,
        kind=kind,
        multiplier=name.multiplier,
        contract_multiplier=name.multiplier,
        tick_size=fields.price(tick_size, name.multiplier),
        lot_size=fields.amount(row.get("sizeMultiplier"), name.multiplier),
        min_notional=min_notional,
        funding_interval_h=fields.amount(row.get("fundInterval")) or None,
        status=_STATUS.get(row["symbolStatus"], Status.HALTED),
        listed_time=_time(row.get("launchTime")) or _time(row.get("openTime")),
        taker_fee_bps=_fee_bps(row.get("takerFeeRate"), TAKER_FEE_BPS),
        maker_fee_bps=_fee_bps(row.get("makerFeeRate"), MAKER_FEE_BPS),
        asset_class=asset_class,
        pairing=name.pairing,
        price_band=fields.price_band(row.get("buyLimitPriceRatio"), row.get("sellLimitPriceRatio")),
        extra={"family": FAMILIES[quote]},
    )


def _time(milliseconds: Any) -> float | None:
    """Epoch s; "-1" and "" both mean never."""
    return None if milliseconds in ("-1", -1) else fields.seconds(milliseconds)


def _fee_bps(rate: Any, default: float) -> float:
    fraction = fields.number(rate)
    return default if fraction is None else round(fraction * 10_000, 6)
