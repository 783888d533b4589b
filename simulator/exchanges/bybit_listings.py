"""What Bybit lists: multipliers inside the base coin, SHIB1000 with a suffix. Source: Bybit dossier of August 2026."""

import calendar
import time

from simulator.assets import ASSET_BY_KEY, Asset
from simulator.exchanges.registry import position
from simulator.universe import (
    CLOSED,
    PRELAUNCH,
    Listing,
    arrange,
    assets,
    finish,
    funding_interval_h,
    interleave,
    listed_assets,
    lot_for,
    quarter_end,
    spellings,
    split_multiplier,
    tick_for,
)

CLOSED_ASSETS, PRELAUNCH_ASSETS = "DAR VOXEL", "OPENAI"
NAMES = spellings(
    prefixed={
        "1000": "PEPE BONK FLOKI LUNC XEC RATS TURBO TOSHI BTT CAT X NEIROCTO APU BEER TAG IQ50",
        "10000": "SATS LADYS NFT COQ WEN STARL QUBIC ELON",
        "1000000": "MOG BABYDOGE CHEEMS BOB",
        "10000000": "AIDOGE",
    },
    renamed="SHIB:SHIB1000 RAY:RAYDIUM RON:RONIN LUNA:LUNA2 SPX6900:SPX",
    absent=f"WHY ON 币安人生 {CLOSED_ASSETS}",
)
USDC = "BTC ETH SOL XRP DOGE BNB ADA LINK AVAX SUI LTC NEAR PEPE SHIB WLD"
INVERSE = "BTC ETH XRP SOL DOGE ADA LTC LINK DOT AVAX"
OTHER = "XAU ON.SHARE TSLA XAG NVDA COIN MSTR CRCL AAPL"


def _listing(asset: Asset, quote: str, seed: int, *, host: str = "linear", expiry: str = "") -> Listing:
    base = NAMES.get(asset.key) or asset.ticker
    inverse = host == "inverse"
    unit = split_multiplier(base, asset)
    price = asset.price * unit
    tick, price_decimals = tick_for(price, asset.rank)
    lot, size_decimals = (1.0, 0) if inverse else lot_for(price, 0.001, 100.0)
    symbol = f"{base}PERP" if quote == "USDC" else f"{base}{quote}"
    return Listing(
        exchange="bybit",
        exchange_symbol=f"{symbol}-{expiry}" if expiry else symbol,
        asset=asset,
        base=base,
        quote=quote,
        settle=base if inverse else quote,
        kind="inverse" if inverse else "linear",
        unit=unit,
        contract=1.0,
        tick=tick,
        price_decimals=price_decimals + (1 if asset.key == "BTC" else 0),
        lot=lot,
        size_decimals=size_decimals,
        funding_interval_h=8 if inverse else funding_interval_h("bybit", asset, seed),
        host=host,
        perpetual=not expiry,
        expiry=expiry,
    )


def bybit_listings(instruments: int, seed: int) -> list[Listing]:
    """All listings: `instruments` live perpetuals, spares, closed and pre-launch ones, and dated contracts."""
    regular = [_listing(asset, "USDT", seed) for asset in listed_assets(position("bybit"), NAMES)]
    groups = (
        [_listing(asset, "USD", seed, host="inverse") for asset in assets(INVERSE)],
        [_listing(asset, "USDC", seed) for asset in assets(USDC)],
        [_listing(asset, "USDT", seed) for asset in assets(OTHER)],
    )
    rows = arrange(regular, interleave(*groups), instruments)
    for keys, status in ((CLOSED_ASSETS, CLOSED), (PRELAUNCH_ASSETS, PRELAUNCH)):
        for asset in assets(keys):
            row = _listing(asset, "USDT", seed)
            row.status = status
            row.delivery_ms = 1_738_314_000_000 if status == CLOSED else 0
            rows.append(row)
    delivery = quarter_end()
    expiry = time.strftime("%d%b%y", delivery).upper()
    for key, quote, host in (("BTC", "USDT", "linear"), ("ETH", "USDT", "linear"), ("BTC", "USD", "inverse")):
        dated = _listing(ASSET_BY_KEY[key], quote, seed, host=host, expiry=expiry)
        dated.delivery_ms = calendar.timegm(delivery) * 1000
        rows.append(dated)
    return finish(rows)
