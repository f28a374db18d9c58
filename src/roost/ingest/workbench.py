"""Where the CPU work of a batch is done: small ones at once, large ones beside the event loop.

Rule: few large ones at a time, and few wait for that: a batch costs seconds of CPU at its limit,
and whoever waits holds its body.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from roost.errors import Unavailable

INLINE_BYTES = 256 * 1024
_RETRY_AFTER_S = 2

T = TypeVar("T")


@dataclass(slots=True)
class Workbench:
    """`at_once` large batches are worked on, `waiting_max` may wait for their turn."""

    at_once: int = 2
    waiting_max: int = 32
    _turns: asyncio.Semaphore = field(init=False)
    _waiting: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._turns = asyncio.Semaphore(self.at_once)

    async def run(self, size_bytes: int, work: Callable[[], T]) -> T:
        """What `work` returns; Unavailable where too many wait already."""
        if size_bytes <= INLINE_BYTES:
            return work()
        if self._waiting >= self.waiting_max:
            raise Unavailable(
                "Too many large batches at once; send this one again.",
                reason=f"{self._waiting} large batches wait",
                retry_after_s=_RETRY_AFTER_S,
            )
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1
