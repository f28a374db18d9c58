"""Trace requests for the tests, in protobuf and in OTLP's JSON."""

import base64
import json
from collections.abc import Sequence

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
_IDS = ("traceId", "spanId", "parentSpanId")


def span(name: str = "answer", trace_id: bytes = b"t" * 16, span_id: bytes = b"s" * 8) -> Span:
    return Span(name=name, trace_id=trace_id, span_id=span_id)


def group(spans: Sequence[Span], *projects: str) -> ResourceSpans:
    """A ResourceSpans whose resource names `projects`."""
    attributes = [KeyValue(key="service.name", value=AnyValue(string_value="assistant"))]
    attributes += [
        KeyValue(key="openinference.project.name", value=AnyValue(string_value=project))
        for project in projects
    ]
    return ResourceSpans(
        resource=Resource(attributes=attributes), scope_spans=[ScopeSpans(spans=spans)]
    )


def request(*groups: ResourceSpans) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest(resource_spans=groups)


def as_json(message: ExportTraceServiceRequest) -> bytes:
    """OTLP's JSON: protobuf's own mapping, the ids in hex."""
    document = json.loads(json_format.MessageToJson(message, use_integers_for_enums=True))
    for resource_spans in document.get("resourceSpans", ()):
        for scope_spans in resource_spans.get("scopeSpans", ()):
            for one in scope_spans.get("spans", ()):
                _hex_ids(one)
                for link in one.get("links", ()):
                    _hex_ids(link)
    return json.dumps(document).encode()


def _hex_ids(document: dict[str, str]) -> None:
    for name in _IDS:
        if name in document:
            document[name] = base64.b64decode(document[name]).hex()
