"""What the API says of readings and takes about them, typed: see `messages`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

Parameter = Literal[
    "heart_rate_bpm", "spo2_percent", "systolic_mmhg", "diastolic_mmhg", "temperature_c", "respiration_per_min"
]
"""What may have limits, by its name in a reading, which tells the unit."""

Reason = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]
"""Why something was set: not blank."""

Limit = Annotated[float, Meta(ge=0, le=1000)]


class ReadingCard(msgspec.Struct, frozen=True):
    """One reading of the home's terminals; units are in the names. `is_cause`: it is among those that rang."""

    terminal_id: str
    at: datetime
    heart_rate_bpm: float | None = None
    spo2_percent: float | None = None
    systolic_mmhg: float | None = None
    diastolic_mmhg: float | None = None
    temperature_c: float | None = None
    temperature_site: str | None = None
    respiration_per_min: float | None = None
    is_cause: bool = False


class CauseCard(msgspec.Struct, frozen=True):
    """What rang: a code as in the timeline, the last values of the parameters by name, what they scored together."""

    terminal_id: str
    code: str
    since_at: datetime
    at: datetime
    values: dict[str, float]
    score: int | None = None


class LimitCard(msgspec.Struct, frozen=True):
    """At or below `low`, or at or above `high`, is critical; `is_own`: other than everybody's."""

    name: str
    low: float | None
    high: float | None
    is_own: bool


class ScoreCard(msgspec.Struct, frozen=True):
    """NEWS2 of what was told within the hour before `at`: `known` of `asked` parameters, so at least `total`.

    With everything `missing` at its worst it would be `most`. `points` by parameter; `band` is what it asks for.
    """

    at: datetime
    total: int
    most: int
    known: int
    asked: int
    points: dict[str, int]
    missing: tuple[str, ...]
    band: int | None


class TrendCard(msgspec.Struct, frozen=True):
    """One parameter's newest days against the elder's own four weeks before; `code` only if that is unusual."""

    name: str
    value: float
    usual: float
    usual_days: int
    code: str | None


class HealthCard(msgspec.Struct, frozen=True):
    """What is known of one elder's readings, and what is set for them.

    `set_by` None: nobody set anything by hand; what is own came with the register. `score` None: nothing was measured
    within the hour. `terminal_ids` measure this elder.
    """

    elder_id: str
    terminal_ids: tuple[str, ...]
    limits: tuple[LimitCard, ...]
    spo2_scale: str
    on_oxygen: bool | None
    set_at: datetime | None
    set_by: str | None
    why: str | None
    score: ScoreCard | None
    trends: tuple[TrendCard, ...]


class HealthChange(msgspec.Struct, frozen=True):
    """Something that was set by hand: who, when, why, and what was in force from then on."""

    set_at: datetime
    set_by: str
    why: str
    limits: tuple[LimitCard, ...]
    spo2_scale: str
    on_oxygen: bool | None


class OwnLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An elder's own limits of one parameter: a side not named stays everybody's, null takes it away."""

    low: Limit | UnsetType | None = UNSET
    high: Limit | UnsetType | None = UNSET


class SetHealth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to hold for an elder from now on, in whole, and why. A parameter not named has everybody's limits.

    `spo2_scale` two and `on_oxygen` (null: not known) are a clinician's word.
    """

    limits: dict[Parameter, OwnLimit]
    spo2_scale: Literal["one", "two"]
    on_oxygen: bool | None
    why: Reason
