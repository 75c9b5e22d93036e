"""Workers with phones and the operator at the board. They see what is durable, late, and say what they do, perhaps
twice; what was not answered they say again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dispatch.board.cards import Background, incident_card
from dispatch.board.worker_cards import Part, worker_view
from dispatch.errors import DispatchError, Unreachable
from dispatch.model import AssignmentId
from simulator.fast import OPERATOR, operator_event, worker_event
from simulator.people import OperatorMind, WorkerMind, key_of, stage_of
from simulator.proof.road import Road

if TYPE_CHECKING:
    from collections.abc import Callable

    from dispatch.board.worker_messages import WorkerView
    from dispatch.incident import events as ev
    from dispatch.incident.states import Incident
    from dispatch.model import IncidentId, WorkerId
    from simulator.people import Act, Habits
    from simulator.proof.centre import Centre
    from simulator.proof.world import World
    from simulator.town import Town

NOTHING = Background({}, {}, {}, {})
PHONE_CLOSED = 0.1
ANSWER_WITHIN_S = 6.0
SAYS_AGAIN_AFTER_S = 4.0
SAYS_MAX = 5


class People:
    """Everybody who answers. `centre` is whom they talk to."""

    def __init__(self, world: World, town: Town, habits: Habits) -> None:
        self._world = world
        self.centre: Centre
        self._workers = {each.id: each for each in town.workers}
        self._minds = {each: WorkerMind(each, world.seed, habits) for each in self._workers}
        self._operator = OperatorMind(OPERATOR, world.seed, habits)
        self._said, self._answered = Road(world, "worker_up"), Road(world, "worker_down")
        self._draw = world.chances("people")
        self._held: dict[WorkerId, tuple[IncidentId, AssignmentId]] = {}
        self._stages: dict[WorkerId, tuple[object, ...]] = {}
        self._thoughts: dict[IncidentId, object] = {}

    # --- what they see -------------------------------------------------------------------------------------------

    def see(self, _before: Incident | None, after: Incident) -> None:
        """Something is durable: the board shows it, and the pages that are open."""
        for assignment in after.assignments:
            worker_id = assignment.worker_id
            if assignment in after.live():
                self._held[worker_id] = after.id, assignment.id
            if self._held.get(worker_id) == (after.id, assignment.id) and self._draw.random() > PHONE_CLOSED:
                self._show_later(worker_id)
        self._world.later(self._draw.uniform(0.05, 0.5), lambda: self._operator_looks(after.id))

    def show(self, worker_id: WorkerId) -> bool:
        """A page is brought up to date, if one is open."""
        if self._draw.random() < PHONE_CLOSED:
            self._world.story.strike("page_closed", worker_id)
            return False
        self._show_later(worker_id)
        return True

    def _show_later(self, worker_id: WorkerId) -> None:
        self._answered.carry(lambda: self._worker_looks(worker_id), worker_id)

    def _view(self, worker_id: WorkerId) -> WorkerView:
        incident_id, assignment_id = self._held[worker_id]
        incident = self.centre.mirror.incidents[incident_id]
        assignment = incident.assignment(assignment_id)
        part = Part(incident, assignment, NOTHING) if assignment else None
        return worker_view(self._workers[worker_id], part, incident.opened_at, "UTC")

    # --- workers -------------------------------------------------------------------------------------------------

    def _worker_looks(self, worker_id: WorkerId) -> None:
        if worker_id not in self._held:
            return
        view = self._view(worker_id)
        stage = stage_of(view)
        if self._stages.get(worker_id) == stage:
            return
        self._stages[worker_id] = stage
        if (doing := self._minds[worker_id].acts_on(view)) is not None:
            offer_id, act = doing
            self._world.later(act.after_s, lambda: self._worker_acts(worker_id, stage, AssignmentId(offer_id), act))

    def _worker_acts(self, worker_id: WorkerId, stage: tuple[object, ...], offer_id: AssignmentId, act: Act) -> None:
        if self._stages.get(worker_id) != stage:
            return
        incident_id, _ = self._held[worker_id]

        def event() -> ev.Event:
            new_id = AssignmentId(self.centre.alive()[0].clock.new_id())
            return worker_event(act, offer_id, worker_id, new_id)

        self._say(worker_id, incident_id, act.verb, event, lambda: self._worker_looks(worker_id))

    # --- the operator --------------------------------------------------------------------------------------------

    def _operator_looks(self, incident_id: IncidentId) -> None:
        incident = self.centre.mirror.incidents[incident_id]
        card = incident_card(incident, NOTHING, incident.opened_at)
        thought = key_of(card)
        if self._thoughts.get(incident_id) == thought:
            return
        self._thoughts[incident_id] = thought
        act = self._operator.next_act(card)
        if act is not None:
            self._world.later(act.after_s, lambda: self._operator_acts(incident_id, thought, act))

    def _operator_acts(self, incident_id: IncidentId, thought: object, act: Act) -> None:
        if self._thoughts.get(incident_id) == thought:
            self._say(OPERATOR, incident_id, act.verb, lambda: operator_event(act), lambda: None)

    # --- saying it -----------------------------------------------------------------------------------------------

    def _say(
        self, who: str, incident_id: IncidentId, verb: str, event: Callable[[], ev.Event], then: Callable[[], None]
    ) -> None:
        self._world.story.tell(who, f"{verb} {str(incident_id)[-4:]}")
        answered = asyncio.Event()

        def arrive() -> None:
            if not answered.is_set():
                self._world.begin(self._handed_in(who, incident_id, event, answered, then))

        def say(times: int) -> None:
            if not answered.is_set():
                self._said.carry(arrive, f"{who} {verb}")
                if times < SAYS_MAX:
                    self._world.later(SAYS_AGAIN_AFTER_S, lambda: say(times + 1))

        say(1)

    async def _handed_in(
        self,
        who: str,
        incident_id: IncidentId,
        event: Callable[[], ev.Event],
        answered: asyncio.Event,
        then: Callable[[], None],
    ) -> None:
        """A process takes it, makes it durable and answers; or does not."""
        process = next((each for each in self.centre.alive() if not each.is_frozen), None)
        if process is None:
            return
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                outcome = await process.engine.happen(incident_id, event())
        except (Unreachable, TimeoutError):
            return
        except DispatchError as error:
            process.tell(f"refuses {who}: {error.code}")
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody foresaw it
            self._world.story.breach(f"{who} got no answer but {error!r}"[:200])
            return
        else:
            process.tell(f"answers {who}: {outcome.ignored or 'done'}")

        def hear() -> None:
            answered.set()
            then()

        self._answered.carry(hear, f"{who} answer")
