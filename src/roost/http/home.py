"""One tenant's home while it is open: its log, and who reads it.

Rule: what is taken here stands in the log before anybody is told so; everything else follows it.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from roost.http import messages as m
from roost.http.index_desk import IndexDesk
from roost.ingest.batch import only
from roost.ingest.forward import Forward
from roost.log.base import Entry, Kind, Log, Position
from roost.log.records import Deletion, encoded
from roost.model import Tenant
from roost.storage.progress import Emptied, Parked, Progress

DRAIN_S = 20.0


@dataclass(slots=True)
class Home:
    tenant: Tenant
    log: Log
    progress: Progress
    index: IndexDesk
    forward: Forward
    clock: Callable[[], float]
    used_at: float = 0.0

    async def append(self, kind: Kind, bodies: Sequence[bytes]) -> Position:
        """Durable once this returns."""
        self.used_at = self.clock()
        return await self.log.append([Entry(kind, body) for body in bodies])

    async def delete(self, deletion: Deletion) -> Position:
        """The tombstone: in the log, and known to `forward` at once."""
        position = await self.append(Kind.DELETION, [encoded(deletion)])
        await self.bury(deletion, position)
        return position

    async def bury(self, deletion: Deletion, position: Position) -> None:
        ids = [bytes.fromhex(one) for one in (*deletion.traces, *deletion.spans)]
        await self.progress.bury(ids, position)
        if deletion.project is not None:
            await self.progress.empty(Emptied(deletion.project, position, deletion.before))

    async def drained(self, within_s: float = DRAIN_S) -> bool:
        """Whether all that was taken is in Phoenix, waiting for it that long at most."""
        end = self.log.extent.last
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self.forward.settled(end)
                return True
        return False

    @property
    def is_idle(self) -> bool:
        """Nobody waits for anything in it."""
        end = self.log.extent.last
        return self.forward.cursor >= end and self.index.cursor >= end

    async def row(self) -> m.IngestRow:
        extent = self.log.extent
        settled = await self.progress.settled()
        return m.IngestRow(
            tenant=self.tenant.slug,
            received=extent.last,
            settled=self.forward.cursor,
            indexed=self.index.cursor,
            unconfirmed=self.forward.unconfirmed,
            confirmed=settled.confirmed,
            skipped=settled.skipped,
            deleted=settled.deleted,
            parked=await self.progress.parked_count(),
            waiting=await self.progress.waiting_count(),
            stored_bytes=extent.stored_bytes,
            oldest_pending_s=await self._oldest_pending_s(),
            fault=self.forward.fault,
        )

    async def retry(self, ids: Sequence[int]) -> int:
        """Send parked spans once more, as new records; how many. None named means all of them."""
        count, after = 0, 0
        while rows := await self.progress.parked(after):
            after = rows[-1].id
            chosen = [row for row in rows if not ids or row.id in ids]
            count += await self._retry(chosen)
        return count

    async def _retry(self, rows: Sequence[Parked]) -> int:
        records = await self.log.get([Position(row.parking.position) for row in rows])
        there = [row for row in rows if Position(row.parking.position) in records]
        bodies = [
            only_span(records[Position(row.parking.position)].body, row.parking.ordinal)
            for row in there
        ]
        if bodies:
            await self.append(Kind.SPANS, bodies)
            await self.progress.unpark([row.id for row in there])
        return len(bodies)

    async def _oldest_pending_s(self) -> float:
        records = await self.log.read(self.forward.cursor, 1)
        return max(0.0, self.clock() - records[0].at) if records else 0.0


def only_span(body: bytes, ordinal: int) -> bytes:
    """A record's body with that span alone."""
    request = ExportTraceServiceRequest.FromString(body)
    return only(request, {ordinal}).SerializeToString()
