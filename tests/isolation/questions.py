"""Every read that Phoenix offers, asked with somebody's ids: REST by its own routes, GraphQL by
the documents of its own UI."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import httpx
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    parse,
    type_from_ast,
)
from tests.installation import Installation
from tests.isolation.cargo import Cargo
from tests.phoenix_surface import Surface

PLACEHOLDER = re.compile(r"\{[^}]+\}")
HEAVY_NAMES = ("Playground", "Chat")
"""Documents that start model calls."""


def rest_paths(surface: Surface, method: str, values: Sequence[str]) -> Iterator[str]:
    """Every route of that method, its placeholders filled with each of the values in turn."""
    for known, template in sorted(surface.routes):
        if known == method and template.startswith("/v1/"):
            for value in values if "{" in template else ("",):
                yield PLACEHOLDER.sub(value, template)


def answers_of(
    roost: Installation, surface: Surface, cargo: Cargo, values: Sequence[str]
) -> Mapping[str, str]:
    """What an admin of that tenant is answered, by question."""
    name = {"acme": "Ann", "globex": "Bob"}[cargo.tenant]
    answers = {}
    with roost.client(roost.cookie(name, cargo.tenant)) as client:
        for path in rest_paths(surface, "GET", values):
            answers[path] = _told(client.get(f"/t/{cargo.tenant}{path}"))
        for title, body in graphql_questions(surface, values):
            answers[title] = _told(client.post(f"/t/{cargo.tenant}/graphql", json=body))
    return answers


def _told(answer: httpx.Response) -> str:
    return f"{answer.status_code} {answer.text}"


def graphql_questions(
    surface: Surface, values: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The UI's own queries, each once for each value in the place of its ids and texts."""
    for document in surface.ui_documents:
        for node in parse(document).definitions:
            if not isinstance(node, OperationDefinitionNode) or node.name is None:
                continue
            if node.operation is OperationType.QUERY and not node.name.value.startswith(
                HEAVY_NAMES
            ):
                yield from _asked(surface.schema, document, node, values)


def _asked(
    schema: GraphQLSchema,
    document: str,
    node: OperationDefinitionNode,
    values: Sequence[str],
) -> Iterator[tuple[str, dict[str, Any]]]:
    assert node.name is not None
    name = node.name.value
    kinds = {
        variable.variable.name.value: cast("GraphQLInputType", type_from_ast(schema, variable.type))
        for variable in node.variable_definitions or ()
    }
    seen = set()
    for value in values:
        variables = {key: _fill(kind, value) for key, kind in kinds.items()}
        if (made := repr(variables)) not in seen:
            seen.add(made)
            body = {"query": document, "operationName": name, "variables": variables}
            yield f"{name} {made}", body


def _fill(kind: GraphQLInputType, value: str) -> Any:
    """Something of that type, with the value wherever an id or a text may stand."""
    match kind:
        case GraphQLNonNull():
            return _fill(kind.of_type, value)
        case GraphQLList():
            return [_fill(kind.of_type, value)]
        case GraphQLEnumType():
            return next(iter(kind.values))
        case GraphQLInputObjectType():
            needed = itertools.islice(kind.fields.items(), 20)
            return {
                key: _fill(field.type, value)
                for key, field in needed
                if isinstance(field.type, GraphQLNonNull)
            }
    return {"ID": value, "String": value, "Int": 10, "Float": 1.0, "Boolean": True}.get(kind.name)
