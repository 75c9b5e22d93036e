"""Every aim as a line: ours, what it is held against, and where ours would have to be. Read from a bench's JSON object.

The table that `all` prints and the bars of the charts are these lines. `met` here is the figure's alone; a bench's own
`met` says besides that nothing was lost or missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks import alarms, board, deadlines, fleet, history, importing, press, restart, route, surge, vitals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(frozen=True)
class Line:
    """One aim. `limit` is where ours must be, at least or at most, in `unit`; `peer` is in the same unit."""

    bench: str
    what: str
    unit: str
    ours: float | None
    peer_is: str
    peer: float | None
    ratio: float | None
    aim: str
    limit: float | None
    is_at_least: bool

    @property
    def met(self) -> bool:
        """Whether ours is there; not without a figure."""
        if self.ours is None or self.limit is None:
            return False
        return self.ours >= self.limit if self.is_at_least else self.ours <= self.limit


@dataclass(frozen=True)
class _Peer:
    name: str
    value: float | None


def _at_least(bench: str, what: str, unit: str, ours: float | None, peer: _Peer, times: float) -> Line:
    """Ours is a rate and must reach so many times the peer's."""
    limit = None if peer.value is None else times * peer.value
    aim = f"≥ {times:g} ×"
    return Line(bench, what, unit, ours, peer.name, peer.value, _ratio(ours, peer.value), aim, limit, is_at_least=True)


def _at_most(bench: str, what: str, unit: str, ours: float | None, peer: _Peer, times: float) -> Line:
    """Ours is a time and must stay within so many times the peer's."""
    limit = None if peer.value is None else times * peer.value
    aim = f"≤ {times:g} ×"
    return Line(bench, what, unit, ours, peer.name, peer.value, _ratio(ours, peer.value), aim, limit, is_at_least=False)


def _within(bench: str, what: str, unit: str, ours: float | None, limit: float) -> Line:
    """Ours must stay within a limit of its own; there is no peer."""
    return Line(bench, what, unit, ours, "", None, None, f"≤ {limit:g} {unit}", limit, is_at_least=False)


def _ratio(ours: float | None, peer: float | None) -> float | None:
    return ours / peer if ours is not None and peer else None


def _press(said: dict[str, Any]) -> Iterator[Line]:
    floor, idle = _Peer("floor", said.get("floor_p50_ms")), _Peer("idle", said.get("stored_p99_ms"))
    yield _at_most("press", "press to `stored`, median", "ms", said.get("stored_p50_ms"), floor, press.AIM_MAX)
    loaded_ms = said.get("loaded_stored_p99_ms")
    what = "press to `stored` while readings come, 99 %"
    yield _at_most("press", what, "ms", loaded_ms, idle, press.LOADED_AIM_MAX)


def _surge(said: dict[str, Any]) -> Iterator[Line]:
    peers = said["peer"]
    single = _Peer("single-row commits", peers["single_row_commits_per_s"])
    bare = _Peer("the same rows, bare asyncpg", peers["bare_asyncpg_presses_per_s"])
    yield _at_least("surge", "presses at once", "presses/s", said["ours"], single, surge.SINGLE_AIM_MIN)
    yield _at_least("surge", "presses at once", "presses/s", said["ours"], bare, surge.BARE_AIM_MIN)
    after_s = said.get("every_worker_offered_after_stored_s")
    yield _within(
        "surge", "every free worker has an offer, after the last is stored", "s", after_s, surge.OFFERED_MAX_S
    )


def _vitals(said: dict[str, Any]) -> Iterator[Line]:
    peer = _Peer("mosquitto_sub", said["peer"])
    yield _at_least("vitals", "readings stored", "readings/s", said["ours"], peer, vitals.AIM_MIN)


def _alarms(said: dict[str, Any]) -> Iterator[Line]:
    peers = said["peer"]
    single = _Peer("aiomqtt, an insert each", peers["aiomqtt_one_row_a_message_per_s"])
    bare = _Peer("the same rows, bare asyncpg", peers["bare_asyncpg_presses_per_s"])
    yield _at_least("alarms", "a backlog of presses", "presses/s", said["ours"], single, alarms.ONE_BY_ONE_AIM_MIN)
    yield _at_least("alarms", "a backlog of presses", "presses/s", said["ours"], bare, alarms.BARE_AIM_MIN)


def _route(said: dict[str, Any]) -> Iterator[Line]:
    ours, peer = said["ours"], said["peer"]
    what, aim = f"ranking among {said['workers']:,}", f"≥ {route.FASTER_AIM_MIN:g} × faster"
    limit = peer / route.FASTER_AIM_MIN
    yield Line("route", what, "ms", ours, "GiST query", peer, peer / ours, aim, limit, is_at_least=False)
    what = f"ranking among {said['large_workers']:,}"
    yield _within("route", what, "ms", said["large_rank_p50_ms"], route.LARGE_AIM_MAX_MS)


def _deadlines(said: dict[str, Any]) -> Iterator[Line]:
    peer = _Peer("pgqueuer", said["peer"])
    yield _at_least("deadlines", "clocks run out at once", "steps/s", said["ours"], peer, deadlines.RATE_AIM_MIN)
    late_ms, what = said["late_at_1000_per_s_p99_ms"], "late at 1,000 a second, 99 %"
    yield _within("deadlines", what, "ms", late_ms, deadlines.LATE_AIM_MAX_MS)


def _restart(said: dict[str, Any]) -> Iterator[Line]:
    ours = said["ours"]
    yield _within("restart", "first overdue clock fired", "s", ours["first_deadline_fired_s"], restart.AIM_MAX_S)
    yield _within("restart", "first new press stored", "s", ours["first_press_stored_s"], restart.AIM_MAX_S)


def _board(said: dict[str, Any]) -> Iterator[Line]:
    peer, what = _Peer("ws", said["peer"]), f"entries to {said['viewers']:,} viewers"
    yield _at_least("board", what, "entries/s", said["ours"], peer, board.RATIO_AIM_MIN)
    yield _within("board", "commit to viewer, 99 %", "ms", said["latency_p99_ms"], board.LATE_AIM_MAX_MS)


def _fleet(said: dict[str, Any]) -> Iterator[Line]:
    registered = f"{said['registered']:,} registered"
    yield _within("fleet", f"all {said['connected']:,} are back", "s", said["ours"], fleet.BACK_AIM_MAX_S)
    yield _within("fleet", f"memory, {registered}", "MB", said["rss_max_mb"], fleet.MEMORY_AIM_MAX_MB)
    yield _within("fleet", f"ready, {registered}", "s", said["ready_after_start_s"], fleet.READY_AIM_MAX_S)


def _import(said: dict[str, Any]) -> Iterator[Line]:
    peer, what = _Peer("raw COPY", said["peer"]), f"{said['elders']:,} elders and terminals"
    yield _at_most("import", what, "s", said["ours"], peer, importing.AIM_MAX)


def _history(said: dict[str, Any]) -> Iterator[Line]:
    what = f"last 24 h of one elder among {said['rows']:,}"
    yield _within("history", f"{what}, median", "ms", said["again_p50_ms"], history.AIM_MAX_MS)
    yield _within("history", f"{what}, first after a restart", "ms", said["first_p50_ms"], history.AIM_MAX_MS)


LINES: dict[str, Callable[[dict[str, Any]], Iterator[Line]]] = {
    "press": _press,
    "surge": _surge,
    "vitals": _vitals,
    "alarms": _alarms,
    "route": _route,
    "deadlines": _deadlines,
    "restart": _restart,
    "board": _board,
    "fleet": _fleet,
    "import": _import,
    "history": _history,
}


def lines_of(said: dict[str, Any]) -> list[Line]:
    """The lines of a bench's object; none for one without aims."""
    make = LINES.get(said["name"])
    return [] if make is None else list(make(said))


HEAD = ("", "what", "ours", "beside", "peer", "ratio", "aim", "met")
WIDTHS = (9, 58, 20, 28, 20, 6, 12, 3)


def table(lines: Sequence[Line], *, head: bool = False) -> str:
    """The lines as text in columns, for a terminal at least 160 wide."""
    rows = [HEAD] if head else []
    rows += [
        (
            line.bench,
            line.what,
            figure(line.ours, line.unit),
            line.peer_is,
            "" if line.peer is None else figure(line.peer, line.unit),
            "" if line.ratio is None else f"{line.ratio:.2f}",
            line.aim,
            "yes" if line.met else "NO",
        )
        for line in lines
    ]
    return "\n".join(
        " ".join(cell.ljust(width) for cell, width in zip(row, WIDTHS, strict=True)).rstrip() for row in rows
    )


def figure(value: float | None, unit: str) -> str:
    """A figure as people read it: three digits that count, and its unit."""
    if value is None:
        return "not measured"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}"
