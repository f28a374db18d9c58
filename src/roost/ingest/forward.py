"""From the log into the tenant's Phoenix: no faster than it inserts, until insertion is observed.

Rule 1: the order of the log is the order of sending. Rule 2: the cursor moves behind a span once
the cell holds it, or it is parked with a reason, skipped by the policy, or deleted; whatever else
happens, it is sent again. Rule 3: sending twice is harmless (Phoenix keeps the first copy), so
doubt is answered by sending.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from roost.errors import Unavailable
from roost.ingest.batch import Batch, halves, only, singles
from roost.ingest.doubt import Doubt
from roost.ingest.selection import Selection
from roost.ingest.window import Place, Waiting, Window
from roost.log.base import BEGINNING, Kind, Log, Position, Record
from roost.log.records import Annotation, Deletion, annotations_of, deletion_of, encoded
from roost.storage.progress import Parking, Progress, Settled

NOT_STORED = "Phoenix accepts this span and does not store it; the cell's log may say why"
OTHER_TRACE = "Phoenix holds this span's id under another trace, and keeps the first"
KILLS = "each time the cell was given this span, it ended"
_NOT_OF_SPANS = frozenset({401, 403, 404, 405, 407, 408})
"""Answers that any batch would get: the way into the cell is wrong, not what is sent."""


class Cell(Protocol):
    """One running instance of the tenant's cell."""

    @property
    def is_current(self) -> bool:
        """It is still the instance that was connected to."""

    async def post(self, payload: bytes) -> int:
        """The status of OTLP at /v1/traces. Unavailable where it cannot be reached."""

    async def stored(self, span_ids: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Of those spans the ones it holds, each with its trace."""

    async def delete(self, deletion: Deletion) -> None:
        """Delete what is named and there."""

    async def annotate(self, annotations: Sequence[Annotation]) -> Sequence[Annotation]:
        """Write them; those whose target it does not hold come back."""


@dataclass(frozen=True, slots=True)
class Pace:
    """`unconfirmed_max` spans are in the cell's memory at a time. A span that others overtook is
    sent again after `overtaken_s`, one that nothing overtakes after `stalled_s`; after `tries` it
    is parked. `deaths` of the cell without progress make it careful: one span at a time."""

    unconfirmed_max: int = 1_000
    ask_max: int = 500
    read_bytes: int = 1024 * 1024
    poll_s: float = 0.1
    overtaken_s: float = 5.0
    stalled_s: float = 60.0
    tries: int = 3
    deaths: int = 2
    busy_s: float = 1.0
    busy_tries: int = 30


Connect = Callable[[], AbstractAsyncContextManager[Cell]]
"""Wakes the cell and keeps it awake until the block ends. Unavailable where it cannot."""


@dataclass(slots=True)
class Forward:
    """Feeds one home's cell. `select` says what of a record goes on; `clock` counts seconds."""

    log: Log
    progress: Progress
    connect: Connect
    select: Callable[[Record], Awaitable[Selection]]
    clock: Callable[[], float]
    pace: Pace = field(default_factory=Pace)
    fault: str = ""
    """Why nothing goes on just now; "" while it does."""
    unconfirmed: int = 0
    cursor: Position = BEGINNING
    """Every record up to it is settled."""
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)
    _doubt: Doubt = field(init=False)

    def __post_init__(self) -> None:
        self._doubt = Doubt(self.pace.deaths)

    async def run(self) -> None:
        """For ever: whenever the log holds more than the cell."""
        await self.move(Position(await self.progress.cursor()))
        while True:
            await self.log.wait(self.cursor)
            try:
                async with self.connect() as cell:
                    await self._drain(cell)
                self.fault = ""
            except Unavailable as error:
                self.fault = error.reason or error.message
                await asyncio.sleep(error.retry_after_s or self.pace.busy_s)

    async def settled(self, position: Position) -> None:
        """Returns once every record up to `position` is settled."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.cursor >= position)

    async def move(self, cursor: Position) -> None:
        async with self._moved:
            self.cursor = cursor
            self._moved.notify_all()

    async def _drain(self, cell: Cell) -> None:
        drain = _Drain(self, cell, Window(self.cursor), self._doubt)
        try:
            await drain.run()
        except Unavailable:
            # Progress has reset the count.
            if not cell.is_current:
                self._doubt.died()
            raise
        finally:
            self._doubt.give([])
            self.unconfirmed = 0


@dataclass(slots=True)
class _Drain:
    """One connection's work, until the log is through."""

    forward: Forward
    cell: Cell
    window: Window
    doubt: Doubt
    skipped: int = 0
    deleted: int = 0
    confirmed: int = 0
    parkings: list[Parking] = field(default_factory=list)

    @property
    def pace(self) -> Pace:
        return self.forward.pace

    @property
    def room(self) -> int:
        limit = 1 if self.doubt.is_careful else self.pace.unconfirmed_max
        return limit - len(self.window)

    async def run(self) -> None:
        log, read = self.forward.log, self.window.cursor
        while records := await log.read(read, self.pace.read_bytes):
            for record in records:
                await self._take(record)
                read = record.position
        await self._until_empty()
        await self._annotate_late()

    async def _take(self, record: Record) -> None:
        self.window.open(record.position)
        if record.kind is Kind.SPANS:
            await self._send_record(record)
        else:
            # What concerns spans comes after them, and they are stored only once they are seen.
            await self._until_empty()
            await self._act(record)
        self.window.close(record.position)
        await self._settle()

    async def _act(self, record: Record) -> None:
        if record.kind is Kind.DELETION:
            await self.cell.delete(deletion_of(record.body))
            return
        left = await self.cell.annotate(annotations_of(record.body))
        await self.forward.progress.keep_waiting(record.position, [encoded([one]) for one in left])

    async def _annotate_late(self) -> None:
        """The log is through: annotations that waited may find their target now."""
        progress, after = self.forward.progress, 0
        while rows := await progress.waiting(after):
            after = rows[-1][0]
            annotations = {number: annotations_of(body)[0] for number, body in rows}
            left = await self.cell.annotate([*annotations.values()])
            await progress.stop_waiting([n for n, one in annotations.items() if one not in left])

    async def _send_record(self, record: Record) -> None:
        selection = await self.forward.select(record)
        self.skipped += selection.skipped
        self.deleted += selection.deleted
        for batch in selection.batches:
            for part in singles(batch) if self.doubt.is_careful else [batch]:
                await self._send(part)

    async def _send(self, batch: Batch) -> None:
        while self.room < len(batch.places) and len(self.window):
            await self._confirm()
        refused = await self._post(batch)
        if not refused:
            self._park(self.window.send(batch.places, self.forward.clock()), OTHER_TRACE)
        elif len(batch.places) == 1:
            self._park(batch.places, refused)
        else:
            for half in halves(batch):
                await self._send(half)

    async def _post(self, batch: Batch) -> str:
        """ "" once the cell has accepted it, else why it never will."""
        span_ids = [place.span_id for place in batch.places]
        if self.doubt.is_deadly(span_ids, self.pace.tries):
            return KILLS
        self.doubt.give(span_ids)
        status = 0
        for _ in range(self.pace.busy_tries):
            status = await self._posted(batch.payload)
            if status < 300:
                return ""
            if status < 500 and status != 429:
                return f"Phoenix refused it with {status}"
            await self._wait(self.pace.busy_s)
            await self._confirm()
        if status in (429, 503):
            raise Unavailable(reason=f"the cell is busy: {status}", retry_after_s=0)
        return f"Phoenix failed at it with {status}, {self.pace.busy_tries} times"

    async def _posted(self, payload: bytes) -> int:
        status = await self.cell.post(payload)
        if status in _NOT_OF_SPANS:
            raise Unavailable(reason=f"the cell answers {status}", retry_after_s=0)
        return status

    async def _until_empty(self) -> None:
        while len(self.window):
            await self._confirm()
        await self._settle()

    async def _confirm(self) -> None:
        """Look once what the cell has stored, and wait a little where it was nothing."""
        if not self.cell.is_current:
            raise Unavailable(reason="the cell ended", retry_after_s=1)
        self.forward.unconfirmed = len(self.window)
        asked = self.window.oldest(self.pace.ask_max)
        found = await self.cell.stored([one.place.span_id for one in asked])
        confirmed, clashes = self.window.stored(found)
        self.confirmed += confirmed
        self.doubt.clear(found)
        self._park(clashes, OTHER_TRACE)
        await self._send_lost(asked)
        await self._settle()
        if len(self.window):
            await self._wait(self.pace.poll_s)

    async def _send_lost(self, asked: Sequence[Waiting]) -> None:
        now = self.forward.clock()
        before, stalled = now - self.pace.overtaken_s, now - self.pace.stalled_s
        lost = self.window.lost(asked, before, stalled)
        for one in lost:
            if one.tries >= self.pace.tries:
                self._park(self.window.give_up(one), NOT_STORED)
        alive = [one for one in lost if one.tries < self.pace.tries]
        await self._resend(alive, now)

    async def _resend(self, waiting: Sequence[Waiting], now: float) -> None:
        by_position: dict[Position, list[Waiting]] = {}
        for one in waiting:
            by_position.setdefault(one.place.position, []).append(one)
        records = await self.forward.log.get(list(by_position)) if by_position else {}
        for position, some in by_position.items():
            ordinals = {one.place.ordinal for one in some}
            request = ExportTraceServiceRequest.FromString(records[position].body)
            status = await self._posted(only(request, ordinals).SerializeToString())
            # A cell that was busy has not had them.
            self.window.again(some, now, counts=status < 500 and status != 429)

    def _park(self, places: Collection[Place], reason: str) -> None:
        self.parkings += [
            Parking(p.position, p.ordinal, p.trace_id, p.span_id, p.project, reason) for p in places
        ]

    async def _settle(self) -> None:
        before = self.window.cursor
        cursor = self.window.settled()
        if cursor == before and not self.parkings:
            return
        settled = Settled(self.confirmed, self.skipped, self.deleted)
        await self.forward.progress.settle(cursor, settled, self.parkings)
        self.confirmed = self.skipped = self.deleted = 0
        self.parkings = []
        if cursor > before:
            self.doubt.progressed()
            await self.forward.move(cursor)

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
