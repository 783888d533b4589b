"""What may be asked for, and the one sentence that answers what may not."""

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, field_validator

from analytics.quality import Verdict
from store.grid import Grid

VERDICTS = tuple(verdict.label for verdict in Verdict)
LIMIT = 100_000


class NoFilters(BaseModel):
    """Nothing may be asked for."""

    model_config = ConfigDict(extra="forbid")


class ExchangeFilters(NoFilters):
    """Some exchanges only."""

    exchange: list[str] = Field([], description="Only this exchange; may be repeated.", examples=[["bybit"]])
    limit: int | None = Field(None, ge=1, le=LIMIT, description="At most so many rows.")


class ContractFilters(ExchangeFilters):
    """Some contracts only."""

    symbol: list[str] = Field(
        [], description="Only this canonical symbol, in any case; may be repeated.", examples=[["BTC-USDT"]]
    )
    quote: list[str] = Field([], description="Only contracts quoted in this currency; may be repeated.")


class VerdictFilters(BaseModel):
    """Some verdicts only."""

    verdict: list[str] = Field(
        [],
        description="Only this verdict; may be repeated.",
        json_schema_extra={"items": {"type": "string", "enum": list(VERDICTS)}},
    )

    @field_validator("verdict")
    @classmethod
    def _known(cls, verdicts: list[str]) -> list[str]:
        for verdict in verdicts:
            if verdict not in VERDICTS:
                raise ValueError(f"it must be one of {', '.join(VERDICTS)}")
        return verdicts


class PriceFilters(ContractFilters, VerdictFilters):
    """Which quotes."""


class SymbolPriceFilters(ExchangeFilters, VerdictFilters):
    """Which quotes of one symbol."""


class OpportunityFilters(ContractFilters, VerdictFilters):
    """Which directed pairs. `exchange` keeps the pairs with a leg there."""

    min_net_edge_bps: float | None = Field(
        None, allow_inf_nan=False, description="Only pairs of at least this net edge. Basis points."
    )
    min_size: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="Only pairs whose touches fill this notional. Quote currency."
    )
    include_refused: bool = Field(
        False, description="Also pairs with a reason against them; implied where a verdict is asked for."
    )


def one_symbol(name: str, grid: Grid) -> str:
    """The canonical symbol of a name in any case; 404 with the nearest ones if nobody lists it."""
    by_folded = {symbol.casefold(): symbol for symbol in grid.symbols}
    found = by_folded.get(name.casefold())
    if found is not None:
        return found
    if not by_folded:
        raise HTTPException(404, f"symbol '{_short(name)}' is not known: no exchange has given its listing yet")
    typed = name.casefold()[:40]
    of_coin = [folded for folded in by_folded if folded.startswith(f"{typed}-")]
    near = (of_coin or difflib.get_close_matches(typed, by_folded, n=3, cutoff=0.6))[:3]
    hint = f"; the nearest are {', '.join(by_folded[match] for match in near)}" if near else ""
    raise HTTPException(404, f"no exchange lists the symbol '{_short(name)}'{hint}")


def wanted_symbols(names: Iterable[str], quotes: Collection[str], grid: Grid) -> frozenset[str] | None:
    """The symbols that pass both filters; None if all do."""
    symbols: frozenset[str] | None = None
    if names:
        symbols = frozenset(one_symbol(name, grid) for name in names)
    if quotes:
        by_quote: dict[str, set[str]] = {}
        for instrument in grid.instruments.values():
            by_quote.setdefault(instrument.quote.casefold(), set()).add(instrument.symbol)
        of_quotes: set[str] = set()
        for quote in quotes:
            if quote.casefold() not in by_quote and by_quote:
                known = ", ".join(sorted({instrument.quote for instrument in grid.instruments.values()}))
                raise HTTPException(422, f"parameter 'quote' is '{_short(quote)}', but contracts are quoted in {known}")
            of_quotes |= by_quote.get(quote.casefold(), set())
        symbols = frozenset(of_quotes) if symbols is None else symbols & of_quotes
    return symbols


def wanted_exchanges(names: Iterable[str], known: Mapping[str, object]) -> frozenset[str] | None:
    """The exchanges asked for; None if all are. 404 for one that there is not."""
    wanted = set()
    for name in names:
        if name.casefold() not in known:
            raise HTTPException(404, f"there is no exchange '{_short(name)}'; there are {', '.join(sorted(known))}")
        wanted.add(name.casefold())
    return frozenset(wanted) or None


class PlainErrors(APIRoute):
    """A route whose refusals say in one sentence which parameter is wrong and why."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                answer: Response = await handler(request)
            except RequestValidationError as error:
                return JSONResponse({"detail": _sentence(error.errors()[0])}, status_code=422)
            return answer

        return handle


def _sentence(error: Mapping[str, Any]) -> str:
    name = _short(str(error["loc"][1])) if len(error["loc"]) > 1 else "?"
    if error["type"] == "extra_forbidden":
        return f"there is no parameter '{name}' here"
    why = str(error["msg"]).removeprefix("Value error, ")
    given = error["input"]
    if isinstance(given, list):
        given = ", ".join(map(str, given))
    return f"parameter '{name}' is '{_short(str(given))}': {why[:1].lower()}{why[1:]}"


def _short(name: str) -> str:
    """A name as it may be quoted in a sentence."""
    return name if len(name) <= 60 else name[:59] + "…"
