"""Facts about the installation as a whole: its base path, and whether it is switched on."""

from dataclasses import dataclass

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from roost.storage.tables import installation


@dataclass(frozen=True, slots=True)
class Installation:
    engine: AsyncEngine

    async def get(self, name: str) -> str | None:
        query = select(installation.c.value).where(installation.c.name == name)
        async with self.engine.connect() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def put(self, name: str, value: str) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(delete(installation).where(installation.c.name == name))
            await connection.execute(insert(installation).values(name=name, value=value))
