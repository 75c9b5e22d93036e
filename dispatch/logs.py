"""Technical logs: structlog writing one JSON object (or, on a terminal, one coloured line) per happening.

Names every line uses for the same thing: `incident_id`, `terminal_id`, `offer_id`, `worker_id`, `home_id`, `term`.
Ids and facts only; never a name, an address, a number or a reading.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from types import SimpleNamespace
from typing import Any

import orjson
import structlog

Event = MutableMapping[str, Any]
_set_up = SimpleNamespace(is_coloured=True, level=logging.NOTSET)
"""How `set_up` left it, for `several`."""
_TELLING = re.compile(r"(?m)(^DETAIL:|^CONTEXT:|invalid input for query argument \$\d+:).*$")


def _without_values(_logger: object, _method: str, event: Event) -> Event:
    """What a database says about a row holds the row itself, names and addresses included: only the rest is kept."""
    for name in ("exception", "error", "detail"):
        if isinstance(text := event.get(name), str):
            event[name] = _TELLING.sub(r"\1 (left out)", text)
    return event


def _as_json(event: dict[str, Any], **_: object) -> str:
    try:
        return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError:  # half of a surrogate pair, or a number of too many digits: said by somebody outside
        return json.dumps(event, default=str)


def set_up(level: str = "info", *, coloured: bool | None = None) -> None:
    """Send the technical log to standard error; `coloured` defaults to whether that is a terminal."""
    if coloured is None:
        coloured = sys.stderr.isatty()
    _set_up.is_coloured, _set_up.level = coloured, getattr(logging, level.upper())
    last = (
        # plain: the prettier formatter prints local variables, and those hold names and addresses
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if coloured
        else structlog.processors.JSONRenderer(serializer=_as_json)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _without_values,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_set_up.level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def get(part: str) -> structlog.typing.FilteringBoundLogger:
    """The log of one part of the system, named as its module."""
    return structlog.get_logger(part=part)  # type: ignore[no-any-return]


def several(part: str, happening: str, lines: Iterable[Mapping[str, Any]], level: str = "info") -> None:
    """What `get(part).info(happening, **facts)` (or of another `level`) says for each of these facts, written at once.

    A flood makes thousands of such lines, and structlog's way costs a call into the kernel each.
    """
    if _set_up.is_coloured:
        for facts in lines:
            getattr(get(part), level)(happening, **facts)
    elif _set_up.level <= getattr(logging, level.upper()):
        stamped = structlog.processors.TimeStamper(fmt="iso", utc=True)(None, level, {})
        rest = {"part": part, "event": happening, "level": level, **stamped}
        sys.stderr.write("".join(f"{_as_json({**facts, **rest})}\n" for facts in lines))
        sys.stderr.flush()
