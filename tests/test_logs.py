"""The technical log holds ids and facts, whatever a database says in its errors."""

from __future__ import annotations

import io
import json
import re
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


@pytest.mark.parametrize("coloured", [True, False])
@pytest.mark.parametrize(("level", "lines"), [("info", 2), ("warning", 0)])
def test_several_lines_say_what_each_would_say(
    level: str, lines: int, monkeypatch: pytest.MonkeyPatch, *, coloured: bool
) -> None:
    facts = [{"incident_id": "i1", "happened": ["opened"]}, {"incident_id": "i2", "happened": []}]
    told, told_at_once = io.StringIO(), io.StringIO()
    for where in (told, told_at_once):
        monkeypatch.setattr(sys, "stderr", where)
        logs.set_up(level, coloured=coloured)
        if where is told:
            for each in facts:
                logs.get("incidents").info("committed", **each)
        else:
            logs.several("incidents", "committed", facts)
    monkeypatch.undo()
    logs.set_up("warning", coloured=False)
    assert _without_times(told_at_once.getvalue()) == _without_times(told.getvalue())
    assert len(told_at_once.getvalue().splitlines()) == lines


def _without_times(text: str) -> list[object]:
    """The lines without their instants; one in JSON as what it says."""
    lines = [re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "", line) for line in text.splitlines()]
    return [json.loads(line) if line.startswith("{") else line for line in lines]


@pytest.mark.parametrize("said", ["half \ud800 a pair", 10**30])
def test_what_somebody_outside_said_never_makes_a_line_of_the_log_fail(
    monkeypatch: pytest.MonkeyPatch, said: object
) -> None:
    told = io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    logs.set_up("info", coloured=False)
    logs.get("test").info("refused", said=said)
    monkeypatch.undo()
    logs.set_up("warning", coloured=False)
    assert json.loads(told.getvalue())["said"] == said
