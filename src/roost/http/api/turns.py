"""Each tenant's turns at the keeper's threads, so that no tenant keeps another waiting.

Rule: few questions of one tenant are worked on at a time, few wait, and none waits for ever.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from roost.errors import Unavailable

T = TypeVar("T")

_BUSY = "Too many questions of this tenant are under way. Try again in a moment."


class Apart(Protocol):
    """Runs work on a thread, in its tenant's turn."""

    async def __call__(self, work: Callable[[], T]) -> T: ...


@dataclass(slots=True)
class _Queue:
    slots: asyncio.Semaphore
    here: int = 0
    """At work or waiting."""


@dataclass(slots=True)
class Turns:
    """`here_max` of one tenant are at work or wait."""

    threads: Executor
    at_once: int = 4
    here_max: int = 64
    wait_s: float = 10.0
    _queues: dict[str, _Queue] = field(default_factory=dict)

    @asynccontextmanager
    async def taken(self, tenant_id: str) -> AsyncIterator[None]:
        """Unavailable (429) where too many are before it."""
        queue = self._queues.setdefault(tenant_id, _Queue(asyncio.Semaphore(self.at_once)))
        if queue.here >= self.here_max:
            raise Unavailable(_BUSY, reason="too many wait", status=429)
        queue.here += 1
        try:
            await self._slot(queue)
            try:
                yield
            finally:
                queue.slots.release()
        finally:
            queue.here -= 1
            if not queue.here:
                del self._queues[tenant_id]

    def of(self, tenant_id: str) -> Apart:
        async def apart(work: Callable[[], T]) -> T:
            async with self.taken(tenant_id):
                return await asyncio.get_running_loop().run_in_executor(self.threads, work)

        return apart

    async def _slot(self, queue: _Queue) -> None:
        try:
            async with asyncio.timeout(self.wait_s):
                await queue.slots.acquire()
        except TimeoutError:
            raise Unavailable(_BUSY, reason="no turn in time", status=429) from None
