"""What grows: straight lines through what was measured. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HOUR_S = 3_600.0


@dataclass(frozen=True)
class Point:
    """A figure at an instant, in elapsed seconds. `life`: of which process; each begins at a height of its own."""

    at_s: float
    value: float
    life: int = 0


def slope_per_h(points: Sequence[Point]) -> float | None:
    """How much the figure grows in an hour, by least squares within each life; None if that cannot be told."""
    above = below = 0.0
    for _, some in groupby(sorted(points, key=lambda point: point.life), key=lambda point: point.life):
        life = list(some)
        at_s = sum(point.at_s for point in life) / len(life)
        value = sum(point.value for point in life) / len(life)
        above += sum((point.at_s - at_s) * (point.value - value) for point in life)
        below += sum((point.at_s - at_s) ** 2 for point in life)
    return above / below * HOUR_S if below else None


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all are not above."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]
