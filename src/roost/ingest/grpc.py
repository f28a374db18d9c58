"""OTLP over gRPC: the same way into the log as OTLP over HTTP.

Source: the OTLP specification, "OTLP/gRPC". Rule 1: nothing of a body is read before its sender is
known, and gRPC inflates nothing itself: a body meets the limits that it meets over HTTP. Rule 2:
no error leaves here but as a code that says whether to send again, with the same clear text.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn, Protocol

import grpc
import grpc.aio

from roost.errors import BadRequest, ConfigError, NotSignedIn, RoostError, Unavailable
from roost.ingest import intake, status
from roost.ingest.intake import Batch, Sink, Terms
from roost.ingest.workbench import Workbench
from roost.model import IngestGrant, TenantId

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
OTHER_SERVICES = {
    "opentelemetry.proto.collector.logs.v1.LogsService": intake.LOGS_NOT_TAKEN,
    "opentelemetry.proto.collector.metrics.v1.MetricsService": intake.METRICS_NOT_TAKEN,
}
_GRACE_S = 5.0
_RETRY_AFTER_S = 2
_IDLE_CONNECTION_MS = 10 * 60 * 1_000
_CODES = {code.value[0]: code for code in grpc.StatusCode}

log = logging.getLogger("roost.ingest")

Admit = Callable[[str, str], Awaitable[tuple[TenantId, IngestGrant]]]
"""Takes the `authorization` ("Bearer rk_…") and the peer's address (`ipv4:127.0.0.1:4242`); raises
NotSignedIn, NotAllowed for a key without the scope `ingest`, or Unavailable (429, 503)."""

Metadata = Sequence[tuple[str, str | bytes]]


class Context(Protocol):
    """What gRPC gives a handler."""

    def invocation_metadata(self) -> Metadata | None: ...
    def peer(self) -> str: ...
    async def read(self) -> object: ...
    async def abort(self, code: object, details: str, trailing_metadata: Metadata) -> NoReturn: ...


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM: the key, and the chain that begins with its certificate."""

    key: bytes = field(repr=False)
    chain: bytes


@dataclass(slots=True)
class GrpcIngest:
    """`at_once` bodies are held at a time; who comes later is told to come again."""

    admit: Admit
    sink: Sink
    terms: Terms
    bench: Workbench = field(default_factory=Workbench)
    at_once: int = 64
    read_timeout_s: float = 60.0
    _held: int = 0

    async def export(self, _: object, context: Context) -> bytes:
        return await _answered(self._export(context), context)

    async def refuse(self, text: str, _: object, context: Context) -> bytes:
        return await _answered(self._refuse(text, context), context)

    async def _export(self, context: Context) -> bytes:
        tenant, grant = await self._sender(context)
        if self._held >= self.at_once:
            raise Unavailable(
                "Too many batches at once; send this one again.", retry_after_s=_RETRY_AFTER_S
            )
        self._held += 1
        try:
            return await self._take(tenant, grant, context)
        finally:
            self._held -= 1

    async def _take(self, tenant: TenantId, grant: IngestGrant, context: Context) -> bytes:
        body = await self._body(context)
        batch = Batch(
            body,
            content_encoding=compression_of(body),
            project=_one(context, "x-project-name"),
        )
        work = partial(intake.prepare, batch, grant, self.terms)
        prepared = await self.bench.run(batch.work_bytes, work)
        await intake.receive(tenant, prepared, self.sink)
        return intake.response(prepared).SerializeToString()

    async def _refuse(self, text: str, context: Context) -> bytes:
        await self._sender(context)
        raise BadRequest(text, status=501)

    async def _sender(self, context: Context) -> tuple[TenantId, IngestGrant]:
        authorization = _one(context, "authorization")
        if authorization is None:
            raise NotSignedIn(
                "Send a Roost key as metadata: `authorization: Bearer rk_…`.", reason="no proof"
            )
        return await self.admit(authorization, context.peer())

    async def _body(self, context: Context) -> bytes:
        try:
            async with asyncio.timeout(self.read_timeout_s):
                message = await context.read()
        except TimeoutError:
            raise Unavailable("The batch did not arrive in time; send it again.") from None
        if not isinstance(message, bytes):
            raise BadRequest("The call ended before its message did.")
        return message


@asynccontextmanager
async def serving(
    address: str, ingest: GrpcIngest, certificate: Certificate | None = None
) -> AsyncIterator[int]:
    """Listens on `host:port` while the block runs; the port, which differs where it was 0.
    ConfigError where it cannot be listened on."""
    limit = ingest.terms.limits.body_bytes
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", limit),
            ("grpc.per_message_decompression", 0),
            ("grpc.so_reuseport", 0),
            ("grpc.max_connection_idle_ms", _IDLE_CONNECTION_MS),
        ]
    )
    server.add_generic_rpc_handlers(_handlers(ingest))
    port = _listen(server, address, certificate)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(_GRACE_S)


def compression_of(body: bytes) -> str:
    """What gRPC's client did to the message, which only shows in its first bytes: neither gzip's
    nor zlib's are those of a trace request, which begins with field 1.

    >>> compression_of(b"\\x1f\\x8b\\x08"), compression_of(b"\\x78\\x9c"), compression_of(b"\\x0a")
    ('gzip', 'deflate', '')
    """
    if body.startswith(b"\x1f\x8b"):
        return "gzip"
    is_zlib = body.startswith(b"\x78") and int.from_bytes(body[:2], "big") % 31 == 0
    return "deflate" if is_zlib else ""


def _handlers(ingest: GrpcIngest) -> tuple[object, ...]:
    """As if requests were streams: such a handler runs before the message is read."""
    behaviours = {SERVICE: ingest.export} | {
        service: partial(ingest.refuse, text) for service, text in OTHER_SERVICES.items()
    }
    return tuple(
        grpc.method_handlers_generic_handler(
            service, {"Export": grpc.stream_unary_rpc_method_handler(behaviour)}
        )
        for service, behaviour in behaviours.items()
    )


class _Server(Protocol):
    def add_insecure_port(self, address: str) -> int: ...
    def add_secure_port(self, address: str, credentials: object) -> int: ...


def _listen(server: _Server, address: str, certificate: Certificate | None) -> int:
    try:
        if certificate is None:
            return server.add_insecure_port(address)
        pair = (certificate.key, certificate.chain)
        return server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
    except RuntimeError as error:
        finding = f"gRPC cannot listen on {address}: choose another address, or free this one"
        raise ConfigError([finding]) from error


async def _answered(work: Awaitable[bytes], context: Context) -> bytes:
    """What `work` gives, or its error as a code. This is where errors end, as `http.problems` is
    for HTTP: gRPC itself would tell the client what they say."""
    try:
        return await work
    except RoostError as error:
        log.info("%s: %s", error.status, error.reason or error.message)
        failure = status.status_of(error)
    except Exception as error:
        number = secrets.token_hex(4)
        log.error("unexpected error %s", number, exc_info=error)
        text = f"Something went wrong in Roost; its log has it under {number}."
        failure = status.status_of(RoostError(text))
    return await context.abort(_CODES[failure.code], failure.message, _details(failure))


def _details(failure: status.Status) -> Metadata:
    """RetryInfo stands in the status, as OTLP wants it, and alone, as Python's exporter does."""
    details = [("grpc-status-details-bin", status.as_protobuf(failure))]
    if failure.retry_after_s:
        details.append(("google.rpc.retryinfo-bin", status.retry_info(failure)))
    return tuple(details)


def _one(context: Context, name: str) -> str | None:
    """The one value of that metadata; twice would be a guess."""
    values = [value for key, value in context.invocation_metadata() or () if key == name]
    if len(values) > 1:
        raise BadRequest(f"The metadata {name} is given more than once.")
    return values[0] if values and isinstance(values[0], str) else None
