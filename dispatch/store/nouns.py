"""How each kind of file goes into the register: the columns that are staged, and the statements in their order."""

from __future__ import annotations

import msgspec

COLUMNS, TODAY = ("columns",), ("today",)


class Noun(msgspec.Struct, frozen=True):
    """One kind of file: the columns that are staged, those of them that statements look for, the tables that change.

    `checks` take out rows that do not fit, `gathers` go before what a dry run remembers (`brings`), `settles` find out
    who moves. Then, slice by slice, `homes_first` merges the homes of elders, and each of `steps` is told what stands
    beside it: the columns that the file has, what day it is.
    """

    columns: tuple[str, ...]
    tables: tuple[str, ...]
    sought: tuple[str, ...]
    checks: tuple[str, ...] = ()
    gathers: tuple[str, ...] = ()
    brings: tuple[str, ...] = ()
    settles: tuple[str, ...] = ()
    homes_first: bool = False
    steps: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def lane_column(self) -> int:
        """Which column decides on the lane: the home where there is one, so that its rows are seen together."""
        return self.columns.index("home_id") if "home_id" in self.columns else 0


NOUNS = {
    "stations": Noun(
        ("station_id", "name", "lat", "lon", "phone", "organisation", "district"),
        tables=("station",),
        sought=("line",),
        brings=("bring_stations",),
        steps=(("merge_stations", COLUMNS),),
    ),
    "elders": Noun(
        (
            *("elder_id", "name", "birth_year", "phone", "risks", "note", "thresholds"),
            *("home_id", "address", "lat", "lon", "access", "station_id"),
        ),
        tables=("home", "elder", "resident"),
        sought=("line", "elder_id", "home_id", "station_id"),
        checks=("stationless_elders", "contradicting_elders"),
        gathers=("gather_homes",),
        brings=("bring_elders", "bring_homes"),
        settles=("gather_entering_elders", "gather_leaving_elders"),
        homes_first=True,
        steps=(("merge_elders", COLUMNS), ("leave_homes", TODAY), ("enter_homes", TODAY)),
    ),
    "terminals": Noun(
        ("terminal_id", "home_id", "kind", "elder_id", "phone"),
        tables=("terminal", "terminal_home"),
        sought=("line", "terminal_id", "home_id", "elder_id"),
        checks=("homeless_terminals", "elderless_terminals"),
        settles=("gather_entering_terminals", "gather_leaving_terminals", "gather_giving"),
        steps=(
            ("merge_terminals", COLUMNS),
            ("take_down", TODAY),
            ("hang_up", (*TODAY, *COLUMNS)),
            ("give", COLUMNS),
        ),
    ),
    "workers": Noun(
        ("worker_id", "name", "station_id", "travel", "phone", "skills"),
        tables=("worker",),
        sought=("line", "station_id"),
        checks=("stationless_workers",),
        steps=(("merge_workers", COLUMNS),),
    ),
    "contacts": Noun(
        ("home_id", "rank", "name", "relation", "phone", "has_key"),
        tables=("contact",),
        sought=("line", "home_id"),
        checks=("homeless_contacts",),
        steps=(("merge_contacts", COLUMNS),),
    ),
}
