"""Which GraphQL bodies a tenant may send.

Rule 1: every field of the operation that will run is looked up in `operations`; `@skip` and
`@include` hide nothing. Rule 2: what is sent is what was judged: the envelope is decoded and
spelt anew, and always names its operation. Rule 3: what could be read in two ways is refused.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, TypeVar

import msgspec
from graphql import GraphQLError, parse
from graphql.language import (
    DocumentNode,
    FragmentDefinitionNode,
    OperationDefinitionNode,
    OperationType,
)

from roost.errors import BadRequest, TooLarge
from roost.policy.decision import Allow, Decision, Refuse
from roost.policy.selections import Place, judge_selections

MAX_BODY_BYTES: Final = 1_000_000
MAX_DOCUMENT_CHARS: Final = 65_536
MAX_TOKENS: Final = 5_000
"""Phoenix's own largest document has 8,003 characters and 696 tokens (20.26.1)."""
_CACHED_DOCUMENTS: Final = 512


@dataclass(frozen=True, slots=True)
class Judged:
    """`body` is JSON to be sent in the place of the caller's; empty where refused. `kind` is
    `query`, `mutation` or `subscription`, `operation` its name or empty: for log and explain."""

    decision: Decision
    kind: str
    operation: str
    body: bytes = b""


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    query: str
    operationName: str | None = None  # noqa: N815 - the protocol's spelling
    variables: msgspec.Raw = msgspec.Raw(b"null")
    extensions: msgspec.Raw = msgspec.Raw(b"null")


@dataclass(frozen=True, slots=True)
class _Operation:
    kind: OperationType
    decision: Decision


_Node = TypeVar("_Node", FragmentDefinitionNode, OperationDefinitionNode)
_DECODER = msgspec.json.Decoder(_Envelope)
_START = {
    OperationType.QUERY: Place.QUERY,
    OperationType.MUTATION: Place.MUTATION,
    OperationType.SUBSCRIPTION: Place.SUBSCRIPTION,
}


def judge(body: bytes, content_type: str) -> Judged:
    """The decision on one GraphQL POST, and the body to send.

    BadRequest for what no operation can be read from (not JSON, batches, persisted queries,
    syntax errors, an ambiguous operation), TooLarge above MAX_BODY_BYTES, MAX_DOCUMENT_CHARS or
    MAX_TOKENS. Field names are not checked against Phoenix's schema: Phoenix does that.

    >>> judged = judge(b'{"query": "{ projectCount users { edges { node { id } } } }"}',
    ...                "application/json")
    >>> judged.decision.reason
    "user management is the host's: users"
    """
    envelope = _envelope(body, content_type)
    operations = _operations(envelope.query)
    name = _selected(envelope.operationName, operations)
    chosen = operations[name]
    if isinstance(chosen.decision, Refuse):
        return Judged(chosen.decision, chosen.kind.value, name)
    sent = {"query": envelope.query, "variables": envelope.variables}
    if name:
        sent["operationName"] = name
    return Judged(chosen.decision, chosen.kind.value, name, msgspec.json.encode(sent))


def _envelope(body: bytes, content_type: str) -> _Envelope:
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(f"A GraphQL body may have at most {MAX_BODY_BYTES} bytes.")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise BadRequest("Send GraphQL as application/json.", status=415)
    try:
        body.decode()
        envelope = _DECODER.decode(body)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        raise BadRequest(
            "Send one GraphQL request as a JSON object with query, operationName, variables."
        ) from None
    if bytes(envelope.variables)[:1] not in (b"{", b"n"):
        raise BadRequest("GraphQL variables must be an object.")
    if bytes(envelope.extensions) not in (b"null", b"{}"):
        raise BadRequest("GraphQL extensions (persisted queries) are not taken here.")
    return envelope


def _selected(asked: str | None, operations: dict[str, _Operation]) -> str:
    if asked is None and len(operations) == 1:
        return next(iter(operations))
    if not asked or asked not in operations:
        raise BadRequest("Name one operation of the GraphQL document in operationName.")
    return asked


@lru_cache(maxsize=_CACHED_DOCUMENTS)
def _operations(text: str) -> dict[str, _Operation]:
    """The operations of a document by name ("" for the anonymous one), each with its decision.
    Cached by the document's text, at most _CACHED_DOCUMENTS of MAX_DOCUMENT_CHARS."""
    document = _parsed(text)
    fragments: dict[str, FragmentDefinitionNode] = {}
    found: dict[str, OperationDefinitionNode] = {}
    for definition in document.definitions:
        if isinstance(definition, FragmentDefinitionNode):
            _add(fragments, definition.name.value, definition)
        elif isinstance(definition, OperationDefinitionNode):
            _add(found, definition.name.value if definition.name else "", definition)
        else:
            raise BadRequest("A GraphQL document here holds operations and fragments only.")
    if not found:
        raise BadRequest("The GraphQL document holds no operation.")
    return {name: _judged(operation, fragments) for name, operation in found.items()}


def _parsed(text: str) -> DocumentNode:
    if len(text) > MAX_DOCUMENT_CHARS:
        raise TooLarge(f"A GraphQL document may have at most {MAX_DOCUMENT_CHARS} characters.")
    try:
        return parse(text, no_location=True, max_tokens=MAX_TOKENS)
    except (GraphQLError, RecursionError) as error:
        raise BadRequest(f"The GraphQL document does not parse: {_brief(error)}") from None


def _brief(error: GraphQLError | RecursionError) -> str:
    return error.message if isinstance(error, GraphQLError) else "it is nested too deeply."


def _add(table: dict[str, _Node], name: str, node: _Node) -> None:
    """Two of one name are two readings: which one counts would be a guess."""
    if name in table:
        raise BadRequest(f"The GraphQL document defines {name or 'an anonymous operation'} twice.")
    table[name] = node


def _judged(
    operation: OperationDefinitionNode, fragments: dict[str, FragmentDefinitionNode]
) -> _Operation:
    decision = judge_selections(_START[operation.operation], operation.selection_set, fragments)
    if isinstance(decision, Allow) and operation.operation is not OperationType.QUERY:
        # A write is never kept waiting behind costly reads.
        decision = replace(decision, heavy=False)
    return _Operation(operation.operation, decision)
