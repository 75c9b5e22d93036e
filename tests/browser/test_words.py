"""Whatever the service can say in codes, both languages say in words."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dispatch.board import health_messages, messages, outage_messages, worker_messages
from hatch_build import node_and_npm
from tests.browser import codes

WEB = Path(messages.__file__).parent / "web"
LANGUAGES = ("zh", "en")
TABLES = "{ zh: (await import('./zh.ts')).zh, en: (await import('./en.ts')).en }"
REASONS = ("ended", "decline", "outcome", "refusal")
"""Where the pages look for why an assignment ended."""

Table = dict[str, Any]


def run(expression: str, folder: Path) -> Any:
    """The value of an expression of the pages' own language."""
    node, _ = node_and_npm()
    words = [str(node), "--no-warnings", "--input-type=module", "--eval", f"console.log(JSON.stringify({expression}))"]
    return json.loads(subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout)


@pytest.fixture(scope="module")
def tables() -> dict[str, Table]:
    read: dict[str, Table] = run(TABLES, WEB / "src" / "words")
    return read


def leaves(table: Table, above: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in table.items():
        found |= leaves(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found


def blanks(template: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", template))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("group", "said"), sorted(codes.all_codes().items()))
def test_every_code_has_words(tables: dict[str, Table], language: str, group: str, said: set[str]) -> None:
    assert said, f"no code of the group {group} was found: the search is broken"
    assert not said - set(tables[language]["codes"][group])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_end_of_an_assignment_has_words(tables: dict[str, Table], language: str) -> None:
    known = {code for group in REASONS for code in tables[language]["codes"][group]}
    assert "lapsed" in codes.ended()
    assert not codes.ended() - known


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_line_of_the_timeline_asks_only_for_facts_that_its_code_brings(
    tables: dict[str, Table], language: str
) -> None:
    wanting = {
        code: missing
        for code, facts in codes.logged().items()
        if (missing := blanks(tables[language]["codes"]["log"][code]) - facts)
    }
    assert not wanting


def test_both_languages_fill_in_the_same_facts(tables: dict[str, Table]) -> None:
    zh, en = (leaves(tables[language]) for language in LANGUAGES)
    assert zh.keys() == en.keys()
    assert not [name for name in zh if blanks(zh[name]) != blanks(en[name])]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_words_are_empty(tables: dict[str, Table], language: str) -> None:
    assert not [name for name, value in leaves(tables[language]).items() if not value.strip()]


# --- what the pages decide by themselves ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "card"),
    [
        ("helped", {"assignments": ["finished"]}),
        ("helped", {"assignments": ["declined", "finished", "lapsed"]}),
        ("waiting", {"assignments": []}),
        ("waiting", {"assignments": ["lapsed"]}),
        ("waiting", {"assignments": ["finished"], "wants": 1}),
        ("en_route", {"assignments": ["finished", "en_route"], "state": "en_route"}),
        ("closed", {"assignments": ["finished"], "state": "closed", "closed_at": "2026-03-01T00:00:00Z"}),
    ],
)
def test_a_call_that_was_helped_is_not_said_to_wait(said: str, card: Table) -> None:
    whole: Table = {"state": "waiting", "closed_at": None, "wants": 0} | card
    whole["assignments"] = [{"state": state} for state in card["assignments"]]
    assert run(f"(await import('./board/stage.ts')).stageOf({json.dumps(whole)})", WEB / "src") == said


# --- the pages' types -------------------------------------------------------------------------------------------------


def interfaces() -> dict[str, set[str]]:
    """The fields of every interface in the pages' types."""
    text = (WEB / "src" / "api" / "types.ts").read_text(encoding="utf-8")
    bodies = re.findall(r"export interface (\w+) \{\n(.*?)\n\}", text, re.DOTALL)
    return {name: set(re.findall(r"^  (\w+)\??:", body, re.MULTILINE)) for name, body in bodies}


@pytest.mark.parametrize("name", sorted(interfaces()))
def test_the_pages_types_are_the_services(name: str) -> None:
    places = (messages, worker_messages, health_messages, outage_messages)
    struct = next(found for each in places if (found := getattr(each, name, None)))
    info: Any = msgspec.inspect.type_info(struct)
    tag = {info.tag_field} if info.tag_field else set()
    assert interfaces()[name] == {field.encode_name for field in info.fields} | tag
