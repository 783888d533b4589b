"""Hyperliquid: the perpetuals of its main market, linear and paid in USDC.

Source: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api (2026-10) and probes of 2026-08 and 2026-09.
Everything is read by posting to one address; frames have no sequence numbers, and each is whole. Times are those of
blocks, about 70 ms apart and equal for all coins of one.

Prices are USDT prices, because the oracle is: all but two coins are compared with the USDT contracts of others, though
profit is paid in USDC. Funding is hourly. Markets opened by others (`xyz:TSLA`) are left out.

`bbo` speaks only when the touch changes, which of a quiet coin may take 46 s, and no request lists the touches of all.
So the book of five levels is asked for besides, which comes every 0.54 s whether changed or not: what it says is true
at its own block, so a quiet quote is confirmed by being seen again. A mid or mark price, of which there are cheaper
lists, confirms nothing: other touches have the same mid. Two subscriptions a coin are 356 of the 1,000 allowed, and
195 KiB/s; the same books are the depth.

A subscription of a name that does not exist closes the socket without a word, so only names of a listing just read,
and not delisted there, are asked for.
"""

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from feeds.errors import BadListing, BadPayload, SubscriptionRejected, UnknownMessage
from feeds.exchanges import _fields as fields
from feeds.exchanges._plans import AdapterBase, sharded
from feeds.exchanges.base import (
    DEFAULT_CHANNELS,
    Ack,
    CatalogueChanged,
    Channel,
    ConnectionPlan,
    Heartbeat,
    HttpRequest,
    Poll,
    ServerTime,
    Word,
)
from market.models import AssetClass, Depth, Funding, Instrument, Quote, Status, Ticker
from market.symbols import canonical_symbol, comparison_quote, normalise

NAME = "hyperliquid"
ENDPOINTS = {"rest": "https://api.hyperliquid.xyz", "ws": "wss://api.hyperliquid.xyz"}
# Base tier, documentation and probe of 2026-09-24.
TAKER_FEE_BPS, MAKER_FEE_BPS = 4.5, 1.5
MIN_NOTIONAL = 10.0
PRICE_DECIMALS, PRICE_FIGURES = 6, 5
QUOTE_TOPIC, BOOK_TOPIC = "bbo", "l2Book"
# Of 1,000 subscriptions, 10 sockets and 2,000 messages a minute that one address may have.
COINS_PER_CONNECTION, CAPACITY = 250, 600
MESSAGES_PER_S = 100.0
CONTEXTS_EVERY_S = 3.0
HOUR_S = 3_600.0
# Blocks only go forward. Where nothing newer than the last time came for this long, that time was wrong.
FORGET_AFTER_S = 10.0

_OTHER_MARKETS = re.compile(r"[@#/:]")  # spot, outcomes, markets opened by others
_UNUSED_CHANNELS = frozenset(
    {
        *("trades", "candle", "allMids", "activeAssetCtx", "activeSpotAssetCtx", "allDexsAssetCtxs", "fastAssetCtxs"),
        *("assetCtxs", "post", "notification"),
    }
)


class Adapter(AdapterBase):
    """Hyperliquid's facts and rules."""

    name = NAME
    title = "Hyperliquid"
    endpoints = ENDPOINTS
    request_weight_per_s = 12.0  # of 20
    topics_per_message = 1
    messages_per_s = MESSAGES_PER_S
    heartbeat = Heartbeat('{"method":"ping"}', 20.0)  # it cuts a socket to which it has sent nothing for 60 s

    def instrument_requests(self) -> list[HttpRequest]:
        """The listing with the prices beside it, without which a tick is not known."""
        return [self._request("metaAndAssetCtxs", "instruments", 20.0)]

    def _request(self, what: str, purpose: str, weight: float) -> HttpRequest:
        body = orjson.dumps({"type": what})
        return HttpRequest("POST", f"{self._hosts['rest']}/info", purpose, weight=weight, json=body)

    def parse_instruments(self, bodies: Sequence[bytes]) -> list[Instrument]:
        """Read a listing, with or without prices. Raises BadListing."""
        body = self._json(bodies[0]) if bodies else None
        meta, contexts = body if isinstance(body, list) and len(body) == 2 else (body, None)
        if not isinstance(meta, dict) or not isinstance(universe := meta.get("universe"), list):
            raise BadListing(NAME, f"not a listing: {body!r:.120}")
        if contexts is not None:
            # The place in the list is what joins the two.
            if not isinstance(contexts, list) or len(contexts) != len(universe):
                raise BadListing(NAME, f"{len(universe)} contracts with other prices: {contexts!r:.120}")
            universe = [_with_price(row, context) for row, context in zip(universe, contexts, strict=True)]
        return self._kept(self._read_rows(universe, read_row, "name"))

    def connections(
        self, instruments: Sequence[Instrument], channels: Collection[Channel] = DEFAULT_CHANNELS
    ) -> list[ConnectionPlan]:
        """Touch and book of each coin on one connection, as long as all fit, with a poll of the contexts of all."""
        if {"quotes", "funding", "ticker"} & set(channels):
            wanted = [QUOTE_TOPIC, BOOK_TOPIC]
        elif "depth" in channels:
            wanted = [BOOK_TOPIC]
        else:
            return []
        names = [instrument.exchange_symbol for instrument in self._trading(instruments)]
        polls = [
            # The time of the last block, which trails the true one by 0.13 to 0.27 s. It is the clock of the frames,
            # which trail alike; so it raises the least delay we believe in by no more than that, and without it a
            # stream that is late as a whole would pass for punctual after a minute. If the blocks themselves stand
            # still, it looks like a stepped clock; then books repeat their time, and nothing is confirmed.
            Poll(self._request("exchangeStatus", "time", 2.0), 10.0),
            Poll(self._request("metaAndAssetCtxs", "contexts", 20.0), CONTEXTS_EVERY_S),
        ]
        plans = []
        for shard, part in enumerate(sharded(names, COINS_PER_CONNECTION)):
            topics = [f"{topic}:{name}" for name in part for topic in wanted]
            url = f"{self._hosts['ws']}/ws"
            plans.append(self._plan("market", shard, url, topics, CAPACITY, [] if shard else polls))
        return plans

    def subscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that asks for a topic. Answers name it, so it carries no id."""
        return _message("subscribe", topics)

    def unsubscribe(self, topics: Sequence[str], request_id: str) -> str:
        """The message that gives a topic up."""
        return _message("unsubscribe", topics)

    def symbols_of(self, topics: Iterable[str], instruments: Iterable[Instrument]) -> set[str]:
        """Our symbols whose best bid and ask come over these topics."""
        wanted = set(topics)
        return {i.symbol for i in instruments if i.exchange == NAME and f"{QUOTE_TOPIC}:{i.exchange_symbol}" in wanted}

    def decoder(self, instruments: Iterable[Instrument]) -> "Decoder":
        """A decoder with the state of one new connection."""
        return Decoder(NAME, instruments, self._ignored)


def _message(method: str, topics: Sequence[str]) -> str:
    channel, _, coin = topics[0].partition(":") if topics else ("", "", "")
    subscription: dict[str, Any] = {"type": channel, "coin": coin}
    if channel == BOOK_TOPIC:
        subscription["fast"] = True  # without it the book is five seconds old
    return orjson.dumps({"method": method, "subscription": subscription}).decode()


def _with_price(row: Any, context: Any) -> Any:
    """A row of the listing, with the price that its tick depends on."""
    return {**row, "markPx": context.get("markPx")} if isinstance(row, dict) and isinstance(context, dict) else row


def read_row(row: Mapping[str, Any]) -> Instrument | None:
    """The instrument of a listed row; None for other markets. `markPx` is of the context beside it, if any."""
    exchange_symbol = row["name"]
    if _OTHER_MARKETS.search(exchange_symbol):
        return None
    name = normalise(NAME, exchange_symbol, exchange_symbol)
    quote = comparison_quote(NAME, exchange_symbol, "USDC")
    mark_price = fields.price(row.get("markPx"))
    decimals = int(row["szDecimals"])
    return Instrument(
        exchange=NAME,
        exchange_symbol=exchange_symbol,
        symbol=canonical_symbol(name.asset, quote, "linear", AssetClass.CRYPTO, "USDC"),
        base=name.asset,
        quote="USDC",
        settle="USDC",
        kind="linear",
        multiplier=name.multiplier,
        contract_multiplier=name.multiplier,
        tick_size=None if mark_price is None else tick_size(mark_price, decimals) / name.multiplier,
        lot_size=10.0**-decimals * name.multiplier,
        min_notional=MIN_NOTIONAL,
        funding_interval_h=1.0,
        status=Status.CLOSED if row.get("isDelisted") else Status.TRADING,
        listed_time=None,
        taker_fee_bps=TAKER_FEE_BPS,
        maker_fee_bps=MAKER_FEE_BPS,
        pairing=name.pairing,
    )


def tick_size(quoted_price: float, size_decimals: int) -> float:
    """The step of a price: six decimals less those of the size, and at most five figures unless it is whole."""
    figures = math.floor(math.log10(quoted_price)) + 1 - PRICE_FIGURES
    return max(10.0 ** (size_decimals - PRICE_DECIMALS), min(1.0, 10.0**figures))


class _Level(msgspec.Struct, gc=False):
    px: float
    sz: float


class _Touch(msgspec.Struct, gc=False):
    coin: str
    time: int
    bbo: tuple[_Level | None, _Level | None]


class _TouchFrame(msgspec.Struct, gc=False):
    data: _Touch


class _Book(msgspec.Struct, gc=False):
    coin: str
    time: int
    levels: tuple[tuple[_Level, ...], tuple[_Level, ...]]


class _BookFrame(msgspec.Struct, gc=False):
    data: _Book


# strict=False reads "62914.2" as a float in C. It would also read "inf", so numbers are checked below.
_TOUCH_START, _BOOK_START = b'{"channel":"bbo"', b'{"channel":"l2Book"'
_LEVEL_FORM = {"px": "quantity", "sz": "quantity"}
_pick_touch = fields.picker(
    {"data": {"coin": "text", "time": "integer", "bbo": (_LEVEL_FORM, _LEVEL_FORM)}}, _TOUCH_START
)
_pick_book = fields.picker(
    {"data": {"coin": "text", "time": "integer", "levels": ([..., _LEVEL_FORM], [..., _LEVEL_FORM])}}, _BOOK_START
)
_decode_touch = msgspec.json.Decoder(_TouchFrame, strict=False).decode
_decode_book = msgspec.json.Decoder(_BookFrame, strict=False).decode


class Decoder(fields.ContractDecoder[fields.Contract]):
    """Reads the frames of one Hyperliquid connection, and the answers to its polls.

    A contract's `last_ms` is the block of its last touch, `last_id` that of its last book.
    """

    _universe: frozenset[str] | None = None

    def reset(self, topics: Collection[str]) -> None:
        """Forget what these topics have said."""
        for topic in topics:
            if contract := self.contracts.get(topic.partition(":")[2]):
                contract.forget()

    def _read(self, frame: bytes, received_time: float) -> Sequence[Word]:
        picked = _pick_touch(frame)
        if picked is not None:
            coin, time_ms, bid, bid_size, ask, ask_size = picked
            contract = self.contracts.get(coin)
            if contract is not None and time_ms > contract.last_ms and time_ms >= contract.last_id:
                plain = fields.touch(contract, bid, bid_size, ask, ask_size, time_ms / 1000, received_time)
                if plain is not None:
                    contract.last_ms, contract.last_received = time_ms, received_time
                    return [plain]
        picked = _pick_book(frame)
        if picked is not None and (words := self._plain_book(picked, received_time)):
            return words
        if frame.startswith(_TOUCH_START):
            return self._touch(_decode_touch(frame).data, received_time)
        if frame.startswith(_BOOK_START):
            return self._book(_decode_book(frame).data, received_time)
        if frame.startswith(b"Websocket connection established"):  # no longer sent in 2026
            return []
        return self._general(frame, received_time)

    def _touch(self, touch: _Touch, received_time: float) -> Sequence[Word]:
        """The best of both sides, as of a block in which it changed."""
        contract = self.contracts.get(touch.coin)
        if contract is None:
            contract = self._contract(touch.coin)
            if contract is None:
                return []
        time_ms = touch.time
        if time_ms <= contract.last_ms or time_ms < contract.last_id:
            again = time_ms <= contract.last_ms  # what a book overtook is in order among its own
            if self._is_overtaken(contract, time_ms, again, received_time):
                return []
        bid, ask = touch.bbo
        if bid is not None and ask is not None and time_ms > 0:
            plain = fields.touch(contract, bid.px, bid.sz, ask.px, ask.sz, time_ms / 1000, received_time)
            if plain is not None:
                contract.last_ms, contract.last_received = time_ms, received_time
                return [plain]
        quote = contract.quote(*_side(bid), *_side(ask), fields.seconds(time_ms), received_time)
        contract.last_ms, contract.last_received = time_ms, received_time
        return [quote]

    def _plain_book(self, picked: tuple[Any, ...], received_time: float) -> Sequence[Word] | None:
        """Read a book as below if it is two-sided and newer than all before; else None."""
        coin, time_ms, quoted_bids, quoted_asks = picked
        contract = self.contracts.get(coin)
        if contract is None or time_ms <= contract.last_ms or time_ms <= contract.last_id:
            return None
        bids, asks = fields.ladder(contract, quoted_bids), fields.ladder(contract, quoted_asks)
        if not bids or not asks or bids[0][0] >= asks[0][0]:
            return None
        contract.last_id, contract.last_received = time_ms, received_time
        symbol, event_time = contract.symbol, time_ms / 1000
        (bid, bid_size), (ask, ask_size) = bids[0], asks[0]
        return [
            Quote(NAME, symbol, bid, bid_size, ask, ask_size, event_time, received_time),
            Depth(NAME, symbol, bids, asks, event_time, received_time),
        ]

    def _book(self, book: _Book, received_time: float) -> Sequence[Word]:
        """A whole book: depth, and the touch as it is at the book's block."""
        contract = self.contracts.get(book.coin)
        if contract is None:
            contract = self._contract(book.coin)
            if contract is None:
                return []
        time_ms = book.time
        if time_ms == contract.last_id:
            return []  # the first one comes twice
        if time_ms < contract.last_id and self._is_overtaken(contract, time_ms, True, received_time):
            return []
        bids, asks = _levels(contract, book.levels[0]), _levels(contract, book.levels[1])
        if bids and asks and bids[0][0] >= asks[0][0]:
            raise BadPayload(NAME, f"the book of {book.coin} is crossed")
        event_time = time_ms / 1000 if time_ms > 0 else fields.seconds(time_ms)
        depth = Depth(NAME, contract.symbol, bids, asks, event_time, received_time)
        if time_ms <= contract.last_ms and self._is_overtaken(contract, time_ms, False, received_time):
            contract.last_id = time_ms
            return [depth]
        contract.last_id, contract.last_received = time_ms, received_time
        bid_price, bid_size = bids[0] if bids else (None, None)
        ask_price, ask_size = asks[0] if asks else (None, None)
        return [
            Quote(NAME, contract.symbol, bid_price, bid_size, ask_price, ask_size, event_time, received_time),
            depth,
        ]

    def _is_overtaken(self, contract: fields.Contract, time_ms: int, again: bool, received_time: float) -> bool:
        """Whether a frame came after one of a later block. again: after one of its own channel, which is counted."""
        older = time_ms < max(contract.last_ms, contract.last_id)
        if older and received_time - contract.last_received > FORGET_AFTER_S:
            contract.forget()
            return False
        self.outdated += again
        return True

    def _general(self, frame: bytes, received_time: float) -> Sequence[Word]:
        match message := orjson.loads(frame):
            case {"channel": "bbo"}:  # its keys in another order
                return self._touch(_decode_touch(frame).data, received_time)
            case {"channel": "l2Book"}:
                return self._book(_decode_book(frame).data, received_time)
            case {"channel": "subscriptionResponse", "data": {"subscription": {"type": kind} as subscription}}:
                return [Ack(topics=(f"{kind}:{subscription.get('coin', '')}",))]
            case {"channel": "pong"}:
                return [Ack()]
            case {"channel": "error", "data": str(reason)}:
                return self._refused(reason)
            case {"channel": str(channel)} if channel in _UNUSED_CHANNELS:
                return []
            case _:
                raise UnknownMessage(NAME, f"{message!r:.200}")

    def _refused(self, reason: str) -> Sequence[Word]:
        """What an error says: it quotes the subscription, or the whole request that could not be read."""
        if reason.startswith("Already unsubscribed"):
            return [Ack()]
        try:
            quoted = orjson.loads(reason[reason.index("{") :])
        except ValueError:
            quoted = {}
        subscription = quoted.get("subscription", quoted)
        named = isinstance(subscription, dict) and isinstance(subscription.get("coin"), str)
        topics = (f"{subscription.get('type')}:{subscription['coin']}",) if named else ()
        raise SubscriptionRejected(NAME, reason[:200], topics, live=reason.startswith("Already subscribed"))

    def _is_foreign(self, exchange_symbol: str) -> bool:
        return _OTHER_MARKETS.search(exchange_symbol) is not None

    # -- polls -------------------------------------------------------------------------------------------------

    def _answer(self, purpose: str, body: Any, received_time: float) -> Sequence[Word]:
        if purpose == "time":
            # See the poll for what it is worth.
            return [ServerTime(fields.required(fields.seconds(body["time"]), "time"))]
        if purpose != "contexts":
            return super()._answer(purpose, body, received_time)
        meta, contexts = body
        universe = meta["universe"]
        if len(universe) != len(contexts):
            raise BadPayload(NAME, f"{len(universe)} contracts with {len(contexts)} contexts")
        words: list[Word] = []
        bad = 0
        for row, context in zip(universe, contexts, strict=True):
            try:
                contract = self.contracts.get(row["name"])
                if contract is not None and not row.get("isDelisted"):
                    words += _context(contract, context, received_time)
            except Exception as error:  # one row of 230
                bad += 1
                self._bad_row(str(row.get("name") if isinstance(row, dict) else row)[:40], error)
        if bad and bad == len(universe):
            raise BadPayload(NAME, f"none of the {bad} contexts could be read")
        return [*words, *self._changes(universe)]

    def _changes(self, universe: Sequence[Any]) -> list[Word]:
        """Word of a coin that was listed or delisted since the listing or the last look."""
        rows = (row for row in universe if isinstance(row, dict))
        listed = frozenset(str(row.get("name")) for row in rows if not row.get("isDelisted"))
        before, self._universe = self._universe, listed
        if before is None:
            trading = (c.exchange_symbol for c in self.contracts.values() if c.instrument.status is Status.TRADING)
            before = frozenset(trading) | (listed & set(self._ignored))
        if before == listed:
            return []
        return [CatalogueChanged(f"listed or delisted: {', '.join(sorted(before ^ listed)[:5])}")]


def _side(level: _Level | None) -> tuple[float | None, float | None]:
    return (None, None) if level is None else (level.px, level.sz)


def _levels(contract: fields.Contract, rows: Sequence[_Level]) -> tuple[tuple[float, float], ...]:
    """One side of a book in our units, best first. Raises ValueError for what is no price with a quantity."""
    plain = fields.ladder(contract, tuple(number for row in rows for number in (row.px, row.sz)))
    return plain or tuple(level for row in rows if (level := contract.level(row.px, row.sz)))


def _context(contract: fields.Contract, context: Mapping[str, Any], received_time: float) -> list[Word]:
    """Prices, the rate of the hour that runs, and 24 h figures. It has no time and no last price."""
    return [
        Funding(
            NAME,
            contract.symbol,
            fields.price(context.get("markPx"), contract.multiplier),
            fields.price(context.get("oraclePx"), contract.multiplier),
            fields.number(context.get("funding")),
            1.0,
            (received_time // HOUR_S + 1) * HOUR_S,
            None,
            received_time,
        ),
        Ticker(
            NAME,
            contract.symbol,
            None,
            fields.amount(context.get("dayBaseVlm"), contract.factor),
            fields.amount(context.get("dayNtlVlm")),
            fields.amount(context.get("openInterest"), contract.factor),
            None,
            received_time,
        ),
    ]
