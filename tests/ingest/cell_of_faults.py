"""A cell for `forward` that stores as Phoenix does and fails as it is told: what the real one won't
produce on demand."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from roost.errors import Unavailable
from roost.log.records import Annotation, Deletion, spans_of


@dataclass
class CellOfFaults:
    """`accepted` spans are in its memory and stored when it is asked the next time, oldest first,
    `a_look` of them; `kill` loses the rest. Each fault below holds until it is taken away."""

    a_look: int = 100
    statuses: list[int] = field(default_factory=list)
    """What the next posts are answered with; 200 once they are used up."""
    refuses: Collection[str] = ()
    """Names of spans whose batch is answered with 400."""
    swallows: Collection[str] = ()
    """Names of spans that it accepts and never stores."""
    dies_of: Collection[str] = ()
    """Names of spans that end it."""
    is_down: bool = False
    stored_spans: dict[bytes, bytes] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    """Of what was stored, in order."""
    accepted: list[tuple[bytes, bytes, str]] = field(default_factory=list)
    deletions: list[Deletion] = field(default_factory=list)
    annotated: list[Annotation] = field(default_factory=list)
    posts: int = 0
    most_waiting: int = 0
    connections: int = 0
    lives: int = 0
    looks: int = 0
    on_look: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["Connection"]:
        if self.is_down:
            raise Unavailable(reason="down", retry_after_s=0)
        self.connections += 1
        yield Connection(self, self.lives)

    def kill(self) -> None:
        self.lives += 1
        self.accepted.clear()


@dataclass
class Connection:
    cell: CellOfFaults
    life: int

    @property
    def is_current(self) -> bool:
        return self.life == self.cell.lives and not self.cell.is_down

    async def post(self, payload: bytes) -> int:
        cell = self.cell
        cell.posts += 1
        if not self.is_current:
            raise Unavailable(reason="refused", retry_after_s=0)
        if cell.statuses and (status := cell.statuses.pop(0)) != 200:
            return status
        ExportTraceServiceRequest.FromString(payload)
        spans = [(one.span.span_id, one.span.trace_id, one.span.name) for one in spans_of(payload)]
        if any(name in cell.refuses for _, _, name in spans):
            return 400
        cell.accepted += spans
        cell.most_waiting = max(cell.most_waiting, len(cell.accepted))
        if any(name in cell.dies_of for _, _, name in spans):
            cell.kill()
        return 200

    async def stored(self, span_ids: Sequence[bytes]) -> Mapping[bytes, bytes]:
        cell = self.cell
        cell.looks += 1
        cell.on_look()
        some, cell.accepted = cell.accepted[: cell.a_look], cell.accepted[cell.a_look :]
        for span_id, trace_id, name in some:
            if name not in cell.swallows and span_id not in cell.stored_spans:
                cell.stored_spans[span_id] = trace_id
                cell.names.append(name)
        return {one: cell.stored_spans[one] for one in span_ids if one in cell.stored_spans}

    async def delete(self, deletion: Deletion) -> None:
        self.cell.deletions.append(deletion)
        gone = {bytes.fromhex(one) for one in deletion.traces}
        held = self.cell.stored_spans
        self.cell.stored_spans = {span: trace for span, trace in held.items() if trace not in gone}

    async def annotate(self, annotations: Sequence[Annotation]) -> Sequence[Annotation]:
        held = {one.hex() for one in self.cell.stored_spans}
        self.cell.annotated += [one for one in annotations if one.target in held]
        return [one for one in annotations if one.target not in held]
