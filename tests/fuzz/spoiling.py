"""What might come instead of what should: anything at all, and good things with something spoilt about them.

Nothing finds as much as the second: wholly wild bytes are refused at the first look.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

NASTY_TEXT = st.sampled_from(
    ["", " ", "\x00", "a\x00b", "\ud800", "\udfff", "\ufeff", "\ufffd", "\u202e", "\x7f", "\x1b[2J",
     "😀" * 40, "a" * 5_000, "$share/x", "../../..", "%00", "%n", "';--", "{{7*7}}", "=1+1", "NaN", "-0", "1e999",
     "null", "٣", "\r\n\r\n"]
)  # fmt: skip
NASTY_NUMBERS = st.sampled_from(
    [0, -0.0, -1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**30, 10**400, 1e308, 5e-324, 1e-9,
     float("nan"), float("inf"), float("-inf")]
)  # fmt: skip
NASTY_TIMES = st.sampled_from(
    ["", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-23:59", "2026-02-30T00:00:00Z",
     "2026-03-01T24:00:00Z", "2026-03-01T23:59:60Z", "2000-01-01T00:00:00+23:59", "2099-12-31T23:59:59.999999999Z",
     "2026-03-01", "2026-03-01T11:00:00", "2026-03-01T11:00:00.1+08", "１２３４-01-01T00:00:00Z"]
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
LEAVES = LEAVES | NASTY_TEXT | NASTY_NUMBERS | NASTY_TIMES
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
)
DEEP = st.sampled_from([b"[" * 20_000, b"[" * 3_000 + b"]" * 3_000, b'{"a":' * 3_000 + b"1" + b"}" * 3_000])


def as_json(value: Any) -> bytes:
    """As JSON, also where it is none: NaN stays, half a surrogate pair is escaped."""
    return json.dumps(value).encode()


@st.composite
def changed(draw: st.DrawFn, good: dict[str, Any]) -> dict[str, Any]:
    """A good object with some of its fields changed, left out or doubled under another name."""
    said = dict(good)
    for name in draw(st.lists(st.sampled_from(sorted(good)), min_size=1, max_size=3)):
        match draw(st.sampled_from(("change", "leave out", "rename"))):
            case "change":
                said[name] = draw(ANYTHING)
            case "leave out":
                said.pop(name, None)
            case _:
                said[draw(st.text(max_size=8))] = said.get(name)
    return said


@st.composite
def broken(draw: st.DrawFn, good: bytes) -> bytes:
    """Good bytes with a few of them overwritten, cut out, cut off or doubled."""
    said = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(said)))
        end = min(len(said), start + draw(st.sampled_from((0, 1, 2, 8, 64))))
        said[start:end] = draw(
            st.binary(max_size=6) | st.sampled_from((b"", b"\x00", b"\xff\xfe", said[start:end] * 2))
        )
    return bytes(said)


def spoilt(*good: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """A payload: one of the good ones, spoilt as an object or as bytes, or anything at all."""
    objects = st.sampled_from(good)
    return st.one_of(
        objects.flatmap(changed).map(as_json),
        objects.map(as_json).flatmap(broken),
        ANYTHING.map(as_json),
        st.binary(max_size=60),
        DEEP,
    )
