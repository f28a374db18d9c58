"""The OpenAPI document: in order by itself, the same as the committed one, and kept by a server.

Each call is made as its examples say, and its answer is held against its own schema.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator
from tests.http.api.conftest import furnish
from tests.http.api.spans import span_id, trace_id
from tests.http.api.world import World, world

from roost.http.api.openapi import document
from roost.http.api.reference import pages
from roost.http.api.table import ROWS

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT = document()
PLACES = {"trace": trace_id(1), "span": span_id(12), "session": "shared"}
METHODS = {"get", "post"}
PARAMETER_FIELDS = {
    "name", "in", "description", "required", "schema", "example", "style", "explode",
}  # fmt: skip
OPERATION_FIELDS = {
    "operationId", "summary", "description", "tags", "parameters", "requestBody", "responses",
}  # fmt: skip


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        assert set(item) <= METHODS
        for method, operation in item.items():
            yield method, path, operation


OPERATIONS = list(operations())
each = pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=[one[2]["operationId"] for one in OPERATIONS]
)


def parameters(operation: dict[str, Any]) -> list[dict[str, Any]]:
    found = operation.get("parameters", [])
    return [resolved(one) for one in found]


def resolved(value: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in value:
        return value
    found: Any = DOCUMENT
    for part in value["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    assert isinstance(found, dict)
    return found


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


@pytest.mark.parametrize("name", pages())
def test_a_generated_file_is_the_one_that_the_code_gives(name: str) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    assert text == pages()[name], "run `python -m roost.http.api.reference`"


def test_every_row_is_in_the_document_and_nothing_else() -> None:
    rows = {(row.method.lower(), f"/api/{row.path}") for row in ROWS}
    assert {(method, path) for method, path, _ in OPERATIONS} == {
        *rows,
        ("get", "/api/openapi.json"),
    }
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere() -> None:
    for found in re.findall(r'"\$ref": "([^"]+)"', json.dumps(DOCUMENT)):
        assert resolved({"$ref": found}), found


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_every_schema_is_json_schema(name: str) -> None:
    Draft202012Validator.check_schema(DOCUMENT["components"]["schemas"][name])


@each
def test_an_operation_has_what_openapi_wants(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    assert set(operation) <= OPERATION_FIELDS
    listed = parameters(operation)
    assert all(set(one) <= PARAMETER_FIELDS for one in listed)
    assert {one["in"] for one in listed} <= {"path", "query", "header"}
    assert len({(one["in"], one["name"]) for one in listed}) == len(listed)
    in_path = {one["name"] for one in listed if one["in"] == "path"}
    assert in_path == set(re.findall(r"{(\w+)}", path))
    assert all(one["required"] for one in listed if one["in"] == "path")
    for answer in operation["responses"].values():
        assert answer["description"]


@each
def test_examples_are_of_their_own_schema(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    for one in parameters(operation):
        Draft202012Validator.check_schema(one["schema"])
        if "example" in one:
            validator(one["schema"]).validate(one["example"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def full(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with world(tmp_path_factory.mktemp("world")) as one:
        await furnish(one)
        yield one


@each
@pytest.mark.asyncio(loop_scope="module")
async def test_a_server_answers_as_the_document_says(
    full: World, method: str, path: str, operation: dict[str, Any]
) -> None:
    for with_all in (False, True):
        query = {
            one["name"]: written(one["example"])
            for one in parameters(operation)
            if one["in"] == "query" and "example" in one and (with_all or one["required"])
        }
        answer = await full.ask(
            method.upper(), "ada", path.removeprefix("/api/").format(**PLACES), query=query
        )
        assert answer.status_code == 200, answer.text
        kinds = operation["responses"]["200"]["content"]
        kind = answer.headers["content-type"].partition(";")[0]
        if kind == "application/json":
            validator(kinds[kind]["schema"]).validate(answer.json())
        else:
            assert kind in kinds


def written(example: Any) -> str:
    return ",".join(map(str, example)) if isinstance(example, list) else str(example)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("who", "path", "code"),
    [
        ("vera", "traces?colour=red", "400"),
        ("stranger", "traces", "401"),
        ("vera", "ingest", "403"),
        ("vera", f"traces/{trace_id(99)}", "404"),
    ],
)
async def test_a_refusal_is_the_problem_that_the_document_says(
    full: World, who: str, path: str, code: str
) -> None:
    answer = await full.get(who, path)
    assert str(answer.status_code) == code
    validator(DOCUMENT["components"]["schemas"]["Problem"]).validate(answer.json())


def test_no_schema_lets_the_others_down() -> None:
    """A field that is there is there always: what has no value is null."""
    for name, schema in DOCUMENT["components"]["schemas"].items():
        if "properties" in schema and name != "Retry":
            assert set(schema["required"]) == set(schema["properties"]), name
