"""OTLP over gRPC, as the real exporter and a bare channel meet it."""

import asyncio
import gzip
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import grpc
import grpc.aio
import pytest
import trustme
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from tests.ingest.spans import group, request, span

from roost.errors import ConfigError, NotAllowed, NotSignedIn, RoostError, Unavailable
from roost.ingest.decode import Limits
from roost.ingest.grpc import SERVICE, Certificate, GrpcIngest, serving
from roost.ingest.intake import Terms
from roost.ingest.mask import parse_mask
from roost.model import IngestGrant, TenantId

ACME = TenantId("t_acme")
TEAM = IngestGrant(project_pattern="team-*", default_project="team-a")
KEY = ("authorization", "Bearer rk_acme")
LIMIT_BYTES = 100_000
TERMS = Terms(Limits(LIMIT_BYTES, LIMIT_BYTES), parse_mask(["email"]))


@dataclass
class Roost:
    """Knows one key; its log takes spans unless `fault` is raised."""

    fault: Exception | None = None
    payloads: list[tuple[TenantId, bytes]] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)
    port: int = 0

    async def admit(self, authorization: str, peer: str) -> tuple[TenantId, IngestGrant]:
        self.peers.append(peer)
        if authorization == "Bearer rk_reader":
            raise NotAllowed("Sending spans needs a key with the scope `ingest`.")
        if authorization != "Bearer rk_acme":
            raise NotSignedIn("This key is not valid.")
        return ACME, TEAM

    async def sink(self, tenant: TenantId, payloads: tuple[bytes, ...]) -> None:
        if self.fault is not None:
            raise self.fault
        self.payloads += [(tenant, one) for one in payloads]

    @property
    def requests(self) -> list[ExportTraceServiceRequest]:
        return [ExportTraceServiceRequest.FromString(one) for _, one in self.payloads]

    def projects(self) -> list[str]:
        return [
            pair.value.string_value
            for one in self.requests
            for resource_spans in one.resource_spans
            for pair in resource_spans.resource.attributes
            if pair.key == "openinference.project.name"
        ]


@pytest.fixture
async def roost() -> AsyncIterator[Roost]:
    one = Roost()
    async with serving("127.0.0.1:0", GrpcIngest(one.admit, one.sink, TERMS)) as port:
        one.port = port
        yield one


async def export(
    roost: Roost,
    body: bytes,
    *metadata: tuple[str, str],
    compression: grpc.Compression = grpc.Compression.NoCompression,
    method: str = f"/{SERVICE}/Export",
) -> ExportTraceServiceResponse:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{roost.port}") as channel:
        call = channel.unary_unary(method)
        said = await call(body, metadata=metadata, compression=compression, timeout=20)
    return ExportTraceServiceResponse.FromString(said)


async def refused(
    roost: Roost, body: bytes, *metadata: tuple[str, str], **how: object
) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await export(roost, body, *metadata, **how)  # type: ignore[arg-type]
    return caught.value


def body_of(*groups: ResourceSpans) -> bytes:
    return request(*groups).SerializeToString()


BODY = body_of(group([span()], "team-b"))
COMPRESSIONS = list(grpc.Compression)


@pytest.mark.parametrize("compression", COMPRESSIONS, ids=lambda one: one.name)
async def test_the_python_exporter_is_understood(
    roost: Roost, compression: grpc.Compression
) -> None:
    await asyncio.to_thread(send_by_sdk, f"127.0.0.1:{roost.port}", compression)
    (tenant, payload), (sent,) = roost.payloads[0], roost.requests
    assert (tenant, roost.projects()) == (ACME, ["team-c"])
    (one,) = sent.resource_spans[0].scope_spans[0].spans
    assert one.name == "answer"
    assert b"ann@example.com" not in payload


async def test_the_python_exporter_waits_as_it_is_told_and_sends_again() -> None:
    one, faults = Roost(), [Unavailable("Full.", retry_after_s=1)]

    async def sink(tenant: TenantId, payloads: tuple[bytes, ...]) -> None:
        if faults:
            raise faults.pop()
        await one.sink(tenant, payloads)

    began = time.monotonic()
    async with serving("127.0.0.1:0", GrpcIngest(one.admit, sink, TERMS)) as port:
        compression = grpc.Compression.NoCompression
        await asyncio.to_thread(send_by_sdk, f"127.0.0.1:{port}", compression)
    assert (faults, one.projects()) == ([], ["team-c"])
    assert time.monotonic() - began >= 1


def send_by_sdk(address: str, compression: grpc.Compression) -> None:
    exporter = OTLPSpanExporter(
        address,
        insecure=True,
        headers=(KEY, ("x-project-name", "team-c")),
        compression=compression,
        timeout=20,
    )
    provider = TracerProvider(
        resource=Resource({"openinference.project.name": "team-b"}), shutdown_on_exit=False
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("app").start_as_current_span("answer") as root:
        root.set_attribute("input.value", "✓ ann@example.com" * 100)
    provider.shutdown()


@pytest.mark.parametrize("compression", COMPRESSIONS, ids=lambda one: one.name)
async def test_a_batch_is_taken_however_it_is_compressed(
    roost: Roost, compression: grpc.Compression
) -> None:
    said = await export(roost, BODY, KEY, compression=compression)
    assert not said.HasField("partial_success")
    assert roost.requests == [request(group([span()], "team-b"))]
    assert roost.peers[0].startswith("ipv4:127.0.0.1:")


async def test_a_part_outside_the_keys_pattern_is_told(roost: Roost) -> None:
    body = body_of(group([span()], "globex"), group([span()]))
    partial = (await export(roost, body, KEY)).partial_success
    assert (partial.rejected_spans, roost.projects()) == (1, ["team-a"])
    assert "'team-*'" in partial.error_message


async def test_nothing_is_a_batch_too(roost: Roost) -> None:
    assert await export(roost, b"", KEY) == ExportTraceServiceResponse()
    assert roost.payloads == []


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        pytest.param([], "UNAUTHENTICATED", id="no key"),
        pytest.param([("authorization", "Bearer x")], "UNAUTHENTICATED", id="not a key"),
        pytest.param([("authorization", "Bearer rk_reader")], "PERMISSION_DENIED", id="a reader"),
        pytest.param([KEY, KEY], "INVALID_ARGUMENT", id="two keys"),
        pytest.param([KEY, ("x-project-name", "")], "INVALID_ARGUMENT", id="no project"),
        pytest.param([KEY, ("x-project-name", "globex")], "INVALID_ARGUMENT", id="not theirs"),
    ],
)
async def test_who_may_not_send_hears_it_by_code(
    roost: Roost, metadata: Sequence[tuple[str, str]], code: str
) -> None:
    error = await refused(roost, BODY, *metadata)
    assert error.code().name == code
    assert roost.payloads == []


@pytest.mark.parametrize(
    ("body", "compression"),
    [
        pytest.param(b"\xff garbage", grpc.Compression.NoCompression, id="garbage"),
        pytest.param(b'{"resourceSpans": []}', grpc.Compression.NoCompression, id="JSON"),
        pytest.param(bytes(2 * LIMIT_BYTES), grpc.Compression.Gzip, id="a bomb"),
        pytest.param(bytes(2 * LIMIT_BYTES), grpc.Compression.Deflate, id="a deflated bomb"),
        pytest.param(gzip.compress(BODY)[:-9], grpc.Compression.NoCompression, id="cut off"),
    ],
)
async def test_a_body_that_is_none_is_an_invalid_argument(
    roost: Roost, body: bytes, compression: grpc.Compression
) -> None:
    error = await refused(roost, body, KEY, compression=compression)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details()


async def test_a_body_over_the_limit_is_not_read(roost: Roost) -> None:
    error = await refused(roost, bytes(LIMIT_BYTES + 1), KEY)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in (error.details() or "")
    assert await export(roost, BODY, KEY) == ExportTraceServiceResponse()


def told(error: grpc.aio.AioRpcError) -> tuple[Status, RetryInfo | None]:
    trailing = dict(error.trailing_metadata() or ())
    status = Status.FromString(trailing["grpc-status-details-bin"])
    retry = RetryInfo()
    if not status.details:
        assert "google.rpc.retryinfo-bin" not in trailing
        return status, None
    (detail,) = status.details
    assert detail.Unpack(retry)
    assert RetryInfo.FromString(trailing["google.rpc.retryinfo-bin"]) == retry
    return status, retry


@pytest.mark.parametrize(
    ("fault", "code", "retry_s"),
    [
        (Unavailable("Full.", retry_after_s=7), "UNAVAILABLE", 7),
        (Unavailable("Over the quota.", status=429, retry_after_s=9), "RESOURCE_EXHAUSTED", 9),
        (RoostError("Phoenix refused the batch"), "INTERNAL", None),
    ],
    ids=["full", "over the quota", "refused"],
)
async def test_a_client_is_told_when_to_come_again(
    roost: Roost, fault: RoostError, code: str, retry_s: int | None
) -> None:
    roost.fault = fault
    error = await refused(roost, BODY, KEY)
    status, retry = told(error)
    assert (error.code().name, error.details()) == (code, fault.message)
    assert (status.code, status.message) == (error.code().value[0], fault.message)
    assert (retry.retry_delay.seconds if retry else None) == retry_s


async def test_an_unexpected_error_shows_a_number_alone(
    roost: Roost, caplog: pytest.LogCaptureFixture
) -> None:
    roost.fault = KeyError("/secret/path")
    error = await refused(roost, BODY, KEY)
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in str(error)
    assert any(one.exc_info for one in caplog.records if one.levelno == logging.ERROR)


@pytest.mark.parametrize(
    ("service", "says"),
    [("logs.v1.LogsService", "no logs"), ("metrics.v1.MetricsService", "no metrics")],
)
async def test_other_signals_are_refused_with_a_clear_text(
    roost: Roost, service: str, says: str
) -> None:
    method = f"/opentelemetry.proto.collector.{service}/Export"
    error = await refused(roost, b"", KEY, method=method)
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert says in (error.details() or "")
    anonymous = await refused(roost, b"", method=method)
    assert anonymous.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_more_at_once_than_may_be_held_are_told_to_come_again() -> None:
    one, entered, go_on = Roost(), asyncio.Event(), asyncio.Event()

    async def slow(tenant: TenantId, payloads: tuple[bytes, ...]) -> None:
        entered.set()
        await go_on.wait()

    async with serving("127.0.0.1:0", GrpcIngest(one.admit, slow, TERMS, at_once=1)) as port:
        one.port = port
        first = asyncio.create_task(export(one, BODY, KEY))
        await entered.wait()
        error = await refused(one, BODY, KEY)
        assert (error.code().name, told(error)[1] is not None) == ("UNAVAILABLE", True)
        go_on.set()
        await first
        assert await export(one, BODY, KEY) == ExportTraceServiceResponse()


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    one = Roost()
    ingest = GrpcIngest(one.admit, one.sink, TERMS, read_timeout_s=0.05)
    async with serving("127.0.0.1:0", ingest) as port, AsyncExitStack() as stack:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        await stack.enter_async_context(channel)
        call = channel.stream_unary(f"/{SERVICE}/Export")(metadata=(KEY,), timeout=20)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_makes_it_tls() -> None:
    one, authority = Roost(), trustme.CA()
    leaf = authority.issue_cert("localhost")
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    certificate = Certificate(leaf.private_key_pem.bytes(), chain)
    ingest = GrpcIngest(one.admit, one.sink, TERMS)
    async with serving("127.0.0.1:0", ingest, certificate) as port:
        trusted = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
        async with grpc.aio.secure_channel(f"localhost:{port}", trusted) as channel:
            await channel.unary_unary(f"/{SERVICE}/Export")(BODY, metadata=(KEY,), timeout=20)
    assert len(one.payloads) == 1


async def test_a_port_that_is_taken_is_a_finding(roost: Roost) -> None:
    ingest = GrpcIngest(roost.admit, roost.sink, TERMS)
    with pytest.raises(ConfigError, match=f"127.0.0.1:{roost.port}"):
        async with serving(f"127.0.0.1:{roost.port}", ingest):
            pass
