"""Every code that the Python side can say, read from its source, by the table of words it belongs to."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from dispatch.board import values
from dispatch.board.cards import NEXT_CODES
from dispatch.board.worker_cards import ASKED_WHEN_OVERDUE
from dispatch.health import scores, silence, thresholds
from dispatch.incident import events as ev
from dispatch.incident.policy import Target
from dispatch.incident.states import LIVE, AssignmentState, IncidentState
from dispatch.model import CENTRE_KEYS, Band, Key, Origin, Travel
from dispatch.router import nearest
from dispatch.watch import troubles

if TYPE_CHECKING:
    from collections.abc import Iterator

DISPATCH = Path(nearest.__file__).parents[1]
REFUSING = {"Refused", "NotFound", "NotAllowed", "TooOften", "Unacceptable", "Unreachable", "SteppedDown", "Ignore"}
REFUSED_IN = ("board", "engine", "router", "incident")
WRITERS = {"record": 0, "Record": 0, "LogRow": 2}
"""Who writes lines of the log, and at which place the code stands."""

LOGGED_BY_EVENT_NAME = (ev.AlarmRepeated, ev.AlarmCancelled)
"""Events that the rules log under their own name (`decide._repeat`)."""

Codes = dict[str, set[str]]


def trees(*folders: str) -> Iterator[ast.Module]:
    """The syntax trees of all modules of some of dispatch's folders."""
    for folder in folders:
        for file in sorted((DISPATCH / folder).rglob("*.py")):
            yield ast.parse(file.read_text(encoding="utf-8"))


def constants(node: ast.AST | None) -> set[str]:
    """The texts an expression may be: a constant, or either side of `a if x else b`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.IfExp):
        return constants(node.body) | constants(node.orelse)
    return set()


def name_called(call: ast.Call) -> str:
    """`record` of `draft.record(…)`, `Refused` of `Refused(…)`."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def argument(call: ast.Call, place: int, name: str) -> ast.AST | None:
    """An argument given by place or by name."""
    named = {each.arg: each.value for each in call.keywords}
    return named.get(name) or (call.args[place] if len(call.args) > place else None)


def calls(*folders: str) -> Iterator[ast.Call]:
    for tree in trees(*folders):
        yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def logged() -> Codes:
    """Codes of log lines, each with the names of the facts that any writer of it gives (or might give)."""
    found: Codes = {ev.NAMES[event]: {"alarm_id", "by"} for event in LOGGED_BY_EVENT_NAME}
    for tree in trees("incident", "engine"):
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
                place = WRITERS.get(name_called(call))
                if place is not None:
                    for code in constants(argument(call, place, "code")):
                        found.setdefault(code, {"by"}).update(_facts_near(function, tree))
    for tree in trees("devices"):  # what the rounds find is handed to the engine with its facts
        for looking in (node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)):
            if looking.name == "_silent":
                given = (node for node in ast.walk(looking) if isinstance(node, ast.Dict))
                found["opened"] |= {text for each in given for key in each.keys for text in constants(key)}
    return found


def _facts_near(function: ast.FunctionDef, tree: ast.Module) -> set[str]:
    """Names of keywords and of keys of dictionaries in a function and in the functions it calls in its module."""
    called = {name_called(node) for node in ast.walk(function) if isinstance(node, ast.Call)}
    near = [function, *(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in called)]
    names: set[str] = set()
    for node in (each for part in near for each in ast.walk(part)):
        if isinstance(node, ast.Call):
            names |= {each.arg for each in node.keywords if each.arg}
        elif isinstance(node, ast.Dict):
            names |= {text for key in node.keys for text in constants(key)}
        elif isinstance(node, ast.Subscript):
            names |= constants(node.slice)
    return names


def refused() -> set[str]:
    """Codes with which a request or an event is refused."""
    found: set[str] = set()
    for call in (each for each in calls(*REFUSED_IN) if name_called(each) in REFUSING):
        place = 1 if name_called(call) == "Unacceptable" else 0
        found |= constants(argument(call, place, "code"))
    return found


def _of(name: str, place: int, keyword: str) -> set[str]:
    found: set[str] = set()
    for call in calls("incident", "engine"):
        if name_called(call) == name:
            found |= constants(argument(call, place, keyword))
    return found


def _flaws() -> set[str]:
    found = {"id_reused", "not_storable"}
    for tree in trees("devices", "engine"):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name == "instant":
                found |= {text for each in ast.walk(node) if isinstance(each, ast.Return) for text in _texts(each)}
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in {"flaws", "unknown"}:
                found |= _texts(node)
    return found


def _texts(node: ast.AST) -> set[str]:
    return {text for each in ast.walk(node) for text in constants(each)}


def _candidate_reasons() -> set[str]:
    found: set[str] = set()
    for tree in trees("router"):
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "counts" and isinstance(node.value, ast.Dict):
                found |= _texts_of_keys(node.value)
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "attr", "") == "counts":
                found |= _texts_of_keys(node.value) if isinstance(node.value, ast.Dict) else set()
            if isinstance(node, ast.FunctionDef) and node.name in {"_reasons", "_position", "_first_against"}:
                found |= {text for text in _texts(node) if text.replace("_", "").isalpha()}
    return found


def _texts_of_keys(node: ast.Dict) -> set[str]:
    return {text for key in node.keys for text in constants(key)}


def all_codes() -> Codes:
    """Every code by its table; `ended` and the like are looked up in several, see `ended`."""
    codes: dict[str, Any] = defaultdict(set)
    codes["kind"] = {key.value for key in Key}
    codes["trouble"] = {key.value for key in CENTRE_KEYS}
    codes["band"] = {str(band.value) for band in Band}
    codes["state"] = {state.value for state in IncidentState}
    codes["assignment"] = {state.value for state in AssignmentState}
    codes["worker"] = {"free", "off", *(state.value for state in LIVE)}
    codes["travel"] = {travel.value for travel in Travel}
    codes["origin"] = {origin.value for origin in Origin}
    codes["target"] = {target.value for target in Target}
    codes["outcome"] = {*get_args(values.Outcome), "finished", troubles.PASSED}
    codes["decline"] = set(get_args(values.DeclineReason))
    codes["role"] = {"operator", "supervisor", "admin", "auditor", "worker"}
    codes["next"] = set(NEXT_CODES.values())
    codes["event"] = set(ev.NAMES.values())
    codes["why"] = _of("climb", 2, "reason")
    codes["question"] = set(ASKED_WHEN_OVERDUE.values()) | _of("TellWorker", 2, "code")
    codes["log"] = set(logged())
    codes["notice"] = _of("NotifyOperators", 0, "code")
    codes["refusal"] = refused()
    crossed = {f"{name}_{side}" for name in thresholds.DEFAULTS for side in ("low", "high", "rising", "falling")}
    codes["flaw"] = _flaws() | crossed | {*scores.CODES, silence.CODE}
    codes["candidate"] = _candidate_reasons() | {"lacks_skill"}
    codes["by"] = {"router", "clock", "rules", "policy"}
    return dict(codes)


def ended() -> set[str]:
    """Why assignments end without anybody's saying so."""
    return _of("end", 2, "reason") | _of("end_all", 0, "reason") | _of("WorkerLost", 2, "reason")
