"""A home's index made anew, from the log and what the cell alone has.

Rule: the old one answers until the new one is whole; then they change places between two records.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from roost.cells.ledger_view import CellView
from roost.errors import Unavailable
from roost.http import messages as m
from roost.http.background import beside
from roost.http.home import Home
from roost.http.home_upkeep import remember_deletions
from roost.http.index_desk import IndexDesk
from roost.http.reconcile import Reconciler
from roost.index.generations import building, current, promoted
from roost.index.home import Index
from roost.index.rows import Applied
from roost.storage.marks import Marks

REPLAY_S = 6 * 3_600.0
READING_LOG, READING_CELL, OVER = "reading the log", "reading Phoenix", "done"


@dataclass(slots=True)
class Rebuilder:
    """`directory` is the home's. `connect` wakes the cell and keeps it awake; `view` is what can be
    read of it then."""

    home: Home
    directory: Path
    marks: Marks
    connect: Callable[[], AbstractAsyncContextManager[object]]
    view: Callable[[], Awaitable[CellView | None]]
    reconciler: Reconciler
    _state: m.Rebuilding = field(default_factory=lambda: m.Rebuilding("", 0, 0, over=True))
    _asked: asyncio.Event = field(default_factory=asyncio.Event)
    _desk: IndexDesk | None = None

    def state(self) -> m.Rebuilding:
        """How far the last one is, or came."""
        if self._desk is not None and not self._state.over:
            return replace(self._state, done=self._desk.cursor, total=self.home.log.extent.last)
        return self._state

    def start(self) -> m.Rebuilding:
        """Begins one, unless one is under way."""
        if self._state.over:
            self._state = m.Rebuilding(READING_LOG, 0, self.home.log.extent.last)
            self._asked.set()
        return self.state()

    async def run(self) -> None:
        """For ever: one at a time."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                note = await self._rebuild()
                self._state = replace(self.state(), phase=OVER, over=True, note=note)
            except BaseException as error:
                self._state = replace(self._state, over=True, fault=_fault(error))
                raise
            finally:
                self._desk = None

    async def _rebuild(self) -> str:
        """What could not be had, or ""."""
        async with AsyncExitStack() as stack:
            desk, path = await self._new_desk(stack)
            async with beside(desk.run()):
                await desk.reached(self.home.log.extent.last, REPLAY_S)
                self._state = replace(self._state, phase=READING_CELL)
                note = await self._read_cell(desk)
            await self.home.index.give_way_to(desk, partial(_reopened, path))
        await asyncio.to_thread(current, self.directory)
        self.home.wants_look.set()
        return note

    async def _new_desk(self, stack: AsyncExitStack) -> tuple[IndexDesk, Path]:
        path = building(self.directory)
        thread = ThreadPoolExecutor(1, "roost-rebuild")
        stack.callback(thread.shutdown)
        loop = asyncio.get_running_loop()
        index = await loop.run_in_executor(thread, Index.open, path)
        desk = self._desk = IndexDesk(index, self.home.log, thread, _tell_nobody)
        stack.push_async_callback(desk.aclose)
        await remember_deletions(desk, self.marks)
        return desk, path

    async def _read_cell(self, desk: IndexDesk) -> str:
        """Its spans and annotations; without them, why: they come later, by reconciliation."""
        try:
            async with self.connect():
                await self.reconciler.accept()
                view = await self.view()
                if view is not None:
                    await self.reconciler.read_into(desk, view)
        except Unavailable as error:
            return f"Phoenix could not be read ({error.reason or error.message})"
        return ""


async def _tell_nobody(_: Applied) -> None:
    return None


def _reopened(path: Path) -> Index:
    return Index.open(promoted(path))


def _fault(error: BaseException) -> str:
    return error.message if isinstance(error, Unavailable) else type(error).__name__
