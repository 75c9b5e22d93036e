"""The real servers that tests talk to, and a fresh database for each test that wants one.

`postgres` and `broker` are started once a session, on the first use. A test that kills, freezes or fills a server
starts one of its own: `async with MosquittoServer() as broker: ...`.
"""

from __future__ import annotations

import functools
import itertools
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from dispatch import logs
from simulator.servers import MosquittoServer, PostgresServer
from simulator.servers.place import LINK, system_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_ON_MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
NO_CHROMIUM = "no Chromium on this machine, and `./run test` may not install one: NOTHING OF THE PAGES IS TESTED HERE"

_numbers = itertools.count(1)

# as the service logs: structlog's own default renders every local variable of a traceback, which takes seconds
logs.set_up("warning", coloured=False)

# a busy machine is no bug: neither a slow example nor slowly made ones fail a test
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres() -> AsyncIterator[PostgresServer]:
    """A PostgreSQL of the session's own; its files are removed at the end."""
    # Compressing what is written about each new database takes longer than writing it.
    async with PostgresServer(settings={"wal_compression": "off"}) as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def template(postgres: PostgresServer) -> str:
    """The name of a database with every migration applied, to be copied and never used itself."""
    from dispatch.store.database import migrate

    name = "template_of_tests"
    await migrate(await postgres.create_database(name))
    return name


@pytest_asyncio.fixture
async def dsn(postgres: PostgresServer, template: str) -> AsyncIterator[str]:
    """The address of a fresh database with every migration applied, for this test alone."""
    name = f"test_{next(_numbers)}"
    yield await postgres.create_database(name, template)
    await postgres.drop_database(name)


@pytest_asyncio.fixture
async def empty_dsn(postgres: PostgresServer) -> AsyncIterator[str]:
    """The address of a fresh database with nothing in it, for this test alone."""
    name = f"test_{next(_numbers)}"
    yield await postgres.create_database(name)
    await postgres.drop_database(name)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def broker() -> AsyncIterator[MosquittoServer]:
    """A Mosquitto that the session's tests share: each uses topics and client ids of its own (`centre`)."""
    async with MosquittoServer() as server:
        yield server


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A folder for a server that is to be started twice on the same files; `PostgresServer(data_dir / "any name")`.

    The superuser's servers keep their files elsewhere (see `simulator/servers/place.py`): those are removed here too.
    """
    yield tmp_path
    for link in tmp_path.rglob(LINK):
        shutil.rmtree(link.readlink())


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder whose files the servers may read, whoever they run as."""
    with tempfile.TemporaryDirectory(dir=system_folder(), prefix="reachable-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def centre() -> str:
    """A centre's id that no other test of the session has: tests on the shared broker do not hear each other."""
    return f"c{next(_numbers)}"


@functools.cache
def find_chromium() -> Path | None:
    """The system's Chromium or Chrome, or None; one that only says how to install it (as Ubuntu's) is none."""
    for name in (*CHROMIUM_NAMES, str(CHROMIUM_ON_MACOS)):
        found = shutil.which(name)
        if found and subprocess.run([found, "--version"], check=False, capture_output=True).returncode == 0:
            return Path(found)
    return None


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser's program, for Playwright's `executable_path`; tests that use it carry `@pytest.mark.browser`."""
    found = find_chromium()
    assert found is not None, NO_CHROMIUM
    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser, leave out the browser tests, and only those."""
    wanting = [item for item in items if item.get_closest_marker("browser")]
    if wanting and find_chromium() is None:
        for item in wanting:
            item.add_marker(pytest.mark.skip(reason=NO_CHROMIUM))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly, at the very end, that the pages were not tested."""
    left_out = [report for report in terminalreporter.stats.get("skipped", []) if NO_CHROMIUM in str(report.longrepr)]
    if left_out:
        terminalreporter.section("BROWSER TESTS SKIPPED", red=True, bold=True)
        terminalreporter.line(f"{len(left_out)} tests: {NO_CHROMIUM}", red=True, bold=True)
