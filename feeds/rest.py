"""HTTP to one exchange: paced under its limits, obedient when told to stay away."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from feeds.errors import RequestFailed
from feeds.exchanges.base import HttpRequest
from feeds.failures import describe, parse_retry_after

TIMEOUT_S = 10.0  # between two bytes
ANSWER_TIMEOUT_S = 30.0  # for all of them: an answer that drips would otherwise never end
BURST_S = 10.0  # how much unused budget may be saved up
STAY_AWAY_S = 30.0  # after a refusal that names no time
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Response:
    """A body, with the times between which the exchange wrote it. Epoch s."""

    body: bytes
    sent_time: float
    received_time: float


class RestClient:
    """One exchange's HTTP. `get` waits for its share of the budget; raises RequestFailed for every failure."""

    def __init__(self, exchange: str, weight_per_s: float, headers: Mapping[str, str] | None = None) -> None:
        self.exchange = exchange
        self._weight_per_s = weight_per_s
        self._budget = weight_per_s * BURST_S
        self._counted_at = time.monotonic()
        self._closed_until = 0.0
        self._refusal = ""
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, headers={"User-Agent": "perpscope", **(headers or {})})

    async def fetch(self, request: HttpRequest) -> Response:
        """Send one request and return its body."""
        self._obey()
        await self._take(request.weight)
        self._obey()  # another request may have been refused while this one waited for its share
        sent_time = time.time()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                answer = await self._client.request(
                    request.method,
                    request.url,
                    params=dict(request.params) or None,
                    content=request.json or None,
                    headers=JSON if request.json else None,
                )
        except (httpx.HTTPError, OSError) as error:
            raise RequestFailed(self.exchange, f"{request.purpose}: {describe(error, request.url)}") from error
        if answer.status_code != 200:
            raise self._refused(request, answer)
        return Response(answer.content, sent_time, time.time())

    def _obey(self) -> None:
        away_s = self._closed_until - time.monotonic()
        if away_s > 0.0:
            detail = f"{self._refusal}: asked to stay away for {away_s:.0f} s more"
            raise RequestFailed(self.exchange, detail, None, away_s)

    def _refused(self, request: HttpRequest, answer: httpx.Response) -> RequestFailed:
        # Phemex calls it x-ratelimit-retry-after-GROUP.
        waits = (value for name, value in answer.headers.items() if "retry-after" in name)
        retry_after_s = parse_retry_after(next(waits, None))
        if answer.status_code in (418, 429, 403):
            # Carrying on after these turns a refusal into a ban (Binance 418, Bybit 403).
            retry_after_s = retry_after_s if retry_after_s is not None else STAY_AWAY_S
            self._closed_until = time.monotonic() + retry_after_s
            self._refusal = f"HTTP {answer.status_code}"
        said = " ".join(answer.text[:120].split())
        detail = f"{request.purpose}: HTTP {answer.status_code}" + (f", {said}" if said else "")
        return RequestFailed(self.exchange, detail, answer.status_code, retry_after_s)

    async def _take(self, weight: float) -> None:
        while True:
            now = time.monotonic()
            self._budget = min(
                self._budget + (now - self._counted_at) * self._weight_per_s, self._weight_per_s * BURST_S
            )
            self._counted_at = now
            if self._budget >= min(weight, self._weight_per_s * BURST_S):
                self._budget -= weight
                return
            await asyncio.sleep((weight - self._budget) / self._weight_per_s)

    async def close(self) -> None:
        await self._client.aclose()
