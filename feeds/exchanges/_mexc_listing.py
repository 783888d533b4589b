"""MEXC's list of contracts, row by row.

Source: https://www.mexc.com/api-docs/futures (probed 2026-09-15), the recorded listing of 2024-06-10. A size counts
contracts of `contractSize` coins, or dollars where the contract is inverse. `baseCoinName` holds the usual ticker
where `baseCoin` does not. Which interval funding has, only the funding list says.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from feeds.exchanges import _fields as fields
from market.models import AssetClass, Instrument, Kind, Pairing, Status
from market.symbols import PREIPO_NAMES, asset_class_of, canonical_symbol, normalise, tradfi_class

NAME = "mexc"
# Orders through the API, notice of 2026-06-01; the listing's own rates are those of the website, and change by day.
MAKER_FEE_BPS, TAKER_FEE_BPS = 6.0, 8.0

PERPETUAL, STOCK = 1, 2  # futureType, and type: the documentation of `type` 2 ("suspended") is wrong
STOCK_SUFFIX = "STOCK"
_STATUS = {0: Status.TRADING, 2: Status.CLOSED, 3: Status.CLOSED}


def read_intervals(rows: Iterable[Any]) -> dict[str, float]:
    """Funding intervals by id, in hours, of the list of funding rates; an unreadable row is passed over."""
    intervals = {}
    for row in rows:
        try:
            hours = fields.amount(row["collectCycle"])
            if hours:
                intervals[str(row["symbol"])] = hours
        except (ValueError, TypeError, KeyError):
            continue
    return intervals


def read_row(row: Mapping[str, Any], intervals: Mapping[str, float], by_api: bool = True) -> Instrument | None:
    """The instrument of a listed row; None for what is no perpetual.

    by_api: whether `apiAllowed` means anything. It was false on every row until 2026-03-31.
    """
    if row.get("futureType", PERPETUAL) != PERPETUAL:
        return None
    exchange_symbol, coin, quote, settle = row["symbol"], row["baseCoin"], row["quoteCoin"], row["settleCoin"]
    kind: Kind = "linear" if quote == settle else "inverse" if settle == coin else "quanto"
    base, listed, sure = row.get("baseCoinName") or coin, AssetClass.CRYPTO, True
    if STOCK in (row.get("type"), row.get("typeLabel")):
        if base.endswith(STOCK_SUFFIX) and base != STOCK_SUFFIX:
            base, sure = base.removesuffix(STOCK_SUFFIX), False  # that the rest is the ticker is a guess
        listed = tradfi_class(base)
    pre_market = row.get("preMarket") is True
    if pre_market and base in PREIPO_NAMES:
        listed = AssetClass.PREIPO
    asset_class = asset_class_of(NAME, exchange_symbol, listed)
    name = normalise(NAME, exchange_symbol, base, asset_class, kind=kind, pre_market=pre_market)
    pairing = name.pairing
    if not sure and pairing is Pairing.OK:
        pairing = Pairing.CHECK
    if by_api and row.get("apiAllowed") is False and pairing in (Pairing.OK, Pairing.CHECK):
        pairing = Pairing.EXCLUDE  # the "innovation zone" is closed to programs
    factor = fields.required(fields.amount(row["contractSize"]), "contractSize")
    if kind == "linear":
        factor *= name.multiplier
    status = _STATUS.get(row["state"], Status.HALTED)
    return Instrument(
        exchange=NAME,
        exchange_symbol=exchange_symbol,
        symbol=canonical_symbol(name.asset, quote, kind, asset_class, settle),
        base=name.asset,
        quote=quote,
        settle=settle,
        kind=kind,
        multiplier=name.multiplier,
        contract_multiplier=factor,
        tick_size=fields.price(row.get("priceUnit"), name.multiplier),
        lot_size=fields.amount(row.get("volUnit"), factor),
        min_notional=fields.amount(row.get("minVol"), factor) if kind == "inverse" else None,
        funding_interval_h=intervals.get(exchange_symbol),
        status=Status.PRE_MARKET if pre_market and status is Status.TRADING else status,
        listed_time=fields.seconds(row.get("openingTime")),
        taker_fee_bps=TAKER_FEE_BPS,
        maker_fee_bps=MAKER_FEE_BPS,
        asset_class=asset_class,
        pairing=pairing,
        # Of the index: tickers say maxBidPrice 92514.4 and minAskPrice 75693.6 with an index of 84104.
        price_band=fields.price_band(row.get("bidLimitPriceRate"), row.get("askLimitPriceRate")),
    )
