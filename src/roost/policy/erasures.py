"""What a call to Phoenix deletes, so that the log can say so before Phoenix does it.

Rule 1: pure. Rule 2: what Phoenix would refuse erases nothing here: an unclear call names no
erasure, and what it does after all is found by reconciliation.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from graphql import GraphQLError, parse
from graphql.language import FieldNode, OperationDefinitionNode
from graphql.utilities import value_from_ast_untyped

UNDELETABLE_PROJECT = "default"


class Erased(StrEnum):
    TRACE = "trace"
    SPAN = "span"
    SESSION = "session"
    PROJECT = "project"
    """With its traces."""
    TRACES_OF_PROJECT = "traces_of_project"


@dataclass(frozen=True, slots=True)
class Erasure:
    """`id` as the caller gave it: an OpenTelemetry id, a name, or Phoenix's Relay id. The traces of
    a project are those that began in [since, until), in seconds since the epoch."""

    what: Erased
    id: str
    since: float | None = None
    until: float | None = None


_REST: Mapping[tuple[str, ...], Erased] = {
    ("v1", "traces", "*"): Erased.TRACE,
    ("v1", "spans", "*"): Erased.SPAN,
    ("v1", "sessions", "*"): Erased.SESSION,
    ("v1", "projects", "*"): Erased.PROJECT,
    ("v1", "projects", "*", "traces"): Erased.TRACES_OF_PROJECT,
}


def of_rest(method: str, segments: Sequence[str], query: Mapping[str, str]) -> list[Erasure]:
    """
    >>> of_rest("DELETE", ("v1", "traces", "ab"), {})
    [Erasure(what=<Erased.TRACE: 'trace'>, id='ab', since=None, until=None)]
    >>> of_rest("GET", ("v1", "traces", "ab"), {})
    []
    """
    if method != "DELETE" or len(segments) < 3:
        return []
    what = _REST.get((*segments[:2], "*", *segments[3:]))
    if what is Erased.TRACES_OF_PROJECT:
        since, until = (_seconds(query.get(name)) for name in ("start_time", "end_time"))
        return [Erasure(what, segments[2], since, until)] if since and until else []
    return [] if what is None else [Erasure(what, segments[2])]


def of_graphql(document: str, operation: str, variables: Mapping[str, object]) -> list[Erasure]:
    """What the mutation deletes, by its root fields."""
    found: list[Erasure] = []
    for field in _root_fields(document, operation):
        given = {
            argument.name.value: value_from_ast_untyped(argument.value, dict(variables))
            for argument in field.arguments or ()
        }
        found += _of_field(field.name.value, given)
    return found


def _root_fields(document: str, operation: str) -> Iterator[FieldNode]:
    """Fields in fragments of a mutation's root are left to reconciliation."""
    try:
        definitions = parse(document, no_location=True).definitions
    except GraphQLError:
        return
    for node in definitions:
        if isinstance(node, OperationDefinitionNode) and (
            (node.name.value if node.name else "") == operation
        ):
            for selection in node.selection_set.selections:
                if isinstance(selection, FieldNode):
                    yield selection


def _of_field(name: str, given: Mapping[str, object]) -> list[Erasure]:
    if name == "deleteTraces" and isinstance(ids := given.get("traceIds"), list):
        return [Erasure(Erased.TRACE, one) for one in ids if isinstance(one, str)]
    if name == "deleteProject" and isinstance(one := given.get("id"), str):
        return [Erasure(Erased.PROJECT, one)]
    if name == "clearProject" and isinstance(cleared := given.get("input"), dict):
        return _of_clearing(cleared)
    return []


def _of_clearing(given: Mapping[str, object]) -> list[Erasure]:
    one, end = given.get("id"), given.get("endTime")
    if not isinstance(one, str):
        return []
    if not end:
        return [Erasure(Erased.TRACES_OF_PROJECT, one)]
    until = _seconds(end if isinstance(end, str) else None)
    return [] if until is None else [Erasure(Erased.TRACES_OF_PROJECT, one, until=until)]


def _seconds(text: str | None) -> float | None:
    """A time as Phoenix reads it: ISO 8601, UTC where it names no zone."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
