"""From the log into the tenant's Phoenix: no faster than it inserts, until insertion is observed.

Rule: the cursor moves behind a record once it is settled (`drain`), and is durable before anybody
relies on it; after a crash, of Roost or of the cell, what is not settled is sent again.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from roost.errors import Unavailable
from roost.ingest.doubt import Doubt
from roost.ingest.drain import Cell as Cell
from roost.ingest.drain import Drain, Select
from roost.ingest.drain import Pace as Pace
from roost.ingest.window import Window
from roost.log.base import BEGINNING, Log, Position
from roost.storage.progress import Progress, Settled

log = logging.getLogger("roost.forward")

Connect = Callable[[], AbstractAsyncContextManager[Cell]]
"""Wakes the cell and keeps it awake until the block ends. Unavailable where it cannot."""


@dataclass(slots=True)
class Forward:
    """Feeds one home's cell. `select` says what of a record goes on; `clock` counts seconds."""

    log: Log
    progress: Progress
    connect: Connect
    select: Select
    clock: Callable[[], float]
    pace: Pace = field(default_factory=Pace)
    fault: str = ""
    """Why nothing goes on just now; "" while it does."""
    cursor: Position = BEGINNING
    """Every record up to it is settled."""
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)
    _doubt: Doubt = field(init=False)
    _drain: Drain | None = None

    def __post_init__(self) -> None:
        self._doubt = Doubt(self.pace.deaths)

    @property
    def unconfirmed(self) -> int:
        """Spans that the cell has accepted and not stored yet."""
        return 0 if self._drain is None else len(self._drain.window)

    async def run(self) -> None:
        """For ever: whenever the log holds more than the cell."""
        await self.move(await self._begins_at())
        while True:
            await self.log.wait(self.cursor)
            try:
                async with self.connect() as cell:
                    await self._feed(cell)
                self.fault = ""
            except Unavailable as error:
                self.fault = error.reason or error.message
                await asyncio.sleep(error.retry_after_s or self.pace.busy_s)

    async def _begins_at(self) -> Position:
        """Where the log is shorter than what was settled, it was put back from a backup, or is
        gone: its positions mean something else now, so all of it is sent."""
        cursor, extent = Position(await self.progress.cursor()), self.log.extent
        if cursor <= extent.last:
            return cursor
        begins_at = Position(extent.first - 1)
        log.warning(
            "the log ends at %s, before the cursor %s; it is read anew", extent.last, cursor
        )
        await self.progress.settle(begins_at, Settled())
        return begins_at

    async def settled(self, position: Position) -> None:
        """Returns once every record up to `position` is settled."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.cursor >= position)

    async def move(self, cursor: Position) -> None:
        async with self._moved:
            self.cursor = cursor
            self._moved.notify_all()

    async def _moved_to(self, cursor: Position) -> None:
        """It goes on."""
        self.fault = ""
        await self.move(cursor)

    async def _feed(self, cell: Cell) -> None:
        self._drain = Drain(
            log=self.log,
            progress=self.progress,
            select=self.select,
            moved=self._moved_to,
            clock=self.clock,
            pace=self.pace,
            cell=cell,
            window=Window(self.cursor),
            doubt=self._doubt,
        )
        try:
            await self._drain.run()
        except Unavailable:
            if not cell.is_current:
                self._doubt.died()
            raise
        finally:
            self._doubt.give([])
            self._drain = None
