"""What upkeep remembers in a home's own database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from roost.storage import home_tables
from roost.storage.engine import sqlite_url
from roost.storage.marks import Marks
from roost.storage.progress import Emptied, Progress, home_database


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    async with home_database(sqlite_url(tmp_path / "app.db")) as engine:
        yield engine


async def test_a_mark_is_kept_by_name_and_the_last_one_counts(engine: AsyncEngine) -> None:
    marks = Marks(engine)
    assert await marks.get("cell") is None
    await marks.put("cell", "one")
    await marks.put("cell", "two")
    await marks.put("other", "three")
    assert (await marks.get("cell"), await marks.get("other")) == ("two", "three")


async def test_the_newest_deletion_is_of_ids_or_of_a_project(engine: AsyncEngine) -> None:
    marks, progress = Marks(engine), Progress(engine, lambda: 0)
    assert await marks.newest_deletion() == 0
    await progress.bury([bytes(16)], 5)
    assert await marks.newest_deletion() == 5
    await progress.empty(Emptied("p", 9, None))
    assert await marks.newest_deletion() == 9


async def test_all_that_was_deleted_is_listed_once(engine: AsyncEngine) -> None:
    marks, progress = Marks(engine), Progress(engine, lambda: 0)
    ids = [one.to_bytes(16) for one in range(6_000)]
    await progress.bury([*ids, b"12345678"], 5)
    await progress.bury(ids[:10], 6)
    await progress.begin_erasing([b"not-yet!"], b"[]")
    found = [one async for page in marks.deleted() for one in page]
    assert sorted(found) == sorted([*ids, b"12345678"])


async def test_the_migrations_make_the_tables_that_are_declared(engine: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection)
        ours = set(home_tables.metadata.tables)
        found: list[tuple[object, ...]] = compare_metadata(context, home_tables.metadata)
        return [one for one in found if getattr(one[1], "name", "") in ours or "column" in str(one)]

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
