"""Fee schedules, and which of their rates a contract costs."""

import re
from itertools import pairwise

import pytest
from msgspec.structs import replace

from feeds.exchanges import load
from market.exchanges import EXCHANGES
from market.fees import SCHEDULES, FeeChoice, Fees, UnknownTier, fees_of, schedule_of, tier_names
from market.models import AssetClass, Instrument, Status
from tests.feeds.exchanges.conftest import SHARED, Recordings

NOTHING_CHOSEN = FeeChoice()

# Exchanges whose sample is a mapping of requests to listings; that of the others is one listing.
OF_MANY_LISTINGS = ("binance", "bybit", "okx", "bitget", "coindcx")


def contract(exchange: str, taker: float, maker: float, **other) -> Instrument:
    plain = Instrument(
        exchange=exchange,
        exchange_symbol="BTCUSDT",
        symbol="BTC-USDT",
        base="BTC",
        quote="USDT",
        settle="USDT",
        kind="linear",
        multiplier=1.0,
        contract_multiplier=1.0,
        tick_size=0.1,
        lot_size=0.001,
        min_notional=None,
        funding_interval_h=8.0,
        status=Status.TRADING,
        listed_time=None,
        taker_fee_bps=taker,
        maker_fee_bps=maker,
    )
    return replace(plain, **other)


BINANCE = contract("binance", 5.0, 2.0)
BYBIT = contract("bybit", 5.5, 2.0)
KUCOIN = contract("kucoin", 6.0, 2.0)


# -- the schedules ---------------------------------------------------------------------------------------------


def test_every_exchange_has_a_schedule_that_covers_whatever_it_lists():
    """A family of its own may have a table of its own, but nothing is left without one."""
    assert {schedule.exchange for schedule in SCHEDULES if schedule.family == "any"} == set(EXCHANGES)
    assert {schedule.exchange for schedule in SCHEDULES} == set(EXCHANGES)


def test_no_two_schedules_are_for_the_same_contracts():
    keys = [(schedule.exchange, schedule.family) for schedule in SCHEDULES]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: f"{s.exchange}-{s.family}")
class TestSchedule:
    def test_it_says_where_it_is_from_and_of_which_day(self, schedule):
        assert schedule.source.startswith("https://")
        assert schedule.as_of.year in (2025, 2026)

    def test_the_base_tier_is_the_dearest_and_every_ladder_falls(self, schedule):
        """Ladders are VIP 1, VIP 2... and Pro 1, Pro 2...: a Pro tier need not be cheaper than the last VIP one."""
        ladders: dict[str, list[tuple[float, float]]] = {}
        for tier in schedule.tiers:
            assert tier.taker_bps <= schedule.base.taker_bps
            assert tier.maker_bps <= schedule.base.maker_bps
            ladders.setdefault(re.sub(r"\d+$", "", tier.name), []).append((tier.taker_bps, tier.maker_bps))
        for rates in ladders.values():
            for before, after in pairwise(rates):
                assert after[0] <= before[0]
                assert after[1] <= before[1]

    def test_taking_never_costs_less_than_resting(self, schedule):
        assert all(tier.taker_bps >= tier.maker_bps for tier in schedule.tiers)
        assert all(tier.maker_bps >= -1.0 and 1.0 <= tier.taker_bps <= 11.0 for tier in schedule.tiers)

    def test_tiers_have_different_names(self, schedule):
        assert len({tier.name for tier in schedule.tiers}) == len(schedule.tiers)


def test_numbers_as_published():
    """One line of each table that has more than a base tier, in percent as printed: 0.0375 % is 3.75 bps."""
    lines = {
        ("binance", "usdt", "VIP 9"): (0.017, 0.0),
        ("bybit", "any", "VIP 2"): (0.0375, 0.016),
        ("bybit", "inverse", "Pro 6"): (0.018, 0.0),
        ("bybit", "innovation", "VIP 3"): (0.064, 0.026),
        ("bybit", "pre_market", "Supreme VIP"): (0.045, 0.0),
        ("okx", "any", "VIP4"): (0.027, 0.008),
        ("okx", "any", "VIP7"): (0.025, -0.002),
        ("kucoin", "any", "VIP 4"): (0.06, 0.008),
        ("kucoin", "any", "VIP 12"): (0.025, 0.0),
        ("deribit", "any", "VIP4"): (0.0185, -0.002),
        ("gate", "usdt", "VIP16"): (0.02, 0.0),
        ("gate", "tradfi", "VIP10"): (0.025, 0.008),
        ("bitget", "any", "VIP3"): (0.0375, 0.014),
        ("phemex", "any", "Pro 4"): (0.0325, 0.0),
        ("hyperliquid", "any", "Tier 3"): (0.03, 0.004),
    }
    schedules = {(schedule.exchange, schedule.family): schedule for schedule in SCHEDULES}
    assert {key[:2] for key in lines} == {key for key, schedule in schedules.items() if len(schedule.tiers) > 1}
    for (exchange, family, name), percent in lines.items():
        tier = schedules[exchange, family].tier(name)
        assert tier is not None
        assert (tier.taker_bps / 100, tier.maker_bps / 100) == pytest.approx(percent)


# -- which of them a contract is charged by --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instrument", "family"),
    [
        (BINANCE, "usdt"),
        (contract("binance", 5.0, 2.0, quote="USDC", settle="USDC"), "any"),
        (contract("binance", 5.0, 2.0, asset_class=AssetClass.COMMODITY), "any"),
        (contract("binance", 5.0, 2.0, kind="inverse", quote="USD", settle="BTC"), "any"),
        (BYBIT, "any"),
        (contract("bybit", 5.5, 2.0, quote="USDC", settle="USDC"), "any"),
        (contract("bybit", 5.5, 2.0, kind="inverse", quote="USD", settle="BTC"), "inverse"),
        (contract("bybit", 11.0, 4.0), "innovation"),
        (contract("bybit", 10.0, 4.0), "pre_market"),
        (contract("gate", 5.0, 2.0), "usdt"),
        (contract("gate", 5.0, 2.0, asset_class=AssetClass.EQUITY), "tradfi"),
        (contract("gate", 5.0, 2.0, quote="USD1", settle="USD1"), "any"),
        (contract("deribit", 3.5, 1.5, quote="USDC", settle="USDC"), "any"),
    ],
)
def test_a_contract_is_charged_by_the_schedule_of_its_family(instrument, family):
    assert schedule_of(instrument).family == family


def test_a_contract_that_states_other_rates_than_the_base_tier_has_no_schedule():
    assert schedule_of(contract("kucoin", 0.0, 0.0)) is None
    assert schedule_of(contract("kucoin", 3.0, 2.0)) is None
    assert schedule_of(contract("nowhere", 5.0, 2.0)) is None


def test_a_listed_rate_may_be_off_by_rounding():
    """0.059 % * 100 is 5.8999999999999995 bps."""
    assert schedule_of(contract("coindcx", 0.059 * 100, 0.0236 * 100)) is not None


@pytest.mark.recordings
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_recorded_listings_are_charged_by_the_schedules(exchange):
    """What adapters take where a listing states nothing is the base tier; recorded rows with rates of their own keep
    them: old rows of Deribit and BitMEX, commodities and an example of the documents at CoinDCX."""
    if not (SHARED / "venues").is_dir():
        pytest.skip("the samples of ../shared/venues are not there")
    if exchange in OF_MANY_LISTINGS:
        bodies = Recordings(SHARED).listings(exchange)
    else:
        bodies = [(SHARED / "venues" / "samples" / exchange / "instruments.json").read_bytes()]
    instruments = load(exchange).parse_instruments(bodies)
    own = {(i.taker_fee_bps, i.maker_fee_bps) for i in instruments if schedule_of(i) is None}
    assert own == {"deribit": {(5.0, 0.0)}, "bitmex": {(7.5, 2.0)}, "coindcx": {(7.5, 2.5), (1.18, 1.18)}}.get(
        exchange, set()
    )
    assert any(schedule_of(i) is not None for i in instruments)


# -- what it costs this user -----------------------------------------------------------------------------------


def test_without_a_choice_the_base_tier_is_paid():
    assert fees_of(BYBIT, NOTHING_CHOSEN) == Fees(5.5, 2.0, "VIP 0, as of 2026-07-23")


def test_the_chosen_tier_is_paid():
    choice = FeeChoice.of({"bybit": "VIP 1"})
    assert fees_of(BYBIT, choice) == Fees(4.0, 1.8, "VIP 1, as of 2026-07-23")
    assert fees_of(KUCOIN, choice).taker_bps == 6.0  # of another exchange


def test_the_tier_is_that_of_the_contracts_family():
    """VIP 1 takes at 4 bps, at 8 in the innovation zone; Pro 6 at 2.8, at 1.8 on inverse contracts."""
    vip, pro = FeeChoice.of({"bybit": "VIP 1"}), FeeChoice.of({"bybit": "Pro 6"})
    inverse = contract("bybit", 5.5, 2.0, kind="inverse", quote="USD", settle="BTC")
    assert fees_of(contract("bybit", 11.0, 4.0), vip).taker_bps == 8.0
    assert fees_of(BYBIT, pro).taker_bps == 2.8
    assert fees_of(inverse, pro).taker_bps == 1.8


def test_a_promotion_stays_as_listed_whatever_the_tier():
    """KuCoin VIP 12 takes at 2.5 bps. A contract listed at 0 / 0 stays free, and one listed at 9 / 4 stays dear."""
    choice = FeeChoice.of({"kucoin": "VIP 12"})
    assert fees_of(KUCOIN, choice).taker_bps == 2.5
    assert fees_of(contract("kucoin", 0.0, 0.0), choice) == Fees(0.0, 0.0, "listed by the exchange for this contract")
    assert fees_of(contract("kucoin", 9.0, 4.0), choice).taker_bps == 9.0


def test_where_only_the_base_rate_is_known_it_is_paid_and_said():
    """Of Binance's USDC-margined contracts no table is public: VIP 3 must not look like 3.2 bps there."""
    usdc = contract("binance", 5.0, 2.0, quote="USDC", settle="USDC")
    fees = fees_of(usdc, FeeChoice.of({"binance": "VIP 3"}))
    assert (fees.taker_bps, fees.maker_bps) == (5.0, 2.0)
    assert "assumed" in fees.source
    assert fees.source.endswith("; no VIP 3 rate is known for these contracts")


def test_the_users_own_rates_go_before_tier_and_promotion():
    choice = FeeChoice.of({"kucoin": "VIP 12"}, {"kucoin": 3.1}, {"kucoin": -0.7})
    assert fees_of(KUCOIN, choice) == Fees(3.1, -0.7, "yours")
    assert fees_of(contract("kucoin", 0.0, 0.0), choice) == Fees(3.1, -0.7, "yours")


def test_a_rate_of_ones_own_may_be_zero():
    assert fees_of(BYBIT, FeeChoice.of(taker_bps={"bybit": 0.0}, maker_bps={"bybit": 0.0})) == Fees(0.0, 0.0, "yours")


def test_the_other_rate_stays_the_published_one():
    taker = fees_of(BYBIT, FeeChoice.of({"bybit": "VIP 1"}, {"bybit": 3.0}))
    maker = fees_of(BYBIT, FeeChoice.of({"bybit": "VIP 1"}, maker_bps={"bybit": 0.5}))
    assert taker == Fees(3.0, 1.8, "taker yours; maker VIP 1, as of 2026-07-23")
    assert maker == Fees(4.0, 0.5, "maker yours; taker VIP 1, as of 2026-07-23")


def test_a_rate_that_is_not_listed_is_unknown_and_not_free():
    fees = fees_of(contract("nowhere", float("nan"), 2.0), NOTHING_CHOSEN)
    assert (fees.taker_bps, fees.maker_bps) == (None, 2.0)


# -- the choice ------------------------------------------------------------------------------------------------


def test_an_unknown_tier_is_named_with_the_known_ones():
    with pytest.raises(UnknownTier) as caught:
        FeeChoice.of({"hyperliquid": "VIP 1"})
    assert str(caught.value) == (
        "hyperliquid has no fee tier 'VIP 1'; known are Tier 0, Tier 1, Tier 2, Tier 3, Tier 4, Tier 5, Tier 6"
    )
    assert isinstance(caught.value, ValueError)
    assert (caught.value.exchange, caught.value.name) == ("hyperliquid", "VIP 1")


def test_an_unknown_exchange_has_no_tiers():
    with pytest.raises(UnknownTier, match="nowhere has no fee tier 'VIP 1'; known are none"):
        FeeChoice.of({"nowhere": "VIP 1"})


def test_a_tier_of_one_family_can_be_chosen_for_the_exchange():
    """Pro tiers are not those of Bybit's innovation zone."""
    assert tier_names("bybit")[:2] == ("VIP 0", "VIP 1")
    assert "Pro 6" in tier_names("bybit")
    assert fees_of(contract("bybit", 11.0, 4.0), FeeChoice.of({"bybit": "Pro 6"})).taker_bps == 11.0


def test_choices_are_equal_in_whatever_order_they_are_made():
    one = FeeChoice.of({"bybit": "VIP 1", "okx": "VIP2"}, {"gate": 1.0, "mexc": 2.0})
    other = FeeChoice.of({"okx": "VIP2", "bybit": "VIP 1"}, {"mexc": 2.0, "gate": 1.0})
    assert one == other
    assert hash(one) == hash(other)
    assert one != NOTHING_CHOSEN
