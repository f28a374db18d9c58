"""Homes for the tests of events: their tables on a real SQLite, events as a sender writes them."""

import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import StaticPool, select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from roost.analytics.events import Batch, EventLimits, parse
from roost.analytics.rollups import DAY_MS
from roost.analytics.store import EventStore
from roost.analytics.taking import Terms
from roost.storage.engine import HOME, open_database, sqlite_url
from roost.storage.event_tables import (
    ANY_NAME,
    daily_people,
    daily_rollup,
    events,
    metadata,
)

NOON = 1_800_014_400.0
"""Friday, 15 January 2027, 12:00 UTC."""
NOON_MS = int(NOON * 1000)
TODAY = NOON_MS // DAY_MS
Sent = dict[str, object]
Rollup = dict[tuple[int, str], tuple[int, int]]


class Clock:
    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def sent(name: str = "opened", **fields: object) -> Sent:
    """An event as it is sent, of Ann's unless told."""
    whose: Sent = {} if "user" in fields or "anonymous_id" in fields else {"user": "ann"}
    return {"id": str(uuid.uuid4()), "name": name, "time": NOON, **whose, **fields}


def body(*events: Sent, **more: object) -> bytes:
    return json.dumps({"events": list(events), **more}).encode()


def batch(*events: Sent, own_user: str | None = None, **more: object) -> Batch:
    return parse(body(*events, **more), EventLimits(), NOON_MS, own_user)


async def engine_in(folder: Path) -> AsyncEngine:
    """A home's database as Roost opens it."""
    return await open_database(sqlite_url(folder / "app.db"), HOME)


async def engine_in_memory() -> AsyncEngine:
    engine = create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    return engine


@asynccontextmanager
async def home(
    folder: Path | None = None, terms: Terms | None = None, clock: Clock | None = None
) -> AsyncIterator[EventStore]:
    engine = await (engine_in(folder) if folder else engine_in_memory())
    try:
        async with EventStore.open(engine, terms or Terms(), clock or Clock()) as store:
            yield store
    finally:
        await engine.dispose()


async def counted_anew(engine: AsyncEngine) -> Rollup:
    """What the rollup should be, by counting every event that is there."""
    counts: Counter[tuple[int, str]] = Counter()
    people: dict[tuple[int, str], set[str]] = {}
    async with engine.connect() as connection:
        for row in await connection.execute(select(events)):
            for name in (row.name, ANY_NAME):
                key = row.time_ms // DAY_MS, name
                counts[key] += 1
                people.setdefault(key, set()).add(row.person)
    return {key: (count, len(people[key])) for key, count in counts.items()}


async def rollup(engine: AsyncEngine) -> Rollup:
    async with engine.connect() as connection:
        rows = await connection.execute(select(daily_rollup))
        return {(day, name): (count, users) for day, name, count, users in rows}


async def stored(engine: AsyncEngine) -> dict[str, str]:
    """Id → person of each event."""
    async with engine.connect() as connection:
        rows = await connection.execute(select(events.c.id, events.c.person))
        return {row.id: row.person for row in rows}


async def people_counted(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        return set(await connection.scalars(select(daily_people.c.person)))
