"""Figures: percentiles, and what is said of the machine they were taken on."""

from __future__ import annotations

import os
import platform
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatch.clock import Clock


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` (0 to 1) of the values do not exceed; `values` must not be empty."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def p50_p99(name: str, values_ms: Sequence[float]) -> dict[str, float | None]:
    """`NAME_p50_ms` and `NAME_p99_ms`; None without any value."""
    if not values_ms:
        return {f"{name}_p50_ms": None, f"{name}_p99_ms": None}
    return {
        f"{name}_p50_ms": round(percentile(values_ms, 0.50), 2),
        f"{name}_p99_ms": round(percentile(values_ms, 0.99), 2),
    }


def median(values: Sequence[float], digits: int = 2) -> float:
    """The middle of some rounds."""
    return round(statistics.median(values), digits)


@dataclass
class Rounds:
    """A figure for each round under each name."""

    figures: dict[str, list[float]] = field(default_factory=dict)
    missing: int = 0

    def add(self, **figures: float | None) -> None:
        """Keep what was measured; None, for what could not be, is passed over."""
        for name, value in figures.items():
            if value is not None:
                self.figures.setdefault(name, []).append(value)

    def middle(self, name: str) -> float:
        return median(self.figures[name])

    def last(self, name: str) -> float:
        return self.figures[name][-1]

    def rounded(self, name: str) -> list[int]:
        """All rounds' figures, for who wants to see how much they move."""
        return [round(each) for each in self.figures[name]]

    def middles(self, *endings: str) -> dict[str, float]:
        """The medians of all whose names end so."""
        return {name: self.middle(name) for name in sorted(self.figures) if name.endswith(endings)}


def circumstances(clock: Clock) -> dict[str, Any]:
    """The machine and the day; names no host and no user."""
    return {
        "machine": f"{os.cpu_count()} × {_processor()}, {_memory_gib()} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}",
        "date": clock.now().isoformat(timespec="seconds"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
