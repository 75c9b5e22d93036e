"""What is measured every few seconds: the service's memory and files, the tables, how long presses wait."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from simulator.soak.slopes import Point, percentile, slope_per_h

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.faults.ground import Ground

WARM_AFTER_S = 45.0
"""A young process fills its caches; what it does meanwhile says nothing about what it will do for days."""

QUIET_AFTER_S = 12.0
"""What is measured within so long of a fault is left out: presses wait for what is away, and so do readings."""

TABLES = """
    SELECT relname, n_live_tup AS live, n_dead_tup AS dead, pg_total_relation_size(relid) AS bytes
    FROM pg_stat_user_tables WHERE n_live_tup + n_dead_tup > 0"""

OVERWRITTEN = ("lease", "incident", "assignment", "outbox", "terminal", "worker", "session", "listening", "summed_up")
"""Tables whose rows are written again and again; the others only grow by what they keep."""


@dataclass
class Gauges:
    """All points measured."""

    memory_mb: list[Point] = field(default_factory=list)
    files: list[Point] = field(default_factory=list)
    dead_rows: list[Point] = field(default_factory=list)
    overwritten_mb: list[Point] = field(default_factory=list)
    p99_ms: list[Point] = field(default_factory=list)
    tables: dict[str, dict[str, int]] = field(default_factory=dict)
    life: int = 0
    began_s: float = 0.0
    """When the present process was started."""

    fault_s: float = float("-inf")
    counts_from_s: float = 0.0
    """Memory counts from here: the board shows a closed call for half an hour, and for so long its memory grows."""

    _from_s: float = 0.0

    def born(self, now_s: float) -> None:
        """The service was started (again)."""
        self.life, self.began_s = self.life + 1, now_s

    async def look(self, on: Ground) -> None:
        """Measure everything that can be measured now."""
        now_s = on.clock.elapsed()
        is_quiet = now_s > max(self.counts_from_s, self.began_s + WARM_AFTER_S, self.fault_s + QUIET_AFTER_S)
        if on.one.is_running and is_quiet:
            self._look_at_process(now_s, on.one.pid)
        self._look_at_presses(on, now_s)
        if on.postgres.is_running:
            await self._look_at_tables(now_s, on.dsn)

    def _look_at_process(self, now_s: float, pid: int) -> None:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            files = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        except OSError:  # it ended just now
            return
        [resident] = [line for line in status.splitlines() if line.startswith("VmRSS")]
        self.memory_mb.append(Point(now_s, int(resident.split()[1]) / 1024, self.life))
        self.files.append(Point(now_s, files, self.life))

    def _look_at_presses(self, on: Ground, now_s: float) -> None:
        since_s, self._from_s = self._from_s, now_s
        waits_s = [
            press.stored_s - press.pressed_s
            for press in on.ledger.presses.values()
            if press.stored_s is not None and press.pressed_s >= max(since_s, self.fault_s + QUIET_AFTER_S)
        ]
        if waits_s:
            self.p99_ms.append(Point(now_s, percentile(waits_s, 0.99) * 1000))

    async def _look_at_tables(self, now_s: float, dsn: str) -> None:
        try:
            connection = await asyncpg.connect(dsn, timeout=5)
            try:
                rows = await connection.fetch(TABLES, timeout=5)
            finally:
                await connection.close(timeout=5)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return  # it is away, or still starting
        self.tables = {row["relname"]: {name: row[name] for name in ("live", "dead", "bytes")} for row in rows}
        self.dead_rows.append(Point(now_s, sum(each["dead"] for each in self.tables.values())))
        size = sum(table["bytes"] for name, table in self.tables.items() if name in OVERWRITTEN)
        self.overwritten_mb.append(Point(now_s, size / 2**20))

    def as_dict(self) -> dict[str, Any]:
        """Slopes an hour, and the first and the last of each."""
        told: dict[str, Any] = {}
        for name in ("memory_mb", "files", "dead_rows", "overwritten_mb", "p99_ms"):
            points: list[Point] = getattr(self, name)
            told |= {f"{name}_slope_per_h": _round(slope_per_h(points)), f"{name}_first_last": _ends(points)}
        told["lives"] = self.life
        bloated = sorted(self.tables.items(), key=lambda each: -each[1]["dead"])[:6]
        told["tables_most_dead"] = dict(bloated)
        return told


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _ends(points: Sequence[Point]) -> list[float]:
    return [round(points[0].value, 1), round(points[-1].value, 1)] if points else []
