import gzip
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from tests.ingest.spans import JSON, PROTOBUF, as_json, group, request, span

from roost.errors import BadRequest, Unavailable
from roost.ingest.decode import Encoding
from roost.ingest.intake import (
    Batch,
    Prepared,
    Rejected,
    Sink,
    Terms,
    answer,
    prepare,
    receive,
)
from roost.ingest.mask import parse_mask
from roost.ingest.split import PIECE_SPANS
from roost.model import IngestGrant, TenantId

ACME = TenantId("t_acme")
ANY = IngestGrant()
TEAM = IngestGrant(project_pattern="team-*", default_project="team-a")


def prepared(
    *groups: ResourceSpans, header: str | None = None, grant: IngestGrant = ANY
) -> Prepared:
    body = request(*groups).SerializeToString()
    return prepare(Batch(body, project=header), grant, Terms())


def sent(batch: Prepared) -> ExportTraceServiceRequest:
    (payload,) = batch.payloads
    return ExportTraceServiceRequest.FromString(payload)


def projects(batch: Prepared) -> list[list[str]]:
    """Of each ResourceSpans, every project it names."""
    return [
        [
            pair.value.string_value
            for pair in one.resource.attributes
            if pair.key == "openinference.project.name"
        ]
        for one in sent(batch).resource_spans
    ]


@pytest.mark.parametrize(
    ("named", "header", "stamped"),
    [
        pytest.param([], None, "team-a", id="the default"),
        pytest.param(["team-b"], None, "team-b", id="the resource's own"),
        pytest.param(["team-b"], "team-c", "team-c", id="the header's"),
        pytest.param(["team-b", "globex"], None, "team-b", id="the first of two"),
    ],
)
def test_each_group_leaves_with_one_project(
    named: list[str], header: str | None, stamped: str
) -> None:
    batch = prepared(group([span()], *named), header=header, grant=TEAM)
    assert projects(batch) == [[stamped]]
    assert batch.accepted == 1


def test_a_group_without_a_resource_is_stamped() -> None:
    bare = group([span()])
    bare.ClearField("resource")
    assert projects(prepared(bare)) == [["default"]]


def test_what_is_not_the_project_is_left_as_it_was() -> None:
    one = group([span("a"), span("b")], "docs")
    assert sent(prepared(one)) == request(one)


def test_a_group_outside_the_pattern_is_no_loss_to_the_others() -> None:
    batch = prepared(
        group([span("a")], "team-b"),
        group([span("b"), span("c")], "globex"),
        group([span("d")]),
        grant=TEAM,
    )
    assert projects(batch) == [["team-b"], ["team-a"]]
    assert batch.accepted == 2
    (refused,) = batch.rejected
    assert (refused.project, refused.count) == ("globex", 2)
    assert "'team-*'" in refused.reason


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(span(trace_id=b""), id="no trace id"),
        pytest.param(span(trace_id=bytes(16)), id="a trace id of zeros"),
        pytest.param(span(trace_id=b"t" * 8), id="a short trace id"),
        pytest.param(span(span_id=b""), id="no span id"),
        pytest.param(span(span_id=bytes(8)), id="a span id of zeros"),
        pytest.param(span(span_id=b"s" * 9), id="a long span id"),
        pytest.param(Span(trace_id=b"t" * 16, span_id=b"s" * 8, parent_span_id=b"p"), id="parent"),
    ],
)
def test_a_span_without_valid_ids_is_no_loss_to_the_others(bad: Span) -> None:
    batch = prepared(group([span("a"), bad, span("b")]))
    names = [one.name for one in sent(batch).resource_spans[0].scope_spans[0].spans]
    assert names == ["a", "b"]
    assert batch.accepted == 2
    assert [one.count for one in batch.rejected] == [1]


def test_a_malformed_id_in_json_is_no_loss_to_the_others() -> None:
    body = as_json(request(group([span("a"), span("b")]))).replace(b"74" * 16, b"xy" * 16, 1)
    batch = prepare(Batch(body, JSON), ANY, Terms())
    assert (batch.accepted, sum(one.count for one in batch.rejected)) == (1, 1)


def test_a_parent_of_zeros_is_no_parent() -> None:
    root = Span(trace_id=b"t" * 16, span_id=b"s" * 8, parent_span_id=bytes(8))
    batch = prepared(group([root]))
    assert sent(batch).resource_spans[0].scope_spans[0].spans[0].parent_span_id == b""


def test_a_batch_of_which_nothing_is_taken_is_a_400_that_says_why() -> None:
    with pytest.raises(BadRequest, match=r"1 spans: .*'team-\*'") as caught:
        prepared(group([span()], "globex"), grant=TEAM)
    assert caught.value.status == 400


def test_nothing_to_take_is_success() -> None:
    assert answer(prepared(), Encoding.PROTOBUF).body == b""


REFUSED = (Rejected("globex", "not yours", 2), Rejected("", "no id", 1))


def test_full_success_leaves_partial_success_unset() -> None:
    full = Prepared((b"x",), 1, ())
    response = ExportTraceServiceResponse.FromString(answer(full, Encoding.PROTOBUF).body)
    assert not response.HasField("partial_success")
    assert answer(full, Encoding.JSON).body == b"{}"


def test_partial_success_is_told_in_protobuf() -> None:
    told = answer(Prepared((b"x",), 1, REFUSED), Encoding.PROTOBUF)
    partial = ExportTraceServiceResponse.FromString(told.body).partial_success
    assert told.content_type == PROTOBUF
    assert partial.rejected_spans == 3
    assert partial.error_message == "2 spans: not yours; 1 spans: no id"


def test_partial_success_is_told_in_json() -> None:
    told = answer(Prepared((b"x",), 1, REFUSED), Encoding.JSON)
    assert told.content_type == JSON
    assert json.loads(told.body) == {
        "partialSuccess": {
            "rejectedSpans": "3",
            "errorMessage": "2 spans: not yours; 1 spans: no id",
        }
    }


def test_a_long_list_of_reasons_is_cut() -> None:
    many = tuple(Rejected(f"p{n}", f"reason {n}", 1) for n in range(9))
    told = json.loads(answer(Prepared((b"x",), 1, many), Encoding.JSON).body)["partialSuccess"]
    assert told["rejectedSpans"] == "9"
    assert told["errorMessage"].endswith("reason 4; and 4 more reasons")


Kept = list[tuple[TenantId, tuple[bytes, ...]]]


def keeping(kept: Kept) -> Sink:
    async def sink(tenant: TenantId, payloads: tuple[bytes, ...]) -> None:
        kept.append((tenant, payloads))

    return sink


async def test_the_sink_has_the_payloads_when_they_are_received() -> None:
    kept: Kept = []
    batch = prepared(group([span()]))
    await receive(ACME, batch, keeping(kept))
    assert kept == [(ACME, batch.payloads)]


async def test_what_the_sink_does_not_take_is_not_acknowledged() -> None:
    async def full(tenant: TenantId, payloads: tuple[bytes, ...]) -> None:
        raise Unavailable("full")

    with pytest.raises(Unavailable):
        await receive(ACME, prepared(group([span()])), full)


async def test_an_empty_batch_wakes_nobody() -> None:
    kept: Kept = []
    await receive(ACME, prepared(), keeping(kept))
    assert kept == []


def test_a_large_batch_becomes_several_payloads_stamped_alike() -> None:
    batch = prepared(group([span(str(n)) for n in range(PIECE_SPANS + 1)], "docs"))
    read = [ExportTraceServiceRequest.FromString(one) for one in batch.payloads]
    assert [len(one.resource_spans[0].scope_spans[0].spans) for one in read] == [PIECE_SPANS, 1]
    stamped = [one.resource_spans[0].resource.attributes[-1].value.string_value for one in read]
    assert (batch.accepted, stamped) == (PIECE_SPANS + 1, ["docs", "docs"])


def test_the_project_is_chosen_before_the_resource_is_masked() -> None:
    body = request(group([span("to ann@example.com")], "team-b")).SerializeToString()
    terms = Terms(mask=parse_mask(["email", "keys:openinference.project", "keys:service"]))
    batch = prepare(Batch(body), TEAM, terms)
    assert projects(batch) == [["team-b"]]
    assert not any(word in batch.payloads[0] for word in (b"ann@", b"assistant"))


class Collector(ThreadingHTTPServer):
    """Answers an OTLP exporter by `prepare`, as Roost does, and keeps the batches."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.batches: list[Prepared] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/traces"


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        sent = Batch(
            self.rfile.read(int(self.headers["content-length"])),
            self.headers["content-type"],
            self.headers.get("content-encoding", ""),
            self.headers.get("x-project-name"),
        )
        batch = prepare(sent, TEAM, Terms())
        self.server.batches.append(batch)
        told = answer(batch, Encoding.PROTOBUF)
        self.send_response(200)
        self.send_header("content-type", told.content_type)
        self.send_header("content-length", str(len(told.body)))
        self.end_headers()
        self.wfile.write(told.body)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("compression", list(Compression))
def test_the_python_exporter_is_understood(collector: Collector, compression: Compression) -> None:
    exporter = OTLPSpanExporter(collector.url, compression=compression)
    provider = TracerProvider(
        resource=Resource({"openinference.project.name": "team-b"}), shutdown_on_exit=False
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("app").start_as_current_span("answer") as root:
        root.set_attribute("input.value", "✓" * 100)
    provider.shutdown()
    (batch,) = collector.batches
    assert projects(batch) == [["team-b"]]
    assert (batch.accepted, batch.rejected) == (1, ())


def test_gzip_and_plain_give_the_same_batch() -> None:
    body = request(group([span()], "docs")).SerializeToString()
    plain = prepare(Batch(body), ANY, Terms())
    assert prepare(Batch(gzip.compress(body), PROTOBUF, "gzip"), ANY, Terms()) == plain
