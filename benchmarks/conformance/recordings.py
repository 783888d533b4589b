"""Finds and reads the recorded listings and frames, which lie beside the repository."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"


class NoRecordingsError(Exception):
    """The folder with the recordings is not there; nothing can be compared."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One inbound message. place: recording and address it came from; url: the address without its query."""

    place: str
    url: str
    received_time: float
    text: str


def shared(folder: Path | None = None) -> Path:
    """The folder of recordings. Raises NoRecordingsError."""
    found = folder or SHARED
    if not (found / "captures").is_dir():
        raise NoRecordingsError(f"no recordings: {found.name}/captures is not beside the repository")
    return found


def message_text(line: str) -> str:
    """The text of a line's `msg` as the exchange spelt it; JSON texts that are strings come without quotes."""
    message = line[line.index('"msg":') + len('"msg":') :].rstrip()[:-1].strip()
    return str(json.loads(message)) if message.startswith('"') else message


def captured(path: Path) -> Iterator[Frame]:
    """Inbound messages of a capture file."""
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = json.loads(line)
        if fields["dir"] == "in":
            url = (fields["url"] or "").partition("?")[0]
            yield Frame(f"{fields['source']} {url}", fields["url"] or "", fields["t"] or 0.0, message_text(line))


def sampled(folder: Path) -> Iterator[Frame]:
    """Inbound websocket messages among an exchange's samples. Each stands alone: they are of different years."""
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
            fields = json.loads(line)
            place = f"samples/{folder.name}/{path.name}:{number + 1}"
            if not isinstance(fields, dict) or "dir" not in fields:
                yield Frame(place, "", 0.0, line)
            elif fields["dir"] == "in":
                yield Frame(place, "", 0.0, message_text(line))
