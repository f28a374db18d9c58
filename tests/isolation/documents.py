"""The GraphQL that Phoenix's own UI sends, its variables filled with what somebody knows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import httpx
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    get_named_type,
    parse,
    type_from_ast,
    visit,
)
from tests.isolation.known import Known, kind_of

TIMES = {"start": "2026-09-21T14:00:00Z", "end": "2026-09-21T15:00:00Z"}
"""Around what a household holds; longer series cost Phoenix seconds."""
_DEPTH = 6
_NARROWING = ("after", "cursor", "filter", "labelIds", "sort")


@dataclass(frozen=True, slots=True)
class Asked:
    """One operation of the UI with all its variables."""

    name: str
    kind: OperationType
    body: Mapping[str, Any]

    def ask(self, client: httpx.Client, prefix: str) -> httpx.Response:
        return client.post(f"{prefix}/graphql", json=self.body)

    @property
    def sent(self) -> bytes:
        return str(self.body["variables"]).encode()


def asked(
    schema: GraphQLSchema,
    texts: Sequence[str],
    known: Known,
    *,
    by_name: bool = False,
    narrowed: bool = False,
) -> Iterator[Asked]:
    """Every query and mutation of those documents; `narrowed` with cursors and filters, too.
    Subscriptions call models."""
    for text in texts:
        document = parse(text)
        for node in document.definitions:
            if not isinstance(node, OperationDefinitionNode) or node.name is None:
                continue
            if node.operation is OperationType.SUBSCRIPTION:
                continue
            name = node.name.value
            hints = _hints(document, node)
            fill = _Fill(known, by_name, narrowed)
            variables = {
                one.variable.name.value: fill.of(
                    cast("GraphQLInputType", type_from_ast(schema, one.type)),
                    *hints.get(one.variable.name.value, ()),
                    one.variable.name.value,
                    *hints[""],
                )
                for one in node.variable_definitions or ()
            }
            body = {"query": text, "operationName": name, "variables": variables}
            yield Asked(name, node.operation, body)


@dataclass(frozen=True, slots=True)
class _Fill:
    known: Known
    by_name: bool
    narrowed: bool

    def of(self, kind: GraphQLInputType, *words: str, depth: int = _DEPTH) -> Any:
        """Something of that type that fits what the words speak of."""
        match kind:
            case GraphQLNonNull():
                return self.of(kind.of_type, *words, depth=depth)
            case _ if not self.narrowed and words[0].startswith(_NARROWING):
                return None
            case GraphQLList():
                return [self.of(kind.of_type, *words, depth=depth)]
            case GraphQLEnumType():
                return next(iter(kind.values))
            case GraphQLInputObjectType():
                return TIMES if kind.name == "TimeRange" else self._object(kind, words, depth)
        return self._scalar(get_named_type(kind).name, words)

    def _object(
        self, kind: GraphQLInputObjectType, words: tuple[str, ...], depth: int
    ) -> dict[str, Any]:
        fields = list(kind.fields.items())
        if kind.is_one_of:
            fields = fields[:1]
        return {
            name: self.of(field.type, name, *words, depth=depth - 1)
            for name, field in fields
            if depth and (kind.is_one_of or _is_wanted(name, field.type))
        }

    def _scalar(self, name: str, words: tuple[str, ...]) -> Any:
        if name == "ID":
            second = words[0].startswith("compare")
            return self.known.value(kind_of(*words), by_name=self.by_name, second=second)
        if name == "String":
            return self._text(words[0].lower(), words)
        numbers = {"Int": 10, "Float": 1.0, "Boolean": True, "JSON": {}}
        texts = {"DateTime": TIMES["start"], "CronExpression": "0 0 * * 0"}
        return (
            numbers.get(name)
            or texts.get(name)
            or ({} if name == "JSON" else self.known.name_of(kind_of(*words)))
        )

    def _text(self, word: str, words: tuple[str, ...]) -> str | None:
        if "condition" in word:
            return None
        if word in ("after", "cursor"):
            return self.known.id_of(kind_of(*words))
        return self.known.name_of(kind_of(*words))


def _is_wanted(name: str, kind: GraphQLInputType) -> bool:
    """Whatever is needed, and whatever may name something."""
    return isinstance(kind, GraphQLNonNull) or get_named_type(kind).name == "ID"


def _hints(document: DocumentNode, node: OperationDefinitionNode) -> dict[str, tuple[str, ...]]:
    """For a variable, the type that `node(id: $it)` is taken for; under "" the root fields."""
    fragments = {
        one.name.value: one
        for one in document.definitions
        if isinstance(one, FragmentDefinitionNode)
    }
    found: dict[str, tuple[str, ...]] = {}
    roots = [one.name.value for one in node.selection_set.selections if isinstance(one, FieldNode)]

    class Nodes(Visitor):
        def enter_field(self, field: FieldNode, *_: object) -> None:
            for argument in field.arguments or ():
                if field.name.value == "node" and isinstance(argument.value, VariableNode):
                    found[argument.value.name.value] = tuple(_types(field, fragments))

    visit(node, Nodes())
    return {**found, "": tuple(roots)}


def _types(field: FieldNode, fragments: Mapping[str, FragmentDefinitionNode]) -> Iterator[str]:
    for one in field.selection_set.selections if field.selection_set else ():
        if isinstance(one, InlineFragmentNode) and one.type_condition:
            yield one.type_condition.name.value
        elif isinstance(one, FragmentSpreadNode):
            yield fragments[one.name.value].type_condition.name.value
