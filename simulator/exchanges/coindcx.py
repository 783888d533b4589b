"""CoinDCX futures as of September 2026: Binance's market, repeated late, over Socket.IO.

There are no acknowledgements and no errors: whoever joins an unknown channel hears nothing. The first frame of a book
is as often a change as a snapshot, and then only REST has what it changes.
"""

import time
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any, ClassVar

import orjson
from aiohttp import web

from simulator.book import DepthMemory, Levels
from simulator.exchanges.base import Exchange
from simulator.exchanges.coindcx_listings import coindcx_listings
from simulator.exchanges.coindcx_market import DELAY_S, RelayMarket
from simulator.exchanges.coindcx_rest import DEPTHS, CoinDcxRest
from simulator.exchanges.coindcx_socketio import (
    PING_INTERVAL_S,
    PING_TIMEOUT_S,
    Event,
    Server,
    SocketIoConnection,
)
from simulator.market import STEP_S, FairPrices, TopChange
from simulator.universe import CLOSED, LIVE, Listing
from simulator.wire import Connection

PRICES = ("currentPrices@futures@rt",)
BOOK_STEPS = round(0.5 / STEP_S)  # at most one frame of a book
PRICES_STEPS = round(0.4 / STEP_S)
SNAPSHOT_STEPS = round(15 / STEP_S)  # of all prices
CANDLES = ("1m", "5m", "15m", "30m", "1h", "4h", "8h", "1d", "3d", "1w", "1M")
ZOMBIE_MS = 1_738_314_000_000  # the last mark of pairs that are traded no more
UNKNOWN_EVENT = "something-new"
TRADES = 30


class Coindcx(Exchange):
    """See the module docstring."""

    name = "coindcx"
    settings_defaults: ClassVar[dict[str, float]] = {
        "ping_interval_s": PING_INTERVAL_S,
        "ping_timeout_s": PING_TIMEOUT_S,
        "requests_per_minute": 5000,
        "book_snapshot_every_s": 60,
    }
    unknown_frame = b'{"type":"something-new","pr":"futures","s":"BTCUSDT"}'
    market: RelayMarket

    def __init__(self, fair: FairPrices, seed: int, instruments: int) -> None:
        super().__init__(fair, seed, instruments)
        self.market = RelayMarket(self.listings, fair, seed, instruments)
        self.memories: dict[tuple[str, int, int], DepthMemory] = {}
        self.snapshot_due: dict[tuple[str, int, int], int] = {}
        self.told_at: dict[tuple[str, int, int], int] = {}  # the step that a memory is of
        self.joins: Counter[Connection] = Counter()  # of books
        self.prices_version = 361_105_655
        self.price_rows: dict[int, dict[str, Any]] = {}  # as last sent
        self.trades: dict[int, deque[dict[str, Any]]] = {}
        self.clients: dict[str, SocketIoConnection] = {}
        self.rest = CoinDcxRest(self)
        self.server = Server(self)

    @classmethod
    def build_listings(cls, instruments: int, seed: int) -> list[Listing]:
        return coindcx_listings(instruments, seed)

    # Connections.

    def routes(self, port: str) -> list[web.RouteDef]:
        return [web.get("/socket.io/", self._handshake), *self.rest.routes()]

    async def _handshake(self, request: web.Request) -> web.StreamResponse:
        if self.faults.reject_mode == "http503":
            return web.Response(status=503, text="Service Unavailable")
        if self.in_maintenance(time.monotonic()):
            return self.maintenance_answer()
        return await self.server.handle(request)

    def client_came(self, sid: str, request: web.Request) -> bool:
        """Take a client in; False shuts the door after the handshake."""
        if self.faults.reject_mode == "accept_close":
            return False
        connection = SocketIoConnection(sid, request, self.faults, time.monotonic(), UNKNOWN_EVENT)
        self.connection_count += 1
        connection.number = self.connection_count
        self.connections.add(connection)
        self.clients[sid] = connection
        return True

    def client_left(self, sid: str) -> None:
        connection = self.clients.pop(sid, None)
        if connection is None:
            return
        self.connections.discard(connection)
        self.closed_frames += connection.frames_sent
        del self.joins[connection]
        for key in list(connection.topics):
            self.unsubscribe(connection, key)

    def client_said(self, sid: str, event: str, data: object) -> None:
        connection = self.clients.get(sid)
        if connection is not None and not connection.half_open:
            connection.last_message = time.monotonic()
            self.on_message(connection, orjson.dumps([event, data]).decode())

    def freeze_connections(self) -> None:
        super().freeze_connections()
        for sid in self.clients:
            self.server.mute(sid)

    def on_second(self, now: float) -> None:
        self.server.set_times(self.settings["ping_interval_s"], self.settings["ping_timeout_s"])

    def on_message(self, connection: Connection, text: str) -> None:
        """An event of a client: `join` and `leave` with a channel; anything else is passed over in silence."""
        match orjson.loads(text):
            case [("join" | "leave") as event, {"channelName": str(channel)}]:
                key = self._key(channel)
            case _:
                return
        if key is None or self.faults.reject_mode == "subscribe":
            return
        if event == "leave":
            self.unsubscribe(connection, key)
        elif key not in connection.topics:
            self.subscribe(connection, key, channel)
            if key[0] == "book":
                self._begin_book(connection, key)

    def _key(self, channel: str) -> Any:
        """The stream a channel's name stands for; None if there is no such channel."""
        if channel == PRICES[0]:
            return PRICES
        pair, _, rest = channel.partition("@")
        if not rest:
            stem, _, resolution = channel.removesuffix("-futures").rpartition("_")
            listing = self.find(stem)
            return ("candles", listing.index) if listing is not None and resolution in CANDLES else None
        listing = self.find(pair)
        if listing is None or listing.status == CLOSED:
            return None
        if rest in ("trades-futures", "prices-futures"):
            return (rest.partition("-")[0], listing.index)
        for depth in DEPTHS:
            if rest == f"orderbook@{depth}-futures":
                return ("book", listing.index, depth)
        return None

    def is_numbered(self, key: object) -> bool:
        return isinstance(key, tuple) and key[0] == "book"

    def frame_mark(self, listing: Listing) -> bytes:
        return f'"{listing.extra["mkt"]}"'.encode()

    def end_connections(self) -> None:
        self.drop_connections()

    # Books.

    def _begin_book(self, connection: Connection, key: tuple[str, int, int]) -> None:
        """About every second join starts with a snapshot, the others with the next change.

        Counted by client: of two that join in turn, one would hear no snapshot at all.
        """
        memory = self._memory(key)
        self.joins[connection] += 1
        if (connection.number + self.joins[connection]) % 2 == 0:
            frame = self._frame(self.listings[key[1]], "depth-snapshot", memory.last_id, *memory.current())
            self.send_data(connection, frame)

    def _memory(self, key: tuple[str, int, int]) -> DepthMemory:
        """A book as it was last told, which is numbered whether anybody listens or not.

        Who comes back at once has missed nothing, and REST has the numbers of the stream.
        """
        _, index, depth = key
        steps, memory = self.market.steps, self.memories.get(key)
        if memory is None:
            memory = self.memories[key] = DepthMemory(depth)
            memory.snapshot(self.book(self.listings[index]))
            memory.last_id = 106_543_328 + 1000 * index + depth
        elif key not in self.topics and steps - self.told_at[key] >= BOOK_STEPS:  # nobody has listened
            memory.last_id += any(memory.changes(self.book(self.listings[index])))
        else:
            return memory
        self.told_at[key], self.snapshot_due[key] = steps, steps + self._snapshot_steps
        return memory

    @property
    def _snapshot_steps(self) -> int:
        return max(1, round(self.settings["book_snapshot_every_s"] / STEP_S))

    def _publish_book(self, key: tuple[str, int, int], memory: DepthMemory) -> None:
        _, index, depth = key
        listing, book = self.listings[index], self.book(self.listings[index])
        if self.market.steps >= self.snapshot_due[key]:
            self.snapshot_due[key] = self.market.steps + self._snapshot_steps
            kind, (bids, asks) = "depth-snapshot", memory.snapshot(book)
        else:
            kind = "depth-update"
            bids, asks = memory.changes(book)
            window_bids, window_asks = memory.current()
            # A change may lie beyond the window, and what leaves it is not deleted: clients trim.
            bids = _wide(bids, window_bids, book.bids.top(depth + 1), -1)
            asks = _wide(asks, window_asks, book.asks.top(depth + 1), 1)
        if kind == "depth-snapshot" or bids or asks:
            memory.last_id += 1
            self.publish(key, self._frame(listing, kind, memory.last_id, bids, asks))

    def _frame(self, listing: Listing, kind: str, version: int, bids: Levels, asks: Levels) -> Event:
        now = self.now_ms
        body = {"ts": now, "vs": version, "asks": _sides(listing, asks), "bids": _sides(listing, bids)}
        body |= {"type": kind, "pts": now}
        if kind == "depth-update":
            # What moves below a top that stands is repeated as late as the top.
            moved = max(float(self.market.source_time[listing.index]), self.time - DELAY_S)
            body["E"] = int((moved + self.faults.clock_offset_s) * 1000)
        return Event(kind, body | {"pr": "futures", "s": listing.extra["mkt"]})

    def book_body(self, listing: Listing, depth: int) -> dict[str, Any]:
        """A book for REST: as the stream of the same depth has told it."""
        memory = self._memory(("book", listing.index, depth))
        bids, asks = memory.current()
        return {"ts": self.now_ms, "vs": memory.last_id, "asks": _sides(listing, asks), "bids": _sides(listing, bids)}

    # Prices and trades.

    def on_tops(self, change: TopChange) -> None:
        fields = (change.index, change.bid_ticks, change.bid_lots, change.ask_ticks, change.ask_lots)
        for index, bid, bid_lots, ask, ask_lots in zip(*(field.tolist() for field in fields), strict=True):
            if bid_lots % 3 == 0 and (("trades", index) in self.topics or ("prices", index) in self.topics):
                buy = ask_lots % 2 == 0
                self._trade(self.listings[index], ask if buy else bid, ask_lots if buy else bid_lots, buy)

    def on_step(self, step: int) -> None:
        for key, memory in tuple(self.memories.items()):
            if step % BOOK_STEPS == key[1] % BOOK_STEPS and key in self.topics:
                self.told_at[key] = self.market.steps
                if self.listings[key[1]].status == LIVE:
                    self._publish_book(key, memory)
        if PRICES in self.topics:
            if step % SNAPSHOT_STEPS == 0:
                self.publish(PRICES, Event("currentPrices@futures#snapshot", self.prices_body() | {"pr": "futures"}))
            elif step % PRICES_STEPS == 0:
                self._publish_prices()

    def _price_row(self, listing: Listing) -> dict[str, Any]:
        """Everything known of a pair: `fr` last settled, `efr` estimated; volume in USDT; times of Binance and here."""
        market, i = self.market, listing.index
        marked_ms = ZOMBIE_MS if listing.status == CLOSED else (self.step_ms // 1000 - 2) * 1000
        last, opened = float(market.last[i]), float(market.open[i])
        pd = listing.price_decimals
        tick_ms = int((market.source_time[i] + self.faults.clock_offset_s) * 1000)
        return {
            "fr": round(float(market.settled_rate[i]), 8),
            "h": round(float(market.high[i]), pd),
            "l": round(float(market.low[i]), pd),
            "v": round(float(market.volume_notional[i]), 4),
            "ls": round(last, pd),
            "pc": round((last / opened - 1) * 100, 3),
            "mkt": listing.extra["mkt"],
            "btST": tick_ms,
            "ctRT": tick_ms + 160,
            "skw": -207,
            "mp": round(float(market.mark[i]), pd + 2),
            "efr": round(float(market.funding_rate[i]), 8),
            "bmST": marked_ms,
            "cmRT": marked_ms + 117,
        }

    def prices_body(self) -> dict[str, Any]:
        """The prices of all pairs, also of those that are traded no more."""
        self.prices_version += 1
        rows = {row.exchange_symbol: self._price_row(row) for row in self.visible()}
        return {"ts": self.now_ms, "vs": self.prices_version, "prices": rows}

    def _publish_prices(self) -> None:
        changed: dict[str, dict[str, Any]] = {}
        for listing in self.trading():
            row, before = self._price_row(listing), self.price_rows.get(listing.index, {})
            fields = {name: value for name, value in row.items() if before.get(name) != value}
            if fields:
                self.price_rows[listing.index] = row
                changed[listing.exchange_symbol] = fields
        if changed:
            self.prices_version += 1
            now = self.now_ms
            body = {"vs": self.prices_version, "ts": now, "pr": "futures", "pST": now - 17, "prices": changed}
            self.publish(PRICES, Event("currentPrices@futures#update", body))

    def _trade(self, listing: Listing, ticks: int, lots: int, buy: bool) -> None:
        price = f"{ticks * listing.tick:.{listing.price_decimals}f}"
        size = f"{max(1, lots // 5) * listing.lot:.{listing.size_decimals}f}"
        at = int((self.market.source_time[listing.index] + self.faults.clock_offset_s) * 1000)
        maker = not buy  # of the buyer, as Binance has it
        row = {"price": float(price), "quantity": float(size), "timestamp": at, "is_maker": maker}
        self.trades.setdefault(listing.index, deque(maxlen=TRADES)).append(row)
        body = {"T": at, "RT": self.now_ms + 0.8345, "p": price, "q": size, "m": int(maker)}
        self.publish(("trades", listing.index), Event("new-trade", body | {"s": listing.exchange_symbol, "pr": "f"}))
        self.publish(("prices", listing.index), Event("price-change", {"T": at, "p": price, "pr": "f"}))

    def recent_trades(self, listing: Listing) -> Iterable[dict[str, Any]]:
        return self.trades.get(listing.index, ())


def _sides(listing: Listing, levels: Levels) -> dict[str, str]:
    """{"2777": "0.548", "2776.91": "12.065"}: as in JavaScript, whole numbers come first, whatever they are worth."""
    rows = [
        (
            _plain(f"{price * listing.tick:.{listing.price_decimals}f}"),
            _plain(f"{lots * listing.lot:.{listing.size_decimals}f}"),
        )
        for price, lots in levels
    ]
    whole = sorted((row for row in rows if row[0].isdigit()), key=lambda row: int(row[0]))
    return dict([*whole, *(row for row in rows if not row[0].isdigit())])


def _plain(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _wide(changes: Levels, window: Levels, known: Levels, sign: int) -> Levels:
    """Changes without deletions of what only left the window, and with the level beyond it where there are any."""
    if not changes or len(known) <= len(window):
        return changes
    worst = window[-1][0]
    kept = [(price, lots) for price, lots in changes if lots or (price - worst) * sign < 0]
    return [*kept, known[-1]] if kept else kept
