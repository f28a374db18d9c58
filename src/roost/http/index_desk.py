"""A home's index at work: it follows the log on a thread of its own, and says what has changed.

Rule: records are applied in order by one thread; whoever asks reads beside it.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from roost.errors import Unavailable
from roost.index import places
from roost.index.amending import Hand
from roost.index.home import Index
from roost.index.queries import Queries
from roost.index.rows import Applied
from roost.log.base import Log, Position

READ_BYTES = 1024 * 1024
REACH_S = 20.0
T = TypeVar("T")


@dataclass(slots=True)
class IndexDesk:
    """`thread` has one worker, and nobody else applies anything."""

    index: Index
    log: Log
    thread: ThreadPoolExecutor
    on_applied: Callable[[Applied], Awaitable[None]]
    """Told of each step, in order, before the next one begins."""
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _is_closed: bool = False

    @property
    def cursor(self) -> Position:
        return self.index.cursor

    async def run(self) -> None:
        """For ever: apply what the log brings."""
        while True:
            await self.log.wait(self.cursor)
            records = await self.log.read(self.cursor, READ_BYTES)
            if not records:
                continue
            async with self._turn:
                loop = asyncio.get_running_loop()
                applied = await loop.run_in_executor(self.thread, self.index.apply, records)
                async with self._moved:
                    self._moved.notify_all()
                await self.on_applied(applied)

    async def amend(self, act: Callable[[Hand], object]) -> None:
        """What the cell says and the log does not, told like everything else."""
        async with self._turn:
            loop = asyncio.get_running_loop()
            applied = await loop.run_in_executor(self.thread, self.index.amend, act)
            if applied.changes:
                await self.on_applied(applied)

    async def catch_up(self) -> None:
        """To the end of the log, while nobody runs it."""
        loop = asyncio.get_running_loop()
        while records := await self.log.read(self.cursor, READ_BYTES):
            await loop.run_in_executor(self.thread, self.index.apply, records)

    async def give_way_to(self, built: "IndexDesk", reopened: Callable[[], Index]) -> None:
        """The index that was built beside takes the place of this one's, between two steps:
        closed there, `reopened` here."""
        async with self._turn:
            await built.catch_up()
            await built.aclose()
            loop = asyncio.get_running_loop()
            old, self.index = self.index, await loop.run_in_executor(self.thread, reopened)
        await asyncio.to_thread(old.close)

    async def aclose(self) -> None:
        """Whoever still asks is waited for."""
        if not self._is_closed:
            self._is_closed = True
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self.thread, self.index.close)

    async def sweep(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self.thread, self.index.sweep)

    async def known(self, span_ids: Sequence[str]) -> list[str]:
        """Those of the spans (ids in hex) that the log has brought, up to its end."""
        await self.reached(self.log.extent.last)
        ids = [bytes.fromhex(one) for one in span_ids]
        found = await self.read(lambda db: places.known(db, ids))
        return [one.hex() for one in found]

    async def failed(self, trace_ids: Collection[bytes], position: Position) -> Collection[bytes]:
        """Those of the traces in which a span has failed, as far as the log went by then."""
        await self.reached(position)
        return await self.read(lambda db: places.failed(db, trace_ids))

    async def earlier(self, trace_id: bytes, before: Position) -> list[tuple[Position, int]]:
        return await self.read(lambda db: places.earlier(db, trace_id, before))

    async def read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Asks the index on another thread; Unavailable where it takes too long."""
        return await asyncio.to_thread(self.index.read, question)

    async def ask(self, question: Callable[[Queries], T]) -> T:
        """The same for the questions that viewers have."""
        return await asyncio.to_thread(question, self.index.queries)

    async def reached(self, position: Position, within_s: float = REACH_S) -> None:
        """Returns once everything up to `position` is applied. Unavailable where that takes too
        long."""
        try:
            async with asyncio.timeout(within_s), self._moved:
                await self._moved.wait_for(lambda: self.cursor >= position)
        except TimeoutError:
            raise Unavailable(
                "The index is behind what was received; try again.", reason="index is behind"
            ) from None
