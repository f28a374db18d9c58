"""Where the bodies of spans are held: in the home's log, else in its cell.

Rule: a body is asked for only by its place, which the index gives to those who may see the span;
and what stands at that place must be that span.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from roost.errors import NotFound
from roost.http.api import shapes
from roost.http.api.bodies import Held, plain
from roost.http.api.cell_spans import SPANS_AT_ONCE
from roost.http.api.turns import Apart
from roost.index.rows import SpanPlace
from roost.log.base import Kind, Position, Record
from roost.log.records import project_of

GONE = "The body of this span is not kept any more: neither Roost's log nor Phoenix has it."

FromCell = Callable[[str, str, Sequence[str]], Awaitable[Sequence[Span]]]
"""By project, trace and spans."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """One home's."""

    get: Callable[[Sequence[Position]], Awaitable[Mapping[Position, Record]]]
    from_cell: FromCell
    apart: Apart

    async def one(self, place: SpanPlace, project: str) -> Held:
        """NotFound where nobody has it; Unavailable where the cell cannot be asked."""
        found = await self.some([place], {place.trace_id: project})
        if not found:
            raise NotFound(GONE, reason="no body")
        return found[0]

    async def some(self, places: Sequence[SpanPlace], projects: Mapping[str, str]) -> list[Held]:
        """In their order, without those that nobody has; `projects` are by trace. Their records
        are in memory together."""
        positions = {one.position for one in places if one.position is not None}
        records = await self.get(sorted(positions)) if positions else {}
        found = await self.apart(partial(_in_log, places, records))
        missing: dict[str, list[str]] = {}
        for one in places:
            if one.span_id not in found:
                missing.setdefault(one.trace_id, []).append(one.span_id)
        for trace_id, span_ids in missing.items():
            found.update(await self._in_cell(projects[trace_id], trace_id, span_ids))
        return [found[one.span_id] for one in places if one.span_id in found]

    async def _in_cell(
        self, project: str, trace_id: str, span_ids: Sequence[str]
    ) -> dict[str, Held]:
        found: dict[str, Held] = {}
        for at in range(0, len(span_ids), SPANS_AT_ONCE):
            some = span_ids[at : at + SPANS_AT_ONCE]
            for span in await self.from_cell(project, trace_id, some):
                found[span.span_id.hex()] = _of_cell(span, project)
        return found


def _in_log(places: Sequence[SpanPlace], records: Mapping[Position, Record]) -> dict[str, Held]:
    found: dict[str, Held] = {}
    for position, record in records.items():
        wanted = {one.ordinal: one for one in places if one.position == position}
        if record.kind is Kind.SPANS:
            found.update(_in_record(record.body, wanted))
    return found


def _in_record(body: bytes, wanted: Mapping[int, SpanPlace]) -> dict[str, Held]:
    """As `log.records.spans_of` counts them; with the version of the scope, which it leaves out."""
    found: dict[str, Held] = {}
    ordinal = 0
    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in group.scope_spans:
            for span in scope.spans:
                place = wanted.get(ordinal)
                ordinal += 1
                if place is None or not _is_it(span, place):
                    continue
                attributes = group.resource.attributes
                about = shapes.Scope(scope.scope.name, scope.scope.version)
                found[place.span_id] = Held(
                    span, project_of(attributes), plain(attributes), about, shapes.Source.LOG
                )
    return found


def _is_it(span: Span, place: SpanPlace) -> bool:
    return (span.trace_id.hex(), span.span_id.hex()) == (place.trace_id, place.span_id)


def _of_cell(span: Span, project: str) -> Held:
    return Held(span, project, {}, None, shapes.Source.PHOENIX)
