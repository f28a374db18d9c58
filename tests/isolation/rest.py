"""Every REST call of a cell's own OpenAPI document, filled with what somebody knows."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
from tests.isolation.known import Known, kind_of

_PARAMETER = re.compile(r"([^/]+)/\{([^}]+)\}")
_PATTERNS = {"^#([0-9a-f]{6})$": "#00cc88"}
_NEEDED = {"span_ids", "trace_ids", "session_ids", "evaluation_name"}
"""Without one of these Phoenix answers nothing."""
_TIME = "2026-09-21T14:13:20Z"

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """One call, below the prefix of whatever tenant it is sent to."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any

    def ask(self, client: httpx.Client, prefix: str) -> httpx.Response:
        return client.request(
            self.method, prefix + self.path, params=dict(self.query), json=self.body
        )

    @property
    def sent(self) -> bytes:
        """All that an answer may repeat without telling anything."""
        return f"{self.path} {self.query} {self.body}".encode()


def questions(document: Schema, known: Known, *, by_name: bool = False) -> Iterator[Question]:
    """One for each operation, in the document's order."""
    for path, operations in document["paths"].items():
        filled = _PARAMETER.sub(lambda found: _segment(found, known, by_name), path)
        for method, operation in operations.items():
            query = {
                one["name"]: known.name_of(kind_of(one["name"], path))
                for one in operation.get("parameters", ())
                if one["in"] == "query" and _takes_a_name(one["name"])
            }
            query |= dict.fromkeys(_times(operation), _TIME)
            body = None
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is not None:
                body = _Sample(document, known, by_name).of(content["schema"], path)
            yield Question(method.upper(), filled, query, body)


def reads(document: Schema, known: Known, *, by_name: bool = False) -> Iterator[Question]:
    """The GETs alone, without what only narrows the answer."""
    for one in questions(document, known, by_name=by_name):
        if one.method == "GET":
            wanted = {name: text for name, text in one.query.items() if name in _NEEDED}
            yield Question(one.method, one.path, wanted, None)


def _segment(found: "re.Match[str]", known: Known, by_name: bool) -> str:
    kind = kind_of(found[1], found[2])
    return f"{found[1]}/{quote(known.value(kind, by_name=by_name), safe='=')}"


def _takes_a_name(parameter: str) -> bool:
    return parameter.endswith(("_id", "_ids", "identifier", "cursor", "name", "split"))


def _times(operation: Schema) -> Iterator[str]:
    for one in operation.get("parameters", ()):
        if one["in"] == "query" and one.get("required") and one["name"].endswith("_time"):
            yield one["name"]


@dataclass(frozen=True, slots=True)
class _Sample:
    """A body that the schema allows: all that is required, and whatever may name something."""

    document: Schema
    known: Known
    by_name: bool

    def of(self, schema: Schema, *words: str) -> Any:
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        match schema.get("type"):
            case "object":
                return self._object(schema, words)
            case "array":
                return [self.of(schema.get("items", {}), *words)]
            case "integer" | "number":
                return 1
            case "boolean":
                return False
            case "null":
                return None
        return self._text(schema, words)

    def _resolved(self, schema: Schema) -> Schema:
        while True:
            if "$ref" in schema:
                name = schema["$ref"].rpartition("/")[2]
                schema = self.document["components"]["schemas"][name]
            elif choice := schema.get("oneOf") or schema.get("anyOf") or schema.get("allOf"):
                schema = choice[0]
            else:
                return schema

    def _object(self, schema: Schema, words: tuple[str, ...]) -> dict[str, Any]:
        required = schema.get("required", ())
        return {
            name: self.of(kind, name, *words)
            for name, kind in schema.get("properties", {}).items()
            if name in required or _takes_a_name(name) or name.endswith("_identifiers")
        }

    def _text(self, schema: Schema, words: tuple[str, ...]) -> str:
        if schema.get("format") == "date-time":
            return _TIME
        if schema.get("pattern") in _PATTERNS:
            return _PATTERNS[schema["pattern"]]
        return self.known.value(kind_of(*words), by_name=self.by_name)
