"""One tenant's home while it is open: its log, and who reads it.

Rule: what is taken here stands in the log before anybody is told so; everything else follows it.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from roost.analytics.home import HomeEvents
from roost.errors import Unavailable
from roost.http import messages as m
from roost.http.index_desk import IndexDesk
from roost.index import places
from roost.ingest.batch import only
from roost.ingest.forward import Forward
from roost.log.base import Entry, Kind, Log, Position
from roost.log.records import Deletion, encoded
from roost.model import Tenant
from roost.storage.progress import Emptied, Parked, Progress

DRAIN_S = 20.0
ARRIVAL_S = 15.0
ERASING_S = 60.0


class Rebuilds(Protocol):
    """Builds the home's index anew."""

    def start(self) -> m.Rebuilding:
        """Begins, unless it is under way."""

    def state(self) -> m.Rebuilding: ...


@dataclass(slots=True)
class Home:
    tenant: Tenant
    log: Log
    progress: Progress
    index: IndexDesk
    forward: Forward
    events: HomeEvents
    clock: Callable[[], float]
    used_at: float = 0.0
    wants_look: asyncio.Event = field(default_factory=asyncio.Event)
    """The cell has changed behind the log: whoever reconciles clears it."""
    look_fault: str = ""
    """Why nothing is learnt from the cell just now; "" while it is."""
    rebuilder: Rebuilds | None = None

    async def append(self, kind: Kind, bodies: Sequence[bytes]) -> Position:
        """Durable once this returns."""
        self.used_at = self.clock()
        return await self.log.append([Entry(kind, body) for body in bodies])

    async def delete(self, deletion: Deletion) -> Position:
        """The tombstone: in the log, and known to `forward` at once."""
        ids = await self._ids_of(deletion)
        position = await self.append(Kind.DELETION, [encoded(deletion)])
        await self.progress.bury(ids, position)
        await self.bury(deletion, position)
        return position

    async def begin_erasing(self, deletions: Sequence[Deletion]) -> int:
        """Somebody is about to delete this in the cell: until `end_erasing` none of it goes there,
        and if nobody says how it ended, it is deleted."""
        ids = {one for deletion in deletions for one in await self._ids_of(deletion)}
        return await self.progress.begin_erasing(ids, msgspec.json.encode(deletions))

    async def end_erasing(self, number: int, *, happened: bool) -> None:
        """The cell has deleted it, or has refused to."""
        found = dict(await self.progress.erasing(math.inf)).get(number)
        if found is None:
            return
        deletions = msgspec.json.decode(found, type=list[Deletion])
        if happened:
            for deletion in deletions:
                await self.delete(deletion)
        spared = {one for deletion in deletions for one in await self._ids_of(deletion)}
        await self.progress.end_erasing(number, () if happened else spared)

    async def end_stale_erasings(self, after_s: float = ERASING_S) -> None:
        """Whoever began them is gone, by a crash perhaps; they were allowed to."""
        for number, _ in await self.progress.erasing(self.clock() - after_s):
            await self.end_erasing(number, happened=True)

    async def bury(self, deletion: Deletion, position: Position) -> None:
        ids = [bytes.fromhex(one) for one in (*deletion.traces, *deletion.spans)]
        await self.progress.bury(ids, position)
        if deletion.project is not None:
            await self.progress.empty(Emptied(deletion.project, position, deletion.before))

    async def _ids_of(self, deletion: Deletion) -> list[bytes]:
        """Its traces and spans, those of its project too: a late span must not bring them back."""
        ids = [*deletion.traces, *deletion.spans]
        project, before = deletion.project, deletion.before
        if project is not None:
            await self.index.reached(self.log.extent.last)
            until = math.inf if before is None else before
            ids += await self.index.read(lambda db: places.traces_between(db, project, 0, until))
        return [bytes.fromhex(one) for one in ids]

    async def arrived(
        self,
        span_ids: Sequence[bytes],
        trace_ids: Sequence[bytes],
        within_s: float = ARRIVAL_S,
    ) -> None:
        """Returns once what the log holds of them is settled; at once where it holds nothing."""
        await self.index.reached(self.log.extent.last)
        last = await self.index.read(lambda db: places.last_position(db, span_ids, trace_ids))
        try:
            async with asyncio.timeout(within_s):
                await self.forward.settled(last)
        except TimeoutError:
            raise Unavailable(
                "That span was received and is not in Phoenix yet; try again.",
                reason=self.forward.fault or "forward is behind",
            ) from None

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
        building = self.rebuilder is not None and not self.rebuilder.state().over
        return self.forward.cursor >= end and self.index.cursor >= end and not building

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
            fault=self.forward.fault or self.look_fault,
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
