"""What the board needs of a ranking, whoever made it: the router now, or the store when it was kept. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from dispatch.model import WorkerId


class Ranked(Protocol):
    """One worker as a candidate for a call."""

    @property
    def worker_id(self) -> WorkerId:
        """Whom this is about."""

    @property
    def eta_s(self) -> int | None:
        """Predicted seconds to the door."""

    @property
    def distance_m(self) -> int | None:
        """Crow-fly metres."""

    @property
    def is_eligible(self) -> bool:
        """Whether this worker may be asked."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Codes of why or why not."""


class Ranking(Protocol):
    """The candidates for a call, best first, and all others by reason."""

    @property
    def candidates(self) -> Sequence[Ranked]:
        """The nearest dozen."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How many others there are, by reason."""
