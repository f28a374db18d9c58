"""Which spans of a record go on to the cell, by what was deleted and by the forward policy.

Rule: what is deleted goes nowhere, whatever the policy; a deletion counts for what stands before it
in the log and for late copies of what it names.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from roost.ingest.batch import Batch, only
from roost.ingest.window import Place
from roost.log.base import Position, Record
from roost.log.records import LoggedSpan, spans_of
from roost.policy.forwarding import Choice, ForwardPolicy, policy_of
from roost.storage.progress import Emptied

_NANO = 10**9


@dataclass(frozen=True, slots=True)
class Selection:
    """What goes on, and how many spans do not, by why."""

    batches: tuple[Batch, ...]
    skipped: int = 0
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class Traces:
    """What the index knows. `has_error(trace ids, position)` gives those in which a span has
    failed, and has seen the log up to that position; `earlier(trace id, position)` gives the places
    of its spans before it."""

    has_error: Callable[[Collection[bytes], Position], Awaitable[Collection[bytes]]]
    earlier: Callable[[bytes, Position], Awaitable[Sequence[tuple[Position, int]]]]
    get: Callable[[Sequence[Position]], Awaitable[Mapping[Position, Record]]]


@dataclass(frozen=True, slots=True)
class Selector:
    """`buried` gives those ids that are deleted; `emptied` what was deleted by project behind a
    position; `policies` are by project pattern."""

    buried: Callable[[Collection[bytes]], Awaitable[Collection[bytes]]]
    emptied: Callable[[int], Awaitable[Sequence[Emptied]]]
    policies: Mapping[str, ForwardPolicy]
    traces: Traces

    async def select(self, record: Record) -> Selection:
        spans = list(spans_of(record.body))
        alive = await self._alive(record.position, spans)
        failed = await self._failed(record.position, alive)
        kept = [one for one in alive if self._goes_on(one, failed)]
        batches = [_batch(record, kept)] if kept else []
        batches += await self._caught_up(record, kept)
        return Selection(tuple(batches), len(alive) - len(kept), len(spans) - len(alive))

    async def _alive(self, position: Position, spans: Sequence[LoggedSpan]) -> list[LoggedSpan]:
        ids = {one.span.trace_id for one in spans} | {one.span.span_id for one in spans}
        buried = await self.buried(ids)
        emptied = await self.emptied(position)
        return [one for one in spans if not _is_gone(one, buried, emptied)]

    async def _failed(self, position: Position, spans: Sequence[LoggedSpan]) -> Collection[bytes]:
        ids = {
            one.span.trace_id
            for one in spans
            if policy_of(one.project, self.policies).choice is Choice.ERRORS
        }
        return await self.traces.has_error(ids, position) if ids else ()

    def _goes_on(self, one: LoggedSpan, failed: Collection[bytes]) -> bool:
        policy = policy_of(one.project, self.policies)
        if policy.choice is Choice.SAMPLE:
            return policy.samples(one.span.trace_id)
        return policy.choice is Choice.ALL or one.span.trace_id in failed

    async def _caught_up(self, record: Record, kept: Iterable[LoggedSpan]) -> list[Batch]:
        """A trace has failed here: what was skipped of it before goes on now."""
        ids = {
            one.span.trace_id
            for one in kept
            if policy_of(one.project, self.policies).choice is Choice.ERRORS
            and one.span.status.code == Status.STATUS_CODE_ERROR
        }
        batches = []
        for trace_id in ids:
            batches += await self._earlier(trace_id, record.position)
        return batches

    async def _earlier(self, trace_id: bytes, before: Position) -> list[Batch]:
        positions = sorted({place for place, _ in await self.traces.earlier(trace_id, before)})
        records = await self.traces.get(positions)
        batches = []
        for record in (records[position] for position in positions if position in records):
            kept = [one for one in spans_of(record.body) if one.span.trace_id == trace_id]
            if kept:
                batches.append(_batch(record, kept, under=before))
        return batches


def _batch(record: Record, kept: Sequence[LoggedSpan], under: Position | None = None) -> Batch:
    request = ExportTraceServiceRequest.FromString(record.body)
    if len(kept) < _count(request):
        request = only(request, {one.ordinal for one in kept})
    places = [_place(record.position, one, under or record.position) for one in kept]
    return Batch(request, tuple(places))


def _count(request: ExportTraceServiceRequest) -> int:
    """Erased spans count, so that they are left out."""
    return sum(len(scope.spans) for group in request.resource_spans for scope in group.scope_spans)


def _place(position: Position, one: LoggedSpan, under: Position) -> Place:
    return Place(position, one.ordinal, one.span.trace_id, one.span.span_id, one.project, under)


def _is_gone(one: LoggedSpan, buried: Collection[bytes], emptied: Iterable[Emptied]) -> bool:
    if one.span.trace_id in buried or one.span.span_id in buried:
        return True
    return any(_empties(each, one.project, one.span) for each in emptied)


def _empties(emptied: Emptied, project: str, span: Span) -> bool:
    is_in_time = emptied.before is None or span.start_time_unix_nano < emptied.before * _NANO
    return emptied.project == project and is_in_time
