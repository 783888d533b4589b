"""What Hyperliquid lists: coins by their names, small ones by the thousand. Source: dossier of October 2026."""

import math

from simulator.assets import Asset
from simulator.exchanges.registry import position
from simulator.universe import (
    CLOSED,
    Listing,
    arrange,
    assets,
    decimals_of,
    finish,
    listed_assets,
    lot_for,
    spellings,
)

MOST = 178  # live contracts of the main market in 2026-09
THOUSANDS = "PEPE SHIB BONK LUNC FLOKI NEIROCTO"
NAMES = spellings(
    prefixed={"k": "PEPE SHIB BONK LUNC FLOKI"}, renamed="NEIROCTO:kNEIRO SPX6900:SPX", absent="PAXG XAUT"
)
GONE = "MKR LOOM"  # delisted rows stay in the list for ever
USDC_ORACLES = ("HYPE",)  # the price of all others is in USDT
PRICE_DECIMALS, PRICE_FIGURES, LEAST_PRICE = 6, 5, 1e-3


def _listing(asset: Asset) -> Listing:
    unit = 1_000.0 if asset.key in THOUSANDS.split() else 1.0
    price = asset.price * unit
    lot, size_decimals = lot_for(price, 1e-5, 1.0)
    figures = math.floor(math.log10(price)) + 1 - PRICE_FIGURES
    tick = max(10.0 ** (size_decimals - PRICE_DECIMALS), min(1.0, 10.0**figures))
    return Listing(
        exchange="hyperliquid",
        exchange_symbol=NAMES.get(asset.key) or asset.ticker,
        asset=asset,
        base=NAMES.get(asset.key) or asset.ticker,
        quote="USDC" if asset.key in USDC_ORACLES else "USDT",
        settle="USDC",
        kind="linear",
        unit=unit,
        contract=1.0,
        tick=tick,
        price_decimals=decimals_of(tick),
        lot=lot,
        size_decimals=size_decimals,
        funding_interval_h=1,
        host="main",
    )


def hyperliquid_listings(instruments: int) -> list[Listing]:
    """All listings: up to `instruments` live contracts, spares, and delisted ones."""
    gone = assets(GONE)
    offered = [_listing(asset) for asset in listed_assets(position("hyperliquid"), NAMES) if asset not in gone]
    # Six decimals are too few for what is cheaper.
    rows = arrange([row for row in offered if row.start_price > LEAST_PRICE], [], min(instruments, MOST))
    for asset in gone:
        row = _listing(asset)
        row.status = CLOSED
        rows.append(row)
    return finish(rows)
