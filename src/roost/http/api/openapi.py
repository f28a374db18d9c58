"""The OpenAPI 3.1 document of Roost's own API, made of the rows and of the shapes.

Rule: it says nothing that the table does not; `docs/openapi.json` is the same document, and a test
fails while it is stale: `python -m roost.http.api.reference`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from importlib.metadata import version
from typing import Any

import msgspec

from roost.http.api import shapes
from roost.http.api.given import Parameter
from roost.http.api.lines import MEDIA_TYPES
from roost.http.api.parameters import TRACE_FILTER
from roost.http.api.table import ROWS, Row

OPENAPI = "openapi.json"
BASE = "/api/phoenix"
_REF = "#/components/schemas/{name}"
_NAMES = {
    "trace": ("^[0-9a-f]{32}$", "4bf92f3577b34da6a3ce929d0e0e4736"),
    "span": ("^[0-9a-f]{16}$", "00f067aa0ba902b7"),
    "session": ("^[^/\\\\]+$", "session-1"),
}
_PROBLEMS = {
    "400": "The request is not understood: an unknown parameter, a value of the wrong kind, or a "
    "cursor of another query.",
    "401": "No proof of who asks, or one that does not hold.",
    "403": "The role or scope is too low.",
    "404": "Not there, or not the caller's: the two look alike.",
    "429": "Too many requests; Retry-After says when.",
    "503": "Not ready yet, or the search takes too long; Retry-After says when.",
}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Served:
    body: bytes
    etag: str


@lru_cache(maxsize=8)
def served(base: str) -> Served:
    """The document of a Roost at that base path."""
    body = msgspec.json.encode(document(base))
    return Served(body, f'W/"{blake2b(body, digest_size=12).hexdigest()}"')


def document(base: str = BASE) -> Json:
    paths: dict[str, Json] = {}
    for row in ROWS:
        paths.setdefault(f"/api/{row.path}", {})[row.method.lower()] = _operation(row)
    paths[f"/api/{OPENAPI}"] = {"get": _own_operation()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Roost",
            "version": version("roost"),
            "description": "What a tenant's traces say, from Roost's own index: the same whichever "
            "version of Phoenix stands behind it. An end user is answered as if there were nothing "
            "but their own traces.",
        },
        "servers": [
            {
                "url": f"{base}/t/{{tenant}}",
                "description": "A tenant by its slug.",
                "variables": {"tenant": {"default": "acme"}},
            },
            {"url": base, "description": "The only tenant that the proof names."},
        ],
        "security": [{"key": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "parameters": {one.name: _parameter(one) for one in TRACE_FILTER},
            "securitySchemes": _SECURITY,
        },
    }


_SECURITY: Mapping[str, Json] = {
    "key": {"type": "http", "scheme": "bearer", "description": "A Roost key, or a token."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "session",
        "description": "The host's own session cookie, whatever its name.",
    },
}


def _operation(row: Row) -> Json:
    found: Json = {
        "operationId": row.name,
        "summary": row.summary,
        "description": f"Needs the role {row.needs.label.replace('_', ' ')}, or a higher one.",
        "tags": [row.path.partition("/")[0]],
        "parameters": [*_path_parameters(row), *map(_placed, row.parameters)],
        "responses": {"200": _answer(row), **_refusals(row)},
    }
    if row.revalidated:
        found["parameters"].append(_IF_NONE_MATCH)
        found["responses"]["304"] = {"description": "What the caller holds has not changed."}
    if row.body is not None:
        found["requestBody"] = {"content": _json(row.body)}
    return found


_IF_NONE_MATCH: Json = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of an earlier answer.",
    "schema": {"type": "string"},
}


def _own_operation() -> Json:
    return {
        "operationId": "getOpenApi",
        "summary": "This document.",
        "tags": [OPENAPI],
        "responses": {
            "200": {
                "description": "OpenAPI 3.1.",
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
            **{code: _problem(code) for code in ("401", "403")},
        },
    }


def _path_parameters(row: Row) -> Iterator[Json]:
    for name in re.findall(r"{(\w+)}", row.path):
        pattern, example = _NAMES[name]
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": pattern},
            "example": example,
        }


def _placed(parameter: Parameter[object]) -> Json:
    """The filters of traces stand in one place."""
    if parameter in TRACE_FILTER:
        return {"$ref": f"#/components/parameters/{parameter.name}"}
    return _parameter(parameter)


def _parameter(parameter: Parameter[object]) -> Json:
    default = "" if parameter.default is None else f" Default: {parameter.default}."
    found: Json = {
        "name": parameter.name,
        "in": "query",
        "description": parameter.description + default,
        "required": parameter.is_required,
        "schema": parameter.kind.schema,
    }
    if parameter.kind.schema.get("type") == "array":
        found |= {"style": "form", "explode": False}
    if parameter.example is not None:
        found["example"] = _example(parameter)
    return found


def _example(parameter: Parameter[object]) -> object:
    """As the schema has it: what stands in the URL is its form."""
    text = parameter.example or ""
    match parameter.kind.schema.get("type"):
        case "array":
            return text.split(",")
        case "integer" | "number" | "boolean":
            return msgspec.json.decode(text)
        case None if text.isdecimal():
            return int(text)
        case _:
            return text


def _answer(row: Row) -> Json:
    if row.answer is None:
        content: Json = {
            kind.partition(";")[0]: {"schema": {"type": "string"}} for kind in MEDIA_TYPES.values()
        }
    else:
        content = _json(row.answer)
    return {"description": row.summary, "content": content}


def _refusals(row: Row) -> Json:
    codes = list(_PROBLEMS) if "{" in row.path else [one for one in _PROBLEMS if one != "404"]
    return {code: _problem(code) for code in codes}


def _problem(code: str) -> Json:
    schema = {"$ref": _REF.format(name=shapes.Problem.__name__)}
    return {
        "description": _PROBLEMS[code],
        "content": {"application/problem+json": {"schema": schema}},
    }


def _json(kind: type[msgspec.Struct]) -> Json:
    return {"application/json": {"schema": {"$ref": _REF.format(name=kind.__name__)}}}


def _schemas() -> Json:
    kinds: set[type[msgspec.Struct]] = {shapes.Problem, shapes.Cut}
    kinds.update(kind for row in ROWS for kind in (row.answer, row.body) if kind is not None)
    named = sorted(kinds, key=lambda kind: kind.__name__)
    _, components = msgspec.json.schema_components(named, schema_hook=_anything, ref_template=_REF)
    return {name: _in_one_line(components[name]) for name in sorted(components)}


def _in_one_line(schema: Json) -> Json:
    """A docstring's lines are as long as the source wants them."""
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
    return schema


def _anything(kind: type) -> Json:
    if kind is object:
        return {"description": "Any JSON; a Cut where it is large."}
    raise NotImplementedError(kind)
