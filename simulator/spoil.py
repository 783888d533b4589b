"""Spoils single frames: garbage, and numbers written as other exchanges, or nobody, would write them."""

import re
from dataclasses import dataclass
from random import Random
from typing import Any

import orjson

GARBAGE_KINDS = ("undecodable", "truncated", "wrong_type", "unknown_channel")
ODD_KINDS = ("other_spelling", "null", "empty")
EVERY_FIELD_SHARE = 0.5  # of the odd frames; in the others about a third of the fields are odd
SOME_FIELDS = 0.3

_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")


@dataclass(slots=True)
class Spoiler:
    """Which share of the frames is spoilt, and how. Kinds: the ways to choose from."""

    garbage_share: float = 0.0
    garbage_kinds: tuple[str, ...] = GARBAGE_KINDS
    odd_share: float = 0.0
    odd_kinds: tuple[str, ...] = ODD_KINDS

    @property
    def active(self) -> bool:
        return self.garbage_share > 0 or self.odd_share > 0

    def spoil(self, payload: bytes, unknown_frame: bytes, chance: Random) -> tuple[bytes, ...]:
        """The frame, or what has become of it. Who sends what nobody knows still sends the rest."""
        if self.garbage_share > 0 and chance.random() < self.garbage_share:
            kind = chance.choice(self.garbage_kinds)
            return (unknown_frame, payload) if kind == "unknown_channel" else (_garbage(payload, kind),)
        if self.odd_share > 0 and chance.random() < self.odd_share:
            return (_odd(payload, chance.choice(self.odd_kinds), chance),)
        return (payload,)


def _garbage(payload: bytes, kind: str) -> bytes:
    if kind == "undecodable":
        return b"\\x{" + payload[:24][::-1].replace(b"\xff", b"?").decode("utf-8", "replace").encode() + b"<<"
    if kind == "truncated":
        text = payload.decode()
        return text[: max(1, len(text) * 2 // 3)].encode()
    spoilt, count = re.subn(rb'"-?\d+(\.\d+)?"', b'{"value":[]}', payload, count=2)
    return spoilt if count else b"[42]"


def _odd(payload: bytes, kind: str, chance: Random) -> bytes:
    """The frame with its numbers, written as numbers or as text, in another way or left out."""
    share = 1.0 if chance.random() < EVERY_FIELD_SHARE else SOME_FIELDS

    def rewritten(value: Any) -> Any:
        match value:
            case dict():
                return {key: rewritten(item) for key, item in value.items()}
            case list():
                return [rewritten(item) for item in value]
            case bool() | None:
                return value
            case int() | float():
                other: object = str(value)
            case str() if _NUMBER.fullmatch(value):
                other = float(value) if "." in value or "e" in value.lower() else int(value)
            case _:
                return value
        if chance.random() >= share:
            return value
        return other if kind == "other_spelling" else None if kind == "null" else ""

    try:
        data = rewritten(orjson.loads(bytes(payload)))
        return _like(payload, data)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return payload  # not JSON, or an integer that JSON libraries refuse


def _like(payload: bytes, data: Any) -> bytes:
    """The data as the same kind of frame: some protocols keep the name of an event beside it."""
    again = getattr(payload, "again", None)
    return again(data) if again is not None else orjson.dumps(data)
