"""CoinDCX, which ccxt does not have: our words against values read straight from the JSON of samples and recordings."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.conformance.compare import (
    FUNDING_FIELDS,
    LISTING_FIELDS,
    TOP_FIELDS,
    Comparison,
    Outcome,
    adapter,
    ours_of,
)
from benchmarks.conformance.reference import count_in_name
from feeds.errors import FeedError

NAME = "coindcx"


def _listing(shared: Path) -> tuple[list[str], dict[str, Any]]:
    sample = json.loads((shared / "venues" / "samples" / NAME / "instruments.json").read_text(encoding="utf-8"))
    details = {row["instrument"]["pair"]: row["instrument"] for row in sample["instrument_details"]}
    return sample["active_instruments"], details


def _count(exchange_symbol: str) -> float:
    return count_in_name(exchange_symbol.removeprefix("B-").partition("_")[0])


def _expected(exchange_symbol: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """A contract as its details say it: prices are for what the name stands for, sizes count the same."""
    count = _count(exchange_symbol)
    contract = float(row["unit_contract_value"]) * count
    return {
        "kind": "linear",
        "quote": row["quote_currency_short_name"],
        "settle": row["settle_currency_short_name"],
        "multiplier": count,
        "contract_multiplier": contract,
        "tick_size": float(row["price_increment"]) / count,
        "lot_size": float(row["quantity_increment"]) * contract,
    }


def _book(message: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The top of a whole book; changes need what came before and are left out."""
    base = message["s"].removesuffix("USDT")
    count = _count(f"B-{base}_USDT")
    bid, ask = max(message["bids"], key=float), min(message["asks"], key=float)
    sides = {"bid": (bid, message["bids"][bid]), "ask": (ask, message["asks"][ask])}
    values = {f"{side}_price": float(price) / count for side, (price, _) in sides.items()}
    yield f"B-{base}_USDT", values | {f"{side}_size": float(size) * count for side, (_, size) in sides.items()}


def _prices(message: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The list of prices: mp is the mark, efr the rate that the next payment will have."""
    for exchange_symbol, row in message["prices"].items():
        values: dict[str, Any] = {}
        if "mp" in row:
            values["mark_price"] = float(row["mp"]) / _count(exchange_symbol)
        if "efr" in row:
            values["funding_rate"] = float(row["efr"])
        yield exchange_symbol, values


def compare_coindcx(shared: Path) -> Outcome:
    """Listing, whole books and price lists."""
    outcome = Outcome(NAME)
    exchange = adapter(NAME)
    active, details = _listing(shared)
    bodies = [json.dumps(active).encode(), *(json.dumps({"instrument": row}).encode() for row in details.values())]
    instruments = {i.exchange_symbol: i for i in exchange.parse_instruments(bodies)}
    for exchange_symbol, row in details.items():
        expected = _expected(exchange_symbol, row)
        for name in LISTING_FIELDS:
            ours = getattr(instruments[exchange_symbol], name)
            outcome.comparisons.append(
                Comparison(NAME, name, exchange_symbol, ours, expected[name], "details", instruments[exchange_symbol])
            )
    names = {i.symbol: i.exchange_symbol for i in instruments.values()}
    for path in ("depth.jsonl", "ticker.jsonl", "mark_funding.jsonl"):
        lines = (shared / "venues" / "samples" / NAME / path).read_text(encoding="utf-8").splitlines()
        for line in filter(None, map(json.loads, lines)):
            if "frame" not in line or line["event"] not in ("depth-snapshot", "currentPrices@futures#update"):
                continue
            decoder = exchange.decoder(instruments.values())
            try:
                ours_by_name = ours_of(decoder.feed(line["frame"], 1.0), names)
            except FeedError as error:
                outcome.unreadable[f"ours: {error}"[:160]] += 1
                continue
            reader = _book if line["event"] == "depth-snapshot" else _prices
            _note(outcome, ours_by_name, dict(reader(line["data"])), path)
    rest = (shared / "venues" / "samples" / NAME / "rest_current_prices.json").read_text(encoding="utf-8")
    words = exchange.decoder(instruments.values()).feed_response("prices", rest.encode(), 1.0)
    _note(outcome, ours_of(words, names), dict(_prices(json.loads(rest))), "rest_current_prices.json")
    return outcome


def _note(outcome: Outcome, ours: Mapping[str, Any], theirs: Mapping[str, Any], where: str) -> None:
    for exchange_symbol in ours.keys() & theirs.keys():
        for name in (*TOP_FIELDS, *FUNDING_FIELDS):
            left, right = ours[exchange_symbol].get(name), theirs[exchange_symbol].get(name)
            if left is not None and right is not None:
                outcome.comparisons.append(Comparison(NAME, name, exchange_symbol, left, right, where))
            elif left is not None:
                outcome.only_ours[name] += 1
            elif right is not None:
                outcome.only_theirs[name] += 1
