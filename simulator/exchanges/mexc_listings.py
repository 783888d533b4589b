"""What MEXC lists: bundles in names and in contract sizes, own spellings. Source: MEXC dossier of September 2026.

USD1 contracts are left out: the market model has no such currency.
"""

from collections.abc import Mapping

from simulator.assets import Asset
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
    spellings,
    tick_for,
)

CLOSED_ASSETS = "AKRO SYN"  # gone from the list, but still among the funding rates
NAMES = spellings(
    prefixed={
        "1000": "BONK RATS BTT APU IQ50",
        "10000": "COQ LADYS WEN STARL WHY",
        "100000": "AIDOGE",
        "1000000": "BABYDOGE MOG",
    },
    renamed="FIL:FILECOIN PUMP:PUMPFUN TRUMP:TRUMPOFFICIAL LUNA:LUNANEW BEAM:BEAMX TON:TONCOIN ZK:ZKSYNC SPX6900:SPX "
    "BROCCOLI714:BROCCOLI NVDA:NVIDIA TSLA:TESLA COIN:COINBASE AAPL:AAPLSTOCK",
    absent=f"ON BB QNT 币安人生 {CLOSED_ASSETS}",
)
# What `baseCoinName` says where it is not the base itself.
COMMON_NAMES: Mapping[str, str] = {
    "FILECOIN": "FIL",
    "PUMPFUN": "PUMP",
    "TRUMPOFFICIAL": "TRUMP",
    "TONCOIN": "TON",
    "ZKSYNC": "ZK",
    "NVIDIA": "NVDA",
    "TESLA": "TSLA",
    "COINBASE": "COIN",
}
USDC = "BTC ETH SOL XRP DOGE ADA LINK SUI LTC PEPE BONK"
INVERSE = "BTC ETH SOL XRP SUI DOGE ADA LTC AVAX LINK"
OTHER = "NVDA TSLA COIN AAPL"
CONTRACT_SIZES: Mapping[str, float] = {"BTC": 0.0001, "ETH": 0.01, "PEPE": 1e7, "SHIB": 1000.0, "BONK": 10_000.0}
INVERSE_SIZE, INVERSE_SIZE_BTC = 10.0, 100.0  # USD per contract


def _unit(base: str, asset: Asset) -> float:
    """Coins that the name bundles: 1000BONK is a thousand."""
    prefix = base.removesuffix(asset.ticker)
    return float(prefix) if base.endswith(asset.ticker) and len(prefix) > 3 and prefix.isdigit() else 1.0


def _contract_size(asset: Asset, unit: float) -> float:
    """What is named, per contract: a power of ten worth 1 to 10 USDT, except where it is known."""
    if asset.key in CONTRACT_SIZES:
        return CONTRACT_SIZES[asset.key]
    size = 1.0
    while size * unit * asset.price < 1:
        size *= 10
    while size * unit * asset.price >= 10:
        size /= 10
    return size


def _listing(asset: Asset, quote: str, seed: int) -> Listing:
    base = NAMES.get(asset.key) or asset.ticker
    inverse = quote == "USD"
    unit = _unit(base, asset)
    tick, price_decimals = tick_for(asset.price * unit, asset.rank)
    size = _contract_size(asset, unit)
    if inverse:
        size = INVERSE_SIZE_BTC if asset.key == "BTC" else INVERSE_SIZE
    return Listing(
        exchange="mexc",
        exchange_symbol=f"{base}_{quote}",
        asset=asset,
        base=base,
        quote=quote,
        settle=base if inverse else quote,
        kind="inverse" if inverse else "linear",
        unit=unit,
        contract=size,
        tick=tick,
        price_decimals=price_decimals,
        lot=1.0,
        size_decimals=0,
        funding_interval_h=8 if inverse else funding_interval_h("mexc", asset, seed),
        host="contract",
        extra={"name": COMMON_NAMES.get(base, base), "type": 2 if asset.asset_class == "equity" else 1},
    )


def mexc_listings(instruments: int, seed: int) -> list[Listing]:
    """All listings: `instruments` live perpetuals, spares, and contracts that are gone."""
    regular = [_listing(asset, "USDT", seed) for asset in listed_assets(position("mexc"), NAMES)]
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
    return finish(rows)
