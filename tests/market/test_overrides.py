"""Overrides: what each kind does to a listing, which entry holds, and what a wrong file is told."""

import pytest

from market.models import AssetClass, Instrument, Pairing, Status
from market.overrides import BadOverride, Change, Overrides, apply_overrides, differences, parse_overrides

EXCHANGES = ("binance", "okx", "hyperliquid")
WHO = 'author = "mk"\ndate = 2026-09-05\nreason = "seen in prices"\n'


def listing(exchange_symbol: str, base: str, **changed: object) -> Instrument:
    """A linear contract of 10 coins, priced per coin, quoted in USDT."""
    values: dict[str, object] = {
        "exchange": "okx",
        "exchange_symbol": exchange_symbol,
        "symbol": f"{base}-USDT",
        "base": base,
        "quote": "USDT",
        "settle": "USDT",
        "kind": "linear",
        "multiplier": 1.0,
        "contract_multiplier": 10.0,
        "tick_size": 0.5,
        "lot_size": 20.0,
        "min_notional": 5.0,
        "funding_interval_h": 8.0,
        "status": Status.TRADING,
        "listed_time": None,
        "taker_fee_bps": 5.0,
        "maker_fee_bps": 2.0,
        "extra": {"index": f"{base}-USDT"},
    }
    return Instrument(**(values | changed))  # type: ignore[arg-type]


BB = listing("BB-USDT-SWAP", "BB")
QNT = listing("QNT-USDT-SWAP", "QNT")
ROWS = [BB, QNT]


def read(*entries: str) -> Overrides:
    """Overrides of entries like 'deny exchange_symbol = "X"', signed by somebody."""
    text = ""
    for entry in entries:
        kind, _, fields = entry.partition(" ")
        exchange = "" if "exchange =" in fields else 'exchange = "okx"\n'
        text += f"[[{kind}]]\n{exchange}{fields}\n{WHO}"
    return parse_overrides(text, "overrides.toml", EXCHANGES)


# -- what each kind does


def test_without_entries_listings_stay_as_they_are():
    assert apply_overrides(ROWS, Overrides()) == (ROWS, [])
    assert len(parse_overrides("", "overrides.toml", EXCHANGES)) == 0


def test_deny_takes_a_listing_out_of_pairs_and_says_why():
    (bb, qnt), notes = apply_overrides(ROWS, read('deny exchange_symbol = "BB-USDT-SWAP"'))

    assert bb.pairing is Pairing.DENY
    assert bb.extra == {"index": "BB-USDT", "override": "deny by mk, 2026-09-05: seen in prices"}
    assert qnt is QNT
    assert notes == []


def test_allow_lifts_a_denial_of_the_tables():
    denied = listing("BB-USDT-SWAP", "BB", pairing=Pairing.DENY)
    (bb,), _ = apply_overrides([denied], read('allow exchange_symbol = "BB-USDT-SWAP"'))

    assert bb.pairing is Pairing.OK


def test_a_quanto_contract_cannot_be_allowed():
    quanto = listing("ETHUSD", "ETH", kind="quanto", pairing=Pairing.EXCLUDE)
    (row,), (note,) = apply_overrides([quanto], read('allow base = "ETH"'))

    assert row.pairing is Pairing.EXCLUDE
    assert note.text == "[[allow]] entry 1: ETHUSD is a quanto contract and cannot be paired"


def test_rename_gives_a_new_base_and_the_symbol_that_follows_from_it():
    rows = [
        listing("SPX-USDT-SWAP", "SPX"),
        listing("SPX-USD-SWAP", "SPX", symbol="SPX-USD", quote="USD", settle="SPX", kind="inverse"),
        listing("SPX-EQ", "SPX", symbol="SPX.EQ-USDT", asset_class=AssetClass.EQUITY),
    ]
    found, _ = apply_overrides(rows, read('rename base = "SPX"\nnew_base = "SPX6900"'))

    assert [row.symbol for row in found] == ["SPX6900-USDT", "SPX6900-USD", "SPX6900.EQ-USDT"]
    assert {row.base for row in found} == {"SPX6900"}


def test_rename_keeps_the_currency_that_prices_are_compared_in():
    """Hyperliquid pays in USDC on an oracle in USDT."""
    row = listing("kNEIRO", "NEIROCTO", exchange="hyperliquid", symbol="NEIROCTO-USDT", quote="USDC", settle="USDC")
    (found,), _ = apply_overrides(
        [row], read('rename exchange = "hyperliquid"\nexchange_symbol = "kNEIRO"\nnew_base = "NEIROETH"')
    )

    assert (found.symbol, found.quote) == ("NEIROETH-USDT", "USDC")


def test_rename_to_a_symbol_takes_it_as_it_is():
    (bb, _), _ = apply_overrides(ROWS, read('rename exchange_symbol = "BB-USDT-SWAP"\nnew_symbol = "BB.EQ-USDC"'))

    assert (bb.symbol, bb.base, bb.quote) == ("BB.EQ-USDC", "BB", "USDT")


def test_factor_changes_every_figure_that_was_converted_by_the_multiplier():
    """A tenth is quoted: a tick of 0.5 is 5 for a whole coin, a contract of 10 quoted coins is one whole coin."""
    (bb, _), _ = apply_overrides(ROWS, read('factor exchange_symbol = "BB-USDT-SWAP"\nfactor = 0.1'))

    assert (bb.multiplier, bb.tick_size) == pytest.approx((0.1, 5.0))
    assert (bb.contract_multiplier, bb.lot_size) == pytest.approx((1.0, 2.0))
    assert bb.min_notional == 5.0


def test_factor_leaves_what_an_inverse_contract_counts_in_quote_currency():
    row = listing("BB-USD-SWAP", "BB", kind="inverse", contract_multiplier=100.0, lot_size=100.0)
    (found,), _ = apply_overrides([row], read('factor base = "BB"\nfactor = 1000'))

    assert (found.multiplier, found.tick_size) == pytest.approx((1_000.0, 0.0005))
    assert (found.contract_multiplier, found.lot_size) == (100.0, 100.0)


def test_a_listing_may_be_renamed_rescaled_and_allowed_at_once():
    (bb, _), _ = apply_overrides(
        ROWS, read('rename base = "BB"\nnew_base = "CC"', 'factor base = "BB"\nfactor = 10', 'allow base = "BB"')
    )

    assert (bb.symbol, bb.multiplier, bb.pairing) == ("CC-USDT", 10.0, Pairing.OK)
    assert bb.extra["override"].count("; ") == 2


def test_an_entry_for_a_listing_goes_before_one_for_its_base():
    rows = [BB, listing("BB-USDC-SWAP", "BB", symbol="BB-USDC", quote="USDC")]
    found, _ = apply_overrides(rows, read('deny base = "BB"', 'allow exchange_symbol = "BB-USDC-SWAP"'))

    assert [row.pairing for row in found] == [Pairing.DENY, Pairing.OK]


def test_two_listings_of_one_symbol_after_a_rename_are_both_left_out():
    found, (note,) = apply_overrides(ROWS, read('rename exchange_symbol = "BB-USDT-SWAP"\nnew_base = "QNT"'))

    assert found == []
    assert note.error
    assert (note.exchange, note.text) == (
        "okx", "okx lists QNT-USDT twice, as BB-USDT-SWAP and QNT-USDT-SWAP: none of them is used"
    )  # fmt: skip


def test_an_entry_that_matches_nothing_is_noted_where_the_exchange_is_here():
    overrides = read('deny exchange_symbol = "NO-SUCH"', 'deny exchange = "binance"\nbase = "BB"')
    _, notes = apply_overrides(ROWS, overrides)

    assert [note.text for note in notes] == ["[[deny]] entry 1 matches no listing: exchange_symbol is 'NO-SUCH'"]


def test_differences_name_symbol_pairing_and_multiplier():
    overrides = read(
        'deny base = "QNT"', 'rename base = "BB"\nnew_base = "CC"', 'factor base = "BB"\nfactor = 10'
    )  # fmt: skip
    after, _ = apply_overrides(ROWS, overrides)

    assert differences(ROWS, after) == [
        Change("okx", "BB-USDT-SWAP", "CC-USDT", "symbol", "BB-USDT", "CC-USDT"),
        Change("okx", "BB-USDT-SWAP", "CC-USDT", "multiplier", 1.0, 10.0),
        Change("okx", "QNT-USDT-SWAP", "QNT-USDT", "pairing", "ok", "deny"),
    ]
    assert differences(ROWS, [BB]) == [Change("okx", "QNT-USDT-SWAP", "QNT-USDT", "symbol", "QNT-USDT", None)]
    assert differences(after, after) == []


# -- wrong files

GOOD = f'exchange = "okx"\nexchange_symbol = "BB-USDT-SWAP"\n{WHO}'
WRONG = {
    "[[deny]\n": "the override file 'overrides.toml' is not valid TOML",
    f"[[denny]]\n{GOOD}": "has entries named 'denny'; there are allow, deny, rename, factor",
    f"[deny]\n{GOOD}": "entries of 'deny' are written as tables, each under [[deny]]",
    f"[[deny]]\n{GOOD}[[deny]]\n{WHO}": "[[deny]] entry 2: field 'exchange' is missing",
    f"[[deny]]\n{GOOD}wen = 1": "[[deny]] entry 1: there is no field 'wen'",
    f"[[deny]]\n{GOOD}factor = 2.0": "there is no field 'factor'",
    f"[[deny]]\n{GOOD.replace('okx', 'okex')}": "field 'exchange' is 'okex'; there are binance, okx",
    f"[[deny]]\n{GOOD.replace('exchange_symbol', 'base')}exchange_symbol = 'X'": "one of them is needed, 2 are given",
    f"[[deny]]\nexchange = 'okx'\n{WHO}": "fields 'exchange_symbol' and 'base': one of them is needed, 0 are given",
    "[[deny]]\nexchange = 'okx'\nbase = 'BB'\ndate = 2026-09-05\nreason = 'x'": "field 'author' is missing",
    "[[deny]]\nexchange = 'okx'\nbase = 'BB'\nauthor = 'mk'\nreason = 'x'": "field 'date' is missing",
    "[[deny]]\nexchange = 'okx'\nbase = 'BB'\nauthor = 'mk'\ndate = 2026-09-05": "field 'reason' is missing",
    f"[[deny]]\n{GOOD.replace('2026-09-05', '20')}": "field 'date' is 20; it must be a date such as 2026-09-05",
    f"[[deny]]\n{GOOD.replace('2026-09-05', repr('05.09.26'))}": "field 'date' is '05.09.26'",
    f"[[deny]]\n{GOOD.replace('seen in prices', ' ')}": "field 'reason' is ' '; it must be a text that is not empty",
    f"[[deny]]\n{GOOD.replace('BB-USDT-SWAP', 'A' * 201)}": "must be one line of at most 200 characters",
    f"[[rename]]\n{GOOD}": "fields 'new_base' and 'new_symbol': one of them is needed, 0 are given",
    f"[[rename]]\n{GOOD}new_base = 'A:B'": "field 'new_base' is 'A:B', which cannot be one",
    f"[[rename]]\n{GOOD}new_symbol = 'BTCUSDT'": "field 'new_symbol' is 'BTCUSDT', which cannot be one",
    f"[[factor]]\n{GOOD}": "field 'factor' is missing",
    f"[[factor]]\n{GOOD}factor = 0": "field 'factor' is 0; it must be a number above 0",
    f"[[factor]]\n{GOOD}factor = nan": "it must be a number above 0",
    f"[[factor]]\n{GOOD}factor = true": "it must be a number above 0",
    f"[[deny]]\n{GOOD}[[allow]]\n{GOOD}": "field 'exchange_symbol' names the same listing as [[deny]] entry 1",
}


@pytest.mark.parametrize(("text", "told"), WRONG.items())
def test_what_is_wrong_is_told_in_one_sentence(text, told):
    with pytest.raises(BadOverride) as caught:
        parse_overrides(text, "overrides.toml", EXCHANGES)
    sentence = str(caught.value)
    assert told in sentence
    assert sentence.startswith("the override file 'overrides.toml'")
    assert "\n" not in sentence
