"""What was deleted goes out of the log's files, too.

Rule 1: only records that every reader is through with are written anew. Rule 2: ordinals stay: a
span that is gone leaves an empty one in its place, and with the last span of a resource goes what
the resource says of itself. Rule 3: who was deleted is asked of the index, which alone knows what
belonged to a project or session.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError
from msgspec import DecodeError as JsonError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from roost.log.base import BEGINNING, Kind, Log, Position, Record
from roost.log.records import Annotation, annotations_of, deletion_of, encoded, spans_of

SLICE_BYTES = 1024 * 1024
BODIES_BYTES = 32 * 1024 * 1024
REST_S = 0.02
RECORDS_AT_ONCE = 200
_MARK = "erased"


@dataclass(frozen=True, slots=True)
class Gone:
    """Ids of traces and of spans that are deleted."""

    traces: Collection[bytes] = ()
    spans: Collection[bytes] = ()


WhoIsGone = Callable[[Collection[bytes], Collection[bytes]], Gone]
"""Of those traces and spans the ones that are deleted; called beside the event loop."""


@dataclass(frozen=True, slots=True)
class Deletions:
    """How much was deleted: the newest deletion's position, and how many spans came too late."""

    newest: Position
    late: int

    @property
    def mark(self) -> str:
        return f"{self.newest} {self.late}"


def spans_without(body: bytes, gone: Gone) -> tuple[bytes, set[bytes]]:
    """The body of a SPANS record without what is gone, and the ids of the spans that went."""
    request = ExportTraceServiceRequest.FromString(body)
    erased: set[bytes] = set()
    alive = sum(_clear_group(group, gone, erased) for group in request.resource_spans)
    if not erased:
        return body, erased
    return (request.SerializeToString() if alive else b""), erased


def _clear_group(group: ResourceSpans, gone: Gone, erased: set[bytes]) -> int:
    """How many of its spans are left."""
    alive = sum(_clear_scope(scope, gone, erased) for scope in group.scope_spans)
    if not alive:
        group.ClearField("resource")
        group.ClearField("schema_url")
    return alive


def _clear_scope(scope: ScopeSpans, gone: Gone, erased: set[bytes]) -> int:
    alive = 0
    for span in scope.spans:
        if span.trace_id in gone.traces or span.span_id in gone.spans:
            erased.add(span.span_id)
            span.Clear()
        alive += bool(span.span_id)
    if not alive:
        scope.ClearField("scope")
        scope.ClearField("schema_url")
    return alive


def annotations_without(body: bytes, is_gone: Callable[[Annotation], bool]) -> bytes:
    """The body of an ANNOTATIONS record without those."""
    annotations = annotations_of(body)
    left = [one for one in annotations if not is_gone(one)]
    return body if len(left) == len(annotations) else encoded(left)


def ids_in(records: Iterable[Record]) -> tuple[set[bytes], set[bytes]]:
    """The traces and spans that they are about; nothing of what cannot be read, which every reader
    has passed over."""
    traces, spans = set[bytes](), set[bytes]()
    for record in records:
        for trace_id, span_id in _ids_of(record):
            traces.add(trace_id)
            spans.add(span_id)
    return traces, spans


def _ids_of(record: Record) -> list[tuple[bytes, bytes]]:
    try:
        if record.kind is Kind.SPANS:
            return [(one.span.trace_id, one.span.span_id) for one in spans_of(record.body)]
        if record.kind is Kind.ANNOTATIONS:
            return [_target(one) for one in annotations_of(record.body)]
    except (DecodeError, JsonError):
        pass
    return []


def _target(annotation: Annotation) -> tuple[bytes, bytes]:
    id_ = _bytes(annotation.target)
    return (id_ if annotation.of == "trace" else b""), (id_ if annotation.of == "span" else b"")


@dataclass(slots=True)
class Erasing:
    """`settled` is the last position that all readers are through with, `deletions` how much was
    deleted so far and `applied` how far the index knows of it. `tidy` is called when the log is
    clean, for what else holds text of the deleted."""

    log: Log
    settled: Callable[[], Position]
    applied: Callable[[], Position]
    deletions: Callable[[], Awaitable[Deletions]]
    gone: WhoIsGone
    recall: Callable[[str], Awaitable[str | None]]
    remember: Callable[[str, str], Awaitable[None]]
    tidy: Callable[[], Awaitable[None]]
    rest_s: float = REST_S
    slice_bytes: int = SLICE_BYTES

    async def run_once(self) -> int:
        """How many records were written anew."""
        deletions = await self.deletions()
        if deletions.mark == (await self.recall(_MARK) or Deletions(BEGINNING, 0).mark):
            return 0
        if self.applied() < deletions.newest:
            return 0
        end = self.settled()
        count = await _Pass(self, end).run()
        await self.tidy()
        if end >= deletions.newest:
            await self.remember(_MARK, deletions.mark)
        return count


@dataclass(slots=True)
class _Pass:
    """Through the log up to `end`: first its spans, then what was said of those that went, which
    may stand in front of them."""

    erasing: Erasing
    end: Position
    spans: set[bytes] = field(default_factory=set)
    """Those that went."""
    sessions: dict[str, Position] = field(default_factory=dict)
    """When each was deleted for the last time; what is said of it later is not."""
    said: list[Position] = field(default_factory=list)
    """Where annotations stand."""
    bodies: dict[Position, bytes] = field(default_factory=dict)
    count: int = 0

    async def run(self) -> int:
        log, after = self.erasing.log, BEGINNING
        while after < self.end and (records := await log.read(after, self.erasing.slice_bytes)):
            after = records[-1].position
            await self._take([record for record in records if record.position <= self.end])
        for at in range(0, len(self.said), RECORDS_AT_ONCE):
            found = await log.get(self.said[at : at + RECORDS_AT_ONCE])
            await self._rewrite(list(found.values()), self._annotations)
        await self._write()
        return self.count

    async def _take(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.kind is Kind.DELETION and record.body:
                named = deletion_of(record.body).sessions
                self.sessions |= dict.fromkeys(named, record.position)
            elif record.kind is Kind.ANNOTATIONS:
                self.said.append(record.position)
        spans = [record for record in records if record.kind is Kind.SPANS]
        await self._rewrite(spans, self._spans)

    async def _rewrite(
        self, records: Sequence[Record], without: Callable[[Record, Gone], bytes]
    ) -> None:
        def rewritten() -> dict[Position, bytes]:
            gone = self.erasing.gone(*ids_in(records))
            left = ((record, without(record, gone)) for record in records)
            return {record.position: body for record, body in left if body != record.body}

        self.bodies |= await asyncio.to_thread(rewritten)
        if sum(map(len, self.bodies.values())) > BODIES_BYTES:
            await self._write()
        await asyncio.sleep(self.erasing.rest_s)

    async def _write(self) -> None:
        if self.bodies:
            await self.erasing.log.erase(self.bodies)
            self.count += len(self.bodies)
            self.bodies = {}

    def _spans(self, record: Record, gone: Gone) -> bytes:
        try:
            body, erased = spans_without(record.body, gone)
        except DecodeError:
            return record.body
        self.spans |= erased
        return body

    def _annotations(self, record: Record, gone: Gone) -> bytes:
        def is_gone(one: Annotation) -> bool:
            if one.of == "session":
                return record.position < self.sessions.get(one.target, BEGINNING)
            trace_id, span_id = _target(one)
            return trace_id in gone.traces or span_id in gone.spans or span_id in self.spans

        try:
            return annotations_without(record.body, is_gone)
        except JsonError:
            return record.body


def _bytes(hex_id: str) -> bytes:
    try:
        return bytes.fromhex(hex_id)
    except ValueError:
        return b""
