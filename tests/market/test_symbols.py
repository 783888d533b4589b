"""Names, units and verdicts, above all by the worked examples that came with the venue notes."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from feeds.exchanges._fields import Contract
from market.models import AssetClass, Instrument, Kind, Pairing, Status
from market.symbols import (
    asset_class_of,
    canonical_symbol,
    clean_base,
    comparison_quote,
    drop_collisions,
    normalise,
    tradfi_class,
)

CASES = Path(__file__).parents[3] / "shared" / "venues" / "samples" / "symbols" / "cases.jsonl"
BASE_FIELDS = ("baseCoinName", "baseAsset", "baseCoin", "baseCurrency", "base_currency", "underlying", "name")
PAIRINGS = {
    "ok": Pairing.OK,
    "check": Pairing.CHECK,
    "deny": Pairing.DENY,
    "relay": Pairing.RELAY,
    "exclude": Pairing.EXCLUDE,
    "hide": Pairing.HIDE,
    # A factor corrects the unit; a share before its flotation stays hidden all the same (notes, section 8).
    "scale": Pairing.HIDE,
}
# Binance's own index: nobody else lists it, which the notes say in section 8 and the case does not.
VERDICTS_BY_HAND = {("binance", "BTCDOMUSDT"): Pairing.EXCLUDE}


def read_cases() -> list[dict[str, Any]]:
    if not CASES.exists():
        return []
    rows = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    # Rows to drop (spot, demo, delisted) never get here: the adapters leave them out of the listing.
    return [row for row in rows if row["verdict"] != "drop"]


def base_of(row: dict[str, Any]) -> str:
    """The field that each exchange's listing gives the base in, where the case names it."""
    raw = row["raw"]
    for field in BASE_FIELDS:
        if field in raw:
            return str(raw[field])
    if "uly" in raw:
        return str(raw["uly"]).partition("-")[0]
    if "displaySymbol" in raw:
        return str(raw["displaySymbol"]).partition(" / ")[0]
    return str(row["id"]).removeprefix("B-").rpartition("_")[0]


def contract(kind: Kind, unit: float, contract_multiplier: float) -> Contract:
    """What a decoder converts with: coins a quoted coin, and coins or quote currency a contract."""
    row = listed("AAAUSDT", "AAA-USDT", Status.TRADING)
    return Contract(replace(row, kind=kind, multiplier=unit, contract_multiplier=contract_multiplier))


def over(rows: list[dict[str, Any]]) -> pytest.MarkDecorator:
    missing = pytest.param({}, marks=pytest.mark.skip(reason="../shared/venues/samples is not there"))
    return pytest.mark.parametrize("row", rows or [missing], ids=lambda row: f"{row.get('venue')}-{row.get('id')}")


@over(read_cases())
@pytest.mark.recordings
def test_every_worked_example(row):
    asset_class = AssetClass(row["asset_class"].rstrip("?"))
    pre_market = row["raw"].get("status") == "PreLaunch"
    name = normalise(row["venue"], row["id"], base_of(row), asset_class, kind=row["kind"], pre_market=pre_market)

    assert name.asset == row["asset"]
    assert name.multiplier == pytest.approx(row["unit"])
    assert name.pairing is VERDICTS_BY_HAND.get((row["venue"], row["id"]), PAIRINGS[row["verdict"]])


@over([row for row in read_cases() if row["size"] is not None])
@pytest.mark.recordings
def test_the_arithmetic_of_every_worked_example(row):
    kind = "linear" if row["size_in"] == "base" else row["kind"]
    contract_multiplier = row["contract"] if kind == "inverse" else row["contract"] * row["unit"]
    coin_price, coins = contract(kind, row["unit"], contract_multiplier).side(row["price"], row["size"])

    assert coin_price == pytest.approx(row["price_per_coin"])
    assert coins == pytest.approx(row["base_qty"])
    assert coin_price * coins == pytest.approx(row["quote_notional"])


# Kind, coins a quoted coin, contract multiplier; price and size as quoted; price of a coin, coins and notional.
HAND_WORKED = [
    pytest.param("linear", 1, 0.01, "91467.1", "0.03", 91_467.1, 0.0003, 27.44, id="OKX, contracts of 0.01 BTC"),
    pytest.param("inverse", 1, 10, "427.84", "24", 427.84, 0.561, 240, id="Binance, contracts of 10 USD"),
    pytest.param("linear", 1e6, 1e6, "0.0013992", "8300", 1.3992e-9, 8.3e9, 11.61, id="Bybit, bundles of 1e6 coins"),
]


@pytest.mark.parametrize(("kind", "unit", "factor", "price", "size", "coin_price", "coins", "notional"), HAND_WORKED)
def test_sizes_by_hand(kind, unit, factor, price, size, coin_price, coins, notional):
    side = contract(kind, unit, factor).side(price, size)

    assert side == (pytest.approx(coin_price), pytest.approx(coins, rel=1e-3))
    assert side[0] * side[1] == pytest.approx(notional, abs=0.005)


@pytest.mark.parametrize(
    "base",
    [
        *("1INCH", "0G", "2Z", "4", "A2Z", "C98", "API3", "H100", "NAS100", "BROCCOLI714", "AI16Z", "1CAT", "1DOLLAR"),
        *("G7", "MDOGS", "MOG", "MEW", "MOODENGETH", "NEIROETH", "CATTON", "BANANAS31", "HPOS10I", "1M", "100X"),
        "SATS1000",
    ],
)
def test_digits_and_letters_that_are_part_of_a_name(base):
    name = normalise("gate", f"{base}_USDT", base)

    assert (name.asset, name.multiplier) == (base, 1.0)


@pytest.mark.parametrize(
    ("exchange", "base", "asset", "multiplier"),
    [
        ("bybit", "1000IQ50", "IQ50", 1e3),
        ("binance", "1000LUNC", "LUNC", 1e3),
        ("bitget", "LUNA2", "LUNA", 1.0),
        ("bitget", "1MCHEEMS", "CHEEMS", 1e6),
        ("bitget", "1MNEWCOIN", "1MNEWCOIN", 1.0),
        ("hyperliquid", "kBONK", "BONK", 1e3),
        ("hyperliquid", "KAITO", "KAITO", 1.0),
        ("binance", "KBONK", "KBONK", 1.0),
        ("binance", "MATIC", "POL", 1.0),
        ("bybit", "FTM", "S", 1.0),
        ("kucoin", "NEIRO", "NEIROETH", 1.0),
        ("okx", "NEIRO", "NEIROCTO", 1.0),
        ("phemex", "1000 PEPE", "PEPE", 1e3),
        ("coindcx", "RAYSOL", "RAY", 1.0),
    ],
)
def test_units_and_aliases(exchange, base, asset, multiplier):
    name = normalise(exchange, "", base)

    assert (name.asset, name.multiplier) == (asset, multiplier)


def test_an_unlisted_million_prefix_waits_for_the_price_check():
    assert normalise("bitget", "", "1MNEWCOIN").pairing is Pairing.CHECK


def test_coin_aliases_leave_shares_alone():
    """SPX is the coin SPX6900 everywhere, but a share or index of that ticker is not."""
    assert normalise("bitget", "SPXUSDT", "SPX", AssetClass.CRYPTO).asset == "SPX6900"
    assert normalise("bitget", "SPXUSDT", "SPX", AssetClass.INDEX).asset == "SPX"


def test_altlayer_is_not_binances_index_of_altcoins():
    assert normalise("binance", "ALTUSDT", "ALT", AssetClass.CRYPTO).pairing is Pairing.OK
    assert normalise("binance", "ALTUSDT", "ALT", AssetClass.INDEX).pairing is Pairing.EXCLUDE


def test_a_builder_market_loses_its_prefix_but_is_checked():
    assert clean_base("hyperliquid", "xyz:GOLD") == "GOLD"
    name = normalise("hyperliquid", "xyz:GOLD", "xyz:GOLD", AssetClass.COMMODITY)
    assert (name.asset, name.pairing) == ("XAU", Pairing.CHECK)


def test_hyperliquid_prices_are_usdt_prices_but_for_two():
    assert comparison_quote("hyperliquid", "BTC", "USDC") == "USDT"
    assert comparison_quote("hyperliquid", "HYPE", "USDC") == "USDC"
    assert comparison_quote("hyperliquid", "xyz:TSLA", "USDC") == "USDC"
    assert comparison_quote("bybit", "BTCPERP", "USDC") == "USDC"


def test_classes_by_name_and_by_table():
    assert tradfi_class("XAU") is AssetClass.COMMODITY
    assert tradfi_class("TSLA") is AssetClass.EQUITY
    assert asset_class_of("binance", "CATUSDT", AssetClass.CRYPTO) is AssetClass.EQUITY
    assert asset_class_of("binance", "BTCUSDT", AssetClass.CRYPTO) is AssetClass.CRYPTO


@pytest.mark.parametrize(
    ("asset", "quote", "kind", "asset_class", "settle", "symbol"),
    [
        ("BTC", "USDT", "linear", AssetClass.CRYPTO, "USDT", "BTC-USDT"),
        ("BTC", "USD", "inverse", AssetClass.CRYPTO, "BTC", "BTC-USD"),
        ("BTC", "USD", "linear", AssetClass.CRYPTO, "USD", "BTC-USD_UM"),
        ("ETH", "USD", "quanto", AssetClass.CRYPTO, "BTC", "ETH-USD_QUANTO"),
        ("ON", "USDT", "linear", AssetClass.EQUITY, "USDT", "ON.EQ-USDT"),
        ("OPENAI", "USDT", "linear", AssetClass.PREIPO, "USDT", "OPENAI.PRE-USDT"),
        ("XAU", "USDT", "linear", AssetClass.COMMODITY, "USDT", "XAU-USDT"),
    ],
)
def test_canonical_symbols_keep_different_contracts_apart(asset, quote, kind, asset_class, settle, symbol):
    assert canonical_symbol(asset, quote, kind, asset_class, settle) == symbol


def listed(exchange_symbol: str, symbol: str, status: Status, listed_time: float = 0.0) -> Instrument:
    return Instrument(
        exchange="binance",
        exchange_symbol=exchange_symbol,
        symbol=symbol,
        base=symbol.partition("-")[0],
        quote="USDT",
        settle="USDT",
        kind="linear",
        multiplier=1.0,
        contract_multiplier=1.0,
        tick_size=None,
        lot_size=None,
        min_notional=None,
        funding_interval_h=8.0,
        status=status,
        listed_time=listed_time,
        taker_fee_bps=5.0,
        maker_fee_bps=2.0,
    )


def test_two_trading_listings_of_one_symbol_are_both_left_out_and_named():
    kept, errors = drop_collisions(
        [
            listed("CATUSDT", "CAT-USDT", Status.TRADING),
            listed("BTCUSDT", "BTC-USDT", Status.TRADING),
            listed("1000CATUSDT", "CAT-USDT", Status.TRADING),
        ]
    )

    assert [instrument.exchange_symbol for instrument in kept] == ["BTCUSDT"]
    assert len(errors) == 1
    assert "CATUSDT and 1000CATUSDT" in errors[0]


def test_the_trading_one_of_an_old_and_a_new_name_stays():
    kept, errors = drop_collisions(
        [listed("MATICUSDT", "POL-USDT", Status.HALTED), listed("POLUSDT", "POL-USDT", Status.TRADING)]
    )

    assert [instrument.exchange_symbol for instrument in kept] == ["POLUSDT"]
    assert errors == []


def test_of_two_that_do_not_trade_the_newer_stays():
    kept, errors = drop_collisions(
        [listed("POLUSDT", "POL-USDT", Status.HALTED, 2.0), listed("MATICUSDT", "POL-USDT", Status.CLOSED, 1.0)]
    )

    assert [instrument.exchange_symbol for instrument in kept] == ["POLUSDT"]
    assert errors == []
