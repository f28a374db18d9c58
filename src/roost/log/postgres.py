"""The durable log of a home in PostgreSQL: the database, or the schema, that its DSN names.

Rule 1: one connection writes, holds the log's lock, and makes one commit of all that waits.
Rule 2: after a fault it is opened anew, and where the log ends is read, never remembered.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Self

import asyncpg

from roost.log import postgres_table as table
from roost.log.base import BEGINNING, Entry, Extent, Position, Record
from roost.log.group_commit import GroupCommit, QueueLimits
from roost.log.off_loop import off_loop
from roost.log.postgres_faults import told
from roost.log.quota import refuse_over_quota
from roost.log.row import OVERHEAD_BYTES, Row, Stamped, rows_of
from roost.log.tail import Tail

_IDLE_READER_S = 60.0
_CACHED_STATEMENTS = 16
_SETTINGS: Mapping[str, str] = {
    "application_name": "roost log",
    "synchronous_commit": "on",
    # A keeper that is cut off must not hold the log's lock for hours.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


@dataclass(frozen=True, slots=True)
class PostgresLimits:
    """`quota_bytes` is over all records; 0 is none. At most `reads` run at once. After
    `patience_s` whoever asked is told to try again; `erase` rewrites the table, and may take
    `rewrite_patience_s`."""

    quota_bytes: int = 0
    queue: QueueLimits = field(default_factory=QueueLimits)
    reads: int = 2
    patience_s: float = 30.0
    rewrite_patience_s: float = 600.0


class PostgresLog:
    """A `Log`. It needs sessions of PostgreSQL itself, so no pooler that shares them."""

    def __init__(
        self, dsn: str, pool: asyncpg.Pool, limits: PostgresLimits, clock: Callable[[], float]
    ) -> None:
        self._dsn = dsn
        self._pool = pool
        self._limits = limits
        self._connection: asyncpg.Connection | None = None
        self._writing = asyncio.Lock()
        self._head = table.Head(BEGINNING, 0.0)
        self._oldest = BEGINNING
        self._stored_bytes = 0
        self._group_commit = GroupCommit(self._commit, limits.queue, clock)
        self._tail = Tail()

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        limits: PostgresLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """The log that lies where `dsn` leads; a `search_path` in it names the schema. Its tables
        are made where they are missing.

        Unavailable where PostgreSQL does not answer, or where another keeper has the log.
        """
        limits = limits or PostgresLimits()
        pool = asyncpg.create_pool(
            dsn,
            min_size=0,
            max_size=limits.reads,
            max_inactive_connection_lifetime=_IDLE_READER_S,
            statement_cache_size=_CACHED_STATEMENTS,
        )
        log = cls(dsn, await pool, limits, clock)
        try:
            async with log._writer(limits.patience_s):
                pass
        except BaseException:
            await log._pool.close()
            raise
        return log

    @property
    def extent(self) -> Extent:
        first = self._oldest or Position(self._head.last + 1)
        return Extent(first, self._head.last, self._stored_bytes)

    async def append(self, entries: Sequence[Entry]) -> Position:
        self._tail.refuse_closed()
        refuse_over_quota(self._stored_bytes, self._limits.quota_bytes, entries)
        return await self._group_commit.append(entries) if entries else self._head.last

    async def read(self, after: Position, limit_bytes: int) -> Sequence[Record]:
        self._tail.refuse_closed()
        if (last := self._head.last) <= after:
            return []
        return await self._records(lambda c: table.read(c, after, last, limit_bytes))

    async def get(self, positions: Sequence[Position]) -> Mapping[Position, Record]:
        self._tail.refuse_closed()
        records = await self._records(lambda c: table.get(c, positions))
        return {record.position: record for record in records}

    async def wait(self, after: Position) -> None:
        await self._tail.wait(after)

    async def erase(self, bodies: Mapping[Position, bytes]) -> None:
        """The table is rewritten; appends and reads wait for that. What the server keeps beside
        the table (its WAL, replicas, backups) ages by the server's own rules."""
        self._tail.refuse_closed()
        if not bodies:
            return
        async with self._writer(self._limits.rewrite_patience_s) as connection:
            await table.replace(connection, bodies)
            await self._measure(connection)

    async def trim(self, before: Position) -> None:
        self._tail.refuse_closed()
        async with self._writer(self._limits.rewrite_patience_s) as connection:
            await table.delete(connection, before)
            await self._measure(connection)

    async def aclose(self) -> None:
        if self._tail.is_closed:
            return
        self._tail.close()
        await self._group_commit.finish()
        async with self._writing:
            self._pool.terminate()
            self._give_up()

    async def _commit(self, stamped: list[Stamped]) -> Position:
        patience_s = self._limits.patience_s
        async with self._writer(patience_s) as connection:
            last = self._head.last
            rows = await off_loop(None, patience_s, partial(rows_of, stamped, last, self._head.at))
            await table.insert(connection, rows, last)
            self._grow(rows)
        return self._head.last

    def _grow(self, rows: Sequence[Row]) -> None:
        self._head = table.Head(Position(rows[-1][0]), rows[-1][1])
        self._oldest = self._oldest or Position(rows[0][0])
        self._stored_bytes += sum(len(row[-1]) + OVERHEAD_BYTES for row in rows)
        self._tail.advance(self._head.last)

    async def _records(
        self, select: Callable[[asyncpg.Connection], Awaitable[list[Row]]]
    ) -> list[Record]:
        with told():
            async with asyncio.timeout(self._limits.patience_s), self._pool.acquire() as connection:
                rows = await select(connection)
            return await off_loop(None, self._limits.patience_s, partial(table.records_of, rows))

    @asynccontextmanager
    async def _writer(self, patience_s: float) -> AsyncIterator[asyncpg.Connection]:
        """The writing connection, for one at a time; it is given up where the block raises."""
        async with self._writing:
            try:
                with told():
                    async with asyncio.timeout(patience_s):
                        yield await self._claimed()
            except BaseException:
                self._give_up()
                raise

    async def _claimed(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._dsn, server_settings=_SETTINGS, statement_cache_size=_CACHED_STATEMENTS
            )
            self._head = await table.claim(self._connection)
            await self._measure(self._connection)
            self._tail.advance(self._head.last)
        return self._connection

    async def _measure(self, connection: asyncpg.Connection) -> None:
        self._oldest, self._stored_bytes = await table.oldest_and_bytes(connection)

    def _give_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
