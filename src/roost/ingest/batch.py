"""A part of the log as it goes to a cell: a request, and where each of its spans stands."""

from collections.abc import Collection, Container
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from roost.ingest.window import Place


@dataclass(frozen=True, slots=True)
class Batch:
    """`places` are the request's spans, in its order."""

    request: ExportTraceServiceRequest
    places: tuple[Place, ...]

    @property
    def payload(self) -> bytes:
        return self.request.SerializeToString()


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """The same spans in two, of a batch of at least two."""
    middle = len(batch.places) // 2
    first, second = range(middle), range(middle, len(batch.places))
    return (
        Batch(only(batch.request, first), batch.places[:middle]),
        Batch(only(batch.request, second), batch.places[middle:]),
    )


def singles(batch: Batch) -> list[Batch]:
    """A batch a span."""
    if len(batch.places) < 2:
        return [batch]
    return [single for half in halves(batch) for single in singles(half)]


def without(batch: Batch, span_ids: Container[bytes]) -> Batch:
    """Those spans are left out."""
    kept = [at for at, place in enumerate(batch.places) if place.span_id not in span_ids]
    return Batch(only(batch.request, kept), tuple(batch.places[at] for at in kept))


def only(
    request: ExportTraceServiceRequest, ordinals: Collection[int]
) -> ExportTraceServiceRequest:
    """The spans with those numbers, counted through the whole request, under their resources."""
    kept, ordinal = ExportTraceServiceRequest(), 0
    for group in request.resource_spans:
        scopes = []
        for scope in group.scope_spans:
            end = ordinal + len(scope.spans)
            spans = [span for at, span in enumerate(scope.spans, start=ordinal) if at in ordinals]
            ordinal = end
            if spans:
                scopes.append(
                    ScopeSpans(scope=scope.scope, schema_url=scope.schema_url, spans=spans)
                )
        if scopes:
            kept.resource_spans.append(
                ResourceSpans(
                    resource=group.resource, schema_url=group.schema_url, scope_spans=scopes
                )
            )
    return kept
