"""Reads what BitMEX sends: tables of quotes and instruments, small books, and answers to polls.

Source: https://www.bitmex.com/app/wsAPI (2026-05), checked against frames of 2021-07, 2025-09 and 2026-05. Data come
as tables: `partial` is the whole, `insert` adds rows, `update` changes the fields it names of the row it names. A row
of `quote` is a whole top of book; rows of `instrument` are merged here.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Annotated, Any

import msgspec
import orjson
from msgspec import UNSET, UnsetType

from feeds.errors import BadPayload, RequestFailed, SubscriptionRejected, UnknownContract, UnknownMessage
from feeds.exchanges import _fields as fields
from feeds.exchanges._bitmex_listing import NAME, PERPETUAL_TYPES, STATUS, epoch_s, hours
from feeds.exchanges.base import Ack, CatalogueChanged, Resync, ServerTime, Word
from market.models import Depth, Funding, Instrument, Quote, Status, Ticker

QUOTE_TOPIC, INSTRUMENT_TOPIC, DEPTH_TOPIC = "quote", "instrument", "orderBook10:"

# Indices and test indices (".BXBT"), dated futures ("XBTU26"), their spreads ("XBTM26-XBTU26"), spot ("XBT_USDT").
_FOREIGN = re.compile(r"^\.|[FGHJKMNQUVXZ]\d{2}$|-|_USD[TC]?$")
_UNUSED_TABLES = frozenset(
    {
        *("trade", "tradeBin1m", "tradeBin5m", "tradeBin1h", "tradeBin1d", "orderBookL2", "orderBookL2_25"),
        *("quoteBin1m", "quoteBin5m", "quoteBin1h", "quoteBin1d", "liquidation", "insurance", "settlement"),
        *("announcement", "chat", "connected", "publicNotifications"),
        "funding",  # payments that were made; the rate to come is in `instrument`
    }
)


class _Known(msgspec.Struct, gc=False):
    """What is known of an instrument. interval_h: hours; next_time: epoch s; open: contracts."""

    mark: float | None = None
    index: float | None = None
    rate: float | None = None
    interval_h: float | None = None
    next_time: float | None = None
    last: float | None = None
    volume: float | None = None
    turnover: float | None = None
    open: float | None = None


_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class _Row(msgspec.Struct, gc=False):
    timestamp: _Time
    symbol: str
    bidSize: float | None = None  # noqa: N815 - the field's own name
    bidPrice: float | None = None  # noqa: N815
    askPrice: float | None = None  # noqa: N815
    askSize: float | None = None  # noqa: N815


class _QuoteFrame(msgspec.Struct, gc=False):
    action: str
    data: list[_Row]


class _Change(msgspec.Struct, gc=False):
    """A row of `instrument`. UNSET is what it does not name; null has no value. What is a number is seen later."""

    symbol: str
    timestamp: Any = None
    state: Any = None
    typ: Any = None
    markPrice: Any = UNSET  # noqa: N815 - as above
    indicativeSettlePrice: Any = UNSET  # noqa: N815
    fundingRate: Any = UNSET  # noqa: N815
    fundingInterval: Any = UNSET  # noqa: N815
    fundingTimestamp: Any = UNSET  # noqa: N815
    lastPrice: Any = UNSET  # noqa: N815
    homeNotional24h: Any = UNSET  # noqa: N815
    foreignNotional24h: Any = UNSET  # noqa: N815
    openInterest: Any = UNSET  # noqa: N815


class _InstrumentFrame(msgspec.Struct, gc=False):
    action: str
    data: list[_Change]


class _PlainChange(msgspec.Struct, gc=False):
    """A row that changes prices, rate, volumes and open interest to plain numbers, and nothing else that is read."""

    symbol: str
    timestamp: _Time
    lastPrice: fields.Positive | UnsetType = UNSET  # noqa: N815 - as above
    markPrice: fields.Positive | UnsetType = UNSET  # noqa: N815
    indicativeSettlePrice: fields.Positive | UnsetType = UNSET  # noqa: N815
    fundingRate: fields.Rate | UnsetType = UNSET  # noqa: N815
    fundingTimestamp: str | UnsetType = UNSET  # noqa: N815
    openInterest: fields.Quantity | UnsetType = UNSET  # noqa: N815
    homeNotional24h: fields.Quantity | UnsetType = UNSET  # noqa: N815
    foreignNotional24h: fields.Quantity | UnsetType = UNSET  # noqa: N815
    # What has one of these is read as a _Change.
    state: None = None
    typ: None = None
    fundingInterval: UnsetType = UNSET  # noqa: N815


class _PlainFrame(msgspec.Struct, gc=False):
    data: list[_PlainChange]


_decode_quotes = msgspec.json.Decoder(_QuoteFrame).decode
_decode_instruments = msgspec.json.Decoder(_InstrumentFrame).decode
_decode_plain = msgspec.json.Decoder(_PlainFrame).decode


class Decoder(fields.ContractDecoder[fields.Contract]):
    """Reads the frames of one BitMEX connection, and the answers to its polls."""

    def __init__(self, instruments: Iterable[Instrument], ignored: Collection[str] = ()) -> None:
        self._btc_price: float | None = None  # what a quanto's size in coins depends on
        super().__init__(NAME, instruments, ignored)
        self._touches: dict[str, _Row] = {}
        self._rows: dict[str, _Known] = {}
        self._depths: dict[str, tuple[float, Depth]] = {}
        self._dead: set[str] = set()  # what the instrument table holds beside contracts that trade
        self._announced: set[tuple[str, str]] = set()

    def update(self, instruments: Iterable[Instrument]) -> None:
        """Take over a new catalogue without losing what is known of contracts that stay."""
        super().update(instruments)
        self._quantos = {contract.symbol for contract in self.contracts.values() if _is_quanto(contract)}
        # What a quote takes of a contract, at one look-up; quantos without a price of Bitcoin are not among them.
        self._units = {
            exchange_symbol: (contract, _units(contract, coins))
            for exchange_symbol, contract in self.contracts.items()
            if (coins := self._coins_each(contract)) is not None
        }

    def _coins_each(self, contract: fields.Contract) -> float | None:
        """Coins per contract, quote currency where it is inverse; None for a quanto if it cannot be told."""
        if contract.symbol not in self._quantos:
            return contract.factor
        if self._btc_price is None or contract.instrument.settle != "BTC":
            return None
        return contract.factor * self._btc_price * contract.multiplier

    def _take_btc_price(self, btc_price: float) -> None:
        self._btc_price = btc_price
        for exchange_symbol, contract in self.contracts.items():
            if contract.symbol in self._quantos and (coins := self._coins_each(contract)) is not None:
                self._units[exchange_symbol] = (contract, _units(contract, coins))

    def reset(self, topics: Collection[str]) -> None:
        """Forget what these topics have said."""
        for topic in topics:
            table, _, exchange_symbol = topic.partition(":")
            held = {QUOTE_TOPIC: self._touches, INSTRUMENT_TOPIC: self._rows, "orderBook10": self._depths}.get(table)
            if held is None:
                continue
            if exchange_symbol:
                held.pop(exchange_symbol, None)  # type: ignore[attr-defined]
            else:
                held.clear()  # type: ignore[attr-defined]

    def _read(self, frame: bytes, received_time: float) -> Sequence[Word]:
        if frame.startswith(b'{"table":"quote",'):
            try:
                message = _decode_quotes(frame)
            except msgspec.MsgspecError:  # one row that is no quote: the slow path reads the others
                return self._general(orjson.loads(frame), received_time)
            if message.action not in ("insert", "partial"):
                return self._table(QUOTE_TOPIC, message.action, [], received_time)
            return self._quotes(message.data, received_time)
        if frame.startswith(b'{"table":"instrument",'):
            words = self._plain_changes(frame, received_time)
            if words is not None:
                return words
            try:
                changes = _decode_instruments(frame)
            except msgspec.MsgspecError:  # as above
                return self._general(orjson.loads(frame), received_time)
            return self._table(INSTRUMENT_TOPIC, changes.action, changes.data, received_time)
        if frame == b"pong":  # bare text
            return [Ack()]
        return self._general(orjson.loads(frame), received_time)

    def _general(self, message: Any, received_time: float) -> Sequence[Word]:
        match message:
            case {"table": str(table), "action": str(action), "data": list(rows)}:
                return self._table(table, action, rows, received_time)
            case {"success": True, "subscribe": str(topic)} | {"success": True, "unsubscribe": str(topic)}:
                return [Ack(topics=(topic,))]
            case {"info": str(), "version": str()}:
                return []
            case {"error": {"message": reason}}:
                raise SubscriptionRejected(NAME, f"{reason}")
            case {"error": str(reason), "request": {"op": "unsubscribe"}}:
                raise SubscriptionRejected(NAME, reason, live=True)  # nothing is lost by that
            case {"error": str(reason)}:
                topics = _refused(reason, message.get("request"))
                raise SubscriptionRejected(NAME, reason, topics, live="already subscribed" in reason)
            case dict():
                raise UnknownMessage(NAME, f"{message!r:.200}")
            case _:  # every message is an object: this may be what is left of one that we know
                raise BadPayload(NAME, f"{message!r:.200}")

    def _table(self, table: str, action: str, rows: list[Any], received_time: float) -> Sequence[Word]:
        if action not in ("partial", "insert", "update", "delete"):
            raise UnknownMessage(NAME, f"action {action!r:.40} on {table!r:.40}")
        if table in _UNUSED_TABLES:
            return []
        if table not in (QUOTE_TOPIC, INSTRUMENT_TOPIC, "orderBook10"):
            raise UnknownMessage(NAME, f"table {table!r:.60}")
        if action == "delete":
            return []
        words: list[Word] = []
        failed: list[Exception] = []
        for row in rows:
            try:
                if table == INSTRUMENT_TOPIC:
                    words += self._instrument(msgspec.convert(row, _Change), action, received_time)
                elif table == QUOTE_TOPIC:
                    touch = msgspec.convert(row, _Row)
                    if quote := self._quote(touch, touch.timestamp.timestamp(), received_time):
                        words.append(quote)
                else:
                    words += self._depth(row["symbol"], row, received_time)
            except Exception as error:  # one row of 100
                failed.append(error)
                if not isinstance(error, UnknownContract):
                    named = row.get("symbol") if isinstance(row, dict) else getattr(row, "symbol", row)
                    self._bad_row(str(named)[:40], error)
        if failed and not words:
            if isinstance(failed[0], UnknownContract):
                raise failed[0]
            if len(failed) == len(rows):
                raise BadPayload(NAME, f"none of the {len(rows)} rows of {table} could be read: {failed[0]}"[:200])
        return words

    # -- top of book -------------------------------------------------------------------------------------------

    def _quotes(self, rows: list[_Row], received_time: float) -> Sequence[Word]:
        """Read new quotes, the plain ones here and all others in `_quote`."""
        units, touches, touch = self._units, self._touches, fields.touch
        if len(rows) > 1:  # rows of one contract are in order: only the last is still true
            rows = list({row.symbol: row for row in rows}.values())
        words: list[Word] = []
        failed: list[Exception] = []
        moment, event_time = None, 0.0
        for row in rows:
            exchange_symbol, timestamp = row.symbol, row.timestamp
            if timestamp != moment:  # most often one for all
                moment = timestamp
                event_time = moment.timestamp()
            known = touches.get(exchange_symbol)
            try:
                unit = units.get(exchange_symbol)
                if unit is not None and (known is None or timestamp > known.timestamp):
                    contract, in_ours = unit
                    sides = row.bidPrice, row.bidSize, row.askPrice, row.askSize
                    plain = touch(in_ours, *sides, event_time, received_time)  # type: ignore[arg-type]
                    if plain is not None:
                        words.append(plain)
                        touches[exchange_symbol], contract.last_received = row, received_time
                        continue
            except TypeError:  # an empty side
                pass
            try:
                if quote := self._quote(row, event_time, received_time):
                    words.append(quote)
            except (ValueError, ArithmeticError, UnknownContract) as error:
                if len(rows) == 1:
                    raise
                failed.append(error)
                if not isinstance(error, UnknownContract):
                    self._bad_row(exchange_symbol[:40], error)
        if failed and not words:
            if isinstance(failed[0], UnknownContract):
                raise failed[0]
            if len(failed) == len(rows):
                raise BadPayload(NAME, f"none of the {len(rows)} quotes could be read: {failed[0]}"[:200])
        return words

    def _quote(self, row: _Row, event_time: float, received_time: float) -> Quote | None:
        """A whole top of book; None if it is old or left out. Raises ValueError; nothing is remembered of that."""
        contract = self._contract(row.symbol)
        if contract is None:
            return None
        known = self._touches.get(row.symbol)
        if known is not None and row.timestamp <= known.timestamp and _is_old(row, known):
            behind_s = (known.timestamp - row.timestamp).total_seconds()
            if not fields.clock_set_back(behind_s, received_time - contract.last_received):
                self.outdated += 1
                return None
        quote = self._in_coins(contract, row, event_time, received_time)
        self._touches[row.symbol] = row
        contract.last_received = received_time
        return quote

    def _in_coins(self, contract: fields.Contract, row: _Row, event_time: float, received_time: float) -> Quote:
        bid, bid_size, ask, ask_size = row.bidPrice, row.bidSize, row.askPrice, row.askSize
        if contract.symbol in self._quantos:
            return Quote(
                NAME,
                contract.symbol,
                *self._quanto_side(contract, bid, bid_size),
                *self._quanto_side(contract, ask, ask_size),
                event_time,
                received_time,
            )
        return contract.quote(bid, bid_size, ask, ask_size, event_time, received_time)

    def _quanto_side(self, contract: fields.Contract, quoted: Any, size: Any) -> tuple[float | None, float | None]:
        """A price, and the size as BitMEX's `homeNotional` has it: what its worth in Bitcoin would buy.

        Without a price of Bitcoin, or with another coin to be paid in, the size is None beside its price.
        """
        coin_price, contracts = fields.price(quoted, contract.multiplier), fields.amount(size)
        if coin_price is None or not contracts:
            return None, None
        return coin_price, self._quanto_coins(contract, contracts)

    def _quanto_coins(self, contract: fields.Contract, contracts: float | None) -> float | None:
        """contracts x BTC per point = BTC worth / price; times dollars per BTC = coins."""
        coins = self._coins_each(contract)
        return None if contracts is None or coins is None else fields.amount(contracts, coins) or None

    # -- everything else ---------------------------------------------------------------------------------------

    def _plain_changes(self, frame: bytes, received_time: float) -> list[Word] | None:
        """Read changes that are as usual; None if anything is not: then the frame is read again, the general way."""
        if not frame.startswith(b'{"table":"instrument","action":"update",'):
            return None
        try:
            changes = _decode_plain(frame).data
        except msgspec.MsgspecError:
            return None
        rows, contracts = self._rows, self.contracts
        words: list[Word] = []
        moment, event_time = None, 0.0
        for row in changes:
            contract, known = contracts.get(row.symbol), rows.get(row.symbol)
            if contract is None or known is None:
                return None
            if row.timestamp != moment:  # most often one for all
                moment = row.timestamp
                event_time = moment.timestamp()
            symbol, multiplier = contract.symbol, contract.multiplier
            tells_funding = False
            if (next_time := row.fundingTimestamp) is not UNSET:
                try:
                    known.next_time, tells_funding = epoch_s(next_time), True
                except ValueError:
                    return None
            if (mark := row.markPrice) is not UNSET:
                known.mark, tells_funding = mark / multiplier, True
                if contract.inverse and symbol == "BTC-USD":
                    self._take_btc_price(known.mark)
            if (index := row.indicativeSettlePrice) is not UNSET:
                known.index, tells_funding = index / multiplier, True
            if (rate := row.fundingRate) is not UNSET:
                known.rate, tells_funding = rate, True
            if tells_funding:
                words.append(_funding(contract, known, event_time, received_time))
            tells_ticker = False
            if (last := row.lastPrice) is not UNSET:
                known.last, tells_ticker = last / multiplier, True
            if (volume := row.homeNotional24h) is not UNSET:
                known.volume, tells_ticker = volume * multiplier, True
            if (turnover := row.foreignNotional24h) is not UNSET:
                known.turnover, tells_ticker = turnover, True
            if (contracts_open := row.openInterest) is not UNSET:
                known.open, tells_ticker = contracts_open, True
            if tells_ticker:
                words.append(self._ticker(contract, known, event_time, received_time))
        return words

    def _instrument(self, row: _Change, action: str, received_time: float) -> list[Word]:
        """Merge a row: an absent field is unchanged, null is no value."""
        words: list[Word] = []
        exchange_symbol, state = row.symbol, row.state
        contract = self.contracts.get(exchange_symbol)
        if contract is None:
            if state is not None and (state != "Open" or row.typ not in PERPETUAL_TYPES):
                self._dead.add(exchange_symbol)  # the table also holds what has been settled years ago
                return words
            if exchange_symbol not in self._dead:
                self._contract(exchange_symbol)
            return words
        if state is not None and STATUS.get(state, Status.HALTED) is not contract.instrument.status:
            words += self._announce(exchange_symbol, str(state))
        before = self._rows.get(exchange_symbol) if action == "update" else _Known()
        if before is None:
            return words  # before its partial: what it leaves unsaid cannot be known
        known = copy(before)  # an unreadable row changes nothing
        multiplier = contract.multiplier
        event_time = epoch_s(row.timestamp)
        tells_funding = tells_ticker = False
        if (told := row.markPrice) is not UNSET:
            known.mark, tells_funding = fields.price(told, multiplier), True
            if known.mark is not None and contract.inverse and contract.symbol == "BTC-USD":
                self._take_btc_price(known.mark)
        if (told := row.indicativeSettlePrice) is not UNSET:
            known.index, tells_funding = fields.price(told, multiplier), True
        if (told := row.fundingRate) is not UNSET:  # what will be paid then; `indicativeFundingRate` is for later
            known.rate, tells_funding = fields.number(told), True
        if (told := row.fundingInterval) is not UNSET:
            known.interval_h, tells_funding = hours(told), True
        if (told := row.fundingTimestamp) is not UNSET:
            known.next_time, tells_funding = epoch_s(told), True
        if (told := row.lastPrice) is not UNSET:
            known.last, tells_ticker = fields.price(told, multiplier), True
        if (told := row.homeNotional24h) is not UNSET:
            known.volume, tells_ticker = fields.amount(told, multiplier), True
        if (told := row.foreignNotional24h) is not UNSET:
            known.turnover, tells_ticker = fields.amount(told), True
        if (told := row.openInterest) is not UNSET:
            known.open, tells_ticker = fields.amount(told), True
        if tells_funding:
            words.append(_funding(contract, known, event_time, received_time))
        if tells_ticker:
            words.append(self._ticker(contract, known, event_time, received_time))
        self._rows[exchange_symbol] = known
        return words

    def _ticker(
        self, contract: fields.Contract, known: _Known, event_time: float | None, received_time: float
    ) -> Ticker:
        coins = self._open_coins(contract, known.open, known.mark or known.last)
        return Ticker(NAME, contract.symbol, known.last, known.volume, known.turnover, coins, event_time, received_time)

    def _open_coins(self, contract: fields.Contract, contracts: float | None, coin_price: float | None) -> float | None:
        """Open interest in coins, from contracts, which count the quote currency where the contract is inverse."""
        if contracts is None:
            return None
        if contract.symbol in self._quantos:
            return self._quanto_coins(contract, contracts)
        coins = contracts * contract.factor
        if not contract.inverse:
            return coins if coins < fields.INF else None
        return fields.amount(coins / coin_price) if coin_price else None

    def _announce(self, exchange_symbol: str, state: str) -> list[Word]:
        """Ask for the listing once per change; the catalogue may not show it yet."""
        if (exchange_symbol, state) in self._announced:
            return []
        self._announced = {seen for seen in self._announced if seen[0] != exchange_symbol} | {(exchange_symbol, state)}
        return [CatalogueChanged(f"{exchange_symbol} is {state}, unlike in the catalogue")]

    def _depth(self, exchange_symbol: str, row: dict[str, Any], received_time: float) -> list[Word]:
        """Read ten levels a side, whole every time whatever the action says."""
        contract = self._contract(exchange_symbol)
        if contract is None:
            return []
        event_time = fields.required(epoch_s(row["timestamp"]), "timestamp")
        bids, asks = self._levels(contract, row["bids"]), self._levels(contract, row["asks"])
        if bids and asks and bids[0][0] >= asks[0][0]:
            self._depths.pop(exchange_symbol, None)
            return [Resync(f"{DEPTH_TOPIC}{exchange_symbol}", "the book is crossed")]
        depth = Depth(NAME, contract.symbol, bids, asks, event_time, received_time)
        known = self._depths.get(exchange_symbol)
        if known is not None and (
            event_time < known[0] or (event_time == known[0] and (bids, asks) == (known[1].bids, known[1].asks))
        ):
            self.outdated += 1
            return []
        self._depths[exchange_symbol] = event_time, depth
        return [depth]

    def _levels(self, contract: fields.Contract, rows: list[Any]) -> tuple[tuple[float, float], ...]:
        if contract.symbol not in self._quantos:
            return tuple(level for quoted in rows if (level := contract.level(quoted[0], quoted[1])))
        sides = (self._quanto_side(contract, quoted[0], quoted[1]) for quoted in rows)
        return tuple((coin_price, coins) for coin_price, coins in sides if coin_price and coins)

    def _is_foreign(self, exchange_symbol: str) -> bool:
        return exchange_symbol in self._dead or _FOREIGN.search(exchange_symbol) is not None

    # -- polls -------------------------------------------------------------------------------------------------

    def _answer(self, purpose: str, body: Any, received_time: float) -> Sequence[Word]:
        if isinstance(body, dict) and "error" in body:
            raise RequestFailed(NAME, f"{body['error']!r:.200}")
        if purpose == "time":
            return [ServerTime(fields.required(fields.seconds(body["timestamp"]), "time"))]
        if purpose != "active":
            return super()._answer(purpose, body, received_time)
        words: list[Word] = []
        bad = 0
        for row in body:
            try:
                contract = self.contracts.get(row["symbol"])
                if contract is not None:
                    words += self._polled(contract, row, received_time)
            except Exception as error:  # one row of 100
                bad += 1
                self._bad_row(str(row.get("symbol") if isinstance(row, dict) else row)[:40], error)
        if bad and bad == len(body):
            raise BadPayload(NAME, f"none of the {bad} active instruments could be read")
        return words

    def _polled(self, contract: fields.Contract, row: Mapping[str, Any], received_time: float) -> list[Word]:
        """Confirm a quote whose prices the listing still shows. It has no sizes, so it never brings a new one."""
        known = self._touches.get(contract.exchange_symbol)
        if known is None or row["state"] != "Open":
            return []
        shown = fields.number(row.get("bidPrice")), fields.number(row.get("askPrice"))
        held = known.bidPrice if known.bidSize else None, known.askPrice if known.askSize else None
        if shown != held or shown == (None, None):
            return []
        return [self._in_coins(contract, known, known.timestamp.timestamp(), received_time)]


def _funding(contract: fields.Contract, known: _Known, event_time: float | None, received_time: float) -> Funding:
    return Funding(
        NAME,
        contract.symbol,
        known.mark,
        known.index,
        known.rate,
        known.interval_h or contract.instrument.funding_interval_h,
        known.next_time,
        event_time,
        received_time,
    )


def _units(contract: fields.Contract, coins: float) -> fields.Units:
    """What a quote takes of a contract whose size in coins, or in quote currency where it is inverse, is known."""
    return fields.Units(NAME, contract.symbol, contract.multiplier, coins, contract.inverse)


def _is_quanto(contract: fields.Contract) -> bool:
    return contract.instrument.kind == "quanto"


def _is_old(row: _Row, known: _Row) -> bool:
    """Whether a row came late or twice. There is no sequence number, and several changes can carry one time."""
    return row.timestamp < known.timestamp or row == known


def _refused(reason: str, request: Any) -> tuple[str, ...]:
    """The topics of a refused request. It is echoed whole; where the text names one of them, that one it is."""
    args = request.get("args") if isinstance(request, dict) else None
    topics = (args,) if isinstance(args, str) else tuple(arg for arg in args or () if isinstance(arg, str))
    words = set(re.split(r"[\s,.]+", reason))
    named = tuple(topic for topic in topics if words & {topic, *topic.split(":")})
    return named or topics
