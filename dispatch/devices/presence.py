"""Signs of life: what terminals tell of themselves, kept in one statement a batch.

A `lost` comes from the broker when a terminal's connection ends, perhaps long after the terminal is back: it counts
only for the session that the terminal's last `ready` named. A terminal that begins a new session has forgotten what it
was told, so it is told again how far its open call is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

from dispatch import logs
from dispatch.errors import NotFound
from dispatch.incident.events import AlarmRepeated
from dispatch.model import Beat, CommandReply, Fault, IncidentId, TerminalId, TerminalState
from dispatch.store import people
from dispatch.store.database import Database
from dispatch.store.people import Sign

Told = TerminalState | Fault | Beat | CommandReply
log = logs.get("presence")


class Presence:
    """Keeps what terminals tell of themselves; `happen` is the engine's, to tell a restarted terminal of its call."""

    def __init__(self, database: Database, happen: Callable[[IncidentId, AlarmRepeated], Awaitable[object]]) -> None:
        self._database = database
        self._happen = happen

    async def keep(self, told: Sequence[Told]) -> None:
        """Keep a batch, in the order in which it was told. Raises Unreachable."""
        signs = fold(told)
        faults = [each for each in told if isinstance(each, Fault)]
        async with self._database.transaction() as connection:
            fresh = await people.heard(connection, signs) if signs else set()
            if faults:
                await people.add_faults(connection, faults)
            calls = await people.open_calls_of(connection, fresh) if fresh else []
        for call in calls:
            await self._tell_again(call)

    async def _tell_again(self, call: people.OpenCall) -> None:
        try:
            await self._happen(call.incident_id, AlarmRepeated(call.terminal_id, call.alarm_id))
        except NotFound:
            log.warning("call_gone", incident_id=str(call.incident_id), terminal_id=call.terminal_id)


def fold(told: Sequence[Told]) -> dict[TerminalId, Sign]:
    """Each terminal's messages put together, the later over the earlier; terminals in order of their ids."""
    signs: dict[TerminalId, Sign] = defaultdict(Sign)
    for each in told:
        sign = signs[each.terminal_id]
        if isinstance(each, TerminalState):
            _change_state(sign, each)
            if each.state == "lost":
                continue  # the broker's word, no sign of life
        elif isinstance(each, Beat) and each.battery_percent is not None:
            sign.battery = each.battery_percent
        sign.heard_at = max(sign.heard_at or each.received_at, each.received_at)
    return dict(sorted(signs.items()))


def _change_state(sign: Sign, told: TerminalState) -> None:
    if told.state != "lost":
        sign.state, sign.lost_session = told.state, None
        if told.state == "ready":
            sign.session = told.session
    elif sign.session is None:
        sign.state, sign.lost_session = "lost", told.session  # the register knows which session was the last
    elif sign.session == told.session:
        sign.state, sign.lost_session = "lost", None
