"""A backup taken while everybody works, and what comes out of it: every table, compared row by row."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from dispatch.errors import BadInput, Refused, Unreachable
from dispatch.store import backup as module
from dispatch.store.backup import MANIFEST, Manifest, backup, restore
from dispatch.store.database import migrations
from dispatch.store.partitions import Parted, make_parts
from simulator.servers import PostgresServer
from tests.engine.conftest import REGISTER

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
CALLS = """
INSERT INTO policy VALUES ('p', '{}', '2026-01-01');
INSERT INTO incident (incident_id, version, incident_class, subject_kind, subject_id, origin, kind, band, policy_hash,
    is_exercise, state, level, wants, nobody, hands, step, alarms, receipt_n, callers, opened_at, due_at, closed_at,
    outcome)
SELECT lpad(to_hex(n), 32, '0')::uuid, 1, 'care', 'home', 'H' || n, 'terminal', 'sos', 0, 'p', false,
    CASE WHEN n % 2 = 0 THEN 'waiting' ELSE 'closed' END, 0, 0, false, 1, 0, 1, 1, '[{"terminal_id": "T1"}]', at,
    CASE WHEN n % 2 = 0 THEN at END, CASE WHEN n % 2 = 1 THEN at END, CASE WHEN n % 2 = 1 THEN 'assisted' END
FROM (SELECT n, '2026-01-01'::timestamptz + n * '10 min 1 us'::interval AS at FROM generate_series(1, 500) AS n) AS c;
INSERT INTO assignment (assignment_id, incident_id, worker_id, state, eta_s, offered_by, skills, overdue, offered_at,
    ended_at, end_reason)
SELECT incident_id, incident_id, 'W1', 'lapsed', 1, 'router', '{a,"b c"}', 0, opened_at, opened_at, 'lapsed'
FROM incident;
"""
ODD = """
INSERT INTO parked VALUES ('018f0000-0000-7000-8000-000000000001', 'onekey/1/c/t/alarm', '\\x00ff5c2e0a'::bytea,
    'bad', E'tab\\there, a \\\\ backslash, a line\\nbreak, 王秀兰', '2026-03-01 08:00:00.123456+00');
INSERT INTO vitals (terminal_id, received_at, heart_rate_bpm, temperature_c) VALUES
    ('T1', '2026-03-01 01:02:03.000001+00', 61.7, 36.6), ('T1', '2026-03-02 00:00:00+00', 'NaN', NULL);
INSERT INTO incident_log (incident_id, at, code, by, state, band, level, facts)
    SELECT NULL, '2026-03-01', 'x', 'y', 'z', 0, 0, '{"a": [1.5, null, "\\u4e2d"]}' FROM generate_series(1, 10);
INSERT INTO room VALUES ('one', 2, 7);
"""


@pytest_asyncio.fixture
async def town(dsn: str) -> str:
    """A database with something of everything that is hard to carry."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(REGISTER)
    await connection.execute(CALLS)
    await make_parts(connection, Parted("vitals"), [NOW.date(), NOW.date().replace(day=2)])
    await connection.execute(ODD)
    await connection.close()
    return dsn


@pytest_asyncio.fixture
async def elsewhere(postgres: PostgresServer) -> AsyncIterator[str]:
    """An empty database."""
    yield await postgres.create_database("restored")
    await postgres.drop_database("restored")


def names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


async def content(dsn: str) -> dict[str, Any]:
    """Every table's rows, as one number each, and how many there are."""
    connection = await asyncpg.connect(dsn, server_settings={"TimeZone": "UTC"})
    names = [row["name"] for row in await connection.fetch(module.SQL["tables"])]
    found = {}
    for name in [*names, "migration"]:
        query = f"SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM {name} AS t"
        found[name] = tuple((await connection.fetchrow(query)) or ())
    await connection.close()
    return found


async def test_every_table_comes_back_as_it_was(town: str, elsewhere: str, tmp_path: Path) -> None:
    file = tmp_path / "centre.backup"
    written = await backup(town, file, NOW)
    assert file.stat().st_mode & 0o777 == 0o600
    assert names_in(tmp_path) == ["centre.backup"]
    read = await restore(elsewhere, file)
    assert read == written
    before = await content(town)
    assert await content(elsewhere) == before
    assert sum(rows for rows, _ in before.values()) == written.rows + len(migrations())
    assert before["vitals"][0] == 2
    assert before["incident"][0] == 500


async def test_what_draws_numbers_goes_on_behind_the_last(town: str, elsewhere: str, tmp_path: Path) -> None:
    await backup(town, tmp_path / "b", NOW)
    await restore(elsewhere, tmp_path / "b")
    connection = await asyncpg.connect(elsewhere)
    log = "INSERT INTO incident_log (at, code, by, state, band, level, facts) VALUES ($1, 'a', 'b', 'c', 0, 0, '{}')"
    last = await connection.fetchval("SELECT max(seq) FROM incident_log")
    assert await connection.fetchval(f"{log} RETURNING seq", NOW) == last + 1
    with pytest.raises(asyncpg.CheckViolationError):  # triggers and constraints are there as well
        await connection.execute("UPDATE incident_log SET code = 'other'")
    await connection.close()


async def test_a_backup_is_of_one_instant_though_rows_come_while_it_is_taken(
    town: str, elsewhere: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An incident and its log line come in one commit, after the log was copied and before the incidents are."""
    copy_out, others = module._copy_out, await asyncpg.connect(town)
    seen: list[str] = []

    async def slow(connection: Any, archive: zipfile.ZipFile, name: str, columns: list[str]) -> tuple[int, int, str]:
        if not seen:
            await others.execute("INSERT INTO station VALUES ('S2', 'late', 1, 1)")
            await others.execute("INSERT INTO home (home_id, station_id) VALUES ('late', 'S2')")
        seen.append(name)
        return await copy_out(connection, archive, name, columns)

    before = await content(town)
    monkeypatch.setattr(module, "_copy_out", slow)
    await backup(town, tmp_path / "b", NOW)
    await others.close()
    await restore(elsewhere, tmp_path / "b")
    assert await content(elsewhere) == before
    assert len(seen) == len(before) - 1


async def test_a_damaged_file_is_refused_before_anything_is_written(town: str, elsewhere: str, tmp_path: Path) -> None:
    file, bad = tmp_path / "b", tmp_path / "bad"
    await backup(town, file, NOW)
    content_of = {}
    with zipfile.ZipFile(file) as archive:
        content_of = {name: archive.read(name) for name in archive.namelist()}
    for harm in (
        {"home.copy": content_of["home.copy"].replace(b"H1", b"H9", 1)},
        {"home.copy": None},
        {MANIFEST: None},
    ):
        with zipfile.ZipFile(bad, "w") as archive:
            for name, data in (content_of | harm).items():
                if data is not None:
                    archive.writestr(name, data)
        with pytest.raises(BadInput) as refused:
            await restore(elsewhere, bad)
        assert refused.value.code in {"backup_damaged", "not_a_backup"}
    bad.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(BadInput, match="not_a_backup"):
        await restore(elsewhere, bad)
    connection = await asyncpg.connect(elsewhere)
    assert not await connection.fetchval(module.SQL["is_used"])
    await connection.close()


async def test_a_file_of_a_newer_or_another_program_is_refused(town: str, elsewhere: str, tmp_path: Path) -> None:
    file, bad = tmp_path / "b", tmp_path / "bad"
    manifest = await backup(town, file, NOW)
    first = next(iter(manifest.migrations))
    for code, done in (
        ("newer_backup", manifest.migrations | {"9999_later.sql": "x"}),
        ("other_backup", manifest.migrations | {first: "x"}),
    ):
        with zipfile.ZipFile(bad, "w") as archive:
            archive.writestr(MANIFEST, msgspec.json.encode(msgspec.structs.replace(manifest, migrations=done)))
        with pytest.raises(BadInput, match=code):
            await restore(elsewhere, bad)


async def test_an_older_backup_is_brought_to_this_version(
    town: str, elsewhere: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await backup(town, tmp_path / "b", NOW)
    known = migrations() | {"9999_later.sql": "CREATE TABLE later (n integer)"}
    monkeypatch.setattr(module, "migrations", lambda: known)
    await restore(elsewhere, tmp_path / "b")
    connection = await asyncpg.connect(elsewhere)
    assert await connection.fetchval("SELECT count(*) FROM later") == 0
    assert await connection.fetchval("SELECT max(name) FROM migration") == "9999_later.sql"
    await connection.close()


async def test_nothing_is_ever_overwritten(town: str, tmp_path: Path) -> None:
    file = tmp_path / "b"
    await backup(town, file, NOW)
    with pytest.raises(Refused, match="file_exists"):
        await backup(town, file, NOW)
    with pytest.raises(Refused, match="database_in_use"):
        await restore(town, file)
    with pytest.raises(Refused, match="cannot_write"):
        await backup(town, tmp_path / "nowhere" / "b", NOW)
    with pytest.raises(Unreachable):
        await backup("postgresql://nobody@127.0.0.1:1/nowhere", tmp_path / "c", NOW)
    assert names_in(tmp_path) == ["b"]


async def test_a_restore_that_breaks_in_the_middle_leaves_nothing(
    town: str, elsewhere: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, fill = tmp_path / "b", module._fill
    manifest: Manifest = await backup(town, file, NOW)
    filled: list[str] = []

    async def breaks(connection: Any, archive: zipfile.ZipFile, table: module.Table) -> None:
        if len(filled) == len(manifest.tables) // 2:
            raise asyncio.CancelledError
        filled.append(table.name)
        await fill(connection, archive, table)

    monkeypatch.setattr(module, "_fill", breaks)
    with pytest.raises(asyncio.CancelledError):
        await restore(elsewhere, file)
    monkeypatch.setattr(module, "_fill", fill)
    await restore(elsewhere, file)
    assert await content(elsewhere) == await content(town)
