"""What Deribit lists: perpetuals in USDC, two inverse ones, dated futures. Source: Deribit dossier of October 2026."""

import calendar
import time

from simulator.assets import ASSET_BY_KEY, Asset
from simulator.exchanges.registry import position
from simulator.universe import (
    CLOSED,
    Listing,
    arrange,
    assets,
    finish,
    interleave,
    listed_assets,
    lot_for,
    quarter_end,
    spellings,
    split_multiplier,
    tick_for,
)

CLOSED_ASSETS = "DAR"
NAMES = spellings(
    prefixed={"1000": "BONK MOG PEPE SHIB"},
    renamed="SPX6900:SPX XAU:GOLD",
    absent=f"USDC WHY FLOKI LUNC SATS RATS CAT X BABYDOGE CHEEMS XEC {CLOSED_ASSETS}",
)
COINS = 103  # of which six are kept back; the exchange has 97
INVERSE = "BTC ETH"
OTHER = "XAU NVDA TSLA COIN MSTR AAPL AMZN META HOOD CRCL SPY XAG XPT NATGAS"
PERPETUAL_COUNT = 131  # of September 2026
PERPETUAL_EXPIRY_MS = 32_503_708_800_000  # the year 3000


def _listing(asset: Asset, *, inverse: bool = False, expiry: str = "") -> Listing:
    base = NAMES.get(asset.key) or asset.ticker
    unit = split_multiplier(base, asset)
    price = asset.price * unit
    tick, price_decimals = tick_for(price, asset.rank)
    lot, size_decimals = lot_for(price, 0.0001, 1.0)
    if inverse:
        lot, size_decimals = (10.0 if asset.key == "BTC" else 1.0), 0
    return Listing(
        exchange="deribit",
        exchange_symbol=f"{base if inverse else f'{base}_USDC'}-{expiry or 'PERPETUAL'}",
        asset=asset,
        base=base,
        quote="USD" if inverse else "USDC",
        settle=base if inverse else "USDC",
        kind="inverse" if inverse else "linear",
        unit=unit,
        contract=1.0,  # sizes are coins, or dollars
        tick=tick,
        price_decimals=price_decimals,
        lot=lot,
        size_decimals=size_decimals,
        funding_interval_h=8,  # funding is continuous, and said as a rate per 8 h
        host="future",
        perpetual=not expiry,
        expiry=expiry,
        delivery_ms=0 if expiry else PERPETUAL_EXPIRY_MS,
    )


def deribit_listings(instruments: int, seed: int) -> list[Listing]:
    """All listings: live perpetuals, at most as many as there are, spares, an expired one, and dated futures."""
    regular = [_listing(asset) for asset in listed_assets(position("deribit"), NAMES)][:COINS]
    groups = (
        [_listing(asset, inverse=True) for asset in assets(INVERSE)],
        [_listing(asset) for asset in assets(OTHER)],
    )
    offered = len(regular) - 6 + sum(map(len, groups))
    rows = arrange(regular, interleave(*groups), min(instruments, offered, PERPETUAL_COUNT))
    for asset in assets(CLOSED_ASSETS):
        row = _listing(asset)
        row.status = CLOSED
        rows.append(row)
    delivery = quarter_end()
    expiry = time.strftime("%d%b%y", delivery).upper().lstrip("0")
    for key, inverse in (("BTC", True), ("ETH", True), ("BTC", False)):
        dated = _listing(ASSET_BY_KEY[key], inverse=inverse, expiry=expiry)
        dated.delivery_ms = calendar.timegm(delivery) * 1000
        rows.append(dated)
    return finish(rows)
