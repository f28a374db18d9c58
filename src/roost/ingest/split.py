"""A judged batch in pieces, so that records of the log stay small.

Rule 1: every span comes out once, in the order of the batch, under its own resource and scope.
Rule 2: what is repeated for a piece (resource, scope) is never more than what it is repeated for,
so that a batch grows to three times its size at the worst.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from roost.ingest import wire

PIECE_SPANS = 200
PIECE_BYTES = 1_000_000

_RESOURCE_SPANS, _SCOPE_SPANS, _SPANS = 1, 2, 2
"""Field numbers in ExportTraceServiceRequest, ResourceSpans and ScopeSpans."""


def split(
    request: ExportTraceServiceRequest,
    piece_spans: int = PIECE_SPANS,
    piece_bytes: int = PIECE_BYTES,
) -> tuple[bytes, ...]:
    """Serialised ExportTraceServiceRequests of at most so many spans and about so many bytes. A
    larger span stands alone; a piece is larger where its resource is. None for no spans."""
    count = span_count(request)
    if count <= piece_spans:
        whole = request.SerializeToString()
        if count <= 1 or len(whole) <= piece_bytes:
            return (whole,) if count else ()
    return tuple(_pieces(request, piece_spans, piece_bytes))


def span_count(request: ExportTraceServiceRequest) -> int:
    return sum([len(scope.spans) for one in request.resource_spans for scope in one.scope_spans])


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a span stands: the numbers of its group and scope, and what is written before it."""

    group: int
    scope: int
    group_head: bytes
    scope_head: bytes


@dataclass(slots=True)
class _Piece:
    """What is collected so far: of each group its head, of each scope its head and its spans.
    `group_bytes` are the spans of the last group."""

    groups: list[tuple[bytes, list[list[bytes]]]] = field(default_factory=list)
    last: tuple[int, int] = (-1, -1)
    spans: int = 0
    size: int = 0
    group_bytes: int = 0

    def add(self, place: _Place, span: bytes) -> None:
        if place.group != self.last[0]:
            self.groups.append((place.group_head, []))
            self.size += len(place.group_head)
            self.group_bytes = 0
        if (place.group, place.scope) != self.last:
            self.groups[-1][1].append([place.scope_head])
            self.size += len(place.scope_head)
        self.groups[-1][1][-1].append(wire.field(_SPANS, span))
        self.last = place.group, place.scope
        self.spans += 1
        self.size += len(span)
        self.group_bytes += len(span)

    def is_full_for(self, place: _Place, span: bytes, piece_spans: int, piece_bytes: int) -> bool:
        if not self.spans or max(self.group_bytes, len(span)) < self._repeated(place):
            return False
        return self.spans >= piece_spans or self.size + len(span) > piece_bytes

    def _repeated(self, place: _Place) -> int:
        """How many bytes a next piece would begin with that stand in this one too."""
        if place.group != self.last[0]:
            return 0
        scope_head = place.scope_head if place.scope == self.last[1] else b""
        return len(place.group_head) + len(scope_head)

    def serialised(self) -> bytes:
        return wire.fields(
            _RESOURCE_SPANS,
            [
                head + wire.fields(_SCOPE_SPANS, map(b"".join, scopes))
                for head, scopes in self.groups
            ],
        )


def _pieces(
    request: ExportTraceServiceRequest, piece_spans: int, piece_bytes: int
) -> Iterator[bytes]:
    piece = _Piece()
    for place, span in _spans(request):
        if piece.is_full_for(place, span, piece_spans, piece_bytes):
            yield piece.serialised()
            piece = _Piece()
        piece.add(place, span)
    if piece.spans:
        yield piece.serialised()


def _spans(request: ExportTraceServiceRequest) -> Iterator[tuple[_Place, bytes]]:
    for at, group in enumerate(request.resource_spans):
        group_head = _group_head(group)
        for within, scope in enumerate(group.scope_spans):
            place = _Place(at, within, group_head, _scope_head(scope))
            for span in scope.spans:
                yield place, span.SerializeToString()


def _group_head(group: ResourceSpans) -> bytes:
    has_one = group.HasField("resource")
    resource = group.resource if has_one else None
    return ResourceSpans(resource=resource, schema_url=group.schema_url).SerializeToString()


def _scope_head(group: ScopeSpans) -> bytes:
    scope = group.scope if group.HasField("scope") else None
    return ScopeSpans(scope=scope, schema_url=group.schema_url).SerializeToString()
