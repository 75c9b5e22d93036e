"""The rules of the house, checked over the source tree itself.

A rule that a tool knows (style, types, import directions) is set in `pyproject.toml`; here are those that none knows.
Each test names every place that breaks its rule, as `file:line: what`.
"""

from __future__ import annotations

import ast
import os
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lock

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("dispatch", "simulator", "benchmarks")

FUNCTION_LINES_MAX = 40
FILE_LINES_MAX = 400
LONGER_WITH_REASON: dict[str, str] = {
    # "path" for a file, "path:name" for a function, each with the reason
}

CLOCK = "dispatch/clock.py"
BANNED = {
    "asyncio.sleep": "Clock.sleep",
    "datetime.now": "Clock.now",
    "datetime.today": "Clock.now",
    "datetime.utcnow": "Clock.now",
    "date.today": "Clock.now",
    "time.time": "Clock.now",
    "time.time_ns": "Clock.now",
    "time.monotonic": "Clock.elapsed",
    "time.monotonic_ns": "Clock.elapsed",
    "time.perf_counter": "Clock.elapsed",
    "time.perf_counter_ns": "Clock.elapsed",
    "time.sleep": "Clock.sleep",
    "uuid.uuid1": "Clock.new_id",
    "uuid.uuid4": "Clock.new_id",
    "uuid.uuid7": "Clock.new_id",
}
"""What reads time, waits or draws, and what to take from the Clock instead. `random` as a whole stands beside these."""

SQL_BANNED = re.compile(
    r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday|random|gen_random_uuid|uuidv[47])\s*\("
    r"|\b(current_timestamp|current_date|current_time|localtimestamp|localtime)\b",
    re.IGNORECASE,
)
SQL_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
SQL_IN_PYTHON = re.compile(r"\s*(SELECT\s|INSERT INTO\s|UPDATE\s\w+\sSET\s|DELETE FROM\s|CREATE TABLE\s|WITH\s\w+ AS)")

NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "base", "misc"}

LEFT_OPEN = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\bNotImplementedError\b")

NOT_OURS = {".git", ".hypothesis", ".venv", ".data", "node_modules", "static", "dist", "build", "__pycache__"}
TEXT = {"", ".py", ".md", ".toml", ".sql", ".json", ".ts", ".tsx", ".css", ".html", ".sh", ".conf", ".lock", ".npmrc",
        ".yml", ".yaml", ".service", ".example", ".csv", ".txt", ".jsonl", ".gitignore"}  # fmt: skip
# In pieces, or this file would break its own rule.
REGISTRY_HOST = re.compile(r"\b(" + "|".join(
    [r"pypi\." + "org", "pythonhosted" + r"\.org", r"registry\.npm" + "js", r"registry\.yarn" + "pkg",
     r"deb\.deb" + "ian", r"archive\.ubu" + "ntu"]) + r")\b")  # fmt: skip
MACHINE_PATH = re.compile(r"(?<![A-Za-z0-9_.$}~-])/(work|root|farm|Users)/")

# Where the tests of a part lie if not under its own name.
TESTS_OF = {"incident": "rules", "mqtt": "ingest", "proof": "simulation"}


@cache
def files() -> tuple[Path, ...]:
    """Every file of the project, without what is fetched or built."""
    found: list[Path] = []
    for folder, inner, names in os.walk(ROOT):
        inner[:] = sorted(name for name in inner if name not in NOT_OURS and not name.endswith(("_cache", ".egg-info")))
        found += [Path(folder, name) for name in sorted(names)]
    return tuple(path for path in found if not path.is_symlink())


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def python_files(*folders: str) -> Iterator[Path]:
    return (path for path in files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in folders)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=shown(path))


def nodes(*folders: str) -> Iterator[tuple[str, ast.AST]]:
    for path in python_files(*folders):
        for node in ast.walk(parsed(path)):
            yield shown(path), node


def none_of(broken: list[str], rule: str) -> None:
    if broken:
        pytest.fail(f"{rule}:\n  " + "\n  ".join(sorted(set(broken))), pytrace=False)


# --- Time, ids and chance --------------------------------------------------------------------------------------------


def imported_names(tree: ast.Module) -> dict[str, str]:
    """What each name of a module stands for, in full: `{"sleep": "asyncio.sleep", "dt": "datetime"}`."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {(alias.asname or alias.name): alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {(alias.asname or alias.name): f"{node.module}.{alias.name}" for alias in node.names}
    return names


def full_name(node: ast.AST, names: dict[str, str]) -> str:
    """What a use of a name stands for, in the words of `BANNED`: `dt.datetime.now` -> `datetime.now`."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in names:
        return ""
    return (
        ".".join([names[node.id], *parts]).replace("datetime.datetime", "datetime").replace("datetime.date.", "date.")
    )


def uses_of_time_and_chance(tree: ast.Module) -> Iterator[str]:
    """Each use as `line: what`; a `random.Random` that is only a type is none."""
    names = imported_names(tree)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute | ast.Name):
            continue
        name = full_name(node, names)
        if name in BANNED:
            yield f"{node.lineno}: {name}; take {BANNED[name]}"
        elif name.startswith("random.") and (name != "random.Random" or id(node) in called):
            yield f"{node.lineno}: {name}; take Clock.chances or Clock.jitter"


def test_only_the_clock_reads_time_waits_or_draws() -> None:
    broken = [
        f"{shown(path)}:{use}"
        for path in python_files(*SOURCES)
        if shown(path) != CLOCK
        for use in uses_of_time_and_chance(parsed(path))
    ]
    none_of(broken, f"time, ids and chance come from {CLOCK} alone, so that tests and replays can decide them")


def test_a_use_of_time_or_chance_is_found_under_any_name() -> None:
    code = """
import asyncio as aio, random, datetime as dt
from uuid import uuid4
from datetime import datetime
aio.sleep(1)
random.random()
dt.datetime.now()
uuid4()
datetime.utcnow()
random.Random(3)
def fine(chances: random.Random, at: datetime) -> None:
    chances.random(), at.time(), datetime.fromtimestamp(0)
"""
    found = [use.split(";")[0] for use in uses_of_time_and_chance(ast.parse(code))]
    assert sorted(found, key=lambda use: int(use.split(":")[0])) == [
        "5: asyncio.sleep",
        "6: random.random",
        "7: datetime.now",
        "8: uuid.uuid4",
        "9: datetime.utcnow",
        "10: random.Random",
    ]


def test_no_statement_reads_the_database_clock() -> None:
    broken = []
    for path in files():
        if path.suffix == ".sql":
            bare = SQL_COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), path.read_text())
            broken += [f"{shown(path)}:{n}: {line.strip()}" for n, line in enumerate(bare.split("\n"), 1)
                       if SQL_BANNED.search(line)]  # fmt: skip
    none_of(broken, "the present instant, ids and chance are parameters of a statement")


def test_statements_stand_in_the_store() -> None:
    broken = [
        f"{name}:{node.lineno}: {str(node.value).strip().splitlines()[0][:60]}"
        for name, node in nodes("dispatch")
        if not name.startswith("dispatch/store/")
        and isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and SQL_IN_PYTHON.match(node.value)
    ]
    none_of(broken, "SQL stands in dispatch/store alone")


def test_tests_wait_for_events_and_never_sleep() -> None:
    broken = []
    for path in python_files("tests"):
        names = imported_names(parsed(path))
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.Call) or full_name(node.func, names) not in {"asyncio.sleep", "time.sleep"}:
                continue
            only_yields = bool(node.args) and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
            if not only_yields:
                broken.append(f"{shown(path)}:{node.lineno}: {ast.unparse(node)}")
    none_of(broken, "a test waits for what it tests (an event, an answer), not for a while")


# --- Sizes and names -------------------------------------------------------------------------------------------------


def test_functions_fit_on_a_page() -> None:
    broken = [
        f"{name}:{node.lineno}: {node.name} has {lines} lines"
        for name, node in nodes(*SOURCES)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
        and f"{name}:{node.name}" not in LONGER_WITH_REASON
    ]
    none_of(broken, f"a function has at most {FUNCTION_LINES_MAX} lines")


def test_files_can_be_read_in_one_sitting() -> None:
    broken = [
        f"{shown(path)}: {lines} lines"
        for path in python_files(*SOURCES)
        if (lines := path.read_text().count("\n")) > FILE_LINES_MAX and shown(path) not in LONGER_WITH_REASON
    ]
    none_of(broken, f"a file has at most {FILE_LINES_MAX} lines")


def test_no_exception_to_the_sizes_is_out_of_date() -> None:
    named = {shown(path) for path in files()} | {
        f"{name}:{node.name}"
        for name, node in nodes(*SOURCES)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    none_of([name for name in LONGER_WITH_REASON if name not in named], "an exception for something that is gone")


def test_modules_are_named_for_what_is_in_them() -> None:
    broken = [
        shown(path)
        for path in python_files(*SOURCES, "tests")
        if NAMES_THAT_SAY_NOTHING & {path.stem, *path.relative_to(ROOT).parent.parts}
    ]
    none_of(broken, "a module's name says what is in it")


# --- Honesty ---------------------------------------------------------------------------------------------------------


def swallows(handler: ast.ExceptHandler) -> bool:
    """Whether a handler takes any error at all and does nothing about it."""
    caught = "" if handler.type is None else ast.unparse(handler.type)
    empty = all(isinstance(step, ast.Pass | ast.Continue) or is_a_bare_word(step) for step in handler.body)
    return empty and caught in {"", "Exception", "BaseException"}


def is_a_bare_word(step: ast.stmt) -> bool:
    return isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant)


def test_no_error_is_swallowed() -> None:
    broken = []
    for name, node in nodes(*SOURCES, "tests"):
        if isinstance(node, ast.ExceptHandler) and swallows(node):
            broken.append(f"{name}:{node.lineno}: except that does nothing")
        if isinstance(node, ast.Call) and ast.unparse(node) in {
            "contextlib.suppress(Exception)",
            "contextlib.suppress(BaseException)",
            "suppress(Exception)",
            "suppress(BaseException)",
        }:
            broken.append(f"{name}:{node.lineno}: {ast.unparse(node)}")
    none_of(broken, "whoever catches every error says what becomes of it")


def test_nothing_is_left_open() -> None:
    this = Path(__file__)
    broken = [
        f"{shown(path)}:{number}: {line.strip()[:80]}"
        for path in files()
        if path.suffix in {".py", ".ts", ".tsx", ".sql"} and path != this
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if LEFT_OPEN.search(line)
    ]
    none_of(broken, "what is not done is done now or is an issue")


def test_every_silenced_check_has_its_reason() -> None:
    broken = [
        f"{shown(path)}:{number}: {line.strip()[:100]}"
        for path in python_files(*SOURCES)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"# noqa(?!: [A-Z0-9, ]+ - \S)", line) or re.search(r"# type: ignore(?!\[)", line)
    ]
    none_of(broken, "a silenced check names its code and its reason (# noqa: S311 - play, not secrets)")


def test_every_rule_that_is_off_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    settings = tomllib.loads(text)["tool"]["ruff"]["lint"]
    rules = settings["ignore"] + [rule for several in settings["per-file-ignores"].values() for rule in several]
    broken = [rule for rule in rules if not re.search(rf'"{rule}".*# \S', text)]
    none_of(broken, "a rule of ruff that is switched off says why, on its line in pyproject.toml")


# --- What strangers get ----------------------------------------------------------------------------------------------


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{shown(path)}:{number}: {found[0]}"
        for path in files()
        if path.suffix in TEXT or path.name.startswith(".")
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if (found := pattern.search(line))
    ]


def test_no_file_names_a_package_registry() -> None:
    none_of(lines_with(REGISTRY_HOST), "where packages come from is the machine's business")


def test_no_file_holds_a_path_of_somebodys_machine() -> None:
    none_of(lines_with(MACHINE_PATH), "a path that exists on one machine alone")


def test_locks_are_written_from_the_present_dependencies() -> None:
    none_of(lock.stale(), "run ./run lock")


def test_every_part_has_its_tests() -> None:
    parts = {path.parent for path in python_files("dispatch", "simulator") if path.stem != "__init__"}
    broken = []
    for part in parts:
        top, *inner = part.relative_to(ROOT).parts
        wanted = TESTS_OF.get(inner[0], inner[0]) if inner else {"dispatch": "", "simulator": "simulation"}[top]
        if not any((ROOT / "tests" / wanted).rglob("test_*.py")):
            broken.append(f"{shown(part)}: no test_*.py under tests/{wanted}")
    none_of(broken, "every part has its tests")


def test_folders_of_tests_are_packages() -> None:
    folders = {path.parent for path in python_files("tests") if path.stem.startswith("test_")}
    broken = [shown(folder) for folder in folders if not (folder / "__init__.py").exists()]
    none_of(broken, "without an __init__.py two tests of one name collide")
