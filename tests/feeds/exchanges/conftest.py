"""Where the recorded material lies, and instruments made from the listings in it."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from feeds.errors import FeedError
from market.models import Quote

SHARED = Path(__file__).parents[4] / "shared"


def text_of_message(line: str) -> str:
    """The recorded text of a capture's `msg`, with its number spellings and key order."""
    message = line[line.index('"msg":') + len('"msg":') :].rstrip()[:-1]
    return json.loads(message) if message.startswith('"') else message


class Recordings:
    """Recorded frames and the samples of the venue notes, as text."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def inbound(self, path: str) -> Iterator[tuple[str, float, str]]:
        """Source and address, receive time and text of each frame of a capture that came from the exchange."""
        for line in (self._folder / "captures" / path).read_text(encoding="utf-8").splitlines():
            fields = json.loads(line)
            if fields["dir"] == "in":
                place = f"{fields['source']} {(fields['url'] or '').partition('?')[0]}"
                yield place, fields["t"] or 0.0, text_of_message(line)

    def bodies(self, path: str) -> list[bytes]:
        """The bodies of a capture of REST answers."""
        return [text.encode() for _, _, text in self.inbound(path)]

    def listings(self, exchange: str) -> list[bytes]:
        """The listings of an exchange's samples."""
        path = self._folder / "venues" / "samples" / exchange / "instruments.json"
        return [json.dumps(body).encode() for body in json.loads(path.read_text(encoding="utf-8")).values()]

    def frames(self, exchange: str) -> Iterator[tuple[str, str]]:
        """File and text of every websocket message among an exchange's samples; REST answers are left out."""
        for path in sorted((self._folder / "venues" / "samples" / exchange).glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                fields: Any = json.loads(line)
                if not isinstance(fields, dict) or "dir" not in fields:
                    yield path.stem, line
                elif fields["dir"] == "in":
                    yield path.stem, text_of_message(line)


@pytest.fixture(scope="session")
def recordings() -> Recordings:
    if not (SHARED / "captures").is_dir():
        pytest.skip("the recorded frames of ../shared/captures are not there")
    return Recordings(SHARED)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[..., Any]:
    """What a decoder makes of a frame: its words, or the type of its error, and its warnings."""

    def read(decoder: Any, frame: bytes | str) -> tuple[Any, list[str]]:
        caplog.clear()
        try:
            words: Any = decoder.feed(frame, 7.0)
        except FeedError as error:
            words = type(error)
        return words, caplog.messages.copy()

    return read


@pytest.fixture
def outcomes() -> Callable[..., Any]:
    return count_outcomes


def count_outcomes(decoder_of: Callable[[], Any], frames: Iterator[tuple[str, float, str]]) -> dict[str, int]:
    """What each frame gave: the names of its words, "nothing", or the name of its error. One decoder a source."""
    decoders: defaultdict[str, Any] = defaultdict(decoder_of)
    counts: Counter[str] = Counter()
    for source, received_time, text in frames:
        try:
            words = decoders[source].feed(text.encode(), received_time)
        except FeedError as error:
            name = type(error).__name__
        else:
            name = "+".join(sorted({type(word).__name__ for word in words})) or "nothing"
            for quote in words:
                if isinstance(quote, Quote) and quote.bid_price and quote.ask_price:
                    assert 0.0 < quote.bid_price < quote.ask_price < float("inf")
        counts[name] += 1
    return dict(counts)
