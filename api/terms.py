"""A caller's own terms: what a request may say about costs, size and time, and the view that is judged by them."""

from dataclasses import replace
from typing import get_args

from fastapi import HTTPException
from pydantic import Field

from analytics.costs import Fill
from analytics.terms import Terms
from api.filters import NoFilters
from market.exchanges import EXCHANGES
from market.fees import FeeChoice, UnknownTier

FILLS = get_args(Fill)


class TermsQuery(NoFilters):
    """By whose terms pairs are judged; what is left out is as in the settings."""

    notional: float | None = Field(None, gt=0, allow_inf_nan=False, description="Of each leg. Quote currency.")
    min_net_bps: float | None = Field(None, allow_inf_nan=False, description="Actionable from this net edge on. bps.")
    slippage_bps: float | None = Field(None, ge=0, allow_inf_nan=False, description="Reserve of the round trip. bps.")
    holding_h: float | None = Field(None, gt=0, le=8_760, description="How long the position is held. Hours.")
    fills: str | None = Field(
        None,
        description="taker or maker for long in, short in, long out, short out, with commas between.",
        examples=["taker,taker,maker,maker"],
    )
    tier: list[str] = Field([], description="EXCHANGE:TIER; may be repeated.", examples=[["binance:VIP 1"]])
    taker_fee_bps: list[str] = Field([], description="EXCHANGE:BPS, your own rate; may be repeated.")
    maker_fee_bps: list[str] = Field([], description="EXCHANGE:BPS, your own rate; may be repeated.")


def terms_of(query: TermsQuery, usual: Terms) -> Terms:
    """The caller's terms over the usual ones. Raises HTTPException 422 that says what is wrong."""
    given = {
        name: value for name in ("notional", "min_net_bps", "holding_h") if (value := getattr(query, name)) is not None
    }
    costs = usual.costs
    if query.fills is not None:
        costs = replace(costs, fills=_fills(query.fills))
    if query.slippage_bps is not None:
        costs = replace(costs, slippage_bps=query.slippage_bps)
    fees = usual.fees
    if query.tier or query.taker_fee_bps or query.maker_fee_bps:
        try:
            fees = FeeChoice.of(
                dict(fees.tiers) | _pairs("tier", query.tier),
                dict(fees.taker_bps) | _rates("taker_fee_bps", query.taker_fee_bps),
                dict(fees.maker_bps) | _rates("maker_fee_bps", query.maker_fee_bps),
            )
        except UnknownTier as error:
            raise HTTPException(422, f"parameter 'tier': {error}") from None
    return replace(usual, costs=costs, fees=fees, **given)


def _fills(text: str) -> tuple[Fill, Fill, Fill, Fill]:
    fills = tuple(part.strip() for part in text.split(","))
    if len(fills) != 4 or any(fill not in FILLS for fill in fills):
        raise HTTPException(422, f"parameter 'fills' is '{text[:60]}': it must be four of taker and maker, with commas")
    return fills  # type: ignore[return-value]


def _pairs(name: str, texts: list[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        exchange, colon, value = text.partition(":")
        if not colon:
            raise HTTPException(422, f"parameter '{name}' is '{text[:60]}': it must be EXCHANGE:VALUE")
        name_of = exchange.strip().lower()
        if name_of not in EXCHANGES:
            raise HTTPException(422, f"parameter '{name}' names '{name_of[:40]}'; there are {', '.join(EXCHANGES)}")
        found[name_of] = value.strip()
    return found


def _rates(name: str, texts: list[str]) -> dict[str, float]:
    rates = {}
    for exchange, value in _pairs(name, texts).items():
        try:
            rates[exchange] = float(value)
        except ValueError:
            raise HTTPException(
                422, f"parameter '{name}' of {exchange} is '{value[:60]}': it must be a number"
            ) from None
        if not abs(rates[exchange]) < 1_000.0:
            raise HTTPException(422, f"parameter '{name}' of {exchange} is '{value[:60]}': it must be a number of bps")
    return rates
