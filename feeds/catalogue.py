"""One exchange's listing, read at start and again every few minutes; says what has changed."""

from collections.abc import Callable
from dataclasses import dataclass

from feeds.errors import BadListing, RequestFailed
from feeds.exchanges.base import Exchange, HttpRequest
from feeds.rest import Response, RestClient
from market.models import Instrument, Status

MOST_PAGES = 50  # a listing that never ends is a broken cursor


@dataclass(frozen=True)
class Change:
    """One difference between two listings, as a sentence."""

    kind: str  # listed, delisted, halted, resumed
    symbol: str
    text: str


async def read_listing(
    exchange: Exchange, rest: RestClient, on_body: Callable[[HttpRequest, Response], None]
) -> list[Instrument]:
    """Fetch every page of every request and parse them.

    Raises:
        FeedError: If a needed answer did not come or is no listing.
    """
    bodies: list[bytes] = []
    for first in exchange.instrument_requests():
        waiting = [first]
        pages = 0
        while waiting:
            request = waiting.pop(0)
            body = b""
            try:
                response = await rest.fetch(request)
                on_body(request, response)
                body = response.body
            except RequestFailed:
                if not request.optional:
                    raise
            bodies.append(body)
            pages += 1
            if pages > MOST_PAGES:
                raise BadListing(exchange.name, f"{first.purpose} has more than {MOST_PAGES} pages")
            if body:
                waiting.extend(exchange.next_requests(request, body))
    instruments = exchange.parse_instruments(bodies)
    if not instruments:
        raise BadListing(exchange.name, "the listing has no perpetual in it")
    return instruments


def changes(old: list[Instrument], new: list[Instrument]) -> list[Change]:
    """What a refresh brought: listings, delistings, halts and resumptions."""
    before = {instrument.exchange_symbol: instrument for instrument in old}
    after = {instrument.exchange_symbol: instrument for instrument in new}
    found = [
        Change("listed", row.symbol, f"{row.exchange_symbol} is listed")
        for key, row in after.items()
        if key not in before
    ]
    found += [
        Change("delisted", row.symbol, f"{row.exchange_symbol} is listed no more")
        for key, row in before.items()
        if key not in after
    ]
    for key, row in after.items():
        was = before.get(key)
        if was is None:
            continue
        if was.status is not row.status:
            kind = "resumed" if row.status is Status.TRADING else "halted"
            found.append(Change(kind, row.symbol, f"{key} went from {was.status} to {row.status}"))
    return found
