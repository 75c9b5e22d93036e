"""The worker's page on a phone's screen, together with the board."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import expect

from dispatch.clock import SystemClock
from tests.browser.conftest import PHONE
from tests.browser.test_board import CODE, row, say_all

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.browser.conftest import Centre

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def fits(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"])


async def test_without_a_session_a_worker_is_told_to_open_the_link(centre_running: Centre) -> None:
    page = await centre_running.page(PHONE)
    await page.goto(f"{centre_running.url}/w")
    await expect(page.get_by_role("heading")).to_have_text("请打开发给你的登录链接")


async def test_a_call_from_the_press_to_the_close(centre_running: Centre) -> None:
    board, phone = await centre_running.board(), await centre_running.phone("W1")
    await centre_running.press("T1")
    await expect(phone.locator(".offer-where")).to_contain_text("王秀兰")
    await expect(phone.locator(".offer")).not_to_contain_text("心脏病")  # health facts come with the yes
    assert await fits(phone)
    accept = phone.get_by_role("button", name="接单")
    box = await accept.bounding_box()
    assert box is not None
    assert box["height"] >= 64
    await accept.click()
    await expect(phone.locator(".active")).to_contain_text("心脏病")
    assert await fits(phone)
    await expect(row(board, "王秀兰")).to_contain_text("已接单")
    await expect(row(board, "王秀兰")).to_contain_text("张伟")
    await row(board, "王秀兰").locator(".row-take").click()
    await expect(row(board, "王秀兰")).to_contain_text("李敏 已接警")
    await phone.get_by_role("button", name="我已出发").click()
    await expect(row(board, "王秀兰")).to_contain_text("在路上")
    await phone.get_by_role("button", name="我已到达").click()
    await expect(row(board, "王秀兰")).to_contain_text("已到场")
    await phone.get_by_role("button", name="完成…").click()
    await phone.get_by_role("radio", name="已上门处理").click()
    await phone.get_by_role("button", name="完成：已上门处理").click()
    await expect(phone.locator(".idle")).to_contain_text("等待派单")
    await expect(row(board, "王秀兰").locator(".state-helped")).to_have_text("待结束")
    await expect(board.locator(".counts li", has_text="待结束")).to_have_text("1 待结束")
    await expect(board.locator(".counts li", has_text="等待派人")).to_have_text("0 等待派人")
    await expect(board.locator(".timeline")).to_contain_text("张伟 完成：已上门处理")
    await board.get_by_role("button", name="结束呼叫…").click()
    await board.get_by_text("已上门处理", exact=True).last.click()
    await board.get_by_role("button", name="确认结束：已上门处理").click()
    await expect(board.locator(".timeline")).to_contain_text("李敏 结束呼叫：已上门处理")
    await expect(board.locator(".notice").last).to_have_text(re.compile(r"呼叫 #\d+ 已结束：已上门处理"))
    await expect(row(board, "王秀兰")).to_have_count(0)
    await board.locator(".group-closed .fold").click()
    await expect(row(board, "王秀兰").first).to_contain_text("已上门处理")


async def test_a_no_with_a_reason_reaches_the_timeline(centre_running: Centre) -> None:
    board, phone = await centre_running.board(), await centre_running.phone("W1")
    await centre_running.press("T1")
    await phone.get_by_role("button", name="无法前往").click()
    await phone.get_by_role("button", name="距离太远").click()
    await expect(phone.locator(".idle")).to_be_visible()
    await row(board, "王秀兰").locator(".row-main").click()
    await expect(board.locator(".timeline")).to_contain_text("张伟 拒绝：距离太远")


async def test_a_tap_without_a_network_is_kept_through_a_reload_and_sent_later(centre_running: Centre) -> None:
    board, phone = await centre_running.board(), await centre_running.phone("W1")
    await centre_running.press("T1")
    accept = phone.get_by_role("button", name="接单")
    await expect(accept).to_be_visible()
    await phone.route("**/api/v1/offers/**", lambda route: route.abort())
    await accept.click()
    await expect(phone.locator(".unsent-held")).to_contain_text("已保存，尚未发出")
    await expect(phone.get_by_role("button", name="我已出发")).to_be_visible()
    await phone.get_by_role("button", name="我已出发").click()
    await expect(phone.locator(".unsent-held")).to_contain_text("2 项操作已保存")
    await phone.reload()
    await expect(phone.locator(".unsent-held")).to_contain_text("2 项操作已保存")
    await phone.unroute("**/api/v1/offers/**")
    await expect(phone.locator(".unsent")).to_have_count(0)
    await expect(row(board, "王秀兰")).to_contain_text("在路上")


async def test_a_phone_set_to_another_zone_shows_the_centres_time(centre_running: Centre) -> None:
    phone = await centre_running.phone("W1", timezone_id="America/New_York")
    await centre_running.press("T1")
    await phone.get_by_role("button", name="接单").click()
    said = re.search(r"(\d\d):(\d\d):\d\d 前出发", await phone.locator(".next-step .quiet").inner_text())
    assert said is not None
    now = SystemClock().now().astimezone(ZoneInfo("Asia/Shanghai"))
    ahead_min = (int(said[1]) * 60 + int(said[2]) - now.hour * 60 - now.minute) % (24 * 60)
    assert ahead_min < 60


async def test_off_duty_and_on_again(centre_running: Centre) -> None:
    board, phone = await centre_running.board(), await centre_running.phone("W3")
    await expect(phone.locator(".idle")).to_contain_text("你已下班")
    await phone.get_by_role("button", name="开始值班").click()
    await expect(phone.locator(".duty-on")).to_have_text("值班中")
    await expect(phone.locator(".place")).to_contain_text("已上报")
    await expect(board.locator(".worker", has_text="孙丽")).to_contain_text("前")
    await phone.get_by_role("button", name="下班").click()
    await expect(phone.locator(".idle")).to_contain_text("你已下班")


async def test_the_phone_speaks_english_too(centre_running: Centre) -> None:
    phone = await centre_running.phone("W2", language="en")
    await expect(phone.locator(".idle")).to_contain_text("Waiting for a call")
    await phone.get_by_role("button", name="Change language").click()
    await phone.reload()
    await expect(phone.locator(".idle")).to_contain_text("等待派单")  # what was chosen by hand stays
    await phone.get_by_role("button", name="切换语言").click()
    await centre_running.press("T1")
    await expect(phone.get_by_role("button", name="ACCEPT")).to_be_visible()
    assert not CODE.findall(await say_all(phone))
    await phone.get_by_role("button", name="ACCEPT").click()
    await expect(phone.get_by_role("button", name="I have left")).to_be_visible()
    assert not CODE.findall(await say_all(phone))
    assert await fits(phone)
