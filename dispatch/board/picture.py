"""What a board shows, kept in memory as of one entry of the log, and its frames, each serialised once for everybody."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from dispatch.board.cards import mask_incident, mask_worker
from dispatch.board.loading import Cards
from dispatch.board.messages import Centre, Delta, IncidentCard, WorkerCard
from dispatch.model import IncidentId, WorkerId

CLOSED_SHOWN_FOR = timedelta(minutes=30)

_encode = msgspec.json.Encoder().encode


class _Board(msgspec.Struct, frozen=True):
    """A `BoardSnapshot` whose long lists are serialised already."""

    seq: int
    server_now: datetime
    incidents: msgspec.Raw
    workers: msgspec.Raw
    centre: Centre


class _Snapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    board: _Board


class Picture:
    """All that is on the board at entry `seq`."""

    def __init__(self, seq: int, cards: Cards, centre: Centre) -> None:
        self.seq = seq
        self.centre = centre
        self._incidents = cards.incidents
        self._workers = cards.workers
        self._worker_seq = dict.fromkeys(cards.workers, seq)
        self._lists: dict[bool, tuple[msgspec.Raw, msgspec.Raw]] = {}

    def apply(self, seq: int, cards: Cards) -> Cards:
        """Bring the picture to entry `seq`; returns what really differs from before."""
        changed = Cards(
            {key: card for key, card in cards.incidents.items() if self._incidents.get(key) != card},
            {key: card for key, card in cards.workers.items() if self._workers.get(key) != card},
        )
        self._incidents |= changed.incidents
        self._workers |= changed.workers
        self._worker_seq |= dict.fromkeys(changed.workers, seq)
        self.seq = seq
        if changed.incidents or changed.workers:
            self._lists.clear()
        return changed

    def drop_closed(self, now: datetime) -> None:
        """Forget calls closed long enough ago."""
        oldest = now - CLOSED_SHOWN_FOR
        gone = [key for key, card in self._incidents.items() if card.closed_at is not None and card.closed_at < oldest]
        for key in gone:
            del self._incidents[key]
        if gone:
            self._lists.clear()

    # --- frames ------------------------------------------------------------------------------------------------------

    def board(self, now: datetime, *, is_masked: bool) -> bytes:
        """A `BoardSnapshot`."""
        return _encode(self._board(now, is_masked))

    def snapshot(self, now: datetime, *, is_masked: bool) -> bytes:
        """A `Snapshot` frame."""
        return _encode(_Snapshot(self._board(now, is_masked)))

    def _board(self, now: datetime, is_masked: bool) -> _Board:
        lists = self._lists.get(is_masked)
        if lists is None:
            incidents, workers = seen(self._incidents.values(), self._workers.values(), is_masked=is_masked)
            lists = self._lists[is_masked] = msgspec.Raw(_encode(incidents)), msgspec.Raw(_encode(workers))
        return _Board(self.seq, now, *lists, self.centre)

    def delta(
        self, follows: int, changed: Cards, now: datetime, *, is_masked: bool, centre: Centre | None = None
    ) -> bytes:
        """A `Delta` frame."""
        incidents, workers = seen(changed.incidents.values(), changed.workers.values(), is_masked=is_masked)
        return _encode(Delta(follows, self.seq, now, incidents, workers, centre))

    def since(self, follows: int, incident_ids: Iterable[IncidentId]) -> Cards:
        """What a page at entry `follows` lacks, if these incidents changed since. Workers' moves are not in the log:
        every worker changed at that entry or later is in it.
        """
        workers: set[WorkerId] = {key for key, seq in self._worker_seq.items() if seq >= follows}
        return Cards(
            {key: self._incidents[key] for key in incident_ids if key in self._incidents},
            {key: self._workers[key] for key in workers},
        )


def seen(
    incidents: Iterable[IncidentCard], workers: Iterable[WorkerCard], *, is_masked: bool
) -> tuple[tuple[IncidentCard, ...], tuple[WorkerCard, ...]]:
    """The cards as somebody may see them."""
    if is_masked:
        return tuple(map(mask_incident, incidents)), tuple(map(mask_worker, workers))
    return tuple(incidents), tuple(workers)
