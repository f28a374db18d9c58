"""Spans and records for the tests of the index."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from roost.log.base import Kind, Position, Record
from roost.log.records import Annotation, Deletion, LoggedSpan, encoded, spans_of

HOUR_US = 3_600_000_000
T0_US = 1_760_000_400_000_000
"""Within an hour of 2025-10-09."""

Attribute = str | int | float | bool


def trace_hex(trace: int) -> str:
    return trace.to_bytes(16, "big").hex()


def span_hex(span: int) -> str:
    return span.to_bytes(8, "big").hex()


@dataclass(frozen=True, slots=True)
class Made:
    """A span in a few words. `start` and `latency` in µs, `start` counted from T0_US."""

    trace: int
    span: int
    parent: int | None = None
    name: str = "answer"
    start: int = 0
    latency: int = 1_000
    status: int = 0
    project: str = "default"
    attributes: tuple[tuple[str, Attribute], ...] = ()

    def span_message(self) -> Span:
        begins = (T0_US + self.start) * 1000
        return Span(
            trace_id=bytes.fromhex(trace_hex(self.trace)),
            span_id=bytes.fromhex(span_hex(self.span)),
            parent_span_id=b"" if self.parent is None else bytes.fromhex(span_hex(self.parent)),
            name=self.name,
            start_time_unix_nano=begins,
            end_time_unix_nano=begins + self.latency * 1000,
            status=Status(code=self.status),  # type: ignore[arg-type]
            attributes=[attribute(key, value) for key, value in self.attributes],
        )


def made(trace: int, span: int, **given: object) -> Made:
    """`Made`, with other keywords as attributes: `user_id="ann"` is `user.id`."""
    own = {key: value for key, value in given.items() if key in Made.__dataclass_fields__}
    others = tuple((_KEYS[key], value) for key, value in given.items() if key not in own)
    return Made(trace, span, **own, attributes=others)  # type: ignore[arg-type]


_KEYS = {
    "user": "user.id",
    "session": "session.id",
    "kind": "openinference.span.kind",
    "model": "llm.model_name",
    "provider": "llm.provider",
    "prompt": "llm.token_count.prompt",
    "completion": "llm.token_count.completion",
    "input": "input.value",
    "output": "output.value",
}


def attribute(key: str, value: Attribute) -> KeyValue:
    if isinstance(value, bool):
        return KeyValue(key=key, value=AnyValue(bool_value=value))
    if isinstance(value, int):
        return KeyValue(key=key, value=AnyValue(int_value=value))
    if isinstance(value, float):
        return KeyValue(key=key, value=AnyValue(double_value=value))
    return KeyValue(key=key, value=AnyValue(string_value=value))


def spans_record(position: int, *spans: Made) -> Record:
    """In this order; each in a ResourceSpans of its project."""
    request = ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=Resource(
                    attributes=[attribute("openinference.project.name", one.project)]
                ),
                scope_spans=[ScopeSpans(spans=[one.span_message()])],
            )
            for one in spans
        ]
    )
    return _record(position, Kind.SPANS, request.SerializeToString())


def annotations_record(position: int, *annotations: Annotation) -> Record:
    return _record(position, Kind.ANNOTATIONS, encoded(annotations))


def deletion_record(position: int, deletion: Deletion) -> Record:
    return _record(position, Kind.DELETION, encoded(deletion))


def logged(*spans: Made) -> Sequence[LoggedSpan]:
    """As reconciliation hands them over."""
    return list(spans_of(spans_record(1, *spans).body))


def numbered(records: Iterable[tuple[Kind, bytes]]) -> list[Record]:
    return [_record(at, kind, body) for at, (kind, body) in enumerate(records, start=1)]


def _record(position: int, kind: Kind, body: bytes) -> Record:
    return Record(Position(position), T0_US / 1e6 + position, kind, body)
