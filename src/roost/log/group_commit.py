"""Appends that wait become one commit: one sync for all that came while the last one ran.

Rule 1: one commit at a time, in the order of arrival. Rule 2: what waits is bounded in bytes and in
entries; what does not fit is refused at once, so that the client keeps it. Rule 3: an idle log has
no task.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from roost.errors import Unavailable
from roost.log.base import Entry, Position
from roost.log.row import Stamped

Commit = Callable[[list[Stamped]], Awaitable[Position]]
"""Makes them durable, all or none, and returns the position of the last. Raises Unavailable."""

_FULL = "The log takes no more just now. Send the batch again in a moment."
_SLOW = "The log did not answer in time. Send the batch again in a moment."
_FAILED = "The log could not be written. Send the batch again in a moment."
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """What may wait, being committed included. A single append that is larger than that is taken
    when nothing else waits. After `patience_s` whoever waits is told to try again."""

    waiting_bytes: int = 32 * 2**20
    waiting_entries: int = 4096
    patience_s: float = 30.0


@dataclass(frozen=True, slots=True)
class _Append:
    entries: Sequence[Stamped]
    size_bytes: int
    done: asyncio.Future[Position]


class GroupCommit:
    def __init__(self, commit: Commit, limits: QueueLimits, clock: Callable[[], float]) -> None:
        self._commit = commit
        self._limits = limits
        self._clock = clock
        self._queue: list[_Append] = []
        self._waiting_bytes = 0
        self._waiting_entries = 0
        self._work: asyncio.Task[None] | None = None

    async def append(self, entries: Sequence[Entry]) -> Position:
        """The position of the last of them, once they are durable. Unavailable where too much
        waits, or where the commit failed."""
        append = self._enqueue(entries)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._work_off())
        try:
            async with asyncio.timeout(self._limits.patience_s):
                return await append.done
        except TimeoutError:
            raise Unavailable(_SLOW, reason="a commit takes too long", retry_after_s=5) from None

    async def finish(self) -> None:
        """Returns once nothing waits any more."""
        while self._work is not None and not self._work.done():
            await asyncio.wait({self._work})

    def _enqueue(self, entries: Sequence[Entry]) -> _Append:
        size_bytes = sum(len(entry.body) for entry in entries)
        if self._queue or self._waiting_entries:
            self._refuse_full(size_bytes, len(entries))
        at = self._clock()
        stamped = [Stamped(at, entry) for entry in entries]
        append = _Append(stamped, size_bytes, asyncio.get_running_loop().create_future())
        self._queue.append(append)
        self._waiting_bytes += size_bytes
        self._waiting_entries += len(stamped)
        return append

    def _refuse_full(self, size_bytes: int, count: int) -> None:
        if (
            self._waiting_bytes + size_bytes > self._limits.waiting_bytes
            or self._waiting_entries + count > self._limits.waiting_entries
        ):
            waits = f"{self._waiting_bytes} bytes in {self._waiting_entries} entries wait"
            raise Unavailable(_FULL, reason=waits, retry_after_s=1)

    async def _work_off(self) -> None:
        while self._queue:
            group, self._queue = self._queue, []
            await self._commit_group(group)
            self._waiting_bytes -= sum(append.size_bytes for append in group)
            self._waiting_entries -= sum(len(append.entries) for append in group)

    async def _commit_group(self, group: Sequence[_Append]) -> None:
        try:
            last = await self._commit([entry for append in group for entry in append.entries])
        except Unavailable as error:
            _refuse(group, error)
        except Exception as error:  # the supervisor: nobody may wait for ever
            _log.exception("a commit failed in a way that nobody foresaw")
            _refuse(group, Unavailable(_FAILED, reason=f"{type(error).__name__}: {error}"))
        else:
            _resolve(group, last)


def _resolve(group: Sequence[_Append], last: Position) -> None:
    position = last - sum(len(append.entries) for append in group)
    for append in group:
        position += len(append.entries)
        if not append.done.done():
            append.done.set_result(Position(position))


def _refuse(group: Sequence[_Append], error: Unavailable) -> None:
    """Each gets an error of its own: a shared one would gather everybody's traceback."""
    for append in group:
        if not append.done.done():
            append.done.set_exception(
                type(error)(
                    error.message,
                    reason=error.reason,
                    retry_after_s=error.retry_after_s,
                    status=error.status,
                )
            )
