"""What Gate.io lists: prices per single coin, the bundle in the contract value. Source: dossier of October 2026."""

from simulator.assets import Asset
from simulator.exchanges.registry import position
from simulator.universe import (
    CLOSED,
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
    spellings,
    tick_for,
)

MILLIONS = "M"  # the one prefix: MBABYDOGE is quoted for a million coins
DELISTED, PAUSED, COMING = "AKRO", "LOOM", "VIC"
NAMES = spellings(
    prefixed={MILLIONS: "BABYDOGE"},
    renamed="BEAM:BEAMX BROCCOLI714:BROCCOLI SPX6900:SPX",
    absent=f"BTT TOSHI APU BEER TAG IQ50 STARL QUBIC BOB ON BB QNT {DELISTED} {PAUSED} {COMING}",
)
OTHER = "XAU ON.SHARE OPENAI TSLA XAG NVDA ANTHROPIC COIN MSTR CRCL XPT BZ EURUSD AAPL AMZN META HOOD SPY BB.SHARE"
CONTRACT_TYPES = {
    "crypto": "",
    "equity": "stocks",
    "preipo": "stocks",
    "index": "indices",
    "commodity": "metals",
    "fx": "forex",
}
METALS = ("XAU", "XAG", "XPT")
CONTRACT_VALUES = {"BTC": 0.0001, "ETH": 0.01, "SOL": 1.0, "PEPE": 1e7}
DECIMAL = ("ETH", "SOL", "XRP", "TRX", "PEPE")  # traded in tenths of a contract


def _contract_value(asset: Asset, unit: float) -> float:
    """Price units per contract: a power of ten worth 3 to 30 USDT, except for the old majors."""
    if asset.key in CONTRACT_VALUES:
        return CONTRACT_VALUES[asset.key]
    value, price = 1.0, asset.price * unit
    while value * price < 3:
        value *= 10
    while value * price >= 30:
        value /= 10
    return value


def _listing(asset: Asset, seed: int, *, settle: str = "usdt") -> Listing:
    base = NAMES.get(asset.key) or asset.ticker
    inverse = settle == "btc"
    unit = 1e6 if base == f"{MILLIONS}{asset.ticker}" else 1.0
    tick, price_decimals = tick_for(asset.price * unit, asset.rank)
    decimal = asset.key in DECIMAL and not inverse
    lot = 0.1 if decimal else 1.0
    kind = "metals" if asset.key in METALS else CONTRACT_TYPES[asset.asset_class]
    return Listing(
        exchange="gate",
        exchange_symbol=f"{base}_{'USD' if inverse else 'USDT'}",
        asset=asset,
        base=base,
        quote="USD" if inverse else "USDT",
        settle="BTC" if inverse else "USDT",
        kind="inverse" if inverse else "linear",
        unit=unit,
        contract=1.0 if inverse else _contract_value(asset, unit),
        tick=tick,
        price_decimals=price_decimals,
        lot=lot,
        size_decimals=decimals_of(lot),
        funding_interval_h=8 if inverse else funding_interval_h("gate", asset, seed),
        host=settle,
        extra={
            "decimal": decimal,
            "contract_type": "commodities" if kind == "metals" and asset.key not in METALS else kind,
            "pre_market": asset.asset_class == "preipo",
        },
    )


def gate_listings(instruments: int, seed: int) -> list[Listing]:
    """All listings: `instruments` live contracts, spares, and one each that is paused, gone or about to come."""
    regular = [_listing(asset, seed) for asset in listed_assets(position("gate"), NAMES)]
    inverse = [_listing(asset, seed, settle="btc") for asset in assets("BTC")]
    rows = arrange(regular, interleave(inverse, [_listing(asset, seed) for asset in assets(OTHER)]), instruments)
    for keys, status in ((PAUSED, HALTED), (DELISTED, CLOSED), (COMING, PRELAUNCH)):
        for asset in assets(keys):
            row = _listing(asset, seed)
            row.status = status
            rows.append(row)
    return finish(rows)
