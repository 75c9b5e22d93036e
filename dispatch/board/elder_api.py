"""What is known of one elder's readings, and what is set for them by whom and why."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from dispatch.board.cards import mask_address, mask_people, person_card
from dispatch.board.health_cards import change_card, expect_sense, health_card, limit_cards, reading_cards
from dispatch.board.health_messages import HealthCard, SetHealth
from dispatch.board.messages import ElderDetail
from dispatch.board.routes import ACTING, LOOKING, Call, get, send
from dispatch.errors import NotFound
from dispatch.health.baseline import BASELINE_DAYS, PRESENT_DAYS
from dispatch.model import ElderId
from dispatch.store import health, hours, viewing, vitals
from dispatch.store.database import Connection
from dispatch.store.health import HealthSetting

A_DAY = timedelta(days=1)
SCORED = timedelta(hours=1)
FIVE_WEEKS = timedelta(days=BASELINE_DAYS + PRESENT_DAYS + 1)
READINGS_MAX = 1_500
"""A day of a terminal that measures every minute."""
ELDER_ID_MAX = 128


def elder_id_of(call: Call) -> ElderId:
    """The elder that the path names. Raises NotFound (`no_such_elder`) if nobody can be called so."""
    named = call.request.match_info["elder_id"]
    if not named.isprintable() or len(named) > ELDER_ID_MAX:
        raise NotFound("no_such_elder")
    return ElderId(named)


async def load_health(
    connection: Connection, elder_ids: Collection[str], now: datetime, time_zone: str
) -> tuple[HealthCard, ...]:
    """The cards of some elders, in the order of their ids; one that does not exist is absent."""
    settings = await health.settings_of_elders(connection, elder_ids)
    terminals = await vitals.terminals_of_elders(connection, elder_ids)
    measuring = [terminal_id for several in terminals.values() for terminal_id in several]
    told = await vitals.of_terminals(connection, measuring, now - SCORED, now, READINGS_MAX)
    days = await hours.days_of_terminals(connection, measuring, now - FIVE_WEEKS, now, time_zone)
    today = now.astimezone(ZoneInfo(time_zone)).date()
    return tuple(
        health_card(
            elder_id,
            settings[ElderId(elder_id)],
            {each: [one for one in told if one.terminal_id == each] for each in terminals.get(ElderId(elder_id), ())},
            {each: days[each] for each in terminals.get(ElderId(elder_id), ()) if each in days},
            now,
            today,
        )
        for elder_id in sorted(settings)
    )


async def elder(call: Call) -> ElderDetail:
    """One elder with what is set for their readings, who set it, and what was measured in the last 24 hours."""
    elder_id, deps = elder_id_of(call), call.board.deps
    async with deps.database.connection() as connection:
        return await _detail(call, connection, elder_id, deps.clock.now())


async def _detail(call: Call, connection: Connection, elder_id: ElderId, now: datetime) -> ElderDetail:
    found = await health.elder_by_id(connection, elder_id)
    if found is None:
        raise NotFound("no_such_elder")
    person, home_id = found
    homes = await viewing.homes_by_id(connection, [home_id] if home_id else [])
    address = homes[home_id].address if home_id in homes else ""
    [card] = await load_health(connection, [elder_id], now, call.board.deps.time_zone)
    told = await vitals.of_terminals(connection, card.terminal_ids, now - A_DAY, now, READINGS_MAX)
    people = (person_card(person, now),)
    return ElderDetail(
        person=mask_people(people)[0] if call.is_masked else people[0],
        home_id=home_id,
        address=mask_address(address) if call.is_masked else address,
        health=card,
        readings=reading_cards(told, ()),
        history=tuple(map(change_card, await health.history(connection, elder_id))),
    )


async def set_health(call: Call, body: SetHealth) -> ElderDetail:
    """Set an elder's own limits and how NEWS2 is reckoned for them; in force within a minute, and kept with the reason.

    What was set before no longer holds: a parameter that is not named has everybody's limits.
    """
    elder_id, deps = elder_id_of(call), call.board.deps
    limits = {name: own for name, own in msgspec.to_builtins(body.limits).items() if own}
    thresholds = msgspec.json.encode(limits).decode() if limits else None
    expect_sense(limit_cards(thresholds))
    now = deps.clock.now()
    setting = HealthSetting(thresholds, body.spo2_scale, body.on_oxygen, now, call.person.by, body.why.strip())
    async with deps.database.transaction() as connection:
        if not await health.put_setting(connection, deps.clock.new_id(), elder_id, setting):
            raise NotFound("no_such_elder")
        return await _detail(call, connection, elder_id, now)


ROUTES = [
    get("/elders/{elder_id}", elder, ElderDetail, LOOKING),
    send("PUT", "/elders/{elder_id}/health", set_health, SetHealth, ElderDetail, ACTING),
]
