"""What CoinDCX lists: Binance's USDT perpetuals under names of its own, `B-BTC_USDT`. Source: dossier, 2026-10."""

from dataclasses import replace

from simulator.exchanges.binance_listings import binance_listings
from simulator.universe import CLOSED, HALTED, LISTED_MS_BASE, LIVE, SPARE_LISTINGS, UNLISTED, Listing, finish

CLASSES = ("crypto", "commodity")  # shares are sold in the app only
EVERYTHING = 10_000


def _relayed(rows: list[Listing]) -> list[Listing]:
    """The linear perpetuals in USDT of a list of Binance's."""
    return [
        row
        for row in rows
        if row.host == "um" and row.quote == "USDT" and row.perpetual and row.asset.asset_class in CLASSES
    ]


def _listing(row: Listing, status: str) -> Listing:
    return replace(
        row,
        exchange="coindcx",
        exchange_symbol=f"B-{row.base}_USDT",
        host="futures",
        status=status,
        listed_ms=LISTED_MS_BASE,
        delivery_ms=0,
        index=-1,
        extra={"mkt": row.exchange_symbol},
    )


def coindcx_listings(instruments: int, seed: int) -> list[Listing]:
    """All listings: what Binance lists in the same simulation first, then more of its names; spares; inactive ones."""
    listed = _relayed(binance_listings(instruments, seed))
    known = {row.exchange_symbol for row in listed}
    further = [row for row in _relayed(binance_listings(EVERYTHING, seed)) if row.exchange_symbol not in known]
    live = [row for row in listed if row.status == LIVE]
    names = [*live, *(row for row in further if row.status == LIVE)]
    inactive = [row for row in listed if row.status == HALTED]
    rows = [_listing(row, LIVE) for row in names[:instruments]]
    rows += [_listing(row, UNLISTED) for row in names[instruments : instruments + SPARE_LISTINGS]]
    rows += [_listing(row, CLOSED) for row in inactive]
    return finish(rows)
