"""Batches in pieces: nothing lost, nothing twice, nothing in another place."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from tests.ingest.spans import group, request, span

from roost.ingest.split import PIECE_BYTES, PIECE_SPANS, split
from roost.ingest.wire import whole_number


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def wide(name: str, size: int) -> Span:
    return Span(name=name, trace_id=b"t" * 16, span_id=b"s" * 8, attributes=[text("a", "x" * size)])


def a_group(name: str, *scopes: Sequence[Span], extra_bytes: int = 0) -> ResourceSpans:
    return ResourceSpans(
        resource=Resource(attributes=[text("of", name), text("extra", "x" * extra_bytes)]),
        schema_url=f"https://{name}",
        scope_spans=[
            ScopeSpans(
                scope=InstrumentationScope(name=f"{name}.{at}", version="1"),
                schema_url=f"https://{name}/{at}",
                spans=spans,
            )
            for at, spans in enumerate(scopes)
        ],
    )


def read(pieces: Sequence[bytes]) -> list[ExportTraceServiceRequest]:
    return [ExportTraceServiceRequest.FromString(one) for one in pieces]


def rows(*requests: ExportTraceServiceRequest) -> list[tuple[str, ...]]:
    """Each span with all that stands above it, in order."""
    return [
        (
            one.resource.SerializeToString().hex(),
            one.schema_url,
            scope.scope.SerializeToString().hex(),
            scope.schema_url,
            span.SerializeToString().hex(),
        )
        for request in requests
        for one in request.resource_spans
        for scope in one.scope_spans
        for span in scope.spans
    ]


def names(piece: ExportTraceServiceRequest) -> list[str]:
    return [
        span.name
        for one in piece.resource_spans
        for scope in one.scope_spans
        for span in scope.spans
    ]


def test_a_small_batch_is_one_payload_as_it_stands() -> None:
    batch = request(group([span("a"), span("b")], "docs"), group([span("c")]))
    assert split(batch) == (batch.SerializeToString(),)


def test_no_span_is_no_payload() -> None:
    assert split(request()) == ()
    assert split(request(group([]))) == ()


def test_a_piece_holds_so_many_spans_at_most() -> None:
    batch = request(group([span(str(n)) for n in range(2 * PIECE_SPANS + 1)], "docs"))
    pieces = read(split(batch))
    assert [len(names(one)) for one in pieces] == [PIECE_SPANS, PIECE_SPANS, 1]
    assert rows(*pieces) == rows(batch)


def test_a_piece_is_about_so_large_at_most() -> None:
    batch = request(group([wide(str(n), 300_000) for n in range(8)], "docs"))
    payloads = split(batch)
    assert max(map(len, payloads)) < PIECE_BYTES + 1_000
    assert [len(names(one)) for one in read(payloads)] == [3, 3, 2]


def test_a_span_larger_than_a_piece_stands_alone() -> None:
    batch = request(group([span("a"), wide("b", 2 * PIECE_BYTES), span("c")], "docs"))
    assert [names(one) for one in read(split(batch))] == [["a"], ["b"], ["c"]]


def test_small_groups_share_a_piece() -> None:
    batch = request(*[a_group(f"g{n}", [span(str(n))], extra_bytes=500) for n in range(250)])
    pieces = read(split(batch))
    assert [len(one.resource_spans) for one in pieces] == [PIECE_SPANS, 50]
    assert rows(*pieces) == rows(batch)


def test_a_large_resource_is_not_repeated_for_small_spans() -> None:
    spans = [span(str(n)) for n in range(3_000)]
    batch = request(a_group("g", spans, extra_bytes=200_000))
    payloads = split(batch)
    assert sum(map(len, payloads)) < 2.1 * batch.ByteSize()
    assert rows(*read(payloads)) == rows(batch)


SPANS = st.lists(st.integers(0, 60).map(lambda size: wide(f"n{size}", size)), max_size=6)
GROUPS = st.lists(
    st.tuples(st.lists(SPANS, max_size=3), st.integers(0, 80)).map(
        lambda made: a_group(f"g{made[1]}", *made[0], extra_bytes=made[1])
    ),
    max_size=5,
)


@given(GROUPS, st.integers(1, 4), st.integers(1, 600))
def test_any_batch_comes_out_whole_and_in_order(
    groups: list[ResourceSpans], spans: int, size: int
) -> None:
    batch = request(*groups)
    payloads = split(batch, spans, size)
    pieces = read(payloads)
    assert rows(*pieces) == rows(batch)
    assert all(names(one) for one in pieces)
    assert sum(map(len, payloads)) <= 3 * batch.ByteSize() + 30 * len(rows(batch))


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**31, 2**62])
def test_whole_numbers_are_written_as_protobuf_writes_them(number: int) -> None:
    partial = ExportTracePartialSuccess(rejected_spans=number)
    assert whole_number(1, number) == partial.SerializeToString()
