"""What stands in a record's body, by kind.

Rule: readers meet spans here alone, so that forward, index and live agree on what a batch holds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from roost.log.base import Kind

PROJECT_ATTRIBUTE = "openinference.project.name"
DEFAULT_PROJECT = "default"


@dataclass(frozen=True, slots=True)
class LoggedSpan:
    """A span of a SPANS record. `ordinal` counts the spans of the record from 0, erased ones too;
    `project` is what intake stamped on its resource."""

    ordinal: int
    project: str
    resource: Sequence[KeyValue]
    scope: str
    span: Span


def spans_of(body: bytes) -> Iterator[LoggedSpan]:
    """The spans of a record of kind SPANS, in order. One that was erased has left an empty span in
    its place, which is passed over."""
    request = ExportTraceServiceRequest.FromString(body)
    ordinal = 0
    for group in request.resource_spans:
        attributes = group.resource.attributes
        project = project_of(attributes)
        for scope in group.scope_spans:
            for span in scope.spans:
                if span.span_id:
                    yield LoggedSpan(ordinal, project, attributes, scope.scope.name, span)
                ordinal += 1


def project_of(attributes: Sequence[KeyValue]) -> str:
    """The first one counts, as it does in Phoenix."""
    for pair in attributes:
        if pair.key == PROJECT_ATTRIBUTE:
            return str(pair.value.string_value)
    return DEFAULT_PROJECT


class Annotation(Struct, frozen=True):
    """One annotation of a span, a trace or a session, as Phoenix's REST names the fields.

    `target` is the OpenTelemetry id in hex, or the session's id. `subject` is who wrote it, as
    Roost knows them; where they have no account in the cell, the service's own stands there."""

    of: str
    """`span`, `trace` or `session`."""
    target: str
    name: str
    annotator_kind: str = "HUMAN"
    label: str | None = None
    score: float | None = None
    explanation: str | None = None
    identifier: str = ""
    metadata: dict[str, Any] | None = None
    """As its writer gave it: any JSON object."""
    subject: str = ""
    subject_name: str = ""
    issuer: str = ""
    role: int | None = None
    """The author's in the cell; None: no account there, so the service writes it."""
    is_key: bool = False
    removed: bool = False
    """It was taken back."""


class Deletion(Struct, frozen=True):
    """A tombstone: what is named here is gone, and does not come back by a late copy.

    Ids in hex. `project` deletes the traces that the project holds so far; a later trace makes the
    project anew. `before` (seconds since the epoch) narrows `project` to traces that began sooner.
    """

    traces: tuple[str, ...] = ()
    spans: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    project: str | None = None
    before: float | None = None
    subject: str = ""


def annotations_of(body: bytes) -> list[Annotation]:
    """Those of a record of kind ANNOTATIONS."""
    return msgspec.json.decode(body, type=list[Annotation]) if body else []


def deletion_of(body: bytes) -> Deletion:
    """That of a record of kind DELETION."""
    return msgspec.json.decode(body, type=Deletion)


def said_in(kind: Kind, body: bytes) -> Deletion | list[Annotation]:
    """What a record that is not of spans says. msgspec.DecodeError where nobody can tell."""
    return deletion_of(body) if kind is Kind.DELETION else annotations_of(body)


def encoded(value: Sequence[Annotation] | Deletion) -> bytes:
    """The body of such a record."""
    return msgspec.json.encode(value)
