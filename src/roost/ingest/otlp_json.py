"""OTLP's JSON, read into the same protobuf messages that its binary form gives.

Source: the OTLP specification, "JSON Protobuf Encoding": trace and span ids are hex, 64-bit
integers are strings or numbers, enums are integers (names are taken too), unknown fields are
ignored, and snake_case names are unknown fields.

Rule: one odd span never costs the batch. A malformed id becomes INVALID_ID, which intake rejects
span by span; an integer too large becomes a double; half an emoji becomes U+FFFD. JavaScript's own
exporter sends the last two.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Protocol, cast

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from roost.ingest import otlp_shape as shape

INVALID_ID = b"\x00"
"""What an id that is not hex becomes: of no valid length."""

MAX_VALUE_DEPTH = 40
"""Protobuf parsers stop at 100 nested messages, and a level of an attribute costs two."""

_DECODER = msgspec.json.Decoder(shape.Request)
_INT64 = range(-(2**63), 2**63)
_SPAN_KINDS = dict(trace_pb2.Span.SpanKind.items())
_STATUS_CODES = dict(trace_pb2.Status.StatusCode.items())
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


class Fault(ValueError):
    """The text is not an OTLP trace request; the message says what and where."""


def parse(body: bytes) -> shape.Request:
    """The text as it stands, nothing converted yet; raises Fault."""
    try:
        return _DECODER.decode(mended(body))
    except RecursionError:
        raise Fault("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise Fault("it is not UTF-8") from None
    except msgspec.DecodeError as error:
        raise Fault(str(error)) from None


def convert(request: shape.Request) -> ExportTraceServiceRequest:
    """The same request in protobuf; raises Fault where a value is not what its field takes."""
    message = ExportTraceServiceRequest()
    try:
        for group in request.resource_spans or ():
            _fill_resource_spans(message.resource_spans.add(), group)
    except (ValueError, OverflowError) as error:
        raise Fault(str(error)) from None
    return message


def mended(body: bytes) -> bytes:
    """Half a surrogate pair, which no UTF-8 text can hold, as U+FFFD."""
    if b"\\ud" not in body and b"\\uD" not in body:
        return body
    return _ESCAPE.sub(_whole_escape, body)


def _whole_escape(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape["half"] else escape[0]


def _fill_resource_spans(into: trace_pb2.ResourceSpans, group: shape.ResourceSpans) -> None:
    into.schema_url = group.schema_url or ""
    if group.resource is not None:
        _fill_resource(into.resource, group.resource)
    for scope in group.scope_spans or ():
        _fill_scope_spans(into.scope_spans.add(), scope)


def _fill_resource(into: resource_pb2.Resource, resource: shape.Resource) -> None:
    into.SetInParent()
    into.dropped_attributes_count = _integer(resource.dropped_attributes_count)
    _fill_attributes(into.attributes, resource.attributes)
    for ref in resource.entity_refs or ():
        into.entity_refs.add(
            schema_url=ref.schema_url or "",
            type=ref.type or "",
            id_keys=ref.id_keys or (),
            description_keys=ref.description_keys or (),
        )


def _fill_scope_spans(into: trace_pb2.ScopeSpans, group: shape.ScopeSpans) -> None:
    into.schema_url = group.schema_url or ""
    if (scope := group.scope) is not None:
        into.scope.SetInParent()
        into.scope.name = scope.name or ""
        into.scope.version = scope.version or ""
        into.scope.dropped_attributes_count = _integer(scope.dropped_attributes_count)
        _fill_attributes(into.scope.attributes, scope.attributes)
    for span in group.spans or ():
        _fill_span(into.spans.add(), span)


def _fill_span(into: trace_pb2.Span, span: shape.Span) -> None:
    into.trace_id = _id(span.trace_id)
    into.span_id = _id(span.span_id)
    into.trace_state = span.trace_state or ""
    into.parent_span_id = _id(span.parent_span_id)
    into.flags = _integer(span.flags)
    into.name = span.name or ""
    into.kind = cast("trace_pb2.Span.SpanKind.ValueType", _enum(span.kind, _SPAN_KINDS))
    into.start_time_unix_nano = _integer(span.start_time_unix_nano)
    into.end_time_unix_nano = _integer(span.end_time_unix_nano)
    into.dropped_attributes_count = _integer(span.dropped_attributes_count)
    into.dropped_events_count = _integer(span.dropped_events_count)
    into.dropped_links_count = _integer(span.dropped_links_count)
    _fill_attributes(into.attributes, span.attributes)
    for event in span.events or ():
        _fill_event(into.events.add(), event)
    for link in span.links or ():
        _fill_link(into.links.add(), link)
    if (status := span.status) is not None:
        into.status.SetInParent()
        into.status.message = status.message or ""
        code = _enum(status.code, _STATUS_CODES)
        into.status.code = cast("trace_pb2.Status.StatusCode.ValueType", code)


def _fill_event(into: trace_pb2.Span.Event, event: shape.Event) -> None:
    into.time_unix_nano = _integer(event.time_unix_nano)
    into.name = event.name or ""
    into.dropped_attributes_count = _integer(event.dropped_attributes_count)
    _fill_attributes(into.attributes, event.attributes)


def _fill_link(into: trace_pb2.Span.Link, link: shape.Link) -> None:
    into.trace_id = _id(link.trace_id)
    into.span_id = _id(link.span_id)
    into.trace_state = link.trace_state or ""
    into.flags = _integer(link.flags)
    into.dropped_attributes_count = _integer(link.dropped_attributes_count)
    _fill_attributes(into.attributes, link.attributes)


class _Pairs(Protocol):
    """A repeated KeyValue."""

    def add(self) -> common_pb2.KeyValue: ...


def _fill_attributes(into: _Pairs, pairs: Sequence[shape.KeyValue] | None, depth: int = 0) -> None:
    for pair in pairs or ():
        one = into.add()
        one.key = pair.key or ""
        if pair.value is not None:
            _fill_value(one.value, pair.value, depth)


def _fill_value(into: common_pb2.AnyValue, value: shape.AnyValue, depth: int) -> None:
    if value.string_value is not None:
        into.string_value = value.string_value
    elif value.int_value is not None:
        _fill_whole_number(into, value.int_value)
    elif value.double_value is not None:
        into.double_value = float(value.double_value)
    elif value.bool_value is not None:
        into.bool_value = value.bool_value
    elif value.bytes_value is not None:
        into.bytes_value = _bytes(value.bytes_value)
    else:
        into.SetInParent()
        _fill_nested(into, value, depth + 1)


def _fill_nested(into: common_pb2.AnyValue, value: shape.AnyValue, depth: int) -> None:
    if depth > MAX_VALUE_DEPTH:
        raise Fault(f"an attribute's value is nested more than {MAX_VALUE_DEPTH} deep")
    if (array := value.array_value) is not None:
        into.array_value.SetInParent()
        for one in array.values or ():
            _fill_value(into.array_value.values.add(), one, depth)
    elif (pairs := value.kvlist_value) is not None:
        into.kvlist_value.SetInParent()
        _fill_attributes(into.kvlist_value.values, pairs.values, depth)


def _fill_whole_number(into: common_pb2.AnyValue, number: float | str) -> None:
    exact = _integer(number)
    if exact in _INT64:
        into.int_value = exact
    else:
        into.double_value = float(exact)


def _integer(number: float | str | None) -> int:
    if number is None:
        return 0
    if isinstance(number, float) and not number.is_integer():
        raise Fault(f"{number} stands where a whole number is expected")
    return int(number)


def _enum(value: float | str | None, names: Mapping[str, int]) -> int:
    return names[value] if isinstance(value, str) and value in names else _integer(value)


def _bytes(text: str) -> bytes:
    """Base64 of either alphabet, padded or not, as proto3's JSON mapping takes it."""
    return base64.b64decode(text.translate(_URL_SAFE) + "=" * (-len(text) % 4), validate=True)


_URL_SAFE = str.maketrans("-_", "+/")


def _id(text: str | None) -> bytes:
    try:
        return binascii.unhexlify(text or "")
    except ValueError:
        return INVALID_ID
