"""A home whose cell is a database file of Phoenix's, written by a cell that does at once as it is
told; and what somebody does in that Phoenix behind the log."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.cells.phoenix_file import SERVICE, PhoenixFile
from tests.ingest.spans import group, request

from roost.cells.ledger import SqliteLedger
from roost.cells.ledger_view import CellView, file_view
from roost.homes import HomeOpener, HomeTerms
from roost.http.background import beside
from roost.http.home import Home
from roost.http.rebuild import Rebuilder
from roost.http.reconcile import Reconciler
from roost.index.rows import Applied, TraceRow
from roost.index.traces import rows_of
from roost.ingest.forward import Pace
from roost.log.base import BEGINNING, Kind, Record
from roost.log.records import Annotation, Deletion, encoded, project_of
from roost.log.segments import SegmentLimits
from roost.model import Slug, Tenant, TenantId
from roost.policy.forwarding import ForwardPolicy
from roost.storage.marks import Marks

ACME = Tenant(TenantId("t-acme-1"), Slug("acme"), "Acme")
PATIENCE_S = 20.0
_CODES = {Status.STATUS_CODE_OK: "OK", Status.STATUS_CODE_ERROR: "ERROR"}


@dataclass
class FileCell:
    """Stores what it is sent in the file; `refuses` are ids that it never takes."""

    file: PhoenixFile
    refuses: set[bytes] = field(default_factory=set)
    is_current: bool = True

    async def post(self, payload: bytes) -> int:
        sent = ExportTraceServiceRequest.FromString(payload)
        spans = [
            (project_of(group.resource.attributes), span)
            for group in sent.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]
        if any(span.span_id in self.refuses for _, span in spans):
            return 422
        stored = await self.stored([span.span_id for _, span in spans])
        for project, span in spans:
            if span.span_id not in stored:
                self.file.span(
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    {pair.key: pair.value.string_value for pair in span.attributes},
                    project=project,
                    parent=span.parent_span_id.hex() or None,
                    code=_CODES.get(span.status.code, "UNSET"),
                )
        return 200

    async def stored(self, span_ids: Sequence[bytes]) -> Mapping[bytes, bytes]:
        return await SqliteLedger(self.file.path).stored(span_ids)

    async def delete(self, deletion: Deletion) -> None:
        for trace_id in deletion.traces:
            self.file.run("DELETE FROM traces WHERE trace_id = ?", trace_id)

    async def annotate(self, annotations: Sequence[Annotation]) -> Sequence[Annotation]:
        left = []
        for one in annotations:
            try:
                self.file.annotate(
                    one.of, one.target, one.label or "", name=one.name, at="2026-11-26 11:00:00"
                )
            except TypeError:  # no such target
                left.append(one)
        return left


@dataclass
class World:
    home: Home
    file: PhoenixFile
    cell: FileCell
    reconciler: Reconciler
    rebuilder: Rebuilder
    told: list[Applied]
    now: float = 1_790_000_000.0
    awake: bool = True

    def clock(self) -> float:
        return self.now

    async def view(self) -> CellView | None:
        return file_view(self.file.path, SERVICE) if self.awake else None

    async def take(self, *spans: Span, project: str = "p", settle: bool = True) -> None:
        body = request(group(spans, project)).SerializeToString()
        position = await self.home.append(Kind.SPANS, [body])
        await self.home.index.reached(position)
        if settle:
            await self.settled()

    async def annotate(self, *annotations: Annotation) -> None:
        position = await self.home.append(Kind.ANNOTATIONS, [encoded(annotations)])
        await self.home.index.reached(position)
        await self.settled()

    async def settled(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.home.forward.settled(self.home.log.extent.last)

    async def look(self, *, later_s: float = 0) -> bool:
        self.now += later_s
        found = await self.reconciler.look()
        await self.home.index.reached(self.home.log.extent.last)
        return found

    async def traces(self) -> dict[str, TraceRow]:
        """By the last two digits of their ids."""
        rows = await self.home.index.read(
            lambda db: rows_of(db, [row[0] for row in db.execute("SELECT id FROM trace")])
        )
        return {row.trace_id[-2:]: row for row in rows}

    async def labels(self) -> dict[str, str | None]:
        """Labels of the annotations that are there, by name."""
        query = "SELECT name, label FROM annotation WHERE trace <> 0 OR of = 'session'"
        return await self.home.index.read(lambda db: dict(db.execute(query).fetchall()))

    async def deletions(self) -> list[Record]:
        records = await self.home.log.read(BEGINNING, 2**30)
        return [record for record in records if record.kind is Kind.DELETION]


@asynccontextmanager
async def world(
    path: Path,
    policies: Mapping[str, ForwardPolicy] | None = None,
    segment_bytes: int = 256 * 2**20,
) -> AsyncIterator[World]:
    database = path / ACME.id / "phoenix" / "phoenix.db"
    database.parent.mkdir(parents=True, exist_ok=True)
    file = PhoenixFile(database)
    if not database.exists():
        file.make()
    cell, told = FileCell(file), list[Applied]()
    now = World.now

    @asynccontextmanager
    async def connect(tenant: Tenant) -> AsyncIterator[FileCell]:
        yield cell

    async def tell(home: Home, applied: Applied) -> None:
        told.append(applied)

    terms = HomeTerms(
        policies=policies or {},
        log_limits=SegmentLimits(segment_bytes=segment_bytes),
        pace=Pace(poll_s=0.001, overtaken_s=0.02, stalled_s=0.05),
    )
    async with HomeOpener(path, terms, connect, tell, lambda: now).open(ACME) as home:
        made: list[World] = []
        reconciler = await Reconciler.open(
            home,
            lambda: made[0].view(),
            Marks(home.progress.engine),
            policies or {},
            lambda: made[0].now,
        )
        marks = Marks(home.progress.engine)
        directory = path / ACME.id
        rebuilder = Rebuilder(
            home, directory, marks, lambda: connect(ACME), lambda: made[0].view(), reconciler
        )
        made.append(World(home, file, cell, reconciler, rebuilder, told))
        async with beside(rebuilder.run()):
            yield made[0]
