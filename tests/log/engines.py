"""The engines of the log, each opened and opened again on a place of its own."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import asyncpg
from tests.deploy.postgres import Postgres

from roost.log.base import Log
from roost.log.group_commit import QueueLimits
from roost.log.postgres import PostgresLimits, PostgresLog
from roost.log.segments import SegmentLimits, SegmentLog

Clock = Callable[[], float]


class Engine(Protocol):
    """`open` opens the same log each time; what was open before is closed, or dead."""

    async def open(
        self, *, quota_bytes: int = 0, queue: QueueLimits | None = None, clock: Clock = ...
    ) -> Log: ...


def still() -> float:
    return 1_000.0


@dataclass(frozen=True)
class Segments:
    directory: Path
    segment_bytes: int = 40_000

    async def open(
        self, *, quota_bytes: int = 0, queue: QueueLimits | None = None, clock: Clock = still
    ) -> SegmentLog:
        limits = SegmentLimits(self.segment_bytes, quota_bytes, queue or QueueLimits())
        return await SegmentLog.open(self.directory, limits=limits, clock=clock)


@dataclass(frozen=True)
class Tables:
    dsn: str

    async def open(
        self, *, quota_bytes: int = 0, queue: QueueLimits | None = None, clock: Clock = still
    ) -> PostgresLog:
        limits = PostgresLimits(quota_bytes, queue or QueueLimits())
        return await PostgresLog.open(self.dsn, limits=limits, clock=clock)


@contextmanager
def schema(server: Postgres) -> Iterator[Tables]:
    """A schema of its own in that database, gone at the end."""
    name = f"log_{secrets.token_hex(6)}"
    dsn = (
        f"postgresql://{server.user}:{quote(server.password)}@{server.host}:{server.port}"
        f"/{server.database}"
    )
    run(execute(dsn, f"CREATE SCHEMA {name}"))
    yield Tables(f"{dsn}?search_path={name}")
    run(execute(dsn, f"DROP SCHEMA {name} CASCADE"))


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement)
    await connection.close()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)
