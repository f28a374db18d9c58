"""The durable log of a home in a directory of its own: SQLite files of about 256 MB.

Rule 1: one thread writes, and syncs once for all that waits. Rule 2: the event loop never touches
a file. Rule 3: a log at rest has no task and one idle thread.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from roost.log import segment as files
from roost.log.base import Entry, Extent, Position, Record
from roost.log.disk import Disk
from roost.log.faults import told_of
from roost.log.group_commit import GroupCommit, QueueLimits
from roost.log.off_loop import off_loop
from roost.log.quota import refuse_over_quota
from roost.log.readers import Readers
from roost.log.row import Stamped
from roost.log.segment import Segment
from roost.log.shelf import Shelf
from roost.log.tail import Tail
from roost.log.writer import Writer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SegmentLimits:
    """`quota_bytes` is over all segments; 0 is none. At most `reads` run at once, and after
    `patience_s` whoever asked is told to try again; rewriting a segment for `erase` may take
    `rewrite_patience_s`."""

    segment_bytes: int = 256 * 2**20
    quota_bytes: int = 0
    queue: QueueLimits = field(default_factory=QueueLimits)
    reads: int = 2
    patience_s: float = 30.0
    rewrite_patience_s: float = 600.0


class SegmentLog:
    """A `Log`. Nobody else may have the directory open."""

    def __init__(
        self,
        shelf: Shelf,
        disk: Disk,
        limits: SegmentLimits,
        readers: Executor | None,
        clock: Callable[[], float],
    ) -> None:
        self._shelf = shelf
        self._disk = disk
        self._limits = limits
        self._writer = Writer(shelf, disk, limits.segment_bytes)
        self._readers = Readers(shelf, disk, limits.reads)
        self._write_thread = ThreadPoolExecutor(1, "roost-log")
        self._read_threads = readers
        self._reads = asyncio.Semaphore(limits.reads)
        self._erasing = asyncio.Lock()
        self._group_commit = GroupCommit(self._commit, limits.queue, clock)
        self._tail = Tail()

    @classmethod
    async def open(
        cls,
        directory: Path,
        *,
        limits: SegmentLimits | None = None,
        readers: Executor | None = None,
        disk: Disk | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """The log in `directory`, made with mode 0700 where it is missing; what a crash left is
        mended. Reads run on `readers`, else on the event loop's own threads.

        Raises Damaged, which names every segment that is not whole.
        """
        disk = disk or Disk()
        log = cls(Shelf(directory, disk), disk, limits or SegmentLimits(), readers, clock)
        try:
            await log._write(partial(log._writer.open, clock()))
        except BaseException:
            log._write_thread.shutdown(wait=False)
            raise
        log._tail.advance(log.extent.last)
        return log

    @property
    def extent(self) -> Extent:
        return self._shelf.extent

    async def append(self, entries: Sequence[Entry]) -> Position:
        self._tail.refuse_closed()
        refuse_over_quota(self.extent.stored_bytes, self._limits.quota_bytes, entries)
        return await self._group_commit.append(entries) if entries else self.extent.last

    async def read(self, after: Position, limit_bytes: int) -> Sequence[Record]:
        self._tail.refuse_closed()
        if after >= self.extent.last:
            return []
        return await self._read(partial(self._readers.read, after, limit_bytes))

    async def get(self, positions: Sequence[Position]) -> Mapping[Position, Record]:
        self._tail.refuse_closed()
        return await self._read(partial(self._readers.get, positions))

    async def wait(self, after: Position) -> None:
        await self._tail.wait(after)

    async def erase(self, bodies: Mapping[Position, bytes]) -> None:
        """Each segment that holds one of them is written anew, beside the appends."""
        self._tail.refuse_closed()
        async with self._erasing:
            if any(position >= self._shelf.active.first for position in bodies):
                await self._write(self._writer.seal)
            for segment in self._shelf.segments[:-1]:
                here = {p: bodies[p] for p in bodies if segment.first <= p <= segment.last}
                if here:
                    await self._rewrite(segment.first, here)

    async def trim(self, before: Position) -> None:
        """The segment that is being written to is sealed and let go of too, where all of it may
        go; that costs some syncs, so trim every few minutes rather than after every record."""
        self._tail.refuse_closed()
        await self._write(partial(self._writer.trim, before))
        self._readers.forget_stale()

    async def aclose(self) -> None:
        if self._tail.is_closed:
            return
        self._tail.close()
        await self._group_commit.finish()
        async with self._erasing:
            for _ in range(self._limits.reads):
                await self._reads.acquire()
            self._readers.close()
            await self._write(self._writer.close)
        self._write_thread.shutdown(wait=False)

    async def _commit(self, stamped: list[Stamped]) -> Position:
        try:
            return await self._write(partial(self._writer.commit, stamped))
        finally:
            self._tail.advance(self.extent.last)

    async def _rewrite(self, first: Position, bodies: Mapping[Position, bytes]) -> None:
        """Again where the segment was replaced meanwhile; nothing is left to do once it is gone."""
        while (segment := self._shelf.beginning_with(first)) is not None:
            copy = partial(self._copy, segment, bodies)
            rewritten = await off_loop(self._read_threads, self._limits.rewrite_patience_s, copy)
            done = await self._write(partial(self._writer.put_in_place, segment, rewritten))
            self._readers.forget_stale()
            if done:
                return

    def _copy(self, segment: Segment, bodies: Mapping[Position, bytes]) -> Path:
        with told_of(segment.path):
            return files.rewrite(self._disk, segment, bodies)

    async def _read(self, act: Callable[[], T]) -> T:
        async with self._reads:
            return await off_loop(self._read_threads, self._limits.patience_s, act)

    async def _write(self, act: Callable[[], T]) -> T:
        return await off_loop(self._write_thread, self._limits.patience_s, act)
