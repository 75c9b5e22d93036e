"""The command line as somebody at a shell meets it: a process of its own, what it prints, and its exit code."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from simulator.servers import MosquittoServer
from simulator.servers.ports import choose_port

ROOT = Path(__file__).parents[1]
SAYS_WITHIN_S = 20


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


async def start(*arguments: str, **environ: str) -> asyncio.subprocess.Process:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("DISPATCH_")}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dispatch", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=ours | {"COLUMNS": "200"} | environ,
    )


async def dispatch(*arguments: str, stdin: str = "", **environ: str) -> Said:
    process = await start(*arguments, **environ)
    out, err = await asyncio.wait_for(process.communicate(stdin.encode()), SAYS_WITHIN_S)
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())


def settings(dsn: str) -> dict[str, str]:
    return {"DISPATCH_CENTRE_ID": "xm", "DISPATCH_DATABASE_URL": dsn}


async def test_check_config_shows_values_sources_and_ladders(tmp_path: Path) -> None:
    file = tmp_path / "centre.toml"
    file.write_text('centre_id = "xm"\ndatabase_url = "postgresql://ann:hush@db/x"\n')
    said = await dispatch("check-config", "--config", str(file), DISPATCH_HTTP_PORT="9090")
    assert said.code == 0
    assert re.search(rf"centre_id +xm +{re.escape(str(file))}, line 1", said.out)
    assert re.search(r"http.port +9090 +DISPATCH_HTTP_PORT", said.out)
    assert "hush" not in said.out
    assert "  0:00  the 2 nearest are asked with first_aid, 1 to go" in said.out
    assert "  2:30  level 3: tells operators, supervisor, outside_120, and again every 60 s" in said.out


async def test_what_is_wrong_is_one_clear_line_and_exit_code_1(tmp_path: Path) -> None:
    policy = (ROOT / "dispatch/incident/default_policy.toml").read_text(encoding="utf-8")
    file = tmp_path / "policy.toml"
    file.write_text(policy.replace('tell = ["contacts", "station"]', "tell = []", 1), encoding="utf-8")
    said = await dispatch("check-config", **settings("postgresql://db/x"), DISPATCH_POLICY_FILE=str(file))
    assert (said.code, said.out) == (1, "")
    assert said.err.count("\n") == 1
    assert said.err.startswith(f"dispatch: bad policy: file {file}, key ladders.life, line ")
    assert "step 2 points to nobody" in said.err


async def test_serve_refuses_wrong_settings_the_same_way() -> None:
    said = await dispatch("serve", **settings("postgresql://db/x"), DISPATCH_MQTT_PORT="0")
    assert said.code == 1
    assert said.err.startswith("dispatch: bad settings: variable DISPATCH_MQTT_PORT, key mqtt.port")


async def test_migrate_brings_an_empty_database_up_and_says_so_once(empty_dsn: str) -> None:
    assert "0001_spine.sql" in (await dispatch("migrate", **settings(empty_dsn))).out
    assert (await dispatch("migrate", **settings(empty_dsn))).out == "The database is up to date.\n"


async def test_a_database_that_is_away_is_one_line() -> None:
    said = await dispatch("migrate", **settings(f"postgresql://127.0.0.1:{choose_port(None, 'nothing')}/x"))
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert "database away" in said.err


async def test_import_names_bad_rows_and_brings_in_the_others(dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "stations.csv"
    file.write_text("station_id,name,lat,lon,datum\ns1,North,24.4,118.1,wgs84\ns2,South,24.4,118.1,moon\n")
    said = await dispatch("import", str(file), "--dry-run", **settings(dsn))
    assert (said.code, said.out) == (1, "would go in: 1 stations; bad rows: 1\n")
    assert said.err == (f"{file}:3: unknown choice: column datum, cell moon, expected wgs84, gcj02, bd09\n")
    assert (await dispatch("import", str(file), **settings(dsn))).out == "in: 1 stations; bad rows: 1\n"
    file.write_bytes("station_id,name,lat,lon,datum\ns1,湖里,24.4,118.1,wgs84\n".encode("gbk"))
    said = await dispatch("import", str(file), **settings(dsn))
    assert said.code == 0
    assert "GB18030" in said.err


async def test_an_account_from_beginning_to_end(dsn: str) -> None:
    environ = settings(dsn)
    short = await dispatch("user", "add", "ann", "--password-stdin", stdin="short\n", **environ)
    assert (short.code, short.err) == (1, "dispatch: password too short: length_min 10\n")
    added = await dispatch(
        "user", "add", "ann", "--role", "admin", "--password-stdin", stdin="long enough\n", **environ
    )
    assert added.out == "ann may sign in as admin.\n"
    again = await dispatch("user", "add", "ann", "--password-stdin", stdin="long enough\n", **environ)
    assert (again.code, again.err) == (1, "dispatch: name taken: name ann\n")
    assert (await dispatch("user", "disable", "ann", **environ)).code == 0
    assert re.search(r"ann +admin +zh +no", (await dispatch("user", "list", **environ)).out)
    unknown = await dispatch("user", "disable", "bob", **environ)
    assert (unknown.code, unknown.err) == (1, "dispatch: no such account: name bob\n")


async def test_a_workers_link(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("INSERT INTO station VALUES ('s1', 'North', 24.4, 118.1)")
    await connection.execute(
        "INSERT INTO worker (worker_id, name, station_id, travel) VALUES ('w1', 'Wu', 's1', 'car')"
    )
    said = await dispatch("user", "link", "w1", **settings(dsn), DISPATCH_HTTP_PUBLIC_URL="https://centre.example/")
    assert re.fullmatch(r"https://centre\.example/enter/[\w-]{43}\n", said.out)
    assert await connection.fetchval("SELECT count(*) FROM session WHERE worker_id = 'w1' AND is_link") == 1
    await connection.close()
    unknown = await dispatch("user", "link", "w2", **settings(dsn))
    assert (unknown.code, unknown.err) == (1, "dispatch: no such worker: id w2\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_serve_until_told_to_stop(dsn: str, broker: MosquittoServer, centre: str, number: signal.Signals) -> None:
    port = choose_port(None, "dispatch serve")
    environ = settings(dsn) | {"DISPATCH_CENTRE_ID": centre, "DISPATCH_MQTT_PORT": str(broker.port)}
    process = await start("serve", **environ, DISPATCH_HTTP_PORT=str(port))
    try:
        assert process.stderr is not None
        async for line in process.stderr:
            if b"days_made" in line:  # it leads
                break
        busy = await dispatch("serve", **environ, DISPATCH_HTTP_PORT=str(port))
        assert busy.code == 1
        assert "dispatch: port busy: host 127.0.0.1" in busy.err
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/healthz") as answer:
            assert answer.status == 200
        process.send_signal(number)
        _, err = await asyncio.wait_for(process.communicate(), 10)
        assert process.returncode == 0
        assert b"stopped" in err
    finally:
        if process.returncode is None:
            process.kill()
