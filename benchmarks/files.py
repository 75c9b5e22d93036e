"""The register of a whole city as CSV files, as a bureau hands them over: degrees from a Chinese map, Chinese names."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from benchmarks.register import STATIONS, home_of, place_of, station_id, terminal_id
from dispatch.model import Place
from dispatch.places import from_wgs84

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

RISKS = ("lives_alone", "heart;diabetes", "", "falls;lives_alone", "")
STATION_COLUMNS = ("station_id", "name", "lat", "lon", "datum", "phone", "district")
ELDER_COLUMNS = (
    *("elder_id", "name", "birth_year", "phone", "risks", "home_id", "address", "lat", "lon", "datum"),
    *("floor", "has_lift", "door_code", "station_id"),
)
TERMINAL_COLUMNS = ("terminal_id", "home_id", "elder_id")


def elder_id(n: int) -> str:
    """The id of the n-th elder."""
    return f"e{n:06}"


def _degrees(n: int) -> tuple[str, str, str]:
    lat, lon = from_wgs84(Place(*place_of(n)), "gcj02")
    return f"{lat:.6f}", f"{lon:.6f}", "gcj02"


def _station(n: int) -> tuple[Any, ...]:
    return station_id(n), f"第{n}服务站", *_degrees(n), f"0592-{n:07}", "思明区"


def _elder(n: int) -> tuple[Any, ...]:
    who = elder_id(n), f"林阿{n}", 1930 + n % 25, f"139{n:08}", RISKS[n % len(RISKS)]
    where = home_of(n), f"莲花路{n % 900 + 1}号{n}室", *_degrees(n)
    return *who, *where, n % 18 + 1, "是" if n % 18 > 6 else "否", f"{n % 10_000:04}#", station_id(n)


def _terminal(n: int) -> tuple[Any, ...]:
    return terminal_id(n), home_of(n), elder_id(n)


def write_files(folder: Path, elders: int) -> list[Path]:
    """Write `stations.csv`, `elders.csv` and `terminals.csv`: so many elders, each in a home with a terminal."""
    return [
        _write(folder / "stations.csv", STATION_COLUMNS, map(_station, range(STATIONS))),
        _write(folder / "elders.csv", ELDER_COLUMNS, map(_elder, range(elders))),
        _write(folder / "terminals.csv", TERMINAL_COLUMNS, map(_terminal, range(elders))),
    ]


def _write(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return path
