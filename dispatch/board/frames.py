"""Frames as they go over a WebSocket, framed once however many look."""

from __future__ import annotations

from collections.abc import Callable

_WHOLE_TEXT = 0x81

Write = Callable[[bytes], bool]
"""Puts a framed text on the wire at once; False if the wire is closed, or has not taken yet what went before."""


class Frame:
    """One text for many pages: `text`, and `wire`, the same as RFC 6455 has a server send it (section 5.2)."""

    __slots__ = ("text", "wire")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.wire = _head(len(text)) + text


def _head(length: int) -> bytes:
    if length < 126:
        return bytes((_WHOLE_TEXT, length))
    if length < 1 << 16:
        return bytes((_WHOLE_TEXT, 126)) + length.to_bytes(2, "big")
    return bytes((_WHOLE_TEXT, 127)) + length.to_bytes(8, "big")
