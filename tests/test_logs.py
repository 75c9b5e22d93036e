"""The technical log holds ids and facts, whatever a database says in its errors."""

from __future__ import annotations

import io
import sys

import asyncpg
import pytest

from dispatch import logs


@pytest.mark.parametrize("coloured", [True, False])
async def test_a_row_that_the_database_quotes_stays_out_of_the_log(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch, *, coloured: bool
) -> None:
    told = io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    logs.set_up("info", coloured=coloured)
    connection = await asyncpg.connect(empty_dsn)
    await connection.execute("CREATE TABLE home (address text, lat float CHECK (lat < 90))")
    for row in (("99 Hidden Street", 95.0), ("99 Hidden Street", "north")):
        try:
            await connection.execute("INSERT INTO home VALUES ($1, $2)", *row)
        except asyncpg.PostgresError as error:
            logs.get("test").exception("row_refused", incident_id="i1", error=str(error))
    await connection.close()
    monkeypatch.undo()
    logs.set_up("warning", coloured=False)
    assert told.getvalue().count("row_refused") == 2
    assert "Hidden Street" not in told.getvalue()
