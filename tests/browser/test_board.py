"""The board in a real browser: what an operator sees and does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.conftest import PASSWORD, PHONE

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

    from tests.browser.conftest import Centre

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CODE = re.compile(r"\b[a-z]+_[a-z_]+\b|undefined|\[object|NaN")
"""What must never stand on a page: a code, or what a program says when it has nothing to say."""


def row(page: Page, name: str) -> Locator:
    return page.locator(".row", has_text=name)


async def say_all(page: Page) -> str:
    return await page.locator("body").inner_text()


async def test_sign_in_says_what_is_wrong_and_then_shows_the_board(centre_running: Centre) -> None:
    await centre_running.link()
    page = await centre_running.page()
    await page.goto(f"{centre_running.url}/board")
    await page.get_by_label("账号").fill("李敏")
    await page.get_by_label("密码").fill("wrong")
    await page.get_by_role("button", name="登录").click()
    await expect(page.get_by_role("alert")).to_have_text("账号或密码不对")
    await page.get_by_label("密码").fill(PASSWORD)
    await page.get_by_role("button", name="登录").click()
    await expect(page.locator(".connection-live")).to_contain_text("实时")
    await page.get_by_role("button", name="退出登录").click()
    await expect(page.get_by_label("密码")).to_be_visible()


async def test_a_press_stands_on_the_board_with_what_happens_next(centre_running: Centre) -> None:
    page = await centre_running.board()
    await centre_running.press("T1")
    call = row(page, "王秀兰")
    await expect(call).to_contain_text("松柏路1号502")
    await expect(call.locator(".band")).to_contain_text("紧急")
    await expect(call).to_contain_text("派单中")
    await expect(call.locator(".countdown")).to_contain_text(re.compile(r"00:[0-2]\d.*→ 换下一位就近人员", re.DOTALL))
    await call.locator(".row-main").click()
    await expect(page.locator(".timeline")).to_contain_text("紧急呼叫呼入")
    await expect(page.locator(".timeline")).to_contain_text("派单给 张伟")
    await expect(page.locator(".assignment")).to_have_count(2)
    await expect(page.locator(".candidate")).to_contain_text("孙丽")
    await expect(page.locator(".detail")).to_contain_text("13900000001")
    await expect(page.locator(".detail")).not_to_contain_text("1357#")
    await page.get_by_role("button", name="门禁密码: 显示").click()
    await expect(page.locator(".detail")).to_contain_text("1357#")


async def test_who_takes_a_call_second_reads_who_was_first(centre_running: Centre) -> None:
    await centre_running.press("T1")
    first = await centre_running.board()
    await expect(row(first, "王秀兰")).to_be_visible()
    second = await centre_running.page()
    await second.route_web_socket("**/stream*", lambda _socket: None)  # the news of the answer does not get through
    await second.goto(await centre_running.link(account="陈晨"))
    take = row(second, "王秀兰").locator(".row-take")
    await expect(take).to_be_visible()
    await row(first, "王秀兰").locator(".row-take").click()
    await expect(row(first, "王秀兰")).to_contain_text("李敏 已接警")
    await take.click()
    await expect(second.locator(".notice-trouble")).to_contain_text("已先由 李敏 接警")
    await expect(second.locator(".detail-line")).to_contain_text("李敏 已接警")


async def test_rows_do_not_move_under_the_pointer_and_new_calls_say_so(centre_running: Centre) -> None:
    page = await centre_running.board()
    await centre_running.press("T1")
    await row(page, "王秀兰").locator(".row-main").hover()
    await page.evaluate("""() => {
        const queue = document.querySelector('.queue');
        window.pointing = setInterval(() => queue.dispatchEvent(new PointerEvent('pointermove', {bubbles: true})), 200);
    }""")
    await centre_running.press("T2", "fall")
    await expect(page.locator(".new-waiting")).to_contain_text("1 个新呼叫")
    await expect(page.locator(".row")).to_have_count(1)
    await page.evaluate("() => clearInterval(window.pointing)")
    await expect(page.locator(".row")).to_have_count(2)
    await expect(page.locator(".new-waiting")).to_have_count(0)


async def test_a_call_by_telephone_is_opened_by_hand(centre_running: Centre) -> None:
    page = await centre_running.board()
    await page.get_by_role("button", name="新建呼叫").click()
    await page.get_by_role("textbox", name="查找老人").fill("林玉")
    await page.locator(".found-home").click()
    await page.get_by_text("跌倒").click()
    await page.get_by_placeholder("备注").fill("女儿来电，说母亲摔倒")
    await page.get_by_role("button", name="发起呼叫").click()
    await expect(row(page, "林玉珍")).to_contain_text("跌倒")
    await expect(row(page, "林玉珍")).to_contain_text("李敏 已接警")
    await expect(page.locator(".timeline")).to_contain_text("女儿来电")


async def test_a_lost_link_is_said_in_words_and_heals(centre_running: Centre) -> None:
    page = await centre_running.page()
    await page.clock.install()
    await page.goto(await centre_running.link())
    await centre_running.press("T1")
    await expect(row(page, "王秀兰")).to_be_visible()
    assert centre_running.service is not None
    centre_running.service.kill9()
    await expect(page.locator(".connection")).to_contain_text("连接断开")
    await page.clock.fast_forward(16_000)
    await expect(page.locator(".connection")).to_contain_text("画面已过时")
    await expect(page.locator(".bar-stale")).to_contain_text("没有收到新消息")
    await expect(page.locator(".board-stale")).to_have_css("border-top-color", "rgb(255, 176, 0)")
    await centre_running.start()
    await centre_running.press("T2")
    await page.clock.fast_forward(11_000)
    await expect(page.locator(".connection-live")).to_be_visible()
    await expect(page.locator(".bar-stale")).to_have_count(0)
    await expect(row(page, "陈建国")).to_be_visible()


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_no_code_is_left_without_words(centre_running: Centre, language: str) -> None:
    await centre_running.press("T1")
    await centre_running.press("T2", "service")
    await centre_running.press("unheard-of", "fire")
    page = await centre_running.board("李敏" if language == "zh" else "Ann", language=language)
    if language == "en":  # the account remembers it: nobody else uses this one
        await page.get_by_role("button", name="切换语言").click()
    await expect(page.locator(".row")).to_have_count(3)
    for number in range(3):
        await page.locator(".row-main").nth(number).click()
        await expect(page.locator(".timeline li").first).to_be_visible()
        assert not CODE.findall(await say_all(page))
    expected = "zh-CN" if language == "zh" else "en"
    await expect(page.locator("html")).to_have_attribute("lang", expected)


async def test_an_english_browser_reads_english_before_anybody_signs_in(centre_running: Centre) -> None:
    page = await centre_running.page(language="en")
    await page.goto(f"{centre_running.url}/board")
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    await expect(page.locator("html")).to_have_attribute("lang", "en")


async def test_nobody_is_told_minutes_to_an_address_that_nobody_knows(centre_running: Centre) -> None:
    page = await centre_running.board()
    phone = await centre_running.phone("W1")
    await centre_running.press("nowhere")
    await page.locator(".row-take").click()
    await expect(phone.locator(".offer-eta")).to_contain_text("地址不详，先问清")
    call = page.locator(".row", has_text="未登记终端")
    await call.locator(".row-main").click()
    await expect(page.locator(".assignment").first).to_contain_text("地址不详，先问清")
    await expect(page.locator(".timeline")).to_contain_text("派单给 张伟")
    for part in (call.locator(".row-owner"), page.locator(".crew"), page.locator(".timeline"), phone.locator(".offer")):
        assert "分钟" not in await part.inner_text()


async def test_in_one_column_a_call_brings_its_detail_into_view_and_leads_back(centre_running: Centre) -> None:
    page = await centre_running.board(size=PHONE)
    for terminal in ("T1", "T2", "T3"):
        await centre_running.press(terminal)
    await expect(page.locator(".row")).to_have_count(3)
    await row(page, "林玉珍").locator(".row-main").click()
    await expect(page.locator(".detail-head")).to_be_in_viewport()
    await expect(page.locator(".detail")).to_be_focused()
    await page.get_by_role("button", name="回到呼叫列表").click()
    await expect(row(page, "林玉珍")).to_be_in_viewport()
    await expect(row(page, "林玉珍").locator(".row-main")).to_be_focused()


async def test_nothing_is_cut_off_on_a_narrow_screen(centre_running: Centre) -> None:
    page = await centre_running.board(size=PHONE)
    await centre_running.press("T1")
    await expect(row(page, "王秀兰")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
