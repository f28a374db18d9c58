"""The body of an OTLP/HTTP trace export, whatever its encoding, as one protobuf message.

Source: the OTLP specification, "OTLP/HTTP Request". Rule: nothing grows without a bound: the body,
what it inflates to, and what it parses to are each limited before the next step is paid for.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from google.protobuf.message import DecodeError
from isal import isal_zlib
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from roost.errors import BadRequest, TooLarge
from roost.ingest import otlp_json, otlp_shape

MEBIBYTE = 2**20


class Encoding(StrEnum):
    """How a request is written; its value is the content type, and the answer has the same."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Limits:
    """20 MiB is what the OTLP specification recommends, before and after inflation. `spans` counts
    every ResourceSpans and ScopeSpans too; `json_objects` counts opening braces, since an object of
    two bytes takes hundreds in memory."""

    body_bytes: int = 20 * MEBIBYTE
    inflated_bytes: int = 20 * MEBIBYTE
    json_objects: int = 500_000
    spans: int = 100_000


_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def decode(
    body: bytes, content_type: str, content_encoding: str, limits: Limits
) -> ExportTraceServiceRequest:
    """The request, however it was written.

    Raises TooLarge (413) over a limit, BadRequest with status 415 for a type or an encoding that
    is not taken, with 400 for a body that is not what its headers say.
    """
    encoding = encoding_of(content_type)
    if len(body) > limits.body_bytes:
        raise TooLarge(f"the body is larger than {limits.body_bytes} bytes; send smaller batches")
    plain = inflate(body, content_encoding, limits.inflated_bytes)
    read = _read_json if encoding is Encoding.JSON else _read_protobuf
    return read(plain, limits)


def encoding_of(content_type: str) -> Encoding:
    """
    >>> encoding_of("Application/JSON; charset=utf-8")
    <Encoding.JSON: 'application/json'>
    """
    kind = content_type.partition(";")[0].strip().lower()
    try:
        return Encoding(kind)
    except ValueError:
        raise BadRequest(
            f"content type {kind or '(none)'!r} is not taken; send traces as"
            f" {Encoding.PROTOBUF} or {Encoding.JSON}",
            status=415,
        ) from None


def inflate(body: bytes, content_encoding: str, limit: int) -> bytes:
    """The plain body of at most `limit` bytes; no more than that is ever inflated.

    By ISA-L: the bounds and checksums of zlib in 40 % of its time.
    """
    name = content_encoding.strip().lower()
    if name in ("", "identity"):
        return _within(body, limit)
    if name not in _WINDOW_BITS:
        raise BadRequest(
            f"content encoding {name!r} is not taken; send gzip, deflate or none", status=415
        )
    stream = isal_zlib.decompressobj(_WINDOW_BITS[name])
    try:
        plain = _within(stream.decompress(body, limit + 1), limit)
    # Its stub calls the class an instance.
    except isal_zlib.error as error:  # type: ignore[misc]
        raise BadRequest(f"the body is not {name}, though its header says so: {error}") from None
    if not stream.eof:
        raise BadRequest(f"the {name} body ends too early")
    if stream.unused_data:
        raise BadRequest(f"{len(stream.unused_data)} bytes follow the end of the {name} body")
    return plain


def _within(plain: bytes, limit: int) -> bytes:
    if len(plain) > limit:
        raise TooLarge(f"the body inflates to more than {limit} bytes; send smaller batches")
    return plain


def _read_protobuf(plain: bytes, limits: Limits) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(plain)
    except DecodeError:
        raise BadRequest(
            "the body is not a protobuf ExportTraceServiceRequest"
            f" ({len(plain)} bytes{_looks_like_json(plain)})"
        ) from None
    _check_spans(_sizes(request), limits.spans)
    return request


def _looks_like_json(plain: bytes) -> str:
    """
    >>> _looks_like_json(b' {"resourceSpans": []}')
    "; it looks like JSON: say 'content-type: application/json'"
    """
    is_json = plain.lstrip()[:1] == b"{"
    return f"; it looks like JSON: say 'content-type: {Encoding.JSON}'" if is_json else ""


def _read_json(plain: bytes, limits: Limits) -> ExportTraceServiceRequest:
    if plain.count(b"{") > limits.json_objects:
        raise TooLarge(f"the JSON holds more than {limits.json_objects} objects; send protobuf")
    try:
        parsed = otlp_json.parse(plain)
        _check_spans(otlp_shape.sizes(parsed), limits.spans)
        return otlp_json.convert(parsed)
    except otlp_json.Fault as fault:
        raise BadRequest(f"the body is not an OTLP trace request in JSON: {fault}") from None


def _sizes(request: ExportTraceServiceRequest) -> Iterator[int]:
    for group in request.resource_spans:
        yield 1
        for scope in group.scope_spans:
            yield 1 + len(scope.spans)


def _check_spans(sizes: Iterable[int], limit: int) -> None:
    count = 0
    for size in sizes:
        count += size
        if count > limit:
            raise TooLarge(f"the batch holds more than {limit} spans; send smaller batches")
