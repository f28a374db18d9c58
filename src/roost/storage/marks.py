"""What a home's upkeep remembers, and what it wants to know of deletions.

Rule: a mark is one small text by name; whoever writes it alone reads it.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncEngine

from roost.storage.home_tables import emptied, marks, tombstones

_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class Marks:
    """`engine` is the home's own database."""

    engine: AsyncEngine

    async def get(self, name: str) -> str | None:
        async with self.engine.connect() as connection:
            found = await connection.execute(select(marks.c.value).where(marks.c.name == name))
            return found.scalar_one_or_none()

    async def put(self, name: str, value: str) -> None:
        made = upsert(marks).values(name=name, value=value)
        async with self.engine.begin() as connection:
            await connection.execute(
                made.on_conflict_do_update(index_elements=["name"], set_={"value": value})
            )

    async def newest_deletion(self) -> int:
        """The position of the newest deletion that left a tombstone; 0 where there is none."""
        async with self.engine.connect() as connection:
            found = [
                (await connection.execute(select(func.max(table.c.position)))).scalar_one()
                for table in (tombstones, emptied)
            ]
        return max(position or 0 for position in found)

    async def deleted(self) -> AsyncIterator[list[bytes]]:
        """All traces and spans whose deletion stands in the log, in pages."""
        after = b""
        while True:
            page = (
                select(tombstones.c.id)
                .where(tombstones.c.id > after, tombstones.c.position > 0)
                .order_by(tombstones.c.id)
                .limit(_PAGE)
            )
            async with self.engine.connect() as connection:
                ids = list((await connection.execute(page)).scalars())
            if not ids:
                return
            yield ids
            after = ids[-1]
