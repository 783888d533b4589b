"""POST /api/reload: the override file is taken over while everything runs, or told what is wrong with it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from desk import Desk
from market.models import Pairing
from market.overrides import Change, Overrides, apply_overrides, differences
from settings import ConfigError
from tests.api.serving import rows, scripted_market, serve
from tests.store.scripted import ScriptedFeed, desk_of, market_of

DENY = """
[[deny]]
exchange = "okx"
exchange_symbol = "BTCUSDT"
author = "mk"
date = 2026-09-05
reason = "another asset"
"""
RENAME = DENY.replace("deny", "rename") + 'new_base = "XBT"\n'


class ListingFeed(ScriptedFeed):
    """Applies overrides to what the store lists, as feeds do."""

    slow = False

    def __init__(self, store, *statuses) -> None:
        super().__init__(*statuses)
        self.store = store
        self.listed = list(store.grid.instruments.values())

    def reload(self, overrides: Overrides) -> list[Change]:
        if self.slow:
            raise TimeoutError
        super().reload(overrides)
        before = list(self.store.grid.instruments.values())
        after, _ = apply_overrides(self.listed, overrides)
        for exchange in self.store.grid.exchanges:
            self.store.set_instruments(exchange, [row for row in after if row.exchange == exchange])
        return differences(before, after)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "overrides.toml"


@pytest.fixture
def made(path: Path) -> Callable[[str], Desk]:
    """A desk over the scripted market, with an override file that says so at the start."""

    def make(text: str) -> Desk:
        path.write_text(text, encoding="utf-8")
        scripted = scripted_market()
        market = market_of(scripted.store, feed=ListingFeed(scripted.store))
        market.ring = scripted.ring
        return desk_of(market, overrides=str(path))

    return make


def pairing(desk: Desk) -> str:
    desk.view = desk._judge(desk.market)
    with serve(desk) as client:
        (row,) = rows(client, "instruments", exchange="okx", symbol="BTC-USDT")
    return str(row["pairing"])


def test_the_file_is_read_at_the_start(made):
    desk = made(DENY)
    assert pairing(desk) == "deny"
    assert len(desk.overrides) == 1


def test_a_wrong_file_at_the_start_is_told_in_one_sentence(made):
    with pytest.raises(ConfigError, match=r"overrides\.toml', \[\[deny\]\] entry 1: field 'reason' is missing"):
        made(DENY.replace("reason", "# reason"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"the override file '.*nowhere\.toml' cannot be read: no such file"):
        desk_of(scripted_market(), overrides=str(tmp_path / "nowhere.toml"))


def test_a_reload_applies_the_file_and_answers_what_changed(made, path):
    desk = made("")
    assert pairing(desk) == "ok"
    path.write_text(DENY, encoding="utf-8")
    with serve(desk) as client:
        answer = client.post("/api/reload")
        assert answer.status_code == 200, answer.text
        assert answer.json() | {"as_of": None} == {
            "source": "demo",
            "simulated": True,
            "as_of": None,
            "overrides": 1,
            "count": 1,
            "changes": [
                {
                    "exchange": "okx",
                    "exchange_symbol": "BTCUSDT",
                    "symbol": "BTC-USDT",
                    "what": "pairing",
                    "before": "ok",
                    "after": "deny",
                }
            ],
        }
        assert client.post("/api/reload").json()["changes"] == []
    assert pairing(desk) == Pairing.DENY.value


def test_what_was_remembered_of_a_renamed_contract_is_forgotten(made, path):
    desk = made("")
    assert (desk.market.ring.history("okx", "BTC-USDT").bid_price == 100.0).any()
    path.write_text(RENAME, encoding="utf-8")
    with serve(desk) as client:
        (change,) = client.post("/api/reload").json()["changes"]
    assert (change["before"], change["after"]) == ("BTC-USDT", "XBT-USDT")
    assert not (desk.market.ring.history("okx", "BTC-USDT").bid_price == 100.0).any()
    assert (desk.market.ring.history("bybit", "BTC-USDT").bid_price == 100.0).any()


def test_a_bad_file_is_refused_and_the_old_overrides_stay(made, path):
    desk = made(DENY)
    path.write_text("[[deny]\n", encoding="utf-8")
    with serve(desk) as client:
        answer = client.post("/api/reload")
    assert answer.status_code == 422
    sentence = answer.json()["detail"]
    assert sentence.startswith(f"the override file '{path}' is not valid TOML")
    assert "\n" not in sentence
    assert len(desk.overrides) == 1
    assert pairing(desk) == "deny"


def test_feeds_that_do_not_answer_are_told_of(made):
    desk = made(DENY)
    desk.market.feed.slow = True  # type: ignore[attr-defined]
    with serve(desk) as client:
        assert client.post("/api/reload").status_code == 503


def test_reload_takes_no_parameters_and_is_no_page_to_get(made):
    with serve(made("")) as client:
        assert client.post("/api/reload?file=x").json()["detail"] == "there is no parameter 'file' here"
        assert client.get("/api/reload").status_code in (404, 405)
        assert "/api/reload" in client.get("/openapi.json").json()["paths"]


def test_overrides_hold_when_the_source_is_switched(made):
    desk = made(DENY)
    desk.switch("live")
    assert "reload 1" in desk.market.feed.calls  # type: ignore[attr-defined]
