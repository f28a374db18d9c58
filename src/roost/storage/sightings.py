"""Which subjects came with which e-mail address, so that `doctor` can tell a changing subject."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from roost.storage.tables import sightings


@dataclass(frozen=True, slots=True)
class Sightings:
    engine: AsyncEngine
    clock: Callable[[], float]

    async def note(self, email: str, subject: str) -> None:
        same = (sightings.c.email == email) & (sightings.c.subject == subject)
        async with self.engine.begin() as connection:
            await connection.execute(delete(sightings).where(same))
            await connection.execute(
                insert(sightings).values(email=email, subject=subject, seen_at=self.clock())
            )

    async def all(self) -> list[tuple[str, str, float]]:
        """(e-mail, subject, last seen) in the order they were seen."""
        query = select(sightings).order_by(sightings.c.seen_at)
        async with self.engine.connect() as connection:
            return [
                (row.email, row.subject, row.seen_at) for row in await connection.execute(query)
            ]
