"""Schemathesis against the real application: whatever a request looks like, the answer is one that was described."""

from __future__ import annotations

import asyncio
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from dispatch.board.api import ROUTES
from dispatch.board.openapi import document

from .conftest import Browser, Room

load_all_checks()

EXAMPLES = 3
CHECKED = [
    CHECKS.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    )
]


def quick(examples: int, *, is_same_each_time: bool = True) -> settings:
    """So many requests of an operation, well-formed, and as many ill-formed ones."""
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=is_same_each_time,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def try_operation(operation: Any, url: str, cookies: dict[str, str], ids: dict[str, str], trying: settings) -> set[int]:
    """Send well-formed and ill-formed requests, with real ids and made-up ones; returns the statuses of the answers.

    Runs in a thread of its own.
    """
    statuses = set()

    def send(case: Any, is_real: bool) -> None:
        if is_real and case.path_parameters:
            case.path_parameters = {name: ids.get(name, value) for name, value in case.path_parameters.items()}
        answer = case.call(base_url=url, cookies=cookies, headers={"X-Requested-With": "onekey"})
        case.validate_response(answer, checks=CHECKED)
        statuses.add(answer.status_code)

    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        case = operation.as_strategy(generation_mode=mode)
        trying(given(case=case, is_real=st.booleans())(send))()
    return statuses


def cookies_of(browser: Browser) -> dict[str, str]:
    return {cookie.key: cookie.value for cookie in browser.http.cookie_jar}


async def test_every_answer_is_one_that_was_described(room: Room) -> None:
    incident_id, offers = await room.offered()
    worker_id, offer_id = next(iter(offers.items()))
    ids = {"incident_id": str(incident_id), "offer_id": offer_id}
    operator, worker = await room.operator("boss"), await room.phone(worker_id)
    schema = schemathesis.openapi.from_dict(document(ROUTES))
    statuses: set[int] = set()
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]  # a schema of ours is never invalid
        if operation.method.upper() == "DELETE":
            continue  # it would sign the others out
        is_workers = ("/worker" in operation.path and "/workers" not in operation.path) or "/offers" in operation.path
        cookies = cookies_of(worker if is_workers else operator)
        statuses |= await asyncio.to_thread(try_operation, operation, room.url, cookies, ids, quick(EXAMPLES))
    assert {200, 404, 409, 422} <= statuses
