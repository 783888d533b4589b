"""What BitMEX listed until it closed on 2026-09-23. Source: dossier of October 2026, rows of 2026-05-21.

A contract is a small number of coins: `underlyingToPositionMultiplier` contracts make one. Lots are some contracts.
"""

import calendar

from simulator.assets import ASSET_BY_KEY, Asset
from simulator.exchanges.registry import position
from simulator.universe import (
    CLOSED,
    HALTED,
    PRELAUNCH,
    Listing,
    arrange,
    assets,
    finish,
    interleave,
    listed_assets,
    quarter_end,
    spellings,
    tick_for,
)

DELISTED, UNLISTED_YET, PAUSED = "LOOM", "VIC", "AKRO"
LARGEST = 130  # perpetuals in 2026
NAMES = spellings(
    prefixed={"1000000": "MOG", "1T": "AIDOGE"},
    renamed="BTC:XBT SPX6900:SPX",
    absent="USDC LUNC BABYDOGE CHEEMS WHY BTT TOSHI APU BEER TAG IQ50 STARL QUBIC BOB ELON COQ LADYS WEN NFT XEC "
    f"SATS RATS CAT X ON BB QNT 币安人生 {DELISTED} {UNLISTED_YET} {PAUSED}",
)
UNITS = {"MOG": 1e6, "AIDOGE": 1e12}
QUANTO = "ETH SOL XRP DOGE LTC LINK"  # quoted in USD, paid in XBt
TRADFI = "SPY BZ NATGAS"
CONTRACTS_PER_COIN = {"BTC": 1e6, "ETH": 1e5, "BCH": 1e5, "LTC": 1e4, "SOL": 1e4}
LOTS = {"BTC": 100, "ETH": 100, "SOL": 100}
MONTH_CODES = "FGHJKMNQUVXZ"
# settle currency -> its minor units, and how many make one
MINOR_UNITS = {"BTC": ("XBt", 1e8), "USDT": ("USDt", 1e6), "ETH": ("Gwei", 1e9)}


def _contracts_per_coin(asset: Asset, unit: float) -> float:
    """A power of ten that makes a contract worth 0.01 to 0.1 USDT, except for the old majors."""
    if asset.key in CONTRACTS_PER_COIN:
        return CONTRACTS_PER_COIN[asset.key]
    number, price = 1.0, asset.price * unit
    while price / number > 0.1:
        number *= 10
    return number


def _listing(asset: Asset, family: str, *, expiry: str = "") -> Listing:
    """One contract. family: linear, inverse (settled in XBt), inverse_eth or quanto."""
    base = NAMES.get(asset.key) or asset.ticker
    unit = UNITS.get(asset.key, 1.0)
    tick, price_decimals = tick_for(asset.price * unit, asset.rank)
    linear = family == "linear"
    per_coin = _contracts_per_coin(asset, unit) if linear else 0.0
    settle = "USDT" if linear else "ETH" if family == "inverse_eth" else "BTC"
    lot = float(LOTS.get(asset.key, 100 if linear else 1)) if family != "inverse" else 100.0
    symbol = f"{base}USDT" if linear else f"{base}USD_ETH" if family == "inverse_eth" else f"{base}USD"
    contract = 1 / per_coin if linear else 1.0
    if family == "quanto":  # 100 satoshi a dollar of price; to the market as many dollars as that was at the start
        contract = 100e-8 * asset.price * ASSET_BY_KEY["BTC"].price
    return Listing(
        exchange="bitmex",
        exchange_symbol=f"{base}{expiry}" if expiry else symbol,
        asset=asset,
        base=base,
        quote="USDT" if linear else "USD",
        settle=settle,
        kind="linear" if linear else "inverse" if family != "quanto" else "quanto",
        unit=unit,
        contract=contract,
        tick=tick,
        price_decimals=price_decimals,
        lot=lot,
        size_decimals=0,
        funding_interval_h=8,
        host="FFCCSX" if expiry else "FFSCSX" if asset.asset_class in ("equity", "commodity") else "FFWCSX",
        perpetual=not expiry,
        expiry=expiry,
        extra={"per_coin": per_coin, "root": asset.ticker if asset.key != "BTC" else "XBT"},
    )


def bitmex_listings(instruments: int, seed: int) -> list[Listing]:
    """All listings: up to LARGEST live perpetuals, spares, ones in other states, and a dated one."""
    regular = [
        _listing(asset, "linear") for asset in listed_assets(position("bitmex"), NAMES) if asset.key not in UNITS
    ]
    special = interleave(
        [_listing(ASSET_BY_KEY["BTC"], "inverse"), _listing(ASSET_BY_KEY["ETH"], "inverse_eth")],
        [_listing(asset, "quanto") for asset in assets(QUANTO)],
        [_listing(asset, "linear") for asset in (*assets(TRADFI), *(ASSET_BY_KEY[key] for key in UNITS))],
    )
    rows = arrange(regular, special, min(instruments, LARGEST))
    for keys, status in ((PAUSED, HALTED), (DELISTED, CLOSED), (UNLISTED_YET, PRELAUNCH)):
        for asset in assets(keys):
            row = _listing(asset, "linear")
            row.status = status
            rows.append(row)
    delivery = quarter_end()
    code = f"{MONTH_CODES[delivery.tm_mon - 1]}{delivery.tm_year % 100:02}"
    dated = _listing(ASSET_BY_KEY["BTC"], "inverse", expiry=code)
    dated.delivery_ms = calendar.timegm(delivery) * 1000
    rows.append(dated)
    return finish(rows)
