"""Spans that Phoenix's client logs, and what becomes of them in OTLP and in Phoenix."""

import json
from typing import Any

import pytest
from opentelemetry.proto.trace.v1 import trace_pb2

from roost.errors import TooLarge
from roost.ingest.decode import Limits
from roost.ingest.logged_spans import (
    Answer,
    LoggedSpan,
    accepted,
    convert,
    ids_of,
    project_row,
    read,
)

TRACE, SPAN, PARENT = "1f" * 16, "2e" * 8, "3d" * 8


def row(**changes: object) -> dict[str, object]:
    return {
        "name": "answer",
        "context": {"trace_id": TRACE, "span_id": SPAN},
        "span_kind": "LLM",
        "start_time": "2026-11-01T00:00:00+00:00",
        "end_time": "2026-11-01T02:00:01.000001+02:00",
        "status_code": "OK",
        **changes,
    }


def spans_in(*rows: object) -> list[LoggedSpan]:
    spans = read(json.dumps({"data": rows}).encode(), "", Limits())
    assert not isinstance(spans, Answer), spans.body
    return list(spans)


def otlp(**changes: object) -> trace_pb2.Span:
    request = convert(spans_in(row(**changes)), set())
    assert not isinstance(request, Answer), request.body
    return request.resource_spans[0].scope_spans[0].spans[0]


def attributes(given: dict[str, object]) -> dict[str, Any]:
    """What `given` becomes, as OTLP's values print."""
    made = otlp(attributes=given)
    return {one.key: one.value for one in made.attributes if one.key != "openinference.span.kind"}


def test_a_span_is_what_a_tracer_had_sent() -> None:
    made = otlp(parent_id=PARENT, status_message="fine")
    assert (made.trace_id.hex(), made.span_id.hex()) == (TRACE, SPAN)
    assert (made.parent_span_id.hex(), made.name) == (PARENT, "answer")
    assert made.start_time_unix_nano == 1_793_491_200 * 10**9
    assert made.end_time_unix_nano - made.start_time_unix_nano == 1_000_001_000
    assert (made.status.code, made.status.message) == (trace_pb2.Status.STATUS_CODE_OK, "fine")


@pytest.mark.parametrize("parent", [None, ""])
def test_a_root_has_no_parent(parent: str | None) -> None:
    assert otlp(parent_id=parent).parent_span_id == b""


@pytest.mark.parametrize(
    ("said", "code"), [("OK", 1), ("error", 2), ("UNSET", 0), ("", 0), ("great", 0)]
)
def test_an_unknown_status_is_none(said: str, code: int) -> None:
    assert otlp(status_code=said).status.code == code


def test_the_kind_of_span_stands_in_its_field_alone() -> None:
    made = otlp(span_kind="chain", attributes={"openinference.span.kind": "LLM"})
    kinds = [one.value.string_value for one in made.attributes]
    assert kinds == ["chain"]


def test_nested_attributes_become_the_flat_ones_of_openinference() -> None:
    made = attributes(
        {
            "llm": {
                "token_count": {"prompt": 5},
                "input_messages": [{"message": {"role": "user"}}, {"message": {"role": "tool"}}],
            },
            "retrieval.documents": [{"document": {"score": 0.5}}],
            "flat.key": True,
            "nothing": None,
        }
    )
    assert {key: str(value).strip() for key, value in made.items()} == {
        "llm.token_count.prompt": "int_value: 5",
        "llm.input_messages.0.message.role": 'string_value: "user"',
        "llm.input_messages.1.message.role": 'string_value: "tool"',
        "retrieval.documents.0.document.score": "double_value: 0.5",
        "flat.key": "bool_value: true",
    }


@pytest.mark.parametrize("key", ["metadata", "tool.parameters", "x.document.metadata"])
def test_objects_that_openinference_writes_as_json_are_written_so(key: str) -> None:
    given = {"a": {"b": [1, None]}}
    assert json.loads(attributes({key: given})[key].string_value) == given


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"a.b": 1}, id="a name with a dot"),
        pytest.param({"0": {"a": 1}}, id="a name of digits"),
        pytest.param({"": 1}, id="no name"),
        pytest.param({}, id="an empty object"),
    ],
)
def test_an_object_that_would_not_come_back_stays_one(value: object) -> None:
    made = attributes({"x": value})
    assert list(made) == ["x"]
    assert made["x"].WhichOneof("value") == "kvlist_value"


@pytest.mark.parametrize("value", [["a", "b"], [1, {"a": 2}], [[{"a": 1}]], [{}], []])
def test_a_list_of_other_things_than_objects_stays_one(value: object) -> None:
    made = attributes({"x": value})
    assert list(made) == ["x"]
    assert made["x"].WhichOneof("value") == "array_value"


def test_a_whole_number_too_large_for_otlp_is_a_double() -> None:
    made = attributes({"small": 2**63 - 1, "large": 2**63})
    assert made["small"].int_value == 2**63 - 1
    assert made["large"].double_value == float(2**63)


def test_events_come_along() -> None:
    event = {
        "name": "exception",
        "timestamp": "2026-11-01T00:00:00.5Z",
        "attributes": {"exception.message": "no", "more": {"a": 1}, "nothing": None},
    }
    (made,) = otlp(events=[event]).events
    assert (made.name, made.time_unix_nano % 10**9) == ("exception", 500_000_000)
    assert [one.key for one in made.attributes] == ["exception.message", "more"]
    assert made.attributes[0].value.string_value == "no"


def refusal(*rows: object, known: set[str] | None = None) -> dict[str, Any]:
    said = convert(spans_in(*rows), known or set())
    assert isinstance(said, Answer)
    assert said.status == 400
    told: dict[str, Any] = json.loads(said.body)
    return told


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"context": {"trace_id": "trace", "span_id": SPAN}}, "trace_id is not 32 hex"),
        ({"context": {"trace_id": TRACE, "span_id": "0" * 16}}, "span_id is not 16 hex"),
        ({"context": {"trace_id": TRACE, "span_id": " " + SPAN[1:]}}, "span_id is not 16 hex"),
        ({"parent_id": "root"}, "parent_id is not 16 hex"),
        ({"start_time": "1969-12-31T00:00:00Z"}, "start_time is not between"),
        ({"end_time": "2999-01-01T00:00:00Z"}, "end_time is not between"),
        ({"attributes": {"x": 10**400}}, "number is too large"),
        ({"attributes": {"x": json.loads("[" * 60 + "]" * 60)}}, "nested more than 40"),
    ],
)
def test_a_span_that_otlp_cannot_hold_is_invalid(changes: dict[str, object], says: str) -> None:
    told = refusal(row(**changes))
    (one,) = told["invalid_spans"]
    assert says in one["error"]
    assert (told["total_invalid"], told["total_queued"], told["total_received"]) == (1, 0, 1)


def test_spans_that_are_there_already_refuse_all_of_them() -> None:
    other = row(context={"trace_id": TRACE, "span_id": PARENT})
    told = refusal(row(), other, known={SPAN})
    assert told == {
        "error": "Request contains invalid or duplicate spans",
        "total_received": 2,
        "total_queued": 0,
        "total_duplicates": 1,
        "total_invalid": 0,
        "duplicate_spans": [{"span_id": SPAN, "trace_id": TRACE}],
        "invalid_spans": [],
    }


def test_an_id_in_upper_case_is_the_same_id() -> None:
    spans = spans_in(
        row(context={"trace_id": TRACE, "span_id": SPAN.upper()}),
        row(),
        row(context={"trace_id": TRACE, "span_id": "none of hex"}),
    )
    assert ids_of(spans) == [SPAN]
    said = convert(spans[:1], {SPAN})
    assert isinstance(said, Answer)
    assert json.loads(said.body)["duplicate_spans"][0]["span_id"] == SPAN.upper()


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"start_time": "yesterday"}, ["body", "data", 1, "start_time"]),
        ({"start_time": "2026-11-01T00:00:00"}, ["body", "data", 1, "start_time"]),
        ({"name": None}, ["body", "data", 1, "name"]),
        ({"context": {"trace_id": TRACE}}, ["body", "data", 1, "context", "span_id"]),
        (
            {"events": [{"name": "e", "timestamp": "2026-11-01T00:00:00"}]},
            ["body", "data", 1, "events", 0, "timestamp"],
        ),
    ],
)
def test_a_span_of_another_shape_is_named_by_its_place(
    changes: dict[str, object], place: list[object]
) -> None:
    said = read(json.dumps({"data": [row(), row(**changes)]}).encode(), "", Limits())
    assert isinstance(said, Answer)
    assert said.status == 422
    (detail,) = json.loads(said.body)["detail"]
    assert detail["loc"] == place
    assert detail["msg"]


@pytest.mark.parametrize("body", [b"", b"[", b"[]", b'{"data": 1}', b"\xff", b"{}"])
def test_what_is_no_request_is_said_so(body: bytes) -> None:
    said = read(body, "", Limits())
    assert isinstance(said, Answer)
    assert (said.status, json.loads(said.body)["detail"][0]["loc"][0]) == (422, "body")


def test_a_fault_shows_nothing_of_what_was_sent() -> None:
    said = read(json.dumps({"data": [row(start_time="hunter2")]}).encode(), "", Limits())
    assert isinstance(said, Answer)
    assert b"hunter2" not in said.body


def test_half_an_emoji_costs_no_span() -> None:
    (one,) = spans_in(row(name="\ud83d"))
    assert one.name == "\ufffd"


def test_too_much_is_too_large() -> None:
    body = json.dumps({"data": [row()] * 3}).encode()
    for limits in (Limits(spans=2), Limits(json_objects=5), Limits(inflated_bytes=100)):
        with pytest.raises(TooLarge):
            read(body, "", limits)


def test_what_phoenix_does_not_know_is_ignored() -> None:
    assert otlp(id="U3Bhbjox", cumulative={"errors": 1}).name == "answer"


def test_success_counts() -> None:
    said = accepted(2)
    assert (said.status, json.loads(said.body)) == (202, {"total_received": 2, "total_queued": 2})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("UHJvamVjdDox", 1),
        ("UHJvamVjdDoxMg==", 12),
        ("VHJhY2U6MQ==", None),
        ("UHJvamVjdDp4", None),
        ("UHJvamVjdA==", None),
        ("docs", None),
        ("dö", None),
        ("", None),
    ],
)
def test_a_relay_id_names_a_row(text: str, found: int | None) -> None:
    assert project_row(text) == found
