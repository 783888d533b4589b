"""What Bitget lists: three product types, bundles in the base coin. Source: Bitget dossier of September 2026.

Sizes count coins in every family, coin-margined ones included. So the market model treats those as linear contracts
quoted in USD, and only the wire says what they are settled in.
"""

import calendar
import time

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
    funding_interval_h,
    interleave,
    listed_assets,
    lot_for,
    quarter_end,
    spellings,
    split_multiplier,
    tick_for,
)

USDT, USDC, COIN = FAMILIES = ("USDT-FUTURES", "USDC-FUTURES", "COIN-FUTURES")
MONTH_LETTERS = "FGHJKMNQUVXZ"
ENDING_ASSETS, ANNOUNCED_ASSETS = "AKRO SYN", "VIC"
NAMES = spellings(
    prefixed={
        "1000": "BONK SATS RATS XEC CAT",
        "10000": "WHY ELON",
        "1000000": "MOG",
        "1M": "BABYDOGE CHEEMS",
        "10000000": "AIDOGE",
    },
    renamed="TON:TONCOIN SPX6900:SPX BROCCOLI714:BROCCOLI",
    absent=f"ON BB QNT {ENDING_ASSETS} {ANNOUNCED_ASSETS}",
)
USDC_ASSETS = "BTC ETH SOL XRP DOGE BNB ADA LINK SUI LTC PEPE BONK AVAX"
COIN_ASSETS = "BTC ETH XRP SOL ADA DOGE LTC LINK SUI"
REAL_WORLD = "XAU TSLA XAG NVDA COIN MSTR CRCL AAPL SPY"


def _listing(asset: Asset, quote: str, seed: int, *, family: str, expiry: str = "") -> Listing:
    base = NAMES.get(asset.key) or asset.ticker
    unit = split_multiplier(base, asset)
    price = asset.price * unit
    tick, price_decimals = tick_for(price, asset.rank)
    lot, size_decimals = lot_for(price, 0.0001, 100.0)
    return Listing(
        exchange="bitget",
        exchange_symbol=f"{base}PERP" if family == USDC else f"{base}{quote}{expiry}",
        asset=asset,
        base=base,
        quote=quote,
        settle=base if family == COIN else quote,
        kind="linear",
        unit=unit,
        contract=1.0,
        tick=tick,
        price_decimals=price_decimals,
        lot=lot,
        size_decimals=size_decimals,
        funding_interval_h=8 if family == COIN else funding_interval_h("bitget", asset, seed),
        host=family,
        perpetual=not expiry,
        expiry=expiry,
        extra={"rwa": asset.asset_class != "crypto"},
    )


def bitget_listings(instruments: int, seed: int) -> list[Listing]:
    """All listings: `instruments` live perpetuals, spares, ended and announced ones, and dated contracts."""
    regular = [_listing(asset, "USDT", seed, family=USDT) for asset in listed_assets(position("bitget"), NAMES)]
    groups = (
        [_listing(asset, "USD", seed, family=COIN) for asset in assets(COIN_ASSETS)],
        [_listing(asset, "USDC", seed, family=USDC) for asset in assets(USDC_ASSETS)],
        [_listing(asset, "USDT", seed, family=USDT) for asset in assets(REAL_WORLD)],
    )
    rows = arrange(regular, interleave(*groups), instruments)
    for keys, status in ((ENDING_ASSETS, HALTED), (ANNOUNCED_ASSETS, PRELAUNCH)):
        for asset in assets(keys):
            row = _listing(asset, "USDT", seed, family=USDT)
            row.status = status
            rows.append(row)
    rows[-2].status = CLOSED  # one of the two that end is over, the other may only be closed
    for ahead in (0, 1):
        delivery = quarter_end(ahead)
        expiry = f"{MONTH_LETTERS[delivery.tm_mon - 1]}{time.strftime('%y', delivery)}"
        dated = _listing(ASSET_BY_KEY["BTC"], "USD", seed, family=COIN, expiry=expiry)
        dated.delivery_ms = calendar.timegm(delivery) * 1000
        rows.append(dated)
    return finish(rows)
