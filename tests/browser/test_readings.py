"""A call by readings on the board: why it called, the last day, NEWS2 with what it lacks, and limits that one sets."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from dispatch.clock import SystemClock
from tests.browser.test_accessible import grave
from tests.browser.test_board import CODE, row, say_all

if TYPE_CHECKING:
    from tests.browser.conftest import Centre

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_call_by_readings_shows_them_and_an_operator_sets_limits(centre_running: Centre) -> None:
    now = SystemClock().now()
    day = [
        {"at": (now - timedelta(minutes=30 * n)).isoformat(), "heart_rate_bpm": 72 + n % 5, "spo2_percent": 96 + n % 3}
        for n in range(47, 0, -1)
    ]
    await centre_running.say("T2", "vitals", day)
    await centre_running.say("T2", "vitals", {"at": now.isoformat(), "heart_rate_bpm": 118, "spo2_percent": 79})
    page = await centre_running.board()
    call = row(page, "陈建国")
    await expect(call).to_contain_text("体征危急")
    await call.locator(".row-main").click()
    detail = page.locator(".detail")
    await expect(detail.locator(".causes")).to_contain_text("血氧过低 血氧 79 %")
    await expect(detail.locator(".score")).to_contain_text("NEWS2：至少 5 分 (7 项中已测 2 项")
    await expect(detail.locator(".score")).to_contain_text("未测：呼吸")
    await expect(detail.locator(".spark")).to_have_count(2)
    await expect(detail.locator(".spark-cause")).to_have_count(1)
    await page.get_by_role("button", name="全部数值").click()
    await expect(detail.locator(".values tbody tr")).to_have_count(48)
    await page.get_by_role("button", name="修改阈值").click()
    await page.get_by_label("血氧 下限").fill("75")
    assert await grave(page) == []
    await page.get_by_label("原因及依据").fill("慢阻肺，主治医师")
    await page.get_by_role("button", name="确认设定").click()
    await expect(detail.locator(".limits")).to_contain_text("≤ 75")
    await expect(detail).to_contain_text("李敏")
    await expect(detail).to_contain_text("慢阻肺，主治医师")
    assert not CODE.search(await say_all(page))
