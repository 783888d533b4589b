"""What KuCoin lists: sizes in lots, XBT for Bitcoin, some names bundled. Source: KuCoin dossier of October 2026."""

import calendar

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
    quarter_end,
    spellings,
    split_multiplier,
    tick_for,
)

CLOSED_ASSETS, PRE_MARKET_ASSETS = "DAR VOXEL", "OPENAI"
# The base is written in Latin letters; the name itself is in a field of its own.
LATIN_NAMES = {"币安人生": "BIANRENSHENG"}
NAMES = spellings(
    prefixed={
        "1000": "BONK RATS X CHEEMS",
        "10000": "SATS CAT COQ LADYS WEN",
        "1000000": "MOG",
        "1M": "BABYDOGE",
    },
    renamed="BTC:XBT ACT:ACTSOL RED:REDSTONE LAYER:SOLAYER NEIROETH:NEIRO SPX6900:SPX",
    absent=f"WHY AIDOGE IQ50 币安人生 {CLOSED_ASSETS}",
)
USDC = "BTC ETH SOL XRP SUI"
INVERSE = "BTC ETH SOL XRP"
OTHER = "XAU 币安人生 TSLA XAG NVDA COIN MSTR CRCL AAPL AMZN META HOOD"
MONTH_CODES = {3: "H", 6: "M", 9: "U", 12: "Z"}


def _listing(asset: Asset, quote: str, seed: int) -> Listing:
    base = LATIN_NAMES.get(asset.key) or NAMES.get(asset.key) or asset.ticker
    inverse = quote == "USD"
    unit = split_multiplier(base, asset)
    price = asset.price * unit
    tick, price_decimals = tick_for(price, asset.rank)
    contract = 1.0 if inverse else lot_for(price, 0.001, 1_000_000.0)[0]
    if quote == "USDC":
        contract /= 10
    return Listing(
        exchange="kucoin",
        exchange_symbol=f"{base}{quote}M",
        asset=asset,
        base=base,
        quote=quote,
        settle=base if inverse else quote,
        kind="inverse" if inverse else "linear",
        unit=unit,
        contract=contract,
        tick=tick,
        price_decimals=price_decimals,
        lot=1.0,
        size_decimals=0,
        funding_interval_h=8 if inverse else funding_interval_h("kucoin", asset, seed),
        host="futures",
    )


def kucoin_listings(instruments: int, seed: int) -> list[Listing]:
    """All listings: `instruments` live perpetuals, spares, closed and pre-market ones, and dated inverse contracts."""
    regular = [_listing(asset, "USDT", seed) for asset in listed_assets(position("kucoin"), NAMES)]
    groups = (
        [_listing(asset, "USD", seed) for asset in assets(INVERSE)],
        [_listing(asset, "USDC", seed) for asset in assets(USDC)],
        [_listing(asset, "USDT", seed) for asset in assets(OTHER)],
    )
    rows = arrange(regular, interleave(*groups), instruments)
    for asset in assets(CLOSED_ASSETS):
        row = _listing(asset, "USDT", seed)
        row.status = CLOSED
        rows.append(row)
    for asset in assets(PRE_MARKET_ASSETS):
        row = _listing(asset, "USDT", seed)
        row.extra["stage"] = "PRE_MARKET"  # it trades, on an index made of its own price
        rows.append(row)
    for quarters_ahead in (0, 1):
        delivery = quarter_end(quarters_ahead)
        dated = _listing(ASSET_BY_KEY["BTC"], "USD", seed)
        dated.exchange_symbol = f"XBTM{MONTH_CODES[delivery.tm_mon]}{delivery.tm_year % 100:02}"
        dated.perpetual, dated.expiry = False, dated.exchange_symbol[4:]
        dated.delivery_ms = calendar.timegm(delivery) * 1000
        rows.append(dated)
    return finish(rows)
