"""What an OTLP client is told of an error: google.rpc.Status, for HTTP and for gRPC.

Source: the OTLP specification, "Failures" and "OTLP/gRPC Throttling"; google/rpc/status.proto.
Rule: whoever may send the batch again is told when (RetryInfo), whoever may not gets a code that
no exporter tries again. The messages are put together by hand: their package is not needed for
three fields.
"""

from dataclasses import dataclass
from enum import IntEnum

import msgspec

from roost.errors import (
    BadRequest,
    NotAllowed,
    NotFound,
    NotSignedIn,
    RoostError,
    TooLarge,
    Unavailable,
)
from roost.ingest import wire
from roost.ingest.decode import Encoding

RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"


class Code(IntEnum):
    """google.rpc.Code, as far as it is used."""

    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class Status:
    """`retry_after_s` is 0 where the same batch would be refused again."""

    code: Code
    message: str
    retry_after_s: int = 0


def status_of(error: RoostError) -> Status:
    """
    >>> status_of(Unavailable("Full.", status=429, retry_after_s=7))
    Status(code=<Code.RESOURCE_EXHAUSTED: 8>, message='Full.', retry_after_s=7)
    """
    match error:
        case Unavailable():
            code = Code.RESOURCE_EXHAUSTED if error.status == 429 else Code.UNAVAILABLE
            return Status(code, error.message, error.retry_after_s)
        case NotSignedIn():
            code = Code.UNAUTHENTICATED
        case NotAllowed():
            code = Code.PERMISSION_DENIED
        case NotFound():
            code = Code.NOT_FOUND
        case BadRequest() if error.status == 501:
            code = Code.UNIMPLEMENTED
        case BadRequest() | TooLarge():
            code = Code.INVALID_ARGUMENT
        case _:
            code = Code.INTERNAL
    return Status(code, error.message)


def encoded(status: Status, encoding: Encoding) -> bytes:
    """The message in the encoding of the request."""
    return _as_json(status) if encoding is Encoding.JSON else as_protobuf(status)


def as_protobuf(status: Status) -> bytes:
    body = wire.whole_number(1, status.code) + wire.field(2, status.message.encode())
    if status.retry_after_s:
        detail = wire.field(1, RETRY_INFO.encode()) + wire.field(2, retry_info(status))
        body += wire.field(3, detail)
    return body


def retry_info(status: Status) -> bytes:
    """google.rpc.RetryInfo, in protobuf."""
    return wire.field(1, wire.whole_number(1, status.retry_after_s))


def _as_json(status: Status) -> bytes:
    said: dict[str, object] = {"code": int(status.code), "message": status.message}
    if status.retry_after_s:
        said["details"] = [{"@type": RETRY_INFO, "retryDelay": f"{status.retry_after_s}s"}]
    return msgspec.json.encode(said)
