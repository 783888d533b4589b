"""The same frames through the parsers of two libraries that many use: ccxt and cryptofeed.

Each reads what its own client would hand it, text, and turns it into its own objects; the networks around them are left
out. What they keep for their users (caches, order books) is theirs and is counted.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Protocol

from benchmarks.frames import Collected
from benchmarks.independent import CLIENTS, ccxt_client

Top = tuple[str, float, float]  # the exchange's own id, best bid and best ask, as quoted


class Parser(Protocol):
    """A library's way from text to its own objects."""

    package: str

    def parse(self, text: str) -> object:
        """Read one frame. May raise anything."""
        ...

    def top(self, text: str) -> Top | None:
        """Read one frame; the best bid and ask that came of it, if any did."""
        ...

    def close(self) -> None: ...


class CcxtParser:
    """ccxt's websocket client of an exchange, never connected."""

    package = "ccxt"

    def __init__(self, name: str, endpoints: Mapping[str, str]) -> None:
        """endpoints: where it reads its markets. Raises KeyError if ccxt does not have the exchange."""
        self._facts = CLIENTS[name]
        self._runner = asyncio.Runner()
        self._runner.run(self._open(name, endpoints))

    async def _open(self, name: str, endpoints: Mapping[str, str]) -> None:
        self._exchange = ccxt_client(name, endpoints)
        await self._exchange.load_markets()
        self._client = self._exchange.client("ws://127.0.0.1/")
        self._client.resolve = self._resolve
        # Quotes go into one of these, whether or not anybody waits for them.
        self._exchange.bidsasks, self._exchange.tickers = _Noting(self._resolve), _Noting(self._resolve)
        self._said: Any = None

    def _resolve(self, result: Any, _message_hash: str) -> None:
        """What ccxt wakes its waiting callers with, if it is a ticker or a book and not a group of them."""
        if isinstance(result, Mapping) and "symbol" in result:
            self._said = result

    def parse(self, text: str) -> object:
        if text.startswith('{"stream":'):  # an envelope that it does not ask Binance for
            text = text[text.index('"data":') + 7 : -1]
        return self._client.handle_text_or_binary_message(text)

    def top(self, text: str) -> Top | None:
        self._said = None
        try:
            self.parse(text)
        except Exception:  # whatever it cannot read
            return None
        said = self._said
        if not isinstance(said, Mapping) or said.get("symbol") not in self._exchange.markets:
            return None
        name = self._facts.name_of(self._exchange.markets[said["symbol"]])
        if "bids" in said:
            return (name, said["bids"][0][0], said["asks"][0][0]) if said["bids"] and said["asks"] else None
        return (name, said["bid"], said["ask"]) if said.get("bid") and said.get("ask") else None

    def close(self) -> None:
        self._runner.run(self._exchange.close())
        self._runner.close()


class _Noting(dict[str, Any]):
    """A dict that tells what is put into it."""

    def __init__(self, tell: Callable[[Any, str], None]) -> None:
        super().__init__()
        self._tell = tell

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self._tell(value, key)


# The classes that read the protocols we read, too, and the channels of theirs with a best bid and ask. Its KuCoin is
# spot, its Bitget and Phemex read older protocols, and its Deribit and OKX other channels than we take quotes from.
CRYPTOFEED = {
    "binance": ("BinanceFutures", ("ticker",)),
    "bybit": ("Bybit", ("l2_book",)),
    "bitmex": ("Bitmex", ("ticker",)),
    "gate": ("GateioFutures", ("ticker",)),
}


_SOCKET = SimpleNamespace(address="wss://stream.example/linear", uuid="1")


class CryptofeedParser:
    """A feed class of cryptofeed, never connected."""

    package = "cryptofeed"

    def __init__(self, name: str, collected: Collected) -> None:
        """Raises KeyError if it has no class for the protocol we read."""
        from cryptofeed import exchanges  # uvloop and all come with it
        from cryptofeed.symbols import Symbols

        class_name, channels = CRYPTOFEED[name]
        feed_class = getattr(exchanges, class_name)
        ids = {f"{row.symbol}-PERP": row.exchange_symbol for row in collected.instruments}
        Symbols.set(feed_class.id, ids, {"instrument_type": dict.fromkeys(ids, "perpetual")})
        self._ids = ids
        self._said: Any = None
        callbacks = dict.fromkeys(channels, self._hear)
        self._feed = feed_class(symbols=list(ids), channels=list(channels), callbacks=callbacks)
        self._handler: Callable[[str, object, float], Awaitable[None]] = self._feed.message_handler

    async def _hear(self, said: Any, _received_time: float) -> None:
        self._said = said

    def parse(self, text: str) -> object:
        try:
            self._handler(text, _SOCKET, time.time()).__await__().send(None)
        except StopIteration:
            return None
        raise RuntimeError("it waits for something")  # such as a snapshot over HTTP

    def top(self, text: str) -> Top | None:
        self._said = None
        try:
            self.parse(text)
        except Exception:  # whatever it cannot read
            return None
        said = self._said
        if said is None:
            return None
        if hasattr(said, "book"):
            book = said.book
            if not len(book.bids) or not len(book.asks):
                return None
            return self._ids[said.symbol], float(book.bids.index(0)[0]), float(book.asks.index(0)[0])
        return self._ids[said.symbol], float(said.bid), float(said.ask)

    def close(self) -> None: ...


def parsers(collected: Collected, endpoints: Mapping[str, str]) -> Sequence[Parser]:
    """Those that know the exchange, each having read what came before the frames."""
    name = collected.exchange.name
    found: list[Parser] = []
    if name in CLIENTS:
        found.append(CcxtParser(name, endpoints))
    if name in CRYPTOFEED:
        found.append(CryptofeedParser(name, collected))
    for parser in found:
        for _, frame in collected.prelude:
            parser.top(frame.decode())
    return found


def same(ours: float | None, theirs: float | Decimal) -> bool:
    return ours is not None and abs(float(theirs) / ours - 1.0) < 1e-9
