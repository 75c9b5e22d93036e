"""`./run screenshots`: pictures of the pages for the documents, taken from the real service with a town of its own.

A dozen keys are pressed, some of the town's workers go, an operator takes some calls; then both pages are photographed
in both languages.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from contextlib import AsyncExitStack
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import aiomqtt
import asyncpg
from playwright.async_api import async_playwright

from dispatch import logs
from dispatch.clock import SystemClock
from simulator.stage import CHECKOUT, Plan, Stage, build_up
from simulator.tickets import let_in_operator, let_in_workers
from simulator.town import Town, build
from tests.browser.conftest import DESK, FLAGS, PHONE, PLACE
from tests.conftest import NO_CHROMIUM, find_chromium

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page

INTO = CHECKOUT / "docs" / "screenshots"
SEED = 7
PRESSES = ("service", "sos", "fall", "consult", "sos", "fire", "family", "sos", "fall")
GOES_AS_FAR_AS = {0: 2, 1: 3, 2: 2, 4: 1}
"""Which presses are accepted, and how far their workers get: 1 accepted, 2 on the way, 3 at the door."""

TAPS = ("accept", "depart", "arrive")
ANSWERED = (1, 2, 4)
PHONE_MORE = {"has_touch": True, "geolocation": PLACE, "permissions": ["geolocation"], "device_scale_factor": 2}
HEADERS = {"X-Requested-With": "onekey"}
ON_DUTY = 24
SESSION: dict[str, Any] = {"extra_http_headers": HEADERS}


class Camera:
    """The town on its stage, and a browser in front of it."""

    def __init__(self, town: Town, stage: Stage, browser: Browser) -> None:
        self.town, self.stage, self.browser = town, stage, browser
        self.url = stage.reach.http_url
        self.operator: BrowserContext

    async def link(self, worker_id: Any = None) -> str:
        connection = await asyncpg.connect(self.stage.dsn)
        try:
            if worker_id is None:
                token = await let_in_operator(connection, SystemClock(), "李敏", "onekey-demo")
            else:
                token = (await let_in_workers(connection, SystemClock(), [worker_id]))[worker_id]
        finally:
            await connection.close()
        return f"{self.url}/enter/{token}"

    async def session(self, worker_id: Any = None, **more: Any) -> BrowserContext:
        """A browser in which the operator, or a worker, is signed in."""
        context = await self.browser.new_context(reduced_motion="reduce", **more)
        await context.request.get(await self.link(worker_id))
        return context

    async def bring_on_duty(self) -> None:
        """Some of the town's workers start their shift, each where they are."""
        for worker in self.town.workers[:ON_DUTY]:
            async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), headers=HEADERS) as phone:
                await (await phone.get(await self.link(worker.id), allow_redirects=False)).read()
                await phone.post(f"{self.url}/api/v1/worker/duty", json={"is_on_duty": True})
                if worker.place:
                    place = {"lat": worker.place.lat, "lon": worker.place.lon, "accuracy_m": 12}
                    await phone.post(f"{self.url}/api/v1/worker/place", json=place)

    async def board(self) -> list[dict[str, Any]]:
        answer = await self.operator.request.get(f"{self.url}/api/v1/board")
        incidents: list[dict[str, Any]] = (await answer.json())["incidents"]
        return sorted(incidents, key=lambda card: card["number"])

    async def press_all(self) -> None:
        """Press the keys one by one, so that their numbers are in order."""
        reach = self.stage.reach
        terminals = list({each.home_id: each.id for each in self.town.terminals}.values())
        async with aiomqtt.Client("127.0.0.1", reach.mqtt_port) as client:
            for number, (key, terminal) in enumerate(zip(PRESSES, terminals, strict=False)):
                alarm = {"id": f"a{number}", "at": SystemClock().now().isoformat(), "key": key}
                await client.publish(f"onekey/1/{reach.centre_id}/{terminal}/alarm", json.dumps(alarm), qos=1)
                await self.until(lambda cards, number=number: len(cards) > number)

    async def until(self, holds: Any) -> list[dict[str, Any]]:
        """The board as soon as something holds of it."""
        while not holds(cards := await self.board()):
            await SystemClock().sleep(0.1)
        return cards

    async def go(self, number: int, taps: int) -> None:
        """Have the first worker who is asked accept, set off, arrive."""
        cards = await self.until(lambda cards: offers(cards[number]))
        offer = offers(cards[number])[0]
        phone = await self.session(offer["worker_id"], **SESSION)
        for tap in TAPS[:taps]:
            await phone.request.post(f"{self.url}/api/v1/offers/{offer['offer_id']}/{tap}", data={})
        await phone.close()

    async def answer(self, number: int) -> None:
        card = (await self.board())[number]
        await self.operator.request.post(f"{self.url}/api/v1/incidents/{card['incident_id']}/answer", data={})

    # --- pictures -----------------------------------------------------------------------------------------------------

    async def photograph_board(self, language: str, theme: str) -> None:
        page = await self.open(await self.session(viewport=DESK), "/board", language, theme)
        await page.locator(".row-main").first.click()
        await page.locator(".timeline li").first.wait_for()
        await page.locator(".candidate").first.wait_for()
        await page.mouse.move(DESK["width"] / 2, DESK["height"] - 2)
        await page.screenshot(path=INTO / f"board-{language}-desktop.png")
        if language == "zh":
            await self.photograph_new_call(page)

    async def photograph_new_call(self, page: Page) -> None:
        await page.locator(".queue .panel-head .button").click()
        await page.locator(".dialog .find input").fill(self.town.elders[0].name[:1])
        await page.locator(".found-home").first.wait_for()
        await page.screenshot(path=INTO / "new-call-zh-desktop.png")

    async def photograph_phone(self, language: str, theme: str, number: int) -> None:
        cards = await self.until(lambda cards: offers(cards[number]))
        worker_id = offers(cards[number])[0]["worker_id"]
        context = await self.session(worker_id, viewport=PHONE, **PHONE_MORE)
        page = await self.open(context, "/w", language, theme)
        await page.locator(".offer .ring").wait_for()
        await page.screenshot(path=INTO / f"phone-{language}-offer.png")
        await page.locator(".big-first").click()
        await page.locator(".active").wait_for()
        await page.locator(".unsent").wait_for(state="detached")
        await page.screenshot(path=INTO / f"phone-{language}-accepted.png")

    async def photograph_sign_in(self) -> None:
        viewport: Any = DESK
        context = await self.browser.new_context(viewport=viewport, locale="zh-CN")
        page = await context.new_page()
        await page.goto(f"{self.url}/board")
        await page.locator(".sign-in-box").wait_for()
        await page.screenshot(path=INTO / "sign-in-zh-desktop.png")

    async def open(self, context: BrowserContext, path: str, language: str, theme: str) -> Page:
        chosen = {"onekey.theme": theme, "onekey.language": language}
        for name, value in chosen.items():
            await context.add_init_script(f"localStorage.setItem('{name}', '{value}')")
        body = {"language": language}
        await context.request.put(f"{self.url}/api/v1/session/language", data=body, headers=HEADERS)
        page = await context.new_page()
        await page.goto(f"{self.url}{path}")
        await page.locator(".connection-live, .link-good").wait_for()
        return page


def offers(card: dict[str, Any]) -> list[dict[str, Any]]:
    """The offers of a call that wait for an answer."""
    return [each for each in card["assignments"] if each["state"] == "offered"]


async def take() -> None:
    """Build everything up, let things happen, take the pictures."""
    program = find_chromium()
    if program is None:
        raise SystemExit(NO_CHROMIUM)
    INTO.mkdir(parents=True, exist_ok=True)
    town = build(SEED)
    with resources.as_file(resources.files("dispatch.incident") / "default_policy.toml") as policy:
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            stage = await build_up(Plan(town, policy, Path(folder)), SystemClock(), stack)
            playwright = await stack.enter_async_context(async_playwright())
            browser = await playwright.chromium.launch(executable_path=program, args=FLAGS)
            stack.push_async_callback(browser.close)
            await _play(Camera(town, stage, browser))


async def _play(camera: Camera) -> None:
    camera.operator = await camera.session(**SESSION)
    await camera.photograph_sign_in()
    await camera.bring_on_duty()
    await camera.press_all()
    for number, taps in GOES_AS_FAR_AS.items():
        await camera.go(number, taps)
    for number in ANSWERED:
        await camera.answer(number)
    await camera.photograph_board("zh", "dark")
    await camera.photograph_board("en", "light")
    await camera.photograph_phone("zh", "dark", 5)
    await camera.photograph_phone("en", "light", 7)


if __name__ == "__main__":
    logs.set_up("warning")
    asyncio.run(take())
