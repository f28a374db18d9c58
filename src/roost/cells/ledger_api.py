"""The spans that an attached cell holds, by its REST, in the order in which it has stored them.

Rule: as `ledger_spans`, row by row; a page is asked of each project, since Phoenix lists spans by
project alone. About 1 ms a span.
"""

import base64
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from roost.cells.client import CellClient
from roost.cells.ledger_attributes import pairs_of
from roost.cells.ledger_file import EPOCH
from roost.cells.ledger_identity import CellIdentity
from roost.cells.ledger_spans import SpanKey
from roost.errors import Unavailable
from roost.log.records import LoggedSpan

PAGE = 100
_PROJECTS = 1_000
_UNREADABLE = "This tenant's Phoenix does not list its spans just now."
_CODES = {"OK": Status.STATUS_CODE_OK, "ERROR": Status.STATUS_CODE_ERROR}
_MICRO = timedelta(microseconds=1)

T = TypeVar("T")

log = logging.getLogger("roost.ledger")


class _Project(Struct):
    id: str
    name: str


class _Projects(Struct):
    data: list[_Project]


class _Context(Struct):
    trace_id: str
    span_id: str


class _Event(Struct):
    name: str
    timestamp: datetime
    attributes: dict[str, Any]


class _Span(Struct):
    id: str
    name: str
    context: _Context
    span_kind: str
    parent_id: str | None
    start_time: datetime
    end_time: datetime
    status_code: str
    status_message: str
    attributes: dict[str, Any]
    events: list[_Event]

    @property
    def key(self) -> SpanKey:
        return SpanKey(_row(self.id), self.context.span_id, self.context.trace_id)


class _Spans(Struct):
    data: list[_Span]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class _Node:
    id: str


@dataclass(frozen=True, slots=True)
class _Made:
    createdAt: str  # noqa: N815 - as GraphQL spells it


@dataclass(slots=True)
class ApiSpans:
    """What `keys` has listed is remembered for `spans`, until it is asked again."""

    client: CellClient
    _listed: dict[int, LoggedSpan] = field(default_factory=dict)

    async def keys(self, after: int, limit: int) -> list[SpanKey]:
        """Those behind that row, in order; whoever comes to an empty list has seen all."""
        limit = min(limit, PAGE)
        projects = await self._get("/v1/projects", _Projects, **_EVERY_PROJECT)
        found: list[tuple[SpanKey, LoggedSpan | None]] = []
        known_up_to: list[int] = []
        for project in projects.data:
            page = await self._page(project, after, limit)
            found += [(one.key, _logged(one, project.name)) for one in page.data]
            if page.next_cursor is not None:
                known_up_to.append(page.data[-1].key.row)
        found.sort(key=lambda one: one[0].row)
        whole = [one for one in found if one[0].row <= min(known_up_to, default=one[0].row)]
        self._listed = {key.row: span for key, span in whole if span is not None}
        return [key for key, _ in whole]

    async def is_at(self, key: SpanKey) -> bool:
        query = "query RoostSpan($id: String!) { span: getSpanByOtelId(spanId: $id) { id } }"
        said = await self.client.ask(query, {"id": key.span_id}, dict[str, _Node | None])
        return any(one is not None and _row(one.id) == key.row for one in said.values())

    async def spans(self, rows: Sequence[int]) -> list[LoggedSpan]:
        return [self._listed[row] for row in rows if row in self._listed]

    async def _page(self, project: _Project, after: int, limit: int) -> _Spans:
        cursor = base64.b64encode(f"Span:{after + 1}".encode()).decode()
        query = {"sort": "id", "order": "asc", "cursor": cursor, "limit": str(limit)}
        return await self._get(f"/v1/projects/{project.id}/spans", _Spans, **query)

    async def _get(self, path: str, shape: type[T], **query: str) -> T:
        async with self.client.get(path, query, as_admin=True) as answer:
            body = await answer.read()
            if answer.status != 200:
                raise Unavailable(_UNREADABLE, reason=f"{path} answered {answer.status}")
        try:
            return msgspec.json.decode(body, type=shape)
        except msgspec.MsgspecError as error:
            raise Unavailable(_UNREADABLE, reason=f"{path}: {error}") from None


_EVERY_PROJECT = {
    "limit": str(_PROJECTS),
    "include_experiment_projects": "true",
    "include_dataset_evaluator_projects": "true",
}


@dataclass(frozen=True, slots=True)
class ApiIdentity:
    """An attached cell's: where it is, and when its first project was made, which Phoenix lets
    nobody delete."""

    client: CellClient

    async def look(self) -> CellIdentity:
        query = 'query RoostAge { project: getProjectByName(name: "default") { createdAt } }'
        said = await self.client.ask(query, {}, dict[str, _Made | None])
        made = next((one.createdAt for one in said.values() if one is not None), "")
        return CellIdentity(first_project=made, account="", file=self.client.address)


def _logged(one: _Span, project: str) -> LoggedSpan | None:
    if not one.key.is_plain:
        return None
    try:
        span = Span(
            trace_id=bytes.fromhex(one.context.trace_id),
            span_id=bytes.fromhex(one.context.span_id),
            parent_span_id=bytes.fromhex(one.parent_id or ""),
            name=one.name,
            start_time_unix_nano=_nanos(one.start_time),
            end_time_unix_nano=_nanos(one.end_time),
            attributes=pairs_of({**one.attributes, "openinference.span.kind": one.span_kind}),
            status=Status(
                code=_CODES.get(one.status_code, Status.STATUS_CODE_UNSET),
                message=one.status_message,
            ),
            events=[_event(event) for event in one.events],
        )
    except (ValueError, TypeError, RecursionError):
        log.warning("span %s of the cell cannot be read", one.context.span_id)
        return None
    return LoggedSpan(0, project, (), "", span)


def _event(one: _Event) -> Span.Event:
    return Span.Event(
        name=one.name,
        time_unix_nano=_nanos(one.timestamp),
        attributes=pairs_of(one.attributes),
    )


def _nanos(time: datetime) -> int:
    return (time - EPOCH) // _MICRO * 1000


def _row(relay_id: str) -> int:
    """
    >>> _row("U3BhbjoxMg==")
    12
    """
    return int(base64.b64decode(relay_id).decode().partition(":")[2])
