"""Bodies of spans that the log does not hold (any more), from the tenant's Phoenix.

Source: Phoenix's REST, `GET /v1/projects/{project}/spans/otlpv1`. Rule: Roost's own read, with the
admin secret, of spans that the index has already found visible; the cell is woken for it.
"""

import binascii
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, cast
from urllib.parse import quote, urlencode

import msgspec
from aiohttp import ClientError
from msgspec import Struct
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from yarl import URL

from roost.cells.client import CellClient
from roost.errors import Unavailable
from roost.model import Tenant

SPANS_AT_ONCE = 50
ANSWER_BYTES_MAX = 128 * 1024 * 1024
_SILENT = "This tenant's Phoenix does not answer; it holds the body of this span. Try again."
_PROJECT = "query RoostProject($name: String!) { getProjectByName(name: $name) { id } }"
_UNFIT_FOR_A_PATH = "/?#"


class Connected(Protocol):
    """`cells.writer.CellWriter`."""

    @property
    def client(self) -> CellClient: ...


Connect = Callable[[Tenant], AbstractAsyncContextManager[Connected]]
"""Wakes the cell and keeps it awake until the block ends. Unavailable where it cannot."""


class _Value(Struct):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    bytes_value: str | None = None
    array_value: "_Array | None" = None


class _Array(Struct):
    values: list[_Value] | None = None


class _Pair(Struct):
    key: str | None = None
    value: _Value | None = None


class _Event(Struct):
    name: str | None = None
    time_unix_nano: int | str | None = None
    attributes: list[_Pair] | None = None


class _Status(Struct):
    code: int | None = None
    message: str | None = None


class _Span(Struct):
    trace_id: str
    span_id: str
    parent_span_id: str | None = None
    name: str | None = None
    start_time_unix_nano: int | str | None = None
    end_time_unix_nano: int | str | None = None
    attributes: list[_Pair] | None = None
    events: list[_Event] | None = None
    status: _Status | None = None


class _Page(Struct):
    data: list[_Span]


class _Node(Struct):
    id: str


class _Project(Struct):
    getProjectByName: _Node | None = None  # noqa: N815 - as GraphQL spells it


@dataclass(frozen=True, slots=True)
class CellSpans:
    connect: Connect

    async def spans(
        self, tenant: Tenant, project: str, trace_id: str, span_ids: Sequence[str]
    ) -> list[Span]:
        """Those of them that the cell holds, SPANS_AT_ONCE at most. Unavailable where it cannot be
        asked."""
        query = urlencode(
            {"trace_id": trace_id, "span_id": list(span_ids), "limit": len(span_ids)}, doseq=True
        )
        async with self.connect(tenant) as cell:
            place = await _place_of(cell.client, project)
            if place is None:
                return []
            path = f"/v1/projects/{quote(place, safe='')}/spans/otlpv1?{query}"
            content = await _got(cell.client, path)
        try:
            found = msgspec.json.decode(content, type=_Page).data if content else []
            return [_span(one) for one in found]
        except (msgspec.DecodeError, ValueError) as error:
            raise Unavailable(_SILENT, reason=f"spans as otlpv1: {error}", status=502) from None


async def _place_of(client: CellClient, project: str) -> str | None:
    """How a path names the project: by its name, or by its id where the name would not do."""
    if not any(one in project for one in _UNFIT_FOR_A_PATH):
        return project
    found = (await client.ask(_PROJECT, {"name": project}, _Project)).getProjectByName
    return None if found is None else found.id


async def _got(client: CellClient, path: str) -> bytes:
    """b"" for 404: Phoenix knows no such project."""
    headers = {"authorization": f"Bearer {client.admin_secret}"}
    url = URL(client.address + path, encoded=True)
    try:
        async with client.session.get(url, headers=headers, allow_redirects=False) as answer:
            chunks, size = [], 0
            async for chunk in answer.content.iter_any():
                chunks.append(chunk)
                size += len(chunk)
                if size > ANSWER_BYTES_MAX:
                    raise Unavailable(_SILENT, reason="the cell's answer is too large", status=502)
    except (ClientError, TimeoutError) as error:
        raise Unavailable(_SILENT, reason=f"otlpv1: {type(error).__name__}") from None
    if answer.status == 404:
        return b""
    if answer.status != 200:
        raise Unavailable(_SILENT, reason=f"otlpv1 was answered with {answer.status}")
    return b"".join(chunks)


def _span(one: _Span) -> Span:
    status = one.status or _Status()
    return Span(
        trace_id=binascii.unhexlify(one.trace_id),
        span_id=binascii.unhexlify(one.span_id),
        parent_span_id=binascii.unhexlify(one.parent_span_id or ""),
        name=one.name or "",
        start_time_unix_nano=int(one.start_time_unix_nano or 0),
        end_time_unix_nano=int(one.end_time_unix_nano or 0),
        attributes=_pairs(one.attributes),
        events=[
            Span.Event(
                name=event.name or "",
                time_unix_nano=int(event.time_unix_nano or 0),
                attributes=_pairs(event.attributes),
            )
            for event in one.events or ()
        ],
        status=Status(
            code=cast("Status.StatusCode.ValueType", status.code or 0),
            message=status.message or "",
        ),
    )


def _pairs(pairs: Sequence[_Pair] | None) -> list[KeyValue]:
    return [KeyValue(key=one.key or "", value=_value(one.value)) for one in pairs or ()]


def _value(value: _Value | None) -> AnyValue:
    if value is None:
        return AnyValue()
    if value.string_value is not None:
        return AnyValue(string_value=value.string_value)
    if value.bool_value is not None:
        return AnyValue(bool_value=value.bool_value)
    if value.int_value is not None:
        return AnyValue(int_value=int(value.int_value))
    if value.double_value is not None:
        return AnyValue(double_value=float(value.double_value))
    if value.bytes_value is not None:
        return AnyValue(string_value=value.bytes_value)
    if value.array_value is not None:
        values = [_value(one) for one in value.array_value.values or ()]
        return AnyValue(array_value=ArrayValue(values=values))
    return AnyValue()
