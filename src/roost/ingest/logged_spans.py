"""The spans that Phoenix's client logs (`log_spans`), as the OTLP spans that a tracer had sent.

Source: Phoenix's OpenAPI (`createSpans`) and its answers. Rule: all of a request is taken or none,
and a refusal has the form that the client reads. What Phoenix would have stored is what these OTLP
spans make it store (compared on 20.26.1), but that metadata in a string becomes an object, an
`input.value` that is an object becomes JSON, and an exception keeps OpenTelemetry's attributes
alone. Ids that OTLP does not know are invalid here.
"""

import base64
import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from roost.errors import TooLarge
from roost.ingest import otlp_json
from roost.ingest.decode import Limits, inflate
from roost.ingest.logged_attributes import fill_attributes, fill_nested

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIXED64_END = 2**64
_HEX_ID = re.compile("[0-9a-f]{16}")
_SPAN_KIND = "openinference.span.kind"
_STATUS_CODES = {"OK": trace_pb2.Status.STATUS_CODE_OK, "ERROR": trace_pb2.Status.STATUS_CODE_ERROR}
_MAX_FAULTS = 1_000


class _Model(BaseModel):
    """Fields that Phoenix does not know are ignored, as it does: clients send what they read."""

    model_config = ConfigDict(hide_input_in_errors=True, frozen=True)


class _Context(_Model):
    trace_id: str
    span_id: str


class _Event(_Model):
    name: str
    timestamp: AwareDatetime
    attributes: dict[str, Any] = Field(default_factory=dict)


class LoggedSpan(_Model):
    name: str
    context: _Context
    span_kind: str
    start_time: AwareDatetime
    end_time: AwareDatetime
    status_code: str
    parent_id: str | None = None
    status_message: str = ""
    attributes: dict[str, Any] = Field(default_factory=dict)
    events: list[_Event] = Field(default_factory=list)


class _Request(_Model):
    data: list[LoggedSpan]


@dataclass(frozen=True, slots=True)
class Answer:
    """What Phoenix would say, in JSON. Instead of spans it is a refusal, which the client makes a
    SpanCreationError of."""

    status: int
    body: bytes


def read(body: bytes, content_encoding: str, limits: Limits) -> Sequence[LoggedSpan] | Answer:
    """The spans, not converted yet; TooLarge over a limit."""
    body = inflate(body, content_encoding, limits.inflated_bytes)
    if body.count(b"{") > limits.json_objects:
        raise TooLarge(f"the JSON holds more than {limits.json_objects} objects; log fewer spans")
    try:
        spans = _Request.model_validate_json(otlp_json.mended(body)).data
    except ValidationError as error:
        return _unfit(error)
    if len(spans) > limits.spans:
        raise TooLarge(f"the request holds more than {limits.spans} spans; log fewer at once")
    return spans


def ids_of(spans: Iterable[LoggedSpan]) -> list[str]:
    """Their span ids in lower case, each once, those that are none left out."""
    ids = dict.fromkeys(span.context.span_id.lower() for span in spans)
    return [one for one in ids if _HEX_ID.fullmatch(one)]


def convert(
    spans: Sequence[LoggedSpan], known: Collection[str]
) -> ExportTraceServiceRequest | Answer:
    """The spans as a tracer had sent them; `known` are those of `ids_of` that are there already."""
    request = ExportTraceServiceRequest()
    into = request.resource_spans.add().scope_spans.add().spans
    invalid: list[dict[str, str]] = []
    duplicate: list[dict[str, str]] = []
    for span in spans:
        if span.context.span_id.lower() in known:
            duplicate.append(_named(span))
            continue
        try:
            _fill_span(into.add(), span)
        except ValueError as error:
            invalid.append({**_named(span), "error": str(error)})
    if invalid or duplicate:
        return _refused(len(spans), duplicate, invalid)
    return request


def accepted(count: int) -> Answer:
    return Answer(202, json.dumps({"total_received": count, "total_queued": count}).encode())


def project_row(text: str) -> int | None:
    """The row that a Relay id of a project names; None where `text` is a project's name.

    >>> project_row("UHJvamVjdDoxMg=="), project_row("docs")
    (12, None)
    """
    try:
        kind, colon, row = base64.b64decode(text).decode().partition(":")
        return int(row) if kind == "Project" and colon else None
    except ValueError:
        return None


def _fill_span(into: trace_pb2.Span, span: LoggedSpan) -> None:
    into.trace_id = _id(span.context.trace_id, 16, "trace_id")
    into.span_id = _id(span.context.span_id, 8, "span_id")
    if span.parent_id:
        into.parent_span_id = _id(span.parent_id, 8, "parent_id")
    into.name = span.name
    into.start_time_unix_nano = _nanoseconds(span.start_time, "start_time")
    into.end_time_unix_nano = _nanoseconds(span.end_time, "end_time")
    into.status.message = span.status_message
    code = _STATUS_CODES.get(span.status_code.upper(), trace_pb2.Status.STATUS_CODE_UNSET)
    into.status.code = code
    fill_attributes(into.attributes, {**span.attributes, _SPAN_KIND: span.span_kind})
    for event in span.events:
        one = into.events.add(name=event.name)
        one.time_unix_nano = _nanoseconds(event.timestamp, "an event's timestamp")
        fill_nested(one.attributes, event.attributes)


def _id(text: str, size: int, name: str) -> bytes:
    digits = 2 * size
    try:
        value = bytes.fromhex(text) if len(text) == digits else b""
    except ValueError:
        value = b""
    if len(value) != size or not any(value):
        raise ValueError(f"{name} is not {digits} hexadecimal digits, or all zero")
    return value


def _nanoseconds(moment: datetime, name: str) -> int:
    value = (moment - _EPOCH) // timedelta(microseconds=1) * 1_000
    if not 0 <= value < _FIXED64_END:
        raise ValueError(f"{name} is not between 1970 and 2554")
    return value


def _named(span: LoggedSpan) -> dict[str, str]:
    return {"span_id": span.context.span_id, "trace_id": span.context.trace_id}


def _refused(
    received: int, duplicate: list[dict[str, str]], invalid: list[dict[str, str]]
) -> Answer:
    said = {
        "error": "Request contains invalid or duplicate spans",
        "total_received": received,
        "total_queued": 0,
        "total_duplicates": len(duplicate),
        "total_invalid": len(invalid),
        "duplicate_spans": duplicate,
        "invalid_spans": invalid,
    }
    return Answer(400, json.dumps(said).encode())


def _unfit(error: ValidationError) -> Answer:
    """As FastAPI tells it: the client finds the span by its place."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    detail = [
        {"type": one["type"], "loc": ["body", *one["loc"]], "msg": one["msg"]}
        for one in faults[:_MAX_FAULTS]
    ]
    return Answer(422, json.dumps({"detail": detail}).encode())
