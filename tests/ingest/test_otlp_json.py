import json
from pathlib import Path

import msgspec
import pytest
from google.protobuf.descriptor import Descriptor
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from tests.ingest.spans import as_json, request

from roost.ingest import otlp_shape as shape
from roost.ingest.otlp_json import INVALID_ID, MAX_VALUE_DEPTH, Fault, convert, parse

JS_SAMPLE = Path(__file__).parent.parent / "data" / "otlp-js.json"


def read(text: str | bytes) -> ExportTraceServiceRequest:
    return convert(parse(text.encode() if isinstance(text, str) else text))


def read_span(**fields: object) -> trace_pb2.Span:
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]}
    return read(json.dumps(document)).resource_spans[0].scope_spans[0].spans[0]


def read_value(value: object) -> common_pb2.AnyValue:
    return read_span(attributes=[{"key": "k", "value": value}]).attributes[0].value


TEXT = st.text(max_size=6)
UINT32 = st.integers(0, 2**32 - 1)
UINT64 = st.integers(0, 2**64 - 1)
IDS = st.binary(max_size=16)


def values(depth: int = 2) -> st.SearchStrategy[common_pb2.AnyValue]:
    leaves = st.one_of(
        st.builds(common_pb2.AnyValue, string_value=TEXT),
        st.builds(common_pb2.AnyValue, bool_value=st.booleans()),
        st.builds(common_pb2.AnyValue, int_value=st.integers(-(2**63), 2**63 - 1)),
        st.builds(common_pb2.AnyValue, double_value=st.floats(allow_nan=False)),
        st.builds(common_pb2.AnyValue, bytes_value=st.binary(max_size=6)),
        st.just(common_pb2.AnyValue()),
    )
    if depth == 0:
        return leaves
    inner = st.lists(values(depth - 1), max_size=2)
    arrays = st.builds(common_pb2.ArrayValue, values=inner)
    pairs = st.builds(common_pb2.KeyValueList, values=attributes(depth - 1))
    return st.one_of(
        leaves,
        st.builds(common_pb2.AnyValue, array_value=arrays),
        st.builds(common_pb2.AnyValue, kvlist_value=pairs),
    )


def attributes(depth: int = 2) -> st.SearchStrategy[list[common_pb2.KeyValue]]:
    return st.lists(st.builds(common_pb2.KeyValue, key=TEXT, value=values(depth)), max_size=2)


EVENTS = st.builds(
    trace_pb2.Span.Event,
    time_unix_nano=UINT64,
    name=TEXT,
    attributes=attributes(),
    dropped_attributes_count=UINT32,
)
LINKS = st.builds(
    trace_pb2.Span.Link,
    trace_id=IDS,
    span_id=IDS,
    trace_state=TEXT,
    attributes=attributes(),
    dropped_attributes_count=UINT32,
    flags=UINT32,
)
SPANS = st.builds(
    trace_pb2.Span,
    trace_id=IDS,
    span_id=IDS,
    trace_state=TEXT,
    parent_span_id=IDS,
    flags=UINT32,
    name=TEXT,
    kind=st.integers(0, 9),
    start_time_unix_nano=UINT64,
    end_time_unix_nano=UINT64,
    attributes=attributes(),
    dropped_attributes_count=UINT32,
    events=st.lists(EVENTS, max_size=2),
    dropped_events_count=UINT32,
    links=st.lists(LINKS, max_size=2),
    dropped_links_count=UINT32,
    status=st.none() | st.builds(trace_pb2.Status, message=TEXT, code=st.integers(0, 2)),
)
RESOURCES = st.builds(
    resource_pb2.Resource,
    attributes=attributes(),
    dropped_attributes_count=UINT32,
    entity_refs=st.lists(
        st.builds(
            common_pb2.EntityRef,
            schema_url=TEXT,
            type=TEXT,
            id_keys=st.lists(TEXT, max_size=2),
            description_keys=st.lists(TEXT, max_size=2),
        ),
        max_size=1,
    ),
)
SCOPES = st.builds(
    common_pb2.InstrumentationScope,
    name=TEXT,
    version=TEXT,
    attributes=attributes(),
    dropped_attributes_count=UINT32,
)
SCOPE_SPANS = st.builds(
    trace_pb2.ScopeSpans,
    scope=st.none() | SCOPES,
    spans=st.lists(SPANS, max_size=2),
    schema_url=TEXT,
)
GROUPS = st.builds(
    trace_pb2.ResourceSpans,
    resource=st.none() | RESOURCES,
    scope_spans=st.lists(SCOPE_SPANS, max_size=2),
    schema_url=TEXT,
)


@settings(deadline=None)
@given(st.lists(GROUPS, max_size=2))
def test_json_gives_the_message_that_protobuf_gives(groups: list[trace_pb2.ResourceSpans]) -> None:
    message = request(*groups)
    assert read(as_json(message)) == message


def test_spans_of_the_python_sdk_read_the_same_in_both_encodings() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("app", "1.0", attributes={"scope": True})
    with tracer.start_as_current_span("answer", kind=SpanKind.SERVER) as root:
        root.set_attributes({"n": 3, "f": 0.5, "b": True, "s": "✓", "l": ["a", "b"]})
        links = [Link(root.get_span_context(), {"why": "sample"})]
        with tracer.start_as_current_span("retrieve", links=links) as child:
            child.record_exception(TypeError("no such document"))
            child.set_status(Status(StatusCode.ERROR, "no such document"))
    message = encode_spans(exporter.get_finished_spans())
    assert read(as_json(message)) == message


def test_what_the_javascript_exporter_sends_is_read_whole() -> None:
    sample = json.loads(JS_SAMPLE.read_text())
    message = read(json.dumps(sample["body"]))
    child, root = message.resource_spans[0].scope_spans[0].spans
    found = {pair.key: pair.value for pair in root.attributes}
    assert child.parent_span_id == root.span_id
    assert child.trace_id == root.trace_id
    assert child.links[0].span_id == root.span_id
    assert child.status.code == trace_pb2.Status.STATUS_CODE_ERROR
    assert found["big"].int_value == 2**53 - 1
    assert found["huge"].double_value == 1e21
    assert found["cut"].string_value == "cut \ufffd"
    assert [one.double_value for one in found["numbers"].array_value.values] == [0, 2.5]


def every_message(root: Descriptor) -> dict[str, Descriptor]:
    found: dict[str, Descriptor] = {}
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if one.name not in found:
            found[one.name] = one
            waiting += [field.message_type for field in one.fields if field.message_type]
    return found


MESSAGES = {
    "Request" if name == "ExportTraceServiceRequest" else name: descriptor
    for name, descriptor in every_message(ExportTraceServiceRequest.DESCRIPTOR).items()
}


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_every_field_of_the_protocol_is_read(name: str) -> None:
    known = {field.encode_name for field in msgspec.structs.fields(getattr(shape, name))}
    wanted = {field.json_name for field in MESSAGES[name].fields}
    assert known == {field for field in wanted if not field.endswith("Strindex")}


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("18446744073709551615", 2**64 - 1)], ids=["least", "most"]
)
def test_a_64_bit_integer_is_a_string_or_a_number(text: str, number: int) -> None:
    assert read_span(startTimeUnixNano=text).start_time_unix_nano == number
    assert read_span(startTimeUnixNano=number).start_time_unix_nano == number


def test_an_enum_may_be_a_number_or_a_name() -> None:
    assert read_span(kind=3).kind == trace_pb2.Span.SPAN_KIND_CLIENT
    assert read_span(kind="SPAN_KIND_CLIENT").kind == trace_pb2.Span.SPAN_KIND_CLIENT


def test_names_that_are_unknown_or_in_snake_case_are_ignored() -> None:
    assert read_span(name="a", trace_id="00", surprise={"x": [1]}) == trace_pb2.Span(name="a")


def test_null_is_absent() -> None:
    span = read_span(parentSpanId=None, status=None, attributes=None, kind=None)
    assert span == trace_pb2.Span()


@pytest.mark.parametrize("text", ["/+8=", "_-8=", "_-8"], ids=["plain", "url-safe", "unpadded"])
def test_bytes_are_base64_of_either_alphabet(text: str) -> None:
    assert read_value({"bytesValue": text}).bytes_value == b"\xff\xef"


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_a_double_may_be_no_number(text: str) -> None:
    assert repr(read_value({"doubleValue": text}).double_value) == repr(float(text))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("t" * 32, id="not hex"),
        pytest.param("abc", id="half a byte"),
        pytest.param("aa bb", id="a space"),
        pytest.param("dHR0dHR0dHR0dHR0dHR0dA==", id="base64"),
    ],
)
def test_a_malformed_id_marks_its_own_span_alone(text: str) -> None:
    assert read_span(traceId=text).trace_id == INVALID_ID
    assert read_span(traceId="AABB").trace_id == b"\xaa\xbb"


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (r"\ud83d\ude00", "\U0001f600"),
        (r"a\ud83d", "a\ufffd"),
        (r"\ude00b", "\ufffdb"),
        (r"\uD83D\uD83D\uDE00", "\ufffd\U0001f600"),
        (r"\\ud83d", r"\ud83d"),
    ],
    ids=["a whole pair", "the first half", "the second half", "half and whole", "no escape"],
)
def test_half_an_emoji_costs_one_character(written: str, text: str) -> None:
    body = '{"resourceSpans": [{"schemaUrl": "' + written + '"}]}'
    assert read(body).resource_spans[0].schema_url == text


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(b"", "truncated", id="nothing"),
        pytest.param(b"{]", "malformed", id="no JSON"),
        pytest.param(b"[]", "Expected `object`, got `array`", id="a list"),
        pytest.param(b'{"resourceSpans": 1}', "$.resourceSpans", id="a wrong type says where"),
        pytest.param(b'{"resourceSpans": [{"schemaUrl": "\xff"}]}', "UTF-8", id="not UTF-8"),
        pytest.param(b'{"a":' + b"[" * 100_000, "nested", id="a deep unknown field"),
    ],
)
def test_what_is_not_a_trace_request_says_what_and_where(body: bytes, says: str) -> None:
    with pytest.raises(Fault, match=says.replace("$", r"\$")):
        read(body)


@pytest.mark.parametrize(
    "fields",
    [
        {"startTimeUnixNano": "yesterday"},
        {"startTimeUnixNano": "-1"},
        {"startTimeUnixNano": 2**64},
        {"startTimeUnixNano": 1.5},
        {"kind": "SPAN_KIND_NEW"},
        {"kind": 2**40},
        {"attributes": [{"key": "k", "value": {"bytesValue": "a"}}]},
        {"attributes": [{"key": "k", "value": {"doubleValue": "much"}}]},
    ],
    ids=str,
)
def test_a_value_that_its_field_cannot_take_is_a_fault(fields: dict[str, object]) -> None:
    with pytest.raises(Fault):
        read_span(**fields)


def nested(depth: int) -> dict[str, object]:
    value: dict[str, object] = {"stringValue": "bottom"}
    for _ in range(depth):
        value = {"arrayValue": {"values": [value]}}
    return value


def test_a_value_is_nested_no_deeper_than_protobuf_reads_back() -> None:
    deepest = read_span(attributes=[{"key": "k", "value": nested(MAX_VALUE_DEPTH)}])
    again = request(trace_pb2.ResourceSpans(scope_spans=[trace_pb2.ScopeSpans(spans=[deepest])]))
    assert ExportTraceServiceRequest.FromString(again.SerializeToString()) == again
    with pytest.raises(Fault, match="nested"):
        read_value(nested(MAX_VALUE_DEPTH + 1))
