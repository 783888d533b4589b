"""What OKX lists: prices per single coin, the bundle in the contract value. Source: OKX dossier of September 2026."""

import calendar
import time

from simulator.assets import ASSET_BY_KEY, Asset
from simulator.exchanges.registry import position
from simulator.universe import (
    HALTED,
    PRELAUNCH,
    Listing,
    arrange,
    assets,
    decimals_of,
    finish,
    funding_interval_h,
    interleave,
    listed_assets,
    quarter_end,
    spellings,
    tick_for,
)

SUSPENDED, PREOPEN = "AKRO SYN", "VIC"
NAMES = spellings(
    prefixed={},
    renamed="NEIROCTO:NEIRO SPX6900:SPX",
    absent="XEC RATS MOG BABYDOGE CHEEMS WHY BTT TOSHI APU BEER TAG IQ50 ELON STARL QUBIC BOB "
    f"ON BB QNT 币安人生 {SUSPENDED} {PREOPEN}",
)
USDC = "BTC ETH SOL XRP DOGE LTC ADA SUI LINK PEPE"
INVERSE = "BTC ETH SOL XRP DOGE ADA LTC BCH LINK DOT AVAX ETC FIL UNI TRX XLM"
USD_LINEAR = "BTC ETH SOL"
OTHER = "XAU ON.SHARE BB.SHARE OPENAI TSLA QNT.SHARE XAG NVDA ANTHROPIC COIN MSTR CRCL"
CONTRACT_VALUES = {"BTC": 0.01, "ETH": 0.1, "SOL": 1.0, "XRP": 100.0, "DOGE": 1000.0, "BNB": 0.01, "LTC": 1.0}
TENTH = ("OPENAI", "ANTHROPIC")  # quoted at a tenth of what others quote


def _contract_value(asset: Asset) -> float:
    """Coins per contract: a power of ten worth 3 to 30 USDT, except for the old majors."""
    if asset.key in CONTRACT_VALUES:
        return CONTRACT_VALUES[asset.key]
    value = 1.0
    while value * asset.price < 3:
        value *= 10
    while value * asset.price >= 30:
        value /= 10
    return value


def _listing(asset: Asset, settle: str, seed: int, *, family: str = "", expiry: str = "") -> Listing:
    base = NAMES.get(asset.key) or asset.ticker
    inverse = settle == base
    quote = "USD" if inverse or settle == "USD" else settle
    unit = 0.1 if asset.key in TENTH else 1.0
    tick, price_decimals = tick_for(asset.price * unit, asset.rank)
    lot = 0.01 if asset.rank < 2 else 0.1 if asset.rank < 40 else 1.0
    if inverse:
        lot = 0.1 if asset.key == "BTC" else 1.0
    family = family or f"{base}-{quote}"
    return Listing(
        exchange="okx",
        exchange_symbol=f"{family}-{expiry or 'SWAP'}",
        asset=asset,
        base=base,
        quote=quote,
        settle=settle,
        kind="inverse" if inverse else "linear",
        unit=unit,
        contract=(100.0 if asset.key == "BTC" else 10.0) if inverse else _contract_value(asset),
        tick=tick,
        price_decimals=price_decimals,
        lot=lot,
        size_decimals=decimals_of(lot),
        funding_interval_h=8 if inverse else funding_interval_h("okx", asset, seed),
        host="SWAP" if not expiry else "FUTURES",
        perpetual=not expiry,
        expiry=expiry,
        extra={"uly": f"{base}-{quote}", "family": family},
    )


def okx_listings(instruments: int, seed: int) -> list[Listing]:
    """All listings: `instruments` live swaps, spares, suspended and preopen ones, and dated futures."""
    regular = [_listing(asset, "USDT", seed) for asset in listed_assets(position("okx"), NAMES)]
    groups = (
        [_listing(asset, asset.ticker, seed) for asset in assets(INVERSE)],
        [_listing(asset, "USDT", seed) for asset in assets(OTHER)],
        [_listing(asset, "USDC", seed) for asset in assets(USDC)],
        [_listing(asset, "USD", seed, family=f"{asset.key}-USD_UM") for asset in assets(USD_LINEAR)],
    )
    rows = arrange(regular, interleave(*groups), instruments)
    for keys, status in ((SUSPENDED, HALTED), (PREOPEN, PRELAUNCH)):
        for asset in assets(keys):
            row = _listing(asset, "USDT", seed)
            row.status = status
            rows.append(row)
    delivery = quarter_end()
    expiry = time.strftime("%y%m%d", delivery)
    for settle, family in (("USDT", "BTC-USDT"), ("BTC", "BTC-USD"), ("USD", "BTC-USD_UM")):
        dated = _listing(ASSET_BY_KEY["BTC"], settle, seed, family=family, expiry=expiry)
        dated.delivery_ms = calendar.timegm(delivery) * 1000
        rows.append(dated)
    return finish(rows)
