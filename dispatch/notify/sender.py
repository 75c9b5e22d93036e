"""The Sender: hands every committed message to its channel, at least once, in order for each recipient.

What a commit decided comes here at once, in memory; the outbox row is there for the day this process dies in between,
and for the next one to find. A recipient that cannot be reached holds up nobody else. What has expired or was taken
back meanwhile is void, with the reason, and not sent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from uuid import UUID

from dispatch import logs
from dispatch.clock import Clock
from dispatch.crash import crash_at
from dispatch.engine import Committed
from dispatch.errors import Unreachable
from dispatch.notify.channels import Answer, Channel, GiveUp, Retry, Sent
from dispatch.store import outbox
from dispatch.store.database import Bell, Database
from dispatch.store.outbox import Finished, OutboxMessage

RETRY_S = 0.25
RETRY_S_MAX = 5.0
RECOVER_EVERY_S = 1.0
RECOVER_OLDER_S = 0.5
"""What another process committed (a person's answer, say) is found here within about a second."""
RECOVER_MAX = 2_000
CLOCKS_APART = timedelta(days=1)
"""A former process' clock may have been ahead of ours: what it left goes before anything of ours all the same."""
CATCH_UP_MAX = 100_000
NOTE_EVERY_S = 0.05
Recipient = tuple[str, str]
log = logs.get("sender")


class Sender:
    """Sends. `may_send` says whether this process still dispatches; it is asked before each send."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        channels: Mapping[str, Channel],
        may_send: Callable[[], bool] = lambda: True,
        on_finished: Callable[[OutboxMessage, Finished], None] = lambda _message, _finished: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._channels = channels
        self._may_send = may_send
        self._on_finished = on_finished
        self._queues: dict[Recipient, deque[OutboxMessage]] = {}
        self._begun: dict[Recipient, Awaitable[Answer]] = {}
        self._held: set[UUID] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._finished: list[Finished] = []
        self._early: list[OutboxMessage] | None = []
        """What was decided before the rows that nobody told us of were read (a former process' rows, or those of a
        commit whose answer was lost); None once they are."""
        self._doubts = 0
        self._bell = Bell()

    # --- taking in ----------------------------------------------------------------------------------------------

    def on_committed(self, committed: Committed) -> None:
        """Send what a commit decided: at once, or behind what a former process left as soon as that is known."""
        if self._early is None:
            self.post(committed.messages)
        else:
            self._early += committed.messages

    def look_again(self) -> None:
        """A commit may have happened of which nobody will tell us: its messages go before anything newer."""
        self._doubts += 1
        if self._early is None:
            self._early = []
            self._bell.ring()

    def post(self, messages: Iterable[OutboxMessage]) -> None:
        """Queue messages behind what their recipients still wait for; one held already is passed over."""
        idle: dict[Recipient, deque[OutboxMessage]] = {}
        for message in messages:
            if message.id in self._held:
                continue
            self._held.add(message.id)
            recipient = (message.channel, message.recipient)
            if recipient not in self._queues:
                idle[recipient] = self._queues[recipient] = deque()
            self._queues[recipient].append(message)
        for recipient, queue in idle.items():
            if self._why_void(queue[0], queue) is None:
                self._begun[recipient] = self._begin(queue[0])  # at once: whoever else hears of the commit can wait
            task = asyncio.ensure_future(self._serve(recipient))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def run(self) -> None:
        """Note what became of messages, and find those a former process left behind, until cancelled."""
        recovered_at = -RECOVER_EVERY_S
        try:
            while True:
                try:
                    if self._early is not None:
                        await self.catch_up()
                    elif self._clock.elapsed() - recovered_at >= RECOVER_EVERY_S:
                        recovered_at = self._clock.elapsed()
                        await self.recover()
                    await self.note_finished()
                except Unreachable as error:
                    log.warning("sender_waits", **error.params)
                    await self._clock.sleep(RETRY_S)
                await self._clock.wait(self._bell.event, RECOVER_EVERY_S)
                self._bell.hush()
                await self._clock.sleep(NOTE_EVERY_S)  # so that a flood is noted by the hundred
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Stop sending; what is still queued stays in the outbox."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for begun in self._begun.values():
            asyncio.ensure_future(begun).cancel()
        self._begun.clear()
        self._queues.clear()
        self._held.clear()
        self._early = []

    async def catch_up(self) -> int:
        """Queue everything a former process left, before anything newer is sent: no message may overtake another.

        Returns how many there were.
        """
        doubts = -1
        while doubts != self._doubts:  # what was written while we read may have been missed
            doubts = self._doubts
            async with self._database.connection() as connection:
                left = await outbox.queued(connection, self._clock.now() + CLOCKS_APART, CATCH_UP_MAX)
        early, self._early = self._early or [], None
        ours = {message.id for message in early}
        self.post([*(message for message in left if message.id not in ours), *early])
        return len(left)

    async def recover(self) -> int:
        """Queue messages that were committed a while ago and that nobody here holds; returns how many."""
        before = self._clock.now() - timedelta(seconds=RECOVER_OLDER_S)
        async with self._database.connection() as connection:
            left = await outbox.queued(connection, before, RECOVER_MAX)
        fresh = [message for message in left if message.id not in self._held]
        self.post(fresh)
        return len(fresh)

    async def idle(self) -> None:
        """Return when nothing is queued and everything finished is noted (for tests and the simulator)."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.note_finished()

    # --- sending ------------------------------------------------------------------------------------------------

    async def _serve(self, recipient: Recipient) -> None:
        """Send one recipient's messages, one after the other."""
        queue = self._queues[recipient]
        try:
            while queue:
                message = queue[0]
                finished = await self._deliver(message, queue, self._begun.pop(recipient, None))
                queue.popleft()
                self._finished.append(finished)
                self._bell.ring()
                self._tell(message, finished)
        finally:
            if self._queues.get(recipient) is queue:
                del self._queues[recipient]

    def _tell(self, message: OutboxMessage, finished: Finished) -> None:
        try:
            self._on_finished(message, finished)
        except Exception:  # what the recipient still waits for must not stand still over it
            log.exception("listener_failed", incident_id=str(message.incident_id), outbox_id=str(message.id))

    async def _deliver(
        self, message: OutboxMessage, queue: Iterable[OutboxMessage], begun: Awaitable[Answer] | None
    ) -> Finished:
        """Try until the channel has it, gives up, or the message is worth nothing any more; once it may have begun."""
        attempts, pause_s = 0, RETRY_S
        while True:
            if begun is None and (reason := self._why_void(message, queue)):
                return Finished(message.id, "void", reason, attempts)
            answer, begun = await self._answer(message, begun or self._begin(message)), None
            attempts += 1
            if isinstance(answer, Sent):
                return Finished(message.id, "sent", None, attempts)
            if isinstance(answer, GiveUp):
                return Finished(message.id, "failed", answer.reason, attempts)
            await self._clock.sleep(pause_s + self._clock.jitter(pause_s / 4))
            pause_s = min(pause_s * 2, RETRY_S_MAX)

    def _why_void(self, message: OutboxMessage, queue: Iterable[OutboxMessage]) -> str | None:
        if message.message == "offer" and any(
            later.message == "withdraw" and later.offer_id == message.offer_id for later in queue
        ):
            return "withdrawn"
        return "expired" if message.expires_at <= self._clock.now() else None

    def _begin(self, message: OutboxMessage) -> Awaitable[Answer]:
        if not self._may_send():
            return _at_once(Retry("not_leading"))
        channel = self._channels.get(message.channel)
        if channel is None:
            return _at_once(GiveUp("no_such_channel"))
        crash_at("before_receipt" if message.message == "receipt" else "before_send")
        try:
            return channel.send(message)
        except Exception as error:  # noqa: BLE001 - one channel's fault must not stop the others
            return _at_once(_failed(message, error))

    @staticmethod
    async def _answer(message: OutboxMessage, begun: Awaitable[Answer]) -> Answer:
        try:
            return await begun
        except Exception as error:  # noqa: BLE001 - likewise
            return _failed(message, error)

    async def note_finished(self) -> None:
        """Write down what became of messages. Raises Unreachable, keeping what could not be written for later."""
        done, self._finished = self._finished, []
        if not done:
            return
        try:
            async with self._database.transaction() as connection:
                await outbox.finish(connection, done, self._clock.now())
        except BaseException:  # whatever it was, what became of these must not be forgotten
            self._finished = done + self._finished
            raise
        self._held.difference_update(each.id for each in done)


def _failed(message: OutboxMessage, error: Exception) -> Answer:
    """A channel raised, which it is not meant to."""
    log.error(
        "channel_failed",
        channel=message.channel,
        incident_id=str(message.incident_id),
        outbox_id=str(message.id),
        exc_info=error,
    )
    return Retry("channel_failed")


async def _at_once(answer: Answer) -> Answer:
    return answer
