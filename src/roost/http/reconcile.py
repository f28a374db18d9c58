"""Keeps a home's index in step with what happens in its cell behind the log.

Rule 1: only while the cell is up; nothing wakes it for this. Rule 2: where the cell's database is
another one than before, nothing is concluded from it until an operator says so.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct

from roost.cells.ledger_identity import CellIdentity
from roost.cells.ledger_view import CellView
from roost.errors import Unavailable
from roost.http.home import Home
from roost.http.index_desk import IndexDesk
from roost.http.reconcile_annotations import AnnotationReading
from roost.http.reconcile_sessions import SessionWalk
from roost.http.reconcile_spans import SpanReading
from roost.http.reconcile_traces import SLICES_A_LOOK, TraceWalk
from roost.ingest import eras
from roost.log.base import Position
from roost.policy.forwarding import ForwardPolicy
from roost.storage.marks import Marks

EVERY_S = 30.0
SOON_S = 1.0
AGAIN_S = 5.0
"""Phoenix answers some writes before it has stored them: after a hint it is looked at twice."""
SLICES_BY_API = 1
"""A slice takes a second of the cell's time there."""
_CELL, _POLICIES = "cell", "policies"
ANOTHER = (
    "Phoenix's database of this tenant is another one than before, so nothing is learnt from it. "
    "If that is right, `roost ingest rebuild {slug}` takes it as the tenant's."
)

log = logging.getLogger("roost.reconcile")


class _Cell(Struct, frozen=True):
    """The cell's database, and the position from which on the log has gone into it."""

    since: int
    identity: CellIdentity | None = None


@dataclass(slots=True)
class Reconciler:
    """`view` is what can be read of the cell while it is up, or None."""

    home: Home
    view: Callable[[], Awaitable[CellView | None]]
    marks: Marks
    clock: Callable[[], float]
    spans: SpanReading
    annotations: AnnotationReading
    traces: TraceWalk
    sessions: SessionWalk
    _busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    async def open(
        cls,
        home: Home,
        view: Callable[[], Awaitable[CellView | None]],
        marks: Marks,
        policies: Mapping[str, ForwardPolicy],
        clock: Callable[[], float],
    ) -> "Reconciler":
        """Notes, before anything is forwarded, by which policies that happens."""
        settled = Position(await home.progress.cursor())
        known = eras.eras_from(await marks.get(_POLICIES))
        now = eras.continued(known, policies, settled)
        if now != known:
            await marks.put(_POLICIES, eras.encoded(now))
        if await marks.get(_CELL) is None:
            await marks.put(_CELL, msgspec.json.encode(_Cell(settled)).decode())
        index, forward, progress = home.index, home.forward, home.progress
        return cls(
            home,
            view,
            marks,
            clock,
            SpanReading(index, home.log),
            AnnotationReading(index, home.log, forward, progress, clock),
            TraceWalk(index, forward, progress, home.delete, clock, now),
            SessionWalk(index),
        )

    async def run(self) -> None:
        """For ever."""
        pause_s = EVERY_S
        while True:
            hinted = await self._wait(pause_s)
            pause_s = AGAIN_S if hinted else EVERY_S
            with suppress(Unavailable):
                await self.look()

    async def look(self) -> bool:
        """Whether the cell is up and was read to its end. Unavailable where it does not answer."""
        async with self._busy:
            view = await self.view()
            if view is None or not await self._is_same(view):
                return False
            is_whole = await self.spans.look(view.spans)
            if view.annotations is not None:
                await self.annotations.look(view.annotations)
            slices = SLICES_A_LOOK if view.annotations is not None else SLICES_BY_API
            await self.traces.look(view.ledger, lambda: self._is_same(view), slices)
            if view.sessions is not None:
                await self.sessions.look(view.sessions)
        return is_whole

    async def read_into(self, index: IndexDesk, view: CellView) -> None:
        """All that the cell has and the log has not, into an index that is built beside."""
        home = self.home
        spans = SpanReading(index, home.log)
        while not await spans.look(view.spans):
            pass
        if view.annotations is not None:
            reading = AnnotationReading(index, home.log, home.forward, home.progress, self.clock)
            await reading.look(view.annotations)

    async def accept(self) -> None:
        """The cell's database, whichever it is, is the tenant's from now on."""
        async with self._busy:
            view = await self.view()
            now = None if view is None else await view.identity.look()
            kept = await self._kept()
            if kept.identity is None or now is None or kept.identity.is_still(now):
                return
            await self._keep(_Cell(self.home.forward.cursor, now))

    async def _wait(self, pause_s: float) -> bool:
        """Whether somebody has said that the cell has changed."""
        wants_look = self.home.wants_look
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await wants_look.wait()
        hinted = wants_look.is_set()
        if hinted:
            await asyncio.sleep(SOON_S)
        wants_look.clear()
        return hinted

    async def _is_same(self, view: CellView) -> bool:
        now, kept = await view.identity.look(), await self._kept()
        if kept.identity is not None and not kept.identity.is_still(now):
            self._say(ANOTHER.format(slug=self.home.tenant.slug))
            return False
        if kept.identity != now:
            await self._keep(_Cell(kept.since, now))
        self.traces.since = Position(kept.since)
        self._say("")
        return True

    def _say(self, fault: str) -> None:
        if fault and fault != self.home.look_fault:
            log.error("%s: %s", self.home.tenant.slug, fault)
        self.home.look_fault = fault

    async def _kept(self) -> _Cell:
        text = await self.marks.get(_CELL)
        return msgspec.json.decode(text, type=_Cell) if text else _Cell(self.home.forward.cursor)

    async def _keep(self, cell: _Cell) -> None:
        await self.marks.put(_CELL, msgspec.json.encode(cell).decode())
