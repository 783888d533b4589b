"""What Phemex lists: few contracts, many delisted ones, bundles written `u1000PEPEUSDT`. Source: dossier, 2026-10."""

from itertools import islice

from simulator.assets import ASSET_BY_KEY, Asset
from simulator.exchanges.registry import position
from simulator.universe import (
    CLOSED,
    Listing,
    arrange,
    assets,
    finish,
    funding_interval_h,
    interleave,
    listed_assets,
    lot_for,
    spellings,
    split_multiplier,
    tick_for,
)

LINEAR, COIN = "v2", "v1"  # decimal strings; scaled integers
LARGEST = 134  # contracts listed on 2026-09-23
DELISTED = 60  # of 765
COIN_TICK = 1e-4  # what a price scale of 4 can write
BUNDLE = "1000"
NAMES = spellings(
    prefixed={BUNDLE: "PEPE SHIB BONK"},
    renamed="SPX6900:SPX",
    # What would need more decimals than a price has there.
    absent="FLOKI LUNC MOG CAT X BABYDOGE SATS RATS CHEEMS XEC WHY ON BB QNT USDC",
)
USDC = "BTC ETH AVAX LINK SUI ADA XRP SOL AAVE UNI"
INVERSE = "BTC ETH SOL XRP ADA SUI LINK AVAX"
TRADFI = "XAU XAG NATGAS TSLA NVDA SPY COIN AAPL MSTR AMZN META HOOD CRCL BZ XPT"
PRE_MARKET = "OPENAI ANTHROPIC"
ALIASES = {"NATGAS": "NG", "SPY": "SPYX"}  # natural gas, and a share token's spelling


def _listing(asset: Asset, quote: str, seed: int, *, host: str = LINEAR) -> Listing:
    spelt = ALIASES.get(asset.key) or NAMES.get(asset.key) or asset.ticker
    inverse = host == COIN
    unit = split_multiplier(spelt, asset)
    price = asset.price * unit
    tick, price_decimals = tick_for(price, asset.rank)
    lot, size_decimals = (1.0, 0) if inverse else lot_for(price, 0.001, 100.0)
    if inverse and tick < COIN_TICK:
        tick, price_decimals = COIN_TICK, 4
    prefix = "u" if unit != 1.0 else "c" if inverse and asset.key != "BTC" else ""
    kind_of = "PreMarket" if asset.asset_class == "preipo" else "Normal" if asset.asset_class == "crypto" else "TradFi"
    return Listing(
        exchange="phemex",
        exchange_symbol=f"{prefix}{spelt}{quote}",
        asset=asset,
        base=spelt.replace(BUNDLE, f"{BUNDLE} ") if unit != 1.0 else spelt,  # "1000 PEPE", with a space
        quote=quote,
        settle=spelt if inverse else quote,
        kind="inverse" if inverse else "linear",
        unit=unit,
        contract=1.0,
        tick=tick,
        price_decimals=price_decimals,
        lot=lot,
        size_decimals=size_decimals,
        funding_interval_h=8 if inverse else max(4, funding_interval_h("phemex", asset, seed)),
        host=host,
        extra={"type": kind_of},
    )


def phemex_listings(instruments: int, seed: int) -> list[Listing]:
    """All listings: at most `LARGEST` live perpetuals, spares, and delisted ones. There are no dated contracts."""
    regular = [_listing(asset, "USDT", seed) for asset in listed_assets(position("phemex"), NAMES)]
    groups = (
        [_listing(asset, "USD", seed, host=COIN) for asset in assets(INVERSE)],
        [_listing(asset, "USDC", seed) for asset in assets(USDC)],
        [_listing(ASSET_BY_KEY[key], "USDT", seed) for key in f"{TRADFI} {PRE_MARKET}".split()],
    )
    rows = arrange(regular, interleave(*groups), min(instruments, LARGEST))
    taken = {row.exchange_symbol for row in rows}
    for row in islice((row for row in reversed(regular) if row.exchange_symbol not in taken), DELISTED):
        row.status = CLOSED
        row.activity = 0.0
        rows.append(row)
    return finish(rows)
