"""What Binance lists: names, multipliers, units. Sources: Binance dossier of October 2026, exchangeInfo."""

import calendar
import time

from simulator.assets import ASSET_BY_KEY, Asset
from simulator.exchanges.registry import position
from simulator.universe import (
    HALTED,
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

PERPETUAL_DELIVERY_MS = 4_133_404_800_000
SETTLING = "AMB LOOM KEY"
NAMES = spellings(
    prefixed={
        "1000": "PEPE SHIB BONK FLOKI LUNC XEC SATS RATS CAT CHEEMS X WHY",
        "1000000": "MOG BOB",
        "1M": "BABYDOGE",
    },
    renamed="NEIROCTO:NEIRO RAY:RAYSOL BEAM:BEAMX DODO:DODOX LUNA:LUNA2 SPX6900:SPX",
    absent=f"AIDOGE LADYS NFT BTT ELON COQ WEN TOSHI APU QUBIC STARL IQ50 TAG BEER 币安人生 {SETTLING}",
)
USDC = "BTC ETH SOL XRP DOGE BNB ADA LINK AVAX SUI LTC NEAR PEPE SHIB WLD"
INVERSE = "BTC ETH SOL XRP DOGE BNB ADA LINK AVAX LTC BCH TRX DOT FIL ETC"
OTHER = "XAU TSLA OPENAI BTCDOM 币安人生 CAT.SHARE XAG NVDA COIN MSTR XPT CRCL"


def _listing(asset: Asset, quote: str, seed: int, *, host: str = "um", expiry: str = "") -> Listing:
    base = NAMES.get(asset.key) or asset.ticker
    inverse = host == "cm"
    unit = split_multiplier(base, asset)
    price = asset.price * unit
    tick, price_decimals = tick_for(price, asset.rank)
    lot, size_decimals = (1.0, 0) if inverse else lot_for(price, 0.001, 1.0)
    pair = f"{base}{quote}"
    symbol = f"{pair}_{expiry}" if expiry else f"{pair}_PERP" if inverse else pair
    listing = Listing(
        exchange="binance",
        exchange_symbol=symbol,
        asset=asset,
        base=base,
        quote=quote,
        settle=base if inverse else quote,
        kind="inverse" if inverse else "linear",
        unit=unit,
        contract=(100.0 if asset.key == "BTC" else 10.0) if inverse else 1.0,
        tick=tick,
        price_decimals=price_decimals + (1 if asset.key == "BTC" and not inverse else 0),
        lot=lot,
        size_decimals=size_decimals,
        funding_interval_h=8 if inverse else funding_interval_h("binance", asset, seed),
        host=host,
        perpetual=not expiry,
        expiry=expiry,
        delivery_ms=PERPETUAL_DELIVERY_MS,
    )
    listing.extra.update(pair=pair, st=2 if inverse else 1, stream=symbol.lower())
    return listing


def binance_listings(instruments: int, seed: int) -> list[Listing]:
    """All listings: `instruments` live perpetuals, spares, settling ones and dated contracts."""
    regular = [_listing(asset, "USDT", seed) for asset in listed_assets(position("binance"), NAMES)]
    linear = [_listing(asset, "USDC", seed) for asset in assets(USDC)]
    inverse = [_listing(asset, "USD", seed, host="cm") for asset in assets(INVERSE)]
    other = [_listing(asset, "USDT", seed) for asset in assets(OTHER)]
    rows = arrange(regular, interleave(inverse, linear, other), instruments)
    for asset in assets(SETTLING):
        halted = _listing(asset, "USDT", seed)
        halted.status, halted.delivery_ms = HALTED, 1_738_314_000_000
        rows.append(halted)
    delivery = quarter_end()
    expiry = time.strftime("%y%m%d", delivery)
    for key, quote, host in (
        ("BTC", "USDT", "um"),
        ("ETH", "USDT", "um"),
        ("BTC", "USD", "cm"),
        ("ETH", "USD", "cm"),
    ):
        dated = _listing(ASSET_BY_KEY[key], quote, seed, host=host, expiry=expiry)
        dated.delivery_ms = calendar.timegm(delivery) * 1000
        rows.append(dated)
    return finish(rows)
