"""The shape of OTLP's JSON: the trace messages of opentelemetry-proto, field by field.

Rule: every field of the protobuf messages stands here under its lowerCamelCase name, and may be
null as in proto3's JSON mapping (a test compares). What belongs to profiles alone (`…Strindex`) is
left out: the protocol wants other signals to read as if it were absent.
"""

from collections.abc import Iterator

import msgspec

Number = int | float | str | None


class ArrayValue(msgspec.Struct, rename="camel"):
    values: "list[AnyValue] | None" = None


class KeyValueList(msgspec.Struct, rename="camel"):
    values: "list[KeyValue] | None" = None


class AnyValue(msgspec.Struct, rename="camel"):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Number = None
    double_value: Number = None
    array_value: ArrayValue | None = None
    kvlist_value: KeyValueList | None = None
    bytes_value: str | None = None


class KeyValue(msgspec.Struct, rename="camel"):
    key: str | None = None
    value: AnyValue | None = None


class EntityRef(msgspec.Struct, rename="camel"):
    schema_url: str | None = None
    type: str | None = None
    id_keys: list[str] | None = None
    description_keys: list[str] | None = None


class Resource(msgspec.Struct, rename="camel"):
    attributes: list[KeyValue] | None = None
    dropped_attributes_count: Number = None
    entity_refs: list[EntityRef] | None = None


class InstrumentationScope(msgspec.Struct, rename="camel"):
    name: str | None = None
    version: str | None = None
    attributes: list[KeyValue] | None = None
    dropped_attributes_count: Number = None


class Event(msgspec.Struct, rename="camel"):
    time_unix_nano: Number = None
    name: str | None = None
    attributes: list[KeyValue] | None = None
    dropped_attributes_count: Number = None


class Link(msgspec.Struct, rename="camel"):
    trace_id: str | None = None
    span_id: str | None = None
    trace_state: str | None = None
    attributes: list[KeyValue] | None = None
    dropped_attributes_count: Number = None
    flags: Number = None


class Status(msgspec.Struct, rename="camel"):
    message: str | None = None
    code: Number = None


class Span(msgspec.Struct, rename="camel"):
    trace_id: str | None = None
    span_id: str | None = None
    trace_state: str | None = None
    parent_span_id: str | None = None
    flags: Number = None
    name: str | None = None
    kind: Number = None
    start_time_unix_nano: Number = None
    end_time_unix_nano: Number = None
    attributes: list[KeyValue] | None = None
    dropped_attributes_count: Number = None
    events: list[Event] | None = None
    dropped_events_count: Number = None
    links: list[Link] | None = None
    dropped_links_count: Number = None
    status: Status | None = None


class ScopeSpans(msgspec.Struct, rename="camel"):
    scope: InstrumentationScope | None = None
    spans: list[Span] | None = None
    schema_url: str | None = None


class ResourceSpans(msgspec.Struct, rename="camel"):
    resource: Resource | None = None
    scope_spans: list[ScopeSpans] | None = None
    schema_url: str | None = None


class Request(msgspec.Struct, rename="camel"):
    resource_spans: list[ResourceSpans] | None = None


def sizes(request: Request) -> Iterator[int]:
    """How much there is to convert, a part at a time: ResourceSpans, ScopeSpans and spans."""
    for group in request.resource_spans or ():
        yield 1
        for scope in group.scope_spans or ():
            yield 1 + len(scope.spans or ())
