"""What stays far off is held until it has agreed for long enough."""

import numpy as np
import pytest

from analytics.quality import Limits, Verdict, leg_verdicts
from analytics.quarantine import HELD_AFTER_S, RELEASED_AFTER_S, Misfit, Quarantine
from store.snapshot import SnapshotStore
from tests.store.scripted import NOW, funding, quote, store_of

LIMITS = Limits()
THREE = ["bybit", "okx", "gate"]


class Watched:
    """A market that is looked at again and again, with what came of it."""

    def __init__(self, *exchanges: str) -> None:
        self.store = store_of(list(exchanges), *(quote(exchange, 100.0, 100.1) for exchange in exchanges))
        self.quarantine = Quarantine()
        for exchange in exchanges:
            self.index(exchange, 100.0)

    def index(self, exchange: str, price: float) -> None:
        self.store.write([funding(exchange, index_price=price, mark_price=price)])

    def look(self, after_s: float) -> list[Misfit]:
        now = NOW + after_s
        self.store.write([quote(exchange, 100.0, 100.1, at=now) for exchange in self.store.grid.exchanges])
        snapshot = self.store.snapshot()
        self.verdicts = leg_verdicts(snapshot, now, LIMITS, held=self.quarantine.mask(snapshot.grid))
        return self.quarantine.observe(snapshot, self.verdicts, LIMITS, now)


def test_it_is_held_after_five_minutes_far_off_and_released_after_ten_that_agree():
    market = Watched(*THREE)
    market.index("gate", 50.0)
    assert market.look(0.0) == []
    assert market.look(HELD_AFTER_S - 1) == []
    (held,) = market.look(HELD_AFTER_S)
    assert (held.exchange, held.symbol, held.ratio) == ("gate", "BTC-USDT", 0.5)
    assert (held.since, held.held_since) == (NOW, NOW + HELD_AFTER_S)

    market.index("gate", 100.9)  # within 1 %, and refused all the same
    assert market.look(400.0) == []
    assert market.look(400.5) == []
    assert [Verdict(code) for code in market.verdicts[0]] == [Verdict.OK, Verdict.OK, Verdict.DIFFERENT_ASSET]
    (released,) = market.look(400.0 + RELEASED_AFTER_S)
    assert released.held_since is None
    assert market.look(1_001.0) == []
    assert [Verdict(code) for code in market.verdicts[0]] == [Verdict.OK] * 3


def test_agreement_has_to_last():
    market = Watched(*THREE)
    market.index("gate", 50.0)
    market.look(0.0)
    market.look(HELD_AFTER_S)
    market.index("gate", 100.0)
    market.look(400.0)
    market.index("gate", 104.0)  # 4 % is no agreement
    market.look(900.0)
    market.index("gate", 100.0)
    market.look(901.0)
    assert market.look(400.0 + RELEASED_AFTER_S) == []
    assert len(market.look(901.0 + RELEASED_AFTER_S)) == 1


@pytest.mark.parametrize(("price", "held"), [(99.2, False), (100.9, False), (98.9, True), (101.2, True)])
def test_what_is_not_believed_is_followed_however_little_it_is_off(price, held):
    """The limit is 1 %: another coin that happens to cost 1.2 % more is one, too."""
    market = Watched(*THREE)
    market.index("gate", price)
    market.look(0.0)
    assert bool(market.look(HELD_AFTER_S)) is held
    assert bool(list(market.quarantine)) is held


def test_what_passes_by_starts_over():
    market = Watched(*THREE)
    market.index("gate", 50.0)
    market.look(0.0)
    market.index("gate", 100.0)
    market.look(200.0)
    market.index("gate", 50.0)
    market.look(250.0)
    assert market.look(HELD_AFTER_S) == []


def test_of_two_that_disagree_both_are_held():
    market = Watched("bybit", "okx")
    market.index("okx", 400.0)
    market.look(0.0)
    assert {misfit.exchange: misfit.ratio for misfit in market.look(HELD_AFTER_S)} == {"bybit": 0.25, "okx": 4.0}


def test_while_there_is_nothing_to_compare_with_it_stays_held():
    market = Watched(*THREE)
    market.index("gate", 50.0)
    market.look(0.0)
    market.look(HELD_AFTER_S)
    market.index("gate", 100.0)
    market.look(400.0)
    for exchange in ("bybit", "okx"):
        market.store.lose(exchange, ["BTC-USDT"])
    snapshot = market.store.snapshot()
    verdicts = leg_verdicts(snapshot, NOW + 5_000, LIMITS)
    assert market.quarantine.observe(snapshot, verdicts, LIMITS, NOW + 5_000) == []
    assert market.quarantine.mask(snapshot.grid).tolist() == [[False, False, True]]


def test_a_contract_that_is_no_longer_listed_or_has_a_new_meaning_is_forgotten():
    market = Watched(*THREE)
    market.index("gate", 50.0)
    market.look(0.0)
    market.look(HELD_AFTER_S)
    market.quarantine.forget("gate", "BTC-USDT")
    assert list(market.quarantine) == []
    market.look(400.0)
    market.store.set_instruments("gate", [])
    market.look(401.0)
    assert list(market.quarantine) == []


def test_the_marks_of_two_have_to_agree_as_well():
    store = store_of(["bybit", "okx"], quote("bybit", 100.0, 100.1), quote("okx", 100.0, 100.1))
    store.write([funding("bybit", index_price=100.0, mark_price=100.0)])
    store.write([funding("okx", index_price=100.0, mark_price=110.0)])
    assert leg_verdicts(store.snapshot(), NOW, LIMITS).tolist() == [[Verdict.DIFFERENT_ASSET] * 2]


def test_an_empty_market_has_nobody_in_quarantine():
    store = SnapshotStore(["bybit"])
    snapshot = store.snapshot()
    quarantine = Quarantine()
    assert quarantine.observe(snapshot, np.empty((0, 1), dtype=np.int8), LIMITS, NOW) == []
    assert quarantine.mask(snapshot.grid).shape == (0, 1)
