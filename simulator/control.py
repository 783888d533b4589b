"""The control endpoint: start and end faults, read the truth, change the rate and the limits."""

import logging
import time
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from simulator.exchanges.base import Exchange, json_response
from simulator.faults import FAULTS, FaultError, number

if TYPE_CHECKING:
    from simulator.server import Simulator

logger = logging.getLogger(__name__)


def control_routes(simulator: "Simulator") -> list[web.RouteDef]:
    """The routes of the control port."""
    control = Control(simulator)
    return [
        web.get("/", control.help),
        web.get("/faults", control.faults),
        web.post("/faults", control.start_fault),
        web.delete("/faults/{id}", control.stop_fault),
        web.get("/truth/{exchange}", control.truth),
        web.get("/market/{exchange}", control.market),
        web.get("/stats", control.stats),
        web.post("/rate", control.rate),
        web.get("/settings/{exchange}", control.read_settings),
        web.post("/settings", control.change_settings),
    ]


class Control:
    """Handlers of the control port."""

    def __init__(self, simulator: "Simulator") -> None:
        self.simulator = simulator

    async def help(self, _request: web.Request) -> web.Response:
        return json_response(
            {
                "faults": FAULTS,
                "exchanges": list(self.simulator.exchanges),
                "paths": ["/faults", "/truth/{exchange}", "/market/{exchange}", "/stats", "/rate", "/settings"],
            }
        )

    async def faults(self, _request: web.Request) -> web.Response:
        now = time.monotonic()
        rows = [
            fault.describe() | {"remaining_s": None if fault.ends is None else max(0.0, fault.ends - now)}
            for fault in self.simulator.board.active.values()
        ]
        return json_response(rows)

    async def start_fault(self, request: web.Request) -> web.Response:
        try:
            fault = self.simulator.board.start(await _body(request), time.time(), time.monotonic())
        except FaultError as error:
            return json_response({"error": str(error)}, status=400)
        logger.info("fault %d: %s at %s", fault.id, fault.name, fault.exchange)
        return json_response(
            {"id": fault.id} | ({"symbol": fault.params["symbol"]} if "symbol" in fault.params else {})
        )

    async def stop_fault(self, request: web.Request) -> web.Response:
        text = request.match_info["id"]
        if not text.isdigit() or not self.simulator.board.stop(int(text)):
            return json_response({"error": f"no active fault {text}"}, status=404)
        return json_response({"id": int(text)})

    def _exchange(self, request: web.Request) -> Exchange:
        exchange = self.simulator.exchanges.get(request.match_info["exchange"])
        if exchange is None:
            raise web.HTTPNotFound(text="no such exchange")
        return exchange

    async def truth(self, request: web.Request) -> web.Response:
        exchange = self._exchange(request)
        market = exchange.market
        wanted = request.query.get("symbols")
        listings = [row for row in exchange.visible() if row.perpetual]
        if wanted is not None:
            names = set(wanted.split(","))
            listings = [row for row in listings if row.exchange_symbol in names]
        rows: dict[int, list[tuple[float, int, int, int, int]]] = {}
        for listing in listings:
            index = listing.index
            bid, bid_lots, ask, ask_lots = (int(values[index]) for values in market.base)
            rows[index] = [(float(market.base_time[index]), bid, bid_lots, ask, ask_lots)]
        for change in market.changes:
            fields = (change.index, change.bid_ticks, change.bid_lots, change.ask_ticks, change.ask_lots)
            for index, *values in zip(*(field.tolist() for field in fields), strict=True):
                if index in rows:
                    rows[index].append((change.time, values[0], values[1], values[2], values[3]))
        return json_response(
            {
                exchange.listings[index].exchange_symbol: [exchange.truth_row(index, row) for row in history]
                for index, history in rows.items()
            }
        )

    async def market(self, request: web.Request) -> web.Response:
        exchange = self._exchange(request)
        return json_response([exchange.describe(listing) for listing in exchange.visible()])

    async def stats(self, _request: web.Request) -> web.Response:
        simulator = self.simulator
        return json_response(
            {
                "rate": simulator.rate,
                "steps": simulator.steps,
                "cpu_s": time.process_time(),
                "exchanges": {
                    name: {
                        "frames_sent": exchange.frames_sent,
                        "connections": len(exchange.connections),
                        "connections_ever": exchange.connection_count,
                        "topics": len(exchange.topics),
                        "refused": exchange.faults.refused,
                        "faults": [fault.name for fault in simulator.board.active.values() if fault.exchange == name],
                    }
                    for name, exchange in simulator.exchanges.items()
                },
            }
        )

    async def rate(self, request: web.Request) -> web.Response:
        try:
            rate = number(await _body(request), "rate", -1)
        except FaultError as error:
            return json_response({"error": str(error)}, status=400)
        if rate < 0:
            return json_response({"error": "rate must be a number of frames per second, 0 or more"}, status=400)
        self.simulator.set_rate(rate)
        return json_response({"rate": rate})

    async def read_settings(self, request: web.Request) -> web.Response:
        return json_response(self._exchange(request).settings)

    async def change_settings(self, request: web.Request) -> web.Response:
        """Change periods and limits of one exchange: {"exchange": "binance", "ping_interval_s": 1}."""
        try:
            body = await _body(request)
            exchange = self.simulator.exchanges.get(str(body.pop("exchange", None)))
            if exchange is None:
                raise FaultError("unknown exchange")
            unknown = body.keys() - exchange.settings.keys()
            if unknown:
                raise FaultError(f"unknown settings {sorted(unknown)}; there are {sorted(exchange.settings)}")
            exchange.settings.update({key: number(body, key, 0) for key in body})
        except FaultError as error:
            return json_response({"error": str(error)}, status=400)
        return json_response(exchange.settings)


async def _body(request: web.Request) -> dict[str, object]:
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise FaultError(f"the body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise FaultError("the body must be a JSON object")
    return body
