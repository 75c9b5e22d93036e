"""What a board shows of readings: limits in force, scores with what they lack, what rang. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from dispatch.board.health_messages import (
    CauseCard,
    HealthCard,
    HealthChange,
    LimitCard,
    ReadingCard,
    ScoreCard,
    TrendCard,
)
from dispatch.errors import BadInput
from dispatch.health import news2
from dispatch.health.baseline import Day, trend
from dispatch.health.news2 import MOST, Scale, told_at
from dispatch.health.thresholds import DEFAULTS, PLAUSIBLE, with_own
from dispatch.model import Cause, TerminalId, Vitals
from dispatch.store.health import HealthSetting

SHOWN_MAX = 240
"""Readings in one answer; a line of a few hundred pixels shows no more."""

Days = Mapping[str, Sequence[Day]]


def limit_cards(thresholds: str | None) -> tuple[LimitCard, ...]:
    """Everybody's limits with an elder's own put in; own ones that make no sense do not hold."""
    try:
        limits = with_own(thresholds)
    except BadInput:
        limits = DEFAULTS
    return tuple(LimitCard(name, each.low, each.high, each != DEFAULTS[name]) for name, each in limits.items())


def expect_sense(cards: Iterable[LimitCard]) -> None:
    """Raises BadInput (`bad_limit`) for a limit that no living person could cross, or that everybody does."""
    for card in cards:
        least, most = PLAUSIBLE[card.name]
        for value in (card.low, card.high):
            if value is not None and not least <= value <= most:
                raise BadInput("bad_limit", name=card.name, value=value, least=least, most=most)
        if card.low is not None and card.high is not None and card.low >= card.high:
            raise BadInput("limits_crossed", name=card.name, low=card.low, high=card.high)


def health_card(
    elder_id: str,
    setting: HealthSetting,
    readings: Mapping[TerminalId, Sequence[Vitals]],
    days: Mapping[TerminalId, Days],
    now: datetime,
    today: date,
) -> HealthCard:
    """An elder's card from what the terminals that measure them told: readings of the last hour, days of five weeks."""
    told = [each for several in readings.values() for each in several]
    return HealthCard(
        elder_id=elder_id,
        terminal_ids=tuple(sorted(readings)),
        limits=limit_cards(setting.thresholds),
        spo2_scale=setting.spo2_scale,
        on_oxygen=setting.on_oxygen,
        set_at=setting.set_at,
        set_by=setting.set_by,
        why=setting.why,
        score=score_card(told, setting, now),
        trends=tuple(card for each in days.values() for card in trend_cards(each, today)),
    )


def score_card(readings: Iterable[Vitals], setting: HealthSetting, now: datetime) -> ScoreCard | None:
    """NEWS2 as of now; None if nothing was measured within the hour."""
    whole = news2.together(readings, now)
    if whole is None:
        return None
    score = news2.score(whole, scale=Scale(setting.spo2_scale), on_oxygen=setting.on_oxygen)
    return ScoreCard(
        at=now,
        total=score.total,
        most=score.most,
        known=len(MOST) - len(score.missing),
        asked=len(MOST),
        points=dict(score.by_parameter),
        missing=score.missing,
        band=None if score.band is None else int(score.band),
    )


def trend_cards(days: Days, today: date) -> list[TrendCard]:
    """Every parameter of which the ordinary is known."""
    found = [each for name, told in days.items() if (each := trend(told, name, today)) is not None]
    return [TrendCard(each.name, each.value, each.baseline.value, each.baseline.days, each.code) for each in found]


def change_card(setting: HealthSetting) -> HealthChange:
    """One line of an elder's history."""
    assert setting.set_at is not None
    assert setting.set_by is not None
    assert setting.why is not None
    limits = tuple(card for card in limit_cards(setting.thresholds) if card.is_own)
    return HealthChange(setting.set_at, setting.set_by, setting.why, limits, setting.spo2_scale, setting.on_oxygen)


def cause_card(terminal_id: TerminalId, cause: Cause) -> CauseCard:
    """What rang."""
    return CauseCard(terminal_id, cause.code, cause.since_at, cause.at, cause.values, cause.score)


def reading_cards(readings: Sequence[Vitals], causes: Iterable[CauseCard]) -> tuple[ReadingCard, ...]:
    """Readings, newest first, as many as can be drawn: those that rang, and of the others every so manieth."""
    causes = tuple(causes)
    cards = [_reading_card(each, causes) for each in readings]
    others = [card for card in cards if not card.is_cause]
    every = max(1, -(-len(others) // SHOWN_MAX))
    kept = {id(card) for card in others[::every]}
    return tuple(card for card in cards if card.is_cause or id(card) in kept)


def _reading_card(reading: Vitals, causes: Iterable[CauseCard]) -> ReadingCard:
    at = told_at(reading, reading.received_at)
    values = {name: getattr(reading, name) for name in PLAUSIBLE}
    said_at = reading.happened_at or reading.received_at
    is_cause = any(
        cause.terminal_id == reading.terminal_id
        and cause.since_at <= said_at <= cause.at
        and any(values.get(name) is not None for name in cause.values)
        for cause in causes
    )
    return ReadingCard(reading.terminal_id, at, temperature_site=reading.temperature_site, is_cause=is_cause, **values)
