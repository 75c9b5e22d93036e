"""What a single value of the API may be: lengths, ranges and codes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

STORABLE = r"^[^\x00]*$"
"""PostgreSQL keeps no NUL in a text."""

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=STORABLE)]
ShortText = Annotated[str, Meta(max_length=200, pattern=STORABLE)]
LongText = Annotated[str, Meta(min_length=1, max_length=4000, pattern=STORABLE)]
NoteText = Annotated[str, Meta(max_length=4000, pattern=STORABLE)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
Metres = Annotated[float, Meta(ge=0, le=1_000_000)]
Instant = Annotated[datetime, Meta(tz=True)]

Outcome = Literal[
    "assisted", "hospital", "handed_over", "false_alarm", "test", "no_answer", "duplicate", "cancelled", "nobody_home"
]
"""How a call can end: helped at home, taken to hospital, handed to 120/119/110, false alarm, …"""

DeclineReason = Literal["too_far", "busy", "unwell", "off_duty_soon", "no_vehicle", "other"]
