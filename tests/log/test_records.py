"""What stands in a record's body."""

from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.ingest.spans import group, request, span

from roost.log.records import spans_of


def test_spans_are_counted_through_the_whole_record() -> None:
    body = request(group([span("a"), span("b")], "p"), group([span("c")], "q")).SerializeToString()
    found = [(one.ordinal, one.span.name, one.project) for one in spans_of(body)]
    assert found == [(0, "a", "p"), (1, "b", "p"), (2, "c", "q")]


def test_an_erased_span_keeps_its_place_and_is_passed_over() -> None:
    body = request(group([span("a"), Span(), span("c")], "p")).SerializeToString()
    assert [(one.ordinal, one.span.name) for one in spans_of(body)] == [(0, "a"), (2, "c")]


def test_a_body_that_was_erased_as_a_whole_holds_none() -> None:
    assert list(spans_of(b"")) == []
