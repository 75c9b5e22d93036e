"""The files that the import is measured with are files that it takes."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from benchmarks.files import write_files
from benchmarks.register import STATIONS
from dispatch.importing import import_files

if TYPE_CHECKING:
    from pathlib import Path


async def test_every_row_goes_in(dsn: str, tmp_path: Path):
    report = await import_files(dsn, write_files(tmp_path, 30), date(2026, 3, 1))

    assert report.bad == []
    assert report.good == {"stations": STATIONS, "elders": 30, "terminals": 30}
