"""The OpenAPI document, made from the table of routes: what is served and what is said can not differ."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from dispatch.board.messages import Refusal
from dispatch.board.routes import PREFIX, Route

REFUSALS = {
    400: "not JSON",
    401: "not signed in",
    403: "not for this role, or no X-Requested-With header",
    404: "nothing of this id, or not for this person",
    409: "may not be done now; code and facts say why",
    413: "larger than 64 KiB",
    415: "Content-Type is not application/json",
    422: "JSON, but not of this shape",
    426: "this is a WebSocket",
    429: "too many wrong passwords",
    500: "a fault of ours; the log has it",
    503: "the database is away",
}


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """The whole document."""
    table = list(routes)
    types = [Refusal, *(each for route in table for each in (route.takes, route.gives) if each is not None)]
    unique = list({repr(each): each for each in types}.values())
    schemas, components = msgspec.json.schema_components(unique, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip((repr(each) for each in unique), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "OneKey dispatch", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"session": {"type": "apiKey", "in": "cookie", "name": "onekey_session"}},
        },
    }


def _operation(route: Route, schema_of: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schema_of[repr(route.gives)]}}
    done = {"101": {"description": "a WebSocket of these text frames", "content": content}}
    if not route.is_stream:
        done = {"200": {"description": "done", "content": content}}
    refused = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}_{re.sub(r'[^a-z]+', '_', route.path).strip('_')}",
        "summary": route.summary,
        "parameters": [*_parameters(route)],
        "responses": done
        | {str(status): {"description": REFUSALS[status], "content": refused} for status in _refusals(route)},
    }
    if route.roles is not None:
        operation["security"] = [{"session": []}]
        operation["description"] = f"For {', '.join(sorted(route.roles))}."
    if route.takes is not None:
        body = {"application/json": {"schema": schema_of[repr(route.takes)]}}
        operation["requestBody"] = {"required": True, "content": body}
    return operation


def _parameters(route: Route) -> Iterable[dict[str, Any]]:
    for name in re.findall(r"\{(\w+)\}", route.path):
        what = {"maxLength": 128} if name == "elder_id" else {"format": "uuid"}  # an elder's id is the register's
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"} | what}
    for name, meaning in route.query.items():
        yield {"name": name, "in": "query", "description": meaning, "schema": {"type": "string", "maxLength": 200}}
    if route.method != "GET":
        header = {"type": "string", "enum": ["onekey"]}
        yield {"name": "X-Requested-With", "in": "header", "required": True, "schema": header}


def _refusals(route: Route) -> list[int]:
    statuses = {403, 500, 503}
    if route.roles is not None or route.path == "/session":
        statuses.add(401)
    if "{" in route.path:
        statuses.add(404)
    if route.takes is not None:
        statuses |= {400, 404, 409, 413, 415, 422}
    if route.query:
        statuses.add(422)
    if route.is_stream:
        statuses |= {426, 404}
    if route.path == "/session" and route.method == "POST":
        statuses.add(429)
    if route.path == "/worker":
        statuses.add(404)
    return sorted(statuses)
