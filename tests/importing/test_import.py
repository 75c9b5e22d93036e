"""CSV files into the register: what goes in, what is refused and how it is named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.errors import BadInput, Refused
from dispatch.importing import Report, import_files
from dispatch.importing.columns import KINDS
from dispatch.importing.rows import Header
from dispatch.importing.source import Record, Text, examine, records, records_of
from dispatch.places import to_wgs84
from dispatch.store.register import Register, _Lane, open_register

TODAY = date(2026, 3, 1)
STATIONS = "station_id,name,lat,lon,datum\ns1,North,24.48,118.09,wgs84\n"
ELDERS = (
    "elder_id,name,birth_year,phone,risks,home_id,address,lat,lon,datum,floor,has_lift,door_code,station_id\n"
    "e1,林阿嬷,1938,0592-555 0101,lives_alone;heart,h1,Lotus Road 1,24.48,118.09,wgs84,5,no,12#,s1\n"
    "e2,林阿公,1936,,,h1,,,,,,,,\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(folder: Path, **files: str | bytes) -> list[Path]:
    paths = []
    for name, content in files.items():
        path = folder / f"{name}.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        paths.append(path)
    return paths


def reasons(report: Report) -> list[tuple[str, int | None, str]]:
    return [(bad.path.name, bad.line, bad.code) for bad in report.bad]


async def rows(dsn: str, query: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


# --- reading files ----------------------------------------------------------------------------------------------------


def test_quotes_line_breaks_and_empty_lines() -> None:
    lines = ["a,b\n", "\n", '1,"x, ""y"""\n', '2,"two\n', 'lines"\n', "3,z"]
    assert [(each.line, each.cells) for each in records_of(lines)] == [
        (1, ["a", "b"]),
        (3, ["1", 'x, "y"']),
        (4, ["2", "two\nlines"]),
        (6, ["3", "z"]),
    ]


def test_a_quote_that_is_never_closed_costs_one_row_and_not_the_rest() -> None:
    lines = ["a,b\n", '1,"open\n', *(f"{number},x\n" for number in range(2, 40)), '40,"closed"\n']
    found = list(records_of(lines))
    assert [each.line for each in found if each.problem] == [2]
    assert len(found) == 41


def test_a_row_of_a_megabyte_is_one_bad_row() -> None:
    assert [each.problem for each in records_of(["a,b\n", "x" * 1_000_000 + "\n", "1,2\n"])] == [
        None,
        "row_too_long",
        None,
    ]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters(delimiter: str) -> None:
    assert [each.cells for each in records_of([delimiter.join("ab"), delimiter.join("12")])] == [["a", "b"], ["1", "2"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16"])
def test_encodings(folder: Path, encoding: str) -> None:
    (path,) = write(folder, stations=("name\n" + "湖里区\n" * 3).encode(encoding))
    text = examine(path)
    assert [each.cells for each in records(text)] == [["name"]] + [["湖里区"]] * 3
    assert text.is_guessed == encoding.startswith("gb")


def test_a_broken_byte_in_utf8_does_not_turn_the_file_into_another_encoding(folder: Path) -> None:
    (path,) = write(folder, stations="name\n湖里区\n思明区\n".encode() + b"\xff\xfe\n")
    assert examine(path) == Text(path, "utf-8", 4)


# --- rows -------------------------------------------------------------------------------------------------------------


@given(st.lists(st.booleans(), max_size=70))
def test_bad_rows_are_found_wherever_they_stand_among_good_ones(are_good: list[bool]) -> None:
    header, told = Header(KINDS[0], ["station_id", "name", "lat", "lon", "datum"]), list[tuple[int, str]]()
    records_ = [
        Record(line, [f"s{line}", "North", "24.48" if is_good else "north", "118.09", "gcj02"])
        for line, is_good in enumerate(are_good, 2)
    ]
    found = list(header.blocks(records_, lambda line, problem: told.append((line, problem.code))))
    assert told == [(line, "bad_degrees") for line, is_good in enumerate(are_good, 2) if not is_good]
    assert [line for block in found for line in block.lines] == [
        line for line, is_good in enumerate(are_good, 2) if is_good
    ]
    staged = [row for block in found for row in block.staged(("station_id", "lat", "phone"))]
    assert staged == [(line, f"s{line}", lat, None) for line, _, lat, _ in staged]
    assert {lat for _, _, lat, _ in staged} <= {to_wgs84(24.48, 118.09, "gcj02").lat}


# --- columns ----------------------------------------------------------------------------------------------------------


def test_every_kind_of_file_names_its_required_columns() -> None:
    for kind in KINDS:
        with pytest.raises(BadInput, match="missing_columns"):
            Header(kind, [])


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("station_id,name,lat,lon", "no_datum"),
        ("station_id,name,lat,datum", "missing_columns"),
        ("station_id,name", "missing_columns"),
        ("station_id,name,lat,lon,datum,colour", "unknown_column"),
        ("station_id,name,name,lat,lon,datum", "repeated_column"),
    ],
)
def test_a_header_that_will_not_do(header: str, code: str) -> None:
    with pytest.raises(BadInput, match=code):
        Header(KINDS[0], header.split(","))


async def test_a_header_that_will_not_do_refuses_the_file_and_only_that(dsn: str, folder: Path) -> None:
    paths = write(folder, stations=STATIONS, elders="elder_id,name,home_id,lat,lon\ne1,Lin,h1,24.4,118.1\n")
    report = await import_files(dsn, paths, TODAY)
    assert reasons(report) == [("elders.csv", 1, "no_datum")]
    assert report.good == {"stations": 1}


BAD_ROWS = [
    ("s2,North,24.48,118.09,", "empty_cell", "datum"),
    ("s2,North,24.48,,wgs84", "empty_cell", "lon"),
    ("s2,North,24.48,118.09,wgs72", "unknown_choice", "datum"),
    ("s2,North,94.48,118.09,wgs84", "bad_place", "lat"),
    ("s2,North,north,118.09,wgs84", "bad_degrees", "lat"),
    ("s2,,24.48,118.09,wgs84", "empty_cell", "name"),
    ("s 2,North,24.48,118.09,wgs84", "bad_id", "station_id"),
    ("s2,No\x00rth,24.48,118.09,wgs84", "unprintable", "name"),
    ("s2," + "N" * 201 + ",24.48,118.09,wgs84", "too_long", "name"),
    ("s2,North,24.48,118.09", "wrong_number_of_cells", None),
    ("s1,Again,24.48,118.09,wgs84", "repeated", "station_id"),
    ('s2,"North,24.48,118.09,wgs84', "broken_quotes", None),
]


async def test_bad_rows_are_named_by_line_and_reason_and_the_good_ones_go_in(dsn: str, folder: Path) -> None:
    text = STATIONS + "".join(f"{row}\n" for row, _, _ in BAD_ROWS) + "s3,South,24.4,118.1,wgs84\n"
    report = await import_files(dsn, write(folder, stations=text), TODAY)
    assert [(bad.line, bad.code, bad.facts.get("column")) for bad in report.bad] == [
        (line, code, column) for line, (_, code, column) in enumerate(BAD_ROWS, 3)
    ]
    assert report.good == {"stations": 2}
    assert await rows(dsn, "SELECT station_id, name FROM station ORDER BY 1") == [("s1", "North"), ("s3", "South")]


# --- what is in the database afterwards -------------------------------------------------------------------------------


async def test_everything_of_a_home(dsn: str, folder: Path) -> None:
    paths = write(
        folder,
        contacts="home_id,rank,name,relation,phone,has_key\nh1,1,Lin,daughter,+86 592 555 0102,yes\n",
        terminals="terminal_id,kind,home_id,elder_id,phone\nt1,onekey,h1,e1,\nt2,,h1,,\n",
        workers="worker_id,name,station_id,travel,phone,skills\nw1,Chen,s1,ebike,,first_aid;lifting\n",
        elders=ELDERS,
        stations=STATIONS,
    )
    report = await import_files(dsn, paths, TODAY)
    assert report.bad == []
    assert report.good == {"stations": 1, "elders": 2, "terminals": 2, "workers": 1, "contacts": 1}
    assert await rows(dsn, "SELECT home_id, address, station_id, access::text FROM home") == [
        ("h1", "Lotus Road 1", "s1", '{"floor": 5, "has_lift": false, "door_code": "12#"}')
    ]
    assert await rows(dsn, "SELECT elder_id, birth_year, phone, risks FROM elder ORDER BY 1") == [
        ("e1", 1938, "05925550101", ["lives_alone", "heart"]),
        ("e2", 1936, None, []),
    ]
    assert await rows(dsn, "SELECT elder_id, home_id, since, until FROM resident ORDER BY 1") == [
        ("e1", "h1", TODAY, None),
        ("e2", "h1", TODAY, None),
    ]
    hung = "SELECT terminal_id, kind, home_id, elder_id FROM terminal JOIN terminal_home USING (terminal_id) ORDER BY 1"
    assert await rows(dsn, hung) == [("t1", "onekey", "h1", "e1"), ("t2", "onekey", "h1", None)]
    assert await rows(dsn, "SELECT skills, is_on_duty FROM worker") == [(["first_aid", "lifting"], False)]
    assert await rows(dsn, "SELECT name, phone, has_key FROM contact") == [("Lin", "+865925550102", True)]


async def test_a_dry_run_checks_all_and_writes_nothing(dsn: str, folder: Path) -> None:
    terminals = "terminal_id,home_id\nt1,h1\nt2,h9\n"
    report = await import_files(
        dsn, write(folder, stations=STATIONS, elders=ELDERS, terminals=terminals), TODAY, dry_run=True
    )
    assert reasons(report) == [("terminals.csv", 3, "unknown_home")]
    assert report.good == {"stations": 1, "elders": 2, "terminals": 1}
    for table in ("station", "home", "elder", "resident", "terminal"):
        assert await rows(dsn, f"SELECT count(*) FROM {table}") == [(0,)]


async def test_again_changes_nothing_and_a_missing_column_leaves_what_is_known(dsn: str, folder: Path) -> None:
    paths = write(folder, stations=STATIONS, elders=ELDERS)
    await import_files(dsn, paths, TODAY)
    before = await rows(dsn, "SELECT * FROM home, elder, resident")
    await import_files(dsn, paths, date(2026, 5, 1))
    assert await rows(dsn, "SELECT * FROM home, elder, resident") == before
    short = "elder_id,name,home_id,door_code\ne1,林,h1,\n"
    await import_files(dsn, write(folder, elders=short), TODAY)
    assert await rows(dsn, "SELECT name, birth_year FROM elder WHERE elder_id = 'e1'") == [("林", 1938)]
    assert await rows(dsn, "SELECT address, access::text FROM home") == [
        ("Lotus Road 1", '{"floor": 5, "has_lift": false}')
    ]


async def test_a_terminal_back_on_the_same_day_is_given_to_whom_the_file_says(dsn: str, folder: Path) -> None:
    header = "terminal_id,home_id,elder_id\n"
    await import_files(dsn, write(folder, stations=STATIONS, elders=ELDERS, terminals=header + "t1,h1,e1\n"), TODAY)
    await import_files(dsn, write(folder, elders="elder_id,name,home_id\ne9,Chen,h2\n"), TODAY)
    hung = "SELECT home_id, elder_id FROM terminal_home WHERE until IS NULL"
    for home_id, cell, elder_id in (("h2", "", None), ("h1", "e2", "e2"), ("h1", "", None)):
        await import_files(dsn, write(folder, terminals=f"{header}t1,{home_id},{cell}\n"), TODAY)
        assert await rows(dsn, hung) == [(home_id, elder_id)]
    await import_files(dsn, write(folder, terminals=f"{header}t1,h1,e1\n"), TODAY)
    await import_files(dsn, write(folder, terminals="terminal_id,home_id\nt1,h1\n"), TODAY)
    assert await rows(dsn, hung) == [("h1", "e1")]


async def test_rows_of_many_homes_all_go_in_and_those_of_one_home_are_seen_together(dsn: str, folder: Path) -> None:
    header = "elder_id,name,home_id,address\n"
    elders = [f"e{n},Lin,h{n % 40},Lotus Road {n % 40}\n" for n in range(120)]
    elders[117] = "e117,Lin,h37,Elsewhere\n"
    report = await import_files(dsn, write(folder, elders=header + "".join(elders)), TODAY)
    assert reasons(report) == [("elders.csv", 119, "home_differs")]
    assert await rows(dsn, "SELECT count(*), count(DISTINCT home_id) FROM resident") == [(119, 40)]


async def test_no_lane_writes_before_every_lane_has_looked() -> None:
    """A look planned for an empty table ran over all the rows that the other lane had written: lines squared."""
    heard: list[str] = []
    waiting = asyncio.Event()

    class Lane(_Lane):
        def __init__(self, *, is_late: bool) -> None:
            self._is_late = is_late

        async def settle(self, kind: str) -> None:
            if self._is_late:
                await waiting.wait()
            waiting.set()
            heard.append(f"looked for {kind}")

        async def merge(self, kind: str, facts: dict[str, Any], reached: Callable[[int], None]) -> None:
            assert facts["today"] == TODAY
            reached(1)
            heard.append(f"wrote {kind}")

        async def analyse(self, tables: Sequence[str]) -> None:
            heard.append(" ".join(tables))

    reached: list[int] = []
    await Register([Lane(is_late=True), Lane(is_late=False)]).merge("terminals", [], TODAY, reached.append)
    assert heard == ["looked for terminals"] * 2 + ["wrote terminals"] * 2 + ["terminal terminal_home"]
    assert reached == [0, 1]


async def test_two_imports_at_once_are_refused_but_a_dry_run_is_not(dsn: str, folder: Path) -> None:
    paths = write(folder, stations=STATIONS)
    async with open_register(dsn):
        with pytest.raises(Refused, match="another_import_runs"):
            await import_files(dsn, paths, TODAY)
        assert (await import_files(dsn, paths, TODAY, dry_run=True)).good == {"stations": 1}
    assert (await import_files(dsn, paths, TODAY)).good == {"stations": 1}


async def test_who_moves_leaves_one_home_and_enters_another(dsn: str, folder: Path) -> None:
    terminal = "terminal_id,home_id,elder_id\nt1,h1,e1\n"
    await import_files(dsn, write(folder, stations=STATIONS, elders=ELDERS, terminals=terminal), TODAY)
    moved = date(2026, 4, 2)
    moves = write(folder, elders="elder_id,name,home_id\ne1,Lin,h2\n", terminals="terminal_id,home_id\nt1,h2\n")
    for _ in range(2):
        await import_files(dsn, moves, moved)
        assert await rows(dsn, "SELECT home_id, since, until FROM resident WHERE elder_id = 'e1' ORDER BY since") == [
            ("h1", TODAY, moved),
            ("h2", moved, None),
        ]
        assert await rows(dsn, "SELECT home_id, since, until FROM terminal_home ORDER BY since") == [
            ("h1", TODAY, moved),
            ("h2", moved, None),
        ]
    back = write(folder, elders="elder_id,name,home_id\ne1,Lin,h1\n")
    await import_files(dsn, back, moved)
    await import_files(dsn, write(folder, elders="elder_id,name,home_id\ne1,Lin,h2\n"), moved)
    assert await rows(dsn, "SELECT home_id FROM resident WHERE elder_id = 'e1' AND until IS NULL") == [("h2",)]


TERMINALS = "terminal_id,home_id,elder_id,kind\n"
MISFITS: list[tuple[dict[str, str | bytes], tuple[str, int | None, str]]] = [
    ({"elders": ELDERS + "e3,C,,,,h1,Other Road 9,,,,,,,\n"}, ("elders.csv", 4, "home_differs")),
    ({"elders": ELDERS + "e3,C,,,,h1,,24.0,118.0,wgs84,,,,\n"}, ("elders.csv", 4, "home_differs")),
    ({"elders": ELDERS + "e3,C,,,,h1,,,,,6,,,\n"}, ("elders.csv", 4, "home_differs")),
    ({"elders": ELDERS + "e3,C,,,,h3,,,,,,,,s9\n"}, ("elders.csv", 4, "unknown_station")),
    ({"elders": ELDERS + "e1,C,,,,h3,,,,,,,,\n"}, ("elders.csv", 4, "repeated")),
    ({"elders": ELDERS + "e3,C,soon,,,h3,,,,,,,,\n"}, ("elders.csv", 4, "bad_number")),
    ({"elders": 'elder_id,name,home_id,thresholds\ne1,A,h1,"{""pulse"":{}}"\n'}, ("elders.csv", 2, "bad_thresholds")),
    ({"elders": ELDERS, "terminals": TERMINALS + "t1,h1,e9,\n"}, ("terminals.csv", 2, "unknown_elder")),
    ({"elders": ELDERS, "terminals": TERMINALS + "t/1,h1,,\n"}, ("terminals.csv", 2, "bad_terminal_id")),
    ({"elders": ELDERS, "terminals": TERMINALS + "t1,h1,,lamp\n"}, ("terminals.csv", 2, "unknown_choice")),
    ({"workers": "worker_id,name,station_id,travel\nw1,C,s9,car\n"}, ("workers.csv", 2, "unknown_station")),
    ({"workers": "worker_id,name,station_id,travel\nw1,C,s1,horse\n"}, ("workers.csv", 2, "unknown_choice")),
    ({"contacts": "home_id,rank,name,phone\nh9,1,Lin,110\n"}, ("contacts.csv", 2, "unknown_home")),
    ({"contacts": "home_id,rank,name,phone\nh9,1,Lin,call\n"}, ("contacts.csv", 2, "bad_phone")),
    ({"people": "id\n"}, ("people.csv", None, "unknown_file")),
    ({"elders": ""}, ("elders.csv", None, "empty_file")),
    ({"elders": b"\xff\xff\x80\n"}, ("elders.csv", None, "unknown_encoding")),
]


async def test_what_does_not_fit_is_named(dsn: str, folder: Path) -> None:
    for files, expected in MISFITS:
        report = await import_files(dsn, write(folder, stations=STATIONS, **files), TODAY, dry_run=True)
        assert reasons(report) == [expected]


async def test_a_file_that_is_not_there_is_named(dsn: str, folder: Path) -> None:
    report = await import_files(dsn, [folder / "elders.csv"], TODAY)
    assert reasons(report) == [("elders.csv", None, "cannot_open")]


async def test_a_chinese_map_is_bent_back(dsn: str, folder: Path) -> None:
    await import_files(dsn, write(folder, stations=STATIONS.replace("wgs84", "gcj02")), TODAY)
    ((lat, lon),) = await rows(dsn, "SELECT lat, lon FROM station")
    assert 0.001 < abs(lat - 24.48) < 0.01
    assert 0.001 < abs(lon - 118.09) < 0.01


async def test_progress_ends_at_the_end(dsn: str, folder: Path) -> None:
    told: list[tuple[int, int]] = []
    await import_files(
        dsn, write(folder, stations=STATIONS), TODAY, progress=lambda _, now, end: told.append((now, end))
    )
    assert told[-1] == (4, 4)
    assert [now for now, _ in told] == sorted(now for now, _ in told)
