"""A home's index at work: it follows the log on a thread of its own, and says what has changed.

Rule: records are applied in order by one thread; whoever asks reads beside it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from roost.index.rows import Applied
from roost.log.base import Log, Position, Record

READ_BYTES = 1024 * 1024
RETRY_S = 5.0

log = logging.getLogger("roost.index")


class Writing(Protocol):
    @property
    def cursor(self) -> Position: ...
    def apply(self, records: Sequence[Record]) -> Applied: ...


@dataclass(slots=True)
class IndexDesk:
    """`thread` has one worker, and nobody else applies anything."""

    index: Writing
    log: Log
    thread: ThreadPoolExecutor
    on_applied: Callable[[Applied], None]
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)

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
            loop = asyncio.get_running_loop()
            self.on_applied(await loop.run_in_executor(self.thread, self.index.apply, records))
            async with self._moved:
                self._moved.notify_all()

    async def reached(self, position: Position) -> None:
        """Returns once everything up to `position` is applied."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.cursor >= position)
