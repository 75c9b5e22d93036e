"""What the board shows of the centre itself: presses not stored yet, its troubles, and its own test press."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio
from playwright.async_api import expect

from dispatch.store.database import migrate
from simulator.servers import PostgresServer
from tests.browser.conftest import REGISTER, Centre
from tests.browser.test_accessible import grave
from tests.browser.test_board import CODE, row, say_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser

    from simulator.servers import MosquittoServer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CANARY = """
INSERT INTO home (home_id, address) VALUES ('canary', '');
INSERT INTO terminal (terminal_id) VALUES ('canary');
INSERT INTO terminal_home VALUES ('canary', 'canary', NULL, '2026-01-01', NULL);
"""


@pytest_asyncio.fixture(loop_scope="session")
async def own_postgres(data_dir: Path) -> AsyncIterator[PostgresServer]:
    """A database server that this test may stop."""
    async with PostgresServer(data_dir / "postgres") as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def own_centre(
    own_postgres: PostgresServer, broker: MosquittoServer, chromium_running: Browser, tmp_path: Path
) -> AsyncIterator[Centre]:
    """A service on a database of its own, with a canary."""
    dsn = await own_postgres.create_database("centre")
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    await connection.execute(REGISTER + CANARY)
    await connection.close()
    settings = {"DISPATCH_WATCH_CANARY_TERMINAL": "canary", "DISPATCH_WATCH_CANARY_EVERY_S": "5"}
    settings["DISPATCH_WATCH_NOBODY_ANSWERS_AFTER_S"] = "1"
    centre = Centre("outage", dsn, broker, chromium_running, tmp_path / "dispatch.log", settings=settings)
    await centre.start()
    yield centre
    assert centre.service is not None
    for context in centre.contexts:
        await context.close()
    await centre.service.stop()
    assert not centre.complaints


async def test_who_presses_while_the_database_is_away_can_be_phoned(
    own_centre: Centre, own_postgres: PostgresServer
) -> None:
    page = await own_centre.board()
    english = await own_centre.board("陈晨")
    await english.get_by_role("button", name="切换语言：English").click()
    await own_postgres.stop()
    await expect(page.locator(".bar-stale")).to_contain_text("数据库自")
    await expect(page.locator(".connection-stale")).to_be_visible()
    for _ in range(3):
        await own_centre.press("T1")
    line = page.locator(".unstored-row", has_text="王秀兰")
    await expect(line).to_contain_text("未入库")
    await expect(line).to_contain_text("松柏路1号502")
    await expect(line).to_contain_text("按了 3 次")
    await expect(line.get_by_role("link", name="13900000001")).to_have_attribute("href", "tel:13900000001")
    await expect(english.locator(".unstored-row")).to_contain_text("NOT STORED")
    await expect(english.locator(".bar-stale")).to_contain_text("please phone")
    assert await grave(page) == []
    for each in (page, english):
        assert not CODE.search(await say_all(each))

    await own_postgres.start()
    await expect(row(page, "王秀兰")).to_be_visible()
    for each in (page, english):
        await expect(each.locator(".unstored")).to_have_count(0)
        await expect(each.locator(".connection-live")).to_be_visible()

    # Nobody answers that call, which is a trouble of the centre, and reads as one.
    trouble = row(english, "The centre itself")
    await expect(trouble).to_contain_text("Grave calls wait", timeout=25_000)
    await trouble.locator(".row-main").click()
    await expect(english.locator(".detail")).to_contain_text("Nobody answers")
    await expect(english.locator(".detail")).not_to_contain_text("Address unknown")
    await expect(english.locator(".header .tag-bad")).to_contain_text("Nobody answers")
    await expect(page.locator(".canary")).to_contain_text("自检正常")
    await expect(page.locator(".group-closed .count")).to_have_text("0")  # its own test press is nobody's call
    assert await grave(english) == []
    assert not CODE.search(await say_all(english))
