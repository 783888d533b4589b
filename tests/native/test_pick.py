"""Picking values out of frames: against a general parser, which must say the same of whatever is picked at all."""

import re
from decimal import Decimal

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.native_library import required

hot = required()

NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
BOOK = {
    "arg": {"id": "text"},
    "data": [
        {
            "asks": [..., ("positive", "quantity")],
            "bid": ("number", "number"),
            "ts": "nanoseconds",
            "seq?": "integer",
            "kind": b'"book"',
        }
    ],
}
FRAME = (
    b'{"arg":{"channel":"x","id":"BTC-1"},"data":[{"kind":"book","asks":[["20.5","7","0",2],[21,0.25,{"a":[1,"b"]}]],'
    b'"bid":[-1.5e-3,"3",null],"note":{"a":[true,false,null,"t",{}],"b":[]},"ts":"1700000000123","seq":9}]}'
)


class Unusual(Exception):
    """What is left to a general parser."""


def numeric(value: object, sign: bool = True) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    if isinstance(value, bool) or not NUMBER.fullmatch(text) or (text.startswith("-") and not sign):
        raise Unusual
    return text


def wanted(form: object) -> int:
    """How many values are wanted of a form."""
    match form:
        case str():
            return 1
        case dict():
            return sum(map(wanted, form.values()))
        case [_, _] if form[0] is ... and isinstance(form, list):
            return 1
        case list() | tuple():
            return sum(map(wanted, form))
        case _:
            return 0


def pick(form: object, value: object, into: list[object], optional: bool = False) -> None:
    """The reference: what is wanted of a value, in the order of the form."""
    match form:
        case bytes():
            if orjson.dumps(value) != form:
                raise Unusual
        case "text":
            if not isinstance(value, str):
                raise Unusual
            into.append(value)
        case "integer" | "nanoseconds":
            whole = Decimal(numeric(value))
            if whole != whole.to_integral_value():
                raise Unusual
            into.append(int(whole) / 1e9 if form == "nanoseconds" else int(whole))
        case "number" | "quantity" | "positive":
            number = float(numeric(value, form == "number"))
            if form == "positive" and number == 0.0:
                raise Unusual
            into.append(number)
        case dict():
            if not isinstance(value, dict):
                raise Unusual
            for key, inner in form.items():
                if key.removesuffix("?") in value:
                    pick(inner, value[key.removesuffix("?")], into, optional or key.endswith("?"))
                elif optional or key.endswith("?"):
                    into.extend([None] * wanted(inner))
                else:
                    raise Unusual
        case [only]:
            if not isinstance(value, list) or len(value) != 1:
                raise Unusual
            pick(only, value[0], into, optional)
        case [_, each] if form[0] is ... and isinstance(form, list):
            rows: list[object] = []
            for row in value if isinstance(value, list) else [None]:
                pick(each, row, rows)
            into.append(tuple(rows))
        case tuple():
            if not isinstance(value, list) or len(value) < len(form):
                raise Unusual
            for inner, element in zip(form, value, strict=False):
                pick(inner, element, into, optional)


def reference(form: object, frame: bytes) -> tuple[object, ...] | None:
    into: list[object] = []
    try:
        pick(form, orjson.loads(frame), into)
    except (Unusual, orjson.JSONDecodeError):
        return None
    return tuple(into)


def test_what_is_wanted_comes_in_the_order_of_the_form():
    picked = hot.Pick(BOOK, b'{"arg"').read(FRAME)
    assert picked == ("BTC-1", (20.5, 7.0, 21.0, 0.25), -0.0015, 3.0, 1_700.000_000_123, 9)
    assert picked == reference(BOOK, FRAME)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"seq":9', b'"seq":9,"seq":9'),  # twice
        (b'"id":"BTC-1"', b'"ix":"BTC-1"'),  # missing
        (b'"kind":"book"', b'"kind":"boot"'),
        (b'"20.5"', b'"-20.5"'),
        (b'"20.5"', b'"0"'),
        (b'"20.5"', b'"1e400"'),
        (b'"20.5"', b'"inf"'),
        (b'"20.5"', b'""'),
        (b'"20.5"', b"null"),
        (b'"20.5"', b"020.5"),
        (b'"20.5"', b"20."),
        (b'"20.5"', b'"20.5'),
        (b'"7","0",2', b'"7","0",2,'),
        (b'"7","0",2', b'"7","0",tru'),
        (b'"ts":"1700000000123"', b'"ts":1.5'),
        (b'"ts":"1700000000123"', b'"ts":99999999999999999999'),
        (b"BTC-1", b"BTC\\u002d1"),
        (b"BTC-1", "龙-1".encode()),
        (b'"x","id"', b'"x", "id"'),
        (b'"data":[{', b'"data":[{},{'),
        (b"}]}", b"}]}]"),
        (b"}]}", b"}]"),
        (b'{"arg"', b'{"grg"'),
    ],
)
def test_what_is_not_as_usual_is_left_to_a_general_parser(old, new):
    assert old in FRAME
    assert hot.Pick(BOOK, b'{"arg"').read(FRAME.replace(old, new)) is None


def test_rows_of_objects_tell_their_numbers_in_the_order_of_the_form_or_not_at_all():
    read = hot.Pick({"levels": [..., {"px": "number", "sz": "number"}]}, b"").read
    assert read(b'{"levels":[{"px":"1","sz":"2","n":3},{"n":3,"px":4,"sz":5}]}') == ((1.0, 2.0, 4.0, 5.0),)
    assert read(b'{"levels":[]}') == ((),)
    for odd in (b'{"sz":"1","px":"2"}', b'{"px":"1"}', b'{"px":"1","px":"2"}', b'{"px":"1","sz":"2","sz":"2"}', b"{}"):
        assert read(b'{"levels":[' + odd + b"]}") is None


def test_a_frame_without_end_is_none():
    read = hot.Pick(BOOK, b"").read
    assert [read(FRAME[:end]) for end in range(len(FRAME))] == [None] * len(FRAME)
    assert read(b"[" * 100_000) is None
    assert hot.Pick({"a": "text"}, b"").read(b'{"b":' + b"[" * 50 + b"]" * 50 + b',"a":"x"}') is None


@pytest.mark.parametrize(
    "form",
    [
        *("integers", [], {}, (), {"a": {}}, {1: "text"}, {"a?": b"1"}, b"{}", 5),
        *([..., "text"], [..., b"1"], [..., [..., "number"]]),
    ],
)
def test_a_form_that_is_none_is_refused(form):
    with pytest.raises((ValueError, TypeError)):
        hot.Pick(form, b"")


PIECES = [
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"-",
    b"e5",
    b"0",
    b"00",
    b".",
    b"1",
    b"null",
    b"\\",
    b" ",
    b"\x00",
    b"\xff",
]


@settings(max_examples=1500, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(FRAME) - 1), st.integers(0, 8), st.sampled_from(PIECES) | st.binary(max_size=3)),
        min_size=1,
        max_size=3,
    )
)
@example([(len(FRAME) - 1, 1, b"")])
def test_a_damaged_frame_is_picked_as_a_general_parser_would_or_not_at_all(damages):
    frame = FRAME
    for at, length, piece in damages:
        frame = frame[:at] + piece + frame[at + length :]
    picked = hot.Pick(BOOK, b"").read(frame)
    assert picked is None or picked == reference(BOOK, frame)


DECIMALS = st.from_regex(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


@settings(max_examples=1500, deadline=None)
@given(DECIMALS)
@example("9007199254740993")  # 2^53 + 1, which no double is
@example("0.1e-21")
@example("123456789012345678e22")
def test_a_number_is_the_nearest_double_or_left_alone(text):
    read = hot.Pick({"n": "number"}, b"").read
    for written in (text, f'"{text}"'):
        picked = read(f'{{"n":{written}}}'.encode())
        assert picked is None or picked == (float(text),)


@given(st.integers(-(10**17), 10**17), st.integers(0, 15))
def test_usual_numbers_are_picked(figures, decimals):
    text = f"{figures / 10**decimals:.{decimals}f}"
    if abs(float(text)) * 10**decimals < 2**53:
        assert hot.Pick({"n": "number"}, b"").read(f'{{"n":"{text}"}}'.encode()) == (float(text),)
