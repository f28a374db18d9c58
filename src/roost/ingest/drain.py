"""One connection to a tenant's cell: spans go in, and what it has stored is looked up.

Rule 1: the order of the log is the order of sending. Rule 2: a record is settled once the cell
holds each of its spans, or they are parked with a reason, skipped by the policy, or deleted;
whatever else happens, they are sent again. Rule 3: sending twice is harmless (Phoenix keeps the
first copy), so doubt is answered by sending.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from roost.errors import Unavailable
from roost.ingest.batch import Batch, halves, only, singles, without
from roost.ingest.doubt import Doubt
from roost.ingest.selection import Selection
from roost.ingest.window import Place, Waiting, Window
from roost.log.base import Kind, Log, Position, Record
from roost.log.records import Annotation, Deletion, annotations_of, encoded, said_in
from roost.storage.progress import Parking, Progress, Settled

NOT_STORED = "Phoenix accepts this span and does not store it; the cell's log may say why"
OTHER_TRACE = "Phoenix holds this span's id under another trace, and keeps the first"
KILLS = "each time the cell was given this span, it ended"
_NOT_OF_SPANS = frozenset({401, 403, 404, 405, 407, 408})
"""Answers that any batch would get: the way into the cell is wrong, not what is sent."""

log = logging.getLogger("roost.forward")


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
    sent again after `overtaken_s`, all of them where the cell has stored nothing for `stalled_s`;
    after `tries` a span is parked. `deaths` of the cell without progress make it careful: one span
    at a time."""

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


Select = Callable[[Record], Awaitable[Selection]]


@dataclass(slots=True)
class Drain:
    """Feeds one running instance of a cell until the log is through. `select` says what of a record
    goes on; `moved` hears of the position up to which all is settled; `clock` counts seconds."""

    log: Log
    progress: Progress
    select: Select
    moved: Callable[[Position], Awaitable[None]]
    clock: Callable[[], float]
    pace: Pace
    cell: Cell
    window: Window
    doubt: Doubt
    skipped: int = 0
    deleted: int = 0
    confirmed: int = 0
    parkings: list[Parking] = field(default_factory=list)

    @property
    def room(self) -> int:
        limit = 1 if self.doubt.is_careful else self.pace.unconfirmed_max
        return limit - len(self.window)

    async def run(self) -> None:
        read = self.window.cursor
        while records := await self.log.read(read, self.pace.read_bytes):
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
        try:
            said = said_in(record.kind, record.body)
        except msgspec.DecodeError as error:
            # It would stop everything behind it for ever.
            log.error("record %s cannot be read, and is passed over: %s", record.position, error)
            return
        if isinstance(said, Deletion):
            await self.cell.delete(said)
            return
        left = await self.cell.annotate(said)
        await self.progress.keep_waiting(record.position, [encoded([one]) for one in left])

    async def _annotate_late(self) -> None:
        """The log is through: annotations that waited may find their target now."""
        progress, after = self.progress, 0
        while rows := await progress.waiting(after):
            after = rows[-1][0]
            annotations = {number: annotations_of(body)[0] for number, body in rows}
            left = await self.cell.annotate([*annotations.values()])
            await progress.stop_waiting([n for n, one in annotations.items() if one not in left])

    async def _send_record(self, record: Record) -> None:
        selection = await self.select(record)
        self.skipped += selection.skipped
        self.deleted += selection.deleted
        for batch in selection.batches:
            missing = await self._missing(batch)
            for part in singles(missing) if self.doubt.is_careful else [missing]:
                await self._send(part)

    async def _missing(self, batch: Batch) -> Batch:
        """Without what the cell holds, from before a crash or as a copy. Whoever sent it once more
        would take its being there for the cell's having overtaken what is still in its memory."""
        found = await self.cell.stored([place.span_id for place in batch.places])
        held = [place for place in batch.places if place.span_id in found]
        clashes = [place for place in held if found[place.span_id] != place.trace_id]
        self.confirmed += len(held) - len(clashes)
        self._park(clashes, OTHER_TRACE)
        return without(batch, found) if held else batch

    async def _send(self, batch: Batch) -> None:
        if not batch.places:
            return
        while len(self.window) and (
            self.room < len(batch.places) or self.window.is_crossed_by(batch.places)
        ):
            await self._confirm()
        refused = await self._post(batch)
        if not refused:
            self._park(self.window.send(batch.places, self.clock()), OTHER_TRACE)
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
        asked = self.window.oldest(self.pace.ask_max)
        found = await self.cell.stored([one.place.span_id for one in asked])
        confirmed, clashes = self.window.stored(found, self.clock())
        self.confirmed += confirmed
        self.doubt.clear(found)
        self._park(clashes, OTHER_TRACE)
        await self._send_lost(asked)
        await self._settle()
        if len(self.window):
            await self._wait(self.pace.poll_s)

    async def _send_lost(self, asked: Sequence[Waiting]) -> None:
        now = self.clock()
        if self.window.is_stalled(now - self.pace.stalled_s):
            await self._send_stalled(now)
            return
        lost = self.window.overtaken(asked, now - self.pace.overtaken_s)
        await self._resend([one for one in lost if not self._gives_up(one)], now, counts=True)

    async def _send_stalled(self, now: float) -> None:
        """The cell stores nothing at all: that is told of one span alone, the oldest."""
        oldest, *others = self.window.oldest(len(self.window))
        if not self._gives_up(oldest):
            await self._resend([oldest], now, counts=True)
        await self._resend(others, now, counts=False)
        self.window.wait_on(now)

    def _gives_up(self, one: Waiting) -> bool:
        is_tried = one.tries >= self.pace.tries
        if is_tried:
            self._park(self.window.give_up(one), NOT_STORED)
        return is_tried

    async def _resend(self, waiting: Sequence[Waiting], now: float, *, counts: bool) -> None:
        by_position: dict[Position, list[Waiting]] = {}
        for one in waiting:
            by_position.setdefault(one.place.position, []).append(one)
        for position, some in by_position.items():
            record = (await self.log.get([position]))[position]
            request = ExportTraceServiceRequest.FromString(record.body)
            ordinals = {one.place.ordinal for one in some}
            status = await self._posted(only(request, ordinals).SerializeToString())
            # A cell that was busy has not had them.
            self.window.again(some, now, counts=counts and status < 500 and status != 429)

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
        await self.progress.settle(cursor, settled, self.parkings)
        self.confirmed = self.skipped = self.deleted = 0
        self.parkings = []
        if cursor > before:
            self.doubt.progressed()
            await self.moved(cursor)

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
