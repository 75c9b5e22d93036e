"""axe finds nothing serious on any page, in dark and in light: names, roles, contrast, targets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from dispatch.board import messages
from tests.browser.test_board import row

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.browser.conftest import Centre

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

AXE = Path(messages.__file__).parent / "web" / "node_modules" / "axe-core" / "axe.min.js"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
GRAVE = ("serious", "critical")


async def grave(page: Page) -> list[str]:
    """What axe holds against a page, in both colour schemes."""
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[str] = []
    for theme in ("dark", "light"):
        await page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        result: dict[str, Any] = await page.evaluate("rules => axe.run(document, rules)", RULES)
        for fault in (each for each in result["violations"] if each["impact"] in GRAVE):
            found += [f"{theme}: {fault['id']}: {node['html'][:160]}" for node in fault["nodes"]]
    return found


async def test_sign_in(centre_running: Centre) -> None:
    page = await centre_running.page()
    await page.goto(f"{centre_running.url}/board")
    await expect(page.locator(".sign-in-box")).to_be_visible()
    assert await grave(page) == []


async def test_board_with_a_call_and_its_detail(centre_running: Centre) -> None:
    await centre_running.press("T1")
    await centre_running.press("T2", "family")
    await centre_running.press("T3", "service")
    page = await centre_running.board()
    await row(page, "王秀兰").locator(".row-main").click()
    await expect(page.locator(".timeline li").first).to_be_visible()
    await page.get_by_role("button", name="结束呼叫…").click()
    assert await grave(page) == []
    await page.get_by_role("button", name="新建呼叫").click()
    await page.get_by_role("textbox", name="查找老人").fill("王")
    await expect(page.locator(".found-home").first).to_be_visible()
    assert await grave(page) == []


async def test_phone_from_the_offer_to_the_outcome(centre_running: Centre) -> None:
    phone = await centre_running.phone("W1")
    assert await grave(phone) == []
    await centre_running.press("T1")
    await expect(phone.locator(".offer")).to_be_visible()
    assert await grave(phone) == []
    await phone.get_by_role("button", name="接单").click()
    await expect(phone.locator(".active")).to_be_visible()
    assert await grave(phone) == []
    await phone.get_by_role("button", name="我已出发").click()
    await phone.get_by_role("button", name="我已到达").click()
    await phone.get_by_role("button", name="完成…").click()
    await phone.get_by_role("radio", name="误报").click()
    assert await grave(phone) == []
